//! The statements about APPC that turns, confirmations and errors are about, each by its number.

use super::super::lus::*;
use crate::ulp::conversation::appc::codes::*;
use crate::ulp::conversation::appc::{Deallocate, Locks, PrepareToReceive, ReceiveArguments, SendType};
use crate::ulp::conversation::{ErrorType, State};

/// APPC-20: RECEIVE_AND_WAIT in SEND sends what is buffered, and the turn.
pub(super) fn appc_20() -> Check {
    let world = World::new("appc_20")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"a")), OK)?;
    let waits = left.receive().now().err().ok_or("nothing was there to receive")?;
    same("data", right.take(), (AP_OK, AP_DATA_COMPLETE, record(b"a")))?;
    same("turn", right.take().1, AP_SEND)?;
    same("answer", right.send_as(&record(b"b"), SendType::Flush), OK)?;
    same("received", done("RECEIVE", waits.now())?.data, record(b"b"))
}

/// APPC-21: PREPARE_TO_RECEIVE FLUSH: all sent, RECEIVE here; SEND there only once it is received.
pub(super) fn appc_21() -> Check {
    let world = World::new("appc_21")?;
    let (left, right) = world.pair(true)?;
    same("SEND_DATA", left.send(&record(b"a")), OK)?;
    same("PREPARE_TO_RECEIVE", left.give_turn(), OK)?;
    same("here", left.state(), Some(State::Receive))?;
    same("there", right.state(), Some(State::Receive))?;
    same("data", right.take().2, record(b"a"))?;
    same("there, with the turn unread", right.state(), Some(State::Receive))?;
    same("turn", right.take().1, AP_SEND)?;
    same("there, after it", right.state(), Some(State::Send))
}

/// APPC-22: PREPARE_TO_RECEIVE SYNC_LEVEL: CONFIRM_SEND there, and the verb waits for the answer.
pub(super) fn appc_22() -> Check {
    let world = World::new("appc_22")?;
    let (left, right) = world.pair(true)?;
    let waits = left.prepare_to_receive(PrepareToReceive::SyncLevel).now().err();
    let waits = waits.ok_or("it did not wait")?;
    same("what", right.take().1, AP_CONFIRM_SEND)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("PREPARE_TO_RECEIVE", at_once(waits), OK)?;
    same("states", (left.state(), right.state()), (Some(State::Receive), Some(State::Send)))?;
    // With long locks it waits until something follows the answer.
    let kind = PrepareToReceive::SyncLevel;
    let waits = right.appc.prepare_to_receive(right.tp, right.conv, kind, Locks::Long);
    same("what", left.take().1, AP_CONFIRM_SEND)?;
    same("CONFIRMED", left.confirmed(), OK)?;
    let waits = waits.now().err().ok_or("it did not wait for what follows")?;
    same("data", left.send_as(&record(b"a"), SendType::Flush), OK)?;
    same("PREPARE_TO_RECEIVE", at_once(waits), OK)
}

/// APPC-23: DEALLOCATE FLUSH: the partner gets all data, then AP_DEALLOC_NORMAL.
pub(super) fn appc_23() -> Check {
    let world = World::new("appc_23")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"last")), OK)?;
    same("DEALLOCATE", left.deallocate(Deallocate::Flush), OK)?;
    same("data", right.take().2, record(b"last"))?;
    same("end", right.take().0, AP_DEALLOC_NORMAL)?;
    same("states", (left.state(), right.state()), (None, None))
}

/// APPC-24: DEALLOCATE SYNC_LEVEL answered by SEND_ERROR: PROG_ERROR_PURGING, and it lives.
pub(super) fn appc_24() -> Check {
    let world = World::new("appc_24")?;
    let (left, right) = world.pair(true)?;
    let waits = left.appc.deallocate(left.tp, left.conv, Deallocate::SyncLevel, &[]);
    same("what", right.take().1, AP_CONFIRM_DEALLOCATE)?;
    same("SEND_ERROR", right.send_error(), OK)?;
    same("DEALLOCATE", at_once(waits), (AP_PROG_ERROR_PURGING, 0))?;
    same("states", (left.state(), right.state()), (Some(State::Receive), Some(State::Send)))?;
    same("it lives", right.send_as(&record(b"on"), SendType::Flush), OK)?;
    same("data", left.take().2, record(b"on"))
}

