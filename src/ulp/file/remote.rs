//! Files that are regions of a peer: the I/O procedure `RDMA`.
//!
//! | message | is |
//! |---|---|
//! | OPEN | connect; the answer tells length and key |
//! | READ, WRITE | RDMA READ, RDMA WRITE, waited for |
//! | WRITEFLUSH | RDMA WRITE, then RDMA FLUSH to persistence of all that was written since the last one |
//! | SEEK | nothing of the peer's |
//! | CLOSE | the flush of what a spill has written since the last one, then parting |
//!
//! So a flush that has written something back and returns says that a crash of the peer loses none of what
//! was written before (MMIO-32). What was written and not flushed stays here too. If a request fails, the
//! message fails and the connection is gone; the next message makes another and first writes anew what is not
//! stable. So neither an error of the peer's disk nor its crash loses what is still held.
//!
//! Ranges are flushed one by one, and never what lies between them: after an error a range is in doubt until
//! it was written again, and only what is held here can be.

use super::held::Held;
use super::procedure::{Message, Procedure, State};
use super::{Code, FAILED, FourCc, OpenFlags, install};
use crate::ndk::Adapter;
use crate::planted::planted;
use crate::ulp::region::{Connection, Refusal, RegionError, RegionLink};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Bytes that a file can have written without a flush, if nothing is said.
const HELD: usize = 1 << 20;
/// Bytes that are read at a time.
const READ: usize = 1 << 16;
/// The user message by which a file forgets what it holds and has not flushed (`MMIOM_USER`).
///
/// For who gives a file up whose peer is gone for ever: the close has nothing to flush then. The answer is
/// the number of bytes that were forgotten.
pub const FORGET_HELD: u32 = 0x8000;

/// Opens regions of peers as files, by names like `10.0.0.1:5000/records.rdma+`.
///
/// The name is the address of a [`RegionServer`](crate::ulp::region::RegionServer), a slash, and the name of
/// one of its regions up to the last `+`, if there is one. Cloning gives another handle.
///
/// ```
/// # #[cfg(all(feature = "storage", unix))] {
/// use qpair::ndk::Adapter;
/// use qpair::ndk::ext::{FileStorage, StorageChoice};
/// use qpair::ulp::file::{Buffer, Flush, Mmio, OpenFlags, OpenInfo, RegionFiles};
/// use qpair::ulp::region::RegionServer;
/// use std::sync::Arc;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = Arc::new(Adapter::open("local/docs-region-file")?);
/// let server = RegionServer::listen(Arc::clone(&adapter), adapter.addresses()[0])?;
/// let path = std::env::temp_dir().join("qpair-region-example");
/// let storage = FileStorage::open(StorageChoice::Automatic)?;
/// let memory = storage.memory(&path, 4096).force_persistence().open()?; // the folder may be a tmpfs
/// server.offer("records.rdma", memory)?;
///
/// let files = RegionFiles::new(adapter);
/// let name = format!("{}/records.rdma+", server.address());
/// let procedure = Some(Box::new(files.procedure()) as _);
/// let info = OpenInfo { procedure, buffer: Buffer::Own(8192), ..OpenInfo::default() };
/// let mut file = Mmio::open(&name, info, OpenFlags::READWRITE)?;
/// file.write(b"held back")?;
/// file.flush(Flush::Keep)?; // from here on a crash of the server's machine does not lose it
/// assert!(std::fs::read(&path)?.starts_with(b"held back"));
/// # file.close(false)?;
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// # main().unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct RegionFiles {
    adapter: Arc<Adapter>,
    held: usize,
}

impl RegionFiles {
    /// Files by way of that adapter.
    pub fn new(adapter: impl Into<Arc<Adapter>>) -> Self {
        Self { adapter: adapter.into(), held: HELD }
    }

    /// Bytes that each file can have written without a flush; at least 1. Default 1 MiB.
    ///
    /// More are flushed early, since this side keeps them until they are stable.
    pub fn holding(self, bytes: usize) -> Self {
        Self { held: bytes.max(1), ..self }
    }

