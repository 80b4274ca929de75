//! Verbs about one conversation.

use super::codes::{self, AP_NONE, Own};
use super::{Appc, ConvId, Pending, ReturnCode, TpId};
use crate::ulp::conversation::allocation::Share;
use crate::ulp::conversation::attach::SyncLevel;
use crate::ulp::conversation::code::{Abend, Code, ErrorType};
use crate::ulp::conversation::half::{
    self, After, Confirming, DataReceived, Fill, Outcome, Receive, Verb, Waiting,
};
use crate::ulp::conversation::node::NodeCore;
use crate::ulp::conversation::state::{Action, Face, State, StatusReceived};
use std::sync::Arc;

/// How a verb ended that brings no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// `primary_rc` and `secondary_rc`.
    pub rc: ReturnCode,
    /// `rts_rcvd`: the partner asks for the turn.
    pub rts_rcvd: bool,
}

/// How a receive ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// `primary_rc` and `secondary_rc`.
    pub rc: ReturnCode,
    /// `rts_rcvd`: the partner asks for the turn.
    pub rts_rcvd: bool,
    /// `what_rcvd`: data, status or both, as [`AP_DATA_COMPLETE`](codes::AP_DATA_COMPLETE) and its fellows
    /// say, joined by or.
    pub what_rcvd: u16,
    /// What was received, LL of records included.
    pub data: Vec<u8>,
}

/// What a receive asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveArguments {
    /// Bytes at most; 0: tell what is next, and consume no data.
    pub max_len: u16,
    /// What fills the buffer. Default: one record.
    pub fill: Fill,
    /// Data and the indicator behind it may come in one call (`rtn_status`). Default false.
    pub rtn_status: bool,
}

impl ReceiveArguments {
    /// Up to `max_len` bytes of one record, an indicator by itself.
    pub fn new(max_len: u16) -> Self {
        Self { max_len, fill: Fill::Record, rtn_status: false }
    }

    /// With the indicator behind the data.
    pub fn with_status(self) -> Self {
        Self { rtn_status: true, ..self }
    }

    /// Bytes without regard for records.
    pub fn fill_buffer(self) -> Self {
        Self { fill: Fill::Buffer, ..self }
    }
}

/// What follows the data of a SEND_DATA (`type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendType {
    /// AP_NONE: the data is buffered.
    #[default]
    None,
    /// AP_SEND_DATA_FLUSH.
    Flush,
    /// AP_SEND_DATA_CONFIRM.
    Confirm,
    /// AP_SEND_DATA_P_TO_R_FLUSH.
    PrepareToReceiveFlush,
    /// AP_SEND_DATA_P_TO_R_SYNC_LEVEL.
    PrepareToReceiveSyncLevel,
    /// AP_SEND_DATA_DEALLOC_FLUSH.
    DeallocateFlush,
    /// AP_SEND_DATA_DEALLOC_SYNC_LEVEL.
    DeallocateSyncLevel,
    /// AP_SEND_DATA_DEALLOC_ABEND: as of the program.
    DeallocateAbend,
}

/// How a PREPARE_TO_RECEIVE gives the turn (`ptr_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrepareToReceive {
    /// AP_SYNC_LEVEL: with a confirmation, if the conversation has them.
    #[default]
    SyncLevel,
    /// AP_FLUSH: without.
    Flush,
}

/// How long a PREPARE_TO_RECEIVE with a confirmation waits (`locks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locks {
    /// AP_SHORT: for the confirmation.
    #[default]
    Short,
    /// AP_LONG: until something follows it.
    Long,
}

/// How a DEALLOCATE ends the conversation (`dealloc_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deallocate {
    /// AP_SYNC_LEVEL: with a confirmation, if the conversation has them.
    #[default]
    SyncLevel,
    /// AP_FLUSH: without.
    Flush,
    /// AP_ABEND_PROG: the program gives up.
    AbendProg,
    /// AP_ABEND_SVC: a service of it gives up.
    AbendSvc,
    /// AP_ABEND_TIMER: its time is over.
    AbendTimer,
}

/// What GET_ATTRIBUTES tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// How far the conversation can confirm.
    pub sync_level: SyncLevel,
    /// Its mode.
    pub mode_name: String,
    /// The local unit's alias.
    pub lu_alias: String,
    /// The local unit's fully qualified name.
    pub fqlu_name: String,
    /// What the local unit calls the partner's.
    pub plu_alias: String,
    /// The partner unit's fully qualified name.
    pub fqplu_name: String,
    /// The user that the invoking program named.
    pub user_id: String,
}

