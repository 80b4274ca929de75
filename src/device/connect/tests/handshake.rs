//! From the request to the connection: CONN-1 to CONN-28, CONN-36, CONN-41 and CONN-43.

use super::*;

#[test]
fn conn_1_2_3_connect_ends_before_and_accept_with_the_completion() {
    Net::each_family(|net| {
        let pair = Pair::asked_in(net);
        assert_eq!(pair.lines(), [""; 0]);
        pair.accept();
        assert_eq!(pair.lines(), ["connect: ok"]);
        assert_eq!(send(&pair.active_qp, 1), Err(PostRefused::NotConnected));
        assert_eq!(send(&pair.passive_qp, 1), Err(PostRefused::NotConnected));
        pair.complete();
        assert_eq!(pair.lines(), ["accept: ok", "complete: ok"]);
        let ends = [(&pair.active_qp, &pair.passive_qp), (&pair.passive_qp, &pair.active_qp)];
        for (from, to) in ends {
            to.post_receive(2, &[]).unwrap();
            send(from, 1).unwrap();
            assert_eq!(polled(&from.send_cq), [(1, Status::Success)]);
            assert_eq!(polled(&to.receive_cq), [(2, Status::Success)]);
        }
        assert_eq!(pair.active.peer_address(), pair.passive.local_address());
        assert_eq!(pair.active.local_address(), pair.passive.peer_address());
    });
}

#[test]
fn conn_4_and_39_calls_out_of_place_are_refused() {
    let net = Net::new();
    let connector = net.connector();
    connector.complete_connect(net.diary.callback("event"), net.diary.done("complete"));
    connector.accept(&net.qp(), LIMITS, b"", None, net.diary.done("accept"));
    connector.disconnect(net.diary.done("disconnect"));
    assert_eq!(
        net.diary.lines(),
        ["complete: Invalid call", "accept: Invalid call", "disconnect: Invalid call"]
    );
    assert_eq!(said(connector.reject(b"")), "Invalid call");
    assert_eq!(connector.connection_data(), None);
}

#[test]
fn conn_5_23_nobody_listens_and_the_same_connector_tries_again() {
    Net::each_family(|net| {
        let (connector, qp) = (net.connector(), net.qp());
        qp.post_receive(1, &[]).unwrap();
        net.connect_from(&connector, &qp, 50_000);
        assert_eq!(net.diary.lines(), ["connect: Refused"]);
        let _listener = net.listener();
        net.connect_from(&connector, &qp, 50_000);
        assert_eq!(net.arrived().unwrap().peer_address(), Some(net.at(50_000)));
        assert_eq!(qp.counters().receives_pending, 1); // CONN-22
    });
}

#[test]
fn conn_6_7_22_23_a_reject_brings_its_words_and_leaves_all_as_before() {
    let pair = Pair::asked();
    pair.active_qp.post_receive(1, &[]).unwrap();
    let (limits, words) = pair.passive.connection_data().unwrap();
    assert_eq!((limits, &words[..]), (LIMITS, &b"hello"[..]));
    assert_eq!(pair.passive.reject(b"no"), Ok(()));
    assert_eq!(pair.lines(), ["connect: Refused"]);
    assert_eq!(pair.active.connection_data().unwrap().1, b"no");
    assert_eq!(polled(&pair.active_qp.receive_cq), []);
    // From the same port, before the rejected connector is closed.
    let port = pair.active.local_address().unwrap().port();
    pair.net.connect_from(&pair.active, &pair.active_qp, port);
    let second = pair.net.arrived().expect("the attempt arrives");
    second.accept(&pair.passive_qp, LIMITS, b"", None, pair.net.diary.done("accept"));
    pair.complete();
    assert_eq!(pair.lines(), ["connect: ok", "accept: ok", "complete: ok"]);
    // The first passive connector has no say in it any more.
    pair.passive.close(None);
    send(&pair.passive_qp, 2).unwrap();
    assert_eq!(polled(&pair.active_qp.receive_cq), [(1, Status::Success)]);
}

#[test]
fn conn_8_the_active_side_rejects() {
    let pair = Pair::accepted();
    assert_eq!(pair.active.connection_data().unwrap().1, b"welcome");
    assert_eq!(pair.active.reject(b""), Ok(()));
    assert_eq!(pair.lines(), ["accept: Refused"]);
    assert!(pair.passive_qp.tie(), "given back");
}

#[test]
fn conn_9_the_active_side_closes_before_it_completes() {
    let pair = Pair::accepted();
    pair.active.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["accept: Refused", "closed"]);
}

#[test]
fn conn_10_11_the_active_side_was_gone_before_the_answer() {
    let pair = Pair::asked();
    pair.active.close(None);
    assert_eq!(pair.lines(), ["connect: Cancelled"]);
    pair.accept();
    assert_eq!(pair.lines(), ["accept: Aborted"]);
    assert!(pair.passive_qp.tie(), "given back");
    let pair = Pair::asked();
    pair.active.close(None);
    assert_eq!(said(pair.passive.reject(b"no")), "Aborted");
}

