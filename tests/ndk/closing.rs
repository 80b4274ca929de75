//! CLOSE-*, CB-*: what a close waits for, and that it never fails.

use crate::world::adapter;
use qpair::ndk::{Adapter, Cq, CqNotify, Qp, QpDescription, Status};
use std::sync::{Arc, mpsc};

/// The adapter's close inside a callback is an error, since it would wait for that callback.
#[test]
fn the_adapter_is_not_closed_inside_a_callback() {
    let outer = adapter("close_inside");
    let inner = Adapter::open("local/close_inside").unwrap();
    let (note, notes) = mpsc::channel();
    outer.create_pd().then(move |_| note.send(inner.close().unwrap_err().status()).unwrap());
    assert_eq!(notes.try_recv(), Ok(Status::INVALID_DEVICE_REQUEST));
    outer.close().unwrap();
}

/// CLOSE-5: the closure of a closed completion queue is dropped at once, queue pairs or not.
#[test]
fn a_closed_cq_drops_its_closure() {
    let adapter = adapter("close_closure");
    let owned = Arc::new(());
    let held = Arc::downgrade(&owned);
    let notify = CqNotify::callback(move |_| drop(Arc::clone(&owned)));
    let cq = adapter.create_cq(1, notify).wait().unwrap();
    let pd = adapter.create_pd().wait().unwrap();
    let qp: Qp = pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
    assert!(held.upgrade().is_some());
    let closing = cq.close().now().unwrap_err();
    assert!(held.upgrade().is_none());
    drop(qp);
    closing.wait().unwrap();
}

/// Every handle can be sent to and shared by threads.
#[test]
fn handles_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Adapter>();
    crosses::<qpair::ndk::Pd>();
    crosses::<Cq>();
    crosses::<Qp>();
    crosses::<qpair::ndk::Mr>();
    crosses::<qpair::ndk::Srq>();
    crosses::<qpair::ndk::Connector>();
    crosses::<qpair::ndk::Listener>();
}
