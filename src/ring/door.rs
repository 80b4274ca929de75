//! Whether an object may be used, and who carries out its close.
//!
//! One word: two bits, and above them the number of calls that are inside. A call enters, or is told that the
//! object is closed. A close is claimed by exactly one caller; it is carried out when no call is inside any
//! more, by whoever finds that: the closer, or the last call to leave. So what is behind the door is never
//! taken away below a call that uses it, not even when a callback closes the object while the call that
//! caused it is still on a stack. Nobody waits.
//!
//! For faces whose language does not count references; Rust's handles need none of it.

use crate::sync::{AtomicU64, Ordering, mutant, ord};

/// The close has a caller; nobody enters any more.
const CLAIMED: u64 = 1;
/// What the close needs has been stored: it may be carried out.
const CLOSING: u64 = 2;
/// One call inside.
const CALL: u64 = 4;

/// Calls inside an object, and its close.
#[derive(Debug, Default)]
pub struct Door {
    word: AtomicU64,
}

impl Door {
    /// Open, and nobody inside.
    pub fn new() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// Enters a call; false: the object is closed, or its close has been claimed.
    ///
    /// Never counts a call that it turns away, so that from the claim on the number only falls, and reaches
    /// zero once.
    #[inline]
    #[must_use = "who has entered must leave"]
    pub fn enter(&self) -> bool {
        // Relaxed: only a start value, the exchange judges it.
        let mut word = self.word.load(Ordering::Relaxed);
        while mutant!(DoorDeaf => true, word & CLAIMED == 0) {
            // Relaxed: what is behind the door was published with the object, and whoever takes it away is
            // ordered after this call by its leaving.
            match self.word.compare_exchange_weak(word, word + CALL, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Leaves; true: the close is the caller's to carry out, and it alone has what is behind the door.
    ///
    /// When it is false, the object may be gone by the time this returns.
    #[inline]
    #[must_use = "the last one to leave carries out the close"]
    pub fn leave(&self) -> bool {
        let order = ord!(DoorLeave: AcqRel, "Release: my use comes before the close; Acquire: I see that of others, and what the closer stored");
        self.word.fetch_sub(CALL, order) == CALL | CLAIMED | CLOSING
    }

    /// Claims the close; false: it was claimed before.
    #[must_use = "only one caller closes"]
    pub fn claim(&self) -> bool {
        // Relaxed: the bit alone decides; what the claimer stores is published by `close`.
        self.word.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED == 0
    }

    /// Says that what the close needs is stored; true: no call is inside, and the caller carries it out.
    #[must_use = "if no call is inside, the closer carries out the close"]
    pub fn close(&self) -> bool {
        let order = ord!(DoorClose: AcqRel, "Release: the last to leave sees what I stored; Acquire: I see the use of who has left");
        self.word.fetch_or(CLOSING, order) == CLAIMED
    }

    /// No call is inside; of a claimed door this stays true.
    pub fn is_empty(&self) -> bool {
        self.word.load(ord!(DoorEmpty: Acquire, "empty: I see the use of who has left")) < CALL
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_to_leave_carries_out_the_close() {
        let door = Door::new();
        assert!(door.enter() && door.enter() && !door.is_empty());
        assert!(!door.leave());
        assert!(door.claim() && !door.claim());
        assert!(!door.enter());
        assert!(!door.close());
        assert!(door.leave() && door.is_empty());
        assert!(!door.enter());
    }

    #[test]
    fn a_closer_that_finds_nobody_carries_it_out() {
        let door = Door::new();
        assert!(door.enter() && !door.leave());
        assert!(door.claim() && door.close());
    }

    #[test]
    fn who_leaves_between_claim_and_close_does_nothing() {
        let door = Door::new();
        assert!(door.enter() && door.claim());
        assert!(!door.leave());
        assert!(door.close());
    }
}
