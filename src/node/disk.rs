//! The one small thing that a voter keeps: its hard state, in a durable slot of bytes.
//!
//! The slot holds a checksummed record. The real one is a file that is written beside the old one,
//! synced, renamed over it, and whose directory is synced, so that a crash leaves the old record or
//! the new one and never a mixture. Should it hold anything else after all, it is not trusted: the
//! node rejoins as if it had been wiped.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data_lock;
use crate::election::HardState;

/// A durable slot of bytes.
pub trait Disk: Send + 'static {
    /// What is in the slot; `None` if it was never written.
    fn read(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, DiskError>> + Send;

    /// Replaces the content. Durable when it returns; after an error or a crash the slot holds the
    /// old content or the new.
    fn write(&mut self, bytes: Vec<u8>) -> impl Future<Output = Result<(), DiskError>> + Send;
}

/// The disk failed, or what it holds is not a hard state. The node must not vote.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The operating system says so. The slot holds the old content or the new.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process uses the directory. Nothing was read or written.
    #[error(
        "another process{} runs on {directory}: stop it first, or give this node a data directory \
         of its own",
        match holder {
            Some(pid) => format!(" (pid {pid})"),
            None => String::new(),
        },
    )]
    InUse {
        /// Which directory.
        directory: PathBuf,
        /// The process, if it has noted its id.
        holder: Option<u32>,
    },
    /// The content has a wrong checksum, length or version. It was left as it is.
    #[error("the hard state is corrupt: {0}")]
    Corrupt(&'static str),
}

/// First bytes of a record: name and version of its format.
const MAGIC: [u8; 4] = *b"FPH2";
const CHECKSUM_LEN: usize = 4;

/// The record of a hard state: magic, checksum, content.
pub fn encode_hard_state(hard: &HardState) -> Vec<u8> {
    let content = postcard::to_stdvec(hard).expect("a hard state has no unserializable part");
    let mut bytes = Vec::with_capacity(MAGIC.len() + CHECKSUM_LEN + content.len());
    bytes.extend(MAGIC);
    bytes.extend(crc32fast::hash(&content).to_le_bytes());
    bytes.extend(content);
    bytes
}

/// Reads a record back.
///
/// # Errors
/// It is not what [`encode_hard_state`] wrote, to the last bit.
pub fn decode_hard_state(bytes: &[u8]) -> Result<HardState, DiskError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(DiskError::Corrupt("unknown format"))?;
    let (checksum, content) = rest
        .split_at_checked(CHECKSUM_LEN)
        .ok_or(DiskError::Corrupt("it ends before its checksum"))?;
    if checksum != crc32fast::hash(content).to_le_bytes() {
        return Err(DiskError::Corrupt("the checksum does not match"));
    }
    match postcard::take_from_bytes(content) {
        Ok((hard, [])) => Ok(hard),
        Ok(_) => Err(DiskError::Corrupt("bytes follow the record")),
        Err(_) => Err(DiskError::Corrupt("the record does not decode")),
    }
}

/// No disk: nothing is remembered, and the node rejoins at each start.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDisk;

impl Disk for NoDisk {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(None)
    }

    async fn write(&mut self, _: Vec<u8>) -> Result<(), DiskError> {
        Ok(())
    }
}

/// A disk that a node may have or not, as its configuration says.
impl<D: Disk> Disk for Option<D> {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, DiskError> {
        match self {
            Some(disk) => disk.read().await,
            None => NoDisk.read().await,
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), DiskError> {
        match self {
            Some(disk) => disk.write(bytes).await,
            None => NoDisk.write(bytes).await,
        }
    }
}

/// The slot as a file, in a directory that it has for itself.
#[derive(Debug)]
pub struct FileDisk {
    path: PathBuf,
    /// Kept by a write under way, too.
    lock: Arc<std::fs::File>,
}

impl FileDisk {
    /// The slot in `directory`, which is created if it is missing, and locked.
    ///
    /// # Errors
    /// The directory cannot be created, or another process, or another node of this one, uses it.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        crate::private::create_dir_all(directory).map_err(io_error("create", directory))?;
        let lock = Arc::new(data_lock::lock(directory)?);
        // A process that was killed may have renamed its record and not got to this. What is read
        // now is acted on, and must not be taken back by a power cut.
        Self::sync(directory)?;
        Ok(Self { path: directory.join("hard-state"), lock })
    }

