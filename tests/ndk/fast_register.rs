//! MR-5 to MR-10, MR-14, MR-15, MR-21 to MR-25: fast registrations, logical addresses, the privileged token.

use crate::world::{ALL, End, all, pair};
use qpair::ndk::{
    Adapter, Data, FastRegister, FastRegisterMr, Lam, Memory, MrFlags, OpFlags, OperationType, RemoteAddress,
    Sge, Status, Token,
};

const NONE: OpFlags = OpFlags::NONE;
const BOTH: OpFlags = OpFlags(OpFlags::ALLOW_REMOTE_READ.0 | OpFlags::ALLOW_REMOTE_WRITE.0);
const PAGE: usize = Lam::PAGE_SIZE;
/// The number of the first byte of what is registered here.
const BASE: u64 = 0x7000_0000_0000;

fn lam(adapter: &Adapter, pages: usize) -> Lam {
    adapter.build_lam(Memory::zeroed(pages * PAGE).unwrap()).wait().unwrap()
}

/// Initialised for 16 pages.
fn region(end: &End, remote_access: bool) -> FastRegisterMr {
    let region = end.pd.create_fast_register_mr().wait().unwrap();
    region.initialize(16, remote_access).wait().unwrap();
    region
}

fn whole(pages: &[u64]) -> FastRegister<'_> {
    let length = (pages.len() * PAGE) as u64;
    FastRegister { pages, first_byte_offset: 0, length, base_virtual_address: BASE }
}

fn at(offset: usize, token: Token) -> RemoteAddress {
    RemoteAddress { address: BASE + offset as u64, token }
}

fn sge(token: Token, from: usize, to: usize) -> Sge {
    Sge { address: BASE + from as u64, length: (to - from) as u32, token }
}

fn register(end: &End, region: &FastRegisterMr, pages: &[u64], flags: OpFlags) -> Token {
    let token = end.qp.fast_register(70, region, whole(pages), flags).unwrap();
    let ended = end.take(1)[0];
    assert_eq!((ended.request_context, ended.status), (70, Status::SUCCESS));
    assert_eq!((ended.kind, ended.bytes_transferred), (OperationType::FastRegister, 0));
    token
}

fn bytes(lam: &Lam, from: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    lam.read(from, &mut bytes).unwrap();
    bytes
}

