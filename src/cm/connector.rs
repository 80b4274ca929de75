//! One connector: the table's moves with their payload and their deadlines.

use super::limits::ReadLimits;
use super::message::{
    ANSWER_DATA_MAX, Attempt, Body, CONNECT_DATA_MAX, Message, PrivateData, QpAddress, REPLY_DATA_ROOM,
    RejReason, Reply, Request, Route,
};
use super::moves;
use super::state::{CallName, Input, Move, Outcome, Refusal, State, Step, Unreachable};
use crate::time::{Span, Time};

/// How long a connector waits for its **peer**; the local consumer is never hurried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request to its answer; the peer's consumer thinks within it. Default 2 minutes.
    pub connect: Span,
    /// From the accept to the peer's completion; again its consumer's time. Default 2 minutes.
    pub accept: Span,
    /// From the disconnect to that of the peer's consumer. Default 2 minutes.
    pub disconnect: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        let long = Span::from_secs(120);
        Self { connect: long, accept: long, disconnect: long }
    }
}

/// What the local consumer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// First leg, active.
    Connect(Connect),
    /// Second leg, passive.
    Accept(Accept),
    /// Third leg, active.
    CompleteConnect,
    /// No, with a few words; passive instead of accept, active instead of complete connect.
    Reject(PrivateData),
    /// Take leave in good order.
    Disconnect,
    /// Use the connector no more; it is never refused but after itself.
    Close,
}

/// The arguments of a connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Both ends; the local one was taken in [`Endpoints`](super::Endpoints).
    pub route: Route,
    /// The queue pair to connect.
    pub qp: QpAddress,
    /// Reads wished for; silently capped.
    pub limits: ReadLimits,
    /// Words for the peer's consumer.
    pub private_data: PrivateData,
}

/// The arguments of an accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The queue pair to connect.
    pub qp: QpAddress,
    /// Reads wished for; silently capped.
    pub limits: ReadLimits,
    /// Words for the peer's consumer.
    pub private_data: PrivateData,
}

/// What the device has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The peer's first request reached the queue pair, perhaps before the RTU.
    #[cfg_attr(not(test), expect(dead_code, reason = "the wire carrier needs it"))]
    Established,
    /// The request cannot be brought to the peer.
    Unreachable(Unreachable),
    /// All data movement of the queue pair has ended; the answer to [`Action::QpDisconnect`].
    DmaEnded,
    /// The queue pair went to error by itself and has flushed itself.
    QpFatal,
}

/// What the device must do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Bring this to the peer, after those before it.
    Send(Message),
    /// The pending call ended so. Each call that was taken ends exactly once.
    Complete(CallName, Outcome),
    /// Call the disconnect event: at most once, and never after the consumer disconnected or closed.
    Disconnected,
    /// Let the queue pair take requests of [`Connector::peer_qp`], within [`Connector::limits`].
    QpReadyToReceive,
    /// Let the queue pair send.
    QpReadyToSend,
    /// No connection: the queue pair is as before the attempt, receives still queued. One in error stays so.
    QpRelease,
    /// The connection is dead: flush everything; later posts are taken and flushed.
    QpError,
    /// Flush everything, refuse sends from now on; answer [`Notice::DmaEnded`] once no byte moves any more.
    QpDisconnect,
    /// Nothing more will come; drop the connector when its callbacks have returned.
    Ended,
}

/// A call that came at the wrong time; nothing was changed and nothing will complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} on a connector that is {state:?}: {}", remedy(*refusal))]
pub struct CallError {
    /// The call.
    pub call: &'static str,
    /// Where the connector stood, and still stands.
    pub state: State,
    /// Which rule it broke.
    pub refusal: Refusal,
}

fn remedy(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Active => "it has a connection or an attempt already; use another connector",
        Refusal::Invalid => "the call does not belong to this state (ndkpi.md 4.2 lists those that do)",
    }
}

/// What the peer said when it asked, accepted or rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionData<'a> {
    /// Read limits that hold, as far as they are agreed yet.
    pub limits: ReadLimits,
    /// The peer's private data.
    pub private_data: &'a [u8],
    /// Bytes that the message had room for: on a wire the data comes padded to it, and its own length is not
    /// told.
    pub room: usize,
}

/// One end of a connection, from its creation to its close.
///
/// Feed it with [`call`](Self::call), [`handle_message`](Self::handle_message),
/// [`handle_notice`](Self::handle_notice) and [`handle_timeout`](Self::handle_timeout); each adds to a list
/// of actions. After any of them [`next_timeout`](Self::next_timeout) may have moved. The getters change
/// nothing.
///
/// The actions of one connector are carried out in the order in which they came, also where two threads
/// made them: a queue pair told to send after it was told of the end would go on sending. No lock may be
/// held meanwhile that a callback or the peer's connector could want.
#[derive(Clone, Debug)]
pub struct Connector {
    state: State,
    timeouts: Timeouts,
    deadline: Option<Time>,
    maximum: ReadLimits,
    attempt: Attempt,
    route: Option<Route>,
    local_qp: QpAddress,
    peer_qp: Option<QpAddress>,
    limits: ReadLimits,
    /// What the peer asked for; only the passive side needs it again, when it accepts.
    peer_limits: ReadLimits,
    /// `None`: it has said nothing in this attempt.
    peer_data: Option<PrivateData>,
}

