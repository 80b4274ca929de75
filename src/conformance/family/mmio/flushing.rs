//! What is written back, when, and what a full disk does.

use super::*;

pub(super) fn mmio_1() -> Plain {
    let disk = Disk::with(b"12345678");
    let mut file = on_disk(&disk, 4)?;
    same!(read(&mut file, 2)?, b"12");
    disk.asked();
    file.flush(Flush::Keep)?;
    same!(disk.asked(), [""; 0]);
    Ok(())
}

pub(super) fn mmio_2() -> Plain {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 8)?;
    file.write(b"abc")?;
    holds!(file.info().flags.contains(OpenFlags::DIRTY));
    same!(disk.bytes(), b"");
    file.flush(Flush::Keep)?;
    same!(disk.bytes(), b"abc");
    holds!(!file.info().flags.contains(OpenFlags::DIRTY));
    same!(file.position(), 3);
    Ok(())
}

pub(super) fn mmio_3_4() -> Plain {
    let disk = Disk::default();
    disk.content().size = Some(2);
    let mut file = on_disk(&disk, 8)?;
    file.write(b"abcd")?;
    same!(code(file.flush(Flush::Empty)), Code::CANNOT_WRITE);
    let info = file.info();
    holds!(info.flags.contains(OpenFlags::DIRTY));
    same!((file.position(), info.next, &file.buffer()[..4]), (4, 4, &b"abcd"[..]));
    disk.content().size = None;
    file.flush(Flush::Empty)?;
    same!(disk.bytes(), b"abcd");
    Ok(())
}

pub(super) fn mmio_5() -> Plain {
    let disk = Disk::default();
    disk.content().size = Some(0);
    let mut file = on_disk(&disk, 4)?;
    same!(file.write(b"abcd")?, 4);
    same!(code(file.write(b"e")), Code::CANNOT_WRITE);
    same!(code(file.flush(Flush::Keep)), Code::CANNOT_WRITE);
    same!(code(file.advance(None, Advance::Write)), Code::CANNOT_WRITE);
    same!(code(file.seek(100, Origin::Start)), Code::CANNOT_WRITE);
    same!(file.position(), 4);
    let failed = refused(file.close(false))?;
    same!(failed.error.code(), Code::CANNOT_WRITE);
    disk.content().size = None;
    failed.file.close(false).map_err(Error::from)?;
    same!(disk.bytes(), b"abcd");
    Ok(())
}

pub(super) fn mmio_5_in_part() -> Plain {
    let disk = Disk::default();
    disk.content().size = Some(0);
    let mut file = on_disk(&disk, 4)?;
    same!(file.write(b"abcdef")?, 4);
    same!(code(file.write(b"ef")), Code::CANNOT_WRITE);
    disk.content().size = None;
    same!(file.write(b"ef")?, 2);
    file.close(false).map_err(Error::from)?;
    same!(disk.bytes(), b"abcdef");
    Ok(())
}

pub(super) fn mmio_6() -> Plain {
    let disk = Disk::with(b"0123456789");
    let mut file = on_disk(&disk, 8)?;
    same!(read(&mut file, 3)?, b"012");
    file.write(b"x")?;
    file.flush(Flush::Empty)?;
    let info = file.info();
    same!((info.next, info.end_read, info.buffer_offset, file.position()), (0, 0, 4, 4));
    same!(read(&mut file, 6)?, b"456789");
    same!(disk.bytes(), b"012x456789");
    Ok(())
}

pub(super) fn mmio_7_8() -> Plain {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 8)?;
    file.write(b"abc")?;
    disk.content().size = Some(1);
    let failed = refused(file.close(false))?;
    same!(failed.error.code(), Code::CANNOT_WRITE);
    holds!(!disk.asked().iter().any(|asked| asked.starts_with("close")));
    let mut file = failed.file;
    same!(file.position(), 3);
    // The way out: take DIRTY off, then close.
    let info = Info { flags: OpenFlags::READWRITE, ..file.info() };
    file.set_info(&info)?;
    file.close(false).map_err(Error::from)?;
    same!(disk.asked(), ["close false"]);
    same!(disk.bytes(), b"a");
    Ok(())
}

pub(super) fn mmio_9() -> Plain {
    let disk = Disk::with(b"0123456789");
    let mut file = on_disk(&disk, 8)?;
    file.write(b"abcdef")?;
    file.seek(2, Origin::Start)?;
    file.write(b"X")?;
    file.seek(1, Origin::Start)?;
    file.flush(Flush::Keep)?;
    same!(disk.bytes(), b"abXdef6789");
    same!(file.position(), 1);
    Ok(())
}

