//! A registered range of memory: what a key stands for, and what it allows.

use super::View;
use super::fast_register::FastRegister;
use super::owner::{Held, Memory};
use super::window::Window;
use crate::planted::planted;
use crate::sync::{AtomicU64, Ordering};
use crate::work::{Detail, Key};
use std::fmt;
use std::ops::{BitOr, Range};
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
    /// Ordinary regions of NDK and verbs never grant it: there only windows and fast registrations can be
    /// invalidated, and those need no right for it.
    pub const REMOTE_INVALIDATE: Self = Self(16);
    /// The peer may flush it to where all see it (verbs: `IBV_ACCESS_FLUSH_GLOBAL`).
    pub const FLUSH_GLOBAL: Self = Self(32);
    /// The peer may flush it to where it survives (verbs: `IBV_ACCESS_FLUSH_PERSISTENT`).
    pub const FLUSH_PERSISTENT: Self = Self(64);
    /// Reads may store into it, where the adapter asks for that right beside local write.
    pub const READ_SINK: Self = Self(128);

    /// What a read needs of its sink where the adapter asks for a right.
    pub(super) const SINK: Self = Self(Self::LOCAL_WRITE.0 | Self::READ_SINK.0);

    const NAMES: [(Self, &str); 8] = [
        (Self::LOCAL_WRITE, "local write"),
        (Self::REMOTE_READ, "remote read"),
        (Self::REMOTE_WRITE, "remote write"),
        (Self::REMOTE_ATOMIC, "remote atomic"),
        (Self::REMOTE_INVALIDATE, "remote invalidate"),
        (Self::FLUSH_GLOBAL, "flush to global visibility"),
        (Self::FLUSH_PERSISTENT, "flush to persistence"),
        (Self::READ_SINK, "read sink"),
    ];

    /// All bits of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those of them that `other` has not.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// As a byte, for a request's slot.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The rights of that byte; bits that mean none are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & (31 | Self::READ_SINK.0))
    }

    /// Something in it is for the peer.
    pub const fn is_remote(self) -> bool {
        self.0 & (Self::REMOTE_READ.0 | Self::REMOTE_WRITE.0 | Self::REMOTE_ATOMIC.0) != 0
    }

    /// A peer could change bytes by these rights, and this side could not.
    pub const fn lacks_local_write(self) -> bool {
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
    /// The window was bound on another queue pair.
    #[error("the window was bound on another queue pair; bind it on the one whose peer is to use it")]
    OtherQueuePair,
}

impl Denied {
    /// The cause as a completion tells it.
    pub fn detail(self) -> Detail {
        match self {
            Self::UnknownKey => Detail::UnknownKey,
            Self::OtherProtectionDomain => Detail::OtherProtectionDomain,
            Self::MissingRight => Detail::MissingRight,
            Self::OutOfRange => Detail::OutOfRange,
            Self::OtherQueuePair => Detail::OtherQueuePair,
        }
    }
}

/// At whose end memory is reached: a queue pair, by a number of the device's choice, and its domain.
#[derive(Clone, Copy, Debug)]
pub struct Party {
    /// Number of the protection domain.
    pub pd: u32,
    /// What names the queue pair among all that ever are.
    pub qp: u64,
}

#[cfg(test)]
impl From<u32> for Party {
    /// A party of that domain, where queue pairs do not matter.
    fn from(pd: u32) -> Self {
        Self { pd, qp: 0 }
    }
}

/// An access that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) key: Key,
    pub(super) party: Party,
    pub(super) address: u64,
    pub(super) length: usize,
    pub(super) right: Rights,
}

/// A range of memory under a key, or another thing that a key can name.
///
/// All that a check of a region compares, and the address it yields, lie on one cache line. What is no
/// region has a `key` that no access can have found it by, so the one comparison sends all others the longer
/// way.
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
    /// How many windows are bound to it, and [`CLOSING`] and [`INVALIDATED`].
    pub(super) state: AtomicU64,
    pub(super) other: Option<Box<Other>>,
}

const _: () = assert!(size_of::<Region>() == 64, "a region is checked on one cache line");

/// The key grants nothing any more, by the word of a peer; windows to the region neither.
const INVALIDATED: u64 = 1 << 63;
/// The region is closed and waits for its windows, which grant on.
const CLOSING: u64 = 1 << 62;

/// What a key names beside regions.
#[derive(Debug)]
pub(super) struct Other {
    /// The key that its handle knows it by.
    pub(super) home: Key,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A logical address mapping of that adapter; its bytes are the region's.
    Lam {
        adapter: u32,
    },
    /// The token for all logical addresses of that adapter.
    Privileged {
        adapter: u32,
    },
    Window(Window),
    FastRegister(Box<FastRegister>),
}

impl Region {
    /// A region in use.
    pub(super) fn new(key: Key, pd: u32, rights: Rights, base: u64, bytes: Held) -> Self {
        Self { key, pd, rights, base, bytes, state: AtomicU64::new(0), other: None }
    }

    /// What is no region; `bytes` belong to it all the same.
    pub(super) fn other(home: Key, pd: u32, base: u64, bytes: Held, kind: Kind) -> Self {
        let other = Some(Box::new(Other { home, kind }));
        // Index 0 is never given out, so no access comes here with this key.
        Self { other, ..Self::new(Key::default(), pd, Rights::NONE, base, bytes) }
    }

