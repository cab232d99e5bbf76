//! What people see of the PostgreSQL store, and what they decide.

use tokio_postgres::Row;

use super::PostgresStore;
use super::fence::now;
use super::rows::{
    Changes, LOOK, changing, changing_columns, count, get, id, key, read_found, state,
    state_number, text,
};
use super::transaction::{Bound, Params, Transaction, only, rows};
use crate::store::columns::{as_wall, millis, number};
use crate::store::{
    Counts, Entry, Judged, MessageId, MessageState, Page, Passed, StoreError, Verdict,
    VerdictError, rules,
};

const COUNTS: &str = "SELECT state, count(*) FROM fencepost.outbox GROUP BY state";
macro_rules! entries {
    ($which:literal) => {
        concat!(
            "SELECT ",
            changing_columns!(),
            ", id, ordering_key, enqueued_ms, seq FROM fencepost.outbox ",
            $which
        )
    };
}
pub(super) const ENTRY: &str = entries!("WHERE id = $1");

/// The statement for all messages, or those that stand there: of the states that few are in for long, there is
/// an index for the literal.
pub(super) fn entries_at(only: Option<MessageState>) -> &'static str {
    match only {
        None => entries!("ORDER BY seq"),
        Some(MessageState::Pending) => concat!(
            entries!("WHERE state = 0 AND ordering_key IS NULL UNION ALL "),
            entries!("WHERE state = 0 AND ordering_key IS NOT NULL ORDER BY seq")
        ),
        Some(MessageState::Claimed) => entries!("WHERE state = 1 ORDER BY seq"),
        Some(MessageState::Delivered) => entries!("WHERE state = 2 ORDER BY seq"),
        Some(MessageState::Failed) => entries!("WHERE state = 3 ORDER BY seq"),
        Some(MessageState::InDoubt) => entries!("WHERE state = 4 ORDER BY seq"),
    }
}
/// The statement for a [`Page`]; each part of it comes in order from its index.
fn page_at(only: Option<MessageState>) -> &'static str {
    match only {
        None => entries!("WHERE seq > $1 ORDER BY seq LIMIT $2"),
        Some(MessageState::Pending) => concat!(
            entries!("WHERE state = 0 AND ordering_key IS NULL AND seq > $1 UNION ALL "),
            entries!("WHERE state = 0 AND ordering_key IS NOT NULL AND seq > $1 "),
            "ORDER BY seq LIMIT $2"
        ),
        Some(MessageState::Claimed) => {
            entries!("WHERE state = 1 AND seq > $1 ORDER BY seq LIMIT $2")
        }
        Some(MessageState::Delivered) => {
            entries!("WHERE state = 2 AND seq > $1 ORDER BY seq LIMIT $2")
        }
        Some(MessageState::Failed) => {
            entries!("WHERE state = 3 AND seq > $1 ORDER BY seq LIMIT $2")
        }
        Some(MessageState::InDoubt) => concat!(
            entries!("WHERE state = 4 AND NOT parked AND seq > $1 UNION ALL "),
            entries!("WHERE state = 4 AND parked AND seq > $1 ORDER BY seq LIMIT $2")
        ),
    }
}
const NOW: &str = concat!("SELECT ", now!());
const RECORD: &str =
    "INSERT INTO fencepost.verdict (seq, at_ms, by_whom, attempt, from_state, to_state, why)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::smallint[],
        $6::smallint[], $7::text[])";
const TRAIL: &str = "SELECT at_ms, by_whom, attempt, from_state, to_state, why
    FROM fencepost.verdict
    WHERE seq = (SELECT seq FROM fencepost.outbox WHERE id = $1) ORDER BY no";

