//! Questions to a device: one at a time, and silence is said once and stays.

use super::{ALL, Model, model};
use crate::support::{Arc, join, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering};
use qpair::ring::{EventCounter, Question};

pub const MODELS: &[Model] = &[
    model("question_silence", "a question that was refused is answered none the less", ALL, question_silence),
    model("question_told", "who is told of the break sees the silence", ALL, question_told),
];

#[derive(Default)]
struct World {
    question: Question,
    /// Questions that the device has, refused or not.
    out: AtomicUsize,
    fatal: EventCounter,
    seen: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        qpair::ring::begin_model();
        Arc::default()
    }

    /// Puts a question; the device has it also when it says otherwise.
    fn ask(&self, answer: Result<(), ()>) {
        let silent = self.question.is_silent();
        // Refused or not, nobody waits for it.
        let _refused = self.question.ask(|| {
            assert!(!silent, "nobody is there to be asked");
            self.out.fetch_add(1, Ordering::AcqRel);
            answer
        });
    }

    /// Answers what is out: the first by silence, which breaks the queue pair, the others are flushed.
    fn answer(&self) {
        for index in 0..self.out.swap(0, Ordering::AcqRel) {
            self.question.ended(index == 0);
            self.break_down();
        }
    }

    fn break_down(&self) {
        if self.fatal.raise() {
            // Relaxed: the counter orders it.
            self.fatal.deliver(|| self.seen.store(self.question.is_silent().into(), Ordering::Relaxed));
        }
    }
}

fn question_silence() {
    let world = World::new();
    world.ask(Err(()));
    let answerer = spawn(&world, World::answer);
    world.ask(Ok(()));
    join([answerer]);
    assert!(world.question.is_silent());
    world.ask(Ok(()));
}

fn question_told() {
    let world = World::new();
    world.ask(Ok(()));
    let answerer = spawn(&world, World::answer);
    world.break_down();
    join([answerer]);
    // Relaxed: joined.
    assert_eq!(world.seen.load(Ordering::Relaxed), 1, "the last to be told");
}
