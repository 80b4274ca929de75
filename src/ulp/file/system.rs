//! The standard file: the built-in procedure `DOS `, and the one place of this room that asks the system.
//!
//! It reads and writes at positions, so that a seek costs nothing. It syncs only if it was opened durable.

use super::{Code, FAILED, Message, OpenFlags, Procedure, State};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

#[derive(Debug, Default)]
pub(super) struct SystemFile {
    file: Option<File>,
}

impl SystemFile {
    /// An open file that the user has given.
    pub(super) fn adopted(file: File) -> Self {
        Self { file: Some(file) }
    }
}

impl Procedure for SystemFile {
    fn message(&mut self, state: &mut State, message: Message<'_>) -> i64 {
        let answer = match message {
            Message::Open { name } => return self.open(state, name),
            Message::Close { keep_open } => return self.close(state, keep_open),
            Message::Rename { old, new } => return code_of(state, old, fs::rename(old, new)),
            Message::Read(into) => self.read(state, into),
            Message::Write(from) => self.write(state, from),
            Message::WriteFlush(from) => self.write(state, from).and_then(|count| {
                if state.flags.contains(OpenFlags::DURABLE) && count == from.len() as i64 {
                    self.file()?.sync_data()?;
                }
                Ok(count)
            }),
            Message::Seek { offset, origin } => {
                state.seek(offset, origin, || Ok(self.file()?.metadata()?.len()))
            }
            Message::User { .. } => return FAILED,
        };
        state.answer(answer)
    }
}

impl SystemFile {
    fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("the file is not open"))
    }

    fn open(&mut self, state: &mut State, name: &str) -> i64 {
        if state.flags.contains(OpenFlags::DELETE) {
            return code_of(state, name, fs::remove_file(name));
        }
        if self.file.is_some() {
            return 0; // it was given
        }
        let (read, write) = match state.flags.access() {
            Ok(access) => access,
            Err(code) => return code.0.into(),
        };
        let create = state.flags.contains(OpenFlags::CREATE);
        let opened = OpenOptions::new()
            .read(read)
            .write(write || create)
            .create(create)
            .truncate(create)
            .open(name)
            .map(|file| self.file = Some(file));
        code_of(state, name, opened)
    }

    fn close(&mut self, state: &mut State, keep_open: bool) -> i64 {
        let Some(file) = self.file.take() else { return Code::CANNOT_CLOSE.0.into() };
        if keep_open {
            // Who works on with it finds the position that this side has reached.
            let placed = u64::try_from(state.disk_offset)
                .map_err(io::Error::other)
                .and_then(|offset| io::Seek::seek(&mut &file, io::SeekFrom::Start(offset)));
            state.kept = Some(file);
            if let Err(error) = placed {
                state.system = Some(error);
                return Code::CANNOT_SEEK.0.into();
            }
        }
        0
    }

    fn read(&self, state: &mut State, into: &mut [u8]) -> io::Result<i64> {
        let file = self.file()?;
        let mut count = 0;
        while count < into.len() {
            match read_at(file, &mut into[count..], state.disk_offset as u64) {
                Ok(0) => break,
                Ok(more) => {
                    count += more;
                    state.disk_offset += more as i64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if count == 0 => return Err(error),
                Err(error) => {
                    state.system = Some(error); // what was read is not lost; the next read fails
                    break;
                }
            }
        }
        Ok(count as i64)
    }

    /// Writes as much as the system takes; fewer bytes say that it has refused the rest.
    fn write(&self, state: &mut State, from: &[u8]) -> io::Result<i64> {
        let file = self.file()?;
        let mut count = 0;
        while count < from.len() {
            match write_at(file, &from[count..], state.disk_offset as u64) {
                Ok(0) => break,
                Ok(more) => {
                    count += more;
                    state.disk_offset += more as i64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    state.system = Some(error);
                    break;
                }
            }
        }
        Ok(count as i64)
    }
}

#[cfg(unix)]
use std::os::unix::fs::FileExt as _;
#[cfg(windows)]
use std::os::windows::fs::FileExt as _;

fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return file.read_at(into, at);
    #[cfg(windows)]
    return file.seek_read(into, at);
}

fn write_at(file: &File, from: &[u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return file.write_at(from, at);
    #[cfg(windows)]
    return file.seek_write(from, at);
}

/// 0, or the code of what the system said of that name.
fn code_of(state: &mut State, name: &str, result: io::Result<()>) -> i64 {
    let Err(error) = result else { return 0 };
    let folder = Path::new(name).parent().filter(|folder| !folder.as_os_str().is_empty());
    let code = match error.kind() {
        io::ErrorKind::NotFound if folder.is_some_and(|folder| !folder.is_dir()) => Code::PATH_NOT_FOUND,
        io::ErrorKind::NotFound => Code::FILE_NOT_FOUND,
        io::ErrorKind::PermissionDenied => Code::ACCESS_DENIED,
        _ => Code::CANNOT_OPEN,
    };
    state.system = Some(error);
    code.0.into()
}
