//! SRQ-3 to SRQ-8, SRQ-11: the threshold and its notification, and `NdkModifySrq`.

use crate::world::{PATIENCE, adapter, connect, cq, take};
use qpair::ndk::{Adapter, Cq, Data, OpFlags, Pd, Qp, QpDescription, Srq, SrqDescription, Status};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier};
use std::thread;

/// A shared receive queue that notes its notifications, and a connection whose messages take from it.
struct Noted {
    srq: Srq,
    notes: Receiver<(Status, usize)>,
    client: Qp,
    cq: Cq,
    server: Qp,
    _connection: crate::world::Connection,
    pd: Pd,
    adapter: Adapter,
}

impl Noted {
    /// Of depth 4, created with that threshold, with so many receives.
    fn new(test: &str, threshold: u32, receives: u64) -> Self {
        let adapter = adapter(test);
        let (pd, cq) = (adapter.create_pd().wait().unwrap(), cq(&adapter, 64));
        let (note, notes) = mpsc::channel();
        let description = SrqDescription::new(4, 1)
            .notify_below(threshold, move |event| note.send((event.status(), event.len())).unwrap());
        let srq = pd.create_srq_with(description).wait().unwrap();
        let server = pd.create_qp(QpDescription::new(&cq).srq(&srq)).wait().unwrap();
        let client = pd.create_qp(QpDescription::new(&cq).receiver_not_ready(None)).wait().unwrap();
        let _connection = connect(&adapter, &client, &server);
        let noted = Self { srq, notes, client, cq, server, _connection, pd, adapter };
        noted.post(receives);
        noted
    }

    fn post(&self, receives: u64) {
        (0..receives).for_each(|context| self.srq.receive(context, &[]).unwrap());
    }

    /// Has so many receives taken.
    fn take(&self, count: usize) {
        for _ in 0..count {
            self.client.send(0, Data::NONE, OpFlags::NONE).unwrap();
            take(&self.cq, 2);
        }
    }

    /// What was noted: statuses, and the receives queued then.
    fn notes(&self) -> Vec<(Status, usize)> {
        self.notes.try_iter().collect()
    }
}

/// SRQ-7: depth 0 keeps the depth. Over the limit is refused.
#[test]
fn srq_7_depth_0_keeps_the_depth() {
    let noted = Noted::new("srq_7", 0, 0);
    noted.srq.modify(0, 1).wait().unwrap();
    assert_eq!(noted.srq.depth(), 4);
    let max = noted.adapter.info().max_srq_depth;
    let error = noted.srq.modify(max + 1, 0).wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("SrqDepth")));
    assert_eq!((error.call(), noted.srq.depth()), ("NdkModifySrq", 4));
}

/// SRQ-8: fewer than are queued: BUFFER_OVERFLOW, and nothing changes, the threshold neither.
#[test]
fn srq_8_fewer_than_are_queued() {
    let noted = Noted::new("srq_8", 0, 3);
    let error = noted.srq.modify(2, 4).wait().unwrap_err();
    assert_eq!((error.status(), error.got()), (Status::BUFFER_OVERFLOW, Some("2")));
    assert_eq!((noted.srq.depth(), noted.srq.len(), noted.notes()), (4, 3, vec![]));
    noted.srq.modify(3, 0).wait().unwrap();
    assert_eq!(noted.srq.receive(9, &[]).unwrap_err().status(), Status::NO_MORE_ENTRIES);
    noted.srq.modify(40, 0).wait().unwrap();
    noted.post(37);
    assert_eq!(noted.srq.receive(9, &[]).unwrap_err().limit(), Some(40));
}

/// SRQ-8, SRQ-9: receives keep their order in a queue that is outgrown and shrinks.
#[test]
fn srq_8_receives_keep_their_order() {
    let noted = Noted::new("srq_8_order", 0, 0);
    let contexts = |count: usize| {
        let mut contexts = Vec::new();
        for _ in 0..count {
            noted.client.send(77, Data::NONE, OpFlags::NONE).unwrap();
            contexts.extend(take(&noted.cq, 2).iter().map(|c| c.request_context).filter(|c| *c != 77));
        }
        contexts
    };
    (0..4).for_each(|context| noted.srq.receive(context, &[]).unwrap());
    noted.srq.modify(6, 0).wait().unwrap();
    (4..6).for_each(|context| noted.srq.receive(context, &[]).unwrap());
    assert_eq!(contexts(3), [0, 1, 2]);
    noted.srq.modify(3, 0).wait().unwrap();
    assert_eq!(contexts(3), [3, 4, 5]);
    noted.srq.modify(64, 0).wait().unwrap();
    (6..70).for_each(|context| noted.srq.receive(context, &[]).unwrap());
    assert_eq!(contexts(64), (6..70).collect::<Vec<_>>());
}

/// SRQ-3, SRQ-4: the notification may post and arm again; the next one comes when it has returned.
#[test]
fn srq_4_armed_again_inside_the_notification() {
    let noted = Noted::new("srq_4", 0, 0);
    let (note, notes) = mpsc::channel();
    let description = SrqDescription::new(4, 1).notify_below(0, move |event| {
        note.send(event.len()).unwrap();
        if event.len() < 2 {
            event.receive(1, &[]).unwrap();
            event.modify(0, 3).wait().unwrap();
        }
    });
    let srq = noted.pd.create_srq_with(description).wait().unwrap();
    srq.modify(0, 1).wait().unwrap();
    // Each time it is armed it is below already, until two are queued.
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

/// CLOSE-6 for shared receive queues: the close pends until the notification has returned.
#[test]
fn srq_close_waits_for_the_notification() {
    let adapter = adapter("srq_close_notified");
    let pd = adapter.create_pd().wait().unwrap();
    let gate = Arc::new(Barrier::new(2));
    let inside = Arc::clone(&gate);
    let (note, notes) = mpsc::channel();
    let description = SrqDescription::new(4, 1).notify_below(0, move |_| {
        inside.wait(); // in the call
        inside.wait(); // the close has begun
        note.send("notified").unwrap();
    });
    let srq = Arc::new(pd.create_srq_with(description).wait().unwrap());
    let caller = thread::spawn({
        let srq = Arc::clone(&srq);
        move || srq.modify(0, 1).wait().unwrap()
    });
    gate.wait();
    // The other thread has its reference until its call returns: the close begins when both are gone.
    let closing = Arc::downgrade(&srq);
    drop(srq);
    let pd_closed = pd.close();
    let pd_closed = pd_closed.now().unwrap_err();
    gate.wait();
    assert_eq!(notes.recv_timeout(PATIENCE), Ok("notified"));
    caller.join().unwrap();
    assert!(closing.upgrade().is_none());
    pd_closed.wait().unwrap();
    adapter.close().unwrap();
}

/// The queue pairs of it use it still: a receive of the queue pair's own is refused, before and after modify.
#[test]
fn srq_modify_leaves_its_users_alone() {
    let noted = Noted::new("srq_users", 0, 1);
    noted.srq.modify(16, 1).wait().unwrap();
    assert_eq!(noted.server.receive(1, &[]).unwrap_err().status(), Status::INVALID_DEVICE_REQUEST);
    noted.take(1);
    assert_eq!(noted.notes(), [(Status::SUCCESS, 0)]);
}
