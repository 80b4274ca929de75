//! Which features beyond NDK a device lacks, and who is to blame: the device, its library, or this build.

#![forbid(unsafe_code)]

use crate::device::qp::{Operation, PostRefused};
use crate::work::Feature;
use qpair_rdma_core::{self as rdma, Access, DeviceAttributes, Operations};

/// Features that a device lacks, each with the reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lacks([Option<&'static str>; Feature::ALL.len()]);

/// What a device says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    atomics: bool,
    atomic_write: bool,
    flush_global: bool,
    flush_persistent: bool,
}

impl From<&DeviceAttributes> for Offer {
    fn from(device: &DeviceAttributes) -> Self {
        let (flush_global, flush_persistent) = device.flush();
        Self { atomics: device.atomics, atomic_write: device.atomic_write(), flush_global, flush_persistent }
    }
}

/// What queue pairs are made for, as far as header, device and provider have it.
pub(super) fn wanted() -> Operations {
    Operations::BASIC | Operations::FLUSH | Operations::ATOMIC_WRITE
}

/// What of it this build has calls for.
pub(super) fn built() -> Operations {
    let pick = |has: bool, one| if has { Operations::BASIC | one } else { Operations::BASIC };
    pick(rdma::built_with_flush(), Operations::FLUSH)
        | pick(rdma::built_with_atomic_write(), Operations::ATOMIC_WRITE)
}

const NOT_OFFERED: &str = "the device does not offer it";
const NOT_GRANTED: &str = "the provider library that is loaded makes no queue pair with it";
const NO_FLUSH: &str = "this build's rdma-core has no ibv_wr_flush; build with the headers of 45 or newer";
const NO_ATOMIC_WRITE: &str =
    "this build's rdma-core has no ibv_wr_atomic_write; build with the headers of 44 or newer";
const NO_INVALIDATION: &str = "programs register regions by a call, and nothing but the call that \
                               deregisters them ends them; bind a window, which a peer may invalidate";

impl Lacks {
    /// Of a device with this offer, for a build with calls for `built`, and queue pairs that are `granted`
    /// these operations.
    pub(super) fn of(offer: Offer, built: Operations, granted: Operations) -> Self {
        let offered = |offered: bool| (!offered).then_some(NOT_OFFERED);
        let request = |operation, not_built, has: bool| {
            let not_built = (!built.contains(operation)).then_some(not_built);
            let not_granted = (!granted.contains(operation)).then_some(NOT_GRANTED);
            not_built.or(offered(has)).or(not_granted)
        };
        Self(Feature::ALL.map(|feature| match feature {
            Feature::Atomics => offered(offer.atomics),
            Feature::AtomicWrite => request(Operations::ATOMIC_WRITE, NO_ATOMIC_WRITE, offer.atomic_write),
            Feature::Flush => request(Operations::FLUSH, NO_FLUSH, offer.flush_global),
            Feature::FlushGlobal => offered(offer.flush_global),
            Feature::FlushPersistent => offered(offer.flush_persistent),
            Feature::RemoteInvalidate => Some(NO_INVALIDATION),
        }))
    }

    /// Why it lacks the feature, if it does.
    #[inline]
    pub(crate) fn why(&self, feature: Feature) -> Option<&'static str> {
        self.0[feature as usize]
    }

    /// What a peer may do through queue pairs; of it, each region grants its part.
    pub(super) fn peer_access(&self) -> Access {
        let mut access = Access::LOCAL_WRITE | Access::REMOTE_READ | Access::REMOTE_WRITE;
        for (feature, bit) in [
            (Feature::Atomics, Access::REMOTE_ATOMIC),
            (Feature::FlushGlobal, Access::FLUSH_GLOBAL),
            (Feature::FlushPersistent, Access::FLUSH_PERSISTENT),
        ] {
            if self.why(feature).is_none() {
                access |= bit;
            }
        }
        access
    }

    /// The operation can be posted.
    #[inline]
    pub(super) fn judge(&self, operation: &Operation) -> Result<(), PostRefused> {
        let feature = match operation {
            Operation::CompareAndSwap { .. } | Operation::FetchAndAdd { .. } => Feature::Atomics,
            Operation::AtomicWrite { .. } => Feature::AtomicWrite,
            Operation::Flush { .. } => Feature::Flush,
            _ => return Ok(()),
        };
        if self.why(feature).is_some() { Err(PostRefused::NotSupported(feature)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{FlushPlacement, Key, Selectivity};

    const ALL: Offer =
        Offer { atomics: true, atomic_write: true, flush_global: true, flush_persistent: true };
    const NOTHING: Offer =
        Offer { atomics: false, atomic_write: false, flush_global: false, flush_persistent: false };

    #[test]
    fn each_is_blamed_for_what_it_lacks() {
        let all = Lacks::of(ALL, wanted(), wanted());
        for feature in Feature::ALL {
            let own = (feature == Feature::RemoteInvalidate).then_some(NO_INVALIDATION);
            assert_eq!(all.why(feature), own, "{feature}");
        }
        let old = Lacks::of(ALL, Operations::BASIC, Operations::BASIC);
        assert_eq!(old.why(Feature::Flush), Some(NO_FLUSH));
        assert_eq!(old.why(Feature::AtomicWrite), Some(NO_ATOMIC_WRITE));
        assert_eq!(old.why(Feature::FlushGlobal), None, "the kernel judges regions");
        let loaded = Lacks::of(ALL, wanted(), Operations::BASIC | Operations::ATOMIC_WRITE);
        assert_eq!(loaded.why(Feature::Flush), Some(NOT_GRANTED));
        assert_eq!(loaded.why(Feature::AtomicWrite), None);
        let plain = Lacks::of(NOTHING, wanted(), Operations::BASIC);
        let others = Feature::ALL.iter().filter(|feature| **feature != Feature::RemoteInvalidate);
        others.for_each(|feature| assert_eq!(plain.why(*feature), Some(NOT_OFFERED), "{feature}"));
        assert!(wanted().contains(built()));
    }

    #[test]
    fn a_queue_pair_lets_peers_do_what_the_device_does() {
        let usual = Access::LOCAL_WRITE | Access::REMOTE_READ | Access::REMOTE_WRITE;
        let more = Access::REMOTE_ATOMIC | Access::FLUSH_GLOBAL | Access::FLUSH_PERSISTENT;
        assert_eq!(Lacks::of(ALL, wanted(), wanted()).peer_access(), usual | more);
        assert_eq!(Lacks::of(NOTHING, wanted(), wanted()).peer_access(), usual);
    }

    #[test]
    fn a_post_is_refused_for_the_feature_it_needs() {
        let (address, key) = (0, Key(1));
        let (placement, selectivity) = (FlushPlacement::GLOBAL, Selectivity::Range);
        let flush = Operation::Flush { address, key, length: 1, placement, selectivity };
        let lacks = Lacks::of(NOTHING, wanted(), Operations::BASIC);
        assert_eq!(lacks.judge(&Operation::Read { address, key }), Ok(()));
        for (operation, feature) in [
            (Operation::FetchAndAdd { address, key, add: 1 }, Feature::Atomics),
            (Operation::CompareAndSwap { address, key, compare: 1, swap: 2 }, Feature::Atomics),
            (Operation::AtomicWrite { address, key, value: 1 }, Feature::AtomicWrite),
            (flush, Feature::Flush),
        ] {
            assert_eq!(lacks.judge(&operation), Err(PostRefused::NotSupported(feature)));
            assert_eq!(Lacks::of(ALL, wanted(), wanted()).judge(&operation), Ok(()));
        }
    }
}
