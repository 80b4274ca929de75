//! Why a call was refused: as a status for C, and as a sentence for `NdkLastError`.

use crate::abi::NtStatus;
use qpair::ndk::{Error, PostError, Status};
use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::fmt;

/// A function of the header, by its name there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call(pub(crate) &'static str);

impl Call {
    /// Its parameter of that place, counted from 1, and name.
    pub(crate) const fn argument(self, place: u8, name: &'static str) -> Argument {
        Argument { call: self, place, name }
    }

    /// The refusal of a call that this version of the library does not carry out.
    #[cold]
    pub(crate) fn unsupported(self, text: &'static str) -> Refused {
        Refused::Call(self, Status::NOT_SUPPORTED, text)
    }
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    call: Call,
    place: u8,
    name: &'static str,
}

impl Argument {
    /// The refusal that says what is wrong with it.
    #[cold]
    pub(crate) fn is(self, wrong: Wrong) -> Refused {
        Refused::Argument(self, wrong)
    }
}

/// What is wrong with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Null,
    Misaligned,
    /// Not marked as one of our objects.
    NotAnObject,
    /// An object of this library, but of another kind.
    OtherKind,
    /// Its close has been called.
    Closed,
    /// What it is, and what to do, as a clause.
    Other(&'static str),
    /// The same, where NDK names STATUS_INVALID_PARAMETER without a number.
    Rule(&'static str),
}

impl Wrong {
    fn text(self) -> &'static str {
        match self {
            Self::Null => "NULL; give what the header asks for",
            Self::Misaligned => "not aligned; give the address of a structure of the header's type",
            Self::NotAnObject => {
                "not an object of this library; give one that a create call or callback gave"
            }
            Self::OtherKind => "an object of another kind; give one of the type of the parameter",
            Self::Closed => "closed; its close has been called, and no call may follow",
            Self::Other(text) | Self::Rule(text) => text,
        }
    }
}

/// Why a call was refused.
pub(crate) enum Refused {
    /// Here, for a parameter.
    Argument(Argument, Wrong),
    /// Here, for a reason of its own.
    Call(Call, Status, &'static str),
    /// By the Rust face.
    Control(Error),
    /// By the Rust face, for a request.
    Post(PostError),
}

impl Refused {
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Argument(_, Wrong::NotAnObject | Wrong::Closed) => Status::INVALID_HANDLE,
            Self::Argument(_, Wrong::Rule(_)) => Status::INVALID_PARAMETER,
            Self::Argument(argument, _) => {
                Status(Status::INVALID_PARAMETER_1.0 + u32::from(argument.place) - 1)
            }
            Self::Call(_, status, _) => *status,
            Self::Control(error) => error.status(),
            Self::Post(error) => error.status(),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Control(error)
    }
}

impl From<PostError> for Refused {
    fn from(error: PostError) -> Self {
        Self::Post(error)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(Argument { call, place, name }, wrong) => {
                let (status, text) = (self.status(), wrong.text());
                write!(f, "{} failed with {status}: parameter {place}, {name}, is {text}", call.0)
            }
            Self::Call(call, status, text) => write!(f, "{} failed with {status}: {text}", call.0),
            Self::Control(error) => error.fmt(f),
            Self::Post(error) => error.fmt(f),
        }
    }
}

/// What a thread remembers for `NdkLastError`.
struct Last {
    refused: Option<Refused>,
    /// The text that was given out.
    text: CString,
}

thread_local! {
    static LAST: RefCell<Last> = RefCell::new(Last { refused: None, text: CString::default() });
}

/// Keeps why the present call of this thread failed, and gives its status.
#[cold]
pub(crate) fn tell(refused: Refused) -> NtStatus {
    let status = refused.status();
    // A thread that ends has nobody left to ask. What it remembered before is dropped after the borrow.
    let earlier = LAST.try_with(|last| last.borrow_mut().refused.replace(refused));
    drop(earlier);
    status.into()
}

/// The status of a call, with the reason kept if it failed.
#[inline]
pub(crate) fn told(result: Result<NtStatus, Refused>) -> NtStatus {
    result.unwrap_or_else(tell)
}

/// What a call without a status gives: its result, or nothing if it is refused, with the reason kept.
#[inline]
pub(crate) fn given<R: Default>(result: Result<R, Refused>) -> R {
    result.unwrap_or_else(|refused| {
        tell(refused); // nobody else can be told
        R::default()
    })
}

/// The sentence about the last failure of this thread; empty if there was none.
pub(crate) fn last_error() -> *const std::ffi::c_char {
    let text = LAST.try_with(|last| {
        let last = &mut *last.borrow_mut();
        let sentence = last.refused.as_ref().map(Refused::to_string).unwrap_or_default();
        // A name that C passed has no NUL inside, and nothing else in a sentence has one.
        last.text = CString::new(sentence).unwrap_or_default();
        last.text.as_ptr()
    });
    text.unwrap_or(CStr::as_ptr(c""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_has_a_status_by_its_place() {
        let argument = Call("NdkCreateQp").argument(12, "ppNdkQp");
        assert_eq!(argument.is(Wrong::Null).status(), Status(0xC000_00FA));
        let argument = Call("NdkSend").argument(1, "pNdkQp");
        assert_eq!(argument.is(Wrong::OtherKind).status(), Status::INVALID_PARAMETER_1);
        assert_eq!(argument.is(Wrong::Closed).status(), Status::INVALID_HANDLE);
    }

    #[test]
    fn the_last_failure_is_told_as_a_sentence() {
        let refused = Call("NdkSend").argument(3, "pSgl").is(Wrong::Null);
        assert_eq!(
            refused.to_string(),
            "NdkSend failed with STATUS_INVALID_PARAMETER_3 (0xC00000F1): parameter 3, pSgl, is NULL; give what \
             the header asks for"
        );
        assert_eq!(tell(refused), NtStatus::from(Status::INVALID_PARAMETER_3));
        // SAFETY: the text stands until the next call of `last_error` in this thread.
        let text = unsafe { CStr::from_ptr(last_error()) };
        assert!(text.to_str().unwrap().contains("pSgl"));
    }
}
