//! A session: one queue pair, its buffers, and whoever moves frames over it.
//!
//! Each message is one frame. Receives are posted for the window and for eight expedited frames more, and are
//! posted again before a frame is acted upon, so that a well-behaved peer never meets an empty queue. Whoever
//! has something for the session drives it: the thread of a verb, or the one that brought a completion. One
//! drives at a time, the others leave word and go on, so nobody waits for anybody; a post is never made below
//! the lock, since it may run the callbacks of the peer's session on this very thread.

use super::attach::Attach;
use super::code::{Code, Refusal};
use super::frame::Kind;
use super::half::{Begun, Half, Outcome, Terms, Ticket, Verb};
use super::lu::LuCore;
use super::node::Options;
use super::pending::Pending;
use super::state::{Face, State};
use crate::ndk::{
    Completion, Connector, Cq, CqNotify, Error, Mr, MrFlags, OpFlags, OperationType, Qp, QpDescription,
    ReadLimits, Status,
};
use crate::observe;
use crate::ulp::turn::{self, Turn};
use event_listener::Event;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// Receives for expedited frames, beside the window.
const EXPEDITED: u32 = 8;
/// Sends that can be under way.
const SENDS: u32 = 8;
/// A completion of a send has this bit in its context.
const SEND: u64 = 1 << 32;
/// No conversation reads or writes the peer's memory.
const NO_READS: ReadLimits = ReadLimits { inbound: 0, outbound: 0 };

/// How far the connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Connecting,
    Up,
    Failed(Code),
    /// Parted, or broken.
    Down,
}

/// One conversation's connection, and its half.
pub(super) struct Session {
    pub(super) number: u64,
    lu: Weak<LuCore>,
    core: Mutex<Core>,
    /// Notified whenever something may have changed.
    pub(super) event: Arc<Event>,
    options: Options,
    // In this order: the queue pair closes before what it uses.
    qp: Qp,
    cq: Cq,
    mr: Mr,
}

struct Core {
    half: Half,
    /// What an allocating side asks for, until it is connected.
    asks: Option<Attach>,
    link: Link,
    connector: Option<Arc<Connector>>,
    turn: Turn,
    /// The peer has parted, or the connection broke.
    lost: bool,
    /// The kind of frame in each place of the send buffer.
    sends: [Option<Kind>; SENDS as usize],
    /// The LU knows of the attach.
    announced: bool,
    /// Who waits for any of several conversations.
    owner: Option<Arc<Event>>,
}

impl Session {
    /// Connects to the LU at `remote`, to allocate; ends with [`Link`] other than connecting.
    pub(super) fn connect(lu: &Arc<LuCore>, remote: SocketAddr, attach: Attach) -> Result<Arc<Self>, Error> {
        let session = Self::create(lu, Some(attach))?;
        let connector = Arc::new(lu.node.adapter.create_connector().wait()?);
        session.core().connector = Some(Arc::clone(&connector));
        lu.keep(&session);
        let data = session.options.private_data();
        let local = SocketAddr::new(lu.address.ip(), 0);
        let asked = connector.connect(&session.qp, local, remote, NO_READS, &data);
        let me = Arc::clone(&session);
        asked.then(move |answer| me.answered(answer));
        Ok(session)
    }

    /// Takes a connection that came in; what cannot be taken is rejected.
    pub(super) fn accept(lu: &Arc<LuCore>, connector: Connector) {
        let agreed = connector.connection_data().ok().and_then(|data| lu.options.agree(&data.private_data));
        let takes = lu.node.is_up() && !lu.is_full();
        let session = takes.then(|| Self::create(lu, None).ok()).flatten();
        let (Some(terms), Some(session)) = (agreed, session) else {
            // Refused already, or given up: there is nobody left to tell.
            let _told = connector.reject(b"");
            return;
        };
        let connector = Arc::new(connector);
        {
            let mut core = session.core();
            core.half = Half::listening(terms);
            core.connector = Some(Arc::clone(&connector));
        }
        lu.keep(&session);
        let data = session.options.private_data();
        let accepted = connector.accept(&session.qp, NO_READS, &data, session.on_disconnect());
        accepted.then(move |result| session.connected(result));
    }

