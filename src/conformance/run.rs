//! Running one check: on a thread of its own, watched, with panics caught.

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

/// Holds `device` to `statement`.
///
/// The check runs on a thread of its own. One that panics has failed; one that neither ends in time nor says
/// that it goes on has failed too, and its thread is left behind.
pub fn run(device: &Arc<dyn Device>, statement: &Statement) -> Verdict {
    watched(device, statement, WATCHDOG)
}

fn watched(device: &Arc<dyn Device>, statement: &Statement, limit: Duration) -> Verdict {
    let evidence = statement.evidence();
    let (done, signs) = mpsc::channel();
    let bench = Bench::new(device, statement.number(), done.clone());
    let body = move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(evidence, &bench)));
        let panicked = |panic: Box<dyn Any + Send>| format!("the check panicked: {}", words(&*panic));
        let verdict = outcome.unwrap_or_else(|panic| Verdict::Fail(panicked(panic)));
        // Nobody listens any more when the watchdog has gone off.
        let _unheard = done.send(Sign::Ended(verdict));
    };
    let name = statement.number().to_owned();
    let thread = match thread::Builder::new().name(name).spawn(body) {
        Ok(thread) => thread,
        Err(error) => return Verdict::Fail(format!("no thread for the check: {error}")),
    };
    loop {
        match signs.recv_timeout(limit) {
            Ok(Sign::GoesOn) => {}
            Ok(Sign::Ended(verdict)) => {
                // It has said its last word, so this takes no time; nothing of it runs beside the next check.
                drop(thread.join());
                return verdict;
            }
            Err(_) => return Verdict::Fail(format!("the check did not end in {limit:?}")),
        }
    }
}

/// What the check says, where there is one.
fn judge(evidence: Evidence, bench: &Bench) -> Verdict {
    let outcome = match evidence {
        Evidence::Check(check) => check(bench),
        Evidence::Plain(check) => check().map_err(|wrong| Finding::Wrong(wrong.to_string())),
        Evidence::None(why) => return Verdict::NotShown(why),
        Evidence::Waits(why) => return Verdict::Waiting(why),
    };
    match outcome {
        Ok(()) => Verdict::Pass,
        Err(Finding::Wrong(reason)) => Verdict::Fail(reason),
        Err(Finding::Lacks(reason)) => Verdict::NotSupported(reason),
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
        let verdict = watched(&device, &statement, Duration::from_millis(5));
        assert_eq!(verdict, Verdict::Fail("the check did not end in 5ms".to_owned()));
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
    fn what_cannot_be_shown_is_not_run() {
        let device = device("local").expect("built in");
        let statement = Statement::not_shown("RUN-2", Mark::Documented, "hidden", "no window");
        assert_eq!(run(&device, &statement), Verdict::NotShown("no window"));
    }
}
