//! Rows into values and values into columns.

use std::borrow::Cow;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{CachedStatement, Connection, Error, OptionalExtension, params};

use crate::id::{Boot, Generation, Identity, NodeId, Token};
use crate::probe::mutant;
use crate::store::columns::{as_holder, as_state};
pub(super) use crate::store::columns::{as_token, as_wall, millis, number, signed};
use crate::store::rules::{Row, ShareKey};
use crate::store::{Epoch, Lot, MessageId, MessageState, OrderingKey};

pub(super) const LOOK: &str = "SELECT state, parked, token, attempts, failures, not_before_ms,
        first_claimed_ms, send_until_ms, changed_ms, claimer_wall_ms, reason, share_work,
        share_epoch, share_node, seq, ordering_key, lot
    FROM outbox WHERE id = ?1";
pub(super) const PUT: &str = "UPDATE outbox SET state = ?2, parked = ?3, token = ?4, attempts = ?5,
        failures = ?6, not_before_ms = ?7, first_claimed_ms = ?8, send_until_ms = ?9,
        changed_ms = ?10, claimer_wall_ms = ?11, reason = ?12, share_work = ?13, share_epoch = ?14,
        share_node = ?15
    WHERE seq = ?1";
pub(super) const IS_BEHIND: &str = "SELECT EXISTS (SELECT 1 FROM outbox
    WHERE ordering_key = ?1 AND seq < ?2 AND state IN (0, 1, 4))";

/// A statement that asks whether something holds a message up, with or without a planted bug.
pub(super) fn holds_up(sql: &'static str) -> Cow<'static, str> {
    if mutant!(DoubtOvertaken) {
        return sql.replace("IN (0, 1, 4)", "IN (0, 1)").into();
    }
    if mutant!(NotBeforeTrusted) {
        return sql.replace(" OR changed_ms > ?2", "").into();
    }
    sql.into()
}

/// A message that a transaction looked up: what the rules decide about, and its place.
pub(super) struct Found {
    pub(super) row: Row,
    pub(super) seq: i64,
    pub(super) lot: Lot,
    key: Option<String>,
}

/// The statements that every message of a batch needs, taken out of the cache once for all of them:
/// to look each up there costs about as much as to run it.
pub(super) struct Messages<'c> {
    connection: &'c Connection,
    look: CachedStatement<'c>,
    put: CachedStatement<'c>,
}

impl<'c> Messages<'c> {
    pub(super) fn of(connection: &'c Connection) -> rusqlite::Result<Self> {
        let look = connection.prepare_cached(LOOK)?;
        Ok(Self { connection, look, put: connection.prepare_cached(PUT)? })
    }

    /// Looks a message up.
    pub(super) fn find(&mut self, id: &MessageId) -> rusqlite::Result<Option<Found>> {
        self.look
            .query_row([id.as_str()], |row| {
                let (seq, key, lot) = (row.get(14)?, row.get(15)?, Lot(row.get(16)?));
                Ok(Found { row: changing(row)?, seq, lot, key })
            })
            .optional()
    }

    /// Whether no earlier message of its key is pending, claimed or in doubt.
    pub(super) fn is_first(&self, found: &Found) -> rusqlite::Result<bool> {
        let (Some(key), MessageState::Pending) = (&found.key, found.row.state) else {
            return Ok(true);
        };
        let behind: bool = self
            .connection
            .prepare_cached(&holds_up(IS_BEHIND))?
            .query_row(params![key, found.seq], |row| row.get(0))?;
        Ok(!behind)
    }

    /// Writes what was decided.
    pub(super) fn put(&mut self, seq: i64, row: &Row) -> rusqlite::Result<()> {
        let written = params![
            seq,
            row.state as i64,
            row.parked,
            row.token.map(signed),
            number(row.attempts),
            number(row.failures),
            row.not_before.map_or(0, millis),
            row.first_claimed.map(millis),
            row.send_until.map(millis),
            millis(row.changed),
            row.claimer_wall.map(millis),
            row.reason,
            row.share.map(|share| share.work),
            row.share.map(|share| number(share.epoch.0)),
            row.worker.as_ref().map(NodeId::as_str),
        ];
        self.put.execute(written).map(drop)
    }
}

/// The columns that ever change, which are the first of a query.
pub(super) fn changing(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        state: state(row, 0)?,
        parked: row.get(1)?,
        token: row.get::<_, Option<i64>>(2)?.map(as_token),
        attempts: count(row, 3)?,
        failures: count(row, 4)?,
        not_before: Some(as_wall(row.get(5)?)).filter(|due| due.unix_ms > 0),
        first_claimed: row.get::<_, Option<i64>>(6)?.map(as_wall),
        send_until: row.get::<_, Option<i64>>(7)?.map(as_wall),
        changed: as_wall(row.get(8)?),
        claimer_wall: row.get::<_, Option<i64>>(9)?.map(as_wall),
        reason: row.get(10)?,
        share: match row.get(11)? {
            Some(work) => Some(ShareKey { work, epoch: Epoch(count(row, 12)?) }),
            None => None,
        },
        worker: match row.get_ref(13)?.as_str_or_null()? {
            Some(name) => Some(node_of(name, 13)?),
            None => None,
        },
    })
}

pub(super) fn state(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<MessageState> {
    let number = row.get::<_, i64>(index)?;
    as_state(number)
        .ok_or_else(|| unreadable(index, Type::Integer, FromSqlError::OutOfRange(number)))
}

pub(super) fn id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<MessageId> {
    MessageId::new(row.get_ref(index)?.as_str()?)
        .map_err(|error| unreadable(index, Type::Text, FromSqlError::other(error)))
}

pub(super) fn key(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<OrderingKey>> {
    let Some(text) = row.get_ref(index)?.as_str_or_null()? else { return Ok(None) };
    match OrderingKey::new(text) {
        Ok(key) => Ok(Some(key)),
        Err(error) => Err(unreadable(index, Type::Text, FromSqlError::other(error))),
    }
}

pub(super) fn token(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Token> {
    row.get(index).map(as_token)
}

/// Whoever [`Identity`]'s text names; nobody if it is empty.
pub(super) fn holder(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<Identity>> {
    let text = row.get_ref(index)?.as_str()?;
    match as_holder(text) {
        None if !text.is_empty() => Err(unreadable(index, Type::Text, FromSqlError::InvalidType)),
        holder => Ok(holder),
    }
}

/// One row of the roll.
pub(super) fn boot(row: &rusqlite::Row<'_>, node: usize, nonce: usize) -> rusqlite::Result<Boot> {
    let name = node_of(row.get_ref(node)?.as_str()?, node)?;
    Ok(Boot { node: name, nonce: row.get::<_, i64>(nonce)?.cast_unsigned() })
}

fn node_of(name: &str, index: usize) -> rusqlite::Result<NodeId> {
    name.parse().map_err(|error| unreadable(index, Type::Text, FromSqlError::other(error)))
}

pub(super) fn generation(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Generation> {
    count(row, index).map(Generation::stored)
}

/// A number that is never negative.
pub(super) fn count(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::unsigned_abs)
}

pub(super) fn unreadable(index: usize, kind: Type, error: FromSqlError) -> Error {
    Error::FromSqlConversionFailure(index, kind, Box::new(error))
}
