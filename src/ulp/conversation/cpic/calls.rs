//! Calls that talk with a partner, or get one.

use super::characteristics::Characteristics;
use super::codes::*;
use super::wait::{Done, Ended};
use super::{Conversation, ConversationId, Program};
use crate::observe;
use crate::ulp::conversation::allocation::{self, Share};
use crate::ulp::conversation::attach::{Attach, SyncLevel};
use crate::ulp::conversation::code::{Abend, Code, ErrorType};
use crate::ulp::conversation::half::{After, Confirming, DataReceived, Fill, Receive, Verb, Waiting};
use crate::ulp::conversation::lu::{NoAttach, Partner, next_attach};
use crate::ulp::conversation::node::lock;
use crate::ulp::conversation::session::Session;
use crate::ulp::conversation::state::{Action, Face, Move, State, StatusReceived, next};
use std::sync::Arc;

/// What a call has brought that may be told of a request for the turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// `return_code`.
    pub return_code: ReturnCode,
    /// `request_to_send_received`: the partner asks for the turn.
    pub request_to_send_received: bool,
}

/// What a receive has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// `return_code`.
    pub return_code: ReturnCode,
    /// `data_received`: [`CM_COMPLETE_DATA_RECEIVED`] and its fellows.
    pub data_received: i32,
    /// `status_received`: [`CM_SEND_RECEIVED`] and its fellows.
    pub status_received: i32,
    /// `request_to_send_received`: the partner asks for the turn.
    pub request_to_send_received: bool,
    /// `buffer`, of `received_length`.
    pub data: Vec<u8>,
}

impl From<Ended> for Sent {
    fn from(ended: Ended) -> Self {
        Self { return_code: ended.code, request_to_send_received: ended.outcome.request_to_send }
    }
}

impl From<Ended> for Received {
    fn from(ended: Ended) -> Self {
        let received = ended.outcome.received;
        let data_received = match received.data {
            DataReceived::None => CM_NO_DATA_RECEIVED,
            DataReceived::Data => CM_DATA_RECEIVED,
            DataReceived::Complete => CM_COMPLETE_DATA_RECEIVED,
            DataReceived::Incomplete => CM_INCOMPLETE_DATA_RECEIVED,
        };
        let status_received = match received.status {
            StatusReceived::None => CM_NO_STATUS_RECEIVED,
            StatusReceived::Send => CM_SEND_RECEIVED,
            StatusReceived::Confirm => CM_CONFIRM_RECEIVED,
            StatusReceived::ConfirmSend => CM_CONFIRM_SEND_RECEIVED,
            StatusReceived::ConfirmDeallocate => CM_CONFIRM_DEALLOC_RECEIVED,
        };
        Self {
            return_code: ended.code,
            data_received,
            status_received,
            request_to_send_received: ended.outcome.request_to_send,
            data: received.bytes,
        }
    }
}

/// Bytes of one send or receive at most; shorter than APPC's.
const LENGTH_MAX: usize = 32_767;

/// Identifies an error log variable of the general data stream.
const ERROR_LOG: [u8; 2] = [0x12, 0xE1];

impl Program {
    /// Initialize_Conversation: a conversation in INITIALIZE, with what the side information says.
    ///
    /// Blanks: no side information.
    ///
    /// # Errors
    /// CM_PROGRAM_PARAMETER_CHECK: there is no such side information.
    pub fn cminit(&self, sym_dest_name: &str) -> Result<ConversationId, ReturnCode> {
        let mut characteristics = Characteristics::default();
        let name = sym_dest_name.trim_end();
        if !name.is_empty() {
            let side = self.lu.side_information(name).ok_or(CM_PROGRAM_PARAMETER_CHECK)?;
            (characteristics.mode_name, characteristics.tp_name) = (side.mode, side.tp_name);
            characteristics.partner_lu_name = side.partner_lu;
            characteristics.set_security(side.security);
        }
        Ok(self.keep(Conversation::new(characteristics, None)))
    }

