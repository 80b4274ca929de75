//! `NDK_CONNECTOR`: connect, accept, and parting again.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{
    Buffer, Bytes, Call, Callback, CloseCompletion, Context, DisconnectEvent, DisconnectEventEx, Out,
    RequestCompletion, Wrong, told,
};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{address, extension, requests};
use qpair::ndk::{Connector, OnDisconnect, Qp, ReadLimits, Request, SharedEndpoint, Status};

type Connect = extern "C" fn(
    Handle<Connector>,
    Handle<Qp>,
    Bytes,
    u32,
    Bytes,
    u32,
    u32,
    u32,
    Bytes,
    u32,
    RequestCompletion,
    Context,
) -> NtStatus;
type ConnectWithSharedEndpoint = extern "C" fn(
    Handle<Connector>,
    Handle<Qp>,
    Handle<SharedEndpoint>,
    Bytes,
    u32,
    u32,
    u32,
    Bytes,
    u32,
    RequestCompletion,
    Context,
) -> NtStatus;
type CompleteConnect<E> =
    extern "C" fn(Handle<Connector>, E, Context, RequestCompletion, Context) -> NtStatus;
type Accept<E> = extern "C" fn(
    Handle<Connector>,
    Handle<Qp>,
    u32,
    u32,
    Bytes,
    u32,
    E,
    Context,
    RequestCompletion,
    Context,
) -> NtStatus;
type GetAddress = extern "C" fn(Handle<Connector>, Buffer, Out<u32>) -> NtStatus;

/// `NDK_CONNECTOR_DISPATCH`.
#[repr(C)]
pub(crate) struct ConnectorDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) connect: Connect,
    pub(crate) connect_with_shared_endpoint: ConnectWithSharedEndpoint,
    pub(crate) complete_connect: CompleteConnect<DisconnectEvent>,
    pub(crate) accept: Accept<DisconnectEvent>,
    pub(crate) reject: extern "C" fn(Handle<Connector>, Bytes, u32) -> NtStatus,
    pub(crate) get_connection_data:
        extern "C" fn(Handle<Connector>, Out<u32>, Out<u32>, Buffer, Out<u32>) -> NtStatus,
    pub(crate) get_local_address: GetAddress,
    pub(crate) get_peer_address: GetAddress,
    pub(crate) disconnect: extern "C" fn(Handle<Connector>, RequestCompletion, Context) -> NtStatus,
    pub(crate) complete_connect_ex: CompleteConnect<DisconnectEventEx>,
    pub(crate) accept_ex: Accept<DisconnectEventEx>,
}

impl Kind for Connector {
    const TYPE: ObjectType = ObjectType::Connector;
    type Dispatch = ConnectorDispatch;
    const DISPATCH: &'static ConnectorDispatch = &ConnectorDispatch {
        close: requests::close::<Connector>,
        query_extension: extension::query::<Connector>,
        connect,
        connect_with_shared_endpoint,
        complete_connect: complete_connect::<DisconnectEvent>,
        accept: accept::<DisconnectEvent>,
        reject,
        get_connection_data,
        get_local_address,
        get_peer_address,
        disconnect,
        complete_connect_ex: complete_connect::<DisconnectEventEx>,
        accept_ex: accept::<DisconnectEventEx>,
    };

    fn close(self) -> Request<()> {
        Connector::close(self)
    }
}

extern "C" fn connect(
    connector: Handle<Connector>,
    qp: Handle<Qp>,
    source: Bytes,
    source_length: u32,
    destination: Bytes,
    destination_length: u32,
    inbound: u32,
    outbound: u32,
    private_data: Bytes,
    private_length: u32,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkConnect");
    told((|| {
        let connector = connector.enter(CALL.argument(1, "pNdkConnector"))?;
        let qp = qp.enter(CALL.argument(2, "pNdkQp"))?;
        let (address, size) = (CALL.argument(3, "pSrcAddress"), CALL.argument(4, "SrcAddressLength"));
        let local = address::read(&source, source_length, address, size)?;
        let (address, size) = (CALL.argument(5, "pDestAddress"), CALL.argument(6, "DestAddressLength"));
        let remote = address::read(&destination, destination_length, address, size)?;
        let private_data = private_data.read(private_length, CALL.argument(9, "pPrivateData"))?;
        let completed = completion.required(context, CALL.argument(11, "RequestCompletion"))?;
        let limits = ReadLimits { inbound, outbound };
        requests::answer(connector.connect(&qp, local, remote, limits, private_data), completed)
    })())
}

extern "C" fn connect_with_shared_endpoint(
    connector: Handle<Connector>,
    qp: Handle<Qp>,
    endpoint: Handle<SharedEndpoint>,
    destination: Bytes,
    destination_length: u32,
    inbound: u32,
    outbound: u32,
    private_data: Bytes,
    private_length: u32,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkConnectWithSharedEndpoint");
    told((|| {
        let connector = connector.enter(CALL.argument(1, "pNdkConnector"))?;
        let qp = qp.enter(CALL.argument(2, "pNdkQp"))?;
        let endpoint = endpoint.enter(CALL.argument(3, "pNdkSharedEndpoint"))?;
        let (address, size) = (CALL.argument(4, "pDestAddress"), CALL.argument(5, "DestAddressLength"));
        let remote = address::read(&destination, destination_length, address, size)?;
        let private_data = private_data.read(private_length, CALL.argument(8, "pPrivateData"))?;
        let completed = completion.required(context, CALL.argument(10, "RequestCompletion"))?;
        let limits = ReadLimits { inbound, outbound };
        let request = connector.connect_with_shared_endpoint(&qp, &endpoint, remote, limits, private_data);
        requests::answer(request, completed)
    })())
}

