//! LOG statements on damage, shared flushes, and failures of the disk.

use super::*;
use crate::fabric::storage::forget::Fails;
use crate::ndk::Status;
use crate::ulp::log::block::{self, NoBlock};
use std::sync::mpsc;

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
const SECTOR: u64 = 512;

/// A disk with a log of one whole block of two sectors at offset 0, acknowledged by nobody.
fn one_block(on: On) -> Result<Bed, LogError> {
    let bed = Bed::new(on, 1);
    let (log, area) = bed.create(2)?;
    append_stable(&area, &[5; 900])?;
    bed.kill(log, area);
    Ok(bed)
}

/// How many records are found after `change` was done to a copy of the disk.
fn damaged(whole: &Bed, change: impl Fn(&Bed)) -> Result<usize, LogError> {
    let bed = whole.crash(1);
    change(&bed);
    let (log, area) = bed.open()?;
    Ok(data(&log, &area)?.len())
}

checks! {
    /// LOG-26: a block torn at any sector, or with one bit changed, gives no record.
    log_26_no_record_of_a_torn_or_damaged_block(on) {
        let (whole, first) = (one_block(on)?, Bed::file("log.000000"));
        ensure!(damaged(&whole, |_| ())? == 1, "whole, it is found");
        for sector in 0..2 {
            let found = damaged(&whole, |bed| bed.overwrite(&first, sector * SECTOR, &[0; 512]))?;
            ensure!(found == 0, "torn at sector {sector}");
        }
        // Those that a peer has in its memory are the same bytes.
        for byte in (0..2 * SECTOR).step_by(if on == On::Peer { 17 } else { 1 }) {
            let bit = 1 << (byte % 8);
            let found = damaged(&whole, |bed| bed.damage(&first, byte, |old| *old ^= bit))?;
            ensure!(found == 0, "bit {} of byte {byte} changed", byte % 8);
        }
        let header = block::Header {
            log: 1, incarnation: 1, lsn: Lsn::NULL, records: 1, usn: 7, before: block::Link::NONE,
        };
        let older = block::seal(&block::Header { usn: 6, ..header }, &[3; 800]).0;
        let mut torn = block::seal(&header, &[3; 800]).0;
        torn[512..].copy_from_slice(&older[512..]);
        ensure!(block::open(&torn) == Err(NoBlock::Torn(1)), "a sector of another write is told from damage");
    }

    /// LOG-27: behind a torn block nothing is found, also once it was rewritten with the very same records.
    log_27_nothing_behind_a_torn_block(on) {
        for torn in 0..2_u8 {
            let bed = Bed::new(on, 1);
            let (log, area) = bed.create(3)?;
            for n in 0..3 {
                append_stable(&area, &[n; 900])?;
            }
            bed.kill(log, area);
            bed.overwrite(&Bed::file("log.000000"), u64::from(torn) * 2 * SECTOR, &[0; 512]);
            let (log, area) = bed.open()?;
            let expected: Vec<Vec<u8>> = (0..torn).map(|n| vec![n; 900]).collect();
            ensure!(data(&log, &area)? == expected, "what is before block {torn} only");
            append_stable(&area, &[torn; 900])?;
            bed.kill(log, area);
            let after = bed.crash(1);
            let (log, area) = after.open()?;
            let (found, expected) = (data(&log, &area)?, (0..=torn).map(|n| vec![n; 900]).collect::<Vec<_>>());
            ensure!(found == expected, "block {torn} was torn: {} records", found.len());
        }
    }

    /// LOG-28: damage below what was known to be stable is never taken for the end.
    log_28_damage_below_what_was_stable_is_told(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(3)?;
        for n in 0..3 {
            append_stable(&area, &[n; 900])?;
        }
        area.write_restart_area(b"now the metadata know", None, false)?;
        bed.kill(log, area);
        for (offset, what) in [(100, "the first"), (3 * SECTOR, "the second"), (5 * SECTOR + 9, "the third")] {
            let bed = bed.crash(1);
            bed.damage(&Bed::file("log.000000"), offset, |byte| *byte ^= 1);
            let opened = status(bed.open());
            ensure!(opened == Some(LogStatus::LOG_BLOCK_INVALID), "{what} block is damaged: {opened:?}");
        }
        ensure!(LogStatus::LOG_BLOCK_INVALID.as_u32() == 0xC01A_000A, "its number");
        bed.crash(1).open()?;
    }

    /// LOG-29: a crash at any point of a metadata write leaves a log that opens, with all acknowledged
    /// records.
    log_29_one_slot_is_always_whole(on) {
        for seed in on.seeds(400) {
            let bed = Bed::new(on, seed);
            let (_log, area) = bed.create(3)?;
            let first = append_stable(&area, &[1; 200])?;
            area.advance_base(first)?;
            let second = append_stable(&area, &[2; 200])?;
            bed.disk.cut_at(seed % 4);
            let advanced = area.advance_base(second);
            let after = bed.crash(seed);
            let (log, area) = after.open().map_err(|error| format!("seed {seed}: {error}"))?;
            let base = log.info().base;
            ensure!(base == second || (advanced.is_err() && base == first), "seed {seed}: base {base}");
            ensure!(read(&area, second)? == [2; 200], "seed {seed}: the second record");
        }
        let bed = Bed::new(on, 1);
        bed.create(2)?;
        let length = bed.disk.content(&Bed::file("log.base")).ok_or("no metadata")?.len();
        bed.overwrite(&Bed::file("log.base"), 0, &vec![1; length]);
        let opened = status(bed.open());
        ensure!(opened == Some(LogStatus::LOG_METADATA_CORRUPT), "both slots gone: {opened:?}");
    }

    /// LOG-30: threads that flush at once share syncs, and none returns before a sync that began after its
    /// append has ended.
    log_30_flushes_are_shared(on) {
        let bed = Bed::new(on, 1).room(64, CONTAINER as usize);
        let (_log, area) = bed.create(64)?;
        bed.disk.hold_syncs();
        let before = bed.disk.syncs();
        append(&area, b"first")?;
        let (tell, told) = mpsc::channel();
        let (area, ready) = (&area, &std::sync::Barrier::new(257));
        let seen = std::thread::scope(|scope| -> Result<Vec<usize>, Box<dyn std::error::Error + Send + Sync>> {
            let first = area.flush_buffers(); // its sync began before the others append
            for thread in 0..256_u32 {
                let tell = tell.clone();
                scope.spawn(move || {
                    let flush = append(area, &thread.to_le_bytes()).map(|lsn| area.flush_to(lsn));
                    ready.wait();
                    tell.send(flush.and_then(|flush| flush.wait())).unwrap();
                });
            }
            ready.wait();
            let early = told.try_iter().count();
            bed.disk.release_syncs(true);
            first.wait()?;
            let after_first = told.try_iter().count();
            bed.disk.release_syncs(false);
            let rest = told.iter().take(256 - early - after_first).filter(Result::is_ok).count();
            Ok(vec![early, after_first, rest])
        })?;
        ensure!(seen == [0, 0, 256], "before any sync, after the first, after the second: {seen:?}");
        let syncs = bed.disk.syncs() - before;
        // Three containers of small blocks are touched, each of which is a file of its own.
        ensure!(syncs <= 8, "{syncs} syncs for 257 flushes");
    }

    /// LOG-31: when a sync fails, nobody whose record is not stable is told success, and no more is appended
    /// until it is rewritten.
    log_31_a_failed_sync_is_told_to_all(on) {
        for (fails, seed) in [(Fails::Sync, 1), (Fails::Write, 2)] {
            let bed = Bed::new(on, seed);
            let (log, area) = bed.create(3)?;
            append_stable(&area, b"first")?; // its LSN is NULL, which means all
            let stable = append_stable(&area, b"stable")?;
            let waiting = [append(&area, &[1; 500])?, append(&area, &[2; 500])?];
            bed.disk.fail(fails, 0, EIO);
            for lsn in waiting {
                let error = area.flush_to(lsn).wait().err().ok_or("success without a sync")?;
                ensure!(error.status() == LogStatus::LOG_APPENDED_FLUSH_FAILED, "{error}");
                let told = match on {
                    On::Folder => error.os_error() == Some(EIO),
                    On::Peer => [Some(Status::REMOTE_RESOURCES), None].contains(&error.remote_status()),
                };
                ensure!(told, "{error}");
            }
            area.flush_to(stable).wait()?;
            ensure!(status(append(&area, b"a")) == Some(LogStatus::LOG_STATE_INVALID), "an append");
            ensure!(log.info().failed, "it does not say so");
            bed.disk.fail(fails, 0, EIO);
            ensure!(area.rewrite().wait().is_err() && log.info().failed, "{fails:?} again");
            area.rewrite().wait()?;
            append_stable(&area, b"goes on")?;
            bed.kill(log, area);
            for crash in 0..16 {
                let after = bed.crash(crash);
                let (log, area) = after.open()?;
                let found = data(&log, &area)?;
                ensure!(found == [b"first".to_vec(), b"stable".to_vec(), vec![1; 500], vec![2; 500], b"goes on".to_vec()], "{fails:?}");
            }
        }
    }

    /// LOG-31, opened again instead: what is found then is stable, though the system's memory was all there
    /// was.
    log_31_opened_again_after_a_failed_sync(on) {
        for seed in on.seeds(64) {
            let bed = Bed::new(on, seed);
            let (log, area) = bed.create(3)?;
            append(&area, &[1; 500])?;
            bed.disk.fail(Fails::Sync, 0, EIO);
            ensure!(area.flush_buffers().wait().is_err(), "success without a sync");
            bed.kill(log, area);
            let (log, area) = bed.open()?;
            let before = data(&log, &area)?;
            bed.kill(log, area);
            let after = bed.crash(seed);
            let (log, area) = after.open()?;
            ensure!(data(&log, &area)? == before, "seed {seed}: what recovery found was lost");
        }
    }

    /// LOG-32: recovery finds the same again, also after a crash within it.
    log_32_recovery_finds_the_same_again(on) {
        for seed in on.seeds(200) {
            let bed = Bed::new(on, seed);
            let (log, area) = bed.create(3)?;
            for n in 0..9_u8 {
                append(&area, &[n; 400])?;
                if n % 4 == 3 {
                    area.flush_buffers().wait()?;
                }
            }
            area.append(&[b"queued"], Append { force: Force::Append, ..Append::default() })?;
            bed.kill(log, area);
            let bed = bed.crash(seed);
            bed.disk.cut_at(seed % 14);
            let found = |bed: &Bed| bed.open().and_then(|(log, area)| {
                let found = data(&log, &area);
                bed.kill(log, area);
                found
            });
            let within = found(&bed);
            let again = bed.crash(seed + 1);
            let (first, second) = (found(&again)?, found(&again)?);
            ensure!(first.len() >= 8 && first == second, "seed {seed}: {} and {}", first.len(), second.len());
            ensure!(within.is_err() || within? == first, "seed {seed}: other records than before the crash");
        }
    }

    /// A restart area whose call has failed is not found once something else was said of the base (LOG-20).
    a_failed_restart_area_is_no_news_later(on) {
        for seed in on.seeds(16) {
            let bed = Bed::new(on, seed);
            let (log, area) = bed.create(3)?;
            let lsns = (0..8).map(|n| append(&area, &[n; 300])).collect::<Result<Vec<_>, _>>()?;
            area.flush_buffers().wait()?;
            bed.disk.fail(Fails::Sync, 0, EIO);
            ensure!(area.write_restart_area(b"failed", Some(lsns[5]), false).is_err(), "success without a sync");
            area.rewrite().wait()?; // its record is stable now, and nobody was told that it is in force
            area.advance_base(lsns[2])?;
            bed.kill(log, area);
            let after = bed.crash(seed);
            let (log, area) = after.open()?;
            ensure!(log.info().base == lsns[2], "seed {seed}: the base is {}", log.info().base);
            ensure!(status(area.read_restart_area()) == Some(LogStatus::LOG_NO_RESTART), "seed {seed}: found");
        }
    }
}

