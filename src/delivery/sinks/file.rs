//! A sink that appends to a file: for development, for the demonstration, and as the smallest sink
//! that keeps [`Promise::Fenced`].
//!
//! Three files lie side by side, and the processes of one machine share them:
//! - the log, one line a delivered message (see `format`), synced before the answer;
//! - `.fence`, the highest stamp seen, replaced as a whole and synced before it counts;
//! - `.lock`, empty, locked as long as anybody reads or writes the others. The lock is advisory: it
//!   keeps out other file sinks, and nobody else.
//!
//! A message is delivered when its line is complete. An incomplete last line is what a crash in the
//! middle of an append leaves: it counts as not delivered and is cut off. A line that another
//! process appended is synced before anything is answered from it, because that process may have
//! died before it could. Whatever else does not fit, a broken line with others after it, a fence
//! file that is damaged or gone, a log that became shorter, is nothing to guess about: the sink
//! refuses to work and says why.

mod format;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use crate::store::{MessageId, Outgoing};

/// How often, and with which pause, the lock is tried for before a call fails. Another process may
/// have been stopped while it holds the lock, and then the sink is asked again.
const LOCK_ATTEMPTS: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Delivers by appending to a file. Clones share it.
#[derive(Clone)]
pub struct FileSink {
    files: Arc<Mutex<Files>>,
}

impl FileSink {
    /// The sink that appends to the file at `path`, which is created if it is missing.
    ///
    /// If another process keeps the files locked, as one does that was stopped in the middle of a
    /// write, they are looked at when they are first used; as long as it does, nothing is sent.
    ///
    /// # Errors
    /// The file or one of those beside it cannot be read or created, or is damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { files: Arc::new(Mutex::new(Files::open(path, LOCK_ATTEMPTS)?)) })
    }

    /// Runs `work` where it may block. Once begun it runs to its end.
    async fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files) -> R + Send + 'static,
    ) -> R {
        let files = Arc::clone(&self.files);
        // What is remembered of the files never runs ahead of them, not even after a panic.
        let run = move || work(&mut files.lock().unwrap_or_else(PoisonError::into_inner));
        crate::blocking::run(run).await
    }
}

impl Sink for FileSink {
    fn promise(&self) -> Promise {
        Promise::Fenced
    }

    /// Whether the lock can be had. So that messages wait for it that were not tried, and count no
    /// failure.
    async fn ready(&self) -> Result<(), SinkError> {
        self.with(|files| files.lock().map(drop).map_err(unavailable)).await
    }

    async fn send(&self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        let message = message.clone();
        self.with(move |files| files.send(&message, stamp)).await
    }

    async fn fence(&self, stamp: Stamp) -> Result<(), SinkError> {
        self.with(move |files| files.fence(stamp)).await
    }

    async fn has(&self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        let id = id.clone();
        self.with(move |files| files.has(&id, stamp)).await
    }
}

/// The three files, and what is known of the log.
struct Files {
    log: PathBuf,
    fence: PathBuf,
    lock: File,
    lock_attempts: u32,
    /// The ids in the first `read` bytes of the log, which are whole lines, and synced.
    ids: BTreeSet<String>,
    read: u64,
}

/// What holds as long as the lock is held.
struct Locked<'a> {
    log: File,
    log_path: &'a Path,
    fence_path: &'a Path,
    ids: &'a mut BTreeSet<String>,
    read: &'a mut u64,
    /// The highest stamp seen; `None` before the first.
    highest: Option<Stamp>,
    _unlocks: Unlock<'a>,
}

/// Releases the lock when it is dropped.
struct Unlock<'a>(&'a File);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        // Should it fail, the lock goes when the process ends, and until then others are refused.
        let _ = self.0.unlock();
    }
}

/// Why a stamp was not accepted.
enum Refusal {
    Fenced { highest: Stamp },
    Failed(io::Error),
}

impl Files {
    fn open(path: &Path, lock_attempts: u32) -> io::Result<Self> {
        let beside = |extension: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(extension);
            PathBuf::from(name)
        };
        let (fence, lock_path) = (beside(".fence"), beside(".lock"));
        let create = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).open(path).map_err(context("open", path))
        };
        let lock = create(&lock_path)?;
        create(path)?;
        sync_directory_of(path)?;
        let (log, ids) = (path.to_owned(), BTreeSet::new());
        let mut files = Self { log, fence, lock, lock_attempts, ids, read: 0 };
        match files.locked() {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            looked => drop(looked?),
        }
        Ok(files)
    }

    fn send(&mut self, message: &Outgoing, stamp: Stamp) -> Result<(), SendError> {
        let not_sent = |error: io::Error| SendError::NotSent(error.to_string());
        let mut locked = self.locked().map_err(not_sent)?;
        locked.accept(stamp).map_err(|refusal| match refusal {
            Refusal::Fenced { highest } => SendError::Fenced { highest },
            Refusal::Failed(error) => not_sent(error),
        })?;
        if locked.ids.contains(message.id.as_str()) {
            return Ok(());
        }
        let line = format::line(&message.id, stamp, &message.payload);
        locked.append(&line).map_err(|error| SendError::Unknown(error.to_string()))?;
        locked.ids.insert(message.id.as_str().to_owned());
        Ok(())
    }

    fn fence(&mut self, stamp: Stamp) -> Result<(), SinkError> {
        self.locked().map_err(unavailable)?.accept(stamp).map_err(SinkError::from)
    }

    fn has(&mut self, id: &MessageId, stamp: Stamp) -> Result<bool, SinkError> {
        let mut locked = self.locked().map_err(unavailable)?;
        // Raises the fence if it has to: without, "no" would prove nothing.
        locked.accept(stamp)?;
        Ok(locked.ids.contains(id.as_str()))
    }

    fn lock(&self) -> io::Result<Unlock<'_>> {
        lock(&self.lock, &self.log, self.lock_attempts)
    }

    /// Takes the lock and reads what others wrote since.
    fn locked(&mut self) -> io::Result<Locked<'_>> {
        let _unlocks = lock(&self.lock, &self.log, self.lock_attempts)?;
        // Opened anew each time: should somebody have moved the log away, that is noticed.
        let log = OpenOptions::new()
            .read(true)
            .append(true)
            .open(&self.log)
            .map_err(context("open", &self.log))?;
        let mut locked = Locked {
            log,
            log_path: &self.log,
            fence_path: &self.fence,
            ids: &mut self.ids,
            read: &mut self.read,
            highest: None,
            _unlocks,
        };
        locked.read_log().map_err(context("use", &self.log))?;
        locked.read_fence().map_err(context("use", &self.fence))?;
        Ok(locked)
    }
}

