//! The decisions that all stores share: given what a transaction looked up, what is to be written
//! and what is answered. Pure, so that a store only looks up and writes.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::warn;

use super::oversight::MAX_VERDICT_TEXT;
use super::{
    Assigned, Attempt, Change, Claim, Epoch, MAX_UNITS, MessageId, MessageState, Passed, Proof,
    Ruling, Settled, Settlement, Verdict, VerdictError,
};
use crate::id::{NodeId, Token};
use crate::probe::{mutant, reach};
use crate::time::WallTime;

/// A message as far as it ever changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) state: MessageState,
    /// In doubt, and a person's to settle.
    pub(super) parked: bool,
    /// Who claimed it last.
    pub(super) token: Option<Token>,
    /// Under which assignment, if it was a worker.
    pub(super) share: Option<ShareKey>,
    /// That worker's node, for people.
    pub(super) worker: Option<NodeId>,
    /// How often it was claimed: the number of the last attempt.
    pub(super) attempts: u64,
    /// How often the sink has refused it for now, or its outcome was unknown and it was sent again.
    pub(super) failures: u64,
    /// Not to be claimed before.
    pub(super) not_before: Option<WallTime>,
    /// The first claim that may have led to an effect: where a deduplication window begins.
    pub(super) first_claimed: Option<WallTime>,
    /// Where that window ends, for a message that is sent again.
    pub(super) send_until: Option<WallTime>,
    pub(super) changed: WallTime,
    pub(super) claimer_wall: Option<WallTime>,
    pub(super) reason: Option<String>,
}

/// Names an assignment in one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShareKey {
    /// The work's number.
    pub(super) work: i64,
    pub(super) epoch: Epoch,
}

/// Who claims: the holder of the token itself, or the worker of an assignment that was made under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claimant {
    pub(super) token: Token,
    pub(super) share: Option<ShareKey>,
    pub(super) worker: Option<NodeId>,
}

/// What a transaction does about one message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision<A> {
    pub(super) answer: A,
    /// The row to write; none if nothing changes.
    pub(super) write: Option<Row>,
}

impl<A> Decision<A> {
    pub(super) fn unchanged(answer: A) -> Self {
        Self { answer, write: None }
    }

    fn write(answer: A, row: Row) -> Self {
        Self { answer, write: Some(row) }
    }
}

/// Only the holder of the floor writes. Nobody ever holds floor 0: it means that there was none yet.
pub(super) fn is_fenced(token: Token, floor: Token) -> bool {
    (token != floor || floor == Token(0)) && !mutant!(NoFenceCheck)
}

/// Whether a settlement is refused for its token.
pub(super) fn is_settlement_fenced(token: Token, floor: Token) -> bool {
    is_fenced(token, floor) && !mutant!(DeposedObeyed) && !mutant!(FoundingDesign)
}

/// Whether that attempt is claimed. `is_first` tells whether no earlier message of its key is
/// pending, claimed or in doubt.
pub(super) fn claim(
    found: Option<Row>,
    is_first: bool,
    by: Claimant,
    attempt: &Attempt,
    wall: WallTime,
    now: WallTime,
) -> Decision<Claim> {
    let Some(row) = found else { return Decision::unchanged(Claim::Refused { state: None }) };
    let send_within = row.send_until.map(|until| match is_of_another_clock(&row, now) {
        true => Duration::ZERO,
        false => left(until, now),
    });
    // Only the next attempt can be claimed: what arrives late was about an earlier one.
    let next = row.attempts + 1 == attempt.number;
    let replayed = mutant!(AmbiguousWriteReplayed) && row.attempts >= attempt.number;
    match row.state {
        // Said twice: nothing changes, not even when the window is over by now, because whoever was
        // granted the claim may be sending. Two workers of one token are told apart by their shares.
        MessageState::Claimed
            if (row.token, row.share) == (Some(by.token), by.share)
                && row.attempts == attempt.number =>
        {
            Decision::unchanged(Claim::Granted { send_within })
        }
        MessageState::Pending if next && !is_first => {
            Decision::unchanged(Claim::Refused { state: Some(MessageState::Pending) })
        }
        MessageState::Pending
            if next && send_within == Some(Duration::ZERO) && !mutant!(WindowIgnored) =>
        {
            let refused = Claim::Refused { state: Some(MessageState::InDoubt) };
            Decision::write(refused, window_over(row, now))
        }
        state if replayed || next && state == MessageState::Pending => Decision::write(
            Claim::Granted { send_within },
            Row {
                state: MessageState::Claimed,
                token: Some(by.token),
                share: by.share,
                worker: by.worker,
                attempts: attempt.number,
                not_before: None,
                first_claimed: row.first_claimed.or(Some(now)),
                claimer_wall: Some(wall),
                changed: now,
                ..row
            },
        ),
        state => Decision::unchanged(Claim::Refused { state: Some(state) }),
    }
}

