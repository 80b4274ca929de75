//! What arrives: judged against what the peer may say now, and kept for the program.
//!
//! A breach ends the conversation and tears the connection down; it never panics. What is kept is bounded by
//! the window for data, and by fixed sizes for an attach and for log data.

use super::super::attach::Attach;
use super::super::code::Code;
use super::super::frame::{Flags, Frame, Header, Kind, Sense};
use super::super::record::Records;
use super::{Failure, Half, Item, LOGS};

/// Bytes of log data at most: what the length of its variable can say.
const LOG_MAX: usize = 0x7FFF;

/// The peer broke a rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Breach(&'static str);

impl Half {
    /// Takes one message of the peer; says what was wrong with it, for the log.
    pub(crate) fn frame_arrived(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if self.failed.is_some() || self.is_over() {
            return Ok(());
        }
        let judged = match Frame::parse(bytes) {
            Ok(frame) => self.accept(&frame).map_err(|Breach(what)| what),
            Err(malformed) => Err(malformed.what()),
        };
        if judged.is_err() {
            self.fail(Failure::Protocol);
        }
        self.advance();
        judged
    }

    fn accept(&mut self, frame: &Frame<'_>) -> Result<(), Breach> {
        let header = frame.header;
        self.out.grant(header.granted).map_err(|()| Breach("a grant that falls"))?;
        match header.kind {
            Kind::Credit => Ok(()),
            Kind::RequestToSend => {
                self.request_to_send = true;
                Ok(())
            }
            Kind::Purge => self.purge_arrived(header.turn),
            Kind::Response => self.response_arrived(header),
            Kind::Attach | Kind::Data | Kind::Error => self.normal_arrived(frame),
        }
    }

    /// The peer, which has no turn, has an error to tell.
    fn purge_arrived(&mut self, turn: u32) -> Result<(), Breach> {
        let ahead = turn.wrapping_sub(self.turn);
        if ahead != 0 && ahead <= u32::MAX / 2 {
            return Err(Breach("a purge of a turn that has not begun"));
        }
        if ahead != 0 {
            // The turn has ended: what the peer wants is under way. Only the name of its error depends on it.
            self.purged = Some(turn);
            return Ok(());
        }
        if !self.mine {
            return Err(Breach("a purge of the peer's own turn"));
        }
        if self.abandoned {
            return Ok(()); // the end that is on its way is answer enough
        }
        self.purged = Some(turn);
        self.asked = None;
        self.bereft = true;
        self.error_announced = true;
        self.out.drop_unsent();
        self.out.put_flags(Flags::CD);
        Ok(())
    }

    fn response_arrived(&mut self, header: Header) -> Result<(), Breach> {
        if header.sense == Sense::PROTOCOL {
            return Err(Breach("the peer found a breach"));
        }
        if self.abandoned {
            return Ok(()); // it crossed the abend
        }
        let asked = self.asked.take().filter(|_| header.turn == self.turn);
        let asked = asked.ok_or(Breach("an answer without a question"))?;
        if asked.has(Flags::CD) {
            self.pass_turn();
        } else if asked.has(Flags::CEB) {
            self.end_sent = true;
        }
        Ok(())
    }

    fn normal_arrived(&mut self, frame: &Frame<'_>) -> Result<(), Breach> {
        let Header { kind, flags, turn, sequence, .. } = frame.header;
        if sequence != self.arrived {
            return Err(Breach("a gap in the sequence"));
        }
        if self.arrived.wrapping_sub(self.consumed) >= self.window {
            return Err(Breach("more than was granted"));
        }
        self.arrived = self.arrived.wrapping_add(1);
        let abend = kind == Kind::Error && flags.has(Flags::CEB);
        if self.end_received && abend {
            return Ok(()); // given up just as this side confirmed the end: it is over either way
        }
        if self.abandoned && self.mine {
            // This side gave up a question just as the peer answered it and went on: it will hear.
            self.consume_one();
            self.end_received |= flags.ends();
            return Ok(());
        }
        // The peer gave up a question just as this side answered it, and so has an older turn.
        let crossed = abend && self.turn.wrapping_sub(turn).wrapping_sub(1) < u32::MAX / 2;
        if !crossed && (self.mine || turn != self.turn) {
            return Err(Breach("a frame out of turn"));
        }
        if self.end_received || (self.asks.is_some() && !abend) {
            return Err(Breach("a frame behind an end or a question"));
        }
        if self.purging {
            return self.discard(flags);
        }
        match kind {
            Kind::Attach => self.attach_arrived(frame)?,
            Kind::Error if abend && self.attach().is_none() => {
                self.end_received = true; // given up before anybody here heard of it
                return Ok(());
            }
            _ if self.attach().is_none() => return Err(Breach("no attach before it")),
            Kind::Error => return self.error_arrived(frame),
            _ => self.data_arrived(frame.body)?,
        }
        self.turn_begun = true;
        self.flags_arrived(flags)
    }

