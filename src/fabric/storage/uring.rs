//! io_uring: one thread owns the ring, submits what has come in since its last look, and ends what is done.
//!
//! Callers put operations into a queue and wake the thread through an eventfd that the ring always reads; so
//! a batch costs one system call however many operations it has, and no caller ever blocks on a device.

#![expect(unsafe_code, reason = "the kernel is given addresses of buffers")]

use super::descriptor::{Closable, Descriptor, identity};
use super::merge::Merger;
use super::pool::{Pool, refuse, unwinding_stays};
use super::{Buffer, Cause, Done, File, Io, Lock, Open, Storage, StorageError, StorageMake};
use io_uring::{IoUring, Probe, cqueue, opcode, squeue, types};
use rustix::event::{EventfdFlags, eventfd};
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Operations in the kernel's hands at once; the rest waits in our queue. The completion ring has twice as
/// many places, so it cannot overflow.
const DEPTH: u32 = 128;
/// The kernel takes lengths of 32 bits; longer writes and reads go in pieces of this size.
const PIECE: usize = 1 << 30;
/// User data of the read of the eventfd.
const WAKE: u64 = u64::MAX;

/// Storage on io_uring.
#[derive(Clone, Debug)]
pub(super) struct Uring(Arc<Owner>);

/// Who keeps the ring's thread; the thread itself keeps only what it shares.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    /// Opening and removing are rare, so they are plain calls.
    names: Pool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Queue {
    fresh: Vec<Operation>,
    /// The last owner is gone.
    ended: bool,
    /// The thread is gone.
    left: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, operations: impl IntoIterator<Item = Operation>) {
        let mut queue = self.lock();
        if queue.left {
            drop(queue);
            return drop(operations.into_iter().collect::<Vec<_>>()); // which their ends report
        }
        let awake = !queue.fresh.is_empty(); // whoever put the first has woken the thread
        queue.fresh.extend(operations);
        drop(queue);
        if !awake {
            self.wake();
        }
    }

    fn wake(&self) {
        // An eventfd refuses only when its count would pass 2^64; the thread is awake then.
        if let Err(error) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {
            tracing::warn!(target: "qpair", %error, "the thread of io_uring was not woken");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.wake();
    }
}

impl Uring {
    /// Sets a ring up, with a thread that drives it.
    ///
    /// # Errors
    /// The system's: EPERM where io_uring is forbidden, ENOSYS where there is none; `Unsupported` where it
    /// lacks an operation that is needed.
    pub(super) fn open() -> io::Result<Self> {
        let ring = IoUring::new(DEPTH)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let needed = [opcode::Read::CODE, opcode::Write::CODE, opcode::Fsync::CODE, opcode::Fallocate::CODE];
        if !needed.iter().all(|code| probe.is_supported(*code)) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let wake = eventfd(0, EventfdFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { queue: Mutex::default(), wake });
        let driver = Driver {
            ring,
            shared: Arc::clone(&shared),
            waiting: VecDeque::new(),
            running: Vec::new(),
            free: Vec::new(),
            count: Box::new([0; 8]),
            armed: false,
        };
        std::thread::Builder::new().name("qpair io_uring".to_owned()).spawn(move || driver.run())?;
        Ok(Self(Arc::new(Owner { shared, names: Pool::open() })))
    }
}

impl Storage for Uring {
    fn make(&self) -> StorageMake {
        StorageMake::IoUring
    }

    fn open(&self, path: &Path, how: Open, done: Done<Arc<dyn File>>) {
        let (ring, path) = (self.clone(), path.to_owned());
        self.0.names.run(move || {
            let opened = Descriptor::open(&path, how);
            done.call(opened.map(|descriptor| Arc::new(UringFile::new(ring, descriptor)) as Arc<dyn File>));
        });
    }

    fn remove(&self, path: &Path, done: Done<()>) {
        self.0.names.remove(path, done);
    }

    fn lock(&self, path: &Path) -> Result<Lock, StorageError> {
        Lock::take(path)
    }

    fn identity(&self) -> Result<u128, StorageError> {
        identity()
    }

    fn sync_folder(&self, path: &Path, done: Done<()>) {
        self.0.names.sync_folder(path, done);
    }
}

#[derive(Debug)]
struct UringFile {
    ring: Uring,
    open: Closable,
    syncs: Arc<Merger>,
}

