//! The states of a connector and its moves: one table, nothing else.
//!
//! The states are those of ndkpi.md 4.2, with these differences. *Completing* is missing: an RTU has no
//! answer, so the complete connect ends within its call. Where the peer gave up while the local consumer
//! had still to decide, the connector waits in a state of its own (`…Gone`) to say so. *Disconnecting* is
//! split at the point where only the local queue pair's data movement is awaited (`Draining`).
//!
//! A call that the table refuses changes nothing. A message that it ignores had its reason to come late or
//! twice, since both sides act at the same time; the matrix in `snapshots/` names each such pair.

use super::message::RejReason;

use CallName::{Accept, CompleteConnect, Connect, Disconnect, Reject};
use Input::{
    Call, Close, DmaEnded, Drep, Dreq, Established, Gone, QpFatal, Rej, RejStale, Rep, Req, Rtu, Timeout,
};
use Move::{Ignore, Refuse};
use Outcome::{
    Aborted, AddressExists, Cancelled, HostUnreachable, NetworkUnreachable, Refused, Success, TimedOut,
};
use RejReason::{Consumer, GaveUp};
use State::*;
use Step::{
    Complete, Ended, Event, QpDisconnect, QpError, QpReadyToReceive, QpReadyToSend, QpRelease, SendDrep,
    SendDreq, SendGone, SendRej, SendRep, SendReq, SendRtu,
};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// The table: where `input` leads from `state`.
pub fn next(state: State, input: Input) -> Move {
    match state {
        Created => created(input),
        Connecting => connecting(input),
        Accepted => accepted(input),
        AcceptedGone => accepted_gone(input),
        Incoming => incoming(input),
        IncomingGone => incoming_gone(input),
        Accepting => accepting(input),
        Connected => connected(input),
        PeerDisconnected => peer_disconnected(input),
        Broken => broken(input),
        Disconnecting => disconnecting(input),
        Draining(outcome) => draining(input, outcome),
        Closing(outcome) => closing(input, outcome),
        Disconnected => disconnected(input),
        Failed => failed(input),
        Closed => closed(input),
    }
}

fn to<const N: usize>(state: State, steps: [Step; N]) -> Move {
    Move::To(state, steps.to_vec())
}

/// A call where the connection, or the attempt, lives: only another connect is told so.
fn refuse_while_active(call: CallName) -> Move {
    Refuse(if call == Connect { Refusal::Active } else { Refusal::Invalid })
}

