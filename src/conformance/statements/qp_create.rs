//! QP-1 to QP-13: creation, and which posts are taken.

use super::prelude::*;

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("QP-1", D, "each of the five sizes over its limit is INVALID_PARAMETER", qp_1),
    Statement::new("QP-2", T, "all depths and counts at their maxima are granted", qp_2),
    Statement::new("QP-3", D, "a receive is taken unconnected", qp_3),
    Statement::new("QP-4", D, "an initiator request unconnected is CONNECTION_INVALID", qp_4),
    Statement::new("QP-5", D, "a post refused inline does not complete, and the queue pair works on", qp_5),
    Statement::new("QP-6", D, "a post that is taken completes exactly once", qp_6),
    Statement::new("QP-7", D, "a silent request that succeeds does not complete", qp_7),
    Statement::new("QP-8", D, "a silent request that fails completes", qp_8),
    Statement::new("QP-9", D, "a read and then a send complete in that order", qp_9),
    Statement::new("QP-10", D, "a full initiator queue is NO_MORE_ENTRIES", qp_10),
    Statement::new("QP-11", D, "a full receive queue is NO_MORE_ENTRIES", qp_11),
    Statement::new("QP-12", D, "too many entries are DATA_OVERRUN", qp_12),
    Statement::new("QP-13", D, "more than MaxTransferLength is BUFFER_OVERFLOW", qp_13),
];

fn qp_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (pd, cq, info) = (adapter.create_pd().done("NdkCreatePd")?, cq(&adapter, 1)?, adapter.info().clone());
    let usual = || QpDescription::new(&cq);
    let over = |limit: u32| limit.saturating_add(1);
    for (what, description) in [
        ("ReceiveQueueDepth", usual().receive_depth(over(info.max_receive_queue_depth))),
        ("InitiatorQueueDepth", usual().initiator_depth(over(info.max_initiator_queue_depth))),
        ("MaxReceiveRequestSge", usual().receive_sge(over(info.max_receive_request_sge))),
        ("MaxInitiatorRequestSge", usual().initiator_sge(over(info.max_initiator_request_sge))),
        ("InlineDataSize", usual().inline_size(over(info.max_inline_data_size))),
    ] {
        pd.create_qp(description).fails(Status::INVALID_PARAMETER, &format!("{what} over its limit"))?;
    }
    pd.create_qp(usual()).done("a queue pair within the limits")?;
    Ok(())
}

fn qp_2(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let info = adapter.info().clone();
    let cq = adapter.create_cq(info.max_cq_depth, CqNotify::None).done("a queue of MaxCqDepth")?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let description = QpDescription::new(&cq)
        .receive_depth(info.max_receive_queue_depth)
        .initiator_depth(info.max_initiator_queue_depth)
        .receive_sge(info.max_receive_request_sge)
        .initiator_sge(info.max_initiator_request_sge)
        .inline_size(info.max_inline_data_size);
    let qp = pd.create_qp(description).done("all maxima together")?;
    for context in 0..info.max_receive_queue_depth.into() {
        qp.receive(context, &[])?;
    }
    refused(qp.receive(0, &[]), Status::NO_MORE_ENTRIES, "one more than the deepest queue")?;
    qp.flush();
    let taken = polls(&cq, info.max_receive_queue_depth as usize, "receives of the deepest queue, flushed")?;
    ensure!(taken.iter().zip(0..).all(|(c, context)| c.request_context == context), "out of order");
    Ok(())
}

fn qp_3(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (a, b) = (End::new(&adapter)?, End::new(&adapter)?);
    b.receive(1)?;
    bench.quiet(&b.cq, "a receive, unconnected")?;
    let _connection = connect(&adapter, &a.qp, &b.qp)?;
    a.send(2, b"first", NONE)?;
    b.yields(&[(1, Status::SUCCESS)], "the receive that was posted before connecting")
}

fn qp_4(bench: &Bench) -> Outcome {
    let end = End::new(&bench.adapter()?)?;
    let (remote, token) = (end.remote(0)?, end.mr.remote_token());
    let sge = end.sge(0, 8)?;
    for (what, result) in [
        ("a send", end.qp.send(2, Data::NONE, NONE)),
        ("a read", end.qp.read(3, &[sge], remote, NONE)),
        ("a write", end.qp.write(4, &sge, remote, NONE)),
        ("a send with invalidation", end.qp.send_and_invalidate(5, Data::NONE, NONE, token)),
    ] {
        refused(result, Status::CONNECTION_INVALID, what)?;
    }
    bench.quiet(&end.cq, "after posts that were refused")?;
    super::mr_pages::unconnected(bench)
}

fn qp_5(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let five = [pair.a.sge(0, 1)?; 5];
    refused(pair.a.qp.send(1, &five, NONE), Status::DATA_OVERRUN, "a send of five entries")?;
    refused(pair.a.qp.receive(1, &five), Status::DATA_OVERRUN, "a receive of five entries")?;
    bench.quiet(&pair.a.cq, "after posts that were refused")?;
    pair.b.receive(2)?;
    pair.a.receive(3)?;
    pair.a.send(4, b"works", NONE)?;
    pair.a.yields(&[(4, Status::SUCCESS)], "a send after refused posts")?;
    pair.b.yields(&[(2, Status::SUCCESS)], "its receive")?;
    pair.b.send(5, b"works", NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "a receive after refused posts")
}

