//! Verbs about programs and the beginning of conversations.

use super::codes::{self, *};
use super::verbs::told;
use super::{Appc, ConvId, Pending, Program, ReturnCode, TpId};
use crate::ulp::conversation::allocation::{self, Share};
use crate::ulp::conversation::attach::{Attach, PIP_MAX, Security, SyncLevel};
use crate::ulp::conversation::code::{Abend, Code};
use crate::ulp::conversation::half::{Begun, Confirming, Ticket, Verb};
use crate::ulp::conversation::lu::{LuCore, NoAttach, Partner, next_attach};
use crate::ulp::conversation::node::lock;
use crate::ulp::conversation::state::{Face, State};
use event_listener::Event;
use std::sync::Arc;

/// What an ALLOCATE asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocate {
    /// What the local unit calls the partner's; blank: by `fqplu_name`.
    pub plu_alias: String,
    /// The fully qualified name of the partner's unit.
    pub fqplu_name: String,
    /// The mode; blank: any.
    pub mode_name: String,
    /// The program to invoke, up to 64 bytes.
    pub tp_name: String,
    /// How far the conversation can confirm.
    pub sync_level: SyncLevel,
    /// Who asks.
    pub security: Security,
    /// Initialisation parameters, up to 32,767 bytes.
    pub pip: Vec<u8>,
}

impl Allocate {
    /// Asks `plu_alias` for `tp_name`, without confirmation, security or parameters.
    pub fn new(plu_alias: &str, tp_name: &str) -> Self {
        Self { plu_alias: plu_alias.to_owned(), tp_name: tp_name.to_owned(), ..Self::default() }
    }

    /// With confirmation.
    pub fn confirm(mut self) -> Self {
        self.sync_level = SyncLevel::Confirm;
        self
    }
}

/// What a RECEIVE_ALLOCATE has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveAllocate {
    /// The new program's identifier.
    pub tp_id: TpId,
    /// The conversation, in RECEIVE.
    pub conv_id: ConvId,
    /// How far it can confirm.
    pub sync_level: SyncLevel,
    /// The user that the partner named.
    pub user_id: String,
    /// The local unit.
    pub lu_alias: String,
    /// What the local unit calls the partner's, if it knows it.
    pub plu_alias: String,
    /// The mode.
    pub mode_name: String,
    /// The fully qualified name of the partner's unit.
    pub fqplu_name: String,
    /// Initialisation parameters.
    pub pip: Vec<u8>,
}

/// A conversation that a TP_ENDED ends.
struct Ending {
    share: Arc<Share>,
    deallocation: Option<Ticket>,
}

impl Appc {
    /// TP_STARTED: the first verb of an invoking program.
    ///
    /// A wrong `lu_alias` shows at ALLOCATE only (2.6). Blank: the unit that was defined first.
    ///
    /// # Errors
    /// AP_COMM_SUBSYSTEM_ABENDED: the node is down.
    pub fn tp_started(&self, lu_alias: &str, tp_name: &str) -> Result<TpId, ReturnCode> {
        let _for_whom = tp_name; // told to operators only, of whom there are none
        if !self.entry.node.core().is_up() {
            return Err(told(self.entry.node.core(), &codes::TP_STARTED, Code::NodeDown));
        }
        let tp_id = self.entry.new_tp_id();
        let program = Program { lu_alias: lu_alias.to_owned(), event: Arc::default() };
        lock(&self.entry.table).programs.insert(tp_id, program);
        Ok(tp_id)
    }

    /// TP_ENDED: ends the program and each of its conversations.
    ///
    /// A conversation in SEND is deallocated as by DEALLOCATE with AP_FLUSH, any other one, and one in the
    /// middle of a record, abnormally. `hard` ends outstanding verbs; otherwise they are waited for, but for
    /// receives, which end with AP_CANCELLED.
    pub fn tp_ended(&self, tp_id: TpId, hard: bool) -> Pending<ReturnCode> {
        let (program, mut endings) = {
            let mut table = lock(&self.entry.table);
            let Some(program) = table.programs.remove(&tp_id) else {
                return Pending::ready(ReturnCode::parameter(AP_BAD_TP_ID));
            };
            let ids = table.conversations.iter().filter(|(_, conversation)| conversation.owner == tp_id);
            let ids: Vec<ConvId> = ids.map(|(id, _)| *id).collect();
            let of = ids.into_iter().filter_map(|id| table.conversations.remove(&id));
            let endings: Vec<Ending> =
                of.map(|conversation| Ending { share: conversation.share, deallocation: None }).collect();
            (program, endings)
        };
        // Begun now, whoever waits for the end.
        endings.retain_mut(|ending| !ending.has_ended(hard));
        Pending::new(&program.event, move || {
            endings.retain_mut(|ending| !ending.has_ended(hard));
            endings.is_empty().then_some(ReturnCode::OK)
        })
    }

