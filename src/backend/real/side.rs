//! One end of a connection: the machine of `cm`, and the calls of rdma_cm that its actions are.
//!
//! | the machine says | rdma_cm does | rdma_cm tells | the machine hears |
//! |---|---|---|---|
//! | Req | resolve address and route, connect | ConnectResponse | Rep |
//! | Rep | accept | Established | Rtu |
//! | Rtu | establish | Rejected | Rej |
//! | Rej | reject | Unreachable, errors | a time-out, unreachable |
//! | Dreq, Drep, Gone | disconnect | Disconnected | Drep if it has said Dreq, else Dreq |
//!
//! rdma_cm is called below the side's lock: none of its calls waits for a peer, and none calls back. What is
//! said to the consumer is said afterwards, one word at a time.

#![forbid(unsafe_code)]

use super::endpoint::Endpoint;
use super::{Adapter, Qp, lock};
use crate::cm::{
    self, Action, Body, Call, CallName, Notice, Outcome, ReadLimits, RejReason, Reply, State, Unreachable,
};
use crate::device::callbacks::{self, Deliver, Outbox};
use crate::device::connect::{ConnectError, Done};
use crate::device::lifetime::{Hold, Life, Task};
use crate::time::Time;
use qpair_rdma_core::cm::{Connection, Id};
use qpair_rdma_core::{self as rdma};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A call that has been taken and has not ended; the connector's close waits for it (CLOSE-7).
struct Pending {
    done: Done,
    hold: Option<Hold>,
}

/// What the consumer is to hear.
enum Word {
    Done(Pending, Result<(), ConnectError>),
    Disconnected,
}

/// What the lock of a side is around.
pub(super) struct Book {
    pub(super) machine: cm::Connector,
    pub(super) id: Option<Id>,
    endpoint: Option<Endpoint>,
    /// The shared endpoint that this side is tied to.
    shared: Option<Arc<Life>>,
    pub(super) qp: Option<Arc<Qp>>,
    /// What this side has said in its request, until there is a way to the peer.
    pub(super) request: Option<(ReadLimits, Vec<u8>)>,
    on_disconnect: Option<Task>,
    pending: Option<Pending>,
    /// Keeps the close from completing until the machine has ended.
    ending: Option<Hold>,
    words: VecDeque<Word>,
    /// A delivery of words is on its way, or running.
    speaking: bool,
    /// The peer had given up before the reject, which only the reject that fails tells.
    pub(super) rejected_nobody: bool,
    /// Notices that actions have brought about.
    pub(super) notices: VecDeque<Notice>,
}

/// One end of a connection.
pub(crate) struct Side {
    pub(super) life: Arc<Life>,
    pub(super) adapter: Arc<Adapter>,
    book: Mutex<Book>,
}

/// How long rdma_cm may look for an address, and for the way there.
pub(super) const RESOLVE: Duration = Duration::from_secs(2);

impl Side {
    pub(super) fn new(
        adapter: &Arc<Adapter>,
        antecedent: Hold,
        machine: cm::Connector,
        incoming: Option<(Id, Endpoint)>,
    ) -> Arc<Self> {
        let book = Book {
            machine,
            id: None,
            endpoint: None,
            shared: None,
            qp: None,
            request: None,
            on_disconnect: None,
            pending: None,
            ending: None,
            words: VecDeque::new(),
            speaking: false,
            rejected_nobody: false,
            notices: VecDeque::new(),
        };
        let (life, adapter) = (Life::new([antecedent]), Arc::clone(adapter));
        let side = Arc::new(Self { life, adapter, book: Mutex::new(book) });
        if let Some((id, endpoint)) = incoming {
            side.adapter.know_side(&id, &side);
            let mut book = lock(&side.book);
            (book.id, book.endpoint) = (Some(id), Some(endpoint));
        }
        side
    }

    pub(super) fn read<R>(&self, read: impl FnOnce(&cm::Connector) -> R) -> R {
        read(&lock(&self.book).machine)
    }

