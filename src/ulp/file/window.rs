//! The buffer: a window on the file, its cursors, and what of it the file lacks. No input, no output.

use super::{Code, Lend};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The bytes of a buffer, whoever has them.
pub(super) enum Bytes {
    /// This library, or the caller who gave them away.
    Own(Vec<u8>),
    /// The caller.
    Lent(Box<dyn Lend>),
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Own(bytes)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(owner) => owner.bytes(),
        }
    }
}

impl DerefMut for Bytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(owner) => owner.bytes_mut(),
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// A window on a file from `offset` on.
///
/// Places count from its beginning, and none is beyond the last byte. What is below `valid` was the file's
/// when it was clean last; what is below `dirty_end` must be written back while it is dirty.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) bytes: Bytes,
    pub(super) own: bool,
    pub(super) offset: i64,
    pub(super) next: usize,
    pub(super) end_read: usize,
    pub(super) end_write: usize,
    valid: usize,
    dirty: bool,
    dirty_end: usize,
}

impl Window {
    /// An empty window at that position.
    pub(super) fn new(bytes: impl Into<Bytes>, own: bool, offset: i64) -> Self {
        let bytes = bytes.into();
        let end_write = bytes.len();
        let (next, end_read, valid, dirty, dirty_end) = (0, 0, 0, false, 0);
        Self { bytes, own, offset, next, end_read, end_write, valid, dirty, dirty_end }
    }

    /// The position in the file; no further than can be said, which no procedure reaches.
    pub(super) fn position(&self) -> i64 {
        self.offset.saturating_add(self.next as i64)
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// What the file lacks.
    pub(super) fn lacking(&self) -> &[u8] {
        &self.bytes[..if self.dirty { self.dirty_end } else { 0 }]
    }

    /// The file has it all now, or never will.
    pub(super) fn clean(&mut self) {
        self.valid = self.valid();
        (self.dirty, self.dirty_end) = (false, 0);
    }

    /// Where what is the file's, or will be, ends.
    fn valid(&self) -> usize {
        self.valid.max(self.dirty_end)
    }

    /// Copies what can be read; the count.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.end_read.saturating_sub(self.next));
        into[..count].copy_from_slice(&self.bytes[self.next..self.next + count]);
        self.next += count;
        count
    }

    /// Copies in what has room; the count.
    pub(super) fn write(&mut self, from: &[u8]) -> usize {
        let count = from.len().min(self.end_write.saturating_sub(self.next));
        let all = self.write_all(&from[..count]);
        debug_assert!(all || count == 0, "no more than there is room for");
        count
    }

    /// Copies all of it in, or nothing; false: there is less room.
    #[inline]
    pub(super) fn write_all(&mut self, from: &[u8]) -> bool {
        let end = self.next + from.len();
        if end > self.end_write {
            return false;
        }
        self.bytes[self.next..end].copy_from_slice(from);
        self.next = end;
        if !from.is_empty() {
            self.wrote();
        }
        true
    }

    /// Everything below `next` must be written back.
    #[inline]
    fn wrote(&mut self) {
        self.dirty = true;
        self.dirty_end = self.dirty_end.max(self.next);
    }

    /// Moves inside of what is valid; false: the position is elsewhere.
    pub(super) fn move_to(&mut self, position: i64) -> bool {
        match position.checked_sub(self.offset).and_then(|place| usize::try_from(place).ok()) {
            Some(place) if place <= self.valid() => {
                self.next = place;
                true
            }
            _ => false,
        }
    }

    /// Has nothing, at that position.
    pub(super) fn empty_at(&mut self, position: i64) {
        let bytes = std::mem::take(&mut self.bytes);
        *self = Self::new(bytes, self.own, position);
    }

    /// Holds `count` bytes that were read from that position.
    pub(super) fn filled(&mut self, position: i64, count: usize) {
        self.empty_at(position);
        (self.end_read, self.valid) = (count, count);
    }

    /// What direct access says; false, and nothing changed: it leaves the buffer.
    pub(super) fn set(&mut self, next: usize, end_read: usize, end_write: usize, dirty: bool) -> bool {
        let length = self.bytes.len();
        if next > length || end_read > length || end_write > length {
            return false;
        }
        (self.next, self.end_read, self.end_write) = (next, end_read, end_write);
        self.valid = self.valid.max(end_read);
        if dirty {
            self.wrote();
        } else {
            self.clean();
        }
        true
    }

    /// The position behind what was read.
    pub(super) fn end_of_read(&self) -> i64 {
        self.offset.saturating_add(self.end_read.max(self.dirty_end) as i64)
    }

    /// Of a memory file: has room for so many bytes, all of which can be written.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`, and nothing changed.
    pub(super) fn grow_to(&mut self, size: usize) -> Result<(), Code> {
        let Bytes::Own(bytes) = &mut self.bytes else { return Err(Code::OUT_OF_MEMORY) };
        let more = size.saturating_sub(bytes.len());
        bytes.try_reserve_exact(more).map_err(|_| Code::OUT_OF_MEMORY)?;
        bytes.resize(bytes.len() + more, 0);
        self.end_write = self.bytes.len();
        Ok(())
    }
}
