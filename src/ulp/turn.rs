//! Driving a queue pair without a thread of its own: one thread at a time, and the others leave word.

use crate::ndk::{Completion, Cq, NotifyType};

/// Completions that are taken at once.
const TAKEN: usize = 16;

/// Whose turn it is; below a lock that is not held while things are moved.
#[derive(Debug, Default)]
pub(super) struct Turn {
    driving: bool,
    again: bool,
}

impl Turn {
    /// Somebody drives now.
    pub(super) fn is_taken(&self) -> bool {
        self.driving
    }

    /// Leaves word that there is something to move; true: nobody drives, so the caller must.
    pub(super) fn take(&mut self) -> bool {
        self.again = true;
        !std::mem::replace(&mut self.driving, true)
    }

    /// Before each pass: there has been word since the last one; else the turn is over.
    pub(super) fn goes_on(&mut self) -> bool {
        self.driving = std::mem::take(&mut self.again);
        self.driving
    }
}

/// Takes all that has completed, and leaves the queue armed for what will.
pub(super) fn drain(cq: &Cq, completed: impl Fn(&Completion)) {
    let mut completions = [Completion::default(); TAKEN];
    let mut armed = false;
    loop {
        let taken = cq.poll(&mut completions);
        completions[..taken].iter().for_each(&completed);
        if taken == 0 && armed {
            break;
        }
        if taken == 0 {
            cq.arm(NotifyType::Any);
        }
        armed = taken == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_that_is_left_while_somebody_drives_is_one_more_pass() {
        let mut turn = Turn::default();
        assert!(turn.take() && turn.is_taken());
        assert!(turn.goes_on(), "the first pass");
        assert!(!turn.take(), "somebody drives");
        assert!(turn.goes_on() && !turn.goes_on());
        assert!(!turn.is_taken() && turn.take());
    }
}
