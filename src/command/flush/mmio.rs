//! mmioFlush: an I/O buffer that was written to is written to its file, all of it, or kept.
//!
//! The file is an I/O procedure that is a disk of a given size, so that it can fill up, and be looked at.

use super::tale::{Part, Tale};
use crate::command::clock;
use qpair::ulp::file::{
    Buffer, Code, Error, FAILED, Flush, Message, Mmio, OpenFlags, OpenInfo, Origin, Procedure, State,
};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

const LANES: &[&str] = &["bytes in a dirty I/O buffer", "bytes at the procedure", "bytes on its medium"];
/// Bytes of the I/O buffer, and of the disk at first and later.
const BUFFER: usize = 64;
const DISK: usize = 16;
const LARGER_DISK: usize = 64;
const FIRST: &[u8] = b"twelve bytes";
const SECOND: &[u8] = b", and thirteen";

/// A disk with a cache.
#[derive(Default)]
struct Disk {
    size: usize,
    /// What the procedure has taken.
    cache: Vec<u8>,
    /// How many bytes of it have gone on to the medium.
    medium: Vec<u8>,
    /// A write with a flush goes on to the medium.
    durable: bool,
    /// Messages that asked to write.
    writes: u64,
}

/// The procedure; its disk is looked at from outside.
#[derive(Clone, Default)]
struct Served(Arc<Mutex<Disk>>);

impl Served {
    fn with<T>(&self, work: impl FnOnce(&mut Disk) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Disk {
    /// Writes as much as there is room for.
    fn write(&mut self, state: &mut State, bytes: &[u8], flush: bool) -> i64 {
        self.writes += 1;
        let Ok(at) = usize::try_from(state.disk_offset) else { return FAILED };
        let count = bytes.len().min(self.size.saturating_sub(at));
        self.cache.resize(self.cache.len().max(at + count), 0);
        self.cache[at..at + count].copy_from_slice(&bytes[..count]);
        if flush && self.durable {
            self.medium.clone_from(&self.cache);
        }
        state.disk_offset += count as i64;
        count as i64
    }
}

impl Procedure for Served {
    fn message(&mut self, state: &mut State, message: Message<'_>) -> i64 {
        self.with(|disk| match message {
            Message::Open { .. } | Message::Close { .. } => 0,
            Message::Write(bytes) => disk.write(state, bytes, false),
            Message::WriteFlush(bytes) => disk.write(state, bytes, true),
            Message::Read(bytes) => {
                let at = usize::try_from(state.disk_offset).unwrap_or(usize::MAX).min(disk.cache.len());
                let count = bytes.len().min(disk.cache.len() - at);
                bytes[..count].copy_from_slice(&disk.cache[at..at + count]);
                state.disk_offset += count as i64;
                count as i64
            }
            Message::Seek { offset, origin } => {
                let from = match origin {
                    Origin::Start => Some(offset),
                    Origin::Current => state.disk_offset.checked_add(offset),
                    Origin::End => (disk.cache.len() as i64).checked_sub(offset),
                };
                let Some(place) = from.filter(|place| *place >= 0) else { return FAILED };
                state.disk_offset = place;
                place
            }
            _ => FAILED,
        })
    }
}

/// What a call returned, as its header has it.
struct Returned<'a, T>(&'a Result<T, Error>);

impl<T: Default + fmt::Debug> fmt::Display for Returned<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(_) => f.write_str("0"),
            Err(error) => write!(f, "{}", error.code()),
        }
    }
}

struct Scene {
    file: Mmio,
    disk: Served,
    written: Vec<u8>,
}

/// Runs the story.
pub fn tale() -> anyhow::Result<Tale> {
    on_disk_of(DISK)
}

/// The story on a disk of so many bytes at first.
fn on_disk_of(size: usize) -> anyhow::Result<Tale> {
    let disk = Served::default();
    disk.with(|disk| disk.size = size);
    let info = OpenInfo {
        procedure: Some(Box::new(disk.clone())),
        buffer: Buffer::Own(BUFFER),
        ..OpenInfo::default()
    };
    let file = Mmio::open("a file", info, OpenFlags::READWRITE)?;
    let mut tale = Tale::new("mmio", "mmioFlush", LANES);
    let mut scene = Scene { file, disk, written: Vec::new() };
    scene.write(&mut tale, FIRST)?;
    scene.flush_to_procedure(&mut tale);
    scene.flush_clean(&mut tale);
    scene.write(&mut tale, SECOND)?;
    scene.flush_to_full_disk(&mut tale);
    scene.flush_when_there_is_space(&mut tale);
    scene.empty(&mut tale)?;
    scene.file.close(false).map_err(Error::from)?;
    Ok(tale)
}

impl Scene {
    fn is_dirty(&self) -> bool {
        self.file.info().flags.contains(OpenFlags::DIRTY)
    }

    fn look(&self, tale: &mut Tale) {
        // All writes of this story go forwards: what is dirty ends where the next write begins.
        let held = if self.is_dirty() { self.file.info().next } else { 0 };
        let (there, medium) = self.disk.with(|disk| (disk.cache.len(), disk.medium.len()));
        tale.amounts(&[held as u64, there as u64, medium as u64]);
    }

