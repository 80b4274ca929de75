//! The statements about CPI-C, each by its number.

use super::super::lus::*;
use crate::ulp::conversation::Options;
use crate::ulp::conversation::cpic::codes::*;
use crate::ulp::conversation::cpic::{ConversationId, Program, ReturnCode};

/// A program on each side.
struct Two {
    world: World,
    left: Program,
    right: Program,
}

impl Two {
    fn new(net: &str) -> Result<Self, String> {
        Self::with(World::new(net)?)
    }

    fn with(world: World) -> Result<Self, String> {
        let left = Program::new(&world.units[0], &["SERVER"]);
        let right = Program::new(&world.units[1], &["SERVER"]);
        Ok(Self { world, left, right })
    }

    /// A conversation in INITIALIZE, of basic type.
    fn initialize(&self, confirm: bool) -> Result<ConversationId, String> {
        let id = done("cminit", self.left.cminit("SERVER"))?;
        same("cmsct", self.left.cmsct(&id, CM_BASIC_CONVERSATION), CM_OK)?;
        same("cmssl", self.left.cmssl(&id, i32::from(confirm)), CM_OK)?;
        Ok(id)
    }

    /// A conversation that both sides know of: the left one sends.
    fn pair(&self, confirm: bool) -> Result<(ConversationId, ConversationId), String> {
        let id = self.initialize(confirm)?;
        same("cmallc", self.left.cmallc(&id), CM_OK)?;
        same("cmflus", self.left.cmflus(&id), CM_OK)?;
        let there = done("cmaccp", self.right.cmaccp())?;
        same("cmsrt", self.right.cmsrt(&there, CM_RECEIVE_IMMEDIATE), CM_OK)?;
        Ok((id, there))
    }

    /// A conversation without credit: the left one is non-blocking, and its flush is under way.
    fn stalled(net: &str) -> Result<(Self, ConversationId, ConversationId), String> {
        let two = Self::with(World::with(net, small())?)?;
        let (id, there) = two.pair(false)?;
        same("cmspm", two.left.cmspm(&id, CM_NON_BLOCKING), CM_OK)?;
        same("fill the window", two.left.cmsend(&id, &long(2)).return_code, CM_OK)?;
        same("cmsend", two.left.cmsend(&id, &record(b"more")).return_code, CM_OK)?;
        same("cmflus", two.left.cmflus(&id), CM_OPERATION_INCOMPLETE)?;
        Ok((two, id, there))
    }

    fn take(&self, id: &ConversationId) -> (ReturnCode, i32, i32, Vec<u8>) {
        let got = self.right.cmrcv(id, 32_767);
        (got.return_code, got.data_received, got.status_received, got.data)
    }
}

/// CPIC-1: cmflus sends all that is buffered; with nothing there, no frame.
pub(super) fn cpic_1() -> Check {
    let two = Two::new("cpic_1")?;
    let (id, there) = two.pair(false)?;
    same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
    same("before", two.take(&there).0, CM_UNSUCCESSFUL)?;
    same("cmflus", two.left.cmflus(&id), CM_OK)?;
    same("after", two.take(&there), (CM_OK, CM_COMPLETE_DATA_RECEIVED, CM_NO_STATUS_RECEIVED, record(b"a")))?;
    let before = two.world.units[0].frames_sent();
    same("cmflus again", two.left.cmflus(&id), CM_OK)?;
    same("frames", two.world.units[0].frames_sent(), before)
}

