//! qpair's rings, rtrb and crossbeam's `ArrayQueue` as one kind of thing: entries of 56 bytes, in batches.
//!
//! Every timed run also checks what it moves: each entry must be the next one, whole. The threads
//! of a run never block; a side that finds nothing to do pauses as every other contender's does.

mod peers;

pub use peers::{Completions, Peer, PlainWork, QuietCompletions, ReceiveWork, Rtrb, SharedArray};

use crate::timing::{duel, time, until};
use qpair::ring::{
    Announcement, Class, CompletionRing, End, Engine, Payload, Post, Pushed, SharedRing, Step, WorkQueue,
};
use std::time::Duration;

/// Entries that a ring of the one-to-one workloads holds.
pub const DEPTH: usize = 1024;
/// Entries that a ring of the two-to-two workload holds.
pub const WIDE_DEPTH: usize = 8192;
/// The largest batch.
pub const BATCH_MAX: usize = 16;

/// The end that puts entries in.
pub trait Push {
    /// Puts in up to `n` entries, from the first on; returns how many, 0 when the ring is full.
    fn push(&mut self, n: usize, make: impl FnMut(usize) -> Payload) -> usize;
}

/// The end that takes entries out.
pub trait Pop {
    /// Takes up to `n` entries, in order; returns how many.
    fn pop(&mut self, n: usize, take: impl FnMut(&Payload)) -> usize;
}

/// The entry of that number.
#[inline]
fn entry(number: u64) -> Payload {
    std::array::from_fn(|word| number + word as u64)
}

/// Checks entries as they come: all words of all entries, at the cost of their addition.
#[derive(Default)]
struct Check {
    next: u64,
    out_of_order: u64,
    sum: u64,
}

impl Check {
    #[inline]
    fn take(&mut self, entry: &Payload) {
        self.out_of_order |= entry[0] ^ self.next;
        self.next += 1;
        self.add(entry);
    }

    #[inline]
    fn add(&mut self, entry: &Payload) {
        self.sum = entry.iter().fold(self.sum, |sum, word| sum.wrapping_add(*word));
    }
}

/// Sum of all words of entries `0..count`.
fn sum_of(count: u64) -> u64 {
    (0..count).fold(0, |sum, number| entry(number).iter().fold(sum, |sum, word| sum.wrapping_add(*word)))
}

/// Puts in entries `numbers`, at most `batch` at a time.
fn push_all(ring: &mut impl Push, numbers: std::ops::Range<u64>, batch: usize) {
    let mut next = numbers.start;
    while next < numbers.end {
        let count = batch.min((numbers.end - next) as usize);
        let pushed = ring.push(count, |index| entry(next + index as u64));
        if pushed == 0 {
            std::hint::spin_loop();
        }
        next += pushed as u64;
    }
}

/// Moves `items` entries from one thread to another, `batch` at a time.
///
/// # Panics
/// When an entry is lost, torn or out of order.
pub fn one_to_one(mut push: impl Push + Send, mut pop: impl Pop, batch: usize, items: u64) -> Duration {
    let mut check = Check::default();
    let took = duel(
        || {
            while check.next < items {
                if pop.pop(batch, |entry| check.take(entry)) == 0 {
                    std::hint::spin_loop();
                }
            }
        },
        || push_all(&mut push, 0..items, batch),
    );
    assert_eq!((check.out_of_order, check.sum), (0, sum_of(items)), "entries in order and whole");
    took
}

/// Hands one entry to and fro through two rings; the time of all round trips.
///
/// # Panics
/// When an entry is out of order.
pub fn ping_pong<A: Push, B: Pop, C: Push + Send, D: Pop + Send>(
    (mut here_out, mut there_in): (A, D),
    (mut there_out, mut here_in): (C, B),
    round_trips: u64,
) -> Duration {
    let take_one = |ring: &mut dyn FnMut(&mut u64) -> usize, number: u64| {
        let mut seen = u64::MAX;
        until(|| ring(&mut seen) == 1);
        assert_eq!(seen, number, "entries in order");
    };
    duel(
        || {
            for number in 0..round_trips {
                until(|| here_out.push(1, |_| entry(number)) == 1);
                take_one(&mut |seen| here_in.pop(1, |entry| *seen = entry[0]), number);
            }
        },
        || {
            for number in 0..round_trips {
                take_one(&mut |seen| there_in.pop(1, |entry| *seen = entry[0]), number);
                until(|| there_out.push(1, |_| entry(number)) == 1);
            }
        },
    )
}

