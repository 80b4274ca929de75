//! The work queue: a send or receive queue, from post to retirement.
//!
//! Many threads post chains; whoever's kick finds the role free is the engine and makes passes. A flush is
//! a mark that only grows: the engine cancels what lies below it and never otherwise. A deferred request is
//! written and counted as pending, but not executed before a plain post or a doorbell exposes it.
//!
//! After each call that returns a [`Held`](HeldQueue), the caller is the engine: [`WorkQueue::run`] it.

use super::claim::KickedBy;
use super::slots::{Claimed, Consumer, Head, HeldSlots, SlotRing};
pub use super::slots::{NoRoom, Payload};
use crate::sync::{Ordering, fence, mutant, ord, recheck};

/// The role of a queue's engine, held by the caller.
pub struct HeldQueue<'q>(HeldSlots<'q>);

/// A send or receive queue.
#[derive(Debug)]
pub struct WorkQueue {
    ring: SlotRing,
}

/// When a posted request may be executed, and whom the post wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// At once, with all that was deferred before it.
    Plain,
    /// When a later plain post or doorbell exposes it.
    Deferred,
    /// When a sender's engine takes it: a receive. Wakes a sender that waits.
    Receive,
}

/// What became of a post.
#[must_use = "run the queue if it is held, wake the sender if asked to"]
pub struct Posted<'q> {
    /// So many requests, from the first on, were taken.
    pub accepted: usize,
    /// Why not all.
    pub refused: Option<NoRoom>,
    /// The caller is the engine now.
    pub held: Option<HeldQueue<'q>>,
    /// A sender waits for a receive of this queue: kick it.
    pub wake: bool,
}

/// What executing a request came to.
#[derive(Debug)]
pub enum Step<O> {
    /// Done, with this outcome.
    Done(O),
    /// To be handed to a completer, by [`Engine::launched`]; it will call [`WorkQueue::finish`].
    InFlight,
    /// Cannot go on now; stays at the head until the next kick.
    Blocked,
    /// The budget is spent; stays at the head, more to do.
    Spent,
}

/// How a request ended.
#[derive(Debug)]
pub enum End<O> {
    /// Executed in this pass.
    Executed(O),
    /// Executed, with its result in the payload (by `finish` or `stash`).
    Finished,
    /// Flushed without being executed.
    Cancelled,
}

/// What a queue's engine does with requests; called in the role, so it may not wait for anything.
pub trait Engine {
    /// The result of an executed request.
    type Outcome;

    /// Executes the request at the head.
    fn execute(&mut self, payload: &Payload, side: &[u64], ticket: u64) -> Step<Self::Outcome>;

    /// Hands a request in flight to its completer; from here on, and not before, `finish` may be called for
    /// it.
    fn launched(&mut self, ticket: u64);

    /// Puts an outcome into the payload, for a request that must wait for earlier ones in flight.
    fn stash(&mut self, outcome: Self::Outcome, payload: &mut Payload);

    /// Notes the completion of a request, in posting order; true when [`Engine::publish`] is due.
    fn retire(&mut self, payload: &Payload, end: End<Self::Outcome>) -> bool;

    /// Makes the noted completions visible; their slots can be posted again already.
    fn publish(&mut self);
}

/// What a pass left at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Nothing that may be executed.
    Idle,
    /// A request that cannot go on now.
    Blocked,
    /// A request for which the budget did not suffice.
    Spent,
}

impl WorkQueue {
    /// A queue of `depth` requests (0: always full), `side_words` words beside each; `closed` refuses posts.
    pub fn new(depth: u32, side_words: usize, closed: bool) -> Self {
        Self { ring: SlotRing::new(KickedBy::Posters, depth, side_words, closed) }
    }

    /// The same, open, laid out for quiet posts and the kicks of others.
    pub fn for_receives(depth: u32, side_words: usize) -> Self {
        Self { ring: SlotRing::new(KickedBy::Others, depth, side_words, false) }
    }

    /// Requests that fit.
    pub fn depth(&self) -> u64 {
        self.ring.depth()
    }

    /// Requests posted and not yet retired, at some moment during the call.
    pub fn pending(&self) -> u64 {
        self.ring.tail().0.saturating_sub(self.ring.free_seen())
    }

