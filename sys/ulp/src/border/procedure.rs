//! I/O procedures that are C functions: messages become calls.

use crate::mmio::{MmioInfo, number_of};
use qpair::ulp::file::{FAILED, FourCc, Message, OpenFlags, Procedure, State};
use std::ffi::{CString, c_char};

/// A function of C that serves the messages of a file (`LPMMIOPROC`).
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct IoProc(unsafe extern "C" fn(*mut MmioInfo, u32, isize, isize) -> isize);

const MMIOM_READ: u32 = 0;
const MMIOM_WRITE: u32 = 1;
const MMIOM_SEEK: u32 = 2;
const MMIOM_OPEN: u32 = 3;
const MMIOM_CLOSE: u32 = 4;
const MMIOM_WRITEFLUSH: u32 = 5;
const MMIOM_RENAME: u32 = 6;
/// Flag of a close that leaves what is below open.
const MMIO_FHOPEN: isize = 0x10;

impl IoProc {
    /// What C is told of the file: the procedure's part of the structure.
    fn call(self, state: &mut State, message: u32, first: isize, second: isize) -> i64 {
        let mut info = MmioInfo {
            flags: state.flags.0,
            proc: Some(self),
            disk_offset: i32::try_from(state.disk_offset).unwrap_or(i32::MAX),
            words: state.words,
            ..MmioInfo::default()
        };
        // SAFETY: by the header the function was given by C for this purpose and stays callable as long as
        // it is installed or its file open. `info` lives across the call; what `first` and `second` point
        // to, by the message, does too, since the callers below borrow it meanwhile.
        let answer = unsafe { (self.0)(&raw mut info, message, first, second) };
        (state.flags, state.disk_offset) = (OpenFlags(info.flags), info.disk_offset.into());
        state.words = info.words;
        answer as i64
    }

    /// The same with names, which must be such that C can read them.
    fn named(self, state: &mut State, message: u32, names: [&str; 2]) -> i64 {
        let [Ok(first), Ok(second)] = names.map(CString::new) else { return FAILED };
        let address = |name: &CString| name.as_ptr().cast::<c_char>().expose_provenance() as isize;
        let second_address = if names[1].is_empty() { 0 } else { address(&second) };
        self.call(state, message, address(&first), second_address)
    }
}

impl Procedure for IoProc {
    fn message(&mut self, state: &mut State, message: Message<'_>) -> i64 {
        match message {
            Message::Read(into) => {
                let at = into.as_mut_ptr().expose_provenance() as isize;
                self.call(state, MMIOM_READ, at, into.len() as isize)
            }
            Message::Write(from) => {
                let at = from.as_ptr().expose_provenance() as isize;
                self.call(state, MMIOM_WRITE, at, from.len() as isize)
            }
            Message::WriteFlush(from) => {
                let at = from.as_ptr().expose_provenance() as isize;
                self.call(state, MMIOM_WRITEFLUSH, at, from.len() as isize)
            }
            Message::Seek { offset, origin } => match isize::try_from(offset) {
                Ok(offset) => self.call(state, MMIOM_SEEK, offset, number_of(origin)),
                Err(_) => FAILED,
            },
            Message::Open { name } => self.named(state, MMIOM_OPEN, [name, ""]),
            Message::Close { keep_open } => {
                self.call(state, MMIOM_CLOSE, if keep_open { MMIO_FHOPEN } else { 0 }, 0)
            }
            Message::Rename { old, new } => self.named(state, MMIOM_RENAME, [old, new]),
            Message::User { number, parameters: (first, second) } => {
                self.call(state, number, first as isize, second as isize)
            }
            _ => FAILED,
        }
    }
}

impl IoProc {
    /// Has the file of that name deleted; 0 or a code.
    pub(crate) fn delete(mut self, name: &str, words: [u32; 3]) -> i64 {
        let mut state = State { flags: OpenFlags::DELETE, words, ..State::default() };
        self.message(&mut state, Message::Open { name })
    }

    /// Has a file renamed; 0 or a code.
    pub(crate) fn rename(mut self, old: &str, new: &str) -> i64 {
        self.message(&mut State::default(), Message::Rename { old, new })
    }
}

/// Who makes the procedures of files of that code.
pub(crate) type Installed = (FourCc, IoProc);