    /// A reject has reached nobody (CONN-11).
    pub(super) fn rejected_nobody(&self) -> bool {
        lock(&self.book).rejected_nobody
    }

    /// Makes a call that ends by `done`: later if the call is taken, at once if it is refused.
    pub(super) fn ask(
        self: &Arc<Self>,
        done: Done,
        call: impl FnOnce(&mut Book, Time, &mut Vec<Action>) -> Result<(), ConnectError>,
    ) {
        let pending = Pending { done, hold: self.life.try_hold() };
        self.input(|book, now, actions| match call(book, now, actions) {
            Ok(()) => {
                debug_assert!(book.pending.is_none(), "the machine takes one call at a time");
                book.pending = Some(pending);
            }
            Err(error) => book.words.push_back(Word::Done(pending, Err(error))),
        });
    }

    /// Feeds the machine, and does what follows.
    pub(super) fn input<R>(self: &Arc<Self>, feed: impl FnOnce(&mut Book, Time, &mut Vec<Action>) -> R) -> R {
        // What is said to users waits until the lock is free.
        let _after = callbacks::guard();
        let mut book = lock(&self.book);
        let mut actions = Vec::new();
        let result = feed(&mut book, self.adapter.now(), &mut actions);
        let mut left = Vec::new();
        loop {
            for action in actions.drain(..) {
                self.carry_out(&mut book, action, &mut left);
            }
            let Some(notice) = book.notices.pop_front() else { break };
            book.machine.handle_notice(self.adapter.now(), notice, &mut actions);
        }
        let speaks = !book.speaking && !book.words.is_empty();
        book.speaking |= speaks;
        drop(book);
        drop(left); // ids, holds and queue pairs: what goes with them may take locks
        if speaks {
            self.speak();
        }
        result
    }

    fn speak(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        outbox.push(Arc::clone(self) as Arc<dyn Deliver>);
        outbox.emit();
    }

    fn carry_out(self: &Arc<Self>, book: &mut Book, action: Action, left: &mut Vec<Left>) {
        match action {
            Action::Send(message) => self.send(book, message.body, left),
            Action::Complete(call, outcome) => {
                if call == CallName::Connect && outcome != Outcome::Success {
                    self.forget(book, left); // the address is free for another attempt
                }
                if let Some(pending) = book.pending.take() {
                    book.words.push_back(Word::Done(pending, result(call, outcome)));
                }
            }
            Action::Disconnected => book.words.push_back(Word::Disconnected),
            // The queue pair was made ready before the reply was sent, or is now, before it is established.
            Action::QpReadyToReceive => self.make_ready(book),
            Action::QpReadyToSend => {
                if let Some(qp) = &book.qp {
                    qp.open();
                }
            }
            Action::QpRelease => {
                if let Some(qp) = book.qp.take() {
                    qp.on_fatal(None);
                    qp.release();
                    if book.machine.state() != State::Closed {
                        left.push(Left::Hold(self.life.untie(&qp.life)));
                    }
                    left.push(Left::Qp(qp));
                }
            }
            Action::QpError => {
                if let Some(qp) = &book.qp {
                    qp.error();
                }
            }
            Action::QpDisconnect => {
                if let Some(qp) = &book.qp {
                    let side = Arc::clone(self);
                    qp.disconnect(move || side.notice(Notice::DmaEnded));
                }
            }
            Action::Ended => left.push(Left::Hold(book.ending.take())),
        }
    }

    fn make_ready(&self, book: &mut Book) {
        let (Some(qp), Some(id)) = (&book.qp, &book.id) else { return };
        if let Err(error) = qp.ready(id, book.machine.limits()) {
            tracing::error!(qp = qp.number(), %error, "not made ready for its connection");
            book.notices.push_back(Notice::QpFatal);
        }
    }

