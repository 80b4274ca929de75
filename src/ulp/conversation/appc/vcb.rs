//! Verbs as verb control blocks: the entry point of the original.

use super::codes::{self, *};
use super::layout::{Block, HEADER, at, length, opcode};
use super::{
    Allocate, Appc, Deallocate, Locks, Pending, PrepareToReceive, ReceiveArguments, Received, Reply,
    ReturnCode, SendType,
};
use crate::ulp::conversation::attach::{Security, SyncLevel};
use crate::ulp::conversation::code::ErrorType;
use crate::ulp::conversation::half::Fill;
use crate::ulp::conversation::state::{Action, State};

/// A block that is shorter than its verb's.
///
/// No return code says this: there is nowhere to put one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the verb control block has {got} bytes, that of verb {opcode:#06x} has {needed}; give it all of them"
)]
pub struct ShortBlock {
    /// The verb, 0 if not even the header is there.
    pub opcode: u16,
    /// Bytes given.
    pub got: usize,
    /// Bytes of the verb's block.
    pub needed: usize,
}

/// A verb that was not executed, and why; or one that is done with its block.
type Told = Result<(), ReturnCode>;

impl Appc {
    /// Carries out the verb of a verb control block, and fills in what it returns (`APPC`).
    ///
    /// `data` is what the block's pointer, if its verb has one, points to: data to send, log data or
    /// parameters, or the buffer of a receive. The pointer itself is not looked at. The verb blocks until it
    /// is done; RECEIVE_AND_POST, too, which has another entry for those who do not want that
    /// ([`receive_and_post`](Self::receive_and_post)). A length beyond `data` is AP_PARAMETER_CHECK with
    /// AP_INVALID_DATA_SEGMENT, an operation code that is none AP_INVALID_VERB.
    ///
    /// ```
    /// # use qpair::ndk::Adapter;
    /// # use qpair::ulp::conversation::{Node, appc::Appc};
    /// # let node = Node::new(Adapter::open("local/docs-vcb")?)?;
    /// let appc = Appc::new(&node);
    /// let mut flush = [0; 24];
    /// flush[..2].copy_from_slice(&[0x06, 0x00]);
    /// appc.call(&mut flush, &mut [])?;
    /// assert_eq!(flush[4..6], [0, 1], "AP_PARAMETER_CHECK");
    /// assert_eq!(flush[8..12], [0, 0, 0, 1], "AP_BAD_TP_ID");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The block is too short for its verb.
    pub fn call(&self, block: &mut [u8], data: &mut [u8]) -> Result<(), ShortBlock> {
        let got = block.len();
        if got < HEADER {
            return Err(ShortBlock { opcode: 0, got, needed: HEADER });
        }
        let opcode = u16::from_be_bytes([block[0], block[1]]);
        let mut block = Block(block);
        let Some(needed) = length(opcode) else {
            block.put_rc(ReturnCode::of(AP_INVALID_VERB));
            return Ok(());
        };
        if got < needed {
            return Err(ShortBlock { opcode, got, needed });
        }
        let told = self.carry_out(opcode, &mut block, data);
        block.put_rc(told.err().unwrap_or(ReturnCode::OK));
        Ok(())
    }

    fn carry_out(&self, opcode: u16, block: &mut Block<'_>, data: &mut [u8]) -> Told {
        let mapped = block.byte(at::OPEXT) & 0x7F != 0;
        match opcode {
            opcode::TP_STARTED => self.started(block),
            opcode::TP_ENDED => self.ended(block),
            opcode::RECEIVE_ALLOCATE => self.invoked(block),
            opcode::ALLOCATE if mapped => Err(ReturnCode::parameter(AP_BAD_CONV_TYPE)),
            opcode::ALLOCATE => self.allocating(block, data),
            _ if mapped => self.mixed(block),
            _ => self.conversing(opcode, block, data),
        }
    }

    /// A mapped verb on a basic conversation: told after what comes before the type (Q-5).
    fn mixed(&self, block: &Block<'_>) -> Told {
        let share = self.entry.find(block.tp_id(), block.conv_id())?;
        let busy = share.session.with(|half| half.is_busy());
        Err(ReturnCode::of(if busy { AP_CONV_BUSY } else { AP_CONVERSATION_TYPE_MIXED }))
    }

