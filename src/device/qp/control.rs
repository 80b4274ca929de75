//! What changes a queue pair as a whole: connection, flush, error, disconnect and close.

use super::{Qp, QpId};
use crate::device::agenda::{Task, framed};
use crate::device::connect::messenger::Connectable;
use crate::device::lifetime::{self, Life};
use crate::device::pinned::{pins, with_pin};
use crate::device::state::QpState;
use crate::device::{Device, Frame};
use crate::observe::{self, Event};
use crate::planted::planted;
use crate::ring::{Grace, HeldQueue, Link, Retired};
use crate::sync::Ordering;
use crate::work::Qpn;
use std::sync::{Arc, PoisonError};

/// A connector has the queue pair.
const TIED: u64 = 1;
/// It was disconnected or broken: no connector gets it again.
const USED_UP: u64 = 2;

impl Connectable for Qp {
    fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn qpn(&self) -> Qpn {
        self.qpn()
    }

    fn tie(&self) -> bool {
        if planted!(ConnectsTwice, "a queue pair is taken for a second connection") {
            return true;
        }
        // AcqRel: who gets it sees what the last connector left.
        self.tied.compare_exchange(0, TIED, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn release(self: &Arc<Self>) {
        // A failure says that the queue pair never got that far, or is in error: nothing to take back.
        let _ = self.exchange(QpState::ReadyToReceive, QpState::Init);
        // Release: the peer's engine looks at it before each delivery.
        self.peer.store(QpId::NONE.0, Ordering::Release);
        // AcqRel: as in `tie`; a failure says that it is used up.
        let _used_up = self.tied.compare_exchange(TIED, 0, Ordering::AcqRel, Ordering::Relaxed);
        if planted!(RefusalFlushes, "a connect that fails cancels the receives") {
            self.flush();
        }
    }

    fn on_fatal(&self, hook: Option<Box<dyn Fn() + Send + Sync>>) {
        *self.fatal_hook.lock().unwrap_or_else(PoisonError::into_inner) = hook.map(Arc::from);
    }

    fn is_broken(&self) -> bool {
        self.state() == QpState::Error
    }

    fn ready_to_send(&self) {
        if self.exchange(QpState::ReadyToReceive, QpState::ReadyToSend) {
            self.sq.open();
            let peer = Qpn(self.peer().index());
            observe::emit(Event::QpConnected { qpn: self.qpn(), peer });
        }
    }

    /// It and its peer go to error.
    fn error(self: &Arc<Self>) {
        self.on_fatal(None);
        framed(&self.device, |frame| self.device.enter_error(self, frame));
    }

    /// Everything pending is flushed; `done` is called once no byte of a buffer changes any more.
    fn disconnect(self: &Arc<Self>, done: impl FnOnce() + Send + 'static) {
        observe::emit(Event::QpDisconnected { qpn: self.qpn() });
        self.tied.swap(USED_UP, Ordering::AcqRel); // as in `tie`
        self.on_fatal(None);
        self.state.swap(QpState::Error as u64, Ordering::AcqRel); // as in `exchange`
        framed(&self.device, |frame| {
            self.sq.mark_closed();
            self.rq.mark_for_ever();
            frame.push(Task::Send(self.id));
            frame.push(Task::Receive(self.id));
        });
        let mut done = Some(done);
        if planted!(DisconnectEarly, "a disconnect does not wait for copies that are going on") {
            done.take().into_iter().for_each(crate::device::callbacks::call);
        }
        self.when_untouched(move || {
            if let Some(done) = done.take() {
                crate::device::callbacks::call(done);
            }
        });
    }
}

impl Qp {
    /// A connector has it, or had it until the connection ended.
    pub(in crate::device) fn has_connector(&self) -> bool {
        self.tied.load(Ordering::Relaxed) != 0 // written before the state that lets requests be posted
    }

    fn exchange(&self, from: QpState, to: QpState) -> bool {
        debug_assert!(from.may_become(to));
        // AcqRel: states are passed on with what belongs to them.
        self.state.compare_exchange(from as u64, to as u64, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Messages from `peer` are delivered from now on; reads in progress are limited as agreed.
    ///
    /// The inbound limit needs no bookkeeping here: within a process a read is over when its execution is.
    pub(crate) fn ready_to_receive(&self, peer: QpId, _inbound: u32, outbound: u32) {
        // Relaxed: published by the state and the tail.
        self.outbound_reads.store(u64::from(outbound), Ordering::Relaxed);
        self.peer.store(peer.0, Ordering::Release); // pairs with `peer`
        self.exchange(QpState::Init, QpState::ReadyToReceive);
    }

    /// Cancels every request that is pending on either queue; later ones live (NdkFlush).
    pub(crate) fn flush(self: &Arc<Self>) {
        observe::emit(Event::QpFlushed { qpn: self.qpn() });
        let mut frame = Frame::new();
        // The send queue first: its requests could still take receives that the flush cancels.
        let skip = planted!(FlushSkipsInitiator, "a flush leaves initiator requests pending");
        if let Some(held) = if skip { None } else { self.sq.flush() } {
            self.device.run_posted(self, held);
        }
        let skip = planted!(FlushSkipsReceives, "a flush leaves receives pending");
        if let Some(held) = if skip { None } else { self.rq.flush() } {
            with_pin(|pin| self.device.run_receive(pin, self, held, &mut frame));
        }
        self.device.settle(frame);
    }

    /// What a posted receive leaves to do: a flush that is late, a sender that waits.
    pub(super) fn after_receive(self: &Arc<Self>, held: Option<HeldQueue<'_>>, wake: bool) {
        let mut frame = Frame::new();
        if let Some(held) = held {
            with_pin(|pin| self.device.run_receive(pin, self, held, &mut frame));
        }
        if wake {
            frame.push(Task::Send(self.peer()));
        }
        self.device.settle(frame);
    }

    /// Calls `then` when both queues have been quiet and every pass that may have seen them alive is over.
    fn when_untouched(self: &Arc<Self>, mut then: impl FnMut() + Send + 'static) {
        let qp = Arc::clone(self);
        let mut passes = None;
        self.device.chore(move || {
            if passes.is_none() && qp.sq.is_quiet() && qp.rq.is_quiet() {
                passes = Some(pins().grace());
            }
            let untouched = passes.as_mut().is_some_and(Grace::is_over);
            if untouched {
                then();
            }
            untouched
        });
    }

    /// Begins the close: everything pending is flushed into the completion queues, then the queue pair goes.
    pub(crate) fn close(self: &Arc<Self>, callback: Option<lifetime::Task>) {
        self.on_fatal(None);
        let begun = framed(&self.device, |frame| {
            let begun = self.life.begin_close(callback, &mut frame.outbox);
            self.device.enter_error(self, frame);
            self.sq.mark_closed();
            frame.push(Task::Send(self.id));
            begun
        });
        if begun {
            observe::emit(Event::QpClosing { qpn: self.qpn() });
            let qp = Arc::clone(self);
            self.when_untouched(move || qp.leave());
        }
    }

    /// Takes the quiet queue pair out of the lists of others and out of the table, then lets its close
    /// complete.
    ///
    /// A pass that began earlier may list it once more after a taker has let go of it; so it goes only when
    /// it is in no list, every such pass is over, and it still is in none (model `relist_close`).
    fn leave(self: &Arc<Self>) {
        let qp = Arc::clone(self);
        let mut unlisted: Option<Grace> = None;
        let mut retired: Option<Retired<Arc<Qp>>> = None;
        self.device.chore(move || {
            if retired.is_none() {
                if qp.device.is_listed(&qp) {
                    unlisted = None;
                    return false;
                }
                if !unlisted.get_or_insert_with(|| pins().grace()).is_over() {
                    return false;
                }
                if qp.device.is_listed(&qp) {
                    unlisted = None;
                    return false;
                }
                retired = qp.device.qps.remove(qp.id.index());
            }
            if let Some(Err(later)) = retired.take().map(Retired::try_reclaim) {
                retired = Some(later);
                return false;
            }
            let hold = qp.quiet.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(hold);
            true
        });
    }
}

impl Device {
    /// The connection of `qp` is dead: it and its peer go to error, and everything pending on both is
    /// flushed.
    ///
    /// May be called in a role: it only marks, and leaves the rest to the agenda.
    pub(crate) fn enter_error(&self, qp: &Arc<Qp>, frame: &mut Frame) {
        // AcqRel: one caller finds it alive and goes on.
        let before = qp.state.swap(QpState::Error as u64, Ordering::AcqRel);
        // Also when another thread was first: it may not have come to its marks yet, and what is behind
        // the failure that brought us here must not fail too.
        qp.sq.mark_for_ever();
        qp.rq.mark_for_ever();
        if QpState::from_number(before) == QpState::Error {
            return;
        }
        observe::emit(Event::QpError { qpn: qp.qpn() });
        frame.push(Task::Send(qp.id));
        frame.push(Task::Receive(qp.id));
        let peer = qp.peer();
        if peer != QpId::NONE {
            frame.push(Task::Fail { peer, dead: qp.id });
        }
        if qp.fatal.raise() {
            frame.outbox.push(Arc::clone(qp) as _);
        }
    }

    /// A list still leads to the queue pair, which posts nothing any more; does what gets it off.
    fn is_listed(&self, qp: &Qp) -> bool {
        if qp.links.srq.is_listed() {
            self.wake_shared_queue_of(qp);
        }
        if qp.links.rnr.is_listed() {
            self.run_rnr();
        }
        [&qp.links.srq, &qp.links.rnr, &qp.links.ready].into_iter().any(Link::is_listed)
    }
}
