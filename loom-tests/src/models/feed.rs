//! A receive queue that is fed from a shared one: its sender's engine against flushes and posters.

use super::{B3, LONG, Model, model};
use crate::support::{Arc, How, Journal, fill, join, spawn, tag};
use qpair::ring::{End, Engine, Feed, HeldQueue, Link, Pass, Payload, Post, SharedRing, Step, WorkQueue};

pub const MODELS: &[Model] = &[
    model("feed_post", "a send against the post of its shared receive", B3, feed_post),
    model("feed_flush", "a flush while a send takes one of two shared receives", B3, feed_flush),
    model(
        "feed_flush_in_hand",
        "a flush while a message of two pieces has one in hand",
        B3,
        feed_flush_in_hand,
    ),
    model(
        "feed_flush_and_post",
        "a flush and a poster against a message of two pieces",
        LONG,
        feed_flush_and_post,
    ),
];

/// One direction: sends that meet the receives of a shared queue, by way of the receiver's own.
struct World {
    shared: SharedRing,
    link: Link,
    sends: WorkQueue,
    receives: WorkQueue,
    sent: Journal,
    received: Journal,
    pieces: u64,
}

impl World {
    fn new(pieces: u64) -> Arc<Self> {
        Arc::new(Self {
            shared: SharedRing::new(2, 1),
            link: Link::new(),
            sends: WorkQueue::new(2, 0, false),
            receives: WorkQueue::for_receives(1, 1),
            sent: Journal::new(),
            received: Journal::new(),
            pieces,
        })
    }

    fn send(&self, message: u64) {
        let posted = self.sends.post(1, Post::Plain, |_, payload, _| fill(payload, message));
        assert_eq!(posted.accepted, 1);
        self.drive_sends(posted.held);
    }

    fn receive(&self, receive: u64) {
        let taken = self.shared.post(1, |_, payload, side| {
            fill(payload, receive);
            side[0] = !receive;
        });
        assert_eq!(taken, 1, "room");
        self.shared.wake(|_| Some(&self.link), |_| self.drive_sends(self.sends.kick()));
    }

    fn flush(&self) {
        let Some(held) = self.receives.flush() else { return };
        if self.receives.run_fed(held, &mut Deliver::of(self, None)).wake {
            self.drive_sends(self.sends.kick());
        }
    }

    fn drive_sends(&self, held: Option<HeldQueue<'_>>) {
        let Some(held) = held else { return };
        let ran = self.sends.run(held, &mut Send { world: self, pieces: 0, receive: 0, pending: Vec::new() });
        assert!(ran.pass != Pass::Spent && !ran.wake);
    }

    /// Each message arrived once and whole, each receive ended once, and no send waits beside a receive.
    fn check(&self, sends: usize, receives: usize) {
        let (sent, received) = (self.sent.entries(), self.received.entries());
        let delivered = received.iter().filter(|(_, how)| *how == How::Done).count();
        assert_eq!(sent.len(), delivered, "each message arrives once: {sent:?} {received:?}");
        assert_eq!(sent.len() as u64 + self.sends.pending(), sends as u64);
        assert_eq!(received.len() as u64 + self.receives.pending() + self.shared.len(), receives as u64);
        let mut tags: Vec<u64> = received.iter().map(|(tag, _)| *tag).collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), received.len(), "a receive ended twice: {received:?}");
        assert!(self.sends.pending() == 0 || self.shared.is_empty(), "a send is stranded: {received:?}");
    }
}

/// The engine of the send queue.
struct Send<'w> {
    world: &'w World,
    /// Pieces of the message at the head that have moved, into the receive of that ticket.
    pieces: u64,
    receive: u64,
    pending: Vec<(u64, How)>,
}

