//! The clock, the cores, and two threads that start together.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::disallowed_types, reason = "the start line of two bench threads is no protocol of qpair")]

use core_affinity::CoreId;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static CORES: OnceLock<[usize; 2]> = OnceLock::new();

/// Chooses the cores of the two bench threads and keeps the calling thread on the first.
///
/// Threads that it starts later inherit that core, unless [`duel`] starts them. The first call decides.
pub fn choose_cores(cores: [usize; 2]) {
    let [here, _] = *CORES.get_or_init(|| cores);
    core_affinity::set_for_current(CoreId { id: here });
}

/// First and last core that this process may use.
pub fn first_and_last_core() -> [usize; 2] {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let id = |core: Option<&CoreId>| core.map_or(0, |core| core.id);
    [id(cores.first()), id(cores.last())]
}

/// Nanoseconds of a duration.
pub fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

/// How long `work` takes.
pub fn time(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// How long two threads take that start together, until both are done.
///
/// `here` runs on the calling thread, `there` on one of its own, on the second of the chosen cores.
pub fn duel(here: impl FnOnce(), there: impl FnOnce() + Send) -> Duration {
    let (ready, go) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            if let Some([_, core]) = CORES.get() {
                core_affinity::set_for_current(CoreId { id: *core });
            }
            ready.store(true, Ordering::Release); // nothing is read through it
            until(|| go.load(Ordering::Acquire)); // what was made ready before the start
            there();
            Instant::now()
        });
        until(|| ready.load(Ordering::Acquire)); // as above
        let begin = Instant::now();
        go.store(true, Ordering::Release); // as above
        here();
        let end = Instant::now();
        end.max(other.join().expect("the other thread does not panic")) - begin
    })
}

/// Looks again and again until it is so.
#[inline]
pub fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        std::hint::spin_loop();
    }
}
