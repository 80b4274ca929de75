//! What the engines of send and receive queues do with requests: execute them through `direct`, and complete.

mod flush;
mod keys;

use super::Device;
use super::agenda::{Frame, Task};
use super::cq::Batch;
use super::qp::Qp;
use super::rnr::Patience;
use crate::direct::{self, Delivered, Executed, Message, Outcome};
use crate::host::Host;
use crate::memory::{Denied, Flight, Flush, Grant, LocalAccess, Party, RemoteAccess};
use crate::observe::{self, Event};
use crate::planted::planted;
use crate::ring::{Class, End, Engine, Feed, Offered, Payload, Pin, Step};
use crate::sync::Ordering;
use crate::work::{
    Completion, CompletionFlags, Detail, FlushPlacement, Key, Opcode, ReceiveRequest, RequestFlags,
    SendRequest, Sge, Status,
};
use std::sync::Arc;

/// Longest stretch of a copy without a look at flush marks, keys and budget, in bytes.
const PIECE: u64 = 1 << 20;
/// Bytes that a poster moves at most before the driver goes on.
const BYTES: u64 = 16 << 20;
/// Requests that a poster executes at most, in queue depths.
const DEPTHS: u64 = 4;

/// What a thread may still do for a queue before the driver goes on with it.
pub(super) struct Budget {
    requests: u64,
    bytes: u64,
    piece: u64,
}

impl Budget {
    #[inline]
    pub(super) fn of(qp: &Qp) -> Self {
        if let Some(cut) = qp.faults.as_ref().and_then(|faults| faults.cut(qp)) {
            return Self { requests: cut.requests, bytes: cut.bytes, piece: cut.piece };
        }
        Self { piece: PIECE, requests: DEPTHS * qp.sq.depth().max(16), bytes: BYTES }
    }
}

/// One end of a connection for the length of a pass.
struct HostEnd<'p> {
    device: &'p Device,
    pin: &'p Pin<'p>,
    party: &'p Party,
    /// What this end's own requests store into is the sink of a read, which needs a right of its own.
    sink_right: bool,
}

impl Host for HostEnd<'_> {
    #[inline(always)] // also asked for scattered bytes, whose calls must not make it one of its own here
    fn local(&self, sge: Sge, access: LocalAccess) -> Result<Grant<'_>, Denied> {
        let sink = self.sink_right && access == LocalAccess::Write;
        let access = if sink { LocalAccess::ReadSink } else { access };
        self.device.keys.check_local(self.pin, sge.token, *self.party, sge.address, sge.length, access)
    }

    #[inline(always)] // as above
    fn remote(&self, key: Key, address: u64, length: u32, access: RemoteAccess) -> Result<Grant<'_>, Denied> {
        self.device.keys.check_remote(self.pin, key, *self.party, address, length, access)
    }

    fn flush(&self, key: Key, range: Option<(u64, u32)>, placement: FlushPlacement) -> Result<Flush, Denied> {
        self.device.keys.check_flush(self.pin, key, *self.party, range, placement)
    }

    fn invalidate(&self, key: Key) -> Result<(), Detail> {
        let unbound = self.device.keys.invalidate(self.pin, key, *self.party).map_err(Denied::detail)?;
        if let Some(region) = unbound {
            self.device.windows_gone(region);
        }
        Ok(())
    }
}

/// The engine of a send queue.
pub(super) struct SendEngine<'p> {
    device: &'p Device,
    pin: &'p Pin<'p>,
    qp: &'p Arc<Qp>,
    peer: Option<&'p Arc<Qp>>,
    budget: &'p mut Budget,
    frame: &'p mut Frame,
    completions: Batch<'p>,
    /// A flush that was executed and is to be started when its slot is in flight.
    launching: Option<Box<Flight>>,
    /// The pass stopped for a new pin in the middle of a message, not because the budget is spent.
    piece: bool,
}

impl<'p> SendEngine<'p> {
    #[inline]
    pub(super) fn new(
        device: &'p Device,
        pin: &'p Pin<'p>,
        qp: &'p Arc<Qp>,
        budget: &'p mut Budget,
        frame: &'p mut Frame,
    ) -> Self {
        let peer = device.qp(pin, qp.peer());
        let misled = planted!(CqMixedUp, "initiator requests complete into the receive queue's CQ");
        let cq = if misled { &qp.receive_cq } else { &qp.send_cq };
        let completions = Batch::new(cq, qp);
        Self { device, pin, qp, peer, budget, frame, completions, launching: None, piece: false }
    }

    /// Looks at the arm of the completion queue; true: the pass stopped in the middle of a message.
    #[inline]
    pub(super) fn end(self) -> bool {
        self.completions.announce(&mut self.frame.outbox);
        self.piece
    }

