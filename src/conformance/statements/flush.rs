//! FLUSH-1 to FLUSH-16: what a flush cancels, and that it cancels nothing else.

use super::prelude::*;
use std::thread;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("FLUSH-1", D, "a flush completes every pending receive with CANCELLED", flush_1),
    Statement::new("FLUSH-2", D, "it completes every pending initiator request, cancelled or done", flush_2),
    Statement::new("FLUSH-3", D, "draining yields a completion for whatever was queued before", flush_3),
    Statement::new("FLUSH-4", D, "no request that was queued before has two completions", flush_4),
    Statement::new("FLUSH-5", D, "other queue pairs of the completion queue are left alone", flush_5),
    Statement::new("FLUSH-6", D, "flushed requests of a queue come in posting order", flush_6),
    Statement::new("FLUSH-7", T, "receives of a queue pair never connected are cancelled", flush_7),
    Statement::new("FLUSH-8", T, "an ANY arm after the flush is notified, and one poll takes all", flush_8),
    Statement::new("FLUSH-9", D, "a silent request that is flushed is visible", flush_9),
    Statement::new("FLUSH-10", I, "a silent request that had succeeded stays silent", flush_10),
    Statement::new("FLUSH-11", I, "real results keep their status and come before cancelled ones", flush_11),
    Statement::new("FLUSH-12", I, "a flush that finds nothing adds no entry and notifies nobody", flush_12),
    Statement::new("FLUSH-13", I, "a second flush cancels only what was posted in between", flush_13),
    Statement::new("FLUSH-14", D, "flush and posts at once neither fail nor block", flush_14),
    Statement::new("FLUSH-15", I, "a post that races with a flush completes once in the end", flush_15),
    Statement::new("FLUSH-16", I, "deferred requests that nothing indicated are cancelled", flush_16),
];

fn flush_1(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    for context in 0..10 {
        pair.a.receive(context)?;
    }
    pair.a.qp.flush();
    pair.a.yields(&all(0..10, Status::CANCELLED), "ten flushed receives")?;
    ensure_eq!(Status::CANCELLED.0, 0xC000_0120, "the number of STATUS_CANCELLED");
    bench.quiet(&pair.a.cq, "after ten completions")
}

/// Posts a send that finds no receive, and behind it one of each other kind: contexts 0 to 3.
fn of_each_kind(pair: &Pair) -> Outcome {
    pair.stall(0)?;
    pair.a.read(1, &pair.b, NONE)?;
    pair.a.write(2, &pair.b, NONE)?;
    Ok(pair.a.qp.send(3, &pair.a.sge(0, 8)?, NONE)?)
}

fn flush_2(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    of_each_kind(&pair)?;
    pair.a.qp.flush();
    let ends = ends_of(&pair.a.take(4, "four flushed initiator requests")?);
    for (context, status) in &ends {
        // A request that was being executed may have been carried out; here, none can be.
        ensure_eq!(*status, Status::CANCELLED, "initiator request {context}");
    }
    let contexts: Vec<u64> = ends.iter().map(|(context, _)| *context).collect();
    ensure_eq!(contexts, [0, 1, 2, 3], "contexts of the flushed requests");
    Ok(())
}

fn flush_3(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(0)?;
    pair.a.send(0, b"arrives", NONE)?;
    of_each_kind(&pair)?;
    (10..14).try_for_each(|context| pair.a.receive(context))?;
    pair.a.qp.flush();
    let taken = pair.a.take(9, "one send that arrived, four initiator requests, four receives")?;
    let receives = taken.iter().filter(|c| c.kind == OperationType::Receive).count();
    ensure_eq!((receives, taken.len() - receives), (4, 5), "receives and initiator requests drained");
    bench.quiet(&pair.a.cq, "after draining what was queued before the flush")
}

