//! QP-*: creation, what posts are taken, and how they complete.

use crate::world::{all, pair, pair_with};
use qpair::ndk::{Data, OpFlags, Sge, Status, Token};
use std::time::Duration;

const NONE: OpFlags = OpFlags::NONE;

/// QP-5, QP-12: a post that fails inline does not complete, and the queue pair works on.
#[test]
fn too_many_entries_are_counted() {
    let pair = pair("qp_5");
    let five = [pair.a.sge(0, 1); 5];
    let error = pair.a.qp.send(1, &five, NONE).unwrap_err();
    assert_eq!((error.status(), error.got(), error.limit()), (Status::DATA_OVERRUN, Some(5), Some(4)));
    let error = pair.a.qp.receive(1, &five).unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::DATA_OVERRUN, Some("nSge")));
    pair.b.qp.receive(2, &[]).unwrap();
    pair.a.qp.send(3, Data::NONE, NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([3], Status::SUCCESS));
}

/// QP-10, QP-11, QP-30: full queues refuse; a slot is free when its completion is there, polled or not.
#[test]
fn full_queues_say_their_depth() {
    let pair = pair_with("qp_10", |d| d.initiator_depth(2).receive_depth(3).receiver_not_ready(None));
    for context in 0..2 {
        pair.a.qp.send(context, Data::NONE, NONE).unwrap();
    }
    let error = pair.a.qp.send(2, Data::NONE, NONE).unwrap_err();
    assert_eq!((error.status(), error.got(), error.limit()), (Status::NO_MORE_ENTRIES, Some(3), Some(2)));
    pair.b.qp.receive(0, &[]).unwrap();
    pair.a.qp.send(2, Data::NONE, NONE).unwrap();
    for context in 0..3 {
        pair.a.qp.receive(context, &[]).unwrap();
    }
    let error = pair.a.qp.receive(3, &[]).unwrap_err();
    assert_eq!((error.status(), error.limit()), (Status::NO_MORE_ENTRIES, Some(3)));
}

/// queues of depth 0 are allowed, and always full.
#[test]
fn qp_depth_0_is_always_full() {
    let pair = pair_with("qp_depth_0", |d| d.initiator_depth(0).receive_depth(0));
    assert_eq!(pair.a.qp.receive(1, &[]).unwrap_err().status(), Status::NO_MORE_ENTRIES);
    assert_eq!(pair.a.qp.send(1, Data::NONE, NONE).unwrap_err().status(), Status::NO_MORE_ENTRIES);
}

/// QP-13: more bytes than one request may transfer.
#[test]
fn too_many_bytes_say_the_limit() {
    let pair = pair("qp_13");
    let long = Sge { address: 0, length: 1 << 30, token: Token::default() };
    let error = pair.a.qp.send(1, &[long; 3], NONE).unwrap_err();
    assert_eq!((error.status(), error.limit()), (Status::BUFFER_OVERFLOW, Some(1 << 31)));
    assert_eq!(u64::from(pair.adapter.info().max_transfer_length), error.limit().unwrap());
}

/// QP-18, QP-19, Q-2: any number of pieces, but no more bytes than asked for at creation; writes too.
#[test]
fn inline_writes_are_taken_and_bounded() {
    let pair = pair("qp_18");
    let pieces: Vec<&[u8]> = b"twelve bytes".chunks(1).collect();
    pair.a.qp.write(1, &pieces[..], pair.b.mr.remote(0).unwrap(), OpFlags::INLINE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
    assert_eq!(pair.b.bytes(0, 12), b"twelve bytes");
    let error = pair.a.qp.send(2, Data::Inline(&[&[0; 60], &[0; 5]]), NONE).unwrap_err();
    assert_eq!((error.status(), error.got(), error.limit()), (Status::BUFFER_OVERFLOW, Some(65), Some(64)));
}

/// A limit of zero fails at the first look.
#[test]
fn no_patience_fails_at_once() {
    let pair = pair_with("qp_22_zero", |d| d.receiver_not_ready(Some(Duration::ZERO)));
    pair.a.qp.send(1, Data::NONE, NONE).unwrap();
    assert_eq!(pair.a.ends(1), [(1, Status::IO_TIMEOUT)]);
}
