//! Work requests as plain values, and what can be judged of one without asking the device.

use rdma_sys as sys;
use std::ops::{BitAnd, BitOr};

use crate::access::Access;
use crate::attributes::DeviceAttributes;
use crate::context::{built_with_atomic_write, built_with_flush};
use crate::error::Error;
use crate::memory::{Mr, Mw};

/// A scatter/gather entry; the layout of `ibv_sge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Sge {
    /// Where the bytes begin.
    pub address: u64,
    /// How many.
    pub length: u32,
    /// Key of the region.
    pub lkey: u32,
}

impl Sge {
    /// A list as the library takes it. It never writes to it.
    pub(super) fn list(elements: &[Self]) -> *mut sys::ibv_sge {
        elements.as_ptr().cast_mut().cast()
    }
}

/// Where in the peer's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Address, as the peer named it.
    pub address: u64,
    /// Key, as the peer gave it.
    pub rkey: u32,
}

/// What a window is bound to, and under which key.
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    /// The window.
    pub window: &'a Mw,
    /// Its key until now: [`Mw::first_rkey`], or that of the bind before, even if it was invalidated since.
    pub replaces: u32,
    /// Its key from now on: differs from the one it replaces in the low 8 bits alone.
    pub rkey: u32,
    /// The region, which allows [`Access::WINDOW_BIND`].
    pub region: &'a Mr,
    /// Where in the region the window begins.
    pub address: u64,
    /// How many bytes of it.
    pub length: u64,
    /// What the peer may do.
    pub access: Access,
}

/// How far a flush brings the bytes; bits of `ibv_placement_type`. With both, both are promised.
///
/// Others go to the peer as they are, which may find them invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement(pub u8);

impl Placement {
    /// All processors and processes see them.
    pub const GLOBAL: Self = Self(1);
    /// They survive a loss of power.
    pub const PERSISTENT: Self = Self(2);
}

