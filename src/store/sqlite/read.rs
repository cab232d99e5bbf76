//! What the SQLite store tells without changing anything. Needs no token and no transaction: each is
//! one statement, which sees the state of one moment.

use rusqlite::{Params, Row};

use super::rows::{as_token, as_wall, count, id, state, token};
use super::transaction::unavailable;
use super::{Entry, STATE, SqliteOutbox};
use crate::store::{Attempt, Counts, Doubt, MessageId, MessageState, Outgoing, StoreError};

pub(super) const PENDING: &str =
    "SELECT id, attempts + 1, bytes FROM outbox CROSS JOIN payload USING (seq)
    WHERE state = 0 ORDER BY outbox.seq LIMIT ?1";
pub(super) const DOUBTS: &str = "SELECT id, attempts, token, reason FROM outbox
    WHERE state = 4 AND parked = 0 ORDER BY seq LIMIT ?1";
const COUNTS: &str = "SELECT state, count(*) FROM outbox GROUP BY state";
const ENTRIES: &str = "SELECT id, state, token, parked, reason, attempts, enqueued_ms,
        first_claimed_ms, changed_ms, claimer_wall_ms
    FROM outbox WHERE ?1 IS NULL OR state = ?1 ORDER BY seq";

impl SqliteOutbox {
    /// The oldest pending messages, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub fn pending(&mut self, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.list(PENDING, [at_most(limit)], |row| {
            let payload = row.get_ref(2)?.as_blob()?.into();
            Ok(Outgoing { id: id(row, 0)?, attempt: count(row, 1)?, payload })
        })
    }

    /// The oldest in-doubt messages that are not parked, at most `limit`.
    ///
    /// # Errors
    /// The store failed.
    pub fn doubts(&mut self, limit: usize) -> Result<Vec<Doubt>, StoreError> {
        self.list(DOUBTS, [at_most(limit)], |row| {
            let attempt = Attempt { id: id(row, 0)?, number: count(row, 1)? };
            Ok(Doubt { attempt, token: token(row, 2)?, reason: row.get(3)? })
        })
    }

    /// Where a message stands; `None` if it does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub fn state_of(&mut self, id: &MessageId) -> Result<Option<MessageState>, StoreError> {
        Ok(self.list(STATE, [id.as_str()], |row| state(row, 0))?.pop())
    }

    /// How many messages stand where. Reads all of them.
    ///
    /// # Errors
    /// The store failed.
    pub fn counts(&mut self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        let by_state = self.list(COUNTS, [], |row| Ok((state(row, 0)?, row.get::<_, i64>(1)?)))?;
        for (state, count) in by_state {
            counts.by_state[state as usize] = count.unsigned_abs();
        }
        Ok(counts)
    }

    /// All messages, or those that stand at `only`, oldest first: for people and audits.
    ///
    /// # Errors
    /// The store failed.
    pub fn entries(&mut self, only: Option<MessageState>) -> Result<Vec<Entry>, StoreError> {
        self.list(ENTRIES, [only.map(|state| state as i64)], |row| {
            Ok(Entry {
                id: id(row, 0)?,
                state: state(row, 1)?,
                token: row.get::<_, Option<i64>>(2)?.map(as_token),
                parked: row.get(3)?,
                reason: row.get(4)?,
                attempts: row.get::<_, i64>(5)?.unsigned_abs(),
                enqueued: as_wall(row.get(6)?),
                first_claimed: row.get::<_, Option<i64>>(7)?.map(as_wall),
                changed: as_wall(row.get(8)?),
                claimer_wall: row.get::<_, Option<i64>>(9)?.map(as_wall),
            })
        })
    }

    fn list<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(unavailable)?;
        let rows = statement.query_map(params, read).map_err(unavailable)?;
        rows.collect::<rusqlite::Result<_>>().map_err(unavailable)
    }
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
