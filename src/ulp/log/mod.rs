//! A log in the manner of the Common Log File System: records that only grow in number, and stay.
//!
//! A [`Log`] lies in containers; a [`MarshallingArea`] collects records in log I/O blocks. A flush writes the
//! blocks, syncs, and only then says so: whatever it acknowledged survives a crash, in order. Many appenders
//! share one flush.
//!
//! ```no_run
//! use qpair::ulp::log::{Append, AreaOptions, Log, LogOptions, Lsn, ReadMode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Log::create("folder", LogOptions::default())?;
//! log.add_containers(2, Some(1 << 20))?;
//! let area = log.area(AreaOptions::default())?;
//! let lsn = area.append(&[b"paid 5 to Ann"], Append::default())?;
//! area.flush_to(lsn).wait()?; // from here on the record survives a crash
//! assert_eq!(area.read(lsn, ReadMode::Forward)?.data(), b"paid 5 to Ann");
//! # Ok(())
//! # }
//! ```
//!
//! # How it survives
//! - A block names its log, its place, the block before it with that one's checksum, and the incarnation of
//!   the log that wrote it; every sector is signed. So a torn block is seen, and one that an earlier life of
//!   the log has left behind is never taken for the next.
//! - The metadata lie in two slots. One is always whole, and nothing acts on a change before it is stable: a
//!   container is reused only after the base above it is.
//! - A failed sync is never retried alone: what it was to make stable is written again first.
//!
//! README.md beside this file lists the faults that were planted, and the tests that saw them.
//!
//! # Where it lies
//! In a folder, or with a peer ([`Log::create_remote`], [`Log::open_remote`]), whose file-backed regions are
//! the containers: the same log over RDMA WRITE, FLUSH and READ, with the same promises when the peer loses
//! its power (LOG-34). If the connection is lost, or a disk of the peer fails, the log stops as after any
//! failed flush; [`MarshallingArea::rewrite`] connects anew and goes on.
//!
//! ```no_run
//! use qpair::ndk::Adapter;
//! use qpair::ndk::ext::{FileStorage, StorageChoice};
//! use qpair::ulp::log::{self, Log, LogOptions};
//! use qpair::ulp::region::RegionServer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Where the disk is: a base log file and four containers of 8 MiB.
//! let storage = FileStorage::open(StorageChoice::Automatic)?;
//! let adapter = Adapter::open("local/logs")?;
//! let address = adapter.addresses()[0];
//! let server = RegionServer::listen(adapter, address)?;
//! server.offer_to_one("ledger", log::regions(&storage, "folder", 4, 8 << 20)?)?;
//!
//! // Where the log is.
//! let adapter = Adapter::open("local/logs")?;
//! let log = Log::create_remote(adapter, server.address(), "ledger", LogOptions::default())?;
//! log.add_containers(4, Some(8 << 20))?;
//! # Ok(())
//! # }
//! ```
//!
//! May come in: other media (`container::Medium`), other tools on a log. Not here: system calls (they are in
//! `fabric/storage`), multiplexed logs, and truncation at the end (Q-45).

mod area;
mod block;
mod container;
mod core;
mod error;
mod flush;
mod logfile;
mod lsn;
mod metadata;
mod read;
mod record;
mod recovery;
mod remote;
mod scan;
mod space;
mod state;
#[cfg(any(test, feature = "conformance"))]
#[cfg_attr(not(test), allow(dead_code, reason = "some tests are about no statement"))]
pub(crate) mod tests;

pub use crate::fabric::storage::{Cause, StorageChoice, StorageError, StorageMake};
use crate::planted::planted;
pub use area::{Append, AreaOptions, Force, MarshallingArea, Restarted};
pub use error::{LogError, LogStatus};
pub use flush::Flush;
pub use logfile::{ContainerInfo, ContainerState, Log, LogInfo, LogOptions};
pub use lsn::Lsn;
pub use read::{ReadContext, ReadMode, RecordFilter, RestartContext};
pub use record::RecordKind;
pub use remote::regions;
