//! The completion queue: entries, arm and overrun.
//!
//! Levels of arming: none < errors < solicited < any. Producer and consumer each write first and look
//! afterwards, with a full fence between (publish, fence, look at the arm; arm, fence, look at the entries),
//! so one of them sees the other and no wake-up is lost. One arm fires at most once: its taking is a
//! compare-and-swap to none, and the winner notifies.
//!
//! A completion queue that overran stays so: entries that fitted can be polled, nothing is overwritten, each
//! push is told, and every arm fires at once.

pub use super::entries::Class;
use super::entries::EntryRing;
use super::slots::Payload;
use crate::sync::{AtomicU64, Ordering, fence, mutant, ord};
use crossbeam_utils::CachePadded;

/// For which entries an armed queue notifies; stronger levels include the weaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u64)]
pub enum ArmLevel {
    /// Errors of the queue itself.
    Errors = 1,
    /// Also solicited entries and entries with an error.
    Solicited = 2,
    /// Every entry.
    Any = 3,
}

const UNARMED: u64 = 0;

/// What a push says to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// All entries are in the queue.
    All,
    /// Some did not fit: the queue has overrun. `first`: this push found it out and reports it.
    Overrun {
        /// True for exactly one push of the queue's life.
        first: bool,
    },
}

/// What was pushed since the arm was last looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Announcement {
    from: Option<u64>,
    class: Class,
    overrun: bool,
}

/// A completion ring with an arm.
#[derive(Debug)]
pub struct CompletionRing {
    entries: EntryRing,
    arm: CachePadded<AtomicU64>,
    /// Tickets below were in the queue when the last notification was delivered.
    notified: CachePadded<AtomicU64>,
}

impl CompletionRing {
    /// A ring that holds `depth` entries, at least 1.
    pub fn new(depth: u32) -> Self {
        Self {
            entries: EntryRing::new(depth, 0),
            arm: CachePadded::new(AtomicU64::new(UNARMED)),
            notified: CachePadded::new(AtomicU64::new(0)),
        }
    }