fn flush_4(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    of_each_kind(&pair)?;
    (10..14).try_for_each(|context| pair.a.receive(context))?;
    pair.a.qp.flush();
    let mut contexts: Vec<u64> =
        pair.a.take(8, "eight flushed requests")?.iter().map(|c| c.request_context).collect();
    contexts.sort_unstable();
    ensure_eq!(contexts, [0, 1, 2, 3, 10, 11, 12, 13], "each request once");
    // What could come twice would come by now, or when the queue pair goes on.
    pair.b.receive(20)?;
    pair.a.qp.flush();
    bench.quiet(&pair.a.cq, "after each request has had its completion")
}

fn flush_5(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (pd, cq) = (adapter.create_pd().done("NdkCreatePd")?, cq(&adapter, 64)?);
    let create = |context| pd.create_qp(QpDescription::new(&cq).context(context)).done("NdkCreateQp");
    let (one, other) = (create(7)?, create(8)?);
    for qp in [&one, &other] {
        qp.receive(1, &[])?;
        qp.receive(2, &[])?;
    }
    one.flush();
    let taken = take(&cq, 2, "the flushed queue pair")?;
    ensure!(taken.iter().all(|c| c.qp_context == 7), "a request of another queue pair: {taken:?}");
    bench.quiet(&cq, "the other queue pair's receives stay pending")?;
    other.flush();
    let taken = take(&cq, 2, "the other queue pair's receives are still there")?;
    ensure!(taken.iter().all(|c| c.qp_context == 8), "not those of the other queue pair: {taken:?}");
    Ok(())
}

fn flush_6(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.stall(0)?;
    (1..8).try_for_each(|context| pair.a.write(context, &pair.b, NONE))?;
    (10..18).try_for_each(|context| pair.a.receive(context))?;
    pair.a.qp.flush();
    let taken = pair.a.take(16, "eight initiator requests and eight receives")?;
    let of = |receive: bool| -> Vec<u64> {
        let kind = |c: &&Completion| (c.kind == OperationType::Receive) == receive;
        taken.iter().filter(kind).map(|c| c.request_context).collect()
    };
    ensure_eq!(of(false), (0..8).collect::<Vec<_>>(), "order of the initiator queue");
    ensure_eq!(of(true), (10..18).collect::<Vec<_>>(), "order of the receive queue");
    Ok(())
}

/// A queue of two entries that notes its calls, and a queue pair of depth 64 that is never connected.
fn two_receives_flushed(bench: &Bench) -> Outcome<(Noted, Qp)> {
    let noted = Noted::new(bench, 2)?;
    let qp = noted.pd.create_qp(QpDescription::new(&noted.cq).receive_depth(64)).done("NdkCreateQp")?;
    qp.receive(1, &[])?;
    qp.receive(2, &[])?;
    qp.flush();
    Ok((noted, qp))
}

fn flush_7(bench: &Bench) -> Outcome {
    let (noted, _qp) = two_receives_flushed(bench)?;
    let taken = polls(&noted.cq, 2, "both receives")?;
    ensure_eq!(ends_of(&taken), all([1, 2], Status::CANCELLED), "both receives");
    ensure_eq!(noted.poll(1), [0; 0], "entries beyond them");
    Ok(())
}

fn flush_8(bench: &Bench) -> Outcome {
    // As the test has it: the arm may find both entries, or come before them, but not between them.
    for precede in [false, true] {
        let (noted, _qp) = two_receives_flushed(bench)?;
        if precede {
            noted.fills(2, "both entries")?;
        }
        noted.cq.arm(NotifyType::Any);
        let calls = noted.calls.exactly(1, bench, "one arm")?;
        ensure_eq!(calls, [Status::SUCCESS], "status of the notification");
        ensure_eq!(noted.poll(2), [1, 2], "one poll of two");
    }
    Ok(())
}

fn flush_9(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.send(5, b"", OpFlags::SILENT_SUCCESS)?;
    pair.a.write(6, &pair.b, OpFlags::SILENT_SUCCESS)?;
    pair.a.qp.flush();
    pair.a.yields(&all([5, 6], Status::CANCELLED), "silent requests, flushed")
}

fn flush_10(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.write(1, &pair.b, OpFlags::SILENT_SUCCESS)?;
    pair.a.write(2, &pair.b, NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "the write after the silent one")?;
    pair.stall(3)?;
    pair.a.qp.flush();
    pair.a.yields(&[(3, Status::CANCELLED)], "what was pending")?;
    bench.quiet(&pair.a.cq, "the silent success stays silent")
}

