//! Whether the peer's queue pair still answers, asked once the peer has taken its leave.
//!
//! rdma_cm has one word of farewell, the DREQ: who disconnects says it, and so does the kernel for who
//! closed or was killed, or gave up waiting. What differs is the peer's queue pair: of who disconnects it
//! goes on until both sides have (CONN-33), of all others it is gone, and then nothing that is pending here
//! will ever be carried out (CONN-38, CLOSE-12, Q-7). A device tells only of what it has asked itself. So,
//! from the peer's farewell to our own, a write of no bytes asks every second, one at a time and only while
//! nothing else is sent, which would find out as well. It takes no receive, touches no memory, and no key is
//! looked at (IBTA C9-88). Where no answer comes the retries end in an error, which cancels what is pending.
//!
//! A program of plain verbs moves its queue pair to error when it disconnects: it counts as gone at once.

#![forbid(unsafe_code)]

use super::qp::Qp;
use crate::ring::{Phase, Question};
use crate::sync::{AtomicU64, Ordering};
use crate::time::{Span, Time};
use qpair_rdma_core::{Flags, Operation, Payload, Remote, SendRequest, Status};

/// The number of the request: above all tickets.
pub(super) const ID: u64 = 1 << 60;

/// Between two questions.
const PAUSE: Span = Span::from_secs(1);

/// What a queue pair knows of its peer's.
#[derive(Debug)]
pub(super) struct Probe {
    question: Question,
    /// Not before; the adapter's thread alone reads and writes it.
    next: AtomicU64,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self { question: Question::new(), next: AtomicU64::new(0) }
    }

    /// The peer's queue pair does not answer.
    pub(super) fn is_gone(&self) -> bool {
        self.question.is_silent()
    }

    /// A question has ended; true: in silence.
    pub(super) fn ended(&self, status: Status) -> bool {
        // Flushed with the queue pair, it says nothing of the peer.
        let silence = !matches!(status, Status::Success | Status::Flushed);
        self.question.ended(silence);
        silence
    }
}

impl Qp {
    /// Asks whether the peer's queue pair is still there, if it is time; the adapter's thread calls it.
    pub(super) fn look_for_peer(&self, now: Time) {
        let probe = &self.probe;
        // Relaxed: this thread alone reads and writes it.
        if now.as_nanos() < probe.next.load(Ordering::Relaxed) || self.phase() != Phase::Connected {
            return;
        }
        probe.next.store((now + PAUSE).as_nanos(), Ordering::Relaxed); // as above
        // Takes in what has completed, the last question too.
        if self.counters().sends_pending != 0 {
            return;
        }
        let question = SendRequest {
            id: ID,
            operation: Operation::Write(Remote { address: 0, rkey: 0 }),
            payload: Payload::Elements(&[]),
            flags: Flags::SIGNALED,
        };
        if let Err(error) = probe.question.ask(|| self.qp.post_send(&question)) {
            // Requests have come between; they ask too.
            tracing::debug!(qp = self.number(), %error, "the peer was not looked for");
        }
    }
}

#[test]
fn only_silence_says_that_the_peer_is_gone() {
    let probe = Probe::new();
    for (status, gone) in
        [(Status::Success, false), (Status::Flushed, false), (Status::RetriesExceeded, true)]
    {
        assert_eq!(probe.ended(status), gone, "{status:?}");
        assert_eq!(probe.is_gone(), gone, "{status:?}");
    }
}
