//! cmflus of CPI-C: the same promise as APPC's by calls, which in non-blocking mode may be incomplete.

use super::conversation::{SERVER, Units, record, soon};
use super::tale::{Part, Tale};
use crate::command::clock;
use anyhow::{anyhow, bail, ensure};
use qpair::ulp::conversation::Options;
use qpair::ulp::conversation::cpic::codes::*;
use qpair::ulp::conversation::cpic::{ConversationId, Program, Received, ReturnCode};

const LANES: &[&str] = &["frames sent", "bytes received by the partner"];
const RECORDS: [&str; 2] = ["pay 5 to Ann", "pay 7 to Bob"];
/// Frames that the partner takes without receiving: few, so that its credit is soon used up.
const WINDOW: u32 = 2;

/// Both programs, and what the partner has received.
struct Scene {
    units: Units,
    here: Program,
    there: Program,
    id: ConversationId,
    partner: Option<ConversationId>,
    received: u64,
}

/// Runs the story.
pub fn tale(device: &str) -> anyhow::Result<Tale> {
    let units = Units::new(device, Options { window: WINDOW, ..Options::default() })?;
    let (here, there) = (Program::new(&units.here, &[]), Program::new(&units.there, &[SERVER]));
    let mut tale = Tale::new("cpic", "cmflus", LANES);
    let id = here.cminit("").map_err(|code| anyhow!("cminit returned {code}"))?;
    ok("cmsct", here.cmsct(&id, CM_BASIC_CONVERSATION))?;
    ok("cmspln", here.cmspln(&id, "THERE"))?;
    ok("cmstpn", here.cmstpn(&id, SERVER))?;
    let allocated = here.cmallc(&id);
    ok("cmallc", allocated)?;
    let mut scene = Scene { units, here, there, id, partner: None, received: 0 };
    tale.step(Part::Before, "here: cmallc", allocated);
    scene.look(&mut tale);
    scene.hold_back(&mut tale);
    scene.flush(&mut tale)?;
    scene.receive(&mut tale)?;
    scene.flush_nothing(&mut tale);
    scene.flush_without_the_turn(&mut tale)?;
    scene.use_up_credit(&mut tale)?;
    scene.finish(&mut tale)?;
    Ok(tale)
}

fn ok(call: &str, code: ReturnCode) -> anyhow::Result<()> {
    ensure!(code.is_ok(), "{call} returned {code}");
    Ok(())
}

/// The state that `cmecs` tells.
fn state_name(state: i32) -> String {
    match state {
        CM_SEND_STATE => "CM_SEND_STATE".to_owned(),
        CM_RECEIVE_STATE => "CM_RECEIVE_STATE".to_owned(),
        other => other.to_string(),
    }
}

impl Scene {
    fn frames(&self) -> u64 {
        self.units.here.frames_sent()
    }

    fn look(&self, tale: &mut Tale) {
        tale.amounts(&[self.frames(), self.received]);
    }

    fn timed_flush(&self, tale: &mut Tale, call: &str) -> ReturnCode {
        let before = clock::now();
        let code = self.here.cmflus(&self.id);
        tale.step(Part::Flush, call, code).took(clock::since(before));
        self.look(tale);
        code
    }

    fn hold_back(&self, tale: &mut Tale) {
        for text in RECORDS {
            let code = self.here.cmsend(&self.id, &record(text)).return_code;
            tale.step(Part::Before, &format!("here: cmsend {text:?}"), code);
            self.look(tale);
            tale.holds(code.is_ok(), "the record is taken", format!("cmsend returned {code}"));
        }
        let asked = self.there.cmaccp();
        tale.step(Part::Before, "there: cmaccp", asked.err().unwrap_or(CM_OK));
        self.look(tale);
        let frames = self.frames();
        let nothing = asked == Err(CM_PROGRAM_STATE_CHECK) && frames == 0;
        tale.holds(
            nothing,
            "nothing is at the partner before the flush",
            format!("{frames} frames were sent"),
        );
    }

    fn flush(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let code = self.timed_flush(tale, "here: cmflus");
        let state = self.state()?;
        tale.saw("conversation state", state_name(state));
        let frames = self.frames();
        tale.holds(code.is_ok() && frames > 0, "something is sent", format!("{frames} frames were sent"));
        tale.holds(state == CM_SEND_STATE, "the state is SEND", format!("it is {state}"));
        // No call of the partner has taken anything by now.
        let seen = format!("it has received {} bytes", self.received);
        tale.denies(code.is_ok() && self.received == 0, "the partner has received it", seen);
        Ok(())
    }

