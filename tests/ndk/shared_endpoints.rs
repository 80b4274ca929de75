//! SEP-*: one local address for several connectors; and what connectors tell in NDK's own forms.

use crate::world::{End, PATIENCE, READS, adapter, listen};
use qpair::ndk::{Adapter, Connector, OnDisconnect, Request, SharedEndpoint, Status};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};

fn shared(adapter: &Adapter, local: SocketAddr) -> SharedEndpoint {
    adapter.create_shared_endpoint(local).wait().unwrap()
}

/// A connector that asks `remote` over `endpoint`, and how that goes.
fn ask(adapter: &Adapter, end: &End, over: &SharedEndpoint, remote: SocketAddr) -> (Connector, Request<()>) {
    let connector = adapter.create_connector().wait().unwrap();
    let connecting = connector.connect_with_shared_endpoint(&end.qp, over, remote, READS, b"hello");
    (connector, connecting)
}

fn accept(arrivals: &Receiver<Connector>, end: &End) -> (Connector, Request<()>) {
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = passive.accept(&end.qp, READS, b"", OnDisconnect::ignore());
    (passive, accepting)
}

/// SEP-1, SEP-5, CONN-44: two connectors from one address to two peers, by IPv4 and by IPv6.
#[test]
fn sep_1_two_connectors_over_one_endpoint() {
    let adapter = adapter("sep_1");
    for local in adapter.addresses() {
        let endpoint = shared(&adapter, local);
        assert!((49152..=65535).contains(&endpoint.local_address().port()));
        let ends: Vec<_> = (0..4).map(|_| End::new(&adapter)).collect();
        for pair in ends.chunks(2) {
            let (arrived, arrivals) = mpsc::channel();
            let listener = adapter.create_listener(move |passive| arrived.send(passive).unwrap());
            let listener = listener.wait().unwrap();
            listener.listen(local).wait().unwrap();
            let remote = listener.local_address().unwrap();
            let (active, connecting) = ask(&adapter, &pair[0], &endpoint, remote);
            let (passive, accepting) = accept(&arrivals, &pair[1]);
            connecting.wait().unwrap();
            active.complete_connect(OnDisconnect::ignore()).wait().unwrap();
            accepting.wait().unwrap();
            assert_eq!(active.local_address().unwrap(), endpoint.local_address());
            assert_eq!(passive.peer_address().unwrap(), endpoint.local_address());
        }
    }
}

/// SEP-2: the second connection to the same peer.
#[test]
fn sep_2_the_same_peer_twice() {
    let adapter = adapter("sep_2");
    let endpoint = shared(&adapter, adapter.addresses()[0]);
    let (_listener, remote, _arrivals) = listen(&adapter);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (_first, _pending) = ask(&adapter, &a, &endpoint, remote);
    let (_second, refused) = ask(&adapter, &b, &endpoint, remote);
    let error = refused.wait().unwrap_err();
    assert_eq!(error.status(), Status::ADDRESS_ALREADY_EXISTS);
    assert_eq!(error.call(), "NdkConnectWithSharedEndpoint");
}

/// SEP-3: addresses that cannot be had.
#[test]
fn sep_3_taken_or_not_ours() {
    let adapter = adapter("sep_3");
    let endpoint = shared(&adapter, adapter.addresses()[0]);
    let status = |local| adapter.create_shared_endpoint(local).wait().unwrap_err().status();
    assert_eq!(status(endpoint.local_address()), Status::SHARING_VIOLATION);
    assert_eq!(status("10.1.2.3:4".parse().unwrap()), Status::INVALID_ADDRESS);
    let listener = adapter.create_listener(drop).wait().unwrap();
    let error = listener.listen(endpoint.local_address()).wait().unwrap_err();
    assert_eq!(error.status(), Status::SHARING_VIOLATION);
    let other = crate::world::adapter("sep_3");
    let (end, connector) = (End::new(&other), other.create_connector().wait().unwrap());
    let error =
        connector.connect_with_shared_endpoint(&end.qp, &endpoint, endpoint.local_address(), READS, b"");
    assert_eq!(error.wait().unwrap_err().argument(), Some("SharedEndpoint"));
}

