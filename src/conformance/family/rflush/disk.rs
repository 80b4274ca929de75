//! What only a disk that forgets, fails or holds back can show: regions of its files, on the device under
//! test.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]

use super::{GLOBAL, LENGTH, PERSISTENT, had, rights};
use crate::conformance::bench::{Bench, Ended};
use crate::conformance::statement::{Outcome, ensure, ensure_eq};
use crate::conformance::world::{Connection, End, NONE, Pair, connect};
use crate::fabric::storage::forget::{Fails, Forgetful};
use crate::ndk::ext::{FileStorage, FlushPlacement, QpExt};
use crate::ndk::{Data, Mr, Qp, QpDescription, Status};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/folder/region";
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
const ENOSPC: i32 = rustix::io::Errno::NOSPC.raw_os_error();

/// A connection, and a region of the passive end in a file on that disk.
struct Kept {
    pair: Pair,
    region: Mr,
    disk: Forgetful,
}

/// Another peer of the same region.
struct Beside {
    end: End,
    _peer: Qp,
    _connection: Connection,
}

impl Kept {
    fn new(bench: &Bench, seed: u64) -> Outcome<Self> {
        let (pair, disk) = (Pair::new(bench)?, Forgetful::new(seed));
        let storage = FileStorage::of(Arc::new(disk.clone()));
        let memory = had("memory", storage.memory(PATH, LENGTH).open())?;
        let region = pair.b.pd.register(memory, rights()).done("NdkRegisterMr")?;
        Ok(Self { pair, region, disk })
    }

    fn beside(&self) -> Outcome<Beside> {
        let end = End::new(&self.pair.adapter)?;
        let peer = self.pair.b.pd.create_qp(QpDescription::new(&self.pair.b.cq)).done("NdkCreateQp")?;
        let connection = connect(&self.pair.adapter, &end.qp, &peer)?;
        Ok(Beside { end, _peer: peer, _connection: connection })
    }

    fn write(&self, end: &End, context: u64, at: usize, bytes: &[u8]) -> Outcome {
        Ok(end.qp.write(context, Data::Inline(&[bytes]), self.region.remote(at)?, NONE)?)
    }

    fn flush(&self, end: &End, context: u64, range: Range<usize>, placement: FlushPlacement) -> Outcome {
        let (at, length) = (self.region.remote(range.start)?, range.len() as u32);
        Ok(end.qp.flush_remote(context, at, length, placement, NONE)?)
    }

    /// The file after a loss of power.
    fn found(&self, seed: u64) -> Vec<u8> {
        self.disk.crash(seed).content(Path::new(PATH)).unwrap_or_default()
    }
}

pub(super) fn rflush_1(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, 1)?;
    let a = &kept.pair.a;
    kept.write(a, 1, 500, b"over two sectors")?;
    kept.flush(a, 2, 500..516, GLOBAL)?;
    a.yields(&[(1, Status::SUCCESS), (2, Status::SUCCESS)], "a flush to visibility")?;
    let lost = (0..50).any(|seed| kept.found(seed)[500..516] != *b"over two sectors");
    ensure!(lost, "the disk forgets nothing, so nothing is shown");
    kept.flush(a, 3, 500..516, PERSISTENT)?;
    a.yields(&[(3, Status::SUCCESS)], "a flush to persistence")?;
    for seed in 0..50 {
        ensure_eq!(kept.found(seed)[500..516], *b"over two sectors", "after a crash");
    }
    Ok(())
}

pub(super) fn rflush_8(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, 8)?;
    let other = kept.beside()?;
    kept.disk.hold_syncs();
    kept.flush(&kept.pair.a, 1, 0..8, PERSISTENT)?;
    kept.write(&other.end, 2, 100, b"goes on")?;
    kept.flush(&other.end, 3, 100..107, GLOBAL)?;
    other.end.yields(&[(2, Status::SUCCESS), (3, Status::SUCCESS)], "another queue pair")?;
    ensure!(kept.pair.a.cq.is_empty(), "the flush is over before its sync");
    kept.disk.release_syncs(false);
    kept.pair.a.yields(&[(1, Status::SUCCESS)], "the flush")
}

/// Data in several sectors, then a word elsewhere that says that they are there.
const DATA: Range<usize> = 1000..3000;
const WORD: usize = 3584;

