//! QP-14 to QP-32: what a post takes with it, how requests fail, and in which order they are carried out.

use super::prelude::*;
use std::thread;
use std::time::Duration;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("QP-14", T, "no entries at all are legal and transfer 0 bytes", qp_14),
    Statement::new("QP-15", D, "the array of entries is the caller's again after the post", qp_15),
    Statement::new("QP-16", D, "inline bytes are copied during the post", qp_16),
    Statement::new("QP-17", D, "tokens of inline data are ignored", qp_17),
    Statement::new("QP-18", D, "pieces of inline data are not bounded by MaxInitiatorRequestSge", qp_18),
    Statement::new("QP-19", I, "more than InlineDataSize is refused", qp_19),
    Statement::new("QP-20", D, "a fenced request starts after every earlier read", qp_20),
    Statement::new("QP-21", D, "a message too large is BUFFER_OVERFLOW and ends the connection", qp_21),
    Statement::new("QP-22", T, "a send without a receive is IO_TIMEOUT in the end", qp_22),
    Statement::new("QP-23", D, "after an error the connection is gone and requests are CANCELLED", qp_23),
    Statement::new("QP-24", T, "receives at the owner of refused memory are CANCELLED", qp_24),
    Statement::new("QP-25", D, "a deferred request completes though the next post is refused", qp_25),
    Statement::new("QP-26", D, "deferred requests complete with the next plain one, in order", qp_26),
    Statement::new("QP-27", D, "a receive tells the length of its message", qp_27),
    Statement::new("QP-28", D, "two threads post to both queues at once, and all is taken", qp_28),
    Statement::new("QP-29", T, "request contexts come back unchanged", qp_29),
    Statement::new("QP-30", I, "a slot is free when its completion is there, polled or not", qp_30),
    Statement::new("QP-31", I, "posting silent requests only never stalls", qp_31),
    Statement::new("QP-32", T, "64 MiB in large and in small pieces arrive as placed", qp_32),
];

fn qp_14(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let remote = pair.b.remote(0)?;
    pair.b.qp.receive(1, &[])?;
    pair.a.qp.send(2, Data::NONE, NONE)?;
    pair.a.qp.read(3, &[], remote, NONE)?;
    pair.a.qp.write(4, Data::NONE, remote, NONE)?;
    pair.a.yields(&all(2..5, Status::SUCCESS), "a send, a read and a write of nothing")?;
    let received = pair.b.take(1, "the receive of nothing")?;
    ensure_eq!((received[0].status, received[0].bytes_transferred), (Status::SUCCESS, 0), "its end");
    Ok(())
}

fn qp_15(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.mr.write(0, b"entries")?;
    let mut sgl = vec![pair.a.sge(0, 3)?, pair.a.sge(3, 7)?];
    pair.a.qp.send(1, &sgl, NONE)?; // waits for a receive
    sgl.fill(Sge::default());
    pair.b.receive(2)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a send whose entries were overwritten")?;
    pair.b.yields(&[(2, Status::SUCCESS)], "its receive")?;
    ensure_eq!(pair.b.bytes(0, 7)?, b"entries", "what was sent");
    let mut receive = vec![pair.b.sge(0, 4)?, pair.b.sge(100, 164)?];
    pair.b.qp.receive(3, &receive)?; // waits for a message
    receive.fill(Sge::default());
    pair.a.send(4, b"placed", NONE)?;
    pair.b.yields(&[(3, Status::SUCCESS)], "a receive whose entries were overwritten")?;
    ensure_eq!(
        (pair.b.bytes(0, 4)?, pair.b.bytes(100, 102)?),
        (b"plac".to_vec(), b"ed".to_vec()),
        "where it went"
    );
    ensure!(sgl.iter().chain(&receive).all(|sge| *sge == Sge::default()), "the entries were written");
    Ok(())
}

fn qp_16(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let mut bytes = *b"before";
    pair.a.qp.send(1, &[&bytes[..3], &bytes[3..]], NONE)?; // waits for a receive
    bytes.fill(b'x');
    pair.b.receive(2)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "the inline send")?;
    pair.b.yields(&[(2, Status::SUCCESS)], "its receive")?;
    ensure_eq!(pair.b.bytes(0, 6)?, b"before", "what arrived, the buffer being {bytes:?} now");
    Ok(())
}

/// Inline data has no tokens in the Rust face: its bytes are given as such, from memory that no registration
/// covers. That they are taken shows that none is needed, but no nonsense can be given for one: a program of
/// the C face does that (`sys/ndk/tests/c/pingpong.c`).
fn qp_17(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let unregistered = [1_u8, 2, 3, 4, 5];
    pair.b.receive(1)?;
    pair.a.qp.send(2, Data::Inline(&[&unregistered]), OpFlags::INLINE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "an inline send of memory without a token")?;
    pair.b.yields(&[(1, Status::SUCCESS)], "its receive")?;
    ensure_eq!(pair.b.bytes(0, 5)?, unregistered, "the bytes");
    Ok(())
}

