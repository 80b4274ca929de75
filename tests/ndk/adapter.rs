//! ADP-*, CREATE-4, and adapters that are opened with less than the engine can do.

use crate::world::{ALL, End, PATIENCE, READS, adapter, connect, listen};
use qpair::ndk::{
    Adapter, AdapterFlags, AdapterLimits, CqNotify, Memory, MrFlags, NdkObject, NdkVersion, OnDisconnect,
    OpFlags, QpDescription, Status,
};

fn version(major: u16, minor: u16) -> NdkVersion {
    NdkVersion { major, minor }
}

/// ADP-2, ADP-3: the highest minor of the major that was asked for is reported; others are refused.
#[test]
fn adp_2_adp_3_versions() {
    let open = |asked| Adapter::options("local/adp_2").version(asked).open();
    for (asked, reported) in
        [(version(1, 0), version(1, 2)), (version(1, 2), version(1, 2)), (version(2, 0), version(2, 1))]
    {
        let adapter = open(asked).unwrap();
        assert_eq!(adapter.info().version, reported);
        assert_eq!(adapter.header().version, reported);
        assert_eq!(adapter.create_pd().wait().unwrap().header().version, reported);
    }
    assert_eq!(adapter("adp_2").info().version, NdkVersion::V2_1);
    for asked in [version(1, 3), version(2, 2), version(3, 0), version(0, 1)] {
        let error = open(asked).unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::BAD_VERSION, Some("version")));
    }
    let error = Adapter::options("local/adp_2").ndk_enabled(false).open().unwrap_err();
    assert_eq!(error.status(), Status::ADAPTER_NOT_READY);
}

/// ADP-9: each limit of the info is granted exactly, also where the adapter is opened with less, and one more
/// is refused.
#[test]
fn adp_9_limits_are_granted_exactly() {
    let limits = AdapterLimits::new()
        .max_cq_depth(40)
        .max_srq_depth(5)
        .max_receive_queue_depth(6)
        .max_initiator_queue_depth(7)
        .max_receive_request_sge(2)
        .max_initiator_request_sge(3)
        .max_read_request_sge(1)
        .max_inline_data_size(32)
        .max_registration_size(4096);
    let adapter = Adapter::options("local/adp_9").limits(limits).open().unwrap();
    let info = adapter.info();
    let status = |error: qpair::ndk::Error| error.status();
    let cq = adapter.create_cq(info.max_cq_depth, CqNotify::None).wait().unwrap();
    let more = adapter.create_cq(41, CqNotify::None).wait().unwrap_err();
    assert_eq!((more.status(), more.limit()), (Status::INVALID_PARAMETER, Some("40")));
    let pd = adapter.create_pd().wait().unwrap();
    pd.create_srq(info.max_srq_depth, info.max_receive_request_sge).wait().unwrap();
    assert_eq!(pd.create_srq(6, 1).wait().map_err(status).unwrap_err(), Status::INVALID_PARAMETER);
    let exactly = QpDescription::new(&cq)
        .receive_depth(info.max_receive_queue_depth)
        .initiator_depth(info.max_initiator_queue_depth)
        .receive_sge(info.max_receive_request_sge)
        .initiator_sge(info.max_initiator_request_sge)
        .inline_size(info.max_inline_data_size);
    pd.create_qp(exactly.clone()).wait().unwrap();
    for more in [
        exactly.clone().receive_depth(7),
        exactly.clone().initiator_depth(8),
        exactly.clone().receive_sge(3),
        exactly.clone().initiator_sge(4),
        exactly.clone().inline_size(33),
    ] {
        assert_eq!(pd.create_qp(more).wait().map_err(status).unwrap_err(), Status::INVALID_PARAMETER);
    }
    pd.register(Memory::zeroed(4096).unwrap(), ALL).wait().unwrap();
    let more = pd.register(Memory::zeroed(4097).unwrap(), ALL).wait();
    assert_eq!(more.map_err(status).unwrap_err(), Status::INVALID_PARAMETER);
}

