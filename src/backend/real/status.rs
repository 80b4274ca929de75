//! What a completion of verbs says, in the words of `work`.

#![forbid(unsafe_code)]

use crate::direct::Outcome;
use crate::work::{CompletionFlags, CompletionKind, Detail, Status};
use qpair_rdma_core as rdma;

/// The same status; the numbers are those of verbs.
pub(super) fn status(of: rdma::Status) -> Status {
    use rdma::Status as Verbs;
    match of {
        Verbs::Success => Status::Success,
        Verbs::LocalLengthError => Status::LocalLength,
        Verbs::LocalOperationError => Status::LocalQpOperation,
        Verbs::LocalProtectionError => Status::LocalProtection,
        Verbs::Flushed => Status::Flushed,
        Verbs::BindError => Status::WindowBind,
        Verbs::BadResponse => Status::BadResponse,
        Verbs::LocalAccessError => Status::LocalAccess,
        Verbs::RemoteInvalidRequest => Status::RemoteInvalidRequest,
        Verbs::RemoteAccessError => Status::RemoteAccess,
        Verbs::RemoteOperationError => Status::RemoteOperation,
        // The peer may have answered or not: nobody knows, as with a retry that was the last.
        Verbs::RetriesExceeded | Verbs::ResponseTimeout => Status::RetryExceeded,
        Verbs::RnrRetriesExceeded => Status::RnrRetryExceeded,
        Verbs::RemoteAborted => Status::RemoteAbort,
        Verbs::Fatal => Status::Fatal,
        // Of datagrams and end-to-end contexts, which no reliable connection has, and what is newer.
        _ => Status::General,
    }
}

/// How a request ended of which the device says `entry`; `length` is its own, receives learn theirs.
pub(super) fn outcome(kind: CompletionKind, length: u32, entry: &rdma::Completion) -> Outcome {
    let status = status(entry.status);
    if status != Status::Success {
        return Outcome::failure(status, Detail::None);
    }
    Outcome::success(match kind {
        CompletionKind::Receive | CompletionKind::ReceiveWrite => entry.bytes,
        CompletionKind::Bind | CompletionKind::Invalidate => 0,
        _ => length,
    })
}

/// The word of a send's payload that holds the device's own code of its failure, once it has ended.
const CODE: usize = 5;

/// Puts that code into the payload, beside the outcome.
pub(super) fn stash_code(code: u32, payload: &mut [u64; 7]) {
    payload[CODE] = code.into();
}

/// The code of a failure, as a completion has it.
pub(super) fn unstash_code(payload: &[u64; 7]) -> (CompletionFlags, u32) {
    match payload[CODE] as u32 {
        0 => (CompletionFlags::NONE, 0),
        code => (CompletionFlags::VENDOR_ERROR, code),
    }
}

/// What came with a message, beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) kind: CompletionKind,
    pub(super) flags: CompletionFlags,
    pub(super) immediate_or_key: u32,
}

impl Arrival {
    pub(super) fn of(entry: &rdma::Completion) -> Self {
        let with_write = entry.opcode == Some(rdma::Opcode::ReceiveWriteImmediate);
        let kind = if with_write { CompletionKind::ReceiveWrite } else { CompletionKind::Receive };
        let (flags, immediate_or_key) = match (entry.immediate, entry.invalidated, entry.vendor_error) {
            (Some(immediate), ..) => (CompletionFlags::IMMEDIATE, immediate),
            (None, Some(key), _) => (CompletionFlags::INVALIDATED, key),
            (None, None, 0) => (CompletionFlags::NONE, 0),
            (None, None, code) => (CompletionFlags::VENDOR_ERROR, code), // of failures alone
        };
        Self { kind, flags, immediate_or_key }
    }

    /// Puts it where [`Arrival::unstash`] finds it, with the number of the entry; context and outcome stay.
    pub(super) fn stash(self, number: u64, payload: &mut [u64; 7]) {
        payload[1] = u64::from(self.kind as u8) | u64::from(self.flags.0) << 8;
        payload[2] = self.immediate_or_key.into();
        payload[3] = number;
    }

    /// What was put there, and the number.
    pub(super) fn unstash(payload: &[u64; 7]) -> (Self, u64) {
        let arrival = Self {
            kind: CompletionKind::from_number(payload[1] as u8),
            flags: CompletionFlags((payload[1] >> 8) as u8),
            immediate_or_key: payload[2] as u32,
        };
        (arrival, payload[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_know_has_one_number() {
        for number in 0..=21 {
            let verbs = [
                rdma::Status::Success,
                rdma::Status::LocalLengthError,
                rdma::Status::LocalOperationError,
                rdma::Status::LocalProtectionError,
                rdma::Status::Flushed,
                rdma::Status::BindError,
                rdma::Status::BadResponse,
                rdma::Status::LocalAccessError,
                rdma::Status::RemoteInvalidRequest,
                rdma::Status::RemoteAccessError,
                rdma::Status::RemoteOperationError,
                rdma::Status::RetriesExceeded,
                rdma::Status::RnrRetriesExceeded,
                rdma::Status::Fatal,
                rdma::Status::General,
            ];
            for verbs in verbs.into_iter().filter(|verbs| verbs.number() == number) {
                assert_eq!(status(verbs) as u32, number, "{verbs:?}");
            }
        }
        assert_eq!(status(rdma::Status::Other(99)), Status::General);
    }

    #[test]
    fn a_failure_has_no_bytes() {
        let flushed = rdma::Completion { status: rdma::Status::Flushed, bytes: 5, ..rdma::Completion::EMPTY };
        assert_eq!(
            outcome(CompletionKind::Read, 77, &flushed),
            Outcome::failure(Status::Flushed, Detail::None)
        );
        let done = rdma::Completion { bytes: 5, ..rdma::Completion::EMPTY };
        assert_eq!(outcome(CompletionKind::Read, 77, &done), Outcome::success(77));
        assert_eq!(outcome(CompletionKind::Receive, 77, &done), Outcome::success(5));
        assert_eq!(outcome(CompletionKind::Bind, 77, &done), Outcome::success(0));
    }

    #[test]
    fn what_came_survives_its_slot() {
        let opcode = Some(rdma::Opcode::ReceiveWriteImmediate);
        let entry = rdma::Completion { opcode, immediate: Some(9), ..rdma::Completion::EMPTY };
        let arrival = Arrival::of(&entry);
        assert_eq!(arrival.kind, CompletionKind::ReceiveWrite);
        let mut payload = [7; 7];
        Outcome::success(3).stash(&mut payload);
        arrival.stash(u64::MAX, &mut payload);
        assert_eq!(Arrival::unstash(&payload), (arrival, u64::MAX));
        assert_eq!((payload[0], Outcome::unstash(&payload)), (7, Outcome::success(3)));
        let coded = Arrival::of(&rdma::Completion { vendor_error: 0x88, ..rdma::Completion::EMPTY });
        assert_eq!((coded.flags, coded.immediate_or_key), (CompletionFlags::VENDOR_ERROR, 0x88));
        stash_code(0x88, &mut payload);
        assert_eq!(unstash_code(&payload), (CompletionFlags::VENDOR_ERROR, 0x88));
        stash_code(0, &mut payload);
        assert_eq!(unstash_code(&payload), (CompletionFlags::NONE, 0));
    }
}
