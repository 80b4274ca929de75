//! Completion queues: poll, arm, wait.

mod control;

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::{Completion, Error, NotifyType, Request, Status, pd};
use crate::backend;
use crate::device::callbacks::{self, InCallback};
use crate::device::cq::{self, CqState};
use crate::device::lifetime::Life;
use crate::fabric::clock;
use crate::planted::planted;
use crate::ring::ArmLevel;
use event_listener::Listener as _;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub(super) const CREATE: &str = "NdkCreateCq";

/// Where requests report that they are done.
///
/// Take completions by [`poll`](Self::poll) at any time, or [`arm`](Self::arm) and be called back, or let
/// [`wait`](Self::wait) and [`completions`](Self::completions) do both. Any thread may do any of this at any
/// time.
pub struct Cq {
    pub(super) cq: backend::Cq,
    pub(super) adapter: Arc<AdapterCore>,
    waiters: bool,
    /// Completions have provider error codes.
    codes: bool,
}

/// How a completion queue tells that an arm is satisfied; chosen at its creation.
#[derive(Default)]
#[non_exhaustive]
pub enum CqNotify {
    /// Not at all: it is polled only.
    #[default]
    None,
    /// It wakes the threads and tasks in [`Cq::wait`] and [`Cq::completions`].
    Waiters,
    /// It calls this. See [`CqNotify::callback`].
    Callback(Box<dyn Fn(&CqEvent<'_>) + Send + Sync>),
}

impl CqNotify {
    /// Calls `notify` once for each satisfied arm, never while a call for the same queue is running.
    ///
    /// It runs on whatever thread brought the completion, must not block, and may make any call but the
    /// adapter's close. Poll and arm by the [`CqEvent`]: a closure that holds the [`Cq`] itself would keep it
    /// from being dropped. The closure is dropped when the queue is closed and it is not running.
    pub fn callback(notify: impl Fn(&CqEvent<'_>) + Send + Sync + 'static) -> Self {
        Self::Callback(Box::new(notify))
    }
}

impl fmt::Debug for CqNotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Waiters => "Waiters",
            Self::Callback(_) => "Callback",
        })
    }
}

/// What a completion queue has done so far.
///
/// Each figure is true at some moment during the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CqCounters {
    /// Completions polled.
    pub polled: u64,
    /// Completions in the queue.
    pub entries: u64,
    /// Notifications: arms that were satisfied.
    pub notifications: u64,
}

/// A notification, and the completion queue that it is about.
pub struct CqEvent<'a> {
    cq: &'a backend::Cq,
    state: CqState,
    /// Completions have provider error codes.
    codes: bool,
}

impl CqEvent<'_> {
    /// SUCCESS; BUFFER_OVERFLOW if the queue has overrun (CQ-19), INTERNAL_ERROR if it has failed: it and its
    /// queue pairs are dead.
    pub fn status(&self) -> Status {
        match self.state {
            CqState::Working => Status::SUCCESS,
            CqState::Overrun => Status::BUFFER_OVERFLOW,
            CqState::Fatal => Status::INTERNAL_ERROR,
        }
    }

    /// As [`Cq::poll`].
    pub fn poll(&self, out: &mut [Completion]) -> usize {
        poll(self.cq, out, self.codes)
    }

    /// As [`Cq::arm`]; a call that this satisfies comes when the present one has returned.
    pub fn arm(&self, level: NotifyType) {
        self.cq.arm(arm_level(level));
    }
}

impl fmt::Debug for CqEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CqEvent").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Why nothing was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CqError {
    /// More completions came than fit, and those that did fit have been polled. The queue and its queue pairs
    /// are dead.
    #[error(
        "the completion queue of {depth} entries has overrun; make it as deep as what can be pending on its queues"
    )]
    Overrun {
        /// Completions that it holds.
        depth: u64,
    },
    /// The queue has failed, and what was in it has been polled. It and its queue pairs are dead.
    #[error("the completion queue has failed, and its queue pairs with it; close them and make new ones")]
    Failed,
    /// Waiting inside a callback could wait for that callback itself.
    #[error(
        "waiting on a completion queue inside a callback; poll and arm it there, or wait on another thread"
    )]
    InCallback,
    /// The queue wakes nobody.
    #[error("the completion queue wakes nobody who waits; create it with CqNotify::Waiters")]
    NoWaiters,
}

