//! Connectors over a real device: a NET with a clock that stands still, and a diary of what consumers hear.
//!
//! May come in: statements of the conformance list that this layer decides, each by its number. Not here:
//! the moves (`cm` explores them all), statuses, and what queue pairs do by themselves.

mod closing;
mod handshake;
mod listening;
mod parting;
mod races;

use super::listener::OnConnect;
use super::messenger::Connectable;
use super::*;
use crate::cm::{ReadLimits, State, Timeouts};
use crate::device::callbacks;
use crate::device::cq::{Cq, Notify};
use crate::device::lifetime::{Life, Task};
use crate::device::qp::{Data, Operation, PostRefused, Qp, QpDescription, Rules};
use crate::device::tests::diary::Diary;
use crate::device::{Device, Driver};
use crate::time::{Span, Time};
use crate::work::{Completion, RequestFlags, Status};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

const MAXIMUM: ReadLimits = ReadLimits { inbound: 16, outbound: 16 };
const LIMITS: ReadLimits = ReadLimits { inbound: 4, outbound: 4 };
const PORT: u16 = 7;

/// A driver whose clock and thread are the test itself.
#[derive(Default)]
struct Stand(Mutex<Time>);

impl Driver for Stand {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }
    fn wake(&self) {}
    fn wake_at(&self, _: Time) {}
}

impl Diary {
    /// Notes how a call ended: `who: end`.
    fn done(&self, who: &'static str) -> Done {
        let diary = self.clone();
        Box::new(move |end| {
            assert!(callbacks::in_callback());
            diary.note(format!("{who}: {}", said(end)));
        })
    }
}

/// The end of a call in a word.
fn said(end: Result<(), ConnectError>) -> String {
    match end {
        Ok(()) => "ok".to_owned(),
        Err(ConnectError::Failed { outcome, .. }) => format!("{outcome:?}"),
        Err(ConnectError::Call(error)) => format!("{:?} call", error.refusal),
        Err(ConnectError::Endpoint(error)) => format!("{error:?}").split(' ').next().unwrap().to_owned(),
        Err(ConnectError::PrivateData(_)) => "TooLong".to_owned(),
        Err(ConnectError::QpBusy { .. }) => "QpBusy".to_owned(),
    }
}

/// A NET with one adapter, one address, and one listener once it is asked for.
struct Net {
    stand: Arc<Stand>,
    device: Arc<Device>,
    exchange: Arc<Exchange>,
    adapter: Arc<Life>,
    addresses: Arc<[IpAddr]>,
    diary: Diary,
    incoming: Arc<Mutex<Vec<Arc<Connector>>>>,
}

impl Net {
    fn new() -> Self {
        Self::with_address("10.0.0.1")
    }

    fn with_address(address: &str) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let stand = Arc::new(Stand::default());
        let device = Device::new(Arc::clone(&stand) as Arc<dyn Driver>);
        let exchange = Exchange::new(Arc::clone(&device), Timeouts::default());
        exchange.add_address(address);
        Self {
            stand,
            device,
            exchange,
            adapter: Life::new([]),
            addresses: Arc::new([address]),
            diary: Diary::default(),
            incoming: Arc::default(),
        }
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.addresses[0], port)
    }

    fn qp(&self) -> Arc<Qp> {
        let cq = Cq::new(Arc::clone(&self.device), Life::new([]), 16, Notify::Nobody);
        let description = QpDescription {
            pd: self.device.new_pd(),
            send_cq: Arc::clone(&cq),
            receive_cq: cq,
            srq: None,
            context: 0,
            send_depth: 4,
            receive_depth: 4,
            send_sge: 1,
            receive_sge: 1,
            inline: 0,
            rnr_limit: None,
            rules: Rules::default(),
            faults: None,
        };
        self.device.create_qp(description, vec![]).unwrap()
    }

    fn messenger(&self) -> InProcess {
        InProcess::new(&self.exchange, Arc::clone(&self.addresses))
    }

    fn connector(&self) -> Arc<Connector> {
        Connector::over(self.messenger(), self.adapter.hold(), MAXIMUM)
    }

    fn new_listener(&self, on_connect: OnConnect) -> Arc<Listener> {
        Listener::new(self.messenger(), self.adapter.hold(), MAXIMUM, on_connect)
    }

    /// A listener at [`PORT`] that keeps what comes for [`Net::arrived`].
    fn listener(&self) -> Arc<Listener> {
        let incoming = Arc::clone(&self.incoming);
        let listener = self.new_listener(Box::new(move |connector| {
            assert!(callbacks::in_callback());
            incoming.lock().unwrap().push(connector);
        }));
        listener.listen(self.at(PORT)).unwrap();
        listener
    }

    fn arrived(&self) -> Option<Arc<Connector>> {
        self.incoming.lock().unwrap().pop()
    }

    /// Asks the listener for a connection, as "connect".
    fn connect(&self, connector: &Connector, qp: &Arc<Qp>) {
        self.connect_from(connector, qp, 0);
    }

    fn connect_from(&self, connector: &Connector, qp: &Arc<Qp>, port: u16) {
        let done = self.diary.done("connect");
        connector.connect(qp, self.at(port), self.at(PORT), LIMITS, b"hello", done);
    }

    /// Does what a driver's thread would, until nothing is left.
    fn drive(&self) {
        while self.device.drive().at_most.is_some() {}
    }

    /// Lets time pass until the next wait is over.
    fn time_out(&self) {
        let due = self.exchange.handle_timeouts(self.device.now()).expect("no wait is running");
        *self.stand.0.lock().unwrap() = due;
        self.exchange.handle_timeouts(due);
        self.drive();
    }

    /// Both families (CONN-44).
    fn each_family(test: impl Fn(Self)) {
        for address in ["10.0.0.1", "fd00::1"] {
            test(Self::with_address(address));
        }
    }
}

