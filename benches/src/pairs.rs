//! Queue pairs through the NDK face: messages to and fro, writes, and one message among many pairs.

use crate::timing::{duel, time, until};
use qpair::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Data, Memory, Mr, MrFlags, OnDisconnect, OpFlags, Pd, Qp,
    QpDescription, ReadLimits, RemoteAddress, Sge, Status,
};
use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

/// Requests that each queue of a pair holds.
pub const DEPTH: u32 = 64;
/// Bytes of a message, inline.
pub const MESSAGE: usize = 8;
const LINE: usize = 64;

/// Two connected queue pairs. The connectors come first: they are dropped first.
pub struct Pair {
    _connectors: [Connector; 2],
    /// The side that connected, and the one that accepted.
    pub ends: [Qp; 2],
}

/// One adapter, one completion queue for each side, and pairs that complete into them.
pub struct World {
    /// The pairs.
    pub pairs: Vec<Pair>,
    /// The completion queues, polled only.
    pub cqs: [Cq; 2],
    /// A cache line for each pair, and for each side.
    pub memory: [Mr; 2],
    /// Their domain.
    pub pd: Pd,
    _adapter: Adapter,
}

const RIGHTS: MrFlags = MrFlags::ALLOW_REMOTE_WRITE;

impl World {
    /// So many connected pairs, on an adapter of their own.
    ///
    /// # Panics
    /// When the adapter refuses anything, which would be a bug.
    pub fn new(name: &str, pairs: usize) -> Self {
        Self::build(name, pairs).unwrap_or_else(|error| panic!("a world of {pairs} pairs: {error}"))
    }

    fn build(name: &str, pairs: usize) -> Result<Self, Box<dyn Error>> {
        let adapter = Adapter::open(&format!("local/{name}"))?;
        let pd = adapter.create_pd().wait()?;
        let cq = || adapter.create_cq(2 * DEPTH, CqNotify::None).wait();
        let cqs = [cq()?, cq()?];
        let mr = || -> Result<Mr, Box<dyn Error>> {
            Ok(pd.register(Memory::zeroed(pairs.max(1) * LINE)?, RIGHTS).wait()?)
        };
        let memory = [mr()?, mr()?];
        let (arrived, arrivals) = mpsc::channel();
        let listener = adapter
            .create_listener(move |connector| arrived.send(connector).expect("the caller waits for it"))
            .wait()?;
        listener.listen(adapter.addresses()[0]).wait()?;
        let mut connected = Vec::new();
        for _ in 0..pairs {
            let ends = [create_qp(&pd, &cqs[0])?, create_qp(&pd, &cqs[1])?];
            let from = adapter.create_connector().wait()?;
            let limits = ReadLimits { inbound: 1, outbound: 1 };
            let (own, to) = (adapter.addresses()[0], listener.local_address()?);
            let asked = from.connect(&ends[0], own, to, limits, b"");
            let to = match arrivals.recv_timeout(Duration::from_secs(10)) {
                Ok(connector) => connector,
                Err(_) => return Err(format!("nobody arrives: {:?}", asked.now()).into()),
            };
            let accepted = to.accept(&ends[1], limits, b"", OnDisconnect::ignore());
            asked.wait()?;
            from.complete_connect(OnDisconnect::ignore()).wait()?;
            accepted.wait()?;
            connected.push(Pair { _connectors: [from, to], ends });
        }
        Ok(Self { pairs: connected, cqs, memory, pd, _adapter: adapter })
    }

    /// The line of a pair on one side, as an entry.
    fn line(&self, side: usize, pair: usize) -> Sge {
        self.memory[side].sge(pair * LINE..pair * LINE + MESSAGE).expect("each pair has a line")
    }

    /// The line of a pair on one side, as its peer names it.
    fn remote_line(&self, side: usize, pair: usize) -> RemoteAddress {
        self.memory[side].remote(pair * LINE).expect("each pair has a line")
    }
}

/// A queue pair of the size that the memory aim speaks of: 64 + 64 requests, one entry each, some inline
/// data.
fn create_qp(pd: &Pd, cq: &Cq) -> Result<Qp, Box<dyn Error>> {
    let description =
        QpDescription::new(cq).initiator_depth(DEPTH).receive_depth(DEPTH).inline_size(MESSAGE as u32);
    Ok(pd.create_qp(description).wait()?)
}

