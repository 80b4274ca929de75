//! What went wrong with which bytes of which file.

use crate::fabric::done::Abandoned;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A storage operation that failed, with the system's error as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageError {
    operation: &'static str,
    path: PathBuf,
    range: Option<Range<u64>>,
    cause: Cause,
}

/// Why a storage operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The system's error number (`errno`).
    System(i32),
    /// The file ends within the range.
    EndOfFile,
    /// The file was closed before, or what should have carried the operation out is gone.
    Closed,
    /// The model's power was cut.
    PowerLost,
    /// The bytes are a peer's, and what was asked of it ended with this NTSTATUS of NDK: C000013D
    /// (REMOTE_RESOURCES) where its own storage failed.
    Remote(u32),
    /// The bytes are a peer's, and the connection to it is lost.
    Disconnected,
}

impl Cause {
    /// The cause in an error of std.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::System(number),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::EndOfFile,
            None => Self::Closed,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(number) => write!(f, "{}", io::Error::from_raw_os_error(*number)),
            Self::EndOfFile => f.write_str("the file ends before"),
            Self::Closed => f.write_str("the file or its storage is closed"),
            Self::PowerLost => f.write_str("the power was cut"),
            Self::Remote(status) => write!(f, "what was asked of the peer ended with NTSTATUS {status:08X}"),
            Self::Disconnected => f.write_str("the connection to the peer is lost"),
        }
    }
}

impl StorageError {
    /// A failure that concerns bytes of a file.
    pub(crate) fn bytes(operation: &'static str, path: &Path, range: Range<u64>, cause: Cause) -> Self {
        Self { operation, path: path.to_owned(), range: Some(range), cause }
    }

    /// A failure that concerns a name.
    pub(crate) fn name(operation: &'static str, path: &Path, cause: Cause) -> Self {
        Self { operation, path: path.to_owned(), range: None, cause }
    }

    /// Why it failed.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The file; of bytes of a peer its address, the name, and the number of the region.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the file that the operation was about; `None` where it was about its name.
    pub fn range(&self) -> Option<Range<u64>> {
        self.range.clone()
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, path, range, cause } = self;
        match range {
            Some(range) => {
                write!(f, "{operation} bytes {}..{} of {}: {cause}", range.start, range.end, path.display())
            }
            None => write!(f, "{operation} {}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for StorageError {}

impl Abandoned for StorageError {
    fn abandoned() -> Self {
        Self::name("carry out an operation on", Path::new("storage"), Cause::Closed)
    }
}
