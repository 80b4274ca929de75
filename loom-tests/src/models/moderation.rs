//! An arm that is satisfied and held: released by the entries that come, by time, by an error; once.

use super::completion::Cq;
use super::{ALL, B3, Model, model};
use crate::support::{Arc, Witness, join, spawn};
use qpair::ring::{Announcement, ArmLevel, Class, Notice};

pub const MODELS: &[Model] = &[
    model("held_count", "two producers bring what is waited for: one notice, by one of them", B3, held_count),
    model("held_arm", "an arm is held for what is there while the last entry comes", B3, held_arm),
    model("held_time", "time is over while the last entry comes: one notice", ALL, held_time),
    model("held_broken", "an overrun does not wait, whoever was faster", B3, held_broken),
    model("held_arm_again", "a second arm merges into one that is held", B3, held_arm_again),
    model(
        "held_solicited",
        "an entry that does not satisfy the arm counts for one that does",
        B3,
        held_solicited,
    ),
    model("held_says_who", "who releases sees what the armer did before", B3, held_says_who),
    model("fail_armed", "a failure fires the arm, before it or after, and ends the entries", B3, fail_armed),
];

fn moderated(depth: u32, count: u64) -> Arc<Cq> {
    let cq = Cq::watched(depth);
    cq.ring.moderate(count);
    cq
}

fn held_count() {
    let cq = moderated(2, 2);
    cq.arm(ArmLevel::Any);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]));
    cq.push(Class::Ordinary, &[1]);
    join([producer]);
    assert_eq!(*cq.fired.get(), 1, "two entries have come");
}

fn held_arm() {
    let cq = moderated(2, 2);
    cq.push(Class::Ordinary, &[1]);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[2]));
    cq.arm(ArmLevel::Any);
    join([producer]);
    assert_eq!(*cq.fired.get(), 1, "two entries have come");
}

fn held_time() {
    let cq = moderated(2, 2);
    cq.arm(ArmLevel::Any);
    cq.push(Class::Ordinary, &[1]);
    assert_eq!((*cq.fired.get(), *cq.held.get(), cq.ring.held_for()), (0, 1, Some(1)));
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[2]));
    cq.heed(cq.ring.release());
    join([producer]);
    assert_eq!((*cq.fired.get(), cq.ring.held_for()), (1, None));
}

fn held_broken() {
    let cq = moderated(1, u64::MAX);
    cq.arm(ArmLevel::Any);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]));
    cq.push(Class::Ordinary, &[1]);
    join([producer]);
    assert!(cq.ring.has_overrun());
    assert_eq!((*cq.fired.get(), cq.ring.held_for()), (1, None));
}

fn held_arm_again() {
    let cq = moderated(2, 2);
    cq.arm(ArmLevel::Any);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[1]));
    cq.arm(ArmLevel::Solicited);
    join([producer]);
    cq.heed(cq.ring.release());
    assert_eq!(*cq.fired.get(), 1);
    cq.push(Class::Solicited, &[2]);
    assert_eq!(*cq.held.get(), 1, "no arm is left");
}

fn held_solicited() {
    let cq = moderated(2, 2);
    cq.arm(ArmLevel::Solicited);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]));
    cq.push(Class::Solicited, &[1]);
    join([producer]);
    assert_eq!(*cq.fired.get(), 1, "two entries have come, and one of them satisfies the arm");
}

fn held_says_who() {
    let cq = moderated(2, 2);
    let armer = Arc::new(Witness::new());
    let writes = Arc::clone(&armer);
    cq.push(Class::Ordinary, &[1]);
    let arming = spawn(&cq, move |cq| {
        writes.write();
        let _later = cq.ring.arm(ArmLevel::Any);
    });
    let mut note = Announcement::default();
    cq.push_quietly(Class::Ordinary, &[2], &mut note);
    if cq.ring.announce(note) == Notice::Now {
        armer.read();
    }
    join([arming]);
}

fn fail_armed() {
    let cq = Cq::watched(2);
    let failing = spawn(&cq, |cq| {
        let mut note = Announcement::default();
        assert!(cq.ring.fail(&mut note));
        cq.announce(note);
    });
    cq.arm(ArmLevel::Errors);
    join([failing]);
    assert_eq!(*cq.fired.get(), 1, "whoever came second saw the other");
    cq.push(Class::Ordinary, &[1]);
    assert_eq!((cq.poll(1), cq.ring.has_failed(), cq.ring.has_overrun()), (0, true, false));
}
