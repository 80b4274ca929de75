//! Shared receive queues, arming, and completion queues that change their size.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::rig::{self, End, Pair, Particular};
use qpair_rdma_core::{
    Access, AsyncEventKind, Completion, Error, Flags, Opcode, Operation, Payload, SendRequest, Source,
    SrqDescription, wait_readable,
};

#[test]
fn two_queue_pairs_receive_from_one_queue_and_its_limit_is_told() {
    let context = rig::device();
    let pd = Arc::new(context.create_pd().unwrap());
    let srq = pd.create_srq(&SrqDescription { requests: 8, sge: 1, key: 4711 }).unwrap();
    // One domain for all: soft-RoCE looks up the keys of a shared queue in the queue pair's.
    let particular = Particular { pd: Some(pd.clone()), srq: Some(&srq), ..Particular::default() };
    let with_srq = || End::with(&context, &particular);
    let pairs = [(); 2].map(|()| Pair::of(&context, End::new(&context, true), with_srq()));
    let memory = rig::Memory::new(&pd, 64, Access::LOCAL_WRITE);
    for id in 0..4 {
        srq.post(id, &[memory.sge(id as usize * 8, 8)]).unwrap();
    }
    let refused = pairs[0].passive.qp.post_receive(0, &[]).unwrap_err();
    assert!(matches!(refused, Error::Unfit { .. }), "{refused}");
    srq.set_limit(3).unwrap();
    assert_eq!(srq.query().unwrap().1, 3);
    for (index, pair) in [(0, &pairs[0]), (1, &pairs[1]), (2, &pairs[0])] {
        pair.active.run(Operation::Send, Payload::Inline(&[index + 1]));
        let got = pair.passive.take_one();
        assert_eq!((got.opcode, got.qp_number), (Some(Opcode::Receive), pair.passive.qp.number()));
        assert_eq!(memory.read(got.id as usize * 8, 1), [index + 1]);
    }
    let event = super::events::next(&context);
    assert_eq!((event.kind, event.source), (AsyncEventKind::SrqLimitReached, Source::Srq(4711)));
    srq.resize(32).unwrap();
    assert!(srq.query().unwrap().0 >= 32);
    let srq = srq.close().unwrap_err().object;
    drop(pairs);
    srq.close().unwrap();
}

#[test]
fn a_solicited_arm_waits_for_a_solicited_message() {
    let context = rig::device();
    let Pair { active, passive, .. } = &Pair::new(&context, true);
    let send = |flags| {
        passive.qp.post_receive(1, &[]).unwrap();
        let (operation, payload) = (Operation::Send, Payload::Elements(&[]));
        active
            .qp
            .post_send(&SendRequest { id: 1, operation, payload, flags: flags | Flags::SIGNALED })
            .unwrap();
        active.take_one();
    };
    passive.cq.arm(true).unwrap();
    send(Flags::NONE);
    // The send completes after its acknowledgement, which comes after the receive's completion.
    assert_eq!(passive.channel.next_event().unwrap(), None);
    send(Flags::SOLICITED);
    assert!(wait_readable(&[passive.channel.as_fd()], Some(rig::PATIENCE)).unwrap()[0]);
    assert_eq!(passive.channel.next_event().unwrap(), Some(5));
    let mut room = [Completion::EMPTY; 4];
    assert_eq!(passive.cq.poll(&mut room).unwrap(), 2);
    assert_eq!(wait_readable(&[passive.channel.as_fd()], Some(Duration::ZERO)).unwrap(), [false]);
}

#[test]
fn a_completion_queue_grows_with_what_is_in_it() {
    let context = rig::device();
    let Pair { active, passive, .. } = &Pair::new(&context, true);
    for id in 0..3 {
        passive.qp.post_receive(id, &[]).unwrap();
        active.run(Operation::Send, Payload::Elements(&[]));
    }
    let before = passive.cq.entries();
    passive.cq.resize(before * 2).unwrap();
    assert!(passive.cq.entries() >= before * 2);
    assert_eq!(passive.take(3).iter().map(|done| done.id).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn events_are_moderated_or_that_is_not_supported() {
    let context = rig::device();
    let cq = context.create_cq(4, None, 0).unwrap();
    match cq.moderate(8, 100) {
        Ok(()) => cq.moderate(0, 0).unwrap(),
        Err(error) => assert!(error.is_not_supported(), "{error}"),
    }
}
