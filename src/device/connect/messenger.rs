//! What differs between sides within one process and those of a real device: who brings their messages.

use super::error::ConnectError;
use super::side::{Book, Side};
use crate::cm::{Action, CallName, EndpointError, Message, Notice, Outcome, ReadLimits, Timeouts};
use crate::device::lifetime::Life;
use crate::time::Time;
use crate::work::Qpn;
use std::net::SocketAddr;
use std::sync::Arc;

/// Carries what a side's machine says to the machine of its peer; each side has one.
pub(crate) trait Messenger: Send + Sync + Sized + 'static {
    type Qp: Connectable;
    /// A local address, given back when it is dropped.
    type Endpoint: Send;
    type SharedEndpoint: Sharing<Self>;
    /// How the peer is reached, as far as that is known.
    type Way: Clone + Send;
    /// What it keeps of one side, below the side's lock.
    type Notes: Default + Send;

    /// For connectors made from now on.
    fn timeouts(&self) -> Timeouts;

    fn now(&self) -> Time;

    /// Takes `local` for a connection to `remote`; port 0 chooses one.
    fn endpoint(&self, local: SocketAddr, remote: SocketAddr) -> Result<Taken<Self>, EndpointError>;

    fn address(endpoint: &Self::Endpoint) -> SocketAddr;

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

/// An endpoint that was taken, and the way to the peer, where it is known from there on.
pub(crate) type Taken<M> = (<M as Messenger>::Endpoint, Option<<M as Messenger>::Way>);

/// A local endpoint over which several connectors connect.
pub(crate) trait Sharing<M: Messenger> {
    fn life(&self) -> &Arc<Life>;
    fn local_address(&self) -> SocketAddr;
    /// An endpoint for a connection to `remote`.
    fn share(&self, remote: SocketAddr) -> Result<Taken<M>, EndpointError>;

    /// Why it cannot be had: closed, it is nobody's address any more.
    fn gone(&self) -> EndpointError {
        EndpointError::InvalidAddress { address: self.local_address() }
    }
}

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
