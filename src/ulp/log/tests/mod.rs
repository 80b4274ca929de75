//! The log against its statements, on the disk that forgets.
//!
//! - `statements`, `reading`, `failing`: one test for each LOG statement, by its number. They look behind the
//!   face, at the disk and at blocks; so they stand here, and the conformance suite calls them. Each is for a
//!   log in a folder and for one that lies with a peer (LOG-34).
//! - `bed`: the disk that forgets, and the peer that has it.
//! - `crash`: power cut at every boundary of random lives of a log.
//! - `remote_only`: what only a log that lies with a peer can meet.
//! - `planted`: each planted fault fails some of these.

mod bed;
#[cfg(test)]
mod crash;
pub(crate) mod failing;
#[cfg(all(test, qpair_planted))]
mod planted;
pub(crate) mod reading;
#[cfg(test)]
mod remote_only;
pub(crate) mod statements;

use super::container::{Folder, Medium};
use super::remote::{self, Remote};
use super::{
    Append, AreaOptions, Force, Log, LogError, LogOptions, LogStatus, Lsn, MarshallingArea, ReadMode,
    RecordFilter, RecordKind,
};
use bed::Bed;

/// What a check comes to; the words say what was not as promised.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Where the log of a check lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// In files of this machine.
    Folder,
    /// In regions of a peer, which is the one that crashes.
    Peer,
}

impl On {
    /// Seeds for a check that needs so many of a log in a folder; a peer is dearer to set up.
    fn seeds(self, folder: u64) -> std::ops::Range<u64> {
        0..match self {
            Self::Folder => folder,
            Self::Peer => folder.div_ceil(4),
        }
    }
}

/// Returns the words as an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(format!($($words)+).into());
        }
    };
}

/// Makes two tests of each check, one for each place of a log; the conformance suite, built without tests,
/// calls them.
macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident($on:ident) $body:block)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name($on: $crate::ulp::log::tests::On) -> $crate::ulp::log::tests::Outcome {
                $body
                Ok(())
            }

            #[cfg(test)]
            mod $name {
                use $crate::ulp::log::tests::{On, Outcome};

                #[test]
                fn folder() -> Outcome {
                    super::$name(On::Folder)
                }

                #[test]
                fn peer() -> Outcome {
                    super::$name(On::Peer)
                }
            }
        )*
    };
}

pub(super) use {checks, ensure};

/// A small container, so that tests fill many of them.
pub(super) const CONTAINER: u64 = 4096;
/// The blocks of these tests: two sectors.
pub(super) const BLOCK: u64 = 1024;

pub(super) fn area_options() -> AreaOptions {
    AreaOptions::default().block_length(BLOCK)
}

/// Appends one plain record.
pub(super) fn append(area: &MarshallingArea, data: &[u8]) -> Result<Lsn, LogError> {
    area.append(&[data], Append::default())
}

/// Appends records of `size` bytes until the log is full; how many there were.
pub(super) fn fill(area: &MarshallingArea, size: usize) -> Result<Vec<Lsn>, LogError> {
    let mut lsns = Vec::new();
    loop {
        match append(area, &vec![lsns.len() as u8; size]) {
            Ok(lsn) => lsns.push(lsn),
            Err(error) if error.status() == LogStatus::LOG_FULL => return Ok(lsns),
            Err(error) => return Err(error),
        }
    }
}

/// All records of a kind from an LSN on, which is a record of any kind or the next one.
pub(super) fn records(
    log: &Log,
    area: &MarshallingArea,
    from: Lsn,
    filter: RecordFilter,
) -> Result<Vec<(Lsn, Vec<u8>)>, LogError> {
    let mut found = Vec::new();
    if log.info().next == from {
        return Ok(found);
    }
    let mut context = super::ReadContext::at_any(&log.core(), from)?;
    loop {
        let takes = match filter {
            RecordFilter::Any => true,
            RecordFilter::Data => context.kind() == RecordKind::Data,
            RecordFilter::Restart => context.kind() == RecordKind::Restart,
        };
        if takes {
            found.push((context.lsn(), context.data().to_vec()));
        }
        match context.next(RecordFilter::Any, None) {
            Ok(()) => {}
            Err(error) if error.status() == LogStatus::END_OF_FILE => break,
            Err(error) => return Err(error),
        }
    }
    let _area_in_use = area; // reading goes through an area
    Ok(found)
}

/// The data of all data records from the base on.
pub(super) fn data(log: &Log, area: &MarshallingArea) -> Result<Vec<Vec<u8>>, LogError> {
    let found = records(log, area, log.info().base, RecordFilter::Data)?;
    Ok(found.into_iter().map(|(_, data)| data).collect())
}

/// The status with which a call was refused.
pub(super) fn status<T>(result: Result<T, LogError>) -> Option<LogStatus> {
    result.err().map(|error| error.status())
}

/// Appends and makes stable.
pub(super) fn append_stable(area: &MarshallingArea, data: &[u8]) -> Result<Lsn, LogError> {
    area.append(&[data], Append { force: Force::Flush, ..Append::default() })
}

/// Reads one record.
pub(super) fn read(area: &MarshallingArea, lsn: Lsn) -> Result<Vec<u8>, LogError> {
    Ok(area.read(lsn, ReadMode::Forward)?.data().to_vec())
}
