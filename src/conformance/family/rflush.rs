//! The statements about RDMA FLUSH and ATOMIC WRITE, on the device under test and files of this machine.
//!
//! `disk` has the disk that forgets, fails or holds back. Files in a small file system of their own are for
//! `tests/ndk/persistence.rs`.

mod disk;

use super::{D, E, I, Statement};
use crate::conformance::bench::{Bench, Ended};
use crate::conformance::statement::{Outcome, ensure, ensure_eq, lacks, wrong};
use crate::conformance::world::{ALL, End, NONE, Pair, connect, zeroed};
use crate::ndk::ext::{
    ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT, ALLOW_REMOTE_ATOMIC, FileStorage, FlushPlacement, QpExt,
    StorageChoice, StorageMake,
};
use crate::ndk::{Data, Mr, MrFlags, QpDescription, Status};
use std::fmt;
use std::path::PathBuf;
use std::thread;

/// Why RFLUSH-14 has no check here.
const FULL: &str = "it takes a process in a file system of its own: tests/ndk/persistence.rs";
/// Why RFLUSH-18 has no check here.
const SOURCE: &str = "it is about the source, which the library's own tests search";
/// What RFLUSH-7 and RFLUSH-16 wait for.
const WIRE: &str = "devices with a wire between them are not built yet";

pub(super) const STATEMENTS: &[Statement] = &[
    Statement::new("RFLUSH-1", D, "a write and a flush to persistence survive a crash", disk::rflush_1),
    Statement::new("RFLUSH-2", D, "after a flush to visibility all who look at the file see it", rflush_2),
    Statement::new("RFLUSH-3", E, "a flush of the region covers all of it", rflush_3),
    Statement::new("RFLUSH-4", E, "a range that leaves the region is refused, and nothing flushed", rflush_4),
    Statement::new("RFLUSH-5", E, "each placement needs its right", rflush_5),
    Statement::new("RFLUSH-6", E, "a flush of no bytes needs a valid token, and flushes nothing", rflush_6),
    Statement::waits("RFLUSH-7", E, "a duplicate of a flush is answered and not executed again", WIRE),
    Statement::new("RFLUSH-8", I, "while a flush runs other queue pairs make progress", disk::rflush_8),
    Statement::new(
        "RFLUSH-9",
        D,
        "write, flush, word, flush: the word is new only if the data is",
        disk::rflush_9,
    ),
    Statement::new(
        "RFLUSH-10",
        E,
        "an atomic write that is not aligned fails and changes nothing",
        rflush_10,
    ),
    Statement::new("RFLUSH-11", I, "readers that race with atomic writes see no mixture", rflush_11),
    Statement::new("RFLUSH-12", I, "a sync that fails is told, and the range is in doubt", disk::rflush_12),
    Statement::new(
        "RFLUSH-13",
        I,
        "a range in doubt is flushed once it was written and synced anew",
        disk::rflush_13,
    ),
    Statement::not_shown("RFLUSH-14", I, "a full file system shows when the region is registered", FULL),
    Statement::new("RFLUSH-15", I, "on a tmpfs the right to persist is refused unless forced", rflush_15),
    Statement::waits("RFLUSH-16", E, "both verbs work with rxe at either end", WIRE),
    Statement::new(
        "RFLUSH-17",
        I,
        "every make of storage keeps the promises, and says which it is",
        rflush_17,
    ),
    Statement::not_shown("RFLUSH-18", E, "sync_file_range is never what a promise rests on", SOURCE),
    Statement::new("RFLUSH-19", I, "a sync that began before a flush does not complete it", disk::rflush_19),
];

const PERSISTENT: FlushPlacement = FlushPlacement::PERSISTENT;
const GLOBAL: FlushPlacement = FlushPlacement::GLOBAL;
const LENGTH: usize = 1 << 16;

fn rights() -> MrFlags {
    ALL | ALLOW_FLUSH_GLOBAL | ALLOW_FLUSH_PERSISTENT
}

/// It succeeded, or the check ends with its words.
fn had<T>(what: &str, result: Result<T, impl fmt::Display>) -> Outcome<T> {
    result.or_else(|error| wrong(format_args!("{what}: {error}")))
}

