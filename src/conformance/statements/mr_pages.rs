//! The checks of MR-6 to MR-10, MR-14, MR-15, MR-21 to MR-23: fast registrations and logical addresses.

use super::prelude::*;
use crate::conformance::pages::{BASE, BOTH, PAGE, at, bytes_of, fast_region, lam, part, registered, whole};
use crate::ndk::FastRegister;

pub(super) fn mr_6(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let most = pair.adapter.info().frmr_page_count;
    let region = pair.b.pd.create_fast_register_mr().done("NdkCreateMr for fast register")?;
    let more = region.initialize(most.saturating_add(1), true);
    more.fails(Status::IMPLEMENTATION_LIMIT, "one page more than FRMRPageCount")?;
    region.initialize(u32::MAX, true).fails(Status::IMPLEMENTATION_LIMIT, "as many as can be said")?;
    region.initialize(most, true).done("FRMRPageCount pages")?;
    let lam = lam(&pair.adapter, most as usize)?;
    let token = registered(&pair.b, &region, lam.pages(), BOTH)?;
    let last = most as usize * PAGE - 4;
    pair.a.qp.write(1, Data::Inline(&[b"last"]), at(last, token), NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a write to the last page")?;
    ensure_eq!(bytes_of(&lam, last, 4)?, b"last", "the bytes of the last page");
    Ok(())
}

pub(super) fn mr_7(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, region) = (lam(&pair.adapter, 1)?, fast_region(&pair.b, false)?);
    for flags in [OpFlags::ALLOW_REMOTE_READ, OpFlags::ALLOW_REMOTE_WRITE, BOTH] {
        let posted = pair.b.qp.fast_register(1, &region, whole(lam.pages()), flags).map(drop);
        let what = format!("a fast register with {flags:?}, initialised without RemoteAccess");
        refused(posted, Status::ACCESS_VIOLATION, &what)?;
    }
    bench.quiet(&pair.b.cq, "registrations that were refused")?;
    registered(&pair.b, &region, lam.pages(), OpFlags::ALLOW_LOCAL_WRITE).map(drop)
}

pub(super) fn mr_8(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, region) = (lam(&pair.adapter, 2)?, fast_region(&pair.b, true)?);
    pair.a.receive(1)?;
    // Deferred, so that it has not completed when its token is read and sent.
    let flags = BOTH | OpFlags::DEFER;
    let token = pair.b.qp.fast_register(2, &region, whole(lam.pages()), flags)?;
    ensure_eq!(region.remote_token(), token, "the token when the fast register has returned");
    pair.b.send(3, &at(PAGE - 6, token).to_bytes(), NONE)?;
    pair.b.yields(&all([2, 3], Status::SUCCESS), "the registration, and the message with its token")?;
    pair.a.yields(&[(1, Status::SUCCESS)], "the message with the token")?;
    let mut words = [0; RemoteAddress::BYTES];
    pair.a.mr.read(0, &mut words)?;
    pair.a.qp.write(4, Data::Inline(&[b"across pages"]), RemoteAddress::from_bytes(words), NONE)?;
    pair.a.yields(&[(4, Status::SUCCESS)], "a write under that token")?;
    ensure_eq!(bytes_of(&lam, PAGE - 6, 12)?, b"across pages", "what was written");
    Ok(())
}

/// The fast registers of one connected queue pair, with a region for 16 pages and two pages to register.
fn judged(bench: &Bench, cases: &[(u32, u64, u64, &str)]) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, region) = (lam(&pair.adapter, 2)?, fast_region(&pair.b, true)?);
    for (first_byte_offset, base_virtual_address, length, what) in cases.iter().copied() {
        let register = FastRegister { pages: lam.pages(), first_byte_offset, length, base_virtual_address };
        let posted = pair.b.qp.fast_register(1, &region, register, NONE);
        ensure!(posted.is_err(), "{what} was taken");
    }
    bench.quiet(&pair.b.cq, "registrations that were refused")?;
    // Offset and base agree, and the length is all that there is.
    let (first_byte_offset, base_virtual_address, length) = (8, BASE + 8, (2 * PAGE - 8) as u64);
    let register = FastRegister { pages: lam.pages(), first_byte_offset, length, base_virtual_address };
    pair.b.qp.fast_register(2, &region, register, NONE)?;
    pair.b.yields(&[(2, Status::SUCCESS)], "a fast register of all that there is, from an offset on")
}

