//! `NDK_SRQ`: receives for many queue pairs.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Call, Callback, CloseCompletion, Context, Out, RequestCompletion, Sgl, told};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, requests};
use qpair::ndk::{Request, Srq};

/// `NDK_SRQ_DISPATCH`.
#[repr(C)]
pub(crate) struct SrqDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) modify: extern "C" fn(Handle<Srq>, u32, u32, RequestCompletion, Context) -> NtStatus,
    pub(crate) receive: extern "C" fn(Handle<Srq>, Context, Sgl, u32) -> NtStatus,
}

impl Kind for Srq {
    const TYPE: ObjectType = ObjectType::Srq;
    type Dispatch = SrqDispatch;
    const DISPATCH: &'static SrqDispatch = &SrqDispatch {
        close: requests::close::<Srq>,
        query_extension: extension::query::<Srq>,
        modify,
        receive,
    };

    fn close(self) -> Request<()> {
        Srq::close(self)
    }
}

extern "C" fn modify(
    srq: Handle<Srq>,
    depth: u32,
    threshold: u32,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkModifySrq");
    told((|| {
        let srq = srq.enter(CALL.argument(1, "pNdkSrq"))?;
        let completed = completion.required(context, CALL.argument(4, "RequestCompletion"))?;
        requests::answer(srq.modify(depth, threshold), completed)
    })())
}

extern "C" fn receive(srq: Handle<Srq>, context: Context, sgl: Sgl, count: u32) -> NtStatus {
    const CALL: Call = Call("NdkSrqReceive");
    told((|| {
        let srq = srq.enter(CALL.argument(1, "pNdkSrq"))?;
        srq.receive(context.number(), sgl.entries(count, CALL.argument(3, "pSgl"))?)?;
        Ok(NtStatus::SUCCESS)
    })())
}
