//! What happens to ids.

use std::sync::Arc;

use rdma_sys as sys;
use sys::rdma_cm_event_type as kind;

use super::channel::{Locked, Shared};
use super::id::Id;
use super::removal::let_go;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The device and port for an address are known.
    AddressResolved,
    /// They are not.
    AddressError,
    /// The way to the peer is known.
    RouteResolved,
    /// It is not.
    RouteError,
    /// A peer wants to connect to a listening id; [`Event::incoming`] is the new id.
    ConnectRequest,
    /// The peer accepted. Its answer waits for [`Id::establish`].
    ConnectResponse,
    /// The connection could not be made; `status` is a negative errno.
    ConnectError,
    /// The peer does not answer; `status` is a negative errno.
    Unreachable,
    /// The peer rejected; `status` is the reason, 28 for one that a program gave.
    Rejected,
    /// The connection stands.
    Established,
    /// The peer, or this end, disconnected.
    Disconnected,
    /// The device goes away; the id is to be dropped. The removal waits until all that was opened is closed.
    DeviceRemoval,
    /// The network changed in a way that the id's address does not fit any more.
    AddressChange,
    /// A disconnected queue pair may be used again.
    TimeWaitExit,
    /// A number that this crate does not know.
    Other(u32),
}

impl EventKind {
    fn new(number: u32) -> Self {
        match number {
            kind::RDMA_CM_EVENT_ADDR_RESOLVED => Self::AddressResolved,
            kind::RDMA_CM_EVENT_ADDR_ERROR => Self::AddressError,
            kind::RDMA_CM_EVENT_ROUTE_RESOLVED => Self::RouteResolved,
            kind::RDMA_CM_EVENT_ROUTE_ERROR => Self::RouteError,
            kind::RDMA_CM_EVENT_CONNECT_REQUEST => Self::ConnectRequest,
            kind::RDMA_CM_EVENT_CONNECT_RESPONSE => Self::ConnectResponse,
            kind::RDMA_CM_EVENT_CONNECT_ERROR => Self::ConnectError,
            kind::RDMA_CM_EVENT_UNREACHABLE => Self::Unreachable,
            kind::RDMA_CM_EVENT_REJECTED => Self::Rejected,
            kind::RDMA_CM_EVENT_ESTABLISHED => Self::Established,
            kind::RDMA_CM_EVENT_DISCONNECTED => Self::Disconnected,
            kind::RDMA_CM_EVENT_DEVICE_REMOVAL => Self::DeviceRemoval,
            kind::RDMA_CM_EVENT_ADDR_CHANGE => Self::AddressChange,
            kind::RDMA_CM_EVENT_TIMEWAIT_EXIT => Self::TimeWaitExit,
            other => Self::Other(other),
        }
    }

    /// Whether the event carries what the peer said of the connection.
    fn has_parameters(self) -> bool {
        use EventKind::{ConnectRequest, ConnectResponse, Established, Rejected};
        matches!(self, ConnectRequest | ConnectResponse | Established | Rejected)
    }
}

/// What the peer said of the connection, as seen from this end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The peer's private data, padded with zeroes to the room that the message has.
    ///
    /// 56 bytes of a connect request, 196 of a response, 148 of a rejection: the message does not say how
    /// many of them the peer gave. Empty on events that bring none.
    pub private_data: Vec<u8>,
    /// Reads and atomics that this end may be asked to answer at a time.
    pub responder_resources: u8,
    /// Reads and atomics that this end may have outstanding.
    pub initiator_depth: u8,
    /// Retries without an answer.
    pub retry_count: u8,
    /// Retries without a receive.
    pub rnr_retry_count: u8,
    /// Number of the peer's queue pair.
    pub qp_number: u32,
}

/// One event.
#[derive(Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which id: its [`Id::key`]; of a connect request the listening one's.
    pub id: u64,
    /// Zero, or why: see the kinds.
    pub status: i32,
    /// What the peer said, of the kinds that carry it.
    pub parameters: Option<Parameters>,
    /// The new id of a connect request. Dropping it rejects the request.
    pub incoming: Option<Id>,
}

impl Event {
    /// Copies an event, and takes over its new id if it brings one.
    ///
    /// # Safety
    /// `raw` was taken from `channel`, of which `locked` is the lock, and is not acknowledged.
    pub(super) unsafe fn read(
        raw: &sys::rdma_cm_event,
        channel: &Arc<Shared>,
        locked: &mut Locked<'_>,
    ) -> Self {
        let kind = EventKind::new(raw.event);
        let is_request = kind == EventKind::ConnectRequest;
        let subject = if is_request { raw.listen_id } else { raw.id };
        // SAFETY: an id is there until the event is acknowledged; its context is the key that it was given.
        let id = unsafe { (*subject).context } as u64;
        // SAFETY: a connect request brings a new id, which is nobody else's.
        let incoming = is_request.then(|| unsafe { Id::adopt(raw.id, channel, locked) });
        if kind == EventKind::DeviceRemoval {
            // SAFETY: the id is there, and so is the context that librdmacm opened for it.
            unsafe { let_go((*subject).verbs) };
        }
        // SAFETY: these kinds have filled in the connection's parameters.
        let parameters = kind.has_parameters().then(|| unsafe { read_parameters(&raw.param.conn) });
        Self { kind, id, status: raw.status, parameters, incoming }
    }
}

/// # Safety
/// `raw` was filled in by the library, and its private data are still there.
unsafe fn read_parameters(raw: &sys::rdma_conn_param) -> Parameters {
    let private_data = if raw.private_data.is_null() {
        Vec::new()
    } else {
        // SAFETY: the library says so many bytes are there.
        let bytes =
            unsafe { std::slice::from_raw_parts(raw.private_data.cast::<u8>(), raw.private_data_len.into()) };
        bytes.to_vec()
    };
    Parameters {
        private_data,
        responder_resources: raw.responder_resources,
        initiator_depth: raw.initiator_depth,
        retry_count: raw.retry_count,
        rnr_retry_count: raw.rnr_retry_count,
        qp_number: raw.qp_num,
    }
}

#[test]
fn kinds_are_told_by_number() {
    assert_eq!(EventKind::new(kind::RDMA_CM_EVENT_ESTABLISHED), EventKind::Established);
    assert_eq!(EventKind::new(kind::RDMA_CM_EVENT_TIMEWAIT_EXIT), EventKind::TimeWaitExit);
    assert_eq!(EventKind::new(99), EventKind::Other(99));
    assert!(EventKind::Rejected.has_parameters() && !EventKind::Disconnected.has_parameters());
}
