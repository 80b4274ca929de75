//! The completion queue: entries, arm, moderation and overrun.
//!
//! Levels of arming: none < errors < solicited < any. Producer and consumer each write first and look
//! afterwards, with a full fence between (publish, fence, look at the arm; arm, fence, look at the entries),
//! so one of them sees the other and no wake-up is lost. One arm fires at most once: its taking is a
//! compare-and-swap to none, and the winner notifies.
//!
//! A queue that is moderated *holds* an arm that is satisfied: the arm's word then says up to which ticket.
//! Whoever holds it fences and looks at the tail, whoever pushes looks at the arm as ever, so the notice
//! comes when so many entries have come; a clock, which is not here, may [release](CompletionRing::release)
//! it before. Further arms merge into one that is held.
//!
//! A completion queue that overran or failed stays so: entries that fitted can be polled, nothing is
//! overwritten, each push is told, and every arm fires at once.

pub use super::entries::Class;
use super::entries::{Crowded, EntryRing, TICKET};
use super::slots::Payload;
use crate::sync::{AtomicU64, Mutex, Ordering, fence, mutant, ord, recheck};
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
/// The arm is satisfied and held back until the tail has reached the ticket in the lower bits.
const HELD: u64 = 1 << 63;

/// Whether an arm was satisfied, and when its user is to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "who is told Now delivers the one notification"]
pub enum Notice {
    /// No arm was, or somebody else delivers.
    None,
    /// The caller delivers the notification.
    Now,
    /// It is held back until more entries have come: the caller sees to its being released in time.
    Later,
}

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
    broken: bool,
}

/// A completion ring with an arm.
#[derive(Debug)]
pub struct CompletionRing {
    entries: EntryRing,
    arm: CachePadded<AtomicU64>,
    /// Tickets below were in the queue when the last notification was delivered.
    notified: CachePadded<AtomicU64>,
    /// So many entries satisfy an arm together; 0 or 1: each does at once.
    moderation: AtomicU64,
    /// One resize at a time.
    control: Mutex<()>,
}

impl CompletionRing {
    /// A ring that holds `depth` entries, at least 1.
    pub fn new(depth: u32) -> Self {
        Self {
            entries: EntryRing::new(depth, 0, 0),
            arm: CachePadded::new(AtomicU64::new(UNARMED)),
            notified: CachePadded::new(AtomicU64::new(0)),
            moderation: AtomicU64::new(0),
            control: Mutex::new(()),
        }
    }

