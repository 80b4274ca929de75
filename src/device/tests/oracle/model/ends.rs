//! How requests of the model end: completions, and the queues they go into.

use super::*;

/// Completions.
impl Model {
    pub(super) fn cancel_sends(&mut self, end: usize) {
        while let Some(request) = self.ends[end].sends.pop_front() {
            self.ends[end].keyed.cancelled(&request.verb);
            self.complete_send(end, &request, Err((Status::Flushed, Detail::None)));
        }
    }

    pub(super) fn cancel_receives(&mut self, end: usize) {
        while let Some(receive) = self.ends[end].receives.pop_front() {
            self.complete_receive(end, &receive, Err((Status::Flushed, Detail::None)), None);
        }
    }

    pub(super) fn completion(&self, end: usize, context: u64, ended: Ended) -> Completion {
        let (status, detail) = ended.err().unwrap_or_default();
        Completion {
            context,
            qp_context: self.names.qp_context,
            status,
            detail,
            length: ended.unwrap_or(0),
            qpn: self.names.qpn[end],
            ..Completion::default()
        }
    }

    pub(super) fn complete_send(&mut self, end: usize, request: &Request, ended: Ended) {
        count(&mut self.ends[end].out, ended);
        if ended.is_ok() && request.flags.contains(RequestFlags::SILENT_SUCCESS) {
            return;
        }
        let kind = match request.verb {
            Verb::Send | Verb::SendWithImmediate(_) | Verb::SendWithInvalidate(_) => CompletionKind::Send,
            Verb::Write { .. } | Verb::WriteWithImmediate { .. } => CompletionKind::Write,
            Verb::Read { .. } => CompletionKind::Read,
            Verb::CompareAndSwap { .. } => CompletionKind::CompareAndSwap,
            Verb::FetchAndAdd { .. } => CompletionKind::FetchAndAdd,
            Verb::AtomicWrite { .. } => CompletionKind::AtomicWrite,
            Verb::Flush { .. } => CompletionKind::Flush,
            Verb::Bind { .. } => CompletionKind::Bind,
            Verb::FastRegister { .. } => CompletionKind::FastRegister,
        };
        let completion = Completion { kind, ..self.completion(end, request.context, ended) };
        self.push(end, false, ended.is_err(), completion);
    }

    pub(super) fn complete_receive(
        &mut self,
        end: usize,
        receive: &Receive,
        ended: Ended,
        from: Option<&Request>,
    ) {
        count(&mut self.ends[end].in_, ended);
        let mut completion = self.completion(end, receive.context, ended);
        if let (Ok(_), Some(request)) = (ended, from) {
            completion.source_qpn = self.names.qpn[1 - end];
            let (kind, flags, value) = match request.verb {
                Verb::SendWithImmediate(value) => {
                    (CompletionKind::Receive, CompletionFlags::IMMEDIATE, value)
                }
                Verb::WriteWithImmediate { immediate, .. } => {
                    (CompletionKind::ReceiveWrite, CompletionFlags::IMMEDIATE, immediate)
                }
                Verb::SendWithInvalidate(key) => {
                    (CompletionKind::Receive, CompletionFlags::INVALIDATED, self.names.key(end, key).0)
                }
                _ => (CompletionKind::Receive, CompletionFlags::NONE, 0),
            };
            (completion.kind, completion.flags, completion.immediate_or_key) = (kind, flags, value);
            if request.flags.contains(RequestFlags::SOLICITED) {
                completion.flags = flags | CompletionFlags::SOLICITED;
            }
        }
        let solicited = ended.is_err() || completion.flags.contains(CompletionFlags::SOLICITED);
        self.push(end, true, solicited, completion);
    }

    pub(super) fn push(&mut self, end: usize, receives: bool, solicited: bool, completion: Completion) {
        let class = if solicited { Class::Solicited } else { Class::Ordinary };
        let cq = self.cq(end, receives);
        if !self.cqs[cq].push(receives, class, completion) {
            self.die(end);
        }
    }
}

fn count(counts: &mut Counts, ended: Ended) {
    counts.completed += 1;
    match ended {
        Ok(bytes) => counts.bytes += u64::from(bytes),
        Err(_) => counts.failed += 1,
    }
}