/// The return code of a verb; what is nobody's own fault is logged with its cause.
pub(super) fn told(node: &NodeCore, own: &Own, code: Code) -> ReturnCode {
    if matches!(code, Code::NodeDown | Code::System(_)) {
        node.log_failure(own.name, code);
    }
    codes::return_code(own, code)
}

impl Appc {
    /// SEND_DATA: puts `data`, records or parts of them, into the send buffer, up to 65,535 bytes.
    ///
    /// What fills the buffer is sent; that may wait without limit while the partner does not receive. With
    /// another type than none, the verb of that name follows.
    pub fn send_data(&self, tp_id: TpId, conv_id: ConvId, data: &[u8], kind: SendType) -> Pending<Reply> {
        if data.len() > usize::from(u16::MAX) {
            let secondary = codes::AP_INVALID_DATA_SEGMENT;
            let rc = self.wrong(tp_id, conv_id, Action::SendData, &codes::SEND_DATA, secondary);
            return Pending::ready(Reply { rc, rts_rcvd: false });
        }
        self.verb(tp_id, conv_id, &codes::SEND_DATA, |sync| {
            let after = match kind {
                SendType::None => After::Nothing,
                SendType::Flush => After::Flush,
                SendType::Confirm => After::Confirm,
                SendType::PrepareToReceiveFlush => After::PrepareToReceive(Confirming::No),
                SendType::PrepareToReceiveSyncLevel => After::PrepareToReceive(at_level(sync)),
                SendType::DeallocateFlush => After::Deallocate(Confirming::No),
                SendType::DeallocateSyncLevel => After::Deallocate(at_level(sync)),
                SendType::DeallocateAbend => After::Abend(Abend::Program),
            };
            Verb::SendData { bytes: data, after }
        })
        .map(reply)
    }

    /// FLUSH: sends what the local send buffer holds, the allocation request included.
    ///
    /// With nothing in it, nothing happens. The state must be SEND (or SEND_PENDING, which becomes SEND), and
    /// stays. It ends when the last byte is posted, for which the partner's credit is needed; not when the
    /// partner has received, or liked, the data: CONFIRM is for that. What the partner has to say is left to
    /// the next verb that may report it, and AP_OK returned.
    ///
    /// | primary | secondary | when |
    /// |---|---|---|
    /// | AP_OK | | sent, or nothing to send |
    /// | AP_PARAMETER_CHECK | AP_BAD_TP_ID | no such program, or it has ended |
    /// | | AP_BAD_CONV_ID | no such conversation, or it is over, or another program's |
    /// | AP_STATE_CHECK | AP_FLUSH_NOT_SEND_STATE | any other state |
    /// | AP_CONV_BUSY | | another verb is outstanding on the conversation |
    /// | AP_CONVERSATION_TYPE_MIXED | | by a block with the mapped extension |
    /// | AP_COMM_SUBSYSTEM_ABENDED | | the node is down; the cause is in the log |
    /// | AP_UNEXPECTED_DOS_ERROR | error number | a system call failed |
    pub fn flush(&self, tp_id: TpId, conv_id: ConvId) -> Pending<Reply> {
        self.verb(tp_id, conv_id, &codes::FLUSH, |_| Verb::Flush).map(reply)
    }

    /// CONFIRM: sends all, asks the partner to confirm, and waits for the answer.
    pub fn confirm(&self, tp_id: TpId, conv_id: ConvId) -> Pending<Reply> {
        self.verb(tp_id, conv_id, &codes::CONFIRM, |_| Verb::Confirm).map(reply)
    }

    /// CONFIRMED: answers the partner's request to confirm.
    pub fn confirmed(&self, tp_id: TpId, conv_id: ConvId) -> Pending<Reply> {
        self.verb(tp_id, conv_id, &codes::CONFIRMED, |_| Verb::Confirmed).map(reply)
    }

    /// PREPARE_TO_RECEIVE: sends all, and with it the turn.
    pub fn prepare_to_receive(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        kind: PrepareToReceive,
        locks: Locks,
    ) -> Pending<Reply> {
        self.verb(tp_id, conv_id, &codes::PREPARE_TO_RECEIVE, |sync| {
            let confirming = match (kind, at_level(sync), locks) {
                (PrepareToReceive::Flush, ..) | (_, Confirming::No, _) => Confirming::No,
                (_, _, Locks::Short) => Confirming::Yes,
                (_, _, Locks::Long) => Confirming::YesLong,
            };
            Verb::PrepareToReceive(confirming)
        })
        .map(reply)
    }