/// MR-6: the limit is granted, and one page more is not; the second call begins anew.
#[test]
fn mr_6_as_many_pages_as_are_said() {
    let pair = pair("mr_6");
    let most = pair.adapter.info().frmr_page_count;
    assert!(most >= 16, "ADP-4");
    let region = pair.b.pd.create_fast_register_mr().wait().unwrap();
    assert_eq!(region.local_token(), Token(0));
    let refused = pair.b.qp.fast_register(1, &region, whole(&[0]), NONE).unwrap_err();
    assert_eq!(refused.status(), Status::INVALID_DEVICE_REQUEST);
    assert_eq!(pair.b.qp.invalidate(1, &region, NONE).unwrap_err().status(), Status::INVALID_DEVICE_REQUEST);
    let error = region.initialize(most + 1, true).wait().unwrap_err();
    assert_eq!(error.status(), Status::IMPLEMENTATION_LIMIT);
    assert_eq!(region.initialize(0, true).wait().unwrap_err().status(), Status::INVALID_PARAMETER);
    region.initialize(most, true).wait().unwrap();
    let lam = lam(&pair.adapter, most as usize);
    let token = register(&pair.b, &region, lam.pages(), BOTH);
    let last = most as usize * PAGE - 4;
    pair.a.qp.write(1, Data::Inline(&[b"last"]), at(last, token), NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
    assert_eq!(bytes(&lam, last, 4), b"last");
    let (before, after) =
        (region.local_token(), region.initialize(1, true).wait().map(|()| region.local_token()));
    assert_ne!(before, after.unwrap());
    pair.a.qp.write(2, Data::Inline(&[b"over"]), at(0, token), NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([2], Status::ACCESS_VIOLATION));
}

/// MR-7, MR-9, MR-10: what is refused during the call.
#[test]
fn mr_7_mr_9_mr_10_refused_inline() {
    let pair = pair("mr_7");
    let (end, lam) = (&pair.b, lam(&pair.adapter, 2));
    let local = region(end, false);
    let before = local.remote_token();
    let pages = lam.pages();
    let refused = |register, flags| end.qp.fast_register(1, &local, register, flags).unwrap_err();
    for flags in [OpFlags::ALLOW_REMOTE_READ, OpFlags::ALLOW_REMOTE_WRITE] {
        assert_eq!(refused(whole(pages), flags).status(), Status::ACCESS_VIOLATION);
    }
    let fbo = |first_byte_offset, base_virtual_address, length| FastRegister {
        first_byte_offset,
        base_virtual_address,
        length,
        ..whole(pages)
    };
    let (askew, many) = ([pages[0] + 8], [pages[0]; 17]);
    let wrong = [
        fbo(8, 0, 8),                   // MR-9
        fbo(8, BASE, 8),                // not congruent
        fbo(0, BASE + 1, 8),            // not congruent
        fbo(0, BASE, 2 * 4096 + 1),     // MR-10
        fbo(8, BASE + 8, 2 * 4096 - 7), // MR-10
        fbo(4096, BASE, 8),             // no offset in a page
        fbo(0, BASE, 0),                // nothing
        fbo(0, u64::MAX - 4095, 4097),  // passes 2^64
        whole(&askew),                  // no page
        whole(&many),                   // more than 16
    ];
    for register in wrong {
        let error = refused(register, NONE);
        assert_eq!(error.status(), Status::INVALID_PARAMETER, "{error}");
        assert!(error.argument().is_some());
    }
    for flags in [OpFlags(0x20), OpFlags::INLINE, OpFlags::SEND_AND_SOLICIT_EVENT] {
        assert_eq!(refused(whole(pages), flags).status(), Status::INVALID_PARAMETER);
    }
    let foreign = region(&pair.a, true);
    let error = end.qp.fast_register(1, &foreign, whole(pages), NONE).unwrap_err();
    assert_eq!(error.status(), Status::ACCESS_VIOLATION);
    assert_eq!(local.remote_token(), before, "a refused registration chooses no token");
    // FLAG-3, and the whole of what the arithmetic allows.
    let all_of_it = fbo(8, 8, 2 * 4096 - 8);
    end.qp.fast_register(2, &local, all_of_it, OpFlags::RDMA_READ_SINK).unwrap();
    assert_eq!(end.ends(1), all([2], Status::SUCCESS));
}

/// Pages of two mappings in any order are one region, locally and for the peer.
#[test]
fn pages_of_several_mappings() {
    let pair = pair("frmr_pages");
    let (one, two) = (lam(&pair.adapter, 3), lam(&pair.adapter, 3));
    let pages = [one.pages()[2], two.pages()[0], two.pages()[1], one.pages()[0], two.pages()[2]];
    let region = region(&pair.b, true);
    let token = register(&pair.b, &region, &pages, BOTH);
    let place = |byte: usize| match byte / PAGE {
        0 => (&one, 2 * PAGE + byte % PAGE),
        1 | 2 => (&two, byte - PAGE),
        3 => (&one, byte % PAGE),
        _ => (&two, 2 * PAGE + byte % PAGE),
    };
    let pattern: Vec<u8> = (0..5 * PAGE).map(|byte| (byte * 7 + byte / PAGE) as u8).collect();
    let source = pair.a.pd.register(pattern.clone(), ALL).wait().unwrap();
    let sink = pair.a.pd.register(vec![0; 5 * PAGE], ALL).wait().unwrap();
    pair.a.qp.write(1, &source.sge(5..5 * PAGE).unwrap(), at(5, token), NONE).unwrap();
    pair.a.qp.read(2, &[sink.sge(0..5 * PAGE - 5).unwrap()], at(5, token), NONE).unwrap();
    assert_eq!(pair.a.ends(2), all([1, 2], Status::SUCCESS));
    for byte in [5, PAGE - 1, PAGE, 2 * PAGE, 3 * PAGE - 1, 3 * PAGE, 4 * PAGE - 1, 4 * PAGE, 5 * PAGE - 1] {
        let (lam, offset) = place(byte);
        assert_eq!(bytes(lam, offset, 1), [pattern[byte]], "byte {byte}");
    }
    let mut got = vec![0; 5 * PAGE - 5];
    sink.read(0, &mut got).unwrap();
    assert_eq!(got, pattern[5..]);
    // The same as source and target of this side's requests, in several entries.
    let own = region.local_token();
    let entries = [sge(own, 10, 4000), sge(own, 4090, 9000), sge(token, 12000, 20000)];
    let total: usize = 3990 + 4910 + 8000;
    pair.a.qp.receive(3, &[sink.sge(0..total).unwrap()]).unwrap();
    pair.b.qp.send(4, &entries, NONE).unwrap();
    assert_eq!(pair.b.ends(1), all([4], Status::SUCCESS));
    assert_eq!(pair.a.ends(1), all([3], Status::SUCCESS));
    sink.read(0, &mut got[..total]).unwrap();
    let expected = [&pattern[10..4000], &pattern[4090..9000], &pattern[12000..20000]].concat();
    assert_eq!(got[..total], expected);
    pair.b.qp.receive(5, &[sge(own, 4000, 4100), sge(own, 12200, 12300)]).unwrap();
    pair.a.qp.send(6, &sink.sge(0..150).unwrap(), NONE).unwrap();
    assert_eq!(pair.b.ends(1), all([5], Status::SUCCESS));
    assert_eq!(bytes(&one, 2 * PAGE + 4000, 96), expected[..96]);
    assert_eq!(bytes(&two, 0, 4), expected[96..100]);
    assert_eq!(bytes(&two, 12200 - PAGE, 50), expected[100..150]);
}

/// A page that is in no mapping of this adapter: guessed, stale, another adapter's, or a mapping's own token.
#[test]
fn pages_are_checked_like_tokens() {
    let stranger = Adapter::open("local/frmr_guess").unwrap();
    let far = lam(&stranger, 1);
    for (round, case) in ["guessed", "stale", "stranger", "beyond"].into_iter().enumerate() {
        let pair = pair("frmr_guess");
        let near = lam(&pair.adapter, 1);
        let page = match case {
            "guessed" => 0x1234_5678_9ABC_D000,
            "stale" => {
                let page = near.pages()[0];
                near.release().wait().unwrap();
                page
            }
            "stranger" => far.pages()[0],
            _ => near.pages()[0] + PAGE as u64,
        };
        let region = region(&pair.b, true);
        pair.b.qp.fast_register(round as u64, &region, whole(&[page]), BOTH).unwrap();
        assert_eq!(pair.b.ends(1), all([round as u64], Status::ACCESS_VIOLATION), "{case}");
    }
}

/// A mapping that is released gives no access any more, registered or not.
#[test]
fn a_released_mapping_gives_no_access() {
    let pair = pair("lam_release");
    let (keeps, goes) = (lam(&pair.adapter, 1), lam(&pair.adapter, 1));
    let region = region(&pair.b, true);
    let token = register(&pair.b, &region, &[keeps.pages()[0], goes.pages()[0]], BOTH);
    let memory = goes.release().wait().unwrap();
    pair.a.qp.write(1, Data::Inline(&[b"kept"]), at(0, token), NONE).unwrap();
    pair.a.qp.write(2, Data::Inline(&[b"gone"]), at(PAGE - 2, token), NONE).unwrap();
    assert_eq!(pair.a.ends(2), [(1, Status::SUCCESS), (2, Status::ACCESS_VIOLATION)]);
    assert_eq!(bytes(&keeps, PAGE - 2, 2), [0; 2], "checked whole before a byte moves");
    assert_eq!(memory.into_vec(), vec![0; PAGE]);
}

/// MR-14: the privileged token is refused to peers; so is the local token of a fast registration.
#[test]
fn mr_14_privileged_is_never_remote() {
    let pair = pair("mr_14");
    let lam = lam(&pair.adapter, 1);
    let remote = RemoteAddress { address: lam.pages()[0], token: pair.b.pd.privileged_token() };
    pair.a.qp.read(1, &[pair.a.sge(0, 8)], remote, NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::ACCESS_VIOLATION));
    let pair = crate::world::pair("mr_14_local");
    let (lam, region) = (self::lam(&pair.adapter, 1), region(&pair.b, true));
    register(&pair.b, &region, lam.pages(), BOTH);
    pair.a.qp.read(1, &[pair.a.sge(0, 8)], at(0, region.local_token()), NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::ACCESS_VIOLATION));
}

