//! MR-14 to MR-25: what tokens open, and what they do not.

use super::mr_pages;
use super::prelude::*;
use crate::conformance::pages::{BOTH, bound, under};
use crate::conformance::raw;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("MR-14", D, "the privileged token gives no remote access", mr_pages::mr_14),
    Statement::new("MR-15", D, "a send under the privileged token needs no registration", mr_pages::mr_15),
    Statement::new("MR-16", D, "tokens of a deregistered region give no access", mr_16),
    Statement::new("MR-17", D, "memory registered twice works under both registrations", mr_17),
    Statement::new("MR-18", I, "what is received or read into needs local write", mr_18),
    Statement::new("MR-19", T, "an entry beyond its region is ACCESS_VIOLATION", mr_19),
    Statement::new("MR-20", T, "a remote access beyond the region is ACCESS_VIOLATION", mr_20),
    Statement::new("MR-21", D, "access through an invalidated fast-register token is fatal", mr_pages::mr_21),
    Statement::new(
        "MR-22",
        D,
        "a read with local invalidation invalidates its first entry's token",
        mr_pages::mr_22,
    ),
    Statement::new("MR-23", D, "without the capability that flag is ignored", mr_pages::mr_23),
    Statement::new("MR-24", I, "tokens of another protection domain are refused", mr_24),
    Statement::not_shown(
        "MR-25",
        D,
        "a LAM buffer too small is BUFFER_TOO_SMALL with the size needed",
        "the Rust face returns a mapping by value, which has no buffer",
    ),
];

fn mr_16(bench: &Bench) -> Outcome {
    let remote = Pair::new(bench)?;
    let region = remote.b.pd.register(vec![1; 64], ALL).done("NdkRegisterMr")?;
    let stale = region.remote(0)?;
    region.deregister().done("NdkDeregisterMr")?;
    // Others that come later must not be met by it either, whatever token they are given.
    let later: Vec<_> = (0..64)
        .map(|_| remote.b.pd.register(vec![2; 64], ALL).done("NdkRegisterMr"))
        .collect::<Outcome<_>>()?;
    ensure!(
        later.iter().all(|region| region.remote_token() != stale.token),
        "a token is given again at once"
    );
    remote.a.qp.write(1, &remote.a.sge(0, 8)?, stale, NONE)?;
    let ended = remote.a.take(1, "a write under a stale token")?[0];
    bench.remote_refusal(ended.status, "a write under a stale token")?;
    for region in later {
        let bytes = region.deregister().done("NdkDeregisterMr")?.into_vec();
        ensure_eq!(bytes, [2; 64], "bytes of a later region");
    }
    outlived(bench)?;
    let local = Pair::new(bench)?;
    let region = local.a.pd.register(vec![1; 64], ALL).done("NdkRegisterMr")?;
    let stale = region.sge(0..8)?;
    region.deregister().done("NdkDeregisterMr")?;
    local.a.qp.write(1, &stale, local.b.remote(0)?, NONE)?;
    local.a.yields(&[(1, Status::ACCESS_VIOLATION)], "a write from a region that is gone")
}

/// A token that is stale for so long that another region may have its number in part.
fn outlived(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let region = pair.b.pd.register(vec![1; 64], ALL).done("NdkRegisterMr")?;
    let mut stale = region.remote(0)?;
    region.deregister().done("NdkDeregisterMr")?;
    let mut heir = None;
    for _ in 0..20_000 {
        let region = pair.b.pd.register(vec![2; 64], ALL).done("NdkRegisterMr")?;
        let token = region.remote_token();
        ensure!(token != stale.token, "a token is given again within 20,000 registrations");
        // The field's tokens have an index above eight bits that change from one registration to the next.
        if token.0 >> 8 == stale.token.0 >> 8 {
            stale.address = region.remote(0)?.address;
            heir = Some(region);
            break;
        }
        region.deregister().done("NdkDeregisterMr")?;
    }
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, stale, NONE)?;
    let ended = pair.a.take(1, "a write under a token that is stale for long")?[0];
    bench.remote_refusal(ended.status, "a write under a token that is stale for long")?;
    drop(heir);
    Ok(())
}

fn mr_17(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let flags = [MrFlags::ALLOW_REMOTE_WRITE, MrFlags::ALLOW_REMOTE_READ];
    let bytes = raw::registered_twice(&pair.b.pd, flags, |[written, read]| {
        ensure!(written.remote_token() != read.remote_token(), "both registrations have one token");
        pair.a.qp.write(1, &[&b"twice"[..]], written.remote(0)?, NONE)?;
        pair.a.qp.read(2, &[pair.a.sge(10, 15)?], read.remote(0)?, NONE)?;
        pair.a.yields(&all([1, 2], Status::SUCCESS), "a write by one, a read by the other")?;
        ensure_eq!(pair.a.bytes(10, 15)?, b"twice", "what was read");
        pair.a.qp.read(3, &[pair.a.sge(0, 5)?], written.remote(0)?, NONE)?;
        let ended = pair.a.take(1, "a read by the one that grants write only")?[0];
        bench.remote_refusal(ended.status, "each registration has its own rights")
    })?;
    ensure_eq!(&bytes[..5], b"twice", "the memory");
    Ok(())
}

