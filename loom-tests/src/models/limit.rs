//! The limit of a shared receive queue: one notice for each time it was set.

use super::{ALL, B3, LONG, Model, model};
use crate::support::{Arc, Unwatched, fill, join, spawn};
use qpair::ring::{Payload, SharedRing};

pub const MODELS: &[Model] = &[
    model("limit_two", "two takers fall below the limit: one notice", B3, limit_two),
    model("limit_set", "a limit is set while a taker falls below it", ALL, limit_set),
    model("limit_again", "an armed limit is replaced while a taker takes", B3, limit_again),
    model("limit_lost", "a limit is set while receives come and go: no notice too many", B3, limit_lost),
    model("limit_primed", "a primed limit gives notice once so many were queued", LONG, limit_primed),
    model("limit_not_reached", "a primed limit that was never reached is silent", B3, limit_not_reached),
    model("limit_primed_set", "a primed limit is replaced while a taker takes", B3, limit_primed_set),
];

struct World {
    ring: SharedRing,
    notices: Unwatched<usize>,
}

impl World {
    fn new(limit: u32, receives: usize) -> Arc<Self> {
        let world =
            Arc::new(Self { ring: SharedRing::with_limit(4, 0, limit), notices: Unwatched::default() });
        world.post(receives);
        world
    }

    fn post(&self, receives: usize) {
        assert_eq!(self.ring.post(receives, |_, payload, _| fill(payload, 1)), receives, "room");
    }

    /// Takes one if there is one; whether there was.
    fn take(&self) -> bool {
        let taken = self.ring.take(&mut Payload::default(), &mut []);
        *self.notices.get() += usize::from(taken.is_some_and(|taken| taken.notice));
        taken.is_some()
    }

    fn set(&self, limit: u32) {
        let below = self.ring.modify(0, limit).expect("the depth stays");
        *self.notices.get() += usize::from(below);
    }

    fn notices(&self) -> usize {
        *self.notices.get()
    }
}

fn limit_two() {
    let world = World::new(2, 3);
    let taker = spawn(&world, |world| assert!(world.take()));
    assert!(world.take());
    join([taker]);
    assert_eq!(world.notices(), 1);
    world.post(2);
    while world.take() {}
    assert_eq!(world.notices(), 1, "it is disarmed");
}

fn limit_set() {
    let world = World::new(0, 2);
    let taker = spawn(&world, |world| assert!(world.take()));
    world.set(2);
    join([taker]);
    assert_eq!(world.notices(), 1, "by the call or by the take");
    assert!(world.take());
    assert_eq!(world.notices(), 1, "it is disarmed");
}

fn limit_again() {
    let world = World::new(1, 4);
    let taker = spawn(&world, |world| assert!(world.take() && world.take()));
    world.set(3);
    join([taker]);
    assert_eq!(world.notices(), 1, "two are left");
    while world.take() {}
    assert_eq!(world.notices(), 1, "what was set before does not count any more");
}

fn limit_lost() {
    let world = World::new(0, 2);
    let taker = spawn(&world, |world| {
        for _ in 0..2 {
            world.post(1);
            assert!(world.take());
        }
    });
    world.set(2);
    join([taker]);
    assert_eq!(world.notices(), 0, "there were never fewer than two");
}

fn limit_primed() {
    let world = World::new(2, 0);
    let poster = spawn(&world, |world| world.post(1));
    world.post(1);
    world.take();
    join([poster]);
    world.post(1);
    // Two at least are queued, or were before the first take.
    while world.take() {}
    assert_eq!(world.notices(), 1);
}

fn limit_not_reached() {
    let world = World::new(3, 1);
    let poster = spawn(&world, |world| world.post(1));
    world.take();
    world.take();
    join([poster]);
    while world.take() {}
    assert_eq!(world.notices(), 0, "there were never three");
}

fn limit_primed_set() {
    let world = World::new(2, 2);
    let taker = spawn(&world, |world| assert!(world.take()));
    world.set(1);
    join([taker]);
    let before = world.notices();
    assert!(before <= 1, "the old limit, or nothing");
    assert!(world.take());
    assert_eq!(world.notices(), before + 1, "none is left, and the new limit says so");
}
