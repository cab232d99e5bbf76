//! Fence and outbox in SQLite: one file, shared by the processes of one machine; or in memory, for
//! the simulator, so that the SQL that is tested is the SQL that ships.
//!
//! Every write is one immediate transaction that first reads the fence row and goes on only for the
//! token that is the floor: a lower one was deposed, a higher one was never activated. SQLite has one
//! writer at a time, so no transaction can commit between that look and the commit.
//!
//! **The clock.** The caller passes the store's wall clock in as `now`. It decides two things: whether
//! a deduplicating sink's window, counted from a message's first claim, is still open; and when a
//! message that was refused for now is due again. All other times are evidence. A wall clock may be
//! stepped, and a step back lengthens the window that is
//! measured by as much, so the `window` of a [`Proof::Deduplicated`](super::Proof) must be the sink's
//! own window less a margin for such steps. A `now` that is older than the transaction, because the
//! transaction had to wait, errs on the safe side: claims count from earlier, and what is left to send
//! in counts from before the question was asked.

mod assignments;
mod database;
mod fence;
mod job_runs;
mod outbox;
mod oversight;
mod pending;
mod read;
mod rows;
mod schema;
mod service;
#[cfg(test)]
mod tests;
mod transaction;
#[cfg(test)]
mod twin;

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use self::database::Database;
use self::transaction::unavailable;
use super::StoreError;

pub use self::service::SqliteStore;

/// How long a call waits while another process writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What helps when a file cannot be written.
const LET_WRITE: &str = "let this user write to the file and to its folder";

/// More than there are statements here, so that each is compiled once.
const STATEMENTS: usize = 64;

/// Fence and outbox in one SQLite database. Blocks: see [`SqliteStore`] for async code.
///
/// Operations answer as those of [`Store`](super::Store) do; `now` is the store's clock.
pub struct SqliteOutbox {
    connection: Database,
}

impl SqliteOutbox {
    /// Opens the file at `path`, or creates it, for this user alone. Every commit is synced before it is
    /// answered. Should the file be removed or replaced while it is open, every call fails from then on.
    ///
    /// # Errors
    /// It cannot be opened or written, is no database, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            // SQLite would let others read it. What keeps this from being created it says itself.
            let _ = crate::private::file().write(true).create_new(true).open(path);
            let connection = connect(path)?;
            if connection.is_readonly("main").map_err(unavailable)? {
                // SQLite opens what may only be read, and refuses each write later.
                return Err(StoreError::Unavailable(format!("it is read-only: {LET_WRITE}")));
            }
            schema::configure_file(&connection)?;
            schema::migrate(&connection)?;
            Ok(Self { connection: connection.at(path) })
        };
        open().map_err(|error: StoreError| {
            let (StoreError::Unavailable(why) | StoreError::Unknown(why)) = &error;
            let why = format!("cannot open {}: {why}", path.display());
            match error {
                StoreError::Unavailable(_) => StoreError::Unavailable(why),
                StoreError::Unknown(_) => StoreError::Unknown(why),
            }
        })
    }

    /// An empty store that lives as long as the value.
    ///
    /// # Errors
    /// There is no memory left.
    pub fn in_memory() -> Result<Self, StoreError> {
        let connection = connect(Path::new(":memory:"))?;
        // A transaction copies each page that it changes; small ones make the simulator faster.
        connection.pragma_update(None, "page_size", 1024).map_err(unavailable)?;
        schema::migrate(&connection)?;
        Ok(Self { connection })
    }

    /// Another store in memory that holds the same: for a testbed that sets this one back to it later.
    ///
    /// # Errors
    /// There is no memory left.
    #[cfg(madsim)]
    pub fn copy(&self) -> Result<Self, StoreError> {
        let mut connection = connect(Path::new(":memory:"))?;
        let backup = rusqlite::backup::Backup::new(&self.connection, &mut connection);
        backup.and_then(|backup| backup.step(-1)).map_err(unavailable)?;
        Ok(Self { connection })
    }
}

/// A connection without a lock of its own: `&mut self` is the lock. Paths are paths, never URIs.
fn connect(path: &Path) -> Result<Database, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unavailable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // One plan per statement, whatever is bound to it. Without, SQLite looks at the bound values and
    // compiles several of the statements anew at every call, which costs more than running them.
    let stable_plans = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
    connection.set_db_config(stable_plans, true).map_err(unavailable)?;
    Ok(connection.into())
}
