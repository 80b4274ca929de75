//! Arm against push: no wake-up is lost, none comes twice for one arm, solicited entries behind a gap count.

use super::completion::Cq;
use super::{B3, HEAVY, Model, model};
use crate::support::{Arc, Witness, join, spawn};
use qpair::ring::{Announcement, ArmLevel, Class, Notice};

pub const MODELS: &[Model] = &[
    model("arm_sleep", "one producer, a poller that arms, polls again and sleeps", B3, arm_sleep),
    model("arm_sleep_two", "two producers, a poller that sleeps", HEAVY, arm_sleep_two),
    model("arm_sleep_overrun", "an overrun wakes who sleeps until there is one", B3, arm_sleep_overrun),
    model("arm_ndk", "a poller that arms and sleeps without a second poll", B3, arm_ndk),
    model("arm_ndk_two", "the same with two producers", HEAVY, arm_ndk_two),
    model(
        "arm_solicited_gap",
        "a solicited entry behind an unpublished one wakes once it is uncovered",
        HEAVY,
        arm_solicited_gap,
    ),
    model(
        "arm_several_batches",
        "one look at the arm for two batches, a solicited entry in between",
        HEAVY,
        arm_several_batches,
    ),
    model("arm_one_shot", "two producers, one arm: one notification", B3, arm_one_shot),
    model("arm_merges", "a weaker arm never replaces a stronger", B3, arm_merges),
    model("arm_scan_reused", "an arm looks behind a slot that was used again", B3, arm_scan_reused),
    model(
        "announce_scan_reused",
        "a producer looks behind a slot that was used again",
        HEAVY,
        announce_scan_reused,
    ),
    model("arm_says_who", "who fires sees what the armer did before", B3, arm_says_who),
    model(
        "arm_new_again",
        "an entry that came after a notification is new to the next arm",
        B3,
        arm_new_again,
    ),
];

/// Polls until `want` entries came: to empty, then arms at `level`, and sleeps if that is not satisfied at
/// once.
pub fn sleep_for(cq: &Cq, level: ArmLevel, want: usize, poll_again: bool) {
    loop {
        cq.drain();
        if cq.got.get().len() >= want || cq.ring.has_overrun() {
            return;
        }
        cq.arm(level);
        if poll_again && cq.poll(1) > 0 {
            continue;
        }
        cq.event.wait();
    }
}

fn arm_sleep() {
    let cq = Cq::watched(2);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[1]));
    sleep_for(&cq, ArmLevel::Any, 1, true);
    join([producer]);
}

fn arm_sleep_two() {
    let cq = Cq::watched(2);
    let producers = [1, 101].map(|tag| spawn(&cq, move |cq| cq.push(Class::Ordinary, &[tag])));
    sleep_for(&cq, ArmLevel::Any, 2, true);
    join(producers);
}

fn arm_sleep_overrun() {
    let cq = Cq::watched(1);
    cq.push(Class::Ordinary, &[1]);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[2]));
    while !cq.ring.has_overrun() {
        cq.arm(ArmLevel::Errors);
        cq.event.wait();
    }
    join([producer]);
}

fn arm_ndk() {
    let cq = Cq::watched(2);
    let producer = spawn(&cq, |cq| {
        cq.push(Class::Ordinary, &[1]);
        cq.push(Class::Ordinary, &[2]);
    });
    sleep_for(&cq, ArmLevel::Any, 2, false);
    join([producer]);
}

fn arm_ndk_two() {
    let cq = Cq::watched(2);
    let producers = [1, 101].map(|tag| spawn(&cq, move |cq| cq.push(Class::Ordinary, &[tag])));
    sleep_for(&cq, ArmLevel::Any, 2, false);
    join(producers);
}

fn arm_solicited_gap() {
    let cq = Cq::watched(2);
    let producers =
        [spawn(&cq, |cq| cq.push(Class::Ordinary, &[1])), spawn(&cq, |cq| cq.push(Class::Solicited, &[101]))];
    loop {
        cq.drain();
        if cq.got.get().contains(&101) {
            break;
        }
        cq.arm(ArmLevel::Solicited);
        if cq.poll(1) == 0 {
            cq.event.wait();
        }
    }
    join(producers);
}

fn arm_several_batches() {
    let cq = Cq::watched(4);
    let producers = [
        spawn(&cq, |cq| {
            let mut note = Announcement::default();
            cq.push_quietly(Class::Ordinary, &[1], &mut note);
            cq.push_quietly(Class::Ordinary, &[2], &mut note);
            cq.announce(note);
        }),
        spawn(&cq, |cq| cq.push(Class::Solicited, &[101])),
    ];
    loop {
        cq.drain();
        if cq.got.get().contains(&101) {
            break;
        }
        cq.arm(ArmLevel::Solicited);
        if cq.poll(1) == 0 {
            cq.event.wait();
        }
    }
    join(producers);
}

fn arm_one_shot() {
    let cq = Cq::watched(2);
    cq.arm(ArmLevel::Any);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[1]));
    cq.push(Class::Solicited, &[101]);
    join([producer]);
    assert_eq!(*cq.fired.get(), 1);
}

fn arm_merges() {
    let cq = Cq::watched(2);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[1]));
    cq.arm(ArmLevel::Any);
    cq.arm(ArmLevel::Solicited);
    join([producer]);
    assert!(*cq.fired.get() >= 1, "the stronger arm was lost");
}

fn arm_scan_reused() {
    let cq = Cq::new(2);
    cq.push(Class::Ordinary, &[1]);
    cq.push(Class::Solicited, &[2]);
    let other = spawn(&cq, |cq| {
        assert_eq!(cq.poll(1), 1);
        cq.push(Class::Ordinary, &[3]);
    });
    cq.arm(ArmLevel::Solicited);
    join([other]);
    assert_eq!(*cq.fired.get(), 1, "a solicited entry is in the queue, and new");
}

fn announce_scan_reused() {
    let cq = Cq::new(4);
    let others = [
        spawn(&cq, |cq| cq.push(Class::Ordinary, &[1])),
        spawn(&cq, |cq| {
            if cq.poll(2) == 2 {
                cq.push(Class::Ordinary, &[103, 104, 105]);
            }
        }),
    ];
    cq.push(Class::Solicited, &[201, 202]);
    cq.arm(ArmLevel::Solicited);
    join(others);
    let taken = cq.got.get().contains(&202);
    assert!(taken || *cq.fired.get() == 1, "a solicited entry is uncovered and nobody was told");
    cq.drain();
}

fn arm_says_who() {
    let cq = Cq::watched(2);
    let armer = Arc::new(Witness::new());
    let seen = Arc::clone(&armer);
    let producer = spawn(&cq, move |cq| {
        let mut note = Announcement::default();
        cq.push_quietly(Class::Ordinary, &[1], &mut note);
        if cq.ring.announce(note) == Notice::Now {
            seen.read();
        }
    });
    armer.write();
    let _satisfied = cq.ring.arm(ArmLevel::Any);
    join([producer]);
}

fn arm_new_again() {
    let cq = Cq::watched(2);
    cq.arm(ArmLevel::Any);
    let producer = spawn(&cq, |cq| {
        cq.push(Class::Ordinary, &[1]);
        cq.push(Class::Ordinary, &[2]);
    });
    // Two entries, two arms: unless one notification covered both entries, there are two.
    sleep_for(&cq, ArmLevel::Any, 1, false);
    let seen = cq.got.get().len();
    if seen == 1 {
        cq.arm(ArmLevel::Any);
        cq.event.wait();
    }
    join([producer]);
    cq.drain();
    assert_eq!(cq.got.get().len(), 2);
}
