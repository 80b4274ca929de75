//! Traffic of many threads over some queue pairs, and the accounts that must balance when it is over.

use super::super::world::End;
use super::Tally;
use crate::device::qp::{Data, Operation, PostRefused};
use crate::device::srq::Srq;
use crate::memory::Memory;
use crate::ring::ArmLevel;
use crate::work::{Completion, CompletionKind, RequestFlags, Sge, Status};
use event_listener::{Event, Listener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Completions of sends that may be unpolled, for each end: or else its queue would overrun.
const CREDIT: u64 = 24;
/// Receives that may be posted and unpolled, for each pool.
const SLOTS: usize = 24;
pub(super) const CQ_DEPTH: u32 = 64;
pub(super) const MEMORY: usize = 64 << 10;
const SLOT: usize = 64;
const SLOTS_AT: usize = MEMORY / 2;
/// Sources of one poster: more than its queue holds, so that none is overwritten before it was sent.
const SOURCES: u64 = 64;
const NO_PROGRESS: Duration = Duration::from_secs(20);

/// What a run is made of.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Threads that post to each send queue; every other one defers some of its requests.
    pub(super) posters: usize,
    pub(super) pollers: usize,
    /// Pollers arm and wait.
    pub(super) asleep: bool,
    /// Threads that flush, taking all ends in turn.
    pub(super) flushers: usize,
    /// Requests of each poster.
    pub(super) requests: u64,
}

/// Where the receives of an end, or of several that share a queue, take their buffers from.
pub(super) struct Pool {
    free: Mutex<Vec<usize>>,
    memory: Arc<Memory>,
    buffer: Sge,
    shared: Option<Arc<Srq>>,
    posted: Tally,
    done: Tally,
}

impl Pool {
    pub(super) fn of(end: &End) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::new((0..SLOTS).collect()),
            memory: Arc::clone(&end.memory),
            buffer: end.sge(SLOTS_AT..SLOTS_AT + SLOT),
            shared: end.srq.clone(),
            posted: Tally::default(),
            done: Tally::default(),
        })
    }

    fn sge(&self, slot: usize) -> Sge {
        Sge { address: self.buffer.address + (slot * SLOT) as u64, ..self.buffer }
    }

    fn words(&self, slot: usize) -> [u64; 2] {
        let mut bytes = [0; 16];
        self.memory.read(SLOTS_AT + slot * SLOT, &mut bytes).expect("inside of it");
        [0, 8].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")))
    }
}

/// A request of a poster: its context, and the words of its message.
fn context(poster: usize, number: u64) -> u64 {
    (poster as u64) << 32 | number
}

pub(super) struct Station {
    pub(super) end: End,
    pub(super) pool: Arc<Pool>,
    pub(super) sends: bool,
    /// By poster and request: times that it completed.
    ledger: Vec<Vec<Tally>>,
    unpolled: Tally,
}

pub(super) struct Traffic {
    shape: Shape,
    stations: Vec<Station>,
    posting: Tally,
    expected: Tally,
    completed: Tally,
    stop_receives: Tally,
    finished: Tally,
    moved: Tally,
    event: Event,
}

/// The requests that may succeed without a word.
fn is_silent(number: u64, requests: u64) -> bool {
    number % 5 == 3 && number + 1 < requests
}

impl Traffic {
    /// Stations are ends with what their receives are posted to, and whether they send.
    pub(super) fn new(shape: Shape, ends: Vec<(End, Arc<Pool>, bool)>) -> Arc<Self> {
        let row = || (0..shape.requests).map(|_| Tally::default()).collect::<Vec<_>>();
        let station = |(end, pool, sends)| Station {
            end,
            pool,
            sends,
            ledger: (0..shape.posters).map(|_| row()).collect(),
            unpolled: Tally::default(),
        };
        let stations: Vec<_> = ends.into_iter().map(station).collect();
        Arc::new(Self {
            shape,
            stations,
            posting: Tally::default(),
            expected: Tally::default(),
            completed: Tally::default(),
            stop_receives: Tally::default(),
            finished: Tally::default(),
            moved: Tally::default(),
            event: Event::new(),
        })
    }

