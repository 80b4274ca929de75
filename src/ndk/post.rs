//! Posts that are refused: which rule was broken, as NDK numbers it.
//!
//! A post itself is a translation without a branch of its own: operation, data and flags go to the device as
//! they are. What is here runs only when something is wrong.

use super::error::{Rule, Values};
use super::{OpFlags, PostCall, PostError, Status};
#[cfg(feature = "rdma-core")]
use crate::backend::Refused;
use crate::device::qp::PostRefused;
use crate::planted::planted;
use crate::work::RequestFlags;
#[cfg(feature = "rdma-core")]
use std::sync::{Mutex, PoisonError};

const fn rule(argument: &'static str, values: Values, hint: &'static str) -> Rule {
    Rule { argument, values, hint }
}

const FLAGS: Rule = rule("Flags", Values::Bits, "drop the flags that this call does not take");
const INLINE: Rule =
    rule("Flags", Values::Bits, "give inline bytes as Data::Inline; the flag alone has no bytes");
const NOT_CONNECTED: Rule =
    rule("", Values::None, "connect the queue pair first; one that was disconnected takes no more");
const QUEUE_FULL: Rule = rule(
    "the number of pending requests",
    Values::AtMost,
    "poll completions before posting more, or raise the depth when creating the queue",
);
const INITIATOR_ENTRIES: Rule =
    rule("nSge", Values::AtMost, "raise MaxInitiatorRequestSge when creating the queue pair");
const RECEIVE_ENTRIES: Rule = rule(
    "nSge",
    Values::AtMost,
    "raise MaxReceiveRequestSge when creating the queue pair or shared receive queue",
);
const INLINE_BYTES: Rule =
    rule("the number of inline bytes", Values::AtMost, "raise InlineDataSize when creating the queue pair");
const BYTES: Rule =
    rule("the number of bytes", Values::AtMost, "split the request; MaxTransferLength is the limit");
const NO_READS: Rule = rule(
    "",
    Values::None,
    "connect with an OutboundReadLimit above 0, and have the peer give an InboundReadLimit above 0",
);
const READ_INLINE: Rule =
    rule("Sgl", Values::None, "name registered memory: what is read cannot go into inline data");
const ATOMIC_DATA: Rule =
    rule("the number of bytes", Values::AtMost, "give one entry of eight bytes for the old value");
const SHARED: Rule = rule("", Values::None, "post to the shared receive queue of the queue pair");

const INITIALIZE: Rule = rule("pMr", Values::None, "initialize the fast-register region first");
const PAGES: Rule = rule(
    "AdapterPageCount",
    Values::AtMost,
    "initialize the region for as many pages, or register fewer at a time",
);
const PLACES: Rule = rule(
    "the number of registrations of this region posted or in force",
    Values::AtMost,
    "invalidate earlier ones first, or use several regions in turn",
);
const REMOTE_ACCESS: Rule =
    rule("Flags", Values::None, "initialize the region with RemoteAccess, or drop the remote rights");
const DOMAIN: Rule = rule("", Values::None, "name objects of the queue pair's own protection domain");
const REGION: Rule = rule("the end of the window", Values::AtMost, "stay within the region");
const WINDOW: Rule = rule("Length", Values::AtMost, "bind several windows; MaxWindowSize is the limit");
const LOCAL_WRITE: Rule =
    rule("Flags", Values::None, "register the region with local write, or drop remote write");
pub(super) const OFFSET: Rule = rule("FBO", Values::AtMost, "give an offset within the first page");
pub(super) const PAGE: Rule =
    rule("AdapterPageArray", Values::Bits, "give logical addresses of pages, as a mapping has them");
pub(super) const NO_BYTES: Rule = rule("Length", Values::AtMost, "register at least one byte");
pub(super) const LENGTH: Rule =
    rule("Length", Values::AtMost, "give more pages; they hold AdapterPageCount x 4096 - FBO bytes");
pub(super) const BASE: Rule =
    rule("BaseVirtualAddress", Values::Bits, "make it a multiple of 4096, and FBO more");
pub(super) const BASE_END: Rule =
    rule("BaseVirtualAddress", Values::AtMost, "choose a lower one: the numbers of the bytes pass 2^64");