impl UringFile {
    fn new(ring: Uring, descriptor: Descriptor) -> Self {
        let open = Closable::new(descriptor);
        let syncer = ring.clone();
        let syncs = Merger::of(&open, move |file, range, done| {
            syncer.0.shared.put([Operation { file, work: Work::Sync { range, done } }]);
        });
        Self { ring, open, syncs }
    }
}

impl File for UringFile {
    fn start(&self, batch: Vec<Io>) {
        let mut operations = Vec::with_capacity(batch.len());
        for io in batch {
            let file = match self.open.get() {
                Ok(file) => file,
                Err(closed) => {
                    refuse(io, closed);
                    continue;
                }
            };
            let work = match io {
                Io::Sync { range, done } => {
                    self.syncs.sync(range, file.kept_until(done));
                    continue;
                }
                Io::Write { offset, bytes, done } => Work::Write { offset, bytes, written: 0, done },
                Io::Read { offset, length, done } => {
                    Work::Read { offset, bytes: vec![0; length], read: 0, done }
                }
                Io::Allocate { range, done } => Work::Allocate { range, done },
            };
            operations.push(Operation { file, work });
        }
        if !operations.is_empty() {
            self.ring.0.shared.put(operations);
        }
    }

    fn length(&self) -> Result<u64, StorageError> {
        self.open.get()?.length()
    }

    fn close(&self, done: Done<()>) {
        self.open.close(done);
    }
}

/// An operation with all that it needs to stay alive until the kernel has ended it.
#[derive(Debug)]
struct Operation {
    file: Arc<Descriptor>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Write { offset: u64, bytes: Buffer, written: usize, done: Done<()> },
    Read { offset: u64, bytes: Vec<u8>, read: usize, done: Done<Vec<u8>> },
    Sync { range: Range<u64>, done: Done<()> },
    Allocate { range: Range<u64>, done: Done<()> },
}

impl Operation {
    /// The entry for what is left to do. It points into the buffers of this operation.
    fn entry(&mut self) -> squeue::Entry {
        let fd = types::Fd(self.file.file.as_raw_fd());
        match &mut self.work {
            Work::Write { offset, bytes, written, .. } => {
                let rest = &bytes[*written..];
                let length = rest.len().min(PIECE) as u32;
                opcode::Write::new(fd, rest.as_ptr(), length).offset(*offset + *written as u64).build()
            }
            Work::Read { offset, bytes, read, .. } => {
                let rest = &mut bytes[*read..];
                let length = rest.len().min(PIECE) as u32;
                opcode::Read::new(fd, rest.as_mut_ptr(), length).offset(*offset + *read as u64).build()
            }
            Work::Sync { range, .. } => {
                let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC);
                match u32::try_from(range.end.saturating_sub(range.start)) {
                    Ok(length) => sync.offset(range.start).len(length).build(),
                    Err(_longer) => sync.build(), // all of the file
                }
            }
            Work::Allocate { range, .. } => {
                let length = range.end.saturating_sub(range.start);
                opcode::Fallocate::new(fd, length).offset(range.start).build()
            }
        }
    }

    /// Takes the kernel's result; the operation again, if something is left to do.
    fn advance(mut self, result: i32) -> Option<Self> {
        const INTERRUPTED: i32 = -rustix::io::Errno::INTR.raw_os_error();
        const AGAIN: i32 = -rustix::io::Errno::AGAIN.raw_os_error();
        if matches!(result, INTERRUPTED | AGAIN) {
            return Some(self);
        }
        let cause = (result < 0).then_some(Cause::System(-result));
        let moved = usize::try_from(result).unwrap_or(0);
        match &mut self.work {
            Work::Write { bytes, written, .. } if cause.is_none() => {
                *written += moved;
                if moved > 0 && *written < bytes.len() {
                    return Some(self);
                }
            }
            Work::Read { bytes, read, .. } if cause.is_none() => {
                *read += moved;
                if moved > 0 && *read < bytes.len() {
                    return Some(self);
                }
            }
            _ => {}
        }
        self.end(cause);
        None
    }

    /// Ends the operation.
    fn end(self, cause: Option<Cause>) {
        let Self { file, work } = self;
        let failed = |name, range, cause| Err(file.error(name, range, cause));
        match work {
            Work::Write { offset, bytes, written, done } => {
                let short = (written < bytes.len()).then_some(Cause::EndOfFile);
                let range = offset..offset + bytes.len() as u64;
                done.call(cause.or(short).map_or(Ok(()), |cause| failed("write", range, cause)));
            }
            Work::Read { offset, bytes, read, done } => {
                let short = (read < bytes.len()).then_some(Cause::EndOfFile);
                let range = offset..offset + bytes.len() as u64;
                let failure = cause.or(short).map(|cause| file.error("read", range, cause));
                done.call(failure.map_or(Ok(bytes), Err));
            }
            Work::Sync { range, done } => {
                done.call(cause.map_or(Ok(()), |cause| failed("sync", range, cause)));
            }
            Work::Allocate { range, done } => {
                done.call(cause.map_or(Ok(()), |cause| failed("allocate", range, cause)));
            }
        }
    }
}

