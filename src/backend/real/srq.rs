//! Shared receive queues.
//!
//! Receives lie in [`Places`] that their numbers name: queue pairs complete them in any order. A post and a
//! completion take no lock here, but for the one post in the life of a queue that arms its first threshold.

#![forbid(unsafe_code)]

use super::receive::entries;
use super::{Adapter, Pd, capabilities, lock};
use crate::backend::Refused;
use crate::device::callbacks::{Deliver, Outbox};
use crate::device::lifetime::{Hold, Life, Task};
use crate::device::notifier::{Notifier, Notify};
use crate::device::qp::PostRefused;
use crate::device::srq::{SrqDescription, SrqState};
use crate::ring::{Places, Words};
use crate::sync::{AtomicU64, Ordering};
use crate::work::Sge;
use qpair_rdma_core as rdma;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A shared receive queue.
pub(crate) struct Srq {
    pub(crate) life: Arc<Life>,
    adapter: Arc<Adapter>,
    pub(super) srq: rdma::Srq,
    key: u64,
    sge: u32,
    /// Receives that were posted and have not completed.
    places: Places,
    /// One change of depth and threshold at a time.
    control: Mutex<()>,
    notifier: Notifier<SrqState>,
    failed: AtomicU64,
    /// The threshold from the start, until so many receives have been queued; 0: none waits.
    unarmed: AtomicU64,
}

/// Words of a place: the context, how many entries there are, and two for each.
const CONTEXT: usize = 0;
const COUNT: usize = 1;
const ENTRIES: usize = 2;

fn write(words: &mut Words<'_>, context: u64, list: &[rdma::Sge]) {
    words.set(CONTEXT, context);
    words.set(COUNT, list.len() as u64);
    for (at, entry) in (ENTRIES..).step_by(2).zip(list) {
        words.set(at, entry.address);
        words.set(at + 1, u64::from(entry.length) << 32 | u64::from(entry.lkey));
    }
}

fn read_entry(words: &Words<'_>, index: usize) -> rdma::Sge {
    let at = ENTRIES + 2 * index;
    let (address, rest) = (words.get(at), words.get(at + 1));
    rdma::Sge { address, length: (rest >> 32) as u32, lkey: rest as u32 }
}

impl Srq {
    pub(crate) fn new(pd: &Arc<Pd>, of: SrqDescription, holds: Vec<Hold>) -> Result<Arc<Self>, Refused> {
        let adapter = Arc::clone(&pd.adapter);
        let key = adapter.new_key();
        let description = rdma::SrqDescription { requests: of.depth, sge: of.sge.max(1), key };
        let srq = pd.pd.create_srq(&description)?;
        let notifier = Notifier::new(of.callback.map_or(Notify::Nobody, Notify::Callback));
        let unarmed = if notifier.is_heard { of.threshold.into() } else { 0 };
        let srq = Arc::new(Self {
            life: Life::new(holds),
            adapter,
            srq,
            key,
            sge: of.sge,
            places: Places::new(of.depth, ENTRIES + 2 * of.sge as usize),
            control: Mutex::new(()),
            notifier,
            failed: AtomicU64::new(0),
            unarmed: AtomicU64::new(unarmed),
        });
        srq.adapter.know_srq(key, &srq);
        Ok(srq)
    }

    pub(crate) fn post(&self, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        if sgl.len() > self.sge as usize {
            return Err(PostRefused::TooManyEntries { got: sgl.len(), max: self.sge });
        }
        let list = entries(sgl);
        let list = &list[..sgl.len()];
        let full = || PostRefused::Full { depth: self.depth() };
        let taken = self.places.take(|words| write(words, context, list)).ok_or_else(full)?;
        if let Err(error) = self.srq.post(taken.number | super::qp::SHARED, list) {
            tracing::warn!(%error, "a shared receive was refused");
            self.places.retire(taken.number, |_| ());
            return Err(full());
        }
        let unarmed = self.unarmed.load(Ordering::Relaxed); // `arm` looks again
        if unarmed != 0 && taken.count >= unarmed {
            self.arm();
        }
        Ok(())
    }

