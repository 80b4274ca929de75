//! Shared receive queues of either kind.

use super::either::either;
#[cfg(feature = "rdma-core")]
use super::real;
use super::refused::Refused;
use crate::device::lifetime::{Life, Task};
use crate::device::qp::PostRefused;
use crate::device::srq;
use crate::work::Sge;
use std::sync::{Arc, Weak};

/// A shared receive queue.
#[derive(Clone, Debug)]
pub(crate) enum Srq {
    Emulated(Arc<srq::Srq>),
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Srq>),
}

/// A shared receive queue that is not kept.
#[derive(Clone, Debug)]
pub(crate) enum WeakSrq {
    Emulated(Weak<srq::Srq>),
    #[cfg(feature = "rdma-core")]
    Real(Weak<real::Srq>),
}

impl WeakSrq {
    /// The queue, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<Srq> {
        match self {
            Self::Emulated(srq) => srq.upgrade().map(Srq::Emulated),
            #[cfg(feature = "rdma-core")]
            Self::Real(srq) => srq.upgrade().map(Srq::Real),
        }
    }
}

impl Srq {
    pub(crate) fn downgrade(&self) -> WeakSrq {
        match self {
            Self::Emulated(srq) => WeakSrq::Emulated(Arc::downgrade(srq)),
            #[cfg(feature = "rdma-core")]
            Self::Real(srq) => WeakSrq::Real(Arc::downgrade(srq)),
        }
    }

    pub(crate) fn life(&self) -> &Arc<Life> {
        either!(self, srq => &srq.life)
    }

    #[inline]
    pub(crate) fn post(&self, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        either!(self, srq => srq.post(context, sgl))
    }

    /// Changes depth and threshold, each unless it is 0.
    ///
    /// # Errors
    /// [`Refused::Crowded`]: more receives than that are queued. What a real device refuses.
    pub(crate) fn modify(&self, depth: u32, threshold: u32) -> Result<(), Refused> {
        match self {
            Self::Emulated(srq) => Ok(srq.modify(depth, threshold)?),
            #[cfg(feature = "rdma-core")]
            Self::Real(srq) => srq.modify(depth, threshold),
        }
    }

    pub(crate) fn depth(&self) -> u64 {
        either!(self, srq => srq.depth())
    }

    pub(crate) fn len(&self) -> u64 {
        either!(self, srq => srq.len())
    }

    pub(crate) fn state(&self) -> srq::SrqState {
        either!(self, srq => srq.state())
    }

    /// The queue fails, by order of a fault.
    pub(crate) fn fail(&self) {
        either!(self, srq => srq.fail());
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        either!(self, srq => srq.close(callback));
    }
}
