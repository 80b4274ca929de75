//! Read contexts: records by LSN and along chains, restart areas.

use super::{Failed, area, lsn, place, required, told};
use crate::border::Out;
use crate::table::{Table, lock};
use qpair::ulp::log::{ReadContext, ReadMode, RecordFilter, RecordKind, RestartContext};
use std::sync::{Arc, Mutex};

/// Where a reader is.
#[derive(Debug)]
enum Context {
    Records(ReadContext),
    Restarts(RestartContext),
}

static CONTEXTS: Mutex<Table<Mutex<Context>>> = Mutex::new(Table::new(4));

const DATA_RECORD: u8 = 1;
const RESTART_RECORD: u8 = 2;
const CLIENT_RECORD: u8 = 3;

fn context(handle: usize) -> Result<Arc<Mutex<Context>>, Failed> {
    lock(&CONTEXTS).get(handle).ok_or(Failed::Context)
}

/// Tells where the data lie; they stay until the context moves or is terminated.
fn put_data(data: &[u8], buffer: &mut Out<usize>, length: &mut Out<u32>) {
    buffer.put(data.as_ptr().expose_provenance());
    length.put(data.len() as u32); // a block is no longer
}

fn kind_number(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Data => DATA_RECORD,
        RecordKind::Restart => RESTART_RECORD,
    }
}

/// Reads the record of an LSN; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsReadLogRecord(
    handle: usize,
    first: Out<u64>,
    mode: u32,
    mut buffer: Out<usize>,
    mut length: Out<u32>,
    mut kind: Out<u8>,
    mut undo_next: Out<u64>,
    mut previous: Out<u64>,
    mut made: Out<usize>,
) -> i32 {
    let mut read = || {
        let first = required(lsn(&first), "plsnFirst is NULL")?;
        place(&made, "ppvReadContext is NULL")?;
        place(&buffer, "ppvReadBuffer is NULL")?;
        let mode = match mode {
            1 => ReadMode::UndoNext,
            2 => ReadMode::Previous,
            3 => ReadMode::Forward,
            _ => return Err(Failed::Parameter("eContextMode is none of UndoNext, Previous, Forward")),
        };
        let reader = area(handle)?.read(first, mode)?;
        put_data(reader.data(), &mut buffer, &mut length);
        kind.put(kind_number(reader.kind()));
        undo_next.put(reader.undo_next().as_u64());
        previous.put(reader.previous().as_u64());
        made.put(lock(&CONTEXTS).insert(Mutex::new(Context::Records(reader))));
        Ok(())
    };
    told("ClfsReadLogRecord", read())
}

/// Goes on to the next record; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsReadNextLogRecord(
    handle: usize,
    mut buffer: Out<usize>,
    mut length: Out<u32>,
    mut kind: Out<u8>,
    user: Out<u64>,
    mut undo_next: Out<u64>,
    mut previous: Out<u64>,
    mut record: Out<u64>,
) -> i32 {
    let mut read = || {
        let context = context(handle)?;
        place(&buffer, "ppvBuffer is NULL")?;
        let filter = match kind.get().unwrap_or(DATA_RECORD) {
            DATA_RECORD => RecordFilter::Data,
            RESTART_RECORD => RecordFilter::Restart,
            CLIENT_RECORD => RecordFilter::Any,
            _ => return Err(Failed::Parameter("peRecordType asks for no kind of record")),
        };
        let mut context = lock(&context);
        let Context::Records(reader) = &mut *context else { return Err(Failed::Context) };
        reader.next(filter, lsn(&user))?;
        put_data(reader.data(), &mut buffer, &mut length);
        kind.put(kind_number(reader.kind()));
        undo_next.put(reader.undo_next().as_u64());
        previous.put(reader.previous().as_u64());
        record.put(reader.lsn().as_u64());
        Ok(())
    };
    told("ClfsReadNextLogRecord", read())
}

/// Lets a read context go; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn ClfsTerminateReadLog(handle: usize) -> i32 {
    let gone = lock(&CONTEXTS).remove(handle);
    told("ClfsTerminateReadLog", gone.map(drop).ok_or(Failed::Context))
}

/// Reads the newest restart area; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsReadRestartArea(
    handle: usize,
    mut buffer: Out<usize>,
    mut length: Out<u32>,
    mut record: Out<u64>,
    mut made: Out<usize>,
) -> i32 {
    let mut read = || {
        place(&buffer, "ppvRestartBuffer is NULL")?;
        place(&made, "ppvReadContext is NULL")?;
        let reader = area(handle)?.read_restart_area()?;
        put_data(reader.data(), &mut buffer, &mut length);
        record.put(reader.lsn().as_u64());
        made.put(lock(&CONTEXTS).insert(Mutex::new(Context::Restarts(reader))));
        Ok(())
    };
    told("ClfsReadRestartArea", read())
}

/// Goes to the restart area before; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsReadPreviousRestartArea(
    handle: usize,
    mut buffer: Out<usize>,
    mut length: Out<u32>,
    mut record: Out<u64>,
) -> i32 {
    let mut read = || {
        let context = context(handle)?;
        place(&buffer, "ppvRestartBuffer is NULL")?;
        let mut context = lock(&context);
        let Context::Restarts(reader) = &mut *context else { return Err(Failed::Context) };
        reader.previous()?;
        put_data(reader.data(), &mut buffer, &mut length);
        record.put(reader.lsn().as_u64());
        Ok(())
    };
    told("ClfsReadPreviousRestartArea", read())
}
