//! How a polling thread waits: briefly, then politely, and not for ever.

use crate::command::clock::{Duration, Instant, now};
use anyhow::{anyhow, bail};
use std::hint;
use std::sync::OnceLock;
use std::thread;

/// Told to all threads of a run when one of them has failed.
#[derive(Debug, Default)]
pub struct Stop(OnceLock<()>);

impl Stop {
    pub fn is_told(&self) -> bool {
        self.0.get().is_some()
    }

    /// Tells the others unless `body` gives a result; also when it panics.
    pub fn unless<T>(&self, body: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        struct Tell<'a>(&'a Stop);

        impl Drop for Tell<'_> {
            fn drop(&mut self) {
                self.0.0.get_or_init(|| ());
            }
        }

        let tell = Tell(self);
        let result = body()?;
        std::mem::forget(tell);
        Ok(result)
    }
}

/// Turns without anything to do before the processor is left to others: longer than the way of a message, and
/// short, since on a busy machine both ends may share a processor, and then each message waits for it.
const SPINS: u32 = 32;
/// Turns of that kind between two looks at the clock.
const LOOK_EVERY: u32 = 1 << 12;
/// What a pause between two looks counts at most: a stopped process has not waited.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long nothing may happen. Within a process an answer takes microseconds, so something is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The patience of one thread.
#[derive(Debug)]
pub struct Waiting<'a> {
    stop: &'a Stop,
    idle: u32,
    last: Option<Instant>,
    waited: Duration,
}

impl<'a> Waiting<'a> {
    pub fn new(stop: &'a Stop) -> Self {
        Self { stop, idle: 0, last: None, waited: Duration::ZERO }
    }

    /// Between two turns, of which the last one `moved` something or not.
    ///
    /// # Errors
    /// Another thread has failed, or nothing has happened for long.
    pub fn turn(&mut self, moved: bool) -> anyhow::Result<()> {
        if self.stop.is_told() {
            bail!(Stopped);
        }
        if moved {
            (self.idle, self.last, self.waited) = (0, None, Duration::ZERO);
            return Ok(());
        }
        self.idle = self.idle.wrapping_add(1);
        if self.idle < SPINS {
            hint::spin_loop();
            return Ok(());
        }
        thread::yield_now();
        if self.idle % LOOK_EVERY == 0 { self.look(now()) } else { Ok(()) }
    }

    fn look(&mut self, at: Instant) -> anyhow::Result<()> {
        let pause = self.last.map_or(Duration::ZERO, |last| at.duration_since(last));
        self.waited += pause.min(PAUSE_MAX);
        self.last = Some(at);
        if self.waited < PATIENCE {
            return Ok(());
        }
        let hint = "a message or completion is lost, or the machine has stood still; with --verbose it may tell more";
        Err(anyhow!("nothing has happened for {PATIENCE:?}: {hint}"))
    }
}

/// Another thread has failed, and says why.
#[derive(Debug, thiserror::Error)]
#[error("stopped, since another thread failed")]
pub struct Stopped;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_stops_all() {
        let stop = Stop::default();
        assert_eq!(stop.unless(|| Ok(1)).unwrap(), 1);
        assert!(!stop.is_told() && Waiting::new(&stop).turn(false).is_ok());
        stop.unless(|| -> anyhow::Result<()> { bail!("as a test") }).unwrap_err();
        assert!(Waiting::new(&stop).turn(true).unwrap_err().is::<Stopped>());
    }

    #[test]
    fn patience_ends_but_not_by_a_stopped_process() {
        let (stop, start) = (Stop::default(), now());
        let mut waiting = Waiting::new(&stop);
        waiting.look(start).unwrap();
        waiting.look(start + 2 * PATIENCE).unwrap();
        let mut looks = (1..1000).map(|n| waiting.look(start + 2 * PATIENCE + n * PAUSE_MAX));
        assert!(looks.any(|look| look.is_err()));
    }
}
