//! Two connected queue pairs on the device, and what the kernel holds of it.

use qpair::ndk::{
    Adapter, Connector, Cq, CqNotify, Error, Listener, Memory, Mr, MrFlags, OnDisconnect, Pd, Qp,
    QpDescription, ReadLimits, Sge,
};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long anything may take that must come.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Requests that may be pending on each queue.
pub const DEPTH: u32 = 32;
/// Completions that may wait to be polled. A request has its place again when it has completed, so
/// whoever posts faster than it polls needs many.
pub const ENTRIES: u32 = 8192;

/// The test that holds it has the device to itself: counts of the kernel are of the whole machine.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a test of so many rounds is to go round.
pub fn rounds(usual: u64) -> u64 {
    let times = std::env::var("QPAIR_STRESS").map_or(1, |times| times.parse().expect("a number"));
    usual * times
}

/// A listener whose connectors arrive in a channel.
pub struct Door {
    pub adapter: Adapter,
    listener: Listener,
    arrivals: Receiver<Connector>,
}

/// One side of a connection.
pub struct End {
    pub qp: Qp,
    pub cq: Cq,
    mr: Mr,
    pd: Pd,
}

/// Both sides; dropped, they end the connection.
pub struct Pair {
    pub a: End,
    pub b: End,
    pub active: Connector,
    pub passive: Connector,
}

impl Door {
    pub fn open() -> Self {
        let adapter = Adapter::open(&crate::device()).expect("the device opens");
        let (arrived, arrivals) = channel();
        // Who is not awaited any more is dropped, which refuses.
        let listener = adapter.create_listener(move |connector| drop(arrived.send(connector)));
        let listener = listener.wait().expect("a listener");
        listener.listen(adapter.addresses()[0]).wait().expect("it listens");
        Self { adapter, listener, arrivals }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_address().expect("it listens")
    }

    /// The connector of the next request.
    pub fn arrival(&self) -> Connector {
        self.arrivals.recv_timeout(PATIENCE).expect("the request arrives")
    }

    /// Two new queue pairs, connected.
    pub fn connect(&self) -> Pair {
        self.connect_ends(End::new(&self.adapter), End::new(&self.adapter))
    }

    /// These two, connected.
    pub fn connect_ends(&self, a: End, b: End) -> Pair {
        let (limits, from) = (ReadLimits { inbound: 4, outbound: 4 }, self.adapter.addresses()[0]);
        let active = self.adapter.create_connector().wait().expect("a connector");
        let connecting = active.connect(&a.qp, from, self.address(), limits, b"");
        let passive = self.arrival();
        let accepting = passive.accept(&b.qp, limits, b"", OnDisconnect::ignore());
        connecting.wait().expect("the peer accepts");
        active.complete_connect(OnDisconnect::ignore()).wait().expect("the connect completes");
        accepting.wait().expect("the accept completes");
        Pair { a, b, active, passive }
    }

    /// Closes everything, and waits until it is.
    pub fn close(self) {
        self.listener.close().wait().expect("the listener closes");
        self.adapter.close().expect("the adapter closes");
    }
}

impl End {
    /// A queue pair that waits for receives of its peer for ever.
    pub fn new(adapter: &Adapter) -> Self {
        Self::with(adapter, None, None)
    }

    /// One that waits for receives of its peer so long; its own complete into that queue, if one is given.
    pub fn with(adapter: &Adapter, limit: Option<Duration>, receives: Option<&Cq>) -> Self {
        let pd = adapter.create_pd().wait().expect("a domain");
        let cq = adapter.create_cq(ENTRIES, CqNotify::Waiters).wait().expect("a completion queue");
        let description = QpDescription::new(receives.unwrap_or(&cq)).initiator_cq(&cq);
        let description = description.receive_depth(DEPTH).initiator_depth(DEPTH);
        let description = description.initiator_sge(4).inline_size(64).receiver_not_ready(limit);
        let qp = pd.create_qp(description).wait().expect("a queue pair");
        let memory = Memory::zeroed(4096).expect("a page");
        let mr = pd.register(memory, MrFlags::ALLOW_LOCAL_WRITE).wait().expect("a region");
        Self { qp, cq, mr, pd }
    }

    /// Closes everything of this end, and waits until it is.
    pub fn close(self) {
        self.qp.close().wait().expect("a queue pair closes");
        self.cq.close().wait().expect("a completion queue closes");
        self.mr.deregister().wait().expect("a region closes");
        self.pd.close().wait().expect("a domain closes");
    }

    /// Another region of its domain.
    pub fn register(&self, memory: Memory, flags: MrFlags) -> Result<Mr, Error> {
        self.pd.register(memory, flags).wait()
    }

    /// Eight bytes of its memory.
    pub fn sge(&self) -> Sge {
        self.mr.sge(0..8).expect("within the page")
    }
}

/// What the kernel holds of RDMA, device by device (`rdma resource show`), but for opened contexts: librdmacm
/// keeps one of each device for itself as long as the process lives.
pub fn resources() -> String {
    let path = format!("{}:/sbin:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new("rdma").args(["resource", "show"]).env("PATH", path).output();
    let output = output.expect("rdma, of iproute2, can be started");
    assert!(output.status.success(), "rdma resource show: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<_> = text.split_whitespace().collect();
    let context = words.iter().position(|word| *word == "ctx").unwrap_or(words.len());
    words
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != context + 1)
        .map(|(_, word)| format!("{word} "))
        .collect()
}

/// Files that this process has open.
pub fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("a list of open files").count()
}
