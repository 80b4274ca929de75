//! Tests of the device as a whole, over a real NET.

mod chance;
pub(super) mod diary;
mod failures;
mod flush;
mod keys;
mod long;
mod oracle;
mod stress;
mod world;

use super::connect::messenger::Connectable;
use super::qp::{Data, Operation, PostRefused};
use super::state::QpState;
use crate::ring::ArmLevel;
use crate::work::{CompletionFlags, CompletionKind, Detail, Key, RequestFlags, Status};
use world::{End, World, pair, pair_with};

fn send(end: &End, context: u64, range: std::ops::Range<usize>) -> Result<(), PostRefused> {
    let sge = end.sge(range);
    end.qp.post_send(&Operation::Send, Data::Sgl(&[sge]), RequestFlags::NONE, false, context)
}

fn statuses(end: &End) -> Vec<(u64, Status)> {
    end.poll().iter().map(|c| (c.context, c.status)).collect()
}

#[test]
fn a_send_arrives_in_the_receive() {
    let (a, b) = pair();
    a.memory.write(0, b"hello, peer").unwrap();
    b.receive(7, 100..200).unwrap();
    send(&a, 9, 0..11).unwrap();
    let received = b.poll();
    assert_eq!((received.len(), received[0].context, received[0].length), (1, 7, 11));
    assert_eq!(
        (received[0].kind, received[0].qpn, received[0].source_qpn),
        (CompletionKind::Receive, b.qp.qpn(), a.qp.qpn())
    );
    let mut bytes = [0; 11];
    b.memory.read(100, &mut bytes).unwrap();
    assert_eq!(&bytes, b"hello, peer");
    assert_eq!(statuses(&a), [(9, Status::Success)]);
    assert_eq!((a.qp.counters().bytes_out, b.qp.counters().bytes_in), (11, 11));
}

#[test]
fn a_send_without_a_receive_waits_for_one() {
    let (a, b) = pair();
    send(&a, 1, 0..8).unwrap();
    assert!(a.poll().is_empty() && b.poll().is_empty());
    b.receive(2, 0..8).unwrap();
    assert_eq!(statuses(&b), [(2, Status::Success)]);
    assert_eq!(statuses(&a), [(1, Status::Success)]);
}

#[test]
fn flush_cancels_what_is_pending_on_both_queues_and_nothing_later() {
    let (a, b) = pair();
    for context in 0..3 {
        send(&a, context, 0..8).unwrap();
        a.receive(10 + context, 0..8).unwrap();
    }
    a.qp.flush();
    let flushed = statuses(&a);
    let of_queue = |receives: bool| -> Vec<_> {
        flushed.iter().filter(|(c, _)| (*c >= 10) == receives).copied().collect()
    };
    assert_eq!(of_queue(false), [0, 1, 2].map(|c| (c, Status::Flushed)));
    assert_eq!(of_queue(true), [10, 11, 12].map(|c| (c, Status::Flushed)));
    assert_eq!(a.qp.state(), QpState::ReadyToSend);
    b.receive(20, 0..8).unwrap();
    assert!(b.poll().is_empty(), "the cancelled sends are gone");
    send(&a, 3, 0..8).unwrap();
    assert_eq!((statuses(&a), statuses(&b)), (vec![(3, Status::Success)], vec![(20, Status::Success)]));
}

#[test]
fn deferred_requests_wait_for_a_plain_one_and_are_flushed_too() {
    let (a, b) = pair();
    b.receive(0, 0..8).unwrap();
    b.receive(1, 0..8).unwrap();
    let defer = |context| {
        let data = Data::Sgl(&[a.sge(0..8)]);
        a.qp.post_send(&Operation::Send, data, RequestFlags::NONE, true, context).unwrap();
    };
    defer(5);
    assert!(a.poll().is_empty());
    send(&a, 6, 0..8).unwrap();
    assert_eq!(statuses(&a), [(5, Status::Success), (6, Status::Success)]);
    defer(7);
    a.qp.flush();
    assert_eq!(statuses(&a), [(7, Status::Flushed)]);
    defer(8);
    let too_many = vec![a.sge(0..1); 17];
    b.receive(2, 0..8).unwrap();
    let refused = a.qp.post_send(&Operation::Send, Data::Sgl(&too_many), RequestFlags::NONE, false, 9);
    assert_eq!(refused, Err(PostRefused::TooManyEntries { got: 17, max: 4 }));
    assert_eq!(statuses(&a), [(8, Status::Success)], "a post that fails exposes what was deferred");
}

