//! Who takes entries from a device: none is taken twice or left, and what the device tells of wakes.

use super::completion::Cq;
use super::{ALL, B3, HEAVY, Model, model};
use crate::support::{Arc, Unwatched, join, payload, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering};
use qpair::ring::{Announcement, ArmLevel, Class, Gate, Gather, Gathering};

pub const MODELS: &[Model] = &[
    model("gather_two", "two that ask: each entry is taken once, none is left", ALL, gather_two),
    model("gather_any", "an arm, the device, and somebody who polls in between", HEAVY, gather_any),
    model(
        "gather_solicited",
        "an unsure entry is pushed by who has its queue's role",
        HEAVY,
        gather_solicited,
    ),
    model("gather_told", "a pass that takes the word of the device sees the entry", B3, gather_told),
];

/// A device: how many entries it has brought, and whether it is armed.
struct Device {
    world: Arc<Cq>,
    /// Entries brought, twice; lowest bit: armed.
    word: AtomicUsize,
    gather: Gather<u64>,
    /// Entries that have ended, and whose turn it is to push them.
    ended: AtomicUsize,
    turn: Gate,
    pushed: Unwatched<u64>,
    class: Class,
}

impl Device {
    fn new(class: Class) -> Arc<Self> {
        qpair::ring::begin_model();
        Arc::new(Self {
            world: Cq::watched(2),
            word: AtomicUsize::new(0),
            gather: Gather::new(0),
            ended: AtomicUsize::new(0),
            turn: Gate::new(),
            pushed: Unwatched::new(0),
            class,
        })
    }

    /// Brings an entry; if armed, tells of it on this thread, as an adapter's does.
    fn bring(&self) {
        // The device's own lock orders its word.
        let before = self.word.fetch_add(2, Ordering::AcqRel);
        if before & 1 != 0 {
            self.word.fetch_and(!1, Ordering::AcqRel);
            self.notified();
        }
    }

    fn notified(&self) {
        self.gather.tell();
        self.take(self.gather.ask());
        if self.world.ring.armed().is_some() {
            self.word.fetch_or(1, Ordering::AcqRel);
            self.gather.tell();
            self.take(self.gather.ask());
        }
    }

    fn arm(&self, level: ArmLevel) {
        self.world.arm(level);
        self.word.fetch_or(1, Ordering::AcqRel);
        self.gather.tell();
        self.take(self.gather.ask());
    }

    fn take(&self, gathering: Option<Gathering<'_, u64>>) {
        let Some(gathering) = gathering else { return };
        let pass = |taken: &mut u64| {
            // Relaxed: a look into memory that the device writes.
            let brought = self.word.load(Ordering::Relaxed) as u64 / 2;
            while *taken < brought {
                *taken += 1;
                self.ended.fetch_add(1, Ordering::Release);
                self.push();
            }
            *taken
        };
        gathering.run(pass, || self.world.heed(self.world.ring.revisit()));
    }

    /// Has the entries that have ended pushed, by whoever has the role.
    fn push(&self) {
        if !self.turn.kick() {
            return;
        }
        let mut counted = 1;
        while counted != 0 {
            let ended = self.ended.load(Ordering::Acquire) as u64;
            loop {
                let number = *self.pushed.get() + 1;
                if number > ended {
                    break;
                }
                *self.pushed.get() = number;
                self.push_one(number);
            }
            counted = self.turn.leave(counted);
        }
    }

    fn push_one(&self, number: u64) {
        let unsure = self.class == Class::Unsure && !self.gather.has_heard(number);
        let class = if self.class == Class::Unsure && !unsure { Class::Solicited } else { self.class };
        let mut note = Announcement::default();
        let pushed = self.world.ring.push(&[(class, payload(number))], &mut note);
        assert_eq!(pushed, qpair::ring::Pushed::All);
        self.world.announce(note);
        if unsure && self.gather.heard_meanwhile(number) {
            self.world.heed(self.world.ring.revisit());
        }
    }

    /// Polls until the entry has come; arms and sleeps where there is none.
    fn sleep_for_one(&self, level: ArmLevel) {
        loop {
            self.world.drain();
            if !self.world.got.get().is_empty() {
                return;
            }
            self.arm(level);
            self.world.event.wait();
        }
    }
}

fn gather_two() {
    let device = Device::new(Class::Ordinary);
    let other = spawn(&device, |device| {
        device.bring();
        device.take(device.gather.ask());
    });
    device.bring();
    device.take(device.gather.ask());
    join([other]);
    device.world.check(&[1, 2]);
}

fn gather_any() {
    let device = Device::new(Class::Ordinary);
    let others = [
        spawn(&device, |device| device.bring()),
        spawn(&device, |device| device.take(device.gather.ask_if_idle())),
    ];
    device.sleep_for_one(ArmLevel::Any);
    join(others);
    device.world.check(&[1]);
}

fn gather_solicited() {
    let device = Device::new(Class::Unsure);
    let others = [spawn(&device, |device| device.bring()), spawn(&device, |device| device.push())];
    device.sleep_for_one(ArmLevel::Solicited);
    join(others);
    device.world.check(&[1]);
}

/// Armed for solicited entries already; somebody else is taking entries when the device tells.
fn gather_told() {
    let device = Device::new(Class::Unsure);
    device.arm(ArmLevel::Solicited);
    let other = spawn(&device, |device| device.bring());
    device.take(device.gather.ask());
    device.world.event.wait();
    join([other]);
    device.world.check(&[1]);
}
