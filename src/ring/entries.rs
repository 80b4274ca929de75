//! The ring under completion queues and shared receive queues: many producers, many consumers, batches.
//!
//! A producer claims tickets with one compare-and-swap on the tail, writes payload words, then the slot's
//! word. A consumer copies published slots first and then takes them all with one compare-and-swap on the
//! head: a copy that was torn by a producer cannot win, since producers overwrite a slot only after they have
//! read a head beyond it, heads only grow, and a successful compare-and-swap from `h` says that nobody moved
//! it. Hence the payload is relaxed atomic words, the same instructions as plain ones.
//!
//! Tail: bit 63 reserved for closing (resize), bit 62 overrun. Head: its top 16 bits are reserved for the
//! limit of a shared receive queue. A slot's word is `(ticket + 1) << 4 | class << 1 | 1`.

use super::slots::{PAYLOAD_WORDS, Payload};
use crate::sync::{AtomicU64, Backoff, Ordering, mutant, ord};
use crossbeam_utils::CachePadded;

const TICKET: u64 = (1 << 48) - 1;
const OVERRUN: u64 = 1 << 62;
const STATE_BITS: u32 = 4;
const FULL: u64 = 1;

/// What kind of entry it is, for who waits: the class lies in the slot's word, so that a look reads no
/// payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)] // a word, as its neighbours are: an entry is moved the way it was written
pub enum Class {
    /// A success nobody solicited.
    #[default]
    Ordinary = 0,
    /// The receive of a solicited message, or any entry with an error.
    Solicited = 1,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Slot {
    word: AtomicU64,
    payload: [AtomicU64; PAYLOAD_WORDS],
    /// In a model, a cell written with the payload and read with it: loom has no load buffering, so only a
    /// race on plain memory shows that a slot is handed back too early.
    #[cfg(qpair_loom)]
    witness: super::slots::Witness,
}

/// Cursor of the producers, and their cached view of the head.
#[derive(Debug)]
struct Push {
    tail: AtomicU64,
    head_cached: AtomicU64,
}

/// What a push came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) first: u64,
    /// Less than asked for: the ring was full behind them.
    pub(super) count: u64,
}

/// The ring has overrun: it takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overrun;

/// A ring of entries of seven words, and `side_words` words beside each.
#[derive(Debug)]
pub(super) struct EntryRing {
    push: CachePadded<Push>,
    head: CachePadded<AtomicU64>,
    slots: Box<[Slot]>,
    side: Box<[AtomicU64]>,
    side_words: usize,
    depth: u64,
    /// Set in models with one consumer: with several, the copy of one that loses its race touches the cell
    /// rightly.
    #[cfg(qpair_loom)]
    witnessed: bool,
}

impl EntryRing {
    pub(super) fn new(depth: u32, side_words: usize) -> Self {
        let size = depth.max(1).next_power_of_two() as usize;
        let slot = |_| Slot {
            word: AtomicU64::new(0),
            payload: std::array::from_fn(|_| AtomicU64::new(0)),
            #[cfg(qpair_loom)]
            witness: super::slots::Witness::new(),
        };
        Self {
            push: CachePadded::new(Push { tail: AtomicU64::new(0), head_cached: AtomicU64::new(0) }),
            head: CachePadded::new(AtomicU64::new(0)),
            slots: (0..size).map(slot).collect(),
            side: (0..size * side_words).map(|_| AtomicU64::new(0)).collect(),
            side_words,
            depth: u64::from(depth),
            #[cfg(qpair_loom)]
            witnessed: false,
        }
    }

    #[cfg(qpair_loom)]
    pub(super) fn watch_payload(&mut self) {
        self.witnessed = true;
    }

    pub(super) fn depth(&self) -> u64 {
        self.depth
    }

    pub(super) fn side_words(&self) -> usize {
        self.side_words
    }

