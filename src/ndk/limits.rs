//! What one object or request may have at most, each with its reason.
//!
//! Creation judges by these numbers and the adapter reports them, so a limit that is asked for exactly is
//! granted (ADP-9), and all of them together (QP-2).

use crate::cm::{ANSWER_DATA_MAX, CONNECT_DATA_MAX};
use crate::work;

/// Requests of one receive or initiator queue: what fills 16 bits, as adapters have it.
///
/// With 16 entries and 256 inline bytes each such a queue takes about 20 MiB.
pub(super) const QUEUE_DEPTH: u32 = 65_535;

/// Requests of a shared receive queue: what its ring can number.
pub(super) const SRQ_DEPTH: u32 = 65_535;

/// Completions of one completion queue: both queues of several deepest queue pairs; 64 bytes each.
pub(super) const CQ_DEPTH: u32 = 1 << 20;

/// Scatter/gather entries of a request: what an engine resolves on its stack.
pub(super) const REQUEST_SGE: u32 = work::SGE_MAX as u32;

/// Inline bytes of a request: what an engine takes up on its stack.
pub(super) const INLINE: u32 = work::INLINE_MAX as u32;

/// Bytes of one request: the longest message of a reliable connection (IBTA 9.7.8).
pub(super) const TRANSFER: u32 = work::MAX_MESSAGE as u32;

/// Bytes of one registration: half of what 64-bit processes can address, so that a quarter of a million of
/// them have numbers of their own.
pub(super) const REGISTRATION: usize = 1 << 46;

/// Reads in progress in each direction: what eight bits of a connection request can say.
pub(super) const READS: u32 = 255;

/// Private data of a connect: what a connection request has left.
pub(super) const CALLER_DATA: usize = CONNECT_DATA_MAX;

/// Private data of an accept or reject: what a reject has room for.
pub(super) const CALLEE_DATA: usize = ANSWER_DATA_MAX;

/// Bytes above which a read or write is said to beat a send: a convention, since in one process both copy
/// once.
pub(super) const LARGE_REQUEST: u32 = 4096;
