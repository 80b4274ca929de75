//! The pin word of the calling thread, in the one registry of the process.

use crate::ring::{Pin, PinHandle, Pins};
use crate::sync::Arc;
use std::sync::LazyLock;

static PINS: LazyLock<Arc<Pins>> = LazyLock::new(Pins::new);

thread_local! {
    static HANDLE: PinHandle = PINS.register();
}

/// The registry that every table of every device is read under.
pub(crate) fn pins() -> Arc<Pins> {
    Arc::clone(&PINS)
}

/// Runs `pass` under a pin of the calling thread.
#[inline]
pub(crate) fn with_pin<R>(pass: impl FnOnce(&Pin<'_>) -> R) -> R {
    let mut pass = Some(pass);
    let pinned = HANDLE.try_with(|handle| {
        let pass = pass.take().expect("taken once");
        pass(&handle.pin())
    });
    match pinned {
        Ok(result) => result,
        Err(_) => {
            // The thread is ending and its own handle is gone: borrow one for this pass.
            let handle = PINS.register();
            let pass = pass.take().expect("not taken: the handle could not be reached");
            pass(&handle.pin())
        }
    }
}
