//! Listening, beyond the statements of the conformance suite.

use crate::world::{End, READS, adapter, listen};
use qpair::ndk::{Adapter, Connector, Status};
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
fn an_idle_listener_has_no_address() {
    let adapter = adapter("lsn_1");
    let idle = adapter.create_listener(|_| {}).wait().unwrap();
    assert_eq!(idle.local_address().unwrap_err().status(), Status::INVALID_DEVICE_STATE);
    let (_listener, address, _arrivals) = listen(&adapter);
    assert!((49152..=65535).contains(&address.port()));
}

/// LSN-2, LSN-3, LSN-11: taken, twice, and not ours.
#[test]
fn addresses_that_cannot_be_had_are_named() {
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

/// LSN-8: its close completes after an event that is running; the closure is dropped by then.
#[test]
fn a_closed_listener_drops_its_closure() {
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
