//! What closes wait for: CLOSE-7, CLOSE-10, CLOSE-11 and CLOSE-13, and that nothing is left behind.

use super::*;

#[test]
fn close_7_a_pending_call_ends_before_the_close() {
    let pair = Pair::asked();
    pair.active.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["connect: Cancelled", "closed"]);
    let pair = Pair::accepted();
    pair.passive.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["accept: Cancelled", "closed"]);
    let pair = Pair::connected();
    pair.disconnect_active();
    pair.active.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["passive event", "active disconnect: Cancelled", "closed"]);
}

#[test]
fn close_11_inside_the_disconnect_event() {
    let pair = Pair::accepted();
    let (active, diary) = (Arc::clone(&pair.active), pair.net.diary.clone());
    let event: Task = Box::new(move || {
        active.close(diary.callback("closed"));
        assert!(!active.life.is_closed());
        diary.note("event returns");
    });
    pair.active.complete_connect(Some(event), pair.net.diary.done("complete"));
    pair.net.diary.lines();
    pair.passive.close(None);
    assert_eq!(pair.lines(), ["event returns", "closed"]);
}

#[test]
fn close_13_a_queue_pair_waits_for_the_connector_it_is_tied_to() {
    let pair = Pair::connected();
    pair.active_qp.close(pair.net.diary.callback("qp closed"));
    let lines = pair.lines();
    assert!(lines.contains(&"passive event".to_owned()) && !lines.contains(&"qp closed".to_owned()));
    pair.active.close(pair.net.diary.callback("connector closed"));
    assert_eq!(pair.lines(), ["connector closed", "qp closed"]);
}

#[test]
fn close_13_holds_also_for_an_attempt_that_is_abandoned() {
    let pair = Pair::asked();
    pair.active_qp.close(pair.net.diary.callback("qp closed"));
    assert_eq!(pair.lines(), [""; 0]);
    pair.active.close(pair.net.diary.callback("connector closed"));
    assert_eq!(pair.lines(), ["connect: Cancelled", "connector closed", "qp closed"]);
}

#[test]
fn close_13_ends_with_an_attempt_that_failed() {
    let net = Net::new();
    let (connector, qp) = (net.connector(), net.qp());
    net.connect(&connector, &qp);
    qp.close(net.diary.callback("qp closed"));
    net.drive();
    assert_eq!(net.diary.lines(), ["connect: Refused", "qp closed"]);
}

#[test]
fn close_10_the_adapter_waits_for_all_of_them() {
    let pair = Pair::connected();
    let mut outbox = callbacks::Outbox::new();
    let begun = pair.net.adapter.begin_close(pair.net.diary.callback("adapter closed"), &mut outbox);
    outbox.emit();
    assert!(begun);
    pair.listener.close(pair.net.diary.callback("listener closed"));
    pair.active.close(None);
    assert_eq!(pair.lines(), ["passive event"]);
    pair.passive.close(None);
    assert_eq!(pair.lines(), ["listener closed", "adapter closed"]);
}

#[test]
fn a_connector_closes_once_and_by_its_drop() {
    let pair = Pair::connected();
    pair.active.close(pair.net.diary.callback("closed"));
    pair.active.close(pair.net.diary.callback("not called"));
    assert_eq!(pair.lines(), ["passive event", "closed"]);
    let Pair { net, active, passive, .. } = Pair::connected();
    let life = Arc::clone(&active.life);
    drop(active);
    assert!(life.is_closed());
    assert_eq!(net.diary.lines(), ["passive event"]);
    drop(passive);
}

#[test]
fn calls_after_the_close_are_refused() {
    let pair = Pair::connected();
    pair.active.close(None);
    pair.lines();
    pair.complete();
    pair.disconnect_active();
    pair.net.connect(&pair.active, &pair.net.qp());
    let refused = ["complete: Invalid call", "active disconnect: Invalid call", "connect: Invalid call"];
    assert_eq!(pair.lines(), refused);
}

/// A consumer's closure that notes where it is dropped.
struct Owned(Arc<Connector>, Diary);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.close(None); // would wait for itself below the connector's lock
        self.1.note("dropped");
    }
}

#[test]
fn closures_are_dropped_where_they_may_call_and_as_soon_as_they_are_idle() {
    let net = Net::new();
    let (connector, diary) = (net.connector(), net.diary.clone());
    let owned = Owned(Arc::clone(&connector), diary.clone());
    let event: Task = Box::new(move || drop(owned));
    connector.complete_connect(Some(event), net.diary.done("complete"));
    assert_eq!(net.diary.lines(), ["complete: Invalid call", "dropped"]);
    assert!(connector.life.is_closed());

    let pair = Pair::accepted();
    let owned = Owned(Arc::clone(&pair.active), pair.net.diary.clone());
    pair.active.complete_connect(Some(Box::new(move || drop(owned))), pair.net.diary.done("complete"));
    pair.active.close(pair.net.diary.callback("closed"));
    let lines = ["accept: ok", "complete: ok", "dropped", "passive event", "closed"];
    assert_eq!(pair.lines(), lines);
}

#[test]
fn nothing_is_kept_alive_by_what_is_closed() {
    let pair = Pair::connected();
    let sides = [Arc::downgrade(&pair.active), Arc::downgrade(&pair.passive)];
    let qps = [Arc::downgrade(&pair.active_qp), Arc::downgrade(&pair.passive_qp)];
    let listener = Arc::downgrade(&pair.listener);
    let exchange = Arc::downgrade(&pair.net.exchange);
    pair.active_qp.close(None);
    pair.passive_qp.close(None);
    let net = pair.into_net();
    assert!(sides.iter().all(|side| side.strong_count() == 0));
    assert!(qps.iter().all(|qp| qp.strong_count() == 0));
    assert_eq!(listener.strong_count(), 0);
    drop(net);
    assert_eq!(exchange.strong_count(), 0);
}
