//! Completion queues: a ring, an arm, and how its user is told.

use super::Device;
use super::callbacks::{Deliver, Outbox};
use super::faults::{Delays, Faults};
use super::lifetime::Life;
use super::moderation::Moderation;
use super::notifier::{self, Notifier};
use super::qp::Qp;
use super::users::Users;
use crate::observe;
use crate::planted::planted;
use crate::ring::{Announcement, ArmLevel, Class, CompletionRing, Crowded, Notice, Payload, Pushed};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Time;
use crate::work::Completion;
use event_listener::EventListener;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What a notification says of its completion queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CqState {
    Working,
    /// More completions came than it holds: it and its queue pairs are dead.
    Overrun,
    /// It has failed: it and its queue pairs are dead.
    Fatal,
}

/// Who hears of a fired arm.
pub(crate) type Notify = notifier::Notify<CqState>;
/// Hears of a fired arm.
pub(crate) type Callback = notifier::Callback<CqState>;

/// A completion queue.
pub(crate) struct Cq {
    pub(crate) life: Arc<Life>,
    device: Arc<Device>,
    ring: CompletionRing,
    /// Fires for arms: an overrun that met none tells the queue pairs, not the user.
    notifier: Notifier<CqState>,
    users: Users,
    /// What delays its completions on purpose; mostly nothing.
    delays: OnceLock<Delays>,
    /// The queue pairs know that the queue is dead.
    users_told: AtomicU64,
    moderation: Mutex<Moderation>,
    /// Nanoseconds of the device's clock at which an arm was held last.
    held_since: AtomicU64,
    /// Arms held that no delivery has seen to yet.
    held: AtomicU64,
}

/// What a completion queue has done, each figure true at some moment during the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CqCounters {
    /// Completions taken out.
    pub(crate) polled: u64,
    /// Completions in it.
    pub(crate) entries: u64,
    /// Arms that fired and were told.
    pub(crate) notifications: u64,
}

impl Cq {
    pub(crate) fn new(device: Arc<Device>, life: Arc<Life>, depth: u32, notify: Notify) -> Arc<Self> {
        Arc::new(Self {
            life,
            device,
            ring: CompletionRing::new(depth),
            notifier: Notifier::new(notify),
            users: Users::default(),
            delays: OnceLock::new(),
            users_told: AtomicU64::new(0),
            moderation: Mutex::new(Moderation::OFF),
            held_since: AtomicU64::new(0),
            held: AtomicU64::new(0),
        })
    }

    /// Lets `faults` delay its completions; before any queue pair uses it.
    pub(crate) fn delay_by(&self, faults: Arc<Faults>) {
        self.delays.get_or_init(|| Delays::new(faults));
    }

    #[inline]
    pub(super) fn delays(&self) -> Option<&Delays> {
        self.delays.get()
    }

    /// Puts a completion that was delayed into the queue.
    pub(super) fn push_late(self: &Arc<Self>, entry: &(Class, Payload), outbox: &mut Outbox) {
        let mut note = Announcement::default();
        let fits = self.ring.push(std::slice::from_ref(entry), &mut note) == Pushed::All;
        if self.notifier.is_heard {
            self.heed(self.ring.announce(note), outbox);
        }
        if !fits {
            self.notifier.raise(self, outbox);
        }
    }

    pub(crate) fn depth(&self) -> u64 {
        self.ring.depth()
    }

    /// Completions in the queue, at some moment during the call.
    pub(crate) fn len(&self) -> u64 {
        self.ring.len()
    }

    /// Changes the depth under traffic; entries, their order and the arm stay. Control: locks and allocates.
    ///
    /// # Errors
    /// [`Crowded`]: more completions than that are in it; nothing has changed.
    pub(crate) fn resize(&self, depth: u32) -> Result<(), Crowded> {
        self.ring.resize(depth)?;
        if planted!(ResizeLosesEntry, "a resize loses the oldest entry") {
            self.ring.poll(1, |_, _| ());
        }
        Ok(())
    }

    /// Figures of the queue, read without stopping it.
    pub(crate) fn counters(&self) -> CqCounters {
        let (polled, entries) = (self.ring.polled(), self.ring.len());
        CqCounters { polled, entries, notifications: self.notifier.told() }
    }

