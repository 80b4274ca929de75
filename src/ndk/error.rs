//! What a failed call tells: which call, which argument, what was got, the limit, and what to do.
//!
//! Two forms. [`Error`] is for control calls and may own text; [`PostError`] is for the calls that post work:
//! it is small, `Copy`, and is made without touching memory.

use super::Status;
use crate::device::callbacks::InCallback;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Why a control call failed.
///
/// One word in size. `Display` is one sentence; the getters give its parts.
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    call: &'static str,
    status: Status,
    argument: Option<&'static str>,
    got: Option<String>,
    limit: Option<String>,
    hint: Option<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `call` failed with `status`; `call` is NDK's name, "NdkCreateCq" say.
    pub(crate) fn new(call: &'static str, status: Status) -> Self {
        let (argument, got, limit, hint, source) = (None, None, None, None, None);
        Self(Box::new(Parts { call, status, argument, got, limit, hint, source }))
    }

    /// Adds the argument that is wrong, and its value.
    pub(crate) fn with_argument(mut self, argument: &'static str, got: impl fmt::Display) -> Self {
        self.0.argument = Some(argument);
        self.0.got = Some(got.to_string());
        self
    }

    /// Adds what the argument may be at most, or what it should have been.
    pub(crate) fn with_limit(mut self, limit: impl fmt::Display) -> Self {
        self.0.limit = Some(limit.to_string());
        self
    }

    /// Adds what the caller can do: a clause in the imperative, without a full stop.
    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the refusal of the system that is behind it.
    pub(crate) fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// `call` would have waited inside a callback.
    pub(crate) fn in_callback(call: &'static str, refused: InCallback) -> Self {
        Self::new(call, Status::INVALID_DEVICE_REQUEST)
            .with_hint("give the request a callback with `then`, or wait on another thread")
            .with_source(refused)
    }

    /// The NTSTATUS.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// The call that failed, by NDK's name where it has one.
    pub fn call(&self) -> &'static str {
        self.0.call
    }

    /// The argument that is wrong, by NDK's name, if it was an argument.
    pub fn argument(&self) -> Option<&'static str> {
        self.0.argument
    }

    /// The value that was given.
    pub fn got(&self) -> Option<&str> {
        self.0.got.as_deref()
    }

    /// The largest value allowed, or what was expected.
    pub fn limit(&self) -> Option<&str> {
        self.0.limit.as_deref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed with {}", self.0.call, self.0.status)?;
        if let (Some(argument), Some(got)) = (self.0.argument, &self.0.got) {
            write!(f, ": {argument} is {got}")?;
        }
        if let Some(limit) = &self.0.limit {
            write!(f, ", the limit is {limit}")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self}")?;
        if let Some(source) = &self.0.source {
            write!(f, "; source: {source:?}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// The calls that post work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum PostCall {
    /// Posts a receive to a queue pair.
    Receive,
    /// Posts a receive to a shared receive queue.
    SrqReceive,
    /// Posts a send.
    Send,
    /// Posts a send that invalidates a token of the peer.
    SendAndInvalidate,
    /// Posts a read.
    Read,
    /// Posts a write.
    Write,
    /// Posts the binding of a memory window.
    Bind,
    /// Posts a fast registration.
    FastRegister,
    /// Posts a local invalidation.
    Invalidate,
    /// Posts a send with immediate data (`ext`).
    SendWithImmediate,
    /// Posts a write with immediate data (`ext`).
    WriteWithImmediate,
    /// Posts a compare and swap (`ext`).
    CompareAndSwap,
    /// Posts a fetch and add (`ext`).
    FetchAndAdd,
    /// Posts an atomic write (`ext`).
    AtomicWrite,
    /// Posts a flush of the peer's memory (`ext`).
    FlushRemote,
}

impl fmt::Display for PostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beyond_ndk = [
            Self::SendWithImmediate,
            Self::WriteWithImmediate,
            Self::CompareAndSwap,
            Self::FetchAndAdd,
            Self::AtomicWrite,
            Self::FlushRemote,
        ];
        let prefix = if beyond_ndk.contains(self) { "ext::" } else { "Ndk" };
        write!(f, "{prefix}{self:?}")
    }
}

/// How the values of a [`PostError`] are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// There are none.
    None,
    /// A number and the largest that is allowed.
    AtMost,
    /// A set of bits and those that are allowed.
    Bits,
}

/// A rule that posts have to keep; one constant for each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The argument it is about, by NDK's name; empty if it is about the object.
    pub(crate) argument: &'static str,
    /// How `got` and `limit` are to be read.
    pub(crate) values: Values,
    /// What the caller can do: a clause in the imperative, without a full stop.
    pub(crate) hint: &'static str,
}

/// Why a post was not taken: nothing was queued for it, and no completion will follow.
///
/// 40 bytes, made without allocating. The queue pair stays usable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PostError {
    rule: &'static Rule,
    got: u64,
    limit: u64,
    status: Status,
    call: PostCall,
}

impl PostError {
    /// `call` breaks `rule`; without values unless [`PostError::with_values`] adds them.
    pub(crate) const fn new(call: PostCall, status: Status, rule: &'static Rule) -> Self {
        Self { rule, got: 0, limit: 0, status, call }
    }

    /// Adds what was got, and what is allowed.
    pub(crate) const fn with_values(mut self, got: u64, limit: u64) -> Self {
        self.got = got;
        self.limit = limit;
        self
    }

