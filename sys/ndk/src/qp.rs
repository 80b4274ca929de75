//! `NDK_QP`: the calls that post, and flush.

use crate::abi::{ExtensionInterface, Guid, NtStatus, ObjectType, Version};
use crate::border::{Argument, Call, CloseCompletion, Context, Out, Refused, Sgl, Wrong, tell, told};
use crate::extension::Table;
use crate::mr::Region;
use crate::mw::Window;
use crate::object::{AnyHandle, Handle, Kind};
use crate::{extension, requests};
use qpair::ndk::{Data, OpFlags, PostError, Qp, RemoteAddress, Request, Token};

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
        extern "C" fn(Handle<Qp>, Context, Handle<Region>, Handle<Window>, usize, usize, u32) -> NtStatus,
    pub(crate) fast_register:
        extern "C" fn(Handle<Qp>, Context, Handle<Region>, u32, Pages, u32, usize, usize, u32) -> NtStatus,
    pub(crate) invalidate: extern "C" fn(Handle<Qp>, Context, AnyHandle, u32) -> NtStatus,
    pub(crate) read: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u64, u32, u32) -> NtStatus,
    pub(crate) write: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u64, u32, u32) -> NtStatus,
    pub(crate) send_and_invalidate: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u32, u32) -> NtStatus,
}

type Pages = Out<u64>;

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
    const EXTENSION: Option<Table> = Some(extension::QP);

    fn close(self) -> Request<()> {
        Qp::close(self)
    }
}

extern "C" fn flush(qp: Handle<Qp>) {
    match qp.enter(Call("NdkFlush").argument(1, "pNdkQp")) {
        Ok(qp) => qp.flush(),
        Err(refused) => {
            tell(refused); // nobody else can be told: the call has no result
        }
    }
}

/// Posts what `post` makes of the data, which the flags say how to read.
#[inline]
pub(crate) fn with_data(
    sgl: &Sgl,
    count: u32,
    flags: OpFlags,
    argument: Argument,
    post: impl FnOnce(Data<'_>) -> Result<(), PostError>,
) -> Result<NtStatus, Refused> {
    if flags.contains(OpFlags::INLINE) {
        sgl.inline_bytes(count, argument, |pieces| post(Data::Inline(pieces)))??;
    } else {
        post(Data::Sgl(sgl.entries(count, argument)?))?;
    }
    Ok(NtStatus::SUCCESS)
}

extern "C" fn send(qp: Handle<Qp>, context: Context, sgl: Sgl, count: u32, flags: u32) -> NtStatus {
    const CALL: Call = Call("NdkSend");
    told((|| {
        let qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        let flags = OpFlags(flags);
        with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| qp.send(context.number(), data, flags))
    })())
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
    told((|| {
        let qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        let flags = OpFlags(flags);
        with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| {
            qp.send_and_invalidate(context.number(), data, flags, Token(remote_token))
        })
    })())
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
    told((|| {
        let qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        let remote = RemoteAddress { address, token: Token(token) };
        qp.read(context.number(), sgl.entries(count, CALL.argument(3, "pSgl"))?, remote, OpFlags(flags))?;
        Ok(NtStatus::SUCCESS)
    })())
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
    told((|| {
        let qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        let (remote, flags) = (RemoteAddress { address, token: Token(token) }, OpFlags(flags));
        with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| {
            qp.write(context.number(), data, remote, flags)
        })
    })())
}

extern "C" fn bind(
    qp: Handle<Qp>,
    _context: Context,
    mr: Handle<Region>,
    mw: Handle<Window>,
    _address: usize,
    _length: usize,
    _flags: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkBind");
    told((|| {
        let _qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        let _mr = mr.enter(CALL.argument(3, "pMr"))?;
        let _mw = mw.enter(CALL.argument(4, "pMw"))?;
        Err(CALL.unsupported("this version has no memory windows"))
    })())
}

extern "C" fn fast_register(
    qp: Handle<Qp>,
    _context: Context,
    mr: Handle<Region>,
    _count: u32,
    _pages: Pages,
    _first_byte_offset: u32,
    _length: usize,
    _base: usize,
    _flags: u32,
) -> NtStatus {
    const CALL: Call = Call("NdkFastRegister");
    told((|| {
        let _qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        let _mr = mr.enter(CALL.argument(3, "pMr"))?;
        Err(CALL.unsupported("this version has no fast-register regions"))
    })())
}

extern "C" fn invalidate(qp: Handle<Qp>, _context: Context, mr_or_mw: AnyHandle, _flags: u32) -> NtStatus {
    const CALL: Call = Call("NdkInvalidate");
    told((|| {
        let _qp = qp.enter(CALL.argument(1, "pNdkQp"))?;
        if !mr_or_mw.is::<Region>() && !mr_or_mw.is::<Window>() {
            return Err(CALL.argument(3, "pNdkMrOrMw").is(Wrong::OtherKind));
        }
        Err(CALL.unsupported("this version has neither memory windows nor fast-register regions"))
    })())
}
