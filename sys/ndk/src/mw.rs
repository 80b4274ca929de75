//! `NDK_MW`: windows, which a bind opens.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Call, CloseCompletion, Context, Out, tell};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, requests};
use qpair::ndk::Request;
use std::convert::Infallible;

/// What an `NDK_MW` is behind its header: in this version there is none.
pub(crate) struct Window(Infallible);

/// `NDK_MW_DISPATCH`.
#[repr(C)]
pub(crate) struct MwDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) get_remote_token: extern "C" fn(Handle<Window>) -> u32,
}

impl Kind for Window {
    const TYPE: ObjectType = ObjectType::Mw;
    type Dispatch = MwDispatch;
    const DISPATCH: &'static MwDispatch = &MwDispatch {
        close: requests::close::<Window>,
        query_extension: extension::query::<Window>,
        get_remote_token,
    };

    fn close(self) -> Request<()> {
        match self.0 {}
    }
}

extern "C" fn get_remote_token(mw: Handle<Window>) -> u32 {
    match mw.enter(Call("NdkGetRemoteTokenFromMw").argument(1, "pNdkMw")) {
        Ok(window) => match window.0 {},
        Err(refused) => {
            tell(refused);
            0
        }
    }
}
