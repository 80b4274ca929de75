//! What verbs has and NDK lacks: immediate data, remote atomics, invalidation by message.

use crate::world::{all, pair};
use qpair::ndk::ext::{ALLOW_REMOTE_ATOMIC, CompletionExt, QpExt};
use qpair::ndk::{Data, Memory, MrFlags, OpFlags, OperationType, Status};

const NONE: OpFlags = OpFlags::NONE;

#[test]
fn a_send_hands_over_32_bits() {
    let pair = pair("ext_send");
    pair.b.qp.receive(1, &[pair.b.sge(0, 8)]).unwrap();
    pair.a.qp.send_with_immediate(2, Data::Inline(&[b"data"]), u32::MAX, NONE).unwrap();
    let received = pair.b.take(1)[0];
    assert_eq!((received.immediate(), received.bytes_transferred), (Some(u32::MAX), 4));
    assert!(!received.is_receive_of_write());
    let sent = pair.a.take(1)[0];
    assert_eq!((sent.kind, sent.immediate()), (OperationType::Send, None));
}

#[test]
fn a_write_takes_a_receive_and_leaves_its_entries_alone() {
    let pair = pair("ext_write");
    pair.b.qp.receive(1, &[pair.b.sge(0, 8)]).unwrap();
    let remote = pair.b.mr.remote(100).unwrap();
    let flags = OpFlags::SEND_AND_SOLICIT_EVENT;
    pair.a.qp.write_with_immediate(2, Data::Inline(&[b"data"]), remote, 7, flags).unwrap();
    let received = pair.b.take(1)[0];
    assert_eq!((received.immediate(), received.bytes_transferred), (Some(7), 4));
    assert!(received.is_receive_of_write() && received.kind == OperationType::Receive);
    assert_eq!((pair.b.bytes(0, 8), pair.b.bytes(100, 104)), (vec![0; 8], b"data".to_vec()));
    assert_eq!(pair.a.take(1)[0].kind, OperationType::Write);
}

#[test]
fn atomics_work_on_the_number_that_the_owner_sees() {
    let pair = pair("ext_atomic");
    let counter = pair.b.pd.register(Memory::zeroed(16).unwrap(), ALLOW_REMOTE_ATOMIC).wait().unwrap();
    let (old, remote) = (pair.a.sge(0, 8), counter.remote(8).unwrap());
    counter.store_u64(8, u64::MAX).unwrap();
    pair.a.qp.fetch_and_add(1, old, remote, 3, NONE).unwrap();
    let done = pair.a.take(1)[0];
    assert_eq!((done.status, done.kind, done.bytes_transferred), (Status::SUCCESS, OperationType::Read, 8));
    assert!(done.is_atomic());
    assert_eq!((pair.a.mr.load_u64(0).unwrap(), counter.load_u64(8).unwrap()), (u64::MAX, 2));
    for (compare, after) in [(1, 2), (2, 50)] {
        pair.a.qp.compare_and_swap(2, old, remote, compare, 50, NONE).unwrap();
        assert_eq!(pair.a.ends(1), all([2], Status::SUCCESS));
        assert_eq!((pair.a.mr.load_u64(0).unwrap(), counter.load_u64(8).unwrap()), (2, after));
    }
}

#[test]
fn an_atomic_needs_eight_bytes_a_right_and_alignment() {
    let one = pair("ext_atomic_bytes");
    let remote = one.b.mr.remote(0).unwrap();
    let error = one.a.qp.fetch_and_add(1, one.a.sge(0, 9), remote, 1, NONE).unwrap_err();
    assert_eq!((error.status(), error.got(), error.limit()), (Status::INVALID_PARAMETER, Some(9), Some(8)));
    assert!(error.to_string().starts_with("ext::FetchAndAdd failed"), "{error}");
    one.a.qp.fetch_and_add(1, one.a.sge(0, 8), remote, 1, NONE).unwrap();
    assert_eq!(one.a.ends(1), [(1, Status::ACCESS_VIOLATION)]);
    let two = pair("ext_atomic_aligned");
    let counter = two.b.pd.register(Memory::zeroed(16).unwrap(), ALLOW_REMOTE_ATOMIC).wait().unwrap();
    two.a.qp.fetch_and_add(1, two.a.sge(0, 8), counter.remote(1).unwrap(), 1, NONE).unwrap();
    assert_ne!(two.a.take(1)[0].status, Status::SUCCESS);
    assert_eq!(counter.deregister().wait().unwrap().into_vec(), [0; 16]);
}

/// An ordinary region cannot be invalidated by a message: that ends the connection.
#[test]
fn an_ordinary_token_is_not_invalidated() {
    let pair = pair("ext_ordinary");
    let region = pair.b.pd.register(vec![0; 8], MrFlags::ALLOW_REMOTE_READ).wait().unwrap();
    pair.b.qp.receive(1, &[]).unwrap();
    pair.a.qp.send_and_invalidate(2, Data::NONE, NONE, region.remote_token()).unwrap();
    assert_ne!(pair.a.take(1)[0].status, Status::SUCCESS);
    assert_ne!(pair.b.take(1)[0].status, Status::SUCCESS);
}
