//! The depth of a ring is changed while entries are pushed, polled and armed for.

use super::arm::sleep_for;
use super::completion::Cq;
use super::{ALL, B3, HEAVY, LONG, Model, model};
use crate::support::{Arc, Unwatched, fill, join, spawn, tag};
use qpair::ring::{ArmLevel, Class, Payload, SharedRing};

pub const MODELS: &[Model] = &[
    model("resize_push", "a ring is outgrown while a producer pushes and a poller polls", B3, resize_push),
    model("resize_two", "two producers and a poller meet a ring that is outgrown", LONG, resize_two),
    model("resize_again", "a ring is outgrown twice while it is polled", B3, resize_again),
    model("resize_pollers", "two pollers of a ring that was outgrown", LONG, resize_pollers),
    model("resize_settles", "who settles the view tells what the head was", B3, resize_settles),
    model("resize_never_empty", "an outgrown ring is never empty and never says so", B3, resize_never_empty),
    model("resize_room", "a push after a resize has the room that it made", B3, resize_room),
    model(
        "resize_overrun",
        "a push finds the old depth full while the ring grows in place",
        B3,
        resize_overrun,
    ),
    model(
        "resize_shrinks",
        "a ring that shrinks against a push: never more in it than its depth",
        ALL,
        resize_shrinks,
    ),
    model(
        "resize_not_crowded",
        "entries that went before others came are not counted",
        B3,
        resize_not_crowded,
    ),
    model("resize_lost", "a resize that lost its race counts anew", B3, resize_lost),
    model(
        "resize_armed",
        "a poller sleeps, armed, while the ring is outgrown and filled",
        HEAVY,
        resize_armed,
    ),
    model("resize_solicited", "an arm looks for solicited entries across segments", B3, resize_solicited),
    model("resize_shared", "a shared receive queue grows between a poster and a taker", B3, resize_shared),
    model("resize_full", "a poster that is told full was told by one depth", B3, resize_full),
];

fn resize(cq: &Cq, depth: u32) {
    cq.ring.resize(depth).expect("no more entries than that are in it");
}

fn resize_push() {
    let cq = Cq::watched(2);
    let producer = spawn(&cq, |cq| {
        cq.push(Class::Ordinary, &[1]);
        cq.push(Class::Ordinary, &[2]);
    });
    let resizer = spawn(&cq, |cq| resize(cq, 4));
    cq.poll(2);
    cq.poll(1);
    join([producer, resizer]);
    cq.check_order();
    cq.check(&[1, 2]);
    assert_eq!(cq.ring.depth(), 4);
}

fn resize_two() {
    let cq = Cq::watched(2);
    let producers = [1, 101].map(|tag| spawn(&cq, move |cq| cq.push(Class::Ordinary, &[tag])));
    resize(&cq, 4);
    cq.push(Class::Ordinary, &[201]);
    cq.poll(2);
    join(producers);
    cq.check(&[1, 101, 201]);
}

fn resize_again() {
    let cq = Cq::watched(1);
    cq.push(Class::Ordinary, &[1]);
    let resizer = spawn(&cq, |cq| {
        resize(cq, 2);
        cq.push(Class::Ordinary, &[2]);
        resize(cq, 4);
        cq.push(Class::Ordinary, &[3]);
    });
    cq.poll(2);
    cq.poll(2);
    join([resizer]);
    cq.check_order();
    cq.check(&[1, 2, 3]);
}

fn resize_pollers() {
    let cq = Cq::new(1);
    cq.push(Class::Ordinary, &[1]);
    resize(&cq, 2);
    cq.push(Class::Ordinary, &[2]);
    let others = [
        spawn(&cq, |cq| {
            cq.poll(1);
        }),
        spawn(&cq, |cq| {
            cq.poll(1);
        }),
    ];
    cq.poll(1);
    join(others);
    cq.check(&[1, 2]);
}

fn resize_settles() {
    let cq = Cq::watched(1);
    cq.push(Class::Ordinary, &[1]);
    resize(&cq, 2);
    cq.push(Class::Ordinary, &[2]);
    // Takes what lies in the first segment; its next look settles.
    assert_eq!(cq.poll(1), 1);
    let other = spawn(&cq, |cq| {
        cq.push(Class::Ordinary, &[3]);
    });
    assert_eq!(cq.poll(1), 1);
    cq.poll(1);
    join([other]);
    cq.check_order();
    cq.check(&[1, 2, 3]);
}

fn resize_never_empty() {
    let cq = Cq::new(1);
    cq.push(Class::Ordinary, &[1]);
    resize(&cq, 4);
    cq.push(Class::Ordinary, &[2]);
    cq.push(Class::Ordinary, &[3]);
    let other = spawn(&cq, |cq| {
        cq.poll(1);
        cq.poll(1);
    });
    assert_eq!(cq.poll(1), 1, "one of the three is left for each look");
    join([other]);
    cq.check(&[1, 2, 3]);
}

