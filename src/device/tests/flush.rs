//! RDMA FLUSH and ATOMIC WRITE: what is promised, what waits, and who may go while a flush runs.
//!
//! Here the storage is the test itself, which ends flushes when it likes; `flush/disk.rs` has the disk that
//! forgets.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]

#[cfg(all(feature = "storage", unix))]
mod disk;

use super::world::{BASE, End, World, connect, pair, pair_beside, pair_with};
use super::{send, statuses};
use crate::device::connect::messenger::Connectable;
use crate::device::qp::{Data, Operation, PostRefused};
use crate::device::state::QpState;
use crate::memory::{Deregistering, Durable, Flight, Memory, RegisterError, Registration, Rights};
use crate::work::{CompletionKind, Detail, FlushPlacement, Key, RequestFlags, Selectivity, Status};
use std::ops::Range;
use std::sync::{Arc, Mutex};

const PERSISTENT: FlushPlacement = FlushPlacement::PERSISTENT;
const LENGTH: usize = 4096;

/// Storage by hand: what was started lies here until the test ends it.
#[derive(Debug, Default)]
struct Shelf(Mutex<Vec<Flight>>);

impl Durable for Shelf {
    fn volatile(&self) -> Option<&'static str> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn start(&self, flight: Flight) {
        self.0.lock().unwrap().push(flight);
    }

    fn describe(&self) -> String {
        "by hand".to_owned()
    }
}

impl Shelf {
    fn ranges(&self) -> Vec<Range<usize>> {
        self.0.lock().unwrap().iter().map(Flight::range).collect()
    }

    fn end(&self, result: Result<(), Range<usize>>) {
        let flight = self.0.lock().unwrap().remove(0); // no lock is held while it ends
        flight.end(result);
    }
}

/// Storage that is done within the call.
#[derive(Debug)]
struct AtOnce;

impl Durable for AtOnce {
    fn volatile(&self) -> Option<&'static str> {
        None
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn start(&self, flight: Flight) {
        flight.end(Ok(()));
    }

    fn describe(&self) -> String {
        "at once".to_owned()
    }
}

fn rights() -> Rights {
    let flushes = Rights::FLUSH_GLOBAL | Rights::FLUSH_PERSISTENT;
    Rights::LOCAL_WRITE | Rights::REMOTE_WRITE | Rights::REMOTE_READ | Rights::REMOTE_ATOMIC | flushes
}

/// Another region of `end`.
fn register(end: &End, memory: &Arc<Memory>, rights: Rights) -> Result<Key, RegisterError> {
    let registration = Registration { pd: end.pd, rights, range: 0..memory.len(), base: BASE };
    end.device().keys().register(memory, registration)
}

fn durable(end: &End, durable: Arc<dyn Durable>) -> (Arc<Memory>, Key) {
    let memory = Arc::new(Memory::zeroed(LENGTH).unwrap().durable(durable));
    let key = register(end, &memory, rights()).unwrap();
    (memory, key)
}

fn post(end: &End, context: u64, operation: Operation) -> Result<(), PostRefused> {
    end.qp.post_send(&operation, Data::Sgl(&[]), RequestFlags::NONE, false, context)
}

fn flush(end: &End, context: u64, key: Key, range: Range<u64>, placement: FlushPlacement) {
    let (address, length) = (BASE + range.start, (range.end - range.start) as u32);
    let selectivity = Selectivity::Range;
    post(end, context, Operation::Flush { address, key, length, placement, selectivity }).unwrap();
}

fn write(end: &End, context: u64, key: Key, offset: u64, bytes: &[u8]) {
    let operation = Operation::Write { address: BASE + offset, key };
    end.qp.post_send(&operation, Data::Inline(&[bytes]), RequestFlags::NONE, false, context).unwrap();
}

fn write_with_immediate(end: &End, peer: &End, context: u64, key: Key, offset: u64, bytes: &[u8]) {
    peer.receive(context, 0..0).unwrap();
    let operation = Operation::WriteWithImmediate { address: BASE + offset, key, immediate: 1 };
    end.qp.post_send(&operation, Data::Inline(&[bytes]), RequestFlags::NONE, false, context).unwrap();
}

fn atomic_write(end: &End, context: u64, key: Key, offset: u64, value: u64) {
    post(end, context, Operation::AtomicWrite { address: BASE + offset, key, value }).unwrap();
}

