//! One process for one data directory: two would vote twice in one term.
//!
//! A voter without a data directory is alone at the address that it listens at.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use tracing::warn;

use super::disk::{DiskError, io_error};

/// Locks `directory` until the file is dropped, or the process has ended, however it ends.
pub(super) fn lock(directory: &Path) -> Result<File, DiskError> {
    let path = directory.join("lock");
    let mut file = crate::private::file()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&file).take(20).read_to_string(&mut holder);
            let holder = holder.trim().parse().ok();
            return Err(DiskError::InUse { directory: directory.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
    }
    // For the message above only; the lock itself ends with the process.
    let noted = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    if let Err(error) = noted {
        warn!(%error, "cannot note the process id in {}", path.display());
    }
    Ok(file)
}