/// Limits of single requests and of connections are the adapter's too: bytes, entries of a read, private
/// data, reads in progress.
#[test]
fn limits_of_requests_and_connections() {
    let limits = AdapterLimits::new()
        .max_transfer_length(100)
        .max_read_request_sge(1)
        .max_caller_data(3)
        .max_callee_data(2)
        .max_inbound_read_limit(1)
        .max_outbound_read_limit(2);
    let adapter = Adapter::options("local/limits_of_requests").limits(limits).open().unwrap();
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let (_listener, address, arrivals) = listen(&adapter);
    let from = adapter.create_connector().wait().unwrap();
    let here = adapter.addresses()[0];
    let refused = from.connect(&a.qp, here, address, READS, b"four").wait().unwrap_err();
    assert_eq!((refused.status(), refused.limit()), (Status::INVALID_BUFFER_SIZE, Some("3")));
    let connecting = from.connect(&a.qp, here, address, READS, b"abc");
    let to = arrivals.recv_timeout(PATIENCE).unwrap();
    let refused = to.accept(&b.qp, READS, b"abc", OnDisconnect::ignore()).wait().unwrap_err();
    assert_eq!((refused.status(), refused.limit()), (Status::INVALID_BUFFER_SIZE, Some("2")));
    assert_eq!(to.reject(b"abc").unwrap_err().status(), Status::INVALID_BUFFER_SIZE);
    let accepting = to.accept(&b.qp, READS, b"ab", OnDisconnect::ignore());
    connecting.wait().unwrap();
    let agreed = from.connection_data().unwrap().limits;
    assert_eq!((agreed.inbound, agreed.outbound), (1, 1));
    from.complete_connect(OnDisconnect::ignore()).wait().unwrap();
    accepting.wait().unwrap();
    let refused = a.qp.send(1, &[a.sge(0, 101)], OpFlags::NONE).unwrap_err();
    assert_eq!((refused.status(), refused.limit()), (Status::BUFFER_OVERFLOW, Some(100)));
    let two = [a.sge(0, 8), a.sge(8, 16)];
    let refused = a.qp.read(2, &two, b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap_err();
    assert_eq!((refused.status(), refused.limit()), (Status::DATA_OVERRUN, Some(1)));
    a.qp.write(3, &two, b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap();
    a.qp.read(4, &two[..1], b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap();
    assert_eq!(a.ends(2), [(3, Status::SUCCESS), (4, Status::SUCCESS)]);
}

/// What the engine does not have cannot be opened.
#[test]
fn limits_and_flags_that_the_engine_lacks() {
    let open = |limits| Adapter::options("local/too_much").limits(limits).open().unwrap_err();
    let error = open(AdapterLimits::new().max_cq_depth(u32::MAX));
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("max_cq_depth")));
    for (limits, argument) in [
        (AdapterLimits::new().max_caller_data(57), "max_caller_data"),
        (AdapterLimits::new().frmr_page_count(15), "frmr_page_count"),
        (AdapterLimits::new().max_initiator_request_sge(1), "max_read_request_sge"),
        (AdapterLimits::new().max_cq_depth(0), "max_cq_depth"),
    ] {
        let error = open(limits);
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some(argument)));
    }
    let error = Adapter::options("local/too_much").flags(AdapterFlags(1 << 30)).open().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("flags")));
    let hint = AdapterLimits::new().large_request_threshold(u32::MAX);
    assert!(Adapter::options("local/too_much").limits(hint).open().is_ok());
}

fn without(flag: AdapterFlags, net: &str) -> Adapter {
    let all = adapter(net).info().adapter_flags;
    assert!(all.contains(flag));
    Adapter::options(&format!("local/{net}")).flags(AdapterFlags(all.0 & !flag.0)).open().unwrap()
}

/// ADP-6: an address connects to itself where the flag is set, and is refused where it is not.
#[test]
fn adp_6_loopback() {
    let with = adapter("adp_6");
    let (a, b) = (End::new(&with), End::new(&with));
    connect(&with, &a.qp, &b.qp);
    let adapter = without(AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED, "adp_6");
    assert!(!adapter.info().adapter_flags.contains(AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED));
    let (end, connector) = (End::new(&adapter), adapter.create_connector().wait().unwrap());
    let (_listener, address, arrivals) = listen(&adapter);
    let refused = connector.connect(&end.qp, adapter.addresses()[0], address, READS, b"").wait();
    assert_eq!(refused.unwrap_err().status(), Status::CONNECTION_REFUSED);
    assert!(arrivals.try_recv().is_err());
}

/// MR-4 and its reverse: a sink needs no right of its own, unless the adapter says that it does.
#[test]
fn reads_into_sinks() {
    let read = |adapter: &Adapter, flags| {
        let (a, b) = (End::new(adapter), End::new(adapter));
        let _connection = connect(adapter, &a.qp, &b.qp);
        let sink = a.pd.register(Memory::zeroed(8).unwrap(), flags).wait().unwrap();
        // A receive into it needs local write only, whatever the adapter says.
        a.qp.receive(1, &[sink.sge(0..8).unwrap()]).unwrap();
        b.qp.send(2, &[b.sge(0, 8)], OpFlags::NONE).unwrap();
        assert_eq!(a.ends(1), [(1, Status::SUCCESS)]);
        a.qp.read(3, &[sink.sge(0..8).unwrap()], b.mr.remote(0).unwrap(), OpFlags::NONE).unwrap();
        a.take(1)[0].status
    };
    let plain = MrFlags::ALLOW_LOCAL_WRITE;
    assert_eq!(read(&adapter("sinks"), plain), Status::SUCCESS);
    let strict = without(AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED, "sinks");
    assert_eq!(read(&strict, plain), Status::ACCESS_VIOLATION);
    assert_eq!(read(&strict, plain | MrFlags::RDMA_READ_SINK), Status::SUCCESS);
}

/// CQ-38 and Q-38: an instance of version 1 gives no provider error codes.
#[test]
fn version_1_has_no_provider_error_codes() {
    let failed_read = |version| {
        let adapter = Adapter::options("local/codes").version(version).open().unwrap();
        let (a, b) = (End::new(&adapter), End::new(&adapter));
        let _connection = connect(&adapter, &a.qp, &b.qp);
        let beyond = b.mr.remote(4095).unwrap();
        a.qp.read(1, &[a.sge(0, 8)], beyond, OpFlags::NONE).unwrap();
        let completion = a.take(1)[0];
        assert_eq!(completion.status, Status::ACCESS_VIOLATION);
        completion.provider_error_code
    };
    assert_ne!(failed_read(NdkVersion::V2_1), 0);
    assert_eq!(failed_read(NdkVersion::V1_2), 0);
}
