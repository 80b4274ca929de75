//! What a request offers to the peer's next receive.

use super::copy::{EntryList, copy_piece, hold, remote_at, with_views};
use super::{Outcome, local_protection, scatter_source, with_source};
use crate::host::Host;
use crate::memory::{Denied, LocalAccess, RemoteAccess, View};
use crate::work::{
    CompletionFlags, CompletionKind, Detail, Opcode, ReceiveRequest, RequestFlags, SendRequest, Status,
};

/// A send, or a write with immediate, on its way to a receive.
#[derive(Debug)]
pub(crate) struct Message<'m> {
    pub(crate) request: &'m SendRequest,
    pub(crate) words: &'m [u64; 7],
    pub(crate) side: &'m [u64],
    /// Bytes moved so far, into the receive of ticket `receive`.
    pub(crate) progress: u64,
    pub(crate) receive: u64,
    /// Bytes that may move in one piece.
    pub(crate) piece: u64,
    /// How the request ended for its sender, once it has.
    pub(crate) ended: Option<Outcome>,
    /// A piece has been copied and more is left.
    pub(crate) partly: bool,
}

/// What a message came to at a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The receive completes so.
    Receive(Outcome),
    /// The receive stays: a piece was copied and more is to come, or the fault is the sender's.
    Stays,
}

