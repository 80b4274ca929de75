//! The shared receive queue: takers, posters, and those who wait for a receive.

use super::{B3, HEAVY, Model, model};
use crate::support::{Arc, How, Journal, Unwatched, Witness, fill, join, spawn, tag, yield_now};
use qpair::ring::{End, Engine, HeldQueue, Link, Payload, Post, SharedRing, Step, WorkQueue};

pub const MODELS: &[Model] = &[
    model("shared_take", "two takers and a poster of two receives", B3, shared_take),
    model("shared_reuse", "slots are used again while two take", B3, shared_reuse),
    model("shared_posters", "two posters into one free slot", B3, shared_posters),
    model("shared_wait", "two that wait, one poster of two receives", HEAVY, shared_wait),
    model(
        "shared_wait_posters",
        "one that waits, two posters of one receive each",
        HEAVY,
        shared_wait_posters,
    ),
    model("shared_wait_again", "one that is woken waits again at once", B3, shared_wait_again),
    model(
        "shared_wait_served",
        "two posters, and one that waits is served by the first",
        B3,
        shared_wait_served,
    ),
    model("shared_close", "one that waits closes and goes while a poster wakes everybody", B3, shared_close),
];

/// Queue pairs whose sends each consume a receive of one shared queue.
struct World {
    receives: SharedRing,
    members: Vec<Member>,
}

struct Member {
    queue: WorkQueue,
    link: Link,
    alive: Witness,
    journal: Journal,
}

impl World {
    fn new(depth: u32, members: usize) -> Arc<Self> {
        let member = |_| Member {
            queue: WorkQueue::new(2, 0, false),
            link: Link::new(),
            alive: Witness::new(),
            journal: Journal::new(),
        };
        Arc::new(Self { receives: SharedRing::new(depth, 1), members: (0..members).map(member).collect() })
    }

    fn receive(&self, tags: &[u64]) {
        let taken = self.receives.post(tags.len(), |index, payload, side| {
            fill(payload, tags[index]);
            side[0] = !tags[index];
        });
        assert_eq!(taken, tags.len(), "room");
        self.wake();
    }

    fn wake(&self) {
        let link_of = |index: u32| {
            let member = self.members.get(index as usize)?;
            member.alive.read();
            Some(&member.link)
        };
        self.receives.wake(link_of, |index| self.kick(index));
    }

    fn take(&self) -> Option<u64> {
        let (mut payload, mut side) = (Payload::default(), [0]);
        self.receives.take(&mut payload, &mut side).map(|_| {
            assert_eq!(side, [!tag(&payload)], "side words of another receive");
            tag(&payload)
        })
    }

    fn send(&self, index: u32, message: u64) {
        let queue = &self.members[index as usize].queue;
        let posted = queue.post(1, Post::Plain, |_, payload, _| fill(payload, message));
        assert_eq!(posted.accepted, 1);
        self.drive(index, posted.held);
    }

    fn kick(&self, index: u32) {
        self.drive(index, self.members[index as usize].queue.kick());
    }

    fn drive(&self, index: u32, held: Option<HeldQueue<'_>>) {
        let Some(held) = held else { return };
        let queue = &self.members[index as usize].queue;
        let _ = queue.run(held, &mut Take { world: self, index, pending: Vec::new() });
    }

    /// Every message of `sends` was served, each by a receive of its own.
    fn check(&self, sends: usize) {
        let mut receives: Vec<u64> =
            self.members.iter().flat_map(|member| member.journal.tags()).map(|both| both >> 16).collect();
        assert_eq!(receives.len(), sends, "a member is stranded: {receives:?}");
        receives.sort_unstable();
        receives.dedup();
        assert_eq!(receives.len(), sends, "a receive was taken twice");
    }
}

/// The engine of a member.
struct Take<'w> {
    world: &'w World,
    index: u32,
    pending: Vec<(u64, How)>,
}

impl Engine for Take<'_> {
    type Outcome = u64;

    fn execute(&mut self, _: &Payload, _: &[u64], _: u64) -> Step<u64> {
        let link = &self.world.members[self.index as usize].link;
        let (mut payload, mut side) = (Payload::default(), [0]);
        let taken = self.world.receives.take_or_wait((self.index, link), &mut payload, &mut side);
        taken.map_or(Step::Blocked, |_| {
            assert_eq!(side, [!tag(&payload)], "side words of another receive");
            Step::Done(tag(&payload))
        })
    }

    fn launched(&mut self, _: u64) {}

    fn stash(&mut self, _: u64, _: &mut Payload) {
        unreachable!("no send goes in flight");
    }

    fn retire(&mut self, payload: &Payload, end: End<u64>) -> bool {
        self.pending.push(match end {
            End::Executed(receive) => (receive << 16 | tag(payload), How::Done),
            End::Finished | End::Cancelled => (tag(payload), How::Cancelled),
        });
        false
    }

    fn publish(&mut self) {
        self.world.members[self.index as usize].journal.add(&mut self.pending);
    }
}

