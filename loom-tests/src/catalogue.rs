//! What is committed about mutations: who catches each, which are equivalent and why, and the table of both.

use crate::scan::{Mutation, package};
use std::fmt::Write;
use std::fs;

/// A recorded catch: the model fails with the mutation, at this bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Catch {
    /// `Name=variant`.
    pub mutation: String,
    /// The model's name.
    pub model: String,
    /// Preemptions a schedule.
    pub bound: usize,
    /// Schedules up to the one that fails.
    pub schedules: usize,
}

/// A mutation that changes nothing that a model could see, and the argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivalent {
    /// `Name=variant`.
    pub mutation: String,
    /// Why no model can fail.
    pub why: String,
}

const CATCHES: &str = "catches.txt";
const EQUIVALENTS: &str = "equivalents.txt";
const README: &str = "README.md";
const TABLE_BEGIN: &str = "<!-- table of mutations: written by `mutations --record` -->\n";
const TABLE_END: &str = "<!-- end of table -->\n";

fn read(name: &str) -> Result<String, String> {
    let path = package().join(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(name: &str, text: &str) -> Result<(), String> {
    let path = package().join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The recorded catches.
///
/// # Errors
/// When the file cannot be read or a line has another shape; the message holds the line.
pub fn catches() -> Result<Vec<Catch>, String> {
    let parse = |line: &str| {
        let [mutation, model, bound, schedules] =
            line.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
        let (mutation, model): (&str, &str) = (mutation, model);
        Some(Catch {
            mutation: mutation.to_owned(),
            model: model.to_owned(),
            bound: str::parse(bound).ok()?,
            schedules: str::parse(schedules).ok()?,
        })
    };
    lines(&read(CATCHES)?)
        .map(|line| parse(line).ok_or(format!("{CATCHES}: `{line}` is not: mutation model bound schedules")))
        .collect()
}

/// The listed equivalents.
///
/// # Errors
/// When the file cannot be read or a line has no argument.
pub fn equivalents() -> Result<Vec<Equivalent>, String> {
    let parse = |line: &str| {
        let (mutation, why) = line.split_once(": ")?;
        Some(Equivalent { mutation: mutation.to_owned(), why: why.to_owned() })
    };
    lines(&read(EQUIVALENTS)?)
        .map(|line| parse(line).ok_or(format!("{EQUIVALENTS}: `{line}` is not: mutation: why")))
        .collect()
}

/// Writes the catches and the table of the README.
///
/// # Errors
/// When a file cannot be read or written.
pub fn record(mutations: &[Mutation], catches: &[Catch]) -> Result<(), String> {
    let mut text = String::from(
        "# Which model catches which mutation, at which bound, after how many schedules.\n\
         # Written by `mutations --record`; `mutations --short` runs each line.\n",
    );
    for catch in catches {
        let Catch { mutation, model, bound, schedules } = catch;
        writeln!(text, "{mutation} {model} {bound} {schedules}").map_err(|error| error.to_string())?;
    }
    write(CATCHES, &text)?;
    let readme = read(README)?;
    let (before, after) = around(&readme)?;
    write(README, &[before, &table(mutations, catches, &equivalents()?), after].concat())
}

/// Whether the README's table is the one that the catches and the source give.
///
/// # Errors
/// When a file cannot be read.
pub fn readme_is_current(mutations: &[Mutation], catches: &[Catch]) -> Result<bool, String> {
    let readme = read(README)?;
    let (before, after) = around(&readme)?;
    Ok(readme == [before, &table(mutations, catches, &equivalents()?), after].concat())
}

fn around(readme: &str) -> Result<(&str, &str), String> {
    let missing = || format!("{README}: no line `{}` or none `{}`", TABLE_BEGIN.trim(), TABLE_END.trim());
    let begin = readme.find(TABLE_BEGIN).ok_or_else(missing)? + TABLE_BEGIN.len();
    let end = readme.find(TABLE_END).ok_or_else(missing)?;
    Ok((&readme[..begin], &readme[end..]))
}

/// The table of the README: a row for each mutation.
pub fn table(mutations: &[Mutation], catches: &[Catch], equivalents: &[Equivalent]) -> String {
    let mut text = String::from(
        "| mutation | in | what the source says | caught by (bound, schedules) |\n|---|---|---|---|\n",
    );
    for mutation in mutations {
        let name = mutation.to_string();
        let by: Vec<String> = catches
            .iter()
            .filter(|catch| catch.mutation == name)
            .map(|catch| format!("{} ({}, {})", catch.model, catch.bound, catch.schedules))
            .collect();
        let argued = equivalents.iter().any(|equivalent| equivalent.mutation == name);
        let by = match (by.is_empty(), argued) {
            (false, _) => by.join("; "),
            (true, true) => "equivalent, see below".to_owned(),
            (true, false) => "**nothing**".to_owned(),
        };
        text += &format!(
            "| `{} {}` | {} | {} | {by} |\n",
            mutation.name, mutation.variant, mutation.file, mutation.what
        );
    }
    for equivalent in equivalents {
        text += &format!("\n`{}`: {}\n", equivalent.mutation.replace('=', " "), equivalent.why);
    }
    text
}
