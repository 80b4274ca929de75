//! What a file is opened with, and what its buffer looks like: `MMIOINFO` and its flags.

use super::{Code, Procedure};
use std::fmt;
use std::fs::File;
use std::ops::{BitOr, BitOrAssign};

/// Four characters that name a procedure or a kind of chunk; the first is the lowest byte.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub u32);

impl FourCc {
    /// None.
    pub const NONE: Self = Self(0);
    /// The standard file.
    pub const DOS: Self = Self(u32::from_le_bytes(*b"DOS "));
    /// A file in memory.
    pub const MEM: Self = Self(u32::from_le_bytes(*b"MEM "));
    /// A region of a peer, where [`RegionFiles`](super::RegionFiles) are installed (ours).
    pub const RDMA: Self = Self(u32::from_le_bytes(*b"RDMA"));
    /// A chunk that holds chunks, at the top.
    pub const RIFF: Self = Self(u32::from_le_bytes(*b"RIFF"));
    /// A chunk that holds chunks, below another.
    pub const LIST: Self = Self(u32::from_le_bytes(*b"LIST"));

    /// The code of up to four characters, padded with blanks (`mmioStringToFOURCC`); more are left out.
    pub fn of(text: &str) -> Self {
        let mut bytes = [b' '; 4];
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Self(u32::from_le_bytes(bytes))
    }

    /// The same in upper case (`MMIO_TOUPPER`).
    pub fn of_upper(text: &str) -> Self {
        Self::of(&text.to_ascii_uppercase())
    }

    /// The characters.
    pub fn bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes().escape_ascii())
    }
}

/// How a file is opened, and the state of its buffer, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    /// For reading.
    pub const READ: Self = Self(0);
    /// For writing only.
    pub const WRITE: Self = Self(1);
    /// For both.
    pub const READWRITE: Self = Self(2);
    /// Nobody else may open it: recorded, not enforced, as the other share modes.
    pub const EXCLUSIVE: Self = Self(0x10);
    /// Nobody else may write it.
    pub const DENY_WRITE: Self = Self(0x20);
    /// Nobody else may read it.
    pub const DENY_READ: Self = Self(0x30);
    /// Everybody may open it.
    pub const DENY_NONE: Self = Self(0x40);
    /// The file is deleted, not opened.
    pub const DELETE: Self = Self(0x200);
    /// The file is made, or made empty; of a memory file: nothing is readable yet.
    pub const CREATE: Self = Self(0x1000);
    /// The buffer is our own.
    pub const ALLOCBUF: Self = Self(0x1_0000);
    /// The buffer holds bytes that the file lacks.
    pub const DIRTY: Self = Self(0x1000_0000);
    /// The standard file waits for the medium when it is flushed (ours; not of `mmsystem.h`).
    pub const DURABLE: Self = Self(0x0100_0000);

    const ACCESS: u32 = 3;

    /// All bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn set(&mut self, bit: Self, on: bool) {
        self.0 = if on { self.0 | bit.0 } else { self.0 & !bit.0 };
    }

    /// May be read; may be written.
    pub(super) fn access(self) -> Result<(bool, bool), Code> {
        match self.0 & Self::ACCESS {
            0 => Ok((true, false)),
            1 => Ok((false, true)),
            2 => Ok((true, true)),
            _ => Err(Code::INVALID_PARAMETER),
        }
    }
}

impl BitOr for OpenFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for OpenFlags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// Where a seek counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `SEEK_SET`: the beginning.
    Start,
    /// `SEEK_CUR`: the position.
    Current,
    /// `SEEK_END`: the end, **backwards**: 16 is 16 bytes before it.
    End,
}

/// The I/O buffer of a file.
#[derive(Default)]
pub enum Buffer {
    /// None: each read and write goes to the procedure.
    #[default]
    None,
    /// One of our own, of so many bytes; 0: of 8,192 where [`OpenFlags::ALLOCBUF`] asks for it, else none.
    Own(usize),
    /// The caller's.
    Given(Vec<u8>),
    /// The caller's, used where it lies; as [`Given`](Self::Given) in all else.
    Lent(Box<dyn Lend>),
}

/// Memory that is lent as a buffer, and that its owner may look at between calls (`sys/ulp`).
pub trait Lend: Send {
    /// The bytes: always as many, at the same place.
    fn bytes(&self) -> &[u8];

    /// The same, to change.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// Bytes of a buffer whose size was left open (`MMIO_DEFAULTBUFFER`).
pub(super) const DEFAULT_BUFFER: usize = 8192;

/// What a file is opened with, beside name and flags.
#[derive(Default)]
pub struct OpenInfo {
    /// Its procedure; `None`: found by `fourcc`, or by the name.
    pub procedure: Option<Box<dyn Procedure>>,
    /// The code of an installed procedure, [`FourCc::MEM`] for memory; [`FourCc::NONE`]: found by the name.
    pub fourcc: FourCc,
    /// Its buffer; of a memory file, the file.
    pub buffer: Buffer,
    /// The procedure's own words (`adwInfo`); of a memory file, the first says by how much it grows.
    pub words: [u32; 3],
    /// An open file to work on, instead of a name; its position is taken over.
    pub file: Option<File>,
}

/// State of the buffer, as direct access sees and changes it (`MMIOINFO`).
///
/// Places are counted from the beginning of the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// How it was opened; ALLOCBUF and DIRTY tell of the buffer.
    pub flags: OpenFlags,
    /// The procedure's code.
    pub fourcc: FourCc,
    /// Bytes of the buffer; 0: unbuffered (`cchBuffer`).
    pub buffer_size: usize,
    /// The next place to read or write (`pchNext`).
    pub next: usize,
    /// Behind the last byte that can be read (`pchEndRead`).
    pub end_read: usize,
    /// Behind the last byte that can be written (`pchEndWrite`).
    pub end_write: usize,
    /// Position in the file of the first byte of the buffer (`lBufOffset`).
    pub buffer_offset: i64,
    /// Position of the procedure's next read or write (`lDiskOffset`).
    pub disk_offset: i64,
    /// The procedure's own words (`adwInfo`).
    pub words: [u32; 3],
}
