//! Who goes on with a queue: budgets handed over, the ready list and its sleeping driver, event counters.

use super::{ALL, B3, HEAVY, Model, model};
use crate::support::{Arc, How, Journal, Unwatched, Witness, fill, join, spawn, tag, yield_now};
use loom::sync::Notify;
use loom::sync::atomic::{AtomicUsize, Ordering};
use qpair::ring::{
    End, Engine, EventCounter, HeldQueue, IndexList, Link, Pass, Payload, PinHandle, Pins, Post, ReadyList,
    Step, WorkQueue,
};

pub const MODELS: &[Model] = &[
    model("budget", "a spent budget is handed to a driver that sleeps, while another posts", B3, budget),
    model("hand_over", "a role that is handed over and taken up, while another posts", ALL, hand_over),
    model("budget_flush", "a queue that was handed over is flushed", B3, budget_flush),
    model("ready_two", "two queues are handed to one driver that sleeps", HEAVY, ready_two),
    model("ready_again", "a driver lists a queue again while another thread rouses it", B3, ready_again),
    model("ready_visit", "a visit sees what a member did before it found itself listed", ALL, ready_visit),
    model("ready_close", "a queue goes after its link has left the ready list", B3, ready_close),
    model("relist_close", "a member goes although a taker may list it once more", B3, relist_close),
    model(
        "events",
        "two threads raise events of one object: deliveries never overlap, none is lost",
        ALL,
        events,
    ),
    model("events_nested", "a delivery raises an event of its own object", ALL, events_nested),
    model("events_panic", "a delivery that panics leaves the counter usable", ALL, events_panic),
];

/// Queues whose engines execute one request a pass, and the driver that goes on with them.
struct World {
    queues: Vec<Budgeted>,
    ready: ReadyList,
    event: Notify,
    /// Posters that have ended.
    ended: AtomicUsize,
}

struct Budgeted {
    ring: WorkQueue,
    link: Link,
    alive: Witness,
    journal: Journal,
}

impl World {
    fn new(queues: usize) -> Arc<Self> {
        let queue = |_| Budgeted {
            ring: WorkQueue::new(4, 0, false),
            link: Link::new(),
            alive: Witness::new(),
            journal: Journal::new(),
        };
        Arc::new(Self {
            queues: (0..queues).map(queue).collect(),
            ready: ReadyList::new(),
            event: Notify::new(),
            ended: AtomicUsize::new(0),
        })
    }

    fn post(&self, index: u32, tag: u64) {
        let posted =
            self.queues[index as usize].ring.post(1, Post::Plain, |_, payload, _| fill(payload, tag));
        assert_eq!(posted.accepted, 1);
        self.drive(index, posted.held);
    }

    /// Executes what the budget allows and hands the rest to the driver.
    fn drive(&self, index: u32, held: Option<HeldQueue<'_>>) {
        let Some(held) = held else { return };
        let queue = &self.queues[index as usize];
        let mut engine = Once { queue, budget: 1, pending: Vec::new() };
        let ran = queue.ring.run(held, &mut engine);
        if ran.pass == Pass::Spent && self.ready.push(index, &queue.link) {
            self.event.notify();
        }
    }

    /// A poster says that it is the last of its calls.
    fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed); // the fence of `rouse` orders it
        if self.ready.rouse() {
            self.event.notify();
        }
    }

    /// Goes on with what is handed over, and sleeps in between, until `posters` have ended.
    fn driver(&self, posters: usize) {
        loop {
            self.take_ready();
            // Relaxed: the fence of `prepare_sleep` orders the look that matters.
            let ended = || self.ended.load(Ordering::Relaxed) == posters;
            if self.ready.prepare_sleep(ended) {
                self.event.wait();
                self.ready.wake_up();
            } else if ended() {
                self.take_ready();
                return;
            }
        }
    }

    fn take_ready(&self) {
        let link_of = |index: u32| {
            let queue = self.queues.get(index as usize)?;
            queue.alive.read();
            Some(&queue.link)
        };
        self.ready.take(link_of, |index| self.drive(index, self.queues[index as usize].ring.resume()));
    }

    /// After all threads: what is still listed is the driver's, who would go on.
    fn check(&self, index: usize, tags: &[u64]) {
        for _ in 0..=tags.len() {
            self.take_ready();
        }
        let queue = &self.queues[index];
        queue.journal.assert_all(tags);
        assert!(queue.ring.is_quiet() && queue.ring.pending() == 0);
    }
}

