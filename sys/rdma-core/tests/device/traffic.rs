//! Every operation between two queue pairs, through `ibv_wr_*` and through `ibv_post_send`.

use super::rig::{self, End, Pair};
use qpair_rdma_core::{
    Error, Flags, Opcode, Operation, Operations, Payload, Placement, QpAttributes, QpState, Remote,
    SendRequest, Status, built_with_atomic_write, built_with_flush,
};

/// Runs a test both ways of posting.
fn both(test: impl Fn(&Pair)) {
    let context = rig::device();
    for extended in [true, false] {
        let pair = Pair::new(&context, extended);
        assert_eq!(pair.active.qp.is_extended(), extended);
        test(&pair);
    }
}

/// Gathers `parts` from the memory of `end`, one after another from byte 0 on.
fn filled(end: &End, parts: &[&[u8]]) -> Vec<qpair_rdma_core::Sge> {
    let mut at = 0;
    let mut elements = Vec::new();
    for part in parts {
        end.memory.write(at, part);
        elements.push(end.memory.sge(at, part.len() as u32));
        at += part.len();
    }
    elements
}

#[test]
fn sends_of_all_kinds_arrive_with_what_they_carry() {
    both(|Pair { active, passive, .. }| {
        let window = passive.pd.create_mw().unwrap();
        let bound = rig_bind(passive, &window);
        let kinds = [
            (Operation::Send, None, None),
            (Operation::SendImmediate(0x0102_0304), Some(0x0102_0304), None),
            (Operation::SendInvalidate(bound), None, Some(bound)),
        ];
        for (operation, immediate, invalidated) in kinds {
            passive.qp.post_receive(9, &[passive.memory.sge(100, 4), passive.memory.sge(200, 60)]).unwrap();
            let sent = active.run(operation, Payload::Elements(&filled(active, &[b"hel", b"lo"])));
            assert_eq!(sent.opcode, Some(Opcode::Send));
            let got = passive.take_one();
            assert_eq!((got.id, got.opcode, got.bytes), (9, Some(Opcode::Receive), 5));
            assert_eq!(got.immediate, immediate);
            assert_eq!(got.invalidated, invalidated);
            assert_eq!(got.qp_number, passive.qp.number());
            assert_eq!([passive.memory.read(100, 4), passive.memory.read(200, 1)].concat(), b"hello");
        }
        // Invalidated above: the peer's key is dead.
        active.post(
            3,
            Operation::Write(Remote { rkey: bound, ..passive.memory.remote(0) }),
            Payload::Inline(b"x"),
        );
        assert_eq!(active.take(1)[0].status, Status::RemoteAccessError);
    });
}

/// Binds `window` to the whole memory of `end`; the key.
fn rig_bind(end: &End, window: &qpair_rdma_core::Mw) -> u32 {
    super::windows::bind(end, window, window.first_rkey(), 0, 4096)
}

#[test]
fn writes_and_reads_move_bytes_of_the_peers_memory() {
    both(|Pair { active, passive, .. }| {
        let write = active.run(Operation::Write(passive.memory.remote(1000)), Payload::Inline(b"inline"));
        assert_eq!(write.opcode, Some(Opcode::Write));
        assert_eq!(passive.memory.read(1000, 6), b"inline");
        passive.qp.post_receive(4, &[]).unwrap();
        let operation = Operation::WriteImmediate(passive.memory.remote(1006), 99);
        active.run(operation, Payload::Elements(&filled(active, &[b" and", b" not"])));
        let got = passive.take_one();
        assert_eq!(
            (got.opcode, got.immediate, got.bytes),
            (Some(Opcode::ReceiveWriteImmediate), Some(99), 8)
        );
        let read = active.run(
            Operation::Read(passive.memory.remote(1000)),
            Payload::Elements(&[active.memory.sge(2000, 6), active.memory.sge(3000, 8)]),
        );
        assert_eq!(read.opcode, Some(Opcode::Read));
        assert_eq!([active.memory.read(2000, 6), active.memory.read(3000, 8)].concat(), b"inline and not");
    });
}

