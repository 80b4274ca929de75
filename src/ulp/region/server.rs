//! Who offers: regions by name, and a queue pair for each who connects.

use super::Refusal;
use super::words::{self, NAME_MAX};
use crate::ndk::ext::{ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT};
use crate::ndk::{
    Adapter, Connector, Cq, CqNotify, Error, Listener, Memory, Mr, MrFlags, Pd, Qp, QpDescription,
    ReadLimits, Request, Status,
};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at most; further ones are refused.
const LINKS: usize = 1024;
/// As many reads and flushes of the peer as the adapter can take; none of this side.
const LIMITS: ReadLimits = ReadLimits { inbound: u32::MAX, outbound: 0 };

/// Offers memory by name to whoever connects.
///
/// Peers read, write and flush it without any thread of this side. Dropped, it parts from all of them; what
/// was flushed to persistence stays.
pub struct RegionServer {
    // In this order: nobody comes in while the rest goes.
    _listener: Listener,
    shelf: Arc<Shelf>,
    address: SocketAddr,
    /// Kept open as long as there are connections on it.
    _adapter: Arc<Adapter>,
}

/// What the server has, as its callbacks see it.
struct Shelf {
    regions: Mutex<BTreeMap<String, Mr>>,
    links: Mutex<Links>,
    pd: Pd,
    /// Nothing ever completes here: only peers make requests.
    cq: Cq,
}

#[derive(Default)]
struct Links {
    next: u64,
    of: BTreeMap<u64, Arc<Link>>,
}

/// One who has connected.
struct Link {
    connector: Connector,
    qp: Qp,
}

impl RegionServer {
    /// Listens on `address`, one of the adapter's; port 0 chooses one.
    ///
    /// # Errors
    /// Those of [`Listener::listen`](crate::ndk::Listener::listen), and of what it takes to create.
    pub fn listen(adapter: impl Into<Arc<Adapter>>, address: SocketAddr) -> Result<Self, Error> {
        let adapter = adapter.into();
        let shelf = Arc::new(Shelf {
            regions: Mutex::default(),
            links: Mutex::default(),
            pd: adapter.create_pd().wait()?,
            cq: adapter.create_cq(1, CqNotify::None).wait()?,
        });
        let found = Arc::downgrade(&shelf);
        let on_connect = move |connector: Connector| {
            // A connector that is dropped refuses.
            if let Some(shelf) = found.upgrade() {
                shelf.asked(connector);
            }
        };
        let listener = adapter.create_listener(on_connect).wait()?;
        listener.listen(address).wait()?;
        let address = listener.local_address()?;
        Ok(Self { _listener: listener, shelf, address, _adapter: adapter })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Offers memory of a file: peers may read, write, and flush it to where it survives a crash.
    ///
    /// The name has 1 to 48 bytes.
    ///
    /// # Errors
    /// INVALID_PARAMETER: no such name can be, or it is taken. NOT_SUPPORTED: the memory is in no file, or
    /// its file system keeps nothing; see [`offer_volatile`](Self::offer_volatile). Those of
    /// [`Pd::register`](crate::ndk::Pd::register).
    pub fn offer(&self, name: &str, memory: impl Into<Memory>) -> Result<(), Error> {
        self.shelf.offer(name, memory.into(), ALLOW_FLUSH_GLOBAL | ALLOW_FLUSH_PERSISTENT)
    }

    /// Offers memory that outlives nothing: a flush of it to persistence fails.
    ///
    /// # Errors
    /// As [`offer`](Self::offer), but NOT_SUPPORTED.
    pub fn offer_volatile(&self, name: &str, memory: impl Into<Memory>) -> Result<(), Error> {
        self.shelf.offer(name, memory.into(), ALLOW_FLUSH_GLOBAL)
    }

    /// Takes a region back; `None`: there is none of that name.
    ///
    /// Peers that have it are refused from now on. Pends while a flush of it runs.
    pub fn withdraw(&self, name: &str) -> Option<Request<Memory>> {
        let region = lock(&self.shelf.regions).remove(name)?;
        Some(region.deregister())
    }

    /// Connections that there are now.
    pub fn connections(&self) -> usize {
        lock(&self.shelf.links).of.len()
    }
}

impl fmt::Debug for RegionServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regions = lock(&self.shelf.regions);
        let names: Vec<&String> = regions.keys().collect();
        f.debug_struct("RegionServer").field("address", &self.address).field("regions", &names).finish()
    }
}

impl Shelf {
    fn offer(&self, name: &str, memory: Memory, more: MrFlags) -> Result<(), Error> {
        let wrong = |hint| {
            let error = Error::new("RegionServer::offer", Status::INVALID_PARAMETER);
            error.with_argument("name", format_args!("{name:?}")).with_limit(NAME_MAX).with_hint(hint)
        };
        if !words::is_name(name) {
            return Err(wrong("choose one of 1 to 48 bytes, none of them zero"));
        }
        let rights = MrFlags::ALLOW_REMOTE_READ | MrFlags::ALLOW_REMOTE_WRITE | more;
        let region = self.pd.register(memory, rights).wait()?;
        let mut regions = lock(&self.regions);
        if regions.contains_key(name) {
            return Err(wrong("it is taken: withdraw that region first"));
        }
        regions.insert(name.to_owned(), region);
        Ok(())
    }

    /// Somebody wants to connect: taken, or told why not.
    fn asked(self: &Arc<Self>, connector: Connector) {
        let (qp, answer) = match self.judge(&connector) {
            Ok(taken) => taken,
            Err(refusal) => {
                // Who has given up meanwhile has nobody left to be told.
                let _told = connector.reject(&words::refuse(refusal));
                return;
            }
        };
        let link = Arc::new(Link { connector, qp });
        let number = {
            let mut links = lock(&self.links);
            links.next += 1;
            let number = links.next;
            links.of.insert(number, Arc::clone(&link));
            number
        };
        let parted = Arc::downgrade(self);
        let let_go = move || {
            if let Some(shelf) = parted.upgrade() {
                shelf.let_go(number);
            }
        };
        let given_up = let_go.clone();
        let accepted = link.connector.accept(&link.qp, LIMITS, &answer, let_go);
        accepted.then(move |result| {
            if result.is_err() {
                given_up();
            }
        });
    }

    /// The queue pair for a connection, and what to say; or why there is none.
    fn judge(&self, connector: &Connector) -> Result<(Qp, Vec<u8>), Refusal> {
        let said = connector.connection_data().map_err(|_given_up| Refusal::Words)?.private_data;
        let name = words::asked(&said).ok_or(Refusal::Words)?;
        let answer = {
            let regions = lock(&self.regions);
            let region = regions.get(name).ok_or(Refusal::Unknown)?;
            let first = region.remote(0).map_err(|_empty| Refusal::Unknown)?;
            words::answer(region.len() as u64, first)
        };
        if lock(&self.links).of.len() >= LINKS {
            return Err(Refusal::Full);
        }
        let description = QpDescription::new(&self.cq).receive_depth(0).initiator_depth(0);
        let qp = self.pd.create_qp(description).wait().map_err(|_no_room| Refusal::Full)?;
        Ok((qp, answer))
    }

    fn let_go(&self, number: u64) {
        let gone = lock(&self.links).of.remove(&number);
        drop(gone); // not below the lock: the peer hears of it on this thread
    }
}

/// A poisoned lock is sound: below it only whole values move.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
