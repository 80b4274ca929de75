//! Queue pairs: what they are made of, their state, and what a completion of the device means.
//!
//! The device's queue pair is in Init from its creation on, so that it takes receives. It is twice as deep as
//! ours, and deeper than both together never needs to be: room is given out by the shadows.

#![forbid(unsafe_code)]

use super::culprit::Culprit;
use super::probe::Probe;
use super::receive::Kept;
use super::shadow::{Figure, Shadow};
use super::window::Bindings;
use super::{Adapter, Cq, Pd, Srq, capabilities, lock};
use crate::backend::{self, QpDescription, Refused};
use crate::cm::ReadLimits;
use crate::device::callbacks::{Deliver, Outbox};
use crate::device::lifetime::{Hold, Life};
use crate::device::qp::{QpCounters, Rules};
use crate::ring::{EventCounter, Phase, Phases, Turn};
use crate::sync::{AtomicU64, Ordering};
use crate::time::Span;
use crate::work::{Qpn, SendRequest};
use qpair_rdma_core::cm::Id;
use qpair_rdma_core::{self as rdma, QpAttributes, QpState};
use std::fmt;
use std::sync::{Arc, Mutex};

type Hook = Arc<dyn Fn() + Send + Sync>;

/// A queue pair.
pub(crate) struct Qp {
    pub(crate) life: Arc<Life>,
    pub(super) adapter: Arc<Adapter>,
    pd: Arc<Pd>,
    pub(super) qp: rdma::Qp,
    pub(super) key: u64,
    pub(super) context: u64,
    pub(super) send_cq: Arc<Cq>,
    pub(super) receive_cq: Arc<Cq>,
    pub(super) srq: Option<Arc<Srq>>,
    pub(super) sends: Shadow,
    /// Ticket of the first send that the device got since it let go of a region of the domain.
    pub(super) judged_from: AtomicU64,
    /// What is known of the first send to be flushed.
    pub(super) culprit: Culprit,
    /// Ticket after the last send that the device will tell of; written in the role of the send queue.
    pub(super) signalled: Figure,
    pub(super) bindings: Mutex<Bindings>,
    pub(super) receives: Shadow,
    pub(super) kept: Kept,
    pub(super) max: Maxima,
    pub(super) rules: Rules,
    rnr_limit: Option<Span>,
    pub(super) phases: Phases,
    /// Not 0: the device's queue pair is in error, where it cancels what it gets.
    pub(super) in_error: AtomicU64,
    /// Reads that this side may have in progress.
    pub(super) outbound_reads: AtomicU64,
    pub(super) tied: AtomicU64,
    pub(super) probe: Probe,
    fatal: EventCounter,
    pub(super) fatal_hook: Mutex<Option<Hook>>,
    /// Held until the queue pair has come to rest.
    pub(super) quiet: Mutex<Option<Hold>>,
}

/// What one request may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maxima {
    pub(super) send_sge: u32,
    pub(super) receive_sge: u32,
    pub(super) inline: u32,
}

/// Bits of a request's number, above its ticket: of which queue it is.
pub(super) const RECEIVE: u64 = 1 << 63;
pub(super) const SHARED: u64 = 1 << 62;
/// Not a request of the user: those up to the ticket have ended.
pub(super) const END: u64 = 1 << 61;

/// The port that is used; devices with several have an adapter for the first.
const PORT: u8 = 1;

fn real_cq(cq: &backend::Cq) -> Arc<Cq> {
    match cq {
        backend::Cq::Real(cq) => Arc::clone(cq),
        backend::Cq::Emulated(_) => unreachable!("the face judges that all is of one adapter"),
    }
}

