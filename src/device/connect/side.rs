//! One end of a connection: the machine, what it was given, and the two lines of what follows from it.

use super::endpoint::Endpoint;
use super::error::ConnectError;
use super::exchange::Exchange;
use super::line::Line;
use crate::cm::{self, Action, Body, Call, CallName, Message, Notice, Outcome, QpAddress, ReadLimits, State};
use crate::device::callbacks::{self, Deliver, Outbox};
use crate::device::lifetime::{Hold, Life, Task};
use crate::device::qp::{Qp, QpId};
use crate::device::state::QpState;
use crate::planted::planted;
use crate::time::Time;
use std::fmt;
use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Called once with the end of a call, as a callback, also where the end is known at once.
pub(crate) type Done = Box<dyn FnOnce(Result<(), ConnectError>) + Send>;

/// A call that has been taken and has not ended; the connector's close waits for it (CLOSE-7).
struct Pending {
    done: Done,
    /// Given up when the callback has returned. `None` only where the connector is closed already.
    hold: Option<Hold>,
}

/// What is to be done, with all that it needs: the side may have moved on when its turn comes.
enum Deed {
    /// Bring this to the peer, with the queue pair that a request or reply names.
    Send(Message, Option<QpId>),
    ReadyToReceive(Arc<Qp>, QpId, ReadLimits),
    ReadyToSend(Arc<Qp>),
    /// Gives it back; what is closed stays tied until the close is complete (CLOSE-13).
    Release {
        qp: Arc<Qp>,
        untie: bool,
    },
    Error(Arc<Qp>),
    Disconnect(Arc<Qp>),
    Say(Word),
    /// The machine is through; what it held the connector by goes.
    Ended(Option<Hold>),
}

/// What the consumer is to hear.
enum Word {
    Done(Pending, Result<(), ConnectError>),
    Disconnected,
}

/// What the lock of a side is around.
pub(super) struct Book {
    pub(super) machine: cm::Connector,
    /// From connect or accept until the attempt has failed, or the close is complete.
    qp: Option<Arc<Qp>>,
    peer: Weak<Side>,
    /// Known with the peer's request or reply.
    peer_qp: Option<QpId>,
    endpoint: Option<Endpoint>,
    /// The shared endpoint that this side is tied to.
    shared: Option<Arc<Life>>,
    passive: bool,
    on_disconnect: Option<Task>,
    pending: Option<Pending>,
    /// Keeps the close from completing until the machine has ended.
    ending: Option<Hold>,
    /// The time for which the exchange knows this side.
    watched: Option<Time>,
    deeds: Line<Deed>,
    words: Line<Word>,
}

/// One end of a connection.
pub(super) struct Side {
    pub(super) life: Arc<Life>,
    pub(super) exchange: Arc<Exchange>,
    number: u64,
    book: Mutex<Book>,
}

/// What a side is made with that is not its own.
pub(super) struct Given {
    pub(super) machine: cm::Connector,
    pub(super) peer: Option<(Weak<Side>, QpId)>,
    pub(super) endpoint: Option<Endpoint>,
}

impl Side {
    /// An end that relies on `antecedent`; with a peer it is the passive one.
    pub(super) fn new(exchange: &Arc<Exchange>, antecedent: Hold, given: Given) -> Arc<Self> {
        let passive = given.peer.is_some();
        let (peer, peer_qp) = given.peer.map_or((Weak::new(), None), |(peer, qp)| (peer, Some(qp)));
        let book = Book {
            machine: given.machine,
            qp: None,
            peer,
            peer_qp,
            endpoint: given.endpoint,
            shared: None,
            passive,
            on_disconnect: None,
            pending: None,
            ending: None,
            watched: None,
            deeds: Line::new(),
            words: Line::new(),
        };
        Arc::new(Self {
            life: Life::new([antecedent]),
            exchange: Arc::clone(exchange),
            number: exchange.number(),
            book: Mutex::new(book),
        })
    }

    /// Unique in its exchange.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Reads what the machine knows.
    pub(super) fn read<R>(&self, read: impl FnOnce(&cm::Connector) -> R) -> R {
        read(&self.book().machine)
    }

