//! What devices and ports can do, as plain values.

use rdma_sys as sys;
use std::net::{IpAddr, Ipv6Addr};

/// Limits and capabilities of a device; a limit that the device does not state is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceAttributes {
    /// Firmware version, as the device writes it.
    pub firmware: String,
    /// GUID of the device, in host order.
    pub node_guid: u64,
    /// Vendor and its part number.
    pub vendor: (u32, u32),
    /// Largest region, in bytes.
    pub max_region_bytes: u64,
    /// Bits of `ibv_device_cap_flags`, and above 32 the extended ones.
    pub capabilities: u64,
    /// Queue pairs, and work requests in one of their queues.
    pub max_qp: u32,
    /// Work requests in a send or receive queue.
    pub max_qp_requests: u32,
    /// Scatter/gather entries of a request other than a read.
    pub max_sge: u32,
    /// Scatter/gather entries of a read.
    pub max_read_sge: u32,
    /// Completion queues.
    pub max_cq: u32,
    /// Entries of a completion queue.
    pub max_cq_entries: u32,
    /// Memory regions.
    pub max_mr: u32,
    /// Memory windows.
    pub max_mw: u32,
    /// Protection domains.
    pub max_pd: u32,
    /// Shared receive queues; zero where there are none.
    pub max_srq: u32,
    /// Requests in a shared receive queue.
    pub max_srq_requests: u32,
    /// Scatter/gather entries of a request in a shared receive queue.
    pub max_srq_sge: u32,
    /// Reads and atomics that a queue pair answers at a time.
    pub max_reads_in: u32,
    /// Reads and atomics that a queue pair has outstanding.
    pub max_reads_out: u32,
    /// Whether atomics hold against each other at all.
    pub atomics: bool,
    /// Ports, numbered from 1.
    pub ports: u8,
}

/// The vendor that soft-RoCE names. The version of the library that is loaded cannot be asked for.
const SOFT_ROCE: u32 = 0xff_ffff;

impl DeviceAttributes {
    pub(crate) fn new(raw: &sys::ibv_device_attr_ex) -> Self {
        let it = &raw.orig_attr;
        let count = |value: i32| u32::try_from(value).unwrap_or(0);
        let firmware = it.fw_ver.iter().take_while(|c| **c != 0).map(|c| char::from(*c as u8)).collect();
        Self {
            firmware,
            node_guid: u64::from_be(it.node_guid),
            vendor: (it.vendor_id, it.vendor_part_id),
            max_region_bytes: it.max_mr_size,
            capabilities: u64::from(it.device_cap_flags) | raw.device_cap_flags_ex,
            max_qp: count(it.max_qp),
            max_qp_requests: count(it.max_qp_wr),
            max_sge: count(it.max_sge),
            max_read_sge: count(it.max_sge_rd),
            max_cq: count(it.max_cq),
            max_cq_entries: count(it.max_cqe),
            max_mr: count(it.max_mr),
            max_mw: count(it.max_mw),
            max_pd: count(it.max_pd),
            max_srq: count(it.max_srq),
            max_srq_requests: count(it.max_srq_wr),
            max_srq_sge: count(it.max_srq_sge),
            max_reads_in: count(it.max_qp_rd_atom),
            max_reads_out: count(it.max_qp_init_rd_atom),
            atomics: it.atomic_cap != sys::ibv_atomic_cap::IBV_ATOMIC_NONE,
            ports: it.phys_port_cnt,
        }
    }

    /// Whether it is soft-RoCE, some of whose ways are worked round.
    #[must_use]
    pub fn is_soft_roce(&self) -> bool {
        self.vendor.0 == SOFT_ROCE
    }

    /// Whether windows of type 2 can be bound by work requests, type 2A or 2B (IBTA 10.6.7.2.3).
    #[must_use]
    pub fn windows_type_2(&self) -> bool {
        self.capabilities & (1 << 23 | 1 << 24) != 0 // IBV_DEVICE_MEM_WINDOW_TYPE_2A, _2B
    }

    /// Whether the device takes FLUSH to global visibility and to persistence.
    #[must_use]
    pub fn flush(&self) -> (bool, bool) {
        (self.capabilities & 1 << 38 != 0, self.capabilities & 1 << 39 != 0)
    }

    /// Whether the device takes ATOMIC WRITE.
    #[must_use]
    pub fn atomic_write(&self) -> bool {
        self.capabilities & 1 << 40 != 0
    }
}

