//! The state of the model: stable sectors, pending writes, names.

use super::Fails;
use super::chance::Chance;
use crate::fabric::storage::{Buffer, Cause, Done, Open, StorageError};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What a disk writes whole, or so one may hope; a torn sector is one that broke that hope.
const SECTOR: u64 = 512;

pub(super) type FileId = u64;

#[derive(Debug)]
pub(super) struct Disk {
    pub(super) chance: Chance,
    pub(super) limit: u64,
    pub(super) points: u64,
    pub(super) cut: Option<u64>,
    pub(super) dead: bool,
    pub(super) failures: Vec<(Fails, u64, i32)>,
    pub(super) syncs: u64,
    pub(super) holding: bool,
    pub(super) held: Vec<(FileId, Snapshot, Done<()>)>,
    files: BTreeMap<FileId, Content>,
    names: BTreeMap<PathBuf, FileId>,
    stable_names: BTreeMap<PathBuf, FileId>,
    next: FileId,
    writes: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    path: PathBuf,
    /// As a reader finds it while the machine runs: the page cache.
    present: Vec<u8>,
    stable: Vec<u8>,
    pending: Vec<Pending>,
}

/// A change that no sync has covered yet.
#[derive(Clone, Debug)]
struct Pending {
    serial: u64,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Bytes { offset: u64, bytes: Buffer },
    Length(u64),
}

/// What a sync that has begun will make stable: the serial numbers of the changes that had completed.
#[derive(Debug)]
pub(super) struct Snapshot {
    serials: Vec<u64>,
    /// What the sync will end with, and whether power goes before that is told.
    failure: Option<i32>,
    range: Range<u64>,
}

/// Where the cut came.
enum Passed {
    Alive,
    /// The operation takes effect, and nobody is told.
    DeadAfter,
}

impl Change {
    fn touches(&self, range: &Range<u64>) -> bool {
        match self {
            Self::Bytes { offset, bytes } => *offset < range.end && range.start < offset + bytes.len() as u64,
            Self::Length(_) => true, // what it takes to read the data back
        }
    }

    fn meets(&self, other: &Self) -> bool {
        match other {
            Self::Bytes { offset, bytes } => self.touches(&(*offset..offset + bytes.len() as u64)),
            Self::Length(_) => false,
        }
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Bytes { offset, bytes } => {
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                content.resize(content.len().max(end), 0);
                content[begin..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length as usize, 0),
        }
    }

