//! What a completion of verbs says, in the words of `work`.

#![forbid(unsafe_code)]

use super::shadow::Slot;
use crate::work::{Completion, CompletionFlags, CompletionKind, Qpn, Status};
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

/// The completion of a request, of which the device says `entry`.
pub(super) fn completion(slot: &Slot, entry: &rdma::Completion, qp: Qpn, qp_context: u64) -> Completion {
    let status = status(entry.status);
    let success = status == Status::Success;
    let receive = slot.kind == CompletionKind::Receive;
    let with_write = receive && entry.opcode == Some(rdma::Opcode::ReceiveWriteImmediate);
    let length = match slot.kind {
        CompletionKind::Receive => entry.bytes,
        CompletionKind::Bind | CompletionKind::Invalidate => 0,
        _ => slot.length,
    };
    let (flags, word) = match (entry.immediate, entry.invalidated, entry.vendor_error) {
        (Some(immediate), ..) => (CompletionFlags::IMMEDIATE, immediate),
        (None, Some(key), _) => (CompletionFlags::INVALIDATED, key),
        (None, None, 0) => (CompletionFlags::NONE, 0),
        (None, None, code) => (CompletionFlags::VENDOR_ERROR, code), // of failures alone
    };
    Completion {
        context: slot.context,
        qp_context,
        status,
        kind: if with_write { CompletionKind::ReceiveWrite } else { slot.kind },
        flags,
        length: if success { length } else { 0 },
        immediate_or_key: word,
        qpn: qp,
        ..Completion::default()
    }
}

/// The completion of a request that is answered without the device.
pub(super) fn answered(slot: &Slot, status: Status, qp: Qpn, qp_context: u64) -> Completion {
    let (context, kind) = (slot.context, slot.kind);
    Completion { context, qp_context, status, kind, qpn: qp, ..Completion::default() }
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
    fn a_failure_has_the_kind_of_its_request_and_no_bytes() {
        let slot = Slot { context: 5, kind: CompletionKind::Read, silent: true, length: 77 };
        let entry = rdma::Completion { status: rdma::Status::Flushed, ..rdma::Completion::EMPTY };
        let failed = completion(&slot, &entry, Qpn(3), 9);
        assert_eq!((failed.context, failed.qp_context, failed.qpn), (5, 9, Qpn(3)));
        assert_eq!((failed.status, failed.kind, failed.length), (Status::Flushed, CompletionKind::Read, 0));
        assert_eq!((failed.flags, failed.immediate_or_key), (CompletionFlags::NONE, 0));
        let coded = completion(&slot, &rdma::Completion { vendor_error: 0x88, ..entry }, Qpn(3), 9);
        assert_eq!((coded.flags, coded.immediate_or_key), (CompletionFlags::VENDOR_ERROR, 0x88));
        let done = completion(&slot, &rdma::Completion::EMPTY, Qpn(3), 9);
        assert_eq!((done.status, done.length), (Status::Success, 77));
    }
}
