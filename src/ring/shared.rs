//! The shared receive queue: one ring of receives that the engines of many queue pairs take from.
//!
//! Whoever finds it empty lists itself and looks again; whoever posts looks at the list afterwards and wakes
//! everybody on it, since the one woken may have been served meanwhile.

use super::entries::{Class, Crowded, Entry, EntryRing};
use super::limit::Limit;
use super::list::{IndexList, Link};
use super::slots::Payload;
use crate::sync::{Mutex, fence, recheck};

/// The most words that may lie beside a receive's payload.
pub const SHARED_SIDE_MAX: usize = 32;

/// A ring of receives with a list of those who wait for one.
#[derive(Debug)]
pub struct SharedRing {
    entries: EntryRing,
    waiting: IndexList,
    limit: Limit,
    /// One change at a time.
    control: Mutex<()>,
}

/// A receive was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a notice is the taker's to deliver"]
pub struct Taken {
    /// Fewer receives are left than the limit says, for the first time since it was set: the taker tells.
    pub notice: bool,
}

impl SharedRing {
    /// A ring of `depth` receives, at least 1 and at most 65,535, with `side_words` words beside each.
    ///
    /// # Panics
    /// When `side_words` exceeds [`SHARED_SIDE_MAX`].
    pub fn new(depth: u32, side_words: usize) -> Self {
        Self::with_limit(depth, side_words, 0)
    }

    /// As [`new`](SharedRing::new), with a limit that gives notice once so many receives have been queued and
    /// then fewer are; 0 for none.
    ///
    /// # Panics
    /// When `side_words` exceeds [`SHARED_SIDE_MAX`].
    pub fn with_limit(depth: u32, side_words: usize, limit: u32) -> Self {
        assert!(side_words <= SHARED_SIDE_MAX, "at most {SHARED_SIDE_MAX} side words, not {side_words}");
        let (limit, head) = Limit::new(limit);
        let entries = EntryRing::new(depth, side_words, head);
        Self { entries, waiting: IndexList::new(), limit, control: Mutex::new(()) }
    }

    /// Changes the depth and the limit, each unless it is 0; true: fewer receives are queued than the limit
    /// says, and the caller tells. Control: locks, and may allocate.
    ///
    /// The limit gives notice once, by this call or by a later take; what was set before does not any more.
    ///
    /// # Errors
    /// [`Crowded`]: more receives than the depth are queued; nothing has changed, the limit neither.
    pub fn modify(&self, depth: u32, limit: u32) -> Result<bool, Crowded> {
        // A panic below this lock leaves the ring whole: each change is one compare-and-swap.
        let _one_at_a_time = self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if depth != 0 {
            self.entries.resize(depth)?;
        }
        Ok(limit != 0 && self.limit.set(&self.entries, limit))
    }

    /// Receives that fit.
    pub fn depth(&self) -> u64 {
        self.entries.depth()
    }

    /// Receives queued, at some moment during the call.
    pub fn len(&self) -> u64 {
        self.entries.len()
    }

    /// No receive is queued, at some moment during the call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Posts up to `n` receives, in order; the count taken, fewer than `n` when the ring is full.
    ///
    /// [`wake`](SharedRing::wake) who waits afterwards, unless nothing was taken.
    pub fn post(&self, n: usize, mut write: impl FnMut(usize, &mut Payload, &mut [u64])) -> usize {
        // The ring is never broken, so a claim takes what has room.
        let claim = loop {
            let Ok(claim) = self.entries.claim(n as u64) else { return 0 };
            if claim.count != 0 || self.entries.is_still(claim) {
                break claim;
            }
        };
        let segment = self.entries.segment_of(claim);
        let side_words = self.entries.side_words();
        for (index, ticket) in (claim.first()..claim.first() + claim.count).enumerate() {
            let mut payload = Payload::default();
            if side_words == 0 {
                write(index, &mut payload, &mut []);
            } else {
                with_side(side_words, |side| {
                    write(index, &mut payload, side);
                    segment.write_side(ticket, side);
                });
            }
            segment.publish(ticket, Class::Ordinary, &payload);
        }
        claim.count as usize
    }

    /// Words beside each receive.
    pub(super) fn side_words(&self) -> usize {
        self.entries.side_words()
    }

    /// Takes the oldest receive: what was posted goes to `payload`, and its side words to `side`.
    ///
    /// `None`: there is none, and both may hold anything.
    #[inline]
    pub fn take(&self, payload: &mut Payload, side: &mut [u64]) -> Option<Taken> {
        let mut notice = false;
        let copy = |_, entry: Entry<'_>| {
            *payload = entry.payload();
            if !side.is_empty() {
                entry.copy_side(side);
            }
        };
        let after = |head, count| self.limit.after_take(&self.entries, head, count, &mut notice);
        let count = self.entries.take(1, copy, after);
        (count == 1).then_some(Taken { notice })
    }

    /// As [`take`](SharedRing::take); without a receive, `index` is listed and woken by a later post.
    pub fn take_or_wait(
        &self,
        (index, link): (u32, &Link),
        payload: &mut Payload,
        side: &mut [u64],
    ) -> Option<Taken> {
        if let Some(taken) = self.take(payload, side) {
            return Some(taken);
        }
        self.waiting.push(index, link);
        fence!(SharedWaitFence, "list before looking again: the post sees the list, or its entry is seen");
        if recheck!(SharedWaitRecheck, true) { self.take(payload, side) } else { None }
    }

    /// Somebody waits for a receive, and is to be [woken](SharedRing::wake); asked after a post.
    #[inline]
    pub fn is_awaited(&self) -> bool {
        fence!(SharedPostFence, "publish before looking at the list");
        !self.waiting.is_empty()
    }

    /// Wakes everybody who waits for a receive; a post calls it, and who is about to go.
    ///
    /// Who goes calls it when its queue is closed and quiet, since an engine drafted before may list it once
    /// more, and then waits until its link is no longer [listed](Link::is_listed): another taker may still
    /// hold it.
    pub fn wake<'l>(&self, link_of: impl Fn(u32) -> Option<&'l Link>, visit: impl FnMut(u32)) {
        if self.is_awaited() {
            self.waiting.take(link_of, visit);
        }
    }
}

/// Gives `work` so many words to fill.
#[inline(never)] // clearing them costs more than most posts, which need none
pub(super) fn with_side<R>(words: usize, work: impl FnOnce(&mut [u64]) -> R) -> R {
    work(&mut [0; SHARED_SIDE_MAX][..words])
}
