//! One write, one transaction; and what its errors say about the state.
//!
//! A transaction that has not reached its COMMIT leaves nothing behind: whatever fails before is
//! [`StoreError::Unavailable`]. A COMMIT that fails is different. In a write-ahead log it writes the
//! pages, the last of them with the mark that makes them count, and then syncs: if that write or
//! that sync fails, this process goes on as if it had been rolled back, but after a crash the next
//! one may find the mark in the log and apply it. Hence [`StoreError::Unknown`]. Only "busy" and
//! "locked" come before the first page is written.

use rusqlite::{Connection, ErrorCode};

use super::LET_WRITE;
use super::database::Database;
use crate::store::StoreError;

/// How a piece of work ends.
pub(super) enum Done<T> {
    /// Commit, then answer this.
    Changed(T),
    /// Nothing was written: answer this, which cannot fail any more.
    Unchanged(T),
}

/// Runs `work` in an immediate transaction: no other connection writes between its first look at the
/// fence and its commit. Rolls back if it fails or panics.
pub(super) fn write<T>(
    connection: &Database,
    work: impl FnOnce(&Connection) -> rusqlite::Result<Done<T>>,
) -> Result<T, StoreError> {
    let open = Open::begin(connection.to_read()?).map_err(unavailable)?;
    match work(connection).map_err(unavailable)? {
        Done::Unchanged(answer) => Ok(answer),
        Done::Changed(answer) => {
            open.commit()?;
            // The last one to look who could have seen it there.
            connection.lost().map_or(Ok(answer), |lost| Err(StoreError::Unknown(lost)))
        }
    }
}

/// For an error after which the state is certainly as it was.
pub(super) fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(match remedy(&error) {
        Some(remedy) => format!("{error}: {remedy}"),
        None => error.to_string(),
    })
}

/// What a person can do about it.
fn remedy(error: &rusqlite::Error) -> Option<&'static str> {
    Some(match error.sqlite_error_code()? {
        ErrorCode::ReadOnly | ErrorCode::CannotOpen => LET_WRITE,
        ErrorCode::DiskFull => "make room where the file lies",
        ErrorCode::DatabaseCorrupt => "the file is damaged, put an undamaged copy in its place",
        ErrorCode::NotADatabase => "the file is something else, name another one",
        _ => return None,
    })
}

/// An open transaction, rolled back when it is dropped.
struct Open<'a>(&'a Connection);

impl<'a> Open<'a> {
    fn begin(connection: &'a Connection) -> rusqlite::Result<Self> {
        run(connection, "BEGIN IMMEDIATE")?;
        Ok(Self(connection))
    }

    fn commit(self) -> Result<(), StoreError> {
        let Err(error) = run(self.0, "COMMIT") else { return Ok(()) };
        let blocked = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        );
        // Still open, and about to be rolled back.
        if blocked && !self.0.is_autocommit() {
            return Err(unavailable(error));
        }
        Err(StoreError::Unknown(format!("the commit failed: {error}")))
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // Some errors have rolled back already. Should this fail, the transaction stays open, every
        // later BEGIN is refused, and nothing is ever committed on this connection again.
        if !self.0.is_autocommit() {
            let _ = run(self.0, "ROLLBACK");
        }
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