/// APPC-25: DEALLOCATE ABEND_PROG in SEND: all buffered data first, then AP_DEALLOC_ABEND_PROG.
pub(super) fn appc_25() -> Check {
    let world = World::new("appc_25")?;
    for (kind, code) in [
        (Deallocate::AbendProg, AP_DEALLOC_ABEND_PROG),
        (Deallocate::AbendSvc, AP_DEALLOC_ABEND_SVC),
        (Deallocate::AbendTimer, AP_DEALLOC_ABEND_TIMER),
    ] {
        let (left, right) = world.pair(false)?;
        same("SEND_DATA", left.send(&record(b"last")), OK)?;
        same("DEALLOCATE", left.deallocate(kind), OK)?;
        same("data", right.take().2, record(b"last"))?;
        same("end", right.take().0, code)?;
    }
    Ok(())
}

/// APPC-26: CONFIRM at sync level none is AP_PARAMETER_CHECK with 0x31.
pub(super) fn appc_26() -> Check {
    let world = World::new("appc_26")?;
    let (left, _right) = world.pair(false)?;
    same("CONFIRM", at_once(left.confirm()), (AP_PARAMETER_CHECK, 0x31))
}

/// APPC-27: inside a record these verbs fail, and the data stays buffered.
pub(super) fn appc_27() -> Check {
    let world = World::new("appc_27")?;
    let (left, right) = world.pair(true)?;
    let data = record(b"hello");
    same("SEND_DATA", left.send(&data[..4]), OK)?;
    let check = |secondary| (AP_STATE_CHECK, secondary);
    same("CONFIRM", at_once(left.confirm()), check(0x33))?;
    same("DEALLOCATE", left.deallocate(Deallocate::Flush), check(0x55))?;
    same("PREPARE_TO_RECEIVE", left.give_turn(), check(0xA2))?;
    let received = done("RECEIVE_AND_WAIT", left.receive().now())?;
    same("RECEIVE_AND_WAIT", (received.rc.primary, received.rc.secondary), check(0xB2))?;
    same("SEND_DATA with a confirmation", left.send_as(&[], SendType::Confirm), check(0xF6))?;
    same("buffered", done("buffered", left.appc.buffered(left.tp, left.conv))?, 4)?;
    same("the rest", left.send_as(&data[4..], SendType::Flush), OK)?;
    same("data", right.take().2, data)
}

/// APPC-28: inside a record FLUSH succeeds, and sends the part.
pub(super) fn appc_28() -> Check {
    let world = World::new("appc_28")?;
    let (left, right) = world.pair(false)?;
    let data = record(b"hello");
    same("SEND_DATA", left.send(&data[..4]), OK)?;
    same("FLUSH", left.flush(), OK)?;
    same("part", right.take(), (AP_OK, AP_DATA_INCOMPLETE, data[..4].to_vec()))
}

/// APPC-29: a record of no length is AP_BAD_LL, and nothing of the call is buffered.
pub(super) fn appc_29() -> Check {
    let world = World::new("appc_29")?;
    let (left, _right) = world.pair(false)?;
    for ll in [0_u16, 1, 0x8000, 0x8001] {
        let data = [record(b"fine"), ll.to_be_bytes().to_vec()].concat();
        same("SEND_DATA", left.send(&data), (AP_PARAMETER_CHECK, AP_BAD_LL))?;
        same("buffered", done("buffered", left.appc.buffered(left.tp, left.conv))?, 0)?;
    }
    Ok(())
}

/// APPC-30: SEND_ERROR in SEND sends what is buffered and the error, at once.
pub(super) fn appc_30() -> Check {
    let world = World::new("appc_30")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"a")), OK)?;
    same("SEND_ERROR", left.send_error(), OK)?;
    same("data", right.take().2, record(b"a"))?;
    same("error", right.take().0, AP_PROG_ERROR_NO_TRUNC)
}