    /// Accept_Conversation: a conversation in RECEIVE, for which a partner has asked by one of the names.
    ///
    /// Waits as long as the node's [`Options`](crate::ulp::conversation::Options) say.
    ///
    /// # Errors
    /// CM_PROGRAM_STATE_CHECK: none came in time, or the unit knows none of the names.
    /// CM_PRODUCT_SPECIFIC_ERROR.
    pub fn cmaccp(&self) -> Result<ConversationId, ReturnCode> {
        let names = lock(&self.names).clone();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let units = [Arc::clone(&self.lu)];
        let share = next_attach(&self.lu.node, &units, &names).map_err(|why| match why {
            NoAttach::UnknownProgram | NoAttach::TimedOut => CM_PROGRAM_STATE_CHECK,
            NoAttach::NodeDown => self.told("cmaccp", Code::NodeDown),
        })?;
        share.session.set_owner(&self.event);
        let characteristics = accepted(&share.session);
        Ok(self.keep(Conversation::new(characteristics, Some(share))))
    }

    /// Specify_Local_TP_Name: one more name to be invoked by, up to 64 bytes.
    pub fn cmsltp(&self, tp_name: &str) -> ReturnCode {
        if tp_name.is_empty() || tp_name.len() > 64 {
            return CM_PROGRAM_PARAMETER_CHECK;
        }
        lock(&self.names).push(tp_name.to_owned());
        CM_OK
    }

    /// Allocate: a session, and SEND; nothing is sent before a flush.
    ///
    /// A conversation of mapped type, the default, is CM_PARAMETER_ERROR: see `cmsct`. So is a partner,
    /// mode or name that is not known.
    pub fn cmallc(&self, id: &ConversationId) -> ReturnCode {
        let ended = self.operate(id, "cmallc", |conversation| {
            if next(Face::Cpic, conversation.state(), Action::Allocate) == Move::Refused {
                return Err(CM_PROGRAM_STATE_CHECK);
            }
            let (partner, attach) = self.judge_allocate(&conversation.characteristics)?;
            let allocated = allocation::allocate(&self.lu, &partner, attach, &self.event);
            Ok(allocated.map(Done::Allocated))
        });
        ended.code
    }

    fn judge_allocate(&self, of: &Characteristics) -> Result<(Partner, Attach), ReturnCode> {
        if of.conversation_type != CM_BASIC_CONVERSATION {
            let what = "cmallc of a mapped conversation: call cmsct with CM_BASIC_CONVERSATION first";
            observe::emit(observe::Event::ConversationHint { what });
            return Err(CM_PARAMETER_ERROR);
        }
        let partner = self.lu.partner(of.partner_lu_name.trim_end()).ok_or(CM_PARAMETER_ERROR)?;
        let tp_name = of.tp_name.trim_end();
        if tp_name.is_empty() || !self.lu.knows_mode(of.mode_name.trim_end()) {
            return Err(CM_PARAMETER_ERROR);
        }
        let attach = Attach {
            mapped: false,
            sync_level: of.sync(),
            tp_name: tp_name.to_owned(),
            mode: of.mode_name.trim_end().to_owned(),
            partner_lu: partner.name.clone(),
            local_lu: self.lu.name.clone(),
            security: of.security(),
            pip: Vec::new(),
        };
        Ok((partner, attach))
    }

    /// Send_Data: puts records or parts of them into the send buffer, up to 32,767 bytes.
    ///
    /// The send type says what follows.
    pub fn cmsend(&self, id: &ConversationId, buffer: &[u8]) -> Sent {
        let call = |conversation: &mut Conversation| {
            within(conversation, buffer.len(), Action::SendData)?;
            let after = conversation.characteristics.after_send();
            Ok(conversation.begin(Verb::SendData { bytes: buffer, after }))
        };
        self.verb(id, "cmsend", Action::SendData, call).into()
    }