/// Takes one completion.
///
/// # Panics
/// When it is a failure, or not that of `context`.
#[inline]
fn take(cq: &Cq, context: u64) {
    let mut completion = [Completion::default()];
    until(|| cq.poll(&mut completion) == 1);
    let [completion] = completion;
    assert!(completion.status == Status::SUCCESS && completion.request_context == context, "{completion:?}");
}

/// The word at `offset` is `number`.
#[inline]
fn holds(mr: &Mr, offset: usize, number: u64) -> bool {
    mr.load_u64(offset).is_ok_and(|seen| seen == number)
}

/// SENDs of eight inline bytes to and fro between two threads, each with a receive posted ahead.
///
/// # Panics
/// When a number comes that is not the next one.
pub fn send_ping_pong(world: &World, round_trips: u64) -> Duration {
    let end = |side: usize, begins: bool| {
        let (qp, cq, mr) = (&world.pairs[0].ends[side], &world.cqs[side], &world.memory[side]);
        let buffer = world.line(side, 0);
        let send = |round: u64| {
            qp.send(round, &[&round.to_ne_bytes()[..]], OpFlags::SILENT_SUCCESS).expect("there is room");
        };
        move || {
            for round in 1..=round_trips {
                if begins {
                    send(round);
                }
                take(cq, 0);
                assert!(holds(mr, 0, round), "the message is whole");
                qp.receive(0, &[buffer]).expect("there is room");
                if !begins {
                    send(round);
                }
            }
        }
    };
    for side in 0..2 {
        let receives = world.pairs[0].ends[side].counters().receives_pending;
        for _ in receives..4 {
            world.pairs[0].ends[side].receive(0, &[world.line(side, 0)]).expect("there is room");
        }
    }
    duel(end(0, true), end(1, false))
}

/// WRITEs of eight inline bytes to and fro between two threads that look into their own memory.
pub fn write_ping_pong(world: &World, round_trips: u64) -> Duration {
    for mr in &world.memory {
        mr.store_u64(0, 0).expect("it is a word of the region");
    }
    let end = |side: usize, begins: bool| {
        let (qp, mr, to) = (&world.pairs[0].ends[side], &world.memory[side], world.remote_line(1 - side, 0));
        let write = move |round: u64| {
            qp.write(round, &[&round.to_ne_bytes()[..]], to, OpFlags::SILENT_SUCCESS).expect("there is room");
        };
        move || {
            for round in 1..=round_trips {
                if begins {
                    write(round);
                }
                until(|| holds(mr, 0, round));
                if !begins {
                    write(round);
                }
            }
        }
    };
    duel(end(0, true), end(1, false))
}

/// What one thread posts and polls in [`post_to_poll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A write of no bytes.
    EmptyWrite,
    /// A write of eight inline bytes.
    InlineWrite,
    /// A write of eight bytes of registered memory.
    Write,
    /// A receive, and a send of eight inline bytes to it that completes silently.
    Send,
}

/// One request after the other, each polled before the next is posted, on one thread.
pub fn post_to_poll(world: &World, request: Request, count: u64) -> Duration {
    let [qp, peer] = &world.pairs[0].ends;
    let [cq, peer_cq] = &world.cqs;
    let (from, to, into) = (world.line(0, 0), world.remote_line(1, 0), world.line(1, 0));
    let flags = OpFlags::NONE;
    const ROOM: &str = "there is room";
    match request {
        Request::EmptyWrite => time(|| {
            for context in 0..count {
                qp.write(context, Data::NONE, to, flags).expect(ROOM);
                take(cq, context);
            }
        }),
        Request::InlineWrite => time(|| {
            for context in 0..count {
                qp.write(context, &[&context.to_ne_bytes()[..]], to, flags).expect(ROOM);
                take(cq, context);
            }
        }),
        Request::Write => time(|| {
            for context in 0..count {
                qp.write(context, &[from], to, flags).expect(ROOM);
                take(cq, context);
            }
        }),
        Request::Send => time(|| (0..count).for_each(|context| message((qp, peer), peer_cq, into, context))),
    }
}

