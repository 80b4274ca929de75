//! What verbs has and NDK lacks: immediate data, remote atomics, and rights for both.
//!
//! In scope with `use qpair::ndk::ext::{CompletionExt, QpExt}`.

use super::post::{ATOMIC_FLAGS, SEND_FLAGS, WRITE_FLAGS};
use super::{Completion, Data, MrFlags, OpFlags, PostCall, PostError, Qp, RemoteAddress, Sge};
use crate::device::qp::Operation;
use crate::work::CompletionKind;

/// The peer may work on the region's words by atomics; contains [`MrFlags::ALLOW_LOCAL_WRITE`].
///
/// Words are aligned by their machine address: register [`Memory::zeroed`](super::Memory::zeroed), since a
/// vector of bytes may begin anywhere.
pub const ALLOW_REMOTE_ATOMIC: MrFlags = MrFlags(0x1_0001);

/// A message of the peer may invalidate the region's token, which then grants nothing any more.
///
/// NDK knows that of windows and fast registrations only. The region is deregistered as any other.
pub const ALLOW_REMOTE_INVALIDATE: MrFlags = MrFlags(0x2_0000);

/// Requests that NDK does not have.
///
/// All refuse as [`Qp::send`] does; atomics also with INVALID_DEVICE_REQUEST where the connection allows no
/// reads.
pub trait QpExt: sealed::Sealed {
    /// Posts a send that hands 32 bits to the peer's completion.
    ///
    /// # Errors
    /// As [`Qp::send`].
    fn send_with_immediate<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        immediate: u32,
        flags: OpFlags,
    ) -> Result<(), PostError>;

    /// Posts a write that also completes a receive of the peer, and hands it 32 bits.
    ///
    /// The data goes to `remote`; the receive's own entries are not touched, and its completion tells the
    /// length of the write. May be solicited.
    ///
    /// # Errors
    /// As [`Qp::send`].
    fn write_with_immediate<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        remote: RemoteAddress,
        immediate: u32,
        flags: OpFlags,
    ) -> Result<(), PostError>;

    /// Posts an atomic: stores `swap` at `remote` if `compare` stands there; what stood there goes to `old`.
    ///
    /// Eight bytes in the order of this machine, which holds also against the peer's own atomic accesses. The
    /// remote address must be a multiple of 8, and the region grant [`ALLOW_REMOTE_ATOMIC`].
    ///
    /// # Errors
    /// As [`Qp::read`]; INVALID_PARAMETER: `old` is not eight bytes long.
    fn compare_and_swap(
        &self,
        context: u64,
        old: Sge,
        remote: RemoteAddress,
        compare: u64,
        swap: u64,
        flags: OpFlags,
    ) -> Result<(), PostError>;

    /// Posts an atomic: adds `add` to the number at `remote`, wrapping; what stood there before goes to
    /// `old`.
    ///
    /// # Errors
    /// As [`compare_and_swap`](Self::compare_and_swap).
    fn fetch_and_add(
        &self,
        context: u64,
        old: Sge,
        remote: RemoteAddress,
        add: u64,
        flags: OpFlags,
    ) -> Result<(), PostError>;
}

impl QpExt for Qp {
    #[inline]
    fn send_with_immediate<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        immediate: u32,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let operation = Operation::SendWithImmediate(immediate);
        self.post(PostCall::SendWithImmediate, &operation, data.into(), flags, SEND_FLAGS, context)
    }

    #[inline]
    fn write_with_immediate<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        remote: RemoteAddress,
        immediate: u32,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let RemoteAddress { address, token: key } = remote;
        let operation = Operation::WriteWithImmediate { address, key, immediate };
        let allowed = WRITE_FLAGS | OpFlags::SEND_AND_SOLICIT_EVENT;
        self.post(PostCall::WriteWithImmediate, &operation, data.into(), flags, allowed, context)
    }

    #[inline]
    fn compare_and_swap(
        &self,
        context: u64,
        old: Sge,
        remote: RemoteAddress,
        compare: u64,
        swap: u64,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let RemoteAddress { address, token: key } = remote;
        let operation = Operation::CompareAndSwap { address, key, compare, swap };
        self.post(PostCall::CompareAndSwap, &operation, Data::Sgl(&[old]), flags, ATOMIC_FLAGS, context)
    }

    #[inline]
    fn fetch_and_add(
        &self,
        context: u64,
        old: Sge,
        remote: RemoteAddress,
        add: u64,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let RemoteAddress { address, token: key } = remote;
        let operation = Operation::FetchAndAdd { address, key, add };
        self.post(PostCall::FetchAndAdd, &operation, Data::Sgl(&[old]), flags, ATOMIC_FLAGS, context)
    }
}

/// What verbs tells of a completion beyond NDK's structure.
pub trait CompletionExt: sealed::Sealed {
    /// The 32 bits that came with the message, if it had any.
    fn immediate(&self) -> Option<u32>;

    /// A receive that a write with immediate completed: its data went elsewhere.
    fn is_receive_of_write(&self) -> bool;

    /// A remote atomic.
    fn is_atomic(&self) -> bool;
}

impl CompletionExt for Completion {
    fn immediate(&self) -> Option<u32> {
        self.extension.immediate
    }

    fn is_receive_of_write(&self) -> bool {
        self.extension.kind == CompletionKind::ReceiveWrite
    }

    fn is_atomic(&self) -> bool {
        matches!(self.extension.kind, CompletionKind::CompareAndSwap | CompletionKind::FetchAndAdd)
    }
}

mod sealed {
    /// Only the face's own types have extensions, so that extensions can grow.
    pub trait Sealed {}
    impl Sealed for super::Qp {}
    impl Sealed for super::Completion {}
}
