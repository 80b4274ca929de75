//! The calls of a connector.

use super::endpoint::SharedEndpoint;
use super::error::ConnectError;
use super::in_process::InProcess;
use super::messenger::{Connectable, Messenger, Taken};
use super::side::{Book, Done, Side, result};
use crate::cm::{
    self, Accept, Action, Call, CallName, Connect, EndpointError, Outcome, PrivateData, QpAddress,
    ReadLimits, Route, State,
};
use crate::device::lifetime::{Hold, Life, Task};
use crate::planted::planted;
use crate::time::Time;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One end of a connection, as its owner has it; dropped, it is closed without a callback.
///
/// Calls may come from any thread, also from inside its own callbacks. What ends by a [`Done`] has it called
/// exactly once. A call that was refused has changed nothing and may be made again.
pub(crate) struct Connector<M: Messenger = InProcess> {
    pub(crate) life: Arc<Life>,
    pub(super) side: Arc<Side<M>>,
}

/// Where a connection starts from.
enum Start<'a, M: Messenger> {
    Address(SocketAddr),
    Shared(&'a SharedEndpoint<M>),
}

impl<M: Messenger> Connector<M> {
    /// An active connector that relies on `antecedent`, its adapter, which can do `maximum`.
    pub(crate) fn over(messenger: M, antecedent: Hold, maximum: ReadLimits) -> Arc<Self> {
        let machine = cm::Connector::new(messenger.timeouts(), maximum);
        Self::of(Side::new(messenger, antecedent, machine, None))
    }

    /// The connector of a side.
    pub(crate) fn of(side: Arc<Side<M>>) -> Arc<Self> {
        Arc::new(Self { life: Arc::clone(&side.life), side })
    }

    /// First leg, active: asks `remote` for a connection with `qp` from `local`; port 0 chooses one.
    ///
    /// Success means that the peer has accepted: read its words, then complete the connect or reject.
    /// `limits` above the adapter's are capped. Private data: at most 56 bytes.
    pub(crate) fn connect(
        &self,
        qp: &Arc<M::Qp>,
        local: SocketAddr,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        let words = PrivateData::for_connect(private_data);
        self.connect_from(qp, Start::Address(local), remote, limits, words, done);
    }

    /// As [`connect`](Self::connect), from an endpoint that others may connect from too.
    pub(crate) fn connect_shared(
        &self,
        qp: &Arc<M::Qp>,
        endpoint: &SharedEndpoint<M>,
        remote: SocketAddr,
        limits: ReadLimits,
        private_data: &[u8],
        done: Done,
    ) {
        let words = PrivateData::for_connect(private_data);
        self.connect_from(qp, Start::Shared(endpoint), remote, limits, words, done);
    }

    fn connect_from(
        &self,
        qp: &Arc<M::Qp>,
        from: Start<'_, M>,
        remote: SocketAddr,
        limits: ReadLimits,
        words: Result<PrivateData, cm::TooLong>,
        done: Done,
    ) {
        let side = &self.side;
        side.ask(done, |book, now, actions| {
            let route = Route { local: from.local(), peer: remote };
            let mut connect = Connect { route, qp: address_of(&**qp), limits, private_data: words? };
            if book.machine.state() != State::Created {
                return refused(book, now, Call::Connect(connect));
            }
            let hold = side.tie(qp)?;
            let ((endpoint, way), shared) = self.endpoint(&from, remote).inspect_err(|_| qp.release())?;
            connect.route.local = endpoint.local();
            book.machine.call(now, Call::Connect(connect), actions).inspect_err(|_| qp.release())?;
            book.set_endpoint(endpoint, way, shared);
            side.adopt(book, qp, hold, now, actions);
            Ok(())
        });
    }

    /// Takes the local endpoint, and ties this connector to it if it is shared.
    fn endpoint(
        &self,
        from: &Start<'_, M>,
        remote: SocketAddr,
    ) -> Result<(Taken<M>, Option<Arc<Life>>), EndpointError> {
        match from {
            Start::Address(local) => Ok((self.side.messenger.endpoint(*local, remote)?, None)),
            Start::Shared(shared) => {
                let hold = shared.life.try_hold().ok_or_else(|| shared.gone())?;
                let taken = shared.share(remote)?;
                if !planted!(EndpointNotHeld, "a shared endpoint's close does not wait for connectors") {
                    self.life.tie(hold);
                }
                Ok((taken, Some(Arc::clone(&shared.life))))
            }
        }
    }

