//! What a queue pair is to be like, judged as a whole when it is created.

use crate::backend;
use crate::device::qp;
use crate::ndk::adapter::AdapterCore;
use crate::ndk::pd::{self, PdCore};
use crate::ndk::{AdapterFlags, AdapterInfo, Cq, Error, Srq, Status};
use crate::planted::planted;
use crate::time::Span;
use std::sync::Arc;
use std::time::Duration;

pub(in crate::ndk) const CREATE: &str = "NdkCreateQp";

/// What a queue pair is to be like; [`Pd::create_qp`](crate::ndk::Pd::create_qp) judges it.
///
/// ```
/// # use qpair::ndk::{Adapter, CqNotify, QpDescription};
/// # let adapter = Adapter::open("local/docs")?;
/// let cq = adapter.create_cq(64, CqNotify::None).wait()?;
/// let pd = adapter.create_pd().wait()?;
/// let qp = pd.create_qp(QpDescription::new(&cq).initiator_depth(48).receive_depth(16)).wait()?;
/// # Ok::<(), qpair::ndk::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is only a description until `create_qp` is called with it"]
pub struct QpDescription<'a> {
    receive_cq: &'a Cq,
    initiator_cq: &'a Cq,
    srq: Option<&'a Srq>,
    context: u64,
    /// `None`: not said.
    receive_depth: Option<u32>,
    receive_sge: Option<u32>,
    initiator_depth: u32,
    initiator_sge: u32,
    inline: u32,
    receiver_not_ready: Option<Duration>,
}

/// What a queue has if nothing is said.
const DEPTH: u32 = 16;
const SGE: u32 = 1;
/// How long a send waits for a receive if nothing is said.
const PATIENCE: Duration = Duration::from_secs(10);

impl<'a> QpDescription<'a> {
    /// A queue pair whose both queues complete into `cq`.
    pub fn new(cq: &'a Cq) -> Self {
        Self {
            receive_cq: cq,
            initiator_cq: cq,
            srq: None,
            context: 0,
            receive_depth: None,
            receive_sge: None,
            initiator_depth: DEPTH,
            initiator_sge: SGE,
            inline: 0,
            receiver_not_ready: Some(PATIENCE),
        }
    }

    /// Where initiator requests complete, if not where receives do.
    pub fn initiator_cq(mut self, cq: &'a Cq) -> Self {
        self.initiator_cq = cq;
        self
    }

    /// The number that each completion of the queue pair carries (`QPContext`). Default 0.
    pub fn context(mut self, context: u64) -> Self {
        self.context = context;
        self
    }

    /// Receives that can be pending. Default 16, from 0 to [`max_receive_queue_depth`]; 64 bytes each, and 16
    /// for each entry after the first.
    ///
    /// [`max_receive_queue_depth`]: crate::ndk::AdapterInfo::max_receive_queue_depth
    pub fn receive_depth(mut self, depth: u32) -> Self {
        self.receive_depth = Some(depth);
        self
    }

    /// Initiator requests that can be pending. Default 16, from 0 to [`max_initiator_queue_depth`]; 64 bytes
    /// each, and what entries after the first (16 each) or inline bytes over 24 take, whichever is more.
    ///
    /// [`max_initiator_queue_depth`]: crate::ndk::AdapterInfo::max_initiator_queue_depth
    pub fn initiator_depth(mut self, depth: u32) -> Self {
        self.initiator_depth = depth;
        self
    }

    /// Scatter/gather entries of a receive. Default 1, from 0 to [`max_receive_request_sge`].
    ///
    /// [`max_receive_request_sge`]: crate::ndk::AdapterInfo::max_receive_request_sge
    pub fn receive_sge(mut self, entries: u32) -> Self {
        self.receive_sge = Some(entries);
        self
    }

    /// Scatter/gather entries of an initiator request. Default 1, from 0 to [`max_initiator_request_sge`].
    ///
    /// [`max_initiator_request_sge`]: crate::ndk::AdapterInfo::max_initiator_request_sge
    pub fn initiator_sge(mut self, entries: u32) -> Self {
        self.initiator_sge = entries;
        self
    }

    /// Inline bytes of a request (`InlineDataSize`). Default 0, up to [`max_inline_data_size`].
    ///
    /// [`max_inline_data_size`]: crate::ndk::AdapterInfo::max_inline_data_size
    pub fn inline_size(mut self, bytes: u32) -> Self {
        self.inline = bytes;
        self
    }

    /// Receives come from this queue, of the same protection domain; depth and entries of receives are its.
    pub fn srq(mut self, srq: &'a Srq) -> Self {
        self.srq = Some(srq);
        self
    }

