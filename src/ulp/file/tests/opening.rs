//! Which procedure a file gets, with what buffer, and the standard file.

use super::*;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

/// A path of that test's own in the folder for temporary files; gone afterwards.
struct Path(PathBuf);

impl Path {
    fn new(test: &str) -> Self {
        Self(std::env::temp_dir().join(format!("qpair-mmio-{test}-{}", std::process::id())))
    }

    fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

#[test]
fn mmio_15_the_size_of_the_buffer() {
    let disk = Disk::default();
    let open = |buffer, flags| {
        let info = OpenInfo { procedure: Some(disk.procedure()), buffer, ..OpenInfo::default() };
        Mmio::open("any", info, flags).unwrap().info()
    };
    for buffer in [Buffer::None, Buffer::Own(0)] {
        let info = open(buffer, OpenFlags::ALLOCBUF);
        assert_eq!((info.buffer_size, info.flags.contains(OpenFlags::ALLOCBUF)), (8192, true));
    }
    let info = open(Buffer::Own(100), OpenFlags::READ);
    assert_eq!((info.buffer_size, info.flags.contains(OpenFlags::ALLOCBUF)), (100, true));
    let info = open(Buffer::Given(vec![0; 7]), OpenFlags::ALLOCBUF);
    assert_eq!((info.buffer_size, info.end_write, info.flags.contains(OpenFlags::ALLOCBUF)), (7, 7, false));
    assert_eq!(open(Buffer::None, OpenFlags::READ).buffer_size, 0);
}

#[test]
fn mmio_22_the_name_says_which_procedure() {
    let (disk, code_of_it) = (Disk::with(b"found"), FourCc::of("XYZ"));
    let procedure = disk.clone();
    install(code_of_it, move || {
        let mut inner = procedure.procedure();
        move |state: &mut State, message: Message<'_>| inner.message(state, message)
    })
    .unwrap();
    let name = "file+name.xyz+one.two";
    let mut file = Mmio::open(name, OpenInfo::default(), OpenFlags::READ).unwrap();
    assert_eq!(read(&mut file, 9), b"found");
    assert_eq!(file.info().fourcc, code_of_it);
    assert_eq!(code(uninstall(code_of_it)), Code::INVALID_PARAMETER, "in use");
    drop(file);
    rename("a.xyz+b", "c", FourCc::NONE).unwrap();
    assert_eq!(disk.asked().last().unwrap(), "rename a.xyz+b c");
    uninstall(code_of_it).unwrap();
    assert_eq!(code(Mmio::open(name, OpenInfo::default(), OpenFlags::READ)), Code::FILE_NOT_FOUND);
    assert_eq!(code(uninstall(code_of_it)), Code::INVALID_PARAMETER, "not installed");
}

#[test]
fn later_installations_shadow_earlier_ones_and_the_built_in_stay() {
    let own = FourCc::of("SHDW");
    let answering = |answer: i64| {
        move || {
            move |_: &mut State, message: Message<'_>| match message {
                Message::User { .. } => answer,
                _ => 0,
            }
        }
    };
    let ask = || {
        let info = OpenInfo { fourcc: own, ..OpenInfo::default() };
        Mmio::open("", info, OpenFlags::READ).unwrap().send_message(0x8000, (0, 0)).unwrap()
    };
    install(own, answering(1)).unwrap();
    install(own, answering(2)).unwrap();
    assert_eq!(ask(), 2);
    uninstall(own).unwrap();
    assert_eq!(ask(), 1);
    uninstall(own).unwrap();
    for built_in in [FourCc::DOS, FourCc::MEM, FourCc::NONE] {
        assert_eq!(code(uninstall(built_in)), Code::INVALID_PARAMETER);
        assert_eq!(code(install(built_in, answering(3))), Code::INVALID_PARAMETER);
    }
}

#[test]
fn mmio_23_24_and_27_what_a_procedure_is_sent() {
    let disk = Disk::with(b"0123456789");
    let info = OpenInfo { procedure: Some(disk.procedure()), words: [7, 8, 9], ..OpenInfo::default() };
    let mut file = Mmio::open("name", info, OpenFlags::READ).unwrap();
    assert_eq!((disk.asked(), disk.content().words), (vec!["open name".to_owned()], [7, 8, 9]));
    assert_eq!(file.info().words, [7, 8, 9]);
    assert_eq!(code(file.send_message(0x7fff, (0, 0))), Code::INVALID_PARAMETER);
    assert_eq!(file.send_message(0x8000, (20, 3)).unwrap(), 23);
    assert_eq!(disk.asked(), ["user 0x8000"]);
}