    fn started(&self, block: &mut Block<'_>) -> Told {
        let tp_id = self.tp_started(&block.text(at::STARTED_LU_ALIAS), &block.text(at::STARTED_TP_NAME))?;
        block.put_tp_id(at::STARTED_TP_ID, tp_id);
        Ok(())
    }

    fn ended(&self, block: &mut Block<'_>) -> Told {
        let hard = match block.byte(at::ENDED_TYPE) {
            0 => false,
            1 => true,
            _ => return Err(ReturnCode::parameter(AP_BAD_TYPE)),
        };
        told(self.tp_ended(block.tp_id(), hard).wait())
    }

    fn invoked(&self, block: &mut Block<'_>) -> Told {
        let got = self.receive_allocate(&block.text(at::INVOKED_TP_NAME))?;
        block.put_tp_id(at::INVOKED_TP_ID, got.tp_id);
        block.put_conv_id(at::INVOKED_CONV_ID, got.conv_id);
        block.put_byte(at::INVOKED_SYNC_LEVEL, got.sync_level == SyncLevel::Confirm);
        block.put_byte(at::INVOKED_CONV_TYPE, 0);
        block.put_text(at::INVOKED_USER, &got.user_id);
        block.put_text(at::INVOKED_LU_ALIAS, &got.lu_alias);
        block.put_text(at::INVOKED_PLU_ALIAS, &got.plu_alias);
        block.put_text(at::INVOKED_MODE, &got.mode_name);
        block.put_text(at::INVOKED_FQPLU_NAME, &got.fqplu_name);
        Ok(())
    }

    fn allocating(&self, block: &mut Block<'_>, data: &[u8]) -> Told {
        let refused = |secondary| Err(ReturnCode::parameter(secondary));
        if !self.entry.knows(block.tp_id()) {
            return refused(AP_BAD_TP_ID);
        }
        if block.byte(at::CONV_TYPE) != 0 {
            return refused(AP_BAD_CONV_TYPE);
        }
        if block.byte(at::ALLOCATE_RTN_CTL) > 4 {
            return refused(AP_BAD_RETURN_CONTROL);
        }
        let sync_level = match block.byte(at::ALLOCATE_SYNC_LEVEL) {
            0 => SyncLevel::None,
            1 => SyncLevel::Confirm,
            _ => return refused(AP_BAD_SYNC_LEVEL),
        };
        let user_id = block.text(at::ALLOCATE_USER);
        let security = match block.byte(at::ALLOCATE_SECURITY) {
            0 => Security::None,
            1 => Security::Same(user_id),
            2 => Security::Program { user_id, password: block.text(at::ALLOCATE_PASSWORD) },
            _ => return refused(AP_BAD_SECURITY),
        };
        let asks = Allocate {
            plu_alias: block.text(at::ALLOCATE_PLU_ALIAS),
            fqplu_name: block.text(at::ALLOCATE_FQPLU_NAME),
            mode_name: block.text(at::ALLOCATE_MODE),
            tp_name: block.text(at::ALLOCATE_TP_NAME),
            sync_level,
            security,
            pip: said(block, data, at::ALLOCATE_PIP_DLEN)
                .ok_or(ReturnCode::parameter(AP_INVALID_DATA_SEGMENT))?
                .to_vec(),
        };
        block.put_word(at::ALLOCATE_SENSE_DATA, 0);
        let conv_id = self.allocate(block.tp_id(), &asks).wait()?;
        block.put_conv_id(at::CONV_ID, conv_id);
        Ok(())
    }

    /// The verbs about one conversation.
    fn conversing(&self, opcode: u16, block: &mut Block<'_>, data: &mut [u8]) -> Told {
        let (tp_id, conv_id) = (block.tp_id(), block.conv_id());
        // The identifiers come before the other parameters (Q-5).
        drop(self.entry.find(tp_id, conv_id)?);
        match opcode {
            opcode::FLUSH => told(self.flush(tp_id, conv_id).wait().rc),
            opcode::CONFIRMED => told(self.confirmed(tp_id, conv_id).wait().rc),
            opcode::REQUEST_TO_SEND => told(self.request_to_send(tp_id, conv_id).wait().rc),
            opcode::TEST_RTS => told(self.test_rts(tp_id, conv_id).wait().rc),
            opcode::CONFIRM => reported(block, self.confirm(tp_id, conv_id)),
            opcode::GET_TYPE => {
                block.put_byte(at::CONV_TYPE, 0);
                Ok(())
            }
            opcode::GET_STATE => {
                block.put_byte(at::CONV_STATE, state_number(self.get_state(tp_id, conv_id)?));
                Ok(())
            }
            opcode::GET_ATTRIBUTES => self.attributes(block),
            opcode::PREPARE_TO_RECEIVE => self.preparing(block),
            opcode::DEALLOCATE => self.deallocating(block, data),
            opcode::SEND_DATA => self.sending(block, data),
            opcode::SEND_ERROR => self.erring(block, data),
            _ => self.receiving(opcode, block, data),
        }
    }

