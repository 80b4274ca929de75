//! Calls inside an object against its close: what they use is taken away once, after all of them.

use super::{ALL, B3, Model, model};
use crate::support::{Arc, Unwatched, Witness, join, spawn, yield_now};
use qpair::ring::Door;

pub const MODELS: &[Model] = &[
    model("door_call", "a call against a close", ALL, door_call),
    model("door_two_calls", "two calls against a close", B3, door_two_calls),
    model("door_two_closers", "two close at once, and a call goes on", B3, door_two_closers),
    model("door_wait", "a closer waits until the calls have left", ALL, door_wait),
];

/// An object with a handle behind its door.
struct World {
    door: Door,
    handle: Witness,
    /// What the closer stores for whoever carries out the close.
    stored: Witness,
    taken: Unwatched<u32>,
}

impl World {
    fn new() -> Arc<Self> {
        qpair::ring::begin_model();
        let (handle, stored) = (Witness::new(), Witness::new());
        handle.write();
        Arc::new(Self { door: Door::new(), handle, stored, taken: Unwatched::default() })
    }

    /// One call: uses the handle if it gets in, and carries out the close if it is the last to leave.
    fn call(&self) {
        if self.door.enter() {
            self.handle.read();
            if self.door.leave() {
                self.take();
            }
        }
    }

    /// Takes the handle away.
    fn take(&self) {
        self.stored.read();
        self.handle.write();
        *self.taken.get() += 1;
    }

    /// Closes, unless another does; carries it out if nobody is inside.
    fn close(&self) {
        if self.door.claim() {
            self.stored.write();
            if self.door.close() {
                self.take();
            }
        }
    }

    fn assert_closed_once(&self) {
        assert_eq!(*self.taken.get(), 1, "carried out once");
        assert!(!self.door.enter(), "nobody enters any more");
        assert!(self.door.is_empty());
    }
}

fn door_call() {
    let world = World::new();
    let caller = spawn(&world, World::call);
    world.close();
    join([caller]);
    world.assert_closed_once();
}

fn door_two_calls() {
    let world = World::new();
    let callers = [0, 1].map(|_| spawn(&world, World::call));
    world.close();
    join(callers);
    world.assert_closed_once();
}

fn door_two_closers() {
    let world = World::new();
    let other = spawn(&world, World::close);
    let caller = spawn(&world, World::call);
    world.close();
    join([other, caller]);
    world.assert_closed_once();
}

fn door_wait() {
    let world = World::new();
    let caller = spawn(&world, World::call);
    assert!(world.door.claim());
    while !world.door.is_empty() {
        yield_now();
    }
    world.handle.write();
    join([caller]);
    assert!(!world.door.enter());
}
