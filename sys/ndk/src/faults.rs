//! Faults on purpose, for C programs that test their error paths (`qpair_ndk_ext.h`).
//!
//! An adapter that was opened for it has one more table; its functions are those of `qpair::ndk::Faults`.

use crate::abi::NtStatus;
use crate::border::{Call, Refused, Wrong, given, told};
use crate::extension::Table;
use crate::object::{Entered, Handle};
use qpair::ndk::{
    Adapter, Faults, HoldCalls, Injection, ObjectType, OperationType, Qp, Status, When, WorkQueue,
};
use std::time::Duration;

/// The table of adapters that were opened with faults.
pub(crate) const ADAPTER: Table = Table::of(&TABLE);

/// `QPAIR_ADAPTER_EXTENSION`.
#[repr(C)]
pub(crate) struct AdapterExtension {
    pub(crate) hold_calls: extern "C" fn(Handle<Adapter>, u32, u64) -> NtStatus,
    pub(crate) release_one: extern "C" fn(Handle<Adapter>) -> u8,
    pub(crate) release_all: extern "C" fn(Handle<Adapter>) -> u32,
    pub(crate) delay_completions: extern "C" fn(Handle<Adapter>, u64),
    pub(crate) cut_passes: extern "C" fn(Handle<Adapter>, u8),
    pub(crate) fail_creation: extern "C" fn(Handle<Adapter>, u32, u64, u8) -> NtStatus,
    pub(crate) inject: extern "C" fn(Handle<Adapter>, NtStatus, u64, Handle<Qp>, u32, u32) -> NtStatus,
    pub(crate) disconnect_reason: extern "C" fn(Handle<Adapter>, u32),
    pub(crate) remove_device: extern "C" fn(Handle<Adapter>),
    pub(crate) fired_count: extern "C" fn(Handle<Adapter>) -> u64,
}

static TABLE: AdapterExtension = AdapterExtension {
    hold_calls,
    release_one,
    release_all,
    delay_completions,
    cut_passes,
    fail_creation,
    inject,
    disconnect_reason,
    remove_device,
    fired_count,
};

/// Gives the faults of the adapter to `order`.
fn with<R>(
    call: Call,
    adapter: &Handle<Adapter>,
    order: impl FnOnce(&Faults) -> Result<R, Refused>,
) -> Result<R, Refused> {
    let adapter: Entered<'_, Adapter> = adapter.enter(call.argument(1, "pNdkAdapter"))?;
    let Some(faults) = adapter.shared().faults.as_ref() else {
        let hint = "open the adapter with NdkOpenAdapterWithFaults";
        return Err(Refused::Call(call, Status::NOT_SUPPORTED, hint));
    };
    order(faults)
}

/// The same for a call that has no status: what is refused gives `R::default()`.
fn or_nothing<R: Default>(call: Call, adapter: &Handle<Adapter>, order: impl FnOnce(&Faults) -> R) -> R {
    given(with(call, adapter, |faults| Ok(order(faults))))
}

extern "C" fn hold_calls(adapter: Handle<Adapter>, hold: u32, nanoseconds: u64) -> NtStatus {
    const CALL: Call = Call("HoldCalls");
    let time = Duration::from_nanos(nanoseconds);
    told(with(CALL, &adapter, |faults| {
        faults.hold_calls(match hold {
            0 => HoldCalls::No,
            1 => HoldCalls::For(time),
            2 => HoldCalls::Shuffled(time),
            3 => HoldCalls::UntilReleased,
            _ => {
                return Err(CALL
                    .argument(2, "Hold")
                    .is(Wrong::Other("unknown; give one of the QPAIR_HOLD_ constants")));
            }
        });
        Ok(NtStatus::SUCCESS)
    }))
}

extern "C" fn release_one(adapter: Handle<Adapter>) -> u8 {
    or_nothing(Call("ReleaseOne"), &adapter, |faults| u8::from(faults.release_one()))
}

