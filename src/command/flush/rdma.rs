//! RDMA FLUSH: bytes that were written into a peer's memory reach its file, or its disk.
//!
//! The peer's memory is private, with the bytes of a file: a write reaches the memory, and a flush takes it
//! on to the file. So the file tells, to anybody who reads it, what was flushed.

use super::Folder;
use super::tale::{Part, Tale};
use crate::command::clock::{self, Duration};
use crate::command::world::{End, Link, Shape};
use anyhow::ensure;
use qpair::ndk::ext::{
    ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT, CompletionExt, FileStorage, FlushPlacement, QpExt,
    StorageChoice,
};
use qpair::ndk::{Adapter, Completion, OpFlags, RemoteAddress, Status};
use std::path::PathBuf;

const LANES: &[&str] = &["bytes in memory, not in the file", "bytes in the file"];
/// Bytes of the peer's memory.
const LENGTH: usize = 4096;
/// Where the count of records lies, and the records.
const COUNT: usize = 0;
const RECORDS: usize = 64;
const RECORD: usize = 16;
/// How long a completion may take that is promised.
const LIMIT: Duration = Duration::from_secs(10);

/// A writer, and a keeper whose memory is a file's.
struct Scene {
    a: End,
    b: End,
    link: Link,
    file: PathBuf,
}

/// Runs the story.
pub fn tale(device: &str) -> anyhow::Result<Tale> {
    let folder = Folder::new("rdma")?;
    let file = folder.0.join("memory");
    let adapter = Adapter::open(device)?;
    let storage = FileStorage::open(StorageChoice::Automatic)?;
    // That a folder for temporary files may be one of memory is fine here: the sync is called all the same.
    let memory = storage.memory(&file, LENGTH).force_persistence().open()?;
    let mut tale = Tale::new("rdma", "RDMA FLUSH", LANES);
    let shape = Shape { memory_bytes: LENGTH, receives: 1, initiators: 8 };
    let a = End::new(&adapter, shape)?;
    let b = End::of(&adapter, shape, memory, ALLOW_FLUSH_GLOBAL | ALLOW_FLUSH_PERSISTENT)?;
    let link = Link::connect(&adapter, &a, &b)?;
    let scene = Scene { a, b, link, file };
    scene.write(&mut tale)?;
    scene.flush(&mut tale, FlushPlacement::GLOBAL)?;
    scene.write_later(&mut tale)?;
    scene.flush(&mut tale, FlushPlacement::PERSISTENT)?;
    scene.count(&mut tale)?;
    scene.flush_beyond(&mut tale)?;
    tale.leaves_open("what a power failure leaves of the peer's machine; the file is read while it runs");
    drop(scene);
    adapter.close()?;
    Ok(tale)
}

impl Scene {
    fn place(&self, offset: usize) -> RemoteAddress {
        self.link.passive_memory.plus(offset as u64)
    }

    /// The next completion of the writer.
    fn completion(&self, of: &str) -> anyhow::Result<Completion> {
        let mut completion = [Completion::default()];
        let count = self.a.cq.wait(&mut completion, Some(LIMIT))?;
        ensure!(count == 1, "{of} has not completed within {LIMIT:?}");
        Ok(completion[0])
    }

    /// What the keeper's memory holds, and what its file.
    fn held(&self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let mut memory = vec![0; LENGTH];
        self.b.region.read(0, &mut memory)?;
        Ok((memory, std::fs::read(&self.file)?))
    }

    /// Counts what is where; whether the file has the record, or the count, at that place.
    fn look(&self, tale: &mut Tale, place: usize, bytes: &[u8]) -> anyhow::Result<bool> {
        let (memory, file) = self.held()?;
        let differ = memory.iter().zip(&file).filter(|(memory, file)| memory != file).count();
        let there = file.iter().filter(|byte| **byte != 0).count();
        tale.amounts(&[differ as u64, there as u64]);
        let arrived = memory[place..].starts_with(bytes);
        tale.holds(arrived, "what was written is in the peer's memory", "it is not");
        Ok(file.get(place..).is_some_and(|file| file.starts_with(bytes)))
    }

    fn post_write(&self, n: usize, flags: OpFlags) -> anyhow::Result<()> {
        self.a.region.write(0, &record(n))?;
        let data = self.a.region.sge(0..RECORD)?;
        Ok(self.a.qp.write(0, &data, self.place(RECORDS + n * RECORD), flags)?)
    }

