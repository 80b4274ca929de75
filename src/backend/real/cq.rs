//! Completion queues: the device's, and before it a side queue of what was taken early.

#![forbid(unsafe_code)]

use super::dispatch::Ended;
use super::push::Pushes;
use super::{Adapter, Qp};
use crate::backend::Refused;
use crate::device::callbacks::{Deliver, Outbox};
use crate::device::cq::{CqCounters, CqState, Notify};
use crate::device::lifetime::Life;
use crate::device::notifier::Notifier;
use crate::ring::{Announcement, ArmLevel, Class, CompletionRing, Gather, Gathering, Notice};
use crate::sync::{AtomicU64, Ordering};
use crate::work::{Completion, Status};
use event_listener::EventListener;
use qpair_rdma_core as rdma;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

/// A completion queue.
pub(crate) struct Cq {
    pub(crate) life: Arc<Life>,
    adapter: Arc<Adapter>,
    pub(super) cq: rdma::Cq,
    key: u64,
    pub(super) notifier: Notifier<CqState>,
    /// Taken from the device, and not by the user yet.
    pub(super) ring: CompletionRing,
    pub(super) gather: Gather<Users>,
    /// The device says: 1, it has overrun; 2, it has failed.
    ended: AtomicU64,
    /// Not 0: its queue pairs are told, or are going to be, that it is dead.
    users_told: AtomicU64,
    /// Not 0: the adapter's thread looks after it.
    watched: AtomicU64,
}

/// Whose entries the device brings; for who takes them.
pub(super) struct Users {
    /// By number.
    qps: BTreeMap<u32, Weak<Qp>>,
    /// Number of the last entry.
    last: u64,
}

/// Entries that are taken from the device at a time.
const BATCH: usize = 16;

/// Queue pairs whose entries follow each other, and what is to be kicked of them.
#[derive(Default)]
struct Touched {
    qp: Option<(u32, Arc<Qp>)>,
    send: bool,
    receive: bool,
}

impl Touched {
    /// Has the queues complete what has ended.
    fn kick(&mut self, outbox: &mut Outbox) {
        let Some((_, qp)) = &self.qp else { return };
        if std::mem::take(&mut self.send) {
            if let Some(held) = qp.sends.ring.kick() {
                qp.run_sends(held, outbox);
            }
        }
        if std::mem::take(&mut self.receive) {
            if let Some(held) = qp.receives.ring.kick() {
                qp.run_receives(held, outbox);
            }
        }
    }
}

impl Cq {
    pub(crate) fn new(
        adapter: &Arc<Adapter>,
        life: Arc<Life>,
        depth: u32,
        notify: Notify,
    ) -> Result<Arc<Self>, Refused> {
        let key = adapter.new_key();
        let notifier = Notifier::new(notify);
        let channel = notifier.is_heard.then_some(&adapter.channel);
        let cq = adapter.context.create_cq(depth, channel, key)?;
        let cq = Arc::new(Self {
            life,
            adapter: Arc::clone(adapter),
            cq,
            key,
            notifier,
            ring: CompletionRing::new(depth),
            gather: Gather::new(Users { qps: BTreeMap::new(), last: 0 }),
            ended: AtomicU64::new(0),
            users_told: AtomicU64::new(0),
            watched: AtomicU64::new(0),
        });
        adapter.know_cq(key, &cq);
        let (adapter, key) = (Arc::clone(adapter), key);
        cq.life.set_teardown(move || adapter.forget_cq(key));
        Ok(cq)
    }

    pub(super) fn attach(self: &Arc<Self>, qp: &Arc<Qp>) {
        self.with_users(|users| users.qps.insert(qp.number(), Arc::downgrade(qp)));
    }

    pub(super) fn detach(self: &Arc<Self>, number: u32) {
        self.with_users(|users| users.qps.remove(&number));
    }

    /// Takes up to `out.len()` completions, the oldest first; looks at the device if it has not enough.
    pub(crate) fn poll<T>(self: &Arc<Self>, out: &mut [T], mut make: impl FnMut(&Completion) -> T) -> usize {
        let room = out.len();
        let mut take = |from: usize| {
            let copy = |index: usize, payload| out[from + index] = make(&Completion::decode(&payload));
            from + self.ring.poll(room - from, copy)
        };
        let taken = take(0);
        // Somebody else may be at it: what he takes is polled afterwards.
        let gathering = if taken < room { self.gather.ask_if_idle() } else { None };
        let Some(gathering) = gathering else { return taken };
        self.run(gathering);
        take(taken)
    }

