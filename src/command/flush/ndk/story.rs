//! What A posts before the flush, and what the flush must make of it.

use qpair::ndk::{OpFlags, OperationType, Status};
use serde::Serialize;
use std::fmt;

/// One of A's two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    Receive,
    Initiator,
}

impl Queue {
    /// The queue whose requests complete as `kind`.
    pub fn of(kind: OperationType) -> Self {
        match kind {
            OperationType::Receive | OperationType::ReceiveAndInvalidate => Self::Receive,
            _ => Self::Initiator,
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive queue",
            Self::Initiator => "initiator queue",
        })
    }
}

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    Receive,
    Send,
    Write,
    Read,
}

impl Act {
    /// As what it completes.
    pub fn kind(self) -> OperationType {
        match self {
            Self::Receive => OperationType::Receive,
            Self::Send => OperationType::Send,
            Self::Write => OperationType::Write,
            Self::Read => OperationType::Read,
        }
    }
}

/// A request of A.
#[derive(Debug)]
pub struct Step {
    pub act: Act,
    /// Its place in its queue, and the context it is posted with.
    pub number: u64,
    pub flags: OpFlags,
    /// How it stands when the flush comes.
    pub before: &'static str,
    /// With what it must complete.
    pub status: Status,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { act, number, .. } = self;
        f.pad(&format!("{act:?} {number}").to_lowercase())
    }
}

const fn cut_short(act: Act, number: u64, flags: OpFlags, before: &'static str) -> Step {
    Step { act, number, flags, before, status: Status::CANCELLED }
}

const NO_MESSAGE: &str = "waits for a message of B";

/// In the order of posting.
pub const STORY: &[Step] = &[
    cut_short(Act::Receive, 1, OpFlags::NONE, NO_MESSAGE),
    cut_short(Act::Receive, 2, OpFlags::NONE, NO_MESSAGE),
    cut_short(Act::Receive, 3, OpFlags::NONE, NO_MESSAGE),
    Step {
        act: Act::Send,
        number: 1,
        flags: OpFlags::NONE,
        before: "done, into the only receive of B; not polled yet",
        status: Status::SUCCESS,
    },
    cut_short(Act::Send, 2, OpFlags::NONE, "waits for another receive of B"),
    cut_short(
        Act::Send,
        3,
        OpFlags::SILENT_SUCCESS,
        "waits behind send 2; silent: its success would not be told",
    ),
    cut_short(Act::Write, 4, OpFlags::NONE, "waits behind send 2"),
    cut_short(Act::Read, 5, OpFlags::NONE, "waits behind send 2"),
    cut_short(Act::Send, 6, OpFlags::DEFER, "deferred: not handed over yet"),
];

/// How many of them are pending when the flush comes.
pub fn pending() -> u64 {
    STORY.iter().filter(|step| step.status == Status::CANCELLED).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_numbers_each_queue_from_one() {
        for queue in [Queue::Receive, Queue::Initiator] {
            let steps = STORY.iter().filter(|step| Queue::of(step.act.kind()) == queue);
            assert!(steps.zip(1..).all(|(step, n)| step.number == n), "{queue}");
        }
    }
}