    /// Posts a chain of `n` requests, whole or up to the first that has no room; never waits.
    ///
    /// `write` fills payload and side words of each accepted request, in order; it is called between claim
    /// and publication, so it only copies what is at hand. A post that accepts less than `n` exposes what was
    /// deferred before it.
    #[inline]
    pub fn post(
        &self,
        n: usize,
        post: Post,
        mut write: impl FnMut(usize, &mut Payload, &mut [u64]),
    ) -> Posted<'_> {
        let mut claimed = match self.ring.claim(n as u64, post == Post::Deferred) {
            Ok(claimed) => claimed,
            Err(refused) => {
                let held = mutant!(FullExposesNothing => None, self.doorbell());
                return Posted { accepted: 0, refused: Some(refused), held, wake: false };
            }
        };
        let accepted = claimed.count() as usize;
        for index in 0..accepted {
            claimed.write(|payload, side| write(index, payload, side));
        }
        let refused = (accepted < n).then_some(NoRoom::Full);
        let (held, wake) = match post {
            Post::Plain => (self.publish_plain(claimed), false),
            Post::Deferred => {
                let held = self.publish_quiet(claimed, true);
                (if refused.is_some() { held.or_else(|| self.doorbell()) } else { held }, false)
            }
            Post::Receive => {
                let held = self.publish_quiet(claimed, false);
                (held, self.take_waiter())
            }
        };
        Posted { accepted, refused, held, wake }
    }

    #[inline]
    fn publish_plain(&self, claimed: Claimed<'_>) -> Option<HeldQueue<'_>> {
        let (after_deferred, end) = (claimed.after_deferred(), claimed.first() + claimed.count());
        claimed.publish(false);
        if after_deferred {
            self.expose(end);
        }
        mutant!(PostWithoutKick => None, self.kick())
    }

    #[inline]
    fn publish_quiet(&self, claimed: Claimed<'_>, deferred: bool) -> Option<HeldQueue<'_>> {
        let first = claimed.first();
        claimed.publish(deferred);
        fence!(
            QuietPostFence,
            "publish before looking: a flush or doorbell that passed over my slot is seen here"
        );
        let shared = self.ring.shared();
        // Relaxed: the fence orders them; nothing is read through them.
        let passed_over =
            shared.doorbell.load(Ordering::Relaxed) > first || shared.mark.load(Ordering::Relaxed) > first;
        if recheck!(QuietPostRecheck, passed_over) { self.kick() } else { None }
    }

    fn expose(&self, end: u64) {
        let (doorbell, relaxed) = (&self.ring.shared().doorbell, Ordering::Relaxed); // the slots' words order
        mutant!(DoorbellStore => doorbell.swap(end, relaxed), doorbell.fetch_max(end, relaxed));
        fence!(
            DoorbellFence,
            "expose before the kick: a deferring post that is late sees the doorbell, or its slot is seen"
        );
    }

    /// Exposes everything deferred so far.
    pub fn doorbell(&self) -> Option<HeldQueue<'_>> {
        let (tail, deferred) = self.ring.tail();
        if !deferred {
            return None; // whoever made the last claim exposes what was deferred before it
        }
        self.expose(tail);
        self.kick()
    }

    /// Asks for the role of the engine; `None`: whoever holds it will look again.
    #[inline]
    pub fn kick(&self) -> Option<HeldQueue<'_>> {
        self.ring.kick().map(HeldQueue)
    }

    /// Asks for the role if nobody has it; who waits for it by asking again keeps nobody in it.
    pub fn kick_if_idle(&self) -> Option<HeldQueue<'_>> {
        if self.ring.is_idle() { self.kick() } else { None }
    }

    /// Takes up a claim that [`HeldQueue::hand_over`] left.
    pub fn resume(&self) -> Option<HeldQueue<'_>> {
        self.ring.resume().map(HeldQueue)
    }

    /// Cancels every request whose post returned before this call and that is not executed yet.
    ///
    /// Never waits. Requests posted later live; one posted at the same time goes either way, once.
    pub fn flush(&self) -> Option<HeldQueue<'_>> {
        self.flush_below(self.ring.tail().0)
    }

    /// Cancels every request, present and future.
    pub fn flush_for_ever(&self) -> Option<HeldQueue<'_>> {
        self.flush_below(u64::MAX)
    }

    /// Refuses posts from now on and cancels every request that was taken.
    pub fn close(&self) -> Option<HeldQueue<'_>> {
        self.flush_below(self.ring.close())
    }

    /// Takes posts from now on.
    pub fn open(&self) {
        self.ring.open();
    }

    /// As [`flush_for_ever`](WorkQueue::flush_for_ever), but leaves the kick, which must follow, to the
    /// caller.
    pub fn mark_for_ever(&self) {
        self.mark_below(u64::MAX);
    }

    /// As [`close`](WorkQueue::close), but leaves the kick, which must follow, to the caller.
    pub fn mark_closed(&self) {
        self.mark_below(self.ring.close());
    }

    fn flush_below(&self, mark: u64) -> Option<HeldQueue<'_>> {
        self.mark_below(mark);
        self.kick()
    }

    fn mark_below(&self, mark: u64) {
        // Release: who acts on the mark also sees why (an error's cause, say).
        let order = ord!(MarkMax: Release, "what led to the flush, for an engine that reads the mark");
        mutant!(MarkStore => self.ring.shared().mark.swap(mark, order), self.ring.shared().mark.fetch_max(mark, order));
        fence!(
            FlushFence,
            "mark before the kick: a quiet post that is late sees the mark, or its slot is seen"
        );
    }

    #[inline]
    fn mark(&self) -> u64 {
        self.ring.shared().mark.load(ord!(MarkLoad: Acquire, "pairs with MarkMax: why it was flushed"))
    }

    /// Ends a request in flight; false if a flush was first. The caller kicks the queue afterwards.
    pub fn finish(&self, ticket: u64, write: impl FnOnce(&mut Payload)) -> bool {
        self.ring.finish(ticket, write)
    }

    /// The same; `write` also sees the words beside the request.
    pub fn finish_beside(&self, ticket: u64, write: impl FnOnce(&mut Payload, &[u64])) -> bool {
        self.ring.finish_beside(ticket, write)
    }

    /// Everything posted before the call is retired, and whoever retired it has left the role: on a closed
    /// queue for good, but for kicks yet to come.
    pub fn is_quiet(&self) -> bool {
        // In this order: the role may be taken, all retired and the slots freed after a look at the gate.
        self.pending() == 0 && self.ring.is_idle()
    }

    /// Takes the flag of a waiting sender, if one is set.
    fn take_waiter(&self) -> bool {
        let waiter = &self.ring.shared().waiter;
        // Relaxed: QuietPostFence or the role orders the look; the kick that follows carries the order on.
        waiter.load(Ordering::Relaxed) != 0 && waiter.swap(0, Ordering::Relaxed) != 0
    }

    /// Makes passes until nobody has kicked since the last one began.
    ///
    /// Returns what the last pass left at the head, and whether a waiting sender is to be kicked. When the
    /// budget was spent the role stays claimed and handed over: give the queue to the driver.
    pub fn run<E: Engine>(&self, held: HeldQueue<'_>, engine: &mut E) -> Ran {
        let mut held = held;
        let mut wake = false;
        loop {
            let pass = held.pass(self, engine);
            if pass == Pass::Spent {
                held.hand_over();
                return Ran { pass, wake };
            }
            wake |= pass == Pass::Blocked && self.take_waiter();
            match held.leave() {
                Some(again) => held = again,
                None => return Ran { pass, wake },
            }
        }
    }

    /// Offers what `engine` would execute to the receives of this queue; parks the caller's send if there is
    /// none.
    ///
    /// `done` says whether the engine has been served. False at the end: the send stays at the head of its
    /// own queue, and whoever posts the next receive, or leaves this queue with one in it, kicks it.
    pub fn offer<E: Engine>(&self, engine: &mut E, done: impl Fn(&E) -> bool) -> Offered {
        let mut wake = false;
        for parked in [false, true] {
            if parked {
                let waiter = &self.ring.shared().waiter;
                waiter.swap(1, Ordering::Relaxed); // the fence orders it; a word that others swap is swapped
                fence!(
                    ParkFence,
                    "park before looking again: the post of a receive sees the flag, or its slot is seen"
                );
                if !recheck!(ParkRecheck, true) {
                    break;
                }
            }
            if let Some(held) = self.kick() {
                wake |= self.run(held, engine).wake;
            }
            if done(engine) {
                return Offered { done: true, wake };
            }
        }
        Offered { done: false, wake }
    }
}