/// The thread of the ring.
struct Driver {
    ring: IoUring,
    shared: Arc<Shared>,
    waiting: VecDeque<Operation>,
    /// In the kernel's hands, by user data.
    running: Vec<Option<Operation>>,
    free: Vec<usize>,
    /// What the eventfd counted; its place must not move while the kernel may write it.
    count: Box<[u8; 8]>,
    armed: bool,
}

impl Driver {
    fn run(mut self) {
        loop {
            let ended = {
                let mut queue = self.shared.lock();
                self.waiting.extend(queue.fresh.drain(..));
                queue.ended
            };
            if ended && self.waiting.is_empty() && self.free.len() == self.running.len() {
                return self.leave();
            }
            self.submit();
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                // The ring is ours alone and well formed, so the kernel has no reason; it would be ours to
                // lose operations that it still works on.
                Err(error) => {
                    tracing::error!(target: "qpair", %error, "io_uring refuses to go on; its operations pend");
                    return self.leave();
                }
            }
            let ended: Vec<(u64, i32)> = self
                .ring
                .completion()
                .map(|entry: cqueue::Entry| (entry.user_data(), entry.result()))
                .collect();
            for (id, result) in ended {
                self.take(id, result);
            }
        }
    }

    /// Puts as many operations as there are places into the submission ring.
    fn submit(&mut self) {
        if !self.armed {
            let fd = types::Fd(self.shared.wake.as_raw_fd());
            let entry = opcode::Read::new(fd, self.count.as_mut_ptr(), 8).build().user_data(WAKE);
            self.armed = self.push(&entry);
        }
        while self.running.len() - self.free.len() < DEPTH as usize - 1 {
            let Some(mut operation) = self.waiting.pop_front() else { return };
            let place = self.free.pop().unwrap_or_else(|| {
                self.running.push(None);
                self.running.len() - 1
            });
            let entry = operation.entry().user_data(place as u64);
            if !self.push(&entry) {
                self.free.push(place);
                return self.waiting.push_front(operation);
            }
            self.running[place] = Some(operation);
        }
    }

    fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: the entry's file and buffers must live, unmoved, until its completion. The file and the
        // buffers' heap blocks belong to the `Operation` (or to `count` and `shared`), which stays in
        // `running` until `take` gets its completion; moving the `Operation` moves no heap block, and nobody
        // else can free them: `Buffer` is an `Arc` of which it owns a share, and a read's `Vec` is its own.
        // `leave` waits for what is running, or keeps it for ever.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    fn take(&mut self, id: u64, result: i32) {
        if id == WAKE {
            self.armed = false;
            return;
        }
        let place = id as usize;
        if let Some(operation) = self.running.get_mut(place).and_then(Option::take) {
            self.free.push(place);
            // A panic that ended this thread would free buffers that the kernel still writes to.
            if let Some(Some(again)) =
                unwinding_stays("the end of an operation", || operation.advance(result))
            {
                self.waiting.push_front(again);
            }
        }
    }

    /// Ends the thread; what the kernel still holds is never freed.
    fn leave(mut self) {
        let refused = {
            let mut queue = self.shared.lock();
            queue.left = true;
            std::mem::take(&mut queue.fresh)
        };
        drop(refused);
        let kept: Vec<Operation> = self.running.iter_mut().filter_map(Option::take).collect();
        std::mem::forget(kept);
        // The kernel may have the eventfd's read in hand until the ring is gone, and may end it after that.
        std::mem::forget(std::mem::take(&mut self.count));
    }
}

fn is_passing(error: &io::Error) -> bool {
    let passing = [rustix::io::Errno::INTR, rustix::io::Errno::AGAIN, rustix::io::Errno::BUSY];
    error.raw_os_error().is_some_and(|code| passing.iter().any(|errno| errno.raw_os_error() == code))
}