/// What a holder's word about an attempt of its own comes to.
pub(super) fn settle(
    found: Option<Row>,
    token: Token,
    attempt: &Attempt,
    settlement: &Settlement,
    now: WallTime,
) -> Decision<Settled> {
    let Some(row) = found else { return Decision::unchanged(Settled::Refused { state: None }) };
    let target = settlement.target();
    let own = row.token == Some(token) && row.attempts == attempt.number;
    let may_settle = own && row.state == MessageState::Claimed
        || own && mutant!(DeposedObeyed) && row.state == MessageState::InDoubt
        || mutant!(FoundingDesign);
    if !may_settle {
        // Said twice, or too late.
        let again = own && row.state == target;
        let refused = Settled::Refused { state: Some(row.state) };
        return Decision::unchanged(if again { Settled::Now(target) } else { refused });
    }
    let mut row = Row { state: target, changed: now, ..row };
    match settlement {
        Settlement::Delivered => {}
        Settlement::Failed { reason } | Settlement::InDoubt { reason } => {
            row.reason = Some(reason.clone());
        }
        Settlement::Retry { reason, after } => {
            row.reason = Some(reason.clone());
            count_failure(&mut row, *after, now);
            had_no_effect(&mut row);
        }
        Settlement::GivenBack { reason } => {
            row.reason = Some(reason.clone());
            had_no_effect(&mut row);
        }
    }
    Decision::write(Settled::Now(target), row)
}

/// One more failure, after which the message waits. Not past the end of its window, which parks it: what
/// stands behind it should not wait for longer.
fn count_failure(row: &mut Row, after: Duration, now: WallTime) {
    let due = later(now, after);
    row.failures += 1;
    row.not_before = Some(row.send_until.map_or(due, |end| due.min(end)));
}

/// The last attempt had no effect. If a window runs, for an earlier one that may have had one, it
/// runs on; else none has begun.
fn had_no_effect(row: &mut Row) {
    if row.send_until.is_none() {
        row.first_claimed = None;
    }
}

/// What a proof about an in-doubt message comes to.
///
/// Said again after its answer was lost, a proof that was accepted is refused, with the state that
/// it led to. Who claimed the message last and what was said about it is kept. A parked message is
/// moved only by the sink's own word; [`Proof::Deduplicated`] leaves it parked.
pub(super) fn resolve(
    found: Option<Row>,
    attempt: &Attempt,
    proof: &Proof,
    now: WallTime,
) -> Decision<Settled> {
    let refused = Settled::Refused { state: found.as_ref().map(|row| row.state) };
    let meant = |row: &Row| row.state == MessageState::InDoubt && row.attempts == attempt.number;
    let Some(row) = found.filter(meant) else { return Decision::unchanged(refused) };
    let stays = Settled::Now(MessageState::InDoubt);
    let row = match proof {
        Proof::SinkHasIt => Row { state: MessageState::Delivered, ..row },
        // No attempt so far had an effect or will have one: no window is running.
        Proof::SinkLacksIt { after } => sent_again(row, None, *after, now),
        Proof::GivenUp { reason } => {
            let (state, failures) = (MessageState::Failed, row.failures + 1);
            Row { state, failures, send_until: None, reason: Some(reason.clone()), ..row }
        }
        Proof::Deduplicated { .. } | Proof::Park { .. } if row.parked => {
            return Decision::unchanged(stays);
        }
        Proof::Deduplicated { window, after } => {
            match row.first_claimed.map(|first| later(first, *window)) {
                Some(end) if now < end && !is_of_another_clock(&row, now) => {
                    sent_again(row, Some(end), *after, now)
                }
                _ if mutant!(WindowIgnored) => sent_again(row, None, *after, now),
                _ => return Decision::write(stays, window_over(row, now)),
            }
        }
        Proof::Park { reason } => {
            let reason = Some(reason.clone());
            return Decision::write(stays, Row { parked: true, reason, changed: now, ..row });
        }
    };
    let row = Row { parked: false, changed: now, ..row };
    Decision::write(Settled::Now(row.state), row)
}

/// Out of doubt, to be sent again after a pause. Without one, a sink that answers nothing of use would
/// be asked again as fast as the network allows.
fn sent_again(row: Row, send_until: Option<WallTime>, after: Duration, now: WallTime) -> Row {
    let mut row = Row { state: MessageState::Pending, send_until, ..row };
    count_failure(&mut row, after, now);
    row
}

