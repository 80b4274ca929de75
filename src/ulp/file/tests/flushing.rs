//! What is written back, when, and what a full disk does.

use super::*;

#[test]
fn mmio_1_nothing_written_nothing_done() {
    let disk = Disk::with(b"12345678");
    let mut file = on_disk(&disk, 4);
    assert_eq!(read(&mut file, 2), b"12");
    disk.asked();
    file.flush(Flush::Keep).unwrap();
    assert_eq!(disk.asked(), [""; 0]);
}

#[test]
fn mmio_2_after_a_flush_another_reader_sees_the_bytes() {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 8);
    file.write(b"abc").unwrap();
    assert!(file.info().flags.contains(OpenFlags::DIRTY));
    assert_eq!(disk.bytes(), b"");
    file.flush(Flush::Keep).unwrap();
    assert_eq!(disk.bytes(), b"abc");
    assert!(!file.info().flags.contains(OpenFlags::DIRTY));
    assert_eq!(file.position(), 3);
}

#[test]
fn mmio_3_and_4_a_full_disk_fails_the_flush_and_keeps_everything() {
    let disk = Disk::default();
    disk.content().size = Some(2);
    let mut file = on_disk(&disk, 8);
    file.write(b"abcd").unwrap();
    assert_eq!(code(file.flush(Flush::Empty)), Code::CANNOT_WRITE);
    let info = file.info();
    assert!(info.flags.contains(OpenFlags::DIRTY));
    assert_eq!((file.position(), info.next, &file.buffer()[..4]), (4, 4, &b"abcd"[..]));
    disk.content().size = None;
    file.flush(Flush::Empty).unwrap();
    assert_eq!(disk.bytes(), b"abcd");
}

#[test]
fn mmio_5_on_a_full_disk_writes_succeed_and_what_must_write_them_fails() {
    let disk = Disk::default();
    disk.content().size = Some(0);
    let mut file = on_disk(&disk, 4);
    assert_eq!(file.write(b"abcd").unwrap(), 4);
    assert_eq!(code(file.write(b"e")), Code::CANNOT_WRITE);
    assert_eq!(code(file.flush(Flush::Keep)), Code::CANNOT_WRITE);
    assert_eq!(code(file.advance(None, Advance::Write)), Code::CANNOT_WRITE);
    assert_eq!(code(file.seek(100, Origin::Start)), Code::CANNOT_WRITE);
    assert_eq!(file.position(), 4);
    let failed = file.close(false).unwrap_err();
    assert_eq!(failed.error.code(), Code::CANNOT_WRITE);
    disk.content().size = None;
    failed.file.close(false).unwrap();
    assert_eq!(disk.bytes(), b"abcd");
}

#[test]
fn mmio_5_part_of_a_write_goes_in_and_the_rest_says_why_not() {
    let disk = Disk::default();
    disk.content().size = Some(0);
    let mut file = on_disk(&disk, 4);
    assert_eq!(file.write(b"abcdef").unwrap(), 4);
    assert_eq!(code(file.write(b"ef")), Code::CANNOT_WRITE);
    disk.content().size = None;
    assert_eq!(file.write(b"ef").unwrap(), 2);
    file.close(false).unwrap();
    assert_eq!(disk.bytes(), b"abcdef");
}

#[test]
fn mmio_6_emptybuf_empties_the_buffer_and_keeps_the_position() {
    let disk = Disk::with(b"0123456789");
    let mut file = on_disk(&disk, 8);
    assert_eq!(read(&mut file, 3), b"012");
    file.write(b"x").unwrap();
    file.flush(Flush::Empty).unwrap();
    let info = file.info();
    assert_eq!((info.next, info.end_read, info.buffer_offset, file.position()), (0, 0, 4, 4));
    assert_eq!(read(&mut file, 6), b"456789");
    assert_eq!(disk.bytes(), b"012x456789");
}

#[test]
fn mmio_7_and_8_close_flushes_or_leaves_the_file_open() {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 8);
    file.write(b"abc").unwrap();
    disk.content().size = Some(1);
    let failed = file.close(false).unwrap_err();
    assert_eq!(failed.error.code(), Code::CANNOT_WRITE);
    assert!(!disk.asked().iter().any(|asked| asked.starts_with("close")));
    let mut file = failed.file;
    assert_eq!(file.position(), 3);
    // The way out: take DIRTY off, then close.
    let info = Info { flags: OpenFlags::READWRITE, ..file.info() };
    file.set_info(&info).unwrap();
    file.close(false).unwrap();
    assert_eq!(disk.asked(), ["close false"]);
    assert_eq!(disk.bytes(), b"a");
}

#[test]
fn mmio_9_moving_back_loses_nothing() {
    let disk = Disk::with(b"0123456789");
    let mut file = on_disk(&disk, 8);
    file.write(b"abcdef").unwrap();
    file.seek(2, Origin::Start).unwrap();
    file.write(b"X").unwrap();
    file.seek(1, Origin::Start).unwrap();
    file.flush(Flush::Keep).unwrap();
    assert_eq!(disk.bytes(), b"abXdef6789");
    assert_eq!(file.position(), 1);
}

#[test]
fn mmio_10_a_buffer_that_cannot_be_flushed_is_not_exchanged() {
    let disk = Disk::default();
    disk.content().size = Some(0);
    let mut file = on_disk(&disk, 4);
    file.write(b"ab").unwrap();
    assert_eq!(code(file.set_buffer(Buffer::Own(16))), Code::CANNOT_WRITE);
    assert_eq!((file.info().buffer_size, &file.buffer()[..2]), (4, &b"ab"[..]));
    disk.content().size = None;
    file.set_buffer(Buffer::Own(16)).unwrap();
    let info = file.info();
    assert_eq!((info.buffer_size, info.next, info.buffer_offset), (16, 0, 2));
    file.set_buffer(Buffer::None).unwrap();
    file.write(b"c").unwrap();
    assert_eq!(disk.bytes(), b"abc");
    assert_eq!(file.position(), 3);
}

