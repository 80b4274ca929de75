//! The frame of a call: which queues it still has to run, and what users are to hear afterwards.
//!
//! Nothing is run inside a role: who finds there that another queue must be looked at notes it in the agenda.
//! So recursion is bounded, whatever wakes whatever.

use super::Device;
use super::callbacks::{self, Outbox};
use super::engine::{Budget, ReceiveEngine, SendEngine};
use super::pinned::with_pin;
use super::qp::{Qp, QpId};
use crate::direct::Outcome;
use crate::ring::{HeldQueue, Pass, Pin};
use std::sync::Arc;

/// A queue to be kicked, or a queue pair to be failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Kick the send queue.
    Send(QpId),
    /// Kick the receive queue.
    Receive(QpId),
    /// The connection of `dead` is over: its peer goes the same way, if it still is its peer.
    Fail { peer: QpId, dead: QpId },
}

/// Tasks that fit without an allocation; more come with errors, and where a post to a shared receive queue
/// wakes many senders.
const NEAR: usize = 2;

/// What a call has left to do when it holds no role any more.
#[derive(Default)]
pub(crate) struct Frame {
    near: [Option<Task>; NEAR],
    far: Vec<Task>,
    pub(super) outbox: Outbox,
}

impl Frame {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { near: [None; NEAR], far: Vec::new(), outbox: Outbox::new() }
    }

    pub(super) fn push(&mut self, task: Task) {
        if self.near.contains(&Some(task)) {
            return; // it has not been begun, so it will see what this one is for
        }
        match self.near.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(task),
            None => self.far.push(task),
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.near.iter().all(Option::is_none) && self.far.is_empty() && self.outbox.is_empty()
    }

    fn pop(&mut self) -> Option<Task> {
        self.near.iter_mut().find_map(Option::take).or_else(|| self.far.pop())
    }
}

/// How a run of a send queue begins.
#[derive(Clone, Copy)]
enum Begin {
    Kick,
    Resume,
}

/// What a pass over a send queue left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The claim, for another piece of a long message.
    Piece,
    /// The claim, for the driver.
    Budget,
}

impl Device {
    /// Runs all queues that the frame has to kick, then tells users what they are to hear.
    #[inline]
    pub(crate) fn settle(&self, frame: Frame) {
        if !frame.is_empty() {
            self.settle_all(frame);
        }
    }

    #[inline(never)]
    fn settle_all(&self, mut frame: Frame) {
        while let Some(task) = frame.pop() {
            match task {
                Task::Send(id) => self.run_send(id, Begin::Kick, &mut frame),
                Task::Receive(id) => with_pin(|pin| {
                    let Some(qp) = self.qp(pin, id) else { return };
                    if let Some(held) = qp.rq.kick() {
                        self.run_receive(pin, qp, held, &mut frame);
                    }
                }),
                Task::Fail { peer, dead } => with_pin(|pin| {
                    if let Some(qp) = self.qp(pin, peer).filter(|qp| qp.peer() == dead) {
                        self.enter_error(qp, &mut frame);
                    }
                }),
            }
        }
        frame.outbox.emit();
    }

    /// Runs a send queue whose role the calling thread holds after a post.
    #[inline]
    pub(super) fn run_posted(&self, qp: &Arc<Qp>, held: HeldQueue<'_>) {
        let mut frame = Frame::new();
        let mut budget = Budget::of(qp);
        match with_pin(|pin| self.pass_send(pin, qp, held, &mut budget, &mut frame)) {
            Left::Nothing => {}
            Left::Piece => self.go_on(qp.id(), Begin::Resume, Some(budget), &mut frame),
            Left::Budget => self.leave_to_driver(qp),
        }
        if frame.is_empty() {
            std::mem::forget(frame); // it owns nothing, which its drop would look for part by part
        } else {
            self.settle_all(frame);
        }
    }

    fn run_send(&self, id: QpId, begin: Begin, frame: &mut Frame) {
        self.go_on(id, begin, None, frame);
    }

