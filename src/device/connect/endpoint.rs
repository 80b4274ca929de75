//! Local endpoints: a reference that gives itself back, and endpoints that several connectors share.

use super::exchange::Exchange;
use crate::cm::{EndpointError, Hold};
use crate::device::callbacks::Outbox;
use crate::device::lifetime::{self, Life, Task};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// A reference to a local endpoint, given back when it is dropped.
pub(crate) struct Endpoint {
    exchange: Arc<Exchange>,
    /// Taken out only by the drop.
    hold: Option<Hold>,
}

impl Endpoint {
    pub(super) fn new(exchange: Arc<Exchange>, hold: Hold) -> Self {
        Self { exchange, hold: Some(hold) }
    }

    /// The address, with the port that was chosen if port 0 was asked for.
    pub(super) fn local(&self) -> SocketAddr {
        self.hold().local()
    }

    /// Adds a connection to this endpoint.
    pub(super) fn share(&self, remote: SocketAddr) -> Result<Self, EndpointError> {
        self.exchange.share(self.hold(), remote)
    }

    fn hold(&self) -> &Hold {
        self.hold.as_ref().expect("taken by the drop only")
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.exchange.release(hold);
        }
    }
}

/// Refuses an address that is none of the adapter's.
pub(super) fn check_address(addresses: &[IpAddr], local: SocketAddr) -> Result<(), EndpointError> {
    if addresses.contains(&local.ip()) {
        Ok(())
    } else {
        Err(EndpointError::InvalidAddress { address: local })
    }
}

/// A local endpoint over which several connectors connect, each to another peer.
///
/// Its close is complete, and its address free, when all of them are closed (SEP-4).
pub(crate) struct SharedEndpoint {
    pub(crate) life: Arc<Life>,
    local: SocketAddr,
    /// Until the close is complete.
    endpoint: Arc<Mutex<Option<Endpoint>>>,
}

impl SharedEndpoint {
    /// Takes `local`, one of the adapter's `addresses`; port 0 chooses one from 49152-65535.
    ///
    /// # Errors
    /// [`EndpointError`], by `adapter`'s addresses and what is taken in its NET; nothing was taken.
    pub(crate) fn new(
        exchange: &Arc<Exchange>,
        adapter: lifetime::Hold,
        addresses: &[IpAddr],
        local: SocketAddr,
    ) -> Result<Arc<Self>, EndpointError> {
        check_address(addresses, local)?;
        let endpoint = exchange.open(local)?;
        let local = endpoint.local();
        let endpoint = Arc::new(Mutex::new(Some(endpoint)));
        Ok(Arc::new(Self { life: Life::new([adapter]), local, endpoint }))
    }

    /// Its address, with the port that was chosen.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Begins the close; later ones do nothing, and `callback` is dropped unused.
    pub(crate) fn close(&self, callback: Option<Task>) {
        let endpoint = Arc::clone(&self.endpoint);
        self.life.set_teardown(move || drop(take(&endpoint)));
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// An endpoint for a connection to `remote`; `None` if the close is complete.
    pub(super) fn share(&self, remote: SocketAddr) -> Option<Result<Endpoint, EndpointError>> {
        let endpoint = self.endpoint.lock().unwrap_or_else(PoisonError::into_inner);
        endpoint.as_ref().map(|endpoint| endpoint.share(remote))
    }
}

fn take(endpoint: &Mutex<Option<Endpoint>>) -> Option<Endpoint> {
    endpoint.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl fmt::Debug for SharedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEndpoint").field("local", &self.local).finish_non_exhaustive()
    }
}
