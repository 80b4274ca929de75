//! Where entries lie: slots of a word and seven payload words, and side words beside them.

use crate::ring::slots::{PAYLOAD_WORDS, Payload};
use crate::sync::{AtomicU64, Ordering, ord};

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
    /// The receive of a message of which nobody says whether it was solicited.
    Unsure = 1,
    /// The receive of a solicited message, or any entry with an error.
    Solicited = 2,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Slot {
    word: AtomicU64,
    payload: [AtomicU64; PAYLOAD_WORDS],
    /// In a model, a cell written with the payload and read with it: loom has no load buffering, so only a
    /// race on plain memory shows that a slot is handed back too early.
    #[cfg(qpair_loom)]
    witness: crate::ring::slots::Witness,
}

/// A power of two of slots, each for one ticket of every lap.
#[derive(Debug)]
pub(in crate::ring) struct Segment {
    slots: Box<[Slot]>,
    side: Box<[AtomicU64]>,
    side_words: usize,
    /// The first ticket that lies here; none before lies here, and later ones until the next segment begins.
    pub(super) start: AtomicU64,
}

impl Segment {
    /// Room for at least `depth` entries.
    pub(super) fn new(depth: u32, side_words: usize) -> Self {
        let size = depth.max(1).next_power_of_two() as usize;
        let slot = |_| Slot {
            word: AtomicU64::new(0),
            payload: std::array::from_fn(|_| AtomicU64::new(0)),
            #[cfg(qpair_loom)]
            witness: crate::ring::slots::Witness::new(),
        };
        Self {
            slots: (0..size).map(slot).collect(),
            side: (0..size * side_words).map(|_| AtomicU64::new(0)).collect(),
            side_words,
            start: AtomicU64::new(0),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.slots.len() as u64
    }

    #[inline]
    fn index(&self, ticket: u64) -> usize {
        ticket as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn slot(&self, ticket: u64) -> &Slot {
        // The length is a power of two, so the mask is exact and the compiler sees the index in bounds.
        &self.slots[ticket as usize & (self.slots.len() - 1)]
    }

    fn side(&self, ticket: u64) -> &[AtomicU64] {
        let start = self.index(ticket) * self.side_words;
        &self.side[start..start + self.side_words]
    }

    /// Writes what lies beside one claimed ticket, before it is published.
    pub(in crate::ring) fn write_side(&self, ticket: u64, side: &[u64]) {
        for (word, value) in self.side(ticket).iter().zip(side) {
            word.store(*value, Ordering::Relaxed); // as the payload
        }
    }

    /// Writes and publishes one claimed ticket.
    #[inline]
    pub(in crate::ring) fn publish(&self, ticket: u64, class: Class, payload: &Payload) {
        let slot = self.slot(ticket);
        #[cfg(qpair_loom)]
        slot.witness.write();
        // Relaxed: the word's Release orders them; a consumer that reads them too early loses its
        // compare-and-swap.
        for (word, value) in slot.payload.iter().zip(payload) {
            word.store(*value, Ordering::Relaxed);
        }
        let word = (ticket + 1) << STATE_BITS | (class as u64) << 1 | FULL;
        slot.word.store(word, ord!(EntryPublish: Release, "the payload before its word"));
    }

    /// Ticket plus one, and class, of what the slot of `ticket` holds; 0 for nothing yet.
    #[inline]
    pub(super) fn look(&self, ticket: u64) -> (u64, Class) {
        // Relaxed: a look reads no payload, and fences order it where that matters.
        let word = self.slot(ticket).word.load(Ordering::Relaxed); // as above
        let class = match word >> 1 & 3 {
            0 => Class::Ordinary,
            1 => Class::Unsure,
            _ => Class::Solicited,
        };
        (word >> STATE_BITS, class)
    }

    /// `ticket` is published and its slot not yet used again.
    #[inline]
    pub(super) fn is_published(&self, ticket: u64) -> bool {
        self.look(ticket).0 == ticket + 1
    }

    /// The entry of `ticket` if it is published; it may be torn by a producer meanwhile.
    #[inline]
    pub(super) fn entry(&self, ticket: u64) -> Option<Entry<'_>> {
        let slot = self.slot(ticket);
        let word = slot.word.load(ord!(EntryLoad: Acquire, "pairs with EntryPublish: the payload is whole"));
        (word >> STATE_BITS == ticket + 1).then_some(Entry { segment: self, slot, ticket })
    }
}

/// An entry to be copied where it lies.
pub(in crate::ring) struct Entry<'r> {
    segment: &'r Segment,
    slot: &'r Slot,
    ticket: u64,
}

impl Entry<'_> {
    #[inline]
    pub(in crate::ring) fn payload(&self) -> Payload {
        // Relaxed: the word was acquired, and the head's compare-and-swap validates the copy.
        std::array::from_fn(|word| self.slot.payload[word].load(Ordering::Relaxed)) // as above
    }

    /// Copies as many side words as `out` has room for.
    pub(in crate::ring) fn copy_side(&self, out: &mut [u64]) {
        for (out, word) in out.iter_mut().zip(self.segment.side(self.ticket)) {
            *out = word.load(Ordering::Relaxed); // as the payload
        }
    }

    /// In a model with one consumer, notes that the payload was read.
    #[cfg(qpair_loom)]
    pub(super) fn witness_read(&self) {
        self.slot.witness.read();
    }
}
