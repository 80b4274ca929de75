//! Logical address mappings: memory under page-aligned numbers that are handles, never pointers.
//!
//! A logical address holds the key of its mapping in the upper half, and below it the page and the byte in
//! it; so it is checked like a key, and one that is guessed or stale meets an error. Only two things take
//! one: an entry under the privileged token, and the page list of a fast registration.

use super::keys::{Deregistering, KeyTable};
use super::owner::{Held, Memory};
use super::region::{Denied, Kind, Region};
use super::{RegisterError, View};
use crate::ring::{Pin, TableFull};
use crate::sync::Arc;
use crate::work::Key;

/// Bytes of a page, of logical addresses and of fast registrations.
pub const PAGE_SIZE: u64 = 4096;

/// Bytes of the pages of one mapping at most: what the lower half of a logical address can number.
pub const LAM_MAX: usize = 1 << 32;

/// A mapping that was built.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// What names it in [`KeyTable::close`].
    pub home: Key,
    /// Logical address of the first page; the others follow.
    pub first_page: u64,
    /// Pages in all.
    pub count: u32,
    /// Where in the first page the first byte is.
    pub first_byte_offset: u32,
}

impl KeyTable {
    /// Gives all bytes of `memory` logical addresses for that adapter. Control: locks and allocates.
    ///
    /// The mapping holds a share in the memory until its close is finished.
    ///
    /// # Errors
    /// More than [`LAM_MAX`] bytes of pages, or all keys are taken; nothing was mapped.
    pub fn build_lam(&self, memory: &Arc<Memory>, adapter: u32) -> Result<Mapping, RegisterError> {
        let length = memory.len();
        let first_byte_offset = memory.view().as_ptr().addr() % PAGE_SIZE as usize;
        if length > LAM_MAX - first_byte_offset {
            return Err(RegisterError::OutsideOfMemory {
                range: 0..length,
                length: LAM_MAX - first_byte_offset,
            });
        }
        let bytes = Held::new(Arc::clone(memory), 0..length)
            .map_err(|memory| RegisterError::OutsideOfMemory { range: 0..length, length: memory.len() })?;
        let mut home = Key::default();
        self.regions().insert(|index, generation| {
            home = Key::new(index, generation);
            let base = first_page(home) + first_byte_offset as u64;
            Region::other(home, 0, base, bytes, Kind::Lam { adapter })
        })?;
        let count = (first_byte_offset + length).div_ceil(PAGE_SIZE as usize) as u32;
        let first_byte_offset = first_byte_offset as u32;
        Ok(Mapping { home, first_page: first_page(home), count, first_byte_offset })
    }

    /// The token under which requests of a domain name logical addresses of an adapter. Control.
    ///
    /// # Errors
    /// All keys are taken.
    pub fn create_privileged(&self, pd: u32, adapter: u32) -> Result<Key, TableFull> {
        self.create_other(pd, |_| Kind::Privileged { adapter })
    }

    /// The bytes at a logical address of that adapter.
    pub(super) fn logical<'p>(
        &'p self,
        pin: &'p Pin<'_>,
        adapter: u32,
        address: u64,
        length: usize,
    ) -> Result<View<'p>, Denied> {
        let home = Key((address >> 32) as u32);
        let region = self.regions().get(pin, home.index()).ok_or(Denied::UnknownKey)?;
        match region.kind_at(home) {
            Some(Kind::Lam { adapter: of }) if *of == adapter => region.part(address, length),
            _ => Err(Denied::UnknownKey),
        }
    }

    /// An entry without memory of its own.
    pub(super) fn create_other(&self, pd: u32, kind: impl FnOnce(Key) -> Kind) -> Result<Key, TableFull> {
        let nothing = Held::new(Arc::clone(self.nothing()), 0..0).expect("no bytes are part of any memory");
        let mut home = Key::default();
        self.regions().insert(|index, generation| {
            home = Key::new(index, generation);
            Region::other(home, pd, 0, nothing, kind(home))
        })?;
        Ok(home)
    }

    /// Refuses a mapping, privileged token, window or fast-register entry from now on. Control: locks.
    ///
    /// Also the region whose close waited for this window, which was its last. `None`: nothing has that home.
    pub fn close(&self, home: Key) -> Option<(Deregistering, Option<Key>)> {
        self.removing(home.index(), |pin, region| {
            let (latest, unbound) = match region.kind_at(home)? {
                Kind::Lam { .. } | Kind::Privileged { .. } => (home, None),
                Kind::Window(window) => {
                    let bound = window.close().filter(|region| self.untie(pin, *region));
                    (window.changing.latest(), bound)
                }
                Kind::FastRegister(entry) => {
                    entry.changing.close();
                    (entry.changing.latest(), None)
                }
            };
            self.regions().set_generation(home.index(), latest.generation());
            Some(unbound)
        })
    }
}

fn first_page(home: Key) -> u64 {
    u64::from(home.0) << 32
}
