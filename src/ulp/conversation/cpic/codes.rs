//! Return codes and constants of CPI-C, by the names and numbers of its header.

use crate::ulp::conversation::code::{Abend, Code, ErrorType, Notice, Refusal};
use std::fmt;

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReturnCode(pub i32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: ReturnCode = ReturnCode($number);)*
        /// Every code with its name.
        pub const ALL: &[(ReturnCode, &str)] = &[$(($name, stringify!($name)),)*];
    };
}

codes! {
    /// Done.
    CM_OK = 0;
    /// No session, and another attempt is no use.
    CM_ALLOCATE_FAILURE_NO_RETRY = 1;
    /// No session now.
    CM_ALLOCATE_FAILURE_RETRY = 2;
    /// The program wants another type of conversation.
    CM_CONVERSATION_TYPE_MISMATCH = 3;
    /// The program takes other parameters, or none.
    CM_PIP_NOT_SPECIFIED_CORRECTLY = 5;
    /// The user is not known, or his password is another.
    CM_SECURITY_NOT_VALID = 6;
    /// The unit cannot confirm.
    CM_SYNC_LVL_NOT_SUPPORTED_LU = 7;
    /// The program cannot confirm.
    CM_SYNC_LVL_NOT_SUPPORTED_PGM = 8;
    /// The partner unit knows no such program.
    CM_TPN_NOT_RECOGNIZED = 9;
    /// The program cannot be started.
    CM_TP_NOT_AVAILABLE_NO_RETRY = 10;
    /// The program cannot be started now.
    CM_TP_NOT_AVAILABLE_RETRY = 11;
    /// The partner program ended abnormally, or this call was cancelled.
    CM_DEALLOCATED_ABEND = 17;
    /// The partner has deallocated.
    CM_DEALLOCATED_NORMAL = 18;
    /// A characteristic does not fit the call.
    CM_PARAMETER_ERROR = 19;
    /// The system or this library is at fault; the cause is in the log.
    CM_PRODUCT_SPECIFIC_ERROR = 20;
    /// The partner program reports an error, between two records.
    CM_PROGRAM_ERROR_NO_TRUNC = 21;
    /// The partner program reports an error; data under way to it is lost.
    CM_PROGRAM_ERROR_PURGING = 22;
    /// The partner program reports an error, and cut a record off.
    CM_PROGRAM_ERROR_TRUNC = 23;
    /// An argument is wrong.
    CM_PROGRAM_PARAMETER_CHECK = 24;
    /// Not in this state.
    CM_PROGRAM_STATE_CHECK = 25;
    /// The protocol was broken; another try is no use.
    CM_RESOURCE_FAILURE_NO_RETRY = 26;
    /// The connection broke; try again.
    CM_RESOURCE_FAILURE_RETRY = 27;
    /// Nothing is there now, or another call took the place of this one.
    CM_UNSUCCESSFUL = 28;
    /// A service of the partner ended abnormally.
    CM_DEALLOCATED_ABEND_SVC = 30;
    /// A timer of the partner ran out.
    CM_DEALLOCATED_ABEND_TIMER = 31;
    /// As [`CM_PROGRAM_ERROR_NO_TRUNC`], from a service.
    CM_SVC_ERROR_NO_TRUNC = 32;
    /// As [`CM_PROGRAM_ERROR_PURGING`], from a service.
    CM_SVC_ERROR_PURGING = 33;
    /// As [`CM_PROGRAM_ERROR_TRUNC`], from a service.
    CM_SVC_ERROR_TRUNC = 34;
    /// Non-blocking only: it goes on; wait for it, or cancel the conversation.
    CM_OPERATION_INCOMPLETE = 35;
    /// Woken for another reason; not returned here.
    CM_SYSTEM_EVENT = 36;
    /// A previous operation on this conversation is incomplete.
    CM_OPERATION_NOT_ACCEPTED = 37;
}

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: i32 = $number;)*
    };
}

