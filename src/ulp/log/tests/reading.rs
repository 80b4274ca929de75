//! LOG statements on reading, restart areas and the base.

use super::*;

checks! {
    /// LOG-18: a restart area, all before it, and the new base survive together or not at all.
    log_18_restart_area_and_base_are_one(on) {
        let mut outcomes = [0, 0];
        for seed in on.seeds(200) {
            let bed = Bed::new(on, seed);
            let (log, area) = bed.create(3)?;
            area.write_restart_area(b"old", None, false)?;
            let old = log.info().base;
            let lsns = (0..6).map(|n| append(&area, &[n; 300])).collect::<Result<Vec<_>, _>>()?;
            bed.disk.cut_at(seed % 12);
            let written = area.write_restart_area(b"new", Some(lsns[3]), false);
            let after = bed.crash(seed);
            let (log, area) = after.open()?;
            let (base, restart) = (log.info().base, area.read_restart_area()?);
            let is_new = base == lsns[3];
            ensure!(is_new || base == old, "seed {seed}: the base is {base}");
            ensure!((restart.data() == b"new") == is_new, "seed {seed}: base {base}, restart {:?}", restart.data());
            ensure!(is_new || written.is_err(), "seed {seed}: acknowledged and gone");
            if is_new {
                let found = data(&log, &area)?;
                ensure!(found == [vec![3; 300], vec![4; 300], vec![5; 300]], "seed {seed}: {} records", found.len());
            }
            outcomes[usize::from(is_new)] += 1;
        }
        ensure!(outcomes.iter().all(|count| *count > 0), "one outcome only: {outcomes:?}");
    }

    /// LOG-19: restart areas are read from the newest down to the base.
    log_19_restart_areas_go_back_to_the_base(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(4)?;
        let none = status(area.read_restart_area());
        ensure!(none == Some(LogStatus::LOG_NO_RESTART) && LogStatus::LOG_NO_RESTART.as_u32() == 0x401A_000C, "{none:?}");
        let mut written = Vec::new();
        for n in 0..5_u8 {
            append(&area, &[n; 500])?;
            written.push(area.write_restart_area(&[n], None, false)?.lsn);
        }
        let check = |area: &MarshallingArea, oldest: usize| -> Outcome {
            let mut context = area.read_restart_area()?;
            for n in (oldest..5).rev() {
                ensure!(context.lsn() == written[n] && context.data() == [n as u8], "restart area {n}");
                let end = context.previous();
                ensure!(n == oldest || end.is_ok(), "none before {n}: {end:?}");
                ensure!(n > oldest || status(end) == Some(LogStatus::LOG_START_OF_LOG), "one before {n}");
            }
            Ok(())
        };
        check(&area, 0)?;
        area.advance_base(written[2])?;
        check(&area, 2)?;
        area.delete()?;
        drop(log);
        let after = bed.crash(1);
        let (_log, area) = after.open()?;
        check(&area, 2)?;
    }

    /// LOG-20: after a crash the base is the old or the new, and all flushed from the new on are there.
    log_20_the_base_is_old_or_new(on) {
        for seed in on.seeds(100) {
            let bed = Bed::new(on, seed);
            let (_log, area) = bed.create(4)?;
            let lsns = (0..10).map(|n| append(&area, &[n; 400])).collect::<Result<Vec<_>, _>>()?;
            area.flush_buffers().wait()?;
            bed.disk.cut_at(seed % 5);
            let advanced = area.advance_base(lsns[6]);
            let after = bed.crash(seed);
            let (log, area) = after.open()?;
            let base = log.info().base;
            ensure!(base == lsns[6] || (advanced.is_err() && base == Lsn::NULL), "seed {seed}: the base is {base}");
            for (n, lsn) in lsns.iter().enumerate().skip(6) {
                ensure!(read(&area, *lsn)? == vec![n as u8; 400], "seed {seed}: record {n}");
            }
        }
    }

    /// LOG-21: a forward read ends with END_OF_FILE; a chain below the base with START_OF_LOG.
    log_21_reads_end_as_documented(on) {
        let bed = Bed::new(on, 1);
        let (_log, area) = bed.create(4)?;
        let mut lsns: Vec<Lsn> = Vec::new();
        for n in 0..12_u8 {
            let previous = lsns.last().copied().unwrap_or(Lsn::INVALID);
            let undo_next = if n >= 2 { lsns[usize::from(n) - 2] } else { Lsn::INVALID };
            lsns.push(area.append(&[&[n; 300]], Append { previous, undo_next, ..Append::default() })?);
            if n == 5 {
                area.flush_buffers().wait()?;
            }
        }
        let walk = |mode, from: usize| -> Result<(Vec<u8>, Option<LogStatus>), LogError> {
            let mut context = area.read(lsns[from], mode)?;
            let mut found = Vec::new();
            loop {
                found.push(context.data()[0]);
                if let Err(error) = context.next(RecordFilter::Data, None) {
                    return Ok((found, Some(error.status())));
                }
            }
        };
        let eof = Some(LogStatus::END_OF_FILE);
        ensure!(walk(ReadMode::Forward, 0)? == ((0..12).collect(), eof), "forward");
        ensure!(walk(ReadMode::Previous, 11)? == ((0..12).rev().collect(), eof), "backward");
        ensure!(walk(ReadMode::UndoNext, 11)? == (vec![11, 9, 7, 5, 3, 1], eof), "undo");
        area.advance_base(lsns[4])?;
        let start = Some(LogStatus::LOG_START_OF_LOG);
        ensure!(walk(ReadMode::Previous, 11)? == ((4..12).rev().collect(), start), "backward to the base");
        ensure!(walk(ReadMode::UndoNext, 11)? == (vec![11, 9, 7, 5], start), "undo to the base");
    }

    /// LOG-22: an LSN given by the user must be below the present one.
    log_22_the_users_lsn_is_below(on) {
        let bed = Bed::new(on, 1);
        let (_log, area) = bed.create(2)?;
        let lsns = (0..4).map(|n| append(&area, &[n; 10])).collect::<Result<Vec<_>, _>>()?;
        let mut context = area.read(lsns[2], ReadMode::Previous)?;
        for refused in [2, 3] {
            let got = status(context.next(RecordFilter::Data, Some(lsns[refused])));
            ensure!(got == Some(LogStatus::INVALID_PARAMETER), "record {refused}: {got:?}");
        }
        ensure!(context.lsn() == lsns[2], "it moved");
        context.next(RecordFilter::Data, Some(lsns[0]))?;
        ensure!(context.data() == [0; 10], "the record that was named");
    }

    /// A read that begins while a flush is under way sees the record all the same.
    records_are_read_from_memory_and_disk_alike(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(4)?;
        let mut lsns = Vec::new();
        for n in 0..20_u8 {
            lsns.push(append(&area, &[n; 200])?);
            if n % 7 == 3 {
                area.flush_buffers().wait()?;
            }
        }
        let found = records(&log, &area, Lsn::NULL, RecordFilter::Data)?;
        ensure!(found.iter().map(|(lsn, _)| *lsn).eq(lsns.iter().copied()), "another order");
        bed.disk.hold_syncs();
        let flush = area.flush_buffers();
        if on == On::Peer {
            bed.disk.release_syncs(false); // a read of the peer waits for the flush before it
        }
        let read: Vec<_> = lsns.iter().map(|lsn| read(&area, *lsn)).collect();
        bed.disk.release_syncs(false); // before anything is judged, since the area's end waits for its flush
        flush.wait()?;
        for (n, read) in read.into_iter().enumerate() {
            ensure!(read? == vec![n as u8; 200], "record {n}");
        }
    }

    /// Restart areas are passed over by readers of data, and found by those who ask for them.
    filters_choose_kinds(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(3)?;
        append(&area, b"one")?;
        let restart = area.write_restart_area(b"restart", None, false)?;
        ensure!(restart.flushed > restart.lsn, "{restart:?}");
        append(&area, b"two")?;
        let of = |filter| records(&log, &area, Lsn::NULL, filter).map(|found| found.len());
        ensure!((of(RecordFilter::Data)?, of(RecordFilter::Restart)?, of(RecordFilter::Any)?) == (2, 1, 3), "counts");
        ensure!(status(area.read(restart.lsn, ReadMode::Forward)) == Some(LogStatus::INVALID_PARAMETER), "read as data");
        let mut context = area.read(Lsn::NULL, ReadMode::Forward)?;
        context.next(RecordFilter::Restart, None)?;
        ensure!(context.data() == b"restart" && context.kind() == RecordKind::Restart, "the restart record");
    }
}