    #[inline]
    fn dispatch(&mut self, request: &SendRequest, words: &Payload, side: &[u64]) -> Step<Outcome> {
        let Some(peer) = self.peer.filter(|peer| peer.state().receives() && peer.peer() == self.qp.id())
        else {
            return self.peer_gone();
        };
        // Relaxed: written in this role only.
        let progress = self.qp.progress.bytes.load(Ordering::Relaxed);
        if request.opcode.takes_receive() {
            return self.send(request, words, side, peer, progress);
        }
        if request.opcode == Opcode::Flush {
            return self.flush_remote(request, peer);
        }
        let failures = self.device.keys.failures();
        let here = HostEnd { sink_right: self.qp.rules.sink_right, ..self.end_of(self.qp) };
        let ends = (&here, &self.end_of(peer));
        let executed = direct::execute(request, side, words, ends, progress, self.budget.piece);
        if failures != 0 {
            self.written(request, progress, executed, failures);
        }
        match executed {
            Executed::Done(outcome) => {
                self.budget.bytes = self.budget.bytes.saturating_sub(u64::from(request.length) - progress);
                self.ended(outcome)
            }
            Executed::Partly(bytes) => self.partly(bytes),
        }
    }

    /// Nobody takes the request: it waits for the connector to say how the connection has ended, as a packet
    /// that nobody answers would be sent again meanwhile; a graceful end cancels it (FLUSH-25).
    #[cold]
    fn peer_gone(&mut self) -> Step<Outcome> {
        if self.qp.has_connector() {
            return Step::Blocked; // whatever the connector is told marks the queue and kicks it
        }
        self.ended(Outcome::failure(Status::RetryExceeded, Detail::PeerGone))
    }

    #[inline]
    fn end_of(&self, qp: &'p Qp) -> HostEnd<'p> {
        HostEnd { device: self.device, pin: self.pin, party: &qp.party, sink_right: false }
    }

    fn send(
        &mut self,
        request: &SendRequest,
        words: &Payload,
        side: &[u64],
        peer: &'p Arc<Qp>,
        progress: u64,
    ) -> Step<Outcome> {
        // Relaxed: written in this role only.
        let receive = self.qp.progress.receive.load(Ordering::Relaxed);
        let (piece, failures) = (self.budget.piece, self.device.keys.failures());
        let mut message =
            Message { request, words, side, progress, receive, piece, ended: None, partly: false };
        let mut engine = ReceiveEngine::new(self.device, self.pin, peer, self.frame);
        engine.sender = Some((self.qp, &mut message));
        let offered = offer(peer, self.qp, &mut engine);
        engine.end();
        if offered.wake && !offered.done {
            self.frame.push(Task::Send(self.qp.id()));
        }
        if failures != 0 && request.opcode == Opcode::WriteWithImmediate {
            let executed = message.ended.map_or(Executed::Partly(message.progress), Executed::Done);
            self.written(request, progress, executed, failures);
        }
        match message.ended {
            Some(outcome) => {
                self.budget.bytes = self.budget.bytes.saturating_sub(u64::from(request.length) - progress);
                self.ended(outcome)
            }
            None if message.partly => {
                self.qp.progress.receive.store(message.receive, Ordering::Relaxed); // in this role only
                self.partly(message.progress)
            }
            None => self.park(),
        }
    }

    fn park(&mut self) -> Step<Outcome> {
        let patience = self.device.wait_for_receive(self.qp);
        self.qp.out.not_ready.add(1); // who reads the figure knows that the wait is timed
        match patience {
            Patience::Waits => Step::Blocked,
            Patience::Over => self.ended(Outcome::failure(Status::RnrRetryExceeded, Detail::None)),
        }
    }

    fn partly(&mut self, bytes: u64) -> Step<Outcome> {
        self.qp.progress.bytes.store(bytes, Ordering::Relaxed); // in this role only
        self.budget.bytes = self.budget.bytes.saturating_sub(self.budget.piece);
        self.piece = self.budget.bytes > 0;
        Step::Spent
    }

    /// The status with which faults on purpose end this request.
    #[inline]
    fn injected(&self, payload: &Payload, ticket: u64) -> Option<Status> {
        let faults = self.qp.faults.as_ref()?;
        faults.initiator(self.qp, ticket, SendRequest::decode_kind(payload).0.into(), payload[0])
    }

    #[inline]
    fn ended(&mut self, outcome: Outcome) -> Step<Outcome> {
        if outcome.status != Status::Success
            && !planted!(ErrorSparesOthers, "an error does not end the connection")
        {
            // Marks both queues: what is behind this request is cancelled in this very pass.
            self.device.enter_error(self.qp, self.frame);
        }
        Step::Done(outcome)
    }
}

impl Engine for SendEngine<'_> {
    type Outcome = Outcome;

