//! The conformance suite: one check for each numbered statement about NDK, for any device, and for each about
//! the flush family of this library.
//!
//! A device is held to it by implementing [`Device`], which opens adapters and says what it promises beyond
//! the statements; `qpair conformance` and `tests/conformance.rs` do so for the devices that are built in:
//!
//! ```
//! use qpair::conformance::{self, Report};
//!
//! let device = conformance::device("local").expect("a built-in device");
//! let report = Report::of(&device, conformance::statements().filter(|s| s.number() == "FLUSH-7"), |_| {});
//! assert!(report.holds());
//! ```
//!
//! [`flush_family`] has the statements about conversations, files, logs and flushes of remote memory. They
//! are about the protocols of this library on the device of this process; the device under test matters to
//! those of remote memory only.
//!
//! The checks use public faces alone, as any other user would; those of the log stand beside it, on a disk
//! that forgets, which no user has. Each opens a NET of its own, depends on no other, waits for what it
//! awaits instead of sleeping, and reports what it expected and what came. One that panics has failed, and so
//! has one that does not end in time. Where a device has no clock that can be set, time limits are waited for
//! side by side, if the [`Pace`] is slow. What a device lacks is *not supported*, which is no failure; what
//! no caller of a Rust API could observe is *not shown*, with the reason; what needs a part that is not built
//! yet is *waiting*, and says for which.
//!
//! May come in: statements with numbers in the reference, and what several of their checks need. Not here:
//! what a user of the suite asks for (`command`), and anything that must look behind a face.

mod bench;
mod device;
mod family;
#[cfg(feature = "rdma-core")]
mod kernel;
mod pages;
mod raw;
mod report;
mod run;
mod statement;
mod statements;
mod task;
mod time;
mod world;

pub use device::{Device, Host, Promises, device};
pub use family::{family_groups, flush_family};
pub use report::{Counts, Report, Row};
pub use run::{Pace, run};
pub use statement::{Mark, Statement, Verdict};
pub use statements::{groups, statements};
