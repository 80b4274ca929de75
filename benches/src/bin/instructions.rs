//! Prints the instructions that one step of each workload takes on one thread, counted by valgrind.
//!
//! Unlike a time, the count is the same in every run of one build, on a busy machine too, so it tells which
//! of two builds does more. It knows nothing of caches, of waits between stores and loads, and of other
//! threads: `ratios` does.

use clap::Parser;
use qpair_benches::pairs::{self, Request, World};
use qpair_benches::rings::{self, Completions, PlainWork, QuietCompletions, ReceiveWork};
use std::env;
use std::error::Error;
use std::process::Command;

/// Instructions per step of each workload, by valgrind.
#[derive(Parser)]
struct Arguments {
    /// Only workloads whose name contains this; several may be given.
    #[arg(long)]
    only: Vec<String>,
    /// Do so many steps of the one workload of just that name, and count nothing: for a profiler.
    #[arg(long)]
    steps: Option<u64>,
}

type Workload = (&'static str, fn(u64));

const WORKLOADS: &[Workload] = &[
    ("completion ring, batch 1", |steps| rings::to_and_fro::<QuietCompletions>(1, steps)),
    ("completion ring, batch 16", |steps| rings::to_and_fro::<QuietCompletions>(16, steps)),
    ("completion ring, arm looked at", |steps| rings::to_and_fro::<Completions>(1, steps)),
    ("work queue, plain posts", |steps| rings::to_and_fro::<PlainWork>(1, steps)),
    ("work queue, posts of receives", |steps| rings::to_and_fro::<ReceiveWork>(1, steps)),
    ("shared receive ring", rings::shared_receives),
    ("rings alone, post to poll", |steps| {
        rings::post_to_poll(steps);
    }),
    ("write of 0 bytes, post to poll", |steps| round(Request::EmptyWrite, steps)),
    ("write of 8 bytes inline", |steps| round(Request::InlineWrite, steps)),
    ("write of 8 bytes", |steps| round(Request::Write, steps)),
    ("receive and send of 8 bytes", |steps| round(Request::Send, steps)),
];

fn round(request: Request, steps: u64) {
    pairs::post_to_poll(&World::new("instructions", 1), request, steps);
}

/// Steps of the two runs whose difference counts, so that what comes before the first step does not.
const STEPS: [u64; 2] = [1_000, 11_000];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let only = &arguments.only;
    if let Some(steps) = arguments.steps {
        let named = WORKLOADS.iter().filter(|(name, _)| only.iter().any(|only| name == only));
        named.for_each(|(_, work)| work(steps));
        return Ok(());
    }
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| name.contains(only.as_str()));
    for (name, _) in WORKLOADS.iter().filter(|(name, _)| wanted(name)) {
        let [few, many] = STEPS.map(|steps| count(name, steps));
        println!("{name:<34}{:>9.1}", (many? - few?) as f64 / (STEPS[1] - STEPS[0]) as f64);
    }
    Ok(())
}

/// Instructions of a run of this program that does so many steps of one workload.
fn count(name: &str, steps: u64) -> Result<u64, Box<dyn Error>> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--only", name, "--steps", &steps.to_string()])
        .output()
        .map_err(|error| format!("valgrind, which counts: {error}"))?;
    let said = String::from_utf8_lossy(&run.stderr);
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1));
    match (run.status.success(), collected) {
        (true, Some(number)) => Ok(number.trim().parse()?),
        _ => Err(format!("{name}: {}: {said}", run.status).into()),
    }
}
