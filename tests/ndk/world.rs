//! What most tests need: an adapter of their own, queue pairs, and a connection between two of them.

use qpair::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Listener, Memory, Mr, MrFlags, OnDisconnect, Pd, Qp,
    QpDescription, ReadLimits, Sge, Status,
};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// Far longer than anything takes that is tested: reached only by a bug.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const READS: ReadLimits = ReadLimits { inbound: 4, outbound: 4 };

/// Every right that NDK knows.
pub const ALL: MrFlags = MrFlags(MrFlags::ALLOW_REMOTE_READ.0 | MrFlags::ALLOW_REMOTE_WRITE.0);

/// The adapter of a NET that belongs to one test.
pub fn adapter(test: &str) -> Adapter {
    Adapter::open(&format!("local/{test}")).unwrap()
}

/// A completion queue whose completions can be waited for.
pub fn cq(adapter: &Adapter, depth: u32) -> Cq {
    adapter.create_cq(depth, CqNotify::Waiters).wait().unwrap()
}

/// One side of a connection.
pub struct End {
    pub qp: Qp,
    pub cq: Cq,
    /// 4,096 bytes with every right, aligned to pages.
    pub mr: Mr,
    pub pd: Pd,
}

impl End {
    pub fn new(adapter: &Adapter) -> Self {
        Self::with(adapter, |description| description)
    }

    /// As `describe` makes of the usual: 16 requests of up to 4 entries each way, 64 inline bytes.
    pub fn with(adapter: &Adapter, describe: impl FnOnce(QpDescription<'_>) -> QpDescription<'_>) -> Self {
        let (pd, cq) = (adapter.create_pd().wait().unwrap(), cq(adapter, 64));
        let usual = QpDescription::new(&cq).initiator_sge(4).receive_sge(4).inline_size(64);
        let qp = pd.create_qp(describe(usual)).wait().unwrap();
        let mr = pd.register(Memory::zeroed(4096).unwrap(), ALL).wait().unwrap();
        Self { qp, cq, mr, pd }
    }

    /// An entry for a part of the memory.
    pub fn sge(&self, from: usize, to: usize) -> Sge {
        self.mr.sge(from..to).unwrap()
    }

    /// Bytes of the memory.
    pub fn bytes(&self, from: usize, to: usize) -> Vec<u8> {
        let mut bytes = vec![0; to - from];
        self.mr.read(from, &mut bytes).unwrap();
        bytes
    }

    pub fn take(&self, count: usize) -> Vec<Completion> {
        take(&self.cq, count)
    }

    /// Context and status of the next completions.
    pub fn ends(&self, count: usize) -> Vec<(u64, Status)> {
        self.take(count).iter().map(|c| (c.request_context, c.status)).collect()
    }

    /// Nothing is in the completion queue.
    pub fn is_quiet(&self) -> bool {
        self.cq.is_empty()
    }
}

/// The next `count` completions.
pub fn take(cq: &Cq, count: usize) -> Vec<Completion> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let mut places = vec![Completion::default(); count - taken.len()];
        let got = cq.wait(&mut places, Some(PATIENCE)).unwrap();
        assert_ne!(got, 0, "{} of {count} completions came", taken.len());
        taken.extend_from_slice(&places[..got]);
    }
    taken
}

/// Both connectors of a connection; dropped, they end it.
pub struct Connection {
    pub active: Connector,
    pub _passive: Connector,
    /// Listens as long as the connection lasts.
    pub _listener: Listener,
}

/// A listener whose connectors arrive in a channel.
pub fn listen(adapter: &Adapter) -> (Listener, SocketAddr, Receiver<Connector>) {
    let (arrived, arrivals) = mpsc::channel();
    let listener = adapter.create_listener(move |connector| arrived.send(connector).unwrap());
    let listener = listener.wait().unwrap();
    listener.listen(adapter.addresses()[0]).wait().unwrap();
    let address = listener.local_address().unwrap();
    (listener, address, arrivals)
}

/// Connects two queue pairs of one adapter.
pub fn connect(adapter: &Adapter, active: &Qp, passive: &Qp) -> Connection {
    connect_with(adapter, active, passive, READS, OnDisconnect::ignore(), OnDisconnect::ignore())
}

/// As [`connect`], with read limits for both and the disconnect events of the active and the passive side.
pub fn connect_with(
    adapter: &Adapter,
    active: &Qp,
    passive: &Qp,
    limits: ReadLimits,
    on_active: impl Into<OnDisconnect>,
    on_passive: impl Into<OnDisconnect>,
) -> Connection {
    let (listener, address, arrivals) = listen(adapter);
    let from = adapter.create_connector().wait().unwrap();
    let connecting = from.connect(active, adapter.addresses()[0], address, limits, b"");
    let to = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = to.accept(passive, limits, b"", on_passive);
    connecting.wait().unwrap();
    from.complete_connect(on_active).wait().unwrap();
    accepting.wait().unwrap();
    Connection { active: from, _passive: to, _listener: listener }
}

/// An adapter, and two ends that are connected.
pub struct Pair {
    pub a: End,
    pub b: End,
    pub connection: Connection,
    pub adapter: Adapter,
}

pub fn pair(test: &str) -> Pair {
    pair_with(test, |description| description)
}

/// As [`pair`], both queue pairs as `describe` makes of the usual.
pub fn pair_with(test: &str, describe: impl Fn(QpDescription<'_>) -> QpDescription<'_>) -> Pair {
    pair_of(adapter(test), describe)
}

/// The same on an adapter that was opened otherwise.
pub fn pair_of(adapter: Adapter, describe: impl Fn(QpDescription<'_>) -> QpDescription<'_>) -> Pair {
    let (a, b) = (End::with(&adapter, &describe), End::with(&adapter, &describe));
    let connection = connect(&adapter, &a.qp, &b.qp);
    Pair { a, b, connection, adapter }
}

/// `n` completions of these contexts and one status.
pub fn all(contexts: impl IntoIterator<Item = u64>, status: Status) -> Vec<(u64, Status)> {
    contexts.into_iter().map(|context| (context, status)).collect()
}
