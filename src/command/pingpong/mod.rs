//! `qpair pingpong`: two connected queue pairs exchange messages as fast as they can.
//!
//! [`plan`] judges the options. [`sides`] (send, write) and [`one_sided`] (read, compare and swap) know what
//! to post and what must come back; the [`driver`] paces and times them, on one thread or on one for each
//! end. [`report`] says what came out.
//!
//! What is timed is the way of a message, not the making and checking of its bytes: these are done before the
//! clock is read and after it, and the answering end answers first. Rates are over the time in which
//! something was under way.
//!
//! May come in: further operations, further carriers. Not here: knowledge of how the library does it.

mod driver;
mod one_sided;
mod pattern;
mod plan;
mod report;
mod sides;
mod waiting;

pub use plan::Options;

use super::clock::{Duration, now};
use super::output::Output;
use super::world::{End, Link};
use super::{Verdict, world::Shape};
use anyhow::{Context, anyhow};
use driver::{Driver, Player, Progress, Tally};
use indicatif::{ProgressBar, ProgressStyle};
use one_sided::{Reads, Swaps};
use pattern::{Pattern, Way};
use plan::{Operation, Plan};
use qpair::ndk::Adapter;
use report::Report;
use sides::{Answering, Side};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope, ScopedJoinHandle};
use waiting::{Stop, Stopped, Waiting};

/// Runs the subcommand.
pub fn run(options: &Options, output: Output) -> anyhow::Result<Verdict> {
    let adapter = options.device.open()?;
    let plan = options.plan(adapter.info())?;
    let tallies = measure(&adapter, plan, output)?;
    adapter.close()?;
    output.print(&Report::new(&plan, &tallies)?)?;
    Ok(Verdict::AsPromised)
}

/// Two ends and their connection.
struct Pair {
    active: End,
    passive: End,
    link: Link,
}

impl Pair {
    fn connect(adapter: &Adapter, plan: &Plan) -> anyhow::Result<Self> {
        let shape = |way| -> Shape {
            if plan.operation.is_two_sided() { sides::shape(plan, way) } else { one_sided::shape(plan) }
        };
        let (active, passive) = (End::new(adapter, shape(Way::Ping))?, End::new(adapter, shape(Way::Pong))?);
        let link = Link::connect(adapter, &active, &passive)?;
        Ok(Self { active, passive, link })
    }
}

/// Plays `plan` on all its pairs at once.
fn measure(adapter: &Adapter, plan: Plan, output: Output) -> anyhow::Result<Vec<Tally>> {
    let pattern = Pattern::new(plan.size)?;
    let pairs: Vec<Pair> =
        (0..plan.pairs).map(|_| Pair::connect(adapter, &plan)).collect::<anyhow::Result<_>>()?;
    let stop = Stop::default();
    let (tell, told) = channel();
    let tallies = thread::scope(|scope| {
        let run = Run { scope, plan, pattern: &pattern, stop: &stop };
        let threads: anyhow::Result<Vec<_>> =
            pairs.iter().flat_map(|pair| run.start(pair, tell.clone())).collect();
        // The threads' own senders are left: the watch ends when they do.
        drop(tell);
        let threads = stop.unless(|| threads)?;
        watch(&told, &plan, output);
        joined(threads)
    })?;
    pairs.into_iter().try_for_each(|pair| pair.link.part())?;
    Ok(tallies)
}

type Measuring<'scope> = ScopedJoinHandle<'scope, anyhow::Result<Option<Tally>>>;

/// What the threads of a run share.
#[derive(Clone, Copy)]
struct Run<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    plan: Plan,
    pattern: &'env Pattern,
    stop: &'env Stop,
}

