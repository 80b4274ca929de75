//! Files that are regions of a peer, apart from MMIO-32: names, bounds, what is held, and giving up.

use super::*;
use crate::ulp::file::peer::{LENGTH, Peer};

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| b'a' + (n % 23) as u8).collect()
}

#[test]
fn a_region_is_read_and_written_like_a_file() {
    let peer = Peer::new("like").unwrap();
    let mut file = peer.open(&peer.files(), 64).unwrap();
    let text = text(300);
    file.write(&text).unwrap();
    assert_eq!(file.seek(100, Origin::Start).unwrap(), 100);
    assert_eq!(read(&mut file, 150), text[100..250]);
    assert_eq!(file.seek(16, Origin::End).unwrap(), LENGTH as i64 - 16);
    assert_eq!(read(&mut file, 99), [0; 16]);
    assert_eq!(code(file.seek(LENGTH as i64 + 1, Origin::End)), Code::CANNOT_SEEK);
    // The region does not grow: what has no room is kept, as on a full disk.
    file.seek(LENGTH as i64 - 4, Origin::Start).unwrap();
    assert_eq!(file.write(b"over the end").unwrap(), 12);
    let full = file.flush(Flush::Keep).unwrap_err();
    assert_eq!(full.code(), Code::CANNOT_WRITE);
    let source = std::error::Error::source(&full).unwrap().to_string();
    assert!(source.contains("does not grow"), "{source}");
    let info = Info { flags: OpenFlags::READWRITE, ..file.info() };
    file.set_info(&info).unwrap();
    file.close(false).unwrap();
    assert!(peer.keeps(0, &text) && peer.keeps(LENGTH - 4, b"over"));
}

#[test]
fn an_installed_procedure_is_found_by_its_extension() {
    let peer = Peer::new("installed").unwrap();
    peer.files().install().unwrap();
    let info = OpenInfo { buffer: Buffer::Own(8), ..OpenInfo::default() };
    let mut file = Mmio::open(&peer.name(), info, OpenFlags::READWRITE).unwrap();
    assert_eq!(file.info().fourcc, FourCc::RDMA);
    file.write(b"found").unwrap();
    file.close(false).unwrap();
    assert!(peer.keeps(0, b"found"));
    uninstall(FourCc::RDMA).unwrap();
}

#[test]
fn what_cannot_be_opened_is_told() {
    let mut peer = Peer::new("told").unwrap();
    let files = peer.files();
    let open = |name: &str, flags| {
        let info = OpenInfo { procedure: Some(Box::new(files.procedure())), ..OpenInfo::default() };
        code(Mmio::open(name, info, flags))
    };
    let name = peer.name();
    assert_eq!(open(&name.replace("records", "others"), OpenFlags::READ), Code::FILE_NOT_FOUND);
    assert_eq!(open(&name, OpenFlags::CREATE | OpenFlags::WRITE), Code::CANNOT_OPEN);
    for wrong in ["", "records.rdma+", "somewhere/records.rdma+"] {
        assert_eq!(open(wrong, OpenFlags::READ), Code::CANNOT_OPEN, "{wrong:?}");
    }
    let much = peer.files().holding(usize::MAX);
    assert_eq!(code(peer.open(&much, 8)), Code::CANNOT_OPEN, "no memory for that");
    peer.crash(0);
    assert_eq!(open(&name, OpenFlags::READ), Code::CANNOT_OPEN, "nobody listens");
}

#[test]
fn who_opened_it_for_one_does_not_do_the_other() {
    let peer = Peer::new("access").unwrap();
    let files = peer.files();
    let open = |flags| {
        let info = OpenInfo { procedure: Some(Box::new(files.procedure())), ..OpenInfo::default() };
        Mmio::open(&peer.name(), info, flags).unwrap()
    };
    assert_eq!(code(open(OpenFlags::READ).write(b"no")), Code::CANNOT_WRITE);
    assert_eq!(code(open(OpenFlags::WRITE).read(&mut [0])), Code::CANNOT_READ);
}

#[test]
fn what_is_held_is_bounded_and_flushed_early() {
    let peer = Peer::new("held").unwrap();
    let files = peer.files().holding(100);
    let mut file = peer.open(&files, 0).unwrap();
    let (text, before) = (text(350), peer.disk.syncs());
    assert_eq!(file.write(&text).unwrap(), 350, "in pieces of a hundred");
    assert_eq!(peer.disk.syncs() - before, 3);
    assert!(peer.keeps(0, &text[..300]) && !peer.keeps(300, &text[300..]));
    // Here and there: each byte is a piece of its own, and there are only so many.
    for at in 0..40 {
        file.seek(1000 + 2 * at, Origin::Start).unwrap();
        file.write(b"x").unwrap();
    }
    file.close(false).unwrap();
    assert!(peer.keeps(300, &text[300..]) && (0..40).all(|at| peer.keeps(1000 + 2 * at, b"x")));
}

#[test]
fn a_peer_that_is_gone_keeps_the_file_open_until_it_is_given_up() {
    let mut peer = Peer::new("given-up").unwrap();
    let mut file = peer.open(&peer.files(), 4).unwrap();
    file.write(b"123456").unwrap();
    peer.crash(3);
    let failed = file.close(false).unwrap_err();
    assert_eq!(failed.error.code(), Code::CANNOT_WRITE);
    let mut file = failed.file;
    let info = Info { flags: OpenFlags::READWRITE, ..file.info() };
    file.set_info(&info).unwrap();
    let failed = file.close(false).unwrap_err();
    assert_eq!(failed.error.code(), Code::CANNOT_WRITE, "the spill is held, too");
    let mut file = failed.file;
    assert_eq!(file.send_message(FORGET_HELD, (0, 0)).unwrap(), 4);
    file.close(false).unwrap();
}

#[test]
fn a_read_that_fails_is_made_good_by_the_next_connection() {
    let mut peer = Peer::new("read").unwrap();
    let mut file = peer.open(&peer.files(), 8).unwrap();
    file.write(b"0123456789").unwrap();
    peer.crash(5);
    assert_eq!(code(file.seek(0, Origin::Start)), Code::CANNOT_WRITE, "the buffer is dirty");
    peer.start().unwrap();
    file.seek(0, Origin::Start).unwrap();
    assert_eq!(read(&mut file, 10), b"0123456789", "what the peer had lost was written anew");
    assert!(peer.server().is_some_and(|server| server.connections() == 1));
}