    /// How long a send of this queue pair waits for the peer to post a receive, by the NET's clock. Default
    /// 10 s.
    ///
    /// When it is over, the send fails with IO_TIMEOUT and the connection ends (QP-22). `None`: it waits for
    /// ever; zero: it fails when it finds no receive.
    pub fn receiver_not_ready(mut self, limit: Option<Duration>) -> Self {
        self.receiver_not_ready = limit;
        self
    }

    /// Judges everything, then creates.
    pub(super) fn create(&self, pd: &PdCore) -> Result<backend::Qp, Error> {
        self.judge_objects(pd)?;
        self.judge_sizes(pd.adapter.limits())?;
        let description = backend::QpDescription {
            pd: pd.pd.clone(),
            send_cq: self.initiator_cq.cq.clone(),
            receive_cq: self.receive_cq.cq.clone(),
            srq: self.srq.map(|srq| srq.srq.clone()),
            context: self.context,
            send_depth: self.initiator_depth,
            receive_depth: self.receive_depth.unwrap_or(DEPTH),
            send_sge: self.initiator_sge,
            receive_sge: self.receive_sge.unwrap_or(SGE),
            inline: self.inline,
            rnr_limit: self.receiver_not_ready.map(Span::from),
            rules: rules(pd.adapter.limits()),
            faults: pd.adapter.faults.clone(),
        };
        let mut antecedents =
            vec![pd.hold(), self.receive_cq.cq.life().hold(), self.initiator_cq.cq.life().hold()];
        antecedents.extend(self.srq.map(|srq| srq.srq.life().hold()));
        let made = pd.adapter.backend.create_qp(description, antecedents);
        made.map_err(|refused| pd::refused(CREATE, refused))
    }

    fn judge_objects(&self, pd: &PdCore) -> Result<(), Error> {
        same_adapter("ReceiveCq", &self.receive_cq.adapter, pd)?;
        same_adapter("InitiatorCq", &self.initiator_cq.adapter, pd)?;
        let Some(srq) = self.srq else { return Ok(()) };
        if !srq.belongs_to(pd) {
            return Err(Error::new(CREATE, Status::INVALID_PARAMETER)
                .with_argument("Srq", "of another protection domain")
                .with_hint("create the shared receive queue in the domain of the queue pair"));
        }
        let said = [("ReceiveQueueDepth", self.receive_depth), ("MaxReceiveRequestSge", self.receive_sge)];
        for (argument, value) in said {
            if let Some(value) = value {
                return Err(Error::new(CREATE, Status::INVALID_PARAMETER_MIX)
                    .with_argument(argument, value)
                    .with_hint("leave it out: with a shared receive queue, receives are posted there"));
            }
        }
        Ok(())
    }

    fn judge_sizes(&self, limits: &AdapterInfo) -> Result<(), Error> {
        let sizes = [
            ("ReceiveQueueDepth", self.receive_depth.unwrap_or(DEPTH), limits.max_receive_queue_depth),
            ("InitiatorQueueDepth", self.initiator_depth, limits.max_initiator_queue_depth),
            ("MaxReceiveRequestSge", self.receive_sge.unwrap_or(SGE), limits.max_receive_request_sge),
            ("MaxInitiatorRequestSge", self.initiator_sge, limits.max_initiator_request_sge),
            ("InlineDataSize", self.inline, limits.max_inline_data_size),
        ];
        let more = u32::from(planted!(LimitOffByOne, "one more than a limit is granted"));
        match sizes.into_iter().find(|(_, got, limit)| *got > limit + more) {
            Some((argument, got, limit)) => Err(Error::new(CREATE, Status::INVALID_PARAMETER)
                .with_argument(argument, got)
                .with_limit(limit)
                .with_hint("ask for at most what the adapter's info says")),
            None => Ok(()),
        }
    }
}

/// What the adapter says of single requests.
fn rules(limits: &AdapterInfo) -> qp::Rules {
    qp::Rules {
        max_transfer: limits.max_transfer_length.into(),
        max_read_sge: limits.max_read_request_sge,
        sink_right: !limits.adapter_flags.contains(AdapterFlags::RDMA_READ_SINK_NOT_REQUIRED),
    }
}

fn same_adapter(argument: &'static str, adapter: &Arc<AdapterCore>, pd: &PdCore) -> Result<(), Error> {
    if Arc::ptr_eq(adapter, &pd.adapter) {
        return Ok(());
    }
    Err(Error::new(CREATE, Status::INVALID_PARAMETER)
        .with_argument(argument, "of another adapter")
        .with_hint("create it on the adapter of the protection domain"))
}
