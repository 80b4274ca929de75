//! What the models share: a queue with an engine that keeps a journal, witnesses, a second thread.
//!
//! The journal and other bookkeeping use std's mutex, which loom does not see: it orders nothing in a model.

use loom::cell::UnsafeCell;
use qpair::ring::{End, Engine, HeldQueue, Pass, Payload, Post, Posted, Step, WorkQueue};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use loom::thread::yield_now;
pub use std::sync::Arc;

/// Plain memory of no size: two accesses that nothing orders are a race, which loom reports.
#[derive(Debug)]
pub struct Witness(UnsafeCell<()>);

// SAFETY: the cell is never dereferenced; loom only keeps the causality of its accesses.
unsafe impl Sync for Witness {}
// SAFETY: as above.
unsafe impl Send for Witness {}

impl Witness {
    pub fn new() -> Self {
        Self(UnsafeCell::new(()))
    }

    pub fn read(&self) {
        self.0.with(|_| ());
    }

    pub fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

/// A value that loom does not watch.
#[derive(Debug, Default)]
pub struct Unwatched<T>(Mutex<T>);

impl<T> Unwatched<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Never waits: no model switches threads while it holds the guard.
    pub fn get(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `body` on another thread of the model.
pub fn spawn<W: Send + Sync + 'static>(
    world: &Arc<W>,
    body: impl FnOnce(&W) + Send + 'static,
) -> loom::thread::JoinHandle<()> {
    let world = Arc::clone(world);
    loom::thread::spawn(move || body(&world))
}

pub fn join<const N: usize>(threads: [loom::thread::JoinHandle<()>; N]) {
    for thread in threads {
        thread.join().expect("the thread of a model returns");
    }
}

/// How a request ended, as the journal has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Done,
    /// Completed in flight or behind one in flight; the result lay in the payload.
    Finished,
    Cancelled,
}

/// The request with this bit goes in flight and is ended by `finish`.
pub const ASYNC: u64 = 1 << 32;
/// The request with this bit is followed by another of its chain.
pub const MORE: u64 = 1 << 33;
/// Written into a payload by who finishes a request.
pub const RESULT: u64 = 0x0f0f;

/// A payload that shows whether it was torn.
pub fn fill(payload: &mut Payload, tag: u64) {
    for (index, word) in (0..).zip(payload.iter_mut()) {
        *word = tag ^ (index << 40);
    }
}

/// The tag of a payload, which must be whole.
pub fn tag(payload: &Payload) -> u64 {
    let tag = payload[0];
    for (index, word) in (0..).zip(payload) {
        assert_eq!(*word, tag ^ (index << 40), "a torn payload");
    }
    tag
}

pub fn payload(tag: u64) -> Payload {
    let mut payload = Payload::default();
    fill(&mut payload, tag);
    payload
}

/// A journal that only one thread at a time may write, each after the last.
#[derive(Debug)]
pub struct Journal {
    witness: Witness,
    entries: Unwatched<Vec<(u64, How)>>,
}

impl Journal {
    pub fn new() -> Self {
        Self { witness: Witness::new(), entries: Unwatched::default() }
    }

    pub fn add(&self, entries: &mut Vec<(u64, How)>) {
        self.witness.write();
        self.entries.get().append(entries);
    }

    pub fn entries(&self) -> Vec<(u64, How)> {
        self.witness.read();
        self.entries.get().clone()
    }

    pub fn tags(&self) -> Vec<u64> {
        self.entries().into_iter().map(|(tag, _)| tag).collect()
    }

    /// How `tag` ended; it must have done so exactly once.
    pub fn end_of(&self, tag: u64) -> How {
        let ends: Vec<How> = self.entries().into_iter().filter(|(t, _)| *t == tag).map(|(_, h)| h).collect();
        assert_eq!(ends.len(), 1, "request {tag} completes exactly once: {:?}", self.entries());
        ends[0]
    }

    /// Each of `tags` completed once, nothing else did, and those of one hundred are in order.
    pub fn assert_all(&self, tags: &[u64]) {
        let seen = self.tags();
        let (mut sorted, mut expected) = (seen.clone(), tags.to_vec());
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "each exactly once: {seen:?}");
        for (earlier, later) in
            seen.iter().enumerate().flat_map(|(i, t)| seen[i + 1..].iter().map(move |l| (t, l)))
        {
            let (earlier, later) = (earlier & 0xffff, later & 0xffff);
            assert!(earlier / 100 != later / 100 || earlier < later, "posting order: {seen:?}");
        }
    }
}

/// A work queue whose engine keeps a journal.
pub struct Queue {
    pub ring: WorkQueue,
    pub journal: Journal,
    pub hooks: Hooks,
    accepted: Unwatched<Vec<u64>>,
}

/// Told what a pass is about to publish.
pub type OnPublish = Box<dyn Fn(&[(u64, How)]) + Send + Sync>;

