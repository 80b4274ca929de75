//! The statements about the wire, each by its number: a stranger on the queue pair, and one that breaks.
//!
//! Where a post delivers at once frames of two units do not cross. A stranger's do: it says what it would
//! have said before it saw what has arrived (WIRE-3). The library's own tests show WIRE-1 to WIRE-3 of the
//! state machine once more, with frames of two units that cross.

use super::lus::*;
use super::{I, Statement, told};
use crate::ndk::{
    Adapter, Completion, Connector, Cq, CqNotify, Mr, MrFlags, OnDisconnect, OpFlags, Qp, QpDescription,
    ReadLimits, Status,
};
use crate::ulp::conversation::appc::SendType;
use crate::ulp::conversation::appc::codes::*;
use crate::ulp::conversation::{ErrorType, State};

pub(super) const STATEMENTS: &[Statement] = &[
    told!(
        "WIRE-1",
        I,
        "a program that never receives is never overrun: what is sent beyond its credit waits",
        wire_1
    ),
    told!(
        "WIRE-2",
        I,
        "without credit a request to send, a purge, credit itself and an answer arrive",
        wire_2
    ),
    told!(
        "WIRE-3",
        I,
        "PURGE and CD that cross: both agree who sends, and the purge is ignored",
        wire_3_cd_crosses_our_purge,
        wire_3_purge_crosses_our_cd
    ),
    told!(
        "WIRE-4",
        I,
        "what breaks the protocol ends both sides without a panic",
        wire_4,
        wire_4_other_words
    ),
    told!(
        "WIRE-5",
        I,
        "when the queue pair breaks each side is told once, by its next verb that may",
        wire_5
    ),
];

/// Somebody who speaks frames by hand to the unit on the right.
struct Stranger {
    cq: Cq,
    qp: Qp,
    mr: Mr,
    _connector: Connector,
    sequence: u32,
}

const FRAME: usize = 512;

impl Stranger {
    fn connect(world: &World, net: &str, private_data: &[u8]) -> Result<Self, String> {
        let adapter = done("open", Adapter::open(&format!("local/conversation-{net}")))?;
        let pd = done("domain", adapter.create_pd().wait())?;
        let cq = done("queue", adapter.create_cq(64, CqNotify::Waiters).wait())?;
        let description = QpDescription::new(&cq).receive_depth(32);
        let qp = done("queue pair", pd.create_qp(description).wait())?;
        let mr = done("region", pd.register(vec![0; 33 * FRAME], MrFlags::ALLOW_LOCAL_WRITE).wait())?;
        for slot in 0..32 {
            let at = slot * FRAME;
            done("receive", qp.receive(slot as u64, &[done("entry", mr.sge(at..at + FRAME))?]))?;
        }
        let connector = done("connector", adapter.create_connector().wait())?;
        let limits = ReadLimits { inbound: 0, outbound: 0 };
        let (from, to) = (adapter.addresses()[0], world.units[1].address());
        done("connect", connector.connect(&qp, from, to, limits, private_data).wait())?;
        done("complete", connector.complete_connect(OnDisconnect::ignore()).wait())?;
        Ok(Self { cq, qp, mr, _connector: connector, sequence: 0 })
    }

    /// Sends a frame, and waits until it is there.
    fn send(&self, frame: &[u8]) -> Result<Status, String> {
        let at = 32 * FRAME;
        done("write", self.mr.write(at, frame))?;
        let sge = done("entry", self.mr.sge(at..at + frame.len()))?;
        done("send", self.qp.send(1 << 32, &[sge], OpFlags::NONE))?;
        loop {
            let mut completion = [Completion::default()];
            done("wait", self.cq.wait(&mut completion, None))?;
            if completion[0].request_context == 1 << 32 {
                return Ok(completion[0].status);
            }
        }
    }

    /// A normal frame in its place, for `edit` to spoil.
    fn frame(&mut self, kind: u8, flags: u8, body: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut frame = vec![1, kind, 0, flags, 0, 0, 0, 0];
        frame.extend(self.sequence.to_be_bytes());
        frame.extend(16_u32.to_be_bytes());
        frame.extend([0; 8]);
        frame.extend(body);
        self.sequence += 1;
        edit(&mut frame);
        frame
    }

    /// An expedited frame about that turn, which has no place among the normal ones.
    fn expedited(&mut self, kind: u8, turn: u8) -> Vec<u8> {
        let frame = self.frame(kind, 0, &[], |frame| frame[7] = turn);
        self.sequence -= 1;
        frame
    }

    /// Kind, flags and turn of the nth frame that has come.
    fn got(&self, n: usize) -> Result<(u8, u8, u8), String> {
        let mut header = [0; 8];
        done("read", self.mr.read(n * FRAME, &mut header))?;
        Ok((header[1], header[3], header[7]))
    }

