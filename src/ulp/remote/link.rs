//! One connection to a server of regions: what is asked for, cut into pieces, and the queue pair they go by.
//!
//! A piece goes through one of a few places of registered memory, so what is under way is bounded, and the
//! rest waits. Whoever has something for the link drives it: who asks, or the thread that brought a
//! completion. One drives at a time, the others leave word, so nobody waits for anybody; posts and ends are
//! made below no lock, since either may call back on this very thread.
//!
//! Once a request has failed, or the peer has parted, the link is down for good. Whatever is under way then
//! ends by its completion, so an idle link that is down touches the peer's memory no more.

use super::catalog::{self, Hello, Region, Welcome};
use super::server::{READS, TAKEN};
use crate::fabric::storage::{Buffer, Cause, Done, Join, StorageError, wait};
use crate::ndk::ext::{FlushPlacement, QpExt};
use crate::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Error, Memory, Mr, MrFlags, NotifyType, OpFlags, Pd, Qp,
    QpDescription, RemoteAddress, Status,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Pieces under way at once.
const PLACES: u32 = 16;
/// Bytes of a place, and of a piece that is moved.
const PIECE: usize = 64 * 1024;
/// Bytes of a piece that is flushed; a request counts them in 32 bits.
const FLUSHED: u64 = 1 << 30;

/// A connection to a server of regions.
pub(super) struct Link {
    core: Mutex<Core>,
    /// Notified when nothing is under way any more on a link that is down.
    idle: Condvar,
    connector: Mutex<Option<Connector>>,
    regions: OnceLock<Vec<Region>>,
    server: SocketAddr,
    // In this order: the queue pair closes before what it uses.
    qp: Qp,
    cq: Cq,
    places: Mr,
}

#[derive(Default)]
struct Core {
    waiting: VecDeque<Piece>,
    running: [Option<Piece>; PLACES as usize],
    down: Option<Cause>,
    /// The completion queue has failed, so nothing completes any more.
    dead: bool,
    driving: bool,
    again: bool,
}

/// What goes in one request.
struct Piece {
    work: Work,
    region: Option<usize>,
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
            Self::Write(..) => "write",
            Self::Read(..) => "read",
            Self::Flush => "flush",
        }
    }
}

impl Link {
    /// Connects to a server, and learns which regions it has. Blocks.
    pub(super) fn connect(
        adapter: &Adapter,
        pd: &Pd,
        server: SocketAddr,
        hello: Hello,
    ) -> Result<Arc<Self>, StorageError> {
        let link = Self::create(adapter, pd, server).map_err(|error| refused(server, &error))?;
        let welcome = link.knock(adapter, hello)?;
        let length = welcome.catalog_length();
        let catalog = wait(|done| link.start_read(None, welcome.catalog, 0..length as u64, done))?;
        link.regions.get_or_init(|| catalog::decode(&catalog));
        Ok(link)
    }

    /// The link, not connected yet.
    fn create(adapter: &Adapter, pd: &Pd, server: SocketAddr) -> Result<Arc<Self>, Error> {
        let known: Arc<OnceLock<Weak<Self>>> = Arc::default();
        let found = Arc::clone(&known);
        let notify = CqNotify::callback(move |event| {
            if let Some(link) = found.get().and_then(Weak::upgrade) {
                if event.status() != Status::SUCCESS {
                    link.core().dead = true;
                    return link.lose();
                }
                link.drive();
            }
        });
        let cq = adapter.create_cq(PLACES, notify).wait()?;
        let description = QpDescription::new(&cq).initiator_depth(PLACES).receive_depth(0);
        let qp = pd.create_qp(description).wait()?;
        let memory = Memory::zeroed(PLACES as usize * PIECE).map_err(|error| {
            Error::new("RemoteRegions::connect", Status::INSUFFICIENT_RESOURCES).with_source(error)
        })?;
        let rights = MrFlags::ALLOW_LOCAL_WRITE | MrFlags::RDMA_READ_SINK;
        let places = pd.register(memory, rights).wait()?;
        let link = Arc::new(Self {
            core: Mutex::default(),
            idle: Condvar::new(),
            connector: Mutex::default(),
            regions: OnceLock::new(),
            server,
            qp,
            cq,
            places,
        });
        known.get_or_init(|| Arc::downgrade(&link));
        Ok(link)
    }

