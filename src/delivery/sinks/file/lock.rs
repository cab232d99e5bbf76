//! The lock of a file sink is on the log itself, so that nobody can have the log without it: a lock file
//! of its own could be removed, and then two would hold "the" lock. It is advisory: it keeps out other
//! file sinks, and nobody else.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tracing::warn;

use super::context;

/// How often, and with which pause, the lock is tried for before a call fails. Another process may
/// have been stopped while it holds the lock, and then the sink is asked again.
pub(super) const ATTEMPTS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// A file whose lock is held until this is dropped.
pub(super) struct LockedFile(File);

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Should it fail, the lock goes when the file is closed.
        let _ = self.0.unlock();
    }
}

/// Opens the file at `path`, to read and append, and takes its lock.
///
/// It is opened anew each time: should somebody have moved it away, that is noticed.
pub(super) fn open_locked(path: &Path, attempts: u32) -> io::Result<LockedFile> {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    for attempt in 0..attempts {
        if attempt > 0 {
            // chance: the real file sink waits for other processes; no simulation has them
            std::thread::sleep(PAUSE);
        }
        let file = options.open(path).map_err(context("open", path))?;
        match file.try_lock() {
            Ok(()) => {
                let locked = LockedFile(file);
                if is_at(&locked, path).map_err(context("look at", path))? {
                    return Ok(locked);
                }
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(context("lock", path)(error)),
        }
    }
    let held = "another process holds the lock; is one stopped, by SIGSTOP or a debugger?";
    warn!(path = %path.display(), "the file sink waits: {held}");
    Err(context("lock", path)(io::Error::new(io::ErrorKind::TimedOut, held)))
}

/// Whether `path` still names this file. If it was replaced before its lock was taken, the lock is on
/// one that nobody else will look for.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let which = |metadata: Metadata| (metadata.dev(), metadata.ino());
    match std::fs::metadata(path) {
        Ok(named) => Ok(which(named) == which(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is written by one who has the lock of the old file is lost to those who lock the new.
    #[test]
    fn a_file_that_was_moved_away_or_replaced_is_told_from_the_one_in_its_place() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("log");
        let old = File::create(&path).unwrap();
        assert!(is_at(&old, &path).unwrap());
        std::fs::rename(&path, place.path().join("log.1")).unwrap();
        assert!(!is_at(&old, &path).unwrap());
        std::fs::write(&path, b"").unwrap();
        assert!(!is_at(&old, &path).unwrap());
        // A lock on the old one is nobody's business any more.
        old.lock().unwrap();
        let new = open_locked(&path, 1).unwrap();
        assert!(is_at(&new, &path).unwrap());
    }
}
