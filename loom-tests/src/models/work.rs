//! Post against consume: publication, claims, reuse of slots, cached cursors, the claim counter.

use super::{ALL, B3, HEAVY, Model, model};
use crate::support::{Arc, Hooks, MORE, Queue, Witness, join, spawn};
use qpair::ring::{CompletionRing, Post};

pub const MODELS: &[Model] = &[
    model("post_consume", "a poster of three requests into two slots, and a second engine", B3, post_consume),
    model("two_posters", "two posters of one request each", ALL, two_posters),
    model("reuse_one_slot", "two posters share one slot; caches of the free cursor lag", B3, reuse_one_slot),
    model("reuse_two_posters", "two posters of two requests each share one slot", B3, reuse_two_posters),
    model("chains", "two chains of two requests in three slots, each seen whole or cut short", B3, chains),
    model(
        "chain_seen_whole",
        "an engine that sees the first of a chain sees the whole",
        ALL,
        chain_seen_whole,
    ),
    model(
        "cache_passed_on",
        "three posters share one slot: a cached cursor goes through a third",
        HEAVY,
        cache_passed_on,
    ),
    model(
        "free_before_completion",
        "who has polled a completion has room for a post",
        ALL,
        free_before_completion,
    ),
    model("quiet_then_gone", "a queue that is closed and quiet may be let go", B3, quiet_then_gone),
];

fn post_consume() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| {
        for tag in [1, 2, 3] {
            queue.post_when_room(tag);
        }
    });
    queue.kick();
    queue.kick();
    join([poster]);
    queue.assert_all(&[1, 2, 3]);
}

fn two_posters() {
    let queue = Arc::new(Queue::new(2));
    let poster = spawn(&queue, |queue| queue.post(1));
    queue.post(101);
    join([poster]);
    queue.assert_all(&[1, 101]);
}

fn reuse_one_slot() {
    let queue = Arc::new(Queue::new(1));
    queue.post(1);
    let poster = spawn(&queue, |queue| queue.post_when_room(101));
    queue.post_when_room(2);
    queue.post_when_room(3);
    join([poster]);
    queue.assert_all(&[1, 2, 3, 101]);
}

fn reuse_two_posters() {
    let queue = Arc::new(Queue::new(1));
    let poster = spawn(&queue, |queue| {
        queue.post_when_room(101);
        queue.post_when_room(102);
    });
    queue.post_when_room(1);
    queue.post_when_room(2);
    join([poster]);
    queue.assert_all(&[1, 2, 101, 102]);
}

fn chains() {
    let queue = Arc::new(Queue::new(3));
    let poster = spawn(&queue, |queue| {
        queue.chain(&[101, 102], Post::Plain);
    });
    queue.chain(&[1, 2], Post::Plain);
    join([poster]);
    queue.assert_accepted();
    let tags = queue.journal.tags();
    assert!(tags.len() >= 3 && tags.contains(&1) && tags.contains(&101), "three slots: {tags:?}");
    for (first, second) in [(1, 2), (101, 102)] {
        let position = |tag| tags.iter().position(|t| *t == tag);
        if let (Some(first), Some(second)) = (position(first), position(second)) {
            assert_eq!(first + 1, second, "a chain is contiguous: {tags:?}");
        }
    }
}

fn chain_seen_whole() {
    let publish = |entries: &[(u64, _)]| {
        assert!(
            entries.last().is_none_or(|(tag, _)| tag & MORE == 0),
            "a pass saw half a chain: {entries:?}"
        );
    };
    let queue = Arc::new(Queue::with(2, Hooks { publish: Some(Box::new(publish)), ..Hooks::default() }));
    let poster = spawn(&queue, |queue| assert_eq!(queue.chain(&[MORE | 1, 2], Post::Plain), 2));
    queue.kick();
    join([poster]);
    queue.assert_all(&[MORE | 1, 2]);
}

fn cache_passed_on() {
    let queue = Arc::new(Queue::new(1));
    let posters = [spawn(&queue, |queue| queue.try_post(101)), spawn(&queue, |queue| queue.try_post(201))];
    queue.try_post(1);
    join(posters);
    queue.assert_accepted();
}

fn free_before_completion() {
    let cq = Arc::new(CompletionRing::new(2).watched());
    let pushed = Arc::clone(&cq);
    let publish = move |entries: &[(u64, _)]| {
        for (tag, _) in entries {
            let entry = (Default::default(), crate::support::payload(*tag));
            pushed.push(&[entry], &mut Default::default());
        }
    };
    let queue = Arc::new(Queue::with(1, Hooks { publish: Some(Box::new(publish)), ..Hooks::default() }));
    let poster = spawn(&queue, |queue| queue.post(1));
    if cq.poll(1, |_, payload| assert_eq!(crate::support::tag(&payload), 1)) == 1 {
        queue.post(2);
        join([poster]);
        queue.assert_all(&[1, 2]);
    } else {
        join([poster]);
        queue.assert_all(&[1]);
    }
}

fn quiet_then_gone() {
    let alive = Arc::new(Witness::new());
    let used = Arc::clone(&alive);
    let publish = move |_: &[(u64, _)]| used.read();
    let queue = Arc::new(Queue::with(2, Hooks { publish: Some(Box::new(publish)), ..Hooks::default() }));
    let poster = spawn(&queue, |queue| {
        queue.chain(&[1], Post::Plain);
    });
    queue.close();
    while !queue.ring.is_quiet() {
        loom::thread::yield_now();
    }
    alive.write();
    join([poster]);
    queue.assert_accepted();
}
