//! Rows into values and values into columns.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::transaction::Transaction;
use crate::id::NodeId;
use crate::store::columns::{as_state, as_token, as_wall, millis, number, signed};
use crate::store::{Epoch, Lot, MessageId, MessageState, OrderingKey, StoreError, rules};

/// The columns that ever change, which are the first of a query that [`changing`] reads.
macro_rules! changing_columns {
    () => {
        "state, parked, token, attempts, failures, not_before_ms, first_claimed_ms, send_until_ms, \
         changed_ms, claimer_wall_ms, reason, share_work, share_epoch, share_node"
    };
}
pub(super) use changing_columns;

/// In the order of the sequence, in which all writers lock: none waits for another in a circle.
pub(super) const LOOK: &str = concat!(
    "SELECT ",
    changing_columns!(),
    ", seq, id, lot, ordering_key IS NULL OR NOT EXISTS (
        SELECT 1 FROM fencepost.outbox AS earlier WHERE earlier.ordering_key = mine.ordering_key
        AND earlier.seq < mine.seq AND earlier.state IN (0, 1, 4))
    FROM fencepost.outbox AS mine WHERE id = ANY($1) ORDER BY seq FOR NO KEY UPDATE OF mine"
);
pub(super) const PUT: &str =
    "UPDATE fencepost.outbox AS mine SET state = new.state, parked = new.parked,
        token = new.token, attempts = new.attempts, failures = new.failures,
        not_before_ms = new.not_before_ms, first_claimed_ms = new.first_claimed_ms,
        send_until_ms = new.send_until_ms, changed_ms = new.changed_ms,
        claimer_wall_ms = new.claimer_wall_ms, reason = new.reason,
        share_work = new.share_work, share_epoch = new.share_epoch, share_node = new.share_node
    FROM unnest($1::BIGINT[], $2::SMALLINT[], $3::BOOLEAN[], $4::BIGINT[], $5::BIGINT[],
        $6::BIGINT[], $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[],
        $12::TEXT[], $13::BIGINT[], $14::BIGINT[], $15::TEXT[])
        AS new (seq, state, parked, token, attempts, failures, not_before_ms, first_claimed_ms,
        send_until_ms, changed_ms, claimer_wall_ms, reason, share_work, share_epoch, share_node)
    WHERE mine.seq = new.seq";

/// A message, locked until the transaction ends.
pub(super) struct Found {
    pub(super) id: MessageId,
    pub(super) seq: i64,
    pub(super) lot: Lot,
    pub(super) row: rules::Row,
    /// Whether no earlier message of its key is pending, claimed or in doubt.
    pub(super) is_first: bool,
    /// Whether the row is to be written.
    pub(super) is_changed: bool,
}

/// Looks all these messages up, in one statement.
pub(super) async fn find<'a>(
    tx: &Transaction,
    ids: impl Iterator<Item = &'a MessageId>,
) -> Result<Vec<Found>, StoreError> {
    let ids: Vec<&str> = ids.map(MessageId::as_str).collect();
    let read = |row: &Row| {
        Ok(Found {
            row: changing(row)?,
            seq: get(row, 14)?,
            id: id(row, 15)?,
            lot: lot(row, 16)?,
            is_first: get(row, 17)?,
            is_changed: false,
        })
    };
    tx.rows(LOOK, &[&ids]).await?.iter().map(read).collect()
}

