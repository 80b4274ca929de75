//! The bytes of the messages: known in advance, and different in every place from one message to the next.

use anyhow::{Context, bail};

/// Messages repeat after so many: a prime, so that no shift by a page, line or word goes unnoticed.
const PERIOD: usize = 251;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Ping,
    Pong,
}

impl Way {
    /// The other way.
    pub fn back(self) -> Self {
        match self {
            Self::Ping => Self::Pong,
            Self::Pong => Self::Ping,
        }
    }
}

/// Room for a message.
pub fn zeroes(size: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).with_context(|| format!("no memory for {size} bytes"))?;
    bytes.resize(size, 0);
    Ok(bytes)
}

/// All messages of one size.
///
/// Byte `i` of ping `n` is `1 + (i + 2n) mod 251`, and of pong `n` one more: never 0, which is what fresh
/// memory holds. So each message is a window of one table, and is made and checked at the speed of memory.
#[derive(Debug)]
pub struct Pattern {
    table: Vec<u8>,
    size: usize,
}

impl Pattern {
    pub fn new(size: usize) -> anyhow::Result<Self> {
        let mut table = zeroes(size + PERIOD)?;
        table.iter_mut().enumerate().for_each(|(at, byte)| *byte = 1 + (at % PERIOD) as u8);
        Ok(Self { table, size })
    }

    /// Message `n` that way.
    pub fn message(&self, way: Way, n: u64) -> &[u8] {
        let way = u64::from(way == Way::Pong);
        // The sum cannot overflow once `n` is within a period.
        let start = (2 * (n % PERIOD as u64) + way) as usize % PERIOD;
        &self.table[start..start + self.size]
    }

    /// The last byte of message `n`: what is watched for.
    pub fn last(&self, way: Way, n: u64) -> u8 {
        self.message(way, n).last().copied().unwrap_or_default()
    }

    /// Compares what has arrived with message `n`.
    pub fn check(&self, way: Way, n: u64, arrived: &[u8]) -> anyhow::Result<()> {
        let expected = self.message(way, n);
        if arrived == expected {
            return Ok(());
        }
        if arrived.len() != expected.len() {
            bail!("{way:?} {n} has {} bytes in place of {}", arrived.len(), expected.len());
        }
        let wrong =
            |(at, (got, expected)): (usize, (&u8, &u8))| (got != expected).then_some((at, *got, *expected));
        let first = arrived.iter().zip(expected).enumerate().find_map(wrong);
        let (at, got, expected) = first.unwrap_or_default();
        bail!(
            "{way:?} {n} is not what was sent: byte {at} of {} is {got:#04x}, not {expected:#04x}",
            arrived.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_differ_in_every_byte() {
        let pattern = Pattern::new(600).expect("memory");
        let ways = |n| [pattern.message(Way::Ping, n), pattern.message(Way::Pong, n)];
        let messages: Vec<&[u8]> = (0..300).flat_map(ways).collect();
        for pair in messages.windows(2) {
            assert!(pair[0].iter().zip(pair[1]).all(|(a, b)| a != b && *a != 0));
        }
        assert_eq!(pattern.message(Way::Ping, 0)[..3], [1, 2, 3]);
        assert_eq!(pattern.last(Way::Pong, u64::MAX), *pattern.message(Way::Pong, u64::MAX).last().unwrap());
    }

    #[test]
    fn a_wrong_byte_is_found_and_named() {
        let pattern = Pattern::new(64).expect("memory");
        let mut message = pattern.message(Way::Ping, 7).to_vec();
        assert!(pattern.check(Way::Ping, 7, &message).is_ok());
        assert!(pattern.check(Way::Ping, 8, &message).is_err());
        assert!(pattern.check(Way::Pong, 7, &message).is_err());
        message[40] = 0;
        let error = pattern.check(Way::Ping, 7, &message).unwrap_err().to_string();
        assert_eq!(error, "Ping 7 is not what was sent: byte 40 of 64 is 0x00, not 0x37");
        assert!(pattern.check(Way::Ping, 7, &message[..63]).is_err());
    }
}
