//! One end of a connection: the machine, what it was given, and the two lines of what follows from it.

use super::endpoint::Endpoint;
use super::error::ConnectError;
use super::line::Line;
use super::messenger::{Connectable, Messenger};
use crate::cm::{self, Action, Body, Call, CallName, Message, Notice, Outcome, ReadLimits, State};
use crate::device::callbacks::{self, Deliver, Outbox};
use crate::device::lifetime::{Hold, Life, Task};
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
enum Deed<M: Messenger> {
    /// Bring this to the peer, with the queue pair that a request or reply names.
    Send(Message, Option<Arc<M::Qp>>, Option<M::Way>),
    MakeReady(Arc<M::Qp>, Option<M::Way>, ReadLimits),
    ReadyToSend(Arc<M::Qp>),
    /// Gives it back; what is closed stays tied until the close is complete (CLOSE-13).
    Release {
        qp: Arc<M::Qp>,
        untie: bool,
    },
    Error(Arc<M::Qp>),
    Disconnect(Arc<M::Qp>),
    /// Gives the way and the address of an attempt back, so that the address can be used for another one.
    LetGo(Option<M::Way>, Option<Endpoint>, Option<Arc<Life>>),
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
pub(crate) struct Book<M: Messenger> {
    pub(crate) machine: cm::Connector,
    /// From connect or accept until the attempt has failed, or the close is complete.
    pub(crate) qp: Option<Arc<M::Qp>>,
    /// From the attempt or the request on, until [`Messenger::is_last`].
    pub(crate) way: Option<M::Way>,
    /// Its messenger's.
    pub(crate) notes: M::Notes,
    pub(super) endpoint: Option<Endpoint>,
    /// The shared endpoint that this side is tied to.
    shared: Option<Arc<Life>>,
    on_disconnect: Option<Task>,
    pending: Option<Pending>,
    /// Keeps the close from completing until the machine has ended.
    ending: Option<Hold>,
    deeds: Line<Deed<M>>,
    words: Line<Word>,
}

/// One end of a connection.
pub(crate) struct Side<M: Messenger> {
    pub(crate) life: Arc<Life>,
    pub(crate) messenger: M,
    book: Mutex<Book<M>>,
}

impl<M: Messenger> Side<M> {
    /// An end that relies on `antecedent`; of a request that has come, with its endpoint and a way back.
    pub(crate) fn new(
        messenger: M,
        antecedent: Hold,
        machine: cm::Connector,
        incoming: Option<(Endpoint, M::Way)>,
    ) -> Arc<Self> {
        let (endpoint, way) = incoming.unzip();
        let book = Book {
            machine,
            qp: None,
            way,
            notes: M::Notes::default(),
            endpoint,
            shared: None,
            on_disconnect: None,
            pending: None,
            ending: None,
            deeds: Line::new(),
            words: Line::new(),
        };
        Arc::new(Self { life: Life::new([antecedent]), messenger, book: Mutex::new(book) })
    }

    /// Reads what the machine knows.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&cm::Connector) -> R) -> R {
        read(&self.book().machine)
    }

