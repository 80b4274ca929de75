//! What most checks need: ends of connections, connections, and completion queues whose calls are noted.

use super::bench::{Bench, Ended, Note, Notes, PATIENCE, comes, cq, notes, polls, take, yields};
use super::statement::{Outcome, ensure_eq, wrong};
use crate::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Data, Listener, Memory, Mr, MrFlags, OnDisconnect, OpFlags,
    Pd, Qp, QpDescription, ReadLimits, RemoteAddress, Request, Sge, Status,
};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

pub(super) const NONE: OpFlags = OpFlags::NONE;

pub(super) const READS: ReadLimits = ReadLimits { inbound: 4, outbound: 4 };

/// Every right that NDK knows.
pub(super) const ALL: MrFlags = MrFlags(MrFlags::ALLOW_REMOTE_READ.0 | MrFlags::ALLOW_REMOTE_WRITE.0);

/// Bytes of the memory of an end.
pub(super) const SIZE: usize = 4096;

/// One side of a connection.
#[derive(Debug)]
pub(super) struct End {
    pub(super) qp: Qp,
    pub(super) cq: Cq,
    /// [`SIZE`] bytes with every right, aligned to pages.
    pub(super) mr: Mr,
    pub(super) pd: Pd,
}

impl End {
    pub(super) fn new(adapter: &Adapter) -> Outcome<Self> {
        Self::with(adapter, |description| description)
    }

    /// As `describe` makes of the usual: 16 requests of up to 4 entries each way, 64 inline bytes, and sends
    /// that wait for a receive as long as it takes.
    pub(super) fn with(
        adapter: &Adapter,
        describe: impl FnOnce(QpDescription<'_>) -> QpDescription<'_>,
    ) -> Outcome<Self> {
        let (pd, cq) = (adapter.create_pd().done("NdkCreatePd")?, cq(adapter, 64)?);
        let usual = QpDescription::new(&cq).initiator_sge(4).receive_sge(4).inline_size(64);
        let qp = pd.create_qp(describe(usual.receiver_not_ready(None))).done("NdkCreateQp")?;
        let mr = pd.register(zeroed(SIZE)?, ALL).done("NdkRegisterMr")?;
        Ok(Self { qp, cq, mr, pd })
    }

    /// An entry for a part of the memory.
    pub(super) fn sge(&self, from: usize, to: usize) -> Outcome<Sge> {
        Ok(self.mr.sge(from..to)?)
    }

    /// A byte of the memory as a peer names it.
    pub(super) fn remote(&self, at: usize) -> Outcome<RemoteAddress> {
        Ok(self.mr.remote(at)?)
    }

    /// Bytes of the memory.
    pub(super) fn bytes(&self, from: usize, to: usize) -> Outcome<Vec<u8>> {
        let mut bytes = vec![0; to - from];
        self.mr.read(from, &mut bytes)?;
        Ok(bytes)
    }

    /// A receive of up to 64 bytes at the beginning of the memory.
    pub(super) fn receive(&self, context: u64) -> Outcome {
        Ok(self.qp.receive(context, &[self.sge(0, 64)?])?)
    }

    /// A send of these bytes, up to 64.
    pub(super) fn send(&self, context: u64, bytes: &[u8], flags: OpFlags) -> Outcome {
        Ok(self.qp.send(context, Data::Inline(&[bytes]), flags)?)
    }

    /// A write of eight bytes to the beginning of the peer's memory.
    pub(super) fn write(&self, context: u64, peer: &Self, flags: OpFlags) -> Outcome {
        Ok(self.qp.write(context, &self.sge(0, 8)?, peer.remote(0)?, flags)?)
    }

    /// A read of eight bytes from the beginning of the peer's memory.
    pub(super) fn read(&self, context: u64, peer: &Self, flags: OpFlags) -> Outcome {
        Ok(self.qp.read(context, &[self.sge(0, 8)?], peer.remote(0)?, flags)?)
    }

    pub(super) fn take(&self, count: usize, what: &str) -> Outcome<Vec<Completion>> {
        take(&self.cq, count, what)
    }

    /// Its completion queue yields exactly these next.
    pub(super) fn yields(&self, expected: &[(u64, Status)], what: &str) -> Outcome {
        yields(&self.cq, expected, what)
    }
}

/// Zeroed memory.
pub(super) fn zeroed(length: usize) -> Outcome<Memory> {
    Memory::zeroed(length).or_else(|error| wrong(format_args!("no memory for the check: {error}")))
}

/// Both connectors of a connection; dropped, they end it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) active: Connector,
    pub(super) passive: Connector,
    /// Listens as long as the connection lasts.
    pub(super) listener: Listener,
}

