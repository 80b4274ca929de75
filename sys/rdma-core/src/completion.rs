//! Completions as plain values.

use rdma_sys as sys;
use std::fmt;

macro_rules! codes {
    ($(#[$outer:meta])* $type:ident { $($(#[$doc:meta])* $name:ident = $number:literal;)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$doc])* $name,)*
            /// A number that this crate does not know.
            Other(u32),
        }

        impl $type {
            pub(crate) fn new(number: u32) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The number by which verbs knows it.
            #[must_use]
            pub fn number(self) -> u32 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }
        }
    };
}

codes! {
    /// How a request ended; `ibv_wc_status` (IBTA 11.6.2).
    Status {
        /// As asked.
        Success = 0;
        /// Local memory is too short, or a message is too long.
        LocalLengthError = 1;
        /// The request could not be carried out here.
        LocalOperationError = 2;
        /// Errors of end-to-end contexts, which no device has any more.
        LocalEecOperationError = 3;
        /// A local key does not allow this.
        LocalProtectionError = 4;
        /// Not carried out, or not known to be: the queue pair is in error.
        Flushed = 5;
        /// A window could not be bound.
        BindError = 6;
        /// The peer answered what is no answer.
        BadResponse = 7;
        /// A peer's request was not allowed; seen by a receive.
        LocalAccessError = 8;
        /// The peer found the request invalid.
        RemoteInvalidRequest = 9;
        /// The peer does not allow this.
        RemoteAccessError = 10;
        /// The peer could not carry it out.
        RemoteOperationError = 11;
        /// No answer, as often as it was sent.
        RetriesExceeded = 12;
        /// The peer had no receive, as often as it was asked.
        RnrRetriesExceeded = 13;
        /// A violation of reliable datagrams, which no device has any more.
        LocalRddViolation = 14;
        /// An invalid request of reliable datagrams.
        RemoteInvalidRddRequest = 15;
        /// The peer aborted.
        RemoteAborted = 16;
        /// Errors of end-to-end contexts.
        InvalidEecNumber = 17;
        /// Errors of end-to-end contexts.
        InvalidEecState = 18;
        /// The device failed.
        Fatal = 19;
        /// A response timed out.
        ResponseTimeout = 20;
        /// Something else.
        General = 21;
    }
}

