//! Faults on purpose, so that a user can run each of their error paths.
//!
//! A [`Faults`] is given to [`AdapterOptions::faults`](super::AdapterOptions::faults) and concerns that one
//! adapter. Everything is off until it is asked for, may be changed at any time, and tells by
//! [`Faults::fired`] that it has fired. Chance comes from the seed, time is that of the NET's clock.
//!
//! | to see | order |
//! |---|---|
//! | calls that pend, and end late or out of order | [`hold_calls`](Faults::hold_calls) |
//! | completions that come late | [`delay_completions`](Faults::delay_completions) |
//! | other interleavings | [`cut_passes`](Faults::cut_passes) |
//! | creations without resources | [`fail_creation`](Faults::fail_creation) |
//! | requests that fail | [`inject`](Faults::inject) |
//! | a disconnect with a reason | [`disconnect_reason`](Faults::disconnect_reason) |
//! | queues that fail | [`break_cq`](Faults::break_cq), [`break_srq`](Faults::break_srq) |
//! | the device gone | [`remove_device`](Faults::remove_device) |
//!
//! ```
//! use qpair::ndk::{Adapter, CqNotify, Faults, Fired, ObjectType, Status, When};
//!
//! let faults = Faults::new(7);
//! let adapter = Adapter::options("local/docs-faults").faults(&faults).open()?;
//! faults.fail_creation(ObjectType::Cq, 2, When::Inline);
//!
//! let first = adapter.create_cq(16, CqNotify::None).wait();
//! let second = adapter.create_cq(16, CqNotify::None).wait();
//! let third = adapter.create_cq(16, CqNotify::None).wait();
//! assert!(first.is_ok() && third.is_ok());
//! assert_eq!(second.unwrap_err().status(), Status::INSUFFICIENT_RESOURCES);
//!
//! // The test did meet the fault that it was written for.
//! let expected = Fired::CreationFailed { call: "NdkCreateCq", nth: 2, when: When::Inline };
//! assert_eq!(faults.fired()[0].fault, expected);
//! # Ok::<(), qpair::ndk::Error>(())
//! ```
//!
//! May come in: another fault that a user may order. Not here: what the engine does for it (device).

mod calls;
mod fired;
mod injection;

pub use fired::{Fired, FiredFault};
pub use injection::{Injection, WorkQueue};

use super::adapter::AdapterCore;
use super::{Cq, Error, ObjectType, Srq, Status};
use crate::device::cq::CqState;
use crate::device::srq::SrqState;
use crate::device::{Device, faults};
use crate::time::Span;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// The faults of one adapter, all off at first; clones are the same.
///
/// When the close of the adapter begins, whatever is held back or delayed ends, and nothing is from then on.
#[derive(Clone)]
pub struct Faults(Arc<Shared>);

struct Shared {
    engine: Arc<faults::Faults>,
    adapter: OnceLock<Weak<AdapterCore>>,
}

/// When calls that may pend come to their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldCalls {
    /// As soon as they are done: nothing is held back.
    #[default]
    No,
    /// So long after they are done.
    For(Duration),
    /// At some time within this one, by chance: in another order than they were made.
    Shuffled(Duration),
    /// When [`Faults::release_one`] or [`Faults::release_all`] says so.
    UntilReleased,
}

/// How a creation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// By what the call returns.
    Inline,
    /// The call pends, and fails later.
    Late,
}

