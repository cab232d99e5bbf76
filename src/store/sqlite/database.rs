//! The connection, and whether the files that it has open are still those that the path names.
//!
//! Whoever removes a database, or puts a backup in its place, while it is open, leaves this process with one that
//! nobody else will ever see: a claim in it stops nobody. So each call looks, and a write looks again once it
//! is committed.

use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::store::StoreError;

/// What lies beside a database that is open, and belongs to it.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// A connection to a database in memory, or in a file.
pub(super) struct Database {
    connection: Connection,
    place: Vec<Named>,
}

/// A file of the database, and which one it was when it was opened.
struct Named {
    path: PathBuf,
    id: (u64, u64),
}

impl Database {
    /// The file at `path`, from now on only while it stays there.
    pub(super) fn at(self, path: &Path) -> Self {
        // The process may go to another directory.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let named = |suffix: &&str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            let path = PathBuf::from(name);
            id_at(&path).map(|id| Named { path, id })
        };
        Self { place: BESIDE.iter().filter_map(named).collect(), ..self }
    }

    /// The connection, for a look that is no write.
    pub(super) fn to_read(&self) -> Result<&Connection, StoreError> {
        self.lost().map_or(Ok(&self.connection), |lost| Err(StoreError::Unavailable(lost)))
    }

    /// Says so if a file is not where it was.
    pub(super) fn lost(&self) -> Option<String> {
        let lost = self.place.iter().find(|named| id_at(&named.path) != Some(named.id))?;
        Some(format!(
            "{} was removed, or replaced by another file, while it was open: put back what was there, or stop \
             every node and start them over the right file",
            lost.path.display()
        ))
    }
}

impl From<Connection> for Database {
    fn from(connection: Connection) -> Self {
        Self { connection, place: Vec::new() }
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

#[cfg(madsim)]
impl std::ops::DerefMut for Database {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// Which file the path names.
fn id_at(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
