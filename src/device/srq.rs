//! Shared receive queues: receives that the messages of many queue pairs are delivered into.

use super::agenda::{Frame, Task};
use super::lifetime::{self, Hold, Life};
use super::pinned::with_pin;
use super::qp::{PostRefused, Qp, put_entries, receive_request};
use super::{Device, agenda::framed};
use crate::ring::{Pin, Retired, SharedRing, TableFull};
use crate::sync::Ordering;
use crate::work::SendRequest;
use std::fmt;
use std::sync::Arc;

/// A shared receive queue.
pub(crate) struct Srq {
    pub(crate) life: Arc<Life>,
    device: Arc<Device>,
    pub(super) index: u32,
    sge: u32,
    pub(super) ring: SharedRing,
}

impl Device {
    /// A shared receive queue of `depth` receives of up to `sge` entries. Control: locks and allocates.
    ///
    /// # Errors
    /// [`TableFull`]: 2^24 - 1 of them exist.
    pub(crate) fn create_srq(
        self: &Arc<Self>,
        depth: u32,
        sge: u32,
        antecedents: Vec<Hold>,
    ) -> Result<Arc<Srq>, TableFull> {
        let life = Life::new(antecedents);
        let mut made = None;
        self.srqs.insert(|index, _| {
            let ring = SharedRing::new(depth, SendRequest::side_words(sge, 0));
            let srq = Arc::new(Srq { life, device: Arc::clone(self), index, sge, ring });
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
        let mut frame = Frame::new();
        with_pin(|pin| self.device.wake(pin, self, &mut frame));
        self.device.settle(frame);
        Ok(())
    }

    /// Begins the close; it completes when no queue pair uses the queue any more. Its receives vanish.
    pub(crate) fn close(self: &Arc<Self>, callback: Option<lifetime::Task>) {
        let srq = Arc::clone(self);
        self.life.set_teardown(move || srq.leave());
        framed(&self.device, |frame| self.life.begin_close(callback, &mut frame.outbox));
    }

    /// Takes the queue out of the table: the queue pairs that used it are gone, so no sender lists itself any
    /// more.
    fn leave(self: &Arc<Self>) {
        let mut frame = Frame::new();
        with_pin(|pin| self.device.wake(pin, self, &mut frame));
        self.device.settle(frame);
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

impl fmt::Debug for Srq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srq").field("depth", &self.depth()).field("len", &self.len()).finish_non_exhaustive()
    }
}