fn bytes<const N: usize>(memory: &Memory, offset: usize) -> [u8; N] {
    let mut bytes = [0; N];
    memory.read(offset, &mut bytes).unwrap();
    bytes
}

/// The memory of a region that no flush keeps; passes of other tests' threads may, for a moment.
fn finished(mut going: Deregistering) -> Arc<Memory> {
    loop {
        match going.try_finish() {
            Ok(memory) => return memory,
            Err(later) => going = later,
        }
        std::thread::yield_now();
    }
}

/// What is polled next, as status and detail.
fn ended(end: &End) -> Vec<(u64, Status, Detail)> {
    end.poll().iter().map(|of| (of.context, of.status, of.detail)).collect()
}

#[test]
fn a_flush_completes_when_the_storage_is_done_and_what_is_behind_it_waits() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    write(&a, 1, key, 100, b"data");
    flush(&a, 2, key, 100..104, PERSISTENT);
    atomic_write(&a, 3, key, 8, 77);
    flush(&a, 4, key, 8..16, PERSISTENT);
    write(&a, 5, key, 200, b"more");
    assert_eq!(statuses(&a), [(1, Status::Success)]);
    assert_eq!(shelf.ranges(), [100..104], "the second waits for the first");
    assert_eq!((bytes(&memory, 100), memory.view().load_u64(8)), (*b"data", Some(0)));
    shelf.end(Ok(()));
    assert_eq!(a.wait_for(2).iter().map(|of| of.context).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((shelf.ranges(), memory.view().load_u64(8)), (vec![8..16], Some(77)));
    assert_eq!(bytes(&memory, 200), [0; 4]);
    shelf.end(Ok(()));
    let last = a.wait_for(2);
    assert_eq!(
        last.iter().map(|of| (of.context, of.kind)).collect::<Vec<_>>(),
        [(4, CompletionKind::Flush), (5, CompletionKind::Write)]
    );
    assert_eq!(bytes(&memory, 200), *b"more");
    assert_eq!(memory.in_doubt(), []);
}

/// RFLUSH-8: When a FLUSH runs, then other QPs make progress.
#[test]
fn rflush_8_other_queue_pairs_go_on() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    let (c, _d) = pair_beside(&a, &World { pd: Some(b.pd), ..World::default() });
    flush(&a, 1, key, 0..8, PERSISTENT);
    write(&c, 2, key, 0, b"on");
    flush(&c, 3, key, 0..2, PERSISTENT);
    assert_eq!((statuses(&c), statuses(&a)), (vec![(2, Status::Success)], vec![]));
    assert_eq!(bytes(&memory, 0), *b"on");
    assert_eq!(shelf.ranges(), [0..8, 0..2]);
    shelf.end(Ok(()));
    assert_eq!(a.wait_for(1)[0].status, Status::Success);
    shelf.end(Ok(()));
    assert_eq!(c.wait_for(1)[0].status, Status::Success);
}

/// RFLUSH-3: When selectivity is MR, then address and length are ignored, and the whole region is covered.
#[test]
fn rflush_3_the_whole_region_whatever_the_range() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (_memory, key) = durable(&b, Arc::clone(&shelf) as _);
    let selectivity = Selectivity::Region;
    let (address, length, placement) = (7, u32::MAX, PERSISTENT);
    post(&a, 1, Operation::Flush { address, key, length, placement, selectivity }).unwrap();
    assert_eq!(shelf.ranges(), [0..LENGTH]);
    shelf.end(Ok(()));
    assert_eq!(a.wait_for(1)[0].status, Status::Success);
}

/// RFLUSH-4: When a range leaves the MR, then remote access error, and no sync is done.
#[test]
fn rflush_4_a_range_that_leaves_the_region_is_refused() {
    for range in [LENGTH as u64 - 1..LENGTH as u64 + 1, LENGTH as u64..LENGTH as u64 + 1] {
        let (a, b) = pair();
        let shelf = Arc::new(Shelf::default());
        let (_memory, key) = durable(&b, Arc::clone(&shelf) as _);
        flush(&a, 1, key, range, PERSISTENT);
        assert_eq!(ended(&a), [(1, Status::RemoteAccess, Detail::OutOfRange)]);
        assert_eq!((shelf.ranges(), a.qp.state()), (vec![], QpState::Error));
    }
}

