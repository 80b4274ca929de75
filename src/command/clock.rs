//! The clock behind the command's figures; what is measured never goes by it.

#![expect(
    clippy::disallowed_methods,
    reason = "figures need a clock, and nothing in the library reads this one"
)]

pub use std::time::{Duration, Instant};

/// Now, by the machine's monotonic clock.
pub fn now() -> Instant {
    Instant::now()
}

/// How long ago that was.
pub fn since(before: Instant) -> Duration {
    now().duration_since(before)
}
