//! Shared receive queues.

#![forbid(unsafe_code)]

use super::receive::entries;
use super::shadow::Slot;
use super::{Adapter, Pd, lock};
use crate::backend::Refused;
use crate::device::callbacks::{Deliver, Outbox};
use crate::device::lifetime::{Hold, Life, Task};
use crate::device::qp::PostRefused;
use crate::device::srq::{SrqCallback, SrqDescription, SrqState};
use crate::ring::{Crowded, EventCounter};
use crate::sync::{AtomicU64, Ordering};
use crate::work::{CompletionKind, Sge};
use qpair_rdma_core as rdma;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A shared receive queue.
pub(crate) struct Srq {
    pub(crate) life: Arc<Life>,
    adapter: Arc<Adapter>,
    pub(super) srq: rdma::Srq,
    key: u64,
    depth: AtomicU64,
    sge: u32,
    /// Receives that were posted and have not completed, in places that their numbers name: queue pairs
    /// complete them in any order.
    places: Mutex<Places>,
    events: EventCounter,
    fired: AtomicU64,
    failed: AtomicU64,
    callback: Mutex<Option<Arc<SrqCallback>>>,
    notifies: bool,
    /// The threshold from the start, until so many receives have been queued; 0: none waits.
    unarmed: AtomicU64,
}

struct Places {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// Entries of the receives, as many places for each as there may be.
    entries: Vec<rdma::Sge>,
    sge: usize,
}

const NOTHING: rdma::Sge = rdma::Sge { address: 0, length: 0, lkey: 0 };

impl Places {
    fn of(depth: u32, sge: u32) -> Self {
        let (depth, sge) = (depth as usize, sge as usize);
        let entries = vec![NOTHING; depth * sge];
        Self { slots: vec![None; depth], free: (0..depth).rev().collect(), entries, sge }
    }

    fn taken(&self) -> u64 {
        (self.slots.len() - self.free.len()) as u64
    }

    /// Makes room for `depth`; places that are taken stay.
    fn resize(&mut self, depth: usize) {
        let more = self.slots.len()..depth.max(self.slots.len());
        self.free.extend(more.clone().rev());
        self.slots.resize(more.end, None);
        self.entries.resize(more.end * self.sge, NOTHING);
    }
}

impl Srq {
    pub(crate) fn new(pd: &Arc<Pd>, of: SrqDescription, holds: Vec<Hold>) -> Result<Arc<Self>, Refused> {
        let adapter = Arc::clone(&pd.adapter);
        let key = adapter.new_key();
        let description = rdma::SrqDescription { requests: of.depth, sge: of.sge.max(1), key };
        let srq = pd.pd.create_srq(&description)?;
        let notifies = of.callback.is_some();
        let srq = Arc::new(Self {
            life: Life::new(holds),
            adapter,
            srq,
            key,
            depth: AtomicU64::new(of.depth.into()),
            sge: of.sge,
            places: Mutex::new(Places::of(of.depth, of.sge)),
            events: EventCounter::new(),
            fired: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            callback: Mutex::new(of.callback.map(Arc::new)),
            notifies,
            unarmed: AtomicU64::new(if notifies { of.threshold.into() } else { 0 }),
        });
        srq.adapter.know_srq(key, &srq);
        Ok(srq)
    }

    pub(crate) fn post(&self, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        if sgl.len() > self.sge as usize {
            return Err(PostRefused::TooManyEntries { got: sgl.len(), max: self.sge });
        }
        let depth = self.depth();
        let mut places = lock(&self.places);
        let place = if places.taken() < depth { places.free.pop() } else { None };
        let Some(place) = place else { return Err(PostRefused::Full { depth }) };
        // In place of a length, which is not known yet, how many entries there are.
        let slot = Slot { context, kind: CompletionKind::Receive, silent: false, length: sgl.len() as u32 };
        places.slots[place] = Some(slot);
        let list = entries(sgl);
        let from = place * places.sge;
        places.entries[from..from + sgl.len()].copy_from_slice(&list[..sgl.len()]);
        if let Err(error) = self.srq.post(place as u64 | super::qp::SHARED, &list[..sgl.len()]) {
            tracing::warn!(%error, "a shared receive was refused");
            places.slots[place] = None;
            places.free.push(place);
            return Err(PostRefused::Full { depth });
        }
        let unarmed = self.unarmed.load(Ordering::Relaxed); // written below this lock, and by `modify`
        if unarmed != 0 && places.taken() >= unarmed {
            self.unarmed.store(0, Ordering::Relaxed); // as above
            drop(places);
            self.arm(unarmed as u32);
        }
        Ok(())
    }

