//! `NDK_PD`: everything that lives in a protection domain.

use crate::abi::{ExtensionInterface, GroupAffinity, Guid, NtStatus, ObjectType, Version};
use crate::border::{
    Call, Callback, CloseCompletion, Context, CreateCompletion, Out, SrqNotification, given, told,
};
use crate::mr::Region;
use crate::object::{AnyHandle, Handle, Kind};
use crate::requests::Creation;
use crate::{extension, requests};
use qpair::ndk::{Cq, Mw, Pd, Qp, QpDescription, Request, Srq, SrqDescription};
use std::ffi::c_void;

type CreateSrq = extern "C" fn(
    Handle<Pd>,
    u32,
    u32,
    u32,
    SrqNotification,
    Context,
    Out<GroupAffinity>,
    CreateCompletion,
    Context,
    Out<*mut c_void>,
) -> NtStatus;
type CreateQp = extern "C" fn(
    Handle<Pd>,
    Handle<Cq>,
    Handle<Cq>,
    Context,
    u32,
    u32,
    u32,
    u32,
    u32,
    CreateCompletion,
    Context,
    Out<*mut c_void>,
) -> NtStatus;
type CreateQpWithSrq = extern "C" fn(
    Handle<Pd>,
    Handle<Cq>,
    Handle<Cq>,
    Handle<Srq>,
    Context,
    u32,
    u32,
    u32,
    CreateCompletion,
    Context,
    Out<*mut c_void>,
) -> NtStatus;

/// `NDK_PD_DISPATCH`.
#[repr(C)]
pub(crate) struct PdDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) create_mr:
        extern "C" fn(Handle<Pd>, u8, CreateCompletion, Context, Out<*mut c_void>) -> NtStatus,
    pub(crate) create_mw: extern "C" fn(Handle<Pd>, CreateCompletion, Context, Out<*mut c_void>) -> NtStatus,
    pub(crate) create_srq: CreateSrq,
    pub(crate) create_qp: CreateQp,
    pub(crate) create_qp_with_srq: CreateQpWithSrq,
    pub(crate) get_privileged_memory_region_token: extern "C" fn(Handle<Pd>, Out<u32>),
}

impl Kind for Pd {
    const TYPE: ObjectType = ObjectType::Pd;
    type Dispatch = PdDispatch;
    const DISPATCH: &'static PdDispatch = &PdDispatch {
        close: requests::close::<Pd>,
        query_extension: extension::query::<Pd>,
        create_mr,
        create_mw,
        create_srq,
        create_qp,
        create_qp_with_srq,
        get_privileged_memory_region_token,
    };

    fn close(self) -> Request<()> {
        Pd::close(self)
    }
}

extern "C" fn create_mr(
    pd: Handle<Pd>,
    fast_register: u8,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateMr");
    told((|| {
        let pd = pd.enter(CALL.argument(1, "pNdkPd"))?;
        let made = Creation::of(CALL, 3, "ppNdkMr", (completion, context), &mut out)?;
        if fast_register != 0 {
            let request = pd.create_fast_register_mr();
            return made.answer::<Region, _>(request, pd.shared());
        }
        made.answer::<Region, _>(pd.create_raw_mr(), pd.shared())
    })())
}

extern "C" fn create_mw(
    pd: Handle<Pd>,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateMw");
    told((|| {
        let pd = pd.enter(CALL.argument(1, "pNdkPd"))?;
        let made = Creation::of(CALL, 2, "ppNdkMw", (completion, context), &mut out)?;
        made.answer::<Mw, _>(pd.create_mw(), pd.shared())
    })())
}

extern "C" fn create_srq(
    pd: Handle<Pd>,
    depth: u32,
    max_sge: u32,
    threshold: u32,
    notification: SrqNotification,
    notification_context: Context,
    _affinity: Out<GroupAffinity>,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateSrq");
    told((|| {
        let pd = pd.enter(CALL.argument(1, "pNdkPd"))?;
        let made = Creation::of(CALL, 8, "ppNdkSrq", (completion, context), &mut out)?;
        let mut description = SrqDescription::new(depth, max_sge);
        if let Some(notify) = notification.bound(notification_context) {
            description =
                description.notify_below(threshold, move |event| notify.call(event.status().into()));
        }
        made.answer::<Srq, _>(pd.create_srq_with(description), pd.shared())
    })())
}

extern "C" fn create_qp(
    pd: Handle<Pd>,
    receive_cq: Handle<Cq>,
    initiator_cq: Handle<Cq>,
    qp_context: Context,
    receive_depth: u32,
    initiator_depth: u32,
    receive_sge: u32,
    initiator_sge: u32,
    inline_size: u32,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateQp");
    told((|| {
        let pd = pd.enter(CALL.argument(1, "pNdkPd"))?;
        let receive_cq = receive_cq.enter(CALL.argument(2, "pReceiveCq"))?;
        let initiator_cq = initiator_cq.enter(CALL.argument(3, "pInitiatorCq"))?;
        let made = Creation::of(CALL, 10, "ppNdkQp", (completion, context), &mut out)?;
        let description = QpDescription::new(&receive_cq)
            .initiator_cq(&initiator_cq)
            .context(qp_context.number())
            .receive_depth(receive_depth)
            .initiator_depth(initiator_depth)
            .receive_sge(receive_sge)
            .initiator_sge(initiator_sge)
            .inline_size(inline_size);
        made.answer::<Qp, _>(pd.create_qp(description), pd.shared())
    })())
}

extern "C" fn create_qp_with_srq(
    pd: Handle<Pd>,
    receive_cq: Handle<Cq>,
    initiator_cq: Handle<Cq>,
    srq: Handle<Srq>,
    qp_context: Context,
    initiator_depth: u32,
    initiator_sge: u32,
    inline_size: u32,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateQpWithSrq");
    told((|| {
        let pd = pd.enter(CALL.argument(1, "pNdkPd"))?;
        let receive_cq = receive_cq.enter(CALL.argument(2, "pReceiveCq"))?;
        let initiator_cq = initiator_cq.enter(CALL.argument(3, "pInitiatorCq"))?;
        let srq = srq.enter(CALL.argument(4, "pSrq"))?;
        let made = Creation::of(CALL, 9, "ppNdkQp", (completion, context), &mut out)?;
        let description = QpDescription::new(&receive_cq)
            .initiator_cq(&initiator_cq)
            .srq(&srq)
            .context(qp_context.number())
            .initiator_depth(initiator_depth)
            .initiator_sge(initiator_sge)
            .inline_size(inline_size);
        made.answer::<Qp, _>(pd.create_qp(description), pd.shared())
    })())
}

extern "C" fn get_privileged_memory_region_token(pd: Handle<Pd>, mut token: Out<u32>) {
    const CALL: Call = Call("NdkGetPrivilegedMemoryRegionToken");
    given((|| {
        let pd = pd.enter(CALL.argument(1, "pNdkPd"))?;
        token.required(CALL.argument(2, "pToken"))?.put(pd.privileged_token().0);
        Ok(())
    })())
}
