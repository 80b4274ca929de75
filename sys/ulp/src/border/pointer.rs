//! Pointers to memory of the caller.

use crate::mmio::MmioInfo;
use qpair::ulp::file::Lend;
use std::ffi::{CStr, c_char};
use std::fs::File;
use std::os::fd::FromRawFd as _;
use std::slice;

/// A structure of a header or a number: any bits are a valid one.
pub(crate) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for i32 {}
impl Plain for i64 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for usize {}
impl Plain for [u8; 8] {}

/// Where a structure or a number lies, to read and to write.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Out<T>(*mut T);

impl<T: Plain> Out<T> {
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// What the caller has put there; `None`: NULL.
    pub(crate) fn get(&self) -> Option<T> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not NULL, so by the header it points to a `T` that the caller has filled in and nobody
        // changes during the call. Any bits are a valid one (`Plain`), and it need not be aligned.
        Some(unsafe { self.0.read_unaligned() })
    }

    /// Writes there; at NULL nothing.
    pub(crate) fn put(&mut self, value: T) {
        if !self.0.is_null() {
            // SAFETY: not NULL, so by the header it points to room for a `T`, which is the callee's to write
            // during the call.
            unsafe { self.0.write_unaligned(value) }
        }
    }
}

impl<T> Out<T> {
    /// No place.
    pub(crate) const fn null() -> Self {
        Self(std::ptr::null_mut())
    }

    /// The same place, to be written when an operation completes that goes on.
    ///
    /// Only for parameters of which the header says that they stay until then.
    pub(crate) fn later(&self) -> Later<T> {
        Later(Self(self.0))
    }
}

/// A place that is written when an operation completes.
#[derive(Debug)]
pub(crate) struct Later<T>(Out<T>);

// SAFETY: by the header the place is the library's until the operation has completed, on whatever thread
// that is told.
unsafe impl<T: Send> Send for Later<T> {}

impl<T: Plain> Later<T> {
    pub(crate) fn put(&mut self, value: T) {
        self.0.put(value);
    }
}

/// An array to read, whose length another parameter says.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Array<T>(*const T);

impl<T: Plain> Array<T> {
    /// Its entries; `None`: there are to be some at NULL.
    pub(crate) fn entries(&self, count: u32) -> Option<Vec<T>> {
        if count > 0 && self.0.is_null() {
            return None;
        }
        let entry = |at: u32| {
            // SAFETY: not NULL; by the header it points to `count` entries, which nobody changes during the
            // call. Any bits are a valid one (`Plain`), and it need not be aligned.
            unsafe { self.0.add(at as usize).read_unaligned() }
        };
        Some((0..count).map(entry).collect())
    }
}

/// Bytes to read, whose length another parameter says.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Bytes(*const u8);

impl Bytes {
    /// Its bytes; `None`: there are to be some at NULL, or fewer than none.
    pub(crate) fn read(&self, length: impl TryInto<usize>) -> Option<&[u8]> {
        let length = length.try_into().ok()?;
        if length == 0 {
            return Some(&[]);
        }
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not NULL; by the header it points to `length` bytes, which nobody writes during the call.
        Some(unsafe { slice::from_raw_parts(self.0, length) })
    }
}

/// Room for bytes, whose length another parameter says.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Buffer(*mut u8);

impl Buffer {
    /// The room; `None`: there is to be some at NULL, or less than none.
    pub(crate) fn room(&mut self, length: impl TryInto<usize>) -> Option<&mut [u8]> {
        let length = length.try_into().ok()?;
        if length == 0 {
            return Some(&mut []);
        }
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not NULL; by the header it points to `length` bytes of the caller, which are the callee's
        // alone during the call. They come from outside of Rust, to which every byte there has some value.
        Some(unsafe { slice::from_raw_parts_mut(self.0, length) })
    }

    /// The same bytes, to be used where they lie until they are given back; `None`: as [`room`](Self::room).
    ///
    /// Only for parameters of which the header says that they stay.
    pub(crate) fn lend(&self, length: impl TryInto<usize>) -> Option<Lent> {
        let length = length.try_into().ok()?;
        (!self.0.is_null()).then_some(Lent { first: self.0, length })
    }
}

/// Memory of the caller that stays until it is given back.
#[derive(Debug)]
pub(crate) struct Lent {
    first: *mut u8,
    length: usize,
}

// SAFETY: the memory is the caller's and bound to no thread; by the header the caller does not touch it
// while a call on its file is under way, on whatever thread that is.
unsafe impl Send for Lent {}

impl Lend for Lent {
    fn bytes(&self) -> &[u8] {
        // SAFETY: not NULL (`Buffer::lend`); by the header `length` bytes stay there until the file is closed
        // or has another buffer, and nobody else touches them during a call. The slice lives no longer than
        // the borrow of `self`, which is one of the library within a call.
        unsafe { slice::from_raw_parts(self.first, self.length) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `&mut self` keeps other slices of this loan from living meanwhile.
        unsafe { slice::from_raw_parts_mut(self.first, self.length) }
    }
}

/// A string that ends with a zero.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Text(*const c_char);

impl Text {
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// The string; `None`: NULL, or not UTF-8.
    pub(crate) fn read(&self) -> Option<&str> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not NULL; by the header it is a string that ends with a zero, which nobody writes during
        // the call.
        unsafe { CStr::from_ptr(self.0) }.to_str().ok()
    }

    /// The string's bytes up to `most` or the zero, whichever is first; `None`: NULL.
    pub(crate) fn at_most(&self, most: usize) -> Option<Vec<u8>> {
        if self.0.is_null() {
            return None;
        }
        let byte = |at: usize| {
            // SAFETY: not NULL; by the header there are `most` bytes, or a zero before them, behind which
            // `take_while` asks for none.
            unsafe { self.0.add(at).cast::<u8>().read() }
        };
        Some((0..most).map(byte).take_while(|byte| *byte != 0).collect())
    }
}

impl Out<MmioInfo> {
    /// The buffer of the structure, to be used where it lies; `None`: there is none.
    pub(crate) fn buffer(&self) -> Option<Lent> {
        let info = self.get()?;
        let length = usize::try_from(info.buffer_size).ok().filter(|length| *length > 0)?;
        let first = std::ptr::with_exposed_provenance_mut::<u8>(info.buffer);
        (!first.is_null()).then_some(Lent { first, length })
    }

    /// The open file whose number the first word is; `None`: no file is open by that number.
    pub(crate) fn file(&self) -> Option<File> {
        let number = i32::try_from(self.get()?.words[0]).ok()?;
        // SAFETY: F_GETFD only asks; any number may be given.
        if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
            return None;
        }
        // SAFETY: a file is open by that number, and by the header the caller gives it to the handle that is
        // opened, or takes it back by MMIO_FHOPEN.
        Some(unsafe { File::from_raw_fd(number) })
    }
}
