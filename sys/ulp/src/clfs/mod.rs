//! Logs for C, in the manner of the Common Log File System (`qpair_clfs.h`).

pub mod area;
pub mod file;
pub mod reading;

use crate::border::{Out, Plain, tell};
use crate::table::{Table, lock};
use qpair::ulp::log::{Log, LogError, LogStatus, Lsn, MarshallingArea};
use std::sync::{Arc, Mutex};

static LOGS: Mutex<Table<Log>> = Mutex::new(Table::new(2));
static AREAS: Mutex<Table<MarshallingArea>> = Mutex::new(Table::new(3));

const SUCCESS: i32 = 0;

/// Why a call failed: the library's error, or what is wrong with the call.
#[derive(Debug)]
pub(crate) enum Failed {
    Library(LogError),
    Parameter(&'static str),
    Context,
}

impl From<LogError> for Failed {
    fn from(error: LogError) -> Self {
        Self::Library(error)
    }
}

/// STATUS_LOG_READ_CONTEXT_INVALID.
const READ_CONTEXT_INVALID: u32 = 0xC01A_0007;

/// The status of a call; a failure is told in words too.
fn told(call: &str, result: Result<(), Failed>) -> i32 {
    let status = match result {
        Ok(()) => return SUCCESS,
        Err(Failed::Library(error)) => {
            tell(&error);
            error.status().as_u32()
        }
        Err(Failed::Parameter(why)) => {
            tell(format_args!("{call}: {why}"));
            LogStatus::INVALID_PARAMETER.as_u32()
        }
        Err(Failed::Context) => {
            tell(format_args!("{call}: the read context is terminated, or never was one"));
            READ_CONTEXT_INVALID
        }
    };
    status as i32
}

fn log(handle: usize) -> Result<Arc<Log>, Failed> {
    lock(&LOGS).get(handle).ok_or(Failed::Parameter("the log is closed, or never was one"))
}

fn area(handle: usize) -> Result<Arc<MarshallingArea>, Failed> {
    lock(&AREAS).get(handle).ok_or(Failed::Parameter("the marshalling area is deleted, or never was one"))
}

/// A parameter that must not be NULL.
fn required<T>(value: Option<T>, why: &'static str) -> Result<T, Failed> {
    value.ok_or(Failed::Parameter(why))
}

/// A place for a result, which must not be NULL.
fn place<T: Plain>(out: &Out<T>, why: &'static str) -> Result<(), Failed> {
    if out.is_null() { Err(Failed::Parameter(why)) } else { Ok(()) }
}

/// The LSN that is given; NULL is none.
fn lsn(given: &Out<u64>) -> Option<Lsn> {
    given.get().map(Lsn::from_u64)
}
