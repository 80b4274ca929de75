//! The completion ring: producers, pollers, laps, batches, overrun.

use super::{ALL, B3, Model, model};
use crate::support::{Arc, Unwatched, join, payload, spawn, tag};
use loom::sync::Notify;
use qpair::ring::{Announcement, ArmLevel, Class, CompletionRing, Notice, Payload, Pushed};

pub const MODELS: &[Model] = &[
    model("cq_producers", "two producers, one poller", B3, cq_producers),
    model("cq_laps", "two producers use two slots again; loom watches the payloads", ALL, cq_laps),
    model("cq_one_slot", "two producers share one slot; loom watches the payload", B3, cq_one_slot),
    model("cq_pollers", "two pollers of two entries, a third entry uses a slot again", B3, cq_pollers),
    model("cq_never_empty", "a queue that is never empty never says that it is", ALL, cq_never_empty),
    model("cq_batches", "a batch of three, two pollers of two", B3, cq_batches),
    model(
        "cq_two_batches",
        "two batches of two in three slots: one is cut and overruns",
        ALL,
        cq_two_batches,
    ),
    model("cq_overrun", "three entries into one slot: reported once, nothing is overwritten", B3, cq_overrun),
    model("cq_overrun_armed", "an overrun fires the arm, before it or after", B3, cq_overrun_armed),
    model("cq_overrun_polled", "a poller makes room while two producers find none", B3, cq_overrun_polled),
];

/// A completion queue, and what its users saw.
pub struct Cq {
    pub ring: CompletionRing,
    pub event: Notify,
    pub fired: Unwatched<usize>,
    pub held: Unwatched<usize>,
    pub got: Unwatched<Vec<u64>>,
    pub accepted: Unwatched<usize>,
    pub reported: Unwatched<usize>,
}

impl Cq {
    pub fn new(depth: u32) -> Arc<Self> {
        Self::with(CompletionRing::new(depth))
    }

    /// With one poller only.
    pub fn watched(depth: u32) -> Arc<Self> {
        Self::with(CompletionRing::new(depth).watched())
    }

    fn with(ring: CompletionRing) -> Arc<Self> {
        Arc::new(Self {
            ring,
            event: Notify::new(),
            fired: Unwatched::default(),
            held: Unwatched::default(),
            got: Unwatched::default(),
            accepted: Unwatched::default(),
            reported: Unwatched::default(),
        })
    }

    /// Pushes one batch and looks at the arm.
    pub fn push(&self, class: Class, tags: &[u64]) {
        let mut note = Announcement::default();
        self.push_quietly(class, tags, &mut note);
        self.announce(note);
    }

    pub fn push_quietly(&self, class: Class, tags: &[u64], note: &mut Announcement) {
        let batch: Vec<(Class, Payload)> = tags.iter().map(|tag| (class, payload(*tag))).collect();
        match self.ring.push(&batch, note) {
            Pushed::All => *self.accepted.get() += tags.len(),
            Pushed::Overrun { first } => *self.reported.get() += usize::from(first),
        }
    }

    pub fn announce(&self, note: Announcement) {
        self.heed(self.ring.announce(note));
    }

    pub fn arm(&self, level: ArmLevel) {
        self.heed(self.ring.arm(level));
    }

    pub fn heed(&self, notice: Notice) {
        match notice {
            Notice::None => {}
            Notice::Now => self.fire(),
            Notice::Later => *self.held.get() += 1,
        }
    }

    fn fire(&self) {
        *self.fired.get() += 1;
        self.ring.note_notified();
        self.event.notify();
    }

    /// Polls up to two; how many came.
    pub fn poll(&self, n: usize) -> usize {
        let mut taken = [Payload::default(); 2];
        let count = self.ring.poll(n, |index, payload| taken[index] = payload);
        // A copy that lost its race may be torn; one that won may not.
        self.got.get().extend(taken[..count].iter().map(tag));
        count
    }

    pub fn drain(&self) {
        while self.poll(1) > 0 {}
    }

    /// Everything that was taken, in order of the producers' hundreds; nothing else.
    pub fn check(&self, expected: &[u64]) {
        self.drain();
        let mut got = self.got.get().clone();
        got.sort_unstable();
        assert_eq!(got, expected);
        assert!(self.ring.is_empty());
    }

