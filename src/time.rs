//! Time and chance as every layer above knows them: plain numbers that are passed in.
//!
//! Nothing outside `fabric` reads a clock and nothing draws chance of its own, else no run could be
//! replayed. May come in: arithmetic on time, seeded chance. Not here: clocks.

use std::ops::{Add, Sub};

/// A point in time, in nanoseconds since its clock began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A length of time in nanoseconds; about 584 years at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Time {
    /// The point at which the clock began.
    pub const ZERO: Self = Self(0);

    /// The point `nanos` nanoseconds after the clock began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Span {
    /// No time at all.
    #[cfg_attr(not(test), expect(dead_code, reason = "it completes the set"))]
    pub const ZERO: Self = Self(0);

    /// A span of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A span of `millis` milliseconds, the longest span where that is too long to hold.
    #[cfg_attr(not(any(test, feature = "rdma-core")), expect(dead_code, reason = "it completes the set"))]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// A span of `secs` seconds, the longest span where that is too long to hold.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Length in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Add<Span> for Time {
    type Output = Self;

    /// Stops at the end of time instead of wrapping.
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Time {
    type Output = Span;

    /// Zero where `earlier` is in truth the later one.
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// Chance that can be replayed: number `step` of the sequence `stream` that belongs to `seed`.
///
/// Evenly spread over all 64 bits (the finalizer of SplitMix64); not for secrets.
pub fn draw(seed: u64, stream: u64, step: u64) -> u64 {
    let mixed = [seed, stream, step].into_iter().fold(0, |state: u64, word| {
        let state = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    });
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stops_at_its_ends() {
        assert_eq!(Time::from_nanos(u64::MAX) + Span::from_secs(1), Time::from_nanos(u64::MAX));
        assert_eq!(Time::ZERO - Time::from_nanos(5), Span::ZERO);
        assert_eq!(Time::from_nanos(7) - Time::from_nanos(5), Span::from_nanos(2));
        assert_eq!(Span::from_millis(u64::MAX), Span::from_nanos(u64::MAX));
    }

    #[test]
    fn chance_is_the_same_again_and_spread() {
        let first: Vec<_> = (0..64).map(|step| draw(1, 2, step)).collect();
        assert_eq!(first, (0..64).map(|step| draw(1, 2, step)).collect::<Vec<_>>());
        let mut values = [[1, 2], [2, 1], [1, 3]].map(|[seed, stream]| draw(seed, stream, 0)).to_vec();
        values.extend(&first[1..]);
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), 66);
        let ones: u32 = first.iter().map(|number| number.count_ones()).sum();
        assert!((1700..2400).contains(&ones), "{ones} of 4096 bits");
    }
}
