//! The flag and type numbers of `ndkpi.h`.
//!
//! They differ from those of its user-mode sibling NDSPI (`ND_OP_FLAG_INLINE` is 0x20 there) and from verbs.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// What a request asks for beside its operation (`NDK_OP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpFlags(pub u32);

impl OpFlags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Success leaves no entry in the completion queue; failure always does.
    pub const SILENT_SUCCESS: Self = Self(0x001);
    /// Start only when all earlier reads of this queue pair are complete.
    pub const READ_FENCE: Self = Self(0x002);
    /// The peer's receive completion satisfies a [`NotifyType::Solicited`] arm.
    pub const SEND_AND_SOLICIT_EVENT: Self = Self(0x004);
    /// The new registration or binding may be read by the peer.
    pub const ALLOW_REMOTE_READ: Self = Self(0x008);
    /// The new registration may be written locally.
    pub const ALLOW_LOCAL_WRITE: Self = Self(0x010);
    /// The new registration or binding may be written by the peer; contains [`Self::ALLOW_LOCAL_WRITE`].
    pub const ALLOW_REMOTE_WRITE: Self = Self(0x030);
    /// The data is copied during the call; tokens in the scatter/gather entries are ignored.
    pub const INLINE: Self = Self(0x040);
    /// The new registration may take the data of a read.
    pub const RDMA_READ_SINK: Self = Self(0x080);
    /// Success of the read also invalidates the token of its first entry (0x100, not the 0x200 of the page:
    ///
    pub const RDMA_READ_LOCAL_INVALIDATE: Self = Self(0x100);
    /// A hint that the request may wait for the next one without this flag.
    pub const DEFER: Self = Self(0x200);
}

/// The rights of a registration (`NDK_MR_FLAG_*`).
///
/// Test them with [`contains`](Self::contains): remote write is two bits, and one of them alone is local
/// write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MrFlags(pub u32);

impl MrFlags {
    /// Local read, which every registration grants.
    pub const ALLOW_LOCAL_READ: Self = Self(0x0);
    /// Needed by receive buffers, by read sinks, and by a window that lets a peer write.
    pub const ALLOW_LOCAL_WRITE: Self = Self(0x1);
    /// The peer may read.
    pub const ALLOW_REMOTE_READ: Self = Self(0x2);
    /// The peer may write; contains [`Self::ALLOW_LOCAL_WRITE`].
    pub const ALLOW_REMOTE_WRITE: Self = Self(0x5);
    /// The memory may take the data of a read.
    pub const RDMA_READ_SINK: Self = Self(0x8);
}

/// What an adapter can do (`NDK_ADAPTER_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AdapterFlags(pub u32);

impl AdapterFlags {
    /// The last byte of a message is never visible before earlier ones.
    pub const IN_ORDER_DMA_SUPPORTED: Self = Self(0x00001);
    /// The sink of a read needs no right of its own.
    pub const RDMA_READ_SINK_NOT_REQUIRED: Self = Self(0x00002);
    /// Notifications of a completion queue can be moderated.
    pub const CQ_INTERRUPT_MODERATION_SUPPORTED: Self = Self(0x00004);
    /// Queue pairs of one adapter progress on several threads.
    pub const MULTI_ENGINE_SUPPORTED: Self = Self(0x00008);
    /// [`OpFlags::RDMA_READ_LOCAL_INVALIDATE`] is obeyed.
    pub const RDMA_READ_LOCAL_INVALIDATE_SUPPORTED: Self = Self(0x00010);
    /// A completion queue can be resized without losing a completion.
    pub const CQ_RESIZE_SUPPORTED: Self = Self(0x00100);
    /// An address can connect to itself.
    pub const LOOPBACK_CONNECTIONS_SUPPORTED: Self = Self(0x10000);
}

/// The operations that a set of bits has; the numbers stay with each type.
macro_rules! set_of_bits {
    ($set:ident) => {
        impl $set {
            /// All bits of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// The bits that `allowed` lacks.
            pub const fn outside(self, allowed: Self) -> Self {
                Self(self.0 & !allowed.0)
            }

            /// No bit is set.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl BitOr for $set {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOrAssign for $set {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl fmt::LowerHex for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

set_of_bits!(OpFlags);
set_of_bits!(MrFlags);
set_of_bits!(AdapterFlags);

/// Which completions satisfy an arm (`NDK_CQ_NOTIFY_*`).
///
/// The order of strength is errors, solicited, any: not the order of the numbers, so this type has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum NotifyType {
    /// Errors of the completion queue itself only; not entries with an error status.
    Errors = 0,
    /// Any entry.
    Any = 1,
    /// Entries with an error status, and receives of messages that were sent as solicited.
    Solicited = 2,
}

impl NotifyType {
    /// The type of that number, if there is one.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Errors),
            1 => Some(Self::Any),
            2 => Some(Self::Solicited),
            _ => None,
        }
    }
}

