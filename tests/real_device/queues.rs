//! Many threads at the same queues, and requests that nothing stands behind.

use super::rig::{DEPTH, Door, End, PATIENCE, alone, rounds};
use qpair::ndk::{Completion, Data, OpFlags, OperationType, Status};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A device that is not asked says nothing of them; waiting in vain would take ten seconds.
#[test]
fn silent_requests_that_nothing_stands_behind_end_with_their_queue_pair() {
    let _alone = alone();
    let door = Door::open();
    for sends in 1..u64::from(DEPTH / 4) {
        let pair = door.connect();
        for context in 0..sends {
            pair.b.qp.receive(context, &[pair.b.sge()]).expect("a receive");
        }
        for context in 0..sends {
            let sge = [pair.a.sge()];
            pair.a.qp.send(context, Data::Sgl(&sge), OpFlags::SILENT_SUCCESS).expect("a silent send");
        }
        let begun = Instant::now();
        let mut received = 0;
        while received < sends {
            let taken = take(&pair.b);
            assert!(taken.iter().all(|completion| completion.status == Status::SUCCESS), "{taken:?}");
            received += taken.len() as u64;
            assert!(begun.elapsed() < PATIENCE, "{received} of {sends} came");
            thread::yield_now();
        }
        let begun = Instant::now();
        pair.a.qp.flush();
        while pair.a.qp.counters().initiator_requests_pending > 0 {
            assert!(begun.elapsed() < Duration::from_secs(5), "silent requests stay pending");
            thread::yield_now();
        }
        assert_eq!(take(&pair.a).len(), 0, "they have succeeded, so nobody is told");
    }
    door.close();
}

/// Threads that send from one end.
const SENDERS: u64 = 3;

/// Each third request is deferred, each fifth silent; those are told of by the ones behind them.
#[test]
fn many_posters_and_pollers_lose_and_double_nothing() {
    let _alone = alone();
    let door = Door::open();
    let pair = door.connect();
    let each = rounds(300);
    let (received, told) = (AtomicU64::new(0), AtomicU64::new(0));
    let expected = SENDERS * (0..each).filter(|number| !is_silent(*number)).count() as u64;
    let begun = Instant::now();
    let due =
        || assert!(begun.elapsed() < 4 * PATIENCE, "{received:?} received, {told:?} of {expected} told");
    let mut seen = thread::scope(|scope| {
        let (a, b, received, told, due) = (&pair.a, &pair.b, &received, &told, &due);
        for sender in 0..SENDERS {
            scope.spawn(move || (0..each).for_each(|number| send(a, sender * each + number, number, due)));
        }
        scope.spawn(move || {
            let mut free = DEPTH;
            while received.load(Ordering::Acquire) < SENDERS * each {
                due();
                while free > 0 && b.qp.receive(0, &[b.sge()]).is_ok() {
                    free -= 1;
                }
                let taken = take(b);
                free += taken.len() as u32;
                received.fetch_add(taken.len() as u64, Ordering::AcqRel);
                thread::yield_now();
            }
        });
        let pollers = [(); 2].map(|()| {
            scope.spawn(move || {
                let mut seen = Vec::new();
                while told.load(Ordering::Acquire) < expected {
                    due();
                    let taken = take(a);
                    told.fetch_add(taken.len() as u64, Ordering::AcqRel);
                    seen.extend(taken);
                    thread::yield_now();
                }
                seen
            })
        });
        pollers.map(|poller| poller.join().expect("a poller")).concat()
    });
    seen.sort_by_key(|completion| completion.request_context);
    assert!(seen.iter().all(|one| one.status == Status::SUCCESS && one.kind == OperationType::Send));
    let contexts: Vec<_> = seen.iter().map(|completion| completion.request_context).collect();
    let due: Vec<_> = (0..SENDERS * each).filter(|context| !is_silent(context % each)).collect();
    assert_eq!(contexts, due);
    drop(pair);
    door.close();
}

fn is_silent(number: u64) -> bool {
    number % 5 == 1
}

/// Sends, as soon as there is room; the last of a thread is not deferred.
fn send(end: &End, context: u64, number: u64, due: &dyn Fn()) {
    let silent = if is_silent(number) { OpFlags::SILENT_SUCCESS } else { OpFlags::NONE };
    let flags = if number % 3 == 1 { silent | OpFlags::DEFER } else { silent };
    loop {
        match end.qp.send(context, Data::Sgl(&[end.sge()]), flags) {
            Ok(()) => return,
            Err(error) if error.status() == Status::NO_MORE_ENTRIES => thread::yield_now(),
            Err(error) => panic!("a send was refused: {error}"),
        }
        due();
    }
}

/// What one poll takes.
fn take(end: &End) -> Vec<Completion> {
    let mut places = [Completion::default(); 16];
    let count = end.cq.poll(&mut places);
    places[..count].to_vec()
}
