//! Multimedia file I/O for C: opening, reading, writing, and direct access (`qpair_mmio.h`).

pub mod chunks;
pub mod registry;

use crate::border::{Buffer, Bytes, IoProc, Out, Plain, Text, tell};
use crate::table::{Table, lock};
use qpair::ulp::file::{self, Advance, Code, Error, Flush, FourCc, Info, Mmio, OpenFlags, OpenInfo, Origin};
use std::os::fd::IntoRawFd;
use std::sync::{Arc, Mutex, TryLockError};

/// `MMIOINFO`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct MmioInfo {
    pub(crate) flags: u32,
    pub(crate) fourcc: u32,
    pub(crate) proc: Option<IoProc>,
    pub(crate) error: u32,
    pub(crate) task: usize,
    pub(crate) buffer_size: i32,
    pub(crate) buffer: usize,
    pub(crate) next: usize,
    pub(crate) end_read: usize,
    pub(crate) end_write: usize,
    pub(crate) buffer_offset: i32,
    pub(crate) disk_offset: i32,
    pub(crate) words: [u32; 3],
    pub(crate) reserved: [u32; 2],
    pub(crate) handle: usize,
}

/// Numbers and a pointer to a function, which the header allows to be NULL.
impl Plain for MmioInfo {}

/// A file that C has opened; `None` once it is closed.
type Opened = Mutex<Option<Mmio>>;

static OPEN: Mutex<Table<Opened>> = Mutex::new(Table::new(1));

const HANDLE_BUSY: Code = Code(12);
/// Flags of an open that ask for something that is not offered: PARSE, EXIST, GETTEMP.
const NOT_OFFERED: u32 = 0x100 | 0x4000 | 0x2_0000;
const FHOPEN: u32 = 0x10;
const EMPTYBUF: u32 = 0x10;
const RWMODE: u32 = 3;
/// What reads, writes and seeks answer when they fail.
const NO_COUNT: i32 = -1;

/// The number of an origin, as SEEK has it.
pub(crate) fn number_of(origin: Origin) -> isize {
    match origin {
        Origin::Start => 0,
        Origin::Current => 1,
        Origin::End => 2,
    }
}

/// Why a call failed: the library's error, or the code of what is wrong with the call.
#[derive(Debug)]
pub(crate) enum Failed {
    Library(Error),
    Here(&'static str, Code, &'static str),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl Failed {
    /// Tells it, and gives its number.
    #[cold]
    fn told(self) -> u32 {
        match self {
            Self::Library(error) => {
                tell(&error);
                error.code().0
            }
            Self::Here(call, code, why) => {
                tell(format_args!("{call}: {code}; {why}"));
                code.0
            }
        }
    }
}

fn told(result: Result<(), Failed>) -> u32 {
    result.map_or_else(Failed::told, |()| 0)
}

fn counted(result: Result<i32, Failed>) -> i32 {
    result.unwrap_or_else(|failed| {
        failed.told();
        NO_COUNT
    })
}

/// Carries out a call on an open file.
fn on<R>(
    call: &'static str,
    handle: usize,
    work: impl FnOnce(&mut Mmio) -> Result<R, Failed>,
) -> Result<R, Failed> {
    with_slot(call, handle, |slot| slot.as_mut().map(work))
        .and_then(|done| done.unwrap_or_else(|| closed(call)))
}

fn closed<R>(call: &'static str) -> Result<R, Failed> {
    Err(Failed::Here(call, Code::INVALID_HANDLE, "the handle is not one of an open file"))
}

fn with_slot<R>(
    call: &'static str,
    handle: usize,
    work: impl FnOnce(&mut Option<Mmio>) -> R,
) -> Result<R, Failed> {
    let found: Option<Arc<Opened>> = lock(&OPEN).get(handle);
    let Some(found) = found else { return closed(call) };
    match found.try_lock() {
        Ok(mut slot) => Ok(work(&mut slot)),
        Err(TryLockError::Poisoned(poisoned)) => Ok(work(&mut poisoned.into_inner())),
        Err(TryLockError::WouldBlock) => {
            let why =
                "another call on this handle is under way, in another thread or around an I/O procedure";
            Err(Failed::Here(call, HANDLE_BUSY, why))
        }
    }
}

fn wrong(call: &'static str, why: &'static str) -> Failed {
    Failed::Here(call, Code::INVALID_PARAMETER, why)
}

/// Opens or deletes a file; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioOpen(name: Text, mut info: Out<MmioInfo>, flags: u32) -> usize {
    let given = info.get();
    let opened = open(&name, &info, flags);
    let (handle, code) = match opened {
        Ok(handle) => (handle, 0),
        Err(failed) => (0, failed.told()),
    };
    if let Some(given) = given {
        info.put(MmioInfo { error: code, ..given });
    }
    handle
}

