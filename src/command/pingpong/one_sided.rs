//! Read and compare-and-swap: one end drives, the other is memory.

use super::driver::Player;
use super::pattern::{Pattern, Way, zeroes};
use super::plan::Plan;
use crate::command::world::{End, Shape};
use anyhow::{Context, ensure};
use qpair::ndk::ext::QpExt;
use qpair::ndk::{Completion, Cq, OpFlags, OperationType, RemoteAddress};

/// What either end needs: a slot for each operation under way.
pub fn shape(plan: &Plan) -> Shape {
    Shape { memory_bytes: plan.window * plan.size, receives: 0, initiators: plan.window as u32 }
}

/// Counts completions of `cq` as they are due; says how many there were.
fn take(cq: &Cq, done: &mut u64, size: usize) -> anyhow::Result<u64> {
    let mut completions = [Completion::default(); 32];
    let count = cq.poll(&mut completions);
    for completion in &completions[..count] {
        let (kind, n, bytes) = (completion.kind, completion.request_context, completion.bytes_transferred);
        ensure!(completion.status.is_success(), "{kind:?} {n} ended with {}", completion.status);
        ensure!(kind == OperationType::Read, "a read completed as {kind:?}");
        ensure!(bytes as usize == size, "{kind:?} {n} took {bytes} bytes, not {size}");
        ensure!(n == *done, "{kind:?} {n} completed when it was the turn of {done}");
        *done += 1;
    }
    Ok(count as u64)
}

/// Reads the peer's memory, which changes before each read.
pub struct Reads<'a> {
    end: &'a End,
    passive: &'a End,
    memory: RemoteAddress,
    pattern: &'a Pattern,
    plan: Plan,
    prepared: u64,
    posted: u64,
    done: u64,
    checked: u64,
    scratch: Vec<u8>,
}

impl<'a> Reads<'a> {
    /// Reads of `passive`, whose memory `end` knows by that address.
    pub fn new(
        end: &'a End,
        passive: &'a End,
        memory: RemoteAddress,
        pattern: &'a Pattern,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let scratch = zeroes(plan.size)?;
        let (prepared, posted, done, checked) = (0, 0, 0, 0);
        Ok(Self { end, passive, memory, pattern, plan, prepared, posted, done, checked, scratch })
    }

    fn offset(&self, n: u64) -> usize {
        (n % self.plan.window as u64) as usize * self.plan.size
    }
}

impl Player for Reads<'_> {
    fn may_post(&self) -> bool {
        true // a slot is free when its read is done, and the window waits for that
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        let n = self.prepared;
        self.passive.region.write(self.offset(n), self.pattern.message(Way::Pong, n))?;
        self.prepared += 1;
        Ok(())
    }

    fn post(&mut self) -> anyhow::Result<()> {
        let (n, offset) = (self.posted, self.offset(self.posted));
        let sink = self.end.region.sge(offset..offset + self.plan.size)?;
        let source = self.memory.plus(offset as u64);
        self.end.qp.read(n, &[sink], source, OpFlags::NONE).with_context(|| format!("posting read {n}"))?;
        self.posted += 1;
        Ok(())
    }

    fn poll(&mut self) -> anyhow::Result<u64> {
        take(&self.end.cq, &mut self.done, self.plan.size)
    }

    fn check(&mut self) -> anyhow::Result<()> {
        let n = self.checked;
        self.end.region.read(self.offset(n), &mut self.scratch)?;
        self.pattern.check(Way::Pong, n, &self.scratch)?;
        self.checked += 1;
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.done == self.posted
    }
}

/// Counts a number of the peer up, each time from where it should stand.
pub struct Swaps<'a> {
    end: &'a End,
    passive: &'a End,
    counter: RemoteAddress,
    plan: Plan,
    posted: u64,
    done: u64,
    checked: u64,
}

impl<'a> Swaps<'a> {
    /// Swaps the first word of `passive`, which `end` knows by that address.
    pub fn new(end: &'a End, passive: &'a End, counter: RemoteAddress, plan: Plan) -> Self {
        Self { end, passive, counter, plan, posted: 0, done: 0, checked: 0 }
    }

    fn offset(&self, n: u64) -> usize {
        (n % self.plan.window as u64) as usize * self.plan.size
    }
}

impl Player for Swaps<'_> {
    fn may_post(&self) -> bool {
        true // as of reads
    }

    /// Leaves in the slot what the swap cannot find, so that its answer is seen to arrive.
    fn prepare(&mut self) -> anyhow::Result<()> {
        Ok(self.end.region.store_u64(self.offset(self.posted), u64::MAX)?)
    }

    fn post(&mut self) -> anyhow::Result<()> {
        let (n, offset) = (self.posted, self.offset(self.posted));
        let old = self.end.region.sge(offset..offset + self.plan.size)?;
        let posted = self.end.qp.compare_and_swap(n, old, self.counter, n, n + 1, OpFlags::NONE);
        posted.with_context(|| format!("posting compare and swap {n}"))?;
        self.posted += 1;
        Ok(())
    }

    fn poll(&mut self) -> anyhow::Result<u64> {
        take(&self.end.cq, &mut self.done, self.plan.size)
    }

    fn check(&mut self) -> anyhow::Result<()> {
        let n = self.checked;
        let old = self.end.region.load_u64(self.offset(n))?;
        ensure!(old == n, "compare and swap {n} found {old} at the peer, not {n}");
        self.checked += 1;
        if self.checked == self.plan.total() {
            let counter = self.passive.region.load_u64(0)?;
            ensure!(counter == self.checked, "the peer's counter stands at {counter}, not {}", self.checked);
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.done == self.posted
    }
}
