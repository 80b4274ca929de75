//! What ends requests without carrying them out: flush, disconnect, close, and the loss of the device.
//!
//! A device cancels only by moving a queue pair to error, an emulated one keeps its state:
//!
//! | queue pair | flush, emulated | flush here |
//! |---|---|---|
//! | not connected | receives cancelled | the same; receives posted meanwhile wait, and stay |
//! | accepting, with receives | receives cancelled, goes on | receives cancelled, the connection ends |
//! | connected | both queues cancelled, stays connected | both queues cancelled, the connection ends |
//! | in error or disconnected | all is cancelled already | the same |
//!
//! Who may move the device's queue pair when is said by its [`Phases`](crate::ring::Phases).

#![forbid(unsafe_code)]

use super::lock;
use super::qp::Qp;
use crate::device::callbacks::{self, Outbox};
use crate::device::connect::messenger::Connectable;
use crate::device::lifetime::{Life, Task};
use crate::ring::{Phase, Turn};
use crate::sync::Ordering;
use crate::time::Span;
use crate::work::Qpn;
use std::mem::replace;
use std::sync::Arc;

/// A connector has the queue pair.
const TIED: u64 = 1;
/// It was disconnected: no connector gets it again.
const USED_UP: u64 = 2;

/// So long a device may take to cancel what is pending; it does so at once, or is gone.
const PATIENCE: Span = Span::from_secs(10);

impl Connectable for Qp {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn qpn(&self) -> Qpn {
        self.qpn()
    }

    fn tie(&self) -> bool {
        // AcqRel: who gets it sees what the last connector left.
        self.tied.compare_exchange(0, TIED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn release(self: &Arc<Self>) {
        if let Err(error) = self.back_to_init() {
            tracing::error!(qp = self.number(), %error, "not brought back to Init");
            self.break_down();
            self.answer_rest(); // the device has forgotten it
        }
        // AcqRel: as in `tie`; a failure says that it is used up.
        let _used_up = self.tied.compare_exchange(TIED, 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn on_fatal(&self, hook: Option<Box<dyn Fn() + Send + Sync>>) {
        let before = replace(&mut *lock(&self.fatal_hook), hook.map(Arc::from));
        drop(before);
    }

    fn is_broken(&self) -> bool {
        self.phase() == Phase::Error
    }

    fn ready_to_send(&self) {
        self.open();
    }

    fn error(self: &Arc<Self>) {
        self.on_fatal(None);
        if self.phases.end(Phase::Error) {
            self.cancel();
        }
    }

    fn disconnect(self: &Arc<Self>, done: impl FnOnce() + Send + 'static) {
        self.tied.swap(USED_UP, Ordering::AcqRel); // as in `tie`
        self.on_fatal(None);
        self.phases.end(Phase::Closed);
        self.cancel();
        let mut done = Some(done);
        self.when_drained(move || {
            if let Some(done) = done.take() {
                callbacks::call(done);
            }
        });
    }
}

impl Qp {
    /// Has the device cancel everything, for good.
    fn cancel(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        self.end_in_error(&mut outbox);
        outbox.emit();
    }

    /// The device was brought back while all was over already: it is moved to error again, and what it has
    /// forgotten is answered.
    pub(super) fn cancel_again(self: &Arc<Self>) {
        self.cancel();
        self.answer_forgotten_sends();
    }

    /// Cancels the initiator requests that the device had when it was reset.
    pub(super) fn answer_forgotten_sends(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        if let Some(held) = self.sends.ring.flush() {
            self.run_sends(held, &mut outbox);
        }
        outbox.emit();
    }

    /// Cancels every request that is pending on either queue (NdkFlush).
    pub(crate) fn flush(self: &Arc<Self>) {
        self.expose_deferred();
        let begun = self.adapter.now();
        loop {
            match self.phase() {
                Phase::Connected => return self.flush_by_end(),
                Phase::Error | Phase::Closed => return,
                _ if self.srq.is_some() || self.receives.ring.pending() == 0 => return,
                Phase::Readied => return self.flush_by_end(),
                Phase::Init | Phase::Flushed | Phase::Returning => {}
            }
            if self.flush_unconnected() || self.adapter.now() - begun > PATIENCE {
                return;
            }
            std::thread::yield_now(); // whose turn it is goes on meanwhile
        }
    }

    fn flush_by_end(self: &Arc<Self>) {
        self.break_down();
        self.when_drained(|| ()); // looks until all have come back, polled or not
    }

    /// Cancels what the device has of an unconnected queue pair, and holds back what is posted meanwhile;
    /// false: it is not this call's turn.
    fn flush_unconnected(self: &Arc<Self>) -> bool {
        let begun = self.with_receives(|qp, held, ender| {
            qp.pass_receives(held, ender);
            qp.phases.begin_flush(qp.receives.given.get(), qp.receives.figures.completed.get())
        });
        match begun {
            Ok(true) => {
                self.move_to_error();
                let qp = Arc::clone(self);
                self.adapter.chore_later(move || qp.try_settle());
                self.settle_flush();
                true
            }
            Ok(false) => true,
            // Another flush is for what was posted before it alone.
            Err(Phase::Flushed) => !self.settle_flush(),
            Err(_) => false,
        }
    }

    /// Waits until a flush of the unconnected queue pair is through; false: it does not end.
    pub(super) fn settle_flush(self: &Arc<Self>) -> bool {
        let begun = self.adapter.now();
        while !self.try_settle() {
            if self.adapter.now() - begun > PATIENCE {
                tracing::error!(qp = self.number(), "a flush does not end");
                return false;
            }
            std::thread::yield_now(); // the kernel cancels meanwhile
        }
        true
    }

    /// Brings a flushed queue pair back; true: there is none to bring back any more.
    fn try_settle(self: &Arc<Self>) -> bool {
        if self.phases.is_settled() {
            return true;
        }
        self.receive_cq.settle();
        let turn = self.with_receives(|qp, held, ender| {
            held.pass(&qp.receives.ring, ender);
            qp.phases.end_flush(qp.receives.figures.completed.get(), || qp.back())
        });
        match turn {
            Ok(Turn::Lasts) => return false,
            Ok(Turn::Nobody | Turn::Ended) => {}
            Ok(Turn::Over) => self.cancel_again(),
            Err(error) => {
                tracing::error!(qp = self.number(), %error, "not brought back after a flush");
                self.phases.end(Phase::Error);
                self.answer_rest();
            }
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
        self.phases.end(Phase::Closed);
        self.settle_flush();
        self.cancel();
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
    fn is_drained(self: &Arc<Self>) -> bool {
        let empty = || self.sends.ring.is_quiet() && self.receives.ring.is_quiet();
        empty() || {
            self.send_cq.settle();
            self.receive_cq.settle();
            empty()
        }
    }

    /// Cancels what is pending without the device, and what will be posted; always true.
    fn answer_rest(self: &Arc<Self>) -> bool {
        let requests = self.sends.ring.pending() + self.receives.ring.pending();
        tracing::warn!(qp = self.number(), requests, "answered without the device");
        let mut outbox = Outbox::new();
        if let Some(held) = self.sends.ring.flush_for_ever() {
            self.run_sends(held, &mut outbox);
        }
        if let Some(held) = self.receives.ring.flush_for_ever() {
            self.run_receives(held, &mut outbox);
        }
        outbox.emit();
        true
    }
}
