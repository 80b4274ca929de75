//! Connection manager: how two consumers agree on a connection and how they part again.
//!
//! Sans-IO: a [`Connector`] takes calls of its consumer, messages of its peer and notices of its device,
//! and answers with [`Action`]s that the device carries out **in their order**. The moves are one table,
//! [`moves::next`], whose whole matrix is a snapshot (`snapshots/`), so a change of protocol shows as a
//! change of table. Three legs make a connection, and the active consumer drives the third:
//!
//! ```text
//! active                        passive
//! Connect          -- Req -->   incoming connector, by way of a Listener
//! Connect done     <-- Rep --   Accept (pending)
//! CompleteConnect  -- Rtu -->   Accept done
//! ```
//!
//! Parting is a `Dreq` from each side, or a `Dreq` and a `Drep`; whoever closes instead sends `Gone`. The
//! rules are those of ndkpi.md section 4 and its rulings Q-7, Q-12, Q-16 and Q-17.
//!
//! [`Endpoints`] counts who uses which local address and port, [`Listener`] says what becomes of a request
//! that arrives. Time comes in as an argument; deadlines go out through `next_timeout`.
//!
//! Messages are handed over in order, without loss, within a process. On a wire the codec and its
//! repetition lie between: a repeated `Req` is answered there with the same `Rep`. May come in: whatever
//! decides the fate of a connection. Not here: clocks, locks, threads, packets, queue pairs (they are told
//! what to do by actions), and who holds whom until when (that is the device's).

#![forbid(unsafe_code)]

mod connector;
pub(crate) mod endpoints;
mod limits;
mod listener;
mod message;
mod moves;
mod state;
#[cfg(test)]
mod tests;

pub use connector::{Accept, Action, Call, CallError, Connect, ConnectionData, Connector, Notice, Timeouts};
#[cfg(feature = "rdma-core")]
pub use endpoints::PORTS_CHOSEN;
pub use endpoints::{EndpointError, Endpoints, Hold};
pub use limits::ReadLimits;
pub use listener::{Arrival, Listener, ListenerError};
#[cfg(feature = "rdma-core")]
pub use message::Reply;
pub use message::{
    ANSWER_DATA_MAX, Attempt, Body, CONNECT_DATA_MAX, Message, PrivateData, QpAddress, RejReason, Request,
    Route, TooLong,
};
pub use state::{CallName, Outcome, Refusal, State, Unreachable};
