//! CONN-*: the handshake, what goes wrong in it, and parting.

use crate::world::{End, PATIENCE, READS, adapter, all, connect, connect_with, listen, pair};
use qpair::ndk::{
    Adapter, Clock, ConnectionData, Connector, Data, ManualClock, OnDisconnect, OpFlags, ReadLimits, Status,
    Timeouts,
};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

const IGNORE: fn() -> OnDisconnect = OnDisconnect::ignore;

/// Two ends, a connect that has reached the passive consumer, and what it needs to go on.
struct Asked {
    a: End,
    b: End,
    active: Connector,
    connecting: qpair::ndk::Request<()>,
    passive: Connector,
    at: SocketAddr,
    to: SocketAddr,
    adapter: Adapter,
    _listener: qpair::ndk::Listener,
}

fn ask(test: &str, data: &[u8]) -> Asked {
    let adapter = adapter(test);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (listener, to, arrivals) = listen(&adapter);
    let active = adapter.create_connector().wait().unwrap();
    let at = adapter.addresses()[0];
    let connecting = active.connect(&a.qp, at, to, READS, data);
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    Asked { a, b, active, connecting, passive, at, to, adapter, _listener: listener }
}

/// CONN-1, CONN-2, CONN-3: connect is done by the accept, accept by the completion.
#[test]
fn conn_3_three_legs() {
    let asked = ask("conn_3", b"");
    let connecting = asked.connecting.now().unwrap_err();
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", IGNORE()).now().unwrap_err();
    connecting.now().unwrap().unwrap();
    assert_eq!(
        asked.a.qp.send(1, Data::NONE, OpFlags::NONE).unwrap_err().status(),
        Status::CONNECTION_INVALID
    );
    let accepting = accepting.now().unwrap_err();
    asked.active.complete_connect(IGNORE()).now().unwrap().unwrap();
    accepting.now().unwrap().unwrap();
    asked.b.qp.receive(2, &[]).unwrap();
    asked.a.qp.send(1, Data::NONE, OpFlags::NONE).unwrap();
    assert_eq!((asked.a.ends(1), asked.b.ends(1)), (all([1], Status::SUCCESS), all([2], Status::SUCCESS)));
}

/// CONN-4, CONN-39: calls of another state.
#[test]
fn conn_4_calls_at_the_wrong_time() {
    let adapter = adapter("conn_4");
    let end = End::new(&adapter);
    let connector = adapter.create_connector().wait().unwrap();
    for error in [
        connector.complete_connect(IGNORE()).wait().unwrap_err(),
        connector.disconnect().wait().unwrap_err(),
        connector.accept(&end.qp, READS, b"", IGNORE()).wait().unwrap_err(),
        connector.reject(b"").unwrap_err(),
        connector.connection_data().unwrap_err(),
        connector.local_address().unwrap_err(),
        connector.peer_address().unwrap_err(),
    ] {
        assert_eq!(error.status(), Status::CONNECTION_INVALID, "{error}");
        assert!(error.hint().is_some());
    }
}

/// CONN-5, CONN-23: nobody listens; the same connector may try again, and be heard.
#[test]
fn conn_5_nobody_listens() {
    let adapter = adapter("conn_5");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let at = adapter.addresses()[0];
    let connector = adapter.create_connector().wait().unwrap();
    let nobody = SocketAddr::new(at.ip(), 7);
    let error = connector.connect(&a.qp, at, nobody, READS, b"").wait().unwrap_err();
    assert_eq!((error.status(), error.call()), (Status::CONNECTION_REFUSED, "NdkConnect"));
    let (_listener, to, arrivals) = listen(&adapter);
    let connecting = connector.connect(&a.qp, at, to, READS, b"");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = passive.accept(&b.qp, READS, b"", IGNORE());
    connecting.wait().unwrap();
    connector.complete_connect(IGNORE()).wait().unwrap();
    accepting.wait().unwrap();
}

