//! FLUSH of APPC: what a conversation holds back is sent, the request to begin it included.

use super::conversation::{NOBODY, SERVER, Units, record, returned, soon};
use super::tale::{Part, Tale};
use crate::command::clock;
use anyhow::anyhow;
use qpair::ulp::conversation::appc::codes::{AP_ALLOCATION_ERROR, AP_DATA_COMPLETE, AP_FLUSH_NOT_SEND_STATE};
use qpair::ulp::conversation::appc::{
    Allocate, Appc, ConvId, Locks, PrepareToReceive, ReceiveArguments, Reply, ReturnCode, SendType, TpId,
};
use qpair::ulp::conversation::{Options, State};

const LANES: &[&str] = &["bytes in the send buffer", "frames sent", "bytes received by the partner"];
const RECORDS: [&str; 2] = ["pay 5 to Ann", "pay 7 to Bob"];

/// The invoking side, and what its partner has received.
struct Scene {
    units: Units,
    appc: Appc,
    tp: TpId,
    conv: ConvId,
    received: u64,
}

/// Runs the story.
pub fn tale(device: &str) -> anyhow::Result<Tale> {
    let units = Units::new(device, Options::default())?;
    let appc = Appc::new(&units.node);
    let mut tale = Tale::new("appc", "FLUSH", LANES);
    let tp = appc.tp_started("HERE", "CLIENT").map_err(|rc| refused("TP_STARTED", rc))?;
    let allocated = returned("ALLOCATE", appc.allocate(tp, &Allocate::new("THERE", SERVER)))?;
    let conv = allocated.map_err(|rc| refused("ALLOCATE", rc))?;
    let mut scene = Scene { units, appc, tp, conv, received: 0 };
    tale.step(Part::Before, "here: ALLOCATE", ReturnCode::OK);
    scene.look(&mut tale)?;
    scene.hold_back(&mut tale)?;
    scene.flush(&mut tale)?;
    scene.receive(&mut tale)?;
    scene.flush_nothing(&mut tale)?;
    scene.flush_without_the_turn(&mut tale)?;
    scene.flush_to_nobody(&mut tale)?;
    Ok(tale)
}

fn refused(verb: &str, rc: ReturnCode) -> anyhow::Error {
    anyhow!("{verb} returned {rc}")
}

impl Scene {
    fn buffered(&self) -> anyhow::Result<u64> {
        let bytes = self.appc.buffered(self.tp, self.conv).map_err(|rc| refused("the send buffer", rc))?;
        Ok(bytes as u64)
    }

    fn frames(&self) -> u64 {
        self.units.here.frames_sent()
    }

    /// Counts what is where.
    fn look(&self, tale: &mut Tale) -> anyhow::Result<()> {
        tale.amounts(&[self.buffered()?, self.frames(), self.received]);
        Ok(())
    }

    fn timed_flush(&self, tale: &mut Tale, call: &str) -> anyhow::Result<Reply> {
        let before = clock::now();
        let reply = returned(call, self.appc.flush(self.tp, self.conv))?;
        tale.step(Part::Flush, call, reply.rc).took(clock::since(before));
        Ok(reply)
    }

    fn hold_back(&self, tale: &mut Tale) -> anyhow::Result<()> {
        for text in RECORDS {
            let before = self.buffered()?;
            let sending = self.appc.send_data(self.tp, self.conv, &record(text), SendType::None);
            let reply = returned("SEND_DATA", sending)?;
            tale.step(Part::Before, &format!("here: SEND_DATA {text:?}"), reply.rc);
            self.look(tale)?;
            let grown = self.buffered()? > before;
            tale.holds(
                reply.rc.is_ok() && grown,
                "the record is in the send buffer",
                "the buffer has not grown",
            );
        }
        let asked = self.appc.receive_allocate(SERVER);
        let told = asked.as_ref().map_or_else(ToString::to_string, |_| ReturnCode::OK.to_string());
        tale.step(Part::Before, "there: RECEIVE_ALLOCATE", told);
        self.look(tale)?;
        let frames = self.frames();
        let nothing = asked.is_err() && frames == 0;
        tale.holds(
            nothing,
            "nothing is at the partner before the flush",
            format!("{frames} frames were sent"),
        );
        Ok(())
    }

