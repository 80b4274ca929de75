//! The one asynchronous form: a request whose result is there already, or comes later.
//!
//! A call that may pend returns a [`Request`]; whoever carries it out keeps the [`Completer`]. NDK's three
//! ways (success inline, error inline, pending with a callback) are the two forms of a request, ready and
//! pending; a ready one allocates nothing. Callbacks run by the rules of [`callbacks`]: never under a
//! guard, one after the other on each thread.
//!
//! Not here: which call pends and why. May come in: ways to combine requests.

use super::{Error, Status};
use crate::device::callbacks;
use crate::device::lifetime::Hold;
use crate::planted::planted;
use std::fmt;
use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The result of a call that may take its time.
///
/// Take it [`now`](Self::now) if it is there, [`wait`](Self::wait) for it, `.await` it, or let it be given
/// to a callback with [`then`](Self::then). Dropped, the call runs on, and what it brings is closed.
#[must_use = "dropped, the call runs on and its result is closed"]
pub struct Request<T> {
    form: Form<T>,
}

enum Form<T> {
    Ready(Result<T, Error>),
    Pending(Arc<Shared<T>>),
    /// The result is taken, or on its way to a callback.
    Spent,
}

/// What the two ends of a pending request share.
struct Shared<T> {
    state: Mutex<State<T>>,
    done: Condvar,
}

type Callback<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

enum State<T> {
    Running(Option<Waker>),
    /// The request's end asked for a callback.
    Called(Callback<T>),
    /// The request's end is gone; the result will be dropped.
    Left,
    Done(Result<T, Error>),
    Taken,
}

/// A request whose result is known; allocates nothing.
pub(crate) fn ready<T>(result: Result<T, Error>) -> Request<T> {
    Request { form: Form::Ready(result) }
}

/// Both ends of a request that will complete later.
pub(crate) fn pending<T: Send + 'static>() -> (Completer<T>, Request<T>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::Running(None)), done: Condvar::new() });
    (Completer { shared: Some(shared.clone()), hold: None }, Request { form: Form::Pending(shared) })
}

impl<T> Request<T> {
    /// The result if it is there, else the request again; never blocks.
    ///
    /// # Errors
    /// The request itself, if it is pending.
    ///
    /// # Panics
    /// If it was polled, and has given its result.
    pub fn now(mut self) -> Result<Result<T, Error>, Self> {
        self.take().ok_or(self)
    }

    /// Blocks until the result is there.
    ///
    /// Only for threads that nobody else waits for: what drives the adapter must go on meanwhile.
    ///
    /// # Errors
    /// That of the call. Inside a callback, if the request is pending, INVALID_DEVICE_REQUEST, since it
    /// could wait for that very callback; the request is then dropped. Take it with [`now`](Self::now) or
    /// [`then`](Self::then) there.
    ///
    /// # Panics
    /// If it was polled, and has given its result.
    pub fn wait(mut self) -> Result<T, Error> {
        if let Some(result) = self.take() {
            return result;
        }
        callbacks::check_may_wait().map_err(|refused| Error::in_callback("Request::wait", refused))?;
        let Form::Pending(shared) = replace(&mut self.form, Form::Spent) else {
            unreachable!("it was not there to take, so it is pending");
        };
        let state = shared.done.wait_while(shared.state(), |state| !matches!(state, State::Done(_)));
        match replace(&mut *state.unwrap_or_else(PoisonError::into_inner), State::Taken) {
            State::Done(result) => result,
            _ => unreachable!("only this end takes the result"),
        }
    }

    /// The result, if it is there; panics if it was given before.
    fn take(&mut self) -> Option<Result<T, Error>> {
        match replace(&mut self.form, Form::Spent) {
            Form::Ready(result) => Some(result),
            Form::Pending(shared) => {
                let result = shared.take();
                if result.is_none() {
                    self.form = Form::Pending(shared);
                }
                result
            }
            Form::Spent => spent(),
        }
    }
}

