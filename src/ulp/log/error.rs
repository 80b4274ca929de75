//! What the log's calls end with: NTSTATUS numbers, with the reason in words and the system's error.

use crate::fabric::storage::{Cause, StorageError};
use crate::ndk::Status;
use rustix::io::Errno;
use std::fmt;

/// A status of the Common Log File System, an NTSTATUS.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogStatus(u32);

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        impl LogStatus {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Its name without `STATUS_`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    _ => "unknown",
                }
            }
        }
    };
}

statuses! {
    /// A forward read has passed the last record, or a chain has ended.
    END_OF_FILE = 0xC000_0011;
    /// An argument is out of range or contradicts another.
    INVALID_PARAMETER = 0xC000_000D;
    /// Not offered.
    NOT_SUPPORTED = 0xC000_00BB;
    /// There is no log there.
    OBJECT_NAME_NOT_FOUND = 0xC000_0034;
    /// There is a log there already.
    OBJECT_NAME_COLLISION = 0xC000_0035;
    /// Somebody else has the log open.
    SHARING_VIOLATION = 0xC000_0043;
    /// The file system is full.
    DISK_FULL = 0xC000_007F;
    /// The peer that has the log is not reached.
    NETWORK_UNREACHABLE = 0xC000_023C;
    /// A block below what was known to be stable is torn, damaged or missing.
    LOG_BLOCK_INVALID = 0xC01A_000A;
    /// No restart area was ever written; informational, not an error by its severity.
    LOG_NO_RESTART = 0x401A_000C;
    /// Neither copy of the metadata is whole.
    LOG_METADATA_CORRUPT = 0xC01A_000D;
    /// The metadata names what is not there.
    LOG_METADATA_INCONSISTENT = 0xC01A_000F;
    /// There is no such reservation.
    LOG_RESERVATION_INVALID = 0xC01A_0010;
    /// The container is part of the active log.
    LOG_CANT_DELETE = 0xC01A_0011;
    /// A log has at most 1023 containers.
    LOG_CONTAINER_LIMIT_EXCEEDED = 0xC01A_0012;
    /// A chain leads below both the base and the archive tail.
    LOG_START_OF_LOG = 0xC01A_0013;
    /// There is no record with that LSN.
    LOG_RECORD_NONEXISTENT = 0xC01A_0019;
    /// No space is left that is not reserved.
    LOG_FULL = 0xC01A_001D;
    /// The log keeps no archive tail.
    LOG_EPHEMERAL = 0xC01A_0022;
    /// A log needs two containers before any I/O.
    LOG_NOT_ENOUGH_CONTAINERS = 0xC01A_0023;
    /// A container could not be read.
    LOG_CONTAINER_READ_FAILED = 0xC01A_0027;
    /// A container could not be written.
    LOG_CONTAINER_WRITE_FAILED = 0xC01A_0028;
    /// A container could not be opened.
    LOG_CONTAINER_OPEN_FAILED = 0xC01A_0029;
    /// The log is in a state that forbids the call, such as after a failed flush.
    LOG_STATE_INVALID = 0xC01A_002B;
    /// The metadata could not be made stable.
    LOG_METADATA_FLUSH_FAILED = 0xC01A_002D;
    /// Records were appended that could not be made stable.
    LOG_APPENDED_FLUSH_FAILED = 0xC01A_002F;
}

impl LogStatus {
    /// The number.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for LogStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "STATUS_{} ({:08X})", self.name(), self.0)
    }
}

impl fmt::Debug for LogStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A call of the log that failed: which, with which status, why, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{call}: {status}: {why}")]
pub struct LogError {
    call: &'static str,
    status: LogStatus,
    why: String,
    #[source]
    source: Option<StorageError>,
}

impl LogError {
    pub(super) fn new(call: &'static str, status: LogStatus, why: impl Into<String>) -> Self {
        Self { call, status, why: why.into(), source: None }
    }

    pub(super) fn parameter(call: &'static str, why: impl Into<String>) -> Self {
        Self::new(call, LogStatus::INVALID_PARAMETER, why)
    }

    /// A failure of the storage below; a full file system, an absent and a locked file, or a peer that has
    /// another user or nothing of that name, have their own status.
    pub(super) fn storage(call: &'static str, status: LogStatus, source: StorageError) -> Self {
        const FULL: i32 = Errno::NOSPC.raw_os_error();
        const ABSENT: i32 = Errno::NOENT.raw_os_error();
        const LOCKED: i32 = Errno::WOULDBLOCK.raw_os_error();
        let status = match source.cause() {
            Cause::System(FULL) => LogStatus::DISK_FULL,
            Cause::System(ABSENT)
                if matches!(
                    status,
                    LogStatus::LOG_CONTAINER_OPEN_FAILED | LogStatus::NETWORK_UNREACHABLE
                ) =>
            {
                LogStatus::OBJECT_NAME_NOT_FOUND
            }
            Cause::System(LOCKED) => LogStatus::SHARING_VIOLATION,
            Cause::Remote(code) if Status(code) == Status::SHARING_VIOLATION => LogStatus::SHARING_VIOLATION,
            _ => status,
        };
        let why = match source.cause() {
            Cause::Remote(code) => format!("{source}, {}", Status(code)),
            Cause::Disconnected => {
                format!("{source}; rewrite the area, which connects anew, or open the log again")
            }
            _ => source.to_string(),
        };
        Self { call, status, why, source: Some(source) }
    }

    /// Its status.
    pub fn status(&self) -> LogStatus {
        self.status
    }

    /// The system's error number (`errno`), where the system refused.
    pub fn os_error(&self) -> Option<i32> {
        match self.source.as_ref()?.cause() {
            Cause::System(number) => Some(number),
            _ => None,
        }
    }

    /// The status with which the peer that has the log ended what was asked of it.
    ///
    /// REMOTE_RESOURCES where its own storage failed.
    pub fn remote_status(&self) -> Option<Status> {
        match self.source.as_ref()?.cause() {
            Cause::Remote(code) => Some(Status(code)),
            _ => None,
        }
    }
}
