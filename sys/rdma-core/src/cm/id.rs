//! Ids: ends of connections to be.

use std::net::SocketAddr;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::time::Duration;

use rdma_sys as sys;

use super::address::{self, Raw};
use super::channel::{Locked, Shared};
use crate::context::device_name;
use crate::error::{Error, answer};
use crate::qp::{QpAttributes, QpState};

/// Private data of a connect request over IP, in bytes at most (IBTA A11.3).
pub const MAX_PRIVATE_DATA_CONNECT: usize = 56;
/// Private data of an acceptance, in bytes at most (IBTA 12.6.8).
pub const MAX_PRIVATE_DATA_ACCEPT: usize = 196;
/// Private data of a rejection, in bytes at most (IBTA 12.6.7).
pub const MAX_PRIVATE_DATA_REJECT: usize = 148;

/// What one end says of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// Number of the queue pair of this end.
    pub qp_number: u32,
    /// Whether it has a shared receive queue.
    pub srq: bool,
    /// For the peer's program.
    pub private_data: &'a [u8],
    /// Reads and atomics that this end answers at a time.
    pub responder_resources: u8,
    /// Reads and atomics that this end will have outstanding.
    pub initiator_depth: u8,
    /// Retries without an answer, 3 bits; for connect alone.
    pub retry_count: u8,
    /// Retries without a receive, 3 bits, 7 for ever.
    pub rnr_retry_count: u8,
}

impl<'a> Connection<'a> {
    /// One read at a time each way, 6 retries of each kind, no private data.
    #[must_use]
    pub fn new(qp_number: u32) -> Self {
        Self {
            qp_number,
            srq: false,
            private_data: &[],
            responder_resources: 1,
            initiator_depth: 1,
            retry_count: 6,
            rnr_retry_count: 6,
        }
    }

    fn raw(&self, call: &'static str, limit: usize) -> Result<sys::rdma_conn_param, Error> {
        Ok(sys::rdma_conn_param {
            private_data: self.private_data.as_ptr().cast(),
            private_data_len: private_data_length(call, self.private_data, limit)?,
            responder_resources: self.responder_resources,
            initiator_depth: self.initiator_depth,
            flow_control: 0,
            retry_count: self.retry_count,
            rnr_retry_count: self.rnr_retry_count,
            srq: u8::from(self.srq),
            qp_num: self.qp_number,
        })
    }
}

fn private_data_length(call: &'static str, data: &[u8], limit: usize) -> Result<u8, Error> {
    let argument = "the length of private data";
    let remedy = "send the rest as a message once connected";
    let (given, most) = (data.len() as u64, limit as u64);
    let refusal = Error::TooLarge { call, argument, given, limit: most, remedy };
    u8::try_from(data.len()).ok().filter(|length| usize::from(*length) <= limit).ok_or(refusal)
}

/// One end of a connection to be. Dropping it ends what it has begun: a listener stops, a request is
/// rejected.
#[derive(Debug)]
pub struct Id {
    raw: NonNull<sys::rdma_cm_id>,
    key: u64,
    channel: Arc<Shared>,
}

// SAFETY: an id is not bound to a thread, and is used under its channel's lock alone.
unsafe impl Send for Id {}
// SAFETY: as above.
unsafe impl Sync for Id {}

impl Drop for Id {
    fn drop(&mut self) {
        let _locked = self.channel.lock();
        // SAFETY: owned, locked, and without events that are taken and not acknowledged, for which this would
        // wait.
        let status = unsafe { sys::rdma_destroy_id(self.raw.as_ptr()) };
        if let Err(error) = answer("rdma_destroy_id", status) {
            tracing::error!(object = "the connection's id", %error, "not destroyed on drop");
        }
    }
}

impl Id {
    pub(super) fn new(channel: &Arc<Shared>) -> Result<Self, Error> {
        let mut locked = channel.lock();
        let key = locked.new_key();
        let mut raw = null_mut();
        // SAFETY: the channel is open and locked; the key is never followed as a pointer.
        let status = unsafe {
            let space = sys::rdma_port_space::RDMA_PS_TCP;
            sys::rdma_create_id(channel.raw(), &mut raw, key as *mut _, space)
        };
        answer("rdma_create_id", status)?;
        let raw = NonNull::new(raw).ok_or_else(|| Error::last("rdma_create_id"))?;
        Ok(Self { raw, key, channel: channel.clone() })
    }

    /// Takes over the new id of a connect request, and gives it a key in place of its listener's.
    ///
    /// # Safety
    /// `raw` is such an id, of `channel`, of which `locked` is the lock, and is nobody else's.
    pub(super) unsafe fn adopt(
        raw: *mut sys::rdma_cm_id,
        channel: &Arc<Shared>,
        locked: &mut Locked<'_>,
    ) -> Self {
        let key = locked.new_key();
        // SAFETY: there, and read by takers of events alone, which need the lock.
        unsafe { (*raw).context = key as *mut _ };
        // SAFETY: a request's event has an id.
        let raw = unsafe { NonNull::new_unchecked(raw) };
        Self { raw, key, channel: channel.clone() }
    }