pub(super) fn mr_9(bench: &Bench) -> Outcome {
    judged(bench, &[(8, 0, 8, "base 0 with offset 8"), (8, BASE, 8, "a base that has another offset")])
}

pub(super) fn mr_10(bench: &Bench) -> Outcome {
    let two = 2 * PAGE as u64;
    let cases = [
        (0, BASE, two + 1, "a byte more than two pages"),
        (8, BASE + 8, two - 7, "a byte more than two pages, from an offset on"),
        (0, BASE, u64::MAX, "as much as can be said"),
    ];
    judged(bench, &cases)
}

pub(super) fn mr_14(bench: &Bench) -> Outcome {
    for writes in [false, true] {
        let pair = Pair::new(bench)?;
        let lam = lam(&pair.adapter, 1)?;
        let remote = RemoteAddress { address: lam.pages()[0], token: pair.b.pd.privileged_token() };
        if writes {
            pair.a.qp.write(1, &pair.a.sge(0, 8)?, remote, NONE)?;
        } else {
            pair.a.qp.read(1, &[pair.a.sge(0, 8)?], remote, NONE)?;
        }
        let ended = pair.a.take(1, "a peer's access under the privileged token")?[0];
        bench.remote_refusal(ended.status, "a peer's access under the privileged token")?;
    }
    Ok(())
}

pub(super) fn mr_15(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, token) = (lam(&pair.adapter, 2)?, pair.b.pd.privileged_token());
    lam.write(PAGE - 3, b"logical")?;
    pair.a.receive(1)?;
    pair.b.qp.send(2, &lam.sge(token, PAGE - 3..PAGE + 4)?, NONE)?;
    pair.b.yields(&[(2, Status::SUCCESS)], "a send from logical addresses")?;
    pair.a.yields(&[(1, Status::SUCCESS)], "its receive")?;
    ensure_eq!(pair.a.bytes(0, 7)?, b"logical", "what was sent");
    pair.b.qp.receive(3, &[lam.sge(token, 0..16)?])?;
    pair.a.send(4, b"received", NONE)?;
    pair.b.yields(&[(3, Status::SUCCESS)], "a receive into logical addresses")?;
    ensure_eq!(bytes_of(&lam, 0, 8)?, b"received", "what was received");
    Ok(())
}

pub(super) fn mr_21(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, region) = (lam(&pair.adapter, 1)?, fast_region(&pair.b, true)?);
    let token = registered(&pair.b, &region, lam.pages(), BOTH)?;
    pair.a.qp.write(1, Data::Inline(&[b"valid"]), at(0, token), NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a write while the registration is valid")?;
    pair.b.qp.invalidate(2, &region, NONE)?;
    pair.b.yields(&[(2, Status::SUCCESS)], "the invalidation")?;
    pair.b.receive(3)?;
    pair.a.qp.write(4, Data::Inline(&[b"stale"]), at(0, token), NONE)?;
    let ended = pair.a.take(1, "a write under the invalidated token")?[0];
    bench.remote_refusal(ended.status, "a write under the invalidated token")?;
    pair.b.yields(&[(3, Status::CANCELLED)], "a receive of the owner: the connection has ended")?;
    ensure_eq!(bytes_of(&lam, 0, 5)?, b"valid", "the bytes");
    Ok(())
}

pub(super) fn mr_22(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    if !pair.adapter.info().adapter_flags.contains(AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED) {
        return lacks("RDMA_READ_LOCAL_INVALIDATE_SUPPORTED");
    }
    let (lam, region) = (lam(&pair.adapter, 1)?, fast_region(&pair.b, true)?);
    let token = registered(&pair.b, &region, lam.pages(), BOTH)?;
    pair.a.mr.write(0, b"sunk in!")?;
    let entries = [part(region.local_token(), 0, 4), pair.b.sge(0, 4)?];
    pair.b.qp.read(1, &entries, pair.a.remote(0)?, OpFlags::RDMA_READ_LOCAL_INVALIDATE)?;
    pair.b.yields(&[(1, Status::SUCCESS)], "the read")?;
    ensure_eq!(bytes_of(&lam, 0, 4)?, b"sunk", "what was read into the first entry");
    ensure_eq!(pair.b.bytes(0, 4)?, b" in!", "what was read into the second entry");
    // The second entry's token is as it was; the first one's is worthless.
    pair.a.qp.write(2, &pair.a.sge(0, 8)?, pair.b.remote(0)?, NONE)?;
    pair.a.qp.write(3, &pair.a.sge(0, 8)?, at(0, token), NONE)?;
    let ends = ends_of(&pair.a.take(2, "writes under both tokens")?);
    ensure_eq!(ends[0], (2, Status::SUCCESS), "a write under the second entry's token");
    bench.remote_refusal(ends[1].1, "a write under the first entry's token")
}