fn shared_take() {
    let world = World::new(2, 0);
    let taken = Arc::new(Unwatched::new(Vec::new()));
    let theirs = Arc::clone(&taken);
    let taker = spawn(&world, move |world| {
        let receive = world.take();
        theirs.get().extend(receive);
    });
    let poster = spawn(&world, |world| world.receive(&[1, 2]));
    let mine = world.take();
    taken.get().extend(mine);
    join([taker, poster]);
    while let Some(receive) = world.take() {
        taken.get().push(receive);
    }
    let mut all = taken.get().clone();
    all.sort_unstable();
    assert_eq!(all, [1, 2]);
}

fn shared_reuse() {
    let world = World::new(1, 0);
    world.receive(&[1]);
    let taken = Arc::new(Unwatched::new(Vec::new()));
    let theirs = Arc::clone(&taken);
    let taker = spawn(&world, move |world| {
        let receive = world.take();
        theirs.get().extend(receive);
    });
    let poster = spawn(&world, |world| {
        world.receives.post(1, |_, payload, side| {
            fill(payload, 2);
            side[0] = !2;
        });
    });
    let mine = world.take();
    taken.get().extend(mine);
    join([taker, poster]);
    while let Some(receive) = world.take() {
        taken.get().push(receive);
    }
    let mut all = taken.get().clone();
    all.sort_unstable();
    assert!(all == [1] || all == [1, 2], "{all:?}");
}

fn shared_posters() {
    let world = World::new(1, 0);
    world.receive(&[1]);
    let accepted = Arc::new(Unwatched::new(1));
    let post = |world: &World, receive: u64| {
        world.receives.post(1, |_, payload, side| {
            fill(payload, receive);
            side[0] = !receive;
        })
    };
    let count = Arc::clone(&accepted);
    let poster = spawn(&world, move |world| {
        let taken = post(world, 2);
        *count.get() += taken;
    });
    let mut taken: Vec<u64> = world.take().into_iter().collect();
    let mine = post(&world, 3);
    *accepted.get() += mine;
    taken.extend(world.take());
    join([poster]);
    while let Some(receive) = world.take() {
        taken.push(receive);
    }
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), *accepted.get(), "{taken:?}");
}

fn shared_wait() {
    let world = World::new(2, 2);
    let sender = spawn(&world, |world| world.send(0, 1));
    let poster = spawn(&world, |world| world.receive(&[51, 52]));
    world.send(1, 2);
    join([sender, poster]);
    world.check(2);
}

fn shared_wait_posters() {
    let world = World::new(2, 1);
    let poster = spawn(&world, |world| world.receive(&[51]));
    let other = spawn(&world, |world| world.receive(&[52]));
    world.send(0, 1);
    world.send(0, 2);
    join([poster, other]);
    world.check(2);
}

fn shared_wait_again() {
    let world = World::new(2, 1);
    world.send(0, 1);
    world.send(0, 2);
    let poster = spawn(&world, |world| world.receive(&[51]));
    world.receive(&[52]);
    join([poster]);
    world.check(2);
}

fn shared_wait_served() {
    let world = World::new(2, 2);
    world.send(0, 1);
    let poster = spawn(&world, |world| world.receive(&[51]));
    world.send(1, 2);
    world.receive(&[52]);
    join([poster]);
    world.check(2);
}

fn shared_close() {
    let world = World::new(2, 2);
    world.send(0, 1);
    world.send(1, 2);
    let poster = spawn(&world, |world| world.receive(&[51]));
    let member = &world.members[0];
    world.drive(0, member.queue.close());
    // In this order: an engine that was drafted while the queue closed may list it once more.
    while !member.queue.is_quiet() {
        yield_now();
    }
    world.wake();
    while member.link.is_listed() {
        yield_now();
    }
    // The link is nobody's now; a kick that was under way reaches the member under a pin (see `region`).
    member.alive.write();
    join([poster]);
    let (mine, others) = (member.journal.entries(), world.members[1].journal.entries());
    assert_eq!(mine.len(), 1, "the request of the closed queue ended once");
    let served = mine.iter().chain(&others).filter(|(_, how)| *how == How::Done).count();
    assert_eq!(served, 1, "one receive serves one: {mine:?} {others:?}");
}
