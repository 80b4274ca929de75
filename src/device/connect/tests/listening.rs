//! Listeners and shared endpoints: LSN-1 to LSN-11, SEP-1 to SEP-5.

use super::*;
use crate::cm::EndpointError;
use crate::cm::endpoints::PORTS_CHOSEN;

#[test]
fn lsn_1_2_3_11_listening() {
    Net::each_family(|net| {
        let listener = net.new_listener(Box::new(drop));
        assert_eq!(listener.local_address(), None);
        let foreign = SocketAddr::new("10.9.9.9".parse().unwrap(), 7);
        let refused = listener.listen(foreign);
        assert_eq!(refused, Err(EndpointError::InvalidAddress { address: foreign }.into()));
        listener.listen(net.at(0)).unwrap();
        let local = listener.local_address().unwrap();
        assert!(PORTS_CHOSEN.contains(&local.port()));
        assert!(matches!(listener.listen(net.at(0)), Err(ListenError::Listener(_))));
        let refused = net.new_listener(Box::new(drop)).listen(local);
        assert_eq!(refused, Err(EndpointError::SharingViolation { address: local }.into()));
        listener.close(None);
        net.new_listener(Box::new(drop)).listen(local).unwrap();
    });
}

#[test]
fn lsn_4_5_paused_and_restarted() {
    let net = Net::new();
    let listener = net.listener();
    let (connector, qp) = (net.connector(), net.qp());
    listener.pause(true);
    net.connect(&connector, &qp);
    assert_eq!(net.diary.lines(), ["connect: Refused"]);
    listener.pause(false);
    net.connect(&connector, &qp);
    assert!(net.arrived().is_some());
}

#[test]
fn lsn_6_7_and_close_3_a_closed_listener_refuses_and_waits_for_its_connectors() {
    let pair = Pair::connected();
    pair.listener.close(pair.net.diary.callback("listener closed"));
    pair.listener.close(pair.net.diary.callback("not called"));
    let (other, qp) = (pair.net.connector(), pair.net.qp());
    pair.net.connect(&other, &qp);
    assert_eq!(pair.lines(), ["connect: Refused"]);
    let next = pair.net.new_listener(Box::new(drop));
    assert!(next.listen(pair.net.at(PORT)).is_err());
    pair.passive.close(pair.net.diary.callback("connector closed"));
    assert_eq!(pair.lines(), ["active event", "connector closed", "listener closed"]);
    next.listen(pair.net.at(PORT)).unwrap();
}

#[test]
fn lsn_8_close_waits_for_an_event_that_runs() {
    let net = Net::new();
    let own: Arc<Mutex<Option<Arc<Listener>>>> = Arc::default();
    let (inner, diary, kept) = (Arc::clone(&own), net.diary.clone(), Arc::clone(&net.incoming));
    let listener = net.new_listener(Box::new(move |connector| {
        let listener = inner.lock().unwrap().take().unwrap();
        listener.close(diary.callback("closed"));
        connector.close(None);
        kept.lock().unwrap().push(connector);
        diary.note("event returns");
    }));
    listener.listen(net.at(PORT)).unwrap();
    *own.lock().unwrap() = Some(Arc::clone(&listener));
    net.connect(&net.connector(), &net.qp());
    assert_eq!(net.diary.lines(), ["event returns", "connect: Refused", "closed"]);
    assert!(listener.life.is_closed());
}

#[test]
fn lsn_9_each_request_has_its_event_and_connector() {
    let net = Net::new();
    let _listener = net.listener();
    let active: Vec<_> = (0..5).map(|_| (net.connector(), net.qp())).collect();
    active.iter().for_each(|(connector, qp)| net.connect(connector, qp));
    let passive: Vec<_> = std::iter::from_fn(|| net.arrived()).collect();
    let mut peers: Vec<_> = passive.iter().map(|connector| connector.peer_address()).collect();
    peers.reverse();
    let locals: Vec<_> = active.iter().map(|(connector, _)| connector.local_address()).collect();
    assert_eq!(peers, locals);
    assert_eq!(net.diary.lines(), [""; 0]);
}

#[test]
fn lsn_10_an_incoming_connector_closed_or_dropped_refuses() {
    let pair = Pair::asked();
    pair.passive.close(pair.net.diary.callback("closed"));
    assert_eq!(pair.lines(), ["connect: Refused", "closed"]);
    let net = Net::new();
    let listener = net.new_listener(Box::new(drop));
    listener.listen(net.at(PORT)).unwrap();
    let connector = net.connector();
    net.connect(&connector, &net.qp());
    assert_eq!(net.diary.lines(), ["connect: Refused"]);
}

#[test]
fn a_listener_closed_before_its_event_could_run_refuses() {
    let net = Net::new();
    let listener = net.listener();
    let (connector, qp) = (net.connector(), net.qp());
    let guard = callbacks::guard();
    net.connect(&connector, &qp);
    listener.close(net.diary.callback("closed"));
    drop(guard);
    assert!(net.arrived().is_none());
    assert_eq!(net.diary.lines(), ["connect: Refused", "closed"]);
}

#[test]
fn an_event_that_panics_refuses() {
    let net = Net::new();
    let listener = net.new_listener(Box::new(|_| panic!("mine")));
    listener.listen(net.at(PORT)).unwrap();
    let connector = net.connector();
    let call = || net.connect(&connector, &net.qp());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    assert_eq!(net.diary.lines(), ["connect: Refused"]);
    listener.close(net.diary.callback("closed"));
    assert_eq!(net.diary.lines(), ["closed"]);
}

#[test]
fn sep_1_2_3_4_5_a_shared_endpoint() {
    Net::each_family(|net| {
        let _listener = net.listener();
        let second = net.new_listener(Box::new(std::mem::forget));
        second.listen(net.at(8)).unwrap();
        let open = |local| SharedEndpoint::new(net.messenger(), net.adapter.hold(), local);
        let shared = open(net.at(0)).unwrap();
        let local = shared.local_address();
        assert!(PORTS_CHOSEN.contains(&local.port()));
        assert_eq!(open(local).unwrap_err(), EndpointError::SharingViolation { address: local });
        let connect = |connector: &Connector, port| {
            let done = net.diary.done("connect");
            connector.connect_shared(&net.qp(), &shared, net.at(port), LIMITS, b"", done);
        };
        let (one, two, three) = (net.connector(), net.connector(), net.connector());
        connect(&one, PORT);
        connect(&two, 8);
        connect(&three, PORT);
        assert_eq!(net.diary.lines(), ["connect: AlreadyExists"]);
        assert_eq!((one.local_address(), two.local_address()), (Some(local), Some(local)));
        shared.close(net.diary.callback("closed"));
        one.close(None);
        assert_eq!(net.diary.lines(), ["connect: Cancelled"]);
        assert!(open(local).is_err());
        two.close(None);
        assert_eq!(net.diary.lines(), ["connect: Cancelled", "closed"]);
        open(local).unwrap();
    });
}

#[test]
fn a_shared_endpoint_is_let_go_by_a_connect_that_failed() {
    let net = Net::new();
    let shared = SharedEndpoint::new(net.messenger(), net.adapter.hold(), net.at(0)).unwrap();
    let connector = net.connector();
    connector.connect_shared(&net.qp(), &shared, net.at(9), LIMITS, b"", net.diary.done("connect"));
    shared.close(net.diary.callback("closed"));
    assert_eq!(net.diary.lines(), ["connect: Refused", "closed"]);
}
