//! Who owns the bytes, and how they are given back.

use super::View;
use super::durable::{Durable, Persistence};
#[cfg(all(feature = "storage", target_os = "linux"))]
use super::map::FileMapping;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

/// Alignment of zeroed memory shorter than a page: a cache line.
const LINE: usize = 64;
/// Alignment of zeroed memory of a page and more.
const PAGE: usize = 4096;

/// Bytes that can be registered for peers to access.
///
/// Kept as raw memory, since bytes that a peer may change must not be behind a Rust reference; read and write
/// by copy. Vectors and boxes are taken over without a copy and given back likewise.
///
/// ```
/// use qpair::ndk::Memory;
///
/// let memory = Memory::from(vec![1, 2, 3, 4]);
/// memory.write(2, &[7, 8]).unwrap();
/// assert_eq!(memory.into_vec(), [1, 2, 7, 8]);
/// ```
#[derive(Debug)]
pub struct Memory {
    /// Valid for `length` initialised bytes as long as `self` lives.
    base: NonNull<u8>,
    length: usize,
    origin: Origin,
    /// Where its bytes can be made stable.
    persistence: Option<Arc<Persistence>>,
}

/// Where the bytes came from, hence how they are given back.
#[derive(Debug)]
enum Origin {
    /// A vector of that capacity, or a box, whose capacity is its length.
    Vec { capacity: usize },
    /// The allocator, with this layout; its size is not 0.
    Zeroed(Layout),
    /// Somebody else, who frees them.
    Borrowed,
    /// A file, which is mapped until then.
    #[cfg(all(feature = "storage", target_os = "linux"))]
    Mapped(#[expect(dead_code, reason = "it is unmapped with its owner")] FileMapping),
}

/// Memory could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Longer than any allocation may be.
    #[error("zeroed memory of {length} bytes: an allocation has at most {max} bytes; ask for less")]
    TooLong {
        /// What was asked for, in bytes.
        length: usize,
        /// The most there can be, in bytes.
        max: usize,
    },
    /// The allocator refused.
    #[error("zeroed memory of {length} bytes: the system has not that much; free some or ask for less")]
    OutOfMemory {
        /// What was asked for, in bytes.
        length: usize,
    },
}

// SAFETY: `Memory` is the only owner of its bytes, or, when they are borrowed, has the promise of `borrowed`
// that any thread may touch them; the address means the same in every thread.
unsafe impl Send for Memory {}
// SAFETY: through `&Memory` bytes are only reached by views, which any thread may use at any time, and by
// `as_slice`, whose caller vouches for it.
unsafe impl Sync for Memory {}

impl Memory {
    /// Zeroed bytes, aligned to 64, from 4,096 bytes on to 4,096.
    ///
    /// # Errors
    /// The length is no possible allocation, or the allocator has not that much.
    pub fn zeroed(length: usize) -> Result<Self, MemoryError> {
        if length == 0 {
            return Ok(Self::from(Vec::new()));
        }
        let alignment = if length < PAGE { LINE } else { PAGE };
        let too_long = MemoryError::TooLong { length, max: isize::MAX as usize + 1 - alignment };
        let layout = Layout::from_size_align(length, alignment).map_err(|_| too_long)?;
        // SAFETY: the layout's size is not 0.
        let base = unsafe { alloc_zeroed(layout) };
        let base = NonNull::new(base).ok_or(MemoryError::OutOfMemory { length })?;
        Ok(Self { base, length, origin: Origin::Zeroed(layout), persistence: None })
    }

    /// Memory that stays somebody else's, for scoped and raw registrations; dropping it frees nothing.
    ///
    /// # Safety
    /// Until the `Memory`, and every region made of it, is gone, the caller sees to what [`View::new`] asks.
    pub(crate) unsafe fn borrowed(base: NonNull<u8>, length: usize) -> Self {
        Self { base, length, origin: Origin::Borrowed, persistence: None }
    }

    /// The bytes of a mapped file.
    #[cfg(all(feature = "storage", target_os = "linux"))]
    pub(crate) fn mapped(mapping: FileMapping) -> Self {
        let (base, length) = (mapping.base(), mapping.len());
        Self { base, length, origin: Origin::Mapped(mapping), persistence: None }
    }