/// CONN-6, CONN-7, CONN-22: a reject, its words, and receives that are still there.
#[test]
fn conn_7_a_reject_carries_words() {
    let asked = ask("conn_7", b"please");
    asked.a.qp.receive(1, &[]).unwrap();
    assert_eq!(asked.passive.connection_data().unwrap().private_data, b"please");
    asked.passive.reject(b"not today").unwrap();
    assert_eq!(asked.connecting.wait().unwrap_err().status(), Status::CONNECTION_REFUSED);
    assert_eq!(asked.active.connection_data().unwrap().private_data, b"not today");
    assert_eq!(asked.a.qp.counters().receives_pending, 1);
}

/// CONN-8, CONN-9: the active side rejects, or closes, after its connect succeeded.
#[test]
fn conn_8_the_active_side_changes_its_mind() {
    for closes in [false, true] {
        let asked = ask(&format!("conn_8_{closes}"), b"");
        let accepting = asked.passive.accept(&asked.b.qp, READS, b"", IGNORE());
        asked.connecting.wait().unwrap();
        if closes {
            asked.active.close().wait().unwrap();
        } else {
            asked.active.reject(b"sorry").unwrap();
        }
        assert_eq!(accepting.wait().unwrap_err().status(), Status::CONNECTION_REFUSED);
    }
}

/// CONN-10, CONN-11: the active side has given up before the passive consumer answers.
#[test]
fn conn_10_given_up_before_the_answer() {
    let asked = ask("conn_10", b"");
    drop(asked.active);
    let error = asked.passive.accept(&asked.b.qp, READS, b"", IGNORE()).wait().unwrap_err();
    assert_eq!(error.status(), Status::CONNECTION_ABORTED);
    let asked = ask("conn_11", b"");
    drop(asked.active);
    assert_eq!(asked.passive.reject(b"").unwrap_err().status(), Status::CONNECTION_ABORTED);
}

/// CONN-12, CONN-13, CONN-14: private data of each length, each way; too much is refused without harm.
#[test]
fn conn_12_private_data_has_a_maximum() {
    let adapter = adapter("conn_12");
    let (info, at) = (adapter.info().clone(), adapter.addresses()[0]);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (_listener, to, arrivals) = listen(&adapter);
    let active = adapter.create_connector().wait().unwrap();
    let (caller, callee) = (vec![1; info.max_caller_data], vec![2; info.max_callee_data]);
    let error = active.connect(&a.qp, at, to, READS, &[1; 57]).wait().unwrap_err();
    assert_eq!(
        (error.status(), error.got(), error.limit()),
        (Status::INVALID_BUFFER_SIZE, Some("57"), Some("56"))
    );
    let connecting = active.connect(&a.qp, at, to, READS, &caller);
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    assert_eq!(passive.connection_data().unwrap().private_data, caller);
    let error = passive.accept(&b.qp, READS, &[2; 149], IGNORE()).wait().unwrap_err();
    assert_eq!((error.status(), error.limit()), (Status::INVALID_BUFFER_SIZE, Some("148")));
    assert_eq!(passive.reject(&[2; 149]).unwrap_err().status(), Status::INVALID_BUFFER_SIZE);
    let accepting = passive.accept(&b.qp, READS, &callee, IGNORE());
    connecting.wait().unwrap();
    assert_eq!(active.connection_data().unwrap().private_data, callee);
    active.complete_connect(IGNORE()).wait().unwrap();
    accepting.wait().unwrap();
    assert!(active.connection_data().is_err() && passive.connection_data().is_err());
}

