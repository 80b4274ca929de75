//! What the regions of an adapter let this side do, for whoever has to explain a failure.
//!
//! Soft-RoCE says of a receive only that it is bad, and of a request that it refuses for its own memory only
//! that it was flushed, as it says of those behind it. So what a device knows of regions is kept here as
//! well, and asked when something has failed, never before.
//!
//! A request may use a region that is deregistered before anybody asks. Nothing is said of it then: each
//! deregistration marks how far the device had got in the queue pairs of its domain (`Qp::judged_from`), and
//! while one is under way nobody is answered.

#![forbid(unsafe_code)]

use super::{Adapter, Qp, lock};
use crate::sync::Ordering;
use crate::work::{Key, Opcode};
use qpair_rdma_core as rdma;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// What a region lets this side do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) pd: u32,
    pub(super) address: u64,
    pub(super) length: u64,
    pub(super) writable: bool,
}

/// The regions of an adapter, by the key of local requests.
#[derive(Default)]
pub(super) struct Grants {
    known: BTreeMap<u32, Grant>,
    /// Deregistrations under way.
    leaving: u32,
}

impl Grant {
    /// A request of that domain may send the bytes of the entry.
    fn gives(&self, pd: u32, entry: &rdma::Sge) -> bool {
        let inside =
            entry.address.checked_sub(self.address).and_then(|at| at.checked_add(entry.length.into()));
        self.pd == pd && inside.is_some_and(|end| end <= self.length)
    }

    /// A receive of that domain may put its bytes there.
    fn takes(&self, pd: u32, entry: &rdma::Sge) -> bool {
        self.writable && self.gives(pd, entry)
    }
}

impl Grants {
    fn takes(&self, pd: u32, entry: &rdma::Sge) -> bool {
        self.known.get(&entry.lkey).is_some_and(|grant| grant.takes(pd, entry))
    }

    /// A request of that domain may certainly not send these bytes, as far as regions are concerned; that of
    /// an entry without bytes no device looks at.
    fn refuse(&self, pd: u32, entries: &[rdma::Sge]) -> bool {
        let gives = |entry: &rdma::Sge| self.known.get(&entry.lkey).is_some_and(|it| it.gives(pd, entry));
        self.leaving == 0 && entries.iter().any(|entry| entry.length != 0 && !gives(entry))
    }
}

/// Whether a device reads the entries of such a request before it sends anything; into those of the others it
/// writes what comes back, and says itself when it may not.
pub(super) fn reads_entries(opcode: Opcode) -> bool {
    match opcode {
        Opcode::Send
        | Opcode::SendWithImmediate
        | Opcode::SendWithInvalidate
        | Opcode::Write
        | Opcode::WriteWithImmediate => true,
        Opcode::Read
        | Opcode::CompareAndSwap
        | Opcode::FetchAndAdd
        | Opcode::AtomicWrite
        | Opcode::Flush
        | Opcode::Bind
        | Opcode::FastRegister
        | Opcode::LocalInvalidate => false,
    }
}

impl Adapter {
    pub(super) fn know_region(&self, key: Key, grant: Grant) {
        lock(&self.registry).regions.known.insert(key.0, grant);
    }

    /// A region is about to be deregistered; [`region_is_gone`](Self::region_is_gone) follows.
    pub(super) fn forget_region(&self, key: Key) {
        let regions = &mut lock(&self.registry).regions;
        regions.known.remove(&key.0);
        regions.leaving += 1;
    }

    /// The device has let go of a region of that domain.
    pub(super) fn region_is_gone(&self, pd: u32) {
        // Dropped without the lock, since the last holder of a queue pair closes it.
        let qps: Vec<Arc<Qp>> = lock(&self.registry).qps.values().filter_map(Weak::upgrade).collect();
        for qp in qps.iter().filter(|qp| qp.pd() == pd) {
            // Relaxed: read below the lock, as below; the device had got what may have used the region before
            // it let go of it.
            qp.judged_from.fetch_max(qp.sends.given.get(), Ordering::Relaxed);
        }
        lock(&self.registry).regions.leaving -= 1;
    }

    /// The device has not let go of it.
    pub(super) fn region_stays(&self, key: Key, grant: Grant) {
        let regions = &mut lock(&self.registry).regions;
        regions.known.insert(key.0, grant);
        regions.leaving -= 1;
    }

    /// A receive of that domain may put its bytes there.
    pub(super) fn takes(&self, pd: u32, entry: &rdma::Sge) -> bool {
        lock(&self.registry).regions.takes(pd, entry)
    }

    /// A request may certainly not send these bytes, and might not when the device got it.
    pub(super) fn refuses(&self, qp: &Qp, ticket: u64, entries: &[rdma::Sge]) -> bool {
        let registry = lock(&self.registry);
        // Relaxed: written before `leaving` is counted down below this lock.
        registry.regions.refuse(qp.pd(), entries) && qp.judged_from.load(Ordering::Relaxed) <= ticket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PD: u32 = 3;
    const OTHER: u32 = 4;
    const KEY: u32 = 0x107;
    const CONSTANT: u32 = 0x208;

    fn grants() -> Grants {
        let grant = Grant { pd: PD, address: 1000, length: 64, writable: true };
        let constant = Grant { address: 5000, writable: false, ..grant };
        Grants { known: [(KEY, grant), (CONSTANT, constant)].into(), leaving: 0 }
    }

    fn entry(lkey: u32, address: u64, length: u32) -> rdma::Sge {
        rdma::Sge { address, length, lkey }
    }

    #[test]
    fn what_lies_within_a_region_of_the_domain_is_not_refused() {
        let grants = grants();
        for good in
            [entry(KEY, 1000, 64), entry(KEY, 1063, 1), entry(KEY, 1000, 1), entry(CONSTANT, 5000, 64)]
        {
            assert!(!grants.refuse(PD, &[good]), "{good:?}");
            assert!(grants.refuse(OTHER, &[good]), "{good:?} of another domain");
        }
        assert!(!grants.refuse(PD, &[]), "a message of no bytes");
    }

    #[test]
    fn one_entry_out_of_bounds_or_of_no_region_is_enough() {
        let (grants, good) = (grants(), entry(KEY, 1000, 8));
        for bad in [
            entry(KEY, 999, 8),
            entry(KEY, 1000, 65),
            entry(KEY, 1064, 1),
            entry(KEY, u64::MAX, 8),
            entry(KEY, 0, u32::MAX),
            entry(KEY + 1, 1000, 8),
            entry(CONSTANT, 1000, 8),
        ] {
            assert!(grants.refuse(PD, &[bad]) && grants.refuse(PD, &[good, bad]), "{bad:?}");
            assert!(grants.refuse(PD, &[good, bad, good]), "{bad:?}");
            assert!(!grants.refuse(PD, &[good, rdma::Sge { length: 0, ..bad }]), "{bad:?} without bytes");
        }
    }

    #[test]
    fn nothing_is_said_while_a_region_goes() {
        let grants = Grants { leaving: 1, ..grants() };
        assert!(!grants.refuse(PD, &[entry(KEY + 1, 1000, 8)]));
    }

    #[test]
    fn a_receive_needs_a_region_that_may_be_written() {
        let grants = grants();
        assert!(grants.takes(PD, &entry(KEY, 1000, 64)));
        for bad in [entry(CONSTANT, 5000, 8), entry(KEY, 1000, 65), entry(KEY + 1, 1000, 8)] {
            assert!(!grants.takes(PD, &bad), "{bad:?}");
        }
        assert!(!grants.takes(OTHER, &entry(KEY, 1000, 64)));
    }
}
