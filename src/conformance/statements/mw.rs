//! MW-*: memory windows.

use super::prelude::*;
use crate::conformance::pages::{BOTH, bound, under, window};
use crate::conformance::world::Connection;
use crate::ndk::{Mr, Mw, PostError};

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("MW-1", D, "an unbound window gives no access", mw_1),
    Statement::new("MW-2", D, "its token is there when the bind has returned", mw_2),
    Statement::new("MW-3", D, "remote write on a region without local write is ACCESS_VIOLATION", mw_3),
    Statement::new("MW-4", T, "a write through a window for reads fails and ends the connection", mw_4),
    Statement::new("MW-5", D, "an invalidated window can be bound again, elsewhere", mw_5),
    Statement::new("MW-6", D, "a window gives access to the peer of its queue pair only", mw_6),
    Statement::new("MW-7", D, "windows that overlap each grant their own rights", mw_7),
    Statement::new("MW-8", D, "invalidating an unbound window is INVALID_DEVICE_REQUEST", mw_8),
    Statement::new("MW-9", D, "an invalidation fails the transfer that runs through the window", mw_9),
    Statement::new("MW-10", T, "a bind without any right succeeds", mw_10),
    Statement::new("MW-11", D, "a bind beyond the region fails", mw_11),
    Statement::new("MW-12", I, "a bind of a bound window is INVALID_DEVICE_REQUEST", mw_12),
];

fn mw_1(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let window = window(&pair.b)?;
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, under(&pair.b, 64, window.remote_token())?, NONE)?;
    let ended = pair.a.take(1, "a write through an unbound window")?[0];
    bench.remote_refusal(ended.status, "a write through an unbound window")
}

fn mw_2(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let window = window(&pair.b)?;
    pair.a.receive(1)?;
    // Deferred, so that it has not completed when its token is read and sent.
    let token = pair.b.qp.bind(2, &pair.b.mr, &window, 64..128, BOTH | OpFlags::DEFER)?;
    ensure_eq!(window.remote_token(), token, "the token when the bind has returned");
    let words = under(&pair.b, 64, token)?.to_bytes();
    pair.b.send(3, &words, NONE)?;
    pair.b.yields(&all([2, 3], Status::SUCCESS), "the bind, and the message with its token")?;
    pair.a.yields(&[(1, Status::SUCCESS)], "the message with the token")?;
    let mut words = [0; RemoteAddress::BYTES];
    pair.a.mr.read(0, &mut words)?;
    pair.a.qp.write(4, Data::Inline(&[b"bound"]), RemoteAddress::from_bytes(words), NONE)?;
    pair.a.yields(&[(4, Status::SUCCESS)], "a write under that token")?;
    ensure_eq!(pair.b.bytes(64, 69)?, b"bound", "what was written");
    Ok(())
}

/// A bind may be refused during the call, or fail with that status.
fn fails(end: &End, posted: Result<Token, PostError>, status: Status, what: &str) -> Outcome {
    let got = match posted {
        Err(error) => error.status(),
        Ok(_) => end.take(1, what)?[0].status,
    };
    ensure_eq!(got, status, "{what}");
    Ok(())
}

fn mw_3(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (end, window) = (&pair.b, window(&pair.b)?);
    let constant = end.pd.register(zeroed(64)?, MrFlags::ALLOW_REMOTE_READ).done("NdkRegisterMr")?;
    let posted = end.qp.bind(1, &constant, &window, 0..64, OpFlags::ALLOW_REMOTE_WRITE);
    fails(end, posted, Status::ACCESS_VIOLATION, "a bind for writes to a region without local write")
}

