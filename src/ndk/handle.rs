//! What all handles have in common: dropping is closing, and a close with a request tells when it is
//! complete.

use super::request::{self, Completer, Request};
use crate::device::callbacks::Outbox;
use crate::device::lifetime::{Life, Task};
use std::sync::Arc;

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