/// RFLUSH-5: When the MR lacks a requested placement right, then remote access error.
#[test]
fn rflush_5_each_placement_needs_its_right() {
    let both = FlushPlacement::GLOBAL | PERSISTENT;
    let rows = [
        (Rights::FLUSH_GLOBAL, PERSISTENT, false),
        (Rights::FLUSH_GLOBAL, both, false),
        (Rights::FLUSH_GLOBAL, FlushPlacement::GLOBAL, true),
        (Rights::FLUSH_PERSISTENT, FlushPlacement::GLOBAL, false),
        (Rights::FLUSH_PERSISTENT, PERSISTENT, true),
        (Rights::FLUSH_GLOBAL | Rights::FLUSH_PERSISTENT, both, true),
        (Rights::LOCAL_WRITE | Rights::REMOTE_WRITE, FlushPlacement::GLOBAL, false),
    ];
    for (rights, placement, allowed) in rows {
        let (a, b) = pair();
        let memory = Arc::new(Memory::zeroed(LENGTH).unwrap().durable(Arc::new(AtOnce)));
        let key = register(&b, &memory, rights).unwrap();
        flush(&a, 1, key, 0..8, placement);
        let refused = (Status::RemoteAccess, Detail::MissingRight);
        let expected = if allowed { (Status::Success, Detail::None) } else { refused };
        let got = a.wait_for(1)[0];
        assert_eq!((got.status, got.detail), expected, "{rights}, {placement:?}");
    }
}

/// RFLUSH-6: When length is 0, then a valid key is still needed, and nothing is synced.
#[test]
fn rflush_6_no_bytes_need_a_key_and_no_sync() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (_memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 0..0, PERSISTENT);
    flush(&a, 2, key, LENGTH as u64 * 9..LENGTH as u64 * 9, PERSISTENT);
    flush(&a, 3, Key(key.0 ^ 1), 0..0, PERSISTENT);
    let unknown = (3, Status::RemoteAccess, Detail::UnknownKey);
    let success = |context| (context, Status::Success, Detail::None);
    assert_eq!(ended(&a), [success(1), success(2), unknown]);
    assert_eq!(shelf.ranges(), []);
}

/// neither placement bit is a mistake, and so is a bit that there is not.
#[test]
fn a_flush_that_promises_nothing_is_invalid() {
    for placement in [FlushPlacement(0), FlushPlacement(4), FlushPlacement(7)] {
        let (a, b) = pair();
        let (_memory, key) = durable(&b, Arc::new(AtOnce));
        flush(&a, 1, key, 0..8, placement);
        assert_eq!(statuses(&a), [(1, Status::RemoteInvalidRequest)], "{placement:?}");
    }
}

#[test]
fn a_flush_to_visibility_needs_no_storage() {
    let (a, b) = pair();
    let plain = Arc::new(Memory::zeroed(64).unwrap());
    let key = register(&b, &plain, Rights::FLUSH_GLOBAL).unwrap();
    flush(&a, 1, key, 0..64, FlushPlacement::GLOBAL);
    assert_eq!(statuses(&a), [(1, Status::Success)]);
    let refused = register(&b, &plain, Rights::FLUSH_PERSISTENT).unwrap_err();
    assert!(matches!(refused, RegisterError::NotPersistent { .. }), "{refused}");
}

/// RFLUSH-10: When ATOMIC WRITE is not 8-aligned, then remote invalid request, memory unchanged.
#[test]
fn rflush_10_an_atomic_write_is_aligned() {
    for offset in 1..8 {
        let (a, b) = pair();
        atomic_write(&a, 1, b.key(), offset, u64::MAX);
        assert_eq!(ended(&a), [(1, Status::RemoteInvalidRequest, Detail::Misaligned)]);
        assert_eq!(bytes(&b.memory, 0), [0; 16]);
    }
}

