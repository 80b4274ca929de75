//! What can be seen of a run: one enum of events, drawn from the same places by everyone who watches.
//!
//! Events go to `tracing`, under the target `qpair`: objects at debug level, requests at trace level, what
//! a user should know of at warn level. Where nobody listens, an event costs one relaxed load. May come in:
//! snapshots of counters, timelines, comments in captures. Not here: anything that changes what it watches.

#![forbid(unsafe_code)]

use crate::work::{Completion, CompletionKind, Key, Qpn, Status};
use tracing::Level;

/// Something worth seeing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub(crate) enum Event {
    /// An initiator request was taken.
    Posted { qpn: Qpn, context: u64, kind: CompletionKind, length: u32, deferred: bool },
    /// A receive was taken.
    ReceivePosted { qpn: Qpn, context: u64 },
    /// A request completed, visibly.
    ///
    /// Taken out of its words, and so by value: a completion that anything refers to on the path would be put
    /// together in memory, byte by byte.
    Completed(Completion),
    /// A silent request succeeded.
    Silent { qpn: Qpn, context: u64 },
    /// A queue pair was made.
    QpCreated { qpn: Qpn, pd: u32 },
    /// A queue pair has a peer and takes initiator requests.
    QpConnected { qpn: Qpn, peer: Qpn },
    /// What was pending on a queue pair is being cancelled.
    QpFlushed { qpn: Qpn },
    /// A queue pair went to error.
    QpError { qpn: Qpn },
    /// A queue pair was disconnected.
    QpDisconnected { qpn: Qpn },
    /// The close of a queue pair began.
    QpClosing { qpn: Qpn },
    /// Memory was registered.
    Registered { key: Key, base: u64 },
    /// A key was taken back.
    Deregistered { key: Key },
    /// A completion queue overran.
    CqOverrun { depth: u64 },
    /// A file was dropped whose buffer could not be written back.
    FileLost { bytes: usize },
    /// A completion queue failed for a reason of its own.
    CqFailed,
    /// A shared receive queue failed.
    SrqFailed,
    /// A verb or call of a conversation failed through no fault of its program.
    ConversationFailed { call: &'static str, cause: &'static str, system_error: i32 },
    /// A program on a conversation should do something otherwise.
    ConversationHint { what: &'static str },
    /// The partner of a conversation broke the protocol.
    ProtocolBreach { what: &'static str },
    /// The partner of a conversation sent log data with an error.
    ErrorLogReceived { length: usize },
}

/// Tells of an event at trace level: one a request, built only where somebody listens.
#[inline(always)] // else what the event is made of is put together for nobody
pub(crate) fn request(event: impl FnOnce() -> Event) {
    if tracing::enabled!(target: "qpair", Level::TRACE) {
        emit(event());
    }
}

/// Tells whoever listens.
#[cold]
pub(crate) fn emit(event: Event) {
    match event {
        Event::Posted { qpn: Qpn(qpn), context, kind, length, deferred } => {
            tracing::trace!(target: "qpair", qpn, context, ?kind, length, deferred, "request posted");
        }
        Event::ReceivePosted { qpn: Qpn(qpn), context } => {
            tracing::trace!(target: "qpair", qpn, context, "receive posted");
        }
        Event::Completed(of) => {
            let (qpn, context, length) = (of.qpn.0, of.context, of.length);
            let Completion { status, detail, kind, .. } = of;
            let failed = status != Status::Success;
            tracing::trace!(
                target: "qpair", qpn, context, ?kind, ?status, ?detail, length, failed, "request completed"
            );
        }
        Event::Silent { qpn: Qpn(qpn), context } => {
            tracing::trace!(target: "qpair", qpn, context, "silent request succeeded");
        }
        Event::QpCreated { qpn: Qpn(qpn), pd } => {
            tracing::debug!(target: "qpair", qpn, pd, "queue pair created");
        }
        Event::QpConnected { qpn: Qpn(qpn), peer: Qpn(peer) } => {
            tracing::debug!(target: "qpair", qpn, peer, "queue pair connected");
        }
        Event::QpFlushed { qpn: Qpn(qpn) } => tracing::debug!(target: "qpair", qpn, "queue pair flushed"),
        Event::QpError { qpn: Qpn(qpn) } => tracing::debug!(target: "qpair", qpn, "queue pair went to error"),
        Event::QpDisconnected { qpn: Qpn(qpn) } => {
            tracing::debug!(target: "qpair", qpn, "queue pair disconnected");
        }
        Event::QpClosing { qpn: Qpn(qpn) } => tracing::debug!(target: "qpair", qpn, "queue pair closing"),
        Event::Registered { key: Key(key), base } => {
            tracing::debug!(target: "qpair", key, base, "memory registered");
        }
        Event::Deregistered { key: Key(key) } => tracing::debug!(target: "qpair", key, "key taken back"),
        Event::FileLost { bytes } => {
            tracing::warn!(target: "qpair", bytes, "a dropped file could not be flushed and closed; close it to keep it");
        }
        Event::CqOverrun { depth } => {
            tracing::warn!(target: "qpair", depth, "completion queue overran; it and its queue pairs are dead");
        }
        Event::CqFailed => {
            tracing::warn!(target: "qpair", "completion queue failed; it and its queue pairs are dead");
        }
        Event::SrqFailed => {
            tracing::warn!(target: "qpair", "shared receive queue failed; it and its queue pairs are dead");
        }
        Event::ConversationFailed { call, cause, system_error } => {
            tracing::error!(target: "qpair", call, cause, system_error, "conversation failed below its program");
        }
        Event::ConversationHint { what } => tracing::warn!(target: "qpair", "{what}"),
        Event::ProtocolBreach { what } => {
            tracing::warn!(target: "qpair", what, "the partner of a conversation broke the protocol");
        }
        Event::ErrorLogReceived { length } => {
            tracing::debug!(target: "qpair", length, "the partner of a conversation sent log data");
        }
    }
}
