//! Receiving: what a program takes of what has arrived.
//!
//! A receive brings data, or one thing that is not data; with [`Receive::join`] it brings data and the
//! indicator behind it. One that waits takes data as it comes, so that credit flows while it waits.

use super::super::code::Code;
use super::super::frame::Flags;
use super::super::state::{Action, StatusReceived};
use super::advance::Progress;
use super::verbs::Step;
use super::{Failure, Half, Item};

/// What fills a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Bytes, whatever records they are of.
    Buffer,
    /// One logical record, or what is left of it.
    #[default]
    Record,
}

/// How a receive waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Wait,
    Immediate,
    Post,
}

/// What a program asks to receive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receive {
    pub(crate) fill: Fill,
    /// Bytes at most; 0: tell what is next.
    pub(crate) length: usize,
    /// Data and an indicator may come together.
    pub(crate) join: bool,
    pub(crate) waiting: Waiting,
}

impl Receive {
    pub(super) fn action(self) -> Action {
        match self.waiting {
            Waiting::Wait => Action::ReceiveAndWait,
            Waiting::Immediate => Action::ReceiveImmediate,
            Waiting::Post => Action::ReceiveAndPost,
        }
    }
}

/// What sort of data a receive has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataReceived {
    /// None.
    #[default]
    None,
    /// Bytes, whatever records they are of.
    Data,
    /// A record to its end.
    Complete,
    /// A part of a record that goes on.
    Incomplete,
}

/// What a receive has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) data: DataReceived,
    pub(crate) status: StatusReceived,
}

impl Received {
    pub(super) fn has_data(&self) -> bool {
        self.data != DataReceived::None
    }
}

/// A receive under way.
#[derive(Debug)]
pub(super) struct Receiving {
    asked: Receive,
    bytes: Vec<u8>,
}

/// What is next in the queue.
enum Next {
    Nothing,
    Data,
    Indicator(Flags),
    Error,
}

impl Receiving {
    pub(super) fn new(asked: Receive) -> Self {
        Self { asked, bytes: Vec::new() }
    }

    fn room(&self) -> usize {
        self.asked.length - self.bytes.len()
    }

    /// Data that goes on, as the fill names it.
    fn part(&self) -> DataReceived {
        match self.asked.fill {
            Fill::Buffer => DataReceived::Data,
            Fill::Record => DataReceived::Incomplete,
        }
    }
}

impl Half {
    pub(super) fn progress_receive(&mut self, mut receiving: Receiving) -> Progress {
        loop {
            match self.look() {
                Next::Data if receiving.room() == 0 => {
                    let data = receiving.part();
                    return self.deliver(receiving, data);
                }
                Next::Data => {
                    if self.take_data(&mut receiving) {
                        return self.deliver(receiving, DataReceived::Complete);
                    }
                    if receiving.room() == 0 {
                        let data = receiving.part();
                        return self.deliver(receiving, data);
                    }
                }
                _ if !receiving.bytes.is_empty() => return self.end_of_data(receiving),
                Next::Indicator(flags) => return self.take_indicator(flags),
                Next::Error => {
                    let code = self.take_error().unwrap_or(Code::FailureNoRetry);
                    return Progress::Done(code, Received::default());
                }
                Next::Nothing => return self.nothing(receiving),
            }
        }
    }

    /// What is next; units that are used up and say nothing are passed.
    fn look(&mut self) -> Next {
        loop {
            match self.incoming.front() {
                None => return Next::Nothing,
                Some(Item::Error { .. }) => return Next::Error,
                Some(Item::Data { bytes, at, .. }) if *at < bytes.len() => return Next::Data,
                Some(Item::Data { flags: Flags::NONE, .. }) => self.pop(),
                Some(Item::Data { flags, .. }) => return Next::Indicator(*flags),
            }
        }
    }

    fn pop(&mut self) {
        if let Some(item) = self.incoming.pop_front() {
            self.consume(&item);
        }
    }

    /// Takes data of the first unit; true: a record has ended, and one record is what was asked for.
    fn take_data(&mut self, receiving: &mut Receiving) -> bool {
        let Some(Item::Data { bytes, at, .. }) = self.incoming.front_mut() else { return false };
        let until = bytes.len().min(*at + receiving.room());
        let part = &bytes[*at..until];
        let mut records = self.reading;
        // What arrived was judged on its arrival.
        let taken = match receiving.asked.fill {
            Fill::Record => records.take(part).ok(),
            Fill::Buffer => {
                records = records.after(part).unwrap_or_default();
                None
            }
        };
        let length = taken.map_or(part.len(), |taken| taken.bytes);
        receiving.bytes.extend_from_slice(&part[..length]);
        *at += length;
        self.reading = records;
        taken.is_some_and(|taken| taken.ends_record)
    }

    /// Data has come, and something that is not data, or nothing, is behind it.
    fn end_of_data(&mut self, receiving: Receiving) -> Progress {
        let more_may_come = matches!(self.look(), Next::Nothing) && self.failed.is_none();
        if more_may_come && receiving.asked.waiting != Waiting::Immediate {
            return Progress::Waits(Step::Receive(receiving));
        }
        let data = receiving.part();
        self.deliver(receiving, data)
    }

    /// Brings data, and the indicator behind it if that is wanted.
    fn deliver(&mut self, receiving: Receiving, data: DataReceived) -> Progress {
        let mut status = StatusReceived::None;
        if receiving.asked.join && receiving.asked.length > 0 {
            if let Next::Indicator(flags) = self.look() {
                if !flags.ends() {
                    self.pop();
                    status = indicated(flags);
                }
            }
        }
        // A unit that is used up gives its credit back now, not with the next receive.
        self.look();
        Progress::Done(Code::Ok, Received { bytes: receiving.bytes, data, status })
    }

    fn take_indicator(&mut self, flags: Flags) -> Progress {
        self.pop();
        if flags.ends() {
            return Progress::Done(Code::DeallocatedNormal, Received::default());
        }
        Progress::Done(Code::Ok, Received { status: indicated(flags), ..Received::default() })
    }

    fn nothing(&mut self, receiving: Receiving) -> Progress {
        if let Some(failure) = self.failed {
            debug_assert_ne!(failure, Failure::NodeDown, "looked at before");
            return Progress::Done(failure.code(), Received::default());
        }
        if receiving.asked.waiting == Waiting::Immediate {
            return Progress::Done(Code::Unsuccessful, Received::default());
        }
        Progress::Waits(Step::Receive(receiving))
    }
}

fn indicated(flags: Flags) -> StatusReceived {
    if flags.has(Flags::CEB) {
        StatusReceived::ConfirmDeallocate
    } else if flags.has(Flags::CD.with(Flags::RQD)) {
        StatusReceived::ConfirmSend
    } else if flags.has(Flags::RQD) {
        StatusReceived::Confirm
    } else {
        StatusReceived::Send
    }
}
