//! QP-*: creation, what posts are taken, and how they complete.

use crate::world::{ALL, End, READS, adapter, all, connect, cq, pair, pair_with};
use qpair::ndk::{
    Adapter, Clock, Completion, CqNotify, Data, ManualClock, Memory, OnDisconnect, OpFlags, OperationType,
    QpDescription, Sge, Status, Token,
};
use std::thread;
use std::time::Duration;

const NONE: OpFlags = OpFlags::NONE;

/// QP-2, ADP-9: all maxima together are granted.
#[test]
fn qp_2_all_maxima_together() {
    let adapter = adapter("qp_2");
    let info = adapter.info().clone();
    let cq = adapter.create_cq(info.max_cq_depth, CqNotify::None).wait().unwrap();
    let pd = adapter.create_pd().wait().unwrap();
    let description = QpDescription::new(&cq)
        .receive_depth(info.max_receive_queue_depth)
        .initiator_depth(info.max_initiator_queue_depth)
        .receive_sge(info.max_receive_request_sge)
        .initiator_sge(info.max_initiator_request_sge)
        .inline_size(info.max_inline_data_size);
    let qp = pd.create_qp(description).wait().unwrap();
    let srq = pd.create_srq(info.max_srq_depth, info.max_receive_request_sge).wait().unwrap();
    for context in 0..info.max_receive_queue_depth.into() {
        qp.receive(context, &[]).unwrap();
    }
    assert_eq!(qp.receive(0, &[]).unwrap_err().limit(), Some(info.max_receive_queue_depth.into()));
    for context in 0..info.max_srq_depth.into() {
        srq.receive(context, &[]).unwrap();
    }
    assert_eq!(srq.len() as u32, info.max_srq_depth);
}

/// QP-3, QP-4: receives are taken before connecting, initiator requests are not.
#[test]
fn qp_4_initiator_requests_need_a_connection() {
    let end = End::new(&adapter("qp_4"));
    end.qp.receive(1, &[end.sge(0, 8)]).unwrap();
    let remote = end.mr.remote(0).unwrap();
    for error in [
        end.qp.send(2, Data::NONE, NONE).unwrap_err(),
        end.qp.read(3, &[end.sge(0, 8)], remote, NONE).unwrap_err(),
        end.qp.write(4, &end.sge(0, 8), remote, NONE).unwrap_err(),
        end.qp.send_and_invalidate(5, Data::NONE, NONE, end.mr.remote_token()).unwrap_err(),
    ] {
        assert_eq!(error.status(), Status::CONNECTION_INVALID, "{error}");
    }
    assert!(end.is_quiet());
}

