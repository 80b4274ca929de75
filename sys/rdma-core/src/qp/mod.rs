//! Queue pairs of reliable connections: creation, states, receives. Sends are in `post`.
//!
//! May come in: other transports, as kinds of the description. Not here: how a connection is made (`cm`, or
//! the caller, who knows the peer's numbers).

mod attributes;
mod post;
mod request;

use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

use rdma_sys as sys;

use crate::attributes::DeviceAttributes;
use crate::cq::{Cq, CqNode};
use crate::error::{Error, NotClosed, answer};
use crate::node::{self, ContextNode, Node, Owned, PdNode, same_device};
use crate::shim;
use crate::srq::{Srq, SrqNode};

pub use attributes::{Mtu, QpAttributes, QpInfo, QpState, Route};
pub use post::{Batch, PostError};
pub use request::{Bind, Flags, Operation, Operations, Payload, Placement, Remote, SendRequest, Sge};

/// What a queue pair is created with.
#[derive(Clone, Debug)]
pub struct QpDescription<'a> {
    /// Where sends complete.
    pub send_cq: &'a Cq,
    /// Where receives complete.
    pub receive_cq: &'a Cq,
    /// Where receives come from, if not from a queue of its own.
    pub srq: Option<&'a Srq>,
    /// Room for sends, at least.
    pub send_requests: u32,
    /// Room for receives, at least; without meaning with a shared receive queue.
    pub receive_requests: u32,
    /// Scatter/gather entries of a send.
    pub send_sge: u32,
    /// Scatter/gather entries of a receive.
    pub receive_sge: u32,
    /// Bytes that may be posted inline.
    pub inline_bytes: u32,
    /// Whether every send completes visibly, signalled or not.
    pub all_signalled: bool,
    /// What will be posted. What of it the device lacks is missing in [`Qp::operations`].
    pub operations: Operations,
    /// Whether `ibv_wr_*` is used where it can be; if not, or else, `ibv_post_send`.
    pub extended: bool,
    /// Its name in events.
    pub key: u64,
}

impl<'a> QpDescription<'a> {
    /// Both queues on `cq`: 16 requests of one entry each way, no inline data, the operations of every
    /// device.
    #[must_use]
    pub fn new(cq: &'a Cq) -> Self {
        Self {
            send_cq: cq,
            receive_cq: cq,
            srq: None,
            send_requests: 16,
            receive_requests: 16,
            send_sge: 1,
            receive_sge: 1,
            inline_bytes: 0,
            all_signalled: false,
            operations: Operations::BASIC,
            extended: true,
            key: 0,
        }
    }
}

/// What must outlive a queue pair.
#[derive(Debug)]
struct Parents {
    pd: Arc<PdNode>,
    _send_cq: Arc<CqNode>,
    _receive_cq: Arc<CqNode>,
    srq: Option<Arc<SrqNode>>,
}

/// What a queue pair can take; set at creation.
#[derive(Clone, Copy, Debug)]
struct Limits {
    send_sge: u32,
    receive_sge: u32,
    inline_bytes: u32,
    operations: Operations,
    /// Those of them that `ibv_wr_*` has a function for; the others go through `ibv_post_send`.
    functions: Operations,
    /// Whether `ibv_wr_set_sge_list` gets the length of a list wrong, as that of soft-RoCE does.
    miscounts_lists: bool,
}

/// A queue pair of a reliable connection. Any thread may post.
#[derive(Debug)]
pub struct Qp {
    node: Arc<Node<sys::ibv_qp, Parents>>,
    extended: Option<Extended>,
    limits: Limits,
    number: u32,
    /// libibverbs writes the state into the queue pair on both, without a lock of its own.
    modify_or_query: Mutex<()>,
}

/// The extended view of a queue pair: the same object, seen with its functions for posting.
#[derive(Clone, Copy, Debug)]
struct Extended(NonNull<sys::ibv_qp_ex>);

// SAFETY: a second pointer to the object of `Qp::node`, for which `Owned` makes the argument; it is used only
// while the node is held.
unsafe impl Send for Extended {}
// SAFETY: as above.
unsafe impl Sync for Extended {}

impl Extended {
    /// Those of the operations that the queue pair was created for of which the provider has a function.
    fn functions(self, created_for: Operations) -> Operations {
        // SAFETY: called at creation, when the queue pair exists; it reads what the provider has set by then,
        // and of the newest functions only such as the library knew when it was asked for them.
        Operations::of_bits(unsafe { shim::qpair_shim_wr_functions(self.0.as_ptr(), created_for.bits()) })
    }
}

