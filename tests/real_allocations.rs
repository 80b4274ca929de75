//! Post and poll on a device of the kernel allocate nothing, once their thread has made its first round.
//!
//! Counted is what Rust allocates, by the thread that posts and polls; the C libraries below it call
//! `malloc`, which this does not see. Binds are excepted: what they bind waits in a box for the device.
//!
//! QPAIR_RDMA_DEVICE names the device, rxe0 if it does not: `cargo xtask softroce` runs this over rxe0 in a
//! guest.

use allocation_counter::measure;
use qpair::ndk::ext::{ALLOW_REMOTE_ATOMIC, QpExt};
use qpair::ndk::{Completion, Data, Memory, Mr, MrFlags, OpFlags, Status};
use rig::{Door, End, PATIENCE, Pair};
use std::time::Instant;

#[expect(dead_code, reason = "the tests of `real_device` need more of it")]
#[path = "real_device/rig.rs"]
mod rig;

fn device() -> String {
    std::env::var("QPAIR_RDMA_DEVICE").unwrap_or_else(|_| "rxe0".to_owned())
}

/// Rounds that are counted.
const ROUNDS: u64 = 50;

/// Allocations that `work` makes on this thread, after rounds that warm up what a thread makes once.
fn allocations(mut work: impl FnMut()) -> u64 {
    (0..3).for_each(|_| work());
    measure(|| (0..ROUNDS).for_each(|_| work())).count_total
}

/// Polls until `count` completions of an end have come, all of that status.
fn poll(end: &End, count: usize, status: Status) {
    let mut places = [Completion::default(); 16];
    let (mut taken, begun) = (0, Instant::now());
    while taken < count {
        let more = end.cq.poll(&mut places);
        let odd = places[..more].iter().find(|completion| completion.status != status);
        assert!(odd.is_none(), "{odd:?}");
        taken += more;
        assert!(begun.elapsed() < PATIENCE, "{taken} of {count} come");
        std::thread::yield_now();
    }
    assert_eq!(taken, count);
}

/// Every kind of request but a bind once, from post to poll.
fn round(pair: &Pair, own: &Mr, open: &Mr) {
    let (Pair { a, b, .. }, none) = (pair, OpFlags::NONE);
    let sge = |range| own.sge(range).expect("within it");
    let (pieces, there) = ([sge(0..16), sge(32..40), sge(64..70)], open.remote(1024).expect("within it"));
    let place = open.sge(2048..2112).expect("within it");
    (1..=4).for_each(|context| b.qp.receive(context, &[place]).expect("a receive"));
    a.qp.send(11, &pieces[..], none).expect("a send");
    let bytes = b"inline, and more than a slot has";
    a.qp.send(12, Data::Inline(&[bytes]), OpFlags::DEFER).expect("an inline send");
    a.qp.send_with_immediate(13, &pieces[..1], 7, none).expect("a send with immediate");
    a.qp.write_with_immediate(14, &pieces[..], there, 8, none).expect("a write with immediate");
    a.qp.write(15, &pieces[..], there, OpFlags::SILENT_SUCCESS).expect("a write");
    a.qp.read(16, &pieces, there, OpFlags::READ_FENCE).expect("a read");
    a.qp.fetch_and_add(17, sge(0..8), there, 1, none).expect("an atomic");
    a.qp.compare_and_swap(18, sge(0..8), there, 1, 2, none).expect("an atomic");
    poll(a, 7, Status::SUCCESS);
    poll(b, 4, Status::SUCCESS);
}

#[test]
fn post_and_poll_on_a_device_allocate_nothing() {
    let _alone = rig::alone();
    let door = Door::open();
    let pair = door.connect();
    let region =
        |of: &End, flags| of.register(Memory::zeroed(4096).expect("a page"), flags).expect("a region");
    let own = region(&pair.a, MrFlags::ALLOW_LOCAL_WRITE);
    let open =
        region(&pair.b, MrFlags::ALLOW_REMOTE_READ | MrFlags::ALLOW_REMOTE_WRITE | ALLOW_REMOTE_ATOMIC);
    assert_eq!(allocations(|| round(&pair, &own, &open)), 0);
    drop((own, open, pair));
    door.close();
}

/// The other side of the measure: it does see what allocates.
#[test]
fn what_allocates_is_seen() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), ROUNDS);
}
