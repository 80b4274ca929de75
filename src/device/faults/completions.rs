//! Completions that show late: each waits in a line of its completion queue, and the driver puts it in.
//!
//! A line keeps the order of what came into it, so each queue's completions stay in posting order. The close
//! of a queue pair waits for its completions in the line (CLOSE-8); its disconnect does not.

use super::{Faults, Fired, lock};
use crate::device::callbacks::{self, Outbox};
use crate::device::cq::Cq;
use crate::device::lifetime::Hold;
use crate::device::qp::Qp;
use crate::ring::{Class, Payload};
use crate::sync::Ordering;
use crate::time::{Span, Time};
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};

/// The line before a completion queue.
pub(crate) struct Delays {
    faults: Arc<Faults>,
    line: Mutex<VecDeque<Delayed>>,
}

struct Delayed {
    due: Time,
    entry: (Class, Payload),
    /// Of the queue pair that it is of.
    _hold: Hold,
}

impl Delays {
    pub(crate) fn new(faults: Arc<Faults>) -> Self {
        Self { faults, line: Mutex::default() }
    }

    /// Takes a completion of `qp` for `cq` into the line; false: it is not delayed, and nothing is before it.
    pub(in crate::device) fn put(&self, cq: &Arc<Cq>, qp: &Qp, entry: &(Class, Payload)) -> bool {
        // Relaxed: a setting; some completion sees it.
        let delay = Span::from_nanos(self.faults.delay.load(Ordering::Relaxed));
        let mut line = lock(&self.line);
        if delay == Span::from_nanos(0) && line.is_empty() {
            return false;
        }
        let device = qp.device();
        let due = line.back().map_or(Time::ZERO, |last| last.due).max(device.now() + delay);
        // A pass runs, so the queue pair's close is not complete.
        line.push_back(Delayed { due, entry: *entry, _hold: qp.life.hold() });
        drop(line);
        self.faults.note(Fired::CompletionDelayed { qpn: qp.qpn() });
        let mut delayed = lock(&self.faults.delayed);
        if !delayed.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(cq))) {
            delayed.push(Arc::downgrade(cq));
        }
        drop(delayed);
        device.wake_at(due);
        true
    }

    /// Puts what is due at `now` into the queue; the time of the next.
    fn show(&self, cq: &Arc<Cq>, now: Option<Time>) -> Option<Time> {
        let _deliver_after = callbacks::guard();
        let mut outbox = Outbox::new();
        let mut shown = Vec::new();
        let next = {
            let mut line = lock(&self.line);
            // Below the lock, so that whoever finds the line empty comes after what was in it.
            while line.front().is_some_and(|first| now.is_none_or(|now| first.due <= now)) {
                shown.extend(line.pop_front());
                if let Some(first) = shown.last() {
                    cq.push_late(&first.entry, &mut outbox);
                }
            }
            line.front().map(|first| first.due)
        };
        outbox.emit();
        drop(shown); // the holds, when the completions are there
        next
    }
}

impl Faults {
    /// Has completions show so much later.
    pub(crate) fn set_delay(&self, delay: Span) {
        self.delay.store(delay.as_nanos(), Ordering::Relaxed); // a setting; some completion sees it
    }

    pub(super) fn show_due(&self, now: Time) -> Option<Time> {
        self.show(Some(now))
    }

    pub(super) fn show_all(&self) {
        self.show(None);
    }

    fn show(&self, now: Option<Time>) -> Option<Time> {
        let queues = std::mem::take(&mut *lock(&self.delayed));
        let mut next: Option<Time> = None;
        for queue in queues {
            let Some(cq) = queue.upgrade() else { continue };
            let left = cq.delays().and_then(|delays| delays.show(&cq, now));
            if left.is_some() {
                lock(&self.delayed).push(queue);
                next = next.into_iter().chain(left).min();
            }
        }
        next
    }
}

impl fmt::Debug for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delays").field("waiting", &lock(&self.line).len()).finish_non_exhaustive()
    }
}
