//! Messages within one process: straight into the machine of the peer.

use super::exchange::Exchange;
use super::listener::Listener;
use super::messenger::{Messenger, Opened, Taken};
use super::side;
use crate::cm::{Action, Body, EndpointError, Message, ReadLimits, State, Timeouts};
use crate::device::qp::{Qp, QpId};
use crate::time::Time;
use std::mem::replace;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};

pub(super) type Side = side::Side<InProcess>;
pub(super) type Book = side::Book<InProcess>;

/// Brings messages to other sides of the same exchange.
pub(crate) struct InProcess {
    pub(super) exchange: Arc<Exchange>,
    /// Those of the adapter.
    addresses: Arc<[IpAddr]>,
    /// Unique in its exchange.
    number: u64,
}

/// What is kept of a side.
#[derive(Default)]
pub(crate) struct Notes {
    pub(super) peer: Weak<Side>,
    pub(super) passive: bool,
    /// The time for which the exchange knows this side.
    watched: Option<Time>,
}

impl InProcess {
    /// For one side of an adapter with `addresses`.
    pub(crate) fn new(exchange: &Arc<Exchange>, addresses: Arc<[IpAddr]>) -> Self {
        Self { exchange: Arc::clone(exchange), addresses, number: exchange.number() }
    }

    /// Refuses an address that is none of the adapter's.
    fn check_address(&self, local: SocketAddr) -> Result<(), EndpointError> {
        if self.addresses.contains(&local.ip()) {
            Ok(())
        } else {
            Err(EndpointError::InvalidAddress { address: local })
        }
    }
}

impl Messenger for InProcess {
    type Qp = Qp;
    /// Where it is.
    type Bound = SocketAddr;
    /// The peer's queue pair, known with its request or reply.
    type Way = QpId;
    type Notes = Notes;

    fn another(&self) -> Self {
        Self::new(&self.exchange, Arc::clone(&self.addresses))
    }

    fn timeouts(&self) -> Timeouts {
        self.exchange.timeouts()
    }

    fn now(&self) -> Time {
        self.exchange.device().now()
    }

    fn endpoint(&self, local: SocketAddr, remote: SocketAddr) -> Result<Taken<Self>, EndpointError> {
        self.check_address(local)?;
        Ok((self.exchange.ports().connect(local, remote)?, None))
    }

    fn open(&self, local: SocketAddr, _shared: bool) -> Result<Opened<Self>, EndpointError> {
        self.check_address(local)?;
        let endpoint = self.exchange.ports().open(local)?;
        let local = endpoint.local();
        Ok((endpoint, local))
    }

    fn way_from(&self, _local: SocketAddr) -> Result<Option<QpId>, EndpointError> {
        Ok(None)
    }

    fn listen(listener: &Arc<Listener>, local: SocketAddr, _bound: &SocketAddr) -> Result<(), EndpointError> {
        listener.messenger.exchange.announce(local, listener);
        Ok(())
    }

    fn withdraw(&self, local: SocketAddr) {
        self.exchange.withdraw(local);
    }

    fn look(side: &Arc<Side>, book: &mut Book, _actions: &[Action]) -> Option<Time> {
        // The address of who was turned away, before its peer hears of it: that may try again from the same
        // port.
        if book.notes.passive && matches!(book.machine.state(), State::IncomingGone | State::Failed) {
            book.endpoint = None;
        }
        let due = book.machine.next_timeout();
        if due == book.notes.watched {
            return None;
        }
        let before = replace(&mut book.notes.watched, due);
        side.messenger.exchange.watch(side, before, due);
        due
    }

    fn wake_at(&self, due: Time) {
        self.exchange.device().wake_at(due);
    }

    fn send(side: &Arc<Side>, message: Message, qp: Option<Arc<Qp>>, _way: Option<QpId>) {
        let qp = qp.map(|qp| qp.id());
        if let (Body::Req(_), Some(qp)) = (&message.body, qp) {
            side.set_peer(Weak::new());
            side.messenger.exchange.request(side, message, qp);
            return;
        }
        // One that is gone was closed, and has nothing to answer.
        let peer = side.book().notes.peer.upgrade();
        if let Some(peer) = peer {
            peer.hear(message, qp);
        }
    }

    fn make_ready(_side: &Arc<Side>, qp: &Arc<Qp>, way: Option<QpId>, limits: ReadLimits) {
        let peer = way.expect("request or reply has named it");
        qp.ready_to_receive(peer, limits.inbound, limits.outbound);
    }
}

impl Side {
    pub(super) fn number(&self) -> u64 {
        self.messenger.number
    }

    /// The peer says something; with a reply comes its queue pair.
    pub(super) fn hear(self: &Arc<Self>, message: Message, qp: Option<QpId>) {
        self.input(|book, now, actions| {
            let replied = matches!(message.body, Body::Rep(_)) && message.attempt == book.machine.attempt();
            if replied && book.machine.state() == State::Connecting {
                book.way = qp;
            }
            book.machine.handle_message(now, message, actions);
        });
    }

    /// The wait that was to end at `due` may be over; the exchange has forgotten it.
    pub(super) fn handle_timeout(self: &Arc<Self>, due: Time, now: Time) {
        self.input(|book, _, actions| {
            book.notes.watched = book.notes.watched.filter(|watched| *watched != due);
            book.machine.handle_timeout(now, actions);
        });
    }

    /// This is the passive side of what `active` has asked for.
    pub(super) fn answers(&self, active: &Arc<Self>) {
        let mut book = self.book();
        (book.notes.peer, book.notes.passive) = (Arc::downgrade(active), true);
    }

    /// Sets whom the messages of this side go to.
    pub(super) fn set_peer(&self, peer: Weak<Self>) {
        self.book().notes.peer = peer;
    }
}
