//! States of a queue pair, and the attributes that go with a move.

use rdma_sys as sys;
use sys::ibv_qp_attr_mask as mask;

use crate::access::Access;

/// State of a queue pair (IBTA 10.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QpState {
    /// As created.
    Reset,
    /// Takes receives, exchanges nothing.
    Init,
    /// Answers the peer.
    ReadyToReceive,
    /// Sends too.
    ReadyToSend,
    /// Finishes what is sent, begins nothing.
    SendQueueDrain,
    /// A send failed; of unreliable transports only.
    SendQueueError,
    /// Completes everything as flushed.
    Error,
    /// A number that this crate does not know.
    Other(u32),
}

impl QpState {
    fn new(number: u32) -> Self {
        match number {
            sys::ibv_qp_state::IBV_QPS_RESET => Self::Reset,
            sys::ibv_qp_state::IBV_QPS_INIT => Self::Init,
            sys::ibv_qp_state::IBV_QPS_RTR => Self::ReadyToReceive,
            sys::ibv_qp_state::IBV_QPS_RTS => Self::ReadyToSend,
            sys::ibv_qp_state::IBV_QPS_SQD => Self::SendQueueDrain,
            sys::ibv_qp_state::IBV_QPS_SQE => Self::SendQueueError,
            sys::ibv_qp_state::IBV_QPS_ERR => Self::Error,
            other => Self::Other(other),
        }
    }

    /// The number by which verbs knows it.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Reset => sys::ibv_qp_state::IBV_QPS_RESET,
            Self::Init => sys::ibv_qp_state::IBV_QPS_INIT,
            Self::ReadyToReceive => sys::ibv_qp_state::IBV_QPS_RTR,
            Self::ReadyToSend => sys::ibv_qp_state::IBV_QPS_RTS,
            Self::SendQueueDrain => sys::ibv_qp_state::IBV_QPS_SQD,
            Self::SendQueueError => sys::ibv_qp_state::IBV_QPS_SQE,
            Self::Error => sys::ibv_qp_state::IBV_QPS_ERR,
            Self::Other(number) => number,
        }
    }
}

/// Path MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtu {
    /// 256 bytes.
    Bytes256 = 1,
    /// 512 bytes.
    Bytes512 = 2,
    /// 1024 bytes.
    Bytes1024 = 3,
    /// 2048 bytes.
    Bytes2048 = 4,
    /// 4096 bytes.
    Bytes4096 = 5,
}

/// The way to a peer over RoCE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// GID of the peer's port.
    pub destination: [u8; 16],
    /// Index of our GID in the port's table.
    pub source_index: u8,
    /// Our port, from 1.
    pub port: u8,
    /// Hops a packet may take.
    pub hop_limit: u8,
}

/// Attributes of a move, each named once; those that are not named are not changed.
pub struct QpAttributes {
    pub(crate) raw: sys::ibv_qp_attr,
    pub(crate) mask: i32,
}

