//! Whether an object may be used, and who carries out its close.
//!
//! One word: two bits, and above them the number of calls that are inside. A call enters, or is told that the
//! object is closed. A close is claimed by exactly one caller; it is carried out when no call is inside any
//! more, by whoever finds that: the closer, or the last call to leave. So a handle is never taken away below
//! a call that uses it, not even when a completion callback closes the object while the call that caused it
//! is still on a stack, which NDK allows, and not when C closes on one thread and uses on another, which it
//! does not.
//!
//! Nobody waits. Posting and polling pay two atomic operations on a word of their own object.

#![expect(clippy::disallowed_types, reason = "a protocol of this crate, whose word lies in its own objects")]

use std::sync::atomic::{AtomicUsize, Ordering};

/// The close has a caller; nobody enters any more.
const CLAIMED: usize = 1;
/// What the close needs has been stored: it may be carried out.
const CLOSING: usize = 2;
/// One call inside.
const CALL: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    word: AtomicUsize,
}

impl Gate {
    /// Enters a call; false: the object is closed, or its close has been called.
    ///
    /// Never counts a call that it turns away, so that once [`close`](Self::close) has been called the number
    /// only falls, and reaches zero once.
    #[must_use = "who has entered must leave"]
    pub(crate) fn enter(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed); // only a start value: the exchange judges it
        while word & CLAIMED == 0 {
            // Acquire: what is behind the gate was stored before the pointer to the object was given to C.
            match self.word.compare_exchange_weak(word, word + CALL, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Leaves; true: the close is this caller's to carry out, and the caller alone has what is behind the
    /// gate.
    ///
    /// When it is false, the object may be gone by the time this returns.
    #[must_use = "the last one to leave carries out the close"]
    pub(crate) fn leave(&self) -> bool {
        // Release: this call's use of the handle comes before its end. Acquire: so do those of other calls,
        // and what the closer stored.
        self.word.fetch_sub(CALL, Ordering::AcqRel) == CALL | CLAIMED | CLOSING
    }

    /// Claims the close; false: it was claimed before.
    #[must_use = "only one caller closes"]
    pub(crate) fn claim(&self) -> bool {
        // Relaxed: the bit alone decides; what the claimer stores is published by `close`.
        self.word.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED == 0
    }

    /// Says that what the close needs is stored; true: no call is inside, and the caller carries it out.
    #[must_use = "if no call is inside, the closer carries out the close"]
    pub(crate) fn close(&self) -> bool {
        // Release: what the close needs comes before the bit. Acquire: calls that have left come before it.
        self.word.fetch_or(CLOSING, Ordering::AcqRel) == CLAIMED
    }

    /// No call is inside; with a claimed gate this stays so.
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: the ends of all calls come before what the caller does next.
        self.word.load(Ordering::Acquire) < CALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_to_leave_carries_out_the_close() {
        let gate = Gate::default();
        assert!(gate.enter() && gate.enter() && !gate.is_empty());
        assert!(!gate.leave());
        assert!(gate.claim() && !gate.claim());
        assert!(!gate.enter());
        assert!(!gate.close());
        assert!(gate.leave() && gate.is_empty());
        assert!(!gate.enter());
    }

    #[test]
    fn a_closer_that_finds_nobody_carries_it_out() {
        let gate = Gate::default();
        assert!(gate.enter() && !gate.leave());
        assert!(gate.claim() && gate.close());
    }

    #[test]
    fn who_leaves_between_claim_and_close_does_nothing() {
        let gate = Gate::default();
        assert!(gate.enter() && gate.claim());
        assert!(!gate.leave());
        assert!(gate.close());
    }
}