impl Locked<'_> {
    /// Reads the lines that are new, and cuts off an incomplete last one.
    fn read_log(&mut self) -> io::Result<()> {
        let len = self.log.metadata()?.len();
        let mut end = *self.read;
        if len < end {
            return Err(damaged(format!("it had {end} bytes and now has {len}")));
        }
        if len == end {
            return Ok(());
        }
        let mut found = Vec::new();
        let mut reader = BufReader::new(&self.log);
        reader.seek(SeekFrom::Start(end))?;
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let next = end + line.len() as u64;
            match format::id_of(&line) {
                Some(id) => found.push(id.to_owned()),
                None if next == len => {
                    self.log.set_len(end)?;
                    break;
                }
                None => return Err(damaged(format!("the line at byte {end} is broken"))),
            }
            line.clear();
            end = next;
        }
        self.log.sync_data()?;
        self.ids.extend(found);
        *self.read = end;
        Ok(())
    }

    fn read_fence(&mut self) -> io::Result<()> {
        self.highest = match std::fs::read(self.fence_path) {
            Ok(content) => Some(
                format::stamp_of(&content)
                    .ok_or_else(|| damaged("it holds no stamp, or half of one".into()))?,
            ),
            // Raised before the first line is written.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.ids.is_empty() => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("it is gone, and with it the highest stamp seen".into()));
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Refuses a stamp below the highest seen, and durably raises that to a higher one.
    fn accept(&mut self, stamp: Stamp) -> Result<(), Refusal> {
        match self.highest {
            Some(highest) if stamp < highest => Err(Refusal::Fenced { highest }),
            Some(highest) if stamp == highest => Ok(()),
            _ => {
                self.write_fence(stamp)
                    .map_err(context("raise", self.fence_path))
                    .map_err(Refusal::Failed)?;
                self.highest = Some(stamp);
                Ok(())
            }
        }
    }

    /// Writes beside the old one and renames over it: a crash leaves the old content or the new.
    fn write_fence(&self, stamp: Stamp) -> io::Result<()> {
        let mut temporary = self.fence_path.as_os_str().to_owned();
        temporary.push(".new");
        let mut file = File::create(&temporary)?;
        file.write_all(&format::fence(stamp))?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.fence_path)?;
        sync_directory_of(self.fence_path)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        match self.log.write_all(line).and_then(|()| self.log.sync_data()) {
            Ok(()) => {
                *self.read += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Whatever of it was written is better gone than half there; and after a sync that
                // failed, a later one may lie. If this fails too, the next to read the log decides.
                let _ = self.log.set_len(*self.read);
                Err(context("append to", self.log_path)(error))
            }
        }
    }
}

impl From<Refusal> for SinkError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fenced { highest } => Self::Fenced { highest },
            Refusal::Failed(error) => unavailable(error),
        }
    }
}

fn unavailable(error: io::Error) -> SinkError {
    SinkError::Unavailable(error.to_string())
}

/// Takes the lock of the log at `path`.
fn lock<'a>(file: &'a File, path: &Path, attempts: u32) -> io::Result<Unlock<'a>> {
    for attempt in 0..attempts {
        if attempt > 0 {
            // chance: the real file sink waits for other processes; no simulation has them
            std::thread::sleep(LOCK_PAUSE);
        }
        match file.try_lock() {
            Ok(()) => return Ok(Unlock(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(context("lock", path)(error)),
        }
    }
    let held = "another process holds the lock; is one stopped, by SIGSTOP or a debugger?";
    warn!(path = %path.display(), "the file sink waits: {held}");
    Err(context("lock", path)(io::Error::new(io::ErrorKind::TimedOut, held)))
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = directory_of(path);
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(context("sync", directory))
}

/// Where a file lies: of a name without a folder that is where the process stands.
fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn damaged(how: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, how)
}

/// Adds what was tried, and on which file.
fn context<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> io::Error + use<'a> {
    move |error| {
        io::Error::new(error.kind(), format!("cannot {action} {}: {error}", path.display()))
    }
}
