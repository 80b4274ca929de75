//! The slots of a submission ring, their tickets, and who may touch a payload when.
//!
//! A ticket is a position since creation, 48 bits, never used twice. Ticket `t` lies in slot `t mod size`,
//! whose word says `(t + 1) << 4 | state`; the `+ 1` keeps a zeroed slot from matching anything.
//!
//! | state | payload belongs to |
//! |---|---|
//! | (claimed, word not yet written) | the poster that claimed the ticket |
//! | POSTED, DEFERRED | the role holder, who reads it |
//! | INFLIGHT | nobody |
//! | BUSY | the one completer whose compare-and-swap took the ticket from INFLIGHT |
//! | DONE, CANCELLED | the role holder, who reads it and then frees the slot |
//!
//! Every cursor lives in here: the tail word (bit 63 closed, bit 62 the last claim was deferred), a cache of
//! `free` for posters, and `free` itself, below which slots may be claimed again.
//!
//! This file may use `unsafe`: it reads and writes payloads under the rules of the table.

mod owned;
mod side;
#[cfg(qpair_loom)]
mod witness;

use super::claim::{Held, KickedBy, Role};
use crate::sync::{AtomicU64, Backoff, Ordering, UnsafeCell, mutant, ord};
pub(super) use owned::Head;
use side::Side;
use std::fmt;
#[cfg(qpair_loom)]
pub(super) use witness::Witness;

/// Words of a payload: 56 bytes; two in a model, which shows as much with fewer schedules.
pub const PAYLOAD_WORDS: usize = if cfg!(qpair_loom) { 2 } else { 7 };

/// What a slot carries besides its word, and what this module does not look into.
pub type Payload = [u64; PAYLOAD_WORDS];

const TICKET: u64 = (1 << 48) - 1;
const CLOSED: u64 = 1 << 63;
const LAST_DEFERRED: u64 = 1 << 62;
const STATE_BITS: u32 = 4;

/// State of a published slot.
#[derive(Clone, Copy)]
#[repr(u64)]
enum State {
    Posted = 1,
    Deferred = 2,
    InFlight = 3,
    Busy = 4,
    Done = 5,
    Cancelled = 6,
}

#[inline]
fn word(ticket: u64, state: State) -> u64 {
    (ticket + 1) << STATE_BITS | state as u64
}

#[repr(C, align(64))]
struct Slot {
    word: AtomicU64,
    payload: UnsafeCell<Payload>,
}

// SAFETY: the word is an atomic; the payload is plain data reached only by the unsafe blocks below, under the
// table above.
unsafe impl Sync for Slot {}

/// Cursors that posters write.
#[derive(Debug)]
pub(super) struct Posters {
    tail: AtomicU64,
    free_cached: AtomicU64,
}

/// Words beside the role's state; `free` is written by its holder, the others rarely by anyone.
#[derive(Debug)]
pub(super) struct Shared {
    free: AtomicU64,
    /// Everything below is exposed, deferred or not.
    pub(super) doorbell: AtomicU64,
    /// Everything below is flushed.
    pub(super) mark: AtomicU64,
    /// Not 0: a sender waits for a receive of this queue.
    pub(super) waiter: AtomicU64,
}

/// The role holder's cursors.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    /// Next ticket to execute.
    pub(super) head: u64,
    /// Next ticket to retire; equals `free`.
    retired: u64,
    /// The mark up to which requests in flight have been cancelled.
    pub(super) mark_seen: u64,
}

impl Consumer {
    pub(super) fn retired(&self) -> u64 {
        self.retired
    }
}

pub(super) type HeldSlots<'r> = Held<'r, Posters, Shared, Consumer>;

/// Why a claim took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Every slot is busy.
    Full,
    /// The queue takes no requests.
    Closed,
}

/// A submission ring: many posters, one role holder at a time, slots freed in order.
pub(super) struct SlotRing {
    role: Role<Posters, Shared, Consumer>,
    slots: Box<[Slot]>,
    side: Side,
    depth: u64,
}

