//! Disconnect and the death of a connection: CONN-29 to CONN-39.

use super::*;

/// The lines with the ends of disconnects, which come last, in alphabetical order.
///
/// Which side's data movement is over first depends on the passes of other threads.
fn ends_sorted(mut lines: Vec<String>) -> Vec<String> {
    let first = lines.iter().position(|line| line.contains("disconnect")).unwrap_or(lines.len());
    lines[first..].sort();
    lines
}

#[test]
fn conn_29_30_the_peers_notice_calls_the_event_once_and_flushes_nothing() {
    Net::each_family(|net| {
        let pair = Pair::connected_in(net);
        pair.passive_qp.post_receive(1, &[]).unwrap();
        pair.disconnect_active();
        assert_eq!(pair.lines(), ["passive event"]);
        assert_eq!(polled(&pair.passive_qp.receive_cq), []);
        pair.disconnect_passive();
        assert_eq!(ends_sorted(pair.lines()), ["active disconnect: ok", "passive disconnect: ok"]);
        assert_eq!(polled(&pair.passive_qp.receive_cq), [(1, Status::Flushed)]);
    });
}

#[test]
fn flush_25_what_finds_the_peer_gone_first_is_cancelled_by_the_farewell() {
    let pair = Pair::connected();
    send(&pair.active_qp, 1).unwrap();
    pair.disconnect_active();
    // The passive side's answer, as far as its queue pair has gone already and its message has not.
    pair.passive_qp.disconnect(|| ());
    send(&pair.active_qp, 2).unwrap();
    pair.net.drive();
    assert_eq!(polled(&pair.active_qp.send_cq), []);
    pair.disconnect_passive();
    let ends = ["passive event", "active disconnect: ok", "passive disconnect: ok"];
    assert_eq!(ends_sorted(pair.lines()), ends);
    assert_eq!(polled(&pair.active_qp.send_cq), [(1, Status::Flushed), (2, Status::Flushed)]);
}

#[test]
fn conn_31_32_and_close_12_an_abort_calls_the_peers_event_only() {
    let pair = Pair::connected();
    for qp in [&pair.active_qp, &pair.passive_qp] {
        qp.post_receive(1, &[]).unwrap();
    }
    pair.active.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["passive event", "closed"]);
    for qp in [&pair.active_qp, &pair.passive_qp] {
        assert_eq!(polled(&qp.receive_cq), [(1, Status::Flushed)]);
    }
}

#[test]
fn conn_31_a_queue_pair_that_fails_by_itself_ends_the_connection_on_both_sides() {
    let pair = Pair::connected();
    // The message comes to no receive in time, and both are told.
    let mut frame = crate::device::Frame::new();
    pair.net.device.enter_error(&pair.active_qp, &mut frame);
    pair.net.device.settle(frame);
    let mut lines = pair.lines();
    lines.sort();
    assert_eq!(lines, ["active event", "passive event"]);
    assert_eq!(pair.active.state(), State::Broken);
    assert_eq!(pair.passive.state(), State::Broken);
    pair.disconnect_active();
    assert_eq!(pair.lines(), ["active disconnect: Aborted"]);
}

#[test]
fn conn_32_no_event_after_the_consumer_has_spoken() {
    let pair = Pair::connected();
    // The event waits for the guard; the consumer disconnects meanwhile.
    let guard = callbacks::guard();
    pair.disconnect_active();
    pair.disconnect_passive();
    drop(guard);
    assert_eq!(pair.lines(), ["passive disconnect: ok", "active disconnect: ok"]);
}

#[test]
fn conn_33_a_disconnect_that_is_not_returned_times_out_and_38_the_peer_is_flushed() {
    let pair = Pair::connected();
    pair.passive_qp.post_receive(1, &[]).unwrap();
    pair.disconnect_active();
    assert_eq!(pair.lines(), ["passive event"]);
    pair.net.time_out();
    assert_eq!(pair.lines(), ["active disconnect: TimedOut"]);
    assert_eq!(polled(&pair.passive_qp.receive_cq), [(1, Status::Flushed)]);
    pair.disconnect_passive();
    assert_eq!(pair.lines(), ["passive disconnect: Aborted"]);
}

#[test]
fn conn_34_both_disconnect() {
    let pair = Pair::connected();
    pair.disconnect_active();
    pair.disconnect_passive();
    assert_eq!(
        ends_sorted(pair.lines()),
        ["passive event", "active disconnect: ok", "passive disconnect: ok"]
    );
}

#[test]
fn conn_35_after_a_disconnect_nothing_is_pending_and_nothing_is_sent() {
    let pair = Pair::connected();
    pair.active_qp.post_receive(1, &[]).unwrap();
    send(&pair.active_qp, 2).unwrap(); // waits for a receive
    pair.disconnect_active();
    pair.disconnect_passive();
    pair.lines();
    let mut flushed = polled(&pair.active_qp.receive_cq);
    flushed.sort_by_key(|(context, _)| *context);
    assert_eq!(flushed, [(1, Status::Flushed), (2, Status::Flushed)]);
    assert_eq!(send(&pair.active_qp, 3), Err(PostRefused::NotConnected));
    pair.active_qp.post_receive(4, &[]).unwrap();
    assert_eq!(polled(&pair.active_qp.receive_cq), [(4, Status::Flushed)]);
}

#[test]
fn conn_37_what_was_sent_before_a_disconnect_is_received() {
    let pair = Pair::connected();
    pair.passive_qp.post_receive(1, &[]).unwrap();
    send(&pair.active_qp, 2).unwrap();
    assert_eq!(polled(&pair.active_qp.send_cq), [(2, Status::Success)]);
    pair.disconnect_active();
    pair.lines();
    assert_eq!(polled(&pair.passive_qp.receive_cq), [(1, Status::Success)]);
}

#[test]
fn conn_38_the_peer_that_has_parted_vanishes() {
    let pair = Pair::connected();
    pair.passive_qp.post_receive(1, &[]).unwrap();
    pair.disconnect_active();
    assert_eq!(pair.lines(), ["passive event"]);
    pair.active.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["active disconnect: Cancelled", "closed"]);
    assert_eq!(polled(&pair.passive_qp.receive_cq), [(1, Status::Flushed)]);
}

#[test]
fn disconnecting_inside_the_event() {
    let pair = Pair::accepted();
    let (passive, diary) = (Arc::clone(&pair.passive), pair.net.diary.clone());
    let active = Arc::clone(&pair.active);
    let event: Task = Box::new(move || {
        diary.note("active event");
        active.disconnect(diary.done("active disconnect"));
    });
    pair.active.complete_connect(Some(event), pair.net.diary.done("complete"));
    pair.net.diary.lines();
    passive.disconnect(pair.net.diary.done("passive disconnect"));
    assert_eq!(
        ends_sorted(pair.lines()),
        ["active event", "active disconnect: ok", "passive disconnect: ok"]
    );
}

#[test]
fn a_panic_in_one_callback_harms_no_other() {
    let pair = Pair::asked();
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pair.passive.accept(
            &pair.passive_qp,
            LIMITS,
            b"",
            pair.net.diary.callback("event"),
            Box::new(|_| {}),
        );
        pair.active.complete_connect(None, Box::new(|_| panic!("mine")));
    }));
    assert_eq!(*end.unwrap_err().downcast_ref::<&str>().unwrap(), "mine");
    pair.disconnect_active();
    pair.disconnect_passive();
    let lines = ["connect: ok", "event", "active disconnect: ok", "passive disconnect: ok"];
    assert_eq!(ends_sorted(pair.lines()), lines);
}