impl Connector {
    /// An active connector; `maximum` is what the adapter can do.
    pub fn new(timeouts: Timeouts, maximum: ReadLimits) -> Self {
        Self {
            state: State::Created,
            timeouts,
            deadline: None,
            maximum,
            attempt: Attempt::default(),
            route: None,
            local_qp: QpAddress::default(),
            peer_qp: None,
            limits: ReadLimits::default(),
            peer_limits: ReadLimits::default(),
            peer_data: None,
        }
    }

    /// The passive connector for a request that a listener has let through.
    pub fn incoming(attempt: Attempt, request: Request, timeouts: Timeouts, maximum: ReadLimits) -> Self {
        Self {
            state: State::Incoming,
            attempt,
            route: Some(request.route.reversed()),
            peer_qp: Some(request.qp),
            // Nothing asked for locally yet: the adapter's maximum against the peer's wish (ndkpi.md 4.4).
            limits: maximum.agreed(maximum, request.limits),
            peer_limits: request.limits,
            peer_data: Some(request.private_data),
            ..Self::new(timeouts, maximum)
        }
    }

    /// The consumer calls.
    ///
    /// # Errors
    ///
    /// [`CallError`] if the state does not allow the call. A call that was taken ends with one
    /// [`Action::Complete`], a close with [`Action::Ended`]; both may be among the actions of this very call.
    pub fn call(&mut self, now: Time, call: Call, out: &mut Vec<Action>) -> Result<(), CallError> {
        match moves::next(self.state, call.input()) {
            Move::To(next, steps) => {
                let words = self.keep_arguments(call);
                self.go(now, next, steps, words, out);
                Ok(())
            }
            Move::Refuse(refusal) => Err(CallError { call: call.name(), state: self.state, refusal }),
            Move::Ignore => Ok(()),
        }
    }

    /// The peer says something. What belongs to an earlier attempt, or came late, is dropped.
    pub fn handle_message(&mut self, now: Time, message: Message, out: &mut Vec<Action>) {
        if message.attempt != self.attempt {
            return;
        }
        if let Move::To(next, steps) = moves::next(self.state, message.body.input()) {
            self.keep_answer(message.body);
            self.go(now, next, steps, PrivateData::none(), out);
        }
    }

    /// The device tells of its queue pair or of the way to the peer.
    pub fn handle_notice(&mut self, now: Time, notice: Notice, out: &mut Vec<Action>) {
        self.take(now, notice.input(), out);
    }

    /// Ends a wait that is over; too early, it does nothing.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.take(now, Input::Timeout, out);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn next_timeout(&self) -> Option<Time> {
        self.deadline
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The attempt that it is in, or was in last; it names the connection together with its peer.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// Both ends, once an attempt was made or a request arrived.
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// The peer's queue pair, once the peer has named it.
    #[expect(dead_code, reason = "the wire carrier needs it")]
    pub fn peer_qp(&self) -> Option<QpAddress> {
        self.peer_qp
    }

    /// The read limits that hold.
    pub fn limits(&self) -> ReadLimits {
        self.limits
    }