    /// Its name in events, which no other id of the channel ever has.
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Makes one call of the library under the channel's lock.
    fn call(
        &self,
        name: &'static str,
        call: impl FnOnce(*mut sys::rdma_cm_id) -> libc::c_int,
    ) -> Result<(), Error> {
        let _locked = self.channel.lock();
        answer(name, call(self.raw.as_ptr()))
    }

    /// As `call`, for calls that look at the id's device without asking whether it has one: librdmacm would
    /// crash.
    fn call_with_device(
        &self,
        name: &'static str,
        call: impl FnOnce(*mut sys::rdma_cm_id) -> libc::c_int,
    ) -> Result<(), Error> {
        let _locked = self.channel.lock();
        // SAFETY: id locked. librdmacm sets `verbs` together with its own pointer to the device.
        if unsafe { (*self.raw.as_ptr()).verbs.is_null() } {
            let problem = "has no device yet: resolve its address first, or take it from a connect request";
            return Err(Error::Unfit { call: name, argument: "the id", problem });
        }
        answer(name, call(self.raw.as_ptr()))
    }

    /// Binds to a local address; port 0 takes a free one.
    ///
    /// # Errors
    /// EADDRINUSE; EADDRNOTAVAIL or ENODEV for an address of no device.
    pub fn bind(&self, address: SocketAddr) -> Result<(), Error> {
        let mut raw = Raw::new(address);
        // SAFETY: id locked, address valid for the call.
        self.call("rdma_bind_addr", |id| unsafe { sys::rdma_bind_addr(id, raw.as_mut_ptr()) })
    }

    /// Lets the id be bound to a port of which connections are still ending.
    ///
    /// # Errors
    /// EINVAL once it is bound.
    pub fn set_reuse_address(&self, reuse: bool) -> Result<(), Error> {
        let mut value = libc::c_int::from(reuse);
        let length = size_of_val(&value);
        // SAFETY: id locked, the option's value is an int, valid for the call.
        self.call("rdma_set_option", |id| unsafe {
            let (level, name) = (0, 1); // RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR
            sys::rdma_set_option(id, level, name, (&raw mut value).cast(), length)
        })
    }

