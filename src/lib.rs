//! Queue pairs with completion queues in plain user space, modelled on Windows NDK.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("qpair needs a 64-bit target: addresses, tickets and counters are 64 bits wide");

#[cfg(not(qpair_loom))]
pub(crate) mod cm;
pub mod ring;
pub(crate) mod sync;

#[cfg(not(qpair_loom))]
pub(crate) mod device;
#[cfg(not(qpair_loom))]
pub(crate) mod memory;
#[cfg(not(qpair_loom))]
pub mod ndk;
#[cfg(not(qpair_loom))]
pub(crate) mod time;
#[cfg(not(qpair_loom))]
pub(crate) mod work;
