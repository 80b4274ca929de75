//! An opened device, and the thread that hears what it and the connection manager have to tell.

#![forbid(unsafe_code)]

use super::connect::Side;
use super::endpoint::ports_of;
use super::grants::Grants;
use super::{Capabilities, Cq, Listener, Qp, Srq, lock};
use crate::backend::{Options, Refused};
use crate::device::connect::endpoint::Ports;
use crate::fabric::clock::Clock;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Time;
use crate::work::Feature;
use crate::{cm, device};
use qpair_rdma_core::cm::{Event, EventChannel, EventKind, Id};
use qpair_rdma_core::{AsyncEvent, AsyncEventKind, CompletionChannel, Context, Source, Waker, wait_readable};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Why a device of the kernel could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// There is none of that name, or the kernel or its library refuses it.
    #[error("{0}")]
    Device(String),
    /// No port of it has an address.
    #[error("the device `{name}` has no GID with an IP address")]
    NoAddress {
        /// The device.
        name: String,
    },
    /// It was asked for by an address that is not among its own.
    #[error("the device `{name}` has no address {address}; it has {}", list(.has))]
    Address {
        /// The device.
        name: String,
        /// What was asked for.
        address: IpAddr,
        /// What it has.
        has: Vec<IpAddr>,
    },
    /// Real devices know no other time than the machine's.
    #[error("the device `{name}` has no clock that can be set")]
    Clock {
        /// The device.
        name: String,
    },
}

