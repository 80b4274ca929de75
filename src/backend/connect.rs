//! Connectors, listeners and shared endpoints of either kind.

use super::Qp;
use super::either::either;
#[cfg(feature = "rdma-core")]
use super::real;
use crate::cm::{ConnectionData, ReadLimits};
use crate::device::connect::{self, ConnectError, Done, ListenError};
use crate::device::lifetime::{Life, Task};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One end of a connection.
#[derive(Clone)]
pub(crate) enum Connector {
    Emulated(Arc<connect::Connector>),
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Connector>),
}

/// The connect event: gets a connector of its own for each request.
pub(crate) type OnConnect = Box<dyn Fn(Connector) + Send + Sync>;

/// A local endpoint over which several connectors connect.
#[derive(Clone, Debug)]
pub(crate) enum SharedEndpoint {
    Emulated(Arc<connect::SharedEndpoint>),
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::SharedEndpoint>),
}

/// Hands over the requests that come to one local endpoint.
#[derive(Clone)]
pub(crate) enum Listener {
    Emulated(Arc<connect::Listener>),
    #[cfg(feature = "rdma-core")]
    Real(Arc<real::Listener>),
}

/// Does the same for a connector and a queue pair, which are of one device.
macro_rules! with_qp {
    ($self:expr, $qp:expr, ($it:ident, $its:ident) => $do:expr) => {
        match ($self, $qp) {
            (Self::Emulated($it), Qp::Emulated($its)) => $do,
            #[cfg(feature = "rdma-core")]
            (Self::Real($it), Qp::Real($its)) => $do,
            #[cfg(feature = "rdma-core")]
            _ => unreachable!("the face judges that both are of one adapter"),
        }
    };
}

impl Connector {
    pub(crate) fn life(&self) -> &Arc<Life> {
        either!(self, it => &it.life)
    }

    /// First leg, active.
    pub(crate) fn connect(
        &self,
        qp: &Qp,
        local: SocketAddr,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        with_qp!(self, qp, (it, qp) => it.connect(qp, local, remote, limits, private_data, done));
    }

    /// First leg, active, from an endpoint that others may connect from too.
    pub(crate) fn connect_shared(
        &self,
        qp: &Qp,
        endpoint: &SharedEndpoint,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        match (self, qp, endpoint) {
            (Self::Emulated(it), Qp::Emulated(qp), SharedEndpoint::Emulated(endpoint)) => {
                it.connect_shared(qp, endpoint, remote, limits, private_data, done);
            }
            #[cfg(feature = "rdma-core")]
            (Self::Real(it), Qp::Real(qp), SharedEndpoint::Real(endpoint)) => {
                it.connect_shared(qp, endpoint, remote, limits, private_data, done);
            }
            #[cfg(feature = "rdma-core")]
            _ => unreachable!("the face judges that all are of one adapter"),
        }
    }

    /// Second leg, passive.
    pub(crate) fn accept(
        &self,
        qp: &Qp,
        limits: ReadLimits,
        private_data: &[u8],
        on_disconnect: Option<Task>,
        done: Done,
    ) {
        with_qp!(self, qp, (it, qp) => it.accept(qp, limits, private_data, on_disconnect, done));
    }

    /// Third leg, active.
    pub(crate) fn complete_connect(&self, on_disconnect: Option<Task>, done: Done) {
        either!(self, it => it.complete_connect(on_disconnect, done));
    }

    pub(crate) fn reject(&self, private_data: &[u8]) -> Result<(), ConnectError> {
        either!(self, it => it.reject(private_data))
    }

    pub(crate) fn disconnect(&self, done: Done) {
        either!(self, it => it.disconnect(done));
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        either!(self, it => it.close(callback));
    }

    pub(crate) fn connection_data(&self) -> Option<(ReadLimits, Vec<u8>)> {
        either!(self, it => it.connection_data())
    }

    pub(crate) fn read_connection_data<R>(&self, read: impl FnOnce(ConnectionData<'_>) -> R) -> Option<R> {
        either!(self, it => it.read_connection_data(read))
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        either!(self, it => it.local_address())
    }

    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        either!(self, it => it.peer_address())
    }
}

impl SharedEndpoint {
    pub(crate) fn life(&self) -> &Arc<Life> {
        either!(self, it => &it.life)
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        either!(self, it => it.local_address())
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        either!(self, it => it.close(callback));
    }
}

impl Listener {
    pub(crate) fn life(&self) -> &Arc<Life> {
        either!(self, it => &it.life)
    }

    pub(crate) fn listen(&self, local: SocketAddr) -> Result<(), ListenError> {
        either!(self, it => it.listen(local))
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        either!(self, it => it.local_address())
    }

    pub(crate) fn pause(&self, pause: bool) {
        either!(self, it => it.pause(pause));
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        either!(self, it => it.close(callback));
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(self, it => it.fmt(f))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(self, it => it.fmt(f))
    }
}