/// What [`WorkQueue::run`] came to.
#[derive(Clone, Copy, Debug)]
#[must_use = "a spent queue goes to the driver, a waiting sender is kicked"]
pub struct Ran {
    /// What the last pass left at the head.
    pub pass: Pass,
    /// Kick the sender that waits for a receive of this queue.
    pub wake: bool,
}

/// What [`WorkQueue::offer`] came to.
#[derive(Clone, Copy, Debug)]
#[must_use = "an offer not taken is parked, a waiting sender is kicked"]
pub struct Offered {
    /// The engine has been served.
    pub done: bool,
    /// Kick the sender that waits for a receive of this queue.
    pub wake: bool,
}

impl<'q> HeldQueue<'q> {
    /// Executes, cancels and retires everything visible at the head, in order.
    pub fn pass<E: Engine>(&mut self, queue: &WorkQueue, engine: &mut E) -> Pass {
        self.0.with(|consumer| queue.pass(consumer, engine))
    }

    /// Leaves the role; `Some`: somebody kicked meanwhile, look again.
    #[must_use]
    pub fn leave(self) -> Option<Self> {
        self.0.leave().map(Self)
    }

    /// Keeps the claim for a driver that calls [`WorkQueue::resume`].
    pub fn hand_over(self) {
        self.0.hand_over();
    }
}

