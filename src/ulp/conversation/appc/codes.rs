//! Return codes and constants of APPC, by the names and numbers of its header.
//!
//! The numbers are those that a program compares with; in a verb control block most of them stand most
//! significant byte first ([`Appc::call`](super::Appc::call)).

use crate::ulp::conversation::code::{Abend, Code, ErrorType, Notice, Parameter, Refusal};
use std::fmt;

/// How a verb ended: the primary code, and for some of them a secondary one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReturnCode {
    /// `primary_rc`.
    pub primary: u16,
    /// `secondary_rc`; for [`AP_UNEXPECTED_DOS_ERROR`] the system's error number, else 0 if there is none.
    pub secondary: u32,
}

macro_rules! primaries {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: u16 = $number;)*
        const NAMES: &[(u16, &str)] = &[$(($number, stringify!($name)),)*];
    };
}

primaries! {
    /// Done.
    AP_OK = 0x0000;
    /// An argument is wrong.
    AP_PARAMETER_CHECK = 0x0001;
    /// Not in this state.
    AP_STATE_CHECK = 0x0002;
    /// The conversation could not be allocated, or its partner refused it.
    AP_ALLOCATION_ERROR = 0x0003;
    /// The partner program ended abnormally.
    AP_DEALLOC_ABEND_PROG = 0x0006;
    /// A service of the partner ended abnormally.
    AP_DEALLOC_ABEND_SVC = 0x0007;
    /// A timer of the partner ran out.
    AP_DEALLOC_ABEND_TIMER = 0x0008;
    /// The partner has deallocated.
    AP_DEALLOC_NORMAL = 0x0009;
    /// The partner program reports an error, between two records.
    AP_PROG_ERROR_NO_TRUNC = 0x000C;
    /// The partner program reports an error, and cut a record off.
    AP_PROG_ERROR_TRUNC = 0x000D;
    /// The partner program reports an error; data under way to it is lost.
    AP_PROG_ERROR_PURGING = 0x000E;
    /// The connection broke; try again.
    AP_CONV_FAILURE_RETRY = 0x000F;
    /// The protocol was broken; another try is no use.
    AP_CONV_FAILURE_NO_RETRY = 0x0010;
    /// As [`AP_PROG_ERROR_NO_TRUNC`], from a service.
    AP_SVC_ERROR_NO_TRUNC = 0x0011;
    /// As [`AP_PROG_ERROR_TRUNC`], from a service.
    AP_SVC_ERROR_TRUNC = 0x0012;
    /// As [`AP_PROG_ERROR_PURGING`], from a service.
    AP_SVC_ERROR_PURGING = 0x0013;
    /// Nothing is there now.
    AP_UNSUCCESSFUL = 0x0014;
    /// A mapped verb on a basic conversation.
    AP_CONVERSATION_TYPE_MIXED = 0x0019;
    /// Another verb ended it.
    AP_CANCELLED = 0x0021;
    /// Another control verb of the program is outstanding; not returned here, where they do not block.
    AP_TP_BUSY = 0xF002;
    /// The node below is gone: adapter, backend or node. The cause is in the log.
    AP_COMM_SUBSYSTEM_ABENDED = 0xF003;
    /// There is no node.
    AP_COMM_SUBSYSTEM_NOT_LOADED = 0xF004;
    /// Another verb is outstanding on the conversation.
    AP_CONV_BUSY = 0xF005;
    /// The thread waits in a verb already; not returned here, where such a thread makes no call.
    AP_THREAD_BLOCKING = 0xF006;
    /// The block runs over the end of a segment: never returned here.
    AP_INVALID_VERB_SEGMENT = 0xF008;
    /// A system call failed; the secondary code is its error number.
    AP_UNEXPECTED_DOS_ERROR = 0xF011;
    /// The stack of a 16-bit program is too small: never returned here.
    AP_STACK_TOO_SMALL = 0xF015;
    /// There is no such verb.
    AP_INVALID_VERB = 0xFFFF;
}

macro_rules! secondaries {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: u32 = $number;)*
    };
}

