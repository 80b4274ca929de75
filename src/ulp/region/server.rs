//! Who offers: regions by name, and a queue pair for each who connects.

use super::Refusal;
use super::words::{self, NAME_MAX, REGIONS, Region};
use crate::ndk::ext::{ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT};
use crate::ndk::{
    Adapter, Connector, Cq, CqNotify, Error, Listener, Memory, Mr, MrFlags, Pd, Qp, QpDescription,
    ReadLimits, Request, Status,
};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Connections at most; further ones are refused.
pub(super) const LINKS: usize = 1024;
/// As many reads and flushes of the peer as the adapter can take; none of this side.
const LIMITS: ReadLimits = ReadLimits { inbound: u32::MAX, outbound: 0 };
/// What peers may flush to where it survives a crash.
const SURVIVES: MrFlags = MrFlags(ALLOW_FLUSH_GLOBAL.0 | ALLOW_FLUSH_PERSISTENT.0);

/// Offers memory by name to whoever connects.
///
/// Peers read, write and flush it without any thread of this side. Dropped, it parts from all of them, and
/// lets the memory go when the flushes that are under way have ended; what was flushed to persistence stays.
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
    links: Mutex<Links>,
    /// Notified when somebody has gone.
    parted: Condvar,
    offers: Mutex<BTreeMap<String, Offer>>,
    pd: Pd,
    /// Nothing ever completes here: only peers make requests.
    cq: Cq,
}

#[derive(Default)]
struct Links {
    next: u64,
    of: BTreeMap<u64, Arc<Link>>,
}

/// One who has connected, or is about to be.
struct Link {
    name: String,
    user: u64,
    connector: Arc<Connector>,
    qp: Qp,
}

/// What has one name.
struct Offer {
    regions: Vec<Mr>,
    /// Read by users; one region needs none.
    _catalog: Option<Mr>,
    answer: Vec<u8>,
    for_one: bool,
}

impl RegionServer {
    /// Listens on `address`, one of the adapter's; port 0 chooses one.
    ///
    /// # Errors
    /// Those of [`Listener::listen`](crate::ndk::Listener::listen), and of what it takes to create.
    pub fn listen(adapter: impl Into<Arc<Adapter>>, address: SocketAddr) -> Result<Self, Error> {
        let adapter = adapter.into();
        let shelf = Arc::new(Shelf {
            links: Mutex::default(),
            parted: Condvar::new(),
            offers: Mutex::default(),
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
    /// The name has 1 to 44 bytes.
    ///
    /// # Errors
    /// INVALID_PARAMETER: no such name can be, or it is taken. NOT_SUPPORTED: the memory is in no file, or
    /// its file system keeps nothing; see [`offer_volatile`](Self::offer_volatile). Those of
    /// [`Pd::register`](crate::ndk::Pd::register).
    pub fn offer(&self, name: &str, memory: impl Into<Memory>) -> Result<(), Error> {
        self.shelf.offer(name, vec![memory.into()], SURVIVES, false)
    }

    /// Offers memory that outlives nothing: a flush of it to persistence fails.
    ///
    /// # Errors
    /// As [`offer`](Self::offer), but NOT_SUPPORTED.
    pub fn offer_volatile(&self, name: &str, memory: impl Into<Memory>) -> Result<(), Error> {
        self.shelf.offer(name, vec![memory.into()], ALLOW_FLUSH_GLOBAL, false)
    }

    /// Offers memory of files, in that order, to one user at a time: who has it, has all of it.
    ///
    /// # Errors
    /// As [`offer`](Self::offer); INVALID_PARAMETER for no region or more than 1,024.
    pub fn offer_to_one(&self, name: &str, regions: Vec<Memory>) -> Result<(), Error> {
        self.shelf.offer(name, regions, SURVIVES, true)
    }

    /// Takes the regions of a name back, in their order; `None`: there is none of that name.
    ///
    /// Peers that have them are refused from now on. Pends while a flush of them runs.
    pub fn withdraw(&self, name: &str) -> Option<Vec<Request<Memory>>> {
        let offer = lock(&self.shelf.offers).remove(name)?;
        Some(offer.regions.into_iter().map(Mr::deregister).collect())
    }

    /// Looks at the regions of a name, or at what is [in doubt](Mr::in_doubt); `None`: there is none.
    ///
    /// Nobody can connect meanwhile.
    pub fn inspect<T>(&self, name: &str, look: impl FnOnce(&[Mr]) -> T) -> Option<T> {
        lock(&self.shelf.offers).get(name).map(|offer| look(&offer.regions))
    }

    /// Connections that there are now.
    pub fn connections(&self) -> usize {
        lock(&self.shelf.links).of.len()
    }

    /// Blocks until nobody is connected to what has that name.
    pub fn wait_until_free(&self, name: &str) {
        let used = |links: &mut Links| links.of.values().any(|link| link.name == name);
        drop(self.shelf.parted.wait_while(lock(&self.shelf.links), used));
    }
}

impl Drop for RegionServer {
    fn drop(&mut self) {
        let links = std::mem::take(&mut lock(&self.shelf.links).of);
        drop(links); // not below the lock: the peers hear of it on this thread
    }
}

impl fmt::Debug for RegionServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offers = lock(&self.shelf.offers);
        let names: Vec<&String> = offers.keys().collect();
        f.debug_struct("RegionServer").field("address", &self.address).field("offers", &names).finish()
    }
}

impl Shelf {
    fn offer(&self, name: &str, regions: Vec<Memory>, more: MrFlags, for_one: bool) -> Result<(), Error> {
        let wrong = |argument, given: String, limit, hint| {
            let error = Error::new("RegionServer::offer", Status::INVALID_PARAMETER);
            Err(error.with_argument(argument, given).with_limit(limit).with_hint(hint))
        };
        if !words::is_name(name) {
            let hint = "choose one of 1 to 44 bytes, none of them zero";
            return wrong("name", format!("{name:?}"), NAME_MAX, hint);
        }
        if !(1..=REGIONS).contains(&regions.len()) {
            return wrong("regions", regions.len().to_string(), REGIONS, "offer at least one region");
        }
        let offer = self.register(regions, more, for_one)?;
        let mut offers = lock(&self.offers);
        if offers.contains_key(name) {
            drop(offers);
            return wrong("name", format!("{name:?}"), NAME_MAX, "it is taken: withdraw that region first");
        }
        offers.insert(name.to_owned(), offer);
        Ok(())
    }

