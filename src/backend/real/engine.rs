//! What the holder of a queue's role does: it gives the device what was posted, and completes what has ended.
//!
//! A pass ends what can be ended and stops at the first request that the device has not got. Those are given
//! to it by a second pass, the initiator requests in one batch: NDK's doorbell. Each is in flight before the
//! device has it, so that its completion finds it so.

#![forbid(unsafe_code)]

use super::push::Pushes;
use super::qp::{Qp, RECEIVE};
use super::request::{Given, entries_of};
use super::status::{self, Arrival};
use super::{Cq, capabilities};
use crate::device::callbacks::Outbox;
use crate::direct::Outcome;
use crate::ring::{Class, End, Engine, HeldQueue, Pass, Payload, Step};
use crate::sync::Ordering;
use crate::work::{
    Completion, CompletionFlags, CompletionKind, Detail, Opcode, ReceiveRequest, RequestFlags, SendRequest,
    Status,
};
use qpair_rdma_core as rdma;
use std::convert::Infallible;
use std::sync::Arc;

/// Requests that are given to the device at a time at most.
const BATCH: usize = 64;
/// So many rounds a caller makes for others, before the adapter's thread goes on.
const ROUNDS: usize = 256;

/// Ends requests, and stops at the first that the device has not got.
pub(super) struct Ender<'e> {
    qp: &'e Qp,
    receives: bool,
    pushes: Pushes<'e>,
    /// There is a request that the device has not got.
    found: bool,
}

/// The words of an ended request say how; those of one that was cancelled nothing.
fn outcome_of(end: &End<Infallible>, payload: &Payload) -> Outcome {
    match end {
        End::Executed(never) => match *never {},
        End::Finished => Outcome::unstash(payload),
        End::Cancelled => Outcome::failure(Status::Flushed, Detail::None),
    }
}

impl<'e> Ender<'e> {
    fn new(qp: &'e Qp, cq: &'e Arc<Cq>, receives: bool) -> Self {
        Self { qp, receives, pushes: Pushes::new(cq), found: false }
    }

    fn completion(&self, payload: &Payload, outcome: Outcome) -> Completion {
        Completion {
            context: payload[0],
            qp_context: self.qp.context,
            status: outcome.status,
            detail: outcome.detail,
            length: outcome.length,
            qpn: self.qp.qpn(),
            ..Completion::default()
        }
    }

    fn end_send(&mut self, payload: &Payload, outcome: Outcome, told: bool) -> bool {
        self.qp.sends.figures.count(outcome);
        let (opcode, flags) = SendRequest::decode_kind(payload);
        let failed = outcome.status != Status::Success;
        if !failed && flags.contains(RequestFlags::SILENT_SUCCESS) {
            return false;
        }
        if failed && opcode == Opcode::Bind {
            // Cancelled without the device, it would wait for ever.
            SendRequest::decode(payload).map(|request| self.qp.take_binding(&request));
        }
        let coded = if failed && told { status::unstash_code(payload) } else { (CompletionFlags::NONE, 0) };
        let completion = Completion {
            kind: opcode.into(),
            flags: coded.0,
            immediate_or_key: coded.1,
            ..self.completion(payload, outcome)
        };
        let class = if failed { Class::Solicited } else { Class::Ordinary };
        self.pushes.add(class, 0, &completion);
        true
    }

    fn end_receive(&mut self, payload: &Payload, outcome: Outcome, told: bool) {
        self.qp.receives.figures.count(outcome);
        let mut completion = self.completion(payload, outcome);
        let mut number = 0;
        if told {
            let (arrival, of_entry) = Arrival::unstash(payload);
            (completion.kind, completion.flags) = (arrival.kind, arrival.flags);
            (completion.immediate_or_key, number) = (arrival.immediate_or_key, of_entry);
        }
        let failed = outcome.status != Status::Success;
        self.pushes.add(if failed { Class::Solicited } else { Class::Unsure }, number, &completion);
    }
}

impl Engine for Ender<'_> {
    type Outcome = Infallible;

    fn execute(&mut self, _: &Payload, _: &[u64], _: u64) -> Step<Infallible> {
        self.found = true;
        Step::Blocked
    }

    fn launched(&mut self, _: u64) {
        unreachable!("nothing is given to the device here")
    }

    fn stash(&mut self, outcome: Infallible, _: &mut Payload) {
        match outcome {}
    }

    fn retire(&mut self, payload: &Payload, end: End<Infallible>) -> bool {
        let outcome = outcome_of(&end, payload);
        let told = matches!(end, End::Finished);
        if self.receives {
            self.end_receive(payload, outcome, told);
            return true;
        }
        self.end_send(payload, outcome, told)
    }

    fn publish(&mut self) {
        self.pushes.push();
    }
}