    /// The NTSTATUS.
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The call that failed.
    pub const fn call(&self) -> PostCall {
        self.call
    }

    /// The argument that is wrong, by NDK's name, if it was an argument.
    pub fn argument(&self) -> Option<&'static str> {
        Some(self.rule.argument).filter(|argument| !argument.is_empty())
    }

    /// The value that was given.
    pub fn got(&self) -> Option<u64> {
        (self.rule.values != Values::None).then_some(self.got)
    }

    /// The largest value allowed; of flags, those that are allowed.
    pub fn limit(&self) -> Option<u64> {
        (self.rule.values != Values::None).then_some(self.limit)
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        self.rule.hint
    }
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed with {}", self.call, self.status)?;
        let argument = self.argument().unwrap_or("it");
        match self.rule.values {
            Values::None => {}
            Values::AtMost => write!(f, ": {argument} is {}, the limit is {}", self.got, self.limit)?,
            Values::Bits => write!(f, ": {argument} is {:#x}, allowed is {:#x}", self.got, self.limit)?,
        }
        write!(f, "; {}", self.rule.hint)
    }
}

impl fmt::Debug for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostError({self})")
    }
}

impl std::error::Error for PostError {}

/// What a real device's refusal is to NDK.
#[cfg(feature = "rdma-core")]
pub(super) fn device_status(error: &qpair_rdma_core::Error) -> Status {
    const ENOMEM: i32 = 12;
    const EINVAL: i32 = 22;
    match error {
        error if error.is_not_supported() => Status::NOT_SUPPORTED,
        error => match error.errno() {
            Some(ENOMEM) => Status::INSUFFICIENT_RESOURCES,
            Some(EINVAL) => Status::INVALID_PARAMETER,
            _ => Status::INTERNAL_ERROR,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_is_one_sentence() {
        let error = Error::new("NdkCreateCq", Status::INVALID_PARAMETER)
            .with_argument("CqDepth", 70_000)
            .with_limit(65_536)
            .with_hint("ask for at most MaxCqDepth entries");
        assert_eq!(
            error.to_string(),
            "NdkCreateCq failed with STATUS_INVALID_PARAMETER (0xC000000D): CqDepth is 70000, \
             the limit is 65536; ask for at most MaxCqDepth entries"
        );
        assert_eq!((error.call(), error.status()), ("NdkCreateCq", Status::INVALID_PARAMETER));
        assert_eq!((error.argument(), error.got()), (Some("CqDepth"), Some("70000")));
        assert_eq!(
            (error.limit(), error.hint()),
            (Some("65536"), Some("ask for at most MaxCqDepth entries"))
        );
        assert!(error.source().is_none());
    }

    #[test]
    fn an_error_leaves_out_what_it_lacks() {
        let error = Error::new("NdkConnect", Status::CONNECTION_REFUSED);
        assert_eq!(error.to_string(), "NdkConnect failed with STATUS_CONNECTION_REFUSED (0xC0000236)");
        assert!(error.argument().is_none() && error.got().is_none());
        assert!(error.limit().is_none() && error.hint().is_none());
    }

    #[test]
    fn an_error_keeps_its_source() {
        let error = Error::in_callback("Request::wait", InCallback);
        assert_eq!(error.status(), Status::INVALID_DEVICE_REQUEST);
        assert!(error.source().unwrap().is::<InCallback>());
        assert!(format!("{error:?}").ends_with("source: InCallback)"));
        let copy = error.clone();
        assert_eq!(copy.to_string(), error.to_string());
    }

    const ENTRIES: Rule = Rule {
        argument: "nSge",
        values: Values::AtMost,
        hint: "raise MaxInitiatorRequestSge when creating the queue pair",
    };
    const CONNECTED: Rule = Rule { argument: "", values: Values::None, hint: "connect the queue pair first" };
    const FLAGS: Rule = Rule { argument: "Flags", values: Values::Bits, hint: "drop the other flags" };

    #[test]
    fn a_post_error_is_one_sentence() {
        let error = PostError::new(PostCall::Send, Status::DATA_OVERRUN, &ENTRIES).with_values(5, 4);
        assert_eq!(
            error.to_string(),
            "NdkSend failed with STATUS_DATA_OVERRUN (0xC000003C): nSge is 5, the limit is 4; \
             raise MaxInitiatorRequestSge when creating the queue pair"
        );
        assert_eq!(error.call(), PostCall::Send);
        assert_eq!((error.argument(), error.got(), error.limit()), (Some("nSge"), Some(5), Some(4)));
        assert_eq!(error.hint(), ENTRIES.hint);
        let error = PostError::new(PostCall::Write, Status::CONNECTION_INVALID, &CONNECTED);
        assert_eq!(
            error.to_string(),
            "NdkWrite failed with STATUS_CONNECTION_INVALID (0xC000023A); connect the queue pair first"
        );
        assert_eq!((error.argument(), error.got(), error.limit()), (None, None, None));
        let error =
            PostError::new(PostCall::Read, Status::INVALID_PARAMETER, &FLAGS).with_values(0x40, 0x303);
        assert_eq!(
            error.to_string(),
            "NdkRead failed with STATUS_INVALID_PARAMETER (0xC000000D): Flags is 0x40, \
             allowed is 0x303; drop the other flags"
        );
    }

    #[test]
    fn errors_are_small() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert!(size_of::<PostError>() <= 40);
        assert!(size_of::<Result<(), PostError>>() <= 40);
    }
}
