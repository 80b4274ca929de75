//! Opening a log, its containers, and what it tells of itself.

use super::area::{AreaOptions, MarshallingArea};
use super::container::{Container, Folder, Medium, Part};
use super::core::{Change, Core, nothing_found};
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, SECTOR};
use super::metadata::{self, CONTAINER_MAX, CONTAINERS, Entry, Found, LENGTH, Metadata, Slots};
use super::recovery::recover;
use super::remote::Remote;
use crate::fabric::storage::{self, Cause, Lock, StorageChoice, StorageError, StorageMake};
use crate::ndk::Adapter;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Containers are multiples of this many bytes.
const GRANULE: u64 = 512 * 1024;

/// How a log is created or opened.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    storage: StorageChoice,
    archive: bool,
    granule: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { storage: StorageChoice::Automatic, archive: false, granule: GRANULE }
    }
}

impl LogOptions {
    /// Through which make of storage the files are reached. Default: io_uring where it is allowed.
    #[must_use]
    pub fn storage(self, storage: StorageChoice) -> Self {
        Self { storage, ..self }
    }

    /// Whether a new log keeps an archive tail, below which alone containers are recycled. Default: not.
    #[must_use]
    pub fn archive(self, archive: bool) -> Self {
        Self { archive, ..self }
    }

    /// Containers of another granule, so that tests need not fill long ones.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn granule(self, granule: u64) -> Self {
        Self { granule, ..self }
    }
}

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContainerState {
    /// It waits for its turn.
    Inactive,
    /// It holds records that are needed, or takes records.
    Active,
    /// Active, and it goes when it leaves the active log.
    ActivePendingDelete,
}

/// One container of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Its number for life, by which it is removed.
    pub id: u32,
    /// The logical number that it has or will have.
    pub logical: u32,
    /// Where it stands.
    pub state: ContainerState,
}

/// What a log tells of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogInfo {
    /// Through which make of storage it is reached.
    pub storage: StorageMake,
    /// Bytes of each container; 0 before the first was added.
    pub container_size: u64,
    /// Its containers, in the order in which they are filled.
    pub containers: Vec<ContainerInfo>,
    /// The oldest record that is needed.
    pub base: Lsn,
    /// The oldest record that is not archived; `None` where that is not kept.
    pub archive_tail: Option<Lsn>,
    /// The oldest LSN that is not stable.
    pub flushed: Lsn,
    /// The LSN that the next record gets, if it fits into the open block.
    pub next: Lsn,
    /// The newest restart area.
    pub restart: Option<Lsn>,
    /// Records for which space is reserved.
    pub reserved: u64,
    /// What a failed flush has left in memory cannot be trusted to the disk; no records are taken.
    pub failed: bool,
}

/// A dedicated log over containers in a folder, in the manner of CLFS.
///
/// Several threads may use it; its areas and read contexts outlive it.
#[derive(Debug)]
pub struct Log {
    core: Arc<Core>,
    granule: u64,
    /// Held by the log and its area. What else keeps the core alive reads only, or is about to be gone.
    lock: Arc<Lock>,
}

impl Log {
    /// Makes a log in a folder that is there, and holds none yet.
    ///
    /// When this returns, the log survives a crash. It needs containers before any record:
    /// [`add_containers`](Self::add_containers).
    ///
    /// # Errors
    /// OBJECT_NAME_COLLISION if there is a log, SHARING_VIOLATION if it is open; DISK_FULL, and what the
    /// system refused.
    pub fn create(folder: impl AsRef<Path>, options: LogOptions) -> Result<Self, LogError> {
        Self::create_on(Self::medium("Log::create", folder.as_ref(), options)?, options)
    }

    /// Opens a log, finding its end.
    ///
    /// All records that a flush has acknowledged are there, in order, perhaps followed by some more that were
    /// appended behind them. What it finds is stable when this returns.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND if there is no log, SHARING_VIOLATION while it is open, here or in another
    /// process; LOG_METADATA_CORRUPT, LOG_METADATA_INCONSISTENT and
    /// LOG_BLOCK_INVALID where what was stable is damaged; LOG_CONTAINER_READ_FAILED and what else the system
    /// refused.
    pub fn open(folder: impl AsRef<Path>, options: LogOptions) -> Result<Self, LogError> {
        Self::open_on(Self::medium("Log::open", folder.as_ref(), options)?, options)
    }

