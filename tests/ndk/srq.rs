//! SRQ-*: receives that several queue pairs share.

use crate::world::{ALL, adapter, connect, cq, take};
use qpair::ndk::{Adapter, Cq, CqNotify, Data, Mr, OpFlags, Pd, Qp, QpDescription, Srq, Status};

const NONE: OpFlags = OpFlags::NONE;

struct Served {
    pd: Pd,
    srq: Srq,
    mr: Mr,
    /// Where the servers complete, and where the clients do.
    cqs: [Cq; 2],
    adapter: Adapter,
}

impl Served {
    fn new(test: &str) -> Self {
        let adapter = adapter(test);
        let pd = adapter.create_pd().wait().unwrap();
        let (srq, mr) = (pd.create_srq(4, 2).wait().unwrap(), pd.register(vec![0; 256], ALL).wait().unwrap());
        let cqs = [cq(&adapter, 32), cq(&adapter, 32)];
        Self { pd, srq, mr, cqs, adapter }
    }

    /// A server with that context and a client of it.
    fn connection(&self, context: u64) -> (Qp, Qp, crate::world::Connection) {
        let server = QpDescription::new(&self.cqs[0]).srq(&self.srq).context(context);
        let server = self.pd.create_qp(server).wait().unwrap();
        let client = QpDescription::new(&self.cqs[1]).inline_size(64).receiver_not_ready(None);
        let client = self.pd.create_qp(client).wait().unwrap();
        let connection = connect(&self.adapter, &client, &server);
        (client, server, connection)
    }

    fn receive(&self, context: u64) {
        let at = context as usize * 16;
        self.srq.receive(context, &[self.mr.sge(at..at + 16).unwrap()]).unwrap();
    }

    /// Queue pair's and request's context, and status.
    fn served(&self, count: usize) -> Vec<(u64, u64, Status)> {
        take(&self.cqs[0], count).iter().map(|c| (c.qp_context, c.request_context, c.status)).collect()
    }
}

/// SRQ-1, Q-30: over the limits, or no receive at all.
#[test]
fn srq_1_limits_are_judged() {
    let adapter = adapter("srq_1");
    let (pd, info) = (adapter.create_pd().wait().unwrap(), adapter.info().clone());
    for (depth, entries, argument) in [
        (0, 1, "SrqDepth"),
        (info.max_srq_depth + 1, 1, "SrqDepth"),
        (1, info.max_receive_request_sge + 1, "MaxReceiveRequestSge"),
    ] {
        let error = pd.create_srq(depth, entries).wait().unwrap_err();
        assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some(argument)));
        assert!(error.got().is_some() && error.limit().is_some());
    }
}

/// SRQ-2, SRQ-10: posted before anybody is connected; completes with the context of who took it.
#[test]
fn srq_2_completes_where_it_was_taken() {
    let served = Served::new("srq_2");
    (0..2).for_each(|context| served.receive(context));
    let (one, two) = (served.connection(11), served.connection(22));
    two.0.send(0, Data::Inline(&[b"of two"]), NONE).unwrap();
    one.0.send(0, Data::Inline(&[b"of one"]), NONE).unwrap();
    assert_eq!(served.served(2), [(22, 0, Status::SUCCESS), (11, 1, Status::SUCCESS)]);
    let mut bytes = [0; 6];
    served.mr.read(16, &mut bytes).unwrap();
    assert_eq!((&bytes, served.srq.len()), (b"of one", 0));
}

/// A sender that finds the queue empty goes on when a receive is posted.
#[test]
fn srq_a_post_wakes_who_waits() {
    let served = Served::new("srq_wakes");
    let (one, two) = (served.connection(1), served.connection(2));
    one.0.send(0, Data::NONE, NONE).unwrap();
    two.0.send(0, Data::NONE, NONE).unwrap();
    assert!(served.cqs[0].is_empty());
    (0..2).for_each(|context| served.receive(context));
    let mut done = served.served(2);
    done.sort_unstable_by_key(|(qp, ..)| *qp);
    assert_eq!(done.map_contexts(), [1, 2]);
}

trait Contexts {
    fn map_contexts(&self) -> Vec<u64>;
}

impl Contexts for Vec<(u64, u64, Status)> {
    fn map_contexts(&self) -> Vec<u64> {
        assert!(self.iter().all(|(.., status)| *status == Status::SUCCESS));
        self.iter().map(|(qp, ..)| *qp).collect()
    }
}

/// SRQ-9: a full queue, and too many entries.
#[test]
fn srq_9_a_full_queue_refuses() {
    let served = Served::new("srq_9");
    (0..4).for_each(|context| served.receive(context));
    let error = served.srq.receive(4, &[]).unwrap_err();
    assert_eq!((error.status(), error.limit()), (Status::NO_MORE_ENTRIES, Some(4)));
    let error = served.srq.receive(4, &[served.mr.sge(0..1).unwrap(); 3]).unwrap_err();
    assert_eq!((error.status(), error.got(), error.limit()), (Status::DATA_OVERRUN, Some(3), Some(2)));
}

/// SRQ-12, FLUSH-22, Q-15: flush and failure of one queue pair leave queue and other queue pairs working.
#[test]
fn srq_12_one_queue_pair_fails_the_others_go_on() {
    let served = Served::new("srq_12");
    let (one, two) = (served.connection(1), served.connection(2));
    (0..3).for_each(|context| served.receive(context));
    one.1.flush();
    assert!(served.cqs[0].is_empty());
    assert_eq!(served.srq.len(), 3);
    one.0.send(0, Data::Inline(&[&[0; 17]]), NONE).unwrap();
    assert_eq!(served.served(1), [(1, 0, Status::BUFFER_OVERFLOW)]);
    two.0.send(0, Data::NONE, NONE).unwrap();
    assert_eq!(served.served(1), [(2, 1, Status::SUCCESS)]);
    assert_eq!(served.srq.len(), 1);
}

/// a queue pair with a shared receive queue takes no receives of its own.
#[test]
fn srq_q14_receives_go_to_the_shared_queue() {
    let served = Served::new("srq_q14");
    let description = QpDescription::new(&served.cqs[0]).srq(&served.srq);
    let qp = served.pd.create_qp(description).wait().unwrap();
    assert_eq!(qp.receive(1, &[]).unwrap_err().status(), Status::INVALID_DEVICE_REQUEST);
    let description = QpDescription::new(&served.cqs[0]).srq(&served.srq).receive_depth(4);
    let error = served.pd.create_qp(description).wait().unwrap_err();
    assert_eq!(
        (error.status(), error.argument()),
        (Status::INVALID_PARAMETER_MIX, Some("ReceiveQueueDepth"))
    );
    let other = served.adapter.create_pd().wait().unwrap();
    let error = other.create_qp(QpDescription::new(&served.cqs[0]).srq(&served.srq)).wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Srq")));
}

/// CLOSE-3, Q-15: its close pends until no queue pair uses it; receives vanish without completions.
#[test]
fn srq_close_pends_while_it_is_used() {
    let adapter = adapter("srq_close");
    let pd = adapter.create_pd().wait().unwrap();
    let cq = adapter.create_cq(4, CqNotify::None).wait().unwrap();
    let srq = pd.create_srq(4, 1).wait().unwrap();
    srq.receive(1, &[]).unwrap();
    let qp = pd.create_qp(QpDescription::new(&cq).srq(&srq)).wait().unwrap();
    let closing = srq.close().now().unwrap_err();
    qp.close().wait().unwrap();
    closing.wait().unwrap();
    assert!(cq.is_empty());
}
