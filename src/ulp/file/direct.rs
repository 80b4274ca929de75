//! Direct access: the program works in the buffer itself, and says what it did.

use super::mmio::{Kind, Mmio};
use super::{Buffer, Code, Error, Info, OpenFlags};

/// To which side the buffer of direct access is advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// The next part of the file is read into it.
    Read,
    /// It is empty behind what was written.
    Write,
}

impl Mmio {
    /// The state of the buffer (`mmioGetInfo`): direct access begins.
    pub fn info(&self) -> Info {
        let state = &self.state;
        let (mut flags, fourcc) = (state.flags, self.fourcc);
        let common = Info { fourcc, disk_offset: state.disk_offset, words: state.words, ..Info::default() };
        let Some(window) = &self.window else {
            flags.set(OpenFlags::ALLOCBUF, false);
            return Info { flags, ..common };
        };
        flags.set(OpenFlags::DIRTY, window.is_dirty());
        flags.set(OpenFlags::ALLOCBUF, window.own);
        Info {
            flags,
            buffer_size: window.bytes.len(),
            next: window.next,
            end_read: window.end_read,
            end_write: window.end_write,
            buffer_offset: window.offset,
            ..common
        }
    }

    /// The bytes of the buffer; none if there is none.
    pub fn buffer(&self) -> &[u8] {
        self.window.as_ref().map_or(&[], |window| &window.bytes)
    }

    /// The same, to write into between `next` and `end_write`.
    pub fn buffer_mut(&mut self) -> &mut [u8] {
        self.window.as_mut().map_or(&mut [], |window| &mut window.bytes)
    }

    /// Takes over what direct access did: `next`, `end_read`, `end_write` and DIRTY (`mmioSetInfo`).
    ///
    /// Without DIRTY what was written is not written back.
    ///
    /// # Errors
    /// `INVALID_PARAMETER`, and nothing changed: a place is outside of the buffer.
    pub fn set_info(&mut self, info: &Info) -> Result<(), Error> {
        self.take_over(info).map_err(|code| self.failed("mmioSetInfo", code))
    }

    fn take_over(&mut self, info: &Info) -> Result<(), Code> {
        let Some(window) = &mut self.window else { return Ok(()) };
        let dirty = info.flags.contains(OpenFlags::DIRTY);
        if window.set(info.next, info.end_read, info.end_write, dirty) {
            Ok(())
        } else {
            Err(Code::INVALID_PARAMETER)
        }
    }

    /// The next part of the file (`mmioAdvance`): what `info` says is taken over, and `info` made new.
    ///
    /// A dirty buffer is written back first. Afterwards DIRTY is clear: set it anew for each buffer. At the
    /// end of the file `next == end_read`, without an error.
    ///
    /// # Errors
    /// `UNBUFFERED`; `CANNOT_WRITE`, `CANNOT_READ`, `CANNOT_SEEK` of the procedure; of a memory file
    /// `CANNOT_EXPAND` where it is full and does not grow, `OUT_OF_MEMORY` where it cannot.
    pub fn advance(&mut self, mut info: Option<&mut Info>, to: Advance) -> Result<(), Error> {
        let advanced = self.advance_by(info.as_deref(), to);
        if let Some(info) = &mut info {
            **info = self.info();
        }
        advanced.map_err(|code| self.failed("mmioAdvance", code))
    }

    fn advance_by(&mut self, info: Option<&Info>, to: Advance) -> Result<(), Code> {
        info.map_or(Ok(()), |info| self.take_over(info))?;
        let Some(window) = &mut self.window else { return Err(Code::UNBUFFERED) };
        if let Kind::Memory { step } = self.kind {
            window.end_read =
                if to == Advance::Write { window.end_read.max(window.next) } else { window.end_read };
            if to == Advance::Read || window.next < window.end_write {
                return Ok(());
            }
            let more = if window.own { step } else { 0 };
            return if more == 0 {
                Err(Code::CANNOT_EXPAND)
            } else {
                window.grow_to(window.bytes.len() + more)
            };
        }
        match to {
            Advance::Read => {
                let next = window.end_of_read();
                self.write_back(false)?;
                self.place(next, Code::CANNOT_SEEK)?;
                self.fill(next).map(drop)
            }
            Advance::Write => {
                let next = window.position();
                self.empty_at(next)
            }
        }
    }

    /// Another buffer, at the same position (`mmioSetBuffer`); a memory file becomes another file, of which
    /// nothing is readable.
    ///
    /// # Errors
    /// `CANNOT_WRITE`: the old buffer cannot be written back, and stays with its content; `OUT_OF_MEMORY`.
    pub fn set_buffer(&mut self, buffer: Buffer) -> Result<(), Error> {
        self.exchange(buffer).map_err(|code| self.failed("mmioSetBuffer", code))
    }

    fn exchange(&mut self, buffer: Buffer) -> Result<(), Code> {
        let window = match buffer {
            Buffer::None => None, // whatever it was opened with
            buffer => self.make_window(buffer)?,
        };
        self.write_back(true)?;
        let position = self.position();
        if matches!(self.kind, Kind::Memory { .. }) {
            self.window = window;
            return Ok(());
        }
        match window {
            Some(mut window) => {
                window.empty_at(position);
                self.window = Some(window);
            }
            None => {
                self.place(position, Code::CANNOT_SEEK)?; // without a buffer the procedure's place is ours
                self.window = None;
            }
        }
        Ok(())
    }
}
