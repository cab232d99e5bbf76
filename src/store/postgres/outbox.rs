//! The transactions of the outbox: look up, let the rules decide, write. Batches are sets: a call
//! takes as many statements for a hundred messages as for one, and two waits for the server: for all
//! that it looks up, and for what it writes.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::PostgresStore;
use super::assignments::{Claimed, NEWEST, newest};
use super::fence::{Begun, now};
use super::rows::{Changes, Found, LOOK, at_most, count, get, id, read_found, state};
use super::transaction::{Bound, Params, Transaction, rows};
use crate::id::Token;
use crate::store::columns::{as_token, millis, number, signed};
use crate::store::rules::{self, Claimant, Decision};
use crate::store::{
    Attempt, Checked, Claim, Doubt, EnqueueError, Enqueued, Lot, MessageId, MessageState,
    NewMessage, OrderingKey, Outbox, Outgoing, Permit, Proof, Settled, Settlement, Share,
    StoreError,
};
use crate::time::WallTime;

/// How many bytes of payloads one statement carries at most, unless a single one is longer.
const MAX_STATEMENT: usize = 16 << 20;

/// Payloads are kept for what was added only. In the order of the batch, which is the order in which
/// the sequence counts, and messages are delivered. So this statement alone cannot keep to an order of locks:
/// two batches at once that hold the same ids in another order can wait for each other, and the server
/// ends one of them. Nothing of it was added, and it may be said again.
const ENQUEUE: &str = concat!(
    "WITH new AS (
        SELECT * FROM unnest($1::TEXT[], $2::TEXT[], $3::SMALLINT[], $4::BYTEA[])
            WITH ORDINALITY AS new (id, ordering_key, lot, bytes, nth)
    ), clock AS MATERIALIZED (
        SELECT ",
    now!(),
    " AS now
    ), added AS (
        INSERT INTO fencepost.outbox (id, ordering_key, lot, enqueued_ms, changed_ms)
        SELECT id, ordering_key, lot, now, now FROM new, clock ORDER BY nth
        ON CONFLICT (id) DO NOTHING RETURNING seq, id
    ), kept AS (
        INSERT INTO fencepost.payload (seq, bytes)
        SELECT seq, bytes FROM added JOIN new USING (id)
    )
    SELECT id FROM added"
);
const STATES: &str = "SELECT id, state FROM fencepost.outbox WHERE id = ANY($1)";
/// Locks in the order of the sequence, as every writer does; the index has them in that of their tokens.
pub(super) const SWEEP: &str = "WITH claimed AS (
        SELECT seq FROM fencepost.outbox WHERE state = 1 AND token < $1
        ORDER BY seq FOR NO KEY UPDATE
    )
    UPDATE fencepost.outbox AS mine SET state = 4, changed_ms = $2, reason =
        'claimed by ' || token || ', whose holder was deposed; outcome unknown'
    FROM claimed WHERE mine.seq = claimed.seq";
pub(super) const DOUBTS: &str = "SELECT id, attempts, token, failures, reason FROM fencepost.outbox
    WHERE state = 4 AND NOT parked ORDER BY seq LIMIT $1";
/// Without a work and an epoch: claims of the token's holder itself.
pub(super) const CLAIMED_UNDER: &str = "SELECT id, attempts FROM fencepost.outbox
    WHERE state = 1 AND token = $1 AND share_epoch IS NOT DISTINCT FROM $3
    AND share_work IS NOT DISTINCT FROM (SELECT no FROM fencepost.work WHERE name = $2)
    ORDER BY seq";

impl Outbox for PostgresStore {
    async fn enqueue(&self, messages: &[NewMessage]) -> Result<Vec<Enqueued>, EnqueueError> {
        EnqueueError::check(messages)?;
        // Of messages with one id the first counts, and only it is offered.
        let mut first: BTreeMap<&MessageId, usize> = BTreeMap::new();
        for (index, message) in messages.iter().enumerate() {
            first.entry(&message.id).or_insert(index);
        }
        let offered: Vec<&NewMessage> = messages
            .iter()
            .enumerate()
            .filter(|(index, message)| first[&message.id] == *index)
            .map(|(_, message)| message)
            .collect();
        let tx = Transaction::begin(self.session().await?).await?;
        let added = add(&tx, &offered).await?;
        let ids: Vec<&str> = offered.iter().map(|message| message.id.as_str()).collect();
        let mut stands: BTreeMap<MessageId, MessageState> = BTreeMap::new();
        if added.len() < messages.len() {
            for row in tx.rows(STATES, &[&ids]).await? {
                stands.insert(id(&row, 0)?, state(&row, 1)?);
            }
        }
        match added.len() {
            0 => tx.confirm().await?,
            _ => tx.commit().await?,
        }
        let answer = |(index, message): (usize, &NewMessage)| {
            if first[&message.id] == index && added.contains(&message.id) {
                return Ok(Enqueued::Added);
            }
            let state = stands.get(&message.id).copied();
            state.map(Enqueued::Exists).ok_or_else(|| {
                let why = format!("{} was deleted while it was enqueued", message.id);
                EnqueueError::Store(StoreError::Unknown(why))
            })
        };
        messages.iter().enumerate().map(answer).collect()
    }

