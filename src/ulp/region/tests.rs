//! Offering, refusing and withdrawing; what is read and written; and what a failed or lost connection leaves.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]

use super::*;
use crate::ndk::{
    Adapter, Connector, Cq, CqNotify, Error, Memory, OnDisconnect, Pd, Qp, QpDescription, ReadLimits, Status,
};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

/// A server, and what it takes to use it.
struct World {
    adapter: Arc<Adapter>,
    server: RegionServer,
}

impl World {
    fn new(net: &str) -> Self {
        let adapter = Arc::new(Adapter::open(&format!("local/regions-{net}")).unwrap());
        let server = RegionServer::listen(Arc::clone(&adapter), adapter.addresses()[0]).unwrap();
        Self { adapter, server }
    }

    fn link_to(&self, address: SocketAddr, name: &str) -> Result<RegionLink, RegionError> {
        RegionLink::connect(Arc::clone(&self.adapter), address, name)
    }

    fn link(&self, name: &str) -> Result<RegionLink, RegionError> {
        self.link_to(self.server.address(), name)
    }

    /// A queue pair for who is no user of regions.
    fn foreign(&self) -> (Qp, Cq, Pd) {
        let cq = self.adapter.create_cq(4, CqNotify::None).wait().unwrap();
        let pd = self.adapter.create_pd().wait().unwrap();
        (pd.create_qp(QpDescription::new(&cq)).wait().unwrap(), cq, pd)
    }
}

const FOREIGN: ReadLimits = ReadLimits { inbound: 1, outbound: 1 };

fn zeroed(length: usize) -> Memory {
    Memory::zeroed(length).unwrap()
}

