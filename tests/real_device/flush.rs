//! Flush at any moment, while others post and poll.

use super::rig::{DEPTH, Door, ENTRIES, End, PATIENCE, Pair, alone, rounds};
use qpair::ndk::{Completion, Data, OnDisconnect, OpFlags, OperationType, PostError, ReadLimits, Status};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// Completions of the flushed end before the flush, at most.
const LATEST: u64 = 200;
/// Requests that are still posted when the flush has returned.
const AFTERWARDS: u64 = 8;
/// Requests of one queue until then, at most: all completions fit, though nobody may poll for a while.
const BEFORE: u64 = ENTRIES as u64 / 2 - AFTERWARDS;

#[test]
fn a_flush_under_load_completes_each_request_once_and_in_order() {
    let _alone = alone();
    let door = Door::open();
    let mut seed = 20_261_121_u64;
    for round in 0..rounds(20) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        flush_once(door.connect(), (seed >> 33) % LATEST, round);
    }
    door.close();
}

/// The device's queue pair is moved by both, and neither may undo what the other has done.
#[test]
fn a_flush_while_it_is_connected_cancels_and_breaks_or_leaves_it() {
    let _alone = alone();
    let door = Door::open();
    (0..rounds(24)).for_each(|round| flush_and_connect(&door, round));
    door.close();
}

/// Flushes the accepting side before, during or after its accept, before the connection is made.
fn flush_and_connect(door: &Door, round: u64) {
    const BEFORE: u64 = 4;
    let (a, b) = (End::new(&door.adapter), End::new(&door.adapter));
    let post = |context| a.qp.receive(context, &[a.sge()]).expect("room for a receive");
    (0..BEFORE).for_each(post);
    let (limits, from) = (ReadLimits { inbound: 1, outbound: 1 }, door.adapter.addresses()[0]);
    let active = door.adapter.create_connector().wait().expect("a connector");
    let moment = round % 3;
    if moment == 0 {
        a.qp.flush();
    }
    let (connected, accepting, passive) = thread::scope(|scope| {
        let connecting = active.connect(&b.qp, from, door.address(), limits, b"");
        let passive = door.arrival();
        let qp = &a.qp;
        if moment == 1 {
            scope.spawn(move || {
                (0..round * 20).for_each(|_| thread::yield_now());
                qp.flush();
            });
        }
        let accepting = passive.accept(qp, limits, b"", OnDisconnect::ignore());
        let replied = connecting.wait();
        if moment == 2 {
            qp.flush();
        }
        let connected = replied.and_then(|()| active.complete_connect(OnDisconnect::ignore()).wait());
        (connected, accepting, passive)
    });
    post(BEFORE);
    if connected.is_ok() && accepting.wait().is_ok() {
        // Refused if it has heard of the end already.
        let _refused = b.qp.send(0, Data::Sgl(&[b.sge()]), OpFlags::NONE);
    }
    let begun = Instant::now();
    let mut taken = Vec::new();
    while taken.len() as u64 <= BEFORE {
        let mut room = vec![Completion::default(); DEPTH as usize];
        let count = a.cq.poll(&mut room);
        taken.extend(room.drain(..count));
        assert!(begun.elapsed() < PATIENCE, "round {round}, {connected:?}: {taken:?}");
        thread::yield_now();
    }
    let (last, before) = taken.split_last().expect("as many as were posted");
    assert!(before.iter().all(|completion| completion.status == Status::CANCELLED), "{round}: {taken:?}");
    let lasts = last.status == Status::SUCCESS;
    assert!(lasts || last.status == Status::CANCELLED, "{round}: {taken:?}");
    assert!(moment == 1 || lasts == (moment == 0), "{round}, {connected:?}: {taken:?}");
    drop((active, passive));
    a.close();
    b.close();
}

/// What threads of a round share.
struct Load {
    /// Completions that the poller of A has taken.
    polled: AtomicU64,
    /// The flush has returned.
    flushed: AtomicBool,
    /// All is over.
    over: AtomicBool,
}

