//! Faults on purpose: what a user orders so as to see their own error paths run.
//!
//! One [`Faults`] belongs to one adapter. It holds calls back (`late`), delays completions (`completions`),
//! cuts passes short and ends requests with a status of the user's choice (`requests`), fails creations, and
//! takes the device away. Whatever fires is written down in order. Where an adapter has none, a pass pays for
//! it with one branch.
//!
//! Chance is drawn from the seed and counters, never from the machine; time is the device's. Locks are fine
//! here: who orders faults does not measure speed. May come in: another fault of the engine's. Not here:
//! names and statuses of NDK (the face), which calls may pend (the face), threads.

mod completions;
mod late;
mod requests;

pub(crate) use completions::Delays;
pub(crate) use late::{Pace, Release};
pub(crate) use requests::{Injection, QpFaults};

use super::connect::Listener;
use super::cq::Cq;
use super::qp::Qp;
use super::{Device, agenda::framed};
use crate::sync::{AtomicU64, Ordering};
use crate::time::{Time, draw};
use crate::work::{CompletionKind, Qpn, Status};
use late::Held;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Something that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    Held { call: &'static str },
    CreationFailed { call: &'static str, nth: u64, late: bool },
    CompletionDelayed { qpn: Qpn },
    PassCut { qpn: Qpn },
    Injected { qpn: Qpn, kind: CompletionKind, context: u64, status: Status },
    DisconnectReason { reason: u32 },
    CqBroken { depth: u64 },
    SrqBroken { depth: u64 },
    DeviceRemoved,
}

/// How a creation is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// By the return of the call.
    Inline,
    /// The call pends, and fails later.
    Late,
}

/// The creation that is to fail.
#[derive(Debug)]
struct CreationFault {
    /// Number of the kind of object; `None`: any.
    kind: Option<u32>,
    nth: u64,
    seen: u64,
    when: When,
}

/// What fired, with how often in a row.
type Log = Vec<(Fired, u64)>;

/// Entries of the log; beyond that only the count goes on.
const LOG_MAX: usize = 1 << 16;

/// The sequences of chance that are drawn from one seed; queue pairs have those from 1024 on.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Stream {
    Late = 1,
    Ready = 2,
}

/// Number of the first sequence of chance of a queue pair.
const QP_STREAMS: u64 = 1024;

/// The faults of one adapter.
pub(crate) struct Faults {
    seed: u64,
    device: OnceLock<Weak<Device>>,
    log: Mutex<Log>,
    fired: AtomicU64,
    held: Mutex<Held>,
    /// Nanoseconds until a completion shows; 0: at once.
    delay: AtomicU64,
    /// Queues with completions that are delayed.
    delayed: Mutex<Vec<Weak<Cq>>>,
    /// Not 0: passes are cut by chance.
    cuts: AtomicU64,
    ready_draws: AtomicU64,
    injections: Mutex<Vec<Injection>>,
    /// How many there are, so that requests need not take the lock to see that there is none.
    injecting: AtomicU64,
    creations: Mutex<Vec<CreationFault>>,
    qps: Mutex<Members>,
    listeners: Mutex<Vec<Weak<Listener>>>,
    /// What disconnect events tell; 0: no reason.
    reason: AtomicU64,
    /// Not 0: the device was removed.
    removed: AtomicU64,
}

