//! MW-*, and what is said of bind and invalidate.

use crate::world::{ALL, End, Pair, all, pair};
use qpair::ndk::{Completion, Data, MrFlags, Mw, OpFlags, OperationType, RemoteAddress, Status, Token};

const NONE: OpFlags = OpFlags::NONE;
const BOTH: OpFlags = OpFlags(OpFlags::ALLOW_REMOTE_READ.0 | OpFlags::ALLOW_REMOTE_WRITE.0);

/// Where byte `offset` of `end`'s memory is under that token.
fn at(end: &End, offset: usize, token: Token) -> RemoteAddress {
    RemoteAddress { token, ..end.mr.remote(offset).unwrap() }
}

fn window(end: &End) -> Mw {
    end.pd.create_mw().wait().unwrap()
}

/// A window of `b` over bytes 64 to 128, bound with these rights.
fn bound(pair: &Pair, flags: OpFlags) -> (Mw, Token) {
    let window = window(&pair.b);
    let token = pair.b.qp.bind(50, &pair.b.mr, &window, 64..128, flags).unwrap();
    let ended = pair.b.take(1)[0];
    assert_eq!((ended.request_context, ended.status, ended.kind), (50, Status::SUCCESS, OperationType::Bind));
    assert_eq!(ended.bytes_transferred, 0);
    (window, token)
}

/// MW-3, MW-11: refused during the call, and the queue pair works on.
#[test]
fn mw_3_mw_11_what_the_region_does_not_allow() {
    let pair = pair("mw_3");
    let (end, window) = (&pair.b, window(&pair.b));
    let constant = end.pd.register(vec![0; 64], MrFlags::ALLOW_REMOTE_READ).wait().unwrap();
    let foreign = pair.a.pd.create_mw().wait().unwrap();
    let before = window.remote_token();
    let refusals = [
        end.qp.bind(1, &constant, &window, 0..64, OpFlags::ALLOW_REMOTE_WRITE),
        end.qp.bind(1, &end.mr, &window, 0..4097, BOTH),
        end.qp.bind(1, &end.mr, &window, 4096..4096, BOTH),
        end.qp.bind(1, &end.mr, &window, std::ops::Range { start: 8, end: 7 }, BOTH),
        end.qp.bind(1, &end.mr, &foreign, 0..64, BOTH),
        end.qp.bind(1, &pair.a.mr, &window, 0..64, BOTH),
    ];
    for refused in refusals {
        assert_eq!(refused.unwrap_err().status(), Status::ACCESS_VIOLATION);
    }
    for flags in [OpFlags::ALLOW_LOCAL_WRITE, OpFlags(0x20), OpFlags::INLINE, OpFlags::RDMA_READ_SINK] {
        let refused = end.qp.bind(1, &end.mr, &window, 0..64, flags).unwrap_err();
        assert_eq!(refused.status(), Status::INVALID_PARAMETER, "{refused}");
    }
    assert_eq!(window.remote_token(), before, "a refused bind chooses no token");
    end.qp.bind(2, &constant, &window, 0..64, OpFlags::ALLOW_REMOTE_READ).unwrap();
    assert_eq!(end.ends(1), all([2], Status::SUCCESS));
    constant.write(0, b"readable").unwrap();
    let remote = RemoteAddress { token: window.remote_token(), ..constant.remote(0).unwrap() };
    pair.a.qp.read(3, &[pair.a.sge(0, 8)], remote, NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([3], Status::SUCCESS));
    assert_eq!(pair.a.bytes(0, 8), b"readable");
}

/// 1.3: the close of a region pends while a window is bound to it, and its own token is refused meanwhile.
#[test]
fn a_region_closes_after_its_windows() {
    let mut pair = pair("mr_close_window");
    let (window, token) = bound(&pair, BOTH);
    let mr = std::mem::replace(&mut pair.b.mr, pair.b.pd.register(vec![0; 8], ALL).wait().unwrap());
    let own = mr.remote(64).unwrap();
    assert_eq!(mr.deregister().wait().unwrap_err().status(), Status::DEVICE_BUSY);
    let second = pair.b.pd.create_mw().wait().unwrap();
    pair.a.qp.write(1, Data::Inline(&[b"still"]), RemoteAddress { token, ..own }, NONE).unwrap();
    pair.a.qp.write(2, Data::Inline(&[b"not"]), own, NONE).unwrap();
    assert_eq!(pair.a.ends(2), [(1, Status::SUCCESS), (2, Status::ACCESS_VIOLATION)]);
    drop((second, pair.connection));
    let End { qp, cq, mr, pd } = pair.b;
    drop((qp, mr));
    let closing = pd.close().now().expect_err("a window keeps its region, and that the domain");
    window.close().wait().unwrap();
    closing.wait().unwrap();
    drop(cq);
}

