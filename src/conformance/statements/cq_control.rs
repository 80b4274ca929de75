//! CQ-27 to CQ-40: resize, moderation, and what an entry tells.

use super::cq_resize;
use super::prelude::*;
use crate::conformance::pages::{BOTH, bound, under};
use crate::ndk::Mw;
use crate::ndk::ext::{ALLOW_REMOTE_INVALIDATE, AdapterExt, Feature};

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("CQ-27", D, "a resize above MaxCqDepth is INVALID_PARAMETER", cq_resize::cq_27),
    Statement::new("CQ-28", D, "a resize under traffic loses and doubles no entry", cq_resize::cq_28),
    Statement::new(
        "CQ-29",
        D,
        "a resize below what is there is BUFFER_OVERFLOW, without effect",
        cq_resize::cq_29,
    ),
    Statement::new("CQ-30", I, "an arm survives a resize", cq_resize::cq_30),
    Statement::new("CQ-31", D, "a receive with invalidation is polled, and the token is invalid", cq_31),
    Statement::new("CQ-32", D, "moderation without the adapter flag is NOT_SUPPORTED", cq_resize::cq_32),
    Statement::new("CQ-33", D, "moderation without any bound is INVALID_PARAMETER_MIX", cq_resize::cq_33),
    Statement::new("CQ-34", D, "moderation with interval 0 delays nothing", cq_resize::cq_34),
    Statement::new("CQ-35", D, "a moderated call comes by the interval or by the count", cq_resize::cq_35),
    Statement::not_shown(
        "CQ-36",
        D,
        "the moderation call never pends",
        "the Rust face returns a plain result from it, which cannot pend",
    ),
    Statement::new("CQ-37", I, "an arm belongs to its queue", cq_37),
    Statement::new("CQ-38", D, "a successful result has provider error code 0", cq_38),
    Statement::new("CQ-39", D, "a send with invalidation completes as a send", cq_39),
    Statement::new("CQ-40", D, "its receive names the token that it invalidated", cq_40),
];

/// B's completion of a message by which A invalidated the window under the token.
fn invalidated(bench: &Bench) -> Outcome<(Pair, Mw, Completion, Token)> {
    let pair = Pair::new(bench)?;
    let (window, token) = bound(&pair.b, BOTH)?;
    pair.a.qp.write(1, &pair.a.sge(0, 8)?, under(&pair.b, 64, token)?, NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a write while the token is valid")?;
    pair.b.receive(2)?;
    pair.a.qp.send_and_invalidate(3, Data::NONE, NONE, token)?;
    let received = pair.b.take(1, "the receive with invalidation")?[0];
    ensure_eq!((received.request_context, received.status), (2, Status::SUCCESS), "the receive");
    Ok((pair, window, received, token))
}

/// The send with invalidation succeeds, and A's write to that place does not any more.
fn refuses_later(bench: &Bench, pair: &Pair, place: RemoteAddress) -> Outcome {
    pair.a.qp.write(4, &pair.a.sge(0, 8)?, place, NONE)?;
    let ends = ends_of(&pair.a.take(2, "the send, and a write through the token")?);
    ensure_eq!(ends[0], (3, Status::SUCCESS), "the send with invalidation");
    bench.remote_refusal(ends[1].1, "a write through the invalidated token")
}

fn cq_31(bench: &Bench) -> Outcome {
    let (pair, _window, received, token) = invalidated(bench)?;
    ensure_eq!(received.bytes_transferred, 0, "bytes of the receive");
    refuses_later(bench, &pair, under(&pair.b, 64, token)?)?;
    if pair.adapter.has(Feature::RemoteInvalidate).is_err() {
        return Ok(()); // NDK does not know it of regions
    }
    for writes_later in [false, true] {
        let pair = Pair::new(bench)?;
        let region = pair.b.pd.register(zeroed(64)?, ALL | ALLOW_REMOTE_INVALIDATE).done("NdkRegisterMr")?;
        pair.b.receive(2)?;
        pair.a.qp.send_and_invalidate(3, Data::NONE, NONE, region.remote_token())?;
        pair.b.yields(&[(2, Status::SUCCESS)], "the receive with invalidation")?;
        if writes_later {
            refuses_later(bench, &pair, region.remote(0)?)?;
        } else {
            region.deregister().done("deregistering what was invalidated")?;
        }
    }
    Ok(())
}

fn cq_37(bench: &Bench) -> Outcome {
    let (one, other) = (Noted::new(bench, 8)?, Noted::new(bench, 8)?);
    one.cq.arm(NotifyType::Any);
    other.cq.arm(NotifyType::Any);
    one.entry(1)?;
    one.calls.exactly(1, bench, "the queue with the entry")?;
    other.calls.none(bench, "the other queue")?;
    other.entry(2)?;
    other.calls.exactly(1, bench, "the other queue, when its entry comes")?;
    Ok(())
}

fn cq_38(bench: &Bench) -> Outcome {
    let pair = Pair::new(bench)?;
    pair.b.receive(0)?;
    pair.a.send(1, b"bytes", NONE)?;
    pair.a.write(2, &pair.b, NONE)?;
    pair.a.read(3, &pair.b, NONE)?;
    let mut taken = pair.a.take(3, "a send, a write and a read")?;
    taken.extend(pair.b.take(1, "the receive")?);
    for completion in taken {
        ensure_eq!(completion.status, Status::SUCCESS, "{:?}", completion.kind);
        ensure_eq!(completion.provider_error_code, 0, "provider error code of a {:?}", completion.kind);
    }
    Ok(())
}

fn cq_39(bench: &Bench) -> Outcome {
    let (pair, _window, ..) = invalidated(bench)?;
    let sent = pair.a.take(1, "the send with invalidation")?[0];
    ensure_eq!((sent.request_context, sent.status), (3, Status::SUCCESS), "the sender's completion");
    ensure_eq!(sent.kind, OperationType::Send, "its type");
    Ok(())
}

fn cq_40(bench: &Bench) -> Outcome {
    let (_pair, _window, received, token) = invalidated(bench)?;
    ensure_eq!(received.kind, OperationType::ReceiveAndInvalidate, "the type of the receive");
    let low = received.type_specific_completion_output as u32;
    ensure_eq!(low, token.0, "the low 32 bits of the output");
    Ok(())
}
