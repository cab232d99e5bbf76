//! One write, one transaction; and what its errors say about the state.
//!
//! Statements that do not need each other's answers travel together: what a transaction looks up goes
//! with its BEGIN, what it writes last with its COMMIT. The server runs them one after the other as it
//! always does; only the waiting in between is saved.
//!
//! What the server has not committed it rolls back, whatever became of the client: every failure
//! before COMMIT is sent is [`StoreError::Unavailable`]. From then on the session may end, by
//! force even, after the commit and before the answer, so every failure is
//! [`StoreError::Unknown`]; but for an error in a write that went with it, after which the server
//! answers COMMIT with a rollback. A commit that succeeds with a warning is unknown as well: see
//! [`sessions`](super::sessions).

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::CALL_TIMEOUT;
use super::sessions::Object;
use crate::store::StoreError;

/// What is bound to a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A statement, and what is bound to it.
pub(super) type Bound<'a> = (&'a str, Params<'a>);

/// Writes a record of no meaning into the log, so that the commit waits until that is durable, and with it
/// everything that was committed before. A transaction that has a number and no record would not wait.
pub(super) const TAKE_PART: &str = "SELECT pg_logical_emit_message(TRUE, 'fencepost', ''::TEXT)";

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A session in use. Dropped before it is given back it is taken out of the pool and closed: the
/// server owes it an answer, and whoever had it next would wait for the same server.
struct Lent(Option<Object>);

impl Lent {
    fn session(&self) -> Result<&Object, StoreError> {
        self.0.as_ref().ok_or_else(|| StoreError::Unavailable("it has ended".into()))
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            drop(Object::take(session));
        }
    }
}

/// An open transaction. Dropped before it has ended, it takes its session along, which is the
/// shortest way to a rollback that needs nobody's answer.
pub(super) struct Transaction {
    lent: Lent,
}

impl Transaction {
    pub(super) async fn begin(session: Object) -> Result<Self, StoreError> {
        Ok(Self::begin_with(session, &[]).await?.0)
    }

