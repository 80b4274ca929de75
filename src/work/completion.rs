//! What a finished request leaves in a completion queue.

use super::{Detail, Opcode, Qpn, Status};
use std::ops::BitOr;

/// Which kind of request completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum CompletionKind {
    /// A receive, for a message.
    #[default]
    Receive = 0,
    /// A receive, for a write with immediate.
    ReceiveWrite = 1,
    /// A send of any form.
    Send = 2,
    /// A write of any form.
    Write = 3,
    /// A read.
    Read = 4,
    /// A compare and swap.
    CompareAndSwap = 5,
    /// A fetch and add.
    FetchAndAdd = 6,
    /// The binding of a window.
    Bind = 7,
    /// A fast registration.
    FastRegister = 8,
    /// A local invalidation.
    Invalidate = 9,
    /// A flush of the peer's memory.
    Flush = 10,
    /// An atomic write.
    AtomicWrite = 11,
}

impl CompletionKind {
    pub(crate) const ALL: [Self; 12] = [
        Self::Receive,
        Self::ReceiveWrite,
        Self::Send,
        Self::Write,
        Self::Read,
        Self::CompareAndSwap,
        Self::FetchAndAdd,
        Self::Bind,
        Self::FastRegister,
        Self::Invalidate,
        Self::Flush,
        Self::AtomicWrite,
    ];

    #[inline]
    pub(crate) fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

impl From<Opcode> for CompletionKind {
    /// The kind under which a request of that opcode completes on its own side.
    fn from(opcode: Opcode) -> Self {
        match opcode {
            Opcode::Send | Opcode::SendWithImmediate | Opcode::SendWithInvalidate => Self::Send,
            Opcode::Write | Opcode::WriteWithImmediate => Self::Write,
            Opcode::Read => Self::Read,
            Opcode::CompareAndSwap => Self::CompareAndSwap,
            Opcode::FetchAndAdd => Self::FetchAndAdd,
            Opcode::AtomicWrite => Self::AtomicWrite,
            Opcode::Flush => Self::Flush,
            Opcode::Bind => Self::Bind,
            Opcode::FastRegister => Self::FastRegister,
            Opcode::LocalInvalidate => Self::Invalidate,
        }
    }
}

/// What else a completion tells, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CompletionFlags(pub u8);

impl CompletionFlags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `immediate_or_key` holds immediate data.
    pub const IMMEDIATE: Self = Self(1);
    /// `immediate_or_key` holds the key that the message invalidated.
    pub const INVALIDATED: Self = Self(2);
    /// The sender asked for a solicited event.
    pub const SOLICITED: Self = Self(4);
    /// `immediate_or_key` holds what the vendor of a device of the kernel says of a failure.
    #[cfg(feature = "rdma-core")]
    pub const VENDOR_ERROR: Self = Self(8);

    /// All bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for CompletionFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An entry of a completion queue, in the engine's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The 64 bits given with the request.
    pub context: u64,
    /// The 64 bits given with the queue pair.
    pub qp_context: u64,
    /// How it ended.
    pub status: Status,
    /// Why, where the status does not tell.
    pub detail: Detail,
    /// Which kind of request.
    pub kind: CompletionKind,
    /// What else.
    pub flags: CompletionFlags,
    /// Bytes received, read or sent; 0 on failure.
    pub length: u32,
    /// Immediate data, an invalidated key or a vendor's code, as `flags` say.
    pub immediate_or_key: u32,
    /// The queue pair.
    pub qpn: Qpn,
    /// The queue pair that the message came from, for receives.
    pub source_qpn: Qpn,
    /// When, in nanoseconds of the device's clock; 0 for a queue that did not ask.
    pub timestamp: u64,
}
