//! Eight bytes that act as one word, so that under Miri no byte is accessed in two sizes.
//!
//! Words are whole towards each other, not towards a copy: of a word that a copy is storing, parts show until
//! its last byte is there. A lock around copies would mend that, and hide from Miri the very mistakes in the
//! rings that it is run to find.

use crate::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// Taken by every access to any word, so that they are whole towards each other.
static WHOLE: Mutex<()> = Mutex::new(());

#[repr(transparent)]
pub(super) struct Word([AtomicU8; 8]);

impl Word {
    pub(super) unsafe fn from_ptr<'a>(word: *mut u64) -> &'a Self {
        // SAFETY: valid for eight bytes that all access as atomic bytes, says the caller; same layout.
        unsafe { &*word.cast::<Self>() }
    }

    fn update(&self, change: impl FnOnce(u64) -> Option<u64>) -> u64 {
        let _whole = WHOLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut bytes = [0; 8];
        // Last byte first, Acquire: a copy stores it last, and then the others are there too.
        for i in (0..8).rev() {
            bytes[i] = self.0[i].load(Ordering::Acquire);
        }
        let found = u64::from_ne_bytes(bytes);
        if let Some(new) = change(found) {
            for (byte, new) in self.0.iter().zip(new.to_ne_bytes()) {
                byte.store(new, Ordering::Release); // what came before is seen with any of them
            }
        }
        found
    }

    pub(super) fn load(&self, _: Ordering) -> u64 {
        self.update(|_| None)
    }

    pub(super) fn store(&self, value: u64, _: Ordering) {
        self.update(|_| Some(value));
    }

    pub(super) fn swap(&self, value: u64, _: Ordering) -> u64 {
        self.update(|_| Some(value))
    }

    pub(super) fn fetch_add(&self, add: u64, _: Ordering) -> u64 {
        self.update(|found| Some(found.wrapping_add(add)))
    }

    pub(super) fn compare_exchange(
        &self,
        expected: u64,
        new: u64,
        _: Ordering,
        _: Ordering,
    ) -> Result<u64, u64> {
        let found = self.update(|found| (found == expected).then_some(new));
        if found == expected { Ok(found) } else { Err(found) }
    }
}