/// A container that cannot be read is no end of the log.
#[test]
fn a_read_error_is_no_end() -> Outcome {
    let bed = Bed::new(On::Folder, 1);
    let (log, area) = bed.create(3)?;
    append_stable(&area, b"a")?;
    bed.kill(log, area);
    // Two reads are those of the metadata's slots.
    bed.disk.fail(Fails::Read, 2, EIO);
    let error = bed.open().err().ok_or("opened")?;
    ensure!(
        error.status() == LogStatus::LOG_CONTAINER_READ_FAILED && error.os_error() == Some(EIO),
        "{error}"
    );
    let (log, area) = bed.open()?;
    ensure!(data(&log, &area)? == [b"a"], "the record");
    Ok(())
}

/// Blocks that lie behind each other are read at once, and not each with what follows it.
#[test]
fn what_was_read_ahead_is_not_read_again() -> Outcome {
    let bed = Bed::new(On::Folder, 1);
    let (_log, area) = bed.create(3)?;
    for n in 0..3 {
        append_stable(&area, &[n; 900])?;
    }
    let mut context = area.read(Lsn::NULL, ReadMode::Forward)?;
    context.next(RecordFilter::Data, None)?;
    bed.disk.fail(Fails::Read, 0, EIO);
    context.next(RecordFilter::Data, None)?;
    ensure!(context.data() == [2; 900], "the third record");
    let again = status(area.read(Lsn::NULL, ReadMode::Forward));
    ensure!(
        again == Some(LogStatus::LOG_CONTAINER_READ_FAILED),
        "the disk was asked, or nothing was: {again:?}"
    );
    Ok(())
}

