//! What goes wrong, by the numbers of `mmsystem.h`.

use super::Mmio;
use std::fmt;
use std::io;

/// Why a call failed, as `mmsystem.h` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// `MMSYSERR_INVALHANDLE`: no such handle (the C face only; here a handle is owned).
    pub const INVALID_HANDLE: Self = Self(5);
    /// `MMSYSERR_INVALPARAM`: an argument makes no sense.
    pub const INVALID_PARAMETER: Self = Self(11);
    /// `MMIOERR_FILENOTFOUND`: no such file, or no procedure of that name.
    pub const FILE_NOT_FOUND: Self = Self(257);
    /// `MMIOERR_OUTOFMEMORY`: the buffer or the memory file cannot have that size.
    pub const OUT_OF_MEMORY: Self = Self(258);
    /// `MMIOERR_CANNOTOPEN`: the procedure did not open it.
    pub const CANNOT_OPEN: Self = Self(259);
    /// `MMIOERR_CANNOTCLOSE`: the procedure did not close it.
    pub const CANNOT_CLOSE: Self = Self(260);
    /// `MMIOERR_CANNOTREAD`: the procedure could not read.
    pub const CANNOT_READ: Self = Self(261);
    /// `MMIOERR_CANNOTWRITE`: not all of the buffer was written; it is still dirty.
    pub const CANNOT_WRITE: Self = Self(262);
    /// `MMIOERR_CANNOTSEEK`: the procedure could not seek, or the position is outside of a memory file.
    pub const CANNOT_SEEK: Self = Self(263);
    /// `MMIOERR_CANNOTEXPAND`: the memory file is full and does not grow.
    pub const CANNOT_EXPAND: Self = Self(264);
    /// `MMIOERR_CHUNKNOTFOUND`: the parent has no such chunk behind the position.
    pub const CHUNK_NOT_FOUND: Self = Self(265);
    /// `MMIOERR_UNBUFFERED`: the file has no buffer.
    pub const UNBUFFERED: Self = Self(266);
    /// `MMIOERR_PATHNOTFOUND`: the folder is not there.
    pub const PATH_NOT_FOUND: Self = Self(267);
    /// `MMIOERR_ACCESSDENIED`: the system does not allow it.
    pub const ACCESS_DENIED: Self = Self(268);

    const NAMES: [(Self, &str); 14] = [
        (Self::INVALID_HANDLE, "MMSYSERR_INVALHANDLE"),
        (Self::INVALID_PARAMETER, "MMSYSERR_INVALPARAM"),
        (Self::FILE_NOT_FOUND, "MMIOERR_FILENOTFOUND"),
        (Self::OUT_OF_MEMORY, "MMIOERR_OUTOFMEMORY"),
        (Self::CANNOT_OPEN, "MMIOERR_CANNOTOPEN"),
        (Self::CANNOT_CLOSE, "MMIOERR_CANNOTCLOSE"),
        (Self::CANNOT_READ, "MMIOERR_CANNOTREAD"),
        (Self::CANNOT_WRITE, "MMIOERR_CANNOTWRITE"),
        (Self::CANNOT_SEEK, "MMIOERR_CANNOTSEEK"),
        (Self::CANNOT_EXPAND, "MMIOERR_CANNOTEXPAND"),
        (Self::CHUNK_NOT_FOUND, "MMIOERR_CHUNKNOTFOUND"),
        (Self::UNBUFFERED, "MMIOERR_UNBUFFERED"),
        (Self::PATH_NOT_FOUND, "MMIOERR_PATHNOTFOUND"),
        (Self::ACCESS_DENIED, "MMIOERR_ACCESSDENIED"),
    ];

    /// What the user can do about it.
    const fn hint(self) -> &'static str {
        match self {
            Self::FILE_NOT_FOUND => "check the name, and that its procedure is installed",
            Self::CANNOT_WRITE => "what was not written is still in the buffer: make room and flush again",
            Self::CANNOT_EXPAND => "open the memory file with a step to grow by",
            Self::UNBUFFERED => "open the file with a buffer, or give it one by set_buffer",
            Self::CHUNK_NOT_FOUND => "seek to the beginning of the parent's data before searching",
            Self::INVALID_PARAMETER => "stay within the buffer, and with messages from MMIOM_USER on",
            _ => "the source says what the system answered, where it was asked",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(code, _)| code == self) {
            Some((_, name)) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error {} of the I/O procedure", self.0),
        }
    }
}

/// A call failed: which, with which code, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {code}; {}", code.hint())]
pub struct Error {
    call: &'static str,
    code: Code,
    #[source]
    system: Option<io::Error>,
}

impl Error {
    pub(super) fn new(call: &'static str, code: Code, system: Option<io::Error>) -> Self {
        Self { call, code, system }
    }

    /// The `mmio` function that failed.
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// How `mmsystem.h` numbers it.
    pub fn code(&self) -> Code {
        self.code
    }
}

/// A close failed: the file is still open, and comes back.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct CloseError {
    /// The file, with all it had.
    pub file: Box<Mmio>,
    /// Why.
    #[source]
    pub error: Error,
}

impl From<CloseError> for Error {
    /// Gives up the file: what could not be written is lost.
    fn from(failed: CloseError) -> Self {
        let CloseError { mut file, error } = failed;
        file.forget();
        error
    }
}

impl fmt::Debug for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseError").field("error", &self.error).finish_non_exhaustive()
    }
}
