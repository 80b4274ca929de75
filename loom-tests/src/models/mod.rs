//! The models, one function each, and their registry.
//!
//! Small by intent: depth 1 or 2, so that slots are used again, two or three threads, two payload words. Each
//! asserts the final state after all threads have returned: whatever is not complete then is stranded, and no
//! sleeping thread is needed to show it. Where one is needed (a lost wake-up), loom reports the deadlock.

mod arm;
mod changing;
mod completion;
mod deferred;
mod door;
mod driver;
mod feed;
mod flight;
mod flush;
mod gather;
mod limit;
mod moderation;
mod pair;
mod phases;
mod places;
mod question;
mod region;
mod resize;
mod shared;
mod work;

use crate::process;
use std::sync::{Arc, Mutex, PoisonError};

/// One model.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    /// As the command line has it.
    pub name: &'static str,
    /// What happens in it, in one line.
    pub about: &'static str,
    /// The preemption bound of the short batch.
    pub short: usize,
    /// The preemption bound of the full batch; `None`: every schedule.
    pub full: Option<usize>,
    /// One execution.
    pub body: fn(),
}

/// Bound 3 in the full batch.
const B3: (usize, Option<usize>) = (2, Some(3));
/// The same for a model of many schedules: bound 1 in the short batch.
const LONG: (usize, Option<usize>) = (1, Some(3));
/// Every schedule in the full batch.
const ALL: (usize, Option<usize>) = (2, None);
/// Bound 2 for a model of many schedules: bound 1 in the short batch.
const HEAVY: (usize, Option<usize>) = (1, Some(2));

const fn model(
    name: &'static str,
    about: &'static str,
    (short, full): (usize, Option<usize>),
    body: fn(),
) -> Model {
    Model { name, about, short, full, body }
}

/// Every model.
pub fn all() -> Vec<Model> {
    [
        work::MODELS,
        deferred::MODELS,
        flush::MODELS,
        flight::MODELS,
        pair::MODELS,
        shared::MODELS,
        feed::MODELS,
        completion::MODELS,
        arm::MODELS,
        resize::MODELS,
        limit::MODELS,
        moderation::MODELS,
        region::MODELS,
        changing::MODELS,
        driver::MODELS,
        door::MODELS,
        places::MODELS,
        gather::MODELS,
        phases::MODELS,
        question::MODELS,
    ]
    .concat()
}

/// Explores one model here if the command line is `--run NAME --bound N`, as [`process::run`] writes it.
///
/// # Errors
/// When there is no such model or bound.
pub fn asked_to_run() -> Result<bool, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [run, name, bound_flag, bound] = arguments.as_slice() else { return Ok(false) };
    if run != "--run" || bound_flag != "--bound" {
        return Ok(false);
    }
    let all = all();
    let model = all.iter().find(|model| model.name == name).ok_or(format!("no model {name}"))?;
    explore(model, process::parse_bound(bound)?);
    Ok(true)
}

/// Explores `model` up to `bound` preemptions a schedule (`None`: all). Panics or aborts on failure.
///
/// Prints how many schedules there were, the failing one included.
fn explore(model: &Model, bound: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 20_000;
    builder.max_permutations = None;
    builder.max_duration = None;
    let schedules = Arc::new(Mutex::new(0usize));
    let (counter, body) = (Arc::clone(&schedules), model.body);
    let report = move || println!("schedules {}", schedules.lock().unwrap_or_else(PoisonError::into_inner));
    let (on_failure, default) = (report.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        on_failure();
        default(panic);
    }));
    builder.check(move || {
        *counter.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        qpair::ring::begin_model();
        body();
    });
    report();
}
