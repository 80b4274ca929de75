//! The NDK face: the object model of Windows Network Direct Kernel, in Rust and in user space.
//!
//! Names, numbers and statuses are NDK's; what it leaves open follows the rulings of the conformance
//! statements. Whatever may pend returns a [`Request`], the one asynchronous form. A failed call says which
//! argument was wrong, what the limit is and what to do: [`Error`], and [`PostError`] for the calls that
//! post work.
//!
//! May come in: the handles (adapter, protection domain, queue pair and so on), their descriptions, the
//! translation of names, flags, statuses and lifetimes between a user and the device. Not here: protocol
//! logic, rings, keys, progress (device and below), and what verbs has and NDK lacks (`ext`).

mod error;
mod flags;
mod request;
mod status;

pub use error::{Error, PostCall, PostError};
pub use flags::{AdapterFlags, MrFlags, NotifyType, OpFlags, OperationType};
pub use request::Request;
pub use status::Status;
