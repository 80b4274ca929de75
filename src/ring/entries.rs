//! The ring under completion queues and shared receive queues: many producers, many consumers, batches.
//!
//! A producer claims tickets with one compare-and-swap on the tail, writes payload words, then the slot's
//! word. A consumer copies published slots first and then takes them all with one compare-and-swap on the
//! head: a copy that was torn by a producer cannot win, since producers overwrite a slot only after they have
//! read a head beyond it, heads only grow, and a successful compare-and-swap from `h` says that nobody moved
//! it. Hence the payload is relaxed atomic words, the same instructions as plain ones.
//!
//! | bits of the tail | say |
//! |---|---|
//! | 63, 62 | the ring has failed, has overrun: it takes nothing more |
//! | 53 to 61 | how often its depth was changed |
//! | 48 to 52 | the segment that new tickets lie in |
//! | 0 to 47 | the next ticket |
//!
//! The top 16 bits of the head belong to the [limit](super::limit) of a shared receive queue; a completion
//! queue leaves them 0. A slot's word is `(ticket + 1) << 4 | class << 1 | 1`. How the depth is changed under
//! traffic: [`resize`].

mod resize;
mod segment;

use crate::sync::{AtomicU64, Backoff, Ordering, mutant, ord};
use crossbeam_utils::CachePadded;
pub use resize::Crowded;
use resize::{Segments, View};
pub use segment::Class;
pub(super) use segment::Entry;
use segment::Segment;

/// The ticket of a tail or a head.
pub(super) const TICKET: u64 = (1 << 48) - 1;
const OVERRUN: u64 = 1 << 62;
const FAILED: u64 = 1 << 63;
/// Claims, and nothing else, are refused.
const BROKEN: u64 = OVERRUN | FAILED;

/// Cursor of the producers, and their cached view of the head.
#[derive(Debug)]
struct Push {
    tail: AtomicU64,
    head_cached: AtomicU64,
}

/// What a push came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The tail's word that it was made from.
    tail: u64,
    /// Less than asked for: the ring was full behind them.
    pub(super) count: u64,
}

impl Claim {
    /// The first ticket of it.
    #[inline]
    pub(super) fn first(self) -> u64 {
        self.tail & TICKET
    }
}

/// The ring has overrun, or has failed: it takes nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A ring of entries of seven words, and `side_words` words beside each.
#[derive(Debug)]
pub(super) struct EntryRing {
    push: CachePadded<Push>,
    head: CachePadded<AtomicU64>,
    segments: Segments,
    side_words: usize,
    /// Set in models with one consumer: with several, the copy of one that loses its race touches the cell
    /// rightly.
    #[cfg(qpair_loom)]
    witnessed: bool,
}

impl EntryRing {
    /// An empty ring of that depth; `head` is what its top bits begin with.
    pub(super) fn new(depth: u32, side_words: usize, head: u64) -> Self {
        Self {
            push: CachePadded::new(Push { tail: AtomicU64::new(0), head_cached: AtomicU64::new(0) }),
            head: CachePadded::new(AtomicU64::new(head)),
            segments: Segments::new(depth, side_words),
            side_words,
            #[cfg(qpair_loom)]
            witnessed: false,
        }
    }

    #[cfg(qpair_loom)]
    pub(super) fn watch_payload(&mut self) {
        self.witnessed = true;
    }

    /// Entries that fit now.
    pub(super) fn depth(&self) -> u64 {
        self.segments.depth()
    }

    pub(super) fn side_words(&self) -> usize {
        self.side_words
    }

