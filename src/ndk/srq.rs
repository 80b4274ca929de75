//! Shared receive queues.

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::pd::{self, PdCore};
use super::{Error, PostCall, PostError, Request, Sge, Status, post};
use crate::device::lifetime::Life;
use crate::device::srq;
use std::fmt;
use std::sync::Arc;

pub(super) const CREATE: &str = "NdkCreateSrq";

/// Receives that the messages of many queue pairs are delivered into.
///
/// A receive completes into the receive completion queue of the queue pair that took it, with that one's
/// context (SRQ-2). Flush, error or close of one queue pair leaves the queue and its other users working.
pub struct Srq {
    pub(super) srq: Arc<srq::Srq>,
    pd: Arc<PdCore>,
}

impl Srq {
    pub(super) fn new(pd: &Arc<PdCore>, depth: u32, max_sge: u32) -> Result<Self, Error> {
        let limits = pd.adapter.limits();
        if limits.max_srq_depth == 0 {
            return Err(Error::new(CREATE, Status::NOT_SUPPORTED)
                .with_hint("give each queue pair receives of its own: MaxSrqDepth is 0 (SRQ-13)"));
        }
        let sizes = [
            ("SrqDepth", depth, 1, limits.max_srq_depth),
            ("MaxReceiveRequestSge", max_sge, 0, limits.max_receive_request_sge),
        ];
        for (argument, got, least, limit) in sizes {
            if got < least || got > limit {
                return Err(Error::new(CREATE, Status::INVALID_PARAMETER)
                    .with_argument(argument, got)
                    .with_limit(limit)
                    .with_hint("ask for at least one receive, and at most what the adapter's info says"));
            }
        }
        let device = pd.adapter.backend.device();
        let srq = device.create_srq(depth, max_sge, vec![pd.hold()]);
        Ok(Self { srq: srq.map_err(|full| pd::table_full(CREATE, full))?, pd: Arc::clone(pd) })
    }

    /// Posts a receive for any queue pair of this queue (`NdkSrqReceive`), connected or not.
    ///
    /// # Errors
    /// NO_MORE_ENTRIES: the queue is full. DATA_OVERRUN: too many entries.
    #[inline]
    pub fn receive(&self, context: u64, sgl: &[Sge]) -> Result<(), PostError> {
        self.srq.post(context, sgl).map_err(|refused| post::refused(PostCall::SrqReceive, refused))
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
        &self.srq.life
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
