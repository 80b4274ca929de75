//! Bytes that outlive the process: files, and what it takes until they are on stable storage.
//!
//! One pair of traits ([`Storage`], [`File`]) in three makes:
//!
//! - `uring`: io_uring, where the kernel has it and allows it; one thread drives the ring.
//! - `pool`: plain calls on a few threads, everywhere else. [`open`] chooses at run time and says which.
//! - `forget`: a model of a disk that loses what was not synced, for tests.
//!
//! Nothing here blocks its caller: every operation is started, and ends in a [`Done`]. Operations of one
//! batch run in any order, and a sync covers the writes that had *completed* when it was started: whoever
//! needs an order waits for the first before it starts the second. Syncs of one file that wait are merged
//! into one.
//!
//! `sync_file_range` is not used: it neither writes what is needed to find the data again nor empties the
//! device's cache, so nothing could rest on it.
//!
//! May come in: other ways to reach durable bytes. Not here: what the bytes mean, nor retrying. After a
//! failed sync the pages count as clean and their content on the disk is unknown; only who has the bytes
//! elsewhere can write them again.

mod descriptor;
mod error;
#[cfg(any(test, feature = "conformance"))]
#[cfg_attr(not(test), allow(dead_code, reason = "crash tests ask more of it than the conformance suite"))]
pub(crate) mod forget;
mod merge;
mod pool;
pub(crate) mod region;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod uring;

pub(crate) use super::done::wait;
pub(crate) use descriptor::{Lock, identity};
pub use error::{Cause, StorageError};

use super::done;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// What an operation of storage ends in.
pub(crate) type Done<T> = done::Done<T, StorageError>;
/// What several of them end in.
pub(crate) type Join = done::Join<StorageError>;
/// Bytes to be written, shared with whoever may have to write them again.
pub(crate) type Buffer = Arc<Vec<u8>>;

/// Which make of storage carries out the operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageMake {
    /// io_uring, driven by one thread.
    IoUring,
    /// Plain calls on a few threads.
    Threads,
    /// The model of a disk that forgets what was not synced.
    Model,
    /// Regions of a peer, which has a make of its own.
    Remote,
}

impl fmt::Display for StorageMake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IoUring => "io_uring",
            Self::Threads => "threads with plain calls",
            Self::Model => "model of a disk that forgets",
            Self::Remote => "regions of a peer",
        })
    }
}

/// Which make of storage is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageChoice {
    /// io_uring where it is allowed, else threads.
    #[default]
    Automatic,
    /// io_uring, or an error where it is not allowed.
    IoUring,
    /// Threads with plain calls.
    Threads,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// It is there, else the error is that of the system (ENOENT).
    Existing,
    /// It is made, or emptied if it is there. Its name is stable only after a sync of its folder.
    Empty,
}

/// A file system, or a model of one.
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Which make it is.
    fn make(&self) -> StorageMake;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, how: Open, done: Done<Arc<dyn File>>);
    /// Takes a name away; stable after a sync of its folder.
    fn remove(&self, path: &Path, done: Done<()>);
    /// A number that no other log, file or disk has, but by chance.
    ///
    /// # Errors
    /// The system's, where its chance cannot be had.
    fn identity(&self) -> Result<u128, StorageError>;
    /// Locks a file that is there against all others who lock it, until the lock is dropped; never waits.
    ///
    /// # Errors
    /// EWOULDBLOCK while somebody else has it, in this process or another.
    fn lock(&self, path: &Path) -> Result<Lock, StorageError>;
    /// Makes the names in a folder stable.
    fn sync_folder(&self, path: &Path, done: Done<()>);
}

/// An open file. Dropping the last handle closes it after the operations that are under way.
pub(crate) trait File: Send + Sync + fmt::Debug {
    /// Starts operations, which run in any order and each end in its `done`.
    fn start(&self, batch: Vec<Io>);
    /// Bytes from the beginning to the end of the file.
    ///
    /// # Errors
    /// The system's.
    fn length(&self) -> Result<u64, StorageError>;
    /// Refuses further operations; done when those under way have ended and the file is closed.
    #[cfg_attr(not(test), expect(dead_code, reason = "a log lives as long as its files; regions will not"))]
    fn close(&self, done: Done<()>);
}

/// One operation on a file.
#[derive(Debug)]
pub(crate) enum Io {
    /// Writes all the bytes, or fails.
    Write { offset: u64, bytes: Buffer, done: Done<()> },
    /// Reads exactly so many bytes; the end of the file within them is an error.
    Read { offset: u64, length: usize, done: Done<Vec<u8>> },
    /// Makes stable what was written to the range by writes that have completed, and what it takes to read
    /// it back. May cover more; an empty range covers nothing.
    Sync { range: Range<u64>, done: Done<()> },
    /// Allocates the blocks of the range, growing the file where it ends before: a full disk shows here, and
    /// not at a later write.
    Allocate { range: Range<u64>, done: Done<()> },
}

/// The file systems of this machine, through the make that is asked for.
///
/// # Errors
/// The system's, where io_uring is insisted on and forbidden, or where no thread can be had.
pub(crate) fn open(choice: StorageChoice) -> io::Result<Arc<dyn Storage>> {
    #[cfg(target_os = "linux")]
    if choice != StorageChoice::Threads {
        match uring::Uring::open() {
            Ok(ring) => return Ok(Arc::new(ring)),
            Err(error) if choice == StorageChoice::IoUring => return Err(error),
            Err(error) => {
                tracing::info!(target: "qpair", %error, "no io_uring: storage runs on threads with plain calls");
            }
        }
    }
    if choice == StorageChoice::IoUring {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(Arc::new(pool::Pool::open()))
}