    /// Flush: sends what the local send buffer holds.
    ///
    /// That is the bytes of `cmsend`, the request of `cmallc` and the notice of `cmserr`. With nothing in it,
    /// nothing happens. Allowed in SEND and SEND_PENDING; CM_OK leaves SEND, no other code changes the state.
    /// It ends when the last byte is posted, for which the partner's credit is needed.
    ///
    /// | code | when |
    /// |---|---|
    /// | CM_OK | all was sent, or nothing was there |
    /// | CM_OPERATION_NOT_ACCEPTED | a previous operation on this conversation is incomplete |
    /// | CM_OPERATION_INCOMPLETE | non-blocking only: still sending; wait or cancel |
    /// | CM_PROGRAM_PARAMETER_CHECK | no such conversation |
    /// | CM_PROGRAM_STATE_CHECK | any other state |
    /// | CM_PRODUCT_SPECIFIC_ERROR | our fault or the system's; logged, always, with the cause |
    pub fn cmflus(&self, id: &ConversationId) -> ReturnCode {
        self.plain(id, "cmflus", Action::Flush, Verb::Flush).code
    }

    /// Receive: data, a status, or both, up to `requested_length` bytes (0 to 32,767).
    ///
    /// The receive type says whether it waits, the fill what it brings. In SEND it sends all and the turn
    /// first, if it waits.
    pub fn cmrcv(&self, id: &ConversationId, requested_length: usize) -> Received {
        let call = |conversation: &mut Conversation| {
            within(conversation, requested_length, Action::ReceiveAndWait)?;
            let receive = conversation.characteristics.receive(requested_length);
            Ok(conversation.begin(Verb::Receive(receive)))
        };
        self.verb(id, "cmrcv", Action::ReceiveAndWait, call).into()
    }

    /// Prepare_To_Receive: sends all, and with it the turn; its type says with which confirmation.
    pub fn cmptr(&self, id: &ConversationId) -> ReturnCode {
        let call = |conversation: &mut Conversation| {
            let confirming = conversation.characteristics.prepare();
            Ok(conversation.begin(Verb::PrepareToReceive(confirming)))
        };
        self.verb(id, "cmptr", Action::PrepareToReceive, call).code
    }

    /// Confirm: sends all, asks the partner to confirm, and waits for the answer.
    pub fn cmcfm(&self, id: &ConversationId) -> Sent {
        self.plain(id, "cmcfm", Action::Confirm, Verb::Confirm).into()
    }

    /// Confirmed: answers the partner's request to confirm.
    pub fn cmcfmd(&self, id: &ConversationId) -> ReturnCode {
        self.plain(id, "cmcfmd", Action::Confirmed, Verb::Confirmed).code
    }

    /// Request_To_Send: asks the partner for the turn, at once.
    pub fn cmrts(&self, id: &ConversationId) -> ReturnCode {
        self.plain(id, "cmrts", Action::RequestToSend, Verb::RequestToSend).code
    }

    /// Test_Request_To_Send_Received: whether the partner asks for the turn; told once.
    pub fn cmtrts(&self, id: &ConversationId) -> Sent {
        let ended = self.plain(id, "cmtrts", Action::TestRequestToSend, Verb::TestRequestToSend);
        let answered = matches!(ended.code, CM_OK | CM_UNSUCCESSFUL);
        let return_code = if answered { CM_OK } else { ended.code };
        Sent { return_code, ..ended.into() }
    }

    /// Send_Error: tells the partner of an error, and takes the turn if this side has it not.
    ///
    /// In SEND, what was buffered before goes out at once, and the notice itself with the next flush.
    /// In other states the partner is told at once, and what it had under way is lost. A receive that is
    /// outstanding ends with CM_UNSUCCESSFUL.
    pub fn cmserr(&self, id: &ConversationId) -> Sent {
        let call = |conversation: &mut Conversation| {
            let log = conversation.characteristics.error_log();
            let of_sending = conversation.characteristics.error_direction == CM_SEND_ERROR;
            let verb = Verb::SendError { error: ErrorType::Program, of_sending, log: &log };
            let begun = conversation.begin(verb);
            conversation.characteristics.log_data.clear();
            Ok(begun)
        };
        self.verb(id, "cmserr", Action::SendError, call).into()
    }

