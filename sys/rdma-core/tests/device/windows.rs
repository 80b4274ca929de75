//! Memory windows: bound, used by the peer, invalidated, bound again.

use super::rig::{self, End, Pair, Particular};
use qpair_rdma_core::{Access, Bind, Mw, Opcode, Operation, Payload, Remote, Status, next_rkey};

/// Binds `window` to a part of the memory of `end`, under the key after `replaces`; that key.
pub fn bind(end: &End, window: &Mw, replaces: u32, at: u64, length: u64) -> u32 {
    let rkey = next_rkey(replaces);
    let region = end.memory.region();
    let access = Access::REMOTE_READ | Access::REMOTE_WRITE;
    let address = region.address() + at;
    let bind = Bind { window, replaces, rkey, region, address, length, access };
    let done = end.run(Operation::Bind(bind), Payload::Elements(&[]));
    assert_eq!(done.opcode, Some(Opcode::Bind));
    rkey
}

#[test]
fn a_window_opens_its_part_and_closes_it_again() {
    let context = rig::device();
    for extended in [true, false] {
        let Pair { active, passive, .. } = &Pair::new(&context, extended);
        let window = passive.pd.create_mw().unwrap();
        let mut rkey = window.first_rkey();
        for round in 0..3_u8 {
            rkey = bind(passive, &window, rkey, 512, 64);
            let remote = Remote { rkey, ..passive.memory.remote(512) };
            active.run(Operation::Write(remote), Payload::Inline(&[round + 1]));
            assert_eq!(passive.memory.read(512, 1), [round + 1]);
            let done = passive.run(Operation::LocalInvalidate(rkey), Payload::Elements(&[]));
            assert_eq!(done.opcode, Some(Opcode::LocalInvalidate));
        }
        active.post(
            1,
            Operation::Write(Remote { rkey, ..passive.memory.remote(512) }),
            Payload::Inline(b"late"),
        );
        assert_eq!(active.take(1)[0].status, Status::RemoteAccessError);
        window.close().unwrap();
    }
}

// Where a window ends is not tested: soft-RoCE (6.12) looks at the bounds of its region alone.

#[test]
fn a_window_gives_no_more_rights_than_it_was_bound_with() {
    let context = rig::device();
    let Pair { active, passive, .. } = &Pair::new(&context, true);
    let window = passive.pd.create_mw().unwrap();
    let (region, replaces) = (passive.memory.region(), window.first_rkey());
    let (rkey, address) = (next_rkey(replaces), region.address());
    let bind =
        Bind { window: &window, replaces, rkey, region, address, length: 64, access: Access::REMOTE_READ };
    passive.run(Operation::Bind(bind), Payload::Elements(&[]));
    let remote = Remote { address, rkey };
    active.run(Operation::Read(remote), Payload::Elements(&[active.memory.sge(0, 8)]));
    active.post(1, Operation::Write(remote), Payload::Inline(b"x"));
    assert_eq!(active.take(1)[0].status, Status::RemoteAccessError);
    assert_eq!(passive.memory.read(0, 1), [0]);
}

#[test]
fn a_region_stays_while_a_window_is_bound_to_it() {
    let context = rig::device();
    let Pair { active, passive, .. } = Pair::new(&context, true);
    let window = passive.pd.create_mw().unwrap();
    bind(&passive, &window, window.first_rkey(), 0, 64);
    let End { memory, qp, .. } = passive;
    let (region, bytes) = memory.into_region();
    let refused = region.close().unwrap_err();
    assert_eq!(refused.error.errno(), Some(22), "{refused}");
    window.close().unwrap();
    refused.object.close().unwrap();
    drop((bytes, qp, active));
}

/// A program's regions end by their deregistration alone: no request invalidates one, whoever posts it.
#[test]
fn a_region_is_invalidated_by_nobody() {
    let context = rig::device();
    for remote in [false, true] {
        let Pair { active, passive, .. } = &Pair::new(&context, true);
        let region = passive.memory.region();
        passive.qp.post_receive(7, &[]).unwrap();
        let ended = if remote {
            active.post(1, Operation::SendInvalidate(region.rkey()), Payload::Elements(&[]));
            println!("the sender: {:?}", active.take(1)); // soft-RoCE (6.12) acknowledges it all the same
            passive.take(1)
        } else {
            passive.post(1, Operation::LocalInvalidate(region.lkey()), Payload::Elements(&[]));
            passive.take(2)
        };
        ended.iter().for_each(|ended| assert_ne!(ended.status, Status::Success, "{ended:?}"));
        println!("remote: {remote}: {ended:?}");
        // Another connection of the domain finds it as it was.
        let pd = Some(passive.pd.clone());
        let other = End::with(&context, &Particular { pd, ..Particular::default() });
        let other = Pair::of(&context, End::new(&context, true), other);
        other.active.run(Operation::Write(passive.memory.remote(0)), Payload::Inline(b"as it was"));
        assert_eq!(passive.memory.read(0, 9), b"as it was");
    }
}
