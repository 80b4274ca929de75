//! What both ends of a connection may rely on, checked action by action.

use crate::cm::*;
use std::collections::BTreeMap;

/// What the consumer and the queue pair of one side may rely on.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Witness {
    pending: BTreeMap<CallName, u32>,
    events: u32,
    /// The consumer has disconnected or closed itself.
    pub(super) has_left: bool,
    /// A queue pair is tied to the connector and has not been let go.
    pub(super) tied: bool,
    receives: bool,
    pub(super) sends: bool,
    pub(super) ended: bool,
}

impl Witness {
    pub(super) fn called(&mut self, call: usize) {
        const NAMES: [CallName; 5] = [
            CallName::Connect,
            CallName::Accept,
            CallName::CompleteConnect,
            CallName::Reject,
            CallName::Disconnect,
        ];
        if let Some(name) = NAMES.get(call) {
            *self.pending.entry(*name).or_default() += 1;
        }
        self.tied |= call < 2;
        self.has_left |= call >= 4;
    }

    pub(super) fn saw(&mut self, action: Action) {
        assert!(!self.ended, "{action:?} after the end");
        match action {
            Action::Send(_) => {}
            Action::Complete(call, _) => {
                let pending = self.pending.get_mut(&call).expect("never called");
                assert_eq!(*pending, 1, "{call:?} ended twice");
                *pending = 0;
            }
            Action::Disconnected => {
                assert!(self.receives && !self.has_left, "event for a connection that the consumer left");
                self.events += 1;
                assert_eq!(self.events, 1, "a second event");
            }
            Action::QpReadyToReceive => {
                assert!(self.tied && !self.receives);
                self.receives = true;
            }
            Action::QpReadyToSend => {
                assert!(self.tied && self.receives && !self.sends);
                self.sends = true;
            }
            Action::QpRelease => {
                assert!(self.tied && !self.sends, "a connected queue pair is not as it was before");
                (self.tied, self.receives) = (false, false);
            }
            Action::QpError | Action::QpDisconnect => assert!(self.tied && self.sends),
            Action::Ended => {
                assert!(self.pending.values().all(|pending| *pending == 0), "ended with calls pending");
                self.ended = true;
            }
        }
    }
}

/// With nothing under way, each side's idea of the connection fits the other's.
pub(super) fn fits(active: State, passive: State) -> bool {
    use State::*;
    match passive {
        Incoming => active == Connecting,
        Accepting => active == Accepted,
        Connected => active == Connected,
        PeerDisconnected => active == Disconnecting,
        Disconnecting => active == PeerDisconnected,
        _ => !matches!(active, Connecting | Accepted | Connected | PeerDisconnected | Disconnecting),
    }
}