impl CqError {
    /// BUFFER_OVERFLOW for an overrun, INTERNAL_ERROR for a failure, else INVALID_DEVICE_REQUEST.
    pub fn status(self) -> Status {
        match self {
            Self::Overrun { .. } => Status::BUFFER_OVERFLOW,
            Self::Failed => Status::INTERNAL_ERROR,
            Self::InCallback | Self::NoWaiters => Status::INVALID_DEVICE_REQUEST,
        }
    }
}

impl From<InCallback> for CqError {
    fn from(_: InCallback) -> Self {
        Self::InCallback
    }
}

impl Cq {
    pub(super) fn new(adapter: &Arc<AdapterCore>, depth: u32, notify: CqNotify) -> Result<Self, Error> {
        let limit = adapter.limits().max_cq_depth;
        if depth == 0 || depth > limit {
            return Err(Error::new(CREATE, Status::INVALID_PARAMETER)
                .with_argument("CqDepth", depth)
                .with_limit(limit)
                .with_hint("ask for at least 1 and at most MaxCqDepth entries"));
        }
        let waiters = matches!(notify, CqNotify::Waiters);
        let codes = adapter.version().has_provider_codes();
        let known = Arc::new(OnceLock::new());
        let notify = match notify {
            CqNotify::None => cq::Notify::Nobody,
            CqNotify::Waiters => cq::Notify::Waiters,
            CqNotify::Callback(notify) => {
                cq::Notify::Callback(notification(notify, codes, Arc::clone(&known)))
            }
        };
        let life = Life::new([adapter.life.hold()]);
        let cq = adapter.backend.create_cq(life, depth, notify);
        let cq = cq.map_err(|refused| pd::refused(CREATE, refused))?;
        if let Some(faults) = &adapter.faults {
            cq.delay_by(Arc::clone(faults));
        }
        known.get_or_init(|| cq.downgrade());
        Ok(Self { cq, adapter: Arc::clone(adapter), waiters, codes })
    }

    /// Takes up to `out.len()` completions, the oldest first, and says how many (`NdkGetCqResultsEx`).
    ///
    /// Never blocks. Entries that fitted before an overrun can still be polled (CQ-23).
    #[inline]
    pub fn poll(&self, out: &mut [Completion]) -> usize {
        poll(&self.cq, out, self.codes)
    }

    /// Asks for one notification, at the next completion that satisfies `level` (`NdkArmCq`).
    ///
    /// Arms merge into the stronger one. A satisfying completion that came since the last notification
    /// notifies at once, so arm, then poll once more, then wait: nothing is missed. An overrun satisfies
    /// every arm.
    pub fn arm(&self, level: NotifyType) {
        self.cq.arm(arm_level(level));
    }

    /// Takes completions as [`poll`](Self::poll) does, and blocks for the first while there is none.
    ///
    /// Arms the queue for any completion. `limit` is real time, whatever clock the NET goes by; without one
    /// it waits until there is something. `Ok(0)`: the limit has passed, or `out` has no room.
    ///
    /// # Errors
    /// [`CqError`]. Inside a callback, [`CqError::InCallback`] if there is nothing to take.
    pub fn wait(&self, out: &mut [Completion], limit: Option<Duration>) -> Result<usize, CqError> {
        if let Some(taken) = self.take(out)? {
            return Ok(taken);
        }
        callbacks::check_may_wait()?;
        let deadline = limit.and_then(clock::real_deadline);
        loop {
            let listener = self.cq.listen();
            self.arm(NotifyType::Any);
            if let Some(taken) = self.take(out)? {
                return Ok(taken);
            }
            let Some(deadline) = deadline else {
                listener.wait();
                continue;
            };
            if listener.wait_deadline(deadline).is_none() {
                return Ok(self.poll(out)); // over; what came at the last moment is taken all the same
            }
        }
    }