    /// Has the device tell when fewer receives are queued. Once in the life of a threshold, so that it may
    /// stand on the way of a post.
    #[cold]
    fn arm(&self, threshold: u32) {
        if let Err(error) = self.srq.set_limit(threshold) {
            tracing::error!(%error, "a threshold is not armed");
        }
    }

    /// Looks at where the bytes of a receive that has not completed go.
    pub(super) fn with_entries<R>(&self, number: u64, look: impl FnOnce(&[rdma::Sge]) -> R) -> Option<R> {
        let places = lock(&self.places);
        let place = number as usize;
        let slot = places.slots.get(place)?.as_ref()?;
        let from = place * places.sge;
        Some(look(&places.entries[from..from + slot.length as usize]))
    }

    /// The receive of that number has completed.
    pub(super) fn retire(&self, number: u64) -> Option<Slot> {
        let mut places = lock(&self.places);
        let slot = places.slots.get_mut(number as usize)?.take()?;
        places.free.push(number as usize);
        Some(slot)
    }

    pub(crate) fn modify(self: &Arc<Self>, depth: u32, threshold: u32) -> Result<(), Refused> {
        let queued = self.len();
        if depth != 0 {
            if queued > depth.into() {
                return Err(Crowded { entries: queued }.into());
            }
            self.srq.resize(depth)?;
            lock(&self.places).resize(depth as usize);
            self.depth.store(depth.into(), Ordering::Relaxed); // a figure
        }
        if threshold == 0 || !self.notifies {
            return Ok(());
        }
        self.unarmed.store(0, Ordering::Relaxed); // this threshold takes its place
        if queued < threshold.into() || self.state() == SrqState::Fatal {
            self.fire(); // a device tells only of those that come to be fewer
            return Ok(());
        }
        Ok(self.srq.set_limit(threshold)?)
    }

    /// The device has fewer receives than the threshold.
    pub(super) fn limit_reached(self: &Arc<Self>) {
        self.fire();
    }

    pub(crate) fn fail(self: &Arc<Self>) {
        self.failed.store(1, Ordering::Release); // pairs with `state`
        self.fire();
    }

    fn fire(self: &Arc<Self>) {
        self.fired.fetch_add(1, Ordering::Relaxed); // the counter's read-modify-writes order it
        if self.events.raise() {
            let mut outbox = Outbox::new();
            outbox.push(Arc::clone(self) as Arc<dyn Deliver>);
            outbox.emit();
        }
    }

    pub(crate) fn state(&self) -> SrqState {
        // Acquire: pairs with `fail`.
        if self.failed.load(Ordering::Acquire) == 0 { SrqState::Working } else { SrqState::Fatal }
    }

    pub(crate) fn depth(&self) -> u64 {
        self.depth.load(Ordering::Relaxed) // a figure
    }

    /// Receives posted and not completed; those that a message is arriving in count, and those whose
    /// completion nobody has polled.
    pub(crate) fn len(&self) -> u64 {
        lock(&self.places).taken()
    }

    pub(crate) fn close(self: &Arc<Self>, callback: Option<Task>) {
        let srq = Arc::clone(self);
        self.life.set_teardown(move || srq.adapter.forget_srq(srq.key));
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
        let closure = lock(&self.callback).take();
        drop(closure);
    }
}

impl Deliver for Srq {
    fn deliver(self: Arc<Self>) {
        // Closing waits for this call: the close callback is the last one.
        let Some(_hold) = self.life.try_hold() else {
            self.events.deliver(|| ());
            return;
        };
        self.events.deliver(|| {
            // Relaxed: the event counter's read-modify-writes order it.
            if self.fired.swap(0, Ordering::Relaxed) != 0 && !self.life.is_closing() {
                let callback = lock(&self.callback).clone();
                if let Some(callback) = callback {
                    callback(self.state());
                }
            }
        });
    }
}

impl fmt::Debug for Srq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srq").field("depth", &self.depth()).field("len", &self.len()).finish_non_exhaustive()
    }
}
