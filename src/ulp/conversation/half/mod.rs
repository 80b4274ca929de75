//! One side of a conversation, without I/O: verbs and frames go in, frames and results come out.
//!
//! The program's view (its [`State`]) and the wire's (whose turn it is) are kept apart, since frames arrive
//! while the program does something else. A verb is begun by [`Half::begin`]; what cannot end at once ends
//! with a later event, and its outcome is fetched by its ticket. At most one verb is outstanding, but for the
//! few that may come while a receive waits. May come in: the rules of the reference, sections 2 to 4. Not
//! here: queue pairs, locks, identifiers, the numbers of return codes.
//!
//! `outgoing` is the send buffer, `wire` judges what arrives, `verbs` begins verbs, `advance` ends them,
//! `receive` takes what has arrived.

mod advance;
mod outgoing;
mod receive;
mod verbs;
mod wire;

#[cfg(test)]
mod tests;

pub use receive::{DataReceived, Fill};
pub(crate) use receive::{Receive, Received, Waiting};
pub(crate) use verbs::{After, Begun, Confirming, Verb};

use super::attach::{Attach, Partial, SyncLevel};
use super::code::{Abend, Code, Refusal};
use super::frame::{Flags, Frame, Header, Kind, Sense};
use super::record::Records;
use super::state::{self, Action, Face, Move, State};
use outgoing::Outgoing;
use std::collections::VecDeque;

/// What two sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Bytes of a frame at most.
    pub(crate) frame_size: usize,
    /// Normal frames that this side takes without its program receiving.
    pub(crate) window: u32,
    /// The same of the peer.
    pub(crate) peer_window: u32,
}

/// A verb that has been begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

impl Ticket {
    /// Of a verb whose outcome nobody waits for.
    const NOBODYS: Self = Self(u64::MAX);
}

/// How a verb ended, and what it brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: Code,
    /// The partner asks for the turn.
    pub(crate) request_to_send: bool,
    pub(crate) received: Received,
}

impl Outcome {
    pub(crate) fn of(code: Code) -> Self {
        Self { code, request_to_send: false, received: Received::default() }
    }
}

/// What has arrived and was not received.
#[derive(Debug)]
enum Item {
    /// `counted`: it has the credit of a frame.
    Data {
        bytes: Vec<u8>,
        at: usize,
        flags: Flags,
        counted: bool,
    },
    Error {
        code: Code,
    },
}

/// The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Lost,
    Protocol,
    NodeDown,
}

impl Failure {
    fn code(self) -> Code {
        match self {
            Self::Lost => Code::FailureRetry,
            Self::Protocol => Code::FailureNoRetry,
            Self::NodeDown => Code::NodeDown,
        }
    }
}

/// A verb that is outstanding.
#[derive(Debug)]
struct Operation {
    ticket: Ticket,
    face: Face,
    action: Action,
    step: verbs::Step,
}

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Half {
    state: State,
    sync_level: SyncLevel,
    window: u32,
    out: Outgoing,
    /// The number of the present turn, and whether it is this side's.
    turn: u32,
    mine: bool,
    /// A normal frame of the peer's present turn has come.
    turn_begun: bool,
    /// The newest turn that the peer has purged.
    purged: Option<u32>,
    /// The turn was taken from the program by a purge, and the program does not know.
    bereft: bool,
    /// The peer's next normal frame is the notice that its purge announced.
    error_announced: bool,
    /// What arrives is discarded until the turn comes.
    purging: bool,
    /// A purge is due as soon as the turn is the peer's.
    purge_owed: bool,
    /// What goes first when the turn has come.
    after_purge: Option<(Flags, Sense, Vec<u8>)>,
    /// The peer has this question of ours.
    asked: Option<Flags>,
    /// We have this question of the peer.
    asks: Option<Flags>,
    /// An end went out, or came in; nothing normal follows it.
    end_sent: bool,
    end_received: bool,
    /// The program is not interested any more; the rest is between the two sides.
    abandoned: bool,
    failed: Option<Failure>,
    incoming: VecDeque<Item>,
    /// Normal frames that came, and those of them that were consumed; modulo 2^32.
    arrived: u32,
    consumed: u32,
    /// What was granted last.
    granted: u32,
    arriving: Records,
    reading: Records,
    attach: Option<Partial>,
    /// Log data of an error, as far as it has come, and of which error it is.
    error_log: Vec<u8>,
    error_sense: Sense,
    logs: VecDeque<Vec<u8>>,
    request_to_send: bool,
    operation: Option<Operation>,
    finished: Vec<(Ticket, Outcome)>,
    next_ticket: u64,
}

/// Logs that are kept until somebody takes them.
const LOGS: usize = 4;

