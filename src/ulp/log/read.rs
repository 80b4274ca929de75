//! Reading records by LSN, onwards and along chains, and restart areas.

use super::block::{self, Link};
use super::core::Core;
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, RECORDS, SECTOR};
use super::record::{self, Record, RecordKind};
use super::recovery::restart_area;
use super::scan::{Scanner, Window, link_to};
use std::sync::Arc;

/// Where a read context goes from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// To the record that it undoes next.
    UndoNext,
    /// To the record before it in its chain.
    Previous,
    /// To the record that was appended after it.
    Forward,
}

/// Which kinds of records a read context stops at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordFilter {
    /// Data records.
    #[default]
    Data,
    /// Restart areas.
    Restart,
    /// Both.
    Any,
}

impl RecordFilter {
    fn takes(self, kind: RecordKind) -> bool {
        match self {
            Self::Data => kind == RecordKind::Data,
            Self::Restart => kind == RecordKind::Restart,
            Self::Any => true,
        }
    }
}

/// A block that is read from, shared with whoever else has it.
#[derive(Clone, Debug)]
struct Held {
    lsn: Lsn,
    records: Arc<Vec<u8>>,
    count: u32,
    /// Known where it was read from its container.
    link: Option<Link>,
    incarnation: u64,
}

impl Held {
    /// Where it ends in its container.
    fn end(&self) -> Lsn {
        let end = u64::from(self.lsn.block_offset()) + block::sectors(self.records.len()) * SECTOR;
        Lsn::of(self.lsn.container(), end, 0)
    }

    fn from_disk(block: block::Block) -> Self {
        Self {
            lsn: block.header.lsn,
            link: Some(link_to(&block)),
            count: block.header.records,
            incarnation: block.header.incarnation,
            records: Arc::new(block.records),
        }
    }
}

/// A place in the log, at a record, from which one can go on.
///
/// For one thread at a time; it keeps the record's block, also when the area is deleted.
#[derive(Debug)]
pub struct ReadContext {
    core: Arc<Core>,
    mode: ReadMode,
    held: Held,
    lsn: Lsn,
    record: Record,
    /// What was read ahead, in which the next blocks may be.
    window: Option<Window>,
}

impl ReadContext {
    pub(super) fn open(core: &Arc<Core>, lsn: Lsn, mode: ReadMode) -> Result<Self, LogError> {
        const CALL: &str = "MarshallingArea::read";
        let context = Self::at(core, CALL, lsn, mode)?;
        if context.record.kind == RecordKind::Restart {
            let why = format!("{lsn} is a restart record; read it with read_restart_area");
            return Err(LogError::parameter(CALL, why));
        }
        Ok(context)
    }

    fn at(core: &Arc<Core>, call: &'static str, lsn: Lsn, mode: ReadMode) -> Result<Self, LogError> {
        let held = core.block_at(call, lsn)?;
        let Some(record) = (lsn.record_sequence() < held.count)
            .then(|| record::decode(&held.records, lsn.record_sequence()))
            .flatten()
        else {
            return Err(no_record(call, lsn));
        };
        Ok(Self { core: Arc::clone(core), mode, held, lsn, record, window: None })
    }

    /// At a record of any kind, so that a test can begin at the base.
    #[cfg(any(test, feature = "conformance"))]
    pub(super) fn at_any(core: &Arc<Core>, lsn: Lsn) -> Result<Self, LogError> {
        Self::at(core, "ReadContext::at_any", lsn, ReadMode::Forward)
    }

    /// The record's LSN.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Which kind of record it is.
    pub fn kind(&self) -> RecordKind {
        self.record.kind
    }

    /// Its data; a restart area's without the base that it carries.
    pub fn data(&self) -> &[u8] {
        let data = &self.held.records[self.record.data.clone()];
        match self.record.kind {
            RecordKind::Data => data,
            RecordKind::Restart => restart_area(data).map_or(&[], |(_, data)| data),
        }
    }