/// CPIC-2: cmflus in SEND_PENDING leaves SEND.
pub(super) fn cpic_2() -> Check {
    let two = Two::new("cpic_2")?;
    let (id, there) = two.pair(false)?;
    same("cmsst", two.left.cmsst(&id, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK)?;
    same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
    same("both", two.take(&there).2, CM_SEND_RECEIVED)?;
    same("cmecs", two.right.cmecs(&there), Ok(CM_SEND_PENDING_STATE))?;
    same("cmflus", two.right.cmflus(&there), CM_OK)?;
    same("cmecs", two.right.cmecs(&there), Ok(CM_SEND_STATE))
}

/// CPIC-3: cmflus in INITIALIZE, RECEIVE or a confirm state is a state check, state unchanged.
pub(super) fn cpic_3() -> Check {
    let two = Two::new("cpic_3")?;
    let id = two.initialize(true)?;
    same("in INITIALIZE", two.left.cmflus(&id), CM_PROGRAM_STATE_CHECK)?;
    same("cmecs", two.left.cmecs(&id), Ok(CM_INITIALIZE_STATE))?;
    let (id, there) = two.pair(true)?;
    let refused = |state| -> Check {
        same("cmecs", two.right.cmecs(&there), Ok(state))?;
        same("cmflus", two.right.cmflus(&there), CM_PROGRAM_STATE_CHECK)?;
        same("cmecs after it", two.right.cmecs(&there), Ok(state))
    };
    refused(CM_RECEIVE_STATE)?;
    same("cmspm", two.left.cmspm(&id, CM_NON_BLOCKING), CM_OK)?;
    same("cmcfm", two.left.cmcfm(&id).return_code, CM_OPERATION_INCOMPLETE)?;
    same("asked", two.take(&there).2, CM_CONFIRM_RECEIVED)?;
    refused(CM_CONFIRM_STATE)?;
    same("cmcfmd", two.right.cmcfmd(&there), CM_OK)?;
    same("cmwait", two.left.cmwait().conversation_return_code, CM_OK)?;
    same("cmdeal", two.left.cmdeal(&id), CM_OPERATION_INCOMPLETE)?;
    same("asked", two.take(&there).2, CM_CONFIRM_DEALLOC_RECEIVED)?;
    refused(CM_CONFIRM_DEALLOCATE_STATE)
}

/// CPIC-4: an unknown identifier is CM_PROGRAM_PARAMETER_CHECK.
pub(super) fn cpic_4() -> Check {
    let two = Two::new("cpic_4")?;
    same("cmflus", two.left.cmflus(&[0; 8]), CM_PROGRAM_PARAMETER_CHECK)?;
    let (id, _there) = two.pair(false)?;
    same("cmdeal", two.left.cmdeal(&id), CM_OK)?;
    same("in RESET", two.left.cmflus(&id), CM_PROGRAM_PARAMETER_CHECK)
}

/// CPIC-5: while an operation is outstanding cmflus is not accepted, state unchanged.
pub(super) fn cpic_5() -> Check {
    let (two, id, _there) = Two::stalled("cpic_5")?;
    same("cmflus", two.left.cmflus(&id), CM_OPERATION_NOT_ACCEPTED)?;
    same("cmecs", two.left.cmecs(&id), Ok(CM_SEND_STATE))
}

/// CPIC-6, CPIC-8: without credit cmflus is incomplete, and cmwait tells of its end.
pub(super) fn cpic_6_8() -> Check {
    let (two, id, there) = Two::stalled("cpic_6")?;
    same("cmecs", two.left.cmecs(&id), Ok(CM_SEND_STATE))?;
    same("received", two.take(&there).3, long(2))?;
    let waited = two.left.cmwait();
    let codes = (waited.return_code, waited.conversation_return_code);
    same("cmwait", (waited.conversation_id, codes), (id, (CM_OK, CM_OK)))?;
    same("the rest", two.take(&there).3, record(b"more"))
}

/// CPIC-7: in blocking mode cmflus waits, and is never incomplete.
pub(super) fn cpic_7() -> Check {
    let two = Two::with(World::with("cpic_7", small())?)?;
    let (id, there) = two.pair(false)?;
    same("fill the window", two.left.cmsend(&id, &long(2)).return_code, CM_OK)?;
    same("cmsend", two.left.cmsend(&id, &record(b"more")).return_code, CM_OK)?;
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| two.left.cmflus(&id));
        same("received", two.take(&there).3, long(2))?;
        same("cmflus", flush.join().map_err(|_| "the thread panicked".to_owned())?, CM_OK)
    })
}

/// CPIC-9: cmwait with nothing outstanding is CM_PROGRAM_STATE_CHECK.
pub(super) fn cpic_9() -> Check {
    let two = Two::new("cpic_9")?;
    same("cmwait", two.left.cmwait().return_code, CM_PROGRAM_STATE_CHECK)
}

/// CPIC-10: cmcanc ends a flush under way, and the partner sees an abend of a service.
pub(super) fn cpic_10() -> Check {
    let (two, id, there) = Two::stalled("cpic_10")?;
    same("cmcanc", two.left.cmcanc(&id), CM_OK)?;
    same("cmecs", two.left.cmecs(&id), Err(CM_PROGRAM_PARAMETER_CHECK))?;
    let waited = two.left.cmwait();
    same("the flush", (waited.conversation_id, waited.conversation_return_code), (id, CM_DEALLOCATED_ABEND))?;
    same("what was sent", two.take(&there).3, long(2))?;
    same("then", two.take(&there).0, CM_DEALLOCATED_ABEND_SVC)
}