    /// Makes a log in regions that a peer serves; otherwise as [`create`](Self::create).
    ///
    /// The server [offers](crate::ulp::region::RegionServer::offer_to_one) them by that name, to one user at
    /// a time. The first region takes the base log file, each other one a container:
    /// [`regions`](super::regions) makes such. They are the log's own while it, its area or a read context
    /// lives. `options` name no storage: that is the peer's. Blocks.
    ///
    /// # Errors
    /// As [`create`](Self::create); SHARING_VIOLATION while somebody else has the regions, DISK_FULL when all
    /// of them hold containers, OBJECT_NAME_NOT_FOUND where the server offers nothing of that name, and
    /// NETWORK_UNREACHABLE where it is not reached.
    pub fn create_remote(
        adapter: impl Into<Arc<Adapter>>,
        server: SocketAddr,
        name: &str,
        options: LogOptions,
    ) -> Result<Self, LogError> {
        Self::create_on(Self::remote("Log::create_remote", adapter, server, name)?, options)
    }

    /// Opens a log in the regions of a peer, finding its end by reading them; otherwise as
    /// [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create_remote`](Self::create_remote).
    pub fn open_remote(
        adapter: impl Into<Arc<Adapter>>,
        server: SocketAddr,
        name: &str,
        options: LogOptions,
    ) -> Result<Self, LogError> {
        Self::open_on(Self::remote("Log::open_remote", adapter, server, name)?, options)
    }

    fn remote(
        call: &'static str,
        adapter: impl Into<Arc<Adapter>>,
        server: SocketAddr,
        name: &str,
    ) -> Result<Arc<dyn Medium>, LogError> {
        let remote = Remote::connect(adapter, server, name);
        Ok(Arc::new(remote.map_err(|error| LogError::storage(call, LogStatus::NETWORK_UNREACHABLE, error))?))
    }

    fn medium(call: &'static str, folder: &Path, options: LogOptions) -> Result<Arc<dyn Medium>, LogError> {
        let opened = storage::open(options.storage);
        let storage = opened.map_err(|error| {
            let error = StorageError::name("open storage for", folder, Cause::of(&error));
            LogError::storage(call, LogStatus::NOT_SUPPORTED, error)
        })?;
        Ok(Arc::new(Folder::new(storage, folder.to_owned())))
    }

