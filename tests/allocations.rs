//! Post, poll and flush allocate nothing once their thread has made its first post: each is counted.
//!
//! What is excepted, and why, stands in the docs of the crate.

use allocation_counter::measure;
use qpair::ndk::ext::QpExt;
use qpair::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Data, FastRegister, Lam, Memory, Mr, MrFlags, NotifyType,
    OnDisconnect, OpFlags, Pd, Qp, QpDescription, ReadLimits, RemoteAddress, Srq, Status,
};
use std::sync::mpsc;

/// Allocations that `work` makes on this thread, after a first round that warms up what a thread makes once.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    measure(|| (0..100).for_each(|_| work())).count_total
}

/// Both ends of a connection in one NET.
struct Pair {
    a: Qp,
    b: Qp,
    cq: Cq,
    mr: Mr,
    srq: Option<Srq>,
    _ends: [Connector; 2],
    pd: Pd,
    adapter: Adapter,
}

impl Pair {
    fn new(net: &str, shared: bool, notify: CqNotify) -> Self {
        let adapter = Adapter::open(&format!("local/{net}")).unwrap();
        let (pd, cq) = (adapter.create_pd().wait().unwrap(), adapter.create_cq(64, notify).wait().unwrap());
        let srq = shared.then(|| pd.create_srq(16, 4).wait().unwrap());
        let usual = || QpDescription::new(&cq).initiator_sge(4).inline_size(64);
        let a = pd.create_qp(usual()).wait().unwrap();
        let b = pd.create_qp(srq.iter().fold(usual(), |of, srq| of.srq(srq))).wait().unwrap();
        let rights =
            MrFlags::ALLOW_REMOTE_READ | MrFlags::ALLOW_REMOTE_WRITE | qpair::ndk::ext::ALLOW_REMOTE_ATOMIC;
        let mr = pd.register(Memory::zeroed(1 << 16).unwrap(), rights).wait().unwrap();
        let (arrived, arrivals) = mpsc::channel();
        let listener =
            adapter.create_listener(move |connector| arrived.send(connector).unwrap()).wait().unwrap();
        let host = adapter.addresses()[0];
        listener.listen(host).wait().unwrap();
        let active = adapter.create_connector().wait().unwrap();
        let limits = ReadLimits { inbound: 4, outbound: 4 };
        let connecting = active.connect(&a, host, listener.local_address().unwrap(), limits, &[]);
        let passive = arrivals.recv().unwrap();
        let accepting = passive.accept(&b, limits, &[], OnDisconnect::ignore());
        connecting.wait().unwrap();
        active.complete_connect(OnDisconnect::ignore()).wait().unwrap();
        accepting.wait().unwrap();
        Self { a, b, cq, mr, srq, _ends: [active, passive], pd, adapter }
    }

    fn receive(&self, context: u64) {
        let sgl = [self.mr.sge(0..64).unwrap()];
        match &self.srq {
            Some(srq) => srq.receive(context, &sgl).unwrap(),
            None => self.b.receive(context, &sgl).unwrap(),
        }
    }

    /// Polls `count` completions, all of that status.
    fn poll(&self, count: usize, status: Status) {
        let mut places = [Completion::default(); 16];
        assert_eq!(self.cq.poll(&mut places), count);
        assert!(
            places[..count].iter().all(|completion| completion.status == status),
            "{:?}",
            &places[..count]
        );
    }

    /// Every kind of request once, from post to poll.
    fn round(&self) {
        let (mr, none) = (&self.mr, OpFlags::NONE);
        let (here, there) = ([mr.sge(128..256).unwrap()], mr.remote(1024).unwrap());
        let pieces = [mr.sge(0..16).unwrap(), mr.sge(32..40).unwrap(), mr.sge(64..70).unwrap()];
        (1..=4).for_each(|context| self.receive(context));
        self.a.send(11, &pieces[..], none).unwrap();
        self.a
            .send(12, Data::Inline(&[b"inline bytes, more than a slot has room for"]), OpFlags::DEFER)
            .unwrap();
        self.a.send_with_immediate(13, &pieces[..1], 7, none).unwrap();
        self.a.write_with_immediate(14, &here[..], there, 8, none).unwrap();
        self.a.write(15, &here[..], there, OpFlags::SILENT_SUCCESS).unwrap();
        self.a.read(16, &here, there, OpFlags::READ_FENCE).unwrap();
        self.a.fetch_and_add(17, mr.sge(0..8).unwrap(), there, 1, none).unwrap();
        self.a.compare_and_swap(18, mr.sge(0..8).unwrap(), there, 1, 2, none).unwrap();
        self.poll(11, Status::SUCCESS);
    }
}

