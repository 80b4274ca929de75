//! Pointers to memory of the caller.

use super::{Argument, Refused, Wrong};
use crate::abi::{LogicalAddressMapping, Mdl};
use qpair::ndk::Sge;
use std::ffi::{CStr, c_char};
use std::slice;

/// Where a result goes, perhaps with a value to begin with; a structure of the header, or a number.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T: Copy> Out<T> {
    /// The place; refused if it is NULL or not aligned.
    pub(crate) fn required(&mut self, argument: Argument) -> Result<Place<'_, T>, Refused> {
        if !self.0.is_aligned() {
            return Err(argument.is(Wrong::Misaligned));
        }
        self.optional().ok_or_else(|| argument.is(Wrong::Null))
    }

    /// The same place, to be written when a request completes that pends.
    ///
    /// Only for parameters of which the header says that they stay until then.
    pub(crate) fn later(&self) -> Later<T> {
        Later(Self(self.0))
    }

    /// The place, unless it is NULL; what is not aligned is written all the same.
    pub(crate) fn optional(&mut self) -> Option<Place<'_, T>> {
        (!self.0.is_null()).then_some(Place(self))
    }
}

/// A place that is written when a request completes.
#[derive(Debug)]
pub(crate) struct Later<T>(Out<T>);

// SAFETY: the place is the provider's until the request has completed, on whatever thread that is.
unsafe impl<T: Send> Send for Later<T> {}

impl<T> Later<T> {
    pub(crate) fn into_inner(self) -> Out<T> {
        self.0
    }
}

/// A place of the caller.
#[derive(Debug)]
pub(crate) struct Place<'a, T>(&'a mut Out<T>);

impl<T: Copy> Place<'_, T> {
    pub(crate) fn put(&mut self, value: T) {
        // SAFETY: not NULL, so by the header it points to room for a `T`, which is the callee's to write
        // during the call.
        unsafe { self.0.0.write_unaligned(value) }
    }

    /// What the caller has put there.
    pub(crate) fn get(&self) -> T {
        // SAFETY: as in `put`; where the header says in and out, the caller has written it.
        unsafe { self.0.0.read_unaligned() }
    }
}

impl Out<LogicalAddressMapping> {
    /// Writes a mapping with its pages; there is room for all of them, as the caller has found.
    ///
    /// # Panics
    /// If it is NULL.
    pub(crate) fn put_mapping(&mut self, head: LogicalAddressMapping, pages: &[u64]) {
        assert!(!self.0.is_null(), "checked by the caller");
        // SAFETY: not NULL; by the header it has room for as many bytes as the size parameter says, which
        // `lam` has compared with what `head` and `pages` take. They are the provider's until the build is
        // complete.
        unsafe {
            self.0.write_unaligned(head);
            let first = self.0.add(1).cast::<u8>();
            first.copy_from_nonoverlapping(pages.as_ptr().cast(), size_of_val(pages));
        }
    }
}

impl Out<Mdl> {
    /// Calls `see` with each piece of the chain, the first one first, for as long as it says so.
    pub(crate) fn walk(
        &mut self,
        argument: Argument,
        mut see: impl FnMut(Mdl) -> bool,
    ) -> Result<(), Refused> {
        let mut piece = self.required(argument)?.get();
        while see(piece) && !piece.next.is_null() {
            // SAFETY: not NULL, so by the header it points to the next description of the chain, which nobody
            // changes during the call.
            piece = unsafe { piece.next.read_unaligned() };
        }
        Ok(())
    }
}

/// An array to read.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Array<T>(*const T);

/// An array of scatter/gather entries.
pub(crate) type Sgl = Array<Sge>;
/// An array of logical addresses.
pub(crate) type Pages = Array<u64>;

/// What an array of C may hold: structures of numbers, so that any bits are a valid one.
pub(crate) trait Plain: Copy {}
/// Laid out as NDK_SGE (asserted in `abi`).
impl Plain for Sge {}
/// Laid out as NDK_LOGICAL_ADDRESS.
impl Plain for u64 {}

impl<T: Plain> Array<T> {
    /// Its `count` entries; NULL is none.
    #[inline]
    pub(crate) fn entries(&self, count: u32, argument: Argument) -> Result<&[T], Refused> {
        if count == 0 {
            return Ok(&[]);
        }
        if self.0.is_null() {
            return Err(argument.is(Wrong::Null));
        }
        if !self.0.is_aligned() {
            return Err(argument.is(Wrong::Misaligned));
        }
        // SAFETY: not NULL and aligned; by the header it points to `count` entries, which nobody changes
        // during the call. Any bits are a valid entry (`Plain`).
        Ok(unsafe { slice::from_raw_parts(self.0, count as usize) })
    }
}

/// Inline bytes that are put together in one piece; more are refused by every queue pair.
const INLINE: usize = 256;