    fn send(self: &Arc<Self>, book: &mut Book, body: Body, left: &mut Vec<Left>) {
        let done = match body {
            Body::Req(request) => self.begin(book, &request),
            Body::Rep(reply) => self.accept(book, &reply),
            Body::Rtu => call(book, Id::establish),
            // Destroying the id says it. A reject of a request that is still out leaves Linux's connection
            // manager waiting for itself when the id is destroyed.
            Body::Rej { reason: RejReason::GaveUp, .. } => {
                self.forget(book, left);
                Ok(())
            }
            Body::Rej { private_data, .. } => {
                let done = call(book, |id| id.reject(private_data.as_bytes()));
                book.rejected_nobody = done.is_err();
                self.forget(book, left);
                done
            }
            Body::Dreq | Body::Drep => call(book, Id::disconnect),
            Body::Gone => {
                let done = call(book, Id::disconnect);
                self.forget(book, left);
                done
            }
        };
        if let Err(error) = done {
            self.not_sent(book, &error);
        }
    }

    /// What the machine makes of a call of rdma_cm that was refused.
    pub(super) fn not_sent(&self, book: &mut Book, error: &rdma::Error) {
        tracing::debug!(%error, state = ?book.machine.state(), "the connection manager refuses");
        match book.machine.state() {
            State::Connecting => book.notices.push_back(Notice::Unreachable(Unreachable::Host)),
            // Its peer gave up before the accept, which librdmacm does not tell otherwise.
            State::Accepting | State::Connected => book.notices.push_back(Notice::QpFatal),
            _ => {} // of a connection that is gone: nobody waits for it
        }
    }

    /// Looks for the peer; the rest follows upon the events.
    fn begin(self: &Arc<Self>, book: &mut Book, request: &cm::Request) -> Result<(), rdma::Error> {
        let Some(id) = &book.id else { return Ok(()) };
        book.request = Some((request.limits, request.private_data.as_bytes().to_vec()));
        // Known before it can be told of; the thread that hears waits for this side's lock.
        self.adapter.know_side(id, self);
        id.resolve_address(None, request.route.peer, RESOLVE)
    }

    fn accept(&self, book: &mut Book, reply: &Reply) -> Result<(), rdma::Error> {
        let (Some(qp), Some(id), true) = (&book.qp, &book.id, book.notices.is_empty()) else {
            return Ok(()); // the queue pair could not be made ready, which the machine is about to hear
        };
        id.accept(&connection(qp, reply.limits, reply.private_data.as_bytes()))
    }

    fn forget(&self, book: &mut Book, left: &mut Vec<Left>) {
        if let Some(id) = book.id.take() {
            self.adapter.forget_side(&id);
            left.push(Left::Id(id));
        }
        // Not at a close, which gives the address back when it is complete.
        if book.machine.state() == State::Closed {
            return;
        }
        left.extend(book.endpoint.take().map(Left::Endpoint));
        if let Some(shared) = book.shared.take() {
            left.push(Left::Hold(self.life.untie(&shared)));
        }
    }

    /// The device says something.
    pub(super) fn notice(self: &Arc<Self>, notice: Notice) {
        self.input(|book, now, actions| book.machine.handle_notice(now, notice, actions));
    }

    pub(super) fn handle_timeout(self: &Arc<Self>) {
        let now = self.adapter.now();
        if lock(&self.book).machine.next_timeout().is_some_and(|due| due <= now) {
            self.input(|book, now, actions| book.machine.handle_timeout(now, actions));
        }
    }

    /// Ties `qp` to this side; what the queue pair has to tell comes here.
    pub(super) fn tie(&self, qp: &Arc<Qp>) -> Result<Hold, ConnectError> {
        let hold = qp.life.try_hold().filter(|_| qp.tie());
        hold.ok_or(ConnectError::QpBusy { qpn: qp.qpn() })
    }

    /// Keeps the queue pair of a call that is about to be taken.
    pub(super) fn adopt(self: &Arc<Self>, book: &mut Book, qp: &Arc<Qp>, hold: Hold) {
        self.life.tie(hold);
        book.qp = Some(Arc::clone(qp));
        let side = Arc::downgrade(self);
        qp.on_fatal(Some(Box::new(move || {
            if let Some(side) = side.upgrade() {
                side.notice(Notice::QpFatal);
            }
        })));
        if qp.phase() == super::qp::Phase::Error {
            book.notices.push_back(Notice::QpFatal); // dead before there was anybody to tell
        }
    }