fn qp_18(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.initiator_sge(1))?;
    let pieces: Vec<&[u8]> = b"twelve bytes".chunks(1).collect();
    pair.b.receive(1)?;
    pair.a.qp.send(2, &pieces[..], NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "twelve inline pieces, one entry being allowed")?;
    pair.b.yields(&[(1, Status::SUCCESS)], "their receive")?;
    ensure_eq!(pair.b.bytes(0, 12)?, b"twelve bytes", "the bytes");
    Ok(())
}

fn qp_19(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    ensure!(
        pair.a.qp.send(1, Data::Inline(&[&[0; 60], &[0; 5]]), NONE).is_err(),
        "65 inline bytes were taken, 64 being allowed"
    );
    ensure!(
        pair.a.qp.write(1, Data::Inline(&[&[0; 65]]), pair.b.remote(0)?, NONE).is_err(),
        "a write of 65 inline bytes was taken, 64 being allowed"
    );
    pair.b.receive(2)?;
    pair.a.send(3, &[9; 64], NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "a send of 64")?;
    bench.quiet(&pair.a.cq, "the refused requests")
}

/// What a fenced request does to the bytes of an earlier read shows when it began: it overwrites what is
/// still to be read, and sends on what has not yet come. A device that carries out the requests of a queue
/// one after the other holds this without a fence, and nothing that a caller does can have it reorder them;
/// there the check fails only if a read is told complete before its last byte has come.
fn qp_20(bench: &Bench) -> Outcome {
    const LENGTH: usize = 1 << 22;
    let pair = Pair::new(bench)?;
    let register = |end: &End| end.pd.register(zeroed(LENGTH)?, ALL).done("NdkRegisterMr");
    let (sinks, sources) =
        ([register(&pair.a)?, register(&pair.a)?], [register(&pair.b)?, register(&pair.b)?]);
    let last = LENGTH - 1;
    for round in 0..8_u8 {
        for (context, (sink, source)) in (1..).zip(sinks.iter().zip(&sources)) {
            source.write(last, &[round])?;
            pair.a.qp.read(context, &[sink.sge(0..LENGTH)?], source.remote(0)?, OpFlags::DEFER)?;
        }
        let fenced = OpFlags::READ_FENCE | OpFlags::DEFER;
        pair.a.qp.write(3, &sinks[0].sge(last..LENGTH)?, pair.b.remote(0)?, fenced)?;
        pair.a.qp.write(4, &sinks[1].sge(last..LENGTH)?, pair.b.remote(1)?, fenced)?;
        pair.a.qp.write(5, &[&[0xFF_u8][..]], sources[0].remote(last)?, fenced)?;
        pair.a.qp.write(6, &[&[0xFF_u8][..]], sources[1].remote(last)?, OpFlags::READ_FENCE)?;
        pair.a.yields(&all(1..7, Status::SUCCESS), "two long reads, then fenced writes")?;
        for (sink, source) in sinks.iter().zip(&sources) {
            ensure_eq!(sink.load_u8(last)?, round, "what was read, which a fenced write overwrote later");
            ensure_eq!(source.load_u8(last)?, 0xFF, "what the fenced write wrote");
        }
        ensure_eq!(pair.b.bytes(0, 2)?, [round; 2], "what fenced writes sent on of what was read");
    }
    sinks
        .into_iter()
        .chain(sources)
        .try_for_each(|region| region.deregister().done("NdkDeregisterMr").map(drop))
}

fn qp_21(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.qp.receive(1, &[pair.b.sge(0, 8)?])?;
    pair.b.qp.receive(2, &[pair.b.sge(0, 8)?])?;
    pair.a.send(3, b"nine byte", NONE)?;
    let expected = [(1, Status::BUFFER_OVERFLOW), (2, Status::CANCELLED)];
    pair.b.yields(&expected, "the receive that is too short, and the next one")?;
    pair.a.yields(&[(3, Status::REMOTE_RESOURCES)], "the sender (Q-34)")?;
    pair.a.send(4, b"", NONE)?;
    pair.a.yields(&[(4, Status::CANCELLED)], "a send after the connection has ended")
}

