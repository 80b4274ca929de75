//! The tree of lifetimes: when the close of an object is complete.
//!
//! Each object has one [`Life`]; whoever relies on it has a [`Hold`] on it. A *successor* holds its
//! *antecedents* (a queue pair its protection domain and completion queues) until its own close callback has
//! returned. A running callback, a pending asynchronous request and background work (a deregistration that
//! waits for pins, a queue pair that comes to rest) hold the object they work for. The object itself has one
//! hold, which [`Life::begin_close`] gives up. When the last hold is gone, on whatever thread that happens:
//!
//! 1. the *teardown* runs: what the object gives back to the device;
//! 2. the *close callback* runs, and is the last callback of this object ever;
//! 3. the object is closed, and its holds on its antecedents go, which may complete their closes in turn.
//!
//! All of it is delivered by the rules of [`callbacks`], one object at a time: nothing runs
//! under a lock, and a chain of any length is taken down without recursion. A close cannot fail and never
//! blocks; an antecedent may be closed before its successors, and its close then pends (CLOSE-1 to CLOSE-4,
//! CLOSE-6, CLOSE-7, CLOSE-10, CLOSE-11 and CLOSE-13 of the conformance statements rest on this file).
//!
//! Not here: what an object refuses while it is closing (a listener its connections, say), and flushing at
//! close, which is the object's own work below a hold.

use super::callbacks::{self, Deliver, InCallback, Outbox};
use crate::planted::planted;
use crate::sync::{AtomicU64, Ordering};
use std::fmt;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A closure that runs once, as a callback.
pub(crate) type Task = Box<dyn FnOnce() + Send>;

/// The bit of `Life::word` that says that the close has begun; the others count the holds.
const CLOSING: u64 = 1 << 63;

/// The lifetime of one object.
///
/// Dropped without a close (its creation failed half-way), it gives its antecedents back and runs neither
/// teardown nor callback.
pub(crate) struct Life {
    /// The number of holds, the object's own among them, and [`CLOSING`].
    word: AtomicU64,
    state: Mutex<State>,
    on_closed: Condvar,
}

#[derive(Default)]
struct State {
    antecedents: Vec<Hold>,
    teardown: Option<Task>,
    callback: Option<Task>,
    closed: bool,
}

impl Life {
    /// The life of a new object, which relies on `antecedents` until it is closed.
    pub(crate) fn new(antecedents: impl IntoIterator<Item = Hold>) -> Arc<Self> {
        let mut antecedents: Vec<Hold> = antecedents.into_iter().collect();
        if planted!(SuccessorsNotAwaited, "an antecedent's close does not wait for its successors") {
            antecedents.clear();
        }
        let state = State { antecedents, ..State::default() };
        Arc::new(Self { word: AtomicU64::new(1), state: Mutex::new(state), on_closed: Condvar::new() })
    }

