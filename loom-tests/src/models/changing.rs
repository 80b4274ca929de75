//! What is in force: no reader takes a part of one content for a part of another, and a close misses nothing.

use super::{ALL, B3, Model, model};
use crate::support::{Arc, Unwatched, join, spawn};
use loom::sync::atomic::{AtomicU64, Ordering};
use qpair::ring::Changing;

pub const MODELS: &[Model] = &[
    model(
        "change_read",
        "content is read while it is ended, rewritten and put in force anew",
        B3,
        change_read,
    ),
    model("change_take", "two writers take the only place, a reader looks on", B3, change_take),
    model("change_close", "the last use ends while a writer publishes", ALL, change_close),
    model("change_end_twice", "two end the same content: one does", ALL, change_end_twice),
];

/// Two words of content, both the generation under which they are in force.
struct World {
    changing: Changing,
    content: [AtomicU64; 2],
}

impl World {
    /// Generation 1 is in force.
    fn new() -> Arc<Self> {
        let world = Self::free();
        world.write(1);
        assert!(world.changing.enforce(1, 0));
        world
    }

    fn free() -> Arc<Self> {
        Arc::new(Self { changing: Changing::new(0), content: [0, 0].map(AtomicU64::new) })
    }

    fn write(&self, generation: u8) {
        Changing::rewrite();
        self.content.iter().for_each(|word| word.store(generation.into(), Ordering::Relaxed));
    }

    /// Reads without waiting; what is accepted belongs to one generation.
    fn read(&self) -> Option<u8> {
        let now = self.changing.now();
        let words = [0, 1].map(|word: usize| self.content[word].load(Ordering::Relaxed));
        if !now.is_valid() || !self.changing.still(now) {
            return None;
        }
        assert_eq!(words, [u64::from(now.generation()); 2], "a mix of contents");
        Some(now.generation())
    }

    /// Takes the place, writes and publishes; whether it came into force.
    fn bind(&self, generation: u8) -> bool {
        let Some(taken) = self.changing.take() else { return false };
        self.write(generation);
        self.changing.publish(taken, Some(generation))
    }
}

fn change_read() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        world.read();
    });
    let now = world.changing.now();
    assert!(world.changing.end(now), "nobody else ends it");
    world.write(2);
    assert!(world.changing.enforce(2, 0));
    join([reader]);
    assert_eq!(world.read(), Some(2));
}

fn change_take() {
    let world = World::free();
    let other = spawn(&world, |world| {
        world.bind(2);
    });
    let reader = spawn(&world, |world| {
        world.read();
    });
    world.bind(1);
    join([other, reader]);
    assert!(world.read().is_some(), "one of them came into force");
}

fn change_close() {
    let world = World::free();
    let outcome = Arc::new(Unwatched::new(None));
    let told = Arc::clone(&outcome);
    let writer = spawn(&world, move |world| {
        *told.get() = Some(world.bind(1));
    });
    let before = world.changing.close();
    if before.is_valid() {
        let words = [0, 1].map(|word: usize| world.content[word].load(Ordering::Relaxed));
        assert_eq!(words, [1, 1], "who closes reads what was in force");
    }
    join([writer]);
    let bound = outcome.get().expect("the writer says");
    assert_eq!(bound, before.is_valid(), "either the writer or who closes answers for the content");
    assert_eq!(world.read(), None);
}

fn change_end_twice() {
    let world = World::new();
    let ends = Arc::new(Unwatched::new(0));
    let count = Arc::clone(&ends);
    let end = move |world: &World, ends: &Unwatched<u32>| {
        let now = world.changing.now();
        let ended = world.changing.end(now);
        *ends.get() += u32::from(ended);
    };
    let other = spawn(&world, move |world| end(world, &count));
    end(&world, &ends);
    join([other]);
    assert_eq!(*ends.get(), 1);
}