    /// An argument of the block is wrong.
    fn invalid(&self, block: &Block<'_>, action: Action, own: &codes::Own, secondary: u32) -> Told {
        Err(self.wrong(block.tp_id(), block.conv_id(), action, own, secondary))
    }

    /// As much of the data as the block says at that place; that there is less comes after the state (Q-5).
    fn part<'d>(
        &self,
        block: &Block<'_>,
        data: &'d [u8],
        length_at: usize,
        action: Action,
        own: &codes::Own,
    ) -> Result<&'d [u8], ReturnCode> {
        let wrong = || self.wrong(block.tp_id(), block.conv_id(), action, own, AP_INVALID_DATA_SEGMENT);
        said(block, data, length_at).ok_or_else(wrong)
    }

    fn attributes(&self, block: &mut Block<'_>) -> Told {
        let of = self.get_attributes(block.tp_id(), block.conv_id())?;
        let (net, lu) = of.fqlu_name.split_once('.').unwrap_or(("", &of.fqlu_name));
        block.put_byte(at::ATTRIBUTES_SYNC_LEVEL, of.sync_level == SyncLevel::Confirm);
        block.put_text(at::ATTRIBUTES_MODE, &of.mode_name);
        block.put_text(at::ATTRIBUTES_NET_NAME, net);
        block.put_text(at::ATTRIBUTES_LU_NAME, lu);
        block.put_text(at::ATTRIBUTES_LU_ALIAS, &of.lu_alias);
        block.put_text(at::ATTRIBUTES_PLU_ALIAS, &of.plu_alias);
        block.put_text(at::ATTRIBUTES_FQPLU_NAME, &of.fqplu_name);
        block.put_text(at::ATTRIBUTES_USER, &of.user_id);
        Ok(())
    }

    fn preparing(&self, block: &Block<'_>) -> Told {
        let kind = match block.byte(at::PTR_TYPE) {
            0 => PrepareToReceive::SyncLevel,
            1 => PrepareToReceive::Flush,
            _ => {
                let own = &codes::PREPARE_TO_RECEIVE;
                return self.invalid(block, Action::PrepareToReceive, own, AP_P_TO_R_INVALID_TYPE);
            }
        };
        let locks = if block.byte(at::LOCKS) == 0 { Locks::Short } else { Locks::Long };
        told(self.prepare_to_receive(block.tp_id(), block.conv_id(), kind, locks).wait().rc)
    }

    fn deallocating(&self, block: &Block<'_>, data: &[u8]) -> Told {
        let kind = match block.byte(at::DEALLOC_TYPE) {
            0 => Deallocate::SyncLevel,
            1 => Deallocate::Flush,
            2 => Deallocate::AbendProg,
            3 => Deallocate::AbendSvc,
            4 => Deallocate::AbendTimer,
            _ => return self.invalid(block, Action::Deallocate, &codes::DEALLOCATE, AP_DEALLOC_BAD_TYPE),
        };
        let ordered = matches!(kind, Deallocate::SyncLevel | Deallocate::Flush);
        let action = if ordered { Action::Deallocate } else { Action::Abend };
        let log = self.part(block, data, at::DEALLOC_LOG_DLEN, action, &codes::DEALLOCATE)?;
        told(self.deallocate(block.tp_id(), block.conv_id(), kind, log).wait().rc)
    }

    fn sending(&self, block: &mut Block<'_>, data: &[u8]) -> Told {
        let kind = match block.byte(at::SEND_TYPE) {
            0 => SendType::None,
            1 => SendType::Flush,
            2 => SendType::Confirm,
            3 => SendType::PrepareToReceiveFlush,
            4 => SendType::PrepareToReceiveSyncLevel,
            5 => SendType::DeallocateFlush,
            6 => SendType::DeallocateSyncLevel,
            7 => SendType::DeallocateAbend,
            _ => {
                return self.invalid(block, Action::SendData, &codes::SEND_DATA, AP_SEND_DATA_INVALID_TYPE);
            }
        };
        let data = self.part(block, data, at::SEND_DLEN, Action::SendData, &codes::SEND_DATA)?;
        reported(block, self.send_data(block.tp_id(), block.conv_id(), data, kind))
    }

    fn erring(&self, block: &mut Block<'_>, data: &[u8]) -> Told {
        let error = match block.byte(at::ERR_TYPE) {
            0 => ErrorType::Program,
            1 => ErrorType::Service,
            _ => return self.invalid(block, Action::SendError, &codes::SEND_ERROR, AP_SEND_ERROR_BAD_TYPE),
        };
        let of_sending = match block.byte(at::ERR_DIR) {
            0 => false,
            1 => true,
            _ => return self.invalid(block, Action::SendError, &codes::SEND_ERROR, AP_BAD_ERROR_DIRECTION),
        };
        let log = self.part(block, data, at::ERROR_LOG_DLEN, Action::SendError, &codes::SEND_ERROR)?;
        reported(block, self.send_error(block.tp_id(), block.conv_id(), error, of_sending, log))
    }

    fn receiving(&self, opcode: u16, block: &mut Block<'_>, data: &mut [u8]) -> Told {
        let (tp_id, conv_id, max_len) = (block.tp_id(), block.conv_id(), block.length(at::MAX_LEN));
        let (action, own, bad_fill) = match opcode {
            opcode::RECEIVE_IMMEDIATE => {
                (Action::ReceiveImmediate, &codes::RECEIVE_IMMEDIATE, AP_RCV_IMMD_BAD_FILL)
            }
            opcode::RECEIVE_AND_POST => {
                (Action::ReceiveAndPost, &codes::RECEIVE_AND_POST, AP_RCV_AND_POST_BAD_FILL)
            }
            _ => (Action::ReceiveAndWait, &codes::RECEIVE_AND_WAIT, AP_RCV_AND_WAIT_BAD_FILL),
        };
        let fill = match block.byte(at::FILL) {
            0 => Fill::Buffer,
            1 => Fill::Record,
            _ => return self.invalid(block, action, own, bad_fill),
        };
        let rtn_status = match block.byte(at::RTN_STATUS) {
            0 => false,
            1 => true,
            _ => return self.invalid(block, action, own, AP_BAD_RETURN_STATUS_WITH_DATA),
        };
        self.part(block, data, at::MAX_LEN, action, own)?;
        let arguments = ReceiveArguments { max_len, fill, rtn_status };
        let got: Received = match opcode {
            opcode::RECEIVE_IMMEDIATE => self.receive_immediate(tp_id, conv_id, arguments),
            opcode::RECEIVE_AND_POST => self.receive_and_post(tp_id, conv_id, arguments),
            _ => self.receive_and_wait(tp_id, conv_id, arguments),
        }
        .wait();
        data[..got.data.len()].copy_from_slice(&got.data);
        block.put_length(at::RECEIVE_DLEN, got.data.len() as u16); // at most max_len
        block.put_code(at::WHAT_RCVD, got.what_rcvd);
        block.put_byte(at::RECEIVE_RTS_RCVD, got.rts_rcvd);
        told(got.rc)
    }
}

/// AP_OK, or what else.
fn told(rc: ReturnCode) -> Told {
    if rc.is_ok() { Ok(()) } else { Err(rc) }
}

/// The same, of a verb that tells of a request for the turn.
fn reported(block: &mut Block<'_>, pending: Pending<Reply>) -> Told {
    let reply = pending.wait();
    block.put_byte(at::RTS_RCVD, reply.rts_rcvd);
    told(reply.rc)
}

/// As much of the data as the block says at that place; `None`: there is less.
fn said<'d>(block: &Block<'_>, data: &'d [u8], length_at: usize) -> Option<&'d [u8]> {
    data.get(..block.length(length_at).into())
}

/// `conv_state`.
fn state_number(state: State) -> u8 {
    match state {
        State::Reset | State::Initialize => 1,
        State::Send => 2,
        State::Receive => 3,
        State::Confirm => 4,
        State::ConfirmSend => 5,
        State::ConfirmDeallocate => 6,
        State::PendingPost => 7,
        State::SendPending => 10,
    }
}
