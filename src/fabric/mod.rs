//! Carriers: what drives devices, moves their packets and keeps their time.
//!
//! - [`local`]: within the process. Ordinary traffic runs on the callers' threads.
//! - `done`: what an operation that is started ends in.
//! - `storage`: bytes that outlive the process; with the feature of that name, on Unix.
//!
//! The only room with clocks, sleeps, sockets and threads of its own. May come in: sockets (udp), virtual
//! time (sim), packet faults and captures that wrap a packet fabric. Not here: protocol.

#![deny(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod done;
pub(crate) mod local;
#[cfg(all(feature = "storage", unix))]
pub(crate) mod storage;
