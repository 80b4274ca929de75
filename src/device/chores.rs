//! What must wait for passes to end, and is tried again by the driver until it is done.
//!
//! Deregistrations, closes of queue pairs, the end of data movement: each is done at once when nobody is in
//! the way.
//!
//! The lists have locks, each held for one step on a list. Control calls and the driver take them. A thread
//! that posts or flushes comes here in two cases only, both told in the docs of the crate: its queue comes to
//! an invalidation while other threads are in the midst of requests, or ends the last window of a region
//! whose close waits for just that. `ORPHANS` is for devices that begin and end.

use super::Device;
use super::callbacks;
use crate::memory::Memory;
use crate::time::Span;
use crate::work::Key;
use std::sync::{Arc, Mutex, PoisonError};

type Chore = Box<dyn FnMut() -> bool + Send>;

/// Between two tries; a pass lasts microseconds, a piece of a long copy less than a millisecond.
const AGAIN: Span = Span::from_nanos(50_000);

pub(super) struct Chores {
    now: Mutex<Vec<Chore>>,
    /// Closes of regions that wait for their last window, which may take for ever: not tried meanwhile.
    for_windows: Mutex<Vec<(Key, Chore)>>,
}

/// Chores that nothing waits for and whose device is gone: a token's last word, while a pass of another
/// device was under way. The registry of passes is the process's, so they are tried again by whoever comes
/// next.
static ORPHANS: Mutex<Vec<Chore>> = Mutex::new(Vec::new());

impl Chores {
    pub(super) fn new() -> Self {
        let mut orphans = std::mem::take(&mut *ORPHANS.lock().unwrap_or_else(PoisonError::into_inner));
        orphans.retain_mut(|chore| !chore());
        Self { now: Mutex::new(orphans), for_windows: Mutex::default() }
    }
}

impl Drop for Chores {
    fn drop(&mut self) {
        let mut left = std::mem::take(self.now.get_mut().unwrap_or_else(PoisonError::into_inner));
        left.retain_mut(|chore| !chore());
        ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).append(&mut left);
    }
}

impl Device {
    /// Does `chore` now or, for as long as it says false, again and again on the driver's thread.
    ///
    /// It runs under no lock and no pin, and does not block.
    pub(crate) fn chore(&self, mut chore: impl FnMut() -> bool + Send + 'static) {
        let _deliver_after = callbacks::guard();
        if !chore() {
            self.chore_later(chore);
        }
    }

    /// As [`Device::chore`], but never now: for who is in a role or has a pin.
    pub(super) fn chore_later(&self, chore: impl FnMut() -> bool + Send + 'static) {
        self.chores.now.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(chore));
        self.driver.wake();
    }

    /// Does `chore`, as [`Device::chore`] does, once the region of that key has no window any more.
    ///
    /// The region is refused from now on, but for its windows.
    pub(crate) fn chore_after_windows(&self, region: Key, chore: impl FnMut() -> bool + Send + 'static) {
        let parked = (region, Box::new(chore) as Chore);
        // Parked first: whoever ends the last window of the closing region finds it.
        self.chores.for_windows.lock().unwrap_or_else(PoisonError::into_inner).push(parked);
        if !self.keys.close_region(region) {
            self.windows_gone(region);
        }
    }

    /// The last window of that region is gone: its close goes on.
    #[cold]
    pub(crate) fn windows_gone(&self, region: Key) {
        let mut parked = self.chores.for_windows.lock().unwrap_or_else(PoisonError::into_inner);
        let place = parked.iter().position(|(key, _)| *key == region);
        let chore = place.map(|place| parked.swap_remove(place).1);
        drop(parked);
        if let Some(chore) = chore {
            self.chore_later(chore);
        }
    }

    /// Takes back a window, fast-register entry, mapping or privileged token: refused at once.
    ///
    /// `done` gets the memory that it had, when no access through it is going on any more.
    pub(crate) fn close_key(&self, home: Key, done: impl FnOnce(Arc<Memory>) + Send + 'static) {
        let closed = self.keys.close(home);
        debug_assert!(closed.is_some(), "a key is taken back once, by its handle");
        let Some((going, unbound)) = closed else { return };
        if let Some(region) = unbound {
            self.windows_gone(region);
        }
        let mut state = Some((going, done));
        self.chore(move || {
            let Some((going, done)) = state.take() else { return true };
            match going.try_finish() {
                Ok(memory) => {
                    done(memory);
                    true
                }
                Err(later) => {
                    state = Some((later, done));
                    false
                }
            }
        });
    }

    /// Tries all chores once; true if some are left.
    fn run_chores(&self) -> bool {
        let chores = std::mem::take(&mut *self.chores.now.lock().unwrap_or_else(PoisonError::into_inner));
        let left: Vec<_> = chores
            .into_iter()
            .filter_map(|mut chore| {
                let _deliver_after = callbacks::guard();
                (!chore()).then_some(chore)
            })
            .collect();
        let mut chores = self.chores.now.lock().unwrap_or_else(PoisonError::into_inner);
        chores.extend(left);
        !chores.is_empty()
    }

    /// Does what no caller is left to do: ready queues, chores, receives that did not come in time, and
    /// notifications that were held long enough.
    ///
    /// Called by the driver when it was woken or a time has come; says how long it may rest at most.
    pub(crate) fn drive(&self) -> Rest {
        self.run_ready();
        let chores_left = self.run_chores();
        let waits = [self.run_rnr(), self.run_held(), self.run_faults()];
        Rest { at_most: chores_left.then_some(AGAIN), until: waits.into_iter().flatten().min() }
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
