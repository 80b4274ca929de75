//! One connection to regions of a server: what is asked for, cut into pieces, and the queue pair they go by.
//!
//! A piece goes through one of a few places of registered memory, so what is under way is bounded, and the
//! rest waits. Whoever has something for it drives it: who asks, or the thread that brought a completion. One
//! drives at a time, the others leave word, so nobody waits for anybody; posts and ends are
//! made below no lock, since either may call back on this very thread.
//!
//! Once a request has failed, or the peer has parted, the connection is down for good. Whatever is under
//! way then ends by its completion, so an idle one that is down touches the peer's memory no more.

use super::words::{self, Region};
use super::{Failure, RegionError, RegionName};
use crate::fabric::done;
use crate::ndk::ext::{FlushPlacement, QpExt};
use crate::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Error, Memory, Mr, MrFlags, OpFlags, Pd, Qp, QpDescription,
    ReadLimits, RemoteAddress, Status,
};
use crate::ulp::turn::{self, Turn};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// What a request ends in.
pub(crate) type Done<T> = done::Done<T, RegionError>;
type Join = done::Join<RegionError>;
/// Bytes to be written, shared with whoever may have to write them again.
type Buffer = Arc<Vec<u8>>;

/// Pieces under way at once.
const PLACES: u32 = 16;
/// Bytes of a place, and of a piece that is moved.
const PIECE: usize = 64 * 1024;
/// Bytes of a piece that is flushed; a request counts them in 32 bits.
const FLUSHED: u64 = 1 << 30;
/// As many reads and flushes as the adapter can make; none of the peer.
const LIMITS: ReadLimits = ReadLimits { inbound: 0, outbound: u32::MAX };

/// A connection to the regions that a server offers by one name; they are numbered from 0.
///
/// What blocks waits for its requests, and so must not be called in a callback of the adapter.
pub struct Connection {
    core: Mutex<Core>,
    /// Notified when nothing is under way any more on a connection that is down.
    idle: Condvar,
    connector: Mutex<Option<Connector>>,
    regions: OnceLock<Vec<Region>>,
    of: RegionName,
    // In this order: the queue pair closes before what it uses.
    qp: Qp,
    cq: Cq,
    places: Mr,
}

#[derive(Default)]
struct Core {
    waiting: VecDeque<Piece>,
    running: [Option<Piece>; PLACES as usize],
    down: Option<Failure>,
    /// The completion queue has failed, so nothing completes any more.
    dead: bool,
    turn: Turn,
}

/// What goes in one request.
struct Piece {
    work: Work,
    region: usize,
    range: Range<u64>,
    at: RemoteAddress,
    done: Done<()>,
}

enum Work {
    /// The bytes from there on.
    Write(Buffer, usize),
    /// To there.
    Read(Arc<Mutex<Vec<u8>>>, usize),
    Flush,
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Write(..) => "RDMA WRITE",
            Self::Read(..) => "RDMA READ",
            Self::Flush => "RDMA FLUSH",
        }
    }
}

impl Connection {
    /// Connects to a server, and learns which regions it has. Blocks.
    pub(super) fn open(
        adapter: &Adapter,
        pd: &Pd,
        of: &RegionName,
        user: u64,
    ) -> Result<Arc<Self>, RegionError> {
        let setup = |error| RegionError::Setup { of: of.clone(), error };
        let connection = Self::create(adapter, pd, of).map_err(setup)?;
        let (regions, at) = connection.knock(adapter, &words::ask(user, &of.name))?;
        let regions = if regions == 1 {
            vec![at]
        } else {
            let read = |done| connection.start_read_at(0, at.first, 0..at.length, done);
            words::regions(&done::wait(read)?)
        };
        connection.regions.get_or_init(|| regions);
        Ok(connection)
    }

