//! Numbered places: each is one taker's at a time, and comes back whole and once.
//!
//! What carries a number from who posts to who hears of its completion orders nothing, as a device does not
//! in the eyes of the language.

use super::{ALL, B3, LONG, Model, model};
use crate::support::{Arc, Unwatched, join, spawn};
use qpair::ring::Places;

pub const MODELS: &[Model] = &[
    model("places_content", "a completer reads what the taker wrote", ALL, places_content),
    model("places_look", "somebody looks at a place while its taker goes on", ALL, places_look),
    model("places_again", "a place is retired while another waits for room", B3, places_again),
    model("places_twice", "a number is reported twice, and its place is taken again", LONG, places_twice),
    model("places_unchanged", "a place goes and comes back below a taker's hands", B3, places_unchanged),
    model("places_full", "two takers, and room for one", ALL, places_full),
    model("places_grow", "a set grows between a taker and a completer", B3, places_grow),
    model(
        "places_shrink",
        "a set shrinks against a taker: never more taken than its depth",
        ALL,
        places_shrink,
    ),
];

struct World {
    places: Places,
    /// What was posted, by tag.
    posted: Unwatched<Vec<u64>>,
    /// Numbers under way.
    device: Unwatched<Vec<u64>>,
    retired: Unwatched<Vec<u64>>,
}

impl World {
    fn new(depth: u32) -> Arc<Self> {
        qpair::ring::begin_model();
        let places = Places::new(depth, 2);
        let [posted, device, retired] = [(); 3].map(|()| Unwatched::default());
        Arc::new(Self { places, posted, device, retired })
    }

    /// Takes a place for what has that tag.
    fn take(&self, tag: u64) -> Option<u64> {
        let taken = self.places.take(|words| {
            words.set(0, tag);
            words.set(1, !tag);
        })?;
        self.posted.get().push(tag);
        Some(taken.number)
    }

    /// The same, and lets its number go; false: there is no room.
    fn post(&self, tag: u64) -> bool {
        let number = self.take(tag);
        self.device.get().extend(number);
        number.is_some()
    }

    /// Retires a number; false: it was another's.
    fn retire(&self, number: u64) -> bool {
        let tag = self.places.retire(number, |words| {
            assert_eq!(words.get(0), !words.get(1), "a torn place");
            words.get(0)
        });
        self.retired.get().extend(tag);
        tag.is_some()
    }

    /// Retires what the device has; false: nothing.
    fn complete(&self) -> bool {
        let number = self.device.get().pop();
        number.is_some_and(|number| {
            assert!(self.retire(number), "one device, and each number once");
            true
        })
    }

    /// Everything that was posted has been retired once, or is now.
    fn assert_each_once(&self) {
        while self.complete() {}
        let [posted, retired] = [&self.posted, &self.retired].map(|tags| {
            let mut tags = tags.get().clone();
            tags.sort_unstable();
            tags
        });
        assert_eq!(posted, retired);
        assert_eq!(self.places.taken(), 0);
    }
}

fn places_content() {
    let world = World::new(1);
    let completer = spawn(&world, |world| {
        world.complete();
    });
    assert!(world.post(7));
    join([completer]);
    world.assert_each_once();
}

fn places_look() {
    let world = World::new(1);
    let looker = spawn(&world, |world| {
        let number = world.device.get().last().copied();
        if let Some(number) = number {
            let seen = world.places.look(number, |words| (words.get(0), words.get(1)));
            assert_eq!(seen, Some((7, !7)));
            world.complete();
        }
    });
    assert!(world.post(7));
    join([looker]);
    world.assert_each_once();
}

fn places_again() {
    let world = World::new(1);
    assert!(world.post(1));
    let completer = spawn(&world, |world| {
        world.complete();
    });
    world.post(2);
    world.post(3);
    join([completer]);
    world.assert_each_once();
}

fn places_twice() {
    let world = World::new(1);
    assert!(world.post(1));
    let number = world.device.get().pop().expect("posted");
    let retirers = [0, 1].map(|_| {
        spawn(&world, move |world| {
            world.retire(number);
        })
    });
    world.post(2);
    join(retirers);
    assert!(!world.retire(number), "it has come back already");
    world.assert_each_once();
}

fn places_unchanged() {
    let world = World::new(3);
    let other = spawn(&world, |world| {
        let first = world.take(1).expect("there are three");
        world.post(2);
        assert!(world.retire(first));
    });
    world.post(3);
    world.post(4);
    join([other]);
    world.assert_each_once();
}

fn places_full() {
    let world = World::new(1);
    let other = spawn(&world, |world| {
        world.post(1);
    });
    world.post(2);
    join([other]);
    assert_eq!((world.places.taken(), world.device.get().len()), (1, 1), "one of them had the room");
    world.assert_each_once();
}

fn places_grow() {
    let world = World::new(1);
    assert!(world.post(1));
    let resizer = spawn(&world, |world| {
        assert_eq!(world.places.resize(2), Ok(1));
    });
    let completer = spawn(&world, |world| {
        world.complete();
    });
    world.post(2);
    world.post(3);
    join([resizer, completer]);
    world.assert_each_once();
}

fn places_shrink() {
    let world = World::new(2);
    assert!(world.post(1));
    let resizer = spawn(&world, |world| match world.places.resize(1) {
        Ok(before) => assert_eq!(before, 2),
        Err(crowded) => assert_eq!(crowded.entries, 2),
    });
    world.post(2);
    join([resizer]);
    assert!(world.places.taken() <= world.places.depth().into(), "never more than the depth");
    world.assert_each_once();
}
