//! Connectors: connect, accept, and parting again.

use super::adapter::AdapterCore;
use super::handle;
use super::request::{self, Request};
use super::{Error, Qp, Status, limits};
use crate::cm::{CallError, EndpointError, Outcome, ReadLimits, Refusal, TooLong};
use crate::device::connect::{self, ConnectError};
use crate::device::lifetime::Task;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

const CONNECT: &str = "NdkConnect";
const ACCEPT: &str = "NdkAccept";

/// What an adapter can do at most.
pub(super) const MAXIMUM: ReadLimits = ReadLimits { inbound: limits::READS, outbound: limits::READS };

/// One end of a connection.
///
/// Made by [`Adapter::create_connector`](super::Adapter::create_connector) to connect, or handed over by a
/// listener to accept. Three legs make a connection, and the active consumer drives the third:
///
/// ```text
/// active                              passive
/// connect            ------------>    the listener's closure, with a new connector
/// connect is done    <------------    accept
/// complete_connect   ------------>    accept is done
/// ```
///
/// A connector that is closed or dropped refuses, gives up or breaks off what it finds. To part in good
/// order, both sides [`disconnect`](Self::disconnect).
pub struct Connector {
    connector: Arc<connect::Connector>,
    adapter: Arc<AdapterCore>,
}

/// What is called when the peer parts or the connection breaks: at most once, and not for what this side did
/// itself.
///
/// Any closure converts into it. It must not block, and may make any call but the adapter's close. For a
/// graceful parting it comes while requests are still pending, and cancels none (CONN-30).
#[derive(Default)]
pub struct OnDisconnect(Option<Task>);

impl OnDisconnect {
    /// Nothing is called.
    pub fn ignore() -> Self {
        Self(None)
    }
}

impl<F: FnOnce() + Send + 'static> From<F> for OnDisconnect {
    fn from(event: F) -> Self {
        Self(Some(Box::new(event)))
    }
}

impl fmt::Debug for OnDisconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "OnDisconnect(closure)" } else { "OnDisconnect(ignore)" })
    }
}

/// What the peer said when it asked, accepted or rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionData {
    /// The read limits that hold, as far as they are agreed.
    pub limits: ReadLimits,
    /// The peer's private data, as long as it was sent.
    pub private_data: Vec<u8>,
}

impl Connector {
    pub(super) fn new(adapter: &Arc<AdapterCore>) -> Self {
        let backend = &adapter.backend;
        let hold = adapter.life.hold();
        let connector = connect::Connector::new(backend.exchange(), hold, backend.addresses(), MAXIMUM);
        Self::incoming(connector, adapter)
    }

    pub(super) fn incoming(connector: Arc<connect::Connector>, adapter: &Arc<AdapterCore>) -> Self {
        Self { connector, adapter: Arc::clone(adapter) }
    }

    /// First leg, active: asks `remote` for a connection of `qp`, from `local` (`NdkConnect`).
    ///
    /// Done when the peer has accepted. Read its words then, and [`complete_connect`](Self::complete_connect)
    /// or [`reject`](Self::reject). Port 0 of `local` chooses one from 49152-65535. `limits` above the
    /// adapter's are capped silently. If it fails, the queue pair is as it was, its receives still queued
    /// (CONN-22).
    ///
    /// # Errors
    /// CONNECTION_REFUSED: nobody listens there, or the peer rejected. NETWORK_UNREACHABLE, HOST_UNREACHABLE:
    /// there is no such address in the NET. IO_TIMEOUT: no answer. After these four the same connector may
    /// try again. SHARING_VIOLATION, INVALID_ADDRESS, TOO_MANY_ADDRESSES: of `local`. ADDRESS_ALREADY_EXISTS:
    /// these two are connected. CONNECTION_ACTIVE: connector or queue pair have a connection, or had one.
    /// INVALID_BUFFER_SIZE: more private data than [`max_caller_data`](super::AdapterInfo::max_caller_data).
    pub fn connect(
        &self,
        qp: &Qp,
        local: SocketAddr,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
    ) -> Request<()> {
        if let Err(error) = self.check_qp(CONNECT, qp) {
            return request::ready(Err(error));
        }
        let (done, request) = done(CONNECT);
        self.connector.connect(&qp.qp, local, remote, limits, private_data, done);
        request
    }

