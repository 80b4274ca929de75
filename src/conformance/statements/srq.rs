//! SRQ-*: shared receive queues, their threshold, and the queue pairs that receive from them.

use super::prelude::*;
use super::srq_modify;
use crate::conformance::world::Connection;
use crate::ndk::{Mr, Pd, Srq};

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("SRQ-1", D, "depth or entries over their limits are INVALID_PARAMETER", srq_1),
    Statement::new("SRQ-2", D, "a receive completes for the queue pair that took it", srq_2),
    Statement::new("SRQ-3", D, "the count falling below the threshold calls once", srq_modify::srq_3),
    Statement::new("SRQ-4", D, "no second call before the threshold is set again", srq_modify::srq_4),
    Statement::new("SRQ-5", D, "setting a threshold above the count calls", srq_modify::srq_5),
    Statement::new("SRQ-6", D, "a modify with threshold 0 leaves threshold and arm alone", srq_modify::srq_6),
    Statement::new("SRQ-7", D, "a modify with depth 0 leaves the depth alone", srq_modify::srq_7),
    Statement::new(
        "SRQ-8",
        D,
        "a depth below what is queued is BUFFER_OVERFLOW, without effect",
        srq_modify::srq_8,
    ),
    Statement::new("SRQ-9", D, "a post to a full queue is NO_MORE_ENTRIES", srq_9),
    Statement::new("SRQ-10", D, "receives are taken while no queue pair is connected", srq_10),
    Statement::new(
        "SRQ-11",
        I,
        "no call before the count has once reached the threshold",
        srq_modify::srq_11,
    ),
    Statement::new("SRQ-12", I, "one queue pair fails, and the others go on", srq_12),
    Statement::new("SRQ-13", D, "without MaxSrqDepth there are no shared receive queues", srq_13),
];

/// A shared receive queue without a threshold.
pub(super) fn create(pd: &Pd, depth: u32, max_sge: u32) -> Outcome<Srq> {
    pd.create_srq(depth, max_sge).done("NdkCreateSrq")
}

/// A shared receive queue of four receives, and where its servers and their clients complete.
struct Served {
    pd: Pd,
    srq: Srq,
    mr: Mr,
    servers: Cq,
    clients: Cq,
    adapter: Adapter,
}

impl Served {
    fn new(bench: &Bench) -> Outcome<Self> {
        let adapter = bench.adapter()?;
        let pd = adapter.create_pd().done("NdkCreatePd")?;
        let (srq, mr) = (create(&pd, 4, 2)?, pd.register(zeroed(256)?, ALL).done("NdkRegisterMr")?);
        let (servers, clients) = (cq(&adapter, 32)?, cq(&adapter, 32)?);
        Ok(Self { pd, srq, mr, servers, clients, adapter })
    }

    /// A server with that context and a client of it.
    fn connection(&self, context: u64) -> Outcome<(Qp, Qp, Connection)> {
        let server = QpDescription::new(&self.servers).srq(&self.srq).context(context);
        let server = self.pd.create_qp(server).done("NdkCreateQpWithSrq")?;
        let client = QpDescription::new(&self.clients).inline_size(64).receiver_not_ready(None);
        let client = self.pd.create_qp(client).done("NdkCreateQp")?;
        let connection = connect(&self.adapter, &client, &server)?;
        Ok((client, server, connection))
    }

    /// A receive of 16 bytes.
    fn receive(&self, context: u64) -> Outcome {
        let at = context as usize % 16 * 16;
        Ok(self.srq.receive(context, &[self.mr.sge(at..at + 16)?])?)
    }

    /// Context of the queue pair, context of the request, and status of what the servers complete next.
    fn served(&self, count: usize, what: &str) -> Outcome<Vec<(u64, u64, Status)>> {
        let taken = take(&self.servers, count, what)?;
        Ok(taken.iter().map(|c| (c.qp_context, c.request_context, c.status)).collect())
    }
}

