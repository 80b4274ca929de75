//! CPI-C: calls of basic conversations, by their short names.
//!
//! A [`Program`] initialises a conversation ([`cminit`](Program::cminit)), says what it is to be like, and
//! allocates it, or accepts one ([`cmaccp`](Program::cmaccp)). Characteristics decide what other calls do;
//! each call returns one code. In blocking mode, the default, a call returns when it is done. In non-blocking
//! mode one that cannot end at once returns CM_OPERATION_INCOMPLETE, and [`cmwait`](Program::cmwait) says how
//! it ended, or [`cmcanc`](Program::cmcanc) ends it. While one operation is outstanding, others on the
//! conversation get CM_OPERATION_NOT_ACCEPTED; while it is a receive, `cmcanc`, `cmdeal`, `cmrts`, `cmserr`
//! and `cmtrts` are taken.
//!
//! Against APPC: an error told in SEND is buffered until a flush, a request for the turn is allowed in more
//! states, lengths end at 32,767, and the numbers of the fill are the other way round. The default type is
//! mapped, which is not modelled: `cmsct` to basic before `cmallc`.
//!
//! May come in: calls, their arguments and numbers. Not here: rules of conversations (`half`), sync point,
//! pointers (`sys/ulp`).

mod calls;
mod characteristics;
pub mod codes;
mod wait;

pub use calls::{Received, Sent};
pub use codes::ReturnCode;
pub use wait::Waited;

use super::allocation::Share;
use super::code::Code;
use super::lu::{Lu, LuCore};
use super::node::lock;
use super::pending::Pending;
use super::state::State;
use characteristics::Characteristics;
use codes::CM_PROGRAM_PARAMETER_CHECK;
use event_listener::Event;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use wait::Operation;

/// What names a conversation of a program: eight bytes without meaning.
pub type ConversationId = [u8; 8];

/// A program on CPI-C.
///
/// Its calls come from any thread. Dropped, its conversations end abnormally, as those of a program that ends
/// without a word.
pub struct Program {
    lu: Arc<LuCore>,
    names: Mutex<Vec<String>>,
    table: Mutex<BTreeMap<ConversationId, Arc<Mutex<Conversation>>>>,
    /// How operations ended that nobody can look up any more.
    finished: Mutex<VecDeque<Waited>>,
    /// Notified when something happens on any of its conversations.
    event: Arc<Event>,
}

/// A conversation as its program sees it.
struct Conversation {
    characteristics: Characteristics,
    /// `None` in INITIALIZE.
    share: Option<Share>,
    /// What is outstanding in non-blocking mode.
    operation: Option<Operation>,
    /// A blocking call of another thread gets the session.
    allocating: bool,
    /// There was no session to be had.
    refused: bool,
}

impl Conversation {
    fn new(characteristics: Characteristics, share: Option<Share>) -> Self {
        Self { characteristics, share, operation: None, allocating: false, refused: false }
    }

    fn state(&self) -> State {
        let without = if self.refused { State::Reset } else { State::Initialize };
        self.share.as_ref().map_or(without, |share| share.session.state())
    }

    /// An operation is outstanding, in whatever mode.
    fn is_busy(&self) -> bool {
        let below = |share: &Share| share.session.with(|half| half.is_busy());
        self.operation.is_some() || self.allocating || self.share.as_ref().is_some_and(below)
    }
}

impl Program {
    /// A program on a unit; `names` are those that it is invoked by.
    pub fn new(lu: &Lu, names: &[&str]) -> Self {
        Self {
            lu: Arc::clone(&lu.core),
            names: Mutex::new(names.iter().map(|name| (*name).to_owned()).collect()),
            table: Mutex::default(),
            finished: Mutex::default(),
            event: Arc::default(),
        }
    }

    fn keep(&self, conversation: Conversation) -> ConversationId {
        let id = (self.lu.node.new_number() | 1 << 62).to_be_bytes();
        lock(&self.table).insert(id, Arc::new(Mutex::new(conversation)));
        id
    }

    /// The conversation of that identifier; one in RESET has none.
    fn find(&self, id: &ConversationId) -> Result<Arc<Mutex<Conversation>>, ReturnCode> {
        let found = lock(&self.table).get(id).cloned();
        let found = found.ok_or(CM_PROGRAM_PARAMETER_CHECK)?;
        if lock(&found).state() == State::Reset {
            self.forget(id);
            return Err(CM_PROGRAM_PARAMETER_CHECK);
        }
        Ok(found)
    }

    fn forget(&self, id: &ConversationId) {
        let gone = lock(&self.table).remove(id);
        drop(gone); // not below the lock: the conversation may end with it
    }

    /// Looks at a conversation, whatever is outstanding on it.
    fn look<R>(
        &self,
        id: &ConversationId,
        look: impl FnOnce(&mut Conversation) -> Result<R, ReturnCode>,
    ) -> Result<R, ReturnCode> {
        look(&mut lock(&*self.find(id)?))
    }

    /// The return code of a call; what is nobody's own fault is logged with its cause.
    fn told(&self, call: &'static str, code: Code) -> ReturnCode {
        if matches!(code, Code::NodeDown | Code::System(_)) {
            self.lu.node.log_failure(call, code);
        }
        code.into()
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("conversations", &lock(&self.table).len()).finish_non_exhaustive()
    }
}
