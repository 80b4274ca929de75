//! The objects of an adapter: what an engine and a face share, and when user code may run.
//!
//! So far: the rules of callbacks ([`callbacks`]) and the tree of lifetimes ([`lifetime`]); every object of
//! the device is built on both. May come in: protection domains, completion queues, shared receive queues,
//! queue pairs, connectors and listeners, flush, the ready list and the timers; whatever owns rings,
//! regions and keys. Not here: statuses and names of NDK or verbs (the faces), how bytes move (direct,
//! transport), the clock and the threads that drive a device (fabric). Control calls may lock; post, poll,
//! deliver and flush may not.

#![forbid(unsafe_code)]

pub(crate) mod callbacks;
pub(crate) mod lifetime;
