//! Fence and outbox in PostgreSQL, for nodes on several machines.
//!
//! Every write is one transaction at "read committed" that first reads the fence row `FOR SHARE` and goes on
//! only for the token that is the floor. Whoever raises the floor has to wait for those that hold
//! the row, and those that come later see the new floor. A plain read would not do: the
//! transaction of a deposed leader could look, be overtaken, and commit its claim after the floor
//! was raised and the new leader had looked for claims (F3).
//!
//! **The clock** is the database's, read within the transaction. What the wall clock of SQLite must
//! satisfy, this one must as well.
//!
//! **Durability.** A session raises `synchronous_commit` to `on` unless it is that or `remote_apply`
//! already. What a failover to a standby loses is lost to the fence as well, and a token could be
//! given twice: standbys that may take over must be synchronous ones. A commit whose wait for one was
//! cancelled is there for everybody to see, and may be lost all the same: it counts as unknown, and an
//! answer that rests on what was found rather than written is given after a commit of its own, which
//! waits for all that came before it.
//!
//! **Outcomes.** Until COMMIT is sent every failure is known, because the server rolls back what it
//! has not committed. From then on nothing but its word is: see `transaction`.
//!
//! **Silence.** A session whose answer did not come in time is closed and not used again, and what a host
//! does not acknowledge for as long as a call may take ends the connection. So a server that is gone
//! without a word, and its successor, are found as soon as the name leads there.
//!
//! Sessions are pooled and told what holds for all their transactions, so a pooler between must pool sessions;
//! one that pools transactions is refused.

mod assignments;
mod connect;
mod fence;
mod hosts;
mod job_runs;
mod outbox;
mod oversight;
mod pending;
mod rows;
mod schema;
mod sessions;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::sessions::{Object, Pool};
use self::transaction::{no_answer, unavailable};
use super::{PostgresConfig, StoreError};

pub(crate) use self::connect::{Mistake, mistake, parse};

/// How long a connection may take to be made, of several hosts to any of them. Each is waited for as long as
/// any other, so that a silent one does not keep a node from the next.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one address may be silent before the next address of its host is tried, or less if there are many
/// hosts, unless the configuration says otherwise.
pub const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one statement may run on the server, waiting for locks included.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a statement may wait for a lock. Less than a statement may run, so that an error says
/// which of the two it was.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a transaction may wait for its client. A node that is stopped in the middle of one
/// holds the fence row, and nobody could take over from it.
pub const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a whole call may take, should the server never answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How many sessions a store has at most.
pub const MAX_SESSIONS: usize = 8;

/// Fence and outbox in a PostgreSQL database. Clones share the sessions.
///
/// The database's character set must be UTF-8. What [`SqliteOutbox`](super::SqliteOutbox) promises, this store
/// does; the same suite of tests says so.
#[derive(Clone)]
pub struct PostgresStore {
    pool: Pool,
    /// Set when the database was found to be one that can be used.
    checked: Arc<OnceCell<()>>,
    /// How the fence row is read; otherwise only by a test that shows what it is for.
    look: &'static str,
}

impl PostgresStore {
    /// Connects, and brings the tables to this version.
    ///
    /// # Errors
    /// The database cannot be reached or used, or was written by a newer version.
    pub async fn open(config: &PostgresConfig) -> Result<Self, StoreError> {
        let store = Self::open_later(config)?;
        drop(store.session().await?);
        Ok(store)
    }

    /// The same, but connects when it is first asked for something: for a node that takes part while its
    /// database is away. Until the tables are brought to this version every call is
    /// [`StoreError::Unavailable`].
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn open_later(config: &PostgresConfig) -> Result<Self, StoreError> {
        let pool = connect::pool(config)?;
        Ok(Self { pool, checked: Arc::default(), look: fence::LOOK })
    }

    /// A session with a database that can be used.
    async fn session(&self) -> Result<Object, StoreError> {
        let checked = self.checked.get_or_try_init(|| async {
            let (one, other) = (self.any_session().await?, self.any_session().await?);
            connect::check_pooler(one, other).await?;
            connect::check_writable(self.any_session().await?).await?;
            connect::check_encoding(self.any_session().await?).await?;
            schema::migrate(self.any_session().await?).await
        });
        checked.await?;
        self.any_session().await
    }

    /// A session out of the pool.
    async fn any_session(&self) -> Result<Object, StoreError> {
        // The pool knows no limit for what a session is told at its start.
        match timeout(CALL_TIMEOUT, self.pool.get()).await {
            Ok(session) => {
                session.map_err(|error| StoreError::Unavailable(connect::why_none(&error)))
            }
            Err(_) => Err(StoreError::Unavailable(no_answer())),
        }
    }
}

#[cfg(test)]
impl PostgresStore {
    /// The same store, which reads the fence without a lock: a planted bug, in no build but tests.
    pub(crate) fn with_fence_read_without_lock(&self) -> Self {
        Self { look: fence::LOOK_WITHOUT_LOCK, ..self.clone() }
    }
}