secondaries! {
    /// There is no such program, or it has ended.
    AP_BAD_TP_ID = 0x1;
    /// There is no such conversation, or it has ended, or it is another program's.
    AP_BAD_CONV_ID = 0x2;
    /// There is no such local unit.
    AP_BAD_LU_ALIAS = 0x3;
    /// No session, and another attempt is no use.
    AP_ALLOCATION_FAILURE_NO_RETRY = 0x4;
    /// No session now.
    AP_ALLOCATION_FAILURE_RETRY = 0x5;
    /// The data buffer is shorter than it was said to be.
    AP_INVALID_DATA_SEGMENT = 0x6;
    /// Not a basic conversation.
    AP_BAD_CONV_TYPE = 0x11;
    /// Neither none nor confirm.
    AP_BAD_SYNC_LEVEL = 0x12;
    /// No known security type.
    AP_BAD_SECURITY = 0x13;
    /// No known return control.
    AP_BAD_RETURN_CONTROL = 0x14;
    /// Too many initialisation parameters.
    AP_PIP_LEN_INCORRECT = 0x16;
    /// There is no such mode.
    AP_UNKNOWN_PARTNER_MODE = 0x18;
    /// A confirmation, where the conversation has none.
    AP_CONFIRM_ON_SYNC_LEVEL_NONE = 0x31;
    /// CONFIRM: not in SEND.
    AP_CONFIRM_BAD_STATE = 0x32;
    /// CONFIRM: a record is unfinished.
    AP_CONFIRM_NOT_LL_BDY = 0x33;
    /// CONFIRMED: nobody asked.
    AP_CONFIRMED_BAD_STATE = 0x41;
    /// DEALLOCATE: no such type.
    AP_DEALLOC_BAD_TYPE = 0x51;
    /// DEALLOCATE without confirmation: not in SEND.
    AP_DEALLOC_FLUSH_BAD_STATE = 0x52;
    /// DEALLOCATE with confirmation: not in SEND.
    AP_DEALLOC_CONFIRM_BAD_STATE = 0x53;
    /// DEALLOCATE: a record is unfinished.
    AP_DEALLOC_NOT_LL_BDY = 0x55;
    /// DEALLOCATE: the log variable has another length than its data.
    AP_DEALLOC_LOG_LL_WRONG = 0x57;
    /// FLUSH: not in SEND.
    AP_FLUSH_NOT_SEND_STATE = 0x61;
    /// PREPARE_TO_RECEIVE: no such type.
    AP_P_TO_R_INVALID_TYPE = 0xA1;
    /// PREPARE_TO_RECEIVE: a record is unfinished.
    AP_P_TO_R_NOT_LL_BDY = 0xA2;
    /// PREPARE_TO_RECEIVE: not in SEND.
    AP_P_TO_R_NOT_SEND_STATE = 0xA3;
    /// RECEIVE_AND_WAIT: neither in RECEIVE nor in SEND.
    AP_RCV_AND_WAIT_BAD_STATE = 0xB1;
    /// RECEIVE_AND_WAIT: a record is unfinished.
    AP_RCV_AND_WAIT_NOT_LL_BDY = 0xB2;
    /// RECEIVE_AND_WAIT: no such fill.
    AP_RCV_AND_WAIT_BAD_FILL = 0xB5;
    /// RECEIVE_IMMEDIATE: not in RECEIVE.
    AP_RCV_IMMD_BAD_STATE = 0xC1;
    /// RECEIVE_IMMEDIATE: no such fill.
    AP_RCV_IMMD_BAD_FILL = 0xC4;
    /// RECEIVE_AND_POST: neither in RECEIVE nor in SEND.
    AP_RCV_AND_POST_BAD_STATE = 0xD1;
    /// RECEIVE_AND_POST: a record is unfinished.
    AP_RCV_AND_POST_NOT_LL_BDY = 0xD2;
    /// RECEIVE_AND_POST: no such fill.
    AP_RCV_AND_POST_BAD_FILL = 0xD5;
    /// RECEIVE_x: `rtn_status` is neither yes nor no.
    AP_BAD_RETURN_STATUS_WITH_DATA = 0xD7;
    /// REQUEST_TO_SEND: not in RECEIVE, CONFIRM or PENDING_POST.
    AP_R_T_S_BAD_STATE = 0xE1;
    /// SEND_DATA: a record of a length that cannot be.
    AP_BAD_LL = 0xF1;
    /// SEND_DATA: not in SEND.
    AP_SEND_DATA_NOT_SEND_STATE = 0xF2;
    /// SEND_DATA: no such type.
    AP_SEND_DATA_INVALID_TYPE = 0xF4;
    /// SEND_DATA with a confirmation, where the conversation has none.
    AP_SEND_DATA_CONFIRM_SYNC_NONE = 0xF5;
    /// SEND_DATA: a record is unfinished.
    AP_SEND_DATA_NOT_LL_BDY = 0xF6;
    /// SEND_ERROR: the log variable has another length than its data.
    AP_SEND_ERROR_LOG_LL_WRONG = 0x102;
    /// SEND_ERROR: no such type.
    AP_SEND_ERROR_BAD_TYPE = 0x103;
    /// SEND_ERROR: no such direction.
    AP_BAD_ERROR_DIRECTION = 0x105;
    /// There is no such partner.
    AP_BAD_PARTNER_LU_ALIAS = 0x15B;
    /// TP_ENDED: no such type.
    AP_BAD_TYPE = 0x250;
    /// RECEIVE_ALLOCATE: no such program is defined.
    AP_UNDEFINED_TP_NAME = 0x506;
    /// RECEIVE_ALLOCATE: no attach came in time.
    AP_ALLOCATE_NOT_PENDING = 0x509;
    /// The user is not known, or his password is another.
    AP_SECURITY_NOT_VALID = 0x080F_6051;
    /// The program cannot be started now.
    AP_TRANS_PGM_NOT_AVAIL_RETRY = 0x084B_6031;
    /// The program cannot be started.
    AP_TRANS_PGM_NOT_AVAIL_NO_RETRY = 0x084C_0000;
    /// The partner unit knows no such program.
    AP_TP_NAME_NOT_RECOGNIZED = 0x1008_6021;
    /// The program takes no parameters.
    AP_PIP_NOT_ALLOWED = 0x1008_6031;
    /// The program takes other parameters.
    AP_PIP_NOT_SPECIFIED_CORRECTLY = 0x1008_6032;
    /// The program wants another type of conversation.
    AP_CONVERSATION_TYPE_MISMATCH = 0x1008_6034;
    /// The program cannot confirm.
    AP_SYNC_LEVEL_NOT_SUPPORTED = 0x1008_6041;
}

