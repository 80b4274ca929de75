//! Completion queues and shared receive queues change their depth, and how they notify, under traffic.

use super::super::world::{pair_on, pair_with};
use super::traffic::{CQ_DEPTH, Pool, Traffic};
use super::{PLAIN, Shape, Tally, World, times, world};
use crate::device::cq::Cq;
use crate::device::moderation::Moderation;
use crate::device::srq::Srq;
use crate::time::Span;
use std::sync::Arc;
use std::thread;

/// Runs the traffic while another thread calls `change` with 0, 1, 2 and so on.
fn changing(traffic: Arc<Traffic>, mut change: impl FnMut(u64) + Send) {
    let over = Tally::default();
    thread::scope(|scope| {
        let changer = scope.spawn(|| {
            let mut turns = 0;
            while over.get() == 0 {
                change(turns);
                turns += 1;
                thread::yield_now();
            }
            turns
        });
        let end = OnEnd(&over);
        traffic.run();
        drop(end);
        assert_ne!(changer.join().unwrap(), 0, "changed at least once");
    });
}

/// Says that the traffic is over, also when it has failed.
struct OnEnd<'t>(&'t Tally);

impl Drop for OnEnd<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

fn resize(cqs: &[Arc<Cq>], turn: u64) {
    // Never fewer than the traffic may leave in it, so that nothing overruns.
    let depth = [64, 65, 256, 100, 1000, 70, 4096][turn as usize % 7].max(CQ_DEPTH);
    cqs.iter().for_each(|cq| cq.resize(depth).unwrap());
}

fn modify(srq: &Arc<Srq>, turn: u64) {
    let depth = [16, 1, 40, 7, 200, 3][turn as usize % 6];
    if let Err(crowded) = srq.modify(depth, 1 + turn as u32 % 9) {
        assert!(crowded.entries > u64::from(depth));
    }
}

fn moderate(cqs: &[Arc<Cq>], turn: u64) {
    let interval = |micros: u64| Some(Span::from_nanos(micros * 1000));
    let rule = match turn % 4 {
        0 => Moderation { interval: interval(30), count: Some(8) },
        1 => Moderation::OFF,
        2 => Moderation { interval: interval(100), count: None },
        _ => Moderation { interval: interval(5), count: Some(3) },
    };
    cqs.iter().for_each(|cq| cq.moderate(rule));
}

/// Two queue pairs that send to each other, and their completion queues.
fn both_ways(shape: Shape) -> (Arc<Traffic>, [Arc<Cq>; 2]) {
    let shape = Shape { requests: shape.requests * times(), ..shape };
    let (a, b) = pair_with(world());
    let cqs = [Arc::clone(&a.cq), Arc::clone(&b.cq)];
    let (of_a, of_b) = (Pool::of(&a), Pool::of(&b));
    (Traffic::new(shape, vec![(a, of_a, true), (b, of_b, true)]), cqs)
}

#[test]
fn completion_queues_are_resized_under_traffic() {
    let (traffic, cqs) = both_ways(Shape { posters: 3, pollers: 3, requests: 4000, ..PLAIN });
    changing(traffic, |turn| resize(&cqs, turn));
    let (traffic, cqs) = both_ways(Shape { posters: 2, pollers: 2, flushers: 1, requests: 4000, ..PLAIN });
    changing(traffic, |turn| resize(&cqs, turn));
}

#[test]
fn pollers_that_sleep_are_woken_while_their_queue_is_resized() {
    let (traffic, cqs) = both_ways(Shape { posters: 2, pollers: 2, asleep: true, requests: 3000, ..PLAIN });
    changing(traffic, |turn| resize(&cqs, turn));
}

#[test]
fn pollers_that_sleep_are_woken_while_notifications_are_moderated() {
    let (traffic, cqs) = both_ways(Shape { posters: 2, pollers: 2, asleep: true, requests: 2000, ..PLAIN });
    changing(traffic, |turn| {
        moderate(&cqs, turn);
        resize(&cqs, turn);
    });
    let (traffic, cqs) = both_ways(Shape { posters: 1, asleep: true, requests: 1000, ..PLAIN });
    moderate(&cqs, 2);
    traffic.run();
}

#[test]
fn a_shared_receive_queue_is_modified_under_traffic() {
    let shape = Shape { posters: 2, flushers: 1, requests: 3000 * times(), ..PLAIN };
    let world = World { shared_depth: 16, ..world() };
    let (a, b) = pair_with(world.clone());
    let (c, d) = pair_on(&a, &b, world);
    let (srq, shared) = (b.srq.clone().unwrap(), Pool::of(&b));
    let mut stations = Vec::new();
    for (sender, receiver) in [(a, b), (c, d)] {
        let own = Pool::of(&sender);
        stations.push((sender, own, true));
        stations.push((receiver, Arc::clone(&shared), false));
    }
    changing(Traffic::new(shape, stations), |turn| modify(&srq, turn));
}
