//! RIFF files: made and found again.

use super::*;

/// A chunk to make, or to look for.
fn chunk(id: &str, kind: &str) -> Chunk {
    let of = |text: &str| if text.is_empty() { FourCc::NONE } else { FourCc::of(text) };
    Chunk { id: of(id), kind: of(kind), ..Chunk::default() }
}

/// RIFF WAVE { fmt : 4 bytes, LIST INFO { ICMT: 3 bytes, odd }, data: 2 bytes }.
fn wave(disk: &Disk) -> Plain {
    let mut file = on_disk(disk, 16)?;
    let mut riff = chunk("", "WAVE");
    file.create_chunk(&mut riff, Create::Riff)?;
    same!((file.position(), riff.data_offset), (12, 8));
    let mut format = chunk("fmt ", "");
    file.create_chunk(&mut format, Create::Plain)?;
    same!(file.position(), 20);
    file.write(b"1234")?;
    file.ascend(&mut format)?;
    let (mut list, mut comment) = (chunk("", "INFO"), chunk("ICMT", ""));
    file.create_chunk(&mut list, Create::List)?;
    file.create_chunk(&mut comment, Create::Plain)?;
    file.write(b"odd")?;
    file.ascend(&mut comment)?;
    same!((comment.size, comment.created), (3, false));
    file.ascend(&mut list)?;
    let mut data = Chunk { size: 2, ..chunk("data", "") };
    file.create_chunk(&mut data, Create::Plain)?;
    file.write(b"da")?;
    file.ascend(&mut data)?;
    file.ascend(&mut riff)?;
    file.close(false).map_err(Error::from)?;
    Ok(())
}

pub(super) fn mmio_28() -> Plain {
    let disk = Disk::default();
    wave(&disk)?;
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
    same!(disk.bytes(), [&expected.concat()[..], b"da"].concat());
    Ok(())
}

pub(super) fn mmio_29_30() -> Plain {
    let disk = Disk::default();
    wave(&disk)?;
    let mut file = on_disk(&disk, 16)?;
    let riff = file.descend(&chunk("", "WAVE"), None, Find::Riff)?;
    same!((file.position(), riff.size, riff.kind), (12, 50, FourCc::of("WAVE")));
    let mut format = file.descend(&chunk("fmt ", ""), Some(&riff), Find::Chunk)?;
    same!((file.position(), format.size, format.kind), (20, 4, FourCc::NONE));
    file.ascend(&mut format)?;
    let list = file.descend(&chunk("", "INFO"), Some(&riff), Find::List)?;
    same!(file.position(), 36);
    let mut comment = file.descend(&Chunk::default(), Some(&list), Find::Here)?;
    same!((comment.id, file.position()), (FourCc::of("ICMT"), 44));
    same!(read(&mut file, 3)?, b"odd");
    file.ascend(&mut comment)?;
    same!(file.position(), 48);
    same!(code(file.descend(&chunk("data", ""), Some(&list), Find::Chunk)), Code::CHUNK_NOT_FOUND);
    file.seek(48, Origin::Start)?;
    file.descend(&chunk("data", ""), Some(&riff), Find::Chunk)?;
    same!(read(&mut file, 2)?, b"da");
    same!(code(file.descend(&chunk("none", ""), None, Find::Chunk)), Code::CHUNK_NOT_FOUND);
    Ok(())
}
