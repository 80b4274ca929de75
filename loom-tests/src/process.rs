//! One run of one model, in a process of its own: a deadlock panics while unwinding, which aborts.

#![expect(clippy::disallowed_methods, reason = "a runner of processes measures and limits their time")]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The environment variable that names the mutation under test; read by `qpair::sync`.
pub const MUTATION: &str = "QPAIR_MUTATION";

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every schedule within the bound holds.
    Holds,
    /// Some schedule fails, with this message.
    Fails(String),
    /// The time limit passed.
    Unfinished,
}

/// One finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Whether the model holds.
    pub verdict: Verdict,
    /// Schedules explored, the failing one included; 0 when the process did not get to say.
    pub schedules: usize,
    /// By the wall clock, the start of the process included.
    pub seconds: f64,
}

/// Runs model `name` in the binary of this package at `program`, at most for `limit`.
///
/// # Errors
/// When the binary cannot be started; the message names it.
pub fn run(
    program: &Path,
    name: &str,
    bound: Option<usize>,
    mutation: Option<&str>,
    limit: Duration,
) -> Result<Run, String> {
    let mut command = Command::new(program);
    command.args(["--run", name, "--bound", &bound_text(bound)]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove(MUTATION);
    if let Some(mutation) = mutation {
        command.env(MUTATION, mutation);
    }
    let began = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    let success = wait(&mut child, began + limit)?;
    let (stdout, stderr) = (text(stdout), text(stderr));
    let verdict = match success {
        None => Verdict::Unfinished,
        Some(true) => Verdict::Holds,
        Some(false) => Verdict::Fails(message(&stderr)),
    };
    let schedules = stdout.lines().rev().find_map(|line| line.strip_prefix("schedules ")?.parse().ok());
    Ok(Run { verdict, schedules: schedules.unwrap_or(0), seconds: began.elapsed().as_secs_f64() })
}

/// A bound as the command line has it.
pub fn bound_text(bound: Option<usize>) -> String {
    bound.map_or_else(|| "none".to_owned(), |bound| bound.to_string())
}

/// A bound from the command line.
///
/// # Errors
/// When it is neither a number nor `none`.
pub fn parse_bound(text: &str) -> Result<Option<usize>, String> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("bound {text}: a number of preemptions, or none"))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A killed child closes its pipe early: what came is what there is.
            let _length = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn text(reader: thread::JoinHandle<String>) -> String {
    reader.join().unwrap_or_else(|_| "the reader of a pipe panicked".to_owned())
}

/// Whether the child succeeded; `None` when it was stopped at `deadline`.
fn wait(child: &mut Child, deadline: Instant) -> Result<Option<bool>, String> {
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            child.kill().map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The first panic's message, on one line.
fn message(stderr: &str) -> String {
    let mut lines = stderr.lines().skip_while(|line| !line.contains("panicked at"));
    let place = lines.next().unwrap_or("no message");
    let place = place.split("panicked at ").last().unwrap_or(place).trim_end_matches(':');
    let place = place.rsplit('/').next().unwrap_or(place);
    let what: Vec<&str> =
        lines.take_while(|line| !line.starts_with("note:")).take(3).map(str::trim).collect();
    format!("{place}: {}", what.join(" "))
}
