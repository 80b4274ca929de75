//! The functions of shim.c, and the test of layouts that it feeds.

use rdma_sys as sys;
use std::ffi::c_void;

unsafe extern "C" {
    pub(crate) fn qpair_shim_create_qp_ex(
        context: *mut sys::ibv_context,
        attributes: *mut sys::ibv_qp_init_attr_ex,
    ) -> *mut sys::ibv_qp;
    pub(crate) fn qpair_shim_query_device(
        context: *mut sys::ibv_context,
        attributes: *mut sys::ibv_device_attr_ex,
    ) -> i32;
    pub(crate) fn qpair_shim_query_port(
        context: *mut sys::ibv_context,
        port: u8,
        attributes: *mut sys::ibv_port_attr,
    ) -> i32;
    pub(crate) fn qpair_shim_query_gid_table(
        context: *mut sys::ibv_context,
        entries: *mut sys::ibv_gid_entry,
        room: usize,
    ) -> isize;
    pub(crate) fn qpair_shim_moderate_cq(cq: *mut sys::ibv_cq, count: u16, period_us: u16) -> i32;
    pub(crate) fn qpair_shim_wr_atomic_write(
        qp: *mut sys::ibv_qp_ex,
        rkey: u32,
        address: u64,
        eight_bytes: *const c_void,
    ) -> i32;
    pub(crate) fn qpair_shim_wr_flush(
        qp: *mut sys::ibv_qp_ex,
        rkey: u32,
        address: u64,
        length: usize,
        placement: u8,
        whole_region: u8,
    ) -> i32;
    pub(crate) fn qpair_shim_wr_functions(qp: *const sys::ibv_qp_ex, asked: u64) -> u64;
    pub(crate) fn qpair_shim_built_with() -> i32;
    #[cfg(test)]
    fn qpair_shim_layout(count: *mut usize) -> *const usize;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    macro_rules! layout {
        ($($type:ident $(. $($field:ident).+)? ;)*) => {
            &[$((stringify!($type $(. $($field).+)?), layout!(@ $type $(. $($field).+)?))),*]
        };
        (@ $type:ident) => { size_of::<sys::$type>() };
        (@ $type:ident . $($field:ident).+) => { offset_of!(sys::$type, $($field).+) };
    }

    /// In the order of the table in shim.c.
    const LAYOUT: &[(&str, usize)] = layout! {
        ibv_send_wr;
        ibv_send_wr.opcode;
        ibv_send_wr.send_flags;
        ibv_send_wr.imm_data_invalidated_rkey_union;
        ibv_send_wr.wr.rdma.rkey;
        ibv_send_wr.wr.atomic.swap;
        ibv_send_wr.wr.atomic.rkey;
        ibv_send_wr.bind_mw_tso_union.bind_mw.mw;
        ibv_send_wr.bind_mw_tso_union.bind_mw.rkey;
        ibv_send_wr.bind_mw_tso_union.bind_mw.bind_info.mw_access_flags;
        ibv_sge;
        ibv_sge.length;
        ibv_sge.lkey;
        ibv_recv_wr;
        ibv_wc;
        ibv_wc.byte_len;
        ibv_wc.imm_data_invalidated_rkey_union;
        ibv_wc.qp_num;
        ibv_wc.wc_flags;
        ibv_async_event;
        ibv_async_event.event_type;
        ibv_qp_attr;
        ibv_qp_attr.ah_attr;
        ibv_qp_attr.rnr_retry;
        ibv_qp_init_attr;
        ibv_qp_init_attr_ex;
        ibv_qp_init_attr_ex.send_ops_flags;
        ibv_device_attr_ex;
        ibv_device_attr_ex.device_cap_flags_ex;
        ibv_port_attr;
        ibv_gid_entry;
        ibv_mw_bind_info;
        ibv_qp_ex;
        ibv_qp_ex.wr_id;
        ibv_qp_ex.wr_flags;
        ibv_qp_ex.wr_complete;
        rdma_cm_id;
        rdma_cm_id.route;
        rdma_cm_id.port_num;
        rdma_cm_id.qp_type;
        rdma_cm_event;
        rdma_cm_event.status;
        rdma_cm_event.param.conn;
        rdma_conn_param;
        rdma_conn_param.qp_num;
    };

    #[test]
    fn structures_lie_as_the_installed_header_says() {
        let mut count = 0;
        // SAFETY: the pointer is to a static table of `count` entries.
        let table = unsafe { std::slice::from_raw_parts(qpair_shim_layout(&mut count), count) };
        assert_eq!(table.len(), LAYOUT.len(), "the lists of shim.c and shim.rs differ in length");
        for ((name, ours), theirs) in LAYOUT.iter().zip(table) {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}
