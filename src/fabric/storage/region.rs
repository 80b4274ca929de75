//! Memory of a file, for regions: private and written at a flush, or mapped.
//!
//! | | private | mapped |
//! |---|---|---|
//! | a store reaches the file | with the flush | at once |
//! | a flush to visibility | writes | does nothing |
//! | a flush to persistence | writes, then syncs the range | syncs the range |
//! | every error is a number | yes | no: a page that cannot be had raises SIGBUS |
//!
//! The blocks are allocated and stable, with the name of a new file, before anything is stored. One
//! descriptor, opened before that and kept, makes all syncs of the memory: a later one could miss an error.
//!
//! Flushes of private memory write one after the other, each what stands there when its turn comes: storage
//! runs operations in any order, so the bytes that an earlier one had read could else be written over those
//! of a later one that was told to be stable. Their syncs run together.
//!
//! The system reports a failed write-back once for the *file*, whatever range was asked for. So a failure
//! fails every flush of the memory that was under way, and of a mapping it leaves all of it in doubt: what
//! was stored anywhere since its last sync may be what was lost.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "others can make a mapping invalid"))]

use super::{Cause, File, Io, Lock, Open, Storage, StorageError, StorageMake, wait};
use crate::memory::{Durable, Flight, Memory, MemoryError};
use crate::planted::planted;
use crate::sync::{AtomicU64, Ordering};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(target_os = "linux")]
use crate::memory::FileMapping;

/// Bytes that are read or written at once.
const PIECE: usize = 1 << 20;
/// What the offset of a mapping is a multiple of; the largest page size in use.
#[cfg(target_os = "linux")]
const PAGE: u64 = 1 << 16;

/// Memory of a file could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileMemoryError {
    /// Memory has at least one byte.
    #[error("memory of {path}: no bytes were asked for; give a length of at least 1")]
    NoBytes {
        /// The file.
        path: PathBuf,
    },
    /// The file would have to be longer than a file may be.
    #[error(
        "memory of {path}: {length} bytes from {offset} on end behind the last byte that a file can have"
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Where the memory begins.
        offset: u64,
        /// Its length in bytes.
        length: usize,
    },
    /// A mapping begins at a page.
    #[error("mapping of {path}: offset {offset} is no multiple of {page}; choose one that is")]
    Misaligned {
        /// The file.
        path: PathBuf,
        /// Where the memory was to begin.
        offset: u64,
        /// What it must be a multiple of.
        page: u64,
    },
    /// Storage failed: on a full disk at the allocation, before anything is registered.
    #[error("memory of a file: {0}")]
    Storage(#[from] StorageError),
    /// The storage that was asked for is not to be had here.
    #[error("storage: {0}; ask for StorageChoice::Automatic")]
    Unavailable(#[source] io::Error),
    /// Somebody has the file for himself, and may truncate it.
    #[error("mapping of {path}: another holds an exclusive lock (flock) on it; have it released first")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The system does not map the file.
    #[error("mapping of {path}: {error}")]
    Map {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        error: io::Error,
    },
    /// No memory for a private copy.
    #[error("memory of a file: {0}")]
    Memory(#[from] MemoryError),
}

/// Which bytes of which file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) offset: u64,
    pub(crate) length: usize,
    /// Persistence is promised although the file system keeps nothing: for tests.
    pub(crate) forced: bool,
}

/// How stores come into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Private,
    #[cfg(target_os = "linux")]
    Mapped,
}

#[derive(Debug)]
struct FileDurable {
    file: Arc<dyn File>,
    /// Kept, for its threads.
    storage: Arc<dyn Storage>,
    place: Place,
    access: Access,
    volatile: Option<&'static str>,
    /// Syncs that have failed.
    failures: AtomicU64,
    /// Flushes of private memory that wait for the one that writes; `None`: none writes.
    writing: Mutex<Option<VecDeque<Running>>>,
    /// What was mapped, with a shared lock on it.
    _mapped: Option<Lock>,
}

/// Private memory with the content of a place of a file, which is made if need be. Blocks on the disk.
pub(crate) fn private(storage: &Arc<dyn Storage>, place: Place) -> Result<Memory, FileMemoryError> {
    let file = prepare(storage, &place)?;
    let memory = Memory::zeroed(place.length)?;
    for at in (0..place.length).step_by(PIECE) {
        let (offset, length) = (place.offset + at as u64, PIECE.min(place.length - at));
        let bytes = wait(|done| file.start(vec![Io::Read { offset, length, done }]))?;
        let all = memory.write(at, &bytes);
        debug_assert!(all.is_some(), "the memory is as long as its place");
    }
    let volatile = volatile(storage, &place)?;
    Ok(memory.durable(FileDurable::tied(file, storage, place, Access::Private, volatile, None)))
}

