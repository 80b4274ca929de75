//! LOG statements on flushing, LSNs, space and containers.

use super::*;
use crate::ulp::log::{ContainerState, block};
use std::sync::mpsc;

checks! {
    /// LOG-1: what was appended before a flush that succeeded survives a crash.
    log_1_what_was_flushed_survives_a_crash(on) {
        for seed in on.seeds(64) {
            let bed = Bed::new(on, seed);
            let (_log, area) = bed.create(3)?;
            let sent: Vec<Vec<u8>> = (0..12).map(|n| vec![n; 300]).collect();
            for record in &sent {
                append(&area, record)?;
            }
            area.flush_buffers().wait()?;
            append(&area, b"not flushed")?;
            let after = bed.crash(seed);
            let (log, area) = after.open()?;
            let found = data(&log, &area)?;
            ensure!(found == sent, "seed {seed}: {} records of {}", found.len(), sent.len());
        }
    }

    /// LOG-2: a flush to LSN NULL does what flushing the buffers does.
    log_2_null_means_all(on) {
        let outcome = |null: bool| -> Result<(Lsn, u64, Lsn), LogError> {
            let bed = Bed::new(on, 1);
            let (log, area) = bed.create(3)?;
            for n in 0..12 {
                append(&area, &[n; 300])?;
            }
            let flushed = if null { area.flush_to(Lsn::NULL) } else { area.flush_buffers() }.wait()?;
            Ok((flushed, bed.disk.syncs(), log.info().flushed))
        };
        let (null, buffers) = (outcome(true)?, outcome(false)?);
        ensure!(null == buffers, "{null:?} and {buffers:?}");
    }

    /// LOG-3: records up to the LSN survive; more may.
    log_3_up_to_the_lsn(on) {
        let mut more = false;
        for seed in on.seeds(64) {
            let bed = Bed::new(on, seed);
            let (_log, area) = bed.create(3)?;
            let lsns = (0..8).map(|n| append(&area, &[n; 300])).collect::<Result<Vec<_>, _>>()?;
            area.flush_to(lsns[4]).wait()?;
            for n in 8..16 {
                area.append(&[&[n; 300]], Append { force: Force::Append, ..Append::default() })?;
            }
            let after = bed.crash(seed);
            let (log, area) = after.open()?;
            let found = data(&log, &area)?;
            ensure!(found.len() >= 5, "seed {seed}: only {} records", found.len());
            ensure!(found.iter().zip(0_u8..).all(|(data, n)| *data == vec![n; 300]), "seed {seed}: another order");
            more |= found.len() > 8;
        }
        ensure!(more, "never more than was asked for: the disk does not forget by chance");
    }

    /// LOG-4: what a flush returns is the oldest LSN not stable.
    log_4_the_oldest_not_flushed_is_returned(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(4)?;
        for size in [1, 300, 900, 40, 0, 700, 900, 900, 8] {
            let lsn = append(&area, &vec![7; size])?;
            let flushed = area.flush_to(lsn).wait()?;
            ensure!(flushed > lsn, "{flushed} is not above {lsn}");
            ensure!(log.info().flushed == flushed, "{} is told elsewhere", log.info().flushed);
            let next = append(&area, &vec![7; size])?;
            ensure!(next == flushed, "the next record is {next}, and {flushed} was told");
        }
    }

    /// LOG-5: with the LSN stable already, no I/O is done.
    log_5_stable_already_is_no_io(on) {
        let bed = Bed::new(on, 1);
        let (_log, area) = bed.create(2)?;
        let lsn = append(&area, b"a")?;
        let first = area.flush_buffers().wait()?;
        let points = bed.disk.points();
        ensure!(area.flush_to(lsn).wait()? == first, "another LSN");
        ensure!(area.flush_buffers().wait()? == first, "another LSN");
        ensure!(bed.disk.points() == points, "I/O was done");
    }

    /// LOG-6: LSNs grow, from whatever thread.
    log_6_lsns_grow(on) {
        let bed = Bed::new(on, 1).room(64, CONTAINER as usize);
        let (_log, area) = bed.create(64)?;
        let (tell, told) = mpsc::channel();
        let order = std::sync::Mutex::new(());
        let last = std::sync::Mutex::new(None);
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                let (tell, area, order, last) = (tell.clone(), &area, &order, &last);
                scope.spawn(move || {
                    for _ in 0..100 {
                        let _one_after_the_other = order.lock();
                        let lsn = append(area, &[thread; 100]);
                        let mut last = last.lock().unwrap();
                        let grows = lsn.as_ref().is_ok_and(|lsn| last.is_none_or(|last| *lsn > last));
                        *last = lsn.ok().or(*last);
                        tell.send(grows).unwrap();
                    }
                });
            }
        });
        drop(tell);
        let all: Vec<_> = told.iter().collect();
        ensure!(all.len() == 400 && all.iter().all(|grows| *grows), "one did not grow");
    }

    /// LOG-7: an LSN is made of its parts, and gives them back; impossible parts are refused.
    log_7_lsns_are_made_of_their_parts(_on) {
        for (container, offset, record) in [(0, 0, 0), (1, 512, 511), (0xFFFF_FFFE, 0xFFFF_FE00, 1), (77, 1024, 8)] {
            let lsn = Lsn::create(container, offset, record)?;
            let parts = (lsn.container(), lsn.block_offset(), lsn.record_sequence());
            ensure!(parts == (container, offset, record), "{parts:?}");
        }
        for container in [6, 7] {
            let end = Lsn::of(container, 1 << 32, 0);
            ensure!(end == Lsn::of(container + 1, 0, 0), "a container of 4 GiB ends at {end}");
        }
        for (container, offset, record) in [(0, 1, 0), (0, 511, 0), (0, 513, 0), (0, 0, 512), (u32::MAX, 0, 0)] {
            let refused = status(Lsn::create(container, offset, record));
            ensure!(refused == Some(LogStatus::INVALID_PARAMETER), "{container} {offset} {record}: {refused:?}");
        }
    }

    /// LOG-8: NULL is the smallest, INVALID larger than any valid one.
    log_8_null_and_invalid_bound_all(_on) {
        let largest = Lsn::create(0xFFFF_FFFE, 0xFFFF_FE00, 511)?;
        ensure!(Lsn::NULL == Lsn::create(0, 0, 0)? && Lsn::NULL.as_u64() == 0, "NULL");
        ensure!(Lsn::NULL <= Lsn::create(0, 0, 1)? && largest < Lsn::INVALID, "order");
        ensure!(Lsn::INVALID.as_u64() == 0xFFFF_FFFF_0000_0000, "INVALID's number");
        ensure!(Lsn::from_u64(Lsn::INVALID.as_u64()) == Lsn::INVALID, "from its number");
    }

    /// LOG-9: a forced flush survives; a forced append promises nothing.
    log_9_force_flush_survives(on) {
        let mut lost = [false; 2];
        for seed in on.seeds(64) {
            let bed = Bed::new(on, seed);
            let (_log, area) = bed.create(3)?;
            let flush = append_stable(&area, b"flushed")?;
            let queued = area.append(&[b"queued"], Append { force: Force::Append, ..Append::default() })?;
            let plain = append(&area, b"plain")?;
            let after = bed.crash(seed);
            let (_log, area) = after.open()?;
            ensure!(read(&area, flush)? == b"flushed", "seed {seed}");
            lost[0] |= read(&area, queued).is_err();
            lost[1] |= read(&area, plain).is_err();
        }
        ensure!(lost == [true; 2], "the disk forgot nothing: {lost:?}");
    }

    /// LOG-10: reserving and appending in one step is both or neither.
    log_10_reserve_and_append_are_one(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(2)?;
        let before = log.info();
        let many = [900_i64; 64];
        let refused = area.append(&[b"a"], Append { reservations: &many, ..Append::default() });
        ensure!(status(refused) == Some(LogStatus::LOG_FULL), "more was reserved than there is");
        let after = log.info();
        ensure!((after.next, after.reserved) == (before.next, 0), "something was done: {after:?}");
        area.append(&[b"a"], Append { reservations: &[100, 200], ..Append::default() })?;
        ensure!(log.info().reserved == 2, "both");
        let long = vec![0; BLOCK as usize];
        let refused = area.append(&[&long], Append { reservations: &[100], ..Append::default() });
        ensure!(status(refused) == Some(LogStatus::INVALID_PARAMETER), "a record that is too long");
        ensure!(log.info().reserved == 2, "neither");
    }

    /// LOG-11: using a reservation takes one away; with new ones it is refused.
    log_11_using_a_reservation_takes_it(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(2)?;
        area.reserve(&[100, 100, 800])?;
        let reserved = || Append { use_reservation: true, ..Append::default() };
        area.append(&[&[1; 100]], reserved())?;
        ensure!(log.info().reserved == 2, "{} are left", log.info().reserved);
        append(&area, &[1; 100])?;
        ensure!(log.info().reserved == 2, "a plain append took one");
        let both = Append { reservations: &[5], ..reserved() };
        ensure!(status(area.append(&[b"a"], both)) == Some(LogStatus::INVALID_PARAMETER), "both at once");
        area.reserve(&[-800])?;
        ensure!(log.info().reserved == 1, "freed");
        area.append(&[&[1; 100]], reserved())?;
        let none = status(area.append(&[b"a"], reserved()));
        ensure!(none == Some(LogStatus::LOG_RESERVATION_INVALID), "{none:?}");
        ensure!(status(area.reserve(&[-5])) == Some(LogStatus::LOG_RESERVATION_INVALID), "nothing to free");
    }

    /// LOG-12: with the log full, an append into reserved space succeeds, whatever flushes come between.
    log_12_reserved_space_is_there(on) {
        for seed in on.seeds(200) {
            let bed = Bed::new(on, seed);
            let (log, area) = bed.create(2 + (seed % 3) as u32)?;
            let sizes: Vec<i64> = (0..seed % 6).map(|n| ((seed * 7 + n * 311) % 900) as i64).collect();
            area.reserve(&sizes)?;
            for n in 0.. {
                match append(&area, &vec![1; ((seed * 13 + n * 101) % 900) as usize]) {
                    Ok(_) if n % 3 == seed % 3 => drop(area.flush_buffers().wait()?),
                    Ok(_) => {}
                    Err(error) if error.status() == LogStatus::LOG_FULL => break,
                    Err(error) => return Err(error.into()),
                }
            }
            for (n, size) in sizes.iter().enumerate() {
                let reserved = Append { use_reservation: true, ..Append::default() };
                let appended = area.append(&[&vec![9; *size as usize]], reserved);
                ensure!(appended.is_ok(), "seed {seed}, reservation {n}: {appended:?}");
                area.flush_buffers().wait()?;
            }
            ensure!(log.info().reserved == 0, "seed {seed}: some are left");
        }
    }

    /// LOG-13: without space an append says so, and succeeds once the base is advanced.
    log_13_full_until_the_base_advances(on) {
        let bed = Bed::new(on, 1);
        let (_log, area) = bed.create(2)?;
        let lsns = fill(&area, 900)?;
        ensure!(LogStatus::LOG_FULL.as_u32() == 0xC01A_001D, "its number");
        ensure!(status(append(&area, &[1; 900])) == Some(LogStatus::LOG_FULL), "full");
        let second = lsns.iter().find(|lsn| lsn.container() == 1).copied().ok_or("one container was enough")?;
        area.advance_base(second)?;
        append(&area, &[1; 900])?;
    }

    /// LOG-14: with fewer than two containers there is no area.
    log_14_two_containers_at_least(on) {
        let bed = Bed::new(on, 1);
        let log = bed.create_with(Bed::options())?;
        for _ in 0..2 {
            let refused = status(log.area(area_options()));
            ensure!(refused == Some(LogStatus::LOG_NOT_ENOUGH_CONTAINERS), "{refused:?}");
            log.add_containers(1, Some(CONTAINER))?;
        }
        ensure!(LogStatus::LOG_NOT_ENOUGH_CONTAINERS.as_u32() == 0xC01A_0023, "its number");
        log.area(area_options())?;
    }

    /// LOG-15: a recycled container goes on under the next logical number, and its old records are gone.
    log_15_recycling_gives_the_next_logical_number(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(3)?;
        let lsns = fill(&area, 900)?;
        let second = lsns.iter().find(|lsn| lsn.container() == 1).copied().ok_or("no second container")?;
        area.advance_base(second)?;
        let next = append(&area, &[9; 900])?;
        ensure!(next == Lsn::create(3, 0, 0)?, "the next record is {next}");
        ensure!(status(read(&area, lsns[0])) == Some(LogStatus::LOG_START_OF_LOG), "the first is readable");
        ensure!(read(&area, second)? == vec![lsns.iter().position(|lsn| *lsn == second).unwrap_or(0) as u8; 900], "second");
        area.delete()?;
        drop(log);
        let after = bed.crash(1);
        let (log, area) = after.open()?;
        ensure!(read(&area, next)? == [9; 900], "after a crash");
        ensure!(log.info().containers.iter().map(|c| (c.id, c.logical)).eq([(1, 1), (2, 2), (0, 3)]), "{:?}", log.info());
    }

    /// LOG-16: records between archive tail and base stay, with their containers.
    log_16_the_archive_tail_holds_containers(on) {
        let bed = Bed::new(on, 1);
        let log = bed.create_with(Bed::options().archive(true))?;
        log.add_containers(3, Some(CONTAINER))?;
        let area = log.area(area_options())?;
        let lsns = fill(&area, 900)?;
        let first_of = |container| lsns.iter().copied().find(|lsn| lsn.container() == container);
        let third = first_of(2).ok_or("no third container")?;
        area.advance_base(third)?;
        ensure!(status(append(&area, &[1; 900])) == Some(LogStatus::LOG_FULL), "a container was recycled");
        ensure!(read(&area, lsns[0])? == [0; 900], "the first record");
        log.set_archive_tail(first_of(1).ok_or("no second container")?)?;
        append(&area, &[1; 900])?;
        ensure!(status(read(&area, lsns[0])) == Some(LogStatus::LOG_START_OF_LOG), "the first record is still there");
        let other = Bed::new(on, 1);
        let (plain, _area) = other.create(2)?;
        ensure!(status(plain.set_archive_tail(Lsn::NULL)) == Some(LogStatus::LOG_EPHEMERAL), "a log without tail");
    }

    /// LOG-17: a record longer than a block is refused.
    log_17_a_record_is_no_longer_than_a_block(on) {
        let bed = Bed::new(on, 1);
        let (_log, area) = bed.create(2)?;
        let longest = (block::capacity(BLOCK) - crate::ulp::log::record::HEADER) / 8 * 8;
        append(&area, &vec![1; longest])?;
        let refused = status(append(&area, &vec![1; longest + 1]));
        ensure!(refused == Some(LogStatus::INVALID_PARAMETER), "{longest} bytes and one more: {refused:?}");
    }

    /// LOG-23: deleting an area flushes its blocks first.
    log_23_deleting_an_area_flushes(on) {
        for seed in on.seeds(32) {
            for drops in [false, true] {
                let bed = Bed::new(on, seed);
                let (_log, area) = bed.create(2)?;
                let lsn = append(&area, b"kept")?;
                match drops {
                    true => drop(area),
                    false => _ = area.delete()?,
                }
                let after = bed.crash(seed);
                let (_log, area) = after.open()?;
                ensure!(read(&area, lsn)? == b"kept", "seed {seed}");
            }
        }
    }

    /// LOG-24: an active container is not removed by force; lazily it goes when it leaves the active log.
    log_24_active_containers_leave_lazily(on) {
        let bed = Bed::new(on, 1);
        let (log, area) = bed.create(4)?;
        let mut lsns = Vec::new();
        while lsns.last().is_none_or(|lsn: &Lsn| lsn.container() < 1) {
            lsns.push(append(&area, &[1; 900])?);
        }
        ensure!(LogStatus::LOG_CANT_DELETE.as_u32() == 0xC01A_0011, "its number");
        for id in [0, 1] {
            let refused = status(log.remove_container(id, true));
            ensure!(refused == Some(LogStatus::LOG_CANT_DELETE), "container {id}: {refused:?}");
        }
        log.remove_container(0, false)?;
        ensure!(log.info().containers[0].state == ContainerState::ActivePendingDelete, "{:?}", log.info());
        log.remove_container(2, true)?;
        ensure!(log.info().containers.iter().map(|c| (c.id, c.logical)).eq([(0, 0), (1, 1), (3, 2)]), "{:?}", log.info());
        let is_gone = |name| on == On::Peer || bed.disk.content(&Bed::file(name)).is_none(); // a region stays
        ensure!(is_gone("log.000002"), "its file is there");
        area.advance_base(*lsns.last().ok_or("no record")?)?;
        ensure!(log.info().containers.iter().map(|c| (c.id, c.logical)).eq([(1, 1), (3, 2)]), "{:?}", log.info());
        ensure!(is_gone("log.000000"), "its file is there");
        fill(&area, 900)?;
        area.delete()?;
        drop(log);
        bed.crash(1).open()?;
    }

    /// LOG-25: one size for all containers, which a later size must reach.
    log_25_containers_have_one_size(on) {
        let bed = Bed::new(on, 1).room(4, 1 << 20);
        let log = bed.create_with(LogOptions::default())?;
        ensure!(status(log.add_containers(1, None)) == Some(LogStatus::INVALID_PARAMETER), "the first without size");
        log.add_containers(1, Some(600 * 1024))?;
        ensure!(log.info().container_size == 1024 * 1024, "{} bytes", log.info().container_size);
        let small = status(log.add_containers(1, Some(512 * 1024)));
        ensure!(small == Some(LogStatus::INVALID_PARAMETER), "a smaller one: {small:?}");
        log.add_containers(1, None)?;
        log.add_containers(1, Some(513 * 1024))?;
        log.add_containers(1, Some(3 << 20))?;
        ensure!(log.info().container_size == 1024 * 1024 && log.info().containers.len() == 4, "{:?}", log.info());
        let content = bed.disk.content(&Bed::file("log.000003")).ok_or("no file")?;
        ensure!(content == vec![0; 1024 * 1024], "it is not of zeros");
        let many = status(log.add_containers(1020, None));
        ensure!(many == Some(LogStatus::LOG_CONTAINER_LIMIT_EXCEEDED), "{many:?}");
    }
}
