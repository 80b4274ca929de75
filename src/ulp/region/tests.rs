//! Offering, refusing, withdrawing, and what a connection tells when it fails.

use super::*;
use crate::ndk::{Adapter, Memory, Mr, MrFlags, Pd, Status};
use std::net::SocketAddr;
use std::sync::Arc;

/// A server, and what it takes to use it.
struct World {
    adapter: Arc<Adapter>,
    server: RegionServer,
    pd: Pd,
    mine: Mr,
}

impl World {
    fn new(net: &str) -> Self {
        let adapter = Arc::new(Adapter::open(&format!("local/regions-{net}")).unwrap());
        let server = RegionServer::listen(Arc::clone(&adapter), adapter.addresses()[0]).unwrap();
        let pd = adapter.create_pd().wait().unwrap();
        let mine = pd.register(vec![7; 64], MrFlags::ALLOW_LOCAL_WRITE).wait().unwrap();
        Self { adapter, server, pd, mine }
    }

    fn link_to(&self, address: SocketAddr, name: &str) -> Result<RegionLink, RegionError> {
        RegionLink::connect(&self.adapter, &self.pd, address, name)
    }

    fn link(&self, name: &str) -> Result<RegionLink, RegionError> {
        self.link_to(self.server.address(), name)
    }
}

#[test]
fn who_connects_reads_and_writes_and_is_let_go() {
    let world = World::new("use");
    world.server.offer_volatile("a", Memory::zeroed(100).unwrap()).unwrap();
    let link = world.link("a").unwrap();
    assert_eq!((link.length(), world.server.connections()), (100, 1));
    link.write(&world.mine, 0..10, 90).unwrap();
    world.mine.write(0, &[0; 64]).unwrap();
    link.read(&world.mine, 10..30, 80).unwrap();
    let mut read = [0; 20];
    world.mine.read(10, &mut read).unwrap();
    assert_eq!(read, [[0; 10], [7; 10]].concat()[..]);
    let wrong = link.write(&world.mine, 60..65, 0);
    assert!(matches!(wrong, Err(RegionError::Part(_))), "{wrong:?}");
    drop(link);
    assert_eq!(world.server.connections(), 0);
    let memory = world.server.withdraw("a").unwrap().wait().unwrap();
    assert_eq!(memory.into_vec()[90..], [7; 10]);
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
        let refused = world.server.offer_volatile(name, Memory::zeroed(8).unwrap()).unwrap_err();
        assert_eq!((refused.status(), refused.argument()), (Status::INVALID_PARAMETER, Some("name")));
    }
    world.server.offer_volatile("b", Memory::zeroed(8).unwrap()).unwrap();
    let taken = world.server.offer_volatile("b", Memory::zeroed(8).unwrap()).unwrap_err();
    assert!(taken.hint().is_some_and(|hint| hint.contains("withdraw")), "{taken}");
    let volatile = world.server.offer("c", Memory::zeroed(8).unwrap()).unwrap_err();
    assert_eq!(volatile.status(), Status::NOT_SUPPORTED);
    assert_eq!(world.server.connections(), 0);
}

#[test]
fn a_flush_without_the_right_and_a_region_that_went_are_told() {
    let world = World::new("gone");
    world.server.offer_volatile("a", Memory::zeroed(8).unwrap()).unwrap();
    let link = world.link("a").unwrap();
    let refused = link.flush(&[0..4, 4..8]).unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("RDMA FLUSH ended with STATUS_ACCESS_VIOLATION"), "{text}");
    assert!(link.read(&world.mine, 0..1, 0).is_err(), "the connection is gone with it");
    let link = world.link("a").unwrap();
    world.server.withdraw("a").unwrap().wait().unwrap();
    assert!(world.server.withdraw("a").is_none());
    let gone = link.write(&world.mine, 0..1, 0).unwrap_err();
    assert!(matches!(gone, RegionError::Request { status: Status::ACCESS_VIOLATION, .. }), "{gone}");
    drop(world.server);
    assert!(link.read(&world.mine, 0..1, 0).is_err());
}

#[test]
fn who_asks_in_other_words_is_refused_and_who_answers_so_is_a_stranger() {
    let world = World::new("words");
    let cq = world.adapter.create_cq(4, crate::ndk::CqNotify::None).wait().unwrap();
    let qp = world.pd.create_qp(crate::ndk::QpDescription::new(&cq)).wait().unwrap();
    let connector = world.adapter.create_connector().wait().unwrap();
    let limits = crate::ndk::ReadLimits { inbound: 0, outbound: 0 };
    let (from, to) = (world.adapter.addresses()[0], world.server.address());
    let refused = connector.connect(&qp, from, to, limits, b"GET /").wait().unwrap_err();
    assert_eq!(refused.status(), Status::CONNECTION_REFUSED);
    let said = connector.connection_data().unwrap().private_data;
    assert_eq!(words::refused(&said), Some(Refusal::Words));

    // A unit of conversations, say, takes the connection and says something else.
    let pd = world.adapter.create_pd().wait().unwrap();
    let taking = pd.create_qp(crate::ndk::QpDescription::new(&cq)).wait().unwrap();
    let on_connect = move |connector: crate::ndk::Connector| {
        let _going_on = connector.accept(&taking, limits, b"QPCV", crate::ndk::OnDisconnect::ignore());
    };
    let listener = world.adapter.create_listener(on_connect).wait().unwrap();
    listener.listen(from).wait().unwrap();
    let stranger = world.link_to(listener.local_address().unwrap(), "a").unwrap_err();
    assert!(matches!(stranger, RegionError::Stranger { .. } | RegionError::Setup { .. }), "{stranger}");
}
