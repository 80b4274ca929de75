//! The verdicts on a device, added up by group and told as text.

use super::device::Device;
use super::run::{Pace, run_at, run_side_by_side};
use super::statement::{Statement, Verdict};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The verdicts on one device, in the order of the reference.
#[derive(Clone, Debug)]
pub struct Report {
    device: String,
    rows: Vec<Row>,
}

/// One statement and its verdict.
#[derive(Clone, Debug)]
pub struct Row {
    /// The statement.
    pub statement: &'static Statement,
    /// What came of it.
    pub verdict: Verdict,
}

/// How many statements ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They hold.
    pub passed: usize,
    /// They do not.
    pub failed: usize,
    /// The device lacks what they are about.
    pub not_supported: usize,
    /// No check can show them.
    pub not_shown: usize,
    /// Their checks wait for what is not built yet.
    pub waiting: usize,
}

impl Report {
    /// Holds `device` to `statements`, one after the other, telling `progress` of each verdict.
    pub fn of(
        device: &Arc<dyn Device>,
        statements: impl IntoIterator<Item = &'static Statement>,
        mut progress: impl FnMut(&Row),
    ) -> Self {
        Self::at(Pace::Fast, device, statements, |row| {
            progress(row);
            ControlFlow::Continue(())
        })
    }

    /// Holds `device` to `statements` at that pace, telling `progress` of each verdict; a break ends the
    /// report there.
    ///
    /// At a slow pace those that wait for time to pass are checked after all others, side by side, and told
    /// of as they end.
    pub fn at(
        pace: Pace,
        device: &Arc<dyn Device>,
        statements: impl IntoIterator<Item = &'static Statement>,
        mut progress: impl FnMut(&Row) -> ControlFlow<()>,
    ) -> Self {
        let (mut rows, mut waiting) = (Vec::new(), Vec::new());
        for statement in statements {
            let judged = run_at(Pace::Fast, device, statement);
            let row = Row { statement, verdict: judged.verdict };
            let waits = judged.takes_time && pace == Pace::Slow;
            let stops = !waits && progress(&row).is_break();
            if waits {
                waiting.push(rows.len());
            }
            rows.push(row);
            if stops {
                return Self { device: device.name().to_owned(), rows };
            }
        }
        let statements: Vec<_> = waiting.iter().map(|row| rows[*row].statement).collect();
        run_side_by_side(device, &statements, |place, verdict| {
            let row: &mut Row = &mut rows[waiting[place]];
            row.verdict = verdict;
            let _all_of_them_run = progress(row);
        });
        Self { device: device.name().to_owned(), rows }
    }

    /// The device's name.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Every verdict, in the order of the reference.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// No statement failed.
    pub fn holds(&self) -> bool {
        self.counts().failed == 0
    }

    /// All verdicts, added up.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.rows.iter().collect::<Vec<_>>())
    }

    /// The groups that are there, each with its verdicts added up.
    pub fn groups(&self) -> Vec<(&'static str, Counts)> {
        let mut groups: Vec<(&'static str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match groups.last_mut() {
                Some((group, rows)) if *group == row.statement.group() => rows.push(row),
                _ => groups.push((row.statement.group(), vec![row])),
            }
        }
        groups.into_iter().map(|(group, rows)| (group, Counts::of(&rows))).collect()
    }
}

impl Counts {
    fn of(rows: &[&Row]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match row.verdict {
                Verdict::Pass => counts.passed += 1,
                Verdict::Fail(_) => counts.failed += 1,
                Verdict::NotSupported(_) => counts.not_supported += 1,
                Verdict::NotShown(_) => counts.not_shown += 1,
                Verdict::Waiting(_) => counts.waiting += 1,
            }
        }
        counts
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.not_supported + self.not_shown + self.waiting
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} passed", self.passed, self.total())?;
        let others = [
            (self.failed, "failed"),
            (self.not_supported, "not supported"),
            (self.not_shown, "not shown"),
            (self.waiting, "waiting"),
        ];
        others.iter().filter(|(count, _)| *count > 0).try_for_each(|(n, word)| write!(f, ", {n} {word}"))
    }
}

/// A line a group, then what did not pass with its reason, then the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} held to the numbered statements\n", self.device)?;
        for (group, counts) in self.groups() {
            writeln!(f, "  {group:<8}{counts}")?;
        }
        let mut apart = "\n";
        for row in self.rows.iter().filter(|row| row.verdict != Verdict::Pass) {
            let (statement, reason) = (row.statement, row.verdict.reason().unwrap_or_default());
            let (number, word) = (statement.number(), row.verdict.word());
            writeln!(f, "{apart}  {number:<10}{word}: {}\n            {reason}", statement.text())?;
            apart = "";
        }
        writeln!(f, "\n{}", self.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::super::device::device;
    use super::super::statement::{Finding, Mark, Outcome, lacks, wrong};
    use super::*;

    fn statement(number: &'static str, check: fn(&Bench) -> Outcome) -> &'static Statement {
        Box::leak(Box::new(Statement::new(number, Mark::Inferred, "a check", check)))
    }

    /// It holds, but that takes time.
    fn waits(bench: &Bench) -> Outcome {
        match bench.pace() {
            Pace::Fast => Err(Finding::TakesTime("an hour".to_owned())),
            Pace::Slow => Ok(()),
        }
    }

    /// What a report says, and what it told of on the way, until a statement fails if it is to stop there.
    fn told(pace: Pace, stops: bool, statements: &[&'static Statement]) -> (Vec<String>, Vec<String>) {
        let device = device("local").expect("built in");
        let word = |row: &Row| format!("{} {}", row.statement.number(), row.verdict.word());
        let mut on_the_way = Vec::new();
        let report = Report::at(pace, &device, statements.iter().copied(), |row| {
            on_the_way.push(word(row));
            let ends = stops && matches!(row.verdict, Verdict::Fail(_));
            if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (report.rows().iter().map(word).collect(), on_the_way)
    }

    #[test]
    fn what_takes_time_comes_last_at_a_slow_pace_and_is_not_supported_at_a_fast_one() {
        let statements =
            [statement("A-1", waits), statement("A-2", |_| Ok(())), statement("A-3", |_| lacks("it"))];
        let (rows, on_the_way) = told(Pace::Fast, false, &statements);
        assert_eq!(rows, ["A-1 not supported", "A-2 pass", "A-3 not supported"]);
        assert_eq!(on_the_way, rows);
        let (rows, on_the_way) = told(Pace::Slow, false, &statements);
        assert_eq!(rows, ["A-1 pass", "A-2 pass", "A-3 not supported"]);
        assert_eq!(on_the_way, ["A-2 pass", "A-3 not supported", "A-1 pass"]);
    }

    #[test]
    fn a_report_that_is_broken_off_waits_for_nothing() {
        let statements =
            [statement("A-1", waits), statement("A-2", |_| wrong("no")), statement("A-3", |_| Ok(()))];
        let (rows, on_the_way) = told(Pace::Slow, true, &statements);
        assert_eq!(
            (rows, on_the_way),
            (vec!["A-1 not supported".into(), "A-2 fail".into()], vec!["A-2 fail".into()])
        );
        let (rows, _) = told(Pace::Slow, false, &statements);
        assert_eq!(rows, ["A-1 pass", "A-2 fail", "A-3 pass"]);
    }
}
