//! FLUSH-*: everything pending is cancelled, once and in order, and nothing else is.

use crate::world::{End, PATIENCE, adapter, all, connect, cq, listen, pair, pair_with, take};
use qpair::ndk::{
    Completion, CqNotify, Data, NotifyType, OpFlags, OperationType, QpDescription, ReadLimits, Status,
};
use std::sync::{Arc, mpsc};
use std::thread;

const NONE: OpFlags = OpFlags::NONE;

/// A send that finds no receive, and so stays pending with all that comes after it.
fn stall(pair: &crate::world::Pair, context: u64) {
    pair.a.qp.send(context, Data::Inline(&[b"stalls"]), NONE).unwrap();
}

/// FLUSH-1, FLUSH-6: pending receives are cancelled, in posting order.
#[test]
fn flush_1_receives_are_cancelled_in_posting_order() {
    let pair = pair("flush_1");
    for context in 0..10 {
        pair.a.qp.receive(context, &[pair.a.sge(0, 64)]).unwrap();
    }
    pair.a.qp.flush();
    assert_eq!(pair.a.ends(10), all(0..10, Status::CANCELLED));
    assert!(pair.a.is_quiet());
}

/// FLUSH-2, FLUSH-4, FLUSH-6, FLUSH-18: initiator requests likewise, each once and as what it was.
#[test]
fn flush_2_initiator_requests_are_cancelled_as_what_they_were() {
    let pair = pair("flush_2");
    let (qp, remote) = (&pair.a.qp, pair.b.mr.remote(0).unwrap());
    stall(&pair, 0);
    qp.read(1, &[pair.a.sge(0, 8)], remote, NONE).unwrap();
    qp.write(2, &pair.a.sge(0, 8), remote, NONE).unwrap();
    qp.send_and_invalidate(3, Data::NONE, NONE, pair.b.mr.remote_token()).unwrap();
    qp.flush();
    let taken = pair.a.take(4);
    let kinds: Vec<_> = taken.iter().map(|c| (c.request_context, c.status, c.kind)).collect();
    use OperationType::{Read, Send, Write};
    let expected = [(0, Send), (1, Read), (2, Write), (3, Send)];
    assert_eq!(kinds, expected.map(|(context, kind)| (context, Status::CANCELLED, kind)));
    assert!(pair.a.is_quiet() && pair.b.is_quiet());
}

/// FLUSH-5: other queue pairs of the same completion queue are left alone.
#[test]
fn flush_5_other_queue_pairs_are_left_alone() {
    let adapter = adapter("flush_5");
    let (pd, cq) = (adapter.create_pd().wait().unwrap(), cq(&adapter, 64));
    let qps = [7, 8].map(|c| pd.create_qp(QpDescription::new(&cq).context(c)).wait().unwrap());
    for qp in &qps {
        qp.receive(1, &[]).unwrap();
    }
    qps[0].flush();
    let taken = take(&cq, 1);
    assert_eq!((taken[0].qp_context, taken[0].status), (7, Status::CANCELLED));
    assert!(cq.is_empty());
    assert_eq!(qps[1].counters().receives_pending, 1);
}

/// FLUSH-7, FLUSH-8: two receives, a flush, then the arm: one notification, and one poll takes both.
#[test]
fn flush_8_the_notification_comes_although_the_entries_precede_the_arm() {
    let adapter = adapter("flush_8");
    let (note, notes) = mpsc::channel();
    let notify = CqNotify::callback(move |event| note.send(event.status()).unwrap());
    let cq = adapter.create_cq(2, notify).wait().unwrap();
    let pd = adapter.create_pd().wait().unwrap();
    let qp = pd.create_qp(QpDescription::new(&cq).receive_depth(64)).wait().unwrap();
    qp.receive(1, &[]).unwrap();
    qp.receive(2, &[]).unwrap();
    qp.flush();
    cq.arm(NotifyType::Any);
    assert_eq!(notes.recv_timeout(PATIENCE), Ok(Status::SUCCESS));
    let mut places = [Completion::default(); 2];
    assert_eq!(cq.poll(&mut places), 2);
    assert!(places.iter().all(|c| c.status == Status::CANCELLED));
    assert!(notes.try_recv().is_err());
}

/// FLUSH-9: a silent request that is flushed is reported.
#[test]
fn flush_9_silent_requests_are_reported() {
    let pair = pair("flush_9");
    pair.a.qp.send(5, Data::NONE, OpFlags::SILENT_SUCCESS).unwrap();
    pair.a.qp.flush();
    assert_eq!(pair.a.ends(1), [(5, Status::CANCELLED)]);
}

/// FLUSH-10, FLUSH-11: what had ended before keeps its end, silence included, and its place in front.
#[test]
fn flush_11_real_results_precede_the_cancelled_ones() {
    let pair = pair("flush_11");
    let remote = pair.b.mr.remote(0).unwrap();
    pair.a.qp.write(1, &pair.a.sge(0, 8), remote, NONE).unwrap();
    pair.a.qp.write(2, &pair.a.sge(0, 8), remote, OpFlags::SILENT_SUCCESS).unwrap();
    stall(&pair, 3);
    pair.a.qp.flush();
    assert_eq!(pair.a.ends(2), [(1, Status::SUCCESS), (3, Status::CANCELLED)]);
    assert!(pair.a.is_quiet());
}

