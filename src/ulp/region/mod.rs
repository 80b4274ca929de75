//! Remote regions by name: one side offers memory, the other reads, writes and flushes it.
//!
//! A [`RegionServer`] listens on an address and knows regions by names; under one name there can be many, and
//! they can be for one user at a time. A [`RegionLink`] is one user of what has one name. What it does by its
//! [`Connection`] is RDMA alone: once that is there, no code of the server runs for it.
//!
//! ```
//! use qpair::ndk::{Adapter, Memory};
//! use qpair::ulp::region::{RegionLink, RegionServer};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = Arc::new(Adapter::open("local/docs-region")?);
//! let server = RegionServer::listen(Arc::clone(&adapter), adapter.addresses()[0])?;
//! server.offer_volatile("notes", Memory::zeroed(4096)?)?;
//!
//! let link = RegionLink::connect(adapter, server.address(), "notes")?;
//! let notes = link.connection();
//! notes.write(0, 100, b"a note")?; // to the first region, and the only one
//! assert_eq!(notes.read(0, 100..106)?, b"a note");
//! # Ok(())
//! # }
//! ```
//!
//! # On the wire
//! | step | done by |
//! |---|---|
//! | asking | private data of the connect: magic and version, the user's number, the name |
//! | the answer | private data of the accept: magic and version, how many regions, where the catalog is |
//! | which regions there are | an RDMA READ of the catalog, which has place and length of each |
//! | a refusal | private data of the reject: magic and version, the reason |
//! | bytes to the peer | RDMA WRITE, in pieces from registered memory |
//! | bytes from the peer | RDMA READ, likewise |
//! | bytes stable | RDMA FLUSH to persistence of the range, whose completion says that they are |
//!
//! One region needs no catalog: the answer has its place and length. All most significant byte first.
//!
//! A request that fails breaks the connection, as on any queue pair; so does a disk of the peer that fails.
//! What was flushed stays. The user says when to connect anew ([`RegionLink::mend`]), since it must know then
//! what may have happened meanwhile. All requests go by one queue pair, so each waits for the flush before
//! it, a read also.
//!
//! May come in: what else users of remote bytes need of a connection. Not here: what the bytes mean (`file`,
//! `log`), what is kept until it is flushed, and who may use regions when (one user at a time, if the server
//! says so, is all the order there is).

mod connection;
mod error;
mod link;
mod server;
#[cfg(test)]
mod tests;
mod words;

pub use connection::Connection;
#[cfg(all(feature = "storage", unix))]
pub(crate) use connection::Done;
pub use error::{Failure, Refusal, RegionError, RegionName};
pub use link::RegionLink;
pub use server::RegionServer;
