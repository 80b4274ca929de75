//! Own memory that may not be used: what the device refuses is told, and nothing that it only cancels.

use super::rig::{Door, End, PATIENCE, Pair, alone};
use qpair::ndk::{Completion, CqNotify, Data, Memory, Mr, MrFlags, OpFlags, RemoteAddress, Sge, Status};
use std::thread;
use std::time::{Duration, Instant};

fn region(of: &End, flags: MrFlags) -> Mr {
    of.register(Memory::zeroed(4096).expect("a page"), flags).expect("a region")
}

fn deregistered(of: &End) -> Sge {
    let region = region(of, MrFlags::ALLOW_LOCAL_WRITE);
    let sge = region.sge(0..8).expect("within the page");
    region.deregister().wait().expect("a region goes");
    sge
}

/// So many completions of an end, in their order.
#[track_caller]
fn taken(end: &End, count: usize) -> Vec<Completion> {
    let (mut all, mut places) = (Vec::new(), [Completion::default(); 16]);
    let begun = Instant::now();
    while all.len() < count {
        assert!(begun.elapsed() < PATIENCE, "{} of {count} come: {all:?}", all.len());
        let count = end.cq.wait(&mut places, Some(PATIENCE)).expect("a wait");
        all.extend_from_slice(&places[..count]);
    }
    all
}

/// Their contexts and statuses, in the order of the contexts.
fn told(mut completions: Vec<Completion>) -> Vec<(u64, Status)> {
    completions.sort_by_key(|completion| completion.request_context);
    completions.iter().map(|completion| (completion.request_context, completion.status)).collect()
}

#[test]
fn a_request_that_the_device_refuses_for_its_memory_is_told() {
    let _alone = alone();
    let door = Door::open();
    for case in ["stale", "beyond", "another domain's", "second entry", "last entry"] {
        for writes in [false, true] {
            let pair = door.connect();
            let open = region(&pair.b, MrFlags::ALLOW_REMOTE_WRITE);
            let good = pair.a.sge();
            let bad = match case {
                "beyond" => Sge { length: 4097, ..good },
                "another domain's" => pair.b.sge(),
                _ => deregistered(&pair.a),
            };
            let list = match case {
                "second entry" => vec![good, bad],
                "last entry" => vec![good, good, good, bad],
                _ => vec![bad],
            };
            for end in [&pair.a, &pair.b] {
                (10..14).for_each(|context| end.qp.receive(context, &[end.sge()]).expect("a receive"));
            }
            let posted = if writes {
                pair.a.qp.write(1, Data::Sgl(&list), open.remote(0).expect("its start"), OpFlags::NONE)
            } else {
                pair.a.qp.send(1, Data::Sgl(&list), OpFlags::NONE)
            };
            posted.expect("a request");
            for context in 2..4 {
                pair.a.qp.send(context, Data::Sgl(&[good]), OpFlags::NONE).expect("a request");
            }
            let due: Vec<_> = [(1, Status::ACCESS_VIOLATION), (2, Status::CANCELLED), (3, Status::CANCELLED)]
                .into_iter()
                .chain((10..14).map(|context| (context, Status::CANCELLED)))
                .collect();
            assert_eq!(told(taken(&pair.a, due.len())), due, "{case}, writes: {writes}");
        }
    }
    door.close();
}

/// What was cancelled with it may be heard of first.
#[test]
fn it_is_told_though_a_receive_was_cancelled_before() {
    let _alone = alone();
    let door = Door::open();
    let queue = door.adapter.create_cq(16, CqNotify::Waiters).wait().expect("a completion queue");
    let pair = door.connect_ends(End::with(&door.adapter, None, Some(&queue)), End::new(&door.adapter));
    pair.a.qp.receive(1, &[pair.a.sge()]).expect("a receive");
    let stale = deregistered(&pair.a);
    for context in 2..4 {
        pair.a.qp.send(context, Data::Sgl(&[stale]), OpFlags::NONE).expect("a send");
    }
    let mut places = [Completion::default(); 2];
    assert_eq!(queue.wait(&mut places, Some(PATIENCE)).expect("a wait"), 1);
    assert_eq!(places[0].status, Status::CANCELLED);
    assert_eq!(told(taken(&pair.a, 2)), [(2, Status::ACCESS_VIOLATION), (3, Status::CANCELLED)]);
    drop((pair, queue));
    door.close();
}

