//! The statements about APPC verbs.
//!
//! `flush`: FLUSH, identifiers, and what it sends. `turns`: turns, confirmations, errors and ends.
//!
//! May come in: checks of `ulp::conversation::appc` by their numbers. Not here: two whole units (`lus`).

mod flush;
mod turns;

use super::{D, E, I, Statement, lus, told};

pub(super) const STATEMENTS: &[Statement] = &[
    told!(
        "APPC-1",
        D,
        "what was put in and flushed is received without a further verb of the sender",
        flush::appc_1
    ),
    told!("APPC-2", D, "with nothing buffered, AP_OK and no frame", flush::appc_2),
    told!("APPC-3", D, "FLUSH in SEND leaves SEND", flush::appc_3),
    told!(
        "APPC-4",
        D,
        "in any other state FLUSH is a state check, and nothing is sent or changed",
        flush::appc_4
    ),
    told!("APPC-5", D, "an unknown conversation, or one in RESET, is AP_BAD_CONV_ID", flush::appc_5),
    told!("APPC-6", D, "an unknown program, or one that has ended, is AP_BAD_TP_ID", flush::appc_6),
    told!("APPC-7", I, "the program is judged before the conversation", flush::appc_7),
    told!("APPC-8", I, "another program's conversation is AP_BAD_CONV_ID", flush::appc_8),
    told!(
        "APPC-9",
        D,
        "while a verb is outstanding FLUSH is busy at once, and does not disturb it",
        flush::appc_9
    ),
    told!(
        "APPC-10",
        D,
        "a verb that is outstanding on another conversation of the program does not matter",
        flush::appc_10
    ),
    told!(
        "APPC-11",
        D,
        "a mapped verb on a basic conversation is AP_CONVERSATION_TYPE_MIXED",
        flush::appc_11
    ),
    told!(
        "APPC-12",
        D,
        "with the adapter in error or gone, AP_COMM_SUBSYSTEM_ABENDED, and the cause is in the log",
        flush::appc_12,
        flush::appc_12_device_removed
    ),
    told!(
        "APPC-13",
        D,
        "a system call that fails is AP_UNEXPECTED_DOS_ERROR with its number, in native order",
        flush::appc_13,
        flush::appc_13_no_room
    ),
    told!("APPC-14", I, "no verb returns AP_INVALID_VERB_SEGMENT or AP_STACK_TOO_SMALL", any_verbs),
    told!(
        "APPC-15",
        I,
        "bad news of the partner do not fail FLUSH, and the next verb that lists them tells",
        flush::appc_15
    ),
    told!("APPC-16", D, "ALLOCATE alone sends no attach; a FLUSH after it does", flush::appc_16),
    told!(
        "APPC-17",
        D,
        "CONFIRM right behind ALLOCATE tells whether the partner was started",
        flush::appc_17
    ),
    told!("APPC-18", D, "what fills the buffer goes without FLUSH", flush::appc_18),
    told!(
        "APPC-19",
        D,
        "while the partner does not receive, sending waits; when it does, it goes on",
        flush::appc_19
    ),
    told!("APPC-20", D, "RECEIVE_AND_WAIT in SEND sends what is buffered, and the turn", turns::appc_20),
    told!(
        "APPC-21",
        D,
        "PREPARE_TO_RECEIVE FLUSH: all sent, RECEIVE here; SEND there only once it is received",
        turns::appc_21
    ),
    told!(
        "APPC-22",
        D,
        "PREPARE_TO_RECEIVE SYNC_LEVEL: CONFIRM_SEND there, and the verb waits for the answer",
        turns::appc_22
    ),
    told!(
        "APPC-23",
        D,
        "DEALLOCATE FLUSH: the partner gets all data, then AP_DEALLOC_NORMAL",
        turns::appc_23
    ),
    told!(
        "APPC-24",
        D,
        "DEALLOCATE SYNC_LEVEL answered by SEND_ERROR: PROG_ERROR_PURGING, and it lives",
        turns::appc_24
    ),
    told!(
        "APPC-25",
        D,
        "DEALLOCATE ABEND_PROG in SEND: all buffered data first, then AP_DEALLOC_ABEND_PROG",
        turns::appc_25
    ),
    told!("APPC-26", D, "CONFIRM at sync level none is AP_PARAMETER_CHECK with 0x31", turns::appc_26),
    told!("APPC-27", D, "inside a record these verbs fail, and the data stays buffered", turns::appc_27),
    told!("APPC-28", D, "inside a record FLUSH succeeds, and sends the part", turns::appc_28),
    told!(
        "APPC-29",
        D,
        "a record of a length that cannot be is AP_BAD_LL, and nothing of the call is buffered",
        turns::appc_29
    ),
    told!("APPC-30", D, "SEND_ERROR in SEND sends what is buffered and the error, at once", turns::appc_30),
    told!("APPC-31", D, "inside a record the partner gets a truncation, else none", turns::appc_31),
    told!(
        "APPC-32",
        D,
        "SEND_ERROR in RECEIVE: PURGING there, unread data is gone, a request to send is kept",
        turns::appc_32
    ),
    told!(
        "APPC-33",
        D,
        "SEND_ERROR that purges the partner's end returns AP_DEALLOC_NORMAL, state RESET",
        turns::appc_33
    ),
    told!(
        "APPC-34",
        D,
        "in SEND_PENDING err_dir decides between PURGING and NO_TRUNC; elsewhere it is ignored",
        turns::appc_34
    ),
    told!(
        "APPC-35",
        D,
        "a request to send is told once, by whatever verb is next, even with data still buffered",
        turns::appc_35
    ),
    told!("APPC-36", D, "data and turn in one receive give SEND_PENDING, one by one SEND", turns::appc_36),
    told!(
        "APPC-37",
        D,
        "RECEIVE_IMMEDIATE with nothing there is AP_UNSUCCESSFUL, state unchanged",
        turns::appc_37
    ),
    told!("APPC-38", D, "with max_len 0 a receive tells what is next, and consumes no data", turns::appc_38),
    told!(
        "APPC-39",
        D,
        "TP_ENDED in SEND sends the data and a normal end, elsewhere an abend",
        turns::appc_39
    ),
    told!(
        "APPC-40",
        D,
        "while an asynchronous receive is outstanding these verbs are taken, and FLUSH is not",
        turns::appc_40
    ),
    told!("APPC-41", E, "codes stand most significant byte first, on every host", flush::appc_41),
    told!(
        "APPC-42",
        E,
        "a block of 24 bytes is taken, one of 23 is not; the conversation is read at 20",
        flush::appc_42
    ),
];

/// Among all codes of random stories there is none of the two (they are told by the judge of each verb).
fn any_verbs() -> lus::Check {
    lus::partners::stories("appc_14", 14)
}