fn mr_18(bench: &Bench) -> Outcome {
    let reads = Pair::new(bench)?;
    let constant = reads.a.pd.register(vec![0; 8], MrFlags::ALLOW_REMOTE_READ).done("NdkRegisterMr")?;
    reads.b.mr.write(0, &[9; 8])?;
    reads.a.qp.read(1, &[constant.sge(0..8)?], reads.b.remote(0)?, NONE)?;
    reads.a.yields(&[(1, Status::ACCESS_VIOLATION)], "a read into a region without local write")?;
    ensure_eq!(constant.deregister().done("NdkDeregisterMr")?.into_vec(), [0; 8], "its bytes");
    let sends = Pair::new(bench)?;
    let constant = sends.b.pd.register(vec![0; 8], MrFlags::ALLOW_LOCAL_READ).done("NdkRegisterMr")?;
    sends.b.qp.receive(2, &[constant.sge(0..8)?])?;
    sends.a.send(3, &[9; 8], NONE)?;
    sends.b.yields(&[(2, Status::ACCESS_VIOLATION)], "a receive into a region without local write")?;
    let sent = sends.a.take(1, "its send")?[0];
    ensure!(sent.status != Status::SUCCESS, "a send to such a receive succeeded");
    ensure_eq!(constant.deregister().done("NdkDeregisterMr")?.into_vec(), [0; 8], "its bytes");
    Ok(())
}

fn mr_19(bench: &Bench) -> Outcome {
    for (address, length) in [(0_i64, SIZE + 1), (-1, 8), (SIZE as i64, 1), (SIZE as i64 - 7, 8)] {
        let pair = Pair::new(bench)?;
        let first = pair.a.sge(0, 1)?;
        let address = first.address.wrapping_add_signed(address);
        let outside = Sge { address, length: length as u32, ..first };
        pair.a.qp.write(1, &outside, pair.b.remote(0)?, NONE)?;
        pair.a.yields(&[(1, Status::ACCESS_VIOLATION)], "a write from beyond the region")?;
        ensure!(pair.b.bytes(0, SIZE)?.iter().all(|byte| *byte == 0), "bytes of the peer were written");
    }
    let pair = Pair::new(bench)?;
    let long = Sge { length: 9, ..pair.a.sge(SIZE - 8, SIZE)? };
    pair.a.qp.read(1, &[long], pair.b.remote(0)?, NONE)?;
    pair.a.yields(&[(1, Status::ACCESS_VIOLATION)], "a read to beyond the region")
}

fn mr_20(bench: &Bench) -> Outcome {
    for (at, writes) in [(-1_i64, false), (-1, true), (SIZE as i64 - 7, false), (SIZE as i64 - 7, true)] {
        let pair = Pair::new(bench)?;
        let remote = pair.b.remote(0)?;
        let outside = RemoteAddress { address: remote.address.wrapping_add_signed(at), ..remote };
        let sge = pair.a.sge(0, 8)?;
        if writes {
            pair.a.qp.write(1, &sge, outside, NONE)?;
        } else {
            pair.a.qp.read(1, &[sge], outside, NONE)?;
        }
        let ended = pair.a.take(1, "an access that leaves the region by a byte")?[0];
        bench.remote_refusal(ended.status, "an access that leaves the region by a byte")?;
    }
    for from in [63, 121] {
        let pair = Pair::new(bench)?;
        let (_window, token) = bound(&pair.b, BOTH)?;
        pair.a.qp.write(1, &pair.a.sge(0, 8)?, under(&pair.b, 120, token)?, NONE)?;
        pair.a.yields(&[(1, Status::SUCCESS)], "a write to the last bytes of a window")?;
        pair.a.qp.read(2, &[pair.a.sge(0, 8)?], under(&pair.b, from, token)?, NONE)?;
        let ended = pair.a.take(1, "a read that leaves the window by a byte")?[0];
        bench.remote_refusal(ended.status, "a read that leaves the window by a byte")?;
    }
    // Up to the last byte all is well.
    let pair = Pair::new(bench)?;
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, pair.b.remote(SIZE - 8)?, NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a write to the last bytes")
}

fn mr_24(bench: &Bench) -> Outcome {
    let local = Pair::new(bench)?;
    local.b.receive(2)?;
    local.a.qp.send(1, &local.b.sge(0, 8)?, NONE)?;
    local.a.yields(&[(1, Status::ACCESS_VIOLATION)], "a send of another domain's memory")?;
    let received = Pair::new(bench)?;
    received.b.qp.receive(1, &[received.a.sge(0, 64)?])?;
    received.a.send(2, b"theirs", NONE)?;
    received.b.yields(&[(1, Status::ACCESS_VIOLATION)], "a receive into another domain's memory")?;
    let remote = Pair::new(bench)?;
    // A's own region: B's queue pair is in another domain, and so it is no target there.
    remote.a.qp.write(1, &remote.a.sge(0, 8)?, remote.a.remote(0)?, NONE)?;
    let ended = remote.a.take(1, "a write to memory of another domain than the peer's")?[0];
    bench.remote_refusal(ended.status, "a write to memory of another domain than the peer's")
}
