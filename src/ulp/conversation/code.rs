//! How a verb ended, in words of neither face; each face has its numbers for them.

use super::frame::Sense;

/// Who erred: the program, or a service below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorType {
    /// The program.
    #[default]
    Program,
    /// A service that the program is made of.
    Service,
}

/// What an error did to the data around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It came between two records.
    NoTruncation,
    /// It cut the present record off.
    Truncation,
    /// What was under way to the partner is lost.
    Purging,
}

/// Who ended a conversation abnormally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abend {
    Program,
    Service,
    Timer,
}

impl Abend {
    pub(crate) fn sense(self) -> Sense {
        match self {
            Self::Program => Sense::ABEND_PROGRAM,
            Self::Service => Sense::ABEND_SERVICE,
            Self::Timer => Sense::ABEND_TIMER,
        }
    }
}

/// Why an allocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No session, and another attempt is no use.
    FailureNoRetry,
    /// No session now.
    FailureRetry,
    SecurityNotValid,
    ProgramNotAvailableRetry,
    ProgramNotAvailableNoRetry,
    ProgramNameNotRecognized,
    PipNotAllowed,
    PipNotSpecifiedCorrectly,
    ConversationTypeMismatch,
    SyncLevelNotSupported,
}

impl Refusal {
    /// The partner LU's refusals and their sense codes; the first two are made here.
    const SENSES: [(Self, Sense); 8] = [
        (Self::SecurityNotValid, Sense(0x080F_6051)),
        (Self::ProgramNotAvailableRetry, Sense(0x084B_6031)),
        (Self::ProgramNotAvailableNoRetry, Sense(0x084C_0000)),
        (Self::ProgramNameNotRecognized, Sense(0x1008_6021)),
        (Self::PipNotAllowed, Sense(0x1008_6031)),
        (Self::PipNotSpecifiedCorrectly, Sense(0x1008_6032)),
        (Self::ConversationTypeMismatch, Sense(0x1008_6034)),
        (Self::SyncLevelNotSupported, Sense(0x1008_6041)),
    ];

    /// The sense code on the wire.
    pub(crate) fn sense(self) -> Sense {
        let known = Self::SENSES.iter().find(|(refusal, _)| *refusal == self);
        known.map_or(Sense(0x084C_0000), |(_, sense)| *sense)
    }

    /// The refusal that a sense code tells; `None`: it tells none.
    pub(crate) fn of(sense: Sense) -> Option<Self> {
        let known = Self::SENSES.iter().find(|(_, known)| *known == sense);
        known.map(|(refusal, _)| *refusal)
    }
}

/// An argument that is wrong whatever the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// A confirmation, where the conversation has none.
    ConfirmOnSyncLevelNone,
    /// A record whose length cannot be.
    RecordLength,
    /// An error log variable whose length is not that of the data.
    LogLength,
}

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok,
    Refused(Refusal),
    Abend(Abend),
    DeallocatedNormal,
    Error(ErrorType, Notice),
    /// The connection broke.
    FailureRetry,
    /// The protocol was broken.
    FailureNoRetry,
    /// Nothing is there now.
    Unsuccessful,
    /// Another verb of this side ended it.
    Cancelled,
    /// Not in this state.
    BadState,
    /// A logical record is unfinished.
    NotBoundary,
    Bad(Parameter),
    /// Another verb is outstanding.
    Busy,
    /// The node below is gone.
    NodeDown,
    /// The system refused, with this error number.
    System(i32),
}

impl Code {
    /// What an ERROR with that sense code tells; `purged`: this side's data was purged for it.
    pub(crate) fn of_sense(sense: Sense, purged: bool) -> Self {
        let notice = |notice| if purged { Notice::Purging } else { notice };
        match sense {
            Sense::ABEND_PROGRAM => Self::Abend(Abend::Program),
            Sense::ABEND_SERVICE => Self::Abend(Abend::Service),
            Sense::ABEND_TIMER => Self::Abend(Abend::Timer),
            Sense::PROGRAM_ERROR => Self::Error(ErrorType::Program, notice(Notice::NoTruncation)),
            Sense::PROGRAM_TRUNCATED => Self::Error(ErrorType::Program, notice(Notice::Truncation)),
            Sense::SERVICE_ERROR => Self::Error(ErrorType::Service, notice(Notice::NoTruncation)),
            Sense::SERVICE_TRUNCATED => Self::Error(ErrorType::Service, notice(Notice::Truncation)),
            other => Self::Refused(Refusal::of(other).unwrap_or(Refusal::FailureNoRetry)),
        }
    }

    /// The verb was looked at and not executed; nothing has changed.
    pub(crate) fn is_misuse(self) -> bool {
        use Code::*;
        matches!(self, BadState | NotBoundary | Bad(_) | Busy | NodeDown | System(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_survive_the_wire() {
        for (refusal, sense) in Refusal::SENSES {
            assert_eq!(refusal.sense(), sense);
            assert_eq!(Code::of_sense(sense, true), Code::Refused(refusal));
        }
    }
}
