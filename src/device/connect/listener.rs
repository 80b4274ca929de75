//! Listeners: where requests arrive, and who is told.

use super::connector::Connector;
use super::endpoint::{Endpoint, check_address};
use super::error::ListenError;
use super::exchange::Exchange;
use super::in_process::{InProcess, Side};
use crate::cm::{self, Arrival, Body, Message, ReadLimits, RejReason};
use crate::device::callbacks::{self, Outbox};
use crate::device::lifetime::{Hold, Life, Task};
use crate::device::qp::QpId;
use crate::planted::planted;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connect event: gets a connector of its own for each request, and owns it.
///
/// Dropped unanswered, the connector refuses its peer. Events may run at the same time on several threads.
pub(crate) type OnConnect = Box<dyn Fn(Arc<Connector>) + Send + Sync>;

/// Hands over the requests that come to one local endpoint.
///
/// It listens until it is closed; whoever drops it unclosed leaves it listening.
pub(crate) struct Listener {
    pub(crate) life: Arc<Life>,
    exchange: Arc<Exchange>,
    addresses: Arc<[IpAddr]>,
    maximum: ReadLimits,
    desk: Mutex<Desk>,
}

/// What the lock is around.
struct Desk {
    gate: cm::Listener,
    endpoint: Option<Endpoint>,
    /// Until the close; an event that runs keeps its own.
    on_connect: Option<Arc<OnConnect>>,
}

impl Listener {
    /// A listener of the adapter held by `adapter`, which has `addresses` and can do `maximum`.
    pub(crate) fn new(
        exchange: &Arc<Exchange>,
        adapter: Hold,
        addresses: Arc<[IpAddr]>,
        maximum: ReadLimits,
        on_connect: OnConnect,
    ) -> Arc<Self> {
        let on_connect = Some(Arc::new(on_connect));
        let desk = Desk { gate: cm::Listener::new(), endpoint: None, on_connect };
        Arc::new(Self {
            life: Life::new([adapter]),
            exchange: Arc::clone(exchange),
            addresses,
            maximum,
            desk: Mutex::new(desk),
        })
    }

    /// Begins to listen at `local`; port 0 chooses one from 49152-65535.
    ///
    /// # Errors
    /// [`ListenError`]: it has listened before, or the address cannot be had.
    pub(crate) fn listen(self: &Arc<Self>, local: SocketAddr) -> Result<(), ListenError> {
        let mut desk = self.desk();
        desk.gate.check_listen()?;
        check_address(&self.addresses, local)?;
        let endpoint = self.exchange.open(local)?;
        desk.gate.listen()?;
        self.exchange.announce(endpoint.local(), self);
        desk.endpoint = Some(endpoint);
        Ok(())
    }

    /// Its address, once it listens and until its close is complete.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.desk().endpoint.as_ref().map(Endpoint::local)
    }

    /// Refuses requests from now on, or hands them over again; events that are under way go on.
    pub(crate) fn pause(&self, pause: bool) {
        let pause = pause && !planted!(PauseIgnored, "a paused listener hands connects over");
        self.desk().gate.pause(pause);
    }

    /// Begins the close: refuses from now on; complete when all its connectors are closed (LSN-6).
    ///
    /// A later close does nothing, and its `callback` is dropped unused.
    pub(crate) fn close(self: &Arc<Self>, callback: Option<Task>) {
        let _after = callbacks::guard();
        let (local, on_connect) = {
            let mut desk = self.desk();
            desk.gate.close();
            (desk.endpoint.as_ref().map(Endpoint::local), desk.on_connect.take())
        };
        if on_connect.is_none() {
            return; // only a close takes it
        }
        drop(on_connect);
        if let Some(local) = local {
            self.exchange.withdraw(local);
        }
        let listener = Arc::clone(self);
        self.life.set_teardown(move || {
            let endpoint = listener.desk().endpoint.take();
            drop(endpoint);
        });
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// A request of `active`, whose queue pair is `qp`: hands it over, or says why not.
    pub(super) fn arrive(
        self: &Arc<Self>,
        active: &Arc<Side>,
        message: &Message,
        qp: QpId,
    ) -> Result<(), RejReason> {
        let Body::Req(request) = &message.body else { unreachable!("only requests arrive at a listener") };
        let (endpoint, hold) = {
            let desk = self.desk();
            match (desk.gate.arrival(), &desk.endpoint) {
                (Arrival::HandOver, Some(endpoint)) => {
                    let connection = endpoint.share(request.route.local).map_err(|_| RejReason::Stale)?;
                    // Below the lock: it listens, so its close has not begun.
                    (connection, self.life.hold())
                }
                (Arrival::Refuse(reason), _) => return Err(reason),
                // Its endpoint is on the way: nobody was promised yet that it listens.
                (Arrival::HandOver, None) => return Err(RejReason::NoListener),
            }
        };
        let machine =
            cm::Connector::incoming(message.attempt, request.clone(), self.exchange.timeouts(), self.maximum);
        let messenger = InProcess::new(&self.exchange, Arc::clone(&self.addresses));
        let side = Side::new(messenger, hold.clone(), machine, Some((endpoint, qp)));
        side.answers(active);
        active.set_peer(Arc::downgrade(&side));
        let connector = Connector::of(side);
        let listener = Arc::clone(self);
        callbacks::call(move || {
            let on_connect = listener.desk().on_connect.clone();
            if let Some(on_connect) = on_connect {
                on_connect(connector);
            }
            drop(hold); // the close waits for events that run (LSN-8)
        });
        Ok(())
    }

    /// A poisoned lock is sound: below it only whole values move in and out.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desk = self.desk();
        f.debug_struct("Listener")
            .field("local", &desk.endpoint.as_ref().map(Endpoint::local))
            .field("state", &desk.gate.state())
            .finish_non_exhaustive()
    }
}
