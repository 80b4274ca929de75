//! Listeners: where requests arrive, and who is told.

use super::connector::Connector;
use super::endpoint::Endpoint;
use super::error::ListenError;
use super::in_process::InProcess;
use super::messenger::Messenger;
use super::side::Side;
use crate::cm::{self, Arrival, Attempt, ReadLimits, RejReason, Request};
use crate::device::callbacks::{self, Outbox};
use crate::device::lifetime::{Hold, Life, Task};
use crate::planted::planted;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connect event: gets a connector of its own for each request, and owns it.
///
/// Dropped unanswered, the connector refuses its peer. Events may run at the same time on several threads.
pub(crate) type OnConnect<M = InProcess> = Box<dyn Fn(Arc<Connector<M>>) + Send + Sync>;

/// Hands over the requests that come to one local endpoint.
///
/// It listens until it is closed; within a process, whoever drops it unclosed leaves it listening.
pub(crate) struct Listener<M: Messenger = InProcess> {
    pub(crate) life: Arc<Life>,
    pub(crate) messenger: M,
    maximum: ReadLimits,
    desk: Mutex<Desk<M>>,
}

/// What the lock is around.
struct Desk<M: Messenger> {
    gate: cm::Listener,
    /// Until the close is called, or the device is gone.
    bound: Option<M::Bound>,
    /// Until the close is complete.
    endpoint: Option<Endpoint>,
    /// Until the close; an event that runs keeps its own.
    on_connect: Option<Arc<OnConnect<M>>>,
}

impl<M: Messenger> Listener<M> {
    /// A listener of the adapter held by `adapter`, which can do `maximum`.
    pub(crate) fn new(
        messenger: M,
        adapter: Hold,
        maximum: ReadLimits,
        on_connect: OnConnect<M>,
    ) -> Arc<Self> {
        let on_connect = Some(Arc::new(on_connect));
        let desk = Desk { gate: cm::Listener::new(), bound: None, endpoint: None, on_connect };
        Arc::new(Self { life: Life::new([adapter]), messenger, maximum, desk: Mutex::new(desk) })
    }

    /// Begins to listen at `local`; port 0 chooses one from 49152-65535.
    ///
    /// # Errors
    /// [`ListenError`]: it has listened before, or the address cannot be had.
    pub(crate) fn listen(self: &Arc<Self>, local: SocketAddr) -> Result<(), ListenError> {
        let mut desk = self.desk();
        desk.gate.check_listen()?;
        let (endpoint, bound) = self.messenger.open(local, false)?;
        M::listen(self, endpoint.local(), &bound)?;
        desk.gate.listen()?;
        (desk.bound, desk.endpoint) = (Some(bound), Some(endpoint));
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

    /// Nothing arrives from now on; its address stays taken until the close is complete.
    pub(crate) fn withdraw(&self) {
        let bound = self.desk().bound.take();
        if let Some(bound) = bound {
            self.messenger.withdraw(bound);
        }
    }

    /// Begins the close: refuses from now on; complete when all its connectors are closed (LSN-6).
    ///
    /// A later close does nothing, and its `callback` is dropped unused.
    pub(crate) fn close(self: &Arc<Self>, callback: Option<Task>) {
        let _after = callbacks::guard();
        let on_connect = {
            let mut desk = self.desk();
            desk.gate.close();
            desk.on_connect.take()
        };
        if on_connect.is_none() {
            return; // only a close takes it
        }
        drop(on_connect);
        self.withdraw();
        let listener = Arc::clone(self);
        self.life.set_teardown(move || {
            let endpoint = listener.desk().endpoint.take();
            drop(endpoint);
        });
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// A request has come, with a way back: hands over a connector whose side `known` has been shown, or says
    /// why not.
    pub(crate) fn arrive(
        self: &Arc<Self>,
        attempt: Attempt,
        request: Request,
        way: M::Way,
        known: impl FnOnce(&Arc<Side<M>>),
    ) -> Result<(), RejReason> {
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
        let machine = cm::Connector::incoming(attempt, request, self.messenger.timeouts(), self.maximum);
        let side = Side::new(self.messenger.another(), hold.clone(), machine, Some((endpoint, way)));
        known(&side);
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
    fn desk(&self) -> MutexGuard<'_, Desk<M>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Messenger> fmt::Debug for Listener<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desk = self.desk();
        f.debug_struct("Listener")
            .field("local", &desk.endpoint.as_ref().map(Endpoint::local))
            .field("state", &desk.gate.state())
            .finish_non_exhaustive()
    }
}
