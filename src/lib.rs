//! Queue pairs with completion queues in plain user space, modelled on Windows NDK.
//!
//! [`ndk`] is the face: adapters, protection domains, memory regions, completion queues, queue pairs,
//! connectors and listeners, with NDK's names, statuses and rules; [`ndk::ext`] holds what verbs has and NDK
//! lacks. Nothing here needs root, a kernel module or hardware. [`ring`] is the lock-free core underneath,
//! public without promise before 1.0.
//!
//! A queue pair takes receives before it is connected, and a flush cancels what is pending:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use qpair::ndk::{Adapter, Completion, CqNotify, MrFlags, QpDescription, Status};
//!
//! let adapter = Adapter::open("local")?;
//! let pd = adapter.create_pd().wait()?;
//! let cq = adapter.create_cq(16, CqNotify::Waiters).wait()?;
//! let qp = pd.create_qp(QpDescription::new(&cq)).wait()?;
//! let mr = pd.register(vec![0; 4096], MrFlags::ALLOW_LOCAL_WRITE).wait()?;
//!
//! qp.receive(7, &[mr.sge(0..64)?])?;
//! qp.flush();
//!
//! let mut completions = [Completion::default(); 16];
//! let count = cq.wait(&mut completions, None)?;
//! assert_eq!((count, completions[0].request_context, completions[0].status), (1, 7, Status::CANCELLED));
//! # Ok(())
//! # }
//! ```
//!
//! # What waits for what
//! Posting, polling, delivering and flushing take no lock, allocate nothing and make no system call, but to
//! wake a thread that sleeps and on the way into an error. Who is woken: who sleeps on an armed completion
//! queue, and the helper thread, for a send whose wait for a receive has a time limit, for a queue whose
//! budget is spent, for an invalidation that finds other threads in the midst of a request, and for the end
//! of the last window of a region whose close waits for it: the helper goes on with the last two, which are
//! put into a list under a short lock, and that allocates. An arm or threshold that fires takes a short lock
//! of its queue's callback, which the close of the queue takes too, and one of its waiters, if there are any.
//! A call that wakes more than two queue pairs at once, at a shared receive queue, may allocate; a flush to
//! persistence (`ndk::ext`) is handed to storage, which takes short locks, allocates and makes a system call.
//! No such call waits for what another thread does. As *queues* they are not lock-free: a thread that the
//! scheduler stops between claiming and publishing a slot holds back later entries of that queue until it
//! runs again, and one that is stopped while it executes holds back its queue.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("qpair needs a 64-bit target: addresses, tickets and counters are 64 bits wide");

pub mod ring;
pub(crate) mod sync;

#[cfg(not(qpair_loom))]
pub(crate) mod backend;
#[cfg(not(qpair_loom))]
pub(crate) mod cm;
#[cfg(all(feature = "conformance", not(qpair_loom)))]
pub mod conformance;
#[cfg(not(qpair_loom))]
pub(crate) mod device;
#[cfg(not(qpair_loom))]
pub(crate) mod direct;
#[cfg(not(qpair_loom))]
pub(crate) mod fabric;
#[cfg(not(qpair_loom))]
pub(crate) mod host;
#[cfg(not(qpair_loom))]
pub(crate) mod memory;
#[cfg(not(qpair_loom))]
pub mod ndk;
#[cfg(not(qpair_loom))]
pub(crate) mod observe;
#[cfg(not(qpair_loom))]
pub(crate) mod planted;
#[cfg(not(qpair_loom))]
pub(crate) mod time;
#[cfg(not(qpair_loom))]
pub mod ulp;
#[cfg(not(qpair_loom))]
pub(crate) mod work;