    /// RECEIVE_AND_WAIT: waits for data, an indicator or a notice; in SEND it sends all and the turn first.
    ///
    /// With [`Fill::Buffer`] it waits for `max_len` bytes or the end of the data, whichever is first.
    pub fn receive_and_wait(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        arguments: ReceiveArguments,
    ) -> Pending<Received> {
        self.receive(tp_id, conv_id, &codes::RECEIVE_AND_WAIT, arguments, Waiting::Wait)
    }

    /// RECEIVE_IMMEDIATE: what is here; AP_UNSUCCESSFUL if nothing is.
    pub fn receive_immediate(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        arguments: ReceiveArguments,
    ) -> Pending<Received> {
        self.receive(tp_id, conv_id, &codes::RECEIVE_IMMEDIATE, arguments, Waiting::Immediate)
    }

    /// RECEIVE_AND_POST: as RECEIVE_AND_WAIT, with the conversation in PENDING_POST until the result is
    /// there.
    ///
    /// The [`Pending`] stands for the semaphore that the original posts.
    pub fn receive_and_post(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        arguments: ReceiveArguments,
    ) -> Pending<Received> {
        self.receive(tp_id, conv_id, &codes::RECEIVE_AND_POST, arguments, Waiting::Post)
    }

    fn receive(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        own: &'static Own,
        arguments: ReceiveArguments,
        waiting: Waiting,
    ) -> Pending<Received> {
        let ReceiveArguments { max_len, fill, rtn_status } = arguments;
        let receive = Receive { fill, length: max_len.into(), join: rtn_status, waiting };
        self.verb(tp_id, conv_id, own, |_| Verb::Receive(receive)).map(|(rc, outcome)| Received {
            rc,
            rts_rcvd: outcome.request_to_send,
            what_rcvd: what_received(&outcome.received),
            data: outcome.received.bytes,
        })
    }

    /// REQUEST_TO_SEND: asks the partner for the turn, at once; told there once, by its next verb that may.
    pub fn request_to_send(&self, tp_id: TpId, conv_id: ConvId) -> Pending<Reply> {
        self.verb(tp_id, conv_id, &codes::REQUEST_TO_SEND, |_| Verb::RequestToSend).map(reply)
    }

    /// TEST_RTS: AP_OK if the partner asks for the turn, else AP_UNSUCCESSFUL.
    pub fn test_rts(&self, tp_id: TpId, conv_id: ConvId) -> Pending<Reply> {
        self.verb(tp_id, conv_id, &codes::TEST_RTS, |_| Verb::TestRequestToSend).map(reply)
    }

    /// SEND_ERROR: tells the partner of an error, and takes the turn if this side has it not.
    ///
    /// What is buffered goes with it, at once. Without the turn, what has arrived and was not received is
    /// lost. `of_sending` (AP_SEND_DIR_ERROR) counts in SEND_PENDING only. `log` is an error log variable for
    /// the partner's unit, or empty.
    pub fn send_error(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        error: ErrorType,
        of_sending: bool,
        log: &[u8],
    ) -> Pending<Reply> {
        let verb = Verb::SendError { error, of_sending, log };
        self.verb(tp_id, conv_id, &codes::SEND_ERROR, |_| verb).map(reply)
    }

    /// DEALLOCATE: ends the conversation; `log` goes with an abend only.
    ///
    /// An abend without the turn ends the conversation at once for this program; the partner is told as soon
    /// as it can be.
    pub fn deallocate(&self, tp_id: TpId, conv_id: ConvId, kind: Deallocate, log: &[u8]) -> Pending<Reply> {
        let confirms = kind == Deallocate::SyncLevel
            && self
                .entry
                .find(tp_id, conv_id)
                .is_ok_and(|share| share.session.with(|half| half.sync_level()) == SyncLevel::Confirm);
        let own = if confirms { &codes::DEALLOCATE_CONFIRM } else { &codes::DEALLOCATE };
        let abend = |abend| Verb::Abend { abend, log };
        self.verb(tp_id, conv_id, own, |sync| match kind {
            Deallocate::SyncLevel => Verb::Deallocate(at_level(sync)),
            Deallocate::Flush => Verb::Deallocate(Confirming::No),
            Deallocate::AbendProg => abend(Abend::Program),
            Deallocate::AbendSvc => abend(Abend::Service),
            Deallocate::AbendTimer => abend(Abend::Timer),
        })
        .map(reply)
    }

    /// GET_STATE: where the conversation stands.
    ///
    /// # Errors
    /// AP_PARAMETER_CHECK with AP_BAD_TP_ID or AP_BAD_CONV_ID.
    pub fn get_state(&self, tp_id: TpId, conv_id: ConvId) -> Result<State, ReturnCode> {
        Ok(self.entry.find(tp_id, conv_id)?.session.state())
    }

