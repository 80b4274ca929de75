//! The statements about CPI-C calls.
//!
//! May come in: checks of `ulp::conversation::cpic` by their numbers. Not here: two whole units (`lus`).

mod calls;

use super::{D, E, I, Statement, lus, told};

pub(super) const STATEMENTS: &[Statement] = &[
    told!("CPIC-1", D, "cmflus sends all that is buffered; with nothing there, no frame", calls::cpic_1),
    told!("CPIC-2", D, "cmflus in SEND_PENDING leaves SEND", calls::cpic_2),
    told!(
        "CPIC-3",
        D,
        "cmflus in INITIALIZE, RECEIVE or a confirm state is a state check, state unchanged",
        calls::cpic_3
    ),
    told!("CPIC-4", D, "an unknown identifier is CM_PROGRAM_PARAMETER_CHECK", calls::cpic_4),
    told!(
        "CPIC-5",
        D,
        "while an operation is outstanding cmflus is not accepted, state unchanged",
        calls::cpic_5
    ),
    told!(
        "CPIC-6",
        D,
        "in non-blocking mode without credit cmflus is incomplete, state unchanged",
        calls::cpic_6_8
    ),
    told!("CPIC-7", D, "in blocking mode cmflus waits, and is never incomplete", calls::cpic_7),
    told!("CPIC-8", D, "cmwait names the conversation whose cmflus has ended, and its code", calls::cpic_6_8),
    told!("CPIC-9", D, "cmwait with nothing outstanding is CM_PROGRAM_STATE_CHECK", calls::cpic_9),
    told!(
        "CPIC-10",
        D,
        "cmcanc ends a flush under way, and the partner sees an abend of a service",
        calls::cpic_10
    ),
    told!(
        "CPIC-11",
        D,
        "when our device fails cmflus is CM_PRODUCT_SPECIFIC_ERROR, with one event in the log",
        calls::cpic_11
    ),
    told!("CPIC-12", D, "cmallc alone sends nothing", calls::cpic_12, calls::cpic_12_refused),
    told!(
        "CPIC-13",
        D,
        "cmserr in SEND sends what was buffered before; the notice is there after cmflus",
        calls::cpic_13
    ),
    told!(
        "CPIC-14",
        D,
        "a send type equals the call of that name behind cmsend, in codes and states",
        calls::cpic_14
    ),
    told!("CPIC-15", D, "more than 32,767 bytes are CM_PROGRAM_PARAMETER_CHECK", calls::cpic_15),
    told!("CPIC-16", D, "what asks for confirmations is refused at sync level none", calls::cpic_16),
    told!("CPIC-17", D, "sync level none is refused while something asks for confirmations", calls::cpic_17),
    told!("CPIC-18", D, "type and sync level are settled outside INITIALIZE", calls::cpic_18),
    told!("CPIC-19", D, "after cminit characteristics are the documented ones", calls::cpic_19),
    told!("CPIC-20", D, "cmcfm in SEND_PENDING leads to SEND", calls::cpic_20_21),
    told!("CPIC-21", D, "cmcfmd leads to RECEIVE, SEND or RESET, as the request said", calls::cpic_20_21),
    told!("CPIC-22", D, "data with the turn gives SEND_PENDING, the turn alone SEND", calls::cpic_22),
    told!(
        "CPIC-23",
        D,
        "an immediate receive with nothing there is CM_UNSUCCESSFUL; in SEND, a state check",
        calls::cpic_23
    ),
    told!(
        "CPIC-24",
        D,
        "in SEND_PENDING the error direction decides between PURGING and NO_TRUNC",
        calls::cpic_24
    ),
    told!("CPIC-25", D, "cmspm with an operation outstanding is a state check", calls::cpic_25),
    told!(
        "CPIC-26",
        D,
        "while a receive is outstanding these calls are taken, and cmflus is not",
        calls::cpic_26
    ),
    told!("CPIC-27", D, "however often the turn is asked for, it is told once", calls::cpic_27),
    told!(
        "CPIC-28",
        D,
        "log data reaches the partner's unit with an error or abend, and is gone here",
        calls::cpic_28
    ),
    told!("CPIC-29", E, "the return codes have their documented numbers", calls::cpic_29),
    told!("CPIC-30", I, "partners on the two faces are in the states of their tables", any_calls),
];

/// Random stories of both faces agree with the tables of the reference.
fn any_calls() -> lus::Check {
    lus::partners::stories("cpic_30", 30)
}
