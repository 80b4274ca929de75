//! CPIC-30: two partners drive random verbs and calls, one per face, with faults; the tables decide.
//!
//! The tables stand here as the reference prints them (2.3, 3.3), apart from those of the library. Everything
//! runs on one thread: what cannot end at once is left outstanding and looked at again after each step.

use super::*;
use crate::ulp::conversation::appc::codes as ap;
use crate::ulp::conversation::appc::{
    Deallocate, Locks, PrepareToReceive, ReceiveArguments, Received, Reply, SendType,
};
use crate::ulp::conversation::cpic::codes::*;
use crate::ulp::conversation::cpic::{ConversationId, Program, ReturnCode};
use crate::ulp::conversation::{ErrorType, Pending, State};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// New states after AP_OK in SEND, SEND_PENDING, RECEIVE, CONFIRM, CONFIRM_SEND, CONFIRM_DEALL, PENDING_POST;
/// `-`: a state check, `=`: unchanged, `w`: by `what_rcvd`.
const APPC: &[(&str, &str)] = &[
    ("SEND_DATA", "S S - - - - -"),
    ("FLUSH", "S S - - - - -"),
    ("CONFIRM", "S S - - - - -"),
    ("CONFIRMED", "- - - R S 0 -"),
    ("PREPARE_TO_RECEIVE", "R R - - - - -"),
    ("RECEIVE_AND_WAIT", "w w w - - - -"),
    ("RECEIVE_IMMEDIATE", "- - w - - - -"),
    ("RECEIVE_AND_POST", "w w w - - - -"),
    ("REQUEST_TO_SEND", "- - = = - - ="),
    ("SEND_ERROR", "S S S S S S S"),
    ("DEALLOCATE", "0 0 - - - - -"),
    ("ABEND", "0 0 0 0 0 0 0"),
    ("TEST_RTS", "= = = = = = ="),
];

/// The same for CPI-C, after CM_OK; it has no PENDING_POST.
const CPIC: &[(&str, &str)] = &[
    ("cmsend", "S S - - - -"),
    ("cmflus", "S S - - - -"),
    ("cmcfm", "S S - - - -"),
    ("cmcfmd", "- - - R S 0"),
    ("cmptr", "R R - - - -"),
    ("cmrcv", "w w w - - -"),
    ("cmrcv immediate", "- - w - - -"),
    ("cmrts", "= = = = = ="),
    ("cmtrts", "= = = - - -"),
    ("cmserr", "S S S S S S"),
    ("cmdeal", "0 0 - - - -"),
    ("abend", "0 0 0 0 0 0"),
];

/// A state by its letter: S, P (send-pending), R, C, D (confirm-send), E (confirm-deallocate), Q (pending
/// post), 0 (reset).
const LETTERS: &str = "SPRCDEQ";

fn cell(table: &[(&str, &str)], verb: &str, state: char) -> char {
    let (_, row) = table.iter().find(|(name, _)| *name == verb).expect("every verb has its row");
    let column = LETTERS.find(state).expect("a state that a verb was issued in");
    row.split(' ').nth(column).and_then(|cell| cell.chars().next()).expect("a column for each state")
}

/// Where a receive leads that brought this.
fn by_received(data: bool, status: u16) -> char {
    match (status, data) {
        (0, _) => 'R',
        (1, true) => 'P',
        (1, false) => 'S',
        (2, _) => 'C',
        (3, _) => 'D',
        _ => 'E',
    }
}

/// Numbered records of one side, and those of the other that came.
#[derive(Default)]
pub struct Data {
    pub sent: u32,
    last: u32,
    pub received: u32,
    /// Data was lost for a reason that somebody was told of.
    broken: bool,
}

impl Data {
    pub fn record(&mut self) -> Vec<u8> {
        self.sent += 1;
        let body = [&self.sent.to_be_bytes()[..], &vec![self.sent as u8; self.sent as usize * 37 % 600]];
        record(&body.concat())
    }

    pub fn took(&mut self, bytes: &[u8]) -> Check {
        if bytes.is_empty() {
            return Ok(());
        }
        let ll = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        same("a whole record", bytes.len(), ll)?;
        let number = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        same("in order", number > self.last, true)?;
        same("unmixed", bytes[6..].iter().all(|byte| *byte == number as u8), true)?;
        (self.last, self.received) = (number, self.received + 1);
        Ok(())
    }
}

