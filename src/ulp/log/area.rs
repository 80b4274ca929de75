//! The marshalling area: log I/O blocks in memory, into which records are appended.

use super::core::{Change, Core};
use super::error::{LogError, LogStatus};
use super::flush::Flush;
use super::logfile::is_whole;
use super::lsn::Lsn;
use super::planted;
use super::read::{ReadContext, ReadMode, RestartContext};
use super::record::RecordKind;
use super::space::Reserved;
use super::state::{Entry, State};
use crate::fabric::storage::Lock;
use std::sync::Arc;

/// How long the blocks of an area are, and how many of them there are.
#[derive(Clone, Copy, Debug)]
pub struct AreaOptions {
    block_length: u64,
    blocks_max: usize,
}

impl Default for AreaOptions {
    fn default() -> Self {
        Self { block_length: 64 * 1024, blocks_max: 64 }
    }
}

impl AreaOptions {
    /// Bytes of a log I/O block: a multiple of 512, from 1 KiB to the container's size. Default: 64 KiB.
    ///
    /// No record is longer. At the end of each container up to one block is left unused.
    #[must_use]
    pub fn block_length(self, bytes: u64) -> Self {
        Self { block_length: bytes, ..self }
    }

    /// Blocks that may wait to become stable; an append that needs one more waits for a flush. Default: 64.
    #[must_use]
    pub fn blocks_max(self, blocks: usize) -> Self {
        Self { blocks_max: blocks, ..self }
    }
}

/// What is done with a record once it is in its block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// Nothing; it waits for a flush.
    #[default]
    None,
    /// Its block is queued to storage, in order. No promise that it survives anything (LOG-9).
    Append,
    /// It is stable when the call returns.
    Flush,
}

/// How a record is appended.
#[derive(Clone, Copy, Debug)]
pub struct Append<'a> {
    /// What is done with it at once.
    pub force: Force,
    /// It goes into reserved space, of which one reservation is used up (LOG-11).
    pub use_reservation: bool,
    /// Records for which space is reserved in the same step, by their sizes in bytes of data; a negative size
    /// frees the nearest reservation.
    pub reservations: &'a [i64],
    /// The record that it undoes next, by the client's choice.
    pub undo_next: Lsn,
    /// The record before it in the client's chain.
    pub previous: Lsn,
}

impl Default for Append<'_> {
    fn default() -> Self {
        Self {
            force: Force::None,
            use_reservation: false,
            reservations: &[],
            undo_next: Lsn::INVALID,
            previous: Lsn::INVALID,
        }
    }
}

/// What writing a restart area came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarted {
    /// Its LSN.
    pub lsn: Lsn,
    /// The oldest LSN that is not stable.
    pub flushed: Lsn,
}

/// The area through which a log is written and read.
///
/// Any number of threads may share it. Dropped, it flushes and waits as [`delete`](Self::delete) does, since
/// a log opened again must not meet its writes; but a failure is only traced.
#[derive(Debug)]
pub struct MarshallingArea {
    core: Arc<Core>,
    _lock: Arc<Lock>,
}

impl MarshallingArea {
    pub(super) fn new(core: &Arc<Core>, lock: &Arc<Lock>, options: AreaOptions) -> Result<Self, LogError> {
        const CALL: &str = "Log::area";
        let mut state = core.state();
        let count = state.containers.len();
        if count < 2 {
            let why = format!("the log has {count} containers and needs two; add some");
            return Err(LogError::new(CALL, LogStatus::LOG_NOT_ENOUGH_CONTAINERS, why));
        }
        let AreaOptions { block_length, blocks_max } = options;
        let longest = state.lengths.container;
        if !is_whole(block_length) || !(1024..=longest).contains(&block_length) || blocks_max == 0 {
            let why = format!(
                "{blocks_max} blocks of {block_length} bytes; give at least one, and a multiple of 512 from 1024 to \
                 {longest}, the container's size"
            );
            return Err(LogError::parameter(CALL, why));
        }
        if state.has_area {
            let why = "there is a writing area; delete it first";
            return Err(LogError::new(CALL, LogStatus::LOG_STATE_INVALID, why));
        }
        (state.has_area, state.blocks_max) = (true, blocks_max);
        state.set_block_length(block_length);
        core.publish(&state);
        drop(state);
        Ok(Self { core: Arc::clone(core), _lock: Arc::clone(lock) })
    }

