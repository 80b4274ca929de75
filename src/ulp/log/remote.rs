//! Regions of a peer as the medium of a log: the first is the base log file, each other one a container.
//!
//! The peer serves memory of files ([`RegionServer`](crate::ulp::region::RegionServer)) to one user at a
//! time; [`regions`] makes it as a log wants it. Blocks and metadata go there by RDMA WRITE; an RDMA FLUSH to
//! persistence makes them stable, and metadata are written only when the FLUSH of what they name has ended.
//! Who is connected has the log.

use super::container::{Container, Medium, Part, Read, fill};
use super::error::{LogError, LogStatus};
use super::metadata::LENGTH;
use super::planted;
use crate::fabric::done::Abandoned;
use crate::fabric::storage::{Buffer, Cause, Done, Lock, StorageError, StorageMake, identity};
use crate::ndk::ext::{FileMemoryError, FileStorage};
use crate::ndk::{Adapter, Memory, Status};
use crate::ulp::region::{self, Failure, Refusal, RegionError, RegionLink, RegionName};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory of files in a folder, for a server of regions that is to keep a log.
///
/// The base log file, then so many containers of `size` bytes each, which a container of the log may not
/// exceed. The files have the names of a local log's, and become one: while nobody serves them, whoever has
/// the folder can open the log there. The memory is private, and written at a flush, as
/// [`FileMemory::open`](crate::ndk::ext::FileMemory::open) gives it.
///
/// # Errors
/// Those of [`FileMemory::open`](crate::ndk::ext::FileMemory::open), a full disk among them.
pub fn regions(
    storage: &FileStorage,
    folder: impl AsRef<Path>,
    containers: u32,
    size: usize,
) -> Result<Vec<Memory>, FileMemoryError> {
    let memory =
        |(part, length): (Part, usize)| storage.memory(folder.as_ref().join(part.name()), length).open();
    parts(containers, size).map(memory).collect()
}

/// The parts of a log of so many containers, by the numbers of their regions, with their lengths.
pub(super) fn parts(containers: u32, size: usize) -> impl Iterator<Item = (Part, usize)> {
    let base = std::iter::once((Part::Base, LENGTH as usize));
    base.chain((0..containers).map(move |id| (Part::Container(id), size)))
}

/// Which region a part is.
fn number_of(part: Part) -> usize {
    match part {
        Part::Base => 0,
        Part::Container(id) => 1 + id as usize,
    }
}

/// The regions of a peer as a medium.
#[derive(Debug)]
pub(super) struct Remote(Arc<RegionLink>);

impl Remote {
    /// Connects to a server of regions. Blocks.
    pub(super) fn connect(
        adapter: impl Into<Arc<Adapter>>,
        server: SocketAddr,
        name: &str,
    ) -> Result<Self, StorageError> {
        Ok(Self(Arc::new(RegionLink::connect(adapter, server, name).map_err(of_storage)?)))
    }

    /// The region of a part.
    fn region(&self, call: &'static str, part: Part, absent: Errno) -> Result<Region, StorageError> {
        let number = number_of(part);
        let length = self.0.connection().length(number).ok_or_else(|| {
            StorageError::name(call, &path(self.0.name(), number), Cause::System(absent.raw_os_error()))
        })?;
        Ok(Region { link: Arc::clone(&self.0), number, length })
    }

    /// Cuts the connection, as the end of the process would.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) fn cut(&self) {
        self.0.connection().part();
    }
}

impl Medium for Remote {
    fn make(&self) -> StorageMake {
        StorageMake::Remote
    }

    fn identity(&self) -> Result<u128, StorageError> {
        identity()
    }

    /// A region that nothing is in; that there is none for it is told as a full disk.
    fn create(&self, part: Part, length: u64) -> Result<Arc<dyn Container>, StorageError> {
        let region = self.region("find a region for", part, Errno::NOSPC)?;
        fill(&region, length)?; // one that is too short ends here
        Ok(Arc::new(region))
    }

    /// Nobody else is connected.
    fn lock(&self) -> Result<Lock, StorageError> {
        Ok(Lock::none())
    }

    fn open(&self, part: Part) -> Result<Arc<dyn Container>, StorageError> {
        Ok(Arc::new(self.region("open", part, Errno::NOENT)?))
    }

    /// The region stays with the peer, for another container; what is in it is no block of that one.
    fn remove(&self, _part: Part) -> Result<(), StorageError> {
        Ok(())
    }

    /// Connects anew, where the connection is lost.
    fn mend(
        &self,
        call: &'static str,
        check: &dyn Fn(&Read<'_>) -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let base = number_of(Part::Base);
        let mended = self.0.mend(|fresh| {
            if planted!(StrangerNotNoticed, "who had the log before writes over who has had it since") {
                return Ok(());
            }
            check(&|offset, length| fresh.read(base, offset..offset + length as u64).map_err(of_storage))
        });
        mended.map_err(|error| LogError::storage(call, LogStatus::NETWORK_UNREACHABLE, of_storage(error)))?
    }
}

#[derive(Debug)]
struct Region {
    link: Arc<RegionLink>,
    number: usize,
    length: u64,
}

impl Container for Region {
    fn length(&self) -> Result<u64, StorageError> {
        Ok(self.length)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let range = offset..offset + length as u64;
        self.link.connection().read(self.number, range).map_err(of_storage)
    }

    fn write(&self, writes: Vec<(u64, Buffer)>, done: Done<()>) {
        self.link.connection().start_write(self.number, writes, told(done));
    }

    fn sync(&self, range: Range<u64>, done: Done<()>) {
        self.link.connection().start_flush(self.number, range, told(done));
    }
}

/// Takes what a request to a peer has ended in, as storage says it.
fn told(done: Done<()>) -> region::Done<()> {
    region::Done::new(|result: Result<(), RegionError>| done.call(result.map_err(of_storage)))
}

/// How a region is named in errors: server, name and number.
fn path(of: &RegionName, region: usize) -> PathBuf {
    Path::new(&of.to_string()).join(region.to_string())
}

/// A failure of a peer, as one of the storage that its regions are here.
fn of_storage(error: RegionError) -> StorageError {
    let connect = |of: &RegionName, cause| {
        tracing::warn!(target: "qpair", %error, "no connection to a server of regions");
        StorageError::name("connect to", Path::new(&of.to_string()), cause)
    };
    let status = |status: Status| Cause::Remote(status.0);
    match &error {
        RegionError::Setup { of, error } => connect(of, status(error.status())),
        RegionError::Stranger { of } => connect(of, status(Status::NOT_SUPPORTED)),
        RegionError::Refused { of, refusal } => {
            let cause = match refusal {
                Refusal::Unknown => Cause::System(Errno::NOENT.raw_os_error()),
                Refusal::Full => status(Status::INSUFFICIENT_RESOURCES),
                Refusal::Words => status(Status::NOT_SUPPORTED),
                Refusal::Taken => status(Status::SHARING_VIOLATION),
            };
            connect(of, cause)
        }
        RegionError::Request { request, of, region, range, failure } => {
            let cause = match failure {
                Failure::Outside => Cause::EndOfFile,
                Failure::Status(ended) => status(*ended),
                Failure::Lost => Cause::Disconnected,
            };
            StorageError::bytes(request, &path(of, *region), range.clone(), cause)
        }
        RegionError::Closed => StorageError::abandoned(),
    }
}