    /// Begins the close, which cannot fail; a second one does nothing.
    pub(super) fn close(self: &Arc<Self>, callback: Option<Task>) {
        let _after = callbacks::guard();
        let unheard = self.input(|book, now, actions| {
            let ending = self.life.try_hold();
            book.machine.call(now, Call::Close, actions).ok()?;
            book.ending = ending;
            Some(book.on_disconnect.take())
        });
        let Some(unheard) = unheard else { return };
        drop(unheard); // the consumer's closure: not below the lock
        let side = Arc::clone(self);
        self.life.set_teardown(move || side.give_back());
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    fn give_back(&self) {
        let (qp, id, endpoint) = {
            let mut book = lock(&self.book);
            (book.qp.take(), book.id.take(), book.endpoint.take())
        };
        if let Some(id) = id {
            self.adapter.forget_side(&id);
        }
        drop(endpoint); // after the id, which is bound to it
        if let Some(qp) = qp {
            qp.on_fatal(None);
        }
    }
}

/// What goes only when the side's lock is free.
enum Left {
    Hold(#[expect(dead_code, reason = "held until it is dropped")] Option<Hold>),
    Id(#[expect(dead_code, reason = "held until it is dropped")] Id),
    Endpoint(#[expect(dead_code, reason = "held until it is dropped")] Endpoint),
    Qp(#[expect(dead_code, reason = "held until it is dropped")] Arc<Qp>),
}

impl Book {
    pub(super) fn set_endpoint(&mut self, id: Id, endpoint: Endpoint, shared: Option<Arc<Life>>) {
        (self.id, self.endpoint, self.shared) = (Some(id), Some(endpoint), shared);
    }

    /// Names the disconnect event; the one before, for the caller to drop below no lock.
    pub(super) fn set_on_disconnect(&mut self, event: Option<Task>) -> Option<Task> {
        std::mem::replace(&mut self.on_disconnect, event)
    }
}

/// Makes a call of rdma_cm, if there is an id for it.
pub(super) fn call(
    book: &Book,
    call: impl FnOnce(&Id) -> Result<(), rdma::Error>,
) -> Result<(), rdma::Error> {
    book.id.as_ref().map_or(Ok(()), call)
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

/// How a call ended, as its consumer hears it.
pub(super) fn result(call: CallName, outcome: Outcome) -> Result<(), ConnectError> {
    match outcome {
        Outcome::Success => Ok(()),
        outcome => Err(ConnectError::Failed { call, outcome }),
    }
}

/// Has the next word said when this one has been, also where it ended in a panic.
struct Next<'s>(&'s Arc<Side>);

impl Drop for Next<'_> {
    fn drop(&mut self) {
        let more = {
            let mut book = lock(&self.0.book);
            book.speaking = !book.words.is_empty();
            book.speaking
        };
        if more {
            self.0.speak();
        }
    }
}

impl Deliver for Side {
    /// Says one word; words of one connector never overlap.
    fn deliver(self: Arc<Self>) {
        let _next = Next(&self);
        let word = lock(&self.book).words.pop_front();
        match word {
            Some(Word::Done(pending, result)) => {
                let Pending { done, hold } = pending;
                done(result);
                drop(hold);
            }
            Some(Word::Disconnected) => {
                // Disconnect and close take the event away, so that it is not called after either (CONN-32).
                let event = {
                    let mut book = lock(&self.book);
                    book.on_disconnect.take().map(|event| (event, self.life.hold()))
                };
                if let Some((event, _hold)) = event {
                    event();
                }
            }
            None => {}
        }
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = lock(&self.book);
        f.debug_struct("Connector")
            .field("state", &book.machine.state())
            .field("route", &book.machine.route())
            .field("qp", &book.qp.as_ref().map(|qp| qp.qpn()))
            .finish_non_exhaustive()
    }
}
