//! What ends requests without carrying them out: flush, disconnect, close, and the loss of the device.
//!
//! A device cancels only by moving a queue pair to error, an emulated one keeps its state:
//!
//! | queue pair | flush, emulated | flush here |
//! |---|---|---|
//! | not connected | receives cancelled | the same; receives posted meanwhile wait, and stay |
//! | connected | both queues cancelled, stays connected | both queues cancelled, the connection ends |
//! | in error or disconnected | all is cancelled already | the same |

#![forbid(unsafe_code)]

use super::qp::{Phase, Qp, to_init};
use super::{lock, status};
use crate::device::callbacks::{self, Outbox};
use crate::device::lifetime::Task;
use crate::sync::Ordering;
use crate::time::Span;
use crate::work::Status;
use qpair_rdma_core::{QpAttributes, QpState};
use std::sync::Arc;

/// A connector has the queue pair.
const TIED: u64 = 1;
/// It was disconnected: no connector gets it again.
const USED_UP: u64 = 2;

/// So long a device may take to cancel what is pending; it does so at once, or is gone.
const PATIENCE: Span = Span::from_secs(10);

impl Qp {
    /// Takes the queue pair for a connector; false: another has it, or it is used up.
    pub(super) fn tie(&self) -> bool {
        // AcqRel: who gets it sees what the last connector left.
        self.tied.compare_exchange(0, TIED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives it back as it was before the attempt that failed, receives kept; an error stays.
    pub(super) fn release(self: &Arc<Self>) {
        if let Err(error) = self.back_to_init() {
            tracing::error!(qp = self.number(), %error, "not brought back to Init");
            self.break_down();
        }
        // AcqRel: as in `tie`; a failure says that it is used up.
        let _used_up = self.tied.compare_exchange(TIED, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// The connection is dead, and its connector knows.
    pub(super) fn error(&self) {
        self.on_fatal(None);
        if self.set_phase(Phase::Error) {
            self.move_to_error();
        }
    }

    /// Ends the connection; `done` is called, as a callback, when everything pending has been cancelled.
    pub(super) fn disconnect(self: &Arc<Self>, done: impl FnOnce() + Send + 'static) {
        self.tied.swap(USED_UP, Ordering::AcqRel); // as in `tie`
        self.on_fatal(None);
        self.set_phase(Phase::Closed);
        self.move_to_error();
        let mut done = Some(done);
        self.when_drained(move || {
            if let Some(done) = done.take() {
                callbacks::call(done);
            }
        });
    }

    /// Cancels every request that is pending on either queue (NdkFlush).
    pub(crate) fn flush(self: &Arc<Self>) {
        self.expose_deferred();
        match self.phase() {
            Phase::Connected => self.break_down(),
            Phase::Error | Phase::Closed => {}
            Phase::Unconnected => {
                let mut receives = lock(&self.receives);
                if self.srq.is_some() || receives.shadow.is_empty() || receives.kept_from.is_some() {
                    // Those that are kept back while a flush is going on are cancelled by the next one only
                    // if it comes after that: it is over within milliseconds.
                    drop(receives);
                    self.settle_flush();
                    return;
                }
                receives.kept_from = Some(receives.next_ticket());
                drop(receives);
                self.move_to_error();
                let qp = Arc::clone(self);
                self.adapter.chore_later(move || qp.try_settle());
                self.settle_flush();
            }
        }
    }

    /// Waits until a flush of the unconnected queue pair is through.
    pub(super) fn settle_flush(&self) {
        let begun = self.adapter.now();
        while !self.try_settle() {
            if self.adapter.now() - begun > PATIENCE {
                tracing::error!(qp = self.number(), "a flush does not end");
                return;
            }
            std::thread::yield_now(); // the kernel cancels meanwhile
        }
    }

    /// Brings a flushed queue pair back; true: there is none to bring back any more.
    fn try_settle(&self) -> bool {
        if lock(&self.receives).kept_from.is_none() {
            return true;
        }
        self.receive_cq.gather();
        let mut receives = lock(&self.receives);
        match receives.kept_from {
            None => return true,
            Some(from) if receives.shadow.first() < from && !receives.shadow.is_empty() => return false,
            Some(_) => {}
        }
        let back = self
            .qp
            .modify(&QpAttributes::to(QpState::Reset))
            .and_then(|()| self.qp.modify(&to_init(&self.adapter)))
            .and_then(|()| receives.post_all(&self.qp));
        if let Err(error) = back {
            tracing::error!(qp = self.number(), %error, "not brought back after a flush");
            receives.kept_from = None;
            self.set_phase(Phase::Error);
        }
        true
    }

    /// Begins the close: everything pending is cancelled into the completion queues, then the device's queue
    /// pair goes.
    pub(crate) fn close(self: &Arc<Self>, callback: Option<Task>) {
        self.on_fatal(None);
        self.expose_deferred();
        let mut outbox = Outbox::new();
        let begun = self.life.begin_close(callback, &mut outbox);
        outbox.emit();
        if !begun {
            return;
        }
        self.set_phase(Phase::Closed);
        self.settle_flush();
        self.move_to_error();
        let mut qp = Some(Arc::clone(self));
        self.when_drained(move || {
            if let Some(qp) = qp.take() {
                qp.leave();
            }
        });
    }

    /// Nobody finds it any more; its close completes when nobody else holds it.
    fn leave(&self) {
        self.adapter.forget_qp(self.key);
        self.send_cq.detach(self.number());
        self.receive_cq.detach(self.number());
        let hold = lock(&self.quiet).take();
        drop(hold);
    }

    /// The device is gone: what is pending is answered.
    pub(super) fn lose(self: &Arc<Self>) {
        self.break_down();
        let deadline = self.adapter.now() + Span::from_millis(100);
        let qp = Arc::clone(self);
        self.adapter.chore_later(move || qp.is_drained() || qp.adapter.now() > deadline && qp.answer_rest());
    }

    /// Calls `then` when every request has completed; what the device does not cancel is answered here.
    fn when_drained(self: &Arc<Self>, mut then: impl FnMut() + Send + 'static) {
        let qp = Arc::clone(self);
        let deadline = self.adapter.now() + PATIENCE;
        self.adapter.chore(move || {
            let over = qp.is_drained() || qp.adapter.now() > deadline && qp.answer_rest();
            if over {
                then();
            }
            over
        });
    }

    /// Takes what has been cancelled; true: nothing is pending.
    fn is_drained(&self) -> bool {
        let empty = || lock(&self.sends).shadow.is_empty() && lock(&self.receives).shadow.is_empty();
        empty() || {
            self.send_cq.gather();
            self.receive_cq.gather();
            empty()
        }
    }

    /// Cancels what is pending without the device; always true.
    fn answer_rest(&self) -> bool {
        let cancelled = |slot: &_| status::answered(slot, Status::Flushed, self.qpn(), self.context);
        let sends: Vec<_> = {
            let mut sends = lock(&self.sends);
            std::iter::from_fn(|| sends.shadow.take_first()).map(|slot| cancelled(&slot)).collect()
        };
        let receives: Vec<_> = {
            let mut receives = lock(&self.receives);
            std::iter::from_fn(|| receives.shadow.take_first()).map(|slot| cancelled(&slot)).collect()
        };
        tracing::warn!(
            qp = self.number(),
            requests = sends.len() + receives.len(),
            "answered without the device"
        );
        self.send_cq.answer(&sends);
        self.receive_cq.answer(&receives);
        true
    }
}
