//! RIFF files: made and found again.

use super::*;

/// A chunk to make, or to look for.
fn chunk(id: &str, kind: &str) -> Chunk {
    let of = |text: &str| if text.is_empty() { FourCc::NONE } else { FourCc::of(text) };
    Chunk { id: of(id), kind: of(kind), ..Chunk::default() }
}

#[test]
fn a_hostile_size_ends_the_search() {
    for size in [u32::MAX, u32::MAX - 1, 0x8000_0000] {
        let disk = Disk::with(&[b"junk", &size.to_le_bytes()[..], b"data"].concat());
        let mut file = on_disk(&disk, 16);
        assert_eq!(code(file.descend(&chunk("data", ""), None, Find::Chunk)), Code::CHUNK_NOT_FOUND);
    }
}
