//! What the tests of devices share: the device, memory, ends of connections, and waiting without sleep.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use qpair_rdma_core::cm::{Connection, Event, EventChannel, EventKind, Id, Parameters};
use qpair_rdma_core::{
    Access, Completion, CompletionChannel, Context, Cq, Flags, Mr, Operation, Operations, Payload, Pd, Qp,
    QpAttributes, QpDescription, QpState, Remote, SendRequest, Sge, Srq, Status, wait_readable,
};

/// So long a test waits for what must come. Emulated processors are slow.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What a peer may do through every queue pair and to every region here.
pub fn rights(qp: &Qp) -> Access {
    let all = Access::LOCAL_WRITE | Access::REMOTE_READ | Access::REMOTE_WRITE | Access::REMOTE_ATOMIC;
    if qp.operations().contains(Operations::FLUSH) { all | Access::FLUSH_GLOBAL } else { all }
}

/// The device under test: QPAIR_RDMA_DEVICE, or rxe0.
pub fn device() -> Context {
    let name = std::env::var("QPAIR_RDMA_DEVICE").unwrap_or_else(|_| "rxe0".to_owned());
    Context::open(&name).unwrap_or_else(|error| panic!("{error}"))
}

/// The IPv4 address of its first port.
pub fn address(context: &Context) -> IpAddr {
    let gids = context.gids().unwrap();
    let found = gids.iter().map(|entry| entry.address()).find(IpAddr::is_ipv4);
    found.expect("the device's port has an IPv4 address")
}

/// Memory that lives until its region is deregistered.
pub struct Memory {
    region: Option<Mr>,
    bytes: *mut u8,
    length: usize,
}

impl Memory {
    pub fn new(pd: &Pd, length: usize, access: Access) -> Self {
        let bytes = Box::leak(vec![0_u64; length.div_ceil(8)].into_boxed_slice()).as_mut_ptr().cast();
        // SAFETY: the bytes are freed after `close` by drop only, and touched through this pointer only.
        let region = unsafe { pd.register(bytes, length, access).unwrap() };
        Self { region: Some(region), bytes, length }
    }

    pub fn region(&self) -> &Mr {
        self.region.as_ref().unwrap()
    }

    /// Takes the region away. What is left frees the bytes, so it is dropped after the region.
    pub fn into_region(mut self) -> (Mr, Self) {
        (self.region.take().unwrap(), self)
    }

    pub fn write(&self, at: usize, data: &[u8]) {
        assert!(at + data.len() <= self.length);
        for (index, byte) in data.iter().enumerate() {
            // SAFETY: inside; volatile, since a device may touch the bytes too.
            unsafe { self.bytes.add(at + index).write_volatile(*byte) };
        }
    }

    pub fn read(&self, at: usize, length: usize) -> Vec<u8> {
        assert!(at + length <= self.length);
        // SAFETY: as above.
        (at..at + length).map(|index| unsafe { self.bytes.add(index).read_volatile() }).collect()
    }

    pub fn sge(&self, at: usize, length: u32) -> Sge {
        Sge { address: self.region().address() + at as u64, length, lkey: self.region().lkey() }
    }

    pub fn remote(&self, at: usize) -> Remote {
        Remote { address: self.region().address() + at as u64, rkey: self.region().rkey() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(region) = self.region.take() {
            region.close().unwrap();
        }
        let words = std::ptr::slice_from_raw_parts_mut(self.bytes.cast::<u64>(), self.length.div_ceil(8));
        // SAFETY: leaked by `new` as such a slice, and no device touches it any more.
        drop(unsafe { Box::from_raw(words) });
    }
}

/// A queue pair with what it needs. Fields are dropped in this order.
pub struct End {
    pub qp: Qp,
    pub memory: Memory,
    pub cq: Cq,
    pub channel: CompletionChannel,
    pub pd: Arc<Pd>,
}

/// What an end has other than usual.
#[derive(Default)]
pub struct Particular<'a> {
    pub pd: Option<Arc<Pd>>,
    pub plain: bool,
    pub srq: Option<&'a Srq>,
    pub receive_cq: Option<&'a Cq>,
    pub key: u64,
}

impl End {
    pub fn new(context: &Context, extended: bool) -> Self {
        Self::with(context, &Particular { plain: !extended, ..Particular::default() })
    }

    pub fn with(context: &Context, particular: &Particular<'_>) -> Self {
        let pd = particular.pd.clone().unwrap_or_else(|| Arc::new(context.create_pd().unwrap()));
        let channel = context.create_completion_channel().unwrap();
        let cq = context.create_cq(64, Some(&channel), 5).unwrap();
        let description = QpDescription {
            receive_cq: particular.receive_cq.unwrap_or(&cq),
            srq: particular.srq,
            send_sge: 2,
            receive_sge: 2,
            inline_bytes: 64,
            operations: Operations::BASIC | Operations::ATOMIC_WRITE | Operations::FLUSH,
            extended: !particular.plain,
            key: particular.key,
            ..QpDescription::new(&cq)
        };
        let qp = pd.create_qp(&description).unwrap();
        let memory = Memory::new(&pd, 4096, rights(&qp) | Access::WINDOW_BIND);
        Self { qp, memory, cq, channel, pd }
    }

