//! MR-*: registration, tokens, rights, and memory that is lent.

use crate::world::{ALL, End, adapter, all, pair};
use qpair::ndk::{Data, Memory, MrFlags, OpFlags, RemoteAddress, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};

const NONE: OpFlags = OpFlags::NONE;

/// MR-12, MR-13: no address, or no bytes.
#[test]
fn null_and_empty_are_named() {
    let end = End::new(&adapter("mr_12"));
    // SAFETY: nothing is registered.
    let error = unsafe { end.pd.register_raw(std::ptr::null_mut(), 0, ALL) }.wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("base")));
    let error = end.pd.register(Vec::new(), ALL).wait().unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_BUFFER_SIZE, Some("Length")));
}

/// MR-12, MR-16: an object that is registered over the caller's memory, by its addresses, and once more.
#[test]
fn mr_12_a_raw_region_is_registered_again_and_again() {
    let pair = pair("mr_12_raw");
    let mut memory = [7_u8; 64];
    let (base, address) = (memory.as_mut_ptr(), memory.as_ptr().addr() as u64);
    let region = pair.b.pd.create_raw_mr().wait().unwrap();
    assert_eq!(region.token(), None);
    let error = region.deregister().wait().unwrap_err();
    assert_eq!(error.status(), Status::INVALID_DEVICE_REQUEST);
    let mut earlier = None;
    for round in 1..=2 {
        // SAFETY: `memory` outlives the close of `region` below, and is touched by nobody else meanwhile.
        unsafe { region.register(base, 64, ALL) }.wait().unwrap();
        // SAFETY: as above; it is refused.
        let error = unsafe { region.register(base, 64, ALL) }.wait().unwrap_err();
        assert_eq!(error.status(), Status::INVALID_DEVICE_REQUEST);
        let remote = RemoteAddress { address, token: region.token().unwrap() };
        assert_ne!(earlier.replace(remote.token), Some(remote.token));
        pair.a.qp.write(round, &pair.a.sge(0, 8), remote, NONE).unwrap();
        assert_eq!(pair.a.ends(1), all([round], Status::SUCCESS));
        if round == 1 {
            region.deregister().wait().unwrap();
        }
    }
    region.close().wait().unwrap();
    let old = RemoteAddress { address, token: earlier.unwrap() };
    pair.a.qp.write(3, &pair.a.sge(0, 8), old, NONE).unwrap();
    assert_eq!(pair.a.ends(1), [(3, Status::ACCESS_VIOLATION)]);
    assert_eq!((memory[7], memory[8]), (0, 7));
}

/// CLOSE-3: the domain waits for a region that was never registered, too.
#[test]
fn close_3_a_domain_waits_for_a_raw_region() {
    let adapter = adapter("close_3_raw");
    let pd = adapter.create_pd().wait().unwrap();
    let region = pd.create_raw_mr().wait().unwrap();
    let closing = pd.close().now().unwrap_err();
    region.close().wait().unwrap();
    closing.wait().unwrap();
}

/// MR-1: tokens are there with the registration; entries and addresses stay within it.
#[test]
fn entries_and_addresses_stay_within_the_region() {
    let end = End::new(&adapter("mr_1"));
    assert_eq!(end.mr.local_token(), end.sge(0, 1).token);
    assert_eq!(end.mr.remote_token(), end.mr.remote(0).unwrap().token);
    assert_eq!(end.sge(8, 16).address, end.mr.remote(8).unwrap().address);
    assert_eq!(end.mr.remote(1).unwrap().plus(7), end.mr.remote(8).unwrap());
    let remote = end.mr.remote(4095).unwrap();
    assert_eq!(RemoteAddress::from_bytes(remote.to_bytes()), remote);
    let (range, backwards) = (4000..4097, std::ops::Range { start: 2, end: 1 });
    for error in [
        end.mr.sge(range).unwrap_err(),
        end.mr.sge(backwards).unwrap_err(),
        end.mr.remote(4096).unwrap_err(),
        end.mr.read(4090, &mut [0; 7]).unwrap_err(),
        end.mr.write(usize::MAX, &[0]).unwrap_err(),
        end.mr.load_u8(4096).unwrap_err(),
        end.mr.load_u64(4089).unwrap_err(),
        end.mr.store_u64(1, 0).unwrap_err(),
    ] {
        assert_eq!(error.status(), Status::INVALID_PARAMETER, "{error}");
        assert!(error.limit().is_some_and(|limit| limit == "4096 bytes"), "{error}");
    }
    // The number of a byte is not its address, but words are aligned by both.
    let zeroed = end.pd.register(Memory::zeroed(4096).unwrap(), ALL).wait().unwrap();
    assert_eq!(zeroed.remote(0).unwrap().address % 4096, 0);
    zeroed.store_u64(8, 77).unwrap();
    assert_eq!((zeroed.load_u64(8).unwrap(), zeroed.len()), (77, 4096));
}

/// Borrowed memory is the peer's target while the scope lasts, and the caller's own again afterwards.
#[test]
fn a_scope_lends_memory() {
    let pair = pair("mr_scope");
    let mut buffer = [0_u8; 32];
    let stale = pair.b.pd.scope(|scope| {
        let region = scope.register(&mut buffer, MrFlags::ALLOW_REMOTE_WRITE).unwrap();
        let remote = region.remote(0).unwrap();
        pair.a.qp.write(1, &[&b"lent"[..]], remote, NONE).unwrap();
        assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
        std::mem::forget(region);
        remote
    });
    assert_eq!(&buffer[..5], b"lent\0");
    pair.a.qp.write(2, &[&b"late"[..]], stale, NONE).unwrap();
    assert_eq!(pair.a.ends(1), [(2, Status::ACCESS_VIOLATION)]);
    assert_eq!(&buffer[..5], b"lent\0");
}

/// A scope that unwinds has taken its regions back.
#[test]
fn a_scope_that_unwinds_takes_back() {
    let pair = pair("mr_unwind");
    let (mut buffer, mut stale) = ([0_u8; 32], None);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        pair.b.pd.scope(|scope| {
            let region = scope.register(&mut buffer, MrFlags::ALLOW_REMOTE_WRITE).unwrap();
            stale = Some(region.remote(0).unwrap());
            panic!("the body fails");
        })
    }));
    assert!(unwound.is_err());
    pair.a.qp.write(1, &[&b"late"[..]], stale.unwrap(), NONE).unwrap();
    assert_eq!(pair.a.ends(1), [(1, Status::ACCESS_VIOLATION)]);
    assert_eq!(buffer, [0; 32]);
    // The domain's close waits for no region any more.
    let pair = (pair.a, pair.b, pair.connection);
    drop((pair.2, pair.0, pair.1.qp, pair.1.mr));
    pair.1.pd.close().wait().unwrap();
}

/// A pending request that names memory of a scope that is over fails, and touches nothing.
#[test]
fn a_scope_ends_under_pending_requests() {
    let pair = pair("mr_pending");
    let mut buffer = [0_u8; 32];
    pair.b.pd.scope(|scope| {
        let region = scope.register(&mut buffer, MrFlags::ALLOW_LOCAL_WRITE).unwrap();
        pair.b.qp.receive(1, &[region.sge(0..32).unwrap()]).unwrap();
    });
    pair.a.qp.send(2, Data::Inline(&[b"late"]), NONE).unwrap();
    assert_eq!(pair.b.ends(1), [(1, Status::ACCESS_VIOLATION)]);
    assert_eq!(buffer, [0; 32]);
}