impl Sgl {
    /// Gives `post` the bytes that the entries name, for a request with the INLINE flag.
    ///
    /// The entries are as many as the caller likes (their number is not bounded by MaxInitiatorRequestSge),
    /// so their bytes go to the stack first.
    pub(crate) fn inline_bytes<R>(
        &self,
        count: u32,
        argument: Argument,
        post: impl FnOnce(&[&[u8]]) -> R,
    ) -> Result<R, Refused> {
        let entries = self.entries(count, argument)?;
        let (mut together, mut length) = ([0; INLINE], 0);
        for entry in entries {
            let bytes = plain_memory(entry, argument)?;
            let Some(place) = together.get_mut(length..).and_then(|rest| rest.get_mut(..bytes.len())) else {
                return Self::too_many(entries, argument).map(|pieces| post(&pieces));
            };
            place.copy_from_slice(bytes);
            length += bytes.len();
        }
        Ok(post(&[&together[..length]]))
    }

    /// The pieces as they are, for a request that will be refused with their true length.
    #[cold]
    fn too_many(entries: &[Sge], argument: Argument) -> Result<Vec<&[u8]>, Refused> {
        entries.iter().map(|entry| plain_memory(entry, argument)).collect()
    }
}

/// The bytes that an entry of a request with the INLINE flag names.
fn plain_memory(entry: &Sge, argument: Argument) -> Result<&[u8], Refused> {
    if entry.length == 0 {
        return Ok(&[]);
    }
    if entry.address == 0 {
        return Err(
            argument.is(Wrong::Other("an array with an entry at NULL; give the address of its bytes"))
        );
    }
    let first = std::ptr::with_exposed_provenance(entry.address as usize);
    // SAFETY: not NULL; by the header an entry of such a request names plain memory, which nobody writes
    // during the call. Only this file reads entries so, and only those of an `Sgl`, which came from C.
    Ok(unsafe { slice::from_raw_parts(first, entry.length as usize) })
}

/// Bytes to read.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Bytes(*const u8);

impl Bytes {
    /// Its `length` bytes; NULL is none.
    pub(crate) fn read(&self, length: u32, argument: Argument) -> Result<&[u8], Refused> {
        if length == 0 {
            return Ok(&[]);
        }
        if self.0.is_null() {
            return Err(argument.is(Wrong::Null));
        }
        // SAFETY: not NULL; by the header it points to `length` bytes, which nobody writes during the call.
        Ok(unsafe { slice::from_raw_parts(self.0, length as usize) })
    }
}

/// Room for bytes, whose length another parameter says.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Buffer(*mut u8);

impl Buffer {
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Copies `bytes` to its beginning, where there is room for `room` bytes.
    ///
    /// # Panics
    /// If it is NULL, or `bytes` are more.
    pub(crate) fn fill(&mut self, room: u32, bytes: &[u8]) {
        assert!(!self.0.is_null() && bytes.len() <= room as usize, "checked by the caller");
        // SAFETY: not NULL; by the header it has room for `room` bytes, which are the callee's to write
        // during the call, so that `bytes`, of this library, do not overlap them.
        unsafe { self.0.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }
}

/// An array for results.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Results<T>(*mut T);

impl<T: Copy> Results<T> {
    /// Room for `count` results; refused if there is to be some at NULL.
    #[inline]
    pub(crate) fn room(&mut self, count: u32, argument: Argument) -> Result<Room<'_, T>, Refused> {
        if count != 0 && self.0.is_null() {
            return Err(argument.is(Wrong::Null));
        }
        Ok(Room { next: self, left: count as usize, taken: 0 })
    }
}

/// Room of the caller for results.
#[derive(Debug)]
pub(crate) struct Room<'a, T> {
    next: &'a mut Results<T>,
    left: usize,
    taken: u32,
}

impl<T: Copy> Room<'_, T> {
    /// Results that still fit.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Results put there.
    #[inline]
    pub(crate) fn taken(&self) -> u32 {
        self.taken
    }

    /// Puts a result behind those already there.
    ///
    /// # Panics
    /// If there is no room.
    #[inline]
    pub(crate) fn push(&mut self, result: T) {
        assert!(self.left != 0, "no more completions are polled than there is room for");
        // SAFETY: not NULL and, by the count of the caller, with room for this one, which is the callee's to
        // write during the call.
        unsafe {
            self.next.0.write_unaligned(result);
            self.next.0 = self.next.0.add(1);
        }
        self.left -= 1;
        self.taken += 1;
    }
}

/// A string that ends with a zero.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    /// The string; refused if it is NULL or not UTF-8.
    pub(crate) fn read(&self, argument: Argument) -> Result<&str, Refused> {
        if self.0.is_null() {
            return Err(argument.is(Wrong::Null));
        }
        // SAFETY: not NULL; by the header it is a string that ends with a zero, which nobody writes during
        // the call.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str().map_err(|_| argument.is(Wrong::Other("not UTF-8; write the name in ASCII")))
    }
}
