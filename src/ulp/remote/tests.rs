//! Regions of a peer by themselves: who gets in, what is read and written, and what a lost connection leaves.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]

use super::{RegionServer, RemoteRegions};
use crate::fabric::storage::forget::Forgetful;
use crate::fabric::storage::region::{self, Place};
use crate::fabric::storage::{Cause, Storage, StorageError, wait};
use crate::ndk::{Adapter, Connector, CqNotify, Memory, OnDisconnect, QpDescription, ReadLimits, Status};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, mpsc};

const LENGTH: usize = 300_000;

fn regions(disk: &Forgetful) -> Vec<Memory> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let place = |name: &str, length| Place {
        path: Path::new("/folder").join(name),
        offset: 0,
        length,
        forced: false,
    };
    let memory = |(name, length)| region::private(&storage, place(name, length)).unwrap();
    [("first", LENGTH), ("second", 512)].into_iter().map(memory).collect()
}

fn serve(net: &str, disk: &Forgetful) -> RegionServer {
    let adapter = Adapter::open(net).unwrap();
    let address = adapter.addresses()[0];
    RegionServer::listen(adapter, address, regions(disk)).unwrap()
}

fn connect(net: &str, server: SocketAddr) -> Result<RemoteRegions, StorageError> {
    RemoteRegions::connect(Adapter::open(net).unwrap(), server)
}

fn write(regions: &RemoteRegions, region: usize, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
    let bytes = Arc::new(bytes.to_vec());
    wait(|done| regions.write(region, vec![(offset, bytes)], done))
}

fn read(regions: &RemoteRegions, region: usize, range: Range<u64>) -> Result<Vec<u8>, StorageError> {
    wait(|done| regions.read(region, range, done))
}

fn flush(regions: &RemoteRegions, region: usize, range: Range<u64>) -> Result<(), StorageError> {
    wait(|done| regions.flush(region, range, done))
}

#[test]
fn what_was_flushed_is_in_the_file_and_survives() {
    let disk = Forgetful::new(1);
    let server = serve("local/remote-bytes", &disk);
    let regions = connect("local/remote-bytes", server.address()).unwrap();
    assert_eq!([0, 1, 2].map(|n| regions.length(n)), [Some(LENGTH as u64), Some(512), None]);
    let bytes: Vec<u8> = (0..LENGTH - 1).map(|n| (n * 7 / 5) as u8).collect();
    write(&regions, 0, 1, &bytes).unwrap(); // more than the places hold at once
    let file = |seed| disk.crash(seed).content(Path::new("/folder/first")).unwrap();
    assert_eq!(file(1), vec![0; LENGTH], "nothing was flushed yet");
    flush(&regions, 0, 1..LENGTH as u64).unwrap();
    assert!((0..8).all(|seed| file(seed)[1..] == bytes));
    assert_eq!(read(&regions, 0, 1..LENGTH as u64).unwrap(), bytes);
    assert_eq!(read(&regions, 0, 5..5).unwrap(), []);
    flush(&regions, 1, 7..7).unwrap();
}

#[test]
fn what_leaves_a_region_is_refused_here_and_breaks_nothing() {
    let disk = Forgetful::new(1);
    let server = serve("local/remote-range", &disk);
    let regions = connect("local/remote-range", server.address()).unwrap();
    for error in [
        write(&regions, 1, 511, b"ab").unwrap_err(),
        read(&regions, 1, 0..513).unwrap_err(),
        flush(&regions, 1, 512..514).unwrap_err(),
        read(&regions, 2, 0..1).unwrap_err(),
        write(&regions, 1, u64::MAX, b"ab").unwrap_err(),
    ] {
        assert_eq!(error.cause(), Cause::EndOfFile, "{error}");
        assert!(error.to_string().contains(&server.address().to_string()), "{error}");
    }
    write(&regions, 1, 511, b"a").unwrap();
    assert!(regions.reconnect().unwrap().is_none(), "the connection stands");
}

#[test]
fn one_user_at_a_time() {
    let disk = Forgetful::new(1);
    let server = serve("local/remote-one", &disk);
    let first = connect("local/remote-one", server.address()).unwrap();
    let refused = connect("local/remote-one", server.address()).unwrap_err();
    assert_eq!(refused.cause(), Cause::Remote(Status::SHARING_VIOLATION.0));
    write(&first, 1, 0, b"the first goes on").unwrap();
    drop(first);
    server.wait_until_free();
    let second = connect("local/remote-one", server.address()).unwrap();
    assert_eq!(read(&second, 1, 0..9).unwrap(), b"the first");
}