/// CPIC-11: when our device fails cmflus is CM_PRODUCT_SPECIFIC_ERROR, with one event in the log.
pub(super) fn cpic_11() -> Check {
    let two = Two::new("cpic_11")?;
    let (id, _there) = two.pair(false)?;
    two.world.nodes[0].faults().adapter_fatal();
    let (code, lines) = logged(|| two.left.cmflus(&id));
    same("cmflus", code, CM_PRODUCT_SPECIFIC_ERROR)?;
    let told = lines.iter().filter(|line| line.contains("cmflus") && line.contains("fatal")).count();
    same("lines in the log", (told, lines.len()), (1, 1))
}

/// CPIC-12: cmallc alone sends nothing.
pub(super) fn cpic_12() -> Check {
    let two = Two::new("cpic_12")?;
    let id = two.initialize(false)?;
    same("cmallc", two.left.cmallc(&id), CM_OK)?;
    same("frames", two.world.units[0].frames_sent(), 0)?;
    same("cmaccp", two.right.cmaccp(), Err(CM_PROGRAM_STATE_CHECK))?;
    same("cmflus", two.left.cmflus(&id), CM_OK)?;
    done("cmaccp", two.right.cmaccp()).map(drop)
}

/// CPIC-12: without a session cmallc says so, and the conversation is gone (3.3).
pub(super) fn cpic_12_refused() -> Check {
    let two = Two::with(World::with("cpic_12b", Options { sessions: 1, ..options() })?)?;
    let _first = two.pair(false)?;
    let id = two.initialize(false)?;
    same("cmallc", two.left.cmallc(&id), CM_ALLOCATE_FAILURE_RETRY)?;
    same("cmecs", two.left.cmecs(&id), Err(CM_PROGRAM_PARAMETER_CHECK))?;
    let id = two.initialize(false)?;
    same("cmspln", two.left.cmspln(&id, "NOBODY"), CM_OK)?;
    same("cmallc", two.left.cmallc(&id), CM_PARAMETER_ERROR)?;
    same("cmecs", two.left.cmecs(&id), Ok(CM_INITIALIZE_STATE))
}

/// CPIC-13: cmserr in SEND sends what was buffered before; the notice is there after cmflus.
pub(super) fn cpic_13() -> Check {
    let two = Two::new("cpic_13")?;
    let (id, there) = two.pair(false)?;
    same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
    same("cmserr", two.left.cmserr(&id).return_code, CM_OK)?;
    same("data", two.take(&there).3, record(b"a"))?;
    same("cmflus", two.left.cmflus(&id), CM_OK)?;
    same("notice", two.take(&there).0, CM_PROGRAM_ERROR_NO_TRUNC)
}

/// CPIC-14: a send type equals the call of that name behind cmsend, in codes and states.
pub(super) fn cpic_14() -> Check {
    for confirm in [false, true] {
        for (kind, name) in [
            (CM_SEND_AND_FLUSH, "flush"),
            (CM_SEND_AND_CONFIRM, "confirm"),
            (CM_SEND_AND_PREP_TO_RECEIVE, "turn"),
            (CM_SEND_AND_DEALLOCATE, "end"),
        ] {
            if kind == CM_SEND_AND_CONFIRM && !confirm {
                continue; // refused: CPIC-16
            }
            let story = |joined: bool| {
                let two = Two::new(&format!("cpic_14_{name}_{confirm}_{joined}"))?;
                let (id, there) = two.pair(confirm)?;
                same("cmspm", two.left.cmspm(&id, CM_NON_BLOCKING), CM_OK)?;
                let code = if joined {
                    same("cmsst", two.left.cmsst(&id, kind), CM_OK)?;
                    two.left.cmsend(&id, &record(b"a")).return_code
                } else {
                    same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
                    match kind {
                        CM_SEND_AND_FLUSH => two.left.cmflus(&id),
                        CM_SEND_AND_CONFIRM => two.left.cmcfm(&id).return_code,
                        CM_SEND_AND_PREP_TO_RECEIVE => two.left.cmptr(&id),
                        _ => two.left.cmdeal(&id),
                    }
                };
                let there_got = two.take(&there);
                let answered = two.right.cmcfmd(&there);
                let ended = two.left.cmwait().conversation_return_code;
                Ok::<_, String>((
                    code,
                    there_got,
                    answered,
                    ended,
                    two.left.cmecs(&id),
                    two.right.cmecs(&there),
                ))
            };
            same(name, story(true)?, story(false)?)?;
        }
    }
    Ok(())
}

