//! Connectors and listeners: how the queue pairs of one process come to be connected, and part again.
//!
//! What is to be done is decided in `cm`, which knows no locks; here it is done. Each end of a connection is
//! a [`Side`](side::Side): the machine, what it was given (queue pair, endpoint, callbacks), and two lines.
//! Who brings its messages to the other end is its [`Messenger`](messenger::Messenger): within one process
//! [`InProcess`], for which an [`Exchange`], one for each NET, knows the addresses, who listens where, and
//! which waits end when; `backend` has another one for real devices.
//!
//! - **Deeds**, what the machine asked for, are done in the order in which it was asked, by whichever thread
//!   finds nobody at it; no lock is held meanwhile. A message is a deed: within a process it goes straight
//!   into the machine of the peer, whose deeds the same thread then does, unless another one is at it. So two
//!   threads never wait for each other, and a thread is never deeper than one side within the other.
//! - **Words** to the consumer (the end of a call, the disconnect event) are said one after another as
//!   callbacks, when the thread holds nothing any more. Each holds the connector's life until it is said.
//!
//! Locks: a side's, a listener's or a shared endpoint's, and below it the exchange's or that of its ports, of
//! which none is held below the other; never two sides'. Below
//! a side's lock its queue pair is tied, given back and made ready to send, which calls nobody: a queue pair
//! tells its connector by way of an outbox. Closures of the consumer are neither called nor dropped there.
//!
//! Who holds whom: a connector its adapter, its listener if it came by one, and its queue pair from connect
//! or accept until it is closed, or until the attempt has failed. May come in: what carries the words of
//! `cm` between objects of one process. Not here: which move follows which (`cm`), packets (`transport`),
//! statuses (the faces), when time is over (the driver asks [`Exchange::handle_timeouts`]).

mod connector;
pub(crate) mod endpoint;
mod error;
mod exchange;
mod in_process;
mod line;
mod listener;
pub(crate) mod messenger;
pub(crate) mod side;
#[cfg(test)]
mod tests;

pub(crate) use connector::Connector;
pub(crate) use endpoint::SharedEndpoint;
pub(crate) use error::{ConnectError, ListenError};
pub(crate) use exchange::Exchange;
pub(crate) use in_process::InProcess;
pub(crate) use listener::Listener;
pub(crate) use side::Done;