/// MR-15: logical addresses are used without registration, to send from and to receive and read into.
#[test]
fn mr_15_logical_addresses_work_unregistered() {
    let pair = pair("mr_15");
    let (lam, token) = (lam(&pair.adapter, 2), pair.b.pd.privileged_token());
    lam.write(PAGE - 3, b"logical").unwrap();
    let entry = lam.sge(token, PAGE - 3..PAGE + 4).unwrap();
    assert_eq!(entry.address, lam.pages()[0] + PAGE as u64 - 3);
    pair.a.qp.receive(1, &[pair.a.sge(0, 16)]).unwrap();
    pair.b.qp.send(2, &entry, NONE).unwrap();
    assert_eq!(pair.b.ends(1), all([2], Status::SUCCESS));
    assert_eq!(pair.a.take(1)[0].bytes_transferred, 7);
    assert_eq!(pair.a.bytes(0, 7), b"logical");
    pair.b.qp.receive(3, &[lam.sge(token, 0..8).unwrap()]).unwrap();
    pair.a.qp.send(4, &pair.a.sge(0, 7), NONE).unwrap();
    pair.b.qp.read(5, &[lam.sge(token, 8..15).unwrap()], pair.a.mr.remote(0).unwrap(), NONE).unwrap();
    assert_eq!(pair.b.ends(2), all([3, 5], Status::SUCCESS));
    assert_eq!(bytes(&lam, 0, 15), b"logical\0logical");
    assert_eq!(lam.sge(token, 0..2 * PAGE + 1).unwrap_err().status(), Status::INVALID_PARAMETER);
    // MR-24: the token is its domain's, the address its adapter's.
    pair.a.qp.write(6, &entry, pair.b.mr.remote(0).unwrap(), NONE).unwrap();
    assert_eq!(pair.a.ends(2)[1], (6, Status::ACCESS_VIOLATION));
}

