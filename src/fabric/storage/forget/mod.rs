//! A model of a disk that forgets: what was not synced may be lost, kept, reordered or torn.
//!
//! The state of each file is its stable sectors and an ordered list of writes that are pending. A sync makes
//! stable what had completed when it began; a crash decides for every sector of every pending write by chance
//! whether it is old, new, or torn at a byte. Names and lengths are pending too, until the folder and the
//! file are synced. All chance comes from a seed.
//!
//! Power can be cut at any point: before an operation, or after it but before its completion was told. From
//! then on every operation fails, and [`Forgetful::crash`] gives the disk as it is when power returns.
//!
//! May come in: other ways in which disks and file systems forget. Not here: who writes, and any judgement of
//! what must be found.

pub(crate) mod chance;
mod disk;
#[cfg(test)]
mod tests;

use super::merge::Merger;
use super::{Cause, Done, File, Io, Lock, Open, Storage, StorageError, StorageMake};
use chance::Chance;
use disk::{Disk, FileId};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which operations a planned failure meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    Read,
    Write,
    Sync,
    Allocate,
}

/// The model. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Forgetful(Arc<Mutex<Disk>>);

impl Forgetful {
    /// An empty disk without limit.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Disk::new(seed))))
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that all files together may have allocated; more is ENOSPC.
    pub(crate) fn limit(&self, bytes: u64) {
        self.lock().limit = bytes;
    }

    /// Points so far at which power could have been cut: two for each write, sync and change of a name or
    /// length.
    pub(crate) fn points(&self) -> u64 {
        self.lock().points
    }

    /// Cuts the power at that point, counted from now.
    pub(crate) fn cut_at(&self, point: u64) {
        let mut disk = self.lock();
        disk.cut = Some(disk.points + point);
    }

    /// Whether the power is cut.
    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// The disk as it would be found after a loss of power now; this one goes on.
    pub(crate) fn crash(&self, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(self.lock().after_crash(seed))))
    }

    /// Lets the `nth` operation of that kind from now fail (0: the next), with the system's error number.
    pub(crate) fn fail(&self, which: Fails, nth: u64, errno: i32) {
        self.lock().failures.push((which, nth, errno));
    }

    /// Syncs of files that were begun.
    pub(crate) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Holds syncs that begin from now on until they are released.
    pub(crate) fn hold_syncs(&self) {
        self.lock().holding = true;
    }

    /// How many syncs are held.
    pub(crate) fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Ends the syncs that are held now; with `holding` later ones are held again.
    pub(crate) fn release_syncs(&self, holding: bool) {
        let held = {
            let mut disk = self.lock();
            disk.holding = holding;
            std::mem::take(&mut disk.held)
        };
        for (file, snapshot, done) in held {
            let result = self.lock().end_sync(file, &snapshot);
            done.call(result);
        }
    }

    /// Changes bytes of a file's stable content, as a fault of the medium would.
    pub(crate) fn damage(&self, path: &Path, offset: u64, change: impl FnOnce(&mut u8)) {
        self.lock().damage(path, offset, change);
    }

    /// The content of a file as a reader would find it; `None` where there is no such name.
    pub(crate) fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.lock().content(path)
    }

    /// Overwrites stable and present content, as somebody with a hex editor would.
    pub(crate) fn overwrite(&self, path: &Path, offset: u64, bytes: &[u8]) {
        for (n, byte) in bytes.iter().enumerate() {
            self.damage(path, offset + n as u64, |old| *old = *byte);
        }
    }
}

impl fmt::Debug for Forgetful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disk = self.lock();
        f.debug_struct("Forgetful").field("points", &disk.points).field("dead", &disk.dead).finish()
    }
}

impl Storage for Forgetful {
    fn make(&self) -> StorageMake {
        StorageMake::Model
    }

    fn open(&self, path: &Path, how: Open, done: Done<Arc<dyn File>>) {
        let opened = self.lock().open(path, how);
        let disk = self.clone();
        done.call(opened.map(|id| Arc::new(ModelFile::new(disk, id, path)) as Arc<dyn File>));
    }

    fn remove(&self, path: &Path, done: Done<()>) {
        let removed = self.lock().remove(path);
        done.call(removed);
    }

    /// Always free: whoever held it is dead, as far as the tests go.
    fn lock(&self, _path: &Path) -> Result<Lock, StorageError> {
        Ok(Lock::none())
    }

    fn identity(&self) -> Result<u128, StorageError> {
        let chance = &mut self.lock().chance;
        Ok(u128::from(chance.next()) << 64 | u128::from(chance.next()))
    }

    fn sync_folder(&self, path: &Path, done: Done<()>) {
        let synced = self.lock().sync_folder(path);
        done.call(synced);
    }
}

#[derive(Debug)]
struct ModelFile {
    disk: Forgetful,
    id: FileId,
    path: PathBuf,
    syncs: Arc<Merger>,
    closed: Mutex<bool>,
}

impl ModelFile {
    fn new(disk: Forgetful, id: FileId, path: &Path) -> Self {
        let syncer = disk.clone();
        let syncs = Merger::new(move |range: Range<u64>, done: Done<()>| {
            let mut disk = syncer.lock();
            let begun = disk.begin_sync(id, &range);
            let ended = match begun {
                Ok(snapshot) if disk.holding => {
                    disk.held.push((id, snapshot, done));
                    return;
                }
                Ok(snapshot) => disk.end_sync(id, &snapshot),
                Err(error) => Err(error),
            };
            drop(disk);
            done.call(ended);
        });
        Self { disk, id, path: path.to_owned(), syncs, closed: Mutex::default() }
    }
}

impl File for ModelFile {
    /// Runs the batch in the worst order that is allowed: syncs first, so that they cover nothing of it, the
    /// rest by chance.
    fn start(&self, mut batch: Vec<Io>) {
        if *self.closed.lock().unwrap_or_else(PoisonError::into_inner) {
            let closed = || StorageError::name("use", &self.path, Cause::Closed);
            return batch.into_iter().for_each(|io| super::pool::refuse(io, closed()));
        }
        shuffle(&mut batch, &mut self.disk.lock().chance);
        batch.sort_by_key(|io| !matches!(io, Io::Sync { .. })); // a stable sort keeps the chance of the rest
        for io in batch {
            match io {
                Io::Sync { range, done } => self.syncs.sync(range, done),
                Io::Write { offset, bytes, done } => {
                    let written = self.disk.lock().write(self.id, offset, bytes);
                    done.call(written);
                }
                Io::Read { offset, length, done } => {
                    let read = self.disk.lock().read(self.id, offset, length);
                    done.call(read);
                }
                Io::Allocate { range, done } => {
                    let allocated = self.disk.lock().allocate(self.id, &range);
                    done.call(allocated);
                }
            }
        }
    }

    fn length(&self) -> Result<u64, StorageError> {
        self.disk.lock().length(self.id)
    }

    fn close(&self, done: Done<()>) {
        let before =
            std::mem::replace(&mut *self.closed.lock().unwrap_or_else(PoisonError::into_inner), true);
        let closed = StorageError::name("close", &self.path, Cause::Closed);
        done.call(if before { Err(closed) } else { Ok(()) });
    }
}

/// Any order is as likely as any other.
fn shuffle<T>(items: &mut [T], chance: &mut Chance) {
    for last in (1..items.len()).rev() {
        items.swap(last, chance.below(last as u64 + 1) as usize);
    }
}