    /// Claims up to `n` tickets; a count of 0 says that the ring was full at some moment during the call.
    #[inline]
    pub(super) fn claim(&self, n: u64) -> Result<Claim, Broken> {
        let backoff = Backoff::new();
        let tail_order =
            ord!(PushTail: Acquire, "a cached head that an earlier producer read is part of my past too");
        let mut tail = self.push.tail.load(tail_order);
        loop {
            if tail & BROKEN != 0 {
                return Err(Broken);
            }
            let Some(room) = self.room(tail, n) else {
                backoff.spin();
                tail = self.push.tail.load(tail_order);
                continue;
            };
            let count = n.min(room);
            if count == 0 {
                return Ok(Claim { tail, count });
            }
            let claimed = self.push.tail.compare_exchange_weak(
                tail,
                tail + count,
                ord!(PushCas: Release, "passes on the head that I read, with the ticket after mine"),
                ord!(PushLost: Acquire, "as PushTail, for the next attempt"),
            );
            match claimed {
                Ok(_) => return Ok(Claim { tail, count }),
                Err(now) => {
                    backoff.spin();
                    tail = now;
                }
            }
        }
    }

    /// Free slots from the ticket of `tail` on; `None` when it is out of date.
    #[inline]
    fn room(&self, tail: u64, n: u64) -> Option<u64> {
        let depth = self.segments.depth_of(tail);
        let used = |head: u64| (tail & TICKET).checked_sub(head & TICKET);
        let cached = self.push.head_cached.load(ord!(HeadCachedLoad: Acquire, "pairs with HeadCachedStore"));
        if let Some(used) = used(cached) {
            // The cache may lag by more than a lap.
            let room = depth.saturating_sub(used);
            if room >= n {
                return Some(room);
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
        Some(mutant!(EntriesOffByOne => depth + 1, depth).saturating_sub(used))
    }

    /// Whether a claim of nothing was judged by the depth in force; if not, claim again.
    pub(super) fn is_still(&self, claim: Claim) -> bool {
        // A read-modify-write, since a load may be out of date; relaxed, nothing is read through it.
        let (tail, relaxed) = (claim.tail, Ordering::Relaxed);
        self.push.tail.compare_exchange(tail, tail, relaxed, relaxed).is_ok() // as above
    }

    /// Marks the ring as overrun if it is still full; true for the one caller who did.
    ///
    /// `None`: it was not full any more, or has another depth; claim again.
    pub(super) fn set_overrun(&self, claim: Claim) -> Option<bool> {
        // Relaxed: one order with the claims, and nothing is read through the bit.
        let (relaxed, overrun) = (Ordering::Relaxed, claim.tail | OVERRUN);
        match self.push.tail.compare_exchange(claim.tail, overrun, relaxed, relaxed) {
            Ok(_) => Some(true),
            Err(now) if now & BROKEN != 0 => Some(false),
            Err(_) => None,
        }
    }

    /// Has the ring take nothing more, whatever room there is; true for the first who did.
    pub(super) fn fail(&self) -> bool {
        self.push.tail.fetch_or(FAILED, Ordering::Relaxed) & FAILED == 0 // as in `set_overrun`
    }

    pub(super) fn has_overrun(&self) -> bool {
        self.push.tail.load(Ordering::Relaxed) & OVERRUN != 0 // nothing is read through the bit
    }

    pub(super) fn has_failed(&self) -> bool {
        self.push.tail.load(Ordering::Relaxed) & FAILED != 0 // nothing is read through the bit
    }

    /// The ring takes nothing more.
    pub(super) fn is_broken(&self) -> bool {
        self.push.tail.load(Ordering::Relaxed) & BROKEN != 0 // nothing is read through the bits
    }

    /// Where the tickets of a claim are to be published.
    #[inline]
    pub(super) fn segment_of(&self, claim: Claim) -> &Segment {
        self.segments.of_tail(claim.tail)
    }

    /// Strongest class among the entries published from `ticket` on, up to the first gap.
    ///
    /// Where others have taken an entry meanwhile and a producer has used its slot again, the later entry
    /// counts: it is newer than `ticket` too, and behind it the look goes on. So one look at each slot
    /// suffices.
    pub(super) fn strongest_from(&self, ticket: u64) -> Option<Class> {
        let view = self.view();
        // What lay before the segments in view has been taken.
        let ticket = ticket.max(view.start());
        let seen = (ticket..ticket + view.size()).map_while(|ticket| {
            let (end, class) = view.segment(ticket).look(ticket);
            mutant!(ScanStopsAtReused => end == ticket + 1, end > ticket).then_some(class)
        });
        seen.max()
    }

    /// Ticket after the last of the entries that are published without a gap.
    pub(super) fn published_end(&self) -> u64 {
        let view = self.view();
        let head = self.head();
        let published =
            (head..head + view.size()).take_while(|ticket| view.segment(*ticket).is_published(*ticket));
        head + published.count() as u64
    }

    /// Where tickets lie that are not taken; look before the head.
    #[inline]
    fn view(&self) -> View<'_> {
        self.segments.view(&self.push.tail, &self.head)
    }

    /// Takes up to `n` entries; `copy` may be called again for the same index after a lost race.
    ///
    /// `after` makes the head's next word of this one and the count; `None`: look again. 0 says that at some
    /// moment during the call nothing was published at the head: the ring was empty, or a producer had
    /// claimed there and not yet published.
    #[inline]
    pub(super) fn take(
        &self,
        n: usize,
        mut copy: impl FnMut(usize, Entry<'_>),
        mut after: impl FnMut(u64, u64) -> Option<u64>,
    ) -> usize {
        let backoff = Backoff::new();
        loop {
            let view = self.view();
            // Relaxed: the compare-and-swap below decides; what is read in between is validated by it.
            let head = self.head.load(Ordering::Relaxed);
            let first = head & TICKET;
            let count = match view.only {
                Some(segment) => self.copy_published(first, n, &mut copy, |_| segment),
                None => self.copy_scattered(first, n, &mut copy, view),
            };
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
            let taken = after(head, count as u64)
                .is_some_and(|next| self.head.compare_exchange(head, next, order, relaxed).is_ok());
            if taken {
                return count;
            }
            backoff.spin();
        }
    }

    /// Copies what is published from ticket `first` on, up to `n` or a gap; how many.
    #[inline(always)] // one copy with, and one without a search
    fn copy_published<'r>(
        &self,
        first: u64,
        n: usize,
        copy: &mut impl FnMut(usize, Entry<'_>),
        segment_of: impl Fn(u64) -> &'r Segment,
    ) -> usize {
        let mut count = 0;
        while count < n {
            let ticket = first + count as u64;
            let Some(entry) = segment_of(ticket).entry(ticket) else { break };
            #[cfg(qpair_loom)]
            if self.witnessed {
                entry.witness_read();
            }
            copy(count, entry);
            count += 1;
        }
        count
    }

    #[inline(never)] // seldom
    fn copy_scattered(
        &self,
        first: u64,
        n: usize,
        copy: &mut impl FnMut(usize, Entry<'_>),
        view: View<'_>,
    ) -> usize {
        self.copy_published(first, n, copy, |ticket| view.segment(ticket))
    }

    /// The head with what is kept in its top bits.
    pub(super) fn head_word(&self) -> u64 {
        let order = ord!(HeadWord: Acquire, "what was stored before the top bits that I see");
        self.head.load(order)
    }

    /// Changes the head's top bits.
    ///
    /// # Errors
    /// The head as it is, when it is not `from`.
    pub(super) fn change_head(&self, from: u64, to: u64) -> Result<(), u64> {
        debug_assert_eq!(from & TICKET, to & TICKET, "only takers move the head");
        let order = ord!(HeadChange: Release, "what the new top bits stand for is stored before them");
        let lost = ord!(HeadChangeLost: Acquire, "as HeadWord, for the next attempt");
        self.head.compare_exchange(from, to, order, lost).map(drop)
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
        let depth = self.depth();
        let head = self.head();
        self.tail().saturating_sub(head).min(depth)
    }

    /// Changes the depth to `depth`, at least 1; entries stay as they are and where they are.
    ///
    /// Claims are judged by one depth or the other, never by both. Control: allocates where the ring was
    /// never so deep. The caller sees to it that nobody else does the same meanwhile.
    ///
    /// # Errors
    /// [`Crowded`] when more entries than that are in it; nothing has changed.
    pub(super) fn resize(&self, depth: u32) -> Result<(), Crowded> {
        self.segments.resize(depth, self.side_words, &self.push.tail, &self.head)
    }
}
