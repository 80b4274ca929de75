//! Values as they come from C: pointers, callbacks, and what is told about those that are wrong.
//!
//! Each kind of pointer that C passes has a type of its own here. No Rust code can make a value of one, so a
//! function that takes them is only ever called from C, and may rely on what the header and the README ask of
//! callers: a pointer is NULL, or points to what its type says, for the duration of the call and, for
//! callbacks and registered memory, as long as their documentation says. With that the checks that are left
//! are here too, once for all functions: NULL, alignment, lengths.
//!
//! May come in: types of parameters. Not here: what an object is (`object`), and what any call does.

mod callback;
mod pointer;
mod refusal;

pub(crate) use callback::{
    Callback, CloseCompletion, Closed, Completed, ConnectEvent, Context, CqNotification, CreateCompletion,
    Created, DisconnectEvent, DisconnectEventEx, RequestCompletion, SrqNotification, inside_callback,
};
pub(crate) use pointer::{Buffer, Bytes, Later, Out, Pages, Place, Results, Room, Sgl, Text};
pub(crate) use refusal::{Argument, Call, Refused, Wrong, given, last_error, tell, told};
