//! The tables called from Rust, as C would: what Miri can look at.
//!
//! Values that only C makes are made here by transmutation, which is what a call from C amounts to.

use crate::abi::{Face, Mdl, NdkResult, NdkResultEx, NtStatus};
use crate::adapter::AdapterDispatch;
use crate::border::{CloseCompletion, Context, CqNotification, CreateCompletion, Out, RequestCompletion};
use crate::cq::CqDispatch;
use crate::mr::{MrDispatch, Region};
use crate::object::{AnyHandle, Handle};
use crate::pd::PdDispatch;
use crate::qp::QpDispatch;
use crate::{NdkCloseAdapter, NdkOpenAdapter};
use qpair::ndk::{Adapter, Cq, MrFlags, Pd, Qp, Status};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{from_mut, null_mut};

type Pointer = *mut c_void;

/// A value of a type of the border, as C passes it.
fn c<T, V>(value: V) -> T {
    assert_eq!(size_of::<T>(), size_of::<V>());
    let value = std::mem::ManuallyDrop::new(value);
    // SAFETY: `T` is a transparent wrapper around a pointer or function pointer of the form of `V`, which the
    // tests below give as the header asks.
    unsafe { std::mem::transmute_copy(&*value) }
}

/// The table of an object, as C reads it.
fn table<D>(object: Pointer) -> &'static D {
    // SAFETY: every object begins with its face, and tables are static.
    unsafe { &*(*object.cast::<Face<D>>()).dispatch }
}

unsafe extern "C" fn never_created(_: Pointer, _: NtStatus, _: Pointer) {
    unreachable!("creations are done at once on an adapter without faults");
}

unsafe extern "C" fn never_done(_: Pointer, _: NtStatus) {
    unreachable!("registrations are done at once on an adapter without faults");
}

/// Counts the calls in its context.
unsafe extern "C" fn closed(count: Pointer) {
    // SAFETY: the tests give a cell of theirs that outlives the adapter, and look at it when that is closed.
    // No two closes of a test end at the same time.
    let count = unsafe { &*count.cast::<Cell<u32>>() };
    count.set(count.get() + 1);
}

/// What a notification closes.
struct Notified {
    cq: Cell<Pointer>,
    closed: Cell<u32>,
}

/// Closes its own queue.
unsafe extern "C" fn close_own(notified: Pointer, status: NtStatus) {
    assert_eq!(status, NtStatus::SUCCESS);
    // SAFETY: the test gives a value of its own that outlives the adapter.
    let notified = unsafe { &*notified.cast::<Notified>() };
    let close = table::<CqDispatch>(notified.cq.get()).close;
    let count = counter(&notified.closed);
    assert_eq!(
        close(c(notified.cq.get()), c(closed as unsafe extern "C" fn(Pointer)), c(count)),
        NtStatus::PENDING
    );
}

fn counter(count: &Cell<u32>) -> Pointer {
    std::ptr::from_ref(count).cast_mut().cast()
}

unsafe extern "C" fn ignore(_: Pointer, _: NtStatus) {}

fn open(name: &'static std::ffi::CStr) -> Pointer {
    let mut adapter = null_mut();
    let out: Out<Pointer> = c(&raw mut adapter);
    let version = crate::abi::Version { major: 2, minor: 1 };
    assert_eq!(NdkOpenAdapter(c(name.as_ptr()), version, out), NtStatus::SUCCESS);
    adapter
}

fn created() -> (CreateCompletion, Context) {
    (c(never_created as unsafe extern "C" fn(Pointer, NtStatus, Pointer)), c(null_mut::<c_void>()))
}

fn make(call: impl FnOnce(CreateCompletion, Context, Out<Pointer>) -> NtStatus) -> Pointer {
    let (mut made, (completion, context)): (Pointer, _) = (null_mut(), created());
    assert_eq!(call(completion, context, c(&raw mut made)), NtStatus::SUCCESS);
    assert!(!made.is_null());
    made
}

type Notification = unsafe extern "C" fn(Pointer, NtStatus);

fn make_cq(adapter: Pointer, notification: Notification, context: Pointer) -> Pointer {
    let tables = table::<AdapterDispatch>(adapter);
    make(|completion, own, out| {
        let notification: CqNotification = c(notification);
        let handle: Handle<Adapter> = c(adapter);
        (tables.create_cq)(handle, 8, notification, c(context), c(null_mut::<c_void>()), completion, own, out)
    })
}

fn make_pd(adapter: Pointer) -> Pointer {
    make(|completion, own, out| {
        (table::<AdapterDispatch>(adapter).create_pd)(c(adapter), completion, own, out)
    })
}

fn make_qp(pd: Pointer, cq: Pointer, context: Pointer) -> Pointer {
    make(|completion, own, out| {
        let (handle, receive, initiate): (Handle<Pd>, Handle<Cq>, Handle<Cq>) = (c(pd), c(cq), c(cq));
        let create = table::<PdDispatch>(pd).create_qp;
        create(handle, receive, initiate, c(context), 4, 4, 1, 1, 16, completion, own, out)
    })
}

fn receive(qp: Pointer, context: Pointer) -> NtStatus {
    let handle: Handle<Qp> = c(qp);
    (table::<QpDispatch>(qp).receive)(handle, c(context), c(null_mut::<c_void>()), 0)
}

