//! What the machine itself takes: the floors that the figures are held against.

#![expect(clippy::disallowed_types, reason = "the floor is the bare machine, not a protocol of qpair")]

use crate::timing::{duel, until};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One cache line with a word for each direction, and nothing beside it, also not for a prefetcher.
#[repr(align(128))]
#[derive(Default)]
struct Line {
    there: AtomicU64,
    back: AtomicU64,
}

/// Two threads hand a number to and fro through two words of one cache line; the time of all round trips.
pub fn line_ping_pong(round_trips: u64) -> Duration {
    let line = Line::default();
    // Release and Acquire: the least that hands over anything else besides the number.
    duel(
        || {
            for round in 1..=round_trips {
                line.there.store(round, Ordering::Release);
                until(|| line.back.load(Ordering::Acquire) == round);
            }
        },
        || {
            for round in 1..=round_trips {
                until(|| line.there.load(Ordering::Acquire) == round);
                line.back.store(round, Ordering::Release);
            }
        },
    )
}

/// Copies `source` to `target`, of the same length, in a way that the compiler cannot leave out.
#[inline]
pub fn memcpy(source: &[u8], target: &mut [u8]) {
    black_box(&mut *target).copy_from_slice(black_box(source));
}
