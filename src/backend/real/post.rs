//! Posting initiator requests: judged here; who has the role of the queue gives them to the device.

#![forbid(unsafe_code)]

use super::qp::{Phase, Qp};
use crate::device::callbacks::Outbox;
use crate::device::qp::{Data, Operation, PostRefused, put_entries, put_inline};
use crate::ring::{HeldQueue, Payload, Post};
use crate::sync::Ordering;
use crate::work::{RequestFlags, SendRequest};
use std::sync::Arc;

impl Qp {
    pub(crate) fn post_send(
        self: &Arc<Self>,
        operation: &Operation,
        data: Data<'_>,
        flags: RequestFlags,
        deferred: bool,
        context: u64,
    ) -> Result<(), PostRefused> {
        let mut request = operation.request(context, flags);
        self.judge(operation, data, &mut request).inspect_err(|_| self.expose_deferred())?;
        let post = if deferred { Post::Deferred } else { Post::Plain };
        self.put(post, |payload, side| {
            request.encode(payload);
            match data {
                Data::Sgl(sgl) => put_entries(sgl, side),
                Data::Inline(pieces) => put_inline(&request, pieces, payload, side),
            }
        })
    }

    /// Puts a request into the send queue.
    pub(super) fn put(
        self: &Arc<Self>,
        post: Post,
        write: impl Fn(&mut Payload, &mut [u64]),
    ) -> Result<(), PostRefused> {
        for again in [false, true] {
            if matches!(self.phase(), Phase::Unconnected | Phase::Closed) {
                self.expose_deferred();
                return Err(PostRefused::NotConnected);
            }
            let posted = self.sends.ring.post(1, post, |_, payload, side| write(payload, side));
            self.run_if_held(posted.held);
            if posted.refused.is_none() {
                return Ok(());
            }
            if !again {
                // Completions that nobody has polled yet have their room again, and silent requests theirs.
                self.send_cq.look();
            }
        }
        Err(PostRefused::Full { depth: self.sends.ring.depth() })
    }

    fn run_if_held(self: &Arc<Self>, held: Option<HeldQueue<'_>>) {
        if let Some(held) = held {
            let mut outbox = Outbox::new();
            self.run_sends(held, &mut outbox);
            outbox.emit();
        }
    }

    /// Exposes what was deferred, as a call that fails must.
    pub(crate) fn expose_deferred(self: &Arc<Self>) {
        self.run_if_held(self.sends.ring.doorbell());
    }

    /// What can be seen of a request without the device; completes it.
    fn judge(
        &self,
        operation: &Operation,
        data: Data<'_>,
        request: &mut SendRequest,
    ) -> Result<(), PostRefused> {
        self.adapter.capabilities().lacks.judge(operation)?;
        let length = match data {
            Data::Sgl(sgl) => {
                let max = self.max.send_sge;
                if sgl.len() > max as usize {
                    return Err(PostRefused::TooManyEntries { got: sgl.len(), max });
                }
                request.entries = sgl.len() as u8;
                request.first = sgl.first().copied().unwrap_or_default();
                sgl.iter().map(|sge| u64::from(sge.length)).sum()
            }
            Data::Inline(pieces) => {
                let got = pieces.iter().fold(0usize, |sum, piece| sum.saturating_add(piece.len()));
                if got > self.max.inline as usize {
                    return Err(PostRefused::InlineTooLong { got, max: self.max.inline });
                }
                request.flags = request.flags | RequestFlags::INLINE;
                got as u64
            }
        };
        let max = self.rules.max_transfer;
        if length > max {
            return Err(PostRefused::TooLong { got: length, max });
        }
        let atomic = matches!(operation, Operation::CompareAndSwap { .. } | Operation::FetchAndAdd { .. });
        // Both are answered as reads are, and count as such; their length is made already.
        let without_data = matches!(operation, Operation::AtomicWrite { .. } | Operation::Flush { .. });
        let length = if without_data { request.length.into() } else { length };
        request.length = length as u32;
        if atomic || without_data || matches!(operation, Operation::Read { .. }) {
            self.judge_read(atomic, data, length)?;
        }
        Ok(())
    }

    fn judge_read(&self, atomic: bool, data: Data<'_>, length: u64) -> Result<(), PostRefused> {
        let entries = match data {
            Data::Sgl(sgl) => sgl.len(),
            Data::Inline(_) => return Err(PostRefused::WrongData { entries: 0, length }),
        };
        if atomic && (entries != 1 || length != 8) {
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
        Ok(())
    }
}
