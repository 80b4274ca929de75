//! LSN-*: listening, pausing, closing.

use crate::world::{End, PATIENCE, READS, adapter, listen};
use qpair::ndk::{Adapter, Connector, OnDisconnect, Status};
use std::net::SocketAddr;
use std::sync::mpsc;

/// How a connect to that address ends.
fn knock(adapter: &Adapter, to: SocketAddr) -> Status {
    let (end, connector) = (End::new(adapter), adapter.create_connector().wait().unwrap());
    match connector.connect(&end.qp, adapter.addresses()[0], to, READS, b"").now() {
        Ok(ended) => ended.map_or_else(|error| error.status(), |()| Status::SUCCESS),
        Err(_pending) => Status::PENDING,
    }
}

/// LSN-1: port 0 chooses one, and the listener tells which.
#[test]
fn lsn_1_a_port_is_chosen() {
    let adapter = adapter("lsn_1");
    let idle = adapter.create_listener(|_| {}).wait().unwrap();
    assert_eq!(idle.local_address().unwrap_err().status(), Status::INVALID_DEVICE_STATE);
    let (_listener, address, _arrivals) = listen(&adapter);
    assert!((49152..=65535).contains(&address.port()));
}

/// LSN-2, LSN-3, LSN-11: taken, twice, and not ours.
#[test]
fn lsn_2_addresses_that_cannot_be_had() {
    let adapter = adapter("lsn_2");
    let (listener, address, _arrivals) = listen(&adapter);
    let other = adapter.create_listener(|_| {}).wait().unwrap();
    let error = other.listen(address).wait().unwrap_err();
    assert_eq!((error.status(), error.call()), (Status::SHARING_VIOLATION, "NdkListen"));
    let error = other.listen("10.1.2.3:4".parse().unwrap()).wait().unwrap_err();
    assert_eq!((error.status(), error.got()), (Status::INVALID_ADDRESS, Some("10.1.2.3:4")));
    let error = listener.listen(adapter.addresses()[0]).wait().unwrap_err();
    assert_eq!(error.status(), Status::INVALID_DEVICE_STATE);
    other.listen(adapter.addresses()[1]).wait().unwrap();
    assert_eq!(listener.local_address().unwrap(), address);
}

/// LSN-4, LSN-5: paused it is as if it were not there.
#[test]
fn lsn_4_paused_and_restarted() {
    let adapter = adapter("lsn_4");
    let (listener, address, arrivals) = listen(&adapter);
    listener.control_connect_events(true);
    assert_eq!(knock(&adapter, address), Status::CONNECTION_REFUSED);
    assert!(arrivals.try_recv().is_err());
    listener.control_connect_events(false);
    assert_eq!(knock(&adapter, address), Status::PENDING);
    assert!(arrivals.try_recv().is_ok());
}

/// LSN-6, LSN-7: its close pends while an accepted connector lives; new ones are refused, then the port is
/// free.
#[test]
fn lsn_6_close_pends_for_accepted_connectors() {
    let adapter = adapter("lsn_6");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (listener, address, arrivals) = listen(&adapter);
    let active = adapter.create_connector().wait().unwrap();
    let connecting = active.connect(&a.qp, adapter.addresses()[0], address, READS, b"");
    let passive = arrivals.recv_timeout(PATIENCE).unwrap();
    let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
    connecting.wait().unwrap();
    active.complete_connect(OnDisconnect::ignore()).wait().unwrap();
    accepting.wait().unwrap();
    let closing = listener.close().now().unwrap_err();
    assert_eq!(knock(&adapter, address), Status::CONNECTION_REFUSED);
    let other = adapter.create_listener(|_| {}).wait().unwrap();
    assert_eq!(other.listen(address).wait().unwrap_err().status(), Status::SHARING_VIOLATION);
    passive.close().wait().unwrap();
    closing.wait().unwrap();
    other.listen(address).wait().unwrap();
}

/// LSN-8: its close completes after an event that is running; the closure is dropped by then.
#[test]
fn lsn_8_close_waits_for_a_running_event() {
    struct Note(mpsc::Sender<&'static str>);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.send("closure dropped").unwrap();
        }
    }
    let adapter = adapter("lsn_8");
    let (note, notes) = mpsc::channel();
    let (hand, handed) = mpsc::channel::<qpair::ndk::Listener>();
    let handed = std::sync::Mutex::new(handed);
    let (closed, owned) = (note.clone(), Note(note.clone()));
    let listener = adapter.create_listener(move |connector: Connector| {
        let closed = closed.clone();
        handed.lock().unwrap().recv().unwrap().close().then(move |_| closed.send("closed").unwrap());
        drop(connector);
        owned.0.send("event returns").unwrap();
    });
    let listener = listener.wait().unwrap();
    listener.listen(adapter.addresses()[0]).wait().unwrap();
    let address = listener.local_address().unwrap();
    hand.send(listener).unwrap();
    assert_eq!(knock(&adapter, address), Status::CONNECTION_REFUSED);
    let notes: Vec<_> = notes.try_iter().collect();
    assert_eq!(notes[0], "event returns");
    assert!(notes.contains(&"closed") && notes.contains(&"closure dropped") && notes.len() == 3, "{notes:?}");
}

/// LSN-9: each peer gets a connector of its own.
#[test]
fn lsn_9_one_connector_for_each_peer() {
    let adapter = adapter("lsn_9");
    let (_listener, address, arrivals) = listen(&adapter);
    let ends: Vec<_> = (0..5).map(|_| End::new(&adapter)).collect();
    let connectors: Vec<_> = ends
        .iter()
        .map(|end| {
            let connector = adapter.create_connector().wait().unwrap();
            let connecting = connector.connect(&end.qp, adapter.addresses()[0], address, READS, b"");
            (connector, connecting)
        })
        .collect();
    let arrived: Vec<_> = arrivals.try_iter().collect();
    let seen: Vec<_> = arrived.iter().map(|connector| connector.peer_address().unwrap()).collect();
    let own: Vec<_> = connectors.iter().map(|(connector, _)| connector.local_address().unwrap()).collect();
    assert_eq!(seen, own);
}

/// LSN-10: an incoming connector that is dropped unanswered refuses.
#[test]
fn lsn_10_dropped_unanswered() {
    let adapter = adapter("lsn_10");
    let listener = adapter.create_listener(drop).wait().unwrap();
    listener.listen(adapter.addresses()[0]).wait().unwrap();
    assert_eq!(knock(&adapter, listener.local_address().unwrap()), Status::CONNECTION_REFUSED);
}
