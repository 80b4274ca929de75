//! Fast registrations: a region put together of pages of logical address mappings, in the send queue.
//!
//! What a registration says is written at the post into one of a few places that were made with the entry,
//! and takes effect when the request is executed, by the one word of [`Changing`]. The place is free again
//! when the registration has ended.

use super::View;
use super::lam::PAGE_SIZE;
use super::region::{Access, Denied, Rights};
use crate::planted::planted;
use crate::ring::{Changing, Now};
use crate::sync::{AtomicU64, Ordering};
use crate::work::Key;

/// Registrations of one entry that are posted or in force at a time.
pub const PLACES: usize = 4;

/// What to register; the arithmetic has been judged.
#[derive(Clone, Copy, Debug)]
pub struct PageList<'a> {
    /// Logical addresses of pages, in order.
    pub pages: &'a [u64],
    /// Where in the first page the registration begins, in bytes.
    pub first_byte_offset: u32,
    /// Length in bytes.
    pub length: u64,
    /// Number of the first byte, as requests will give it.
    pub base: u64,
    /// What it grants.
    pub rights: Rights,
}

/// Why a registration could not be put into a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStaged {
    /// The entry is gone.
    Closed,
    /// More pages than it was made for.
    TooManyPages {
        /// What it was made for.
        max: usize,
    },
    /// All places hold registrations.
    NoPlace,
    /// Remote rights, for an entry that was made without.
    NoRemoteAccess,
}

#[derive(Debug)]
struct Place {
    /// Not 0: it holds a registration that is posted or in force.
    taken: AtomicU64,
    first_byte_offset: AtomicU64,
    length: AtomicU64,
    base: AtomicU64,
    rights: AtomicU64,
    /// How many pages there are.
    count: AtomicU64,
    pages: Box<[AtomicU64]>,
}

/// The entry of a fast-register region in the key table.
#[derive(Debug)]
pub(super) struct FastRegister {
    pub(super) changing: Changing,
    /// Whose mappings its pages come from.
    pub(super) adapter: u32,
    /// The peer may be given rights.
    remote: bool,
    places: [Place; PLACES],
}

impl FastRegister {
    pub(super) fn new(home: Key, adapter: u32, pages: usize, remote: bool) -> Self {
        let word = || AtomicU64::new(0);
        let place = |_| Place {
            taken: word(),
            first_byte_offset: word(),
            length: word(),
            base: word(),
            rights: word(),
            count: word(),
            pages: (0..pages).map(|_| word()).collect(),
        };
        Self {
            changing: Changing::new(home.generation()),
            adapter,
            remote,
            places: std::array::from_fn(place),
        }
    }

    /// Writes a registration into a free place; gives its number.
    pub(super) fn stage(&self, list: &PageList<'_>) -> Result<u8, NotStaged> {
        let max = self.places[0].pages.len();
        if list.pages.len() > max {
            return Err(NotStaged::TooManyPages { max });
        }
        let lax = planted!(RemoteAccessUnchecked, "a remote right is granted without RemoteAccess");
        if list.rights.is_remote() && !self.remote && !lax {
            return Err(NotStaged::NoRemoteAccess);
        }
        // Acquire: the place comes with the end of what it held. Relaxed for who does not get it.
        let take =
            |place: &Place| place.taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let number = self.places.iter().position(take).ok_or(NotStaged::NoPlace)?;
        self.places[number].write(list);
        Ok(number as u8)
    }

    /// The place of a registration that was not put in force, and is not.
    pub(super) fn unstage(&self, place: u8) {
        let now = self.changing.now();
        if !now.is_valid() || now.place() != usize::from(place) {
            self.free(place);
        }
    }

    fn free(&self, place: u8) {
        if let Some(place) = self.places.get(usize::from(place)) {
            place.taken.store(0, Ordering::Release); // pairs with `stage`: it is written after this
        }
    }

