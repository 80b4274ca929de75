//! Protection domains, memory regions and memory windows.

use std::sync::Arc;

use rdma_sys as sys;

use crate::access::Access;
use crate::error::{Error, NotClosed};
use crate::node::{self, ContextNode, Node, Owned, PdNode};
use crate::qp::{Qp, QpDescription};
use crate::srq::{Srq, SrqDescription};

/// A protection domain: whose memory whose queue pairs may use.
#[derive(Debug)]
pub struct Pd {
    pub(crate) node: Arc<PdNode>,
}

impl Pd {
    pub(crate) fn new(context: &Arc<ContextNode>) -> Result<Self, Error> {
        // SAFETY: the context is open; the new domain is nobody else's.
        let owned = unsafe { Owned::new("ibv_alloc_pd", sys::ibv_alloc_pd(context.raw()))? };
        Ok(Self { node: Node::new(owned, context.clone()) })
    }

    /// Registers `length` bytes from `memory` on, for what `access` says.
    ///
    /// # Errors
    /// What the kernel says: ENOMEM beyond the limit of locked memory, EFAULT for memory that is not there,
    /// EINVAL for access bits that the device lacks.
    ///
    /// # Safety
    /// Until the region is gone, the bytes stay mapped and nobody holds a Rust reference to those that the
    /// device or a peer may write then. The region is gone when [`Mr::close`] has returned `Ok`. A region
    /// that is merely dropped is gone too unless its deregistration failed, so memory that is to be freed is
    /// closed first.
    pub unsafe fn register(&self, memory: *mut u8, length: usize, access: Access) -> Result<Mr, Error> {
        // The bare function; C's macro of this name differs for access bits that `Access` does not have.
        // SAFETY: the domain exists, and the caller vouches for the memory; the new region is nobody else's.
        let owned = unsafe {
            Owned::new(
                "ibv_reg_mr",
                sys::ibv_reg_mr(self.node.raw(), memory.cast(), length, access.0 as i32),
            )?
        };
        // SAFETY: the region exists, and its keys are set by now.
        let (lkey, rkey) = unsafe { ((*owned.as_ptr()).lkey, (*owned.as_ptr()).rkey) };
        let node = Node::new(owned, self.node.clone());
        Ok(Mr { node, lkey, rkey, address: memory as u64, length })
    }

    /// Creates a window of type 2, which is bound by work requests.
    ///
    /// # Errors
    /// That the device has none, or its limit of windows.
    pub fn create_mw(&self) -> Result<Mw, Error> {
        // SAFETY: the domain exists. The function checks that the provider has windows.
        let raw = unsafe { sys::ibv_alloc_mw(self.node.raw(), sys::ibv_mw_type::IBV_MW_TYPE_2) };
        let missing = Error::NotSupported { feature: "a memory window", reason: "the provider has none" };
        // SAFETY: the new window is nobody else's.
        let owned = unsafe { Owned::new("ibv_alloc_mw", raw.ok_or(missing)?)? };
        // SAFETY: the window exists, and its key is set by now.
        let first_rkey = unsafe { (*owned.as_ptr()).rkey };
        Ok(Mw { node: Node::new(owned, self.node.clone()), first_rkey, binding: std::sync::Mutex::new(()) })
    }

    /// Creates a shared receive queue.
    ///
    /// # Errors
    /// What the device says, such as EINVAL beyond its limits.
    pub fn create_srq(&self, description: &SrqDescription) -> Result<Srq, Error> {
        Srq::new(&self.node, description)
    }

    /// Creates a queue pair of a reliable connection.
    ///
    /// # Errors
    /// [`Error::Unfit`] for queues of another opened device; else what the device says, such as EINVAL beyond
    /// its limits.
    pub fn create_qp(&self, description: &QpDescription<'_>) -> Result<Qp, Error> {
        Qp::new(&self.node, description)
    }

    /// Destroys the domain, with an answer; [`Error::InUse`] while anything created from it is there.
    ///
    /// # Errors
    /// The domain is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        node::close(self.node).map_err(|(node, error)| NotClosed::new(Self { node }, error))
    }
}

/// A registered region of memory.
#[derive(Debug)]
pub struct Mr {
    pub(crate) node: Arc<Node<sys::ibv_mr, Arc<PdNode>>>,
    lkey: u32,
    rkey: u32,
    address: u64,
    length: usize,
}

impl Mr {
    /// The key of local requests.
    #[must_use]
    pub fn lkey(&self) -> u32 {
        self.lkey
    }

    /// The key that a peer is given.
    #[must_use]
    pub fn rkey(&self) -> u32 {
        self.rkey
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Deregisters, with an answer. After `Ok` neither device nor peer touches the memory.
    ///
    /// # Errors
    /// The region is handed back with the reason: EINVAL or EBUSY while windows are bound to it.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        let Self { node, lkey, rkey, address, length } = self;
        node::close(node)
            .map_err(|(node, error)| NotClosed::new(Self { node, lkey, rkey, address, length }, error))
    }
}

/// A memory window of type 2: a part of a region with a key of its own, bound and invalidated by requests.
#[derive(Debug)]
pub struct Mw {
    pub(crate) node: Arc<Node<sys::ibv_mw, Arc<PdNode>>>,
    first_rkey: u32,
    /// Held while a bind writes the library's copy of the key and reads it again.
    pub(crate) binding: std::sync::Mutex<()>,
}

impl Mw {
    /// The key it came with, which the first bind replaces; only its upper 24 bits stay.
    #[must_use]
    pub fn first_rkey(&self) -> u32 {
        self.first_rkey
    }

    /// Destroys the window, bound or not, with an answer.
    ///
    /// # Errors
    /// The window is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        let Self { node, first_rkey, binding } = self;
        node::close(node).map_err(|(node, error)| NotClosed::new(Self { node, first_rkey, binding }, error))
    }
}

/// The next key of a window: the low 8 bits, which belong to its owner, plus one, around.
///
/// rdma-sys has this as `ibv_inc_rkey`, which overflows for the last key.
#[must_use]
pub const fn next_rkey(rkey: u32) -> u32 {
    rkey & 0xffff_ff00 | rkey.wrapping_add(1) & 0xff
}

#[test]
fn the_next_key_keeps_the_index() {
    assert_eq!(next_rkey(0x1234_5600), 0x1234_5601);
    assert_eq!(next_rkey(0x1234_56ff), 0x1234_5600);
    assert_eq!(next_rkey(u32::MAX), 0xffff_ff00);
}
