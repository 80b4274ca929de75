//! The faults of a whole device, or of a queue that others use.

use crate::faults::{faulty, faulty_pair, status};
use crate::world::{ALL, End, PATIENCE, Pair, READS, all, connect_with, listen, take};
use crate::world::{adapter as adapter_of, cq as cq_of};
use qpair::ndk::{
    Adapter, Clock, Connector, CqNotify, Data, Fired, FiredFault, HoldCalls, Listener, ManualClock, Memory,
    NdkObject, NotifyType, ObjectType, OpFlags, QpDescription, SrqDescription, SrqEvent, Status,
};
use std::sync::mpsc;

/// The device goes: what is pending ends, later calls are refused, and all can be closed.
#[test]
fn the_device_is_removed() {
    let (pair, faults, clock) = faulty_pair("removed", 1);
    let (adapter, other) = (&pair.adapter, adapter_on_same_net("removed", &clock));
    let (a, b) = (&pair.a, &pair.b);
    let far = End::new(&other);
    let (_far_listener, far_address, far_arrivals) = listen(&other);
    let (told, events) = mpsc::channel();
    // One connection to an adapter that stays, one attempt that pends, one call that is held back.
    let near = End::new(adapter);
    let active = adapter.create_connector().wait().unwrap();
    let connecting = active.connect(&near.qp, adapter.addresses()[0], far_address, READS, b"");
    let far_side = far_arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = far_side.accept(&far.qp, READS, b"", move || told.send(()).unwrap());
    connecting.wait().unwrap();
    let (here, own_events) = mpsc::channel();
    active.complete_connect(move || here.send(()).unwrap()).wait().unwrap();
    accepting.wait().unwrap();
    let waiting = End::new(adapter);
    let attempt = adapter.create_connector().wait().unwrap();
    let attempting = attempt.connect(&waiting.qp, adapter.addresses()[0], far_address, READS, b"");
    let (listener, own_address, _own_arrivals) = listen(adapter);
    a.qp.receive(1, &[]).unwrap();
    faults.hold_calls(HoldCalls::UntilReleased);
    let held = adapter.create_pd().now().unwrap_err();
    faults.hold_calls(HoldCalls::No);

    faults.remove_device();
    faults.remove_device();
    assert_eq!(faults.fired().last().unwrap(), &FiredFault { fault: Fired::DeviceRemoved, times: 1 });
    assert_eq!(a.ends(1), [(1, Status::CANCELLED)]);
    events.recv_timeout(PATIENCE).unwrap();
    own_events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(status(attempting.wait()), Status::DEVICE_REMOVED);
    assert_eq!(status(held.wait()), Status::DEVICE_REMOVED);
    refuses_all(&pair, &active, &listener);
    listener.control_connect_events(false);
    let knocking = other.create_connector().wait().unwrap();
    let end = End::new(&other);
    let knocked = knocking.connect(&end.qp, other.addresses()[0], own_address, READS, b"");
    assert_eq!(status(knocked.wait()), Status::CONNECTION_REFUSED);
    b.qp.receive(2, &[]).unwrap();
    b.qp.send(3, Data::NONE, OpFlags::NONE).unwrap();
    let mut ends = b.ends(2);
    ends.sort_unstable_by_key(|(context, _)| *context);
    assert_eq!(ends, all(2..4, Status::CANCELLED));
    assert_eq!(adapter.header().object_type, ObjectType::Adapter);
    let Pair { a, b, connection, adapter } = pair;
    drop((a, b, connection, near, active, waiting, attempt, listener));
    adapter.close().unwrap();
}

/// Every call of a removed adapter is refused, and changes nothing.
fn refuses_all(pair: &Pair, connected: &Connector, listening: &Listener) {
    let (adapter, a) = (&pair.adapter, &pair.a);
    let here = adapter.addresses()[0];
    let removed = [
        status(adapter.create_pd().wait()),
        status(adapter.create_cq(4, CqNotify::None).wait()),
        status(adapter.create_connector().wait()),
        status(adapter.create_listener(drop).wait()),
        status(adapter.create_shared_endpoint(here).wait()),
        status(a.pd.create_srq(1, 1).wait()),
        status(a.pd.create_qp(QpDescription::new(&a.cq)).wait()),
        status(a.pd.register(Memory::zeroed(8).unwrap(), ALL).wait()),
        status(listening.listen(here).wait()),
        status(connected.connect(&a.qp, here, here, READS, b"").wait()),
        status(connected.disconnect().wait()),
    ];
    assert_eq!(removed, [Status::DEVICE_REMOVED; 11]);
}