    /// Queue pair and buffers, with all receives posted.
    fn create(lu: &Arc<LuCore>, asks: Option<Attach>) -> Result<Arc<Self>, Error> {
        let options = lu.options;
        let receives = options.window + EXPEDITED;
        let known: Arc<OnceLock<Weak<Self>>> = Arc::default();
        let found = Arc::clone(&known);
        let notify = CqNotify::callback(move |event| {
            if let Some(session) = found.get().and_then(Weak::upgrade) {
                if event.status() != Status::SUCCESS {
                    session.node_failed("the completion queue of a session has failed");
                }
                session.drive();
            }
        });
        let cq = lu.node.adapter.create_cq(receives + SENDS, notify).wait()?;
        let description =
            QpDescription::new(&cq).receive_depth(receives).initiator_depth(SENDS).receiver_not_ready(None);
        let qp = lu.node.pd.create_qp(description).wait()?;
        let bytes = options.frame_size * (receives + SENDS) as usize;
        let mr = lu.node.pd.register(vec![0; bytes], MrFlags::ALLOW_LOCAL_WRITE).wait()?;
        let terms =
            Terms { frame_size: options.frame_size, window: options.window, peer_window: options.window };
        let announced = asks.is_some(); // whoever allocates has nothing to announce
        let core = Core {
            half: Half::listening(terms),
            asks,
            link: Link::Connecting,
            connector: None,
            turn: Turn::default(),
            lost: false,
            sends: [None; SENDS as usize],
            announced,
            owner: None,
        };
        let session = Arc::new(Self {
            number: lu.node.new_number(),
            lu: Arc::downgrade(lu),
            core: Mutex::new(core),
            event: Arc::default(),
            options,
            qp,
            cq,
            mr,
        });
        known.get_or_init(|| Arc::downgrade(&session));
        for slot in 0..receives {
            session.post_receive(slot)?;
        }
        Ok(session)
    }

    /// A poisoned lock is sound: below it no foreign code runs.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Second leg, active: the partner's LU has accepted or not.
    fn answered(self: &Arc<Self>, answer: Result<(), Error>) {
        let connector = self.core().connector.clone();
        let Some(connector) = connector else { return };
        if let Err(error) = answer {
            self.failed(&error);
            return;
        }
        let agreed = connector.connection_data().ok().and_then(|data| self.options.agree(&data.private_data));
        let Some(terms) = agreed else {
            self.set_link(Link::Failed(Code::Refused(Refusal::FailureNoRetry)));
            self.lose();
            return;
        };
        {
            let mut core = self.core();
            if let Some(attach) = core.asks.take() {
                core.half = Half::allocating(terms, &attach);
            }
        }
        let me = Arc::clone(self);
        connector.complete_connect(self.on_disconnect()).then(move |result| me.connected(result));
    }

    fn connected(self: &Arc<Self>, result: Result<(), Error>) {
        match result {
            Ok(()) => self.set_link(Link::Up),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(self: &Arc<Self>, error: &Error) {
        let code = setup_code(error);
        if code == Code::NodeDown {
            self.node_failed("the adapter failed while it connected");
        }
        self.set_link(Link::Failed(code));
        self.lose();
    }

    fn set_link(self: &Arc<Self>, link: Link) {
        {
            let mut core = self.core();
            if core.link == Link::Connecting {
                core.link = link;
            }
        }
        self.drive();
    }

    pub(super) fn link(&self) -> Link {
        self.core().link
    }

    fn on_disconnect(self: &Arc<Self>) -> impl FnOnce() + Send + 'static {
        let me = Arc::downgrade(self);
        move || {
            if let Some(session) = me.upgrade() {
                session.lose();
            }
        }
    }

    /// The connection is gone; what came before is taken first.
    pub(super) fn lose(self: &Arc<Self>) {
        self.core().lost = true;
        self.drive();
    }

    /// The node below is gone.
    pub(super) fn node_down(self: &Arc<Self>) {
        self.core().half.node_down();
        self.drive();
    }

    fn node_failed(&self, cause: &'static str) {
        if let Some(lu) = self.lu.upgrade() {
            lu.node.mark_down(cause);
        }
    }

    /// Notifies `owner` as well from now on.
    pub(super) fn set_owner(&self, owner: &Arc<Event>) {
        self.core().owner = Some(Arc::clone(owner));
    }

    /// Looks at the half, without driving.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut Half) -> R) -> R {
        look(&mut self.core().half)
    }

