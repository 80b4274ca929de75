//! Syncs of one file, merged: those that wait while one runs are covered by the next.

use super::descriptor::{Closable, Descriptor};
use super::{Done, StorageError};
use crate::planted::planted;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Start = dyn Fn(Range<u64>, Done<()>) + Send + Sync;

/// The syncs of one file, of which at most one runs.
///
/// A sync that runs does not cover who comes late: its writes may have completed after the sync had begun
/// (RFLUSH-19).
pub(super) struct Merger {
    start: Box<Start>,
    syncs: Mutex<Syncs>,
}

#[derive(Default)]
struct Syncs {
    running: bool,
    waiting: Vec<(Range<u64>, Done<()>)>,
    /// Only for a planted fault: those of the sync that runs.
    joined: Vec<Done<()>>,
}

impl Merger {
    /// Merges what `start` would each carry out alone.
    pub(super) fn new(start: impl Fn(Range<u64>, Done<()>) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { start: Box::new(start), syncs: Mutex::default() })
    }

    /// Merges the syncs of a file, each of which keeps it open until it has ended.
    pub(super) fn of(
        file: &Closable,
        start: impl Fn(Arc<Descriptor>, Range<u64>, Done<()>) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let descriptor = file.weak();
        Self::new(move |range, done| match descriptor.upgrade() {
            Some(file) => start(file, range, done),
            None => unreachable!("those who wait for a sync keep the file open"),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Syncs> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs the range, by a sync that begins after this call.
    pub(super) fn sync(self: &Arc<Self>, range: Range<u64>, done: Done<()>) {
        if range.is_empty() {
            return done.call(Ok(()));
        }
        let mut syncs = self.lock();
        if planted!(SyncJoinsRunning, "a sync that was asked for while another ran ends with that one")
            && syncs.running
        {
            syncs.joined.push(done);
            return;
        }
        syncs.waiting.push((range, done));
        drop(syncs);
        self.begin();
    }

    /// Starts one sync for all that wait, unless one runs.
    fn begin(self: &Arc<Self>) {
        let waiting = {
            let mut syncs = self.lock();
            if syncs.running || syncs.waiting.is_empty() {
                return;
            }
            syncs.running = true;
            std::mem::take(&mut syncs.waiting)
        };
        let first = waiting.iter().map(|(range, _)| range.start).min().unwrap_or_default();
        let last = waiting.iter().map(|(range, _)| range.end).max().unwrap_or_default();
        let merger = Arc::clone(self);
        let waiters = waiting.into_iter().map(|(_, done)| done).collect();
        (self.start)(first..last, Done::new(move |result| merger.end(waiters, &result)));
    }

    fn end(self: &Arc<Self>, waiters: Vec<Done<()>>, result: &Result<(), StorageError>) {
        // The system reports a failure once for the file: who waits for the next sync, which may find nothing
        // wrong, must be able to know of it before that begins. Otherwise the disk shall have no pause.
        let (before, after) = if result.is_ok() { (Vec::new(), waiters) } else { (waiters, Vec::new()) };
        before.into_iter().for_each(|done| done.call(result.clone()));
        let joined = {
            let mut syncs = self.lock();
            syncs.running = false;
            std::mem::take(&mut syncs.joined)
        };
        self.begin();
        after.into_iter().chain(joined).for_each(|done| done.call(result.clone()));
    }
}

impl fmt::Debug for Merger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let syncs = self.lock();
        f.debug_struct("Merger")
            .field("running", &syncs.running)
            .field("waiting", &syncs.waiting.len())
            .finish()
    }
}