pub(super) fn mr_23(bench: &Bench) -> Outcome {
    let flags = bench.adapter()?.info().adapter_flags;
    let without = AdapterFlags(flags.0 & !AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED.0);
    let adapter = bench.adapter_with(|options| options.flags(without))?;
    let pair = Pair::on(adapter, |description| description, Plan::default())?;
    let (lam, region) = (lam(&pair.adapter, 1)?, fast_region(&pair.b, true)?);
    let token = registered(&pair.b, &region, lam.pages(), BOTH)?;
    let first = [part(region.local_token(), 0, 4)];
    pair.b.qp.read(1, &first, pair.a.remote(0)?, OpFlags::RDMA_READ_LOCAL_INVALIDATE)?;
    pair.b.qp.read(2, &[pair.b.sge(0, 4)?], pair.a.remote(0)?, OpFlags::RDMA_READ_LOCAL_INVALIDATE)?;
    pair.b.yields(&all([1, 2], Status::SUCCESS), "reads with the flag")?;
    pair.a.qp.write(3, &pair.a.sge(0, 8)?, at(0, token), NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "a write under the token, which the read left alone")
}

/// FLAG-3, MR-4: a fast register takes RDMA_READ_SINK.
pub(super) fn sink_is_taken(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, region) = (lam(&pair.adapter, 1)?, fast_region(&pair.b, true)?);
    let flags = OpFlags::ALLOW_LOCAL_WRITE | OpFlags::RDMA_READ_SINK;
    registered(&pair.b, &region, lam.pages(), flags)?;
    pair.a.mr.write(0, b"sunk")?;
    pair.b.qp.read(1, &[part(region.local_token(), 0, 4)], pair.a.remote(0)?, NONE)?;
    pair.b.yields(&[(1, Status::SUCCESS)], "a read into it")?;
    ensure_eq!(bytes_of(&lam, 0, 4)?, b"sunk", "what was read");
    Ok(())
}

/// FLUSH-18: what works on tokens is flushed as what it is.
pub(super) fn flushed_kinds(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (lam, region) = (lam(&pair.adapter, 1)?, fast_region(&pair.a, true)?);
    let window = crate::conformance::pages::window(&pair.a)?;
    pair.stall(0)?;
    pair.a.qp.bind(1, &pair.a.mr, &window, 0..64, BOTH)?;
    pair.a.qp.fast_register(2, &region, whole(lam.pages()), BOTH)?;
    pair.a.qp.invalidate(3, &window, NONE)?;
    pair.a.qp.flush();
    let taken = pair.a.take(4, "a bind, a fast register and an invalidate, flushed")?;
    let kinds: Vec<_> = taken.iter().map(|c| (c.request_context, c.status, c.kind)).collect();
    let cancelled = Status::CANCELLED;
    let expected = [
        (0, cancelled, OperationType::Send),
        (1, cancelled, OperationType::Bind),
        (2, cancelled, OperationType::FastRegister),
        (3, cancelled, OperationType::Invalidate),
    ];
    ensure_eq!(kinds, expected, "context, status and type");
    Ok(())
}

/// QP-4: none of them is taken unconnected.
pub(super) fn unconnected(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let end = End::new(&adapter)?;
    let (lam, region) = (lam(&adapter, 1)?, fast_region(&end, true)?);
    let window = crate::conformance::pages::window(&end)?;
    let status = Status::CONNECTION_INVALID;
    refused(end.qp.bind(1, &end.mr, &window, 0..64, BOTH).map(drop), status, "a bind")?;
    let posted = end.qp.fast_register(2, &region, whole(lam.pages()), BOTH);
    refused(posted.map(drop), status, "a fast register")?;
    refused(end.qp.invalidate(3, &window, NONE), status, "an invalidate")?;
    bench.quiet(&end.cq, "after posts that were refused")
}
