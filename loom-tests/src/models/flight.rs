//! Requests in flight: a completer, a flush and the engine decide each by one compare-and-swap.

use super::{ALL, B3, Model, model};
use crate::support::{ASYNC, Arc, Hooks, How, Queue, Unwatched, join, spawn, yield_now};
use loom::sync::atomic::{AtomicUsize, Ordering};

pub const MODELS: &[Model] = &[
    model("finish_flush_post", "a completer, a flush and a post behind them", B3, finish_flush_post),
    model("finish_behind", "a request executed behind one in flight retires after it", ALL, finish_behind),
    model("finish_and_reuse", "the slot of a finished request is used again at once", B3, finish_and_reuse),
    model(
        "finish_sees_start",
        "the completer comes after the engine's read of the request",
        ALL,
        finish_sees_start,
    ),
    model("finish_two", "two completers finish two requests in either order", ALL, finish_two),
    model("flush_in_flight", "a flush cancels what is in flight, and nobody else comes", B3, flush_in_flight),
    model("launch", "a completer never comes before the request is in flight", ALL, launch),
    model("launch_meets_flush", "a request goes in flight while a flush passes", B3, launch_meets_flush),
];

const FLYING: u64 = ASYNC | 1;

fn finish_flush_post() {
    let queue = Arc::new(Queue::new(2));
    queue.post(FLYING);
    let finished = Arc::new(Unwatched::new(false));
    let result = Arc::clone(&finished);
    let others =
        [spawn(&queue, move |queue| *result.get() = queue.finish(0)), spawn(&queue, |queue| queue.flush())];
    queue.post(2);
    join(others);
    queue.assert_all(&[FLYING, 2]);
    let expected = if *finished.get() { How::Finished } else { How::Cancelled };
    assert_eq!(queue.journal.end_of(FLYING), expected, "who was first decides");
}

fn finish_behind() {
    let queue = Arc::new(Queue::new(3));
    queue.post(FLYING);
    queue.post(2);
    let completer = spawn(&queue, |queue| assert!(queue.finish(0)));
    queue.post(3);
    join([completer]);
    queue.assert_all(&[FLYING, 2, 3]);
    assert_eq!(queue.journal.end_of(2), How::Finished, "executed, its result stashed");
}

fn finish_and_reuse() {
    let queue = Arc::new(Queue::new(1));
    queue.post(FLYING);
    let others = [
        spawn(&queue, |queue| {
            queue.finish(0);
        }),
        spawn(&queue, |queue| queue.flush()),
    ];
    queue.try_post(101);
    join(others);
    queue.assert_accepted();
}

/// The completer is another thread than the engine, and the model orders them by the queue's own words only.
fn finish_sees_start() {
    let queue = Arc::new(Queue::new(1));
    let completer = spawn(&queue, |queue| {
        queue.finish(0);
    });
    queue.post(FLYING);
    join([completer]);
    queue.finish(0); // unless the completer did
    queue.assert_all(&[FLYING]);
}

fn finish_two() {
    let queue = Arc::new(Queue::new(2));
    queue.post(FLYING);
    queue.post(ASYNC | 2);
    let completer = spawn(&queue, |queue| assert!(queue.finish(1)));
    assert!(queue.finish(0));
    join([completer]);
    queue.assert_all(&[FLYING, ASYNC | 2]);
}

fn flush_in_flight() {
    let queue = Arc::new(Queue::new(2));
    queue.post(FLYING);
    let flusher = spawn(&queue, |queue| queue.flush());
    queue.post(2);
    join([flusher]);
    queue.assert_all(&[FLYING, 2]);
    assert_eq!(queue.journal.end_of(FLYING), How::Cancelled);
}

/// A queue whose engine hands requests to a completer through a word: how many were launched.
fn launching(depth: u32) -> (Arc<Queue>, Arc<AtomicUsize>) {
    let launched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&launched);
    // Relaxed: how a completer learns of a request is not the queue's business, so it gives no order here.
    let hook = move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let queue = Queue::with(depth, Hooks { launched: Some(Box::new(hook)), ..Hooks::default() });
    (Arc::new(queue), launched)
}

fn launch() {
    let (queue, launched) = launching(1);
    let completer = spawn(&queue, move |queue| {
        while launched.load(Ordering::Relaxed) == 0 {
            yield_now(); // Relaxed: see `launching`
        }
        assert!(queue.finish(0), "nobody flushes");
    });
    queue.post(FLYING);
    join([completer]);
    queue.assert_all(&[FLYING]);
}

fn launch_meets_flush() {
    let (queue, launched) = launching(1);
    let others = [
        spawn(&queue, move |queue| {
            if launched.load(Ordering::Relaxed) != 0 {
                queue.finish(0); // Relaxed: see `launching`
            }
        }),
        spawn(&queue, |queue| queue.flush()),
    ];
    queue.post(FLYING);
    join(others);
    queue.flush(); // the completer may have looked too early
    queue.assert_all(&[FLYING]);
}
