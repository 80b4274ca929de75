//! Queue pairs: posting, flush, close.

pub(super) mod description;

pub use description::QpDescription;

use super::adapter::AdapterCore;
use super::handle::{self, Object};
use super::pd::PdCore;
use super::post::{self, READ_FLAGS, SEND_FLAGS, WRITE_FLAGS};
use super::{AdapterFlags, Data, Error, OpFlags, PostCall, PostError, RemoteAddress, Request, Sge, Token};
use crate::backend;
use crate::device::lifetime::Life;
use crate::device::qp::{Operation, PostRefused};
use crate::planted::planted;
use std::fmt;
use std::sync::Arc;

/// Two work queues, connected to those of one peer.
///
/// Posts are lock-free, allocate nothing, and come from any thread: those of one queue are executed in the
/// order in which they were taken. A post that returns `Ok` completes exactly once, unless it is silent and
/// succeeds; one that returns an error does not complete at all, and the queue pair goes on working (QP-5,
/// QP-6).
pub struct Qp {
    pub(super) qp: backend::Qp,
    pub(super) adapter: Arc<AdapterCore>,
    /// Flags that the adapter does not have the capability for, and ignores (MR-23).
    ignored: OpFlags,
}

/// What a queue pair has done so far.
///
/// Each figure is true at some moment during the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QpCounters {
    /// Initiator requests posted and not completed.
    pub initiator_requests_pending: u64,
    /// Receives posted and not completed.
    pub receives_pending: u64,
    /// Initiator requests completed.
    pub initiator_requests_completed: u64,
    /// Receives completed.
    pub receives_completed: u64,
    /// Bytes moved by initiator requests that succeeded.
    pub bytes_out: u64,
    /// Bytes received by receives that succeeded.
    pub bytes_in: u64,
    /// Requests that ended in an error, the cancelled ones among them.
    pub failed: u64,
    /// Times that a send found no receive.
    pub receiver_not_ready: u64,
}

impl Qp {
    pub(super) fn new(pd: &Arc<PdCore>, description: &QpDescription<'_>) -> Result<Self, Error> {
        let qp = description.create(pd)?;
        let flags = pd.adapter.limits().adapter_flags;
        let capable = flags.contains(AdapterFlags::RDMA_READ_LOCAL_INVALIDATE_SUPPORTED);
        let ignored = if capable { OpFlags::NONE } else { OpFlags::RDMA_READ_LOCAL_INVALIDATE };
        Ok(Self { qp, adapter: Arc::clone(&pd.adapter), ignored })
    }

    /// Posts a receive for the peer's next message (`NdkReceive`).
    ///
    /// Works also before the queue pair is connected. The entries need local write.
    ///
    /// # Errors
    /// NO_MORE_ENTRIES: the receive queue is full. DATA_OVERRUN: too many entries. INVALID_DEVICE_REQUEST:
    /// the queue pair has a shared receive queue.
    #[inline]
    pub fn receive(&self, context: u64, sgl: &[Sge]) -> Result<(), PostError> {
        self.qp.post_receive(context, sgl).map_err(|refused| post::refused(PostCall::Receive, refused))
    }

