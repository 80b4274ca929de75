//! Queue pairs: two work queues, their completion queues, a state, and what a connection ties to them.

mod control;
mod post;
mod register;

pub(crate) use post::{Data, Operation, PostRefused};
#[cfg(feature = "rdma-core")]
pub(crate) use post::{Limits, put_inline};
pub(crate) use post::{put_entries, receive_request};
pub(crate) use register::{Bind, How, latest_key};

use super::cq::Cq;
use super::faults::{Faults, QpFaults};
use super::lifetime::{Hold, Life};
use super::srq::Srq;
use super::state::QpState;
use super::{Device, callbacks::Deliver};
use crate::memory::Party;
use crate::observe::{self, Event};
use crate::ring::{EventCounter, Link, TableFull, WorkQueue};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Span;
use crate::work::{MAX_MESSAGE, Qpn, SGE_MAX, SendRequest};
use std::fmt;
use std::sync::{Arc, Mutex};

/// A queue pair's index and the generation of that index: never given out twice in practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct QpId(u64);

impl QpId {
    /// No queue pair.
    pub(crate) const NONE: Self = Self(0);

    fn new(index: u32, generation: u8) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    pub(crate) fn index(self) -> u32 {
        self.0 as u32
    }

    /// The number by which memory knows it.
    fn number(self) -> u64 {
        self.0
    }
}

/// What a queue pair is made of; limits are judged by the face.
#[derive(Clone, Debug)]
pub(crate) struct QpDescription {
    pub(crate) pd: u32,
    pub(crate) send_cq: Arc<Cq>,
    pub(crate) receive_cq: Arc<Cq>,
    pub(crate) srq: Option<Arc<Srq>>,
    pub(crate) context: u64,
    pub(crate) send_depth: u32,
    pub(crate) receive_depth: u32,
    pub(crate) send_sge: u32,
    pub(crate) receive_sge: u32,
    pub(crate) inline: u32,
    /// How long a send waits for a receive; `None`: for ever; zero: it fails at the first look.
    pub(crate) rnr_limit: Option<Span>,
    pub(crate) rules: Rules,
    pub(crate) faults: Option<Arc<Faults>>,
}

/// What the adapter says of single requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Bytes of one request.
    pub(crate) max_transfer: u64,
    /// Entries of a read; below those of other requests it is the limit that counts.
    pub(crate) max_read_sge: u32,
    /// Reads need a right of their own to their sinks.
    pub(crate) sink_right: bool,
}

impl Default for Rules {
    /// What the engine can do.
    fn default() -> Self {
        Self { max_transfer: MAX_MESSAGE, max_read_sge: SGE_MAX as u32, sink_right: false }
    }
}

/// Where the queue pair stands in the lists of others.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) ready: Link,
    pub(super) rnr: Link,
    /// In the wait list of the peer's shared receive queue.
    pub(super) srq: Link,
    /// Index of that shared receive queue.
    pub(super) waits_at_srq: AtomicU64,
}

/// The request at the head of the send queue, between two pieces or while it waits; written in the role only.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) bytes: AtomicU64,
    /// Ticket of the peer's receive that took them.
    pub(super) receive: AtomicU64,
    /// Nanoseconds of the device's clock at which a send has waited enough; 0: it does not wait.
    pub(super) rnr_deadline: AtomicU64,
    /// 1: it is a flush in flight, and what is behind it waits.
    flushing: AtomicU64,
}

impl Progress {
    /// The request at the head is retired.
    #[inline]
    pub(super) fn end(&self) {
        for word in [&self.bytes, &self.rnr_deadline, &self.flushing] {
            // Relaxed: written in the role of the send queue only; looked at first, since it rarely needs the
            // store.
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed); // as above
            }
        }
    }
}

impl Progress {
    /// The request at the head is a flush, which goes in flight.
    pub(super) fn flushes(&self) {
        self.flushing.store(1, Ordering::Relaxed); // written in the role of the send queue only
    }

    /// A flush is in flight.
    #[inline]
    pub(super) fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Relaxed) != 0 // as above
    }
}

/// The invalidation at the head of the send queue, while it waits for passes of other threads.
///
/// Both words hold the ticket of its request and 1 more, so 0 means none.
#[derive(Debug, Default)]
pub(super) struct Invalidating {
    begun: AtomicU64,
    over: AtomicU64,
}