/// Two producers and two consumers on one ring: each of two threads puts in and takes out as many.
///
/// Both cores are at full tilt, and each thread plays both parts in turn. `items` in all, `batch` at a time.
///
/// # Panics
/// When an entry is lost or torn.
pub fn two_to_two<R: Push + Pop + Send>(mut here: R, mut there: R, batch: usize, items: u64) -> Duration {
    let half = items / 2;
    let mut checks = [Check::default(), Check::default()];
    let [ours, theirs] = &mut checks;
    let side = |ring: &mut R, check: &mut Check, numbers: std::ops::Range<u64>| {
        for first in numbers.clone().step_by(batch) {
            let end = numbers.end.min(first + batch as u64);
            push_all(ring, first..end, batch);
            let mut wanted = (end - first) as usize;
            until(|| {
                wanted -= ring.pop(wanted, |entry| check.add(entry));
                wanted == 0
            });
        }
    };
    let took = duel(|| side(&mut here, ours, 0..half), || side(&mut there, theirs, half..2 * half));
    assert_eq!(checks[0].sum.wrapping_add(checks[1].sum), sum_of(2 * half), "all entries, and whole");
    took
}

/// Puts in and takes out `items` entries on one thread, `batch` at a time.
///
/// # Panics
/// When an entry is lost, torn or out of order.
pub fn to_and_fro<P: Peer>(batch: usize, items: u64) {
    let (mut ring, mut check) = (P::new(), Check::default());
    let (mut push, mut pop) = ring.ends();
    while check.next < items {
        let first = check.next;
        let pushed = push.push(batch, |index| entry(first + index as u64));
        let mut left = pushed;
        while left > 0 {
            left -= pop.pop(left, |entry| check.take(entry));
        }
    }
    assert_eq!((check.out_of_order, check.sum), (0, sum_of(check.next)), "entries in order and whole");
}

/// One receive after the other through a shared receive ring, on one thread.
///
/// # Panics
/// When a receive is not the next one.
pub fn shared_receives(count: u64) {
    let ring = SharedRing::new(64, 0);
    for number in 0..count {
        let posted = ring.post(1, |_, payload, _| *payload = entry(number));
        let mut payload = Payload::default();
        let taken = ring.take(&mut payload, &mut []).is_some();
        assert!(posted == 1 && taken && payload == entry(number), "the next one");
    }
}

/// One request after the other through a work queue and a completion ring, on one thread.
///
/// Post, claim, execute, free the slot, push, poll: what a queue pair does, without memory or a peer.
///
/// # Panics
/// When a completion is not the next one.
pub fn post_to_poll(count: u64) -> Duration {
    let (queue, ring) = (WorkQueue::new(64, 0, false), CompletionRing::new(64));
    time(|| {
        for number in 0..count {
            let posted = queue.post(1, Post::Plain, |_, payload, _| payload[0] = number);
            let held = posted.held.expect("nobody else posts");
            let _ran = queue.run(held, &mut Completer { ring: &ring, next: None });
            let mut polled = Payload::default();
            assert!(ring.poll(1, |_, payload| polled = payload) == 1 && polled[0] == number, "the next one");
        }
    })
}

/// An engine that executes nothing and completes everything.
struct Completer<'r> {
    ring: &'r CompletionRing,
    next: Option<(Class, Payload)>,
}

impl Engine for Completer<'_> {
    type Outcome = ();

    #[inline]
    fn execute(&mut self, _payload: &Payload, _side: &[u64], _ticket: u64) -> Step<()> {
        Step::Done(())
    }

    fn launched(&mut self, _ticket: u64) {
        unreachable!("nothing is handed to a completer")
    }

    fn stash(&mut self, (): (), _payload: &mut Payload) {}

    #[inline]
    fn retire(&mut self, payload: &Payload, _end: End<()>) -> bool {
        self.next = Some((Class::Ordinary, *payload));
        true
    }

    #[inline]
    fn publish(&mut self) {
        if let Some(entry) = self.next.take() {
            let pushed = self.ring.push(&[entry], &mut Announcement::default());
            assert_eq!(pushed, Pushed::All, "there is room");
        }
    }
}
