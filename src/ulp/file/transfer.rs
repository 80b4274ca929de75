//! Reads and writes, through the buffer or past it.

use super::mmio::{Kind, Mmio, counted};
use super::procedure::Message;
use super::{Code, Error};

/// How far a read has come.
enum Progress {
    Filled,
    Read(usize),
}

impl Mmio {
    /// Reads up to `into.len()` bytes (`mmioRead`); fewer at the end of the file, 0 behind it.
    ///
    /// # Errors
    /// `CANNOT_READ` if nothing could be read; `CANNOT_WRITE`: the dirty buffer must make room, and cannot.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            if let Some(window) = &mut self.window {
                count += window.read(&mut into[count..]);
            }
            if count == into.len() || matches!(self.kind, Kind::Memory { .. }) {
                return Ok(count);
            }
            match self.read_on(&mut into[count..]) {
                Ok(Progress::Filled) => {}
                Ok(Progress::Read(more)) => return Ok(count + more),
                Err(_) if count > 0 => return Ok(count), // what is there; the next read says why no more came
                Err(code) => return Err(self.failed("mmioRead", code)),
            }
        }
    }

    /// Fills the buffer, or reads what is more than it holds.
    fn read_on(&mut self, into: &mut [u8]) -> Result<Progress, Code> {
        let Some(window) = &self.window else { return self.read_direct(into).map(Progress::Read) };
        let (position, room) = (window.position(), window.bytes.len());
        self.write_back(false)?;
        self.place(position, Code::CANNOT_READ)?;
        if into.len() > room {
            let count = self.read_direct(into)?;
            if let Some(window) = &mut self.window {
                window.empty_at(position.saturating_add(count as i64));
            }
            return Ok(Progress::Read(count));
        }
        let filled = self.fill(position)?;
        Ok(if filled == 0 { Progress::Read(0) } else { Progress::Filled })
    }

    /// Reads the buffer full from that position, where the procedure is.
    pub(super) fn fill(&mut self, position: i64) -> Result<usize, Code> {
        let (Kind::Procedure(procedure), Some(window)) = (&mut self.kind, &mut self.window) else {
            return Ok(0);
        };
        window.empty_at(position);
        let answer = procedure.message(&mut self.state, Message::Read(&mut window.bytes));
        let count = counted(answer, window.bytes.len()).ok_or(Code::CANNOT_READ)?;
        window.filled(position, count);
        Ok(count)
    }

    fn read_direct(&mut self, into: &mut [u8]) -> Result<usize, Code> {
        let Kind::Procedure(procedure) = &mut self.kind else { return Ok(0) };
        let length = into.len();
        let answer = procedure.message(&mut self.state, Message::Read(into));
        counted(answer, length).ok_or(Code::CANNOT_READ)
    }

    /// Writes (`mmioWrite`): into the buffer, and on when it is full.
    ///
    /// Fewer bytes than were given say that the rest cannot be written now: the next call says why. A memory
    /// file that is full and does not grow takes fewer, or none, without an error.
    ///
    /// # Errors
    /// `CANNOT_WRITE`; `OUT_OF_MEMORY`: the memory file cannot grow. Nothing of this call was written.
    #[inline]
    pub fn write(&mut self, from: &[u8]) -> Result<usize, Error> {
        // Apart from the rest, so that a length that the caller knows is known to the copy.
        if let (Kind::Procedure(_), Some(window)) = (&self.kind, &mut self.window) {
            if window.write_all(from) {
                return Ok(from.len());
            }
        }
        self.write_on(from)
    }

    /// Writes what does not go into the buffer as a whole.
    fn write_on(&mut self, from: &[u8]) -> Result<usize, Error> {
        let mut written = self.window.as_mut().map_or(0, |window| window.write(from));
        while written < from.len() {
            match self.make_room(&from[written..]) {
                Ok(Room::Made) => {}
                Ok(Room::Written(more)) => return Ok(written + more),
                Err(_) if written > 0 => break, // what is in is in; the next write says why no more went
                Err(code) => return Err(self.failed("mmioWrite", code)),
            }
            if let Some(window) = &mut self.window {
                written += window.write(&from[written..]);
            }
        }
        if let (Kind::Memory { .. }, Some(window)) = (&self.kind, &mut self.window) {
            window.end_read = window.end_read.max(window.next);
        }
        Ok(written)
    }

    fn make_room(&mut self, from: &[u8]) -> Result<Room, Code> {
        match (&mut self.kind, &mut self.window) {
            (Kind::Memory { step }, Some(window)) => {
                let (step, have) = (*step, window.bytes.len());
                if step == 0 || !window.own {
                    return Ok(Room::Written(0));
                }
                let lacking = (window.next + from.len()).saturating_sub(have);
                let more = lacking.div_ceil(step).checked_mul(step);
                let size = more.and_then(|more| have.checked_add(more)).ok_or(Code::OUT_OF_MEMORY)?;
                window.grow_to(size)?;
                Ok(Room::Made)
            }
            (Kind::Procedure(procedure), None) => {
                let answer = procedure.message(&mut self.state, Message::Write(from));
                match counted(answer, from.len()).ok_or(Code::CANNOT_WRITE)? {
                    0 => Err(Code::CANNOT_WRITE),
                    count => Ok(Room::Written(count)),
                }
            }
            (_, Some(window)) => {
                let position = window.position();
                self.empty_at(position)?;
                Ok(Room::Made)
            }
            (Kind::Memory { .. }, None) => Ok(Room::Written(0)),
        }
    }
}

/// How room for the rest of a write was made.
enum Room {
    /// There is some in the buffer.
    Made,
    /// There is none, and so much went past it.
    Written(usize),
}