fn resize_room() {
    let cq = Cq::watched(1);
    cq.push(Class::Ordinary, &[1]);
    let other = spawn(&cq, |cq| {
        cq.poll(1);
    });
    resize(&cq, 2);
    cq.push(Class::Ordinary, &[2]);
    join([other]);
    assert!(!cq.ring.has_overrun(), "there was room for two");
    cq.check(&[1, 2]);
}

fn resize_overrun() {
    let cq = Cq::watched(4);
    resize(&cq, 1);
    cq.push(Class::Ordinary, &[1]);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]));
    resize(&cq, 3);
    // Only the old depth can have been too small.
    let before = cq.ring.has_overrun();
    cq.push(Class::Ordinary, &[2]);
    join([producer]);
    assert_eq!(cq.ring.has_overrun(), before, "an overrun by a depth that was no more");
    assert_eq!(*cq.reported.get(), usize::from(before));
    cq.drain();
    assert_eq!(cq.got.get().len(), *cq.accepted.get());
}

fn resize_shrinks() {
    let cq = Cq::watched(2);
    cq.push(Class::Ordinary, &[1]);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]));
    let shrunk = cq.ring.resize(1);
    join([producer]);
    let (accepted, depth) = (*cq.accepted.get(), cq.ring.depth());
    match shrunk {
        Ok(()) => assert_eq!((accepted, depth, cq.ring.has_overrun()), (1, 1, true)),
        Err(crowded) => {
            assert_eq!((accepted, depth, cq.ring.has_overrun()), (2, 2, false), "nothing has changed");
            assert_eq!(crowded.entries, 2);
        }
    }
}

fn resize_not_crowded() {
    let cq = Cq::watched(2);
    cq.push(Class::Ordinary, &[1]);
    let other = spawn(&cq, |cq| {
        assert_eq!(cq.poll(1), 1);
        cq.push(Class::Ordinary, &[2]);
    });
    resize(&cq, 1);
    join([other]);
    cq.check(&[1, 2]);
}

fn resize_lost() {
    let cq = Cq::watched(2);
    cq.push(Class::Ordinary, &[1]);
    let other = spawn(&cq, |cq| {
        assert_eq!(cq.poll(1), 1);
        cq.push(Class::Ordinary, &[2]);
        assert_eq!(cq.poll(1), 1);
        cq.push(Class::Ordinary, &[3]);
    });
    resize(&cq, 1);
    join([other]);
    cq.check(&[1, 2, 3]);
}

fn resize_armed() {
    let cq = Cq::watched(1);
    let resizer = spawn(&cq, |cq| {
        resize(cq, 2);
        cq.push(Class::Ordinary, &[1]);
        cq.push(Class::Ordinary, &[2]);
    });
    sleep_for(&cq, ArmLevel::Any, 2, false);
    join([resizer]);
    cq.check_order();
}

fn resize_solicited() {
    let cq = Cq::new(1);
    cq.push(Class::Ordinary, &[1]);
    resize(&cq, 2);
    cq.push(Class::Solicited, &[2]);
    let other = spawn(&cq, |cq| {
        assert_eq!(cq.poll(1), 1);
    });
    cq.arm(ArmLevel::Solicited);
    join([other]);
    assert_eq!(*cq.fired.get(), 1, "a solicited entry is in the queue, and new");
}

/// Posts one receive; whether there was room.
fn post(ring: &SharedRing, receive: u64) -> bool {
    let write = |_, payload: &mut Payload, side: &mut [u64]| {
        fill(payload, receive);
        side[0] = !receive;
    };
    ring.post(1, write) == 1
}

fn take(ring: &SharedRing) -> Option<u64> {
    let (mut payload, mut side) = (Payload::default(), [0]);
    ring.take(&mut payload, &mut side).map(|_| {
        assert_eq!(side, [!tag(&payload)], "side words of another receive");
        tag(&payload)
    })
}

fn resize_shared() {
    let ring = Arc::new(SharedRing::new(1, 1));
    assert!(post(&ring, 1));
    let taken = Arc::new(Unwatched::new(Vec::new()));
    let theirs = Arc::clone(&taken);
    let taker = spawn(&ring, move |ring| {
        for _ in 0..2 {
            let receive = take(ring);
            theirs.get().extend(receive);
        }
    });
    assert_eq!(ring.modify(2, 0), Ok(false));
    assert!(post(&ring, 2), "there is room for two");
    join([taker]);
    while let Some(receive) = take(&ring) {
        taken.get().push(receive);
    }
    assert_eq!(*taken.get(), [1, 2]);
}

fn resize_full() {
    let ring = Arc::new(SharedRing::new(4, 1));
    assert!(post(&ring, 1));
    let resizer = spawn(&ring, |ring| {
        assert_eq!(ring.modify(3, 0), Ok(false));
        assert!(post(ring, 2));
        assert!(ring.modify(1, 0).is_err(), "two are queued");
    });
    assert!(post(&ring, 101), "it never held as many as its depth");
    join([resizer]);
}
