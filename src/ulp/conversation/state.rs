//! The states of a conversation and its moves: one table for both faces.
//!
//! Each side has its own view of the state. A call that the table refuses changes nothing. The tables are
//! those of the reference, 2.3 and 3.3; where the faces differ, the move says so. The whole matrix is a
//! snapshot, refused moves included.

use super::code::Code;

/// An enum, with the list of its values for the tests.
macro_rules! listed {
    ($(#[$of:meta])* $public:vis enum $name:ident { $($(#[$value:meta])* $variant:ident,)* }) => {
        $(#[$of])*
        $public enum $name { $($(#[$value])* $variant,)* }

        #[cfg(test)]
        impl $name {
            const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    };
}

listed! {
    /// Where one side of a conversation stands, as its program sees it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum State {
        /// There is none.
        Reset,
        /// CPI-C: it has characteristics and no partner.
        Initialize,
        /// The program may send.
        Send,
        /// The program has received data and the turn in one call: as [`Send`](Self::Send), but for the
        /// direction of an error.
        SendPending,
        /// The program may receive.
        Receive,
        /// The partner waits for a confirmation, and goes on sending then.
        Confirm,
        /// The partner waits for a confirmation, and receives then.
        ConfirmSend,
        /// The partner waits for a confirmation, and the conversation is over then.
        ConfirmDeallocate,
        /// APPC: a RECEIVE_AND_POST is outstanding.
        PendingPost,
    }
}

/// Which face a call came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    Appc,
    Cpic,
}

listed! {
    /// What a program asks for, as far as the table needs to know.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Action {
        Allocate,
        /// Also with a flush or a confirmation behind it.
        SendData,
        /// With the turn behind it.
        SendDataPrepareToReceive,
        /// With the end behind it, of whatever type.
        SendDataDeallocate,
        Flush,
        Confirm,
        Confirmed,
        PrepareToReceive,
        ReceiveAndWait,
        ReceiveImmediate,
        ReceiveAndPost,
        RequestToSend,
        TestRequestToSend,
        SendError,
        /// Without an abend.
        Deallocate,
        Abend,
        Cancel,
        /// Sets a characteristic that must be settled before the partner hears of it.
        Construct,
        /// Sets another characteristic, or only looks.
        Look,
    }
}

/// What becomes of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// There, when it has succeeded.
    To(State),
    /// By what it brings: [`after_receive`].
    ByReceived,
    /// Not in this state.
    Refused,
    /// There is no conversation, and so no identifier to name it by.
    Gone,
}

use Action::*;
use Move::{ByReceived, Gone, Refused, To};
use State::{ConfirmDeallocate, ConfirmSend, Initialize, PendingPost, Receive, Reset, Send, SendPending};

/// The table: where `action`, when it succeeds, leads from `state`.
pub(crate) fn next(face: Face, state: State, action: Action) -> Move {
    match (state, action) {
        (Reset, _) => Gone,
        (Initialize, _) => initialize(action),
        (_, Allocate | Construct) => Refused,
        (PendingPost, Deallocate | TestRequestToSend) => pending_post(action),
        (_, Look) => To(state),
        (_, SendError) => To(Send),
        (_, Abend | Cancel) => To(Reset),
        (_, RequestToSend) => request_to_send(face, state),
        (_, TestRequestToSend) => test_request_to_send(face, state),
        (Send | SendPending, _) => send(face, action),
        (Receive, ReceiveAndWait | ReceiveImmediate) => ByReceived,
        (Receive, ReceiveAndPost) => received_later(face),
        (State::Confirm, Confirmed) => To(Receive),
        (ConfirmSend, Confirmed) => To(Send),
        (ConfirmDeallocate, Confirmed) => To(Reset),
        _ => Refused,
    }
}

/// Only CPI-C has this state; what talks to a partner waits for the allocation.
fn initialize(action: Action) -> Move {
    match action {
        Allocate => To(Send),
        Construct | Look => To(Initialize),
        Abend | Cancel => To(Reset),
        _ => Refused,
    }
}

/// What both Send and Send-Pending allow, and leave in the same way.
fn send(face: Face, action: Action) -> Move {
    match action {
        SendData | Flush | Confirm => To(Send),
        PrepareToReceive | SendDataPrepareToReceive => To(Receive),
        SendDataDeallocate | Deallocate => To(Reset),
        ReceiveAndWait => ByReceived,
        ReceiveAndPost => received_later(face),
        _ => Refused,
    }
}

/// CPI-C has no such call.
fn received_later(face: Face) -> Move {
    match face {
        Face::Appc => To(PendingPost),
        Face::Cpic => Refused,
    }
}

/// While it is outstanding, the few verbs that may come in between.
fn pending_post(action: Action) -> Move {
    if action == TestRequestToSend { To(PendingPost) } else { Refused }
}

/// Each face has its own list.
fn request_to_send(face: Face, state: State) -> Move {
    match (face, state) {
        (Face::Appc, State::Confirm | PendingPost | Receive) | (Face::Cpic, _) => To(state),
        (Face::Appc, _) => Refused,
    }
}

fn test_request_to_send(face: Face, state: State) -> Move {
    match (face, state) {
        (Face::Appc, _) | (Face::Cpic, Send | SendPending | Receive) => To(state),
        (Face::Cpic, _) => Refused,
    }
}

/// What came with a receive beside data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusReceived {
    /// Nothing.
    #[default]
    None,
    /// The turn.
    Send,
    /// A request to confirm.
    Confirm,
    /// A request to confirm, and with the answer the turn.
    ConfirmSend,
    /// A request to confirm, and with the answer the end.
    ConfirmDeallocate,
}

/// Where a receive that succeeded leads.
pub(crate) fn after_receive(with_data: bool, status: StatusReceived) -> State {
    match status {
        StatusReceived::None => Receive,
        StatusReceived::Send if with_data => SendPending,
        StatusReceived::Send => Send,
        StatusReceived::Confirm => State::Confirm,
        StatusReceived::ConfirmSend => ConfirmSend,
        StatusReceived::ConfirmDeallocate => ConfirmDeallocate,
    }
}

/// Where a code other than success leads, whatever the call was; `None`: the state stays.
pub(crate) fn after_code(code: Code) -> Option<State> {
    match code {
        Code::Refused(_) | Code::Abend(_) | Code::DeallocatedNormal => Some(Reset),
        Code::FailureRetry | Code::FailureNoRetry => Some(Reset),
        Code::Error(..) => Some(Receive), // a truncation by a service as well
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(face: Face) -> String {
        let cell = |state, action| match next(face, state, action) {
            To(to) if to == state => "=".to_owned(),
            To(to) => format!("{to:?}"),
            ByReceived => "received".to_owned(),
            Refused => "-".to_owned(),
            Gone => "gone".to_owned(),
        };
        let mut text = format!("{:<25}", format!("{face:?}"));
        let names: Vec<String> = State::ALL.iter().map(|state| format!("{state:?}")).collect();
        names.iter().for_each(|name| text += &format!("{name:<18}"));
        for action in Action::ALL.iter().copied() {
            text = text.trim_end().to_owned() + &format!("\n{:<25}", format!("{action:?}"));
            State::ALL.iter().for_each(|state| text += &format!("{:<18}", cell(*state, action)));
        }
        text.trim_end().to_owned()
    }

    #[test]
    fn the_whole_matrix_of_both_faces() {
        insta::assert_snapshot!(format!("{}\n\n{}", matrix(Face::Appc), matrix(Face::Cpic)));
    }
}
