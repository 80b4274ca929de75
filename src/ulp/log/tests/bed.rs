//! The disk that forgets, with one log on it: in a folder, or in regions that a peer serves from its files.

use super::*;
use crate::fabric::storage::forget::{Forgetful, chance::Chance};
use crate::fabric::storage::region::{self, FileMemoryError, Place};
use crate::fabric::storage::{Cause, Storage, StorageError};
use crate::ndk::{Adapter, Memory, Mr};
use crate::ulp::log::container::Part;
use crate::ulp::region::RegionServer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Regions for containers that a peer serves, if nothing else is said.
const CONTAINERS: u32 = 6;
const SECTOR: usize = 512;
/// What the peer offers the log's regions by.
pub(in crate::ulp::log) const NAME: &str = "ledger";

/// The disk, and who brings it.
#[derive(Debug)]
pub(in crate::ulp::log) struct Bed {
    pub(in crate::ulp::log) disk: Forgetful,
    on: On,
    /// Regions for containers, and their length.
    room: (u32, usize),
    served: Mutex<Option<Served>>,
}

/// The peer that has the disk.
#[derive(Debug)]
struct Served {
    server: RegionServer,
    net: String,
    user: Option<Arc<Remote>>,
}

impl Bed {
    pub(in crate::ulp::log) fn new(on: On, seed: u64) -> Self {
        Self::with(on, Forgetful::new(seed), (CONTAINERS, CONTAINER as usize))
    }

    fn with(on: On, disk: Forgetful, room: (u32, usize)) -> Self {
        Self { disk, on, room, served: Mutex::default() }
    }

    /// With room for so many containers of that length, if they lie with a peer.
    pub(in crate::ulp::log) fn room(self, containers: u32, length: usize) -> Self {
        Self { room: (containers, length), ..self }
    }

    fn served(&self) -> MutexGuard<'_, Option<Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk after a loss of power.
    ///
    /// What a peer was sent may have reached the disk at any time, if the memory of its regions is the files
    /// themselves: so any sector of that may be found beside what the disk had.
    pub(in crate::ulp::log) fn crash(&self, seed: u64) -> Self {
        let disk = self.disk.crash(seed);
        if let Some(served) = &*self.served() {
            let mut chance = Chance::new(!seed);
            let keep = [0, 50, 100][chance.below(3) as usize];
            let all = |region: &Mr| {
                let mut memory = vec![0; region.len()];
                region.read(0, &mut memory).unwrap_or_else(|error| unreachable!("all of it: {error}"));
                memory
            };
            let memories = served.server.inspect(NAME, |regions| regions.iter().map(all).collect::<Vec<_>>());
            for (memory, (part, _)) in memories.into_iter().flatten().zip(self.parts()) {
                let file = Self::file(&part.name());
                let Some(content) = disk.content(&file) else { continue };
                let sectors = memory.chunks(SECTOR).zip(content.chunks(SECTOR)).enumerate();
                for (n, (sector, _)) in sectors.filter(|(_, (new, old))| new != old) {
                    if chance.percent(keep) {
                        disk.overwrite(&file, (n * SECTOR) as u64, sector);
                    }
                }
            }
        }
        Self::with(self.on, disk, self.room)
    }

    fn parts(&self) -> impl Iterator<Item = (Part, usize)> {
        remote::parts(self.room.0, self.room.1)
    }

    pub(in crate::ulp::log) fn options() -> LogOptions {
        LogOptions::default().granule(CONTAINER)
    }

    pub(in crate::ulp::log) fn file(name: &str) -> PathBuf {
        Path::new("/log").join(name)
    }

    /// Has the peer serve, if the log lies with one.
    pub(in crate::ulp::log) fn ready(&self) -> Result<(), LogError> {
        let mut served = self.served();
        if self.on == On::Folder || served.is_some() {
            return Ok(());
        }
        let net = a_net();
        let server = serve(&self.disk, &net, None, self.parts())?;
        *served = Some(Served { server, net, user: None });
        Ok(())
    }