    /// Second leg, passive: takes the peer's request with `qp` (`NdkAccept`).
    ///
    /// Done when the peer has completed: connected.
    ///
    /// # Errors
    /// CONNECTION_ABORTED: the peer gave up. CONNECTION_REFUSED: it rejected or closed after the accept
    /// (Q-17). IO_TIMEOUT: it never completed. CONNECTION_INVALID: not an incoming connector that waits for
    /// its answer. CONNECTION_ACTIVE: the queue pair has or had a connection. INVALID_BUFFER_SIZE: more
    /// private data than [`max_callee_data`](super::AdapterInfo::max_callee_data).
    pub fn accept(
        &self,
        qp: &Qp,
        limits: ReadLimits,
        private_data: &[u8],
        on_disconnect: impl Into<OnDisconnect>,
    ) -> Request<()> {
        if let Err(error) = self.check_qp(ACCEPT, qp) {
            return request::ready(Err(error));
        }
        let (done, request) = done(ACCEPT);
        self.connector.accept(&qp.qp, limits, private_data, on_disconnect.into().0, done);
        request
    }

    /// Third leg, active: connected (`NdkCompleteConnect`).
    ///
    /// # Errors
    /// CONNECTION_INVALID: no connect of this connector has succeeded. CONNECTION_ABORTED: the accepting peer
    /// gave up.
    pub fn complete_connect(&self, on_disconnect: impl Into<OnDisconnect>) -> Request<()> {
        let (done, request) = done("NdkCompleteConnect");
        self.connector.complete_connect(on_disconnect.into().0, done);
        request
    }

    /// No: passive instead of accept, active instead of complete connect (`NdkReject`).
    ///
    /// # Errors
    /// CONNECTION_ABORTED: the peer had given up before (CONN-11). CONNECTION_INVALID: there is nothing to
    /// reject. INVALID_BUFFER_SIZE: more private data than
    /// [`max_callee_data`](super::AdapterInfo::max_callee_data).
    pub fn reject(&self, private_data: &[u8]) -> Result<(), Error> {
        self.connector.reject(private_data).map_err(|refusal| failed("NdkReject", refusal))
    }

    /// Takes leave (`NdkDisconnect`).
    ///
    /// Done when the peer has disconnected as well, everything pending was cancelled into the completion
    /// queue, and no byte of a buffer of the queue pair changes any more. However it ends, the connection is
    /// gone, and neither connector nor queue pair connects again (CONN-36).
    ///
    /// # Errors
    /// IO_TIMEOUT: the peer did not disconnect in time. CONNECTION_ABORTED: the connection broke meanwhile.
    /// CONNECTION_INVALID: not connected.
    pub fn disconnect(&self) -> Request<()> {
        let (done, request) = done("NdkDisconnect");
        self.connector.disconnect(done);
        request
    }

    /// Read limits and what the peer said (`NdkGetConnectionData`).
    ///
    /// # Errors
    /// CONNECTION_INVALID: the peer has said nothing yet, or accept or complete connect was called.
    pub fn connection_data(&self) -> Result<ConnectionData, Error> {
        let data = self.connector.connection_data();
        data.map(|(limits, private_data)| ConnectionData { limits, private_data }).ok_or_else(|| {
            Error::new("NdkGetConnectionData", Status::CONNECTION_INVALID).with_hint(
                "call it when connect is done or in the connect event, before accept and complete connect",
            )
        })
    }

    /// This end's address and port (`NdkGetLocalAddress`).
    ///
    /// # Errors
    /// CONNECTION_INVALID before the first connect.
    pub fn local_address(&self) -> Result<SocketAddr, Error> {
        self.connector.local_address().ok_or_else(|| no_address("NdkGetLocalAddress"))
    }

    /// The other end's address and port (`NdkGetPeerAddress`).
    ///
    /// # Errors
    /// CONNECTION_INVALID before the first connect.
    pub fn peer_address(&self) -> Result<SocketAddr, Error> {
        self.connector.peer_address().ok_or_else(|| no_address("NdkGetPeerAddress"))
    }

