//! Two queue pairs that send to each other: SEND runs in the sender's engine, which only tries the
//! receiver's.

use super::{ALL, B3, HEAVY, Model, model};
use crate::support::{Arc, How, Journal, fill, join, spawn, tag};
use qpair::ring::{End, Engine, HeldQueue, Pass, Payload, Post, Step, WorkQueue};

pub const MODELS: &[Model] = &[
    model("send_receive", "a send against the post of its receive", ALL, send_receive),
    model("send_crossed", "both sides send and receive at once", B3, send_crossed),
    model(
        "send_receive_flushed",
        "the receive queue is flushed while a send tries it",
        B3,
        send_receive_flushed,
    ),
    model(
        "send_parked_flushed",
        "a parked send is flushed while its receive is posted",
        ALL,
        send_parked_flushed,
    ),
    model("send_two_two", "two sends, two posters of receives", HEAVY, send_two_two),
    model(
        "send_two_senders",
        "two threads post sends to one queue, one receive is posted at a time",
        B3,
        send_two_senders,
    ),
    model("receive_kicked", "an engine of the receive queue comes between try and park", B3, receive_kicked),
];

/// One direction: a's sends meet b's receives. A pair has two.
struct Direction {
    sends: WorkQueue,
    receives: WorkQueue,
    sent: Journal,
    received: Journal,
}

struct Pair([Direction; 2]);

impl Pair {
    fn new(depth: u32) -> Arc<Self> {
        let queue = || WorkQueue::new(depth, 0, false);
        Arc::new(Self([(); 2].map(|()| Direction {
            sends: queue(),
            receives: queue(),
            sent: Journal::new(),
            received: Journal::new(),
        })))
    }
}

impl Direction {
    fn send(&self, message: u64) {
        let posted = self.sends.post(1, Post::Plain, |_, payload, _| fill(payload, message));
        assert!(posted.accepted == 1 && !posted.wake);
        self.drive_sends(posted.held);
    }

    fn receive(&self, receive: u64) {
        let posted = self.receives.post(1, Post::Receive, |_, payload, _| fill(payload, receive));
        assert_eq!(posted.accepted, 1);
        let wake = posted.wake;
        self.drive_receives(posted.held);
        self.wake_sender(wake);
    }

    fn flush_receives(&self) {
        self.drive_receives(self.receives.flush());
    }

    fn flush_sends(&self) {
        self.drive_sends(self.sends.flush());
    }

    fn drive_receives(&self, held: Option<HeldQueue<'_>>) {
        let Some(held) = held else { return };
        let ran = self.receives.run(held, &mut Deliver::of(self, None));
        self.wake_sender(ran.wake);
    }

    fn wake_sender(&self, wake: bool) {
        if wake {
            self.drive_sends(self.sends.kick());
        }
    }

    fn drive_sends(&self, held: Option<HeldQueue<'_>>) {
        let Some(held) = held else { return };
        let ran = self.sends.run(held, &mut Send { direction: self, pending: Vec::new() });
        assert!(ran.pass != Pass::Spent && !ran.wake);
    }

    /// Each send completed once; each receive that is gone carries one message or was cancelled; nobody is
    /// stranded.
    fn check(&self, sends: &[u64], receives: &[u64]) {
        let (sent, received) = (self.sent.entries(), self.received.entries());
        let delivered: Vec<u64> =
            received.iter().filter(|(_, how)| *how == How::Done).map(|(both, _)| both >> 16 & 0xff).collect();
        let done: Vec<u64> = sent.iter().filter(|(_, how)| *how == How::Done).map(|(tag, _)| *tag).collect();
        assert_eq!(done, delivered, "each message arrives once, in order: {sent:?} {received:?}");
        assert_eq!(sent.len() as u64 + self.sends.pending(), sends.len() as u64);
        assert_eq!(received.len() as u64 + self.receives.pending(), receives.len() as u64);
        assert!(
            self.sends.pending() == 0 || self.receives.pending() == 0,
            "a send is stranded beside a receive: {sent:?} {received:?}"
        );
    }
}

/// The engine of a send queue.
struct Send<'d> {
    direction: &'d Direction,
    pending: Vec<(u64, How)>,
}