/// APPC-31: inside a record the partner gets a truncation, else none.
pub(super) fn appc_31() -> Check {
    let world = World::new("appc_31")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"hello")[..4]), OK)?;
    same("SEND_ERROR", left.send_error(), OK)?;
    same("part", right.take().1, AP_DATA_INCOMPLETE)?;
    same("inside", right.take().0, AP_PROG_ERROR_TRUNC)?;
    same("SEND_ERROR again", left.send_error(), OK)?;
    same("between", right.take().0, AP_PROG_ERROR_NO_TRUNC)?;
    let service = left.appc.send_error(left.tp, left.conv, ErrorType::Service, false, &[]);
    same("SEND_ERROR of a service", at_once(service), OK)?;
    same("between", right.take().0, AP_SVC_ERROR_NO_TRUNC)
}

/// APPC-32: SEND_ERROR in RECEIVE: PURGING there, unread data is gone, a request to send is kept.
pub(super) fn appc_32() -> Check {
    let world = World::new("appc_32")?;
    let (left, right) = world.pair(true)?;
    same("turn", left.give_turn(), OK)?;
    same("SEND", right.take().1, AP_SEND)?;
    same("turn back", right.give_turn(), OK)?;
    same("SEND", left.take().1, AP_SEND)?;
    same("REQUEST_TO_SEND", right.request_to_send(), OK)?;
    same("turn again", left.give_turn(), OK)?;
    same("SEND", right.take().1, AP_SEND)?;
    same("unread", right.send_as(&record(b"gone"), SendType::Flush), OK)?;
    let error = left.appc.send_error(left.tp, left.conv, ErrorType::Program, false, &[]);
    let error = done("SEND_ERROR", error.now())?;
    same("SEND_ERROR, and the request", (error.rc.is_ok(), error.rts_rcvd), (true, true))?;
    same("next verb there", right.send(&record(b"?")), (AP_PROG_ERROR_PURGING, 0))?;
    same("states", (left.state(), right.state()), (Some(State::Send), Some(State::Receive)))?;
    // In a confirm state: the answer is no.
    let confirm = left.confirm();
    same("asked", right.take().1, AP_CONFIRM_WHAT_RECEIVED)?;
    same("SEND_ERROR", right.send_error(), OK)?;
    same("CONFIRM", at_once(confirm), (AP_PROG_ERROR_PURGING, 0))
}

/// APPC-33: SEND_ERROR that purges the partner's end returns AP_DEALLOC_NORMAL, state RESET.
pub(super) fn appc_33() -> Check {
    let world = World::new("appc_33")?;
    for kind in [Deallocate::Flush, Deallocate::AbendProg] {
        let (left, right) = world.pair(false)?;
        same("DEALLOCATE", left.deallocate(kind), OK)?;
        same("SEND_ERROR", right.send_error(), (AP_DEALLOC_NORMAL, 0))?;
        same("state", right.state(), None)?;
    }
    Ok(())
}

/// APPC-34: in SEND_PENDING err_dir decides between PURGING and NO_TRUNC; elsewhere it is ignored.
pub(super) fn appc_34() -> Check {
    let world = World::new("appc_34")?;
    for (of_sending, code) in [(false, AP_PROG_ERROR_PURGING), (true, AP_PROG_ERROR_NO_TRUNC)] {
        let (left, right) = world.pair(false)?;
        same("data and turn", left.send_as(&record(b"a"), SendType::PrepareToReceiveFlush), OK)?;
        same("both", right.take_with(ReceiveArguments::new(9).with_status()).1, 0x0102)?;
        same("state", right.state(), Some(State::SendPending))?;
        let error = right.appc.send_error(right.tp, right.conv, ErrorType::Program, of_sending, &[]);
        same("SEND_ERROR", at_once(error), OK)?;
        same("there", left.take().0, code)?;
        let error = right.appc.send_error(right.tp, right.conv, ErrorType::Program, of_sending, &[]);
        same("SEND_ERROR in SEND", at_once(error), OK)?;
        same("there", left.take().0, AP_PROG_ERROR_NO_TRUNC)?;
    }
    Ok(())
}

