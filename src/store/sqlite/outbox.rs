//! The transactions of the outbox: look up, let the rules decide, write.

use rusqlite::{Connection, params};

use super::SqliteOutbox;
use super::assignments::newest;
use super::fence::floor;
use super::rows::{Found, Messages, millis, signed, state};
use super::transaction::{Done, write};
use crate::id::Token;
use crate::probe::reach;
use crate::store::rules::{self, Claimant, Decision, is_due_by_a_clock_set_back};
use crate::store::{
    Attempt, Checked, Claim, EnqueueError, Enqueued, Lot, NewMessage, OrderingKey, Permit, Proof,
    Settled, Settlement, StoreError,
};
use crate::time::WallTime;

const ENQUEUE: &str = "INSERT INTO outbox (id, ordering_key, lot, enqueued_ms, changed_ms)
    VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (id) DO NOTHING";
const ENQUEUE_PAYLOAD: &str = "INSERT INTO payload (seq, bytes) VALUES (?1, ?2)";
pub(super) const STATE: &str = "SELECT state FROM outbox WHERE id = ?1";
pub(super) const SWEEP: &str = "UPDATE outbox SET state = 4, changed_ms = ?2, reason =
        'claimed by ' || token || ', whose holder was deposed; outcome unknown'
    WHERE state = 1 AND token < ?1";

impl SqliteOutbox {
    /// Adds these messages, all or none, and answers for each. Needs no token: anybody may ask for a
    /// delivery. Of messages with one id, here or in the store, the first counts.
    ///
    /// # Errors
    /// A payload is too long, or the store failed.
    pub fn enqueue(
        &mut self,
        messages: &[NewMessage],
        now: WallTime,
    ) -> Result<Vec<Enqueued>, EnqueueError> {
        EnqueueError::check(messages)?;
        let enqueued = write(&self.connection, |tx| {
            let added = |message: &NewMessage| add(tx, message, now);
            let answers = messages.iter().map(added).collect::<rusqlite::Result<Vec<_>>>()?;
            let changed = answers.contains(&Enqueued::Added);
            Ok(if changed { Done::Changed(answers) } else { Done::Unchanged(answers) })
        })?;
        Ok(enqueued)
    }

