//! The memory of the model: who may touch which bytes, and what they hold.

use super::{Entry, KeyOf, MEMORY, Model, Payload};
use crate::memory::Denied;

/// Memory and keys.
impl Model {
    pub(super) fn check(
        &self,
        end: usize,
        entry: Entry,
        any_right: bool,
    ) -> Result<std::ops::Range<usize>, Denied> {
        let Entry { key, offset, length } = entry;
        match key {
            _ if length == 0 => return Ok(0..0),
            KeyOf::Unknown => return Err(Denied::UnknownKey),
            KeyOf::Doomed if self.ends[end].doomed => return Err(Denied::UnknownKey),
            KeyOf::Foreign => return Err(Denied::OtherProtectionDomain),
            KeyOf::ReadOnly if !any_right => return Err(Denied::MissingRight),
            KeyOf::Whole | KeyOf::Doomed | KeyOf::ReadOnly => {}
        }
        let range = offset as usize..offset as usize + length as usize;
        if range.end > MEMORY { Err(Denied::OutOfRange) } else { Ok(range) }
    }

    pub(super) fn bytes(&self, end: usize, entry: Entry, lacks_right: bool) -> Result<Vec<u8>, Denied> {
        Ok(self.ends[end].memory[self.check(end, entry, !lacks_right)?].to_vec())
    }

    pub(super) fn gather(&self, end: usize, payload: &Payload) -> Result<Vec<u8>, Denied> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes.clone()),
            Payload::Sgl(sgl) => {
                let parts: Result<Vec<_>, _> =
                    sgl.iter().map(|entry| self.bytes(end, *entry, false)).collect();
                parts.map(|parts| parts.concat())
            }
        }
    }

    /// Where the bytes of entries that are written lie.
    pub(super) fn places(&self, end: usize, sgl: &[Entry]) -> Result<Vec<usize>, Denied> {
        let parts: Result<Vec<_>, _> = sgl.iter().map(|entry| self.check(end, *entry, false)).collect();
        parts.map(|parts| parts.into_iter().flatten().collect())
    }

    pub(super) fn put(&mut self, end: usize, places: &[usize], data: &[u8]) {
        for (place, byte) in places.iter().zip(data) {
            self.ends[end].memory[*place] = *byte;
        }
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
        }
    }
}