impl Half {
    /// The side that allocates; the attach is in its buffer.
    pub(crate) fn allocating(terms: Terms, attach: &Attach) -> Self {
        let mut half = Self::new(terms, State::Send, attach.sync_level);
        half.mine = true;
        half.attach = Some(Partial { attach: attach.clone(), missing: 0 });
        half.out.put(Kind::Attach, Flags::NONE, Sense::NONE, &attach.to_bytes());
        half
    }

    /// The side that will be asked.
    pub(crate) fn listening(terms: Terms) -> Self {
        Self::new(terms, State::Receive, SyncLevel::None)
    }

    fn new(terms: Terms, state: State, sync_level: SyncLevel) -> Self {
        Self {
            state,
            sync_level,
            window: terms.window,
            out: Outgoing::new(terms.frame_size, terms.peer_window),
            turn: 0,
            mine: false,
            turn_begun: false,
            purged: None,
            bereft: false,
            error_announced: false,
            purging: false,
            purge_owed: false,
            after_purge: None,
            asked: None,
            asks: None,
            end_sent: false,
            end_received: false,
            abandoned: false,
            failed: None,
            incoming: VecDeque::new(),
            arrived: 0,
            consumed: 0,
            granted: terms.window,
            arriving: Records::default(),
            reading: Records::default(),
            attach: None,
            error_log: Vec::new(),
            error_sense: Sense::NONE,
            logs: VecDeque::new(),
            request_to_send: false,
            operation: None,
            finished: Vec::new(),
            next_ticket: 0,
        }
    }

