//! What must wait for passes to end, and is tried again by the driver until it is done.
//!
//! Deregistrations, closes of queue pairs, the end of data movement: each is done at once when nobody is in
//! the way.

use super::Device;
use super::callbacks;
use crate::time::Span;
use std::sync::{Mutex, PoisonError};

type Chore = Box<dyn FnMut() -> bool + Send>;

/// Between two tries; a pass lasts microseconds, a piece of a long copy less than a millisecond.
const AGAIN: Span = Span::from_nanos(50_000);

#[derive(Default)]
pub(super) struct Chores(Mutex<Vec<Chore>>);

impl Device {
    /// Does `chore` now or, for as long as it says false, again and again on the driver's thread.
    ///
    /// It runs under no lock and no pin, and does not block.
    pub(crate) fn chore(&self, mut chore: impl FnMut() -> bool + Send + 'static) {
        let _deliver_after = callbacks::guard();
        if !chore() {
            self.chores.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(chore));
            self.driver.wake();
        }
    }

    /// Tries all chores once; true if some are left.
    fn run_chores(&self) -> bool {
        let chores = std::mem::take(&mut *self.chores.0.lock().unwrap_or_else(PoisonError::into_inner));
        let left: Vec<_> = chores
            .into_iter()
            .filter_map(|mut chore| {
                let _deliver_after = callbacks::guard();
                (!chore()).then_some(chore)
            })
            .collect();
        let mut chores = self.chores.0.lock().unwrap_or_else(PoisonError::into_inner);
        chores.extend(left);
        !chores.is_empty()
    }

    /// Does what no caller is left to do: ready queues, chores, receives that did not come in time.
    ///
    /// Called by the driver when it was woken or a time has come; says how long it may rest at most.
    pub(crate) fn drive(&self) -> Rest {
        self.run_ready();
        let chores_left = self.run_chores();
        let next = self.run_rnr();
        let until = next.into_iter().chain(self.run_faults()).min();
        Rest { at_most: chores_left.then_some(AGAIN), until }
    }

    /// Says that the driver is about to sleep; false: there is something to do.
    pub(crate) fn prepare_sleep(&self) -> bool {
        self.ready().prepare_sleep(|| false)
    }

    /// Says that the driver is awake.
    pub(crate) fn awake(&self) {
        self.ready().wake_up();
    }
}

/// How long a driver may rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Real time until chores are tried again, whatever the device's clock.
    pub(crate) at_most: Option<Span>,
    /// Time of the device's clock at which something is due.
    pub(crate) until: Option<crate::time::Time>,
}
