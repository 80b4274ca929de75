//! ADP-* and FLAG-*: what an adapter says of itself, and the numbers of flags.

use super::prelude::*;
use crate::conformance::device::Host;
use crate::ndk::{AdapterInfo, Guid, Mr, NdkObject, NdkVersion};
use std::thread;

pub(super) const ADP: &[Statement] = &[
    Statement::not_shown(
        "ADP-1",
        D,
        "a buffer too small for the adapter's info is BUFFER_TOO_SMALL with the size needed",
        "the Rust face returns the info by reference, which has no buffer",
    ),
    Statement::new("ADP-2", D, "an open at or below the version succeeds and reports the highest", adp_2),
    Statement::new("ADP-3", D, "another major or a higher minor is BAD_VERSION", adp_3),
    Statement::new("ADP-4", D, "FRMRPageCount is at least 16", adp_4),
    Statement::new("ADP-5", D, "an extension that does not exist is NOT_SUPPORTED", adp_5),
    Statement::new("ADP-6", D, "with LOOPBACK an address can connect to itself", adp_6),
    Statement::new("ADP-7", D, "with IN_ORDER_DMA the last byte is not seen before earlier ones", adp_7),
    Statement::new("ADP-8", D, "two adapters of one device both work", adp_8),
    Statement::new("ADP-9", I, "a limit that is asked for exactly is granted", adp_9),
];

pub(super) const FLAG: &[Statement] = &[
    Statement::new("FLAG-1", D, "flags have the numbers of the header", flag_1),
    Statement::new("FLAG-2", I, "on a read 0x100 is LOCAL_INVALIDATE and 0x200 is DEFER", flag_2),
    Statement::new("FLAG-3", D, "RDMA_READ_SINK is taken by a fast register", super::mr_pages::sink_is_taken),
    Statement::new("FLAG-4", I, "a flag that a request does not list is INVALID_PARAMETER inline", flag_4),
];

const fn version(major: u16, minor: u16) -> NdkVersion {
    NdkVersion { major, minor }
}

fn adp_2(bench: &Bench) -> Outcome {
    let highest = bench.adapter()?.info().version;
    for minor in 0..=highest.minor {
        let asked = version(highest.major, minor);
        let adapter = bench.adapter_with(|options| options.version(asked))?;
        ensure_eq!(adapter.info().version, highest, "what an adapter opened with {asked} reports");
    }
    // A lower major may be known too, and then the same holds for its minors.
    if let Ok(adapter) = bench.try_open(|options| options.version(version(1, 0)))? {
        let reported = adapter.info().version;
        ensure_eq!(reported.major, 1, "the major of an adapter opened with 1.0");
        for minor in 0..=reported.minor {
            let adapter = bench.adapter_with(|options| options.version(version(1, minor)))?;
            ensure_eq!(adapter.info().version, reported, "what an adapter opened with 1.{minor} reports");
        }
    }
    Ok(())
}

fn adp_3(bench: &Bench) -> Outcome {
    let highest = bench.adapter()?.info().version;
    let higher = [(highest.major, highest.minor + 1), (highest.major + 1, 0), (0, 1), (u16::MAX, 0)];
    for (major, minor) in higher {
        let opened = bench.try_open(|options| options.version(version(major, minor)))?;
        failed(opened, Status::BAD_VERSION, &format!("an open with {major}.{minor}"))?;
    }
    if let Ok(adapter) = bench.try_open(|options| options.version(version(1, 0)))? {
        let asked = version(1, adapter.info().version.minor + 1);
        let opened = bench.try_open(|options| options.version(asked))?;
        failed(opened, Status::BAD_VERSION, &format!("an open with {asked}"))?;
    }
    Ok(())
}

fn adp_4(bench: &Bench) -> Outcome {
    let pages = bench.adapter()?.info().frmr_page_count;
    ensure!(pages >= 16, "FRMRPageCount: expected at least 16, got {pages}");
    Ok(())
}