#[test]
fn an_atomic_write_needs_the_right_to_write_and_a_read_in_progress() {
    let (a, b) = pair();
    let key = b.register(Rights::LOCAL_WRITE | Rights::REMOTE_ATOMIC, false);
    atomic_write(&a, 1, b.key(), 8, 5);
    atomic_write(&a, 2, key, 8, 6);
    assert_eq!(
        ended(&a),
        [(1, Status::Success, Detail::None), (2, Status::RemoteAccess, Detail::MissingRight)]
    );
    assert_eq!(b.memory.view().load_u64(8), Some(5));
    let (c, d) = pair_with(World { connected: false, ..World::default() });
    for (here, there) in [(&c, &d), (&d, &c)] {
        assert!(here.qp.tie());
        here.qp.ready_to_receive(there.qp.id(), 0, 0);
        here.qp.ready_to_send();
    }
    let operation = Operation::AtomicWrite { address: BASE, key: d.key(), value: 1 };
    assert_eq!(post(&c, 1, operation), Err(PostRefused::NoReads));
    let (placement, selectivity) = (FlushPlacement::GLOBAL, Selectivity::Region);
    let operation = Operation::Flush { address: 0, key: d.key(), length: 0, placement, selectivity };
    assert_eq!(post(&c, 1, operation), Err(PostRefused::NoReads), "Q-52");
}

/// RFLUSH-11: When readers race with ATOMIC WRITE, then they see the old or the new 8 bytes.
#[test]
fn rflush_11_readers_see_no_mixture() {
    let (a, b) = pair();
    let memory = Arc::clone(&b.memory);
    let reader = std::thread::spawn(move || {
        loop {
            let value = memory.view().load_u64(64).unwrap();
            let first = value & 0xff;
            assert_eq!(value, first * 0x0101_0101_0101_0101, "a mixture");
            if first == 0xff {
                return;
            }
        }
    });
    for round in 0..2000_u64 {
        let byte = if round == 1999 { 0xff } else { round % 255 };
        atomic_write(&a, round, b.key(), 64, byte * 0x0101_0101_0101_0101);
        assert_eq!(statuses(&a), [(round, Status::Success)]);
    }
    reader.join().unwrap();
}

/// RFLUSH-12: When the sync fails, then the requester gets a remote operational error, and the range is in
/// doubt. RFLUSH-13: FLUSH over it fails until it was written again and synced.
#[test]
fn rflush_12_and_13_a_failure_breaks_the_connection_and_leaves_doubt() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 0..100, PERSISTENT);
    write(&a, 2, key, 0, b"behind");
    shelf.end(Err(0..100));
    let failed = a.wait_for(2);
    assert_eq!((failed[0].status, failed[0].detail), (Status::RemoteOperation, Detail::StorageFailed));
    assert_eq!((failed[1].context, failed[1].status), (2, Status::Flushed));
    assert_eq!((memory.in_doubt(), bytes(&memory, 0)), (vec![0..100], [0; 6]));
    let again = || pair_beside(&a, &World { pd: Some(b.pd), ..World::default() });
    let (c, _) = again();
    flush(&c, 1, key, 99..200, PERSISTENT);
    assert_eq!(ended(&c), [(1, Status::RemoteOperation, Detail::InDoubt)]);
    let (c, d) = again();
    flush(&c, 1, key, 100..200, PERSISTENT);
    shelf.end(Ok(()));
    assert_eq!(c.wait_for(1)[0].status, Status::Success);
    write(&c, 2, key, 0, &[1; 50]);
    write_with_immediate(&c, &d, 3, key, 50, &[2; 50]);
    flush(&c, 4, key, 0..100, PERSISTENT);
    shelf.end(Ok(()));
    assert!(c.wait_for(3).iter().all(|of| of.status == Status::Success));
    assert_eq!(memory.in_doubt(), []);
}

#[test]
fn a_flush_of_the_queue_cancels_one_that_runs_and_what_comes_later_lives() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 0..8, PERSISTENT);
    write(&a, 2, key, 0, b"cancelled");
    a.qp.flush();
    assert_eq!(statuses(&a), [(1, Status::Flushed), (2, Status::Flushed)]);
    write(&a, 3, key, 0, b"lives");
    flush(&a, 4, key, 0..5, PERSISTENT);
    assert_eq!(statuses(&a), [(3, Status::Success)]);
    shelf.end(Err(0..8)); // of the one that was cancelled: nobody waits for it, and the doubt is noted
    assert_eq!((statuses(&a), memory.in_doubt()), (vec![], vec![0..8]));
    shelf.end(Ok(()));
    assert_eq!(a.wait_for(1)[0].context, 4);
    assert_eq!(memory.in_doubt(), [0..8], "it was written before the failure was told");
}

