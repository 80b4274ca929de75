//! The peer that has the regions: it registers them, says where they are, and keeps one place for a user.

use super::catalog::{self, Hello, REGIONS, Region, Welcome};
use crate::ndk::ext::{ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT};
use crate::ndk::{
    Adapter, Connector, Cq, CqNotify, Error, Listener, Memory, Mr, MrFlags, Pd, Qp, QpDescription,
    ReadLimits, Status,
};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// What a reject says that is for want of a place.
pub(super) const TAKEN: &[u8] = b"another user has the regions";
/// As many as the adapter allows.
pub(super) const READS: ReadLimits = ReadLimits { inbound: u32::MAX, outbound: u32::MAX };

/// Serves regions to one user at a time, who reads, writes and flushes them by itself.
///
/// It has no thread, and nothing of it runs while the regions are used. Dropped, it cuts its user off and
/// lets the memory go when the flushes that are under way have ended.
pub struct RegionServer {
    // In this order: nobody comes in any more, then the regions go.
    _listener: Listener,
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    /// Whoever is connected, or about to be.
    place: Mutex<Option<Arc<User>>>,
    freed: Condvar,
    welcome: Vec<u8>,
    // In this order: queue pairs close before what they use.
    regions: Vec<Mr>,
    _catalog: Mr,
    cq: Cq,
    pd: Pd,
    _adapter: Adapter,
}

/// A user that is connected, or about to be.
struct User {
    hello: Hello,
    connector: Connector,
    qp: Qp,
}

impl RegionServer {
    /// Registers `regions` and serves them at `address`, whose port may be 0.
    ///
    /// Each is memory of a file ([`FileStorage::memory`](crate::ndk::ext::FileStorage::memory)), in the order
    /// in which users know them. The adapter is the server's from now on.
    ///
    /// # Errors
    /// INVALID_PARAMETER for no region or more than 1,024; those of [`Pd::register`], NOT_SUPPORTED among
    /// them for memory that cannot persist, and of [`Listener::listen`].
    pub fn listen(adapter: Adapter, address: SocketAddr, regions: Vec<Memory>) -> Result<Self, Error> {
        if !(1..=REGIONS).contains(&regions.len()) {
            return Err(Error::new("RegionServer::listen", Status::INVALID_PARAMETER)
                .with_argument("regions", regions.len())
                .with_limit(REGIONS)
                .with_hint("serve at least one region"));
        }
        let pd = adapter.create_pd().wait()?;
        let cq = adapter.create_cq(1, CqNotify::None).wait()?; // it posts nothing, so nothing completes
        let rights = MrFlags::ALLOW_REMOTE_READ
            | MrFlags::ALLOW_REMOTE_WRITE
            | ALLOW_FLUSH_GLOBAL
            | ALLOW_FLUSH_PERSISTENT;
        let register = |memory| pd.register(memory, rights).wait();
        let regions = regions.into_iter().map(register).collect::<Result<Vec<_>, _>>()?;
        let told = |region: &Mr| Ok(Region { at: region.remote(0)?, length: region.len() as u64 });
        let told = regions.iter().map(told).collect::<Result<Vec<_>, Error>>()?;
        let catalog = pd.register(catalog::encode(&told), MrFlags::ALLOW_REMOTE_READ).wait()?;
        let welcome = Welcome { catalog: catalog.remote(0)?, regions: regions.len() }.encode();
        let known: Arc<Mutex<Weak<Shared>>> = Arc::default();
        let found = Arc::clone(&known);
        let on_connect = move |connector: Connector| {
            // A connector that is dropped refuses.
            if let Some(shared) = lock(&found).upgrade() {
                shared.asked(connector);
            }
        };
        let listener = adapter.create_listener(on_connect).wait()?;
        let shared = Arc::new(Shared {
            place: Mutex::default(),
            freed: Condvar::new(),
            welcome,
            regions,
            _catalog: catalog,
            cq,
            pd,
            _adapter: adapter,
        });
        *lock(&known) = Arc::downgrade(&shared);
        listener.listen(address).wait()?;
        Ok(Self { address: listener.local_address()?, _listener: listener, shared })
    }

    /// Where users reach it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its regions, in order: to look at them, or at what is [in doubt](Mr::in_doubt).
    pub fn regions(&self) -> &[Mr] {
        &self.shared.regions
    }

    /// Blocks until nobody is connected.
    pub fn wait_until_free(&self) {
        let place = self.shared.freed.wait_while(lock(&self.shared.place), |place| place.is_some());
        drop(place);
    }
}

impl Drop for RegionServer {
    fn drop(&mut self) {
        let user = lock(&self.shared.place).take();
        drop(user);
    }
}

impl fmt::Debug for RegionServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionServer({} regions at {})", self.shared.regions.len(), self.address)
    }
}

/// A poisoned lock is sound: below it only whole values move in and out.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// A connection is asked for: it gets the place, unless another user has it.
    fn asked(self: &Arc<Self>, connector: Connector) {
        let hello = connector.connection_data().ok().and_then(|data| Hello::decode(&data.private_data));
        let description = QpDescription::new(&self.cq).initiator_depth(0).receive_depth(0);
        let (Some(hello), Ok(qp)) = (hello, self.pd.create_qp(description).wait()) else {
            return refuse(&connector, b"no hello, or no queue pair");
        };
        let user = Arc::new(User { hello, connector, qp });
        let former = {
            let mut place = lock(&self.place);
            // Its own former connection is broken, or it would not ask; that was heard there first.
            if place.as_ref().is_some_and(|other| other.hello != hello) {
                drop(place);
                return refuse(&user.connector, TAKEN);
            }
            place.replace(Arc::clone(&user))
        };
        drop(former);
        let (shared, parted) = (Arc::downgrade(self), Arc::downgrade(&user));
        let on_disconnect = move || {
            if let Some(shared) = shared.upgrade() {
                shared.free(&parted);
            }
        };
        let (shared, given_up) = (Arc::downgrade(self), Arc::downgrade(&user));
        user.connector.accept(&user.qp, READS, &self.welcome, on_disconnect).then(move |accepted| {
            if let (Err(_), Some(shared)) = (accepted, shared.upgrade()) {
                shared.free(&given_up);
            }
        });
    }

    /// That user has gone; another may come.
    fn free(&self, user: &Weak<User>) {
        let gone = lock(&self.place).take_if(|now| Weak::ptr_eq(&Arc::downgrade(now), user));
        drop(gone); // not below the lock: it parts
        self.freed.notify_all();
    }
}

fn refuse(connector: &Connector, why: &[u8]) {
    // Refused already, or given up: there is nobody left to tell.
    let _told = connector.reject(why);
}
