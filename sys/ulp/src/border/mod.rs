//! Values as they come from C: pointers, callbacks, descriptors, and the sentence about the last failure.
//!
//! Each kind of pointer that C passes has a type of its own here. No Rust code can make a value of one, so a
//! function that takes them is only ever called from C, and may rely on what the headers and the README ask
//! of callers: a pointer is NULL, or points to what its type says, for the duration of the call; a lent
//! buffer as long as the file has it. With that the checks that are left are here too: NULL and lengths.
//!
//! May come in: types of parameters. Not here: what any call does.

mod failure;
mod pointer;
mod procedure;
mod verb;

pub use failure::qpair_ulp_last_error;
pub(crate) use failure::tell;
pub(crate) use pointer::{Array, Buffer, Bytes, Later, Lent, Out, Plain, Text};
pub(crate) use procedure::{Installed, IoProc};
pub(crate) use verb::Vcb;