    /// What a key beside regions names, if its home is this one.
    #[inline]
    pub(super) fn kind_at(&self, home: Key) -> Option<&Kind> {
        self.other.as_deref().filter(|other| other.home == home).map(|other| &other.kind)
    }

    /// The bytes, if this region grants the access; its key has been compared.
    ///
    /// The checks come in the order key, protection domain, right, range; the first that fails is told.
    #[inline(always)]
    pub(super) fn check(&self, access: Access) -> Result<View<'_>, Denied> {
        // Acquire: who sees the key invalidated sees what was done before; who does not was granted in time.
        if self.state.load(Ordering::Acquire) >= CLOSING {
            return Err(Denied::UnknownKey);
        }
        if self.pd != access.party.pd && !planted!(PdUnchecked, "a token of another domain opens its region")
        {
            return Err(Denied::OtherProtectionDomain);
        }
        if !self.rights.contains(access.right) {
            return Err(Denied::MissingRight);
        }
        self.part(access.address, access.length)
    }

    /// Those bytes, without a question but for the range; an access has at least one byte.
    #[inline(always)]
    pub(super) fn part(&self, address: u64, length: usize) -> Result<View<'_>, Denied> {
        // An address below the base wraps to an offset of at least 2^64 - base, hence of at least the length,
        // since base + length <= 2^64 (`register`); and an access has at least one byte (`KeyTable::check`).
        let offset = address.wrapping_sub(self.base) as usize;
        // The access that is a byte too long is let pass where it fits: memory is never left.
        let shift = usize::from(planted!(RangeOffByOne, "an access may reach a byte beyond its region"));
        let beyond = shift == 1 && offset.checked_add(length) == Some(self.bytes.len() + 1);
        let offset = if beyond { offset - 1 } else { offset };
        self.bytes.view().slice(offset, length).ok_or(Denied::OutOfRange)
    }

    /// The bytes of its memory that a flush is about, if this region grants it; its key has been compared.
    ///
    /// A range of no bytes is checked as others are, but for where it lies.
    pub(super) fn check_flush(
        &self,
        party: Party,
        right: Rights,
        range: Option<(u64, u32)>,
    ) -> Result<Range<usize>, Denied> {
        if !self.is_open() {
            return Err(Denied::UnknownKey);
        }
        if self.pd != party.pd {
            return Err(Denied::OtherProtectionDomain);
        }
        if !self.rights.contains(right) {
            return Err(Denied::MissingRight);
        }
        let first = self.bytes.offset();
        match range {
            None => Ok(first..first + self.bytes.len()),
            Some((_, 0)) => Ok(first..first),
            Some((address, length)) => {
                self.part(address, length as usize)?;
                let begin = first + address.wrapping_sub(self.base) as usize; // in the region, as `part` says
                Ok(begin..begin + length as usize)
            }
        }
    }

    /// Invalidates the key at the peer's word.
    pub(super) fn invalidate(&self, pd: u32) -> Result<(), Denied> {
        if self.pd != pd {
            return Err(Denied::OtherProtectionDomain);
        }
        if !self.rights.contains(Rights::REMOTE_INVALIDATE) {
            return Err(Denied::MissingRight);
        }
        if planted!(InvalidateWithoutEffect, "an invalidated token still opens its region") {
            return Ok(());
        }
        // AcqRel: of two invalidations one is the first; Release as told in `check`.
        if self.state.fetch_or(INVALIDATED, Ordering::AcqRel) & INVALIDATED == 0 {
            Ok(())
        } else {
            Err(Denied::UnknownKey)
        }
    }

    /// Neither closing nor invalidated.
    pub(super) fn is_open(&self) -> bool {
        self.state.load(Ordering::Acquire) < CLOSING // as in `check`
    }

    /// A window may reach the bytes still.
    pub(super) fn serves_windows(&self) -> bool {
        self.state.load(Ordering::Acquire) & INVALIDATED == 0 // as in `check`
    }

    /// One window more is bound to the region; false: it takes none any more.
    pub(super) fn tie(&self) -> bool {
        let one_more = |state: u64| (state < CLOSING).then_some(state + 1);
        // AcqRel, and Acquire for the failure: a count that a close reads, and a close that the window sees.
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    /// One window less; true: it was the last one of a region whose close waits for it.
    pub(super) fn untie(&self) -> bool {
        // AcqRel: the last one comes after all others.
        self.state.fetch_sub(1, Ordering::AcqRel) & !INVALIDATED == CLOSING | 1
    }

    /// Refuses all accesses by the region's own key, unless windows are bound to it.
    pub(super) fn close_unless_bound(&self) -> bool {
        let close = |state: u64| (state & !INVALIDATED == 0).then_some(state | CLOSING);
        // AcqRel, Acquire: as in `tie`.
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, close).is_ok()
    }

    /// Refuses them in any case; true: windows are bound to it.
    pub(super) fn close(&self) -> bool {
        self.state.fetch_or(CLOSING, Ordering::AcqRel) & !(INVALIDATED | CLOSING) != 0 // as in `tie`
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