    /// In a model with one poller: lets loom watch when payloads are written and read.
    #[cfg(qpair_loom)]
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.entries.watch_payload();
        self
    }

    /// Entries that fit.
    pub fn depth(&self) -> u64 {
        self.entries.depth()
    }

    /// Entries in the queue, at some moment during the call.
    pub fn len(&self) -> u64 {
        self.entries.len()
    }

    /// Entries taken out so far.
    pub fn polled(&self) -> u64 {
        self.entries.head()
    }

    /// No entry is in the queue, at some moment during the call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The queue has overrun.
    pub fn has_overrun(&self) -> bool {
        self.entries.has_overrun()
    }

    /// Pushes entries of one queue, in order; the arm is looked at by [`announce`](CompletionRing::announce).
    #[inline]
    pub fn push(&self, batch: &[(Class, Payload)], note: &mut Announcement) -> Pushed {
        let mut rest = batch;
        while !rest.is_empty() {
            let Ok(claim) = self.entries.claim(rest.len() as u64) else {
                return Pushed::Overrun { first: false };
            };
            if claim.count == 0 {
                match self.entries.set_overrun(claim) {
                    Some(first) => {
                        note.overrun |= first;
                        return Pushed::Overrun { first };
                    }
                    None => continue,
                }
            }
            let (now, later) = rest.split_at(claim.count as usize);
            for (ticket, (class, payload)) in (claim.first..).zip(now) {
                self.entries.publish(ticket, *class, payload, &[]);
                note.class = note.class.max(*class);
            }
            // From the end of the first batch: entries of others in between are uncovered by it too.
            let end = claim.first + claim.count;
            note.from = mutant!(ScanFromLast => Some(end), note.from.or(Some(end)));
            rest = later;
        }
        Pushed::All
    }

    /// Looks at the arm once for everything pushed since; true: the caller delivers the one notification.
    #[inline]
    #[must_use]
    pub fn announce(&self, note: Announcement) -> bool {
        if note.overrun {
            fence!(OverrunFence, "overrun before looking at the arm");
            return self.fire(ArmLevel::Errors);
        }
        let Some(from) = note.from else { return false };
        fence!(AnnounceFence, "publish before looking at the arm");
        // Relaxed: the fence orders it; firing is a compare-and-swap.
        if self.arm.load(Ordering::Relaxed) <= ArmLevel::Errors as u64 {
            return false;
        }
        // A solicited entry behind an unpublished one has fired for nothing: who fills the gap fires for it.
        let uncovered = mutant!(AnnounceWithoutScan => None, self.entries.strongest_from(from));
        let class = note.class.max(uncovered.unwrap_or_default());
        self.fire(level_of(class))
    }

    /// Takes the arm if it is at least `level`.
    fn fire(&self, level: ArmLevel) -> bool {
        let mut armed = self.arm.load(Ordering::Relaxed); // the compare-and-swap decides
        while armed >= level as u64 {
            let order = ord!(FireCas: Acquire, "what the armer did before is visible to who fires");
            if mutant!(FireWithoutCas => true, false) {
                self.arm.swap(UNARMED, order);
                return true;
            }
            // Relaxed: a failure reads nothing through the arm.
            match self.arm.compare_exchange(armed, UNARMED, order, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => armed = now,
            }
        }
        false
    }

    /// Arms, or strengthens the arm; true: it is satisfied already and the caller delivers the notification.
    ///
    /// Satisfied at once by an entry that is new since the last notification was delivered and that its level
    /// counts (NdkArmCq), and by an overrun.
    #[must_use]
    pub fn arm(&self, level: ArmLevel) -> bool {
        let order = ord!(ArmMax: Release, "what I did before is visible to who fires");
        mutant!(ArmStore => self.arm.swap(level as u64, order), self.arm.fetch_max(level as u64, order));
        fence!(ArmFence, "arm before looking at the entries");
        if self.entries.has_overrun() {
            return self.fire(ArmLevel::Errors);
        }
        match mutant!(ArmWithoutScan => None, self.newest_class()) {
            Some(class) => self.fire(level_of(class)),
            None => false,
        }
    }

    /// Strongest class among the entries that no notification has covered yet; `None` if there is none.
    fn newest_class(&self) -> Option<Class> {
        // Relaxed: too small a value only makes an entry look newer; the entries' own words order what is
        // read.
        let notified = self.notified.load(Ordering::Relaxed);
        self.entries.strongest_from(self.entries.head().max(notified))
    }

    /// Notes that a notification is being delivered: what is in the queue now is old to the next arm.
    ///
    /// Call it before the user's code runs, so that an entry pushed from then on counts as new.
    pub fn note_notified(&self) {
        self.notified.fetch_max(self.published_end(), Ordering::Relaxed); // as where it is read
    }

    /// Ticket after the last of the entries published without a gap.
    ///
    /// An entry behind a gap stays new: its producer or the gap's fires for it.
    fn published_end(&self) -> u64 {
        let head = self.entries.head();
        let published =
            (head..head + self.entries.depth()).take_while(|ticket| self.entries.is_published(*ticket));
        head + published.count() as u64
    }

    /// Takes up to `n` entries, oldest first; `copy` may be called again for the same index after a lost
    /// race.
    ///
    /// Lock-free. 0 says that at some moment nothing was published at the head.
    #[inline]
    pub fn poll(&self, n: usize, mut copy: impl FnMut(usize, Payload)) -> usize {
        self.entries.take(n, |index, payload, _| copy(index, payload))
    }
}

fn level_of(class: Class) -> ArmLevel {
    match class {
        Class::Ordinary => ArmLevel::Any,
        Class::Solicited => ArmLevel::Solicited,
    }
}
