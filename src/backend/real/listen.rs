//! Listeners: requests of rdma_cm become connectors.

#![forbid(unsafe_code)]

use super::side::{Side, words};
use super::{Adapter, lock};
use crate::backend::{self, OnConnect};
use crate::cm::{self, Arrival, EndpointError, ReadLimits, Request, Route};
use crate::device::callbacks::{self, Outbox};
use crate::device::connect::ListenError;
use crate::device::lifetime::{Hold, Life, Task};
use qpair_rdma_core::cm::{Event, EventKind, Id};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// Hands over the requests that come to one local address.
pub(crate) struct Listener {
    pub(crate) life: Arc<Life>,
    adapter: Arc<Adapter>,
    maximum: ReadLimits,
    desk: Mutex<Desk>,
}

struct Desk {
    gate: cm::Listener,
    id: Option<Id>,
    local: Option<SocketAddr>,
    on_connect: Option<Arc<OnConnect>>,
}

/// Requests that may wait in the kernel for this thread to take them.
const BACKLOG: u32 = 1024;

const EADDRINUSE: i32 = 98;

impl Listener {
    pub(crate) fn new(
        adapter: &Arc<Adapter>,
        hold: Hold,
        maximum: ReadLimits,
        on_connect: OnConnect,
    ) -> Arc<Self> {
        let on_connect = Some(Arc::new(on_connect));
        let desk = Desk { gate: cm::Listener::new(), id: None, local: None, on_connect };
        let (life, adapter) = (Life::new([hold]), Arc::clone(adapter));
        Arc::new(Self { life, adapter, maximum, desk: Mutex::new(desk) })
    }

    pub(crate) fn listen(self: &Arc<Self>, local: SocketAddr) -> Result<(), ListenError> {
        let mut desk = lock(&self.desk);
        desk.gate.check_listen()?;
        let id = bound(&self.adapter, local)?;
        self.adapter.know_listener(&id, self);
        if let Err(error) = id.listen(BACKLOG) {
            self.adapter.forget_listener(&id);
            return Err(unfit(local, &error).into());
        }
        desk.gate.listen()?;
        desk.local = id.local_address();
        desk.id = Some(id);
        Ok(())
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        lock(&self.desk).local
    }

    pub(crate) fn pause(&self, pause: bool) {
        lock(&self.desk).gate.pause(pause);
    }

    pub(crate) fn close(self: &Arc<Self>, callback: Option<Task>) {
        let (id, on_connect) = {
            let mut desk = lock(&self.desk);
            desk.gate.close();
            (desk.id.take(), desk.on_connect.take())
        };
        if on_connect.is_none() {
            return; // only a close takes it
        }
        drop(on_connect);
        if let Some(id) = id {
            self.adapter.forget_listener(&id);
            drop(id);
        }
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// An event of the listening id.
    pub(super) fn hear(self: &Arc<Self>, event: Event) {
        if event.kind == EventKind::DeviceRemoval {
            let id = lock(&self.desk).id.take();
            if let Some(id) = id {
                self.adapter.forget_listener(&id);
                drop(id);
            }
            return;
        }
        let Some(id) = event.incoming else { return };
        let desk = lock(&self.desk);
        let gate = desk.gate.arrival();
        let hold = self.life.try_hold();
        drop(desk);
        let (Arrival::HandOver, Some(hold)) = (gate, hold) else { return }; // dropped, it rejects
        let (Some(local), Some(peer)) = (id.local_address(), id.peer_address()) else { return };
        let (qp, limits, data) = words(event.parameters.as_ref());
        let kept = data.as_bytes().len().min(cm::CONNECT_DATA_MAX);
        let private_data = cm::PrivateData::for_connect(&data.as_bytes()[..kept]).unwrap_or_default();
        let request = Request { route: Route { local: peer, peer: local }, qp, limits, private_data };
        let timeouts = self.adapter.timeouts;
        let machine = cm::Connector::incoming(cm::Attempt::default(), request, timeouts, self.maximum);
        let side = Side::new(&self.adapter, hold.clone(), machine, Some(id));
        let connector = backend::Connector::Real(self.adapter.incoming(side));
        let listener = Arc::clone(self);
        callbacks::call(move || {
            let on_connect = lock(&listener.desk).on_connect.clone();
            if let Some(on_connect) = on_connect {
                on_connect(connector);
            }
            drop(hold); // the close waits for events that run (LSN-8)
        });
    }
}

/// Why the connection manager does not give an address.
fn unfit(address: SocketAddr, error: &qpair_rdma_core::Error) -> EndpointError {
    tracing::debug!(%address, %error, "an address is not to be had");
    if error.errno() == Some(EADDRINUSE) {
        EndpointError::SharingViolation { address }
    } else {
        EndpointError::InvalidAddress { address }
    }
}

/// An id that is bound to `local`, one of the adapter's addresses; port 0 chooses one as NDK does.
pub(super) fn bound(adapter: &Adapter, local: SocketAddr) -> Result<Id, EndpointError> {
    /// The ports that NDK chooses from (LSN-1).
    const DYNAMIC: std::ops::RangeInclusive<u16> = 49152..=65535;
    let ports = if local.port() == 0 { DYNAMIC } else { local.port()..=local.port() };
    let count = u64::from(ports.end() - ports.start()) + 1;
    let first = adapter.new_key() % count;
    if !adapter.addresses().contains(&local.ip()) {
        return Err(EndpointError::InvalidAddress { address: local });
    }
    for step in 0..count {
        let port = ports.start() + ((first + step) % count) as u16;
        let id = adapter.events.create_id().map_err(|error| unfit(local, &error))?;
        match id.bind(SocketAddr::new(local.ip(), port)) {
            Ok(()) => return Ok(id),
            Err(error) if error.errno() == Some(EADDRINUSE) && count > 1 => {}
            Err(error) => return Err(unfit(local, &error)),
        }
    }
    Err(EndpointError::TooManyAddresses { address: local.ip() })
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.local_address()).finish_non_exhaustive()
    }
}
