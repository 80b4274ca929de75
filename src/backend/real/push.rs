//! How completions come into a completion queue.

#![forbid(unsafe_code)]

use super::Cq;
use crate::device::callbacks::Outbox;
use crate::ring::{Announcement, Class, Payload, Pushed};
use crate::work::Completion;
use std::sync::Arc;

/// Completions of one queue on their way into a completion queue; the arm is looked at once, at the end.
pub(super) struct Pushes<'q> {
    cq: &'q Arc<Cq>,
    next: (Class, Payload),
    /// There is something in `next`.
    due: bool,
    note: Announcement,
    /// Number of the first entry that may be solicited.
    unsure: Option<u64>,
    overrun: bool,
}

impl<'q> Pushes<'q> {
    pub(super) fn new(cq: &'q Arc<Cq>) -> Self {
        let next = (Class::Ordinary, Payload::default());
        Self { cq, next, due: false, note: Announcement::default(), unsure: None, overrun: false }
    }

    /// Takes one, which [`Pushes::push`] must then put into the queue; the device has numbered it so.
    pub(super) fn add(&mut self, class: Class, number: u64, completion: &Completion) {
        debug_assert!(!self.due, "one at a time");
        let class = match class {
            Class::Unsure if self.cq.gather.has_heard(number) => Class::Solicited,
            Class::Unsure => {
                self.unsure.get_or_insert(number);
                Class::Unsure
            }
            sure => sure,
        };
        self.next = (class, completion.encode());
        self.due = true;
    }

    /// Puts what was added into the queue.
    pub(super) fn push(&mut self) {
        if std::mem::take(&mut self.due) {
            let pushed = self.cq.ring.push(std::slice::from_ref(&self.next), &mut self.note);
            self.overrun |= pushed != Pushed::All;
        }
    }

    /// Looks at the arm for everything pushed so far.
    pub(super) fn announce(self, outbox: &mut Outbox) {
        if self.cq.notifier.is_heard {
            let mut fires = self.cq.satisfied(self.cq.ring.announce(self.note));
            if self.unsure.is_some_and(|number| self.cq.gather.heard_meanwhile(number)) {
                fires |= self.cq.satisfied(self.cq.ring.revisit());
            }
            if fires {
                self.cq.fire(outbox);
            }
        }
        if self.overrun {
            self.cq.overran();
        }
    }
}