    /// Takes what the device has, unless somebody is at it. Never has others go on for its caller, who may
    /// come again as fast as they can.
    pub(super) fn look(self: &Arc<Self>) {
        if let Some(gathering) = self.gather.ask_if_idle() {
            self.run(gathering);
        }
    }

    /// Has everything taken that the device has, by this thread or by who is at it.
    fn gather(self: &Arc<Self>) {
        if let Some(gathering) = self.gather.ask() {
            self.run(gathering);
        }
    }

    /// The same, and waits for who is at it. Control.
    pub(super) fn settle(self: &Arc<Self>) {
        self.with_users(|_| ());
    }

    /// Works on the list of users, for which it waits, then takes what the device has. Control.
    fn with_users<R>(self: &Arc<Self>, work: impl FnOnce(&mut Users) -> R) -> R {
        let mut gathering = loop {
            match self.gather.ask_if_idle() {
                Some(gathering) => break gathering,
                None => std::thread::yield_now(),
            }
        };
        let result = gathering.with(work);
        self.run(gathering);
        result
    }

    fn run(self: &Arc<Self>, gathering: Gathering<'_, Users>) {
        let mut outbox = Outbox::new();
        let mut fired = false;
        gathering
            .run(|users| self.take_all(users, &mut outbox), || fired |= self.satisfied(self.ring.revisit()));
        if fired {
            self.fire(&mut outbox);
        }
        outbox.emit();
    }

    /// Takes all that the device has; the number of the last entry.
    fn take_all(self: &Arc<Self>, users: &mut Users, outbox: &mut Outbox) -> u64 {
        let mut room = [rdma::Completion::EMPTY; BATCH];
        loop {
            let count = match self.cq.poll(&mut room) {
                Ok(count) => count,
                Err(error) => {
                    tracing::error!(%error, "a completion queue is not read");
                    return users.last;
                }
            };
            self.dispatch(users, &room[..count], outbox);
            if count < room.len() {
                return users.last;
            }
        }
    }

    fn dispatch(self: &Arc<Self>, users: &mut Users, entries: &[rdma::Completion], outbox: &mut Outbox) {
        let mut touched = Touched::default();
        for entry in entries {
            if touched.qp.as_ref().is_none_or(|(number, _)| *number != entry.qp_number) {
                touched.kick(outbox);
                let qp = users.qps.get(&entry.qp_number).and_then(Weak::upgrade);
                touched.qp = qp.map(|qp| (entry.qp_number, qp));
            }
            let Some((_, qp)) = &touched.qp else {
                tracing::debug!(?entry, "of a queue pair that is gone");
                continue;
            };
            users.last += 1;
            match qp.completed(entry, users.last, outbox) {
                Ended::Send => touched.send = true,
                Ended::Receive => touched.receive = true,
                Ended::Shared(completion) => {
                    let mut pushes = Pushes::new(self);
                    let failed = completion.status != Status::Success;
                    let class = if failed { Class::Solicited } else { Class::Unsure };
                    pushes.add(class, users.last, &completion);
                    pushes.push();
                    pushes.announce(outbox);
                }
                Ended::Nothing => {}
            }
        }
        touched.kick(outbox);
    }

    /// Arms, or strengthens the arm; what is new since the last notification notifies at once.
    pub(crate) fn arm(self: &Arc<Self>, level: ArmLevel) {
        if !self.notifier.is_heard {
            return;
        }
        let mut outbox = Outbox::new();
        if self.satisfied(self.ring.arm(level)) {
            self.fire(&mut outbox);
        } else {
            if is_watched(level) {
                self.watch();
            }
            self.arm_device(level);
            // What came before is not told of by the device, which now knows of the arm.
            self.gather.tell();
            self.gather();
        }
        outbox.emit();
    }

    fn arm_device(&self, level: ArmLevel) {
        if level == ArmLevel::Errors {
            return; // told as asynchronous events, armed or not; for overruns the thread looks
        }
        if let Err(error) = self.cq.arm(level == ArmLevel::Solicited) {
            tracing::error!(%error, "a completion queue is not armed");
        }
    }

    /// Has the adapter's thread look into the queue every now and then.
    fn watch(&self) {
        // AcqRel: one of those who change it counts.
        if self.watched.swap(1, Ordering::AcqRel) == 0 {
            self.adapter.watched.fetch_add(1, Ordering::Relaxed); // a hint for the thread, which is woken
            self.adapter.wake();
        }
    }

    fn unwatch(&self) {
        // AcqRel: as in `watch`; whoever arms afterwards watches again.
        if self.watched.swap(0, Ordering::AcqRel) != 0 {
            self.adapter.watched.fetch_sub(1, Ordering::Relaxed); // a hint for the thread
        }
    }

