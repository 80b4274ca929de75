//! What the connection manager tells a side, as messages and notices of its machine, and a listener, as
//! requests.

#![forbid(unsafe_code)]

use super::connect::{Book, Listener, RESOLVE, Side, connection, not_sent};
use crate::cm::{
    self, Action, Attempt, Body, Message, Notice, PrivateData, QpAddress, ReadLimits, RejReason, Reply,
    Request, Route, State, Unreachable,
};
use crate::device::connect::messenger::Messenger;
use crate::time::Time;
use crate::work::Qpn;
use qpair_rdma_core as rdma;
use qpair_rdma_core::cm::{Event, EventKind, Id, Parameters};
use std::sync::Arc;

/// Reasons of a rejection (IBTA 12.6.7.2).
const STALE: i32 = 10;

impl Side {
    /// The connection manager says something.
    pub(super) fn hear(self: &Arc<Self>, event: Event) {
        let Event { kind, status, parameters, id, .. } = event;
        self.input(|book, now, actions| {
            if book.way.as_ref().is_none_or(|way| way.key() != id) {
                return; // of an attempt that is over
            }
            match kind {
                EventKind::AddressResolved => {
                    let step = call(book, |id| id.resolve_route(RESOLVE));
                    step.unwrap_or_else(|error| not_sent(book, now, actions, &error));
                }
                EventKind::RouteResolved => {
                    let step = ask_peer(book);
                    step.unwrap_or_else(|error| not_sent(book, now, actions, &error));
                }
                EventKind::AddressError => unreachable(book, now, Unreachable::Host, actions),
                EventKind::RouteError => unreachable(book, now, Unreachable::Network, actions),
                EventKind::ConnectResponse => {
                    let (qp, limits, private_data) = words(parameters.as_ref());
                    told(book, now, Body::Rep(Reply { qp, limits, private_data }), actions);
                }
                EventKind::Rejected => {
                    let reason = if status == STALE { RejReason::Stale } else { RejReason::Consumer };
                    let (_, _, private_data) = words(parameters.as_ref());
                    told(book, now, Body::Rej { reason, private_data }, actions);
                }
                EventKind::Unreachable => book.machine.handle_timeout(Time::from_nanos(u64::MAX), actions),
                EventKind::ConnectError => told(book, now, Body::Gone, actions),
                EventKind::Established => told(book, now, Body::Rtu, actions),
                // Nobody has answered: its own limit is over, which says the same with a status.
                EventKind::Disconnected if status != 0 && book.machine.state() == State::Disconnecting => {
                    book.machine.handle_timeout(Time::from_nanos(u64::MAX), actions);
                }
                EventKind::Disconnected => {
                    let answer = book.machine.state() == State::Disconnecting;
                    told(book, now, if answer { Body::Drep } else { Body::Dreq }, actions);
                }
                EventKind::DeviceRemoval => {
                    // The kernel waits for the id, which must not wait for the user.
                    if let Some(id) = book.way.take() {
                        self.messenger.part(id);
                    }
                    book.machine.handle_notice(now, Notice::QpFatal, actions);
                }
                _ => {}
            }
        });
    }

    /// Ends a wait that is over.
    pub(super) fn handle_timeout(self: &Arc<Self>) {
        let now = self.messenger.now();
        if self.read(|machine| machine.next_timeout().is_some_and(|due| due <= now)) {
            self.input(|book, now, actions| book.machine.handle_timeout(now, actions));
        }
        let left = {
            let book = self.book();
            (book.machine.state() == State::PeerDisconnected).then(|| book.qp.clone()).flatten()
        };
        if let Some(qp) = left {
            qp.look_for_peer(now);
        }
    }
}

impl Listener {
    /// An event of the listening id.
    pub(super) fn hear(self: &Arc<Self>, event: Event) {
        if event.kind == EventKind::DeviceRemoval {
            return self.withdraw();
        }
        let Some(id) = event.incoming else { return };
        let (Some(local), Some(peer)) = (id.local_address(), id.peer_address()) else { return };
        let (qp, limits, data) = words(event.parameters.as_ref());
        let kept = data.as_bytes().len().min(cm::CONNECT_DATA_MAX);
        let private_data = PrivateData::for_connect(&data.as_bytes()[..kept]).unwrap_or_default();
        let request = Request { route: Route { local: peer, peer: local }, qp, limits, private_data };
        let id = Arc::new(id);
        let arrived = self.arrive(Attempt::default(), request, Arc::clone(&id), |side| {
            self.messenger.adapter.know_side(&id, side);
        });
        if let Err(reason) = arrived {
            tracing::debug!(?reason, "a request is rejected, by dropping its id");
        }
    }
}

fn unreachable(book: &mut Book, now: Time, how: Unreachable, actions: &mut Vec<Action>) {
    book.machine.handle_notice(now, Notice::Unreachable(how), actions);
}

/// Makes a call of rdma_cm, if there is an id for it.
fn call(book: &Book, call: impl FnOnce(&Id) -> Result<(), rdma::Error>) -> Result<(), rdma::Error> {
    book.way.as_ref().map_or(Ok(()), |id| call(id))
}

/// There is a way to the peer: asks it.
fn ask_peer(book: &mut Book) -> Result<(), rdma::Error> {
    let (Some(qp), Some(id), Some((limits, data))) = (&book.qp, &book.way, book.notes.request.take()) else {
        return Ok(());
    };
    id.connect(&connection(qp, limits, &data))
}

/// What the peer said: the event names what this end may do, the machine wants what the peer asked for.
fn words(said: Option<&Parameters>) -> (QpAddress, ReadLimits, PrivateData) {
    let Some(said) = said else { return (QpAddress::default(), ReadLimits::default(), PrivateData::none()) };
    let limits =
        ReadLimits { inbound: said.initiator_depth.into(), outbound: said.responder_resources.into() };
    let qp = QpAddress { qpn: Qpn(said.qp_number), starting_psn: 0 };
    // Padded by the manager to what the message has room for: how much was sent is not known (CONN-15).
    let kept = said.private_data.len().min(cm::ANSWER_DATA_MAX);
    let data = PrivateData::for_answer(&said.private_data[..kept]).unwrap_or_default();
    (qp, limits, data)
}

pub(super) fn told(book: &mut Book, now: Time, body: Body, actions: &mut Vec<Action>) {
    let attempt = book.machine.attempt();
    book.machine.handle_message(now, Message { attempt, body }, actions);
}
