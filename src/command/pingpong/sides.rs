//! Send and write: two ends that answer each other.
//!
//! Message `n` of either way lies in slot `n` modulo the slots of its end. The end that begins has as many
//! slots as the window is wide, for what it sends and again for what arrives; the answering end has twice as
//! many of each, so that it can answer first and look at the bytes afterwards, while the next messages
//! arrive.

use super::driver::Player;
use super::pattern::{Pattern, Way, zeroes};
use super::plan::{Operation, Plan};
use crate::command::world::{End, Shape};
use anyhow::{Context, ensure};
use qpair::ndk::{Completion, OpFlags, OperationType, RemoteAddress, Sge};

/// Completions taken at once.
const BATCH: usize = 32;

/// Slots for the messages of one direction, at the end whose own messages go that way.
fn slots(plan: &Plan, way: Way) -> usize {
    match way {
        Way::Ping => plan.window,
        Way::Pong => 2 * plan.window,
    }
}

/// What the end needs whose messages go that way.
pub fn shape(plan: &Plan, way: Way) -> Shape {
    let slots = slots(plan, way);
    Shape { memory_bytes: 2 * slots * plan.size, receives: slots as u32, initiators: slots as u32 }
}

/// One end: what it sends, and what it takes.
pub struct Side<'a> {
    end: &'a End,
    pattern: &'a Pattern,
    plan: Plan,
    /// Which way the messages of this end go.
    way: Way,
    slots: u64,
    /// Where the other end's slots for what arrives begin, and how many it has.
    peer: (RemoteAddress, u64),
    /// How many messages were made, posted and completed.
    made: u64,
    posted: u64,
    sent: u64,
    /// How many messages of the other end arrived and were checked.
    arrived: u64,
    checked: u64,
    scratch: Vec<u8>,
}

impl<'a> Side<'a> {
    /// The end whose messages go that way, with its receives posted; `peer` is the other end's memory.
    pub fn new(
        end: &'a End,
        peer: RemoteAddress,
        pattern: &'a Pattern,
        plan: Plan,
        way: Way,
    ) -> anyhow::Result<Self> {
        let (slots, peer_slots) = (slots(&plan, way) as u64, slots(&plan, way.back()) as u64);
        let peer = (peer.plus(peer_slots * plan.size as u64), peer_slots);
        let (made, posted, sent, arrived, checked) = (0, 0, 0, 0, 0);
        let scratch = zeroes(plan.size)?;
        let side =
            Self { end, pattern, plan, way, slots, peer, made, posted, sent, arrived, checked, scratch };
        if plan.operation == Operation::Send {
            (0..slots).try_for_each(|n| side.receive(n))?;
        }
        Ok(side)
    }

    fn outgoing(&self, n: u64) -> usize {
        (n % self.slots) as usize * self.plan.size
    }

    fn incoming(&self, n: u64) -> usize {
        (self.slots + n % self.slots) as usize * self.plan.size
    }

    fn sge(&self, offset: usize) -> anyhow::Result<Sge> {
        Ok(self.end.region.sge(offset..offset + self.plan.size)?)
    }

    /// Posts the receive for message `n` of the other end.
    fn receive(&self, n: u64) -> anyhow::Result<()> {
        Ok(self.end.qp.receive(n, &[self.sge(self.incoming(n))?])?)
    }

    /// The slot of message `n` is free: what it held has completed.
    fn may_make(&self, n: u64) -> bool {
        n < self.sent + self.slots
    }

    /// Writes the next message into its slot.
    fn make_next(&mut self) -> anyhow::Result<()> {
        let message = self.pattern.message(self.way, self.made);
        self.end.region.write(self.outgoing(self.made), message)?;
        self.made += 1;
        Ok(())
    }

    /// Posts the next message.
    fn post_next(&mut self) -> anyhow::Result<()> {
        let (n, (peer, peer_slots)) = (self.posted, self.peer);
        let data = self.sge(self.outgoing(n))?;
        let posted = match self.plan.operation {
            Operation::Send => self.end.qp.send(n, &data, OpFlags::NONE),
            _ => {
                let place = peer.plus(n % peer_slots * self.plan.size as u64);
                self.end.qp.write(n, &data, place, OpFlags::NONE)
            }
        };
        posted.with_context(|| format!("posting {:?} {n}", self.way))?;
        self.posted += 1;
        Ok(())
    }