/// A pass that gives the device what it finds, and ends what has ended.
struct Giving<'e, 'p, G> {
    ender: &'e mut Ender<'p>,
    giver: G,
}

/// How the requests of a queue are given to the device; each is in flight in between.
trait Giver {
    /// Reads a request; false: no more of them for now.
    fn read(&mut self, qp: &Qp, payload: &Payload, side: &[u64], ticket: u64) -> bool;

    /// Gives the device what was read last.
    fn give(&mut self, qp: &Qp, ticket: u64);
}

impl<G: Giver> Engine for Giving<'_, '_, G> {
    type Outcome = Infallible;

    fn execute(&mut self, payload: &Payload, side: &[u64], ticket: u64) -> Step<Infallible> {
        match self.giver.read(self.ender.qp, payload, side, ticket) {
            true => Step::InFlight,
            false => Step::Blocked,
        }
    }

    fn launched(&mut self, ticket: u64) {
        self.giver.give(self.ender.qp, ticket);
    }

    fn stash(&mut self, outcome: Infallible, _: &mut Payload) {
        match outcome {}
    }

    fn retire(&mut self, payload: &Payload, end: End<Infallible>) -> bool {
        self.ender.retire(payload, end)
    }

    fn publish(&mut self) {
        self.ender.publish();
    }
}

/// Gives initiator requests to the device, in one batch.
struct SendGiver<'b, 'q> {
    batch: &'b mut rdma::Batch<'q>,
    next: Given,
    given: usize,
    refused: Result<(), rdma::Error>,
}

impl Giver for SendGiver<'_, '_> {
    fn read(&mut self, qp: &Qp, payload: &Payload, side: &[u64], ticket: u64) -> bool {
        let room = self.given < BATCH;
        if room {
            self.given += 1;
            self.next.read(qp, payload, side, ticket);
        }
        room
    }

    fn give(&mut self, qp: &Qp, ticket: u64) {
        qp.sends.given.set(ticket + 1);
        if self.refused.is_ok() {
            self.refused = self.next.give(ticket, |request| self.batch.push(request));
        }
    }
}

/// Gives receives to the device.
struct ReceiveGiver {
    list: [rdma::Sge; capabilities::SGE as usize],
    entries: usize,
    given: bool,
    refused: Result<(), rdma::Error>,
}

impl Giver for ReceiveGiver {
    fn read(&mut self, qp: &Qp, payload: &Payload, side: &[u64], ticket: u64) -> bool {
        let request = ReceiveRequest::decode(payload);
        self.entries = entries_of(request.first, request.entries, side, &mut self.list);
        self.given = true;
        qp.kept.keep(ticket, &self.list[..self.entries]);
        true
    }

    fn give(&mut self, qp: &Qp, ticket: u64) {
        qp.receives.given.set(ticket + 1);
        if let Err(error) = qp.qp.post_receive(ticket | RECEIVE, &self.list[..self.entries]) {
            qp.receives.ring.finish(ticket, |payload| {
                qp.not_given().stash(payload);
                Arrival::NOTHING.stash(0, payload);
            });
            self.refused = Err(error);
        }
    }
}

impl Qp {
    /// How a request ends that the device has refused: a queue pair that is over may be on its way to Error.
    fn not_given(&self) -> Outcome {
        let status = if self.phase().is_over() { Status::Flushed } else { Status::General };
        Outcome::failure(status, Detail::None)
    }

    /// Runs the send queue, whose role the caller holds.
    pub(super) fn run_sends(self: &Arc<Self>, held: HeldQueue<'_>, outbox: &mut Outbox) {
        let mut ender = Ender::new(self, &self.send_cq, false);
        let mut held = held;
        for round in 0.. {
            if round == ROUNDS {
                held.hand_over();
                self.leave_to_thread();
                break;
            }
            ender.found = false;
            held.pass(&self.sends.ring, &mut ender);
            if ender.found && self.give(&mut held, &mut ender) {
                continue;
            }
            self.mark_end();
            match held.leave() {
                Some(again) => held = again,
                None => break,
            }
        }
        ender.pushes.announce(outbox);
    }

    /// Has the adapter's thread go on: others post as fast as the device takes.
    #[cold]
    fn leave_to_thread(self: &Arc<Self>) {
        let qp = Arc::clone(self);
        self.adapter.chore_later(move || {
            let mut outbox = Outbox::new();
            if let Some(held) = qp.sends.ring.resume() {
                qp.run_sends(held, &mut outbox);
            }
            if let Some(held) = qp.receives.ring.resume() {
                qp.run_receives(held, &mut outbox);
            }
            outbox.emit();
            true
        });
    }

