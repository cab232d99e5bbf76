//! A sink that appends to a file: for development, for the demonstration, and as the smallest sink
//! that keeps [`Promise::Fenced`].
//!
//! Two files lie side by side, and the processes of one machine share them:
//! - the log, one line a delivered message (see `format`), synced before the answer;
//! - `.fence`, the highest stamp seen and how long the log was then, replaced as a whole and synced
//!   before it counts.
//!
//! The log is locked (see `lock`) as long as anybody reads or writes either.
//!
//! A message is delivered when its line is complete. An incomplete last line is what a crash in the
//! middle of an append leaves: it counts as not delivered and is cut off. A line that another
//! process appended is synced before anything is answered from it, because that process may have
//! died before it could. Whatever else does not fit, a broken line with others after it, a fence
//! file that is damaged or gone, a log that became shorter or is gone while its fence is not, is
//! nothing to guess about: the sink refuses to work and says why.

mod format;
mod lock;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::format::Seen;
use self::lock::LockedFile;
use crate::delivery::{Promise, SendError, Sink, SinkError, Stamp};
use crate::store::{MessageId, Outgoing};

/// What to do about a log that lacks lines.
const REMEDY: &str = "put it back as it was; or, to begin anew, remove it and its fence file, and then \
                      what is in doubt may be delivered a second time";

/// Delivers by appending to a file. Clones share it.
#[derive(Clone)]
pub struct FileSink {
    files: Arc<Mutex<Files>>,
}

impl FileSink {
    /// The sink that appends to the file at `path`, which is created if neither it nor its fence file
    /// exists.
    ///
    /// If another process keeps the files locked, as one does that was stopped in the middle of a
    /// write, they are looked at when they are first used; as long as it does, nothing is sent.
    ///
    /// # Errors
    /// The file or one of those beside it cannot be read or created, or is damaged; or lines that
    /// were in it are not there any more.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { files: Arc::new(Mutex::new(Files::open(path, lock::ATTEMPTS)?)) })
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

    /// Whether the files can be had and make sense, as for a send. So that messages wait for it that
    /// were not claimed.
    async fn ready(&self) -> Result<(), SinkError> {
        self.with(|files| files.locked().map(drop).map_err(unavailable)).await
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

/// The two files, and what is known of the log.
struct Files {
    log: PathBuf,
    fence: PathBuf,
    lock_attempts: u32,
    /// The ids in the first `read` bytes of the log, which are whole lines, and synced.
    ids: BTreeSet<String>,
    read: u64,
}

/// What holds as long as the lock is held.
struct Locked<'a> {
    log: LockedFile,
    log_path: &'a Path,
    fence_path: &'a Path,
    ids: &'a mut BTreeSet<String>,
    read: &'a mut u64,
    /// The highest stamp seen; `None` before the first.
    seen: Option<Seen>,
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
        let fence = beside(".fence");
        // The log is there before its fence is raised, and that before the first line: beside a fence,
        // a missing log is a lost one.
        if !fence.try_exists().map_err(context("look for", &fence))? {
            let mut options = crate::private::file();
            options.append(true).create(true).open(path).map_err(context("open", path))?;
        }
        sync_directory_of(path)?;
        let (log, ids) = (path.to_owned(), BTreeSet::new());
        let mut files = Self { log, fence, lock_attempts, ids, read: 0 };
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

    /// Takes the lock and reads what others wrote since.
    fn locked(&mut self) -> io::Result<Locked<'_>> {
        let log = lock::open_locked(&self.log, self.lock_attempts).map_err(|error| {
            let is_lost = error.kind() == io::ErrorKind::NotFound && self.fence.exists();
            if is_lost { lacks_lines(error) } else { error }
        })?;
        let mut locked = Locked {
            log,
            log_path: &self.log,
            fence_path: &self.fence,
            ids: &mut self.ids,
            read: &mut self.read,
            seen: read_fence(&self.fence).map_err(context("use", &self.fence))?,
        };
        locked.read_log().map_err(context("use", &self.log))?;
        if locked.seen.is_none() && !locked.ids.is_empty() {
            let gone = damaged("it is gone, and with it the highest stamp seen".into());
            return Err(context("use", &self.fence)(gone));
        }
        Ok(locked)
    }
}

/// `None` if there is no such file.
fn read_fence(path: &Path) -> io::Result<Option<Seen>> {
    match std::fs::read(path) {
        Ok(content) => format::seen_in(&content)
            .map(Some)
            .ok_or_else(|| damaged("it holds no stamp, or half of one".into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Locked<'_> {
    /// Reads the lines that are new, and cuts off an incomplete last one.
    fn read_log(&mut self) -> io::Result<()> {
        let len = self.log.metadata()?.len();
        let mut end = *self.read;
        // So many bytes were whole lines, and synced.
        let least = end.max(self.seen.map_or(0, |seen| seen.log_len));
        if len < least {
            return Err(lacks_lines(damaged(format!("it had {least} bytes and now has {len}"))));
        }
        if len == end {
            return Ok(());
        }
        let mut found = Vec::new();
        let mut reader = BufReader::new(&*self.log);
        reader.seek(SeekFrom::Start(end))?;
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let next = end + line.len() as u64;
            match format::id_of(&line) {
                Some(id) => found.push(id.to_owned()),
                None if next == len && end >= least => {
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

    /// Refuses a stamp below the highest seen, and durably raises that to a higher one.
    fn accept(&mut self, stamp: Stamp) -> Result<(), Refusal> {
        match self.seen.map(|seen| seen.highest) {
            Some(highest) if stamp < highest => Err(Refusal::Fenced { highest }),
            Some(highest) if stamp == highest => Ok(()),
            _ => {
                let seen = Seen { highest: stamp, log_len: *self.read };
                self.write_fence(seen)
                    .map_err(context("raise", self.fence_path))
                    .map_err(Refusal::Failed)?;
                self.seen = Some(seen);
                Ok(())
            }
        }
    }

    /// Writes beside the old one and renames over it: a crash leaves the old content or the new.
    fn write_fence(&self, seen: Seen) -> io::Result<()> {
        let mut temporary = self.fence_path.as_os_str().to_owned();
        temporary.push(".new");
        let mut anew = crate::private::file();
        let mut file = anew.write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(&format::fence(seen))?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.fence_path)?;
        sync_directory_of(self.fence_path)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut log: &File = &self.log;
        match log.write_all(line).and_then(|()| log.sync_data()) {
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

/// Adds what to do about it.
fn lacks_lines(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{error}: {REMEDY}"))
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