#[test]
fn write_read_and_atomics_reach_the_peers_memory() {
    let (a, b) = pair();
    a.memory.write(0, b"0123456789abcdef").unwrap();
    let data = [a.sge(0..4), a.sge(8..12)];
    let (address, key) = b.remote(64);
    let flags = RequestFlags::NONE;
    a.qp.post_send(&Operation::Write { address, key }, Data::Sgl(&data), flags, false, 1).unwrap();
    let mut bytes = [0; 8];
    b.memory.read(64, &mut bytes).unwrap();
    assert_eq!(&bytes, b"012389ab");
    let sinks = [a.sge(100..103), a.sge(200..205)];
    a.qp.post_send(&Operation::Read { address, key }, Data::Sgl(&sinks), flags, false, 2).unwrap();
    let mut bytes = [0; 5];
    a.memory.read(200, &mut bytes).unwrap();
    assert_eq!(&bytes, b"389ab");
    let (address, key) = b.remote(8);
    let old = [a.sge(24..32)];
    let add = Operation::FetchAndAdd { address, key, add: 5 };
    let swap = Operation::CompareAndSwap { address, key, compare: 5, swap: 77 };
    a.qp.post_send(&add, Data::Sgl(&old), flags, false, 3).unwrap();
    a.qp.post_send(&swap, Data::Sgl(&old), flags, false, 4).unwrap();
    assert_eq!((b.memory.view().load_u64(8), a.memory.view().load_u64(24)), (Some(77), Some(5)));
    assert_eq!(statuses(&a), [1, 2, 3, 4].map(|c| (c, Status::Success)));
    assert!(b.poll().is_empty());
}

#[test]
fn inline_data_is_taken_during_the_call() {
    let (a, b) = pair();
    for length in [0usize, 1, 24, 25, 64] {
        b.receive(1, 0..64).unwrap();
        let mut bytes: Vec<u8> = (0..length as u8).collect();
        let (head, tail) = bytes.split_at(length / 3);
        a.qp.post_send(&Operation::Send, Data::Inline(&[head, tail]), RequestFlags::NONE, false, 2).unwrap();
        bytes.fill(0xff);
        assert_eq!(b.poll()[0].length as usize, length);
        let mut got = vec![0; length];
        b.memory.read(0, &mut got).unwrap();
        assert!(got.iter().enumerate().all(|(i, byte)| *byte == i as u8));
    }
    let refused = a.qp.post_send(&Operation::Send, Data::Inline(&[&[0; 65]]), RequestFlags::NONE, false, 2);
    assert_eq!(refused, Err(PostRefused::InlineTooLong { got: 65, max: 64 }));
}

#[test]
fn immediate_solicited_and_silent() {
    let (a, b) = pair();
    b.receive(1, 0..8).unwrap();
    b.receive(2, 0..8).unwrap();
    let (address, key) = b.remote(0);
    let flags = RequestFlags::SOLICITED | RequestFlags::SILENT_SUCCESS;
    a.qp.post_send(&Operation::SendWithImmediate(0xabcd), Data::Sgl(&[]), flags, false, 1).unwrap();
    let write = Operation::WriteWithImmediate { address, key, immediate: 0x1234 };
    a.qp.post_send(&write, Data::Sgl(&[a.sge(0..5)]), RequestFlags::SILENT_SUCCESS, false, 2).unwrap();
    let got = b.poll();
    assert_eq!((got[0].immediate_or_key, got[0].kind, got[0].length), (0xabcd, CompletionKind::Receive, 0));
    assert_eq!(got[0].flags, CompletionFlags::IMMEDIATE | CompletionFlags::SOLICITED);
    assert_eq!(
        (got[1].immediate_or_key, got[1].kind, got[1].length),
        (0x1234, CompletionKind::ReceiveWrite, 5)
    );
    assert!(a.poll().is_empty(), "silent successes leave nothing");
    assert_eq!(a.qp.counters().sends_completed, 2);
}

