//! Where containers lie: a small trait, and the folder of local files that is one.
//!
//! Every medium keeps the same promises: a write that has ended is covered by a sync that begins later, and
//! a sync that has ended survives a crash of whoever holds the bytes. `remote` is the other one.

use super::error::LogError;
use super::planted;
use crate::fabric::storage::{
    Buffer, Done, File, Io, Join, Lock, Open, Storage, StorageError, StorageMake, wait,
};
use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// What a log is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The base log file, with the metadata.
    Base,
    /// The container with that number.
    Container(u32),
}

impl Part {
    /// The file's name, in a folder.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Base => "log.base".to_owned(),
            Self::Container(id) => format!("log.{id:06}"),
        }
    }
}

/// Where the parts of a log lie. Its calls block.
pub(crate) trait Medium: Send + Sync + Debug {
    /// Which make of storage is below.
    fn make(&self) -> StorageMake;
    /// A number for a new log.
    fn identity(&self) -> Result<u128, StorageError>;
    /// Makes a part of zeros; when this returns, its bytes and its name are stable.
    fn create(&self, part: Part, length: u64) -> Result<Arc<dyn Container>, StorageError>;
    /// Keeps everybody else from opening the log, until it is dropped.
    fn lock(&self) -> Result<Lock, StorageError>;
    /// Opens a part that is there.
    fn open(&self, part: Part) -> Result<Arc<dyn Container>, StorageError>;
    /// Removes a part; stable when this returns.
    fn remove(&self, part: Part) -> Result<(), StorageError>;
    /// Makes it usable again after an operation has failed, where that takes something.
    ///
    /// Where others may have had the log meanwhile, `check` judges by the base log file, and nothing of what
    /// is open reaches the log any more unless it agrees.
    fn mend(
        &self,
        call: &'static str,
        check: &dyn Fn(&Read<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError>;
}

/// Reads so many bytes from there on.
pub(crate) type Read<'r> = dyn Fn(u64, usize) -> Result<Vec<u8>, StorageError> + 'r;

/// An extent of bytes with a fixed length.
pub(crate) trait Container: Send + Sync + Debug {
    /// Its bytes.
    fn length(&self) -> Result<u64, StorageError>;
    /// Reads; blocks.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError>;
    /// Starts writes, in any order; ends when all have ended, with the first failure if there is one.
    fn write(&self, writes: Vec<(u64, Buffer)>, done: Done<()>);
    /// Makes stable what completed writes have written to the range, all of which they have written since
    /// the last failure.
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

/// Fills a container with zeros, which are stable when this returns.
pub(super) fn fill(container: &dyn Container, length: u64) -> Result<(), StorageError> {
    let zeros: Buffer = Arc::new(vec![0; length.min(ZEROS) as usize]);
    let mut offset = 0;
    while offset < length {
        let piece = (length - offset).min(ZEROS);
        let bytes =
            if piece == ZEROS { Arc::clone(&zeros) } else { Arc::new(zeros[..piece as usize].to_vec()) };
        wait(|done| container.write(vec![(offset, bytes)], done))?;
        offset += piece;
    }
    wait(|done| container.sync(0..length, done))
}

impl Folder {
    pub(crate) fn new(storage: Arc<dyn Storage>, path: PathBuf) -> Self {
        Self { storage, path }
    }

    /// Allocates, so that a full disk shows now, and writes, so that no later sync has to note that blocks
    /// have content now.
    fn fill(&self, file: &LocalFile, length: u64) -> Result<(), StorageError> {
        wait(|done| file.0.start(vec![Io::Allocate { range: 0..length, done }]))?;
        fill(file, length)?;
        if planted!(FolderNotSynced, "the name of a new container is not made stable") {
            return Ok(());
        }
        wait(|done| self.storage.sync_folder(&self.path, done))
    }

    fn path_of(&self, part: Part) -> PathBuf {
        self.path.join(part.name())
    }
}

impl Medium for Folder {
    fn make(&self) -> StorageMake {
        self.storage.make()
    }

    fn identity(&self) -> Result<u128, StorageError> {
        self.storage.identity()
    }

    fn create(&self, part: Part, length: u64) -> Result<Arc<dyn Container>, StorageError> {
        let path = self.path_of(part);
        let file = LocalFile(wait(|done| self.storage.open(&path, Open::Empty, done))?);
        if let Err(error) = self.fill(&file, length) {
            // The space is what is short, so it is given back; should that fail too, the first error says
            // more.
            if let Err(other) = wait(|done| self.storage.remove(&path, done)) {
                tracing::warn!(target: "qpair", error = %other, "a container that failed stays behind");
            }
            return Err(error);
        }
        Ok(Arc::new(file))
    }

    fn lock(&self) -> Result<Lock, StorageError> {
        self.storage.lock(&self.path_of(Part::Base))
    }

    fn open(&self, part: Part) -> Result<Arc<dyn Container>, StorageError> {
        let file = wait(|done| self.storage.open(&self.path_of(part), Open::Existing, done))?;
        Ok(Arc::new(LocalFile(file)))
    }

    fn remove(&self, part: Part) -> Result<(), StorageError> {
        wait(|done| self.storage.remove(&self.path_of(part), done))?;
        wait(|done| self.storage.sync_folder(&self.path, done))
    }

    /// Files need no mending.
    fn mend(
        &self,
        _call: &'static str,
        _check: &dyn Fn(&Read<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        Ok(())
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
        let join = Join::new(done);
        let start = |(offset, bytes)| Io::Write { offset, bytes, done: join.one() };
        self.0.start(writes.into_iter().map(start).collect());
    }

    fn sync(&self, range: Range<u64>, done: Done<()>) {
        self.0.start(vec![Io::Sync { range, done }]);
    }
}