    /// Puts a place in force, if all its bytes are there; false: something is in force already.
    pub(super) fn enforce<'p>(
        &self,
        generation: u8,
        place: u8,
        logical: impl Fn(u64, usize) -> Result<View<'p>, Denied>,
    ) -> Result<bool, Denied> {
        let Some(held) = self.places.get(usize::from(place)) else { return Err(Denied::UnknownKey) };
        let length = held.length.load(Ordering::Relaxed); // written by the post, which came before
        held.resolve(0, length, logical)?;
        Ok(self.changing.enforce(generation, usize::from(place)))
    }

    /// What is in force under `key`; the home names it too, for this side.
    pub(super) fn in_force(&self, key: Key, home: Option<Key>) -> Option<Now> {
        let now = self.changing.now();
        let is_it = now.generation() == key.generation() || home == Some(key);
        (now.is_valid() && is_it).then_some(now)
    }

    /// Ends what is in force `now`; false: somebody else has.
    pub(super) fn end(&self, now: Now) -> bool {
        let ended = self.changing.end(now);
        if ended {
            self.free(now.place() as u8);
        }
        ended
    }

    /// A peer's message may end it.
    pub(super) fn is_remote(&self) -> bool {
        self.remote
    }

    /// The bytes from the first one on, as far as they lie together; all are checked.
    pub(super) fn check<'p>(
        &self,
        home: Key,
        pd: u32,
        access: Access,
        logical: impl Fn(u64, usize) -> Result<View<'p>, Denied>,
    ) -> Result<View<'p>, Denied> {
        let home = (!access.right.is_remote()).then_some(home);
        let now = self.in_force(access.key, home).ok_or(Denied::UnknownKey)?;
        if pd != access.party.pd {
            return Err(Denied::OtherProtectionDomain);
        }
        let found = self.places.get(now.place()).map(|place| place.check(access, logical));
        // What was read may be another registration's by now: then this one has ended.
        if self.changing.still(now) { found.ok_or(Denied::UnknownKey)? } else { Err(Denied::UnknownKey) }
    }
}

impl Place {
    fn write(&self, list: &PageList<'_>) {
        Changing::rewrite();
        let words = [
            (&self.first_byte_offset, u64::from(list.first_byte_offset)),
            (&self.length, list.length),
            (&self.base, list.base),
            (&self.rights, list.rights.bits().into()),
            (&self.count, list.pages.len() as u64),
        ];
        for (word, value) in words.into_iter().chain(self.pages.iter().zip(list.pages.iter().copied())) {
            word.store(value, Ordering::Relaxed); // published with the request, then by `Changing`
        }
    }

    fn check<'p>(
        &self,
        access: Access,
        logical: impl Fn(u64, usize) -> Result<View<'p>, Denied>,
    ) -> Result<View<'p>, Denied> {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed); // judged by `Changing::still`
        if !Rights::from_bits(load(&self.rights) as u8).contains(access.right) {
            return Err(Denied::MissingRight);
        }
        let (offset, length) = (access.address.wrapping_sub(load(&self.base)), load(&self.length));
        if offset > length || access.length as u64 > length - offset {
            return Err(Denied::OutOfRange);
        }
        self.resolve(offset, access.length as u64, logical)
    }

    /// Finds `length` bytes from `offset` on in their mappings; gives the first that lie together.
    fn resolve<'p>(
        &self,
        offset: u64,
        length: u64,
        logical: impl Fn(u64, usize) -> Result<View<'p>, Denied>,
    ) -> Result<View<'p>, Denied> {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed); // judged by `Changing::still`
        let pages = &self.pages[..self.pages.len().min(load(&self.count) as usize)];
        let mut at = load(&self.first_byte_offset).wrapping_add(offset);
        let end = at.checked_add(length).ok_or(Denied::OutOfRange)?;
        let last = (end.saturating_sub(1) / PAGE_SIZE) as usize;
        let mut first = None;
        while at < end {
            let page = (at / PAGE_SIZE) as usize;
            let address = pages.get(page).map(load).ok_or(Denied::OutOfRange)?;
            // Pages of the access only, however many the registration has.
            let after = pages[page + 1..].iter().take(last - page).map(load);
            let together = after.zip(1..).take_while(|(next, count)| follows(address, *next, *count));
            let run_end = ((page as u64 + 1 + together.count() as u64) * PAGE_SIZE).min(end);
            let view = logical(address + at % PAGE_SIZE, (run_end - at) as usize)?;
            first.get_or_insert(view);
            at = run_end;
        }
        Ok(first.unwrap_or(View::empty()))
    }
}

/// The page at `next` is the `count`th after the one at `address` in the same mapping.
fn follows(address: u64, next: u64, count: u64) -> bool {
    next == address.wrapping_add(count * PAGE_SIZE) && next >> 32 == address >> 32
}
