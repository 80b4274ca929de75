//! The limit of a shared receive queue: one notice when fewer receives are left than it says.
//!
//! Its state lies in the top 16 bits of the ring's head: bit 63 *armed*, bit 62 *primed*, and 14 bits that
//! count how often it was set. The limit itself lies in a pair, indexed by the parity of that count. So a
//! take that leaves too few disarms with the very compare-and-swap that takes: the notice comes exactly once,
//! whoever takes, and a queue without a limit pays one branch.
//!
//! A queue that is created with a limit is primed: it has not held so many receives yet. The count falls by
//! takes only, so it is enough that each take looks whether the limit was reached before it.

use super::entries::{EntryRing, TICKET};
use crate::sync::{AtomicU64, Backoff, Ordering, mutant};

const ARMED: u64 = 1 << 63;
const PRIMED: u64 = 1 << 62;
const COUNT_SHIFT: u32 = 48;
const COUNT: u64 = (1 << 14) - 1;

#[inline]
fn parity(head: u64) -> usize {
    (head >> COUNT_SHIFT & 1) as usize
}

/// The limits before and after the last setting.
#[derive(Debug)]
pub(super) struct Limit([AtomicU64; 2]);

impl Limit {
    /// A limit to begin with, 0 for none, and the head's word that goes with it.
    pub(super) fn new(limit: u32) -> (Self, u64) {
        let head = if limit == 0 { 0 } else { PRIMED };
        (Self([AtomicU64::new(u64::from(limit)), AtomicU64::new(0)]), head)
    }

    /// The head's word after `count` entries were taken; `notice` says whether the limit gives notice.
    /// `None`: look again.
    #[inline]
    pub(super) fn after_take(
        &self,
        entries: &EntryRing,
        head: u64,
        count: u64,
        notice: &mut bool,
    ) -> Option<u64> {
        *notice = false;
        if head & (ARMED | PRIMED) == 0 {
            return Some(head + count);
        }
        self.after_limited_take(entries, head, count, notice)
    }

    #[inline(never)] // few queues have a limit
    fn after_limited_take(
        &self,
        entries: &EntryRing,
        head: u64,
        count: u64,
        notice: &mut bool,
    ) -> Option<u64> {
        if entries.head_word() != head {
            return None; // it was read without acquiring what was set
        }
        let limit = self.0[parity(head)].load(Ordering::Relaxed); // acquired with the head's word
        let before = entries.tail().saturating_sub(head & TICKET);
        let after = head + count;
        let armed = head & ARMED != 0 || mutant!(PrimedIsArmed => true, before >= limit);
        if !armed {
            return Some(after);
        }
        *notice = before.saturating_sub(count) < limit;
        let after = after & !PRIMED;
        Some(if *notice { mutant!(LimitStays => after | ARMED, after & !ARMED) } else { after | ARMED })
    }

    /// Sets the limit and arms it; true: fewer are left already, so it has given notice and is not armed.
    ///
    /// The caller sees to it that nobody else sets it.
    #[must_use]
    pub(super) fn set(&self, entries: &EntryRing, limit: u32) -> bool {
        let backoff = Backoff::new();
        let limit = u64::from(limit);
        let mut head = entries.head_word();
        let count = ((head >> COUNT_SHIFT & COUNT) + 1) & COUNT;
        // Nobody reads this one of the pair before the head counts one more; HeadChange publishes it.
        let place = mutant!(LimitInPlace => parity(head), (count & 1) as usize);
        self.0[place].store(limit, Ordering::Relaxed); // as above
        loop {
            let below = entries.tail().saturating_sub(head & TICKET) < limit;
            let state = if mutant!(LimitBlind => false, below) { 0 } else { ARMED };
            match entries.change_head(head, head & TICKET | count << COUNT_SHIFT | state) {
                Ok(()) => return below,
                Err(now) => {
                    backoff.spin();
                    head = now;
                }
            }
        }
    }
}
