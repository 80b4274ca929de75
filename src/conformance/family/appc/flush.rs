//! The statements about APPC that FLUSH and the identifiers are about, each by its number.

use super::super::lus::*;
use crate::ulp::conversation::State;
use crate::ulp::conversation::appc::codes::*;
use crate::ulp::conversation::appc::{Deallocate, PrepareToReceive, ReceiveArguments};

const NOT_SEND: (u16, u32) = (AP_STATE_CHECK, AP_FLUSH_NOT_SEND_STATE);

/// APPC-1: what was put in and flushed is received without a further verb of the sender.
pub(super) fn appc_1() -> Check {
    let world = World::new("appc_1")?;
    let (left, right) = world.pair(false)?;
    let data = record(b"hello");
    same("SEND_DATA", left.send(&data), OK)?;
    same("before the flush", right.take().0, AP_UNSUCCESSFUL)?;
    same("FLUSH", left.flush(), OK)?;
    same("after it", right.take(), (AP_OK, AP_DATA_COMPLETE, data))
}

/// APPC-2: with nothing buffered, AP_OK and no frame.
pub(super) fn appc_2() -> Check {
    let world = World::new("appc_2")?;
    let (left, _right) = world.pair(false)?;
    let before = world.units[0].frames_sent();
    same("FLUSH", left.flush(), OK)?;
    same("frames", world.units[0].frames_sent(), before)
}

/// APPC-3: FLUSH in SEND leaves SEND.
pub(super) fn appc_3() -> Check {
    let world = World::new("appc_3")?;
    let (left, _right) = world.pair(false)?;
    same("FLUSH", left.flush(), OK)?;
    same("GET_STATE", left.state(), Some(State::Send))
}

/// APPC-4: in any other state FLUSH is a state check, and nothing is sent or changed.
pub(super) fn appc_4() -> Check {
    let world = World::new("appc_4")?;
    let (left, right) = world.pair(true)?;
    let refused = |state| -> Check {
        let sent = world.units[1].frames_sent();
        same("state", right.state(), Some(state))?;
        same("FLUSH", right.flush(), NOT_SEND)?;
        same("state after it", right.state(), Some(state))?;
        same("frames", world.units[1].frames_sent(), sent)
    };
    refused(State::Receive)?;
    let confirm = left.confirm();
    same("RECEIVE", right.take().1, AP_CONFIRM_WHAT_RECEIVED)?;
    refused(State::Confirm)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("CONFIRM", done("CONFIRM", confirm.now())?.rc.is_ok(), true)?;
    let turn = left.prepare_to_receive(PrepareToReceive::SyncLevel);
    same("RECEIVE", right.take().1, AP_CONFIRM_SEND)?;
    refused(State::ConfirmSend)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("PREPARE_TO_RECEIVE", at_once(turn), OK)?;
    same("the turn back", right.give_turn(), OK)?;
    same("RECEIVE", left.take().1, AP_SEND)?;
    let post = right.appc.receive_and_post(right.tp, right.conv, ReceiveArguments::new(9));
    refused_post(&world, &right)?;
    let end = left.appc.deallocate(left.tp, left.conv, Deallocate::SyncLevel, &[]);
    same("posted", done("POST", post.now())?.what_rcvd, AP_CONFIRM_DEALLOCATE)?;
    refused(State::ConfirmDeallocate)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("DEALLOCATE", at_once(end), OK)
}

/// In PENDING_POST a verb is outstanding as well, and that comes first.
fn refused_post(world: &World, right: &End<'_>) -> Check {
    let sent = world.units[1].frames_sent();
    same("state", right.state(), Some(State::PendingPost))?;
    let code = right.flush();
    same("FLUSH", code == NOT_SEND || code == (AP_CONV_BUSY, 0), true)?;
    same("state after it", right.state(), Some(State::PendingPost))?;
    same("frames", world.units[1].frames_sent(), sent)
}

/// APPC-5: an unknown conversation, or one in RESET, is AP_BAD_CONV_ID.
pub(super) fn appc_5() -> Check {
    let world = World::new("appc_5")?;
    let (left, _right) = world.pair(false)?;
    let bad = (AP_PARAMETER_CHECK, AP_BAD_CONV_ID);
    same("never assigned", End { conv: 0xFFFF_FFFF, ..left }.flush(), bad)?;
    same("DEALLOCATE", left.deallocate(Deallocate::Flush), OK)?;
    same("in RESET", left.flush(), bad)
}