    /// Has the device tell when fewer receives are queued than the threshold from the start. Once in the life
    /// of a queue, so that a call of the kernel and a lock may stand on the way of a post.
    #[cold]
    fn arm(&self) {
        // A later threshold would be overwritten else.
        let _one_at_a_time = lock(&self.control);
        let threshold = self.unarmed.swap(0, Ordering::Relaxed); // changed below this lock only
        if threshold == 0 {
            return;
        }
        if let Err(error) = self.srq.set_limit(threshold as u32) {
            tracing::error!(%error, "a threshold is not armed");
        }
    }

    /// Looks at where the bytes of a receive that has not completed go.
    pub(super) fn with_entries<R>(&self, number: u64, look: impl FnOnce(&[rdma::Sge]) -> R) -> Option<R> {
        let read = |words: &Words<'_>| {
            let count = words.get(COUNT) as usize;
            let mut list = [rdma::Sge { address: 0, length: 0, lkey: 0 }; capabilities::SGE as usize];
            let list = &mut list[..count];
            list.iter_mut().enumerate().for_each(|(index, entry)| *entry = read_entry(words, index));
            look(list)
        };
        self.places.look(number, read)
    }

    /// The receive of that number has completed; its context. `None`: it had before, or there is none.
    pub(super) fn retire(&self, number: u64) -> Option<u64> {
        self.places.retire(number, |words| words.get(CONTEXT))
    }

    /// Changes the depth, and arms the threshold, each unless it is 0.
    pub(crate) fn modify(self: &Arc<Self>, depth: u32, threshold: u32) -> Result<(), Refused> {
        let threshold = if self.notifier.is_heard { threshold } else { 0 };
        let tells = {
            let _one_at_a_time = lock(&self.control);
            if depth != 0 {
                self.resize(depth)?;
            }
            threshold != 0 && self.set_threshold(threshold)?
        };
        if tells {
            self.fire(); // the lock is free: the callback may call this
        }
        Ok(())
    }

    /// Changes the depth: at no time are more receives let in than the device takes.
    fn resize(&self, depth: u32) -> Result<(), Refused> {
        let before = self.places.depth();
        if depth < before {
            self.places.resize(depth)?;
        }
        if let Err(error) = self.srq.resize(depth) {
            self.places.resize(before)?;
            return Err(error.into());
        }
        self.places.resize(depth)?;
        Ok(())
    }

    /// True: the user is to be told now; a device tells only of those that come to be fewer.
    fn set_threshold(&self, threshold: u32) -> Result<bool, Refused> {
        self.unarmed.store(0, Ordering::Relaxed); // this threshold takes its place, below the lock
        if self.len() < threshold.into() || self.state() == SrqState::Fatal {
            return Ok(true);
        }
        self.srq.set_limit(threshold)?;
        Ok(false)
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
        let mut outbox = Outbox::new();
        self.notifier.fire(self, &mut outbox);
        outbox.emit();
    }

    pub(crate) fn state(&self) -> SrqState {
        // Acquire: pairs with `fail`.
        if self.failed.load(Ordering::Acquire) == 0 { SrqState::Working } else { SrqState::Fatal }
    }

    pub(crate) fn depth(&self) -> u64 {
        self.places.depth().into()
    }

    /// Receives posted and not completed; those that a message is arriving in count, and those whose
    /// completion nobody has polled.
    pub(crate) fn len(&self) -> u64 {
        self.places.taken()
    }

    pub(crate) fn close(self: &Arc<Self>, callback: Option<Task>) {
        let srq = Arc::clone(self);
        self.life.set_teardown(move || srq.adapter.forget_srq(srq.key));
        let mut outbox = Outbox::new();
        self.life.begin_close(callback, &mut outbox);
        outbox.emit();
        self.notifier.silence();
    }
}

impl Deliver for Srq {
    fn deliver(self: Arc<Self>) {
        self.notifier.deliver(&self.life, || (), || self.notifier.tell(self.state()));
    }
}

impl fmt::Debug for Srq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srq").field("depth", &self.depth()).field("len", &self.len()).finish_non_exhaustive()
    }
}
