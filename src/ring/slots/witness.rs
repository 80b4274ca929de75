//! In models only: plain memory that shows who touches a slot too early.
//!
//! This file may use `unsafe`: loom reports any race on the cell.

use crate::sync::UnsafeCell;

/// In a model, a cell written with a payload of atomic words and read with it.
///
/// Loom has no load buffering, so only a race on plain memory shows that a slot is handed back too early.
#[derive(Debug)]
pub(in crate::ring) struct Witness(UnsafeCell<u8>);

// SAFETY: models only, where loom reports any race on the cell: that is its purpose.
unsafe impl Sync for Witness {}

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

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
