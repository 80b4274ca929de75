//! How the depth of a ring is changed under traffic, without anybody waiting and without an entry moving.
//!
//! The depth is bound to the tail's word: the word counts resizes, and the depths before and after one lie in
//! a pair that is indexed by the parity of the count. So one compare-and-swap on the tail changes the depth,
//! at a moment at which no more entries are in the ring than the new one allows; every claim, and every
//! verdict of *full* or *overrun*, is a compare-and-swap on the same word and holds for one depth.
//!
//! A depth that no segment has room for begins a new *segment*, at least twice as large as the last: the same
//! compare-and-swap makes later tickets lie there, from the tail's present ticket on. Entries never move, so
//! order and exactly-once are those of the tickets. Where the segment begins is stored before the
//! compare-and-swap, hence nobody who meets the new tail has to wait for the resizer.
//!
//! Consumers find the segment of a ticket by the *view*, a word that is 0 for ever in a ring that was never
//! outgrown: one load and one branch. While entries may lie in several segments (`MOVING`) consumers look at
//! the tail too; the first who finds the head in the newest segment says so in the view.
//!
//! Segments are kept as long as the ring. Since each is at least twice as large as the one before, all
//! earlier ones together are smaller than the newest, however often the ring is resized; and nobody needs a
//! pin to read an entry.

use super::segment::Segment;
use super::{BROKEN, TICKET};
use crate::sync::{AtomicU64, Backoff, Ordering, mutant, ord};
use std::sync::OnceLock;

const SEGMENT_SHIFT: u32 = 48;
const SEGMENT: u64 = (1 << 5) - 1;
const COUNT_SHIFT: u32 = 53;
const COUNT: u64 = (1 << 9) - 1;
/// Segments after the first: sizes are powers of two that fit into 32 bits, each larger than the last.
const LATER: usize = if cfg!(qpair_loom) { 3 } else { 31 };
/// In the view: entries may lie in several segments.
const MOVING: u64 = 1;

const _: () = assert!(LATER as u64 <= SEGMENT);

/// More entries are in the ring than the new depth allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entries} entries are in the queue; take some out, or ask for a depth of at least as many")]
pub struct Crowded {
    /// Entries that were in it.
    pub entries: u64,
}

#[inline]
fn segment_number(tail: u64) -> usize {
    (tail >> SEGMENT_SHIFT & SEGMENT) as usize
}

#[inline]
fn parity(tail: u64) -> usize {
    (tail >> COUNT_SHIFT & 1) as usize
}

/// The segments of a ring, and its depths.
#[derive(Debug)]
pub(super) struct Segments {
    /// Number of the newest segment, shifted by one, and [`MOVING`].
    view: AtomicU64,
    /// By the parity of the tail's count of resizes.
    depths: [AtomicU64; 2],
    /// The depth in force, for who asks; claims have it by the tail.
    depth: AtomicU64,
    first: Segment,
    later: [OnceLock<Box<Segment>>; LATER],
}

impl Segments {
    pub(super) fn new(depth: u32, side_words: usize) -> Self {
        Self {
            view: AtomicU64::new(0),
            depths: [AtomicU64::new(u64::from(depth)), AtomicU64::new(0)],
            depth: AtomicU64::new(u64::from(depth)),
            first: Segment::new(depth, side_words),
            later: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// The depth that claims from this tail are judged by.
    #[inline]
    pub(super) fn depth_of(&self, tail: u64) -> u64 {
        self.depths[parity(tail)].load(Ordering::Relaxed) // whoever loaded the tail acquired it
    }

    /// The depth of the last resize that is over.
    pub(super) fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed) // a figure
    }

    /// Where the next ticket of this tail lies.
    #[inline]
    pub(super) fn of_tail(&self, tail: u64) -> &Segment {
        self.numbered(segment_number(tail))
    }

    #[inline]
    fn numbered(&self, number: usize) -> &Segment {
        if number == 0 { &self.first } else { self.later(number) }
    }

    #[inline(never)] // seldom
    fn later(&self, number: usize) -> &Segment {
        self.later[number - 1].get().expect("a segment is made before its number is known")
    }