#[test]
fn a_bad_key_ends_the_connection_on_both_sides() {
    let (a, b) = pair();
    b.receive(1, 0..8).unwrap();
    a.receive(2, 0..8).unwrap();
    let (address, _) = b.remote(0);
    let write = Operation::Write { address, key: Key(0xdead_be00) };
    a.qp.post_send(&write, Data::Sgl(&[a.sge(0..8)]), RequestFlags::SILENT_SUCCESS, false, 3).unwrap();
    let ended = a.poll();
    assert_eq!(
        (ended[0].context, ended[0].status, ended[0].detail),
        (3, Status::RemoteAccess, Detail::UnknownKey)
    );
    assert_eq!((ended[1].context, ended[1].status), (2, Status::Flushed));
    assert_eq!(statuses(&b), [(1, Status::Flushed)]);
    assert_eq!((a.qp.state(), b.qp.state()), (QpState::Error, QpState::Error));
    send(&a, 4, 0..8).unwrap();
    assert_eq!(statuses(&a), [(4, Status::Flushed)], "taken and cancelled (Q-8)");
}

#[test]
fn a_message_too_long_fails_on_both_sides() {
    let (a, b) = pair();
    b.receive(1, 0..8).unwrap();
    b.receive(2, 0..8).unwrap();
    send(&a, 3, 0..9).unwrap();
    send(&a, 4, 0..1).unwrap();
    assert_eq!(statuses(&b), [(1, Status::LocalLength), (2, Status::Flushed)]);
    assert_eq!(statuses(&a), [(3, Status::RemoteInvalidRequest), (4, Status::Flushed)]);
}

#[test]
fn a_full_queue_refuses_and_goes_on() {
    let (a, b) = pair();
    for context in 0..16 {
        send(&a, context, 0..1).unwrap();
    }
    assert_eq!(send(&a, 16, 0..1), Err(PostRefused::Full { depth: 16 }));
    for context in 0..16 {
        b.receive(context, 0..1).unwrap();
    }
    assert_eq!(a.poll().len(), 16);
    b.receive(16, 0..1).unwrap();
    send(&a, 16, 0..1).unwrap();
    assert_eq!(statuses(&a), [(16, Status::Success)]);
}

#[test]
fn long_messages_go_in_pieces() {
    let size = 40 << 20; // beyond a poster's budget, so the helper thread goes on
    let (a, b) = pair_with(World { memory: size, ..World::default() });
    a.memory.view().store_u64(size - 8, 0x1122_3344).unwrap();
    b.receive(1, 0..size).unwrap();
    send(&a, 2, 0..size).unwrap();
    assert_eq!(b.wait_for(1)[0].length as usize, size);
    assert_eq!(b.memory.view().load_u64(size - 8), Some(0x1122_3344));
    assert_eq!(a.wait_for(1)[0].status, Status::Success);
}

#[test]
fn a_send_that_waits_too_long_ends_with_its_status() {
    let (clock, world) = World::manual();
    let (a, b) = pair_with(World { rnr_limit: Some(crate::time::Span::from_millis(5)), ..world });
    send(&a, 1, 0..8).unwrap();
    clock.advance(std::time::Duration::from_millis(4));
    b.receive(1, 0..8).unwrap();
    assert_eq!(statuses(&a), [(1, Status::Success)]);
    send(&a, 2, 0..8).unwrap();
    clock.advance(std::time::Duration::from_millis(5));
    assert_eq!(a.wait_for(1)[0].status, Status::RnrRetryExceeded);
    let (a, b) = pair_with(World { rnr_limit: Some(crate::time::Span::ZERO), ..World::default() });
    send(&a, 1, 0..8).unwrap();
    assert_eq!(statuses(&a), [(1, Status::RnrRetryExceeded)]);
    assert!(b.poll().is_empty(), "its peer had posted nothing");
}

