//! Memory windows (type 2B): rights to a part of a region, given to the peer of one queue pair for a time.

use super::View;
use super::region::{Access, Denied, Party, Region, Rights};
use crate::planted::planted;
use crate::ring::{Changing, Now};
use crate::sync::{AtomicU64, Ordering};
use crate::work::Key;

/// What a window is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Key of the region.
    pub region: Key,
    /// Number of the window's first byte, in the numbering of the region.
    pub address: u64,
    /// Length in bytes.
    pub length: u64,
    /// What the peer may do.
    pub rights: Rights,
}

/// A window's entry in the key table. Its binding is written by the binder alone, and read by anyone.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) changing: Changing,
    region: AtomicU64,
    address: AtomicU64,
    length: AtomicU64,
    rights: AtomicU64,
    qp: AtomicU64,
}

impl Window {
    pub(super) fn new(home: Key) -> Self {
        let [region, address, length, rights, qp] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { changing: Changing::new(home.generation()), region, address, length, rights, qp }
    }

    /// The binding that is in force `now`, with the queue pair it was made on.
    ///
    /// A mix of two bindings, unless [`Changing::still`] says afterwards that it is one.
    fn read(&self) -> (Binding, u64) {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed); // judged by `still`
        let binding = Binding {
            region: Key(load(&self.region) as u32),
            address: load(&self.address),
            length: load(&self.length),
            rights: Rights::from_bits(load(&self.rights) as u8),
        };
        (binding, load(&self.qp))
    }

    /// Binds the window that was taken; false: its handle is gone meanwhile.
    pub(super) fn bind(&self, taken: Now, generation: u8, binding: &Binding, party: Party) -> bool {
        Changing::rewrite();
        let words = [
            (&self.region, u64::from(binding.region.0)),
            (&self.address, binding.address),
            (&self.length, binding.length),
            (&self.rights, binding.rights.bits().into()),
            (&self.qp, party.qp),
        ];
        for (word, value) in words {
            word.store(value, Ordering::Relaxed); // published by the word of `changing`
        }
        self.changing.publish(taken, Some(generation))
    }

    /// The binding under `key`, if that is the one in force.
    pub(super) fn binding(&self, key: Key) -> Option<(Now, Binding, u64)> {
        let now = self.changing.now();
        let (binding, qp) = self.read();
        let stale = now.generation() != key.generation()
            && !planted!(WindowGenerationUnchecked, "an old token of a window opens its new binding");
        let is_it = now.is_valid() && !stale && self.changing.still(now);
        is_it.then_some((now, binding, qp))
    }

    /// What the peer may touch; `region` finds the region below.
    pub(super) fn check<'p>(
        &self,
        pd: u32,
        access: Access,
        region: impl FnOnce(Key) -> Option<&'p Region>,
    ) -> Result<View<'p>, Denied> {
        let (_, binding, qp) = self.binding(access.key).ok_or(Denied::UnknownKey)?;
        if pd != access.party.pd {
            return Err(Denied::OtherProtectionDomain);
        }
        if qp != access.party.qp && !planted!(WindowOfAnyQp, "a window opens for peers of other queue pairs")
        {
            return Err(Denied::OtherQueuePair);
        }
        let open = planted!(WindowRightsUnchecked, "a window grants every right");
        if !open && (!access.right.is_remote() || !binding.rights.contains(access.right)) {
            return Err(Denied::MissingRight);
        }
        let offset = access.address.wrapping_sub(binding.address);
        let wide = planted!(WindowRangeUnchecked, "a window opens all of its region");
        if !wide && (offset > binding.length || access.length as u64 > binding.length - offset) {
            return Err(Denied::OutOfRange);
        }
        let region = region(binding.region).filter(|region| region.serves_windows());
        region.ok_or(Denied::UnknownKey)?.part(access.address, access.length)
    }

    /// Ends the handle's use; the region that it was bound to.
    ///
    /// A binder that is at it finds the window closed when it publishes, and nobody else writes any more.
    pub(super) fn close(&self) -> Option<Key> {
        let before = self.changing.close();
        before.is_valid().then(|| self.read().0.region)
    }
}