    /// Appends a record, given in pieces; its LSN is greater than all before, and final.
    ///
    /// Nothing is promised for it before a flush (LOG-9), unless forced. Waits for a flush where all blocks
    /// are in use.
    ///
    /// # Errors
    /// LOG_FULL: the base or the archive tail must be advanced, reservations freed, or containers added;
    /// nothing was appended nor reserved. INVALID_PARAMETER if the record is longer than a block (LOG-17), or
    /// reservations are used and made at once. LOG_RESERVATION_INVALID if none is large enough.
    /// LOG_STATE_INVALID after a failed flush.
    pub fn append(&self, pieces: &[&[u8]], options: Append<'_>) -> Result<Lsn, LogError> {
        const CALL: &str = "MarshallingArea::append";
        let entry = Entry {
            kind: RecordKind::Data,
            pieces,
            previous: options.previous,
            undo_next: options.undo_next,
            use_reservation: options.use_reservation,
            reservations: options.reservations,
        };
        let lsn = self.core.append(CALL, &entry)?;
        match options.force {
            Force::None => {}
            Force::Append => self.queue(),
            Force::Flush => drop(self.core.flush_record(CALL, lsn).wait()?),
        }
        Ok(lsn)
    }

    /// Queues all closed blocks to storage, without waiting for anything.
    pub(super) fn queue(&self) {
        {
            let mut state = self.core.state();
            state.close_open();
            state.writing_wanted = true;
        }
        self.core.begin();
    }

    /// Reserves space for records of these sizes in bytes of data, all or none; a negative size frees.
    ///
    /// A record appended into reserved space never meets LOG_FULL (LOG-12).
    ///
    /// # Errors
    /// LOG_FULL; INVALID_PARAMETER for a record longer than a block; LOG_RESERVATION_INVALID where there is
    /// nothing to free.
    pub fn reserve(&self, sizes: &[i64]) -> Result<(), LogError> {
        self.core.state().reserve("MarshallingArea::reserve", sizes)
    }

    /// Makes all records of the area stable: the same as `flush_to(Lsn::NULL)` (LOG-1, LOG-2).
    pub fn flush_buffers(&self) -> Flush {
        self.core.flush_all("MarshallingArea::flush_buffers")
    }

    /// Makes all records up to that LSN stable, and perhaps more; NULL asks for all.
    ///
    /// With all of them stable already, nothing is done (LOG-5). An LSN beyond the last record is refused
    /// with INVALID_PARAMETER.
    pub fn flush_to(&self, lsn: Lsn) -> Flush {
        self.core.flush_to("MarshallingArea::flush_to", lsn)
    }

    /// After a failed flush: writes everything that is not stable to its place again, and syncs it.
    ///
    /// With success the log takes records again. Retrying the sync alone would be wrong: the system may say
    /// success without having written (LOG-31). A lost connection to the peer that has the log is made anew
    /// before this returns.
    ///
    /// # Errors
    /// Those of a flush; NETWORK_UNREACHABLE and SHARING_VIOLATION where there is no new connection, after
    /// which it may be tried again; LOG_STATE_INVALID where somebody else has had the log meanwhile: it must
    /// be opened anew, and what was not stable is lost.
    pub fn rewrite(&self) -> Flush {
        self.core.rewrite()
    }

    /// Moves the base: records below it are not needed any more, and containers wholly below are recycled.
    ///
    /// Stable when it returns (LOG-20). Records up to the new base are flushed first where they were not.
    ///
    /// # Errors
    /// INVALID_PARAMETER unless it is between the present base and the next record's LSN; it need not be a
    /// record's. LOG_METADATA_FLUSH_FAILED: the base is as before.
    pub fn advance_base(&self, base: Lsn) -> Result<(), LogError> {
        const CALL: &str = "MarshallingArea::advance_base";
        self.core.settle_base(CALL, base)?;
        let mut control = self.core.control();
        // Another thread may have moved it on meanwhile.
        let base = base.max(self.core.state().base);
        self.core.commit(CALL, &mut control, Change { base: Some(base), ..Change::default() })
    }