    /// Makes a call that ends by `done`: later if the call is taken, at once if it is refused.
    pub(super) fn ask(
        self: &Arc<Self>,
        done: Done,
        call: impl FnOnce(&mut Book<M>, Time, &mut Vec<Action>) -> Result<(), ConnectError>,
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

    /// The device says something.
    pub(crate) fn notice(self: &Arc<Self>, notice: Notice) {
        self.input(|book, now, actions| book.machine.handle_notice(now, notice, actions));
    }

    /// The queue pair went to error by itself; nothing is meant by one that was given back since.
    fn fatal(self: &Arc<Self>, which: &Weak<M::Qp>) {
        self.input(|book, now, actions| {
            if book.qp.as_ref().is_some_and(|qp| std::ptr::eq(Arc::as_ptr(qp), which.as_ptr())) {
                M::broken(book, now, actions);
            }
        });
    }

    /// Feeds the machine, and does what follows unless another thread is at it.
    pub(crate) fn input<R>(
        self: &Arc<Self>,
        feed: impl FnOnce(&mut Book<M>, Time, &mut Vec<Action>) -> R,
    ) -> R {
        // What is said to users waits until this side, and the one that speaks to it, hold nothing.
        let _after = callbacks::guard();
        let now = self.messenger.now();
        let mut actions = Vec::new();
        let (result, serve, due) = {
            let mut book = self.book();
            let result = feed(&mut book, now, &mut actions);
            let due = M::look(self, &mut book, &actions);
            (result, book.line_up(actions), due)
        };
        if let Some(due) = due {
            self.messenger.wake_at(due);
        }
        if serve {
            self.serve();
        }
        result
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

    fn carry_out(self: &Arc<Self>, deed: Deed<M>) {
        match deed {
            Deed::Send(message, qp, way) => M::send(self, message, qp, way),
            Deed::MakeReady(qp, way, limits) => M::make_ready(self, &qp, way, limits),
            Deed::ReadyToSend(qp) => qp.ready_to_send(),
            Deed::Release { qp, untie } => {
                qp.on_fatal(None); // before another connector can get it
                qp.release();
                drop(untie.then(|| self.life.untie(qp.life())));
            }
            Deed::Error(qp) => qp.error(),
            Deed::Disconnect(qp) => {
                let side = Arc::clone(self);
                qp.disconnect(move || side.notice(Notice::DmaEnded));
            }
            Deed::LetGo(way, endpoint, shared) => {
                if let Some(way) = way {
                    self.messenger.part(way);
                }
                drop(endpoint);
                drop(shared.map(|shared| self.life.untie(&shared)));
            }
            Deed::Say(word) => self.say(word),
            Deed::Ended(hold) => drop(hold),
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
        let (qp, way, endpoint, notes) = {
            let mut book = self.book();
            (book.qp.take(), book.way.take(), book.endpoint.take(), std::mem::take(&mut book.notes))
        };
        drop(notes);
        if let Some(way) = way {
            self.messenger.part(way);
        }
        drop(endpoint);
        if let Some(qp) = qp {
            qp.on_fatal(None);
        }
    }

    /// A poisoned lock is sound: user code never runs below it, and the machine moves as a whole.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book<M>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ties `qp` to this side; what the queue pair has to tell comes here.
    pub(super) fn tie(&self, qp: &Arc<M::Qp>) -> Result<Hold, ConnectError> {
        qp.life().try_hold().filter(|_| qp.tie()).ok_or_else(|| qp.busy())
    }

    /// Keeps the queue pair of a call that was taken, whose hold [`Side::tie`] has given.
    pub(super) fn adopt(
        self: &Arc<Self>,
        book: &mut Book<M>,
        qp: &Arc<M::Qp>,
        hold: Hold,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.life.tie(hold);
        book.qp = Some(Arc::clone(qp));
        let (side, which) = (Arc::downgrade(self), Arc::downgrade(qp));
        qp.on_fatal(Some(Box::new(move || {
            if let Some(side) = side.upgrade() {
                side.fatal(&which);
            }
        })));
        // It may have been dead before there was anybody to tell.
        if qp.is_broken() {
            book.machine.handle_notice(now, Notice::QpFatal, actions);
        }
    }
}

impl<M: Messenger> Book<M> {
    pub(super) fn set_endpoint(
        &mut self,
        endpoint: Endpoint,
        way: Option<M::Way>,
        shared: Option<Arc<Life>>,
    ) {
        (self.endpoint, self.way, self.shared) = (Some(endpoint), way, shared);
    }

    /// Names the disconnect event; the one before, for the caller to drop below no lock.
    pub(super) fn set_on_disconnect(&mut self, event: Option<Task>) -> Option<Task> {
        replace(&mut self.on_disconnect, event)
    }

    fn qp(&self) -> &Arc<M::Qp> {
        self.qp.as_ref().expect("the machine asks for a queue pair only between a tie and its end")
    }

    /// Turns actions into deeds; true: nobody is at them, so the caller is to be.
    fn line_up(&mut self, actions: Vec<Action>) -> bool {
        let mut actions = actions.into_iter().peekable();
        if actions.next_if_eq(&Action::QpReadyToSend).is_some() {
            // The first thing, so the peer's RTU has brought it, and the peer's next deed lets its own queue
            // pair send. A receive that then completes here must find that this one may answer (Q-12,
            // CONN-43), also where another thread is at the deeds: none of those before this one is still to
            // be begun, since the peer has had our reply.
            self.qp().ready_to_send();
        }
        let mut deeds = Vec::new();
        for action in actions {
            let (last, says) = (M::is_last(&action), matches!(action, Action::Complete(..)));
            let deed = self.deed(action);
            let let_go = last.then(|| self.let_go());
            // A word after it; a message needs the way.
            let (first, second) = if says { (let_go, Some(deed)) } else { (Some(deed), let_go) };
            deeds.extend(first.into_iter().chain(second));
        }
        self.deeds.join(deeds)
    }

    /// The address stays at a close, which gives it back when it is complete.
    fn let_go(&mut self) -> Deed<M> {
        let way = self.way.take();
        if self.machine.state() == State::Closed {
            return Deed::LetGo(way, None, None);
        }
        Deed::LetGo(way, self.endpoint.take(), self.shared.take())
    }

    /// An action with all that it needs.
    fn deed(&mut self, action: Action) -> Deed<M> {
        match action {
            Action::Send(message) => {
                let named = matches!(message.body, Body::Req(_) | Body::Rep(_)).then(|| self.qp().clone());
                Deed::Send(message, named, self.way.clone())
            }
            Action::Complete(call, outcome) => {
                let pending = self.pending.take().expect("a call that was taken ends once");
                Deed::Say(Word::Done(pending, result(call, outcome)))
            }
            Action::Disconnected => Deed::Say(Word::Disconnected),
            Action::QpReadyToReceive => {
                Deed::MakeReady(Arc::clone(self.qp()), self.way.clone(), self.machine.limits())
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

/// Has the next word said when this one has been, also where it ended in a panic.
struct Next<'s, M: Messenger>(&'s Arc<Side<M>>);

impl<M: Messenger> Drop for Next<'_, M> {
    fn drop(&mut self) {
        let more = self.0.book().words.goes_on();
        if more {
            let mut outbox = Outbox::new();
            outbox.push(Arc::clone(self.0) as Arc<dyn Deliver>);
            outbox.emit();
        }
    }
}

impl<M: Messenger> Deliver for Side<M> {
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
impl<M: Messenger> Side<M> {
    /// Runs `during` as if another thread were at the deeds of this side, then does those that have come.
    pub(super) fn while_served_elsewhere(self: &Arc<Self>, during: impl FnOnce()) {
        assert!(self.book().deeds.join([Deed::Ended(None)]), "somebody is at it");
        during();
        self.serve();
    }
}

impl<M: Messenger> fmt::Debug for Side<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.book();
        f.debug_struct("Connector")
            .field("state", &book.machine.state())
            .field("route", &book.machine.route())
            .field("qp", &book.qp.as_ref().map(|qp| qp.qpn()))
            .finish_non_exhaustive()
    }
}
