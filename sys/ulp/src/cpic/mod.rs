//! CPI-C for C: calls whose parameters are all pointers (`qpair_cpic.h`).

pub mod calls;
pub mod characteristics;
mod program;

pub(crate) use program::CpicProgram;

use crate::border::Out;
use program::knowing;
use qpair::ulp::conversation::cpic::codes::CM_PROGRAM_PARAMETER_CHECK;
use qpair::ulp::conversation::cpic::{ConversationId, ReturnCode};

/// Carries out a call on a conversation, and tells its code.
fn on(
    id: &Out<ConversationId>,
    return_code: &mut Out<i32>,
    work: impl FnOnce(&CpicProgram, &ConversationId) -> Result<ReturnCode, ReturnCode>,
) {
    let done = id.get().ok_or(CM_PROGRAM_PARAMETER_CHECK).and_then(|id| work(&*knowing(&id)?, &id));
    put(return_code, done);
}

fn put(return_code: &mut Out<i32>, done: Result<ReturnCode, ReturnCode>) {
    return_code.put(done.unwrap_or_else(|code| code).0);
}

/// What an argument must be: not NULL.
fn required<T>(value: Option<T>) -> Result<T, ReturnCode> {
    value.ok_or(CM_PROGRAM_PARAMETER_CHECK)
}

/// There must be a place for a result.
fn place<T: crate::border::Plain>(out: &Out<T>) -> Result<(), ReturnCode> {
    if out.is_null() { Err(CM_PROGRAM_PARAMETER_CHECK) } else { Ok(()) }
}
