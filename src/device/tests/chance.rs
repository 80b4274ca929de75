//! Passes that chance cuts, driven by hand: one thread decides all, so a seed tells the same story again.

use super::world::{World, connect, pair_beside, pair_by_hand};
use super::{send, statuses};
use crate::device::faults::{Faults, Fired};
use crate::work::Status;

/// Completions in the queues of two senders after each post and each drive, until all are there.
fn story(seed: u64) -> Vec<(u64, u64)> {
    let faults = Faults::new(seed);
    faults.set_cuts(true);
    let world = World { faults: Some(std::sync::Arc::clone(&faults)), connected: false, ..World::default() };
    let (hand, a, b) = pair_by_hand(&world);
    let (c, d) = pair_beside(&a, &world);
    connect(&a, &b);
    connect(&c, &d);
    let mut told = Vec::new();
    for context in 0..16 {
        for (from, to) in [(&a, &b), (&c, &d)] {
            to.receive(context, 0..2048).unwrap();
            send(from, context, 0..2048).unwrap();
            told.push((a.cq.len(), c.cq.len()));
        }
    }
    while told.last() != Some(&(16, 16)) {
        hand.drive(a.device());
        told.push((a.cq.len(), c.cq.len()));
    }
    for end in [&a, &b, &c, &d] {
        let expected: Vec<_> = (0..16).map(|context| (context, Status::Success)).collect();
        assert_eq!(statuses(end), expected);
    }
    assert!(faults.fired().iter().all(|(fired, _)| matches!(fired, Fired::PassCut { .. })));
    told
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let stories: Vec<_> = (0..8).map(story).collect();
    for (seed, before) in stories.iter().enumerate() {
        assert_eq!(&story(seed as u64), before, "seed {seed}");
    }
    assert!(stories.iter().any(|one| *one != stories[0]), "chance has no say");
}
