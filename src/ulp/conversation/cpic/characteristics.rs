//! Characteristics of a conversation: what set calls set and extract calls tell (3.2).

use super::codes::*;
use super::{ConversationId, Program};
use crate::ulp::conversation::attach::{Security, SyncLevel};
use crate::ulp::conversation::state::{Action, Face, Move, State, next};

/// What a conversation is like.
///
/// The numbers are those of the set calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Characteristics {
    pub(super) conversation_type: i32,
    pub(super) sync_level: i32,
    pub(super) processing_mode: i32,
    pub(super) send_type: i32,
    pub(super) receive_type: i32,
    pub(super) deallocate_type: i32,
    pub(super) prepare_to_receive_type: i32,
    pub(super) error_direction: i32,
    pub(super) fill: i32,
    pub(super) return_control: i32,
    pub(super) log_data: Vec<u8>,
    pub(super) mode_name: String,
    pub(super) partner_lu_name: String,
    pub(super) tp_name: String,
    pub(super) security_type: i32,
    pub(super) user_id: String,
    pub(super) password: String,
}

impl Default for Characteristics {
    /// As after `cminit` without side information.
    fn default() -> Self {
        Self {
            conversation_type: CM_MAPPED_CONVERSATION,
            sync_level: CM_NONE,
            processing_mode: CM_BLOCKING,
            send_type: CM_BUFFER_DATA,
            receive_type: CM_RECEIVE_AND_WAIT,
            deallocate_type: CM_DEALLOCATE_SYNC_LEVEL,
            prepare_to_receive_type: CM_PREP_TO_RECEIVE_SYNC_LEVEL,
            error_direction: CM_RECEIVE_ERROR,
            fill: CM_FILL_LL,
            return_control: CM_WHEN_SESSION_ALLOCATED,
            log_data: Vec::new(),
            mode_name: String::new(),
            partner_lu_name: " ".to_owned(),
            tp_name: " ".to_owned(),
            security_type: CM_SECURITY_NONE,
            user_id: String::new(),
            password: String::new(),
        }
    }
}

impl Characteristics {
    pub(super) fn sync(&self) -> SyncLevel {
        if self.sync_level == CM_CONFIRM { SyncLevel::Confirm } else { SyncLevel::None }
    }

    pub(super) fn security(&self) -> Security {
        match self.security_type {
            CM_SECURITY_SAME => Security::Same(self.user_id.clone()),
            CM_SECURITY_PROGRAM => {
                Security::Program { user_id: self.user_id.clone(), password: self.password.clone() }
            }
            _ => Security::None,
        }
    }

    pub(super) fn set_security(&mut self, security: Security) {
        (self.security_type, self.user_id, self.password) = match security {
            Security::None => (CM_SECURITY_NONE, String::new(), String::new()),
            Security::Same(user_id) => (CM_SECURITY_SAME, user_id, String::new()),
            Security::Program { user_id, password } => (CM_SECURITY_PROGRAM, user_id, password),
        };
    }

    /// Something here asks for confirmations.
    fn needs_confirm(&self) -> bool {
        self.send_type == CM_SEND_AND_CONFIRM
            || self.deallocate_type == CM_DEALLOCATE_CONFIRM
            || self.prepare_to_receive_type == CM_PREP_TO_RECEIVE_CONFIRM
    }
}

/// Log data of a conversation at most.
const LOG_MAX: usize = 512;

/// The number that `cmecs` tells.
pub(super) fn state_number(state: State) -> i32 {
    match state {
        State::Reset => 1,
        State::Initialize => CM_INITIALIZE_STATE,
        State::Send => CM_SEND_STATE,
        State::Receive | State::PendingPost => CM_RECEIVE_STATE,
        State::SendPending => CM_SEND_PENDING_STATE,
        State::Confirm => CM_CONFIRM_STATE,
        State::ConfirmSend => CM_CONFIRM_SEND_STATE,
        State::ConfirmDeallocate => CM_CONFIRM_DEALLOCATE_STATE,
    }
}

/// The value is one of a set call's, which end at `last`.
fn within(value: i32, last: i32) -> Result<i32, ReturnCode> {
    if (0..=last).contains(&value) { Ok(value) } else { Err(CM_PROGRAM_PARAMETER_CHECK) }
}

fn no_longer(text: &str, most: usize) -> Result<String, ReturnCode> {
    if text.len() <= most { Ok(text.to_owned()) } else { Err(CM_PROGRAM_PARAMETER_CHECK) }
}

