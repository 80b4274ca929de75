//! `NDK_SHARED_ENDPOINT`: one local address for many connectors.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Buffer, Call, CloseCompletion, Context, Out, told};
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
    const CALL: Call = Call("NdkGetSharedEndpointLocalAddress");
    told((|| {
        let endpoint = endpoint.enter(CALL.argument(1, "pNdkSharedEndpoint"))?;
        let places = (CALL.argument(2, "pAddress"), CALL.argument(3, "pAddressLength"));
        address::write(endpoint.local_address(), &mut buffer, &mut length, places)
    })())
}
