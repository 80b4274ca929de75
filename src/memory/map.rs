//! A file in memory: the one place that maps.
//!
//! A store into a mapping cannot report an error: where the system has no page for it, it raises SIGBUS. So
//! the blocks of the file are there before it is mapped (`fabric/storage/region.rs`), and what may take them
//! away again is the caller's to prevent.

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::AsFd;
use std::ptr::{self, NonNull};

/// A part of a file, mapped shared, for reading and writing.
#[derive(Debug)]
pub(crate) struct FileMapping {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: an address range of the process, which belongs to no thread; it is reached by views only.
unsafe impl Send for FileMapping {}
// SAFETY: as above.
unsafe impl Sync for FileMapping {}

impl FileMapping {
    /// Maps `length` bytes of `file` from `offset` on, a multiple of the page size.
    ///
    /// # Errors
    /// The system's: no such length, no address space, or a file that cannot be mapped (ENODEV).
    ///
    /// # Safety
    /// For as long as the mapping lives
    /// - the file is at least `offset + length` bytes long: a load or store behind its end raises SIGBUS;
    /// - the blocks of the range stay allocated: a store where the file has none, with the disk full, does so
    ///   too, and so does any access to a page that the medium cannot read.
    ///
    /// What other processes store into the file changes the bytes at any time, which is fine for views and
    /// for nothing else.
    pub(crate) unsafe fn new(file: impl AsFd, offset: u64, length: usize) -> io::Result<Self> {
        let (rights, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: no address is asked for, so the system takes one where nothing is mapped and no memory of
        // ours is replaced; that the pages can be touched is the caller's promise.
        let base = unsafe { mmap(ptr::null_mut(), length, rights, shared, file, offset)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { base, length })
    }

    /// The first byte; valid for [`len`](Self::len) bytes while the mapping lives.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl Drop for FileMapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped, not unmapped before, and whoever had it from `base` is gone: the
        // `Memory` that owns this has outlived its views.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can be taken away");
    }
}