    /// Lets each sector be old, new or torn; `keep` and `tear` in percent.
    fn apply_by_chance(&self, content: &mut Vec<u8>, chance: &mut Chance, keep: u64, tear: u64) {
        let Self::Bytes { offset, bytes } = self else {
            if chance.percent(keep) {
                self.apply(content);
            }
            return;
        };
        let mut at = *offset;
        let end = offset + bytes.len() as u64;
        while at < end {
            let next = end.min((at / SECTOR + 1) * SECTOR);
            let length = next - at;
            let new = match (chance.percent(keep), chance.percent(tear)) {
                (_, true) => chance.below(length + 1),
                (true, false) => length,
                (false, false) => 0,
            };
            let (from, to) = (at as usize, (at + new) as usize);
            // What lies beyond a length that did not become stable is lost with it.
            let to = to.min(content.len());
            if from < to {
                let source = from - *offset as usize;
                content[from..to].copy_from_slice(&bytes[source..source + (to - from)]);
            }
            at = next;
        }
    }
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            limit: u64::MAX,
            points: 0,
            cut: None,
            dead: false,
            failures: Vec::new(),
            syncs: 0,
            holding: false,
            held: Vec::new(),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            stable_names: BTreeMap::new(),
            next: 0,
            writes: 0,
        }
    }

    /// Passes the two points of an operation: before it, and between its effect and its completion.
    fn pass(&mut self) -> Result<Passed, Cause> {
        if self.dead {
            return Err(Cause::PowerLost);
        }
        self.points += 2;
        match self.cut {
            Some(cut) if cut + 2 == self.points => {
                self.dead = true;
                Err(Cause::PowerLost)
            }
            Some(cut) if cut + 1 == self.points => {
                self.dead = true;
                Ok(Passed::DeadAfter)
            }
            _ => Ok(Passed::Alive),
        }
    }

    /// The failure planned for this operation, if any.
    fn failure(&mut self, which: Fails) -> Option<i32> {
        let due = self.failures.iter().position(|(kind, nth, _)| *kind == which && *nth == 0);
        let errno = due.map(|at| self.failures.remove(at).2);
        let later = self.failures.iter_mut().filter(|(kind, nth, _)| *kind == which && *nth > 0);
        later.for_each(|(_, nth, _)| *nth -= 1);
        errno
    }

    fn file(&mut self, id: FileId) -> &mut Content {
        self.files.get_mut(&id).unwrap_or_else(|| unreachable!("files live as long as their disk"))
    }

    fn error(
        &mut self,
        id: FileId,
        operation: &'static str,
        range: Range<u64>,
        cause: Cause,
    ) -> StorageError {
        StorageError::bytes(operation, &self.file(id).path, range, cause)
    }

    pub(super) fn open(&mut self, path: &Path, how: Open) -> Result<FileId, StorageError> {
        let failed = |cause| StorageError::name("open", path, cause);
        if how == Open::Existing {
            let found = if self.dead { Err(Cause::PowerLost) } else { Ok(self.names.get(path)) };
            return found.map_err(failed)?.copied().ok_or_else(|| failed(Cause::System(ENOENT)));
        }
        let passed = self.pass().map_err(failed)?;
        let id = match self.names.get(path).copied() {
            Some(id) => {
                self.change(id, Change::Length(0));
                id
            }
            None => {
                self.next += 1;
                self.files.insert(self.next, Content { path: path.to_owned(), ..Content::default() });
                self.names.insert(path.to_owned(), self.next);
                self.next
            }
        };
        told(passed).map_err(failed)?;
        Ok(id)
    }

    pub(super) fn remove(&mut self, path: &Path) -> Result<(), StorageError> {
        let failed = |cause| StorageError::name("remove", path, cause);
        let passed = self.pass().map_err(failed)?;
        self.names.remove(path).ok_or_else(|| failed(Cause::System(ENOENT)))?;
        told(passed).map_err(failed)
    }

    pub(super) fn sync_folder(&mut self, path: &Path) -> Result<(), StorageError> {
        let failed = |cause| StorageError::name("sync the folder", path, cause);
        let passed = self.pass().map_err(failed)?;
        self.stable_names.retain(|name, _| name.parent() != Some(path));
        let present = self.names.iter().filter(|(name, _)| name.parent() == Some(path));
        self.stable_names.extend(present.map(|(name, id)| (name.clone(), *id)));
        told(passed).map_err(failed)
    }

    fn change(&mut self, id: FileId, change: Change) {
        self.writes += 1;
        let serial = self.writes;
        let file = self.file(id);
        change.apply(&mut file.present);
        file.pending.push(Pending { serial, change });
    }

    pub(super) fn write(&mut self, id: FileId, offset: u64, bytes: Buffer) -> Result<(), StorageError> {
        let range = offset..offset + bytes.len() as u64;
        let passed = self.pass().map_err(|cause| self.error(id, "write", range.clone(), cause))?;
        if let Some(errno) = self.failure(Fails::Write) {
            return Err(self.error(id, "write", range, Cause::System(errno)));
        }
        if range.end > self.file(id).present.len() as u64 {
            self.grow(id, range.end).map_err(|cause| self.error(id, "write", range.clone(), cause))?;
        }
        self.change(id, Change::Bytes { offset, bytes });
        told(passed).map_err(|cause| self.error(id, "write", range, cause))
    }

    fn grow(&mut self, id: FileId, length: u64) -> Result<(), Cause> {
        let others =
            self.files.iter().filter(|(other, _)| **other != id && self.names.values().any(|n| n == *other));
        let used: u64 = others.map(|(_, file)| file.present.len() as u64).sum();
        if used.saturating_add(length) > self.limit {
            return Err(Cause::System(ENOSPC));
        }
        self.change(id, Change::Length(length));
        Ok(())
    }

    pub(super) fn allocate(&mut self, id: FileId, range: &Range<u64>) -> Result<(), StorageError> {
        let failed = |disk: &mut Self, cause| disk.error(id, "allocate", range.clone(), cause);
        let passed = self.pass().map_err(|cause| failed(self, cause))?;
        if let Some(errno) = self.failure(Fails::Allocate) {
            return Err(failed(self, Cause::System(errno)));
        }
        if range.end > self.file(id).present.len() as u64 {
            self.grow(id, range.end).map_err(|cause| failed(self, cause))?;
        }
        told(passed).map_err(|cause| failed(self, cause))
    }

    pub(super) fn read(&mut self, id: FileId, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
        let range = offset..offset + length as u64;
        let (dead, failure) = (self.dead, self.failure(Fails::Read));
        let found = self.file(id).present.get(offset as usize..offset as usize + length).map(<[u8]>::to_vec);
        let found = match (dead, failure, found) {
            (true, ..) => Err(Cause::PowerLost),
            (_, Some(errno), _) => Err(Cause::System(errno)),
            (.., found) => found.ok_or(Cause::EndOfFile),
        };
        found.map_err(|cause| self.error(id, "read", range, cause))
    }

    pub(super) fn length(&mut self, id: FileId) -> Result<u64, StorageError> {
        if self.dead {
            let path = &self.file(id).path;
            return Err(StorageError::name("ask the length of", path, Cause::PowerLost));
        }
        Ok(self.file(id).present.len() as u64)
    }

    /// Begins a sync: what has completed by now and touches the range is what it will cover.
    pub(super) fn begin_sync(&mut self, id: FileId, range: &Range<u64>) -> Result<Snapshot, StorageError> {
        if self.dead {
            return Err(self.error(id, "sync", range.clone(), Cause::PowerLost));
        }
        self.syncs += 1;
        let failure = self.failure(Fails::Sync);
        let mut covered: Vec<&Pending> = Vec::new();
        // From the last to the first: what lies under a change that becomes stable does so with it, else the
        // older bytes could win at the crash.
        for pending in self.file(id).pending.iter().rev() {
            if pending.change.touches(range)
                || covered.iter().any(|later| pending.change.meets(&later.change))
            {
                covered.push(pending);
            }
        }
        let serials = covered.iter().map(|pending| pending.serial).collect();
        Ok(Snapshot { serials, failure, range: range.clone() })
    }

    pub(super) fn end_sync(&mut self, id: FileId, snapshot: &Snapshot) -> Result<(), StorageError> {
        let range = snapshot.range.clone();
        let passed = self.pass().map_err(|cause| self.error(id, "sync", range.clone(), cause))?;
        let mut chance = self.chance.clone();
        let file = self.file(id);
        let (covered, rest): (Vec<Pending>, Vec<Pending>) =
            file.pending.drain(..).partition(|pending| snapshot.serials.contains(&pending.serial));
        file.pending = rest;
        for pending in covered {
            match snapshot.failure {
                None => pending.change.apply(&mut file.stable),
                // Dropped or kept by chance, and clean from now on: the next sync has nothing to do.
                Some(_) => pending.change.apply_by_chance(&mut file.stable, &mut chance, 50, 10),
            }
        }
        self.chance = chance;
        if let Some(errno) = snapshot.failure {
            return Err(self.error(id, "sync", range, Cause::System(errno)));
        }
        told(passed).map_err(|cause| self.error(id, "sync", range, cause))
    }

    /// What is found when power returns.
    pub(super) fn after_crash(&self, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let keep = [0, 10, 50, 90, 100][chance.below(5) as usize];
        let tear = [0, 5, 30][chance.below(3) as usize];
        let mut disk = Self::new(seed);
        (disk.limit, disk.next) = (self.limit, self.next);
        disk.stable_names.clone_from(&self.stable_names);
        for name in self.names.keys().chain(self.stable_names.keys()) {
            let (now, stable) = (self.names.get(name), self.stable_names.get(name));
            if now != stable && chance.percent(keep) {
                match now {
                    Some(id) => disk.stable_names.insert(name.clone(), *id),
                    None => disk.stable_names.remove(name),
                };
            }
        }
        disk.names.clone_from(&disk.stable_names);
        for id in disk.names.values() {
            let Some(file) = self.files.get(id) else { continue };
            let mut stable = file.stable.clone();
            for pending in &file.pending {
                pending.change.apply_by_chance(&mut stable, &mut chance, keep, tear);
            }
            let content =
                Content { path: file.path.clone(), present: stable.clone(), stable, pending: Vec::new() };
            disk.files.insert(*id, content);
        }
        disk
    }

    pub(super) fn damage(&mut self, path: &Path, offset: u64, change: impl FnOnce(&mut u8)) {
        let Some(id) = self.names.get(path).copied() else { return };
        let file = self.file(id);
        if let Some(byte) = file.present.get_mut(offset as usize) {
            change(byte);
            let byte = *byte;
            if let Some(stable) = file.stable.get_mut(offset as usize) {
                *stable = byte;
            }
        }
    }

    pub(super) fn content(&mut self, path: &Path) -> Option<Vec<u8>> {
        let id = self.names.get(path).copied()?;
        Some(self.file(id).present.clone())
    }
}

/// Whether the completion is told.
fn told(passed: Passed) -> Result<(), Cause> {
    match passed {
        Passed::Alive => Ok(()),
        Passed::DeadAfter => Err(Cause::PowerLost),
    }
}

const ENOENT: i32 = rustix::io::Errno::NOENT.raw_os_error();
const ENOSPC: i32 = rustix::io::Errno::NOSPC.raw_os_error();
