//! What the SQLite store tells holders without changing anything. Needs no token and no transaction:
//! each is one statement, which sees the state of one moment.

use rusqlite::{Params, Row, params};

use super::SqliteOutbox;
use super::outbox::STATE;
use super::rows::{count, id, number, signed, state, token};
use super::transaction::unavailable;
use crate::store::{Attempt, Doubt, MessageId, MessageState, Permit, StoreError};

pub(super) const DOUBTS: &str = "SELECT id, attempts, token, failures, reason FROM outbox
    WHERE state = 4 AND parked = 0 ORDER BY seq LIMIT ?1";
/// Without a work and an epoch: claims of the token's holder itself.
pub(super) const CLAIMED_UNDER: &str = "SELECT id, attempts FROM outbox
    WHERE state = 1 AND token = ?1 AND share_epoch IS ?3
    AND share_work IS (SELECT no FROM work WHERE name = ?2) ORDER BY seq";

impl SqliteOutbox {
    /// The oldest in-doubt messages that are not parked, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub fn doubts(&mut self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        self.list(DOUBTS, [at_most(limit)], |row| {
            let attempt = Attempt { id: id(row, 0)?, number: count(row, 1)? };
            let (token, failures) = (token(row, 2)?, count(row, 3)?);
            Ok(Doubt { attempt, token, failures, reason: row.get(4)? })
        })
    }

    /// The attempts that are claimed under exactly this permit, whether it still counts or not.
    ///
    /// # Errors
    /// The store failed.
    pub fn claimed_under(&mut self, permit: &Permit) -> Result<Vec<Attempt>, StoreError> {
        let share = permit.share.as_ref();
        let which = params![
            signed(permit.token),
            share.map(|share| share.work.as_str()),
            share.map(|share| number(share.epoch.0)),
        ];
        self.list(CLAIMED_UNDER, which, |row| {
            Ok(Attempt { id: id(row, 0)?, number: count(row, 1)? })
        })
    }

    /// Where a message stands; `None` if it does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub fn state_of(&mut self, id: &MessageId) -> Result<Option<MessageState>, StoreError> {
        Ok(self.list(STATE, [id.as_str()], |row| state(row, 0))?.pop())
    }

    /// All rows of a query.
    pub(super) fn list<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.list_while(sql, params, read, |_| true)
    }

    /// The rows of a query until the first that `goes_on` refuses. What comes after it is not read.
    pub(super) fn list_while<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        mut goes_on: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.to_read()?.prepare_cached(sql).map_err(unavailable)?;
        let rows = statement.query_map(params, read).map_err(unavailable)?;
        let rows = rows.take_while(|row| row.as_ref().map_or(true, &mut goes_on));
        rows.collect::<rusqlite::Result<_>>().map_err(unavailable)
    }
}

pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