impl QpAttributes {
    /// No change yet.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: numbers only.
        Self { raw: unsafe { std::mem::zeroed() }, mask: 0 }
    }

    /// A move to `state`.
    #[must_use]
    pub fn to(state: QpState) -> Self {
        Self::new().set(mask::IBV_QP_STATE, |raw| raw.qp_state = state.number())
    }

    /// From [`QpState::Reset`] to [`QpState::Init`], on a port, with the first partition key.
    #[must_use]
    pub fn init(port: u8, access: Access) -> Self {
        Self::to(QpState::Init)
            .access(access)
            .set(mask::IBV_QP_PORT, |raw| raw.port_num = port)
            .set(mask::IBV_QP_PKEY_INDEX, |raw| raw.pkey_index = 0)
    }

    /// From [`QpState::Init`] to [`QpState::ReadyToReceive`]; one read or atomic at a time, RNR timer 12
    /// (0.64 ms).
    #[must_use]
    pub fn ready_to_receive(route: &Route, mtu: Mtu, peer: u32, first_psn: u32) -> Self {
        let to = Self::to(QpState::ReadyToReceive);
        to.route(route)
            .set(mask::IBV_QP_PATH_MTU, |raw| raw.path_mtu = mtu as u32)
            .set(mask::IBV_QP_DEST_QPN, |raw| raw.dest_qp_num = peer)
            .set(mask::IBV_QP_RQ_PSN, |raw| raw.rq_psn = first_psn)
            .max_reads_in(1)
            .rnr_timer(12)
    }

    /// From [`QpState::ReadyToReceive`] to [`QpState::ReadyToSend`]; one read or atomic outstanding, time-out
    /// 14 (67 ms), 6 retries, 6 RNR retries.
    #[must_use]
    pub fn ready_to_send(first_psn: u32) -> Self {
        let to = Self::to(QpState::ReadyToSend).set(mask::IBV_QP_SQ_PSN, |raw| raw.sq_psn = first_psn);
        to.max_reads_out(1).timeout(14).retries(6, 6)
    }

    /// What peers may do through this queue pair.
    #[must_use]
    pub fn access(self, access: Access) -> Self {
        self.set(mask::IBV_QP_ACCESS_FLAGS, |raw| raw.qp_access_flags = access.0)
    }

    /// Where the peer is.
    #[must_use]
    pub fn route(self, route: &Route) -> Self {
        self.set(mask::IBV_QP_AV, |raw| {
            raw.ah_attr.grh.dgid.raw = route.destination;
            raw.ah_attr.grh.sgid_index = route.source_index;
            raw.ah_attr.grh.hop_limit = route.hop_limit;
            raw.ah_attr.is_global = 1;
            raw.ah_attr.port_num = route.port;
        })
    }

    /// Reads and atomics of the peer that are answered at a time.
    #[must_use]
    pub fn max_reads_in(self, count: u8) -> Self {
        self.set(mask::IBV_QP_MAX_DEST_RD_ATOMIC, |raw| raw.max_dest_rd_atomic = count)
    }

    /// Reads and atomics of our own outstanding at a time.
    #[must_use]
    pub fn max_reads_out(self, count: u8) -> Self {
        self.set(mask::IBV_QP_MAX_QP_RD_ATOMIC, |raw| raw.max_rd_atomic = count)
    }

    /// How long a peer waits when there is no receive; a code of IBTA table 45, 5 bits.
    #[must_use]
    pub fn rnr_timer(self, code: u8) -> Self {
        self.set(mask::IBV_QP_MIN_RNR_TIMER, |raw| raw.min_rnr_timer = code)
    }

    /// How long an acknowledgement may take: 4.096 us times two to this power, 5 bits; 0 is for ever.
    #[must_use]
    pub fn timeout(self, exponent: u8) -> Self {
        self.set(mask::IBV_QP_TIMEOUT, |raw| raw.timeout = exponent)
    }

    /// How often to send again without an answer, and without a receive at the peer; 3 bits each.
    ///
    /// 7 means for ever for the second, and on soft-RoCE for the first too.
    #[must_use]
    pub fn retries(self, lost: u8, receiver_not_ready: u8) -> Self {
        self.set(mask::IBV_QP_RETRY_CNT, |raw| raw.retry_cnt = lost)
            .set(mask::IBV_QP_RNR_RETRY, |raw| raw.rnr_retry = receiver_not_ready)
    }

    fn set(mut self, bit: mask, write: impl FnOnce(&mut sys::ibv_qp_attr)) -> Self {
        write(&mut self.raw);
        self.mask |= bit.0 as i32;
        self
    }
}

impl Clone for QpAttributes {
    fn clone(&self) -> Self {
        // SAFETY: numbers only, which rdma-sys does not declare to be copyable.
        Self { raw: unsafe { std::ptr::read(&self.raw) }, mask: self.mask }
    }
}

