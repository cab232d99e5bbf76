//! Rows into values and values into columns.
//!
//! SQLite keeps signed 64-bit integers. Tokens fit, as far as they are activated; times that do not
//! are past any that matters and become the last one that does.

use std::time::Duration;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, Error, Row};

use crate::id::{Boot, Generation, Identity, Incarnation, Token};
use crate::store::{MessageId, MessageState};
use crate::time::WallTime;

/// The fence and one message in one look, because it is what every write begins with.
pub(super) const LOOK: &str =
    "SELECT floor, seq, state, token, parked, first_claimed_ms, send_until_ms, attempts
    FROM fence LEFT JOIN outbox ON id = ?1";

/// What a transaction must know before it writes.
pub(super) struct Look {
    pub(super) floor: Token,
    pub(super) message: Option<Message>,
}

/// A message as far as its next state depends on it.
pub(super) struct Message {
    pub(super) seq: i64,
    pub(super) state: MessageState,
    pub(super) token: Option<Token>,
    pub(super) parked: bool,
    pub(super) first_claimed: Option<i64>,
    pub(super) send_until: Option<i64>,
    /// How often it was claimed: the number of the last attempt.
    pub(super) attempts: u64,
}

impl Message {
    /// When a window that began with the first claim ends.
    pub(super) fn window_end(&self, window: Duration) -> Option<i64> {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.first_claimed.map(|first| first.saturating_add(window))
    }
}

/// Reads the fence and the message.
pub(super) fn look(connection: &Connection, id: &MessageId) -> rusqlite::Result<Look> {
    connection.prepare_cached(LOOK)?.query_row([id.as_str()], |row| {
        let message = match row.get(1)? {
            None => None,
            Some(seq) => Some(Message {
                seq,
                state: state(row, 2)?,
                token: row.get::<_, Option<i64>>(3)?.map(as_token),
                parked: row.get(4)?,
                first_claimed: row.get(5)?,
                send_until: row.get(6)?,
                attempts: count(row, 7)?,
            }),
        };
        Ok(Look { floor: token(row, 0)?, message })
    })
}

/// The time left until `end`; zero once it is reached.
pub(super) fn left(end: i64, now: WallTime) -> Duration {
    Duration::from_millis(u64::try_from(end.saturating_sub(millis(now))).unwrap_or(0))
}

pub(super) fn state(row: &Row<'_>, index: usize) -> rusqlite::Result<MessageState> {
    let number = row.get::<_, i64>(index)?;
    let state = usize::try_from(number).ok().and_then(|n| MessageState::ALL.get(n));
    state.copied().ok_or_else(|| unreadable(index, Type::Integer, FromSqlError::OutOfRange(number)))
}

pub(super) fn id(row: &Row<'_>, index: usize) -> rusqlite::Result<MessageId> {
    MessageId::new(row.get_ref(index)?.as_str()?)
        .map_err(|error| unreadable(index, Type::Text, FromSqlError::other(error)))
}

pub(super) fn token(row: &Row<'_>, index: usize) -> rusqlite::Result<Token> {
    row.get(index).map(as_token)
}

/// Whoever [`Identity`]'s text names; nobody if it is empty.
pub(super) fn holder(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Identity>> {
    let text = row.get_ref(index)?.as_str()?;
    let identity = || {
        let (node, incarnation) = text.rsplit_once('/')?;
        let incarnation = Incarnation(incarnation.parse().ok()?);
        Some(Identity { node: node.parse().ok()?, incarnation })
    };
    match identity() {
        None if !text.is_empty() => Err(unreadable(index, Type::Text, FromSqlError::InvalidType)),
        holder => Ok(holder),
    }
}

/// One row of the roll.
pub(super) fn boot(row: &Row<'_>, node: usize, nonce: usize) -> rusqlite::Result<Boot> {
    let name = row.get_ref(node)?.as_str()?;
    let name =
        name.parse().map_err(|error| unreadable(node, Type::Text, FromSqlError::other(error)))?;
    Ok(Boot { node: name, nonce: row.get::<_, i64>(nonce)?.cast_unsigned() })
}

pub(super) fn generation(row: &Row<'_>, index: usize) -> rusqlite::Result<Generation> {
    count(row, index).map(Generation::stored)
}

/// A number that is never negative.
pub(super) fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::unsigned_abs)
}

pub(super) fn as_token(number: i64) -> Token {
    Token(u64::try_from(number).unwrap_or(0))
}

pub(super) fn as_wall(number: i64) -> WallTime {
    WallTime { unix_ms: u64::try_from(number).unwrap_or(0) }
}

pub(super) fn signed(token: Token) -> i64 {
    i64::try_from(token.0).unwrap_or(i64::MAX)
}

pub(super) fn millis(time: WallTime) -> i64 {
    i64::try_from(time.unix_ms).unwrap_or(i64::MAX)
}

pub(super) fn unreadable(index: usize, kind: Type, error: FromSqlError) -> Error {
    Error::FromSqlConversionFailure(index, kind, Box::new(error))
}
