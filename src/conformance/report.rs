//! The verdicts on a device, added up by group and told as text.

use super::device::Device;
use super::run::run;
use super::statement::{Statement, Verdict};
use std::fmt;
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
        let mut rows = Vec::new();
        for statement in statements {
            let row = Row { statement, verdict: run(device, statement) };
            progress(&row);
            rows.push(row);
        }
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
