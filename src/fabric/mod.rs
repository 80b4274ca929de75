//! Carriers: what drives devices, moves their packets and keeps their time.
//!
//! - [`local`]: within the process. Ordinary traffic runs on the callers' threads.
//!
//! The only room with clocks, sleeps, sockets and threads of its own. May come in: sockets (udp), virtual
//! time (sim), disks (storage), packet faults and captures that wrap a packet fabric. Not here: protocol.

#![forbid(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod local;