    /// The three legs.
    fn knock(self: &Arc<Self>, adapter: &Adapter, hello: Hello) -> Result<Welcome, StorageError> {
        let failed = |error: &Error| refused(self.server, error);
        let connector = adapter.create_connector().wait().map_err(|error| failed(&error))?;
        let addresses = adapter.addresses();
        let alike = addresses.iter().find(|address| address.is_ipv4() == self.server.is_ipv4());
        let local = *alike.or(addresses.first()).unwrap_or(&self.server);
        let asked = connector.connect(&self.qp, local, self.server, READS, &hello.encode()).wait();
        let said = connector.connection_data().map(|data| data.private_data).unwrap_or_default();
        if let Err(error) = asked {
            let taken = said.starts_with(TAKEN).then_some(Cause::Remote(Status::SHARING_VIOLATION.0));
            return Err(taken.map_or_else(|| failed(&error), |taken| not_connected(self.server, taken)));
        }
        let Some(welcome) = Welcome::decode(&said) else {
            // The peer serves something else; whether it hears of it changes nothing here.
            let _told = connector.reject(b"");
            return Err(not_connected(self.server, Cause::Remote(Status::NOT_SUPPORTED.0)));
        };
        let me = Arc::downgrade(self);
        let on_disconnect = move || {
            if let Some(link) = me.upgrade() {
                link.lose();
            }
        };
        connector.complete_connect(on_disconnect).wait().map_err(|error| failed(&error))?;
        *self.connector.lock().unwrap_or_else(PoisonError::into_inner) = Some(connector);
        Ok(welcome)
    }

    /// A poisoned lock is sound: below it no foreign code runs.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link is of no use any more.
    pub(super) fn is_down(&self) -> bool {
        self.core().down.is_some()
    }

    /// There is no connection any more: what is under way is cancelled, also when the peer has parted in
    /// good order.
    fn lose(self: &Arc<Self>) {
        self.core().down.get_or_insert(Cause::Disconnected);
        let connector = self.connector.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(connector); // not below a lock: the peer hears of it on this thread
        self.drive();
    }

    /// Parts, and blocks until nothing is under way.
    pub(super) fn part(self: &Arc<Self>) {
        self.lose();
        let busy = |core: &mut Core| core.driving || core.running.iter().any(Option::is_some);
        drop(self.idle.wait_while(self.core(), busy));
    }

    /// The regions of the server.
    pub(super) fn regions(&self) -> &[Region] {
        self.regions.get().map_or(&[], Vec::as_slice)
    }

    /// Where a range of a region is; it must be inside.
    fn place(&self, region: usize, range: &Range<u64>) -> Option<RemoteAddress> {
        let known = self.regions().get(region)?;
        (range.start <= range.end && range.end <= known.length).then(|| known.at.plus(range.start))
    }

    fn error(&self, work: &Work, region: Option<usize>, range: Range<u64>, cause: Cause) -> StorageError {
        StorageError::bytes(work.name(), &path(self.server, region), range, cause)
    }

    /// Starts writes to a region.
    pub(super) fn write(self: &Arc<Self>, region: usize, writes: Vec<(u64, Buffer)>, done: Done<()>) {
        let join = Join::new(done);
        for (offset, bytes) in writes {
            let range = offset..offset.saturating_add(bytes.len() as u64);
            let Some(at) = self.place(region, &range) else {
                let work = Work::Write(bytes, 0);
                join.one().call(Err(self.error(&work, Some(region), range, Cause::EndOfFile)));
                continue;
            };
            for from in (0..bytes.len()).step_by(PIECE) {
                let to = bytes.len().min(from + PIECE) as u64;
                self.ask(Piece {
                    work: Work::Write(Arc::clone(&bytes), from),
                    region: Some(region),
                    range: offset + from as u64..offset + to,
                    at: at.plus(from as u64),
                    done: join.one(),
                });
            }
        }
        self.drive();
    }

