//! The C faces of qpair's upper layers: APPC, CPI-C, mmio and CLFS, for C code written to their headers.
//!
//! Each face is a header in `include` and a file here; `node` is what the two faces of conversations stand
//! on, since the original sets its units up in an administrator's tools.
//!
//! Three rules hold everywhere:
//!
//! - **Told, not crashed.** NULL, and a handle that is closed or never was one, are answered with the code
//!   that the interface documents. Handles are numbers that are not used twice, so this can always be told.
//! - **The caller's buffer is used where it lies**, and only during a call.
//! - **A panic ends here.** Every function that C calls aborts the process rather than unwind into C.
//!
//! May come in: translation of names, numbers, structures, codes and lifetimes. Not here: what a flush does;
//! `qpair::ulp` judges. Unsafe code stands in `border` alone; the other files are safe, because values that
//! come from C have types which no Rust code can make.

#![warn(unreachable_pub)]

pub mod appc;
mod border;
pub mod clfs;
pub mod cpic;
pub mod mmio;
pub mod node;
mod table;

pub use border::qpair_ulp_last_error;