    /// The procedure of one file, for [`OpenInfo`](super::OpenInfo).
    pub fn procedure(&self) -> RegionFile {
        RegionFile { files: self.clone(), open: None }
    }

    /// Has names with the extension `rdma`, and the code [`FourCc::RDMA`], mean such files from now on.
    ///
    /// # Errors
    /// As [`install`].
    pub fn install(&self) -> Result<(), super::Error> {
        let files = self.clone();
        install(FourCc::RDMA, move || files.procedure())
    }
}

impl fmt::Debug for RegionFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionFiles").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

/// The procedure of one file.
#[derive(Debug)]
pub struct RegionFile {
    files: RegionFiles,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    link: RegionLink,
    /// May be read; may be written.
    access: (bool, bool),
    /// As the peer said last.
    length: u64,
    held: Held,
}

impl Procedure for RegionFile {
    fn message(&mut self, state: &mut State, message: Message<'_>) -> i64 {
        match message {
            Message::Open { name } => self.open(state, name),
            Message::Close { .. } => self.close(state),
            Message::Rename { .. } => refused(state, "a region is named by who offers it"),
            Message::User { number: FORGET_HELD, .. } => self.forget_held(),
            Message::User { .. } => FAILED,
            Message::Read(into) => self.on(state, |open, state| open.read(state, into)),
            Message::Write(from) => self.on(state, |open, state| open.write(state, from)),
            Message::WriteFlush(from) => self.on(state, |open, state| {
                let count = open.write(state, from)?;
                if count == from.len() as i64 {
                    open.flush()?;
                }
                Ok(count)
            }),
            Message::Seek { offset, origin } => {
                self.on(state, |open, state| state.seek(offset, origin, || Ok(open.length)))
            }
        }
    }
}

/// The system's part of a refusal, and its code.
fn refused(state: &mut State, why: &'static str) -> i64 {
    state.system = Some(io::Error::new(io::ErrorKind::Unsupported, why));
    Code::CANNOT_OPEN.0.into()
}

impl RegionFile {
    fn on(&mut self, state: &mut State, work: impl FnOnce(&mut Open, &mut State) -> io::Result<i64>) -> i64 {
        let answer = match &mut self.open {
            Some(open) => work(open, state),
            None => Err(io::Error::other("the file is not open")),
        };
        state.answer(answer)
    }

    fn open(&mut self, state: &mut State, name: &str) -> i64 {
        if state.flags.contains(OpenFlags::DELETE) || state.flags.contains(OpenFlags::CREATE) {
            return refused(state, "a region is made and withdrawn by who offers it, and does not grow");
        }
        let access = match state.flags.access() {
            Ok(access) => access,
            Err(code) => return code.0.into(),
        };
        let Some((address, region)) = parsed(name) else {
            return refused(
                state,
                "the name of a region is ADDRESS:PORT/REGION, with or without + behind it",
            );
        };
        let held = match Held::new(self.files.held) {
            Ok(held) => held,
            Err(error) => {
                state.system = Some(io::Error::new(io::ErrorKind::OutOfMemory, error));
                return Code::CANNOT_OPEN.0.into();
            }
        };
        match RegionLink::connect(Arc::clone(&self.files.adapter), address, region) {
            Ok(link) => {
                let length = length_of(&link.connection());
                self.open = Some(Open { link, access, length, held });
                0
            }
            Err(error) => {
                let code = code_of(&error);
                state.system = Some(io::Error::other(error));
                code.0.into()
            }
        }
    }

    fn close(&mut self, state: &mut State) -> i64 {
        let Some(open) = &mut self.open else { return Code::CANNOT_CLOSE.0.into() };
        if let Err(error) = open.flush() {
            state.system = Some(error);
            return Code::CANNOT_WRITE.0.into();
        }
        self.open = None;
        0
    }

