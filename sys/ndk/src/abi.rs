//! The structures of `ndkpi.h` and `qpair_wintypes.h`, as the C compiler lays them out.
//!
//! The names are those of the header without their prefix, in the manner of Rust. Tests compare size, offsets
//! and numbers with what a C compiler says.

pub(crate) use qpair::ndk::ObjectType;
use qpair::ndk::{Sge, Status};
use std::ffi::c_void;

/// `NTSTATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct NtStatus(pub i32);

impl From<Status> for NtStatus {
    fn from(status: Status) -> Self {
        Self(status.0 as i32)
    }
}

impl NtStatus {
    pub(crate) const SUCCESS: Self = Self(0);
    pub(crate) const PENDING: Self = Self(Status::PENDING.0 as i32);
}

/// `NDK_VERSION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Version {
    /// Changes when callers must change.
    pub major: u16,
    /// Changes when something comes in.
    pub minor: u16,
}

/// `NDK_OBJECT_HEADER`, and the table that follows it in every object.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Face<D> {
    pub(crate) version: Version,
    pub(crate) object_type: ObjectType,
    pub(crate) reserved: [*mut c_void; 4],
    pub(crate) dispatch: *const D,
}

/// `NDK_RESULT`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct NdkResult {
    pub(crate) status: NtStatus,
    pub(crate) bytes_transferred: u32,
    pub(crate) qp_context: *mut c_void,
    pub(crate) request_context: *mut c_void,
}

/// `NDK_RESULT_EX`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct NdkResultEx {
    pub(crate) result: NdkResult,
    pub(crate) operation_type: u32,
    pub(crate) provider_error_code: u32,
    pub(crate) type_specific_completion_output: usize,
}

/// `NDK_ADAPTER_INFO`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct AdapterInfo {
    pub(crate) version: Version,
    pub(crate) vendor_id: u32,
    pub(crate) device_id: u32,
    pub(crate) max_registration_size: usize,
    pub(crate) max_window_size: usize,
    pub(crate) frmr_page_count: u32,
    pub(crate) max_initiator_request_sge: u32,
    pub(crate) max_receive_request_sge: u32,
    pub(crate) max_read_request_sge: u32,
    pub(crate) max_transfer_length: u32,
    pub(crate) max_inline_data_size: u32,
    pub(crate) max_inbound_read_limit: u32,
    pub(crate) max_outbound_read_limit: u32,
    pub(crate) max_receive_queue_depth: u32,
    pub(crate) max_initiator_queue_depth: u32,
    pub(crate) max_srq_depth: u32,
    pub(crate) max_cq_depth: u32,
    pub(crate) large_request_threshold: u32,
    pub(crate) max_caller_data: u32,
    pub(crate) max_callee_data: u32,
    pub(crate) adapter_flags: u32,
    pub(crate) rdma_technology: u32,
}

/// `MDL`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Mdl {
    pub(crate) next: *mut Mdl,
    pub(crate) start_va: *mut u8,
    pub(crate) byte_count: u32,
}

/// `NDK_LOGICAL_ADDRESS_MAPPING` without its pages, which begin at its end.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct LogicalAddressMapping {
    /// A number of ours, not a pointer.
    pub(crate) adapter_context: usize,
    pub(crate) adapter_page_count: u32,
}

/// `GUID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Guid {
    pub(crate) data1: u32,
    pub(crate) data2: u16,
    pub(crate) data3: u16,
    pub(crate) data4: [u8; 8],
}

/// `NDK_EXTENSION_INTERFACE`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct ExtensionInterface {
    pub(crate) dispatch: *const c_void,
}

/// `GROUP_AFFINITY`, at which nobody looks.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct GroupAffinity {
    _mask: usize,
    _group: u16,
    _reserved: [u16; 3],
}

// `NDK_SGE` is the `Sge` of the Rust face, so that arrays of it are passed on as they are.
const _: () = assert!(
    size_of::<Sge>() == 16
        && align_of::<Sge>() == 8
        && std::mem::offset_of!(Sge, address) == 0
        && std::mem::offset_of!(Sge, length) == 8
        && std::mem::offset_of!(Sge, token) == 12
);
// Contexts and addresses go through 64 bits.
const _: () = assert!(size_of::<usize>() == 8);