    pub(crate) fn state(&self) -> CqState {
        match (self.ring.has_failed(), self.ring.has_overrun()) {
            (true, _) => CqState::Fatal,
            (false, true) => CqState::Overrun,
            (false, false) => CqState::Working,
        }
    }

    /// Takes up to `out.len()` completions, oldest first; lock-free.
    #[inline]
    pub(crate) fn poll<T>(&self, out: &mut [T], mut make: impl FnMut(&Completion) -> T) -> usize {
        self.ring.poll(out.len(), |index, payload| out[index] = make(&Completion::decode(&payload)))
    }

    /// Arms, or strengthens the arm; new completions that satisfy it notify at once.
    pub(crate) fn arm(self: &Arc<Self>, level: ArmLevel) {
        if self.notifier.is_heard {
            let notice = self.ring.arm(level);
            if !planted!(ArmLost, "an arm that finds a new entry is forgotten") {
                self.heed_alone(notice);
            }
        }
    }

    /// Holds notifications from now on as `moderation` says; one that is held already comes at once.
    ///
    /// Overrun, failure and close are never held back.
    pub(crate) fn moderate(self: &Arc<Self>, moderation: Moderation) {
        let notice = {
            // An arm that is held by the old rule, but only after this, is seen to by its delivery, which
            // takes the same lock.
            let mut rule = self.rule();
            *rule = moderation;
            self.ring.moderate(moderation.ring_count());
            self.ring.release()
        };
        self.heed_alone(notice);
    }

    /// Its time is over: what is held is told.
    pub(super) fn release_held(self: &Arc<Self>) {
        let notice = self.ring.release();
        self.heed_alone(notice);
    }

    /// The queue fails, for a reason of its own: its queue pairs go to error, every arm is answered with
    /// [`CqState::Fatal`], and no further completion comes. What is in it can be polled.
    pub(crate) fn fail(self: &Arc<Self>) {
        let mut note = Announcement::default();
        if !self.ring.fail(&mut note) {
            return;
        }
        let mut outbox = Outbox::new();
        if self.notifier.is_heard {
            self.heed(self.ring.announce(note), &mut outbox);
        }
        self.notifier.raise(self, &mut outbox);
        outbox.emit();
    }

    /// A wait for the next notification; listen first, then arm, then poll again, then wait.
    pub(crate) fn listen(&self) -> EventListener {
        self.notifier.listen()
    }

    pub(super) fn attach(&self, qp: &Arc<Qp>) {
        self.users.add(qp);
    }

    /// Drops the user's closure as soon as it is not running, and tells who still waits.
    pub(crate) fn silence(&self) {
        self.notifier.silence();
    }

    fn rule(&self) -> MutexGuard<'_, Moderation> {
        self.moderation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heed_alone(self: &Arc<Self>, notice: Notice) {
        if notice != Notice::None {
            let mut outbox = Outbox::new();
            self.heed(notice, &mut outbox);
            outbox.emit();
        }
    }

    /// Puts into the outbox what a notice asks for.
    #[inline]
    fn heed(self: &Arc<Self>, notice: Notice, outbox: &mut Outbox) {
        match notice {
            Notice::None => {}
            Notice::Now => self.notifier.fire(self, outbox),
            Notice::Later => self.note_held(outbox),
        }
    }

    /// One more arm held, for a delivery to see to.
    #[cold]
    fn note_held(self: &Arc<Self>, outbox: &mut Outbox) {
        // Relaxed: the counter's read-modify-writes order both.
        self.held_since.store(self.device.now().as_nanos(), Ordering::Relaxed);
        self.held.fetch_add(1, Ordering::Relaxed); // as above
        self.notifier.raise(self, outbox);
    }

