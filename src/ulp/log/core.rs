//! The log behind its handles: what control calls change, and how that reaches the appenders.
//!
//! Two locks: `control`, held across I/O by calls that change the metadata, and `state`, held for a few
//! instructions. Who holds `state` never takes `control`.

use super::block::Link;
use super::container::{Container, Medium, Part};
use super::error::LogError;
use super::flush::Flush;
use super::lsn::Lsn;
use super::metadata::{Anchor, Entry, Metadata, Slots};
use super::recovery::Found;
use super::scan::{Containers, Scanner, link_to};
use super::space::{Lengths, Reserved};
use super::state;
use super::state::{State, Wait};
use crate::sync::AtomicU64;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log that is open.
pub(super) struct Core {
    pub(super) medium: Arc<dyn Medium>,
    control: Mutex<Control>,
    state: Mutex<State>,
    /// The state's `flushed`, for a look without lock.
    pub(super) flushed: AtomicU64,
}

/// What control calls change, one at a time.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) slots: Slots,
    /// Containers by id.
    pub(super) files: BTreeMap<u32, Arc<dyn Container>>,
}

/// What the next metadata are to say; `None`: as before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub(super) base: Option<Lsn>,
    pub(super) archive_tail: Option<Lsn>,
}

impl Core {
    pub(super) fn new(
        medium: Arc<dyn Medium>,
        slots: Slots,
        files: BTreeMap<u32, Arc<dyn Container>>,
        found: Found,
    ) -> Self {
        let metadata = &slots.stable;
        let state = State {
            identity: (metadata.log, metadata.incarnation),
            usn: metadata.incarnation as u8,
            lengths: Lengths { container: metadata.container_size, block: 0 },
            blocks_max: 0,
            containers: Containers::new(),
            end: 0,
            shrinking: false,
            place: found.end,
            sealed: found.last,
            stable: found.last,
            open: None,
            unstable: VecDeque::new(),
            reserved: Reserved::default(),
            flushed: found.end,
            wanted: None,
            writing_wanted: false,
            running: false,
            failed: None,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            has_area: false,
            base: metadata.base,
            archive_tail: metadata.archive_tail,
            restart: found.restart,
        };
        let core = Self {
            medium,
            control: Mutex::new(Control { slots, files }),
            state: Mutex::new(state),
            flushed: AtomicU64::new(found.end.as_u64()),
        };
        core.apply(&core.control());
        core
    }

    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every commit says of the log as it is.
    pub(super) fn note(&self, next: &mut Metadata) {
        let state = self.state();
        (next.stable, next.restart, next.horizon) = (state.stable, state.restart, state.next());
    }

    /// Lets appenders and readers see what is stable in the metadata now, and never what is not yet.
    pub(super) fn apply(&self, control: &Control) {
        let metadata = &control.slots.stable;
        let mut state = self.state();
        let known = |entry: &Entry| Some((entry.logical, Arc::clone(control.files.get(&entry.id)?)));
        state.containers = metadata.containers.iter().filter_map(known).collect();
        state.end = metadata.containers.last().map_or(0, |entry| entry.logical + 1);
        state.lengths.container = metadata.container_size;
        (state.base, state.archive_tail) = (metadata.base, metadata.archive_tail);
        state.shrinking = false;
    }

    /// Appends, waiting where blocks or a container are to come free.
    pub(super) fn append(
        self: &Arc<Self>,
        call: &'static str,
        entry: &state::Entry<'_>,
    ) -> Result<Lsn, LogError> {
        loop {
            let wait = match self.state().append(call, entry)? {
                Ok(lsn) => return Ok(lsn),
                Err(wait) => wait,
            };
            match wait {
                Wait::Blocks(first) => drop(self.flush_to(call, first).wait()?),
                Wait::Shrinking => drop(self.control()), // whoever takes the container away holds it
            }
        }
    }

    /// Asks for all that is appended.
    pub(super) fn flush_all(self: &Arc<Self>, call: &'static str) -> Flush {
        let last = {
            let state = self.state();
            let open = state.open.as_ref().map(|open| open.lsn);
            open.or_else(|| state.unstable.back().map(|block| block.lsn))
        };
        if let Some(last) = last {
            self.want(last);
        }
        Flush::new(self, call, last)
    }

