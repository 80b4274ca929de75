//! What an operation ends in, and the blocking form of it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

type Callback<T, E> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// An error that can say that nobody is left to carry the operation out.
pub(crate) trait Abandoned {
    /// That error.
    fn abandoned() -> Self;
}

/// Takes the result of an operation, exactly once.
///
/// It may be called before the call that started the operation has returned, and on any thread, which it must
/// not block. Dropped uncalled, it takes the error of what was [`Abandoned`], so nobody waits for ever.
pub(crate) struct Done<T, E: Abandoned>(Option<Callback<T, E>>);

impl<T, E: Abandoned> Done<T, E> {
    pub(crate) fn new(callback: impl FnOnce(Result<T, E>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    /// Hands the result over.
    pub(crate) fn call(mut self, result: Result<T, E>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl<T, E: Abandoned> Drop for Done<T, E> {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(E::abandoned()));
        }
    }
}

impl<T, E: Abandoned> fmt::Debug for Done<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

/// Starts an operation and blocks until it has ended.
///
/// Not in a callback of what carries it out, which would wait for itself.
pub(crate) fn wait<T, E>(start: impl FnOnce(Done<T, E>)) -> Result<T, E>
where
    T: Send + 'static,
    E: Abandoned + Send + 'static,
{
    let shared = Arc::new((Mutex::new(None), Condvar::new()));
    let teller = Arc::clone(&shared);
    start(Done::new(move |result| {
        let (place, ended) = &*teller;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        ended.notify_one();
    }));
    let (place, ended) = &*shared;
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match place.take() {
            Some(result) => return result,
            None => place = ended.wait(place).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Ends when it and all that was made of it have ended, with the first failure if there is one.
pub(crate) struct Join<E: Abandoned>(Arc<Joined<E>>);

struct Joined<E: Abandoned>(Mutex<Outcome<E>>);

struct Outcome<E: Abandoned> {
    failure: Option<E>,
    done: Option<Done<(), E>>,
}

impl<E: Abandoned + Send + 'static> Join<E> {
    /// Ends in `done` when it is dropped, and not before the last of [`one`](Self::one).
    pub(crate) fn new(done: Done<(), E>) -> Self {
        Self(Arc::new(Joined(Mutex::new(Outcome { failure: None, done: Some(done) }))))
    }

    /// The end of one of those that it waits for.
    pub(crate) fn one(&self) -> Done<(), E> {
        let joined = Arc::clone(&self.0);
        Done::new(move |result: Result<(), E>| {
            if let Err(error) = result {
                joined.0.lock().unwrap_or_else(PoisonError::into_inner).failure.get_or_insert(error);
            }
        })
    }
}

impl<E: Abandoned> Drop for Joined<E> {
    fn drop(&mut self) {
        let Outcome { failure, done } = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = done.take() {
            done.call(failure.take().map_or(Ok(()), Err));
        }
    }
}