#[test]
fn mmio_23_the_procedures_word_on_its_position_is_believed() {
    // A procedure that moves by 100 with every read.
    let procedure = |state: &mut State, message: Message<'_>| match message {
        Message::Read(into) => {
            state.disk_offset += 100;
            into.len() as i64
        }
        Message::Seek { offset, .. } => offset,
        _ => 0,
    };
    let info = OpenInfo { procedure: Some(Box::new(procedure)), ..OpenInfo::default() };
    let mut file = Mmio::open("", info, OpenFlags::READ).unwrap();
    read(&mut file, 1);
    assert_eq!((file.position(), file.info().disk_offset), (100, 100));
}

#[test]
fn a_procedure_that_counts_wrong_is_a_failure() {
    let liar = |_: &mut State, message: Message<'_>| match message {
        Message::Read(_) | Message::Write(_) | Message::WriteFlush(_) => 1 << 40,
        _ => 0,
    };
    for buffer in [Buffer::None, Buffer::Own(4)] {
        let info = OpenInfo { procedure: Some(Box::new(liar)), buffer, ..OpenInfo::default() };
        let mut file = Mmio::open("", info, OpenFlags::READWRITE).unwrap();
        assert_eq!(code(file.read(&mut [0; 3])), Code::CANNOT_READ);
        let written = file.write(b"abc").and_then(|_| file.flush(Flush::Keep));
        assert_eq!(code(written), Code::CANNOT_WRITE);
    }
}

#[test]
fn mmio_31_the_systems_file_stays_open_and_keeps_the_position() {
    let path = Path::new("31");
    fs::write(&path.0, b"0123456789").unwrap();
    let mut system = File::options().read(true).write(true).open(&path.0).unwrap();
    system.seek(SeekFrom::Start(3)).unwrap();
    let info = OpenInfo { file: Some(system), buffer: Buffer::Own(4), ..OpenInfo::default() };
    let mut file = Mmio::open("", info, OpenFlags::READWRITE).unwrap();
    assert_eq!(file.position(), 3);
    assert_eq!(read(&mut file, 2), b"34");
    file.write(b"XY").unwrap();
    let mut system = file.close(true).unwrap().unwrap();
    let mut rest = String::new();
    system.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "789");
    assert_eq!(fs::read(&path.0).unwrap(), b"01234XY789");
}

#[test]
fn the_standard_file_is_created_read_and_deleted() {
    let path = Path::new("standard");
    let open =
        |flags| Mmio::open(path.name(), OpenInfo { buffer: Buffer::Own(8), ..OpenInfo::default() }, flags);
    assert_eq!(code(open(OpenFlags::READ)), Code::FILE_NOT_FOUND);
    let mut file = open(OpenFlags::CREATE | OpenFlags::WRITE | OpenFlags::DURABLE).unwrap();
    file.write(b"some more than the buffer holds").unwrap();
    file.close(false).unwrap();
    let mut file = open(OpenFlags::READ).unwrap();
    assert_eq!(read(&mut file, 99), b"some more than the buffer holds");
    assert_eq!(file.info().fourcc, FourCc::DOS);
    file.seek(0, Origin::Start).unwrap();
    file.write(b"no").unwrap();
    let failed = file.close(false).unwrap_err();
    assert_eq!(failed.error.code(), Code::CANNOT_WRITE, "opened for reading");
    assert!(std::error::Error::source(&failed.error).is_some(), "the system said why");
    drop(Error::from(failed));
    Mmio::delete(path.name(), FourCc::NONE).unwrap();
    assert_eq!(code(Mmio::delete(path.name(), FourCc::NONE)), Code::FILE_NOT_FOUND);
    let nowhere = format!("{}/none/file", path.name());
    let opened = Mmio::open(&nowhere, OpenInfo::default(), OpenFlags::READ);
    assert_eq!(code(opened), Code::PATH_NOT_FOUND);
}

#[test]
fn a_name_with_a_plus_is_a_file_too() {
    let path = Path::new("c++");
    File::create(&path.0).unwrap().write_all(b"plus").unwrap();
    let mut file = Mmio::open(path.name(), OpenInfo::default(), OpenFlags::READ).unwrap();
    assert_eq!(read(&mut file, 9), b"plus");
}

#[test]
fn an_error_says_what_to_do() {
    let info = OpenInfo { fourcc: FourCc::of("NONE"), ..OpenInfo::default() };
    let error = Mmio::open("x", info, OpenFlags::READ).unwrap_err();
    let text = "mmioOpen: MMIOERR_FILENOTFOUND (257); check the name, and that its procedure is installed";
    assert_eq!(error.to_string(), text);
}
