//! Shared endpoints: one local address from which several connectors connect.

use super::adapter::AdapterCore;
use super::connector::endpoint_refused;
use super::handle;
use super::{Error, Request};
use crate::backend;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub(super) const CREATE: &str = "NdkCreateSharedEndpoint";

/// A local address and port for several connectors, each to another peer.
///
/// Made by [`Adapter::create_shared_endpoint`](super::Adapter::create_shared_endpoint), used by
/// [`Connector::connect_with_shared_endpoint`](super::Connector::connect_with_shared_endpoint). The address
/// is free again when it and all connectors over it are closed.
pub struct SharedEndpoint {
    pub(super) endpoint: backend::SharedEndpoint,
    adapter: Arc<AdapterCore>,
}

impl SharedEndpoint {
    pub(super) fn new(adapter: &Arc<AdapterCore>, local: SocketAddr) -> Result<Self, Error> {
        let endpoint = adapter.backend.create_shared_endpoint(adapter.life.hold(), local);
        let endpoint = endpoint.map_err(|error| endpoint_refused(CREATE, error))?;
        Ok(Self { endpoint, adapter: Arc::clone(adapter) })
    }

    /// Its address and port, with the one that was chosen (`NdkGetSharedEndpointLocalAddress`).
    pub fn local_address(&self) -> SocketAddr {
        self.endpoint.local_address()
    }

    /// Closes the endpoint; pends while a connector over it lives, and so long its address stays taken
    /// (SEP-4).
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.adapter.late_close(self.endpoint.life());
        self.endpoint.close(Some(callback));
        request
    }

    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.adapter
    }
}

impl Drop for SharedEndpoint {
    fn drop(&mut self) {
        if !self.endpoint.life().is_closing() {
            self.endpoint.close(None);
        }
    }
}

impl fmt::Debug for SharedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
