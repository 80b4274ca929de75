//! The moves of a connector: one table, nothing else.
//!
//! A call that it refuses changes nothing. A message that it ignores had its reason to come late or twice,
//! since both sides act at the same time; the matrix in `snapshots/` names each such pair.

use super::message::RejReason;
use super::state::{CallName, Input, Move, Outcome, Refusal, State, Step, Unreachable};
use crate::planted::planted;

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
        Rej | Gone if planted!(RefusedIsAborted, "a refused connect is told CONNECTION_ABORTED") => {
            to(Created, [QpRelease, Complete(Connect, Aborted)])
        }
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
        Call(Accept) if planted!(AcceptEarly, "an accept is done before the peer completes") => {
            to(Connected, [QpReadyToReceive, SendRep, QpReadyToSend, Complete(Accept, Success)])
        }
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
        Call(Disconnect) if planted!(DisconnectAlone, "a disconnect does not wait for the peer's") => {
            to(Draining(Success), [SendDreq, QpDisconnect])
        }
        Call(Disconnect) => to(Disconnecting, [SendDreq]),
        // A graceful notice flushes nothing by itself (CONN-30, Q-7).
        Dreq if planted!(NoticeFlushes, "a graceful notice flushes the queue pair") => {
            to(Broken, [QpError, Event])
        }
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
mod tests {
    use super::*;
    use std::fmt::Write;

    const STATES: [State; 21] = [
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

    const INPUTS: [Input; 20] = [
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

    /// A connect has set the route that a request names; nothing that a peer says makes a connector send one.
    #[test]
    fn only_a_connect_sends_a_req() {
        for state in STATES {
            for input in INPUTS {
                if let Move::To(_, steps) = next(state, input) {
                    assert!(!steps.contains(&SendReq) || input == Call(Connect), "{state:?} at {input:?}");
                }
            }
        }
        assert!(matches!(next(Created, Call(Connect)), Move::To(_, steps) if steps.contains(&SendReq)));
    }
}