/// FLUSH-12, FLUSH-13: a flush that finds nothing does nothing, the second one included.
#[test]
fn flush_12_nothing_pending_nothing_said() {
    let adapter = adapter("flush_12");
    let (note, notes) = mpsc::channel();
    let notify = CqNotify::callback(move |_| note.send(()).unwrap());
    let cq = adapter.create_cq(8, notify).wait().unwrap();
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    cq.arm(NotifyType::Any);
    qp.flush();
    assert!(cq.is_empty() && notes.try_recv().is_err());
    qp.receive(1, &[]).unwrap();
    qp.flush();
    qp.flush();
    assert_eq!((cq.len(), notes.try_iter().count()), (1, 1));
}

/// FLUSH-14, FLUSH-15: posts that race with flushes are each completed exactly once.
#[test]
fn flush_15_a_post_that_races_is_completed_once() {
    const ROUNDS: u64 = 500;
    let adapter = adapter("flush_15");
    let cq = cq(&adapter, 2 * ROUNDS as u32);
    let pd = adapter.create_pd().wait().unwrap();
    let description = QpDescription::new(&cq).receive_depth(ROUNDS as u32);
    let qp = Arc::new(pd.create_qp(description).wait().unwrap());
    let poster = {
        let qp = Arc::clone(&qp);
        thread::spawn(move || (0..ROUNDS).for_each(|context| qp.receive(context, &[]).unwrap()))
    };
    while !poster.is_finished() {
        qp.flush();
    }
    poster.join().unwrap();
    qp.flush();
    let ends: Vec<_> = take(&cq, ROUNDS as usize).iter().map(|c| (c.request_context, c.status)).collect();
    assert_eq!(ends, all(0..ROUNDS, Status::CANCELLED));
    assert!(cq.is_empty());
}

/// FLUSH-16: deferred requests that nothing has indicated yet are pending too.
#[test]
fn flush_16_deferred_requests_are_cancelled() {
    let pair = pair("flush_16");
    for context in 0..3 {
        pair.a.qp.send(context, Data::NONE, OpFlags::DEFER).unwrap();
    }
    assert!(pair.a.is_quiet());
    pair.a.qp.flush();
    assert_eq!(pair.a.ends(3), all(0..3, Status::CANCELLED));
}

/// FLUSH-17, FLUSH-19: a flushed receive has no bytes, and the contexts that were given.
#[test]
fn flush_19_contexts_are_those_that_were_given() {
    let adapter = adapter("flush_19");
    let end = End::with(&adapter, |description| description.context(u64::MAX));
    end.qp.receive(u64::MAX - 1, &[end.sge(0, 8)]).unwrap();
    end.qp.flush();
    let taken = end.take(1);
    assert_eq!((taken[0].qp_context, taken[0].request_context), (u64::MAX, u64::MAX - 1));
    assert_eq!((taken[0].bytes_transferred, taken[0].kind), (0, OperationType::Receive));
}

/// FLUSH-20: cancelled entries satisfy a SOLICITED arm; CQ-18: and not an ERRORS arm.
#[test]
fn flush_20_a_solicited_arm_is_satisfied() {
    for (level, calls) in [(NotifyType::Solicited, 1), (NotifyType::Errors, 0)] {
        let adapter = adapter(&format!("flush_20_{level:?}"));
        let (note, notes) = mpsc::channel();
        let notify = CqNotify::callback(move |_| note.send(()).unwrap());
        let cq = adapter.create_cq(8, notify).wait().unwrap();
        let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
        cq.arm(level);
        qp.receive(1, &[]).unwrap();
        qp.flush();
        assert_eq!((cq.len(), notes.try_iter().count()), (1, calls));
    }
}

/// FLUSH-21: a queue pair that was flushed before connecting takes receives and connects.
#[test]
fn flush_21_an_unconnected_queue_pair_lives_on() {
    let adapter = adapter("flush_21");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    b.qp.receive(1, &[b.sge(0, 8)]).unwrap();
    b.qp.flush();
    assert_eq!(b.ends(1), [(1, Status::CANCELLED)]);
    b.qp.receive(2, &[b.sge(0, 8)]).unwrap();
    let _connection = connect(&adapter, &a.qp, &b.qp);
    a.qp.send(3, Data::Inline(&[b"alive"]), NONE).unwrap();
    assert_eq!((a.ends(1), b.ends(1)), (vec![(3, Status::SUCCESS)], vec![(2, Status::SUCCESS)]));
}