fn created(input: Input) -> Move {
    match input {
        Call(Connect) => to(Connecting, [SendReq]),
        Call(_) => Refuse(Refusal::Invalid),
        Close => to(Closed, [Ended]),
        // What a failed attempt still had under way.
        Req | Rep | Rtu | Rej | RejStale | Dreq | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn connecting(input: Input) -> Move {
    match input {
        // The queue pair is not touched before the consumer completes, so that it may still say no.
        Rep => to(Accepted, [Complete(Connect, Success)]),
        // The peer vanishing before its answer is a refusal: connect knows no other word for it.
        Rej | Gone => to(Created, [QpRelease, Complete(Connect, Refused)]),
        RejStale => to(Failed, [QpRelease, Complete(Connect, AddressExists)]),
        Input::Unreachable(Unreachable::Network) => {
            to(Created, [QpRelease, Complete(Connect, NetworkUnreachable)])
        }
        Input::Unreachable(Unreachable::Host) => to(Created, [QpRelease, Complete(Connect, HostUnreachable)]),
        Timeout => to(Created, [QpRelease, SendRej(GaveUp), Complete(Connect, TimedOut)]),
        // An unconnected queue pair dies of its completion queue only.
        QpFatal => to(Failed, [QpRelease, SendRej(GaveUp), Complete(Connect, Aborted)]),
        Close => to(Closed, [QpRelease, SendRej(GaveUp), Complete(Connect, Cancelled), Ended]),
        Call(call) => refuse_while_active(call),
        Req | Rtu | Dreq | Drep | Established | DmaEnded => Ignore,
    }
}

fn accepted(input: Input) -> Move {
    match input {
        // RTU first: the accept has ended before the first request of this side can arrive.
        Call(CompleteConnect) => {
            to(Connected, [QpReadyToReceive, SendRtu, QpReadyToSend, Complete(CompleteConnect, Success)])
        }
        Call(Reject) => to(Failed, [QpRelease, SendRej(Consumer), Complete(Reject, Success)]),
        // A reject, not Gone: the peer's accept fails with Refused (CONN-9, Q-17).
        Close => to(Closed, [QpRelease, SendRej(Consumer), Ended]),
        Rej | RejStale | Gone => to(AcceptedGone, []),
        QpFatal => to(AcceptedGone, [SendRej(GaveUp)]),
        Call(call) => refuse_while_active(call),
        // No timeout: the local consumer is not hurried.
        Req | Rep | Rtu | Dreq | Drep | Established | Input::Unreachable(_) | DmaEnded | Timeout => Ignore,
    }
}

fn accepted_gone(input: Input) -> Move {
    match input {
        Call(call @ (CompleteConnect | Reject)) => to(Failed, [QpRelease, Complete(call, Aborted)]),
        Close => to(Closed, [QpRelease, Ended]),
        Call(call) => refuse_while_active(call),
        Req | Rep | Rtu | Rej | RejStale | Dreq | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn incoming(input: Input) -> Move {
    match input {
        // Ready before the REP is out: data may overtake the RTU.
        Call(Accept) => to(Accepting, [QpReadyToReceive, SendRep]),
        Call(Reject) => to(Failed, [SendRej(Consumer), Complete(Reject, Success)]),
        Close => to(Closed, [SendRej(Consumer), Ended]),
        Rej | RejStale | Gone => to(IncomingGone, []),
        Call(call) => refuse_while_active(call),
        Req | Rep | Rtu | Dreq | Drep => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn incoming_gone(input: Input) -> Move {
    match input {
        // The call ends so at once, with a queue pair that it has just named.
        Call(Accept) => to(Failed, [QpRelease, Complete(Accept, Aborted)]),
        Call(Reject) => to(Failed, [Complete(Reject, Aborted)]),
        Close => to(Closed, [Ended]),
        Call(call) => refuse_while_active(call),
        Req | Rep | Rtu | Rej | RejStale | Dreq | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn accepting(input: Input) -> Move {
    match input {
        // A first request proves what the RTU would say (IBTA "communication established", Q-12).
        Rtu | Established => to(Connected, [QpReadyToSend, Complete(Accept, Success)]),
        // So does a DREQ: the RTU was lost and the peer has already had enough.
        Dreq => to(PeerDisconnected, [QpReadyToSend, Complete(Accept, Success), Event]),
        Rej | RejStale => to(Failed, [QpRelease, Complete(Accept, Refused)]),
        Gone => to(Failed, [QpRelease, Complete(Accept, Aborted)]),
        QpFatal => to(Failed, [QpRelease, SendRej(GaveUp), Complete(Accept, Aborted)]),
        Timeout => to(Failed, [QpRelease, SendRej(GaveUp), Complete(Accept, TimedOut)]),
        Close => to(Closed, [QpRelease, SendRej(GaveUp), Complete(Accept, Cancelled), Ended]),
        Call(call) => refuse_while_active(call),
        Req | Rep | Drep | Input::Unreachable(_) | DmaEnded => Ignore,
    }
}

fn connected(input: Input) -> Move {
    match input {
        Call(Disconnect) => to(Disconnecting, [SendDreq]),
        // A graceful notice flushes nothing by itself (CONN-30, Q-7).
        Dreq => to(PeerDisconnected, [Event]),
        // A reject here crossed our RTU: the peer had closed or given up while accepting.
        Gone | Rej | RejStale => to(Broken, [QpError, Event]),
        // The queue pair has flushed itself; the peer must not wait for it.
        QpFatal => to(Broken, [SendGone, Event]),
        // Own queue first: what is pending is cancelled, not broken off at the peer. No event (CONN-32).
        Close => to(Closed, [QpError, SendGone, Ended]),
        Call(call) => refuse_while_active(call),
        Req | Rep | Rtu | Drep | Established | Input::Unreachable(_) | DmaEnded | Timeout => Ignore,
    }
}

fn peer_disconnected(input: Input) -> Move {
    match input {
        Call(Disconnect) => to(Draining(Success), [QpDisconnect, SendDrep]),
        // The peer's wait for our answer is over, or it closed: no second event (CONN-29, Q-7).
        Gone => to(Broken, [QpError]),
        Close => to(Closed, [QpError, SendGone, Ended]),
        Call(call) => refuse_while_active(call),
        // The peer has taken its leave, so an error of ours now spoils nothing for it.
        QpFatal => Ignore,
        Req | Rep | Rtu | Rej | RejStale | Dreq | Drep => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | Timeout => Ignore,
    }
}

fn broken(input: Input) -> Move {
    match input {
        // The connection broke before any farewell: a failure ([disconnect]).
        Call(Disconnect) => to(Draining(Aborted), [QpDisconnect]),
        Call(_) => Refuse(Refusal::Invalid),
        Close => to(Closed, [Ended]),
        // It crossed our Gone; a peer that missed that need not wait its time out.
        Dreq => to(Broken, [SendDrep]),
        Req | Rep | Rtu | Rej | RejStale | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn disconnecting(input: Input) -> Move {
    match input {
        Drep => to(Draining(Success), [QpDisconnect]),
        // Both at once: both succeed (CONN-34). Each DREQ has its DREP, for peers that wait for it.
        Dreq => to(Draining(Success), [QpDisconnect, SendDrep]),
        // A late reject is the word of a peer that closed while our RTU was under way.
        Gone | Rej | RejStale => to(Draining(Aborted), [QpDisconnect]),
        QpFatal => to(Draining(Aborted), [QpDisconnect, SendGone]),
        // The peer shall not think itself connected any longer (Q-7: "our answer is over").
        Timeout => to(Draining(TimedOut), [QpDisconnect, SendGone]),
        Close => to(Closing(Cancelled), [QpDisconnect, SendGone]),
        Call(call) => refuse_while_active(call),
        Req | Rep | Rtu | Established | Input::Unreachable(_) | DmaEnded => Ignore,
    }
}

fn draining(input: Input, outcome: Outcome) -> Move {
    match input {
        DmaEnded => to(Disconnected, [Complete(Disconnect, outcome)]),
        Close => to(Closing(outcome), []),
        Call(call) => refuse_while_active(call),
        Dreq => to(Draining(outcome), [SendDrep]), // our DREP was lost
        Req | Rep | Rtu | Rej | RejStale | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | QpFatal | Timeout => Ignore,
    }
}

fn closing(input: Input, outcome: Outcome) -> Move {
    match input {
        // The pending call first, then the end (CLOSE-7).
        DmaEnded => to(Closed, [Complete(Disconnect, outcome), Ended]),
        Call(_) | Close => Refuse(Refusal::Invalid),
        Dreq => to(Closing(outcome), [SendDrep]),
        Req | Rep | Rtu | Rej | RejStale | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | QpFatal | Timeout => Ignore,
    }
}

fn disconnected(input: Input) -> Move {
    match input {
        Close => to(Closed, [Ended]),
        Call(_) => Refuse(Refusal::Invalid),
        Dreq => to(Disconnected, [SendDrep]), // our DREP was lost
        Req | Rep | Rtu | Rej | RejStale | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn failed(input: Input) -> Move {
    match input {
        Close => to(Closed, [Ended]),
        Call(_) => Refuse(Refusal::Invalid),
        Req | Rep | Rtu | Rej | RejStale | Dreq | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

fn closed(input: Input) -> Move {
    match input {
        Call(_) | Close => Refuse(Refusal::Invalid),
        Req | Rep | Rtu | Rej | RejStale | Dreq | Drep | Gone => Ignore,
        Established | Input::Unreachable(_) | DmaEnded | QpFatal | Timeout => Ignore,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fmt::Write;

    pub(in crate::cm) const STATES: [State; 21] = [
        Created,
        Connecting,
        Accepted,
        AcceptedGone,
        Incoming,
        IncomingGone,
        Accepting,
        Connected,
        PeerDisconnected,
        Broken,
        Disconnecting,
        Draining(Success),
        Draining(Aborted),
        Draining(TimedOut),
        Closing(Success),
        Closing(Aborted),
        Closing(TimedOut),
        Closing(Cancelled),
        Disconnected,
        Failed,
        Closed,
    ];

    pub(in crate::cm) const INPUTS: [Input; 20] = [
        Call(Connect),
        Call(Accept),
        Call(CompleteConnect),
        Call(Reject),
        Call(Disconnect),
        Close,
        Req,
        Rep,
        Rtu,
        Rej,
        RejStale,
        Dreq,
        Drep,
        Gone,
        Established,
        Input::Unreachable(Unreachable::Network),
        Input::Unreachable(Unreachable::Host),
        DmaEnded,
        QpFatal,
        Timeout,
    ];

    fn name(input: Input) -> String {
        match input {
            Call(call) => format!("{call:?}"),
            Input::Unreachable(how) => format!("{how:?}Unreachable"),
            other => format!("{other:?}"),
        }
    }

    /// Each state: its moves line by line, then the calls it refuses and the inputs it ignores.
    #[test]
    fn matrix() {
        let mut text = String::new();
        for state in STATES {
            writeln!(text, "{state:?}").unwrap();
            let (mut active, mut invalid, mut ignored) = (vec![], vec![], vec![]);
            for input in INPUTS {
                match next(state, input) {
                    Move::To(to, steps) => {
                        let steps: Vec<_> = steps.iter().map(|s| format!("{s:?}")).collect();
                        let line = format!(
                            "  {:<18} -> {:<19} {}",
                            name(input),
                            format!("{to:?}"),
                            steps.join(", ")
                        );
                        writeln!(text, "{}", line.trim_end()).unwrap();
                    }
                    Refuse(Refusal::Active) => active.push(name(input)),
                    Refuse(Refusal::Invalid) => invalid.push(name(input)),
                    Ignore => ignored.push(name(input)),
                }
            }
            for (what, names) in
                [("refused, active", active), ("refused, invalid", invalid), ("ignored", ignored)]
            {
                if !names.is_empty() {
                    writeln!(text, "  {what}: {}", names.join(" ")).unwrap();
                }
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn calls_are_answered_and_only_calls_are_refused() {
        for state in STATES {
            for input in INPUTS {
                let is_call = matches!(input, Call(_) | Close);
                match next(state, input) {
                    Refuse(_) => assert!(is_call, "{state:?} refuses {input:?}"),
                    Ignore => assert!(!is_call, "{state:?} ignores {input:?}"),
                    Move::To(to, _) => assert!(STATES.contains(&to), "{to:?} is missing from the list"),
                }
            }
        }
    }
}