    /// What is to be connected yet.
    fn create(adapter: &Adapter, pd: &Pd, of: &RegionName) -> Result<Arc<Self>, Error> {
        let known: Arc<OnceLock<Weak<Self>>> = Arc::default();
        let found = Arc::clone(&known);
        let notify = CqNotify::callback(move |event| {
            if let Some(connection) = found.get().and_then(Weak::upgrade) {
                if event.status() != Status::SUCCESS {
                    connection.core().dead = true;
                    return connection.lose();
                }
                connection.drive();
            }
        });
        let cq = adapter.create_cq(PLACES, notify).wait()?;
        let description = QpDescription::new(&cq).initiator_depth(PLACES).receive_depth(0);
        let qp = pd.create_qp(description).wait()?;
        let memory = Memory::zeroed(PLACES as usize * PIECE).map_err(|error| {
            Error::new("RegionLink::connect", Status::INSUFFICIENT_RESOURCES).with_source(error)
        })?;
        let rights = MrFlags::ALLOW_LOCAL_WRITE | MrFlags::RDMA_READ_SINK;
        let places = pd.register(memory, rights).wait()?;
        let connection = Arc::new(Self {
            core: Mutex::default(),
            idle: Condvar::new(),
            connector: Mutex::default(),
            regions: OnceLock::new(),
            of: of.clone(),
            qp,
            cq,
            places,
        });
        known.get_or_init(|| Arc::downgrade(&connection));
        Ok(connection)
    }

    /// The three legs; what the server has answered.
    fn knock(self: &Arc<Self>, adapter: &Adapter, ask: &[u8]) -> Result<(usize, Region), RegionError> {
        let of = || self.of.clone();
        let setup = |error| RegionError::Setup { of: of(), error };
        let connector = adapter.create_connector().wait().map_err(setup)?;
        let local = own_address(adapter, self.of.address).map_err(setup)?;
        let asked = connector.connect(&self.qp, local, self.of.address, LIMITS, ask).wait();
        let said = connector.connection_data().map(|data| data.private_data).unwrap_or_default();
        if let Err(error) = asked {
            let refused = words::refused(&said);
            return Err(
                refused.map_or_else(|| setup(error), |refusal| RegionError::Refused { of: of(), refusal })
            );
        }
        let Some(answer) = words::answered(&said) else {
            // The peer serves something else; whether it hears of it changes nothing here.
            let _told = connector.reject(b"");
            return Err(RegionError::Stranger { of: of() });
        };
        let me = Arc::downgrade(self);
        let on_disconnect = move || {
            if let Some(connection) = me.upgrade() {
                connection.lose();
            }
        };
        connector.complete_connect(on_disconnect).wait().map_err(setup)?;
        *self.connector.lock().unwrap_or_else(PoisonError::into_inner) = Some(connector);
        Ok(answer)
    }

    /// Bytes of a region; `None`: there is none of that number.
    pub fn length(&self, region: usize) -> Option<u64> {
        self.regions.get()?.get(region).map(|region| region.length)
    }

    /// Writes to a region, from `at` on; then the peer's memory has it. Blocks.
    ///
    /// # Errors
    /// [`Failure::Outside`]: it would leave the region, and nothing was written. Else the connection is
    /// gone, and any of it may have been written.
    pub fn write(&self, region: usize, at: u64, bytes: &[u8]) -> Result<(), RegionError> {
        done::wait(|done| self.start_write(region, vec![(at, Arc::new(bytes.to_vec()))], done))
    }

    /// Reads bytes of a region. Blocks.
    ///
    /// # Errors
    /// As [`write`](Self::write), with what was read.
    pub fn read(&self, region: usize, range: Range<u64>) -> Result<Vec<u8>, RegionError> {
        done::wait(|done| self.start_read(region, range, done))
    }

    /// Has the peer make parts of a region survive a crash: RDMA FLUSH to persistence of each, in order.
    ///
    /// Covers what was written there by this connection before. Blocks.
    ///
    /// # Errors
    /// [`Failure::Outside`]; else some range was not made stable, and the connection is gone. What its
    /// storage failed to make stable is in doubt until it was written again: a flush of it fails without.
    pub fn flush(&self, region: usize, ranges: &[Range<u64>]) -> Result<(), RegionError> {
        done::wait(|done| {
            let join = Join::new(done);
            ranges.iter().for_each(|range| self.start_flush(region, range.clone(), join.one()));
        })
    }

    /// A poisoned lock is sound: below it no foreign code runs.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is of no use any more.
    pub(super) fn is_down(&self) -> bool {
        self.core().down.is_some()
    }

