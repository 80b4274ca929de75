//! The connection manager: what ends say to each other, rejection, disconnection, and giving up.

use super::rig::{self, End, Pair, expect, listen, resolve, to_init};
use qpair_rdma_core::Error;
use qpair_rdma_core::cm::{Connection, EventChannel, EventKind, MAX_PRIVATE_DATA_CONNECT};

#[test]
fn both_ends_learn_each_others_numbers_data_and_addresses() {
    let context = rig::device();
    let pair = Pair::new(&context, true);
    assert_eq!(pair.request.qp_number, pair.active.qp.number());
    assert_eq!(pair.response.qp_number, pair.passive.qp.number());
    assert_eq!(pair.request.private_data.len(), 56);
    assert!(pair.request.private_data.starts_with(b"offer\0"));
    assert_eq!(pair.response.private_data.len(), 196);
    assert!(pair.response.private_data.starts_with(b"answer\0"));
    assert_eq!((pair.request.retry_count, pair.request.rnr_retry_count), (6, 6));
    let (active, passive) = (&pair.active_id, &pair.passive_id);
    assert_eq!(active.local_address(), passive.peer_address());
    assert_eq!(active.peer_address(), passive.local_address());
    assert_eq!(active.device(), Some((context.name(), 1)));
    assert_eq!(passive.device(), active.device());
    assert_ne!(active.key(), passive.key());
}

#[test]
fn a_disconnection_is_told_to_both_ends() {
    let pair = Pair::new(&rig::device(), true);
    pair.active_id.disconnect().unwrap();
    expect(&pair.events, EventKind::Disconnected, pair.passive_id.key());
    pair.passive_id.disconnect().unwrap();
    expect(&pair.events, EventKind::Disconnected, pair.active_id.key());
}

#[test]
fn a_rejection_comes_with_its_reason_and_data() {
    let context = rig::device();
    let events = EventChannel::new().unwrap();
    let (listener, address) = listen(&events, &context);
    for explained in [true, false] {
        let end = End::new(&context, true);
        let active = resolve(&events, address);
        to_init(&active, &end.qp);
        active.connect(&Connection::new(end.qp.number())).unwrap();
        let request = expect(&events, EventKind::ConnectRequest, listener.key()).incoming.unwrap();
        if explained {
            request.reject(b"full").unwrap();
        }
        drop(request); // which rejects, too
        let rejected = expect(&events, EventKind::Rejected, active.key());
        assert_eq!(rejected.status, 28, "by a program");
        let data = rejected.parameters.unwrap().private_data;
        assert_eq!(data.starts_with(b"full\0"), explained, "{data:?}");
    }
}

#[test]
fn a_port_where_nobody_listens_rejects() {
    let context = rig::device();
    let events = EventChannel::new().unwrap();
    let (listener, address) = listen(&events, &context);
    drop(listener);
    let end = End::new(&context, true);
    let active = resolve(&events, address);
    to_init(&active, &end.qp);
    active.connect(&Connection::new(end.qp.number())).unwrap();
    let rejected = expect(&events, EventKind::Rejected, active.key());
    assert_eq!(rejected.status, 8, "no such service");
}

#[test]
fn a_port_is_taken_once() {
    let context = rig::device();
    let events = EventChannel::new().unwrap();
    let (_listener, address) = listen(&events, &context);
    let second = events.create_id().unwrap();
    let refused = second.bind(address).and_then(|()| second.listen(1)).unwrap_err();
    assert_eq!(refused.errno(), Some(98), "{refused}");
}

#[test]
fn calls_out_of_turn_are_refused() {
    let events = EventChannel::new().unwrap();
    let id = events.create_id().unwrap();
    assert_eq!((id.local_address(), id.peer_address(), id.device()), (None, None, None));
    assert!(id.disconnect().is_err());
    let connection = Connection::new(1);
    for refused in [id.resolve_route(rig::PATIENCE), id.accept(&connection), id.connect(&connection)] {
        assert!(matches!(refused, Err(Error::Unfit { argument: "the id", .. })), "{refused:?}");
    }
    let long = [0; MAX_PRIVATE_DATA_CONNECT + 1];
    let refused = id.connect(&Connection { private_data: &long, ..Connection::new(1) }).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { given: 57, limit: 56, .. }), "{refused}");
    assert!(events.next_event().unwrap().is_none());
}
