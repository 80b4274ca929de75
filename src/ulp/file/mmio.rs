//! A file behind its buffer: open, read, write, seek, direct access, flush, close.

use super::flags::DEFAULT_BUFFER;
use super::procedure::{FAILED, Message, Procedure, State};
use super::registry::{self, Maker, Served};
use super::system::SystemFile;
use super::window::{Bytes, Window};
use super::{Buffer, CloseError, Code, Error, FourCc, OpenFlags, OpenInfo, Origin};
use crate::observe::{self, Event};
use std::fmt;
use std::fs::File;
use std::mem::take;

/// An open file. Dropped, it is flushed and closed; what cannot be written then is lost, and traced.
pub struct Mmio {
    pub(super) kind: Kind,
    /// `None`: unbuffered.
    pub(super) window: Option<Window>,
    pub(super) state: State,
    pub(super) fourcc: FourCc,
    /// Closed, or given up: a drop does nothing.
    gone: bool,
    /// Keeps the procedure from being removed.
    _in_use: Option<Maker>,
}

pub(super) enum Kind {
    Procedure(Box<dyn Procedure>),
    /// The buffer is the file; it grows by `step` bytes at a time, or not at all.
    Memory {
        step: usize,
    },
}

/// The first number that is not one of `mmsystem.h`'s (`MMIOM_USER`).
const FIRST_USER_MESSAGE: u32 = 0x8000;

/// What a flush does with the buffer once it is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// It stays as it is.
    Keep,
    /// It is emptied; the position stays (`MMIO_EMPTYBUF`).
    Empty,
}

/// A procedure that was chosen, and its code.
pub(super) struct Chosen {
    pub(super) procedure: Served,
    fourcc: FourCc,
}

/// The procedure that is given, that the code names, or that the name asks for.
pub(super) fn open_procedure(
    given: Option<Box<dyn Procedure>>,
    fourcc: FourCc,
    name: &str,
) -> Result<Chosen, Code> {
    if let Some(procedure) = given {
        return Ok(Chosen { procedure: (procedure, None), fourcc });
    }
    let fourcc = if fourcc == FourCc::NONE { registry::code_of_name(name) } else { fourcc };
    let procedure = registry::by_code(fourcc).ok_or(Code::FILE_NOT_FOUND)?;
    Ok(Chosen { procedure, fourcc })
}

impl Mmio {
    /// Opens a file (`mmioOpen`); with [`OpenFlags::DELETE`] see [`delete`](Self::delete).
    ///
    /// # Errors
    /// The code of the procedure (`FILE_NOT_FOUND`, `PATH_NOT_FOUND`, `ACCESS_DENIED`, `CANNOT_OPEN`);
    /// `FILE_NOT_FOUND`: no procedure is installed for the code or the name; `OUT_OF_MEMORY`;
    /// `INVALID_PARAMETER`: DELETE, or a memory file that is to grow in the caller's buffer.
    pub fn open(name: &str, info: OpenInfo, flags: OpenFlags) -> Result<Self, Error> {
        let failed = |code, system| Error::new("mmioOpen", code, system);
        if flags.contains(OpenFlags::DELETE) {
            return Err(failed(Code::INVALID_PARAMETER, None));
        }
        if info.fourcc == FourCc::MEM && info.procedure.is_none() {
            return Self::open_memory(info, flags).map_err(|code| failed(code, None));
        }
        let OpenInfo { procedure, fourcc, buffer, words, file } = info;
        let mut state = State { flags, words, ..State::default() };
        let chosen = match file {
            Some(file) => {
                let position = std::io::Seek::stream_position(&mut &file);
                state.disk_offset = position.map_or(0, |at| at as i64); // a pipe has no position
                let procedure: Served = (Box::new(SystemFile::adopted(file)), None);
                Chosen { procedure, fourcc: FourCc::DOS }
            }
            None => open_procedure(procedure, fourcc, name).map_err(|code| failed(code, None))?,
        };
        let Chosen { procedure: (mut procedure, in_use), fourcc } = chosen;
        match procedure.message(&mut state, Message::Open { name }) {
            0 => {}
            code => return Err(failed(code_of(code, Code::CANNOT_OPEN), take(&mut state.system))),
        }
        let mut opened = Self {
            kind: Kind::Procedure(procedure),
            window: None,
            state,
            fourcc,
            gone: false,
            _in_use: in_use,
        };
        opened.window = opened.make_window(buffer).map_err(|code| failed(code, None))?;
        Ok(opened)
    }

    fn open_memory(info: OpenInfo, flags: OpenFlags) -> Result<Self, Code> {
        let step = info.words[0] as usize;
        let (bytes, own) = match info.buffer {
            Buffer::Given(_) | Buffer::Lent(_) if step > 0 => return Err(Code::INVALID_PARAMETER),
            Buffer::Given(bytes) => (bytes.into(), false),
            Buffer::Lent(owner) => (Bytes::Lent(owner), false),
            Buffer::Own(size) => (zeroed(size)?.into(), true),
            Buffer::None => (Bytes::default(), true),
        };
        let length = bytes.len();
        let mut window = Window::new(bytes, own, 0);
        if !flags.contains(OpenFlags::CREATE) {
            window.filled(0, length);
        }
        let state = State { flags, words: info.words, ..State::default() };
        let kind = Kind::Memory { step };
        Ok(Self { kind, window: Some(window), state, fourcc: FourCc::MEM, gone: false, _in_use: None })
    }

