//! Posting: what a call can see is judged here, and a request that is refused changes nothing.

use super::{Qp, Rules};
use crate::observe::{self, Event};
use crate::planted::planted;
use crate::ring::{NoRoom, Post};
use crate::sync::Ordering;
#[cfg(feature = "rdma-core")]
use crate::work::Feature;
use crate::work::{
    FlushPlacement, INLINE_MAX, Key, Opcode, ReceiveRequest, RequestFlags, Selectivity, SendRequest, Sge,
    flush_header, sge_to_words,
};
use std::sync::Arc;

/// What an initiator request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Send,
    SendWithImmediate(u32),
    SendWithInvalidate(Key),
    Write { address: u64, key: Key },
    WriteWithImmediate { address: u64, key: Key, immediate: u32 },
    Read { address: u64, key: Key },
    CompareAndSwap { address: u64, key: Key, compare: u64, swap: u64 },
    FetchAndAdd { address: u64, key: Key, add: u64 },
    AtomicWrite { address: u64, key: Key, value: u64 },
    Flush { address: u64, key: Key, length: u32, placement: FlushPlacement, selectivity: Selectivity },
}

/// The data of an initiator request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Data<'a> {
    Sgl(&'a [Sge]),
    /// Copied during the call.
    Inline(&'a [&'a [u8]]),
}

/// Why a post was refused; nothing of it is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostRefused {
    /// The queue pair is not connected.
    NotConnected,
    /// All slots of the queue are busy.
    Full { depth: u64 },
    /// More scatter/gather entries than the queue pair allows.
    TooManyEntries { got: usize, max: u32 },
    /// More inline bytes than the queue pair allows.
    InlineTooLong { got: usize, max: u32 },
    /// More bytes than a message may have.
    TooLong { got: u64, max: u64 },
    /// The connection allows no reads or atomics in progress.
    NoReads,
    /// An atomic takes one entry of eight bytes for the old value; a read takes no inline data.
    WrongData { entries: usize, length: u64 },
    /// Receives are posted to the shared receive queue.
    HasSharedQueue,
    /// The fast-register region was not initialised.
    NotInitialized,
    /// More pages than it was initialised for.
    TooManyPages { got: usize, max: usize },
    /// As many registrations of it are posted or in force as it holds.
    NoPlace { places: usize },
    /// It was initialised without remote access, and a remote right was asked for.
    NoRemoteAccess,
    /// A region or window of another protection domain.
    OtherDomain,
    /// A window that leaves its region.
    OutsideOfRegion { end: usize, length: usize },
    /// A window that lets the peer write to a region that this side may not write.
    NeedsLocalWrite,
    /// A real device lacks what the operation needs.
    #[cfg(feature = "rdma-core")]
    NotSupported(Feature),
}

impl Operation {
    #[inline]
    pub(crate) fn request(self, context: u64, flags: RequestFlags) -> SendRequest {
        let mut request = SendRequest {
            context,
            opcode: Opcode::Send,
            flags,
            entries: 0,
            immediate_or_key: 0,
            remote_address: 0,
            rkey: Key::default(),
            first: Sge::default(),
            length: 0,
            compare_or_add: 0,
            swap: 0,
        };
        let remote = |request: &mut SendRequest, opcode, address, key| {
            (request.opcode, request.remote_address, request.rkey) = (opcode, address, key);
        };
        match self {
            Self::Send => {}
            Self::SendWithImmediate(immediate) => {
                (request.opcode, request.immediate_or_key) = (Opcode::SendWithImmediate, immediate);
            }
            Self::SendWithInvalidate(key) => {
                (request.opcode, request.immediate_or_key) = (Opcode::SendWithInvalidate, key.0);
            }
            Self::Write { address, key } => remote(&mut request, Opcode::Write, address, key),
            Self::WriteWithImmediate { address, key, immediate } => {
                remote(&mut request, Opcode::WriteWithImmediate, address, key);
                request.immediate_or_key = immediate;
            }
            Self::Read { address, key } => remote(&mut request, Opcode::Read, address, key),
            Self::CompareAndSwap { address, key, compare, swap } => {
                remote(&mut request, Opcode::CompareAndSwap, address, key);
                (request.compare_or_add, request.swap) = (compare, swap);
            }
            Self::FetchAndAdd { address, key, add } => {
                remote(&mut request, Opcode::FetchAndAdd, address, key);
                request.compare_or_add = add;
            }
            Self::AtomicWrite { address, key, value } => {
                remote(&mut request, Opcode::AtomicWrite, address, key);
                (request.compare_or_add, request.length) = (value, 8);
            }
            Self::Flush { address, key, length, placement, selectivity } => {
                remote(&mut request, Opcode::Flush, address, key);
                (request.immediate_or_key, request.length) = (flush_header(placement, selectivity), length);
            }
        }
        request
    }

