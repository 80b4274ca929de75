//! Completion queues: the device's, and before it a side queue of what was taken early.

#![forbid(unsafe_code)]

use super::{Adapter, Qp, lock};
use crate::backend::Refused;
use crate::device::callbacks::{Deliver, Outbox};
use crate::device::cq::{Callback, CqCounters, CqState, Notify};
use crate::device::lifetime::Life;
use crate::ring::{ArmLevel, Crowded, EventCounter};
use crate::sync::{AtomicU64, Ordering};
use crate::work::{Completion, CompletionKind, Status};
use event_listener::{Event, EventListener};
use qpair_rdma_core as rdma;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

/// A completion queue.
pub(crate) struct Cq {
    pub(crate) life: Arc<Life>,
    adapter: Arc<Adapter>,
    pub(super) cq: rdma::Cq,
    key: u64,
    depth: AtomicU64,
    notifies: bool,
    callback: Mutex<Option<Arc<Callback>>>,
    waiters: Event,
    events: EventCounter,
    fired: AtomicU64,
    notifications: AtomicU64,
    /// 0: it works; 1: it has overrun; 2: it has failed.
    ended: AtomicU64,
    book: Mutex<Book>,
}

/// What the lock of a completion queue is around.
struct Book {
    /// Taken from the device, and not by the user yet.
    side: VecDeque<Completion>,
    /// Its queue pairs, by number.
    qps: BTreeMap<u32, Weak<Qp>>,
    armed: Option<ArmLevel>,
    /// Completions that have come, that the user has taken, and that had come at the last notification.
    come: u64,
    taken: u64,
    told: u64,
    /// Number of the last one that failed or may have been solicited, and 1 more; the device does not say of
    /// a receive whether it was.
    solicited: u64,
    /// Number of the last one that failed, and 1 more.
    failed: u64,
}

/// Entries that are taken from the device at a time.
const BATCH: usize = 16;

impl Book {
    /// There are completions, since the last notification and not taken, that satisfy the level.
    fn satisfies(&self, level: ArmLevel) -> bool {
        let newest = match level {
            ArmLevel::Errors => 0,
            ArmLevel::Solicited => self.solicited,
            ArmLevel::Any => self.come,
        };
        newest > self.told.max(self.taken)
    }

    fn count(&mut self, completion: &Completion) {
        self.come += 1;
        if completion.status != Status::Success {
            (self.failed, self.solicited) = (self.come, self.come);
        } else if matches!(completion.kind, CompletionKind::Receive | CompletionKind::ReceiveWrite) {
            self.solicited = self.come;
        }
    }