/// Two connectors and their queue pairs.
struct Pair {
    net: Net,
    listener: Arc<Listener>,
    active: Arc<Connector>,
    active_qp: Arc<Qp>,
    passive: Arc<Connector>,
    passive_qp: Arc<Qp>,
}

impl Pair {
    /// Asked, not answered.
    fn asked_in(net: Net) -> Self {
        let listener = net.listener();
        let (active, active_qp, passive_qp) = (net.connector(), net.qp(), net.qp());
        net.connect(&active, &active_qp);
        let passive = net.arrived().expect("the listener has it");
        Self { net, listener, active, active_qp, passive, passive_qp }
    }

    fn asked() -> Self {
        Self::asked_in(Net::new())
    }

    fn accept(&self) {
        let diary = &self.net.diary;
        let event = diary.callback("passive event");
        self.passive.accept(&self.passive_qp, LIMITS, b"welcome", event, diary.done("accept"));
    }

    fn complete(&self) {
        let diary = &self.net.diary;
        self.active.complete_connect(diary.callback("active event"), diary.done("complete"));
    }

    /// Accepted, not completed; the diary is empty.
    fn accepted() -> Self {
        let pair = Self::asked();
        pair.accept();
        assert_eq!(pair.net.diary.lines(), ["connect: ok"]);
        pair
    }

    /// Connected; the diary is empty.
    fn connected_in(net: Net) -> Self {
        let pair = Self::asked_in(net);
        pair.accept();
        pair.complete();
        assert_eq!(pair.net.diary.lines(), ["connect: ok", "accept: ok", "complete: ok"]);
        pair
    }

    fn connected() -> Self {
        Self::connected_in(Net::new())
    }

    fn lines(&self) -> Vec<String> {
        self.net.drive();
        self.net.diary.lines()
    }

    /// Closes all but the NET, whose diary is empty then.
    fn into_net(self) -> Net {
        self.listener.close(None);
        drop((self.active, self.passive));
        self.net.drive();
        self.net.diary.lines();
        self.net
    }

    fn disconnect_active(&self) {
        self.active.disconnect(self.net.diary.done("active disconnect"));
    }

    fn disconnect_passive(&self) {
        self.passive.disconnect(self.net.diary.done("passive disconnect"));
    }
}

/// A send of no bytes.
fn send(qp: &Arc<Qp>, context: u64) -> Result<(), PostRefused> {
    qp.post_send(&Operation::Send, Data::Sgl(&[]), RequestFlags::NONE, false, context)
}

/// What the queue pair's completion queue has, by context and status.
fn polled(cq: &Cq) -> Vec<(u64, Status)> {
    let mut out = [(0, Status::Success); 16];
    let count = cq.poll(&mut out, |completion: &Completion| (completion.context, completion.status));
    out[..count].to_vec()
}