#[test]
fn atomics_answer_with_what_was_there() {
    both(|Pair { active, passive, .. }| {
        passive.memory.write(8, &40_u64.to_ne_bytes());
        let result = [active.memory.sge(16, 8)];
        let number = |end: &End, at| u64::from_ne_bytes(end.memory.read(at, 8).try_into().unwrap());
        let remote = passive.memory.remote(8);
        let added = active.run(Operation::FetchAdd { remote, add: 2 }, Payload::Elements(&result));
        assert_eq!((added.opcode, number(active, 16), number(passive, 8)), (Some(Opcode::FetchAdd), 40, 42));
        let swap = Operation::CompareSwap { remote, compare: 42, swap: 7 };
        let swapped = active.run(swap, Payload::Elements(&result));
        assert_eq!(
            (swapped.opcode, number(active, 16), number(passive, 8)),
            (Some(Opcode::CompareSwap), 42, 7)
        );
        active.run(swap, Payload::Elements(&result));
        assert_eq!((number(active, 16), number(passive, 8)), (7, 7), "not equal, not swapped");
    });
}

#[test]
fn a_batch_is_posted_in_order_with_only_what_is_signalled_completing() {
    both(|Pair { active, passive, .. }| {
        let request = |id, byte: &'static [u8], flags| SendRequest {
            id,
            operation: Operation::Write(passive.memory.remote(0)),
            payload: Payload::Inline(byte),
            flags,
        };
        let result = active.qp.post(|batch| {
            batch.push(&request(1, b"a", Flags::NONE))?;
            batch.push(&request(2, b"b", Flags::SIGNALED))?;
            batch.push(&request(3, b"c", Flags::FENCE))?;
            batch.push(&request(4, b"d", Flags::SIGNALED | Flags::FENCE))
        });
        result.unwrap();
        let ids: Vec<u64> = active.take(2).iter().map(|done| done.id).collect();
        assert_eq!(ids, [2, 4]);
        assert_eq!(passive.memory.read(0, 1), b"d");
    });
}

#[test]
fn a_batch_that_fails_posts_nothing_where_it_can_be_held_back() {
    both(|Pair { active, passive, .. }| {
        let write = |byte: &'static [u8]| SendRequest {
            id: 1,
            operation: Operation::Write(passive.memory.remote(0)),
            payload: Payload::Inline(byte),
            flags: Flags::SIGNALED,
        };
        let long = vec![0_u8; active.qp.inline_bytes() as usize + 1];
        let failed = active.qp.post(|batch| {
            batch.push(&write(b"a"))?;
            batch.push(&SendRequest { payload: Payload::Inline(&long), ..write(b"") })
        });
        let failed = failed.unwrap_err();
        assert!(matches!(failed.error, Error::TooLarge { .. }), "{failed}");
        assert_eq!(failed.posted, usize::from(!active.qp.is_extended()));
        active.take(failed.posted);
        let first = if active.qp.is_extended() { [0] } else { *b"a" };
        assert_eq!(passive.memory.read(0, 1), first);
        active.run(write(b"b").operation, Payload::Inline(b"b"));
        assert_eq!(passive.memory.read(0, 1), b"b", "the queue pair goes on");
    });
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    both(|Pair { active, passive, .. }| {
        let room = active.qp.query().unwrap().requests.0 as usize;
        let operation = Operation::Write(passive.memory.remote(0));
        let request =
            SendRequest { id: 0, operation, payload: Payload::Inline(b"x"), flags: Flags::SIGNALED };
        // Twice as many as fit, in one go, so that none can have been taken off meanwhile where it is held
        // back.
        let failed = active.qp.post(|batch| (0..2 * room).try_for_each(|_| batch.push(&request)));
        match (active.qp.is_extended(), failed) {
            (true, failed) => assert_eq!(failed.unwrap_err().posted, 0),
            (false, Err(failed)) => assert_eq!(active.take(failed.posted).len(), failed.posted),
            (false, Ok(())) => drop(active.take(2 * room)),
        }
        active.run(operation, Payload::Inline(b"y"));
        assert_eq!(passive.memory.read(0, 1), b"y");
    });
}