    fn flush(&mut self, tale: &mut Tale, call: &str, then: Flush) -> Result<(), Error> {
        let before = clock::now();
        let result = self.file.flush(then);
        tale.step(Part::Flush, call, Returned(&result)).took(clock::since(before));
        self.look(tale);
        result
    }

    /// The file at its procedure is what was written.
    fn is_there(&self) -> bool {
        self.disk.with(|disk| disk.cache == self.written)
    }

    fn writes(&self) -> u64 {
        self.disk.with(|disk| disk.writes)
    }

    fn write(&mut self, tale: &mut Tale, bytes: &[u8]) -> anyhow::Result<()> {
        let (writes, there) = (self.writes(), self.disk.with(|disk| disk.cache.clone()));
        let count = self.file.write(bytes)?;
        self.written.extend_from_slice(bytes);
        tale.step(Part::Before, &format!("mmioWrite of {} bytes", bytes.len()), format!("{count} bytes"));
        let (size, used) = self.disk.with(|disk| (disk.size, disk.cache.len()));
        tale.saw("room at the procedure", format!("{} of {size} bytes", size - used));
        self.look(tale);
        let held = self.is_dirty() && self.writes() == writes && self.disk.with(|disk| disk.cache == there);
        tale.holds(held, "the bytes stay in the buffer, even if there is no room for them", "they went on");
        Ok(())
    }

    fn flush_to_procedure(&mut self, tale: &mut Tale) {
        let result = self.flush(tale, "mmioFlush; the procedure does not wait for its medium", Flush::Keep);
        let kept = result.is_ok() && self.is_there() && !self.is_dirty();
        tale.means(
            kept,
            "the procedure has all bytes of the buffer",
            "it has other bytes, or the buffer is dirty",
        );
        let medium = self.disk.with(|disk| disk.medium.len());
        let seen = format!("{medium} bytes are on the medium");
        tale.denies(result.is_ok() && medium == 0, "the medium has them: that is up to the procedure", seen);
    }

    fn flush_clean(&mut self, tale: &mut Tale) {
        let before = self.writes();
        let result = self.flush(tale, "mmioFlush of a clean buffer", Flush::Keep);
        let more = self.writes() - before;
        let seen = format!("the procedure was asked to write {more} times");
        tale.holds(result.is_ok() && more == 0, "a buffer that was not written to is not written back", seen);
    }

    fn flush_to_full_disk(&mut self, tale: &mut Tale) {
        let position = self.file.position();
        let result = self.flush(tale, "mmioFlush to a disk that is full", Flush::Keep);
        let code = result.as_ref().err().map(Error::code);
        let kept_bytes = self.file.buffer().starts_with(&self.written);
        tale.saw("the buffer has all bytes", kept_bytes).saw("it is dirty", self.is_dirty());
        let kept = code == Some(Code::CANNOT_WRITE) && kept_bytes && self.is_dirty();
        let kept = kept && self.file.position() == position;
        tale.holds(kept, "it is MMIOERR_CANNOTWRITE, and the bytes stay in the buffer", "it is not so");
    }

    fn flush_when_there_is_space(&mut self, tale: &mut Tale) {
        self.disk.with(|disk| (disk.size, disk.durable) = (LARGER_DISK, true));
        let call = "mmioFlush; there is room again, and the procedure waits for its medium";
        let result = self.flush(tale, call, Flush::Keep);
        let kept = result.is_ok() && self.is_there() && !self.is_dirty();
        tale.means(kept, "after one that failed, nothing was lost", "bytes were lost");
        let medium = self.disk.with(|disk| disk.medium == self.written);
        tale.holds(
            result.is_ok() && medium,
            "a procedure that waits for its medium is asked to",
            "it was not",
        );
    }

    fn empty(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        self.write(tale, b", and more")?;
        let position = self.file.position();
        let result = self.flush(tale, "mmioFlush with MMIO_EMPTYBUF", Flush::Empty);
        let info = self.file.info();
        tale.saw("bytes in the buffer", info.next.max(info.end_read)).saw("position", self.file.position());
        let kept = result.is_ok()
            && (info.next, info.end_read) == (0, 0)
            && self.file.position() == position
            && self.is_there();
        tale.holds(kept, "the buffer is written, then empty, and the position stays", "it is not so");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_does_not_do_as_promised_is_told_with_its_step() {
        // No room for the first flush.
        let tale = on_disk_of(FIRST.len() - 1).expect("the story is told to its end");
        assert!(!tale.is_as_promised());
        let first = &tale.broken_promises[0];
        assert!(first.starts_with("step 2, mmioFlush") && first.contains("has all bytes"), "{first}");
        assert!(tale.means.iter().all(|kept| kept.step != 2), "{tale}");
        // Room for all: the flush to a full disk, which must fail, does not, and the next has nothing to do.
        let tale = on_disk_of(LARGER_DISK).expect("the story is told to its end");
        assert_eq!(tale.broken_promises.len(), 2, "{tale}");
        assert!(tale.broken_promises[0].starts_with("step 5, mmioFlush to a disk that is full"), "{tale}");
        assert!(on_disk_of(DISK).expect("the story is told to its end").is_as_promised());
    }
}