/// CQ-31, CQ-39, CQ-40, 3.10: a message of the peer ends the binding.
#[test]
fn cq_40_the_peer_invalidates_a_window() {
    let pair = pair("cq_40");
    let (window, token) = bound(&pair, BOTH);
    pair.b.qp.receive(1, &[pair.b.sge(0, 64)]).unwrap();
    pair.a.qp.write(2, Data::Inline(&[b"last"]), at(&pair.b, 64, token), NONE).unwrap();
    pair.a.qp.send_and_invalidate(3, Data::Inline(&[b"bye"]), NONE, token).unwrap();
    let sent = pair.a.take(2)[1];
    assert_eq!((sent.status, sent.kind), (Status::SUCCESS, OperationType::Send));
    let received = pair.b.take(1)[0];
    assert_eq!(received.kind, OperationType::ReceiveAndInvalidate);
    assert_eq!(received.type_specific_completion_output, u64::from(token.0));
    assert_eq!((pair.b.bytes(64, 68), pair.b.bytes(0, 3)), (b"last".to_vec(), b"bye".to_vec()));
    // It can be bound again at once, and gives another token; the old one is worthless.
    let again = pair.b.qp.bind(4, &pair.b.mr, &window, 0..64, BOTH).unwrap();
    assert_ne!(again, token);
    assert_eq!(pair.b.ends(1), all([4], Status::SUCCESS));
    pair.a.qp.write(5, Data::Inline(&[b"x"]), at(&pair.b, 0, again), NONE).unwrap();
    pair.a.qp.write(6, Data::Inline(&[b"x"]), at(&pair.b, 64, token), NONE).unwrap();
    assert_eq!(pair.a.ends(2), [(5, Status::SUCCESS), (6, Status::ACCESS_VIOLATION)]);
}

/// 3.10: what the peer has invalidated cannot be invalidated again, by either side.
#[test]
fn invalidated_twice() {
    let local = pair("invalidated_locally");
    let (window, token) = bound(&local, BOTH);
    local.b.qp.receive(1, &[]).unwrap();
    local.a.qp.send_and_invalidate(2, Data::NONE, NONE, token).unwrap();
    assert_eq!(local.b.ends(1), all([1], Status::SUCCESS));
    local.b.qp.invalidate(3, &window, NONE).unwrap();
    assert_eq!(local.b.ends(1), all([3], Status::INVALID_DEVICE_REQUEST));
    let remote = pair("invalidated_remotely");
    let (_window, token) = bound(&remote, BOTH);
    remote.b.qp.receive(1, &[]).unwrap();
    remote.b.qp.receive(2, &[]).unwrap();
    remote.a.qp.send_and_invalidate(3, Data::NONE, NONE, token).unwrap();
    remote.a.qp.send_and_invalidate(4, Data::NONE, NONE, token).unwrap();
    assert_eq!(remote.a.ends(2), [(3, Status::SUCCESS), (4, Status::ACCESS_VIOLATION)]);
    // The receiver's side aborts the connection, too.
    assert_eq!(remote.b.ends(2), [(1, Status::SUCCESS), (2, Status::CANCELLED)]);
}

/// FLUSH-18: binds and invalidates that are flushed say what they are, and change nothing.
#[test]
fn flush_18_requests_on_tokens() {
    let pair = pair("flush_18_windows");
    let window = window(&pair.b);
    let token = pair.b.qp.bind(1, &pair.b.mr, &window, 0..64, BOTH | OpFlags::DEFER).unwrap();
    pair.b.qp.invalidate(2, &window, OpFlags::DEFER | OpFlags::SILENT_SUCCESS).unwrap();
    pair.b.qp.flush();
    let kinds: Vec<_> = pair.b.take(2).iter().map(|c: &Completion| (c.status, c.kind)).collect();
    let cancelled = Status::CANCELLED;
    assert_eq!(kinds, [(cancelled, OperationType::Bind), (cancelled, OperationType::Invalidate)]);
    let again = pair.b.qp.bind(3, &pair.b.mr, &window, 0..64, BOTH).unwrap();
    assert_eq!(pair.b.ends(1), all([3], Status::SUCCESS));
    pair.a.qp.write(4, &pair.a.sge(0, 8), at(&pair.b, 0, again), NONE).unwrap();
    pair.a.qp.write(5, &pair.a.sge(0, 8), at(&pair.b, 0, token), NONE).unwrap();
    assert_eq!(pair.a.ends(2), [(4, Status::SUCCESS), (5, Status::ACCESS_VIOLATION)]);
}

/// Tokens are posted to a connected queue pair only.
#[test]
fn bind_needs_a_connection() {
    let end = End::new(&crate::world::adapter("bind_unconnected"));
    let window = window(&end);
    let before = window.remote_token();
    let refused = end.qp.bind(1, &end.mr, &window, 0..64, BOTH).unwrap_err();
    assert_eq!(refused.status(), Status::CONNECTION_INVALID);
    assert_eq!(end.qp.invalidate(1, &window, NONE).unwrap_err().status(), Status::CONNECTION_INVALID);
    assert_eq!(window.remote_token(), before);
}
