//! Prints ratios of qpair to floors and peers, all measured in the rounds of one run.
//!
//! Each round measures the floor and then every contender of every group; ratios are taken within a round,
//! and their median and quartiles over the rounds are printed. Never compare two runs.

mod groups;

use clap::Parser;
use qpair_benches::lines::{self, Lines};
use qpair_benches::memory::{self, Counting};
use qpair_benches::rounds::{self, Group, Spread};
use qpair_benches::{floor, pairs, timing};
use serde_json::{Value, json};
use std::error::Error;
use std::{env, fs};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ratios of qpair to floors and peers.
#[derive(Parser)]
struct Arguments {
    /// Rounds; fewer than 20 are for a look only.
    #[arg(long, default_value_t = 24)]
    rounds: usize,
    /// Only groups whose name contains this; several may be given.
    #[arg(long)]
    only: Vec<String>,
    /// Print one JSON object, with the figures of every round, instead of tables.
    #[arg(long)]
    json: bool,
    /// Milliseconds that one measurement takes, roughly.
    #[arg(long, default_value_t = 30.0)]
    milliseconds: f64,
    /// The cores of the two threads. Default: the first and the last one.
    #[arg(long, value_delimiter = ',', num_args = 2)]
    cores: Option<Vec<usize>>,
}

/// Round trips of a cache line below this are between near cores: they share a cache.
const NEAR_NS: f64 = 150.0;
/// Bytes that an idle queue pair of 64 + 64 requests with one entry each may take.
const BYTES_AIM: f64 = 12.0 * 1024.0;

fn main() -> Result<(), Box<dyn Error>> {
    if env::args().nth(1).as_deref() == Some(lines::TRACED) {
        return Ok(lines::traced()?);
    }
    let arguments = Arguments::parse();
    let cores = match arguments.cores.as_deref() {
        Some([here, there]) => [*here, *there],
        _ => timing::first_and_last_core(),
    };
    timing::choose_cores(cores);
    let wanted =
        |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| name.contains(only));
    let mut groups = groups::all(&wanted, arguments.milliseconds);
    let floor = || timing::nanoseconds(floor::line_ping_pong(20_000)) / 20_000.0;
    let (floors, samples) = rounds::run(&mut groups, arguments.rounds.max(1), floor, |round| {
        eprint!("\rround {} of {}", round + 1, arguments.rounds.max(1));
    });
    eprintln!();
    let bytes = wanted("memory").then(|| pairs::bytes_per_queue_pair(memory::live));
    let lines = wanted("lines").then(lines::count);
    let place = Place { cores, floors: &floors };
    let measured: Vec<_> = groups.iter().zip(&samples).collect();
    if arguments.json {
        println!("{:#}", as_json(&place, &measured, bytes, lines.and_then(Result::ok).as_ref()));
        return Ok(());
    }
    print!("{}", place.words());
    for (group, samples) in measured {
        print!("{}", rounds::table(group, samples));
    }
    if let Some((created, connected)) = bytes {
        println!(
            "\nmemory: bytes that the allocator was asked for, per queue pair of 64 + 64 requests, 1 SGE"
        );
        let reached = if created < BYTES_AIM { "reached" } else { "missed" };
        println!("  created{created:>56.0}  under {BYTES_AIM}: {reached}");
        println!("  and connected, with its connector{connected:>30.0}");
    }
    match lines {
        Some(Ok(lines)) => print_lines(&lines),
        Some(Err(error)) => println!("\nlines: not counted, valgrind: {error}"),
        None => {}
    }
    Ok(())
}

fn print_lines(lines: &Lines) {
    println!(
        "\nlines: one message (receive, silent send of 8 inline bytes, poll), traced by valgrind's lackey"
    );
    let rows: [(&str, Spread); 4] = [
        ("instructions", lines.instructions),
        ("cache lines of data touched", lines.touched),
        ("of them, lines of this pair alone", lines.own),
        ("of those, written", lines.own_written),
    ];
    for (name, spread) in rows {
        println!("  {name:<38} {:>24}", spread.to_string());
    }
}

/// Where the figures were taken.
struct Place<'f> {
    cores: [usize; 2],
    floors: &'f [f64],
}

impl Place<'_> {
    fn words(&self) -> String {
        let near = self.near();
        format!(
            "command: {}\nprocessor: {}, cores {} and {}\nfloor: a cache line to and fro in {} ns; near in {near} of {} \
             rounds, far in {}\n",
            command(),
            processor(),
            self.cores[0],
            self.cores[1],
            Spread::of(self.floors),
            self.floors.len(),
            self.floors.len() - near,
        )
    }

    /// Rounds in which the two cores were near each other.
    fn near(&self) -> usize {
        self.floors.iter().filter(|floor| **floor < NEAR_NS).count()
    }
}

fn command() -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("cargo run --release -p qpair-benches --bin ratios -- {}", arguments.join(" "))
        .trim_end()
        .to_owned()
}

/// The model name that the system gives.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}

fn as_json(
    place: &Place<'_>,
    measured: &[(&Group<'_>, &rounds::Samples)],
    bytes: Option<(f64, f64)>,
    lines: Option<&Lines>,
) -> Value {
    let groups: Vec<Value> =
        measured.iter().map(|(group, samples)| rounds::to_json(group, samples)).collect();
    json!({
        "command": command(),
        "processor": processor(),
        "cores": place.cores,
        "floor_ns": place.floors,
        "near_rounds": place.near(),
        "groups": groups,
        "bytes_per_queue_pair": bytes.map(|(created, connected)| json!({
            "created": created,
            "connected": connected,
        })),
        "lines_per_message": lines.map(|lines| json!({
            "instructions": lines.instructions.median,
            "touched": lines.touched.median,
            "own": lines.own.median,
            "own_written": lines.own_written.median,
        })),
    })
}