    /// Begins with these queries, all on their way at once, and answers each with its rows. The server
    /// runs them in this order: each has the locks of those before it, and sees what was committed
    /// until it had them.
    pub(super) async fn begin_with(
        session: Object,
        queries: &[Bound<'_>],
    ) -> Result<(Self, Vec<Vec<Row>>), StoreError> {
        let transaction = Self { lent: Lent(Some(session)) };
        let session = transaction.session()?;
        let statements = prepare(session, queries).await?;
        let answers = within(async {
            let begin = session.batch_execute(BEGIN);
            let looks = statements.iter().zip(queries);
            let looks = looks.map(|(statement, (_, params))| session.query(statement, params));
            let looks = try_join_all(looks);
            // A statement is sent when it is first polled, so this is the order in which they go.
            let ((), answers) = tokio::try_join!(biased; begin, looks)?;
            Ok(answers)
        })
        .await?;
        Ok((transaction, answers))
    }

    /// All rows of a query.
    pub(super) async fn rows(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.rows_within(CALL_TIMEOUT, sql, params).await
    }

    /// All rows of a query that may take so long.
    pub(super) async fn rows_within(
        &self,
        limit: Duration,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let session = self.session()?;
        let statement = within(session.prepare_cached(sql)).await?;
        within_limit(limit, session.query(&statement, params)).await
    }

    /// The one row of a query.
    pub(super) async fn row(&self, sql: &str, params: Params<'_>) -> Result<Row, StoreError> {
        only(self.rows(sql, params).await?)
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, StoreError> {
        let session = self.session()?;
        let statement = within(session.prepare_cached(sql)).await?;
        within(session.execute(&statement, params)).await
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.run_within(CALL_TIMEOUT, sql).await
    }

    /// The same, which may take so long.
    pub(super) async fn run_within(&self, limit: Duration, sql: &str) -> Result<(), StoreError> {
        within_limit(limit, self.session()?.batch_execute(sql)).await
    }

    /// Ends it. From here on only the server knows, until it has answered.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.commit_with(&[]).await.map(drop)
    }

    /// Makes these last writes and ends it, all on their way at once. Tells how many rows each of them
    /// changed, when it is too late to judge that: a write that must not be committed has to fail.
    pub(super) async fn commit_with(self, writes: &[Bound<'_>]) -> Result<Vec<u64>, StoreError> {
        let session = self.session()?;
        let statements = prepare(session, writes).await?;
        // What was said before is not about this commit.
        session.warnings.take();
        let ending = async {
            let writes = statements.iter().zip(writes);
            let writes = writes.map(|(statement, (_, params))| session.execute(statement, params));
            let writes = async { try_join_all(writes).await.map_err(|error| refused(&error)) };
            let commit = session.batch_execute("COMMIT");
            let commit = async { commit.await.map_err(|error| unknown(&describe(&error))) };
            // What cannot even be sent ends this before COMMIT is.
            tokio::try_join!(biased; writes, commit)
        };
        let ended = timeout(CALL_TIMEOUT, ending).await;
        let (written, ()) = ended.unwrap_or_else(|_| Err(unknown(&no_answer())))?;
        if let Some(warning) = session.warnings.take() {
            return Err(StoreError::Unknown(format!(
                "the commit may be lost when a standby takes over: {warning}"
            )));
        }
        self.lent.give_back();
        Ok(written)
    }

    /// Ends it without a change of its own, for an answer that rests on what it has found: by an earlier call
    /// whose outcome nobody knew, perhaps, or whose commit no standby has yet.
    pub(super) async fn confirm(self) -> Result<(), StoreError> {
        self.commit_with(&[(TAKE_PART, &[])]).await.map(drop)
    }

    /// Ends it without a change. Should that fail, the session goes, and with it the transaction.
    pub(super) async fn roll_back(self) {
        let Ok(session) = self.session() else { return };
        if within(session.batch_execute("ROLLBACK")).await.is_ok() {
            self.lent.give_back();
        }
    }

    fn session(&self) -> Result<&Object, StoreError> {
        self.lent.session()
    }
}

/// All rows of a query that is a transaction of its own.
pub(super) async fn rows(
    session: Object,
    sql: &str,
    params: Params<'_>,
) -> Result<Vec<Row>, StoreError> {
    let lent = Lent(Some(session));
    let session = lent.session()?;
    let answer = timeout(CALL_TIMEOUT, async {
        let statement = session.prepare_cached(sql).await?;
        session.query(&statement, params).await
    });
    let answer = answer.await.map_err(|_| StoreError::Unavailable(no_answer()))?;
    lent.give_back();
    answer.map_err(|error| unavailable(&error))
}

/// The one row of an answer.
pub(super) fn only(rows: Vec<Row>) -> Result<Row, StoreError> {
    rows.into_iter().next().ok_or_else(|| {
        StoreError::Unavailable(
            "the database has lost a row that is always there: restore the schema fencepost".into(),
        )
    })
}

/// Ahead of their use, because the first time in a session each is a question of its own.
async fn prepare(session: &Object, all: &[Bound<'_>]) -> Result<Vec<Statement>, StoreError> {
    let mut statements = Vec::with_capacity(all.len());
    for (sql, _) in all {
        statements.push(within(session.prepare_cached(sql)).await?);
    }
    Ok(statements)
}

/// Waits for an answer, but not for ever: a server may be stopped, or its host gone.
pub(super) async fn within<T>(
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    within_limit(CALL_TIMEOUT, answer).await
}

async fn within_limit<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| unavailable(&error)),
        Err(_) => Err(StoreError::Unavailable(none_within(limit))),
    }
}

pub(super) fn no_answer() -> String {
    none_within(CALL_TIMEOUT)
}

fn none_within(limit: Duration) -> String {
    format!("the database did not answer within {limit:?}")
}

/// For an error after which the state is certainly as it was.
pub(super) fn unavailable(error: &Error) -> StoreError {
    StoreError::Unavailable(describe(error))
}

/// For an error in a write that went together with COMMIT. If the session goes on after it, COMMIT
/// finds a transaction that can only be rolled back. If it does not, nobody says what was done.
fn refused(error: &Error) -> StoreError {
    let severity = error.as_db_error().and_then(|said| said.parsed_severity());
    match severity {
        Some(Severity::Error) => unavailable(error),
        _ => unknown(&describe(error)),
    }
}

fn unknown(why: &str) -> StoreError {
    StoreError::Unknown(format!("the commit failed: {why}"))
}

/// What the server says, with its code and hint; or what happened on the way to it.
pub(crate) fn describe(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        let mut out = format!("{} (SQLSTATE {})", said.message(), said.code().code());
        if let Some(hint) = said.hint() {
            out += &format!("; {hint}");
        }
        return out;
    }
    let mut out = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        out += &format!(": {cause}");
        next = cause.source();
    }
    out
}