#[test]
fn mmio_11_what_direct_access_does_not_declare_is_not_written() {
    let disk = Disk::with(b"0000");
    let mut file = on_disk(&disk, 4);
    let mut info = file.info();
    file.buffer_mut()[..4].copy_from_slice(b"lost");
    info.next = 4;
    file.set_info(&info).unwrap();
    file.flush(Flush::Keep).unwrap();
    file.advance(Some(&mut info), Advance::Write).unwrap();
    file.close(false).unwrap();
    assert_eq!(disk.bytes(), b"0000");
}

#[test]
fn mmio_12_three_buffers_by_direct_access() {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 4);
    let mut info = file.info();
    for (part, offset) in [(b"abcd", 4), (b"efgh", 8), (b"ijkl", 12)] {
        assert!(!info.flags.contains(OpenFlags::DIRTY), "to be set anew for each buffer");
        file.buffer_mut()[info.next..info.end_write].copy_from_slice(part);
        info.next = info.end_write;
        info.flags |= OpenFlags::DIRTY;
        file.advance(Some(&mut info), Advance::Write).unwrap();
        assert_eq!((info.buffer_offset, info.next), (offset, 0));
    }
    assert_eq!(disk.bytes(), b"abcdefghijkl");
}

#[test]
fn mmio_13_advancing_to_the_end_of_the_file() {
    let disk = Disk::with(b"abcde");
    let mut file = on_disk(&disk, 4);
    let mut info = file.info();
    for (offset, part) in [(0, &b"abcd"[..]), (4, b"e"), (5, b"")] {
        file.advance(Some(&mut info), Advance::Read).unwrap();
        assert_eq!((info.buffer_offset, &file.buffer()[info.next..info.end_read]), (offset, part));
        info.next = info.end_read;
    }
    assert_eq!(info.next, info.end_read);
}

#[test]
fn mmio_14_without_a_buffer_there_is_nothing_to_advance_or_flush() {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 0);
    assert_eq!(code(file.advance(None, Advance::Read)), Code::UNBUFFERED);
    file.write(b"now").unwrap();
    assert_eq!(disk.bytes(), b"now");
    disk.asked();
    file.flush(Flush::Empty).unwrap();
    assert_eq!(disk.asked(), [""; 0]);
    disk.content().size = Some(3);
    assert_eq!(code(file.write(b"!")), Code::CANNOT_WRITE);
}

#[test]
fn mmio_16_17_and_18_where_a_seek_leaves_the_buffer() {
    let disk = Disk::with(b"0123456789abcdefghij");
    let mut file = on_disk(&disk, 8);
    read(&mut file, 1);
    disk.asked();
    assert_eq!(file.seek(5, Origin::Current).unwrap(), 6);
    assert_eq!((file.info().next, file.info().buffer_offset), (6, 0));
    assert_eq!(disk.asked(), [""; 0]);
    assert_eq!(file.seek(12, Origin::Start).unwrap(), 12);
    let info = file.info();
    assert_eq!((info.buffer_offset, info.next, info.end_read), (12, 0, 0));
    assert_eq!(file.seek(16, Origin::End).unwrap(), 4);
    assert_eq!(code(file.seek(21, Origin::End)), Code::CANNOT_SEEK);
    assert_eq!(code(file.seek(-1, Origin::Start)), Code::CANNOT_SEEK);
    assert_eq!(file.position(), 4);
    assert_eq!(read(&mut file, 12), b"456789abcdef");
    let info = file.info();
    assert_eq!((info.buffer_offset, info.next, info.end_read), (16, 0, 0));
}

#[test]
fn the_end_may_lie_in_the_buffer() {
    let disk = Disk::with(b"ab");
    let mut file = on_disk(&disk, 8);
    file.seek(2, Origin::Start).unwrap();
    file.write(b"cdef").unwrap();
    assert_eq!(file.seek(1, Origin::End).unwrap(), 5);
    assert_eq!(read(&mut file, 4), b"f");
}

#[test]
fn mmio_25_a_flush_is_a_seek_and_one_write_flush_and_a_spill_a_write() {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 4);
    file.write(b"abcdef").unwrap();
    assert_eq!(disk.asked(), ["open any", "write 4"]);
    file.flush(Flush::Keep).unwrap();
    assert_eq!(disk.asked(), ["seek 4 Start", "write_flush 2"]);
    file.write(b"g").unwrap();
    file.close(false).unwrap();
    assert_eq!(disk.asked(), ["seek 4 Start", "write_flush 3", "close false"]);
}

#[test]
fn mmio_26_direct_access_stays_in_the_buffer() {
    let disk = Disk::default();
    let mut file = on_disk(&disk, 4);
    let before = file.info();
    for outside in
        [Info { next: 5, ..before }, Info { end_read: 5, ..before }, Info { end_write: 5, ..before }]
    {
        assert_eq!(code(file.set_info(&outside)), Code::INVALID_PARAMETER);
        assert_eq!(file.info(), before);
    }
}

#[test]
fn a_dropped_file_is_flushed() {
    let disk = Disk::default();
    on_disk(&disk, 4).write(b"ab").unwrap();
    assert_eq!(disk.bytes(), b"ab");
    assert_eq!(disk.asked().last().unwrap(), "close false");
}
