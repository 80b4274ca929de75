//! Faults that meet windows, fast registrations and logical addresses.

use crate::faults::{faulty, status};
use crate::world::{End, connect};
use qpair::ndk::{
    FastRegister, Faults, Fired, HoldCalls, Injection, Lam, Memory, ObjectType, OpFlags, OperationType,
    Request, Status, When,
};

/// Pends until it is released, then succeeds.
fn released<T>(faults: &Faults, request: Request<T>) -> T {
    let request = request.now().err().expect("it pends");
    assert_eq!(faults.release_all(), 1);
    request.now().expect("it has been released").unwrap()
}

/// Their calls pend like the others, and are counted like the others.
#[test]
fn calls_are_held_and_creations_fail() {
    let (adapter, faults, _clock) = faulty("fault_keys_held", 1);
    let end = End::new(&adapter);
    faults.fail_creation(ObjectType::Mw, 1, When::Inline);
    assert_eq!(status(end.pd.create_mw().wait()), Status::INSUFFICIENT_RESOURCES);
    faults.hold_calls(HoldCalls::UntilReleased);
    let window = released(&faults, end.pd.create_mw());
    let region = released(&faults, end.pd.create_fast_register_mr());
    released(&faults, region.initialize(16, true));
    let lam = released(&faults, adapter.build_lam(Memory::zeroed(Lam::PAGE_SIZE).unwrap()));
    assert_eq!(released(&faults, lam.release()).len(), Lam::PAGE_SIZE);
    released(&faults, window.close());
    released(&faults, region.close());
    faults.hold_calls(HoldCalls::No);
    faults.remove_device();
    let removed = [
        status(end.pd.create_mw().wait()),
        status(end.pd.create_fast_register_mr().wait()),
        status(adapter.build_lam(Memory::zeroed(8).unwrap()).wait()),
    ];
    assert_eq!(removed, [Status::DEVICE_REMOVED; 3]);
}

/// A fast registration that fails by an injection leaves its place for another one.
#[test]
fn an_injected_failure_takes_no_place() {
    let (adapter, faults, _clock) = faulty("fault_keys_place", 1);
    let (a, b) = (End::new(&adapter), End::new(&adapter));
    let region = a.pd.create_fast_register_mr().wait().unwrap();
    region.initialize(1, true).wait().unwrap();
    let lam = adapter.build_lam(Memory::zeroed(Lam::PAGE_SIZE).unwrap()).wait().unwrap();
    let whole = FastRegister {
        pages: lam.pages(),
        first_byte_offset: 0,
        length: Lam::PAGE_SIZE as u64,
        base_virtual_address: 0,
    };
    for context in 0..8 {
        let of_a = a.pd.create_qp(qpair::ndk::QpDescription::new(&a.cq)).wait().unwrap();
        let of_b = b.pd.create_qp(qpair::ndk::QpDescription::new(&b.cq)).wait().unwrap();
        let _connection = connect(&adapter, &of_a, &of_b);
        let meant = Injection::new(Status::INSUFFICIENT_RESOURCES);
        assert_eq!(faults.inject(meant).unwrap_err().argument(), Some("status"));
        let meant = Injection::new(Status::INTERNAL_ERROR).operation(OperationType::FastRegister);
        faults.inject(meant).unwrap();
        of_a.fast_register(context, &region, whole, OpFlags::ALLOW_REMOTE_READ).unwrap();
        assert_eq!(a.ends(1), [(context, Status::INTERNAL_ERROR)]);
        let fired = faults.fired().pop().unwrap().fault;
        let (qp, operation) = (of_a.number(), OperationType::FastRegister);
        let status = Status::INTERNAL_ERROR;
        assert_eq!(fired, Fired::StatusInjected { qp, operation, request_context: context, status });
    }
}
