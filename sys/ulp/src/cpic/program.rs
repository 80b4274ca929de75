//! Programs of this process, and the results of operations that go on after their call.

use crate::border::{Later, Lent, tell};
use crate::node::{Running, running};
use crate::table::lock;
use qpair::ulp::conversation::cpic::codes::{
    CM_OPERATION_INCOMPLETE, CM_PRODUCT_SPECIFIC_ERROR, CM_PROGRAM_PARAMETER_CHECK,
};
use qpair::ulp::conversation::cpic::{ConversationId, Program, Received, ReturnCode, Waited};
use qpair::ulp::file::Lend as _;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

/// A program, and where its operations under way put their results.
pub(crate) struct CpicProgram {
    pub(crate) program: Program,
    places: Mutex<Places>,
}

#[derive(Default)]
struct Places {
    next: u64,
    of: VecDeque<(u64, ConversationId, Results)>,
}

/// Places for what an operation brings.
pub(crate) struct Results {
    pub(crate) buffer: Option<Lent>,
    pub(crate) data_received: Later<i32>,
    pub(crate) received_length: Later<i32>,
    pub(crate) status_received: Later<i32>,
    pub(crate) request_to_send_received: Later<i32>,
}

impl Results {
    fn fill(&mut self, received: &Received) {
        if let Some(buffer) = &mut self.buffer {
            let room = buffer.bytes_mut();
            let count = received.data.len().min(room.len()); // never more than was asked for
            room[..count].copy_from_slice(&received.data[..count]);
        }
        self.data_received.put(received.data_received);
        self.received_length.put(received.data.len() as i32);
        self.status_received.put(received.status_received);
        self.request_to_send_received.put(received.request_to_send_received.into());
    }
}

impl CpicProgram {
    /// Carries out a call that may go on, with places for what it brings.
    pub(crate) fn bringing(
        &self,
        id: &ConversationId,
        results: Results,
        call: impl FnOnce(&Program) -> Received,
    ) -> ReturnCode {
        // Kept before the call, since another thread may be told of the end before this one is back.
        let number = {
            let mut places = lock(&self.places);
            places.next += 1;
            let number = places.next;
            places.of.push_back((number, *id, results));
            number
        };
        let received = call(&self.program);
        if received.return_code == CM_OPERATION_INCOMPLETE {
            return received.return_code;
        }
        if let Some(mut results) = self.take(|(of, ..)| *of == number) {
            results.fill(&received);
        }
        received.return_code
    }

    fn take(&self, wanted: impl Fn(&(u64, ConversationId, Results)) -> bool) -> Option<Results> {
        let mut places = lock(&self.places);
        let found = places.of.iter().position(wanted)?;
        places.of.remove(found).map(|(.., results)| results)
    }

    /// Waits for an operation, and puts what it has brought where its call said.
    pub(crate) fn wait(&self) -> Waited {
        let waited = self.program.cmwait();
        if waited.return_code.is_ok() {
            if let Some(mut results) = self.take(|(_, id, _)| *id == waited.conversation_id) {
                results.fill(&waited.received);
            }
        }
        waited
    }
}

thread_local! {
    static CURRENT: RefCell<Weak<CpicProgram>> = const { RefCell::new(Weak::new()) };
}

fn node() -> Result<Arc<Running>, ReturnCode> {
    running().ok_or_else(|| {
        tell("CPI-C: there is no node; call qpair_appc_start first");
        CM_PRODUCT_SPECIFIC_ERROR
    })
}

fn begin(running: &Running, lu_alias: &str) -> Option<Arc<CpicProgram>> {
    let program = Program::new(&running.unit(lu_alias)?, &[]);
    let begun = Arc::new(CpicProgram { program, places: Mutex::default() });
    lock(&running.programs).push(Arc::clone(&begun));
    Some(begun)
}

/// A new program on that unit, which the thread's calls are of from now on; `None`: there is no such unit.
pub(crate) fn begin_here(lu_alias: &str) -> Result<(), ReturnCode> {
    let begun = begin(&*node()?, lu_alias).ok_or(CM_PROGRAM_PARAMETER_CHECK)?;
    CURRENT.with(|current| *current.borrow_mut() = Arc::downgrade(&begun));
    Ok(())
}

/// The program of this thread; without one the node's first, which is on the first unit.
pub(crate) fn current() -> Result<Arc<CpicProgram>, ReturnCode> {
    if let Some(current) = CURRENT.with(|current| current.borrow().upgrade()) {
        return Ok(current);
    }
    let running = node()?;
    let first = lock(&running.programs).first().cloned();
    first.or_else(|| begin(&running, "")).ok_or_else(|| {
        tell("CPI-C: the node has no unit; call qpair_appc_define_lu first");
        CM_PRODUCT_SPECIFIC_ERROR
    })
}

/// The program that has the conversation; any thread may work with it.
pub(crate) fn knowing(id: &ConversationId) -> Result<Arc<CpicProgram>, ReturnCode> {
    let running = node()?;
    let programs = lock(&running.programs).clone();
    let knows = |of: &Arc<CpicProgram>| of.program.cmecs(id).is_ok();
    programs.into_iter().find(knows).ok_or(CM_PROGRAM_PARAMETER_CHECK)
}