fn adp_5(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let nameless = Guid(0x0BAD_CAFE, 1, 2, [3; 8]);
    let objects: [(&str, &dyn NdkObject); 7] = [
        ("adapter", &pair.adapter),
        ("queue pair", &pair.a.qp),
        ("completion queue", &pair.a.cq),
        ("region", &pair.a.mr),
        ("domain", &pair.a.pd),
        ("connector", &pair.connection.active),
        ("listener", &pair.connection.listener),
    ];
    for (what, object) in objects {
        let asked = object.query_extension(nameless, version(1, 0));
        failed(asked, Status::NOT_SUPPORTED, &format!("an extension of a {what}"))?;
    }
    Ok(())
}

fn adp_6(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    if !adapter.info().adapter_flags.contains(AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED) {
        return lacks("LOOPBACK_CONNECTIONS_SUPPORTED");
    }
    let (a, b) = (End::new(&adapter)?, End::new(&adapter)?);
    let connection = connect(&adapter, &a.qp, &b.qp)?;
    let (own, peer) = (connection.active.local_address()?, connection.active.peer_address()?);
    ensure_eq!(own.ip(), peer.ip(), "the addresses of both ends");
    b.receive(1)?;
    a.send(2, b"self", NONE)?;
    b.yields(&[(1, Status::SUCCESS)], "a message to oneself")
}

fn adp_7(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    if !pair.adapter.info().adapter_flags.contains(AdapterFlags::IN_ORDER_DMA_SUPPORTED) {
        return lacks("IN_ORDER_DMA_SUPPORTED");
    }
    let (seen, next) = notes();
    thread::scope(|scope| -> Outcome {
        let watcher = scope.spawn(|| -> Outcome {
            for round in 1..=200_u8 {
                // The last byte is watched, as a consumer that polls memory does.
                let spins = (0..u64::MAX).take_while(|spin| {
                    std::thread::yield_now();
                    *spin < 100_000_000 && pair.b.mr.load_u8(SIZE - 1).is_ok_and(|byte| byte != round)
                });
                spins.for_each(drop);
                let bytes = pair.b.bytes(0, SIZE)?;
                let early = bytes.iter().position(|byte| *byte != round);
                seen.say(round);
                if let Some(at) = early {
                    let byte = bytes[at];
                    return wrong(format_args!(
                        "round {round}: byte {at} was {byte} when the last one was there"
                    ));
                }
            }
            Ok(())
        });
        for round in 1..=200_u8 {
            pair.a.mr.write(0, &[round; SIZE])?;
            pair.a.qp.write(1, &pair.a.sge(0, SIZE)?, pair.b.remote(0)?, NONE)?;
            pair.a.yields(&[(1, Status::SUCCESS)], "a write of a page")?;
            if next.next("the watcher")? != round || watcher.is_finished() {
                break;
            }
        }
        joined(watcher)
    })
}

fn adp_8(bench: &Bench) -> Outcome {
    let net = bench.net();
    let (one, other) = (bench.adapter_of(&net, Host::One)?, bench.adapter_of(&net, Host::Other)?);
    let (a, b, door) = (End::new(&one)?, End::new(&other)?, listen(&other)?);
    let active = connector(&one)?;
    let connecting = active.connect(&a.qp, home(&one)?, door.address, READS, b"");
    let passive = door.arrivals.next("the connect event of the other adapter")?;
    let accepting = passive.accept(&b.qp, READS, b"", ignore());
    connecting.done("NdkConnect")?;
    active.complete_connect(ignore()).done("NdkCompleteConnect")?;
    accepting.done("NdkAccept")?;
    b.receive(1)?;
    a.send(2, b"across", NONE)?;
    b.yields(&[(1, Status::SUCCESS)], "a message from adapter to adapter")?;
    ensure_eq!(b.bytes(0, 6)?, b"across", "what arrived");
    let again = bench.adapter_of(&net, Host::One)?;
    let end = End::new(&again)?;
    end.receive(3)?;
    end.qp.flush();
    end.yields(&[(3, Status::CANCELLED)], "a second instance at the same address")?;
    drop(end);
    again.close()?;
    a.write(4, &b, NONE)?;
    a.yields(&[(2, Status::SUCCESS), (4, Status::SUCCESS)], "the first when the second is closed")
}

