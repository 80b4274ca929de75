//! `NDK_LISTENER`: where requests to connect arrive.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{
    Buffer, Bytes, Call, Callback, CloseCompletion, Context, Out, RequestCompletion, given, told,
};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{address, extension, requests};
use qpair::ndk::{Listener, Request};

/// `NDK_LISTENER_DISPATCH`.
#[repr(C)]
pub(crate) struct ListenerDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) listen: extern "C" fn(Handle<Listener>, Bytes, u32, RequestCompletion, Context) -> NtStatus,
    pub(crate) get_local_address: extern "C" fn(Handle<Listener>, Buffer, Out<u32>) -> NtStatus,
    pub(crate) control_connect_events: extern "C" fn(Handle<Listener>, u8),
}

impl Kind for Listener {
    const TYPE: ObjectType = ObjectType::Listener;
    type Dispatch = ListenerDispatch;
    const DISPATCH: &'static ListenerDispatch = &ListenerDispatch {
        close: requests::close::<Listener>,
        query_extension: extension::query::<Listener>,
        listen,
        get_local_address,
        control_connect_events,
    };

    fn close(self) -> Request<()> {
        Listener::close(self)
    }
}

extern "C" fn listen(
    listener: Handle<Listener>,
    local: Bytes,
    length: u32,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkListen");
    told((|| {
        let listener = listener.enter(CALL.argument(1, "pNdkListener"))?;
        let (address, size) = (CALL.argument(2, "pAddress"), CALL.argument(3, "AddressLength"));
        let local = address::read(&local, length, address, size)?;
        let completed = completion.required(context, CALL.argument(4, "RequestCompletion"))?;
        requests::answer(listener.listen(local), completed)
    })())
}

extern "C" fn get_local_address(
    listener: Handle<Listener>,
    mut buffer: Buffer,
    mut length: Out<u32>,
) -> NtStatus {
    let listener = (&listener, "pNdkListener");
    let call = Call("NdkGetListenerLocalAddress");
    address::answer(call, listener, Listener::local_address, (&mut buffer, &mut length))
}

extern "C" fn control_connect_events(listener: Handle<Listener>, pause: u8) {
    let listener = listener.enter(Call("NdkControlConnectEvents").argument(1, "pNdkListener"));
    given(listener.map(|listener| listener.control_connect_events(pause != 0)))
}
