//! `NDK_LOGICAL_ADDRESS_MAPPING`: addresses of pages for the privileged token and fast registrations.

use crate::abi::{LogicalAddressMapping, Mdl, NtStatus};
use crate::border::{Call, Context, Out, Refused, RequestCompletion, tell, told};
use crate::mdl;
use crate::object::Handle;
use qpair::ndk::Adapter;

/// `NDK_FN_BUILD_LAM`.
pub(crate) type Build = extern "C" fn(
    Handle<Adapter>,
    Out<Mdl>,
    usize,
    RequestCompletion,
    Context,
    Out<LogicalAddressMapping>,
    Out<u32>,
    Out<u32>,
) -> NtStatus;

/// `NDK_FN_RELEASE_LAM`.
pub(crate) type Release = extern "C" fn(Handle<Adapter>, Out<LogicalAddressMapping>);

pub(crate) extern "C" fn build(
    adapter: Handle<Adapter>,
    mut chain: Out<Mdl>,
    length: usize,
    _completion: RequestCompletion,
    _context: Context,
    _lam: Out<LogicalAddressMapping>,
    mut lam_size: Out<u32>,
    mut first_byte_offset: Out<u32>,
) -> NtStatus {
    const CALL: Call = Call("NdkBuildLam");
    told((|| {
        let _adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        mdl::contiguous(&mut chain, length, CALL.argument(2, "Mdl"), CALL.argument(3, "Length"))?;
        lam_size.required(CALL.argument(7, "pLAMSize"))?;
        first_byte_offset.required(CALL.argument(8, "pFBO"))?;
        Err(CALL.unsupported("this version has no logical address mappings"))
    })())
}

pub(crate) extern "C" fn release(adapter: Handle<Adapter>, mut lam: Out<LogicalAddressMapping>) {
    const CALL: Call = Call("NdkReleaseLam");
    let mut release = || {
        let _adapter = adapter.enter(CALL.argument(1, "pNdkAdapter"))?;
        lam.required(CALL.argument(2, "pNdkLAM"))?;
        Err::<(), Refused>(CALL.unsupported("this version has no logical address mappings"))
    };
    if let Err(refused) = release() {
        tell(refused); // nobody else can be told: the call has no result
    }
}
