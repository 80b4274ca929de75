//! What lies beside a slot: words too long for its payload, and in a model a cell that shows races.
//!
//! This file may use `unsafe`: its words belong to whoever the payload belongs to.

#[cfg(qpair_loom)]
use crate::sync::UnsafeCell;

/// Words beside the slots, for what is too long for a payload; a slot's words belong to whoever its payload does.
pub(super) struct Side {
    words: Box<[std::cell::UnsafeCell<u64>]>,
    stride: usize,
}

// SAFETY: the words are plain data; `words` and `words_mut` are unsafe and demand the payload's rules of their callers.
unsafe impl Sync for Side {}

impl Side {
    pub(super) fn new(slots: usize, stride: usize) -> Self {
        Self { words: (0..slots * stride).map(|_| std::cell::UnsafeCell::new(0)).collect(), stride }
    }

    fn of(&self, index: usize) -> &[std::cell::UnsafeCell<u64>] {
        &self.words[index * self.stride..(index + 1) * self.stride]
    }

    /// # Safety
    /// The caller may read the payload of slot `index` for as long as it keeps the result.
    #[inline]
    pub(super) unsafe fn words(&self, index: usize) -> &[u64] {
        let words = self.of(index);
        // SAFETY: `UnsafeCell<u64>` has the layout of `u64`; the slice is in bounds; nobody writes it, by the caller's duty.
        unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len()) }
    }

    /// # Safety
    /// The caller may write the payload of slot `index` for as long as it keeps the result, and makes one only.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the payload's owner is the one writer, see above")]
    pub(super) unsafe fn words_mut(&self, index: usize) -> &mut [u64] {
        let words = self.of(index);
        let start = std::cell::UnsafeCell::raw_get(words.as_ptr());
        // SAFETY: as in `words`, and nobody else reads or writes it, by the caller's duty.
        unsafe { std::slice::from_raw_parts_mut(start, words.len()) }
    }
}

/// In a model, a cell written with a payload of atomic words and read with it.
///
/// Loom has no load buffering, so only a race on plain memory shows that a slot is handed back too early.
#[cfg(qpair_loom)]
#[derive(Debug)]
pub(in crate::ring) struct Witness(UnsafeCell<u8>);

// SAFETY: models only, where loom reports any race on the cell: that is its purpose.
#[cfg(qpair_loom)]
unsafe impl Sync for Witness {}

#[cfg(qpair_loom)]
impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(qpair_loom)]
impl Witness {
    pub(in crate::ring) fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    /// A producer writes the payload that this cell stands for.
    pub(in crate::ring) fn write(&self) {
        // SAFETY: the slot is claimed by the caller, and by nobody else until it is published.
        self.0.with_mut(|byte| unsafe { *byte = byte.read().wrapping_add(1) });
    }

    /// The one consumer copies the payload.
    pub(in crate::ring) fn read(&self) {
        // SAFETY: the slot is published, and the one consumer has not moved the head beyond it yet.
        self.0.with(|byte| std::hint::black_box(unsafe { *byte }));
    }
}
