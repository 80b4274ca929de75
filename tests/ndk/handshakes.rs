//! CONN-*: the rows of the tables of connection states that are easily forgotten.

use crate::world::{End, PATIENCE, READS, adapter, all, connect_with, listen};
use qpair::ndk::{Adapter, Connector, OnDisconnect, OpFlags, ReadLimits, Request, Status};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};

/// Asks, from a new connector.
fn ask(adapter: &Adapter, end: &End, remote: SocketAddr) -> (Connector, Request<()>) {
    let active = adapter.create_connector().wait().unwrap();
    let connecting = active.connect(&end.qp, adapter.addresses()[0], remote, READS, b"");
    (active, connecting)
}

fn arrived(arrivals: &Receiver<Connector>) -> Connector {
    arrivals.recv_timeout(PATIENCE).unwrap()
}

fn status(request: Request<()>) -> Status {
    request.wait().map_or_else(|error| error.status(), |()| Status::SUCCESS)
}

/// CONN-20: more reads than the outbound limit wait their turn, and all succeed.
#[test]
fn conn_20_more_reads_than_the_limit() {
    let adapter = adapter("conn_20");
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let one = ReadLimits { inbound: 1, outbound: 1 };
    let _connection = connect_with(&adapter, &a.qp, &b.qp, one, || {}, || {});
    for context in 0..8 {
        a.qp.read(context, &[a.sge(0, 8)], b.mr.remote(0).unwrap(), OpFlags::DEFER).unwrap();
    }
    a.qp.read(8, &[a.sge(0, 8)], b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap();
    assert_eq!(a.ends(9), all(0..9, Status::SUCCESS));
}

/// CONN-24: an accept or a complete connect that has failed ends the connector, not the queue pair.
#[test]
fn conn_24_failed_for_good() {
    let adapter = adapter("conn_24");
    let (_listener, address, arrivals) = listen(&adapter);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (active, connecting) = ask(&adapter, &a, address);
    let passive = arrived(&arrivals);
    let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
    connecting.wait().unwrap();
    active.reject(b"").unwrap();
    assert_eq!(status(accepting), Status::CONNECTION_REFUSED);
    let again = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
    assert_eq!(status(again), Status::CONNECTION_INVALID);
    let here = adapter.addresses()[0];
    for failed in [&passive, &active] {
        assert_ne!(status(failed.connect(&a.qp, here, address, READS, b"")), Status::SUCCESS);
    }
    let (active, connecting) = ask(&adapter, &a, address);
    let passive = arrived(&arrivals);
    let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
    connecting.wait().unwrap();
    active.complete_connect(OnDisconnect::ignore()).wait().unwrap();
    accepting.wait().unwrap();
}

/// The passive side closes while it accepts: its accept fails before its close completes, and the active side
/// is told by its next call (CONNECTION_ABORTED), complete connect or reject.
#[test]
fn the_passive_side_closes_while_accepting() {
    let adapter = adapter("passive_closes");
    let (_listener, address, arrivals) = listen(&adapter);
    for reject in [false, true] {
        let (a, b) = (End::new(&adapter), End::new(&adapter));
        let (active, connecting) = ask(&adapter, &a, address);
        let passive = arrived(&arrivals);
        let (note, notes) = mpsc::channel();
        let closed = note.clone();
        let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
        accepting.then(move |result| note.send(result.unwrap_err().status()).unwrap());
        connecting.wait().unwrap();
        passive.close().then(move |result| {
            result.unwrap();
            closed.send(Status::SUCCESS).unwrap();
        });
        let ends: Vec<_> = (0..2).map(|_| notes.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(ends, [Status::CANCELLED, Status::SUCCESS]);
        let told = match reject {
            true => active.reject(b"").unwrap_err().status(),
            false => status(active.complete_connect(OnDisconnect::ignore())),
        };
        assert_eq!(told, Status::CONNECTION_ABORTED);
    }
}

/// CONN-27: every port of an address is taken.
#[test]
fn conn_27_no_port_is_left() {
    let adapter = adapter("conn_27");
    let here = adapter.addresses()[0];
    let ports = 49152..=65535_usize;
    let taken: Vec<_> = ports.map(|_| adapter.create_shared_endpoint(here).wait().unwrap()).collect();
    let error = adapter.create_shared_endpoint(here).wait().unwrap_err();
    assert_eq!(error.status(), Status::TOO_MANY_ADDRESSES);
    let listener = adapter.create_listener(drop).wait().unwrap();
    assert_eq!(status(listener.listen(here)), Status::TOO_MANY_ADDRESSES);
    let end = End::new(&adapter);
    let (connector, refused) = ask(&adapter, &end, taken[0].local_address());
    assert_eq!(status(refused), Status::TOO_MANY_ADDRESSES);
    // The other family has ports of its own; and one that is given back can be had.
    adapter.create_shared_endpoint(adapter.addresses()[1]).wait().unwrap();
    drop(taken);
    let nobody = SocketAddr::new(here.ip(), 7);
    let again = connector.connect(&end.qp, here, nobody, READS, b"");
    assert_eq!(status(again), Status::CONNECTION_REFUSED);
}

/// CONN-41, CLOSE-11: the connector is closed inside the completion of its own connect.
#[test]
fn conn_41_closed_inside_its_completion() {
    let adapter = adapter("conn_41");
    let (_listener, address, arrivals) = listen(&adapter);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (active, connecting) = ask(&adapter, &a, address);
    let passive = arrived(&arrivals);
    let (closed, told) = mpsc::channel();
    connecting.then(move |result| {
        result.unwrap();
        active.close().then(move |result| closed.send(result.is_ok()).unwrap());
    });
    let accepting = passive.accept(&b.qp, READS, b"", OnDisconnect::ignore());
    assert!(told.recv_timeout(PATIENCE).unwrap());
    assert_eq!(status(accepting), Status::CONNECTION_REFUSED);
    a.qp.close().wait().unwrap();
}

/// LSN-10 and its kin inside the connect event: accept, reject and close work there.
#[test]
fn cb_4_answers_inside_the_connect_event() {
    let adapter = adapter("cb_4");
    let b = End::new(&adapter);
    let (give, given) = mpsc::channel();
    let (qp, rest) = (b.qp, (b.cq, b.mr, b.pd));
    let first = std::sync::Mutex::new(Some(qp));
    let listener = adapter.create_listener(move |passive: Connector| match first.lock().unwrap().take() {
        Some(qp) => {
            let accepting = passive.accept(&qp, READS, b"", OnDisconnect::ignore());
            give.send((passive, qp, accepting)).unwrap();
        }
        None => passive.reject(b"full").unwrap(),
    });
    let listener = listener.wait().unwrap();
    listener.listen(adapter.addresses()[0]).wait().unwrap();
    let address = listener.local_address().unwrap();
    let (a, c) = (End::new(&adapter), End::new(&adapter));
    let (active, connecting) = ask(&adapter, &a, address);
    connecting.wait().unwrap();
    active.complete_connect(OnDisconnect::ignore()).wait().unwrap();
    let (passive, qp, accepting) = given.recv_timeout(PATIENCE).unwrap();
    accepting.wait().unwrap();
    let (refused, connecting) = ask(&adapter, &c, address);
    assert_eq!(status(connecting), Status::CONNECTION_REFUSED);
    assert_eq!(refused.connection_data().unwrap().private_data, b"full");
    drop((passive, qp, rest));
}
