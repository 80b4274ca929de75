//! NDK's flush: everything pending is cancelled, once and in order; what is posted later lives.

mod connect;

use connect::connect;
use qpair::ndk::{Completion, CqNotify, Data, OpFlags, QpDescription, RdmaTechnology, Status};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = connect::open()?;
    let pd = adapter.create_pd().wait()?;
    let cq = adapter.create_cq(32, CqNotify::Waiters).wait()?;
    let other_cq = adapter.create_cq(32, CqNotify::None).wait()?;
    let qp = pd.create_qp(QpDescription::new(&cq)).wait()?;
    let peer = pd.create_qp(QpDescription::new(&other_cq)).wait()?;
    let _connectors = connect(&adapter, &qp, &peer)?;

    // Three receives for which nothing arrives, and three sends for which the peer has no receive.
    for context in 0..3 {
        qp.receive(context, &[])?;
        qp.send(100 + context, Data::NONE, OpFlags::NONE)?;
    }
    assert!(cq.is_empty());
    qp.flush();

    // The call only starts it: draining the completion queue tells when it is done.
    let (mut receives, mut sends) = (Vec::new(), Vec::new());
    while receives.len() + sends.len() < 6 {
        let mut completions = [Completion::default(); 8];
        let count = cq.wait(&mut completions, None)?;
        for completion in &completions[..count] {
            println!("{:?} {}: {}", completion.kind, completion.request_context, completion.status);
            assert_eq!(completion.status, Status::CANCELLED);
            let queue = if completion.request_context < 100 { &mut receives } else { &mut sends };
            queue.push(completion.request_context);
        }
    }
    assert_eq!((receives, sends), (vec![0, 1, 2], vec![100, 101, 102]));

    // A device with packets can only cancel by ending the connection; within a process it is not touched.
    if adapter.info().rdma_technology != RdmaTechnology::Undefined {
        return Ok(());
    }
    peer.receive(1, &[])?;
    qp.send(200, Data::NONE, OpFlags::NONE)?;
    let mut completion = [Completion::default()];
    cq.wait(&mut completion, None)?;
    assert_eq!((completion[0].request_context, completion[0].status), (200, Status::SUCCESS));
    println!("and a send after the flush: {}", completion[0].status);
    Ok(())
}
