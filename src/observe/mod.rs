//! What can be seen of a run: one enum of events, drawn from the same places by everyone who watches.
//!
//! Events go to `tracing`, under the target `qpair`: objects at debug level, requests at trace level. Where nobody
//! listens, an event costs one relaxed load. May come in: counters' snapshots, timelines, comments in captures.
//! Not here: anything that changes what it watches.

#![forbid(unsafe_code)]

use crate::work::{Completion, Qpn, Status};
use tracing::Level;

/// Something worth seeing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub(crate) enum Event<'e> {
    /// A request completed, visibly.
    Completed(&'e Completion),
    /// A silent request succeeded.
    Silent { qpn: Qpn, context: u64 },
    /// A queue pair went to error.
    QpError { qpn: Qpn },
    /// A completion queue overran.
    CqOverrun { depth: u64 },
}

#[inline]
pub(crate) fn completed(completion: &Completion) {
    if tracing::enabled!(target: "qpair", Level::TRACE) {
        emit(Event::Completed(completion));
    }
}

#[inline]
pub(crate) fn silent(qpn: Qpn, context: u64) {
    if tracing::enabled!(target: "qpair", Level::TRACE) {
        emit(Event::Silent { qpn, context });
    }
}

/// Tells whoever listens.
#[cold]
pub(crate) fn emit(event: Event<'_>) {
    match event {
        Event::Completed(Completion { context, status, detail, kind, length, qpn, .. }) => tracing::trace!(
            target: "qpair", qpn = qpn.0, context, ?kind, ?status, ?detail, length, failed = *status != Status::Success,
            "request completed"
        ),
        Event::Silent { qpn, context } => {
            tracing::trace!(target: "qpair", qpn = qpn.0, context, "silent request succeeded");
        }
        Event::QpError { qpn } => tracing::debug!(target: "qpair", qpn = qpn.0, "queue pair went to error"),
        Event::CqOverrun { depth } => tracing::warn!(target: "qpair", depth, "completion queue overran"),
    }
}
