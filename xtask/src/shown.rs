//! Runs a command, shows what it prints as it prints it, and keeps the end of that and a count of its tests.
//!
//! May come in: what can be told of a command from its output. Not here: which commands there are.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

/// Lines kept of the end: a panic with its backtrace, or a compiler's error with its notes.
const TAIL: usize = 60;

/// What a command that ran to its end left behind.
pub struct Shown {
    pub status: ExitStatus,
    /// Its last lines, of both streams in the order of their arrival.
    pub tail: VecDeque<String>,
    /// Tests that its test programs announced.
    pub tests: usize,
}

#[derive(Default)]
struct Kept {
    tail: VecDeque<String>,
    tests: usize,
}

/// Runs `command` to its end; the error says why it could not be started or read.
pub fn run(command: &mut Command) -> Result<Shown, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let name = command.get_program().to_string_lossy();
    let mut child = child.map_err(|error| format!("cannot start {name}: {error}"))?;
    let (output, complaints) = (child.stdout.take(), child.stderr.take());
    let kept = Mutex::new(Kept::default());
    std::thread::scope(|scope| {
        let reader =
            scope.spawn(|| output.map_or(Ok(()), |pipe| show(pipe, &kept, |line| println!("{line}"))));
        let complaints = complaints.map_or(Ok(()), |pipe| show(pipe, &kept, |line| eprintln!("{line}")));
        complaints.and(reader.join().unwrap_or_else(|_| Err("its reader panicked".to_owned())))
    })?;
    let status = child.wait().map_err(|error| format!("cannot wait for it: {error}"))?;
    let Kept { tail, tests } = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Shown { status, tail, tests })
}

fn show(pipe: impl Read, kept: &Mutex<Kept>, print: impl Fn(&str)) -> Result<(), String> {
    // Not `lines`: what a program prints may be anything, and is not lost for a byte that is not UTF-8.
    for line in BufReader::new(pipe).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read its output: {error}"))?;
        let line = String::from_utf8_lossy(&line).into_owned();
        print(&line);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tests += tests_announced(&line);
        if kept.tail.len() == TAIL {
            kept.tail.pop_front();
        }
        kept.tail.push_back(line);
    }
    Ok(())
}

/// The count in a test program's `running 3 tests`; zero for any other line.
fn tests_announced(line: &str) -> usize {
    let count = line.strip_prefix("running ").and_then(|rest| rest.split_once(" test"));
    count.and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{TAIL, run, tests_announced};

    #[test]
    fn announced_tests_are_counted() {
        assert_eq!(tests_announced("running 12 tests"), 12);
        assert_eq!(tests_announced("running 1 test"), 1);
        assert_eq!(tests_announced("running late"), 0);
        assert_eq!(tests_announced("test running 3 tests"), 0);
    }

    #[test]
    fn the_end_is_kept_with_the_count_of_tests() {
        let script = "echo running 3 tests; for i in $(seq 100); do echo $i; done; exit 7";
        let shown = run(Command::new("sh").args(["-c", script])).expect("sh starts");
        assert_eq!(shown.status.code(), Some(7));
        assert_eq!(shown.tests, 3);
        let last: Vec<String> = (101 - TAIL..=100).map(|line| line.to_string()).collect();
        assert_eq!(shown.tail, last);
    }

    #[test]
    fn lines_of_both_streams_are_kept() {
        let shown = run(Command::new("sh").args(["-c", "echo what; echo why >&2"])).expect("sh starts");
        let mut lines = Vec::from(shown.tail);
        lines.sort(); // two pipes: which line comes first is chance
        assert_eq!(lines, ["what", "why"]);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let why = run(&mut Command::new("no-such-program-of-qpair")).err().expect("it cannot start");
        assert!(why.contains("no-such-program-of-qpair"), "{why}");
    }
}
