//! Multimedia file I/O apart from its numbered statements, which stand in the conformance suite.
//!
//! They share their disk with it, which says what it was asked, and can be full.

mod chunks;
mod flushing;
mod memory;
mod opening;
mod random;
#[cfg(all(feature = "storage", unix))]
mod remote;

use super::*;
use disk::Disk;

/// A file on a disk with a buffer of so many bytes.
fn on_disk(disk: &Disk, buffer: usize) -> Mmio {
    let info =
        OpenInfo { procedure: Some(disk.procedure()), buffer: Buffer::Own(buffer), ..OpenInfo::default() };
    Mmio::open("any", info, OpenFlags::READWRITE).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> Code {
    result.unwrap_err().code()
}

/// The next bytes of a file.
fn read(file: &mut Mmio, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let got = file.read(&mut bytes).unwrap();
    bytes.truncate(got);
    bytes
}
