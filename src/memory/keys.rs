//! The table of keys: the only place where the right to touch a region is given.

use super::View;
use super::durable::{Flight, Flush};
use super::owner::{Held, Memory};
use super::region::{Access, Denied, Kind, Party, Region, Rights};
use crate::planted::planted;
use crate::ring::{Pin, Pins, Retired, Table, TableFull};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};
use crate::work::{FlushPlacement, Key};
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
/// All bytes of the access were checked. Where they do not lie together, as in a fast registration of pages
/// from here and there, these are the first of them: the others are had by asking again, from there on.
///
/// Only the checks of a [`KeyTable`] make one.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'p>(View<'p>);

impl<'p> Grant<'p> {
    /// The bytes of the access that was checked, or the first of them, no more.
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
    /// A flush could not do what the right to it promises.
    #[error("register: rights {rights}: {why}")]
    NotPersistent {
        /// The rights asked for.
        rights: Rights,
        /// What is in the way.
        why: &'static str,
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
    /// The memory of what has none.
    nothing: Arc<Memory>,
    /// Flushes of its regions that have failed.
    failures: Arc<AtomicU64>,
}

impl KeyTable {
    /// An empty table, read under the pins of `pins`.
    pub fn new(pins: Arc<Pins>) -> Self {
        let nothing = Arc::new(Memory::from(Vec::new()));
        let failures = Arc::new(AtomicU64::new(0));
        Self { regions: Table::new(pins, REST), removal: Mutex::new(()), nothing, failures }
    }

    pub(super) fn regions(&self) -> &Table<Region> {
        &self.regions
    }

    pub(super) fn nothing(&self) -> &Arc<Memory> {
        &self.nothing
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
        if rights.contains(Rights::FLUSH_PERSISTENT) {
            let none = "nothing makes this memory persistent; register memory of a file, or drop that right";
            let why = memory.persistence().map_or(Some(none), |stable| stable.durable().volatile());
            if let Some(why) = why {
                return Err(RegisterError::NotPersistent { rights, why });
            }
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
            Region::new(key, pd, rights, base, bytes)
        })?;
        Ok(key)
    }

