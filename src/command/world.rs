//! What several subcommands need: an adapter by name, two queue pairs of it, and a connection between them.

use anyhow::{Context, anyhow};
use clap::Args;
use qpair::ndk::{
    Adapter, Connector, Cq, CqNotify, Memory, Mr, MrFlags, OnDisconnect, Pd, Qp, QpDescription, ReadLimits,
    RemoteAddress, Request, ext,
};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

/// The adapter that is taken if none is named: the NET without a name of this process.
pub const ADAPTER: &str = "local";

/// Which adapter a subcommand runs on.
#[derive(Args, Debug)]
pub struct OnDevice {
    /// The adapter it runs on: `local`, or a device of the kernel as `qpair devices` lists them, all of its
    /// addresses or NAME@ADDRESS
    #[arg(long, value_name = "NAME", default_value = ADAPTER)]
    device: String,
}

impl OnDevice {
    /// Opens it.
    pub fn open(&self) -> anyhow::Result<Adapter> {
        Ok(Adapter::open(&self.device)?)
    }
}

/// How long an end waits for the other in connecting; within a process nothing takes that long.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// What one end is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub memory_bytes: usize,
    pub receives: u32,
    pub initiators: u32,
}

/// One end of a connection: a queue pair with a completion queue and a region of its own.
pub struct End {
    pub qp: Qp,
    pub cq: Cq,
    pub region: Mr,
    // The others hold it as long as they need it; it is kept to be closed last.
    _pd: Pd,
}

impl End {
    /// An end whose peer may read, write and work on its memory, and whose sends wait as long as it takes.
    pub fn new(adapter: &Adapter, shape: Shape) -> anyhow::Result<Self> {
        Self::of(adapter, shape, Memory::zeroed(shape.memory_bytes)?, MrFlags::default())
    }

    /// The same with that memory, on which the peer has more rights.
    pub fn of(adapter: &Adapter, shape: Shape, memory: Memory, more: MrFlags) -> anyhow::Result<Self> {
        let pd = adapter.create_pd().wait()?;
        let cq = adapter.create_cq(shape.receives + shape.initiators, CqNotify::Waiters).wait()?;
        let description = QpDescription::new(&cq)
            .receive_depth(shape.receives)
            .initiator_depth(shape.initiators)
            .receiver_not_ready(None);
        let qp = pd.create_qp(description).wait()?;
        let rights = MrFlags::ALLOW_REMOTE_READ | MrFlags::ALLOW_REMOTE_WRITE | ext::ALLOW_REMOTE_ATOMIC;
        let region = pd.register(memory, rights | more).wait()?;
        Ok(Self { qp, cq, region, _pd: pd })
    }
}

/// The connection of two ends, and where each finds the other's memory.
pub struct Link {
    active: Connector,
    passive: Connector,
    /// Of the passive end, as the active one was told.
    pub passive_memory: RemoteAddress,
    /// Of the active end, as the passive one was told.
    pub active_memory: RemoteAddress,
}

impl Link {
    /// Connects `active` to `passive` in three legs; each tells the other where its memory is.
    pub fn connect(adapter: &Adapter, active: &End, passive: &End) -> anyhow::Result<Self> {
        let address = adapter.addresses().first().copied().context("the adapter has no address")?;
        let (arrive, arrived) = mpsc::channel();
        // Who is not awaited any more is dropped, which refuses.
        let listener = adapter.create_listener(move |connector| drop(arrive.send(connector))).wait()?;
        listener.listen(address).wait()?;

        let connector = adapter.create_connector().wait()?;
        let (said, to) = (active.region.remote(0)?.to_bytes(), listener.local_address()?);
        let connecting = connector.connect(&active.qp, any_port(address), to, LIMITS, &said);
        let incoming = match arrived.recv_timeout(CONNECT_LIMIT) {
            Ok(incoming) => incoming,
            Err(_silence) => return Err(why_not(connecting)),
        };

        let active_memory = memory_of_peer(&incoming)?;
        let said = passive.region.remote(0)?.to_bytes();
        let accepting = incoming.accept(&passive.qp, LIMITS, &said, OnDisconnect::ignore());
        connecting.wait()?;
        let passive_memory = memory_of_peer(&connector)?;
        connector.complete_connect(OnDisconnect::ignore()).wait()?;
        accepting.wait()?;
        Ok(Self { active: connector, passive: incoming, passive_memory, active_memory })
    }

    /// Takes leave on both ends.
    pub fn part(self) -> anyhow::Result<()> {
        let parting = [self.active.disconnect(), self.passive.disconnect()];
        parting.into_iter().try_for_each(Request::wait).context("parting")
    }
}

/// As many reads as the adapter allows.
const LIMITS: ReadLimits = ReadLimits { inbound: u32::MAX, outbound: u32::MAX };

fn any_port(mut address: SocketAddr) -> SocketAddr {
    address.set_port(0);
    address
}

fn memory_of_peer(connector: &Connector) -> anyhow::Result<RemoteAddress> {
    let said = connector.connection_data()?.private_data;
    let bytes = said.get(..RemoteAddress::BYTES).and_then(|bytes| bytes.try_into().ok());
    let bytes =
        bytes.with_context(|| format!("the peer sent {} bytes in place of an address", said.len()))?;
    Ok(RemoteAddress::from_bytes(bytes))
}

/// Why nobody asked for a connection.
fn why_not(connecting: Request<()>) -> anyhow::Error {
    match connecting.now() {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) | Err(_) => {
            anyhow!("the request to connect did not reach the listener within {CONNECT_LIMIT:?}")
        }
    }
}