pub(super) fn rflush_9(bench: &Bench) -> Outcome {
    let (mut complete, mut cuts) = (0, 0);
    for point in 0..12 {
        let kept = Kept::new(bench, point)?;
        let a = &kept.pair.a;
        a.mr.write(0, &[7; DATA.end - DATA.start])?;
        kept.disk.cut_at(point);
        a.qp.write(1, &[a.sge(0, DATA.len())?], kept.region.remote(DATA.start)?, NONE)?;
        kept.flush(a, 2, DATA, PERSISTENT)?;
        a.qp.atomic_write(3, 1_u64.to_ne_bytes(), kept.region.remote(WORD)?, NONE)?;
        kept.flush(a, 4, WORD..WORD + 8, PERSISTENT)?;
        let ended = a.take(4, "data, flush, word, flush")?;
        let told = |n: usize| ended[n].status == Status::SUCCESS;
        for seed in 0..20 {
            let found = kept.found(seed);
            let data = found[DATA].iter().all(|byte| *byte == 7);
            let word = found[WORD..WORD + 8] == 1_u64.to_ne_bytes();
            ensure!(data || !word, "cut at {point}: the word without its data");
            ensure!(data || !told(1), "cut at {point}: data that was flushed is lost");
            ensure!(word || !told(3), "cut at {point}: a word that was flushed is lost");
        }
        complete += usize::from(told(3));
        cuts += 1;
    }
    ensure!(
        (1..cuts).contains(&complete),
        "no cut came between the first and the last: {complete} of {cuts}"
    );
    Ok(())
}

pub(super) fn rflush_12(bench: &Bench) -> Outcome {
    for (fails, errno) in [(Fails::Sync, EIO), (Fails::Sync, ENOSPC), (Fails::Write, ENOSPC)] {
        let kept = Kept::new(bench, 12)?;
        kept.write(&kept.pair.a, 1, 600, b"kept?")?;
        kept.disk.fail(fails, 0, errno);
        kept.flush(&kept.pair.a, 2, 600..605, PERSISTENT)?;
        let expected = [(1, Status::SUCCESS), (2, Status::REMOTE_RESOURCES)];
        kept.pair.a.yields(&expected, "a flush whose storage fails")?;
        ensure_eq!(kept.region.in_doubt(), [600..605].to_vec(), "what is in doubt");
    }
    Ok(())
}

pub(super) fn rflush_13(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, 13)?;
    kept.write(&kept.pair.a, 1, 600, b"kept?")?;
    kept.disk.fail(Fails::Sync, 0, EIO);
    kept.flush(&kept.pair.a, 2, 600..605, PERSISTENT)?;
    kept.pair.a.take(2, "a flush whose storage fails")?;
    let (again, anew) = (kept.beside()?, kept.beside()?);
    let syncs = kept.disk.syncs();
    kept.flush(&again.end, 3, 0..4096, PERSISTENT)?;
    again.end.yields(&[(3, Status::REMOTE_RESOURCES)], "a flush of what is in doubt")?;
    ensure_eq!(kept.disk.syncs(), syncs, "syncs that would say success");
    kept.write(&anew.end, 4, 600, b"again")?;
    kept.flush(&anew.end, 5, 600..605, PERSISTENT)?;
    anew.end.yields(&[(4, Status::SUCCESS), (5, Status::SUCCESS)], "written again and flushed")?;
    ensure_eq!(kept.region.in_doubt(), Vec::new(), "what is in doubt");
    for seed in 0..20 {
        ensure_eq!(kept.found(seed)[600..605], *b"again", "after a crash");
    }
    Ok(())
}

pub(super) fn rflush_19(bench: &Bench) -> Outcome {
    let kept = Kept::new(bench, 19)?;
    let late = kept.beside()?;
    kept.disk.hold_syncs();
    kept.flush(&kept.pair.a, 1, 0..8, PERSISTENT)?;
    kept.write(&late.end, 2, 512, b"late")?;
    kept.flush(&late.end, 3, 512..516, PERSISTENT)?;
    late.end.yields(&[(2, Status::SUCCESS)], "a write while a sync runs")?;
    kept.disk.release_syncs(true);
    kept.pair.a.yields(&[(1, Status::SUCCESS)], "the flush that came first")?;
    ensure!(late.end.cq.is_empty(), "the end of an earlier sync has completed a flush");
    kept.disk.release_syncs(false);
    late.end.yields(&[(3, Status::SUCCESS)], "the flush that came late")?;
    for seed in 0..20 {
        ensure_eq!(kept.found(seed)[512..516], *b"late", "after a crash");
    }
    Ok(())
}