    /// Where tickets lie from the head on that is read after this call.
    #[inline]
    pub(super) fn view(&self, tail: &AtomicU64, head: &AtomicU64) -> View<'_> {
        let order = ord!(ViewLoad: Acquire, "pairs with ViewSettle: a head that I read later lies in the newest segment, which is made");
        let view = self.view.load(order);
        if view == 0 {
            return View { segments: self, only: Some(&self.first), newest: 0 };
        }
        self.view_outgrown(view, tail, head)
    }

    #[inline(never)] // most rings are never outgrown
    fn view_outgrown(&self, view: u64, tail: &AtomicU64, head: &AtomicU64) -> View<'_> {
        let newest = (view >> 1) as usize;
        if view & MOVING == 0 {
            return View { segments: self, only: Some(self.later(newest)), newest };
        }
        let order = ord!(ViewTail: Acquire, "pairs with ResizeCas: its segments are made, and where they begin is stored");
        let reached = segment_number(tail.load(order));
        // Relaxed: what is passed on is only that nobody who reads the head later reads a smaller one.
        let head = head.load(Ordering::Relaxed) & TICKET;
        if reached == newest && mutant!(SettleEarly => true, head >= self.start(newest)) {
            // Lost: another consumer was faster, or the ring is outgrown once more.
            let settle = ord!(ViewSettle: Release, "the head that I read, and the segment's slots");
            let relaxed = Ordering::Relaxed; // a failure reads nothing through the view
            let _lost = self.view.compare_exchange(view, view & !MOVING, settle, relaxed);
        }
        View { segments: self, only: None, newest: reached }
    }

    fn start(&self, number: usize) -> u64 {
        self.numbered(number).start.load(Ordering::Relaxed) // final, and acquired with the tail
    }

    /// Changes the depth; the caller sees to it that nobody else does.
    pub(super) fn resize(
        &self,
        depth: u32,
        side_words: usize,
        tail: &AtomicU64,
        head: &AtomicU64,
    ) -> Result<(), Crowded> {
        let backoff = Backoff::new();
        let order = ord!(ResizeTail: Acquire, "a head that I read later is not behind what its claims knew: no entry is counted that had gone before");
        let mut now = tail.load(order); // its count and segment are the last resize's, by the caller's lock
        let (present, count) = (segment_number(now), now >> COUNT_SHIFT & COUNT);
        let outgrown = u64::from(depth) > self.numbered(present).size();
        let number = if outgrown { self.grow(present + 1, depth, side_words) } else { present };
        let count = mutant!(ResizeUncounted => count, (count + 1) & COUNT);
        loop {
            // Relaxed: a head beyond this tail makes the compare-and-swap fail.
            let entries = (now & TICKET).saturating_sub(head.load(Ordering::Relaxed) & TICKET);
            if mutant!(ResizeUnchecked => false, entries > u64::from(depth)) {
                return Err(Crowded { entries });
            }
            // Relaxed: ResizeCas publishes both, and nobody looks at them before.
            self.depths[(count & 1) as usize].store(u64::from(depth), Ordering::Relaxed);
            if outgrown {
                self.numbered(number).start.store(now & TICKET, Ordering::Relaxed); // as above
            }
            let word = now & (BROKEN | TICKET) | (number as u64) << SEGMENT_SHIFT | count << COUNT_SHIFT;
            let cas =
                ord!(ResizeCas: Release, "depth, segment and its start before the tail that leads there");
            let lost = ord!(ResizeLost: Acquire, "as ResizeTail, for the next attempt");
            match tail.compare_exchange(now, word, cas, lost) {
                Ok(_) => break,
                Err(other) => {
                    backoff.spin();
                    now = other;
                }
            }
        }
        self.depth.store(u64::from(depth), Ordering::Relaxed); // a figure
        Ok(())
    }

    /// Makes the next segment, and has consumers look at the tail from now on.
    fn grow(&self, number: usize, depth: u32, side_words: usize) -> usize {
        self.later[number - 1].get_or_init(|| Box::new(Segment::new(depth, side_words)));
        // Relaxed: consumers that miss it see no later tail either; those that see it acquire the tail.
        mutant!(GrowUnannounced => 0, self.view.swap((number as u64) << 1 | MOVING, Ordering::Relaxed));
        number
    }
}

/// Where the tickets lie that are not taken, for the length of one look.
#[derive(Clone, Copy)]
pub(super) struct View<'r> {
    segments: &'r Segments,
    /// The segment of all of them.
    pub(super) only: Option<&'r Segment>,
    newest: usize,
}

