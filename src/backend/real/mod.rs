//! Devices of the kernel behind the NDK face: libibverbs and librdmacm through `qpair-rdma-core`.
//!
//! Each object wraps one of verbs and has a [`Life`](crate::device::lifetime::Life) as the emulated ones do.
//! What verbs does otherwise is made good here:
//! - **Shadows** ([`shadow`]). Each queue remembers of every request what verbs does not bring back: context,
//!   kind, length, whether it is silent. It is a ring as the emulated device has it: whoever has its role
//!   gives the device what was posted ([`engine`]), and completes what the device has told of. Successes of
//!   silent requests are retired by the next completion behind them; now and then one of them is signalled
//!   for that, and its completion swallowed.
//! - **Completion queues** ([`cq`]) find the queue pair of an entry and the request that it ends
//!   ([`dispatch`]). Completions go into a ring, out of which results come first; who takes entries from the
//!   device is a role too, and pollers that do not get it go on.
//! - **The culprit** ([`culprit`]). A device may flush the request that has broken its queue pair like the
//!   others; it is found out, and whether for its memory ([`grants`]).
//! - **One thread** for each adapter ([`adapter`]) waits for what the device and the connection manager tell.
//! - **Connectors** ([`connect`]) run the machine of `cm`, as those of a NET do: here its messages are calls
//!   of rdma_cm, and the events of rdma_cm its messages. Whether a peer that took its leave is there still,
//!   the device is asked ([`probe`]).
//!
//! Posts, polls and deliveries take no lock here but the provider's own, and on bad ways: when a connection
//! breaks, and to explain what has failed; a bind takes that of its window. Control calls wait for a
//! role. May come in: moderated notifications. Not here: names, statuses and limits of the face, calls of
//! the C libraries. Without unsafe code but for the registration of memory ([`memory`]).

mod adapter;
mod capabilities;
mod close;
mod connect;
mod cq;
mod culprit;
mod dispatch;
mod endpoint;
mod engine;
mod features;
mod grants;
mod hear;
mod memory;
mod post;
mod probe;
mod push;
mod qp;
mod receive;
mod request;
mod shadow;
mod srq;
mod status;
mod window;

pub(crate) use adapter::{Adapter, OpenError};
pub(crate) use capabilities::Capabilities;
pub(crate) use connect::{Connector, Listener, RdmaCm, SharedEndpoint};
pub(crate) use cq::Cq;
pub(crate) use memory::{Pd, Region};
pub(crate) use qp::Qp;
pub(crate) use srq::Srq;
pub(crate) use window::Window;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names of the devices that the kernel has and the library knows.
pub(crate) fn names() -> Result<Vec<String>, OpenError> {
    Ok(qpair_rdma_core::devices()?.into_iter().map(|device| device.name).collect())
}

/// A poisoned lock is sound: below those of this room no user code runs.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