    /// Begins to listen; requests come as events.
    ///
    /// # Errors
    /// EADDRINUSE; what the kernel says.
    pub fn listen(&self, backlog: u32) -> Result<(), Error> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        // SAFETY: id locked.
        self.call("rdma_listen", |id| unsafe { sys::rdma_listen(id, backlog) })
    }

    /// Finds device and port for a peer, and binds to `source`, if given. Answers by event.
    ///
    /// # Errors
    /// What is wrong at once, such as ENETUNREACH or EADDRNOTAVAIL.
    pub fn resolve_address(
        &self,
        source: Option<SocketAddr>,
        peer: SocketAddr,
        timeout: Duration,
    ) -> Result<(), Error> {
        let mut source = source.map(Raw::new);
        let mut peer = Raw::new(peer);
        let source = source.as_mut().map_or(null_mut(), Raw::as_mut_ptr);
        // SAFETY: id locked, addresses valid for the call.
        self.call("rdma_resolve_addr", |id| unsafe {
            sys::rdma_resolve_addr(id, source, peer.as_mut_ptr(), milliseconds(timeout))
        })
    }

    /// Finds the way to the peer. Answers by event.
    ///
    /// # Errors
    /// EINVAL before the address is resolved.
    pub fn resolve_route(&self, timeout: Duration) -> Result<(), Error> {
        // SAFETY: id locked.
        self.call_with_device("rdma_resolve_route", |id| unsafe {
            sys::rdma_resolve_route(id, milliseconds(timeout))
        })
    }

    /// Asks the peer for a connection. Answers by event.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for too much private data; EINVAL before the route is resolved, or for more reads
    /// at a time than the device can.
    pub fn connect(&self, connection: &Connection<'_>) -> Result<(), Error> {
        let mut raw = connection.raw("connect", MAX_PRIVATE_DATA_CONNECT)?;
        // SAFETY: id locked, parameters and private data valid for the call.
        self.call_with_device("rdma_connect", |id| unsafe { sys::rdma_connect(id, &mut raw) })
    }

    /// Says that the queue pair of the active end is ready to send; upon this the peer gets Established.
    ///
    /// # Errors
    /// EINVAL before a ConnectResponse.
    pub fn establish(&self) -> Result<(), Error> {
        // SAFETY: id locked. It has no queue pair of its own, as the call asks.
        self.call("rdma_establish", |id| unsafe { sys::rdma_establish(id) })
    }

    /// Accepts a request. The queue pair is ready to send by then. Established comes as an event.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for too much private data; EINVAL without a request, or after the peer gave up.
    pub fn accept(&self, connection: &Connection<'_>) -> Result<(), Error> {
        let mut raw = connection.raw("accept", MAX_PRIVATE_DATA_ACCEPT)?;
        // SAFETY: id locked, parameters and private data valid for the call.
        self.call_with_device("rdma_accept", |id| unsafe { sys::rdma_accept(id, &mut raw) })
    }

    /// Rejects a request, or a response that was not established yet.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for too much private data; EINVAL with nothing to reject.
    pub fn reject(&self, private_data: &[u8]) -> Result<(), Error> {
        let length = private_data_length("reject", private_data, MAX_PRIVATE_DATA_REJECT)?;
        // SAFETY: id locked, private data valid for the call.
        self.call("rdma_reject", |id| unsafe { sys::rdma_reject(id, private_data.as_ptr().cast(), length) })
    }

    /// Ends the connection, or agrees to its end. The queue pair is left as it is.
    ///
    /// The peer gets Disconnected at once, and this end when the peer has called this too, or does not
    /// answer.
    ///
    /// # Errors
    /// EINVAL without a connection.
    pub fn disconnect(&self) -> Result<(), Error> {
        // SAFETY: id locked.
        self.call("rdma_disconnect", |id| unsafe { sys::rdma_disconnect(id) })
    }

    /// Tells the connection manager of
    /// [`CommunicationEstablished`](crate::AsyncEventKind::CommunicationEstablished).
    ///
    /// # Errors
    /// EINVAL in the wrong state; EISCONN if it knows by now.
    pub fn notify_established(&self) -> Result<(), Error> {
        // A value of the enum, going to the library; what comes from it is read as a number.
        let event = sys::ibv_event_type::IBV_EVENT_COMM_EST;
        // SAFETY: id locked.
        self.call("rdma_notify", |id| unsafe { sys::rdma_notify(id, event) })
    }

    /// The attributes with which this connection's queue pair is moved to `state`.
    ///
    /// Known for [`QpState::Init`] once there is a device, for the others once there is a peer's request or
    /// response. Of reads at a time they hold what the messages said, and of the RNR timer 0, that is 655 ms:
    /// set others on top.
    ///
    /// # Errors
    /// EINVAL in the wrong state.
    pub fn qp_attributes(&self, state: QpState) -> Result<QpAttributes, Error> {
        let mut attributes = QpAttributes::to(state);
        let (raw, mask) = (&mut attributes.raw, &mut attributes.mask);
        // SAFETY: id locked, places for both answers.
        self.call("rdma_init_qp_attr", |id| unsafe { sys::rdma_init_qp_attr(id, raw, mask) })?;
        Ok(attributes)
    }

    /// The address of this end; `None` before it is bound.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        let _locked = self.channel.lock();
        // SAFETY: id locked, so nobody writes its addresses; each lies in a place for every family.
        unsafe { address::read((&raw const (*self.raw.as_ptr()).route.addr.src_addr_union).cast()) }
    }

    /// The address of the peer; `None` before it is known.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        let _locked = self.channel.lock();
        // SAFETY: as above.
        unsafe { address::read((&raw const (*self.raw.as_ptr()).route.addr.dst_addr_union).cast()) }
    }

    /// Name and port of the device on which the connection is; `None` before that is known.
    #[must_use]
    pub fn device(&self) -> Option<(String, u8)> {
        let _locked = self.channel.lock();
        // SAFETY: id locked; a device that it names is kept open by the library.
        unsafe {
            let id = &*self.raw.as_ptr();
            let verbs = NonNull::new(id.verbs)?;
            Some((device_name((*verbs.as_ptr()).device), id.port_num))
        }
    }
}

/// Rounded up, and as much as fits.
fn milliseconds(span: Duration) -> i32 {
    i32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_has_its_limit() {
        let data = [0; 57];
        assert!(Connection { private_data: &data[..56], ..Connection::new(1) }.raw("connect", 56).is_ok());
        let error =
            Connection { private_data: &data, ..Connection::new(1) }.raw("connect", 56).err().unwrap();
        assert!(error.to_string().contains("is 57, 56 at most"), "{error}");
        assert!(private_data_length("accept", &[0; 300], 400).is_err());
    }

    #[test]
    fn time_outs_are_rounded_up() {
        assert_eq!(milliseconds(Duration::from_micros(1)), 1);
        assert_eq!(milliseconds(Duration::from_secs(u64::MAX)), i32::MAX);
    }
}
