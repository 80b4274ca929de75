//! `NDK_ADAPTER`: what it is, and everything that is created on it.

use crate::abi::{AdapterInfo, ExtensionInterface, GroupAffinity, Guid, NtStatus, ObjectType, Version};
use crate::border::{
    Bytes, Call, Callback, ConnectEvent, Context, CqNotification, CreateCompletion, Out, Refused, Wrong, told,
};
use crate::extension::Table;
use crate::object::{AnyHandle, Handle, Kind, Shared};
use crate::requests::Creation;
use crate::{address, extension, faults, lam};
use qpair::ndk::{Adapter, Connector, Cq, CqNotify, Listener, Pd, Request, SharedEndpoint, Status};
use std::ffi::c_void;
use std::sync::Arc;

/// `NDK_ADAPTER_DISPATCH`.
#[repr(C)]
pub(crate) struct AdapterDispatch {
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) query_adapter_info: extern "C" fn(Handle<Adapter>, Out<AdapterInfo>, Out<u32>) -> NtStatus,
    pub(crate) create_cq: extern "C" fn(
        Handle<Adapter>,
        u32,
        CqNotification,
        Context,
        Out<GroupAffinity>,
        CreateCompletion,
        Context,
        Out<*mut c_void>,
    ) -> NtStatus,
    pub(crate) create_pd:
        extern "C" fn(Handle<Adapter>, CreateCompletion, Context, Out<*mut c_void>) -> NtStatus,
    pub(crate) create_shared_endpoint:
        extern "C" fn(Handle<Adapter>, Bytes, u32, CreateCompletion, Context, Out<*mut c_void>) -> NtStatus,
    pub(crate) create_connector:
        extern "C" fn(Handle<Adapter>, CreateCompletion, Context, Out<*mut c_void>) -> NtStatus,
    pub(crate) create_listener: extern "C" fn(
        Handle<Adapter>,
        ConnectEvent,
        Context,
        CreateCompletion,
        Context,
        Out<*mut c_void>,
    ) -> NtStatus,
    pub(crate) build_lam: lam::Build,
    pub(crate) release_lam: lam::Release,
}

impl Kind for Adapter {
    const TYPE: ObjectType = ObjectType::Adapter;
    type Dispatch = AdapterDispatch;
    const DISPATCH: &'static AdapterDispatch = &AdapterDispatch {
        query_extension: extension::query::<Adapter>,
        query_adapter_info,
        create_cq,
        create_pd,
        create_shared_endpoint,
        create_connector,
        create_listener,
        build_lam: lam::build,
        release_lam: lam::release,
    };

    fn extension(shared: &Shared) -> Option<Table> {
        shared.faults.is_some().then_some(faults::ADAPTER)
    }

    fn close(self) -> Request<()> {
        unreachable!("no table has a close of the adapter: NdkCloseAdapter takes the handle itself")
    }
}

extern "C" fn query_adapter_info(
    adapter: Handle<Adapter>,
    mut info: Out<AdapterInfo>,
    mut size: Out<u32>,
) -> NtStatus {
    const CALL: Call = Call("NdkQueryAdapterInfo");
    const SIZE: u32 = size_of::<AdapterInfo>() as u32;
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let mut size = size.required(CALL.argument(3, "pBufferSize"))?;
        let room = size.get();
        size.put(SIZE);
        if room < SIZE {
            let hint = "give room for an NDK_ADAPTER_INFO; *pBufferSize says now how much that is";
            return Err(Refused::Call(CALL, Status::BUFFER_TOO_SMALL, hint));
        }
        let Some(mut place) = info.optional() else {
            return Err(CALL.argument(2, "pInfo").is(Wrong::Null));
        };
        place.put(described(&adapter, adapter.shared().version));
        Ok(NtStatus::SUCCESS)
    })())
}

/// The description of the Rust face in the header's structure.
fn described(adapter: &Adapter, version: Version) -> AdapterInfo {
    let info = adapter.info();
    let number = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    AdapterInfo {
        version,
        vendor_id: info.vendor_id,
        device_id: info.device_id,
        max_registration_size: info.max_registration_size,
        max_window_size: info.max_window_size,
        frmr_page_count: info.frmr_page_count,
        max_initiator_request_sge: info.max_initiator_request_sge,
        max_receive_request_sge: info.max_receive_request_sge,
        max_read_request_sge: info.max_read_request_sge,
        max_transfer_length: info.max_transfer_length,
        max_inline_data_size: info.max_inline_data_size,
        max_inbound_read_limit: info.max_inbound_read_limit,
        max_outbound_read_limit: info.max_outbound_read_limit,
        max_receive_queue_depth: info.max_receive_queue_depth,
        max_initiator_queue_depth: info.max_initiator_queue_depth,
        max_srq_depth: info.max_srq_depth,
        max_cq_depth: info.max_cq_depth,
        large_request_threshold: info.large_request_threshold,
        max_caller_data: number(info.max_caller_data),
        max_callee_data: number(info.max_callee_data),
        adapter_flags: info.adapter_flags.0,
        rdma_technology: info.rdma_technology as u32,
    }
}

extern "C" fn create_cq(
    adapter: Handle<Adapter>,
    depth: u32,
    notification: CqNotification,
    notification_context: Context,
    _affinity: Out<GroupAffinity>,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateCq");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let notify = notification.required(notification_context, CALL.argument(3, "CqNotification"))?;
        let made = Creation::of(CALL, 6, "ppNdkCq", (completion, context), &mut out)?;
        let notify = CqNotify::callback(move |event| notify.call(event.status().into()));
        made.answer::<Cq, _>(adapter.create_cq(depth, notify), adapter.shared())
    })())
}

extern "C" fn create_pd(
    adapter: Handle<Adapter>,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreatePd");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let made = Creation::of(CALL, 2, "ppNdkPd", (completion, context), &mut out)?;
        made.answer::<Pd, _>(adapter.create_pd(), adapter.shared())
    })())
}

extern "C" fn create_shared_endpoint(
    adapter: Handle<Adapter>,
    local: Bytes,
    length: u32,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateSharedEndpoint");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let (address, size) = (CALL.argument(2, "pAddress"), CALL.argument(3, "AddressLength"));
        let local = address::read(&local, length, address, size)?;
        let made = Creation::of(CALL, 4, "ppNdkSharedEndpoint", (completion, context), &mut out)?;
        made.answer::<SharedEndpoint, _>(adapter.create_shared_endpoint(local), adapter.shared())
    })())
}

extern "C" fn create_connector(
    adapter: Handle<Adapter>,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateConnector");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let made = Creation::of(CALL, 2, "ppNdkConnector", (completion, context), &mut out)?;
        made.answer::<Connector, _>(adapter.create_connector(), adapter.shared())
    })())
}

extern "C" fn create_listener(
    adapter: Handle<Adapter>,
    event: ConnectEvent,
    event_context: Context,
    completion: CreateCompletion,
    context: Context,
    mut out: Out<*mut c_void>,
) -> NtStatus {
    const CALL: Call = Call("NdkCreateListener");
    told((|| {
        let adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        let connect = event.required(event_context, CALL.argument(2, "ConnectEvent"))?;
        let made = Creation::of(CALL, 4, "ppNdkListener", (completion, context), &mut out)?;
        let shared: Arc<Shared> = Arc::clone(adapter.shared());
        let on_connect = move |connector| connect.call(shared.publish(connector));
        made.answer::<Listener, _>(adapter.create_listener(on_connect), adapter.shared())
    })())
}