    fn index(&self, ticket: u64) -> usize {
        ticket as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn slot(&self, ticket: u64) -> &Slot {
        // The length is a power of two, so the mask is exact and the compiler sees the index in bounds.
        &self.slots[ticket as usize & (self.slots.len() - 1)]
    }

    /// Claims up to `n` tickets; a count of 0 says that the ring was full at some moment during the call.
    #[inline]
    pub(super) fn claim(&self, n: u64) -> Result<Claim, Overrun> {
        let backoff = Backoff::new();
        let tail_order =
            ord!(PushTail: Acquire, "a cached head that an earlier producer read is part of my past too");
        let mut tail = self.push.tail.load(tail_order);
        loop {
            if tail & OVERRUN != 0 {
                return Err(Overrun);
            }
            let first = tail & TICKET;
            let Some(room) = self.room(first, n) else {
                backoff.spin();
                tail = self.push.tail.load(tail_order);
                continue;
            };
            let count = n.min(room);
            if count == 0 {
                return Ok(Claim { first, count });
            }
            let claimed = self.push.tail.compare_exchange_weak(
                tail,
                first + count,
                ord!(PushCas: Release, "passes on the head that I read, with the ticket after mine"),
                ord!(PushLost: Acquire, "as PushTail, for the next attempt"),
            );
            match claimed {
                Ok(_) => return Ok(Claim { first, count }),
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
        let used = |head: u64| first.checked_sub(head & TICKET);
        let cached = self.push.head_cached.load(ord!(HeadCachedLoad: Acquire, "pairs with HeadCachedStore"));
        if let Some(used) = used(cached) {
            // The cache may lag by more than a lap.
            if self.depth.saturating_sub(used) >= n {
                return Some(self.depth - used);
            }
        }
        let head = self.head.load(
            ord!(HeadLoad: Acquire, "pairs with TakeCas: the consumer has copied the slots I overwrite"),
        );
        self.push.head_cached.store(
            head,
            ord!(HeadCachedStore: Release, "passes HeadLoad on to producers that read the cache"),
        );
        let used = used(head)?;
        Some(mutant!(EntriesOffByOne => self.depth + 1, self.depth).saturating_sub(used))
    }

    /// Marks the ring as overrun if it is still full; true for the one caller who did.
    ///
    /// `None`: it was not full any more, claim again.
    pub(super) fn set_overrun(&self, claim: Claim) -> Option<bool> {
        // Relaxed: one order with the claims, and nothing is read through the bit.
        let (relaxed, overrun) = (Ordering::Relaxed, claim.first | OVERRUN);
        match self.push.tail.compare_exchange(claim.first, overrun, relaxed, relaxed) {
            Ok(_) => Some(true),
            Err(now) if now & OVERRUN != 0 => Some(false),
            Err(_) => None,
        }
    }

    pub(super) fn has_overrun(&self) -> bool {
        self.push.tail.load(Ordering::Relaxed) & OVERRUN != 0 // nothing is read through the bit
    }

    /// Writes and publishes one claimed ticket.
    #[inline]
    pub(super) fn publish(&self, ticket: u64, class: Class, payload: &Payload, side: &[u64]) {
        let slot = self.slot(ticket);
        #[cfg(qpair_loom)]
        slot.witness.write();
        // Relaxed: the word's Release orders them; a consumer that reads them too early loses its
        // compare-and-swap.
        for (word, value) in slot.payload.iter().zip(payload) {
            word.store(*value, Ordering::Relaxed);
        }
        let start = self.index(ticket) * self.side_words;
        for (word, value) in self.side[start..start + self.side_words].iter().zip(side) {
            word.store(*value, Ordering::Relaxed); // as the payload
        }
        let word = (ticket + 1) << STATE_BITS | (class as u64) << 1 | FULL;
        slot.word.store(word, ord!(EntryPublish: Release, "the payload before its word"));
    }

    /// Ticket plus one, and class, of what the slot of `ticket` holds; 0 for nothing yet.
    #[inline]
    fn look(&self, ticket: u64) -> (u64, Class) {
        let word = self
            .slot(ticket)
            .word
            .load(ord!(EntryLoad: Acquire, "pairs with EntryPublish: the payload is whole"));
        (word >> STATE_BITS, if word & 2 != 0 { Class::Solicited } else { Class::Ordinary })
    }

    /// `ticket` is published and its slot not yet used again.
    #[inline]
    pub(super) fn is_published(&self, ticket: u64) -> bool {
        self.look(ticket).0 == ticket + 1
    }

    /// Strongest class among the entries published from `ticket` on, up to the first gap.
    ///
    /// Where others have taken an entry meanwhile and a producer has used its slot again, the later entry
    /// counts: it is newer than `ticket` too, and behind it the look goes on. So one look at each slot
    /// suffices.
    pub(super) fn strongest_from(&self, ticket: u64) -> Option<Class> {
        let seen = (ticket..ticket + self.slots.len() as u64).map_while(|ticket| {
            let (end, class) = self.look(ticket);
            mutant!(ScanStopsAtReused => end == ticket + 1, end > ticket).then_some(class)
        });
        seen.max()
    }

    /// Takes up to `n` entries; `copy` may be called again for the same index after a lost race.
    ///
    /// 0 says that at some moment during the call nothing was published at the head: the ring was empty, or a
    /// producer had claimed there and not yet published.
    #[inline]
    pub(super) fn take(&self, n: usize, mut copy: impl FnMut(usize, Payload, Side<'_>)) -> usize {
        let backoff = Backoff::new();
        loop {
            // Relaxed: the compare-and-swap below decides; what is read in between is validated by it.
            let head = self.head.load(Ordering::Relaxed);
            let first = head & TICKET;
            let mut count = 0;
            while count < n && self.is_published(first + count as u64) {
                let ticket = first + count as u64;
                let slot = self.slot(ticket);
                // Relaxed: the slot's word was acquired, and the compare-and-swap below validates the copy.
                let payload = std::array::from_fn(|i| slot.payload[i].load(Ordering::Relaxed));
                copy(count, payload, Side { ring: self, ticket });
                #[cfg(qpair_loom)]
                if self.witnessed {
                    slot.witness.read();
                }
                count += 1;
            }
            if count == 0 {
                // Relaxed: a count of 0 is true of some moment; nothing is read through it.
                if self.head.load(Ordering::Relaxed) == head {
                    return 0;
                }
                backoff.spin(); // others took what I looked at
                continue;
            }
            let order =
                ord!(TakeCas: Release, "my copies before the head that lets producers overwrite them");
            let relaxed = Ordering::Relaxed; // a failure reads nothing through the head
            match self.head.compare_exchange(head, head + count as u64, order, relaxed) {
                Ok(_) => return count,
                Err(_) => backoff.spin(),
            }
        }
    }

    /// Ticket of the oldest entry that is not taken.
    pub(super) fn head(&self) -> u64 {
        self.head.load(ord!(HeadLook: Acquire, "a later look at the tail is not behind it, so that len does not say empty")) & TICKET
    }

    /// Ticket after the last claimed one.
    pub(super) fn tail(&self) -> u64 {
        self.push.tail.load(Ordering::Relaxed) & TICKET // for a count
    }

    /// Entries claimed and not taken, at some moment during the call.
    pub(super) fn len(&self) -> u64 {
        let head = self.head();
        self.tail().saturating_sub(head).min(self.depth)
    }
}

/// The side words of the entry being copied.
pub(super) struct Side<'r> {
    ring: &'r EntryRing,
    ticket: u64,
}

impl Side<'_> {
    pub(super) fn copy_to(&self, out: &mut [u64]) {
        let start = self.ring.index(self.ticket) * self.ring.side_words;
        for (out, word) in out.iter_mut().zip(&self.ring.side[start..start + self.ring.side_words]) {
            *out = word.load(Ordering::Relaxed); // as the payload
        }
    }
}
