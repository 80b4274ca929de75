//! Loom models of the concurrent protocols of qpair, and what it takes to run and to mutate them.
//!
//! - `models` (only with `--cfg qpair_loom`): the models, against the very types that ship.
//! - [`process`]: one model run in a process of its own, since a deadlock aborts.
//! - [`scan`]: the mutations, read from the source of `qpair::ring`.
//! - [`catalogue`]: who catches each mutation, as committed.
//!
//! May come in: models, and what runs them. Not here: a second implementation of anything.

pub mod catalogue;
#[cfg(qpair_loom)]
pub mod models;
pub mod process;
pub mod scan;
#[cfg(qpair_loom)]
mod support;

/// What a binary of this package says when it was built without the models.
pub const NEEDS_FLAG: &str = "built without the models; set RUSTFLAGS=\"--cfg qpair_loom\" and build again \
    (with --release --target-dir target/loom, to keep the two builds apart)";
