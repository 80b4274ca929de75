//! Flush: a mark that only grows, against posters, engines, other flushes and the end of the connection.

use super::{ALL, B3, Model, model};
use crate::support::{Arc, Hooks, How, Queue, Witness, join, spawn, yield_now};
use qpair::ring::Post;

pub const MODELS: &[Model] = &[
    model(
        "flush_post_engine",
        "a flush, a poster and an engine: each request ends once",
        B3,
        flush_post_engine,
    ),
    model(
        "flush_cancels",
        "what was deferred before a flush is cancelled, later posts live",
        ALL,
        flush_cancels,
    ),
    model(
        "flush_meets_deferred",
        "a flush passes over a slot that is claimed and not yet published",
        B3,
        flush_meets_deferred,
    ),
    model("two_flushers", "two threads defer and flush; marks only grow", B3, two_flushers),
    model("flush_and_doorbell", "a flush against a doorbell", B3, flush_and_doorbell),
    model("close_meets_posts", "a post against a close: refused, or taken and ended", B3, close_meets_posts),
    model(
        "close_meets_deferred",
        "a deferred post against a close: refused, or taken and cancelled",
        ALL,
        close_meets_deferred,
    ),
    model(
        "open_after_setup",
        "a poster that sees the queue open sees what was set up before",
        ALL,
        open_after_setup,
    ),
    model(
        "reopen_after_setup",
        "the same when it was open before, closed and quiet in between",
        B3,
        reopen_after_setup,
    ),
    model("flush_for_ever", "in the error state later posts are taken and cancelled", B3, flush_for_ever),
    model("flush_says_why", "an engine that obeys a flush sees what led to it", ALL, flush_says_why),
];

fn flush_post_engine() {
    let queue = Arc::new(Queue::new(2));
    let others = [
        spawn(&queue, |queue| {
            queue.post(1);
            queue.post(2);
        }),
        spawn(&queue, |queue| queue.flush()),
    ];
    queue.kick();
    join(others);
    queue.assert_all(&[1, 2]);
}

fn flush_cancels() {
    let queue = Arc::new(Queue::new(2));
    queue.defer(1);
    let flusher = spawn(&queue, |queue| queue.flush());
    queue.kick();
    join([flusher]);
    assert_eq!(queue.journal.end_of(1), How::Cancelled);
    queue.post(2);
    assert_eq!(queue.journal.end_of(2), How::Done);
    queue.assert_all(&[1, 2]);
}

fn flush_meets_deferred() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| queue.defer(101));
    queue.defer(1);
    queue.flush();
    join([poster]);
    assert_eq!(queue.journal.end_of(1), How::Cancelled);
    queue.flush();
    queue.assert_all(&[1, 101]);
}

fn two_flushers() {
    let queue = Arc::new(Queue::new(2));
    let other = spawn(&queue, |queue| {
        queue.defer(101);
        queue.flush();
    });
    queue.defer(1);
    queue.flush();
    join([other]);
    queue.assert_all(&[1, 101]);
}

fn flush_and_doorbell() {
    let queue = Arc::new(Queue::new(2));
    queue.defer(1);
    let flusher = spawn(&queue, |queue| queue.flush());
    queue.defer(2);
    queue.doorbell();
    join([flusher]);
    queue.assert_all(&[1, 2]);
}

fn close_meets_posts() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| {
        queue.chain(&[1], Post::Plain);
        queue.chain(&[2], Post::Plain);
    });
    queue.close();
    join([poster]);
    queue.assert_accepted();
    assert_eq!(queue.chain(&[3], Post::Plain), 0, "closed");
}

fn close_meets_deferred() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| {
        queue.chain(&[1], Post::Deferred);
    });
    queue.close();
    join([poster]);
    queue.assert_accepted();
    assert!(queue.journal.entries().iter().all(|(_, how)| *how == How::Cancelled));
}

fn open_after_setup() {
    let peer = Arc::new(Witness::new());
    let used = Arc::clone(&peer);
    let execute = move |_| used.read();
    let queue = Queue::with(1, Hooks { execute: Some(Box::new(execute)), ..Hooks::default() });
    queue.close();
    let queue = Arc::new(queue);
    let poster = spawn(&queue, |queue| {
        queue.chain(&[1], Post::Plain);
    });
    peer.write();
    queue.ring.open();
    join([poster]);
    queue.assert_accepted();
}

fn reopen_after_setup() {
    let peer = Arc::new(Witness::new());
    let used = Arc::clone(&peer);
    let execute = move |_| used.read();
    let queue = Arc::new(Queue::with(2, Hooks { execute: Some(Box::new(execute)), ..Hooks::default() }));
    let poster = spawn(&queue, |queue| {
        queue.chain(&[1], Post::Plain);
    });
    queue.close();
    while !queue.ring.is_quiet() {
        yield_now();
    }
    peer.write();
    queue.ring.open();
    queue.chain(&[101], Post::Plain);
    join([poster]);
    queue.assert_accepted();
}

fn flush_for_ever() {
    let queue = Arc::new(Queue::new(3));
    let poster = spawn(&queue, |queue| {
        queue.defer(1);
        queue.post(2);
    });
    queue.drive(queue.ring.flush_for_ever());
    queue.defer(101);
    join([poster]);
    assert_eq!(queue.journal.end_of(101), How::Cancelled);
    queue.assert_all(&[1, 2, 101]);
}

fn flush_says_why() {
    let why = Arc::new(Witness::new());
    let seen = Arc::clone(&why);
    let cancelled = move || seen.read();
    let queue = Arc::new(Queue::with(1, Hooks { cancelled: Some(Box::new(cancelled)), ..Hooks::default() }));
    queue.defer(1);
    let engine = spawn(&queue, |queue| queue.kick());
    why.write();
    queue.flush();
    join([engine]);
    assert_eq!(queue.journal.end_of(1), How::Cancelled);
    queue.assert_all(&[1]);
}