/// Which operation completed (`NDK_OPERATION_TYPE`), a bit each.
///
/// A send with invalidate completes as [`Self::Send`] on the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum OperationType {
    /// A receive.
    Receive = 1,
    /// A send of any form.
    Send = 2,
    /// A fast registration.
    FastRegister = 4,
    /// The binding of a memory window.
    Bind = 8,
    /// A local invalidation.
    Invalidate = 16,
    /// A read.
    Read = 32,
    /// A write.
    Write = 64,
    /// A receive whose message invalidated a token: [`Self::Receive`] and bit 15.
    ReceiveAndInvalidate = 0x8001,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_1_numbers_are_those_of_the_header() {
        let op = [
            (OpFlags::SILENT_SUCCESS, 0x001),
            (OpFlags::READ_FENCE, 0x002),
            (OpFlags::SEND_AND_SOLICIT_EVENT, 0x004),
            (OpFlags::ALLOW_REMOTE_READ, 0x008),
            (OpFlags::ALLOW_LOCAL_WRITE, 0x010),
            (OpFlags::ALLOW_REMOTE_WRITE, 0x030),
            (OpFlags::INLINE, 0x040),
            (OpFlags::RDMA_READ_SINK, 0x080),
            (OpFlags::RDMA_READ_LOCAL_INVALIDATE, 0x100),
            (OpFlags::DEFER, 0x200),
        ];
        op.into_iter().for_each(|(flag, number)| assert_eq!(flag.0, number));
        let mr = [
            (MrFlags::ALLOW_LOCAL_READ, 0x0),
            (MrFlags::ALLOW_LOCAL_WRITE, 0x1),
            (MrFlags::ALLOW_REMOTE_READ, 0x2),
            (MrFlags::ALLOW_REMOTE_WRITE, 0x5),
            (MrFlags::RDMA_READ_SINK, 0x8),
        ];
        mr.into_iter().for_each(|(flag, number)| assert_eq!(flag.0, number));
        let adapter = [
            (AdapterFlags::IN_ORDER_DMA_SUPPORTED, 0x00001),
            (AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED, 0x00002),
            (AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED, 0x00004),
            (AdapterFlags::MULTI_ENGINE_SUPPORTED, 0x00008),
            (AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED, 0x00010),
            (AdapterFlags::CQ_RESIZE_SUPPORTED, 0x00100),
            (AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED, 0x10000),
        ];
        adapter.into_iter().for_each(|(flag, number)| assert_eq!(flag.0, number));
    }

    #[test]
    fn flag_1_type_numbers_are_those_of_the_header() {
        let notify = [(NotifyType::Errors, 0), (NotifyType::Any, 1), (NotifyType::Solicited, 2)];
        for (kind, number) in notify {
            assert_eq!(kind as u32, number);
            assert_eq!(NotifyType::from_number(number), Some(kind));
        }
        assert_eq!(NotifyType::from_number(3), None);
        let operations = [
            (OperationType::Receive, 1),
            (OperationType::Send, 2),
            (OperationType::FastRegister, 4),
            (OperationType::Bind, 8),
            (OperationType::Invalidate, 16),
            (OperationType::Read, 32),
            (OperationType::Write, 64),
            (OperationType::ReceiveAndInvalidate, 32769),
        ];
        operations.into_iter().for_each(|(kind, number)| assert_eq!(kind as u32, number));
    }

    #[test]
    fn rights_of_two_bits_need_both() {
        assert!(!MrFlags::ALLOW_LOCAL_WRITE.contains(MrFlags::ALLOW_REMOTE_WRITE));
        assert!(MrFlags::ALLOW_REMOTE_WRITE.contains(MrFlags::ALLOW_LOCAL_WRITE));
        assert!(OpFlags::ALLOW_REMOTE_WRITE.contains(OpFlags::ALLOW_LOCAL_WRITE));
        assert!(!OpFlags(0x20).contains(OpFlags::ALLOW_REMOTE_WRITE));
    }

    #[test]
    fn bits_outside_are_found() {
        let mut flags = OpFlags::DEFER | OpFlags::INLINE;
        assert_eq!(flags.outside(OpFlags::DEFER), OpFlags::INLINE);
        flags |= OpFlags(0x8000);
        assert!(!flags.outside(OpFlags::DEFER | OpFlags::INLINE).is_empty());
        assert_eq!(format!("{flags:#x}"), "0x8240");
    }
}
