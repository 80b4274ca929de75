//! Connectors, as the face has them.

#![forbid(unsafe_code)]

use super::endpoint::{Endpoint, SharedEndpoint};
use super::side::{Book, Side, result};
use super::{Adapter, Qp};
use crate::cm::{
    self, Accept, Action, Call, CallName, Connect, ConnectionData, EndpointError, Outcome, PrivateData,
    QpAddress, ReadLimits, Route, State,
};
use crate::device::connect::{ConnectError, Done};
use crate::device::lifetime::{Hold, Life, Task};
use crate::time::Time;
use qpair_rdma_core::cm::Id;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One end of a connection; dropped, it is closed without a callback.
pub(crate) struct Connector {
    pub(crate) life: Arc<Life>,
    side: Arc<Side>,
}

/// Where a connection starts from.
enum Start<'a> {
    Address(SocketAddr),
    Shared(&'a SharedEndpoint),
}

impl Start<'_> {
    fn local(&self) -> SocketAddr {
        match self {
            Self::Address(local) => *local,
            Self::Shared(shared) => shared.local_address(),
        }
    }
}

fn address_of(qp: &Qp) -> QpAddress {
    QpAddress { qpn: qp.qpn(), starting_psn: 0 }
}

/// The machine's reason not to take a call, which is asked before anything is taken for it.
fn refused(book: &mut Book, now: Time, call: Call) -> Result<(), ConnectError> {
    let mut actions = Vec::new();
    Ok(book.machine.call(now, call, &mut actions)?)
}

impl Connector {
    pub(crate) fn new(adapter: &Arc<Adapter>, hold: Hold, maximum: ReadLimits) -> Arc<Self> {
        let machine = cm::Connector::new(adapter.timeouts, maximum);
        Self::of(Side::new(adapter, hold, machine, None))
    }

    pub(super) fn of(side: Arc<Side>) -> Arc<Self> {
        Arc::new(Self { life: Arc::clone(&side.life), side })
    }

    pub(crate) fn connect(
        &self,
        qp: &Arc<Qp>,
        local: SocketAddr,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        self.connect_from(qp, Start::Address(local), remote, limits, private_data, done);
    }

    /// As [`connect`](Self::connect), from an endpoint that others may connect from too.
    pub(crate) fn connect_shared(
        &self,
        qp: &Arc<Qp>,
        endpoint: &SharedEndpoint,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        self.connect_from(qp, Start::Shared(endpoint), remote, limits, private_data, done);
    }

    fn connect_from(
        &self,
        qp: &Arc<Qp>,
        from: Start<'_>,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        let side = &self.side;
        let words = PrivateData::for_connect(private_data);
        side.ask(done, |book, now, actions| {
            let route = Route { local: from.local(), peer: remote };
            let mut connect = Connect { route, qp: address_of(qp), limits, private_data: words? };
            if book.machine.state() != State::Created {
                return refused(book, now, Call::Connect(connect));
            }
            let hold = side.tie(qp)?;
            let (endpoint, id, shared) = self.endpoint(&from, remote).inspect_err(|_| qp.release())?;
            connect.route.local = endpoint.local();
            book.machine.call(now, Call::Connect(connect), actions).inspect_err(|_| qp.release())?;
            book.set_endpoint(id, endpoint, shared);
            side.adopt(book, qp, hold);
            Ok(())
        });
    }

    /// Takes the local endpoint, and ties this connector to it if it is shared.
    fn endpoint(
        &self,
        from: &Start<'_>,
        remote: SocketAddr,
    ) -> Result<(Endpoint, Id, Option<Arc<Life>>), EndpointError> {
        match from {
            Start::Address(local) => {
                let (endpoint, id) = Endpoint::connect(&self.side.adapter, *local, remote)?;
                Ok((endpoint, id, None))
            }
            Start::Shared(shared) => {
                // Closed, it is nobody's address any more.
                let gone = EndpointError::InvalidAddress { address: shared.local_address() };
                let hold = shared.life.try_hold().ok_or(gone)?;
                let (endpoint, id) = shared.share(remote)?;
                self.life.tie(hold);
                Ok((endpoint, id, Some(Arc::clone(&shared.life))))
            }
        }
    }

    pub(crate) fn accept(
        &self,
        qp: &Arc<Qp>,
        limits: ReadLimits,
        private_data: &[u8],
        mut on_disconnect: Option<Task>,
        done: Done,
    ) {
        let side = &self.side;
        let words = PrivateData::for_answer(private_data);
        side.ask(done, |book, now, actions| {
            let accept = Accept { qp: address_of(qp), limits, private_data: words? };
            if !matches!(book.machine.state(), State::Incoming | State::IncomingGone) {
                return refused(book, now, Call::Accept(accept));
            }
            let hold = side.tie(qp)?;
            book.machine.call(now, Call::Accept(accept), actions).inspect_err(|_| qp.release())?;
            let before = book.set_on_disconnect(on_disconnect.take());
            debug_assert!(before.is_none(), "no call before this one names an event");
            side.adopt(book, qp, hold);
            Ok(())
        });
        drop(on_disconnect); // of a call that was refused: not below the lock
    }

    pub(crate) fn complete_connect(&self, mut on_disconnect: Option<Task>, done: Done) {
        self.side.ask(done, |book, now, actions| {
            book.machine.call(now, Call::CompleteConnect, actions)?;
            let before = book.set_on_disconnect(on_disconnect.take());
            debug_assert!(before.is_none(), "no call before this one names an event");
            Ok(())
        });
        drop(on_disconnect); // as in `accept`
    }

    pub(crate) fn reject(&self, private_data: &[u8]) -> Result<(), ConnectError> {
        let words = PrivateData::for_answer(private_data)?;
        self.side.input(|book, now, actions| {
            book.machine.call(now, Call::Reject(words), actions)?;
            // Its end is always known at once, so it is told by the return.
            let is_end = |action: &Action| matches!(action, Action::Complete(CallName::Reject, _));
            match actions.iter().position(is_end).map(|at| actions.remove(at)) {
                Some(Action::Complete(call, outcome)) => result(call, outcome),
                _ => unreachable!("a reject ends within its call"),
            }
        })?;
        match self.side.rejected_nobody() {
            true => result(CallName::Reject, Outcome::Aborted),
            false => Ok(()),
        }
    }

    pub(crate) fn disconnect(&self, done: Done) {
        let mut unheard = None;
        self.side.ask(done, |book, now, actions| {
            book.machine.call(now, Call::Disconnect, actions)?;
            unheard = book.set_on_disconnect(None);
            Ok(())
        });
        drop(unheard); // the consumer's closure: not below the lock
    }

    pub(crate) fn close(&self, callback: Option<Task>) {
        self.side.close(callback);
    }

    pub(crate) fn connection_data(&self) -> Option<(ReadLimits, Vec<u8>)> {
        self.read_connection_data(|data| (data.limits, data.private_data.to_vec()))
    }

    pub(crate) fn read_connection_data<R>(&self, read: impl FnOnce(ConnectionData<'_>) -> R) -> Option<R> {
        self.side.read(|machine| machine.connection_data().map(read))
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.side.read(|machine| machine.route().map(|route| route.local))
    }

    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        self.side.read(|machine| machine.route().map(|route| route.peer))
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        if !self.life.is_closing() {
            self.side.close(None);
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.side.fmt(f)
    }
}