    fn register(&self, regions: Vec<Memory>, more: MrFlags, for_one: bool) -> Result<Offer, Error> {
        let rights = MrFlags::ALLOW_REMOTE_READ | MrFlags::ALLOW_REMOTE_WRITE | more;
        let register = |memory| self.pd.register(memory, rights).wait();
        let regions = regions.into_iter().map(register).collect::<Result<Vec<_>, _>>()?;
        let told = |region: &Mr| Ok(Region { first: region.remote(0)?, length: region.len() as u64 });
        let entries = regions.iter().map(told).collect::<Result<Vec<_>, Error>>()?;
        let (catalog, at) = match entries[..] {
            [only] => (None, only),
            _ => {
                let entries = words::catalog(&entries);
                let catalog = self.pd.register(entries, MrFlags::ALLOW_REMOTE_READ).wait()?;
                let at = told(&catalog)?;
                (Some(catalog), at)
            }
        };
        Ok(Offer { answer: words::answer(regions.len(), at), regions, _catalog: catalog, for_one })
    }

    /// Somebody wants to connect: taken, or told why not.
    fn asked(self: &Arc<Self>, connector: Connector) {
        let connector = Arc::new(connector);
        let (number, link, answer) = match self.judge(&connector) {
            Ok(taken) => taken,
            Err(refusal) => {
                // Who has given up meanwhile has nobody left to be told.
                let _told = connector.reject(&words::refuse(refusal));
                return;
            }
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

    /// The number and the queue pair of a connection, and what to say; or why there is none.
    fn judge(&self, connector: &Arc<Connector>) -> Result<(u64, Arc<Link>, Vec<u8>), Refusal> {
        let said = connector.connection_data().map_err(|_given_up| Refusal::Words)?.private_data;
        let (user, name) = words::asked(&said).ok_or(Refusal::Words)?;
        let (answer, for_one) = {
            let offers = lock(&self.offers);
            let offer = offers.get(name).ok_or(Refusal::Unknown)?;
            (offer.answer.clone(), offer.for_one)
        };
        let description = QpDescription::new(&self.cq).receive_depth(0).initiator_depth(0);
        let qp = self.pd.create_qp(description).wait().map_err(|_no_room| Refusal::Full)?;
        let link = Arc::new(Link { name: name.to_owned(), user, connector: Arc::clone(connector), qp });
        let mut links = lock(&self.links);
        let holder = links.of.iter().find(|(_, other)| for_one && other.name == name);
        let holder = holder.map(|(number, other)| (*number, other.user));
        if holder.is_some_and(|(_, other)| other != user) {
            return Err(Refusal::Taken);
        }
        // Its own former connection is broken, or it would not ask; that was heard there first.
        let former = holder.and_then(|(number, _)| links.of.remove(&number));
        if links.of.len() >= LINKS {
            drop(links);
            return Err(Refusal::Full);
        }
        links.next += 1;
        let number = links.next;
        links.of.insert(number, Arc::clone(&link));
        drop(links); // before the former one, whose peer hears of it on this thread
        drop(former);
        Ok((number, link, answer))
    }

    fn let_go(&self, number: u64) {
        let gone = lock(&self.links).of.remove(&number);
        drop(gone); // not below the lock: the peer hears of it on this thread
        self.parted.notify_all();
    }
}

/// A poisoned lock is sound: below it only whole values move.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