/// What a model adds to the engine; called in the role.
#[derive(Default)]
pub struct Hooks {
    pub execute: Option<Box<dyn Fn(u64) + Send + Sync>>,
    pub launched: Option<Box<dyn Fn(u64) + Send + Sync>>,
    pub publish: Option<OnPublish>,
    pub cancelled: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Queue {
    pub fn new(depth: u32) -> Self {
        Self::with(depth, Hooks::default())
    }

    pub fn with(depth: u32, hooks: Hooks) -> Self {
        Self {
            ring: WorkQueue::new(depth, 1, false),
            journal: Journal::new(),
            hooks,
            accepted: Unwatched::default(),
        }
    }

    /// Posts a chain and does what its outcome asks for; the count accepted.
    pub fn chain(&self, tags: &[u64], post: Post) -> usize {
        let Posted { accepted, held, wake, .. } = self.ring.post(tags.len(), post, |index, payload, side| {
            fill(payload, tags[index]);
            side[0] = !tags[index];
        });
        assert!(!wake, "nobody waits for receives of this queue");
        self.accepted.get().extend(&tags[..accepted]);
        self.drive(held);
        accepted
    }

    /// Posts one request; it must have room.
    pub fn post(&self, tag: u64) {
        assert_eq!(self.chain(&[tag], Post::Plain), 1, "room for {tag}");
    }

    /// Posts one deferred request; it must have room.
    pub fn defer(&self, tag: u64) {
        assert_eq!(self.chain(&[tag], Post::Deferred), 1, "room for {tag}");
    }

    /// Posts one request as soon as there is room; in a model of two threads only.
    ///
    /// With three, two that wait could give way to each other for ever.
    pub fn post_when_room(&self, tag: u64) {
        while self.chain(&[tag], Post::Plain) == 0 {
            yield_now();
        }
    }

    /// Posts one request if there is room now or after one pause.
    pub fn try_post(&self, tag: u64) {
        if self.chain(&[tag], Post::Plain) == 0 {
            yield_now();
            self.chain(&[tag], Post::Plain);
        }
    }

    pub fn kick(&self) {
        self.drive(self.ring.kick());
    }

    pub fn flush(&self) {
        self.drive(self.ring.flush());
    }

    pub fn doorbell(&self) {
        self.drive(self.ring.doorbell());
    }

    pub fn close(&self) {
        self.drive(self.ring.close());
    }

    /// Ends a request in flight and kicks; whether it was the first to end it.
    pub fn finish(&self, ticket: u64) -> bool {
        let first = self.ring.finish(ticket, |payload| payload[1] = RESULT);
        self.kick();
        first
    }

    pub fn drive(&self, held: Option<HeldQueue<'_>>) {
        let Some(held) = held else { return };
        let ran = self.ring.run(held, &mut Journalist { queue: self, pending: Vec::new() });
        assert!(ran.pass == Pass::Idle && !ran.wake, "this engine executes everything");
    }

    /// Nothing is left: each of `tags`, and no other, was accepted and has completed once, each poster's in
    /// order.
    pub fn assert_all(&self, tags: &[u64]) {
        assert_eq!(self.accepted.get().len(), tags.len(), "accepted");
        self.assert_accepted();
        self.journal.assert_all(tags);
    }

    /// Nothing is left: what was accepted has completed once, each poster's in order.
    pub fn assert_accepted(&self) {
        self.journal.assert_all(&self.accepted.get());
        assert_eq!(self.ring.pending(), 0, "every slot is free again");
        assert!(self.ring.is_quiet());
    }
}

/// Executes everything at once, but what goes in flight.
struct Journalist<'q> {
    queue: &'q Queue,
    pending: Vec<(u64, How)>,
}

impl Engine for Journalist<'_> {
    type Outcome = ();

    fn execute(&mut self, payload: &Payload, side: &[u64], _ticket: u64) -> Step<()> {
        let tag = tag(payload);
        assert_eq!(side, [!tag], "side words of another request");
        if let Some(hook) = &self.queue.hooks.execute {
            hook(tag);
        }
        if tag & ASYNC != 0 { Step::InFlight } else { Step::Done(()) }
    }

    fn launched(&mut self, ticket: u64) {
        if let Some(hook) = &self.queue.hooks.launched {
            hook(ticket);
        }
    }

    fn stash(&mut self, (): (), payload: &mut Payload) {
        payload[1] = RESULT;
    }

    fn retire(&mut self, payload: &Payload, end: End<()>) -> bool {
        let how = match end {
            End::Executed(()) => How::Done,
            End::Finished => {
                assert_eq!(payload[1], RESULT, "the result is in the payload");
                How::Finished
            }
            End::Cancelled => {
                if let Some(hook) = &self.queue.hooks.cancelled {
                    hook();
                }
                How::Cancelled
            }
        };
        if how != How::Finished {
            tag(payload);
        }
        self.pending.push((payload[0], how));
        false
    }

    fn publish(&mut self) {
        if let Some(hook) = &self.queue.hooks.publish {
            hook(&self.pending);
        }
        self.queue.journal.add(&mut self.pending);
    }
}