    /// RECEIVE_ALLOCATE: the first verb of an invoked program; waits for an attach with its name.
    ///
    /// Waits as long as the node's [`Options`](crate::ulp::conversation::Options) say.
    ///
    /// # Errors
    /// AP_PARAMETER_CHECK with AP_UNDEFINED_TP_NAME: no unit of the node has such a program. AP_STATE_CHECK
    /// with AP_ALLOCATE_NOT_PENDING: none came in time. AP_COMM_SUBSYSTEM_ABENDED.
    pub fn receive_allocate(&self, tp_name: &str) -> Result<ReceiveAllocate, ReturnCode> {
        let node = self.entry.node.core();
        match next_attach(node, &self.entry.node.units(), &[tp_name]) {
            Ok(share) => Ok(self.attached(share)),
            Err(NoAttach::UnknownProgram) => Err(ReturnCode::parameter(AP_UNDEFINED_TP_NAME)),
            Err(NoAttach::TimedOut) => Err(ReturnCode::state(AP_ALLOCATE_NOT_PENDING)),
            Err(NoAttach::NodeDown) => Err(told(node, &codes::RECEIVE_ALLOCATE, Code::NodeDown)),
        }
    }

    fn attached(&self, share: Share) -> ReceiveAllocate {
        let tp_id = self.entry.new_tp_id();
        let program = Program { lu_alias: share.lu.alias.clone(), event: Arc::default() };
        let event = Arc::clone(&program.event);
        lock(&self.entry.table).programs.insert(tp_id, program);
        let (attach, lu) = (share.session.with(|half| half.attach().cloned()), Arc::clone(&share.lu));
        let conv_id = self.entry.keep(tp_id, &event, share);
        let attach = attach.expect("what waits for a program has its attach");
        ReceiveAllocate {
            tp_id,
            conv_id,
            sync_level: attach.sync_level,
            user_id: attach.security.user_id(),
            lu_alias: lu.alias.clone(),
            plu_alias: lu.alias_of(&attach.local_lu),
            mode_name: attach.mode,
            fqplu_name: attach.local_lu,
            pip: attach.pip,
        }
    }

    /// ALLOCATE: a session, and a conversation on it in SEND; nothing is sent before a flush.
    ///
    /// Whether the partner was started is told by a later verb; CONFIRM right behind it tells at once.
    ///
    /// # Errors
    /// AP_PARAMETER_CHECK with AP_BAD_TP_ID, AP_BAD_LU_ALIAS, AP_BAD_PARTNER_LU_ALIAS,
    /// AP_UNKNOWN_PARTNER_MODE or AP_PIP_LEN_INCORRECT. AP_ALLOCATION_ERROR: there is no session, or a name
    /// is longer than any that the partner can know.
    /// AP_COMM_SUBSYSTEM_ABENDED, AP_UNEXPECTED_DOS_ERROR.
    pub fn allocate(&self, tp_id: TpId, asks: &Allocate) -> Pending<Result<ConvId, ReturnCode>> {
        let (lu, partner, event) = match self.judge_allocate(tp_id, asks) {
            Ok(judged) => judged,
            Err(code) => return Pending::ready(Err(code)),
        };
        let attach = Attach {
            mapped: false,
            sync_level: asks.sync_level,
            tp_name: asks.tp_name.clone(),
            mode: asks.mode_name.clone(),
            partner_lu: partner.name.clone(),
            local_lu: lu.name.clone(),
            security: asks.security.clone(),
            pip: asks.pip.clone(),
        };
        let entry = Arc::clone(&self.entry);
        allocation::allocate(&lu, &partner, attach, &event).map(move |result| match result {
            Ok(share) => Ok(entry.keep(tp_id, &event, share)),
            Err(code) => Err(told(&lu.node, &codes::ALLOCATE, code)),
        })
    }

    fn judge_allocate(
        &self,
        tp_id: TpId,
        asks: &Allocate,
    ) -> Result<(Arc<LuCore>, Partner, Arc<Event>), ReturnCode> {
        let program = {
            let table = lock(&self.entry.table);
            table.programs.get(&tp_id).map(|program| (program.lu_alias.clone(), Arc::clone(&program.event)))
        };
        let (alias, event) = program.ok_or(ReturnCode::parameter(AP_BAD_TP_ID))?;
        let lu = self.entry.node.lu(&alias).ok_or(ReturnCode::parameter(AP_BAD_LU_ALIAS))?;
        let named = if asks.plu_alias.is_empty() { &asks.fqplu_name } else { &asks.plu_alias };
        let partner = lu.partner(named).ok_or(ReturnCode::parameter(AP_BAD_PARTNER_LU_ALIAS))?;
        if !lu.knows_mode(&asks.mode_name) {
            return Err(ReturnCode::parameter(AP_UNKNOWN_PARTNER_MODE));
        }
        if asks.pip.len() > PIP_MAX {
            return Err(ReturnCode::parameter(AP_PIP_LEN_INCORRECT));
        }
        Ok((lu, partner, event))
    }
}

impl Ending {
    /// Ends it as far as it can be ended now.
    fn has_ended(&mut self, hard: bool) -> bool {
        let session = &self.share.session;
        if let Some(ticket) = self.deallocation {
            return session.take_outcome(ticket).is_some();
        }
        let (busy, receives) = session.with(|half| (half.is_busy(), half.is_receiving()));
        if busy && !receives && !hard {
            return false;
        }
        if !busy && matches!(session.state(), State::Send | State::SendPending) {
            match session.begin(Face::Appc, Verb::Deallocate(Confirming::No)) {
                Begun::Waits(ticket) => {
                    self.deallocation = Some(ticket);
                    return false;
                }
                Begun::Done(outcome) if outcome.code == Code::Ok => return true,
                Begun::Done(_) => {} // in the middle of a record, say
            }
        }
        session.act(|half| half.cancel(Abend::Program, Code::Cancelled));
        true
    }
}
