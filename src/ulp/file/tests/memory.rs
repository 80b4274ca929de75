//! Files in memory: the buffer is the file.

use super::*;

fn in_memory(buffer: Buffer, step: u32, flags: OpenFlags) -> Mmio {
    let info = OpenInfo { fourcc: FourCc::MEM, buffer, words: [step, 0, 0], ..OpenInfo::default() };
    Mmio::open("", info, flags | OpenFlags::READWRITE).unwrap()
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
