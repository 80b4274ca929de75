//! The sentence about the last failure of a thread, for those whom a code does not say enough.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::fmt;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Keeps what went wrong; what is NUL in it is left out.
#[cold]
pub(crate) fn tell(what: impl fmt::Display) {
    let text: Vec<u8> = what.to_string().into_bytes().into_iter().filter(|byte| *byte != 0).collect();
    let text = CString::new(text).unwrap_or_default();
    LAST.with(|last| *last.borrow_mut() = text);
}

/// The last failure of the calling thread, as one sentence; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn qpair_ulp_last_error() -> *const c_char {
    LAST.with(|last| last.borrow().as_ptr())
}
