//! What a request asks for.

use super::Key;
use std::ops::BitOr;

/// A scatter/gather entry: a piece of registered memory. Plain data, judged when it is executed.
///
/// Laid out as `NDK_SGE`, so that the C face passes its arrays on as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Sge {
    /// Address of the first byte, in the numbering of the region that `token` names.
    pub address: u64,
    /// Length in bytes.
    pub length: u32,
    /// Key of the region.
    pub token: Key,
}

/// The operation of a work request, as it stands in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Opcode {
    /// Message into the peer's next receive.
    Send = 0,
    /// Message with 32 bits of immediate data.
    SendWithImmediate = 1,
    /// Message that also invalidates a key of the peer.
    SendWithInvalidate = 2,
    /// Write into the peer's memory.
    Write = 3,
    /// Write that also consumes a receive and hands over 32 bits.
    WriteWithImmediate = 4,
    /// Read from the peer's memory.
    Read = 5,
    /// 64-bit atomic compare and swap in the peer's memory.
    CompareAndSwap = 6,
    /// 64-bit atomic fetch and add in the peer's memory.
    FetchAndAdd = 7,
    /// Write of eight bytes in one piece into the peer's memory.
    AtomicWrite = 8,
    /// Flush of what was stored in the peer's memory: to where all see it, or to where it survives.
    Flush = 9,
    /// Binding of a memory window.
    Bind = 10,
    /// Registration of pages under the next key of a fast-register region.
    FastRegister = 11,
    /// Invalidation of a key of this side.
    LocalInvalidate = 12,
}

impl Opcode {
    /// Every opcode there is.
    pub const ALL: [Self; 13] = [
        Self::Send,
        Self::SendWithImmediate,
        Self::SendWithInvalidate,
        Self::Write,
        Self::WriteWithImmediate,
        Self::Read,
        Self::CompareAndSwap,
        Self::FetchAndAdd,
        Self::AtomicWrite,
        Self::Flush,
        Self::Bind,
        Self::FastRegister,
        Self::LocalInvalidate,
    ];

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Consumes a receive of the peer.
    pub fn takes_receive(self) -> bool {
        matches!(
            self,
            Self::Send | Self::SendWithImmediate | Self::SendWithInvalidate | Self::WriteWithImmediate
        )
    }

    /// Works on keys of this side and moves no bytes.
    #[inline]
    pub fn is_local(self) -> bool {
        self as u8 >= Self::Bind as u8 // the last ones, so that this is one comparison on the path
    }

    /// Works on eight bytes of the peer's memory.
    pub fn is_atomic(self) -> bool {
        matches!(self, Self::CompareAndSwap | Self::FetchAndAdd | Self::AtomicWrite)
    }
}

/// How far a FLUSH brings what was stored (verbs: placement type), a bit each.
///
/// With both bits both promises are kept, by one and the same act. With neither the request is invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlushPlacement(pub u8);

impl FlushPlacement {
    /// All processors, and all processes that map the bytes, see them (`IBV_FLUSH_GLOBAL`).
    pub const GLOBAL: Self = Self(1);
    /// The bytes survive a loss of power (`IBV_FLUSH_PERSISTENT`).
    pub const PERSISTENT: Self = Self(2);

    /// All bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for FlushPlacement {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Of what a FLUSH speaks (verbs: selectivity).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selectivity {
    /// The range of the request (`IBV_FLUSH_RANGE`).
    Range = 0,
    /// The whole region, whatever the range of the request (`IBV_FLUSH_MR`).
    Region = 1,
}

/// The four bytes of the header FETH: placement in bits 0-3, selectivity in bits 4 and 5.
pub fn flush_header(placement: FlushPlacement, selectivity: Selectivity) -> u32 {
    u32::from(placement.0 & 15) | (selectivity as u32) << 4
}

/// What that header says; `None`: no placement is asked for, or something is that there is not.
pub fn read_flush_header(header: u32) -> Option<(FlushPlacement, Selectivity)> {
    let selectivity = match header >> 4 {
        0 => Selectivity::Range,
        1 => Selectivity::Region,
        _ => return None,
    };
    let placement = FlushPlacement(header as u8 & 15);
    matches!(placement.0, 1..=3).then_some((placement, selectivity))
}

/// What else a request asks for, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestFlags(pub u8);

impl RequestFlags {
    /// Nothing.
    #[cfg_attr(not(test), expect(dead_code, reason = "it completes the set"))]
    pub const NONE: Self = Self(0);
    /// A success leaves no completion.
    pub const SILENT_SUCCESS: Self = Self(1);
    /// Starts only when all earlier reads of the queue pair are complete.
    pub const READ_FENCE: Self = Self(2);
    /// The peer's completion is solicited.
    pub const SOLICITED: Self = Self(4);
    /// The data lies in the slot.
    pub const INLINE: Self = Self(8);
    /// A read that succeeds invalidates the key of its first entry.
    pub const LOCAL_INVALIDATE: Self = Self(16);

    /// All bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for RequestFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
