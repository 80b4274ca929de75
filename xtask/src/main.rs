//! The habits of the project as commands: `cargo xtask ci` runs them all, `cargo xtask TASK` runs one.
//!
//! Steps are rows of a table (`steps`); this file runs them, times them and adds up. May come in: a task
//! that every contributor runs. Not here: anything that only one machine can do.

mod install;
mod rdma_core;
mod shown;
mod steps;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use shown::Shown;

use steps::{Needs, Step};

/// Of a failed step, at most so many lines are repeated at the very end, each cut to this many characters.
const REASONS: usize = 6;
const WIDTH: usize = 120;

enum Outcome {
    Passed(Duration),
    /// Why, after how long, and the last lines that it printed.
    Failed(String, Duration, Vec<String>),
    Skipped(String),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let root = root();
    if let [task, words @ ..] = words.as_slice() {
        if let Some(face) = install::Face::of(task) {
            return done(face.install(words, &root));
        }
    }
    let steps = steps::all(&examples(&root));
    let [task] = words.as_slice() else {
        eprintln!("{}", usage(&steps));
        return ExitCode::from(2);
    };
    let chosen: Vec<&Step> = steps.iter().filter(|s| s.task == *task || (task == "ci" && s.in_ci)).collect();
    if chosen.is_empty() && task == "examples" {
        println!("no example in examples/ yet");
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        eprintln!("xtask: no task {task:?}\n{}", usage(&steps));
        return ExitCode::from(2);
    }
    run_all(&chosen, &root)
}

fn done(result: Result<(), String>) -> ExitCode {
    let Err(why) = result else { return ExitCode::SUCCESS };
    eprintln!("xtask: {why}");
    ExitCode::FAILURE
}

fn usage(steps: &[Step]) -> String {
    let mut tasks: Vec<&str> = steps.iter().map(|step| step.task).chain(["examples"]).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let faces = install::FACES.iter();
    let installs =
        faces.map(|face| format!("\n  install-{} --prefix DIR   for C: {}", face.name, face.about));
    format!(
        "usage: cargo xtask TASK\n  ci   all tasks but bench\n  one: {}{}",
        tasks.join(" "),
        installs.collect::<String>()
    )
}

/// The root of the repository: the folder above this package's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Names of the programs in `examples/`, sorted; none while the folder is not there.
fn examples(root: &Path) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(root.join("examples")) else { return Vec::new() };
    let files = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let programs = files.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut names: Vec<String> =
        programs.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// Runs every step, also after a failure. It ends with the last words of those that failed, a line for each