fn flush_11(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(0)?;
    pair.a.write(1, &pair.b, NONE)?;
    pair.a.send(2, b"arrives", NONE)?;
    pair.stall(3)?;
    take(&pair.b.cq, 1, "the peer has received, so both results are real")?;
    bench.settle();
    pair.a.qp.flush();
    let expected = [(1, Status::SUCCESS), (2, Status::SUCCESS), (3, Status::CANCELLED)];
    pair.a.yields(&expected, "real results, then the cancelled one")
}

fn flush_12(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Any);
    noted.qp.flush();
    bench.quiet(&noted.cq, "a flush of nothing")?;
    noted.calls.none(bench, "a flush of nothing")?;
    let pair = Pair::new(bench)?;
    pair.a.qp.flush();
    bench.quiet(&pair.a.cq, "a flush of nothing, connected")
}

fn flush_13(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    noted.cq.arm(NotifyType::Any);
    noted.qp.receive(1, &[])?;
    noted.qp.flush();
    noted.calls.next("the first flush")?;
    noted.qp.receive(2, &[])?;
    noted.qp.flush();
    noted.cq.arm(NotifyType::Any);
    noted.calls.next("the second flush")?;
    noted.qp.flush();
    bench.settle();
    noted.brings(&[1, 2], "each flush cancels what was posted since the last")
}

/// Receives and sends of one queue pair by two threads, while a third flushes it without end.
fn posts_meet_flushes(bench: &Bench) -> Outcome<(Vec<Completion>, Vec<Completion>)> {
    const ROUNDS: u64 = 400;
    let adapter = bench.adapter()?;
    let (receives, sends) = (cq(&adapter, 2 * ROUNDS as u32)?, cq(&adapter, 2 * ROUNDS as u32)?);
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let depth = ROUNDS as u32;
    let description =
        QpDescription::new(&receives).initiator_cq(&sends).receive_depth(depth).initiator_depth(depth);
    let qp = pd.create_qp(description.receiver_not_ready(None)).done("NdkCreateQp")?;
    let peer = End::new(&adapter)?;
    let _connection = connect(&adapter, &qp, &peer.qp)?;
    thread::scope(|scope| -> Outcome {
        let receiver =
            scope.spawn(|| -> Outcome { (0..ROUNDS).try_for_each(|context| Ok(qp.receive(context, &[])?)) });
        let sender = scope.spawn(|| -> Outcome {
            // Where a flush ends the connection, later requests are taken and cancelled all the same.
            (0..ROUNDS).try_for_each(|context| Ok(qp.send(context, Data::NONE, NONE)?))
        });
        while !receiver.is_finished() || !sender.is_finished() {
            qp.flush();
        }
        joined(receiver)?;
        joined(sender)
    })?;
    qp.flush();
    let count = ROUNDS as usize;
    let taken = (take(&receives, count, "receives")?, take(&sends, count, "sends")?);
    bench.quiet(&receives, "after every receive")?;
    bench.quiet(&sends, "after every send")?;
    Ok(taken)
}

fn flush_14(bench: &Bench) -> Outcome {
    let (receives, sends) = posts_meet_flushes(bench)?;
    ensure_eq!((receives.len(), sends.len()), (400, 400), "requests taken in spite of flushes");
    Ok(())
}

fn flush_15(bench: &Bench) -> Outcome {
    let (receives, sends) = posts_meet_flushes(bench)?;
    for taken in [receives, sends] {
        ensure_eq!(ends_of(&taken), all(0..400, Status::CANCELLED), "each request once, and cancelled");
    }
    Ok(())
}

fn flush_16(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    for context in 0..3 {
        pair.a.send(context, b"later", OpFlags::DEFER)?;
    }
    pair.a.qp.flush();
    pair.a.yields(&all(0..3, Status::CANCELLED), "deferred sends, flushed")?;
    bench.quiet(&pair.b.cq, "the peer")
}
