//! Queue pairs with completion queues in plain user space, modelled on Windows NDK.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("qpair needs a 64-bit target: addresses, tickets and counters are 64 bits wide");

pub mod ring;
pub(crate) mod sync;

#[cfg(not(qpair_loom))]
pub(crate) mod backend;
#[cfg(not(qpair_loom))]
pub(crate) mod cm;
#[cfg(not(qpair_loom))]
pub(crate) mod device;
#[cfg(not(qpair_loom))]
pub(crate) mod direct;
#[cfg(not(qpair_loom))]
pub(crate) mod fabric;
#[cfg(not(qpair_loom))]
pub(crate) mod host;
#[cfg(not(qpair_loom))]
pub(crate) mod memory;
#[cfg(not(qpair_loom))]
pub mod ndk;
#[cfg(not(qpair_loom))]
pub(crate) mod observe;
#[cfg(not(qpair_loom))]
pub(crate) mod time;
#[cfg(not(qpair_loom))]
pub(crate) mod work;
