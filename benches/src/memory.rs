//! Bytes that an allocator has given out: what a queue pair costs.

#![expect(clippy::disallowed_types, reason = "a count of bytes is no protocol of qpair")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counting the bytes that were asked for and are not given back.
pub struct Counting;

// SAFETY: every call goes to `System` as it came, layout and pointer unchanged, and its answer is handed on;
// so what
// `GlobalAlloc` demands holds because it holds for `System`. The count allocates nothing and cannot unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed); // a sum, not an order
        // SAFETY: the caller's promise on `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed); // as above
        // SAFETY: the caller's promise: `block` came from `alloc` here, that is from `System`, with this
        // layout.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Bytes given out and not given back; 0 in a program whose allocator is not [`Counting`].
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed) // as above
}
