//! Shared receive queues.

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::pd::{self, PdCore};
use super::{Error, PostCall, PostError, Request, Sge, Status, post};
use crate::backend::{self, Refused};
use crate::device::lifetime::Life;
use crate::device::srq::{self, SrqCallback, SrqState};
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

pub(super) const CREATE: &str = "NdkCreateSrq";

const MODIFY: &str = "NdkModifySrq";

/// Receives that the messages of many queue pairs are delivered into.
///
/// A receive completes into the receive completion queue of the queue pair that took it, with that one's
/// context (SRQ-2). Flush, error or close of one queue pair leaves the queue and its other users working.
pub struct Srq {
    pub(super) srq: backend::Srq,
    pd: Arc<PdCore>,
}

/// What a shared receive queue is to be.
#[must_use = "it is made by Pd::create_srq_with"]
pub struct SrqDescription {
    depth: u32,
    max_sge: u32,
    threshold: u32,
    notify: Option<Notify>,
}

type Notify = Box<dyn Fn(&SrqEvent<'_>) + Send + Sync>;

impl SrqDescription {
    /// A queue of `depth` receives of up to `max_sge` entries each, without notification.
    pub fn new(depth: u32, max_sge: u32) -> Self {
        Self { depth, max_sge, threshold: 0, notify: None }
    }

    /// Calls `notify` when fewer than `threshold` receives are queued (`NotifyThreshold`).
    ///
    /// Once: then the threshold is disarmed until [`Srq::modify`] sets one (SRQ-4). Armed from the start, it
    /// counts once so many receives have been queued; 0 leaves it to [`Srq::modify`]. The queue's
    /// failure calls too, whatever the threshold.
    ///
    /// It runs on whatever thread took the receive, never while a call for the same queue is running. It must
    /// not block, and may make any call but the adapter's close. Post and modify by the [`SrqEvent`]: a
    /// closure that holds the [`Srq`] itself would keep it from being dropped. The closure is dropped when
    /// the queue is closed and it is not running.
    pub fn notify_below(
        mut self,
        threshold: u32,
        notify: impl Fn(&SrqEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.threshold = threshold;
        self.notify = Some(Box::new(notify));
        self
    }
}

impl fmt::Debug for SrqDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrqDescription")
            .field("depth", &self.depth)
            .field("max_sge", &self.max_sge)
            .field("threshold", &self.threshold)
            .field("notifies", &self.notify.is_some())
            .finish()
    }
}

/// A notification, and the shared receive queue that it is about.
pub struct SrqEvent<'a> {
    srq: &'a backend::Srq,
    adapter: &'a Arc<AdapterCore>,
    state: SrqState,
}

impl SrqEvent<'_> {
    /// SUCCESS: fewer receives are queued than the threshold says. INTERNAL_ERROR: the queue has failed, it
    /// and its queue pairs are dead.
    pub fn status(&self) -> Status {
        match self.state {
            SrqState::Working => Status::SUCCESS,
            SrqState::Fatal => Status::INTERNAL_ERROR,
        }
    }

    /// As [`Srq::receive`].
    ///
    /// # Errors
    /// As [`Srq::receive`].
    pub fn receive(&self, context: u64, sgl: &[Sge]) -> Result<(), PostError> {
        receive(self.srq, context, sgl)
    }

    /// As [`Srq::modify`]; a call that this brings about comes when the present one has returned.
    ///
    /// # Errors
    /// As [`Srq::modify`].
    pub fn modify(&self, depth: u32, notify_threshold: u32) -> Request<()> {
        modify(self.srq, self.adapter, depth, notify_threshold)
    }

    /// As [`Srq::len`].
    pub fn len(&self) -> usize {
        self.srq.len() as usize
    }

    /// As [`Srq::is_empty`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for SrqEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrqEvent").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The device's form of a callback, which finds its queue when it is called.
fn notification(
    notify: Notify,
    adapter: Weak<AdapterCore>,
    known: Arc<OnceLock<backend::WeakSrq>>,
) -> SrqCallback {
    Box::new(move |state| {
        // The caller has the queue in hand, and it was made known before anybody else could reach it.
        let srq = known.get().and_then(backend::WeakSrq::upgrade);
        if let (Some(srq), Some(adapter)) = (srq, adapter.upgrade()) {
            notify(&SrqEvent { srq: &srq, adapter: &adapter, state });
        }
    })
}

#[inline]
fn receive(srq: &backend::Srq, context: u64, sgl: &[Sge]) -> Result<(), PostError> {
    srq.post(context, sgl).map_err(|refused| post::refused(PostCall::SrqReceive, refused))
}

