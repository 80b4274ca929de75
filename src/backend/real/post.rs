//! Posting initiator requests: judged here, given to the device in one go with those deferred before.

#![forbid(unsafe_code)]

use super::capabilities::INLINE;
use super::qp::{Phase, Qp, Sends};
use super::receive::{entries, entry};
use super::shadow::Slot;
use super::{lock, status};
use crate::device::qp::{Data, Operation, PostRefused};
use crate::sync::Ordering;
use crate::work::{CompletionKind, RequestFlags, Selectivity, Sge, Status};
use qpair_rdma_core::{self as rdma, Flags, Payload, Remote, SendRequest};
use std::sync::Arc;
use std::sync::MutexGuard;

/// Requests that are held back, in room that is taken when the queue is made.
///
/// What finds no more room is not held back, nor is what stands before it: a device may (ndkpi.md 3.9).
#[derive(Debug)]
pub(super) struct Deferred {
    requests: Vec<Held>,
    entries: Vec<rdma::Sge>,
    bytes: Vec<u8>,
}

/// One request that is held back.
#[derive(Debug)]
struct Held {
    id: u64,
    operation: rdma::Operation<'static>,
    flags: Flags,
    inline: bool,
    /// Where its entries or bytes are.
    from: usize,
    to: usize,
}

/// Requests that are held back at most.
const HELD: u32 = 64;