/// A full file system is told by the call that needs space, and nothing else suffers.
#[test]
fn a_full_disk_is_told_when_containers_are_added() -> Outcome {
    let bed = Bed::new(On::Folder, 1);
    let (log, area) = bed.create(2)?;
    append_stable(&area, b"before")?;
    bed.disk.limit(64 * 1024);
    let error = log.add_containers(20, None).err().ok_or("added")?;
    ensure!(error.status() == LogStatus::DISK_FULL, "{error}");
    ensure!(error.os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error()), "{error}");
    ensure!(log.info().containers.len() == 2, "some were added");
    append_stable(&area, b"after")?;
    bed.disk.limit(u64::MAX);
    log.add_containers(20, None)?;
    ensure!(log.info().containers.len() == 22, "it goes on");
    Ok(())
}

/// A log is made once, and opened where it is.
#[test]
fn a_log_is_made_once() -> Outcome {
    let bed = Bed::new(On::Folder, 1);
    ensure!(status(bed.open()) == Some(LogStatus::OBJECT_NAME_NOT_FOUND), "nothing is there");
    let (_log, area) = bed.create(2)?;
    let points = bed.disk.points();
    ensure!(status(bed.create_with(Bed::options())) == Some(LogStatus::OBJECT_NAME_COLLISION), "made twice");
    ensure!(bed.disk.points() == points, "who only looks has written to a log that somebody has open");
    drop(area);
    Ok(())
}
