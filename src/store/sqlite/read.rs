//! What the SQLite store tells holders without changing anything. Needs no token and no transaction:
//! each is one statement, which sees the state of one moment.

use rusqlite::{Params, Row, params};

use super::SqliteOutbox;
use super::outbox::STATE;
use super::rows::{count, holds_up, id, millis, number, signed, state, token};
use super::transaction::unavailable;
use crate::store::{
    Attempt, Doubt, MAX_LOOK_LEN, MessageId, MessageState, Outgoing, Permit, Share, StoreError,
};
use crate::time::WallTime;

/// What is first of its key is found by one look into an index, message by message.
pub(super) const PENDING: &str = "SELECT id, attempts + 1, failures, bytes
    FROM outbox AS mine CROSS JOIN payload USING (seq)
    WHERE state = 0 AND not_before_ms <= ?2 AND lot % ?3 = ?4 AND (ordering_key IS NULL OR NOT EXISTS (
        SELECT 1 FROM outbox AS earlier WHERE earlier.ordering_key = mine.ordering_key
        AND earlier.seq < mine.seq AND earlier.state IN (0, 1, 4)))
    ORDER BY mine.seq LIMIT ?1";
pub(super) const DOUBTS: &str = "SELECT id, attempts, token, failures, reason FROM outbox
    WHERE state = 4 AND parked = 0 ORDER BY seq LIMIT ?1";
/// Without a work and an epoch: claims of the token's holder itself.
pub(super) const CLAIMED_UNDER: &str = "SELECT id, attempts FROM outbox
    WHERE state = 1 AND token = ?1 AND share_epoch IS ?3
    AND share_work IS (SELECT no FROM work WHERE name = ?2) ORDER BY seq";

impl SqliteOutbox {
    /// The oldest messages that may be claimed now, at most `limit`, and at most one of a key. Fewer if
    /// their payloads have more than [`MAX_LOOK_LEN`] bytes in all, but never none for that.
    ///
    /// # Errors
    /// The store failed.
    pub fn pending(&mut self, limit: usize, now: WallTime) -> Result<Vec<Outgoing>, StoreError> {
        self.pending_in(0, 1, limit, now)
    }

    /// As [`pending`](Self::pending), of the messages of a share only.
    ///
    /// # Errors
    /// The store failed.
    pub fn pending_of(
        &mut self,
        share: &Share,
        limit: usize,
        now: WallTime,
    ) -> Result<Vec<Outgoing>, StoreError> {
        self.pending_in(share.unit.0, share.of, limit, now)
    }

    fn pending_in(
        &mut self,
        unit: u32,
        of: u32,
        limit: usize,
        now: WallTime,
    ) -> Result<Vec<Outgoing>, StoreError> {
        let which = [at_most(limit), millis(now), of.into(), unit.into()];
        let (mut found, mut bytes) = (0, 0);
        let fits = |message: &Outgoing| {
            found += 1;
            bytes += message.payload.len();
            found == 1 || bytes <= MAX_LOOK_LEN
        };
        let read = |row: &Row<'_>| {
            let payload = row.get_ref(3)?.as_blob()?.into();
            let (attempt, failures) = (count(row, 1)?, count(row, 2)?);
            Ok(Outgoing { id: id(row, 0)?, attempt, failures, payload })
        };
        self.list_while(&holds_up(PENDING), which, read, fits)
    }

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
    fn list_while<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
        mut goes_on: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(unavailable)?;
        let rows = statement.query_map(params, read).map_err(unavailable)?;
        let rows = rows.take_while(|row| row.as_ref().map_or(true, &mut goes_on));
        rows.collect::<rusqlite::Result<_>>().map_err(unavailable)
    }
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
