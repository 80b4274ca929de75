//! What is printed: text or one JSON document, and numbers as people read them.
//!
//! A reader that goes away (`qpair flush | head -1`) has what it wanted: the rest is not printed, and it is
//! no error.

use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Where a subcommand's answer goes, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints an answer, which is text by `Display` and a document by `Serialize`.
    pub fn print(self, answer: &(impl fmt::Display + Serialize)) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string_pretty(answer)? + "\n" } else { answer.to_string() };
        let mut stdout = io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|error| anyhow::Error::new(error).context("standard output")),
        }
    }

    /// Somebody watches who wants to see that it goes on.
    pub fn is_watched(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }
}

/// Prints a line to standard error, if there is one.
pub fn complain(line: fmt::Arguments<'_>) {
    let _unheard = writeln!(io::stderr(), "{line}");
}

/// A time in the unit that suits it, to three digits.
pub struct Nanoseconds(pub f64);

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &["ns", "µs", "ms", "s"])
    }
}

/// A rate or amount with the prefix that suits it, to three digits: `Scaled(7.6e6, "B/s")` is 7.60 MB/s.
pub struct Scaled(pub f64, pub &'static str);

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &["", "k", "M", "G", "T"])?;
        f.write_str(self.1)
    }
}

/// A count with its thousands set apart.
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A size in bytes, with a binary prefix where that is exact.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 >> shift != 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{} {unit}", self.0 >> shift);
            }
        }
        write!(f, "{} B", Count(self.0))
    }
}

fn scaled(f: &mut fmt::Formatter<'_>, value: f64, units: &[&str]) -> fmt::Result {
    let (mut value, mut unit) = (value, 0);
    // From 999.5 on three digits would round to 1000 of the lower unit.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let whole = unit == 0 && value.fract() == 0.0;
    let decimals = if whole || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    write!(f, "{value:.decimals$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        let times = [0.0, 37.0, 262.4, 999.4, 999.6, 1204.0, 99_949.0, 99_960.0, 3.4e6, 2.5e9, 7.0e12];
        let read = times.map(|ns| Nanoseconds(ns).to_string());
        let expected = ["0 ns", "37 ns", "262 ns", "999 ns", "1.00 µs", "1.20 µs", "99.9 µs", "100 µs"];
        assert_eq!(read[..8], expected);
        assert_eq!(read[8..], ["3.40 ms", "2.50 s", "7000 s"]);
        assert_eq!(Scaled(7.634e6, "B/s").to_string(), "7.63 MB/s");
        assert_eq!(Scaled(12.0, "B/s").to_string(), "12 B/s");
    }

    #[test]
    fn counts_and_sizes_are_exact() {
        let counts = [0, 999, 1000, 100_000, 1_234_567].map(|n| Count(n).to_string());
        assert_eq!(counts, ["0", "999", "1,000", "100,000", "1,234,567"]);
        let sizes = [1, 64, 1024, 1536, 4096, 1 << 20, 3 << 30, 1025].map(|n| Bytes(n).to_string());
        assert_eq!(sizes, ["1 B", "64 B", "1 KiB", "1,536 B", "4 KiB", "1 MiB", "3 GiB", "1,025 B"]);
    }
}