    fn state(&self) -> anyhow::Result<i32> {
        self.here.cmecs(&self.id).map_err(|code| anyhow!("cmecs returned {code}"))
    }

    /// What the partner gets without waiting for more to be sent.
    fn taken(&mut self, partner: &ConversationId) -> Received {
        let there = &self.there;
        let got = soon(|| {
            let got = there.cmrcv(partner, 100);
            if got.return_code == CM_UNSUCCESSFUL { Err(got) } else { Ok(got) }
        });
        let got = got.unwrap_or_else(|nothing| nothing);
        self.received += got.data.len() as u64;
        got
    }

    fn receive(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        let accepted = soon(|| self.there.cmaccp());
        tale.step(Part::After, "there: cmaccp", accepted.err().unwrap_or(CM_OK));
        self.look(tale);
        let partner = accepted.map_err(|code| anyhow!("cmaccp after the flush returned {code}"))?;
        self.partner = Some(partner);
        ok("cmsrt", self.there.cmsrt(&partner, CM_RECEIVE_IMMEDIATE))?;
        let mut all = true;
        for text in RECORDS {
            let got = self.taken(&partner);
            tale.step(Part::After, "there: cmrcv, immediate", got.return_code);
            let shown = String::from_utf8_lossy(got.data.get(2..).unwrap_or_default()).into_owned();
            tale.saw("record", format!("{shown:?}"));
            self.look(tale);
            let same = got.return_code.is_ok() && got.data == record(text);
            all &= same;
            tale.holds(same, "each record arrives whole and in order", format!("{text:?} was sent"));
        }
        tale.means(all, "all that was held back has been sent", "not all of it arrived");
        Ok(())
    }

    fn flush_nothing(&self, tale: &mut Tale) {
        let before = self.frames();
        let code = self.timed_flush(tale, "here: cmflus with nothing held back");
        let more = self.frames() - before;
        let seen = format!("{more} frames were sent");
        tale.holds(code.is_ok() && more == 0, "with nothing held back it does nothing", seen);
    }

    fn flush_without_the_turn(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let Some(partner) = self.partner else { bail!("the partner has no conversation") };
        let before = clock::now();
        let code = self.there.cmflus(&partner);
        tale.step(Part::Flush, "there: cmflus without the turn", code).took(clock::since(before));
        let state = self.there.cmecs(&partner).map_err(|code| anyhow!("cmecs returned {code}"))?;
        tale.saw("conversation state", state_name(state));
        let kept = code == CM_PROGRAM_STATE_CHECK && state == CM_RECEIVE_STATE;
        tale.holds(kept, "it is refused, and the state stays RECEIVE", format!("the state is {state}"));
        Ok(())
    }

    /// Flushes a record at a time until the partner's credit is used up.
    fn use_up_credit(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        ok("cmspm", self.here.cmspm(&self.id, CM_NON_BLOCKING))?;
        let mut code = CM_OK;
        let most = WINDOW + 2;
        let mut flushes = 0;
        while code.is_ok() && flushes < most {
            ok("cmsend", self.here.cmsend(&self.id, &record("more")).return_code)?;
            let call = "here: cmsend, then cmflus, non-blocking; the partner receives nothing";
            code = self.timed_flush(tale, call);
            flushes += 1;
        }
        let kept = code == CM_OPERATION_INCOMPLETE;
        let seen = format!("{flushes} flushes ended with {code}");
        tale.denies(kept, "it is over, in non-blocking mode (CM_OPERATION_INCOMPLETE)", seen);
        ensure!(kept, "cmflus without credit of the partner returned {code}");

        let frames = self.frames();
        let code = self.timed_flush(tale, "here: cmflus while one is incomplete");
        let more = self.frames() - frames;
        let kept = code == CM_OPERATION_NOT_ACCEPTED && more == 0;
        tale.holds(
            kept,
            "it is CM_OPERATION_NOT_ACCEPTED, and sends nothing",
            format!("{more} frames were sent"),
        );
        Ok(())
    }

    /// The partner receives, which gives credit, and the flush ends.
    fn finish(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        let Some(partner) = self.partner else { bail!("the partner has no conversation") };
        let got = self.taken(&partner);
        tale.step(Part::After, "there: cmrcv, which gives credit", got.return_code);
        self.look(tale);
        let waited = self.here.cmwait();
        tale.step(Part::After, "here: cmwait", waited.return_code);
        tale.saw("cmflus has ended with", waited.conversation_return_code);
        self.look(tale);
        let kept = waited.return_code.is_ok() && waited.conversation_return_code.is_ok();
        tale.holds(kept, "an incomplete flush ends when there is credit", "it did not end well");
        Ok(())
    }
}
