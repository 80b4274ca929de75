//! The objects of an adapter: what an engine and a face share, and when user code may run.
//!
//! A [`Device`] owns the tables of queue pairs, shared receive queues and keys, the ready list and what waits
//! for time; it lets `direct` execute and reaches its carrier through one narrow trait, [`Driver`]. Queues
//! are run by whoever claims them (`agenda`), and user code runs only when a thread holds no role, pin or
//! lock (`callbacks`).
//!
//! May come in: protection domains, completion queues, shared receive queues, queue pairs, connectors and
//! listeners, flush, faults; whatever owns rings, regions and keys. Not here: statuses and names of NDK or
//! verbs (the faces), how bytes move (direct, transport), the clock and the threads that drive a device
//! (fabric). Control calls may lock; post, poll, deliver and flush may not.

#![forbid(unsafe_code)]

mod agenda;
pub(crate) mod callbacks;
mod chores;
pub(crate) mod connect;
pub(crate) mod cq;
mod engine;
pub(crate) mod faults;
pub(crate) mod lifetime;
pub(crate) mod moderation;
pub(crate) mod notifier;
mod pinned;
pub(crate) mod qp;
mod rnr;
pub(crate) mod srq;
pub(crate) mod state;
#[cfg(test)]
mod tests;
mod users;

pub(crate) use agenda::Frame;

use crate::memory::KeyTable;
use crate::ring::{Pin, ReadyList, Table};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Time;
use qp::{Qp, QpId};
use srq::Srq;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

/// What carries a device: its clock, and a thread for what no caller is left to do.
pub(crate) trait Driver: Send + Sync {
    /// The time of the device's clock.
    fn now(&self) -> Time;

    /// There is something on the ready list, or a chore: call [`Device::drive`] soon.
    fn wake(&self);

    /// Call [`Device::drive`] at that time, if not before.
    fn wake_at(&self, at: Time);
}

/// An index or QPN comes back only after so many others have been freed.
const REST: usize = 4096;

/// All that queue pairs of one NET share.
pub(crate) struct Device {
    driver: Arc<dyn Driver>,
    qps: Table<Arc<Qp>>,
    srqs: Table<Arc<Srq>>,
    keys: KeyTable,
    /// Queues handed over to the driver, their budget spent.
    ready: ReadyList,
    rnr: rnr::Waits,
    held: moderation::Held,
    chores: chores::Chores,
    /// Those of its adapters.
    faults: Mutex<Vec<Weak<faults::Faults>>>,
    last_pd: AtomicU64,
}

impl Device {
    /// A device without objects, carried by `driver`.
    pub(crate) fn new(driver: Arc<dyn Driver>) -> Arc<Self> {
        Arc::new(Self {
            driver,
            qps: Table::new(pinned::pins(), REST),
            srqs: Table::new(pinned::pins(), REST),
            keys: KeyTable::new(pinned::pins()),
            ready: ReadyList::asleep(),
            rnr: rnr::Waits::new(),
            held: moderation::Held::default(),
            chores: chores::Chores::new(),
            faults: Mutex::default(),
            last_pd: AtomicU64::new(0),
        })
    }

    pub(crate) fn now(&self) -> Time {
        self.driver.now()
    }

    /// Has [`Device::drive`] called at that time.
    pub(crate) fn wake_at(&self, at: Time) {
        self.driver.wake_at(at);
    }

    pub(crate) fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// The number of a new protection domain.
    pub(crate) fn new_pd(&self) -> u32 {
        // Relaxed: only its being unique counts.
        (self.last_pd.fetch_add(1, Ordering::Relaxed) + 1) as u32
    }

    /// The number of an adapter on this device.
    pub(crate) fn new_adapter(&self) -> u32 {
        self.new_pd() // from the same numbers: only their being unique counts
    }

    #[inline]
    fn qp<'p>(&'p self, pin: &'p Pin<'_>, id: QpId) -> Option<&'p Arc<Qp>> {
        self.qps.get(pin, id.index()).filter(|qp| qp.id() == id)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}