    /// Has the arm that is held released in time, or at once where nothing else would do so.
    fn see_to_held(self: &Arc<Self>) {
        let rule = self.rule();
        let Some(missing) = self.ring.held_for() else { return };
        let notice = match rule.interval {
            _ if rule.is_off() => self.ring.release(),
            Some(interval) => {
                // Relaxed: as in `note_held`; if another arm was held since, it comes early.
                let since = Time::from_nanos(self.held_since.load(Ordering::Relaxed));
                if !planted!(ModerationForEver, "a moderated notification waits for its count only") {
                    self.device.release_at(since + interval, self);
                }
                Notice::None
            }
            // Held by an earlier rule for longer than the one in force allows.
            None if rule.count.is_none_or(|count| missing > u64::from(count)) => self.ring.release(),
            None => Notice::None,
        };
        drop(rule);
        self.heed_alone(notice);
    }

    fn tell_queue_pairs(&self) {
        // Relaxed: only which delivery is the first counts.
        if self.users_told.swap(1, Ordering::Relaxed) != 0 {
            return;
        }
        observe::emit(match self.state() {
            CqState::Fatal => observe::Event::CqFailed,
            CqState::Overrun | CqState::Working => observe::Event::CqOverrun { depth: self.depth() },
        });
        self.users.fail(&self.device);
    }

    fn tell_user(&self) {
        self.ring.note_notified();
        self.notifier.tell(self.state());
        if planted!(ArmStays, "an arm is not used up by its notification") {
            let _met = self.ring.arm(ArmLevel::Any);
        }
    }
}

impl Deliver for Cq {
    fn deliver(self: Arc<Self>) {
        let early = planted!(NotificationNotAwaited, "a CQ's close does not wait for its notification");
        let life = if early { &Life::new([]) } else { &self.life };
        let see_to = || {
            if self.state() != CqState::Working {
                self.tell_queue_pairs();
            }
            // Relaxed: the event counter's read-modify-writes order it.
            if self.held.swap(0, Ordering::Relaxed) != 0 && !self.life.is_closing() {
                self.see_to_held();
            }
        };
        self.notifier.deliver(life, see_to, || self.tell_user());
    }
}

impl fmt::Debug for Cq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cq").field("ring", &self.ring).finish_non_exhaustive()
    }
}

/// A completion of one queue on its way to its completion queue.
///
/// One at a time: what lies on the stack of every pass is cleared and moved by every pass. The arm is looked
/// at once, at the end.
pub(super) struct Batch<'q> {
    cq: &'q Arc<Cq>,
    /// What delays completions, and whose they are; mostly nothing.
    delays: Option<(&'q Delays, &'q Qp)>,
    next: (Class, Payload),
    /// There is something in `next`.
    due: bool,
    note: Announcement,
    overrun: bool,
}

impl<'q> Batch<'q> {
    #[inline]
    pub(super) fn new(cq: &'q Arc<Cq>, qp: &'q Qp) -> Self {
        let next = (Class::Ordinary, Payload::default());
        Self {
            cq,
            delays: cq.delays().map(|delays| (delays, qp)),
            next,
            due: false,
            note: Announcement::default(),
            overrun: false,
        }
    }

    /// Takes one, which [`Batch::push`] must then put into the queue.
    #[inline]
    pub(super) fn add(&mut self, class: Class, completion: Payload) {
        debug_assert!(!self.due, "one at a time");
        self.next = (class, completion);
        self.due = true;
    }

    /// Puts what was added into the queue; false: it has overrun.
    #[inline]
    pub(super) fn push(&mut self) -> bool {
        // Pushed from where it lies: a copy would read in one move what was just written in several.
        if std::mem::take(&mut self.due)
            && !self.delays.is_some_and(|(delays, qp)| delays.put(self.cq, qp, &self.next))
            && self.cq.ring.push(std::slice::from_ref(&self.next), &mut self.note) != Pushed::All
        {
            self.overrun = true;
        }
        !self.overrun
    }

    /// Looks at the arm for everything pushed.
    #[inline]
    pub(super) fn announce(self, outbox: &mut Outbox) {
        if self.overrun && planted!(OverrunSilent, "an overrun is not told") {
            return;
        }
        if self.cq.notifier.is_heard {
            self.cq.heed(self.cq.ring.announce(self.note), outbox);
        }
        if self.overrun {
            self.cq.notifier.raise(self.cq, outbox);
        }
    }
}
