//! What differs between sides within one process and those of a real device: who brings their messages.

use super::endpoint::Endpoint;
use super::error::ConnectError;
use super::listener::Listener;
use super::side::{Book, Side};
use crate::cm::{Action, CallName, EndpointError, Message, Notice, Outcome, ReadLimits, Timeouts};
use crate::device::lifetime::Life;
use crate::time::Time;
use crate::work::Qpn;
use std::net::SocketAddr;
use std::sync::Arc;

/// Carries what a side's machine says to the machine of its peer; each side has one.
///
/// Listeners and shared endpoints have one too, for the addresses that are taken by it.
pub(crate) trait Messenger: Send + Sync + Sized + 'static {
    type Qp: Connectable;
    /// Beside an endpoint that was opened, what keeps it from others.
    type Bound: Send;
    /// How the peer is reached, as far as that is known.
    type Way: Clone + Send;
    /// What it keeps of one side, below the side's lock.
    type Notes: Default + Send;

    /// That of another side of the same adapter.
    fn another(&self) -> Self;

    /// For connectors made from now on.
    fn timeouts(&self) -> Timeouts;

    fn now(&self) -> Time;

    /// Takes `local` for a connection to `remote`; port 0 chooses one.
    fn endpoint(&self, local: SocketAddr, remote: SocketAddr) -> Result<Taken<Self>, EndpointError>;

    /// Takes `local` for a listener, or to be `shared` by connections; port 0 chooses one.
    fn open(&self, local: SocketAddr, shared: bool) -> Result<Opened<Self>, EndpointError>;

    /// The way of one more connection from `local`, a shared endpoint, where it is known from there on.
    fn way_from(&self, local: SocketAddr) -> Result<Option<Self::Way>, EndpointError>;

    /// Requests to `local` come to `listener` from now on. Below its lock; nothing has changed if it fails.
    fn listen(
        listener: &Arc<Listener<Self>>,
        local: SocketAddr,
        bound: &Self::Bound,
    ) -> Result<(), EndpointError>;

    /// No more requests come to the listener that had this; its endpoint is still held.
    fn withdraw(&self, bound: Self::Bound);

    /// Looks, below the lock, at what the machine has asked for, of which nothing is done yet; when to call
    /// [`wake_at`](Self::wake_at).
    fn look(_side: &Arc<Side<Self>>, _book: &mut Book<Self>, _actions: &[Action]) -> Option<Time> {
        None
    }

    /// The machine has a wait that ends then; no lock is held.
    fn wake_at(&self, _due: Time) {}

    /// With this action the side's address is free for another attempt, and the way to the peer at its end.
    fn is_last(action: &Action) -> bool {
        matches!(action, Action::Complete(CallName::Connect, end) if *end != Outcome::Success)
    }

    /// Brings `message` to the peer, with the queue pair that a request or a reply names. As a deed.
    fn send(side: &Arc<Side<Self>>, message: Message, qp: Option<Arc<Self::Qp>>, way: Option<Self::Way>);

    /// Makes `qp` ready to receive from the peer. As a deed.
    fn make_ready(side: &Arc<Side<Self>>, qp: &Arc<Self::Qp>, way: Option<Self::Way>, limits: ReadLimits);

    /// Tells the machine, below the lock, that the side's queue pair has gone to error by itself.
    fn broken(book: &mut Book<Self>, now: Time, actions: &mut Vec<Action>) {
        book.machine.handle_notice(now, Notice::QpFatal, actions);
    }

    /// The side goes that way no more; its endpoint is still held. As a deed, or at the end of the life.
    fn part(&self, _way: Self::Way) {}

    /// The reject that was just carried out came too late, which only its messenger knows.
    fn rejected_nobody(_notes: &Self::Notes) -> bool {
        false
    }
}

/// An endpoint that was opened, and what keeps it from others.
pub(crate) type Opened<M> = (Endpoint, <M as Messenger>::Bound);

/// An endpoint that was taken for a connection, and the way to the peer, where it is known from there on.
pub(crate) type Taken<M> = (Endpoint, Option<<M as Messenger>::Way>);

/// A queue pair, as the side that has it sees it.
pub(crate) trait Connectable: Send + Sync + 'static {
    fn life(&self) -> &Arc<Life>;
    fn qpn(&self) -> Qpn;
    /// Takes it for a connector; false: another has it, or it is used up.
    fn tie(&self) -> bool;
    /// Gives it back as it was before the attempt that failed, receives kept.
    fn release(self: &Arc<Self>);
    /// What is called, once, when it goes to error by itself; as a callback, no lock held.
    fn on_fatal(&self, hook: Option<Box<dyn Fn() + Send + Sync>>);
    /// It is in error.
    fn is_broken(&self) -> bool;
    /// Initiator requests are taken from now on. May be called below a side's lock.
    fn ready_to_send(&self);
    /// The connection is dead, and its connector knows.
    fn error(self: &Arc<Self>);
    /// Ends the connection; `done` is called, as a callback, when everything pending has been cancelled.
    fn disconnect(self: &Arc<Self>, done: impl FnOnce() + Send + 'static);

    /// The refusal of a connector that wants it too.
    fn busy(&self) -> ConnectError {
        ConnectError::QpBusy { qpn: self.qpn() }
    }
}
