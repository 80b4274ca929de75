//! The connection manager: identifiers that listen, connect and are accepted, with queue pairs of the caller.
//!
//! An [`Id`] is one end of a connection to be. Everything that takes time answers by an [`Event`] on the id's
//! [`EventChannel`]. The queue pair is the caller's: its number goes with connect and accept, its attributes
//! come from [`Id::qp_attributes`], and the active end says itself when it is ready ([`Id::establish`]), so
//! that accepting and being connected are two steps.
//!
//! Active: `resolve_address`, AddressResolved, `resolve_route`, RouteResolved, create and init the queue
//! pair, `connect`, ConnectResponse, move it to ready to send, `establish`. Passive: `bind`, `listen`,
//! ConnectRequest with a new id, create the queue pair and move it to ready to send, `accept`, Established.
//!
//! librdmacm does not say that one id may be used by several threads while its events are taken, and it
//! writes into the id when they are. So every call on a channel's ids, and the taking of its events, is made
//! under one lock of the channel. None of them waits for a peer.
//!
//! May come in: multicast and datagrams, as methods of `Id`. Not here: retries, time-outs, and whose turn it
//! is.

mod address;
mod channel;
mod event;
mod id;
mod removal;

pub use channel::EventChannel;
pub use event::{Event, EventKind, Parameters};
pub use id::{Connection, Id, MAX_PRIVATE_DATA_ACCEPT, MAX_PRIVATE_DATA_CONNECT, MAX_PRIVATE_DATA_REJECT};