    /// Takes completions as [`wait`](Self::wait) does, and lets the task sleep while there is none.
    ///
    /// Dropped before its end, it has taken nothing. Wakers are called below a lock of the queue's list of
    /// waiters: a waker schedules its task, as executors do, and does not poll it on the spot.
    ///
    /// # Errors
    /// [`CqError::Overrun`], [`CqError::Failed`], [`CqError::NoWaiters`].
    pub async fn completions(&self, out: &mut [Completion]) -> Result<usize, CqError> {
        loop {
            if let Some(taken) = self.take(out)? {
                return Ok(taken);
            }
            let listener = self.cq.listen();
            self.arm(NotifyType::Any);
            if let Some(taken) = self.take(out)? {
                return Ok(taken);
            }
            listener.await;
        }
    }

    /// What can be had without waiting; `None`: one has to wait.
    fn take(&self, out: &mut [Completion]) -> Result<Option<usize>, CqError> {
        let taken = self.poll(out);
        if taken > 0 || out.is_empty() {
            return Ok(Some(taken));
        }
        let dead = match self.cq.state() {
            CqState::Working => None,
            CqState::Overrun => Some(CqError::Overrun { depth: self.cq.depth() }),
            CqState::Fatal => Some(CqError::Failed),
        };
        if let Some(error) = dead {
            // What fitted came before, but perhaps after the first look.
            return match self.poll(out) {
                0 => Err(error),
                taken => Ok(Some(taken)),
            };
        }
        if self.waiters { Ok(None) } else { Err(CqError::NoWaiters) }
    }

    /// Completions that it holds at most.
    pub fn depth(&self) -> u32 {
        self.cq.depth() as u32
    }

    /// Figures of the queue, read without stopping it.
    pub fn counters(&self) -> CqCounters {
        let of = self.cq.counters();
        CqCounters { polled: of.polled, entries: of.entries, notifications: of.notifications }
    }

    /// Completions in it, at some moment during the call.
    pub fn len(&self) -> usize {
        self.cq.len() as usize
    }

    /// There is no completion in it, at some moment during the call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// More completions came than fit: it and its queue pairs are dead.
    pub fn has_overrun(&self) -> bool {
        self.cq.state() == CqState::Overrun
    }

    /// Closes the queue; pends while a queue pair uses it or its callback runs.
    ///
    /// No callback comes after it (CLOSE-5), and what is still in the queue is lost.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.adapter.late_close(self.life());
        handle::begin_close(&self, Some(callback));
        request
    }
}

/// Takes completions; in an instance of version 1 they have no provider error codes.
#[inline]
fn poll(cq: &backend::Cq, out: &mut [Completion], codes: bool) -> usize {
    let taken = cq.poll(out, Completion::of);
    if planted!(PolledBackwards, "a poll gives the newest completion first") {
        out[..taken].reverse();
    }
    if !codes {
        out[..taken].iter_mut().for_each(|completion| completion.provider_error_code = 0);
    }
    taken
}

/// The device's form of a callback, which finds its queue when it is called.
fn notification(
    notify: Box<dyn Fn(&CqEvent<'_>) + Send + Sync>,
    codes: bool,
    known: Arc<OnceLock<backend::WeakCq>>,
) -> cq::Callback {
    Box::new(move |state| {
        // The caller has the queue in hand, and it was made known before anybody else could reach it.
        if let Some(cq) = known.get().and_then(backend::WeakCq::upgrade) {
            notify(&CqEvent { cq: &cq, state, codes });
        }
    })
}

const fn arm_level(level: NotifyType) -> ArmLevel {
    match level {
        NotifyType::Errors => ArmLevel::Errors,
        NotifyType::Any => ArmLevel::Any,
        NotifyType::Solicited => ArmLevel::Solicited,
    }
}

impl Object for Cq {
    fn life(&self) -> &Arc<Life> {
        self.cq.life()
    }
}

impl Drop for Cq {
    fn drop(&mut self) {
        handle::begin_close(self, None);
        self.cq.silence();
    }
}

impl fmt::Debug for Cq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cq")
            .field("depth", &self.depth())
            .field("len", &self.len())
            .field("overrun", &self.has_overrun())
            .finish_non_exhaustive()
    }
}