/// APPC-6: an unknown program, or one that has ended, is AP_BAD_TP_ID.
pub(super) fn appc_6() -> Check {
    let world = World::new("appc_6")?;
    let (left, _right) = world.pair(false)?;
    let bad = (AP_PARAMETER_CHECK, AP_BAD_TP_ID);
    same("never assigned", End { tp: [7; 8], ..left }.flush(), bad)?;
    same("TP_ENDED", left.appc.tp_ended(left.tp, false).wait().is_ok(), true)?;
    same("ended", left.flush(), bad)
}

/// APPC-7: the program is judged before the conversation.
pub(super) fn appc_7() -> Check {
    let world = World::new("appc_7")?;
    let (left, _right) = world.pair(false)?;
    let both = End { tp: [7; 8], conv: 0xFFFF_FFFF, ..left };
    same("FLUSH", both.flush(), (AP_PARAMETER_CHECK, AP_BAD_TP_ID))
}

/// APPC-8: another program's conversation is AP_BAD_CONV_ID.
pub(super) fn appc_8() -> Check {
    let world = World::new("appc_8")?;
    let (left, _right) = world.pair(false)?;
    let other = done("TP_STARTED", left.appc.tp_started("LEFT", "OTHER"))?;
    same("FLUSH", End { tp: other, ..left }.flush(), (AP_PARAMETER_CHECK, AP_BAD_CONV_ID))
}

/// APPC-9: while a verb is outstanding FLUSH is busy at once, and does not disturb it.
pub(super) fn appc_9() -> Check {
    let world = World::new("appc_9")?;
    let (left, right) = world.pair(true)?;
    std::thread::scope(|scope| {
        let confirm = scope.spawn(|| left.confirm().wait());
        // The request is at the partner: so the verb of the other thread is outstanding.
        same("asked", right.receive().wait().what_rcvd, AP_CONFIRM_WHAT_RECEIVED)?;
        same("FLUSH", left.flush(), (AP_CONV_BUSY, 0))?;
        same("CONFIRMED", right.confirmed(), OK)?;
        let reply = confirm.join().map_err(|_| "the thread panicked".to_owned())?;
        same("CONFIRM", reply.rc.is_ok(), true)
    })
}

/// APPC-10: a verb that is outstanding on another conversation of the program does not matter.
pub(super) fn appc_10() -> Check {
    let world = World::new("appc_10")?;
    let (left, _right) = world.pair(true)?;
    let asks = crate::ulp::conversation::appc::Allocate::new("RIGHT", "SERVER");
    let conv = done("ALLOCATE", left.appc.allocate(left.tp, &asks).wait())?;
    let confirm = left.confirm();
    same("FLUSH there", left.flush(), (AP_CONV_BUSY, 0))?;
    same("FLUSH here", End { conv, ..left }.flush(), OK)?;
    same("CONFIRM goes on", confirm.now().is_err(), true)
}

/// APPC-11: a mapped verb on a basic conversation is AP_CONVERSATION_TYPE_MIXED.
pub(super) fn appc_11() -> Check {
    let world = World::new("appc_11")?;
    let (left, _right) = world.pair(false)?;
    let block = left.flush_block(1)?;
    same("primary_rc", &block[4..6], &AP_CONVERSATION_TYPE_MIXED.to_be_bytes())
}

/// APPC-12: with the adapter in error or gone, AP_COMM_SUBSYSTEM_ABENDED, and the cause is in the log.
pub(super) fn appc_12() -> Check {
    for (cause, name) in [("fatal", "appc_12a"), ("closed", "appc_12b"), ("shut down", "appc_12c")] {
        let world = World::new(name)?;
        let (left, _right) = world.pair(false)?;
        same("SEND_DATA", left.send(&record(b"lost")), OK)?;
        let node = &world.nodes[0];
        match cause {
            "fatal" => node.faults().adapter_fatal(),
            "closed" => node.faults().adapter_gone(),
            _ => node.shut_down(),
        }
        let (code, lines) = logged(|| left.flush());
        same("FLUSH", code, (AP_COMM_SUBSYSTEM_ABENDED, 0))?;
        let told = lines.iter().filter(|line| line.contains("FLUSH") && line.contains(cause)).count();
        same("lines in the log with the cause", told, 1)?;
    }
    Ok(())
}

