//! What a queue remembers of its requests, in posting order.

#![forbid(unsafe_code)]

use crate::work::CompletionKind;
use std::collections::VecDeque;

/// Of one request, what its completion will need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) context: u64,
    pub(super) kind: CompletionKind,
    /// Its success is not told.
    pub(super) silent: bool,
    pub(super) length: u32,
}

/// Requests of one queue that have not completed, each by its ticket.
#[derive(Debug)]
pub(super) struct Shadow {
    slots: VecDeque<Slot>,
    /// Ticket of the first.
    first: u64,
    depth: u32,
    /// Requests since the last one that the device will tell of.
    unsignalled: u32,
}

impl Shadow {
    /// Room for `depth` requests, taken at once.
    pub(super) fn new(depth: u32) -> Self {
        Self { slots: VecDeque::with_capacity(depth as usize), first: 0, depth, unsignalled: 0 }
    }

    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.len() >= self.depth as usize
    }

    /// Whether the device must tell of the request that comes next, were it silent: of every so many, and of
    /// the one that fills the queue, else its room would never come back.
    pub(super) fn wants_signal(&self) -> bool {
        self.unsignalled + 1 >= (self.depth / 4).max(1) || self.slots.len() + 1 >= self.depth as usize
    }

    /// Adds a request, of which the device will tell if `signalled`; its ticket.
    pub(super) fn push(&mut self, slot: Slot, signalled: bool) -> u64 {
        self.unsignalled = if signalled { 0 } else { self.unsignalled + 1 };
        self.slots.push_back(slot);
        self.first + self.slots.len() as u64 - 1
    }

    /// Takes the last request back: it was not posted.
    pub(super) fn pop(&mut self) {
        self.slots.pop_back();
    }

    /// The device has told of `ticket`: what stood before it has silently succeeded, and its own slot comes
    /// back. With the slots retired, it too; `None`: it was answered before.
    pub(super) fn retire(&mut self, ticket: u64) -> Option<(Slot, u64)> {
        let before = ticket.checked_sub(self.first)?;
        if before >= self.slots.len() as u64 {
            return None;
        }
        let silent = self.slots.drain(..before as usize).filter(|slot| slot.silent).count() as u64;
        debug_assert_eq!(silent, before, "a request that is not silent is told of before the next one");
        self.first = ticket + 1;
        self.slots.pop_front().map(|slot| (slot, before + 1))
    }

    /// Takes the last request, which was not posted, for an answer without the device.
    pub(super) fn take_last(&mut self) -> Option<Slot> {
        self.slots.pop_back()
    }

    /// The first request, to be answered without the device.
    pub(super) fn take_first(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.first += 1;
        Some(slot)
    }

    /// Ticket of the first request.
    pub(super) fn first(&self) -> u64 {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(context: u64, silent: bool) -> Slot {
        Slot { context, silent, ..Slot::default() }
    }

    #[test]
    fn a_completion_retires_the_silent_ones_before_it() {
        let mut shadow = Shadow::new(8);
        for context in 0..4 {
            assert_eq!(shadow.push(slot(context, context != 3), context == 3), context);
        }
        assert_eq!(shadow.retire(3), Some((slot(3, false), 4)));
        assert!(shadow.is_empty());
        assert_eq!(shadow.retire(3), None, "told twice");
        assert_eq!(shadow.push(slot(9, false), true), 4);
        assert_eq!(shadow.retire(5), None, "never posted");
    }

    #[test]
    fn a_queue_of_silent_requests_is_told_of_in_time() {
        for depth in [1, 2, 3, 4, 7, 16, 100] {
            let mut shadow = Shadow::new(depth);
            let mut told = None;
            while !shadow.is_full() {
                let signalled = shadow.wants_signal();
                let ticket = shadow.push(slot(0, true), signalled);
                told = signalled.then_some(ticket).or(told);
            }
            assert_eq!(told, Some(u64::from(depth) - 1), "the last one of {depth}");
            let mut apart = Shadow::new(depth);
            let longest = (0..depth / 2).fold((0, 0), |(run, longest), _| {
                let signalled = apart.wants_signal();
                apart.push(slot(0, true), signalled);
                let run = if signalled { 0 } else { run + 1 };
                (run, longest.max(run))
            });
            assert!(longest.1 <= depth / 4, "{depth}");
        }
    }

    #[test]
    fn what_was_not_posted_leaves_no_trace() {
        let mut shadow = Shadow::new(2);
        shadow.push(slot(0, false), true);
        shadow.push(slot(1, false), true);
        assert!(shadow.is_full());
        shadow.pop();
        assert_eq!(shadow.push(slot(2, false), true), 1);
        assert_eq!(shadow.take_first(), Some(slot(0, false)));
        assert_eq!(shadow.first(), 1);
        assert_eq!(shadow.retire(1), Some((slot(2, false), 1)));
    }
}