    /// Asks for all records up to that one; NULL asks for all (LOG-2).
    pub(super) fn flush_to(self: &Arc<Self>, call: &'static str, lsn: Lsn) -> Flush {
        if lsn == Lsn::NULL {
            return self.flush_all(call);
        }
        let (next, flushed) = {
            let state = self.state();
            (state.next(), state.flushed)
        };
        if lsn >= next {
            let why = format!("lsn is {lsn}; no record from {next} on was appended");
            return Flush::refused(self, call, LogError::parameter(call, why));
        }
        if lsn >= flushed {
            self.want(lsn);
        }
        Flush::new(self, call, Some(lsn))
    }

    /// Asks for that record, which was appended; it may have the LSN NULL.
    pub(super) fn flush_record(self: &Arc<Self>, call: &'static str, lsn: Lsn) -> Flush {
        self.want(lsn);
        Flush::new(self, call, Some(lsn))
    }

    /// Makes a change of base, archive tail or restart area stable, and recycles containers that it frees.
    pub(super) fn commit(
        self: &Arc<Self>,
        call: &'static str,
        control: &mut Control,
        change: Change,
    ) -> Result<(), LogError> {
        let mut next = control.slots.stable.clone();
        self.note(&mut next);
        if let Some(base) = change.base {
            next.anchor = self.anchor(call, base)?;
            next.base = base;
        }
        next.archive_tail = change.archive_tail.or(next.archive_tail);
        let gone = recycle(&mut next);
        control.slots.commit(call, next)?;
        self.apply(control);
        self.remove_files(control, &gone);
        Ok(())
    }

    /// Removes containers that no stable metadata name any more. What cannot be removed is in nobody's way.
    pub(super) fn remove_files(&self, control: &mut Control, gone: &[u32]) {
        for id in gone {
            control.files.remove(id);
            if let Err(error) = self.medium.remove(Part::Container(*id)) {
                tracing::warn!(target: "qpair", %error, "a container that left the log stays where it lies");
            }
        }
    }

    /// Where recovery is to begin for that base: at the block that holds it or follows it.
    ///
    /// The base is stable or the place of the next block.
    fn anchor(&self, call: &'static str, base: Lsn) -> Result<Anchor, LogError> {
        let (scanner, flushed, stable) = {
            let state = self.state();
            let size = state.lengths.container;
            let scanner = Scanner::new(call, state.identity, size, state.containers.clone(), state.flushed);
            (scanner, state.flushed, state.stable)
        };
        let end = Anchor { place: flushed, before: stable };
        if base >= flushed {
            return Ok(end);
        }
        anchor_before(scanner, base).map(|found| found.unwrap_or(end))
    }

    /// That base may be made the log's: in range, and stable.
    pub(super) fn settle_base(self: &Arc<Self>, call: &'static str, base: Lsn) -> Result<(), LogError> {
        let (first, next, flushed) = {
            let state = self.state();
            (state.base, state.next(), state.flushed)
        };
        if base < first || base > next {
            let why = format!("the base is to be {base}; give one from {first}, the present base, to {next}");
            return Err(LogError::parameter(call, why));
        }
        if base > flushed {
            self.flush_all(call).wait()?;
        }
        Ok(())
    }
}

/// The block of that container which holds the base, or the one after it.
///
/// Each container begins with a block, so the walk is at most one container long.
fn anchor_before(mut scanner: Scanner, base: Lsn) -> Result<Option<Anchor>, LogError> {
    let of = |block: &super::block::Block| Anchor { place: block.header.lsn, before: block.header.before };
    let first = Lsn::of(base.container(), 0, 0);
    let Ok(mut block) = scanner.at(first)? else { return Ok(None) };
    while Scanner::end_of(&block) <= base {
        let (end, link) = (Scanner::end_of(&block), link_to(&block));
        match scanner.after(end, link, block.header.incarnation)? {
            Some(next) => block = next,
            None => return Ok(None),
        }
    }
    Ok(Some(of(&block)))
}

/// Gives containers wholly below the oldest record new logical numbers; those that are to leave are named.
fn recycle(next: &mut Metadata) -> Vec<u32> {
    let oldest = next.oldest().container();
    let (mut freed, mut gone) = (Vec::new(), Vec::new());
    next.containers.retain(|entry| {
        let keeps = entry.logical >= oldest;
        freed.extend((!keeps).then_some(*entry));
        keeps
    });
    for entry in freed {
        match next.next_logical().filter(|_| !entry.leaving) {
            Some(logical) => next.containers.push(Entry { logical, ..entry }),
            None => gone.push(entry.id),
        }
    }
    gone
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("medium", &self.medium).finish_non_exhaustive()
    }
}

/// What a log that was never written to found.
pub(super) fn nothing_found() -> Found {
    Found { end: Lsn::NULL, last: Link::NONE, restart: Lsn::INVALID, base: Lsn::NULL }
}