/// The side on APPC.
struct Left<'a> {
    end: End<'a>,
    data: Data,
    waits: Option<(&'static str, char, Either)>,
    /// Codes that FLUSH has returned.
    flushes: BTreeSet<(u16, u32)>,
}

enum Either {
    Reply(Pending<Reply>),
    Received(Pending<Received>),
}

fn letter(state: Option<State>) -> char {
    match state {
        None | Some(State::Reset | State::Initialize) => '0',
        Some(State::Send) => 'S',
        Some(State::SendPending) => 'P',
        Some(State::Receive) => 'R',
        Some(State::Confirm) => 'C',
        Some(State::ConfirmSend) => 'D',
        Some(State::ConfirmDeallocate) => 'E',
        Some(State::PendingPost) => 'Q',
    }
}

impl Left<'_> {
    /// A FLUSH that is not executed, whatever the state: it changes nothing.
    fn wrong(&mut self, way: usize, node: &Node) -> Check {
        let (end, before) = (self.end, self.end.state());
        let parameter = |secondary| (ap::AP_PARAMETER_CHECK, secondary);
        let (got, expected) = match way % WRONGS {
            0 => (End { tp: [7; 8], ..end }.flush(), parameter(ap::AP_BAD_TP_ID)),
            1 => (End { conv: !end.conv, ..end }.flush(), parameter(ap::AP_BAD_CONV_ID)),
            _ if before.is_none() => return Ok(()), // there is nothing to be wrong about
            _ if self.waits.is_some() => (end.flush(), (ap::AP_CONV_BUSY, 0)),
            2 => {
                let block = end.flush_block(1)?;
                let primary = u16::from_be_bytes([block[4], block[5]]);
                ((primary, 0), (ap::AP_CONVERSATION_TYPE_MIXED, 0))
            }
            _ => {
                node.faults().system_error(28);
                (end.flush(), (ap::AP_UNEXPECTED_DOS_ERROR, 28))
            }
        };
        self.flushes.insert(got);
        same("a wrong FLUSH", got, expected)?;
        same("state after it", end.state(), before)
    }

    fn step(&mut self, verb: usize) -> Check {
        let (name, _) = APPC[verb % APPC.len()];
        let before = letter(self.end.state());
        if before == '0' {
            return same("a verb on nothing", self.end.flush().1, ap::AP_BAD_CONV_ID);
        }
        let interrupts = matches!(name, "REQUEST_TO_SEND" | "SEND_ERROR" | "ABEND" | "TEST_RTS");
        let receiving = self.waits.as_ref().is_some_and(|(name, ..)| name.starts_with("RECEIVE"));
        if self.waits.is_some() && !(receiving && interrupts) {
            return same("busy", self.end.flush(), (ap::AP_CONV_BUSY, 0));
        }
        let begun = self.begin(name, verb >= APPC.len());
        // What a receive in SEND has begun is RECEIVE for the verbs that may come in between.
        let judged_in = if receiving && before != 'Q' { 'R' } else { before };
        self.look()?;
        if matches!(name, "REQUEST_TO_SEND" | "TEST_RTS") {
            let Either::Reply(reply) = begun else { return Ok(()) };
            let reply = done(name, reply.now())?;
            if reply.rc.primary == ap::AP_COMM_SUBSYSTEM_ABENDED {
                return same("state", letter(self.end.state()), '0');
            }
            let refused = cell(APPC, name, judged_in) == '-';
            same(name, reply.rc.primary == ap::AP_STATE_CHECK, refused)?;
            return same("state", letter(self.end.state()), before);
        }
        self.waits = Some((name, judged_in, begun));
        self.look()
    }

    fn begin(&mut self, name: &str, other: bool) -> Either {
        let End { appc, tp, conv } = self.end;
        let arguments = ReceiveArguments::new(u16::MAX);
        let arguments = if other { arguments.with_status() } else { arguments };
        Either::Reply(match name {
            "SEND_DATA" => {
                let data = self.data.record();
                let kind = if other { SendType::Flush } else { SendType::None };
                let sends = matches!(self.end.state(), Some(State::Send | State::SendPending));
                self.data.sent -= u32::from(!sends); // refused, it leaves no gap
                appc.send_data(tp, conv, &data, kind)
            }
            "FLUSH" => appc.flush(tp, conv),
            "CONFIRM" => appc.confirm(tp, conv),
            "CONFIRMED" => appc.confirmed(tp, conv),
            "PREPARE_TO_RECEIVE" => {
                let kind = if other { PrepareToReceive::SyncLevel } else { PrepareToReceive::Flush };
                appc.prepare_to_receive(tp, conv, kind, Locks::Short)
            }
            "REQUEST_TO_SEND" => appc.request_to_send(tp, conv),
            "SEND_ERROR" => appc.send_error(tp, conv, ErrorType::Service, other, &[]),
            "DEALLOCATE" => appc.deallocate(tp, conv, Deallocate::SyncLevel, &[]),
            "ABEND" => appc.deallocate(tp, conv, Deallocate::AbendSvc, &[]),
            "TEST_RTS" => appc.test_rts(tp, conv),
            "RECEIVE_IMMEDIATE" => return Either::Received(appc.receive_immediate(tp, conv, arguments)),
            "RECEIVE_AND_POST" => return Either::Received(appc.receive_and_post(tp, conv, arguments)),
            _ => return Either::Received(appc.receive_and_wait(tp, conv, arguments)),
        })
    }

    /// Looks whether the outstanding verb has ended, and judges its end.
    fn look(&mut self) -> Check {
        let Some((name, before, either)) = self.waits.take() else { return Ok(()) };
        let ended = match either {
            Either::Reply(reply) => reply.now().map(|reply| (reply.rc, 0, Vec::new())).map_err(Either::Reply),
            Either::Received(received) => {
                received.now().map(|got| (got.rc, got.what_rcvd, got.data)).map_err(Either::Received)
            }
        };
        match ended {
            Err(either) => self.waits = Some((name, before, either)),
            Ok((rc, what, data)) => {
                let after = letter(self.end.state());
                self.flushes.extend((name == "FLUSH").then_some((rc.primary, rc.secondary)));
                self.judge(name, before, rc.primary, what, after)?;
                self.data.took(&data)?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, name: &str, before: char, primary: u16, what: u16, after: char) -> Check {
        same("16-bit", matches!(primary, ap::AP_INVALID_VERB_SEGMENT | ap::AP_STACK_TOO_SMALL), false)?;
        self.data.broken |= !matches!(primary, ap::AP_OK | ap::AP_STATE_CHECK | ap::AP_UNSUCCESSFUL)
            && primary != ap::AP_DEALLOC_NORMAL;
        self.data.broken |= matches!(name, "SEND_ERROR" | "ABEND");
        let expected = match primary {
            ap::AP_OK => match cell(APPC, name, before) {
                'w' => by_received(what & 7 != 0, what >> 8),
                '=' => before,
                cell => cell,
            },
            ap::AP_STATE_CHECK => {
                same(name, cell(APPC, name, before), '-')?;
                before
            }
            ap::AP_UNSUCCESSFUL => before,
            // Another verb has taken its place, and says where that leads.
            ap::AP_CANCELLED => return Ok(()),
            0x000C..=0x000E | 0x0011..=0x0013 => 'R',
            _ => '0',
        };
        same(&format!("{name} in {before}, {primary:#06x}"), after, expected)
    }
}

/// The side on CPI-C, in non-blocking mode.
struct Right<'a> {
    program: &'a Program,
    id: ConversationId,
    data: Data,
    waits: Option<(&'static str, char)>,
}

impl Right<'_> {
    fn letter(&self) -> char {
        self.program
            .cmecs(&self.id)
            .map_or('0', |state| "00 SRPCDE".chars().nth(state as usize).expect("a state of the table"))
    }

    fn step(&mut self, call: usize) -> Check {
        let (name, _) = CPIC[call % CPIC.len()];
        let (program, id, before) = (self.program, self.id, self.letter());
        if before == '0' {
            return same("a call on nothing", program.cmflus(&id), CM_PROGRAM_PARAMETER_CHECK);
        }
        let interrupts = matches!(name, "cmrts" | "cmtrts" | "cmserr" | "abend");
        let receiving = self.waits.is_some_and(|(name, _)| name == "cmrcv");
        if self.waits.is_some() && !(receiving && interrupts) {
            return same("busy", program.cmflus(&id), CM_OPERATION_NOT_ACCEPTED);
        }
        let (code, status, bytes) = self.call(name, before, call >= CPIC.len());
        let judged_in = if receiving { 'R' } else { before };
        if receiving && matches!(name, "cmserr" | "abend") {
            let waited = ready(program.wait_for_conversation());
            let waited = waited.ok_or("an interrupted receive did not end")?;
            same("its conversation", waited.conversation_id, id)?;
            self.waits = None;
        }
        if matches!(name, "cmrts" | "cmtrts") && code != CM_PRODUCT_SPECIFIC_ERROR {
            let refused = cell(CPIC, name, judged_in) == '-';
            same(name, code == CM_PROGRAM_STATE_CHECK, refused)?;
            return same("state", self.letter(), before);
        }
        if code == CM_OPERATION_INCOMPLETE {
            self.waits = Some((name, judged_in));
            let meanwhile = if receiving { self.letter() } else { before };
            return same("state meanwhile", self.letter(), meanwhile);
        }
        self.judge(name, judged_in, code, status, !bytes.is_empty())?;
        self.data.took(&bytes)
    }

    fn call(&mut self, name: &str, before: char, other: bool) -> (ReturnCode, i32, Vec<u8>) {
        let (program, id) = (self.program, self.id);
        let code = match name {
            "cmsend" => {
                let data = self.data.record();
                self.data.sent -= u32::from(!matches!(before, 'S' | 'P'));
                program.cmsst(&id, if other { CM_SEND_AND_FLUSH } else { CM_BUFFER_DATA });
                program.cmsend(&id, &data).return_code
            }
            "cmflus" => program.cmflus(&id),
            "cmcfm" => program.cmcfm(&id).return_code,
            "cmcfmd" => program.cmcfmd(&id),
            "cmptr" => {
                program
                    .cmsptr(&id, if other { CM_PREP_TO_RECEIVE_CONFIRM } else { CM_PREP_TO_RECEIVE_FLUSH });
                program.cmptr(&id)
            }
            "cmrts" => program.cmrts(&id),
            "cmtrts" => program.cmtrts(&id).return_code,
            "cmserr" => program.cmserr(&id).return_code,
            "cmdeal" | "abend" => {
                program
                    .cmsdt(&id, if name == "abend" { CM_DEALLOCATE_ABEND } else { CM_DEALLOCATE_SYNC_LEVEL });
                program.cmdeal(&id)
            }
            _ => {
                program.cmsrt(&id, if name == "cmrcv" { CM_RECEIVE_AND_WAIT } else { CM_RECEIVE_IMMEDIATE });
                let got = program.cmrcv(&id, 32_767);
                return (got.return_code, got.status_received, got.data);
            }
        };
        (code, 0, Vec::new())
    }

    fn look(&mut self) -> Check {
        let Some((name, before)) = self.waits else { return Ok(()) };
        let Some(waited) = ready(self.program.wait_for_conversation()) else { return Ok(()) };
        self.waits = None;
        same("cmwait", (waited.return_code, waited.conversation_id), (CM_OK, self.id))?;
        let got = waited.received;
        let code = waited.conversation_return_code;
        self.judge(name, before, code, got.status_received, !got.data.is_empty())?;
        self.data.took(&got.data)
    }

    fn judge(&mut self, name: &str, before: char, code: ReturnCode, status: i32, data: bool) -> Check {
        let fine = [CM_OK, CM_PROGRAM_STATE_CHECK, CM_UNSUCCESSFUL, CM_DEALLOCATED_NORMAL];
        self.data.broken |= !fine.contains(&code) || matches!(name, "cmserr" | "abend");
        let expected = match code {
            CM_OK => match cell(CPIC, name, before) {
                'w' => by_received(data, status as u16),
                '=' => before,
                cell => cell,
            },
            CM_PROGRAM_STATE_CHECK => {
                same(name, cell(CPIC, name, before), '-')?;
                before
            }
            CM_UNSUCCESSFUL | CM_PRODUCT_SPECIFIC_ERROR => before,
            ReturnCode(21..=23 | 32..=34) => 'R',
            _ => '0',
        };
        same(&format!("{name} in {before}, {code}"), self.letter(), expected)
    }
}

