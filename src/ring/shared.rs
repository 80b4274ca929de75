//! The shared receive queue: one ring of receives that the engines of many queue pairs take from.
//!
//! Whoever finds it empty lists itself and looks again; whoever posts looks at the list afterwards and wakes
//! everybody on it, since the one woken may have been served meanwhile.

use super::entries::{Class, Crowded, EntryRing, Side};
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

/// A receive that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What was posted.
    pub payload: Payload,
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
        for (index, ticket) in (claim.first()..claim.first() + claim.count).enumerate() {
            let (mut payload, mut side) = (Payload::default(), [0; SHARED_SIDE_MAX]);
            let side = &mut side[..self.entries.side_words()];
            write(index, &mut payload, side);
            segment.publish(ticket, Class::Ordinary, &payload, side);
        }
        claim.count as usize
    }

    /// Takes the oldest receive; its side words go to `side`.
    pub fn take(&self, side: &mut [u64]) -> Option<Taken> {
        let (mut payload, mut notice) = (Payload::default(), false);
        let copy = |_, copied, words: Side<'_>| {
            payload = copied;
            words.copy_to(side);
        };
        let after = |head, count| self.limit.after_take(&self.entries, head, count, &mut notice);
        let count = self.entries.take(1, copy, after);
        (count == 1).then_some(Taken { payload, notice })
    }

    /// As [`take`](SharedRing::take); without a receive, `index` is listed and woken by a later post.
    pub fn take_or_wait(&self, index: u32, link: &Link, side: &mut [u64]) -> Option<Taken> {
        if let Some(taken) = self.take(side) {
            return Some(taken);
        }
        self.waiting.push(index, link);
        fence!(SharedWaitFence, "list before looking again: the post sees the list, or its entry is seen");
        if recheck!(SharedWaitRecheck, true) { self.take(side) } else { None }
    }

    /// Wakes everybody who waits for a receive; a post calls it, and who is about to go.
    ///
    /// Who goes calls it when its queue is closed and quiet, since an engine drafted before may list it once
    /// more, and then waits until its link is no longer [listed](Link::is_listed): another taker may still
    /// hold it.
    pub fn wake<'l>(&self, link_of: impl Fn(u32) -> Option<&'l Link>, visit: impl FnMut(u32)) {
        fence!(SharedPostFence, "publish before looking at the list");
        if !self.waiting.is_empty() {
            self.waiting.take(link_of, visit);
        }
    }
}
