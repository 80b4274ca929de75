//! Every wrapper on a real device: `cargo xtask softroce` runs these over rxe0 in a guest.
//!
//! QPAIR_RDMA_DEVICE names another device, whose first port has an IPv4 address and loops back to itself.

mod connect;
mod events;
mod objects;
mod queues;
mod rig;
mod traffic;
mod windows;
