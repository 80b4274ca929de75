//! Shared receive queues.

use std::sync::Arc;

use rdma_sys as sys;

use crate::error::{Error, NotClosed, answer};
use crate::node::{self, Node, Owned, PdNode};
use crate::qp::{Sge, with_receive};

pub(crate) type SrqNode = Node<sys::ibv_srq, Arc<PdNode>>;

/// What a shared receive queue is created with.
#[derive(Clone, Copy, Debug)]
pub struct SrqDescription {
    /// Requests it has room for, at least.
    pub requests: u32,
    /// Scatter/gather entries of a request.
    pub sge: u32,
    /// Its name in events.
    pub key: u64,
}

/// A queue of receives for several queue pairs.
#[derive(Debug)]
pub struct Srq {
    pub(crate) node: Arc<SrqNode>,
    sge: u32,
}

impl Srq {
    pub(crate) fn new(pd: &Arc<PdNode>, description: &SrqDescription) -> Result<Self, Error> {
        let attributes =
            sys::ibv_srq_attr { max_wr: description.requests, max_sge: description.sge, srq_limit: 0 };
        let mut init = sys::ibv_srq_init_attr { srq_context: description.key as *mut _, attr: attributes };
        // SAFETY: the domain exists; the key is never followed as a pointer; the new queue is nobody else's.
        let owned = unsafe { Owned::new("ibv_create_srq", sys::ibv_create_srq(pd.raw(), &mut init))? };
        Ok(Self { node: Node::new(owned, pd.clone()), sge: init.attr.max_sge })
    }

    /// Posts a receive.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for too many entries; ENOMEM if the queue is full.
    pub fn post(&self, id: u64, elements: &[Sge]) -> Result<(), Error> {
        with_receive("post", id, elements, self.sge, |request, refused| {
            // SAFETY: the queue exists, and the request and its entries are valid for the call, which copies
            // them.
            answer("ibv_post_srq_recv", unsafe { sys::ibv_post_srq_recv(self.node.raw(), request, refused) })
        })
    }

    /// Sets the limit below which [`SrqLimitReached`](crate::AsyncEventKind::SrqLimitReached) comes, once.
    ///
    /// # Errors
    /// EINVAL for more than there is room for.
    pub fn set_limit(&self, limit: u32) -> Result<(), Error> {
        self.modify(
            sys::ibv_srq_attr { max_wr: 0, max_sge: 0, srq_limit: limit },
            sys::ibv_srq_attr_mask::IBV_SRQ_LIMIT,
        )
    }

    /// Changes the room to at least `requests`, keeping what is posted.
    ///
    /// # Errors
    /// EINVAL for fewer than are posted or than the limit; that the device cannot.
    pub fn resize(&self, requests: u32) -> Result<(), Error> {
        self.modify(
            sys::ibv_srq_attr { max_wr: requests, max_sge: 0, srq_limit: 0 },
            sys::ibv_srq_attr_mask::IBV_SRQ_MAX_WR,
        )
    }

    fn modify(&self, mut attributes: sys::ibv_srq_attr, mask: sys::ibv_srq_attr_mask) -> Result<(), Error> {
        // SAFETY: the queue exists; the attributes are valid for the call.
        let status = unsafe { sys::ibv_modify_srq(self.node.raw(), &mut attributes, mask.0 as i32) };
        answer("ibv_modify_srq", status)
    }

    /// Room in requests, and the limit that is set; zero once it was reached.
    ///
    /// # Errors
    /// What the device says.
    pub fn query(&self) -> Result<(u32, u32), Error> {
        let mut attributes = sys::ibv_srq_attr { max_wr: 0, max_sge: 0, srq_limit: 0 };
        // SAFETY: the queue exists, and there is a place for the answer.
        answer("ibv_query_srq", unsafe { sys::ibv_query_srq(self.node.raw(), &mut attributes) })?;
        Ok((attributes.max_wr, attributes.srq_limit))
    }

    /// Destroys the queue, with an answer; [`Error::InUse`] while a queue pair receives from it.
    ///
    /// # Errors
    /// The queue is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        let Self { node, sge } = self;
        node::close(node).map_err(|(node, error)| NotClosed::new(Self { node, sge }, error))
    }
}