impl Qp {
    pub(crate) fn new(of: QpDescription, holds: Vec<Hold>) -> Result<Arc<Self>, Refused> {
        let (backend::Pd::Real(pd), send_cq, receive_cq) =
            (of.pd.clone(), real_cq(&of.send_cq), real_cq(&of.receive_cq))
        else {
            unreachable!("a domain is asked by its own adapter")
        };
        let srq = of.srq.as_ref().map(|srq| match srq {
            backend::Srq::Real(srq) => Arc::clone(srq),
            backend::Srq::Emulated(_) => unreachable!("the face judges that all is of one adapter"),
        });
        let adapter = Arc::clone(&pd.adapter);
        let key = adapter.new_key();
        let qp = create(&pd, &of, [&send_cq, &receive_cq], srq.as_deref(), key)?;
        qp.modify(&to_init(&adapter))?;
        let life = Life::new(holds);
        let max = Maxima {
            send_sge: of.send_sge.min(capabilities::SGE),
            receive_sge: of.receive_sge.min(capabilities::SGE),
            inline: of.inline.min(capabilities::INLINE),
        };
        let side_words = SendRequest::side_words(max.send_sge, max.inline);
        let receive_depth = if srq.is_some() { 0 } else { of.receive_depth };
        let qp = Arc::new(Self {
            quiet: Mutex::new(Some(life.hold())),
            life,
            adapter,
            pd,
            qp,
            key,
            context: of.context,
            send_cq,
            receive_cq,
            srq,
            sends: Shadow::new(of.send_depth, side_words),
            judged_from: AtomicU64::new(0),
            culprit: Culprit::new(),
            signalled: Figure::default(),
            bindings: Mutex::default(),
            receives: Shadow::new(receive_depth, SendRequest::side_words(max.receive_sge, 0)),
            kept: Kept::new(receive_depth, max.receive_sge),
            max,
            rules: of.rules,
            rnr_limit: of.rnr_limit,
            phases: Phases::new(),
            in_error: AtomicU64::new(0),
            outbound_reads: AtomicU64::new(0),
            tied: AtomicU64::new(0),
            probe: Probe::new(),
            fatal: EventCounter::new(),
            fatal_hook: Mutex::default(),
        });
        qp.adapter.know_qp(key, &qp);
        qp.send_cq.attach(&qp);
        qp.receive_cq.attach(&qp);
        Ok(qp)
    }

    pub(crate) fn pd(&self) -> u32 {
        self.pd.number
    }

    pub(super) fn number(&self) -> u32 {
        self.qp.number()
    }

    pub(crate) fn qpn(&self) -> Qpn {
        Qpn(self.number())
    }

    pub(super) fn phase(&self) -> Phase {
        self.phases.now()
    }

    /// Moves the device's queue pair as the connection manager says, so that it receives and sends.
    pub(super) fn ready(self: &Arc<Self>, id: &Id, limits: ReadLimits) -> Result<(), rdma::Error> {
        // Relaxed: published by the phase.
        self.outbound_reads.store(limits.outbound.into(), Ordering::Relaxed);
        while self.phases.ready() == Err(Phase::Flushed) {
            if !self.settle_flush() {
                break; // the device refuses what follows
            }
            std::thread::yield_now(); // who has just begun is not to be waited for yet
        }
        let inbound = u8::try_from(limits.inbound).unwrap_or(u8::MAX);
        let outbound = u8::try_from(limits.outbound).unwrap_or(u8::MAX);
        let (retries, timer) = patience(self.rnr_limit);
        let receive = id.qp_attributes(QpState::ReadyToReceive)?;
        self.qp.modify(&receive.max_reads_in(inbound).rnr_timer(timer))?;
        let send = id.qp_attributes(QpState::ReadyToSend)?;
        self.qp.modify(&send.max_reads_out(outbound).retries(6, retries))
    }

    /// Initiator requests are taken from now on.
    pub(super) fn open(&self) {
        self.phases.open();
    }

    /// The device's queue pair is put back to Init, with its receives, if it had left it.
    pub(super) fn back_to_init(self: &Arc<Self>) -> Result<(), rdma::Error> {
        if !self.phases.begin_return() {
            return Ok(());
        }
        self.with_receives(|qp, _, _| qp.phases.hold_back_for_return());
        let back = self.back();
        // What had completed before is not given again. A message may have let requests be posted.
        self.send_cq.settle();
        self.receive_cq.settle();
        self.answer_forgotten_sends();
        let (given, turn) = self.with_receives(|qp, held, ender| {
            held.pass(&qp.receives.ring, ender);
            (qp.post_again(), qp.phases.end_return())
        });
        if turn == Turn::Over {
            self.cancel_again();
            // It was on its way to error when it refused to be in Init.
            return given;
        }
        back.and(given)
    }

    /// Puts the device's queue pair back to Init, through Reset, where it forgets its requests.
    pub(super) fn back(&self) -> Result<(), rdma::Error> {
        self.reset()?;
        self.qp.modify(&to_init(&self.adapter))
    }

    /// Puts the device's queue pair back to Reset, where it forgets its requests.
    fn reset(&self) -> Result<(), rdma::Error> {
        self.qp.modify(&QpAttributes::to(QpState::Reset))
    }

    /// Moves the device's queue pair to error, in which it cancels everything.
    pub(super) fn move_to_error(&self) -> bool {
        let moved = self.phases.cancel(|| self.qp.modify(&QpAttributes::to(QpState::Error)));
        if let Err(error) = &moved {
            tracing::warn!(qp = self.number(), %error, "not moved to error; the device may be gone");
        }
        moved.is_ok()
    }

