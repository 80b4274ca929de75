//! How checks have time limits pass: by a clock that they set, or where the device has none by waiting.

use super::bench::{BEAT, Bench, notes};
use super::run::Pace;
use super::statement::{Finding, Outcome, wrong};
use crate::ndk::{Adapter, AdapterOptions, Clock, ManualClock, Request, Status};
use std::fmt;
use std::time::Duration;

/// How long a wait may take whose end is the device's: longer than its default limits, which are minutes.
const LONGEST: Duration = Duration::from_secs(300);

/// The time of an adapter.
#[derive(Debug)]
pub(super) enum Time {
    /// It moves when it is told to.
    Set(ManualClock),
    /// It passes.
    Real,
}

impl Bench {
    /// An adapter with those options, and its time.
    ///
    /// Where the device has no clock that can be set, a check at a slow pace gets one whose time passes; at a
    /// fast pace it ends here.
    pub(super) fn timed(
        &self,
        choose: impl Fn(AdapterOptions) -> AdapterOptions,
    ) -> Outcome<(Adapter, Time)> {
        let clock = ManualClock::new();
        let manual = Clock::Manual(clock.clone());
        match self.try_open(|options| choose(options).clock(manual))? {
            Ok(adapter) => Ok((adapter, Time::Set(clock))),
            Err(error) if error.status() == Status::NOT_SUPPORTED => match self.pace() {
                Pace::Fast => Err(Finding::TakesTime(TAKES_TIME.to_owned())),
                Pace::Slow => Ok((self.adapter_with(choose)?, Time::Real)),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a check is not carried through at a fast pace.
const TAKES_TIME: &str = "clock: the device has none that can be set, so that a time limit takes its time; \
                          `--slow` waits for it";

impl Time {
    pub(super) fn is_real(&self) -> bool {
        matches!(self, Self::Real)
    }

    /// Goes to just before the end of a limit that has begun now: of real time half of it passes.
    pub(super) fn nearly(&self, bench: &Bench, limit: Duration) {
        match self {
            Self::Set(clock) => clock.advance(limit - MOMENT),
            Self::Real => {
                let (_silent, nothing) = notes::<()>();
                let _never = waits(bench, limit / 2, || nothing.next_within(BEAT));
            }
        }
    }

    /// Goes on to the end of it: what real time brings is to be awaited.
    pub(super) fn over(&self) {
        if let Self::Set(clock) = self {
            clock.advance(MOMENT);
        }
    }

    /// The request ends by a limit that the check has not set: with IO_TIMEOUT, whenever that is.
    pub(super) fn runs_out<T: Send + fmt::Debug + 'static>(
        &self,
        bench: &Bench,
        request: Request<T>,
        what: &str,
    ) -> Outcome {
        let (note, ends) = notes();
        request.then(move |result| note.say(result.map_err(|error| error.status())));
        match waits(bench, LONGEST, || ends.next_within(BEAT)) {
            Some(Err(Status::IO_TIMEOUT)) => Ok(()),
            Some(ended) => wrong(format_args!("{what}: expected {}, got {ended:?}", Status::IO_TIMEOUT)),
            None => wrong(format_args!("{what}: it still pends after {LONGEST:?}")),
        }
    }
}

/// The least that a clock can be set on by.
const MOMENT: Duration = Duration::from_nanos(1);

/// What comes within `limit`, looked for in beats, of each of which whoever watches the check hears.
fn waits<T>(bench: &Bench, limit: Duration, mut beat: impl FnMut() -> Option<T>) -> Option<T> {
    (0..limit.as_millis() / BEAT.as_millis()).find_map(|_| {
        bench.goes_on();
        beat()
    })
}

#[cfg(test)]
mod tests {
    use super::super::device::device;
    use super::super::run::run_at;
    use super::super::statement::{Mark, Statement, Verdict, ensure};
    use super::super::world::{Asked, READS, ignore};
    use super::*;
    use crate::ndk::Timeouts;

    fn verdict(check: fn(&Bench) -> Outcome) -> Verdict {
        let device = device("local").expect("built in");
        run_at(Pace::Slow, &device, &Statement::new("TIME-1", Mark::Inferred, "a check", check)).verdict
    }

    /// A connect that its limit ends soon.
    fn hurried(bench: &Bench) -> Outcome<Asked> {
        let timeouts = Timeouts { connect: Duration::from_millis(1), ..Timeouts::default() };
        Asked::with(bench.adapter_with(|options| options.timeouts(timeouts))?, READS, b"")
    }

    #[test]
    fn a_clock_that_can_be_set_is_set_at_any_pace() {
        let check = |bench: &Bench| -> Outcome {
            let (_adapter, time) = bench.timed(|options| options)?;
            ensure!(!time.is_real(), "the emulated device has a clock that can be set");
            Ok(())
        };
        assert_eq!(verdict(check), Verdict::Pass);
    }

    #[test]
    fn what_runs_out_in_real_time_is_awaited() {
        let check = |bench: &Bench| Time::Real.runs_out(bench, hurried(bench)?.connecting, "a connect");
        assert_eq!(verdict(check), Verdict::Pass);
    }

    #[test]
    fn what_ends_otherwise_has_not_run_out() {
        let check = |bench: &Bench| {
            let asked = Asked::new(bench, b"")?;
            let _accepting = asked.passive.accept(&asked.b.qp, READS, b"", ignore());
            Time::Real.runs_out(bench, asked.connecting, "a connect")
        };
        let Verdict::Fail(reason) = verdict(check) else { panic!("it passed") };
        assert_eq!(reason, "a connect: expected STATUS_IO_TIMEOUT (0xC00000B5), got Ok(())");
    }
}
