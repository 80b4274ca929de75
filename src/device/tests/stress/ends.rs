//! Ends of queue pairs, registrations and long messages while others are at work.

use super::super::world::{End, World, pair_with};
use super::times;
use crate::device::connect::messenger::Connectable;
use crate::device::qp::{Data, Operation, PostRefused};
use crate::sync::Ordering;
use crate::work::{Completion, CompletionKind, RequestFlags, Status};
use std::collections::BTreeMap;
use std::thread;

/// Requests of each kind that each end posts in a round.
const REQUESTS: u64 = 100;
const MIB: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
enum Ending {
    Flush,
    Error,
    Disconnect,
    /// By the thread that posts: nobody else may be in a call on a queue pair that is closed.
    Close,
}

fn post(
    end: &End,
    operation: Operation,
    range: std::ops::Range<usize>,
    context: u64,
) -> Result<(), PostRefused> {
    end.qp.post_send(&operation, Data::Sgl(&[end.sge(range)]), RequestFlags::NONE, context % 3 == 1, context)
}

/// Posts receives (even contexts) and sends (odd ones) until it may not; those that were taken.
fn post_all(end: &End, requests: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    for number in 0..requests {
        match end.receive(2 * number, 0..8) {
            Ok(()) => taken.push(2 * number),
            Err(refused) => assert!(matches!(refused, PostRefused::Full { .. }), "{refused:?}"),
        }
        match post(end, Operation::Send, 16..24, 2 * number + 1) {
            Ok(()) => taken.push(2 * number + 1),
            Err(PostRefused::Full { .. }) => thread::yield_now(),
            Err(PostRefused::NotConnected) => break,
            Err(refused) => panic!("{refused:?}"),
        }
    }
    taken
}

fn poll_all(end: &End) -> Vec<Completion> {
    let mut all = Vec::new();
    loop {
        let batch = end.poll();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch);
    }
}

/// Every request that was taken has completed once, and in the order of its queue.
fn check(end: &End, taken: &[u64], what: Ending) {
    let completions = poll_all(end);
    for receives in [true, false] {
        let of_queue = |context: &u64| (context % 2 == 0) == receives;
        let completed: Vec<_> = completions.iter().map(|c| c.context).filter(of_queue).collect();
        let taken: Vec<_> = taken.iter().copied().filter(of_queue).collect();
        assert_eq!(completed, taken, "{what:?}, receives {receives}");
    }
    let mut failures = BTreeMap::new();
    for completion in completions.iter().filter(|c| !matches!(c.status, Status::Success | Status::Flushed)) {
        assert_eq!((completion.status, completion.kind), (Status::RetryExceeded, CompletionKind::Send));
        *failures.entry(completion.qpn.0).or_insert(0) += 1;
    }
    assert!(failures.values().all(|count| *count == 1), "one failure ends the connection: {failures:?}");
}

fn round(ending: Ending, at: u64) {
    let (a, b) = pair_with(World { cq_depth: 4 * REQUESTS as u32, ..World::default() });
    let closes = matches!(ending, Ending::Close);
    let (taken_a, taken_b) = thread::scope(|scope| {
        let of_b = scope.spawn(|| post_all(&b, REQUESTS));
        let of_a = scope.spawn(|| {
            let taken = post_all(&a, if closes { at } else { REQUESTS });
            if closes {
                a.qp.close(None);
            }
            taken
        });
        while a.cq.len() + b.cq.len() < at && !(of_a.is_finished() && of_b.is_finished()) {
            thread::yield_now();
        }
        match ending {
            Ending::Flush => a.qp.flush(),
            Ending::Error => a.qp.error(),
            Ending::Disconnect => a.qp.disconnect(|| ()),
            Ending::Close => {}
        }
        (of_a.join().expect("no panic"), of_b.join().expect("no panic"))
    });
    for end in [&a, &b] {
        end.qp.close(None);
        end.qp.life.wait_closed().expect("not in a callback");
    }
    check(&a, &taken_a, ending);
    check(&b, &taken_b, ending);
}

#[test]
fn each_request_completes_once_however_a_queue_pair_ends() {
    for number in 0..50 * times() {
        for ending in [Ending::Flush, Ending::Error, Ending::Disconnect, Ending::Close] {
            round(ending, number * 7 % REQUESTS);
        }
    }
}

/// Every byte of the peer's memory as it is now.
fn bytes(end: &End) -> Vec<u8> {
    let mut bytes = vec![0; end.memory.len()];
    end.memory.read(0, &mut bytes).expect("all of it");
    bytes
}

#[test]
fn no_byte_changes_after_a_deregistration_has_finished() {
    for number in 0..3 * times() {
        let (a, b) = pair_with(World { memory: 3 * MIB, ..World::default() });
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let (address, key) = b.remote(0);
                for mark in 1u64.. {
                    a.memory.view().store_u64(0, mark).expect("inside of it");
                    a.memory.view().store_u64(3 * MIB - 8, mark).expect("inside of it");
                    post(&a, Operation::Write { address, key }, 0..3 * MIB, 3 * mark).expect("one at a time");
                    let ended = a.wait_for(1)[0].status;
                    if ended != Status::Success {
                        return ended;
                    }
                }
                unreachable!("marks do not end")
            });
            while b.memory.view().load_u64(3 * MIB - 8) <= Some(number % 3) {
                thread::yield_now();
            }
            let mut gone = b.device().keys().deregister(b.key()).expect("registered once");
            while let Err(later) = gone.try_finish() {
                gone = later;
                thread::yield_now();
            }
            let left = bytes(&b);
            assert_eq!(writer.join().expect("no panic"), Status::RemoteAccess);
            assert!(bytes(&b) == left);
        });
    }
}

#[test]
fn a_long_send_is_flushed_in_the_midst_from_another_thread() {
    let size = 40 * MIB;
    for _ in 0..times() {
        let (a, b) = pair_with(World { memory: size, ..World::default() });
        b.receive(2, 0..size).expect("empty");
        thread::scope(|scope| {
            let poster = scope.spawn(|| post(&a, Operation::Send, 0..size, 3).expect("empty"));
            // Relaxed: any piece will do.
            while a.qp.progress.bytes.load(Ordering::Relaxed) == 0 && a.cq.len() == 0 {
                thread::yield_now();
            }
            a.qp.flush();
            poster.join().expect("no panic");
        });
        let ended = a.wait_for(1);
        assert!(matches!(ended[0].status, Status::Flushed | Status::Success), "{ended:?}");
        if ended[0].status == Status::Flushed {
            post(&a, Operation::Send, 0..8, 6).expect("room");
            assert_eq!((b.wait_for(1)[0].length, a.wait_for(1)[0].context), (8, 6), "the receive was left");
        }
        assert!(a.poll().is_empty(), "each once");
    }
}