/// `what_rcvd`: nothing.
pub const AP_NONE: u16 = 0x0000;
/// `what_rcvd`: bytes, whatever records they are of.
pub const AP_DATA: u16 = 0x0001;
/// `what_rcvd`: a record to its end.
pub const AP_DATA_COMPLETE: u16 = 0x0002;
/// `what_rcvd`: a part of a record that goes on.
pub const AP_DATA_INCOMPLETE: u16 = 0x0004;
/// `what_rcvd`: the turn.
pub const AP_SEND: u16 = 0x0100;
/// `what_rcvd`: a request to confirm.
pub const AP_CONFIRM_WHAT_RECEIVED: u16 = 0x0200;
/// `what_rcvd`: a request to confirm, and with the answer the turn.
pub const AP_CONFIRM_SEND: u16 = 0x0300;
/// `what_rcvd`: a request to confirm, and with the answer the end.
pub const AP_CONFIRM_DEALLOCATE: u16 = 0x0400;

impl ReturnCode {
    /// Done.
    pub const OK: Self = Self { primary: AP_OK, secondary: 0 };

    /// A primary code that needs no secondary one.
    pub const fn of(primary: u16) -> Self {
        Self { primary, secondary: 0 }
    }

    /// AP_PARAMETER_CHECK with that secondary code.
    pub const fn parameter(secondary: u32) -> Self {
        Self { primary: AP_PARAMETER_CHECK, secondary }
    }