/// A place of a file, mapped; the file is made if it is not there. Blocks on the disk.
///
/// # Safety
/// As [`FileMapping::new`]: while the memory or a region of it lives, nobody makes the file shorter or takes
/// blocks of the place from it, and its medium can be read.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn mapped(storage: &Arc<dyn Storage>, place: Place) -> Result<Memory, FileMemoryError> {
    let path = || place.path.clone();
    if place.offset % PAGE != 0 {
        return Err(FileMemoryError::Misaligned { path: path(), offset: place.offset, page: PAGE });
    }
    let file = prepare(storage, &place)?;
    let map = |error| FileMemoryError::Map { path: path(), error };
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(&place.path).map_err(map)?;
    // Advisory: who truncates files of others and asks first is told.
    match rustix::fs::flock(&opened, rustix::fs::FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(FileMemoryError::Locked { path: path() }),
        locked => locked.map_err(|error| map(error.into()))?,
    }
    // SAFETY: `prepare` has allocated the range, so the file is that long and has its blocks; that it stays
    // so is the caller's promise.
    let mapping = unsafe { FileMapping::new(&opened, place.offset, place.length) }.map_err(map)?;
    let volatile = volatile(storage, &place)?;
    let durable = FileDurable::tied(file, storage, place, Access::Mapped, volatile, Some(Lock::held(opened)));
    Ok(Memory::mapped(mapping).durable(durable))
}

/// Opens or makes the file, with its blocks and its name stable.
fn prepare(storage: &Arc<dyn Storage>, place: &Place) -> Result<Arc<dyn File>, FileMemoryError> {
    let path = place.path.as_path();
    if place.length == 0 {
        return Err(FileMemoryError::NoBytes { path: path.to_owned() });
    }
    let end = place.offset.checked_add(place.length as u64).filter(|end| i64::try_from(*end).is_ok());
    let end = end.ok_or_else(|| FileMemoryError::TooLong {
        path: path.to_owned(),
        offset: place.offset,
        length: place.length,
    })?;
    let (file, made) = match wait(|done| storage.open(path, Open::Existing, done)) {
        Ok(file) => (file, false),
        Err(error) if is_missing(&error) => (wait(|done| storage.open(path, Open::Empty, done))?, true),
        Err(error) => return Err(error.into()),
    };
    let stable = allocate(storage, &*file, place.offset..end, made.then_some(path));
    if stable.is_err() && made {
        // What is told is why there is no memory; that the empty file stays as well would not help.
        let _removed = wait(|done| storage.remove(path, done));
    }
    stable?;
    Ok(file)
}

/// ENOENT, or what the model says of a name that is not there.
fn is_missing(error: &StorageError) -> bool {
    matches!(error.cause(), Cause::System(number) if number == rustix::io::Errno::NOENT.raw_os_error())
}

/// Allocates the range and makes that stable, with the name of a file that was made.
fn allocate(
    storage: &Arc<dyn Storage>,
    file: &dyn File,
    range: Range<u64>,
    made: Option<&Path>,
) -> Result<(), StorageError> {
    let all = 0..range.end;
    wait(|done| file.start(vec![Io::Allocate { range, done }]))?;
    wait(|done| file.start(vec![Io::Sync { range: all, done }]))?;
    let Some(path) = made else { return Ok(()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    wait(|done| storage.sync_folder(folder.unwrap_or(Path::new(".")), done))
}

/// Why the file system keeps nothing.
fn volatile(storage: &Arc<dyn Storage>, place: &Place) -> Result<Option<&'static str>, FileMemoryError> {
    if place.forced || storage.make() == StorageMake::Model {
        return Ok(None);
    }
    #[cfg(target_os = "linux")]
    {
        let known = rustix::fs::statfs(&place.path).map_err(|error| {
            StorageError::name("ask for the file system of", &place.path, Cause::System(error.raw_os_error()))
        })?;
        // The numbers of linux/magic.h.
        Ok(match known.f_type as u32 {
            0x0102_1994 => Some("the file is on a tmpfs, which keeps nothing; use a file system on a disk"),
            0x8584_58f6 => Some("the file is on a ramfs, which keeps nothing; use a file system on a disk"),
            _ => None,
        })
    }
    #[cfg(not(target_os = "linux"))]
    Ok(None)
}

impl FileDurable {
    /// What a memory is tied to.
    fn tied(
        file: Arc<dyn File>,
        storage: &Arc<dyn Storage>,
        place: Place,
        access: Access,
        volatile: Option<&'static str>,
        mapped: Option<Lock>,
    ) -> Arc<dyn Durable> {
        let (storage, failures) = (Arc::clone(storage), AtomicU64::new(0));
        let writing = Mutex::default();
        let durable = Self { file, storage, place, access, volatile, failures, writing, _mapped: mapped };
        Arc::new(Shared(Arc::new(durable)))
    }

    /// A poisoned lock is sound: below it no foreign code runs.
    fn writing(&self) -> MutexGuard<'_, Option<VecDeque<Running>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire) // pairs with the count of a failure
    }

    fn in_file(&self, range: &Range<usize>) -> Range<u64> {
        self.place.offset + range.start as u64..self.place.offset + range.end as u64
    }

    /// What a failed sync leaves in doubt.
    fn lost(&self, range: Range<usize>) -> Range<usize> {
        match self.access {
            Access::Private => range,
            #[cfg(target_os = "linux")]
            Access::Mapped => 0..self.place.length,
        }
    }
}