/// a connected queue pair stays connected, and later requests are carried out.
#[test]
fn flush_q3_a_connected_queue_pair_stays_connected() {
    let pair = pair("flush_q3");
    stall(&pair, 1);
    pair.a.qp.flush();
    assert_eq!(pair.a.ends(1), [(1, Status::CANCELLED)]);
    pair.b.qp.receive(2, &[pair.b.sge(0, 8)]).unwrap();
    pair.a.qp.send(3, Data::Inline(&[b"later"]), NONE).unwrap();
    assert_eq!(pair.a.ends(1), [(3, Status::SUCCESS)]);
    assert_eq!((pair.b.ends(1), pair.b.bytes(0, 5)), (vec![(2, Status::SUCCESS)], b"later".to_vec()));
}

/// FLUSH-23: after a refused connect a flush recovers the receives.
#[test]
fn flush_23_receives_come_back_after_a_refused_connect() {
    let adapter = adapter("flush_23");
    let end = End::new(&adapter);
    let (_listener, address, arrivals) = listen(&adapter);
    let connector = adapter.create_connector().wait().unwrap();
    end.qp.receive(1, &[]).unwrap();
    let limits = ReadLimits::default();
    let connecting = connector.connect(&end.qp, adapter.addresses()[0], address, limits, b"");
    arrivals.recv_timeout(PATIENCE).unwrap().reject(b"").unwrap();
    assert_eq!(connecting.wait().unwrap_err().status(), Status::CONNECTION_REFUSED);
    assert!(end.is_quiet());
    end.qp.flush();
    assert_eq!(end.ends(1), [(1, Status::CANCELLED)]);
}

/// FLUSH-25: a disconnect flushes without being asked; afterwards receives are cancelled, sends refused
///
#[test]
fn flush_25_disconnect_flushes() {
    let pair = pair("flush_25");
    pair.a.qp.receive(1, &[]).unwrap();
    let (here, there) = (pair.connection.active.disconnect(), pair.connection.passive.disconnect());
    here.wait().unwrap();
    there.wait().unwrap();
    assert_eq!(pair.a.ends(1), [(1, Status::CANCELLED)]);
    pair.a.qp.receive(2, &[]).unwrap();
    assert_eq!(pair.a.ends(1), [(2, Status::CANCELLED)]);
    let error = pair.a.qp.send(3, Data::NONE, NONE).unwrap_err();
    assert_eq!(error.status(), Status::CONNECTION_INVALID);
}

/// FLUSH-26, CQ-23: a flush can overrun a completion queue, and what fitted can be polled.
#[test]
fn flush_26_a_flush_can_overrun_the_completion_queue() {
    let adapter = adapter("flush_26");
    let cq = cq(&adapter, 2);
    let qp = adapter.create_pd().wait().unwrap().create_qp(QpDescription::new(&cq)).wait().unwrap();
    for context in 1..=3 {
        qp.receive(context, &[]).unwrap();
    }
    qp.flush();
    assert!(cq.has_overrun());
    let ends: Vec<_> = take(&cq, 2).iter().map(|c| (c.request_context, c.status)).collect();
    assert_eq!(ends, all(1..=2, Status::CANCELLED));
    let error = cq.wait(&mut [Completion::default()], None).unwrap_err();
    assert_eq!(error.status(), Status::BUFFER_OVERFLOW);
}

/// FLUSH-27: a flush inside the notification of the very completion queue returns.
#[test]
fn flush_27_flush_inside_a_notification() {
    let adapter = adapter("flush_27");
    let (hand, handed) = mpsc::channel::<Arc<qpair::ndk::Qp>>();
    let handed = std::sync::Mutex::new(handed);
    let (note, notes) = mpsc::channel();
    let notify = CqNotify::callback(move |event| {
        let qp = handed.lock().unwrap().try_recv().unwrap();
        qp.flush();
        note.send(event.poll(&mut [Completion::default(); 8])).unwrap();
    });
    let cq = adapter.create_cq(8, notify).wait().unwrap();
    let pd = adapter.create_pd().wait().unwrap();
    let qp = Arc::new(pd.create_qp(QpDescription::new(&cq)).wait().unwrap());
    let other = pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
    hand.send(Arc::clone(&qp)).unwrap();
    qp.receive(1, &[]).unwrap();
    other.receive(2, &[]).unwrap();
    cq.arm(NotifyType::Any);
    other.flush();
    assert_eq!(notes.recv_timeout(PATIENCE), Ok(2));
}

/// FLUSH-24: a flushed receive that was polled is not written any more.
#[test]
fn flush_24_no_byte_is_written_after_the_completion() {
    let pair = pair_with("flush_24", |d| d.receiver_not_ready(None));
    pair.b.qp.receive(1, &[pair.b.sge(0, 8)]).unwrap();
    pair.b.qp.flush();
    assert_eq!(pair.b.ends(1), [(1, Status::CANCELLED)]);
    stall(&pair, 2);
    pair.b.qp.receive(3, &[pair.b.sge(64, 128)]).unwrap();
    assert_eq!(pair.b.ends(1), [(3, Status::SUCCESS)]);
    assert_eq!((pair.b.bytes(0, 8), pair.b.bytes(64, 70)), (vec![0; 8], b"stalls".to_vec()));
}