/// CONN-17, CONN-18: limits are capped silently, and both sides agree on the smaller ones.
#[test]
fn conn_18_read_limits_are_agreed() {
    let adapter = adapter("conn_18");
    let (a, b, at) = (End::new(&adapter), End::new(&adapter), adapter.addresses()[0]);
    let (_listener, to, arrivals) = listen(&adapter);
    let active = adapter.create_connector().wait().unwrap();
    let wish = ReadLimits { inbound: 9, outbound: 100_000 };
    let connecting = active.connect(&a.qp, at, to, wish, b"");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let maximum = adapter.info().max_outbound_read_limit;
    let asked = ConnectionData { limits: ReadLimits { inbound: maximum, outbound: 9 }, private_data: vec![] };
    assert_eq!(passive.connection_data().unwrap(), asked);
    let accepting = passive.accept(&b.qp, ReadLimits { inbound: 3, outbound: 4 }, b"", IGNORE());
    connecting.wait().unwrap();
    assert_eq!(active.connection_data().unwrap().limits, ReadLimits { inbound: 4, outbound: 3 });
    active.complete_connect(IGNORE()).wait().unwrap();
    accepting.wait().unwrap();
    // CONN-20: more reads than the limit wait their turn.
    for context in 0..10 {
        a.qp.read(context, &[a.sge(0, 8)], b.mr.remote(0).unwrap(), OpFlags::DEFER).unwrap();
    }
    a.qp.read(10, &[a.sge(0, 8)], b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap();
    assert_eq!(a.ends(11), all(0..11, Status::SUCCESS));
}

/// CONN-19: no reads at all in either direction.
#[test]
fn conn_19_limits_of_zero() {
    let adapter = adapter("conn_19");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let _connection = connect_with(&adapter, &a.qp, &b.qp, ReadLimits::default(), IGNORE(), IGNORE());
}

/// CONN-21: connector and queue pair are connected, or connecting, once at a time.
#[test]
fn conn_21_one_connection_at_a_time() {
    let pair = pair("conn_21");
    let (_listener, to, _arrivals) = listen(&pair.adapter);
    let (at, other) = (pair.adapter.addresses()[0], pair.adapter.create_connector().wait().unwrap());
    let error = other.connect(&pair.a.qp, at, to, READS, b"").wait().unwrap_err();
    assert_eq!(error.status(), Status::CONNECTION_ACTIVE);
    let third = End::new(&pair.adapter);
    let error = pair.connection.active.connect(&third.qp, at, to, READS, b"").wait().unwrap_err();
    assert_eq!(error.status(), Status::CONNECTION_ACTIVE);
    // Neither refusal has harmed the one that was not at fault.
    let _connecting = other.connect(&third.qp, at, to, READS, b"").now().unwrap_err();
}

/// CONN-25, CONN-26, CONN-28: local addresses that cannot be had.
#[test]
fn conn_25_local_addresses() {
    let asked = ask("conn_25", b"");
    let other = asked.adapter.create_connector().wait().unwrap();
    let third = End::new(&asked.adapter);
    let try_from = |local, to| other.connect(&third.qp, local, to, READS, b"").wait().unwrap_err();
    let taken = asked.active.local_address().unwrap();
    assert_eq!(taken, asked.passive.peer_address().unwrap());
    let elsewhere = SocketAddr::new(asked.at.ip(), 9);
    let error = try_from(taken, elsewhere);
    assert_eq!((error.status(), error.got()), (Status::SHARING_VIOLATION, Some(&*taken.to_string())));
    assert_eq!(try_from(taken, asked.to).status(), Status::ADDRESS_ALREADY_EXISTS);
    let error = try_from("10.9.8.7:0".parse().unwrap(), asked.to);
    assert_eq!((error.status(), error.argument()), (Status::INVALID_ADDRESS, Some("LocalAddress")));
}

/// Nobody has that address, or not even its family.
#[test]
fn conn_unreachable() {
    let adapter = Adapter::open("local/conn_unreachable@10.0.0.1").unwrap();
    let end = End::new(&adapter);
    let connector = adapter.create_connector().wait().unwrap();
    let at = adapter.addresses()[0];
    for (to, status) in
        [("10.0.0.2:5", Status::HOST_UNREACHABLE), ("[fd00::2]:5", Status::NETWORK_UNREACHABLE)]
    {
        let error = connector.connect(&end.qp, at, to.parse().unwrap(), READS, b"").wait().unwrap_err();
        assert_eq!(error.status(), status);
    }
}

/// Q-16, CONN-33: waits for the peer end by the NET's clock, and by it alone.
#[test]
fn conn_33_waits_end_by_the_clock() {
    let clock = ManualClock::new();
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        accept: Duration::from_secs(2),
        disconnect: Duration::from_secs(3),
    };
    let name = "local/conn_33";
    let adapter =
        Adapter::options(name).clock(Clock::Manual(clock.clone())).timeouts(timeouts).open().unwrap();
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (at, (_listener, to, arrivals)) = (adapter.addresses()[0], listen(&adapter));
    let active = adapter.create_connector().wait().unwrap();
    let connecting = active.connect(&a.qp, at, to, READS, b"").now().unwrap_err();
    clock.advance(timeouts.connect);
    assert_eq!(connecting.wait().unwrap_err().status(), Status::IO_TIMEOUT);
    drop(arrivals.recv_timeout(PATIENCE).unwrap());

    let connecting = active.connect(&a.qp, at, to, READS, b"");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = passive.accept(&b.qp, READS, b"", IGNORE()).now().unwrap_err();
    connecting.wait().unwrap();
    clock.advance(timeouts.accept);
    assert_eq!(accepting.wait().unwrap_err().status(), Status::IO_TIMEOUT);

    let (c, d) = (End::new(&adapter), End::new(&adapter));
    let connection = connect(&adapter, &c.qp, &d.qp);
    c.qp.receive(1, &[]).unwrap();
    let leaving = connection.active.disconnect().now().unwrap_err();
    clock.advance(timeouts.disconnect);
    assert_eq!(leaving.wait().unwrap_err().status(), Status::IO_TIMEOUT);
    assert_eq!(c.ends(1), all([1], Status::CANCELLED));
}