    /// In a model with one poller: lets loom watch when payloads are written and read.
    #[cfg(qpair_loom)]
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.entries.watch_payload();
        self
    }

    /// Entries that fit now.
    pub fn depth(&self) -> u64 {
        self.entries.depth()
    }

    /// Changes how many entries fit, at least 1, under traffic: none is lost or doubled, and the arm stays.
    ///
    /// An overrun is judged by the old depth or by the new, never by both. Control: locks, and allocates
    /// where the queue was never so deep; what it once needed it keeps.
    ///
    /// # Errors
    /// [`Crowded`]: more entries than that are in the queue; nothing has changed.
    pub fn resize(&self, depth: u32) -> Result<(), Crowded> {
        // A panic below this lock leaves at most an unused segment.
        let _one_at_a_time = self.control.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.entries.resize(depth)
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

    /// The queue was made to [fail](CompletionRing::fail).
    pub fn has_failed(&self) -> bool {
        self.entries.has_failed()
    }

    /// Has the queue take no entry any more; true for the first call, which [announces](Self::announce) it.
    pub fn fail(&self, note: &mut Announcement) -> bool {
        let first = self.entries.fail();
        note.broken |= first;
        first
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
                        note.broken |= first;
                        return Pushed::Overrun { first };
                    }
                    None => continue,
                }
            }
            let (now, later) = rest.split_at(claim.count as usize);
            let segment = self.entries.segment_of(claim);
            for (ticket, (class, payload)) in (claim.first()..).zip(now) {
                segment.publish(ticket, *class, payload);
                note.class = note.class.max(*class);
            }
            // From the end of the first batch: entries of others in between are uncovered by it too.
            let end = claim.first() + claim.count;
            note.from = mutant!(ScanFromLast => Some(end), note.from.or(Some(end)));
            rest = later;
        }
        Pushed::All
    }

    /// Looks at the arm once for everything pushed since.
    #[inline]
    pub fn announce(&self, note: Announcement) -> Notice {
        if note.broken {
            fence!(OverrunFence, "overrun before looking at the arm");
            return self.fire(ArmLevel::Errors);
        }
        let Some(from) = note.from else { return Notice::None };
        fence!(AnnounceFence, "publish before looking at the arm");
        // Relaxed: the fence orders it; firing is a compare-and-swap.
        let armed = self.arm.load(Ordering::Relaxed);
        if armed <= ArmLevel::Errors as u64 {
            return Notice::None;
        }
        if armed & HELD != 0 {
            return self.release_reached(armed);
        }
        // A solicited entry behind an unpublished one has fired for nothing: who fills the gap fires for it.
        let uncovered = mutant!(AnnounceWithoutScan => None, self.entries.strongest_from(from));
        let class = note.class.max(uncovered.unwrap_or_default());
        self.satisfy(level_of(class))
    }

    /// An entry has come that satisfies an arm of that level.
    fn satisfy(&self, level: ArmLevel) -> Notice {
        // Relaxed: a setting; who changes it releases what is held by the old one.
        let count = self.moderation.load(Ordering::Relaxed);
        if count <= 1 { self.fire(level) } else { self.hold(level, count) }
    }

    /// Takes the arm if it is at least `level`, held or not.
    fn fire(&self, level: ArmLevel) -> Notice {
        let mut armed = self.arm.load(Ordering::Relaxed); // the compare-and-swap decides
        while armed >= level as u64 {
            let order = ord!(FireCas: Acquire, "what the armer did before is visible to who fires");
            if mutant!(FireWithoutCas => true, false) {
                self.arm.swap(UNARMED, order);
                return Notice::Now;
            }
            // Relaxed: a failure reads nothing through the arm.
            match self.arm.compare_exchange(armed, UNARMED, order, Ordering::Relaxed) {
                Ok(_) => return Notice::Now,
                Err(now) => armed = now,
            }
        }
        Notice::None
    }

    /// Holds the arm if it is at least `level`, until `count` entries are in the queue that no notification
    /// has covered, those that are polled meanwhile included.
    #[inline(never)] // few queues are moderated
    fn hold(&self, level: ArmLevel, count: u64) -> Notice {
        let new = self.entries.head().max(self.notified.load(Ordering::Relaxed)); // as in `newest_class`
        let target = new.saturating_add(count.min(self.entries.depth()).max(1)).min(TICKET);
        let target = if count > TICKET { TICKET } else { target };
        let mut armed = self.arm.load(Ordering::Relaxed); // the compare-and-swap decides
        loop {
            if armed & HELD != 0 {
                return self.release_reached(armed);
            }
            if armed < level as u64 {
                return Notice::None;
            }
            let held = HELD | target;
            // Relaxed: who releases it acquires what the armer did, through this read-modify-write.
            let relaxed = Ordering::Relaxed;
            match self.arm.compare_exchange(armed, held, relaxed, relaxed) {
                Ok(_) => {
                    fence!(
                        HoldFence,
                        "hold before looking at the tail: a push sees the arm held, or its ticket is seen"
                    );
                    return match recheck!(HoldRecheck, self.entries.tail() >= target) {
                        true => self.take_held(held),
                        false => Notice::Later,
                    };
                }
                Err(now) => armed = now,
            }
        }
    }

    /// Takes the held arm if enough entries have come.
    #[inline(never)] // few queues are moderated
    fn release_reached(&self, held: u64) -> Notice {
        if self.entries.tail() < held & TICKET {
            return Notice::None;
        }
        self.take_held(held)
    }

    fn take_held(&self, held: u64) -> Notice {
        let order = ord!(HeldCas: Acquire, "what the armer did before is visible to who fires");
        if mutant!(ReleaseWithoutCas => true, false) {
            self.arm.swap(UNARMED, order);
            return Notice::Now;
        }
        // Relaxed: a failure reads nothing through the arm.
        match self.arm.compare_exchange(held, UNARMED, order, Ordering::Relaxed) {
            Ok(_) => Notice::Now,
            Err(_) => Notice::None,
        }
    }

    /// Takes an arm that is held, however many entries have come: its time is over.
    pub fn release(&self) -> Notice {
        let armed = self.arm.load(Ordering::Relaxed); // the compare-and-swap decides
        if armed & HELD == 0 { Notice::None } else { self.take_held(armed) }
    }

    /// Entries that an arm which is held still waits for; `None`: none is held.
    pub fn held_for(&self) -> Option<u64> {
        let armed = self.arm.load(Ordering::Relaxed); // the caller's lock orders it against its own releases
        (armed & HELD != 0).then(|| (armed & TICKET).saturating_sub(self.entries.tail()))
    }

    /// From now on holds an arm until `count` entries have come; 0 or 1: not at all; `u64::MAX`: until it is
    /// released.
    ///
    /// What is held by an earlier count stays so: [release](Self::release) it.
    pub fn moderate(&self, count: u64) {
        self.moderation.store(count, Ordering::Relaxed); // a setting
    }

    /// Arms, or strengthens the arm; it may be satisfied already.
    ///
    /// Satisfied at once by an entry that is new since the last notification was delivered and that its level
    /// counts (NdkArmCq), and by an overrun.
    pub fn arm(&self, level: ArmLevel) -> Notice {
        let order = ord!(ArmMax: Release, "what I did before is visible to who fires");
        mutant!(ArmStore => self.arm.swap(level as u64, order), self.arm.fetch_max(level as u64, order));
        fence!(ArmFence, "arm before looking at the entries");
        if self.entries.is_broken() {
            return self.fire(ArmLevel::Errors);
        }
        match mutant!(ArmWithoutScan => None, self.newest_class()) {
            Some(class) => self.satisfy(level_in_doubt(class)),
            None => Notice::None,
        }
    }

    /// Looks at the arm once more, and takes what nobody is [sure](Class::Unsure) of for solicited.
    ///
    /// For who has heard that a solicited entry has come, but not which. The caller fences before.
    pub fn revisit(&self) -> Notice {
        match self.newest_class() {
            Some(class) => self.satisfy(level_in_doubt(class)),
            None => Notice::None,
        }
    }

    /// The arm that stands, if it is not held; it may be gone when the call returns.
    pub fn armed(&self) -> Option<ArmLevel> {
        // Relaxed: a hint; who arms looks after its arm itself.
        let armed = self.arm.load(Ordering::Relaxed);
        [ArmLevel::Errors, ArmLevel::Solicited, ArmLevel::Any]
            .into_iter()
            .find(|level| *level as u64 == armed)
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
    /// Call it before the user's code runs, so that an entry pushed from then on counts as new. An entry
    /// behind a gap stays new: its producer or the gap's fires for it.
    pub fn note_notified(&self) {
        self.notified.fetch_max(self.entries.published_end(), Ordering::Relaxed); // as where it is read
    }

    /// Takes up to `n` entries, oldest first; `copy` may be called again for the same index after a lost
    /// race.
    ///
    /// Lock-free. 0 says that at some moment nothing was published at the head.
    #[inline]
    pub fn poll(&self, n: usize, mut copy: impl FnMut(usize, Payload)) -> usize {
        self.entries.take(n, |index, entry| copy(index, entry.payload()), |head, count| Some(head + count))
    }
}

/// The weakest arm that an entry satisfies when it comes.
fn level_of(class: Class) -> ArmLevel {
    match class {
        Class::Ordinary | Class::Unsure => ArmLevel::Any,
        Class::Solicited => ArmLevel::Solicited,
    }
}

/// The same for an entry that nothing more will be said of: rather a notification too many than none.
fn level_in_doubt(class: Class) -> ArmLevel {
    match class {
        Class::Ordinary => ArmLevel::Any,
        Class::Unsure | Class::Solicited => ArmLevel::Solicited,
    }
}