    /// Changes the half, and sends what that gives to send.
    pub(super) fn act<R>(self: &Arc<Self>, act: impl FnOnce(&mut Half) -> R) -> R {
        let result = act(&mut self.core().half);
        self.drive();
        result
    }

    pub(super) fn state(&self) -> State {
        self.core().half.state()
    }

    /// Begins a verb; what has arrived by now is seen by it.
    pub(super) fn begin(self: &Arc<Self>, face: Face, verb: Verb<'_>) -> Begun {
        self.drive();
        let begun = self.act(|half| half.begin(face, verb));
        match begun {
            Begun::Waits(ticket) => match self.with(|half| half.take_outcome(ticket)) {
                Some(outcome) => Begun::Done(outcome),
                None => Begun::Waits(ticket),
            },
            done => done,
        }
    }

    /// The outcome of a verb that was begun.
    pub(super) fn pending(self: &Arc<Self>, begun: Begun) -> Pending<Outcome> {
        match begun {
            Begun::Done(outcome) => Pending::ready(outcome),
            Begun::Waits(ticket) => {
                let claim = Claim { session: Arc::clone(self), ticket };
                Pending::new(&self.event, move || claim.session.take_outcome(claim.ticket))
            }
        }
    }

    pub(super) fn take_outcome(&self, ticket: Ticket) -> Option<Outcome> {
        self.core().half.take_outcome(ticket)
    }

    /// Moves what can be moved, unless somebody does already, who will then look again.
    pub(super) fn drive(self: &Arc<Self>) {
        if !self.core().turn.take() {
            return;
        }
        while self.core().turn.goes_on() {
            self.pass();
        }
        self.after_pass();
    }

    /// Takes what came, then sends what may go.
    fn pass(self: &Arc<Self>) {
        turn::drain(&self.cq, |completion| self.completed(completion));
        let lost = {
            let core = self.core();
            core.lost && !core.half.is_over()
        };
        if lost {
            // Whether the connection is gone or all of the device decides what the program is told.
            if let Some(lu) = self.lu.upgrade() {
                lu.node.probe();
            }
            self.core().half.session_lost();
        }
        while self.send_one() {}
    }

    fn completed(&self, completion: &Completion) {
        let slot = completion.request_context as u32; // the low half; the high one says which queue
        let done = completion.status == Status::SUCCESS;
        if completion.request_context & SEND != 0 {
            let mut core = self.core();
            core.lost |= !done;
            if let Some(kind) = core.sends.get_mut(slot as usize).and_then(Option::take) {
                core.half.sent(kind);
            }
            return;
        }
        debug_assert_eq!(completion.kind, OperationType::Receive);
        let mut bytes = vec![0; completion.bytes_transferred as usize];
        let read = self.mr.read(self.receive_offset(slot), &mut bytes);
        // Posted again before it is acted upon, so that the answer finds a receive.
        if !done || read.is_err() || self.post_receive(slot).is_err() {
            self.core().lost = true;
        }
        if done {
            let judged = self.core().half.frame_arrived(&bytes);
            if let Err(what) = judged {
                observe::emit(observe::Event::ProtocolBreach { what });
            }
        }
    }

