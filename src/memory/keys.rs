//! The table of keys: the only place where the right to touch a region is given.

use super::View;
use super::owner::{Held, Memory};
use super::region::{Access, Denied, Region, Rights};
use crate::ring::{Pin, Pins, Retired, Table, TableFull};
use crate::sync::{Arc, AtomicU64, Mutex};
use crate::work::Key;
use std::ops::Range;

/// A freed index rests until so many others have been freed, or the table has grown past it. Together with
/// the eight bits of generation a stale key meets an unknown one for about a million registrations.
const REST: usize = 4096;

/// What a work request of this side does with the bytes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalAccess {
    /// Send from them; every region grants that.
    Read,
    /// Receive or read into them.
    Write,
    /// Read into them, where the adapter asks for a right of its own for that.
    ReadSink,
}

/// What the peer does with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteAccess {
    /// RDMA READ.
    Read,
    /// RDMA WRITE.
    Write,
    /// A remote atomic.
    Atomic,
}

impl LocalAccess {
    const fn right(self) -> Rights {
        match self {
            Self::Read => Rights::NONE,
            Self::Write => Rights::LOCAL_WRITE,
            Self::ReadSink => Rights::SINK,
        }
    }
}

impl RemoteAccess {
    const fn right(self) -> Rights {
        match self {
            Self::Read => Rights::REMOTE_READ,
            Self::Write => Rights::REMOTE_WRITE,
            Self::Atomic => Rights::REMOTE_ATOMIC,
        }
    }
}

/// The right to touch just these bytes, for as long as the pin under which it was given.
///
/// Only the checks of a [`KeyTable`] make one.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'p>(View<'p>);

impl<'p> Grant<'p> {
    /// The bytes of the access that was checked, no more.
    #[inline]
    pub fn view(&self) -> View<'p> {
        self.0
    }
}

/// What to register, and how.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Number of the protection domain.
    pub pd: u32,
    /// What the region grants.
    pub rights: Rights,
    /// The bytes of the memory that belong to the region; they may be none.
    pub range: Range<usize>,
    /// The number of its first byte, as work requests will give it.
    ///
    /// Any number will do, but remote atomics are judged by the machine address: where users see to the
    /// alignment by their own numbers, these should be congruent to it modulo 8.
    pub base: u64,
}

/// A region could not be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The range is not part of the memory.
    #[error("register: bytes {range:?} of a memory of {length}; name a range inside of it")]
    OutsideOfMemory {
        /// The range asked for.
        range: Range<usize>,
        /// Length of the memory in bytes.
        length: usize,
    },
    /// The numbers of the bytes would pass 2^64.
    #[error("register: {length} bytes from number {base:#x} on pass 2^64; choose a lower base")]
    AddressOverflow {
        /// The number asked for the first byte.
        base: u64,
        /// Length of the region in bytes.
        length: usize,
    },
    /// The peer could change bytes that this side may not.
    #[error("register: rights {rights}: remote write and remote atomic need local write; add it")]
    NeedsLocalWrite {
        /// The rights asked for.
        rights: Rights,
    },
    /// No key is free.
    #[error("register: {0}")]
    TooManyRegions(#[from] TableFull),
}

/// The regions of an adapter by their keys.
///
/// Checks lock nothing and wait for nobody; registering and deregistering may.
#[derive(Debug)]
pub struct KeyTable {
    regions: Table<Region>,
    /// Held while a region is looked up and removed, so that of two deregistrations under one key the second
    /// cannot hit whoever got the index in between.
    removal: Mutex<()>,
}

impl KeyTable {
    /// An empty table, read under the pins of `pins`.
    pub fn new(pins: Arc<Pins>) -> Self {
        Self { regions: Table::new(pins, REST), removal: Mutex::new(()) }
    }