/// What keeps itself while an operation is under way.
#[derive(Debug)]
struct Shared(Arc<FileDurable>);

impl Durable for Shared {
    fn volatile(&self) -> Option<&'static str> {
        self.0.volatile
    }

    fn is_shared(&self) -> bool {
        self.0.access != Access::Private
    }

    fn start(&self, flight: Flight) {
        // Before anything is asked for: who fails from here on may have taken the report that is ours.
        let running = Running { failures: self.0.failures(), durable: Arc::clone(&self.0), flight };
        match self.0.access {
            Access::Private => running.write_in_turn(),
            #[cfg(target_os = "linux")]
            Access::Mapped => running.sync(),
        }
    }

    fn describe(&self) -> String {
        let FileDurable { storage, place, access, .. } = &*self.0;
        let how = if *access == Access::Private { "written at a flush" } else { "mapped" };
        format!("{}, {how}, {}", place.path.display(), storage.make())
    }
}

/// A flush on its way through the storage.
#[derive(Debug)]
struct Running {
    durable: Arc<FileDurable>,
    flight: Flight,
    /// The failures that were known when it began.
    failures: u64,
}

impl Running {
    /// Writes when no other flush of the memory does.
    fn write_in_turn(self) {
        let durable = Arc::clone(&self.durable);
        let mut writing = durable.writing();
        match &mut *writing {
            Some(waiting)
                if !planted!(FlushesWriteTogether, "flushes of one memory write at the same time") =>
            {
                waiting.push_back(self);
            }
            _ => {
                writing.get_or_insert_default();
                drop(writing);
                let from = self.flight.range().start;
                self.write(from);
            }
        }
    }

    /// Lets the next flush write.
    fn pass_turn(&self) {
        let next = {
            let mut writing = self.durable.writing();
            let next = writing.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                *writing = None;
            }
            next
        };
        if let Some(next) = next {
            let from = next.flight.range().start;
            next.write(from);
        }
    }

    /// Writes the bytes of the flush from `at` on, piece by piece, then goes on with the sync.
    fn write(self, at: usize) {
        let range = self.flight.range();
        let to = range.end.min(at + PIECE);
        let mut bytes = vec![0; to - at];
        let all = self.flight.view().read(at, &mut bytes);
        debug_assert!(all.is_some(), "a flush is about bytes of its memory");
        let file = Arc::clone(&self.durable.file);
        let (offset, bytes) = (self.durable.place.offset + at as u64, Arc::new(bytes));
        let done = super::Done::new(move |written| {
            if written.is_ok() && to < range.end {
                return self.write(to);
            }
            self.pass_turn();
            match written {
                Err(error) => self.fail(&error),
                Ok(()) if self.flight.is_persistent() => self.sync(),
                Ok(()) => self.flight.end(Ok(())),
            }
        });
        file.start(vec![Io::Write { offset, bytes, done }]);
    }

    /// Makes the range stable: the last step of a flush to persistence, whatever came before.
    fn sync(self) {
        let file = Arc::clone(&self.durable.file);
        let range = self.durable.in_file(&self.flight.range());
        let done = super::Done::new(move |synced: Result<(), StorageError>| match synced {
            Err(error) => self.fail(&error),
            Ok(()) if self.durable.failures() == self.failures => self.flight.end(Ok(())),
            Ok(()) => {
                let lost = self.durable.lost(self.flight.range());
                self.flight.end(Err(lost));
            }
        });
        file.start(vec![Io::Sync { range, done }]);
    }

    fn fail(self, error: &StorageError) {
        tracing::error!(target: "qpair", %error, "a flush failed; its range is in doubt");
        self.durable.failures.fetch_add(1, Ordering::AcqRel); // read by every flush that is under way
        let lost = self.durable.lost(self.flight.range());
        self.flight.end(Err(lost));
    }
}