    /// The record that it undoes next; `INVALID` ends the chain.
    pub fn undo_next(&self) -> Lsn {
        self.record.undo_next
    }

    /// The record before it in its chain; `INVALID` ends it.
    pub fn previous(&self) -> Lsn {
        self.record.previous
    }

    /// Goes to the next record of the mode that the filter takes; `user` names it in place of the link.
    ///
    /// # Errors
    /// The context stays where it is. END_OF_FILE behind the last record, or at the end of a chain;
    /// LOG_START_OF_LOG where a chain leads below base and archive tail; INVALID_PARAMETER if `user` is not
    /// below the record's LSN (LOG-22); LOG_BLOCK_INVALID and LOG_CONTAINER_READ_FAILED.
    pub fn next(&mut self, filter: RecordFilter, user: Option<Lsn>) -> Result<(), LogError> {
        const CALL: &str = "ReadContext::next";
        if let Some(user) = user.filter(|user| *user >= self.lsn) {
            let why = format!("the given LSN is {user}; give one below {}, where the context is", self.lsn);
            return Err(LogError::parameter(CALL, why));
        }
        let mut place = (self.held.clone(), self.lsn, self.record.clone());
        let mut user = user;
        loop {
            let chained = match self.mode {
                ReadMode::Forward => None,
                ReadMode::Previous => Some(place.2.previous),
                ReadMode::UndoNext => Some(place.2.undo_next),
            };
            place = match user.take().or(chained) {
                Some(link) => self.follow(CALL, link)?,
                None => self.onward(CALL, &place)?,
            };
            if filter.takes(place.2.kind) {
                (self.held, self.lsn, self.record) = place;
                return Ok(());
            }
        }
    }

    fn follow(&self, call: &'static str, link: Lsn) -> Result<(Held, Lsn, Record), LogError> {
        if link >= Lsn::INVALID {
            return Err(LogError::new(call, LogStatus::END_OF_FILE, "the chain has ended"));
        }
        let found = Self::at(&self.core, call, link, self.mode)?;
        Ok((found.held, found.lsn, found.record))
    }

    fn onward(
        &mut self,
        call: &'static str,
        place: &(Held, Lsn, Record),
    ) -> Result<(Held, Lsn, Record), LogError> {
        let (held, lsn, _) = place;
        let sequence = lsn.record_sequence() + 1;
        // The open block may have taken more records since it was looked at.
        let fresh = if sequence < held.count || held.link.is_some() {
            held.clone()
        } else {
            self.core.block_at(call, *lsn)?
        };
        if sequence < fresh.count && sequence < RECORDS {
            let record = record::decode(&fresh.records, sequence).ok_or_else(|| no_record(call, *lsn))?;
            return Ok((fresh, Lsn::from_u64(lsn.as_u64() + 1), record));
        }
        let next = self.core.block_after(call, &fresh, &mut self.window)?;
        let record = record::decode(&next.records, 0).ok_or_else(|| no_record(call, next.lsn))?;
        let lsn = next.lsn;
        Ok((next, lsn, record))
    }
}

fn no_record(call: &'static str, lsn: Lsn) -> LogError {
    LogError::new(call, LogStatus::LOG_RECORD_NONEXISTENT, format!("there is no record {lsn}"))
}

impl Core {
    fn scanner(&self, call: &'static str) -> Scanner {
        let state = self.state();
        let size = state.lengths.container;
        Scanner::new(call, state.identity, size, state.containers.clone(), state.flushed)
    }

    /// The block of memory that `pick` takes.
    fn block_in_memory(&self, pick: impl Fn(Lsn) -> bool) -> Option<Held> {
        let state = self.state();
        let incarnation = state.identity.1;
        let closed = state.unstable.iter().find(|block| pick(block.lsn)).map(|block| Held {
            lsn: block.lsn,
            records: Arc::clone(&block.records),
            count: block.count,
            link: None,
            incarnation,
        });
        closed.or_else(|| {
            let open = state.open.as_ref().filter(|open| pick(open.lsn))?;
            let records = Arc::new(open.records.clone());
            Some(Held { lsn: open.lsn, records, count: open.count, link: None, incarnation })
        })
    }