/// Executes one request, then its budget is spent.
struct Once<'q> {
    queue: &'q Budgeted,
    budget: usize,
    pending: Vec<(u64, How)>,
}

impl Engine for Once<'_> {
    type Outcome = ();

    fn execute(&mut self, _: &Payload, _: &[u64], _: u64) -> Step<()> {
        if self.budget == 0 {
            return Step::Spent;
        }
        self.budget -= 1;
        Step::Done(())
    }

    fn launched(&mut self, _: u64) {}

    fn stash(&mut self, (): (), _: &mut Payload) {
        unreachable!("no request goes in flight");
    }

    fn retire(&mut self, payload: &Payload, end: End<()>) -> bool {
        let how = if matches!(end, End::Cancelled) { How::Cancelled } else { How::Done };
        self.pending.push((tag(payload), how));
        false
    }

    fn publish(&mut self) {
        self.queue.journal.add(&mut self.pending);
    }
}

fn budget() {
    let world = World::new(1);
    let driver = spawn(&world, |world| world.driver(1));
    let posted = world.queues[0].ring.post(2, Post::Plain, |i, payload, _| fill(payload, 1 + i as u64));
    world.drive(0, posted.held);
    world.post(0, 3);
    world.end();
    join([driver]);
    world.check(0, &[1, 2, 3]);
}

fn hand_over() {
    let world = World::new(1);
    let other = spawn(&world, |world| {
        let ring = &world.queues[0].ring;
        loop {
            // Whoever asks may go on with it, listed or not.
            match ring.resume() {
                Some(held) => return world.drive(0, Some(held)),
                None => yield_now(),
            }
        }
    });
    let posted = world.queues[0].ring.post(2, Post::Plain, |i, payload, _| fill(payload, 1 + i as u64));
    let held = posted.held.expect("nobody else kicks");
    let mut engine = Once { queue: &world.queues[0], budget: 1, pending: Vec::new() };
    assert_eq!(world.queues[0].ring.run(held, &mut engine).pass, Pass::Spent);
    world.post(0, 3);
    join([other]);
    world.check(0, &[1, 2, 3]);
}

fn budget_flush() {
    let world = World::new(1);
    let poster = spawn(&world, |world| {
        let posted = world.queues[0].ring.post(2, Post::Plain, |i, payload, _| fill(payload, 1 + i as u64));
        world.drive(0, posted.held);
    });
    world.drive(0, world.queues[0].ring.flush());
    world.take_ready();
    join([poster]);
    world.check(0, &[1, 2]);
}

fn ready_two() {
    let world = World::new(2);
    let driver = spawn(&world, |world| world.driver(2));
    let poster = spawn(&world, |world| {
        let posted = world.queues[1].ring.post(2, Post::Plain, |i, payload, _| fill(payload, 101 + i as u64));
        world.drive(1, posted.held);
        world.end();
    });
    let queue = &world.queues[0];
    let posted = queue.ring.post(2, Post::Plain, |i, payload, _| fill(payload, 1 + i as u64));
    world.drive(0, posted.held);
    world.end();
    join([driver, poster]);
    world.check(0, &[1, 2]);
    world.check(1, &[101, 102]);
}

fn ready_again() {
    let world = World::new(1);
    let posted = world.queues[0].ring.post(2, Post::Plain, |i, payload, _| fill(payload, 1 + i as u64));
    world.drive(0, posted.held);
    let driver = spawn(&world, |world| world.driver(1));
    world.take_ready();
    world.end();
    join([driver]);
    world.check(0, &[1, 2]);
}

/// A list with one member, and its work.
#[derive(Default)]
struct Listed {
    ready: ReadyList,
    link: Link,
    work: AtomicUsize,
}

fn ready_visit() {
    let listed = Arc::new(Listed::default());
    assert!(!listed.ready.push(0, &listed.link), "the taker is awake");
    let member = spawn(&listed, |listed| {
        listed.work.store(1, Ordering::Relaxed); // the list orders it
        assert!(!listed.ready.push(0, &listed.link), "the taker is awake");
    });
    let mut seen = 0;
    for _ in 0..2 {
        // Relaxed: the list orders it.
        listed.ready.take(|_| Some(&listed.link), |_| seen = listed.work.load(Ordering::Relaxed));
    }
    join([member]);
    listed.ready.take(|_| Some(&listed.link), |_| seen = listed.work.load(Ordering::Relaxed));
    assert_eq!(seen, 1, "the last visit came before the work, and none after it");
    assert!(!listed.link.is_listed());
}

