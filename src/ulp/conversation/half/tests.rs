//! Two halves and two wires between them: any order of verbs, posts and deliveries.
//!
//! Here frames cross, which they do not where a post delivers at once.

use super::*;
use crate::ulp::conversation::attach::Security;
use crate::ulp::conversation::code::{ErrorType, Notice};
use crate::ulp::conversation::frame::HEADER;
use proptest::prelude::*;
use std::collections::VecDeque;

const TERMS: Terms = Terms { frame_size: 256, window: 3, peer_window: 3 };

fn attach() -> Attach {
    Attach {
        mapped: false,
        sync_level: SyncLevel::Confirm,
        tp_name: "SERVER".to_owned(),
        mode: String::new(),
        partner_lu: "NET.RIGHT".to_owned(),
        local_lu: "NET.LEFT".to_owned(),
        security: Security::None,
        pip: vec![7; 120],
    }
}

/// One side, and what its program knows.
struct Side {
    half: Half,
    /// The verb that is outstanding.
    waits: Option<(Ticket, Action, State)>,
    sent: u32,
    /// Numbers of the records received, and the bytes of one that is not whole.
    received: Vec<u32>,
    part: Vec<u8>,
    /// Something was lost for a reason that the program was told of, or gave.
    broken: bool,
    ended: bool,
}

struct Pair {
    faces: [Face; 2],
    sides: [Side; 2],
    /// Frames on their way to each side.
    wires: [VecDeque<(Kind, Vec<u8>)>; 2],
}

impl Pair {
    fn new(swapped: bool) -> Self {
        let side = |half| Side {
            half,
            waits: None,
            sent: 0,
            received: Vec::new(),
            part: Vec::new(),
            broken: false,
            ended: false,
        };
        let halves = [Half::allocating(TERMS, &attach()), Half::listening(TERMS)];
        let faces = if swapped { [Face::Cpic, Face::Appc] } else { [Face::Appc, Face::Cpic] };
        Self { faces, sides: halves.map(side), wires: Default::default() }
    }

    fn post(&mut self, at: usize) -> bool {
        let mut bytes = Vec::new();
        let Some(kind) = self.sides[at].half.next_frame(&mut bytes) else { return false };
        assert!((HEADER..=TERMS.frame_size).contains(&bytes.len()));
        self.wires[1 - at].push_back((kind, bytes));
        self.look(at);
        true
    }

    fn deliver(&mut self, to: usize) -> bool {
        let Some((kind, bytes)) = self.wires[to].pop_front() else { return false };
        self.sides[to].half.frame_arrived(&bytes).expect("our own frames keep the rules");
        self.sides[1 - to].half.sent(kind);
        assert!(self.sides[to].half.incoming.len() <= 2 * TERMS.window as usize);
        self.look(to);
        true
    }

    /// Everything that can move by itself has moved.
    fn settle(&mut self) {
        while [0, 1].map(|at| self.post(at) | self.deliver(at)) != [false, false] {}
    }

    /// The outstanding verb of a side, if it has ended.
    fn look(&mut self, at: usize) {
        let side = &mut self.sides[at];
        let Some((ticket, action, before)) = side.waits else { return };
        if let Some(outcome) = side.half.take_outcome(ticket) {
            side.waits = None;
            side.took(self.faces[at], action, before, outcome);
        }
    }

    fn begin(&mut self, at: usize, verb: Verb<'_>) {
        if self.sides[at].half.attach().is_none() {
            return; // there is no program before there is an attach
        }
        let (face, action) = (self.faces[at], verb.action());
        let side = &mut self.sides[at];
        let before = side.half.state();
        match side.half.begin(face, verb) {
            Begun::Done(outcome) => side.took(face, action, before, outcome),
            Begun::Waits(ticket) => {
                let old = side.waits.replace((ticket, action, before));
                if let Some((ticket, ..)) = old {
                    let outcome = side.half.take_outcome(ticket).expect("only one verb is outstanding");
                    assert_eq!(outcome.code, Code::Cancelled);
                    side.broken = true;
                }
            }
        }
        // A receive that was interrupted by a verb that ended at once.
        self.look(at);
    }
}

impl Side {
    /// Checks an outcome against the table, and keeps what it brought.
    fn took(&mut self, face: Face, action: Action, before: State, outcome: Outcome) {
        let after = self.half.state();
        let Outcome { code, received, .. } = outcome;
        match code {
            Code::Ok => self.check_ok(face, action, before, &received),
            Code::Cancelled => {}
            Code::Unsuccessful => assert_eq!(after, before),
            code if code.is_misuse() => assert_eq!(after, before, "{action:?}: {code:?}"),
            code => assert_eq!(Some(after), state::after_code(code), "{action:?}: {code:?}"),
        }
        let lost = matches!(code, Code::Error(..) | Code::Cancelled | Code::Abend(_) | Code::Refused(_));
        self.broken |= lost || action == Action::SendError || action == Action::Abend;
        if matches!(code, Code::Error(_, Notice::Truncation | Notice::Purging)) {
            self.part.clear();
        }
        self.ended |= after == State::Reset;
        self.keep(received);
    }