impl SlotRing {
    pub(super) fn new(kicked_by: KickedBy, depth: u32, side_words: usize, closed: bool) -> Self {
        let size = depth.max(1).next_power_of_two() as usize;
        let tail = if closed { CLOSED } else { 0 };
        let slot = |_| Slot { word: AtomicU64::new(0), payload: UnsafeCell::new(Payload::default()) };
        Self {
            role: Role::new(
                kicked_by,
                Posters { tail: AtomicU64::new(tail), free_cached: AtomicU64::new(0) },
                Shared {
                    free: AtomicU64::new(0),
                    doorbell: AtomicU64::new(0),
                    mark: AtomicU64::new(0),
                    waiter: AtomicU64::new(0),
                },
                Consumer::default(),
            ),
            slots: (0..size).map(slot).collect(),
            side: Side::new(size, side_words),
            depth: u64::from(depth),
        }
    }

    pub(super) fn depth(&self) -> u64 {
        self.depth
    }

    #[inline]
    pub(super) fn shared(&self) -> &Shared {
        self.role.shared()
    }

    #[inline]
    pub(super) fn kick(&self) -> Option<HeldSlots<'_>> {
        self.role.kick()
    }

    pub(super) fn resume(&self) -> Option<HeldSlots<'_>> {
        self.role.resume()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.role.is_idle()
    }

    #[inline]
    fn slot(&self, ticket: u64) -> &Slot {
        // The length is a power of two, so the mask is exact and the compiler sees the index in bounds.
        &self.slots[ticket as usize & (self.slots.len() - 1)]
    }

    /// Claims up to `n` consecutive tickets, at least one, without waiting.
    #[inline]
    pub(super) fn claim(&self, n: u64, deferred: bool) -> Result<Claimed<'_>, NoRoom> {
        let posters = self.role.posters();
        let backoff = Backoff::new();
        // Relaxed: the compare-and-swap decides, and acquires.
        let mut tail = posters.tail.load(Ordering::Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(NoRoom::Closed);
            }
            let first = tail & TICKET;
            let Some(room) = self.room(first, n) else {
                backoff.spin();
                tail = posters.tail.load(Ordering::Relaxed); // as above
                continue;
            };
            if room == 0 {
                return Err(NoRoom::Full);
            }
            let count = n.min(room);
            let deferred_bit = if deferred { LAST_DEFERRED } else { 0 };
            let claimed = posters.tail.compare_exchange_weak(
                tail,
                (first + count) | deferred_bit,
                ord!(ClaimCas: Acquire, "pairs with OpenTail: closed and opened again, the tail looks as before"),
                Ordering::Relaxed, // the next attempt acquires
            );
            match claimed {
                Ok(_) => {
                    let after_deferred = tail & LAST_DEFERRED != 0;
                    return Ok(Claimed { ring: self, first, count, after_deferred, written: 0 });
                }
                Err(now) => {
                    backoff.spin();
                    tail = now;
                }
            }
        }
    }

    /// Free slots from ticket `first` on; `None` when `first` is out of date.
    #[inline]
    fn room(&self, first: u64, n: u64) -> Option<u64> {
        let posters = self.role.posters();
        let cached = posters.free_cached.load(
            ord!(FreeCachedLoad: Acquire, "pairs with FreeCachedStore: the slots below were let go before"),
        );
        let room = |free: u64| {
            let used = first.checked_sub(free)?;
            // The cache may lag by more than a lap: a poster that read `free` long ago may store it now.
            Some(self.depth.saturating_sub(mutant!(FullOffByOne => used.saturating_sub(1), used)))
        };
        match room(cached) {
            Some(enough) if enough >= n => return Some(enough),
            _ => {}
        }
        let free = self
            .shared()
            .free
            .load(ord!(FreeLoad: Acquire, "pairs with FreeStore: the holder has read the slots I overwrite"));
        posters
            .free_cached
            .store(free, ord!(FreeCachedStore: Release, "passes FreeLoad on to posters that read the cache"));
        room(free)
    }

    /// The ticket after the last claimed one, and whether the last claim was deferred.
    pub(super) fn tail(&self) -> (u64, bool) {
        // Relaxed: a post that happened before this call is below the value by coherence; nothing is read
        // through it.
        let tail = self.role.posters().tail.load(Ordering::Relaxed);
        (tail & TICKET, tail & LAST_DEFERRED != 0)
    }

    /// Refuses claims from now on; returns the ticket after the last one that succeeded.
    pub(super) fn close(&self) -> u64 {
        // Relaxed: one order with the claims, so each is below the value returned, or refused.
        let order = Ordering::Relaxed;
        let look_first = mutant!(CloseThenLook => Some(self.tail().0), None);
        let tail = self.role.posters().tail.fetch_or(CLOSED, order) & TICKET;
        look_first.unwrap_or(tail)
    }

    /// Takes claims from now on.
    pub(super) fn open(&self) {
        self.role.posters().tail.fetch_and(
            !CLOSED,
            ord!(OpenTail: Release, "a poster that sees the queue open sees what was set up before"),
        );
    }

    #[inline]
    fn index(&self, ticket: u64) -> usize {
        ticket as usize & (self.slots.len() - 1)
    }

    /// Turns a ticket in flight into a cancelled one, unless its completer was first.
    pub(super) fn cancel_in_flight(&self, ticket: u64) {
        let slot = self.slot(ticket);
        // Relaxed: decides against the completer's compare-and-swap on this word, and reads nothing through
        // it.
        let relaxed = Ordering::Relaxed;
        let _completed_first = slot.word.compare_exchange(
            word(ticket, State::InFlight),
            word(ticket, State::Cancelled),
            relaxed,
            relaxed,
        );
    }

    /// Ends a ticket in flight with a result written into its payload; false if it was cancelled first.
    pub(super) fn finish(&self, ticket: u64, write: impl FnOnce(&mut Payload)) -> bool {
        self.take_in_flight(ticket, |slot| {
            // SAFETY: `take_in_flight` calls this while the payload is its caller's alone.
            slot.payload.with_mut(|payload| write(unsafe { &mut *payload }));
        })
    }

    /// The same, by who also reads the words beside it.
    pub(super) fn finish_beside(&self, ticket: u64, write: impl FnOnce(&mut Payload, &[u64])) -> bool {
        self.take_in_flight(ticket, |slot| {
            slot.payload.with_mut(|payload| {
                // SAFETY: as in `finish`; the words beside a slot belong to whoever its payload does.
                unsafe { write(&mut *payload, self.side.words(self.index(ticket))) }
            });
        })
    }

    /// Calls `write` for a ticket in flight, whose payload, and the words beside it, are this caller's alone
    /// until it returns; false if it was cancelled first.
    fn take_in_flight(&self, ticket: u64, write: impl FnOnce(&Slot)) -> bool {
        let slot = self.slot(ticket);
        // Once the exchange from INFLIGHT to BUSY has succeeded for this ticket, this call owns the payload:
        // the holder touches it only in other states (`owned`), other completers find another state, and no
        // poster gets the slot before the holder has retired the ticket.
        let taken = slot.word.compare_exchange(
            word(ticket, State::InFlight),
            word(ticket, State::Busy),
            ord!(WordTake: Acquire, "the holder has read the payload that I overwrite"),
            Ordering::Relaxed, // a failure reads nothing through the word
        );
        if taken.is_err() {
            return false;
        }
        write(slot);
        slot.word.swap(word(ticket, State::Done), ord!(WordDone: Release, "the result before DONE"));
        true
    }

    /// Lets posters have the slots of what was retired.
    #[inline]
    pub(super) fn free(&self, consumer: &Consumer) {
        self.shared().free.store(
            consumer.retired,
            ord!(FreeStore: Release, "we have read the payloads before posters overwrite them"),
        );
    }

    pub(super) fn free_seen(&self) -> u64 {
        let order = ord!(FreeSeen: Acquire, "who frees has been counted by the gate: a later look at it is not out of date");
        self.shared().free.load(order)
    }
}

