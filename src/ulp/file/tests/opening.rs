//! Which procedure a file gets, with what buffer, and the standard file.

use super::*;
use std::fs::{self, File};
use std::io::Write as _;
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
