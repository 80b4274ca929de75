//! Listeners: requests of rdma_cm become connectors.

#![forbid(unsafe_code)]

use super::connect::{Connector, RdmaCm, Side};
use super::endpoint::{Endpoint, unfit};
use super::hear::words;
use super::{Adapter, lock};
use crate::backend::{self, OnConnect};
use crate::cm::{self, Arrival, ReadLimits, Request, Route};
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
    /// Until the close is called, or the device is gone.
    id: Option<Id>,
    /// Until the close is complete.
    endpoint: Option<Endpoint>,
    on_connect: Option<Arc<OnConnect>>,
}

/// Requests that may wait in the kernel for this thread to take them.
const BACKLOG: u32 = 1024;

impl Listener {
    pub(crate) fn new(
        adapter: &Arc<Adapter>,
        hold: Hold,
        maximum: ReadLimits,
        on_connect: OnConnect,
    ) -> Arc<Self> {
        let on_connect = Some(Arc::new(on_connect));
        let desk = Desk { gate: cm::Listener::new(), id: None, endpoint: None, on_connect };
        let (life, adapter) = (Life::new([hold]), Arc::clone(adapter));
        Arc::new(Self { life, adapter, maximum, desk: Mutex::new(desk) })
    }

    pub(crate) fn listen(self: &Arc<Self>, local: SocketAddr) -> Result<(), ListenError> {
        let mut desk = lock(&self.desk);
        desk.gate.check_listen()?;
        let (endpoint, id) = Endpoint::open(&self.adapter, local, false)?;
        self.adapter.know_listener(&id, self);
        if let Err(error) = id.listen(BACKLOG) {
            self.adapter.forget_listener(&id);
            return Err(unfit(local, &error).into());
        }
        desk.gate.listen()?;
        (desk.id, desk.endpoint) = (Some(id), Some(endpoint));
        Ok(())
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        lock(&self.desk).endpoint.as_ref().map(Endpoint::local)
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
        let listener = Arc::clone(self);
        self.life.set_teardown(move || {
            let endpoint = lock(&listener.desk).endpoint.take();
            drop(endpoint);
        });
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
        let (Some(local), Some(peer)) = (id.local_address(), id.peer_address()) else { return };
        let (endpoint, hold) = {
            let desk = lock(&self.desk);
            let (Arrival::HandOver, Some(endpoint)) = (desk.gate.arrival(), &desk.endpoint) else { return };
            // What is dropped here is rejected.
            let (Ok(connection), Some(hold)) = (endpoint.share(peer), self.life.try_hold()) else { return };
            (connection, hold)
        };
        let (qp, limits, data) = words(event.parameters.as_ref());
        let kept = data.as_bytes().len().min(cm::CONNECT_DATA_MAX);
        let private_data = cm::PrivateData::for_connect(&data.as_bytes()[..kept]).unwrap_or_default();
        let request = Request { route: Route { local: peer, peer: local }, qp, limits, private_data };
        let timeouts = self.adapter.timeouts;
        let machine = cm::Connector::incoming(cm::Attempt::default(), request, timeouts, self.maximum);
        let id = Arc::new(id);
        let incoming = Some((endpoint, Arc::clone(&id)));
        let side = Side::new(RdmaCm::new(&self.adapter), hold.clone(), machine, incoming);
        self.adapter.know_side(&id, &side);
        let connector = backend::Connector::Real(Connector::of(side));
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

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.local_address()).finish_non_exhaustive()
    }
}