    /// The same for one that stays there; silent requests are told of, and deferred ones cancelled too.
    pub(super) fn end_in_error(self: &Arc<Self>, outbox: &mut Outbox) {
        if self.move_to_error() {
            self.in_error.store(1, Ordering::Relaxed); // the kick that follows orders it
        }
        let exposed = self.sends.ring.doorbell();
        if let Some(held) = exposed.or_else(|| self.sends.ring.kick()) {
            self.run_sends(held, outbox);
        }
    }

    /// The connection is dead, for a reason of the device: its connector hears of it.
    pub(super) fn break_down(self: &Arc<Self>) {
        let mut outbox = Outbox::new();
        self.broken(&mut outbox);
        outbox.emit();
    }

    pub(super) fn broken(self: &Arc<Self>, outbox: &mut Outbox) {
        if self.phases.end(Phase::Error) {
            self.end_in_error(outbox);
            if self.fatal.raise() {
                outbox.push(Arc::clone(self) as Arc<dyn Deliver>);
            }
        }
    }

    pub(crate) fn counters(&self) -> QpCounters {
        // What has completed and nobody has polled is not pending.
        self.send_cq.settle();
        self.receive_cq.settle();
        let (out, in_) = (&self.sends.figures, &self.receives.figures);
        QpCounters {
            sends_pending: self.sends.ring.pending(),
            receives_pending: self.receives.ring.pending(),
            sends_completed: out.completed.get(),
            receives_completed: in_.completed.get(),
            bytes_out: out.bytes.get(),
            bytes_in: in_.bytes.get(),
            failed: out.failed.get() + in_.failed.get(),
            receiver_not_ready: out.not_ready.get(),
        }
    }
}

/// Makes the device's queue pair.
fn create(
    pd: &Pd,
    of: &QpDescription,
    [send_cq, receive_cq]: [&Arc<Cq>; 2],
    srq: Option<&Srq>,
    key: u64,
) -> Result<rdma::Qp, rdma::Error> {
    let description = rdma::QpDescription {
        receive_cq: &receive_cq.cq,
        srq: srq.map(|srq| &srq.srq),
        // One at least of each: what the face asks for may be nothing, which devices do not know.
        send_requests: (2 * of.send_depth).max(1),
        receive_requests: if srq.is_some() { 0 } else { of.receive_depth.max(1) },
        send_sge: of.send_sge.max(1),
        receive_sge: if srq.is_some() { 0 } else { of.receive_sge.max(1) },
        inline_bytes: of.inline,
        operations: pd.adapter.capabilities().operations,
        key,
        ..rdma::QpDescription::new(&send_cq.cq)
    };
    pd.pd.create_qp(&description)
}

/// From Reset to Init; what a peer may do is said by regions.
fn to_init(adapter: &Adapter) -> QpAttributes {
    QpAttributes::init(PORT, adapter.capabilities().lacks.peer_access())
}

/// Hundredths of a millisecond of the codes 1 to 31 of the RNR timer (IBTA 9.7.5.2.8); code 0 is 655.36 ms.
const TIMERS: [u64; 31] = [
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096,
    6144, 8192, 12288, 16384, 24576, 32768, 49152,
];

/// Retries without a receive and the code of the timer between them, for about so long.
///
/// The retries are those of the sender, the timer is that of the receiver: both ends are thought to be alike.
/// Six waits of 655 ms are the longest that ends.
fn patience(limit: Option<Span>) -> (u8, u8) {
    const SHORT: u8 = 12; // 0.64 ms
    let Some(limit) = limit else { return (7, SHORT) };
    if limit.as_nanos() == 0 {
        return (0, SHORT);
    }
    let each = limit.as_nanos() / 6 / 10_000;
    let code = TIMERS.iter().position(|timer| *timer >= each).map_or(0, |place| place as u8 + 1);
    (6, code)
}

impl Deliver for Qp {
    fn deliver(self: Arc<Self>) {
        self.fatal.deliver(|| {
            let hook = lock(&self.fatal_hook).clone();
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
            .field("phase", &self.phase())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

#[test]
fn patience_is_rounded_to_what_a_device_can_say() {
    assert_eq!(patience(None), (7, 12));
    assert_eq!(patience(Some(Span::from_nanos(0))), (0, 12));
    assert_eq!(patience(Some(Span::from_millis(6))), (6, 14), "1.28 ms six times");
    assert_eq!(patience(Some(Span::from_secs(10))), (6, 0));
    assert_eq!(patience(Some(Span::from_nanos(1))), (6, 1));
}
