//! `NdkQueryExtension`: what verbs has and NDK lacks, under an id of our own (`qpair_ndk_ext.h`).

use crate::abi::{ExtensionInterface, Guid, NdkResultEx, NtStatus, Version};
use crate::border::{Argument, Bytes, Call, Context, Out, Refused, Results, Sgl, Wrong, told};
use crate::object::{AnyHandle, Handle, Kind};
use crate::{cq, qp};
use qpair::ndk::ext::{CompletionExt, FlushPlacement, QpExt};
use qpair::ndk::{Completion, Cq, OpFlags, Qp, RemoteAddress, Token};
use std::ffi::c_void;

const CALL: Call = Call("NdkQueryExtension");

/// `QPAIR_NDK_EXTENSION`.
const OURS: Guid = Guid {
    data1: 0x4c18_1af9,
    data2: 0xc35b,
    data3: 0x47e0,
    data4: [0x95, 0xfd, 0x19, 0x27, 0xe8, 0xdc, 0x7d, 0xd8],
};

/// The version of the tables; a lower minor has the beginning of each.
const VERSION: Version = Version { major: 1, minor: 1 };

/// `NDK_FN_QUERY_EXTENSION_INTERFACE`: our table, if the kind has one (else ADP-5).
pub(crate) extern "C" fn query<K: Kind>(
    object: AnyHandle,
    mut id: Out<Guid>,
    version: Version,
    mut interface: Out<ExtensionInterface>,
) -> NtStatus {
    told((|| {
        let object = object.of::<K>();
        let object = object.enter(CALL.argument(1, "pNdkObject"))?;
        let id = id.required(CALL.argument(2, "ExtensionInterfaceID"))?.get();
        let mut interface = interface.required(CALL.argument(4, "pExtensionInterface"))?;
        let spoken = version.major == VERSION.major && version.minor <= VERSION.minor;
        let ours = (id == OURS && spoken).then(|| K::extension(object.shared())).flatten();
        let Some(table) = ours else {
            return Err(CALL.unsupported("this object has no extension interface of that id and version"));
        };
        interface.put(ExtensionInterface { dispatch: table.0 });
        Ok(NtStatus::SUCCESS)
    })())
}

/// A table of functions, as C gets it.
#[derive(Clone, Copy)]
pub(crate) struct Table(*const c_void);

impl Table {
    pub(crate) const fn of<T: Sync>(table: &'static T) -> Self {
        Self(std::ptr::from_ref(table).cast())
    }
}

/// The table of queue pairs.
pub(crate) const QP: Table = Table::of(&QP_TABLE);
/// The table of completion queues.
pub(crate) const CQ: Table = Table::of(&CQ_TABLE);

type Atomic1 = extern "C" fn(Handle<Qp>, Context, Sgl, u64, u32, u64, u32) -> NtStatus;
type Atomic2 = extern "C" fn(Handle<Qp>, Context, Sgl, u64, u32, u64, u64, u32) -> NtStatus;

/// `QPAIR_QP_EXTENSION`.
#[repr(C)]
pub(crate) struct QpExtension {
    pub(crate) send_with_immediate: extern "C" fn(Handle<Qp>, Context, Sgl, u32, u32, u32) -> NtStatus,
    pub(crate) write_with_immediate:
        extern "C" fn(Handle<Qp>, Context, Sgl, u32, u64, u32, u32, u32) -> NtStatus,
    pub(crate) compare_and_swap: Atomic2,
    pub(crate) fetch_and_add: Atomic1,
    pub(crate) atomic_write: extern "C" fn(Handle<Qp>, Context, Bytes, u64, u32, u32) -> NtStatus,
    pub(crate) flush_remote: extern "C" fn(Handle<Qp>, Context, u64, u32, u32, u32, u32) -> NtStatus,
    pub(crate) flush_remote_region: extern "C" fn(Handle<Qp>, Context, u32, u32, u32) -> NtStatus,
}

static QP_TABLE: QpExtension = QpExtension {
    send_with_immediate,
    write_with_immediate,
    compare_and_swap,
    fetch_and_add,
    atomic_write,
    flush_remote,
    flush_remote_region,
};

extern "C" fn send_with_immediate(
    qp: Handle<Qp>,
    context: Context,
    sgl: Sgl,
    count: u32,
    flags: u32,
    immediate: u32,
) -> NtStatus {
    const CALL: Call = Call("SendWithImmediate");
    qp::initiate(CALL, &qp, |qp| {
        let flags = OpFlags(flags);
        qp::with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| {
            qp.send_with_immediate(context.number(), data, immediate, flags)
        })
    })
}

extern "C" fn write_with_immediate(
    qp: Handle<Qp>,
    context: Context,
    sgl: Sgl,
    count: u32,
    address: u64,
    token: u32,
    flags: u32,
    immediate: u32,
) -> NtStatus {
    const CALL: Call = Call("WriteWithImmediate");
    qp::initiate(CALL, &qp, |qp| {
        let (remote, flags) = (RemoteAddress { address, token: Token(token) }, OpFlags(flags));
        qp::with_data(&sgl, count, flags, CALL.argument(3, "pSgl"), |data| {
            qp.write_with_immediate(context.number(), data, remote, immediate, flags)
        })
    })
}