    /// Starts a read of a region.
    pub(super) fn read(self: &Arc<Self>, region: usize, range: Range<u64>, done: Done<Vec<u8>>) {
        match self.place(region, &range) {
            Some(at) => self.start_read(Some(region), at, range, done),
            None => {
                let work = Work::Read(Arc::default(), 0);
                done.call(Err(self.error(&work, Some(region), range, Cause::EndOfFile)));
            }
        }
    }

    fn start_read(
        self: &Arc<Self>,
        region: Option<usize>,
        at: RemoteAddress,
        range: Range<u64>,
        done: Done<Vec<u8>>,
    ) {
        let length = (range.end - range.start) as usize;
        let bytes = Arc::new(Mutex::new(vec![0; length]));
        let found = Arc::clone(&bytes);
        let join = Join::new(Done::new(move |read: Result<(), StorageError>| {
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
    pub(super) fn flush(self: &Arc<Self>, region: usize, range: Range<u64>, done: Done<()>) {
        let Some(at) = self.place(region, &range) else {
            return done.call(Err(self.error(&Work::Flush, Some(region), range, Cause::EndOfFile)));
        };
        let join = Join::new(done);
        let mut from = range.start;
        while from < range.end {
            let to = range.end.min(from + FLUSHED);
            let (at, done) = (at.plus(from - range.start), join.one());
            self.ask(Piece { work: Work::Flush, region: Some(region), range: from..to, at, done });
            from = to;
        }
        drop(join);
        self.drive();
    }

    fn ask(&self, piece: Piece) {
        self.core().waiting.push_back(piece);
    }

    /// Moves what can be moved, unless somebody does already, who will then look again.
    fn drive(self: &Arc<Self>) {
        {
            let mut core = self.core();
            core.again = true;
            if core.driving {
                return;
            }
            core.driving = true;
        }
        loop {
            self.core().again = false;
            self.pass();
            let mut core = self.core();
            if !core.again {
                core.driving = false;
                break;
            }
        }
        self.idle.notify_all();
    }

    /// Takes what has completed, then posts what may go.
    fn pass(&self) {
        let mut completions = [Completion::default(); PLACES as usize];
        let mut armed = false;
        loop {
            let taken = self.cq.poll(&mut completions);
            completions[..taken].iter().for_each(|completion| self.completed(completion));
            if taken == 0 && armed {
                break;
            }
            if taken == 0 {
                self.cq.arm(NotifyType::Any);
            }
            armed = taken == 0;
        }
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
            return self.fail(piece, (status != Status::CANCELLED).then_some(Cause::Remote(status.0)));
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

    /// Ends a piece with what has brought the link down; `cause`, if it was this.
    fn fail(&self, piece: Piece, cause: Option<Cause>) {
        let down = *self.core().down.get_or_insert(cause.unwrap_or(Cause::Disconnected));
        let Piece { work, region, range, done, .. } = piece;
        done.call(Err(self.error(&work, region, range, cause.unwrap_or(down))));
    }

    /// Posts the next piece, or ends it where the link is down; false: there is none, or no place for it.
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
            Err(status) => self.fail(piece, Some(Cause::Remote(status.0))),
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

/// How a region is named in errors: the server's address and its number.
pub(super) fn path(server: SocketAddr, region: Option<usize>) -> PathBuf {
    let server = server.to_string();
    region.map_or_else(|| PathBuf::from(&server), |region| Path::new(&server).join(region.to_string()))
}

fn not_connected(server: SocketAddr, cause: Cause) -> StorageError {
    StorageError::name("connect to", &path(server, None), cause)
}

fn refused(server: SocketAddr, error: &Error) -> StorageError {
    tracing::warn!(target: "qpair", %error, %server, "no connection to a server of regions");
    not_connected(server, Cause::Remote(error.status().0))
}
