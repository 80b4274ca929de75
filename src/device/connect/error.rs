//! Why a call of a connector or listener did not do what it was asked for.

use crate::cm::{CallError, CallName, EndpointError, ListenerError, Outcome, TooLong};
use crate::work::Qpn;

/// Why connect, accept, complete connect, reject or disconnect failed.
///
/// All but [`Failed`](Self::Failed) are the caller's to mend, and have changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConnectError {
    /// The connector is in no state for this call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The local address or port cannot be had.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The private data does not fit.
    #[error(transparent)]
    PrivateData(#[from] TooLong),
    /// The queue pair is connecting, connected, disconnected or closed (CONN-21, CONN-36).
    #[error("queue pair {qpn:?} has or had a connection, or an attempt is under way; connect another one")]
    QpBusy {
        /// The queue pair that was given.
        qpn: Qpn,
    },
    /// The call was taken and ended so; never [`Outcome::Success`].
    #[error("{call:?} ended with {outcome:?}")]
    Failed {
        /// Which call.
        call: CallName,
        /// How it ended.
        outcome: Outcome,
    },
}

/// Why listen failed; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ListenError {
    /// It listens already, or is closing (LSN-3).
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The local address or port cannot be had (LSN-2, LSN-11).
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}