    /// Runs it to its end and checks the accounts.
    pub(super) fn run(self: Arc<Self>) {
        let (mut senders, mut receivers, mut pollers) = (Vec::new(), Vec::new(), Vec::new());
        let mut pools: Vec<Arc<Pool>> = Vec::new();
        for (index, station) in self.stations.iter().enumerate() {
            for poster in 0..if station.sends { self.shape.posters } else { 0 } {
                self.posting.add(1);
                senders.push(self.spawn(move |traffic| traffic.post(index, poster)));
            }
            if !pools.iter().any(|pool| Arc::ptr_eq(pool, &station.pool)) {
                pools.push(Arc::clone(&station.pool));
                receivers.push(self.spawn(move |traffic| traffic.post_receives(index)));
            }
            pollers.extend((0..self.shape.pollers).map(|_| self.spawn(move |traffic| traffic.poll(index))));
        }
        for seed in 0..self.shape.flushers {
            senders.push(self.spawn(move |traffic| traffic.flush(seed)));
        }
        self.watch("sends", || self.posting.get() == 0 && self.completed.get() == self.expected.get());
        self.stop_receives.add(1);
        senders.into_iter().chain(receivers).for_each(|thread| thread.join().expect("no panic"));
        self.stations.iter().for_each(|station| station.end.qp.flush());
        self.watch("receives", || {
            pools.iter().all(|pool| {
                pool.posted.get() == pool.done.get() + pool.shared.as_ref().map_or(0, |srq| srq.len())
            })
        });
        self.finished.add(1);
        self.stations.iter().for_each(|station| station.end.cq.silence());
        pollers.into_iter().for_each(|thread| thread.join().expect("no panic"));
        self.balance();
    }

    fn spawn(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) -> thread::JoinHandle<()> {
        let traffic = Arc::clone(self);
        thread::spawn(move || work(&traffic))
    }

    /// Waits for it; panics with what can be seen from outside if nothing moves any more.
    fn watch(&self, what: &str, is_so: impl Fn() -> bool) {
        loop {
            let listener = self.event.listen();
            let before = self.moved.get();
            if is_so() {
                return;
            }
            if listener.wait_timeout(NO_PROGRESS).is_none() && before == self.moved.get() && !is_so() {
                let dump: Vec<_> = self.stations.iter().map(|s| (&s.end.qp, &s.end.cq, &s.end.srq)).collect();
                panic!("no progress of {what}; {:?}; {dump:#?}", (self.completed.get(), self.expected.get()));
            }
        }
    }

    fn balance(&self) {
        for station in &self.stations {
            let counters = station.end.qp.counters();
            assert_eq!((counters.sends_pending, counters.receives_pending, station.end.cq.len()), (0, 0, 0));
            for (number, tally) in station.ledger.iter().flat_map(|row| row.iter().enumerate()) {
                let silent = is_silent(number as u64, self.shape.requests);
                let completed = tally.get();
                assert!(
                    completed == 1 || !station.sends || silent && completed == 0,
                    "{number}: {completed}"
                );
            }
        }
    }

    fn post(&self, index: usize, poster: usize) {
        let station = &self.stations[index];
        for number in 0..self.shape.requests {
            let silent = is_silent(number, self.shape.requests);
            let deferred = poster % 2 == 1 && number % 4 != 0 && number + 1 < self.shape.requests;
            if !silent {
                while station.unpolled.get() >= CREDIT - self.shape.posters as u64 {
                    station.end.qp.expose_deferred();
                    thread::yield_now();
                }
                station.unpolled.add(1);
                self.expected.add(1);
            }
            let flags = if silent { RequestFlags::SILENT_SUCCESS } else { RequestFlags::NONE };
            while let Err(refused) = self.post_one(station, poster, number, flags, deferred) {
                assert!(matches!(refused, PostRefused::Full { .. }), "{refused:?}");
                thread::yield_now();
            }
        }
        self.posting.take(1);
        self.event.notify(usize::MAX);
    }

