//! Lock-free rings, claim, pins and lists: the concurrent core, which knows nothing of RDMA.
//!
//! Public without promise before 1.0, for benches and models. What is here knows slots, cursors and
//! orderings:
//!
//! - [`WorkQueue`]: send and receive queues. Many posters, one engine by claim, flush as a mark.
//! - [`CompletionRing`]: completion queues. Many producers, many pollers, arm and overrun, resize under
//!   traffic.
//! - [`SharedRing`]: shared receive queues, with a list of those who wait, and a limit; [`Feed`]: who takes
//!   there.
//! - [`Places`]: what was handed out by number and comes back in any order, from a device.
//! - [`Gather`]: who takes entries from a device of the kernel, and what it has told of them.
//! - [`Phases`]: who may move the queue pair of such a device, and what it would lose by that.
//! - [`Question`]: whether a peer answers, asked of such a device.
//! - [`Gate`], [`EventCounter`]: a claim counter, and the same as "something to tell".
//! - [`IndexList`], [`ReadyList`]: who waits, who is ready.
//! - [`Changing`]: which of the successive contents of a place is in force.
//! - [`Pins`], [`Table`]: what a pass may touch, and when it may go.
//! - [`Door`]: calls inside an object of a face, and who carries out its close.
//!
//! No *call* here ever waits for another thread. As *queues* the rings are not lock-free: a thread preempted
//! between its claim and its publication hides later entries of that ring until it runs again.
//!
//! May come in: protocols on words, with their models in `loom-tests`. Not here: RDMA, time, user callbacks.

mod changing;
mod claim;
mod completion;
mod door;
mod entries;
mod feed;
mod gather;
mod limit;
mod list;
mod phases;
mod pins;
mod places;
mod question;
mod queue;
mod shared;
mod slots;
mod table;

pub use changing::{Changing, Now};
pub use claim::Gate;
pub use completion::{Announcement, ArmLevel, Class, CompletionRing, Notice, Pushed};
pub use door::Door;
pub use entries::Crowded;
pub use feed::{Fed, Feed};
pub use gather::{Gather, Gathering};
pub use list::{EventCounter, IndexList, Link, ReadyList};
pub use phases::{Phase, Phases, Turn};
pub use pins::{Grace, Pin, PinHandle, Pins};
pub use places::{NUMBER_BITS, PLACES_MAX, Places, TakenPlace, Words};
pub use question::Question;
pub use queue::{End, Engine, HeldQueue, NoRoom, Offered, Pass, Payload, Post, Posted, Ran, Step, WorkQueue};
pub use shared::{SHARED_SIDE_MAX, SharedRing, Taken};
pub use table::{Retired, Table, TableFull};

/// Prepares one execution of a model; a model calls it first, on its main thread.
#[cfg(qpair_loom)]
pub fn begin_model() {
    crate::sync::begin_model();
}