impl Qp {
    pub(crate) fn new(pd: &Arc<PdNode>, description: &QpDescription<'_>) -> Result<Self, Error> {
        let context = &pd.parents;
        same_device("create_qp", "send_cq", context, &description.send_cq.node.parents.0)?;
        same_device("create_qp", "receive_cq", context, &description.receive_cq.node.parents.0)?;
        if let Some(srq) = description.srq {
            same_device("create_qp", "srq", context, &srq.node.parents.parents)?;
        }
        let device = crate::context::attributes(context)?;
        let miscounts_lists = device.is_soft_roce();
        let mut init = init(pd, description);
        let (owned, mut operations, extended) = create(pd, &mut init, description, &device)?;
        let functions = extended.map_or(Operations::NONE, |view| view.functions(operations));
        if extended.is_some() {
            // There is no other way to post the newest.
            operations = operations & (Operations::BASIC | functions);
        }
        // SAFETY: the queue pair exists, and its number never changes.
        let number = unsafe { (*owned.as_ptr()).qp_num };
        let parents = Parents {
            pd: pd.clone(),
            _send_cq: description.send_cq.node.clone(),
            _receive_cq: description.receive_cq.node.clone(),
            srq: description.srq.map(|srq| srq.node.clone()),
        };
        let limits = Limits {
            send_sge: init.cap.max_send_sge,
            receive_sge: init.cap.max_recv_sge,
            inline_bytes: init.cap.max_inline_data,
            operations,
            functions,
            miscounts_lists,
        };
        let node = Node::new(owned, parents);
        Ok(Self { node, extended, limits, number, modify_or_query: Mutex::new(()) })
    }

    /// The device it is of.
    fn context(&self) -> &Arc<ContextNode> {
        &self.node.parents.pd.parents
    }

    /// Its number, 24 bits.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What can be posted.
    #[must_use]
    pub fn operations(&self) -> Operations {
        self.limits.operations
    }

    /// Whether sends go through `ibv_wr_*`, so that a batch is posted as a whole, with one doorbell.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.extended.is_some()
    }

    /// Bytes that can be posted inline: at least as many as were asked for.
    #[must_use]
    pub fn inline_bytes(&self) -> u32 {
        self.limits.inline_bytes
    }

    /// Posts a receive.
    ///
    /// # Errors
    /// [`Error::Unfit`] with a shared receive queue; [`Error::TooLarge`] for too many entries; ENOMEM if the
    /// queue is full; EINVAL before the queue pair is in [`QpState::Init`].
    pub fn post_receive(&self, id: u64, elements: &[Sge]) -> Result<(), Error> {
        if self.node.parents.srq.is_some() {
            let problem = "has a shared receive queue: post there";
            return Err(Error::Unfit { call: "post_receive", argument: "the queue pair", problem });
        }
        with_receive("post_receive", id, elements, self.limits.receive_sge, |request, refused| {
            // SAFETY: the queue pair exists, and the request and its entries are valid for the call, which
            // copies them.
            answer("ibv_post_recv", unsafe { sys::ibv_post_recv(self.node.raw(), request, refused) })
        })
    }

    /// Changes state and attributes together.
    ///
    /// # Errors
    /// EINVAL for a move that there is not, or attributes that do not belong to it.
    pub fn modify(&self, attributes: &QpAttributes) -> Result<(), Error> {
        let _one = self.modify_or_query.lock().unwrap_or_else(PoisonError::into_inner);
        let QpAttributes { mut raw, mask } = attributes.clone();
        // SAFETY: the queue pair exists; the attributes are valid for the call.
        let status = unsafe { sys::ibv_modify_qp(self.node.raw(), &mut raw, mask) };
        answer("ibv_modify_qp", status)
    }

    /// State and attributes as the device sees them.
    ///
    /// # Errors
    /// What the device says.
    pub fn query(&self) -> Result<QpInfo, Error> {
        let _one = self.modify_or_query.lock().unwrap_or_else(PoisonError::into_inner);
        let mut raw = MaybeUninit::<sys::ibv_qp_attr>::zeroed();
        let mut init = MaybeUninit::<sys::ibv_qp_init_attr>::zeroed();
        let mask = QpInfo::MASK;
        // SAFETY: the queue pair exists, and there are places for both answers.
        let status = unsafe { sys::ibv_query_qp(self.node.raw(), raw.as_mut_ptr(), mask, init.as_mut_ptr()) };
        answer("ibv_query_qp", status)?;
        // SAFETY: numbers only, zeroed and then written.
        Ok(QpInfo::new(unsafe { raw.assume_init_ref() }))
    }

    /// Destroys the queue pair, with an answer. Its completions that were not polled are gone.
    ///
    /// # Errors
    /// The queue pair is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        let Self { node, extended, limits, number, modify_or_query } = self;
        node::close(node).map_err(|(node, error)| {
            NotClosed::new(Self { node, extended, limits, number, modify_or_query }, error)
        })
    }
}

