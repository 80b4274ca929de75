//! A registered range of memory: what a key stands for, and what it allows.

use super::View;
use super::owner::{Held, Memory};
use crate::sync::{AtomicU64, Ordering};
use crate::work::{Detail, Key};
use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;

/// What may be done with a region beyond reading it locally, a bit each.
///
/// Remote write and remote atomics need local write too, as verbs demands and NDK's flag 0x5 contains.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// Local read only, which every region grants.
    pub const NONE: Self = Self(0);
    /// This side's receives and reads may store into it.
    pub const LOCAL_WRITE: Self = Self(1);
    /// The peer may read it.
    pub const REMOTE_READ: Self = Self(2);
    /// The peer may write it.
    pub const REMOTE_WRITE: Self = Self(4);
    /// The peer may work on its words by atomics.
    pub const REMOTE_ATOMIC: Self = Self(8);
    /// A message of the peer may invalidate the key.
    ///
    /// Ordinary regions of NDK and verbs never grant it: there only windows and fast registrations, which
    /// come later, can be invalidated.
    pub const REMOTE_INVALIDATE: Self = Self(16);
    /// Reads may store into it, where the adapter asks for that right beside local write.
    pub const READ_SINK: Self = Self(128);

    /// What a read needs of its sink where the adapter asks for a right.
    pub(super) const SINK: Self = Self(Self::LOCAL_WRITE.0 | Self::READ_SINK.0);

    const NAMES: [(Self, &str); 6] = [
        (Self::LOCAL_WRITE, "local write"),
        (Self::REMOTE_READ, "remote read"),
        (Self::REMOTE_WRITE, "remote write"),
        (Self::REMOTE_ATOMIC, "remote atomic"),
        (Self::REMOTE_INVALIDATE, "remote invalidate"),
        (Self::READ_SINK, "read sink"),
    ];

    /// All bits of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// A peer could change bytes by these rights, and this side could not.
    pub(super) const fn lacks_local_write(self) -> bool {
        self.0 & (Self::REMOTE_WRITE.0 | Self::REMOTE_ATOMIC.0) != 0 && !self.contains(Self::LOCAL_WRITE)
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("local read")?;
        Self::NAMES
            .iter()
            .filter(|(right, _)| self.contains(*right))
            .try_for_each(|(_, name)| write!(f, ", {name}"))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

/// Why an access was refused; nothing was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// No region has this key, or none has it any longer.
    #[error("no region has this key; it was never given out, or the region was deregistered")]
    UnknownKey,
    /// The region belongs to another protection domain than the queue pair.
    #[error("the region belongs to another protection domain; register it in that of the queue pair")]
    OtherProtectionDomain,
    /// The region does not grant this kind of access.
    #[error("the region does not grant this access; register it with the right")]
    MissingRight,
    /// Some of the bytes are outside of the region.
    #[error("the access leaves the region; check address and length")]
    OutOfRange,
}

impl Denied {
    /// The cause as a completion tells it.
    pub fn detail(self) -> Detail {
        match self {
            Self::UnknownKey => Detail::UnknownKey,
            Self::OtherProtectionDomain => Detail::OtherProtectionDomain,
            Self::MissingRight => Detail::MissingRight,
            Self::OutOfRange => Detail::OutOfRange,
        }
    }
}

/// An access that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) key: Key,
    pub(super) pd: u32,
    pub(super) address: u64,
    pub(super) length: usize,
    pub(super) right: Rights,
}

/// A range of memory under a key.
///
/// All that a check compares, and the address it yields, lie on one cache line. A window would be an entry of
/// the same table: its own key, rights, base and length, a share in the memory of the region below it,
/// and in the bytes that are still free on the line the queue pair it is bound to.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Region {
    pub(super) key: Key,
    /// Number of the protection domain.
    pub(super) pd: u32,
    pub(super) rights: Rights,
    /// The first byte's number, as work requests give it.
    pub(super) base: u64,
    pub(super) bytes: Held,
    /// Not 0: the key has been invalidated and grants nothing any more.
    pub(super) invalidated: AtomicU64,
}

const _: () = assert!(size_of::<Region>() == 64, "a region is checked on one cache line");

impl Region {
    /// The bytes, if this region grants the access.
    ///
    /// The checks come in the order key, protection domain, right, range; the first that fails is told.
    #[inline]
    pub(super) fn check(&self, access: Access) -> Result<View<'_>, Denied> {
        // Acquire: who sees the key invalidated sees what was done before; who does not was granted in time.
        if self.key != access.key || self.invalidated.load(Ordering::Acquire) != 0 {
            return Err(Denied::UnknownKey);
        }
        if self.pd != access.pd {
            return Err(Denied::OtherProtectionDomain);
        }
        if !self.rights.contains(access.right) {
            return Err(Denied::MissingRight);
        }
        // An address below the base wraps to an offset of at least 2^64 - base, hence of at least the length,
        // since base + length <= 2^64 (`register`); and an access has at least one byte (`KeyTable::check`).
        let offset = access.address.wrapping_sub(self.base) as usize;
        self.bytes.view().slice(offset, access.length).ok_or(Denied::OutOfRange)
    }

    /// Invalidates the key at the peer's word.
    pub(super) fn invalidate(&self, pd: u32) -> Result<(), Denied> {
        if self.pd != pd {
            return Err(Denied::OtherProtectionDomain);
        }
        if !self.rights.contains(Rights::REMOTE_INVALIDATE) {
            return Err(Denied::MissingRight);
        }
        // AcqRel: of two invalidations one is the first; Release as told in `check`.
        match self.invalidated.swap(1, Ordering::AcqRel) {
            0 => Ok(()),
            _ => Err(Denied::UnknownKey),
        }
    }

    pub(super) fn into_memory(self) -> Arc<Memory> {
        self.bytes.into_memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_read_as_words() {
        assert_eq!(Rights::NONE.to_string(), "local read");
        let rights = Rights::LOCAL_WRITE | Rights::REMOTE_ATOMIC;
        assert_eq!(format!("{rights:?}"), "Rights(local read, local write, remote atomic)");
        assert!(rights.contains(Rights::NONE) && !rights.contains(Rights::REMOTE_READ | Rights::LOCAL_WRITE));
    }

    #[test]
    fn remote_changes_need_local_write() {
        assert!(Rights::REMOTE_WRITE.lacks_local_write() && Rights::REMOTE_ATOMIC.lacks_local_write());
        assert!(!Rights::REMOTE_READ.lacks_local_write());
        assert!(!(Rights::REMOTE_WRITE | Rights::LOCAL_WRITE).lacks_local_write());
    }
}