/// One message on one thread: receive, silent send, poll.
#[inline]
fn message((qp, peer): (&Qp, &Qp), peer_cq: &Cq, into: Sge, number: u64) {
    peer.receive(number, &[into]).expect("there is room");
    qp.send(number, &[&number.to_ne_bytes()[..]], OpFlags::SILENT_SUCCESS).expect("there is room");
    take(peer_cq, number);
}

/// Messages over the pairs of `order`, one after the other and over again, on one thread.
///
/// # Panics
/// When one fails, or arrives elsewhere.
pub fn messages(world: &World, order: &[u32], count: u64) -> Duration {
    let took = time(|| {
        for (number, pair) in (0..count).zip(order.iter().cycle()) {
            one_message(world, *pair as usize, number);
        }
    });
    if let Some(last) = count.checked_sub(1) {
        let pair = order[last as usize % order.len()] as usize;
        assert!(holds(&world.memory[1], pair * LINE, last), "the message went where it should");
    }
    took
}

/// One message over the pair of that index, on one thread.
#[inline]
pub fn one_message(world: &World, pair: usize, number: u64) {
    let [qp, peer] = &world.pairs[pair].ends;
    message((qp, peer), &world.cqs[1], world.line(1, pair), number);
}

/// Numbers `0..count` in an order without a pattern, the same in every run.
pub fn shuffled(count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15u64; // xorshift64, from any number but 0
    for last in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(last, (state % (last as u64 + 1)) as usize);
    }
    order
}

/// Two buffers that a write goes between, and a `memcpy` too, so that both touch the same bytes.
pub struct Buffers {
    source: Vec<u8>,
    target: Vec<u8>,
}

impl Buffers {
    /// Two of that many bytes, the source filled.
    pub fn new(length: usize) -> Self {
        Self { source: (0..length).map(|at| at as u8).collect(), target: vec![1; length] }
    }

    /// So many copies by `memcpy`.
    pub fn memcpy(&mut self, count: u64) -> Duration {
        time(|| (0..count).for_each(|_| crate::floor::memcpy(&self.source, &mut self.target)))
    }

    /// So many writes from one to the other, each polled.
    ///
    /// # Panics
    /// When what arrives is not what was sent.
    pub fn writes(&mut self, world: &World, count: u64) -> Duration {
        let length = self.source.len();
        self.target.fill(0);
        let register = |memory: &mut Vec<u8>| {
            world.pd.register(std::mem::take(memory), RIGHTS).wait().expect("there are keys")
        };
        let (source, target) = (register(&mut self.source), register(&mut self.target));
        let from = source.sge(0..length).expect("all of the region");
        let to = target.remote(0).expect("the region's begin");
        let qp = &world.pairs[0].ends[0];
        let took = time(|| {
            for context in 0..count {
                qp.write(context, &[from], to, OpFlags::NONE).expect("there is room");
                take(&world.cqs[0], context);
            }
        });
        let give_back = |mr: Mr| mr.deregister().wait().expect("nothing uses it").into_vec();
        (self.source, self.target) = (give_back(source), give_back(target));
        assert_eq!(self.source, self.target, "what was written is what was sent");
        took
    }
}

/// Bytes that a queue pair keeps, as `live` counts them: created, and with its share of a connection.
pub fn bytes_per_queue_pair(live: impl Fn() -> usize) -> (f64, f64) {
    const PAIRS: usize = 512;
    let world = World::new("bytes", 1);
    let before = live();
    let qps: Vec<Qp> =
        (0..PAIRS * 2).map(|_| create_qp(&world.pd, &world.cqs[0]).expect("there are numbers")).collect();
    let idle = (live() - before) as f64 / qps.len() as f64;
    drop(qps);
    let before = live();
    let one_pair = World::new("one pair", 1);
    let one = live() - before;
    let before = live();
    let many = World::new("more", PAIRS + 1);
    let connected = (live() - before - one) as f64 / (PAIRS * 2) as f64;
    drop((one_pair, many));
    (idle, connected)
}