codes! {
    /// What a request was; `ibv_wc_opcode`.
    Opcode {
        /// A send of any kind.
        Send = 0;
        /// A write of any kind.
        Write = 1;
        /// A read.
        Read = 2;
        /// A compare and swap.
        CompareSwap = 3;
        /// A fetch and add.
        FetchAdd = 4;
        /// The binding of a window.
        Bind = 5;
        /// A local invalidation.
        LocalInvalidate = 6;
        /// A flush.
        Flush = 8;
        /// An atomic write.
        AtomicWrite = 9;
        /// A receive, taken by a send.
        Receive = 128;
        /// A receive, taken by a write with immediate data.
        ReceiveWriteImmediate = 129;
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// One completion.
///
/// Verbs leaves most of it undefined unless the request succeeded: then `opcode` is `None`, `bytes` zero, and
/// there is no immediate data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the request was posted with.
    pub id: u64,
    /// How it ended.
    pub status: Status,
    /// What it was.
    pub opcode: Option<Opcode>,
    /// Bytes received, read or fetched; what verbs defines for receives, reads and atomics alone.
    pub bytes: u32,
    /// Immediate data that came with the message, in host order.
    pub immediate: Option<u32>,
    /// The key that the peer's send invalidated here.
    pub invalidated: Option<u32>,
    /// Number of the queue pair.
    pub qp_number: u32,
    /// A code of the device, for its vendor; zero on success, and where the device gives none.
    pub vendor_error: u32,
}

/// `IB_WC_WITH_INVALIDATE`, as the kernel numbers its own completions.
///
/// Soft-RoCE (Linux 6.12) hands that number to programs as it is, to whom it is `IBV_WC_IP_CSUM_OK`: what
/// reliable connections never say, and soft-RoCE never means.
const KERNEL_WITH_INVALIDATE: u32 = 1 << 2;

impl Completion {
    /// A completion of nothing, to make room for others.
    pub const EMPTY: Self = Self {
        id: 0,
        status: Status::Success,
        opcode: None,
        bytes: 0,
        immediate: None,
        invalidated: None,
        qp_number: 0,
        vendor_error: 0,
    };

    /// What the library wrote, on soft-RoCE or another device.
    pub(crate) fn new(raw: &sys::ibv_wc, soft_roce: bool) -> Self {
        let status = Status::new(raw.status);
        let base = Self { id: raw.wr_id, status, qp_number: raw.qp_num, ..Self::EMPTY };
        if status != Status::Success {
            return Self { vendor_error: raw.vendor_err, ..base };
        }
        // SAFETY: both members are 32-bit numbers, so each may be read whichever was written.
        let (immediate, key) = unsafe {
            let either = &raw.imm_data_invalidated_rkey_union;
            (u32::from_be(either.imm_data), either.invalidated_rkey)
        };
        let has = |flag: sys::ibv_wc_flags| raw.wc_flags & flag.0 != 0;
        let key_is_told = has(sys::ibv_wc_flags::IBV_WC_WITH_INV)
            || soft_roce && raw.wc_flags & KERNEL_WITH_INVALIDATE != 0;
        Self {
            opcode: Some(Opcode::new(raw.opcode)),
            bytes: raw.byte_len,
            immediate: has(sys::ibv_wc_flags::IBV_WC_WITH_IMM).then_some(immediate),
            invalidated: key_is_told.then_some(key),
            ..base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(status: u32, flags: u32) -> sys::ibv_wc {
        // SAFETY: numbers only.
        let mut raw: sys::ibv_wc = unsafe { std::mem::zeroed() };
        (raw.wr_id, raw.status, raw.opcode, raw.byte_len) = (7, status, 128, 12);
        raw.imm_data_invalidated_rkey_union.imm_data = 0x0102_0304_u32.to_be();
        raw.wc_flags = flags;
        raw
    }

    #[test]
    fn immediate_data_is_in_host_order_and_a_key_as_it_is() {
        let with_immediate = Completion::new(&raw(0, sys::ibv_wc_flags::IBV_WC_WITH_IMM.0), false);
        assert_eq!((with_immediate.immediate, with_immediate.invalidated), (Some(0x0102_0304), None));
        let with_key = Completion::new(&raw(0, sys::ibv_wc_flags::IBV_WC_WITH_INV.0), false);
        assert_eq!(with_key.invalidated, Some(0x0102_0304_u32.to_be()));
        assert_eq!((with_key.opcode, with_key.bytes, with_key.id), (Some(Opcode::Receive), 12, 7));
    }

    #[test]
    fn soft_roces_flag_of_a_key_is_known_on_soft_roce_alone() {
        assert_eq!(sys::ibv_wc_flags::IBV_WC_WITH_INV.0, 1 << 3);
        let raw = raw(0, KERNEL_WITH_INVALIDATE);
        assert_eq!(Completion::new(&raw, true).invalidated, Some(0x0102_0304_u32.to_be()));
        assert_eq!(Completion::new(&raw, false).invalidated, None);
    }

    #[test]
    fn what_verbs_leaves_undefined_is_not_read() {
        let mut raw = raw(5, sys::ibv_wc_flags::IBV_WC_WITH_IMM.0);
        raw.vendor_err = 0x68;
        let flushed = Completion { id: 7, status: Status::Flushed, ..Completion::EMPTY };
        assert_eq!(Completion::new(&raw, true), Completion { vendor_error: 0x68, ..flushed });
        raw.status = 0;
        assert_eq!(Completion::new(&raw, true).vendor_error, 0, "of a success it means nothing");
        assert_eq!(Status::new(99), Status::Other(99));
    }

    #[test]
    fn numbers_are_those_of_the_header() {
        use sys::{ibv_wc_opcode as opcode, ibv_wc_status as status};
        assert_eq!(Status::BindError.number(), status::IBV_WC_MW_BIND_ERR);
        assert_eq!(Status::RnrRetriesExceeded.number(), status::IBV_WC_RNR_RETRY_EXC_ERR);
        assert_eq!(Status::General.number(), status::IBV_WC_GENERAL_ERR);
        assert_eq!(Opcode::LocalInvalidate.number(), opcode::IBV_WC_LOCAL_INV);
        assert_eq!(Opcode::ReceiveWriteImmediate.number(), opcode::IBV_WC_RECV_RDMA_WITH_IMM);
    }
}
