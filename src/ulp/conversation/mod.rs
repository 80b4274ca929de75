//! LU 6.2 basic conversations over queue pairs, under two faces: APPC verbs and CPI-C calls.
//!
//! Two programs talk in turns. What a program sends gathers in its unit's send buffer, the request to begin
//! among it, until the buffer is full, the turn or the end is given, or the program *flushes*: then all of it
//! is sent. A flush that returns says that everything was posted. It does not say that the partner has
//! received, or liked, or exists: a confirmation does.
//!
//! | | APPC `FLUSH` | CPI-C `cmflus` |
//! |---|---|---|
//! | held back | the ALLOCATE request, data | the same, and the notice of `cmserr` |
//! | states | SEND; SEND_PENDING becomes SEND | the same |
//! | nothing held back | AP_OK, no frame | CM_OK, no frame |
//! | no credit of the partner | waits | waits, or CM_OPERATION_INCOMPLETE |
//! | news of the partner | AP_OK; the next verb tells | CM_OK; the next call tells |
//! | the node is down | AP_COMM_SUBSYSTEM_ABENDED | CM_PRODUCT_SPECIFIC_ERROR; both logged |
//!
//! A [`Node`] is an adapter with logical units on it; a [`Lu`] is an address with a name that knows partners
//! and programs. On it stand an entry point of APPC ([`appc::Appc`]) or a program of CPI-C
//! ([`cpic::Program`]); a partner does not see which face the other uses.
//!
//! ```
//! use qpair::ndk::Adapter;
//! use qpair::ulp::conversation::appc::{Allocate, Appc, ReceiveArguments, SendType};
//! use qpair::ulp::conversation::{Node, TpDefinition};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let adapter = Adapter::open("local/docs-conversation")?;
//! let address = adapter.addresses()[0];
//! let node = Node::new(adapter)?;
//! let lu = node.define_lu("HERE", "NET.HERE", address)?;
//! lu.define_partner("HERE", "NET.HERE", lu.address());
//! lu.define_tp(TpDefinition::new("SERVER"));
//! let appc = Appc::new(&node);
//!
//! let tp = appc.tp_started("HERE", "CLIENT").expect("the node is up");
//! let conv = appc.allocate(tp, &Allocate::new("HERE", "SERVER")).wait().expect("the unit listens");
//! let record = b"\x00\x04hi";
//! assert!(appc.send_data(tp, conv, record, SendType::None).wait().rc.is_ok());
//! assert_eq!(lu.frames_sent(), 0);
//! assert!(appc.flush(tp, conv).wait().rc.is_ok());
//!
//! let server = appc.receive_allocate("SERVER").expect("its attach was flushed");
//! let arguments = ReceiveArguments::new(100);
//! let received = appc.receive_and_wait(server.tp_id, server.conv_id, arguments).wait();
//! assert_eq!(received.data, record);
//! # Ok(())
//! # }
//! ```
//!
//! # On the wire
//! One conversation per reliable connection, which lasts as long as the conversation. Each SEND is one frame.
//! *Normal* frames (attach, data, errors) travel from the side that has the turn, and only as many as the
//! other has granted: a program that never receives stalls its partner, and never meets an empty receive
//! queue. *Expedited* frames (answers, a purge, a request for the turn, credit) need no grant. What a peer
//! sends is judged before it is kept; what breaks the protocol ends the conversation on both sides with
//! "failure, no retry", and a lost connection with "failure, retry".
//!
//! # Rulings of ours
//! - Basic conversations only: mapped verbs get AP_CONVERSATION_TYPE_MIXED, an attach for a mapped
//!   conversation is refused. Sync point is refused.
//! - A DEALLOCATE without confirmation that the partner's error overtakes returns that error, state RECEIVE:
//!   the turn was gone before it was begun.
//! - An abend by the side without the turn returns at once; the partner is told when it can be. So is what
//!   `cmcanc`, TP_ENDED and the drop of a program leave behind.
//! - What has arrived is received before the loss of the connection is told.
//! - A `cmrcv` that another call ends is CM_UNSUCCESSFUL, since CPI-C has no "cancelled".
//! - Names are bytes of ASCII padded with blanks, where the original has EBCDIC.
//!
//! May come in: faces on the one machine, what a unit must know of its partners. Not here: C headers
//! (`sys/ulp`), mapped conversations, clocks, another carrier than queue pairs.
//!
//! `frame`, `attach` and `record` are the bytes, `state` the table, `half` the machine without I/O, `session`
//! its queue pair, `node` and `lu` what programs stand on.

mod allocation;
pub mod appc;
mod attach;
mod code;
pub mod cpic;
mod frame;
mod half;
mod lu;
mod node;
mod pending;
mod record;
mod session;
mod state;
mod terms;

pub use attach::{Security, SyncLevel};
pub use code::ErrorType;
pub use half::Fill;
pub use lu::{Lu, SideInformation, TpDefinition};
pub use node::{Faults, Node, Options};
pub use pending::Pending;
pub use state::State;
