//! Connectors: connect, accept, and parting again.

use super::adapter::AdapterCore;
use super::handle;
use super::request::{self, Request};
use super::{AdapterFlags, Error, Qp, SharedEndpoint, Status};
use crate::backend;
use crate::cm::{CallError, EndpointError, Outcome, ReadLimits, Refusal, TooLong};
use crate::device::connect::{self, ConnectError};
use crate::device::lifetime::Task;
use crate::planted::planted;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

const CONNECT: &str = "NdkConnect";
const CONNECT_SHARED: &str = "NdkConnectWithSharedEndpoint";
const ACCEPT: &str = "NdkAccept";
const COMPLETE: &str = "NdkCompleteConnect";
const REJECT: &str = "NdkReject";
const DISCONNECT: &str = "NdkDisconnect";

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
    connector: backend::Connector,
    adapter: Arc<AdapterCore>,
}

/// What is called when the peer parts or the connection breaks: at most once, and not for what this side did
/// itself.
///
/// Any closure converts into it; [`with_reason`](Self::with_reason) is the `_EX` form. It must not block, and
/// may make any call but the adapter's close. For a graceful parting it comes while requests are still
/// pending, and cancels none (CONN-30).
#[derive(Default)]
pub struct OnDisconnect(Event);

#[derive(Default)]
enum Event {
    #[default]
    Ignored,
    Plain(Task),
    WithReason(Box<dyn FnOnce(u32) + Send>),
}

impl OnDisconnect {
    /// Nothing is called.
    pub fn ignore() -> Self {
        Self::default()
    }

    /// Calls `event` with the provider's reason (`NDK_FN_DISCONNECT_EVENT_CALLBACK_EX`).
    ///
    /// 0: no reason is known (CONN-40), which is always so but for
    /// [`Faults::disconnect_reason`](super::Faults::disconnect_reason).
    pub fn with_reason(event: impl FnOnce(u32) + Send + 'static) -> Self {
        Self(Event::WithReason(Box::new(event)))
    }

    /// What the device calls, for a connector of `adapter`.
    fn task(self, adapter: &Arc<AdapterCore>) -> Option<Task> {
        if planted!(EventLost, "the disconnect event is not called") {
            return None;
        }
        match self.0 {
            Event::Ignored => None,
            Event::Plain(event) => Some(event),
            Event::WithReason(event) => {
                let adapter = Arc::clone(adapter);
                Some(Box::new(move || event(adapter.disconnect_reason())))
            }
        }
    }
}

impl<F: FnOnce() + Send + 'static> From<F> for OnDisconnect {
    fn from(event: F) -> Self {
        Self(Event::Plain(Box::new(event)))
    }
}

impl fmt::Debug for OnDisconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Event::Ignored => "OnDisconnect(ignore)",
            Event::Plain(_) => "OnDisconnect(closure)",
            Event::WithReason(_) => "OnDisconnect(closure with reason)",
        })
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

/// What [`Connector::connection_data_into`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionDataSize {
    /// SUCCESS, or BUFFER_TOO_SMALL: only what fitted was copied (CONN-16).
    pub status: Status,
    /// Bytes that all of it takes. More than the peer has sent: what a message has room for.
    pub required: usize,
    /// The read limits that hold, as far as they are agreed.
    pub limits: ReadLimits,
}

impl Connector {
    pub(super) fn new(adapter: &Arc<AdapterCore>) -> Self {
        let connector = adapter.backend.create_connector(adapter.life.hold(), adapter.read_limits());
        Self::incoming(connector, adapter)
    }

    pub(super) fn incoming(connector: backend::Connector, adapter: &Arc<AdapterCore>) -> Self {
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
        if let Err(error) = self.check_connect(CONNECT, qp, local, remote, private_data) {
            return request::ready(Err(error));
        }
        let (done, request) = self.done(CONNECT);
        self.connector.connect(&qp.qp, local, remote, limits, private_data, done);
        request
    }

    /// As [`connect`](Self::connect), from an endpoint that others may connect from too
    /// (`NdkConnectWithSharedEndpoint`).
    ///
    /// # Errors
    /// As [`connect`](Self::connect). ADDRESS_ALREADY_EXISTS: another connector of the endpoint is connected
    /// with that peer (SEP-2).
    pub fn connect_with_shared_endpoint(
        &self,
        qp: &Qp,
        endpoint: &SharedEndpoint,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
    ) -> Request<()> {
        let local = endpoint.local_address();
        let checked = self.check_connect(CONNECT_SHARED, qp, local, remote, private_data);
        if let Err(error) = checked.and_then(|()| self.check_endpoint(endpoint)) {
            return request::ready(Err(error));
        }
        let (done, request) = self.done(CONNECT_SHARED);
        self.connector.connect_shared(&qp.qp, &endpoint.endpoint, remote, limits, private_data, done);
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
        let checked = self.check_qp(ACCEPT, qp).and_then(|()| self.check_answer(ACCEPT, private_data));
        if let Err(error) = checked {
            return request::ready(Err(error));
        }
        let (done, request) = self.done(ACCEPT);
        let event = self.event(on_disconnect.into());
        self.connector.accept(&qp.qp, limits, private_data, event, done);
        request
    }

    /// Third leg, active: connected (`NdkCompleteConnect`).
    ///
    /// # Errors
    /// CONNECTION_INVALID: no connect of this connector has succeeded. CONNECTION_ABORTED: the accepting peer
    /// gave up.
    pub fn complete_connect(&self, on_disconnect: impl Into<OnDisconnect>) -> Request<()> {
        if let Err(error) = self.adapter.check_present(COMPLETE) {
            return request::ready(Err(error));
        }
        let (done, request) = self.done(COMPLETE);
        self.connector.complete_connect(self.event(on_disconnect.into()), done);
        request
    }