impl Default for QpAttributes {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for QpAttributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = QpState::new(self.raw.qp_state);
        f.debug_struct("QpAttributes")
            .field("state", &state)
            .field("mask", &format_args!("{:#x}", self.mask))
            .finish_non_exhaustive()
    }
}

/// A queue pair as the device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QpInfo {
    /// Its state.
    pub state: QpState,
    /// What peers may do.
    pub access: Access,
    /// Number of the peer's queue pair; without meaning before [`QpState::ReadyToReceive`].
    pub peer: u32,
    /// Room for sends and receives.
    pub requests: (u32, u32),
    /// Bytes that can be posted inline.
    pub inline_bytes: u32,
    /// Whether it still drains its send queue.
    pub draining: bool,
    /// Reads and atomics answered, and outstanding, at a time.
    pub max_reads: (u8, u8),
    /// Code of the RNR timer.
    pub rnr_timer: u8,
    /// Retries without an answer, and without a receive.
    pub retries: (u8, u8),
}

impl QpInfo {
    /// What is asked for.
    pub(super) const MASK: i32 = (mask::IBV_QP_STATE.0
        | mask::IBV_QP_ACCESS_FLAGS.0
        | mask::IBV_QP_DEST_QPN.0
        | mask::IBV_QP_CAP.0
        | mask::IBV_QP_MAX_QP_RD_ATOMIC.0
        | mask::IBV_QP_MAX_DEST_RD_ATOMIC.0
        | mask::IBV_QP_MIN_RNR_TIMER.0
        | mask::IBV_QP_RETRY_CNT.0
        | mask::IBV_QP_RNR_RETRY.0) as i32;

    pub(super) fn new(raw: &sys::ibv_qp_attr) -> Self {
        Self {
            state: QpState::new(raw.qp_state),
            access: Access(raw.qp_access_flags),
            peer: raw.dest_qp_num,
            requests: (raw.cap.max_send_wr, raw.cap.max_recv_wr),
            inline_bytes: raw.cap.max_inline_data,
            draining: raw.sq_draining != 0,
            max_reads: (raw.max_dest_rd_atomic, raw.max_rd_atomic),
            rnr_timer: raw.min_rnr_timer,
            retries: (raw.retry_cnt, raw.rnr_retry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_numbers_go_both_ways() {
        for number in 0..=7 {
            assert_eq!(QpState::new(number).number(), number);
        }
        assert_eq!(QpState::new(6), QpState::Error);
        assert_eq!(QpState::new(99), QpState::Other(99));
    }

    #[test]
    fn a_move_names_what_verbs_asks_for() {
        let route = Route { destination: [7; 16], source_index: 1, port: 1, hop_limit: 64 };
        let init =
            mask::IBV_QP_STATE | mask::IBV_QP_PKEY_INDEX | mask::IBV_QP_PORT | mask::IBV_QP_ACCESS_FLAGS;
        assert_eq!(QpAttributes::init(1, Access::NONE).mask, init.0 as i32);
        let receive = mask::IBV_QP_STATE
            | mask::IBV_QP_AV
            | mask::IBV_QP_PATH_MTU
            | mask::IBV_QP_DEST_QPN
            | mask::IBV_QP_RQ_PSN
            | mask::IBV_QP_MAX_DEST_RD_ATOMIC
            | mask::IBV_QP_MIN_RNR_TIMER;
        assert_eq!(QpAttributes::ready_to_receive(&route, Mtu::Bytes1024, 5, 0).mask, receive.0 as i32);
        let send = mask::IBV_QP_STATE
            | mask::IBV_QP_SQ_PSN
            | mask::IBV_QP_TIMEOUT
            | mask::IBV_QP_RETRY_CNT
            | mask::IBV_QP_RNR_RETRY
            | mask::IBV_QP_MAX_QP_RD_ATOMIC;
        assert_eq!(QpAttributes::ready_to_send(0).mask, send.0 as i32);
    }
}