    /// Writes a restart area, and moves the base if one is given: all records, this one and the new base are
    /// stable together when it returns; a crash within leaves all of restart area and base, or neither
    /// (LOG-18).
    ///
    /// # Errors
    /// Those of [`append`](Self::append), of a flush and of [`advance_base`](Self::advance_base). If the
    /// metadata could not be made stable, the area may be found after a crash all the same.
    pub fn write_restart_area(
        &self,
        data: &[u8],
        base: Option<Lsn>,
        use_reservation: bool,
    ) -> Result<Restarted, LogError> {
        const CALL: &str = "MarshallingArea::write_restart_area";
        let core = &self.core;
        if let Some(base) = base {
            core.settle_base(CALL, base)?;
        }
        let mut control = core.control(); // one restart area after the other, each linked to the one before
        let (previous, present) = {
            let state = core.state();
            (state.restart, state.base)
        };
        let base = base.map_or(present, |base| base.max(present));
        let entry = Entry {
            kind: RecordKind::Restart,
            pieces: &[&base.as_u64().to_le_bytes(), data],
            previous,
            undo_next: Lsn::INVALID,
            use_reservation,
            reservations: &[],
        };
        let lsn = core.append(CALL, &entry)?;
        if planted!(
            HeaderWithData,
            "a restart area's metadata are made stable before the record that they name"
        ) {
            self.queue();
        } else {
            core.flush_record(CALL, lsn).wait()?;
        }
        core.state().restart = lsn; // stable: who opens the log finds it, whether the metadata name it or not
        core.commit(CALL, &mut control, Change { base: Some(base), ..Change::default() })?;
        drop(control);
        let flushed = core.flush_record(CALL, lsn).wait()?;
        Ok(Restarted { lsn, flushed })
    }

    /// Reads the data record with that LSN, and goes on from it by the mode.
    ///
    /// # Errors
    /// LOG_START_OF_LOG below base and archive tail; LOG_RECORD_NONEXISTENT where there is no record;
    /// INVALID_PARAMETER for a restart record; LOG_BLOCK_INVALID and LOG_CONTAINER_READ_FAILED.
    pub fn read(&self, lsn: Lsn, mode: ReadMode) -> Result<ReadContext, LogError> {
        ReadContext::open(&self.core, lsn, mode)
    }

    /// The newest restart area.
    ///
    /// # Errors
    /// LOG_NO_RESTART if none was ever written; LOG_START_OF_LOG if it lies below base and archive tail.
    pub fn read_restart_area(&self) -> Result<RestartContext, LogError> {
        RestartContext::newest(&self.core)
    }

    /// Flushes all blocks, waits, and lets the area go (LOG-23).
    ///
    /// # Errors
    /// Those of the flush; the area is gone all the same.
    pub fn delete(self) -> Result<Lsn, LogError> {
        self.core.flush_all("MarshallingArea::delete").wait()
    }
}

impl Drop for MarshallingArea {
    fn drop(&mut self) {
        if let Err(error) = self.core.flush_all("MarshallingArea::drop").wait() {
            tracing::error!(target: "qpair", %error, "a marshalling area was dropped with records that are not stable");
        }
        let mut state = self.core.state();
        state.close_open();
        state.has_area = false;
        state.reserved = Reserved::default();
    }
}

impl State {
    /// Blocks are of that length from now on.
    fn set_block_length(&mut self, length: u64) {
        self.lengths.block = length;
        let place = self.lengths.place(self.place.container(), u64::from(self.place.block_offset()));
        if self.unstable.is_empty() {
            self.flushed = place; // the next record's, as before (LOG-4)
        }
        self.place = place;
    }

    /// Takes the last container out of reach of appenders, if they can do without.
    pub(super) fn withdraw(&mut self, call: &'static str) -> Result<(), LogError> {
        let next = self.next();
        let offset =
            u64::from(next.block_offset()) + if self.open.is_some() { self.lengths.block } else { 0 };
        let left = if self.lengths.block == 0 {
            0
        } else {
            self.lengths.guaranteed(next.container(), offset, self.end - 1)
        };
        if self.reserved.count() > 0 && left < self.reserved.sectors() {
            let why = "what is reserved needs the container; free reservations or advance the base";
            return Err(LogError::new(call, LogStatus::LOG_FULL, why));
        }
        self.end -= 1;
        self.shrinking = true;
        Ok(())
    }
}