    fn go_on(&self, id: QpId, mut begin: Begin, mut budget: Option<Budget>, frame: &mut Frame) {
        loop {
            // A new pin for each piece of a long message: who deregisters waits for a piece, not for the
            // message.
            let left = with_pin(|pin| {
                let Some(qp) = self.qp(pin, id) else { return Left::Nothing };
                let held = match begin {
                    Begin::Kick => qp.sq.kick(),
                    Begin::Resume => qp.sq.resume(),
                };
                let Some(held) = held else { return Left::Nothing };
                let budget = budget.get_or_insert_with(|| Budget::of(qp));
                let left = self.pass_send(pin, qp, held, budget, frame);
                if left == Left::Budget {
                    self.leave_to_driver(qp);
                }
                left
            });
            if left != Left::Piece {
                return;
            }
            begin = Begin::Resume;
        }
    }

    #[inline]
    fn pass_send(
        &self,
        pin: &Pin<'_>,
        qp: &Arc<Qp>,
        held: HeldQueue<'_>,
        budget: &mut Budget,
        frame: &mut Frame,
    ) -> Left {
        let mut engine = SendEngine::new(self, pin, qp, budget, frame);
        let ran = qp.sq.run(held, &mut engine);
        let piece = engine.end();
        match ran.pass {
            Pass::Spent if piece => Left::Piece,
            Pass::Spent => Left::Budget,
            Pass::Idle | Pass::Blocked => Left::Nothing,
        }
    }

    /// Runs a receive queue that is to cancel what a flush has marked.
    pub(super) fn run_receive(&self, pin: &Pin<'_>, qp: &Arc<Qp>, held: HeldQueue<'_>, frame: &mut Frame) {
        let mut engine = ReceiveEngine::new(self, pin, qp, frame);
        let fed = qp.srq.is_some();
        let ran = if fed { qp.rq.run_fed(held, &mut engine) } else { qp.rq.run(held, &mut engine) };
        engine.end();
        // Not when a fed queue pair is dead: its peer is told by its own task, or by nobody.
        if ran.wake && (!fed || qp.state().receives()) {
            frame.push(Task::Send(qp.peer()));
        }
    }

    /// Ends a request in flight; what is behind it goes on with the driver.
    ///
    /// For a thread of which nothing is known: it may be in a role or a callback, or be the only one that
    /// drives a disk. A request that was flushed meanwhile stays so.
    pub(super) fn finish(&self, id: QpId, ticket: u64, outcome: Outcome) {
        // One pin for all of it: a queue pair that goes waits for who may put it on a list.
        with_pin(|pin| {
            let Some(qp) = self.qp(pin, id) else { return };
            if !qp.sq.finish(ticket, |payload| outcome.stash(payload)) {
                return;
            }
            if let Some(held) = qp.sq.kick() {
                held.hand_over();
                self.leave_to_driver(qp);
            }
        });
    }

    fn leave_to_driver(&self, qp: &Qp) {
        if self.ready.push(qp.id().index(), &qp.links.ready) {
            self.driver.wake();
        }
    }

    /// Goes on with the queues whose budget was spent on their callers' threads.
    pub(super) fn run_ready(&self) {
        let mut ids = Vec::new();
        with_pin(|pin| {
            let qp = |index| self.qps.get(pin, index);
            self.ready.take(
                |index| qp(index).map(|qp| &qp.links.ready),
                |index| ids.extend(qp(index).map(|qp| (qp.rank(), qp.id()))),
            );
        });
        ids.sort_by_key(|(rank, _)| *rank);
        for (_, id) in ids {
            let mut frame = Frame::new();
            self.run_send(id, Begin::Resume, &mut frame);
            self.settle(frame);
        }
    }

    pub(super) fn ready(&self) -> &crate::ring::ReadyList {
        &self.ready
    }
}

/// Runs `control`, a call that may lock, and afterwards what it put on the agenda.
pub(super) fn framed<R>(device: &Device, control: impl FnOnce(&mut Frame) -> R) -> R {
    let guard = callbacks::guard();
    let mut frame = Frame::new();
    let result = control(&mut frame);
    drop(guard);
    device.settle(frame);
    result
}