impl<'r> View<'r> {
    #[inline]
    pub(super) fn segment(&self, ticket: u64) -> &'r Segment {
        match self.only {
            Some(segment) => segment,
            None => self.search(ticket),
        }
    }

    #[inline(never)] // seldom
    fn search(&self, ticket: u64) -> &'r Segment {
        let holder = (1..=self.newest).rev().find(|number| self.segments.start(*number) <= ticket);
        self.segments.numbered(holder.unwrap_or(0))
    }

    /// No ticket before this one is still in the ring.
    pub(super) fn start(&self) -> u64 {
        self.only.map_or(0, |segment| segment.start.load(Ordering::Relaxed)) // acquired with the view
    }

    /// So many looks find each slot in view.
    pub(super) fn size(&self) -> u64 {
        match self.only {
            Some(segment) => segment.size(),
            None => (0..=self.newest).map(|number| self.segments.numbered(number).size()).sum(),
        }
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::super::{EntryRing, segment::Class};
    use super::*;
    use crate::ring::slots::PAYLOAD_WORDS;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Clone, Debug)]
    enum Call {
        Push(u64),
        Take(usize),
        Resize(u32),
    }

    fn call() -> impl Strategy<Value = Call> {
        prop_oneof![
            (1..6u64).prop_map(Call::Push),
            (1..6usize).prop_map(Call::Take),
            (1..20u32).prop_map(Call::Resize),
        ]
    }

    /// Pushes up to `n` entries with these numbers; how many there was room for.
    fn push(ring: &EntryRing, first: u64, n: u64) -> u64 {
        let claim = ring.claim(n).unwrap();
        for index in 0..claim.count {
            let (segment, ticket) = (ring.segment_of(claim), claim.first() + index);
            segment.write_side(ticket, &[!(first + index)]);
            segment.publish(ticket, Class::Ordinary, &[first + index; PAYLOAD_WORDS]);
        }
        claim.count
    }

    fn take(ring: &EntryRing, n: usize) -> Vec<u64> {
        let mut taken = vec![0; n];
        let copy = |index: usize, entry: super::super::Entry<'_>| {
            let (payload, mut words) = (entry.payload(), [0]);
            entry.copy_side(&mut words);
            assert_eq!((payload, words), ([payload[0]; PAYLOAD_WORDS], [!payload[0]]));
            taken[index] = payload[0];
        };
        let count = ring.take(n, copy, |head, count| Some(head + count));
        taken.truncate(count);
        taken
    }

    proptest! {
        #[test]
        fn a_ring_is_a_queue_whatever_its_depth_becomes(calls in prop::collection::vec(call(), 1..200)) {
            let (ring, mut model) = (EntryRing::new(1, 1, 0), VecDeque::new());
            let (mut depth, mut next) = (1u64, 0u64);
            for call in calls {
                match call {
                    Call::Push(n) => {
                        let pushed = push(&ring, next, n);
                        prop_assert_eq!(pushed, n.min(depth - model.len() as u64));
                        model.extend(next..next + pushed);
                        next += pushed;
                    }
                    Call::Take(n) => {
                        let expected: Vec<_> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(take(&ring, n), expected);
                    }
                    Call::Resize(to) => {
                        let entries = model.len() as u64;
                        let expected = if entries > u64::from(to) { Err(Crowded { entries }) } else { Ok(()) };
                        prop_assert_eq!(ring.resize(to), expected);
                        depth = if expected.is_ok() { u64::from(to) } else { depth };
                    }
                }
                prop_assert_eq!((ring.len(), ring.depth()), (model.len() as u64, depth));
                prop_assert_eq!(ring.published_end(), next);
                prop_assert_eq!(ring.strongest_from(ring.head()), (!model.is_empty()).then_some(Class::Ordinary));
            }
        }
    }

    #[test]
    fn resizing_for_ever_needs_no_more_than_twice_the_deepest() {
        let ring = EntryRing::new(3, 0, 0);
        for turn in 0..5000u64 {
            let depth = [3, 100, 7, 250, 16][turn as usize % 5];
            ring.resize(depth).unwrap();
            let claim = ring.claim(2).unwrap();
            for ticket in claim.first()..claim.first() + claim.count {
                ring.segment_of(claim).publish(ticket, Class::Ordinary, &[turn; PAYLOAD_WORDS]);
            }
            let mut seen = 0;
            let count = ring.take(2, |_, entry| seen += entry.payload()[0], |head, count| Some(head + count));
            assert_eq!((count, seen), (2, 2 * turn));
        }
        let later = ring.segments.later.iter().filter_map(OnceLock::get);
        let sizes: Vec<_> = std::iter::once(4).chain(later.map(|segment| segment.size())).collect();
        assert_eq!(sizes, [4, 128, 256]);
        let view = ring.segments.view.load(Ordering::Relaxed); // one thread
        assert_eq!(view, 2 << 1, "all entries lie in the newest");
    }
}
