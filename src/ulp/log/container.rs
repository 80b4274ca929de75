//! Where containers lie: a small trait, and the folder of local files that is one.
//!
//! Another medium (regions of a peer, reached by RDMA WRITE and FLUSH) has to keep the same promises: a write
//! that has ended is covered by a sync that begins later, and a sync that has ended survives a crash of
//! whoever holds the bytes.

use super::planted;
use crate::fabric::storage::{Buffer, Done, File, Io, Lock, Open, Storage, StorageError, StorageMake, wait};
use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the containers and the metadata of a log lie. Its calls block.
pub(crate) trait Medium: Send + Sync + Debug {
    /// Which make of storage is below.
    fn make(&self) -> StorageMake;
    /// A number for a new log.
    fn identity(&self) -> Result<u128, StorageError>;
    /// Makes a container of zeros; when this returns, its bytes and its name are stable.
    fn create(&self, name: &str, length: u64) -> Result<Arc<dyn Container>, StorageError>;
    /// Keeps everybody else from opening the log with that file, until it is dropped.
    fn lock(&self, name: &str) -> Result<Lock, StorageError>;
    /// Opens one that is there.
    fn open(&self, name: &str) -> Result<Arc<dyn Container>, StorageError>;
    /// Removes one; stable when this returns.
    fn remove(&self, name: &str) -> Result<(), StorageError>;
}

/// An extent of bytes with a fixed length.
pub(crate) trait Container: Send + Sync + Debug {
    /// Its bytes.
    fn length(&self) -> Result<u64, StorageError>;
    /// Reads; blocks.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError>;
    /// Starts writes, in any order; ends when all have ended, with the first failure if there is one.
    fn write(&self, writes: Vec<(u64, Buffer)>, done: Done<()>);
    /// Makes stable what completed writes have written to the range.
    fn sync(&self, range: Range<u64>, done: Done<()>);
}

/// A folder of local files, one for each container.
#[derive(Debug)]
pub(crate) struct Folder {
    storage: Arc<dyn Storage>,
    path: PathBuf,
}

/// Bytes written at a time when a container is filled with zeros.
const ZEROS: u64 = 1 << 20;

impl Folder {
    pub(crate) fn new(storage: Arc<dyn Storage>, path: PathBuf) -> Self {
        Self { storage, path }
    }

    /// Allocates, so that a full disk shows now, and writes, so that no later sync has to note that blocks
    /// have content now.
    fn fill(&self, file: &dyn File, length: u64) -> Result<(), StorageError> {
        wait(|done| file.start(vec![Io::Allocate { range: 0..length, done }]))?;
        let zeros: Buffer = Arc::new(vec![0; length.min(ZEROS) as usize]);
        let mut offset = 0;
        while offset < length {
            let piece = (length - offset).min(ZEROS);
            let bytes =
                if piece == ZEROS { Arc::clone(&zeros) } else { Arc::new(zeros[..piece as usize].to_vec()) };
            wait(|done| file.start(vec![Io::Write { offset, bytes, done }]))?;
            offset += piece;
        }
        wait(|done| file.start(vec![Io::Sync { range: 0..length, done }]))?;
        if planted!(FolderNotSynced, "the name of a new container is not made stable") {
            return Ok(());
        }
        wait(|done| self.storage.sync_folder(&self.path, done))
    }
}

impl Medium for Folder {
    fn make(&self) -> StorageMake {
        self.storage.make()
    }

    fn identity(&self) -> Result<u128, StorageError> {
        self.storage.identity()
    }

    fn create(&self, name: &str, length: u64) -> Result<Arc<dyn Container>, StorageError> {
        let path = self.path.join(name);
        let file = wait(|done| self.storage.open(&path, Open::Empty, done))?;
        if let Err(error) = self.fill(file.as_ref(), length) {
            // The space is what is short, so it is given back; should that fail too, the first error says
            // more.
            if let Err(other) = wait(|done| self.storage.remove(&path, done)) {
                tracing::warn!(target: "qpair", error = %other, "a container that failed stays behind");
            }
            return Err(error);
        }
        Ok(Arc::new(LocalFile(file)))
    }

    fn lock(&self, name: &str) -> Result<Lock, StorageError> {
        self.storage.lock(&self.path.join(name))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Container>, StorageError> {
        let file = wait(|done| self.storage.open(&self.path.join(name), Open::Existing, done))?;
        Ok(Arc::new(LocalFile(file)))
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        wait(|done| self.storage.remove(&self.path.join(name), done))?;
        wait(|done| self.storage.sync_folder(&self.path, done))
    }
}

#[derive(Debug)]
struct LocalFile(Arc<dyn File>);

impl Container for LocalFile {
    fn length(&self) -> Result<u64, StorageError> {
        self.0.length()
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        wait(|done| self.0.start(vec![Io::Read { offset, length, done }]))
    }

    fn write(&self, writes: Vec<(u64, Buffer)>, done: Done<()>) {
        let join = Join::new(writes.len(), done);
        let start = |(offset, bytes)| Io::Write { offset, bytes, done: join.one() };
        self.0.start(writes.into_iter().map(start).collect());
    }

    fn sync(&self, range: Range<u64>, done: Done<()>) {
        self.0.start(vec![Io::Sync { range, done }]);
    }
}

/// Ends when so many others have ended, with the first failure if there is one.
pub(super) struct Join(Arc<Mutex<Joined>>);

struct Joined {
    left: usize,
    failure: Option<StorageError>,
    done: Option<Done<()>>,
}

impl Join {
    pub(super) fn new(count: usize, done: Done<()>) -> Self {
        if count == 0 {
            done.call(Ok(()));
            return Self(Arc::new(Mutex::new(Joined { left: 0, failure: None, done: None })));
        }
        Self(Arc::new(Mutex::new(Joined { left: count, failure: None, done: Some(done) })))
    }

    /// The end of one of the others.
    pub(super) fn one(&self) -> Done<()> {
        let joined = Arc::clone(&self.0);
        Done::new(move |result: Result<(), StorageError>| {
            let ended = {
                let mut joined = joined.lock().unwrap_or_else(PoisonError::into_inner);
                joined.left -= 1;
                joined.failure = joined.failure.take().or(result.err());
                (joined.left == 0).then(|| (joined.done.take(), joined.failure.take()))
            };
            if let Some((Some(done), failure)) = ended {
                done.call(failure.map_or(Ok(()), Err));
            }
        })
    }
}
