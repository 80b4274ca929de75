//! Where a device's time comes from.

use crate::sync::{AtomicU64, Ordering};
use crate::time::{Span, Time};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The clock of a NET.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The machine's monotonic clock, since that instant.
    System(Instant),
    /// A clock that moves when it is told to.
    Manual(ManualClock),
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    pub(crate) fn system() -> Self {
        Self::System(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    pub(crate) fn now(&self) -> Time {
        match self {
            Self::System(origin) => Time::ZERO + Span::from(origin.elapsed()),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// Both are the same clock.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::System(_), Self::System(_)) => true,
            (Self::Manual(one), Self::Manual(other)) => Arc::ptr_eq(&one.0, &other.0),
            _ => false,
        }
    }
}

/// When a thread of the user has waited for `limit`: by the machine's clock, whatever its NET goes by.
///
/// `None`: later than the machine can say.
#[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
pub(crate) fn real_deadline(limit: Duration) -> Option<Instant> {
    Instant::now().checked_add(limit)
}

/// What a manual clock tells when it has moved.
pub(crate) trait Watch: Send + Sync {
    fn moved(&self);
}

#[derive(Default)]
struct Hands {
    nanos: AtomicU64,
    watchers: Mutex<Vec<Weak<dyn Watch>>>,
}

/// A clock for tests: it stands still until it is advanced, and time limits run by it alone.
///
/// Clones are the same clock.
#[derive(Clone, Default)]
pub struct ManualClock(Arc<Hands>);

impl ManualClock {
    /// A clock that stands at its beginning.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_nanos(self.0.nanos.load(Ordering::Acquire)) // pairs with `advance`
    }

    /// Moves the clock on; what is due by then is done soon, on the helper thread of each NET that goes by
    /// it.
    pub fn advance(&self, by: std::time::Duration) {
        // AcqRel: who sees the new time sees what its mover did before.
        self.0.nanos.fetch_add(Span::from(by).as_nanos(), Ordering::AcqRel);
        let watchers: Vec<_> = {
            let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
            watchers.retain(|watcher| watcher.strong_count() > 0);
            watchers.iter().filter_map(Weak::upgrade).collect()
        };
        watchers.iter().for_each(|watcher| watcher.moved());
    }

    pub(crate) fn watch(&self, watcher: Weak<dyn Watch>) {
        self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({} ns)", self.now().as_nanos())
    }
}
