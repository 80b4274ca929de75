//! What a log finds of itself: the last whole block, and the newest restart area.
//!
//! From the block of the base on, each block must be whole and link to the one before. The first that does
//! not is the end, and nothing behind it is looked at: what lies there may be whole, and of another life.
//! Below what the metadata know to have been stable, the same is damage, and no log is better than a shorter
//! one.

use super::block::Link;
use super::error::{LogError, LogStatus};
use super::lsn::Lsn;
use super::metadata::Metadata;
use super::planted;
use super::record::{self, RecordKind};
use super::scan::{Containers, Scanner, link_to};
use crate::fabric::storage::wait;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

const CALL: &str = "Log::open";

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Where the next block goes.
    pub(super) end: Lsn,
    /// The last block, or what the first one would have linked to.
    pub(super) last: Link,
    /// The newest restart record.
    pub(super) restart: Lsn,
    /// The base, as the metadata or that restart record has it.
    pub(super) base: Lsn,
}

/// Finds the end of the log, and makes stable all that it found.
pub(super) fn recover(metadata: &Metadata, containers: &Containers) -> Result<Found, LogError> {
    let mut scanner = scanner(metadata, containers);
    let mut found = Found {
        end: metadata.anchor.place,
        last: metadata.anchor.before,
        restart: metadata.restart,
        base: metadata.base,
    };
    let stable = metadata.stable;
    let (mut incarnation, mut seen) = (0, metadata.restart < metadata.anchor.place);
    let mut reached = stable == Link::NONE || stable == metadata.anchor.before;
    let mut unsure = Vec::new();
    while let Some(block) = next(&mut scanner, &found, incarnation)? {
        let lsn = block.header.lsn;
        if stable == Link::NONE || lsn > stable.lsn {
            unsure.push((lsn, block.length));
        }
        reached |= link_to(&block) == stable;
        for sequence in 0..block.header.records {
            let Some(record) = record::decode(&block.records, sequence) else {
                return Err(damaged(lsn, "its records do not fit into it"));
            };
            if record.kind != RecordKind::Restart {
                continue;
            }
            let at = Lsn::of(lsn.container(), u64::from(lsn.block_offset()), sequence);
            seen |= at == metadata.restart;
            // A restart area carries its base, so that both survive or neither does (LOG-18).
            let newer = at >= metadata.horizon
                || planted!(
                    FailedRestartIsNews,
                    "recovery takes a restart area for the newest whose call has failed before others"
                );
            if let Some((base, _)) = restart_area(&block.records[record.data]).filter(|_| newer) {
                found.restart = at;
                found.base = found.base.max(base);
            }
        }
        incarnation = block.header.incarnation;
        (found.end, found.last) = (Scanner::end_of(&block), link_to(&block));
    }
    check(metadata, &found, reached, seen)?;
    settle(containers, &unsure)?;
    Ok(found)
}

fn scanner(metadata: &Metadata, containers: &Containers) -> Scanner {
    let identity = (metadata.log, metadata.incarnation);
    Scanner::new(CALL, identity, metadata.container_size, containers.clone(), Lsn::INVALID)
}

fn next(
    scanner: &mut Scanner,
    found: &Found,
    incarnation: u64,
) -> Result<Option<super::block::Block>, LogError> {
    let block = scanner.after(found.end, found.last, incarnation)?;
    if block.is_none() && planted!(SearchesBeyondTheEnd, "recovery goes on behind a torn block") {
        let beyond = Lsn::from_u64(found.end.as_u64() + super::lsn::SECTOR);
        return Ok(scanner.at(beyond)?.ok());
    }
    Ok(block)
}

/// Base and data of a restart area, from the data of its record.
pub(super) fn restart_area(data: &[u8]) -> Option<(Lsn, &[u8])> {
    let (base, data) = data.split_first_chunk::<8>()?;
    Some((Lsn::from_u64(u64::from_le_bytes(*base)), data))
}

fn damaged(lsn: Lsn, what: &str) -> LogError {
    let why = format!("the block at {lsn} was stable, and {what}; restore the log from an archive");
    LogError::new(CALL, LogStatus::LOG_BLOCK_INVALID, why)
}

/// Nothing that was stable may be missing.
fn check(metadata: &Metadata, found: &Found, reached: bool, restart_seen: bool) -> Result<(), LogError> {
    if !reached {
        let missing = format!("the one at {} is torn, damaged or missing", found.end);
        return Err(damaged(metadata.stable.lsn, &missing));
    }
    if metadata.restart != Lsn::INVALID && !restart_seen {
        let why = format!("the restart area at {} is not there", metadata.restart);
        return Err(LogError::new(CALL, LogStatus::LOG_METADATA_INCONSISTENT, why));
    }
    Ok(())
}

/// Writes the blocks once more that may be in the system's memory only, and syncs them: a sync alone would
/// say success after one that failed.
fn settle(containers: &Containers, blocks: &[(Lsn, u64)]) -> Result<(), LogError> {
    if planted!(RecoveryTrustsCache, "what recovery found is not written again and synced") {
        return Ok(());
    }
    let failed = |error| LogError::storage(CALL, LogStatus::LOG_CONTAINER_WRITE_FAILED, error);
    // In a row in each container, so that its sync covers nothing that was not written again.
    let mut written: BTreeMap<u32, Range<u64>> = BTreeMap::new();
    for (lsn, length) in blocks {
        let Some(container) = containers.get(&lsn.container()) else { continue };
        let offset = u64::from(lsn.block_offset());
        let image = Arc::new(container.read(offset, *length as usize).map_err(failed)?);
        wait(|done| container.write(vec![(offset, image)], done)).map_err(failed)?;
        written.entry(lsn.container()).or_insert(offset..offset).end = offset + length;
    }
    for (number, range) in written {
        let Some(container) = containers.get(&number) else { continue };
        wait(|done| container.sync(range, done)).map_err(failed)?;
    }
    Ok(())
}
