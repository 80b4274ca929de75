//! Calls that begin, end and use conversations.

use super::program::{Results, begin_here, current};
use super::{CpicProgram, on, place, put, required};
use crate::border::{Buffer, Bytes, Out, Text};
use qpair::ulp::conversation::cpic::codes::CM_OK;
use qpair::ulp::conversation::cpic::{ConversationId, Program, Received, ReturnCode, Sent};

/// Begins a program on a unit for the calling thread; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_cpic_program(lu_alias: Text) -> i32 {
    let begun = begin_here(lu_alias.read().unwrap_or_default());
    begun.map_or_else(|code| code, |()| CM_OK).0
}

/// Initialize_Conversation; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cminit(mut id: Out<ConversationId>, sym_dest_name: Text, mut return_code: Out<i32>) {
    let mut done = || {
        place(&id)?;
        let name = required(sym_dest_name.at_most(8))?;
        id.put(current()?.program.cminit(&String::from_utf8_lossy(&name))?);
        Ok(CM_OK)
    };
    put(&mut return_code, done());
}

/// Accept_Conversation; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cmaccp(mut id: Out<ConversationId>, mut return_code: Out<i32>) {
    let mut done = || {
        place(&id)?;
        id.put(current()?.program.cmaccp()?);
        Ok(CM_OK)
    };
    put(&mut return_code, done());
}

/// Specify_Local_TP_Name; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cmsltp(tp_name: Bytes, length: Out<i32>, mut return_code: Out<i32>) {
    let done = || {
        let name = required(tp_name.read(required(length.get())?))?;
        Ok(current()?.program.cmsltp(&String::from_utf8_lossy(name)))
    };
    put(&mut return_code, done());
}

/// Wait_For_Conversation; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cmwait(
    mut id: Out<ConversationId>,
    mut conversation_return_code: Out<i32>,
    mut return_code: Out<i32>,
) {
    let mut done = || {
        place(&id)?;
        place(&conversation_return_code)?;
        let waited = current()?.wait();
        if waited.return_code.is_ok() {
            id.put(waited.conversation_id);
            conversation_return_code.put(waited.conversation_return_code.0);
        }
        Ok(waited.return_code)
    };
    put(&mut return_code, done());
}

macro_rules! plain_calls {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[expect(private_interfaces, reason = "only C makes the parameters")]
        pub extern "C" fn $name(id: Out<ConversationId>, mut return_code: Out<i32>) {
            on(&id, &mut return_code, |of, id| Ok(of.program.$name(id)));
        }
    )*};
}

plain_calls! {
    /// Allocate; the header has the documentation.
    cmallc;
    /// Flush; the header has the documentation.
    cmflus;
    /// Prepare_To_Receive; the header has the documentation.
    cmptr;
    /// Confirmed; the header has the documentation.
    cmcfmd;
    /// Request_To_Send; the header has the documentation.
    cmrts;
    /// Deallocate; the header has the documentation.
    cmdeal;
    /// Cancel_Conversation; the header has the documentation.
    cmcanc;
}

/// A call that brings nothing but a request for the turn.
fn sending(
    of: &CpicProgram,
    id: &ConversationId,
    request_to_send_received: &Out<i32>,
    call: impl FnOnce(&Program) -> Sent,
) -> Result<ReturnCode, ReturnCode> {
    place(request_to_send_received)?;
    let results = Results {
        buffer: None,
        data_received: Out::null().later(),
        received_length: Out::null().later(),
        status_received: Out::null().later(),
        request_to_send_received: request_to_send_received.later(),
    };
    Ok(of.bringing(id, results, |program| {
        let Sent { return_code, request_to_send_received } = call(program);
        Received { return_code, request_to_send_received, ..Received::default() }
    }))
}

macro_rules! sending_calls {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[expect(private_interfaces, reason = "only C makes the parameters")]
        pub extern "C" fn $name(
            id: Out<ConversationId>,
            request_to_send_received: Out<i32>,
            mut return_code: Out<i32>,
        ) {
            on(&id, &mut return_code, |of, id| {
                sending(of, id, &request_to_send_received, |program| program.$name(id))
            });
        }
    )*};
}

sending_calls! {
    /// Confirm; the header has the documentation.
    cmcfm;
    /// Send_Error; the header has the documentation.
    cmserr;
    /// Test_Request_To_Send_Received; the header has the documentation.
    cmtrts;
}

/// Send_Data; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cmsend(
    id: Out<ConversationId>,
    buffer: Bytes,
    send_length: Out<i32>,
    request_to_send_received: Out<i32>,
    mut return_code: Out<i32>,
) {
    on(&id, &mut return_code, |of, id| {
        let bytes = required(buffer.read(required(send_length.get())?))?;
        sending(of, id, &request_to_send_received, |program| program.cmsend(id, bytes))
    });
}

/// Receive; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cmrcv(
    id: Out<ConversationId>,
    buffer: Buffer,
    requested_length: Out<i32>,
    data_received: Out<i32>,
    received_length: Out<i32>,
    status_received: Out<i32>,
    request_to_send_received: Out<i32>,
    mut return_code: Out<i32>,
) {
    on(&id, &mut return_code, |of, id| {
        for out in [&data_received, &received_length, &status_received, &request_to_send_received] {
            place(out)?;
        }
        let length = required(usize::try_from(required(requested_length.get())?).ok())?;
        let room = buffer.lend(length);
        if length > 0 && room.is_none() {
            return required(None);
        }
        let results = Results {
            buffer: room,
            data_received: data_received.later(),
            received_length: received_length.later(),
            status_received: status_received.later(),
            request_to_send_received: request_to_send_received.later(),
        };
        Ok(of.bringing(id, results, |program| program.cmrcv(id, length)))
    });
}
