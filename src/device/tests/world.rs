//! Two connected queue pairs with all they need.

use crate::cm::Timeouts;
use crate::device::connect::messenger::Connectable;
use crate::device::cq::{Cq, CqState, Notify};
use crate::device::faults::Faults;
use crate::device::lifetime::Life;
use crate::device::qp::{PostRefused, Qp, QpDescription, Rules};
use crate::device::srq::{Srq, SrqDescription};
use crate::device::{Device, Driver};
use crate::fabric::clock::{Clock, ManualClock};
use crate::fabric::local::{Net, NetOptions};
use crate::memory::{Memory, Registration, Rights};
use crate::ring::ArmLevel;
use crate::sync::{AtomicU64, Ordering};
use crate::time::{Span, Time};
use crate::work::{Completion, Key, Sge};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

static NAMES: LazyLock<AtomicU64> = LazyLock::new(AtomicU64::default);

#[derive(Clone)]
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) memory: usize,
    pub(super) depth: u32,
    pub(super) cq_depth: u32,
    pub(super) shared_depth: u32,
    pub(super) rnr_limit: Option<Span>,
    pub(super) faults: Option<Arc<Faults>>,
    /// Depth of a completion queue of its own for receives; `None`: they share that of the sends.
    pub(super) receive_cq_depth: Option<u32>,
    pub(super) connected: bool,
    /// The protection domain of both ends; `None`: each has its own.
    pub(super) pd: Option<u32>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            memory: 4096,
            depth: 16,
            cq_depth: 64,
            shared_depth: 0,
            rnr_limit: None,
            faults: None,
            receive_cq_depth: None,
            connected: true,
            pd: None,
        }
    }
}

impl World {
    /// With a clock that stands still.
    pub(super) fn manual() -> (ManualClock, Self) {
        let clock = ManualClock::new();
        (clock.clone(), Self { clock: Clock::Manual(clock), ..Self::default() })
    }
}

/// What a device runs on.
#[derive(Clone)]
struct Carrier {
    device: Arc<Device>,
    /// Ends with its last user.
    _net: Option<Arc<Net>>,
}

/// A driver without a thread: a test calls [`Hand::drive`], and says what time it is.
#[derive(Default)]
pub(super) struct Hand {
    wakes: AtomicU64,
    nanos: AtomicU64,
}

impl Driver for Hand {
    fn now(&self) -> Time {
        Time::from_nanos(self.nanos.load(Ordering::Relaxed)) // one thread
    }

    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed); // a count for asserts
    }

    fn wake_at(&self, _at: Time) {
        self.wake();
    }
}

impl Hand {
    /// From now on it is that many nanoseconds after the beginning.
    pub(super) fn set(&self, nanos: u64) {
        self.nanos.store(nanos, Ordering::Relaxed); // one thread
    }

    /// Does what a driver's thread does when it is woken; how often it was woken since the last time.
    pub(super) fn drive(&self, device: &Device) -> u64 {
        let wakes = self.wakes.swap(0, Ordering::Relaxed); // as above
        device.awake();
        device.drive();
        if !device.prepare_sleep() {
            self.wake();
        }
        wakes
    }
}

/// One end.
pub(super) struct End {
    carrier: Carrier,
    pub(super) qp: Arc<Qp>,
    pub(super) cq: Arc<Cq>,
    /// The same as `cq`, if it has none of its own.
    pub(super) receive_cq: Arc<Cq>,
    pub(super) srq: Option<Arc<Srq>>,
    pub(super) memory: Arc<Memory>,
    key: Key,
    pub(super) pd: u32,
    notified: Arc<AtomicU64>,
    receive_notified: Arc<AtomicU64>,
}

pub(super) const BASE: u64 = 0x10_0000;

impl End {
    fn new(carrier: &Carrier, world: &World, shared: Option<(&End, Arc<Srq>)>) -> Self {
        let device = &carrier.device;
        let shared_pd = shared.as_ref().map(|(end, _)| end.pd);
        let pd = world.pd.or(shared_pd).unwrap_or_else(|| device.new_pd());
        let (cq, notified) = counted_cq(device, world.cq_depth);
        let (receive_cq, receive_notified) = match world.receive_cq_depth {
            Some(depth) => counted_cq(device, depth),
            None => (Arc::clone(&cq), Arc::clone(&notified)),
        };
        let srq = shared.map(|(_, srq)| srq).or_else(|| {
            (world.shared_depth > 0).then(|| {
                let (depth, sge) = (world.shared_depth, 4);
                let description = SrqDescription { depth, sge, threshold: 0, callback: None };
                device.create_srq(description, Vec::new()).unwrap()
            })
        });
        let description = QpDescription {
            pd,
            send_cq: Arc::clone(&cq),
            receive_cq: Arc::clone(&receive_cq),
            srq: srq.clone(),
            context: 99,
            send_depth: world.depth,
            receive_depth: world.depth,
            send_sge: 4,
            receive_sge: 4,
            inline: 64,
            rnr_limit: world.rnr_limit,
            rules: Rules::default(),
            faults: world.faults.clone(),
        };
        if let Some(faults) = &world.faults {
            faults.attach(device);
            [&cq, &receive_cq].into_iter().for_each(|cq| cq.delay_by(Arc::clone(faults)));
        }
        let qp = device.create_qp(description, Vec::new()).unwrap();
        let memory = Arc::new(Memory::zeroed(world.memory).unwrap());
        let rights = Rights::LOCAL_WRITE | Rights::REMOTE_READ | Rights::REMOTE_WRITE | Rights::REMOTE_ATOMIC;
        let registration = Registration { pd, rights, range: 0..world.memory, base: BASE };
        let key = device.keys().register(&memory, registration).unwrap();
        let carrier = carrier.clone();
        Self { carrier, qp, cq, receive_cq, srq, memory, key, pd, notified, receive_notified }
    }