    #[inline]
    fn execute(&mut self, payload: &Payload, side: &[u64], ticket: u64) -> Step<Outcome> {
        if self.qp.progress.is_flushing() {
            return Step::Blocked; // in order: the end of the flush kicks the queue
        }
        if self.budget.requests == 0 || self.budget.bytes == 0 {
            return Step::Spent;
        }
        if let Some(status) = self.injected(payload, ticket) {
            self.cancelled(payload); // what it was to change stays as it is
            return self.ended(Outcome::failure(status, Detail::None));
        }
        self.budget.requests -= 1;
        let Some(request) = SendRequest::decode(payload) else {
            return self.ended(Outcome::failure(Status::LocalQpOperation, Detail::None));
        };
        if request.changes_keys() {
            return self.change_keys(&request, payload, side, ticket);
        }
        self.dispatch(&request, payload, side)
    }

    fn launched(&mut self, ticket: u64) {
        self.launch(ticket);
    }

    fn stash(&mut self, outcome: Outcome, payload: &mut Payload) {
        outcome.stash(payload);
    }

    #[inline]
    fn retire(&mut self, payload: &Payload, end: End<Outcome>) -> bool {
        self.qp.progress.end();
        let finished = matches!(end, End::Finished);
        let outcome = Outcome::of_end(end, payload);
        let figures = &self.qp.out;
        figures.completed.add(1);
        figures.bytes.add(u64::from(outcome.length));
        let (opcode, flags) = SendRequest::decode_kind(payload);
        let failed = outcome.status != Status::Success;
        if planted!(SilentFailureHides, "a silent failure is not reported")
            && failed
            && flags.contains(RequestFlags::SILENT_SUCCESS)
        {
            return false;
        }
        if failed {
            figures.failed.add(1);
            if finished {
                self.device.enter_error(self.qp, self.frame); // of the others `ended` has seen to it
            }
            if outcome.status == Status::Flushed {
                self.cancelled(payload);
            }
        } else if flags.contains(RequestFlags::SILENT_SUCCESS)
            && !planted!(SilentSuccessShows, "a silent success is reported")
        {
            observe::request(|| Event::Silent { qpn: self.qp.qpn(), context: payload[0] });
            return false;
        }
        let completion = Completion {
            context: payload[0],
            qp_context: self.qp.context,
            status: outcome.status,
            detail: outcome.detail,
            kind: if planted!(KindIsSend, "each initiator request completes as a send") {
                crate::work::CompletionKind::Send
            } else {
                opcode.into()
            },
            flags: CompletionFlags::NONE,
            length: outcome.length,
            qpn: self.qp.qpn(),
            ..Completion::default()
        };
        let words = completion.encode();
        observe::request(|| Event::Completed(Completion::decode(&words)));
        let class = if failed { Class::Solicited } else { Class::Ordinary };
        self.completions.add(class, words);
        true
    }

    #[inline]
    fn publish(&mut self) {
        if !self.completions.push() {
            self.device.enter_error(self.qp, self.frame);
        }
    }
}

/// Offers a message to the receives of `peer`; parks the sender where there is none.
fn offer(peer: &Arc<Qp>, sender: &Qp, engine: &mut ReceiveEngine<'_, '_>) -> Offered {
    let Some(srq) = &peer.srq else { return peer.rq.offer(engine, ReceiveEngine::is_served) };
    // Release: read by who finds the link listed.
    sender.links.waits_at_srq.store(u64::from(srq.index), Ordering::Release);
    let feed = Feed { shared: &srq.ring, waiter: (sender.id().index(), &sender.links.srq) };
    let fed = peer.rq.offer_fed(feed, engine, ReceiveEngine::is_served, || peer.state().receives());
    if fed.notice {
        srq.fire(&mut engine.frame.outbox);
    }
    Offered { done: fed.done, wake: fed.wake }
}

/// The engine of a receive queue: cancels what is flushed, and delivers at most one message.
pub(super) struct ReceiveEngine<'e, 'm> {
    device: &'e Device,
    pin: &'e Pin<'e>,
    qp: &'e Arc<Qp>,
    frame: &'e mut Frame,
    /// Who sends, and what.
    pub(super) sender: Option<(&'e Qp, &'e mut Message<'m>)>,
    completions: Batch<'e>,
}

impl<'e> ReceiveEngine<'e, '_> {
    #[inline]
    pub(super) fn new(device: &'e Device, pin: &'e Pin<'e>, qp: &'e Arc<Qp>, frame: &'e mut Frame) -> Self {
        Self { device, pin, qp, frame, sender: None, completions: Batch::new(&qp.receive_cq, qp) }
    }