/// A listener whose connectors arrive in a channel.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: Listener,
    pub(super) address: SocketAddr,
    pub(super) arrivals: Notes<Connector>,
}

/// Where connectors and listeners of the adapter begin: its first address, port 0.
pub(super) fn home(adapter: &Adapter) -> Outcome<SocketAddr> {
    adapter.addresses().first().copied().map_or_else(|| wrong("the adapter has no address"), Ok)
}

pub(super) fn listen(adapter: &Adapter) -> Outcome<Door> {
    listen_at(adapter, home(adapter)?)
}

pub(super) fn listen_at(adapter: &Adapter, at: SocketAddr) -> Outcome<Door> {
    let (arrived, arrivals) = notes();
    let listener = adapter.create_listener(move |connector| arrived.say(connector));
    let listener = listener.done("NdkCreateListener")?;
    listener.listen(at).done("NdkListen")?;
    let address = listener.local_address()?;
    Ok(Door { listener, address, arrivals })
}

pub(super) fn connector(adapter: &Adapter) -> Outcome<Connector> {
    adapter.create_connector().done("NdkCreateConnector")
}

/// Nothing is called when the peer parts.
pub(super) fn ignore() -> OnDisconnect {
    OnDisconnect::ignore()
}

/// How two queue pairs are connected.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) limits: ReadLimits,
    /// The disconnect events of the active and the passive side.
    pub(super) events: [OnDisconnect; 2],
}

impl Default for Plan {
    fn default() -> Self {
        Self { limits: READS, events: [ignore(), ignore()] }
    }
}

/// Connects two queue pairs of one adapter.
pub(super) fn connect(adapter: &Adapter, active: &Qp, passive: &Qp) -> Outcome<Connection> {
    connect_with(adapter, active, passive, Plan::default())
}

pub(super) fn connect_with(adapter: &Adapter, active: &Qp, passive: &Qp, plan: Plan) -> Outcome<Connection> {
    connect_at(adapter, home(adapter)?, active, passive, plan)
}

/// The same at one of the adapter's addresses.
pub(super) fn connect_at(
    adapter: &Adapter,
    at: SocketAddr,
    active: &Qp,
    passive: &Qp,
    plan: Plan,
) -> Outcome<Connection> {
    let door = listen_at(adapter, at)?;
    let from = connector(adapter)?;
    let connecting = from.connect(active, at, door.address, plan.limits, b"");
    let to = door.arrivals.next("the connect event")?;
    let [on_active, on_passive] = plan.events;
    let accepting = to.accept(passive, plan.limits, b"", on_passive);
    connecting.done("NdkConnect")?;
    from.complete_connect(on_active).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")?;
    Ok(Connection { active: from, passive: to, listener: door.listener })
}

/// Two ends that are connected, on an adapter of their own.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) a: End,
    pub(super) b: End,
    pub(super) connection: Connection,
    pub(super) adapter: Adapter,
}

impl Pair {
    pub(super) fn new(bench: &Bench) -> Outcome<Self> {
        Self::with(bench, |description| description)
    }

    /// Both queue pairs as `describe` makes of the usual.
    pub(super) fn with(
        bench: &Bench,
        describe: impl Fn(QpDescription<'_>) -> QpDescription<'_>,
    ) -> Outcome<Self> {
        Self::on(bench.adapter()?, describe, Plan::default())
    }

    /// With disconnect events that note "active" and "passive".
    pub(super) fn noted(bench: &Bench) -> Outcome<(Self, Notes<&'static str>)> {
        let (here, notes) = notes();
        let there: Note<&'static str> = here.clone();
        let events = [
            OnDisconnect::from(move || here.say("active")),
            OnDisconnect::from(move || there.say("passive")),
        ];
        Ok((Self::on(bench.adapter()?, |d| d, Plan { events, ..Plan::default() })?, notes))
    }

    pub(super) fn on(
        adapter: Adapter,
        describe: impl Fn(QpDescription<'_>) -> QpDescription<'_>,
        plan: Plan,
    ) -> Outcome<Self> {
        let (a, b) = (End::with(&adapter, &describe)?, End::with(&adapter, &describe)?);
        let connection = connect_with(&adapter, &a.qp, &b.qp, plan)?;
        Ok(Self { a, b, connection, adapter })
    }

    /// A sends what finds no receive, and so stays pending with all that comes after it.
    pub(super) fn stall(&self, context: u64) -> Outcome {
        self.a.send(context, b"stalls", NONE)
    }
}

/// Two ends, and a connect that has reached the passive consumer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) a: End,
    pub(super) b: End,
    pub(super) active: Connector,
    pub(super) connecting: Request<()>,
    pub(super) passive: Connector,
    pub(super) door: Door,
    pub(super) at: SocketAddr,
    pub(super) adapter: Adapter,
}

impl Asked {
    pub(super) fn new(bench: &Bench, data: &[u8]) -> Outcome<Self> {
        Self::with(bench.adapter()?, READS, data)
    }