#[test]
fn post_and_poll_allocate_nothing() {
    let pair = Pair::new("allocations-post", false, CqNotify::None);
    assert_eq!(allocations(|| pair.round()), 0);
    assert!(pair.adapter.info().max_inline_data_size >= 64);
}

/// Windows and registrations, ended by the peer: a local invalidation may have to wait for passes of other
/// tests, which is not what is measured here.
#[test]
fn windows_and_registrations_allocate_nothing() {
    let pair = Pair::new("allocations-windows", false, CqNotify::None);
    let (window, region) =
        (pair.pd.create_mw().wait().unwrap(), pair.pd.create_fast_register_mr().wait().unwrap());
    region.initialize(4, true).wait().unwrap();
    let lam = pair.adapter.build_lam(Memory::zeroed(4 * Lam::PAGE_SIZE).unwrap()).wait().unwrap();
    let pages = [lam.pages()[2], lam.pages()[0]];
    let list = FastRegister {
        pages: &pages,
        first_byte_offset: 0,
        length: 2 * Lam::PAGE_SIZE as u64,
        base_virtual_address: 1 << 20,
    };
    let (both, none) = (OpFlags::ALLOW_REMOTE_READ | OpFlags::ALLOW_REMOTE_WRITE, OpFlags::NONE);
    let allocated = allocations(|| {
        (1..=2).for_each(|context| pair.receive(context));
        let bound = pair.b.bind(3, &pair.mr, &window, 0..64, both | OpFlags::DEFER).unwrap();
        let registered = pair.b.fast_register(4, &region, list, both).unwrap();
        let (in_window, scattered) = (
            RemoteAddress { token: bound, ..pair.mr.remote(0).unwrap() },
            RemoteAddress { token: registered, address: (1 << 20) + 4000 },
        );
        pair.a.write(5, &pair.mr.sge(0..64).unwrap(), in_window, none).unwrap();
        pair.a.write(6, &pair.mr.sge(0..256).unwrap(), scattered, none).unwrap();
        pair.a.send_and_invalidate(7, Data::NONE, none, bound).unwrap();
        pair.a.send_and_invalidate(8, Data::NONE, none, registered).unwrap();
        pair.poll(8, Status::SUCCESS);
    });
    assert_eq!(allocated, 0);
}

#[test]
fn a_shared_receive_queue_allocates_nothing() {
    let pair = Pair::new("allocations-srq", true, CqNotify::None);
    assert_eq!(allocations(|| pair.round()), 0);
}

#[test]
fn a_send_that_waits_for_its_receive_allocates_nothing() {
    let pair = Pair::new("allocations-rnr", false, CqNotify::None);
    let sgl = [pair.mr.sge(0..64).unwrap()];
    let allocated = allocations(|| {
        pair.a.send(1, &sgl[..], OpFlags::NONE).unwrap();
        pair.poll(0, Status::SUCCESS);
        pair.receive(2);
        pair.poll(2, Status::SUCCESS);
    });
    assert_eq!(allocated, 0);
}

#[test]
fn a_flush_allocates_nothing() {
    let pair = Pair::new("allocations-flush", false, CqNotify::None);
    let sgl = [pair.mr.sge(0..64).unwrap()];
    let allocated = allocations(|| {
        (0..4).for_each(|context| pair.receive(context));
        pair.a.write(9, &sgl[..], pair.mr.remote(512).unwrap(), OpFlags::DEFER).unwrap();
        pair.a.flush();
        pair.b.flush();
        pair.poll(5, Status::CANCELLED);
    });
    assert_eq!(allocated, 0);
}

#[test]
fn a_refused_post_allocates_nothing() {
    let pair = Pair::new("allocations-refused", false, CqNotify::None);
    let sgl = [pair.mr.sge(0..64).unwrap(); 5];
    let allocated = allocations(|| {
        assert_eq!(pair.a.send(1, &sgl[..], OpFlags::NONE).unwrap_err().status(), Status::DATA_OVERRUN);
    });
    assert_eq!(allocated, 0);
}

/// The other side of the measure: it does see what allocates.
#[test]
fn what_allocates_is_seen() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 100);
}

#[test]
fn a_notification_allocates_nothing() {
    let pair = Pair::new("allocations-notify", false, CqNotify::callback(|_| ()));
    let allocated = allocations(|| {
        pair.cq.arm(NotifyType::Any);
        pair.round();
    });
    assert_eq!((allocated, pair.cq.counters().notifications), (0, 101));
}
