//! Deferred requests: written and pending, executed when a plain post or a doorbell exposes them.

use super::{ALL, B3, Model, model};
use crate::support::{Arc, Queue, join, spawn};
use qpair::ring::Post;

pub const MODELS: &[Model] = &[
    model(
        "deferred_plain",
        "a deferred post against a plain one, which is never stranded",
        ALL,
        deferred_plain,
    ),
    model("deferred_waits", "a deferred request waits for its doorbell, whoever kicks", ALL, deferred_waits),
    model("doorbell", "a doorbell exposes what was deferred before it, late posters included", B3, doorbell),
    model("two_doorbells", "two threads defer and ring", B3, two_doorbells),
    model("deferred_chain", "a deferred chain against a plain post and a doorbell", B3, deferred_chain),
    model("full_exposes", "a post that finds no room exposes what was deferred", ALL, full_exposes),
    model("cut_exposes", "a deferred chain that is cut short exposes what was taken", ALL, cut_exposes),
];

fn deferred_plain() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| queue.defer(1));
    queue.post(101);
    join([poster]);
    assert!(queue.journal.tags().contains(&101), "a plain post is stranded behind a deferred one");
    queue.doorbell();
    queue.assert_all(&[1, 101]);
}

fn deferred_waits() {
    let queue = Arc::new(Queue::new(2));
    let engine = spawn(&queue, |queue| queue.kick());
    queue.defer(1);
    join([engine]);
    assert!(queue.journal.tags().is_empty(), "nobody exposed it");
    queue.doorbell();
    queue.assert_all(&[1]);
}

fn doorbell() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| queue.defer(1));
    queue.defer(101);
    queue.doorbell();
    join([poster]);
    assert!(queue.journal.tags().contains(&101), "the doorbell came after this request");
    queue.doorbell();
    queue.assert_all(&[1, 101]);
}

fn two_doorbells() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| {
        queue.defer(1);
        queue.doorbell();
    });
    queue.defer(101);
    queue.doorbell();
    join([poster]);
    queue.assert_all(&[1, 101]);
}

fn deferred_chain() {
    let queue = Arc::new(Queue::new(4));
    let poster = spawn(&queue, |queue| {
        assert_eq!(queue.chain(&[1, 2], Post::Deferred), 2);
        queue.doorbell();
    });
    queue.post(101);
    join([poster]);
    queue.assert_all(&[1, 2, 101]);
}

fn full_exposes() {
    let queue = Arc::new(Queue::new(1));
    queue.defer(1);
    let engine = spawn(&queue, |queue| queue.kick());
    queue.chain(&[2], Post::Plain);
    join([engine]);
    queue.assert_accepted();
}

fn cut_exposes() {
    let queue = Arc::new(Queue::new(2));
    let engine = spawn(&queue, |queue| queue.kick());
    assert_eq!(queue.chain(&[1, 2, 3], Post::Deferred), 2);
    join([engine]);
    queue.assert_accepted();
}
