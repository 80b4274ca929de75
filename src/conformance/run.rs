//! Running checks: each on a thread of its own, watched, with panics caught; those that wait side by side.

use super::bench::{Bench, Sign};
use super::device::Device;
use super::statement::{Evidence, Finding, Statement, Verdict};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// Far above what any check needs: reached only by a device that hangs.
///
/// With planted faults many checks meet their limits, and the whole suite runs once for each fault.
const WATCHDOG: Duration = Duration::from_secs(if cfg!(qpair_planted) { 15 } else { 60 });

/// Whether checks may wait for time limits to pass, on a device without a clock that can be set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// They may not: statements that would have to are *not supported*.
    #[default]
    Fast,
    /// They may. Such statements are checked after all others and side by side, so that together they take as
    /// long as the longest: minutes.
    Slow,
}

/// What a run of a check has shown.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// At a slow pace the check would show more.
    pub(super) takes_time: bool,
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, takes_time: false }
    }
}

/// Holds `device` to `statement`, without waiting for time to pass ([`Pace::Fast`]).
///
/// The check runs on a thread of its own. One that panics has failed; one that neither ends in time nor says
/// that it goes on has failed too, and its thread is left behind.
pub fn run(device: &Arc<dyn Device>, statement: &Statement) -> Verdict {
    run_at(Pace::Fast, device, statement).verdict
}

pub(super) fn run_at(pace: Pace, device: &Arc<dyn Device>, statement: &Statement) -> Judged {
    watched(device, statement, pace, WATCHDOG)
}

/// Holds `device` to all of `statements` at once, at a slow pace; `ended` is told of each verdict as it
/// comes, with the statement's place among them.
pub(super) fn run_side_by_side(
    device: &Arc<dyn Device>,
    statements: &[&Statement],
    mut ended: impl FnMut(usize, Verdict),
) {
    let (note, verdicts) = mpsc::channel();
    thread::scope(|scope| {
        for (place, statement) in statements.iter().enumerate() {
            let note = note.clone();
            scope.spawn(move || {
                // Whoever started it listens until it has ended.
                let _heard = note.send((place, run_at(Pace::Slow, device, statement).verdict));
            });
        }
        drop(note);
        verdicts.iter().for_each(|(place, verdict)| ended(place, verdict));
    });
}

fn watched(device: &Arc<dyn Device>, statement: &Statement, pace: Pace, limit: Duration) -> Judged {
    let evidence = statement.evidence();
    let (done, signs) = mpsc::channel();
    let bench = Bench::new(device, statement.number(), pace, done.clone());
    let body = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(evidence, &bench)));
        let panicked = |panic: Box<dyn Any + Send>| format!("the check panicked: {}", words(&*panic));
        let judged = outcome.unwrap_or_else(|panic| Verdict::Fail(panicked(panic)).into());
        // Nobody listens any more when the watchdog has gone off.
        let _unheard = done.send(Sign::Ended(judged));
    };
    let name = statement.number().to_owned();
    let thread = match thread::Builder::new().name(name).spawn(body) {
        Ok(thread) => thread,
        Err(error) => return Verdict::Fail(format!("no thread for the check: {error}")).into(),
    };
    loop {
        match signs.recv_timeout(limit) {
            Ok(Sign::GoesOn) => {}
            Ok(Sign::Ended(judged)) => {
                // It has said its last word, so this takes no time; nothing of it runs beside the next check.
                drop(thread.join());
                return judged;
            }
            Err(_) => return Verdict::Fail(format!("the check did not end in {limit:?}")).into(),
        }
    }
}