#[test]
fn a_queue_pair_closes_and_goes_while_its_flush_runs() {
    let shelf = Arc::new(Shelf::default());
    let (closed, done) = std::sync::mpsc::channel();
    let (a, b) = pair();
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 0..8, PERSISTENT);
    write(&a, 2, key, 0, b"behind");
    a.qp.close(Some(Box::new(move || closed.send(()).unwrap())));
    done.recv().unwrap();
    assert_eq!(statuses(&a), [(1, Status::Flushed), (2, Status::Flushed)]);
    assert_eq!(b.qp.state(), QpState::Error);
    shelf.end(Ok(()));
    assert_eq!((statuses(&a), bytes(&memory, 0)), (vec![], [0; 6]));
}

/// deregistering a region with a running FLUSH: the sync ends first.
#[test]
fn deregistration_waits_for_a_flush_that_runs() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 0..8, PERSISTENT);
    let mut going = b.device().keys().deregister(key).unwrap();
    for _ in 0..100 {
        going = going.try_finish().expect_err("the storage works on it");
    }
    shelf.end(Ok(()));
    assert_eq!(a.wait_for(1)[0].status, Status::Success, "the answer is truthful");
    drop(memory);
    assert!(Arc::into_inner(finished(going)).is_some(), "the last share");
    flush(&a, 2, key, 0..8, PERSISTENT);
    assert_eq!(statuses(&a), [(2, Status::RemoteAccess)]);
}

#[test]
fn storage_that_is_done_within_the_call_is_fine() {
    let (a, b) = pair();
    let (_memory, key) = durable(&b, Arc::new(AtOnce));
    for round in 0..5 {
        flush(&a, 3 * round, key, 0..8, PERSISTENT);
        write(&a, 3 * round + 1, key, 0, b"next");
        b.receive(round, 0..8).unwrap();
        send(&a, 3 * round + 2, 0..8).unwrap();
    }
    assert_eq!(a.wait_for(15).iter().map(|of| of.context).collect::<Vec<_>>(), (0..15).collect::<Vec<_>>());
}

#[test]
fn a_flight_that_is_dropped_has_failed() {
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 8..16, PERSISTENT);
    shelf.0.lock().unwrap().clear();
    assert_eq!(a.wait_for(1)[0].status, Status::RemoteOperation);
    assert_eq!(memory.in_doubt(), [8..16]);
}

/// One thread ends flushes, one posts them, one cancels what is pending: each completes exactly once.
#[test]
fn flushes_that_end_and_are_cancelled_at_the_same_time_complete_once() {
    const ROUNDS: u64 = 3000;
    let (a, b) = pair();
    let shelf = Arc::new(Shelf::default());
    let (_memory, key) = durable(&b, Arc::clone(&shelf) as _);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let ender = {
        let shelf = Arc::clone(&shelf);
        std::thread::spawn(move || {
            while !matches!(stopped.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
                let flight = shelf.0.lock().unwrap().pop();
                match flight {
                    Some(flight) => flight.end(Ok(())),
                    None => std::thread::yield_now(),
                }
            }
        })
    };
    let (mut next, mut cancelled) = (0, 0);
    for round in 0..ROUNDS {
        flush(&a, 2 * round, key, 0..8, PERSISTENT);
        write(&a, 2 * round + 1, key, 0, b"behind");
        if round % 3 == 0 {
            a.qp.flush();
        }
        for of in a.wait_for(2) {
            assert_eq!(of.context, next, "in order, each once");
            assert!(matches!(of.status, Status::Success | Status::Flushed));
            cancelled += u64::from(of.status == Status::Flushed);
            next += 1;
        }
    }
    drop(stop);
    ender.join().unwrap();
    assert_eq!((next, a.poll().len()), (2 * ROUNDS, 0));
    assert!(cancelled < 2 * ROUNDS);
}

#[test]
fn a_disconnect_ends_a_flush_that_runs() {
    let (a, b) = pair_with(World { connected: false, ..World::default() });
    connect(&a, &b);
    let shelf = Arc::new(Shelf::default());
    let (_memory, key) = durable(&b, Arc::clone(&shelf) as _);
    flush(&a, 1, key, 0..8, PERSISTENT);
    let (told, done) = std::sync::mpsc::channel();
    b.qp.error();
    a.qp.disconnect(move || told.send(()).unwrap());
    done.recv().unwrap();
    assert_eq!(statuses(&a), [(1, Status::Flushed)]);
    shelf.end(Ok(()));
    assert_eq!(statuses(&a), []);
}