/// CPIC-15: more than 32,767 bytes are CM_PROGRAM_PARAMETER_CHECK.
pub(super) fn cpic_15() -> Check {
    let two = Two::new("cpic_15")?;
    let (id, _there) = two.pair(false)?;
    same("cmsend", two.left.cmsend(&id, &[0; 32_768]).return_code, CM_PROGRAM_PARAMETER_CHECK)?;
    same("cmsend", two.left.cmsend(&id, &record(&[0; 32_765])).return_code, CM_OK)
}

/// CPIC-16: what asks for confirmations is refused at sync level none.
pub(super) fn cpic_16() -> Check {
    let two = Two::new("cpic_16")?;
    for (confirm, code) in [(false, CM_PROGRAM_PARAMETER_CHECK), (true, CM_OK)] {
        let id = two.initialize(confirm)?;
        same("cmsst", two.left.cmsst(&id, CM_SEND_AND_CONFIRM), code)?;
        same("cmsdt", two.left.cmsdt(&id, CM_DEALLOCATE_CONFIRM), code)?;
        same("cmsptr", two.left.cmsptr(&id, CM_PREP_TO_RECEIVE_CONFIRM), code)?;
    }
    Ok(())
}

/// CPIC-17: sync level none is refused while something asks for confirmations.
pub(super) fn cpic_17() -> Check {
    let two = Two::new("cpic_17")?;
    let id = two.initialize(true)?;
    same("cmsdt", two.left.cmsdt(&id, CM_DEALLOCATE_CONFIRM), CM_OK)?;
    same("cmssl", two.left.cmssl(&id, CM_NONE), CM_PROGRAM_PARAMETER_CHECK)?;
    same("cmsdt", two.left.cmsdt(&id, CM_DEALLOCATE_FLUSH), CM_OK)?;
    same("cmssl", two.left.cmssl(&id, CM_NONE), CM_OK)
}

/// CPIC-18: type and sync level are settled outside INITIALIZE.
pub(super) fn cpic_18() -> Check {
    let two = Two::new("cpic_18")?;
    let (id, _there) = two.pair(false)?;
    same("cmsct", two.left.cmsct(&id, CM_BASIC_CONVERSATION), CM_PROGRAM_STATE_CHECK)?;
    same("cmssl", two.left.cmssl(&id, CM_NONE), CM_PROGRAM_STATE_CHECK)?;
    same("cmecs", two.left.cmecs(&id), Ok(CM_SEND_STATE))
}

/// CPIC-19: after cminit characteristics are the documented ones.
pub(super) fn cpic_19() -> Check {
    let two = Two::new("cpic_19")?;
    let id = done("cminit", two.left.cminit("        "))?;
    same("state", two.left.cmecs(&id), Ok(CM_INITIALIZE_STATE))?;
    same("type", two.left.cmect(&id), Ok(CM_MAPPED_CONVERSATION))?;
    same("sync level", two.left.cmesl(&id), Ok(CM_NONE))?;
    same("names", (two.left.cmemn(&id), two.left.cmepln(&id)), (Ok(String::new()), Ok(" ".to_owned())))?;
    same("cmallc", two.left.cmallc(&id), CM_PARAMETER_ERROR)
}

