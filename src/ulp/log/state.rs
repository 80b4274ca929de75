//! What appenders and the flusher share, under one short lock.

use super::block::{self, Link};
use super::container::Container;
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, RECORDS};
use super::record::{self, RecordKind};
use super::scan::Containers;
use super::space::{Lengths, Reserved};
use crate::fabric::storage::{Buffer, StorageError};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

/// The block that takes records.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) lsn: Lsn,
    pub(super) records: Vec<u8>,
    pub(super) count: u32,
}

/// A closed block that is not stable yet.
#[derive(Clone, Debug)]
pub(super) struct Unstable {
    pub(super) lsn: Lsn,
    /// The next block's place.
    pub(super) end: Lsn,
    pub(super) records: Arc<Vec<u8>>,
    pub(super) count: u32,
    /// As it is to lie on the disk, once it is sealed; kept until a sync has succeeded, since after a failed
    /// one the bytes must come from somewhere else than the system's memory.
    pub(super) image: Option<Buffer>,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Closed,
    Writing,
    Written,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) identity: (u128, u64),
    pub(super) usn: u8,
    pub(super) lengths: Lengths,
    pub(super) blocks_max: usize,
    /// Those that stable metadata name, by logical number.
    pub(super) containers: Containers,
    /// The first logical number without a container.
    pub(super) end: u32,
    /// A container is being taken away, so `end` is lower than it need be.
    pub(super) shrinking: bool,
    /// Where the next block goes.
    pub(super) place: Lsn,
    /// The last block that was sealed.
    pub(super) sealed: Link,
    /// The last block that is stable.
    pub(super) stable: Link,
    pub(super) open: Option<OpenBlock>,
    pub(super) unstable: VecDeque<Unstable>,
    pub(super) reserved: Reserved,
    /// All below is stable.
    pub(super) flushed: Lsn,
    /// All up to here is to be made stable.
    pub(super) wanted: Option<Lsn>,
    /// Closed blocks are to be written, stable or not.
    pub(super) writing_wanted: bool,
    /// A flush is under way.
    pub(super) running: bool,
    pub(super) failed: Option<StorageError>,
    pub(super) waiters: BTreeMap<u64, (Lsn, Waker)>,
    pub(super) next_waiter: u64,
    pub(super) has_area: bool,
    pub(super) base: Lsn,
    pub(super) archive_tail: Option<Lsn>,
    /// The newest restart record.
    pub(super) restart: Lsn,
}

/// One record to be appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) kind: RecordKind,
    pub(super) pieces: &'a [&'a [u8]],
    pub(super) previous: Lsn,
    pub(super) undo_next: Lsn,
    pub(super) use_reservation: bool,
    pub(super) reservations: &'a [i64],
}

/// What an append must wait for before it can be tried again.
pub(super) enum Wait {
    /// All blocks of the area are in use; some must become stable, from this one on.
    Blocks(Lsn),
    /// A container is being taken away.
    Shrinking,
}

impl State {
    /// The LSN that the next record would have; with nothing open, the next block's.
    pub(super) fn next(&self) -> Lsn {
        match &self.open {
            Some(open) if open.count < RECORDS => Lsn::from_u64(open.lsn.as_u64() + u64::from(open.count)),
            Some(open) => self.end_of(open),
            None => self.place,
        }
    }

    pub(super) fn oldest(&self) -> Lsn {
        self.archive_tail.map_or(self.base, |tail| tail.min(self.base))
    }

    /// The container of a block that is not stable.
    pub(super) fn container(&self, number: u32) -> Arc<dyn Container> {
        let held = self.containers.get(&number).map(Arc::clone);
        held.unwrap_or_else(|| unreachable!("it is active, so it is neither recycled nor removed"))
    }

    fn end_of(&self, open: &OpenBlock) -> Lsn {
        let end =
            u64::from(open.lsn.block_offset()) + block::sectors(open.records.len()) * super::lsn::SECTOR;
        self.lengths.place(open.lsn.container(), end)
    }

    /// Closes the block that takes records, if there is one.
    pub(super) fn close_open(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.place = self.end_of(&open);
        self.unstable.push_back(Unstable {
            lsn: open.lsn,
            end: self.place,
            records: Arc::new(open.records),
            count: open.count,
            image: None,
            stage: Stage::Closed,
        });
    }

