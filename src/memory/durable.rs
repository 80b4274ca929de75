//! Memory whose bytes can be made stable: who does it, flushes that are under way, and what is in doubt.
//!
//! A [`Durable`] knows how; it comes from above and is tied to the [`Memory`] before that is registered. A
//! [`Flight`] is one flush that runs: it keeps the memory until the storage is done with it, whoever has
//! deregistered, cancelled or disconnected meanwhile. What a failed flush leaves behind is
//! [`Doubt`](super::doubt::Doubt).

use super::doubt::Doubt;
use super::{Memory, View};
use crate::sync::{AtomicU64, Ordering};
use crate::work::FlushPlacement;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What makes a range of a memory stable.
pub(crate) trait Durable: Send + Sync + fmt::Debug {
    /// Why nothing of it survives a loss of power, whatever is synced; `None`: what was synced does.
    fn volatile(&self) -> Option<&'static str>;

    /// Every store is visible, as it is made, to all who map the bytes.
    fn is_shared(&self) -> bool;

    /// Starts a flush, and ends it with [`Flight::end`] on any thread, perhaps within this call.
    ///
    /// Covers what was stored before the call. It may neither block nor call anybody back but by the end.
    fn start(&self, flight: Flight);

    /// How it is made stable, for people.
    fn describe(&self) -> String;
}

/// What a memory has that can be made stable.
#[derive(Debug)]
pub(crate) struct Persistence {
    durable: Arc<dyn Durable>,
    /// Flights that keep the memory.
    running: AtomicU64,
    doubt: Mutex<Doubt>,
}

impl Persistence {
    pub(super) fn new(durable: Arc<dyn Durable>) -> Arc<Self> {
        Arc::new(Self { durable, running: AtomicU64::new(0), doubt: Mutex::default() })
    }

    pub(super) fn durable(&self) -> &dyn Durable {
        &*self.durable
    }

    /// A flush keeps the memory still.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire) != 0 // pairs with the end of a flight: it has let go
    }

    pub(super) fn doubt(&self) -> MutexGuard<'_, Doubt> {
        self.doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a flush came to that was found allowed.
#[derive(Debug)]
pub(crate) enum Flush {
    /// Nothing has to be done for it.
    Done,
    /// Some of the range is in doubt and was not written again: it fails.
    InDoubt,
    /// To be started.
    Start(Box<Flight>),
}

/// How a flush ended that was started.
pub(crate) type Flushed = Result<(), NotStable>;

/// The storage failed; what that leaves in doubt has been noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotStable;

type Ended = Box<dyn FnOnce(Flushed) + Send>;

/// One flush that runs. Dropped, it has failed.
pub(crate) struct Flight {
    /// `None` only in its end.
    memory: Option<Arc<Memory>>,
    persistence: Arc<Persistence>,
    range: Range<usize>,
    placement: FlushPlacement,
    /// When it began, by the count of `persistence.doubt`.
    began: u64,
    /// Of the table that it comes from: how many failures there have been.
    failures: Arc<AtomicU64>,
    ended: Option<Ended>,
}

impl Flight {
    /// A flush of bytes of `memory`, or why there is none; `failures` counts those that are to come.
    pub(super) fn prepare(
        memory: &Arc<Memory>,
        range: Range<usize>,
        placement: FlushPlacement,
        failures: &Arc<AtomicU64>,
    ) -> Flush {
        let persistent = placement.contains(FlushPlacement::PERSISTENT);
        let Some(persistence) = memory.persistence() else { return Flush::Done };
        if range.is_empty() || !persistent && persistence.durable.is_shared() {
            return Flush::Done;
        }
        let began = {
            let doubt = persistence.doubt();
            if persistent && doubt.is_lost(&range) {
                return Flush::InDoubt;
            }
            doubt.now()
        };
        // Relaxed: who deregisters looks at it after the pass in which this is done.
        persistence.running.fetch_add(1, Ordering::Relaxed);
        Flush::Start(Box::new(Self {
            memory: Some(Arc::clone(memory)),
            persistence: Arc::clone(persistence),
            range,
            placement,
            began,
            failures: Arc::clone(failures),
            ended: None,
        }))
    }

    /// Starts it; `ended` is called once, on any thread, perhaps within this call.
    pub(crate) fn start(mut self, ended: impl FnOnce(Flushed) + Send + 'static) {
        self.ended = Some(Box::new(ended));
        let persistence = Arc::clone(&self.persistence);
        persistence.durable.start(self);
    }

    /// The bytes of the memory that are to become stable; at least one.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// They are to survive a loss of power; else all who map them are to see them.
    pub(crate) fn is_persistent(&self) -> bool {
        self.placement.contains(FlushPlacement::PERSISTENT)
    }

    /// All the bytes of the memory.
    #[cfg_attr(not(all(feature = "storage", unix)), expect(dead_code, reason = "storage reads it"))]
    pub(crate) fn view(&self) -> View<'_> {
        self.memory.as_ref().map_or(View::empty(), |memory| memory.view())
    }

    /// Ends it: done, or the bytes of the memory that are in doubt now.
    #[cfg_attr(
        not(any(test, all(feature = "storage", unix))),
        expect(dead_code, reason = "storage calls it")
    )]
    pub(crate) fn end(mut self, result: Result<(), Range<usize>>) {
        self.finish(result);
    }

    fn finish(&mut self, result: Result<(), Range<usize>>) {
        let Some(memory) = self.memory.take() else { return };
        let flushed = match result {
            Ok(()) => {
                if self.is_persistent() {
                    self.persistence.doubt().synced(&self.range, self.began);
                }
                Ok(())
            }
            Err(lost) => {
                // AcqRel: who reads the number before it writes has been told of this failure.
                let born = self.failures.fetch_add(1, Ordering::AcqRel) + 1;
                self.persistence.doubt().failed(lost, born);
                Err(NotStable)
            }
        };
        drop(memory);
        self.persistence.running.fetch_sub(1, Ordering::Release); // after the memory was let go
        if let Some(ended) = self.ended.take() {
            ended(flushed);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Nothing, where it has ended.
        let range = self.range();
        self.finish(Err(range));
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("range", &self.range).field("placement", &self.placement).finish()
    }
}
