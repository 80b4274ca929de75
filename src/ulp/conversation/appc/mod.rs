//! APPC: verbs of basic conversations.
//!
//! A transaction program (TP) begins with [`tp_started`](Appc::tp_started) and allocates, or is invoked and
//! begins with [`receive_allocate`](Appc::receive_allocate). Each verb names the program by its `tp_id` and,
//! where it is about one, the conversation by its `conv_id`; it returns a [`Pending`] result, so it may be
//! waited for (the blocking verb) or awaited (the asynchronous one). [`Appc::call`] takes the same verbs as
//! verb control blocks, byte by byte as the original lays them out.
//!
//! One verb at a time on each conversation; what another thread issues meanwhile gets AP_CONV_BUSY. While a
//! receive is outstanding, DEALLOCATE with an abend, GET_x, REQUEST_TO_SEND, SEND_ERROR, TEST_RTS and
//! TP_ENDED are taken. AP_INVALID_VERB_SEGMENT and AP_STACK_TOO_SMALL, conditions of 16-bit programs, are
//! never returned.
//!
//! May come in: verbs, their arguments and numbers. Not here: rules of conversations (`half`), mapped
//! conversations (MC_ verbs get AP_CONVERSATION_TYPE_MIXED), pointers (`sys/ulp`).

pub mod codes;
mod control;
mod layout;
mod vcb;

mod verbs;

pub use codes::ReturnCode;
pub use control::{Allocate, ReceiveAllocate};
pub use layout::{BlockLayout, DataField};
pub use vcb::ShortBlock;

pub use verbs::{
    Attributes, Deallocate, Locks, PrepareToReceive, ReceiveArguments, Received, Reply, SendType,
};

use super::allocation::Share;
use super::node::{Node, lock};
use super::pending::Pending;
use codes::{AP_BAD_CONV_ID, AP_BAD_TP_ID};
use event_listener::Event;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// What names a program: eight bytes without meaning.
pub type TpId = [u8; 8];
/// What names a conversation of a program.
pub type ConvId = u32;

/// The entry point of APPC on a node.
///
/// Its calls come from any thread. Dropped, its conversations end abnormally, as those of programs that end
/// without a word.
pub struct Appc {
    entry: Arc<Entry>,
}

/// The entry point as verbs under way hold it.
struct Entry {
    node: Node,
    table: Mutex<Table>,
}

/// Programs and conversations, by their identifiers.
#[derive(Default)]
struct Table {
    programs: BTreeMap<TpId, Program>,
    conversations: BTreeMap<ConvId, Conversation>,
}

struct Program {
    lu_alias: String,
    /// Notified when something happens on any of its conversations.
    event: Arc<Event>,
}

struct Conversation {
    owner: TpId,
    share: Arc<Share>,
}

impl Appc {
    /// APPC on `node`.
    pub fn new(node: &Node) -> Self {
        Self { entry: Arc::new(Entry { node: node.clone(), table: Mutex::default() }) }
    }
}

impl Entry {
    /// A new identifier of a program.
    fn new_tp_id(&self) -> TpId {
        (self.node.core().new_number() | 1 << 63).to_be_bytes()
    }

    /// Keeps a conversation of `owner`, and gives it its name.
    fn keep(&self, owner: TpId, event: &Arc<Event>, share: Share) -> ConvId {
        share.session.set_owner(event);
        // Numbers of one node: 2^32 objects later they come round, which no session lives to see.
        let conv_id = self.node.core().new_number() as ConvId;
        let conversation = Conversation { owner, share: Arc::new(share) };
        lock(&self.table).conversations.insert(conv_id, conversation);
        conv_id
    }

    fn knows(&self, tp_id: TpId) -> bool {
        lock(&self.table).programs.contains_key(&tp_id)
    }

    /// Takes the name from a conversation that is over.
    fn forget_if_over(&self, conv_id: ConvId) {
        let mut table = lock(&self.table);
        let over = table.conversations.get(&conv_id).is_some_and(|of| of.share.is_over());
        let gone = over.then(|| table.conversations.remove(&conv_id));
        drop(table);
        drop(gone); // a share is not let go below the lock
    }

    /// The conversation that a verb is about: first the program, then the conversation.
    fn find(&self, tp_id: TpId, conv_id: ConvId) -> Result<Arc<Share>, ReturnCode> {
        let mut table = lock(&self.table);
        if !table.programs.contains_key(&tp_id) {
            return Err(ReturnCode::parameter(AP_BAD_TP_ID));
        }
        let found = table.conversations.get(&conv_id).filter(|conversation| conversation.owner == tp_id);
        let share = found.map(|conversation| Arc::clone(&conversation.share));
        let bad = ReturnCode::parameter(AP_BAD_CONV_ID);
        let share = share.ok_or(bad)?;
        if share.is_over() {
            let gone = table.conversations.remove(&conv_id);
            drop(table);
            drop((gone, share)); // a share is not let go below the lock
            return Err(bad);
        }
        Ok(share)
    }
}

impl fmt::Debug for Appc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = lock(&self.entry.table);
        f.debug_struct("Appc")
            .field("programs", &table.programs.len())
            .field("conversations", &table.conversations.len())
            .finish_non_exhaustive()
    }
}