impl<T: Send + 'static> Request<T> {
    /// Gives the result to `callback`, exactly once.
    ///
    /// If the result is there, that happens before this returns, on this thread; inside a callback, when
    /// that callback has returned. Otherwise it happens on the thread that completes the request, and the
    /// close of the object it concerns completes only after the callback has returned (CLOSE-7). The
    /// callback must not block, and may make any call but the adapter's close.
    ///
    /// # Panics
    /// With the panic of the callback, if it runs before this returns. If it was polled, and has given its
    /// result.
    pub fn then(mut self, callback: impl FnOnce(Result<T, Error>) + Send + 'static) {
        match replace(&mut self.form, Form::Spent) {
            Form::Ready(result) => callbacks::call(move || callback(result)),
            Form::Pending(shared) => shared.call_back(callback),
            Form::Spent => spent(),
        }
    }

    /// The result if it is there; else it is given to `callback`, exactly once.
    ///
    /// NDK's three ways in one call: success inline, an error inline, or pending. Unlike [`now`](Self::now)
    /// followed by [`then`](Self::then), nothing can come in between: a callback always runs where the
    /// request is completed, so the close of its object waits for it (CLOSE-7), and never inside this call.
    ///
    /// # Panics
    /// If it was polled, and has given its result.
    pub fn now_or_then(
        mut self,
        callback: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Option<Result<T, Error>> {
        match replace(&mut self.form, Form::Spent) {
            Form::Ready(result) => Some(result),
            Form::Pending(shared) => shared.take_or_call_back(callback),
            Form::Spent => spent(),
        }
    }
}

/// # Panics
/// When polled again after it has given its result.
impl<T> Future for Request<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Form::Pending(shared) = &self.form {
            if shared.keep_waker(context.waker().clone()) {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.take().expect("a request that does not run any more is done"))
    }
}

/// Only polling leaves a request that has given its result: whatever else takes it consumes it.
#[cold]
fn spent() -> ! {
    panic!("a request was used after it had been polled to its end")
}

/// Nothing in it is pinned.
impl<T> Unpin for Request<T> {}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        if let Form::Pending(shared) = replace(&mut self.form, Form::Spent) {
            // What it was is dropped after the lock: a result may be an object that closes.
            let earlier = {
                let mut state = shared.state();
                let next = if matches!(*state, State::Running(_)) { State::Left } else { State::Taken };
                replace(&mut *state, next)
            };
            drop(earlier);
        }
    }
}

impl<T> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match &self.form {
            Form::Ready(_) => "ready",
            Form::Pending(shared) if matches!(*shared.state(), State::Done(_)) => "done",
            Form::Pending(_) => "pending",
            Form::Spent => "taken",
        };
        write!(f, "Request({form})")
    }
}

impl<T> Shared<T> {
    /// A poisoned lock is sound: below it only whole values move in and out.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: the request does not run any more.
    fn keep_waker(&self, waker: Waker) -> bool {
        let mut state = self.state();
        let State::Running(place) = &mut *state else { return false };
        let earlier = place.replace(waker);
        drop(state);
        drop(earlier); // foreign code: not below the lock
        true
    }

    fn take(&self) -> Option<Result<T, Error>> {
        let mut state = self.state();
        if !matches!(*state, State::Done(_)) {
            return None;
        }
        match replace(&mut *state, State::Taken) {
            State::Done(result) => Some(result),
            _ => None,
        }
    }
}