#[test]
fn an_arm_fires_once_and_by_level() {
    let (a, b) = pair();
    b.receive(1, 0..8).unwrap();
    b.receive(2, 0..8).unwrap();
    b.cq.arm(ArmLevel::Solicited);
    send(&a, 1, 0..1).unwrap();
    assert_eq!(b.notified(), 0);
    a.qp.post_send(&Operation::Send, Data::Sgl(&[]), RequestFlags::SOLICITED, false, 2).unwrap();
    assert_eq!(b.notified(), 1);
    b.cq.arm(ArmLevel::Any);
    assert_eq!(b.notified(), 1, "both entries were there at the last callback");
    assert_eq!(b.poll().len(), 2);
    b.qp.flush();
    assert_eq!(b.notified(), 1, "nothing was pending");
    b.receive(3, 0..8).unwrap();
    b.qp.flush();
    assert_eq!(b.notified(), 2);
}

#[test]
fn a_queue_that_overruns_says_so_and_takes_its_queue_pairs_along() {
    let (a, b) = pair_with(World { cq_depth: 2, ..World::default() });
    for context in 0..3 {
        b.receive(context, 0..8).unwrap();
    }
    b.cq.arm(ArmLevel::Errors);
    for context in 0..3 {
        send(&a, context, 0..1).unwrap();
        a.poll();
    }
    assert_eq!((b.notified(), b.cq.state()), (1, super::cq::CqState::Overrun));
    assert_eq!((a.qp.state(), b.qp.state()), (QpState::Error, QpState::Error));
    assert_eq!(b.poll().len(), 2, "what fitted stays");
    b.cq.arm(ArmLevel::Any);
    assert_eq!(b.notified(), 2, "each arm of a dead queue is answered");
}

#[test]
fn closing_flushes_into_the_queue_and_completes() {
    let (a, b) = pair();
    a.receive(1, 0..8).unwrap();
    send(&a, 2, 0..8).unwrap();
    let life = std::sync::Arc::clone(&a.qp.life);
    a.qp.close(None);
    let mut flushed = statuses(&a);
    flushed.sort_unstable_by_key(|(context, _)| *context);
    assert_eq!(flushed, [(1, Status::Flushed), (2, Status::Flushed)]);
    life.wait_closed().unwrap();
    assert_eq!(b.qp.state(), QpState::Error, "its peer is gone");
}

#[test]
fn shared_receives_serve_several_and_wake_who_waits() {
    let world = World { shared_depth: 4, ..World::default() };
    let (a, b) = pair_with(world.clone());
    let (c, d) = world::pair_on(&a, &b, world);
    send(&a, 1, 0..4).unwrap();
    send(&c, 2, 0..4).unwrap();
    assert!(a.poll().is_empty() && c.poll().is_empty());
    let srq = b.srq.as_ref().unwrap();
    srq.post(11, &[b.sge(0..8)]).unwrap();
    srq.post(12, &[b.sge(8..10), b.sge(20..24)]).unwrap();
    let mut got: Vec<_> = statuses(&b).into_iter().chain(statuses(&d)).collect();
    got.sort_unstable_by_key(|(context, _)| *context);
    assert_eq!(got, [(11, Status::Success), (12, Status::Success)]);
    srq.post(13, &[b.sge(0..8)]).unwrap();
    b.qp.flush();
    assert!(b.poll().is_empty() && srq.len() == 1, "a flush does not touch the shared queue");
    assert_eq!(b.receive(1, 0..1), Err(PostRefused::HasSharedQueue));
    b.qp.error();
    send(&c, 3, 0..4).unwrap();
    assert_eq!(statuses(&d), [(13, Status::Success)], "one fails, the others go on");
}
