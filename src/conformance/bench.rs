//! What a check works with: adapters on a NET of its own, and waiting that ends.

use super::device::{Device, Host, Promises};
use super::run::{Judged, Pace};
use super::statement::{Finding, Outcome, ensure_eq, lacks, wrong};
use crate::ndk::{Adapter, AdapterOptions, Completion, Cq, CqNotify, Error, PostError, Request, Status};
use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// How long anything may take that must come: far longer than it takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(if cfg!(qpair_planted) { 3 } else { 20 });

/// A slice of a long wait.
pub(super) const BEAT: Duration = Duration::from_millis(100);

/// The device under test, and a supply of NETs.
#[derive(Debug)]
pub(super) struct Bench {
    device: Arc<dyn Device>,
    number: &'static str,
    pace: Pace,
    watch: Sender<Sign>,
}

/// What whoever watches a check hears of it.
#[derive(Debug)]
pub(super) enum Sign {
    /// It waits for what may take long, and not for ever.
    GoesOn,
    /// It has ended so.
    Ended(Judged),
}

/// NETs that were asked for in this process: each has a number of its own.
static NETS: Mutex<u64> = Mutex::new(0);

impl Bench {
    pub(super) fn new(
        device: &Arc<dyn Device>,
        number: &'static str,
        pace: Pace,
        watch: Sender<Sign>,
    ) -> Self {
        Self { device: Arc::clone(device), number, pace, watch }
    }

    /// Whether the check may wait for time to pass.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Tells who watches that the check still waits for what may take long.
    pub(super) fn goes_on(&self) {
        let _unheard = self.watch.send(Sign::GoesOn);
    }

    /// The next completion, which may take `beats` tenths of a second; how many it took.
    ///
    /// For what depends on the speed of the device, by what the same device took for less of it.
    pub(super) fn within(&self, cq: &Cq, beats: u32, what: &str) -> Outcome<(Completion, u32)> {
        let mut place = [Completion::default()];
        for beat in 1..=beats {
            let got = cq.wait(&mut place, Some(BEAT)).map_err(|error| Finding::from(error).during(what))?;
            if got == 1 {
                return Ok((place[0], beat));
            }
            self.goes_on();
        }
        wrong(format_args!("{what}: no completion within {:?}", beats * BEAT))
    }

    pub(super) fn promises(&self) -> Promises {
        self.device.promises()
    }

    /// What can go on by itself has had the time to.
    pub(super) fn settle(&self) {
        self.device.settle();
    }

    /// A NET that nobody else has.
    pub(super) fn net(&self) -> String {
        let mut nets = NETS.lock().unwrap_or_else(PoisonError::into_inner);
        *nets += 1;
        format!("conformance-{}-{}", self.number, *nets)
    }

    /// An adapter of a given NET.
    pub(super) fn adapter_of(&self, net: &str, host: Host) -> Outcome<Adapter> {
        Ok(self.options(net, host)?.open()?)
    }

    fn options(&self, net: &str, host: Host) -> Outcome<AdapterOptions> {
        self.device.options(net, host).or_else(lacks)
    }

    /// An adapter on a NET of its own.
    pub(super) fn adapter(&self) -> Outcome<Adapter> {
        self.adapter_with(|options| options)
    }

    /// The same with options.
    pub(super) fn adapter_with(
        &self,
        choose: impl FnOnce(AdapterOptions) -> AdapterOptions,
    ) -> Outcome<Adapter> {
        Ok(choose(self.options(&self.net(), Host::Any)?).open()?)
    }

    /// The result of an open that may be refused.
    pub(super) fn try_open(
        &self,
        choose: impl FnOnce(AdapterOptions) -> AdapterOptions,
    ) -> Outcome<Result<Adapter, Error>> {
        Ok(choose(self.options(&self.net(), Host::Any)?).open())
    }

    /// Nothing is in the completion queue, and nothing comes by itself.
    pub(super) fn quiet(&self, cq: &Cq, what: &str) -> Outcome {
        self.settle();
        let mut place = [Completion::default()];
        match cq.poll(&mut place) {
            0 => Ok(()),
            _ => wrong(format_args!("{what}: expected no completion, got {:?}", place[0])),
        }
    }

