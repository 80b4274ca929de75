//! CQ-19 to CQ-26: more entries than there is room, and which queue an entry goes to.

use super::prelude::*;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CQ-19", D, "an armed queue that overruns is told BUFFER_OVERFLOW", cq_19),
    Statement::new("CQ-20", D, "queue pairs of an overrun queue are dead and complete no more", cq_20),
    Statement::new("CQ-21", I, "an overrun satisfies an arm of each level", cq_21),
    Statement::new("CQ-22", I, "an arm of an overrun queue calls at once with the same status", cq_22),
    Statement::new("CQ-23", I, "entries that fitted can be polled, unaltered", cq_23),
    Statement::new("CQ-24", T, "a queue less deep than its queue pairs is no error of creation", cq_24),
    Statement::new("CQ-25", D, "one queue takes both kinds of completions", cq_25),
    Statement::new("CQ-26", D, "of two queues each takes its own kind only", cq_26),
];

/// Two entries in a queue of two, of which no arm and no call is left.
fn full(bench: &Bench) -> Outcome<Noted> {
    let noted = Noted::new(bench, 2)?;
    noted.cq.arm(NotifyType::Any);
    noted.entry(0)?;
    noted.calls.exactly(1, bench, "the first entry")?;
    noted.entry(1)?;
    noted.fills(2, "the second entry")?;
    Ok(noted)
}

fn cq_19(bench: &Bench) -> Outcome {
    let noted = full(bench)?;
    noted.cq.arm(NotifyType::Errors);
    noted.calls.none(bench, "a full queue, armed ERRORS")?;
    noted.entry(2)?;
    let calls = noted.calls.exactly(1, bench, "the entry too much")?;
    ensure_eq!(calls, [Status::BUFFER_OVERFLOW], "status of the notification");
    Ok(())
}

fn cq_20(bench: &Bench) -> Outcome {
    let noted = full(bench)?;
    let peer = End::new(&noted.adapter)?;
    let _connection = connect(&noted.adapter, &peer.qp, &noted.qp)?;
    noted.entry(2)?;
    comes("the overrun", || noted.cq.has_overrun())?;
    ensure_eq!(noted.poll(8), [0, 1], "what fitted");
    // Neither a receive nor a send of it is ever reported, whether the post is taken or not.
    let _either_way = (noted.qp.receive(3, &[]), noted.qp.send(4, Data::NONE, NONE));
    noted.qp.flush();
    bench.settle();
    ensure_eq!(noted.poll(8), [0; 0], "completions of a dead queue pair");
    peer.send(5, b"", NONE)?;
    let ended = peer.take(1, "a send to a dead queue pair")?;
    ensure!(ended[0].status != Status::SUCCESS, "a send to a dead queue pair succeeded");
    ensure_eq!(noted.poll(8), [0; 0], "completions of a dead queue pair, after a message to it");
    Ok(())
}

fn cq_21(bench: &Bench) -> Outcome {
    for level in [NotifyType::Errors, NotifyType::Solicited, NotifyType::Any] {
        let noted = Noted::new(bench, 1)?;
        let peer = End::new(&noted.adapter)?;
        let _connection = connect(&noted.adapter, &peer.qp, &noted.qp)?;
        (1..3).try_for_each(|context| noted.qp.receive(context, &[]))?;
        noted.cq.arm(NotifyType::Any);
        peer.send(0, b"", NONE)?;
        noted.calls.exactly(1, bench, "the entry that fits")?;
        noted.cq.arm(level);
        noted.calls.none(bench, "no entry is new")?;
        peer.send(0, b"", NONE)?;
        let status = noted.calls.next(&format!("an overrun, armed {level:?}"))?;
        ensure_eq!(status, Status::BUFFER_OVERFLOW, "armed {level:?}");
    }
    Ok(())
}

fn cq_22(bench: &Bench) -> Outcome {
    let noted = full(bench)?;
    noted.entry(2)?;
    comes("the overrun", || noted.cq.has_overrun())?;
    for level in [NotifyType::Errors, NotifyType::Solicited, NotifyType::Any] {
        noted.cq.arm(level);
        let calls = noted.calls.exactly(1, bench, "an arm after the overrun")?;
        ensure_eq!(calls, [Status::BUFFER_OVERFLOW], "armed {level:?}");
    }
    Ok(())
}

fn cq_23(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let cq = adapter.create_cq(2, CqNotify::None).done("NdkCreateCq")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let qp = pd.create_qp(QpDescription::new(&cq).context(77)).done("NdkCreateQp")?;
    let (peer, mr) = (End::new(&adapter)?, pd.register(zeroed(64)?, ALL).done("NdkRegisterMr")?);
    let _connection = connect(&adapter, &peer.qp, &qp)?;
    for context in 0..4 {
        qp.receive(context, &[mr.sge(0..64)?])?;
    }
    for length in 1..=4 {
        peer.send(0, &[7; 64][..length], NONE)?;
    }
    comes("the overrun", || cq.has_overrun())?;
    let mut places = [Completion::default(); 8];
    let count = cq.poll(&mut places);
    let seen: Vec<_> = places[..count]
        .iter()
        .map(|c| (c.qp_context, c.request_context, c.bytes_transferred, c.status))
        .collect();
    let expected = [(77, 0, 1, Status::SUCCESS), (77, 1, 2, Status::SUCCESS)];
    ensure_eq!(seen, expected, "what fitted before the overrun");
    ensure_eq!(cq.poll(&mut places), 0, "entries beyond what fitted");
    Ok(())
}

fn cq_24(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (shallow, pd) = (cq(&adapter, 2)?, adapter.create_pd().done("NdkCreatePd")?);
    let description = QpDescription::new(&shallow).receive_depth(64).initiator_depth(64);
    pd.create_qp(description).done("a queue pair of depth 64 over a completion queue of depth 2")?;
    Ok(())
}

fn cq_25(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.a.receive(1)?;
    pair.b.receive(2)?;
    pair.a.send(3, b"there", NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "the send")?;
    pair.b.send(4, b"back", NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "the receive, in the same queue")?;
    let mut ends = ends_of(&pair.b.take(2, "the peer's receive and send")?);
    ends.sort_unstable_by_key(|(context, _)| *context);
    ensure_eq!(ends, all([2, 4], Status::SUCCESS), "the peer's receive and send");
    Ok(())
}

fn cq_26(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (receives, others) = (cq(&adapter, 8)?, cq(&adapter, 8)?);
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let description = QpDescription::new(&receives).initiator_cq(&others).receiver_not_ready(None);
    let qp = pd.create_qp(description).done("NdkCreateQp")?;
    let peer = End::new(&adapter)?;
    let _connection = connect(&adapter, &qp, &peer.qp)?;
    qp.receive(1, &[])?;
    peer.receive(0)?;
    qp.send(2, Data::NONE, NONE)?;
    yields(&others, &[(2, Status::SUCCESS)], "the send, in the initiator queue's")?;
    bench.quiet(&receives, "a send in the receive queue's")?;
    peer.send(0, b"", NONE)?;
    yields(&receives, &[(1, Status::SUCCESS)], "the receive, in the receive queue's")?;
    bench.quiet(&others, "a receive in the initiator queue's")?;
    qp.receive(3, &[])?;
    qp.send(4, Data::NONE, NONE)?;
    qp.flush();
    yields(&receives, &[(3, Status::CANCELLED)], "the flushed receive")?;
    yields(&others, &[(4, Status::CANCELLED)], "the flushed send")?;
    bench.quiet(&receives, "after both flushes")
}