fn adp_9(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let info = adapter.info().clone();
    adapter.create_cq(info.max_cq_depth, CqNotify::None).done("a queue of MaxCqDepth")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    super::srq::create(&pd, info.max_srq_depth, info.max_receive_request_sge)?;
    let limits = ReadLimits { inbound: info.max_inbound_read_limit, outbound: info.max_outbound_read_limit };
    let make = || {
        End::with(&adapter, |qp| {
            qp.initiator_sge(info.max_initiator_request_sge)
                .receive_sge(info.max_receive_request_sge)
                .inline_size(info.max_inline_data_size)
        })
    };
    let (a, b) = (make()?, make()?);
    let _connection = connect_with(&adapter, &a.qp, &b.qp, Plan { limits, ..Plan::default() })?;
    let inline = vec![7; info.max_inline_data_size as usize];
    a.qp.write(1, Data::Inline(&[&inline]), b.remote(0)?, NONE)?;
    a.yields(&[(1, Status::SUCCESS)], "MaxInlineDataSize inline bytes")?;
    let sges = vec![a.sge(0, 1)?; info.max_read_request_sge as usize];
    a.qp.read(2, &sges, b.remote(0)?, NONE)?;
    a.yields(&[(2, Status::SUCCESS)], "MaxReadRequestSge entries")?;
    longest(bench, &a, &b, &info)
}

/// The longest message, from and into entries of the same memory.
fn longest(bench: &Bench, a: &End, b: &End, info: &AdapterInfo) -> Outcome {
    const PART: usize = 128 << 20;
    let register = |end: &End| end.pd.register(zeroed(PART)?, ALL).done("NdkRegisterMr");
    let (from, to) = (register(a)?, register(b)?);
    let length = info.max_transfer_length as usize;
    let (parts, last) = (length.div_ceil(PART), (length - 1) % PART + 1);
    if parts > info.max_initiator_request_sge.min(info.max_receive_request_sge) as usize {
        return Ok(()); // longer than this memory, named as often as it may be
    }
    // One part says how fast the device is.
    b.qp.receive(5, &[to.sge(0..last)?])?;
    a.qp.send(6, &[from.sge(0..last)?], NONE)?;
    let (_, beats) = bench.within(&b.cq, 200, "a part of a message")?;
    a.yields(&[(6, Status::SUCCESS)], "its sender")?;
    from.write(last - 1, &[0xE])?;
    let all_of = |of: &Mr| -> Outcome<Vec<Sge>> {
        let mut entries = vec![of.sge(0..PART)?; parts - 1];
        entries.push(of.sge(0..last)?);
        Ok(entries)
    };
    b.qp.receive(3, &all_of(&to)?)?;
    a.qp.send(4, &all_of(&from)?, NONE)?;
    let patience = 200 + 3 * beats * parts as u32;
    let (received, _) = bench.within(&b.cq, patience, "a message of MaxTransferLength")?;
    ensure_eq!(received.status, Status::SUCCESS, "a message of MaxTransferLength");
    ensure_eq!(received.bytes_transferred, info.max_transfer_length, "its length");
    a.yields(&[(4, Status::SUCCESS)], "its sender")?;
    ensure_eq!(to.load_u8(last - 1)?, 0xE, "its last byte");
    Ok(())
}

fn flag_1(_: &Bench) -> Outcome {
    let ops = [
        (OpFlags::SILENT_SUCCESS, 0x001),
        (OpFlags::READ_FENCE, 0x002),
        (OpFlags::SEND_AND_SOLICIT_EVENT, 0x004),
        (OpFlags::ALLOW_REMOTE_READ, 0x008),
        (OpFlags::ALLOW_LOCAL_WRITE, 0x010),
        (OpFlags::ALLOW_REMOTE_WRITE, 0x030),
        (OpFlags::INLINE, 0x040),
        (OpFlags::RDMA_READ_SINK, 0x080),
        (OpFlags::RDMA_READ_LOCAL_INVALIDATE, 0x100),
        (OpFlags::DEFER, 0x200),
    ];
    let regions = [
        (MrFlags::ALLOW_LOCAL_READ, 0x0),
        (MrFlags::ALLOW_LOCAL_WRITE, 0x1),
        (MrFlags::ALLOW_REMOTE_READ, 0x2),
        (MrFlags::ALLOW_REMOTE_WRITE, 0x5),
        (MrFlags::RDMA_READ_SINK, 0x8),
    ];
    let adapters = [
        (AdapterFlags::IN_ORDER_DMA_SUPPORTED, 0x00001),
        (AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED, 0x00002),
        (AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED, 0x00004),
        (AdapterFlags::MULTI_ENGINE_SUPPORTED, 0x00008),
        (AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED, 0x00010),
        (AdapterFlags::CQ_RESIZE_SUPPORTED, 0x00100),
        (AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED, 0x10000),
    ];
    let ops = ops.iter().map(|(flag, number)| (flag.0, *number));
    let regions = regions.iter().map(|(flag, number)| (flag.0, *number));
    let adapters = adapters.iter().map(|(flag, number)| (flag.0, *number));
    for (got, expected) in ops.chain(regions).chain(adapters) {
        ensure_eq!(got, expected, "the number of a flag");
    }
    numbered_types()
}