fn adapter_on_same_net(net: &str, clock: &ManualClock) -> Adapter {
    Adapter::options(&format!("local/{net}")).clock(Clock::Manual(clock.clone())).open().unwrap()
}

/// CQ-19 and its kin: the queue fails, its arm is answered, its queue pairs are dead; what was in it stays.
#[test]
fn a_completion_queue_breaks() {
    let (adapter, faults, _clock) = faulty("broken_cq", 1);
    let (told, statuses) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let notify = CqNotify::callback(move |event| told.lock().unwrap().send(event.status()).unwrap());
    let cq = adapter.create_cq(16, notify).wait().unwrap();
    let b = End::new(&adapter);
    let a = b.pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
    let (told, events) = mpsc::channel();
    let connection = connect_with(&adapter, &a, &b.qp, READS, move || told.send(()).unwrap(), || {});
    b.qp.receive(1, &[]).unwrap();
    b.qp.receive(2, &[]).unwrap();
    a.send(3, Data::NONE, OpFlags::NONE).unwrap();
    cq.arm(NotifyType::Errors);
    faults.break_cq(&cq).unwrap();
    faults.break_cq(&cq).unwrap();
    assert_eq!(statuses.try_iter().collect::<Vec<_>>(), [Status::INTERNAL_ERROR]);
    events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(b.ends(2), [(1, Status::SUCCESS), (2, Status::CANCELLED)]);
    assert_eq!(take(&cq, 1)[0].request_context, 3);
    a.send(4, Data::NONE, OpFlags::NONE).unwrap();
    assert!(cq.is_empty(), "no further completion is reported");
    assert_eq!(faults.fired(), [FiredFault { fault: Fired::CqBroken { depth: 16 }, times: 1 }]);
    let of_another = cq_of(&adapter_of("broken_cq_2"), 4);
    assert_eq!(faults.break_cq(&of_another).unwrap_err().argument(), Some("Cq"));
    drop(connection);
}

/// A shared receive queue fails, and its queue pairs with it.
#[test]
fn a_shared_receive_queue_breaks() {
    let (adapter, faults, _clock) = faulty("broken_srq", 1);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (told, statuses) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let notify = move |event: &SrqEvent<'_>| told.lock().unwrap().send(event.status()).unwrap();
    let srq = b.pd.create_srq_with(SrqDescription::new(4, 1).notify_below(1, notify)).wait().unwrap();
    let qp = b.pd.create_qp(QpDescription::new(&b.cq).srq(&srq)).wait().unwrap();
    let (told, events) = mpsc::channel();
    let connection = connect_with(&adapter, &a.qp, &qp, READS, move || told.send(()).unwrap(), || {});
    a.qp.receive(1, &[]).unwrap();
    faults.break_srq(&srq).unwrap();
    faults.break_srq(&srq).unwrap();
    assert_eq!(statuses.try_iter().collect::<Vec<_>>(), [Status::INTERNAL_ERROR]);
    events.recv_timeout(PATIENCE).unwrap();
    assert_eq!(a.ends(1), [(1, Status::CANCELLED)]);
    assert_eq!(faults.fired(), [FiredFault { fault: Fired::SrqBroken { depth: 4 }, times: 1 }]);
    drop(connection);
}

/// Resize and modify are calls that may pend, like the others.
#[test]
fn changes_of_queues_are_held() {
    let (adapter, faults, _clock) = faulty("held_changes", 1);
    let end = End::new(&adapter);
    let srq = end.pd.create_srq(4, 1).wait().unwrap();
    faults.hold_calls(HoldCalls::UntilReleased);
    let changes = [end.cq.resize(128), srq.modify(8, 0)];
    assert_eq!((faults.held(), faults.release_all()), (2, 2));
    changes.into_iter().for_each(|change| change.now().unwrap().unwrap());
    let fired: Vec<_> = faults.fired().into_iter().map(|fired| fired.fault).collect();
    let held = ["NdkResizeCq", "NdkModifySrq"].map(|call| Fired::CallHeld { call });
    assert_eq!(fired, held);
}
