//! Local endpoints: ports, references that give themselves back, and endpoints that several connectors share.

use super::in_process::InProcess;
use super::messenger::{Messenger, Opened, Taken};
use crate::cm::{EndpointError, Endpoints, Hold};
use crate::device::callbacks::Outbox;
use crate::device::lifetime::{self, Life, Task};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A port space: that of a NET, or of a real device for this process.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<Endpoints>);

impl Ports {
    /// Adds an address; one that is there already stays.
    pub(crate) fn add_address(&self, address: IpAddr) {
        self.endpoints().add_address(address);
    }

    /// Takes an endpoint for a listener or to be shared; port 0 chooses one from 49152-65535.
    pub(crate) fn open(self: &Arc<Self>, local: SocketAddr) -> Result<Endpoint, EndpointError> {
        self.reference(|endpoints| endpoints.open(local))
    }

    /// Takes an endpoint for one connection; port 0 chooses one from 49152-65535.
    pub(crate) fn connect(
        self: &Arc<Self>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Endpoint, EndpointError> {
        self.reference(|endpoints| endpoints.connect(local, remote))
    }

    fn reference(
        self: &Arc<Self>,
        take: impl FnOnce(&mut Endpoints) -> Result<Hold, EndpointError>,
    ) -> Result<Endpoint, EndpointError> {
        let hold = take(&mut self.endpoints())?;
        Ok(Endpoint { ports: Arc::clone(self), hold: Some(hold) })
    }

    /// A poisoned lock is sound: below it nothing of others runs.
    fn endpoints(&self) -> MutexGuard<'_, Endpoints> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reference to a local endpoint, given back when it is dropped.
pub(crate) struct Endpoint {
    ports: Arc<Ports>,
    /// Taken out only by the drop.
    hold: Option<Hold>,
}

impl Endpoint {
    /// The address, with the port that was chosen if port 0 was asked for.
    pub(crate) fn local(&self) -> SocketAddr {
        self.hold().local()
    }

    /// Adds a connection to this endpoint.
    pub(super) fn share(&self, remote: SocketAddr) -> Result<Self, EndpointError> {
        self.ports.reference(|endpoints| endpoints.share(self.hold(), remote))
    }

    fn hold(&self) -> &Hold {
        self.hold.as_ref().expect("taken by the drop only")
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            self.ports.endpoints().release(hold);
        }
    }
}

/// A local endpoint over which several connectors connect, each to another peer.
///
/// Its close is complete, and its address free, when all of them are closed (SEP-4).
pub(crate) struct SharedEndpoint<M: Messenger = InProcess> {
    pub(crate) life: Arc<Life>,
    messenger: M,
    local: SocketAddr,
    /// Until the close is complete.
    held: Arc<Mutex<Option<Opened<M>>>>,
}

impl<M: Messenger> SharedEndpoint<M> {
    /// Takes `local`, an address of the adapter held by `adapter`; port 0 chooses one from 49152-65535.
    ///
    /// # Errors
    /// [`EndpointError`], by the adapter's addresses and what is taken there; nothing was taken.
    pub(crate) fn new(
        messenger: M,
        adapter: lifetime::Hold,
        local: SocketAddr,
    ) -> Result<Arc<Self>, EndpointError> {
        let held = messenger.open(local, true)?;
        let local = held.0.local();
        let held = Arc::new(Mutex::new(Some(held)));
        Ok(Arc::new(Self { life: Life::new([adapter]), messenger, local, held }))
    }

    /// Its address, with the port that was chosen.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Begins the close; later ones do nothing, and `callback` is dropped unused.
    pub(crate) fn close(&self, callback: Option<Task>) {
        let held = Arc::clone(&self.held);
        self.life.set_teardown(move || {
            let held = held.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(held);
        });
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// An endpoint for a connection to `remote`.
    pub(super) fn share(&self, remote: SocketAddr) -> Result<Taken<M>, EndpointError> {
        let endpoint = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.as_ref().ok_or_else(|| self.gone())?.0.share(remote)?
        };
        Ok((endpoint, self.messenger.way_from(self.local)?))
    }

    /// Why it cannot be had: closed, it is nobody's address any more.
    pub(super) fn gone(&self) -> EndpointError {
        EndpointError::InvalidAddress { address: self.local }
    }
}

impl<M: Messenger> fmt::Debug for SharedEndpoint<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEndpoint").field("local", &self.local).finish_non_exhaustive()
    }
}
