//! The base log file: what a log must know before it can read itself, in two slots of which one is always
//! good.
//!
//! A slot is whole sectors with a checksum and a count. A commit writes the slot that does not hold the
//! newest stable state, syncs it, and only then may anybody act on it; a crash between leaves the other.

use super::block::Link;
use super::container::{Container, Read};
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, SECTOR};
use super::planted;
use crate::fabric::storage::{Cause, StorageError, wait};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Containers at most, as in the original.
pub(super) const CONTAINERS: usize = 1023;
/// Bytes of a container at most: LSNs have 32 bits for the offset in it.
pub(super) const CONTAINER_MAX: u64 = 1 << 32;

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
        let metadata = Self {
            log: u128::from_le_bytes(log),
            count: long(0),
            incarnation: long(1),
            base: lsn(2),
            anchor: Anchor { place: lsn(3), before: Link { lsn: lsn(4), crc: long(5) as u32 } },
            stable: Link { lsn: lsn(6), crc: long(7) as u32 },
            restart: lsn(8),
            archive_tail: Some(lsn(9)).filter(|tail| *tail != Lsn::INVALID),
            container_size: long(10),
            horizon: lsn(11),
            containers: (0..count).map(|n| entry(FIXED + n * ENTRY)).collect::<Option<_>>()?,
        };
        metadata.is_consistent().then_some(metadata)
    }

    /// What every state that was ever written keeps: containers in a row, each with a number of its own, of
    /// whole sectors and no longer than an LSN can say.
    fn is_consistent(&self) -> bool {
        let in_a_row = |pair: &[Entry]| pair[0].logical.checked_add(1) == Some(pair[1].logical);
        let ids: BTreeSet<u32> = self.containers.iter().map(|entry| entry.id).collect();
        let numbered = self.containers.last().is_none_or(|last| last.logical < Lsn::INVALID.container());
        let sized = self.container_size % SECTOR == 0 && self.container_size <= CONTAINER_MAX;
        self.containers.windows(2).all(in_a_row) && ids.len() == self.containers.len() && numbered && sized
    }

    /// The smallest number that no container has.
    pub(super) fn free_id(&self) -> u32 {
        let taken: BTreeSet<u32> = self.containers.iter().map(|entry| entry.id).collect();
        (0..).find(|id| !taken.contains(id)).unwrap_or_default()
    }

    /// The logical number that another container gets; `None`: all are used up.
    pub(super) fn next_logical(&self) -> Option<u32> {
        let next = match self.containers.last() {
            Some(last) => last.logical.checked_add(1)?,
            None => self.base.container(),
        };
        (next < Lsn::INVALID.container()).then_some(next)
    }
}

/// What the two slots hold.
pub(super) enum Found {
    /// The newest state that is whole, and its slot.
    Newest(u64, Box<Metadata>),
    /// Zeros, or nothing: the call that was to make the log was never acknowledged.
    Blank,
    /// Neither is whole.
    Damaged,
}

