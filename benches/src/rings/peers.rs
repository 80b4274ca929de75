//! The contenders: who puts a ring under the two traits, and how.

use super::{BATCH_MAX, DEPTH, Pop, Push};
use crossbeam_queue::ArrayQueue;
use qpair::ring::{
    Announcement, Class, CompletionRing, End, Engine, HeldQueue, Notice, Payload, Post, Pushed, Step,
    WorkQueue,
};
use rtrb::chunks::ChunkError;

/// A ring that can be had anew, with its two ends.
pub trait Peer {
    /// Name in the table.
    const NAME: &'static str;
    /// An empty one.
    fn new() -> Self;
    /// Its ends.
    fn ends(&mut self) -> (impl Push + Send, impl Pop + Send);
}

/// rtrb: one producer, one consumer, cursors of the other side cached.
pub struct Rtrb(rtrb::Producer<Payload>, rtrb::Consumer<Payload>);

impl Peer for Rtrb {
    const NAME: &'static str = "rtrb";

    fn new() -> Self {
        let (producer, consumer) = rtrb::RingBuffer::new(DEPTH);
        Self(producer, consumer)
    }

    fn ends(&mut self) -> (impl Push + Send, impl Pop + Send) {
        (&mut self.0, &mut self.1)
    }
}

impl Push for &mut rtrb::Producer<Payload> {
    #[inline]
    fn push(&mut self, n: usize, mut make: impl FnMut(usize) -> Payload) -> usize {
        if n == 1 {
            return usize::from(rtrb::Producer::push(self, make(0)).is_ok());
        }
        let chunk = match self.write_chunk_uninit(n) {
            Ok(chunk) => chunk,
            Err(ChunkError::TooFewSlots(0)) => return 0,
            Err(ChunkError::TooFewSlots(few)) => self.write_chunk_uninit(few).expect("so many are free"),
        };
        chunk.fill_from_iter((0..n).map(make))
    }
}

impl Pop for &mut rtrb::Consumer<Payload> {
    #[inline]
    fn pop(&mut self, n: usize, mut take: impl FnMut(&Payload)) -> usize {
        if n == 1 {
            return rtrb::Consumer::pop(self).map_or(0, |entry| {
                take(&entry);
                1
            });
        }
        let chunk = match self.read_chunk(n) {
            Ok(chunk) => chunk,
            Err(ChunkError::TooFewSlots(0)) => return 0,
            Err(ChunkError::TooFewSlots(few)) => self.read_chunk(few).expect("so many are there"),
        };
        let (first, second) = chunk.as_slices();
        let count = first.len() + second.len();
        first.iter().chain(second).for_each(take);
        chunk.commit_all();
        count
    }
}

/// crossbeam's `ArrayQueue`, one entry at a time, since it has no other way.
pub struct SharedArray(ArrayQueue<Payload>);

impl SharedArray {
    /// An empty one of that many entries.
    pub fn of(depth: usize) -> Self {
        Self(ArrayQueue::new(depth))
    }

    /// An end that can do both.
    pub fn end(&self) -> impl Push + Pop + Send + Copy {
        &self.0
    }
}

impl Peer for SharedArray {
    const NAME: &'static str = "crossbeam ArrayQueue";

    fn new() -> Self {
        Self::of(DEPTH)
    }

    fn ends(&mut self) -> (impl Push + Send, impl Pop + Send) {
        (&self.0, &self.0)
    }
}

impl Push for &ArrayQueue<Payload> {
    #[inline]
    fn push(&mut self, n: usize, mut make: impl FnMut(usize) -> Payload) -> usize {
        (0..n).take_while(|index| ArrayQueue::push(self, make(*index)).is_ok()).count()
    }
}

impl Pop for &ArrayQueue<Payload> {
    #[inline]
    fn pop(&mut self, n: usize, take: impl FnMut(&Payload)) -> usize {
        std::iter::from_fn(|| ArrayQueue::pop(self)).take(n).inspect(take).count()
    }
}

/// qpair's completion ring as a polled queue uses it: entries are pushed and nobody arms.
pub struct QuietCompletions(CompletionRing);

impl QuietCompletions {
    /// An empty one of that many entries.
    pub fn of(depth: usize) -> Self {
        Self(CompletionRing::new(depth as u32))
    }

    /// An end that can do both.
    pub fn end(&self) -> impl Push + Pop + Send {
        Polled::<'_, false>::of(&self.0)
    }
}

impl Peer for QuietCompletions {
    const NAME: &'static str = "qpair completion ring";

    fn new() -> Self {
        Self::of(DEPTH)
    }

    fn ends(&mut self) -> (impl Push + Send, impl Pop + Send) {
        (Polled::<'_, false>::of(&self.0), Polled::<'_, false>::of(&self.0))
    }
}

/// qpair's completion ring whose arm is looked at after each batch.
pub struct Completions(CompletionRing);

impl Peer for Completions {
    const NAME: &'static str = "qpair completion ring, arm looked at";

