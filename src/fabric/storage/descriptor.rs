//! One descriptor of one file, kept from before the first write: a later one may miss a write-back error.

use super::{Cause, Done, Open, StorageError};
use rustix::fs::FlockOperation;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// An open file of the system; closed with its last owner, who may be an operation under way.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) file: fs::File,
    pub(super) path: PathBuf,
    closed: Mutex<Option<Done<()>>>,
}

impl Descriptor {
    /// Opens a file for reading and writing.
    pub(super) fn open(path: &Path, how: Open) -> Result<Self, StorageError> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true);
        if how == Open::Empty {
            options.create(true).truncate(true);
        }
        let file = options.open(path).map_err(|error| StorageError::name("open", path, Cause::of(&error)))?;
        Ok(Self { file, path: path.to_owned(), closed: Mutex::default() })
    }

    /// The same end of an operation, which keeps the file open until then.
    pub(super) fn kept_until(self: Arc<Self>, done: Done<()>) -> Done<()> {
        Done::new(move |result| {
            drop(self);
            done.call(result);
        })
    }

    pub(super) fn length(&self) -> Result<u64, StorageError> {
        let known = self.file.metadata();
        Ok(known
            .map_err(|error| StorageError::name("ask the length of", &self.path, Cause::of(&error)))?
            .len())
    }

    pub(super) fn error(&self, operation: &'static str, range: Range<u64>, cause: Cause) -> StorageError {
        StorageError::bytes(operation, &self.path, range, cause)
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let range = offset..offset + bytes.len() as u64;
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| self.error("write", range, Cause::of(&error)))
    }

    pub(super) fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset);
        let range = offset..offset + length as u64;
        read.map_err(|error| self.error("read", range, Cause::of(&error)))?;
        Ok(bytes)
    }

    /// The whole file, since plain calls have no range.
    pub(super) fn sync(&self, range: Range<u64>) -> Result<(), StorageError> {
        self.file.sync_data().map_err(|error| self.error("sync", range, Cause::of(&error)))
    }

    pub(super) fn allocate(&self, range: Range<u64>) -> Result<(), StorageError> {
        // Apple's form would cut a file that reaches further.
        if cfg!(target_vendor = "apple") && self.length()? >= range.end {
            return Ok(());
        }
        let length = range.end.saturating_sub(range.start);
        loop {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(&self.file, flags, range.start, length) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(()) => return Ok(()),
                Err(error) => return Err(self.error("allocate", range, Cause::System(error.raw_os_error()))),
            }
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(done) = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            done.call(Ok(()));
        }
    }
}

/// The descriptor of a file that its owner may close while operations are under way.
#[derive(Debug)]
pub(super) struct Closable {
    path: PathBuf,
    descriptor: Mutex<Option<Arc<Descriptor>>>,
}

impl Closable {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self { path: descriptor.path.clone(), descriptor: Mutex::new(Some(Arc::new(descriptor))) }
    }

    /// The descriptor, unless the file is closed.
    pub(super) fn get(&self) -> Result<Arc<Descriptor>, StorageError> {
        let open = self.descriptor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        open.ok_or_else(|| StorageError::name("use", &self.path, Cause::Closed))
    }

    /// The descriptor for who comes later, as long as somebody keeps it open.
    pub(super) fn weak(&self) -> Weak<Descriptor> {
        let open = self.descriptor.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// Lets the descriptor go; done when its last operation has ended.
    pub(super) fn close(&self, done: Done<()>) {
        let open = self.descriptor.lock().unwrap_or_else(PoisonError::into_inner).take();
        match open {
            Some(descriptor) => {
                *descriptor.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            }
            None => done.call(Err(StorageError::name("close", &self.path, Cause::Closed))),
        }
    }
}

/// Takes a name away.
pub(super) fn remove(path: &Path) -> Result<(), StorageError> {
    fs::remove_file(path).map_err(|error| StorageError::name("remove", path, Cause::of(&error)))
}

/// Makes the names in a folder stable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StorageError> {
    let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| StorageError::name("sync the folder", path, Cause::of(&error)))
}

/// A number from the system's chance, which nothing else has but by chance.
pub(crate) fn identity() -> Result<u128, StorageError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    let read = fs::File::open(path).and_then(|mut chance| chance.read_exact(&mut bytes));
    read.map_err(|error| StorageError::name("read chance from", path, Cause::of(&error)))?;
    Ok(u128::from_ne_bytes(bytes))
}

/// A lock on a file (`flock`), which a process that dies gives back.
#[derive(Debug)]
pub(crate) struct Lock {
    file: Option<fs::File>,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StorageError> {
        let failed = |cause| StorageError::name("lock", path, cause);
        let file = fs::File::open(path).map_err(|error| failed(Cause::of(&error)))?;
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|error| failed(Cause::System(error.raw_os_error())))?;
        Ok(Self::held(file))
    }

    /// The lock on a file that has been locked.
    pub(super) fn held(file: fs::File) -> Self {
        Self { file: Some(file) }
    }

    /// No lock, where nobody else could take one.
    pub(crate) fn none() -> Self {
        Self { file: None }
    }
}

impl Drop for Lock {
    /// Unlocks by a word of its own: the close alone would leave the lock to a child of this process that is
    /// just being started, which has a copy of the descriptor until it runs its program.
    fn drop(&mut self) {
        let unlocked = self.file.as_ref().map(|file| rustix::fs::flock(file, FlockOperation::Unlock));
        if let Some(Err(error)) = unlocked {
            tracing::warn!(%error, "a file is unlocked by its close only");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_given_back_although_a_child_has_its_descriptor() {
        let path = std::env::temp_dir().join(format!("qpair-lock-{}", std::process::id()));
        fs::write(&path, b"").unwrap();
        let lock = Lock::take(&path).unwrap();
        let of_a_child = lock.file.as_ref().unwrap().try_clone().unwrap(); // as fork makes it
        assert!(Lock::take(&path).is_err(), "it is taken");
        drop(lock);
        assert!(Lock::take(&path).is_ok());
        drop(of_a_child);
        fs::remove_file(&path).unwrap();
    }
}