/// step, the errors among those words and one line that adds up: who sees only the end of a long log is to
/// see why it failed.
fn run_all(steps: &[&Step], root: &Path) -> ExitCode {
    let mut lines = Vec::new();
    let (mut last_words, mut reasons) = (Vec::new(), Vec::new());
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for step in steps {
        let title = format!("{}: {}", step.task, step.covers);
        println!("\n=== {title}\n    {}", pasted(step));
        let line = match run(step, root) {
            Outcome::Passed(time) => {
                passed += 1;
                format!("passed   {:>6.1} s  {title}", time.as_secs_f64())
            }
            Outcome::Failed(why, time, words) => {
                failed += 1;
                last_words.push(format!("\n=== the end of {title}\n{}", words.join("\n")));
                reasons.push(format!("{title}:\n{}\n", reason(&words)));
                format!("FAILED   {:>6.1} s  {title}: {why}", time.as_secs_f64())
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                format!("skipped            {title}: {why}")
            }
        };
        println!("--- {line}");
        lines.push(line);
    }
    println!("{}", last_words.concat());
    println!("\n{}\n", lines.join("\n"));
    print!("{}", reasons.concat());
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The last lines that speak of an error, each in short; the last lines of all when none does.
fn reason(words: &[String]) -> String {
    let told =
        |line: &&String| ["error", "panicked", "FAILED", "failed"].iter().any(|sign| line.contains(sign));
    let errors: Vec<&String> = words.iter().filter(told).collect();
    let chosen = if errors.is_empty() { words.iter().collect() } else { errors };
    let lines = chosen.iter().rev().take(REASONS).rev();
    lines
        .map(|line| format!("    {}", line.chars().take(WIDTH).collect::<String>()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The command as it can be pasted into a shell.
fn pasted(step: &Step) -> String {
    let env = step.env.iter().map(|(name, value)| format!("{name}=\"{value}\" "));
    env.collect::<String>() + &step.command.join(" ")
}

#[expect(clippy::disallowed_methods, reason = "times its own steps; nothing here is replayed")]
fn run(step: &Step, root: &Path) -> Outcome {
    if let Err(why) = provide(step.needs, root) {
        return Outcome::Skipped(why);
    }
    let [program, arguments @ ..] = step.command.as_slice() else {
        return Outcome::Failed("its command is empty".to_owned(), Duration::ZERO, Vec::new());
    };
    let mut command = Command::new(program);
    command.args(arguments).envs(step.env.iter().copied()).current_dir(root);
    if matches!(step.needs, Needs::RdmaCore | Needs::SoftRoce) {
        command.envs(rdma_core::environment());
    }
    let begin = std::time::Instant::now();
    let shown = match shown::run(&mut command) {
        Ok(shown) => shown,
        Err(why) => return Outcome::Failed(why, begin.elapsed(), Vec::new()),
    };
    match verdict(step, &shown) {
        Ok(()) => Outcome::Passed(begin.elapsed()),
        Err(why) => Outcome::Failed(why, begin.elapsed(), shown.tail.into()),
    }
}

/// A step of tests that passes without a single test has failed: a filter that matches nothing any more, or
/// models compiled out, would else look like success.
fn verdict(step: &Step, shown: &Shown) -> Result<(), String> {
    match (shown.status.success(), step.is_test() && shown.tests == 0) {
        (false, _) => Err(shown.status.to_string()),
        (true, true) => {
            Err("no test ran; the filter matches nothing, or there is nothing to test".to_owned())
        }
        (true, false) => Ok(()),
    }
}

/// Sees to it that what a step needs is there; the error is the reason to skip the step.
fn provide(needs: Needs, root: &Path) -> Result<(), String> {
    match needs {
        Needs::Nothing => Ok(()),
        Needs::OneOf(files) if files.iter().any(|file| root.join(file).exists()) => Ok(()),
        Needs::OneOf(files) => Err(format!("there is no {}", files.join(" nor "))),
        Needs::Target(target) => {
            if lists(&["target", "list", "--installed"], target)? {
                return Ok(());
            }
            rustup(&["target", "add", target]).map(drop)
        }
        Needs::Miri => {
            if lists(&["component", "list", "--installed", "--toolchain", "nightly"], "miri")? {
                return Ok(());
            }
            rustup(&["component", "add", "miri", "rust-src", "--toolchain", "nightly"]).map(drop)
        }
        Needs::RdmaCore => rdma_core::provide(),
        Needs::SoftRoce => rdma_core::provide().and_then(|()| rdma_core::provide_guest(root)),
    }
}

/// Whether a line of rustup's answer begins with `name`.
fn lists(question: &[&str], name: &str) -> Result<bool, String> {
    Ok(rustup(question)?.lines().any(|line| line.starts_with(name)))
}

/// What rustup prints; the error says the command and its last line of complaint.
fn rustup(arguments: &[&str]) -> Result<String, String> {
    let command = format!("rustup {}", arguments.join(" "));
    let output = Command::new("rustup").args(arguments).output();
    let output = output.map_err(|error| format!("cannot start {command}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let last = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason given").trim();
    Err(format!("{command} failed: {last}"))
}

#[cfg(test)]
mod tests {
    use super::{REASONS, WIDTH, reason};

    #[test]
    fn the_reason_is_of_errors_before_all_else() {
        let words = ["Compiling", "error[E0425]: cannot find", "  |", "warning: unused"].map(str::to_owned);
        assert_eq!(reason(&words), "    error[E0425]: cannot find");
    }

    #[test]
    fn without_an_error_the_reason_is_the_end() {
        let words: Vec<String> = (0..20).map(|n| format!("{n} {}", "x".repeat(2 * WIDTH))).collect();
        let reason = reason(&words);
        assert_eq!(reason.lines().count(), REASONS);
        assert!(reason.lines().all(|line| line.len() == 4 + WIDTH));
        assert!(reason.starts_with("    14 ") && reason.contains("\n    19 "));
    }

    #[test]
    fn nothing_printed_gives_no_reason() {
        assert_eq!(reason(&[]), "");
    }
}