/// APPC-35: a request to send is told once, by whatever verb is next, even with data still buffered.
pub(super) fn appc_35() -> Check {
    let world = World::new("appc_35")?;
    let (left, right) = world.pair(true)?;
    same("buffered", left.send(&record(b"a")), OK)?;
    same("none yet", left.test_rts(), (AP_UNSUCCESSFUL, 0))?;
    same("REQUEST_TO_SEND", right.request_to_send(), OK)?;
    same("TEST_RTS", left.test_rts(), OK)?;
    same("once", left.test_rts(), (AP_UNSUCCESSFUL, 0))?;
    same("again", right.request_to_send(), OK)?;
    let send = left.appc.send_data(left.tp, left.conv, &record(b"b"), SendType::None);
    same("SEND_DATA", done("SEND_DATA", send.now())?.rts_rcvd, true)?;
    same("and again", right.request_to_send(), OK)?;
    let confirm = left.confirm();
    same("data", right.take().2, record(b"a"))?;
    same("data", right.take().2, record(b"b"))?;
    same("asked", right.take().1, AP_CONFIRM_WHAT_RECEIVED)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("CONFIRM", done("CONFIRM", confirm.now())?.rts_rcvd, true)
}

/// APPC-36: data and turn in one receive give SEND_PENDING, one by one SEND.
pub(super) fn appc_36() -> Check {
    let world = World::new("appc_36")?;
    for (arguments, state) in [
        (ReceiveArguments::new(9).with_status(), State::SendPending),
        (ReceiveArguments::new(9), State::Send),
    ] {
        let (left, right) = world.pair(false)?;
        same("data and turn", left.send_as(&record(b"a"), SendType::PrepareToReceiveFlush), OK)?;
        same("data", right.take_with(arguments).2, record(b"a"))?;
        if state == State::Send {
            same("turn", right.take_with(arguments).1, AP_SEND)?;
        }
        same("state", right.state(), Some(state))?;
        same("FLUSH", right.flush(), OK)?;
        same("after it", right.state(), Some(State::Send))?;
    }
    Ok(())
}

/// APPC-37: RECEIVE_IMMEDIATE with nothing there is AP_UNSUCCESSFUL, state unchanged.
pub(super) fn appc_37() -> Check {
    let world = World::new("appc_37")?;
    let (_left, right) = world.pair(false)?;
    same("RECEIVE_IMMEDIATE", right.take().0, AP_UNSUCCESSFUL)?;
    same("state", right.state(), Some(State::Receive))
}

/// APPC-38: with max_len 0 a receive tells what is next, and consumes no data.
pub(super) fn appc_38() -> Check {
    let world = World::new("appc_38")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send_as(&record(b"a"), SendType::Flush), OK)?;
    let peek = ReceiveArguments::new(0);
    same("record", right.take_with(peek), (AP_OK, AP_DATA_INCOMPLETE, Vec::new()))?;
    same("bytes", right.take_with(peek.fill_buffer()), (AP_OK, AP_DATA, Vec::new()))?;
    same("data", right.take(), (AP_OK, AP_DATA_COMPLETE, record(b"a")))
}

/// APPC-39: TP_ENDED in SEND sends the data and a normal end, elsewhere an abend.
pub(super) fn appc_39() -> Check {
    let world = World::new("appc_39")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"last")), OK)?;
    same("TP_ENDED", done("TP_ENDED", left.appc.tp_ended(left.tp, false).now())?.is_ok(), true)?;
    same("data", right.take().2, record(b"last"))?;
    same("end", right.take().0, AP_DEALLOC_NORMAL)?;
    let (left, right) = world.pair(false)?;
    same("TP_ENDED", done("TP_ENDED", right.appc.tp_ended(right.tp, false).now())?.is_ok(), true)?;
    same("there", left.send(&record(b"?")), (AP_DEALLOC_ABEND_PROG, 0))
}

/// APPC-40: while an asynchronous receive is outstanding these verbs are taken, and FLUSH is not.
pub(super) fn appc_40() -> Check {
    let world = World::new("appc_40")?;
    let (_left, right) = world.pair(false)?;
    let waits = right.receive().now().err().ok_or("there was nothing to receive")?;
    same("REQUEST_TO_SEND", right.request_to_send(), OK)?;
    same("TEST_RTS", right.test_rts(), (AP_UNSUCCESSFUL, 0))?;
    same("FLUSH", right.flush(), (AP_CONV_BUSY, 0))?;
    same("SEND_ERROR", right.send_error(), OK)?;
    same("the receive", done("RECEIVE", waits.now())?.rc.primary, AP_CANCELLED)?;
    same("state", right.state(), Some(State::Send))
}
