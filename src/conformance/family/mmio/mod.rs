//! The statements about multimedia file I/O, on a disk that says what it was asked and can be full.
//!
//! May come in: checks of `ulp::file` by their numbers. Not here: what is no statement, which stands in that
//! room's own tests.

mod chunks;
mod flushing;
mod memory;
mod opening;
#[cfg(all(feature = "storage", unix))]
mod remote;

use super::{D, E, I, Plain, Statement, holds, same};
use crate::ulp::file::disk::Disk;
use crate::ulp::file::*;
use std::error::Error as AnyError;

/// Why MMIO-32 has no check without the feature `storage`.
#[cfg(not(all(feature = "storage", unix)))]
const NO_DISK: &str = "memory of files, and a disk that forgets, come with the feature storage, on Unix";

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::plain("MMIO-1", D, "a flush of a buffer not written to does no I/O", flushing::mmio_1),
    Statement::plain(
        "MMIO-2",
        D,
        "after a flush another reader of the file sees the bytes, and DIRTY is clear",
        flushing::mmio_2,
    ),
    Statement::plain(
        "MMIO-3",
        D,
        "a flush that cannot write all of the buffer is MMIOERR_CANNOTWRITE",
        flushing::mmio_3_4,
    ),
    Statement::plain(
        "MMIO-4",
        I,
        "position, bytes and DIRTY outlive a failed flush, and a later one writes all",
        flushing::mmio_3_4,
    ),
    Statement::plain(
        "MMIO-5",
        D,
        "on a full disk writes into the buffer succeed; flush, close and advance fail",
        full_disk,
    ),
    Statement::plain("MMIO-6", D, "EMPTYBUF empties the buffer and keeps the position", flushing::mmio_6),
    Statement::plain("MMIO-7", D, "a close writes a dirty buffer back", flushing::mmio_7_8),
    Statement::plain(
        "MMIO-8",
        I,
        "a close that cannot flush is CANNOTWRITE, and the file is still open",
        flushing::mmio_7_8,
    ),
    Statement::plain("MMIO-9", I, "moving back in the buffer before a flush loses nothing", flushing::mmio_9),
    Statement::plain("MMIO-10", D, "a buffer that cannot be flushed is not exchanged", flushing::mmio_10),
    Statement::plain(
        "MMIO-11",
        D,
        "what direct access writes without DIRTY is not written",
        flushing::mmio_11,
    ),
    Statement::plain(
        "MMIO-12",
        E,
        "three buffers by direct access, each DIRTY, give the right file",
        flushing::mmio_12,
    ),
    Statement::plain(
        "MMIO-13",
        D,
        "advancing at the end of the file gives no bytes to read",
        flushing::mmio_13,
    ),
    Statement::plain(
        "MMIO-14",
        D,
        "without a buffer advance is MMIOERR_UNBUFFERED, and flush 0",
        flushing::mmio_14,
    ),
    Statement::plain(
        "MMIO-15",
        E,
        "ALLOCBUF with size 0 is 8192 bytes; with the caller's buffer the flag is clear",
        opening::mmio_15,
    ),
    Statement::plain(
        "MMIO-16",
        E,
        "a seek inside the buffer moves in it; one outside empties it at the target",
        flushing::mmio_16_17_18,
    ),
    Statement::plain("MMIO-17", E, "a seek from the end goes back from it", flushing::mmio_16_17_18),
    Statement::plain(
        "MMIO-18",
        E,
        "reading more than the buffer holds leaves it empty at the new position",
        flushing::mmio_16_17_18,
    ),
    Statement::plain(
        "MMIO-19",
        E,
        "a memory file ends at its end, or with CREATE at its start",
        memory::mmio_19,
    ),
    Statement::plain(
        "MMIO-20",
        D,
        "a full memory file grows by its step; with step 0 it does not",
        memory::mmio_20,
    ),
    Statement::plain("MMIO-21", I, "a flush of a memory file is 0 and changes nothing", memory::mmio_21),
    Statement::plain("MMIO-22", E, "the name says which installed procedure is used", opening::mmio_22),
    Statement::plain(
        "MMIO-23",
        D,
        "a procedure is sent its messages only, and lDiskOffset is believed",
        procedures,
    ),
    Statement::plain(
        "MMIO-24",
        E,
        "an open sends OPEN and no SEEK, with adwInfo as given",
        opening::mmio_23_24_27,
    ),
    Statement::plain(
        "MMIO-25",
        I,
        "a flush is SEEK to lBufOffset and one WRITEFLUSH; a spill is WRITE",
        flushing::mmio_25,
    ),
    Statement::plain(
        "MMIO-26",
        E,
        "mmioSetInfo with a pointer outside the buffer is MMSYSERR_INVALPARAM",
        flushing::mmio_26,
    ),
    Statement::plain(
        "MMIO-27",
        E,
        "a message number below MMIOM_USER is MMSYSERR_INVALPARAM",
        opening::mmio_23_24_27,
    ),
    Statement::plain(
        "MMIO-28",
        D,
        "ascending from an odd chunk corrects its size and pads it with a zero",
        chunks::mmio_28,
    ),
    Statement::plain(
        "MMIO-29",
        D,
        "descending ends 12 bytes behind the start of RIFF, 8 behind another's",
        chunks::mmio_29_30,
    ),
    Statement::plain(
        "MMIO-30",
        D,
        "no such chunk in the parent is MMIOERR_CHUNKNOTFOUND",
        chunks::mmio_29_30,
    ),
    Statement::plain("MMIO-31", D, "with FHOPEN a close leaves the system's file open", opening::mmio_31),
    #[cfg(all(feature = "storage", unix))]
    Statement::plain(
        "MMIO-32",
        I,
        "what was flushed to a remote region survives a crash of the responder",
        remote_region,
    ),
    #[cfg(not(all(feature = "storage", unix)))]
    Statement::not_shown(
        "MMIO-32",
        I,
        "what was flushed to a remote region survives a crash of the responder",
        NO_DISK,
    ),
];

fn full_disk() -> Plain {
    flushing::mmio_5()?;
    flushing::mmio_5_in_part()
}

fn procedures() -> Plain {
    opening::mmio_23_24_27()?;
    opening::mmio_23_positions()
}

#[cfg(all(feature = "storage", unix))]
fn remote_region() -> Plain {
    remote::mmio_32_flushed()?;
    remote::mmio_32_disk_in_trouble()?;
    remote::mmio_32_peer_crashes()
}

/// A file on a disk with a buffer of so many bytes.
fn on_disk(disk: &Disk, buffer: usize) -> Result<Mmio, Error> {
    let info =
        OpenInfo { procedure: Some(disk.procedure()), buffer: Buffer::Own(buffer), ..OpenInfo::default() };
    Mmio::open("any", info, OpenFlags::READWRITE)
}

/// The number that a C program gets; 0 for success.
fn code<T>(result: Result<T, Error>) -> Code {
    result.err().map_or(Code(0), |error| error.code())
}

/// Why it was refused, which it must be.
fn refused<T, E>(result: Result<T, E>) -> Result<E, Box<dyn AnyError + Send + Sync>> {
    result.err().ok_or_else(|| "it succeeded, and must not".into())
}

/// The next bytes of a file.
fn read(file: &mut Mmio, count: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; count];
    let got = file.read(&mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}
