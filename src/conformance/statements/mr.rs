//! MR-1 to MR-13: registration, its rights, and what it refuses.

use super::prelude::*;
use super::{mr_pages, mw};
use crate::conformance::raw;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("MR-1", D, "tokens are there once the registration has succeeded", mr_1),
    Statement::new("MR-2", D, "a peer's write without the right fails", mr_2),
    Statement::new("MR-3", D, "remote write contains local write", mr_3),
    Statement::new("MR-4", D, "RDMA_READ_SINK harms nothing where it is not required", mr_4),
    Statement::not_shown(
        "MR-5",
        I,
        "fast-register and ordinary regions do not mix",
        "in the Rust face they are two types, each with the calls of its kind only",
    ),
    Statement::new("MR-6", D, "too many adapter pages are IMPLEMENTATION_LIMIT", mr_pages::mr_6),
    Statement::new(
        "MR-7",
        D,
        "a remote right without RemoteAccess is ACCESS_VIOLATION inline",
        mr_pages::mr_7,
    ),
    Statement::new("MR-8", D, "the token can be sent in the request after the fast register", mr_pages::mr_8),
    Statement::new("MR-9", I, "a base of 0 with an offset is refused", mr_pages::mr_9),
    Statement::new("MR-10", I, "a length beyond the pages fails", mr_pages::mr_10),
    Statement::new("MR-11", DT, "a region with a bound window is DEVICE_BUSY to deregister", mw::busy),
    Statement::new("MR-12", T, "a null buffer of length 0 is INVALID_PARAMETER", mr_12),
    Statement::new("MR-13", T, "a buffer of length 0 is INVALID_BUFFER_SIZE", mr_13),
];

fn mr_1(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let region = pair.a.pd.register(b"tokens at once".to_vec(), ALL).done("NdkRegisterMr")?;
    let (local, remote) = (region.local_token(), region.remote_token());
    ensure_eq!(region.sge(0..6)?.token, local, "token of an entry");
    ensure_eq!(region.remote(0)?.token, remote, "token of a remote address");
    pair.b.receive(1)?;
    pair.a.qp.send(2, &region.sge(0..6)?, NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "a send under the local token")?;
    pair.b.take(1, "its receive")?;
    ensure_eq!(pair.b.bytes(0, 6)?, b"tokens", "what was sent");
    pair.b.qp.read(3, &[pair.b.sge(0, 7)?], region.remote(7)?, NONE)?;
    pair.b.yields(&[(3, Status::SUCCESS)], "a peer's read under the remote token")?;
    ensure_eq!(pair.b.bytes(0, 7)?, b"at once", "what was read");
    Ok(())
}

fn mr_2(bench: &Bench) -> Outcome {
    for flags in [MrFlags::ALLOW_REMOTE_READ, MrFlags::ALLOW_LOCAL_WRITE, MrFlags::ALLOW_LOCAL_READ] {
        let pair = Pair::new(bench)?;
        let region = pair.b.pd.register(vec![7; 64], flags).done("NdkRegisterMr")?;
        let remote = region.remote(0)?;
        if flags == MrFlags::ALLOW_REMOTE_READ {
            pair.a.qp.read(1, &[pair.a.sge(0, 64)?], remote, NONE)?;
            pair.a.yields(&[(1, Status::SUCCESS)], "a read with the right")?;
            ensure_eq!(pair.a.bytes(0, 64)?, [7; 64], "what was read");
        }
        pair.a.qp.write(2, &[&[1_u8; 8][..]], remote, NONE)?;
        let ended = pair.a.take(1, "a write without the right")?[0];
        bench.remote_refusal(ended.status, &format!("a write to a region with rights 0x{:x}", flags.0))?;
        let bytes = region.deregister().done("NdkDeregisterMr")?.into_vec();
        ensure_eq!(bytes, [7; 64], "the bytes of the region");
    }
    Ok(())
}

fn mr_3(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let sink = pair.a.pd.register(vec![0; 16], MrFlags::ALLOW_REMOTE_WRITE).done("NdkRegisterMr")?;
    ensure_eq!(MrFlags::ALLOW_REMOTE_WRITE.0, 5, "the number of ALLOW_REMOTE_WRITE");
    pair.b.mr.write(0, b"sunk")?;
    pair.a.qp.read(1, &[sink.sge(0..4)?], pair.b.remote(0)?, NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a read into a region with remote write")?;
    pair.a.qp.receive(2, &[sink.sge(8..16)?])?;
    pair.b.send(3, b"received", NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "a receive into a region with remote write")?;
    ensure_eq!(sink.deregister().done("NdkDeregisterMr")?.into_vec(), b"sunk\0\0\0\0received", "its bytes");
    Ok(())
}

fn mr_4(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let required = !pair.adapter.info().adapter_flags.contains(AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED);
    if required {
        return lacks("RDMA_READ_SINK_NOT_REQUIRED");
    }
    for flags in [MrFlags::ALLOW_LOCAL_WRITE | MrFlags::RDMA_READ_SINK, MrFlags::ALLOW_LOCAL_WRITE] {
        let sink = pair.a.pd.register(zeroed(64)?, flags).done("a region with RDMA_READ_SINK, or without")?;
        pair.a.qp.read(1, &[sink.sge(0..8)?], pair.b.remote(0)?, NONE)?;
        pair.a.yields(&[(1, Status::SUCCESS)], "a read into it")?;
    }
    mr_pages::sink_is_taken(bench)
}

fn mr_12(bench: &Bench) -> Outcome {
    let end = End::new(&bench.adapter()?)?;
    failed(raw::register_null(&end.pd)?, Status::INVALID_PARAMETER, "a null buffer of length 0")?;
    Ok(())
}

fn mr_13(bench: &Bench) -> Outcome {
    let end = End::new(&bench.adapter()?)?;
    let empty = end.pd.register(Vec::with_capacity(64), ALL);
    empty.fails(Status::INVALID_BUFFER_SIZE, "a valid buffer with length 0")?;
    Ok(())
}
