//! `NDK_QP`: the calls that post, and flush.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Argument, Call, CloseCompletion, Context, Out, Pages, Refused, Sgl, given, told};
use crate::extension::Table;
use crate::mr::{self, Region};
use crate::object::{AnyHandle, Handle, Kind, Shared};
use crate::{extension, requests};
use qpair::ndk::{Data, FastRegister, Mr, Mw, OpFlags, PostError, Qp, RemoteAddress, Request, Token};
use std::ops::Range;

/// `NDK_QP_DISPATCH`.
#[repr(C)]
pub(crate) struct QpDispatch {
    pub(crate) close: extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus,
    pub(crate) query_extension:
        extern "C" fn(AnyHandle, Out<Guid>, Version, Out<ExtensionInterface>) -> NtStatus,
    pub(crate) flush: extern "C" fn(Handle<Qp>),
    pub(crate) send: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u32) -> NtStatus,
    pub(crate) receive: extern "C" fn(Handle<Qp>, Context, Sgl, u32) -> NtStatus,
    pub(crate) bind:
        extern "C" fn(Handle<Qp>, Context, Handle<Region>, Handle<Mw>, usize, usize, u32) -> NtStatus,
    pub(crate) fast_register:
        extern "C" fn(Handle<Qp>, Context, Handle<Region>, u32, Pages, u32, usize, usize, u32) -> NtStatus,
    pub(crate) invalidate: extern "C" fn(Handle<Qp>, Context, AnyHandle, u32) -> NtStatus,
    pub(crate) read: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u64, u32, u32) -> NtStatus,
    pub(crate) write: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u64, u32, u32) -> NtStatus,
    pub(crate) send_and_invalidate: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u32, u32) -> NtStatus,
}

impl Kind for Qp {
    const TYPE: ObjectType = ObjectType::Qp;
    type Dispatch = QpDispatch;
    const DISPATCH: &'static QpDispatch = &QpDispatch {
        close: requests::close::<Qp>,
        query_extension: extension::query::<Qp>,
        flush,
        send,
        receive,
        bind,
        fast_register,
        invalidate,
        read,
        write,
        send_and_invalidate,
    };

    fn extension(_shared: &Shared) -> Option<Table> {
        Some(extension::QP)
    }

    fn close(self) -> Request<()> {
        Qp::close(self)
    }
}

extern "C" fn flush(qp: Handle<Qp>) {
    given(qp.enter(Call("NdkFlush").argument(1, "pNdkQp")).map(|qp| qp.flush()))
}

/// Posts an initiator request. One that fails leaves nothing held back, wherever it is refused (QP-25).
#[inline]
pub(crate) fn initiate(
    call: Call,
    qp: &Handle<Qp>,
    post: impl FnOnce(&Qp) -> Result<(), Refused>,
) -> NtStatus {
    told((|| {
        let qp = qp.enter(call.argument(1, "pNdkQp"))?;
        post(&qp).inspect_err(|_| qp.indicate_deferred())?;
        Ok(NtStatus::SUCCESS)
    })())
}

/// Posts what `post` makes of the data, which the flags say how to read.
#[inline]
pub(crate) fn with_data(
    sgl: &Sgl,
    count: u32,
    flags: OpFlags,
    argument: Argument,
    post: impl FnOnce(Data<'_>) -> Result<(), PostError>,
) -> Result<(), Refused> {
    if flags.contains(OpFlags::INLINE) {
        sgl.inline_bytes(count, argument, |pieces| post(Data::Inline(pieces)))??;
    } else {
        post(Data::Sgl(sgl.entries(count, argument)?))?;
    }
    Ok(())
}

extern "C" fn send(qp: Handle<Qp>, context: Context, sgl: Sgl, count: u32, flags: u32) -> NtStatus {
    const CALL: Call = Call("NdkSend");
    initiate(CALL, &qp, |qp| {
        let flags = OpFlags(flags);
        with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| qp.send(context.number(), data, flags))
    })
}