    fn forget_held(&mut self) -> i64 {
        let Some(open) = &mut self.open else { return 0 };
        let held = open.held.length();
        open.held.clear();
        held as i64
    }
}

/// Address and region of a name.
fn parsed(name: &str) -> Option<(SocketAddr, &str)> {
    let (address, region) = name.split_once('/')?;
    let region = region.rsplit_once('+').map_or(region, |(region, _element)| region);
    Some((address.parse().ok()?, region))
}

fn code_of(error: &RegionError) -> Code {
    match error {
        RegionError::Refused { refusal: Refusal::Unknown, .. } => Code::FILE_NOT_FOUND,
        _ => Code::CANNOT_OPEN,
    }
}

/// Bytes of a file: those of the first region; others there may be are not its.
fn length_of(connection: &Connection) -> u64 {
    connection.length(0).unwrap_or_default()
}

impl Open {
    /// Does something over the connection; of a new one, after all that the peer may have lost.
    fn over_link<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, RegionError>) -> io::Result<T> {
        let mended = self.link.mend(|fresh| {
            self.length = length_of(fresh);
            self.held.pieces().iter().try_for_each(|piece| fresh.write(0, piece.at, self.held.bytes(piece)))
        });
        let done = mended.and_then(|held_is_there| {
            held_is_there?;
            work(&self.link.connection())
        });
        done.map_err(io::Error::other)
    }

    fn read(&mut self, state: &mut State, into: &mut [u8]) -> io::Result<i64> {
        if !self.access.0 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is open for writing only"));
        }
        let mut count = 0;
        while count < into.len() {
            let at = state.disk_offset as u64;
            let length = self.below_end(at, (into.len() - count).min(READ));
            if length == 0 {
                break;
            }
            match self.over_link(|connection| connection.read(0, at..at + length as u64)) {
                Ok(read) => into[count..count + length].copy_from_slice(&read),
                Err(error) if count == 0 => return Err(error),
                Err(error) => {
                    state.system = Some(error); // what was read is not lost; the next read fails
                    break;
                }
            }
            count += length;
            state.disk_offset += length as i64;
        }
        Ok(count as i64)
    }

    /// As many of so many bytes as the region has from there on.
    fn below_end(&self, at: u64, length: usize) -> usize {
        usize::try_from(self.length.saturating_sub(at)).map_or(length, |left| left.min(length))
    }

    /// Writes as much as there is room for in the region; fewer bytes say that the rest was refused.
    fn write(&mut self, state: &mut State, from: &[u8]) -> io::Result<i64> {
        if !self.access.1 {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is open for reading only"));
        }
        let mut count = 0;
        while count < from.len() {
            let at = state.disk_offset as u64;
            let written = match self.below_end(at, from.len() - count) {
                0 => {
                    Err(io::Error::new(io::ErrorKind::StorageFull, "the region ends here, and does not grow"))
                }
                left => self.write_some(&from[count..count + left], at),
            };
            match written {
                Ok(length) => {
                    count += length;
                    state.disk_offset += length as i64;
                }
                Err(error) => {
                    state.system = Some(error);
                    break;
                }
            }
        }
        Ok(count as i64)
    }

    /// Writes and holds as much as can be held.
    fn write_some(&mut self, from: &[u8], at: u64) -> io::Result<usize> {
        if self.held.room(at) == 0 {
            self.flush()?;
        }
        let length = from.len().min(self.held.room(at));
        let from = &from[..length];
        let written = self.over_link(|connection| connection.write(0, at, from));
        written.map(|()| {
            self.held.add(at, from); // else they are not counted, so the caller still has them
            length
        })
    }

    /// Has the peer make all that is held survive a crash.
    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() || planted!(RegionNotFlushed, "a flush of a remote file is a write only") {
            return Ok(());
        }
        let ranges: Vec<_> = self.held.pieces().iter().map(|piece| piece.range()).collect();
        self.over_link(|connection| connection.flush(0, &ranges))?;
        self.held.clear();
        Ok(())
    }
}