/// What a delete that succeeded gives instead of a handle.
const DELETED: usize = 1;

fn open(name: &Text, given: &Out<MmioInfo>, flags: u32) -> Result<usize, Failed> {
    const CALL: &str = "mmioOpen";
    let info = given.get().unwrap_or_default();
    if flags & NOT_OFFERED != 0 {
        return Err(wrong(CALL, "MMIO_PARSE, MMIO_EXIST and MMIO_GETTEMP are not offered"));
    }
    let fourcc = FourCc(info.fourcc);
    let text = match (name.is_null(), name.read()) {
        (false, Some(text)) => text,
        (true, _) => "",
        (false, None) => return Err(wrong(CALL, "the name is not UTF-8")),
    };
    let flags = OpenFlags(flags);
    if flags.contains(OpenFlags::DELETE) {
        return registry::delete(text, &info).map(|()| DELETED);
    }
    let size = usize::try_from(info.buffer_size).map_err(|_| wrong(CALL, "cchBuffer is negative"))?;
    let nameless = name.is_null() && info.proc.is_none() && fourcc == FourCc::NONE;
    let file = match nameless.then(|| given.file()) {
        Some(None) => {
            let why = "without a name, adwInfo[0] must be the number of an open file";
            return Err(Failed::Here(CALL, Code::CANNOT_OPEN, why));
        }
        found => found.flatten(),
    };
    let buffer = match given.buffer() {
        Some(lent) if !flags.contains(OpenFlags::ALLOCBUF) => file::Buffer::Lent(Box::new(lent)),
        _ => own(size, flags.contains(OpenFlags::ALLOCBUF) || fourcc == FourCc::MEM),
    };
    let procedure = info.proc.map(|procedure| Box::new(procedure) as Box<dyn file::Procedure>);
    let opening = OpenInfo { procedure, fourcc, buffer, words: info.words, file };
    let opened = Mmio::open(text, opening, flags)?;
    Ok(lock(&OPEN).insert(Mutex::new(Some(opened))))
}

/// A buffer of our own; of no bytes only where that means the default.
fn own(size: usize, may_be_default: bool) -> file::Buffer {
    if size > 0 || may_be_default { file::Buffer::Own(size) } else { file::Buffer::None }
}

/// Flushes and closes a file; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn mmioClose(handle: usize, flags: u32) -> u32 {
    const CALL: &str = "mmioClose";
    let closed = with_slot(CALL, handle, |slot| match slot.take() {
        Some(file) => match file.close(flags & FHOPEN != 0) {
            Ok(kept) => {
                let _number = kept.map(IntoRawFd::into_raw_fd); // the caller's again, who knows it
                Ok(())
            }
            Err(failed) => {
                *slot = Some(*failed.file); // it is still open
                Err(Failed::from(failed.error))
            }
        },
        None => closed(CALL),
    });
    let code = told(closed.and_then(|done| done));
    if code == 0 {
        lock(&OPEN).remove(handle);
    }
    code
}

/// Positions end here: LONG has 32 bits.
fn below_end(file: &Mmio, count: i32) -> usize {
    let left = i64::from(i32::MAX) - file.position();
    i64::from(count).min(left.max(0)) as usize
}

/// Reads; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioRead(handle: usize, mut into: Buffer, count: i32) -> i32 {
    const CALL: &str = "mmioRead";
    counted(on(CALL, handle, |file| {
        let into = into.room(count).ok_or(wrong(CALL, "pch is NULL, or cch negative"))?;
        let count = below_end(file, count);
        Ok(file.read(&mut into[..count])? as i32)
    }))
}

/// Writes; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioWrite(handle: usize, from: Bytes, count: i32) -> i32 {
    const CALL: &str = "mmioWrite";
    counted(on(CALL, handle, |file| {
        let from = from.read(count).ok_or(wrong(CALL, "pch is NULL, or cch negative"))?;
        let count = below_end(file, count);
        if count == 0 && !from.is_empty() {
            return Err(Failed::Here(CALL, Code::CANNOT_WRITE, "files of this face end at 2 GiB - 1"));
        }
        Ok(file.write(&from[..count])? as i32)
    }))
}

