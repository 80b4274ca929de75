//! `NDK_CQ`: poll, arm, resize.

use crate::abi::{ExtensionInterface, Guid, NdkResult, NdkResultEx, NtStatus, ObjectType, Version};
use crate::border::{
    Call, Callback, CloseCompletion, Context, Out, RequestCompletion, Results, Room, Wrong, given, told,
};
use crate::extension::Table;
use crate::object::{AnyHandle, Entered, Handle, Kind, Shared};
use crate::{extension, requests};
use qpair::ndk::{Completion, Cq, NotifyType, Request};

/// `NDK_CQ_DISPATCH`.
#[repr(C)]
pub(crate) struct CqDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) resize: extern "C" fn(Handle<Cq>, u32, RequestCompletion, Context) -> NtStatus,
    pub(crate) arm: extern "C" fn(Handle<Cq>, u32),
    pub(crate) get_results: extern "C" fn(Handle<Cq>, Results<NdkResult>, u32) -> u32,
    pub(crate) control_interrupt_moderation: extern "C" fn(Handle<Cq>, u32, u32) -> NtStatus,
    pub(crate) get_results_ex: extern "C" fn(Handle<Cq>, Results<NdkResultEx>, u32) -> u32,
}

impl Kind for Cq {
    const TYPE: ObjectType = ObjectType::Cq;
    type Dispatch = CqDispatch;
    const DISPATCH: &'static CqDispatch = &CqDispatch {
        close: requests::close::<Cq>,
        query_extension: extension::query::<Cq>,
        resize,
        arm,
        get_results,
        control_interrupt_moderation,
        get_results_ex,
    };

    fn extension(_shared: &Shared) -> Option<Table> {
        Some(extension::CQ)
    }

    fn close(self) -> Request<()> {
        Cq::close(self)
    }
}

extern "C" fn resize(
    cq: Handle<Cq>,
    depth: u32,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkResizeCq");
    told((|| {
        let cq = cq.enter(CALL.argument(1, "pNdkCq"))?;
        let completed = completion.required(context, CALL.argument(3, "RequestCompletion"))?;
        requests::answer(cq.resize(depth), completed)
    })())
}

extern "C" fn arm(cq: Handle<Cq>, notify_type: u32) {
    const CALL: Call = Call("NdkArmCq");
    given((|| {
        let cq = cq.enter(CALL.argument(1, "pNdkCq"))?;
        let level = NotifyType::from_number(notify_type).ok_or_else(|| {
            CALL.argument(2, "Type").is(Wrong::Other("unknown; give one of the NDK_CQ_NOTIFY_ constants"))
        })?;
        cq.arm(level); // an unknown one is told by `NdkLastError` only
        Ok(())
    })())
}

extern "C" fn control_interrupt_moderation(cq: Handle<Cq>, interval: u32, count: u32) -> NtStatus {
    const CALL: Call = Call("NdkControlCqInterruptModeration");
    told((|| {
        let cq = cq.enter(CALL.argument(1, "pNdkCq"))?;
        cq.control_interrupt_moderation(interval, count)?;
        Ok(NtStatus::SUCCESS)
    })())
}

extern "C" fn get_results(cq: Handle<Cq>, mut results: Results<NdkResult>, count: u32) -> u32 {
    poll(Call("NdkGetCqResults"), &cq, &mut results, count, result)
}

extern "C" fn get_results_ex(cq: Handle<Cq>, mut results: Results<NdkResultEx>, count: u32) -> u32 {
    poll(Call("NdkGetCqResultsEx"), &cq, &mut results, count, result_ex)
}

/// Completions that are taken at once.
const BATCH: usize = 16;

/// Takes up to `count` completions as `translate` makes them; 0 if the call is refused.
#[inline]
pub(crate) fn poll<T: Copy>(
    call: Call,
    cq: &Handle<Cq>,
    results: &mut Results<T>,
    count: u32,
    translate: fn(&Completion) -> T,
) -> u32 {
    given((|| {
        let cq = cq.enter(call.argument(1, "pNdkCq"))?;
        let mut room = results.room(count, call.argument(2, "Results"))?;
        if count == 1 {
            batch::<_, 1>(&cq, &mut room, translate);
        } else {
            while batch::<_, BATCH>(&cq, &mut room, translate) {}
        }
        Ok(room.taken())
    })())
}

/// Takes up to `N` completions; true: there may be more, and room for them.
#[inline]
fn batch<T: Copy, const N: usize>(
    cq: &Entered<'_, Cq>,
    room: &mut Room<'_, T>,
    translate: fn(&Completion) -> T,
) -> bool {
    let mut taken = [Completion::default(); N];
    let wanted = room.left().min(N);
    let count = cq.poll(&mut taken[..wanted]);
    taken[..count].iter().for_each(|completion| room.push(translate(completion)));
    count == N && room.left() != 0
}

#[inline]
fn result(completion: &Completion) -> NdkResult {
    NdkResult {
        status: completion.status.into(),
        bytes_transferred: completion.bytes_transferred,
        qp_context: Context::of_number(completion.qp_context),
        request_context: Context::of_number(completion.request_context),
    }
}

#[inline]
pub(crate) fn result_ex(completion: &Completion) -> NdkResultEx {
    NdkResultEx {
        result: result(completion),
        operation_type: completion.kind as u32,
        provider_error_code: completion.provider_error_code,
        type_specific_completion_output: completion.type_specific_completion_output as usize,
    }
}