/// Looks at the slots, without writing: somebody else may have the log open.
pub(super) fn find(call: &'static str, read: &Read<'_>) -> Result<Found, LogError> {
    let failed = |error| LogError::storage(call, LogStatus::LOG_CONTAINER_READ_FAILED, error);
    let mut found = Found::Blank;
    for slot in 0..2 {
        let bytes = match read(slot * SLOT, SLOT as usize) {
            // It was made, and power went before it had any content.
            Err(error) if error.cause() == Cause::EndOfFile => continue,
            read => read.map_err(failed)?,
        };
        let whole = Metadata::decode(&bytes);
        found = match (found, whole) {
            (Found::Newest(at, other), Some(whole)) if other.count >= whole.count => Found::Newest(at, other),
            (_, Some(whole)) => Found::Newest(slot, Box::new(whole)),
            (Found::Blank, None) if bytes.iter().any(|byte| *byte != 0) => Found::Damaged,
            (found, None) => found,
        };
    }
    Ok(found)
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

    /// The newest state that is whole, which is stable when this returns.
    ///
    /// It is written to its place once more and synced: after a failed sync the system says success without
    /// writing, and the slot may be in its memory only. So nobody else may have the log open.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND where no log was ever acknowledged, LOG_METADATA_CORRUPT where one was and
    /// neither slot is whole; those of the storage.
    pub(super) fn open(file: Arc<dyn Container>) -> Result<Self, LogError> {
        const CALL: &str = "Log::open";
        let (newest, stable) = match find(CALL, &|offset, length| file.read(offset, length))? {
            Found::Newest(newest, stable) => (newest, *stable),
            Found::Blank => {
                let why = "no log was made there; create one";
                return Err(LogError::new(CALL, LogStatus::OBJECT_NAME_NOT_FOUND, why));
            }
            Found::Damaged => {
                let why = "neither slot of the base log file is whole; create the log anew, or restore it";
                return Err(LogError::new(CALL, LogStatus::LOG_METADATA_CORRUPT, why));
            }
        };
        let slots = Self { file, newest, stable };
        if !planted!(RecoveryTrustsCache, "what recovery found is not written again and synced") {
            let failed = |error| LogError::storage(CALL, LogStatus::LOG_METADATA_FLUSH_FAILED, error);
            let range = slots.write(newest, &slots.stable).map_err(failed)?;
            slots.sync(range).map_err(failed)?;
        }
        Ok(slots)
    }

    /// Refuses if anybody has opened the log, or made it anew, since this state was stable.
    pub(super) fn check_still_ours(&self, call: &'static str, read: &Read<'_>) -> Result<(), LogError> {
        let identity = |metadata: &Metadata| (metadata.log, metadata.incarnation);
        match find(call, read)? {
            Found::Newest(_, found) if identity(&found) == identity(&self.stable) => Ok(()),
            _ => {
                let why = "somebody else has had the log since the connection was lost; open it anew";
                Err(LogError::new(call, LogStatus::LOG_STATE_INVALID, why))
            }
        }
    }

    /// Writes a slot; where it lies.
    fn write(&self, slot: u64, metadata: &Metadata) -> Result<Range<u64>, StorageError> {
        let image = Arc::new(metadata.encode());
        let range = slot * SLOT..slot * SLOT + image.len() as u64;
        wait(|done| self.file.write(vec![(range.start, image)], done))?;
        Ok(range)
    }

    fn sync(&self, range: Range<u64>) -> Result<(), StorageError> {
        wait(|done| self.file.sync(range, done))
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
        let range = self.write(slot, &next).map_err(failed)?;
        if !planted!(
            RecycledTooSoon,
            "a container is reused before the metadata with the base above it are stable"
        ) || next.base == self.stable.base
        {
            self.sync(range).map_err(failed)?;
        }
        (self.newest, self.stable) = (slot, next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(containers: &[(u32, u32)]) -> Metadata {
        let entry = |(id, logical): &(u32, u32)| Entry { id: *id, logical: *logical, leaving: false };
        let containers = containers.iter().map(entry).collect();
        Metadata { container_size: 4096, containers, ..Metadata::new(7, true) }
    }

    #[test]
    fn what_is_written_is_found() {
        let metadata = of(&[(2, 5), (0, 6), (1, 7)]);
        assert_eq!(Metadata::decode(&metadata.encode()), Some(metadata));
    }

    /// Checksums are no secret, and the slots may come from a peer.
    #[test]
    fn what_no_log_has_written_is_refused() {
        let last = Lsn::INVALID.container();
        for containers in [&[(0, 5), (1, 7)][..], &[(0, 5), (0, 6)], &[(0, 5), (1, 5)], &[(0, last)]] {
            assert_eq!(Metadata::decode(&of(containers).encode()), None, "{containers:?}");
        }
        for container_size in [100, CONTAINER_MAX + 512] {
            assert_eq!(Metadata::decode(&Metadata { container_size, ..of(&[]) }.encode()), None);
        }
    }

    #[test]
    fn numbers_of_containers_are_used_again_and_logical_ones_never() {
        assert_eq!((of(&[]).free_id(), of(&[(0, 0), (2, 1)]).free_id()), (0, 1));
        assert_eq!(of(&[(0, 4), (1, 5)]).next_logical(), Some(6));
        assert_eq!(of(&[(0, Lsn::INVALID.container() - 1)]).next_logical(), None, "that number ends chains");
    }
}