    /// The key of all the memory, with every right but that a peer may invalidate it.
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// Another key of all the memory, in this protection domain or another.
    pub(super) fn register(&self, rights: Rights, foreign: bool) -> Key {
        let device = self.device();
        let pd = if foreign { device.new_pd() } else { self.pd };
        let registration = Registration { pd, rights, range: 0..self.memory.len(), base: BASE };
        device.keys().register(&self.memory, registration).unwrap()
    }

    pub(super) fn device(&self) -> &Arc<Device> {
        &self.carrier.device
    }

    pub(super) fn sge(&self, range: Range<usize>) -> Sge {
        Sge { address: BASE + range.start as u64, length: range.len() as u32, token: self.key }
    }

    pub(super) fn remote(&self, offset: u64) -> (u64, Key) {
        (BASE + offset, self.key)
    }

    pub(super) fn receive(&self, context: u64, range: Range<usize>) -> Result<(), PostRefused> {
        self.qp.post_receive(context, &[self.sge(range)])
    }

    pub(super) fn poll(&self) -> Vec<Completion> {
        let mut out = [Completion::default(); 64];
        let count = self.cq.poll(&mut out, |completion| *completion);
        out[..count].to_vec()
    }

    /// Waits, armed, for so many completions.
    pub(super) fn wait_for(&self, count: usize) -> Vec<Completion> {
        let mut got = Vec::new();
        while got.len() < count {
            let listener = self.cq.listen();
            self.cq.arm(ArmLevel::Any);
            let now = self.poll();
            if now.is_empty() {
                use event_listener::Listener;
                listener.wait();
            }
            got.extend(now);
        }
        got
    }

    pub(super) fn notified(&self) -> u64 {
        self.notified.load(Ordering::Relaxed) // as where it is counted
    }

    pub(super) fn receive_notified(&self) -> u64 {
        self.receive_notified.load(Ordering::Relaxed) // as above
    }
}

/// A completion queue that counts its notifications.
fn counted_cq(device: &Arc<Device>, depth: u32) -> (Arc<Cq>, Arc<AtomicU64>) {
    let notified = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&notified);
    let notify = Notify::Callback(Box::new(move |_: CqState| {
        count.fetch_add(1, Ordering::Relaxed); // a count for asserts
    }));
    (Cq::new(Arc::clone(device), Life::new([]), depth, notify), notified)
}

/// Connects them without connectors, so nobody is told that the other has parted.
pub(super) fn connect(a: &End, b: &End) {
    for (here, there) in [(a, b), (b, a)] {
        here.qp.ready_to_receive(there.qp.id(), 16, 16);
    }
    a.qp.ready_to_send();
    b.qp.ready_to_send();
}

pub(super) fn pair() -> (End, End) {
    pair_with(World::default())
}

pub(super) fn pair_with(world: World) -> (End, End) {
    let name = format!("test {}", NAMES.fetch_add(1, Ordering::Relaxed)); // only its being unique counts
    let net =
        Net::open(&name, NetOptions { clock: world.clock.clone(), timeouts: Timeouts::default() }).unwrap();
    let carrier = Carrier { device: Arc::clone(net.device()), _net: Some(net) };
    pair_of(&carrier, &world)
}

/// A pair whose driver is the test itself.
pub(super) fn pair_by_hand(world: &World) -> (Arc<Hand>, End, End) {
    let hand = Arc::new(Hand::default());
    let carrier = Carrier { device: Device::new(Arc::clone(&hand) as Arc<dyn Driver>), _net: None };
    let (a, b) = pair_of(&carrier, world);
    (hand, a, b)
}

fn pair_of(carrier: &Carrier, world: &World) -> (End, End) {
    let (a, b) = (End::new(carrier, world, None), End::new(carrier, world, None));
    if world.connected {
        connect(&a, &b);
    }
    (a, b)
}

/// Another pair on the same NET.
pub(super) fn pair_beside(a: &End, world: &World) -> (End, End) {
    pair_of(&a.carrier, world)
}

/// Another pair on the same NET; its second end shares the receive queue of `b`.
pub(super) fn pair_on(a: &End, b: &End, world: World) -> (End, End) {
    let srq = b.srq.clone().expect("b has a shared receive queue");
    let c = End::new(&a.carrier, &World { shared_depth: 0, ..world.clone() }, None);
    let d = End::new(&a.carrier, &world, Some((b, srq)));
    connect(&c, &d);
    (c, d)
}
