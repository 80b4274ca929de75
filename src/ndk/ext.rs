//! What verbs has and NDK lacks: immediate data, remote atomics, FLUSH, ATOMIC WRITE, and rights for them.
//!
//! In scope with `use qpair::ndk::ext::{AdapterExt, CompletionExt, QpExt}`. Emulated devices have all of it,
//! devices of the kernel what [`AdapterExt::has`] says.

use super::post::{ATOMIC_FLAGS, SEND_FLAGS, WRITE_FLAGS};
use super::{
    Adapter, Completion, Data, Error, MrFlags, OpFlags, PostCall, PostError, Qp, RemoteAddress, Sge, Token,
    pd,
};
use crate::device::qp::Operation;
use crate::work::{CompletionKind, Selectivity};

pub use crate::work::{Feature, FlushPlacement};
#[cfg(all(feature = "storage", unix))]
pub use file_memory::{
    Cause, FileMemory, FileMemoryError, FileStorage, StorageChoice, StorageError, StorageMake,
};

#[cfg(all(feature = "storage", unix))]
mod file_memory;

/// The peer may work on the region's words by atomics; contains [`MrFlags::ALLOW_LOCAL_WRITE`].
///
/// Words are aligned by their machine address: register [`Memory::zeroed`](super::Memory::zeroed), since a
/// vector of bytes may begin anywhere.
pub const ALLOW_REMOTE_ATOMIC: MrFlags = MrFlags(0x1_0001);

/// A message of the peer may invalidate the region's token, which then grants nothing any more.
///
/// NDK knows that of windows and fast registrations only. The region is deregistered as any other.
pub const ALLOW_REMOTE_INVALIDATE: MrFlags = MrFlags(0x2_0000);

/// The peer may flush the region to where all who map it see it (`IBV_ACCESS_FLUSH_GLOBAL`).
///
/// Any memory can grant it.
pub const ALLOW_FLUSH_GLOBAL: MrFlags = MrFlags(0x4_0000);

/// The peer may flush the region to where it survives a loss of power (`IBV_ACCESS_FLUSH_PERSISTENT`).
///
/// Only memory of a file can grant it, on a file system that keeps something; registration refuses others
/// with NOT_SUPPORTED.
pub const ALLOW_FLUSH_PERSISTENT: MrFlags = MrFlags(0x8_0000);

/// What an adapter can do of what is here.
pub trait AdapterExt: sealed::Opened {
    /// Whether its device has a feature, and if not, why.
    ///
    /// Emulated devices have all. What a device of the kernel lacks may be its own lack, that of its library,
    /// or that of the headers of this build; requests and registrations that need it are refused the same
    /// way.
    ///
    /// # Errors
    /// NOT_SUPPORTED; the hint names the device, the feature and the reason.
    fn has(&self, feature: Feature) -> Result<(), Error> {
        let has = self.adapter().core.backend.has(feature);
        has.map_err(|refused| pd::refused("AdapterExt::has", refused))
    }
}

impl AdapterExt for Adapter {}