fn srq_1(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    let (pd, info) = (adapter.create_pd().done("NdkCreatePd")?, adapter.info().clone());
    for (depth, entries, what) in [
        (info.max_srq_depth.saturating_add(1), 1, "a depth over MaxSrqDepth"),
        (1, info.max_receive_request_sge.saturating_add(1), "entries over MaxReceiveRequestSge"),
        (0, 1, "a depth of 0 (Q-30)"),
    ] {
        pd.create_srq(depth, entries).fails(Status::INVALID_PARAMETER, what)?;
    }
    create(&pd, info.max_srq_depth, info.max_receive_request_sge)?;
    Ok(())
}

fn srq_2(bench: &Bench) -> Outcome {
    let served = Served::new(bench)?;
    let (one, other) = (served.connection(11)?, served.connection(22)?);
    (0..2).try_for_each(|context| served.receive(context))?;
    other.0.send(0, Data::Inline(&[b"of other"]), NONE)?;
    ensure_eq!(served.served(1, "the first message")?, [(22, 0, Status::SUCCESS)], "who received it");
    one.0.send(0, Data::Inline(&[b"of one"]), NONE)?;
    ensure_eq!(served.served(1, "the second message")?, [(11, 1, Status::SUCCESS)], "who received it");
    let mut bytes = [0; 6];
    served.mr.read(16, &mut bytes)?;
    ensure_eq!(&bytes, b"of one", "what the second received");
    // One that waits for a receive gets the next that is posted.
    one.0.send(0, Data::NONE, NONE)?;
    bench.quiet(&served.servers, "a message that waits for a receive")?;
    served.receive(2)?;
    ensure_eq!(served.served(1, "the message that waited")?, [(11, 2, Status::SUCCESS)], "who received it");
    Ok(())
}

fn srq_9(bench: &Bench) -> Outcome {
    let served = Served::new(bench)?;
    (0..4).try_for_each(|context| served.receive(context))?;
    let fifth = served.srq.receive(4, &[]);
    refused(fifth, Status::NO_MORE_ENTRIES, "a fifth receive in a queue of four")?;
    let entries = [served.mr.sge(0..1)?; 3];
    refused(served.srq.receive(4, &entries), Status::DATA_OVERRUN, "three entries, two being allowed")?;
    let (client, _server, _connection) = served.connection(1)?;
    client.send(0, Data::NONE, NONE)?;
    ensure_eq!(served.served(1, "a message")?, [(1, 0, Status::SUCCESS)], "the first receive");
    served.receive(5)
}

fn srq_10(bench: &Bench) -> Outcome {
    let served = Served::new(bench)?;
    (0..3).try_for_each(|context| served.receive(context))?;
    bench.quiet(&served.servers, "receives without a queue pair")?;
    let (client, _server, _connection) = served.connection(5)?;
    for context in 0..3 {
        client.send(9, Data::NONE, NONE)?;
        let expected = [(5, context, Status::SUCCESS)];
        ensure_eq!(served.served(1, "a message")?, expected, "a receive posted before any connection");
    }
    Ok(())
}

fn srq_12(bench: &Bench) -> Outcome {
    let served = Served::new(bench)?;
    let (one, other) = (served.connection(1)?, served.connection(2)?);
    (0..3).try_for_each(|context| served.receive(context))?;
    one.0.send(0, Data::Inline(&[&[0; 17]]), NONE)?; // a byte too many
    ensure_eq!(served.served(1, "a message too long")?, [(1, 0, Status::BUFFER_OVERFLOW)], "its receive");
    other.0.send(0, Data::NONE, NONE)?;
    ensure_eq!(served.served(1, "the other's message")?, [(2, 1, Status::SUCCESS)], "its receive");
    bench.quiet(&served.servers, "the receive that is left")?;
    other.0.send(0, Data::NONE, NONE)?;
    ensure_eq!(served.served(1, "the other's second message")?, [(2, 2, Status::SUCCESS)], "its receive");
    Ok(())
}

fn srq_13(bench: &Bench) -> Outcome {
    let limits = crate::ndk::AdapterLimits::new().max_srq_depth(0);
    let adapter = bench.adapter_with(|options| options.limits(limits))?;
    ensure_eq!(adapter.info().max_srq_depth, 0, "MaxSrqDepth");
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let created = pd.create_srq(1, 1).ended("a shared receive queue")?;
    ensure!(created.is_err(), "a shared receive queue was created");
    Ok(())
}
