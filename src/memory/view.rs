//! A span of bytes that anyone may read and write at any time.
//!
//! The only way to the bytes of a region. Small copies, edges and the last piece are single moves, bulk is
//! a loop of vector moves, both in assembly where the processor is known; elsewhere, and under Miri, all is
//! done by relaxed atomics. Why that is sound is argued in [the room's page](super).

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

#[cfg(not(miri))]
use std::sync::atomic::AtomicU64 as Word;

#[cfg(miri)]
use miri_word::Word;

/// Bytes that a peer may change at any time; never a slice.
///
/// Cheap to copy, and only good while the memory it was made from lives. A copy that meets a write to the
/// same bytes yields any mix of old and new bytes; what holds all the same:
///
/// - **Order.** The last piece of a copy, the largest of 8, 4, 2 or 1 bytes that is aligned and ends where
///   the copy ends, is stored whole and after all bytes before it: whoever sees it by [`View::load_u8`] or
///   [`View::load_u64`] sees those too. This is what programs rely on that poll the last byte of a message.
/// - **Words.** The `*_u64` calls are single atomic instructions, also towards the last piece of a copy when
///   that is the same eight bytes. No other bytes of a copy are promised to appear together.
#[derive(Clone, Copy)]
pub struct View<'a> {
    base: NonNull<u8>,
    length: usize,
    memory: PhantomData<&'a ()>,
}

// SAFETY: a view is an address, a length and the promise of `View::new` that any thread may touch the bytes
// at any time; nothing in it belongs to a thread.
unsafe impl Send for View<'_> {}
// SAFETY: as above; no method changes the view itself.
unsafe impl Sync for View<'_> {}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({:p}, {} bytes)", self.base, self.length)
    }
}

impl<'a> View<'a> {
    /// The view of the `length` bytes at `base`.
    ///
    /// # Safety
    /// For all of `'a`, the caller sees to it that
    /// - `base` is valid for reads and writes of `length` bytes, all in one allocation, at most `isize::MAX`;
    /// - the bytes are initialised;
    /// - nobody holds a `&[u8]` or `&mut [u8]` to them or touches them by plain loads and stores, except
    ///   while no access through any view of them can be going on: views, atomics and other processes only.
    pub unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        Self { base, length, memory: PhantomData }
    }

    /// The view of no bytes at all, good for ever.
    pub const fn empty() -> Self {
        Self { base: NonNull::dangling(), length: 0, memory: PhantomData }
    }

    /// The view of bytes that nobody else can reach while it lives.
    pub fn of_mut(bytes: &'a mut [u8]) -> Self {
        let length = bytes.len();
        // SAFETY: the exclusive borrow lasts for `'a`, so the bytes are valid and initialised that long and
        // nobody touches them but through this view and its copies.
        unsafe { Self::new(NonNull::from(bytes).cast(), length) }
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// There are no bytes in it.
    #[cfg_attr(not(test), expect(dead_code, reason = "it completes the set"))]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Address of the first byte, for system calls that take one.
    pub const fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// The `length` bytes from `offset` on; `None` when they leave the view.
    #[inline]
    pub fn slice(&self, offset: usize, length: usize) -> Option<View<'a>> {
        if offset > self.length || length > self.length - offset {
            return None;
        }
        // SAFETY: `offset <= self.length`, and `base` is valid for `self.length` bytes of one allocation.
        let base = unsafe { self.base.add(offset) };
        Some(View { base, length, memory: PhantomData })
    }

    /// Copies the bytes from `offset` on into `into`; `None`, and nothing copied, when they leave the view.
    #[inline]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Option<()> {
        let source = self.slice(offset, into.len())?;
        // SAFETY: `source` has as many bytes as `into`, which is borrowed mutably, so it is nobody else's.
        unsafe { copy::<OWN, SHARED>(into.as_mut_ptr(), source.as_ptr(), source.length) };
        Some(())
    }

    /// Copies `from` to `offset`; `None`, and nothing copied, when it would leave the view.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) -> Option<()> {
        let target = self.slice(offset, from.len())?;
        // SAFETY: `target` has as many bytes as `from`, which is borrowed, so nobody changes it.
        unsafe { copy::<SHARED, OWN>(target.as_ptr(), from.as_ptr(), target.length) };
        Some(())
    }

    /// Copies from `source` to here, as many bytes as the shorter of both has; returns how many.
    ///
    /// The two may overlap: then each byte of the overlap becomes some byte that stood in `source` or, as the
    /// copy goes on, in the overlap.
    #[inline]
    pub fn copy_from(&self, source: View<'_>) -> usize {
        let length = self.length.min(source.length);
        // SAFETY: both views have at least `length` bytes, and any of their bytes may be touched at any time.
        unsafe { copy::<SHARED, SHARED>(self.as_ptr(), source.as_ptr(), length) };
        length
    }

    /// The byte at `offset`; what was stored before it is seen once it is. `None` outside of the view.
    #[inline]
    pub fn load_u8(&self, offset: usize) -> Option<u8> {
        let byte = self.slice(offset, 1)?;
        // SAFETY: `byte` is one byte of this view, and a view's bytes are accessed as atomics or in assembly.
        let byte = unsafe { std::sync::atomic::AtomicU8::from_ptr(byte.as_ptr()) };
        Some(byte.load(Ordering::Acquire)) // pairs with the last piece of a copy (docs of `View`)
    }

    /// The eight bytes at `offset` in the order of this machine. `None` when misaligned or outside of the
    /// view.
    ///
    /// Alignment, here and below, is that of the machine address.
    #[inline]
    pub fn load_u64(&self, offset: usize) -> Option<u64> {
        Some(self.word(offset)?.load(Ordering::Acquire)) // pairs with a copy's last piece and with store_u64
    }

    /// Stores eight bytes after all that this thread has stored. `None` when misaligned or outside of the
    /// view.
    #[inline]
    pub fn store_u64(&self, offset: usize, value: u64) -> Option<()> {
        self.word(offset)?.store(value, Ordering::Release); // pairs with load_u64: a flag after its data
        Some(())
    }

    /// Stores eight bytes and returns those before. `None` when misaligned or outside of the view.
    #[inline]
    #[cfg_attr(not(test), expect(dead_code, reason = "it completes the set"))]
    pub fn swap_u64(&self, offset: usize, value: u64) -> Option<u64> {
        Some(self.word(offset)?.swap(value, Ordering::AcqRel)) // orders like a lock of the host
    }

    /// Stores `new` where `expected` stands; returns what stood there. `None` when misaligned or outside.
    #[inline]
    pub fn compare_exchange_u64(&self, offset: usize, expected: u64, new: u64) -> Option<u64> {
        // AcqRel, Acquire: a remote atomic orders like a lock of the host, taken or found taken.
        let found = self.word(offset)?.compare_exchange(expected, new, Ordering::AcqRel, Ordering::Acquire);
        Some(found.unwrap_or_else(|other| other))
    }

    /// Adds, wrapping, and returns what stood there before. `None` when misaligned or outside of the view.
    #[inline]
    pub fn fetch_add_u64(&self, offset: usize, add: u64) -> Option<u64> {
        Some(self.word(offset)?.fetch_add(add, Ordering::AcqRel)) // orders like a lock of the host
    }

    #[inline]
    fn word(&self, offset: usize) -> Option<&'a Word> {
        let word = self.slice(offset, 8)?.as_ptr().cast::<u64>();
        if !word.is_aligned() {
            return None;
        }
        // SAFETY: eight aligned bytes of this view, which is good for `'a`; a view's bytes are accessed as
        // atomics or in assembly. That copies touch them in other sizes is argued in `memory/mod.rs`.
        Some(unsafe { Word::from_ptr(word) })
    }

    /// [`View::copy_from`] by the fallback, to test it where it is not used.
    #[cfg(test)]
    pub(super) fn copy_from_by_words(&self, source: View<'_>) {
        let length = self.length.min(source.length);
        // SAFETY: as in `copy_from`.
        unsafe { words::copy::<SHARED, SHARED>(self.as_ptr(), source.as_ptr(), length) };
    }
}