impl BitOr for Placement {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a send request does.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// A message into the peer's next receive.
    Send,
    /// The same, with immediate data.
    SendImmediate(u32),
    /// The same, and one of the peer's keys is invalidated there.
    SendInvalidate(u32),
    /// Bytes into the peer's memory.
    Write(Remote),
    /// The same, and the peer's next receive completes with immediate data.
    WriteImmediate(Remote, u32),
    /// Bytes from the peer's memory.
    Read(Remote),
    /// Eight bytes compared and swapped; the old ones come into the one entry.
    CompareSwap {
        /// Which eight bytes, aligned.
        remote: Remote,
        /// What they must be.
        compare: u64,
        /// What they become.
        swap: u64,
    },
    /// Eight bytes added to; the old ones come into the one entry.
    FetchAdd {
        /// Which eight bytes, aligned.
        remote: Remote,
        /// What is added.
        add: u64,
    },
    /// Binds a window of type 2. Without payload.
    Bind(Bind<'a>),
    /// Invalidates a window's key here. Without payload.
    LocalInvalidate(u32),
    /// Eight bytes written in one go, after what was flushed before. Without other payload.
    AtomicWrite(Remote, [u8; 8]),
    /// Makes earlier writes of this connection visible or durable at the peer. Without payload.
    Flush {
        /// Where.
        remote: Remote,
        /// How many bytes; without meaning for a whole region.
        length: usize,
        /// How far.
        placement: Placement,
        /// Whether the whole region of the key is meant.
        whole_region: bool,
    },
}

/// The local bytes of a request.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Bytes of registered memory, which stay the device's until the completion.
    Elements(&'a [Sge]),
    /// Bytes copied at posting. For sends and writes, up to [`Qp::inline_bytes`](super::Qp::inline_bytes).
    Inline(&'a [u8]),
}

/// A request for the send queue.
#[derive(Clone, Copy, Debug)]
pub struct SendRequest<'a> {
    /// Comes back in the completion.
    pub id: u64,
    /// What to do.
    pub operation: Operation<'a>,
    /// With which local bytes; empty for operations without payload.
    pub payload: Payload<'a>,
    /// How.
    pub flags: Flags,
}

/// How a request is carried out; bits of `ibv_send_flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub(super) u32);

impl Flags {
    /// Nothing particular.
    pub const NONE: Self = Self(0);
    /// Begins after reads and atomics before it have ended.
    pub const FENCE: Self = Self(1);
    /// Completes visibly also if it succeeds.
    pub const SIGNALED: Self = Self(1 << 1);
    /// The peer's receive counts as solicited.
    pub const SOLICITED: Self = Self(1 << 2);
    /// Set for [`Payload::Inline`].
    pub(super) const INLINE: Self = Self(1 << 3);
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A set of operations; bits of `ibv_qp_create_send_ops_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations(u64);

impl Operations {
    /// None.
    pub const NONE: Self = Self(0);
    /// What every device with extended queue pairs has: all but flush and atomic write.
    pub const BASIC: Self = Self(0x3ff);
    /// Reads, writes and sends alone, for devices without atomics or windows.
    pub const TRANSFERS: Self = Self(0x1f);
    /// Flush.
    pub const FLUSH: Self = Self(1 << 11);
    /// Atomic write.
    pub const ATOMIC_WRITE: Self = Self(1 << 12);

    /// Whether all of `other` are in it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    pub(super) fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The sets to ask a provider for, one after another, beginning with what header and device have of this.
    pub(super) fn tries(self, device: &DeviceAttributes) -> Vec<Self> {
        let has = |built: bool, device: bool, one: Self| if built && device { one } else { Self(0) };
        let flush = has(built_with_flush(), device.flush().0, Self::FLUSH);
        let atomic_write = has(built_with_atomic_write(), device.atomic_write(), Self::ATOMIC_WRITE);
        let with = |newest| self & (Self::BASIC | newest);
        let mut tries = vec![with(flush | atomic_write), with(atomic_write), with(flush), with(Self(0))];
        tries.dedup();
        tries
    }
}

impl BitOr for Operations {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Operations {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Operation<'_> {
    /// Its bit, and its name in errors.
    pub(super) fn kind(&self) -> (Operations, &'static str) {
        let (bit, name) = match self {
            Self::Write(_) => (0, "an RDMA write"),
            Self::WriteImmediate(..) => (1, "an RDMA write with immediate data"),
            Self::Send => (2, "a send"),
            Self::SendImmediate(_) => (3, "a send with immediate data"),
            Self::Read(_) => (4, "an RDMA read"),
            Self::CompareSwap { .. } => (5, "a compare and swap"),
            Self::FetchAdd { .. } => (6, "a fetch and add"),
            Self::LocalInvalidate(_) => (7, "a local invalidation"),
            Self::Bind(_) => (8, "the binding of a window"),
            Self::SendInvalidate(_) => (9, "a send with invalidation"),
            Self::Flush { .. } => (11, "a flush"),
            Self::AtomicWrite(..) => (12, "an atomic write"),
        };
        (Operations(1 << bit), name)
    }

    /// Whether it takes local bytes, and whether they may be inline.
    pub(super) fn payload(&self) -> (bool, bool) {
        match self {
            Self::Send | Self::SendImmediate(_) | Self::SendInvalidate(_) => (true, true),
            Self::Write(_) | Self::WriteImmediate(..) => (true, true),
            Self::Read(_) | Self::CompareSwap { .. } | Self::FetchAdd { .. } => (true, false),
            Self::Bind(_) | Self::LocalInvalidate(_) | Self::AtomicWrite(..) | Self::Flush { .. } => {
                (false, false)
            }
        }
    }
}

/// Errors for more entries than there may be.
pub(super) fn check_elements(call: &'static str, given: usize, limit: u32) -> Result<(), Error> {
    if given <= limit as usize {
        return Ok(());
    }
    let remedy = "create the queue with room for more";
    let argument = "the number of scatter/gather entries";
    Err(Error::TooLarge { call, argument, given: given as u64, limit: limit.into(), remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn an_entry_lies_as_the_librarys() {
        assert_eq!(size_of::<Sge>(), size_of::<sys::ibv_sge>());
        assert_eq!(offset_of!(Sge, address), offset_of!(sys::ibv_sge, addr));
        assert_eq!(offset_of!(Sge, length), offset_of!(sys::ibv_sge, length));
        assert_eq!(offset_of!(Sge, lkey), offset_of!(sys::ibv_sge, lkey));
    }

    #[test]
    fn bits_are_those_of_the_header() {
        use sys::ibv_qp_create_send_ops_flags as ops;
        use sys::ibv_send_flags as flags;
        let remote = Remote { address: 0, rkey: 0 };
        assert_eq!(Operation::Write(remote).kind().0.0, u64::from(ops::IBV_QP_EX_WITH_RDMA_WRITE.0));
        assert_eq!(Operation::Send.kind().0.0, u64::from(ops::IBV_QP_EX_WITH_SEND.0));
        assert_eq!(Operation::SendInvalidate(0).kind().0.0, u64::from(ops::IBV_QP_EX_WITH_SEND_WITH_INV.0));
        let compare = Operation::CompareSwap { remote, compare: 0, swap: 0 };
        assert_eq!(compare.kind().0.0, u64::from(ops::IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP.0));
        assert_eq!(Operation::LocalInvalidate(0).kind().0.0, u64::from(ops::IBV_QP_EX_WITH_LOCAL_INV.0));
        assert_eq!(Flags::FENCE.0, flags::IBV_SEND_FENCE.0);
        assert_eq!(Flags::SIGNALED.0, flags::IBV_SEND_SIGNALED.0);
        assert_eq!(Flags::SOLICITED.0, flags::IBV_SEND_SOLICITED.0);
        assert_eq!(Flags::INLINE.0, flags::IBV_SEND_INLINE.0);
        assert!(Operations::BASIC.contains(Operations::TRANSFERS));
        assert!(!Operations::BASIC.contains(Operations::FLUSH));
    }

    #[test]
    fn a_provider_is_asked_for_what_there_is_and_at_last_for_what_every_device_has() {
        // SAFETY: numbers only.
        let mut raw: sys::ibv_device_attr_ex = unsafe { std::mem::zeroed() };
        let all = Operations::BASIC | Operations::FLUSH | Operations::ATOMIC_WRITE;
        assert_eq!(all.tries(&DeviceAttributes::new(&raw)), [Operations::BASIC]);
        raw.device_cap_flags_ex = u64::MAX;
        let capable = DeviceAttributes::new(&raw);
        let tries = all.tries(&capable);
        assert_eq!(tries[0].contains(Operations::FLUSH), built_with_flush());
        assert_eq!(tries[0].contains(Operations::ATOMIC_WRITE), built_with_atomic_write());
        assert_eq!(tries.last(), Some(&Operations::BASIC));
        assert_eq!(Operations::TRANSFERS.tries(&capable), [Operations::TRANSFERS]);
    }

    #[test]
    fn too_many_entries_are_refused_with_the_limit() {
        let text = check_elements("post", 3, 2).unwrap_err().to_string();
        assert!(text.contains("is 3, 2 at most"), "{text}");
        assert!(check_elements("post", 2, 2).is_ok());
    }
}