    /// Deallocate: ends the conversation as its type says.
    pub fn cmdeal(&self, id: &ConversationId) -> ReturnCode {
        let call = |conversation: &mut Conversation| {
            let log = conversation.characteristics.error_log();
            let verb = match conversation.characteristics.end() {
                After::Abend(abend) => Verb::Abend { abend, log: &log },
                After::Deallocate(confirming) => Verb::Deallocate(confirming),
                _ => Verb::Deallocate(Confirming::No),
            };
            let begun = conversation.begin(verb);
            conversation.characteristics.log_data.clear();
            Ok(begun)
        };
        let initialize = self.look(id, |conversation| {
            let abends = conversation.characteristics.deallocate_type == CM_DEALLOCATE_ABEND;
            Ok(abends && conversation.state() == State::Initialize && !conversation.is_busy())
        });
        match initialize {
            Ok(true) => {
                self.forget(id); // nobody has heard of it
                CM_OK
            }
            Ok(false) => self.verb(id, "cmdeal", Action::Deallocate, call).code,
            Err(code) => code,
        }
    }

    /// A call that no characteristic changes.
    fn plain(&self, id: &ConversationId, call: &'static str, action: Action, verb: Verb<'_>) -> Ended {
        self.verb(id, call, action, |conversation| Ok(conversation.begin(verb)))
    }
}

/// The length is not too long; that comes after the state.
fn within(conversation: &Conversation, length: usize, action: Action) -> Result<(), ReturnCode> {
    if length <= LENGTH_MAX {
        return Ok(());
    }
    let refuses = |share: &Share| share.session.with(|half| half.refuses(Face::Cpic, action));
    Err(conversation.share.as_ref().and_then(refuses).map_or(CM_PROGRAM_PARAMETER_CHECK, ReturnCode::from))
}

/// The characteristics of a conversation that a partner has asked for.
fn accepted(session: &Arc<Session>) -> Characteristics {
    let attach = session.with(|half| half.attach().cloned());
    let mut of = Characteristics { conversation_type: CM_BASIC_CONVERSATION, ..Characteristics::default() };
    if let Some(attach) = attach {
        of.sync_level = if attach.sync_level == SyncLevel::Confirm { CM_CONFIRM } else { CM_NONE };
        (of.mode_name, of.partner_lu_name, of.tp_name) = (attach.mode, attach.local_lu, attach.tp_name);
        of.set_security(attach.security);
    }
    of
}

impl Characteristics {
    /// With a confirmation, if the conversation has them.
    fn at_level(&self) -> Confirming {
        if self.sync_level == CM_CONFIRM { Confirming::Yes } else { Confirming::No }
    }

    fn prepare(&self) -> Confirming {
        match self.prepare_to_receive_type {
            CM_PREP_TO_RECEIVE_FLUSH => Confirming::No,
            CM_PREP_TO_RECEIVE_CONFIRM => Confirming::Yes,
            _ => self.at_level(),
        }
    }

    fn end(&self) -> After {
        match self.deallocate_type {
            CM_DEALLOCATE_FLUSH => After::Deallocate(Confirming::No),
            CM_DEALLOCATE_CONFIRM => After::Deallocate(Confirming::Yes),
            CM_DEALLOCATE_ABEND => After::Abend(Abend::Program),
            _ => After::Deallocate(self.at_level()),
        }
    }

    fn after_send(&self) -> After {
        match self.send_type {
            CM_SEND_AND_FLUSH => After::Flush,
            CM_SEND_AND_CONFIRM => After::Confirm,
            CM_SEND_AND_PREP_TO_RECEIVE => After::PrepareToReceive(self.prepare()),
            CM_SEND_AND_DEALLOCATE => self.end(),
            _ => After::Nothing,
        }
    }

    fn receive(&self, length: usize) -> Receive {
        let fill = if self.fill == CM_FILL_LL { Fill::Record } else { Fill::Buffer };
        let waiting =
            if self.receive_type == CM_RECEIVE_AND_WAIT { Waiting::Wait } else { Waiting::Immediate };
        Receive { fill, length, join: true, waiting }
    }

    /// Log data as an error log variable, which says its length and what it is.
    fn error_log(&self) -> Vec<u8> {
        if self.log_data.is_empty() {
            return Vec::new();
        }
        let length = self.log_data.len() as u16 + 4; // at most 512 and the four
        [&length.to_be_bytes()[..], &ERROR_LOG, &self.log_data].concat()
    }
}