fn qp_22(bench: &Bench) -> Outcome {
    let (adapter, time) = bench.timed(|options| options)?;
    let limit = Duration::from_secs(3);
    // Of both ends: where the sender counts tries, the receiver says how long to wait between them.
    let end = || End::with(&adapter, |description| description.receiver_not_ready(Some(limit)));
    let (a, b) = (end()?, end()?);
    let _connection = connect(&adapter, &a.qp, &b.qp)?;
    a.send(1, b"", NONE)?;
    if !time.is_real() {
        // The limit counts from when the device finds no receive, which may be later than the post.
        comes("the send finds no receive", || a.qp.counters().receiver_not_ready != 0)?;
    }
    time.nearly(bench, limit);
    bench.quiet(&a.cq, "just before the limit")?;
    time.over();
    a.yields(&[(1, Status::IO_TIMEOUT)], "the send at the limit")?;
    bench.quiet(&b.cq, "the receiver")
}

fn qp_23(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let nowhere = RemoteAddress { token: Token(0), ..pair.b.remote(0)? };
    pair.a.receive(9)?;
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, nowhere, OpFlags::DEFER)?;
    pair.a.write(2, &pair.b, NONE)?;
    let mut ends = ends_of(&pair.a.take(3, "a write that fails, one behind it, and a receive")?);
    let at = ends.iter().position(|(context, _)| *context == 9).unwrap_or_default();
    ensure_eq!(ends.remove(at), (9, Status::CANCELLED), "the receive");
    bench.remote_refusal(ends[0].1, "the write that fails")?;
    ensure_eq!(ends[1], (2, Status::CANCELLED), "the write behind it");
    pair.a.write(3, &pair.b, NONE)?;
    pair.a.yields(&[(3, Status::CANCELLED)], "a write that is posted later")?;
    pair.a.receive(4)?;
    pair.a.yields(&[(4, Status::CANCELLED)], "a receive that is posted later")
}

fn qp_24(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let readable = pair.b.pd.register(zeroed(64)?, MrFlags::ALLOW_REMOTE_READ).done("NdkRegisterMr")?;
    (0..3).try_for_each(|context| pair.b.receive(context))?;
    pair.a.qp.write(9, &pair.a.sge(0, 8)?, readable.remote(0)?, NONE)?;
    let refused = pair.a.take(1, "a write that is refused")?[0];
    bench.remote_refusal(refused.status, "a write without the right")?;
    pair.b.yields(&all(0..3, Status::CANCELLED), "receives of the owner")
}

fn qp_25(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.write(1, &pair.b, OpFlags::DEFER)?;
    let wrong_flags = pair.a.qp.write(2, &pair.a.sge(0, 8)?, pair.b.remote(0)?, OpFlags::RDMA_READ_SINK);
    ensure!(wrong_flags.is_err(), "a write with a flag of fast registers was taken");
    pair.a.yields(&[(1, Status::SUCCESS)], "a deferred write, the next one being refused for its flags")?;
    pair.a.write(3, &pair.b, OpFlags::DEFER)?;
    let too_many = [pair.a.sge(0, 1)?; 5];
    ensure!(pair.a.qp.write(4, &too_many, pair.b.remote(0)?, NONE).is_err(), "five entries were taken");
    pair.a.yields(&[(3, Status::SUCCESS)], "a deferred write, the next one being refused for its entries")
}

fn qp_26(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    for context in 1..5 {
        pair.a.write(context, &pair.b, OpFlags::DEFER)?;
    }
    pair.a.write(5, &pair.b, NONE)?;
    pair.a.yields(&all(1..6, Status::SUCCESS), "four deferred writes and a plain one")
}

fn qp_27(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    for length in [0_usize, 1, 7, 64] {
        pair.b.receive(1)?;
        pair.a.send(2, &[3; 64][..length], NONE)?;
        let received = pair.b.take(1, "a receive")?[0];
        ensure_eq!(received.status, Status::SUCCESS, "a receive of {length} bytes");
        ensure_eq!(received.bytes_transferred as usize, length, "BytesTransferred");
        pair.a.take(1, "its send")?;
    }
    pair.b.qp.receive(1, &[pair.b.sge(0, 1000)?, pair.b.sge(1000, 4000)?])?;
    pair.a.qp.send(2, &[pair.a.sge(0, 700)?, pair.a.sge(0, 800)?], NONE)?;
    ensure_eq!(pair.b.take(1, "a scattered receive")?[0].bytes_transferred, 1500, "BytesTransferred");
    Ok(())
}

