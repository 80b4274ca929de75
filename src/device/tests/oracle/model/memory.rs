//! The memory of the model: who may touch which bytes, and what they hold.

use super::{Detail, Ended, Entry, FlushPlacement, KeyOf, MEMORY, Model, Payload, Status};
use crate::memory::Denied;

/// What is done with bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    LocalRead,
    LocalWrite,
    RemoteRead,
    RemoteWrite,
    Atomic,
}

impl Access {
    /// The bit of the right that it needs.
    pub(super) fn right(self) -> u8 {
        [0, 1, 2, 4, 8][self as usize]
    }

    pub(super) fn is_local(self) -> bool {
        matches!(self, Self::LocalRead | Self::LocalWrite)
    }
}

/// Memory and keys.
impl Model {
    pub(super) fn check(
        &self,
        end: usize,
        entry: Entry,
        access: Access,
    ) -> Result<std::ops::Range<usize>, Denied> {
        let Entry { key, offset, length } = entry;
        match key {
            _ if length == 0 => return Ok(0..0),
            KeyOf::Unknown => return Err(Denied::UnknownKey),
            KeyOf::Doomed if self.ends[end].doomed => return Err(Denied::UnknownKey),
            KeyOf::Foreign => return Err(Denied::OtherProtectionDomain),
            KeyOf::ReadOnly if access != Access::LocalRead => return Err(Denied::MissingRight),
            KeyOf::Window(count) => self.check_window(end, count, entry, access)?,
            KeyOf::Listed(count) => self.check_listed(end, count, entry, access)?,
            KeyOf::Whole | KeyOf::Doomed | KeyOf::ReadOnly => {}
        }
        let range = offset as usize..offset as usize + length as usize;
        if range.end > MEMORY { Err(Denied::OutOfRange) } else { Ok(range) }
    }

    pub(super) fn bytes(&self, end: usize, entry: Entry, access: Access) -> Result<Vec<u8>, Denied> {
        Ok(self.ends[end].memory[self.check(end, entry, access)?].to_vec())
    }

    pub(super) fn gather(&self, end: usize, payload: &Payload) -> Result<Vec<u8>, Denied> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Sgl(sgl) => {
                let parts: Result<Vec<_>, _> =
                    sgl.iter().map(|entry| self.bytes(end, *entry, Access::LocalRead)).collect();
                parts.map(|parts| parts.concat())
            }
        }
    }

    /// Where the bytes of entries that are written lie.
    pub(super) fn places(&self, end: usize, sgl: &[Entry], access: Access) -> Result<Vec<usize>, Denied> {
        let parts: Result<Vec<_>, _> = sgl.iter().map(|entry| self.check(end, *entry, access)).collect();
        parts.map(|parts| parts.into_iter().flatten().collect())
    }

    pub(super) fn put(&mut self, end: usize, places: &[usize], data: &[u8]) {
        for (place, byte) in places.iter().zip(data) {
            self.ends[end].memory[*place] = *byte;
        }
    }

    pub(super) fn atomic_write(&mut self, end: usize, at: u64, key: KeyOf, value: u64) -> Ended {
        let word = Entry { key, offset: at, length: 8 };
        let word = self.places(1 - end, &[word], Access::RemoteWrite);
        let word = word.map_err(|denied| (Status::RemoteAccess, denied.detail()))?;
        if at % 8 != 0 {
            return Err((Status::RemoteInvalidRequest, Detail::Misaligned));
        }
        self.put(1 - end, &word, &value.to_ne_bytes());
        Ok(8)
    }

    /// A flush of memory that nothing makes persistent; `range` is `None` for the whole region.
    pub(super) fn flush(
        &self,
        end: usize,
        key: KeyOf,
        range: Option<(u64, u32)>,
        placement: FlushPlacement,
    ) -> Ended {
        let denied = match key {
            _ if placement == FlushPlacement(0) => return Err((Status::RemoteInvalidRequest, Detail::None)),
            KeyOf::Unknown | KeyOf::Window(_) | KeyOf::Listed(_) => Denied::UnknownKey,
            KeyOf::Doomed if self.ends[1 - end].doomed => Denied::UnknownKey,
            KeyOf::Foreign => Denied::OtherProtectionDomain,
            KeyOf::Doomed if placement == FlushPlacement::GLOBAL => match range {
                Some((from, length)) if length > 0 && from + u64::from(length) > MEMORY as u64 => {
                    Denied::OutOfRange
                }
                _ => return Ok(0),
            },
            KeyOf::Whole | KeyOf::ReadOnly | KeyOf::Doomed => Denied::MissingRight,
        };
        Err((Status::RemoteAccess, denied.detail()))
    }

    pub(super) fn invalidate(&mut self, end: usize, key: KeyOf) -> Result<(), Denied> {
        match key {
            KeyOf::Unknown => Err(Denied::UnknownKey),
            KeyOf::Doomed if self.ends[end].doomed => Err(Denied::UnknownKey),
            KeyOf::Foreign => Err(Denied::OtherProtectionDomain),
            KeyOf::Whole | KeyOf::ReadOnly => Err(Denied::MissingRight),
            KeyOf::Doomed => {
                self.ends[end].doomed = true;
                Ok(())
            }
            KeyOf::Window(count) => self.ends[end].keyed.unbind(count),
            KeyOf::Listed(count) => self.ends[end].keyed.unlist(count),
        }
    }
}