    /// Reserves, appends, or does both or neither (LOG-10). `Ok(Err(wait))`: nothing was done.
    pub(super) fn append(
        &mut self,
        call: &'static str,
        entry: &Entry<'_>,
    ) -> Result<Result<Lsn, Wait>, LogError> {
        self.check_usable(call)?;
        let limit = block::capacity(self.lengths.block);
        let data: usize = entry.pieces.iter().map(|piece| piece.len()).sum();
        let size = record::size(data);
        if size > limit {
            let why = format!(
                "the record takes {size} bytes with its header, a block holds {limit}; give the area longer blocks"
            );
            return Err(LogError::parameter(call, why));
        }
        let reserved = self.reserved_after(call, entry, size, limit)?;
        let fits = |open: &OpenBlock| open.count < RECORDS && open.records.len() + size <= limit;
        let joins = self.open.as_ref().is_some_and(fits);
        if !joins && self.unstable.len() >= self.blocks_max {
            return Ok(Err(Wait::Blocks(self.unstable[0].lsn)));
        }
        let (place, used) = match &self.open {
            Some(open) if joins => (open.lsn, open.records.len() + size),
            Some(open) => (self.end_of(open), size),
            None => (self.place, size),
        };
        let end = u64::from(place.block_offset()) + block::sectors(used) * super::lsn::SECTOR;
        let left = self.lengths.guaranteed(place.container(), end, self.end);
        if place.container() >= self.end || left < reserved.sectors() {
            return if self.shrinking { Ok(Err(Wait::Shrinking)) } else { Err(self.full(call)) };
        }
        if !joins {
            self.close_open();
            debug_assert_eq!(self.place, place);
            self.open = Some(OpenBlock { lsn: place, records: Vec::new(), count: 0 });
        }
        self.reserved = reserved;
        let Some(open) = &mut self.open else { unreachable!("a block was opened above") };
        let lsn = Lsn::from_u64(open.lsn.as_u64() + u64::from(open.count));
        record::encode(&mut open.records, entry.kind, entry.previous, entry.undo_next, entry.pieces);
        open.count += 1;
        Ok(Ok(lsn))
    }

    /// What is reserved once the entry is appended.
    fn reserved_after(
        &self,
        call: &'static str,
        entry: &Entry<'_>,
        size: usize,
        limit: usize,
    ) -> Result<Reserved, LogError> {
        if entry.use_reservation && !entry.reservations.is_empty() {
            let why = "USE_RESERVATION with new reservations; give one or the other";
            return Err(LogError::parameter(call, why));
        }
        let mut reserved = self.reserved.with(call, entry.reservations, limit)?;
        if entry.use_reservation && reserved.take(block::sectors(size)).is_none() {
            let why = format!(
                "no reservation holds {size} bytes, of {} there are; reserve first",
                reserved.count()
            );
            return Err(LogError::new(call, LogStatus::LOG_RESERVATION_INVALID, why));
        }
        Ok(reserved)
    }

    /// Reserves space for records of these sizes, or frees it.
    pub(super) fn reserve(&mut self, call: &'static str, sizes: &[i64]) -> Result<(), LogError> {
        self.check_usable(call)?;
        let reserved = self.reserved.with(call, sizes, block::capacity(self.lengths.block))?;
        let (place, used) = match &self.open {
            Some(open) => (open.lsn, block::sectors(open.records.len())),
            None => (self.place, 0),
        };
        let end = u64::from(place.block_offset()) + used * super::lsn::SECTOR;
        let left = self.lengths.guaranteed(place.container(), end, self.end);
        if reserved.sectors() > self.reserved.sectors() && left < reserved.sectors() {
            return Err(self.full(call));
        }
        self.reserved = reserved;
        Ok(())
    }

    /// Refused after a failed flush, until the log is opened again or its blocks were written anew.
    pub(super) fn check_usable(&self, call: &'static str) -> Result<(), LogError> {
        match &self.failed {
            Some(cause) => Err(LogError::storage(call, LogStatus::LOG_STATE_INVALID, cause.clone())),
            None => Ok(()),
        }
    }

    fn full(&self, call: &'static str) -> LogError {
        let why = format!(
            "no space is left in containers up to {} but {} reserved sectors; advance the base or the archive tail, \
             free reservations, or add containers",
            i64::from(self.end) - 1,
            self.reserved.sectors(),
        );
        LogError::new(call, LogStatus::LOG_FULL, why)
    }
}
