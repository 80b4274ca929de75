//! The words of the table: states, inputs, steps and outcomes.
//!
//! The states are those of ndkpi.md 4.2, with these differences. *Completing* is missing: an RTU has no
//! answer, so the complete connect ends within its call. Where the peer gave up while the local consumer
//! had still to decide, the connector waits in a state of its own (`…Gone`) to say so. *Disconnecting* is
//! split at the point where only the local queue pair's data movement is awaited (`Draining`).

use super::message::RejReason;

/// Where a connector stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Never connected, or an attempt to connect failed in a way that may be tried again.
    Created,
    /// Active: the request is under way, the peer has not answered.
    Connecting,
    /// Active: the peer accepted; the local consumer completes, rejects or closes, in its own time.
    Accepted,
    /// Active: accepted, but given up since; the consumer will learn by its next call.
    AcceptedGone,
    /// Passive: a request has arrived; the local consumer accepts, rejects or closes, in its own time.
    Incoming,
    /// Passive: the peer gave up before the consumer answered, which will learn by its next call.
    IncomingGone,
    /// Passive: accepted, the peer has not completed.
    Accepting,
    /// Both consumers have agreed; data may move.
    Connected,
    /// The peer took its leave and waits for the local consumer's; data may still move.
    PeerDisconnected,
    /// Connected once, dead now: the queue pair is in error, the consumer was told.
    Broken,
    /// The local consumer took its leave and waits for the peer's.
    Disconnecting,
    /// Disconnect is decided as said, and completes when data movement has ended (CONN-35).
    Draining(Outcome),
    /// As draining, and the consumer has closed the connector meanwhile.
    Closing(Outcome),
    /// Disconnected; neither the connector nor its queue pair connects again (CONN-36).
    Disconnected,
    /// Rejected or failed for good; only close is left (CONN-24).
    Failed,
    /// Closed; nothing more will come.
    Closed,
}

/// What the table is asked with: a call, a message, a notice of the device, or the end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The local consumer calls.
    Call(CallName),
    /// The local consumer closes the connector.
    Close,
    /// Message of that name.
    Req,
    /// Message of that name.
    Rep,
    /// Message of that name.
    Rtu,
    /// Message of that name, for any reason but a stale connection.
    Rej,
    /// A reject because the peer still has a connection between the same addresses.
    RejStale,
    /// Message of that name.
    Dreq,
    /// Message of that name.
    Drep,
    /// Message of that name.
    Gone,
    /// The first request of the peer reached the queue pair: it is connected, its RTU may come later.
    Established,
    /// The peer cannot be reached.
    Unreachable(Unreachable),
    /// All data movement of the queue pair has ended, as [`Step::QpDisconnect`] asked.
    DmaEnded,
    /// The queue pair went to error by itself.
    QpFatal,
    /// The wait for the peer is over.
    Timeout,
}

/// The calls that are answered by an [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallName {
    /// Active, first leg.
    Connect,
    /// Passive, second leg.
    Accept,
    /// Active, third leg.
    CompleteConnect,
    /// Passive instead of accept, active instead of complete connect.
    Reject,
    /// Either side, of a connection.
    Disconnect,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// As asked.
    Success,
    /// The peer, or the absence of a listener, refused.
    Refused,
    /// The peer gave up, or the connection broke.
    Aborted,
    /// The peer did not answer in time.
    TimedOut,
    /// The peer still has a connection between these addresses and ports.
    AddressExists,
    /// No route to the peer's network.
    NetworkUnreachable,
    /// No such host.
    HostUnreachable,
    /// The local consumer closed the connector while the call was pending.
    Cancelled,
}

/// How far the way to the peer leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// Not even to its network.
    Network,
    /// To its network, where nobody has that address.
    Host,
}

/// Why a call is refused in a state; the state stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The connector is connecting or connected already (CONN-21).
    Active,
    /// The call does not belong there (CONN-4, CONN-39).
    Invalid,
}

/// One thing to do, without its payload, which the connector adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Send a message of that name.
    SendReq,
    /// Send a message of that name.
    SendRep,
    /// Send a message of that name.
    SendRtu,
    /// Send a reject for that reason.
    SendRej(RejReason),
    /// Send a message of that name.
    SendDreq,
    /// Send a message of that name.
    SendDrep,
    /// Send a message of that name.
    SendGone,
    /// The pending call ends so.
    Complete(CallName, Outcome),
    /// Call the disconnect event.
    Event,
    /// The queue pair takes the peer's requests.
    QpReadyToReceive,
    /// The queue pair sends.
    QpReadyToSend,
    /// No connection came about: the queue pair is as it was before, its receives still queued (CONN-22).
    QpRelease,
    /// The connection is dead: flush everything, take and flush what is posted later.
    QpError,
    /// Flush everything, refuse sends from now on, and say [`Input::DmaEnded`] once.
    QpDisconnect,
    /// The connector will do nothing more.
    Ended,
}

/// What becomes of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Go there and do this, in this order.
    To(State, Vec<Step>),
    /// The call is refused, nothing changes.
    Refuse(Refusal),
    /// Nothing changes.
    Ignore,
}
