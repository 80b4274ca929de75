//! FLUSH-17 to FLUSH-27: how flushed requests are reported, and what a flush means for queue pairs in each
//! state.

use super::prelude::*;
use std::sync::Arc;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("FLUSH-17", I, "a flushed receive has 0 bytes and type Receive", flush_17),
    Statement::new("FLUSH-18", I, "a flushed initiator request has the type of its request", flush_18),
    Statement::new("FLUSH-19", D, "a flushed request carries the contexts that were given", flush_19),
    Statement::new("FLUSH-20", D, "entries of a flush satisfy a SOLICITED arm", flush_20),
    Statement::new("FLUSH-21", I, "a queue pair flushed unconnected takes receives and connects", flush_21),
    Statement::new("FLUSH-22", I, "receives of a shared receive queue stay there", flush_22),
    Statement::new("FLUSH-23", T, "receives are recovered by a flush after a refused connect", flush_23),
    Statement::new("FLUSH-24", I, "no byte of a flushed receive is written after its completion", flush_24),
    Statement::new("FLUSH-25", D, "a graceful disconnect flushes without a call to NdkFlush", flush_25),
    Statement::new(
        "FLUSH-26",
        I,
        "a flush with more entries than there is room overruns the queue",
        flush_26,
    ),
    Statement::new("FLUSH-27", I, "a flush inside a notification returns", flush_27),
];

fn flush_17(bench: &Bench) -> Outcome {
    let end = End::new(&bench.adapter()?)?;
    end.receive(1)?;
    end.qp.flush();
    let taken = end.take(1, "the flushed receive")?;
    ensure_eq!(taken[0].status, Status::CANCELLED, "its status");
    ensure_eq!((taken[0].bytes_transferred, taken[0].kind), (0, OperationType::Receive), "bytes and type");
    Ok(())
}

fn flush_18(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let token = pair.b.mr.remote_token();
    pair.stall(0)?;
    pair.a.read(1, &pair.b, NONE)?;
    pair.a.write(2, &pair.b, NONE)?;
    pair.a.qp.send_and_invalidate(3, Data::NONE, NONE, token)?;
    pair.a.qp.flush();
    let taken = pair.a.take(4, "a request of each kind, flushed")?;
    let kinds: Vec<_> = taken.iter().map(|c| (c.request_context, c.kind)).collect();
    use OperationType::{Read, Send, Write};
    ensure_eq!(kinds, [(0, Send), (1, Read), (2, Write), (3, Send)], "types");
    super::mr_pages::flushed_kinds(bench)
}

fn flush_19(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let end = End::with(&adapter, |description| description.context(u64::MAX))?;
    let peer = End::new(&adapter)?;
    let _connection = connect(&adapter, &end.qp, &peer.qp)?;
    end.receive(u64::MAX - 1)?;
    end.send(0x8000_0000_0000_0001, b"", NONE)?;
    end.qp.flush();
    let mut contexts: Vec<_> =
        end.take(2, "both flushed")?.iter().map(|c| (c.qp_context, c.request_context)).collect();
    contexts.sort_unstable();
    ensure_eq!(contexts, [(u64::MAX, 0x8000_0000_0000_0001), (u64::MAX, u64::MAX - 1)], "contexts");
    Ok(())
}

fn flush_20(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Solicited);
    noted.calls.none(bench, "an empty queue")?;
    noted.entry(1)?;
    noted.calls.exactly(1, bench, "the flush with a SOLICITED arm")?;
    Ok(())
}

fn flush_21(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (a, b) = (End::new(&adapter)?, End::new(&adapter)?);
    b.receive(1)?;
    b.qp.flush();
    b.yields(&[(1, Status::CANCELLED)], "flushed unconnected")?;
    b.receive(2)?;
    bench.quiet(&b.cq, "a receive after the flush")?;
    let _connection = connect(&adapter, &a.qp, &b.qp)?;
    a.send(3, b"alive", NONE)?;
    a.yields(&[(3, Status::SUCCESS)], "the send after all that")?;
    b.yields(&[(2, Status::SUCCESS)], "the receive after the flush")?;
    ensure_eq!(b.bytes(0, 5)?, b"alive", "what was received");
    stays_connected(bench)
}

/// Q-3, where it is promised: a connected queue pair stays so.
fn stays_connected(bench: &Bench) -> Outcome {
    if !bench.promises().connected_after_flush {
        return Ok(());
    }
    let pair = Pair::new(bench)?;
    pair.stall(1)?;
    pair.a.qp.flush();
    pair.a.yields(&[(1, Status::CANCELLED)], "flushed connected")?;
    pair.b.receive(2)?;
    pair.a.send(3, b"later", NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "a send after a flush, connected (Q-3)")?;
    pair.b.yields(&[(2, Status::SUCCESS)], "the peer of a flushed queue pair")?;
    ensure_eq!(pair.b.bytes(0, 5)?, b"later", "what the peer received");
    Ok(())
}

