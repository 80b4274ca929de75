//! Chunks of RIFF files.

use super::{Failed, on, told, wrong};
use crate::border::{Out, Plain};
use qpair::ulp::file::{Chunk, Create, Find, FourCc, OpenFlags};

/// `MMCKINFO`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct ChunkInfo {
    id: u32,
    size: u32,
    kind: u32,
    data_offset: u32,
    flags: u32,
}

impl Plain for ChunkInfo {}

const FINDCHUNK: u32 = 0x10;
const FINDRIFF: u32 = 0x20;
const FINDLIST: u32 = 0x40;
const CREATERIFF: u32 = 0x20;
const CREATELIST: u32 = 0x40;

impl From<ChunkInfo> for Chunk {
    fn from(info: ChunkInfo) -> Self {
        Self {
            id: FourCc(info.id),
            size: info.size,
            kind: FourCc(info.kind),
            data_offset: info.data_offset.into(),
            created: info.flags & OpenFlags::DIRTY.0 != 0,
        }
    }
}

impl From<Chunk> for ChunkInfo {
    fn from(chunk: Chunk) -> Self {
        Self {
            id: chunk.id.0,
            size: chunk.size,
            kind: chunk.kind.0,
            data_offset: chunk.data_offset as u32, // positions of this face have 31 bits
            flags: if chunk.created { OpenFlags::DIRTY.0 } else { 0 },
        }
    }
}

fn given(call: &'static str, chunk: &Out<ChunkInfo>) -> Result<Chunk, Failed> {
    chunk.get().map(Chunk::from).ok_or(wrong(call, "pmmcki is NULL"))
}

/// Finds a chunk; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioDescend(
    handle: usize,
    mut chunk: Out<ChunkInfo>,
    parent: Out<ChunkInfo>,
    flags: u32,
) -> u32 {
    const CALL: &str = "mmioDescend";
    told(on(CALL, handle, |file| {
        let wanted = given(CALL, &chunk)?;
        let find = match flags & (FINDCHUNK | FINDRIFF | FINDLIST) {
            0 => Find::Here,
            FINDCHUNK => Find::Chunk,
            FINDRIFF => Find::Riff,
            FINDLIST => Find::List,
            _ => return Err(wrong(CALL, "give at most one of MMIO_FINDCHUNK, _FINDRIFF, _FINDLIST")),
        };
        let parent = parent.get().map(Chunk::from);
        chunk.put(file.descend(&wanted, parent.as_ref(), find)?.into());
        Ok(())
    }))
}

/// Leaves a chunk; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioAscend(handle: usize, mut chunk: Out<ChunkInfo>, _flags: u32) -> u32 {
    const CALL: &str = "mmioAscend";
    told(on(CALL, handle, |file| {
        let mut of = given(CALL, &chunk)?;
        let ascended = file.ascend(&mut of);
        chunk.put(of.into());
        Ok(ascended?)
    }))
}

/// Writes the head of a chunk; the header has the documentation.
#[unsafe(no_mangle)]
#[expect(private_interfaces, reason = "only C makes the parameters")]
pub extern "C" fn mmioCreateChunk(handle: usize, mut chunk: Out<ChunkInfo>, flags: u32) -> u32 {
    const CALL: &str = "mmioCreateChunk";
    told(on(CALL, handle, |file| {
        let mut of = given(CALL, &chunk)?;
        let create = match flags & (CREATERIFF | CREATELIST) {
            0 => Create::Plain,
            CREATERIFF => Create::Riff,
            CREATELIST => Create::List,
            _ => return Err(wrong(CALL, "give MMIO_CREATERIFF or MMIO_CREATELIST, not both")),
        };
        let created = file.create_chunk(&mut of, create);
        chunk.put(of.into());
        Ok(created?)
    }))
}