    /// The same on any medium.
    pub(crate) fn create_on(medium: Arc<dyn Medium>, options: LogOptions) -> Result<Self, LogError> {
        const CALL: &str = "Log::create";
        let failed = |error| LogError::storage(CALL, LogStatus::LOG_CONTAINER_WRITE_FAILED, error);
        // A base log file without any whole slot is what a crash in this call leaves.
        match medium.open(Part::Base) {
            Ok(file) => {
                if let Found::Newest(..) = metadata::find(CALL, &|offset, length| file.read(offset, length))?
                {
                    let why = "there is a log; open it, or take its files away";
                    return Err(LogError::new(CALL, LogStatus::OBJECT_NAME_COLLISION, why));
                }
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        let first = Metadata::new(medium.identity().map_err(failed)?, options.archive);
        let file = medium.create(Part::Base, LENGTH).map_err(failed)?;
        let lock = Arc::new(medium.lock().map_err(failed)?);
        let slots = Slots::create(file, first)?;
        let core = Core::new(medium, slots, BTreeMap::new(), nothing_found());
        Ok(Self { core: Arc::new(core), granule: options.granule, lock })
    }

    /// The same on any medium.
    pub(crate) fn open_on(medium: Arc<dyn Medium>, options: LogOptions) -> Result<Self, LogError> {
        const CALL: &str = "Log::open";
        let failed = |error| LogError::storage(CALL, LogStatus::LOG_CONTAINER_OPEN_FAILED, error);
        let file = medium.open(Part::Base).map_err(failed)?;
        let lock = Arc::new(medium.lock().map_err(failed)?);
        let mut slots = Slots::open(file)?;
        let mut files = BTreeMap::new();
        for entry in &slots.stable.containers {
            files.insert(entry.id, open_container(medium.as_ref(), &slots.stable, entry.id)?);
        }
        let known = |entry: &Entry| Some((entry.logical, Arc::clone(files.get(&entry.id)?)));
        let containers = slots.stable.containers.iter().filter_map(known).collect();
        let found = recover(&slots.stable, &containers)?;
        // The incarnation is raised durably before the first append, so that no block of this life can be
        // taken for one of another.
        let mut next = slots.stable.clone();
        if !super::planted!(
            IncarnationNotRaised,
            "a new life of the log writes blocks like those of the last one"
        ) {
            next.incarnation += 1;
        }
        (next.stable, next.horizon) = (found.last, found.end);
        (next.restart, next.base) = (found.restart, found.base);
        slots.commit(CALL, next)?;
        let core = Arc::new(Core::new(medium, slots, files, found));
        Ok(Self { core, granule: options.granule, lock })
    }

    /// Adds containers; when this returns they are allocated, zero-filled, stable, and used in turn.
    ///
    /// `size` is in bytes. The first container fixes it, rounded up to 512 KiB; for later ones give none, or
    /// one that rounds to at least that, which is then used (LOG-25). On an error none was added.
    ///
    /// # Errors
    /// INVALID_PARAMETER for a size that does not do; LOG_CONTAINER_LIMIT_EXCEEDED above 1023; DISK_FULL.
    pub fn add_containers(&self, count: u32, size: Option<u64>) -> Result<(), LogError> {
        const CALL: &str = "Log::add_containers";
        let mut control = self.core.control();
        let mut next = control.slots.stable.clone();
        if next.containers.len() + count as usize > CONTAINERS {
            let why = format!("count is {count}; a log of {} can have {CONTAINERS}", next.containers.len());
            return Err(LogError::new(CALL, LogStatus::LOG_CONTAINER_LIMIT_EXCEEDED, why));
        }
        next.container_size = self.container_size(CALL, next.container_size, size)?;
        let mut made: Vec<(u32, Arc<dyn Container>)> = Vec::new();
        for _ in 0..count {
            let Some(logical) = next.next_logical() else {
                let why = "the numbers of containers are used up; begin a new log";
                return Err(LogError::new(CALL, LogStatus::LOG_CONTAINER_LIMIT_EXCEEDED, why));
            };
            let id = next.free_id();
            match self.core.medium.create(Part::Container(id), next.container_size) {
                Ok(file) => made.push((id, file)),
                Err(error) => {
                    let made: Vec<u32> = made.iter().map(|(id, _)| *id).collect();
                    self.core.remove_files(&mut control, &made);
                    return Err(LogError::storage(CALL, LogStatus::LOG_CONTAINER_WRITE_FAILED, error));
                }
            }
            next.containers.push(Entry { id, logical, leaving: false });
        }
        self.core.note(&mut next);
        control.slots.commit(CALL, next)?;
        control.files.extend(made);
        self.core.apply(&control);
        Ok(())
    }

    fn container_size(&self, call: &'static str, present: u64, asked: Option<u64>) -> Result<u64, LogError> {
        let rounded = asked.map(|size| size.max(1).div_ceil(self.granule).saturating_mul(self.granule));
        match (present, rounded) {
            (0, None) => Err(LogError::parameter(call, "size is missing; the first container fixes it")),
            (0, Some(size)) if size > CONTAINER_MAX => {
                let why = format!("size is {size} bytes; a container has {CONTAINER_MAX} at most");
                Err(LogError::parameter(call, why))
            }
            (0, Some(size)) => Ok(size),
            (present, Some(size)) if size < present => {
                let why = format!("size is {size} bytes, less than the {present} of the others; give none");
                Err(LogError::parameter(call, why))
            }
            (present, _) => Ok(present),
        }
    }

    /// Removes a container: now, if it is in no use, else when it leaves the active log.
    ///
    /// # Errors
    /// LOG_CANT_DELETE if it is active and `force` forbids to wait (LOG-24); LOG_FULL if what is reserved
    /// needs it; INVALID_PARAMETER if there is no such container.
    pub fn remove_container(&self, id: u32, force: bool) -> Result<(), LogError> {
        const CALL: &str = "Log::remove_container";
        let mut control = self.core.control();
        let mut next = control.slots.stable.clone();
        let Some(at) = next.containers.iter().position(|entry| entry.id == id) else {
            return Err(LogError::parameter(CALL, format!("id is {id}; the log has no such container")));
        };
        let active = {
            let mut state = self.core.state();
            let active = next.containers[at].logical <= state.next().container().max(state.place.container());
            if !active {
                state.withdraw(CALL)?;
            }
            active
        };
        if active && force {
            let why =
                format!("container {id} holds or takes records; advance the base first, or wait lazily");
            return Err(LogError::new(CALL, LogStatus::LOG_CANT_DELETE, why));
        }
        if active {
            next.containers[at].leaving = true;
        } else {
            next.containers.remove(at);
            next.containers[at..].iter_mut().for_each(|entry| entry.logical -= 1);
        }
        self.core.note(&mut next);
        let committed = control.slots.commit(CALL, next);
        self.core.apply(&control); // of the old metadata too: they give back what was withdrawn
        committed?;
        if !active {
            self.core.remove_files(&mut control, &[id]);
        }
        Ok(())
    }

    /// Sets the oldest record that is not archived. Containers are recycled below it and the base only.
    ///
    /// # Errors
    /// LOG_EPHEMERAL if the log keeps none; INVALID_PARAMETER unless it is between the present one and the
    /// next record; LOG_METADATA_FLUSH_FAILED.
    pub fn set_archive_tail(&self, tail: Lsn) -> Result<(), LogError> {
        const CALL: &str = "Log::set_archive_tail";
        let mut control = self.core.control();
        let (present, next) = {
            let state = self.core.state();
            (state.archive_tail, state.next())
        };
        let Some(present) = present else {
            let why = "the log keeps no archive tail; create it with LogOptions::archive";
            return Err(LogError::new(CALL, LogStatus::LOG_EPHEMERAL, why));
        };
        if tail < present || tail > next {
            let why = format!("the tail is to be {tail}; give one from {present} to {next}");
            return Err(LogError::parameter(CALL, why));
        }
        self.core.commit(CALL, &mut control, Change { archive_tail: Some(tail), ..Change::default() })
    }

    /// Makes the area through which records are appended and read; there is one at a time.
    ///
    /// # Errors
    /// LOG_NOT_ENOUGH_CONTAINERS below two (LOG-14); INVALID_PARAMETER for lengths that do not do;
    /// LOG_STATE_INVALID if there is one.
    pub fn area(&self, options: AreaOptions) -> Result<MarshallingArea, LogError> {
        MarshallingArea::new(&self.core, &self.lock, options)
    }

    #[cfg(any(test, feature = "conformance"))]
    pub(super) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// The log as it is now.
    pub fn info(&self) -> LogInfo {
        let control = self.core.control();
        let metadata = &control.slots.stable;
        let state = self.core.state();
        let current = state.next().container();
        let describe = |entry: &Entry| ContainerInfo {
            id: entry.id,
            logical: entry.logical,
            state: match (entry.logical <= current, entry.leaving) {
                (_, true) => ContainerState::ActivePendingDelete,
                (true, _) => ContainerState::Active,
                (false, _) => ContainerState::Inactive,
            },
        };
        LogInfo {
            storage: self.core.medium.make(),
            container_size: metadata.container_size,
            containers: metadata.containers.iter().map(describe).collect(),
            base: state.base,
            archive_tail: state.archive_tail,
            flushed: state.flushed,
            next: state.next(),
            restart: Some(state.restart).filter(|lsn| *lsn != Lsn::INVALID),
            reserved: state.reserved.count(),
            failed: state.failed.is_some(),
        }
    }
}

fn is_absent(error: &StorageError) -> bool {
    error.cause() == Cause::System(rustix::io::Errno::NOENT.raw_os_error())
}

fn open_container(medium: &dyn Medium, metadata: &Metadata, id: u32) -> Result<Arc<dyn Container>, LogError> {
    const CALL: &str = "Log::open";
    let failed = |error| LogError::storage(CALL, LogStatus::LOG_CONTAINER_OPEN_FAILED, error);
    let file = medium.open(Part::Container(id)).map_err(failed)?;
    let length = file.length().map_err(failed)?;
    if length < metadata.container_size {
        let why = format!("container {id} has {length} bytes, not {}", metadata.container_size);
        return Err(LogError::new(CALL, LogStatus::LOG_METADATA_INCONSISTENT, why));
    }
    Ok(file)
}

/// Sectors in which lengths of blocks are given.
pub(super) const fn is_whole(length: u64) -> bool {
    length % SECTOR == 0
}
