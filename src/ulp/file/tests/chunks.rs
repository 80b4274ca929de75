//! RIFF files: made and found again.

use super::*;

/// A chunk to make, or to look for.
fn chunk(id: &str, kind: &str) -> Chunk {
    let of = |text: &str| if text.is_empty() { FourCc::NONE } else { FourCc::of(text) };
    Chunk { id: of(id), kind: of(kind), ..Chunk::default() }
}

#[test]
fn positions_at_the_end_of_all_numbers_do_no_harm() {
    let disk = Disk::with(b"junk");
    disk.content().size = Some(64);
    for offset in [i64::MAX, i64::MAX - 7, i64::MIN, -1] {
        let mut file = on_disk(&disk, 16);
        let far = Chunk { data_offset: offset, size: u32::MAX, created: true, ..chunk("junk", "") };
        let _whatever = file.descend(&far, Some(&far), Find::Chunk);
        assert!(file.ascend(&mut far.clone()).is_err());
        if file.seek(offset, Origin::Start).is_ok() {
            assert_eq!(file.write(b"here").unwrap(), 4);
            assert_eq!(file.position(), offset.saturating_add(4));
            let _whatever = file.create_chunk(&mut far.clone(), Create::Riff);
            let _whatever = file.descend(&far, None, Find::Here);
            assert_eq!(file.seek(offset, Origin::Start).unwrap(), offset);
            let info = Info { flags: OpenFlags::READWRITE, ..file.info() };
            file.set_info(&info).unwrap();
        }
    }
}

#[test]
fn a_hostile_size_ends_the_search() {
    for size in [u32::MAX, u32::MAX - 1, 0x8000_0000] {
        let disk = Disk::with(&[b"junk", &size.to_le_bytes()[..], b"data"].concat());
        let mut file = on_disk(&disk, 16);
        assert_eq!(code(file.descend(&chunk("data", ""), None, Find::Chunk)), Code::CHUNK_NOT_FOUND);
    }
}
