//! Interrupt moderation: notifications of completion queues that are held back for a time.
//!
//! The ring holds a satisfied arm until enough completions have come; here is the other bound, the time. Who
//! holds an arm notes when, and puts its queue into the outbox; the delivery, which holds no role and does
//! not overlap with another of the same queue, has the driver look again when the time is over. Whatever an
//! arm was held by, one compare-and-swap on it decides who notifies.

use super::Device;
use super::cq::Cq;
use crate::planted::planted;
use crate::time::{Span, Time};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What a completion queue may hold its notifications for: the bound that is reached first counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moderation {
    /// From the completion that satisfies the arm on; `None`: as long as it takes.
    pub(crate) interval: Option<Span>,
    /// So many completions; `None`: however many come.
    pub(crate) count: Option<u32>,
}

impl Moderation {
    /// Notifications come at once.
    pub(crate) const OFF: Self = Self { interval: Some(Span::from_nanos(0)), count: Some(0) };

    pub(super) fn is_off(self) -> bool {
        let no_time = self.interval.is_some_and(|interval| interval.as_nanos() == 0);
        no_time || self.count.is_some_and(|count| count <= 1) || self == Self { interval: None, count: None }
    }

    /// As the ring has it.
    pub(super) fn ring_count(self) -> u64 {
        let off = self.is_off() || planted!(ModerationIgnored, "notifications are never held back");
        if off { 0 } else { self.count.map_or(u64::MAX, u64::from) }
    }
}

/// Queues that hold an arm, each once, and when they may not any more.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Vec<(Time, Weak<Cq>)>>);

impl Device {
    /// Has what `cq` holds released at that time, and no more at an earlier one that was asked for.
    pub(super) fn release_at(&self, at: Time, cq: &Arc<Cq>) {
        {
            let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
            match held.iter_mut().find(|(_, known)| std::ptr::eq(known.as_ptr(), &**cq)) {
                Some(entry) => entry.0 = at,
                None => held.push((at, Arc::downgrade(cq))),
            }
        }
        self.wake_at(at);
    }

    /// Releases what was held long enough; when the next is due.
    pub(super) fn run_held(&self) -> Option<Time> {
        let now = self.now();
        let (mut due, mut next) = (Vec::new(), None::<Time>);
        {
            let mut held = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|(at, cq)| {
                let Some(cq) = cq.upgrade() else { return false };
                let later = *at > now;
                if later {
                    next = Some(next.map_or(*at, |next| next.min(*at)));
                }
                due.push((later, cq)); // the last reference must not go below the lock
                later
            });
        }
        due.iter().filter(|(later, _)| !later).for_each(|(_, cq)| cq.release_held());
        next
    }
}