/// CPIC-20, CPIC-21: cmcfm leaves SEND; cmcfmd leads where the request said.
pub(super) fn cpic_20_21() -> Check {
    let two = Two::new("cpic_20")?;
    let (id, there) = two.pair(true)?;
    same("cmspm", two.left.cmspm(&id, CM_NON_BLOCKING), CM_OK)?;
    same("cmspm", two.right.cmspm(&there, CM_NON_BLOCKING), CM_OK)?;
    same("cmcfm", two.left.cmcfm(&id).return_code, CM_OPERATION_INCOMPLETE)?;
    same("asked", two.take(&there).2, CM_CONFIRM_RECEIVED)?;
    same("cmcfmd", (two.right.cmcfmd(&there), two.right.cmecs(&there)), (CM_OK, Ok(CM_RECEIVE_STATE)))?;
    same("cmwait", two.left.cmwait().conversation_return_code, CM_OK)?;
    // Data and the turn: SEND_PENDING there, and cmcfm leaves SEND.
    same("cmsptr", two.left.cmsptr(&id, CM_PREP_TO_RECEIVE_FLUSH), CM_OK)?;
    same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
    same("cmptr", two.left.cmptr(&id), CM_OK)?;
    same("both", two.take(&there).2, CM_SEND_RECEIVED)?;
    same("cmcfm", two.right.cmcfm(&there).return_code, CM_OPERATION_INCOMPLETE)?;
    same("cmecs meanwhile", two.right.cmecs(&there), Ok(CM_SEND_PENDING_STATE))?;
    same("asked", two.left.cmrcv(&id, 9).status_received, CM_CONFIRM_RECEIVED)?;
    same("cmcfmd", two.left.cmcfmd(&id), CM_OK)?;
    same("cmwait", two.right.cmwait().conversation_return_code, CM_OK)?;
    same("cmecs", two.right.cmecs(&there), Ok(CM_SEND_STATE))?;
    same("cmptr", two.right.cmptr(&there), CM_OPERATION_INCOMPLETE)?;
    same("asked", two.left.cmrcv(&id, 9).status_received, CM_CONFIRM_SEND_RECEIVED)?;
    same("cmcfmd", (two.left.cmcfmd(&id), two.left.cmecs(&id)), (CM_OK, Ok(CM_SEND_STATE)))?;
    same("cmwait", two.right.cmwait().conversation_return_code, CM_OK)?;
    same("cmdeal", two.left.cmdeal(&id), CM_OPERATION_INCOMPLETE)?;
    same("asked", two.take(&there).2, CM_CONFIRM_DEALLOC_RECEIVED)?;
    same("cmcfmd", two.right.cmcfmd(&there), CM_OK)?;
    same("cmwait", two.left.cmwait().conversation_return_code, CM_OK)?;
    let gone = Err(CM_PROGRAM_PARAMETER_CHECK);
    same("both gone", (two.left.cmecs(&id), two.right.cmecs(&there)), (gone, gone))
}

/// CPIC-22: data with the turn gives SEND_PENDING, the turn alone SEND.
pub(super) fn cpic_22() -> Check {
    let two = Two::new("cpic_22")?;
    let (id, there) = two.pair(false)?;
    same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
    same("cmptr", two.left.cmptr(&id), CM_OK)?;
    same("both", two.take(&there), (CM_OK, CM_COMPLETE_DATA_RECEIVED, CM_SEND_RECEIVED, record(b"a")))?;
    same("cmecs", two.right.cmecs(&there), Ok(CM_SEND_PENDING_STATE))?;
    same("cmptr", two.right.cmptr(&there), CM_OK)?;
    let got = two.left.cmrcv(&id, 9);
    same("alone", (got.data_received, got.status_received), (CM_NO_DATA_RECEIVED, CM_SEND_RECEIVED))?;
    same("cmecs", two.left.cmecs(&id), Ok(CM_SEND_STATE))
}

/// CPIC-23: an immediate receive with nothing there is CM_UNSUCCESSFUL; in SEND, a state check.
pub(super) fn cpic_23() -> Check {
    let two = Two::new("cpic_23")?;
    let (id, there) = two.pair(false)?;
    same("cmrcv", two.take(&there).0, CM_UNSUCCESSFUL)?;
    same("cmsrt", two.left.cmsrt(&id, CM_RECEIVE_IMMEDIATE), CM_OK)?;
    same("cmrcv in SEND", two.left.cmrcv(&id, 9).return_code, CM_PROGRAM_STATE_CHECK)
}

/// CPIC-24: in SEND_PENDING the error direction decides between PURGING and NO_TRUNC.
pub(super) fn cpic_24() -> Check {
    let two = Two::new("cpic_24")?;
    for (direction, code) in
        [(CM_RECEIVE_ERROR, CM_PROGRAM_ERROR_PURGING), (CM_SEND_ERROR, CM_PROGRAM_ERROR_NO_TRUNC)]
    {
        let (id, there) = two.pair(false)?;
        same("cmsend", two.left.cmsend(&id, &record(b"a")).return_code, CM_OK)?;
        same("cmptr", two.left.cmptr(&id), CM_OK)?;
        same("both", two.take(&there).2, CM_SEND_RECEIVED)?;
        same("cmsed", two.right.cmsed(&there, direction), CM_OK)?;
        same("cmserr", two.right.cmserr(&there).return_code, CM_OK)?;
        same("cmflus", two.right.cmflus(&there), CM_OK)?;
        same("there", two.left.cmrcv(&id, 9).return_code, code)?;
    }
    Ok(())
}

