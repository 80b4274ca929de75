//! Calls whose end is held back: for a time, in an order by chance, or until somebody says so.
//!
//! Held is the end alone: what the call does is done. Each end is brought by whoever releases it, below no
//! lock. What must not come before the end of a call (the disconnect event of a connector) waits with it.

use super::{Faults, Fired, Stream, lock};
use crate::device::callbacks;
use crate::device::lifetime::Task;
use crate::time::{Span, Time};

/// When the calls that may pend come to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As soon as they are done.
    #[default]
    Prompt,
    /// So long after they are done.
    After(Span),
    /// At some time before that one, by chance, so in another order.
    Shuffled(Span),
    /// When they are released.
    Told,
}

/// Why an end is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Its time has come.
    Due,
    /// The device is gone: a call that could fail has failed.
    Removed,
}

type End = Box<dyn FnOnce(Release) + Send>;

/// What is held back.
#[derive(Default)]
pub(super) struct Held {
    pace: Pace,
    /// The adapter is closing: nothing is held any more.
    ended: bool,
    calls: Vec<Call>,
    /// Calls whose ends are being brought, and what comes after them.
    bringing: Vec<Bringing>,
    last: u64,
}

struct Bringing {
    number: u64,
    owner: u64,
    after: Vec<Task>,
}

/// An end that is held back.
struct Call {
    number: u64,
    /// Whose call it is, where something else may have to wait for it; 0: nobody's.
    owner: u64,
    due: Option<Time>,
    end: End,
    after: Vec<Task>,
}

impl Held {
    /// The next call that `wanted` finds: of those with a time the earliest, else the oldest.
    fn take(&mut self, wanted: impl Fn(&Call) -> bool) -> Option<Call> {
        let of = self.calls.iter().enumerate().filter(|(_, call)| wanted(call));
        let next = of.min_by_key(|(_, call)| (call.due.is_none(), call.due, call.number));
        let at = next.map(|(at, _)| at)?;
        let Call { number, owner, due, end, after } = self.calls.remove(at);
        self.bringing.push(Bringing { number, owner, after });
        Some(Call { number, owner, due, end, after: Vec::new() })
    }

    /// Where something is put that is to come after the last call of `owner`.
    fn after(&mut self, owner: u64) -> Option<&mut Vec<Task>> {
        let waiting = self.calls.iter_mut().rev().find(|call| call.owner == owner);
        let bringing = self.bringing.iter_mut().find(|call| call.owner == owner);
        waiting.map(|call| &mut call.after).or(bringing.map(|call| &mut call.after))
    }

    /// What comes after the call of that number, whose end has been brought.
    fn brought(&mut self, number: u64) -> Vec<Task> {
        let at = self.bringing.iter().position(|call| call.number == number);
        at.map(|at| self.bringing.swap_remove(at).after).unwrap_or_default()
    }
}

impl Faults {
    /// Sets when calls that are done from now on come to their end; those held already keep their time.
    pub(crate) fn set_pace(&self, pace: Pace) {
        lock(&self.held).pace = pace;
    }

    /// Calls that are done now are held back.
    pub(crate) fn holds(&self) -> bool {
        let held = lock(&self.held);
        held.pace != Pace::Prompt && !held.ended
    }

    /// Calls held back at present.
    pub(crate) fn held(&self) -> usize {
        lock(&self.held).calls.len()
    }

    /// Holds the end of `call` back, as the pace says; `owner` is 0 or names whose call it is.
    pub(crate) fn hold(&self, call: &'static str, owner: u64, end: impl FnOnce(Release) + Send + 'static) {
        let pace = lock(&self.held).pace;
        self.note(Fired::Held { call });
        self.put(pace, owner, Box::new(end));
    }

    /// Has `end` brought as soon as the driver can, though nothing else is held back.
    pub(crate) fn put_off(&self, end: impl FnOnce(Release) + Send + 'static) {
        let pace = match lock(&self.held).pace {
            Pace::Prompt => Pace::After(Span::from_nanos(0)),
            pace => pace,
        };
        self.put(pace, 0, Box::new(end));
    }

    fn put(&self, pace: Pace, owner: u64, end: End) {
        let Some(device) = self.device().filter(|_| pace != Pace::Prompt) else {
            return end(Release::Due);
        };
        let mut held = lock(&self.held);
        if held.ended {
            drop(held);
            return end(Release::Due);
        }
        held.last += 1;
        let number = held.last;
        let due = match pace {
            Pace::Prompt | Pace::Told => None,
            Pace::After(span) => Some(device.now() + span),
            Pace::Shuffled(within) => {
                let chance = self.draw(Stream::Late as u64, number) % within.as_nanos().max(1);
                Some(device.now() + Span::from_nanos(chance))
            }
        };
        held.calls.push(Call { number, owner, due, end, after: Vec::new() });
        drop(held);
        if let Some(due) = due {
            device.wake_at(due);
        }
    }

    /// Has `task` run after the ends of the calls of `owner`; gives it back where there is none.
    pub(crate) fn after(&self, owner: u64, task: Task) -> Result<(), Task> {
        match lock(&self.held).after(owner) {
            Some(after) => {
                after.push(task);
                Ok(())
            }
            None => Err(task),
        }
    }

    /// Brings the end of the oldest call that is held back; false: there is none.
    pub(crate) fn release_one(&self) -> bool {
        let call = lock(&self.held).take(|_| true);
        call.map(|call| self.bring(call, Release::Due)).is_some()
    }

    /// Brings the ends of all calls that are held back now, and says how many.
    pub(crate) fn release_all(&self, why: Release) -> usize {
        let last = lock(&self.held).last;
        let next = || lock(&self.held).take(|call| call.number <= last);
        std::iter::from_fn(next).map(|call| self.bring(call, why)).count()
    }

    pub(super) fn end_holding(&self) {
        lock(&self.held).ended = true;
        self.release_all(Release::Due);
    }

    /// Brings what is due at `now`; the time of the next.
    pub(super) fn release_due(&self, now: Time) -> Option<Time> {
        let is_due = |call: &Call| call.due.is_some_and(|due| due <= now);
        while let Some(call) = { lock(&self.held).take(is_due) } {
            self.bring(call, Release::Due);
        }
        lock(&self.held).calls.iter().filter_map(|call| call.due).min()
    }

    fn bring(&self, call: Call, why: Release) {
        (call.end)(why);
        let after = lock(&self.held).brought(call.number);
        after.into_iter().for_each(callbacks::call);
    }
}