/// A value that asks for confirmations does not go with sync level none.
fn with_sync(of: &Characteristics, confirms: bool) -> Result<(), ReturnCode> {
    if confirms && of.sync_level == CM_NONE { Err(CM_PROGRAM_PARAMETER_CHECK) } else { Ok(()) }
}

/// Set calls whose value is a number or a name; `construct`: in INITIALIZE only.
macro_rules! set_calls {
    ($($(#[$doc:meta])* $name:ident($argument:ident: $type:ty) $action:ident |$of:ident| $body:expr;)*) => {
        impl Program {
            $(
                $(#[$doc])*
                pub fn $name(&self, id: &ConversationId, $argument: $type) -> ReturnCode {
                    self.set(id, Action::$action, |$of| $body)
                }
            )*
        }
    };
}

set_calls! {
    /// Set_Conversation_Type: basic or mapped, in INITIALIZE.
    cmsct(conversation_type: i32) Construct |of| {
        of.conversation_type = within(conversation_type, CM_MAPPED_CONVERSATION)?;
        Ok(())
    };
    /// Set_Sync_Level, in INITIALIZE; none is refused while something asks for confirmations.
    cmssl(sync_level: i32) Construct |of| {
        let sync_level = within(sync_level, CM_CONFIRM)?;
        if sync_level == CM_NONE && of.needs_confirm() {
            return Err(CM_PROGRAM_PARAMETER_CHECK);
        }
        of.sync_level = sync_level;
        Ok(())
    };
    /// Set_Return_Control, in INITIALIZE. A session is got in the same way with either.
    cmsrc(return_control: i32) Construct |of| {
        of.return_control = within(return_control, CM_IMMEDIATE)?;
        Ok(())
    };
    /// Set_Mode_Name, up to 8 bytes, in INITIALIZE.
    cmsmn(mode_name: &str) Construct |of| {
        of.mode_name = no_longer(mode_name, 8)?;
        Ok(())
    };
    /// Set_Partner_LU_Name, up to 17 bytes, in INITIALIZE; an alias or a fully qualified name.
    cmspln(partner_lu_name: &str) Construct |of| {
        of.partner_lu_name = no_longer(partner_lu_name, 17)?;
        Ok(())
    };
    /// Set_TP_Name, up to 64 bytes, in INITIALIZE.
    cmstpn(tp_name: &str) Construct |of| {
        of.tp_name = no_longer(tp_name, 64)?;
        Ok(())
    };
    /// Set_Conversation_Security_Type, in INITIALIZE.
    cmscst(security_type: i32) Construct |of| {
        of.security_type = within(security_type, CM_SECURITY_PROGRAM)?;
        Ok(())
    };
    /// Set_Conversation_Security_User_ID, up to 10 bytes, in INITIALIZE.
    cmscsu(user_id: &str) Construct |of| {
        of.user_id = no_longer(user_id, 10)?;
        Ok(())
    };
    /// Set_Conversation_Security_Password, up to 10 bytes, in INITIALIZE.
    cmscsp(password: &str) Construct |of| {
        of.password = no_longer(password, 10)?;
        Ok(())
    };
    /// Set_Send_Type: what follows the data of a `cmsend`.
    cmsst(send_type: i32) Look |of| {
        let send_type = within(send_type, CM_SEND_AND_DEALLOCATE)?;
        with_sync(of, send_type == CM_SEND_AND_CONFIRM)?;
        of.send_type = send_type;
        Ok(())
    };
    /// Set_Receive_Type: whether `cmrcv` waits.
    cmsrt(receive_type: i32) Look |of| {
        of.receive_type = within(receive_type, CM_RECEIVE_IMMEDIATE)?;
        Ok(())
    };
    /// Set_Deallocate_Type.
    cmsdt(deallocate_type: i32) Look |of| {
        let deallocate_type = within(deallocate_type, CM_DEALLOCATE_ABEND)?;
        with_sync(of, deallocate_type == CM_DEALLOCATE_CONFIRM)?;
        of.deallocate_type = deallocate_type;
        Ok(())
    };
    /// Set_Prepare_To_Receive_Type.
    cmsptr(prepare_to_receive_type: i32) Look |of| {
        let prepare_to_receive_type = within(prepare_to_receive_type, CM_PREP_TO_RECEIVE_CONFIRM)?;
        with_sync(of, prepare_to_receive_type == CM_PREP_TO_RECEIVE_CONFIRM)?;
        of.prepare_to_receive_type = prepare_to_receive_type;
        Ok(())
    };
    /// Set_Error_Direction: what `cmserr` is about in SEND_PENDING.
    cmsed(error_direction: i32) Look |of| {
        of.error_direction = within(error_direction, CM_SEND_ERROR)?;
        Ok(())
    };
    /// Set_Fill: what one `cmrcv` brings. The numbers are the other way round than APPC's.
    cmsf(fill: i32) Look |of| {
        of.fill = within(fill, CM_FILL_BUFFER)?;
        Ok(())
    };
    /// Set_Log_Data, up to 512 bytes; for the partner's unit, with the next error or abend.
    cmsld(log_data: &[u8]) Look |of| {
        if log_data.len() > LOG_MAX {
            return Err(CM_PROGRAM_PARAMETER_CHECK);
        }
        of.log_data = log_data.to_vec();
        Ok(())
    };
}

impl Program {
    fn set(
        &self,
        id: &ConversationId,
        action: Action,
        change: impl FnOnce(&mut Characteristics) -> Result<(), ReturnCode>,
    ) -> ReturnCode {
        let changed = self.look(id, |conversation| {
            if next(Face::Cpic, conversation.state(), action) == Move::Refused {
                return Err(CM_PROGRAM_STATE_CHECK);
            }
            change(&mut conversation.characteristics)
        });
        changed.map_or_else(|code| code, |()| CM_OK)
    }

    /// Set_Processing_Mode: blocking or not; not while an operation is outstanding.
    pub fn cmspm(&self, id: &ConversationId, processing_mode: i32) -> ReturnCode {
        let changed = self.look(id, |conversation| {
            if conversation.is_busy() {
                return Err(CM_PROGRAM_STATE_CHECK); // not 37 (CPIC-25)
            }
            conversation.characteristics.processing_mode = within(processing_mode, CM_NON_BLOCKING)?;
            Ok(())
        });
        changed.map_or_else(|code| code, |()| CM_OK)
    }

    /// Extract_Conversation_State.
    ///
    /// # Errors
    /// CM_PROGRAM_PARAMETER_CHECK: no such conversation; so of all extract calls.
    pub fn cmecs(&self, id: &ConversationId) -> Result<i32, ReturnCode> {
        self.look(id, |conversation| Ok(state_number(conversation.state())))
    }

    /// Extract_Conversation_Type.
    ///
    /// # Errors
    /// As [`cmecs`](Self::cmecs).
    pub fn cmect(&self, id: &ConversationId) -> Result<i32, ReturnCode> {
        self.look(id, |conversation| Ok(conversation.characteristics.conversation_type))
    }

    /// Extract_Mode_Name.
    ///
    /// # Errors
    /// As [`cmecs`](Self::cmecs).
    pub fn cmemn(&self, id: &ConversationId) -> Result<String, ReturnCode> {
        self.look(id, |conversation| Ok(conversation.characteristics.mode_name.clone()))
    }

    /// Extract_Partner_LU_Name.
    ///
    /// # Errors
    /// As [`cmecs`](Self::cmecs).
    pub fn cmepln(&self, id: &ConversationId) -> Result<String, ReturnCode> {
        self.look(id, |conversation| Ok(conversation.characteristics.partner_lu_name.clone()))
    }

    /// Extract_Sync_Level.
    ///
    /// # Errors
    /// As [`cmecs`](Self::cmecs).
    pub fn cmesl(&self, id: &ConversationId) -> Result<i32, ReturnCode> {
        self.look(id, |conversation| Ok(conversation.characteristics.sync_level))
    }

    /// Extract_TP_Name.
    ///
    /// # Errors
    /// As [`cmecs`](Self::cmecs).
    pub fn cmetpn(&self, id: &ConversationId) -> Result<String, ReturnCode> {
        self.look(id, |conversation| Ok(conversation.characteristics.tp_name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpic_19_the_defaults_are_those_of_the_guide() {
        let of = Characteristics::default();
        let numbers = [
            of.conversation_type,
            of.sync_level,
            of.processing_mode,
            of.send_type,
            of.receive_type,
            of.deallocate_type,
            of.prepare_to_receive_type,
            of.error_direction,
            of.fill,
            of.return_control,
        ];
        assert_eq!(numbers, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((of.mode_name.as_str(), of.partner_lu_name.as_str(), of.tp_name.as_str()), ("", " ", " "));
        assert!(of.log_data.is_empty());
    }
}