fn qp_28(bench: &Bench) -> Outcome {
    const COUNT: u64 = 1_000;
    let adapter = bench.adapter()?;
    let cqs = [cq(&adapter, 2 * COUNT as u32)?, cq(&adapter, 2 * COUNT as u32)?];
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let create = |cq: &Cq| {
        let (depth, description) = (COUNT as u32, QpDescription::new(cq));
        let description = description.receive_depth(depth).initiator_depth(depth).receiver_not_ready(None);
        pd.create_qp(description).done("NdkCreateQp")
    };
    let (qp, peer) = (create(&cqs[0])?, create(&cqs[1])?);
    let _connection = connect(&adapter, &qp, &peer)?;
    thread::scope(|scope| -> Outcome {
        let receives =
            scope.spawn(|| -> Outcome { (0..COUNT).try_for_each(|context| Ok(qp.receive(context, &[])?)) });
        let sends = scope.spawn(|| -> Outcome {
            (0..COUNT).try_for_each(|context| Ok(qp.send(context, Data::NONE, NONE)?))
        });
        for context in 0..COUNT {
            peer.receive(context, &[])?;
            peer.send(context, Data::NONE, NONE)?;
        }
        joined(receives)?;
        joined(sends)
    })?;
    for cq in &cqs {
        let taken = take(cq, 2 * COUNT as usize, "both queues of a queue pair")?;
        for kind in [OperationType::Send, OperationType::Receive] {
            let of: Vec<_> = taken.iter().filter(|c| c.kind == kind).copied().collect();
            ensure!(ends_of(&of) == all(0..COUNT, Status::SUCCESS), "{kind:?}: not each once and in order");
        }
    }
    Ok(())
}

fn qp_29(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    for context in [0, 1, u64::MAX, 0x8000_0000_0000_0000, 0x0123_4567_89AB_CDEF] {
        pair.b.receive(!context)?;
        pair.a.send(context, b"", NONE)?;
        pair.a.yields(&[(context, Status::SUCCESS)], "the context of a send")?;
        pair.b.yields(&[(!context, Status::SUCCESS)], "the context of a receive")?;
    }
    Ok(())
}

fn qp_30(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.initiator_depth(2).receive_depth(2))?;
    for round in 0..5 {
        pair.b.receive(round)?;
        pair.a.send(10 + round, b"", NONE)?;
        // The receive completes at the peer last or first; both are there before the next round.
        comes(&format!("send {round}"), || pair.a.cq.len() > round as usize)?;
        comes(&format!("receive {round}"), || pair.b.cq.len() > round as usize)?;
    }
    pair.a.yields(&all(10..15, Status::SUCCESS), "five sends through a queue of two, polled in the end")?;
    pair.b.yields(&all(0..5, Status::SUCCESS), "five receives through a queue of two")
}

fn qp_31(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.initiator_depth(8))?;
    for context in 0..10_000 {
        let what = format!("room for silent write {context}, nothing else being posted");
        comes(&what, || pair.a.write(context, &pair.b, OpFlags::SILENT_SUCCESS).is_ok())?;
    }
    bench.quiet(&pair.a.cq, "10,000 silent writes")?;
    comes("room for a last write", || pair.a.write(1, &pair.b, NONE).is_ok())?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a write after them")
}

fn qp_32(bench: &Bench) -> Outcome {
    const LENGTH: usize = 64 << 20;
    const PART: usize = 8 << 20;
    let pair = Pair::new(bench)?;
    let register = |end: &End| end.pd.register(zeroed(LENGTH)?, ALL).done("NdkRegisterMr");
    let (here, there) = (register(&pair.a)?, register(&pair.b)?);
    let pattern: Vec<u8> = (0..PART).map(|at| (at * 7 + at / 251) as u8).collect();
    for part in 0..LENGTH / PART {
        here.write(part * PART, &pattern)?;
        here.write(part * PART, &part.to_ne_bytes())?;
    }
    for at in (0..LENGTH).step_by(PART) {
        pair.a.qp.write(at as u64, &here.sge(at..at + PART)?, there.remote(at)?, NONE)?;
    }
    pair.a.take(LENGTH / PART, "large writes")?;
    let mut seen = vec![0; PART];
    for part in 0..LENGTH / PART {
        there.read(part * PART, &mut seen)?;
        ensure_eq!(seen[..8], part.to_ne_bytes(), "the first bytes of part {part}");
        ensure!(seen[8..] == pattern[8..], "part {part} of 8 MiB is not what was written");
    }
    here.write(PART, &[0; 4096])?;
    for at in (PART..PART + 4096).step_by(4) {
        let (to, from) = (here.sge(at..at + 4)?, there.remote(at)?);
        pair.a.qp.read(at as u64, &[to], from, NONE)?;
        pair.a.yields(&[(at as u64, Status::SUCCESS)], "a read of four bytes")?;
    }
    let (mut read, mut expected) = (vec![0; 4096], vec![0; 4096]);
    here.read(PART, &mut read)?;
    there.read(PART, &mut expected)?;
    ensure!(read == expected, "4 KiB read in pieces of four bytes are not what was written");
    here.deregister().done("NdkDeregisterMr")?;
    there.deregister().done("NdkDeregisterMr")?;
    Ok(())
}
