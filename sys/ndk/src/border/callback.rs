//! Functions of the consumer, with the context that each of them gets.

use super::{Argument, Refused, Wrong};
use crate::abi::NtStatus;
use std::cell::Cell;
use std::ffi::c_void;

/// What the consumer gave to have it back: a number to this library.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Context(*mut c_void);

// SAFETY: it is never used as a pointer here, only handed back, which NDK does on any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// As the Rust face carries it through a completion.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0.expose_provenance() as u64
    }

    /// The context again that went through a completion as `number`.
    #[inline]
    pub(crate) fn of_number(number: u64) -> *mut c_void {
        std::ptr::with_exposed_provenance_mut(number as usize)
    }
}

thread_local! {
    /// Callbacks of the consumer that are on this thread's stack.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A callback of the consumer is on this thread's stack.
pub(crate) fn inside_callback() -> bool {
    DEPTH.try_with(|depth| depth.get() != 0).unwrap_or(false)
}

/// Notes that a callback runs, for as long as it does.
struct Running;

impl Running {
    fn begin() -> Self {
        // A thread whose variables are gone cannot close the adapter any more either.
        DEPTH.try_with(|depth| depth.set(depth.get() + 1)).unwrap_or(());
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        DEPTH.try_with(|depth| depth.set(depth.get() - 1)).unwrap_or(());
    }
}

/// A pointer to a function of the consumer.
pub(crate) trait Callback: Sized {
    /// With its context.
    type Bound;

    /// With its context, unless it is NULL.
    fn bound(self, context: Context) -> Option<Self::Bound>;

    /// With its context; refused if it is NULL.
    fn required(self, context: Context, argument: Argument) -> Result<Self::Bound, Refused> {
        self.bound(context).ok_or_else(|| argument.is(Wrong::Null))
    }
}

/// A type of function pointer of the header, and the same with its context.
macro_rules! callbacks {
    ($($(#[$doc:meta])* $pointer:ident, $bound:ident ($($argument:ident: $type:ty),*);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(crate) struct $pointer(Option<unsafe extern "C" fn(Context $(, $type)*)>);

        impl Callback for $pointer {
            type Bound = $bound;

            fn bound(self, context: Context) -> Option<$bound> {
                self.0.map(|function| $bound { function, context })
            }
        }

        #[doc = concat!("A [`", stringify!($pointer), "`] with its context.")]
        #[derive(Clone, Copy)]
        pub(crate) struct $bound {
            function: unsafe extern "C" fn(Context $(, $type)*),
            context: Context,
        }

        impl $bound {
            pub(crate) fn call(&self $(, $argument: $type)*) {
                let _running = Running::begin();
                // SAFETY: the pointer came from C as one to a function of this type, which the caller keeps
                // callable until the object it belongs to is closed, or the request complete.
                unsafe { (self.function)(self.context $(, $argument)*) }
            }
        }
    )*};
}

callbacks! {
    /// `NDK_FN_CREATE_COMPLETION`.
    CreateCompletion, Created(status: NtStatus, object: *mut c_void);
    /// `NDK_FN_REQUEST_COMPLETION`.
    RequestCompletion, Completed(status: NtStatus);
    /// `NDK_FN_CLOSE_COMPLETION`.
    CloseCompletion, Closed();
    /// `NDK_FN_CQ_NOTIFICATION_CALLBACK`.
    CqNotification, CqNotify(status: NtStatus);
    /// `NDK_FN_SRQ_NOTIFICATION_CALLBACK`.
    SrqNotification, SrqNotify(status: NtStatus);
    /// `NDK_FN_CONNECT_EVENT_CALLBACK`.
    ConnectEvent, Connect(connector: *mut c_void);
    /// `NDK_FN_DISCONNECT_EVENT_CALLBACK`.
    DisconnectEvent, Disconnect();
    /// `NDK_FN_DISCONNECT_EVENT_CALLBACK_EX`.
    DisconnectEventEx, DisconnectEx(reason: u32);
}