fn numbered_types() -> Outcome {
    let levels = [(NotifyType::Errors, 0), (NotifyType::Any, 1), (NotifyType::Solicited, 2)];
    for (level, number) in levels {
        ensure_eq!(level as u32, number, "the number of {level:?}");
    }
    let kinds = [
        (OperationType::Receive, 1),
        (OperationType::Send, 2),
        (OperationType::FastRegister, 4),
        (OperationType::Bind, 8),
        (OperationType::Invalidate, 16),
        (OperationType::Read, 32),
        (OperationType::Write, 64),
        (OperationType::ReceiveAndInvalidate, 32769),
    ];
    for (kind, number) in kinds {
        ensure_eq!(kind as u32, number, "the number of {kind:?}");
    }
    Ok(())
}

fn flag_2(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    // 0x200 is a hint that harms nothing: its token works on, and the next plain request indicates it.
    pair.a.read(1, &pair.b, OpFlags(0x200))?;
    pair.a.read(2, &pair.b, OpFlags(0x200))?;
    pair.a.read(3, &pair.b, NONE)?;
    pair.a.yields(&all(1..4, Status::SUCCESS), "two reads with 0x200 and a plain one")?;
    // It is pending until then or done early, and a flush finds it or not.
    pair.a.read(4, &pair.b, OpFlags(0x200))?;
    pair.a.qp.flush();
    let ended = pair.a.take(1, "a read with 0x200, flushed")?[0];
    ensure!(matches!(ended.status, Status::CANCELLED | Status::SUCCESS), "its status: {}", ended.status);
    // 0x100 is taken by every adapter, and obeyed or ignored (MR-22, MR-23).
    let pair = Pair::new(bench)?;
    pair.a.read(1, &pair.b, OpFlags(0x100)).map_err(|finding| finding.during("a read with 0x100"))
}

fn flag_4(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (qp, sge, remote) = (&pair.a.qp, pair.a.sge(0, 8)?, pair.b.remote(0)?);
    let status = Status::INVALID_PARAMETER;
    for flags in [OpFlags::ALLOW_REMOTE_READ, OpFlags::RDMA_READ_SINK, OpFlags(0x8000_0000)] {
        let what = format!("flags 0x{:x}", flags.0);
        refused(qp.send(1, &sge, flags), status, &format!("a send with {what}"))?;
        refused(qp.read(1, &[sge], remote, flags), status, &format!("a read with {what}"))?;
        refused(qp.write(1, &sge, remote, flags), status, &format!("a write with {what}"))?;
    }
    refused(qp.read(1, &[sge], remote, OpFlags::INLINE), status, "a read with INLINE")?;
    let solicit = OpFlags::SEND_AND_SOLICIT_EVENT;
    refused(qp.write(1, &sge, remote, solicit), status, "a write with SEND_AND_SOLICIT_EVENT")?;
    refused(qp.read(1, &[sge], remote, solicit), status, "a read with SEND_AND_SOLICIT_EVENT")?;
    let invalidate = OpFlags::RDMA_READ_LOCAL_INVALIDATE;
    refused(qp.send(1, &sge, invalidate), status, "a send with RDMA_READ_LOCAL_INVALIDATE")?;
    bench.quiet(&pair.a.cq, "posts that were refused")?;
    qp.read(2, &[sge], remote, NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "a read after them")
}