/// APPC-12 with an adapter whose device is removed: what is outstanding ends so, and what comes later.
pub(super) fn appc_12_device_removed() -> Check {
    let faults = crate::ndk::Faults::new(1);
    let world = World::with_faults("appc_12d", options(), Some(&faults))?;
    let (left, right) = world.pair(true)?;
    let confirm = left.confirm();
    faults.remove_device();
    same("CONFIRM", at_once(confirm), (AP_COMM_SUBSYSTEM_ABENDED, 0))?;
    let other = done("TP_STARTED", left.appc.tp_started("LEFT", "OTHER")).err();
    same("TP_STARTED", other.is_some_and(|what| what.contains("61443")), true)?;
    let code = done("RECEIVE", right.receive().now())?;
    same("the partner is asked", code.what_rcvd, AP_CONFIRM_WHAT_RECEIVED)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("RECEIVE", done("RECEIVE", right.receive().now())?.rc.primary, AP_CONV_FAILURE_RETRY)
}

/// APPC-13 with an adapter that has no room: the system's number for that.
pub(super) fn appc_13_no_room() -> Check {
    let faults = crate::ndk::Faults::new(1);
    let world = World::with_faults("appc_13b", options(), Some(&faults))?;
    let tp = done("TP_STARTED", world.appc[0].tp_started("LEFT", "CLIENT"))?;
    faults.fail_creation(crate::ndk::ObjectType::Qp, 1, crate::ndk::When::Inline);
    let asks = crate::ulp::conversation::appc::Allocate::new("RIGHT", "SERVER");
    let refused = world.appc[0].allocate(tp, &asks).wait().map_err(|rc| (rc.primary, rc.secondary));
    same("ALLOCATE", refused, Err((AP_UNEXPECTED_DOS_ERROR, 12)))?;
    let again = world.appc[0].allocate(tp, &asks).wait();
    same("again", again.is_ok(), true)
}

/// APPC-13: a system call that fails is AP_UNEXPECTED_DOS_ERROR with its number, in native order.
pub(super) fn appc_13() -> Check {
    let world = World::new("appc_13")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"kept")), OK)?;
    world.nodes[0].faults().system_error(28);
    let block = left.flush_block(0)?;
    same("primary_rc", &block[4..6], &AP_UNEXPECTED_DOS_ERROR.to_be_bytes())?;
    same("secondary_rc", &block[8..12], &28_u32.to_ne_bytes())?;
    same("nothing was sent", right.take().0, AP_UNSUCCESSFUL)?;
    same("FLUSH again", left.flush(), OK)?;
    same("it was kept", right.take().2, record(b"kept"))
}

/// APPC-15: bad news of the partner do not fail FLUSH, and the next verb that lists them tells.
pub(super) fn appc_15() -> Check {
    let world = World::new("appc_15")?;
    let (left, right) = world.pair(false)?;
    same("SEND_DATA", left.send(&record(b"in vain")), OK)?;
    same("DEALLOCATE of the partner", right.deallocate(Deallocate::AbendProg), OK)?;
    same("FLUSH", left.flush(), OK)?;
    same("buffered", done("buffered", left.appc.buffered(left.tp, left.conv))?, 0)?;
    same("SEND_DATA", left.send(&record(b"more")), (AP_DEALLOC_ABEND_PROG, 0))?;
    // A refused allocation is such news too.
    let left = world.allocate(false)?;
    let plain = crate::ulp::conversation::appc::Allocate::new("RIGHT", "NOBODY");
    let conv = done("ALLOCATE", left.appc.allocate(left.tp, &plain).wait())?;
    let nobody = End { conv, ..left };
    same("FLUSH", nobody.flush(), OK)?;
    same("FLUSH again", nobody.flush(), OK)?;
    same("SEND_DATA", nobody.send(&record(b"?")), (AP_ALLOCATION_ERROR, AP_TP_NAME_NOT_RECOGNIZED))
}