    fn block_at(&self, call: &'static str, lsn: Lsn) -> Result<Held, LogError> {
        let (oldest, next) = {
            let state = self.state();
            (state.oldest(), state.next())
        };
        if lsn < oldest {
            let why = format!("{lsn} is below {oldest}, base and archive tail; it may be gone");
            return Err(LogError::new(call, LogStatus::LOG_START_OF_LOG, why));
        }
        if lsn >= next {
            return Err(no_record(call, lsn));
        }
        if let Some(held) = self.block_in_memory(|block| block == lsn.block()) {
            return Ok(held);
        }
        match self.scanner(call).at(lsn.block())? {
            Ok(block) => Ok(Held::from_disk(block)),
            Err(none) => {
                let why = format!("no record {lsn}: {none}");
                Err(LogError::new(call, LogStatus::LOG_RECORD_NONEXISTENT, why))
            }
        }
    }

    /// The block that was written after that one.
    fn block_after(
        &self,
        call: &'static str,
        held: &Held,
        window: &mut Option<Window>,
    ) -> Result<Held, LogError> {
        // Memory first: what leaves it between the two looks is stable, so that the second finds it.
        let memory = self.block_in_memory(|block| block > held.lsn);
        let stable = self.state().stable.lsn;
        if stable != Lsn::INVALID && stable > held.lsn {
            let mut scanner = self.scanner(call).with_window(window.take());
            let link = match held.link {
                Some(link) => Some(link),
                None => scanner.at(held.lsn)?.ok().map(|block| link_to(&block)),
            };
            let next = match link {
                Some(link) => scanner.after(held.end(), link, held.incarnation)?,
                None => None,
            };
            *window = scanner.into_window();
            let why = || format!("the block after the one at {} was stable and is not there", held.lsn);
            let found = next.map(Held::from_disk);
            return found.ok_or_else(|| LogError::new(call, LogStatus::LOG_BLOCK_INVALID, why()));
        }
        memory.ok_or_else(|| LogError::new(call, LogStatus::END_OF_FILE, "that was the last record"))
    }
}

/// A restart area, from which one can go to the ones before it.
#[derive(Debug)]
pub struct RestartContext {
    context: ReadContext,
}

impl RestartContext {
    pub(super) fn newest(core: &Arc<Core>) -> Result<Self, LogError> {
        const CALL: &str = "MarshallingArea::read_restart_area";
        let newest = core.state().restart;
        if newest == Lsn::INVALID {
            let why = "no restart area was ever written";
            return Err(LogError::new(CALL, LogStatus::LOG_NO_RESTART, why));
        }
        Ok(Self { context: ReadContext::at(core, CALL, newest, ReadMode::Previous)? })
    }

    /// Its LSN.
    pub fn lsn(&self) -> Lsn {
        self.context.lsn
    }

    /// Its data.
    pub fn data(&self) -> &[u8] {
        self.context.data()
    }

    /// The base that was set with it.
    pub fn base(&self) -> Lsn {
        let data = &self.context.held.records[self.context.record.data.clone()];
        restart_area(data).map_or(Lsn::NULL, |(base, _)| base)
    }

    /// Goes to the restart area before it; all down to the base are there.
    ///
    /// # Errors
    /// LOG_START_OF_LOG if none is left (LOG-19); the context stays where it is.
    pub fn previous(&mut self) -> Result<(), LogError> {
        const CALL: &str = "RestartContext::previous";
        let previous = self.context.record.previous;
        if previous >= Lsn::INVALID {
            return Err(LogError::new(CALL, LogStatus::LOG_START_OF_LOG, "that was the oldest restart area"));
        }
        self.context = ReadContext::at(&self.context.core, CALL, previous, ReadMode::Previous)?;
        Ok(())
    }
}
