//! `NDK_MW`: windows, which a bind opens.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Call, CloseCompletion, Context, Out, given};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, requests};
use qpair::ndk::{Mw, Request};

/// `NDK_MW_DISPATCH`.
#[repr(C)]
pub(crate) struct MwDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) get_remote_token: extern "C" fn(Handle<Mw>) -> u32,
}

impl Kind for Mw {
    const TYPE: ObjectType = ObjectType::Mw;
    type Dispatch = MwDispatch;
    const DISPATCH: &'static MwDispatch = &MwDispatch {
        close: requests::close::<Mw>,
        query_extension: extension::query::<Mw>,
        get_remote_token,
    };

    fn close(self) -> Request<()> {
        Mw::close(self)
    }
}

extern "C" fn get_remote_token(mw: Handle<Mw>) -> u32 {
    let window = mw.enter(Call("NdkGetRemoteTokenFromMw").argument(1, "pNdkMw"));
    given(window.map(|window| window.remote_token().0))
}