/// CPIC-25: cmspm with an operation outstanding is a state check.
pub(super) fn cpic_25() -> Check {
    let (two, id, _there) = Two::stalled("cpic_25")?;
    same("cmspm", two.left.cmspm(&id, CM_BLOCKING), CM_PROGRAM_STATE_CHECK)
}

/// CPIC-26: while a receive is outstanding these calls are taken, and cmflus is not.
pub(super) fn cpic_26() -> Check {
    let two = Two::new("cpic_26")?;
    let receiving = || {
        let (id, there) = two.pair(false)?;
        same("cmspm", two.right.cmspm(&there, CM_NON_BLOCKING), CM_OK)?;
        same("cmsrt", two.right.cmsrt(&there, CM_RECEIVE_AND_WAIT), CM_OK)?;
        same("cmrcv", two.right.cmrcv(&there, 9).return_code, CM_OPERATION_INCOMPLETE)?;
        Ok::<_, String>((id, there))
    };
    let (id, there) = receiving()?;
    same("cmflus", two.right.cmflus(&there), CM_OPERATION_NOT_ACCEPTED)?;
    same("cmrts", two.right.cmrts(&there), CM_OK)?;
    same("cmtrts", two.right.cmtrts(&there).return_code, CM_OK)?;
    same("told", two.left.cmtrts(&id).request_to_send_received, true)?;
    same("cmserr", two.right.cmserr(&there).return_code, CM_OK)?;
    let waited = two.right.cmwait();
    same("the receive", (waited.conversation_id, waited.conversation_return_code), (there, CM_UNSUCCESSFUL))?;
    let (_id, there) = receiving()?;
    same("cmsdt", two.right.cmsdt(&there, CM_DEALLOCATE_ABEND), CM_OK)?;
    same("cmdeal", two.right.cmdeal(&there), CM_OK)?;
    same("its end", two.right.cmwait().conversation_id, there)?;
    let (_id, there) = receiving()?;
    same("cmcanc", two.right.cmcanc(&there), CM_OK)?;
    same("its end", two.right.cmwait().conversation_return_code, CM_DEALLOCATED_ABEND)
}

/// CPIC-27: however often the turn is asked for, it is told once.
pub(super) fn cpic_27() -> Check {
    let two = Two::new("cpic_27")?;
    let (id, there) = two.pair(false)?;
    for _ in 0..3 {
        same("cmrts", two.right.cmrts(&there), CM_OK)?;
    }
    same("told", two.left.cmsend(&id, &record(b"a")).request_to_send_received, true)?;
    same("once", two.left.cmtrts(&id).request_to_send_received, false)
}

/// CPIC-28: log data reaches the partner's unit with an error or abend, and is gone here.
pub(super) fn cpic_28() -> Check {
    let two = Two::with(World::with("cpic_28", small())?)?;
    let (id, _there) = two.pair(false)?;
    let data = vec![b'l'; 500]; // three frames
    same("cmsld", two.left.cmsld(&id, &data), CM_OK)?;
    same("cmserr", two.left.cmserr(&id).return_code, CM_OK)?;
    same("cmspm", two.left.cmspm(&id, CM_NON_BLOCKING), CM_OK)?;
    same("cmflus", two.left.cmflus(&id), CM_OK)?;
    let log = two.world.units[1].error_log();
    same("variables", log.len(), 1)?;
    same("header", &log[0][..4], &[0x01, 0xF8, 0x12, 0xE1])?;
    same("data", &log[0][4..], &data[..])?;
    same("cmserr", two.left.cmserr(&id).return_code, CM_OK)?;
    same("cmflus", two.left.cmflus(&id), CM_OK)?;
    same("no second time", two.world.units[1].error_log().len(), 1)
}

/// CPIC-29: the numbers of the return codes.
pub(super) fn cpic_29() -> Check {
    let numbers: Vec<i32> = ALL.iter().map(|(code, _)| code.0).collect();
    let expected: Vec<i32> = (0..=37).filter(|n| !matches!(n, 4 | 12..=16 | 29)).collect();
    same("numbers", numbers, expected)
}
