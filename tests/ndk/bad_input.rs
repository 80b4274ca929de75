//! Arguments that are wrong: each refusal names the call, the argument, what was given and the limit.

use crate::world::{ALL, End, adapter, cq, pair};
use qpair::ndk::{
    Adapter, AdapterFlags, Clock, CqNotify, Data, ManualClock, MrFlags, OpFlags, PostError, QpDescription,
    RdmaTechnology, Status, Timeouts,
};
use std::time::Duration;

/// Names of no device, and malformed ones.
#[test]
fn names_that_open_nothing() {
    for (name, status) in [
        ("udp@10.0.0.1", Status::NOT_SUPPORTED),
        ("mlx5_0", Status::NOT_SUPPORTED),
        ("", Status::NOT_SUPPORTED),
        ("local/", Status::INVALID_PARAMETER),
        ("local/a/b", Status::INVALID_PARAMETER),
        ("local/a@nowhere", Status::INVALID_PARAMETER),
    ] {
        let error = Adapter::open(name).unwrap_err();
        assert_eq!((error.status(), error.argument()), (status, Some("name")), "{error}");
        assert!(error.got().is_some_and(|got| got.contains(name)) && error.hint().is_some(), "{error}");
    }
}

/// A NET goes by one clock and one set of time limits.
#[test]
fn a_net_is_opened_with_the_same_options() {
    let name = "local/bad_options";
    let clock = || Clock::Manual(ManualClock::new());
    let first = clock();
    let adapter = Adapter::options(name).clock(first.clone()).open().unwrap();
    let again = Adapter::options(name).clock(first.clone()).open().unwrap();
    let short = Timeouts { connect: Duration::from_secs(1), ..Timeouts::default() };
    for other in [
        Adapter::options(name),
        Adapter::options(name).clock(clock()),
        Adapter::options(name).clock(first).timeouts(short),
    ] {
        let error = other.open().unwrap_err();
        assert_eq!(error.status(), Status::SHARING_VIOLATION, "{error}");
    }
    drop((adapter, again));
    Adapter::open(name).unwrap();
}

/// CQ-1, Q-30: no entries, or too many.
#[test]
fn depths_are_named() {
    let adapter = adapter("cq_1");
    let limit = adapter.info().max_cq_depth;
    for depth in [0, limit + 1, u32::MAX] {
        let error = adapter.create_cq(depth, CqNotify::None).wait().unwrap_err();
        assert_eq!((error.status(), error.call()), (Status::INVALID_PARAMETER, "NdkCreateCq"));
        assert_eq!((error.argument(), error.got()), (Some("CqDepth"), Some(&*depth.to_string())));
        assert_eq!(error.limit(), Some(&*limit.to_string()));
    }
}

/// QP-1: each of the five over its limit is named.
#[test]
fn each_size_over_its_limit_is_named() {
    let adapter = adapter("qp_1");
    let (pd, cq, info) = (adapter.create_pd().wait().unwrap(), cq(&adapter, 1), adapter.info().clone());
    let usual = || QpDescription::new(&cq);
    for (description, argument, limit) in [
        (
            usual().receive_depth(info.max_receive_queue_depth + 1),
            "ReceiveQueueDepth",
            info.max_receive_queue_depth,
        ),
        (
            usual().initiator_depth(info.max_initiator_queue_depth + 1),
            "InitiatorQueueDepth",
            info.max_initiator_queue_depth,
        ),
        (
            usual().receive_sge(info.max_receive_request_sge + 1),
            "MaxReceiveRequestSge",
            info.max_receive_request_sge,
        ),
        (
            usual().initiator_sge(info.max_initiator_request_sge + 1),
            "MaxInitiatorRequestSge",
            info.max_initiator_request_sge,
        ),
        (usual().inline_size(info.max_inline_data_size + 1), "InlineDataSize", info.max_inline_data_size),
    ] {
        let error = pd.create_qp(description).wait().unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some(argument)));
        assert_eq!(
            (error.got(), error.limit()),
            (Some(&*(limit + 1).to_string()), Some(&*limit.to_string()))
        );
    }
}

/// Objects of another adapter do not go together.
#[test]
fn objects_of_another_adapter() {
    let (one, other) = (adapter("bad_one"), adapter("bad_other"));
    let (pd, mine, foreign) = (one.create_pd().wait().unwrap(), cq(&one, 1), cq(&other, 1));
    let error = pd.create_qp(QpDescription::new(&foreign)).wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("ReceiveCq")));
    let error = pd.create_qp(QpDescription::new(&mine).initiator_cq(&foreign)).wait().unwrap_err();
    assert_eq!(error.argument(), Some("InitiatorCq"));
    let end = End::new(&one);
    let connector = other.create_connector().wait().unwrap();
    let at = other.addresses()[0];
    let error = connector.connect(&end.qp, at, at, crate::world::READS, b"").wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Qp")));
}