fn flush_22(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (pd, cq) = (adapter.create_pd().done("NdkCreatePd")?, cq(&adapter, 16)?);
    let srq = super::srq::create(&pd, 4, 1)?;
    let create = || pd.create_qp(QpDescription::new(&cq).srq(&srq)).done("NdkCreateQp");
    let (one, other, client) = (create()?, create()?, End::new(&adapter)?);
    srq.receive(1, &[])?;
    srq.receive(2, &[])?;
    one.flush();
    bench.quiet(&cq, "receives of the shared queue at a flush")?;
    let _connection = connect(&adapter, &client.qp, &other)?;
    for (sent, taken) in [(10, 1), (11, 2)] {
        client.send(sent, b"", NONE)?;
        yields(&cq, &[(taken, Status::SUCCESS)], "a receive that the flush left there")?;
    }
    Ok(())
}

fn flush_23(bench: &Bench) -> Outcome {
    let asked = Asked::new(bench, b"")?;
    asked.a.receive(1)?;
    asked.passive.reject(b"")?;
    asked.connecting.fails(Status::CONNECTION_REFUSED, "the connect")?;
    bench.quiet(&asked.a.cq, "the refusal by itself")?;
    asked.a.qp.flush();
    asked.a.yields(&[(1, Status::CANCELLED)], "the receive, flushed after the refusal")
}

fn flush_24(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(1)?;
    pair.b.qp.flush();
    pair.b.yields(&[(1, Status::CANCELLED)], "the flushed receive")?;
    pair.b.mr.write(0, b"mine again")?;
    pair.stall(2)?;
    bench.settle();
    ensure_eq!(pair.b.bytes(0, 10)?, b"mine again", "the buffer of the flushed receive");
    if bench.promises().connected_after_flush {
        pair.b.qp.receive(3, &[pair.b.sge(64, 128)?])?;
        pair.b.yields(&[(3, Status::SUCCESS)], "the next receive")?;
        ensure_eq!(pair.b.bytes(64, 70)?, b"stalls", "the buffer of the next receive");
        ensure_eq!(pair.b.bytes(0, 10)?, b"mine again", "the buffer of the flushed receive, later");
    }
    Ok(())
}

fn flush_25(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.receive(1)?;
    pair.stall(2)?;
    let (here, there) = (pair.connection.active.disconnect(), pair.connection.passive.disconnect());
    here.done("A's disconnect")?;
    there.done("B's disconnect")?;
    let mut ends = ends_of(&pair.a.take(2, "what was pending at the disconnect")?);
    ends.sort_unstable_by_key(|(context, _)| *context);
    ensure_eq!(ends, all([1, 2], Status::CANCELLED), "what was pending at the disconnect");
    // afterwards receives are taken and cancelled, and initiator requests are refused.
    pair.a.receive(3)?;
    pair.a.yields(&[(3, Status::CANCELLED)], "a receive after the disconnect")?;
    refused(pair.a.qp.send(4, Data::NONE, NONE), Status::CONNECTION_INVALID, "a send after it")?;
    Ok(())
}

fn flush_26(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 2)?;
    noted.cq.arm(NotifyType::Errors);
    for context in 1..=3 {
        noted.qp.receive(context, &[])?;
    }
    noted.qp.flush();
    let status = noted.calls.next("the notification of the overrun")?;
    ensure_eq!(status, Status::BUFFER_OVERFLOW, "its status");
    ensure_eq!(noted.poll(8), [1, 2], "what fitted");
    Ok(())
}

fn flush_27(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (hand, handed) = later::<Arc<Qp>>();
    let (note, calls) = notes();
    let notify = CqNotify::callback(move |event| {
        if let Some(qp) = handed.get() {
            qp.flush();
        }
        note.say(event.poll(&mut [Completion::default(); 8]));
    });
    let cq = adapter.create_cq(8, notify).done("NdkCreateCq")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let qp = Arc::new(pd.create_qp(QpDescription::new(&cq)).done("NdkCreateQp")?);
    let other = pd.create_qp(QpDescription::new(&cq)).done("NdkCreateQp")?;
    hand.say(Arc::clone(&qp));
    qp.receive(1, &[])?;
    other.receive(2, &[])?;
    cq.arm(NotifyType::Any);
    other.flush();
    let polled = calls.next("the notification with a flush in it")?;
    // A device may complete the inner flush a little later.
    let rest = polls(&cq, 2_usize.saturating_sub(polled), "the completion of the inner flush")?;
    ensure_eq!(polled + rest.len(), 2, "completions of both flushes");
    bench.quiet(&cq, "completions beyond them")
}