/// 2.2: where the memory does not begin with a page, the offset says where it does.
#[test]
fn memory_within_its_first_page() {
    let pair = pair("lam_fbo");
    let mut memory = vec![0_u8; 3 * PAGE];
    let inside = PAGE - memory.as_ptr().addr() % PAGE + 100;
    // SAFETY: `memory` outlives the mapping and is not touched before its release has completed.
    let lam = unsafe { pair.adapter.build_lam_raw(memory[inside..].as_mut_ptr(), PAGE) }.wait().unwrap();
    assert_eq!((lam.first_byte_offset(), lam.pages().len(), lam.len()), (100, 2, PAGE));
    let region = region(&pair.b, true);
    let own = FastRegister {
        first_byte_offset: 100,
        base_virtual_address: BASE + 100,
        length: PAGE as u64,
        pages: lam.pages(),
    };
    let token = pair.b.qp.fast_register(1, &region, own, BOTH).unwrap();
    pair.a.qp.write(2, Data::Inline(&[b"first"]), at(100, token), NONE).unwrap();
    pair.a.qp.write(3, Data::Inline(&[b"last"]), at(100 + PAGE - 4, token), NONE).unwrap();
    assert_eq!((pair.b.ends(1), pair.a.ends(2)), (all([1], Status::SUCCESS), all([2, 3], Status::SUCCESS)));
    lam.release().wait().unwrap();
    assert_eq!(
        (&memory[inside..inside + 5], &memory[inside + PAGE - 4..inside + PAGE]),
        (&b"first"[..], &b"last"[..])
    );
    // The rest of the pages is nobody's: it cannot be registered.
    let lam = pair.adapter.build_lam(vec![0; 8]).wait().unwrap();
    pair.b.qp.invalidate(4, &region, NONE).unwrap();
    let beyond = FastRegister {
        first_byte_offset: 0,
        base_virtual_address: BASE,
        length: PAGE as u64,
        pages: &lam.pages()[..1],
    };
    pair.b.qp.fast_register(5, &region, beyond, BOTH).unwrap();
    assert_eq!(pair.b.ends(2), [(4, Status::SUCCESS), (5, Status::ACCESS_VIOLATION)]);
    assert_eq!(pair.adapter.build_lam(Vec::new()).wait().unwrap_err().status(), Status::INVALID_BUFFER_SIZE);
    // SAFETY: nothing is mapped.
    let null = unsafe { pair.adapter.build_lam_raw(std::ptr::null_mut(), 8) }.wait().unwrap_err();
    assert_eq!((null.status(), null.argument()), (Status::INVALID_PARAMETER, Some("base")));
}