    /// Posts the next frame; false: there is none, or no place for it.
    fn send_one(&self) -> bool {
        let mut bytes = Vec::with_capacity(self.options.frame_size);
        let slot = {
            let mut core = self.core();
            let free = core.sends.iter().position(Option::is_none).filter(|_| core.link == Link::Up);
            let Some(slot) = free else { return false };
            let Some(kind) = core.half.next_frame(&mut bytes) else { return false };
            core.sends[slot] = Some(kind);
            slot as u32
        };
        let posted = self.post_send(slot, &bytes);
        if let Err(status) = posted {
            if is_fatal(status) {
                self.node_failed("the adapter refused a post");
            }
            let mut core = self.core();
            core.sends[slot as usize] = None;
            core.half.session_lost();
            return false;
        }
        if let Some(lu) = self.lu.upgrade() {
            lu.count_frame();
        }
        true
    }

    fn post_send(&self, slot: u32, bytes: &[u8]) -> Result<(), Status> {
        let at = (self.options.window + EXPEDITED + slot) as usize * self.options.frame_size;
        self.mr.write(at, bytes).map_err(|error| error.status())?;
        let sge = self.mr.sge(at..at + bytes.len()).map_err(|error| error.status())?;
        self.qp.send(SEND | u64::from(slot), &[sge], OpFlags::NONE).map_err(|error| error.status())
    }

    fn post_receive(&self, slot: u32) -> Result<(), Error> {
        let at = self.receive_offset(slot);
        let sge = self.mr.sge(at..at + self.options.frame_size)?;
        // A queue pair that is closing takes no receive; its flush says so.
        let _refused = self.qp.receive(u64::from(slot), &[sge]);
        Ok(())
    }

    fn receive_offset(&self, slot: u32) -> usize {
        slot as usize * self.options.frame_size
    }

    /// What others must be told of: an attach, log data, the end, and whoever waits.
    fn after_pass(self: &Arc<Self>) {
        let lu = self.lu.upgrade();
        let (attached, over, connector, owner, logs) = {
            let mut core = self.core();
            let logs: Vec<Vec<u8>> = std::iter::from_fn(|| core.half.take_log()).collect();
            let attached = !core.announced && core.half.attach().is_some();
            core.announced |= attached;
            let idle = core.lost || core.sends.iter().all(Option::is_none);
            let over = core.half.is_over() && idle && core.link != Link::Connecting;
            let parted = over.then(|| core.connector.take()).flatten();
            if over && core.link == Link::Up {
                core.link = Link::Down;
            }
            (attached, over, parted, core.owner.clone(), logs)
        };
        if let Some(lu) = lu {
            logs.iter().for_each(|log| lu.record_log(log));
            if over {
                lu.let_go(self);
            }
            if attached {
                lu.attached(self);
            }
        }
        drop(connector); // not below the lock: it parts, and the peer hears of it on this thread
        self.event.notify(usize::MAX);
        if let Some(owner) = owner {
            owner.notify(usize::MAX);
        }
    }
}

/// Somebody's wish to know how a verb ended; dropped, nobody's.
struct Claim {
    session: Arc<Session>,
    ticket: Ticket,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.session.with(|half| half.forget(self.ticket));
    }
}

/// The adapter itself is of no use any more.
pub(super) fn is_fatal(status: Status) -> bool {
    matches!(status, Status::DEVICE_REMOVED | Status::DEVICE_NOT_READY | Status::INTERNAL_ERROR)
}

/// ENOMEM: what a system says that has no room left.
const NO_MEMORY: i32 = 12;

/// Why there is no session.
pub(super) fn setup_code(error: &Error) -> Code {
    match error.status() {
        status if is_fatal(status) => Code::NodeDown,
        Status::INSUFFICIENT_RESOURCES | Status::NO_MEMORY => Code::System(NO_MEMORY),
        Status::NETWORK_UNREACHABLE | Status::INVALID_ADDRESS => Code::Refused(Refusal::FailureNoRetry),
        _ => Code::Refused(Refusal::FailureRetry),
    }
}
