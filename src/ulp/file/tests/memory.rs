//! Files in memory: the buffer is the file.

use super::*;

fn in_memory(buffer: Buffer, step: u32, flags: OpenFlags) -> Mmio {
    let info = OpenInfo { fourcc: FourCc::MEM, buffer, words: [step, 0, 0], ..OpenInfo::default() };
    Mmio::open("", info, flags | OpenFlags::READWRITE).unwrap()
}

#[test]
fn mmio_19_what_is_readable_at_first() {
    let mut file = in_memory(Buffer::Given(b"abcd".to_vec()), 0, OpenFlags::READ);
    assert_eq!(file.info().end_read, 4);
    assert_eq!(read(&mut file, 9), b"abcd");
    let mut file = in_memory(Buffer::Given(b"abcd".to_vec()), 0, OpenFlags::CREATE);
    assert_eq!(file.info().end_read, 0);
    assert_eq!(read(&mut file, 9), b"");
}

#[test]
fn mmio_20_a_full_memory_file_grows_by_its_step_or_not_at_all() {
    let mut file = in_memory(Buffer::Own(4), 0, OpenFlags::CREATE);
    assert_eq!(file.write(b"abcdef").unwrap(), 4);
    assert_eq!(file.write(b"ef").unwrap(), 0);
    assert_eq!(code(file.advance(None, Advance::Write)), Code::CANNOT_EXPAND);
    let mut file = in_memory(Buffer::Own(4), 3, OpenFlags::CREATE);
    assert_eq!(file.write(b"abcdef").unwrap(), 6);
    assert_eq!(file.info().buffer_size, 7);
    file.write(b"g").unwrap();
    file.advance(None, Advance::Write).unwrap();
    assert_eq!(file.info().buffer_size, 10);
    file.seek(0, Origin::Start).unwrap();
    assert_eq!(read(&mut file, 20), b"abcdefg");
    let info = OpenInfo { words: [8, 0, 0], fourcc: FourCc::MEM, ..OpenInfo::default() };
    let given = OpenInfo { buffer: Buffer::Given(vec![0; 8]), ..info };
    assert_eq!(Mmio::open("", given, OpenFlags::CREATE).unwrap_err().code(), Code::INVALID_PARAMETER);
}

#[test]
fn mmio_21_flushing_memory_does_nothing() {
    let mut file = in_memory(Buffer::Own(8), 0, OpenFlags::CREATE);
    file.write(b"abc").unwrap();
    file.flush(Flush::Empty).unwrap();
    assert_eq!((file.position(), &file.buffer()[..3]), (3, &b"abc"[..]));
    file.close(false).unwrap();
}

#[test]
fn seeking_stays_inside_of_memory() {
    let mut file = in_memory(Buffer::Given(b"0123".to_vec()), 0, OpenFlags::READ);
    assert_eq!(file.seek(1, Origin::End).unwrap(), 3);
    assert_eq!(code(file.seek(5, Origin::Start)), Code::CANNOT_SEEK);
    assert_eq!(code(file.seek(-1, Origin::Start)), Code::CANNOT_SEEK);
    assert_eq!(file.position(), 3);
}

#[test]
fn another_buffer_is_another_file() {
    let mut file = in_memory(Buffer::Given(b"0123".to_vec()), 0, OpenFlags::READ);
    file.set_buffer(Buffer::Given(b"abcd".to_vec())).unwrap();
    assert_eq!((file.position(), read(&mut file, 4)), (0, Vec::new()));
}
