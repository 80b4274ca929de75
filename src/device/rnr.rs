//! Sends that wait for a receive, and the time after which they have waited enough (receiver not ready).
//!
//! A queue pair that parks is listed once and stays listed until the driver has looked at its deadline: who
//! parks often pays for one wake-up of the driver in each time limit, not for one a park.

use super::pinned::with_pin;
use super::qp::Qp;
use super::{Device, Frame, agenda::Task};
use crate::planted::planted;
use crate::ring::IndexList;
use crate::sync::Ordering;
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Waits {
    parked: IndexList,
}

impl Waits {
    pub(super) fn new() -> Self {
        Self { parked: IndexList::new() }
    }
}

/// What parking says of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Waits,
    Over,
}

impl Device {
    /// Notes that the send at the head of `qp` waits for a receive; over, if it has waited long enough.
    ///
    /// Called in the role of its send queue.
    pub(super) fn wait_for_receive(&self, qp: &Qp) -> Patience {
        let Some(limit) = qp.rnr_limit else { return Patience::Waits };
        if planted!(WaitsForEver, "a send without a receive never times out") {
            return Patience::Waits;
        }
        let now = self.now();
        // Relaxed: written in the role of the send queue only; the driver that reads it was made to by the
        // list's read-modify-writes, and a look too early or too late is followed by another.
        let deadline = match qp.progress.rnr_deadline.load(Ordering::Relaxed) {
            0 => {
                let deadline = now + limit;
                qp.progress.rnr_deadline.store(deadline.as_nanos().max(1), Ordering::Relaxed); // as above
                deadline
            }
            nanos => Time::from_nanos(nanos),
        };
        if now >= deadline {
            return Patience::Over;
        }
        self.list(qp, deadline);
        Patience::Waits
    }

    fn list(&self, qp: &Qp, deadline: Time) {
        if self.rnr.parked.join(qp.id().index(), &qp.links.rnr).is_some() {
            self.driver.wake_at(deadline);
        }
    }

    /// Kicks the queues that have waited long enough; the earliest deadline of the others.
    pub(super) fn run_rnr(&self) -> Option<Time> {
        let now = self.now();
        let mut next: Option<Time> = None;
        let mut frame = Frame::new();
        with_pin(|pin| {
            let qp = |index| self.qps.get(pin, index);
            let mut waiting = Vec::new();
            self.rnr
                .parked
                .take(|index| qp(index).map(|qp| &qp.links.rnr), |index| waiting.extend(qp(index)));
            for qp in waiting {
                // Relaxed: as in `wait_for_receive`.
                match qp.progress.rnr_deadline.load(Ordering::Relaxed) {
                    0 => {} // served meanwhile; the next park lists it again
                    nanos if nanos <= now.as_nanos() => frame.push(Task::Send(qp.id())),
                    nanos => {
                        let _listed_already = self.rnr.parked.join(qp.id().index(), &qp.links.rnr);
                        let deadline = Time::from_nanos(nanos);
                        next = Some(next.map_or(deadline, |next| next.min(deadline)));
                    }
                }
            }
        });
        self.settle(frame);
        next
    }
}
