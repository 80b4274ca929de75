//! Pins and tables: what a pass found stays alive until the pass is over, and not for ever.

use super::{ALL, B3, Model, model};
use crate::support::{Arc, Witness, join, spawn, yield_now};
use qpair::ring::{PinHandle, Pins, Table};

pub const MODELS: &[Model] = &[
    model("pin_remove", "a pass reads a value while it is removed and let go", ALL, pin_remove),
    model(
        "pin_again",
        "the next pass of the same thread begins while a removal waits for the last",
        B3,
        pin_again,
    ),
    model("pin_two", "two passes read a value that is removed", B3, pin_two),
    model("pin_nested", "an inner pin does not end the pass", ALL, pin_nested),
    model("pin_comes", "a thread registers while a value is removed", ALL, pin_comes),
    model("pin_leaves", "a thread leaves the registry while a removal waits for it", B3, pin_leaves),
    model("guess_index", "an index is guessed while its value is put in", ALL, guess_index),
    model("index_reused", "an index is used again while a pass still reads the old value", ALL, index_reused),
    model(
        "remove_inserted",
        "a value is removed as soon as another thread has put it in",
        ALL,
        remove_inserted,
    ),
    model("remove_twice", "two threads remove one value: one gets it", ALL, remove_twice),
];

type Values = Table<Witness>;

struct World {
    table: Values,
    pins: [std::sync::Mutex<Option<PinHandle>>; 2],
}

impl World {
    /// One value, at index 1, and two threads that may pin.
    fn new() -> Arc<Self> {
        let pins = Pins::new();
        let handle = || std::sync::Mutex::new(Some(pins.register()));
        let world = Self { table: Table::new(std::sync::Arc::clone(&pins), 0), pins: [handle(), handle()] };
        world.insert();
        Arc::new(world)
    }

    fn insert(&self) -> u32 {
        let make = |_, _| {
            let value = Witness::new();
            value.write();
            value
        };
        self.table.insert(make).expect("room")
    }

    /// The pin handle of a thread; each is taken once.
    fn handle(&self, thread: usize) -> PinHandle {
        self.pins[thread].lock().expect("never contended").take().expect("one for each thread")
    }

    /// Reads the value at index 1, if it is there.
    fn read(&self, handle: &PinHandle) -> bool {
        let pin = handle.pin();
        let value = self.table.get(&pin, 1);
        if let Some(value) = value {
            value.read();
        }
        value.is_some()
    }

    /// Removes the value at index 1, waits for the passes and writes to it, as a freeing allocator would.
    fn remove(&self) {
        let Some(mut retired) = self.table.remove(1) else { return };
        loop {
            match retired.try_reclaim() {
                Ok(value) => return value.write(),
                Err(again) => retired = again,
            }
            yield_now();
        }
    }
}

fn pin_remove() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        world.read(&world.handle(0));
    });
    world.remove();
    join([reader]);
    assert!(!world.read(&world.handle(1)), "removed");
}

fn pin_again() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        let handle = world.handle(0);
        let first = world.read(&handle);
        let second = world.read(&handle);
        assert!(first || !second, "a value that was gone came back");
    });
    world.remove();
    join([reader]);
}

fn pin_two() {
    let world = World::new();
    let readers = [0, 1].map(|thread| {
        spawn(&world, move |world| {
            world.read(&world.handle(thread));
        })
    });
    world.remove();
    join(readers);
}

fn pin_nested() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        let handle = world.handle(0);
        let pin = handle.pin();
        let value = world.table.get(&pin, 1);
        drop(handle.pin());
        if let Some(value) = value {
            value.read();
        }
    });
    world.remove();
    join([reader]);
}

fn pin_comes() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        let handle = world.table.pins().register();
        world.read(&handle);
    });
    world.remove();
    join([reader]);
}

fn pin_leaves() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        let handle = world.handle(0);
        world.read(&handle);
        drop(handle);
        let handle = world.table.pins().register();
        world.read(&handle);
    });
    world.remove();
    join([reader]);
}

fn guess_index() {
    let world = World::new();
    world.remove();
    let reader = spawn(&world, |world| {
        world.read(&world.handle(0));
    });
    assert_eq!(world.insert(), 1, "the index rests for nobody here");
    join([reader]);
    assert!(world.read(&world.handle(1)));
}

fn index_reused() {
    let world = World::new();
    let reader = spawn(&world, |world| {
        world.read(&world.handle(0));
    });
    let retired = world.table.remove(1).expect("it is there");
    assert_eq!(world.insert(), 1);
    let mut waiting = Some(retired);
    while let Some(retired) = waiting.take() {
        match retired.try_reclaim() {
            Ok(value) => value.write(),
            Err(again) => {
                waiting = Some(again);
                yield_now();
            }
        }
    }
    join([reader]);
    assert!(world.read(&world.handle(1)), "the second value is there");
}

fn remove_inserted() {
    let world = World::new();
    world.remove();
    let other = spawn(&world, |world| {
        world.insert();
    });
    world.remove();
    join([other]);
    world.remove();
    assert!(!world.read(&world.handle(0)));
}

fn remove_twice() {
    let world = World::new();
    let other = spawn(&world, |world| world.remove());
    world.remove();
    join([other]);
    assert!(!world.read(&world.handle(0)));
}
