//! Operations: begun in either mode, ended at once, by waiting, or by a cancel.

use super::calls::Received;
use super::codes::*;
use super::{Conversation, ConversationId, Pending, Program};
use crate::ulp::conversation::allocation::Share;
use crate::ulp::conversation::code::{Abend, Code};
use crate::ulp::conversation::half::{Outcome, Verb};
use crate::ulp::conversation::node::lock;
use crate::ulp::conversation::state::{Action, Face, Move, State, after_code, next};
use event_listener::EventListener;

/// What an operation has come to.
pub(super) enum Done {
    Allocated(Result<Share, Code>),
    Ended(Outcome),
}

/// An operation that is outstanding in non-blocking mode.
pub(super) struct Operation {
    call: &'static str,
    pending: Pending<Done>,
}

/// How a call of a conversation ended, and what it brought.
pub(super) struct Ended {
    pub(super) code: ReturnCode,
    pub(super) outcome: Outcome,
}

impl Ended {
    fn of(code: ReturnCode) -> Self {
        Self { code, outcome: Outcome::of(Code::BadState) }
    }
}

/// What `cmwait` has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// The code of `cmwait` itself.
    pub return_code: ReturnCode,
    /// The conversation whose operation has ended.
    pub conversation_id: ConversationId,
    /// The code of that operation.
    pub conversation_return_code: ReturnCode,
    /// What it brought: the parameters that a receive fills in, and a request for the turn.
    pub received: Received,
}

impl Waited {
    fn new(conversation_id: ConversationId, ended: Ended) -> Self {
        let conversation_return_code = ended.code;
        Self { return_code: CM_OK, conversation_id, conversation_return_code, received: ended.into() }
    }
}

impl Program {
    /// Begins an operation on a conversation, and waits for it in blocking mode.
    pub(super) fn operate(
        &self,
        id: &ConversationId,
        call: &'static str,
        begin: impl FnOnce(&mut Conversation) -> Result<Pending<Done>, ReturnCode>,
    ) -> Ended {
        let found = match self.find(id) {
            Ok(found) => found,
            Err(code) => return Ended::of(code),
        };
        let begun = {
            let mut conversation = lock(&found);
            let begun = match self.judge(&conversation, call) {
                Ok(()) => begin(&mut conversation),
                Err(code) => Err(code),
            };
            let blocking = conversation.characteristics.processing_mode == CM_BLOCKING;
            conversation.allocating = blocking && begun.is_ok() && conversation.share.is_none();
            begun.map(|pending| (pending, blocking))
        };
        let (pending, blocking) = match begun {
            Ok(begun) => begun,
            Err(code) => return Ended::of(code),
        };
        self.take_interrupted(id);
        let done = match (pending.now(), blocking) {
            (Ok(done), _) => done,
            (Err(pending), true) => pending.wait(),
            (Err(pending), false) => {
                lock(&found).operation = Some(Operation { call, pending });
                return Ended::of(CM_OPERATION_INCOMPLETE);
            }
        };
        let ended = self.settle(&mut lock(&found), call, done);
        self.forget_if_over(id);
        ended
    }

    /// What may fail below a call before it begins; an outstanding operation comes first.
    fn judge(&self, conversation: &Conversation, call: &'static str) -> Result<(), ReturnCode> {
        let receives = |share: &Share| share.session.with(|half| half.is_receiving());
        let may = !conversation.is_busy() || conversation.share.as_ref().is_some_and(receives);
        if !may {
            return Err(CM_OPERATION_NOT_ACCEPTED);
        }
        self.lu.node.system_call().map_err(|code| self.told(call, code))
    }

    /// Begins a verb of the machine.
    pub(super) fn verb(
        &self,
        id: &ConversationId,
        call: &'static str,
        action: Action,
        verb: impl FnOnce(&mut Conversation) -> Result<Option<Pending<Done>>, ReturnCode>,
    ) -> Ended {
        self.operate(id, call, |conversation| {
            if conversation.share.is_none() && next(Face::Cpic, State::Initialize, action) == Move::Refused {
                return Err(CM_PROGRAM_STATE_CHECK);
            }
            verb(conversation)?.ok_or(CM_PROGRAM_STATE_CHECK)
        })
    }

