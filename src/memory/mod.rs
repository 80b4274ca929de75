//! Memory that a peer may touch: owners, views of the bytes, regions, and the table of keys.
//!
//! - [`Memory`] owns bytes and gives them back when nobody else holds them.
//! - [`View`] is the one way to bytes that others may change at any time.
//! - [`KeyTable`] knows the regions by their keys; only its checks make a [`Grant`] to touch one. A region
//!   that is deregistered is refused at once and let go when the last pass that may have found it is over.
//! - A memory may have a [`Durable`], which makes ranges of it stable; a flush that runs is a [`Flight`] and
//!   keeps the memory. What a failed one leaves in doubt is told by the memory.
//! - Windows, fast registrations and logical address mappings are entries of the same table. What is in force
//!   under the changing keys of the first two is one word ([`Changing`](crate::ring::Changing)), so that
//!   nobody who checks an access has to wait for who binds, registers or invalidates.
//!
//! May come in: whatever decides who may touch which bytes. Not here: rings, queue pairs, packets, and any
//! `&[u8]` over memory that a peer can reach. `unsafe` only in `view` and its parts, in `owner` and in `map`.
//!
//! # Why it is sound that a peer writes while we read
//!
//! Other threads, other processes and the kernel change a region's bytes while we copy them, and they do so
//! in whatever sizes and at whatever times they like. Two arguments are made, and they are kept apart.
//!
//! **In the language.** What the fallback (`view/words.rs`) does are relaxed atomic loads and stores, so
//! concurrent accesses are no data race. The model is silent on racing atomics that overlap in different
//! sizes; therefore under Miri, where the model is checked, every byte is only ever accessed as an
//! `AtomicU8`, the `*_u64` calls included (`view/miri_word.rs`). Plain accesses happen in two places only: on
//! the side of a copy that is the caller's own slice, and behind `Memory::as_slice` and its like, whose
//! callers vouch that nothing else goes on.
//!
//! **At the machine.** On x86-64 and aarch64 the copies are inline assembly. It is opaque: the compiler
//! must assume that a block reads and writes any memory whose address has escaped; it can therefore neither
//! invent, merge nor move accesses across it, nor conclude anything from a value that was read there. For
//! such code the architecture's model counts, not the language's, and in it
//!
//! - there are no data races that make a program undefined: each load yields, byte by byte, some value that
//!   was stored there (Intel SDM 3A 9.2, AMD APM 2 7.1, Arm ARM B2.3), so a torn copy is a wrong value, no
//!   more;
//! - an aligned store of 8, 4, 2 or 1 bytes is whole (SDM 3A 9.1.1, APM 2 7.3.2, Arm ARM B2.2.1), which makes
//!   the last piece of a copy, and any `AtomicU64` at the same address, one access each;
//! - x86 stores become visible in program order, and aarch64's STLR after all before it, which makes the last
//!   piece a release store; a vector store is not whole and has no order within, so none contains that piece;
//! - the `*_u64` calls are the locked instructions or exclusives of `AtomicU64`, which order with any other
//!   store to those bytes in the cache, whatever its size.
//!
//! What is *not* claimed: that mixing assembly with `AtomicU64` on the same bytes follows from the language's
//! model. It rests on the compiler's treating assembly as opaque, as every kernel and shared-memory queue
//! does.

mod doubt;
mod durable;
mod fast_register;
mod keys;
mod lam;
#[cfg(all(feature = "storage", target_os = "linux"))]
mod map;
mod owner;
mod region;
mod registering;
#[expect(
    clippy::disallowed_types,
    reason = "bytes that a peer may touch are reached by atomics of every width"
)]
mod view;
mod window;

#[cfg(any(test, all(feature = "storage", unix)))]
pub(crate) use durable::Durable;
pub(crate) use durable::{Flight, Flush};
pub use fast_register::{NotStaged, PLACES, PageList};
pub use keys::{Deregistering, Grant, KeyTable, LocalAccess, RegisterError, Registration, RemoteAccess};
pub use lam::{LAM_MAX, Mapping, PAGE_SIZE};
#[cfg(all(feature = "storage", target_os = "linux"))]
pub(crate) use map::FileMapping;
pub use owner::{Memory, MemoryError};
pub use region::{Denied, Party, Rights};
pub use registering::{Unbound, Unfit};
pub use view::View;
pub use window::Binding;
