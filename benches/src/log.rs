//! Appends of a log with group commit, here or with a peer, and the plain file that syncs each of them.

use crate::timing;
use qpair::ndk::Adapter;
use qpair::ndk::ext::{FileStorage, StorageChoice};
use qpair::ulp::log::{Append, AreaOptions, Log, LogOptions, LogStatus, MarshallingArea, regions};
use qpair::ulp::region::RegionServer;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

const RECORD: [u8; 100] = [7; 100];
/// Each append goes to its own sectors; after so many bytes the file begins anew.
const FILE: u64 = 4 << 20;

/// Containers of a log, and their length in bytes.
const CONTAINERS: u32 = 4;
const CONTAINER: usize = 8 << 20;

/// A folder in the one that is current, so that whoever runs it chooses the file system; gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, Box<dyn Error>> {
        let path = std::env::current_dir()?.join(format!("qpair-bench-{name}-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} stays: {error}", self.0.display());
        }
    }
}

/// A plain file.
pub struct Plain {
    file: fs::File,
    _folder: Folder,
}

impl Plain {
    /// In a folder of the current one.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new("plain")?;
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(true).read(true).write(true).open(folder.0.join("plain"))?;
        file.write_all_at(&vec![0; FILE as usize], 0)?; // so that no append has to allocate
        file.sync_all()?;
        Ok(Self { file, _folder: folder })
    }

    /// Writes each record and syncs it.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn one_sync_each(&self, items: u64) -> Duration {
        timing::time(|| {
            for item in 0..items {
                self.file.write_all_at(&RECORD, item * 512 % FILE).expect("a plain write");
                self.file.sync_data().expect("a plain sync");
            }
        })
    }
}

/// A log.
pub struct Appends {
    // In this order: the log ends before the peer that has it, and both before the folder.
    area: MarshallingArea,
    log: Log,
    _server: Option<RegionServer>,
    _folder: Folder,
}

impl Appends {
    /// In a folder of the current one, which has the name in its own.
    ///
    /// # Errors
    /// The log's.
    pub fn local(name: &str) -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new(name)?;
        let log = Log::create(&folder.0, LogOptions::default())?;
        Self::new(log, None, folder)
    }

    /// In regions of a peer in this process, whose files are in a folder of the current one.
    ///
    /// # Errors
    /// The log's and the peer's.
    pub fn remote() -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new("remote")?;
        let storage = FileStorage::open(StorageChoice::Automatic)?;
        let regions = regions(&storage, &folder.0, CONTAINERS, CONTAINER)?;
        let adapter = || Adapter::open("local/bench-remote-log");
        let address = adapter()?.addresses()[0];
        let server = RegionServer::listen(adapter()?, address)?;
        server.offer_to_one("ledger", regions)?;
        let log = Log::create_remote(adapter()?, server.address(), "ledger", LogOptions::default())?;
        Self::new(log, Some(server), folder)
    }

    fn new(log: Log, server: Option<RegionServer>, folder: Folder) -> Result<Self, Box<dyn Error>> {
        log.add_containers(CONTAINERS, Some(CONTAINER as u64))?;
        let area = log.area(AreaOptions::default())?;
        Ok(Self { area, log, _server: server, _folder: folder })
    }

    /// So many tasks of one thread, each of which appends, waits until that is stable, and goes on.
    ///
    /// They append at least 16 times each; the time is scaled to `items`.
    pub fn group_commit(&self, appenders: u64, items: u64) -> Duration {
        let each = items.div_ceil(appenders).max(16);
        let took = timing::time(|| {
            run((0..appenders).map(|_| self.append(each)).collect());
        });
        took.mul_f64(items as f64 / (each * appenders) as f64)
    }

    async fn append(&self, count: u64) {
        for _ in 0..count {
            let lsn = loop {
                match self.area.append(&[&RECORD], Append::default()) {
                    Ok(lsn) => break lsn,
                    Err(error) if error.status() == LogStatus::LOG_FULL => {
                        self.area.advance_base(self.log.info().next).expect("a new base");
                    }
                    Err(error) => panic!("{error}"),
                }
            };
            self.area.flush_to(lsn).await.expect("a flush");
        }
    }
}

/// Tasks that are ready, and the thread that runs them.
struct Ready {
    tasks: Mutex<Vec<usize>>,
    thread: Thread,
}

struct TaskWaker {
    task: usize,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut tasks = self.ready.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(self.task);
        let first = tasks.len() == 1;
        drop(tasks);
        if first {
            self.ready.thread.unpark();
        }
    }
}

/// Runs tasks on this thread until all have ended.
fn run<'t>(tasks: Vec<impl Future<Output = ()> + 't>) {
    let ready =
        Arc::new(Ready { tasks: Mutex::new((0..tasks.len()).collect()), thread: std::thread::current() });
    let waker = |task| Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&ready) }));
    let mut left = tasks.len();
    let mut tasks: Vec<(Option<Pin<Box<_>>>, Waker)> =
        tasks.into_iter().enumerate().map(|(n, task)| (Some(Box::pin(task)), waker(n))).collect();
    while left > 0 {
        let now = std::mem::take(&mut *ready.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        if now.is_empty() {
            std::thread::park();
        }
        for n in now {
            let (place, waker) = &mut tasks[n];
            let Some(task) = place else { continue };
            if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(waker)) {
                *place = None;
                left -= 1;
            }
        }
    }
}
