//! The C face of qpair: NDK's objects and dispatch tables, for C code that is written to `ndkpi.h`.
//!
//! A C program opens an adapter with `NdkOpenAdapter` and finds everything else in dispatch tables. Each
//! object is a structure that begins with NDK's header and the pointer to its table; behind them lie the mark
//! by which an object is known, the door that says whether it may be used, and the handle of the Rust face.
//!
//! Three rules hold everywhere:
//!
//! - **Told, not crashed.** NULL, an object of another kind and a closed object are answered with a status,
//!   and with a sentence in `NdkLastError`. That can be told as long as the adapter is open, since closed
//!   objects stay allocated until then. A pointer that never was an object cannot be told from one that is.
//! - **The public table is never read.** It is the consumer's to replace (CREATE-5).
//! - **A panic ends here.** Every function that C calls aborts the process rather than unwind into C.
//!
//! May come in: translation of names, numbers, structures, statuses and lifetimes. Not here: protocol, or any
//! rule of RDMA; `qpair::ndk` judges. Unsafe code stands in `border` and `object`, and where
//! registered memory is passed on; the other files are safe, because values that come from C have types which
//! no Rust code can make.

#![warn(unreachable_pub)]

mod abi;
mod adapter;
mod address;
mod border;
mod connector;
mod cq;
mod extension;
mod faults;
mod lam;
#[cfg(test)]
mod layout;
mod listener;
mod mdl;
mod mr;
mod mw;
mod object;
mod open;
mod pd;
mod qp;
mod requests;
mod shared_endpoint;
mod srq;
#[cfg(test)]
mod tests;

pub use open::{NdkAdvanceClock, NdkCloseAdapter, NdkLastError, NdkOpenAdapter, NdkOpenAdapterWithFaults};
