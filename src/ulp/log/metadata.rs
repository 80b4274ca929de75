//! The base log file: what a log must know before it can read itself, in two slots of which one is always
//! good.
//!
//! A slot is whole sectors with a checksum and a count. A commit writes the slot that does not hold the
//! newest stable state, syncs it, and only then may anybody act on it; a crash between leaves the other.

use super::block::Link;
use super::container::Container;
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, SECTOR};
use super::planted;
use crate::fabric::storage::{Cause, StorageError, wait};
use std::sync::Arc;

/// Name of the file with the slots.
pub(super) const NAME: &str = "log.base";
/// Containers at most, as in the original.
pub(super) const CONTAINERS: usize = 1023;

const MAGIC: u32 = u32::from_le_bytes(*b"QPLB");
const VERSION: u32 = 1;
const FIXED: usize = 160;
const ENTRY: usize = 12;
/// Bytes of a slot with all containers.
const SLOT: u64 = ((FIXED + CONTAINERS * ENTRY) as u64).next_multiple_of(4096);
/// Bytes of the file.
pub(super) const LENGTH: u64 = 2 * SLOT;

/// Where recovery begins to read, and what the first block it meets must link to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) place: Lsn,
    pub(super) before: Link,
}

/// One container: its file, and the logical number that it has or will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: u32,
    pub(super) logical: u32,
    /// It goes when it leaves the active log.
    pub(super) leaving: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) log: u128,
    /// Of two slots the one with the higher count is newer.
    pub(super) count: u64,
    pub(super) incarnation: u64,
    pub(super) base: Lsn,
    pub(super) anchor: Anchor,
    /// The last block that was stable when this was written: damage up to it is never the end of the log.
    pub(super) stable: Link,
    /// The newest restart record, or `INVALID`.
    pub(super) restart: Lsn,
    /// The next record's LSN when this was written. A restart record from here on is newer than this and is
    /// found by recovery; one below that this does not name had failed, and something else was said since.
    pub(super) horizon: Lsn,
    /// The oldest record that is not archived; `None` where the log keeps no archive tail.
    pub(super) archive_tail: Option<Lsn>,
    pub(super) container_size: u64,
    pub(super) next_id: u32,
    /// Sorted by logical number.
    pub(super) containers: Vec<Entry>,
}

impl Metadata {
    pub(super) fn new(log: u128, archive: bool) -> Self {
        Self {
            log,
            count: 0,
            incarnation: 1,
            base: Lsn::NULL,
            anchor: Anchor { place: Lsn::NULL, before: Link::NONE },
            stable: Link::NONE,
            horizon: Lsn::NULL,
            restart: Lsn::INVALID,
            archive_tail: archive.then_some(Lsn::NULL),
            container_size: 0,
            next_id: 0,
            containers: Vec::new(),
        }
    }