/// Why a request has failed.
fn failure<T: std::fmt::Debug>(result: Result<T, RegionError>) -> Failure {
    match result {
        Err(RegionError::Request { failure, .. }) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_connects_reads_and_writes_and_is_let_go() {
    let world = World::new("use");
    world.server.offer_volatile("a", zeroed(100)).unwrap();
    let link = world.link("a").unwrap();
    let a = link.connection();
    assert_eq!((a.length(0), a.length(1), world.server.connections()), (Some(100), None, 1));
    a.write(0, 90, &[7; 10]).unwrap();
    assert_eq!(a.read(0, 80..100).unwrap(), [[0; 10], [7; 10]].concat());
    drop((a, link));
    assert_eq!(world.server.connections(), 0);
    let withdrawn = world.server.withdraw("a").unwrap().pop().unwrap();
    assert_eq!(withdrawn.wait().unwrap().into_vec()[90..], [7; 10]);
}

#[test]
fn what_leaves_a_region_is_refused_here_and_breaks_nothing() {
    let world = World::new("range");
    world.server.offer_volatile("a", zeroed(512)).unwrap();
    let link = world.link("a").unwrap();
    let a = link.connection();
    for error in [
        a.write(0, 511, b"ab").unwrap_err(),
        a.read(0, 0..513).unwrap_err(),
        a.flush(0, &[512..514]).unwrap_err(),
        a.read(1, 0..1).unwrap_err(),
        a.write(0, u64::MAX, b"ab").unwrap_err(),
    ] {
        assert!(error.to_string().contains(&format!("{}/a", world.server.address())), "{error}");
        assert_eq!(failure::<()>(Err(error)), Failure::Outside);
    }
    a.write(0, 511, b"a").unwrap();
    link.mend(|_| -> Result<(), ()> { panic!("the connection stands") }).unwrap().unwrap();
}

#[test]
fn what_is_not_to_be_had_is_told() {
    let world = World::new("refuse");
    let unknown = world.link("b").unwrap_err();
    assert!(matches!(unknown, RegionError::Refused { refusal: Refusal::Unknown, .. }), "{unknown}");
    let address = world.server.address();
    let nobody = SocketAddr::new(address.ip(), address.port() ^ 1);
    let nobody = world.link_to(nobody, "b").unwrap_err();
    let RegionError::Setup { error, .. } = &nobody else { panic!("{nobody}") };
    assert_eq!(error.status(), Status::CONNECTION_REFUSED);
    for name in ["", "a name that is longer than the private data of a connect"] {
        let refused = world.server.offer_volatile(name, zeroed(8)).unwrap_err();
        assert_eq!((refused.status(), refused.argument()), (Status::INVALID_PARAMETER, Some("name")));
    }
    world.server.offer_volatile("b", zeroed(8)).unwrap();
    let taken = world.server.offer_volatile("b", zeroed(8)).unwrap_err();
    assert!(taken.hint().is_some_and(|hint| hint.contains("withdraw")), "{taken}");
    let volatile =
        |refused: Result<(), Error>| assert_eq!(refused.unwrap_err().status(), Status::NOT_SUPPORTED);
    volatile(world.server.offer("c", zeroed(8)));
    volatile(world.server.offer_to_one("c", vec![zeroed(8)]));
    let none = world.server.offer_to_one("c", Vec::new()).unwrap_err();
    assert_eq!((none.status(), none.argument()), (Status::INVALID_PARAMETER, Some("regions")));
    let many = (0..=words::REGIONS).map(|_| zeroed(8)).collect();
    let many = world.server.offer_to_one("c", many).unwrap_err();
    assert_eq!((many.status(), many.argument()), (Status::INVALID_PARAMETER, Some("regions")));
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_flush_without_the_right_and_a_region_that_went_are_told() {
    let world = World::new("gone");
    world.server.offer_volatile("a", zeroed(8)).unwrap();
    let link = world.link("a").unwrap();
    let refused = link.connection().flush(0, &[0..4, 4..8]).unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("RDMA FLUSH of bytes 0..4 of region 0"), "{text}");
    assert!(text.contains("ended with STATUS_ACCESS_VIOLATION"), "{text}");
    assert!(link.connection().read(0, 0..1).is_err(), "the connection is gone with it");
    let link = world.link("a").unwrap();
    for withdrawn in world.server.withdraw("a").unwrap() {
        withdrawn.wait().unwrap();
    }
    assert!(world.server.withdraw("a").is_none());
    let gone = link.connection().write(0, 0, b"a");
    assert_eq!(failure(gone), Failure::Status(Status::ACCESS_VIOLATION));
    let link = {
        world.server.offer_volatile("a", zeroed(8)).unwrap();
        world.link("a").unwrap()
    };
    drop(world.server);
    assert_eq!(failure(link.connection().read(0, 0..1)), Failure::Lost);
}

#[test]
fn who_asks_in_other_words_is_refused_and_goes_on_to_serve() {
    let world = World::new("words");
    world.server.offer_volatile("a", zeroed(8)).unwrap();
    let (qp, _cq, _pd) = world.foreign();
    for said in [&b""[..], b"QPR\x01", b"GET / HTTP/1.1, and what else there is"] {
        let connector = world.adapter.create_connector().wait().unwrap();
        let (from, to) = (world.adapter.addresses()[0], world.server.address());
        let refused = connector.connect(&qp, from, to, FOREIGN, said).wait().unwrap_err();
        assert_eq!(refused.status(), Status::CONNECTION_REFUSED);
        let said = connector.connection_data().unwrap().private_data;
        assert_eq!(words::refused(&said), Some(Refusal::Words));
    }
    assert!(world.link("a").is_ok(), "it still serves");
}

#[test]
fn a_full_server_refuses_until_somebody_goes() {
    let world = World::new("full");
    world.server.offer_volatile("a", zeroed(8)).unwrap();
    let (_qp, cq, pd) = world.foreign();
    let description = QpDescription::new(&cq).initiator_depth(1).receive_depth(1);
    // Bare connectors: a link of ours registers memory for each.
    let mut users: Vec<(Connector, Qp)> = (0..server::LINKS as u64)
        .map(|user| {
            let qp = pd.create_qp(description.clone()).wait().unwrap();
            let connector = world.adapter.create_connector().wait().unwrap();
            let (from, to) = (world.adapter.addresses()[0], world.server.address());
            connector.connect(&qp, from, to, FOREIGN, &words::ask(user, "a")).wait().unwrap();
            (connector, qp)
        })
        .collect();
    assert_eq!(world.server.connections(), users.len());
    let full = world.link("a").unwrap_err();
    assert!(matches!(full, RegionError::Refused { refusal: Refusal::Full, .. }), "{full}");
    users.pop();
    world.link("a").unwrap();
}

#[test]
fn who_answers_in_other_words_is_a_stranger_and_is_told() {
    let world = World::new("stranger");
    let (qp, _cq, _pd) = world.foreign();
    let (arrived, arrivals) = mpsc::channel::<Connector>();
    let on_connect = move |connector| arrived.send(connector).unwrap();
    let listener = world.adapter.create_listener(on_connect).wait().unwrap();
    listener.listen(world.adapter.addresses()[0]).wait().unwrap();
    let elsewhere = listener.local_address().unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| world.link_to(elsewhere, "a"));
        let connector = arrivals.recv().unwrap();
        // A unit of conversations, say, takes the connection.
        let accepted = connector.accept(&qp, FOREIGN, b"QPCV", OnDisconnect::ignore());
        let refused = asked.join().unwrap().unwrap_err();
        assert!(matches!(refused, RegionError::Stranger { .. }), "{refused}");
        assert!(accepted.wait().is_err(), "it was rejected");
    });
}

/// On a disk that forgets.
#[cfg(all(feature = "storage", unix))]
mod kept {
    use super::*;
    use crate::fabric::storage::Storage;
    use crate::fabric::storage::forget::{Fails, Forgetful};
    use crate::fabric::storage::region::{self, Place};
    use std::path::Path;

