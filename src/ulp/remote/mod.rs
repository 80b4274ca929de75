//! File-backed regions of a peer as places for bytes: written by RDMA WRITE, made stable by RDMA FLUSH.
//!
//! The peer that has the files serves their memory ([`RegionServer`]); it takes no part in what is done with
//! it. Who uses them is connected to them by one queue pair, which nobody else has at the same time: it finds
//! them by reading the server's catalog, and from then on reads, writes and flushes by itself.
//!
//! | step | done by |
//! |---|---|
//! | which regions there are | private data of the accept, then an RDMA READ of the catalog |
//! | bytes to the peer | RDMA WRITE, in pieces from registered memory |
//! | bytes from the peer | RDMA READ, likewise |
//! | bytes stable | RDMA FLUSH to persistence of the range, whose completion says that they are |
//!
//! A request that fails breaks the connection, as on any queue pair; so does a disk of the peer that fails.
//! What was flushed stays. The user of the regions says when they are to be connected anew
//! (`RemoteRegions::reconnect`), since it must know then what may have happened meanwhile. All requests go
//! by one queue pair, so each waits for the flush before it, a read also.
//!
//! ```no_run
//! use qpair::ndk::Adapter;
//! use qpair::ndk::ext::{FileStorage, StorageChoice};
//! use qpair::ulp::log::{self, Log, LogOptions};
//! use qpair::ulp::remote::RegionServer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Where the disk is: a base log file and four containers of 8 MiB.
//! let storage = FileStorage::open(StorageChoice::Automatic)?;
//! let adapter = Adapter::open("local/logs")?;
//! let address = adapter.addresses()[0];
//! let server = RegionServer::listen(adapter, address, log::regions(&storage, "folder", 4, 8 << 20)?)?;
//!
//! // Where the log is.
//! let log = Log::create_remote(Adapter::open("local/logs")?, server.address(), LogOptions::default())?;
//! log.add_containers(4, Some(8 << 20))?;
//! # Ok(())
//! # }
//! ```
//!
//! May come in: other things that keep bytes in regions of a peer. Not here: what the bytes mean, and who
//! may use a region when (a place per server is all the order there is).

mod catalog;
mod link;
mod regions;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use regions::RemoteRegions;
pub use server::RegionServer;
