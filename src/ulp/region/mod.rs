//! Remote regions by name: one side offers memory, the other reads, writes and flushes it.
//!
//! A [`RegionServer`] listens on an address and knows regions by their names. A [`RegionLink`] is one
//! connection to one of them. What it does is RDMA alone: after the connection is there, no code of the
//! server runs for it.
//!
//! ```
//! use qpair::ndk::{Adapter, Memory, MrFlags};
//! use qpair::ulp::region::{RegionLink, RegionServer};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = Arc::new(Adapter::open("local/docs-region")?);
//! let server = RegionServer::listen(Arc::clone(&adapter), adapter.addresses()[0])?;
//! server.offer_volatile("notes", Memory::zeroed(4096)?)?;
//!
//! let pd = adapter.create_pd().wait()?;
//! let mine = pd.register(b"a note".to_vec(), MrFlags::ALLOW_LOCAL_WRITE).wait()?;
//! let link = RegionLink::connect(&adapter, &pd, server.address(), "notes")?;
//! link.write(&mine, 0..6, 100)?;
//! mine.write(0, &[0; 6])?;
//! link.read(&mine, 0..6, 100)?;
//! let mut note = [0; 6];
//! mine.read(0, &mut note)?;
//! assert_eq!(&note, b"a note");
//! # Ok(())
//! # }
//! ```
//!
//! # On the wire
//! Private data alone. The request to connect has magic, version and name; the answer magic, version, length
//! and the address of the first byte; a refusal magic, version and the reason. All most significant first.
//!
//! May come in: what else users of remote bytes need of a connection. Not here: what the bytes mean (`file`),
//! what is kept until it is flushed, and trying again.

mod error;
mod link;
mod server;
#[cfg(test)]
mod tests;
mod words;

pub use error::{Refusal, RegionError};
pub use link::RegionLink;
pub use server::RegionServer;
