//! Who uses regions: whatever connection there is to them now, and another when that is lost.

use super::connection::Connection;
use super::{RegionError, RegionName};
use crate::ndk::{Adapter, Pd};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One user of the regions that a server offers by one name.
///
/// What is to be done goes by its [`connection`](Self::connection), which is gone for good once a request
/// has failed; [`mend`](Self::mend) then makes another. Dropped, it parts.
pub struct RegionLink {
    // In this order: the connection closes before what it uses.
    connection: Mutex<Arc<Connection>>,
    /// Held by who connects anew, one after the other.
    mending: Mutex<()>,
    of: RegionName,
    /// By what the server knows that it is the same user again.
    user: u64,
    pd: Pd,
    adapter: Arc<Adapter>,
}

impl RegionLink {
    /// Connects to what a server offers by that name. Blocks.
    ///
    /// # Errors
    /// [`RegionError::Setup`]: nobody listens there, say. [`RegionError::Refused`],
    /// [`RegionError::Stranger`].
    pub fn connect(
        adapter: impl Into<Arc<Adapter>>,
        address: SocketAddr,
        name: &str,
    ) -> Result<Self, RegionError> {
        let (adapter, of) = (adapter.into(), RegionName { address, name: name.to_owned() });
        let setup = |error| RegionError::Setup { of: of.clone(), error };
        let pd = adapter.create_pd().wait().map_err(setup)?;
        let user = a_number();
        let connection = Mutex::new(Connection::open(&adapter, &pd, &of, user)?);
        Ok(Self { connection, mending: Mutex::default(), of, user, pd, adapter })
    }

    /// What it is connected to.
    pub fn name(&self) -> &RegionName {
        &self.of
    }

    /// The connection that there is now, which may be lost already.
    pub fn connection(&self) -> Arc<Connection> {
        Arc::clone(&lock(&self.connection))
    }

    /// Connects anew, if the connection is lost. Blocks.
    ///
    /// What had begun by the former connection has ended before. Meanwhile somebody else may have had the
    /// regions, and the server may have lost what was not flushed: so `prepare` has the new connection
    /// first, and nothing else goes by it unless that succeeds; else it is given up.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); within, what `prepare` has returned. It may be tried again.
    pub fn mend<E>(
        &self,
        prepare: impl FnOnce(&Connection) -> Result<(), E>,
    ) -> Result<Result<(), E>, RegionError> {
        let _one_by_one = lock(&self.mending);
        let former = self.connection();
        if !former.is_down() {
            return Ok(Ok(()));
        }
        former.part();
        let fresh = Connection::open(&self.adapter, &self.pd, &self.of, self.user)?;
        Ok(prepare(&fresh).map(|()| *lock(&self.connection) = fresh))
    }
}

impl fmt::Debug for RegionLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionLink({})", self.of)
    }
}

/// A poisoned lock is sound: below it only whole values move.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that no other user has, but by chance, on this machine or another.
#[expect(clippy::disallowed_methods, reason = "that it differs from run to run is what it is for")]
fn a_number() -> u64 {
    RandomState::new().hash_one(())
}