values! {
    /// `cmsct`: basic.
    CM_BASIC_CONVERSATION = 0;
    /// `cmsct`: mapped, which is not modelled.
    CM_MAPPED_CONVERSATION = 1;
    /// `cmssl`: no confirmation.
    CM_NONE = 0;
    /// `cmssl`: either side may ask for a confirmation.
    CM_CONFIRM = 1;
    /// `cmspm`: calls return when they are done.
    CM_BLOCKING = 0;
    /// `cmspm`: calls that cannot end at once return [`CM_OPERATION_INCOMPLETE`].
    CM_NON_BLOCKING = 1;
    /// `cmsst`: data is buffered.
    CM_BUFFER_DATA = 0;
    /// `cmsst`: as with a `cmflus` behind it.
    CM_SEND_AND_FLUSH = 1;
    /// `cmsst`: as with a `cmcfm` behind it.
    CM_SEND_AND_CONFIRM = 2;
    /// `cmsst`: as with a `cmptr` behind it.
    CM_SEND_AND_PREP_TO_RECEIVE = 3;
    /// `cmsst`: as with a `cmdeal` behind it.
    CM_SEND_AND_DEALLOCATE = 4;
    /// `cmsrt`: wait.
    CM_RECEIVE_AND_WAIT = 0;
    /// `cmsrt`: what is here.
    CM_RECEIVE_IMMEDIATE = 1;
    /// `cmsdt`: with a confirmation, if the conversation has them.
    CM_DEALLOCATE_SYNC_LEVEL = 0;
    /// `cmsdt`: without.
    CM_DEALLOCATE_FLUSH = 1;
    /// `cmsdt`: with a confirmation.
    CM_DEALLOCATE_CONFIRM = 2;
    /// `cmsdt`: abnormally.
    CM_DEALLOCATE_ABEND = 3;
    /// `cmsptr`: with a confirmation, if the conversation has them.
    CM_PREP_TO_RECEIVE_SYNC_LEVEL = 0;
    /// `cmsptr`: without.
    CM_PREP_TO_RECEIVE_FLUSH = 1;
    /// `cmsptr`: with a confirmation.
    CM_PREP_TO_RECEIVE_CONFIRM = 2;
    /// `cmsed`: the error is in what was received.
    CM_RECEIVE_ERROR = 0;
    /// `cmsed`: the error is in what was to be sent.
    CM_SEND_ERROR = 1;
    /// `cmsf`: one record.
    CM_FILL_LL = 0;
    /// `cmsf`: bytes, whatever records they are of.
    CM_FILL_BUFFER = 1;
    /// `cmsrc`: wait for a session.
    CM_WHEN_SESSION_ALLOCATED = 0;
    /// `cmsrc`: only if there is one at once.
    CM_IMMEDIATE = 1;
    /// `cmscst`: none.
    CM_SECURITY_NONE = 0;
    /// `cmscst`: the user of this side, whom the unit vouches for.
    CM_SECURITY_SAME = 1;
    /// `cmscst`: user and password.
    CM_SECURITY_PROGRAM = 2;
    /// `data_received`: none.
    CM_NO_DATA_RECEIVED = 0;
    /// `data_received`: bytes, whatever records they are of.
    CM_DATA_RECEIVED = 1;
    /// `data_received`: a record to its end.
    CM_COMPLETE_DATA_RECEIVED = 2;
    /// `data_received`: a part of a record that goes on.
    CM_INCOMPLETE_DATA_RECEIVED = 3;
    /// `status_received`: nothing.
    CM_NO_STATUS_RECEIVED = 0;
    /// `status_received`: the turn.
    CM_SEND_RECEIVED = 1;
    /// `status_received`: a request to confirm.
    CM_CONFIRM_RECEIVED = 2;
    /// `status_received`: a request to confirm, and with the answer the turn.
    CM_CONFIRM_SEND_RECEIVED = 3;
    /// `status_received`: a request to confirm, and with the answer the end.
    CM_CONFIRM_DEALLOC_RECEIVED = 4;
    /// `cmecs`: there are characteristics and no partner.
    CM_INITIALIZE_STATE = 2;
    /// `cmecs`: the program may send.
    CM_SEND_STATE = 3;
    /// `cmecs`: the program may receive.
    CM_RECEIVE_STATE = 4;
    /// `cmecs`: data and the turn came together.
    CM_SEND_PENDING_STATE = 5;
    /// `cmecs`: the partner waits for a confirmation.
    CM_CONFIRM_STATE = 6;
    /// `cmecs`: the same, and takes the turn with it.
    CM_CONFIRM_SEND_STATE = 7;
    /// `cmecs`: the same, and the conversation is over with it.
    CM_CONFIRM_DEALLOCATE_STATE = 8;
    /// `cmecs`: a number without a way in, here as in the original.
    CM_INITIALIZE_INCOMING_STATE = 14;
}

