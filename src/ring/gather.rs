//! Who takes entries from a device, and what the device has told of them.
//!
//! A device of the kernel has one list of entries, which one thread at a time takes from: whoever finds the
//! role free. A poller that does not find it so goes on; it has nobody look again, else two pollers would
//! keep each other in the role. Who must know that everything is taken asks, and whoever holds the role looks
//! again.
//!
//! Of a receive the device does not say whether its message was solicited; it only tells that some solicited
//! entry has come. So entries are numbered as they are taken, and what the device tells of (or who arms it
//! asks about) makes every number so far *heard*. The entry itself may become visible later, by another
//! thread, which holds the role of its work queue. Hearer and publisher each write first and look afterwards,
//! with a full fence between (hear, fence, look at the entries; publish, fence, look at what was heard), so
//! one of them sees the other and no solicited entry fails to wake who waits for it.

use super::claim::{Held, KickedBy, Role};
use crate::sync::{AtomicU64, Ordering, fence, mutant, ord, recheck};

/// Words beside the role.
#[derive(Debug, Default)]
struct Shared {
    /// Not 0: the device has told of something since the last pass began.
    told: AtomicU64,
    /// Entries up to this number may be what it told of.
    heard: AtomicU64,
}

/// The role of who takes entries, with its state.
#[derive(Debug)]
pub struct Gather<T> {
    role: Role<(), Shared, T>,
}

/// The role, held by the caller, who makes passes.
#[must_use = "run it, else the role stays taken for ever"]
pub struct Gathering<'g, T>(Held<'g, (), Shared, T>, &'g Shared);

impl<T> Gather<T> {
    /// Nobody holds it.
    pub fn new(state: T) -> Self {
        Self { role: Role::new(KickedBy::Others, (), Shared::default(), state) }
    }

    /// Takes the role; `None`: who holds it will make another pass, which sees all that came before the call.
    #[inline]
    pub fn ask(&self) -> Option<Gathering<'_, T>> {
        self.role.kick().map(|held| Gathering(held, self.role.shared()))
    }

    /// Takes the role if it is free.
    #[inline]
    pub fn ask_if_idle(&self) -> Option<Gathering<'_, T>> {
        if self.role.is_idle() { self.ask() } else { None }
    }

    /// The device has told of something, or is armed and will not tell of what came before.
    ///
    /// The caller asks for the role afterwards.
    pub fn tell(&self) {
        let order = ord!(TellSwap: Release, "what the device brought before it told is seen by the pass");
        self.role.shared().told.swap(1, order);
    }

    /// The device has told of an entry with that number or a later one.
    #[inline]
    pub fn has_heard(&self, number: u64) -> bool {
        self.role.shared().heard.load(Ordering::Relaxed) >= number // the fences order it
    }

    /// An entry of that number has been published as unsure: whether it was heard of meanwhile.
    ///
    /// Called behind [`announce`](super::CompletionRing::announce), whose fence comes between publishing and
    /// this look.
    #[inline]
    pub fn heard_meanwhile(&self, number: u64) -> bool {
        recheck!(UnsureRecheck, self.has_heard(number))
    }
}

impl<T> Gathering<'_, T> {
    /// Makes passes until nobody has asked since the last one began.
    ///
    /// `pass` takes everything there is, and returns the number of the last entry ever taken. `look` looks at
    /// all that is published; it is called after passes that the device has told of.
    #[inline]
    pub fn run(self, mut pass: impl FnMut(&mut T) -> u64, mut look: impl FnMut()) {
        let Self(mut held, shared) = self;
        loop {
            let order = ord!(ToldSwap: Acquire, "pairs with TellSwap: the pass sees what was told of");
            // Relaxed: a look before the swap, which most passes of those who poll need not make. It may be
            // out of date only if who told has not asked for the role before this pass: then another follows.
            let told = shared.told.load(Ordering::Relaxed) != 0
                && mutant!(ToldByStore => {
                    shared.told.store(0, Ordering::Relaxed); // a slip
                    true
                }, shared.told.swap(0, order) != 0);
            let number = held.with(&mut pass);
            if told {
                shared.heard.swap(number, Ordering::Relaxed); // in the role only; the fence orders it
                fence!(HeardFence, "hear before looking at the entries: one of both sees the other");
                if !mutant!(HeardWithoutLook => true, false) {
                    look();
                }
            }
            match held.leave() {
                Some(again) => held = again,
                None => return,
            }
        }
    }

    /// Works on the state before the passes.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        self.0.with(work)
    }
}