/// Goes to a position; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn mmioSeek(handle: usize, offset: i32, origin: i32) -> i32 {
    const CALL: &str = "mmioSeek";
    counted(on(CALL, handle, |file| {
        let origin = match origin {
            0 => Origin::Start,
            1 => Origin::Current,
            2 => Origin::End,
            _ => return Err(wrong(CALL, "the origin is none of SEEK_SET, SEEK_CUR, SEEK_END")),
        };
        let before = file.position();
        let position = file.seek(offset.into(), origin)?;
        if let Ok(position) = i32::try_from(position) {
            return Ok(position);
        }
        file.seek(before, Origin::Start)?;
        Err(Failed::Here(CALL, Code::CANNOT_SEEK, "positions of this face end at 2 GiB - 1"))
    }))
}

/// Writes the buffer back; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn mmioFlush(handle: usize, flags: u32) -> u32 {
    let then = if flags & EMPTYBUF != 0 { Flush::Empty } else { Flush::Keep };
    told(on("mmioFlush", handle, |file| Ok(file.flush(then)?)))
}

/// Gives the file another buffer; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioSetBuffer(handle: usize, buffer: Buffer, size: i32, _flags: u32) -> u32 {
    const CALL: &str = "mmioSetBuffer";
    told(on(CALL, handle, |file| {
        let size = usize::try_from(size).map_err(|_| wrong(CALL, "cch is negative"))?;
        let buffer = match buffer.lend(size) {
            Some(lent) if size > 0 => file::Buffer::Lent(Box::new(lent)),
            _ => own(size, false),
        };
        Ok(file.set_buffer(buffer)?)
    }))
}

/// What C is told of an open file.
fn info_of(file: &mut Mmio, handle: usize) -> Result<MmioInfo, Failed> {
    let info = file.info();
    let narrow = |position: i64| {
        i32::try_from(position).map_err(|_| wrong("mmioGetInfo", "a position is beyond 2 GiB - 1"))
    };
    let buffer = if info.buffer_size == 0 { 0 } else { file.buffer_mut().as_mut_ptr().expose_provenance() };
    let at = |place: usize| if buffer == 0 { 0 } else { buffer + place };
    Ok(MmioInfo {
        flags: info.flags.0,
        fourcc: info.fourcc.0,
        proc: None,
        buffer_size: narrow(info.buffer_size as i64)?,
        buffer,
        next: at(info.next),
        end_read: at(info.end_read),
        end_write: at(info.end_write),
        buffer_offset: narrow(info.buffer_offset)?,
        disk_offset: narrow(info.disk_offset)?,
        words: info.words,
        handle,
        ..MmioInfo::default()
    })
}

/// What C says of the buffer, as places in it; what is outside of it becomes a place that is refused.
fn places(file: &mut Mmio, info: &MmioInfo) -> Info {
    let buffer = file.buffer_mut().as_mut_ptr().addr();
    let place = |address: usize| address.wrapping_sub(buffer);
    Info {
        flags: OpenFlags(info.flags),
        next: place(info.next),
        end_read: place(info.end_read),
        end_write: place(info.end_write),
        ..file.info()
    }
}

/// Begins direct access; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioGetInfo(handle: usize, mut info: Out<MmioInfo>, _flags: u32) -> u32 {
    const CALL: &str = "mmioGetInfo";
    told(on(CALL, handle, |file| {
        if info.is_null() {
            return Err(wrong(CALL, "pmmioinfo is NULL"));
        }
        info.put(info_of(file, handle)?);
        Ok(())
    }))
}

/// Ends direct access; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioSetInfo(handle: usize, info: Out<MmioInfo>, _flags: u32) -> u32 {
    const CALL: &str = "mmioSetInfo";
    told(on(CALL, handle, |file| {
        let info = info.get().ok_or(wrong(CALL, "pmmioinfo is NULL"))?;
        let places = places(file, &info);
        Ok(file.set_info(&places)?)
    }))
}

/// Goes on to the next part of the file; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioAdvance(handle: usize, mut info: Out<MmioInfo>, flags: u32) -> u32 {
    const CALL: &str = "mmioAdvance";
    told(on(CALL, handle, |file| {
        let to = match flags & RWMODE {
            0 => Advance::Read,
            1 => Advance::Write,
            _ => return Err(wrong(CALL, "give MMIO_READ or MMIO_WRITE")),
        };
        let given = info.get();
        let mut places = given.map(|given| places(file, &given));
        let advanced = file.advance(places.as_mut(), to);
        if let Some(given) = given {
            info.put(MmioInfo { proc: given.proc, task: given.task, ..info_of(file, handle)? });
        }
        Ok(advanced?)
    }))
}
