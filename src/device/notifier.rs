//! How the user of a queue hears of it: by a callback, or by waiting.
//!
//! What fires is counted and told on the way out, when nothing is held. Tellings of one queue never overlap,
//! and several of what fired meanwhile are one.

use super::callbacks::{Deliver, Outbox};
use super::lifetime::Life;
use crate::ring::EventCounter;
use crate::sync::{AtomicU64, Ordering};
use event_listener::{Event, EventListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Hears of what fired, and the state of the queue; calls for one queue never overlap.
pub(crate) type Callback<S> = Box<dyn Fn(S) + Send + Sync>;

/// Who hears when the queue has something to say.
pub(crate) enum Notify<S> {
    /// Nobody: the queue is polled only. Saves each completion a full fence; arms do nothing.
    Nobody,
    /// Who waits for it.
    Waiters,
    /// Who waits for it, and a callback.
    Callback(Callback<S>),
}

/// What a queue has to tell its user; the queue is what is delivered.
pub(crate) struct Notifier<S> {
    /// Something may fire: somebody may hear of it.
    pub(crate) is_heard: bool,
    /// Whatever was raised and not delivered yet.
    events: EventCounter,
    /// For the user among it: a queue may be raised to see to itself.
    fired: AtomicU64,
    callback: Mutex<Option<Arc<Callback<S>>>>,
    waiters: Event,
    told: AtomicU64,
}

impl<S> Notifier<S> {
    pub(crate) fn new(notify: Notify<S>) -> Self {
        let is_heard = !matches!(notify, Notify::Nobody);
        let callback = match notify {
            Notify::Nobody | Notify::Waiters => None,
            Notify::Callback(callback) => Some(Arc::new(callback)),
        };
        Self {
            is_heard,
            events: EventCounter::new(),
            fired: AtomicU64::new(0),
            callback: Mutex::new(callback),
            waiters: Event::new(),
            told: AtomicU64::new(0),
        }
    }

    /// One more thing for the user of `queue`, whose this is, to hear of.
    pub(crate) fn fire(&self, queue: &Arc<impl Deliver + 'static>, outbox: &mut Outbox) {
        self.fired.fetch_add(1, Ordering::Relaxed); // the counter's read-modify-writes order it
        self.raise(queue, outbox);
    }

    /// Has `queue`, whose this is, delivered.
    pub(crate) fn raise(&self, queue: &Arc<impl Deliver + 'static>, outbox: &mut Outbox) {
        if self.events.raise() {
            outbox.push(Arc::clone(queue) as Arc<dyn Deliver>);
        }
    }

    /// Delivers the queue of that life: it does what it has to `see_to`, and has its user told of what fired.
    pub(crate) fn deliver(&self, life: &Arc<Life>, see_to: impl Fn(), tell: impl Fn()) {
        // Closing waits for this call: the close callback is the last one.
        let Some(_hold) = life.try_hold() else {
            self.events.deliver(|| ());
            return;
        };
        self.events.deliver(|| {
            see_to();
            // Relaxed: the event counter's read-modify-writes order it.
            if self.fired.swap(0, Ordering::Relaxed) != 0 && !life.is_closing() {
                tell();
            }
        });
    }

    /// Tells who waits, and the callback; within a delivery.
    pub(crate) fn tell(&self, state: S) {
        self.told.fetch_add(1, Ordering::Relaxed); // a figure
        self.waiters.notify(usize::MAX);
        let callback = self.callback().clone();
        if let Some(callback) = callback {
            callback(state);
        }
    }

    /// How often the user was told.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed) // a figure
    }

    /// A wait for the next time.
    pub(crate) fn listen(&self) -> EventListener {
        self.waiters.listen()
    }

    /// Drops the user's closure as soon as it is not running, and tells who still waits.
    pub(crate) fn silence(&self) {
        let closure = self.callback().take();
        drop(closure);
        self.waiters.notify(usize::MAX);
    }

    /// A poisoned lock is sound: below it only whole values move in and out.
    fn callback(&self) -> MutexGuard<'_, Option<Arc<Callback<S>>>> {
        self.callback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
