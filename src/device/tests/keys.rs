//! Invalidations that meet accesses under way, driven by hand.

use super::world::{BASE, End, World, pair_by_hand};
use crate::device::pinned::with_pin;
use crate::device::qp::{Bind, Data, How, Invalidating, Operation};
use crate::memory::{Binding, Rights};
use crate::work::{CompletionKind, Detail, Key, RequestFlags, Status};
use std::sync::mpsc;
use std::thread;

const HOW: How = How { context: 1, flags: RequestFlags::NONE, deferred: false, low: None };

/// A window of `end` over all of its memory, bound for reads and writes.
fn bound(end: &End) -> (Key, Key) {
    let window = end.device().keys().create_window(end.pd).unwrap();
    let rights = Rights::REMOTE_READ | Rights::REMOTE_WRITE;
    let length = end.memory.len() as u64;
    let binding = Binding { region: end.key(), address: BASE, length, rights };
    let key = end.qp.post_bind(&Bind { window, binding }, HOW).unwrap();
    assert_eq!(end.poll()[0].status, Status::Success);
    (window, key)
}

fn post(end: &End, operation: Operation, length: usize) {
    let data = [end.sge(0..length)];
    end.qp.post_send(&operation, Data::Sgl(&data), RequestFlags::NONE, false, 2).unwrap();
}

/// Runs `body` while another thread is in the midst of a pass.
fn while_a_pass_is_under_way<R>(body: impl FnOnce() -> R) -> R {
    let ((began, beginning), (end, ending)) = (mpsc::channel(), mpsc::channel::<()>());
    thread::scope(|scope| {
        scope.spawn(move || {
            with_pin(|_| {
                began.send(()).expect("the test waits for it");
                ending.recv().expect_err("nothing is sent: the pass ends with the channel");
            });
        });
        beginning.recv().expect("the thread says so");
        let result = body();
        drop(end);
        result
    })
}

/// MW-9: a transfer that goes on through the window fails when it looks at its key again.
#[test]
fn mw_9_a_transfer_under_way_fails() {
    const LENGTH: usize = 40 << 20;
    let (hand, a, b) = pair_by_hand(&World { memory: LENGTH, ..World::default() });
    let (window, key) = bound(&b);
    a.memory.view().store_u64(LENGTH - 8, 7).unwrap();
    post(&a, Operation::Write { address: BASE, key }, LENGTH);
    assert!(a.poll().is_empty(), "the poster's budget is spent");
    b.qp.post_invalidate(window, HOW).unwrap();
    let ended = loop {
        hand.drive(a.device());
        if let Some(ended) = a.poll().first() {
            break *ended;
        }
        thread::yield_now();
    };
    assert_eq!((ended.status, ended.detail), (Status::RemoteAccess, Detail::UnknownKey));
    assert_eq!(b.memory.view().load_u64(LENGTH - 8), Some(0));
}

/// An invalidation waits for passes of others, and what is behind it waits with it; nobody is blocked.
#[test]
fn an_invalidation_waits_for_passes_under_way() {
    let (hand, a, b) = pair_by_hand(&World::default());
    let (window, key) = bound(&b);
    while_a_pass_is_under_way(|| {
        b.qp.post_invalidate(window, HOW).unwrap();
        post(&b, Operation::Write { address: BASE, key: a.key() }, 8);
        assert!(b.poll().is_empty());
        hand.drive(b.device());
        assert!(b.poll().is_empty(), "the pass is still under way");
        // The key grants nothing any more all the same.
        let denied = with_pin(|pin| b.device().keys().may_invalidate(pin, key, b.qp.party).is_err());
        assert!(denied);
    });
    let mut ended = Vec::new();
    while ended.len() < 2 {
        hand.drive(b.device());
        ended.extend(b.poll());
        thread::yield_now();
    }
    let ended = [0, 1].map(|at: usize| (ended[at].kind, ended[at].status));
    let expected = [CompletionKind::Invalidate, CompletionKind::Write].map(|kind| (kind, Status::Success));
    assert_eq!(ended, expected);
}

/// Flushed while it waits, it completes once, as cancelled; the key is invalid, and the window bound anew.
#[test]
fn an_invalidation_is_flushed_while_it_waits() {
    let (hand, _a, b) = pair_by_hand(&World::default());
    let (window, _) = bound(&b);
    while_a_pass_is_under_way(|| {
        b.qp.post_invalidate(window, HOW).unwrap();
        b.qp.flush();
        let ended = b.poll();
        assert_eq!((ended.len(), ended[0].status), (1, Status::Flushed));
        assert_eq!(ended[0].kind, CompletionKind::Invalidate);
    });
    let binding = Binding { region: b.key(), address: BASE, length: 8, rights: Rights::NONE };
    b.qp.post_bind(&Bind { window, binding }, HOW).unwrap();
    assert_eq!(b.poll()[0].status, Status::Success);
    // The chore that would have gone on with it ends, and disturbs nothing.
    let mut tries = 0;
    while hand.drive(b.device()) > 0 && tries < 1000 {
        tries += 1;
        thread::yield_now();
    }
    assert!(b.poll().is_empty());
}

/// Two invalidations of one queue, the first flushed: whichever passes are found ended first, none is lost.
#[test]
fn the_late_end_of_a_flushed_invalidation_takes_nothing_back() {
    let invalidating = Invalidating::default();
    invalidating.begin(5);
    invalidating.begin(9);
    assert!(invalidating.has_begun(9) && !invalidating.is_over(9));
    invalidating.end(9);
    invalidating.end(5);
    assert!(invalidating.is_over(9) && !invalidating.is_over(10));
}
