//! Log sequence numbers: where a record lies, as one number that only grows.

use super::error::LogError;
use std::fmt;

/// A log sequence number: logical container, block offset, record in the block.
///
/// Compared as unsigned numbers, they are ordered as the records were appended. 32 bits of container, 23 bits
/// of offset in sectors of 512 bytes, 9 bits of record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

/// Bytes of a sector, in which block offsets are counted.
pub(super) const SECTOR: u64 = 512;
/// Records in one block.
pub(super) const RECORDS: u32 = 512;

impl Lsn {
    /// The smallest one, which is valid: the first record of a log has it.
    pub const NULL: Self = Self(0);
    /// Larger than any valid one; not valid, but it may be compared. It ends chains.
    pub const INVALID: Self = Self(0xFFFF_FFFF_0000_0000);

    /// The LSN of a record by its place; the block's offset is in bytes.
    ///
    /// # Errors
    /// INVALID_PARAMETER, if the offset is no multiple of 512, the record is above 511, or the container is
    /// that of [`INVALID`](Self::INVALID) (LOG-7).
    pub fn create(container: u32, block_offset: u32, record: u32) -> Result<Self, LogError> {
        let refuse = |what: String| Err(LogError::parameter("Lsn::create", what));
        if u64::from(block_offset) % SECTOR != 0 {
            return refuse(format!("block_offset is {block_offset}; give a multiple of {SECTOR}"));
        }
        if record >= RECORDS {
            return refuse(format!("record is {record}; a block has records 0 to {}", RECORDS - 1));
        }
        if container == Self::INVALID.container() {
            return refuse(format!("container is {container}; that number ends chains and is never used"));
        }
        Ok(Self::of(container, u64::from(block_offset), record))
    }

    /// The offset may be where a container ends; in one of 4 GiB that is where the next one begins.
    pub(super) fn of(container: u32, block_offset: u64, record: u32) -> Self {
        Self((u64::from(container) << 32) + block_offset + u64::from(record))
    }

    /// The number itself.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The LSN with that number; any number is one, valid or not.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The logical container; these numbers grow for ever, also when containers are recycled.
    pub const fn container(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Bytes from the beginning of the container to the block.
    pub const fn block_offset(self) -> u32 {
        self.0 as u32 & !0x1FF
    }

    /// Which record of the block, from 0.
    pub const fn record_sequence(self) -> u32 {
        self.0 as u32 & 0x1FF
    }

    /// The first record of the same block.
    pub(super) const fn block(self) -> Self {
        Self(self.0 & !0x1FF)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self >= Self::INVALID {
            return f.write_str("INVALID");
        }
        write!(f, "{}:{:x}:{}", self.container(), self.block_offset(), self.record_sequence())
    }
}