    /// Keeps the close of this object from completing.
    ///
    /// Only for who knows that it is not complete: the owner before it closes the object, or who has a hold
    /// already. Others take [`Life::try_hold`].
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        // Relaxed: as with a reference count, the hold that the caller relies on orders all that matters.
        let before = self.word.fetch_add(1, Ordering::Relaxed);
        debug_assert_ne!(before & !CLOSING, 0, "a hold on an object whose close is complete");
        Hold { life: Arc::clone(self) }
    }

    /// A hold, unless the last one is gone and the close completes; a close that only has begun is no
    /// hindrance.
    pub(crate) fn try_hold(self: &Arc<Self>) -> Option<Hold> {
        // Relaxed: only a start value, the exchange judges it.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & !CLOSING != 0 {
            // Relaxed: taking a hold publishes nothing; what is read below it was published by who made it
            // known.
            match self.word.compare_exchange_weak(word, word + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Hold { life: Arc::clone(self) }),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Adds an antecedent: a tie that begins after creation (connector and queue pair, window and region).
    pub(crate) fn tie(&self, antecedent: Hold) {
        let mut state = self.state();
        if state.closed {
            // Nobody would ever let it go. Its release may deliver, hence not below the lock.
            drop(state);
            drop(antecedent);
        } else {
            state.antecedents.push(antecedent);
        }
    }

    /// Ends a tie before the close; `None` if there is none. Several ties to one antecedent end one by one.
    #[must_use = "dropping the hold may complete the antecedent's close: not below a lock without a guard"]
    pub(crate) fn untie(&self, antecedent: &Arc<Life>) -> Option<Hold> {
        let mut state = self.state();
        let place = state.antecedents.iter().position(|hold| Arc::ptr_eq(&hold.life, antecedent))?;
        Some(state.antecedents.swap_remove(place))
    }

    /// Sets what runs when the last hold is gone, before the close callback; replaces an earlier one.
    ///
    /// It must not panic. It may keep the object alive: it is consumed at the close.
    pub(crate) fn set_teardown(&self, teardown: impl FnOnce() + Send + 'static) {
        // The earlier one is dropped after the lock: what it owns may have a life of its own.
        let earlier = self.state().teardown.replace(Box::new(teardown));
        drop(earlier);
    }

    /// Begins the close, which completes when the last hold is gone; at once, through `outbox`, if none is
    /// left.
    ///
    /// False: the close had begun before. Then nothing happens, and `callback` is dropped unused.
    pub(crate) fn begin_close(self: &Arc<Self>, callback: Option<Task>, outbox: &mut Outbox) -> bool {
        // Relaxed: the bit alone decides who closes; the callback is handed over by the lock and the
        // release below.
        if self.word.fetch_or(CLOSING, Ordering::Relaxed) & CLOSING != 0 {
            return false;
        }
        self.state().callback = callback;
        if self.release() {
            outbox.push(self.clone());
        }
        true
    }

    /// The close has begun.
    pub(crate) fn is_closing(&self) -> bool {
        // Relaxed: a hint to refuse new work; who must know for certain holds the object's own lock or claim.
        self.word.load(Ordering::Relaxed) & CLOSING != 0
    }

    /// The close is complete: its callback has returned.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests look at it"))]
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Blocks until the close is complete; only the adapter's close does so.
    ///
    /// When it returns, no callback of this object or of a successor runs or will run (CLOSE-10).
    ///
    /// # Errors
    /// [`InCallback`] inside a callback, which would wait for itself.
    pub(crate) fn wait_closed(&self) -> Result<(), InCallback> {
        callbacks::check_may_wait()?;
        if planted!(AdapterCloseEarly, "the adapter's close waits for nothing") {
            return Ok(());
        }
        let closed = self.on_closed.wait_while(self.state(), |state| !state.closed);
        drop(closed.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Gives up one hold; true if it was the last.
    fn release(&self) -> bool {
        // Release: what was done below this hold comes before the close completes. Acquire: who completes it
        // sees what was done below all the others.
        let before = self.word.fetch_sub(1, Ordering::AcqRel);
        debug_assert_ne!(before & !CLOSING, 0, "more holds released than taken");
        before & !CLOSING == 1
    }

    /// The end: antecedents may go once nobody can ask any more.
    fn finish(&self) {
        let antecedents = {
            let mut state = self.state();
            state.closed = true;
            take(&mut state.antecedents)
        };
        self.on_closed.notify_all();
        drop(antecedents); // not below the lock: the last hold on one of them delivers
    }

    /// A poisoned lock is sound: below it only whole values move in and out.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deliver for Life {
    /// Completes the close. A panic of the callback does not keep the antecedents.
    fn deliver(self: Arc<Self>) {
        let (teardown, callback) = {
            let mut state = self.state();
            (state.teardown.take(), state.callback.take())
        };
        let run = |task: Option<Task>| catch_unwind(AssertUnwindSafe(|| task.map_or((), |task| task())));
        let torn_down = run(teardown);
        if planted!(CallbackNotAwaited, "an antecedent's close does not wait for a close callback") {
            let life = Arc::clone(&self);
            let _ended = std::thread::spawn(move || life.finish()).join();
        }
        let called_back = run(callback);
        self.finish();
        if let Err(payload) = torn_down.and(called_back) {
            resume_unwind(payload);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let state = take(self.state.get_mut().unwrap_or_else(PoisonError::into_inner));
        if !state.antecedents.is_empty() {
            // Never closed. As a callback, so that a chain of such lives is dropped one by one, not
            // recursively.
            callbacks::call(move || drop(state.antecedents));
        }
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Relaxed: for the reader's eye.
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Life")
            .field("holds", &(word & !CLOSING))
            .field("closing", &(word & CLOSING != 0))
            .finish_non_exhaustive()
    }
}

/// Keeps the close of one object from completing until it is dropped, on any thread at any time.
///
/// If it was the last, the close completes: at once, or when the thread's outermost
/// [`guard`](callbacks::guard) or present callback ends.
#[derive(Debug)]
#[must_use = "a hold ends where it is dropped"]
pub(crate) struct Hold {
    life: Arc<Life>,
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.life.hold()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.life.release() {
            let mut outbox = Outbox::new();
            outbox.push(self.life.clone());
            outbox.emit();
        }
    }
}

#[cfg(test)]
mod tests;