    /// What the peer said: from its answer or request until accept or complete connect is called.
    ///
    /// `None` before and after (ndkpi.md 4.2), and where an attempt ended without an answer. After a reject:
    /// the rejecting consumer's words (CONN-7).
    pub fn connection_data(&self) -> Option<ConnectionData<'_>> {
        use State::{Accepted, AcceptedGone, Created, Incoming, IncomingGone};
        let room = match self.state {
            Accepted | AcceptedGone => REPLY_DATA_ROOM,
            Incoming | IncomingGone => CONNECT_DATA_MAX,
            Created => ANSWER_DATA_MAX,
            _ => return None,
        };
        let private_data = self.peer_data.as_ref()?.as_bytes();
        Some(ConnectionData { limits: self.limits, private_data, room })
    }

    /// Keeps what a call that was taken brings, and returns what it wants said to the peer.
    fn keep_arguments(&mut self, call: Call) -> PrivateData {
        match call {
            Call::Connect(connect) => {
                self.attempt = self.attempt.next();
                self.route = Some(connect.route);
                self.local_qp = connect.qp;
                self.peer_qp = None;
                self.limits = connect.limits.capped(self.maximum);
                self.peer_data = None;
                connect.private_data
            }
            Call::Accept(accept) => {
                self.local_qp = accept.qp;
                self.limits = accept.limits.agreed(self.maximum, self.peer_limits);
                accept.private_data
            }
            Call::Reject(words) => words,
            Call::CompleteConnect | Call::Disconnect | Call::Close => PrivateData::none(),
        }
    }

    /// Keeps what the answer to our request brings. Later words of the peer do not overwrite it.
    fn keep_answer(&mut self, body: Body) {
        if self.state != State::Connecting {
            return;
        }
        match body {
            Body::Rep(reply) => {
                self.peer_qp = Some(reply.qp);
                self.limits = self.limits.agreed(self.maximum, reply.limits);
                self.peer_data = Some(reply.private_data);
            }
            Body::Rej { private_data, .. } => self.peer_data = Some(private_data),
            Body::Req(_) | Body::Rtu | Body::Dreq | Body::Drep | Body::Gone => {}
        }
    }

    fn take(&mut self, now: Time, input: Input, out: &mut Vec<Action>) {
        if let Move::To(next, steps) = moves::next(self.state, input) {
            self.go(now, next, steps, PrivateData::none(), out);
        }
    }

    /// Moves, sets the deadline of the new state, and turns steps into actions; `words` go with the first
    /// message that can carry them.
    fn go(&mut self, now: Time, next: State, steps: Vec<Step>, words: PrivateData, out: &mut Vec<Action>) {
        if next != self.state {
            self.deadline = self.patience(next).map(|span| now + span);
        }
        self.state = next;
        let mut words = Some(words);
        out.extend(steps.into_iter().map(|step| self.action(step, &mut words)));
    }

    /// How long the peer may let a state wait.
    fn patience(&self, state: State) -> Option<Span> {
        match state {
            State::Connecting => Some(self.timeouts.connect),
            State::Accepting => Some(self.timeouts.accept),
            State::Disconnecting => Some(self.timeouts.disconnect),
            _ => None,
        }
    }

    fn action(&self, step: Step, words: &mut Option<PrivateData>) -> Action {
        match step {
            Step::SendReq => self.send(self.request(words.take().unwrap_or_default())),
            Step::SendRep => self.send(self.reply(words.take().unwrap_or_default())),
            Step::SendRtu => self.send(Body::Rtu),
            Step::SendRej(reason) => {
                self.send(Body::Rej { reason, private_data: words.take().unwrap_or_default() })
            }
            Step::SendDreq => self.send(Body::Dreq),
            Step::SendDrep => self.send(Body::Drep),
            Step::SendGone => self.send(Body::Gone),
            Step::Complete(call, outcome) => Action::Complete(call, outcome),
            Step::Event => Action::Disconnected,
            Step::QpReadyToReceive => Action::QpReadyToReceive,
            Step::QpReadyToSend => Action::QpReadyToSend,
            Step::QpRelease => Action::QpRelease,
            Step::QpError => Action::QpError,
            Step::QpDisconnect => Action::QpDisconnect,
            Step::Ended => Action::Ended,
        }
    }

    fn send(&self, body: Body) -> Action {
        Action::Send(Message { attempt: self.attempt, body })
    }

    fn request(&self, private_data: PrivateData) -> Body {
        // Whatever a peer says, only a call of the local consumer leads here (`only_a_connect_sends_a_req`).
        let route = self.route.expect("a connect has set the route");
        Body::Req(Request { route, qp: self.local_qp, limits: self.limits, private_data })
    }

    fn reply(&self, private_data: PrivateData) -> Body {
        Body::Rep(Reply { qp: self.local_qp, limits: self.limits, private_data })
    }
}

impl Call {
    fn input(&self) -> Input {
        match self {
            Self::Connect(_) => Input::Call(CallName::Connect),
            Self::Accept(_) => Input::Call(CallName::Accept),
            Self::CompleteConnect => Input::Call(CallName::CompleteConnect),
            Self::Reject(_) => Input::Call(CallName::Reject),
            Self::Disconnect => Input::Call(CallName::Disconnect),
            Self::Close => Input::Close,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Accept(_) => "accept",
            Self::CompleteConnect => "complete connect",
            Self::Reject(_) => "reject",
            Self::Disconnect => "disconnect",
            Self::Close => "close",
        }
    }
}

impl Notice {
    fn input(self) -> Input {
        match self {
            Self::Established => Input::Established,
            Self::Unreachable(how) => Input::Unreachable(how),
            Self::DmaEnded => Input::DmaEnded,
            Self::QpFatal => Input::QpFatal,
        }
    }
}

impl Body {
    fn input(&self) -> Input {
        match self {
            Self::Req(_) => Input::Req,
            Self::Rep(_) => Input::Rep,
            Self::Rtu => Input::Rtu,
            Self::Rej { reason: RejReason::Stale, .. } => Input::RejStale,
            Self::Rej { .. } => Input::Rej,
            Self::Dreq => Input::Dreq,
            Self::Drep => Input::Drep,
            Self::Gone => Input::Gone,
        }
    }
}
