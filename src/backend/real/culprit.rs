//! Which initiator request has broken its queue pair, where the device does not say it.
//!
//! Soft-RoCE (Linux 6.12) moves a queue pair to error when it refuses a request for what is on this side, and
//! flushes that request like those behind it. A queue pair that we, or an error that the device did tell of,
//! have moved to error is known to be (its phase); so the first request to be flushed of another one is what
//! broke it, or a fault of the peer's did, of which soft-RoCE says nothing either. Hence the first alone is
//! looked at, and is blamed only for what is wrong with it.
//!
//! A receive may be heard of first. Then the first of the sends that the device had got by then is looked at,
//! unless one is told to have failed before it.
//!
//! One that it refused before older ones were answered is not found: the oldest is the first to be flushed.

#![forbid(unsafe_code)]

use crate::sync::{AtomicU64, Ordering};

/// A send was flushed, or failed otherwise.
const OVER: u64 = u64::MAX;

/// What is known of the first send to be flushed.
#[derive(Debug)]
pub(super) struct Culprit {
    /// 0: nothing; else 1 more than the ticket below which it is.
    state: AtomicU64,
}

impl Culprit {
    pub(super) fn new() -> Self {
        Self { state: AtomicU64::new(0) }
    }

    /// A receive of a queue pair that nobody is known to have broken was flushed, when the device had got the
    /// sends below that ticket.
    pub(super) fn is_among(&self, below: u64) {
        // Relaxed: only that the first word counts.
        let _first = self.state.compare_exchange(0, below + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A send was flushed; true: it may be what has broken the queue pair, which `connected` says that nobody
    /// is known to have done.
    pub(super) fn is(&self, ticket: u64, connected: bool) -> bool {
        let before = self.state.swap(OVER, Ordering::Relaxed); // as above; sends are told of in order
        match before {
            OVER => false,
            0 => connected,
            limit => ticket + 1 < limit,
        }
    }

    /// The device says of a send how it has failed: that has broken the queue pair.
    pub(super) fn is_told(&self) {
        self.state.store(OVER, Ordering::Relaxed); // as above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_queue_pair_that_nobody_has_broken_is_looked_at() {
        for connected in [true, false] {
            let culprit = Culprit::new();
            assert_eq!(culprit.is(7, connected), connected);
            assert!(!culprit.is(8, true), "only the first");
        }
    }

    #[test]
    fn a_receive_may_be_heard_of_first() {
        for (ticket, looked_at) in [(4, true), (5, false), (6, false)] {
            let culprit = Culprit::new();
            culprit.is_among(5);
            culprit.is_among(9);
            assert_eq!(culprit.is(ticket, false), looked_at, "{ticket}");
            assert!(!culprit.is(ticket, true), "only the first");
        }
    }

    #[test]
    fn behind_a_send_that_failed_nobody_is_looked_at() {
        let culprit = Culprit::new();
        culprit.is_among(5);
        culprit.is_told();
        assert!(!culprit.is(4, false));
    }

    #[test]
    fn a_receive_that_is_heard_of_later_changes_nothing() {
        let culprit = Culprit::new();
        assert!(culprit.is(4, true));
        culprit.is_among(9);
        assert!(!culprit.is(5, true));
    }
}