/// A sends and receives as fast as it can, so does B; A is flushed after so many completions.
fn flush_once(pair: Pair, moment: u64, round: u64) {
    let load =
        Load { polled: AtomicU64::new(0), flushed: AtomicBool::new(false), over: AtomicBool::new(false) };
    let begun = Instant::now();
    let due = |what: &str| assert!(begun.elapsed() < PATIENCE, "round {round}: {what}");
    let (sent, received, taken) = thread::scope(|scope| {
        let (load, a, b) = (&load, &pair.a, &pair.b);
        let _ended = Ended(load); // also where this thread panics, else the others would go on for ever
        scope.spawn(move || answer(b, load));
        let sends = scope
            .spawn(move || post(load, |context| a.qp.send(context, Data::Sgl(&[a.sge()]), flags(context))));
        let receives = scope.spawn(move || post(load, |context| a.qp.receive(context, &[a.sge()])));
        let poller = scope.spawn(move || poll(a, load));
        while load.polled.load(Ordering::Acquire) < moment {
            due(&format!("{moment} completions do not come"));
            thread::yield_now();
        }
        a.qp.flush();
        load.flushed.store(true, Ordering::Release);
        let (sent, received) = (sends.join().expect("the sender"), receives.join().expect("the receiver"));
        while pending(a) > 0 {
            due(&format!("{} of {sent} sends and {received} receives stay pending", pending(a)));
            thread::yield_now();
        }
        load.over.store(true, Ordering::Release);
        (sent, received, poller.join().expect("the poller"))
    });
    let (receives, sends): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|completion| completion.kind == OperationType::Receive);
    judge(
        &sends,
        sent,
        |context| flags(context) == OpFlags::SILENT_SUCCESS,
        &format!("round {round}, sends"),
    );
    judge(&receives, received, |_| false, &format!("round {round}, receives"));
}

/// All that others do is over when this is dropped.
struct Ended<'l>(&'l Load);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.flushed.store(true, Ordering::Release);
        self.0.over.store(true, Ordering::Release);
    }
}

/// Requests posted and not completed.
fn pending(end: &End) -> u64 {
    let counters = end.qp.counters();
    counters.initiator_requests_pending + counters.receives_pending
}

/// Every third send is silent.
fn flags(context: u64) -> OpFlags {
    if context % 3 == 1 { OpFlags::SILENT_SUCCESS } else { OpFlags::NONE }
}

/// Posts one after another, and some more when the flush has returned; how many were taken.
fn post(load: &Load, post: impl Fn(u64) -> Result<(), PostError>) -> u64 {
    let (mut posted, mut left) = (0, AFTERWARDS);
    while left > 0 && !load.over.load(Ordering::Acquire) {
        let flushed = load.flushed.load(Ordering::Acquire);
        if posted >= BEFORE && !flushed {
            thread::yield_now();
            continue;
        }
        match post(posted) {
            Ok(()) => {
                posted += 1;
                left -= u64::from(flushed);
            }
            Err(error) if error.status() == Status::NO_MORE_ENTRIES => thread::yield_now(),
            Err(error) => panic!("a request was refused: {error}"),
        }
    }
    posted
}

/// Takes the completions of A until all is over, and what is left then.
fn poll(a: &End, load: &Load) -> Vec<Completion> {
    let mut all = Vec::new();
    let mut places = [Completion::default(); 16];
    loop {
        let over = load.over.load(Ordering::Acquire);
        let count = a.cq.poll(&mut places);
        all.extend_from_slice(&places[..count]);
        load.polled.fetch_add(count as u64, Ordering::AcqRel);
        if count == 0 {
            if over {
                return all;
            }
            thread::yield_now();
        }
    }
}

/// B receives and sends, as long as its connection stands and then until all is over.
fn answer(b: &End, load: &Load) {
    let mut places = [Completion::default(); 16];
    let mut free = DEPTH;
    let mut sending = 0;
    while !load.over.load(Ordering::Acquire) {
        thread::yield_now();
        while free > 0 && b.qp.receive(0, &[b.sge()]).is_ok() {
            free -= 1;
        }
        if sending < DEPTH / 2 && b.qp.send(0, Data::Sgl(&[b.sge()]), OpFlags::NONE).is_ok() {
            sending += 1;
        }
        let count = b.cq.poll(&mut places);
        for completion in &places[..count] {
            let count = if completion.kind == OperationType::Receive { &mut free } else { &mut sending };
            *count = if completion.kind == OperationType::Receive { *count + 1 } else { *count - 1 };
        }
    }
}

/// Each of `posted` requests completed once and in order: successes first, then what was cancelled; only
/// silent successes are not told.
#[track_caller]
fn judge(taken: &[Completion], posted: u64, silent: impl Fn(u64) -> bool, which: &str) {
    let cancelled = taken.iter().position(|completion| completion.status == Status::CANCELLED);
    let cancelled = cancelled.expect("what was posted afterwards is cancelled");
    let (done, over) = taken.split_at(cancelled);
    assert!(done.iter().all(|completion| completion.status == Status::SUCCESS), "{which}: {done:?}");
    assert!(over.iter().all(|completion| completion.status == Status::CANCELLED), "{which}: {over:?}");
    let first = over[0].request_context;
    let told = |completions: &[Completion]| -> Vec<u64> {
        completions.iter().map(|completion| completion.request_context).collect()
    };
    let due: Vec<u64> = (0..first).filter(|context| !silent(*context)).collect();
    assert_eq!(told(done), due, "{which}: of {posted}, before the first that was cancelled");
    assert_eq!(told(over), (first..posted).collect::<Vec<_>>(), "{which}: of {posted}, cancelled");
}