extern "C" fn release_all(adapter: Handle<Adapter>) -> u32 {
    or_nothing(Call("ReleaseAll"), &adapter, |faults| faults.release_all() as u32)
}

extern "C" fn delay_completions(adapter: Handle<Adapter>, nanoseconds: u64) {
    let delay = Duration::from_nanos(nanoseconds);
    or_nothing(Call("DelayCompletions"), &adapter, |faults| faults.delay_completions(delay));
}

extern "C" fn cut_passes(adapter: Handle<Adapter>, on: u8) {
    or_nothing(Call("CutPasses"), &adapter, |faults| faults.cut_passes(on != 0));
}

extern "C" fn fail_creation(adapter: Handle<Adapter>, object_type: u32, nth: u64, late: u8) -> NtStatus {
    const CALL: Call = Call("FailCreation");
    told(with(CALL, &adapter, |faults| {
        let kind = match object_type {
            0 => None,
            number => Some(TYPES.into_iter().find(|kind| *kind as u32 == number).ok_or_else(|| {
                CALL.argument(2, "Type").is(Wrong::Other(
                    "no type that is created; give a number of NDK_OBJECT_TYPE, or 0 for any",
                ))
            })?),
        };
        faults.fail_creation(kind, nth, if late == 0 { When::Inline } else { When::Late });
        Ok(NtStatus::SUCCESS)
    }))
}

/// What can be created.
const TYPES: [ObjectType; 9] = [
    ObjectType::Qp,
    ObjectType::Cq,
    ObjectType::Mr,
    ObjectType::Mw,
    ObjectType::Pd,
    ObjectType::SharedEndpoint,
    ObjectType::Connector,
    ObjectType::Listener,
    ObjectType::Srq,
];

extern "C" fn inject(
    adapter: Handle<Adapter>,
    status: NtStatus,
    nth: u64,
    qp: Handle<Qp>,
    queue: u32,
    operation: u32,
) -> NtStatus {
    const CALL: Call = Call("InjectStatus");
    told(with(CALL, &adapter, |faults| {
        let mut injection = Injection::new(Status(status.0 as u32)).nth(nth);
        let qp = qp.optional(CALL.argument(4, "pNdkQp"))?;
        if let Some(qp) = &qp {
            injection = injection.qp(qp);
        }
        injection = match queue {
            0 => injection,
            1 => injection.queue(WorkQueue::Initiator),
            2 => injection.queue(WorkQueue::Receive),
            _ => {
                return Err(CALL
                    .argument(5, "Queue")
                    .is(Wrong::Other("unknown; give one of the QPAIR_QUEUE_ constants")));
            }
        };
        if operation != 0 {
            let known = OPERATIONS.into_iter().find(|kind| *kind as u32 == operation);
            let known = known.ok_or_else(|| {
                CALL.argument(6, "Type").is(Wrong::Other(
                    "no type that is posted; give a number of NDK_OPERATION_TYPE, or 0 for any",
                ))
            })?;
            injection = injection.operation(known);
        }
        faults.inject(injection)?;
        Ok(NtStatus::SUCCESS)
    }))
}

/// What can be posted.
const OPERATIONS: [OperationType; 7] = [
    OperationType::Receive,
    OperationType::Send,
    OperationType::FastRegister,
    OperationType::Bind,
    OperationType::Invalidate,
    OperationType::Read,
    OperationType::Write,
];

extern "C" fn disconnect_reason(adapter: Handle<Adapter>, reason: u32) {
    or_nothing(Call("DisconnectReason"), &adapter, |faults| faults.disconnect_reason(reason));
}

extern "C" fn remove_device(adapter: Handle<Adapter>) {
    or_nothing(Call("RemoveDevice"), &adapter, Faults::remove_device);
}

extern "C" fn fired_count(adapter: Handle<Adapter>) -> u64 {
    or_nothing(Call("FiredCount"), &adapter, Faults::fired_count)
}