    /// The medium of the log, whose former user is gone, as far as the tests go.
    pub(in crate::ulp::log) fn medium(&self) -> Result<Arc<dyn Medium>, LogError> {
        self.ready()?;
        match &mut *self.served() {
            None => Ok(Arc::new(Folder::new(Arc::new(self.disk.clone()), PathBuf::from("/log")))),
            Some(Served { server, net, user }) => {
                if let Some(former) = user.take() {
                    former.cut();
                }
                server.wait_until_free(NAME);
                let adapter = Adapter::open(net).map_err(|error| {
                    failed(StorageError::name("open", Path::new(net), Cause::Remote(error.status().0)))
                })?;
                let remote = Arc::new(Remote::connect(adapter, server.address(), NAME).map_err(failed)?);
                *user = Some(Arc::clone(&remote));
                Ok(remote)
            }
        }
    }

    /// The process that has the log is killed.
    pub(in crate::ulp::log) fn kill(&self, log: Log, area: MarshallingArea) {
        let user = self.served().as_mut().and_then(|served| served.user.take());
        match user {
            None => std::mem::forget((log, area)), // nothing of it is carried out any more
            Some(user) => user.cut(),              // what they still want to do fails
        }
    }

    /// Overwrites a file, as somebody with a hex editor would; a peer is restarted by that.
    pub(in crate::ulp::log) fn overwrite(&self, file: &Path, offset: u64, bytes: &[u8]) {
        self.stop();
        self.disk.overwrite(file, offset, bytes);
    }

    /// Changes a byte of a file, as a fault of the medium would; a peer is restarted by that.
    pub(in crate::ulp::log) fn damage(&self, file: &Path, offset: u64, change: impl FnOnce(&mut u8)) {
        self.stop();
        self.disk.damage(file, offset, change);
    }

    /// Stops the peer, which serves its files anew when it is needed.
    pub(in crate::ulp::log) fn stop(&self) {
        let served = self.served().take();
        drop(served);
    }

    pub(in crate::ulp::log) fn create_with(&self, options: LogOptions) -> Result<Log, LogError> {
        Log::create_on(self.medium()?, options)
    }

    /// A new log of so many small containers, with its area.
    pub(in crate::ulp::log) fn create(&self, containers: u32) -> Result<(Log, MarshallingArea), LogError> {
        let log = self.create_with(Self::options())?;
        log.add_containers(containers, Some(CONTAINER))?;
        let area = log.area(area_options())?;
        Ok((log, area))
    }

    pub(in crate::ulp::log) fn open(&self) -> Result<(Log, MarshallingArea), LogError> {
        let log = Log::open_on(self.medium()?, Self::options())?;
        let area = log.area(area_options())?;
        Ok((log, area))
    }
}

/// A peer that serves the disk, in that NET, at an address of its own if none is said.
pub(in crate::ulp::log) fn serve(
    disk: &Forgetful,
    net: &str,
    address: Option<SocketAddr>,
    parts: impl Iterator<Item = (Part, usize)>,
) -> Result<RegionServer, LogError> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let memory = |(part, length): (Part, usize)| {
        let place = Place { path: Bed::file(&part.name()), offset: 0, length, forced: false };
        region::private(&storage, place)
    };
    let made: Result<Vec<Memory>, FileMemoryError> = parts.map(memory).collect();
    let regions = made.map_err(|error| match error {
        FileMemoryError::Storage(error) => failed(error),
        other => unreachable!("the model gives any memory: {other}"),
    })?;
    let served = Adapter::open(net).and_then(|adapter| {
        let address = address.unwrap_or_else(|| adapter.addresses()[0]);
        let server = RegionServer::listen(adapter, address)?;
        server.offer_to_one(NAME, regions)?;
        Ok(server)
    });
    served
        .map_err(|error| failed(StorageError::name("serve", Path::new(net), Cause::Remote(error.status().0))))
}

fn failed(error: StorageError) -> LogError {
    LogError::storage("Bed::medium", LogStatus::NETWORK_UNREACHABLE, error)
}

/// A NET that nobody else has.
pub(in crate::ulp::log) fn a_net() -> String {
    static NETS: Mutex<u64> = Mutex::new(0);
    let mut nets = NETS.lock().unwrap_or_else(PoisonError::into_inner);
    *nets += 1;
    format!("local/log-tests-{nets}")
}