    #[inline]
    fn reads(self) -> bool {
        matches!(self, Self::Read { .. } | Self::CompareAndSwap { .. } | Self::FetchAndAdd { .. })
            || self.has_no_data()
    }

    /// It gets an answer as a read does, and takes as much of the limit, but has no entries.
    #[inline]
    fn has_no_data(self) -> bool {
        matches!(self, Self::AtomicWrite { .. } | Self::Flush { .. })
    }

    fn is_atomic(self) -> bool {
        matches!(self, Self::CompareAndSwap { .. } | Self::FetchAndAdd { .. })
    }
}

/// What the initiator requests of a queue pair are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'r> {
    pub(crate) sge: u32,
    pub(crate) inline: u32,
    pub(crate) rules: &'r Rules,
}

impl Limits<'_> {
    /// Judges what a call can see of a request, and completes it by its data.
    ///
    /// `no_reads`: the connection stands, and allows none in progress.
    #[inline]
    pub(crate) fn judge(
        &self,
        operation: &Operation,
        data: Data<'_>,
        request: &mut SendRequest,
        no_reads: impl FnOnce() -> bool,
    ) -> Result<(), PostRefused> {
        let length = match data {
            Data::Sgl(sgl) => {
                if sgl.len() > self.sge as usize {
                    return Err(PostRefused::TooManyEntries { got: sgl.len(), max: self.sge });
                }
                request.entries = sgl.len() as u8;
                request.first = sgl.first().copied().unwrap_or_default();
                total(sgl)
            }
            Data::Inline(pieces) => {
                let got = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
                if got > self.inline as usize {
                    return Err(PostRefused::InlineTooLong { got, max: self.inline });
                }
                request.flags = request.flags | RequestFlags::INLINE;
                got as u64
            }
        };
        let length = if operation.has_no_data() { request.length.into() } else { length };
        let max = self.rules.max_transfer;
        if length > max && !matches!(operation, Operation::Flush { .. }) {
            return Err(PostRefused::TooLong { got: length, max });
        }
        request.length = length as u32;
        if operation.reads() {
            self.judge_read(operation, data, length)?;
            if no_reads() {
                return Err(PostRefused::NoReads);
            }
        }
        Ok(())
    }

    fn judge_read(&self, operation: &Operation, data: Data<'_>, length: u64) -> Result<(), PostRefused> {
        let entries = match data {
            Data::Sgl(sgl) => sgl.len(),
            Data::Inline(_) => return Err(PostRefused::WrongData { entries: 0, length }),
        };
        if operation.is_atomic() && (entries != 1 || length != 8) {
            return Err(PostRefused::WrongData { entries, length });
        }
        let max = self.rules.max_read_sge;
        if entries > max as usize {
            return Err(PostRefused::TooManyEntries { got: entries, max });
        }
        Ok(())
    }
}

/// Sum of the lengths; up to 2^32 entries cannot overflow it.
#[inline]
fn total(sgl: &[Sge]) -> u64 {
    match sgl {
        [one] => one.length.into(), // as most requests have
        all => all.iter().map(|sge| u64::from(sge.length)).sum(),
    }
}

