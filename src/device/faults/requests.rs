//! What faults do to single requests and passes: a status out of the blue, and passes cut by chance.

use super::{Faults, Fired, QP_STREAMS, lock};
use crate::device::qp::Qp;
use crate::sync::{AtomicU64, Ordering};
use crate::work::{CompletionKind, Status};
use std::sync::Arc;

/// The request that is to end with a status of the user's choice.
#[derive(Clone, Debug)]
pub(crate) struct Injection {
    pub(crate) status: Status,
    /// Which of those that are meant, from 1 on.
    pub(crate) nth: u64,
    /// The kinds of requests that are meant, a bit each.
    pub(crate) kinds: u32,
    /// The queue pair that is meant; `None`: any.
    pub(crate) qpn: Option<u32>,
    pub(crate) seen: u64,
}

/// What the faults of an adapter know of one queue pair.
#[derive(Debug)]
pub(crate) struct QpFaults {
    pub(super) faults: Arc<Faults>,
    /// Its sequence of chance.
    stream: u64,
    passes: AtomicU64,
    /// One more than the ticket of the request that was counted last; written in the role of the send queue.
    sent: AtomicU64,
    /// The same of the receive queue.
    received: AtomicU64,
}

/// How far a pass may go.
pub(in crate::device) struct Cut {
    pub(in crate::device) requests: u64,
    pub(in crate::device) bytes: u64,
    pub(in crate::device) piece: u64,
}

impl Faults {
    /// Has a request end with a status.
    pub(crate) fn inject(&self, injection: Injection) {
        let mut injections = lock(&self.injections);
        injections.push(injection);
        self.injecting.store(injections.len() as u64, Ordering::Release); // pairs with `once`
    }

    /// Has passes cut by chance, or not any more.
    pub(crate) fn set_cuts(&self, on: bool) {
        self.cuts.store(on.into(), Ordering::Relaxed); // a setting; some pass sees it
    }

    /// A request of `kind` begins to be executed: the status that it is to end with.
    fn injected(&self, qp: &Qp, kind: CompletionKind, context: u64) -> Option<Status> {
        let qpn = qp.qpn();
        let mut injections = lock(&self.injections);
        let meant = |injection: &&mut Injection| {
            injection.kinds & 1 << kind as u32 != 0 && injection.qpn.is_none_or(|only| only == qpn.0)
        };
        injections.iter_mut().filter(meant).for_each(|injection| injection.seen += 1);
        let due = injections.iter().position(|injection| injection.seen == injection.nth)?;
        let status = injections.remove(due).status;
        self.injecting.store(injections.len() as u64, Ordering::Release); // pairs with `once`
        drop(injections);
        self.note(Fired::Injected { qpn, kind, context, status });
        Some(status)
    }
}

impl QpFaults {
    pub(in crate::device) fn new(faults: Arc<Faults>) -> Self {
        let stream = QP_STREAMS + faults.number_qp();
        let zero = || AtomicU64::new(0);
        Self { faults, stream, passes: zero(), sent: zero(), received: zero() }
    }

    pub(in crate::device) fn adopt(&self, qp: &Arc<Qp>) {
        self.faults.adopt(qp);
    }

    pub(in crate::device) fn rank(&self) -> u64 {
        self.faults.rank()
    }

    /// How far the pass that begins may go, if chance has a say.
    pub(in crate::device) fn cut(&self, qp: &Qp) -> Option<Cut> {
        // Relaxed: a setting; some pass sees it.
        if self.faults.cuts.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Relaxed: only the number's being the next counts.
        let chance = self.faults.draw(self.stream, self.passes.fetch_add(1, Ordering::Relaxed));
        self.faults.note(Fired::PassCut { qpn: qp.qpn() });
        // No request at all hands the queue over to the driver as it is. Pieces of 64 bytes to 1 MiB.
        let piece = 64 << ((chance >> 8) % 15);
        Some(Cut { requests: chance % 5, bytes: piece * (1 + (chance >> 16) % 4), piece })
    }

    /// The status that an initiator request is to end with instead of being executed.
    ///
    /// Called in the role of the send queue; one request may come several times.
    pub(in crate::device) fn initiator(
        &self,
        qp: &Qp,
        ticket: u64,
        kind: CompletionKind,
        context: u64,
    ) -> Option<Status> {
        once(&self.sent, ticket, &self.faults).then(|| self.faults.injected(qp, kind, context)).flatten()
    }

    /// The status that a receive is to end with instead of taking a message.
    ///
    /// Called in the role of the receive queue; one receive may come several times.
    pub(in crate::device) fn receive(
        &self,
        qp: &Qp,
        ticket: u64,
        kind: CompletionKind,
        context: u64,
    ) -> Option<Status> {
        once(&self.received, ticket, &self.faults).then(|| self.faults.injected(qp, kind, context)).flatten()
    }
}

/// The request of that ticket is counted now, and was not before.
fn once(counted: &AtomicU64, ticket: u64, faults: &Faults) -> bool {
    // Acquire: pairs with `inject`. Relaxed: written in one role only.
    if faults.injecting.load(Ordering::Acquire) == 0 || counted.load(Ordering::Relaxed) == ticket + 1 {
        return false;
    }
    counted.store(ticket + 1, Ordering::Relaxed); // as above
    true
}