fn ready_close() {
    let world = World::new(1);
    let posted = world.queues[0].ring.post(2, Post::Plain, |i, payload, _| fill(payload, 1 + i as u64));
    world.drive(0, posted.held);
    let driver = spawn(&world, |world| world.take_ready());
    let queue = &world.queues[0];
    world.drive(0, queue.ring.close());
    world.take_ready();
    while queue.link.is_listed() || !queue.ring.is_quiet() {
        yield_now();
    }
    queue.alive.write();
    join([driver]);
    queue.journal.assert_all(&[1, 2]);
}

/// A member that its taker lists again until its time has come, as a send that waits for a receive.
struct Relisted {
    list: IndexList,
    link: Link,
    pins: std::sync::Arc<Pins>,
    alive: Witness,
    /// 0 once nobody has a reason to list it.
    deadline: AtomicUsize,
}

impl Relisted {
    fn round(&self, handle: &PinHandle) {
        let pin = handle.pin();
        let mut waits = false;
        let link_of = |_| {
            self.alive.read();
            Some(&self.link)
        };
        // Relaxed: a late look lists it once more, which the model is about.
        self.list.take(link_of, |_| waits = self.deadline.load(Ordering::Relaxed) != 0);
        if waits {
            self.alive.read();
            self.list.push(0, &self.link);
        }
        drop(pin);
    }
}

fn relist_close() {
    let member = Arc::new(Relisted {
        list: IndexList::new(),
        link: Link::new(),
        pins: Pins::new(),
        alive: Witness::new(),
        deadline: AtomicUsize::new(1),
    });
    member.list.push(0, &member.link);
    let taker = spawn(&member, |member| member.round(&member.pins.register()));
    let handle = member.pins.register();
    member.deadline.store(0, Ordering::Relaxed); // see `round`
    loop {
        // Unlisted is not enough: a pass under way may have it in hand. Unlisted once such passes are over
        // is.
        while member.link.is_listed() {
            member.round(&handle);
            yield_now();
        }
        let mut passes = member.pins.grace();
        while !passes.is_over() {
            yield_now();
        }
        if !member.link.is_listed() {
            break;
        }
    }
    member.alive.write();
    join([taker]);
    assert!(member.list.is_empty(), "listed after it is gone");
}

/// An object with something to say.
struct Speaker {
    counter: EventCounter,
    /// Raised and not yet told; the counter's read-modify-writes order it.
    pending: AtomicUsize,
    told: Unwatched<usize>,
    turn: Witness,
}

impl Speaker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            counter: EventCounter::new(),
            pending: AtomicUsize::new(0),
            told: Unwatched::default(),
            turn: Witness::new(),
        })
    }

    fn raise(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed); // the counter orders it
        if self.counter.raise() {
            self.counter.deliver(|| self.tell());
        }
    }

    fn tell(&self) {
        self.turn.write();
        let told = self.pending.swap(0, Ordering::Relaxed); // the counter orders it
        *self.told.get() += told;
    }
}

fn events() {
    let speaker = Speaker::new();
    let other = spawn(&speaker, |speaker| {
        speaker.raise();
        speaker.raise();
    });
    speaker.raise();
    join([other]);
    assert!(speaker.counter.is_idle());
    assert_eq!(*speaker.told.get(), 3, "none is lost");
}

fn events_nested() {
    let speaker = Speaker::new();
    let other = spawn(&speaker, |speaker| speaker.raise());
    let mut nested = false;
    speaker.pending.fetch_add(1, Ordering::Relaxed); // the counter orders it
    if speaker.counter.raise() {
        speaker.counter.deliver(|| {
            speaker.tell();
            if !std::mem::replace(&mut nested, true) {
                speaker.raise();
            }
        });
    }
    join([other]);
    assert_eq!(*speaker.told.get(), 2 + usize::from(nested));
}

fn events_panic() {
    let speaker = Speaker::new();
    let other = spawn(&speaker, |speaker| speaker.raise());
    if speaker.counter.raise() {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            speaker.counter.deliver(|| {
                speaker.turn.write();
                std::panic::resume_unwind(Box::new("a user's callback panics"));
            });
        }));
        assert!(told.is_err());
    }
    join([other]);
    assert!(speaker.counter.is_idle(), "the counter is left");
    speaker.raise();
    assert!(*speaker.told.get() >= 1, "later events are told");
}
