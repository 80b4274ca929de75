//! The carrier within the process: a clock, and one helper thread for what no caller is left to do.
//!
//! A NET is a device by name. Ordinary traffic runs on the callers' threads; the helper, started at first
//! need, takes time limits, queues whose budget is spent, and closes and deregistrations that must wait for a
//! pass to end.

use super::clock::{Clock, Watch};
use crate::cm::Timeouts;
use crate::device::connect::Exchange;
use crate::device::{Device, Driver};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// What a NET goes by; those who open it again must ask for the same.
#[derive(Clone, Debug)]
pub(crate) struct NetOptions {
    pub(crate) clock: Clock,
    /// How long its connectors wait for their peers.
    pub(crate) timeouts: Timeouts,
}

impl NetOptions {
    fn is_same(&self, other: &Self) -> bool {
        self.clock.is_same(&other.clock) && self.timeouts == other.timeouts
    }
}

/// The NET is open with other options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "NET `{name}` is open with another clock or other time limits; open it with the same, or under another name"
)]
pub(crate) struct OtherOptions {
    name: String,
}

static NETS: Mutex<BTreeMap<String, Weak<Net>>> = Mutex::new(BTreeMap::new());

/// The queue pairs of a process that can be connected with each other.
pub(crate) struct Net {
    name: String,
    options: NetOptions,
    device: Arc<Device>,
    exchange: Arc<Exchange>,
    helper: Arc<Helper>,
}

impl Net {
    /// The NET of that name, made if it is not open; it ends with its last user.
    ///
    /// # Errors
    /// [`OtherOptions`] where it is open with others.
    pub(crate) fn open(name: &str, options: NetOptions) -> Result<Arc<Self>, OtherOptions> {
        let mut nets = NETS.lock().unwrap_or_else(PoisonError::into_inner);
        nets.retain(|_, net| net.strong_count() > 0);
        if let Some(net) = nets.get(name).and_then(Weak::upgrade) {
            if !net.options.is_same(&options) {
                return Err(OtherOptions { name: name.to_owned() });
            }
            return Ok(net);
        }
        let net = Arc::new(Self::new(name, options));
        nets.insert(name.to_owned(), Arc::downgrade(&net));
        Ok(net)
    }

    fn new(name: &str, options: NetOptions) -> Self {
        let helper = Arc::new(Helper {
            clock: options.clock.clone(),
            device: OnceLock::new(),
            timers: OnceLock::new(),
            sleep: Mutex::default(),
            roused: Condvar::new(),
        });
        if let Clock::Manual(clock) = &options.clock {
            let watcher: Weak<dyn Watch> = Arc::downgrade(&(Arc::clone(&helper) as Arc<dyn Watch>));
            clock.watch(watcher);
        }
        let device = Device::new(Arc::new(Arc::clone(&helper)));
        let known = helper.device.set(Arc::downgrade(&device));
        debug_assert!(known.is_ok(), "set once");
        let exchange = Exchange::new(Arc::clone(&device), options.timeouts);
        let timers = Arc::downgrade(&exchange); // the helper is known to the device, hence to the exchange
        let timers = move |now| timers.upgrade().and_then(|exchange| exchange.handle_timeouts(now));
        let set = helper.timers.set(Box::new(timers));
        debug_assert!(set.is_ok(), "set once");
        Self { name: name.to_owned(), options, device, exchange, helper }
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Where its connectors and listeners meet.
    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.helper.stop();
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("name", &self.name).finish_non_exhaustive()
    }
}

type Timers = Box<dyn Fn(Time) -> Option<Time> + Send + Sync>;

/// The helper thread, seen from outside.
struct Helper {
    clock: Clock,
    device: OnceLock<Weak<Device>>,
    timers: OnceLock<Timers>,
    sleep: Mutex<Sleep>,
    roused: Condvar,
}

#[derive(Default)]
struct Sleep {
    started: bool,
    stopped: bool,
    /// Something came up since the thread began its last round.
    roused: bool,
    resting: bool,
    /// While resting: when the thread will look by itself; `None`: not before it is roused.
    until: Option<Time>,
}

impl Helper {
    fn lock(&self) -> MutexGuard<'_, Sleep> {
        self.sleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rouse(&self, sleep: &mut Sleep) {
        sleep.roused = true;
        self.roused.notify_one();
    }

    fn stop(&self) {
        let mut sleep = self.lock();
        sleep.stopped = true;
        self.rouse(&mut sleep);
    }

    /// The thread: does what is to be done, and rests until there is more.
    fn run(&self) {
        while let Some(device) = self.device.get().and_then(Weak::upgrade) {
            device.awake();
            let rest = device.drive();
            let timers = self.timers.get().and_then(|timers| timers(self.clock.now()));
            let until = rest.until.into_iter().chain(timers).min();
            let may_sleep = device.prepare_sleep();
            drop(device); // asleep, the thread keeps nothing alive
            if may_sleep && !self.rest(until, rest.at_most) {
                return;
            }
        }
    }

    /// Sleeps until roused, or until one of the times has come; false: the NET has ended.
    fn rest(&self, until: Option<Time>, at_most: Option<Span>) -> bool {
        let mut sleep = self.lock();
        while !sleep.roused && !sleep.stopped {
            (sleep.resting, sleep.until) = (true, until);
            let real = match &self.clock {
                Clock::System(_) => until.map(|until| until - self.clock.now()),
                Clock::Manual(_) => None, // its mover rouses
            };
            let Some(limit) = real.into_iter().chain(at_most).min() else {
                sleep = self.roused.wait(sleep).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let limit = Duration::from_nanos(limit.as_nanos());
            let (again, waited) =
                self.roused.wait_timeout(sleep, limit).unwrap_or_else(PoisonError::into_inner);
            sleep = again;
            if waited.timed_out() {
                break;
            }
        }
        (sleep.roused, sleep.resting) = (false, false);
        !sleep.stopped
    }
}

/// Has the thread run, starting it at first need.
fn wake(helper: &Arc<Helper>, sleep: &mut Sleep) {
    helper.rouse(sleep);
    if !sleep.started && !sleep.stopped {
        let thread = Arc::clone(helper);
        let name = "qpair helper".to_owned();
        // Without a thread time limits and late closes would not end; a machine that has none to give tells
        // so later by what does not complete, and the next need tries again.
        match std::thread::Builder::new().name(name).spawn(move || thread.run()) {
            Ok(_detached) => sleep.started = true,
            Err(error) => tracing::error!(target: "qpair", %error, "the helper thread could not be started"),
        }
    }
}

impl Driver for Arc<Helper> {
    fn now(&self) -> Time {
        self.clock.now()
    }

    fn wake(&self) {
        wake(self, &mut self.lock());
    }

    fn wake_at(&self, at: Time) {
        let mut sleep = self.lock();
        // Awake, it may have asked for the next time already: it makes another round.
        if !sleep.resting || sleep.until.is_none_or(|until| at < until) {
            wake(self, &mut sleep);
        }
    }
}

impl Watch for Helper {
    fn moved(&self) {
        let mut sleep = self.lock();
        if sleep.started {
            self.rouse(&mut sleep);
        }
    }
}