/// The device itself says of these what is wrong: it finds out when the answer comes.
#[test]
fn a_read_into_memory_that_may_not_be_written_is_told() {
    let _alone = alone();
    let door = Door::open();
    for case in ["stale", "beyond", "another domain's", "read only"] {
        let pair = door.connect();
        let open = region(&pair.b, MrFlags::ALLOW_REMOTE_READ);
        let constant = region(&pair.a, MrFlags::ALLOW_LOCAL_READ);
        let bad = match case {
            "beyond" => Sge { address: pair.a.sge().address + 4089, ..pair.a.sge() },
            "another domain's" => pair.b.sge(),
            "read only" => constant.sge(0..8).expect("within the page"),
            _ => deregistered(&pair.a),
        };
        pair.a.qp.read(1, &[bad], open.remote(0).expect("its start"), OpFlags::NONE).expect("a request");
        assert_eq!(told(taken(&pair.a, 1)), [(1, Status::ACCESS_VIOLATION)], "{case}");
    }
    door.close();
}

/// How often soft-RoCE has been told that a peer has no receive; other devices do not say it.
fn not_ready() -> Option<u64> {
    let path = format!("/sys/class/infiniband/{}/ports/1/hw_counters/rcvd_rnr_err", crate::device());
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A send that the device has sent, and whose region is gone while the peer has no receive for it. It will
/// be sent again, two thirds of a second later.
fn sent_and_deregistered(door: &Door) -> Pair {
    let end = || End::with(&door.adapter, Some(Duration::from_secs(4)), None);
    let pair = door.connect_ends(end(), end());
    let before = not_ready();
    let own = region(&pair.a, MrFlags::ALLOW_LOCAL_WRITE);
    let sge = own.sge(0..8).expect("within the page");
    pair.a.qp.send(1, Data::Sgl(&[sge]), OpFlags::NONE).expect("a send");
    let begun = Instant::now();
    while before.is_some() && not_ready() == before {
        assert!(begun.elapsed() < PATIENCE, "it does not come to the peer");
        thread::yield_now();
    }
    own.deregister().wait().expect("a region goes");
    pair
}

/// A write that the peer has granted to nobody: it breaks both queue pairs.
fn break_by_peer(end: &End) {
    let nowhere = RemoteAddress { token: end.sge().token, address: end.sge().address };
    end.qp.write(9, Data::Sgl(&[end.sge()]), nowhere, OpFlags::NONE).expect("a write");
    let ended = taken(end, 1)[0];
    assert!(ended.request_context == 9 && ended.status != Status::SUCCESS, "{ended:?}");
}

#[test]
fn what_the_device_had_taken_before_its_region_went_is_cancelled() {
    let _alone = alone();
    let door = Door::open();
    for way in ["flush", "disconnect", "the peer goes", "the peer's fault", "sent again"] {
        let Pair { a, b, active, passive } = sent_and_deregistered(&door);
        match way {
            "flush" => a.qp.flush(),
            "disconnect" => {
                let parting = [active.disconnect(), passive.disconnect()];
                parting.into_iter().for_each(|parting| parting.wait().expect("both part"));
            }
            "the peer goes" => passive.close().wait().expect("a connector closes"),
            "the peer's fault" => break_by_peer(&b),
            _ => {}
        }
        assert_eq!(told(taken(&a, 1)), [(1, Status::CANCELLED)], "{way}");
    }
    door.close();
}

#[test]
fn what_is_posted_in_error_is_cancelled_whatever_its_memory() {
    let _alone = alone();
    let door = Door::open();
    let pair = door.connect();
    let stale = deregistered(&pair.a);
    pair.a.qp.flush();
    pair.a.qp.send(1, Data::Sgl(&[stale]), OpFlags::NONE).expect("a send");
    assert_eq!(told(taken(&pair.a, 1)), [(1, Status::CANCELLED)]);
    drop(pair);
    door.close();
}