    /// The same, with what makes its bytes stable.
    #[cfg_attr(
        not(any(test, all(feature = "storage", unix))),
        expect(dead_code, reason = "storage brings it")
    )]
    pub(crate) fn durable(self, durable: Arc<dyn Durable>) -> Self {
        let mut memory = self;
        memory.persistence = Some(Persistence::new(durable));
        memory
    }

    pub(crate) fn persistence(&self) -> Option<&Arc<Persistence>> {
        self.persistence.as_ref()
    }

    /// The ranges of bytes whose last flush failed, until they were written again and flushed; in order.
    ///
    /// Empty for memory that nothing makes stable. Their content in the file is unknown.
    pub fn in_doubt(&self) -> Vec<Range<usize>> {
        self.persistence.as_ref().map(|stable| stable.doubt().ranges()).unwrap_or_default()
    }

    /// How its bytes are made stable, for people; `None`: they are not.
    pub fn storage(&self) -> Option<String> {
        self.persistence.as_ref().map(|stable| stable.durable().describe())
    }

    /// No flush keeps the memory.
    pub(super) fn is_let_go(&self) -> bool {
        self.persistence.as_ref().is_none_or(|stable| !stable.is_running())
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// There are no bytes in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All bytes, to be read and written.
    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        // SAFETY: valid and initialised while `self` lives (`base`), which the view's lifetime keeps up. No
        // reference to the bytes is made but by `as_slice`, whose caller vouches for what goes on meanwhile.
        unsafe { View::new(self.base, self.length) }
    }

    /// Copies the bytes from `offset` on into `into`; `None`, and nothing copied, when they leave the memory.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Option<()> {
        self.view().read(offset, into)
    }

    /// Copies `from` to `offset`; `None`, and nothing copied, when it would leave the memory.
    pub fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        let Some(stable) = &self.persistence else { return self.view().write(offset, from) };
        let known = stable.doubt().latest();
        self.view().write(offset, from)?;
        if known != 0 {
            stable.doubt().written(&(offset..offset + from.len()), known);
        }
        Some(())
    }

    /// The bytes without a copy, while nobody writes them.
    ///
    /// # Safety
    /// As long as the slice lives, nothing is written to these bytes: no view writes, no work request names
    /// them as its target, no peer has a key with which it could, and no region of them is bound or
    /// registered anew.
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: valid and initialised while `self` lives; that nobody writes is the caller's promise.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.length) }
    }

    /// Gives the bytes back as a vector.
    ///
    /// A vector or box that was taken over comes back as it was, its spare capacity with it. Zeroed and
    /// borrowed memory is copied.
    pub fn into_vec(self) -> Vec<u8> {
        match self.origin {
            Origin::Vec { capacity } => {
                let mut this = ManuallyDrop::new(self);
                drop(this.persistence.take());
                // SAFETY: pointer, length and capacity are those of the vector taken apart in `from`, whose
                // bytes stayed initialised; `self` is not dropped, so the vector is the only owner again.
                unsafe { Vec::from_raw_parts(this.base.as_ptr(), this.length, capacity) }
            }
            _ => {
                let mut bytes = vec![0; self.length];
                let all = self.view().read(0, &mut bytes);
                debug_assert!(all.is_some(), "a memory holds as many bytes as it is long");
                bytes
            }
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        match self.origin {
            Origin::Vec { capacity } => {
                // SAFETY: as in `into_vec`; this is the last use of `base`.
                drop(unsafe { Vec::from_raw_parts(self.base.as_ptr(), self.length, capacity) })
            }
            // SAFETY: `base` came from `alloc_zeroed` with this very layout, and this is its last use.
            Origin::Zeroed(layout) => unsafe { dealloc(self.base.as_ptr(), layout) },
            Origin::Borrowed => {}
            #[cfg(all(feature = "storage", target_os = "linux"))]
            Origin::Mapped(_) => {} // unmaps itself
        }
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Self {
        let mut bytes = ManuallyDrop::new(bytes);
        let base = NonNull::new(bytes.as_mut_ptr()).expect("a vector's pointer is never null");
        let origin = Origin::Vec { capacity: bytes.capacity() };
        Self { base, length: bytes.len(), origin, persistence: None }
    }
}

impl From<Box<[u8]>> for Memory {
    fn from(bytes: Box<[u8]>) -> Self {
        Self::from(bytes.into_vec())
    }
}

/// A range of a memory and a share in its ownership: reaches the bytes without looking into the owner.
#[derive(Debug)]
pub(crate) struct Held {
    /// First byte of the range, inside of `memory`.
    base: NonNull<u8>,
    length: usize,
    memory: Arc<Memory>,
}

// SAFETY: `base` points into `memory`, which may be sent and shared; it is used for views only.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    /// That range of `memory`; gives the memory back when the range leaves it.
    pub(crate) fn new(memory: Arc<Memory>, range: Range<usize>) -> Result<Self, Arc<Memory>> {
        let length = range.end.checked_sub(range.start);
        let part = length.and_then(|length| memory.view().slice(range.start, length));
        match part.map(|part| (NonNull::new(part.as_ptr()), part.len())) {
            Some((Some(base), length)) => Ok(Self { base, length, memory }),
            _ => Err(memory),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The bytes of the range.
    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        // SAFETY: `new` found the range inside of `memory`, which `self` keeps alive for as long as the view
        // may be used, and which is never moved or freed while shared; else as in `Memory::view`.
        unsafe { View::new(self.base, self.length) }
    }

    /// Where the part of the memory begins.
    pub(crate) fn offset(&self) -> usize {
        self.base.as_ptr().addr() - self.memory.view().as_ptr().addr()
    }

    /// Whose range it is.
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Lets go of the range.
    pub(crate) fn into_memory(self) -> Arc<Memory> {
        self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_comes_back_as_it_was() {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(b"queue");
        let (pointer, capacity) = (bytes.as_ptr(), bytes.capacity());
        let memory = Memory::from(bytes);
        assert_eq!(memory.len(), 5);
        memory.write(1, b"UE").unwrap();
        let bytes = memory.into_vec();
        assert_eq!((bytes.as_ptr(), bytes.capacity(), &bytes[..]), (pointer, capacity, &b"qUEue"[..]));
    }

    #[test]
    fn a_box_comes_back_without_a_copy() {
        let bytes: Box<[u8]> = Box::from(&b"pair"[..]);
        let pointer = bytes.as_ptr();
        let bytes = Memory::from(bytes).into_vec().into_boxed_slice();
        assert_eq!((bytes.as_ptr(), &bytes[..]), (pointer, &b"pair"[..]));
    }

    #[test]
    fn zeroed_is_zero_and_aligned() {
        for (length, alignment) in [(1, 64), (4095, 64), (4096, 4096), (10_000, 4096)] {
            let memory = Memory::zeroed(length).unwrap();
            assert_eq!(memory.view().as_ptr().addr() % alignment, 0);
            memory.write(length - 1, &[9]).unwrap();
            let bytes = memory.into_vec();
            assert_eq!(bytes.len(), length);
            assert!(bytes[..length - 1].iter().all(|b| *b == 0) && bytes[length - 1] == 9);
        }
        assert!(Memory::zeroed(0).unwrap().is_empty());
    }

    #[test]
    fn too_long_is_refused() {
        let error = Memory::zeroed(usize::MAX).unwrap_err();
        assert_eq!(error, MemoryError::TooLong { length: usize::MAX, max: isize::MAX as usize - 4095 });
    }

    #[test]
    fn borrowed_memory_is_left_alone() {
        let mut bytes = vec![1u8, 2, 3];
        let base = NonNull::new(bytes.as_mut_ptr()).unwrap();
        // SAFETY: `bytes` outlives the memory and is not touched until that is gone.
        let memory = unsafe { Memory::borrowed(base, 3) };
        memory.write(0, &[7]).unwrap();
        // SAFETY: nobody writes to it while the slice lives.
        assert_eq!(unsafe { memory.as_slice() }, [7, 2, 3]);
        assert_eq!(memory.into_vec(), [7, 2, 3]);
        assert_eq!(bytes, [7, 2, 3]);
    }

    #[test]
    fn a_held_range_keeps_its_memory() {
        let memory = Arc::new(Memory::from(vec![0u8, 1, 2, 3, 4]));
        let held = Held::new(memory.clone(), 1..4).unwrap();
        drop(memory);
        let mut bytes = [0; 3];
        held.view().read(0, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 3]);
        let memory = held.into_memory();
        assert!(Held::new(memory.clone(), 4..6).is_err());
        let backwards = Range { start: 3, end: 2 };
        assert_eq!(Arc::strong_count(&Held::new(memory, backwards).unwrap_err()), 1);
    }
}