    fn new() -> Self {
        Self(CompletionRing::new(DEPTH as u32))
    }

    fn ends(&mut self) -> (impl Push + Send, impl Pop + Send) {
        (Polled::<'_, true>::of(&self.0), Polled::<'_, true>::of(&self.0))
    }
}

struct Polled<'r, const ANNOUNCE: bool> {
    ring: &'r CompletionRing,
    /// So many entries had room at the last look.
    room: usize,
    /// What was polled: a poll may copy an entry twice.
    polled: [Payload; BATCH_MAX],
}

impl<'r, const ANNOUNCE: bool> Polled<'r, ANNOUNCE> {
    fn of(ring: &'r CompletionRing) -> Self {
        Self { ring, room: 0, polled: [Payload::default(); BATCH_MAX] }
    }

    fn push_now<const N: usize>(&self, mut make: impl FnMut(usize) -> Payload) {
        let entries: [_; N] = std::array::from_fn(|index| (Class::Ordinary, make(index)));
        let mut note = Announcement::default();
        assert_eq!(self.ring.push(&entries, &mut note), Pushed::All, "there was room");
        assert!(!ANNOUNCE || self.ring.announce(note) == Notice::None, "nobody armed");
    }
}

impl<const ANNOUNCE: bool> Push for Polled<'_, ANNOUNCE> {
    #[inline]
    fn push(&mut self, n: usize, mut make: impl FnMut(usize) -> Payload) -> usize {
        // A completion ring that is full is dead for good, so its users count, and so does this one.
        if self.room < n {
            self.room = (self.ring.depth() - self.ring.len()) as usize;
            if self.room < n {
                return 0;
            }
        }
        self.room -= n;
        if n == BATCH_MAX {
            self.push_now::<BATCH_MAX>(make);
        } else {
            (0..n).for_each(|index| self.push_now::<1>(|_| make(index)));
        }
        n
    }
}

impl<const ANNOUNCE: bool> Pop for Polled<'_, ANNOUNCE> {
    #[inline]
    fn pop(&mut self, n: usize, take: impl FnMut(&Payload)) -> usize {
        let count = self.ring.poll(n, |index, payload| self.polled[index] = payload);
        self.polled[..count].iter().for_each(take);
        count
    }
}

macro_rules! work_queue {
    ($(#[$doc:meta])* $name:ident, $label:literal, $post:expr) => {
        $(#[$doc])*
        pub struct $name(WorkQueue);

        impl Peer for $name {
            const NAME: &'static str = $label;

            fn new() -> Self {
                Self(WorkQueue::new(DEPTH as u32, 0, false))
            }

            fn ends(&mut self) -> (impl Push + Send, impl Pop + Send) {
                let held = self.0.kick().expect("nobody else has kicked");
                (Poster { queue: &self.0, post: $post }, Holder { queue: &self.0, held })
            }
        }
    };
}

work_queue!(
    /// qpair's work queue by plain posts, each with a kick, to an engine that never leaves.
    PlainWork,
    "qpair work queue, plain posts",
    Post::Plain
);
work_queue!(
    /// qpair's work queue by posts of receives, each with a fence and a look at who waits.
    ReceiveWork,
    "qpair work queue, receives",
    Post::Receive
);

struct Poster<'q> {
    queue: &'q WorkQueue,
    post: Post,
}

impl Push for Poster<'_> {
    #[inline]
    fn push(&mut self, n: usize, mut make: impl FnMut(usize) -> Payload) -> usize {
        let posted = self.queue.post(n, self.post, |index, payload, _| *payload = make(index));
        assert!(posted.held.is_none() && !posted.wake, "the engine never leaves, and nobody waits");
        posted.accepted
    }
}

struct Holder<'q> {
    queue: &'q WorkQueue,
    held: HeldQueue<'q>,
}

impl Pop for Holder<'_> {
    #[inline]
    fn pop(&mut self, n: usize, take: impl FnMut(&Payload)) -> usize {
        let mut engine = Count { left: n, take };
        let _pass = self.held.pass(self.queue, &mut engine);
        n - engine.left
    }
}

/// An engine that executes a request by handing it to a closure; its slot is free again at the end of the
/// pass.
struct Count<F> {
    left: usize,
    take: F,
}

impl<F: FnMut(&Payload)> Engine for Count<F> {
    type Outcome = ();

    #[inline]
    fn execute(&mut self, payload: &Payload, _side: &[u64], _ticket: u64) -> Step<()> {
        if self.left == 0 {
            return Step::Spent;
        }
        self.left -= 1;
        (self.take)(payload);
        Step::Done(())
    }

    fn launched(&mut self, _ticket: u64) {
        unreachable!("nothing is handed to a completer")
    }

    fn stash(&mut self, (): (), _payload: &mut Payload) {}

    #[inline]
    fn retire(&mut self, _payload: &Payload, _end: End<()>) -> bool {
        false
    }

    #[inline]
    fn publish(&mut self) {}
}
