//! SEP-*: one local address for several connectors; and what connectors tell in NDK's own forms.

use crate::world::{End, PATIENCE, READS, adapter, listen};
use qpair::ndk::{Adapter, OnDisconnect, SharedEndpoint, Status};
use std::net::SocketAddr;
use std::sync::mpsc::{self};

fn shared(adapter: &Adapter, local: SocketAddr) -> SharedEndpoint {
    adapter.create_shared_endpoint(local).wait().unwrap()
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
