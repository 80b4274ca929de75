//! `qpair conformance`: a device held to the numbered statements about NDK, and the flush family to its own.

use super::output::Output;
use super::{Verdict, usage};
use clap::Args;
use qpair::conformance::{self, Counts, Pace, Report, Row, Statement};
use qpair::ndk::Adapter;
use serde::Serialize;
use std::fmt;
use std::ops::ControlFlow;

/// What can be chosen.
#[derive(Args, Debug)]
pub struct Options {
    /// The device that is held to them
    #[arg(long, value_name = "NAME", default_value = "local")]
    device: String,
    /// Statements to check: a group (FLUSH) or a number (FLUSH-7); give it several times for several
    #[arg(long, value_name = "FLUSH")]
    filter: Vec<String>,
    /// Stop at the first statement that fails
    #[arg(long)]
    fail_fast: bool,
    /// Wait for time limits on a device whose clock cannot be set: minutes, after all others and side by side
    #[arg(long)]
    slow: bool,
    /// List the statements, without checking them
    #[arg(long)]
    list: bool,
}

/// Runs the subcommand.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Verdict> {
    let chosen = chosen(&options.filter)?;
    if options.list {
        output.print(&Listing::new(&chosen))?;
        return Ok(Verdict::AsPromised);
    }
    let Some(device) = conformance::device(&options.device) else {
        let why = Adapter::open(&options.device).err().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(usage(
            "--device",
            format_args!(
                "{:?}, which does not open; there is `local`, and `qpair devices` lists what else there is{why}",
                options.device
            ),
        ));
    };
    let bar = output.is_watched().then(|| indicatif::ProgressBar::new(chosen.len() as u64));
    let pace = if options.slow { Pace::Slow } else { Pace::Fast };
    let report = Report::at(pace, &device, chosen, |row| {
        if let Some(bar) = &bar {
            bar.inc(1);
            bar.set_message(row.statement.number());
        }
        let stops = options.fail_fast && matches!(row.verdict, conformance::Verdict::Fail(_));
        if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    output.print(&Told::new(&report, options.slow))?;
    Ok(if report.holds() { Verdict::AsPromised } else { Verdict::NotAsPromised })
}

/// The statements that some filter names, in the order of the reference; all without a filter.
fn chosen(filters: &[String]) -> anyhow::Result<Vec<&'static Statement>> {
    for filter in filters {
        if !all().any(|statement| statement.matches(filter)) {
            let groups: Vec<_> = conformance::groups().chain(conformance::family_groups()).collect();
            let what = format!("{filter:?}, which names no statement; groups: {}", groups.join(", "));
            return Err(usage("--filter", what));
        }
    }
    let named =
        |statement: &&Statement| filters.is_empty() || filters.iter().any(|filter| statement.matches(filter));
    Ok(all().filter(named).collect())
}

/// Every statement: first those about NDK, then those of the flush family.
fn all() -> impl Iterator<Item = &'static Statement> {
    conformance::statements().chain(conformance::flush_family())
}

/// The document of a run; its text is the report's.
#[derive(Serialize)]
struct Told<'r> {
    command: &'static str,
    device: &'r str,
    /// Time limits were waited for where the device's clock cannot be set.
    slow: bool,
    /// No statement failed.
    as_promised: bool,
    counts: Sums,
    statements: Vec<Judged<'r>>,
    #[serde(skip)]
    report: &'r Report,
}

/// How many statements ended in which way.
#[derive(Serialize)]
struct Sums {
    passed: usize,
    failed: usize,
    not_supported: usize,
    not_shown: usize,
    waiting: usize,
}

impl From<Counts> for Sums {
    fn from(counts: Counts) -> Self {
        let Counts { passed, failed, not_supported, not_shown, waiting } = counts;
        Self { passed, failed, not_supported, not_shown, waiting }
    }
}

/// A statement and its verdict.
#[derive(Serialize)]
struct Judged<'r> {
    #[serde(flatten)]
    statement: Listed,
    /// `pass`, `fail`, `not supported`, `not shown` or `waiting`.
    result: &'static str,
    /// Why, unless it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
}

impl<'r> Told<'r> {
    fn new(report: &'r Report, slow: bool) -> Self {
        Self {
            command: "conformance",
            device: report.device(),
            slow,
            as_promised: report.holds(),
            counts: report.counts().into(),
            statements: report.rows().iter().map(Judged::new).collect(),
            report,
        }
    }
}

impl<'r> Judged<'r> {
    fn new(row: &'r Row) -> Self {
        let statement = Listed::new(row.statement);
        let (result, reason) = (row.verdict.word(), row.verdict.reason());
        Self { statement, result, reason }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

/// The statements, unjudged.
#[derive(Serialize)]
struct Listing {
    command: &'static str,
    statements: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    number: &'static str,
    /// `D` documented, `T` asserted by Microsoft's tests, `DT` both, `I` inferred,
    /// `E` seen in a header or another implementation.
    mark: &'static str,
    text: &'static str,
}

impl Listed {
    fn new(statement: &Statement) -> Self {
        Self { number: statement.number(), mark: statement.mark().letters(), text: statement.text() }
    }
}

impl Listing {
    fn new(statements: &[&'static Statement]) -> Self {
        let statements = statements.iter().map(|statement| Listed::new(statement)).collect();
        Self { command: "conformance", statements }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Listed { number, mark, text } in &self.statements {
            writeln!(f, "{number:<10}{mark:<4}{text}")?;
        }
        Ok(())
    }
}
