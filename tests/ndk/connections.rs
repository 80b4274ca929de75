//! Connecting, beyond the statements of the conformance suite: what refusals tell, and waits by the clock.

use crate::world::{End, PATIENCE, READS, adapter, all, connect, listen};
use qpair::ndk::{Adapter, Clock, Connector, ManualClock, OnDisconnect, Status, Timeouts};
use std::net::SocketAddr;
use std::time::Duration;

const IGNORE: fn() -> OnDisconnect = OnDisconnect::ignore;

/// Two ends, a connect that has reached the passive consumer, and what it needs to go on.
struct Asked {
    /// Holds the attempt.
    _a: End,
    active: Connector,
    _connecting: qpair::ndk::Request<()>,
    passive: Connector,
    at: SocketAddr,
    to: SocketAddr,
    adapter: Adapter,
    _listener: qpair::ndk::Listener,
}

fn ask(test: &str, data: &[u8]) -> Asked {
    let adapter = adapter(test);
    let a = End::new(&adapter);
    let (listener, to, arrivals) = listen(&adapter);
    let active = adapter.create_connector().wait().unwrap();
    let at = adapter.addresses()[0];
    let connecting = active.connect(&a.qp, at, to, READS, data);
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    Asked { _a: a, active, _connecting: connecting, passive, at, to, adapter, _listener: listener }
}

/// CONN-4, CONN-39: calls of another state.
#[test]
fn calls_at_the_wrong_time_say_what_to_do() {
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

/// CONN-12, CONN-13, CONN-14: private data of each length, each way; too much is refused without harm.
#[test]
fn too_much_private_data_says_the_limit() {
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

/// CONN-25, CONN-26, CONN-28: local addresses that cannot be had.
#[test]
fn local_addresses_that_cannot_be_had_are_named() {
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
fn waits_for_the_peer_end_by_the_clock() {
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
