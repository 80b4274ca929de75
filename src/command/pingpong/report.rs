//! What a run gives: a table to read, or a document.

use super::driver::{DIGITS, Tally};
use super::plan::{Operation, Plan};
use crate::command::output::{Bytes, Count, Nanoseconds, Scaled};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt;

/// Everything that is told of a run; its fields are those of the document.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which subcommand this is of.
    command: &'static str,
    /// What was posted.
    op: Operation,
    /// Bytes of a message.
    size_bytes: usize,
    /// Round trips or operations that were measured, of each pair.
    iterations: u64,
    /// Those before, which do not count.
    warm_up_iterations: u64,
    /// Pairs at the same time.
    pairs: u32,
    /// Threads of a pair.
    threads_per_pair: u8,
    /// Messages under way on a pair.
    window: usize,
    /// What the latencies are of: `round_trip` (send, write) or `completion` (read, cas).
    latency_of: LatencyOf,
    /// How long these took.
    latency_ns: Latency,
    /// Messages that were measured: two for each round trip.
    messages: u64,
    /// Messages each second, all pairs together, while something was under way.
    messages_per_second: f64,
    /// Bytes each second, both directions and all pairs together.
    bytes_per_second: f64,
    /// Messages that were compared byte by byte with what was sent, the warm-up included.
    verified_messages: u64,
    /// Their bytes.
    verified_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum LatencyOf {
    RoundTrip,
    Completion,
}

/// A distribution of times, in nanoseconds, exact to a thousandth.
#[derive(Clone, Copy, Debug, Serialize)]
struct Latency {
    min: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
    mean: f64,
}

impl Latency {
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| times.value_at_quantile(quantile);
        let (min, max, mean) = (times.min(), times.max(), times.mean());
        Self { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max, mean }
    }
}

impl Report {
    pub fn new(plan: &Plan, tallies: &[Tally]) -> anyhow::Result<Self> {
        let (each, latency_of) = if plan.operation.is_two_sided() {
            (2 * plan.iterations, LatencyOf::RoundTrip)
        } else {
            (plan.iterations, LatencyOf::Completion)
        };
        // A clock that is too coarse for a short run has counted nothing: at least a nanosecond has passed.
        let rate = |tally: &Tally| each as f64 / tally.busy.as_secs_f64().max(1e-9);
        let messages_per_second = tallies.iter().map(rate).sum::<f64>();
        let mut times = Histogram::new(DIGITS)?;
        tallies.iter().try_for_each(|tally| times.add(&tally.latency))?;
        // No end is done before it has compared all that arrived, so there are as many pings as pongs.
        let checked: u64 = tallies.iter().map(|tally| tally.checked).sum();
        let verified_messages = if plan.operation.is_two_sided() { 2 * checked } else { checked };
        Ok(Self {
            command: "pingpong",
            op: plan.operation,
            size_bytes: plan.size,
            iterations: plan.iterations,
            warm_up_iterations: plan.warm_up,
            pairs: plan.pairs,
            threads_per_pair: plan.threads,
            window: plan.window,
            latency_of,
            latency_ns: Latency::of(&times),
            messages: each * tallies.len() as u64,
            messages_per_second,
            bytes_per_second: messages_per_second * plan.size as f64,
            verified_messages,
            verified_bytes: verified_messages * plan.size as u64,
        })
    }

    /// What was done, in words.
    fn title(&self) -> String {
        let (size, count) = (Bytes(self.size_bytes as u64), Count(self.iterations));
        let what = match self.op {
            Operation::Send => format!("SEND ping-pong of {size}, {count} round trips"),
            Operation::Write => format!("RDMA WRITE ping-pong of {size}, {count} round trips"),
            Operation::Read => format!("RDMA READ of {size}, {count} times"),
            Operation::Cas => format!("Remote compare and swap, {count} times"),
        };
        let pairs = if self.pairs == 1 { String::new() } else { format!(" on each of {} pairs", self.pairs) };
        let window = if self.window == 1 { String::new() } else { format!(", {} under way", self.window) };
        let threads = match (self.op.is_two_sided(), self.threads_per_pair) {
            (true, 1) => ", both ends on one thread",
            (true, _) => ", a thread for each end",
            (false, _) => "",
        };
        format!("{what}{pairs}{window}{threads}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { min, p50, p90, p99, p99_9, max, mean } = self.latency_ns;
        let heads = ["min", "p50", "p90", "p99", "p99.9", "max", "mean"];
        let times = [min as f64, p50 as f64, p90 as f64, p99 as f64, p99_9 as f64, max as f64, mean.round()];
        let of = match self.latency_of {
            LatencyOf::RoundTrip => "round trip",
            LatencyOf::Completion => "post to completion",
        };
        let (indent, directions) =
            (of.len(), if self.op.is_two_sided() { " in both directions" } else { "" });
        writeln!(f, "{}\n", self.title())?;
        writeln!(f, "  {:indent$}{}", "", row(heads.map(str::to_owned)))?;
        writeln!(f, "  {of}{}\n", row(times.map(|time| Nanoseconds(time).to_string())))?;
        let (rate, bytes) = (Scaled(self.messages_per_second, ""), Scaled(self.bytes_per_second, "B/s"));
        writeln!(f, "  {rate} messages/s, {bytes}{directions}")?;
        let (messages, bytes) = (Count(self.verified_messages), Count(self.verified_bytes));
        writeln!(f, "  {messages} messages arrived, and all {bytes} bytes are those that were sent")
    }
}

/// A line of a table.
fn row(cells: [String; 7]) -> String {
    cells.iter().map(|cell| format!("{cell:>9}")).collect()
}