/// A registration that was not invalidated: the next one fails when it is executed.
#[test]
fn registered_already() {
    let pair = pair("frmr_twice");
    let (lam, region) = (lam(&pair.adapter, 1), region(&pair.b, true));
    register(&pair.b, &region, lam.pages(), BOTH);
    pair.b.qp.fast_register(1, &region, whole(lam.pages()), BOTH).unwrap();
    assert_eq!(pair.b.ends(1), all([1], Status::INVALID_DEVICE_REQUEST));
}

/// Four registrations may be posted or in force at a time; a flush gives their places back.
#[test]
fn registrations_under_way_are_limited() {
    let pair = pair("frmr_places");
    let (lam, region) = (lam(&pair.adapter, 1), region(&pair.b, true));
    let list = whole(lam.pages());
    let post = |context| pair.b.qp.fast_register(context, &region, list, BOTH | OpFlags::DEFER);
    let tokens: Vec<Token> = (0..4).map(|context| post(context).unwrap()).collect();
    assert!((1..4).all(|later| tokens[later] != tokens[later - 1]));
    pair.b.qp.flush();
    assert_eq!(pair.b.ends(4), all(0..4, Status::CANCELLED));
    for context in 0..4 {
        post(context).unwrap();
    }
    // Refused, it exposes the deferred ones: the first takes effect, and the second fails, as it must.
    let full = post(4).unwrap_err();
    assert_eq!((full.status(), full.limit()), (Status::NO_MORE_ENTRIES, Some(4)));
    assert_eq!(pair.b.ends(2), [(0, Status::SUCCESS), (1, Status::INVALID_DEVICE_REQUEST)]);
}

