//! Local addresses and ports: counted as those of a NET are, and bound in the kernel.
//!
//! The kernel knows who is bound, here it is known for what: that a connection between two addresses stands
//! already, that a listener's port is its connectors' too, that an endpoint is shared (ndkpi.md 1.5). All
//! adapters of this process on one device have one port space; other processes are met in the kernel.

#![forbid(unsafe_code)]

use super::{Adapter, lock};
use crate::cm::EndpointError;
use crate::device::connect::endpoint::{Endpoint, Ports};
use qpair_rdma_core::cm::Id;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, Weak};

const EADDRINUSE: i32 = 98;

/// By the name of the device, as long as an adapter is open.
static PORTS: Mutex<BTreeMap<String, Weak<Ports>>> = Mutex::new(BTreeMap::new());

/// The port space of a device, which has `addresses`.
pub(super) fn ports_of(device: &str, addresses: &[IpAddr]) -> Arc<Ports> {
    let mut all = lock(&PORTS);
    let ports = all.get(device).and_then(Weak::upgrade).unwrap_or_else(|| {
        let ports = Arc::default();
        all.insert(device.to_owned(), Arc::downgrade(&ports));
        ports
    });
    drop(all);
    addresses.iter().for_each(|address| ports.add_address(*address));
    ports
}

/// An endpoint that `choose` takes for `local`, and an id that is bound to it; where a port is to be chosen,
/// those of other processes are passed over.
pub(super) fn take(
    adapter: &Adapter,
    local: SocketAddr,
    shared: bool,
    choose: impl Fn(&Arc<Ports>) -> Result<Endpoint, EndpointError>,
) -> Result<(Endpoint, Id), EndpointError> {
    // The port space knows what other adapters of the device have.
    if !adapter.addresses().contains(&local.ip()) {
        return Err(EndpointError::InvalidAddress { address: local });
    }
    // Held until one is found, so that each is tried once; when none is left the choice says so.
    let mut passed_over = Vec::new();
    loop {
        let endpoint = choose(&adapter.ports)?;
        match bound(adapter, endpoint.local(), shared) {
            Ok(id) => return Ok((endpoint, id)),
            // Another process has it.
            Err(EndpointError::SharingViolation { .. }) if local.port() == 0 => passed_over.push(endpoint),
            Err(error) => return Err(error),
        }
    }
}

/// An id that is bound to `local`, perhaps with others beside it.
pub(super) fn bound(adapter: &Adapter, local: SocketAddr, shared: bool) -> Result<Id, EndpointError> {
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