fn qp_6(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    (0..4).try_for_each(|context| pair.b.receive(context))?;
    for context in 10..14 {
        pair.a.send(context, b"once", NONE)?;
    }
    pair.a.read(14, &pair.b, NONE)?;
    pair.a.write(15, &pair.b, NONE)?;
    pair.a.yields(&all(10..16, Status::SUCCESS), "four sends, a read and a write")?;
    pair.b.yields(&all(0..4, Status::SUCCESS), "four receives")?;
    bench.quiet(&pair.a.cq, "after a completion for each request")?;
    bench.quiet(&pair.b.cq, "after a completion for each receive")
}

fn qp_7(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(0)?;
    pair.a.send(1, b"hush", OpFlags::SILENT_SUCCESS)?;
    pair.b.yields(&[(0, Status::SUCCESS)], "the receive of a silent send")?;
    pair.a.write(2, &pair.b, OpFlags::SILENT_SUCCESS)?;
    pair.a.read(3, &pair.b, OpFlags::SILENT_SUCCESS)?;
    pair.a.write(4, &pair.b, NONE)?;
    pair.a.yields(&[(4, Status::SUCCESS)], "the one request that is not silent")?;
    bench.quiet(&pair.a.cq, "after three silent successes")
}

fn qp_8(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    let nowhere = RemoteAddress { token: Token(0), ..pair.b.remote(0)? };
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, nowhere, OpFlags::SILENT_SUCCESS)?;
    let taken = pair.a.take(1, "a silent write that fails")?;
    ensure_eq!(taken[0].request_context, 1, "its context");
    bench.remote_refusal(taken[0].status, "its status")
}

fn qp_9(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    for round in 0..20 {
        pair.b.receive(round)?;
        let whole = pair.a.sge(0, SIZE)?;
        pair.a.qp.read(100 + round, &[whole], pair.b.remote(0)?, NONE)?;
        pair.a.send(200 + round, b"", NONE)?;
        let expected = [(100 + round, Status::SUCCESS), (200 + round, Status::SUCCESS)];
        pair.a.yields(&expected, "a read, then a send")?;
        pair.b.take(1, "the receive")?;
    }
    Ok(())
}

fn qp_10(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.initiator_depth(2))?;
    (0..2).try_for_each(|context| pair.stall(context))?;
    let third = pair.a.qp.send(2, Data::NONE, NONE);
    refused(third, Status::NO_MORE_ENTRIES, "a third send in a queue of two")?;
    (0..2).try_for_each(|context| pair.b.receive(context))?;
    pair.a.yields(&all(0..2, Status::SUCCESS), "the two that were taken")?;
    pair.b.receive(2)?;
    pair.a.send(3, b"", NONE)?;
    pair.a.yields(&[(3, Status::SUCCESS)], "a send when there is room again")?;
    bench.quiet(&pair.a.cq, "the refused send")
}

fn qp_11(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.receive_depth(3))?;
    (0..3).try_for_each(|context| pair.b.receive(context))?;
    refused(pair.b.qp.receive(3, &[]), Status::NO_MORE_ENTRIES, "a fourth receive in a queue of three")?;
    pair.a.send(0, b"", NONE)?;
    pair.b.yields(&[(0, Status::SUCCESS)], "the first receive")?;
    pair.b.receive(4)
}

fn qp_12(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.initiator_sge(2).receive_sge(3))?;
    let sges = [pair.a.sge(0, 1)?; 4];
    let remote = pair.b.remote(0)?;
    for (what, result) in [
        ("a send of three entries, two being allowed", pair.a.qp.send(1, &sges[..3], NONE)),
        ("a write of three", pair.a.qp.write(1, &sges[..3], remote, NONE)),
        ("a read of three", pair.a.qp.read(1, &sges[..3], remote, NONE)),
        ("a receive of four, three being allowed", pair.a.qp.receive(1, &sges)),
    ] {
        refused(result, Status::DATA_OVERRUN, what)?;
    }
    pair.a.qp.write(2, &sges[..2], remote, NONE)?;
    pair.a.yields(&[(2, Status::SUCCESS)], "a write of two entries")
}

fn qp_13(bench: &Bench) -> Outcome {
    let pair = Pair::with(bench, |description| description.initiator_sge(3))?;
    let limit = pair.adapter.info().max_transfer_length;
    // Entries are judged by their lengths before anything looks at what they name.
    let part = Sge { address: 0, length: limit / 2 + 1, token: Token::default() };
    let result = pair.a.qp.send(1, &[part; 2], NONE);
    refused(result, Status::BUFFER_OVERFLOW, "a send of more than MaxTransferLength")?;
    let result = pair.a.qp.write(1, &[part; 2], pair.b.remote(0)?, NONE);
    refused(result, Status::BUFFER_OVERFLOW, "a write of more than MaxTransferLength")?;
    bench.quiet(&pair.a.cq, "the refused requests")
}
