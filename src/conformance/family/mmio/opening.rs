//! Which procedure a file gets, with what buffer, and the standard file.

use super::*;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

/// A path of that test's own in the folder for temporary files; gone afterwards.
struct Path(PathBuf);

impl Path {
    fn new(test: &str) -> Self {
        Self(std::env::temp_dir().join(format!("qpair-mmio-{test}-{}", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

pub(super) fn mmio_15() -> Plain {
    let disk = Disk::default();
    let open = |buffer, flags| {
        let info = OpenInfo { procedure: Some(disk.procedure()), buffer, ..OpenInfo::default() };
        Mmio::open("any", info, flags).map(|file| file.info())
    };
    for buffer in [Buffer::None, Buffer::Own(0)] {
        let info = open(buffer, OpenFlags::ALLOCBUF)?;
        same!((info.buffer_size, info.flags.contains(OpenFlags::ALLOCBUF)), (8192, true));
    }
    let info = open(Buffer::Own(100), OpenFlags::READ)?;
    same!((info.buffer_size, info.flags.contains(OpenFlags::ALLOCBUF)), (100, true));
    let info = open(Buffer::Given(vec![0; 7]), OpenFlags::ALLOCBUF)?;
    same!((info.buffer_size, info.end_write, info.flags.contains(OpenFlags::ALLOCBUF)), (7, 7, false));
    same!(open(Buffer::None, OpenFlags::READ)?.buffer_size, 0);
    Ok(())
}

pub(super) fn mmio_22() -> Plain {
    let (disk, code_of_it) = (Disk::with(b"found"), FourCc::of("XYZ"));
    let procedure = disk.clone();
    install(code_of_it, move || {
        let mut inner = procedure.procedure();
        move |state: &mut State, message: Message<'_>| inner.message(state, message)
    })?;
    let name = "file+name.xyz+one.two";
    let mut file = Mmio::open(name, OpenInfo::default(), OpenFlags::READ)?;
    same!(read(&mut file, 9)?, b"found");
    same!(file.info().fourcc, code_of_it);
    same!(code(uninstall(code_of_it)), Code::INVALID_PARAMETER, "in use");
    drop(file);
    rename("a.xyz+b", "c", FourCc::NONE)?;
    same!(disk.asked().last().map(String::as_str), Some("rename a.xyz+b c"));
    uninstall(code_of_it)?;
    same!(code(Mmio::open(name, OpenInfo::default(), OpenFlags::READ)), Code::FILE_NOT_FOUND);
    same!(code(uninstall(code_of_it)), Code::INVALID_PARAMETER, "not installed");
    Ok(())
}

pub(super) fn mmio_23_24_27() -> Plain {
    let disk = Disk::with(b"0123456789");
    let info = OpenInfo { procedure: Some(disk.procedure()), words: [7, 8, 9], ..OpenInfo::default() };
    let mut file = Mmio::open("name", info, OpenFlags::READ)?;
    same!((disk.asked(), disk.content().words), (vec!["open name".to_owned()], [7, 8, 9]));
    same!(file.info().words, [7, 8, 9]);
    same!(code(file.send_message(0x7fff, (0, 0))), Code::INVALID_PARAMETER);
    same!(file.send_message(0x8000, (20, 3))?, 23);
    same!(disk.asked(), ["user 0x8000"]);
    Ok(())
}

pub(super) fn mmio_23_positions() -> Plain {
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
    let mut file = Mmio::open("", info, OpenFlags::READ)?;
    read(&mut file, 1)?;
    same!((file.position(), file.info().disk_offset), (100, 100));
    Ok(())
}

pub(super) fn mmio_31() -> Plain {
    let path = Path::new("31");
    fs::write(&path.0, b"0123456789")?;
    let mut system = File::options().read(true).write(true).open(&path.0)?;
    system.seek(SeekFrom::Start(3))?;
    let info = OpenInfo { file: Some(system), buffer: Buffer::Own(4), ..OpenInfo::default() };
    let mut file = Mmio::open("", info, OpenFlags::READWRITE)?;
    same!(file.position(), 3);
    same!(read(&mut file, 2)?, b"34");
    file.write(b"XY")?;
    let mut system = file.close(true).map_err(Error::from)?.ok_or("the file was closed")?;
    let mut rest = String::new();
    system.read_to_string(&mut rest)?;
    same!(rest, "789");
    same!(fs::read(&path.0)?, b"01234XY789");
    Ok(())
}