    /// Makes a range of `memory` a region and gives its key, never 0. Control: locks and allocates.
    ///
    /// The region holds a share in the memory until its deregistration is finished.
    ///
    /// # Errors
    /// The range, the base or the rights are not possible, or all keys are taken; nothing was registered.
    pub fn register(&self, memory: &Arc<Memory>, registration: Registration) -> Result<Key, RegisterError> {
        let Registration { pd, rights, range, base } = registration;
        if rights.lacks_local_write() {
            return Err(RegisterError::NeedsLocalWrite { rights });
        }
        let bytes = Held::new(Arc::clone(memory), range.clone())
            .map_err(|memory| RegisterError::OutsideOfMemory { range, length: memory.len() })?;
        let length = bytes.len();
        // The last byte's number must exist: base + length may be 2^64 itself.
        if length > 0 && base.checked_add(length as u64 - 1).is_none() {
            return Err(RegisterError::AddressOverflow { base, length });
        }
        let mut key = Key::default();
        self.regions.insert(|index, generation| {
            key = Key::new(index, generation);
            Region { key, pd, rights, base, bytes, invalidated: AtomicU64::new(0) }
        })?;
        Ok(key)
    }

    /// Checks an entry of a work request of this side: the right to touch its bytes, or why not.
    ///
    /// An entry of length 0 is not checked, whatever its key and address: so does soft-RoCE.
    ///
    /// # Errors
    /// The first of key, protection domain, right and range that does not fit.
    #[inline]
    pub fn check_local<'p>(
        &'p self,
        pin: &'p Pin<'_>,
        key: Key,
        pd: u32,
        address: u64,
        length: u32,
        access: LocalAccess,
    ) -> Result<Grant<'p>, Denied> {
        self.check(pin, Access { key, pd, address, length: length as usize, right: access.right() })
    }

    /// Checks what the peer asks for: the right to touch these bytes, or why not.
    ///
    /// An access of length 0 is not checked, whatever its key and address (IBTA C9-88).
    ///
    /// # Errors
    /// The first of key, protection domain, right and range that does not fit.
    #[inline]
    pub fn check_remote<'p>(
        &'p self,
        pin: &'p Pin<'_>,
        key: Key,
        pd: u32,
        address: u64,
        length: u32,
        access: RemoteAccess,
    ) -> Result<Grant<'p>, Denied> {
        self.check(pin, Access { key, pd, address, length: length as usize, right: access.right() })
    }

    #[inline]
    fn check<'p>(&'p self, pin: &'p Pin<'_>, access: Access) -> Result<Grant<'p>, Denied> {
        if access.length == 0 {
            return Ok(Grant(View::empty()));
        }
        let region = self.regions.get(pin, access.key.index()).ok_or(Denied::UnknownKey)?;
        region.check(access).map(Grant)
    }

    /// Invalidates a key because the peer's message says so (SEND with invalidate).
    ///
    /// # Errors
    /// [`Denied::UnknownKey`] for a key that is none, [`Denied::OtherProtectionDomain`] for one of another
    /// domain, and [`Denied::MissingRight`] for a region without [`Rights::REMOTE_INVALIDATE`]. Nothing
    /// changed.
    pub fn invalidate(&self, pin: &Pin<'_>, key: Key, pd: u32) -> Result<(), Denied> {
        let region = self.regions.get(pin, key.index()).filter(|r| r.key == key).ok_or(Denied::UnknownKey)?;
        region.invalidate(pd)
    }

    /// Refuses the key from now on; `None` when no region has it. Control: locks.
    ///
    /// Accesses that were granted before may still be going on: the memory is had from
    /// [`Deregistering::try_finish`].
    pub fn deregister(&self, key: Key) -> Option<Deregistering> {
        let handle = self.regions.pins().register();
        let _removal = self.removal.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let pin = handle.pin();
        self.regions.get(&pin, key.index()).filter(|region| region.key == key)?;
        drop(pin); // or the removal would wait for it
        self.regions.remove(key.index()).map(Deregistering)
    }
}

/// A region that is refused already and may still be in use by a pass that found it before.
#[derive(Debug)]
#[must_use = "ask try_finish until the passes are over, else the memory is never let go"]
pub struct Deregistering(Retired<Region>);

impl Deregistering {
    /// The region's share in the memory, once no granted access is going on; never blocks.
    ///
    /// Not under a pin of the calling thread that is older than the deregistration: it would wait for itself.
    ///
    /// # Errors
    /// Itself, while there may be such an access.
    pub fn try_finish(self) -> Result<Arc<Memory>, Self> {
        self.0.try_reclaim().map(Region::into_memory).map_err(Self)
    }
}

#[cfg(test)]
mod tests;
