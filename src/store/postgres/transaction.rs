//! One write, one transaction; and what its errors say about the state.
//!
//! What the server has not committed it rolls back, whatever became of the client: every failure
//! before COMMIT is sent is [`StoreError::Unavailable`]. From then on the session may end, by
//! force even, after the commit and before the answer, so every failure is
//! [`StoreError::Unknown`].

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::CALL_TIMEOUT;
use crate::store::StoreError;

/// An open transaction. Dropped before it has ended, it takes its session along, which is the
/// shortest way to a rollback that needs nobody's answer.
pub(super) struct Transaction {
    /// None once it has ended.
    session: Option<Object>,
}

impl Transaction {
    pub(super) async fn begin(session: Object) -> Result<Self, StoreError> {
        let transaction = Self { session: Some(session) };
        let begin = transaction.session()?.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED");
        within(begin).await?;
        Ok(transaction)
    }

    /// All rows of a query.
    pub(super) async fn rows(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        rows(self.session()?, sql, params).await
    }

    /// The one row of a query.
    pub(super) async fn row(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, StoreError> {
        let rows = self.rows(sql, params).await?;
        rows.into_iter().next().ok_or_else(|| {
            StoreError::Unavailable(
                "the database has lost a row that is always there: restore the schema fencepost"
                    .into(),
            )
        })
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let session = self.session()?;
        let statement = within(session.prepare_cached(sql)).await?;
        within(session.execute(&statement, params)).await
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        within(self.session()?.batch_execute(sql)).await
    }

    /// Ends it. From here on only the server knows, until it has answered.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let committed = match timeout(CALL_TIMEOUT, self.session()?.batch_execute("COMMIT")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(no_answer()),
        };
        match committed {
            Ok(()) => {
                // Back to the others.
                drop(self.session.take());
                Ok(())
            }
            Err(why) => Err(StoreError::Unknown(format!("the commit failed: {why}"))),
        }
    }

    /// Ends it without a change. Should that fail, the session goes, and with it the transaction.
    pub(super) async fn roll_back(mut self) {
        let Ok(session) = self.session() else { return };
        if within(session.batch_execute("ROLLBACK")).await.is_ok() {
            drop(self.session.take());
        }
    }

    fn session(&self) -> Result<&Object, StoreError> {
        self.session.as_ref().ok_or_else(|| StoreError::Unavailable("it has ended".into()))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // Out of the pool, and closed.
            drop(Object::take(session));
        }
    }
}

/// All rows of a query, in a transaction of its own unless there is one.
pub(super) async fn rows(
    session: &Object,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StoreError> {
    let statement = within(session.prepare_cached(sql)).await?;
    within(session.query(&statement, params)).await
}

/// Waits for an answer, but not for ever: a server may be stopped, or its host gone.
async fn within<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
    match timeout(CALL_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(|error| unavailable(&error)),
        Err(_) => Err(StoreError::Unavailable(no_answer())),
    }
}

fn no_answer() -> String {
    let limit: Duration = CALL_TIMEOUT;
    format!("the database did not answer within {limit:?}")
}

/// For an error after which the state is certainly as it was.
pub(super) fn unavailable(error: &Error) -> StoreError {
    StoreError::Unavailable(describe(error))
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
