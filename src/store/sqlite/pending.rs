//! The look for messages that may be claimed now, by two ways: see [`look`](crate::store::look).

use rusqlite::Row;

use super::SqliteOutbox;
use super::read::at_most;
use super::rows::{count, holds_up, id, millis};
use super::transaction::unavailable;
use crate::store::look::Reach;
use crate::store::{MAX_LOOK_LEN, Outgoing, Share, StoreError};
use crate::time::WallTime;

// A message is due when its time has come; or when it came to its state later than the clock shows now: the
// clock was ahead then, or is behind now, and so its time says nothing.

/// Behind how many waiting messages a look by age ends. Reads an index only, and nothing where no message
/// has a key.
pub(super) const END: &str = "SELECT seq FROM outbox
    WHERE state = 0 AND ordering_key IS NOT NULL ORDER BY seq LIMIT 1 OFFSET ?1";
/// Two indexes, merged. What is first of its key is found by one look into a third, message by message.
pub(super) const BY_AGE: &str = "SELECT id, attempts + 1, failures, bytes, mine.seq
    FROM outbox AS mine CROSS JOIN payload USING (seq)
    WHERE state = 0 AND ordering_key IS NULL AND (not_before_ms <= ?2 OR changed_ms > ?2) AND lot % ?3 = ?4
    AND mine.seq < ?5
    UNION ALL
    SELECT id, attempts + 1, failures, bytes, mine.seq
    FROM outbox AS mine CROSS JOIN payload USING (seq)
    WHERE state = 0 AND ordering_key IS NOT NULL AND (not_before_ms <= ?2 OR changed_ms > ?2) AND lot % ?3 = ?4
    AND mine.seq < ?5 AND NOT EXISTS (
        SELECT 1 FROM outbox AS earlier WHERE earlier.ordering_key = mine.ordering_key
        AND earlier.seq < mine.seq AND earlier.state IN (0, 1, 4))
    ORDER BY 5 LIMIT ?1";
/// The first open message of each key, from key to key, and those without a key. Payloads are not read
/// here, because this has to be sorted. There are more keys than it may look at if the first row is
/// [`TOO_MANY`].
pub(super) const BY_KEY: &str = "WITH RECURSIVE first (seq, ordering_key) AS (
        SELECT * FROM (
            SELECT seq, ordering_key FROM outbox
            WHERE ordering_key IS NOT NULL AND state IN (0, 1, 4)
            ORDER BY ordering_key, seq LIMIT 1)
        UNION ALL
        SELECT next.seq, next.ordering_key FROM first CROSS JOIN outbox AS next
        WHERE next.seq = (
            SELECT seq FROM outbox AS later
            WHERE later.ordering_key > first.ordering_key
            AND later.ordering_key IS NOT NULL AND later.state IN (0, 1, 4)
            ORDER BY later.ordering_key, later.seq LIMIT 1)
        LIMIT ?5
    )
    SELECT -1 AS seq FROM (SELECT 1 FROM first LIMIT 1 OFFSET ?5 - 1)
    UNION ALL
    SELECT seq FROM outbox
    WHERE state = 0 AND ordering_key IS NULL AND (not_before_ms <= ?2 OR changed_ms > ?2) AND lot % ?3 = ?4
    UNION ALL
    SELECT mine.seq FROM first CROSS JOIN outbox AS mine USING (seq)
    WHERE state = 0 AND (not_before_ms <= ?2 OR changed_ms > ?2) AND lot % ?3 = ?4
    ORDER BY seq LIMIT ?1";
const TOO_MANY: i64 = -1;
pub(super) const OUTGOING: &str = "SELECT id, attempts + 1, failures, bytes
    FROM outbox CROSS JOIN payload USING (seq) WHERE outbox.seq = ?1";

/// What every statement of a look is asked: at most how many, when, and of which share.
type Sought = [i64; 4];

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
        let sought = [at_most(limit), millis(now), of.into(), unit.into()];
        let mut reach = Reach::of(limit, of);
        loop {
            if let Some(found) = self.pending_by_age(sought, &reach)? {
                return Ok(found);
            }
            if let Some(found) = self.pending_by_key(sought, &reach)? {
                return Ok(found);
            }
            reach.grow();
        }
    }

    /// `None` if the reach did not do.
    pub(super) fn pending_by_age(
        &self,
        sought: Sought,
        reach: &Reach,
    ) -> Result<Option<Vec<Outgoing>>, StoreError> {
        // The answer is that of the second statement alone: up to this end, or to the last message.
        let end = self.list(END, [reach.rows()], |row| row.get::<_, i64>(0))?.pop();
        let [limit, now, of, unit] = sought;
        let which = [limit, now, of, unit, end.unwrap_or(i64::MAX)];
        let mut fit = Fit::default();
        let found = self.list_while(&holds_up(BY_AGE), which, outgoing, |it| fit.takes(it))?;
        let is_all = end.is_none() || at_most(found.len()) >= limit || fit.is_over();
        Ok(is_all.then_some(found))
    }

    /// `None` if the reach did not do.
    pub(super) fn pending_by_key(
        &self,
        sought: Sought,
        reach: &Reach,
    ) -> Result<Option<Vec<Outgoing>>, StoreError> {
        // So that the statements see one moment. There is nothing to be committed.
        let _moment = self.connection.to_read()?.unchecked_transaction().map_err(unavailable)?;
        let [limit, now, of, unit] = sought;
        let which = [limit, now, of, unit, reach.rows()];
        let oldest: Vec<i64> = self.list(&holds_up(BY_KEY), which, |row| row.get(0))?;
        if oldest.first() == Some(&TOO_MANY) {
            return Ok(None);
        }
        let (mut fit, mut found) = (Fit::default(), Vec::new());
        for seq in oldest {
            found.extend(self.list_while(OUTGOING, [seq], outgoing, |it| fit.takes(it))?);
            if fit.is_over() {
                break;
            }
        }
        Ok(Some(found))
    }
}

/// How much of what is found fits into one answer.
#[derive(Default)]
struct Fit {
    found: usize,
    bytes: usize,
}

impl Fit {
    fn takes(&mut self, message: &Outgoing) -> bool {
        self.found += 1;
        self.bytes += message.payload.len();
        !self.is_over()
    }

    fn is_over(&self) -> bool {
        self.found > 1 && self.bytes > MAX_LOOK_LEN
    }
}

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let payload = row.get_ref(3)?.as_blob()?.into();
    let (attempt, failures) = (count(row, 1)?, count(row, 2)?);
    Ok(Outgoing { id: id(row, 0)?, attempt, failures, payload })
}
