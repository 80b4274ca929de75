//! The end that begins: posts, waits for answers, and keeps the time.

use super::plan::Plan;
use crate::command::clock::{Duration, Instant, now};
use hdrhistogram::Histogram;
use std::sync::mpsc::Sender;

/// What is posted and what comes back, in order; the driver decides when.
pub trait Player {
    /// What the next one needs is free again.
    fn may_post(&self) -> bool;
    /// Makes the next one ready; not timed.
    fn prepare(&mut self) -> anyhow::Result<()>;
    /// Posts the next one.
    fn post(&mut self) -> anyhow::Result<()>;
    /// How many further answers have come.
    fn poll(&mut self) -> anyhow::Result<u64>;
    /// Compares the next answer with what it should be; not timed.
    fn check(&mut self) -> anyhow::Result<()>;
    /// All completions have been seen.
    fn is_quiet(&self) -> bool;
}

/// What a pair has measured.
#[derive(Debug)]
pub struct Tally {
    /// From post to answer, in nanoseconds, without the warm-up.
    pub latency: Histogram<u64>,
    /// While something was under way, without the warm-up.
    pub busy: Duration,
    /// Answers whose bytes were compared, the warm-up included.
    pub checked: u64,
}

/// The longest time that is told from longer ones, in nanoseconds: a minute.
const LATENCY_MAX: u64 = 60_000_000_000;
/// How exactly times are kept: to a thousandth.
pub const DIGITS: u8 = 3;

impl Tally {
    fn new() -> anyhow::Result<Self> {
        let latency = Histogram::new_with_max(LATENCY_MAX, DIGITS)?;
        Ok(Self { latency, busy: Duration::ZERO, checked: 0 })
    }
}

/// Tells how far a pair is, ten times a second.
#[derive(Debug)]
pub struct Progress {
    listener: Sender<u64>,
    told: u64,
    last: Instant,
}

const TELL_EVERY: Duration = Duration::from_millis(100);

impl Progress {
    /// Tells `listener` by how much it goes on.
    pub fn new(listener: Sender<u64>) -> Self {
        Self { listener, told: 0, last: now() }
    }

    fn tell(&mut self, at: Instant, done: u64) {
        if at.duration_since(self.last) >= TELL_EVERY {
            let _unheard = self.listener.send(done - self.told);
            (self.told, self.last) = (done, at);
        }
    }
}

/// Plays a [`Plan`] on one pair.
pub struct Driver<P> {
    player: P,
    plan: Plan,
    posted: u64,
    answered: u64,
    /// When the messages under way were posted, by number modulo window.
    began: Vec<Instant>,
    busy_since: Option<Instant>,
    tally: Tally,
    progress: Progress,
}

impl<P: Player> Driver<P> {
    pub fn new(player: P, plan: Plan, progress: Progress) -> anyhow::Result<Self> {
        let (began, busy_since) = (vec![now(); plan.window], None);
        Ok(Self { player, plan, posted: 0, answered: 0, began, busy_since, tally: Tally::new()?, progress })
    }

    /// Posts what may be under way; true: something was posted.
    pub fn post(&mut self) -> anyhow::Result<bool> {
        let before = self.posted;
        while self.posted < self.limit() && self.player.may_post() {
            self.player.prepare()?;
            let now = now();
            if self.posted >= self.plan.warm_up {
                self.busy_since.get_or_insert(now);
            }
            let place = self.place(self.posted);
            self.began[place] = now;
            self.player.post()?;
            self.posted += 1;
        }
        Ok(self.posted > before)
    }

    /// As many as the window holds; what counts begins when the warm-up has ended.
    fn limit(&self) -> u64 {
        let end = if self.answered < self.plan.warm_up { self.plan.warm_up } else { self.plan.total() };
        end.min(self.answered + self.plan.window as u64)
    }

    fn place(&self, n: u64) -> usize {
        (n % self.plan.window as u64) as usize
    }

    /// Takes the answers that came; true: some did.
    pub fn take(&mut self) -> anyhow::Result<bool> {
        let came = self.player.poll()?;
        if came == 0 {
            return Ok(false);
        }
        let now = now();
        for n in self.answered..self.answered + came {
            if n >= self.plan.warm_up {
                let latency = now.duration_since(self.began[self.place(n)]);
                self.tally.latency.saturating_record(latency.as_nanos() as u64);
            }
        }
        self.answered += came;
        if self.answered == self.posted {
            // The warm-up has no beginning.
            self.tally.busy +=
                self.busy_since.take().map_or(Duration::ZERO, |since| now.duration_since(since));
        }
        for _ in 0..came {
            self.player.check()?;
            self.tally.checked += 1;
        }
        self.progress.tell(now, self.answered);
        Ok(true)
    }

    /// All answers were taken, and nothing is pending.
    pub fn is_done(&self) -> bool {
        self.answered == self.plan.total() && self.player.is_quiet()
    }

    pub fn finish(self) -> Tally {
        self.tally
    }
}