    /// While this side has something to tell, only the turn and the end count.
    fn discard(&mut self, flags: Flags) -> Result<(), Breach> {
        self.consume_one();
        if flags.ends() {
            self.purging = false;
            self.end_received = true;
        } else if flags.gives_turn() {
            self.purging = false;
            self.take_turn();
            if let Some((flags, sense, log)) = self.after_purge.take() {
                self.out.put(Kind::Error, flags, sense, &log);
                self.out.release_all();
            }
        }
        Ok(())
    }

    /// An attach goes to the LU and not to the program: it is consumed at once.
    fn attach_arrived(&mut self, frame: &Frame<'_>) -> Result<(), Breach> {
        let bad = Breach("an attach that cannot be");
        match &mut self.attach {
            None => self.attach = Some(Attach::parse(frame.body).map_err(|_| bad)?),
            Some(partial) if partial.missing > 0 && !frame.body.is_empty() => {
                partial.extend(frame.body).map_err(|_| bad)?;
            }
            Some(_) => return Err(Breach("a second attach")),
        }
        if frame.header.flags != Flags::NONE && self.attach().is_none() {
            return Err(bad);
        }
        self.sync_level = self.attach.as_ref().map(|partial| partial.attach.sync_level).unwrap_or_default();
        self.consume_one();
        Ok(())
    }

    fn data_arrived(&mut self, body: &[u8]) -> Result<(), Breach> {
        if self.error_announced || !self.error_log.is_empty() {
            return Err(Breach("data where an error was announced"));
        }
        self.arriving = self.arriving.after(body).map_err(|_| Breach("a record of no length"))?;
        self.incoming.push_back(Item::Data {
            bytes: body.to_vec(),
            at: 0,
            flags: Flags::NONE,
            counted: true,
        });
        Ok(())
    }

    /// Log data goes to the LU; the program gets the notice when all of it is here.
    fn error_arrived(&mut self, frame: &Frame<'_>) -> Result<(), Breach> {
        let Header { flags, sense, turn, .. } = frame.header;
        if flags.has(Flags::CEB) && sense != self.error_sense {
            self.error_log.clear(); // the peer has given up in the middle of a notice
        }
        self.error_sense = sense;
        self.error_log.extend(frame.body);
        let announced = self.error_log.first_chunk().map_or(0, |ll| usize::from(u16::from_be_bytes(*ll)));
        if announced > LOG_MAX || self.error_log.len() > announced {
            return Err(Breach("log data of another length than it says"));
        }
        if self.error_log.len() < announced {
            if frame.body.is_empty() || flags.has(Flags::CD) || flags.has(Flags::RQD) {
                return Err(Breach("an error without the rest of its log data"));
            }
            self.consume_one();
            return Ok(());
        }
        if announced > 0 {
            if self.logs.len() == LOGS {
                self.logs.pop_front();
            }
            self.logs.push_back(std::mem::take(&mut self.error_log));
        }
        let purged = !self.turn_begun && self.purged == Some(turn.wrapping_sub(1));
        self.turn_begun = true;
        self.error_announced = false;
        self.arriving = Records::default();
        self.incoming.push_back(Item::Error { code: Code::of_sense(sense, purged) });
        if flags.has(Flags::CEB) {
            self.end_received = true;
            return Ok(());
        }
        self.flags_arrived(flags)
    }

    /// Indicators are told with the last data before them.
    fn flags_arrived(&mut self, flags: Flags) -> Result<(), Breach> {
        if flags == Flags::NONE {
            return Ok(());
        }
        if !self.arriving.at_boundary() {
            return Err(Breach("an indicator inside a record"));
        }
        if flags.has(Flags::RQD) && self.sync_level == super::SyncLevel::None {
            return Err(Breach("a question at a sync level without"));
        }
        match self.incoming.back_mut() {
            Some(Item::Data { flags: place, .. }) if *place == Flags::NONE => *place = flags,
            _ => {
                // Behind an attach or a notice, which have the frame's credit.
                self.incoming.push_back(Item::Data { bytes: Vec::new(), at: 0, flags, counted: false });
            }
        }
        if flags.has(Flags::RQD) {
            self.asks = Some(flags);
        } else if flags.has(Flags::CD) {
            self.take_turn();
        } else {
            self.end_received = true;
        }
        Ok(())
    }
}
