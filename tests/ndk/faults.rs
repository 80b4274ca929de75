//! The faults that a user may order: each fires, and tells so.

use crate::world::{ALL, End, PATIENCE, Pair, READS, adapter, all, connect, connect_with, listen, pair_of};
use qpair::ndk::{
    Adapter, Clock, Cq, CqNotify, Data, Error, Faults, Fired, FiredFault, HoldCalls, Injection, ManualClock,
    Memory, NdkVersion, ObjectType, OnDisconnect, OpFlags, OperationType, QpDescription, Request, Status,
    When, WorkQueue,
};
use std::sync::mpsc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// An adapter with faults, on a clock that the test moves.
pub fn faulty(test: &str, seed: u64) -> (Adapter, Faults, ManualClock) {
    let (faults, clock) = (Faults::new(seed), ManualClock::new());
    let options = Adapter::options(&format!("local/{test}")).faults(&faults);
    (options.clock(Clock::Manual(clock.clone())).open().unwrap(), faults, clock)
}

pub fn faulty_pair(test: &str, seed: u64) -> (Pair, Faults, ManualClock) {
    let (adapter, faults, clock) = faulty(test, seed);
    (pair_of(adapter, |description| description), faults, clock)
}

pub fn status<T>(result: Result<T, Error>) -> Status {
    result.map_or_else(|error| error.status(), |_| Status::SUCCESS)
}

fn held(faults: &Faults) -> Vec<(&'static str, u64)> {
    let call = |fired: FiredFault| match fired.fault {
        Fired::CallHeld { call } => (call, fired.times),
        other => panic!("{other:?}"),
    };
    faults.fired().into_iter().map(call).collect()
}

/// Pends until it is released, then succeeds.
fn released<T>(faults: &Faults, request: Request<T>) -> T {
    let request = request.now().err().expect("it pends");
    assert_eq!(faults.held(), 1);
    assert!(faults.release_one() && !faults.release_one());
    request.now().expect("it has been released").unwrap()
}

/// The calls of the next test.
const CALLS: [&str; 14] = [
    "NdkCreatePd",
    "NdkCreateCq",
    "NdkCreateSrq",
    "NdkRegisterMr",
    "NdkCreateQp",
    "NdkCreateSharedEndpoint",
    "NdkCreateListener",
    "NdkListen",
    "NdkCreateConnector",
    "NdkConnectWithSharedEndpoint",
    "NdkAccept",
    "NdkCompleteConnect",
    "NdkDisconnect",
    "NdkCloseObject",
];