    /// Where the conversation stands for its program.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn sync_level(&self) -> SyncLevel {
        self.sync_level
    }

    /// The attach, when all of it is here.
    pub(crate) fn attach(&self) -> Option<&Attach> {
        self.attach.as_ref().filter(|partial| partial.missing == 0).map(|partial| &partial.attach)
    }

    /// A verb is outstanding.
    pub(crate) fn is_busy(&self) -> bool {
        self.operation.is_some()
    }

    /// The outstanding verb is a receive.
    pub(crate) fn is_receiving(&self) -> bool {
        self.operation.as_ref().is_some_and(|operation| matches!(operation.step, verbs::Step::Receive(_)))
    }

    /// Bytes in the send buffer.
    pub(crate) fn buffered(&self) -> usize {
        self.out.buffered()
    }

    /// The partner asks for the turn; asked and told once.
    pub(crate) fn take_request_to_send(&mut self) -> bool {
        std::mem::take(&mut self.request_to_send)
    }

    /// Log data that came with an error or abend, oldest first.
    pub(crate) fn take_log(&mut self) -> Option<Vec<u8>> {
        self.logs.pop_front()
    }

    /// The outcome of a verb that has ended, once.
    pub(crate) fn take_outcome(&mut self, ticket: Ticket) -> Option<Outcome> {
        let at = self.finished.iter().position(|(other, _)| *other == ticket)?;
        Some(self.finished.swap_remove(at).1)
    }

    /// Nobody will ask for the outcome of that verb.
    pub(crate) fn forget(&mut self, ticket: Ticket) {
        match &mut self.operation {
            Some(operation) if operation.ticket == ticket => operation.ticket = Ticket::NOBODYS,
            _ => _ = self.take_outcome(ticket),
        }
    }

    /// Keeps an outcome until it is asked for.
    fn finish(&mut self, ticket: Ticket, outcome: Outcome) {
        if ticket != Ticket::NOBODYS {
            self.finished.push((ticket, outcome));
        }
    }

    /// Nothing more will be sent or taken: the connection may go once its sends have completed.
    pub(crate) fn is_over(&self) -> bool {
        match self.failed {
            Some(Failure::Protocol) => self.out.response.is_none(),
            Some(_) => true,
            None => self.end_sent || (self.end_received && self.out.response.is_none()),
        }
    }

    /// The next frame to post, if there is one that may go; `out` is overwritten.
    pub(crate) fn next_frame(&mut self, out: &mut Vec<u8>) -> Option<Kind> {
        if matches!(self.failed, Some(Failure::Lost | Failure::NodeDown)) {
            return None;
        }
        let sequence = self.out.posted;
        let unsent = self.out.next()?;
        let (sense, turn) = match unsent.kind {
            Kind::Response => self.out.response.take().unwrap_or((Sense::NONE, self.turn)),
            Kind::Purge => (Sense::NONE, self.out.purge.take().unwrap_or(self.turn)),
            _ => (unsent.sense, self.turn),
        };
        match unsent.kind {
            Kind::RequestToSend => self.out.request_to_send = false,
            Kind::Credit => self.out.credit = false,
            _ => {}
        }
        self.granted = self.consumed.wrapping_add(self.window);
        let header = Header {
            kind: unsent.kind,
            flags: unsent.flags,
            turn,
            sequence: if unsent.kind.is_expedited() { 0 } else { sequence },
            granted: self.granted,
            sense,
        };
        out.clear();
        Frame { header, body: &unsent.body }.encode(out);
        self.posted(unsent.flags);
        self.advance();
        Some(unsent.kind)
    }

    /// What the indicators of a frame do when it goes.
    fn posted(&mut self, flags: Flags) {
        if flags.gives_turn() {
            self.pass_turn();
        } else if flags.has(Flags::RQD) {
            self.asked = Some(flags);
        } else if flags.ends() && !self.out.holds_end() {
            self.end_sent = true;
        }
    }

    /// The turn is the peer's.
    fn pass_turn(&mut self) {
        self.mine = false;
        self.turn = self.turn.wrapping_add(1);
        self.turn_begun = false;
        if std::mem::take(&mut self.purge_owed) {
            self.out.purge = Some(self.turn);
        }
    }

    /// The turn is this side's.
    fn take_turn(&mut self) {
        self.mine = true;
        self.turn = self.turn.wrapping_add(1);
        self.arriving = Records::default();
    }

    /// An item is done with.
    fn consume(&mut self, item: &Item) {
        if !matches!(item, Item::Data { counted: false, .. }) {
            self.consume_one();
        }
    }

    /// A frame was consumed; half a window that the peer does not know of is told at once.
    fn consume_one(&mut self) {
        self.consumed = self.consumed.wrapping_add(1);
        let unreported = self.consumed.wrapping_add(self.window).wrapping_sub(self.granted);
        if unreported >= (self.window / 2).max(1) && !self.end_received {
            self.out.credit = true;
        }
    }

    /// The SEND of a frame of that kind has completed.
    pub(crate) fn sent(&mut self, kind: Kind) {
        self.out.sent(kind);
    }

    /// The connection broke, or was parted.
    pub(crate) fn session_lost(&mut self) {
        if !self.is_over() {
            self.fail(Failure::Lost);
        }
    }

    /// The node below is gone.
    pub(crate) fn node_down(&mut self) {
        self.fail(Failure::NodeDown);
    }

    fn fail(&mut self, failure: Failure) {
        self.failed = self.failed.or(Some(failure));
        self.out.drop_unsent();
        (self.out.purge, self.out.response) = (None, None);
        if failure == Failure::Protocol {
            self.out.response = Some((Sense::PROTOCOL, self.turn));
        }
        self.advance();
    }

    /// Refuses the attach: the allocator learns it at a later verb.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.give_up(refusal.sense(), &[]);
    }

    /// The program goes without a word of its own: an abend, without what is buffered.
    ///
    /// A verb that is outstanding ends with `told`.
    pub(crate) fn cancel(&mut self, abend: Abend, told: Code) {
        if let Some(operation) = self.operation.take() {
            self.finish(operation.ticket, Outcome::of(told));
        }
        if state::next(Face::Cpic, self.state, Action::Cancel) == Move::Gone {
            return; // what the program ended in order goes on in order
        }
        if self.out.holds_attach() {
            self.fail(Failure::Lost); // the partner has heard of nothing, and hears nothing
        }
        self.out.drop_unsent();
        self.give_up(abend.sense(), &[]);
    }

    /// Ends the conversation from this side, with or without the turn, whoever waits for it.
    fn give_up(&mut self, sense: Sense, log: &[u8]) {
        self.abandoned = true;
        self.state = State::Reset;
        self.discard_incoming();
        if self.failed.is_some() || self.end_received || self.end_sent {
            return;
        }
        if self.mine {
            self.asked = None;
            self.out.strip_flags();
            self.out.put(Kind::Error, Flags::CEB, sense, log);
            self.out.release_all();
        } else {
            self.begin_purge(Flags::CEB, sense, log);
        }
    }

    /// Asks for the turn in order to tell something.
    fn begin_purge(&mut self, flags: Flags, sense: Sense, log: &[u8]) {
        self.purging = true;
        self.asks = None;
        (self.error_announced, self.error_log) = (false, Vec::new()); // the rest of it will be purged
        self.bereft = false;
        if self.mine {
            self.purge_owed = true; // the answer to the peer's own purge goes first
        } else {
            self.out.drop_unsent();
            self.out.purge = Some(self.turn);
        }
        self.after_purge = Some((flags, sense, log.to_vec()));
    }

    /// What has arrived is as good as never sent.
    fn discard_incoming(&mut self) {
        while let Some(item) = self.incoming.pop_front() {
            self.consume(&item);
        }
        self.reading = Records::default();
        self.asks = None;
    }

    /// What the table says, with an outstanding receive seen as what it will be.
    fn judge(&self, face: Face, action: Action) -> Move {
        let state =
            if self.is_receiving() && self.state != State::PendingPost { State::Receive } else { self.state };
        state::next(face, state, action)
    }
}