/// The queue pairs of the adapter.
#[derive(Default)]
struct Members {
    last: u64,
    qps: Vec<Weak<Qp>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock is sound: below these only whole values move in and out.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faults {
    /// No fault yet; chance comes from `seed`.
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            seed,
            device: OnceLock::new(),
            log: Mutex::default(),
            fired: AtomicU64::new(0),
            held: Mutex::default(),
            delay: AtomicU64::new(0),
            delayed: Mutex::default(),
            cuts: AtomicU64::new(0),
            ready_draws: AtomicU64::new(0),
            injections: Mutex::default(),
            injecting: AtomicU64::new(0),
            creations: Mutex::default(),
            qps: Mutex::default(),
            listeners: Mutex::default(),
            reason: AtomicU64::new(0),
            removed: AtomicU64::new(0),
        })
    }

    /// From now on they concern an adapter of `device`; false: they concern one already.
    pub(crate) fn attach(self: &Arc<Self>, device: &Arc<Device>) -> bool {
        let attached = self.device.set(Arc::downgrade(device)).is_ok();
        if attached {
            let mut known = lock(&device.faults);
            known.retain(|faults| faults.strong_count() > 0);
            known.push(Arc::downgrade(self));
        }
        attached
    }

    fn device(&self) -> Option<Arc<Device>> {
        self.device.get().and_then(Weak::upgrade)
    }

    fn draw(&self, stream: u64, step: u64) -> u64 {
        draw(self.seed, stream, step)
    }

    pub(crate) fn note(&self, fired: Fired) {
        self.fired.fetch_add(1, Ordering::Relaxed); // a figure
        let mut log = lock(&self.log);
        let room = log.len() < LOG_MAX;
        match log.last_mut() {
            Some((last, times)) if *last == fired => *times += 1,
            _ if room => log.push((fired, 1)),
            _ => {}
        }
    }

    /// What fired so far, in order; equal ones in a row are counted.
    pub(crate) fn fired(&self) -> Vec<(Fired, u64)> {
        lock(&self.log).clone()
    }

    /// How often anything fired.
    pub(crate) fn count(&self) -> u64 {
        self.fired.load(Ordering::Relaxed) // a figure
    }

    /// Has the `nth` creation of that kind of object from now on fail.
    pub(crate) fn fail_creation(&self, kind: Option<u32>, nth: u64, when: When) {
        lock(&self.creations).push(CreationFault { kind, nth, seen: 0, when });
    }

    /// A creation begins: whether it is to fail, and how.
    pub(crate) fn creation(&self, kind: u32, call: &'static str) -> Option<When> {
        let (nth, when) = {
            let mut creations = lock(&self.creations);
            let meant = creations.iter_mut().filter(|fault| fault.kind.is_none_or(|only| only == kind));
            meant.for_each(|fault| fault.seen += 1);
            let due = creations.iter().position(|fault| fault.seen == fault.nth)?;
            let fault = creations.swap_remove(due);
            (fault.nth, fault.when)
        };
        self.note(Fired::CreationFailed { call, nth, late: when == When::Late });
        Some(when)
    }

    /// `qp` is one of the adapter's; its number among them.
    pub(super) fn adopt(&self, qp: &Arc<Qp>) {
        let mut members = lock(&self.qps);
        members.qps.retain(|qp| qp.strong_count() > 0);
        members.qps.push(Arc::downgrade(qp));
    }

    fn number_qp(&self) -> u64 {
        let mut members = lock(&self.qps);
        members.last += 1;
        members.last
    }

    /// `listener` is one of the adapter's.
    pub(crate) fn adopt_listener(&self, listener: &Arc<Listener>) {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
    }

    /// Has disconnect events tell this reason.
    pub(crate) fn set_reason(&self, reason: u32) {
        self.reason.store(reason.into(), Ordering::Relaxed); // a setting; some event sees it
    }

    /// The reason that a disconnect event tells.
    pub(crate) fn reason(&self) -> u32 {
        let reason = self.reason.load(Ordering::Relaxed) as u32; // as above
        if reason != 0 {
            self.note(Fired::DisconnectReason { reason });
        }
        reason
    }

    /// The device was removed.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire) != 0 // pairs with `remove`
    }

    /// Takes the device away from its adapter; false: it was gone already.
    ///
    /// Its queue pairs go to error, so that all that is pending is cancelled and connections break; its
    /// listeners refuse; calls that are held back end as removed.
    pub(crate) fn remove(&self) -> bool {
        // AcqRel: one caller removes it, and who sees it gone sees what came before.
        if self.removed.swap(1, Ordering::AcqRel) != 0 {
            return false;
        }
        self.note(Fired::DeviceRemoved);
        let listeners: Vec<_> = lock(&self.listeners).iter().filter_map(Weak::upgrade).collect();
        listeners.iter().for_each(|listener| listener.pause(true));
        let qps: Vec<_> = lock(&self.qps).qps.iter().filter_map(Weak::upgrade).collect();
        if let Some(device) = self.device() {
            framed(&device, |frame| qps.iter().for_each(|qp| device.enter_error(qp, frame)));
        }
        self.release_all(Release::Removed);
        true
    }

    /// Nothing is held back, delayed or cut any more: the close of the adapter has begun.
    pub(crate) fn end(&self) {
        self.cuts.store(0, Ordering::Relaxed); // a setting: some pass sees it
        self.set_delay(crate::time::Span::from_nanos(0));
        self.end_holding();
        self.show_all();
    }

    /// Does what is due at `now`; says when to ask again.
    fn run(&self, now: Time) -> Option<Time> {
        self.release_due(now).into_iter().chain(self.show_due(now)).min()
    }

    /// Ready queues go on in this order; equal numbers as they came.
    pub(super) fn rank(&self) -> u64 {
        // Relaxed: a setting; some pass sees it, and only the number's being unique counts.
        match self.cuts.load(Ordering::Relaxed) {
            0 => 0,
            // Relaxed: as above.
            _ => self.draw(Stream::Ready as u64, self.ready_draws.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl Device {
    /// Does what faults have put off until now; says when to ask again.
    pub(super) fn run_faults(&self) -> Option<Time> {
        let known: Vec<_> = lock(&self.faults).iter().filter_map(Weak::upgrade).collect();
        if known.is_empty() {
            return None;
        }
        let now = self.now();
        known.iter().filter_map(|faults| faults.run(now)).min()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("seed", &self.seed)
            .field("fired", &self.count())
            .finish_non_exhaustive()
    }
}
