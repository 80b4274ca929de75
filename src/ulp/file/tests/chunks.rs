//! RIFF files: made and found again.

use super::*;

/// A chunk to make, or to look for.
fn chunk(id: &str, kind: &str) -> Chunk {
    let of = |text: &str| if text.is_empty() { FourCc::NONE } else { FourCc::of(text) };
    Chunk { id: of(id), kind: of(kind), ..Chunk::default() }
}

/// RIFF WAVE { fmt : 4 bytes, LIST INFO { ICMT: 3 bytes, odd }, data: 2 bytes }.
fn wave(disk: &Disk) {
    let mut file = on_disk(disk, 16);
    let mut riff = chunk("", "WAVE");
    file.create_chunk(&mut riff, Create::Riff).unwrap();
    assert_eq!((file.position(), riff.data_offset), (12, 8));
    let mut format = chunk("fmt ", "");
    file.create_chunk(&mut format, Create::Plain).unwrap();
    assert_eq!(file.position(), 20);
    file.write(b"1234").unwrap();
    file.ascend(&mut format).unwrap();
    let (mut list, mut comment) = (chunk("", "INFO"), chunk("ICMT", ""));
    file.create_chunk(&mut list, Create::List).unwrap();
    file.create_chunk(&mut comment, Create::Plain).unwrap();
    file.write(b"odd").unwrap();
    file.ascend(&mut comment).unwrap();
    assert_eq!((comment.size, comment.created), (3, false));
    file.ascend(&mut list).unwrap();
    let mut data = Chunk { size: 2, ..chunk("data", "") };
    file.create_chunk(&mut data, Create::Plain).unwrap();
    file.write(b"da").unwrap();
    file.ascend(&mut data).unwrap();
    file.ascend(&mut riff).unwrap();
    file.close(false).unwrap();
}

#[test]
fn mmio_28_sizes_are_corrected_and_odd_ones_padded() {
    let disk = Disk::default();
    wave(&disk);
    let expected: [&[u8]; 10] = [
        b"RIFF",
        &[50, 0, 0, 0],
        b"WAVEfmt ",
        &[4, 0, 0, 0],
        b"1234LIST",
        &[16, 0, 0, 0],
        b"INFOICMT",
        &[3, 0, 0, 0],
        b"odd\0data",
        &[2, 0, 0, 0],
    ];
    assert_eq!(disk.bytes(), [&expected.concat()[..], b"da"].concat());
}

#[test]
fn mmio_29_and_30_descending() {
    let disk = Disk::default();
    wave(&disk);
    let mut file = on_disk(&disk, 16);
    let riff = file.descend(&chunk("", "WAVE"), None, Find::Riff).unwrap();
    assert_eq!((file.position(), riff.size, riff.kind), (12, 50, FourCc::of("WAVE")));
    let mut format = file.descend(&chunk("fmt ", ""), Some(&riff), Find::Chunk).unwrap();
    assert_eq!((file.position(), format.size, format.kind), (20, 4, FourCc::NONE));
    file.ascend(&mut format).unwrap();
    let list = file.descend(&chunk("", "INFO"), Some(&riff), Find::List).unwrap();
    assert_eq!(file.position(), 36);
    let mut comment = file.descend(&Chunk::default(), Some(&list), Find::Here).unwrap();
    assert_eq!((comment.id, file.position()), (FourCc::of("ICMT"), 44));
    assert_eq!(read(&mut file, 3), b"odd");
    file.ascend(&mut comment).unwrap();
    assert_eq!(file.position(), 48);
    assert_eq!(code(file.descend(&chunk("data", ""), Some(&list), Find::Chunk)), Code::CHUNK_NOT_FOUND);
    file.seek(48, Origin::Start).unwrap();
    file.descend(&chunk("data", ""), Some(&riff), Find::Chunk).unwrap();
    assert_eq!(read(&mut file, 2), b"da");
    assert_eq!(code(file.descend(&chunk("none", ""), None, Find::Chunk)), Code::CHUNK_NOT_FOUND);
}

#[test]
fn a_hostile_size_ends_the_search() {
    for size in [u32::MAX, u32::MAX - 1, 0x8000_0000] {
        let disk = Disk::with(&[b"junk", &size.to_le_bytes()[..], b"data"].concat());
        let mut file = on_disk(&disk, 16);
        assert_eq!(code(file.descend(&chunk("data", ""), None, Find::Chunk)), Code::CHUNK_NOT_FOUND);
    }
}