    /// No: passive instead of accept, active instead of complete connect (`NdkReject`).
    ///
    /// # Errors
    /// CONNECTION_ABORTED: the peer had given up before (CONN-11). CONNECTION_INVALID: there is nothing to
    /// reject. INVALID_BUFFER_SIZE: more private data than
    /// [`max_callee_data`](super::AdapterInfo::max_callee_data).
    pub fn reject(&self, private_data: &[u8]) -> Result<(), Error> {
        self.adapter.check_present(REJECT)?;
        self.check_answer(REJECT, private_data)?;
        self.connector.reject(private_data).map_err(|refusal| failed(REJECT, refusal))
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
        if let Err(error) = self.adapter.check_present(DISCONNECT) {
            return request::ready(Err(error));
        }
        let (done, request) = self.done(DISCONNECT);
        self.connector.disconnect(done);
        request
    }

    /// Read limits and what the peer said (`NdkGetConnectionData`).
    ///
    /// # Errors
    /// CONNECTION_INVALID: the peer has said nothing yet, or accept or complete connect was called.
    pub fn connection_data(&self) -> Result<ConnectionData, Error> {
        let data = self.connector.connection_data();
        data.map(|(limits, private_data)| ConnectionData { limits, private_data }).ok_or_else(no_data)
    }

    /// The same as NDK has it: the private data into a buffer, padded with zeros.
    ///
    /// How much the peer has sent is not told, only how much its message has room for: 56 bytes of a connect,
    /// 196 of an accept, 148 of a reject. No buffer at all asks for that size (CONN-15); a shorter one gets
    /// what fits (CONN-16). Bytes of a longer one are left as they are.
    ///
    /// # Errors
    /// As [`connection_data`](Self::connection_data); nothing is copied.
    pub fn connection_data_into(&self, buffer: &mut [u8]) -> Result<ConnectionDataSize, Error> {
        let read = self.connector.read_connection_data(|data| {
            let padded = data.private_data.iter().copied().chain(std::iter::repeat(0)).take(data.room);
            buffer.iter_mut().zip(padded).for_each(|(place, byte)| *place = byte);
            let complete = buffer.is_empty() || buffer.len() >= data.room;
            let status = if complete { Status::SUCCESS } else { Status::BUFFER_TOO_SMALL };
            ConnectionDataSize { status, required: data.room, limits: data.limits }
        });
        read.ok_or_else(no_data)
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
        self.adapter.late_close(self.connector.life());
        self.connector.close(Some(callback));
        request
    }

    pub(super) fn adapter(&self) -> &Arc<AdapterCore> {
        &self.adapter
    }

    /// What the device calls at the end of a call, and the request that it completes.
    fn done(&self, call: &'static str) -> (connect::Done, Request<()>) {
        self.adapter.connecting(call, self.connector.life(), failed)
    }

    /// What the device calls when the peer parts.
    fn event(&self, event: OnDisconnect) -> Option<Task> {
        self.adapter.event(self.connector.life(), event.task(&self.adapter))
    }

    fn check_connect(
        &self,
        call: &'static str,
        qp: &Qp,
        local: SocketAddr,
        remote: SocketAddr,
        private_data: &[u8],
    ) -> Result<(), Error> {
        self.check_qp(call, qp)?;
        let loopback = self.adapter.flags().contains(AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED);
        if !loopback && local.ip() == remote.ip() {
            return Err(Error::new(call, Status::CONNECTION_REFUSED)
                .with_argument("DestinationAddress", remote)
                .with_hint("connect to another address: this adapter has no loopback connections"));
        }
        within(call, private_data, self.adapter.limits().max_caller_data)
    }

    fn check_answer(&self, call: &'static str, private_data: &[u8]) -> Result<(), Error> {
        within(call, private_data, self.adapter.limits().max_callee_data)
    }

    fn check_endpoint(&self, endpoint: &SharedEndpoint) -> Result<(), Error> {
        if Arc::ptr_eq(endpoint.adapter(), &self.adapter) {
            return Ok(());
        }
        Err(Error::new(CONNECT_SHARED, Status::INVALID_PARAMETER)
            .with_argument("SharedEndpoint", "of another adapter")
            .with_hint("create endpoint and connector on one adapter"))
    }

    fn check_qp(&self, call: &'static str, qp: &Qp) -> Result<(), Error> {
        self.adapter.check_present(call)?;
        if Arc::ptr_eq(&qp.adapter, &self.adapter) {
            return Ok(());
        }
        Err(Error::new(call, Status::INVALID_PARAMETER)
            .with_argument("Qp", "of another adapter")
            .with_hint("create queue pair and connector on one adapter"))
    }
}

/// Judges private data by the adapter's limit; the engine's own is judged by the device.
fn within(call: &'static str, private_data: &[u8], max: usize) -> Result<(), Error> {
    if private_data.len() <= max { Ok(()) } else { Err(too_long(call, private_data.len(), max)) }
}

#[cold]
fn too_long(call: &'static str, got: usize, max: usize) -> Error {
    Error::new(call, Status::INVALID_BUFFER_SIZE)
        .with_argument("PrivateDataLength", got)
        .with_limit(max)
        .with_hint("send the rest when connected")
}

#[cold]
fn no_data() -> Error {
    Error::new("NdkGetConnectionData", Status::CONNECTION_INVALID)
        .with_hint("call it when connect is done or in the connect event, before accept and complete connect")
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
        ConnectError::PrivateData(TooLong { got, max, .. }) => too_long(call, got, max),
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
