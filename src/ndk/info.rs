//! What an adapter says of itself.

use super::limits::AdapterLimits;
use super::{AdapterFlags, NdkVersion};
use crate::planted::planted;

/// What an adapter can do (`NDK_ADAPTER_INFO`).
///
/// Limits are per object or request, counts of elements unless said otherwise. A limit that is asked for
/// exactly is granted, and all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterInfo {
    /// The version that the instance speaks: the highest minor of the major that it was opened with (ADP-2).
    pub version: NdkVersion,
    /// The vendor's number; 0, since an emulator has no vendor.
    pub vendor_id: u32,
    /// The vendor's number of the device; 0.
    pub device_id: u32,
    /// Bytes of one registration.
    pub max_registration_size: usize,
    /// Bytes of one memory window.
    pub max_window_size: usize,
    /// Pages of a fast registration, of which most can be had; at least 16 (ADP-4).
    pub frmr_page_count: u32,
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
    /// Requests of a shared receive queue; 0: there are none.
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

impl AdapterInfo {
    /// No more than a device of the kernel can do.
    #[cfg(feature = "rdma-core")]
    pub(super) fn lower_to(&mut self, device: &crate::backend::real::Capabilities) {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        (self.vendor_id, self.device_id) = device.vendor;
        let lower = |limit: &mut u32, to: u32| *limit = to.min(*limit);
        self.max_registration_size = self.max_registration_size.min(size(device.max_region));
        self.max_window_size = self.max_registration_size;
        lower(&mut self.max_initiator_request_sge, device.max_sge);
        lower(&mut self.max_receive_request_sge, device.max_sge);
        lower(&mut self.max_read_request_sge, device.max_read_sge);
        lower(&mut self.max_transfer_length, device.max_transfer);
        lower(&mut self.max_inline_data_size, device.max_inline);
        lower(&mut self.max_inbound_read_limit, device.max_reads_in);
        lower(&mut self.max_outbound_read_limit, device.max_reads_out);
        lower(&mut self.max_receive_queue_depth, device.max_queue_depth);
        lower(&mut self.max_initiator_queue_depth, device.max_queue_depth);
        lower(&mut self.max_srq_depth, device.max_srq_depth);
        lower(&mut self.max_cq_depth, device.max_cq_depth);
        // Held-back notifications are not built on real devices; the tokens that a read sinks into are those
        // of regions there, which no request invalidates; and nobody promises the order in which a device
        // stores.
        let without = AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED
            | AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED
            | AdapterFlags::IN_ORDER_DMA_SUPPORTED;
        self.adapter_flags = self.adapter_flags.outside(without);
        self.rdma_technology =
            if device.ethernet { RdmaTechnology::RoCEv2 } else { RdmaTechnology::InfiniBand };
    }

    /// An emulated adapter within a process that was opened so.
    pub(super) fn local(version: NdkVersion, limits: &AdapterLimits, flags: AdapterFlags) -> Self {
        Self {
            version,
            vendor_id: 0,
            device_id: 0,
            max_registration_size: limits.max_registration_size,
            max_window_size: limits.max_window_size,
            frmr_page_count: if planted!(FewPages, "FRMRPageCount is 15") {
                15
            } else {
                limits.frmr_page_count
            },
            max_initiator_request_sge: limits.max_initiator_request_sge,
            max_receive_request_sge: limits.max_receive_request_sge,
            max_read_request_sge: limits.max_read_request_sge,
            max_transfer_length: limits.max_transfer_length,
            max_inline_data_size: limits.max_inline_data_size,
            max_inbound_read_limit: limits.max_inbound_read_limit,
            max_outbound_read_limit: limits.max_outbound_read_limit,
            max_receive_queue_depth: limits.max_receive_queue_depth,
            max_initiator_queue_depth: limits.max_initiator_queue_depth,
            max_srq_depth: limits.max_srq_depth,
            max_cq_depth: limits.max_cq_depth,
            large_request_threshold: limits.large_request_threshold,
            max_caller_data: limits.max_caller_data,
            max_callee_data: limits.max_callee_data,
            adapter_flags: flags,
            rdma_technology: RdmaTechnology::Undefined,
        }
    }
}