    /// Waits for `count` completions.
    pub fn take(&self, count: usize) -> Vec<Completion> {
        let mut taken = Vec::new();
        let mut room = [Completion::EMPTY; 3];
        while taken.len() < count {
            let polled = self.cq.poll(&mut room).unwrap();
            taken.extend_from_slice(&room[..polled]);
            if polled > 0 {
                continue;
            }
            self.cq.arm(false).unwrap();
            let late = self.cq.poll(&mut room).unwrap();
            taken.extend_from_slice(&room[..late]);
            if late == 0 {
                let readable = wait_readable(&[self.channel.as_fd()], Some(PATIENCE)).unwrap();
                assert!(readable[0], "{} of {count} completions came: {taken:?}", taken.len());
                assert_eq!(self.channel.next_event().unwrap(), Some(5));
            }
        }
        assert_eq!(taken.len(), count, "more came than expected: {taken:?}");
        taken
    }

    /// Waits for one completion, which must be a success.
    #[track_caller]
    pub fn take_one(&self) -> Completion {
        let one = self.take(1)[0];
        assert_eq!(one.status, Status::Success, "{one:?}");
        one
    }

    /// Posts a signalled request, and waits for its success.
    #[track_caller]
    pub fn run(&self, operation: Operation<'_>, payload: Payload<'_>) -> Completion {
        self.post(77, operation, payload);
        let done = self.take_one();
        assert_eq!(done.id, 77);
        done
    }

    #[track_caller]
    pub fn post(&self, id: u64, operation: Operation<'_>, payload: Payload<'_>) {
        self.qp.post_send(&SendRequest { id, operation, payload, flags: Flags::SIGNALED }).unwrap();
    }
}

/// Two ends, connected through the connection manager. Ids are dropped after the queue pairs.
pub struct Pair {
    pub active: End,
    pub passive: End,
    pub active_id: Id,
    pub passive_id: Id,
    pub events: EventChannel,
    pub request: Parameters,
    pub response: Parameters,
}

/// Waits for an event of this kind of this id.
#[track_caller]
pub fn expect(events: &EventChannel, kind: EventKind, id: u64) -> Event {
    let event = next_event(events);
    assert_eq!((event.kind, event.id), (kind, id), "{event:?}");
    event
}

/// Waits for the next event.
#[track_caller]
pub fn next_event(events: &EventChannel) -> Event {
    loop {
        if let Some(event) = events.next_event().unwrap() {
            return event;
        }
        assert!(wait_readable(&[events.as_fd()], Some(PATIENCE)).unwrap()[0], "no event came");
    }
}

/// A listener on a free port of the device.
pub fn listen(events: &EventChannel, context: &Context) -> (Id, SocketAddr) {
    let listener = events.create_id().unwrap();
    listener.bind(SocketAddr::new(address(context), 0)).unwrap();
    listener.listen(4).unwrap();
    let address = listener.local_address().unwrap();
    assert_ne!(address.port(), 0);
    (listener, address)
}

/// An id that is ready to connect to `peer`.
pub fn resolve(events: &EventChannel, peer: SocketAddr) -> Id {
    let id = events.create_id().unwrap();
    id.resolve_address(None, peer, PATIENCE).unwrap();
    expect(events, EventKind::AddressResolved, id.key());
    id.resolve_route(PATIENCE).unwrap();
    expect(events, EventKind::RouteResolved, id.key());
    id
}

/// Moves a queue pair to init, with all rights to the peer.
pub fn to_init(id: &Id, qp: &Qp) {
    qp.modify(&id.qp_attributes(QpState::Init).unwrap().access(rights(qp))).unwrap();
}

/// Moves a queue pair from init to ready to send.
pub fn to_send(id: &Id, qp: &Qp) {
    let receive = id.qp_attributes(QpState::ReadyToReceive).unwrap();
    qp.modify(&receive.max_reads_in(4).rnr_timer(12)).unwrap();
    let send = id.qp_attributes(QpState::ReadyToSend).unwrap();
    qp.modify(&send.max_reads_out(4)).unwrap();
}

impl Pair {
    pub fn new(context: &Context, extended: bool) -> Self {
        Self::of(context, End::new(context, extended), End::new(context, extended))
    }

    /// Connects two ends, step by step.
    pub fn of(context: &Context, active: End, passive: End) -> Self {
        let events = EventChannel::new().unwrap();
        let (listener, address) = listen(&events, context);
        let active_id = resolve(&events, address);
        to_init(&active_id, &active.qp);
        let offer = Connection { private_data: b"offer", ..Connection::new(active.qp.number()) };
        active_id.connect(&offer).unwrap();
        let request = expect(&events, EventKind::ConnectRequest, listener.key());
        let passive_id = request.incoming.unwrap();
        to_init(&passive_id, &passive.qp);
        to_send(&passive_id, &passive.qp);
        let answer = Connection { private_data: b"answer", ..Connection::new(passive.qp.number()) };
        passive_id.accept(&answer).unwrap();
        let response = expect(&events, EventKind::ConnectResponse, active_id.key());
        to_send(&active_id, &active.qp);
        active_id.establish().unwrap();
        expect(&events, EventKind::Established, passive_id.key());
        let (request, response) = (request.parameters.unwrap(), response.parameters.unwrap());
        Self { active, passive, active_id, passive_id, events, request, response }
    }
}

/// A move to the error state.
pub fn to_error(qp: &Qp) {
    qp.modify(&QpAttributes::to(QpState::Error)).unwrap();
}