    /// Puts every message that an earlier token claimed in doubt, and tells how many.
    ///
    /// # Errors
    /// The store failed.
    pub fn sweep(&mut self, token: Token, now: WallTime) -> Result<Checked<u64>, StoreError> {
        write(&self.connection, |tx| {
            let floor = floor(tx)?;
            if rules::is_fenced(token, floor) {
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let swept = tx.prepare_cached(SWEEP)?.execute(params![signed(token), millis(now)])?;
            if swept == 0 {
                return Ok(Done::Unchanged(Checked::Passed(0)));
            }
            reach!("foreign_claim_in_doubt");
            Ok(Done::Changed(Checked::Passed(swept as u64)))
        })
    }

    /// Claims these attempts, each granted or refused by itself. `wall` is the claimer's wall clock,
    /// kept as evidence. A message whose deduplication window is over is parked instead.
    ///
    /// # Errors
    /// The store failed.
    pub fn claim(
        &mut self,
        permit: &Permit,
        attempts: &[Attempt],
        wall: WallTime,
        now: WallTime,
    ) -> Result<Checked<Vec<Claim>>, StoreError> {
        let Permit { token, share } = permit;
        let token = *token;
        write(&self.connection, |tx| {
            let floor = floor(tx)?;
            if rules::is_fenced(token, floor) {
                if token < floor {
                    reach!("claim_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let assigned = match share {
                Some(share) => newest(tx, token, share)?,
                None => None,
            };
            if share.is_some() && assigned.is_none() {
                reach!("claim_rejected_stale_assignment");
                return Ok(Done::Unchanged(Checked::Passed(vec![
                    Claim::NotAssigned;
                    attempts.len()
                ])));
            }
            decide_all(tx, attempts, |messages, attempt| {
                let found = messages.find(&attempt.id)?;
                let foreign = |found: &Found| share.as_ref().is_some_and(|s| !s.has(found.lot));
                if found.as_ref().is_some_and(foreign) {
                    return Ok((Claim::NotAssigned, false));
                }
                let worker = share.as_ref().map(|share| share.worker.node);
                let by = Claimant { token, share: assigned, worker };
                if found.as_ref().is_some_and(|it| is_due_by_a_clock_set_back(&it.row, now)) {
                    reach!("due_though_the_clock_was_ahead");
                    rules::warn_of_clock(&attempt.id);
                }
                let is_first = found.as_ref().map_or(Ok(true), |found| messages.is_first(found))?;
                carry_out(messages, found, |row| {
                    rules::claim(row, is_first, by, attempt, wall, now)
                })
            })
        })
    }

    /// Says what became of attempts that are claimed under `token`.
    ///
    /// # Errors
    /// The store failed.
    pub fn settle(
        &mut self,
        token: Token,
        settlements: &[(Attempt, Settlement)],
        now: WallTime,
    ) -> Result<Checked<Vec<Settled>>, StoreError> {
        write(&self.connection, |tx| {
            let floor = floor(tx)?;
            if rules::is_settlement_fenced(token, floor) {
                if token < floor {
                    reach!("settle_rejected_stale_token");
                }
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            decide_all(tx, settlements, |messages, (attempt, settlement)| {
                let found = messages.find(&attempt.id)?;
                carry_out(messages, found, |row| {
                    rules::settle(row, token, attempt, settlement, now)
                })
            })
        })
    }

    /// Settles an in-doubt message by proof.
    ///
    /// Said again after its answer was lost, a proof that was accepted is refused, with the state
    /// that it led to.
    ///
    /// # Errors
    /// The store failed.
    pub fn resolve(
        &mut self,
        token: Token,
        attempt: &Attempt,
        proof: &Proof,
        now: WallTime,
    ) -> Result<Checked<Settled>, StoreError> {
        write(&self.connection, |tx| {
            let floor = floor(tx)?;
            if rules::is_fenced(token, floor) {
                return Ok(Done::Unchanged(Checked::Fenced { floor }));
            }
            let mut messages = Messages::of(tx)?;
            let found = messages.find(&attempt.id)?;
            let (settled, changed) =
                carry_out(&mut messages, found, |row| rules::resolve(row, attempt, proof, now))?;
            let settled = Checked::Passed(settled);
            Ok(if changed { Done::Changed(settled) } else { Done::Unchanged(settled) })
        })
    }
}

fn add(tx: &Connection, message: &NewMessage, now: WallTime) -> rusqlite::Result<Enqueued> {
    let NewMessage { id, payload, key } = message;
    let lot = Lot::of(id, key.as_ref()).0;
    let insert = params![id.as_str(), key.as_ref().map(OrderingKey::as_str), lot, millis(now)];
    if tx.prepare_cached(ENQUEUE)?.execute(insert)? == 0 {
        let state = tx.prepare_cached(STATE)?.query_row([id.as_str()], |row| state(row, 0))?;
        return Ok(Enqueued::Exists(state));
    }
    let seq = tx.last_insert_rowid();
    tx.prepare_cached(ENQUEUE_PAYLOAD)?.execute(params![seq, &payload[..]])?;
    Ok(Enqueued::Added)
}

/// Decides one after the other, so that each sees what the ones before it wrote.
fn decide_all<I, A>(
    tx: &Connection,
    items: &[I],
    decide: impl Fn(&mut Messages<'_>, &I) -> rusqlite::Result<(A, bool)>,
) -> rusqlite::Result<Done<Checked<Vec<A>>>> {
    let mut messages = Messages::of(tx)?;
    let mut answers = Vec::with_capacity(items.len());
    let mut changed = false;
    for item in items {
        let (answer, wrote) = decide(&mut messages, item)?;
        answers.push(answer);
        changed |= wrote;
    }
    let answers = Checked::Passed(answers);
    Ok(if changed { Done::Changed(answers) } else { Done::Unchanged(answers) })
}

/// Asks a rule about what was found and writes what it decides. Tells whether anything was written.
fn carry_out<A>(
    messages: &mut Messages<'_>,
    found: Option<Found>,
    rule: impl FnOnce(Option<rules::Row>) -> Decision<A>,
) -> rusqlite::Result<(A, bool)> {
    let seq = found.as_ref().map(|found| found.seq);
    let Decision { answer, write } = rule(found.map(|found| found.row));
    if let (Some(seq), Some(row)) = (seq, &write) {
        messages.put(seq, row)?;
    }
    Ok((answer, write.is_some()))
}
