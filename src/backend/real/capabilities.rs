//! What a device can do, as far as it says so or has shown it.

#![forbid(unsafe_code)]

use super::features::{self, Lacks};
use qpair_rdma_core::{
    self as rdma, Context, DeviceAttributes, LinkLayer, Operations, PortAttributes, QpDescription,
};

/// The most that can be asked for, of each and of all together.
#[derive(Clone, Debug)]
pub(crate) struct Capabilities {
    pub(crate) vendor: (u32, u32),
    pub(crate) ethernet: bool,
    pub(crate) max_region: u64,
    pub(crate) max_transfer: u32,
    pub(crate) max_sge: u32,
    pub(crate) max_read_sge: u32,
    pub(crate) max_inline: u32,
    pub(crate) max_reads_in: u32,
    pub(crate) max_reads_out: u32,
    pub(crate) max_queue_depth: u32,
    pub(crate) max_srq_depth: u32,
    pub(crate) max_cq_depth: u32,
    /// What queue pairs of it can be posted.
    pub(super) operations: Operations,
    /// Features beyond NDK that it does not have.
    pub(crate) lacks: Lacks,
}

/// Scatter/gather entries and inline bytes that a post can take up on its stack.
pub(super) const SGE: u32 = crate::work::SGE_MAX as u32;
pub(super) const INLINE: u32 = crate::work::INLINE_MAX as u32;

/// Requests of a queue at most.
///
/// Soft-RoCE says that it has a million, and allocates and clears them all when the queue is made.
const DEPTH: u32 = 8192;

/// Bytes of a message at most.
///
/// Soft-RoCE says that it takes 2 GiB, and counts in 31 bits: a message of just that never leaves.
const LONGEST: u32 = i32::MAX as u32;

impl Capabilities {
    /// Asks the device, then makes a queue pair of the most it says, and less where it does not keep its
    /// word: verbs names no limit of inline data, and does not say which limits go together.
    pub(super) fn of(
        context: &Context,
        device: &DeviceAttributes,
        port: &PortAttributes,
    ) -> Result<Self, rdma::Error> {
        let mut all = Self {
            vendor: device.vendor,
            ethernet: port.link_layer == LinkLayer::Ethernet,
            max_region: device.max_region_bytes,
            max_transfer: port.max_message_bytes.min(LONGEST),
            max_sge: device.max_sge.min(SGE),
            max_read_sge: device.max_read_sge.min(device.max_sge).min(SGE),
            max_inline: INLINE,
            max_reads_in: device.max_reads_in.min(u8::MAX.into()),
            max_reads_out: device.max_reads_out.min(u8::MAX.into()),
            // A read that invalidates takes two places of the device's queue, and one of ours.
            max_queue_depth: (device.max_qp_requests / 2).min(DEPTH),
            max_srq_depth: if device.max_srq == 0 { 0 } else { device.max_srq_requests.min(DEPTH) },
            max_cq_depth: device.max_cq_entries,
            operations: features::wanted(),
            lacks: Lacks::default(),
        };
        let pd = context.create_pd()?;
        let cq = context.create_cq(1, None, 0)?;
        loop {
            let description = QpDescription {
                send_requests: 2 * all.max_queue_depth,
                receive_requests: all.max_queue_depth,
                send_sge: all.max_sge,
                receive_sge: all.max_sge,
                inline_bytes: all.max_inline,
                operations: all.operations,
                ..QpDescription::new(&cq)
            };
            match pd.create_qp(&description) {
                Ok(qp) => {
                    all.operations = qp.operations();
                    all.lacks = Lacks::of(device.into(), features::built(), all.operations);
                    return Ok(all);
                }
                Err(_) if all.max_inline > 0 => all.max_inline /= 2,
                Err(_) if all.max_queue_depth > 16 => {
                    (all.max_queue_depth, all.max_inline) = (all.max_queue_depth / 2, INLINE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