/// SEP-4: closed, it pends while a connector over it lives, and its address stays taken.
#[test]
fn sep_4_close_pends_for_connectors() {
    let adapter = adapter("sep_4");
    let endpoint = shared(&adapter, adapter.addresses()[0]);
    let local = endpoint.local_address();
    let (_listener, remote, _arrivals) = listen(&adapter);
    let end = End::new(&adapter);
    let (connector, _connecting) = ask(&adapter, &end, &endpoint, remote);
    let closing = endpoint.close().now().unwrap_err();
    let taken = adapter.create_shared_endpoint(local).wait().unwrap_err();
    assert_eq!(taken.status(), Status::SHARING_VIOLATION);
    connector.close().wait().unwrap();
    closing.wait().unwrap();
    shared(&adapter, local).close().wait().unwrap();
}

/// CONN-15, CONN-16: the size alone, a buffer that is too small, and one that is large enough.
#[test]
fn conn_15_conn_16_connection_data_into_a_buffer() {
    let adapter = adapter("conn_15");
    let (_listener, remote, arrivals) = listen(&adapter);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let active = adapter.create_connector().wait().unwrap();
    assert_eq!(active.connection_data_into(&mut []).unwrap_err().status(), Status::CONNECTION_INVALID);
    let connecting = active.connect(&a.qp, adapter.addresses()[0], remote, READS, b"hello");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let size = passive.connection_data_into(&mut []).unwrap();
    assert_eq!((size.status, size.required, size.limits), (Status::SUCCESS, 56, READS));
    let mut short = [7; 4];
    let size = passive.connection_data_into(&mut short).unwrap();
    assert_eq!((size.status, size.required, &short), (Status::BUFFER_TOO_SMALL, 56, b"hell"));
    let mut long = [7; 60];
    let size = passive.connection_data_into(&mut long).unwrap();
    assert_eq!((size.status, size.required), (Status::SUCCESS, 56));
    assert!(long.starts_with(b"hello\0\0") && long[..56].ends_with(&[0]) && long[56..] == [7; 4]);
    let _accepting = passive.accept(&b.qp, READS, b"welcome", OnDisconnect::ignore());
    connecting.wait().unwrap();
    assert_eq!(active.connection_data_into(&mut long).unwrap().required, 196);
    assert!(long.starts_with(b"welcome\0"));
    assert_eq!(passive.connection_data_into(&mut long).unwrap_err().status(), Status::CONNECTION_INVALID);
    // CONN-7: the words of a reject.
    let third = adapter.create_connector().wait().unwrap();
    let end = End::new(&adapter);
    let refused = third.connect(&end.qp, adapter.addresses()[0], remote, READS, b"");
    arrivals.recv_timeout(PATIENCE).unwrap().reject(b"no").unwrap();
    assert_eq!(refused.wait().unwrap_err().status(), Status::CONNECTION_REFUSED);
    assert_eq!(third.connection_data_into(&mut long).unwrap().required, 148);
    assert!(long.starts_with(b"no\0"));
}

/// CONN-40, CONN-29: the event with a reason, which is 0 where none is known; on both sides, once.
#[test]
fn conn_40_the_reason_is_0() {
    let adapter = adapter("conn_40");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (told, reasons) = mpsc::channel();
    let event = move |reason| told.send(reason).unwrap();
    let on_passive = OnDisconnect::with_reason(event);
    let connection = crate::world::connect_with(&adapter, &a.qp, &b.qp, READS, || {}, on_passive);
    connection.active.close().wait().unwrap();
    assert_eq!(reasons.recv_timeout(PATIENCE).unwrap(), 0);
    assert!(reasons.recv_timeout(PATIENCE).is_err(), "the event is dropped, once called");
}