impl Deferred {
    pub(super) fn new(depth: u32, sge: u32, inline: u32) -> Self {
        let depth = depth.min(HELD) as usize;
        // Most requests have an entry or two, and few are inline; one of the largest always finds room.
        let (entries, bytes) = ((2 * depth).max(sge as usize), (16 * depth).max(inline as usize));
        Self {
            requests: Vec::with_capacity(depth),
            entries: Vec::with_capacity(entries),
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// There is room for another one.
    fn fits(&self, request: &SendRequest<'_>) -> bool {
        let (entries, bytes) = match request.payload {
            Payload::Elements(elements) => (elements.len(), 0),
            Payload::Inline(bytes) => (0, bytes.len()),
        };
        self.requests.len() < self.requests.capacity()
            && self.entries.len() + entries <= self.entries.capacity()
            && self.bytes.len() + bytes <= self.bytes.capacity()
    }

    fn keep(&mut self, request: &SendRequest<'_>, operation: rdma::Operation<'static>) {
        let (inline, from, to) = match request.payload {
            Payload::Elements(elements) => {
                let from = self.entries.len();
                self.entries.extend_from_slice(elements);
                (false, from, self.entries.len())
            }
            Payload::Inline(bytes) => {
                let from = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                (true, from, self.bytes.len())
            }
        };
        self.requests.push(Held { id: request.id, operation, flags: request.flags, inline, from, to });
    }

    fn requests(&self) -> impl Iterator<Item = SendRequest<'_>> {
        self.requests.iter().map(|held| SendRequest {
            id: held.id,
            operation: held.operation,
            payload: if held.inline {
                Payload::Inline(&self.bytes[held.from..held.to])
            } else {
                Payload::Elements(&self.entries[held.from..held.to])
            },
            flags: held.flags,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    fn clear(&mut self) {
        self.requests.clear();
        self.entries.clear();
        self.bytes.clear();
    }
}

fn remote(address: u64, key: crate::work::Key) -> Remote {
    Remote { address, rkey: key.0 }
}

fn kind_of(operation: &Operation) -> CompletionKind {
    match operation {
        Operation::Send | Operation::SendWithImmediate(_) | Operation::SendWithInvalidate(_) => {
            CompletionKind::Send
        }
        Operation::Write { .. } | Operation::WriteWithImmediate { .. } => CompletionKind::Write,
        Operation::Read { .. } => CompletionKind::Read,
        Operation::CompareAndSwap { .. } => CompletionKind::CompareAndSwap,
        Operation::FetchAndAdd { .. } => CompletionKind::FetchAndAdd,
        Operation::AtomicWrite { .. } => CompletionKind::AtomicWrite,
        Operation::Flush { .. } => CompletionKind::Flush,
    }
}

/// The operation of verbs.
fn verbs(operation: &Operation) -> rdma::Operation<'static> {
    match *operation {
        Operation::Send => rdma::Operation::Send,
        Operation::SendWithImmediate(immediate) => rdma::Operation::SendImmediate(immediate),
        Operation::SendWithInvalidate(key) => rdma::Operation::SendInvalidate(key.0),
        Operation::Write { address, key } => rdma::Operation::Write(remote(address, key)),
        Operation::WriteWithImmediate { address, key, immediate } => {
            rdma::Operation::WriteImmediate(remote(address, key), immediate)
        }
        Operation::Read { address, key } => rdma::Operation::Read(remote(address, key)),
        Operation::CompareAndSwap { address, key, compare, swap } => {
            rdma::Operation::CompareSwap { remote: remote(address, key), compare, swap }
        }
        Operation::FetchAndAdd { address, key, add } => {
            rdma::Operation::FetchAdd { remote: remote(address, key), add }
        }
        Operation::AtomicWrite { address, key, value } => {
            rdma::Operation::AtomicWrite(remote(address, key), value.to_ne_bytes())
        }
        Operation::Flush { address, key, length, placement, selectivity } => rdma::Operation::Flush {
            remote: remote(address, key),
            length: length as usize,
            placement: rdma::Placement(placement.0), // by the same bits
            whole_region: selectivity == Selectivity::Region,
        },
    }
}

fn verbs_flags(flags: RequestFlags, signalled: bool) -> Flags {
    let pick = |has: bool, flag| if has { flag } else { Flags::NONE };
    pick(flags.contains(RequestFlags::READ_FENCE), Flags::FENCE)
        | pick(flags.contains(RequestFlags::SOLICITED), Flags::SOLICITED)
        | pick(signalled, Flags::SIGNALED)
}

impl Qp {
    pub(crate) fn post_send(
        self: &Arc<Self>,
        operation: &Operation,
        data: Data<'_>,
        flags: RequestFlags,
        deferred: bool,
        context: u64,
    ) -> Result<(), PostRefused> {
        let length = self.judge(operation, data).inspect_err(|_| self.expose_deferred())?;
        let verbs = verbs(operation);
        let mut sends = self.room()?;
        let silent = flags.contains(RequestFlags::SILENT_SUCCESS);
        let signalled = !silent || sends.shadow.wants_signal();
        let slot = Slot { context, kind: kind_of(operation), silent, length };
        let id = sends.shadow.push(slot, signalled);
        let (mut list, mut bytes) =
            ([rdma::Sge { address: 0, length: 0, lkey: 0 }; 16], [0; INLINE as usize]);
        let payload = match data {
            Data::Sgl([sge]) => {
                list[0] = entry(sge);
                Payload::Elements(&list[..1])
            }
            Data::Sgl(sgl) => {
                list = entries(sgl);
                Payload::Elements(&list[..sgl.len()])
            }
            Data::Inline(pieces) => Payload::Inline(gather(pieces, &mut bytes)),
        };
        let operation = verbs;
        let request = SendRequest { id, operation, payload, flags: verbs_flags(flags, signalled) };
        if !sends.deferred.is_empty() && !sends.deferred.fits(&request) {
            self.expose(&mut sends);
        }
        if deferred {
            sends.deferred.keep(&request, operation);
            return Ok(());
        }
        if sends.deferred.is_empty() {
            return self.qp.post_send(&request).map_err(|error| {
                sends.shadow.pop();
                self.refused(&error)
            });
        }
        sends.deferred.keep(&request, operation);
        self.expose(&mut sends);
        Ok(())
    }

    /// The send queue, with room for a request.
    fn room(self: &Arc<Self>) -> Result<MutexGuard<'_, Sends>, PostRefused> {
        let mut sends = lock(&self.sends);
        if sends.shadow.is_full() {
            // Completions that nobody has polled yet have their room again, and silent requests theirs.
            drop(sends);
            self.expose_deferred();
            self.send_cq.gather();
            sends = lock(&self.sends);
        }
        if matches!(self.phase(), Phase::Unconnected | Phase::Closed) {
            return Err(PostRefused::NotConnected);
        }
        if sends.shadow.is_full() {
            return Err(PostRefused::Full { depth: self.max.send_depth.into() });
        }
        Ok(sends)
    }

    /// Posts a request without data, behind what was deferred.
    pub(super) fn post_at_once(
        self: &Arc<Self>,
        slot: Slot,
        flags: RequestFlags,
        operation: rdma::Operation<'_>,
    ) -> Result<(), PostRefused> {
        self.expose_deferred();
        let mut sends = self.room()?;
        let signalled = !slot.silent || sends.shadow.wants_signal();
        let id = sends.shadow.push(slot, signalled);
        let (payload, flags) = (Payload::Elements(&[]), verbs_flags(flags, signalled));
        self.qp.post_send(&SendRequest { id, operation, payload, flags }).map_err(|error| {
            sends.shadow.pop();
            self.refused(&error)
        })
    }

    /// Exposes what was deferred, as a call that fails must.
    pub(crate) fn expose_deferred(self: &Arc<Self>) {
        let mut sends = lock(&self.sends);
        if !sends.deferred.is_empty() {
            self.expose(&mut sends);
        }
    }

    /// Gives the device all that was held back. If it refuses late, what it did not take fails, and with it
    /// the connection: each of these requests was promised a completion.
    fn expose(self: &Arc<Self>, sends: &mut Sends) {
        let Sends { deferred, shadow, .. } = sends;
        let posted = self.qp.post(|batch| {
            let mut requests = deferred.requests();
            requests.try_for_each(|request| batch.push(&request))
        });
        if let Err(failed) = posted {
            tracing::error!(qp = self.number(), error = %failed.error, "deferred requests were refused");
            let lost = deferred.requests.len().saturating_sub(failed.posted);
            let slots: Vec<_> = (0..lost).filter_map(|_| shadow.take_last()).collect();
            let answers: Vec<_> = slots
                .iter()
                .rev()
                .map(|slot| status::answered(slot, Status::General, self.qpn(), self.context))
                .collect();
            let qp = Arc::clone(self);
            // Behind what the device has still to complete, and with no lock held.
            self.adapter.chore_later(move || {
                qp.break_down();
                qp.send_cq.gather();
                let behind = lock(&qp.sends).shadow.is_empty();
                if behind {
                    qp.send_cq.answer(&answers);
                }
                behind
            });
        }
        deferred.clear();
    }

    fn refused(&self, error: &rdma::Error) -> PostRefused {
        tracing::warn!(qp = self.number(), %error, "a request was refused");
        match self.phase() {
            Phase::Connected => PostRefused::Full { depth: self.max.send_depth.into() },
            _ => PostRefused::NotConnected,
        }
    }

    /// What can be seen of a request without the device; its length.
    fn judge(&self, operation: &Operation, data: Data<'_>) -> Result<u32, PostRefused> {
        self.adapter.capabilities().lacks.judge(operation)?;
        let (entries, length) = match data {
            Data::Sgl(sgl) => {
                let max = self.max.send_sge;
                if sgl.len() > max as usize {
                    return Err(PostRefused::TooManyEntries { got: sgl.len(), max });
                }
                (sgl.len(), sgl.iter().map(|sge| u64::from(sge.length)).sum())
            }
            Data::Inline(pieces) => {
                let got = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
                if got > self.max.inline as usize {
                    return Err(PostRefused::InlineTooLong { got, max: self.max.inline });
                }
                (0, got as u64)
            }
        };
        let max = self.rules.max_transfer;
        if length > max {
            return Err(PostRefused::TooLong { got: length, max });
        }
        let atomic = matches!(operation, Operation::CompareAndSwap { .. } | Operation::FetchAndAdd { .. });
        // Both are answered as reads are, and count as such.
        let (length, without_data) = match *operation {
            Operation::AtomicWrite { .. } => (8, true),
            Operation::Flush { length, .. } => (length.into(), true),
            _ => (length, false),
        };
        if atomic || without_data || matches!(operation, Operation::Read { .. }) {
            let inline = matches!(data, Data::Inline(_));
            if inline || atomic && (entries != 1 || length != 8) {
                return Err(PostRefused::WrongData { entries, length });
            }
            let max = self.rules.max_read_sge;
            if entries > max as usize {
                return Err(PostRefused::TooManyEntries { got: entries, max });
            }
            // Relaxed: set before the queue opens; who sees it open sees this.
            if self.phase() == Phase::Connected && self.outbound_reads.load(Ordering::Relaxed) == 0 {
                return Err(PostRefused::NoReads);
            }
        }
        Ok(length as u32)
    }
}

/// The pieces in one, which verbs asks for.
fn gather<'b>(pieces: &[&[u8]], bytes: &'b mut [u8]) -> &'b [u8] {
    let mut at = 0;
    for piece in pieces {
        bytes[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    &bytes[..at]
}

/// A list as long as a post takes it up on its stack.
const _: () = assert!(crate::work::SGE_MAX == 16 && std::mem::size_of::<Sge>() == 16);