impl Invalidating {
    /// The key of the request with that ticket is invalid; called in the role of the send queue.
    pub(super) fn begin(&self, ticket: u64) {
        self.begun.store(ticket + 1, Ordering::Relaxed); // written and read in the role only
    }

    pub(super) fn has_begun(&self, ticket: u64) -> bool {
        self.begun.load(Ordering::Relaxed) == ticket + 1 // as above
    }

    /// Nobody who was granted access before can be at it any more.
    ///
    /// Of two requests, the first of which was flushed, the end of the later one may be told first.
    pub(super) fn end(&self, ticket: u64) {
        self.over.fetch_max(ticket + 1, Ordering::Release); // pairs with `is_over`
    }

    pub(super) fn is_over(&self, ticket: u64) -> bool {
        self.over.load(Ordering::Acquire) > ticket // what the passes did comes before the completion
    }
}

/// What a queue pair has done, in figures that can be read without stopping it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QpCounters {
    /// Initiator requests posted and not completed.
    pub(crate) sends_pending: u64,
    /// Receives posted and not completed.
    pub(crate) receives_pending: u64,
    /// Initiator requests completed.
    pub(crate) sends_completed: u64,
    /// Receives completed.
    pub(crate) receives_completed: u64,
    /// Bytes moved by initiator requests that succeeded.
    pub(crate) bytes_out: u64,
    /// Bytes received by receives that succeeded.
    pub(crate) bytes_in: u64,
    /// Requests of both queues that ended in an error, the cancelled ones among them.
    pub(crate) failed: u64,
    /// Times a send found no receive.
    pub(crate) receiver_not_ready: u64,
}

/// A figure that one role holder at a time writes and anybody reads.
#[derive(Debug, Default)]
pub(super) struct Figure(AtomicU64);

impl Figure {
    #[inline]
    pub(super) fn add(&self, more: u64) {
        // Relaxed, and no read-modify-write: written in one role only; readers want a figure, not an order.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed) // as above
    }
}

/// Figures of one queue.
#[derive(Debug, Default)]
pub(super) struct QueueFigures {
    pub(super) completed: Figure,
    pub(super) bytes: Figure,
    pub(super) failed: Figure,
    pub(super) not_ready: Figure,
}

type FatalHook = Arc<dyn Fn() + Send + Sync>;

/// A queue pair.
pub(crate) struct Qp {
    pub(crate) life: Arc<Life>,
    device: Arc<Device>,
    id: QpId,
    /// At whose end memory is reached.
    pub(super) party: Party,
    pub(super) context: u64,
    pub(super) send_cq: Arc<Cq>,
    pub(super) receive_cq: Arc<Cq>,
    pub(super) srq: Option<Arc<Srq>>,
    pub(super) sq: WorkQueue,
    pub(super) rq: WorkQueue,
    max: Maxima,
    pub(super) rules: Rules,
    /// Faults on purpose; mostly none.
    pub(super) faults: Option<QpFaults>,
    pub(super) rnr_limit: Option<Span>,
    state: AtomicU64,
    peer: AtomicU64,
    /// Reads this side may have in progress; 0: none may be posted.
    outbound_reads: AtomicU64,
    pub(super) links: Links,
    pub(super) progress: Progress,
    pub(super) invalidating: Invalidating,
    pub(super) out: QueueFigures,
    pub(super) in_: QueueFigures,
    /// Held by the creator until the queue pair is quiet and out of the table.
    quiet: Mutex<Option<Hold>>,
    fatal: EventCounter,
    fatal_hook: Mutex<Option<FatalHook>>,
    tied: AtomicU64,
}

/// What one request may have.
#[derive(Clone, Copy, Debug)]
struct Maxima {
    send_sge: u32,
    receive_sge: u32,
    inline: u32,
}

/// Receives that a queue pair fed from a shared queue may hold in its own: the one in hand.
const FED_DEPTH: u32 = 1;