extern "C" fn compare_and_swap(
    qp: Handle<Qp>,
    context: Context,
    old: Sgl,
    address: u64,
    token: u32,
    compare: u64,
    swap: u64,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("CompareAndSwap");
    qp::initiate(CALL, &qp, |qp| {
        let old = old.entries(1, CALL.argument(3, "pOld"))?[0];
        let (remote, flags) = (RemoteAddress { address, token: Token(token) }, OpFlags(flags));
        Ok(qp.compare_and_swap(context.number(), old, remote, compare, swap, flags)?)
    })
}

extern "C" fn fetch_and_add(
    qp: Handle<Qp>,
    context: Context,
    old: Sgl,
    address: u64,
    token: u32,
    add: u64,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("FetchAndAdd");
    qp::initiate(CALL, &qp, |qp| {
        let old = old.entries(1, CALL.argument(3, "pOld"))?[0];
        let (remote, flags) = (RemoteAddress { address, token: Token(token) }, OpFlags(flags));
        Ok(qp.fetch_and_add(context.number(), old, remote, add, flags)?)
    })
}

extern "C" fn atomic_write(
    qp: Handle<Qp>,
    context: Context,
    value: Bytes,
    address: u64,
    token: u32,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("AtomicWrite");
    qp::initiate(CALL, &qp, |qp| {
        let mut word = [0; 8];
        word.copy_from_slice(value.read(8, CALL.argument(3, "pValue"))?);
        let remote = RemoteAddress { address, token: Token(token) };
        Ok(qp.atomic_write(context.number(), word, remote, OpFlags(flags))?)
    })
}

fn placement(bits: u32, argument: Argument) -> Result<FlushPlacement, Refused> {
    let known = (FlushPlacement::GLOBAL | FlushPlacement::PERSISTENT).0;
    let bits = u8::try_from(bits).ok().filter(|bits| bits & !known == 0);
    bits.map(FlushPlacement)
        .ok_or_else(|| argument.is(Wrong::Other("unknown; combine the QPAIR_FLUSH_ constants")))
}

extern "C" fn flush_remote(
    qp: Handle<Qp>,
    context: Context,
    address: u64,
    token: u32,
    length: u32,
    bits: u32,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("FlushRemote");
    qp::initiate(CALL, &qp, |qp| {
        let placement = placement(bits, CALL.argument(6, "Placement"))?;
        let remote = RemoteAddress { address, token: Token(token) };
        Ok(qp.flush_remote(context.number(), remote, length, placement, OpFlags(flags))?)
    })
}

extern "C" fn flush_remote_region(
    qp: Handle<Qp>,
    context: Context,
    token: u32,
    bits: u32,
    flags: u32,
) -> NtStatus {
    const CALL: Call = Call("FlushRemoteRegion");
    qp::initiate(CALL, &qp, |qp| {
        let placement = placement(bits, CALL.argument(4, "Placement"))?;
        Ok(qp.flush_remote_region(context.number(), Token(token), placement, OpFlags(flags))?)
    })
}

/// `QPAIR_RESULT`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct ResultMore {
    pub(crate) result: NdkResultEx,
    pub(crate) flags: u32,
    pub(crate) immediate: u32,
}

pub(crate) const HAS_IMMEDIATE: u32 = 1;
pub(crate) const RECEIVE_OF_WRITE: u32 = 2;
pub(crate) const ATOMIC: u32 = 4;
pub(crate) const ATOMIC_WRITE: u32 = 8;
pub(crate) const REMOTE_FLUSH: u32 = 16;

/// `QPAIR_CQ_EXTENSION`.
#[repr(C)]
pub(crate) struct CqExtension {
    pub(crate) get_results: extern "C" fn(Handle<Cq>, Results<ResultMore>, u32) -> u32,
}

static CQ_TABLE: CqExtension = CqExtension { get_results };

extern "C" fn get_results(cq: Handle<Cq>, mut results: Results<ResultMore>, count: u32) -> u32 {
    cq::poll(Call("GetCqResults"), &cq, &mut results, count, more)
}

fn more(completion: &Completion) -> ResultMore {
    let flag = |holds: bool, flag: u32| if holds { flag } else { 0 };
    let immediate = completion.immediate();
    ResultMore {
        result: cq::result_ex(completion),
        flags: flag(immediate.is_some(), HAS_IMMEDIATE)
            | flag(completion.is_receive_of_write(), RECEIVE_OF_WRITE)
            | flag(completion.is_atomic(), ATOMIC)
            | flag(completion.is_atomic_write(), ATOMIC_WRITE)
            | flag(completion.is_remote_flush(), REMOTE_FLUSH),
        immediate: immediate.unwrap_or(0),
    }
}
