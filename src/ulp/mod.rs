//! Upper-layer protocols: what other systems call flush, each faithful to its system.
//!
//! NDK's flush cancels. The flushes here complete what is held back, each with a promise of its own:
//!
//! - [`conversation`]: LU 6.2 conversations (APPC FLUSH, CPI-C `cmflus`): the send buffer is sent.
//! - [`mod@file`]: multimedia file I/O (`mmioFlush`): a buffer is written back to its file.
//! - `log`: a log in the manner of CLFS (`ClfsFlushBuffers`): records are made stable; with the feature
//!   `storage`, on Unix.
//! - [`region`]: memory that one side offers by name, and others write and flush; files and logs stand on it.
//!
//! May come in: protocols on queue pairs and files, on the public NDK face, on `fabric::storage` and
//! `fabric::done` and, for how long a thread waits, on `fabric::clock` only. Not here: rings, memory,
//! devices, and what a face of NDK does.

pub mod conversation;
pub mod file;
#[cfg(all(feature = "storage", unix))]
pub mod log;
pub mod region;
mod turn;
