//! Tickets whose payload is the role holder's, and what becomes of them.
//!
//! A value here is the one look at its slot's word. It keeps the consumer borrowed, so that nothing can come
//! between that look and what is done with the ticket, and no second look is needed.
//!
//! This file may use `unsafe`: it reads and writes payloads under the rules of the table in `slots`.

use super::{Consumer, Payload, Slot, SlotRing, State, word};
use crate::sync::{Ordering, mutant, ord};

/// The ticket at the head: posted, and not executed.
pub(in crate::ring) struct Head<'c> {
    owned: Owned<'c>,
    deferred: bool,
}

/// The oldest ticket, executed or cancelled behind one that was in flight.
pub(in crate::ring) struct Settled<'c> {
    owned: Owned<'c>,
    cancelled: bool,
}

/// A ticket in a state in which its payload is the role holder's.
struct Owned<'c> {
    ring: &'c SlotRing,
    consumer: &'c mut Consumer,
    ticket: u64,
    slot: &'c Slot,
}

impl SlotRing {
    /// The ticket at the head; `None`: it is not published yet.
    #[inline]
    pub(in crate::ring) fn head<'c>(&'c self, consumer: &'c mut Consumer) -> Option<Head<'c>> {
        let ticket = consumer.head;
        let slot = self.slot(ticket);
        // The head moves on as a ticket is put into any other state.
        let deferred = match slot.load() {
            posted if posted == word(ticket, State::Posted) => false,
            deferred if deferred == word(ticket, State::Deferred) => true,
            _ => return None,
        };
        Some(Head { owned: Owned { ring: self, consumer, ticket, slot }, deferred })
    }

    /// The oldest ticket before the head; `None`: there is none, or it is in flight.
    pub(in crate::ring) fn settled<'c>(&'c self, consumer: &'c mut Consumer) -> Option<Settled<'c>> {
        let ticket = consumer.retired;
        if ticket == consumer.head {
            return None;
        }
        let slot = self.slot(ticket);
        let cancelled = match slot.load() {
            done if done == word(ticket, State::Done) => false,
            cancelled if cancelled == word(ticket, State::Cancelled) => true,
            _ => return None,
        };
        Some(Settled { owned: Owned { ring: self, consumer, ticket, slot }, cancelled })
    }
}

impl Slot {
    #[inline]
    fn load(&self) -> u64 {
        self.word.load(ord!(WordLoad: Acquire, "pairs with WordPublish and WordDone: the payload is whole"))
    }
}

impl<'c> Owned<'c> {
    #[inline]
    fn read<R>(&self, read: impl FnOnce(&Payload, &[u64]) -> R) -> R {
        let (ring, ticket) = (self.ring, self.ticket);
        self.slot.payload.with(|payload| {
            // SAFETY: `head` or `settled` has read the word with Acquire, and it said that `ticket` is
            // published and its payload the role holder's, who we are: `Consumer` exists once, in the role's
            // state, and `self` borrows it. The word still says so: the holder alone moves a ticket on from
            // these states, and does it by a call that consumes `self`. No poster writes the payload: the
            // next ticket of this slot is claimed only above a `free` beyond `ticket`, and `free` is set to
            // `retired`, which moves only in `retire`, in order, and that consumes `self`. No completer
            // writes it: one writes only after a compare-and-swap from INFLIGHT, which only the holder sets.
            unsafe { read(&*payload, ring.side.words(ring.index(ticket))) }
        })
    }

    /// Reads the oldest ticket for the last time; its slot goes to posters with the next `free`.
    #[inline]
    fn retire<R>(self, read: impl FnOnce(&Payload, &[u64]) -> R) -> (&'c mut Consumer, R) {
        assert!(self.ticket == self.consumer.retired, "tickets are retired in order");
        if mutant!(FreeBeforeRead => true, false) {
            self.ring.shared().free.store(self.ticket + 1, Ordering::Release); // the slip itself
        }
        let result = self.read(read);
        self.consumer.retired = self.ticket + 1;
        (self.consumer, result)
    }
}

impl Head<'_> {
    /// Its number.
    #[inline]
    pub(in crate::ring) fn ticket(&self) -> u64 {
        self.owned.ticket
    }

    /// It waits for a plain post or a doorbell.
    #[inline]
    pub(in crate::ring) fn is_deferred(&self) -> bool {
        self.deferred
    }

    /// None before it is in flight, or waits to be retired.
    #[inline]
    pub(in crate::ring) fn is_oldest(&self) -> bool {
        self.owned.ticket == self.owned.consumer.retired
    }

    /// Reads its payload.
    #[inline]
    pub(in crate::ring) fn read<R>(&self, read: impl FnOnce(&Payload, &[u64]) -> R) -> R {
        self.owned.read(read)
    }

    /// Reads it for the last time; its slot goes to posters with the next `free`.
    ///
    /// # Panics
    /// When it is not the oldest.
    #[inline]
    pub(in crate::ring) fn retire<R>(self, read: impl FnOnce(&Payload, &[u64]) -> R) -> R {
        let (consumer, result) = self.owned.retire(read);
        consumer.head = consumer.retired;
        result
    }

    /// Hands it to a completer on another thread.
    pub(in crate::ring) fn set_in_flight(self) {
        let Owned { consumer, ticket, slot, .. } = self.owned;
        consumer.head += 1;
        // A swap, since completers compare and swap this word.
        slot.word.swap(
            word(ticket, State::InFlight),
            ord!(WordInFlight: Release, "the completer writes the payload after we have read it"),
        );
    }

    /// Notes that it was executed, with its result written into its payload, and waits for earlier tickets.
    pub(in crate::ring) fn set_done(self, write: impl FnOnce(&mut Payload)) {
        self.settle(State::Done, write);
    }

    /// Notes that it was cancelled, and waits for earlier tickets.
    pub(in crate::ring) fn set_cancelled(self) {
        self.settle(State::Cancelled, |_| ());
    }

    fn settle(self, state: State, write: impl FnOnce(&mut Payload)) {
        let Owned { consumer, ticket, slot, .. } = self.owned;
        // SAFETY: as in `read`: the payload is ours, and `self`, which is consumed, keeps this thread from a
        // `read` at the same time.
        slot.payload.with_mut(|payload| write(unsafe { &mut *payload }));
        consumer.head += 1;
        // Relaxed would do: only the holder reads it, and the role orders holders; a swap, as completers may
        // follow.
        slot.word.swap(word(ticket, state), Ordering::Relaxed);
    }
}

impl Settled<'_> {
    /// It was cancelled; else it was executed, and its result is in its payload.
    pub(in crate::ring) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Reads it for the last time; its slot goes to posters with the next `free`.
    pub(in crate::ring) fn retire<R>(self, read: impl FnOnce(&Payload, &[u64]) -> R) -> R {
        self.owned.retire(read).1
    }
}