impl PostgresStore {
    /// How many messages stand where. Reads all of them.
    ///
    /// # Errors
    /// The store failed.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        for row in rows(self.session().await?, COUNTS, &[]).await? {
            counts.by_state[state(&row, 0)? as usize] = count(&row, 1)?;
        }
        Ok(counts)
    }

    /// All messages, or those that stand at `only`, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn entries(&self, only: Option<MessageState>) -> Result<Vec<Entry>, StoreError> {
        let entries = rows(self.session().await?, entries_at(only), &[]).await?;
        entries.iter().map(entry).collect()
    }

    /// A part of the messages, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn page(&self, page: &Page) -> Result<Vec<Entry>, StoreError> {
        let (after, limit) = (number(page.after), number(page.limit as u64));
        let entries = rows(self.session().await?, page_at(page.only), &[&after, &limit]).await?;
        entries.iter().map(entry).collect()
    }

    /// One message; `None` if it does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub async fn entry(&self, id: &MessageId) -> Result<Option<Entry>, StoreError> {
        let found = rows(self.session().await?, ENTRY, &[&id.as_str()]).await?;
        found.first().map(entry).transpose()
    }

    /// Passes a verdict about a message in doubt or a dead letter, and keeps it for the audit trail.
    /// Tells what was written down. Said twice, the second one is refused, because the message has
    /// moved on.
    ///
    /// # Errors
    /// It does not fit where the message stands, or the store failed.
    pub async fn judge(&self, verdict: &Verdict) -> Result<Passed, VerdictError> {
        let judged = self.judge_all(std::slice::from_ref(verdict)).await?.pop();
        judged.unwrap_or_else(|| Err(VerdictError::NoMessage(verdict.id.clone())))
    }

    /// Passes several verdicts in one transaction, and answers for each: those that do not fit change
    /// nothing.
    ///
    /// # Errors
    /// The store failed: none was passed, except perhaps by [`StoreError::Unknown`].
    pub async fn judge_all(&self, verdicts: &[Verdict]) -> Result<Judged, StoreError> {
        let ids: Vec<&str> = verdicts.iter().map(|verdict| verdict.id.as_str()).collect();
        let looks: [Bound<'_>; 2] = [(NOW, &[]), (LOOK, &[&ids])];
        let (tx, mut answers) = Transaction::begin_with(self.session().await?, &looks).await?;
        let mut found = read_found(&answers.pop().unwrap_or_default())?;
        let now = as_wall(get(&only(answers.pop().unwrap_or_default())?, 0)?);
        let mut judged = Judged::with_capacity(verdicts.len());
        let mut records = Records::default();
        for verdict in verdicts {
            let found = found.iter_mut().find(|found| found.id == verdict.id);
            let row = found.as_ref().map(|found| found.row.clone());
            judged.push(match (rules::judge(row, verdict, now), found) {
                (Ok((row, passed)), Some(found)) => {
                    (found.row, found.is_changed) = (row, true);
                    records.add(found.seq, &passed);
                    Ok(passed)
                }
                (Ok(_), None) => Err(VerdictError::NoMessage(verdict.id.clone())),
                (Err(error), _) => Err(error),
            });
        }
        if records.seqs.is_empty() {
            tx.roll_back().await;
            return Ok(judged);
        }
        let Records { seqs, at, by, attempts, from, to, why } = &records;
        let record: Params<'_> = &[seqs, at, by, attempts, from, to, why];
        let changes = Changes::of(&found);
        tx.commit_with(&[(changes.sql(), &changes.params()), (RECORD, record)]).await?;
        Ok(judged)
    }

    /// The verdicts about a message, in the order in which they were passed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn trail(&self, id: &MessageId) -> Result<Vec<Passed>, StoreError> {
        let trail = rows(self.session().await?, TRAIL, &[&id.as_str()]).await?;
        let read = |row: &Row| {
            Ok(Passed {
                at: as_wall(get(row, 0)?),
                by: get(row, 1)?,
                attempt: count(row, 2)?,
                from: state(row, 3)?,
                to: state(row, 4)?,
                why: get(row, 5)?,
            })
        };
        trail.iter().map(read).collect()
    }
}

/// Lines of the audit trail, column by column.
#[derive(Default)]
struct Records {
    seqs: Vec<i64>,
    at: Vec<i64>,
    by: Vec<String>,
    attempts: Vec<i64>,
    from: Vec<i16>,
    to: Vec<i16>,
    why: Vec<String>,
}

impl Records {
    fn add(&mut self, seq: i64, passed: &Passed) {
        self.seqs.push(seq);
        self.at.push(millis(passed.at));
        self.by.push(text(&passed.by));
        self.attempts.push(number(passed.attempt));
        self.from.push(state_number(passed.from));
        self.to.push(state_number(passed.to));
        self.why.push(text(&passed.why));
    }
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    let (id, key, enqueued) = (id(row, 14)?, key(row, 15)?, as_wall(get(row, 16)?));
    Ok(Entry::new(count(row, 17)?, id, key, enqueued, changing(row)?))
}
