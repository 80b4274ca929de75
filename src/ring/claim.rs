//! Progress by claim: who is the engine of a queue, decided by a counter.
//!
//! A kick adds one. Zero before: the kicker is the engine and makes passes until nobody has kicked
//! since the last one began. Otherwise the present engine will look again and the kicker goes on. All
//! operations on the counter are read-modify-writes, hence in one order: a kick that read more than
//! zero comes before the `fetch_sub` by which the engine leaves, is counted and acquired by it, and the
//! next pass sees what was published before the kick. No fence and no second look at the queue.
//!
//! This file may use `unsafe`: [`Held`] reaches the state that only the engine may touch.

use crate::sync::{AtomicU64, UnsafeCell, mutant, ord};
use crossbeam_utils::CachePadded;
use std::fmt;

/// The engine has left the role to whoever takes it up with [`Gate::resume`].
const HANDED: u64 = 1 << 63;

/// A claim counter by itself: membership, turn and look-again in one word.
///
/// Also the event counter of an object that has something to say to a user: its going from 0 to 1 is
/// the membership in an outbox, and who brought it there delivers, so deliveries of one object never overlap.
#[derive(Debug, Default)]
pub struct Gate {
    kicks: AtomicU64,
}

impl Gate {
    /// Nobody holds it.
    pub fn new() -> Self {
        Self { kicks: AtomicU64::new(0) }
    }

    /// Asks for the role: true, the caller holds it with one kick counted; false, the holder will look again.
    #[inline]
    #[must_use]
    pub fn kick(&self) -> bool {
        let order = ord!(Kick: AcqRel, "Release: the holder's next pass sees what I published; Acquire: I see the last holder's state");
        self.kicks.fetch_add(1, order) == 0
    }

    /// Gives back `counted` kicks: 0, the role is left; more, so many came meanwhile and the caller looks
    /// again.
    #[inline]
    #[must_use]
    pub fn leave(&self, counted: u64) -> u64 {
        let order = ord!(Leave: AcqRel, "Release: the next holder sees my state; Acquire: I see what the kicks published");
        mutant!(LeaveByStore => {
            self.kicks.swap(0, order);
            0
        }, mutant!(LeaveDeaf => {
            let left = self.kicks.fetch_sub(counted, order) - counted;
            if left > 0 { self.kicks.fetch_sub(left, order); }
            0
        }, self.kicks.fetch_sub(counted, order) - counted))
    }

    /// Keeps the claim but lets another thread [`resume`](Gate::resume) it.
    pub fn hand_over(&self) {
        self.kicks.fetch_or(HANDED, ord!(HandOver: Release, "who resumes sees my state"));
    }

    /// Takes up a claim that was handed over; the kicks counted so far, `None` if nobody handed it over.
    #[must_use]
    pub fn resume(&self) -> Option<u64> {
        let order = ord!(Resume: Acquire, "the state of who handed over; kicks made before are acquired by the next leave");
        let kicks = self.kicks.fetch_and(!HANDED, order);
        (kicks & HANDED != 0).then_some(kicks & !HANDED)
    }

    /// Nobody holds the role or waits for a look at this moment.
    pub fn is_idle(&self) -> bool {
        self.kicks.load(ord!(GateIdle: Acquire, "idle: what the last holder did is visible")) == 0
    }
}

/// On whose cache lines the gate lies: on those of whoever kicks most.
///
/// Measured between two cores far from each other, with all gates moved at once: among the holder's words, a
/// queue whose posters kick loses two thirds of its throughput, and a ping-pong of messages, where only the
/// receive queues are kicked from afar, gains a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KickedBy {
    /// Each post kicks: a send queue.
    Posters,
    /// Posts are quiet, and senders kick: a receive queue.
    Others,
}

/// A gate, and the state that only its holder touches.
///
/// `P` lies on the cache lines that posters write; `S` beside the state, on those of the holder.
pub(super) struct Role<P, S, T> {
    front: CachePadded<(Gate, P)>,
    back: CachePadded<(Gate, S, UnsafeCell<T>)>,
    kicked_by: KickedBy,
}

// SAFETY: `P` and `S` are shared as they are (`Sync`). The state is reached only through `Held`, of which
// there is at most one at a time (see `Held`), with the counter's Acquire and Release between two holders: it
// moves from thread to thread like a value (`T: Send`).
unsafe impl<P: Sync, S: Sync, T: Send> Sync for Role<P, S, T> {}

impl<P, S, T> Role<P, S, T> {
    pub(super) fn new(kicked_by: KickedBy, posters: P, shared: S, state: T) -> Self {
        Self {
            front: CachePadded::new((Gate::new(), posters)),
            back: CachePadded::new((Gate::new(), shared, UnsafeCell::new(state))),
            kicked_by,
        }
    }

    /// The one gate of this role; the other one is never touched.
    #[inline]
    fn gate(&self) -> &Gate {
        match self.kicked_by {
            KickedBy::Posters => &self.front.0,
            KickedBy::Others => &self.back.0,
        }
    }

    #[inline]
    pub(super) fn posters(&self) -> &P {
        &self.front.1
    }

    #[inline]
    pub(super) fn shared(&self) -> &S {
        &self.back.1
    }

    #[inline]
    pub(super) fn kick(&self) -> Option<Held<'_, P, S, T>> {
        self.gate().kick().then_some(Held { role: self, counted: 1 })
    }

    pub(super) fn resume(&self) -> Option<Held<'_, P, S, T>> {
        self.gate().resume().map(|counted| Held { role: self, counted })
    }

    pub(super) fn is_idle(&self) -> bool {
        self.gate().is_idle()
    }
}

impl<P: fmt::Debug, S: fmt::Debug, T> fmt::Debug for Role<P, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Role")
            .field("front", &self.front)
            .field("shared", &self.back.1)
            .finish_non_exhaustive()
    }
}

/// The role, held: at most one exists for a [`Role`] at any time.
///
/// It comes from a kick that found the counter at 0, or from a `resume` that found the bit which one
/// `hand_over` had set; it goes with `leave` or `hand_over`. Forgotten, the role stays taken for ever.
#[must_use = "a held role that is dropped is never left"]
pub(super) struct Held<'r, P, S, T> {
    role: &'r Role<P, S, T>,
    counted: u64,
}

impl<'r, P, S, T> Held<'r, P, S, T> {
    /// Works on the state.
    #[inline]
    pub(super) fn with<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: `self` is the only `Held` of this role: the counter leaves 0 by exactly one kick and
        // returns to 0 only in `leave`, which consumes it; HANDED is set only by `hand_over`, which consumes
        // it, and cleared by exactly one `resume`. Kick, resume (Acquire) and leave, hand_over (Release)
        // order this access after the last holder's. `&mut self` keeps this thread from making a second
        // reference.
        self.role.back.2.with_mut(|state| work(unsafe { &mut *state }))
    }

    /// Leaves the role; `Some`, if somebody kicked meanwhile: look again.
    #[inline]
    #[must_use]
    pub(super) fn leave(self) -> Option<Self> {
        match self.role.gate().leave(self.counted) {
            0 => None,
            counted => Some(Self { role: self.role, counted }),
        }
    }

    /// Keeps the claim for whoever resumes it.
    pub(super) fn hand_over(self) {
        self.role.gate().hand_over();
    }
}