/// What the check says, where there is one.
fn judge(evidence: Evidence, bench: &Bench) -> Judged {
    let outcome = match evidence {
        Evidence::Check(check) => check(bench),
        Evidence::Plain(check) => check().map_err(|wrong| Finding::Wrong(wrong.to_string())),
        Evidence::None(why) => return Verdict::NotShown(why).into(),
        Evidence::Waits(why) => return Verdict::Waiting(why).into(),
    };
    match outcome {
        Ok(()) => Verdict::Pass.into(),
        Err(Finding::Wrong(reason)) => Verdict::Fail(reason).into(),
        Err(Finding::Lacks(reason)) => Verdict::NotSupported(reason).into(),
        Err(Finding::TakesTime(reason)) => {
            Judged { verdict: Verdict::NotSupported(reason), takes_time: true }
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::super::device::device;
    use super::super::statement::{Mark, lacks, wrong};
    use super::*;
    use std::sync::Barrier;

    fn verdict(check: fn(&Bench) -> super::super::statement::Outcome) -> Verdict {
        let device = device("local").expect("built in");
        run(&device, &Statement::new("RUN-1", Mark::Inferred, "a check", check))
    }

    #[test]
    fn a_check_passes_fails_lacks_or_panics() {
        assert_eq!(verdict(|_| Ok(())), Verdict::Pass);
        assert_eq!(verdict(|_| wrong("so it is")), Verdict::Fail("so it is".to_owned()));
        assert_eq!(verdict(|_| lacks("that")), Verdict::NotSupported("that".to_owned()));
        let fallen = verdict(|_| panic!("fell over"));
        assert_eq!(fallen, Verdict::Fail("the check panicked: fell over".to_owned()));
    }

    #[test]
    fn a_check_that_hangs_has_failed() {
        let device = device("local").expect("built in");
        let hangs = |_: &Bench| -> super::super::statement::Outcome {
            loop {
                thread::park();
            }
        };
        let statement = Statement::new("RUN-3", Mark::Inferred, "a check", hangs);
        let judged = watched(&device, &statement, Pace::Fast, Duration::from_millis(5));
        assert_eq!(judged.verdict, Verdict::Fail("the check did not end in 5ms".to_owned()));
    }

    #[test]
    fn a_check_without_a_device_passes_or_fails() {
        let device = device("local").expect("built in");
        let passes = Statement::plain("RUN-4", Mark::Evidence, "a check", || Ok(()));
        assert_eq!(run(&device, &passes), Verdict::Pass);
        let fails = Statement::plain("RUN-5", Mark::Evidence, "a check", || Err("so it is".into()));
        assert_eq!(run(&device, &fails), Verdict::Fail("so it is".to_owned()));
        let waits = Statement::waits("RUN-6", Mark::Evidence, "a check", "the wire");
        assert_eq!(run(&device, &waits), Verdict::Waiting("the wire"));
    }

    #[test]
    fn statements_that_take_time_are_checked_side_by_side() {
        static MEET: Barrier = Barrier::new(3);
        let waits = |bench: &Bench| -> super::super::statement::Outcome {
            match bench.pace() {
                Pace::Fast => Err(Finding::TakesTime("two others".to_owned())),
                Pace::Slow => {
                    MEET.wait(); // for ever, unless all three run at once
                    if bench.net().contains("-RUN-8-") { wrong("it has met them") } else { Ok(()) }
                }
            }
        };
        let device = device("local").expect("built in");
        let statements: [&'static Statement; 3] = ["RUN-7", "RUN-8", "RUN-9"]
            .map(|number| &*Box::leak(Box::new(Statement::new(number, Mark::Inferred, "a check", waits))));
        let judged = run_at(Pace::Fast, &device, statements[0]);
        assert!(judged.takes_time && judged.verdict == Verdict::NotSupported("two others".to_owned()));
        let mut verdicts = [None, None, None];
        run_side_by_side(&device, &statements, |place, verdict| verdicts[place] = Some(verdict));
        let fails = Verdict::Fail("it has met them".to_owned());
        assert_eq!(verdicts, [Some(Verdict::Pass), Some(fails), Some(Verdict::Pass)]);
    }

    #[test]
    fn what_cannot_be_shown_is_not_run() {
        let device = device("local").expect("built in");
        let statement = Statement::not_shown("RUN-2", Mark::Documented, "hidden", "no window");
        assert_eq!(run(&device, &statement), Verdict::NotShown("no window"));
    }
}