/// FLAG-4: flags that a call does not take; the queue pair works on.
#[test]
fn flags_that_a_call_does_not_take_are_named() {
    let pair = pair("flag_4");
    let (qp, sge, remote) = (&pair.a.qp, pair.a.sge(0, 8), pair.b.mr.remote(0).unwrap());
    let refused = |result: Result<(), PostError>, flags: OpFlags| {
        let error = result.unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Flags")), "{error}");
        assert_eq!(error.got(), Some(flags.0.into()));
        assert_eq!(
            error.limit().unwrap() & u64::from(flags.0),
            error.limit().unwrap() & error.got().unwrap()
        );
    };
    for flags in [OpFlags::ALLOW_REMOTE_READ, OpFlags::RDMA_READ_SINK, OpFlags(0x8000_0000)] {
        refused(qp.send(1, &sge, flags), flags);
        refused(qp.read(1, &[sge], remote, flags), flags);
        refused(qp.write(1, &sge, remote, flags), flags);
    }
    refused(qp.read(1, &[sge], remote, OpFlags::INLINE), OpFlags::INLINE);
    refused(qp.write(1, &sge, remote, OpFlags::SEND_AND_SOLICIT_EVENT), OpFlags::SEND_AND_SOLICIT_EVENT);
    refused(qp.send(1, &sge, OpFlags::RDMA_READ_LOCAL_INVALIDATE), OpFlags::RDMA_READ_LOCAL_INVALIDATE);
    // The flag without the bytes: entries name registered memory.
    refused(qp.send(1, &sge, OpFlags::INLINE), OpFlags::INLINE);
    qp.read(2, &[sge], remote, OpFlags::READ_FENCE).unwrap();
    qp.read(3, &[sge], remote, OpFlags::NONE).unwrap();
    assert_eq!(pair.a.ends(2), crate::world::all([2, 3], Status::SUCCESS));
    assert!(pair.a.is_quiet());
}

/// Flags that a registration does not take, half a right among them.
#[test]
fn flags_of_a_registration() {
    let end = End::new(&adapter("bad_rights"));
    for flags in [MrFlags(0x4), MrFlags(0x10), MrFlags(0x1_0000), MrFlags(u32::MAX)] {
        let error = end.pd.register(vec![0; 8], flags).wait().unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Flags")), "{error}");
    }
    end.pd.register(vec![0; 8], ALL).wait().unwrap();
}

/// A token that is none, in each place; the process lives on.
#[test]
fn tokens_that_are_none() {
    for (round, token) in [0, 1, 0xFFFF_FFFF, 0x8000_0000].into_iter().enumerate() {
        let pair = pair(&format!("bad_token_{round}"));
        let mut sge = pair.a.sge(0, 8);
        let mut remote = pair.b.mr.remote(0).unwrap();
        sge.token.0 = token;
        remote.token.0 = token;
        pair.a.qp.write(1, &pair.a.sge(0, 8), remote, OpFlags::NONE).unwrap();
        pair.a.qp.send_and_invalidate(2, Data::NONE, OpFlags::NONE, remote.token).unwrap();
        assert_eq!(pair.a.ends(2), [(1, Status::ACCESS_VIOLATION), (2, Status::CANCELLED)]);
        let pair = crate::world::pair(&format!("bad_token_local_{round}"));
        pair.a.qp.read(1, &[sge], pair.b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap();
        assert_eq!(pair.a.ends(1), [(1, Status::ACCESS_VIOLATION)]);
    }
}

/// What the adapter says of itself is what it does.
#[test]
fn the_adapter_says_what_it_can() {
    let adapter = adapter("adp_info");
    let info = adapter.info();
    let flags = info.adapter_flags;
    assert!(
        flags.contains(AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED | AdapterFlags::IN_ORDER_DMA_SUPPORTED)
    );
    assert!(flags.contains(AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED | AdapterFlags::MULTI_ENGINE_SUPPORTED));
    assert!(
        flags.contains(AdapterFlags::CQ_RESIZE_SUPPORTED | AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED)
    );
    assert!(flags.contains(AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED));
    assert_eq!((info.max_window_size, info.frmr_page_count), (info.max_registration_size, 512));
    assert_eq!(info.rdma_technology, RdmaTechnology::Undefined);
    assert_eq!((info.max_caller_data, info.max_callee_data), (56, 148));
}
