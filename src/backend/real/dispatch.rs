//! What a completion of the device means: which request it ends, and how.

#![forbid(unsafe_code)]

use super::probe;
use super::qp::{END, Qp, RECEIVE, SHARED};
use super::request::{entries, entries_of};
use super::status::{self, Arrival};
use super::{grants, window};
use crate::device::callbacks::Outbox;
use crate::direct::Outcome;
use crate::ring::{Payload, Phase};
use crate::work::{Completion, CompletionKind, Detail, RequestFlags, SendRequest, Status};
use qpair_rdma_core as rdma;
use std::sync::Arc;

/// What an entry has ended.
pub(super) enum Ended {
    /// A request of the send queue, which is to be kicked.
    Send,
    /// One of the receive queue, which is to be kicked.
    Receive,
    /// One of a shared queue, with this completion.
    Shared(Completion),
    /// Nothing: it was answered before.
    Nothing,
}

/// Writes into the payload of an initiator request how it ended.
fn stash_sent(payload: &mut Payload, entry: &rdma::Completion, refusal: Option<(Status, Detail)>) {
    let outcome = match (refusal, SendRequest::decode(payload)) {
        (Some((status, detail)), _) => Outcome::failure(status, detail),
        (None, Some(request)) => status::outcome(request.opcode.into(), request.length, entry),
        (None, None) => Outcome::failure(Status::General, Detail::None),
    };
    outcome.stash(payload);
    status::stash_code(entry.vendor_error, payload);
}

impl Qp {
    /// Ends the request that an entry tells of; `number` is that of the entry. Called by who takes entries.
    pub(super) fn completed(
        self: &Arc<Self>,
        entry: &rdma::Completion,
        number: u64,
        outbox: &mut Outbox,
    ) -> Ended {
        if entry.id == probe::ID {
            if self.probe.ended(entry.status) {
                self.culprit.is_told();
                self.broken(outbox);
            }
            return Ended::Nothing;
        }
        let ticket = entry.id & !(RECEIVE | SHARED | END);
        let connected = self.phase() == Phase::Connected;
        let received = entry.id & (RECEIVE | SHARED) != 0;
        if received && entry.status == rdma::Status::Success {
            // Who has received a message may answer it, before its accept is done (Q-12, CONN-43).
            self.open();
        }
        if received && connected && entry.status == rdma::Status::Flushed {
            self.culprit.is_among(self.sends.given.get());
        }
        let ended = if entry.id & SHARED != 0 {
            self.shared(ticket, entry)
        } else if received {
            self.received(ticket, entry, number)
        } else if entry.id & END != 0 {
            self.sends.succeeded_below(ticket + 1);
            return Ended::Send;
        } else {
            self.sent(ticket, entry, connected)
        };
        // A queue pair that is connected flushes only what stands behind a failure.
        let flushed = entry.status == rdma::Status::Flushed && !connected;
        if entry.status != rdma::Status::Success && !flushed {
            self.broken(outbox);
        }
        ended
    }

    fn sent(&self, ticket: u64, entry: &rdma::Completion, connected: bool) -> Ended {
        if !self.sends.told(ticket) {
            return Ended::Nothing;
        }
        use rdma::Status::{BindError, Flushed, LocalOperationError, Success};
        let refuses = match entry.status {
            Success => false,
            Flushed => self.culprit.is(ticket, connected),
            failed => {
                self.culprit.is_told();
                connected && matches!(failed, LocalOperationError | BindError)
            }
        };
        let ended = if refuses {
            let flushed = entry.status == Flushed;
            self.sends.ring.finish_beside(ticket, |payload, side| {
                let request = SendRequest::decode(payload);
                let refusal = request.and_then(|request| self.refusal(ticket, &request, side, flushed));
                stash_sent(payload, entry, refusal);
            })
        } else {
            self.sends.ring.finish(ticket, |payload| stash_sent(payload, entry, None))
        };
        if ended { Ended::Send } else { Ended::Nothing }
    }

    /// Why a request is refused of which the device says less, or only that it was flushed.
    fn refusal(
        &self,
        ticket: u64,
        request: &SendRequest,
        side: &[u64],
        flushed: bool,
    ) -> Option<(Status, Detail)> {
        if let Some(refusal) = window::refusal(request) {
            return Some(refusal);
        }
        let reads = grants::reads_entries(request.opcode) && !request.flags.contains(RequestFlags::INLINE);
        let mut list = entries(&[]);
        let count = entries_of(request.first, request.entries, side, &mut list);
        (flushed && reads && self.adapter.refuses(self, ticket, &list[..count]))
            .then_some((Status::LocalProtection, Detail::None))
    }

    fn received(&self, ticket: u64, entry: &rdma::Completion, number: u64) -> Ended {
        if !self.receives.told(ticket) {
            return Ended::Nothing;
        }
        let ended = self.receives.ring.finish(ticket, |payload| {
            let outcome = status::outcome(CompletionKind::Receive, 0, entry);
            let outcome = self.explained(outcome, || self.kept.with_entries(ticket, |list| self.takes(list)));
            outcome.stash(payload);
            Arrival::of(entry).stash(number, payload);
        });
        if ended { Ended::Receive } else { Ended::Nothing }
    }

    fn shared(&self, place: u64, entry: &rdma::Completion) -> Ended {
        let Some(srq) = &self.srq else { return Ended::Nothing };
        let outcome = status::outcome(CompletionKind::Receive, 0, entry);
        // Looked at before its place can be another receive's.
        let takes = || srq.with_entries(place, |entries| self.takes(entries)).unwrap_or(false);
        let outcome = self.explained(outcome, takes);
        let Some(context) = srq.retire(place) else { return Ended::Nothing };
        self.receives.figures.count(outcome);
        let arrival = Arrival::of(entry);
        Ended::Shared(Completion {
            context,
            qp_context: self.context,
            status: outcome.status,
            detail: outcome.detail,
            kind: arrival.kind,
            flags: arrival.flags,
            length: outcome.length,
            immediate_or_key: arrival.immediate_or_key,
            qpn: self.qpn(),
            ..Completion::default()
        })
    }

    /// Soft-RoCE says of a receive only that the request is bad, both if the message is too long for it and
    /// if its memory may not be written.
    fn explained(&self, outcome: Outcome, takes: impl FnOnce() -> bool) -> Outcome {
        match outcome.status {
            Status::LocalQpOperation if takes() => {
                Outcome::failure(Status::LocalLength, Detail::ReceiveTooSmall)
            }
            Status::LocalQpOperation => Outcome::failure(Status::LocalProtection, Detail::None),
            _ => outcome,
        }
    }

    /// The memory of a receive may be written.
    fn takes(&self, entries: &[rdma::Sge]) -> bool {
        entries.iter().all(|entry| self.adapter.takes(self.pd(), entry))
    }
}