    pub(super) fn with(adapter: Adapter, limits: ReadLimits, data: &[u8]) -> Outcome<Self> {
        let (a, b) = (End::new(&adapter)?, End::new(&adapter)?);
        let (at, door, active) = (home(&adapter)?, listen(&adapter)?, connector(&adapter)?);
        let connecting = active.connect(&a.qp, at, door.address, limits, data);
        let passive = door.arrivals.next("the connect event")?;
        Ok(Self { a, b, active, connecting, passive, door, at, adapter })
    }
}

/// A connect to that address, with a queue pair and a connector of its own, is refused.
pub(super) fn refused_at(adapter: &Adapter, to: SocketAddr, what: &str) -> Outcome {
    let (end, connector) = (End::new(adapter)?, connector(adapter)?);
    let connecting = connector.connect(&end.qp, home(adapter)?, to, READS, b"");
    connecting.fails(Status::CONNECTION_REFUSED, what).map(drop)
}

/// How often a connect is given time to end before it counts as pending: its refusal may be on the way.
const KNOCKS: usize = 50;

/// Such a connect pends: somebody has it, and has not answered.
pub(super) fn heard_at(bench: &Bench, adapter: &Adapter, to: SocketAddr, what: &str) -> Outcome {
    let (end, connector) = (End::new(adapter)?, connector(adapter)?);
    let connecting = connector.connect(&end.qp, home(adapter)?, to, READS, b"");
    (0..KNOCKS).try_fold(connecting, |pending, _| bench.pends(pending, what)).map(drop)
}

/// A completion queue that notes its notifications, and a queue pair that completes into it.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) cq: Cq,
    pub(super) qp: Qp,
    pub(super) calls: Notes<Status>,
    pub(super) pd: Pd,
    pub(super) adapter: Adapter,
}

impl Noted {
    pub(super) fn new(bench: &Bench, depth: u32) -> Outcome<Self> {
        Self::on(bench.adapter()?, depth)
    }

    pub(super) fn on(adapter: Adapter, depth: u32) -> Outcome<Self> {
        let (note, calls) = notes();
        let notify = CqNotify::callback(move |event| note.say(event.status()));
        let cq = adapter.create_cq(depth, notify).done("NdkCreateCq")?;
        let pd = adapter.create_pd().done("NdkCreatePd")?;
        let qp = pd.create_qp(QpDescription::new(&cq)).done("NdkCreateQp")?;
        Ok(Self { cq, qp, calls, pd, adapter })
    }

    /// Brings an entry: a receive that is cancelled.
    pub(super) fn entry(&self, context: u64) -> Outcome {
        self.qp.receive(context, &[])?;
        self.qp.flush();
        Ok(())
    }

    /// Contexts of what one poll of `count` takes.
    pub(super) fn poll(&self, count: usize) -> Vec<u64> {
        polled(&self.cq, count)
    }

    /// Entries with these contexts are there or come, and no other is behind them.
    pub(super) fn brings(&self, contexts: &[u64], what: &str) -> Outcome {
        let taken = polls(&self.cq, contexts.len(), what)?;
        let taken: Vec<u64> = taken.iter().map(|completion| completion.request_context).collect();
        ensure_eq!(taken, contexts, "{what}");
        ensure_eq!(self.poll(1), [0; 0], "{what}, and no more");
        Ok(())
    }

    /// So many entries are there, or come; they stay.
    pub(super) fn fills(&self, count: usize, what: &str) -> Outcome {
        comes(what, || self.cq.len() >= count)
    }
}

/// Contexts of what one poll of `count` takes.
pub(super) fn polled(cq: &Cq, count: usize) -> Vec<u64> {
    let mut places = vec![Completion::default(); count];
    let got = cq.poll(&mut places);
    places[..got].iter().map(|c| c.request_context).collect()
}

/// Something that a callback takes once it is called: a handle that is made after the callback.
#[derive(Debug)]
pub(super) struct Later<T>(Mutex<Receiver<T>>);

/// The end that brings it, and the end that takes it.
pub(super) fn later<T>() -> (Note<T>, Later<T>) {
    let (sender, receiver) = mpsc::channel();
    (Note::of(sender), Later(Mutex::new(receiver)))
}

impl<T> Later<T> {
    /// What was brought, waiting for it.
    pub(super) fn get(&self) -> Option<T> {
        self.0.lock().ok()?.recv_timeout(PATIENCE).ok()
    }
}
