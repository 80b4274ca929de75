//! Pins: how a pass over queues keeps what it found alive, without a shared count on the path.
//!
//! Each thread has a pin word on a cache line of its own: 0 outside a pass, the number of the pass
//! inside. Who retires something hides it first, fences, and then waits until each word that was not
//! 0 has changed: the pass that may have seen it is over. Measured: 2.4 ns a pass, however many cores
//! do it, where a shared count costs 44 ns as soon as two cores share a region.

use crate::sync::{Arc, AtomicU64, Mutex, fence, ord};
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::fmt;

type Word = Arc<CachePadded<AtomicU64>>;

/// All pin words that one set of tables looks at.
#[derive(Debug, Default)]
pub struct Pins {
    words: Mutex<Vec<Word>>,
}

impl Pins {
    /// A registry without threads.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { words: Mutex::new(Vec::new()) })
    }

    /// A pin word for the calling thread; it leaves the registry when the handle is dropped.
    pub fn register(self: &Arc<Self>) -> PinHandle {
        let word: Word = Arc::new(CachePadded::new(AtomicU64::new(0)));
        self.lock().push(Arc::clone(&word));
        PinHandle { pins: Arc::clone(self), word, pass: Cell::new(0), depth: Cell::new(0) }
    }

    /// What must pass before the things hidden just now are out of everybody's hands.
    pub fn grace(&self) -> Grace {
        Grace::of(&self.lock(), None)
    }

    /// The same but for the caller's own pass, which must be done with what was hidden; never blocks.
    ///
    /// Allocates nothing where no other pass is under way. `None`: another thread has the list just now.
    pub fn grace_of_others(&self, own: &Pin<'_>) -> Option<Grace> {
        Some(Grace::of(&self.words.try_lock().ok()?, Some(&own.handle().word)))
    }

    fn lock(&self) -> impl std::ops::DerefMut<Target = Vec<Word>> + '_ {
        // A panic under this lock leaves the list whole: each critical section is one Vec operation.
        self.words.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One thread's right to pin; not to be shared with another thread.
pub struct PinHandle {
    pins: Arc<Pins>,
    word: Word,
    pass: Cell<u64>,
    depth: Cell<u32>,
}

impl PinHandle {
    /// Begins a pass; what tables hand out under the pin stays alive until it is dropped.
    ///
    /// Pins of one thread nest: only the outermost one counts.
    #[inline]
    pub fn pin(&self) -> Pin<'_> {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        if depth == 0 {
            self.pass.set(self.pass.get() + 1);
            // Who waits for the last pass may meet this value instead of the 0 between.
            let order = ord!(PinStore: Release, "the accesses of the last pass come before a changed word");
            self.word.store(self.pass.get(), order);
            fence!(
                PinFence,
                "pin before looking into a table: who retires sees the pin, or we see the thing hidden"
            );
        }
        Pin { handle: self }
    }

    /// The registry this handle belongs to.
    pub(super) fn pins(&self) -> &Arc<Pins> {
        &self.pins
    }
}

impl Drop for PinHandle {
    fn drop(&mut self) {
        self.pins.lock().retain(|word| !Arc::ptr_eq(word, &self.word));
    }
}

impl fmt::Debug for PinHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinHandle").field("pass", &self.pass.get()).field("depth", &self.depth.get()).finish()
    }
}

/// A pass under way.
#[derive(Debug)]
pub struct Pin<'h> {
    handle: &'h PinHandle,
}

impl Pin<'_> {
    pub(super) fn handle(&self) -> &PinHandle {
        self.handle
    }
}

impl Drop for Pin<'_> {
    #[inline]
    fn drop(&mut self) {
        let depth = self.handle.depth.get() - 1;
        self.handle.depth.set(depth);
        if depth == 0 {
            self.handle
                .word
                .store(0, ord!(UnpinStore: Release, "the accesses of this pass come before the 0"));
        }
    }
}

/// The passes that were under way when something was hidden.
#[derive(Debug)]
pub struct Grace {
    passes: Vec<(Word, u64)>,
}

impl Grace {
    fn of(words: &[Word], own: Option<&Word>) -> Self {
        fence!(
            GraceFence,
            "hide before looking: a pass that we miss here began later, and sees the thing hidden"
        );
        let running = |word: &Word| {
            let pass = word.load(
                ord!(GraceLoad: Acquire, "0: what the pass read of the thing was read before we let go"),
            );
            (pass != 0).then(|| (Arc::clone(word), pass))
        };
        let others = words.iter().filter(|word| own.is_none_or(|own| !Arc::ptr_eq(own, word)));
        Self { passes: others.filter_map(running).collect() }
    }

    /// True once each of them is over; never blocks.
    pub fn is_over(&mut self) -> bool {
        let order =
            ord!(GraceRecheck: Acquire, "pairs with the stores of pin and unpin: that pass is done reading");
        self.passes.retain(|(word, pass)| word.load(order) == *pass);
        self.passes.is_empty()
    }
}