    const LENGTH: usize = 300_000;
    const NAME: &str = "two files";

    fn regions(disk: &Forgetful) -> Vec<Memory> {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let memory = |(name, length)| {
            let path = Path::new("/folder").join(name);
            region::private(&storage, Place { path, offset: 0, length, forced: false }).unwrap()
        };
        [("first", LENGTH), ("second", 512)].into_iter().map(memory).collect()
    }

    fn world(net: &str) -> (World, Forgetful) {
        let (world, disk) = (World::new(net), Forgetful::new(1));
        world.server.offer_to_one(NAME, regions(&disk)).unwrap();
        (world, disk)
    }

    fn mended(link: &RegionLink) -> Arc<Connection> {
        let mut lost = false;
        let noted = link.mend(|_| {
            lost = true;
            Ok::<_, ()>(())
        });
        noted.unwrap().unwrap();
        assert!(lost, "it was lost");
        link.connection()
    }

    #[test]
    fn what_was_flushed_is_in_the_file_and_survives() {
        let (world, disk) = world("bytes");
        let link = world.link(NAME).unwrap();
        let both = link.connection();
        assert_eq!([0, 1, 2].map(|n| both.length(n)), [Some(LENGTH as u64), Some(512), None]);
        let bytes: Vec<u8> = (0..LENGTH - 1).map(|n| (n * 7 / 5) as u8).collect();
        both.write(0, 1, &bytes).unwrap(); // more than the places hold at once
        let file = |seed| disk.crash(seed).content(Path::new("/folder/first")).unwrap();
        assert_eq!(file(1), vec![0; LENGTH], "nothing was flushed yet");
        both.flush(0, &[1..9, 9..LENGTH as u64]).unwrap();
        assert!((0..8).all(|seed| file(seed)[1..] == bytes));
        assert_eq!(both.read(0, 1..LENGTH as u64).unwrap(), bytes);
        assert_eq!(both.read(0, 5..5).unwrap(), []);
        both.flush(1, &[7..7]).unwrap();
    }

    #[test]
    fn one_user_at_a_time() {
        let (world, _disk) = world("one");
        world.server.offer_volatile("shared", zeroed(8)).unwrap();
        let _shared = (world.link("shared").unwrap(), world.link("shared").unwrap());
        let first = world.link(NAME).unwrap();
        let taken = world.link(NAME).unwrap_err();
        assert!(matches!(taken, RegionError::Refused { refusal: Refusal::Taken, .. }), "{taken}");
        first.connection().write(1, 0, b"the first goes on").unwrap();
        drop(first);
        world.server.wait_until_free(NAME);
        let second = world.link(NAME).unwrap();
        assert_eq!(second.connection().read(1, 0..9).unwrap(), b"the first");
    }

    #[test]
    fn a_failed_disk_breaks_the_connection_and_leaves_the_range_in_doubt() {
        let (world, disk) = world("doubt");
        let link = world.link(NAME).unwrap();
        let lost = link.connection();
        lost.write(0, 100, b"kept?").unwrap();
        disk.fail(Fails::Sync, 0, 5);
        assert_eq!(failure(lost.flush(0, &[100..105, 0..1])), Failure::Status(Status::REMOTE_RESOURCES));
        let in_doubt = world.server.inspect(NAME, |regions| regions[0].in_doubt());
        assert_eq!(in_doubt.unwrap(), [100..105].to_vec());
        assert!(lost.read(0, 100..105).is_err(), "the connection is broken");
        let again = mended(&link);
        assert_eq!(again.read(0, 100..105).unwrap(), b"kept?", "the peer's memory has it");
        assert!(again.flush(0, &[100..105, 0..1]).is_err(), "in doubt until it was written again");
        let again = mended(&link);
        again.write(0, 100, b"kept!").unwrap();
        again.flush(0, &[100..105, 0..1]).unwrap();
        assert_eq!(disk.crash(1).content(Path::new("/folder/first")).unwrap()[100..105], *b"kept!");
    }

    #[test]
    fn a_connection_that_is_not_taken_is_given_up() {
        let (world, _disk) = world("fresh");
        let link = world.link(NAME).unwrap();
        link.connection().part();
        let given_up = link.mend(|fresh| {
            assert_eq!(fresh.read(1, 0..4).unwrap(), [0; 4]);
            assert_eq!(failure(link.connection().write(1, 0, b"lost")), Failure::Lost);
            Err("no")
        });
        assert_eq!(given_up.unwrap(), Err("no"));
        assert_eq!(failure(link.connection().write(1, 0, b"lost")), Failure::Lost);
        world.server.wait_until_free(NAME);
        mended(&link).write(1, 0, b"there").unwrap();
    }
}