#[cfg(feature = "rdma-core")]
const FEATURE: Rule = rule("", Values::None, "ask AdapterExt::has what the device lacks, and why");

/// Flags of a bind.
pub(super) const BIND_FLAGS: OpFlags = OpFlags(
    OpFlags::SILENT_SUCCESS.0
        | OpFlags::READ_FENCE.0
        | OpFlags::ALLOW_REMOTE_READ.0
        | OpFlags::ALLOW_REMOTE_WRITE.0
        | OpFlags::DEFER.0,
);
/// Flags of a fast register.
pub(super) const FAST_REGISTER_FLAGS: OpFlags = OpFlags(BIND_FLAGS.0 | OpFlags::RDMA_READ_SINK.0);
/// Flags of an invalidate.
pub(super) const INVALIDATE_FLAGS: OpFlags =
    OpFlags(OpFlags::SILENT_SUCCESS.0 | OpFlags::READ_FENCE.0 | OpFlags::DEFER.0);

/// Flags of a request that carries data of its own.
pub(super) const SEND_FLAGS: OpFlags = OpFlags(
    OpFlags::SILENT_SUCCESS.0
        | OpFlags::READ_FENCE.0
        | OpFlags::SEND_AND_SOLICIT_EVENT.0
        | OpFlags::INLINE.0
        | OpFlags::DEFER.0,
);
/// Flags of a read; the invalidation of its sink is ignored where the adapter lacks the capability (MR-23).
pub(super) const READ_FLAGS: OpFlags = OpFlags(
    OpFlags::SILENT_SUCCESS.0
        | OpFlags::READ_FENCE.0
        | OpFlags::RDMA_READ_LOCAL_INVALIDATE.0
        | OpFlags::DEFER.0,
);
/// Flags of a write (Q-2: inline as well).
pub(super) const WRITE_FLAGS: OpFlags =
    OpFlags(OpFlags::SILENT_SUCCESS.0 | OpFlags::READ_FENCE.0 | OpFlags::INLINE.0 | OpFlags::DEFER.0);
/// Flags of a remote atomic.
pub(super) const ATOMIC_FLAGS: OpFlags =
    OpFlags(OpFlags::SILENT_SUCCESS.0 | OpFlags::READ_FENCE.0 | OpFlags::DEFER.0);

/// The device's form of the flags; those it does not know are judged by the call.
#[inline]
pub(super) fn request_flags(flags: OpFlags) -> RequestFlags {
    // The same numbers, since the nouns of work follow NDK's header here.
    const _: () = assert!(
        RequestFlags::SILENT_SUCCESS.0 as u32 == OpFlags::SILENT_SUCCESS.0
            && RequestFlags::READ_FENCE.0 as u32 == OpFlags::READ_FENCE.0
            && RequestFlags::SOLICITED.0 as u32 == OpFlags::SEND_AND_SOLICIT_EVENT.0
    );
    const _: () = assert!(
        RequestFlags::LOCAL_INVALIDATE.0 as u32 == OpFlags::RDMA_READ_LOCAL_INVALIDATE.0 >> 4,
        "a bit above the byte, which no flag of a byte's bits comes to by the shift"
    );
    RequestFlags(flags.0 as u8 & 7 | (flags.0 >> 4) as u8 & RequestFlags::LOCAL_INVALIDATE.0)
}

/// The same for requests that work on tokens.
#[inline]
pub(super) fn key_flags(flags: OpFlags) -> RequestFlags {
    RequestFlags(flags.0 as u8 & 3)
}

/// The window has more bytes than the adapter's windows.
#[cold]
pub(super) fn too_long_window(got: u64, limit: u64) -> PostError {
    PostError::new(PostCall::Bind, Status::INVALID_PARAMETER, &WINDOW).with_values(got, limit)
}

/// The arithmetic of a fast registration is wrong.
#[cold]
pub(super) fn registration(rule: &'static Rule, got: u64, limit: u64) -> PostError {
    PostError::new(PostCall::FastRegister, Status::INVALID_PARAMETER, rule).with_values(got, limit)
}

