//! Real threads that post, poll, flush, close and deregister at once: each request completes once, nothing
//! hangs.
//!
//! `QPAIR_STRESS` multiplies the work. Who stops moving for twenty seconds is told of, with what can be seen
//! from outside; no test sleeps.

mod ends;
mod keys;
mod sizes;
mod traffic;

use super::world::{World, pair_on, pair_with};
use crate::device::faults::Faults;
use crate::sync::{AtomicU64, Ordering};
use crate::time::Span;
use traffic::{CQ_DEPTH, MEMORY, Pool, Shape, Traffic};

/// A count that threads share.
#[derive(Debug, Default)]
struct Tally(AtomicU64);

// Relaxed throughout: a test is not to be right by orderings of its own that could hide a missing one.
impl Tally {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed); // as above
    }

    fn take(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed); // as above
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) // as above
    }
}

/// So many times the work of an ordinary test run.
fn times() -> u64 {
    std::env::var("QPAIR_STRESS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

const PLAIN: Shape = Shape { posters: 1, pollers: 1, asleep: false, flushers: 0, requests: 10_000 };

fn world() -> World {
    World { memory: MEMORY, cq_depth: CQ_DEPTH, ..World::default() }
}

/// The same where chance cuts passes and completions show late.
fn unlucky_world(seed: u64) -> World {
    let faults = Faults::new(seed);
    faults.set_cuts(true);
    faults.set_delay(Span::from_nanos(1000));
    World { faults: Some(faults), ..world() }
}

/// Two queue pairs that send to each other.
fn both_ways(shape: Shape) {
    both_ways_in(world(), shape);
}

fn both_ways_in(world: World, shape: Shape) {
    let shape = Shape { requests: shape.requests * times(), ..shape };
    let (a, b) = pair_with(world);
    let pools = [Pool::of(&a), Pool::of(&b)];
    let [of_a, of_b] = pools;
    Traffic::new(shape, vec![(a, of_a, true), (b, of_b, true)]).run();
}

/// Three queue pairs that send, each to a peer of its own that takes receives from the queue of all.
fn into_shared(shape: Shape) {
    into_shared_in(world(), shape);
}

fn into_shared_in(world: World, shape: Shape) {
    let shape = Shape { requests: shape.requests * times(), ..shape };
    let world = World { shared_depth: 16, ..world };
    // Senders have no use for receives, so their own shared queues stay idle but for their pools.
    let (a, b) = pair_with(world.clone());
    let (c, d) = pair_on(&a, &b, world.clone());
    let (e, f) = pair_on(&a, &b, world);
    let shared = Pool::of(&b);
    let mut stations = Vec::new();
    for (sender, receiver) in [(a, b), (c, d), (e, f)] {
        let own = Pool::of(&sender);
        stations.push((sender, own, true));
        stations.push((receiver, std::sync::Arc::clone(&shared), false));
    }
    Traffic::new(shape, stations).run();
}

#[test]
fn two_queue_pairs_send_to_each_other_in_order() {
    both_ways(Shape { posters: 2, ..PLAIN });
}

#[test]
fn several_posters_and_pollers_of_each_queue() {
    both_ways(Shape { posters: 3, pollers: 3, ..PLAIN });
}

#[test]
fn flushes_in_the_midst_keep_the_order() {
    both_ways(Shape { posters: 2, flushers: 2, ..PLAIN });
}

#[test]
fn pollers_that_sleep_are_always_woken() {
    both_ways(Shape { posters: 2, asleep: true, flushers: 1, ..PLAIN });
    both_ways(Shape { posters: 1, pollers: 2, asleep: true, ..PLAIN });
}

#[test]
fn a_shared_receive_queue_serves_several_senders() {
    into_shared(Shape { posters: 2, requests: 4000, ..PLAIN });
}

#[test]
fn a_shared_receive_queue_under_flushes_starves_nobody() {
    into_shared(Shape { posters: 2, flushers: 2, requests: 4000, ..PLAIN });
    into_shared(Shape { posters: 1, flushers: 1, asleep: true, requests: 4000, ..PLAIN });
}

#[test]
fn bad_luck_changes_nothing_but_the_time() {
    both_ways_in(unlucky_world(1), Shape { posters: 2, requests: 2000, ..PLAIN });
    both_ways_in(unlucky_world(2), Shape { posters: 2, flushers: 1, asleep: true, requests: 2000, ..PLAIN });
    into_shared_in(unlucky_world(3), Shape { posters: 2, flushers: 1, requests: 1000, ..PLAIN });
}