/// What a person's verdict comes to: the row to write, and the line of the audit trail.
pub(super) fn judge(
    found: Option<Row>,
    verdict: &Verdict,
    now: WallTime,
) -> Result<(Row, Passed), VerdictError> {
    let said = |text: &str| (1..=MAX_VERDICT_TEXT).contains(&text.trim().len());
    if !said(&verdict.by) || !said(&verdict.why) {
        return Err(VerdictError::NoReason);
    }
    let row = found.ok_or_else(|| VerdictError::NoMessage(verdict.id.clone()))?;
    let (wanted, to) = match verdict.ruling {
        Ruling::Delivered => (MessageState::InDoubt, MessageState::Delivered),
        Ruling::Failed => (MessageState::InDoubt, MessageState::Failed),
        Ruling::Resend => (MessageState::InDoubt, MessageState::Pending),
        Ruling::Requeue => (MessageState::Failed, MessageState::Pending),
    };
    let (stands, attempts) = (row.state, row.attempts);
    if stands != wanted {
        reach!("late_verdict_refused");
        return Err(VerdictError::OtherState { stands, wanted });
    }
    match verdict.attempt {
        Some(attempt) if attempt != attempts => {
            reach!("late_verdict_refused");
            return Err(VerdictError::OtherAttempt { attempts });
        }
        None if stands == MessageState::InDoubt && !row.parked => {
            return Err(VerdictError::NotParked { attempts });
        }
        _ => {}
    }
    let passed = Passed {
        at: now,
        by: verdict.by.clone(),
        attempt: attempts,
        from: stands,
        to,
        why: verdict.why.clone(),
    };
    let mut row = Row { state: to, parked: false, changed: now, ..row };
    if to == MessageState::Pending {
        // The person vouches that no attempt had an effect: it begins anew, but for its number.
        (row.failures, row.not_before) = (0, None);
        (row.first_claimed, row.send_until) = (None, None);
    }
    Ok((row, passed))
}

/// What a leader's changes of a work come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reassigning {
    /// All that was assigned ends, because it was of another number of units.
    pub(super) ends_all: bool,
    /// The changes are made.
    pub(super) is_made: bool,
}

/// Refuses changes that no work can have.
pub(super) fn check_changes(units: u32, changes: &[Change]) -> Result<(), String> {
    if !(1..=MAX_UNITS).contains(&units) {
        return Err(format!("a work of {units} units: it has 1 to {MAX_UNITS}"));
    }
    let mut seen = BTreeSet::new();
    for Change { unit, .. } in changes {
        if unit.0 >= units {
            return Err(format!("unit {unit} of a work of {units} units"));
        }
        if !seen.insert(*unit) {
            return Err(format!("two changes of unit {unit}"));
        }
    }
    Ok(())
}

/// Whether these changes of a work are made: all of them, or none. `stands` is what the work has.
pub(super) fn reassign(stands: &Assigned, units: u32, changes: &[Change]) -> Reassigning {
    let ends_all = stands.units != units;
    let epoch_of = |change: &Change| {
        let assigned = stands.list.iter().find(|assigned| assigned.unit == change.unit);
        assigned.filter(|_| !ends_all).map_or(Epoch(0), |assigned| assigned.epoch)
    };
    let is_made = changes.iter().all(|change| epoch_of(change) == change.after);
    Reassigning { ends_all, is_made }
}

/// Whether the clock shows a time before the window began: it was set back since, and nobody knows how long
/// the window has been open. Then it counts as over, so that nothing is sent again because of a clock.
fn is_of_another_clock(row: &Row, now: WallTime) -> bool {
    row.first_claimed.is_some_and(|first| now < first)
}

/// Whether the clock has been set back since the message was told to wait: it is due, whatever it was told.
pub(super) fn is_due_by_a_clock_set_back(row: &Row, now: WallTime) -> bool {
    row.not_before.is_some_and(|due| now < due) && now < row.changed
}

/// Says so, where it is claimed: once for each message and each time that the clock is set back.
pub(super) fn warn_of_clock(message: &MessageId) {
    warn!(
        %message,
        "the store's clock was set back, or was ahead when this message was told to wait: it is due now"
    );
}

fn window_over(row: Row, now: WallTime) -> Row {
    let over = "the deduplication window is over";
    let reason = match row.reason {
        Some(reason) => format!("{reason}; {over}"),
        None => over.to_owned(),
    };
    Row { state: MessageState::InDoubt, parked: true, reason: Some(reason), changed: now, ..row }
}

/// The time left until `end`; zero once it is reached.
fn left(end: WallTime, now: WallTime) -> Duration {
    Duration::from_millis(end.unix_ms.saturating_sub(now.unix_ms))
}

fn later(from: WallTime, by: Duration) -> WallTime {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    WallTime { unix_ms: from.unix_ms.saturating_add(by) }
}