    async fn sweep(&self, token: Token) -> Result<Checked<u64>, StoreError> {
        let (tx, floor, now) = self.begin().await?;
        if rules::is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let swept = tx.commit_with(&[(SWEEP, &[&signed(token), &millis(now)])]).await?;
        Ok(Checked::Passed(swept.iter().sum()))
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.pending_in(0, 1, limit).await
    }

    async fn pending_of(&self, share: &Share, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.pending_in(share.unit.0, share.of, limit).await
    }

    async fn claim(
        &self,
        permit: &Permit,
        attempts: &[Attempt],
        wall: WallTime,
    ) -> Result<Checked<Vec<Claim>>, StoreError> {
        let Permit { token, ref share } = *permit;
        let claimed = share.as_ref().map(|share| Claimed::under(token, share));
        let params = claimed.as_ref().map(Claimed::params);
        let first = params.as_ref().map(|params| (NEWEST, &params[..]));
        let ids = attempts.iter().map(|attempt| &attempt.id);
        let ((tx, floor, now), assigned, found) = self.begin_and_find(first, ids.clone()).await?;
        if rules::is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let assigned = match share {
            Some(share) => newest(&assigned, share)?,
            None => None,
        };
        if share.is_some() && assigned.is_none() {
            tx.roll_back().await;
            return Ok(Checked::Passed(vec![Claim::NotAssigned; attempts.len()]));
        }
        let worker = share.as_ref().map(|share| share.worker.node);
        let by = Claimant { token, share: assigned, worker };
        let foreign = |found: &Found| share.as_ref().is_some_and(|share| !share.has(found.lot));
        decide(tx, &found, ids, attempts, |found, attempt| {
            if found.is_some_and(foreign) {
                return Decision::unchanged(Claim::NotAssigned);
            }
            let is_first = found.is_none_or(|found| found.is_first);
            if found.is_some_and(|found| rules::is_due_by_a_clock_set_back(&found.row, now)) {
                rules::warn_of_clock(&attempt.id);
            }
            let row = found.map(|found| found.row.clone());
            rules::claim(row, is_first, by, attempt, wall, now)
        })
        .await
    }

    async fn claimed_under(&self, permit: &Permit) -> Result<Vec<Attempt>, StoreError> {
        let share = permit.share.as_ref();
        let work = share.map(|share| share.work.as_str());
        let epoch = share.map(|share| number(share.epoch.0));
        let which: Params<'_> = &[&signed(permit.token), &work, &epoch];
        let claimed = rows(self.session().await?, CLAIMED_UNDER, which).await?;
        let read = |row: &Row| Ok(Attempt { id: id(row, 0)?, number: count(row, 1)? });
        claimed.iter().map(read).collect()
    }

    async fn settle(
        &self,
        token: Token,
        settlements: &[(Attempt, Settlement)],
    ) -> Result<Checked<Vec<Settled>>, StoreError> {
        let ids = settlements.iter().map(|(attempt, _)| &attempt.id);
        let ((tx, floor, now), _, found) = self.begin_and_find(None, ids.clone()).await?;
        if rules::is_settlement_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        decide(tx, &found, ids, settlements, |found, (attempt, settlement)| {
            rules::settle(found.map(|found| found.row.clone()), token, attempt, settlement, now)
        })
        .await
    }

    async fn doubts(&self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        let doubts = rows(self.session().await?, DOUBTS, &[&at_most(limit)]).await?;
        let read = |row: &Row| {
            let attempt = Attempt { id: id(row, 0)?, number: count(row, 1)? };
            let (token, failures) = (as_token(get(row, 2)?), count(row, 3)?);
            Ok(Doubt { attempt, token, failures, reason: get(row, 4)? })
        };
        doubts.iter().map(read).collect()
    }