    /// Makes a call that ends by `done`: later if the call is taken, at once if it is refused.
    pub(super) fn ask(
        self: &Arc<Self>,
        done: Done,
        call: impl FnOnce(&mut Book, Time, &mut Vec<Action>) -> Result<(), ConnectError>,
    ) {
        let _after = callbacks::guard();
        let pending = Pending { done, hold: self.life.try_hold() };
        let refused = self.input(|book, now, actions| match call(book, now, actions) {
            Ok(()) => {
                debug_assert!(book.pending.is_none(), "the machine takes one call at a time");
                book.pending = Some(pending);
                None
            }
            Err(error) => Some(Word::Done(pending, Err(error))),
        });
        if let Some(word) = refused {
            self.say(word);
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
        let tells = planted!(CloserHears, "who closes hears its own disconnect event");
        let unheard = if tells {
            unheard.and_then(|event| {
                callbacks::call(event);
                None::<Task>
            })
        } else {
            unheard
        };
        drop(unheard); // the consumer's closure: not below the lock
        // Not set before the close, since it keeps the side alive.
        let side = Arc::clone(self);
        self.life.set_teardown(move || side.give_back());
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
    }

    /// The peer says something; with a reply comes its queue pair.
    pub(super) fn hear(self: &Arc<Self>, message: Message, qp: Option<QpId>) {
        self.input(|book, now, actions| {
            let replied = matches!(message.body, Body::Rep(_)) && message.attempt == book.machine.attempt();
            if replied && book.machine.state() == State::Connecting {
                book.peer_qp = qp;
            }
            book.machine.handle_message(now, message, actions);
        });
    }

    /// The device says something.
    pub(super) fn notice(self: &Arc<Self>, notice: Notice) {
        self.input(|book, now, actions| book.machine.handle_notice(now, notice, actions));
    }

    /// The wait that was to end at `due` may be over; the exchange has forgotten it.
    pub(super) fn handle_timeout(self: &Arc<Self>, due: Time, now: Time) {
        self.input(|book, _, actions| {
            book.watched = book.watched.filter(|watched| *watched != due);
            book.machine.handle_timeout(now, actions);
        });
    }

    /// The queue pair went to error by itself; nothing is meant by one that was given back since.
    fn fatal(self: &Arc<Self>, id: QpId) {
        self.input(|book, now, actions| {
            if book.qp.as_ref().is_some_and(|qp| qp.id() == id) {
                book.machine.handle_notice(now, Notice::QpFatal, actions);
            }
        });
    }

    /// Sets whom the messages of this side go to.
    pub(super) fn set_peer(&self, peer: Weak<Side>) {
        self.book().peer = peer;
    }

    /// Feeds the machine, and does what follows unless another thread is at it.
    pub(super) fn input<R>(self: &Arc<Self>, feed: impl FnOnce(&mut Book, Time, &mut Vec<Action>) -> R) -> R {
        // What is said to users waits until this side, and the one that speaks to it, hold nothing.
        let _after = callbacks::guard();
        let now = self.exchange.device().now();
        let mut actions = Vec::new();
        let (result, serve, due) = {
            let mut book = self.book();
            let result = feed(&mut book, now, &mut actions);
            let due = self.watch(&mut book);
            (result, self.line_up(&mut book, actions), due)
        };
        if let Some(due) = due {
            self.exchange.device().wake_at(due);
        }
        if serve {
            self.serve();
        }
        result
    }

    /// Keeps the exchange's list of waits up to date; a new time to wake up at.
    fn watch(self: &Arc<Self>, book: &mut Book) -> Option<Time> {
        let due = book.machine.next_timeout();
        if due == book.watched {
            return None;
        }
        let before = replace(&mut book.watched, due);
        self.exchange.watch(self, before, due);
        due
    }

    /// Turns actions into deeds; true: nobody is at them, so the caller is to be.
    fn line_up(self: &Arc<Self>, book: &mut Book, actions: Vec<Action>) -> bool {
        self.let_endpoint_go(book, &actions);
        let mut actions = actions.into_iter().peekable();
        if actions.next_if_eq(&Action::QpReadyToSend).is_some() {
            // The first thing, so the peer's RTU has brought it, and the peer's next deed lets its own queue
            // pair send. A receive that then completes here must find that this one may answer (Q-12,
            // CONN-43), also where another thread is at the deeds: none of those before this one is still to
            // be begun, since the peer has had our reply.
            book.qp().ready_to_send();
        }
        let deeds: Vec<_> = actions.map(|action| book.deed(action)).collect();
        book.deeds.join(deeds)
    }

    /// Gives the local address back where an attempt has failed, so that it can be used for another one.
    ///
    /// Not at a close, which gives it back when it is complete.
    fn let_endpoint_go(&self, book: &mut Book, actions: &[Action]) {
        if book.machine.state() == State::Closed {
            return;
        }
        let failed = |action: &Action| matches!(action, Action::Complete(CallName::Connect, end) if *end != Outcome::Success);
        // On the passive side before the active one hears of it: it may try again from the same port.
        let turned_away = book.passive && matches!(book.machine.state(), State::IncomingGone | State::Failed);
        if turned_away || actions.iter().any(failed) {
            book.endpoint = None;
            if let Some(shared) = book.shared.take() {
                drop(self.life.untie(&shared)); // below a guard: what completes by it is delivered later
            }
        }
    }

    /// Does the deeds until none is left. No lock is held while one is done.
    fn serve(self: &Arc<Self>) {
        loop {
            let deed = self.book().deeds.next();
            match deed {
                Some(deed) => self.carry_out(deed),
                None => return,
            }
        }
    }

    fn carry_out(self: &Arc<Self>, deed: Deed) {
        match deed {
            Deed::Send(message, qp) => self.send(message, qp),
            Deed::ReadyToReceive(qp, peer, limits) => {
                qp.ready_to_receive(peer, limits.inbound, limits.outbound);
            }
            Deed::ReadyToSend(qp) => qp.ready_to_send(),
            Deed::Release { qp, untie } => {
                qp.on_fatal(None); // before another connector can get it
                qp.release();
                if planted!(RefusalFlushes, "a connect that fails cancels the receives") {
                    qp.flush();
                }
                drop(untie.then(|| self.life.untie(&qp.life)));
            }
            Deed::Error(qp) => qp.error(),
            Deed::Disconnect(qp) => {
                let side = Arc::clone(self);
                qp.disconnect(move || side.notice(Notice::DmaEnded));
            }
            Deed::Say(word) => self.say(word),
            Deed::Ended(hold) => drop(hold),
        }
    }

    fn send(self: &Arc<Self>, message: Message, qp: Option<QpId>) {
        if let (Body::Req(_), Some(qp)) = (&message.body, qp) {
            self.set_peer(Weak::new());
            self.exchange.request(self, message, qp);
            return;
        }
        // One that is gone was closed, and has nothing to answer.
        let peer = self.book().peer.upgrade();
        if let Some(peer) = peer {
            peer.hear(message, qp);
        }
    }

    fn say(self: &Arc<Self>, word: Word) {
        if self.book().words.join([word]) {
            let mut outbox = Outbox::new();
            outbox.push(Arc::clone(self) as Arc<dyn Deliver>);
            outbox.emit();
        }
    }

    /// The end of the life: what the device lent goes back.
    fn give_back(&self) {
        let (qp, endpoint) = {
            let mut book = self.book();
            book.peer = Weak::new();
            (book.qp.take(), book.endpoint.take())
        };
        drop(endpoint);
        if let Some(qp) = qp {
            qp.on_fatal(None);
        }
    }

    /// A poisoned lock is sound: user code never runs below it, and the machine moves as a whole.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ties `qp` to this side; what the queue pair has to tell comes here.
    pub(super) fn tie(&self, qp: &Arc<Qp>) -> Result<Hold, ConnectError> {
        let hold = qp.life.try_hold().filter(|_| qp.tie());
        hold.ok_or(ConnectError::QpBusy { qpn: qp.qpn() })
    }

    /// Keeps the queue pair of a call that was taken, whose hold [`Side::tie`] has given.
    pub(super) fn adopt(
        self: &Arc<Self>,
        book: &mut Book,
        qp: &Arc<Qp>,
        hold: Hold,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.life.tie(hold);
        book.qp = Some(Arc::clone(qp));
        let (side, id) = (Arc::downgrade(self), qp.id());
        qp.on_fatal(Some(Box::new(move || {
            if let Some(side) = side.upgrade() {
                side.fatal(id);
            }
        })));
        // It may have been dead before there was anybody to tell.
        if qp.state() == QpState::Error {
            book.machine.handle_notice(now, Notice::QpFatal, actions);
        }
    }
}

impl Book {
    pub(super) fn set_endpoint(&mut self, endpoint: Endpoint, shared: Option<Arc<Life>>) {
        self.endpoint = Some(endpoint);
        self.shared = shared;
    }

