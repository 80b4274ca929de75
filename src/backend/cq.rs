//! Completion queues of either kind.

use super::either::either;
#[cfg(feature = "rdma-core")]
use super::real;
use super::refused::Refused;
use crate::device::cq::{self, CqCounters, CqState};
use crate::device::faults::Faults;
use crate::device::lifetime::Life;
use crate::device::moderation::Moderation;
use crate::ring::ArmLevel;
use crate::work::Completion;
use event_listener::EventListener;
use std::sync::{Arc, Weak};

/// A completion queue.
#[derive(Clone, Debug)]
pub(crate) enum Cq {
    Emulated(Arc<cq::Cq>),
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Cq>),
}

/// A completion queue that is not kept.
#[derive(Clone, Debug)]
pub(crate) enum WeakCq {
    Emulated(Weak<cq::Cq>),
    #[cfg(feature = "rdma-core")]
    Real(Weak<real::Cq>),
}

impl WeakCq {
    /// The queue, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<Cq> {
        match self {
            Self::Emulated(cq) => cq.upgrade().map(Cq::Emulated),
            #[cfg(feature = "rdma-core")]
            Self::Real(cq) => cq.upgrade().map(Cq::Real),
        }
    }
}

impl Cq {
    pub(crate) fn downgrade(&self) -> WeakCq {
        match self {
            Self::Emulated(cq) => WeakCq::Emulated(Arc::downgrade(cq)),
            #[cfg(feature = "rdma-core")]
            Self::Real(cq) => WeakCq::Real(Arc::downgrade(cq)),
        }
    }

    pub(crate) fn life(&self) -> &Arc<Life> {
        either!(self, cq => &cq.life)
    }

    /// Lets `faults` delay its completions; a real device has no faults on purpose.
    pub(crate) fn delay_by(&self, faults: Arc<Faults>) {
        match self {
            Self::Emulated(cq) => cq.delay_by(faults),
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => unreachable!("an adapter of a real device is not opened with faults"),
        }
    }

    /// Takes up to `out.len()` completions, the oldest first.
    #[inline]
    pub(crate) fn poll<T>(&self, out: &mut [T], make: impl FnMut(&Completion) -> T) -> usize {
        either!(self, cq => cq.poll(out, make))
    }

    pub(crate) fn arm(&self, level: ArmLevel) {
        either!(self, cq => cq.arm(level));
    }

    pub(crate) fn listen(&self) -> EventListener {
        either!(self, cq => cq.listen())
    }

    pub(crate) fn state(&self) -> CqState {
        either!(self, cq => cq.state())
    }

    pub(crate) fn depth(&self) -> u64 {
        either!(self, cq => cq.depth())
    }

    pub(crate) fn len(&self) -> u64 {
        either!(self, cq => cq.len())
    }

    pub(crate) fn counters(&self) -> CqCounters {
        either!(self, cq => cq.counters())
    }

    pub(crate) fn silence(&self) {
        either!(self, cq => cq.silence());
    }

    /// The queue fails, by order of a fault.
    pub(crate) fn fail(&self) {
        either!(self, cq => cq.fail());
    }

    /// Changes the depth; completions, their order and the arm stay.
    ///
    /// # Errors
    /// [`Refused::Crowded`]: more are in it. What a real device refuses.
    pub(crate) fn resize(&self, depth: u32) -> Result<(), Refused> {
        match self {
            Self::Emulated(cq) => Ok(cq.resize(depth)?),
            #[cfg(feature = "rdma-core")]
            Self::Real(cq) => cq.resize(depth),
        }
    }

    pub(crate) fn moderate(&self, moderation: Moderation) {
        match self {
            Self::Emulated(cq) => cq.moderate(moderation),
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => unreachable!("an adapter of a real device does not have the flag for it"),
        }
    }
}