impl Engine for Send<'_> {
    type Outcome = ();

    fn execute(&mut self, _: &Payload, _: &[u64], _: u64) -> Step<()> {
        let world = self.world;
        while self.pieces < world.pieces {
            let message = Message { pieces: self.pieces, receive: self.receive, served: false };
            let mut deliver = Deliver::of(world, Some(message));
            let feed = Feed { shared: &world.shared, waiter: (0, &world.link) };
            let served =
                |deliver: &Deliver<'_>| deliver.message.as_ref().is_some_and(|message| message.served);
            let offered = world.receives.offer_fed(feed, &mut deliver, served, || true);
            // The waiting sender is this queue itself: its kick makes us, who hold it, look again.
            if offered.wake {
                assert!(world.sends.kick().is_none());
            }
            let Some(message) = deliver.message else { unreachable!("given above") };
            (self.pieces, self.receive) = (message.pieces, message.receive);
            if !offered.done {
                return Step::Blocked;
            }
        }
        (self.pieces, self.receive) = (0, 0);
        Step::Done(())
    }

    fn launched(&mut self, _: u64) {}

    fn stash(&mut self, (): (), _: &mut Payload) {
        unreachable!("no send goes in flight");
    }

    fn retire(&mut self, payload: &Payload, _: End<()>) -> bool {
        self.pending.push((tag(payload), How::Done));
        false
    }

    fn publish(&mut self) {
        self.world.sent.add(&mut self.pending);
    }
}

/// What a sender offers.
struct Message {
    pieces: u64,
    receive: u64,
    /// A piece has moved.
    served: bool,
}

/// The engine of the fed queue, with a message or, for a flush, without.
struct Deliver<'w> {
    world: &'w World,
    message: Option<Message>,
    pending: Vec<(u64, How)>,
}

impl<'w> Deliver<'w> {
    fn of(world: &'w World, message: Option<Message>) -> Self {
        Self { world, message, pending: Vec::new() }
    }
}

impl Engine for Deliver<'_> {
    type Outcome = ();

    fn execute(&mut self, payload: &Payload, side: &[u64], ticket: u64) -> Step<()> {
        assert_eq!(side, [!tag(payload)], "side words of another receive");
        let Some(message) = self.message.as_mut().filter(|message| !message.served) else {
            return Step::Blocked;
        };
        if message.receive != ticket + 1 {
            (message.receive, message.pieces) = (ticket + 1, 0); // begins again in another receive
        }
        message.pieces += 1;
        message.served = true;
        if message.pieces == self.world.pieces { Step::Done(()) } else { Step::Blocked }
    }

    fn launched(&mut self, _: u64) {}

    fn stash(&mut self, (): (), _: &mut Payload) {
        unreachable!("no receive goes in flight");
    }

    fn retire(&mut self, payload: &Payload, end: End<()>) -> bool {
        let how = if matches!(end, End::Cancelled) { How::Cancelled } else { How::Done };
        self.pending.push((tag(payload), how));
        false
    }

    fn publish(&mut self) {
        self.world.received.add(&mut self.pending);
    }
}

fn feed_post() {
    let world = World::new(1);
    let sender = spawn(&world, |world| world.send(1));
    world.receive(51);
    join([sender]);
    world.check(1, 1);
    assert_eq!(world.sent.end_of(1), How::Done);
}

fn feed_flush() {
    let world = World::new(1);
    world.receive(51);
    world.receive(52);
    let sender = spawn(&world, |world| world.send(1));
    world.flush();
    join([sender]);
    world.check(1, 2);
}

fn feed_flush_in_hand() {
    let world = World::new(2);
    world.receive(51);
    world.receive(52);
    let sender = spawn(&world, |world| world.send(1));
    world.flush();
    join([sender]);
    world.check(1, 2);
    assert_eq!(world.sent.end_of(1), How::Done, "one flush cancels one receive at most");
}

fn feed_flush_and_post() {
    let world = World::new(2);
    world.receive(51);
    let others = [spawn(&world, |world| world.send(1)), spawn(&world, |world| world.flush())];
    world.receive(52);
    join(others);
    world.check(1, 2);
    assert_eq!(world.sent.end_of(1), How::Done, "one flush cancels one receive at most");
}