    /// Checks an entry of a work request of this side: the right to touch its bytes, or why not.
    ///
    /// An entry of length 0 is not checked, whatever its key and address: so does soft-RoCE.
    ///
    /// # Errors
    /// The first of key, protection domain, right and range that does not fit.
    #[inline(always)] // as `check`
    pub fn check_local<'p>(
        &'p self,
        pin: &'p Pin<'_>,
        key: Key,
        party: impl Into<Party>,
        address: u64,
        length: u32,
        access: LocalAccess,
    ) -> Result<Grant<'p>, Denied> {
        let open = planted!(LocalWriteUnchecked, "receives and reads go into any region");
        let right = if open { Rights::NONE } else { access.right() };
        self.check(pin, Access { key, party: party.into(), address, length: length as usize, right })
    }

    /// Checks what the peer asks for: the right to touch these bytes, or why not.
    ///
    /// An access of length 0 is not checked, whatever its key and address (IBTA C9-88).
    ///
    /// # Errors
    /// The first of key, protection domain, right and range that does not fit.
    #[inline(always)] // as `check`
    pub fn check_remote<'p>(
        &'p self,
        pin: &'p Pin<'_>,
        key: Key,
        party: impl Into<Party>,
        address: u64,
        length: u32,
        access: RemoteAccess,
    ) -> Result<Grant<'p>, Denied> {
        let open =
            access == RemoteAccess::Write && planted!(RemoteWriteUnchecked, "peers write without the right");
        let right = if open { Rights::NONE } else { access.right() };
        self.check(pin, Access { key, party: party.into(), address, length: length as usize, right })
    }

    // Always: where it is a call of its own, an access costs half as much again.
    #[inline(always)]
    fn check<'p>(&'p self, pin: &'p Pin<'_>, access: Access) -> Result<Grant<'p>, Denied> {
        if access.length == 0 {
            return Ok(Grant(View::empty()));
        }
        let region = self.regions.get(pin, access.key.index()).ok_or(Denied::UnknownKey)?;
        let lax = region.other.is_none()
            && planted!(GenerationUnchecked, "a stale token opens who has its index now");
        if region.key != access.key && !lax {
            return self.check_other(pin, region, access).map(Grant);
        }
        region.check(access).map(Grant)
    }

    /// A check of what is no region.
    #[cold]
    #[inline(never)]
    fn check_other<'p>(
        &'p self,
        pin: &'p Pin<'_>,
        entry: &'p Region,
        access: Access,
    ) -> Result<View<'p>, Denied> {
        let Some(other) = &entry.other else { return Err(Denied::UnknownKey) };
        match &other.kind {
            Kind::Lam { .. } => Err(Denied::UnknownKey), // its number is no token
            Kind::Privileged { .. } if other.home != access.key => Err(Denied::UnknownKey),
            Kind::Privileged { .. } if entry.pd != access.party.pd => Err(Denied::OtherProtectionDomain),
            Kind::Privileged { .. }
                if access.right.is_remote()
                    && !planted!(PrivilegedRemotely, "peers use the privileged token") =>
            {
                Err(Denied::MissingRight)
            }
            Kind::Privileged { adapter } => self.logical(pin, *adapter, access.address, access.length),
            Kind::Window(window) => window.check(entry.pd, access, |key| self.region(pin, key)),
            Kind::FastRegister(list) => {
                let logical = |address, length| self.logical(pin, list.adapter, address, length);
                list.check(other.home, entry.pd, access, logical)
            }
        }
    }

    /// Checks a flush that the peer asks for; `range` is `None` for the whole region.
    ///
    /// In the order key, protection domain, right, range, and then what is in doubt. A range of no bytes
    /// needs the key and the right, and nothing is done for it. Windows and fast registrations grant none.
    ///
    /// # Errors
    /// The first that does not fit; nothing was started.
    pub(crate) fn check_flush(
        &self,
        pin: &Pin<'_>,
        key: Key,
        party: Party,
        range: Option<(u64, u32)>,
        placement: FlushPlacement,
    ) -> Result<Flush, Denied> {
        let global = placement.contains(FlushPlacement::GLOBAL).then_some(Rights::FLUSH_GLOBAL);
        let persistent = placement.contains(FlushPlacement::PERSISTENT).then_some(Rights::FLUSH_PERSISTENT);
        let right = global.into_iter().chain(persistent).fold(Rights::NONE, |all, right| all | right);
        let region = self.region(pin, key).ok_or(Denied::UnknownKey)?;
        let range = region.check_flush(party, right, range)?;
        Ok(Flight::prepare(region.bytes.memory(), range, placement, &self.failures))
    }

    /// How many flushes have failed: a number to give to [`KeyTable::written`], mostly 0.
    #[inline]
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire) // pairs with the end of a flush that failed
    }

    /// Bytes of a region were written that may be in doubt; `known` were the failures before that began.
    ///
    /// What was written through a window or fast registration is not followed, and stays in doubt.
    #[cold]
    pub(crate) fn written(&self, pin: &Pin<'_>, key: Key, address: u64, length: u64, known: u64) {
        let Some(region) = self.region(pin, key) else { return };
        let Some(stable) = region.bytes.memory().persistence() else { return };
        let begin = region.bytes.offset() + address.wrapping_sub(region.base) as usize;
        stable.doubt().written(&(begin..begin + length as usize), known);
    }

    /// The region of that key, whatever its state.
    #[inline]
    pub(super) fn region<'p>(&'p self, pin: &'p Pin<'_>, key: Key) -> Option<&'p Region> {
        self.regions.get(pin, key.index()).filter(|region| region.key == key)
    }

    /// One window less is bound to that region; true: the region's close waited for it.
    pub(super) fn untie(&self, pin: &Pin<'_>, region: Key) -> bool {
        self.region(pin, region).is_some_and(Region::untie)
    }

    /// Refuses the key from now on, windows or not; `None` when no region has it. Control: locks.
    ///
    /// Accesses that were granted before may still be going on: the memory is had from
    /// [`Deregistering::try_finish`]. Windows that are bound to it grant nothing any more.
    pub fn deregister(&self, key: Key) -> Option<Deregistering> {
        self.removing(key.index(), |_, region| (region.key == key).then_some(())).map(|(going, ())| going)
    }

    /// The same where no window is bound to the region; `None` when one is, and nothing changed.
    pub fn deregister_unbound(&self, key: Key) -> Option<Deregistering> {
        let unbound = |region: &Region| region.key == key && region.close_unless_bound();
        self.removing(key.index(), |_, region| unbound(region).then_some(())).map(|(going, ())| going)
    }

    /// Refuses accesses by the key itself; true: windows are bound to it, and grant on.
    ///
    /// When the last of them goes, who ends it is told.
    pub fn close_region(&self, key: Key) -> bool {
        let handle = self.regions.pins().register();
        let pin = handle.pin();
        self.region(&pin, key).is_some_and(Region::close)
    }

    /// Takes out the entry at `index`, if `judge` finds it to be the right one.
    pub(super) fn removing<R>(
        &self,
        index: u32,
        judge: impl FnOnce(&Pin<'_>, &Region) -> Option<R>,
    ) -> Option<(Deregistering, R)> {
        let handle = self.regions.pins().register();
        let _removal = self.removal.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let pin = handle.pin();
        let judged = judge(&pin, self.regions.get(&pin, index)?)?;
        drop(pin); // or the removal would wait for it
        Some((Deregistering(Going::Passes(self.regions.remove(index)?)), judged))
    }
}

/// A region that is refused already and may still be in use by a pass that found it before.
#[derive(Debug)]
#[must_use = "ask try_finish until the passes are over, else the memory is never let go"]
pub struct Deregistering(Going);

/// Who may still use a region that is refused.
#[derive(Debug)]
enum Going {
    /// Passes.
    Passes(Retired<Region>),
    /// No pass; flushes that run may keep its memory.
    Flushes(Arc<Memory>),
}

impl Deregistering {
    /// The region's share in the memory, once no granted access and no flush is going on; never blocks.
    ///
    /// Not under a pin of the calling thread that is older than the deregistration: it would wait for itself.
    ///
    /// # Errors
    /// Itself, while there may be such an access.
    pub fn try_finish(self) -> Result<Arc<Memory>, Self> {
        let memory = match self.0 {
            Going::Passes(retired) => match retired.try_reclaim() {
                Ok(region) => region.into_memory(),
                Err(later) => return Err(Self(Going::Passes(later))),
            },
            Going::Flushes(memory) => memory,
        };
        if memory.is_let_go() { Ok(memory) } else { Err(Self(Going::Flushes(memory))) }
    }
}

#[cfg(test)]
mod tests;