    /// Gives the device what is at the head; true: there is more to do, of which nobody else tells. What it
    /// refuses fails, and with it the connection: each of these requests was promised a completion.
    fn give(self: &Arc<Self>, held: &mut HeldQueue<'_>, ender: &mut Ender<'_>) -> bool {
        let from = self.sends.given.get();
        let mut more = false;
        let posted = self.qp.post(|batch| {
            let giver = SendGiver { batch, next: Given::new(), given: 0, refused: Ok(()) };
            let mut giving = Giving { ender, giver };
            more = held.pass(&self.sends.ring, &mut giving) != Pass::Idle;
            giving.giver.refused
        });
        if let Err(failed) = posted {
            for ticket in from + failed.posted as u64..self.sends.given.get() {
                // False if it was flushed meanwhile, without the device.
                let _ended = self.sends.ring.finish(ticket, |payload| {
                    self.not_given().stash(payload);
                    status::stash_code(0, payload);
                });
            }
            self.given_in_vain(&failed.error);
            more = true;
        }
        more
    }

    /// Has the device tell of the silent requests that nothing stands behind: it is in error, and cancels
    /// what comes now, so that this request of ours is seen by nobody else. Its completion takes no more room
    /// than one of them would that fails.
    fn mark_end(&self) {
        let given = self.sends.given.get();
        // Relaxed: the kick that follows its being set orders it.
        if self.in_error.load(Ordering::Relaxed) == 0 || self.signalled.get() == given {
            return;
        }
        self.signalled.set(given);
        if let Err(error) = self.qp.post_send(&Given::end_of(given - 1)) {
            tracing::debug!(qp = self.number(), %error, "the device does not say what has ended");
        }
    }

    /// Runs the receive queue, whose role the caller holds.
    pub(super) fn run_receives(self: &Arc<Self>, held: HeldQueue<'_>, outbox: &mut Outbox) {
        let mut ender = Ender::new(self, &self.receive_cq, true);
        let mut held = held;
        for round in 0.. {
            if round == ROUNDS {
                held.hand_over();
                self.leave_to_thread();
                break;
            }
            self.pass_receives(&mut held, &mut ender);
            match held.leave() {
                Some(again) => held = again,
                None => break,
            }
        }
        ender.pushes.announce(outbox);
    }

    /// One pass over the receives, by who holds their role.
    pub(super) fn pass_receives(self: &Arc<Self>, held: &mut HeldQueue<'_>, ender: &mut Ender<'_>) {
        if self.phases.holds_back() {
            held.pass(&self.receives.ring, ender);
            return;
        }
        let list = [rdma::Sge { address: 0, length: 0, lkey: 0 }; capabilities::SGE as usize];
        let giver = ReceiveGiver { list, entries: 0, given: false, refused: Ok(()) };
        let mut giving = Giving { ender, giver };
        held.pass(&self.receives.ring, &mut giving);
        let ReceiveGiver { given, refused, .. } = giving.giver;
        if let Err(error) = refused {
            self.given_in_vain(&error);
            held.pass(&self.receives.ring, ender);
        }
        if given && self.phases.is_over_for_given() {
            self.move_to_error(); // else soft-RoCE leaves it where it is for ever
        }
    }

    /// Works in the role of the receive queue, for which it waits, then runs the queue. Control.
    pub(super) fn with_receives<R>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>, &mut HeldQueue<'_>, &mut Ender<'_>) -> R,
    ) -> R {
        let mut held = loop {
            match self.receives.ring.kick_if_idle() {
                Some(held) => break held,
                None => std::thread::yield_now(),
            }
        };
        let mut outbox = Outbox::new();
        let mut ender = Ender::new(self, &self.receive_cq, true);
        let result = work(self, &mut held, &mut ender);
        ender.pushes.announce(&mut outbox);
        self.run_receives(held, &mut outbox);
        outbox.emit();
        result
    }

    #[cold]
    fn given_in_vain(self: &Arc<Self>, error: &rdma::Error) {
        if self.phase().is_over() {
            return;
        }
        tracing::error!(qp = self.number(), %error, "the device has refused requests");
        let qp = Arc::clone(self);
        // With no role held.
        self.adapter.chore_later(move || {
            qp.break_down();
            true
        });
    }
}

impl Arrival {
    /// Nothing came.
    const NOTHING: Self =
        Self { kind: CompletionKind::Receive, flags: CompletionFlags::NONE, immediate_or_key: 0 };
}
