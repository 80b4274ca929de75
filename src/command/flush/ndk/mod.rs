//! What NDK's flush promises, step by step, and whether it is so: what is pending is cancelled.
//!
//! A and B are connected. A gets requests of every kind that can be pending, is flushed, and is polled; then
//! each sends to the other. Where there are packets, what was under way may have reached the peer, so the
//! flush ends the connection: there what A posts later is to be cancelled too. [`story`] holds what is
//! posted and what must come of it; [`report`] judges and tells it.
//!
//! May come in: other promises of this flush. Not here: the flush of other systems, which completes in place
//! of cancelling; they are told as a [`Tale`](super::tale::Tale).

mod report;
mod story;

use crate::command::clock::{self, Duration};
use crate::command::world::{End, Link, Shape};
use anyhow::{Context, ensure};
use qpair::ndk::{Adapter, Completion, OpFlags, RdmaTechnology};
pub use report::Report;
use report::{After, Later};
use story::{Act, STORY, Step};

/// Bytes of each message buffer: the longer of these texts.
const SIZE: usize = BEFORE.len();
const BEFORE: &str = "posted before the flush";
const AFTER: &str = "posted after the flush";
/// How long a completion may take that is promised.
const LIMIT: Duration = Duration::from_secs(10);

/// Shows it on the adapter of that name.
pub fn run(device: &str) -> anyhow::Result<Report> {
    let adapter = Adapter::open(device)?;
    let report = observe(&adapter)?;
    adapter.close()?;
    Ok(report)
}

fn observe(adapter: &Adapter) -> anyhow::Result<Report> {
    let requests = STORY.len() as u32 + 1; // one more afterwards
    let shape = Shape { memory_bytes: 2 * SIZE, receives: requests, initiators: requests };
    let (a, b) = (End::new(adapter, shape)?, End::new(adapter, shape)?);
    let link = Link::connect(adapter, &a, &b)?;

    receive(&b, 0).context("B's receive")?;
    a.region.write(OUTGOING, BEFORE.as_bytes())?;
    for step in STORY {
        post(&a, &link, step).with_context(|| format!("A's {step}"))?;
    }
    one(&b).context("B's receive of what was sent before the flush")?;

    let pending_before = settled(&a);
    let before = clock::now();
    a.qp.flush();
    let took = clock::since(before);
    let completions = drain(&a)?;
    let pending_after = pending(&a);

    let after = if adapter.info().rdma_technology == RdmaTechnology::Undefined {
        let later = vec![pass(("A", &a), ("B", &b))?, pass(("B", &b), ("A", &a))?];
        link.part()?;
        After::Lives(later)
    } else {
        After::Cancelled(cancelled(&a)?)
    };
    Ok(Report::new(pending_before, took, &completions, pending_after, after))
}

/// Where messages lie in the region of an end: first the one that it sends, then the one that it takes.
const OUTGOING: usize = 0;
const INCOMING: usize = SIZE;

fn receive(end: &End, context: u64) -> anyhow::Result<()> {
    Ok(end.qp.receive(context, &[end.region.sge(INCOMING..INCOMING + SIZE)?])?)
}

fn post(a: &End, link: &Link, step: &Step) -> anyhow::Result<()> {
    let data = a.region.sge(OUTGOING..OUTGOING + SIZE)?;
    let place = link.passive_memory.plus(OUTGOING as u64);
    let (n, flags) = (step.number, step.flags);
    match step.act {
        Act::Receive => receive(a, n)?,
        Act::Send => a.qp.send(n, &data, flags)?,
        Act::Write => a.qp.write(n, &data, place, flags)?,
        Act::Read => a.qp.read(n, &[data], place, flags)?,
    }
    Ok(())
}

/// Requests posted and not completed.
fn pending(end: &End) -> u64 {
    let counters = end.qp.counters();
    counters.receives_pending + counters.initiator_requests_pending
}

/// The same when what A has sent and B has received is known to be done, for which an acknowledgement is on
/// its way where there are packets.
fn settled(a: &End) -> u64 {
    let (begin, due) = (clock::now(), story::pending());
    while pending(a) > due && clock::since(begin) < LIMIT {
        std::thread::yield_now();
    }
    pending(a)
}

/// Polls until as much has completed as was posted, and once more for what should not be there.
fn drain(a: &End) -> anyhow::Result<Vec<Completion>> {
    let mut completions = Vec::new();
    let mut batch = [Completion::default(); STORY.len()];
    while completions.len() < STORY.len() {
        match a.cq.wait(&mut batch, Some(LIMIT))? {
            0 => return Ok(completions), // the report says what is missing
            count => completions.extend_from_slice(&batch[..count]),
        }
    }
    let surplus = a.cq.poll(&mut batch);
    completions.extend_from_slice(&batch[..surplus]);
    Ok(completions)
}

/// The next completion.
fn one(end: &End) -> anyhow::Result<Completion> {
    let mut completion = [Completion::default()];
    let count = end.cq.wait(&mut completion, Some(LIMIT))?;
    ensure!(count == 1, "no completion within {LIMIT:?}");
    Ok(completion[0])
}

/// What comes of a receive and a send of A that are posted after the flush.
fn cancelled(a: &End) -> anyhow::Result<Vec<Completion>> {
    let next = STORY.len() as u64;
    receive(a, next)?;
    a.qp.send(next, &a.region.sge(OUTGOING..OUTGOING + SIZE)?, OpFlags::NONE)?;
    Ok(vec![one(a).context("A's receive or send after the flush")?, one(a).context("the other of them")?])
}

/// A message that is posted after the flush.
fn pass((sender, from): (&'static str, &End), (taker, to): (&'static str, &End)) -> anyhow::Result<Later> {
    let length = AFTER.len();
    from.region.write(OUTGOING, AFTER.as_bytes())?;
    to.region.write(INCOMING, &[0; SIZE])?;
    receive(to, 0)?;
    from.qp.send(0, &from.region.sge(OUTGOING..OUTGOING + length)?, OpFlags::NONE)?;
    let sent = one(from).with_context(|| format!("{sender}'s send after the flush"))?;
    let received = one(to).with_context(|| format!("{taker}'s receive after the flush"))?;
    let mut bytes = vec![0; received.bytes_transferred as usize];
    to.region.read(INCOMING, &mut bytes)?;
    Ok(Later::new(sender, taker, &sent, &received, &String::from_utf8_lossy(&bytes)))
}