#[test]
fn conn_12_13_words_that_are_too_long_change_nothing() {
    let pair = Pair::asked();
    let (net, other) = (&pair.net, pair.net.connector());
    let qp = net.qp();
    other.connect(&qp, net.at(0), net.at(PORT), LIMITS, &[1; 57], net.diary.done("connect"));
    pair.passive.accept(&pair.passive_qp, LIMITS, &[1; 149], None, net.diary.done("accept"));
    assert_eq!(pair.lines(), ["connect: TooLong", "accept: TooLong"]);
    assert_eq!(said(pair.passive.reject(&[1; 149])), "TooLong");
    other.connect(&qp, net.at(0), net.at(PORT), LIMITS, &[1; 56], net.diary.done("connect"));
    pair.passive.accept(&pair.passive_qp, LIMITS, &[2; 148], None, net.diary.done("accept"));
    assert_eq!(pair.active.connection_data().unwrap().1, [2; 148]);
    assert_eq!(net.arrived().unwrap().connection_data().unwrap().1, [1; 56]); // CONN-14 as well
}

#[test]
fn conn_17_18_19_limits_are_capped_and_agreed() {
    let net = Net::new();
    let _listener = net.listener();
    let cases = [((100, 8), (2, 100), (16, 2)), ((0, 0), (5, 5), (0, 0)), ((3, 9), (16, 16), (3, 9))];
    for (active, passive, agreed) in cases {
        let limits = |(inbound, outbound)| ReadLimits { inbound, outbound };
        let connector = net.connector();
        connector.connect(&net.qp(), net.at(0), net.at(PORT), limits(active), b"", net.diary.done("connect"));
        let other = net.arrived().unwrap();
        other.accept(&net.qp(), limits(passive), b"", None, net.diary.done("accept"));
        assert_eq!(connector.connection_data().unwrap().0, limits(agreed));
        connector.complete_connect(None, net.diary.done("complete"));
        assert_eq!(net.diary.lines(), ["connect: ok", "accept: ok", "complete: ok"]);
    }
}

#[test]
fn conn_21_connector_or_queue_pair_is_taken() {
    let pair = Pair::asked();
    let (net, other) = (&pair.net, pair.net.connector());
    for _ in ["connecting", "connected"] {
        net.connect(&pair.active, &net.qp());
        net.connect(&other, &pair.active_qp);
        assert_eq!(pair.lines(), ["connect: Active call", "connect: QpBusy"]);
        pair.accept();
        pair.complete();
        net.diary.lines();
    }
    net.connect(&other, &net.qp());
    assert_eq!(net.arrived().unwrap().local_address(), Some(net.at(PORT)));
}

#[test]
fn conn_24_after_a_failed_accept_the_connector_is_of_no_use() {
    let pair = Pair::accepted();
    pair.active.close(None);
    pair.net.diary.lines();
    pair.accept();
    pair.net.connect(&pair.passive, &pair.passive_qp);
    assert_eq!(pair.lines(), ["accept: Invalid call", "connect: Invalid call"]);
}

#[test]
fn conn_25_26_28_local_addresses_that_cannot_be_had() {
    Net::each_family(|net| {
        let pair = Pair::asked_in(net);
        let (net, other, qp) = (&pair.net, pair.net.connector(), pair.net.qp());
        let taken = pair.active.local_address().unwrap();
        let to = |local, remote| other.connect(&qp, local, remote, LIMITS, b"", net.diary.done("connect"));
        to(taken, net.at(9));
        to(taken, net.at(PORT));
        to("10.9.9.9:0".parse().unwrap(), net.at(PORT));
        let refused = ["connect: SharingViolation", "connect: AlreadyExists", "connect: InvalidAddress"];
        assert_eq!(pair.lines(), refused);
        // Another adapter's address is none of ours, though the NET knows it.
        let foreign: IpAddr = "10.0.0.2".parse().unwrap();
        net.exchange.add_address(foreign);
        to(SocketAddr::new(foreign, 0), net.at(PORT));
        assert_eq!(pair.lines(), ["connect: InvalidAddress"]);
        assert!(qp.tie(), "given back each time");
    });
}

#[test]
fn conn_28_the_passive_side_still_has_that_connection() {
    let pair = Pair::connected();
    let port = pair.active.local_address().unwrap().port();
    pair.active.close(None);
    assert_eq!(pair.lines(), ["passive event"]);
    let (other, qp) = (pair.net.connector(), pair.net.qp());
    pair.net.connect_from(&other, &qp, port);
    assert_eq!(pair.lines(), ["connect: AddressExists"]);
    pair.passive.close(None);
    let third = pair.net.connector();
    pair.net.connect_from(&third, &qp, port);
    assert!(pair.net.arrived().is_some());
}

