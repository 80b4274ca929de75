//! How a request ended: the verbs list, with a detail code where one status has several causes.

/// The result of a work request, by the names of verbs (`ibv_wc_status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Status {
    /// Done.
    #[default]
    Success = 0,
    /// The lengths of the request do not fit the message (`IBV_WC_LOC_LEN_ERR`).
    LocalLength = 1,
    /// The request is malformed for this queue pair (`IBV_WC_LOC_QP_OP_ERR`).
    LocalQpOperation = 2,
    /// A scatter/gather entry names memory it may not touch (`IBV_WC_LOC_PROT_ERR`).
    LocalProtection = 4,
    /// Cancelled: the queue pair was flushed before the request was executed (`IBV_WC_WR_FLUSH_ERR`).
    Flushed = 5,
    /// A memory window could not be bound (`IBV_WC_MW_BIND_ERR`).
    WindowBind = 6,
    /// The peer answered with something that does not belong there (`IBV_WC_BAD_RESP_ERR`).
    BadResponse = 7,
    /// The memory of a write that arrived is not accessible (`IBV_WC_LOC_ACCESS_ERR`).
    LocalAccess = 8,
    /// The peer found the request invalid, a message too long for its receive, say
    /// (`IBV_WC_REM_INV_REQ_ERR`).
    RemoteInvalidRequest = 9,
    /// The peer's memory may not be accessed so (`IBV_WC_REM_ACCESS_ERR`).
    RemoteAccess = 10,
    /// The peer could not carry the request out (`IBV_WC_REM_OP_ERR`).
    RemoteOperation = 11,
    /// The peer does not answer (`IBV_WC_RETRY_EXC_ERR`).
    RetryExceeded = 12,
    /// The peer posted no receive in time (`IBV_WC_RNR_RETRY_EXC_ERR`).
    RnrRetryExceeded = 13,
    /// The peer aborted (`IBV_WC_REM_ABORT_ERR`).
    RemoteAbort = 15,
    /// The device failed (`IBV_WC_FATAL_ERR`).
    Fatal = 19,
    /// Anything else (`IBV_WC_GENERAL_ERR`).
    General = 21,
}

impl Status {
    /// Every status there is.
    pub const ALL: [Self; 16] = [
        Self::Success,
        Self::LocalLength,
        Self::LocalQpOperation,
        Self::LocalProtection,
        Self::Flushed,
        Self::WindowBind,
        Self::BadResponse,
        Self::LocalAccess,
        Self::RemoteInvalidRequest,
        Self::RemoteAccess,
        Self::RemoteOperation,
        Self::RetryExceeded,
        Self::RnrRetryExceeded,
        Self::RemoteAbort,
        Self::Fatal,
        Self::General,
    ];

    /// The status of that verbs number; [`Status::General`] for a number that is none.
    #[inline]
    pub fn from_verbs(number: u8) -> Self {
        Self::ALL.into_iter().find(|s| *s as u8 == number).unwrap_or(Self::General)
    }
}

/// Why, where the status alone does not tell: the vendor error of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Detail {
    /// Nothing to add.
    #[default]
    None = 0,
    /// No such key, or its generation is over.
    UnknownKey = 1,
    /// The range leaves the region.
    OutOfRange = 2,
    /// The region does not grant the right.
    MissingRight = 3,
    /// The region belongs to another protection domain.
    OtherProtectionDomain = 4,
    /// The region was deregistered while the request was being executed.
    Deregistered = 5,
    /// The remote address of an atomic is not a multiple of 8.
    Misaligned = 6,
    /// The message is longer than the receive it met.
    ReceiveTooSmall = 7,
    /// The peer's queue pair is gone or in error.
    PeerGone = 8,
    /// The completion queue overran.
    CompletionQueueOverrun = 9,
    /// The effective read limit of the connection is zero.
    ReadLimit = 10,
    /// The window was bound on another queue pair.
    OtherQueuePair = 11,
    /// The window is not bound, the fast registration not in force; or the key cannot be invalidated at all.
    NotValid = 12,
    /// The window is bound, the fast registration in force: it must be invalidated first.
    StillValid = 13,
    /// The peer's storage failed; the peer's region says which range is in doubt.
    StorageFailed = 14,
    /// The range is in doubt since an earlier flush failed: write it again, then flush.
    InDoubt = 15,
}

impl Detail {
    const ALL: [Self; 16] = [
        Self::None,
        Self::UnknownKey,
        Self::OutOfRange,
        Self::MissingRight,
        Self::OtherProtectionDomain,
        Self::Deregistered,
        Self::Misaligned,
        Self::ReceiveTooSmall,
        Self::PeerGone,
        Self::CompletionQueueOverrun,
        Self::ReadLimit,
        Self::OtherQueuePair,
        Self::NotValid,
        Self::StillValid,
        Self::StorageFailed,
        Self::InDoubt,
    ];

    /// The detail of that number; [`Detail::None`] for a number that is none.
    #[inline]
    pub fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_what_they_came_from() {
        for status in Status::ALL {
            assert_eq!(Status::from_verbs(status as u8), status);
        }
        assert_eq!(Status::from_verbs(200), Status::General);
        for detail in Detail::ALL {
            assert_eq!(Detail::from_number(detail as u8), detail);
        }
    }
}
