//! What is polled from a completion queue.

use super::{OperationType, Status};
use crate::planted::planted;
use crate::work::{self, CompletionFlags, CompletionKind};

/// How a request ended (`NDK_RESULT_EX`).
///
/// What verbs tells beyond it has accessors in [`ext::CompletionExt`](super::ext::CompletionExt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// How it ended.
    pub status: Status,
    /// Which kind of request it was; a remote atomic completes as a read, an atomic write or flush as a
    /// write.
    pub kind: OperationType,
    /// Bytes received, sent, read or written; 0 on failure.
    pub bytes_transferred: u32,
    /// Why it failed, where the status has several causes; 0: nothing to add, and always on success (CQ-38).
    ///
    /// On a device of the kernel it is the code of the device's vendor (`vendor_err` of verbs) where the
    /// device gives one.
    pub provider_error_code: u32,
    /// The context of its queue pair.
    pub qp_context: u64,
    /// The context that was given with the request.
    pub request_context: u64,
    /// Of [`OperationType::ReceiveAndInvalidate`], the token that is invalid now, in the low 32 bits; else 0.
    pub type_specific_completion_output: u64,
    pub(super) extension: Extension,
}

/// What NDK's structure has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extension {
    pub(super) immediate: Option<u32>,
    pub(super) kind: CompletionKind,
}

impl Default for Completion {
    /// An empty place for [`Cq::poll`](super::Cq::poll) to fill.
    fn default() -> Self {
        Self {
            status: Status::SUCCESS,
            kind: OperationType::Receive,
            bytes_transferred: 0,
            provider_error_code: 0,
            qp_context: 0,
            request_context: 0,
            type_specific_completion_output: 0,
            extension: Extension::default(),
        }
    }
}

impl Completion {
    #[inline]
    pub(super) fn of(completion: &work::Completion) -> Self {
        let immediate =
            completion.flags.contains(CompletionFlags::IMMEDIATE).then_some(completion.immediate_or_key);
        let invalidated = completion.flags.contains(CompletionFlags::INVALIDATED);
        Self {
            status: Status::of_completion(completion),
            kind: kind(completion.kind, invalidated),
            bytes_transferred: completion.length,
            provider_error_code: error_code(completion)
                + u32::from(planted!(CodeOnSuccess, "successes have a provider error code")),
            qp_context: completion.qp_context,
            request_context: completion.context,
            type_specific_completion_output: if invalidated
                && !planted!(TokenNotNamed, "a receive with invalidation does not name the token")
            {
                completion.immediate_or_key.into()
            } else {
                0
            },
            extension: Extension { immediate, kind: completion.kind },
        }
    }
}

#[inline]
fn error_code(completion: &work::Completion) -> u32 {
    #[cfg(feature = "rdma-core")]
    if completion.flags.contains(CompletionFlags::VENDOR_ERROR) {
        return completion.immediate_or_key;
    }
    completion.detail as u32
}

/// The status of a request of that kind that has ended so.
pub(super) fn status(kind: CompletionKind, status: work::Status) -> Status {
    Status::of_completion(&work::Completion { kind, status, ..work::Completion::default() })
}

#[inline]
pub(super) fn kind(kind: CompletionKind, invalidated: bool) -> OperationType {
    match kind {
        CompletionKind::Receive | CompletionKind::ReceiveWrite if invalidated => {
            OperationType::ReceiveAndInvalidate
        }
        CompletionKind::Receive | CompletionKind::ReceiveWrite => OperationType::Receive,
        CompletionKind::Send => OperationType::Send,
        CompletionKind::Write | CompletionKind::AtomicWrite | CompletionKind::Flush => OperationType::Write,
        CompletionKind::Read | CompletionKind::CompareAndSwap | CompletionKind::FetchAndAdd => {
            OperationType::Read
        }
        CompletionKind::Bind => OperationType::Bind,
        CompletionKind::FastRegister => OperationType::FastRegister,
        CompletionKind::Invalidate => OperationType::Invalidate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ndk::ext::CompletionExt;
    use crate::work::Detail;

    #[test]
    fn immediate_data_and_tokens_are_told_apart() {
        let mut work = work::Completion {
            context: 1,
            qp_context: 2,
            length: 3,
            flags: CompletionFlags::IMMEDIATE | CompletionFlags::SOLICITED,
            immediate_or_key: 77,
            ..work::Completion::default()
        };
        let completion = Completion::of(&work);
        assert_eq!((completion.request_context, completion.qp_context), (1, 2));
        assert_eq!((completion.bytes_transferred, completion.kind), (3, OperationType::Receive));
        assert_eq!((completion.immediate(), completion.type_specific_completion_output), (Some(77), 0));
        work.flags = CompletionFlags::INVALIDATED;
        let completion = Completion::of(&work);
        assert_eq!(completion.kind, OperationType::ReceiveAndInvalidate);
        assert_eq!((completion.immediate(), completion.type_specific_completion_output), (None, 77));
    }

    #[test]
    fn cq_38_the_provider_has_a_code_for_failures_only() {
        let mut work = work::Completion::default();
        assert_eq!(Completion::of(&work).provider_error_code, 0);
        (work.status, work.detail) = (work::Status::LocalProtection, Detail::OutOfRange);
        assert_eq!(Completion::of(&work).provider_error_code, Detail::OutOfRange as u32);
    }

    #[test]
    #[cfg(feature = "rdma-core")]
    fn the_vendors_code_comes_before_ours() {
        let work = work::Completion {
            status: work::Status::LocalProtection,
            detail: Detail::OutOfRange,
            flags: CompletionFlags::VENDOR_ERROR,
            immediate_or_key: 0x68,
            ..work::Completion::default()
        };
        let completion = Completion::of(&work);
        assert_eq!(completion.provider_error_code, 0x68);
        assert_eq!((completion.immediate(), completion.type_specific_completion_output), (None, 0));
    }
}
