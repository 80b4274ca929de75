//! Cache lines and instructions per message, counted from a trace of every access.
//!
//! Counters of the processor are seldom to be had in a virtual machine, so a tool of valgrind runs the
//! program and writes down each instruction, load and store. Messages stand between two stores to a word
//! whose address the program prints first. What is counted are distinct 64-byte lines of data; an idle pair's
//! are cold, so the lines that only this pair touches are what a message costs when its pair was not busy
//! lately.

#![expect(
    clippy::disallowed_types,
    reason = "the word is there to be seen in a trace, not to order anything"
)]

use crate::pairs::{World, messages, one_message};
use crate::rounds::Spread;
use std::collections::BTreeSet;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// The argument that makes a program call [`traced`] instead of its work.
pub const TRACED: &str = "--traced";

const LINE: u64 = 64;
const PAIRS: u32 = 17;
static MARK: AtomicU64 = AtomicU64::new(0);

fn mark(number: u64) {
    MARK.store(number, Ordering::Release); // a plain store in the trace, after what comes before it
}

/// What the program under the tool does: one message on each of some pairs.
///
/// # Errors
/// Standard output is closed.
pub fn traced() -> io::Result<()> {
    println!("{:x}", MARK.as_ptr().addr());
    io::stdout().flush()?;
    let world = World::new("traced", PAIRS as usize);
    messages(&world, &[0], 200); // code and the shared lines are warm from here on
    for pair in 1..PAIRS {
        mark(1);
        one_message(&world, pair as usize, 0);
        mark(2);
    }
    Ok(())
}

/// Figures of one message, each over several messages.
pub struct Lines {
    /// Instructions.
    pub instructions: Spread,
    /// Distinct lines of data touched.
    pub touched: Spread,
    /// Those among them that no message of another pair touches.
    pub own: Spread,
    /// Own lines that are written.
    pub own_written: Spread,
}

#[derive(Default)]
struct Message {
    instructions: f64,
    touched: BTreeSet<u64>,
    written: BTreeSet<u64>,
}

/// Runs this program again under the tool and counts.
///
/// # Errors
/// valgrind is not there, or its output is not as expected.
pub fn count() -> io::Result<Lines> {
    let mut child = Command::new("valgrind")
        .args(["--tool=lackey", "--trace-mem=yes", "--log-fd=2"])
        .arg(env::current_exe()?)
        .arg(TRACED)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let unexpected = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let trace = child.stderr.take().ok_or_else(|| unexpected("no trace"))?;
    let mut first = String::new();
    let out = child.stdout.take().ok_or_else(|| unexpected("no output"))?;
    // The address comes before the trace has anything to skip, but the pipe of the trace fills: read both.
    let address = std::thread::spawn(move || BufReader::new(out).read_line(&mut first).map(|_| first));
    let mut messages: Vec<Message> = Vec::new();
    let mut inside = false;
    let mut mark = None;
    let mut address = Some(address);
    for line in BufReader::with_capacity(1 << 20, trace).split(b'\n') {
        let line = line?;
        if mark.is_none() && address.as_ref().is_some_and(std::thread::JoinHandle::is_finished) {
            let printed = address.take().map(std::thread::JoinHandle::join);
            let printed = printed.and_then(Result::ok).ok_or_else(|| unexpected("no address"))??;
            mark = u64::from_str_radix(printed.trim(), 16).ok();
        }
        let Some((kind, at, size)) = access(&line) else { continue };
        if Some(at) == mark && kind != b'I' {
            inside = !inside;
            if inside {
                messages.push(Message::default());
            }
        } else if inside {
            let message = messages.last_mut().expect("pushed when it began");
            if kind == b'I' {
                message.instructions += 1.0;
                continue;
            }
            for line in at / LINE..=(at + size - 1) / LINE {
                message.touched.insert(line);
                if kind != b'L' {
                    message.written.insert(line);
                }
            }
        }
    }
    if !child.wait()?.success() || messages.len() != PAIRS as usize - 1 {
        return Err(unexpected("the traced program did not come to its end"));
    }
    Ok(summary(&messages))
}

/// Kind, address and size of one line of the trace.
fn access(line: &[u8]) -> Option<(u8, u64, u64)> {
    let line = std::str::from_utf8(line).ok()?.trim_start();
    let (kind, rest) = line.split_once(' ')?;
    let kind = match kind {
        "I" => b'I',
        "L" => b'L',
        "S" => b'S',
        "M" => b'M',
        _ => return None,
    };
    let (at, size) = rest.trim_start().split_once(',')?;
    Some((kind, u64::from_str_radix(at, 16).ok()?, size.trim().parse().ok()?))
}

fn summary(messages: &[Message]) -> Lines {
    let spread = |of: &dyn Fn(usize) -> f64| Spread::of(&(0..messages.len()).map(of).collect::<Vec<_>>());
    let own = |index: usize| {
        let others = |line: &&u64| {
            let mut others = messages.iter().enumerate().filter(|(other, _)| *other != index);
            others.all(|(_, other)| !other.touched.contains(line))
        };
        messages[index].touched.iter().filter(others).copied().collect::<BTreeSet<u64>>()
    };
    Lines {
        instructions: spread(&|index| messages[index].instructions),
        touched: spread(&|index| messages[index].touched.len() as f64),
        own: spread(&|index| own(index).len() as f64),
        own_written: spread(&|index| own(index).intersection(&messages[index].written).count() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_trace_are_read() {
        assert_eq!(access(b"I  0023c790,2"), Some((b'I', 0x23_c790, 2)));
        assert_eq!(access(b" S be80199c,4"), Some((b'S', 0xbe80_199c, 4)));
        assert_eq!(access(b"==12== Lackey"), None);
    }
}