impl<T: Send + 'static> Shared<T> {
    fn call_back(&self, callback: impl FnOnce(Result<T, Error>) + Send + 'static) {
        let callback: Callback<T> = Box::new(callback);
        let (callback, result) = match self.take_or_keep(callback) {
            Some(done) => done,
            None => return,
        };
        callbacks::call(move || callback(result));
    }

    fn take_or_call_back(
        &self,
        callback: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Option<Result<T, Error>> {
        self.take_or_keep(Box::new(callback)).map(|(_, result)| result)
    }

    /// The result and the callback again, if it is there; else the callback is kept for it.
    fn take_or_keep(&self, callback: Callback<T>) -> Option<(Callback<T>, Result<T, Error>)> {
        let mut state = self.state();
        match replace(&mut *state, State::Taken) {
            State::Done(result) => Some((callback, result)),
            State::Running(waker) => {
                *state = State::Called(callback);
                drop(state);
                drop(waker); // of an earlier poll: foreign code, not below the lock
                None
            }
            State::Called(_) | State::Left | State::Taken => unreachable!("this end is consumed only once"),
        }
    }
}

/// Where a result is brought.
#[derive(Clone, Copy)]
enum Place {
    /// On some thread, which may hold something.
    Anywhere,
    /// At the end of a callback.
    Callback,
}

impl Place {
    /// Runs `task` as a callback, or as a part of the present one.
    fn call(self, task: impl FnOnce() + Send + 'static) {
        match self {
            Self::Anywhere => callbacks::call(task),
            Self::Callback => task(),
        }
    }
}

/// The end of a pending request that brings its result.
///
/// Dropped without a result (its carrier panicked, say), it brings INTERNAL_ERROR, which is a bug of qpair.
#[must_use = "a request that nobody completes fails with INTERNAL_ERROR"]
pub(crate) struct Completer<T: Send + 'static> {
    /// `None`: completed.
    shared: Option<Arc<Shared<T>>>,
    hold: Option<Hold>,
}

impl<T: Send + 'static> Completer<T> {
    /// Keeps the close of the object that the request is about from completing until the callback has
    /// returned.
    ///
    /// A result that is waited for, awaited or left lying has no callback: there the hold ends at completion.
    pub(crate) fn with_hold(mut self, hold: Hold) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Brings the result, from any thread, under a guard or not.
    pub(crate) fn complete(mut self, result: Result<T, Error>) {
        self.bring(result, Place::Anywhere);
    }

    /// Brings the result as the last deed of a callback of ours, of which the user's callback becomes a part.
    ///
    /// So a close callback has returned when the user's has, and only then are antecedents let go.
    pub(crate) fn complete_in_callback(mut self, result: Result<T, Error>) {
        debug_assert!(callbacks::in_callback(), "a part of a callback, outside of any");
        self.bring(result, Place::Callback);
    }

    fn bring(&mut self, result: Result<T, Error>, place: Place) {
        let (Some(shared), hold) = (self.shared.take(), self.hold.take()) else { return };
        let mut state = shared.state();
        match replace(&mut *state, State::Taken) {
            State::Running(waker) => {
                *state = State::Done(result);
                drop(state);
                shared.done.notify_one();
                if let Some(waker) = waker {
                    place.call(move || waker.wake());
                }
                // Last: the close callbacks that this may run could panic, and the waiter must know before.
                drop(hold);
            }
            State::Called(callback) if planted!(CallbackLost, "a request that pended is never told") => {
                drop(state);
                drop(callback);
            }
            State::Called(callback) => {
                drop(state);
                place.call(move || {
                    let _until_returned = hold;
                    callback(result);
                });
            }
            State::Left => {
                drop(state);
                // As a callback: the result may be an object that closes, which takes locks.
                place.call(move || {
                    let _until_closed = hold;
                    drop(result);
                });
            }
            State::Done(_) | State::Taken => unreachable!("only this end completes, and only once"),
        }
    }
}

impl<T: Send + 'static> Drop for Completer<T> {
    fn drop(&mut self) {
        if self.shared.is_some() {
            let hint = "report this as a bug of qpair: a request was given up without a result";
            self.bring(Err(Error::new("Request", Status::INTERNAL_ERROR).with_hint(hint)), Place::Anywhere);
            debug_assert!(std::thread::panicking(), "a request was given up without a result");
        }
    }
}

#[cfg(test)]
mod tests;