extern "C" fn send_and_invalidate(
    qp: Handle<Qp>,
    context: Context,
    sgl: Sgl,
    count: u32,
    flags: u32,
    remote_token: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkSendAndInvalidate");
    initiate(CALL, &qp, |qp| {
        let flags = OpFlags(flags);
        with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| {
            qp.send_and_invalidate(context.number(), data, flags, Token(remote_token))
        })
    })
}

extern "C" fn receive(qp: Handle<Qp>, context: Context, sgl: Sgl, count: u32) -> NtStatus {
    const CALL: Call = Call("NdkReceive");
    told((|| {
        let qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        qp.receive(context.number(), sgl.entries(count, CALL.argument(3, "pSgl"))?)?;
        Ok(NtStatus::SUCCESS)
    })())
}

extern "C" fn read(
    qp: Handle<Qp>,
    context: Context,
    sgl: Sgl,
    count: u32,
    address: u64,
    token: u32,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkRead");
    initiate(CALL, &qp, |qp| {
        let remote = RemoteAddress { address, token: Token(token) };
        let sgl = sgl.entries(count, CALL.argument(3, "pSgl"))?;
        Ok(qp.read(context.number(), sgl, remote, OpFlags(flags))?)
    })
}

extern "C" fn write(
    qp: Handle<Qp>,
    context: Context,
    sgl: Sgl,
    count: u32,
    address: u64,
    token: u32,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkWrite");
    initiate(CALL, &qp, |qp| {
        let (remote, flags) = (RemoteAddress { address, token: Token(token) }, OpFlags(flags));
        with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| {
            qp.write(context.number(), data, remote, flags)
        })
    })
}

extern "C" fn bind(
    qp: Handle<Qp>,
    context: Context,
    mr: Handle<Region>,
    mw: Handle<Mw>,
    address: usize,
    length: usize,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkBind");
    initiate(CALL, &qp, |qp| {
        let mr = mr.enter(CALL.argument(3, "pMr"))?;
        let mw = mw.enter(CALL.argument(4, "pMw"))?;
        let bind = |region: &Mr| {
            let range = range(region, address, length)?;
            qp.bind(context.number(), region, &mw, range, OpFlags(flags))?;
            Ok(())
        };
        mr.ordinary(CALL)?.with(bind).unwrap_or_else(|| Err(mr::unregistered(CALL)))
    })
}

/// The bytes of a region from `address` on, as offsets; what is outside stays outside, to be judged.
fn range(region: &Mr, address: usize, length: usize) -> Result<Range<usize>, Refused> {
    let base = region.remote(0)?.address as usize;
    let start = address.wrapping_sub(base);
    Ok(start..start.saturating_add(length))
}

extern "C" fn fast_register(
    qp: Handle<Qp>,
    context: Context,
    mr: Handle<Region>,
    count: u32,
    pages: Pages,
    first_byte_offset: u32,
    length: usize,
    base: usize,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkFastRegister");
    initiate(CALL, &qp, |qp| {
        let mr = mr.enter(CALL.argument(3, "pMr"))?;
        let register = FastRegister {
            pages: pages.entries(count, CALL.argument(5, "AdapterPageArray"))?,
            first_byte_offset,
            length: length as u64,
            base_virtual_address: base as u64,
        };
        qp.fast_register(context.number(), mr.fast_register(CALL)?, register, OpFlags(flags))?;
        Ok(())
    })
}

extern "C" fn invalidate(qp: Handle<Qp>, context: Context, mr_or_mw: AnyHandle, flags: u32) -> NtStatus {
    const CALL: Call = Call("NdkInvalidate");
    initiate(CALL, &qp, |qp| {
        let (context, flags) = (context.number(), OpFlags(flags));
        let argument = CALL.argument(3, "pNdkMrOrMw");
        if mr_or_mw.is::<Mw>() {
            let window = mr_or_mw.of::<Mw>();
            return Ok(qp.invalidate(context, &*window.enter(argument)?, flags)?);
        }
        let region = mr_or_mw.of::<Region>();
        Ok(qp.invalidate(context, region.enter(argument)?.fast_register(CALL)?, flags)?)
    })
}
