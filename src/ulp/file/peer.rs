//! A peer that offers a region on a disk that forgets: it can crash, and come back with what it kept.

use super::{Buffer, Error, Mmio, OpenFlags, OpenInfo, RegionFiles};
use crate::fabric::storage::Storage;
use crate::fabric::storage::forget::Forgetful;
use crate::fabric::storage::region::{self, Place};
use crate::ndk::Adapter;
use crate::ulp::region::RegionServer;
use std::error::Error as AnyError;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/folder/records";
const NAME: &str = "records.rdma";
/// Bytes of the region.
pub(crate) const LENGTH: usize = 4096;

type Outcome<T> = Result<T, Box<dyn AnyError + Send + Sync>>;

pub(crate) struct Peer {
    pub(crate) disk: Forgetful,
    adapter: Arc<Adapter>,
    /// `None` while it is down.
    server: Option<RegionServer>,
    address: SocketAddr,
}

impl Peer {
    /// In a NET of its own.
    pub(crate) fn new(net: &str) -> Outcome<Self> {
        let adapter = Arc::new(Adapter::open(&format!("local/region-{net}"))?);
        let address = adapter.addresses()[0];
        let mut peer = Self { disk: Forgetful::new(1), adapter, server: None, address };
        peer.start()?;
        Ok(peer)
    }

    /// Offers what its disk has.
    pub(crate) fn start(&mut self) -> Outcome<()> {
        let storage: Arc<dyn Storage> = Arc::new(self.disk.clone());
        let place = Place { path: PATH.into(), offset: 0, length: LENGTH, forced: false };
        let server = RegionServer::listen(Arc::clone(&self.adapter), self.address)?;
        server.offer(NAME, region::private(&storage, place)?)?;
        self.address = server.address();
        self.server = Some(server);
        Ok(())
    }

    /// Goes down; its disk is as after a loss of power.
    pub(crate) fn crash(&mut self, seed: u64) {
        self.server = None;
        self.disk = self.disk.crash(seed);
    }

    /// What a crash would leave of the region.
    pub(crate) fn found(&self, seed: u64) -> Vec<u8> {
        self.disk.crash(seed).content(Path::new(PATH)).unwrap_or_default()
    }

    /// Whatever a crash loses, these bytes are at that place.
    pub(crate) fn keeps(&self, at: usize, bytes: &[u8]) -> bool {
        (0..20).all(|seed| self.found(seed).get(at..).is_some_and(|found| found.starts_with(bytes)))
    }

    #[cfg(test)]
    pub(crate) fn server(&self) -> Option<&RegionServer> {
        self.server.as_ref()
    }

    pub(crate) fn files(&self) -> RegionFiles {
        RegionFiles::new(Arc::clone(&self.adapter))
    }

    /// The name of the region.
    pub(crate) fn name(&self) -> String {
        format!("{}/{NAME}+", self.address)
    }

    /// The region as a file with a buffer of so many bytes.
    pub(crate) fn open(&self, files: &RegionFiles, buffer: usize) -> Result<Mmio, Error> {
        let (procedure, buffer) = (Some(Box::new(files.procedure()) as _), Buffer::Own(buffer));
        Mmio::open(&self.name(), OpenInfo { procedure, buffer, ..OpenInfo::default() }, OpenFlags::READWRITE)
    }
}
