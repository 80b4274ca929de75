//! Plain calls on a few threads, for systems that have no io_uring or forbid it.

use super::descriptor::{Closable, Descriptor, identity, remove, sync_folder};
use super::merge::Merger;
use super::{Cause, Done, File, Io, Lock, Open, Storage, StorageError, StorageMake};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

type Job = Box<dyn FnOnce() + Send>;

/// Threads at most. Plain calls wait for the device, so more of them keep it busy, but each costs a stack.
const THREADS: usize = 4;

/// Threads that carry out operations by plain calls; they end with their last owner.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Owner>);

/// Who keeps the threads; they themselves keep only what they share.
#[derive(Debug)]
struct Owner(Arc<Threads>);

#[derive(Default)]
struct Threads {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    started: usize,
    idle: usize,
    ended: bool,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Threads").field("started", &state.started).field("jobs", &state.jobs.len()).finish()
    }
}

impl Threads {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                unwinding_stays("a job of storage", job);
                state = self.lock();
            } else if state.ended {
                return;
            } else {
                state.idle += 1;
                state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.more.notify_all();
    }
}

impl Pool {
    /// A pool whose threads start at first need.
    pub(super) fn open() -> Self {
        Self(Arc::new(Owner(Arc::default())))
    }

    /// Has a thread do the job. Without any thread it is dropped, which its `Done` reports.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let threads = &self.0.0;
        let mut state = threads.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle < state.jobs.len() && state.started < THREADS {
            let shared = Arc::clone(threads);
            match std::thread::Builder::new().name("qpair storage".to_owned()).spawn(move || shared.run()) {
                Ok(_detached) => state.started += 1,
                Err(error) if state.started == 0 => {
                    tracing::error!(target: "qpair", %error, "no thread for storage could be started");
                    let refused = std::mem::take(&mut state.jobs);
                    drop(state);
                    drop(refused);
                    return;
                }
                Err(error) => {
                    tracing::warn!(target: "qpair", %error, "storage has fewer threads than it may")
                }
            }
        }
        drop(state);
        threads.more.notify_one();
    }
}

impl Storage for Pool {
    fn make(&self) -> StorageMake {
        StorageMake::Threads
    }

    fn open(&self, path: &Path, how: Open, done: Done<Arc<dyn File>>) {
        let (pool, path) = (self.clone(), path.to_owned());
        self.run(move || {
            let opened = Descriptor::open(&path, how);
            done.call(opened.map(|descriptor| Arc::new(PoolFile::new(pool, descriptor)) as Arc<dyn File>));
        });
    }

    fn remove(&self, path: &Path, done: Done<()>) {
        let path = path.to_owned();
        self.run(move || done.call(remove(&path)));
    }

    fn lock(&self, path: &Path) -> Result<Lock, StorageError> {
        Lock::take(path)
    }

    fn identity(&self) -> Result<u128, StorageError> {
        identity()
    }

    fn sync_folder(&self, path: &Path, done: Done<()>) {
        let path = path.to_owned();
        self.run(move || done.call(sync_folder(&path)));
    }
}

#[derive(Debug)]
struct PoolFile {
    pool: Pool,
    open: Closable,
    syncs: Arc<Merger>,
}

impl PoolFile {
    fn new(pool: Pool, descriptor: Descriptor) -> Self {
        let open = Closable::new(descriptor);
        let threads = pool.clone();
        let syncs = Merger::of(&open, move |file, range, done| {
            threads.run(move || done.call(file.sync(range)));
        });
        Self { pool, open, syncs }
    }
}

impl File for PoolFile {
    fn start(&self, batch: Vec<Io>) {
        for io in batch {
            match (self.open.get(), io) {
                (Err(closed), io) => refuse(io, closed),
                (Ok(file), Io::Sync { range, done }) => self.syncs.sync(range, file.kept_until(done)),
                (Ok(file), Io::Write { offset, bytes, done }) => {
                    self.pool.run(move || done.call(file.write(offset, &bytes)));
                }
                (Ok(file), Io::Read { offset, length, done }) => {
                    self.pool.run(move || done.call(file.read(offset, length)));
                }
                (Ok(file), Io::Allocate { range, done }) => {
                    self.pool.run(move || done.call(file.allocate(range)));
                }
            }
        }
    }

    fn length(&self) -> Result<u64, StorageError> {
        self.open.get()?.length()
    }

    fn close(&self, done: Done<()>) {
        self.open.close(done);
    }
}

/// Runs what may call others back, and keeps a panic of theirs from ending the thread: it serves everybody.
pub(super) fn unwinding_stays<R>(what: &'static str, run: impl FnOnce() -> R) -> Option<R> {
    // Whatever was changed half belongs to who panicked; what is ours is behind the callback.
    let ran = catch_unwind(AssertUnwindSafe(run));
    if ran.is_err() {
        tracing::error!(target: "qpair", "{what} has panicked, and the thread goes on");
    }
    ran.ok()
}

/// Ends an operation with an error before it began.
pub(super) fn refuse(io: Io, why: StorageError) {
    debug_assert_ne!(why.cause(), Cause::EndOfFile, "refused before anything was read");
    match io {
        Io::Write { done, .. } | Io::Sync { done, .. } | Io::Allocate { done, .. } => done.call(Err(why)),
        Io::Read { done, .. } => done.call(Err(why)),
    }
}