    fn check_ok(&self, face: Face, action: Action, before: State, received: &Received) {
        let after = self.half.state();
        let receives =
            matches!(action, Action::ReceiveAndWait | Action::ReceiveImmediate | Action::ReceiveAndPost);
        if receives {
            let expected = state::after_receive(received.has_data(), received.status);
            assert_eq!(after, expected, "{action:?} {received:?}");
            return;
        }
        if matches!(action, Action::RequestToSend | Action::TestRequestToSend) {
            return assert_eq!(after, before);
        }
        // Another verb may come while a receive waits, and finds its state.
        let found = [before, State::Receive].map(|before| state::next(face, before, action));
        assert!(found.contains(&Move::To(after)), "{action:?} from {before:?} to {after:?}");
    }

    fn keep(&mut self, received: Received) {
        self.part.extend(received.bytes);
        while let Some((ll, _)) = self.part.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*ll));
            assert!(length >= 6, "records of ours have a number");
            if self.part.len() < length {
                break;
            }
            let record: Vec<u8> = self.part.drain(..length).collect();
            let number = u32::from_be_bytes([record[2], record[3], record[4], record[5]]);
            assert!(record[6..].iter().all(|byte| *byte == number as u8), "a record came mixed up");
            assert!(self.received.last().is_none_or(|last| *last < number), "records came out of order");
            self.received.push(number);
        }
    }
}

/// What may happen next.
#[derive(Clone, Debug)]
enum Event {
    Post(usize),
    Deliver(usize),
    Send(usize, u16, After),
    Verb(usize, u8),
    Cancel(usize),
    Lose,
}

fn event() -> impl Strategy<Value = Event> {
    let after = prop_oneof![
        6 => Just(After::Nothing),
        2 => Just(After::Flush),
        1 => Just(After::Confirm),
        1 => Just(After::PrepareToReceive(Confirming::No)),
        1 => Just(After::PrepareToReceive(Confirming::Yes)),
        1 => Just(After::Deallocate(Confirming::Yes)),
    ];
    let side = 0_usize..2;
    prop_oneof![
        20 => side.clone().prop_map(Event::Post),
        20 => side.clone().prop_map(Event::Deliver),
        8 => (side.clone(), 0_u16..700, after).prop_map(|(side, length, after)| Event::Send(side, length, after)),
        24 => (side.clone(), 0_u8..18).prop_map(|(side, verb)| Event::Verb(side, verb)),
        1 => side.prop_map(Event::Cancel),
        1 => Just(Event::Lose),
    ]
}

fn receive(waiting: Waiting, fill: Fill, length: usize) -> Verb<'static> {
    Verb::Receive(Receive { fill, length, join: length % 2 == 0, waiting })
}

/// An error log variable that takes more than one frame.
const LONG_LOG: &[u8] = &{
    let mut log = [7; 300];
    (log[0], log[1]) = (1, 44);
    log
};

fn verb(number: u8, face: Face) -> Verb<'static> {
    match number {
        0 => Verb::Flush,
        1 => Verb::Confirm,
        2..=4 => Verb::Confirmed,
        5 => Verb::PrepareToReceive(Confirming::No),
        6 => Verb::PrepareToReceive(Confirming::Yes),
        7 => Verb::PrepareToReceive(Confirming::YesLong),
        8 => receive(Waiting::Wait, Fill::Record, 2000),
        9 => receive(Waiting::Wait, Fill::Buffer, 301),
        10 | 11 => receive(Waiting::Immediate, Fill::Record, 2000),
        12 => receive(Waiting::Immediate, Fill::Buffer, 77),
        13 if face == Face::Appc => receive(Waiting::Post, Fill::Record, 301),
        13 => Verb::TestRequestToSend,
        14 => Verb::RequestToSend,
        15 => Verb::SendError { error: ErrorType::Program, of_sending: face == Face::Appc, log: LONG_LOG },
        16 => Verb::Deallocate(Confirming::Yes),
        _ => Verb::Abend { abend: Abend::Program, log: &[0, 4, 0x12, 0xE1] },
    }
}