/// The attributes that both ways of creation share.
fn init(pd: &Arc<PdNode>, description: &QpDescription<'_>) -> sys::ibv_qp_init_attr_ex {
    // SAFETY: numbers and pointers only, for which zeroes mean absent.
    let mut init: sys::ibv_qp_init_attr_ex = unsafe { std::mem::zeroed() };
    init.qp_context = description.key as *mut _; // never followed as a pointer
    init.send_cq = description.send_cq.node.raw();
    init.recv_cq = description.receive_cq.node.raw();
    init.srq = description.srq.map_or(null_mut(), |srq| srq.node.raw());
    init.cap = sys::ibv_qp_cap {
        max_send_wr: description.send_requests,
        max_recv_wr: description.receive_requests,
        max_send_sge: description.send_sge,
        max_recv_sge: description.receive_sge,
        max_inline_data: description.inline_bytes,
    };
    init.qp_type = sys::ibv_qp_type::IBV_QPT_RC;
    init.sq_sig_all = i32::from(description.all_signalled);
    init.pd = pd.raw();
    init
}

/// Creates the queue pair with as much as the device has: all operations, those of every device, or a plain
/// one.
fn create(
    pd: &Arc<PdNode>,
    init: &mut sys::ibv_qp_init_attr_ex,
    description: &QpDescription<'_>,
    device: &DeviceAttributes,
) -> Result<(Owned<sys::ibv_qp>, Operations, Option<Extended>), Error> {
    let basic = description.operations & Operations::BASIC;
    for operations in description.operations.tries(device).into_iter().filter(|_| description.extended) {
        let mut attributes = *init;
        attributes.comp_mask = (sys::ibv_qp_init_attr_mask::IBV_QP_INIT_ATTR_PD
            | sys::ibv_qp_init_attr_mask::IBV_QP_INIT_ATTR_SEND_OPS_FLAGS)
            .0;
        attributes.send_ops_flags = operations.bits();
        // SAFETY: domain, queues and context exist and are of one device; the new queue pair is nobody
        // else's.
        let made = unsafe {
            let raw = shim::qpair_shim_create_qp_ex(pd.parents.raw(), &mut attributes);
            Owned::new("ibv_create_qp_ex", raw)
        };
        match made {
            Ok(owned) => {
                init.cap = attributes.cap;
                // SAFETY: the queue pair exists; null if it has no extended view.
                let view = unsafe { sys::ibv_qp_to_qp_ex(owned.as_ptr()) };
                let view = NonNull::new(view).ok_or_else(|| Error::last("ibv_qp_to_qp_ex"))?;
                return Ok((owned, operations, Some(Extended(view))));
            }
            // Old providers say EINVAL of what they do not know; the plain call then says what is really
            // wrong.
            Err(error) if error.is_not_supported() || error.errno() == Some(libc::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
    // SAFETY: the plain attributes are the beginning of the extended ones (test of layouts: sizes; verbs.h
    // relies on it too). Domain and queues exist and are of one device; the new queue pair is nobody else's.
    let owned = unsafe {
        let plain: *mut sys::ibv_qp_init_attr_ex = init;
        Owned::new("ibv_create_qp", sys::ibv_create_qp(pd.raw(), plain.cast()))?
    };
    Ok((owned, basic, None))
}

/// Makes a receive of `elements` and hands it to `post`, with a place for the one that is refused.
pub(crate) fn with_receive(
    call: &'static str,
    id: u64,
    elements: &[Sge],
    limit: u32,
    post: impl FnOnce(*mut sys::ibv_recv_wr, *mut *mut sys::ibv_recv_wr) -> Result<(), Error>,
) -> Result<(), Error> {
    request::check_elements(call, elements.len(), limit)?;
    let mut request = sys::ibv_recv_wr {
        wr_id: id,
        next: null_mut(),
        sg_list: Sge::list(elements),
        num_sge: elements.len() as i32, // checked against the limit
    };
    post(&mut request, &mut null_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn send(_: *mut sys::ibv_qp_ex) {}
    unsafe extern "C" fn list(_: *mut sys::ibv_qp_ex, _: usize, _: *const sys::ibv_sge) {}
    unsafe extern "C" fn inline(_: *mut sys::ibv_qp_ex, _: *mut std::ffi::c_void, _: usize) {}

    #[test]
    fn functions_that_a_provider_leaves_out_are_missed() {
        // SAFETY: numbers, pointers and functions, for which zeroes mean absent.
        let mut raw: sys::ibv_qp_ex = unsafe { std::mem::zeroed() };
        let all = Operations::BASIC | Operations::FLUSH | Operations::ATOMIC_WRITE;
        let functions = |raw: &mut sys::ibv_qp_ex, of: Operations| Extended(NonNull::from(raw)).functions(of);
        raw.wr_send = Some(send);
        raw.wr_set_sge_list = Some(list);
        assert_eq!(functions(&mut raw, all), Operations::NONE, "there is no way to give it bytes");
        raw.wr_set_inline_data = Some(inline);
        assert_eq!(functions(&mut raw, all), Operation::Send.kind().0);
        assert_eq!(functions(&mut raw, Operation::SendInvalidate(1).kind().0), Operations::NONE);
    }
}