    async fn resolve(
        &self,
        token: Token,
        attempt: &Attempt,
        proof: Proof,
    ) -> Result<Checked<Settled>, StoreError> {
        let ids = std::iter::once(&attempt.id);
        let ((tx, floor, now), _, found) = self.begin_and_find(None, ids.clone()).await?;
        if rules::is_fenced(token, floor) {
            tx.roll_back().await;
            return Ok(Checked::Fenced { floor });
        }
        let settled = decide(tx, &found, ids, std::slice::from_ref(attempt), |found, attempt| {
            rules::resolve(found.map(|found| found.row.clone()), attempt, &proof, now)
        });
        match settled.await? {
            Checked::Fenced { floor } => Ok(Checked::Fenced { floor }),
            Checked::Passed(settled) => {
                let only = settled.into_iter().next();
                Ok(Checked::Passed(only.unwrap_or(Settled::Refused { state: None })))
            }
        }
    }
}

impl PostgresStore {
    /// Begins a write, asks `first`, and then looks these messages up: the answers to both. Each is
    /// locked before the next is, in the order in which all writers lock.
    pub(super) async fn begin_and_find<'a>(
        &self,
        first: Option<Bound<'_>>,
        ids: impl Iterator<Item = &'a MessageId>,
    ) -> Result<(Begun, Vec<Row>, Vec<Row>), StoreError> {
        let ids: Vec<&str> = ids.map(MessageId::as_str).collect();
        let params: Params<'_> = &[&ids];
        let looks: Vec<Bound<'_>> = first.into_iter().chain([(LOOK, params)]).collect();
        let (begun, mut answers) = self.begin_with(&looks).await?;
        let found = answers.pop().unwrap_or_default();
        Ok((begun, answers.pop().unwrap_or_default(), found))
    }
}

/// Adds what is not there yet; the ids of that.
async fn add(tx: &Transaction, offered: &[&NewMessage]) -> Result<BTreeSet<MessageId>, StoreError> {
    let mut added = BTreeSet::new();
    let mut rest = offered;
    while !rest.is_empty() {
        let (some, more) = rest.split_at(fits(rest.iter().map(|message| message.payload.len())));
        added.extend(add_some(tx, some).await?);
        rest = more;
    }
    Ok(added)
}

/// How many payloads of these lengths go into one statement: the first always does.
fn fits(lens: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = lens.take_while(|len| {
        bytes += len;
        bytes <= MAX_STATEMENT
    });
    fits.count().max(1)
}

async fn add_some(tx: &Transaction, offered: &[&NewMessage]) -> Result<Vec<MessageId>, StoreError> {
    let ids: Vec<&str> = offered.iter().map(|message| message.id.as_str()).collect();
    let keys: Vec<Option<&str>> =
        offered.iter().map(|message| message.key.as_ref().map(OrderingKey::as_str)).collect();
    let lots: Vec<i16> =
        offered.iter().map(|message| Lot::of(&message.id, message.key.as_ref()).0.into()).collect();
    let payloads: Vec<&[u8]> = offered.iter().map(|message| &*message.payload).collect();
    let added = tx.rows(ENQUEUE, &[&ids, &keys, &lots, &payloads]).await?;
    added.iter().map(|row| id(row, 0)).collect()
}

/// Decides one after the other, so that each sees what was decided before it, and writes all. `found` is
/// what [`LOOK`] answered about `ids`.
pub(super) async fn decide<'a, I, A>(
    tx: Transaction,
    found: &[Row],
    ids: impl Iterator<Item = &'a MessageId>,
    items: &[I],
    rule: impl Fn(Option<&Found>, &I) -> Decision<A>,
) -> Result<Checked<Vec<A>>, StoreError> {
    let mut found = read_found(found)?;
    let by_id: BTreeMap<MessageId, usize> =
        found.iter().enumerate().map(|(index, found)| (found.id.clone(), index)).collect();
    let mut answers = Vec::with_capacity(items.len());
    for (id, item) in ids.zip(items) {
        let index = by_id.get(id).copied();
        let Decision { answer, write } = rule(index.map(|index| &found[index]), item);
        answers.push(answer);
        if let (Some(index), Some(row)) = (index, write) {
            found[index].row = row;
            found[index].is_changed = true;
        }
    }
    let changes = Changes::of(&found);
    match changes.is_empty() {
        true => tx.confirm().await?,
        false => drop(tx.commit_with(&[(changes.sql(), &changes.params())]).await?),
    }
    Ok(Checked::Passed(answers))
}

#[cfg(test)]
mod tests {
    use super::fits;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_statement_carries_sixteen_mebibytes_or_one_message() {
        for (lens, expected) in [
            (&[16 * MIB, 1][..], 1),
            (&[8 * MIB, 8 * MIB, 1], 2),
            (&[17 * MIB], 1),
            (&[17 * MIB, 1], 1),
            (&[1; 5], 5),
        ] {
            assert_eq!(fits(lens.iter().copied()), expected, "{lens:?}");
        }
    }
}