/// QP-5, QP-12: a post that fails inline does not complete, and the queue pair works on.
#[test]
fn qp_5_a_refused_post_changes_nothing() {
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

/// QP-6, QP-7, QP-27: exactly one completion each, none for a silent success, with the message's length.
#[test]
fn qp_6_one_completion_each() {
    let pair = pair("qp_6");
    pair.b.qp.receive(1, &[pair.b.sge(0, 100)]).unwrap();
    pair.b.qp.receive(2, &[pair.b.sge(100, 200)]).unwrap();
    pair.a.qp.send(3, &pair.a.sge(0, 40), NONE).unwrap();
    pair.a.qp.send(4, &pair.a.sge(0, 50), OpFlags::SILENT_SUCCESS).unwrap();
    assert_eq!(pair.a.ends(1), all([3], Status::SUCCESS));
    let received = pair.b.take(2);
    let lengths: Vec<_> = received.iter().map(|c| (c.request_context, c.bytes_transferred)).collect();
    assert_eq!(lengths, [(1, 40), (2, 50)]);
    assert!(received.iter().all(|c| c.kind == OperationType::Receive && c.provider_error_code == 0));
    assert!(pair.a.is_quiet() && pair.b.is_quiet());
}

/// QP-8, QP-21, QP-23: a silent request that fails is reported; then everything is cancelled.
#[test]
fn qp_21_a_message_larger_than_its_receive_ends_the_connection() {
    let pair = pair("qp_21");
    pair.b.qp.receive(1, &[pair.b.sge(0, 8)]).unwrap();
    pair.b.qp.receive(2, &[pair.b.sge(0, 8)]).unwrap();
    pair.a.qp.send(3, &pair.a.sge(0, 9), OpFlags::SILENT_SUCCESS).unwrap();
    assert_eq!(pair.b.ends(2), [(1, Status::BUFFER_OVERFLOW), (2, Status::CANCELLED)]);
    assert_eq!(pair.a.ends(1), [(3, Status::REMOTE_RESOURCES)]);
    pair.a.qp.send(4, Data::NONE, NONE).unwrap();
    pair.a.qp.receive(5, &[]).unwrap();
    assert_eq!(pair.a.ends(2), all([4, 5], Status::CANCELLED));
}

/// QP-9: completions of the initiator queue come in posting order.
#[test]
fn qp_9_completions_come_in_posting_order() {
    let pair = pair("qp_9");
    pair.b.qp.receive(0, &[]).unwrap();
    pair.a.qp.read(1, &[pair.a.sge(0, 4096)], pair.b.mr.remote(0).unwrap(), OpFlags::DEFER).unwrap();
    pair.a.qp.send(2, Data::NONE, OpFlags::READ_FENCE).unwrap();
    assert_eq!(pair.a.ends(2), all([1, 2], Status::SUCCESS));
}

/// QP-10, QP-11, QP-30: full queues refuse; a slot is free when its completion is there, polled or not.
#[test]
fn qp_10_full_queues_refuse() {
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
fn qp_13_more_than_the_longest_transfer() {
    let pair = pair("qp_13");
    let long = Sge { address: 0, length: 1 << 30, token: Token::default() };
    let error = pair.a.qp.send(1, &[long; 3], NONE).unwrap_err();
    assert_eq!((error.status(), error.limit()), (Status::BUFFER_OVERFLOW, Some(1 << 31)));
    assert_eq!(u64::from(pair.adapter.info().max_transfer_length), error.limit().unwrap());
}

/// QP-14: no entries at all are legal for each operation.
#[test]
fn qp_14_zero_bytes_are_legal() {
    let pair = pair("qp_14");
    let remote = pair.b.mr.remote(0).unwrap();
    pair.b.qp.receive(1, &[]).unwrap();
    pair.a.qp.send(2, Data::NONE, NONE).unwrap();
    pair.a.qp.read(3, &[], remote, NONE).unwrap();
    pair.a.qp.write(4, Data::NONE, remote, NONE).unwrap();
    assert_eq!(pair.a.ends(3), all(2..5, Status::SUCCESS));
    assert_eq!(pair.b.take(1)[0].bytes_transferred, 0);
}

/// QP-15, QP-16: entries and inline bytes are the caller's again when the post has returned.
#[test]
fn qp_16_inline_bytes_are_copied_during_the_post() {
    let pair = pair_with("qp_16", |d| d.receiver_not_ready(None));
    let mut bytes = *b"before";
    pair.a.qp.send(1, &[&bytes[..3], &bytes[3..]], NONE).unwrap();
    pair.a.mr.write(0, b"entry").unwrap();
    let mut sgl = vec![pair.a.sge(0, 3), pair.a.sge(3, 5)];
    pair.a.qp.send(2, &sgl, NONE).unwrap();
    bytes.fill(0);
    sgl.fill(Sge::default());
    for at in [0, 64] {
        pair.b.qp.receive(0, &[pair.b.sge(at, at + 64)]).unwrap();
    }
    assert_eq!(pair.a.ends(2), all([1, 2], Status::SUCCESS));
    assert_eq!((bytes, sgl[0]), ([0; 6], Sge::default()));
    assert_eq!((pair.b.bytes(0, 6), pair.b.bytes(64, 69)), (b"before".to_vec(), b"entry".to_vec()));
}

/// QP-18, QP-19, Q-2: any number of pieces, but no more bytes than asked for at creation; writes too.
#[test]
fn qp_18_inline_pieces_are_not_counted_as_entries() {
    let pair = pair("qp_18");
    let pieces: Vec<&[u8]> = b"twelve bytes".chunks(1).collect();
    pair.a.qp.write(1, &pieces[..], pair.b.mr.remote(0).unwrap(), OpFlags::INLINE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
    assert_eq!(pair.b.bytes(0, 12), b"twelve bytes");
    let error = pair.a.qp.send(2, Data::Inline(&[&[0; 60], &[0; 5]]), NONE).unwrap_err();
    assert_eq!((error.status(), error.got(), error.limit()), (Status::BUFFER_OVERFLOW, Some(65), Some(64)));
}

/// QP-22: a send that meets no receive fails when the time has passed, and the receiver hears nothing.
#[test]
fn qp_22_a_send_without_a_receive_times_out() {
    let clock = ManualClock::new();
    let adapter = Adapter::options("local/qp_22").clock(Clock::Manual(clock.clone())).open().unwrap();
    let limit = Duration::from_secs(3);
    let (a, b) = (End::with(&adapter, |d| d.receiver_not_ready(Some(limit))), End::new(&adapter));
    let _connection = connect(&adapter, &a.qp, &b.qp);
    a.qp.send(1, Data::NONE, NONE).unwrap();
    clock.advance(limit - Duration::from_nanos(1));
    assert_eq!(a.cq.wait(&mut [Completion::default()], Some(Duration::ZERO)), Ok(0));
    clock.advance(Duration::from_nanos(1));
    assert_eq!(a.ends(1), [(1, Status::IO_TIMEOUT)]);
    assert!(b.is_quiet());
}

/// A limit of zero fails at the first look.
#[test]
fn qp_22_no_patience_fails_at_once() {
    let pair = pair_with("qp_22_zero", |d| d.receiver_not_ready(Some(Duration::ZERO)));
    pair.a.qp.send(1, Data::NONE, NONE).unwrap();
    assert_eq!(pair.a.ends(1), [(1, Status::IO_TIMEOUT)]);
}

/// QP-25, QP-26: deferred requests complete with the next plain one, also when that one is refused.
#[test]
fn qp_25_a_refused_post_indicates_what_was_deferred() {
    let pair = pair("qp_25");
    let remote = pair.b.mr.remote(0).unwrap();
    let write = |context, flags| pair.a.qp.write(context, &pair.a.sge(0, 8), remote, flags);
    write(1, OpFlags::DEFER).unwrap();
    write(2, OpFlags::DEFER).unwrap();
    assert!(pair.a.is_quiet());
    write(3, NONE).unwrap();
    assert_eq!(pair.a.ends(3), all(1..4, Status::SUCCESS));
    write(4, OpFlags::DEFER).unwrap();
    write(5, OpFlags::SEND_AND_SOLICIT_EVENT).unwrap_err();
    assert_eq!(pair.a.ends(1), all([4], Status::SUCCESS));
    write(6, OpFlags::DEFER).unwrap();
    pair.a.qp.write(7, &[pair.a.sge(0, 1); 5], remote, NONE).unwrap_err();
    assert_eq!(pair.a.ends(1), all([6], Status::SUCCESS));
}

/// QP-28: two threads post to both queues of one queue pair; all is taken and completes once.
#[test]
fn qp_28_both_queues_at_once() {
    const COUNT: u64 = 2_000;
    let adapter = adapter("qp_28");
    let big = cq(&adapter, 3 * COUNT as u32);
    let pd = adapter.create_pd().wait().unwrap();
    let describe = || {
        let depth = COUNT as u32;
        QpDescription::new(&big).receive_depth(depth).initiator_depth(depth).receiver_not_ready(None)
    };
    let qps = [pd.create_qp(describe()).wait().unwrap(), pd.create_qp(describe()).wait().unwrap()];
    let _connection = connect(&adapter, &qps[0], &qps[1]);
    thread::scope(|scope| {
        scope.spawn(|| (0..COUNT).for_each(|context| qps[1].receive(context, &[]).unwrap()));
        scope.spawn(|| (0..COUNT).for_each(|context| qps[0].send(context, Data::NONE, NONE).unwrap()));
    });
    let taken = crate::world::take(&big, 2 * COUNT as usize);
    for kind in [OperationType::Send, OperationType::Receive] {
        let contexts: Vec<_> = taken.iter().filter(|c| c.kind == kind).map(|c| c.request_context).collect();
        assert_eq!(contexts, (0..COUNT).collect::<Vec<_>>());
    }
    assert!(taken.iter().all(|c| c.status == Status::SUCCESS));
}

/// QP-31: silent requests without end never stall.
#[test]
fn qp_31_silent_requests_never_stall() {
    let pair = pair("qp_31");
    let remote = pair.b.mr.remote(0).unwrap();
    for context in 0..10_000 {
        pair.a.qp.write(context, &pair.a.sge(0, 8), remote, OpFlags::SILENT_SUCCESS).unwrap();
    }
    assert!(pair.a.is_quiet());
    assert_eq!(pair.a.qp.counters().initiator_requests_completed, 10_000);
}

/// QP-32: large and small writes and reads arrive as placed.
#[test]
fn qp_32_bytes_arrive_as_placed() {
    const LENGTH: usize = 3 << 20;
    let pair = pair("qp_32");
    let pattern: Vec<u8> = (0..LENGTH).map(|at| (at * 7 + at / 251) as u8).collect();
    let here = pair.a.pd.register(pattern.clone(), ALL).wait().unwrap();
    let there = pair.b.pd.register(vec![0; LENGTH], ALL).wait().unwrap();
    pair.a.qp.write(1, &here.sge(0..LENGTH).unwrap(), there.remote(0).unwrap(), NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
    here.write(0, &[0; 64]).unwrap();
    for at in (0..64).step_by(4) {
        let (to, from) = (here.sge(at..at + 4).unwrap(), there.remote(at).unwrap());
        pair.a.qp.read(at as u64, &[to], from, OpFlags::SILENT_SUCCESS).unwrap();
    }
    assert!(pair.a.is_quiet());
    assert_eq!(there.deregister().wait().unwrap().into_vec(), pattern);
    assert_eq!(here.deregister().wait().unwrap().into_vec(), pattern);
}

/// reads that no limit allows are refused; everything else works.
#[test]
fn qp_36_reads_need_an_outbound_limit() {
    let adapter = adapter("qp_36");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let limits = qpair::ndk::ReadLimits { inbound: READS.inbound, outbound: 0 };
    let ignore = OnDisconnect::ignore;
    let _connection = crate::world::connect_with(&adapter, &a.qp, &b.qp, limits, ignore(), ignore());
    let remote = b.mr.remote(0).unwrap();
    let error = a.qp.read(1, &[a.sge(0, 8)], remote, NONE).unwrap_err();
    assert_eq!(error.status(), Status::INVALID_DEVICE_REQUEST);
    a.qp.write(2, &a.sge(0, 8), remote, NONE).unwrap();
    assert_eq!(a.ends(1), all([2], Status::SUCCESS));
}

/// The longest message, 2 GiB, from and into sixteen entries of the same 128 MiB.
#[test]
fn the_longest_message_arrives_whole() {
    const PART: usize = 128 << 20;
    let adapter = adapter("longest");
    let [a, b] = [0, 1].map(|_| End::with(&adapter, |qp| qp.initiator_sge(16).receive_sge(16)));
    let _connection = connect(&adapter, &a.qp, &b.qp);
    let register = |end: &End| end.pd.register(Memory::zeroed(PART).unwrap(), ALL).wait().unwrap();
    let (from, to) = (register(&a), register(&b));
    from.write(PART - 3, b"end").unwrap();
    b.qp.receive(1, &[to.sge(0..PART).unwrap(); 16]).unwrap();
    a.qp.send(2, &[from.sge(0..PART).unwrap(); 16][..], OpFlags::NONE).unwrap();
    assert_eq!(b.take(1)[0].bytes_transferred, 1 << 31);
    assert_eq!(a.ends(1), [(2, Status::SUCCESS)]);
    let mut end = [0; 3];
    to.read(PART - 3, &mut end).unwrap();
    assert_eq!(&end, b"end");
}