    /// Takes all that the device has into the side queue; false: that is more than `depth`, and what did not
    /// fit is lost. A device rounds the depth up, and would not notice.
    #[must_use = "a queue that has overrun is to be ended"]
    fn gather(&mut self, cq: &rdma::Cq, depth: u64, outbox: &mut Outbox) -> bool {
        let mut room = [rdma::Completion::EMPTY; BATCH];
        let mut fits = true;
        loop {
            let count = match cq.poll(&mut room) {
                Ok(count) => count,
                Err(error) => {
                    tracing::error!(%error, "a completion queue is not read");
                    return fits;
                }
            };
            for entry in &room[..count] {
                let Some(qp) = self.qps.get(&entry.qp_number).and_then(Weak::upgrade) else {
                    tracing::debug!(?entry, "of a queue pair that is gone");
                    continue;
                };
                match qp.completed(entry, outbox) {
                    Some(completion) if fits && (self.side.len() as u64) < depth => {
                        self.count(&completion);
                        self.side.push_back(completion);
                    }
                    Some(_) => fits = false,
                    None => {}
                }
            }
            if count < room.len() {
                return fits;
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
        let notifies = !matches!(notify, Notify::Nobody);
        let cq = adapter.context.create_cq(depth, notifies.then_some(&adapter.channel), key)?;
        let callback = match notify {
            Notify::Nobody | Notify::Waiters => None,
            Notify::Callback(callback) => Some(Arc::new(callback)),
        };
        let book = Book {
            side: VecDeque::with_capacity(depth as usize),
            qps: BTreeMap::new(),
            armed: None,
            come: 0,
            taken: 0,
            told: 0,
            solicited: 0,
            failed: 0,
        };
        let cq = Arc::new(Self {
            life,
            adapter: Arc::clone(adapter),
            cq,
            key,
            depth: AtomicU64::new(depth.into()),
            notifies,
            callback: Mutex::new(callback),
            waiters: Event::new(),
            events: EventCounter::new(),
            fired: AtomicU64::new(0),
            notifications: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            book: Mutex::new(book),
        });
        adapter.know_cq(key, &cq);
        let (adapter, key) = (Arc::clone(adapter), key);
        cq.life.set_teardown(move || adapter.forget_cq(key));
        Ok(cq)
    }

    pub(super) fn attach(&self, qp: &Arc<Qp>) {
        lock(&self.book).qps.insert(qp.number(), Arc::downgrade(qp));
    }

    pub(super) fn detach(&self, number: u32) {
        lock(&self.book).qps.remove(&number);
    }

    /// Takes up to `out.len()` completions, the oldest first.
    pub(crate) fn poll<T>(self: &Arc<Self>, out: &mut [T], mut make: impl FnMut(&Completion) -> T) -> usize {
        let mut outbox = Outbox::new();
        let mut book = lock(&self.book);
        self.take_in(&mut book, &mut outbox);
        let mut filled = 0;
        while let Some(place) = out.get_mut(filled) {
            let Some(completion) = book.side.pop_front() else { break };
            *place = make(&completion);
            filled += 1;
        }
        book.taken += filled as u64;
        drop(book);
        outbox.emit();
        filled
    }

    /// Takes what the device has into the side queue, which retires silent requests.
    pub(super) fn gather(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        self.take_in(&mut lock(&self.book), &mut outbox);
        outbox.emit();
    }

    /// Takes what the device has; nothing any more, once the queue is dead (CQ-20).
    fn take_in(self: &Arc<Self>, book: &mut Book, outbox: &mut Outbox) {
        let works = self.state() == CqState::Working;
        let depth = if works { self.depth() } else { 0 };
        if !book.gather(&self.cq, depth, outbox) && works {
            self.mark(CqState::Overrun);
            let (cq, armed) = (Arc::clone(self), book.armed.is_some());
            if armed {
                self.fire(book, outbox);
            }
            // The queue pairs go down on the thread: their locks are not taken below this one.
            self.adapter.chore_later(move || {
                cq.break_users();
                true
            });
        }
    }

    /// Adds completions that the device does not bring.
    pub(super) fn answer(self: &Arc<Self>, completions: &[Completion]) {
        let mut outbox = Outbox::new();
        let mut book = lock(&self.book);
        for completion in completions {
            book.count(completion);
            book.side.push_back(*completion);
        }
        self.see_to_arm(&mut book, &mut outbox);
        drop(book);
        outbox.emit();
    }

    /// Arms, or strengthens the arm; what is new since the last notification notifies at once.
    pub(crate) fn arm(self: &Arc<Self>, level: ArmLevel) {
        if !self.notifies {
            return;
        }
        let mut outbox = Outbox::new();
        let mut book = lock(&self.book);
        let before = book.armed;
        let level = before.map_or(level, |before| if before as u64 > level as u64 { before } else { level });
        book.armed = Some(level);
        match (before.is_some_and(is_watched), is_watched(level)) {
            (false, true) => {
                self.adapter.watched.fetch_add(1, Ordering::Relaxed); // a hint for the thread, which is woken
                self.adapter.wake();
            }
            (true, false) => {
                self.adapter.watched.fetch_sub(1, Ordering::Relaxed); // as above
            }
            _ => {}
        }
        self.arm_device(level);
        self.take_in(&mut book, &mut outbox);
        self.see_to_arm(&mut book, &mut outbox);
        drop(book);
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

    /// Fires if the arm is satisfied.
    fn see_to_arm(self: &Arc<Self>, book: &mut Book, outbox: &mut Outbox) {
        let Some(level) = book.armed else { return };
        if self.state() != CqState::Working || book.satisfies(level) {
            self.fire(book, outbox);
        }
    }

    fn fire(self: &Arc<Self>, book: &mut Book, outbox: &mut Outbox) {
        if book.armed.take().is_some_and(is_watched) {
            self.adapter.watched.fetch_sub(1, Ordering::Relaxed); // a hint for the thread
        }
        book.told = book.come;
        self.fired.fetch_add(1, Ordering::Relaxed); // the counter's read-modify-writes order it
        if self.events.raise() {
            outbox.push(Arc::clone(self) as Arc<dyn Deliver>);
        }
    }

    /// The device has told of something.
    pub(super) fn notified(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        let mut book = lock(&self.book);
        self.take_in(&mut book, &mut outbox);
        self.see_to_arm(&mut book, &mut outbox);
        if let Some(level) = book.armed {
            // It was a silent success that is told to nobody, or it has been polled meanwhile.
            self.arm_device(level);
            self.take_in(&mut book, &mut outbox);
            self.see_to_arm(&mut book, &mut outbox);
        }
        drop(book);
        outbox.emit();
    }

    /// Errors satisfy an arm for solicited completions, also with devices that do not tell of them then; and
    /// an overrun any arm, which only who takes an entry too much notices.
    pub(super) fn look_for_errors(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        let mut book = lock(&self.book);
        if book.armed.is_some_and(is_watched) {
            self.take_in(&mut book, &mut outbox);
            if book.armed == Some(ArmLevel::Solicited) && book.failed > book.told.max(book.taken) {
                self.fire(&mut book, &mut outbox);
            }
        }
        drop(book);
        outbox.emit();
    }

    /// The queue is dead, and its queue pairs with it.
    pub(super) fn end(self: &Arc<Self>, state: CqState) {
        let mut outbox = Outbox::new();
        let mut book = lock(&self.book);
        self.take_in(&mut book, &mut outbox); // what fitted can still be polled (CQ-23)
        self.mark(state);
        self.see_to_arm(&mut book, &mut outbox);
        drop(book);
        outbox.emit();
        self.break_users();
    }

    fn mark(&self, state: CqState) {
        let number = if state == CqState::Overrun { 1 } else { 2 };
        self.ended.store(number, Ordering::Release); // pairs with `state`
    }

    fn break_users(&self) {
        let qps: Vec<_> = lock(&self.book).qps.values().filter_map(Weak::upgrade).collect();
        qps.iter().for_each(|qp| qp.break_down());
    }

    /// As by a fault; real devices have none on purpose.
    pub(crate) fn fail(self: &Arc<Self>) {
        self.end(CqState::Fatal);
    }

    pub(crate) fn state(&self) -> CqState {
        // Acquire: pairs with `end`.
        match self.ended.load(Ordering::Acquire) {
            0 => CqState::Working,
            1 => CqState::Overrun,
            _ => CqState::Fatal,
        }
    }

    pub(crate) fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed) // a figure
    }

    pub(crate) fn len(self: &Arc<Self>) -> u64 {
        self.gather();
        lock(&self.book).side.len() as u64
    }

    pub(crate) fn counters(&self) -> CqCounters {
        let book = lock(&self.book);
        let notifications = self.notifications.load(Ordering::Relaxed); // a figure
        CqCounters { polled: book.taken, entries: book.side.len() as u64, notifications }
    }

    pub(crate) fn listen(&self) -> EventListener {
        self.waiters.listen()
    }

    pub(crate) fn silence(&self) {
        let closure = lock(&self.callback).take();
        drop(closure);
        self.waiters.notify(usize::MAX);
    }

    pub(crate) fn resize(self: &Arc<Self>, depth: u32) -> Result<(), Refused> {
        self.gather();
        let entries = lock(&self.book).side.len() as u64;
        if entries > depth.into() {
            return Err(Crowded { entries }.into());
        }
        self.cq.resize(depth)?;
        self.depth.store(depth.into(), Ordering::Relaxed); // a figure
        Ok(())
    }

    fn tell(&self) {
        self.notifications.fetch_add(1, Ordering::Relaxed); // a figure
        self.waiters.notify(usize::MAX);
        let callback = lock(&self.callback).clone();
        if let Some(callback) = callback {
            callback(self.state());
        }
    }
}

/// The thread looks after a queue that is armed so: the device does not tell of all that satisfies it.
fn is_watched(level: ArmLevel) -> bool {
    level != ArmLevel::Any
}

impl Deliver for Cq {
    fn deliver(self: Arc<Self>) {
        // Closing waits for this call: the close callback is the last one.
        let Some(_hold) = self.life.try_hold() else {
            self.events.deliver(|| ());
            return;
        };
        self.events.deliver(|| {
            // Relaxed: the event counter's read-modify-writes order it.
            if self.fired.swap(0, Ordering::Relaxed) != 0 && !self.life.is_closing() {
                self.tell();
            }
        });
    }
}

impl Drop for Cq {
    fn drop(&mut self) {
        if lock(&self.book).armed.is_some_and(is_watched) {
            self.adapter.watched.fetch_sub(1, Ordering::Relaxed); // a hint for the thread
        }
    }
}

impl fmt::Debug for Cq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cq").field("depth", &self.depth()).field("key", &self.key).finish_non_exhaustive()
    }
}
