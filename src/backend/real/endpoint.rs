//! Local addresses and ports: counted as those of a NET are, and bound in the kernel.
//!
//! The kernel knows who is bound, here it is known for what: that a connection between two addresses stands
//! already, that a listener's port is its connectors' too, that an endpoint is shared (ndkpi.md 1.5). All
//! adapters of this process on one device have one port space; other processes are met in the kernel.

#![forbid(unsafe_code)]

use super::{Adapter, lock};
use crate::cm::{EndpointError, Endpoints, Hold};
use crate::device::callbacks::Outbox;
use crate::device::lifetime::{self, Life, Task};
use qpair_rdma_core::cm::Id;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, Weak};

const EADDRINUSE: i32 = 98;

/// The port space of a device, for this process.
#[derive(Debug)]
pub(super) struct Ports(Mutex<Endpoints>);

/// By the name of the device, as long as an adapter is open.
static PORTS: Mutex<BTreeMap<String, Weak<Ports>>> = Mutex::new(BTreeMap::new());

impl Ports {
    /// Those of a device, which has `addresses`.
    pub(super) fn of(device: &str, addresses: &[IpAddr]) -> Arc<Self> {
        let mut all = lock(&PORTS);
        let ports = all.get(device).and_then(Weak::upgrade).unwrap_or_else(|| {
            let ports = Arc::new(Self(Mutex::new(Endpoints::new([]))));
            all.insert(device.to_owned(), Arc::downgrade(&ports));
            ports
        });
        drop(all);
        addresses.iter().for_each(|address| lock(&ports.0).add_address(*address));
        ports
    }
}

/// A reference to an endpoint, given back when it is dropped.
pub(crate) struct Endpoint {
    ports: Arc<Ports>,
    /// Taken out only by the drop.
    hold: Option<Hold>,
}

impl Endpoint {
    fn new(ports: &Arc<Ports>, hold: Hold) -> Self {
        Self { ports: Arc::clone(ports), hold: Some(hold) }
    }

    fn hold(&self) -> &Hold {
        self.hold.as_ref().expect("taken by the drop only")
    }

    /// The address, with the port that was chosen if port 0 was asked for.
    pub(super) fn local(&self) -> SocketAddr {
        self.hold().local()
    }

    /// An endpoint of its own, for a listener or to be shared, and an id that is bound to it.
    pub(super) fn open(
        adapter: &Adapter,
        local: SocketAddr,
        shared: bool,
    ) -> Result<(Self, Id), EndpointError> {
        Self::take(adapter, local, shared, |endpoints| endpoints.open(local))
    }

    /// An endpoint for one connection to `remote`, and an id that is bound to it.
    pub(super) fn connect(
        adapter: &Adapter,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(Self, Id), EndpointError> {
        Self::take(adapter, local, false, |endpoints| endpoints.connect(local, remote))
    }

    /// Adds a connection to this endpoint.
    pub(super) fn share(&self, remote: SocketAddr) -> Result<Self, EndpointError> {
        let hold = lock(&self.ports.0).share(self.hold(), remote)?;
        Ok(Self::new(&self.ports, hold))
    }

    /// Takes an endpoint and binds an id to it; where a port is to be chosen, those of other processes are
    /// passed over.
    fn take(
        adapter: &Adapter,
        local: SocketAddr,
        shared: bool,
        choose: impl Fn(&mut Endpoints) -> Result<Hold, EndpointError>,
    ) -> Result<(Self, Id), EndpointError> {
        // The port space knows what other adapters of the device have.
        if !adapter.addresses().contains(&local.ip()) {
            return Err(EndpointError::InvalidAddress { address: local });
        }
        // Held until one is found, so that each is tried once; when none is left the choice says so.
        let mut passed_over = Vec::new();
        loop {
            let chosen = choose(&mut lock(&adapter.ports.0));
            let endpoint = Self::new(&adapter.ports, chosen?);
            match bound(adapter, endpoint.local(), shared) {
                Ok(id) => return Ok((endpoint, id)),
                // Another process has it.
                Err(EndpointError::SharingViolation { .. }) if local.port() == 0 => {
                    passed_over.push(endpoint)
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            lock(&self.ports.0).release(hold);
        }
    }
}

/// An id that is bound to `local`, perhaps with others beside it.
fn bound(adapter: &Adapter, local: SocketAddr, shared: bool) -> Result<Id, EndpointError> {
    let id = adapter.events.create_id().map_err(|error| unfit(local, &error))?;
    if shared {
        id.set_reuse_address(true).map_err(|error| unfit(local, &error))?;
    }
    id.bind(local).map_err(|error| unfit(local, &error))?;
    Ok(id)
}

/// Why the connection manager does not give an address.
pub(super) fn unfit(address: SocketAddr, error: &qpair_rdma_core::Error) -> EndpointError {
    tracing::debug!(%address, %error, "an address is not to be had");
    if error.errno() == Some(EADDRINUSE) {
        EndpointError::SharingViolation { address }
    } else {
        EndpointError::InvalidAddress { address }
    }
}

/// A local endpoint over which several connectors connect, each to another peer.
///
/// Its close is complete, and its address free, when all of them are closed (SEP-4).
pub(crate) struct SharedEndpoint {
    pub(crate) life: Arc<Life>,
    adapter: Arc<Adapter>,
    local: SocketAddr,
    /// Until the close is complete; its id keeps other processes from the port.
    held: Arc<Mutex<Option<(Endpoint, Id)>>>,
}

impl SharedEndpoint {
    pub(crate) fn new(
        adapter: &Arc<Adapter>,
        hold: lifetime::Hold,
        local: SocketAddr,
    ) -> Result<Arc<Self>, EndpointError> {
        let (endpoint, id) = Endpoint::open(adapter, local, true)?;
        let local = endpoint.local();
        let held = Arc::new(Mutex::new(Some((endpoint, id))));
        Ok(Arc::new(Self { life: Life::new([hold]), adapter: Arc::clone(adapter), local, held }))
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        let held = Arc::clone(&self.held);
        self.life.set_teardown(move || {
            let held = lock(&held).take();
            drop(held);
        });
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// An endpoint for a connection to `remote`, and an id that is bound to it.
    pub(super) fn share(&self, remote: SocketAddr) -> Result<(Endpoint, Id), EndpointError> {
        // Closed, it is nobody's address any more.
        let gone = EndpointError::InvalidAddress { address: self.local };
        let endpoint = lock(&self.held).as_ref().ok_or(gone)?.0.share(remote)?;
        let id = bound(&self.adapter, self.local, true)?;
        Ok((endpoint, id))
    }
}

impl fmt::Debug for SharedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEndpoint").field("local", &self.local).finish_non_exhaustive()
    }
}