#[test]
fn a_failed_disk_breaks_the_connection_and_leaves_the_range_in_doubt() {
    let disk = Forgetful::new(1);
    let server = serve("local/remote-doubt", &disk);
    let regions = connect("local/remote-doubt", server.address()).unwrap();
    write(&regions, 0, 100, b"kept?").unwrap();
    disk.fail(crate::fabric::storage::forget::Fails::Sync, 0, 5);
    let failed = flush(&regions, 0, 100..105).unwrap_err();
    assert_eq!(failed.cause(), Cause::Remote(Status::REMOTE_RESOURCES.0), "{failed}");
    assert_eq!(server.regions()[0].in_doubt(), [100..105].to_vec());
    assert!(read(&regions, 0, 100..105).is_err(), "the connection is broken");
    regions.reconnect().unwrap().expect("it was lost").take();
    assert_eq!(read(&regions, 0, 100..105).unwrap(), b"kept?", "the peer's memory has it");
    assert!(flush(&regions, 0, 100..105).is_err(), "in doubt until it was written again");
    regions.reconnect().unwrap().expect("it was lost").take();
    write(&regions, 0, 100, b"kept!").unwrap();
    flush(&regions, 0, 100..105).unwrap();
    assert_eq!(disk.crash(1).content(Path::new("/folder/first")).unwrap()[100..105], *b"kept!");
}

#[test]
fn a_connection_that_is_not_taken_is_given_up() {
    let disk = Forgetful::new(1);
    let server = serve("local/remote-fresh", &disk);
    let regions = connect("local/remote-fresh", server.address()).unwrap();
    regions.cut();
    let fresh = regions.reconnect().unwrap().expect("it was lost");
    assert_eq!(wait(|done| fresh.read(1, 0..4, done)).unwrap(), [0; 4]);
    drop(fresh);
    assert_eq!(write(&regions, 1, 0, b"lost").unwrap_err().cause(), Cause::Disconnected);
    server.wait_until_free();
}

#[test]
fn whoever_is_no_user_of_regions_is_refused_and_a_server_of_something_else_is_told() {
    let disk = Forgetful::new(1);
    let server = serve("local/remote-foreign", &disk);
    let adapter = Adapter::open("local/remote-foreign").unwrap();
    let (pd, cq) =
        (adapter.create_pd().wait().unwrap(), adapter.create_cq(4, CqNotify::None).wait().unwrap());
    let qp = pd.create_qp(QpDescription::new(&cq)).wait().unwrap();
    let limits = ReadLimits { inbound: 1, outbound: 1 };
    for said in [&b""[..], b"qpregion", b"something else altogether, and long"] {
        let stranger = adapter.create_connector().wait().unwrap();
        let asked = stranger.connect(&qp, adapter.addresses()[0], server.address(), limits, said).wait();
        assert_eq!(asked.unwrap_err().status(), Status::CONNECTION_REFUSED);
    }
    assert!(connect("local/remote-foreign", server.address()).is_ok(), "it still serves");

    let (arrived, arrivals) = mpsc::channel::<Connector>();
    let listener = adapter.create_listener(move |connector| arrived.send(connector).unwrap()).wait().unwrap();
    listener.listen(adapter.addresses()[0]).wait().unwrap();
    let elsewhere = listener.local_address().unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| connect("local/remote-foreign", elsewhere));
        let connector = arrivals.recv().unwrap();
        let accepted = connector.accept(&qp, limits, b"a server of songs", OnDisconnect::ignore());
        let refused = asked.join().unwrap().unwrap_err();
        assert_eq!(refused.cause(), Cause::Remote(Status::NOT_SUPPORTED.0), "{refused}");
        assert!(accepted.wait().is_err(), "it was rejected");
    });
}

#[test]
fn a_server_has_regions_that_persist() {
    let adapter = || Adapter::open("local/remote-none").unwrap();
    let address = adapter().addresses()[0];
    let none = RegionServer::listen(adapter(), address, Vec::new()).unwrap_err();
    assert_eq!(none.status(), Status::INVALID_PARAMETER);
    let plain = RegionServer::listen(adapter(), address, vec![Memory::zeroed(64).unwrap()]).unwrap_err();
    assert_eq!(plain.status(), Status::NOT_SUPPORTED, "{plain}");
}
