//! Devices, what they say of themselves, and the order in which objects can go.

use super::rig::{self, Memory};
use qpair_rdma_core::{
    Access, Context, Error, GidType, LinkLayer, PortState, QpDescription, SrqDescription, devices,
};

#[test]
fn a_device_is_listed_and_says_what_it_can() {
    let context = rig::device();
    let listed = devices().unwrap();
    let entry = listed.iter().find(|entry| entry.name == context.name()).expect("the device is listed");
    let attributes = context.attributes().unwrap();
    assert_eq!(attributes.node_guid, entry.guid);
    assert!(attributes.max_qp > 0 && attributes.max_sge > 0 && attributes.max_mr > 0, "{attributes:?}");
    let port = context.port(1).unwrap();
    assert_eq!((port.state, port.link_layer), (PortState::Active, LinkLayer::Ethernet));
    assert!(port.active_mtu_bytes >= 256 && port.max_mtu_bytes >= port.active_mtu_bytes, "{port:?}");
    assert!(context.port(attributes.ports + 1).is_err());
    let gids = context.gids().unwrap();
    assert!(gids.iter().all(|entry| entry.port == 1 && entry.kind == GidType::RoCEv2), "{gids:?}");
    assert!(gids.iter().any(|entry| entry.address().is_ipv4()), "{gids:?}");
}

#[test]
fn a_name_of_no_device_is_refused_with_those_there_are() {
    let error = Context::open("nowhere0").unwrap_err();
    assert!(matches!(error, Error::NoDevice { .. }), "{error}");
    assert!(error.to_string().contains(&rig::device().name()), "{error}");
}

#[test]
fn what_is_in_use_cannot_be_closed_and_is_handed_back() {
    let context = rig::device();
    let pd = context.create_pd().unwrap();
    let memory = Memory::new(&pd, 64, Access::LOCAL_WRITE);
    let refused = pd.close().unwrap_err();
    assert!(matches!(*refused.error, Error::InUse { .. }), "{refused}");
    let pd = refused.object;
    let context = context.close().unwrap_err().object;
    drop(memory);
    pd.close().unwrap();
    context.close().unwrap();
}

#[test]
fn parents_outlive_their_children_in_any_order_of_drops() {
    let context = rig::device();
    let channel = context.create_completion_channel().unwrap();
    let cq = context.create_cq(4, Some(&channel), 1).unwrap();
    let pd = context.create_pd().unwrap();
    let srq = pd.create_srq(&SrqDescription { requests: 4, sge: 1, key: 2 }).unwrap();
    let qp = pd.create_qp(&QpDescription { srq: Some(&srq), ..QpDescription::new(&cq) }).unwrap();
    drop(context);
    drop(pd);
    drop(channel);
    drop(cq);
    drop(srq);
    assert!(qp.number() > 0);
    qp.close().unwrap();
}

#[test]
fn a_creation_that_fails_leaves_nothing_behind() {
    let context = rig::device();
    let pd = context.create_pd().unwrap();
    let cq = context.create_cq(4, None, 0).unwrap();
    assert!(context.create_cq(u32::MAX, None, 0).is_err());
    let huge = QpDescription { send_sge: 1 << 20, ..QpDescription::new(&cq) };
    assert!(pd.create_qp(&huge).is_err());
    assert!(pd.create_srq(&SrqDescription { requests: u32::MAX, sge: 1, key: 0 }).is_err());
    let mut bytes = [0_u8; 64];
    // SAFETY: refused, so there is no region; the device must be able to write where a peer may.
    let refused = unsafe { pd.register(bytes.as_mut_ptr(), bytes.len(), Access::REMOTE_WRITE) };
    assert_eq!(refused.unwrap_err().errno(), Some(22));
    cq.close().unwrap();
    pd.close().unwrap();
    context.close().unwrap();
}

#[test]
fn objects_of_two_opened_devices_are_not_combined() {
    let (one, other) = (rig::device(), rig::device());
    let cq = other.create_cq(4, None, 0).unwrap();
    let pd = one.create_pd().unwrap();
    let error = pd.create_qp(&QpDescription::new(&cq)).unwrap_err();
    assert!(matches!(error, Error::Unfit { argument: "send_cq", .. }), "{error}");
    let channel = other.create_completion_channel().unwrap();
    assert!(matches!(one.create_cq(4, Some(&channel), 0), Err(Error::Unfit { .. })));
}