impl Device {
    /// A queue pair that relies on `antecedents`. Control: locks and allocates.
    ///
    /// # Errors
    /// [`TableFull`]: 2^24 - 1 queue pairs exist.
    pub(crate) fn create_qp(
        self: &Arc<Self>,
        description: QpDescription,
        antecedents: Vec<Hold>,
    ) -> Result<Arc<Qp>, TableFull> {
        let life = Life::new(antecedents);
        let mut made = None;
        self.qps.insert(|index, generation| {
            let qp = Arc::new(Qp::new(Arc::clone(self), QpId::new(index, generation), description, life));
            made = Some(Arc::clone(&qp));
            qp
        })?;
        let qp = made.expect("the table has called the maker");
        if let Some(faults) = &qp.faults {
            faults.adopt(&qp);
        }
        observe::emit(Event::QpCreated { qpn: qp.qpn(), pd: qp.party.pd });
        qp.send_cq.attach(&qp);
        if !Arc::ptr_eq(&qp.send_cq, &qp.receive_cq) {
            qp.receive_cq.attach(&qp);
        }
        if let Some(srq) = &qp.srq {
            srq.attach(&qp);
        }
        Ok(qp)
    }
}

impl Qp {
    fn new(device: Arc<Device>, id: QpId, of: QpDescription, life: Arc<Life>) -> Self {
        let receive_depth = if of.srq.is_some() { FED_DEPTH } else { of.receive_depth };
        let receive_sge = of.srq.as_ref().map_or(of.receive_sge, |srq| srq.sge());
        Self {
            quiet: Mutex::new(Some(life.hold())),
            life,
            device,
            id,
            party: Party { pd: of.pd, qp: id.number() },
            context: of.context,
            send_cq: of.send_cq,
            receive_cq: of.receive_cq,
            srq: of.srq,
            sq: WorkQueue::new(of.send_depth, SendRequest::side_words(of.send_sge, of.inline), true),
            rq: WorkQueue::for_receives(receive_depth, SendRequest::side_words(receive_sge, 0)),
            max: Maxima { send_sge: of.send_sge, receive_sge, inline: of.inline },
            rules: of.rules,
            faults: of.faults.map(QpFaults::new),
            rnr_limit: of.rnr_limit,
            state: AtomicU64::new(QpState::Init as u64),
            peer: AtomicU64::new(QpId::NONE.0),
            outbound_reads: AtomicU64::new(0),
            links: Links::default(),
            progress: Progress::default(),
            invalidating: Invalidating::default(),
            out: QueueFigures::default(),
            in_: QueueFigures::default(),
            fatal: EventCounter::new(),
            fatal_hook: Mutex::new(None),
            tied: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> QpId {
        self.id
    }

    /// Number of its protection domain.
    pub(crate) fn pd(&self) -> u32 {
        self.party.pd
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Its place among the ready queues; equal numbers go on as they came.
    pub(super) fn rank(&self) -> u64 {
        self.faults.as_ref().map_or(0, QpFaults::rank)
    }

    #[inline]
    pub(crate) fn qpn(&self) -> Qpn {
        Qpn(self.id.index())
    }

    #[inline]
    pub(crate) fn state(&self) -> QpState {
        QpState::from_number(self.state.load(Ordering::Acquire)) // pairs with the swaps of `control`
    }

    #[inline]
    pub(super) fn peer(&self) -> QpId {
        QpId(self.peer.load(Ordering::Acquire)) // pairs with `ready_to_receive`
    }

    /// Figures of both queues, each true at some moment during the call.
    pub(crate) fn counters(&self) -> QpCounters {
        QpCounters {
            sends_pending: self.sq.pending(),
            receives_pending: self.rq.pending(),
            sends_completed: self.out.completed.get(),
            receives_completed: self.in_.completed.get(),
            bytes_out: self.out.bytes.get(),
            bytes_in: self.in_.bytes.get(),
            failed: self.out.failed.get() + self.in_.failed.get(),
            receiver_not_ready: self.out.not_ready.get(),
        }
    }
}

impl Deliver for Qp {
    fn deliver(self: Arc<Self>) {
        self.fatal.deliver(|| {
            let hook = self.fatal_hook.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            if let Some(hook) = hook {
                hook();
            }
        });
    }
}

impl fmt::Debug for Qp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Qp")
            .field("qpn", &self.qpn())
            .field("state", &self.state())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
