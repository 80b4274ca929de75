//! CLOSE-*, CB-*: what a close waits for, and that it never fails.

use crate::world::{End, PATIENCE, READS, adapter, all, connect, listen, pair};
use qpair::ndk::{Adapter, Cq, CqNotify, Data, NotifyType, OnDisconnect, OpFlags, Qp, QpDescription, Status};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// CLOSE-3, CLOSE-4: antecedents that are closed first pend, and end after their successors' callbacks.
#[test]
fn close_4_antecedents_end_last() {
    let pair = pair("close_4");
    let (note, notes) = mpsc::channel();
    let said = |word: &'static str| {
        let note = note.clone();
        move |result: Result<(), qpair::ndk::Error>| {
            result.unwrap();
            note.send(word).unwrap();
        }
    };
    let End { qp, cq, mr, pd } = pair.a;
    cq.close().then(said("cq"));
    pd.close().then(said("pd"));
    mr.deregister().wait().unwrap();
    qp.close().then(said("qp"));
    assert!(notes.try_recv().is_err(), "a connector is tied to the queue pair");
    drop(pair.connection.active);
    let notes: Vec<_> = (0..3).map(|_| notes.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(notes[0], "qp");
    assert!(notes.contains(&"cq") && notes.contains(&"pd"), "{notes:?}");
}

/// CLOSE-6, CLOSE-5: a completion queue closed while its notification runs pends; nothing is called
/// afterwards.
#[test]
fn close_6_a_cq_closed_in_its_notification() {
    let adapter = adapter("close_6");
    let (hand, handed) = mpsc::channel::<Cq>();
    let handed = Mutex::new(handed);
    let (note, notes) = mpsc::channel();
    let notify = CqNotify::callback(move |event| {
        let closed = note.clone();
        event.arm(NotifyType::Any);
        handed.lock().unwrap().recv().unwrap().close().then(move |_| closed.send("closed").unwrap());
        note.send("returns").unwrap();
    });
    let cq = adapter.create_cq(8, notify).wait().unwrap();
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    cq.arm(NotifyType::Any);
    hand.send(cq).unwrap();
    qp.receive(1, &[]).unwrap();
    qp.flush();
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), ["returns"]);
    qp.receive(2, &[]).unwrap();
    qp.flush();
    qp.close().wait().unwrap();
    assert_eq!(notes.recv_timeout(PATIENCE), Ok("closed"));
    assert!(notes.recv_timeout(PATIENCE).is_err(), "the closure is gone, and with it the last sender");
}

/// CLOSE-7, CLOSE-11: a pending request ends before the close of its object, also when closed inside of it.
#[test]
fn close_7_a_pending_request_ends_first() {
    let adapter = adapter("close_7");
    let end = End::new(&adapter);
    let (_listener, to, arrivals) = listen(&adapter);
    let (note, notes) = mpsc::channel();
    let connector = adapter.create_connector().wait().unwrap();
    let of_connect = note.clone();
    connector.connect(&end.qp, adapter.addresses()[0], to, READS, b"").then(move |result| {
        of_connect.send(result.unwrap_err().status()).unwrap();
    });
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    connector
        .close()
        .then(move |result| note.send(result.map_or(Status::UNSUCCESSFUL, |()| Status::SUCCESS)).unwrap());
    assert_eq!(notes.iter().collect::<Vec<_>>(), [Status::CANCELLED, Status::SUCCESS]);
    drop(passive);
}

/// CLOSE-8, Q-22: what is pending is in the completion queue when the close is complete, and can be polled.
#[test]
fn close_8_a_closed_queue_pair_is_flushed() {
    let pair = pair("close_8");
    pair.a.qp.receive(1, &[]).unwrap();
    pair.a.qp.send(2, Data::NONE, OpFlags::NONE).unwrap();
    let closing = pair.a.qp.close().now().unwrap_err();
    pair.connection.active.close().wait().unwrap();
    closing.wait().unwrap();
    let mut ends: Vec<_> =
        crate::world::take(&pair.a.cq, 2).iter().map(|c| (c.request_context, c.status)).collect();
    ends.sort_unstable_by_key(|(context, _)| *context);
    assert_eq!(ends, all([1, 2], Status::CANCELLED));
}

/// CLOSE-9: posts that race with the close of the connector are each completed, or refused.
#[test]
fn close_9_posts_race_with_the_close_of_the_connector() {
    for round in 0..20 {
        let pair = pair(&format!("close_9_{round}"));
        let taken = thread::scope(|scope| {
            let poster = scope.spawn(|| {
                let post = |context| pair.b.qp.send(context, Data::NONE, OpFlags::NONE).is_ok();
                (0..16).filter(|context| post(*context)).count()
            });
            drop(pair.connection.passive);
            poster.join().unwrap()
        });
        let ends = pair.b.ends(taken);
        assert!(ends.iter().all(|(_, status)| *status != Status::SUCCESS), "{ends:?}");
        assert!(pair.b.is_quiet());
    }
}

/// CLOSE-10: when the adapter's close returns, everything has ended, however it was let go.
#[test]
fn close_10_the_adapter_waits_for_all() {
    let adapter = adapter("close_10");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let connection = connect(&adapter, &a.qp, &b.qp);
    let (note, notes) = mpsc::channel();
    let idle = adapter.create_cq(1, CqNotify::callback(move |_| note.send(()).unwrap())).wait().unwrap();
    let closer = thread::spawn(move || drop((a, idle, connection, b)));
    adapter.close().unwrap();
    closer.join().unwrap();
    assert_eq!(notes.try_recv(), Err(mpsc::TryRecvError::Disconnected), "the closure is dropped");
}

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

/// CLOSE-13: a queue pair that is closed while a connector is tied to it pends.
#[test]
fn close_13_a_queue_pair_waits_for_its_connector() {
    let pair = pair("close_13");
    let closing = pair.b.qp.close().now().unwrap_err();
    drop(pair.connection.passive);
    closing.wait().unwrap();
}

/// CLOSE-11, CONN-41: a connector closed inside its own connect completion.
#[test]
fn conn_41_closed_inside_its_completion() {
    let adapter = adapter("conn_41");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (_listener, to, arrivals) = listen(&adapter);
    let connector = Arc::new(Mutex::new(Some(adapter.create_connector().wait().unwrap())));
    let (note, notes) = mpsc::channel();
    let connecting = {
        let connector = connector.lock().unwrap();
        connector.as_ref().unwrap().connect(&a.qp, adapter.addresses()[0], to, READS, b"")
    };
    let (inside, connected) = (Arc::clone(&connector), note.clone());
    connecting.then(move |result| {
        result.unwrap();
        let closing = inside.lock().unwrap().take().unwrap().close();
        closing.then(move |closed| note.send(closed.is_ok()).unwrap());
    });
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
    assert_eq!(accepting.wait().unwrap_err().status(), Status::CONNECTION_REFUSED);
    assert_eq!(notes.recv_timeout(PATIENCE), Ok(true));
    drop(connected);
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
