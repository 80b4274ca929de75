//! Which request is to end with which status.

use crate::device::faults;
use crate::ndk::completion::{kind, status};
use crate::ndk::{Error, OperationType, Qp, Status};
use crate::work::{self, CompletionKind};

const INJECT: &str = "Faults::inject";

/// A request that is to end with a status instead of being executed.
///
/// The status completes it as if the device had found it so: the completion shows also for a silent request,
/// the connection ends, and what is behind it is cancelled. A receive fails when a message comes to it, and
/// the peer's send with it, by REMOTE_RESOURCES. What is cancelled before it is executed does not count.
///
/// | status | for |
/// |---|---|
/// | ACCESS_VIOLATION, CANCELLED, INTERNAL_ERROR | all |
/// | INVALID_DEVICE_REQUEST, IO_TIMEOUT, REMOTE_RESOURCES | all |
/// | BUFFER_OVERFLOW | receives |
/// | DATA_OVERRUN | initiator requests |
#[derive(Clone, Debug)]
#[must_use = "nothing is injected until `Faults::inject` is called with it"]
pub struct Injection {
    status: Status,
    nth: u64,
    qp: Option<u32>,
    queue: Option<WorkQueue>,
    operation: Option<OperationType>,
}

/// One of the two queues of a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkQueue {
    /// The initiator queue.
    Initiator,
    /// The receive queue.
    Receive,
}

impl Injection {
    /// The next request of any kind ends with `status`.
    pub fn new(status: Status) -> Self {
        Self { status, nth: 1, qp: None, queue: None, operation: None }
    }

    /// The `nth` of those that are meant, counted from 1 when it is injected. Default: the first.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    /// Only requests of this queue pair are meant.
    pub fn qp(mut self, qp: &Qp) -> Self {
        self.qp = Some(qp.number());
        self
    }

    /// Only requests of this queue are meant.
    pub fn queue(mut self, queue: WorkQueue) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Only requests of this kind are meant.
    ///
    /// A receive of whatever message is [`OperationType::Receive`], a remote atomic [`OperationType::Read`].
    pub fn operation(mut self, operation: OperationType) -> Self {
        self.operation = Some(operation);
        self
    }

    /// The engine's form: the status of verbs that this one is made of, and the kinds that can have it.
    pub(super) fn judge(&self) -> Result<faults::Injection, Error> {
        let wrong = |argument, got: &dyn std::fmt::Display, hint| {
            Err(Error::new(INJECT, Status::INVALID_PARAMETER).with_argument(argument, got).with_hint(hint))
        };
        if self.nth == 0 {
            return wrong("nth", &0, "count from 1");
        }
        let Some(ended) = STATUSES
            .into_iter()
            .find(|ended| CompletionKind::ALL.into_iter().any(|of| status(of, *ended) == self.status))
        else {
            return wrong(
                "status",
                &self.status,
                "take one that a request can complete with, and no success",
            );
        };
        let meant = |of: &CompletionKind| {
            let queue = if is_receive(*of) { WorkQueue::Receive } else { WorkQueue::Initiator };
            status(*of, ended) == self.status
                && self.queue.is_none_or(|only| only == queue)
                && self.operation.is_none_or(|only| only == kind(*of, false))
        };
        let kinds =
            CompletionKind::ALL.iter().filter(|of| meant(of)).fold(0, |bits, of| bits | 1 << *of as u32);
        if kinds == 0 {
            return wrong("status", &self.status, "no request of this kind and queue completes so");
        }
        Ok(faults::Injection { status: ended, nth: self.nth, kinds, qpn: self.qp, seen: 0 })
    }
}

fn is_receive(kind: CompletionKind) -> bool {
    matches!(kind, CompletionKind::Receive | CompletionKind::ReceiveWrite)
}

/// What the engine ends requests with, one for each status of NDK.
const STATUSES: [work::Status; 7] = [
    work::Status::LocalProtection,
    work::Status::Flushed,
    work::Status::General,
    work::Status::LocalQpOperation,
    work::Status::RetryExceeded,
    work::Status::RemoteOperation,
    work::Status::LocalLength,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_completion_can_be_injected() {
        for ended in work::Status::ALL.into_iter().filter(|ended| *ended != work::Status::Success) {
            for of in CompletionKind::ALL {
                let wanted = Injection::new(status(of, ended)).operation(kind(of, false));
                let judged = wanted.judge().unwrap();
                assert_eq!(status(of, judged.status), status(of, ended));
                assert_ne!(judged.kinds & 1 << of as u32, 0);
            }
        }
    }

    #[test]
    fn what_no_request_completes_with_is_refused() {
        let refused = |injection: Injection| injection.judge().unwrap_err();
        for status in [Status::SUCCESS, Status::PENDING, Status::DEVICE_REMOVED] {
            assert_eq!(refused(Injection::new(status)).argument(), Some("status"));
        }
        let receives = Injection::new(Status::DATA_OVERRUN).queue(WorkQueue::Receive);
        assert_eq!(refused(receives).argument(), Some("status"));
        assert_eq!(refused(Injection::new(Status::CANCELLED).nth(0)).argument(), Some("nth"));
        let both = Injection::new(Status::CANCELLED).queue(WorkQueue::Receive).operation(OperationType::Send);
        assert_eq!(refused(both).argument(), Some("status"));
    }
}
