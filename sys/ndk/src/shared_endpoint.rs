//! `NDK_SHARED_ENDPOINT`: one local address for many connectors.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Buffer, Call, CloseCompletion, Context, Out, told};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, requests};
use qpair::ndk::Request;
use std::convert::Infallible;

/// What an `NDK_SHARED_ENDPOINT` is behind its header: in this version there is none.
pub(crate) struct Endpoint(Infallible);

/// `NDK_SHARED_ENDPOINT_DISPATCH`.
#[repr(C)]
pub(crate) struct SharedEndpointDispatch {
    close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    query_extension: extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    get_local_address: extern "C" fn(Handle<Endpoint>, Buffer, Out<u32>) -> NtStatus,
}

impl Kind for Endpoint {
    const TYPE: ObjectType = ObjectType::SharedEndpoint;
    type Dispatch = SharedEndpointDispatch;
    const DISPATCH: &'static SharedEndpointDispatch = &SharedEndpointDispatch {
        close: requests::close::<Endpoint>,
        query_extension: extension::query::<Endpoint>,
        get_local_address,
    };

    fn close(self) -> Request<()> {
        match self.0 {}
    }
}

extern "C" fn get_local_address(endpoint: Handle<Endpoint>, _address: Buffer, _length: Out<u32>) -> NtStatus {
    const CALL: Call = Call("NdkGetSharedEndpointLocalAddress");
    told((|| {
        let endpoint = endpoint.enter(CALL.argument(1, "pNdkSharedEndpoint"))?;
        match endpoint.0 {}
    })())
}
