//! What one object or request may have at most, each with its reason; and what an adapter is opened with.
//!
//! The constants are the engine's. An adapter may be opened with less: creation and posts judge by its
//! [`AdapterLimits`], and it reports the same, so a limit that is asked for exactly is granted (ADP-9), and
//! all of them together (QP-2).

use super::{AdapterFlags, Error, Status};
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

/// Pages of a fast registration, of 4,096 bytes each: 2 MiB. A region made for so many takes 16 KiB.
pub(super) const FAST_REGISTER_PAGES: u32 = 512;

/// The least that a provider may say there (ADP-4).
const FAST_REGISTER_PAGES_LEAST: u32 = 16;

/// What the engine can do.
///
/// In order: the last piece of a copy is stored after all before it. No sink right: reads need local write
/// only. Several engines: each queue is run by whoever claims it. Loopback: an address is just a place in a
/// table.
pub(super) const FLAGS: AdapterFlags = AdapterFlags(
    AdapterFlags::IN_ORDER_DMA_SUPPORTED.0
        | AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED.0
        | AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED.0
        | AdapterFlags::MULTI_ENGINE_SUPPORTED.0
        | AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED.0
        | AdapterFlags::CQ_RESIZE_SUPPORTED.0
        | AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED.0,
);

/// One list for the fields, their docs, the engine's values and the methods that set them.
macro_rules! adapter_limits {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $engine:expr;)*) => {
        /// What an emulated adapter can do at most, when it is opened with less than the engine can.
        ///
        /// Begins with the engine's own limits; each may be lowered.
        /// [`AdapterOptions::limits`](super::AdapterOptions::limits) takes them, and the adapter refuses by
        /// them and reports them.
        ///
        /// ```
        /// use qpair::ndk::{Adapter, AdapterLimits, CqNotify, Status};
        ///
        /// let limits = AdapterLimits::new().max_cq_depth(128);
        /// let adapter = Adapter::options("local/docs-limits").limits(limits).open()?;
        /// assert_eq!(adapter.info().max_cq_depth, 128);
        /// let refused = adapter.create_cq(129, CqNotify::None).wait().unwrap_err();
        /// assert_eq!(refused.status(), Status::INVALID_PARAMETER);
        /// # Ok::<(), qpair::ndk::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        #[must_use = "limits are only numbers until an adapter is opened with them"]
        pub struct AdapterLimits {
            $($(#[$doc])+ pub $name: $type,)*
        }

        impl Default for AdapterLimits {
            fn default() -> Self {
                Self::ENGINE
            }
        }

        impl AdapterLimits {
            /// What the engine can do: the most that can be asked for.
            const ENGINE: Self = Self { $($name: $engine,)* };

            /// The names of all limits.
            pub(super) const NAMES: &[&str] = &[$(stringify!($name),)*];

            /// Sets the limit of that name; false: it cannot hold the number. `None`: there is no such limit.
            pub(super) fn set(&mut self, name: &str, limit: u64) -> Option<bool> {
                match name {
                    $(stringify!($name) => Some(limit.try_into().map(|limit| self.$name = limit).is_ok()),)*
                    _ => None,
                }
            }

            $(
                $(#[$doc])+
                pub fn $name(mut self, limit: $type) -> Self {
                    self.$name = limit;
                    self
                }
            )*

            /// The first limit that is above the engine's, with what was asked for and what there is.
            fn above_engine(&self) -> Option<(&'static str, u64, u64)> {
                let pairs = [$((stringify!($name), self.$name as u64, Self::ENGINE.$name as u64),)*];
                pairs.into_iter().find(|(name, got, most)| got > most && *name != "large_request_threshold")
            }
        }
    };
}

adapter_limits! {
    /// Bytes of one registration.
    max_registration_size: usize = REGISTRATION;
    /// Bytes of one memory window.
    max_window_size: usize = REGISTRATION;
    /// Pages of a fast registration, at least 16 (ADP-4).
    frmr_page_count: u32 = FAST_REGISTER_PAGES;
    /// Scatter/gather entries of an initiator request.
    max_initiator_request_sge: u32 = REQUEST_SGE;
    /// Scatter/gather entries of a receive.
    max_receive_request_sge: u32 = REQUEST_SGE;
    /// Scatter/gather entries of a read; never more than of other initiator requests.
    max_read_request_sge: u32 = REQUEST_SGE;
    /// Bytes that one request transfers.
    max_transfer_length: u32 = TRANSFER;
    /// Inline bytes of one request; 0: no inline data.
    max_inline_data_size: u32 = INLINE;
    /// Reads of the peer in progress on one queue pair.
    max_inbound_read_limit: u32 = READS;
    /// Reads of this side in progress on one queue pair.
    max_outbound_read_limit: u32 = READS;
    /// Requests of a receive queue.
    max_receive_queue_depth: u32 = QUEUE_DEPTH;
    /// Requests of an initiator queue.
    max_initiator_queue_depth: u32 = QUEUE_DEPTH;
    /// Requests of a shared receive queue; 0: there are no shared receive queues (SRQ-13).
    max_srq_depth: u32 = SRQ_DEPTH;
    /// Completions of a completion queue, at least 1.
    max_cq_depth: u32 = CQ_DEPTH;
    /// Bytes above which reads and writes are said to beat sends: a hint, any number.
    large_request_threshold: u32 = LARGE_REQUEST;
    /// Bytes of private data of a connect.
    max_caller_data: usize = CALLER_DATA;
    /// Bytes of private data of an accept or a reject.
    max_callee_data: usize = CALLEE_DATA;
}

impl AdapterLimits {
    /// The engine's own limits.
    pub fn new() -> Self {
        Self::ENGINE
    }

    /// Judges whether an adapter can be opened with them.
    pub(super) fn judge(&self, call: &'static str) -> Result<(), Error> {
        let wrong = |name, got: u64, limit: u64, hint: &'static str| {
            Error::new(call, Status::INVALID_PARAMETER)
                .with_argument(name, got)
                .with_limit(limit)
                .with_hint(hint)
        };
        if let Some((name, got, most)) = self.above_engine() {
            return Err(wrong(
                name,
                got,
                most,
                "ask for at most what the engine can do: AdapterLimits::new()",
            ));
        }
        let least = u64::from(FAST_REGISTER_PAGES_LEAST);
        if u64::from(self.frmr_page_count) < least {
            let hint = "a provider has at least this many pages (ADP-4)";
            return Err(wrong("frmr_page_count", self.frmr_page_count.into(), least, hint));
        }
        if self.max_cq_depth == 0 {
            return Err(wrong("max_cq_depth", 0, 1, "leave room for one completion at least"));
        }
        let (reads, all) = (self.max_read_request_sge, self.max_initiator_request_sge);
        if reads > all {
            let hint = "a read has at most as many entries as any other initiator request";
            return Err(wrong("max_read_request_sge", reads.into(), all.into(), hint));
        }
        Ok(())
    }
}