impl Pair {
    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Post(at) => _ = self.post(at),
            Event::Deliver(at) => _ = self.deliver(at),
            Event::Send(at, length, after) => {
                let number = self.sides[at].sent + 1;
                let mut data = (length + 6).to_be_bytes().to_vec();
                data.extend(number.to_be_bytes());
                data.extend(vec![number as u8; length.into()]);
                // Cut, or refused, the record has no place in the stream.
                let sends = matches!(self.sides[at].half.state(), State::Send | State::SendPending);
                let takes = sends && !self.sides[at].half.is_busy() && self.sides[at].half.attach().is_some();
                self.sides[at].sent += u32::from(takes);
                self.begin(at, Verb::SendData { bytes: &data, after });
            }
            Event::Verb(at, number) => self.begin(at, verb(number, self.faces[at])),
            Event::Cancel(at) => self.cancel(at),
            Event::Lose => {
                for side in 0..2 {
                    self.wires[side].clear();
                    self.sides[side].broken = true;
                    self.sides[side].half.session_lost();
                    self.look(side);
                }
            }
        }
    }

    fn cancel(&mut self, at: usize) {
        self.sides[at].half.cancel(Abend::Service, Code::Abend(Abend::Program));
        self.sides.iter_mut().for_each(|side| side.broken = true);
        self.look(at);
    }

    /// With nothing under way and nothing outstanding, the two agree.
    fn check_agreement(&self) {
        let [a, b] = [&self.sides[0].half, &self.sides[1].half];
        let lives = |half: &Half| half.failed.is_none() && !half.end_received && !half.end_sent;
        if !(lives(a) && lives(b)) || a.abandoned || b.abandoned {
            return;
        }
        assert!(a.mine != b.mine, "one side has the turn");
        assert_eq!(a.turn, b.turn);
        let outstanding = self.sides.iter().any(|side| side.waits.is_some());
        let both = a.state() == State::Send && b.state() == State::Send;
        assert!(!both || outstanding || a.bereft || b.bereft);
    }

    /// One side gives up; the other must come to its end by receiving, whatever it waited for.
    fn must_end(&mut self) {
        self.settle();
        self.check_agreement();
        self.cancel(0);
        for _ in 0..40 {
            self.settle();
            let side = &self.sides[1];
            if side.half.state() == State::Reset && side.waits.is_none() {
                break;
            }
            if side.waits.is_none() {
                let confirms = matches!(
                    side.half.state(),
                    State::Confirm | State::ConfirmSend | State::ConfirmDeallocate
                );
                let next =
                    if confirms { Verb::Confirmed } else { receive(Waiting::Wait, Fill::Record, 2000) };
                self.sides[1].half.out.records = Records::default(); // no record keeps it from receiving
                self.begin(1, next);
            }
        }
        let side = &self.sides[1];
        assert!(side.waits.is_none(), "it waits for ever: {:?} {:?}", side.half, self.sides[0].half);
        // Nobody told it if the attach never left the other side.
        let heard = side.half.attach().is_some();
        assert!(side.half.state() == State::Reset || !heard, "it never ended: {:?}", side.half);
    }

    /// What arrived is what was sent, if nobody was told otherwise.
    fn check_data(&self) {
        for at in 0..2 {
            let (from, to) = (&self.sides[at], &self.sides[1 - at]);
            assert!(to.received.len() <= from.sent as usize);
            if !from.broken && !to.broken && to.ended && from.ended {
                assert_eq!(to.received, (1..=from.sent).collect::<Vec<u32>>(), "whole and in order");
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    /// CPIC-30 for the machine: any order of verbs, posts, deliveries and faults agrees with the tables.
    #[test]
    fn any_interleaving_agrees_with_the_tables(swapped in any::<bool>(), events in proptest::collection::vec(event(), 1..120)) {
        let mut pair = Pair::new(swapped);
        for event in &events {
            pair.happen(event);
        }
        pair.check_data();
        pair.must_end();
    }

    /// WIRE-4 for the machine: no frames of a stranger make it panic or grow.
    #[test]
    fn frames_of_a_stranger_do_no_harm(
        events in proptest::collection::vec(event(), 0..40),
        frames in proptest::collection::vec((any::<[u8; 12]>(), 0_usize..300), 1..20),
        patch in any::<bool>(),
    ) {
        let mut pair = Pair::new(false);
        events.iter().for_each(|event| pair.happen(event));
        for (seed, length) in frames {
            let half = &mut pair.sides[1].half;
            let mut bytes: Vec<u8> = seed.iter().copied().cycle().take(length).collect();
            if patch && length >= HEADER {
                let sequence = half.arrived.to_be_bytes();
                bytes[..2].copy_from_slice(&[1, seed[1] % 8]);
                bytes[2..4].copy_from_slice(&[0, seed[2] % 7]);
                bytes[4..8].copy_from_slice(&half.turn.wrapping_sub(u32::from(seed[3] % 2)).to_be_bytes());
                bytes[8..12].copy_from_slice(&sequence);
                bytes[12..16].copy_from_slice(&half.out.posted.wrapping_add(seed[4].into()).to_be_bytes());
                let senses = [0_u32, 0x0864_0000, 0x0889_0000, 0x0889_0101, 0x2001_0000];
                bytes[16..20].copy_from_slice(&senses[usize::from(seed[5] % 5)].to_be_bytes());
                bytes[20..24].fill(0);
            }
            let _judged = half.frame_arrived(&bytes);
            prop_assert!(half.incoming.len() <= 2 * TERMS.window as usize);
            prop_assert!(half.error_log.len() <= 0x7FFF);
            prop_assert!(half.logs.len() <= LOGS);
            let mut out = Vec::new();
            while half.next_frame(&mut out).is_some_and(|kind| { half.sent(kind); true }) {}
        }
    }
}

/// WIRE-3: PURGE and CD cross: both agree who sends, and the purge is no answer to anything.
#[test]
fn wire_3_purge_and_cd_cross() {
    let mut pair = Pair::new(false);
    pair.begin(0, Verb::Flush);
    pair.settle();
    pair.begin(0, Verb::PrepareToReceive(Confirming::No));
    assert!(pair.post(0), "the turn is on its way");
    pair.begin(1, Verb::SendError { error: ErrorType::Program, of_sending: false, log: &[] });
    assert!(pair.post(1), "the purge is on its way");
    assert_eq!(pair.wires[0].front().map(|(kind, _)| *kind), Some(Kind::Purge));
    pair.settle();
    assert_eq!([0, 1].map(|at| pair.sides[at].half.state()), [State::Receive, State::Send]);
    pair.check_agreement();
    let before = pair.sides[0].half.out.posted;
    pair.begin(0, receive(Waiting::Immediate, Fill::Record, 100));
    assert_eq!(pair.sides[0].half.state(), State::Receive, "it was told of the error");
    assert!(pair.sides[0].broken);
    assert_eq!(pair.sides[0].half.out.posted, before, "the purge was not answered");
}

/// An error whose log data came in part, when this side's own error purged the rest of it.
#[test]
fn a_log_that_is_purged_in_the_middle_is_forgotten() {
    let mut pair = Pair::new(false);
    pair.begin(0, Verb::Flush);
    pair.settle();
    pair.begin(0, Verb::SendError { error: ErrorType::Program, of_sending: false, log: LONG_LOG });
    assert!(pair.post(0) && pair.deliver(1) && pair.post(0), "a part is here, the rest on its way");
    pair.begin(1, Verb::SendError { error: ErrorType::Program, of_sending: false, log: &[] });
    pair.settle();
    pair.begin(1, Verb::PrepareToReceive(Confirming::No));
    pair.settle();
    for _told_and_given_the_turn in 0..2 {
        pair.begin(0, receive(Waiting::Wait, Fill::Record, 100));
    }
    assert_eq!(pair.sides[0].half.state(), State::Send);
    pair.begin(0, Verb::SendData { bytes: &[0, 6, 0, 0, 0, 1], after: After::Flush });
    pair.settle(); // its data is no breach
    pair.begin(1, receive(Waiting::Immediate, Fill::Record, 100));
    assert_eq!(pair.sides[1].received, [1]);
}

/// WIRE-1, WIRE-2: without credit no normal frame goes, and expedited ones do.
#[test]
fn wire_1_2_credit() {
    let mut pair = Pair::new(false);
    pair.begin(0, Verb::Flush);
    pair.settle();
    let posted = |pair: &Pair| pair.sides[0].half.out.posted;
    let data = [&[0x10, 0][..], &[1; 4094]].concat();
    pair.begin(0, Verb::SendData { bytes: &data, after: After::Flush });
    pair.settle();
    let consumed = pair.sides[1].half.consumed;
    assert_eq!(posted(&pair) - consumed, TERMS.window, "as much as was granted");
    assert!(pair.sides[0].waits.is_some());
    pair.begin(1, Verb::RequestToSend);
    pair.settle();
    assert!(pair.sides[0].half.take_request_to_send(), "it arrived without credit");
    pair.begin(1, Verb::SendError { error: ErrorType::Program, of_sending: false, log: &[] });
    pair.settle();
    assert!(pair.sides[0].broken, "so did the purge, and the answer to it");
}

/// Enough for each run of the tests; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let failure_persistence = None; // what it finds becomes a test of its own
    ProptestConfig { cases: asked.unwrap_or(400), failure_persistence, ..ProptestConfig::default() }
}
