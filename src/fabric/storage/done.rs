//! What an operation ends in, and the blocking form of it.

use super::{Cause, StorageError};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

type Callback<T> = Box<dyn FnOnce(Result<T, StorageError>) + Send>;

/// Takes the result of an operation, exactly once.
///
/// It may be called before the call that started the operation has returned, and on any thread, which it must
/// not block. Dropped uncalled, it takes the error of a closed storage, so nobody waits for ever.
pub(crate) struct Done<T>(Option<Callback<T>>);

impl<T> Done<T> {
    pub(crate) fn new(callback: impl FnOnce(Result<T, StorageError>) + Send + 'static) -> Self {
        Self(Some(Box::new(callback)))
    }

    /// Hands the result over.
    pub(crate) fn call(mut self, result: Result<T, StorageError>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl<T> Drop for Done<T> {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(StorageError::name(
                "carry out an operation on",
                Path::new("storage"),
                Cause::Closed,
            )));
        }
    }
}

impl<T> fmt::Debug for Done<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

/// Starts an operation and blocks until it has ended.
///
/// Not in a callback of storage, which would wait for itself.
pub(crate) fn wait<T: Send + 'static>(start: impl FnOnce(Done<T>)) -> Result<T, StorageError> {
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
pub(crate) struct Join(Arc<Joined>);

struct Joined(Mutex<Outcome>);

struct Outcome {
    failure: Option<StorageError>,
    done: Option<Done<()>>,
}

impl Join {
    /// Ends in `done` when it is dropped, and not before the last of [`one`](Self::one).
    pub(crate) fn new(done: Done<()>) -> Self {
        Self(Arc::new(Joined(Mutex::new(Outcome { failure: None, done: Some(done) }))))
    }

    /// The end of one of those that it waits for.
    pub(crate) fn one(&self) -> Done<()> {
        let joined = Arc::clone(&self.0);
        Done::new(move |result: Result<(), StorageError>| {
            if let Err(error) = result {
                joined.0.lock().unwrap_or_else(PoisonError::into_inner).failure.get_or_insert(error);
            }
        })
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let Outcome { failure, done } = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = done.take() {
            done.call(failure.take().map_or(Ok(()), Err));
        }
    }
}