fn mw_4(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.mr.write(64, b"window")?;
    let (_window, token) = bound(&pair.b, OpFlags::ALLOW_REMOTE_READ)?;
    pair.b.receive(9)?;
    pair.a.qp.read(1, &[pair.a.sge(0, 6)?], under(&pair.b, 64, token)?, NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a read through it")?;
    ensure_eq!(pair.a.bytes(0, 6)?, b"window", "what was read");
    pair.a.qp.write(2, &pair.a.sge(0, 6)?, under(&pair.b, 70, token)?, NONE)?;
    bench.remote_refusal(pair.a.take(1, "a write through it")?[0].status, "a write through it")?;
    ensure_eq!(pair.b.bytes(70, 76)?, [0; 6], "the bytes of the window");
    pair.b.yields(&[(9, Status::CANCELLED)], "a receive of the owner")?;
    pair.a.write(3, &pair.b, NONE)?;
    pair.a.yields(&[(3, Status::CANCELLED)], "the connection has ended")
}

fn mw_5(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (window, old) = bound(&pair.b, BOTH)?;
    pair.b.qp.invalidate(1, &window, NONE)?;
    pair.b.yields(&[(1, Status::SUCCESS)], "the invalidation")?;
    let other = pair.b.pd.register(zeroed(64)?, ALL).done("NdkRegisterMr")?;
    let qp = pair.b.pd.create_qp(QpDescription::new(&pair.b.cq)).done("NdkCreateQp")?;
    let peer = End::new(&pair.adapter)?;
    let _second = connect(&pair.adapter, &peer.qp, &qp)?;
    let token = qp.bind(2, &other, &window, 8..64, OpFlags::ALLOW_REMOTE_WRITE)?;
    pair.b.yields(&[(2, Status::SUCCESS)], "a bind to another region on another queue pair")?;
    let remote = RemoteAddress { token, ..other.remote(8)? };
    peer.qp.write(3, Data::Inline(&[b"again"]), remote, NONE)?;
    peer.yields(&[(3, Status::SUCCESS)], "a write through it")?;
    pair.a.qp.write(4, &pair.a.sge(0, 8)?, under(&pair.b, 64, old)?, NONE)?;
    let ended = pair.a.take(1, "a write under the old token")?[0];
    bench.remote_refusal(ended.status, "a write under the old token")?;
    // Bound where it was, its old token is worthless all the same.
    let pair = Pair::new(bench)?;
    let (window, old) = bound(&pair.b, BOTH)?;
    pair.b.qp.invalidate(1, &window, NONE)?;
    let token = pair.b.qp.bind(2, &pair.b.mr, &window, 64..128, BOTH)?;
    pair.b.yields(&all([1, 2], Status::SUCCESS), "an invalidation and a bind to the same bytes")?;
    pair.a.qp.write(3, &pair.a.sge(0, 8)?, under(&pair.b, 64, token)?, NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "a write under the new token")?;
    pair.a.qp.write(4, &pair.a.sge(0, 8)?, under(&pair.b, 64, old)?, NONE)?;
    let ended = pair.a.take(1, "a write under the token of an earlier bind")?[0];
    bench.remote_refusal(ended.status, "a write under the token of an earlier bind")
}

fn mw_6(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (_window, token) = bound(&pair.b, BOTH)?;
    let qp = pair.b.pd.create_qp(QpDescription::new(&pair.b.cq)).done("NdkCreateQp")?;
    let peer = End::new(&pair.adapter)?;
    let _second = connect(&pair.adapter, &peer.qp, &qp)?;
    peer.qp.read(1, &[peer.sge(0, 8)?], under(&pair.b, 64, token)?, NONE)?;
    let ended = peer.take(1, "a read by the peer of another queue pair")?[0];
    bench.remote_refusal(ended.status, "a read by the peer of another queue pair")?;
    pair.a.qp.read(2, &[pair.a.sge(0, 8)?], under(&pair.b, 64, token)?, NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "a read by the peer of its own")
}

fn mw_7(bench: &Bench) -> Outcome {
    for (second, reads) in [(OpFlags::ALLOW_REMOTE_WRITE, true), (OpFlags::ALLOW_REMOTE_READ, false)] {
        let pair = Pair::new(bench)?;
        let (_readable, read) = bound(&pair.b, OpFlags::ALLOW_REMOTE_READ)?;
        let (_writable, write) = bound(&pair.b, OpFlags::ALLOW_REMOTE_WRITE)?;
        pair.a.qp.write(1, Data::Inline(&[b"mine"]), under(&pair.b, 64, write)?, NONE)?;
        pair.a.qp.read(2, &[pair.a.sge(0, 4)?], under(&pair.b, 64, read)?, NONE)?;
        pair.a.yields(&all([1, 2], Status::SUCCESS), "a write by one window, a read by the other")?;
        ensure_eq!(pair.a.bytes(0, 4)?, b"mine", "what was read");
        if reads {
            pair.a.qp.read(3, &[pair.a.sge(0, 4)?], under(&pair.b, 64, write)?, NONE)?;
        } else {
            pair.a.qp.write(3, Data::Inline(&[b"not"]), under(&pair.b, 64, read)?, NONE)?;
        }
        let what = format!("the access that the window with {second:?} does not grant");
        bench.remote_refusal(pair.a.take(1, &what)?[0].status, &what)?;
    }
    Ok(())
}

fn mw_8(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.qp.invalidate(1, &window(&pair.b)?, OpFlags::SILENT_SUCCESS)?;
    let ended = pair.b.take(1, "the invalidation of an unbound window")?[0];
    ensure_eq!(ended.status, Status::INVALID_DEVICE_REQUEST, "its status");
    ensure_eq!(ended.kind, OperationType::Invalidate, "its type");
    Ok(())
}

/// Bytes of a sink; the transfer of 16 of them takes far longer than a post.
const PART: usize = 16 << 20;

/// How a device refuses an invalidation that is not posted by the window's own queue pair.
const REFUSALS: [Status; 2] = [Status::INVALID_DEVICE_REQUEST, Status::ACCESS_VIOLATION];

/// A transfer that is going on through a window of B when B's invalidation is posted.
struct Cut {
    pair: Pair,
    source: Mr,
    window: Mw,
    /// Another queue pair of B's, and its peer.
    other: (Qp, End),
    _connection: Connection,
}

impl Cut {
    /// The invalidation, posted by the window's own queue pair or by the other one, and how both ended.
    fn new(bench: &Bench, own: bool) -> Outcome<(Self, Status, Status)> {
        let pair = Pair::with(bench, |description| description.initiator_sge(16))?;
        let source = pair.b.pd.register(zeroed(16 * PART)?, ALL).done("NdkRegisterMr")?;
        let sink = pair.a.pd.register(zeroed(PART)?, ALL).done("NdkRegisterMr")?;
        let (qp, peer) = (
            pair.b.pd.create_qp(QpDescription::new(&pair.b.cq)).done("NdkCreateQp")?,
            End::new(&pair.adapter)?,
        );
        let _connection = connect(&pair.adapter, &peer.qp, &qp)?;
        let window = window(&pair.b)?;
        let token = pair.b.qp.bind(1, &source, &window, 0..16 * PART, OpFlags::ALLOW_REMOTE_READ)?;
        pair.b.yields(&[(1, Status::SUCCESS)], "the bind")?;
        let remote = RemoteAddress { token, ..source.remote(0)? };
        pair.a.qp.read(2, &[sink.sge(0..PART)?; 16], remote, NONE)?;
        let by = if own { &pair.b.qp } else { &qp };
        by.invalidate(3, &window, NONE)?;
        let invalidated = pair.b.take(1, "the invalidation")?[0].status;
        let transferred = pair.a.take(1, "the transfer that was going on")?[0].status;
        Ok((Self { pair, source, window, other: (qp, peer), _connection }, invalidated, transferred))
    }

    /// The same, with a transfer that had not ended before.
    fn short(bench: &Bench, own: bool) -> Outcome<(Self, Status)> {
        for _ in 0..10 {
            let (cut, invalidated, transferred) = Self::new(bench, own)?;
            let unsupported = !own && REFUSALS.contains(&invalidated);
            if unsupported || transferred != Status::SUCCESS {
                if !unsupported {
                    let what = "a transfer that was going on at the invalidation";
                    bench.remote_refusal(transferred, what)?;
                }
                return Ok((cut, invalidated));
            }
        }
        wrong("ten transfers of 256 MiB succeeded, though their windows were invalidated at once")
    }
}

/// An invalidation on the window's own queue pair may be told CANCELLED: the transfer that it cuts short ends
/// the connection, perhaps before it has completed. That it took effect is seen by binding the window anew.
/// On another queue pair nothing cancels it; a device may want the window's own, and say so.
fn mw_9(bench: &Bench) -> Outcome {
    let (cut, invalidated) = Cut::short(bench, true)?;
    ensure!(
        matches!(invalidated, Status::SUCCESS | Status::CANCELLED),
        "the invalidation: expected success, or CANCELLED with its connection, got {invalidated}"
    );
    let (qp, peer) = &cut.other;
    let token = qp.bind(4, &cut.source, &cut.window, 0..64, OpFlags::ALLOW_REMOTE_READ)?;
    cut.pair.b.yields(&[(4, Status::SUCCESS)], "a bind of the window that was invalidated")?;
    let remote = RemoteAddress { token, ..cut.source.remote(0)? };
    peer.qp.read(5, &[peer.sge(0, 8)?], remote, NONE)?;
    peer.yields(&[(5, Status::SUCCESS)], "a read through it, bound anew")?;
    let (_cut, invalidated) = Cut::short(bench, false)?;
    let known = invalidated == Status::SUCCESS || REFUSALS.contains(&invalidated);
    ensure!(known, "an invalidation by another queue pair: got {invalidated}");
    Ok(())
}

fn mw_10(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (_window, token) = bound(&pair.b, NONE)?;
    pair.a.qp.read(1, &[pair.a.sge(0, 8)?], under(&pair.b, 64, token)?, NONE)?;
    let ended = pair.a.take(1, "a read through a window without rights")?[0];
    bench.remote_refusal(ended.status, "a read through a window without rights")
}

fn mw_11(bench: &Bench) -> Outcome {
    for range in [0..SIZE + 1, SIZE..SIZE + 1, SIZE - 1..SIZE + 7] {
        let pair = Pair::new(bench)?;
        let (end, window) = (&pair.b, window(&pair.b)?);
        let what = format!("a bind to bytes {range:?} of {SIZE}");
        let posted = end.qp.bind(1, &end.mr, &window, range, BOTH);
        fails(end, posted, Status::ACCESS_VIOLATION, &what)?;
    }
    Ok(())
}

fn mw_12(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let (window, _) = bound(&pair.b, BOTH)?;
    pair.b.qp.bind(1, &pair.b.mr, &window, 0..64, BOTH)?;
    pair.b.yields(&[(1, Status::INVALID_DEVICE_REQUEST)], "a bind of a bound window")
}

/// MR-11: a region with a bound window is busy, and stays registered.
pub(super) fn busy(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let End { qp, cq, mr, pd } = pair.b;
    let window = pd.create_mw().done("NdkCreateMw")?;
    let token = qp.bind(1, &mr, &window, 64..128, BOTH)?;
    yields(&cq, &[(1, Status::SUCCESS)], "the bind")?;
    let own = mr.remote(64)?;
    let (mr, error) = match mr.try_deregister() {
        Err(refused) => refused,
        Ok(_) => return wrong("a region with a bound window was deregistered"),
    };
    ensure_eq!(error.status(), Status::DEVICE_BUSY, "deregistering a region with a bound window");
    pair.a.qp.write(2, Data::Inline(&[b"stays"]), own, NONE)?;
    pair.a.qp.read(3, &[pair.a.sge(0, 5)?], RemoteAddress { token, ..own }, NONE)?;
    pair.a.yields(&all([2, 3], Status::SUCCESS), "accesses by region and by window after that")?;
    ensure_eq!(pair.a.bytes(0, 5)?, b"stays", "what was read through the window");
    qp.invalidate(4, &window, NONE)?;
    yields(&cq, &[(4, Status::SUCCESS)], "the invalidation")?;
    mr.deregister().done("deregistering it when no window is bound")?;
    Ok(())
}
