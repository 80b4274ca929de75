//! Shared receive queues, beyond the statements of the conformance suite.

use crate::world::{adapter, cq};
use qpair::ndk::{CqNotify, QpDescription, Status};

/// SRQ-1, Q-30: over the limits, or no receive at all.
#[test]
fn limits_are_named() {
    let adapter = adapter("srq_1");
    let (pd, info) = (adapter.create_pd().wait().unwrap(), adapter.info().clone());
    for (depth, entries, argument) in [
        (0, 1, "SrqDepth"),
        (info.max_srq_depth + 1, 1, "SrqDepth"),
        (1, info.max_receive_request_sge + 1, "MaxReceiveRequestSge"),
    ] {
        let error = pd.create_srq(depth, entries).wait().unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some(argument)));
        assert!(error.got().is_some() && error.limit().is_some());
    }
}

/// a queue pair with a shared receive queue takes no receives of its own.
#[test]
fn receives_go_to_the_shared_queue() {
    let adapter = adapter("srq_q14");
    let (pd, cq) = (adapter.create_pd().wait().unwrap(), cq(&adapter, 32));
    let srq = pd.create_srq(4, 2).wait().unwrap();
    let description = QpDescription::new(&cq).srq(&srq);
    let qp = pd.create_qp(description).wait().unwrap();
    assert_eq!(qp.receive(1, &[]).unwrap_err().status(), Status::INVALID_DEVICE_REQUEST);
    let description = QpDescription::new(&cq).srq(&srq).receive_depth(4);
    let error = pd.create_qp(description).wait().unwrap_err();
    assert_eq!(
        (error.status(), error.argument()),
        (Status::INVALID_PARAMETER_MIX, Some("ReceiveQueueDepth"))
    );
    let other = adapter.create_pd().wait().unwrap();
    let error = other.create_qp(QpDescription::new(&cq).srq(&srq)).wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Srq")));
}

/// CLOSE-3, Q-15: its close pends until no queue pair uses it; receives vanish without completions.
#[test]
fn receives_vanish_with_their_queue() {
    let adapter = adapter("srq_close");
    let pd = adapter.create_pd().wait().unwrap();
    let cq = adapter.create_cq(4, CqNotify::None).wait().unwrap();
    let srq = pd.create_srq(4, 1).wait().unwrap();
    srq.receive(1, &[]).unwrap();
    let qp = pd.create_qp(QpDescription::new(&cq).srq(&srq)).wait().unwrap();
    let closing = srq.close().now().unwrap_err();
    qp.close().wait().unwrap();
    closing.wait().unwrap();
    assert!(cq.is_empty());
}