/// The two forms of the disconnect event, and the calls that take them.
trait Event: Callback {
    const COMPLETE_CONNECT: Call;
    const ACCEPT: Call;

    /// What the Rust face calls when the peer parts.
    fn on_disconnect(self, context: Context) -> OnDisconnect;
}

impl Event for DisconnectEvent {
    const COMPLETE_CONNECT: Call = Call("NdkCompleteConnect");
    const ACCEPT: Call = Call("NdkAccept");

    fn on_disconnect(self, context: Context) -> OnDisconnect {
        let event = self.bound(context);
        event.map_or_else(OnDisconnect::ignore, |event| OnDisconnect::from(move || event.call()))
    }
}

impl Event for DisconnectEventEx {
    const COMPLETE_CONNECT: Call = Call("NdkCompleteConnectEx");
    const ACCEPT: Call = Call("NdkAcceptEx");

    fn on_disconnect(self, context: Context) -> OnDisconnect {
        let event = self.bound(context);
        event.map_or_else(OnDisconnect::ignore, |event| {
            OnDisconnect::with_reason(move |reason| event.call(reason))
        })
    }
}

extern "C" fn complete_connect<E: Event>(
    connector: Handle<Connector>,
    event: E,
    event_context: Context,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    let call = E::COMPLETE_CONNECT;
    told((|| {
        let connector = connector.enter(call.argument(1, "pNdkConnector"))?;
        let completed = completion.required(context, call.argument(4, "RequestCompletion"))?;
        requests::answer(connector.complete_connect(event.on_disconnect(event_context)), completed)
    })())
}

extern "C" fn accept<E: Event>(
    connector: Handle<Connector>,
    qp: Handle<Qp>,
    inbound: u32,
    outbound: u32,
    private_data: Bytes,
    private_length: u32,
    event: E,
    event_context: Context,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    let call = E::ACCEPT;
    told((|| {
        let connector = connector.enter(call.argument(1, "pNdkConnector"))?;
        let qp = qp.enter(call.argument(2, "pNdkQp"))?;
        let private_data = private_data.read(private_length, call.argument(5, "pPrivateData"))?;
        let completed = completion.required(context, call.argument(9, "RequestCompletion"))?;
        let (limits, event) = (ReadLimits { inbound, outbound }, event.on_disconnect(event_context));
        requests::answer(connector.accept(&qp, limits, private_data, event), completed)
    })())
}

extern "C" fn reject(connector: Handle<Connector>, private_data: Bytes, length: u32) -> NtStatus {
    const CALL: Call = Call("NdkReject");
    told((|| {
        let connector = connector.enter(CALL.argument(1, "pNdkConnector"))?;
        connector.reject(private_data.read(length, CALL.argument(2, "pPrivateData"))?)?;
        Ok(NtStatus::SUCCESS)
    })())
}

extern "C" fn get_connection_data(
    connector: Handle<Connector>,
    mut inbound: Out<u32>,
    mut outbound: Out<u32>,
    mut buffer: Buffer,
    mut length: Out<u32>,
) -> NtStatus {
    const CALL: Call = Call("NdkGetConnectionData");
    told((|| {
        let connector = connector.enter(CALL.argument(1, "pNdkConnector"))?;
        let mut length = length.required(CALL.argument(5, "pPrivateDataLength"))?;
        let room = length.get();
        if buffer.is_null() && room != 0 {
            return Err(CALL.argument(4, "pPrivateData").is(Wrong::Null));
        }
        let mut private_data = vec![0; connector.connection_data_into(&mut [])?.required];
        let found = connector.connection_data_into(&mut private_data)?;
        let limits = [(&mut inbound, found.limits.inbound), (&mut outbound, found.limits.outbound)];
        for (place, limit) in limits {
            if let Some(mut place) = place.optional() {
                place.put(limit);
            }
        }
        length.put(private_data.len() as u32);
        if buffer.is_null() {
            return Ok(NtStatus::SUCCESS); // it was asked for the size (CONN-15)
        }
        let fits = private_data.len().min(room as usize);
        buffer.fill(room, &private_data[..fits]);
        Ok(if fits == private_data.len() { NtStatus::SUCCESS } else { Status::BUFFER_TOO_SMALL.into() })
    })())
}

extern "C" fn get_local_address(
    connector: Handle<Connector>,
    mut buffer: Buffer,
    mut length: Out<u32>,
) -> NtStatus {
    let connector = (&connector, "pNdkConnector");
    let call = Call("NdkGetLocalAddress");
    address::answer(call, connector, Connector::local_address, (&mut buffer, &mut length))
}

extern "C" fn get_peer_address(
    connector: Handle<Connector>,
    mut buffer: Buffer,
    mut length: Out<u32>,
) -> NtStatus {
    let connector = (&connector, "pNdkConnector");
    let call = Call("NdkGetPeerAddress");
    address::answer(call, connector, Connector::peer_address, (&mut buffer, &mut length))
}

extern "C" fn disconnect(
    connector: Handle<Connector>,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkDisconnect");
    told((|| {
        let connector = connector.enter(CALL.argument(1, "pNdkConnector"))?;
        let completed = completion.required(context, CALL.argument(2, "RequestCompletion"))?;
        requests::answer(connector.disconnect(), completed)
    })())
}