    /// The request is pending, and does not end by itself.
    pub(super) fn pends<T: fmt::Debug>(&self, request: Request<T>, what: &str) -> Outcome<Request<T>> {
        self.settle();
        match request.now() {
            Err(pending) => Ok(pending),
            Ok(ended) => wrong(format_args!("{what}: expected it to pend, got {ended:?}")),
        }
    }

    /// The status with which a peer's memory refused `got`.
    pub(super) fn remote_refusal(&self, got: Status, what: &str) -> Outcome {
        let strict = self.promises().remote_access_violation;
        if got == Status::ACCESS_VIOLATION || (!strict && got == Status::REMOTE_RESOURCES) {
            return Ok(());
        }
        wrong(format_args!("{what}: expected {}, got {got}", Status::ACCESS_VIOLATION))
    }
}

/// Requests as checks use them: whatever pends is awaited, but not for ever.
pub(super) trait Ended<T> {
    /// Its result, inline or later.
    fn ended(self, what: &str) -> Outcome<Result<T, Error>>;

    /// What it brings.
    fn done(self, what: &str) -> Outcome<T>;

    /// It must fail with that status.
    fn fails(self, status: Status, what: &str) -> Outcome<Error>;
}

impl<T: Send + fmt::Debug + 'static> Ended<T> for Request<T> {
    fn ended(self, what: &str) -> Outcome<Result<T, Error>> {
        let pending = match self.now() {
            Ok(result) => return Ok(result),
            Err(pending) => pending,
        };
        let (note, notes) = notes();
        pending.then(move |result| note.say(result));
        notes.next(what)
    }

    fn done(self, what: &str) -> Outcome<T> {
        self.ended(what)?.map_err(|error| Finding::from(error).during(what))
    }

    fn fails(self, status: Status, what: &str) -> Outcome<Error> {
        failed(self.ended(what)?, status, what)
    }
}

/// The call must fail with that status.
pub(super) fn failed<T: fmt::Debug>(result: Result<T, Error>, status: Status, what: &str) -> Outcome<Error> {
    match result {
        Ok(value) => wrong(format_args!("{what}: expected {status}, got success with {value:?}")),
        Err(error) if error.status() == status => Ok(error),
        Err(error) => wrong(format_args!("{what}: expected {status}, got: {error}")),
    }
}

/// The post must be refused with that status.
pub(super) fn refused(result: Result<(), PostError>, status: Status, what: &str) -> Outcome<PostError> {
    match result {
        Ok(()) => wrong(format_args!("{what}: expected {status}, but the request was taken")),
        Err(error) if error.status() == status => Ok(error),
        Err(error) => wrong(format_args!("{what}: expected {status}, got: {error}")),
    }
}

/// The next `count` completions.
pub(super) fn take(cq: &Cq, count: usize, what: &str) -> Outcome<Vec<Completion>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let mut places = vec![Completion::default(); count - taken.len()];
        let got = cq.wait(&mut places, Some(PATIENCE)).map_err(|error| Finding::from(error).during(what))?;
        if got == 0 {
            return wrong(format_args!(
                "{what}: expected {count} completions, got {} within {PATIENCE:?}: {taken:?}",
                taken.len()
            ));
        }
        taken.extend_from_slice(&places[..got]);
    }
    Ok(taken)
}

/// How often a check looks for what nobody tells of: some seconds' worth.
const LOOKS: u32 = if cfg!(qpair_planted) { 1_000_000 } else { 20_000_000 };

/// Waits for what nobody tells of, and what must come.
pub(super) fn comes(what: &str, mut is_there: impl FnMut() -> bool) -> Outcome {
    let came = (0..LOOKS).any(|_| {
        let came = is_there();
        if !came {
            thread::yield_now();
        }
        came
    });
    if came {
        Ok(())
    } else {
        wrong(format_args!("{what}: it did not come, however often it was looked for"))
    }
}