    /// Sees what has happened, in the completion queue and in memory; true: something had.
    fn look(&mut self) -> anyhow::Result<bool> {
        let before = (self.arrived, self.sent);
        let mut completions = [Completion::default(); BATCH];
        let count = self.end.cq.poll(&mut completions);
        completions[..count].iter().try_for_each(|completion| self.account(completion))?;
        if self.plan.operation == Operation::Write {
            while self.arrived < self.checked + self.slots && self.has_arrived(self.arrived)? {
                self.arrived += 1;
            }
        }
        Ok((self.arrived, self.sent) != before)
    }

    fn account(&mut self, completion: &Completion) -> anyhow::Result<()> {
        let (kind, n, bytes) = (completion.kind, completion.request_context, completion.bytes_transferred);
        ensure!(completion.status.is_success(), "{kind:?} {n} ended with {}", completion.status);
        ensure!(bytes as usize == self.plan.size, "{kind:?} {n} took {bytes} bytes, not {}", self.plan.size);
        let due = if kind == OperationType::Receive { &mut self.arrived } else { &mut self.sent };
        ensure!(n == *due, "{kind:?} {n} completed when it was the turn of {due}");
        *due += 1;
        Ok(())
    }

    /// The last byte is no longer that of the message that lay there before.
    ///
    /// A wrong byte counts as an arrival too: the check will tell.
    fn has_arrived(&self, n: u64) -> anyhow::Result<bool> {
        let last = self.end.region.load_u8(self.incoming(n) + self.plan.size - 1)?;
        let before = n.checked_sub(self.slots).map_or(0, |n| self.pattern.last(self.way.back(), n));
        Ok(last != before)
    }

    /// Compares the next message that arrived with what was sent, and gives its slot to a later one.
    fn check_next(&mut self) -> anyhow::Result<()> {
        let n = self.checked;
        self.end.region.read(self.incoming(n), &mut self.scratch)?;
        self.pattern.check(self.way.back(), n, &self.scratch)?;
        self.checked += 1;
        if self.plan.operation == Operation::Send && n + self.slots < self.plan.total() {
            self.receive(n + self.slots)?;
        }
        Ok(())
    }
}

/// The end that begins.
impl Player for Side<'_> {
    fn may_post(&self) -> bool {
        self.may_make(self.posted)
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        self.make_next()
    }

    fn post(&mut self) -> anyhow::Result<()> {
        self.post_next()
    }

    fn poll(&mut self) -> anyhow::Result<u64> {
        let before = self.arrived;
        self.look()?;
        Ok(self.arrived - before)
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.check_next()
    }

    fn is_quiet(&self) -> bool {
        self.sent == self.posted
    }
}

/// The end that answers.
pub struct Answering<'a>(pub Side<'a>);

impl Answering<'_> {
    /// Answers what has arrived, and does nothing else meanwhile; true: something had happened.
    pub fn answer(&mut self) -> anyhow::Result<bool> {
        let side = &mut self.0;
        let moved = side.look()?;
        while side.posted < side.arrived {
            if side.posted == side.made {
                if !side.may_make(side.made) {
                    break; // its slot is not free yet
                }
                side.make_next()?;
            }
            side.post_next()?;
        }
        Ok(moved)
    }

    /// Checks what was answered, and makes answers in advance.
    pub fn care(&mut self) -> anyhow::Result<()> {
        let side = &mut self.0;
        while side.checked < side.posted {
            side.check_next()?;
        }
        while side.made < side.plan.total() && side.may_make(side.made) {
            side.make_next()?;
        }
        Ok(())
    }

    /// Everything was answered, and everything that arrived was compared.
    pub fn is_done(&self) -> bool {
        self.0.sent == self.0.plan.total() && self.0.checked == self.0.plan.total()
    }
}