/// The flags are not those of `call`.
#[cold]
pub(super) fn flags_refused(call: PostCall, flags: OpFlags, allowed: OpFlags) -> PostError {
    let rule = if flags.outside(allowed).is_empty() { &INLINE } else { &FLAGS };
    PostError::new(call, Status::INVALID_PARAMETER, rule).with_values(flags.0.into(), allowed.0.into())
}

/// A device of the kernel lacks what the request needs; `has` says what, and why.
///
/// The sentence is kept for the life of the process, since a [`PostError`] is `Copy`: once for each device
/// and feature, however often it is asked for.
#[cfg(feature = "rdma-core")]
#[cold]
pub(super) fn without(call: PostCall, has: Result<(), Refused>) -> PostError {
    static KNOWN: Mutex<Vec<&'static Rule>> = Mutex::new(Vec::new());
    let Err(refused) = has else { return PostError::new(call, Status::NOT_SUPPORTED, &FEATURE) };
    let hint = refused.to_string();
    // Sound if poisoned: a rule is complete before it is pushed.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let old = known.iter().find(|rule| rule.hint == hint).copied();
    let rule = old.unwrap_or_else(|| {
        let new: &'static Rule = Box::leak(Box::new(rule("", Values::None, hint.leak())));
        known.push(new);
        new
    });
    PostError::new(call, Status::NOT_SUPPORTED, rule)
}

/// The device's refusal in NDK's terms.
#[cold]
pub(super) fn refused(call: PostCall, refused: PostRefused) -> PostError {
    let receive = matches!(call, PostCall::Receive | PostCall::SrqReceive);
    let plain = |status, rule| PostError::new(call, status, rule);
    match refused {
        PostRefused::NotConnected => plain(Status::CONNECTION_INVALID, &NOT_CONNECTED),
        PostRefused::Full { depth } => {
            plain(Status::NO_MORE_ENTRIES, &QUEUE_FULL).with_values(depth.saturating_add(1), depth)
        }
        PostRefused::TooManyEntries { got, max } => {
            let rule = if receive { &RECEIVE_ENTRIES } else { &INITIATOR_ENTRIES };
            let other = planted!(TooManyEntriesStatus, "too many entries are INVALID_PARAMETER");
            let status = if other { Status::INVALID_PARAMETER } else { Status::DATA_OVERRUN };
            plain(status, rule).with_values(got as u64, max.into())
        }
        PostRefused::InlineTooLong { got, max } => {
            plain(Status::BUFFER_OVERFLOW, &INLINE_BYTES).with_values(got as u64, max.into())
        }
        PostRefused::TooLong { got, max } => plain(Status::BUFFER_OVERFLOW, &BYTES).with_values(got, max),
        PostRefused::NoReads => plain(Status::INVALID_DEVICE_REQUEST, &NO_READS),
        PostRefused::WrongData { .. } if call == PostCall::Read => {
            plain(Status::INVALID_PARAMETER, &READ_INLINE)
        }
        PostRefused::WrongData { length, .. } => {
            plain(Status::INVALID_PARAMETER, &ATOMIC_DATA).with_values(length, 8)
        }
        PostRefused::HasSharedQueue => plain(Status::INVALID_DEVICE_REQUEST, &SHARED),
        PostRefused::NotInitialized => plain(Status::INVALID_DEVICE_REQUEST, &INITIALIZE),
        PostRefused::TooManyPages { got, max } => {
            plain(Status::INVALID_PARAMETER, &PAGES).with_values(got as u64, max as u64)
        }
        PostRefused::NoPlace { places } => {
            plain(Status::NO_MORE_ENTRIES, &PLACES).with_values(places as u64 + 1, places as u64)
        }
        PostRefused::NoRemoteAccess => plain(Status::ACCESS_VIOLATION, &REMOTE_ACCESS),
        PostRefused::OtherDomain => plain(Status::ACCESS_VIOLATION, &DOMAIN),
        PostRefused::OutsideOfRegion { end, length } => {
            plain(Status::ACCESS_VIOLATION, &REGION).with_values(end as u64, length as u64)
        }
        #[cfg(feature = "rdma-core")]
        PostRefused::NotSupported(_) => plain(Status::NOT_SUPPORTED, &FEATURE),
        PostRefused::NeedsLocalWrite => plain(Status::ACCESS_VIOLATION, &LOCAL_WRITE),
    }
}
