//! Lists of numbered objects that anybody may join and one takes whole.
//!
//! A member joins with a swap on its own link, so that it is listed at most once, and a compare-and-swap on
//! the list; a taker empties the list with one swap, so a member that comes back meanwhile cannot confuse it.

use super::claim::Gate;
use crate::sync::{AtomicU64, Backoff, Ordering, fence, mutant, ord, recheck};

/// A member's place in one list.
#[derive(Debug, Default)]
pub struct Link {
    queued: AtomicU64,
    /// Index of the next member plus one; 0 ends the list.
    next: AtomicU64,
    /// Written and read with `next`: loom has no load buffering, so only a race on plain memory shows that a
    /// link is written again too early.
    #[cfg(qpair_loom)]
    witness: super::slots::Witness,
}

impl Link {
    /// A link in no list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The member is in a list, or a taker has not let go of its link yet: it may not go.
    pub fn is_listed(&self) -> bool {
        self.queued.load(ord!(ListedLook: Acquire, "pairs with ListUnqueue: the taker is done with my link"))
            != 0
    }
}

/// A list of indices.
#[derive(Debug, Default)]
pub struct IndexList {
    /// Index of the first member plus one; 0 when empty.
    first: AtomicU64,
}

impl IndexList {
    /// An empty list.
    pub fn new() -> Self {
        Self { first: AtomicU64::new(0) }
    }

    /// Lists `index` unless it is listed already; true if the list was empty.
    pub fn push(&self, index: u32, link: &Link) -> bool {
        self.join(index, link) == Some(true)
    }

    /// Lists `index`: `None`, it is listed already; else whether the list was empty.
    pub fn join(&self, index: u32, link: &Link) -> Option<bool> {
        let order = ord!(ListQueued: AcqRel, "Acquire: the taker has read my next before I write it; Release: it visits what I did");
        if link.queued.swap(1, order) != 0 {
            return None;
        }
        let backoff = Backoff::new();
        let mut first = self.first.load(Ordering::Relaxed); // the compare-and-swap decides
        loop {
            #[cfg(qpair_loom)]
            link.witness.write();
            link.next.store(first, Ordering::Relaxed); // ListPush publishes it
            let pushed = self.first.compare_exchange_weak(
                first,
                u64::from(index) + 1,
                ord!(ListPush: Release, "my link before the list leads to it"),
                Ordering::Relaxed,
            );
            match pushed {
                Ok(_) => return Some(first == 0),
                Err(now) => {
                    backoff.spin();
                    first = now;
                }
            }
        }
    }

    /// Nobody is listed, as far as this thread can see.
    pub fn is_empty(&self) -> bool {
        self.first.load(Ordering::Relaxed) == 0 // callers fence before they look
    }

    /// Takes everybody off the list, last come first; `visit` may do anything, joining again included.
    ///
    /// # Panics
    /// When `link_of` knows no link for a listed member: members leave the list before they go.
    pub fn take<'l>(&self, link_of: impl Fn(u32) -> Option<&'l Link>, mut visit: impl FnMut(u32)) {
        let mut rest =
            self.first.swap(0, ord!(ListTake: Acquire, "the links of all members, each pushed with Release"));
        while rest != 0 {
            let index = u32::try_from(rest - 1).expect("an index has 32 bits");
            let link = link_of(index).expect("a listed member is alive");
            let unqueue = || {
                link.queued.swap(
                    0,
                    ord!(ListUnqueue: AcqRel, "Release: I have read next before it is written again; Acquire: I visit what the member did"),
                );
            };
            if mutant!(ListUnqueueFirst => true, false) {
                unqueue();
            }
            rest = link.next.load(Ordering::Relaxed); // ListTake acquired it
            #[cfg(qpair_loom)]
            link.witness.read();
            if mutant!(ListVisitFirst => true, false) {
                visit(index);
                unqueue();
            } else {
                unqueue();
                visit(index); // after unqueue: a member that is to wait again must be able to join
            }
            if mutant!(ListWakeOne => true, false) {
                return;
            }
        }
    }
}

/// A list whose taker may sleep while it is empty.
#[derive(Debug, Default)]
pub struct ReadyList {
    list: IndexList,
    asleep: AtomicU64,
}

impl ReadyList {
    /// An empty list whose taker is awake.
    pub fn new() -> Self {
        Self { list: IndexList::new(), asleep: AtomicU64::new(0) }
    }

    /// An empty list whose taker is to be started by the first push.
    pub fn asleep() -> Self {
        Self { list: IndexList::new(), asleep: AtomicU64::new(1) }
    }

    /// Lists `index`; true: the taker sleeps and the caller wakes it.
    #[must_use]
    pub fn push(&self, index: u32, link: &Link) -> bool {
        if !self.list.push(index, link) {
            return false; // whoever made the list non-empty wakes the taker
        }
        self.rouse()
    }

    /// Takes the taker out of its sleep for another reason; true: it sleeps and the caller wakes it.
    #[must_use]
    pub fn rouse(&self) -> bool {
        fence!(ReadyPushFence, "list before looking whether the taker sleeps");
        // Relaxed: the fence orders the look, and the swap makes one waker for one sleep.
        let asleep = &self.asleep;
        asleep.load(Ordering::Relaxed) != 0 && asleep.swap(0, Ordering::Relaxed) != 0 // waking orders
    }

    /// Takes everybody; see [`IndexList::take`].
    pub fn take<'l>(&self, link_of: impl Fn(u32) -> Option<&'l Link>, visit: impl FnMut(u32)) {
        self.list.take(link_of, visit);
    }

    /// Says that the taker is about to sleep; false: there is something to take, it must not.
    #[must_use]
    pub fn prepare_sleep(&self, anything_else: impl Fn() -> bool) -> bool {
        // Relaxed: the fence orders it. A word that others swap is swapped, not stored.
        self.asleep.swap(1, Ordering::Relaxed);
        fence!(SleepFence, "asleep before looking at the list again");
        if recheck!(SleepRecheck, !self.list.is_empty() || anything_else()) {
            self.wake_up();
            return false;
        }
        true
    }

    /// Says that the taker is awake again.
    pub fn wake_up(&self) {
        self.asleep.swap(0, Ordering::Relaxed); // a late waker wakes for nothing
    }
}

/// Counts what an object has to say to its user; deliveries of one object never overlap.
#[derive(Debug, Default)]
pub struct EventCounter(Gate);

impl EventCounter {
    /// Nothing to say.
    pub fn new() -> Self {
        Self(Gate::new())
    }

    /// One more event; true: the caller puts the object into its outbox and later delivers.
    #[must_use]
    pub fn raise(&self) -> bool {
        self.0.kick()
    }

    /// Delivers until nothing was raised since the last delivery began; several raised meanwhile are one.
    ///
    /// A delivery that panics leaves the counter as if it had returned and nothing had been raised meanwhile.
    pub fn deliver(&self, mut tell: impl FnMut()) {
        let mut turn = Turn { counter: self, counted: 1 };
        loop {
            tell();
            turn.counted = self.0.leave(turn.counted);
            if turn.counted == 0 {
                return;
            }
        }
    }

    /// Nothing is raised or being delivered, at some moment during the call.
    pub fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}

/// Gives the counter back when a delivery unwinds.
struct Turn<'c> {
    counter: &'c EventCounter,
    counted: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        while self.counted != 0 {
            self.counted = self.counter.0.leave(self.counted);
        }
    }
}