impl<'scope, 'env> Run<'scope, 'env> {
    /// Starts the threads of a pair.
    fn start(self, pair: &'env Pair, tell: Sender<u64>) -> Vec<anyhow::Result<Measuring<'scope>>> {
        let Self { plan, pattern, .. } = self;
        let Pair { active, passive, link } = pair;
        let progress = Progress::new(tell);
        match plan.operation {
            Operation::Read => {
                let reads = Reads::new(active, passive, link.passive_memory, pattern, plan);
                vec![reads.and_then(|reads| self.alone(reads, progress))]
            }
            Operation::Cas => {
                vec![self.alone(Swaps::new(active, passive, link.passive_memory, plan), progress)]
            }
            Operation::Send | Operation::Write => {
                let answering =
                    Side::new(passive, link.active_memory, pattern, plan, Way::Pong).map(Answering);
                let beginning = Side::new(active, link.passive_memory, pattern, plan, Way::Ping);
                match beginning
                    .and_then(|beginning| Ok((Driver::new(beginning, plan, progress)?, answering?)))
                {
                    Ok((beginning, answering)) if plan.threads == 1 => {
                        vec![self.spawn("both ends", move |waiting| both(beginning, answering, waiting))]
                    }
                    Ok((beginning, answering)) => vec![
                        self.spawn("answering end", move |waiting| answer(answering, waiting)),
                        self.spawn("beginning end", move |waiting| drive(beginning, waiting)),
                    ],
                    Err(error) => vec![Err(error)],
                }
            }
        }
    }

    fn alone<P: Player + Send + 'env>(
        self,
        player: P,
        progress: Progress,
    ) -> anyhow::Result<Measuring<'scope>> {
        let driver = Driver::new(player, self.plan, progress)?;
        self.spawn("driving end", move |waiting| drive(driver, waiting))
    }

    fn spawn(
        self,
        name: &str,
        body: impl FnOnce(Waiting<'_>) -> anyhow::Result<Option<Tally>> + Send + 'env,
    ) -> anyhow::Result<Measuring<'scope>> {
        let stop = self.stop;
        let body = move || stop.unless(|| body(Waiting::new(stop)));
        let thread = thread::Builder::new().name(name.to_owned()).spawn_scoped(self.scope, body);
        thread.with_context(|| format!("starting the thread of the {name}; ask for fewer --pairs"))
    }
}

/// The end that begins, or that is alone.
fn drive<P: Player>(mut driver: Driver<P>, mut waiting: Waiting<'_>) -> anyhow::Result<Option<Tally>> {
    while !driver.is_done() {
        let posted = driver.post()?;
        let taken = driver.take()?;
        waiting.turn(posted || taken)?;
    }
    Ok(Some(driver.finish()))
}

/// The end that answers.
fn answer(mut answering: Answering<'_>, mut waiting: Waiting<'_>) -> anyhow::Result<Option<Tally>> {
    answering.care()?;
    while !answering.is_done() {
        let moved = answering.answer()?;
        answering.care()?;
        waiting.turn(moved)?;
    }
    Ok(None)
}

/// Both ends on one thread, which looks at the bytes when the time is taken.
fn both(
    mut driver: Driver<Side<'_>>,
    mut answering: Answering<'_>,
    mut waiting: Waiting<'_>,
) -> anyhow::Result<Option<Tally>> {
    answering.care()?;
    while !(driver.is_done() && answering.is_done()) {
        let posted = driver.post()?;
        let answered = answering.answer()?;
        let taken = driver.take()?;
        answering.care()?;
        waiting.turn(posted || answered || taken)?;
    }
    Ok(Some(driver.finish()))
}

/// How long a run is before somebody wants to see that it goes on.
const SHORT: Duration = Duration::from_secs(1);

/// Shows how far the run is, until its threads have ended.
fn watch(told: &Receiver<u64>, plan: &Plan, output: Output) {
    let (began, mut done) = (now(), 0);
    let mut bar: Option<ProgressBar> = None;
    for more in told {
        done += more;
        if output.is_watched() && now().duration_since(began) >= SHORT {
            bar.get_or_insert_with(|| progress_bar(plan)).set_position(done);
        }
    }
    bar.into_iter().for_each(|bar| bar.finish_and_clear());
}

fn progress_bar(plan: &Plan) -> ProgressBar {
    let bar = ProgressBar::new(plan.total() * u64::from(plan.pairs));
    let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %, {eta} to go");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_unreadable) => bar, // its own style then
    }
}

/// What the threads measured, or why one of them failed.
fn joined(threads: Vec<Measuring<'_>>) -> anyhow::Result<Vec<Tally>> {
    let results: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|_panic| Err(anyhow!("a thread of the run panicked"))))
        .collect();
    // Who was stopped has nothing to say where another knows why.
    let (stopped, results): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|result| result.as_ref().is_err_and(|error| error.is::<Stopped>()));
    let ended = results.into_iter().chain(stopped);
    ended.filter_map(Result::transpose).collect()
}
