//! Listeners: where requests to connect arrive.

use super::adapter::AdapterCore;
use super::connector::endpoint_refused;
use super::handle;
use super::{Connector, Error, Request, Status};
use crate::backend;
use crate::device::connect::ListenError;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

const LISTEN: &str = "NdkListen";

/// Hands over the requests that come to one local address and port.
///
/// Made by [`Adapter::create_listener`](super::Adapter::create_listener). Closed or dropped, it refuses at
/// once; its address is free when the connectors that came by it are closed as well.
pub struct Listener {
    listener: backend::Listener,
    adapter: Arc<AdapterCore>,
}

impl Listener {
    pub(super) fn new(
        adapter: &Arc<AdapterCore>,
        on_connect: impl Fn(Connector) + Send + Sync + 'static,
    ) -> Self {
        let own = Arc::clone(adapter);
        let on_connect: backend::OnConnect =
            Box::new(move |connector| on_connect(Connector::incoming(connector, &own)));
        let (hold, maximum) = (adapter.life.hold(), adapter.read_limits());
        let faults = adapter.faults.as_deref();
        let listener = adapter.backend.create_listener(hold, maximum, on_connect, faults);
        Self { listener, adapter: Arc::clone(adapter) }
    }

    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.adapter
    }

    /// Begins to listen (`NdkListen`); port 0 chooses one from 49152-65535.
    ///
    /// # Errors
    /// SHARING_VIOLATION: address and port are taken. INVALID_ADDRESS: not one of the adapter's.
    /// TOO_MANY_ADDRESSES: no port is left. INVALID_DEVICE_STATE: it listens already (LSN-3).
    pub fn listen(&self, local: SocketAddr) -> Request<()> {
        self.adapter.call(LISTEN, self.listener.life(), || {
            self.listener.listen(local).map_err(|error| match error {
                ListenError::Endpoint(error) => endpoint_refused(LISTEN, error),
                ListenError::Listener(error) => Error::new(LISTEN, Status::INVALID_DEVICE_STATE)
                    .with_argument("the listener", format_args!("{:?}", error.state))
                    .with_hint("create another listener: each listens once")
                    .with_source(error),
            })
        })
    }

    /// Its address and port, with the one that was chosen (`NdkGetListenerLocalAddress`).
    ///
    /// # Errors
    /// INVALID_DEVICE_STATE before it listens.
    pub fn local_address(&self) -> Result<SocketAddr, Error> {
        self.listener.local_address().ok_or_else(|| {
            Error::new("NdkGetListenerLocalAddress", Status::INVALID_DEVICE_STATE).with_hint("listen first")
        })
    }

    /// Refuses requests from now on as if nobody listened, or hands them over again
    /// (`NdkControlConnectEvents`).
    ///
    /// Events that are under way go on.
    pub fn control_connect_events(&self, pause: bool) {
        let gone = self.adapter.check_present("NdkControlConnectEvents").is_err();
        self.listener.pause(pause || gone);
    }

    /// Closes the listener: refuses from now on; pends while a connector that came by it lives or its event
    /// runs.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.adapter.late_close(self.listener.life());
        self.listener.close(Some(callback));
        request
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listener.close(None);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listener.fmt(f)
    }
}