/// A file of one check, gone with it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: PathBuf, name: &str) -> Self {
        Self(folder.join(format!("qpair-conformance-{}-{name}", std::process::id())))
    }

    fn bytes(&self, from: usize, to: usize) -> Outcome<Vec<u8>> {
        let bytes = had("the file", std::fs::read(&self.0))?;
        bytes.get(from..to).map_or_else(|| wrong("the file is too short"), |bytes| Ok(bytes.to_vec()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone_or_never_made = std::fs::remove_file(&self.0);
    }
}

/// A connection, and a region of the passive end that lies in a file.
struct Kept {
    pair: Pair,
    region: Mr,
    scratch: Scratch,
}

impl Kept {
    fn new(bench: &Bench, name: &str) -> Outcome<Self> {
        Self::on(bench, name, &had("storage", FileStorage::open(StorageChoice::Automatic))?)
    }

    fn on(bench: &Bench, name: &str, storage: &FileStorage) -> Outcome<Self> {
        let (pair, scratch) = (Pair::new(bench)?, Scratch::new(std::env::temp_dir(), name));
        // Whatever the folder for temporary files lies on.
        let memory = had("memory", storage.memory(&scratch.0, LENGTH).force_persistence().open())?;
        let region = pair.b.pd.register(memory, rights()).done("NdkRegisterMr")?;
        Ok(Self { pair, region, scratch })
    }

    fn write(&self, context: u64, at: usize, bytes: &[u8]) -> Outcome {
        Ok(self.pair.a.qp.write(context, Data::Inline(&[bytes]), self.region.remote(at)?, NONE)?)
    }

    fn flush(&self, context: u64, at: usize, length: u32, placement: FlushPlacement) -> Outcome {
        let place = self.region.remote(at)?;
        Ok(self.pair.a.qp.flush_remote(context, place, length, placement, NONE)?)
    }

    fn succeeds(&self, contexts: &[u64]) -> Outcome {
        let expected: Vec<_> = contexts.iter().map(|context| (*context, Status::SUCCESS)).collect();
        self.pair.a.yields(&expected, "requests")
    }

    /// The next completion is that of a request refused by the peer.
    fn refused(&self, bench: &Bench, what: &str) -> Outcome {
        let ended = self.pair.a.take(1, what)?;
        bench.remote_refusal(ended[0].status, what)
    }
}

fn rflush_2(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, "2")?;
    kept.write(1, 100, b"seen")?;
    kept.flush(2, 100, 4, GLOBAL)?;
    kept.succeeds(&[1, 2])?;
    ensure_eq!(kept.scratch.bytes(100, 104)?, b"seen", "the file after the flush");
    Ok(())
}

fn rflush_3(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, "3")?;
    kept.write(1, 0, b"first")?;
    kept.write(2, LENGTH - 4, b"last")?;
    kept.pair.a.qp.flush_remote_region(3, kept.region.remote_token(), PERSISTENT, NONE)?;
    kept.succeeds(&[1, 2, 3])?;
    ensure_eq!(kept.scratch.bytes(0, 5)?, b"first", "its beginning");
    ensure_eq!(kept.scratch.bytes(LENGTH - 4, LENGTH)?, b"last", "its end");
    Ok(())
}

fn rflush_4(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, "4")?;
    kept.write(1, LENGTH - 8, b"8 bytes.")?;
    kept.flush(2, LENGTH - 8, 16, PERSISTENT)?;
    kept.succeeds(&[1])?;
    kept.refused(bench, "a flush beyond the region")?;
    ensure_eq!(kept.scratch.bytes(LENGTH - 8, LENGTH)?, [0; 8], "the file after it");
    Ok(())
}

fn rflush_5(bench: &Bench) -> Outcome {
    for (granted, refused) in [(ALLOW_FLUSH_GLOBAL, PERSISTENT), (MrFlags(0), GLOBAL)] {
        let pair = Pair::new(bench)?;
        let region = pair.b.pd.register(zeroed(64)?, ALL | granted).done("NdkRegisterMr")?;
        let place = region.remote(0)?;
        if granted == ALLOW_FLUSH_GLOBAL {
            pair.a.qp.flush_remote(1, place, 64, GLOBAL, NONE)?;
            pair.a.yields(&[(1, Status::SUCCESS)], "the placement that is granted")?;
        }
        pair.a.qp.flush_remote(2, place, 64, refused, NONE)?;
        let ended = pair.a.take(1, "a flush without the right")?;
        bench.remote_refusal(ended[0].status, "a flush without the right")?;
    }
    Ok(())
}

fn rflush_6(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, "6")?;
    kept.write(1, 0, b"held")?;
    kept.flush(2, 0, 0, PERSISTENT)?;
    kept.succeeds(&[1, 2])?;
    ensure_eq!(kept.scratch.bytes(0, 4)?, [0; 4], "the file after a flush of no bytes");
    let Kept { pair, region, scratch: _gone_with_the_check } = kept;
    let place = region.remote(0)?;
    region.deregister().done("NdkDeregisterMr")?;
    pair.a.qp.flush_remote(3, place, 0, PERSISTENT, NONE)?;
    let ended = pair.a.take(1, "no bytes of no region")?;
    bench.remote_refusal(ended[0].status, "no bytes of no region")
}