/// CQ-31, CQ-40: a message of the peer ends a registration; one without remote access only its owner.
#[test]
fn the_peer_invalidates_a_registration() {
    let pair = pair("frmr_remote_invalidate");
    let (lam, region) = (lam(&pair.adapter, 1), region(&pair.b, true));
    let token = register(&pair.b, &region, lam.pages(), BOTH);
    pair.b.qp.receive(1, &[]).unwrap();
    pair.a.qp.send_and_invalidate(2, Data::NONE, NONE, token).unwrap();
    let received = pair.b.take(1)[0];
    assert_eq!(received.kind, OperationType::ReceiveAndInvalidate);
    assert_eq!(received.type_specific_completion_output, u64::from(token.0));
    let next = register(&pair.b, &region, lam.pages(), BOTH);
    assert_ne!(next, token);
    pair.a.qp.write(3, Data::Inline(&[b"x"]), at(0, next), NONE).unwrap();
    pair.a.qp.write(4, Data::Inline(&[b"x"]), at(0, token), NONE).unwrap();
    assert_eq!(pair.a.ends(3)[1..], [(3, Status::SUCCESS), (4, Status::ACCESS_VIOLATION)]);
    let pair = crate::world::pair("frmr_remote_invalidate_local");
    let (lam, region) = (self::lam(&pair.adapter, 1), self::region(&pair.b, false));
    let token = register(&pair.b, &region, lam.pages(), OpFlags::ALLOW_LOCAL_WRITE);
    pair.b.qp.receive(1, &[]).unwrap();
    pair.a.qp.send_and_invalidate(2, Data::NONE, NONE, token).unwrap();
    assert_eq!(pair.a.ends(1), all([2], Status::ACCESS_VIOLATION));
}

/// A token that cannot be invalidated fails such a read before a byte moves.
#[test]
fn an_ordinary_token_fails_such_a_read() {
    let pair = pair("mr_22_ordinary");
    pair.a.mr.write(0, b"sunk").unwrap();
    let flags = OpFlags::RDMA_READ_LOCAL_INVALIDATE;
    pair.b.qp.read(1, &[], pair.a.mr.remote(0).unwrap(), flags).unwrap();
    pair.b.qp.read(2, &[pair.b.sge(0, 4)], pair.a.mr.remote(0).unwrap(), flags).unwrap();
    assert_eq!(pair.b.ends(2), [(1, Status::SUCCESS), (2, Status::INVALID_DEVICE_REQUEST)]);
    assert_eq!(pair.b.bytes(0, 4), [0; 4]);
}

/// MR-24: tokens of fast registrations of another domain; the rights that it does not grant.
#[test]
fn mr_24_rights_and_domains_of_registrations() {
    for case in ["domain", "right", "local"] {
        let pair = pair(&format!("frmr_{case}"));
        let lam = lam(&pair.adapter, 1);
        let (owner, other) = (End::new(&pair.adapter), End::new(&pair.adapter));
        let _connection = crate::world::connect(&pair.adapter, &owner.qp, &other.qp);
        let end = if case == "domain" { &owner } else { &pair.b };
        let region = region(end, true);
        let token = register(end, &region, lam.pages(), OpFlags::ALLOW_REMOTE_READ);
        if case == "local" {
            // MR-18: what is received into needs local write.
            pair.b.qp.receive(1, &[sge(region.local_token(), 0, 8)]).unwrap();
            pair.a.qp.send(2, &pair.a.sge(0, 8), NONE).unwrap();
            assert_eq!(pair.b.ends(1), all([1], Status::ACCESS_VIOLATION));
        } else {
            pair.a.qp.write(1, &pair.a.sge(0, 8), at(0, token), NONE).unwrap();
            assert_eq!(pair.a.ends(1), all([1], Status::ACCESS_VIOLATION), "{case}");
        }
        assert_eq!(bytes(&lam, 0, 8), [0; 8]);
    }
}

/// FLUSH-18 for fast registrations; closing the region under a posted one harms nobody.
#[test]
fn flush_18_fast_register() {
    let pair = pair("flush_18_frmr");
    let (lam, region) = (lam(&pair.adapter, 1), region(&pair.b, true));
    pair.b.qp.fast_register(1, &region, whole(lam.pages()), BOTH | OpFlags::DEFER).unwrap();
    region.close().wait().unwrap();
    pair.b.qp.flush();
    let ended = pair.b.take(1)[0];
    assert_eq!((ended.status, ended.kind), (Status::CANCELLED, OperationType::FastRegister));
    let flags = MrFlags::ALLOW_LOCAL_WRITE;
    assert!(pair.b.pd.register(vec![0; 8], flags).wait().is_ok());
}
