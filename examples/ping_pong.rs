//! Two threads send a message to and fro: connect, post, wait.
//!
//! `--device NAME` names another adapter than `local`: `cargo run --features rdma-core --example ping_pong --
//! --device rxe0`.

use qpair::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, MrFlags, OnDisconnect, OpFlags, Pd, Qp, QpDescription,
    ReadLimits, Status,
};
use std::error::Error;
use std::sync::mpsc;
use std::thread;

const ROUNDS: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let device = std::env::args().skip_while(|argument| argument != "--device").nth(1);
    let adapter = Adapter::open(device.as_deref().unwrap_or("local"))?;
    let pd = adapter.create_pd().wait()?;
    let cqs =
        [adapter.create_cq(16, CqNotify::Waiters).wait()?, adapter.create_cq(16, CqNotify::Waiters).wait()?];
    let qps = [
        pd.create_qp(QpDescription::new(&cqs[0]).inline_size(8)).wait()?,
        pd.create_qp(QpDescription::new(&cqs[1]).inline_size(8)).wait()?,
    ];
    let _connectors = connect(&adapter, &qps[0], &qps[1])?;
    let heard = thread::scope(|scope| {
        let pong = scope.spawn(|| play(&pd, &qps[1], &cqs[1], false).expect("pong plays to the end"));
        let ping = play(&pd, &qps[0], &cqs[0], true).expect("ping plays to the end");
        (ping, pong.join().expect("pong does not panic"))
    });
    assert_eq!(heard, (ROUNDS, ROUNDS));
    println!("{ROUNDS} messages went there and came back");
    Ok(())
}

/// Plays one side; the last number it heard.
fn play(pd: &Pd, qp: &Qp, cq: &Cq, begins: bool) -> Result<u64, Box<dyn Error>> {
    let mr = pd.register(vec![0; 8], MrFlags::ALLOW_LOCAL_WRITE).wait()?;
    let buffer = [mr.sge(0..8)?];
    let mut heard = [0; 8];
    qp.receive(0, &buffer)?;
    for round in 1..=ROUNDS {
        if begins {
            qp.send(round, &[&round.to_le_bytes()[..]], OpFlags::SILENT_SUCCESS)?;
        }
        let mut completion = [Completion::default()];
        cq.wait(&mut completion, None)?;
        assert_eq!(completion[0].status, Status::SUCCESS);
        mr.read(0, &mut heard)?;
        assert_eq!(u64::from_le_bytes(heard), round);
        // The next receive before the answer, so that the peer always finds one.
        qp.receive(round, &buffer)?;
        if !begins {
            qp.send(round, &[&heard[..]], OpFlags::SILENT_SUCCESS)?;
        }
    }
    Ok(u64::from_le_bytes(heard))
}

/// Connects two queue pairs of one adapter: three legs, the active side drives the third.
fn connect(adapter: &Adapter, active: &Qp, passive: &Qp) -> Result<(Connector, Connector), Box<dyn Error>> {
    let (arrived, arrivals) = mpsc::channel();
    let listener = adapter
        .create_listener(move |connector| arrived.send(connector).expect("the caller waits for it"))
        .wait()?;
    listener.listen(adapter.addresses()[0]).wait()?;
    let limits = ReadLimits { inbound: 1, outbound: 1 };
    let from = adapter.create_connector().wait()?;
    let asked = from.connect(active, adapter.addresses()[0], listener.local_address()?, limits, b"");
    let to = arrivals.recv()?;
    let accepted = to.accept(passive, limits, b"", OnDisconnect::ignore());
    asked.wait()?;
    from.complete_connect(OnDisconnect::ignore()).wait()?;
    accepted.wait()?;
    Ok((from, to))
}
