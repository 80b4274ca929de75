//! What is measured: the options, judged by what the adapter can do.

use crate::command::output::Bytes;
use crate::command::usage;
use crate::command::world::OnDevice;
use clap::{Args, ValueEnum, value_parser};
use qpair::ndk::AdapterInfo;
use serde::Serialize;

/// What the user asks for.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    pub device: OnDevice,
    /// What is posted
    #[arg(long, value_enum, default_value_t = Operation::Send)]
    op: Operation,
    /// Bytes of a message; 4K, 1M and 1G are understood [default: 64; cas is always 8]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    size: Option<u64>,
    /// Round trips or operations that are measured on each pair, after a warm-up
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = value_parser!(u64).range(1..=ITERATIONS_MAX))]
    iters: u64,
    /// Threads of a pair: 2 is one for each end, 1 drives both [default: 2; read and cas: 1]
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=2))]
    threads: Option<u8>,
    /// Pairs that run at the same time, each with threads of its own; 64 at most
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=PAIRS_MAX))]
    pairs: u32,
    /// Messages under way on a pair, 64 at most: 1 measures latency, more measure rate
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=WINDOW_MAX))]
    window: u32,
}

/// Half an hour at a microsecond each: more is a typing error.
const ITERATIONS_MAX: u64 = 2_000_000_000;
/// With more threads than that, what is measured is the scheduler.
const PAIRS_MAX: i64 = 64;
/// Below half the period of the pattern, so that the next message of a slot ends in another byte.
const WINDOW_MAX: i64 = 64;
/// Bytes of all message buffers of a run: what a small machine has.
const MEMORY_MAX: u64 = 4 << 30;
/// Round trips before those that count: enough for caches, branches and the clock of the processor.
const WARM_UP_MAX: u64 = 10_000;
/// Bytes of a message if nothing is said.
const SIZE: u64 = 64;
/// Bytes of a remote atomic.
const WORD: u64 = 8;

/// What the driving side posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// SEND into a receive of the peer; both poll their completion queues
    Send,
    /// RDMA WRITE; each side watches the last byte of its memory
    Write,
    /// RDMA READ of the peer's memory
    Read,
    /// Remote compare and swap, each on the outcome of the one before
    Cas,
}

impl Operation {
    /// The peer answers each message.
    pub fn is_two_sided(self) -> bool {
        matches!(self, Self::Send | Self::Write)
    }
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub operation: Operation,
    pub size: usize,
    pub iterations: u64,
    pub warm_up: u64,
    pub pairs: u32,
    pub threads: u8,
    pub window: usize,
}

impl Plan {
    /// Round trips or operations of a pair, the warm-up included.
    pub fn total(&self) -> u64 {
        self.warm_up + self.iterations
    }
}

impl Options {
    /// Judges everything; an error is the user's and names the option.
    pub fn plan(&self, adapter: &AdapterInfo) -> anyhow::Result<Plan> {
        let two_sided = self.op.is_two_sided();
        if self.threads == Some(2) && !two_sided {
            let idle =
                "is one too many: of a read or cas the peer's memory is all that takes part; leave it out";
            return Err(usage("--threads 2", idle));
        }
        Ok(Plan {
            operation: self.op,
            size: self.judge_size(adapter)?,
            iterations: self.iters,
            warm_up: (self.iters / 10).clamp(1, WARM_UP_MAX),
            pairs: self.pairs,
            threads: self.threads.unwrap_or(if two_sided { 2 } else { 1 }),
            window: self.window as usize,
        })
    }

    fn judge_size(&self, adapter: &AdapterInfo) -> anyhow::Result<usize> {
        let wrong = |size, why: String| Err(usage("--size", format_args!("is {size}; {why}")));
        let size = match (self.op, self.size) {
            (Operation::Cas, Some(size)) if size != WORD => {
                return wrong(size, format!("a compare and swap is of {WORD} bytes: leave it out"));
            }
            (Operation::Cas, _) => WORD,
            (_, size) => size.unwrap_or(SIZE),
        };
        let longest = u64::from(adapter.max_transfer_length);
        if size == 0 || size > longest {
            return wrong(
                size,
                format!("ask for 1 to {longest} bytes, which is what one request can transfer"),
            );
        }
        let slots = SLOTS * u64::from(self.window) * u64::from(self.pairs);
        if size.saturating_mul(slots) > MEMORY_MAX {
            let (memory, most) = (Bytes(MEMORY_MAX), MEMORY_MAX / slots);
            return wrong(
                size,
                format!("ask for at most {most}: the {slots} buffers of this run may take {memory}"),
            );
        }
        Ok(size as usize)
    }
}

/// Message buffers of a pair for each place in the window: see [`sides`](super::sides).
const SLOTS: u64 = 6;

/// A number of bytes, with or without K, M or G.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let last = text.chars().next_back().map_or(' ', |last| last.to_ascii_uppercase());
    let (digits, shift) = match "KMG".find(last) {
        Some(at) => (&text[..text.len() - 1], 10 * (at + 1)),
        None => (text, 0),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    number.ok_or_else(|| "write a number of bytes, as in 64, 4K or 1M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        let sizes = ["0", "64", "4K", "4k", "1M", "2G"].map(|text| parse_bytes(text).unwrap());
        assert_eq!(sizes, [0, 64, 4096, 4096, 1 << 20, 2 << 30]);
        for text in ["", "K", "-1", "1.5K", "4KB", "é", "18446744073709551615K"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_pattern_outlasts_the_window() {
        // A slot of the answering end is used again after twice the window, by a message four windows on in
        // its bytes.
        assert!(4 * WINDOW_MAX % 251 != 0 && (1..=WINDOW_MAX).all(|window| 4 * window % 251 != 0));
    }
}
