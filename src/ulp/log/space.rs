//! What is free and what is reserved, in sectors.
//!
//! A block is opened only where a block of full length fits, else in the next container; so each container
//! holds at least its sectors less those of a block but one, whatever the blocks' lengths. A reserved record
//! costs what it would take in a block of its own, since a flush may close a block after any record. What is
//! guaranteed thus never falls by more than the reservation of the record that is appended.

use super::block;
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, SECTOR};
use super::record;
use std::collections::BTreeMap;

/// Records that were promised a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved {
    /// How many of each size, in sectors.
    records: BTreeMap<u64, u64>,
    sectors: u64,
    count: u64,
}

impl Reserved {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn sectors(&self) -> u64 {
        self.sectors
    }

    fn add(&mut self, sectors: u64) {
        *self.records.entry(sectors).or_default() += 1;
        self.sectors += sectors;
        self.count += 1;
    }

    /// Takes the nearest reservation of at least that size away.
    pub(super) fn take(&mut self, sectors: u64) -> Option<u64> {
        let size = *self.records.range(sectors..).next()?.0;
        if let Some(left) = self.records.get_mut(&size) {
            *left -= 1;
            if *left == 0 {
                self.records.remove(&size);
            }
        }
        self.sectors -= size;
        self.count -= 1;
        Some(size)
    }

    /// The same with more (sizes of data) or fewer (negative: the nearest of that size is freed).
    pub(super) fn with(&self, call: &'static str, sizes: &[i64], limit: usize) -> Result<Self, LogError> {
        let mut next = self.clone();
        for size in sizes {
            let data = size.unsigned_abs() as usize;
            if record::size(data) > limit {
                let why = format!("a record of {data} bytes is reserved; a block holds {limit} with headers");
                return Err(LogError::parameter(call, why));
            }
            let sectors = block::sectors(record::size(data));
            if *size >= 0 {
                next.add(sectors);
            } else if next.take(sectors).is_none() {
                let why = format!("no reservation of {data} bytes is left to be freed");
                return Err(LogError::new(call, LogStatus::LOG_RESERVATION_INVALID, why));
            }
        }
        Ok(next)
    }
}

/// The lengths by which space is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) container: u64,
    pub(super) block: u64,
}

impl Lengths {
    /// Where the block after one that ends there goes.
    pub(super) fn place(&self, container: u32, end: u64) -> Lsn {
        if end + self.block > self.container {
            Lsn::of(container + 1, 0, 0)
        } else {
            Lsn::of(container, end, 0)
        }
    }

    /// Sectors that are certain to be had from there on, where `end` is the first container that is not
    /// there.
    pub(super) fn guaranteed(&self, container: u32, offset: u64, end: u32) -> u64 {
        let whole = ((self.container - self.block) / SECTOR) + 1;
        let Some(later) = end.checked_sub(container).and_then(|left| left.checked_sub(1)) else { return 0 };
        whole.saturating_sub(offset / SECTOR) + u64::from(later) * whole
    }
}