    fn post_one(
        &self,
        station: &Station,
        poster: usize,
        number: u64,
        flags: RequestFlags,
        deferred: bool,
    ) -> Result<(), PostRefused> {
        let context = context(poster, number);
        let qp = &station.end.qp;
        let word = context.to_le_bytes();
        if number % 3 == 0 {
            return qp.post_send(&Operation::Send, Data::Inline(&[&word, &word]), flags, deferred, context);
        }
        let at = (poster * SOURCES as usize + (number % SOURCES) as usize) * 16;
        station.end.memory.write(at, &[word, word].concat()).expect("inside of it");
        let sgl = [station.end.sge(at..at + 5), station.end.sge(at + 5..at + 16)];
        qp.post_send(&Operation::Send, Data::Sgl(&sgl), flags, deferred, context)
    }

    fn post_receives(&self, index: usize) {
        let Station { end, pool, .. } = &self.stations[index];
        while self.stop_receives.get() == 0 {
            let Some(slot) = pool.free.lock().expect("no panic").pop() else {
                thread::yield_now();
                continue;
            };
            let context = (slot as u64) << 32 | pool.posted.get();
            pool.posted.add(1);
            let posted = || match &pool.shared {
                Some(srq) => srq.post(context, &[pool.sge(slot)]),
                None => end.qp.post_receive(context, &[pool.sge(slot)]),
            };
            while let Err(refused) = posted() {
                assert!(matches!(refused, PostRefused::Full { .. }), "{refused:?}");
                if self.stop_receives.get() != 0 {
                    return pool.posted.take(1);
                }
                thread::yield_now();
            }
        }
    }

    fn flush(&self, seed: usize) {
        let (mut turn, mut last) = (seed, u64::MAX);
        while self.stop_receives.get() == 0 {
            let moved = self.moved.get();
            if moved / 16 == last {
                thread::yield_now(); // a flush now and then: some of the traffic is to arrive
                continue;
            }
            last = moved / 16;
            turn += 1;
            self.stations[turn % self.stations.len()].end.qp.flush();
        }
    }

    fn poll(&self, index: usize) {
        let end = &self.stations[index].end;
        let mut order = Order::default();
        let mut batch = [Completion::default(); 7];
        loop {
            let listener = self.shape.asleep.then(|| {
                let listener = end.cq.listen();
                end.cq.arm(ArmLevel::Any);
                listener
            });
            let count = end.cq.poll(&mut batch, |completion| *completion);
            if count == 0 {
                if self.finished.get() != 0 {
                    return;
                }
                match listener {
                    Some(listener) => listener.wait(),
                    None => thread::yield_now(),
                }
            }
            for completion in &batch[..count] {
                self.account(index, completion, &mut order);
                self.moved.add(1);
            }
            if count > 0 {
                self.event.notify(usize::MAX);
            }
        }
    }

    fn account(&self, index: usize, completion: &Completion, order: &mut Order) {
        let station = &self.stations[index];
        assert!(matches!(completion.status, Status::Success | Status::Flushed), "{completion:?}");
        let (high, low) = ((completion.context >> 32) as usize, completion.context & 0xffff_ffff);
        let alone = self.shape.pollers == 1;
        if completion.kind == CompletionKind::Receive {
            let pool = &station.pool;
            if alone && pool.shared.is_none() {
                order.check(0, low);
            }
            if completion.status == Status::Success {
                let [word, same] = pool.words(high);
                assert_eq!((word, completion.length), (same, 16));
                if alone {
                    order.check(100 + (word >> 32), word & 0xffff_ffff);
                }
            }
            pool.free.lock().expect("no panic").push(high);
            pool.done.add(1);
            return;
        }
        station.ledger[high][low as usize].add(1);
        if alone {
            order.check(200 + high as u64, low);
        }
        if is_silent(low, self.shape.requests) {
            assert_eq!(completion.status, Status::Flushed, "a silent success leaves nothing");
        } else {
            station.unpolled.take(1);
            self.completed.add(1);
        }
    }
}

/// The last number of each series: they only grow.
#[derive(Default)]
struct Order(std::collections::BTreeMap<u64, u64>);

impl Order {
    fn check(&mut self, series: u64, number: u64) {
        let last = self.0.insert(series, number);
        assert!(last.is_none_or(|last| last < number), "series {series}: {number} after {last:?}");
    }
}