#[test]
fn no_route_and_no_host() {
    let net = Net::new();
    let (connector, qp) = (net.connector(), net.qp());
    for remote in ["10.0.0.2:7", "[fd00::1]:7"] {
        let done = net.diary.done("connect");
        connector.connect(&qp, net.at(0), remote.parse().unwrap(), LIMITS, b"", done);
    }
    assert_eq!(net.diary.lines(), ["connect: HostUnreachable", "connect: NetworkUnreachable"]);
    // An address is reachable as long as one adapter has it.
    let second: IpAddr = "10.0.0.2".parse().unwrap();
    let mut heard = vec![];
    for change in
        [Exchange::add_address, Exchange::add_address, Exchange::remove_address, Exchange::remove_address]
    {
        change(&net.exchange, second);
        let done = net.diary.done("connect");
        connector.connect(&qp, net.at(0), SocketAddr::new(second, 7), LIMITS, b"", done);
        heard.extend(net.diary.lines());
    }
    let (refused, unreachable) = ("connect: Refused", "connect: HostUnreachable");
    assert_eq!(heard, [refused, refused, refused, unreachable]);
}

#[test]
fn waits_for_the_peer_end_and_those_for_the_consumer_do_not() {
    let pair = Pair::asked();
    pair.net.time_out();
    assert_eq!(pair.lines(), ["connect: TimedOut"]);
    pair.accept();
    assert_eq!(pair.lines(), ["accept: Aborted"]);
    let pair = Pair::accepted();
    pair.net.time_out();
    assert_eq!(pair.lines(), ["accept: TimedOut"]);
    pair.complete();
    assert_eq!(pair.lines(), ["complete: Aborted"]);
    assert!(pair.active_qp.tie() && pair.passive_qp.tie(), "both given back");
    // Connected, nobody waits.
    let pair = Pair::connected();
    assert_eq!(pair.net.exchange.handle_timeouts(Time::from_nanos(u64::MAX)), None);
}

#[test]
fn timeouts_are_settable_for_connectors_to_come() {
    let net = Net::new();
    let short = Span::from_millis(5);
    net.exchange.set_timeouts(Timeouts { connect: short, ..Timeouts::default() });
    let pair = Pair::asked_in(net);
    assert_eq!(pair.net.exchange.handle_timeouts(Time::ZERO), Some(Time::ZERO + short));
    assert_eq!(pair.lines(), [""; 0]);
}

#[test]
fn conn_36_a_disconnected_pair_connects_never_again() {
    let pair = Pair::connected();
    pair.disconnect_active();
    pair.disconnect_passive();
    pair.lines();
    pair.net.connect(&pair.active, &pair.net.qp());
    pair.net.connect(&pair.net.connector(), &pair.active_qp);
    pair.net.connect(&pair.net.connector(), &pair.passive_qp);
    assert_eq!(pair.lines(), ["connect: Invalid call", "connect: QpBusy", "connect: QpBusy"]);
}

#[test]
fn conn_41_and_close_11_closing_inside_the_end_of_a_call() {
    let net = Net::new();
    let _listener = net.listener();
    let (connector, qp) = (net.connector(), net.qp());
    let (diary, closed) = (net.diary.clone(), net.diary.callback("closed"));
    let inner = Arc::clone(&connector);
    let done: Done = Box::new(move |end| {
        inner.close(closed);
        diary.note(format!("connect: {}", said(end)));
    });
    connector.connect(&qp, net.at(0), net.at(PORT), LIMITS, b"", done);
    let passive = net.arrived().unwrap();
    passive.accept(&net.qp(), LIMITS, b"", None, net.diary.done("accept"));
    assert_eq!(net.diary.lines(), ["connect: ok", "accept: Refused", "closed"]);
    assert!(connector.life.is_closed());
}

#[test]
fn conn_43_who_has_received_may_answer_though_its_accept_has_not_ended() {
    let pair = Pair::accepted();
    pair.passive_qp.post_receive(1, &[]).unwrap();
    pair.active_qp.post_receive(2, &[]).unwrap();
    let (qp, other) = (Arc::clone(&pair.active_qp), Arc::clone(&pair.passive_qp));
    // Another thread is at the passive side's deeds, so the accept cannot end yet.
    pair.passive.side.while_served_elsewhere(|| {
        pair.complete();
        assert_eq!(pair.net.diary.lines(), ["complete: ok"]);
        send(&qp, 3).unwrap();
        assert_eq!(polled(&other.receive_cq), [(1, Status::Success)]);
        send(&other, 4).unwrap();
        let mut ends = polled(&qp.receive_cq);
        ends.sort_by_key(|(context, _)| *context);
        assert_eq!(ends, [(2, Status::Success), (3, Status::Success)]);
    });
    assert_eq!(pair.net.diary.lines(), ["accept: ok"]);
}

#[test]
fn a_queue_pair_that_was_dead_before_fails_the_call() {
    let net = Net::new();
    let _listener = net.listener();
    let qp = net.qp();
    qp.error();
    net.connect(&net.connector(), &qp);
    assert_eq!(net.diary.lines(), ["connect: Aborted",]);
    let pair = Pair::asked();
    pair.passive_qp.error();
    pair.accept();
    assert_eq!(pair.lines(), ["connect: ok", "accept: Aborted"]);
    pair.complete();
    assert_eq!(pair.lines(), ["complete: Aborted"]);
}
