//! Appends of a log with group commit, and the plain file that syncs each of them.

use crate::timing;
use qpair::ulp::log::{Append, AreaOptions, Log, LogOptions, LogStatus, MarshallingArea};
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

/// A log and a plain file in one folder, which is gone with them.
pub struct Bench {
    folder: PathBuf,
    file: fs::File,
    log: Log,
    area: MarshallingArea,
}

impl Bench {
    /// In the folder that is current, so that whoever runs it chooses the file system.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let folder = std::env::current_dir()?.join(format!("qpair-bench-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let log = Log::create(&folder, LogOptions::default())?;
        log.add_containers(4, Some(8 << 20))?;
        let area = log.area(AreaOptions::default())?;
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(true).read(true).write(true).open(folder.join("plain"))?;
        file.write_all_at(&vec![0; FILE as usize], 0)?; // so that no append has to allocate
        file.sync_all()?;
        Ok(Self { folder, file, log, area })
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

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
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