    /// Deletes the file of that name (`mmioOpen` with `MMIO_DELETE`).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn delete(name: &str, fourcc: FourCc) -> Result<(), Error> {
        let failed = |code, system| Error::new("mmioOpen", code, system);
        let chosen = open_procedure(None, fourcc, name).map_err(|code| failed(code, None))?;
        let (mut procedure, _in_use) = chosen.procedure;
        let mut state = State { flags: OpenFlags::DELETE, ..State::default() };
        match procedure.message(&mut state, Message::Open { name }) {
            0 => Ok(()),
            code => Err(failed(code_of(code, Code::CANNOT_OPEN), state.system)),
        }
    }

    pub(super) fn make_window(&self, buffer: Buffer) -> Result<Option<Window>, Code> {
        let position = self.state.disk_offset;
        let default = if self.state.flags.contains(OpenFlags::ALLOCBUF) { DEFAULT_BUFFER } else { 0 };
        let (bytes, own) = match buffer {
            Buffer::Given(bytes) => (bytes.into(), false),
            Buffer::Lent(owner) => (Bytes::Lent(owner), false),
            Buffer::None | Buffer::Own(0) => (zeroed(default)?.into(), true),
            Buffer::Own(size) => (zeroed(size)?.into(), true),
        };
        Ok((!bytes.is_empty()).then(|| Window::new(bytes, own, position)))
    }

    /// The position in the file.
    pub fn position(&self) -> i64 {
        self.window.as_ref().map_or(self.state.disk_offset, Window::position)
    }

    /// Goes to a position (`mmioSeek`); the new one.
    ///
    /// Inside of what the buffer holds nothing else happens; elsewhere a dirty buffer is written back first
    /// and is empty then. From the end it counts backwards. Behind the end it may succeed, and later
    /// reads and writes fail.
    ///
    /// # Errors
    /// `CANNOT_SEEK`: before the beginning, outside of a memory file, or refused by the procedure;
    /// `CANNOT_WRITE`: the buffer cannot be written back. The position stays.
    pub fn seek(&mut self, offset: i64, origin: Origin) -> Result<i64, Error> {
        self.seek_to(offset, origin).map_err(|code| self.failed("mmioSeek", code))
    }

    fn seek_to(&mut self, offset: i64, origin: Origin) -> Result<i64, Code> {
        let Some(window) = &mut self.window else { return self.ask_to_seek(offset, origin) };
        let target = match origin {
            Origin::Start => Some(offset),
            Origin::Current => window.position().checked_add(offset),
            Origin::End if matches!(self.kind, Kind::Memory { .. }) => {
                (window.end_read as i64).checked_sub(offset)
            }
            Origin::End => {
                self.write_back(false)?; // the end may lie in the buffer
                Some(self.ask_to_seek(offset, Origin::End)?)
            }
        };
        let target = target.filter(|target| *target >= 0).ok_or(Code::CANNOT_SEEK)?;
        let Some(window) = &mut self.window else { return Ok(target) };
        if let Kind::Memory { .. } = self.kind {
            let place = usize::try_from(target).ok().filter(|place| *place <= window.bytes.len());
            window.next = place.ok_or(Code::CANNOT_SEEK)?;
        } else if !window.move_to(target) {
            self.empty_at(target)?;
        }
        Ok(target)
    }

    fn ask_to_seek(&mut self, offset: i64, origin: Origin) -> Result<i64, Code> {
        let Kind::Procedure(procedure) = &mut self.kind else { return Err(Code::CANNOT_SEEK) };
        match procedure.message(&mut self.state, Message::Seek { offset, origin }) {
            FAILED => Err(Code::CANNOT_SEEK),
            position => Ok(position),
        }
    }

    /// Writes the buffer back if it was written to, all of it (`mmioFlush`).
    ///
    /// The procedure gets a seek to the beginning of the buffer and one write, which goes on to the medium
    /// where it can. Of an unbuffered file and of a memory file there is nothing to write back.
    ///
    /// # Errors
    /// `CANNOT_WRITE`: not all of it was written. The bytes, the position and DIRTY stay, and a later flush
    /// writes all of them.
    pub fn flush(&mut self, then: Flush) -> Result<(), Error> {
        self.write_back(true).map_err(|code| self.failed("mmioFlush", code))?;
        if let (Kind::Procedure(_), Some(window), Flush::Empty) = (&self.kind, &mut self.window, then) {
            window.empty_at(window.position());
        }
        Ok(())
    }

    /// Writes a dirty buffer back; it stays valid.
    pub(super) fn write_back(&mut self, to_medium: bool) -> Result<(), Code> {
        match &self.window {
            Some(window) if window.is_dirty() => {
                let offset = window.offset;
                if to_medium || self.state.disk_offset != offset {
                    self.place_anew(offset, Code::CANNOT_WRITE)?;
                }
            }
            _ => return Ok(()),
        }
        let (Kind::Procedure(procedure), Some(window)) = (&mut self.kind, &mut self.window) else {
            return Ok(());
        };
        let lacking = window.lacking();
        let message = if to_medium { Message::WriteFlush(lacking) } else { Message::Write(lacking) };
        let (length, answer) = (lacking.len(), procedure.message(&mut self.state, message));
        if counted(answer, length) != Some(length) {
            return Err(Code::CANNOT_WRITE);
        }
        window.clean();
        Ok(())
    }

    /// Writes the buffer back and empties it, for that position.
    pub(super) fn empty_at(&mut self, position: i64) -> Result<(), Code> {
        self.write_back(false)?;
        if let Some(window) = &mut self.window {
            window.empty_at(position);
        }
        Ok(())
    }

    /// Has the procedure at that position.
    pub(super) fn place(&mut self, position: i64, otherwise: Code) -> Result<(), Code> {
        if self.state.disk_offset == position { Ok(()) } else { self.place_anew(position, otherwise) }
    }

    fn place_anew(&mut self, offset: i64, otherwise: Code) -> Result<(), Code> {
        let Kind::Procedure(procedure) = &mut self.kind else { return Ok(()) };
        let answer = procedure.message(&mut self.state, Message::Seek { offset, origin: Origin::Start });
        if answer == offset { Ok(()) } else { Err(otherwise) }
    }

    /// Sends the procedure a message of its own (`mmioSendMessage`); its answer.
    ///
    /// # Errors
    /// `INVALID_PARAMETER`: `number` is below `MMIOM_USER` (0x8000), or the file is in memory.
    pub fn send_message(&mut self, number: u32, parameters: (i64, i64)) -> Result<i64, Error> {
        match &mut self.kind {
            Kind::Procedure(procedure) if number >= FIRST_USER_MESSAGE => {
                Ok(procedure.message(&mut self.state, Message::User { number, parameters }))
            }
            _ => Err(self.failed("mmioSendMessage", Code::INVALID_PARAMETER)),
        }
    }

    /// Flushes and closes (`mmioClose`); with `keep_open` (`MMIO_FHOPEN`) the system's file comes back.
    ///
    /// # Errors
    /// `CANNOT_WRITE`, or the procedure's code: the file is still open and comes back with the error.
    /// To give up what it holds, take DIRTY off by [`set_info`](Self::set_info) and close it then.
    pub fn close(mut self, keep_open: bool) -> Result<Option<File>, CloseError> {
        match self.end(keep_open) {
            Ok(kept) => Ok(kept),
            Err(error) => Err(CloseError { file: Box::new(self), error }),
        }
    }

    fn end(&mut self, keep_open: bool) -> Result<Option<File>, Error> {
        self.write_back(true).map_err(|code| self.failed("mmioClose", code))?;
        if keep_open {
            let position = self.position();
            self.place(position, Code::CANNOT_SEEK).map_err(|code| self.failed("mmioClose", code))?;
        }
        if let Kind::Procedure(procedure) = &mut self.kind {
            match procedure.message(&mut self.state, Message::Close { keep_open }) {
                0 => {}
                code => return Err(self.failed("mmioClose", code_of(code, Code::CANNOT_CLOSE))),
            }
        }
        self.gone = true;
        Ok(self.state.kept.take())
    }

    /// Gives up what the buffer holds; the procedure is closed.
    pub(super) fn forget(&mut self) {
        if let Some(window) = &mut self.window {
            window.clean();
        }
    }

    #[cold]
    pub(super) fn failed(&mut self, call: &'static str, code: Code) -> Error {
        Error::new(call, code, self.state.system.take())
    }
}

impl Drop for Mmio {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        let lost = self.window.as_ref().map_or(0, |window| window.lacking().len());
        if self.end(false).is_err() {
            observe::emit(Event::FileLost { bytes: lost });
        }
    }
}

impl fmt::Debug for Mmio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mmio").field("info", &self.info()).finish_non_exhaustive()
    }
}

/// The count that a procedure answered; `None`: it failed, or says more than there was.
pub(super) fn counted(answer: i64, at_most: usize) -> Option<usize> {
    usize::try_from(answer).ok().filter(|count| *count <= at_most)
}

/// The code that a procedure answered.
fn code_of(answer: i64, otherwise: Code) -> Code {
    u32::try_from(answer).map_or(otherwise, Code)
}

/// A buffer of that size.
pub(super) fn zeroed(size: usize) -> Result<Vec<u8>, Code> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| Code::OUT_OF_MEMORY)?;
    bytes.resize(size, 0);
    Ok(bytes)
}