    /// GET_TYPE: nothing is told but that there is such a conversation: it is a basic one.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub fn get_type(&self, tp_id: TpId, conv_id: ConvId) -> Result<(), ReturnCode> {
        self.entry.find(tp_id, conv_id).map(drop)
    }

    /// GET_ATTRIBUTES: who talks with whom, and how.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub fn get_attributes(&self, tp_id: TpId, conv_id: ConvId) -> Result<Attributes, ReturnCode> {
        let share = self.entry.find(tp_id, conv_id)?;
        let attach = share.session.with(|half| half.attach().cloned());
        let attach = attach.ok_or(ReturnCode::parameter(codes::AP_BAD_CONV_ID))?;
        let invoked = attach.local_lu != share.lu.name;
        let partner = if invoked { attach.local_lu } else { attach.partner_lu };
        Ok(Attributes {
            sync_level: attach.sync_level,
            mode_name: attach.mode,
            lu_alias: share.lu.alias.clone(),
            fqlu_name: share.lu.name.clone(),
            plu_alias: share.lu.alias_of(&partner),
            fqplu_name: partner,
            user_id: attach.security.user_id(),
        })
    }

    /// Bytes in the send buffer of a conversation: what a FLUSH would send, headers and attach not counted
    /// apart.
    ///
    /// # Errors
    /// As [`get_state`](Self::get_state).
    pub fn buffered(&self, tp_id: TpId, conv_id: ConvId) -> Result<usize, ReturnCode> {
        Ok(self.entry.find(tp_id, conv_id)?.session.with(|half| half.buffered()))
    }

    /// The return code of a verb with a wrong argument, which comes after busy and state.
    pub(super) fn wrong(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        action: Action,
        own: &Own,
        secondary: u32,
    ) -> ReturnCode {
        let share = match self.entry.find(tp_id, conv_id) {
            Ok(share) => share,
            Err(rc) => return rc,
        };
        let refused = share.session.with(|half| half.refuses(Face::Appc, action));
        refused.map_or(ReturnCode::parameter(secondary), |code| codes::return_code(own, code))
    }

    /// Begins a verb, and names its end.
    fn verb<'a>(
        &self,
        tp_id: TpId,
        conv_id: ConvId,
        own: &'static Own,
        verb: impl FnOnce(SyncLevel) -> Verb<'a>,
    ) -> Pending<(ReturnCode, Outcome)> {
        let share = match self.entry.find(tp_id, conv_id) {
            Ok(share) => share,
            Err(rc) => return Pending::ready((rc, Outcome::of(Code::BadState))),
        };
        let verb = verb(share.session.with(|half| half.sync_level()));
        let node = Arc::clone(&share.lu.node);
        let pending = match judge(&share) {
            Ok(()) => share.session.pending(share.session.begin(Face::Appc, verb)),
            Err(code) => Pending::ready(Outcome::of(code)),
        };
        let entry = Arc::clone(&self.entry);
        pending.map(move |outcome| {
            entry.forget_if_over(conv_id);
            (told(&node, own, outcome.code), outcome)
        })
    }
}

/// What may fail below a verb before it begins; busy comes first.
fn judge(share: &Share) -> Result<(), Code> {
    let (busy, receives) = share.session.with(|half| (half.is_busy(), half.is_receiving()));
    if busy && !receives { Ok(()) } else { share.lu.node.system_call() }
}

fn reply((rc, outcome): (ReturnCode, Outcome)) -> Reply {
    Reply { rc, rts_rcvd: outcome.request_to_send }
}

/// AP_SYNC_LEVEL: a confirmation, if the conversation has them.
fn at_level(sync_level: SyncLevel) -> Confirming {
    match sync_level {
        SyncLevel::None => Confirming::No,
        SyncLevel::Confirm => Confirming::Yes,
    }
}

fn what_received(received: &half::Received) -> u16 {
    let data = match received.data {
        DataReceived::None => AP_NONE,
        DataReceived::Data => codes::AP_DATA,
        DataReceived::Complete => codes::AP_DATA_COMPLETE,
        DataReceived::Incomplete => codes::AP_DATA_INCOMPLETE,
    };
    let status = match received.status {
        StatusReceived::None => AP_NONE,
        StatusReceived::Send => codes::AP_SEND,
        StatusReceived::Confirm => codes::AP_CONFIRM_WHAT_RECEIVED,
        StatusReceived::ConfirmSend => codes::AP_CONFIRM_SEND,
        StatusReceived::ConfirmDeallocate => codes::AP_CONFIRM_DEALLOCATE,
    };
    data | status
}
