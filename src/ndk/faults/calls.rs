//! How the calls of an adapter end: at once where it has no faults, else as they say.
//!
//! Every call that may pend goes through one of these, so that none is left out.

use crate::device::connect::{self, ConnectError};
use crate::device::faults;
use crate::device::faults::{Release, When};
use crate::device::lifetime::{Life, Task};
use crate::ndk::adapter::AdapterCore;
use crate::ndk::request::{self, Request};
use crate::ndk::{Error, ObjectType, Status};
use std::sync::Arc;

impl AdapterCore {
    /// A creation on the object of life `parent`.
    pub(in crate::ndk) fn create<T: Send + 'static>(
        self: &Arc<Self>,
        kind: ObjectType,
        call: &'static str,
        parent: &Arc<Life>,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Request<T> {
        let Some(faults) = &self.faults else { return request::ready(make()) };
        if faults.is_removed() {
            return request::ready(Err(removed(call)));
        }
        match faults.creation(kind as u32, call) {
            None => {
                let made = make();
                // It may have been removed just then, and have missed what was made.
                let made = if faults.is_removed() { Err(removed(call)) } else { made };
                self.end(faults, call, parent, made)
            }
            Some(When::Inline) => request::ready(Err(no_resources(call))),
            Some(When::Late) => {
                let (completer, request) = request::pending();
                let completer = completer.with_hold(parent.hold());
                let adapter = Arc::clone(self);
                faults.put_off(move |_| {
                    completer.complete(Err(no_resources(call)));
                    drop(adapter); // kept until now, so that the faults are there to end it
                });
                request
            }
        }
    }

    /// Another call that may pend, on the object of that life.
    pub(in crate::ndk) fn call<T: Send + 'static>(
        self: &Arc<Self>,
        call: &'static str,
        life: &Arc<Life>,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Request<T> {
        let Some(faults) = &self.faults else { return request::ready(make()) };
        if faults.is_removed() {
            return request::ready(Err(removed(call)));
        }
        self.end(faults, call, life, make())
    }

    /// The end of a call that is done; `life` is that of the object it was made on.
    fn end<T: Send + 'static>(
        self: &Arc<Self>,
        faults: &faults::Faults,
        call: &'static str,
        life: &Arc<Life>,
        result: Result<T, Error>,
    ) -> Request<T> {
        if !faults.holds() {
            return request::ready(result);
        }
        let (completer, request) = request::pending();
        let completer = completer.with_hold(life.hold());
        let adapter = Arc::clone(self);
        faults.hold(call, NOBODY, move |release| {
            completer.complete(if release == Release::Removed { Err(removed(call)) } else { result });
            drop(adapter); // as above
        });
        request
    }

    /// What the device calls at the end of a connector's call, always as a callback, and the request that it
    /// completes.
    pub(in crate::ndk) fn connecting(
        self: &Arc<Self>,
        call: &'static str,
        life: &Arc<Life>,
        failed: fn(&'static str, ConnectError) -> Error,
    ) -> (connect::Done, Request<()>) {
        let (completer, request) = request::pending();
        if self.faults.is_none() {
            let done = move |result: Result<(), ConnectError>| {
                completer.complete_in_callback(result.map_err(|error| failed(call, error)));
            };
            return (Box::new(done), request);
        }
        let (adapter, life) = (Arc::clone(self), Arc::clone(life));
        let done = move |result: Result<(), ConnectError>| {
            let Some(faults) = adapter.faults.clone() else {
                unreachable!("an adapter has its faults from the beginning to the end")
            };
            let mut result = result.map_err(|error| failed(call, error));
            if faults.is_removed() && result.is_err() {
                result = Err(removed(call));
            }
            if !faults.holds() {
                return completer.complete_in_callback(result);
            }
            let completer = match life.try_hold() {
                Some(hold) => completer.with_hold(hold),
                None => completer,
            };
            faults.hold(call, owner(&life), move |release| {
                completer.complete(if release == Release::Removed { Err(removed(call)) } else { result });
                drop(adapter); // as above
            });
        };
        (Box::new(done), request)
    }

    /// The disconnect event of the connector of that life, which waits for its calls that are held back.
    pub(in crate::ndk) fn event(self: &Arc<Self>, life: &Arc<Life>, event: Option<Task>) -> Option<Task> {
        let Some(faults) = self.faults.clone() else { return event };
        let (life, event) = (Arc::clone(life), event?);
        Some(Box::new(move || {
            let own = Arc::clone(&life);
            let hold = life.try_hold();
            let later: Task = Box::new(move || {
                if own.is_closing() {
                    drop(event); // not for what this side did itself (CONN-32)
                } else {
                    event();
                }
                drop(hold);
            });
            if let Err(now) = faults.after(owner(&life), later) {
                now();
            }
        }))
    }

    /// The reason that a disconnect event tells: 0, where none was ordered or the version knows none.
    pub(in crate::ndk) fn disconnect_reason(&self) -> u32 {
        let knows = self.version().has_provider_codes();
        self.faults.as_ref().filter(|_| knows).map_or(0, |faults| faults.reason())
    }

    /// Has the close of that life, which is about to begin, end late.
    pub(in crate::ndk) fn late_close(self: &Arc<Self>, life: &Arc<Life>) {
        let Some(faults) = self.faults.as_ref().filter(|faults| faults.holds()) else { return };
        let hold = life.hold();
        faults.hold("NdkCloseObject", NOBODY, move |_| drop(hold));
    }

    /// Judges that the device is there.
    pub(in crate::ndk) fn check_present(&self, call: &'static str) -> Result<(), Error> {
        match &self.faults {
            Some(faults) if faults.is_removed() => Err(removed(call)),
            _ => Ok(()),
        }
    }
}

/// The owner of calls that nothing waits for.
const NOBODY: u64 = 0;

/// A number for the object of that life, as long as it lives.
fn owner(life: &Arc<Life>) -> u64 {
    Arc::as_ptr(life).addr() as u64
}

#[cold]
fn removed(call: &'static str) -> Error {
    Error::new(call, Status::DEVICE_REMOVED).with_hint("close everything, and open another adapter")
}

#[cold]
fn no_resources(call: &'static str) -> Error {
    Error::new(call, Status::INSUFFICIENT_RESOURCES)
        .with_hint("this is a fault on purpose: Faults::fail_creation asked for it")
}