/// What a future brings at once.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What happens next.
#[derive(Clone, Debug)]
pub enum Event {
    /// A verb of the left side.
    Left(usize),
    /// A call of the right side.
    Right(usize),
    /// A FLUSH of the left side that is wrong in itself: one of [`WRONGS`] ways.
    Wrong(usize),
    /// A node goes down: 0 the left one, 1 the right one.
    Kill(usize),
}

/// Ways of [`Event::Wrong`]: another program, no conversation, a mapped verb, a system call that fails.
pub const WRONGS: usize = 4;

/// Verbs that [`Event::Left`] counts; each is there in two forms.
pub const VERBS: usize = 2 * APPC.len();
/// Calls that [`Event::Right`] counts.
pub const CALLS: usize = 2 * CPIC.len();

/// Two partners in one world, whichever of them invokes the other; the codes that FLUSH has returned.
pub fn story(net: &str, invoked: bool, events: &[Event]) -> Result<BTreeSet<(u16, u32)>, String> {
    let world = World::with(net, small())?;
    let program = Program::new(&world.units[1], &["SERVER"]);
    let (end, id) = if invoked { invoke_left(&world, &program)? } else { invoke_right(&world, &program)? };
    same("cmspm", program.cmspm(&id, CM_NON_BLOCKING), CM_OK)?;
    let mut left = Left { end, data: Data::default(), waits: None, flushes: BTreeSet::new() };
    let mut right = Right { program: &program, id, data: Data::default(), waits: None };
    for event in events {
        match event {
            Event::Left(verb) => left.step(*verb),
            Event::Right(call) => right.step(*call),
            Event::Wrong(way) => left.wrong(*way, &world.nodes[0]),
            Event::Kill(node) => {
                left.data.broken = true;
                world.nodes[*node].faults().adapter_gone();
                Ok(())
            }
        }
        .and_then(|()| left.look())
        .and_then(|()| right.look())
        .map_err(|what| format!("{event:?}: {what}"))?;
        let both = left.end.state() == Some(State::Send) && right.letter() == 'S';
        let quiet = left.waits.is_none() && right.waits.is_none() && !left.data.broken && !right.data.broken;
        same("both in SEND", both && quiet, false)?;
    }
    let over = letter(left.end.state()) == '0' && right.letter() == '0';
    if over && !left.data.broken && !right.data.broken {
        same("left to right", right.data.received, left.data.sent)?;
        same("right to left", left.data.received, right.data.sent)?;
    }
    Ok(left.flushes)
}

