//! What stands behind a file: an I/O procedure, which is sent messages.

use super::{OpenFlags, Origin};
use std::fs::File;
use std::io;

/// A message that cannot be served is answered with -1.
pub const FAILED: i64 = -1;

/// What a procedure is asked to do (`MMIOM_*`).
#[derive(Debug)]
#[non_exhaustive]
pub enum Message<'m> {
    /// Read from the disk offset on; the count read, 0 at the end. Moves the disk offset.
    Read(&'m mut [u8]),
    /// Write at the disk offset; the count written. Moves the disk offset.
    Write(&'m [u8]),
    /// The same, and have the procedure's own buffers go to the medium.
    WriteFlush(&'m [u8]),
    /// Move the disk offset; the new one.
    Seek {
        /// How far.
        offset: i64,
        /// From where.
        origin: Origin,
    },
    /// Open the file of that name by the flags, or delete it; 0 or a code.
    Open {
        /// The whole name, as it was given.
        name: &'m str,
    },
    /// Close; 0 or a code.
    Close {
        /// Leave what is below open (`MMIO_FHOPEN`).
        keep_open: bool,
    },
    /// Rename a file; 0 or a code.
    Rename {
        /// Its name.
        old: &'m str,
        /// The name it shall have.
        new: &'m str,
    },
    /// A message of the procedure's own, from `MMIOM_USER` (0x8000) on.
    User {
        /// Which.
        number: u32,
        /// What it means is the procedure's.
        parameters: (i64, i64),
    },
}

/// What a procedure keeps with the file.
#[derive(Debug, Default)]
pub struct State {
    /// How the file is opened.
    pub flags: OpenFlags,
    /// Position of the next read or write; the procedure moves it, and it is believed.
    pub disk_offset: i64,
    /// Words that are the procedure's own.
    pub words: [u32; 3],
    /// What the system said last, for the source of an error.
    pub system: Option<io::Error>,
    /// An open file left by a close that was to keep it.
    pub kept: Option<File>,
}

impl State {
    /// What a procedure answers: a count or position, or [`FAILED`] with what the system said.
    pub(super) fn answer(&mut self, answer: io::Result<i64>) -> i64 {
        answer.unwrap_or_else(|error| {
            self.system = Some(error);
            FAILED
        })
    }

    /// Moves the disk offset as a seek asks, in a file of that size; the new one.
    ///
    /// # Errors
    /// That of the size; the position would be before the beginning, or cannot be said.
    pub(super) fn seek(
        &mut self,
        offset: i64,
        origin: Origin,
        size: impl FnOnce() -> io::Result<u64>,
    ) -> io::Result<i64> {
        let target = match origin {
            Origin::Start => Some(offset),
            Origin::Current => self.disk_offset.checked_add(offset),
            Origin::End => i64::try_from(size()?).ok().and_then(|size| size.checked_sub(offset)),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "the position is before the beginning");
        let target = target.filter(|target| *target >= 0).ok_or_else(outside)?;
        self.disk_offset = target;
        Ok(target)
    }
}

/// An I/O procedure: one for each open file.
///
/// Its answer is a count or a position, or [`FAILED`]; for open, close and rename 0 or a
/// [`Code`](super::Code)'s number.
pub trait Procedure: Send {
    /// Serves one message.
    fn message(&mut self, state: &mut State, message: Message<'_>) -> i64;
}

impl<F: FnMut(&mut State, Message<'_>) -> i64 + Send> Procedure for F {
    fn message(&mut self, state: &mut State, message: Message<'_>) -> i64 {
        self(state, message)
    }
}
