//! Queue pairs of either kind.

use super::either::either;
#[cfg(feature = "rdma-core")]
use super::real;
use super::{Cq, Pd, Region, Srq, Window};
use crate::device::faults::Faults;
use crate::device::lifetime::{Life, Task};
use crate::device::qp::{self, Bind, Data, How, Operation, PostRefused, QpCounters, Rules};
use crate::memory::{Binding, PageList};
use crate::time::Span;
use crate::work::{Key, Qpn, RequestFlags, Sge};
use std::fmt;
use std::sync::Arc;

/// A queue pair.
#[derive(Clone)]
pub(crate) enum Qp {
    Emulated(Arc<qp::Qp>),
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Qp>),
}

/// What a queue pair is made of; limits and belonging are judged by the face.
#[derive(Clone, Debug)]
pub(crate) struct QpDescription {
    pub(crate) pd: Pd,
    pub(crate) send_cq: Cq,
    pub(crate) receive_cq: Cq,
    pub(crate) srq: Option<Srq>,
    pub(crate) context: u64,
    pub(crate) send_depth: u32,
    pub(crate) receive_depth: u32,
    pub(crate) send_sge: u32,
    pub(crate) receive_sge: u32,
    pub(crate) inline: u32,
    pub(crate) rnr_limit: Option<Span>,
    pub(crate) rules: Rules,
    pub(crate) faults: Option<Arc<Faults>>,
}

impl QpDescription {
    /// The same for an emulated device; `None`: an object of it is real.
    pub(super) fn emulated(self) -> Option<qp::QpDescription> {
        let cq = |cq| match cq {
            Cq::Emulated(cq) => Some(cq),
            #[cfg(feature = "rdma-core")]
            Cq::Real(_) => None,
        };
        let srq = match self.srq {
            None => None,
            Some(Srq::Emulated(srq)) => Some(srq),
            #[cfg(feature = "rdma-core")]
            Some(Srq::Real(_)) => return None,
        };
        Some(qp::QpDescription {
            pd: self.pd.number(),
            send_cq: cq(self.send_cq)?,
            receive_cq: cq(self.receive_cq)?,
            srq,
            context: self.context,
            send_depth: self.send_depth,
            receive_depth: self.receive_depth,
            send_sge: self.send_sge,
            receive_sge: self.receive_sge,
            inline: self.inline,
            rnr_limit: self.rnr_limit,
            rules: self.rules,
            faults: self.faults,
        })
    }
}

impl Qp {
    pub(crate) fn life(&self) -> &Arc<Life> {
        either!(self, qp => &qp.life)
    }

    /// Number of its protection domain.
    pub(crate) fn pd(&self) -> u32 {
        either!(self, qp => qp.pd())
    }

    pub(crate) fn qpn(&self) -> Qpn {
        either!(self, qp => qp.qpn())
    }

    pub(crate) fn counters(&self) -> QpCounters {
        either!(self, qp => qp.counters())
    }

    #[inline]
    pub(crate) fn post_receive(&self, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        either!(self, qp => qp.post_receive(context, sgl))
    }

    /// Posts an initiator request; `refused` makes the error.
    ///
    /// It is called in each arm of the branch, so that the arms need not meet again for the answer.
    #[inline]
    pub(crate) fn post_send<E>(
        &self,
        operation: &Operation,
        data: Data<'_>,
        flags: RequestFlags,
        deferred: bool,
        context: u64,
        refused: impl FnOnce(PostRefused) -> E,
    ) -> Result<(), E> {
        either!(self, qp => qp.post_send(operation, data, flags, deferred, context).map_err(refused))
    }

    /// Posts the binding of a window; gives its new key.
    pub(crate) fn post_bind(
        &self,
        window: &Window,
        #[cfg_attr(not(feature = "rdma-core"), expect(unused_variables, reason = "its key says as much"))]
        region: &Region,
        binding: Binding,
        how: How,
    ) -> Result<Key, PostRefused> {
        match (self, window) {
            (Self::Emulated(qp), Window::Emulated { home, .. }) => {
                qp.post_bind(&Bind { window: *home, binding }, how)
            }
            #[cfg(feature = "rdma-core")]
            (Self::Real(qp), Window::Real(window)) => {
                let Region::Real(region) = region else {
                    unreachable!("the face judges that all is of one adapter")
                };
                qp.post_bind(window, region, binding, how)
            }
            #[cfg(feature = "rdma-core")]
            _ => unreachable!("the face judges that all is of one adapter"),
        }
    }

    /// Posts a fast registration; gives its new key.
    pub(crate) fn post_fast_register(
        &self,
        home: Key,
        list: &PageList<'_>,
        how: How,
    ) -> Result<Key, PostRefused> {
        match self {
            Self::Emulated(qp) => qp.post_fast_register(home, list, how),
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => unreachable!("a real device makes no region for it"),
        }
    }

    /// Posts the invalidation of what was last posted for a window.
    pub(crate) fn post_unbind(&self, window: &Window, how: How) -> Result<(), PostRefused> {
        match (self, window) {
            (Self::Emulated(qp), Window::Emulated { home, .. }) => qp.post_invalidate(*home, how),
            #[cfg(feature = "rdma-core")]
            (Self::Real(qp), Window::Real(window)) => qp.post_invalidate(window, how),
            #[cfg(feature = "rdma-core")]
            _ => unreachable!("the face judges that all is of one adapter"),
        }
    }

    /// Posts the invalidation of what was last posted for a fast-register entry.
    pub(crate) fn post_invalidate(&self, home: Key, how: How) -> Result<(), PostRefused> {
        match self {
            Self::Emulated(qp) => qp.post_invalidate(home, how),
            #[cfg(feature = "rdma-core")]
            Self::Real(_) => unreachable!("a real device makes no region for it"),
        }
    }

    /// Exposes what was deferred, as a call that fails must.
    pub(crate) fn expose_deferred(&self) {
        either!(self, qp => qp.expose_deferred());
    }

    pub(crate) fn flush(&self) {
        either!(self, qp => qp.flush());
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        either!(self, qp => qp.close(callback));
    }
}

impl fmt::Debug for Qp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(self, qp => qp.fmt(f))
    }
}