    /// Names the disconnect event; the one before, for the caller to drop below no lock.
    pub(super) fn set_on_disconnect(&mut self, event: Option<Task>) -> Option<Task> {
        replace(&mut self.on_disconnect, event)
    }

    fn qp(&self) -> &Arc<Qp> {
        self.qp.as_ref().expect("the machine asks for a queue pair only between a tie and its end")
    }

    /// An action with all that it needs.
    fn deed(&mut self, action: Action) -> Deed {
        match action {
            Action::Send(message) => {
                let named = matches!(message.body, Body::Req(_) | Body::Rep(_)).then(|| self.qp().id());
                Deed::Send(message, named)
            }
            Action::Complete(call, outcome) => {
                let pending = self.pending.take().expect("a call that was taken ends once");
                Deed::Say(Word::Done(pending, result(call, outcome)))
            }
            Action::Disconnected => Deed::Say(Word::Disconnected),
            Action::QpReadyToReceive => {
                let peer = self.peer_qp.expect("request or reply has named it");
                Deed::ReadyToReceive(Arc::clone(self.qp()), peer, self.machine.limits())
            }
            Action::QpReadyToSend => Deed::ReadyToSend(Arc::clone(self.qp())),
            Action::QpRelease => {
                let qp = self.qp.take().expect("tied for the attempt that has failed");
                Deed::Release { qp, untie: self.machine.state() != State::Closed }
            }
            Action::QpError => Deed::Error(Arc::clone(self.qp())),
            Action::QpDisconnect => Deed::Disconnect(Arc::clone(self.qp())),
            Action::Ended => Deed::Ended(self.ending.take()),
        }
    }
}

/// How a call ended, as its consumer hears it.
pub(super) fn result(call: CallName, outcome: Outcome) -> Result<(), ConnectError> {
    match outcome {
        Outcome::Success => Ok(()),
        outcome => Err(ConnectError::Failed { call, outcome }),
    }
}

/// What the peer must know of `qp`; within a process nobody counts packets.
pub(super) fn address_of(qp: &Qp) -> QpAddress {
    QpAddress { qpn: qp.qpn(), starting_psn: 0 }
}

/// Has the next word said when this one has been, also where it ended in a panic.
struct Next<'s>(&'s Arc<Side>);

