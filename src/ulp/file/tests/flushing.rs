//! What is written back, when, and what a full disk does.

use super::*;

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
fn a_dropped_file_is_flushed() {
    let disk = Disk::default();
    on_disk(&disk, 4).write(b"ab").unwrap();
    assert_eq!(disk.bytes(), b"ab");
    assert_eq!(disk.asked().last().unwrap(), "close false");
}