/// CONN-29, CONN-30, CONN-32: the event of a graceful parting comes once, cancels nothing, and only at the
/// peer.
#[test]
fn conn_29_the_disconnect_event() {
    let adapter = adapter("conn_29");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (note, notes) = mpsc::channel();
    let (here, there) = (note.clone(), note);
    let connection = connect_with(
        &adapter,
        &a.qp,
        &b.qp,
        READS,
        move || here.send("active").unwrap(),
        move || there.send("passive").unwrap(),
    );
    b.qp.receive(1, &[]).unwrap();
    let leaving = connection.active.disconnect().now().unwrap_err();
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), ["passive"]);
    assert!(b.is_quiet());
    connection.passive.disconnect().wait().unwrap();
    leaving.wait().unwrap();
    assert_eq!(b.ends(1), all([1], Status::CANCELLED));
    drop(connection);
    assert!(notes.try_recv().is_err());
}

/// CONN-31, CLOSE-12: a close breaks off: the peer hears its event and is flushed, this side hears none.
#[test]
fn close_12_a_closed_connector_breaks_off() {
    let adapter = adapter("close_12");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (note, notes) = mpsc::channel();
    let (here, there) = (note.clone(), note);
    let connection = connect_with(
        &adapter,
        &a.qp,
        &b.qp,
        READS,
        move || here.send("active").unwrap(),
        move || there.send("passive").unwrap(),
    );
    a.qp.receive(1, &[]).unwrap();
    b.qp.receive(2, &[]).unwrap();
    connection.active.close().wait().unwrap();
    assert_eq!(a.ends(1), all([1], Status::CANCELLED));
    assert_eq!(b.ends(1), all([2], Status::CANCELLED));
    assert_eq!(notes.try_iter().collect::<Vec<_>>(), ["passive"]);
}

/// CONN-34: both sides disconnect, in either order, and both succeed.
#[test]
fn conn_34_both_disconnect() {
    for passive_first in [false, true] {
        let pair = pair(&format!("conn_34_{passive_first}"));
        let (active, passive) = (&pair.connection.active, &pair.connection.passive);
        let (first, second) = if passive_first { (passive, active) } else { (active, passive) };
        let (first, second) = (first.disconnect(), second.disconnect());
        first.wait().unwrap();
        second.wait().unwrap();
    }
}

/// CONN-36: what was disconnected connects no more, neither the connector nor the queue pair.
#[test]
fn conn_36_disconnected_for_good() {
    let pair = pair("conn_36");
    let (_listener, to, _arrivals) = listen(&pair.adapter);
    let at = pair.adapter.addresses()[0];
    let leaving = pair.connection.active.disconnect();
    pair.connection.passive.disconnect().wait().unwrap();
    leaving.wait().unwrap();
    let fresh = End::new(&pair.adapter);
    pair.connection.active.connect(&fresh.qp, at, to, READS, b"").wait().unwrap_err();
    let connector = pair.adapter.create_connector().wait().unwrap();
    connector.connect(&pair.a.qp, at, to, READS, b"").wait().unwrap_err();
}