    fn written(&self, tale: &mut Tale, part: Part, n: usize) -> anyhow::Result<bool> {
        self.post_write(n, OpFlags::NONE)?;
        let completion = self.completion("the WRITE")?;
        tale.step(part, &format!("WRITE of record {n}"), completion.status);
        let in_file = self.look(tale, RECORDS + n * RECORD, &record(n))?;
        tale.holds(completion.status == Status::SUCCESS, "the WRITE succeeds", completion.status);
        Ok(in_file)
    }

    fn write(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let in_file = self.written(tale, Part::Before, 0)?;
        tale.holds(!in_file, "a WRITE alone does not reach the file", "it did");
        Ok(())
    }

    fn write_later(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let in_file = self.written(tale, Part::After, 1)?;
        tale.denies(!in_file, "what is written later is flushed", "it is in the file");
        Ok(())
    }

    /// Flushes the records that were written: one for everybody to see, two to persist.
    fn flush(&self, tale: &mut Tale, placement: FlushPlacement) -> anyhow::Result<()> {
        let persistent = placement == FlushPlacement::PERSISTENT;
        let (kind, last) = if persistent { ("persistent", 1) } else { ("global", 0) };
        let length = (last + 1) * RECORD;
        let before = clock::now();
        self.a.qp.flush_remote(0, self.place(RECORDS), length as u32, placement, OpFlags::NONE)?;
        let completion = self.completion("the FLUSH")?;
        let took = clock::since(before);
        let call = format!("FLUSH of {length} bytes, {kind}");
        tale.step(Part::Flush, &call, completion.status).took(took);
        let in_file = self.look(tale, RECORDS + last * RECORD, &record(last))?;
        let kept = completion.status == Status::SUCCESS && completion.is_remote_flush() && in_file;
        let promise = if persistent {
            "the range is in the file, and the peer's storage says that it has synced it (persistent)"
        } else {
            "the range is in the file for everybody who reads it (global)"
        };
        tale.means(kept, promise, format!("{}, and the record is in the file: {in_file}", completion.status));
        Ok(())
    }

    /// Data, FLUSH, the count, FLUSH: posted in one go.
    fn count(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let (silent, persistent) = (OpFlags::SILENT_SUCCESS, FlushPlacement::PERSISTENT);
        let (at, count) = (self.place(RECORDS + 2 * RECORD), 3_u64.to_ne_bytes());
        let before = clock::now();
        self.post_write(2, silent)?;
        self.a.qp.flush_remote(0, at, RECORD as u32, persistent, silent)?;
        self.a.qp.atomic_write(0, count, self.place(COUNT), silent)?;
        self.a.qp.flush_remote(4, self.place(COUNT), 8, persistent, OpFlags::NONE)?;
        let completion = self.completion("the last FLUSH")?;
        let took = clock::since(before);
        tale.step(Part::Flush, "WRITE, FLUSH, ATOMIC WRITE of a count, FLUSH in one go", completion.status);
        tale.took(took);
        let counted = self.look(tale, COUNT, &count)?;
        let in_file = self.held()?.1[RECORDS + 2 * RECORD..].starts_with(&record(2));
        let kept =
            completion.status == Status::SUCCESS && completion.request_context == 4 && counted && in_file;
        tale.holds(kept, "record and count are both in the file, of one wait", completion.status);
        Ok(())
    }

    /// The key does not cover what is asked for.
    fn flush_beyond(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let file = self.held()?.1;
        let (place, length) = (self.place(0), LENGTH as u32 + 1);
        let before = clock::now();
        self.a.qp.flush_remote(0, place, length, FlushPlacement::PERSISTENT, OpFlags::NONE)?;
        let completion = self.completion("the FLUSH beyond the region")?;
        let took = clock::since(before);
        tale.step(Part::Flush, "FLUSH of a byte more than the region has", completion.status).took(took);
        let same = self.held()?.1 == file;
        tale.saw("the file is as before", same);
        let kept = completion.status == Status::ACCESS_VIOLATION && same;
        tale.holds(kept, "it is STATUS_ACCESS_VIOLATION, and nothing is flushed", completion.status);
        Ok(())
    }
}

/// No byte of it is zero.
fn record(n: usize) -> [u8; RECORD] {
    let mut record = [b'.'; RECORD];
    let text = format!("record {n}");
    record[..text.len()].copy_from_slice(text.as_bytes());
    record
}