/// Closes by the table whose first entry is the close, as in all but the adapter's.
fn close(object: Pointer, count: &Cell<u32>) -> NtStatus {
    type Close = extern "C" fn(AnyHandle, CloseCompletion, Context) -> NtStatus;
    let close = *table::<Close>(object);
    close(c(object), c(closed as unsafe extern "C" fn(Pointer)), c(counter(count)))
}

#[test]
fn posted_flushed_polled_and_closed() {
    let adapter = open(c"local/rust-border");
    let pd = make_pd(adapter);
    let cq = make_cq(adapter, ignore, null_mut());
    let (mut qp_word, mut request_word) = (0_u32, 0_u32);
    let (qp_context, request): (Pointer, Pointer) =
        (from_mut(&mut qp_word).cast(), from_mut(&mut request_word).cast());
    let qp = make_qp(pd, cq, qp_context);
    assert_eq!(receive(qp, request), NtStatus::SUCCESS);
    (table::<QpDispatch>(qp).flush)(c(qp));
    let mut results = [null_result(); 2];
    let polled = (table::<CqDispatch>(cq).get_results_ex)(c(cq), c(results.as_mut_ptr()), 2);
    assert_eq!((polled, results[0].result.status), (1, NtStatus::from(Status::CANCELLED)));
    assert_eq!((results[0].result.qp_context, results[0].result.request_context), (qp_context, request));

    // Antecedents first: both wait for the queue pair.
    let count = Cell::new(0);
    assert_eq!(close(cq, &count), NtStatus::PENDING);
    assert_eq!(close(pd, &count), NtStatus::PENDING);
    let last = close(qp, &count);
    assert!(last == NtStatus::SUCCESS || last == NtStatus::PENDING);
    for object in [cq, pd, qp] {
        assert_eq!(close(object, &count), NtStatus::from(Status::INVALID_HANDLE));
    }
    assert_eq!(receive(qp, request), NtStatus::from(Status::INVALID_HANDLE));
    NdkCloseAdapter(adapter);
    assert_eq!(count.get(), if last == NtStatus::SUCCESS { 2 } else { 3 });
    NdkCloseAdapter(adapter);
}

#[test]
fn a_region_and_inline_bytes() {
    let adapter = open(c"local/rust-region");
    let pd = make_pd(adapter);
    let mr = make(|completion, own, out| (table::<PdDispatch>(pd).create_mr)(c(pd), 0, completion, own, out));
    let mut memory = [1_u8; 32];
    let base = memory.as_mut_ptr();
    // SAFETY: within the array.
    let second = unsafe { base.add(16) };
    let mut tail = Mdl { next: null_mut(), start_va: second, byte_count: 16 };
    let mut head = Mdl { next: &raw mut tail, start_va: base, byte_count: 16 };
    let tables = table::<MrDispatch>(mr);
    let done: RequestCompletion = c(never_done as Notification);
    let (handle, none): (Handle<Region>, Context) = (c(mr), c(null_mut::<c_void>()));
    let flags = MrFlags::ALLOW_LOCAL_WRITE.0;
    assert_eq!((tables.register)(handle, c(&raw mut head), 32, flags, done, none), NtStatus::SUCCESS);
    assert_ne!((tables.get_local_token)(c(mr)), 0);
    let cq = make_cq(adapter, ignore, null_mut());
    let qp = make_qp(pd, cq, null_mut());
    let text = *b"inline";
    let entry = qpair::ndk::Sge {
        address: text.as_ptr().expose_provenance() as u64,
        length: 6,
        ..Default::default()
    };
    let inline = qpair::ndk::OpFlags::INLINE.0;
    let send = table::<QpDispatch>(qp).send;
    let refused = send(c(qp), c(null_mut::<c_void>()), c(&raw const entry), 1, inline);
    assert_eq!(refused, NtStatus::from(Status::CONNECTION_INVALID));
    let count = Cell::new(0);
    for object in [qp, mr, cq, pd] {
        close(object, &count);
    }
    NdkCloseAdapter(adapter);
}

#[test]
fn a_queue_closed_inside_its_own_notification() {
    let adapter = open(c"local/rust-own");
    let pd = make_pd(adapter);
    let notified = Notified { cq: Cell::new(null_mut()), closed: Cell::new(0) };
    let cq = make_cq(adapter, close_own, std::ptr::from_ref(&notified).cast_mut().cast());
    notified.cq.set(cq); // no notification has come yet
    let qp = make_qp(pd, cq, null_mut());
    assert_eq!(receive(qp, null_mut()), NtStatus::SUCCESS);
    (table::<CqDispatch>(cq).arm)(c(cq), qpair::ndk::NotifyType::Any as u32);
    (table::<QpDispatch>(qp).flush)(c(qp));
    let count = Cell::new(0);
    close(qp, &count);
    close(pd, &count);
    NdkCloseAdapter(adapter);
    assert_eq!(notified.closed.get(), 1);
}

fn null_result() -> NdkResultEx {
    let result = NdkResult {
        status: NtStatus::SUCCESS,
        bytes_transferred: 0,
        qp_context: null_mut(),
        request_context: null_mut(),
    };
    NdkResultEx { result, operation_type: 0, provider_error_code: 0, type_specific_completion_output: 0 }
}
