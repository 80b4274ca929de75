//! Marshalling areas: append, flush, base and restart areas.

use super::{AREAS, Failed, area, log, lsn, place, required, told};
use crate::border::{Array, Bytes, Out, Plain};
use crate::table::lock;
use qpair::ulp::log::{Append, AreaOptions, Force, Lsn};
use std::sync::Arc;

const FORCE_APPEND: u32 = 1;
const FORCE_FLUSH: u32 = 2;
const USE_RESERVATION: u32 = 4;

/// `CLFS_WRITE_ENTRY`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct WriteEntry {
    buffer: Bytes,
    length: u32,
}

impl Plain for WriteEntry {}

/// Makes an area; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsCreateMarshallingArea(
    handle: usize,
    _pool: i32,
    _allocate: usize,
    _free: usize,
    length: u32,
    blocks_max: u32,
    _read_max: u32,
    mut made: Out<usize>,
) -> i32 {
    let mut create = || {
        place(&made, "ppvMarshalContext is NULL")?;
        let options = AreaOptions::default().block_length(length.into()).blocks_max(blocks_max as usize);
        let area = log(handle)?.area(options)?;
        made.put(lock(&AREAS).insert(area));
        Ok(())
    };
    told("ClfsCreateMarshallingArea", create())
}

/// Flushes an area, and deletes it; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn ClfsDeleteMarshallingArea(handle: usize) -> i32 {
    let delete = || {
        let removed = lock(&AREAS).remove(handle);
        match Arc::try_unwrap(required(removed, "the marshalling area is deleted, or never was one")?) {
            Ok(area) => area.delete()?,
            // A call of another thread has it still, and is the last.
            Err(area) => area.flush_buffers().wait()?,
        };
        Ok(())
    };
    told("ClfsDeleteMarshallingArea", delete())
}

/// Appends a record, reserves space, or both; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsReserveAndAppendLog(
    handle: usize,
    entries: Array<WriteEntry>,
    entry_count: u32,
    undo_next: Out<u64>,
    previous: Out<u64>,
    reserve_count: u32,
    reservations: Array<i64>,
    flags: u32,
    mut appended: Out<u64>,
) -> i32 {
    let mut append = || {
        let area = area(handle)?;
        let entries = required(entries.entries(entry_count), "rgWriteEntries is NULL")?;
        let reservations = required(reservations.entries(reserve_count), "rgcbReservation is NULL")?;
        if flags & !(FORCE_APPEND | FORCE_FLUSH | USE_RESERVATION) != 0 {
            return Err(Failed::Parameter("fFlags has bits that mean nothing"));
        }
        if entries.is_empty() {
            if flags & USE_RESERVATION != 0 {
                return Err(Failed::Parameter("there is no record to put into reserved space"));
            }
            return Ok(area.reserve(&reservations)?);
        }
        let pieces: Option<Vec<&[u8]>> =
            entries.iter().map(|entry| entry.buffer.read(entry.length)).collect();
        let options = Append {
            force: match flags {
                flags if flags & FORCE_FLUSH != 0 => Force::Flush,
                flags if flags & FORCE_APPEND != 0 => Force::Append,
                _ => Force::None,
            },
            use_reservation: flags & USE_RESERVATION != 0,
            reservations: &reservations,
            undo_next: lsn(&undo_next).unwrap_or(Lsn::INVALID),
            previous: lsn(&previous).unwrap_or(Lsn::INVALID),
        };
        let record = area.append(&required(pieces, "the Buffer of an entry is NULL")?, options)?;
        appended.put(record.as_u64());
        Ok(())
    };
    told("ClfsReserveAndAppendLog", append())
}

/// Makes all records stable; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn ClfsFlushBuffers(handle: usize) -> i32 {
    let flush = || {
        area(handle)?.flush_buffers().wait()?;
        Ok(())
    };
    told("ClfsFlushBuffers", flush())
}

/// Makes all records up to an LSN stable; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsFlushToLsn(handle: usize, up_to: Out<u64>, mut last_flushed: Out<u64>) -> i32 {
    let mut flush = || {
        let up_to = required(lsn(&up_to), "plsnFlush is NULL; CLFS_LSN_NULL asks for all")?;
        last_flushed.put(area(handle)?.flush_to(up_to).wait()?.as_u64());
        Ok(())
    };
    told("ClfsFlushToLsn", flush())
}

/// Moves the base; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsAdvanceLogBase(handle: usize, base: Out<u64>, _flags: u32) -> i32 {
    let advance = || Ok(area(handle)?.advance_base(required(lsn(&base), "plsnBase is NULL")?)?);
    told("ClfsAdvanceLogBase", advance())
}

/// Writes a restart area; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsWriteRestartArea(
    handle: usize,
    data: Bytes,
    length: u32,
    base: Out<u64>,
    flags: u32,
    mut written: Out<u32>,
    mut record: Out<u64>,
) -> i32 {
    let mut write = || {
        let data = required(data.read(length), "pvRestartBuffer is NULL")?;
        let use_reservation = flags & USE_RESERVATION != 0;
        let restarted = area(handle)?.write_restart_area(data, lsn(&base), use_reservation)?;
        written.put(length);
        record.put(restarted.lsn.as_u64());
        Ok(())
    };
    told("ClfsWriteRestartArea", write())
}