    /// One poller sees the entries of a producer in order.
    pub fn check_order(&self) {
        let got = self.got.get();
        for producer in [0, 100, 200] {
            let mine: Vec<u64> = got.iter().filter(|tag| **tag / 100 * 100 == producer).copied().collect();
            assert!(mine.is_sorted(), "{got:?}");
        }
    }
}

fn cq_producers() {
    let cq = Cq::watched(2);
    let others =
        [spawn(&cq, |cq| cq.push(Class::Ordinary, &[1])), spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]))];
    cq.poll(2);
    cq.poll(2);
    join(others);
    cq.check(&[1, 101]);
}

fn cq_laps() {
    let cq = Cq::watched(2);
    cq.push(Class::Ordinary, &[1]);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101]));
    assert!(cq.poll(1) == 1);
    cq.push(Class::Ordinary, &[2]);
    assert!(cq.poll(1) <= 1);
    join([producer]);
    cq.check_order();
    cq.check(&[1, 2, 101]);
}

fn cq_one_slot() {
    let cq = Cq::watched(1);
    let others = [
        spawn(&cq, |cq| {
            cq.push(Class::Ordinary, &[1]);
            cq.push(Class::Ordinary, &[2]);
        }),
        spawn(&cq, |cq| cq.push(Class::Ordinary, &[101])),
    ];
    cq.poll(1);
    cq.poll(1);
    join(others);
    cq.drain();
    cq.check_order();
    assert_eq!(cq.got.get().len(), *cq.accepted.get());
    assert_eq!(*cq.reported.get(), usize::from(cq.ring.has_overrun()), "reported once");
}

fn cq_pollers() {
    let cq = Cq::new(2);
    cq.push(Class::Ordinary, &[1, 2]);
    let poller = spawn(&cq, |cq| {
        cq.poll(1);
    });
    if cq.poll(1) == 1 {
        cq.push(Class::Ordinary, &[3]);
    }
    cq.poll(1);
    join([poller]);
    cq.check(&[1, 2, 3]);
}

fn cq_never_empty() {
    let cq = Cq::watched(2);
    cq.push(Class::Ordinary, &[1]);
    let other = spawn(&cq, |cq| {
        cq.push(Class::Ordinary, &[2]);
        assert_eq!(cq.poll(1), 1);
    });
    assert!(!cq.ring.is_empty(), "one of the two is in it");
    join([other]);
    cq.check(&[1, 2]);
}

fn cq_batches() {
    let cq = Cq::new(3);
    let others = [
        spawn(&cq, |cq| cq.push(Class::Ordinary, &[1, 2, 3])),
        spawn(&cq, |cq| {
            cq.poll(2);
        }),
    ];
    cq.poll(2);
    join(others);
    cq.check(&[1, 2, 3]);
}

fn cq_two_batches() {
    let cq = Cq::watched(3);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[101, 102]));
    cq.push(Class::Ordinary, &[1, 2]);
    join([producer]);
    cq.drain();
    cq.check_order();
    assert_eq!((cq.got.get().len(), *cq.reported.get()), (3, 1), "what fits is kept");
}

fn cq_overrun() {
    let cq = Cq::watched(1);
    let others = [1, 101].map(|tag| spawn(&cq, move |cq| cq.push(Class::Ordinary, &[tag])));
    cq.push(Class::Ordinary, &[201]);
    join(others);
    cq.drain();
    assert_eq!((*cq.accepted.get(), *cq.reported.get()), (1, 1));
    assert_eq!(cq.got.get().len(), 1);
    cq.push(Class::Ordinary, &[202]);
    assert_eq!(cq.poll(1), 0, "an overrun queue takes nothing more");
}

fn cq_overrun_armed() {
    let cq = Cq::watched(1);
    cq.push(Class::Ordinary, &[1]);
    let producer = spawn(&cq, |cq| cq.push(Class::Ordinary, &[2]));
    cq.arm(ArmLevel::Errors);
    join([producer]);
    assert_eq!(*cq.fired.get(), 1, "whoever came second saw the other");
}

fn cq_overrun_polled() {
    let cq = Cq::watched(1);
    cq.push(Class::Ordinary, &[1]);
    let others = [2, 102].map(|tag| spawn(&cq, move |cq| cq.push(Class::Ordinary, &[tag])));
    assert_eq!(cq.poll(1), 1);
    cq.poll(1);
    join(others);
    cq.drain();
    assert_eq!(cq.got.get().len(), *cq.accepted.get());
    assert!(*cq.reported.get() == usize::from(cq.ring.has_overrun()), "reported once, if it overran");
}
