//! Shared receive queues: receives that the messages of many queue pairs are delivered into.

use super::agenda::{Frame, Task};
use super::callbacks::{Deliver, Outbox};
use super::lifetime::{self, Hold, Life};
use super::notifier::{self, Notifier, Notify};
use super::pinned::with_pin;
use super::qp::{PostRefused, Qp, put_entries, receive_request};
use super::users::Users;
use super::{Device, agenda::framed};
use crate::observe;
use crate::planted::planted;
use crate::ring::{Crowded, Pin, Retired, SharedRing, TableFull};
use crate::sync::{AtomicU64, Ordering};
use crate::work::SendRequest;
use std::fmt;
use std::sync::Arc;

/// What a notification says of its shared receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SrqState {
    /// Fewer receives are queued than its threshold says.
    Working,
    /// It has failed: it and its queue pairs are dead.
    Fatal,
}

/// Hears of a threshold that was crossed, and of the queue's failure; calls for one queue never overlap.
pub(crate) type SrqCallback = notifier::Callback<SrqState>;

/// What a shared receive queue is made of; limits are judged by the face.
pub(crate) struct SrqDescription {
    pub(crate) depth: u32,
    /// Scatter/gather entries that a receive may have.
    pub(crate) sge: u32,
    /// Armed from the start: the callback hears once so many receives were queued and then fewer are; 0: off.
    pub(crate) threshold: u32,
    pub(crate) callback: Option<SrqCallback>,
}

/// A shared receive queue.
pub(crate) struct Srq {
    pub(crate) life: Arc<Life>,
    device: Arc<Device>,
    pub(super) index: u32,
    sge: u32,
    pub(super) ring: SharedRing,
    notifier: Notifier<SrqState>,
    users: Users,
    /// Not 0: it has failed.
    failed: AtomicU64,
    /// The queue pairs know that it has.
    users_told: AtomicU64,
}

impl Device {
    /// A shared receive queue. Control: locks and allocates.
    ///
    /// # Errors
    /// [`TableFull`]: 2^24 - 1 of them exist.
    pub(crate) fn create_srq(
        self: &Arc<Self>,
        of: SrqDescription,
        antecedents: Vec<Hold>,
    ) -> Result<Arc<Srq>, TableFull> {
        let life = Life::new(antecedents);
        let mut made = None;
        self.srqs.insert(|index, _| {
            let srq = Arc::new(Srq::new(Arc::clone(self), index, of, life));
            made = Some(Arc::clone(&srq));
            srq
        })?;
        Ok(made.expect("the table has called the maker"))
    }

    fn wake(&self, pin: &Pin<'_>, srq: &Srq, frame: &mut Frame) {
        let qp = |index| self.qps.get(pin, index);
        srq.ring.wake(
            |index| qp(index).map(|qp| &qp.links.srq),
            |index| {
                if let Some(qp) = qp(index) {
                    frame.push(Task::Send(qp.id()));
                }
            },
        );
    }

    /// Wakes everybody at the shared receive queue where `qp` waits, which takes it off the list.
    pub(super) fn wake_shared_queue_of(&self, qp: &Qp) {
        let mut frame = Frame::new();
        with_pin(|pin| {
            let index = qp.links.waits_at_srq.load(Ordering::Acquire); // stored before the link was listed
            // A queue that is gone has woken everybody.
            if let Some(srq) = self.srqs.get(pin, index as u32) {
                self.wake(pin, srq, &mut frame);
            }
        });
        self.settle(frame);
    }
}

impl Srq {
    fn new(device: Arc<Device>, index: u32, of: SrqDescription, life: Arc<Life>) -> Self {
        let notifier = Notifier::new(of.callback.map_or(Notify::Nobody, Notify::Callback));
        let deaf = planted!(ThresholdNeverFires, "the threshold of a shared receive queue is ignored");
        let threshold = if notifier.is_heard && !deaf { of.threshold } else { 0 };
        Self {
            life,
            device,
            index,
            sge: of.sge,
            ring: SharedRing::with_limit(of.depth, SendRequest::side_words(of.sge, 0), threshold),
            notifier,
            users: Users::default(),
            failed: AtomicU64::new(0),
            users_told: AtomicU64::new(0),
        }
    }