/// CONN-37: what was sent successfully arrives, though the sender disconnects at once.
#[test]
fn conn_37_data_before_the_disconnect_arrives() {
    let pair = pair("conn_37");
    pair.b.qp.receive(1, &[pair.b.sge(0, 8)]).unwrap();
    pair.a.qp.send(2, Data::Inline(&[b"last"]), OpFlags::NONE).unwrap();
    let leaving = pair.connection.active.disconnect();
    assert_eq!(pair.a.ends(1), all([2], Status::SUCCESS));
    assert_eq!((pair.b.ends(1), pair.b.bytes(0, 4)), (all([1], Status::SUCCESS), b"last".to_vec()));
    pair.connection.passive.disconnect().wait().unwrap();
    leaving.wait().unwrap();
}

/// CONN-38: the peer vanishes, queue pair and all; pending receives are cancelled without a local call.
#[test]
fn conn_38_the_peer_vanishes() {
    let pair = pair("conn_38");
    pair.b.qp.receive(1, &[]).unwrap();
    let leaving = pair.connection.active.disconnect();
    drop((pair.connection.active, pair.a, leaving));
    assert_eq!(pair.b.ends(1), all([1], Status::CANCELLED));
}

/// CONN-43: who accepts and receives its first message may answer from there.
#[test]
fn conn_43_an_answer_to_the_first_message() {
    let asked = ask("conn_43", b"");
    asked.b.qp.receive(1, &[]).unwrap();
    asked.a.qp.receive(2, &[]).unwrap();
    let accepting = asked.passive.accept(&asked.b.qp, READS, b"", IGNORE());
    asked.connecting.wait().unwrap();
    asked.active.complete_connect(IGNORE()).wait().unwrap();
    asked.a.qp.send(3, Data::NONE, OpFlags::NONE).unwrap();
    assert_eq!(asked.b.ends(1), all([1], Status::SUCCESS));
    asked.b.qp.send(4, Data::NONE, OpFlags::NONE).unwrap();
    assert_eq!(asked.a.ends(2), [(3, Status::SUCCESS), (2, Status::SUCCESS)]);
    accepting.wait().unwrap();
}

/// CONN-44: IPv6 as well.
#[test]
fn conn_44_ipv6() {
    let adapter = Adapter::open("local/conn_44@fd00::1").unwrap();
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let connection = connect(&adapter, &a.qp, &b.qp);
    assert!(connection.active.peer_address().unwrap().is_ipv6());
    b.qp.receive(1, &[]).unwrap();
    a.qp.send(2, Data::NONE, OpFlags::NONE).unwrap();
    assert_eq!(b.ends(1), all([1], Status::SUCCESS));
}

/// ADP-6, ADP-8: two adapters on one NET, each with an address of its own, or the same one twice.
#[test]
fn adp_8_two_adapters_of_one_net() {
    let one = Adapter::open("local/adp_8@10.0.0.1").unwrap();
    let two = Adapter::open("local/adp_8@10.0.0.2").unwrap();
    let (a, b) = (End::new(&one), End::new(&two));
    let (_listener, to, arrivals) = listen(&two);
    assert_eq!(to.ip(), two.addresses()[0].ip());
    let active = one.create_connector().wait().unwrap();
    let connecting = active.connect(&a.qp, one.addresses()[0], to, READS, b"");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let error = passive.accept(&a.qp, READS, b"", IGNORE()).wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Qp")));
    let accepting = passive.accept(&b.qp, READS, b"", IGNORE());
    connecting.wait().unwrap();
    active.complete_connect(IGNORE()).wait().unwrap();
    accepting.wait().unwrap();
    b.qp.receive(1, &[b.sge(0, 8)]).unwrap();
    a.qp.send(2, Data::Inline(&[b"across"]), OpFlags::NONE).unwrap();
    assert_eq!((b.ends(1), b.bytes(0, 6)), (all([1], Status::SUCCESS), b"across".to_vec()));
}