fn rflush_10(bench: &Bench) -> Outcome {
    for offset in 1..8 {
        let pair = Pair::new(bench)?;
        pair.a.qp.atomic_write(1, [0xFF; 8], pair.b.remote(offset)?, NONE)?;
        let ended = pair.a.take(1, "an atomic write that is not aligned")?;
        ensure!(ended[0].status != Status::SUCCESS, "an atomic write at {offset} must fail");
        ensure_eq!(pair.b.bytes(0, 16)?, [0; 16], "memory after an atomic write at {offset}");
    }
    Ok(())
}

fn rflush_11(bench: &Bench) -> Outcome {
    const ROUNDS: u64 = 500;
    let pair = Pair::new(bench)?;
    // The reader is another peer of the same domain, which adds nothing to the word.
    let reader = End::new(&pair.adapter)?;
    let read = pair.b.pd.create_qp(QpDescription::new(&pair.b.cq)).done("NdkCreateQp")?;
    let _connection = connect(&pair.adapter, &reader.qp, &read)?;
    let region = pair.b.pd.register(zeroed(64)?, ALL | ALLOW_REMOTE_ATOMIC).done("NdkRegisterMr")?;
    let place = region.remote(8)?;
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            for round in 0..ROUNDS {
                reader.qp.fetch_and_add(round, reader.sge(0, 8)?, place, 0, NONE)?;
                reader.yields(&[(round, Status::SUCCESS)], "a read of the word")?;
                let word = reader.bytes(0, 8)?;
                ensure!(word.iter().all(|byte| *byte == word[0]), "a mixture in round {round}: {word:?}");
            }
            Ok(())
        });
        for round in 0..ROUNDS {
            pair.a.qp.atomic_write(round, [round as u8; 8], place, NONE)?;
            pair.a.yields(&[(round, Status::SUCCESS)], "an atomic write")?;
        }
        reading.join().unwrap_or_else(|_| wrong("the reader panicked"))
    })
}

fn rflush_15(bench: &Bench) -> Outcome {
    let folder = PathBuf::from("/dev/shm");
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    if !mounts.lines().any(|line| line.split(' ').nth(1) == folder.to_str() && line.contains(" tmpfs ")) {
        return lacks(format_args!("no tmpfs at {}", folder.display()));
    }
    let (pair, scratch) = (Pair::new(bench)?, Scratch::new(folder, "15"));
    let storage = had("storage", FileStorage::open(StorageChoice::Threads))?;
    let memory = had("memory", storage.memory(&scratch.0, LENGTH).open())?;
    let asked = pair.b.pd.register(memory, ALL | ALLOW_FLUSH_PERSISTENT);
    asked.fails(Status::NOT_SUPPORTED, "persistence of a tmpfs")?;
    let memory = had("memory", storage.memory(&scratch.0, LENGTH).force_persistence().open())?;
    let region = pair.b.pd.register(memory, rights()).done("NdkRegisterMr")?;
    pair.a.qp.flush_remote_region(1, region.remote_token(), PERSISTENT, NONE)?;
    pair.a.yields(&[(1, Status::SUCCESS)], "a flush that is forced")
}

fn rflush_17(bench: &Bench) -> Outcome {
    for (choice, make) in
        [(StorageChoice::Threads, StorageMake::Threads), (StorageChoice::IoUring, StorageMake::IoUring)]
    {
        // Where io_uring is forbidden the other make is what the statement asks for.
        let Ok(storage) = FileStorage::open(choice) else {
            ensure!(choice == StorageChoice::IoUring, "plain calls must be there everywhere");
            continue;
        };
        ensure_eq!(storage.make(), make, "what it says that it is");
        let kept = Kept::on(bench, &format!("17-{choice:?}"), &storage)?;
        kept.write(1, 5000, b"record")?;
        kept.flush(2, 5000, 6, PERSISTENT)?;
        kept.pair.a.qp.atomic_write(3, *b"8 bytes.", kept.region.remote(8)?, NONE)?;
        kept.flush(4, 8, 8, PERSISTENT)?;
        kept.succeeds(&[1, 2, 3, 4])?;
        ensure_eq!(kept.scratch.bytes(5000, 5006)?, b"record", "the data");
        ensure_eq!(kept.scratch.bytes(8, 16)?, b"8 bytes.", "the word");
    }
    Ok(())
}
