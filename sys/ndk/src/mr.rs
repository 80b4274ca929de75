//! `NDK_MR`: registration and tokens.

use crate::abi::{ExtensionInterface, Guid, Mdl, NtStatus, ObjectType, Version};
use crate::border::{Call, Callback, CloseCompletion, Context, Out, Refused, RequestCompletion, tell, told};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, mdl, requests};
use qpair::ndk::{MrFlags, RawMr, Request, Status};

/// What an `NDK_MR` is behind its header.
pub(crate) type Region = RawMr;

/// `NDK_MR_DISPATCH`.
#[repr(C)]
pub(crate) struct MrDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) register:
        extern "C" fn(Handle<Region>, Out<Mdl>, usize, u32, RequestCompletion, Context) -> NtStatus,
    pub(crate) deregister: extern "C" fn(Handle<Region>, RequestCompletion, Context) -> NtStatus,
    pub(crate) initialize_fast_register:
        extern "C" fn(Handle<Region>, u32, u8, RequestCompletion, Context) -> NtStatus,
    pub(crate) get_remote_token: extern "C" fn(Handle<Region>) -> u32,
    pub(crate) get_local_token: extern "C" fn(Handle<Region>) -> u32,
}

impl Kind for Region {
    const TYPE: ObjectType = ObjectType::Mr;
    type Dispatch = MrDispatch;
    const DISPATCH: &'static MrDispatch = &MrDispatch {
        close: requests::close::<Region>,
        query_extension: extension::query::<Region>,
        register,
        deregister,
        initialize_fast_register,
        get_remote_token,
        get_local_token,
    };

    fn close(self) -> Request<()> {
        RawMr::close(self)
    }
}

extern "C" fn register(
    mr: Handle<Region>,
    mut chain: Out<Mdl>,
    length: usize,
    flags: u32,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkRegisterMr");
    told((|| {
        let mr = mr.enter(CALL.argument(1, "pNdkMr"))?;
        let (mdl, size) = (CALL.argument(2, "Mdl"), CALL.argument(3, "Length"));
        let base = mdl::contiguous(&mut chain, length, mdl, size)?;
        let completed = completion.required(context, CALL.argument(5, "RequestCompletion"))?;
        // SAFETY: by the header the memory that a chain describes stays the caller's, valid for reads and
        // writes, until its deregistration has completed; the chain describes `length` bytes from `base` on.
        // That peers write it while the caller reads is the nature of such memory, in C as in the kernel.
        let request = unsafe { mr.register(base, length, MrFlags(flags)) };
        requests::answer(request, completed)
    })())
}

extern "C" fn deregister(mr: Handle<Region>, completion: RequestCompletion, context: Context) -> NtStatus {
    const CALL: Call = Call("NdkDeregisterMr");
    told((|| {
        let mr = mr.enter(CALL.argument(1, "pNdkMr"))?;
        let completed = completion.required(context, CALL.argument(2, "RequestCompletion"))?;
        requests::answer(mr.deregister(), completed)
    })())
}

extern "C" fn initialize_fast_register(
    mr: Handle<Region>,
    _pages: u32,
    _remote_access: u8,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkInitializeFastRegisterMr");
    told((|| {
        let _mr = mr.enter(CALL.argument(1, "pNdkMr"))?;
        completion.required(context, CALL.argument(4, "RequestCompletion"))?;
        Err(CALL.unsupported("this version has no fast-register regions"))
    })())
}

extern "C" fn get_remote_token(mr: Handle<Region>) -> u32 {
    token(Call("NdkGetRemoteTokenFromMr"), &mr)
}

extern "C" fn get_local_token(mr: Handle<Region>) -> u32 {
    token(Call("NdkGetLocalTokenFromMr"), &mr)
}

/// The token, or 0, which is none.
fn token(call: Call, mr: &Handle<Region>) -> u32 {
    let token = mr.enter(call.argument(1, "pNdkMr")).and_then(|mr| {
        mr.token().ok_or(Refused::Call(call, Status::INVALID_DEVICE_REQUEST, "register the region first"))
    });
    token.map_or_else(
        |refused| {
            tell(refused);
            0
        },
        |token| token.0,
    )
}
