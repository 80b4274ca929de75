//! Log files and their containers.

use super::{Failed, LOGS, log, lsn, place, required, told};
use crate::border::{Out, Plain, Text};
use crate::table::lock;
use qpair::ulp::log::{Log, LogOptions, LogStatus, Lsn, StorageChoice};

const FILE_OPEN: u32 = 1;
const FILE_CREATE: u32 = 2;
const FILE_OPEN_IF: u32 = 3;
/// Bit of the attributes that has a new log keep an archive tail.
const ATTRIBUTE_ARCHIVE: u32 = 0x20;
/// Bit of the options that has storage run on threads with plain calls.
const THREADS: u32 = 0x8000_0000;

/// `QPAIR_CLFS_INFORMATION`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Information {
    base: u64,
    next: u64,
    flushed: u64,
    restart: u64,
    archive_tail: u64,
    container_size: u64,
    containers: u32,
    failed: u32,
}

impl Plain for Information {}

/// Makes or opens a log; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsCreateLogFile(
    mut made: Out<usize>,
    name: Text,
    _access: u32,
    _share: u32,
    _security: usize,
    disposition: u32,
    options: u32,
    attributes: u32,
) -> i32 {
    let mut create = || {
        place(&made, "pplfoLog is NULL")?;
        let name = required(name.read(), "the name is NULL or not UTF-8")?;
        let folder = name.get(4..).filter(|_| name[..4].eq_ignore_ascii_case("log:")).unwrap_or(name);
        let storage = if options & THREADS != 0 { StorageChoice::Threads } else { StorageChoice::Automatic };
        let archive = attributes & ATTRIBUTE_ARCHIVE != 0;
        let options = LogOptions::default().archive(archive).storage(storage);
        let log = match disposition {
            FILE_OPEN => Log::open(folder, options)?,
            FILE_CREATE => Log::create(folder, options)?,
            FILE_OPEN_IF => match Log::open(folder, options) {
                Err(error) if error.status() == LogStatus::OBJECT_NAME_NOT_FOUND => {
                    Log::create(folder, options)?
                }
                opened => opened?,
            },
            _ => return Err(Failed::Parameter("give FILE_OPEN, FILE_CREATE or FILE_OPEN_IF")),
        };
        made.put(lock(&LOGS).insert(log));
        Ok(())
    };
    told("ClfsCreateLogFile", create())
}

/// Closes a log; the header has the documentation.
#[unsafe(no_mangle)]
pub extern "C" fn ClfsCloseLogFileObject(handle: usize) -> i32 {
    let closed = lock(&LOGS).remove(handle);
    let closed = required(closed, "the log is closed, or never was one");
    told("ClfsCloseLogFileObject", closed.map(drop))
}

/// Adds a container; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsAddLogContainer(handle: usize, size: Out<u64>, name: Text) -> i32 {
    told("ClfsAddLogContainer", add(handle, 1, size, &name))
}

/// Adds containers, all or none; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsAddLogContainerSet(handle: usize, count: u16, size: Out<u64>, names: Text) -> i32 {
    told("ClfsAddLogContainerSet", add(handle, count.into(), size, &names))
}

fn add(handle: usize, count: u32, mut size: Out<u64>, name: &Text) -> Result<(), Failed> {
    let log = log(handle)?;
    if !name.is_null() {
        return Err(Failed::Parameter("containers lie in the log's folder; give NULL for their names"));
    }
    log.add_containers(count, size.get().filter(|size| *size > 0))?;
    size.put(log.info().container_size);
    Ok(())
}

/// Sets the archive tail; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn ClfsSetArchiveTail(handle: usize, tail: Out<u64>) -> i32 {
    let set = || Ok(log(handle)?.set_archive_tail(required(lsn(&tail), "plsnArchiveTail is NULL")?)?);
    told("ClfsSetArchiveTail", set())
}

/// The log as it is now; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn qpair_clfs_information(handle: usize, mut information: Out<Information>) -> i32 {
    let mut ask = || {
        let info = log(handle)?.info();
        place(&information, "information is NULL")?;
        information.put(Information {
            base: info.base.as_u64(),
            next: info.next.as_u64(),
            flushed: info.flushed.as_u64(),
            restart: info.restart.unwrap_or(Lsn::INVALID).as_u64(),
            archive_tail: info.archive_tail.unwrap_or(Lsn::INVALID).as_u64(),
            container_size: info.container_size,
            containers: info.containers.len() as u32, // at most 1023
            failed: info.failed.into(),
        });
        Ok(())
    };
    told("qpair_clfs_information", ask())
}