impl Engine for Send<'_> {
    type Outcome = ();

    fn execute(&mut self, payload: &Payload, _: &[u64], _: u64) -> Step<()> {
        let mut deliver = Deliver::of(self.direction, Some(tag(payload)));
        let offered = self.direction.receives.offer(&mut deliver, |deliver| deliver.message.is_none());
        // The waiting sender is this queue itself: its kick makes whoever holds it, which is us, look again.
        if offered.wake {
            assert!(self.direction.sends.kick().is_none());
        }
        if offered.done { Step::Done(()) } else { Step::Blocked }
    }

    fn launched(&mut self, _: u64) {}

    fn stash(&mut self, (): (), _: &mut Payload) {
        unreachable!("no send goes in flight");
    }

    fn retire(&mut self, payload: &Payload, end: End<()>) -> bool {
        let how = if matches!(end, End::Cancelled) { How::Cancelled } else { How::Done };
        self.pending.push((tag(payload), how));
        false
    }

    fn publish(&mut self) {
        self.direction.sent.add(&mut self.pending);
    }
}

/// The engine of a receive queue, with the message of a sender or without.
struct Deliver<'d> {
    direction: &'d Direction,
    message: Option<u64>,
    pending: Vec<(u64, How)>,
}

impl<'d> Deliver<'d> {
    fn of(direction: &'d Direction, message: Option<u64>) -> Self {
        Self { direction, message, pending: Vec::new() }
    }
}

impl Engine for Deliver<'_> {
    type Outcome = u64;

    fn execute(&mut self, _: &Payload, _: &[u64], _: u64) -> Step<u64> {
        self.message.take().map_or(Step::Blocked, Step::Done)
    }

    fn launched(&mut self, _: u64) {}

    fn stash(&mut self, _: u64, _: &mut Payload) {
        unreachable!("no receive goes in flight");
    }

    fn retire(&mut self, payload: &Payload, end: End<u64>) -> bool {
        let receive = tag(payload);
        self.pending.push(match end {
            End::Executed(message) => (message << 16 | receive, How::Done),
            End::Finished | End::Cancelled => (receive, How::Cancelled),
        });
        false
    }

    fn publish(&mut self) {
        self.direction.received.add(&mut self.pending);
    }
}

fn send_receive() {
    let pair = Pair::new(1);
    let sender = spawn(&pair, |pair| pair.0[0].send(1));
    pair.0[0].receive(51);
    join([sender]);
    pair.0[0].check(&[1], &[51]);
    assert_eq!(pair.0[0].sent.end_of(1), How::Done);
}

fn send_crossed() {
    let pair = Pair::new(1);
    let other = spawn(&pair, |pair| {
        pair.0[1].receive(52);
        pair.0[0].send(1);
    });
    pair.0[0].receive(51);
    pair.0[1].send(2);
    join([other]);
    for (direction, message, receive) in [(&pair.0[0], 1, 51), (&pair.0[1], 2, 52)] {
        direction.check(&[message], &[receive]);
        assert_eq!(direction.sent.end_of(message), How::Done);
    }
}

fn send_receive_flushed() {
    let pair = Pair::new(2);
    pair.0[0].receive(51);
    let others = [spawn(&pair, |pair| pair.0[0].send(1)), spawn(&pair, |pair| pair.0[0].receive(52))];
    pair.0[0].flush_receives();
    join(others);
    pair.0[0].check(&[1], &[51, 52]);
}

fn send_parked_flushed() {
    let pair = Pair::new(1);
    pair.0[0].send(1);
    let flusher = spawn(&pair, |pair| pair.0[0].flush_sends());
    pair.0[0].receive(51);
    join([flusher]);
    pair.0[0].check(&[1], &[51]);
    assert_eq!(pair.0[0].sends.pending(), 0);
}

fn send_two_two() {
    let pair = Pair::new(2);
    let others = [
        spawn(&pair, |pair| {
            pair.0[0].send(1);
            pair.0[0].send(2);
        }),
        spawn(&pair, |pair| pair.0[0].receive(51)),
    ];
    pair.0[0].receive(52);
    join(others);
    pair.0[0].check(&[1, 2], &[51, 52]);
    assert_eq!(pair.0[0].sends.pending(), 0);
}

fn send_two_senders() {
    let pair = Pair::new(2);
    pair.0[0].receive(51);
    let other = spawn(&pair, |pair| pair.0[0].send(1));
    pair.0[0].send(2);
    pair.0[0].receive(52);
    join([other]);
    let order = pair.0[0].sent.tags();
    pair.0[0].check(&order, &[51, 52]);
    assert_eq!(order.len(), 2);
}

fn receive_kicked() {
    let pair = Pair::new(1);
    let others = [
        spawn(&pair, |pair| pair.0[0].send(1)),
        spawn(&pair, |pair| pair.0[0].drive_receives(pair.0[0].receives.kick())),
    ];
    pair.0[0].receive(51);
    join(others);
    pair.0[0].check(&[1], &[51]);
    assert_eq!(pair.0[0].sent.end_of(1), How::Done);
}
