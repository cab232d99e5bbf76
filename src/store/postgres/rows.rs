//! Rows into values and values into columns.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

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
/// Ends a write: of all of the rows, or of none. That a text is no number is an error, and this one is
/// read by people; after it the COMMIT that came along changes nothing.
macro_rules! all_or_none {
    () => {
        " RETURNING 1)
        SELECT CASE WHEN count(*) = cardinality($1) THEN 0 ELSE (count(*) || ' of ' ||
            cardinality($1) || ' messages were written: somebody deletes them while they are \
            delivered')::INTEGER END
        FROM written"
    };
}

/// Each row has an element in each column.
pub(super) const PUT: &str = concat!(
    "WITH written AS (
        UPDATE fencepost.outbox AS mine SET state = new.state, parked = new.parked,
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
        WHERE mine.seq = new.seq",
    all_or_none!()
);
/// The columns have one element, for all rows: a third less work for the server, and most batches are
/// like that.
pub(super) const PUT_ALIKE: &str = concat!(
    "WITH written AS (
        UPDATE fencepost.outbox SET state = ($2::SMALLINT[])[1], parked = ($3::BOOLEAN[])[1],
            token = ($4::BIGINT[])[1], attempts = ($5::BIGINT[])[1], failures = ($6::BIGINT[])[1],
            not_before_ms = ($7::BIGINT[])[1], first_claimed_ms = ($8::BIGINT[])[1],
            send_until_ms = ($9::BIGINT[])[1], changed_ms = ($10::BIGINT[])[1],
            claimer_wall_ms = ($11::BIGINT[])[1], reason = ($12::TEXT[])[1],
            share_work = ($13::BIGINT[])[1], share_epoch = ($14::BIGINT[])[1],
            share_node = ($15::TEXT[])[1]
        WHERE seq = ANY($1::BIGINT[])",
    all_or_none!()
);

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

/// Reads what [`LOOK`] found.
pub(super) fn read_found(rows: &[Row]) -> Result<Vec<Found>, StoreError> {
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
    rows.iter().map(read).collect()
}

/// The rows that are changed, as the columns that [`PUT`] or [`PUT_ALIKE`] writes.
pub(super) struct Changes<'a> {
    sql: &'static str,
    seqs: Vec<i64>,
    states: Vec<i16>,
    parked: Vec<bool>,
    tokens: Vec<Option<i64>>,
    attempts: Vec<i64>,
    failures: Vec<i64>,
    not_before: Vec<i64>,
    first_claimed: Vec<Option<i64>>,
    send_until: Vec<Option<i64>>,
    changed: Vec<i64>,
    claimer_wall: Vec<Option<i64>>,
    reasons: Vec<Option<String>>,
    works: Vec<Option<i64>>,
    epochs: Vec<Option<i64>>,
    workers: Vec<Option<&'a str>>,
}

impl<'a> Changes<'a> {
    pub(super) fn of(found: &'a [Found]) -> Self {
        let mut rows: Vec<&Found> = found.iter().filter(|found| found.is_changed).collect();
        let seqs = rows.iter().map(|found| found.seq).collect();
        let is_alike = rows.windows(2).all(|two| two[0].row == two[1].row);
        if is_alike {
            rows.truncate(1);
        }
        fn column<'a, T>(rows: &[&'a Found], value: impl Fn(&'a rules::Row) -> T) -> Vec<T> {
            rows.iter().map(|found| value(&found.row)).collect()
        }
        Self {
            sql: if is_alike { PUT_ALIKE } else { PUT },
            seqs,
            states: column(&rows, |row| state_number(row.state)),
            parked: column(&rows, |row| row.parked),
            tokens: column(&rows, |row| row.token.map(signed)),
            attempts: column(&rows, |row| number(row.attempts)),
            failures: column(&rows, |row| number(row.failures)),
            not_before: column(&rows, |row| row.not_before.map_or(0, millis)),
            first_claimed: column(&rows, |row| row.first_claimed.map(millis)),
            send_until: column(&rows, |row| row.send_until.map(millis)),
            changed: column(&rows, |row| millis(row.changed)),
            claimer_wall: column(&rows, |row| row.claimer_wall.map(millis)),
            reasons: column(&rows, |row| row.reason.as_deref().map(text)),
            works: column(&rows, |row| row.share.map(|share| share.work)),
            epochs: column(&rows, |row| row.share.map(|share| number(share.epoch.0))),
            workers: column(&rows, |row| row.worker.as_ref().map(NodeId::as_str)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    /// What writes them.
    pub(super) fn sql(&self) -> &'static str {
        self.sql
    }

    /// What is bound to it.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 15] {
        [
            &self.seqs,
            &self.states,
            &self.parked,
            &self.tokens,
            &self.attempts,
            &self.failures,
            &self.not_before,
            &self.first_claimed,
            &self.send_until,
            &self.changed,
            &self.claimer_wall,
            &self.reasons,
            &self.works,
            &self.epochs,
            &self.workers,
        ]
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

/// A limit as a parameter.
pub(super) fn at_most(limit: usize) -> i64 {
    number(limit as u64)
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