    /// There is no connection any more: what is under way is cancelled, also when the peer has parted in
    /// good order.
    fn lose(&self) {
        self.core().down.get_or_insert(Failure::Lost);
        let connector = self.connector.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(connector); // not below a lock: the peer hears of it on this thread
        self.drive();
    }

    /// Parts, and blocks until nothing is under way.
    pub(crate) fn part(&self) {
        self.lose();
        let busy = |core: &mut Core| core.turn.is_taken() || core.running.iter().any(Option::is_some);
        drop(self.idle.wait_while(self.core(), busy));
    }

    /// Where a range of a region is; it must be inside.
    fn place(&self, region: usize, range: &Range<u64>) -> Option<RemoteAddress> {
        let known = self.regions.get()?.get(region)?;
        (range.start <= range.end && range.end <= known.length).then(|| known.first.plus(range.start))
    }

    fn error(&self, work: &Work, region: usize, range: Range<u64>, failure: Failure) -> RegionError {
        RegionError::Request { request: work.name(), of: self.of.clone(), region, range, failure }
    }

    /// Starts writes to a region, in any order; done when all have ended, with the first failure if there
    /// is one.
    pub(crate) fn start_write(&self, region: usize, writes: Vec<(u64, Buffer)>, done: Done<()>) {
        let join = Join::new(done);
        for (offset, bytes) in writes {
            let range = offset..offset.saturating_add(bytes.len() as u64);
            let Some(at) = self.place(region, &range) else {
                let work = Work::Write(bytes, 0);
                join.one().call(Err(self.error(&work, region, range, Failure::Outside)));
                continue;
            };
            for from in (0..bytes.len()).step_by(PIECE) {
                let to = bytes.len().min(from + PIECE) as u64;
                self.ask(Piece {
                    work: Work::Write(Arc::clone(&bytes), from),
                    region,
                    range: offset + from as u64..offset + to,
                    at: at.plus(from as u64),
                    done: join.one(),
                });
            }
        }
        drop(join);
        self.drive();
    }

    /// Starts a read of a region.
    pub(crate) fn start_read(&self, region: usize, range: Range<u64>, done: Done<Vec<u8>>) {
        match self.place(region, &range) {
            Some(at) => self.start_read_at(region, at, range, done),
            None => {
                let work = Work::Read(Arc::default(), 0);
                done.call(Err(self.error(&work, region, range, Failure::Outside)));
            }
        }
    }

    fn start_read_at(&self, region: usize, at: RemoteAddress, range: Range<u64>, done: Done<Vec<u8>>) {
        let length = (range.end - range.start) as usize;
        let bytes = Arc::new(Mutex::new(vec![0; length]));
        let found = Arc::clone(&bytes);
        let join = Join::new(Done::new(move |read: Result<(), RegionError>| {
            let take = || std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
            done.call(read.map(|()| take()));
        }));
        for from in (0..length).step_by(PIECE) {
            let to = length.min(from + PIECE) as u64;
            self.ask(Piece {
                work: Work::Read(Arc::clone(&bytes), from),
                region,
                range: range.start + from as u64..range.start + to,
                at: at.plus(from as u64),
                done: join.one(),
            });
        }
        drop(join);
        self.drive();
    }

    /// Starts to make a range of a region stable: what writes have written there that have ended.
    ///
    /// All of it must have been written since the last connection was made, if some of it may be in doubt at
    /// the server: a flush of bytes in doubt fails (RFLUSH-13).
    pub(crate) fn start_flush(&self, region: usize, range: Range<u64>, done: Done<()>) {
        let Some(at) = self.place(region, &range) else {
            return done.call(Err(self.error(&Work::Flush, region, range, Failure::Outside)));
        };
        let join = Join::new(done);
        let mut from = range.start;
        while from < range.end {
            let to = range.end.min(from + FLUSHED);
            let (at, done) = (at.plus(from - range.start), join.one());
            self.ask(Piece { work: Work::Flush, region, range: from..to, at, done });
            from = to;
        }
        drop(join);
        self.drive();
    }