impl ReturnCode {
    /// It is CM_OK.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ALL.iter().find(|(code, _)| code == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl From<Code> for ReturnCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Ok => CM_OK,
            Code::Refused(refusal) => refused(refusal),
            Code::Abend(Abend::Program) => CM_DEALLOCATED_ABEND,
            Code::Abend(Abend::Service) => CM_DEALLOCATED_ABEND_SVC,
            Code::Abend(Abend::Timer) => CM_DEALLOCATED_ABEND_TIMER,
            Code::DeallocatedNormal => CM_DEALLOCATED_NORMAL,
            Code::Error(ErrorType::Program, Notice::NoTruncation) => CM_PROGRAM_ERROR_NO_TRUNC,
            Code::Error(ErrorType::Program, Notice::Truncation) => CM_PROGRAM_ERROR_TRUNC,
            Code::Error(ErrorType::Program, Notice::Purging) => CM_PROGRAM_ERROR_PURGING,
            Code::Error(ErrorType::Service, Notice::NoTruncation) => CM_SVC_ERROR_NO_TRUNC,
            Code::Error(ErrorType::Service, Notice::Truncation) => CM_SVC_ERROR_TRUNC,
            Code::Error(ErrorType::Service, Notice::Purging) => CM_SVC_ERROR_PURGING,
            Code::FailureRetry => CM_RESOURCE_FAILURE_RETRY,
            Code::FailureNoRetry => CM_RESOURCE_FAILURE_NO_RETRY,
            Code::Unsuccessful | Code::Cancelled => CM_UNSUCCESSFUL,
            Code::BadState | Code::NotBoundary => CM_PROGRAM_STATE_CHECK,
            Code::Bad(_) => CM_PROGRAM_PARAMETER_CHECK,
            Code::Busy => CM_OPERATION_NOT_ACCEPTED,
            Code::NodeDown | Code::System(_) => CM_PRODUCT_SPECIFIC_ERROR,
        }
    }
}

fn refused(refusal: Refusal) -> ReturnCode {
    match refusal {
        Refusal::FailureNoRetry => CM_ALLOCATE_FAILURE_NO_RETRY,
        Refusal::FailureRetry => CM_ALLOCATE_FAILURE_RETRY,
        Refusal::ConversationTypeMismatch => CM_CONVERSATION_TYPE_MISMATCH,
        Refusal::PipNotAllowed | Refusal::PipNotSpecifiedCorrectly => CM_PIP_NOT_SPECIFIED_CORRECTLY,
        Refusal::SecurityNotValid => CM_SECURITY_NOT_VALID,
        Refusal::SyncLevelNotSupported => CM_SYNC_LVL_NOT_SUPPORTED_PGM,
        Refusal::ProgramNameNotRecognized => CM_TPN_NOT_RECOGNIZED,
        Refusal::ProgramNotAvailableNoRetry => CM_TP_NOT_AVAILABLE_NO_RETRY,
        Refusal::ProgramNotAvailableRetry => CM_TP_NOT_AVAILABLE_RETRY,
    }
}
