//! Words beside the slots of a submission ring.
//!
//! This file may use `unsafe`: a slot's words are read and written under the rules of its payload.

/// Words beside the slots, for what is too long for a payload; a slot's words belong to whoever its payload
/// does.
pub(super) struct Side {
    words: Box<[std::cell::UnsafeCell<u64>]>,
    stride: usize,
}

// SAFETY: the words are plain data; `words` and `words_mut` are unsafe and demand the payload's rules of
// their callers.
unsafe impl Sync for Side {}

impl Side {
    pub(super) fn new(slots: usize, stride: usize) -> Self {
        Self { words: (0..slots * stride).map(|_| std::cell::UnsafeCell::new(0)).collect(), stride }
    }

    #[inline]
    fn of(&self, index: usize) -> &[std::cell::UnsafeCell<u64>] {
        if self.stride == 0 {
            return &[]; // the common case, without the multiplications and checks
        }
        &self.words[index * self.stride..(index + 1) * self.stride]
    }

    /// # Safety
    /// The caller may read the payload of slot `index` for as long as it keeps the result.
    #[inline]
    pub(super) unsafe fn words(&self, index: usize) -> &[u64] {
        let words = self.of(index);
        // SAFETY: `UnsafeCell<u64>` has the layout of `u64`; the slice is in bounds; nobody writes it, by the
        // caller's duty.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
    }

    /// # Safety
    /// The caller may write the payload of slot `index` for as long as it keeps the result, and
    /// makes one only.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the payload's owner is the one writer, see above")]
    pub(super) unsafe fn words_mut(&self, index: usize) -> &mut [u64] {
        let words = self.of(index);
        let start = std::cell::UnsafeCell::raw_get(words.as_ptr());
        // SAFETY: as in `words`, and nobody else reads or writes it, by the caller's duty.
        unsafe { std::slice::from_raw_parts_mut(start, words.len()) }
    }
}