impl fmt::Debug for SlotRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotRing")
            .field("role", &self.role)
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Consecutive tickets that one poster owns until it publishes them.
#[must_use = "a claim that is never published blocks the queue"]
pub(super) struct Claimed<'r> {
    ring: &'r SlotRing,
    first: u64,
    count: u64,
    after_deferred: bool,
    written: u64,
}

impl Claimed<'_> {
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The claim before this one was deferred, so something below may wait for a doorbell.
    pub(super) fn after_deferred(&self) -> bool {
        self.after_deferred
    }

    /// Writes the payload of the next ticket that has none yet.
    ///
    /// # Panics
    /// When all have theirs.
    #[inline]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Payload, &mut [u64])) {
        assert!(self.written < self.count, "one payload a ticket");
        let ticket = self.first + self.written;
        self.written += 1;
        let slot = self.ring.slot(ticket);
        // SAFETY: the claim's compare-and-swap gave `ticket` to this value alone. The slot's earlier ticket
        // is below the `free` that the claim read (Acquire, from FreeStore), so the holder is done with it,
        // and the new one is not published, so nobody else looks. `&mut self` keeps this thread from a second
        // reference.
        slot.payload.with_mut(|payload| unsafe {
            write(&mut *payload, self.ring.side.words_mut(self.ring.index(ticket)));
        });
    }

    /// Publishes all tickets; the first goes last and makes the chain visible at once.
    #[inline]
    pub(super) fn publish(self, deferred: bool) {
        assert!(self.written == self.count, "a payload for each ticket");
        let state = if deferred { State::Deferred } else { State::Posted };
        for step in 0..self.count {
            let ticket = self.first + mutant!(PublishAscending => step, self.count - 1 - step);
            let order = ord!(WordPublish: Release, "the payload before its word");
            // Nobody else writes this word before it is published; then it may be compared and swapped, hence
            // no plain store in a model (loom reorders those against read-modify-writes, issues 282 and 389).
            #[cfg(not(qpair_loom))]
            self.ring.slot(ticket).word.store(word(ticket, state), order);
            #[cfg(qpair_loom)]
            self.ring.slot(ticket).word.swap(word(ticket, state), order);
        }
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::super::queue::{End, Engine, Pass, Post, Step, WorkQueue};
    use super::Payload;
    use std::convert::Infallible;

    /// Has every request in flight, and notes what it was ended with.
    #[derive(Default)]
    struct Flight(Vec<Payload>);

    impl Engine for Flight {
        type Outcome = Infallible;

        fn execute(&mut self, _: &Payload, _: &[u64], _: u64) -> Step<Infallible> {
            Step::InFlight
        }

        fn launched(&mut self, _: u64) {}

        fn stash(&mut self, outcome: Infallible, _: &mut Payload) {
            match outcome {}
        }

        fn retire(&mut self, payload: &Payload, end: End<Infallible>) -> bool {
            assert!(matches!(end, End::Finished), "{end:?}");
            self.0.push(*payload);
            false
        }

        fn publish(&mut self) {}
    }

    #[test]
    fn who_ends_a_request_sees_what_was_posted_beside_it() {
        let queue = WorkQueue::new(2, 3, false);
        let mut flight = Flight::default();
        for ticket in 0..5 {
            let posted = queue.post(1, Post::Plain, |_, payload, side| {
                payload[0] = ticket;
                side.copy_from_slice(&[ticket, 7, 9]);
            });
            let ran = queue.run(posted.held.expect("nobody else has the role"), &mut flight);
            assert_eq!(ran.pass, Pass::Idle);
            assert!(
                queue.finish_beside(ticket, |payload, side| payload[1] =
                    payload[0] + side.iter().sum::<u64>())
            );
            assert!(!queue.finish_beside(ticket, |_, _| unreachable!("it has ended")));
            let ran = queue.run(queue.kick().expect("nobody else has the role"), &mut flight);
            assert_eq!(ran.pass, Pass::Idle);
        }
        let ended: Vec<_> = flight.0.iter().map(|payload| (payload[0], payload[1])).collect();
        assert_eq!(ended, [(0, 16), (1, 18), (2, 20), (3, 22), (4, 24)]);
    }
}
