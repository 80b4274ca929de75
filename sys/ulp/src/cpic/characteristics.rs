//! Set and extract calls.

use super::{on, place, required};
use crate::border::{Buffer, Bytes, Out};
use qpair::ulp::conversation::cpic::ConversationId;
use qpair::ulp::conversation::cpic::codes::CM_OK;

macro_rules! set_numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[expect(private_interfaces, reason = "only C makes the parameters")]
        pub extern "C" fn $name(id: Out<ConversationId>, value: Out<i32>, mut return_code: Out<i32>) {
            on(&id, &mut return_code, |of, id| Ok(of.program.$name(id, required(value.get())?)));
        }
    )*};
}

set_numbers! {
    /// Set_Conversation_Type; the header has the documentation.
    cmsct;
    /// Set_Sync_Level; the header has the documentation.
    cmssl;
    /// Set_Return_Control; the header has the documentation.
    cmsrc;
    /// Set_Conversation_Security_Type; the header has the documentation.
    cmscst;
    /// Set_Send_Type; the header has the documentation.
    cmsst;
    /// Set_Receive_Type; the header has the documentation.
    cmsrt;
    /// Set_Deallocate_Type; the header has the documentation.
    cmsdt;
    /// Set_Prepare_To_Receive_Type; the header has the documentation.
    cmsptr;
    /// Set_Error_Direction; the header has the documentation.
    cmsed;
    /// Set_Fill; the header has the documentation.
    cmsf;
    /// Set_Processing_Mode; the header has the documentation.
    cmspm;
}

macro_rules! set_texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[expect(private_interfaces, reason = "only C makes the parameters")]
        pub extern "C" fn $name(
            id: Out<ConversationId>,
            value: Bytes,
            length: Out<i32>,
            mut return_code: Out<i32>,
        ) {
            on(&id, &mut return_code, |of, id| {
                let value = required(value.read(required(length.get())?))?;
                Ok(of.program.$name(id, required(std::str::from_utf8(value).ok())?))
            });
        }
    )*};
}

set_texts! {
    /// Set_Mode_Name; the header has the documentation.
    cmsmn;
    /// Set_Partner_LU_Name; the header has the documentation.
    cmspln;
    /// Set_TP_Name; the header has the documentation.
    cmstpn;
    /// Set_Conversation_Security_User_ID; the header has the documentation.
    cmscsu;
    /// Set_Conversation_Security_Password; the header has the documentation.
    cmscsp;
}

/// Set_Log_Data; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn cmsld(id: Out<ConversationId>, data: Bytes, length: Out<i32>, mut return_code: Out<i32>) {
    on(&id, &mut return_code, |of, id| {
        Ok(of.program.cmsld(id, required(data.read(required(length.get())?))?))
    });
}

macro_rules! extract_numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[expect(private_interfaces, reason = "only C makes the parameters")]
        pub extern "C" fn $name(id: Out<ConversationId>, mut value: Out<i32>, mut return_code: Out<i32>) {
            on(&id, &mut return_code, |of, id| {
                place(&value)?;
                value.put(of.program.$name(id)?);
                Ok(CM_OK)
            });
        }
    )*};
}

extract_numbers! {
    /// Extract_Conversation_State; the header has the documentation.
    cmecs;
    /// Extract_Conversation_Type; the header has the documentation.
    cmect;
    /// Extract_Sync_Level; the header has the documentation.
    cmesl;
}

macro_rules! extract_texts {
    ($($(#[$doc:meta])* $name:ident $room:literal;)*) => {$(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[expect(private_interfaces, reason = "only C makes the parameters")]
        pub extern "C" fn $name(
            id: Out<ConversationId>,
            mut value: Buffer,
            mut length: Out<i32>,
            mut return_code: Out<i32>,
        ) {
            on(&id, &mut return_code, |of, id| {
                place(&length)?;
                let room = required(value.room($room))?;
                let text = of.program.$name(id)?;
                let count = text.len().min(room.len()); // a partner's name is no longer
                room[..count].copy_from_slice(&text.as_bytes()[..count]);
                length.put(count as i32);
                Ok(CM_OK)
            });
        }
    )*};
}

extract_texts! {
    /// Extract_Mode_Name; the header has the documentation.
    cmemn 8;
    /// Extract_Partner_LU_Name; the header has the documentation.
    cmepln 17;
    /// Extract_TP_Name; the header has the documentation.
    cmetpn 64;
}