    fn replace(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        use std::io::Write;
        let temporary = path.with_extension("new");
        let mut anew = crate::private::file();
        let anew = anew.write(true).create(true).truncate(true);
        let mut file = anew.open(&temporary).map_err(io_error("create", &temporary))?;
        file.write_all(bytes).map_err(io_error("write", &temporary))?;
        file.sync_all().map_err(io_error("sync", &temporary))?;
        std::fs::rename(&temporary, path).map_err(io_error("rename", &temporary))?;
        let directory = path.parent().expect("the slot lies in a directory");
        Self::sync(directory)
    }

    /// Makes the names in the directory durable.
    fn sync(directory: &Path) -> Result<(), DiskError> {
        let handle = std::fs::File::open(directory).map_err(io_error("open", directory))?;
        handle.sync_all().map_err(io_error("sync", directory))
    }
}

impl Disk for FileDisk {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, DiskError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &self.path)(error)),
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), DiskError> {
        let (path, lock) = (self.path.clone(), Arc::clone(&self.lock));
        let write = move || {
            let result = Self::replace(&path, &bytes);
            drop(lock);
            result
        };
        crate::blocking::run(write).await
    }
}

pub(super) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> DiskError + use<'a> {
    move |source| DiskError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::id::{Identity, Incarnation, Term};

    fn some_state() -> HardState {
        let node = "n2".parse().unwrap();
        let vote = Identity { node, incarnation: Incarnation(9) };
        HardState {
            incarnation: Incarnation(3),
            term: Term(77),
            vote: Some(vote),
            known: Arc::new([vote].into_iter().collect()),
            ..HardState::at_first_start(&[node])
        }
    }

    #[test]
    fn a_record_reads_back() {
        for hard in [HardState::default(), some_state()] {
            assert_eq!(decode_hard_state(&encode_hard_state(&hard)).unwrap(), hard);
        }
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_noticed() {
        let bytes = encode_hard_state(&some_state());
        for len in 0..bytes.len() {
            assert!(decode_hard_state(&bytes[..len]).is_err());
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_hard_state(&flipped).is_err(), "bit {bit}");
        }
    }

    /// A record around `content`, with the right checksum.
    fn record(content: &[u8]) -> Vec<u8> {
        let checksum = crc32fast::hash(content).to_le_bytes();
        [MAGIC.as_slice(), &checksum, content].concat()
    }

    #[test]
    fn what_is_wrong_with_a_record_is_told() {
        let content = postcard::to_stdvec(&some_state()).unwrap();
        let (longer, shorter) =
            ([content.as_slice(), b"?"].concat(), &content[..content.len() - 1]);
        for (bytes, wrong) in [
            (b"".to_vec(), "unknown format"),
            // Of an earlier version, and as right as it gets.
            ([b"FPH1", &record(&content)[MAGIC.len()..]].concat(), "unknown format"),
            (MAGIC.to_vec(), "it ends before its checksum"),
            (vec![0; 4096], "unknown format"),
            ([record(&content), vec![0; 512]].concat(), "the checksum does not match"),
            (record(&longer), "bytes follow the record"),
            (record(shorter), "the record does not decode"),
            (record(b""), "the record does not decode"),
        ] {
            match decode_hard_state(&bytes) {
                Err(DiskError::Corrupt(why)) => assert_eq!(why, wrong),
                other => panic!("{wrong}: {other:?}"),
            }
        }
    }

    /// What a crash left of a write that never came to its end is no state, and in nobody's way.
    #[test]
    fn an_unfinished_write_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path()).unwrap();
        let half = &encode_hard_state(&some_state())[..9];
        std::fs::write(disk.path.with_extension("new"), half).unwrap();
        assert!(!disk.path.exists(), "what is read is the slot, which is empty");
        let whole = encode_hard_state(&some_state());
        FileDisk::replace(&disk.path, &whole).unwrap();
        let read = std::fs::read(&disk.path).unwrap();
        assert_eq!(decode_hard_state(&read).unwrap(), some_state());
        assert!(!disk.path.with_extension("new").exists());
    }

    #[test]
    fn replacing_leaves_one_file_with_the_new_content() {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path()).unwrap();
        for content in [b"old".as_slice(), b"new"] {
            FileDisk::replace(&disk.path, content).unwrap();
            assert_eq!(std::fs::read(&disk.path).unwrap(), content);
        }
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 2, "the slot and the lock");
    }

    #[test]
    fn a_directory_is_used_by_one_node_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(directory.path()).unwrap();
        let error = FileDisk::open(directory.path()).unwrap_err().to_string();
        let holder = format!("another process (pid {}) runs on ", std::process::id());
        assert!(error.starts_with(&holder) && error.contains("stop it first"), "{error}");
        drop(disk);
        FileDisk::open(directory.path()).unwrap();
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode_hard_state(&bytes).is_err());
        }
    }
}