    /// Closes the connector; pends while one of its requests or events does.
    ///
    /// What it finds is refused, given up or broken off: the peer of a connection hears its disconnect event,
    /// this side does not, and the queue pair is flushed (CLOSE-12).
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.connector.close(Some(callback));
        request
    }

    fn check_qp(&self, call: &'static str, qp: &Qp) -> Result<(), Error> {
        if Arc::ptr_eq(&qp.adapter, &self.adapter) {
            return Ok(());
        }
        Err(Error::new(call, Status::INVALID_PARAMETER)
            .with_argument("Qp", "of another adapter")
            .with_hint("create queue pair and connector on one adapter"))
    }
}

/// What the device calls at the end, always as a callback, and the request that it completes.
fn done(call: &'static str) -> (connect::Done, Request<()>) {
    let (completer, request) = request::pending();
    let done = move |result: Result<(), ConnectError>| {
        completer.complete_in_callback(result.map_err(|error| failed(call, error)));
    };
    (Box::new(done), request)
}

#[cold]
fn no_address(call: &'static str) -> Error {
    Error::new(call, Status::CONNECTION_INVALID).with_hint("connect first")
}

#[cold]
fn failed(call: &'static str, error: ConnectError) -> Error {
    match error {
        ConnectError::Call(error) => wrong_time(call, error),
        ConnectError::Endpoint(error) => endpoint_refused(call, error),
        ConnectError::PrivateData(TooLong { got, max, .. }) => Error::new(call, Status::INVALID_BUFFER_SIZE)
            .with_argument("PrivateDataLength", got)
            .with_limit(max)
            .with_hint("send the rest when connected"),
        ConnectError::QpBusy { .. } => {
            Error::new(call, Status::CONNECTION_ACTIVE).with_source(error).with_hint(
                "use another queue pair: this one has a connection, or had one; it is never connected twice",
            )
        }
        ConnectError::Failed { outcome, .. } => ended(call, outcome),
    }
}

fn wrong_time(call: &'static str, error: CallError) -> Error {
    let (status, hint) = match error.refusal {
        Refusal::Active => {
            (Status::CONNECTION_ACTIVE, "use another connector: this one has a connection or an attempt")
        }
        Refusal::Invalid => (Status::CONNECTION_INVALID, "make the call in the state that it belongs to"),
    };
    Error::new(call, status)
        .with_argument("the connector", format_args!("{:?}", error.state))
        .with_hint(hint)
        .with_source(error)
}

/// Why a local address could not be had.
#[cold]
pub(super) fn endpoint_refused(call: &'static str, error: EndpointError) -> Error {
    let (status, got, hint) = match error {
        EndpointError::InvalidAddress { address } => {
            (Status::INVALID_ADDRESS, address.to_string(), "use one of the adapter's addresses")
        }
        EndpointError::SharingViolation { address } => (
            Status::SHARING_VIOLATION,
            address.to_string(),
            "use port 0, or close whoever has it and all connectors over it",
        ),
        EndpointError::TooManyAddresses { address } => {
            (Status::TOO_MANY_ADDRESSES, address.to_string(), "close some connectors or listeners")
        }
        EndpointError::AlreadyExists { local, .. } => {
            (Status::ADDRESS_ALREADY_EXISTS, local.to_string(), "use another local port")
        }
    };
    Error::new(call, status).with_argument("LocalAddress", got).with_hint(hint).with_source(error)
}

fn ended(call: &'static str, outcome: Outcome) -> Error {
    let (status, hint) = match outcome {
        Outcome::Refused => (Status::CONNECTION_REFUSED, "see that the peer listens there and accepts"),
        Outcome::Aborted => (Status::CONNECTION_ABORTED, "begin anew with another connector and queue pair"),
        Outcome::TimedOut => {
            (Status::IO_TIMEOUT, "see that the peer's consumer answers; the limits are the NET's")
        }
        Outcome::AddressExists => (Status::ADDRESS_ALREADY_EXISTS, "use another local port"),
        Outcome::NetworkUnreachable => {
            (Status::NETWORK_UNREACHABLE, "connect to an address of the same family as the local one")
        }
        Outcome::HostUnreachable => {
            (Status::HOST_UNREACHABLE, "connect to an address of an adapter of this NET")
        }
        Outcome::Cancelled => (Status::CANCELLED, "the connector was closed meanwhile"),
        // The device brings successes as such; one that came here would be its bug.
        Outcome::Success => (Status::INTERNAL_ERROR, "report this as a bug of qpair"),
    };
    Error::new(call, status).with_hint(hint)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connector.fmt(f)
    }
}