    fn attach(&mut self) -> Vec<u8> {
        let mut body = vec![0, 1, 0, 0];
        for (text, width) in
            [("SERVER", 64), ("", 8), ("NET.RIGHT", 17), ("NET.LEFT", 17), ("", 10), ("", 10)]
        {
            body.extend(text.bytes().chain(std::iter::repeat(b' ')).take(width));
        }
        body.extend([0; 4]);
        self.frame(1, 0, &body, |_| {})
    }
}

/// What a side says when it connects: frames of 512 bytes, 16 of them.
fn hello() -> Vec<u8> {
    [&b"QPCV"[..], &1_u32.to_be_bytes(), &512_u32.to_be_bytes(), &16_u32.to_be_bytes()].concat()
}

/// WIRE-1: a program that never receives is never overrun: what is sent beyond its credit waits.
fn wire_1() -> Check {
    let world = World::with("wire_1", small())?;
    let (left, right) = world.pair(false)?;
    let sending = left.appc.send_data(left.tp, left.conv, &long(20), Default::default());
    let sending = sending.now().err().ok_or("it was sent beyond the partner's credit")?;
    // The attach, whose credit came back at once, and the window.
    same("frames", world.units[0].frames_sent(), 1 + 2)?;
    same("received", right.receive().wait().data, long(20))?;
    same("SEND_DATA", sending.wait().rc.is_ok(), true)
}

/// WIRE-2: without credit a request to send, a purge, credit itself and an answer arrive.
fn wire_2() -> Check {
    let world = World::with("wire_2", small())?;
    let (left, right) = world.pair(true)?;
    let confirm = {
        same("fill the window", left.send(&long(2)), OK)?;
        let confirm = left.confirm().now().err().ok_or("it was sent beyond the partner's credit")?;
        same("REQUEST_TO_SEND", right.request_to_send(), OK)?;
        same("credit", right.take().2, long(2))?;
        same("asked", right.take().1, AP_CONFIRM_WHAT_RECEIVED)?;
        same("CONFIRMED", right.confirmed(), OK)?;
        done("CONFIRM", confirm.now())?
    };
    same("answer and request", (confirm.rc.is_ok(), confirm.rts_rcvd), (true, true))?;
    same("fill the window", left.send(&long(2)), OK)?;
    let flush = left.appc.send_data(left.tp, left.conv, &long(1), Default::default());
    let flush = flush.now().err().ok_or("it was sent beyond the partner's credit")?;
    same("SEND_ERROR", right.send_error(), OK)?;
    same("the purge came", done("SEND_DATA", flush.now())?.rc.primary, AP_PROG_ERROR_PURGING)
}

/// Kinds of frames and their flags, as the reference numbers them.
const DATA: u8 = 2;
const ERROR: u8 = 3;
const PURGE: u8 = 5;
const NOTHING: u8 = 0;
const CD: u8 = 1;

/// WIRE-3: a unit purges, and the turn is on its way to it already.
fn wire_3_cd_crosses_our_purge() -> Check {
    let world = World::new("wire_3a")?;
    let mut stranger = Stranger::connect(&world, "wire_3a", &hello())?;
    let attach = stranger.attach();
    same("attach", stranger.send(&attach)?, Status::SUCCESS)?;
    let right = world.accept()?;
    let program = ErrorType::Program;
    let telling = right.appc.send_error(right.tp, right.conv, program, false, &[]);
    let telling = telling.now().err().ok_or("it told the error without the turn")?;
    // Credit may have come before.
    let purge = (0..3).find(|n| stranger.got(*n) == Ok((PURGE, NOTHING, 0))).ok_or("no purge came")?;
    let turn = stranger.frame(DATA, CD, &record(b"purged"), |_| {});
    same("the turn", stranger.send(&turn)?, Status::SUCCESS)?;
    same("SEND_ERROR", at_once(telling), OK)?;
    same("state", right.state(), Some(State::Send))?;
    let error = (purge..8).find(|n| stranger.got(*n) == Ok((ERROR, NOTHING, 1)));
    same("the error came with the next turn", error.is_some(), true)?;
    same("our turn", right.send_as(&record(b"on"), SendType::Flush), OK)
}

/// WIRE-3: a unit gives the turn, and is purged for the turn that it had.
fn wire_3_purge_crosses_our_cd() -> Check {
    let world = World::new("wire_3b")?;
    let mut stranger = Stranger::connect(&world, "wire_3b", &hello())?;
    for frame in [stranger.attach(), stranger.frame(DATA, CD, &[], |_| {})] {
        same("attach, and the turn", stranger.send(&frame)?, Status::SUCCESS)?;
    }
    let right = world.accept()?;
    same("the turn", right.take().1, AP_SEND)?;
    same("it gives it back", right.give_turn(), OK)?;
    let sent = world.units[1].frames_sent();
    let purge = stranger.expedited(PURGE, 1);
    same("purge", stranger.send(&purge)?, Status::SUCCESS)?;
    same("it is not answered", world.units[1].frames_sent(), sent)?;
    same("state", right.state(), Some(State::Receive))?;
    let error = stranger.frame(ERROR, NOTHING, &[], |frame| {
        frame[7] = 2;
        frame[16..20].copy_from_slice(&[0x08, 0x89, 0, 0]);
    });
    same("error", stranger.send(&error)?, Status::SUCCESS)?;
    same("it is told", right.take().0, AP_PROG_ERROR_PURGING)?;
    let data = stranger.frame(DATA, NOTHING, &record(b"on"), |frame| frame[7] = 2);
    same("data", stranger.send(&data)?, Status::SUCCESS)?;
    same("the stranger's turn", right.take(), (AP_OK, AP_DATA_COMPLETE, record(b"on")))
}