/// Requests that NDK does not have.
///
/// All refuse as [`Qp::send`] does; atomics also with INVALID_DEVICE_REQUEST where the connection allows no
/// reads.
pub trait QpExt: sealed::Posts {
    /// Posts a send that hands 32 bits to the peer's completion.
    ///
    /// # Errors
    /// As [`Qp::send`].
    #[inline]
    fn send_with_immediate<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        immediate: u32,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let operation = Operation::SendWithImmediate(immediate);
        self.qp().post(PostCall::SendWithImmediate, &operation, data.into(), flags, SEND_FLAGS, context)
    }

    /// Posts a write that also completes a receive of the peer, and hands it 32 bits.
    ///
    /// The data goes to `remote`; the receive's own entries are not touched, and its completion tells the
    /// length of the write. May be solicited.
    ///
    /// # Errors
    /// As [`Qp::send`].
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
        self.qp().post(PostCall::WriteWithImmediate, &operation, data.into(), flags, allowed, context)
    }

    /// Posts an atomic: stores `swap` at `remote` if `compare` stands there; what stood there goes to `old`.
    ///
    /// Eight bytes in the order of this machine, which holds also against the peer's own atomic accesses. The
    /// remote address must be a multiple of 8, and the region grant [`ALLOW_REMOTE_ATOMIC`].
    ///
    /// # Errors
    /// As [`Qp::read`]; INVALID_PARAMETER: `old` is not eight bytes long.
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
        self.qp().post(PostCall::CompareAndSwap, &operation, Data::Sgl(&[old]), flags, ATOMIC_FLAGS, context)
    }

    /// Posts an atomic: adds `add` to the number at `remote`, wrapping; what stood there before goes to
    /// `old`.
    ///
    /// # Errors
    /// As [`compare_and_swap`](Self::compare_and_swap).
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
        self.qp().post(PostCall::FetchAndAdd, &operation, Data::Sgl(&[old]), flags, ATOMIC_FLAGS, context)
    }

    /// Posts an ATOMIC WRITE: stores eight bytes at `remote` in one piece; no reader sees a mixture.
    ///
    /// The bytes lie in memory as they are given. The remote address must be a multiple of 8, else the
    /// request fails as the peer finds it invalid, and nothing changed. The region grants
    /// [`MrFlags::ALLOW_REMOTE_WRITE`]. Counts as a read in progress.
    ///
    /// # Errors
    /// As [`Qp::read`].
    #[inline]
    fn atomic_write(
        &self,
        context: u64,
        value: [u8; 8],
        remote: RemoteAddress,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let RemoteAddress { address, token: key } = remote;
        let operation = Operation::AtomicWrite { address, key, value: u64::from_ne_bytes(value) };
        self.qp().post(PostCall::AtomicWrite, &operation, Data::Sgl(&[]), flags, ATOMIC_FLAGS, context)
    }

    /// Posts an RDMA FLUSH of `length` bytes of the peer's memory: its completion tells that they are placed.
    ///
    /// Covers what earlier requests of this queue pair stored there, and what others stored whose completion
    /// was seen before. Requests behind it wait for it, those of other queue pairs do not. With length 0 the
    /// token and its rights are checked and nothing is done. Counts as a read in progress.
    ///
    /// Completes with REMOTE_RESOURCES where the peer's storage failed, or the range is
    /// [in doubt](super::Memory::in_doubt) since an earlier failure; or where `placement` says nothing
    /// . With ACCESS_VIOLATION where the region lacks a right or the range leaves it. Such a failure
    /// breaks the connection as any other.
    ///
    /// # Errors
    /// As [`Qp::read`].
    fn flush_remote(
        &self,
        context: u64,
        remote: RemoteAddress,
        length: u32,
        placement: FlushPlacement,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let RemoteAddress { address, token: key } = remote;
        let operation = Operation::Flush { address, key, length, placement, selectivity: Selectivity::Range };
        self.qp().post(PostCall::FlushRemote, &operation, Data::Sgl(&[]), flags, ATOMIC_FLAGS, context)
    }

    /// As [`flush_remote`](Self::flush_remote), for the whole region of that token, however long it is.
    ///
    /// # Errors
    /// As [`Qp::read`].
    fn flush_remote_region(
        &self,
        context: u64,
        token: Token,
        placement: FlushPlacement,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let selectivity = Selectivity::Region;
        let operation = Operation::Flush { address: 0, key: token, length: 0, placement, selectivity };
        self.qp().post(PostCall::FlushRemote, &operation, Data::Sgl(&[]), flags, ATOMIC_FLAGS, context)
    }
}

impl QpExt for Qp {}

/// What verbs tells of a completion beyond NDK's structure.
pub trait CompletionExt: sealed::Completed {
    /// The 32 bits that came with the message, if it had any.
    fn immediate(&self) -> Option<u32>;

    /// A receive that a write with immediate completed: its data went elsewhere.
    fn is_receive_of_write(&self) -> bool;

    /// A remote atomic that brought an old value.
    fn is_atomic(&self) -> bool;

    /// An atomic write.
    fn is_atomic_write(&self) -> bool;

    /// A flush of the peer's memory.
    fn is_remote_flush(&self) -> bool;
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

    fn is_atomic_write(&self) -> bool {
        self.extension.kind == CompletionKind::AtomicWrite
    }

    fn is_remote_flush(&self) -> bool {
        self.extension.kind == CompletionKind::Flush
    }
}

/// Only the face's own types have extensions, so that extensions can grow.
mod sealed {
    use super::{Adapter, Completion, Qp};

    pub trait Opened {
        fn adapter(&self) -> &Adapter;
    }

    impl Opened for Adapter {
        fn adapter(&self) -> &Adapter {
            self
        }
    }

    pub trait Posts {
        fn qp(&self) -> &Qp;
    }

    impl Posts for Qp {
        #[inline]
        fn qp(&self) -> &Qp {
            self
        }
    }

    pub trait Completed {}

    impl Completed for Completion {}
}