impl Drop for Next<'_> {
    fn drop(&mut self) {
        let more = self.0.book().words.goes_on();
        if more {
            let mut outbox = Outbox::new();
            outbox.push(Arc::clone(self.0) as Arc<dyn Deliver>);
            outbox.emit();
        }
    }
}

impl Deliver for Side {
    /// Says one word; words of one connector never overlap.
    fn deliver(self: Arc<Self>) {
        let _next = Next(&self);
        let word = self.book().words.next();
        match word {
            Some(Word::Done(pending, result)) => {
                let Pending { done, hold } = pending;
                done(result);
                drop(hold);
            }
            Some(Word::Disconnected) => {
                // Disconnect and close take the event away, so that it is not called after either (CONN-32).
                let event = {
                    let mut book = self.book();
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

#[cfg(test)]
impl Side {
    /// Runs `during` as if another thread were at the deeds of this side, then does those that have come.
    pub(super) fn while_served_elsewhere(self: &Arc<Self>, during: impl FnOnce()) {
        assert!(self.book().deeds.join([Deed::Ended(None)]), "somebody is at it");
        during();
        self.serve();
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.book();
        f.debug_struct("Connector")
            .field("state", &book.machine.state())
            .field("route", &book.machine.route())
            .field("qp", &book.qp.as_ref().map(|qp| qp.qpn()))
            .finish_non_exhaustive()
    }
}
