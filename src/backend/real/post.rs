//! Posting initiator requests: judged here; who has the role of the queue gives them to the device.

#![forbid(unsafe_code)]

use super::qp::Qp;
use crate::device::callbacks::Outbox;
use crate::device::qp::{Data, Limits, Operation, PostRefused, put_entries, put_inline};
use crate::ring::{HeldQueue, Payload, Phase, Post};
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
            let phase = self.phase();
            if phase.is_unconnected() || phase == Phase::Closed {
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
        let limits = Limits { sge: self.max.send_sge, inline: self.max.inline, rules: &self.rules };
        limits.judge(operation, data, request, || {
            // Relaxed: set before the queue opens; who sees it open sees this.
            self.phase() == Phase::Connected && self.outbound_reads.load(Ordering::Relaxed) == 0
        })
    }
}
