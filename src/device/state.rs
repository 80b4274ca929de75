//! The states of a queue pair and the moves between them (IBTA 10.3.1), as a table.

/// State of a queue pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum QpState {
    /// Takes nothing (verbs; a queue pair of NDK begins in `Init`).
    Reset = 0,
    /// Takes receives; not connected.
    Init = 1,
    /// Delivers what the peer sends; takes no initiator requests yet.
    ReadyToReceive = 2,
    /// Connected.
    ReadyToSend = 3,
    /// Connected; initiator requests wait.
    SendQueueDrain = 4,
    /// An initiator request of an unreliable queue pair failed.
    SendQueueError = 5,
    /// Everything is flushed, what comes later too.
    Error = 6,
}

impl QpState {
    pub(crate) const ALL: [Self; 7] = [
        Self::Reset,
        Self::Init,
        Self::ReadyToReceive,
        Self::ReadyToSend,
        Self::SendQueueDrain,
        Self::SendQueueError,
        Self::Error,
    ];

    #[inline]
    pub(crate) fn from_number(number: u64) -> Self {
        Self::ALL.get(number as usize).copied().unwrap_or(Self::Error)
    }

    /// The state may be asked for from this one.
    pub(crate) fn may_become(self, next: Self) -> bool {
        matches!(next, Self::Reset | Self::Error) || MOVES.contains(&(self, next))
    }

    /// Messages of the peer are delivered.
    #[inline]
    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::ReadyToReceive | Self::ReadyToSend | Self::SendQueueDrain | Self::SendQueueError)
    }
}

use QpState::{Init, ReadyToReceive, ReadyToSend, Reset, SendQueueDrain, SendQueueError};

/// Moves that may be asked for; `Reset` and `Error` are open from every state. One more than IBTA names: a
/// connect that failed puts a queue pair of NDK back to `Init` with its receives (CONN-22).
const MOVES: &[(QpState, QpState)] = &[
    (Reset, Init),
    (Init, Init),
    (Init, ReadyToReceive),
    (ReadyToReceive, Init),
    (ReadyToReceive, ReadyToSend),
    (ReadyToSend, ReadyToSend),
    (ReadyToSend, SendQueueDrain),
    (SendQueueDrain, SendQueueDrain),
    (SendQueueDrain, ReadyToSend),
    (SendQueueError, ReadyToSend),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_matrix() {
        let mut matrix = String::new();
        for from in QpState::ALL {
            let row: Vec<_> =
                QpState::ALL.iter().filter(|to| from.may_become(**to)).map(|to| format!("{to:?}")).collect();
            matrix += &format!("{from:?} -> {}\n", row.join(", "));
        }
        insta::assert_snapshot!(matrix, @r"
        Reset -> Reset, Init, Error
        Init -> Reset, Init, ReadyToReceive, Error
        ReadyToReceive -> Reset, Init, ReadyToSend, Error
        ReadyToSend -> Reset, ReadyToSend, SendQueueDrain, Error
        SendQueueDrain -> Reset, ReadyToSend, SendQueueDrain, Error
        SendQueueError -> Reset, ReadyToSend, Error
        Error -> Reset, Error
        ");
        for state in QpState::ALL {
            assert_eq!(QpState::from_number(state as u64), state);
        }
    }
}