    /// AP_STATE_CHECK with that secondary code.
    pub const fn state(secondary: u32) -> Self {
        Self { primary: AP_STATE_CHECK, secondary }
    }

    /// It is AP_OK.
    pub const fn is_ok(self) -> bool {
        self.primary == AP_OK
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.primary) {
            Some((_, name)) => f.write_str(name)?,
            None => write!(f, "{:#06x}", self.primary)?,
        }
        if self.secondary != 0 {
            write!(f, ", {:#010x}", self.secondary)?;
        }
        Ok(())
    }
}

/// The secondary codes that a verb has of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// The verb, for the log.
    pub(super) name: &'static str,
    pub(super) bad_state: u32,
    pub(super) not_boundary: u32,
    pub(super) sync_none: u32,
    pub(super) log_length: u32,
}

const fn own(name: &'static str, bad_state: u32, not_boundary: u32) -> Own {
    let sync_none = AP_CONFIRM_ON_SYNC_LEVEL_NONE;
    Own { name, bad_state, not_boundary, sync_none, log_length: AP_DEALLOC_LOG_LL_WRONG }
}

pub(super) const SEND_DATA: Own = Own {
    sync_none: AP_SEND_DATA_CONFIRM_SYNC_NONE,
    ..own("SEND_DATA", AP_SEND_DATA_NOT_SEND_STATE, AP_SEND_DATA_NOT_LL_BDY)
};
pub(super) const FLUSH: Own = own("FLUSH", AP_FLUSH_NOT_SEND_STATE, 0);
pub(super) const CONFIRM: Own = own("CONFIRM", AP_CONFIRM_BAD_STATE, AP_CONFIRM_NOT_LL_BDY);
pub(super) const CONFIRMED: Own = own("CONFIRMED", AP_CONFIRMED_BAD_STATE, 0);
pub(super) const PREPARE_TO_RECEIVE: Own =
    own("PREPARE_TO_RECEIVE", AP_P_TO_R_NOT_SEND_STATE, AP_P_TO_R_NOT_LL_BDY);
pub(super) const RECEIVE_AND_WAIT: Own =
    own("RECEIVE_AND_WAIT", AP_RCV_AND_WAIT_BAD_STATE, AP_RCV_AND_WAIT_NOT_LL_BDY);
pub(super) const RECEIVE_IMMEDIATE: Own = own("RECEIVE_IMMEDIATE", AP_RCV_IMMD_BAD_STATE, 0);
pub(super) const RECEIVE_AND_POST: Own =
    own("RECEIVE_AND_POST", AP_RCV_AND_POST_BAD_STATE, AP_RCV_AND_POST_NOT_LL_BDY);
pub(super) const REQUEST_TO_SEND: Own = own("REQUEST_TO_SEND", AP_R_T_S_BAD_STATE, 0);
pub(super) const TEST_RTS: Own = own("TEST_RTS", 0, 0);
pub(super) const SEND_ERROR: Own = Own { log_length: AP_SEND_ERROR_LOG_LL_WRONG, ..own("SEND_ERROR", 0, 0) };
pub(super) const DEALLOCATE: Own = own("DEALLOCATE", AP_DEALLOC_FLUSH_BAD_STATE, AP_DEALLOC_NOT_LL_BDY);
pub(super) const DEALLOCATE_CONFIRM: Own = Own { bad_state: AP_DEALLOC_CONFIRM_BAD_STATE, ..DEALLOCATE };
pub(super) const TP_STARTED: Own = own("TP_STARTED", 0, 0);
pub(super) const RECEIVE_ALLOCATE: Own = own("RECEIVE_ALLOCATE", 0, 0);
pub(super) const ALLOCATE: Own = own("ALLOCATE", 0, 0);

