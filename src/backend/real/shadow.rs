//! What a queue remembers of its requests, in posting order: a ring as the emulated device has it.
//!
//! A request is in flight from the moment the device gets it, which the holder of the ring's role sees to, so
//! the device has them in the order of their tickets. The device tells of a ticket; that ends also the silent
//! ones before it, which it was not asked to tell of and which have therefore succeeded.

#![forbid(unsafe_code)]

use crate::direct::Outcome;
use crate::ring::WorkQueue;
use crate::sync::{AtomicU64, Ordering};
use crate::work::{SendRequest, Status};

/// A figure that one thread at a time writes and anybody reads.
#[derive(Debug, Default)]
pub(super) struct Figure(AtomicU64);

impl Figure {
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed); // written in one role only, which orders its holders
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) // as above; readers want a figure, not an order
    }
}

/// What a queue has done.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) completed: Figure,
    pub(super) bytes: Figure,
    pub(super) failed: Figure,
    pub(super) not_ready: Figure,
}

impl Figures {
    pub(super) fn count(&self, outcome: Outcome) {
        self.completed.add(1);
        self.bytes.add(outcome.length.into());
        if outcome.status != Status::Success {
            self.failed.add(1);
            self.not_ready.add(u64::from(outcome.status == Status::RnrRetryExceeded));
        }
    }
}

/// Requests of one queue, each by its ticket.
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) ring: WorkQueue,
    pub(super) figures: Figures,
    /// Ticket after the last one that the device has got; written in the role of the ring.
    pub(super) given: Figure,
    /// Ticket after the last one that the device has told of; written by who takes its completions.
    told: Figure,
}

impl Shadow {
    pub(super) fn new(depth: u32, side_words: usize) -> Self {
        Self {
            ring: WorkQueue::new(depth, side_words, false),
            figures: Figures::default(),
            given: Figure::default(),
            told: Figure::default(),
        }
    }

    /// Whether the device must tell of the request with that ticket, were it silent: of every so many, hence
    /// of some in each full queue, else its room would never come back.
    pub(super) fn wants_signal(&self, ticket: u64) -> bool {
        (ticket + 1) % (self.ring.depth() / 4).max(1) == 0
    }

    /// The device has told of a ticket: what stands before it and was not told of has silently succeeded.
    ///
    /// False: it was told of before. Called by who takes completions from the device.
    pub(super) fn told(&self, ticket: u64) -> bool {
        if ticket < self.told.get() {
            return false;
        }
        self.succeeded_below(ticket);
        self.told.set(ticket + 1);
        true
    }

    /// What stands below that ticket and was not told of has silently succeeded.
    pub(super) fn succeeded_below(&self, ticket: u64) {
        let from = self.told.get().max(ticket.saturating_sub(self.ring.depth()));
        for silent in from..ticket {
            // False if it was answered already: the device had refused it, or is thought to be gone.
            let _answered = self.ring.finish(silent, |payload| {
                let length = SendRequest::decode(payload).map_or(0, |request| request.length);
                Outcome::success(length).stash(payload);
            });
        }
        self.told.set(ticket.max(self.told.get()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_silent_requests_is_told_of_in_time() {
        for depth in [1, 2, 3, 4, 7, 16, 100] {
            let shadow = Shadow::new(depth, 0);
            for first in 0..u64::from(2 * depth) {
                let full = first..first + u64::from(depth);
                assert!(full.clone().any(|ticket| shadow.wants_signal(ticket)), "{depth}: {full:?}");
            }
            let signals = (0..u64::from(depth)).filter(|ticket| shadow.wants_signal(*ticket)).count();
            assert!(signals <= 7.min(depth as usize), "{depth}: {signals}");
        }
    }

    #[test]
    fn a_ticket_is_told_of_once() {
        let shadow = Shadow::new(8, 0);
        assert!(shadow.told(1) && !shadow.told(1) && !shadow.told(0), "told twice");
        assert!(shadow.told(2) && shadow.told(5) && !shadow.told(4));
    }
}
