//! A receive queue that is fed from a shared one: it holds what was taken there, one receive at a time.
//!
//! So the receive in hand is flushed, ordered and retired like any other. Only the engine of the peer's send
//! queue feeds it, hence one thread at a time; its own role may be anybody's, for a flush.

use super::list::Link;
use super::queue::{Engine, HeldQueue, Payload, Post, Ran, WorkQueue};
use super::shared::{SharedRing, with_side};
use crate::sync::{mutant, recheck};

/// Where a fed queue takes its receives, and who waits there in the name of its sender.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'f> {
    /// The shared queue.
    pub shared: &'f SharedRing,
    /// The sender's index and link, for the wait list of the shared queue.
    pub waiter: (u32, &'f Link),
}

/// What offering to a fed queue came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a wake or a notice is the caller's to deliver"]
pub struct Fed {
    /// As [`Offered::done`](super::Offered::done).
    pub done: bool,
    /// As [`Offered::wake`](super::Offered::wake).
    pub wake: bool,
    /// The limit of the shared queue gave [notice](super::Taken::notice).
    pub notice: bool,
}

impl WorkQueue {
    /// As [`offer`](WorkQueue::offer), of a queue of depth 1 that takes its receives from `feed`.
    ///
    /// `open` is asked before each taking: false when the receive would only be cancelled. Not done: the send
    /// stays at the head of its own queue and is kicked by the next post to the shared queue, or by who has
    /// the role of this one; with `wake`, the caller sees to it.
    ///
    /// # Panics
    /// When the queue has not room for the receive that was taken: it is fed by two at a time, or has other
    /// side words than the shared queue.
    pub fn offer_fed<E: Engine>(
        &self,
        feed: Feed<'_>,
        engine: &mut E,
        done: impl Fn(&E) -> bool,
        open: impl Fn() -> bool,
    ) -> Fed {
        let (mut wake, mut notice) = (false, false);
        while !done(engine) {
            if self.pending() > 0 {
                let offered = self.offer(engine, &done);
                wake |= offered.wake;
                // Still there: somebody else has the role, for a flush, and kicks the sender as he leaves.
                if offered.done || recheck!(FedStillThere, self.pending() > 0) {
                    return Fed { done: offered.done, wake, notice };
                }
                // Gone: a flush came in between, and the receive in hand is cancelled. Take another.
            }
            if !open() {
                return Fed { done: false, wake: true, notice };
            }
            let taken = match feed.shared.side_words() {
                0 => self.take_from(feed, &mut []),
                words => with_side(words, |side| self.take_from(feed, side)),
            };
            let Some((held, limit)) = taken else {
                return Fed { done: false, wake, notice };
            };
            notice |= limit;
            if let Some(held) = held {
                wake |= self.run(held, engine).wake;
            }
        }
        Fed { done: true, wake, notice }
    }

    /// Takes a receive from `feed`: the role if it is to be run, and whether the limit gave notice.
    #[inline]
    fn take_from(&self, feed: Feed<'_>, side: &mut [u64]) -> Option<(Option<HeldQueue<'_>>, bool)> {
        let mut payload = Payload::default();
        let taken = feed.shared.take_or_wait(feed.waiter, &mut payload, side)?;
        let posted = self.post(1, Post::Receive, |_, slot, beside| {
            *slot = payload;
            beside.copy_from_slice(side);
        });
        assert_eq!(posted.accepted, 1, "a fed queue was empty, and nobody else feeds it");
        Some((posted.held, taken.notice))
    }

    /// As [`run`](WorkQueue::run), of a fed queue by who does not feed it: for a flush.
    ///
    /// The sender is always to be kicked: he may have found this role taken and his receive still there.
    pub fn run_fed<E: Engine>(&self, held: HeldQueue<'_>, engine: &mut E) -> Ran {
        let ran = self.run(held, engine);
        Ran { wake: mutant!(FedFlushSilent => ran.wake, true), ..ran }
    }
}