#[test]
fn what_does_not_suit_an_operation_is_refused_before_the_device_sees_it() {
    both(|Pair { active, passive, .. }| {
        let many = [active.memory.sge(0, 1); 1000];
        let post = |operation, payload| {
            active.qp.post_send(&SendRequest { id: 0, operation, payload, flags: Flags::NONE }).unwrap_err()
        };
        assert!(matches!(
            post(Operation::Send, Payload::Elements(&many)),
            Error::TooLarge { given: 1000, .. }
        ));
        let read = Operation::Read(passive.memory.remote(0));
        assert!(matches!(post(read, Payload::Inline(b"x")), Error::Unfit { .. }));
        let invalidate = Operation::LocalInvalidate(1);
        assert!(matches!(post(invalidate, Payload::Elements(&many[..1])), Error::Unfit { .. }));
        let refused = active.qp.post_receive(0, &many).unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    });
}

#[test]
fn flush_and_atomic_write_work_or_are_not_supported_by_name() {
    both(|Pair { active, passive, .. }| {
        let atomic = Operation::AtomicWrite(passive.memory.remote(8), 77_u64.to_ne_bytes());
        let remote = passive.memory.remote(0);
        let placement = Placement::GLOBAL;
        let flush = Operation::Flush { remote, length: 8, placement, whole_region: false };
        let cases = [
            (atomic, Operations::ATOMIC_WRITE, built_with_atomic_write(), Opcode::AtomicWrite),
            (flush, Operations::FLUSH, built_with_flush(), Opcode::Flush),
        ];
        for (operation, bit, built, opcode) in cases {
            let has = active.qp.operations().contains(bit);
            println!("{opcode:?}: in the header: {built}, in the queue pair: {has}");
            assert!(built || !has, "the queue pair cannot have what was not compiled in");
            if has {
                assert_eq!(active.run(operation, Payload::Elements(&[])).opcode, Some(opcode));
            } else {
                let request =
                    SendRequest { id: 0, operation, payload: Payload::Elements(&[]), flags: Flags::SIGNALED };
                let error = active.qp.post_send(&request).unwrap_err();
                assert!(matches!(error, Error::NotSupported { .. }), "{error}");
            }
        }
        if active.qp.operations().contains(Operations::ATOMIC_WRITE) {
            assert_eq!(passive.memory.read(8, 8), 77_u64.to_ne_bytes());
        }
    });
}

#[test]
fn the_error_state_flushes_what_is_posted() {
    both(|Pair { active, .. }| {
        active.qp.post_receive(1, &[]).unwrap();
        active.qp.post_receive(2, &[]).unwrap();
        assert_eq!(active.qp.query().unwrap().state, QpState::ReadyToSend);
        rig::to_error(&active.qp);
        assert_eq!(active.qp.query().unwrap().state, QpState::Error);
        let flushed = active.take(2);
        assert!(flushed.iter().all(|done| done.status == Status::Flushed && done.opcode.is_none()));
        assert_eq!(flushed.iter().map(|done| done.id).collect::<Vec<_>>(), [1, 2]);
    });
}

#[test]
fn a_flushed_queue_pair_comes_back_and_can_be_connected() {
    let context = rig::device();
    let end = End::new(&context, true);
    end.qp.modify(&QpAttributes::init(1, rig::rights(&end.qp))).unwrap();
    (1..=2).for_each(|id| end.qp.post_receive(id, &[]).unwrap());
    rig::to_error(&end.qp);
    assert!(end.take(2).iter().all(|done| done.status == Status::Flushed));
    end.qp.modify(&QpAttributes::to(QpState::Reset)).unwrap();
    end.qp.modify(&QpAttributes::init(1, rig::rights(&end.qp))).unwrap();
    end.qp.post_receive(3, &[]).unwrap();
    // From init to init, as the connection manager's attributes are set on top.
    let Pair { active, passive, .. } = &Pair::of(&context, End::new(&context, true), end);
    active.run(Operation::SendImmediate(5), Payload::Elements(&[]));
    let got = passive.take_one();
    assert_eq!((got.id, got.immediate), (3, Some(5)));
}