/// State of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// No link.
    Down,
    /// Link, not configured.
    Init,
    /// Configured, not in use yet.
    Armed,
    /// In use.
    Active,
    /// A number that this crate does not know.
    Other(u32),
}

/// What a port's link layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// InfiniBand; also what old devices mean by saying nothing.
    InfiniBand,
    /// Ethernet: RoCE or iWARP.
    Ethernet,
    /// A number that this crate does not know.
    Other(u8),
}

/// What a port is and can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortAttributes {
    /// Its state.
    pub state: PortState,
    /// Its link layer.
    pub link_layer: LinkLayer,
    /// Path MTU in use, in bytes.
    pub active_mtu_bytes: u32,
    /// Largest path MTU, in bytes.
    pub max_mtu_bytes: u32,
    /// Largest message, in bytes.
    pub max_message_bytes: u32,
    /// Entries of its GID table, used or not.
    pub gid_entries: u32,
    /// Its LID; zero on Ethernet.
    pub lid: u16,
}

impl PortAttributes {
    pub(crate) fn new(raw: &sys::ibv_port_attr) -> Self {
        let state = match raw.state {
            sys::ibv_port_state::IBV_PORT_DOWN => PortState::Down,
            sys::ibv_port_state::IBV_PORT_INIT => PortState::Init,
            sys::ibv_port_state::IBV_PORT_ARMED => PortState::Armed,
            sys::ibv_port_state::IBV_PORT_ACTIVE => PortState::Active,
            other => PortState::Other(other),
        };
        let link_layer = match raw.link_layer {
            0 | 1 => LinkLayer::InfiniBand,
            2 => LinkLayer::Ethernet,
            other => LinkLayer::Other(other),
        };
        Self {
            state,
            link_layer,
            active_mtu_bytes: mtu_bytes(raw.active_mtu),
            max_mtu_bytes: mtu_bytes(raw.max_mtu),
            max_message_bytes: raw.max_msg_sz,
            gid_entries: u32::try_from(raw.gid_tbl_len).unwrap_or(0),
            lid: raw.lid,
        }
    }
}

/// Bytes of an `ibv_mtu`: 256 for 1, doubled for each step up to 4096 for 5; zero for what is none.
pub(crate) fn mtu_bytes(code: u32) -> u32 {
    if (1..=5).contains(&code) { 128 << code } else { 0 }
}

/// Which protocol a GID is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GidType {
    /// InfiniBand, or iWARP.
    InfiniBand,
    /// RoCE in Ethernet frames.
    RoCEv1,
    /// RoCE over UDP.
    RoCEv2,
    /// A number that this crate does not know.
    Other(u32),
}

/// One used entry of a port's GID table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GidEntry {
    /// The address.
    pub gid: [u8; 16],
    /// Its index in the port's table.
    pub index: u32,
    /// The port, from 1.
    pub port: u32,
    /// What it is for.
    pub kind: GidType,
    /// Index of the network interface, zero where there is none.
    pub interface: u32,
}

impl GidEntry {
    pub(crate) fn new(raw: &sys::ibv_gid_entry) -> Self {
        let kind = match raw.gid_type {
            0 => GidType::InfiniBand,
            1 => GidType::RoCEv1,
            2 => GidType::RoCEv2,
            other => GidType::Other(other),
        };
        // SAFETY: both views of the union are 16 plain bytes, and the entry was zeroed or written by the
        // library.
        let gid = unsafe { raw.gid.raw };
        Self { gid, index: raw.gid_index, port: raw.port_num, kind, interface: raw.ndev_ifindex }
    }

    /// The GID as an address: an IPv4 one if it is a mapped one, as RoCE writes them.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        Ipv6Addr::from(self.gid).to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtus_are_bytes() {
        assert_eq!([0, 1, 3, 5, 6].map(mtu_bytes), [0, 256, 1024, 4096, 0]);
    }

    #[test]
    fn a_mapped_gid_is_an_ipv4_address() {
        let mut gid = [0; 16];
        gid[10..].copy_from_slice(&[0xff, 0xff, 10, 99, 0, 1]);
        let entry = GidEntry { gid, index: 1, port: 1, kind: GidType::RoCEv2, interface: 2 };
        assert_eq!(entry.address().to_string(), "10.99.0.1");
    }
}