    /// Changes the depth and arms the threshold, each unless it is 0. Control: locks and allocates.
    ///
    /// A threshold above the number queued notifies at once. On a queue that has failed every threshold does.
    ///
    /// # Errors
    /// [`Crowded`]: more receives than the depth are queued; nothing has changed.
    pub(crate) fn modify(self: &Arc<Self>, depth: u32, threshold: u32) -> Result<(), Crowded> {
        let threshold = if self.notifier.is_heard { threshold } else { 0 };
        let below = self.ring.modify(depth, threshold)?;
        let below = below && !planted!(ModifyTellsNobody, "a threshold set above the count calls nobody");
        if below || threshold != 0 && self.state() == SrqState::Fatal {
            let mut outbox = Outbox::new();
            self.fire(&mut outbox);
            outbox.emit();
        }
        Ok(())
    }

    /// The queue fails, for a reason of its own: its queue pairs go to error, and its callback hears of it.
    ///
    /// Receives can still be posted, and vanish with the queue: no queue pair takes them any more.
    pub(crate) fn fail(self: &Arc<Self>) {
        // AcqRel: who sees it failed sees why.
        if self.failed.swap(1, Ordering::AcqRel) == 0 {
            let mut outbox = Outbox::new();
            self.fire(&mut outbox);
            outbox.emit();
        }
    }

    pub(crate) fn state(&self) -> SrqState {
        // Acquire: pairs with `fail`.
        if self.failed.load(Ordering::Acquire) != 0 { SrqState::Fatal } else { SrqState::Working }
    }

    pub(super) fn attach(&self, qp: &Arc<Qp>) {
        self.users.add(qp);
    }

    /// One more thing for the user to hear of.
    pub(super) fn fire(self: &Arc<Self>, outbox: &mut Outbox) {
        self.notifier.fire(self, outbox);
    }

    fn tell_queue_pairs(&self) {
        // Relaxed: only which delivery is the first counts.
        if self.state() == SrqState::Fatal && self.users_told.swap(1, Ordering::Relaxed) == 0 {
            observe::emit(observe::Event::SrqFailed);
            self.users.fail(&self.device);
        }
    }

    pub(crate) fn depth(&self) -> u64 {
        self.ring.depth()
    }

    /// Receives queued, at some moment during the call.
    pub(crate) fn len(&self) -> u64 {
        self.ring.len()
    }

    /// Scatter/gather entries that a receive may have.
    pub(crate) fn sge(&self) -> u32 {
        self.sge
    }

    /// Posts a receive; it completes into the receive completion queue of the queue pair that takes it.
    #[inline]
    pub(crate) fn post(&self, context: u64, sgl: &[crate::work::Sge]) -> Result<(), PostRefused> {
        let request = receive_request(context, sgl, self.sge)?;
        let taken = self.ring.post(1, |_, payload, side| {
            request.encode(payload);
            put_entries(sgl, side);
        });
        if taken == 0 {
            return Err(PostRefused::Full { depth: self.ring.depth() });
        }
        if planted!(SrqWakesNobody, "a receive posted to an SRQ wakes no sender that waits") {
            return Ok(());
        }
        if self.ring.is_awaited() {
            self.wake();
        }
        Ok(())
    }

    /// Wakes every sender that waits for a receive.
    #[inline(never)] // few posts meet one
    fn wake(&self) {
        let mut frame = Frame::new();
        with_pin(|pin| self.device.wake(pin, self, &mut frame));
        self.device.settle(frame);
    }

    /// Begins the close; it completes when no queue pair uses the queue any more. Its receives vanish.
    pub(crate) fn close(self: &Arc<Self>, callback: Option<lifetime::Task>) {
        let srq = Arc::clone(self);
        self.life.set_teardown(move || srq.leave());
        framed(&self.device, |frame| self.life.begin_close(callback, &mut frame.outbox));
        self.notifier.silence();
    }

    /// Takes the queue out of the table: the queue pairs that used it are gone, so no sender lists itself any
    /// more.
    fn leave(self: &Arc<Self>) {
        self.wake();
        let mut retired = self.device.srqs.remove(self.index);
        self.device.chore(move || match retired.take().map(Retired::try_reclaim) {
            Some(Err(later)) => {
                retired = Some(later);
                false
            }
            Some(Ok(_)) | None => true,
        });
    }
}

impl Deliver for Srq {
    fn deliver(self: Arc<Self>) {
        self.notifier.deliver(&self.life, || self.tell_queue_pairs(), || self.notifier.tell(self.state()));
    }
}

impl fmt::Debug for Srq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srq").field("depth", &self.depth()).field("len", &self.len()).finish_non_exhaustive()
    }
}
