//! The regions of a server, as their user has them: by number, over whatever connection there is.

use super::catalog::Hello;
use super::link::{Link, path};
use crate::fabric::storage::{Buffer, Cause, Done, StorageError, identity};
use crate::ndk::{Adapter, Pd};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The regions of a server, which nobody else has meanwhile.
pub(crate) struct RemoteRegions {
    link: Mutex<Arc<Link>>,
    /// Held by who connects anew, one after the other.
    mending: Mutex<()>,
    server: SocketAddr,
    hello: Hello,
    pd: Pd,
    adapter: Adapter,
}

impl RemoteRegions {
    /// Connects to a server. Blocks.
    ///
    /// # Errors
    /// [`Cause::Remote`]: CONNECTION_REFUSED where nobody serves, SHARING_VIOLATION where somebody else is
    /// connected, NOT_SUPPORTED where the peer serves something else, and the statuses of
    /// [`Connector::connect`](crate::ndk::Connector::connect).
    pub(crate) fn connect(adapter: Adapter, server: SocketAddr) -> Result<Self, StorageError> {
        let hello = Hello { user: identity()? };
        let pd = adapter.create_pd().wait().map_err(|error| {
            StorageError::name("connect to", &path(server, None), Cause::Remote(error.status().0))
        })?;
        let link = Link::connect(&adapter, &pd, server, hello)?;
        Ok(Self { link: Mutex::new(link), mending: Mutex::default(), server, hello, pd, adapter })
    }

    fn link(&self) -> Arc<Link> {
        Arc::clone(&lock(&self.link))
    }

    /// Connects anew, if the connection is lost; `None`: it is not. Blocks.
    ///
    /// What had begun by the former connection has ended when this returns. Meanwhile somebody else may have
    /// had the regions, and the server may have lost what was not flushed: so nothing goes by the new
    /// connection before it is [taken](Fresh::take).
    ///
    /// # Errors
    /// As [`connect`](Self::connect); it may be tried again.
    pub(crate) fn reconnect(&self) -> Result<Option<Fresh<'_>>, StorageError> {
        let one_by_one = lock(&self.mending);
        let former = self.link();
        if !former.is_down() {
            return Ok(None);
        }
        former.part();
        let link = Link::connect(&self.adapter, &self.pd, self.server, self.hello)?;
        Ok(Some(Fresh { link, regions: self, _one_by_one: one_by_one }))
    }

    /// Bytes of a region; `None`: there is no such region.
    pub(crate) fn length(&self, region: usize) -> Option<u64> {
        self.link().regions().get(region).map(|region| region.length)
    }

    /// A failure that concerns a region.
    pub(crate) fn error(&self, operation: &'static str, region: usize, cause: Cause) -> StorageError {
        StorageError::name(operation, &path(self.server, Some(region)), cause)
    }

    /// Reads a range.
    pub(crate) fn read(&self, region: usize, range: Range<u64>, done: Done<Vec<u8>>) {
        self.link().read(region, range, done);
    }

    /// Starts writes, in any order; done when all have ended, with the first failure if there is one.
    pub(crate) fn write(&self, region: usize, writes: Vec<(u64, Buffer)>, done: Done<()>) {
        self.link().write(region, writes, done);
    }

    /// Makes stable what writes have written to the range that have ended.
    ///
    /// All of the range must have been written since the last connection was made, if some of it may be in
    /// doubt at the server: a flush of bytes in doubt fails (RFLUSH-13).
    pub(crate) fn flush(&self, region: usize, range: Range<u64>, done: Done<()>) {
        self.link().flush(region, range, done);
    }

    /// Cuts the connection, as the end of the process would.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn cut(&self) {
        self.link().part();
    }
}

/// A connection that is not in use yet; dropped, it is given up.
pub(crate) struct Fresh<'r> {
    link: Arc<Link>,
    regions: &'r RemoteRegions,
    _one_by_one: MutexGuard<'r, ()>,
}

impl Fresh<'_> {
    /// Reads a range by it.
    pub(crate) fn read(&self, region: usize, range: Range<u64>, done: Done<Vec<u8>>) {
        self.link.read(region, range, done);
    }

    /// From now on everything goes by it.
    pub(crate) fn take(self) {
        *lock(&self.regions.link) = self.link;
    }
}

impl fmt::Debug for RemoteRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteRegions({})", self.server)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