impl Faults {
    /// No fault yet; `seed` decides what is left to chance.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Shared { engine: faults::Faults::new(seed), adapter: OnceLock::new() }))
    }

    /// Has every call that may pend do so from now on, closes included, and end as `hold` says.
    ///
    /// What the call does is done at once; its end alone is late. Arguments of a connector's call that are
    /// judged before anything is begun are still refused inline. An object is closed, for all that waits for
    /// it, when its late close ends; a disconnect event waits for a call of its connector that is held back.
    /// Calls that are held already keep their time.
    pub fn hold_calls(&self, hold: HoldCalls) {
        self.0.engine.set_pace(match hold {
            HoldCalls::No => faults::Pace::Prompt,
            HoldCalls::For(time) => faults::Pace::After(Span::from(time)),
            HoldCalls::Shuffled(within) => faults::Pace::Shuffled(Span::from(within)),
            HoldCalls::UntilReleased => faults::Pace::Told,
        });
    }

    /// Calls that are held back at present.
    pub fn held(&self) -> usize {
        self.0.engine.held()
    }

    /// Ends the call that is due first, else the oldest; false: none is held back.
    ///
    /// Its callback runs before this returns; inside a callback, when that one has returned.
    pub fn release_one(&self) -> bool {
        self.0.engine.release_one()
    }

    /// Ends all calls that are held back when it is called, and says how many.
    pub fn release_all(&self) -> usize {
        self.0.engine.release_all(faults::Release::Due)
    }

    /// Has completions show in their completion queues so much later; zero: at once.
    ///
    /// Each queue's completions stay in order, but those of one flush may show one by one, with a
    /// notification between them (Q-39). The close of a queue pair waits until its completions show, but its
    /// disconnect does not.
    pub fn delay_completions(&self, delay: Duration) {
        self.0.engine.set_delay(Span::from(delay));
    }

    /// Has chance cut the passes of queues: how many requests and bytes each executes, where it hands over to
    /// the driver's thread, and which ready queue goes on first.
    ///
    /// The sequence of each queue pair depends on the seed and on its number among those of the adapter, so a
    /// program of one thread meets the same cuts again.
    pub fn cut_passes(&self, on: bool) {
        self.0.engine.set_cuts(on);
    }

    /// Has the `nth` creation from now on, of that kind or of any, fail with INSUFFICIENT_RESOURCES.
    ///
    /// Counted from 1; 0 fails none. A registration counts as the creation of a memory region. Arguments are
    /// not judged for a creation that fails so.
    pub fn fail_creation(&self, kind: impl Into<Option<ObjectType>>, nth: u64, when: When) {
        self.0.engine.fail_creation(kind.into().map(|kind| kind as u32), nth, when.into());
    }

    /// Has a request end with a status instead of being executed.
    ///
    /// # Errors
    /// INVALID_PARAMETER, naming the argument: a status that no such request completes with, or a number 0.
    pub fn inject(&self, injection: Injection) -> Result<(), Error> {
        self.0.engine.inject(injection.judge()?);
        Ok(())
    }

    /// Has disconnect events with a reason tell this one; 0: none, as without faults.
    ///
    /// In an instance of version 1, which knows no reasons, they still tell 0.
    pub fn disconnect_reason(&self, reason: u32) {
        self.0.engine.set_reason(reason);
    }

    /// Has a completion queue fail.
    ///
    /// Its arm is answered with INTERNAL_ERROR, its queue pairs go to error, and no completion comes any
    /// more; what is in it can still be polled. A second time nothing happens.
    ///
    /// # Errors
    /// INVALID_PARAMETER: a queue of another adapter.
    pub fn break_cq(&self, cq: &Cq) -> Result<(), Error> {
        self.judge_adapter("Faults::break_cq", "Cq", &cq.adapter)?;
        if cq.cq.state() != CqState::Fatal {
            self.0.engine.note(faults::Fired::CqBroken { depth: cq.cq.depth() });
            cq.cq.fail();
        }
        Ok(())
    }

    /// Has a shared receive queue fail.
    ///
    /// Its notification says INTERNAL_ERROR, and its queue pairs go to error. A second time nothing happens.
    ///
    /// # Errors
    /// INVALID_PARAMETER: a queue of another adapter.
    pub fn break_srq(&self, srq: &Srq) -> Result<(), Error> {
        self.judge_adapter("Faults::break_srq", "Srq", srq.adapter())?;
        if srq.srq.state() != SrqState::Fatal {
            self.0.engine.note(faults::Fired::SrqBroken { depth: srq.srq.depth() });
            srq.srq.fail();
        }
        Ok(())
    }

    /// Takes the device away; only once, and for good.
    ///
    /// Queue pairs go to error: what is pending on them completes with CANCELLED, connections break, with
    /// their disconnect events, and peers hear of it. Calls that pend end with DEVICE_REMOVED, and so does
    /// every later one but queries and closes, which go on working so that everything can be taken down. A
    /// completion queue can be polled and armed as before. Posts are taken and cancelled, as on any queue
    /// pair in error (Q-8). Listeners refuse, and the addresses are gone.
    pub fn remove_device(&self) {
        let adapter = self.0.adapter.get().and_then(Weak::upgrade);
        if let Some(adapter) = adapter.filter(|_| self.0.engine.remove()) {
            adapter.leave_net();
        }
    }

    /// What has fired so far, in order; equal ones in a row are one entry with a count.
    ///
    /// The first 65,536 entries are kept.
    pub fn fired(&self) -> Vec<FiredFault> {
        self.0.engine.fired().into_iter().map(FiredFault::from).collect()
    }

    /// How many times anything has fired.
    pub fn fired_count(&self) -> u64 {
        self.0.engine.count()
    }

    fn judge_adapter(
        &self,
        call: &'static str,
        argument: &'static str,
        adapter: &Arc<AdapterCore>,
    ) -> Result<(), Error> {
        if self.0.adapter.get().is_some_and(|own| std::ptr::eq(own.as_ptr(), Arc::as_ptr(adapter))) {
            return Ok(());
        }
        Err(Error::new(call, Status::INVALID_PARAMETER)
            .with_argument(argument, "of another adapter")
            .with_hint("give an object of the adapter that was opened with these faults"))
    }

    /// The engine's part.
    pub(super) fn engine(&self) -> &Arc<faults::Faults> {
        &self.0.engine
    }

    /// From now on they concern an adapter on `device`; false: they concern another one.
    pub(super) fn attach(&self, device: &Arc<Device>) -> bool {
        self.0.engine.attach(device)
    }

    /// Tells which adapter that is.
    pub(super) fn set_adapter(&self, adapter: &Arc<AdapterCore>) {
        self.0.adapter.get_or_init(|| Arc::downgrade(adapter));
    }
}

impl From<When> for faults::When {
    fn from(when: When) -> Self {
        match when {
            When::Inline => Self::Inline,
            When::Late => Self::Late,
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.engine.fmt(f)
    }
}
