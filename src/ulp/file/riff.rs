//! Chunks of RIFF files: an id, a size, data, and a pad byte if the size is odd.

use super::{Code, Error, FourCc, Mmio, Origin};

/// A chunk (`MMCKINFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Its id.
    pub id: FourCc,
    /// Bytes of its data; of RIFF and LIST, the type among them.
    pub size: u32,
    /// Type of a RIFF or LIST chunk; of others none (`fccType`).
    pub kind: FourCc,
    /// Position of its data, which begins with the type, if it has one.
    pub data_offset: i64,
    /// Made here, and not ascended from: the size in the file may be wrong (`MMIO_DIRTY`).
    pub created: bool,
}

/// What a descent looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// The chunk at the position.
    Here,
    /// The next chunk of the given id.
    Chunk,
    /// The next RIFF chunk of the given type.
    Riff,
    /// The next LIST chunk of the given type.
    List,
}

/// What kind of chunk is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// One of the given id.
    Plain,
    /// A RIFF chunk of the given type.
    Riff,
    /// A LIST chunk of the given type.
    List,
}

impl Chunk {
    /// Its end, past the pad byte.
    fn end(&self) -> i64 {
        self.data_offset.saturating_add(i64::from(self.size) + i64::from(self.size & 1))
    }

    fn has_kind(id: FourCc) -> bool {
        id == FourCc::RIFF || id == FourCc::LIST
    }

    fn is(&self, wanted: &Self, find: Find) -> bool {
        match find {
            Find::Here => true,
            Find::Chunk => self.id == wanted.id,
            Find::Riff => self.id == FourCc::RIFF && self.kind == wanted.kind,
            Find::List => self.id == FourCc::LIST && self.kind == wanted.kind,
        }
    }
}

impl Mmio {
    /// Finds a chunk from the position on, within `parent`, and goes to its data (`mmioDescend`).
    ///
    /// `wanted` gives the id or the type, by `find`. The position is then 8 behind the start of the chunk, of
    /// RIFF and LIST 12. If there is none, the position is undefined.
    ///
    /// # Errors
    /// `CHUNK_NOT_FOUND`; `CANNOT_SEEK`, `CANNOT_READ` of the procedure.
    pub fn descend(&mut self, wanted: &Chunk, parent: Option<&Chunk>, find: Find) -> Result<Chunk, Error> {
        const CALL: &str = "mmioDescend";
        let none = || Error::new(CALL, Code::CHUNK_NOT_FOUND, None);
        let last = parent.map(|parent| parent.data_offset.saturating_add(parent.size.into()));
        loop {
            let data_offset = self.position().saturating_add(8);
            if last.is_some_and(|last| data_offset > last) {
                return Err(none());
            }
            let mut found = Chunk {
                id: self.word()?.map(FourCc).ok_or_else(none)?,
                size: self.word()?.ok_or_else(none)?,
                data_offset,
                ..Chunk::default()
            };
            if Chunk::has_kind(found.id) {
                found.kind = self.word()?.map(FourCc).ok_or_else(none)?;
            }
            if found.is(wanted, find) {
                return Ok(found);
            }
            self.seek(found.end(), Origin::Start)?;
        }
    }

    /// Four bytes as a number, lowest first; `None` at the end of the file.
    fn word(&mut self) -> Result<Option<u32>, Error> {
        let mut bytes = [0; 4];
        let count = self.read(&mut bytes)?;
        Ok((count == 4).then(|| u32::from_le_bytes(bytes)))
    }

    /// Leaves a chunk: the position is then behind it and its pad byte (`mmioAscend`).
    ///
    /// Of a chunk that was made here the data ends at the position: its size is corrected in the file if it
    /// was another, and a pad byte is written if it is odd.
    ///
    /// # Errors
    /// `CANNOT_WRITE`, `CANNOT_SEEK`; `INVALID_PARAMETER`: the position is before the chunk's data, or more
    /// than 2^32 - 1 bytes behind.
    pub fn ascend(&mut self, chunk: &mut Chunk) -> Result<(), Error> {
        if chunk.created {
            let end = self.position();
            let size = end.checked_sub(chunk.data_offset).and_then(|size| u32::try_from(size).ok());
            let size = size.ok_or_else(|| Error::new("mmioAscend", Code::INVALID_PARAMETER, None))?;
            if size != chunk.size {
                self.seek(chunk.data_offset.saturating_sub(4), Origin::Start)?;
                self.write_all("mmioAscend", &size.to_le_bytes())?;
                chunk.size = size;
            }
            self.seek(end, Origin::Start)?;
            if size % 2 == 1 {
                self.write_all("mmioAscend", &[0])?;
            }
            chunk.created = false;
        }
        self.seek(chunk.end(), Origin::Start)?;
        Ok(())
    }

    /// Writes the head of a chunk at the position, over what is there (`mmioCreateChunk`).
    ///
    /// The size is written as `chunk` has it; [`ascend`](Self::ascend) corrects it.
    ///
    /// # Errors
    /// `CANNOT_WRITE`, `CANNOT_SEEK` of the procedure.
    pub fn create_chunk(&mut self, chunk: &mut Chunk, create: Create) -> Result<(), Error> {
        match create {
            Create::Plain => {}
            Create::Riff => chunk.id = FourCc::RIFF,
            Create::List => chunk.id = FourCc::LIST,
        }
        (chunk.data_offset, chunk.created) = (self.position().saturating_add(8), true);
        let mut head = [chunk.id.bytes(), chunk.size.to_le_bytes()].concat();
        if create != Create::Plain {
            head.extend(chunk.kind.bytes());
        }
        self.write_all("mmioCreateChunk", &head)
    }

    fn write_all(&mut self, call: &'static str, bytes: &[u8]) -> Result<(), Error> {
        if self.write(bytes)? == bytes.len() {
            return Ok(());
        }
        Err(Error::new(call, Code::CANNOT_WRITE, None))
    }
}
