//! Connectors: the messages of the machine of `cm` are calls of rdma_cm here.
//!
//! | the machine says | rdma_cm does | rdma_cm tells | the machine hears |
//! |---|---|---|---|
//! | Req | resolve address and route, connect | ConnectResponse | Rep |
//! | Rep | accept | Established | Rtu |
//! | Rtu | establish | Rejected | Rej |
//! | Rej | reject | Unreachable, errors | a time-out, unreachable |
//! | Dreq, Drep, Gone | disconnect | Disconnected | Drep if it has said Dreq, else Dreq |
//!
//! What follows when, and what the consumer hears of it, is the side's matter, the same as within a process
//! ([`device::connect`](crate::device::connect)). The way to the peer is an id of rdma_cm; what it tells
//! comes by [`hear`](super::hear). None of the calls waits for a peer, and none calls back.

#![forbid(unsafe_code)]

use super::endpoint::{bound, take, unfit};
use super::hear::told;
use super::{Adapter, Qp};
use crate::cm::{
    Action, Body, CallName, EndpointError, Message, Notice, Outcome, ReadLimits, RejReason, State, Timeouts,
    Unreachable,
};
use crate::device::connect::messenger::{Messenger, Opened, Taken};
use crate::device::connect::{self, side};
use crate::time::Time;
use qpair_rdma_core as rdma;
use qpair_rdma_core::cm::{Connection, Id};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One end of a connection; dropped, it is closed without a callback.
pub(crate) type Connector = connect::Connector<RdmaCm>;
/// A local endpoint over which several connectors connect.
pub(crate) type SharedEndpoint = connect::SharedEndpoint<RdmaCm>;
/// Hands over the requests that come to one local endpoint.
pub(crate) type Listener = connect::Listener<RdmaCm>;
pub(super) type Side = side::Side<RdmaCm>;
pub(super) type Book = side::Book<RdmaCm>;

/// How long rdma_cm may look for an address, and for the way there.
pub(super) const RESOLVE: Duration = Duration::from_secs(2);

/// Requests that may wait in the kernel for this thread to take them.
const BACKLOG: u32 = 1024;

/// Brings messages to peers by the connection manager of the kernel.
pub(crate) struct RdmaCm {
    pub(super) adapter: Arc<Adapter>,
}

/// What is kept of a side.
#[derive(Default)]
pub(crate) struct Notes {
    /// What this side has said in its request, until there is a way to the peer.
    pub(super) request: Option<(ReadLimits, Vec<u8>)>,
    /// The queue pair could not be made ready, which the machine hears: there is no reply.
    unready: bool,
    /// The peer had given up before the reject, which only the reject that fails tells.
    rejected_nobody: bool,
}

impl RdmaCm {
    pub(crate) fn new(adapter: &Arc<Adapter>) -> Self {
        Self { adapter: Arc::clone(adapter) }
    }
}

impl Messenger for RdmaCm {
    type Qp = Qp;
    /// An id that is bound to it.
    type Bound = Id;
    type Way = Arc<Id>;
    type Notes = Notes;

    fn another(&self) -> Self {
        Self::new(&self.adapter)
    }

    fn timeouts(&self) -> Timeouts {
        self.adapter.timeouts
    }

    fn now(&self) -> Time {
        self.adapter.now()
    }

    fn endpoint(&self, local: SocketAddr, remote: SocketAddr) -> Result<Taken<Self>, EndpointError> {
        let (endpoint, id) = take(&self.adapter, local, false, |ports| ports.connect(local, remote))?;
        Ok((endpoint, Some(Arc::new(id))))
    }

    fn open(&self, local: SocketAddr, shared: bool) -> Result<Opened<Self>, EndpointError> {
        take(&self.adapter, local, shared, |ports| ports.open(local))
    }

    fn way_from(&self, local: SocketAddr) -> Result<Option<Arc<Id>>, EndpointError> {
        Ok(Some(Arc::new(bound(&self.adapter, local, true)?)))
    }

