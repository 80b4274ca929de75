//! A counter in one side's memory, counted up by several clients at once with remote atomics.

mod connect;

use connect::connect;
use qpair::ndk::ext::{self, QpExt};
use qpair::ndk::{Adapter, Completion, CqNotify, Memory, Mr, MrFlags, OpFlags, Pd, QpDescription, Status};
use std::error::Error;
use std::thread;

const EACH: u64 = 5_000;
const CLIENTS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = connect::open()?;
    let pd = adapter.create_pd().wait()?;
    // Zeroed memory is aligned; a vector of bytes need not be, and atomics work on aligned numbers.
    let counter = pd.register(Memory::zeroed(8)?, ext::ALLOW_REMOTE_ATOMIC).wait()?;
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| count(&adapter, &pd, &counter).expect("the client counts to its end"));
        }
    });
    let counted = counter.load_u64(0)?;
    assert_eq!(counted, EACH * CLIENTS as u64);
    println!("{CLIENTS} clients added 1 to it {EACH} times each: the counter stands at {counted}");
    Ok(())
}

/// One client, with a connection of its own.
fn count(adapter: &Adapter, pd: &Pd, counter: &Mr) -> Result<(), Box<dyn Error>> {
    let cq = adapter.create_cq(16, CqNotify::Waiters).wait()?;
    let client = pd.create_qp(QpDescription::new(&cq)).wait()?;
    let server = pd.create_qp(QpDescription::new(&cq)).wait()?;
    let _connectors = connect(adapter, &client, &server)?;
    let old = pd.register(Memory::zeroed(8)?, MrFlags::ALLOW_LOCAL_WRITE).wait()?;
    let mut before = None;
    for context in 0..EACH {
        client.fetch_and_add(context, old.sge(0..8)?, counter.remote(0)?, 1, OpFlags::NONE)?;
        let mut completion = [Completion::default()];
        cq.wait(&mut completion, None)?;
        assert_eq!(completion[0].status, Status::SUCCESS);
        let found = Some(old.load_u64(0)?);
        assert!(found > before, "a counter only grows");
        before = found;
    }
    Ok(())
}
