//! `NDK_MR`: registration and tokens.

use crate::abi::{ExtensionInterface, Guid, Mdl, NtStatus, ObjectType, Version};
use crate::border::{Call, Callback, CloseCompletion, Context, Out, Refused, RequestCompletion, given, told};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, mdl, requests};
use qpair::ndk::{FastRegisterMr, MrFlags, RawMr, Request, Status, Token};

/// What an `NDK_MR` is behind its header: one or the other for its whole life (MR-5).
pub(crate) enum Region {
    Ordinary(RawMr),
    FastRegister(FastRegisterMr),
}

impl From<RawMr> for Region {
    fn from(region: RawMr) -> Self {
        Self::Ordinary(region)
    }
}

impl From<FastRegisterMr> for Region {
    fn from(region: FastRegisterMr) -> Self {
        Self::FastRegister(region)
    }
}

impl Region {
    pub(crate) fn ordinary(&self, call: Call) -> Result<&RawMr, Refused> {
        match self {
            Self::Ordinary(region) => Ok(region),
            Self::FastRegister(_) => {
                let hint =
                    "the region was created for fast registration; create another one without FastRegister";
                Err(Refused::Call(call, Status::INVALID_DEVICE_REQUEST, hint))
            }
        }
    }

    pub(crate) fn fast_register(&self, call: Call) -> Result<&FastRegisterMr, Refused> {
        match self {
            Self::FastRegister(region) => Ok(region),
            Self::Ordinary(_) => {
                let hint = "the region is an ordinary one; create another one with FastRegister";
                Err(Refused::Call(call, Status::INVALID_DEVICE_REQUEST, hint))
            }
        }
    }
}

/// A region that has no token, or no memory, yet.
pub(crate) fn unregistered(call: Call) -> Refused {
    Refused::Call(call, Status::INVALID_DEVICE_REQUEST, "register or initialise the region first")
}

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
        match self {
            Self::Ordinary(region) => region.close(),
            Self::FastRegister(region) => region.close(),
        }
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
        let request = unsafe { mr.ordinary(CALL)?.register(base, length, MrFlags(flags)) };
        requests::answer(request, completed)
    })())
}

extern "C" fn deregister(mr: Handle<Region>, completion: RequestCompletion, context: Context) -> NtStatus {
    const CALL: Call = Call("NdkDeregisterMr");
    told((|| {
        let mr = mr.enter(CALL.argument(1, "pNdkMr"))?;
        let completed = completion.required(context, CALL.argument(2, "RequestCompletion"))?;
        requests::answer(mr.ordinary(CALL)?.deregister(), completed)
    })())
}

extern "C" fn initialize_fast_register(
    mr: Handle<Region>,
    pages: u32,
    remote_access: u8,
    completion: RequestCompletion,
    context: Context,
) -> NtStatus {
    const CALL: Call = Call("NdkInitializeFastRegisterMr");
    told((|| {
        let mr = mr.enter(CALL.argument(1, "pNdkMr"))?;
        let completed = completion.required(context, CALL.argument(4, "RequestCompletion"))?;
        requests::answer(mr.fast_register(CALL)?.initialize(pages, remote_access != 0), completed)
    })())
}

extern "C" fn get_remote_token(mr: Handle<Region>) -> u32 {
    token(Call("NdkGetRemoteTokenFromMr"), &mr, FastRegisterMr::remote_token)
}

extern "C" fn get_local_token(mr: Handle<Region>) -> u32 {
    token(Call("NdkGetLocalTokenFromMr"), &mr, FastRegisterMr::local_token)
}

/// The token, or 0, which is none.
fn token(call: Call, mr: &Handle<Region>, of_fast_register: fn(&FastRegisterMr) -> Token) -> u32 {
    given(mr.enter(call.argument(1, "pNdkMr")).and_then(|mr| {
        let token = match &*mr {
            Region::Ordinary(region) => region.token(),
            Region::FastRegister(region) => Some(of_fast_register(region)).filter(|token| token.0 != 0),
        };
        token.map(|token| token.0).ok_or_else(|| unregistered(call))
    }))
}