    /// What an operation that has ended leaves behind.
    fn settle(&self, conversation: &mut Conversation, call: &'static str, done: Done) -> Ended {
        match done {
            Done::Allocated(Ok(share)) => {
                (conversation.share, conversation.allocating) = (Some(share), false);
                Ended { code: CM_OK, outcome: Outcome::of(Code::Ok) }
            }
            Done::Allocated(Err(code)) => {
                conversation.allocating = false;
                conversation.refused = after_code(code) == Some(State::Reset);
                Ended::of(self.told(call, code))
            }
            Done::Ended(outcome) => Ended { code: self.told(call, outcome.code), outcome },
        }
    }

    /// A receive that another call has ended is told by the next `cmwait`.
    fn take_interrupted(&self, id: &ConversationId) {
        if let Some(waited) = self.take_of(id) {
            lock(&self.finished).push_back(waited);
        }
    }

    /// The end of an outstanding operation of that conversation, if it has ended.
    fn take_of(&self, id: &ConversationId) -> Option<Waited> {
        let found = lock(&self.table).get(id).cloned()?;
        let waited = {
            let mut conversation = lock(&found);
            let Operation { call, pending } = conversation.operation.take()?;
            match pending.now() {
                Ok(done) => Waited::new(*id, self.settle(&mut conversation, call, done)),
                Err(pending) => {
                    conversation.operation = Some(Operation { call, pending });
                    return None;
                }
            }
        };
        self.forget_if_over(id);
        Some(waited)
    }

    fn forget_if_over(&self, id: &ConversationId) {
        let found = lock(&self.table).get(id).cloned();
        if found.is_some_and(|found| lock(&found).state() == State::Reset) {
            self.forget(id);
        }
    }

    /// Wait_For_Conversation: waits for the end of any outstanding operation of the program.
    ///
    /// Its own code is CM_OK then, and the operation's is told beside. With nothing outstanding it is
    /// CM_PROGRAM_STATE_CHECK.
    pub fn cmwait(&self) -> Waited {
        loop {
            match self.ended_or_listening() {
                Ok(waited) => return waited,
                Err(listener) => event_listener::Listener::wait(listener),
            }
        }
    }

    /// As [`cmwait`](Self::cmwait), for a task.
    pub async fn wait_for_conversation(&self) -> Waited {
        loop {
            match self.ended_or_listening() {
                Ok(waited) => return waited,
                Err(listener) => listener.await,
            }
        }
    }

    /// What has ended; or a listener that hears of whatever ends from now on.
    fn ended_or_listening(&self) -> Result<Waited, EventListener> {
        if let Some(waited) = self.take_ended() {
            return Ok(waited);
        }
        let listener = self.event.listen();
        self.take_ended().ok_or(listener)
    }

    /// An operation that has ended; or that there is none. `None`: one has to wait.
    fn take_ended(&self) -> Option<Waited> {
        if let Some(waited) = lock(&self.finished).pop_front() {
            return Some(waited);
        }
        let ids: Vec<ConversationId> = lock(&self.table).keys().copied().collect();
        let mut outstanding = false;
        for id in ids {
            if let Some(waited) = self.take_of(&id) {
                return Some(waited);
            }
            let found = lock(&self.table).get(&id).cloned();
            outstanding |= found.is_some_and(|found| lock(&found).operation.is_some());
        }
        (!outstanding).then(|| Waited { return_code: CM_PROGRAM_STATE_CHECK, ..Waited::default() })
    }

    /// Cancel_Conversation: ends it at once, whatever is outstanding.
    ///
    /// What is outstanding ends with CM_DEALLOCATED_ABEND, what is buffered is lost, and the partner sees
    /// CM_DEALLOCATED_ABEND_SVC, or nothing at all if it has heard of nothing.
    pub fn cmcanc(&self, id: &ConversationId) -> ReturnCode {
        let found = match self.find(id) {
            Ok(found) => found,
            Err(code) => return code,
        };
        let (share, operation) = {
            let mut conversation = lock(&found);
            (conversation.share.take(), conversation.operation.take())
        };
        self.forget(id);
        let told = Code::Abend(Abend::Program);
        if let Some(share) = share {
            share.session.act(|half| half.cancel(Abend::Service, told));
        }
        if operation.is_some() {
            let ended = Ended { code: told.into(), outcome: Outcome::of(told) };
            lock(&self.finished).push_back(Waited::new(*id, ended));
        }
        drop(operation); // an allocation under way is given up with it
        self.event.notify(usize::MAX);
        CM_OK
    }
}

impl Conversation {
    /// Begins a verb on the session that it has.
    pub(super) fn begin(&self, verb: Verb<'_>) -> Option<Pending<Done>> {
        let session = &self.share.as_ref()?.session;
        Some(session.pending(session.begin(Face::Cpic, verb)).map(Done::Ended))
    }
}
