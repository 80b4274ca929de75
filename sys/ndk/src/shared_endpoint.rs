//! `NDK_SHARED_ENDPOINT`: one local address for many connectors.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Buffer, Call, CloseCompletion, Context, Out};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{address, extension, requests};
use qpair::ndk::{Request, SharedEndpoint};

/// `NDK_SHARED_ENDPOINT_DISPATCH`.
#[repr(C)]
pub(crate) struct SharedEndpointDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) get_local_address: extern "C" fn(Handle<SharedEndpoint>, Buffer, Out<u32>) -> NtStatus,
}

impl Kind for SharedEndpoint {
    const TYPE: ObjectType = ObjectType::SharedEndpoint;
    type Dispatch = SharedEndpointDispatch;
    const DISPATCH: &'static SharedEndpointDispatch = &SharedEndpointDispatch {
        close: requests::close::<SharedEndpoint>,
        query_extension: extension::query::<SharedEndpoint>,
        get_local_address,
    };

    fn close(self) -> Request<()> {
        SharedEndpoint::close(self)
    }
}

extern "C" fn get_local_address(
    endpoint: Handle<SharedEndpoint>,
    mut buffer: Buffer,
    mut length: Out<u32>,
) -> NtStatus {
    let endpoint = (&endpoint, "pNdkSharedEndpoint");
    let call = Call("NdkGetSharedEndpointLocalAddress");
    let find = |endpoint: &SharedEndpoint| Ok(endpoint.local_address());
    address::answer(call, endpoint, find, (&mut buffer, &mut length))
}