/// WIRE-4: what breaks the protocol ends the conversation on both sides, without a panic.
fn wire_4() -> Check {
    type Spoil = fn(&mut Vec<u8>);
    let spoilt: [(&str, Spoil); 9] = [
        ("version", |frame| frame[0] = 2),
        ("kind", |frame| frame[1] = 9),
        ("flag", |frame| frame[3] = 8),
        ("gap", |frame| frame[11] = 7),
        ("credit", |frame| frame[12..16].fill(0)),
        ("reserved", |frame| frame[23] = 1),
        ("turn", |frame| frame[7] = 1),
        ("record", |frame| frame.extend([0, 1])),
        ("short", |frame| frame.truncate(5)),
    ];
    for (name, spoil) in spoilt {
        let net = format!("wire_4_{name}");
        let world = World::new(&net)?;
        let mut stranger = Stranger::connect(&world, &net, &hello())?;
        let attach = stranger.attach();
        same("attach", stranger.send(&attach)?, Status::SUCCESS)?;
        let right = world.accept()?;
        let frame = stranger.frame(2, 0, &[], spoil);
        same("frame", stranger.send(&frame)?, Status::SUCCESS)?;
        let code = done("RECEIVE", right.receive().now())?.rc.primary;
        same(name, code, AP_CONV_FAILURE_NO_RETRY)?;
        same("state", right.state(), None)?;
    }
    // Our own side is told by the other's last word.
    let world = World::new("wire_4_told")?;
    let mut stranger = Stranger::connect(&world, "wire_4_told", &hello())?;
    let attach = stranger.attach();
    same("attach", stranger.send(&attach)?, Status::SUCCESS)?;
    let right = world.accept()?;
    let last_word = stranger.frame(4, 0, &[], |frame| frame[16] = 0x20);
    same("not quite the word", stranger.send(&last_word)?, Status::SUCCESS)?;
    same("RECEIVE", done("RECEIVE", right.receive().now())?.rc.primary, AP_CONV_FAILURE_NO_RETRY)
}

/// WIRE-4: who connects with other words is rejected.
fn wire_4_other_words() -> Check {
    let world = World::new("wire_4_words")?;
    for (at, byte) in [(0, b'X'), (7, 2), (10, 0xFF), (15, 0)] {
        let mut words = hello();
        words[at] = byte;
        let refused = Stranger::connect(&world, "wire_4_words", &words).is_err();
        same("refused", refused, at != 10)?; // a frame size is made smaller, not refused, up to its limit
    }
    Ok(())
}

/// WIRE-5: when the queue pair breaks each side is told once, by its next verb that may.
fn wire_5() -> Check {
    // After each number of frames of a conversation: attach, data, turn, answer.
    for frames in 0..4 {
        let net = format!("wire_5_{frames}");
        let world = World::new(&net)?;
        let (left, right) = world.pair(false)?;
        if frames >= 1 {
            same("data", left.send(&record(b"a")), OK)?;
            same("FLUSH", left.flush(), OK)?;
            same("data", right.take().2, record(b"a"))?;
        }
        if frames >= 2 {
            same("turn", left.give_turn(), OK)?;
            same("turn", right.take().1, AP_SEND)?;
        }
        if frames >= 3 {
            same("answer", right.send(&record(b"b")), OK)?;
            same("FLUSH", right.flush(), OK)?;
            same("answer", left.take().2, record(b"b"))?;
        }
        world.nodes[1].faults().adapter_fatal();
        let told = if frames < 2 { left.send(&record(b"c")).0 } else { left.take().0 };
        same("told", told, AP_CONV_FAILURE_RETRY)?;
        same("once", left.send(&record(b"c")), (AP_PARAMETER_CHECK, AP_BAD_CONV_ID))?;
    }
    // FLUSH does not tell.
    let world = World::new("wire_5_flush")?;
    let (left, _right) = world.pair(false)?;
    world.nodes[1].faults().adapter_fatal();
    same("FLUSH", left.flush(), OK)?;
    same("state", left.state(), Some(State::Send))?;
    same("SEND_DATA", left.send(&record(b"c")), (AP_CONV_FAILURE_RETRY, 0))
}
