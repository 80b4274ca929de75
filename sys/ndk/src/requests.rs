//! NDK's three ways to answer: success, an error, or pending and a callback.

use crate::abi::NtStatus;
use crate::border::{
    Call, Callback, CloseCompletion, Completed, Context, CreateCompletion, Created, Out, Place, Refused,
    tell, told,
};
use crate::object::{AnyHandle, Kind, Shared};
use qpair::ndk::{Error, Request};
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

/// Answers for a request that brings nothing but its status.
pub(crate) fn answer(request: Request<()>, completed: Completed) -> Result<NtStatus, Refused> {
    match request.now_or_then(move |result| completed.call(status(result))) {
        Some(result) => Ok(result.map(|()| NtStatus::SUCCESS)?),
        None => Ok(NtStatus::PENDING),
    }
}

/// How a create call answers: its last three parameters, which all of them have.
pub(crate) struct Creation<'a> {
    created: Created,
    out: Place<'a, *mut c_void>,
}

impl<'a> Creation<'a> {
    /// The completion is parameter `nth`, its context the next one, and `object` names the last.
    ///
    /// Judged before anything is created: an object that nobody takes would be left over.
    pub(crate) fn of(
        call: Call,
        nth: u8,
        object: &'static str,
        (completion, context): (CreateCompletion, Context),
        out: &'a mut Out<*mut c_void>,
    ) -> Result<Self, Refused> {
        let created = completion.required(context, call.argument(nth, "CreateCompletion"))?;
        Ok(Self { created, out: out.required(call.argument(nth + 2, object))? })
    }

    /// Answers for the request: by the out parameter if the object is there, by the callback otherwise.
    pub(crate) fn answer<K: Kind, T: Into<K> + Send + 'static>(
        self,
        request: Request<T>,
        shared: &Arc<Shared>,
    ) -> Result<NtStatus, Refused> {
        let Self { created, mut out } = self;
        let later = Arc::clone(shared);
        let now = request.now_or_then(move |result| match result {
            Ok(handle) => created.call(NtStatus::SUCCESS, later.publish::<K>(handle.into())),
            Err(error) => created.call(tell(error.into()), null_mut()),
        });
        match now {
            Some(result) => {
                out.put(shared.publish::<K>(result?.into()));
                Ok(NtStatus::SUCCESS)
            }
            // Not touched from now on (CREATE-3): the object may be there, and closed, already.
            None => Ok(NtStatus::PENDING),
        }
    }
}

/// `NDK_FN_CLOSE_OBJECT` of one kind of object.
pub(crate) extern "C" fn close<K: Kind>(
    object: AnyHandle,
    completion: CloseCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkCloseObject");
    told((|| {
        let closed = completion.required(context, CALL.argument(2, "CloseCompletion"))?;
        let claimed = object.claim::<K>(CALL.argument(1, "pNdkObject"))?;
        let Some((handle, closed)) = claimed.close(closed) else { return Ok(NtStatus::PENDING) };
        // The object is not touched from here on: it may be freed as soon as its close is complete.
        match handle.close().now_or_then(move |_never_fails| closed.call()) {
            Some(_never_fails) => Ok(NtStatus::SUCCESS),
            None => Ok(NtStatus::PENDING),
        }
    })())
}

/// The status of a request's end, with the reason kept for the callback that is told it.
pub(crate) fn status(result: Result<(), Error>) -> NtStatus {
    match result {
        Ok(()) => NtStatus::SUCCESS,
        Err(error) => tell(error.into()),
    }
}