    /// Second leg, passive: takes the peer's request with `qp`.
    ///
    /// Success means connected; it comes when the peer has completed. From then on `on_disconnect` is called,
    /// at most once, when the peer parts or the connection breaks. Private data: at most 148 bytes.
    pub(crate) fn accept(
        &self,
        qp: &Arc<M::Qp>,
        limits: ReadLimits,
        private_data: &[u8],
        mut on_disconnect: Option<Task>,
        done: Done,
    ) {
        let side = &self.side;
        let words = PrivateData::for_answer(private_data);
        side.ask(done, |book, now, actions| {
            let accept = Accept { qp: address_of(&**qp), limits, private_data: words? };
            if !matches!(book.machine.state(), State::Incoming | State::IncomingGone) {
                return refused(book, now, Call::Accept(accept));
            }
            let hold = side.tie(qp)?;
            book.machine.call(now, Call::Accept(accept), actions).inspect_err(|_| qp.release())?;
            let before = book.set_on_disconnect(on_disconnect.take());
            debug_assert!(before.is_none(), "no call before this one names an event");
            side.adopt(book, qp, hold, now, actions);
            Ok(())
        });
        drop(on_disconnect); // of a call that was refused: not below the lock, it is the consumer's closure
    }

    /// Third leg, active: connects; the peer's accept ends with success too.
    ///
    /// From then on `on_disconnect` is called, at most once, when the peer parts or the connection breaks.
    pub(crate) fn complete_connect(&self, mut on_disconnect: Option<Task>, done: Done) {
        self.side.ask(done, |book, now, actions| {
            book.machine.call(now, Call::CompleteConnect, actions)?;
            let before = book.set_on_disconnect(on_disconnect.take());
            debug_assert!(before.is_none(), "no call before this one names an event");
            Ok(())
        });
        drop(on_disconnect); // as in `accept`
    }

    /// No: passive instead of accept, active instead of complete connect. Private data: at most 148 bytes.
    ///
    /// # Errors
    /// [`ConnectError`]: private data, state, or that the peer had given up before (CONN-11).
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
        // Its message has been sent meanwhile, unless another thread is at the deeds of this side.
        match M::rejected_nobody(&self.side.book().notes) {
            true => result(CallName::Reject, Outcome::Aborted),
            false => Ok(()),
        }
    }

    /// Takes leave: ends when the peer has done the same, or failed to, and no byte of the queue pair's
    /// buffers changes any more. The disconnect event is not called after this has returned.
    pub(crate) fn disconnect(&self, done: Done) {
        let mut unheard = None;
        self.side.ask(done, |book, now, actions| {
            book.machine.call(now, Call::Disconnect, actions)?;
            unheard = book.set_on_disconnect(None);
            Ok(())
        });
        drop(unheard); // the consumer's closure: not below the lock
    }

    /// Begins the close: refuses, abandons or breaks off, whatever it finds; `callback` comes last of all.
    pub(crate) fn close(&self, callback: Option<Task>) {
        self.side.close(callback);
    }

    /// Read limits and the peer's words, while they may be read (ndkpi.md 4.2).
    pub(crate) fn connection_data(&self) -> Option<(ReadLimits, Vec<u8>)> {
        self.read_connection_data(|data| (data.limits, data.private_data.to_vec()))
    }

    /// Gives `read` the same where it lies; it is called below a lock.
    pub(crate) fn read_connection_data<R>(
        &self,
        read: impl FnOnce(cm::ConnectionData<'_>) -> R,
    ) -> Option<R> {
        self.side.read(|machine| machine.connection_data().map(read))
    }

    /// This end's address, from the first attempt or the request on.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.side.read(|machine| machine.route().map(|route| route.local))
    }

    /// The other end's address, from the first attempt or the request on.
    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        self.side.read(|machine| machine.route().map(|route| route.peer))
    }

    /// Where it stands, at some moment during the call.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at it"))]
    pub(crate) fn state(&self) -> State {
        self.side.read(cm::Connector::state)
    }
}

impl<M: Messenger> Start<'_, M> {
    fn local(&self) -> SocketAddr {
        match self {
            Self::Address(local) => *local,
            Self::Shared(shared) => shared.local_address(),
        }
    }
}

/// What the peer must know of `qp`; nobody counts packets here.
fn address_of(qp: &impl Connectable) -> QpAddress {
    QpAddress { qpn: qp.qpn(), starting_psn: 0 }
}

/// The machine's reason not to take a call, which is asked before anything is taken for it.
fn refused<M: Messenger>(book: &mut Book<M>, now: Time, call: Call) -> Result<(), ConnectError> {
    let mut actions = Vec::new();
    let answer = book.machine.call(now, call, &mut actions);
    debug_assert!(
        answer.is_err() && actions.is_empty(),
        "taken in the states that the caller lets pass only"
    );
    Ok(answer?)
}

impl<M: Messenger> Drop for Connector<M> {
    fn drop(&mut self) {
        if !self.life.is_closing() {
            self.side.close(None);
        }
    }
}

impl<M: Messenger> fmt::Debug for Connector<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.side.fmt(f)
    }
}
