//! Safe wrappers over libibverbs and librdmacm, close to the libraries and small enough to audit.
//!
//! What stays as in verbs: objects, attributes, work requests, completions, events, and when each may be
//! used. What types take over:
//! - **Lifetimes.** An object keeps its parents alive; dropping it destroys it, and `close` does so with an
//!   answer. Nothing can be destroyed while something else still needs it, and what was created before a
//!   failure goes with it.
//! - **Events.** Completion, asynchronous and connection events are acknowledged before they are handed on,
//!   so no destruction can wait for an acknowledgement. They name their object by a key that its creator
//!   chose.
//! - **Devices.** Objects of two devices are never combined; libibverbs does not check and would mistake
//!   their types.
//!
//! What stays with the caller is memory: a region is registered by raw pointer ([`Pd::register`] says what
//! must hold), and from then on devices and peers touch it as its access bits allow.
//!
//! May come in: what libibverbs and librdmacm offer, under their names. Not here: qpair, or any policy of
//! retries, threads or connection set-up. Unsafe code is in every file but `error`, since each talks to the
//! libraries.
//!
//! ```no_run
//! use qpair_rdma_core::{Access, Context};
//! let context = Context::open("rxe0")?;
//! let pd = context.create_pd()?;
//! let memory: &'static mut [u8] = Box::leak(Box::new([0; 4096]));
//! // SAFETY: leaked, so it stays valid for ever, and is touched through the region only.
//! let region = unsafe { pd.register(memory.as_mut_ptr(), memory.len(), Access::LOCAL_WRITE)? };
//! println!("{} has {} bytes under key {:#x}", context.name(), region.length(), region.lkey());
//! # Ok::<(), qpair_rdma_core::Error>(())
//! ```

#![cfg(target_os = "linux")]

mod access;
mod attributes;
pub mod cm;
mod completion;
mod context;
mod cq;
mod error;
mod event;
mod memory;
mod node;
mod qp;
mod shim;
mod srq;
mod wait;

pub use access::Access;
pub use attributes::{DeviceAttributes, GidEntry, GidType, LinkLayer, PortAttributes, PortState};
pub use completion::{Completion, Opcode, Status};
pub use context::{Context, DeviceEntry, built_with_atomic_write, built_with_flush, devices};
pub use cq::{CompletionChannel, Cq};
pub use error::{Error, NotClosed};
pub use event::{AsyncEvent, AsyncEventKind, Source};
pub use memory::{Mr, Mw, Pd, next_rkey};
pub use qp::{
    Batch, Bind, Flags, Mtu, Operation, Operations, Payload, Placement, PostError, Qp, QpAttributes,
    QpDescription, QpInfo, QpState, Remote, Route, SendRequest, Sge,
};
pub use srq::{Srq, SrqDescription};
pub use wait::{Waker, wait_readable};
