//! Messages longer than a caller's budget, driven by hand: what happens between two pieces happens exactly
//! there.

use super::world::{BASE, End, Hand, World, pair_by_hand};
use crate::device::connect::messenger::Connectable;
use crate::device::cq::CqState;
use crate::device::qp::{Data, Operation};
use crate::device::state::QpState;
use crate::sync::Ordering;
use crate::work::{Completion, CompletionKind, Detail, RequestFlags, Status};
use std::sync::Arc;

const MIB: usize = 1 << 20;
/// What a caller moves before the driver goes on.
const BUDGET: usize = 16 * MIB;
const LENGTH: usize = 40 * MIB;

fn world() -> World {
    World { memory: LENGTH, ..World::default() }
}

/// A pair with a long send in the middle: the poster's budget is spent, the driver has not come yet.
fn midway(world: &World) -> (Arc<Hand>, End, End) {
    let (hand, a, b) = pair_by_hand(world);
    for offset in (0..LENGTH).step_by(MIB) {
        a.memory.view().store_u64(offset, offset as u64 + 7).unwrap();
    }
    if let Some(srq) = &b.srq {
        srq.post(1, &[b.sge(0..LENGTH)]).unwrap();
    } else {
        b.receive(1, 0..LENGTH).unwrap();
    }
    post(&a, Operation::Send, 0..LENGTH, 2);
    assert_eq!(moved(&b), BUDGET);
    assert!(a.poll().is_empty() && b.poll().is_empty());
    (hand, a, b)
}

fn post(end: &End, operation: Operation, range: std::ops::Range<usize>, context: u64) {
    let data = Data::Sgl(&[end.sge(range)]);
    end.qp.post_send(&operation, data, RequestFlags::NONE, false, context).unwrap();
}

/// Bytes that have arrived, by the marks that [`midway`] put into them.
fn moved(end: &End) -> usize {
    let arrived = |offset: &usize| end.memory.view().load_u64(*offset) == Some(*offset as u64 + 7);
    (0..LENGTH).step_by(MIB).take_while(arrived).count() * MIB
}

fn wipe(end: &End) {
    for offset in (0..LENGTH).step_by(MIB) {
        end.memory.view().store_u64(offset, 0).unwrap();
    }
}

fn told(completions: &[Completion]) -> Vec<(u64, Status)> {
    completions.iter().map(|c| (c.context, c.status)).collect()
}

/// Ends the registration, which waits for no driver: between pieces nobody holds a pin, but for other tests.
fn deregister(end: &End) {
    let mut gone = end.device().keys().deregister(end.key()).unwrap();
    while let Err(later) = gone.try_finish() {
        gone = later;
        std::thread::yield_now();
    }
}

/// Drives until it is so: chores wait for pins, those of other tests among them.
fn drive_until(hand: &Hand, end: &End, so: impl Fn() -> bool) {
    while !so() {
        hand.drive(end.device());
        std::thread::yield_now();
    }
}

#[test]
fn a_budget_hands_over_to_the_driver_and_back() {
    let (hand, a, b) = midway(&world());
    post(&a, Operation::FetchAndAdd { address: b.remote(0).0, key: b.key(), add: 1 }, 0..8, 3);
    assert!(a.poll().is_empty(), "it waits behind the long one");
    assert_eq!((hand.drive(a.device()), moved(&b)), (1, 2 * BUDGET), "the driver has a budget too");
    assert!(a.poll().is_empty());
    assert_eq!(hand.drive(a.device()), 1);
    assert_eq!(told(&b.poll()), [(1, Status::Success)]);
    assert_eq!(told(&a.poll()), [(2, Status::Success), (3, Status::Success)]);
    assert_eq!(moved(&b), 0, "the atomic came after the message");
    assert_eq!(a.qp.counters().bytes_out, LENGTH as u64 + 8);
    // From here on callers execute again, and the driver is left alone.
    post(&a, Operation::FetchAndAdd { address: b.remote(0).0, key: b.key(), add: 1 }, 0..8, 4);
    assert_eq!(told(&a.poll()), [(4, Status::Success)]);
    assert_eq!(hand.drive(a.device()), 0);
}

#[test]
fn reads_and_writes_hand_over_as_sends_do() {
    for (read, from) in [(true, 1), (false, 0)] {
        let (hand, a, b) = pair_by_hand(&world());
        let source = if from == 0 { &a } else { &b };
        source.memory.view().store_u64(LENGTH - 8, 77).unwrap();
        let (address, key) = b.remote(0);
        let operation =
            if read { Operation::Read { address, key } } else { Operation::Write { address, key } };
        post(&a, operation, 0..LENGTH, 1);
        for _ in 0..2 {
            assert!(a.poll().is_empty());
            assert_eq!(hand.drive(a.device()), 1);
        }
        assert_eq!(told(&a.poll()), [(1, Status::Success)]);
        for end in [&a, &b] {
            assert_eq!(end.memory.view().load_u64(LENGTH - 8), Some(77));
        }
    }
}

#[test]
fn a_flush_between_pieces_cancels_the_send_and_leaves_the_receive() {
    let (hand, a, b) = midway(&world());
    post(&a, Operation::Send, 0..8, 3);
    a.qp.flush();
    post(&a, Operation::Send, 0..8, 4);
    assert!(a.poll().is_empty(), "who has the claim will see the mark");
    hand.drive(a.device());
    let flushed = a.poll();
    assert_eq!(told(&flushed), [(2, Status::Flushed), (3, Status::Flushed), (4, Status::Success)]);
    assert_eq!((flushed[0].kind, flushed[0].length), (CompletionKind::Send, 0));
    assert_eq!(moved(&b), BUDGET, "no byte after the mark");
    let received = b.poll();
    assert_eq!((told(&received), received[0].length), (vec![(1, Status::Success)], 8));
    assert_eq!((a.qp.state(), b.qp.state()), (QpState::ReadyToSend, QpState::ReadyToSend));
}