impl Message<'_> {
    /// Takes part in nothing any more: it ended, or its piece is copied.
    pub(crate) fn is_served(&self) -> bool {
        self.ended.is_some() || self.partly
    }

    /// The kind of the receive's completion.
    pub(crate) fn kind(&self) -> CompletionKind {
        match self.request.opcode {
            Opcode::WriteWithImmediate => CompletionKind::ReceiveWrite,
            _ => CompletionKind::Receive,
        }
    }

    /// The flags of the receive's completion.
    pub(crate) fn flags(&self) -> CompletionFlags {
        let carried = match self.request.opcode {
            Opcode::SendWithImmediate | Opcode::WriteWithImmediate => CompletionFlags::IMMEDIATE,
            Opcode::SendWithInvalidate => CompletionFlags::INVALIDATED,
            _ => CompletionFlags::NONE,
        };
        let solicited = self.request.flags.contains(RequestFlags::SOLICITED);
        if solicited { carried | CompletionFlags::SOLICITED } else { carried }
    }

    /// The receive that it came to has failed with `status`: ends it as that error ends its sender.
    #[cold]
    pub(crate) fn fail(&mut self, status: Status) {
        let of_sender = match status {
            Status::LocalLength => Status::RemoteInvalidRequest,
            _ => Status::RemoteOperation,
        };
        self.ended = Some(Outcome::failure(of_sender, Detail::None));
    }

    /// Delivers the next piece into the receive of that ticket.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        ticket: u64,
        receive: &ReceiveRequest,
        side: &[u64],
        (here, there): (&impl Host, &impl Host),
    ) -> Delivered {
        if self.receive != ticket {
            // The receive that took earlier pieces was flushed: the message begins again in this one.
            self.receive = ticket;
            self.progress = 0;
        }
        let length = u64::from(self.request.length);
        let moved = match self.request.opcode {
            Opcode::WriteWithImmediate => self.write_piece(here, there),
            _ => self.send_piece(receive, side, here, there),
        };
        let moved = match moved {
            Ok(moved) => moved,
            Err(refusal) => return self.refuse(refusal),
        };
        self.progress = moved;
        if moved < length {
            self.partly = true;
            return Delivered::Stays;
        }
        self.ended = Some(Outcome::success(self.request.length));
        Delivered::Receive(Outcome::success(self.request.length))
    }

    fn send_piece(
        &self,
        receive: &ReceiveRequest,
        side: &[u64],
        here: &impl Host,
        there: &impl Host,
    ) -> Result<u64, Refusal> {
        let length = u64::from(self.request.length);
        let list = EntryList::of_receive(receive, side);
        let copied = with_source(self.request, self.side, self.words, here, |sources| {
            if length > receive.length {
                return Err(Refusal::TooLong);
            }
            let copy = |sinks: &[View<'_>]| {
                if self.invalidates() {
                    if !hold(sources, sinks, length) {
                        return Ok(None); // the receive's memory is asked for again, maybe by this very key
                    }
                    // With the last piece, and before it: a refusal has not touched the receive's bytes.
                    self.invalidate(there)?;
                }
                Ok(copy_piece(sources, sinks, length, self.progress, self.piece))
            };
            with_views(list, there, LocalAccess::Write, copy).map_err(Refusal::ReceiveMemory)?
        });
        match copied.map_err(Refusal::SourceMemory)?? {
            Some(moved) => Ok(moved),
            None => {
                let sink = |at| list.at(at, there, LocalAccess::Write).map_err(Refusal::ReceiveMemory);
                let moved = self.scatter(here, &sink)?;
                if self.invalidates() {
                    self.invalidate(there)?;
                }
                Ok(moved)
            }
        }
    }

    fn write_piece(&self, here: &impl Host, there: &impl Host) -> Result<u64, Refusal> {
        let (request, length) = (self.request, u64::from(self.request.length));
        let copied = with_source(request, self.side, self.words, here, |sources| {
            let sink = there
                .remote(request.rkey, request.remote_address, request.length, RemoteAccess::Write)
                .map_err(Refusal::RemoteMemory)?;
            Ok(copy_piece(sources, &[sink.view()], length, self.progress, self.piece))
        });
        match copied.map_err(Refusal::SourceMemory)?? {
            Some(moved) => Ok(moved),
            None => {
                let sink =
                    |at| remote_at(request, there, RemoteAccess::Write, at).map_err(Refusal::RemoteMemory);
                self.scatter(here, &sink)
            }
        }
    }

    /// A piece that was granted, and whose bytes do not lie together on some side.
    #[cold]
    fn scatter<'v>(
        &self,
        here: &impl Host,
        sink: &dyn Fn(u64) -> Result<View<'v>, Refusal>,
    ) -> Result<u64, Refusal> {
        let sink = (sink, Refusal::SourceMemory as fn(Denied) -> Refusal);
        scatter_source(self.request, self.side, self.words, here, sink, self.progress, self.piece)
    }

    /// An invalidation comes with the piece that is next, the last one.
    #[inline]
    fn invalidates(&self) -> bool {
        self.request.opcode == Opcode::SendWithInvalidate
            && u64::from(self.request.length) - self.progress <= self.piece
    }

    fn invalidate(&self, there: &impl Host) -> Result<(), Refusal> {
        there.invalidate(crate::work::Key(self.request.immediate_or_key)).map_err(Refusal::Invalidate)
    }

    /// The field's error on both sides (IBTA 9.9.2 and 9.9.3; the sender's by ndkpi.md Q-34).
    fn refuse(&mut self, refusal: Refusal) -> Delivered {
        let (sender, receiver) = match refusal {
            Refusal::TooLong => (
                Outcome::failure(Status::RemoteInvalidRequest, Detail::ReceiveTooSmall),
                Some(Outcome::failure(Status::LocalLength, Detail::ReceiveTooSmall)),
            ),
            Refusal::ReceiveMemory(denied) => (
                Outcome::failure(Status::RemoteOperation, denied.detail()),
                Some(Outcome::failure(Status::LocalProtection, denied.detail())),
            ),
            Refusal::SourceMemory(denied) => (local_protection(denied), None),
            Refusal::RemoteMemory(denied) => (Outcome::failure(Status::RemoteAccess, denied.detail()), None),
            Refusal::Invalidate(detail) => (Outcome::failure(Status::RemoteAccess, detail), None),
        };
        self.ended = Some(sender);
        receiver.map_or(Delivered::Stays, Delivered::Receive)
    }
}

/// Why a message does not get into a receive.
#[repr(align(8))] // a word, as `Outcome` is
enum Refusal {
    TooLong,
    SourceMemory(Denied),
    ReceiveMemory(Denied),
    RemoteMemory(Denied),
    Invalidate(Detail),
}