impl Qp {
    /// Posts an initiator request and, unless it is deferred, executes what the queue lets this thread
    /// execute.
    ///
    /// A post that is refused still exposes what was deferred before it.
    #[inline]
    pub(crate) fn post_send(
        self: &Arc<Self>,
        operation: &Operation,
        data: Data<'_>,
        flags: RequestFlags,
        deferred: bool,
        context: u64,
    ) -> Result<(), PostRefused> {
        let mut request = operation.request(context, flags);
        if planted!(ErrorRefusesPosts, "after an error posts are refused, not cancelled")
            && self.state() == crate::device::state::QpState::Error
        {
            return Err(PostRefused::NotConnected);
        }
        if let Err(refused) = self.judge(operation, data, &mut request) {
            self.expose_deferred();
            return Err(refused);
        }
        let post = if deferred { Post::Deferred } else { Post::Plain };
        let posted = self.sq.post(1, post, |_, payload, side| {
            request.encode(payload);
            match data {
                Data::Sgl(sgl) => put_entries(sgl, side),
                Data::Inline(pieces) => put_inline(&request, pieces, payload, side),
            }
        });
        if posted.refused.is_none() {
            observe::request(|| {
                let (qpn, kind, length) = (self.qpn(), request.opcode.into(), request.length);
                Event::Posted { qpn, context, kind, length, deferred }
            });
        }
        if let Some(held) = posted.held {
            self.device.run_posted(self, held);
        }
        match posted.refused {
            None => Ok(()),
            Some(NoRoom::Full) => Err(PostRefused::Full { depth: self.sq.depth() }),
            Some(NoRoom::Closed) => Err(PostRefused::NotConnected),
        }
    }

    #[inline]
    fn judge(
        &self,
        operation: &Operation,
        data: Data<'_>,
        request: &mut SendRequest,
    ) -> Result<(), PostRefused> {
        let limits = Limits { sge: self.max.send_sge, inline: self.max.inline, rules: &self.rules };
        limits.judge(operation, data, request, || {
            // Relaxed: set before the queue opens; who sees it open, by the claim, sees this.
            let none = self.outbound_reads.load(Ordering::Relaxed) == 0;
            let none = none && !planted!(ReadLimitUnchecked, "reads start although the limit is 0");
            none && self.state().receives()
        })
    }

    /// Exposes what was deferred, as a call that fails must.
    pub(crate) fn expose_deferred(self: &Arc<Self>) {
        if planted!(DeferredStays, "a refused post leaves deferred requests where they are") {
            return;
        }
        if let Some(held) = self.sq.doorbell() {
            self.device.run_posted(self, held);
        }
    }

    /// Posts a receive; works on a queue pair that is not connected.
    #[inline]
    pub(crate) fn post_receive(self: &Arc<Self>, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        if self.srq.is_some() {
            return Err(PostRefused::HasSharedQueue);
        }
        let request = receive_request(context, sgl, self.max.receive_sge)?;
        let posted = self.rq.post(1, Post::Receive, |_, payload, side| {
            request.encode(payload);
            put_entries(sgl, side);
        });
        let refused = posted.refused.is_some();
        if !refused {
            observe::request(|| Event::ReceivePosted { qpn: self.qpn(), context });
        }
        if posted.held.is_some() || posted.wake {
            self.after_receive(posted.held, posted.wake);
        }
        if refused { Err(PostRefused::Full { depth: self.rq.depth() }) } else { Ok(()) }
    }
}

#[inline]
pub(crate) fn receive_request(context: u64, sgl: &[Sge], max: u32) -> Result<ReceiveRequest, PostRefused> {
    if sgl.len() > max as usize {
        return Err(PostRefused::TooManyEntries { got: sgl.len(), max });
    }
    let first = sgl.first().copied().unwrap_or_default();
    Ok(ReceiveRequest { context, entries: sgl.len() as u8, first, length: total(sgl) })
}

/// Puts the entries after the first beside the slot.
#[inline]
pub(crate) fn put_entries(sgl: &[Sge], side: &mut [u64]) {
    let [_, others @ ..] = sgl else { return };
    for (words, sge) in side.chunks_exact_mut(2).zip(others) {
        words.copy_from_slice(&sge_to_words(*sge));
    }
}

/// Puts inline data into the slot or beside it.
#[inline]
pub(crate) fn put_inline(request: &SendRequest, pieces: &[&[u8]], payload: &mut [u64; 7], side: &mut [u64]) {
    match pieces {
        [one] => SendRequest::put_inline(payload, side, one),
        pieces => put_pieces(request, pieces, payload, side),
    }
}

#[inline(never)] // most inline data is one piece, and needs no bytes to be cleared and gathered in
fn put_pieces(request: &SendRequest, pieces: &[&[u8]], payload: &mut [u64; 7], side: &mut [u64]) {
    let mut bytes = [0; INLINE_MAX];
    let mut at = 0;
    let cut = planted!(InlineCut, "inline data has only its first piece");
    for piece in pieces.iter().take(if cut { 1 } else { usize::MAX }) {
        bytes[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    SendRequest::put_inline(payload, side, &bytes[..request.length as usize]);
}