/// What one step of a pass did with the request at the head.
enum Stepped {
    /// Retired; `due`: its completion is to become visible now, with its slot.
    Retired { due: bool },
    /// In flight, or settled behind a request in flight.
    Waits,
    /// Nothing: the pass ends here.
    Stop(Pass),
}

impl WorkQueue {
    fn pass<E: Engine>(&self, consumer: &mut Consumer, engine: &mut E) -> Pass {
        let mut unpublished = false;
        let pass = loop {
            if consumer.retired() < consumer.head {
                unpublished |= self.look_behind(consumer, engine);
            }
            let Some(head) = self.ring.head(consumer) else {
                break Pass::Idle;
            };
            // After the look at the head: a flush that began meanwhile is obeyed by this very request.
            let cancelled = self.mark() > head.ticket();
            // Relaxed: the slot's word was acquired.
            let exposed = || self.ring.shared().doorbell.load(Ordering::Relaxed) > head.ticket();
            let hidden = head.is_deferred() && !cancelled && !exposed();
            if mutant!(DeferredAtOnce => false, hidden) {
                break Pass::Idle;
            }
            match step(head, engine, cancelled) {
                Stepped::Retired { due } => unpublished = !self.publish_due(due, consumer, engine),
                Stepped::Waits => {}
                Stepped::Stop(pass) => break pass,
            }
        };
        if unpublished {
            self.publish(consumer, engine);
        }
        pass
    }

    /// Looks at what is in flight, and at what waits behind it: cancels what was flushed, retires what is
    /// settled; true if something retired is not visible yet.
    #[inline(never)] // few requests go in flight
    fn look_behind<E: Engine>(&self, consumer: &mut Consumer, engine: &mut E) -> bool {
        let mark = self.mark();
        if mark > consumer.mark_seen {
            let below = mutant!(FlushSkipsInFlight => 0, mark.min(consumer.head));
            for ticket in consumer.retired()..below {
                self.ring.cancel_in_flight(ticket);
            }
            consumer.mark_seen = mark;
        }
        let mut unpublished = false;
        while let Some(settled) = self.ring.settled(consumer) {
            let end = if settled.is_cancelled() { End::Cancelled } else { End::Finished };
            let due = settled.retire(|payload, _| engine.retire(payload, end));
            unpublished = !self.publish_due(due, consumer, engine);
        }
        unpublished
    }

    /// Publishes what has been retired if that is due; whether it is.
    #[inline]
    fn publish_due<E: Engine>(&self, due: bool, consumer: &Consumer, engine: &mut E) -> bool {
        if due {
            self.publish(consumer, engine);
        }
        due
    }

    #[inline]
    fn publish<E: Engine>(&self, consumer: &Consumer, engine: &mut E) {
        let publish_first = mutant!(CompleteBeforeFree => true, false);
        if publish_first {
            engine.publish();
        }
        // Before the completions: who polls one of them can post again.
        self.ring.free(consumer);
        engine.publish();
    }
}

/// Executes or cancels the request at the head, and retires it unless earlier ones are in flight.
#[inline]
fn step<E: Engine>(head: Head<'_>, engine: &mut E, cancelled: bool) -> Stepped {
    let ticket = head.ticket();
    let end = if cancelled {
        End::Cancelled
    } else {
        match head.read(|payload, side| engine.execute(payload, side, ticket)) {
            Step::Done(outcome) => End::Executed(outcome),
            Step::Blocked => return Stepped::Stop(Pass::Blocked),
            Step::Spent => return Stepped::Stop(Pass::Spent),
            Step::InFlight => {
                if mutant!(LaunchBeforeInFlight => true, false) {
                    engine.launched(ticket);
                }
                head.set_in_flight();
                engine.launched(ticket);
                return Stepped::Waits;
            }
        }
    };
    if head.is_oldest() {
        return Stepped::Retired { due: head.retire(|payload, _| engine.retire(payload, end)) };
    }
    match end {
        End::Executed(outcome) => head.set_done(|payload| engine.stash(outcome, payload)),
        End::Finished | End::Cancelled => head.set_cancelled(),
    }
    Stepped::Waits
}
