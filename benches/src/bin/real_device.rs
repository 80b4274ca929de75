//! Weighs `qpair pingpong` on a device of the kernel against rdma-core's own `ibv_rc_pingpong` on it.
//!
//! Both send messages of one size to and fro, one under way at a time, and poll. rdma-core's takes two
//! processes and gives the mean of all its round trips; qpair's takes two threads of one, compares every byte
//! outside of what it times, and gives the mean of the round trips that it times. They take turns, round by
//! round, since a machine changes within a minute, and a guest that is emulated more than any.

use clap::Parser;
use qpair_benches::rounds::{self, Aim, Contender, Group, Ratio};
use serde_json::Value;
use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `qpair pingpong` against `ibv_rc_pingpong`, in turns, on a device of the kernel.
#[derive(Parser)]
struct Arguments {
    /// The device, as both name it.
    #[arg(long, default_value = "rxe0")]
    device: String,
    /// Index of the device's GID that rdma-core's program is to use.
    #[arg(long, default_value_t = 1)]
    gid: u32,
    /// Rounds, each of which runs both.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rounds: u64,
    /// Round trips of one run.
    #[arg(long, default_value_t = 1000)]
    iters: u32,
    /// Bytes of a message.
    #[arg(long, default_value_t = 64)]
    size: u32,
    /// The `qpair` to run, built with the feature rdma-core [default: the one beside this program].
    #[arg(long)]
    qpair: Option<PathBuf>,
    /// Print one JSON document, with the figures of every round.
    #[arg(long)]
    json: bool,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// So long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);
const PEER: &str = "ibv_rc_pingpong";

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let qpair = match &arguments.qpair {
        Some(path) => path.clone(),
        None => env::current_exe()?.with_file_name("qpair"),
    };
    // Both once before: what cannot run says so now, and is in memory from now on.
    peer(&arguments, 0)?;
    own(&arguments, &qpair)?;
    let mut round = 0;
    let mut group = Group {
        name: "real-device",
        about: "round trip of a message of one queue pair, polled",
        ratio: Ratio::Time,
        contenders: vec![Contender::new(PEER), Contender::new("qpair pingpong").aim(Aim::AtMost(1.03))],
        measure: Box::new(|contender| {
            round += 1;
            let measured = if contender == 0 { peer(&arguments, round) } else { own(&arguments, &qpair) };
            measured.unwrap_or_else(|error| {
                eprintln!("round {}: {error}", round / 2);
                std::process::exit(1)
            })
        }),
    };
    let rounds = arguments.rounds as usize;
    let (_, samples) = rounds::run(
        std::slice::from_mut(&mut group),
        rounds,
        || 0.0, // no floor: what the kernel and the emulation take is in both
        |round| eprint!("\rround {} of {rounds} ", round + 1),
    );
    eprintln!();
    if arguments.json {
        println!("{:#}", rounds::to_json(&group, &samples[0]));
    } else {
        println!("{} bytes, {} round trips a run, {rounds} rounds", arguments.size, arguments.iters);
        println!("{}", rounds::table(&group, &samples[0]));
    }
    Ok(())
}

/// Nanoseconds of a round trip of `qpair pingpong`.
fn own(arguments: &Arguments, qpair: &PathBuf) -> Result<f64> {
    let (size, iters) = (arguments.size.to_string(), arguments.iters.to_string());
    let output = Command::new(qpair)
        .args(["pingpong", "--json", "--device", &arguments.device, "--size", &size, "--iters", &iters])
        .output()
        .map_err(|error| format!("{}: {error}", qpair.display()))?;
    let document: Value = serde_json::from_str(&said(&output)?)?;
    document["latency_ns"]["mean"].as_f64().ok_or_else(|| "no mean in what qpair printed".into())
}

/// Nanoseconds of a round trip of `ibv_rc_pingpong`; the port is another one in each run.
fn peer(arguments: &Arguments, run: u16) -> Result<f64> {
    let port = 18_515 + run;
    let end = |server: Option<&str>| -> Result<Child> {
        let mut command = Command::new(PEER);
        command.args(["-d", &arguments.device, "-g", &arguments.gid.to_string(), "-p", &port.to_string()]);
        command.args(["-s", &arguments.size.to_string(), "-n", &arguments.iters.to_string()]).args(server);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.map_err(|error| format!("{PEER} (Debian: ibverbs-utils): {error}").into())
    };
    let mut server = end(None)?;
    if let Err(error) = listening(port, &mut server) {
        server.kill()?;
        server.wait()?;
        return Err(error);
    }
    let client = end(Some("127.0.0.1"))?.wait_with_output()?;
    if !client.status.success() {
        server.kill()?;
    }
    let (server, client) = (server.wait_with_output()?, said(&client)?);
    said(&server)?;
    // "1000 iters in 0.13 seconds = 130.94 usec/iter"
    let before = client.lines().find_map(|line| line.strip_suffix(" usec/iter"));
    let number = before.and_then(|line| line.rsplit(' ').next()).ok_or("no usec/iter in what it printed")?;
    Ok(number.parse::<f64>()? * 1000.0)
}

/// Waits until somebody listens at `port`: the client does not try again.
#[expect(clippy::disallowed_methods, reason = "waits for another program")]
fn listening(port: u16, server: &mut Child) -> Result<()> {
    let begun = Instant::now();
    let listens = |table: &str| {
        // Local address, remote address, state; 0A is LISTEN.
        fs::read_to_string(table).unwrap_or_default().lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next().is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
                && words.nth(1) == Some("0A")
        })
    };
    while !listens("/proc/net/tcp") && !listens("/proc/net/tcp6") {
        if server.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
            return Err(format!("{PEER} does not listen: try it by hand").into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// What a program that succeeded printed.
fn said(output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let (answer, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{}: {answer}{complaint}", output.status).into())
}
