//! Reading blocks from containers: whole, of this log, at their own place, and linked to the one before.

use super::block::{self, Block, Link, NoBlock};
use super::container::Container;
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, SECTOR};
use super::planted;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Containers by logical number.
pub(super) type Containers = BTreeMap<u32, Arc<dyn Container>>;

/// Bytes read at a time, at least.
const WINDOW: u64 = 128 * 1024;

/// Reads blocks one after the other.
pub(super) struct Scanner {
    call: &'static str,
    log: u128,
    /// Blocks of a later incarnation are none of ours.
    incarnation: u64,
    container_size: u64,
    containers: Containers,
    /// Nothing from here on is read, since somebody may be writing it.
    until: Lsn,
    window: Option<Window>,
}

/// Bytes of a container that were read; those of a logical container never change once they are stable.
#[derive(Debug)]
pub(super) struct Window {
    container: u32,
    offset: u64,
    bytes: Vec<u8>,
}

impl Scanner {
    pub(super) fn new(
        call: &'static str,
        (log, incarnation): (u128, u64),
        container_size: u64,
        containers: Containers,
        until: Lsn,
    ) -> Self {
        Self { call, log, incarnation, container_size, containers, until, window: None }
    }

    /// Looks first at what another has read.
    pub(super) fn with_window(self, window: Option<Window>) -> Self {
        Self { window, ..self }
    }

    /// What it has read last, for another.
    pub(super) fn into_window(self) -> Option<Window> {
        self.window
    }

    /// The block at that place, if there is one: of this log, and not of the future.
    ///
    /// # Errors
    /// Where the container cannot be read, which says nothing about what is there.
    pub(super) fn at(&mut self, place: Lsn) -> Result<Result<Block, NoBlock>, LogError> {
        let length = match self.bytes(place, SECTOR)? {
            Some(sector) => block::length_of(sector),
            None => Err(NoBlock::Absent),
        };
        let length = match length {
            Ok(length) => length,
            Err(none) => return Ok(Err(none)),
        };
        let (log, incarnation) = (self.log, self.incarnation);
        let Some(image) = self.bytes(place, length)? else { return Ok(Err(NoBlock::Absent)) };
        Ok(block::open(image).and_then(|block| {
            let header = &block.header;
            let ours = header.log == log && header.incarnation <= incarnation && header.lsn == place;
            if ours { Ok(block) } else { Err(NoBlock::Absent) }
        }))
    }

    /// The block that follows one that ended at `end`: there, or at the beginning of the next container.
    ///
    /// Only its link tells it from what was left there by an earlier life of the log: after a crash a block
    /// may be torn and the next one whole, and once the torn one has been written anew, the old next one
    /// would have the right place.
    pub(super) fn after(
        &mut self,
        end: Lsn,
        before: Link,
        incarnation: u64,
    ) -> Result<Option<Block>, LogError> {
        for place in [end, Lsn::of(end.container() + 1, 0, 0)] {
            if place >= self.until {
                break;
            }
            let Ok(block) = self.at(place)? else { continue };
            let linked = block.header.before == before && block.header.incarnation >= incarnation;
            if linked
                || planted!(LinksUnchecked, "recovery takes any whole block at the right place for the next")
            {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// So many bytes of a container; `None` where it has fewer, or is not there.
    fn bytes(&mut self, place: Lsn, length: u64) -> Result<Option<&[u8]>, LogError> {
        let (number, offset) = (place.container(), u64::from(place.block_offset()));
        let end = if number == self.until.container() {
            u64::from(self.until.block_offset())
        } else {
            self.container_size
        };
        let Some(container) = self.containers.get(&number) else { return Ok(None) };
        if offset + length > end {
            return Ok(None);
        }
        let inside = |window: &Window| {
            window.container == number
                && window.offset <= offset
                && offset + length <= window.offset + window.bytes.len() as u64
        };
        if !self.window.as_ref().is_some_and(inside) {
            let wanted = length.max(WINDOW).min(end - offset);
            let bytes = match container.read(offset, wanted as usize) {
                Err(_)
                    if planted!(
                        ReadErrorIsTheEnd,
                        "a container that cannot be read is taken for the end of the log"
                    ) =>
                {
                    return Ok(None);
                }
                read => read.map_err(|error| {
                    LogError::storage(self.call, LogStatus::LOG_CONTAINER_READ_FAILED, error)
                })?,
            };
            self.window = Some(Window { container: number, offset, bytes });
        }
        let window = self.window.as_ref();
        Ok(window.map(|window| {
            let from = (offset - window.offset) as usize;
            &window.bytes[from..from + length as usize]
        }))
    }

    /// Whether a block lies at the end of another, in the same container.
    pub(super) fn end_of(block: &Block) -> Lsn {
        let lsn = block.header.lsn;
        Lsn::of(lsn.container(), u64::from(lsn.block_offset()) + block.length, 0)
    }
}

/// How a block is named by the one after it.
pub(super) fn link_to(block: &Block) -> Link {
    Link { lsn: block.header.lsn, crc: block.crc }
}