    fn listen(listener: &Arc<Listener>, local: SocketAddr, id: &Id) -> Result<(), EndpointError> {
        let adapter = &listener.messenger.adapter;
        adapter.know_listener(id, listener);
        id.listen(BACKLOG).map_err(|error| {
            adapter.forget_listener(id);
            unfit(local, &error)
        })
    }

    fn withdraw(&self, id: Id) {
        self.adapter.forget_listener(&id);
    }

    /// An id serves one attempt, and says farewell once.
    fn is_last(action: &Action) -> bool {
        match action {
            Action::Complete(CallName::Connect, end) => *end != Outcome::Success,
            Action::Send(message) => matches!(message.body, Body::Rej { .. } | Body::Gone),
            _ => false,
        }
    }

    fn send(side: &Arc<Side>, message: Message, qp: Option<Arc<Qp>>, id: Option<Arc<Id>>) {
        let Some(id) = id else { return };
        let sent = match message.body {
            Body::Req(request) => {
                side.book().notes.request = Some((request.limits, request.private_data.as_bytes().to_vec()));
                // Known before it can be told of.
                side.messenger.adapter.know_side(&id, side);
                id.resolve_address(None, request.route.peer, RESOLVE) // the rest follows upon the events
            }
            Body::Rep(reply) => match qp.filter(|_| !side.book().notes.unready) {
                Some(qp) => id.accept(&connection(&qp, reply.limits, reply.private_data.as_bytes())),
                None => Ok(()),
            },
            Body::Rtu => id.establish(),
            // Destroying the id says it. A reject of a request that is still out leaves Linux's connection
            // manager waiting for itself when the id is destroyed.
            Body::Rej { reason: RejReason::GaveUp, .. } => Ok(()),
            Body::Rej { private_data, .. } => {
                let sent = id.reject(private_data.as_bytes());
                side.book().notes.rejected_nobody = sent.is_err();
                sent
            }
            Body::Dreq | Body::Drep | Body::Gone => id.disconnect(),
        };
        if let Err(error) = sent {
            side.input(|book, now, actions| not_sent(book, now, actions, &error));
        }
    }

    fn make_ready(side: &Arc<Side>, qp: &Arc<Qp>, id: Option<Arc<Id>>, limits: ReadLimits) {
        let Some(id) = id else { return };
        if let Err(error) = qp.ready(&id, limits) {
            tracing::error!(qp = qp.number(), %error, "not made ready for its connection");
            side.book().notes.unready = true;
            side.notice(Notice::QpFatal);
        }
    }

    /// By itself, or for want of a peer that had taken its leave ([`probe`](super::probe)).
    fn broken(book: &mut Book, now: Time, actions: &mut Vec<Action>) {
        match &book.qp {
            Some(qp) if qp.probe.is_gone() => told(book, now, Body::Gone, actions),
            _ => book.machine.handle_notice(now, Notice::QpFatal, actions),
        }
    }

    fn part(&self, id: Arc<Id>) {
        self.adapter.forget_side(&id);
    }

    fn rejected_nobody(notes: &Notes) -> bool {
        notes.rejected_nobody
    }
}

/// What the machine makes of a call of rdma_cm that was refused.
pub(super) fn not_sent(book: &mut Book, now: Time, actions: &mut Vec<Action>, error: &rdma::Error) {
    tracing::debug!(%error, state = ?book.machine.state(), "the connection manager refuses");
    let notice = match book.machine.state() {
        State::Connecting => Notice::Unreachable(Unreachable::Host),
        // Its peer gave up before the accept, which librdmacm does not tell otherwise.
        State::Accepting | State::Connected => Notice::QpFatal,
        _ => return, // of a connection that is gone: nobody waits for it
    };
    book.machine.handle_notice(now, notice, actions);
}

/// What this end says of a connection.
pub(super) fn connection<'d>(qp: &Qp, limits: ReadLimits, private_data: &'d [u8]) -> Connection<'d> {
    let byte = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
    Connection {
        srq: qp.srq.is_some(),
        private_data,
        responder_resources: byte(limits.inbound),
        initiator_depth: byte(limits.outbound),
        ..Connection::new(qp.number())
    }
}
