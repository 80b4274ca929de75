//! What a side has to send: the send buffer, and the expedited frames.
//!
//! The buffer is a list of frames that are not posted. Its first `released` may go, when the peer has granted
//! them; the rest waits for a flush. A frame is released when it is full, with all before it (4.2).

use super::super::frame::{Flags, HEADER, Kind, Sense};
use super::super::record::Records;
use std::collections::VecDeque;

/// A normal frame that is not posted.
#[derive(Clone, Debug)]
pub(super) struct Unsent {
    pub(super) kind: Kind,
    pub(super) flags: Flags,
    pub(super) sense: Sense,
    pub(super) body: Vec<u8>,
}

/// The outgoing half.
#[derive(Debug)]
pub(super) struct Outgoing {
    frames: VecDeque<Unsent>,
    released: usize,
    /// Bytes of a body at most.
    body: usize,
    /// Normal frames posted, and how many the peer has granted; both modulo 2^32.
    pub(super) posted: u32,
    granted: u32,
    /// The stream of records as the program has given it.
    pub(super) records: Records,
    /// Expedited frames that are due; the turn that an answer or a purge is about.
    pub(super) response: Option<(Sense, u32)>,
    pub(super) purge: Option<u32>,
    pub(super) request_to_send: bool,
    pub(super) credit: bool,
    /// Expedited kinds whose last SEND has not completed.
    under_way: Vec<Kind>,
}

impl Outgoing {
    pub(super) fn new(frame_size: usize, granted: u32) -> Self {
        Self {
            frames: VecDeque::new(),
            released: 0,
            body: frame_size - HEADER,
            posted: 0,
            granted,
            records: Records::default(),
            response: None,
            purge: None,
            request_to_send: false,
            credit: false,
            under_way: Vec::new(),
        }
    }

    /// Frames that may go and have not.
    pub(super) fn is_flushed(&self) -> bool {
        self.released == 0
    }

    /// Bytes that wait, headers not counted.
    pub(super) fn buffered(&self) -> usize {
        self.frames.iter().map(|frame| frame.body.len()).sum()
    }

    /// Puts in a body of some kind, in as many frames as it takes; flags and end ride on the last.
    pub(super) fn put(&mut self, kind: Kind, flags: Flags, sense: Sense, body: &[u8]) {
        let mut pieces = body.chunks(self.body).peekable();
        if pieces.peek().is_none() {
            self.frames.push_back(Unsent { kind, flags, sense, body: Vec::new() });
        }
        while let Some(piece) = pieces.next() {
            // An end by error is told with each frame of it: the sense code must suit the flags.
            let flags = if pieces.peek().is_none() || kind == Kind::Error { flags } else { Flags::NONE };
            self.frames.push_back(Unsent { kind, flags, sense, body: piece.to_vec() });
        }
    }

    /// Puts in bytes of the stream; full frames are released.
    pub(super) fn put_data(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let open = self.open_data();
            let part = bytes.len().min(open.1 - open.0.body.len());
            open.0.body.extend_from_slice(&bytes[..part]);
            bytes = &bytes[part..];
            if self.frames.back().is_some_and(|last| last.body.len() == self.body) {
                self.release_all();
            }
        }
    }

    /// The last frame, if it takes more data, else a new one; and how long it may be.
    fn open_data(&mut self) -> (&mut Unsent, usize) {
        let unreleased = self.frames.len() > self.released;
        let takes = |last: &Unsent| {
            last.kind == Kind::Data && last.flags == Flags::NONE && last.body.len() < self.body
        };
        if !(unreleased && self.frames.back().is_some_and(takes)) {
            self.put(Kind::Data, Flags::NONE, Sense::NONE, &[]);
        }
        (self.frames.back_mut().expect("one was there or was put in"), self.body)
    }

    /// Adds indicators to the last unit, and releases everything.
    pub(super) fn put_flags(&mut self, flags: Flags) {
        let unreleased = self.frames.len() > self.released;
        match self.frames.back_mut() {
            Some(last) if unreleased && last.kind != Kind::Error && last.flags == Flags::NONE => {
                last.flags = flags;
            }
            _ => self.put(Kind::Data, flags, Sense::NONE, &[]),
        }
        self.release_all();
    }

    /// What is in the buffer may go.
    pub(super) fn release_all(&mut self) {
        self.released = self.frames.len();
    }

    /// What is in the buffer will not go.
    pub(super) fn drop_unsent(&mut self) {
        self.frames.clear();
        self.released = 0;
        self.records = Records::default();
    }

    /// Takes back indicators that have not gone: an error or abend comes instead.
    pub(super) fn strip_flags(&mut self) {
        for frame in self.frames.iter_mut().filter(|frame| frame.kind != Kind::Error) {
            frame.flags = Flags::NONE;
        }
    }

    /// The ATTACH is still in the buffer: the partner has heard of nothing.
    pub(super) fn holds_attach(&self) -> bool {
        self.posted == 0 && self.frames.iter().any(|frame| frame.kind == Kind::Attach)
    }

    /// An end without a question is in the buffer.
    pub(super) fn holds_end(&self) -> bool {
        self.frames.iter().any(|frame| frame.flags.ends())
    }

    /// Takes note of a grant.
    ///
    /// # Errors
    /// It is less than an earlier one.
    pub(super) fn grant(&mut self, granted: u32) -> Result<(), ()> {
        // Half the circle is ahead: no side can grant 2^31 frames at once.
        if granted.wrapping_sub(self.granted) > u32::MAX / 2 {
            return Err(());
        }
        self.granted = granted;
        Ok(())
    }

    /// The next frame that may be posted.
    pub(super) fn next(&mut self) -> Option<Unsent> {
        if let Some(kind) = self.next_expedited() {
            self.under_way.push(kind);
            return Some(Unsent { kind, flags: Flags::NONE, sense: Sense::NONE, body: Vec::new() });
        }
        // What answers or purges comes before the data behind it.
        let held = self.response.is_some() || self.purge.is_some();
        if held || self.released == 0 || self.posted == self.granted {
            return None;
        }
        self.released -= 1;
        self.posted = self.posted.wrapping_add(1);
        self.frames.pop_front()
    }

    fn next_expedited(&self) -> Option<Kind> {
        let due = [
            (Kind::Response, self.response.is_some()),
            (Kind::Purge, self.purge.is_some() && self.response.is_none()),
            (Kind::RequestToSend, self.request_to_send),
            (Kind::Credit, self.credit),
        ];
        due.into_iter().find(|(kind, due)| *due && !self.under_way.contains(kind)).map(|(kind, _)| kind)
    }

    /// The last SEND of that kind has completed.
    pub(super) fn sent(&mut self, kind: Kind) {
        self.under_way.retain(|other| *other != kind);
    }
}