    fn flush(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let reply = self.timed_flush(tale, "here: FLUSH")?;
        self.look(tale)?;
        let (left, frames, state) = (self.buffered()?, self.frames(), self.state()?);
        tale.saw("state", format!("{state:?}"));
        let sent = reply.rc.is_ok() && left == 0 && frames > 0;
        let seen = format!("{left} bytes are left, {frames} frames were sent");
        tale.means(sent, "all that the send buffer held has been sent", seen);
        tale.holds(state == State::Send, "the state stays SEND", format!("it is {state:?}"));
        // No verb of the partner has taken anything by now.
        let seen = format!("it has received {} bytes", self.received);
        tale.denies(reply.rc.is_ok() && self.received == 0, "the partner has received it", seen);
        Ok(())
    }

    fn state(&self) -> anyhow::Result<State> {
        self.appc.get_state(self.tp, self.conv).map_err(|rc| refused("GET_STATE", rc))
    }

    fn receive(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        let server = soon(|| self.appc.receive_allocate(SERVER));
        let told = server.as_ref().map_or_else(ToString::to_string, |_| ReturnCode::OK.to_string());
        tale.step(Part::After, "there: RECEIVE_ALLOCATE", told);
        self.look(tale)?;
        let arrived = server.is_ok();
        tale.holds(arrived, "the request to begin was flushed with the data", "it did not arrive");
        let server = server.map_err(|rc| refused("RECEIVE_ALLOCATE after the flush", rc))?;
        for text in RECORDS {
            let arguments = ReceiveArguments::new(100);
            let receiving = self.appc.receive_and_wait(server.tp_id, server.conv_id, arguments);
            let got = returned("RECEIVE_AND_WAIT after the flush", receiving)?;
            self.received += got.data.len() as u64;
            tale.step(Part::After, "there: RECEIVE_AND_WAIT", got.rc);
            let shown = String::from_utf8_lossy(got.data.get(2..).unwrap_or_default()).into_owned();
            tale.saw("record", format!("{shown:?}"));
            self.look(tale)?;
            let same = got.rc.is_ok() && got.what_rcvd == AP_DATA_COMPLETE && got.data == record(text);
            tale.holds(same, "each record arrives whole and in order", format!("{text:?} was sent"));
        }
        Ok(())
    }

    fn flush_nothing(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let before = self.frames();
        let reply = self.timed_flush(tale, "here: FLUSH of an empty buffer")?;
        self.look(tale)?;
        let more = self.frames() - before;
        let seen = format!("{more} frames were sent");
        tale.holds(reply.rc.is_ok() && more == 0, "with nothing held back it does nothing", seen);
        Ok(())
    }

    fn flush_without_the_turn(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let giving =
            self.appc.prepare_to_receive(self.tp, self.conv, PrepareToReceive::Flush, Locks::default());
        let given = returned("PREPARE_TO_RECEIVE", giving)?;
        tale.step(Part::Before, "here: PREPARE_TO_RECEIVE", given.rc);
        let (before, frames) = (self.state()?, self.frames());
        tale.saw("state", format!("{before:?}"));
        let reply = self.timed_flush(tale, "here: FLUSH without the turn")?;
        let (after, more) = (self.state()?, self.frames() - frames);
        tale.saw("state", format!("{after:?}"));
        let due = ReturnCode::state(AP_FLUSH_NOT_SEND_STATE);
        let kept = reply.rc == due && before == State::Receive && after == before && more == 0;
        let seen = format!("the state went from {before:?} to {after:?}, and {more} frames were sent");
        tale.holds(kept, "it is refused with AP_FLUSH_NOT_SEND_STATE, and changes nothing", seen);
        Ok(())
    }

    fn flush_to_nobody(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        let allocated = returned("ALLOCATE", self.appc.allocate(self.tp, &Allocate::new("THERE", NOBODY)))?;
        self.conv = allocated.map_err(|rc| refused("ALLOCATE", rc))?;
        tale.step(Part::Before, "here: ALLOCATE of a program that is not there", ReturnCode::OK);
        let reply = self.timed_flush(tale, "here: FLUSH")?;
        let receiving = self.appc.receive_and_wait(self.tp, self.conv, ReceiveArguments::new(100));
        let news = returned("RECEIVE_AND_WAIT", receiving)?;
        tale.step(Part::After, "here: RECEIVE_AND_WAIT", news.rc);
        let shown = reply.rc.is_ok() && news.rc.primary == AP_ALLOCATION_ERROR;
        tale.denies(shown, "the partner wants it, or exists", format!("the flush returned {}", reply.rc));
        Ok(())
    }
}