pub fn invoke_right<'a>(world: &'a World, program: &Program) -> Result<(End<'a>, ConversationId), String> {
    let left = world.allocate(true)?;
    same("FLUSH", left.flush(), OK)?;
    Ok((left, done("cmaccp", program.cmaccp())?))
}

fn invoke_left<'a>(world: &'a World, program: &Program) -> Result<(End<'a>, ConversationId), String> {
    let id = done("cminit", program.cminit("SERVER"))?;
    same("cmsct", program.cmsct(&id, CM_BASIC_CONVERSATION), CM_OK)?;
    same("cmssl", program.cmssl(&id, CM_CONFIRM), CM_OK)?;
    same("cmallc", (program.cmallc(&id), program.cmflus(&id)), (CM_OK, CM_OK))?;
    let appc = &world.appc[0];
    let got = done("RECEIVE_ALLOCATE", appc.receive_allocate("SERVER"))?;
    Ok((End { appc, tp: got.tp_id, conv: got.conv_id }, id))
}

/// Many stories that a generator of pseudo-random numbers makes up, the same in each run.
pub fn stories(net: &str, seed: u64) -> Check {
    let mut chance = seed;
    let mut below = |bound: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        (chance >> 32) as usize % bound
    };
    let mut flushes = BTreeSet::new();
    for number in 0..STORIES {
        let invoked = below(2) == 0;
        let length = 1 + below(80);
        let events: Vec<Event> = (0..length)
            .map(|_| match below(63) {
                0 => Event::Kill(below(2)),
                1..=30 => Event::Left(below(VERBS)),
                31 | 32 => Event::Wrong(below(WRONGS)),
                _ => Event::Right(below(CALLS)),
            })
            .collect();
        let told = story(net, invoked, &events);
        flushes.extend(told.map_err(|what| format!("story {number} of seed {seed}: {what}"))?);
    }
    // Every code of its page was met, and no other: what the partner has to say, FLUSH never tells.
    same("codes of FLUSH", flushes, CODES_OF_FLUSH.into())
}

/// What FLUSH returns, whatever happens around it (2.5); of the system's errors the one that is injected.
const CODES_OF_FLUSH: [(u16, u32); 8] = [
    (ap::AP_OK, 0),
    (ap::AP_PARAMETER_CHECK, ap::AP_BAD_CONV_ID),
    (ap::AP_PARAMETER_CHECK, ap::AP_BAD_TP_ID),
    (ap::AP_STATE_CHECK, ap::AP_FLUSH_NOT_SEND_STATE),
    (ap::AP_COMM_SUBSYSTEM_ABENDED, 0),
    (ap::AP_CONVERSATION_TYPE_MIXED, 0),
    (ap::AP_CONV_BUSY, 0),
    (ap::AP_UNEXPECTED_DOS_ERROR, 28),
];

const STORIES: usize = 250;