    /// Posts a send into the peer's next receive (`NdkSend`).
    ///
    /// # Errors
    /// INVALID_PARAMETER: a flag that a send does not take (FLAG-4). CONNECTION_INVALID: not connected.
    /// NO_MORE_ENTRIES: the queue is full. DATA_OVERRUN: too many entries. BUFFER_OVERFLOW: too many bytes.
    #[inline]
    pub fn send<'d>(&self, context: u64, data: impl Into<Data<'d>>, flags: OpFlags) -> Result<(), PostError> {
        self.post(PostCall::Send, &Operation::Send, data.into(), flags, SEND_FLAGS, context)
    }

    /// Posts a send that also invalidates a token of the peer (`NdkSendAndInvalidate`).
    ///
    /// The token is that of a window bound on the peer's queue pair, or of a fast registration with remote
    /// access. Nothing is granted by it when the peer's receive completes; what another queue pair was
    /// granted just before may still be written. The peer's receive completes as
    /// [`OperationType::ReceiveAndInvalidate`](super::OperationType). A token that may not be invalidated so
    /// fails the request and ends the connection.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_and_invalidate<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        flags: OpFlags,
        remote_token: Token,
    ) -> Result<(), PostError> {
        let operation = Operation::SendWithInvalidate(remote_token);
        self.post(PostCall::SendAndInvalidate, &operation, data.into(), flags, SEND_FLAGS, context)
    }

    /// Posts a read of the peer's memory into `sgl` (`NdkRead`).
    ///
    /// The entries need local write. With [`OpFlags::RDMA_READ_LOCAL_INVALIDATE`], success also invalidates
    /// the token of the first entry, as [`invalidate`](Self::invalidate) does (MR-22); one that cannot be
    /// invalidated, an ordinary region's, fails the request with INVALID_DEVICE_REQUEST before a byte has
    /// moved.
    ///
    /// # Errors
    /// As [`send`](Self::send); INVALID_DEVICE_REQUEST: the connection allows no reads.
    #[inline]
    pub fn read(
        &self,
        context: u64,
        sgl: &[Sge],
        remote: RemoteAddress,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let operation = Operation::Read { address: remote.address, key: remote.token };
        let flags = flags.outside(self.ignored);
        self.post(PostCall::Read, &operation, Data::Sgl(sgl), flags, READ_FLAGS, context)
    }

    /// Posts a write into the peer's memory (`NdkWrite`); the peer is not told.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[inline]
    pub fn write<'d>(
        &self,
        context: u64,
        data: impl Into<Data<'d>>,
        remote: RemoteAddress,
        flags: OpFlags,
    ) -> Result<(), PostError> {
        let operation = Operation::Write { address: remote.address, key: remote.token };
        self.post(PostCall::Write, &operation, data.into(), flags, WRITE_FLAGS, context)
    }

    #[inline]
    pub(super) fn post(
        &self,
        call: PostCall,
        operation: &Operation,
        data: Data<'_>,
        flags: OpFlags,
        allowed: OpFlags,
        context: u64,
    ) -> Result<(), PostError> {
        let inline_without_bytes = flags.contains(OpFlags::INLINE) && matches!(data, Data::Sgl(_));
        let unjudged = planted!(FlagsUnjudged, "a request is taken with flags of another");
        if !unjudged && (!flags.outside(allowed).is_empty() || inline_without_bytes) {
            return Err(self.refusing(post::flags_refused(call, flags, allowed)));
        }
        let deferred = flags.contains(OpFlags::DEFER);
        let refused = |refused| self.refused(call, refused);
        self.qp.post_send(operation, data.into(), post::request_flags(flags), deferred, context, refused)
    }

    #[cold]
    fn refused(&self, call: PostCall, refused: PostRefused) -> PostError {
        #[cfg(feature = "rdma-core")]
        if let PostRefused::NotSupported(feature) = refused {
            return post::without(call, self.adapter.backend.has(feature));
        }
        post::refused(call, refused)
    }

    /// The refusal of an initiator request, which leaves nothing held back (QP-25).
    #[cold]
    pub(super) fn refusing(&self, error: PostError) -> PostError {
        self.qp.expose_deferred();
        error
    }

    /// Lets deferred requests start that no later one has let start yet.
    ///
    /// For a consumer that finds nothing to follow them after all, and for a face that refuses the request
    /// that was to follow (QP-25).
    pub fn indicate_deferred(&self) {
        self.qp.expose_deferred();
    }

    /// Cancels everything that is pending on both queues (`NdkFlush`).
    ///
    /// Each of these requests completes exactly once, in posting order for each queue, with CANCELLED, or
    /// with its own result if it was being executed. The call only starts this: the completion queue tells
    /// when it is done. The state of the queue pair stays as it is, and requests posted later live.
    /// Receives of a shared receive queue stay there.
    pub fn flush(&self) {
        self.qp.flush();
    }

    /// Its number, unique among the living queue pairs of the NET; 24 bits.
    pub fn number(&self) -> u32 {
        self.qp.qpn().0
    }

    /// What it has done so far.
    pub fn counters(&self) -> QpCounters {
        let of = self.qp.counters();
        QpCounters {
            initiator_requests_pending: of.sends_pending,
            receives_pending: of.receives_pending,
            initiator_requests_completed: of.sends_completed,
            receives_completed: of.receives_completed,
            bytes_out: of.bytes_out,
            bytes_in: of.bytes_in,
            failed: of.failed,
            receiver_not_ready: of.receiver_not_ready,
        }
    }

    /// Closes the queue pair: everything pending is cancelled, into its completion queues (CLOSE-8).
    ///
    /// Pends while a connector is tied to it. A connection that it has is dead from now on.
    pub fn close(self) -> Request<()> {
        let (callback, request) = handle::close_request();
        self.adapter.late_close(self.life());
        self.qp.close(Some(callback));
        request
    }
}

impl Object for Qp {
    fn life(&self) -> &Arc<Life> {
        self.qp.life()
    }
}

impl Drop for Qp {
    fn drop(&mut self) {
        if !self.life().is_closing() {
            self.qp.close(None);
        }
    }
}

impl fmt::Debug for Qp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.qp.fmt(f)
    }
}