    fn ask(&self, piece: Piece) {
        self.core().waiting.push_back(piece);
    }

    /// Moves what can be moved, unless somebody does already, who will then look again.
    fn drive(&self) {
        if !self.core().turn.take() {
            return;
        }
        while self.core().turn.goes_on() {
            self.pass();
        }
        self.idle.notify_all();
    }

    /// Takes what has completed, then posts what may go.
    fn pass(&self) {
        turn::drain(&self.cq, |completion| self.completed(completion));
        while self.post_one() {}
        let abandoned: Vec<Piece> = {
            let mut core = self.core();
            let all = if core.dead { core.running.len() } else { 0 };
            core.running[..all].iter_mut().filter_map(Option::take).collect()
        };
        abandoned.into_iter().for_each(|piece| self.fail(piece, None));
    }

    fn completed(&self, completion: &Completion) {
        let place = completion.request_context as usize;
        let Some(piece) = self.core().running.get_mut(place).and_then(Option::take) else { return };
        let status = completion.status;
        if status != Status::SUCCESS {
            return self.fail(piece, (status != Status::CANCELLED).then_some(Failure::Status(status)));
        }
        if let Work::Read(bytes, from) = &piece.work {
            let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
            let into = &mut bytes[*from..][..length_of(&piece.range)];
            if let Err(error) = self.places.read(place * PIECE, into) {
                debug_assert!(false, "a place is as long as a piece: {error}");
            }
        }
        piece.done.call(Ok(()));
    }

    /// Ends a piece with what has brought the connection down; `cause`, if it was this.
    fn fail(&self, piece: Piece, cause: Option<Failure>) {
        let down = *self.core().down.get_or_insert(cause.unwrap_or(Failure::Lost));
        let Piece { work, region, range, done, .. } = piece;
        done.call(Err(self.error(&work, region, range, cause.unwrap_or(down))));
    }

    /// Posts the next piece, or ends it where the connection is down; false: there is none, or no place for
    /// it.
    fn post_one(&self) -> bool {
        let (place, piece) = {
            let mut core = self.core();
            let free = core.running.iter().position(Option::is_none);
            let Some(piece) = free.and_then(|_| core.waiting.pop_front()) else { return false };
            if core.down.is_some() {
                drop(core);
                self.fail(piece, None);
                return true;
            }
            (free.unwrap_or_default(), piece)
        };
        let posted = self.post(place, &piece);
        match posted {
            Ok(()) => self.core().running[place] = Some(piece),
            Err(status) => self.fail(piece, Some(Failure::Status(status))),
        }
        true
    }

    fn post(&self, place: usize, piece: &Piece) -> Result<(), Status> {
        let (begin, length) = (place * PIECE, length_of(&piece.range));
        let memory = || self.places.sge(begin..begin + length).map_err(|error| error.status());
        let (context, at) = (place as u64, piece.at);
        let posted = match &piece.work {
            Work::Write(bytes, from) => {
                let bytes = &bytes[*from..*from + length];
                self.places.write(begin, bytes).map_err(|error| error.status())?;
                self.qp.write(context, &[memory()?], at, OpFlags::NONE)
            }
            Work::Read(..) => self.qp.read(context, &[memory()?], at, OpFlags::NONE),
            Work::Flush => {
                let persistent = FlushPlacement::PERSISTENT;
                self.qp.flush_remote(context, at, length as u32, persistent, OpFlags::NONE)
            }
        };
        posted.map_err(|error| error.status())
    }
}

fn length_of(range: &Range<u64>) -> usize {
    (range.end - range.start) as usize
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("of", &self.of)
            .field("down", &self.core().down)
            .finish_non_exhaustive()
    }
}

/// The adapter's address to connect from, with a port of its choice.
fn own_address(adapter: &Adapter, to: SocketAddr) -> Result<SocketAddr, Error> {
    let found = adapter.addresses().into_iter().find(|own| own.is_ipv4() == to.is_ipv4());
    found.ok_or_else(|| {
        Error::new("RegionLink::connect", Status::INVALID_ADDRESS)
            .with_argument("address", to)
            .with_hint("give one of the family that the adapter's addresses are of")
    })
}