pub(super) fn mmio_10() -> Plain {
    let disk = Disk::default();
    disk.content().size = Some(0);
    let mut file = on_disk(&disk, 4)?;
    file.write(b"ab")?;
    same!(code(file.set_buffer(Buffer::Own(16))), Code::CANNOT_WRITE);
    same!((file.info().buffer_size, &file.buffer()[..2]), (4, &b"ab"[..]));
    disk.content().size = None;
    file.set_buffer(Buffer::Own(16))?;
    let info = file.info();
    same!((info.buffer_size, info.next, info.buffer_offset), (16, 0, 2));
    file.set_buffer(Buffer::None)?;
    file.write(b"c")?;
    same!(disk.bytes(), b"abc");
    same!(file.position(), 3);
    Ok(())
}

pub(super) fn mmio_11() -> Plain {
    let disk = Disk::with(b"0000");
    let mut file = on_disk(&disk, 4)?;
    let mut info = file.info();
    file.buffer_mut()[..4].copy_from_slice(b"lost");
    info.next = 4;
    file.set_info(&info)?;
    file.flush(Flush::Keep)?;
    file.advance(Some(&mut info), Advance::Write)?;
    file.close(false).map_err(Error::from)?;
    same!(disk.bytes(), b"0000");
    Ok(())
}

pub(super) fn mmio_12() -> Plain {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 4)?;
    let mut info = file.info();
    for (part, offset) in [(b"abcd", 4), (b"efgh", 8), (b"ijkl", 12)] {
        holds!(!info.flags.contains(OpenFlags::DIRTY), "to be set anew for each buffer");
        file.buffer_mut()[info.next..info.end_write].copy_from_slice(part);
        info.next = info.end_write;
        info.flags |= OpenFlags::DIRTY;
        file.advance(Some(&mut info), Advance::Write)?;
        same!((info.buffer_offset, info.next), (offset, 0));
    }
    same!(disk.bytes(), b"abcdefghijkl");
    Ok(())
}

pub(super) fn mmio_13() -> Plain {
    let disk = Disk::with(b"abcde");
    let mut file = on_disk(&disk, 4)?;
    let mut info = file.info();
    for (offset, part) in [(0, &b"abcd"[..]), (4, b"e"), (5, b"")] {
        file.advance(Some(&mut info), Advance::Read)?;
        same!((info.buffer_offset, &file.buffer()[info.next..info.end_read]), (offset, part));
        info.next = info.end_read;
    }
    same!(info.next, info.end_read);
    Ok(())
}

pub(super) fn mmio_14() -> Plain {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 0)?;
    same!(code(file.advance(None, Advance::Read)), Code::UNBUFFERED);
    file.write(b"now")?;
    same!(disk.bytes(), b"now");
    disk.asked();
    file.flush(Flush::Empty)?;
    same!(disk.asked(), [""; 0]);
    disk.content().size = Some(3);
    same!(code(file.write(b"!")), Code::CANNOT_WRITE);
    Ok(())
}

pub(super) fn mmio_16_17_18() -> Plain {
    let disk = Disk::with(b"0123456789abcdefghij");
    let mut file = on_disk(&disk, 8)?;
    read(&mut file, 1)?;
    disk.asked();
    same!(file.seek(5, Origin::Current)?, 6);
    same!((file.info().next, file.info().buffer_offset), (6, 0));
    same!(disk.asked(), [""; 0]);
    same!(file.seek(12, Origin::Start)?, 12);
    let info = file.info();
    same!((info.buffer_offset, info.next, info.end_read), (12, 0, 0));
    same!(file.seek(16, Origin::End)?, 4);
    same!(code(file.seek(21, Origin::End)), Code::CANNOT_SEEK);
    same!(code(file.seek(-1, Origin::Start)), Code::CANNOT_SEEK);
    same!(file.position(), 4);
    same!(read(&mut file, 12)?, b"456789abcdef");
    let info = file.info();
    same!((info.buffer_offset, info.next, info.end_read), (16, 0, 0));
    Ok(())
}

pub(super) fn mmio_25() -> Plain {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 4)?;
    file.write(b"abcdef")?;
    same!(disk.asked(), ["open any", "write 4"]);
    file.flush(Flush::Keep)?;
    same!(disk.asked(), ["seek 4 Start", "write_flush 2"]);
    file.write(b"g")?;
    file.close(false).map_err(Error::from)?;
    same!(disk.asked(), ["seek 4 Start", "write_flush 3", "close false"]);
    Ok(())
}

pub(super) fn mmio_26() -> Plain {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 4)?;
    let before = file.info();
    for outside in
        [Info { next: 5, ..before }, Info { end_read: 5, ..before }, Info { end_write: 5, ..before }]
    {
        same!(code(file.set_info(&outside)), Code::INVALID_PARAMETER);
        same!(file.info(), before);
    }
    Ok(())
}
