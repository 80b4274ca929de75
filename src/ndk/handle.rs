//! What all handles have in common: dropping is closing, and a close with a request tells when it is
//! complete.

use super::Memory;
use super::request::{self, Completer, Request};
use crate::device::callbacks::Outbox;
use crate::device::lifetime::{Life, Task};
use std::sync::{Arc, Mutex, PoisonError};

/// A handle to an object with a life.
pub(super) trait Object {
    fn life(&self) -> &Arc<Life>;
}

/// Begins the close, unless it has begun: then nothing happens, and `callback` is dropped unused.
///
/// It never blocks and cannot fail.
pub(super) fn begin_close(object: &impl Object, callback: Option<Task>) {
    let mut outbox = Outbox::new();
    object.life().begin_close(callback, &mut outbox);
    outbox.emit();
}

/// The request that a close returns, and the close callback that completes it.
pub(super) fn close_request() -> (Task, Request<()>) {
    let (completer, request) = request::pending();
    (when_closed(completer, || ()), request)
}

/// The close callback that brings what `result` finds at the end.
pub(super) fn when_closed<T: Send + 'static>(
    completer: Completer<T>,
    result: impl FnOnce() -> T + Send + 'static,
) -> Task {
    // The user's callback is the close callback of the object, so that antecedents wait for it (CLOSE-4).
    Box::new(move || completer.complete_in_callback(Ok(result())))
}

/// Memory on its way back to its owner, through the close of what had it.
#[derive(Clone, Default)]
pub(super) struct GivenBack(Arc<Mutex<Option<Memory>>>);

impl GivenBack {
    /// The close callback that brings the memory.
    pub(super) fn when_closed(&self, completer: Completer<Memory>) -> Task {
        let place = Arc::clone(&self.0);
        when_closed(completer, move || {
            let memory = place.lock().unwrap_or_else(PoisonError::into_inner).take();
            memory.expect("its chore kept it before it let go")
        })
    }

    /// Keeps it for the callback, or drops it with the last of us; `memory` is the last share.
    pub(super) fn keep(&self, memory: Arc<Memory>) {
        let memory = Arc::into_inner(memory).expect("the table had the last share");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
    }
}