    /// Looks at the arm of the completion queue.
    #[inline]
    pub(super) fn end(self) {
        self.completions.announce(&mut self.frame.outbox);
    }

    fn is_served(&self) -> bool {
        self.sender.as_ref().is_none_or(|(_, message)| message.is_served())
    }
}

impl Engine for ReceiveEngine<'_, '_> {
    type Outcome = Outcome;

    #[inline]
    fn execute(&mut self, payload: &Payload, side: &[u64], ticket: u64) -> Step<Outcome> {
        let (device, pin) = (self.device, self.pin);
        let Some((sender, message)) = self.sender.as_mut().filter(|(_, message)| !message.is_served()) else {
            return Step::Blocked;
        };
        let injected = self.qp.faults.as_ref();
        let injected = injected.and_then(|f| f.receive(self.qp, ticket, message.kind(), payload[0]));
        if let Some(status) = injected {
            message.fail(status);
            self.device.enter_error(self.qp, self.frame);
            return Step::Done(Outcome::failure(status, Detail::None));
        }
        let receive = ReceiveRequest::decode(payload);
        let here = HostEnd { device, pin, party: &sender.party, sink_right: false };
        let there = HostEnd { party: &self.qp.party, ..here };
        match message.deliver(ticket, &receive, side, (&here, &there)) {
            Delivered::Stays => Step::Blocked,
            Delivered::Receive(outcome) => {
                if outcome.status != Status::Success {
                    self.device.enter_error(self.qp, self.frame);
                }
                Step::Done(outcome)
            }
        }
    }

    fn launched(&mut self, _ticket: u64) {
        unreachable!("a receive ends in the pass that delivers to it")
    }

    fn stash(&mut self, outcome: Outcome, payload: &mut Payload) {
        outcome.stash(payload);
    }

    #[inline]
    fn retire(&mut self, payload: &Payload, end: End<Outcome>) -> bool {
        let delivered = matches!(end, End::Executed(_));
        let outcome = Outcome::of_end(end, payload);
        let figures = &self.qp.in_;
        figures.completed.add(1);
        figures.bytes.add(u64::from(outcome.length));
        let mut completion = Completion {
            context: payload[0],
            qp_context: if planted!(ContextOfNobody, "receives complete without QPContext") {
                0
            } else {
                self.qp.context
            },
            status: outcome.status,
            detail: outcome.detail,
            length: outcome.length,
            qpn: self.qp.qpn(),
            ..Completion::default()
        };
        if outcome.status != Status::Success {
            figures.failed.add(1);
        } else if let Some((sender, message)) = self.sender.as_ref().filter(|_| delivered) {
            if planted!(LengthPadded, "a receive tells a byte more than it got") {
                completion.length += 1;
            }
            completion.kind = message.kind();
            completion.flags = message.flags();
            completion.immediate_or_key = message.request.immediate_or_key;
            completion.source_qpn = sender.qpn();
        }
        let words = completion.encode();
        observe::request(|| Event::Completed(Completion::decode(&words)));
        let solicited =
            outcome.status != Status::Success || completion.flags.contains(CompletionFlags::SOLICITED);
        let solicited = solicited
            && !(outcome.status == Status::Success
                && planted!(SolicitedIgnored, "a solicited message is like any other"))
            && !(outcome.status != Status::Success
                && planted!(ErrorsUnsolicited, "receives that fail do not satisfy a SOLICITED arm"));
        let class = if solicited { Class::Solicited } else { Class::Ordinary };
        if outcome.status == Status::Flushed && planted!(CancelledTwice, "a flushed receive completes twice")
        {
            self.completions.add(class, words);
            let _room = self.completions.push();
        }
        self.completions.add(class, words);
        true
    }

    #[inline]
    fn publish(&mut self) {
        if !self.completions.push() {
            self.device.enter_error(self.qp, self.frame);
        }
    }
}

impl Outcome {
    /// How a retired request ended.
    #[inline]
    fn of_end(end: End<Self>, payload: &Payload) -> Self {
        match end {
            End::Executed(outcome) => outcome,
            End::Finished => Self::unstash(payload),
            End::Cancelled if planted!(FlushedBytes, "a flushed request tells bytes") => {
                Self { length: 64, ..Self::failure(Status::Flushed, Detail::None) }
            }
            End::Cancelled => Self::failure(Status::Flushed, Detail::None),
        }
    }
}
