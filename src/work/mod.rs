//! The nouns of work: requests, opcodes, completions, statuses, and the number types around them.
//!
//! Every layer above speaks these. Statuses are the verbs list with a detail code; NDK's statuses are
//! made in the NDK face, since that mapping is many-to-one. May come in: plain data and its encoding in
//! the 56 bytes of a ring slot. Not here: memory, queues, behaviour.

mod completion;
mod feature;
mod request;
mod slot;
mod status;

pub use completion::{Completion, CompletionFlags, CompletionKind};
pub use feature::Feature;
pub use request::{FlushPlacement, Opcode, RequestFlags, Selectivity, Sge, flush_header, read_flush_header};
pub use slot::{
    INLINE_IN_SLOT, INLINE_MAX, ReceiveRequest, SGE_MAX, SendRequest, sge_from_words, sge_to_words,
};
pub use status::{Detail, Status};

/// The number of a queue pair: 24 bits, unique among the living queue pairs of an adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Qpn(pub u32);

/// A key (L_Key, R_Key, NDK token): the upper 24 bits are an index, the low 8 a generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Key(pub u32);

impl Key {
    /// The key of `index` in its `generation`; `index` has 24 bits.
    pub const fn new(index: u32, generation: u8) -> Self {
        Self(index << 8 | generation as u32)
    }

    /// The index part, 24 bits.
    pub const fn index(self) -> u32 {
        self.0 >> 8
    }

    /// The generation part.
    pub const fn generation(self) -> u8 {
        self.0 as u8
    }
}

/// The longest message in bytes: 2^31 (IBTA 9.7.8, the RC message limit).
pub const MAX_MESSAGE: u64 = 1 << 31;
