//! What an adapter says of itself.

use super::{AdapterFlags, limits};

/// What an adapter can do (`NDK_ADAPTER_INFO`).
///
/// Limits are per object or request, counts of elements unless said otherwise. A limit that is asked for
/// exactly is granted, and all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterInfo {
    /// The vendor's number; 0, since an emulator has no vendor.
    pub vendor_id: u32,
    /// The vendor's number of the device; 0.
    pub device_id: u32,
    /// Bytes of one registration.
    pub max_registration_size: usize,
    /// Scatter/gather entries of an initiator request.
    pub max_initiator_request_sge: u32,
    /// Scatter/gather entries of a receive.
    pub max_receive_request_sge: u32,
    /// Scatter/gather entries of a read.
    pub max_read_request_sge: u32,
    /// Bytes that one request transfers.
    pub max_transfer_length: u32,
    /// Inline bytes of one request.
    pub max_inline_data_size: u32,
    /// Reads of the peer in progress on one queue pair.
    pub max_inbound_read_limit: u32,
    /// Reads of this side in progress on one queue pair.
    pub max_outbound_read_limit: u32,
    /// Requests of a receive queue.
    pub max_receive_queue_depth: u32,
    /// Requests of an initiator queue.
    pub max_initiator_queue_depth: u32,
    /// Requests of a shared receive queue.
    pub max_srq_depth: u32,
    /// Completions of a completion queue.
    pub max_cq_depth: u32,
    /// Bytes above which reads and writes are said to beat sends; a hint.
    pub large_request_threshold: u32,
    /// Bytes of private data of a connect.
    pub max_caller_data: usize,
    /// Bytes of private data of an accept or a reject.
    pub max_callee_data: usize,
    /// What it can do beside.
    pub adapter_flags: AdapterFlags,
    /// How its packets travel.
    pub rdma_technology: RdmaTechnology,
}

/// How packets travel (`NDK_RDMA_TECHNOLOGY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum RdmaTechnology {
    /// There are no packets: within one process.
    Undefined = 0,
    /// iWARP.
    IWarp = 1,
    /// InfiniBand.
    InfiniBand = 2,
    /// RoCE.
    RoCE = 3,
    /// RoCE version 2.
    RoCEv2 = 4,
}

/// The emulated adapter within a process.
pub(super) const LOCAL: AdapterInfo = AdapterInfo {
    vendor_id: 0,
    device_id: 0,
    max_registration_size: limits::REGISTRATION,
    max_initiator_request_sge: limits::REQUEST_SGE,
    max_receive_request_sge: limits::REQUEST_SGE,
    max_read_request_sge: limits::REQUEST_SGE,
    max_transfer_length: limits::TRANSFER,
    max_inline_data_size: limits::INLINE,
    max_inbound_read_limit: limits::READS,
    max_outbound_read_limit: limits::READS,
    max_receive_queue_depth: limits::QUEUE_DEPTH,
    max_initiator_queue_depth: limits::QUEUE_DEPTH,
    max_srq_depth: limits::SRQ_DEPTH,
    max_cq_depth: limits::CQ_DEPTH,
    large_request_threshold: limits::LARGE_REQUEST,
    max_caller_data: limits::CALLER_DATA,
    max_callee_data: limits::CALLEE_DATA,
    // In order: the last piece of a copy is stored after all before it. No sink right: reads need local write
    // only. Several engines: each queue is run by whoever claims it. Loopback: an address is just a place in
    // a table.
    adapter_flags: AdapterFlags(
        AdapterFlags::IN_ORDER_DMA_SUPPORTED.0
            | AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED.0
            | AdapterFlags::MULTI_ENGINE_SUPPORTED.0
            | AdapterFlags::LOOPBACK_CONNECTIONS_SUPPORTED.0,
    ),
    rdma_technology: RdmaTechnology::Undefined,
};
