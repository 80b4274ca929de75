//! Verbs: what a program may ask for, judged and begun.
//!
//! Judged in the order of Q-5: busy, then the state, then other parameters, then the boundary of records. A
//! verb that is refused has changed nothing.

use super::super::code::{Abend, Code, ErrorType, Parameter};
use super::super::frame::{Flags, Sense};
use super::super::record::Records;
use super::super::state::{Action, Face, Move, State};
use super::receive::Receiving;
use super::{Failure, Half, Kind, Operation, Outcome, Receive, SyncLevel, Ticket};

/// Whether the partner is asked to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirming {
    No,
    Yes,
    /// Yes; and the verb waits until something follows the answer.
    YesLong,
}

impl Confirming {
    fn flags(self) -> Flags {
        if self == Self::No { Flags::NONE } else { Flags::RQD }
    }
}

/// What follows the data of a SEND_DATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Nothing,
    Flush,
    Confirm,
    PrepareToReceive(Confirming),
    Deallocate(Confirming),
    Abend(Abend),
}

/// What a program asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb<'a> {
    SendData {
        bytes: &'a [u8],
        after: After,
    },
    Flush,
    Confirm,
    Confirmed,
    PrepareToReceive(Confirming),
    Receive(Receive),
    RequestToSend,
    TestRequestToSend,
    /// `of_sending`: in SEND_PENDING, the error is in what was to be sent. `log` is a whole variable.
    SendError {
        error: ErrorType,
        of_sending: bool,
        log: &'a [u8],
    },
    Deallocate(Confirming),
    Abend {
        abend: Abend,
        log: &'a [u8],
    },
}

/// What an outstanding verb waits for.
#[derive(Debug)]
pub(super) enum Step {
    /// All is posted; news wait for another verb.
    Flush,
    /// All is posted.
    Send,
    /// The partner's answer.
    Confirm,
    /// The turn has gone over; `long`: and something has come back. `passed`: the former has happened.
    PassTurn {
        long: bool,
        passed: bool,
    },
    /// The end has gone out, and the answer has come if one was asked for.
    End,
    /// The notice is posted; `purge`: after the turn has come.
    Error {
        purge: bool,
    },
    /// The abend is posted.
    Abend,
    Receive(Receiving),
}

/// What has become of a verb.
#[derive(Debug)]
pub(crate) enum Begun {
    Done(Outcome),
    Waits(Ticket),
}

impl Verb<'_> {
    pub(super) fn action(&self) -> Action {
        match self {
            Self::SendData { after: After::PrepareToReceive(_), .. } => Action::SendDataPrepareToReceive,
            Self::SendData { after: After::Deallocate(_) | After::Abend(_), .. } => {
                Action::SendDataDeallocate
            }
            Self::SendData { .. } => Action::SendData,
            Self::Flush => Action::Flush,
            Self::Confirm => Action::Confirm,
            Self::Confirmed => Action::Confirmed,
            Self::PrepareToReceive(_) => Action::PrepareToReceive,
            Self::Receive(receive) => receive.action(),
            Self::RequestToSend => Action::RequestToSend,
            Self::TestRequestToSend => Action::TestRequestToSend,
            Self::SendError { .. } => Action::SendError,
            Self::Deallocate(_) => Action::Deallocate,
            Self::Abend { .. } => Action::Abend,
        }
    }

    /// It may come while a receive is outstanding (2.6, 3.5).
    fn may_interrupt(&self, face: Face) -> bool {
        matches!(
            self,
            Self::Abend { .. } | Self::SendError { .. } | Self::RequestToSend | Self::TestRequestToSend
        ) || (face == Face::Cpic && matches!(self, Self::Deallocate(_)))
    }

    /// It asks the partner to confirm.
    fn asks(&self) -> bool {
        match self {
            Self::Confirm | Self::SendData { after: After::Confirm, .. } => true,
            Self::PrepareToReceive(confirming) | Self::Deallocate(confirming) => {
                *confirming != Confirming::No
            }
            Self::SendData { after: After::PrepareToReceive(confirming), .. }
            | Self::SendData { after: After::Deallocate(confirming), .. } => *confirming != Confirming::No,
            _ => false,
        }
    }

    /// No record may be open behind its data (2.4).
    fn needs_boundary(&self, state: State) -> bool {
        match self {
            Self::Confirm | Self::PrepareToReceive(_) | Self::Deallocate(_) => true,
            Self::Receive(_) => matches!(state, State::Send | State::SendPending),
            Self::SendData { after, .. } => {
                matches!(after, After::Confirm | After::PrepareToReceive(_) | After::Deallocate(_))
            }
            _ => false,
        }
    }
}

