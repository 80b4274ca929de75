//! Multimedia file I/O: files with an I/O buffer that knows whether it must be written back (`mmio*`).
//!
//! A [`Mmio`] is a file behind an I/O [`Procedure`]: the standard file, memory, a region of a peer
//! ([`RegionFiles`]), or one of your own, found by the file's name or a [`FourCc`]. Reads and writes go
//! through its buffer; the program may also work in the buffer itself ([`Mmio::info`], [`Mmio::buffer_mut`],
//! [`Mmio::advance`]) and says then whether it wrote. [`Mmio::flush`] writes the buffer back, all of it or
//! `CANNOTWRITE`, and only if it was written to.
//!
//! What flush promises: the bytes are the procedure's. Whether they survive a crash is up to that; the
//! standard file syncs only if it was opened [`DURABLE`](OpenFlags::DURABLE), a region always. While a disk
//! is full, writes into the buffer succeed, and the flush that must write them out fails; the bytes stay, and
//! a later flush writes them.
//!
//! ```
//! use qpair::ulp::file::{Buffer, Flush, Mmio, OpenFlags, OpenInfo};
//!
//! let path = std::env::temp_dir().join("qpair-file-example");
//! let flags = OpenFlags::CREATE | OpenFlags::READWRITE;
//! let info = OpenInfo { buffer: Buffer::Own(8192), ..OpenInfo::default() };
//! let mut file = Mmio::open(path.to_str().expect("a temporary name"), info, flags)?;
//! file.write(b"held back")?;
//! assert_eq!(std::fs::read(&path).unwrap(), b"");
//! file.flush(Flush::Keep)?;
//! assert_eq!(std::fs::read(&path).unwrap(), b"held back");
//! file.close(false)?;
//! # std::fs::remove_file(path).unwrap();
//! # Ok::<(), qpair::ulp::file::Error>(())
//! ```
//!
//! Names and numbers are those of `mmsystem.h`. Where its pages are silent or its implementations lose
//! bytes, this one does not: a flush after moving back in the buffer writes up to the highest position
//! written; a failed flush keeps everything; a failed close leaves the file open.
//!
//! May come in: procedures, chunks, and what `mmio` calls do. Not here: positions beyond what a procedure can
//! say, share modes (they are recorded in the flags and not enforced), threads (a handle is `&mut`).

mod direct;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod disk;
mod error;
mod flags;
mod held;
mod mmio;
#[cfg(all(any(test, feature = "conformance"), feature = "storage", unix))]
pub(crate) mod peer;
mod procedure;
mod registry;
mod remote;
mod riff;
mod system;
#[cfg(test)]
mod tests;
mod transfer;
mod window;

pub use direct::Advance;
pub use error::{CloseError, Code, Error};
pub use flags::{Buffer, FourCc, Info, Lend, OpenFlags, OpenInfo, Origin};
pub use mmio::{Flush, Mmio};
pub use procedure::{FAILED, Message, Procedure, State};
pub use registry::{install, rename, uninstall};
pub use remote::{FORGET_HELD, RegionFile, RegionFiles};
pub use riff::{Chunk, Create, Find};