fn modify(srq: &backend::Srq, adapter: &Arc<AdapterCore>, depth: u32, threshold: u32) -> Request<()> {
    let modify = || {
        let max_depth = adapter.limits().max_srq_depth;
        if depth > max_depth {
            return Err(Error::new(MODIFY, Status::INVALID_PARAMETER)
                .with_argument("SrqDepth", depth)
                .with_limit(max_depth)
                .with_hint("ask for at most MaxSrqDepth receives, or for 0 to keep the depth"));
        }
        srq.modify(depth, threshold).map_err(|error| match error {
            Refused::Crowded(crowded) => Error::new(MODIFY, Status::BUFFER_OVERFLOW)
                .with_argument("SrqDepth", depth)
                .with_limit(format!("at least {}, the receives queued", crowded.entries))
                .with_hint("have some receives taken first, or ask for more; nothing was changed")
                .with_source(crowded),
            other => pd::refused(MODIFY, other),
        })
    };
    adapter.call(MODIFY, srq.life(), modify)
}

impl Srq {
    pub(super) fn new(pd: &Arc<PdCore>, of: SrqDescription) -> Result<Self, Error> {
        let limits = pd.adapter.limits();
        if limits.max_srq_depth == 0 {
            return Err(Error::new(CREATE, Status::NOT_SUPPORTED)
                .with_hint("give each queue pair receives of its own: MaxSrqDepth is 0 (SRQ-13)"));
        }
        let sizes = [
            ("SrqDepth", of.depth, 1, limits.max_srq_depth),
            ("MaxReceiveRequestSge", of.max_sge, 0, limits.max_receive_request_sge),
        ];
        for (argument, got, least, limit) in sizes {
            if got < least || got > limit {
                return Err(Error::new(CREATE, Status::INVALID_PARAMETER)
                    .with_argument(argument, got)
                    .with_limit(limit)
                    .with_hint("ask for at least one receive, and at most what the adapter's info says"));
            }
        }
        let known = Arc::new(OnceLock::new());
        let callback = |notify| notification(notify, Arc::downgrade(&pd.adapter), Arc::clone(&known));
        let description = srq::SrqDescription {
            depth: of.depth,
            sge: of.max_sge,
            threshold: of.threshold,
            callback: of.notify.map(callback),
        };
        let srq = pd.adapter.backend.create_srq(&pd.pd, description, vec![pd.hold()]);
        let srq = srq.map_err(|refused| pd::refused(CREATE, refused))?;
        known.get_or_init(|| srq.downgrade());
        Ok(Self { srq, pd: Arc::clone(pd) })
    }

    /// Changes the depth and arms the threshold (`NdkModifySrq`); 0 keeps the one or the other.
    ///
    /// Receives that are queued stay so, in their order. Threshold 0 keeps threshold and arm as they are
    /// (SRQ-6). Another one is armed from now on: it calls back once, when fewer receives than that are
    /// queued, by this very call if they are already (SRQ-5). A queue that was created without a callback
    /// notifies nobody.
    ///
    /// # Errors
    /// INVALID_PARAMETER: `depth` is above [`max_srq_depth`](super::AdapterInfo::max_srq_depth).
    /// BUFFER_OVERFLOW: more receives than `depth` are queued; nothing has changed, the threshold neither
    /// (SRQ-8).
    pub fn modify(&self, depth: u32, notify_threshold: u32) -> Request<()> {
        modify(&self.srq, &self.pd.adapter, depth, notify_threshold)
    }

    /// Posts a receive for any queue pair of this queue (`NdkSrqReceive`), connected or not.
    ///
    /// # Errors
    /// NO_MORE_ENTRIES: the queue is full. DATA_OVERRUN: too many entries.
    #[inline]
    pub fn receive(&self, context: u64, sgl: &[Sge]) -> Result<(), PostError> {
        receive(&self.srq, context, sgl)
    }

    /// Receives that it holds at most.
    pub fn depth(&self) -> u32 {
        self.srq.depth() as u32
    }

    /// Receives queued, at some moment during the call.
    pub fn len(&self) -> usize {
        self.srq.len() as usize
    }

    /// No receive is queued, at some moment during the call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.pd.adapter
    }

    pub(super) fn belongs_to(&self, pd: &PdCore) -> bool {
        std::ptr::eq(&*self.pd, pd)
    }

    /// Closes the queue; pends while a queue pair uses it. Receives still queued vanish without completions
    ///
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.pd.adapter.late_close(self.life());
        self.srq.close(Some(callback));
        request
    }
}

impl Object for Srq {
    fn life(&self) -> &Arc<Life> {
        self.srq.life()
    }
}

impl Drop for Srq {
    fn drop(&mut self) {
        if !self.life().is_closing() {
            self.srq.close(None);
        }
    }
}

impl fmt::Debug for Srq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.srq.fmt(f)
    }
}