/// Writes all rows that are changed, in one statement.
pub(super) async fn put(tx: &Transaction, found: &[Found]) -> Result<(), StoreError> {
    let rows: Vec<&Found> = found.iter().filter(|found| found.is_changed).collect();
    if rows.is_empty() {
        return Ok(());
    }
    fn column<T>(rows: &[&Found], value: impl Fn(&rules::Row) -> T) -> Vec<T> {
        rows.iter().map(|found| value(&found.row)).collect()
    }
    let seqs: Vec<i64> = rows.iter().map(|found| found.seq).collect();
    let states = column(&rows, |row| state_number(row.state));
    let parked = column(&rows, |row| row.parked);
    let tokens = column(&rows, |row| row.token.map(signed));
    let attempts = column(&rows, |row| number(row.attempts));
    let failures = column(&rows, |row| number(row.failures));
    let not_before = column(&rows, |row| row.not_before.map_or(0, millis));
    let first_claimed = column(&rows, |row| row.first_claimed.map(millis));
    let send_until = column(&rows, |row| row.send_until.map(millis));
    let changed = column(&rows, |row| millis(row.changed));
    let claimer_wall = column(&rows, |row| row.claimer_wall.map(millis));
    let reasons = column(&rows, |row| row.reason.as_deref().map(text));
    let works = column(&rows, |row| row.share.map(|share| share.work));
    let epochs = column(&rows, |row| row.share.map(|share| number(share.epoch.0)));
    let workers: Vec<Option<&str>> =
        rows.iter().map(|found| found.row.worker.as_ref().map(NodeId::as_str)).collect();
    let params: [&(dyn ToSql + Sync); 15] = [
        &seqs,
        &states,
        &parked,
        &tokens,
        &attempts,
        &failures,
        &not_before,
        &first_claimed,
        &send_until,
        &changed,
        &claimer_wall,
        &reasons,
        &works,
        &epochs,
        &workers,
    ];
    match tx.execute(PUT, &params).await? {
        written if written == rows.len() as u64 => Ok(()),
        written => Err(StoreError::Unavailable(format!(
            "{written} of {} rows were written: somebody deletes messages while they are delivered",
            rows.len()
        ))),
    }
}

/// The columns that ever change, which are the first of a query.
pub(super) fn changing(row: &Row) -> Result<rules::Row, StoreError> {
    Ok(rules::Row {
        state: state(row, 0)?,
        parked: get(row, 1)?,
        token: get::<Option<i64>>(row, 2)?.map(as_token),
        attempts: count(row, 3)?,
        failures: count(row, 4)?,
        not_before: Some(as_wall(get(row, 5)?)).filter(|due| due.unix_ms > 0),
        first_claimed: get::<Option<i64>>(row, 6)?.map(as_wall),
        send_until: get::<Option<i64>>(row, 7)?.map(as_wall),
        changed: as_wall(get(row, 8)?),
        claimer_wall: get::<Option<i64>>(row, 9)?.map(as_wall),
        reason: get(row, 10)?,
        share: match get(row, 11)? {
            Some(work) => Some(rules::ShareKey { work, epoch: Epoch(count(row, 12)?) }),
            None => None,
        },
        worker: get::<Option<&str>>(row, 13)?.map(node).transpose()?,
    })
}

/// A column of that type.
pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    index: usize,
) -> Result<T, StoreError> {
    row.try_get(index).map_err(|error| super::unavailable(&error))
}

/// A number that is never negative.
pub(super) fn count(row: &Row, index: usize) -> Result<u64, StoreError> {
    get::<i64>(row, index).map(i64::unsigned_abs)
}

pub(super) fn state(row: &Row, index: usize) -> Result<MessageState, StoreError> {
    let number: i16 = get(row, index)?;
    as_state(number.into()).ok_or_else(|| unreadable(format!("there is no state {number}")))
}

/// The node of that name.
pub(super) fn node(name: &str) -> Result<NodeId, StoreError> {
    name.parse().map_err(unreadable)
}

fn lot(row: &Row, index: usize) -> Result<Lot, StoreError> {
    let number: i16 = get(row, index)?;
    u8::try_from(number).map(Lot).map_err(unreadable)
}

pub(super) fn id(row: &Row, index: usize) -> Result<MessageId, StoreError> {
    MessageId::new(get(row, index)?).map_err(unreadable)
}

pub(super) fn key(row: &Row, index: usize) -> Result<Option<OrderingKey>, StoreError> {
    let key: Option<&str> = get(row, index)?;
    key.map(OrderingKey::new).transpose().map_err(unreadable)
}

pub(super) fn state_number(state: MessageState) -> i16 {
    state as i16
}

/// A text that PostgreSQL takes: it has no zero byte in any.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn unreadable(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("a row is not as Fencepost writes it: {why}"))
}