/// CREATE-2, CB-2: every call that may pend does, and ends when it is told to.
#[test]
fn calls_are_held_until_they_are_released() {
    let (adapter, faults, _clock) = faulty("held", 1);
    faults.hold_calls(HoldCalls::UntilReleased);
    let here = adapter.addresses()[0];
    let pd = released(&faults, adapter.create_pd());
    let cq = released(&faults, adapter.create_cq(64, CqNotify::Waiters));
    let srq = released(&faults, pd.create_srq(4, 1));
    let mr = released(&faults, pd.register(Memory::zeroed(64).unwrap(), ALL));
    let (a, b) = (
        released(&faults, pd.create_qp(QpDescription::new(&cq))),
        released(&faults, pd.create_qp(QpDescription::new(&cq))),
    );
    let shared = released(&faults, adapter.create_shared_endpoint(here));
    let (arrived, arrivals) = mpsc::channel();
    let on_connect = move |connector| arrived.send(connector).unwrap();
    let listener = released(&faults, adapter.create_listener(on_connect));
    released(&faults, listener.listen(here));
    let active = released(&faults, adapter.create_connector());
    let remote = listener.local_address().unwrap();
    let connecting = active.connect_with_shared_endpoint(&a, &shared, remote, READS, b"");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = passive.accept(&b, READS, b"", OnDisconnect::ignore());
    released(&faults, connecting);
    let completing = active.complete_connect(OnDisconnect::ignore());
    assert_eq!(faults.held(), 2);
    assert_eq!(faults.release_all(), 2);
    completing.now().unwrap().unwrap();
    accepting.now().unwrap().unwrap();
    let parting = [active.disconnect(), passive.disconnect()];
    assert_eq!(faults.release_all(), 2);
    parting.into_iter().for_each(|request| request.now().unwrap().unwrap());
    released(&faults, active.close());
    released(&faults, passive.close());
    released(&faults, listener.close());
    released(&faults, shared.close());
    released(&faults, a.close());
    released(&faults, b.close());
    released(&faults, srq.close());
    assert_eq!(released(&faults, mr.deregister()).len(), 64);
    released(&faults, cq.close());
    released(&faults, pd.close());
    let calls: Vec<_> = held(&faults).into_iter().map(|(call, _)| call).collect();
    let missing: Vec<_> = CALLS.into_iter().filter(|call| !calls.contains(call)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {calls:?}");
    adapter.close().unwrap();
}

/// CLOSE-4, CLOSE-7: a late close keeps the antecedent's close from completing, and a call that is held back
/// that of its object.
#[test]
fn antecedents_wait_for_late_closes_and_calls() {
    let (adapter, faults, _clock) = faulty("late_close", 1);
    let (pd, cq) =
        (adapter.create_pd().wait().unwrap(), adapter.create_cq(8, CqNotify::None).wait().unwrap());
    faults.hold_calls(HoldCalls::UntilReleased);
    let late = pd.create_qp(QpDescription::new(&cq)).now().unwrap_err();
    faults.hold_calls(HoldCalls::No);
    let closing = [pd.close().now().unwrap_err(), cq.close().now().unwrap_err()];
    assert!(faults.release_one());
    let qp = late.now().unwrap().unwrap();
    faults.hold_calls(HoldCalls::UntilReleased);
    let late = qp.close().now().unwrap_err();
    faults.hold_calls(HoldCalls::No);
    let closing = closing.map(|request| request.now().unwrap_err());
    assert!(faults.release_one());
    late.wait().unwrap();
    closing.into_iter().for_each(|request| request.wait().unwrap());
}

/// For a time of the NET's clock.
#[test]
fn calls_are_held_for_a_time() {
    let (adapter, faults, clock) = faulty("held_for", 1);
    faults.hold_calls(HoldCalls::For(SECOND));
    let pending = adapter.create_pd().now().unwrap_err();
    clock.advance(SECOND / 2);
    assert_eq!(faults.held(), 1);
    clock.advance(SECOND / 2);
    pending.wait().unwrap();
    assert_eq!(held(&faults), [("NdkCreatePd", 1)]);
}

/// In an order that the seed decides, and the same again for the same seed.
#[test]
fn calls_are_shuffled_by_the_seed() {
    let order = |net: &str, seed| {
        let (adapter, faults, clock) = faulty(net, seed);
        faults.hold_calls(HoldCalls::Shuffled(SECOND));
        let (done, ended) = mpsc::channel();
        for number in 0..20 {
            let done = done.clone();
            adapter.create_pd().then(move |result| {
                done.send(number).unwrap();
                drop(result);
            });
        }
        assert_eq!(faults.held(), 20);
        clock.advance(SECOND);
        let order: Vec<i32> = (0..20).map(|_| ended.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(faults.fired_count(), 20);
        order
    };
    let first = order("shuffled_1", 1);
    assert_eq!(first, order("shuffled_2", 1));
    assert_ne!(first, order("shuffled_3", 2));
    assert_ne!(first, (0..20).collect::<Vec<_>>());
}

/// A disconnect event does not overtake the end of the accept that named it (CONN-31), and is not for what
/// this side has closed meanwhile (CONN-32).
#[test]
fn a_disconnect_event_waits_for_its_accept() {
    for close_first in [false, true] {
        let (adapter, faults, _clock) = faulty(&format!("event_waits_{close_first}"), 1);
        let (a, b) = (End::new(&adapter), End::new(&adapter));
        let (_listener, address, arrivals) = listen(&adapter);
        let active = adapter.create_connector().wait().unwrap();
        let connecting = active.connect(&a.qp, adapter.addresses()[0], address, READS, b"");
        let passive = arrivals.recv_timeout(PATIENCE).unwrap();
        let (told, events) = mpsc::channel();
        let (event, end) = (told.clone(), told);
        let accepting = passive.accept(&b.qp, READS, b"", move || event.send("event").unwrap());
        accepting.then(move |result| {
            result.unwrap();
            end.send("accept").unwrap();
        });
        connecting.wait().unwrap();
        faults.hold_calls(HoldCalls::UntilReleased);
        let _completing = active.complete_connect(OnDisconnect::ignore());
        drop(active);
        assert!(events.try_recv().is_err());
        faults.hold_calls(HoldCalls::No);
        let mut passive = Some(passive);
        let closing = passive.take_if(|_| close_first).map(|passive| passive.close().now().unwrap_err());
        faults.release_all();
        let expected = if close_first { &["accept"][..] } else { &["accept", "event"] };
        assert_eq!(events.try_iter().collect::<Vec<_>>(), expected);
        closing.into_iter().for_each(|request| request.wait().unwrap());
    }
}

/// The close of the adapter ends what is held back; nothing is from then on.
#[test]
fn the_close_of_the_adapter_ends_what_is_held() {
    let (pair, faults, _clock) = faulty_pair("held_at_close", 1);
    faults.hold_calls(HoldCalls::UntilReleased);
    faults.delay_completions(SECOND);
    pair.b.qp.receive(1, &[]).unwrap();
    pair.a.qp.send(2, Data::NONE, OpFlags::NONE).unwrap();
    let creating = pair.adapter.create_cq(4, CqNotify::None).now().unwrap_err();
    let Pair { a, b, connection, adapter } = pair;
    let closing = a.mr.deregister().now().unwrap_err();
    let closer = std::thread::spawn(move || adapter.close());
    drop(creating.wait().unwrap());
    closing.wait().unwrap();
    assert_eq!((b.ends(1), b.pd.close().now().is_err()), (vec![(1, Status::SUCCESS)], true));
    drop((a.qp, a.cq, a.pd, b.qp, b.cq, b.mr, connection));
    closer.join().unwrap().unwrap();
}

/// Completions show when their time has come, in order; a close waits for them (CLOSE-8).
#[test]
fn completions_are_delayed() {
    let (pair, faults, clock) = faulty_pair("delayed", 1);
    let Pair { a, b, connection, .. } = pair;
    faults.delay_completions(SECOND);
    for context in 0..3 {
        b.qp.receive(context, &[b.sge(0, 8)]).unwrap();
        a.qp.send(10 + context, &[a.sge(0, 8)], OpFlags::NONE).unwrap();
    }
    clock.advance(SECOND / 2);
    assert!(a.is_quiet() && b.is_quiet());
    faults.delay_completions(Duration::ZERO);
    a.qp.flush();
    a.qp.receive(20, &[]).unwrap();
    a.qp.flush(); // not delayed, and yet not before those that are
    assert!(a.is_quiet());
    clock.advance(SECOND);
    let mut expected = all(10..13, Status::SUCCESS);
    expected.push((20, Status::CANCELLED));
    assert_eq!(a.ends(4), expected);
    assert_eq!(b.ends(3), all(0..3, Status::SUCCESS));
    let qp = a.qp.number();
    assert!(faults.fired().iter().any(|fired| fired.fault == Fired::CompletionDelayed { qp }));
    faults.delay_completions(SECOND);
    a.qp.receive(30, &[]).unwrap();
    drop(connection);
    let (closing, cq) = (a.qp.close(), a.cq);
    let closing = closing.now().unwrap_err();
    clock.advance(SECOND);
    closing.wait().unwrap();
    assert_eq!(take_now(&cq), [(30, Status::CANCELLED)]);
}

/// What is in the queue, without waiting.
fn take_now(cq: &Cq) -> Vec<(u64, Status)> {
    let mut places = [qpair::ndk::Completion::default(); 8];
    let got = cq.poll(&mut places);
    places[..got].iter().map(|completion| (completion.request_context, completion.status)).collect()
}

/// Passes cut by chance still do everything, in order and once.
#[test]
fn passes_are_cut_by_chance() {
    let (pair, faults, _clock) = faulty_pair("cuts", 3);
    faults.cut_passes(true);
    let (a, b) = (&pair.a, &pair.b);
    a.mr.write(0, &[7; 4096]).unwrap();
    for round in 0..20 {
        for context in 0..8 {
            b.qp.receive(context, &[b.sge(0, 4096)]).unwrap();
            a.qp.send(context, &[a.sge(0, 4096)], OpFlags::NONE).unwrap();
        }
        assert_eq!(a.ends(8), all(0..8, Status::SUCCESS), "round {round}");
        assert_eq!(b.ends(8), all(0..8, Status::SUCCESS), "round {round}");
        assert_eq!(b.bytes(0, 4096), [7; 4096]);
    }
    let cut = Fired::PassCut { qp: a.qp.number() };
    let times: u64 = faults.fired().iter().filter(|fired| fired.fault == cut).map(|fired| fired.times).sum();
    assert!(times >= 20, "{times} passes of 20 rounds");
    faults.cut_passes(false);
    let before = faults.fired_count();
    b.qp.receive(1, &[]).unwrap();
    a.qp.send(2, Data::NONE, OpFlags::NONE).unwrap();
    assert_eq!((a.ends(1), faults.fired_count()), (vec![(2, Status::SUCCESS)], before));
}

/// The n-th creation of a kind, or of any, fails; the others do not.
#[test]
fn creations_fail() {
    let (adapter, faults, _clock) = faulty("creations", 1);
    faults.fail_creation(ObjectType::Pd, 2, When::Inline);
    faults.fail_creation(None, 4, When::Late);
    let first = adapter.create_pd().wait().unwrap();
    assert_eq!(status(adapter.create_pd().now().unwrap()), Status::INSUFFICIENT_RESOURCES);
    let cq = adapter.create_cq(4, CqNotify::None).now().unwrap().unwrap();
    let late = first.create_qp(QpDescription::new(&cq));
    let error = late.wait().unwrap_err();
    assert_eq!((error.status(), error.call()), (Status::INSUFFICIENT_RESOURCES, "NdkCreateQp"));
    first.create_qp(QpDescription::new(&cq)).wait().unwrap();
    let fired = [("NdkCreatePd", 2, When::Inline), ("NdkCreateQp", 4, When::Late)];
    let fired = fired
        .map(|(call, nth, when)| FiredFault { fault: Fired::CreationFailed { call, nth, when }, times: 1 });
    assert_eq!(faults.fired(), fired);
    // Each kind, late, with the request dropped, waited for, or given a callback.
    for kind in [ObjectType::Mr, ObjectType::Srq, ObjectType::Listener, ObjectType::SharedEndpoint] {
        faults.fail_creation(kind, 1, When::Late);
    }
    faults.hold_calls(HoldCalls::UntilReleased);
    let failing = first.register(Memory::zeroed(8).unwrap(), ALL).now().unwrap_err();
    drop(first.create_srq(1, 1));
    let (told, ends) = mpsc::channel();
    adapter.create_listener(drop).then(move |result| told.send(status(result)).unwrap());
    let shared = adapter.create_shared_endpoint(adapter.addresses()[0]);
    assert_eq!(faults.release_all(), 4);
    for status in [status(failing.wait()), ends.recv().unwrap(), status(shared.wait())] {
        assert_eq!(status, Status::INSUFFICIENT_RESOURCES);
    }
}

/// Any status ends the request that is meant, and the connection with it.
#[test]
fn statuses_are_injected_into_initiator_requests() {
    for ended in [
        Status::ACCESS_VIOLATION,
        Status::CANCELLED,
        Status::DATA_OVERRUN,
        Status::INTERNAL_ERROR,
        Status::INVALID_DEVICE_REQUEST,
        Status::IO_TIMEOUT,
        Status::REMOTE_RESOURCES,
    ] {
        let (pair, faults, _clock) = faulty_pair(&format!("injected_{:x}", ended.0), 1);
        let (a, b) = (&pair.a, &pair.b);
        let meant = Injection::new(ended).qp(&a.qp).operation(OperationType::Write).nth(2);
        faults.inject(meant).unwrap();
        b.qp.receive(9, &[b.sge(0, 8)]).unwrap();
        let there = b.mr.remote(0).unwrap();
        a.mr.write(0, b"unharmed").unwrap();
        a.qp.write(1, &[a.sge(0, 4)], there, OpFlags::NONE).unwrap();
        a.qp.read(2, &[a.sge(8, 16)], there, OpFlags::SILENT_SUCCESS).unwrap();
        a.qp.write(3, &[a.sge(0, 8)], there, OpFlags::SILENT_SUCCESS).unwrap();
        a.qp.send(4, &[a.sge(0, 8)], OpFlags::NONE).unwrap();
        let expected = [(1, Status::SUCCESS), (3, ended), (4, Status::CANCELLED)];
        assert_eq!(a.ends(3), expected);
        assert_eq!(b.ends(1), [(9, Status::CANCELLED)], "the connection has ended");
        assert_eq!(b.bytes(0, 8), b"unha\0\0\0\0", "the request was not executed");
        let (qp, operation) = (a.qp.number(), OperationType::Write);
        let fault = Fired::StatusInjected { qp, operation, request_context: 3, status: ended };
        assert_eq!(faults.fired(), [FiredFault { fault, times: 1 }]);
    }
}

/// The same for receives, own and shared: the message that comes to it is not taken.
#[test]
fn statuses_are_injected_into_receives() {
    for ended in [Status::BUFFER_OVERFLOW, Status::ACCESS_VIOLATION, Status::INTERNAL_ERROR] {
        for shared in [false, true] {
            let (adapter, faults, _clock) = faulty(&format!("injected_{shared}_{:x}", ended.0), 1);
            let (a, b) = (End::new(&adapter), End::new(&adapter));
            let srq = b.pd.create_srq(4, 1).wait().unwrap();
            let with_srq = QpDescription::new(&b.cq).srq(&srq);
            let with_srq = b.pd.create_qp(with_srq).wait().unwrap();
            let qp = if shared { &with_srq } else { &b.qp };
            let connection = connect(&adapter, &a.qp, qp);
            faults.inject(Injection::new(ended).queue(WorkQueue::Receive).nth(2)).unwrap();
            for context in 1..=3 {
                match shared {
                    true => srq.receive(context, &[b.sge(0, 8)]).unwrap(),
                    false => qp.receive(context, &[b.sge(0, 8)]).unwrap(),
                }
            }
            for context in 11..=13 {
                a.qp.send(context, &[a.sge(0, 8)], OpFlags::NONE).unwrap();
            }
            let sent = [(11, Status::SUCCESS), (12, Status::REMOTE_RESOURCES), (13, Status::CANCELLED)];
            assert_eq!(a.ends(3), sent);
            let received = [(1, Status::SUCCESS), (2, ended), (3, Status::CANCELLED)];
            assert_eq!(b.ends(if shared { 2 } else { 3 }), received[..if shared { 2 } else { 3 }]);
            let (qp, operation) = (qp.number(), OperationType::Receive);
            let fault = Fired::StatusInjected { qp, operation, request_context: 2, status: ended };
            assert_eq!(faults.fired(), [FiredFault { fault, times: 1 }]);
            drop(connection);
        }
    }
}

/// A reason for the disconnect event; version 1 knows none.
#[test]
fn disconnects_have_a_reason() {
    for (version, expected) in [(NdkVersion::V2_1, 77), (NdkVersion::V1_2, 0)] {
        let faults = Faults::new(1);
        let options = Adapter::options(&format!("local/reason_{expected}")).version(version);
        let adapter = options.faults(&faults).open().unwrap();
        faults.disconnect_reason(77);
        let (a, b) = (End::new(&adapter), End::new(&adapter));
        let (told, reasons) = mpsc::channel();
        let event = OnDisconnect::with_reason(move |reason| told.send(reason).unwrap());
        let connection = connect_with(&adapter, &a.qp, &b.qp, READS, || {}, event);
        connection.active.close().wait().unwrap();
        assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), expected);
        let fired: Vec<_> = faults.fired().into_iter().map(|fired| fired.fault).collect();
        assert_eq!(fired == [Fired::DisconnectReason { reason: 77 }], expected != 0);
    }
}

/// Faults are of one adapter, and refuse what makes no sense.
#[test]
fn faults_of_one_adapter() {
    let (first, faults, _clock) = faulty("one_adapter", 1);
    let second = Adapter::options("local/one_adapter_2").faults(&faults).open();
    let error = second.unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("faults")));
    faults.hold_calls(HoldCalls::UntilReleased);
    assert!(first.create_pd().now().is_err(), "the refusal has not ended them");
    let error = faults.inject(Injection::new(Status::SUCCESS)).unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("status")));
    assert!(adapter("one_adapter_2").create_pd().now().is_ok(), "others are not concerned");
}