/// This side of a copy may be touched by anyone.
const SHARED: bool = true;
/// This side of a copy is the caller's, borrowed for as long as it takes.
const OWN: bool = false;

/// Copies `length` bytes, the last piece whole and after all others.
///
/// # Safety
/// Both pointers are valid for `length` bytes, `target` for writes. A side that is `SHARED` is memory of a
/// view; a side that is `OWN` is changed by nobody else meanwhile, and when it is the target, read by nobody.
#[inline]
unsafe fn copy<const TARGET: bool, const SOURCE: bool>(target: *mut u8, source: *const u8, length: usize) {
    #[cfg(all(not(miri), any(target_arch = "x86_64", target_arch = "aarch64")))]
    if length > 0 {
        let last = last_piece(target.addr(), length);
        let body = length - (1 << last);
        // SAFETY: `body` and the piece after it are together the `length` bytes that the caller vouches for;
        // the end of the piece, hence the piece, is aligned to its size.
        unsafe {
            machine::copy_body(target, source, body);
            machine::copy_last(target.add(body), source.add(body), last);
        }
    }
    #[cfg(not(all(not(miri), any(target_arch = "x86_64", target_arch = "aarch64"))))]
    // SAFETY: the caller's promise.
    unsafe {
        words::copy::<TARGET, SOURCE>(target, source, length);
    }
}

/// The size, as a power of two up to 8, of the largest aligned piece at the end of a copy of some bytes.
#[cfg(any(test, all(not(miri), any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[inline(always)]
fn last_piece(target: usize, length: usize) -> u32 {
    (target.wrapping_add(length) | 8).trailing_zeros().min(length.ilog2())
}

#[cfg(all(not(miri), target_arch = "x86_64"))]
#[path = "view/x86_64.rs"]
mod machine;

#[cfg(all(not(miri), target_arch = "aarch64"))]
#[path = "view/aarch64.rs"]
mod machine;

#[cfg(any(test, miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod words;

#[cfg(miri)]
mod miri_word;

#[cfg(test)]
mod tests;