    /// The oldest record that must stay readable.
    pub(super) fn oldest(&self) -> Lsn {
        self.archive_tail.map_or(self.base, |tail| tail.min(self.base))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED + self.containers.len() * ENTRY);
        for number in [MAGIC, VERSION, 0, self.containers.len() as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.log.to_le_bytes());
        let tail = self.archive_tail.unwrap_or(Lsn::INVALID);
        for number in [
            self.count,
            self.incarnation,
            self.base.as_u64(),
            self.anchor.place.as_u64(),
            self.anchor.before.lsn.as_u64(),
            u64::from(self.anchor.before.crc),
            self.stable.lsn.as_u64(),
            u64::from(self.stable.crc),
            self.restart.as_u64(),
            tail.as_u64(),
            self.container_size,
            u64::from(self.next_id),
            self.horizon.as_u64(),
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.resize(FIXED, 0);
        for entry in &self.containers {
            for number in [entry.id, entry.logical, u32::from(entry.leaving)] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        bytes.resize(bytes.len().next_multiple_of(SECTOR as usize), 0);
        let crc = crc32c::crc32c(&bytes);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The state in a slot, if it is whole.
    fn decode(slot: &[u8]) -> Option<Self> {
        let word = |at: usize| slot.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let count = word(12)? as usize;
        if word(0)? != MAGIC || word(4)? != VERSION || count > CONTAINERS {
            return None;
        }
        let length = (FIXED + count * ENTRY).next_multiple_of(SECTOR as usize);
        let mut bytes = slot.get(..length)?.to_vec();
        let crc = word(8)?;
        bytes[8..12].fill(0);
        if crc32c::crc32c(&bytes) != crc {
            return None;
        }
        let mut log = [0; 16];
        log.copy_from_slice(&bytes[16..32]);
        let long = |n: usize| {
            u64::from(word(36 + n * 8).unwrap_or(0)) << 32 | u64::from(word(32 + n * 8).unwrap_or(0))
        };
        let lsn = |n: usize| Lsn::from_u64(long(n));
        let entry =
            |at: usize| Some(Entry { id: word(at)?, logical: word(at + 4)?, leaving: word(at + 8)? != 0 });
        Some(Self {
            log: u128::from_le_bytes(log),
            count: long(0),
            incarnation: long(1),
            base: lsn(2),
            anchor: Anchor { place: lsn(3), before: Link { lsn: lsn(4), crc: long(5) as u32 } },
            stable: Link { lsn: lsn(6), crc: long(7) as u32 },
            restart: lsn(8),
            archive_tail: Some(lsn(9)).filter(|tail| *tail != Lsn::INVALID),
            container_size: long(10),
            next_id: long(11) as u32,
            horizon: lsn(12),
            containers: (0..count).map(|n| entry(FIXED + n * ENTRY)).collect::<Option<_>>()?,
        })
    }
}

/// The file of slots, and the state that is stable in it.
#[derive(Debug)]
pub(super) struct Slots {
    file: Arc<dyn Container>,
    newest: u64,
    pub(super) stable: Metadata,
}

impl Slots {
    /// Begins a new log: its first state is stable when this returns.
    pub(super) fn create(file: Arc<dyn Container>, first: Metadata) -> Result<Self, LogError> {
        let mut slots = Self { file, newest: 1, stable: first.clone() };
        slots.commit("Log::create", first)?;
        Ok(slots)
    }

    /// Finds the newest whole slot; `None` where neither is.
    ///
    /// What it found is written to its place once more and synced: after a failed sync the system says
    /// success without writing, and the slot may be in its memory only.
    pub(super) fn open(file: Arc<dyn Container>) -> Result<Option<Self>, LogError> {
        let failed = |error| LogError::storage("Log::open", LogStatus::LOG_CONTAINER_READ_FAILED, error);
        let mut found: Option<(u64, Metadata)> = None;
        for slot in 0..2 {
            let bytes = match file.read(slot * SLOT, SLOT as usize) {
                // It was made, and power went before it had any content.
                Err(error) if error.cause() == Cause::EndOfFile => continue,
                read => read.map_err(failed)?,
            };
            let Some(metadata) = Metadata::decode(&bytes) else { continue };
            if found.as_ref().is_none_or(|(_, other)| other.count < metadata.count) {
                found = Some((slot, metadata));
            }
        }
        let Some((newest, stable)) = found else { return Ok(None) };
        let slots = Self { file, newest, stable };
        if !planted!(RecoveryTrustsCache, "what recovery found is not written again and synced") {
            let failed = |error| LogError::storage("Log::open", LogStatus::LOG_METADATA_FLUSH_FAILED, error);
            slots.write(newest, &slots.stable).and_then(|()| slots.sync(newest)).map_err(failed)?;
        }
        Ok(Some(slots))
    }

    fn write(&self, slot: u64, metadata: &Metadata) -> Result<(), StorageError> {
        let image = Arc::new(metadata.encode());
        wait(|done| self.file.write(vec![(slot * SLOT, image)], done))
    }

    fn sync(&self, slot: u64) -> Result<(), StorageError> {
        wait(|done| self.file.sync(slot * SLOT..(slot + 1) * SLOT, done))
    }

    /// Makes a state stable. On an error the one before is still the good one, and the same may be tried
    /// again.
    pub(super) fn commit(&mut self, call: &'static str, mut next: Metadata) -> Result<(), LogError> {
        let failed = |error| LogError::storage(call, LogStatus::LOG_METADATA_FLUSH_FAILED, error);
        next.count = self.stable.count + 1;
        let slot = if planted!(MetadataOneSlot, "the metadata are written over the only good copy") {
            self.newest
        } else {
            1 - self.newest
        };
        self.write(slot, &next).map_err(failed)?;
        if !planted!(
            RecycledTooSoon,
            "a container is reused before the metadata with the base above it are stable"
        ) || next.base == self.stable.base
        {
            self.sync(slot).map_err(failed)?;
        }
        (self.newest, self.stable) = (slot, next);
        Ok(())
    }
}