/// The next `count` completions of a queue whose completions cannot be waited for, or shall not be armed for.
pub(super) fn polls(cq: &Cq, count: usize, what: &str) -> Outcome<Vec<Completion>> {
    let mut taken = Vec::new();
    comes(what, || {
        let mut places = vec![Completion::default(); count - taken.len()];
        let got = cq.poll(&mut places);
        taken.extend_from_slice(&places[..got]);
        taken.len() == count
    })
    .map_err(|finding| finding.during(format_args!("{} of {count} completions", taken.len())))?;
    Ok(taken)
}

/// Request context and status of each.
pub(super) fn ends_of(completions: &[Completion]) -> Vec<(u64, Status)> {
    completions.iter().map(|c| (c.request_context, c.status)).collect()
}

/// The completion queue yields exactly these next, in this order.
pub(super) fn yields(cq: &Cq, expected: &[(u64, Status)], what: &str) -> Outcome {
    let taken = take(cq, expected.len(), what)?;
    ensure_eq!(ends_of(&taken), expected, "{what}");
    Ok(())
}

/// These contexts, with one status.
pub(super) fn all(contexts: impl IntoIterator<Item = u64>, status: Status) -> Vec<(u64, Status)> {
    contexts.into_iter().map(|context| (context, status)).collect()
}

/// A completion queue whose completions can be waited for.
pub(super) fn cq(adapter: &Adapter, depth: u32) -> Outcome<Cq> {
    adapter.create_cq(depth, CqNotify::Waiters).done("NdkCreateCq")
}

/// The end that says something, from inside a callback say; clones say it to the same listener.
#[derive(Debug)]
pub(super) struct Note<T>(Sender<T>);

/// What was said, in order.
#[derive(Debug)]
pub(super) struct Notes<T>(Receiver<T>);

/// A place to note what callbacks see.
pub(super) fn notes<T>() -> (Note<T>, Notes<T>) {
    let (sender, receiver) = mpsc::channel();
    (Note(sender), Notes(receiver))
}

impl<T> Clone for Note<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Note<T> {
    pub(super) fn of(sender: Sender<T>) -> Self {
        Self(sender)
    }

    /// Says it; a check that has ended does not hear it.
    pub(super) fn say(&self, word: T) {
        let _unheard = self.0.send(word);
    }
}

impl<T: fmt::Debug> Notes<T> {
    /// The next, which must come.
    pub(super) fn next(&self, what: &str) -> Outcome<T> {
        self.0.recv_timeout(PATIENCE).or_else(|error| match error {
            RecvTimeoutError::Timeout => wrong(format_args!("{what}: it did not come within {PATIENCE:?}")),
            RecvTimeoutError::Disconnected => wrong(format_args!("{what}: it will never come")),
        })
    }

    /// The next, if it comes within `limit`.
    pub(super) fn next_within(&self, limit: Duration) -> Option<T> {
        self.0.recv_timeout(limit).ok()
    }

    /// What has been said by now.
    pub(super) fn so_far(&self) -> Vec<T> {
        self.0.try_iter().collect()
    }

    /// Nothing more is said.
    pub(super) fn none(&self, bench: &Bench, what: &str) -> Outcome {
        bench.settle();
        let said = self.so_far();
        if said.is_empty() { Ok(()) } else { wrong(format_args!("{what}: expected nothing, got {said:?}")) }
    }

    /// Exactly that many are said.
    pub(super) fn exactly(&self, count: usize, bench: &Bench, what: &str) -> Outcome<Vec<T>> {
        let said = (0..count).map(|_| self.next(what)).collect::<Outcome<Vec<T>>>()?;
        self.none(bench, what)?;
        Ok(said)
    }

    /// Nobody is left who could say anything: whoever had the other end has been dropped.
    pub(super) fn closed(&self, what: &str) -> Outcome {
        match self.0.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => wrong(format_args!("{what}: the callback is still there")),
            Ok(said) => wrong(format_args!("{what}: expected nothing, got {said:?}")),
        }
    }
}

/// What a thread of a check found.
pub(super) fn joined<T>(handle: ScopedJoinHandle<'_, Outcome<T>>) -> Outcome<T> {
    handle.join().unwrap_or_else(|_| wrong("a thread of the check panicked"))
}
