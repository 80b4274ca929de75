//! One question at a time, and whether one was answered by silence.
//!
//! One thread asks, of a device; whoever takes the device's completions hears how it ended. A question that
//! the device refused may have reached it none the less, so that an answer may come to a question that is
//! thought not to be out, or two to the one that is. Silence is said once and stays: it is the reason of what
//! follows, which whoever is told of that looks at.

use crate::sync::{AtomicU64, Ordering, mutant};

/// Nothing is asked, a question is out, nobody has answered.
const QUIET: u64 = 0;
const ASKED: u64 = 1;
const SILENT: u64 = 2;

/// What is known by asking.
#[derive(Debug, Default)]
pub struct Question {
    // Relaxed all over: no other memory goes with this word. Who looks for the reason of a break was told of
    // it, by a way that orders.
    state: AtomicU64,
}

impl Question {
    /// Nothing is asked.
    pub fn new() -> Self {
        Self { state: AtomicU64::new(QUIET) }
    }

    /// Asks by `put`, unless a question is out or was answered by silence; one thread at a time calls it.
    ///
    /// `put` says whether the question is out.
    pub fn ask<E>(&self, put: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let asks = mutant!(AskByLook => {
            let quiet = self.state.load(Ordering::Relaxed) == QUIET; // as all
            self.state.swap(ASKED, Ordering::Relaxed); // as all
            quiet
        }, self.change(QUIET, ASKED));
        if !asks {
            return Ok(());
        }
        let put = put();
        if put.is_err() {
            self.quieten();
        }
        put
    }

    /// A question has ended, by silence or otherwise.
    pub fn ended(&self, silence: bool) {
        if silence {
            self.state.swap(SILENT, Ordering::Relaxed); // as all
        } else {
            self.quieten();
        }
    }

    /// A question was answered by silence.
    pub fn is_silent(&self) -> bool {
        self.state.load(Ordering::Relaxed) == SILENT // as all
    }

    /// No question is out any more.
    fn quieten(&self) {
        mutant!(SilenceForgotten => {
            self.state.swap(QUIET, Ordering::Relaxed); // as all
        }, {
            let _stays = self.change(ASKED, QUIET); // quiet already, or silent
        });
    }

    fn change(&self, from: u64, to: u64) -> bool {
        self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok() // as all
    }
}

#[cfg(all(test, not(qpair_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_question_at_a_time_until_silence() {
        let question = Question::new();
        let mut put = 0;
        let mut ask = |result: Result<(), ()>| {
            let asked = question.ask(|| {
                put += 1;
                result
            });
            (asked, put)
        };
        assert_eq!((ask(Ok(())), ask(Ok(()))), ((Ok(()), 1), (Ok(()), 1)));
        question.ended(false);
        assert_eq!((ask(Err(())), ask(Ok(()))), ((Err(()), 2), (Ok(()), 3)), "a refused one is not out");
        question.ended(true);
        question.ended(false);
        assert!(question.is_silent(), "it stays");
        assert_eq!(ask(Ok(())), (Ok(()), 3));
    }
}
