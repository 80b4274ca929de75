//! Asynchronous events, read without the Rust enum of rdma-sys.

use std::os::fd::AsFd;

use super::rig::{self, End, Pair, Particular};
use qpair_rdma_core::{
    AsyncEvent, AsyncEventKind, Context, Operation, Payload, Source, SrqDescription, wait_readable,
};

/// Waits for the next asynchronous event.
#[track_caller]
pub fn next(context: &Context) -> AsyncEvent {
    assert!(wait_readable(&[context.as_fd()], Some(rig::PATIENCE)).unwrap()[0], "no event came");
    context.next_async_event().unwrap().expect("the descriptor is readable")
}

#[test]
fn a_queue_pair_in_error_says_that_it_takes_no_more_from_its_shared_queue() {
    let context = rig::device();
    let pd = context.create_pd().unwrap();
    let srq = pd.create_srq(&SrqDescription { requests: 8, sge: 1, key: 1 }).unwrap();
    let particular = Particular { srq: Some(&srq), key: 0xfeed, ..Particular::default() };
    let passive = End::with(&context, &particular);
    let pair = Pair::of(&context, End::new(&context, true), passive);
    assert_eq!(context.next_async_event().unwrap(), None);
    rig::to_error(&pair.passive.qp);
    let event = next(&context);
    assert_eq!(event, AsyncEvent { kind: AsyncEventKind::LastRequestReached, source: Source::Qp(0xfeed) });
    // Acknowledged by now: nothing waits.
    drop(pair);
    srq.close().unwrap();
}

#[test]
fn an_overrun_completion_queue_is_told_by_its_key() {
    let context = rig::device();
    let small = context.create_cq(1, None, 0xc0).unwrap();
    let particular = Particular { receive_cq: Some(&small), ..Particular::default() };
    let passive = End::with(&context, &particular);
    let room = small.entries() as usize;
    let pair = Pair::of(&context, End::new(&context, true), passive);
    for id in 0..=room as u64 {
        pair.passive.qp.post_receive(id, &[]).unwrap();
        pair.active.post(id, Operation::Send, Payload::Elements(&[]));
        pair.active.take(1);
    }
    assert_eq!(next(&context), AsyncEvent { kind: AsyncEventKind::CqError, source: Source::Cq(0xc0) });
}