/// What `code` is called for that verb.
pub(super) fn return_code(own: &Own, code: Code) -> ReturnCode {
    let primary = match code {
        Code::Ok => AP_OK,
        Code::Refused(refusal) => return refused(refusal),
        Code::Abend(Abend::Program) => AP_DEALLOC_ABEND_PROG,
        Code::Abend(Abend::Service) => AP_DEALLOC_ABEND_SVC,
        Code::Abend(Abend::Timer) => AP_DEALLOC_ABEND_TIMER,
        Code::DeallocatedNormal => AP_DEALLOC_NORMAL,
        Code::Error(ErrorType::Program, Notice::NoTruncation) => AP_PROG_ERROR_NO_TRUNC,
        Code::Error(ErrorType::Program, Notice::Truncation) => AP_PROG_ERROR_TRUNC,
        Code::Error(ErrorType::Program, Notice::Purging) => AP_PROG_ERROR_PURGING,
        Code::Error(ErrorType::Service, Notice::NoTruncation) => AP_SVC_ERROR_NO_TRUNC,
        Code::Error(ErrorType::Service, Notice::Truncation) => AP_SVC_ERROR_TRUNC,
        Code::Error(ErrorType::Service, Notice::Purging) => AP_SVC_ERROR_PURGING,
        Code::FailureRetry => AP_CONV_FAILURE_RETRY,
        Code::FailureNoRetry => AP_CONV_FAILURE_NO_RETRY,
        Code::Unsuccessful => AP_UNSUCCESSFUL,
        Code::Cancelled => AP_CANCELLED,
        Code::BadState => return ReturnCode::state(own.bad_state),
        Code::NotBoundary => return ReturnCode::state(own.not_boundary),
        Code::Bad(Parameter::ConfirmOnSyncLevelNone) => return ReturnCode::parameter(own.sync_none),
        Code::Bad(Parameter::RecordLength) => return ReturnCode::parameter(AP_BAD_LL),
        Code::Bad(Parameter::LogLength) => return ReturnCode::parameter(own.log_length),
        Code::Busy => AP_CONV_BUSY,
        Code::NodeDown => AP_COMM_SUBSYSTEM_ABENDED,
        Code::System(number) => {
            return ReturnCode { primary: AP_UNEXPECTED_DOS_ERROR, secondary: number as u32 };
        }
    };
    ReturnCode::of(primary)
}

fn refused(refusal: Refusal) -> ReturnCode {
    let secondary = match refusal {
        Refusal::FailureNoRetry => AP_ALLOCATION_FAILURE_NO_RETRY,
        Refusal::FailureRetry => AP_ALLOCATION_FAILURE_RETRY,
        other => other.sense().0, // the same numbers, by design of the original
    };
    ReturnCode { primary: AP_ALLOCATION_ERROR, secondary }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_numbers_of_the_header() {
        for (refusal, secondary) in [
            (Refusal::FailureNoRetry, AP_ALLOCATION_FAILURE_NO_RETRY),
            (Refusal::FailureRetry, AP_ALLOCATION_FAILURE_RETRY),
            (Refusal::SecurityNotValid, AP_SECURITY_NOT_VALID),
            (Refusal::ProgramNotAvailableRetry, AP_TRANS_PGM_NOT_AVAIL_RETRY),
            (Refusal::ProgramNotAvailableNoRetry, AP_TRANS_PGM_NOT_AVAIL_NO_RETRY),
            (Refusal::ProgramNameNotRecognized, AP_TP_NAME_NOT_RECOGNIZED),
            (Refusal::PipNotAllowed, AP_PIP_NOT_ALLOWED),
            (Refusal::PipNotSpecifiedCorrectly, AP_PIP_NOT_SPECIFIED_CORRECTLY),
            (Refusal::ConversationTypeMismatch, AP_CONVERSATION_TYPE_MISMATCH),
            (Refusal::SyncLevelNotSupported, AP_SYNC_LEVEL_NOT_SUPPORTED),
        ] {
            let code = return_code(&ALLOCATE, Code::Refused(refusal));
            assert_eq!(code, ReturnCode { primary: AP_ALLOCATION_ERROR, secondary });
        }
    }

    #[test]
    fn a_code_is_shown_by_its_name() {
        let text = ReturnCode::state(AP_FLUSH_NOT_SEND_STATE).to_string();
        assert_eq!(text, "AP_STATE_CHECK, 0x00000061");
        assert_eq!(ReturnCode::OK.to_string(), "AP_OK");
    }
}
