//! The end of verbs: after each event, what the outstanding one waits for is looked at again.

use super::super::code::Code;
use super::super::record::Records;
use super::super::state::{self, Action, Move, State};
use super::verbs::Step;
use super::{Failure, Half, Item, Operation, Outcome, Received};

/// What the partner has to say to a side that sends.
enum News {
    None,
    /// It was announced, and is under way.
    Coming,
    Is(Code),
}

/// Whether a step is over.
pub(super) enum Progress {
    Waits(Step),
    Done(Code, Received),
}

fn done(code: Code) -> Progress {
    Progress::Done(code, Received::default())
}

impl Half {
    /// Ends the outstanding verb if what it waits for is there.
    pub(super) fn advance(&mut self) {
        let Some(Operation { ticket, face, action, step }) = self.operation.take() else { return };
        match self.progress(step) {
            Progress::Waits(step) => self.operation = Some(Operation { ticket, face, action, step }),
            Progress::Done(code, received) => {
                self.settle(face, action, code, &received);
                let reports =
                    !matches!(action, Action::Flush | Action::PrepareToReceive | Action::Deallocate);
                let request_to_send =
                    reports && action != Action::Abend && !code.is_misuse() && self.take_request_to_send();
                self.finish(ticket, Outcome { code, request_to_send, received });
            }
        }
    }

    fn progress(&mut self, step: Step) -> Progress {
        if self.failed == Some(Failure::NodeDown) {
            return done(Code::NodeDown);
        }
        match step {
            Step::Flush if self.out.is_flushed() || self.bereft || self.failed.is_some() => done(Code::Ok),
            Step::Flush => Progress::Waits(step),
            Step::PassTurn { long, passed } if passed || (!self.mine && !self.bereft) => {
                // What comes back, the turn perhaps, belongs to the next receive.
                let waits = long && self.incoming.is_empty() && self.failed.is_none();
                if waits { Progress::Waits(Step::PassTurn { long, passed: true }) } else { done(Code::Ok) }
            }
            Step::End if self.end_sent => done(Code::Ok),
            Step::Abend => {
                let over = self.end_sent || self.end_received || self.failed.is_some();
                if over { done(Code::Ok) } else { Progress::Waits(step) }
            }
            Step::Error { purge: true } => self.progress_purge(),
            Step::Receive(receiving) => self.progress_receive(receiving),
            step => match self.news() {
                News::Is(code) => done(code),
                News::Coming => Progress::Waits(step),
                News::None if self.is_sent(&step) => done(Code::Ok),
                News::None => Progress::Waits(step),
            },
        }
    }

    /// All that the step put out is out, and answered.
    fn is_sent(&self, step: &Step) -> bool {
        match step {
            Step::PassTurn { .. } | Step::End => false, // looked at before
            _ => self.out.is_flushed() && self.asked.is_none() && self.out.purge.is_none(),
        }
    }

    /// An error that needs the turn: purging ends with the turn, or with the conversation.
    fn progress_purge(&mut self) -> Progress {
        if let Some(failure) = self.failed {
            return done(failure.code());
        }
        if self.end_received {
            self.discard_incoming();
            return done(Code::DeallocatedNormal);
        }
        if self.bereft {
            return match self.news() {
                News::Is(code) => done(code),
                _ => Progress::Waits(Step::Error { purge: true }),
            };
        }
        let told = self.mine && !self.purging && self.out.is_flushed();
        if told { done(Code::Ok) } else { Progress::Waits(Step::Error { purge: true }) }
    }

    fn news(&mut self) -> News {
        if let Some(Item::Error { .. }) = self.incoming.front() {
            return self.take_error().map_or(News::None, News::Is);
        }
        match self.failed {
            Some(failure) => News::Is(failure.code()),
            None if self.bereft => News::Coming,
            None => News::None,
        }
    }

    /// Takes the notice that is next; the records around it are cut.
    pub(super) fn take_error(&mut self) -> Option<Code> {
        let Some(Item::Error { code }) = self.incoming.front() else { return None };
        let code = *code;
        self.incoming.pop_front();
        self.consume_one();
        self.bereft = false;
        self.reading = Records::default();
        self.out.records = Records::default();
        Some(code)
    }

    /// The state that the program sees from now on.
    fn settle(&mut self, face: state::Face, action: Action, code: Code, received: &Received) {
        let receives =
            matches!(action, Action::ReceiveAndWait | Action::ReceiveImmediate | Action::ReceiveAndPost);
        if receives && self.state == State::PendingPost {
            self.state = State::Receive;
        }
        let next = match code {
            Code::Ok if receives => Some(state::after_receive(received.has_data(), received.status)),
            Code::Ok => match state::next(face, self.state, action) {
                Move::To(state) => Some(state),
                _ => None,
            },
            Code::NodeDown => (face == state::Face::Appc).then_some(State::Reset),
            code => state::after_code(code),
        };
        if let Some(next) = next {
            self.state = next;
        }
    }
}