/// APPC-16: ALLOCATE alone sends no attach; a FLUSH after it does.
pub(super) fn appc_16() -> Check {
    let world = World::new("appc_16")?;
    let left = world.allocate(false)?;
    same("frames", world.units[0].frames_sent(), 0)?;
    let none = world.appc[1].receive_allocate("SERVER").map(drop).map_err(|rc| (rc.primary, rc.secondary));
    same("RECEIVE_ALLOCATE", none, Err((AP_STATE_CHECK, AP_ALLOCATE_NOT_PENDING)))?;
    same("FLUSH", left.flush(), OK)?;
    world.accept().map(drop)
}

/// APPC-17: CONFIRM right behind ALLOCATE tells whether the partner was started.
pub(super) fn appc_17() -> Check {
    let world = World::new("appc_17")?;
    let left = world.allocate(true)?;
    let confirm = left.confirm();
    let right = world.accept()?;
    same("RECEIVE", right.take().1, AP_CONFIRM_WHAT_RECEIVED)?;
    same("CONFIRMED", right.confirmed(), OK)?;
    same("CONFIRM", at_once(confirm), OK)?;
    for (name, secondary) in [("NOBODY", AP_TP_NAME_NOT_RECOGNIZED), ("PLAIN", AP_SYNC_LEVEL_NOT_SUPPORTED)] {
        let asks = crate::ulp::conversation::appc::Allocate::new("RIGHT", name).confirm();
        let conv = done("ALLOCATE", left.appc.allocate(left.tp, &asks).wait())?;
        same("CONFIRM", at_once(End { conv, ..left }.confirm()), (AP_ALLOCATION_ERROR, secondary))?;
    }
    Ok(())
}

/// APPC-18: what fills the buffer goes without FLUSH.
pub(super) fn appc_18() -> Check {
    let world = World::with("appc_18", small())?;
    let (left, right) = world.pair(false)?;
    let data = long(2);
    same("part", left.send(&data[..200]), OK)?;
    same("still buffered", right.take().0, AP_UNSUCCESSFUL)?;
    same("the rest of one frame, and more", left.send(&data[200..400]), OK)?;
    same("a frame went", right.take(), (AP_OK, AP_DATA_INCOMPLETE, data[..232].to_vec()))
}

/// APPC-19: while the partner does not receive, sending waits; when it does, it goes on.
pub(super) fn appc_19() -> Check {
    let world = World::with("appc_19", small())?;
    let (left, right) = world.pair(false)?;
    let data = long(4);
    let sending = left.appc.send_data(left.tp, left.conv, &data, Default::default());
    let sending = sending.now().err().ok_or("it was sent beyond the partner's credit")?;
    let got = done("RECEIVE", right.receive().now())?;
    same("data", got.data, data)?;
    same("SEND_DATA", done("SEND_DATA", sending.now())?.rc.is_ok(), true)?;
    // FLUSH waits in the same way.
    same("fill the window", left.send(&long(2)), OK)?;
    same("SEND_DATA", left.send(&record(b"more")), OK)?;
    let flush = left.appc.flush(left.tp, left.conv).now().err().ok_or("it was flushed beyond credit")?;
    same("RECEIVE", right.take().2, long(2))?;
    same("FLUSH", at_once(flush), OK)
}

/// APPC-41: codes stand most significant byte first, on every host.
pub(super) fn appc_41() -> Check {
    let world = World::new("appc_41")?;
    let (_left, right) = world.pair(false)?;
    let block = right.flush_block(0)?;
    same("primary_rc", &block[4..6], &[0x00, 0x02])?;
    same("secondary_rc", &block[8..12], &[0x00, 0x00, 0x00, 0x61])
}

/// APPC-42: a block of 24 bytes is taken, one of 23 is not; the conversation is read at 20.
pub(super) fn appc_42() -> Check {
    let world = World::new("appc_42")?;
    let (left, _right) = world.pair(false)?;
    same("24 bytes", left.flush_block(0)?[4..12].to_vec(), vec![0; 8])?;
    let mut short = [0; 23];
    short[0] = 0x06;
    let needed = left.appc.call(&mut short, &mut []).map_err(|short| short.needed);
    same("23 bytes", needed, Err(24))
}
