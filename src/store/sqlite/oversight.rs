//! What people see of the SQLite store, and what they decide.

use rusqlite::{Row, params};

use super::SqliteOutbox;
use super::read::at_most;
use super::rows::{Messages, as_wall, changing, count, id, key, millis, state};
use super::transaction::{Done, write};
use crate::store::columns::number;
use crate::store::rules;
use crate::store::{
    Counts, Entry, Judged, MessageId, MessageState, Page, Passed, StoreError, Verdict, VerdictError,
};
use crate::time::WallTime;

const COUNTS: &str = "SELECT state, count(*) FROM outbox GROUP BY state";
/// Begins with the columns that change, as the rules see them.
macro_rules! entries {
    ($which:literal) => {
        concat!(
            "SELECT state, parked, token, attempts, failures, not_before_ms, first_claimed_ms, \
             send_until_ms, changed_ms, claimer_wall_ms, reason, share_work, share_epoch, \
             share_node, id, ordering_key, enqueued_ms, seq FROM outbox ",
            $which
        )
    };
}
pub(super) const ENTRY: &str = entries!("WHERE id = ?1");

/// The statement for all messages, or those that stand there: each names the index that has few others.
pub(super) fn entries_at(only: Option<MessageState>) -> &'static str {
    match only {
        None => entries!("ORDER BY seq"),
        Some(MessageState::Pending) => concat!(
            entries!("INDEXED BY outbox_free WHERE state = 0 AND ordering_key IS NULL UNION ALL "),
            entries!("INDEXED BY outbox_waiting WHERE state = 0 AND ordering_key IS NOT NULL "),
            "ORDER BY seq"
        ),
        Some(MessageState::Claimed) => {
            entries!("INDEXED BY outbox_claimed WHERE state = 1 ORDER BY seq")
        }
        Some(MessageState::Delivered) => entries!("WHERE state = 2 ORDER BY seq"),
        Some(MessageState::Failed) => {
            entries!("INDEXED BY outbox_failed WHERE state = 3 ORDER BY seq")
        }
        Some(MessageState::InDoubt) => {
            entries!("INDEXED BY outbox_doubts WHERE state = 4 ORDER BY seq")
        }
    }
}
/// The statement for a [`Page`]; each part of it comes in order from its index.
fn page_at(only: Option<MessageState>) -> &'static str {
    match only {
        None => entries!("WHERE seq > ?1 ORDER BY seq LIMIT ?2"),
        Some(MessageState::Pending) => concat!(
            entries!(
                "INDEXED BY outbox_free WHERE state = 0 AND ordering_key IS NULL AND seq > ?1 "
            ),
            "UNION ALL ",
            entries!(
                "INDEXED BY outbox_waiting WHERE state = 0 AND ordering_key IS NOT NULL AND seq > ?1 "
            ),
            "ORDER BY seq LIMIT ?2"
        ),
        Some(MessageState::Claimed) => {
            entries!("INDEXED BY outbox_claimed WHERE state = 1 AND seq > ?1 ORDER BY seq LIMIT ?2")
        }
        Some(MessageState::Delivered) => {
            entries!("WHERE state = 2 AND seq > ?1 ORDER BY seq LIMIT ?2")
        }
        Some(MessageState::Failed) => {
            entries!("INDEXED BY outbox_failed WHERE state = 3 AND seq > ?1 ORDER BY seq LIMIT ?2")
        }
        Some(MessageState::InDoubt) => concat!(
            entries!("INDEXED BY outbox_doubts WHERE state = 4 AND parked = 0 AND seq > ?1 "),
            "UNION ALL ",
            entries!("INDEXED BY outbox_doubts WHERE state = 4 AND parked = 1 AND seq > ?1 "),
            "ORDER BY seq LIMIT ?2"
        ),
    }
}
const RECORD: &str = "INSERT INTO verdict (seq, at_ms, by_whom, attempt, from_state, to_state, why)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const TRAIL: &str = "SELECT at_ms, by_whom, attempt, from_state, to_state, why
    FROM verdict WHERE seq = (SELECT seq FROM outbox WHERE id = ?1) ORDER BY no";

impl SqliteOutbox {
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

    /// All messages, or those that stand at `only`, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub fn entries(&mut self, only: Option<MessageState>) -> Result<Vec<Entry>, StoreError> {
        self.list(entries_at(only), [], entry)
    }

    /// A part of the messages, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub fn page(&mut self, page: &Page) -> Result<Vec<Entry>, StoreError> {
        let (after, limit) = (number(page.after), at_most(page.limit));
        self.list(page_at(page.only), params![after, limit], entry)
    }

    /// One message; `None` if it does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub fn entry(&mut self, id: &MessageId) -> Result<Option<Entry>, StoreError> {
        Ok(self.list(ENTRY, [id.as_str()], entry)?.pop())
    }

    /// Passes a verdict about a message in doubt or a dead letter, and keeps it for the audit trail.
    /// Tells what was written down. Said twice, the second one is refused, because the message has
    /// moved on.
    ///
    /// # Errors
    /// It does not fit where the message stands, or the store failed.
    pub fn judge(&mut self, verdict: &Verdict, now: WallTime) -> Result<Passed, VerdictError> {
        let judged = self.judge_all(std::slice::from_ref(verdict), now)?.pop();
        judged.unwrap_or_else(|| Err(VerdictError::NoMessage(verdict.id.clone())))
    }

    /// Passes several verdicts in one transaction, and answers for each: those that do not fit change
    /// nothing.
    ///
    /// # Errors
    /// The store failed: none was passed, except perhaps by [`StoreError::Unknown`].
    pub fn judge_all(&mut self, verdicts: &[Verdict], now: WallTime) -> Result<Judged, StoreError> {
        write(&self.connection, |tx| {
            let mut messages = Messages::of(tx)?;
            let mut judged = Judged::with_capacity(verdicts.len());
            for verdict in verdicts {
                let found = messages.find(&verdict.id)?;
                let seq = found.as_ref().map_or(0, |found| found.seq);
                judged.push(match rules::judge(found.map(|found| found.row), verdict, now) {
                    Ok((row, passed)) => {
                        messages.put(seq, &row)?;
                        tx.prepare_cached(RECORD)?.execute(params![
                            seq,
                            millis(passed.at),
                            passed.by,
                            i64::try_from(passed.attempt).unwrap_or(i64::MAX),
                            passed.from as i64,
                            passed.to as i64,
                            passed.why,
                        ])?;
                        Ok(passed)
                    }
                    Err(error) => Err(error),
                });
            }
            match judged.iter().any(Result::is_ok) {
                true => Ok(Done::Changed(judged)),
                false => Ok(Done::Unchanged(judged)),
            }
        })
    }

    /// The verdicts about a message, in the order in which they were passed.
    ///
    /// # Errors
    /// The store failed.
    pub fn trail(&mut self, id: &MessageId) -> Result<Vec<Passed>, StoreError> {
        self.list(TRAIL, [id.as_str()], |row| {
            Ok(Passed {
                at: as_wall(row.get(0)?),
                by: row.get(1)?,
                attempt: count(row, 2)?,
                from: state(row, 3)?,
                to: state(row, 4)?,
                why: row.get(5)?,
            })
        })
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (id, key, enqueued) = (id(row, 14)?, key(row, 15)?, as_wall(row.get(16)?));
    Ok(Entry::new(count(row, 17)?, id, key, enqueued, changing(row)?))
}
