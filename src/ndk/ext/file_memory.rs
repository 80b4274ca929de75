//! Memory that lives in a file, for regions whose bytes a peer may make persistent.

use crate::fabric::storage::region::{self, Place};
use crate::fabric::storage::{self, Storage};
use crate::ndk::Memory;
use std::path::PathBuf;
use std::sync::Arc;

pub use crate::fabric::storage::region::FileMemoryError;
pub use crate::fabric::storage::{Cause, StorageChoice, StorageError, StorageMake};

/// What reaches the disks: io_uring, or threads with plain calls.
///
/// Clones are the same. One serves any number of files; its threads end with the last memory of it.
#[derive(Clone, Debug)]
pub struct FileStorage(Arc<dyn Storage>);

impl FileStorage {
    /// Opens the storage that is asked for.
    ///
    /// # Errors
    /// [`FileMemoryError::Unavailable`]: io_uring is insisted on and forbidden here.
    pub fn open(choice: StorageChoice) -> Result<Self, FileMemoryError> {
        Ok(Self(storage::open(choice).map_err(FileMemoryError::Unavailable)?))
    }

    /// That storage, a model of a disk say.
    #[cfg(feature = "conformance")]
    pub(crate) fn of(storage: Arc<dyn Storage>) -> Self {
        Self(storage)
    }

    /// Which make it is (RFLUSH-17).
    pub fn make(&self) -> StorageMake {
        self.0.make()
    }

    /// Memory of `length` bytes in the file at `path`, which is made if it is not there.
    ///
    /// Nothing happens before [`FileMemory::open`] or [`FileMemory::map`].
    pub fn memory(&self, path: impl Into<PathBuf>, length: usize) -> FileMemory<'_> {
        FileMemory { storage: self, place: Place { path: path.into(), offset: 0, length, forced: false } }
    }
}

/// Memory of a file that is to be had.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use qpair::ndk::ext::{ALLOW_FLUSH_PERSISTENT, FileStorage, StorageChoice};
/// use qpair::ndk::{Adapter, MrFlags};
///
/// let pd = Adapter::open("local")?.create_pd().wait()?;
/// let storage = FileStorage::open(StorageChoice::Automatic)?;
/// let memory = storage.memory("records", 1 << 20).open()?; // a full disk would show here
/// let region = pd.register(memory, MrFlags::ALLOW_REMOTE_WRITE | ALLOW_FLUSH_PERSISTENT).wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is opened before `open` or `map`"]
pub struct FileMemory<'s> {
    storage: &'s FileStorage,
    place: Place,
}

impl FileMemory<'_> {
    /// Where in the file it begins, in bytes; 0 unless said otherwise. Of a mapping a multiple of 65,536.
    pub fn offset(mut self, offset: u64) -> Self {
        self.place.offset = offset;
        self
    }

    /// Promises persistence also where the file system keeps nothing, as a tmpfs does: for tests (RFLUSH-15).
    pub fn force_persistence(mut self) -> Self {
        self.place.forced = true;
        self
    }

    /// Private memory with the bytes of the file; a flush writes them there, and syncs if it is to persist.
    ///
    /// Blocks on the disk: the blocks are allocated, so a full disk shows here. Costs a copy of the range
    /// with each flush, and every error of the disk is one of the flush. Other processes see what was
    /// flushed.
    ///
    /// # Errors
    /// The disk's, ENOSPC among them; no bytes; an end that no file can have; no memory.
    pub fn open(self) -> Result<Memory, FileMemoryError> {
        region::private(&self.storage.0, self.place)
    }

    /// The file itself, mapped: every store is in it at once, and a flush syncs.
    ///
    /// Blocks on the disk: the blocks are allocated, so a full disk shows here. The file is locked as shared
    /// (`flock`) while it is mapped. A failed flush leaves the whole memory in doubt, since the system does
    /// not tell which pages were lost.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`FileMemoryError::Misaligned`], [`FileMemoryError::Locked`] and
    /// [`FileMemoryError::Map`] also.
    ///
    /// # Safety
    /// Until the memory, and every region of it, is gone:
    /// - nobody makes the file shorter, punches holes into it, or replaces its blocks by shared ones; an
    ///   access to a page that is no longer there raises SIGBUS, which ends the process;
    /// - the medium can be read: so does a page that has to be read again and cannot be.
    #[cfg(target_os = "linux")]
    pub unsafe fn map(self) -> Result<Memory, FileMemoryError> {
        // SAFETY: the caller's promise is that of `region::mapped`, word by word.
        unsafe { region::mapped(&self.storage.0, self.place) }
    }
}
