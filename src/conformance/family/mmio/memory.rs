//! Files in memory: the buffer is the file.

use super::*;

fn in_memory(buffer: Buffer, step: u32, flags: OpenFlags) -> Result<Mmio, Error> {
    let info = OpenInfo { fourcc: FourCc::MEM, buffer, words: [step, 0, 0], ..OpenInfo::default() };
    Mmio::open("", info, flags | OpenFlags::READWRITE)
}

pub(super) fn mmio_19() -> Plain {
    let mut file = in_memory(Buffer::Given(b"abcd".to_vec()), 0, OpenFlags::READ)?;
    same!(file.info().end_read, 4);
    same!(read(&mut file, 9)?, b"abcd");
    let mut file = in_memory(Buffer::Given(b"abcd".to_vec()), 0, OpenFlags::CREATE)?;
    same!(file.info().end_read, 0);
    same!(read(&mut file, 9)?, b"");
    Ok(())
}

pub(super) fn mmio_20() -> Plain {
    let mut file = in_memory(Buffer::Own(4), 0, OpenFlags::CREATE)?;
    same!(file.write(b"abcdef")?, 4);
    same!(file.write(b"ef")?, 0);
    same!(code(file.advance(None, Advance::Write)), Code::CANNOT_EXPAND);
    let mut file = in_memory(Buffer::Own(4), 3, OpenFlags::CREATE)?;
    same!(file.write(b"abcdef")?, 6);
    same!(file.info().buffer_size, 7);
    file.write(b"g")?;
    file.advance(None, Advance::Write)?;
    same!(file.info().buffer_size, 10);
    file.seek(0, Origin::Start)?;
    same!(read(&mut file, 20)?, b"abcdefg");
    let info = OpenInfo { words: [8, 0, 0], fourcc: FourCc::MEM, ..OpenInfo::default() };
    let given = OpenInfo { buffer: Buffer::Given(vec![0; 8]), ..info };
    same!(code(Mmio::open("", given, OpenFlags::CREATE)), Code::INVALID_PARAMETER);
    Ok(())
}

pub(super) fn mmio_21() -> Plain {
    let mut file = in_memory(Buffer::Own(8), 0, OpenFlags::CREATE)?;
    file.write(b"abc")?;
    file.flush(Flush::Empty)?;
    same!((file.position(), &file.buffer()[..3]), (3, &b"abc"[..]));
    file.close(false).map_err(Error::from)?;
    Ok(())
}