impl Half {
    /// Begins a verb, and ends it if that can be done at once.
    pub(crate) fn begin(&mut self, face: Face, verb: Verb<'_>) -> Begun {
        if let Err(code) = self.check(face, &verb) {
            return Begun::Done(Outcome::of(code));
        }
        let action = verb.action();
        match self.execute(face, verb) {
            Ok(step) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.operation = Some(Operation { ticket, face, action, step });
                self.advance();
                match self.take_outcome(ticket) {
                    Some(outcome) => Begun::Done(outcome),
                    None => Begun::Waits(ticket),
                }
            }
            Err(outcome) => Begun::Done(outcome),
        }
    }

    /// Why an action whose arguments are wrong would not be executed anyway.
    pub(crate) fn refuses(&self, face: Face, action: Action) -> Option<Code> {
        let refused = matches!(self.judge(face, action), Move::Refused | Move::Gone);
        if self.is_busy() { Some(Code::Busy) } else { refused.then_some(Code::BadState) }
    }

    /// Why the verb is not executed.
    fn check(&mut self, face: Face, verb: &Verb<'_>) -> Result<(), Code> {
        if self.is_busy() && !(self.is_receiving() && verb.may_interrupt(face)) {
            return Err(Code::Busy);
        }
        if self.failed == Some(Failure::NodeDown) {
            if face == Face::Appc {
                self.state = State::Reset; // by the code, whatever the verb (2.3)
            }
            return Err(Code::NodeDown);
        }
        if matches!(self.judge(face, verb.action()), Move::Refused | Move::Gone) {
            return Err(Code::BadState);
        }
        if verb.asks() && self.sync_level == SyncLevel::None {
            return Err(Code::Bad(Parameter::ConfirmOnSyncLevelNone));
        }
        if let Verb::SendError { log, .. } | Verb::Abend { log, .. } = verb {
            check_log(log)?;
        }
        if !self.may_send() {
            return Ok(()); // what is sent now goes nowhere, and where a record ends is not known any more
        }
        let mut records = self.out.records;
        if let Verb::SendData { bytes, .. } = verb {
            records = records.after(bytes).map_err(|_| Code::Bad(Parameter::RecordLength))?;
        }
        if verb.needs_boundary(self.state) && !records.at_boundary() {
            return Err(Code::NotBoundary);
        }
        Ok(())
    }

    /// Nothing stands between this side and sending.
    fn may_send(&self) -> bool {
        self.mine && !self.bereft && self.failed.is_none() && !self.end_received
    }

    /// Does what can be done now; the outcome, if that is all.
    fn execute(&mut self, face: Face, verb: Verb<'_>) -> Result<Step, Outcome> {
        match verb {
            Verb::SendData { bytes, after } => Ok(self.send_data(bytes, after)),
            Verb::Flush => {
                self.flush();
                Ok(Step::Flush)
            }
            Verb::Confirm => Ok(self.send_flags(Flags::RQD, Step::Confirm)),
            Verb::PrepareToReceive(confirming) => Ok(self.prepare_to_receive(confirming)),
            Verb::Deallocate(confirming) => {
                self.end_receive();
                Ok(self.send_flags(Flags::CEB.with(confirming.flags()), Step::End))
            }
            Verb::Receive(receive) => Ok(self.receive(receive)),
            Verb::SendError { error, of_sending, log } => {
                self.end_receive();
                Ok(self.send_error(face, error, of_sending, log))
            }
            Verb::Abend { abend, log } => {
                self.end_receive();
                self.abend(abend, log)
            }
            Verb::Confirmed => Err(self.confirmed()),
            Verb::RequestToSend => {
                self.out.request_to_send = self.failed.is_none();
                Err(Outcome::of(Code::Ok))
            }
            Verb::TestRequestToSend => {
                let received = self.take_request_to_send();
                let code = if received { Code::Ok } else { Code::Unsuccessful };
                Err(Outcome { request_to_send: received, ..Outcome::of(code) })
            }
        }
    }

    /// What is buffered goes; with bad news here it goes nowhere.
    fn flush(&mut self) {
        if self.may_send() {
            self.out.release_all();
        } else if !self.bereft {
            self.out.drop_unsent();
        }
    }

    /// Adds an indicator and lets everything go.
    fn send_flags(&mut self, flags: Flags, step: Step) -> Step {
        if self.may_send() {
            self.out.put_flags(flags);
        }
        step
    }

    fn prepare_to_receive(&mut self, confirming: Confirming) -> Step {
        let long = confirming == Confirming::YesLong;
        self.send_flags(Flags::CD.with(confirming.flags()), Step::PassTurn { long, passed: false })
    }

    fn send_data(&mut self, bytes: &[u8], after: After) -> Step {
        if self.may_send() {
            // Checked before; a breach here would be one of this side's own order.
            self.out.records = self.out.records.after(bytes).unwrap_or_default();
            self.out.put_data(bytes);
        }
        match after {
            After::Nothing => Step::Send,
            After::Flush => {
                self.flush();
                Step::Send
            }
            After::Confirm => self.send_flags(Flags::RQD, Step::Confirm),
            After::PrepareToReceive(confirming) => self.prepare_to_receive(confirming),
            After::Deallocate(confirming) => self.send_flags(Flags::CEB.with(confirming.flags()), Step::End),
            After::Abend(abend) if self.may_send() => {
                self.put_abend(abend, &[]);
                Step::Abend
            }
            After::Abend(_) => Step::Send, // the news come first
        }
    }

    fn receive(&mut self, receive: Receive) -> Step {
        if matches!(self.state, State::Send | State::SendPending) {
            self.send_flags(Flags::CD, Step::Send);
        }
        if receive.action() == Action::ReceiveAndPost {
            self.state = State::PendingPost;
        }
        Step::Receive(Receiving::new(receive))
    }

    /// Another verb takes the place of the receive that is outstanding.
    fn end_receive(&mut self) {
        if let Some(operation) = self.operation.take() {
            self.state = State::Receive; // whatever it was begun in, the turn has been given
            self.finish(operation.ticket, Outcome::of(Code::Cancelled));
        }
    }

    fn confirmed(&mut self) -> Outcome {
        let asked = self.asks.take().unwrap_or_default();
        self.state = match self.judge(Face::Appc, Action::Confirmed) {
            Move::To(state) => state,
            _ => self.state,
        };
        if self.failed.is_none() {
            self.out.response = Some((Sense::NONE, self.turn));
        }
        if asked.has(Flags::CEB) {
            self.end_received = true;
        } else if asked.has(Flags::CD) && !self.end_received {
            self.take_turn();
        }
        Outcome::of(Code::Ok)
    }

    fn put_abend(&mut self, abend: Abend, log: &[u8]) {
        self.abandoned = true;
        self.out.strip_flags();
        self.out.put(Kind::Error, Flags::CEB, abend.sense(), log);
        self.out.release_all();
    }

    fn abend(&mut self, abend: Abend, log: &[u8]) -> Result<Step, Outcome> {
        if self.may_send() && self.incoming.is_empty() {
            self.put_abend(abend, log);
            return Ok(Step::Abend);
        }
        self.give_up(abend.sense(), log);
        Err(Outcome::of(Code::Ok))
    }

    /// Tells an error: at once with the turn, else after the turn has been asked for.
    fn send_error(&mut self, face: Face, error: ErrorType, of_sending: bool, log: &[u8]) -> Step {
        let sends = matches!(self.state, State::Send | State::SendPending);
        if sends && !self.may_send() {
            return Step::Send; // bad news come first
        }
        if !sends {
            self.discard_incoming();
            if self.failed.is_some() || self.end_received {
                return Step::Error { purge: true };
            }
            if !self.mine || self.bereft {
                self.begin_purge(Flags::NONE, error_sense(error, false), log);
                return Step::Error { purge: true };
            }
        }
        // With the turn; without the program's knowing of it, what it did not read counts as purged.
        let inside = !self.out.records.at_boundary();
        self.out.strip_flags();
        let earlier = !sends && self.turn > 0 || self.state == State::SendPending && !of_sending;
        if earlier {
            self.out.purge = Some(self.turn.wrapping_sub(1));
        }
        self.out.release_all();
        self.out.put(Kind::Error, Flags::NONE, error_sense(error, inside), log);
        self.out.records = Records::default();
        if face == Face::Appc || !sends {
            self.out.release_all();
        }
        Step::Error { purge: false }
    }
}

fn error_sense(error: ErrorType, inside_record: bool) -> Sense {
    match (error, inside_record) {
        (ErrorType::Program, false) => Sense::PROGRAM_ERROR,
        (ErrorType::Program, true) => Sense::PROGRAM_TRUNCATED,
        (ErrorType::Service, false) => Sense::SERVICE_ERROR,
        (ErrorType::Service, true) => Sense::SERVICE_TRUNCATED,
    }
}

/// An error log variable says its own length.
fn check_log(log: &[u8]) -> Result<(), Code> {
    let says = log.first_chunk().map(|ll| usize::from(u16::from_be_bytes(*ll)));
    let right = log.is_empty() || says == Some(log.len()) && log.len() <= 0x7FFF;
    if right { Ok(()) } else { Err(Code::Bad(Parameter::LogLength)) }
}