#[test]
fn a_receive_flushed_between_pieces_gives_the_message_to_the_next_one_whole() {
    let (hand, a, b) = midway(&world());
    b.qp.flush();
    assert_eq!(told(&b.poll()), [(1, Status::Flushed)], "nobody holds the role of its queue");
    wipe(&b);
    hand.drive(a.device());
    assert_eq!((moved(&b), a.poll().len()), (0, 0), "no byte of a flushed receive changes any more");
    b.receive(5, 0..LENGTH).unwrap();
    assert_eq!(moved(&b), BUDGET, "from its beginning, on the thread that posted the receive");
    (0..2).for_each(|_| {
        hand.drive(a.device());
    });
    assert_eq!(moved(&b), LENGTH);
    assert_eq!((told(&a.poll()), told(&b.poll())), (vec![(2, Status::Success)], vec![(5, Status::Success)]));
}

#[test]
fn a_shared_receive_in_hand_belongs_to_its_queue_pair() {
    let (hand, a, b) = midway(&World { shared_depth: 4, ..world() });
    let srq = b.srq.as_ref().unwrap();
    assert_eq!((srq.len(), b.qp.counters().receives_pending), (0, 1));
    srq.post(5, &[b.sge(0..LENGTH)]).unwrap();
    srq.post(6, &[b.sge(0..LENGTH)]).unwrap();
    b.qp.flush();
    assert_eq!(told(&b.poll()), [(1, Status::Flushed)]);
    (0..4).for_each(|_| {
        hand.drive(a.device());
    });
    assert_eq!((told(&a.poll()), told(&b.poll())), (vec![(2, Status::Success)], vec![(5, Status::Success)]));
    assert_eq!((moved(&b), srq.len()), (LENGTH, 1), "one is taken for one message");
}

#[test]
fn a_key_that_goes_between_pieces_fails_the_rest() {
    let (hand, a, b) = midway(&world());
    b.receive(3, 0..8).unwrap();
    deregister(&a);
    hand.drive(a.device());
    let failed = a.poll();
    assert_eq!(told(&failed), [(2, Status::LocalProtection)]);
    assert_eq!((failed[0].detail, failed[0].length), (Detail::UnknownKey, 0));
    assert_eq!(told(&b.poll()), [(1, Status::Flushed), (3, Status::Flushed)]);
    assert_eq!((moved(&b), a.qp.state()), (BUDGET, QpState::Error));

    let (hand, a, b) = midway(&world());
    deregister(&b);
    hand.drive(a.device());
    assert_eq!(told(&a.poll()), [(2, Status::RemoteOperation)]);
    assert_eq!(told(&b.poll()), [(1, Status::LocalProtection)]);
    assert_eq!(moved(&b), BUDGET);

    let (hand, a, b) = pair_by_hand(&world());
    post(&a, Operation::Write { address: BASE, key: b.key() }, 0..LENGTH, 1);
    deregister(&b);
    hand.drive(a.device());
    assert_eq!(told(&a.poll()), [(1, Status::RemoteAccess)]);
}

#[test]
fn an_error_between_pieces_flushes_both_sides() {
    for at_sender in [true, false] {
        let (hand, a, b) = midway(&world());
        if at_sender {
            a.qp.error()
        } else {
            b.qp.error()
        }
        assert_eq!(told(&b.poll()), [(1, Status::Flushed)]);
        wipe(&b);
        hand.drive(a.device());
        assert_eq!(told(&a.poll()), [(2, Status::Flushed)]);
        assert_eq!(moved(&b), 0);
        assert_eq!((a.qp.state(), b.qp.state()), (QpState::Error, QpState::Error));
    }
}

#[test]
fn disconnecting_and_closing_wait_for_the_last_piece() {
    let (hand, a, b) = midway(&world());
    let done = Arc::new(crate::sync::AtomicU64::new(0));
    let set = Arc::clone(&done);
    a.qp.disconnect(move || {
        set.fetch_add(1, Ordering::Relaxed); // a count for asserts
    });
    let is_done = || done.load(Ordering::Relaxed); // as above
    assert_eq!((is_done(), a.poll().len()), (0, 0), "its message may still be moving");
    drive_until(&hand, &a, || is_done() == 1);
    assert_eq!(told(&a.poll()), [(2, Status::Flushed)]);
    assert!(b.poll().is_empty() && moved(&b) == BUDGET, "the peer is not flushed by that");

    for at_sender in [true, false] {
        let (hand, a, b) = midway(&world());
        let end = if at_sender { &a } else { &b };
        let closed = Arc::new(crate::sync::AtomicU64::new(0));
        let set = Arc::clone(&closed);
        end.qp.close(Some(Box::new(move || {
            set.fetch_add(1, Ordering::Relaxed); // as above
        })));
        let closed = || closed.load(Ordering::Relaxed) == 1; // as above
        drive_until(&hand, end, || closed() && a.cq.len() == 1);
        assert_eq!(
            (told(&a.poll()), told(&b.poll())),
            (vec![(2, Status::Flushed)], vec![(1, Status::Flushed)])
        );
        assert_eq!((a.cq.state(), moved(&b)), (CqState::Working, BUDGET));
    }
}
