//! What faults say of themselves when they have fired.

use super::When;
use crate::device::faults;
use crate::ndk::completion::{kind, status};
use crate::ndk::{OperationType, Status};

/// A fault that fired, and what it hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fired {
    /// The end of a call, or of a close, was held back.
    CallHeld {
        /// NDK's name of the call.
        call: &'static str,
    },
    /// A creation failed.
    CreationFailed {
        /// NDK's name of the call.
        call: &'static str,
        /// Which one it was.
        nth: u64,
        /// How it failed.
        when: When,
    },
    /// A completion was delayed.
    CompletionDelayed {
        /// Number of its queue pair.
        qp: u32,
    },
    /// A pass over an initiator queue was cut by chance.
    PassCut {
        /// Number of its queue pair.
        qp: u32,
    },
    /// A request ended with the status that was ordered.
    StatusInjected {
        /// Number of its queue pair.
        qp: u32,
        /// What it was.
        operation: OperationType,
        /// The context that it was posted with.
        request_context: u64,
        /// The status.
        status: Status,
    },
    /// A disconnect event told the reason that was ordered.
    DisconnectReason {
        /// The reason.
        reason: u32,
    },
    /// A completion queue failed.
    CqBroken {
        /// Completions that it holds.
        depth: u64,
    },
    /// A shared receive queue failed.
    SrqBroken {
        /// Receives that it holds.
        depth: u64,
    },
    /// The device was removed.
    DeviceRemoved,
}

/// A fault that fired, once or several times in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiredFault {
    /// The fault, and what it hit.
    pub fault: Fired,
    /// How many times it fired before another one did.
    pub times: u64,
}

impl From<(faults::Fired, u64)> for FiredFault {
    fn from((fired, times): (faults::Fired, u64)) -> Self {
        let fault = match fired {
            faults::Fired::Held { call } => Fired::CallHeld { call },
            faults::Fired::CreationFailed { call, nth, late } => {
                let when = if late { When::Late } else { When::Inline };
                Fired::CreationFailed { call, nth, when }
            }
            faults::Fired::CompletionDelayed { qpn } => Fired::CompletionDelayed { qp: qpn.0 },
            faults::Fired::PassCut { qpn } => Fired::PassCut { qp: qpn.0 },
            faults::Fired::Injected { qpn, kind: of, context, status: ended } => Fired::StatusInjected {
                qp: qpn.0,
                operation: kind(of, false),
                request_context: context,
                status: status(of, ended),
            },
            faults::Fired::DisconnectReason { reason } => Fired::DisconnectReason { reason },
            faults::Fired::CqBroken { depth } => Fired::CqBroken { depth },
            faults::Fired::SrqBroken { depth } => Fired::SrqBroken { depth },
            faults::Fired::DeviceRemoved => Fired::DeviceRemoved,
        };
        Self { fault, times }
    }
}