    /// The device has told of something.
    pub(super) fn notified(self: &Arc<Self>) {
        self.gather.tell();
        self.gather();
        if let Some(level) = self.ring.armed() {
            // It was a silent success that is told to nobody, or it has been polled meanwhile.
            self.arm_device(level);
            self.gather.tell();
            self.gather();
        }
    }

    /// Errors satisfy an arm for solicited completions, also with devices that do not tell of them then; and
    /// an overrun any arm, which only who takes an entry too much notices.
    pub(super) fn look_for_errors(self: &Arc<Self>) {
        // Relaxed: a hint; who arms so from now on wakes the thread.
        if self.watched.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.gather();
        if !self.ring.armed().is_some_and(is_watched) {
            self.unwatch();
            // Armed in between, it is watched again.
            if self.ring.armed().is_some_and(is_watched) {
                self.watch();
            }
        }
    }

    /// The arm was satisfied, and the caller has it fire; nothing is held back here.
    pub(super) fn satisfied(&self, notice: Notice) -> bool {
        notice != Notice::None
    }

    pub(super) fn fire(self: &Arc<Self>, outbox: &mut Outbox) {
        self.notifier.fire(self, outbox);
    }

    /// The queue is dead, and its queue pairs with it.
    pub(super) fn end(self: &Arc<Self>, state: CqState) {
        self.settle(); // what fitted can still be polled (CQ-23)
        let number = if state == CqState::Overrun { 1 } else { 2 };
        self.ended.fetch_max(number, Ordering::Release); // pairs with `state`
        let (mut note, mut outbox) = (Announcement::default(), Outbox::new());
        self.ring.fail(&mut note);
        if self.satisfied(self.ring.announce(note)) {
            self.fire(&mut outbox);
        }
        outbox.emit();
        self.break_users();
    }

    /// More has come than fits: its queue pairs go down, on the thread, where nothing is held.
    #[cold]
    pub(super) fn overran(self: &Arc<Self>) {
        // Relaxed: only who is first counts.
        if self.users_told.swap(1, Ordering::Relaxed) == 0 {
            let cq = Arc::clone(self);
            self.adapter.chore_later(move || {
                cq.break_users();
                true
            });
        }
    }

    fn break_users(self: &Arc<Self>) {
        let qps: Vec<_> = self.with_users(|users| users.qps.values().filter_map(Weak::upgrade).collect());
        qps.iter().for_each(|qp| qp.break_down());
    }

    /// As by a fault; real devices have none on purpose.
    pub(crate) fn fail(self: &Arc<Self>) {
        self.end(CqState::Fatal);
    }

    pub(crate) fn state(&self) -> CqState {
        // Acquire: pairs with `end`.
        match self.ended.load(Ordering::Acquire) {
            0 if self.ring.has_overrun() => CqState::Overrun,
            0 => CqState::Working,
            1 => CqState::Overrun,
            _ => CqState::Fatal,
        }
    }

    pub(crate) fn depth(&self) -> u64 {
        self.ring.depth()
    }

    pub(crate) fn len(self: &Arc<Self>) -> u64 {
        self.settle();
        self.ring.len()
    }

    pub(crate) fn counters(&self) -> CqCounters {
        let (polled, entries) = (self.ring.polled(), self.ring.len());
        CqCounters { polled, entries, notifications: self.notifier.told() }
    }

    pub(crate) fn listen(&self) -> EventListener {
        self.notifier.listen()
    }

    pub(crate) fn silence(&self) {
        self.notifier.silence();
    }

    pub(crate) fn resize(self: &Arc<Self>, depth: u32) -> Result<(), Refused> {
        self.settle();
        let before = self.ring.depth() as u32;
        self.ring.resize(depth)?;
        if let Err(error) = self.cq.resize(depth) {
            self.ring.resize(before)?;
            return Err(error.into());
        }
        Ok(())
    }
}

/// The thread looks after a queue that is armed so: the device does not tell of all that satisfies it.
fn is_watched(level: ArmLevel) -> bool {
    level != ArmLevel::Any
}

impl Deliver for Cq {
    fn deliver(self: Arc<Self>) {
        let tell = || {
            self.ring.note_notified();
            self.notifier.tell(self.state());
        };
        self.notifier.deliver(&self.life, || (), tell);
    }
}

impl Drop for Cq {
    fn drop(&mut self) {
        self.unwatch();
    }
}

impl fmt::Debug for Cq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cq").field("depth", &self.depth()).field("key", &self.key).finish_non_exhaustive()
    }
}