impl From<qpair_rdma_core::Error> for OpenError {
    fn from(error: qpair_rdma_core::Error) -> Self {
        Self::Device(error.to_string())
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Something that is tried again until it says that it is done.
type Chore = Box<dyn FnMut() -> bool + Send>;

/// Whom events concern, by the keys that they name.
#[derive(Default)]
pub(super) struct Registry {
    cqs: BTreeMap<u64, Weak<Cq>>,
    srqs: BTreeMap<u64, Weak<Srq>>,
    pub(super) qps: BTreeMap<u64, Weak<Qp>>,
    sides: BTreeMap<u64, Weak<Side>>,
    listeners: BTreeMap<u64, Weak<Listener>>,
    pub(super) regions: Grants,
}

/// An opened device.
pub(crate) struct Adapter {
    name: String,
    pub(super) events: EventChannel,
    pub(super) channel: CompletionChannel,
    pub(super) context: Context,
    capabilities: Capabilities,
    addresses: Arc<[IpAddr]>,
    pub(super) ports: Arc<Ports>,
    pub(super) registry: Mutex<Registry>,
    chores: Mutex<Vec<Chore>>,
    /// Bound to the device, so that its removal is told; dropped then.
    bound: Mutex<Option<Id>>,
    /// Completion queues that are armed for solicited completions or errors: the thread looks into them.
    pub(super) watched: AtomicU64,
    next_key: AtomicU64,
    waker: Waker,
    stopping: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    clock: Clock,
    pub(super) timeouts: cm::Timeouts,
}

/// How often chores are tried again.
const TICK: Duration = Duration::from_millis(1);
/// How often the time limits of connectors are looked at.
const SECOND: Duration = Duration::from_secs(1);

impl Adapter {
    /// Opens the device, with all its addresses or with `address` alone.
    pub(crate) fn open(
        name: &str,
        address: Option<IpAddr>,
        options: Options,
    ) -> Result<Arc<Self>, OpenError> {
        if matches!(options.clock, Clock::Manual(_)) {
            return Err(OpenError::Clock { name: name.to_owned() });
        }
        let context = Context::open(name)?;
        let attributes = context.attributes()?;
        let capabilities = Capabilities::of(&context, &attributes, &context.port(1)?)?;
        let addresses = addresses(&context)?;
        let addresses = match address {
            Some(address) if !addresses.contains(&address) => {
                return Err(OpenError::Address { name: name.to_owned(), address, has: addresses });
            }
            Some(address) => vec![address],
            None => addresses,
        };
        let first = *addresses.first().ok_or_else(|| OpenError::NoAddress { name: name.to_owned() })?;
        let events = EventChannel::new()?;
        let bound = bound(&events, first)?;
        let adapter = Arc::new(Self {
            name: name.to_owned(),
            channel: context.create_completion_channel()?,
            events,
            context,
            capabilities,
            ports: ports_of(name, &addresses),
            addresses: addresses.into(),
            registry: Mutex::default(),
            chores: Mutex::default(),
            bound: Mutex::new(Some(bound)),
            watched: AtomicU64::new(0),
            next_key: AtomicU64::new(1),
            waker: Waker::new()?,
            stopping: AtomicU64::new(0),
            thread: Mutex::default(),
            clock: options.clock,
            timeouts: options.timeouts,
        });
        let own = Arc::clone(&adapter);
        let thread = thread::Builder::new().name(format!("qpair {name}")).spawn(move || own.run());
        let thread = thread.map_err(|error| OpenError::Device(format!("no thread for it: {error}")))?;
        *lock(&adapter.thread) = Some(thread);
        Ok(adapter)
    }

    /// Ends the thread; the last of all that was created on it is gone.
    pub(crate) fn stop(&self) {
        self.stopping.store(1, Ordering::Release); // pairs with the load in `run`
        self.waker.wake();
        let thread = lock(&self.thread).take();
        // The thread itself may have brought the end; it goes on to its own then.
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            if thread.join().is_err() {
                tracing::error!(device = self.name, "the thread of a device has panicked");
            }
        }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(crate) fn addresses(&self) -> Arc<[IpAddr]> {
        Arc::clone(&self.addresses)
    }

    pub(crate) fn lacks(&self, feature: &'static str) -> Refused {
        Refused::NotSupported { device: self.name.clone(), feature }
    }

    /// Whether it has a feature beyond NDK.
    pub(crate) fn has(&self, feature: Feature) -> Result<(), Refused> {
        match self.capabilities.lacks.why(feature) {
            None => Ok(()),
            Some(reason) => Err(self.without(feature, reason)),
        }
    }

    /// That it lacks the feature, for that reason.
    pub(super) fn without(&self, feature: Feature, reason: &'static str) -> Refused {
        Refused::Lacks { device: self.name.clone(), feature, reason }
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// A name for events that no other object of this adapter has.
    pub(super) fn new_key(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed) // only that no two are equal counts
    }

    /// Has the thread try `chore` until it says true. It holds nothing while it is called.
    pub(super) fn chore(&self, chore: impl FnMut() -> bool + Send + 'static) {
        let mut chore: Chore = Box::new(chore);
        if !chore() {
            lock(&self.chores).push(chore);
            self.waker.wake();
        }
    }

    /// As [`chore`](Self::chore), for callers that hold something: the thread alone tries it.
    pub(super) fn chore_later(&self, chore: impl FnMut() -> bool + Send + 'static) {
        lock(&self.chores).push(Box::new(chore));
        self.waker.wake();
    }

    /// Has the thread look at its waits again.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn know_cq(&self, key: u64, cq: &Arc<Cq>) {
        lock(&self.registry).cqs.insert(key, Arc::downgrade(cq));
    }

    pub(super) fn forget_cq(&self, key: u64) {
        lock(&self.registry).cqs.remove(&key);
    }

    pub(super) fn know_srq(&self, key: u64, srq: &Arc<Srq>) {
        lock(&self.registry).srqs.insert(key, Arc::downgrade(srq));
    }

    pub(super) fn forget_srq(&self, key: u64) {
        lock(&self.registry).srqs.remove(&key);
    }

    pub(super) fn know_qp(&self, key: u64, qp: &Arc<Qp>) {
        lock(&self.registry).qps.insert(key, Arc::downgrade(qp));
    }

    pub(super) fn forget_qp(&self, key: u64) {
        lock(&self.registry).qps.remove(&key);
    }

    pub(super) fn know_side(&self, id: &Id, side: &Arc<Side>) {
        lock(&self.registry).sides.insert(id.key(), Arc::downgrade(side));
        self.waker.wake();
    }

    pub(super) fn forget_side(&self, id: &Id) {
        lock(&self.registry).sides.remove(&id.key());
    }

    pub(super) fn know_listener(&self, id: &Id, listener: &Arc<Listener>) {
        lock(&self.registry).listeners.insert(id.key(), Arc::downgrade(listener));
    }

    pub(super) fn forget_listener(&self, id: &Id) {
        lock(&self.registry).listeners.remove(&id.key());
    }

    /// The life of the thread.
    fn run(self: Arc<Self>) {
        // Acquire: pairs with `stop`.
        while self.stopping.load(Ordering::Acquire) == 0 {
            let descriptors =
                [self.waker.as_fd(), self.channel.as_fd(), self.context.as_fd(), self.events.as_fd()];
            if let Err(error) = wait_readable(&descriptors, self.patience()) {
                tracing::error!(device = self.name, %error, "nothing is heard of this device any more");
                return;
            }
            self.waker.calm();
            // What is said to users is said when nothing is held, and one panic of theirs is theirs alone.
            let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.hear()));
            if heard.is_err() {
                tracing::error!(device = self.name, "a callback has panicked");
            }
        }
    }

    /// How long the thread may sleep at most.
    fn patience(&self) -> Option<Duration> {
        let busy = !lock(&self.chores).is_empty() || self.watched.load(Ordering::Relaxed) != 0; // a hint
        if busy {
            return Some(TICK);
        }
        (!lock(&self.registry).sides.is_empty()).then_some(SECOND)
    }

    fn hear(&self) {
        self.drain(
            "completion",
            || self.channel.next_event(),
            |key| {
                let cq = lock(&self.registry).cqs.get(&key).and_then(Weak::upgrade);
                if let Some(cq) = cq {
                    cq.notified();
                }
            },
        );
        self.drain("asynchronous", || self.context.next_async_event(), |event| self.take_async(event));
        self.drain("connection", || self.events.next_event(), |event| self.take_cm(event));
        // Relaxed: a hint; who is watched from now on wakes the thread.
        if self.watched.load(Ordering::Relaxed) != 0 {
            let cqs: Vec<_> = lock(&self.registry).cqs.values().filter_map(Weak::upgrade).collect();
            cqs.iter().for_each(|cq| cq.look_for_errors());
        }
        self.run_chores();
        let sides: Vec<_> = lock(&self.registry).sides.values().filter_map(Weak::upgrade).collect();
        sides.iter().for_each(|side| side.handle_timeout());
    }

    fn drain<T>(
        &self,
        kind: &str,
        mut next: impl FnMut() -> Result<Option<T>, qpair_rdma_core::Error>,
        mut take: impl FnMut(T),
    ) {
        loop {
            match next() {
                Ok(Some(event)) => take(event),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(device = self.name, kind, %error, "an event was not heard");
                    return;
                }
            }
        }
    }

    fn run_chores(&self) {
        let mut chores = std::mem::take(&mut *lock(&self.chores));
        chores.retain_mut(|chore| !chore());
        lock(&self.chores).append(&mut chores);
    }

    fn take_async(&self, event: AsyncEvent) {
        let registry = lock(&self.registry);
        match (event.kind, event.source) {
            (AsyncEventKind::CqError, Source::Cq(key)) => {
                let cq = registry.cqs.get(&key).and_then(Weak::upgrade);
                drop(registry);
                if let Some(cq) = cq {
                    cq.end(device::cq::CqState::Overrun);
                }
            }
            (AsyncEventKind::SrqLimitReached | AsyncEventKind::SrqError, Source::Srq(key)) => {
                let srq = registry.srqs.get(&key).and_then(Weak::upgrade);
                drop(registry);
                if let Some(srq) = srq {
                    if event.kind == AsyncEventKind::SrqError { srq.fail() } else { srq.limit_reached() }
                }
            }
            (
                AsyncEventKind::QpFatal | AsyncEventKind::QpRequestError | AsyncEventKind::QpAccessError,
                Source::Qp(key),
            ) => {
                let qp = registry.qps.get(&key).and_then(Weak::upgrade);
                drop(registry);
                if let Some(qp) = qp {
                    qp.break_down();
                }
            }
            (AsyncEventKind::DeviceFatal, _) => {
                drop(registry);
                self.lose();
            }
            _ => tracing::debug!(device = self.name, ?event, "an event that asks for nothing"),
        }
    }

    fn take_cm(&self, event: Event) {
        if event.kind == EventKind::DeviceRemoval {
            let mut bound = lock(&self.bound);
            if bound.as_ref().is_some_and(|id| id.key() == event.id) {
                let id = bound.take();
                drop(bound);
                drop(id);
                self.lose();
                return;
            }
        }
        let registry = lock(&self.registry);
        let listener = registry.listeners.get(&event.id).and_then(Weak::upgrade);
        let side = registry.sides.get(&event.id).and_then(Weak::upgrade);
        drop(registry);
        match (listener, side) {
            (Some(listener), _) => listener.hear(event),
            (None, Some(side)) => side.hear(event),
            (None, None) => tracing::debug!(device = self.name, kind = ?event.kind, "of an id that is gone"),
        }
    }

    /// The device is gone: everything that is pending is answered.
    fn lose(&self) {
        let qps: Vec<_> = lock(&self.registry).qps.values().filter_map(Weak::upgrade).collect();
        qps.iter().for_each(|qp| qp.lose());
    }
}

/// An id that is bound to the device of `address`, for its events.
///
/// The kernel chooses a port for it. One of those that are chosen here it would keep from their users for as
/// long as the adapter is open, so another is asked for, unless the kernel knows no others.
fn bound(events: &EventChannel, address: IpAddr) -> Result<Id, OpenError> {
    const TRIES: usize = 32; // by default the kernel's ports are others in more than half of the cases
    let mut passed_over = Vec::new();
    loop {
        let id = events.create_id()?;
        id.bind(SocketAddr::new(address, 0))?;
        let is_chosen_here = id.local_address().is_some_and(|at| cm::PORTS_CHOSEN.contains(&at.port()));
        if !is_chosen_here || passed_over.len() == TRIES {
            return Ok(id);
        }
        passed_over.push(id); // kept, else the kernel might choose it again
    }
}

/// The IP addresses of the device's ports, those of IPv4 first, without the link-local ones.
fn addresses(context: &Context) -> Result<Vec<IpAddr>, OpenError> {
    let gids = context.gids()?;
    let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80);
    let mut found: Vec<_> = gids.iter().map(|gid| gid.address()).filter(|ip| !link_local(ip)).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapter").field("name", &self.name).finish_non_exhaustive()
    }
}
