//! Power cut at every boundary of random lives of a log, recovery included.
//!
//! A scenario is four lives of one log on one disk. The first is cut at a chosen point, so that over all
//! scenarios of a seed every boundary of a write, a sync and a change of a name is cut at once; the second is
//! cut soon after it began, mostly within recovery; the third loses power at its end without notice; the
//! fourth looks and does nothing. After each opening, what is found is held against what was acknowledged:
//!
//! - every acknowledged record from the base on is there, in order, and nothing that was never appended;
//! - what is there beyond is a beginning of what was appended;
//! - base, archive tail and restart area are the acknowledged ones or ones that were asked for since.
//!
//! `QPAIR_CRASH_CUTS` is the number of cuts at least; the default is a short batch.

use super::*;
use crate::fabric::storage::forget::{Fails, chance::Chance};
use crate::ulp::log::record;

/// What must be found, and what may be.
#[derive(Debug, Default)]
struct Oracle {
    /// The log's creation was acknowledged.
    created: bool,
    /// All records that may be there, data and restart areas, in order.
    appended: Vec<(Lsn, Vec<u8>)>,
    /// How many of them were acknowledged.
    acknowledged: usize,
    /// The base that was acknowledged, then those that were asked for since.
    bases: Vec<Lsn>,
    tails: Vec<Lsn>,
    /// Likewise for the newest restart area; `None`: there is none.
    restarts: Vec<Option<(Lsn, Vec<u8>)>>,
    /// A failure was planned for this life, so that errors are no surprise.
    failing: bool,
}

/// Why a life ended.
enum End {
    PowerLost,
    Done,
}

type Life<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Oracle {
    fn new() -> Self {
        let none = Lsn::NULL;
        Self { bases: vec![none], tails: vec![none], restarts: vec![None], ..Self::default() }
    }

    /// Holds what is found against what must be; what is found is stable from now on.
    fn check(&mut self, log: &Log, area: &MarshallingArea) -> Outcome {
        let info = log.info();
        ensure!(self.bases.contains(&info.base), "base {} of {:?}", info.base, self.bases);
        let tail = info.archive_tail.ok_or("no archive tail")?;
        ensure!(self.tails.contains(&tail), "archive tail {tail} of {:?}", self.tails);
        let oldest = info.base.min(tail);
        let begin = self.appended.iter().position(|(lsn, _)| *lsn >= oldest).unwrap_or(self.appended.len());
        let found = match self.appended.get(begin) {
            Some((first, _)) if *first < info.next => records(log, area, *first, RecordFilter::Any)?,
            _ => Vec::new(),
        };
        let expected = &self.appended[begin..];
        let acknowledged = self.acknowledged.saturating_sub(begin);
        ensure!(found.len() >= acknowledged, "{} records of {acknowledged} acknowledged", found.len());
        ensure!(found.len() <= expected.len(), "{} records of {} ever appended", found.len(), expected.len());
        let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
        ensure!(differs.is_none(), "record {differs:?} of {} is another one", found.len());
        let last = found.last().map_or(oldest, |(lsn, _)| *lsn);
        ensure!(info.next >= last, "the next record is {} and there is {last}", info.next);
        let restart = match area.read_restart_area() {
            Ok(context) => Some((context.lsn(), context.data().to_vec())),
            Err(error) if error.status() == LogStatus::LOG_NO_RESTART => None,
            // It lies below the base; the metadata still know it.
            Err(error) if error.status() == LogStatus::LOG_START_OF_LOG => {
                self.restarts.iter().flatten().find(|(lsn, _)| *lsn < oldest).cloned()
            }
            Err(error) => return Err(error.into()),
        };
        ensure!(self.restarts.contains(&restart), "restart area {restart:?} of {:?}", self.restarts);
        self.appended.truncate(begin + found.len());
        self.acknowledged = self.appended.len();
        (self.bases, self.tails, self.restarts) = (vec![info.base], vec![tail], vec![restart]);
        Ok(())
    }
}

/// One life: open or create, look, work, and be gone without a word.
fn live(bed: &Bed, oracle: &mut Oracle, chance: &mut Chance, steps: u64) -> Life<End> {
    let mut opened = open_or_create(bed, oracle);
    if oracle.failing && opened.as_ref().is_err_and(of_storage) {
        opened = open_or_create(bed, oracle); // that was the planned failure
    }
    let (mut log, mut area) = match opened {
        Ok(opened) => opened,
        Err(_) if bed.disk.is_dead() => return Ok(End::PowerLost),
        Err(error) => return Err(format!("cannot be opened: {error}").into()),
    };
    oracle.check(&log, &area)?;
    for _ in 0..steps {
        let done = step(&log, &area, oracle, chance);
        if bed.disk.is_dead() {
            bed.kill(log, area);
            return Ok(End::PowerLost);
        }
        match done {
            Ok(()) => {}
            Err(error) if error.status() == LogStatus::LOG_FULL => make_room(&log, &area, oracle)?,
            Err(_) if oracle.failing && log.info().failed && chance.percent(50) => {
                // A second failure of the same kind may be planned; the next step meets it.
                let last = oracle.appended.len();
                if area.rewrite().wait().is_ok() {
                    oracle.acknowledged = last;
                }
            }
            Err(_) if oracle.failing => {
                bed.kill(log, area); // a process that gives up; the machine goes on
                (log, area) = match bed.open() {
                    Ok(opened) => opened,
                    Err(_) if bed.disk.is_dead() => return Ok(End::PowerLost),
                    Err(error) if of_storage(&error) => bed.open()?, // the planned failure; once more
                    Err(error) => return Err(error.into()),
                };
                oracle.check(&log, &area)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    bed.kill(log, area);
    Ok(End::Done)
}

/// The disk has failed, here or at the peer, or the connection to the peer since.
fn of_storage(error: &LogError) -> bool {
    std::error::Error::source(error).is_some()
}

fn open_or_create(bed: &Bed, oracle: &mut Oracle) -> Result<(Log, MarshallingArea), LogError> {
    if oracle.created {
        return bed.open();
    }
    let log = match bed.create_with(Bed::options().archive(true)) {
        Ok(log) => log,
        Err(error) if error.status() == LogStatus::OBJECT_NAME_COLLISION => {
            Log::open_on(bed.medium()?, Bed::options())?
        }
        Err(error) => return Err(error),
    };
    let missing = 3_u32.saturating_sub(log.info().containers.len() as u32);
    log.add_containers(missing, Some(CONTAINER))?;
    oracle.created = true;
    let area = log.area(area_options())?;
    Ok((log, area))
}

/// One thing that a user of a log does.
fn step(log: &Log, area: &MarshallingArea, oracle: &mut Oracle, chance: &mut Chance) -> Result<(), LogError> {
    match chance.below(20) {
        0..=8 => put(log, area, oracle, chance, Force::None),
        9 | 10 => put(log, area, oracle, chance, Force::Append),
        11 | 12 => put(log, area, oracle, chance, Force::Flush),
        13 | 14 => {
            area.flush_buffers().wait()?;
            oracle.acknowledged = oracle.appended.len();
            Ok(())
        }
        15 | 16 => {
            let Some(lsn) = pick(oracle, chance) else { return Ok(()) };
            area.flush_to(lsn).wait()?;
            let upto = oracle.appended.iter().filter(|(other, _)| *other <= lsn).count();
            oracle.acknowledged = oracle.acknowledged.max(upto);
            Ok(())
        }
        17 => {
            let Some(base) = pick(oracle, chance).filter(|lsn| *lsn >= log.info().base) else {
                return Ok(());
            };
            oracle.bases.push(base);
            area.advance_base(base)?;
            oracle.bases = vec![base];
            let tail = log.info().archive_tail.unwrap_or(Lsn::NULL).max(base);
            oracle.tails.push(tail);
            log.set_archive_tail(tail)?;
            oracle.tails = vec![tail];
            Ok(())
        }
        18 => restart(log, area, oracle, chance),
        _ if log.info().containers.len() < 6 => log.add_containers(1, None),
        _ => {
            let containers = log.info().containers;
            let chosen = containers[chance.below(containers.len() as u64) as usize];
            log.remove_container(chosen.id, false)
        }
    }
}

/// A record like others before it: blocks of different lives shall differ in nothing that a user sees.
fn put(
    log: &Log,
    area: &MarshallingArea,
    oracle: &mut Oracle,
    chance: &mut Chance,
    force: Force,
) -> Result<(), LogError> {
    let data = vec![chance.below(2) as u8; [0, 40, 400, 900][chance.below(4) as usize]];
    let lsn = append(area, &data)?;
    oracle.appended.push((lsn, data));
    match force {
        Force::None => {}
        Force::Append => area.queue(),
        Force::Flush => {
            log.core().flush_record("step", lsn).wait()?;
            oracle.acknowledged = oracle.appended.len();
        }
    }
    Ok(())
}

fn restart(
    log: &Log,
    area: &MarshallingArea,
    oracle: &mut Oracle,
    chance: &mut Chance,
) -> Result<(), LogError> {
    let data = vec![7; chance.below(60) as usize];
    let base = pick(oracle, chance).filter(|lsn| *lsn >= log.info().base && chance.percent(50));
    let (next, newest) = (log.info().next, log.core().state().restart);
    oracle.bases.extend(base);
    let written = area.write_restart_area(&data, base, false);
    let lsn =
        written.as_ref().map_or_else(|_| place_of_restart(log, next, newest), |restart| Some(restart.lsn));
    let Some(lsn) = lsn else { return written.map(drop) };
    oracle.appended.push((lsn, data.clone()));
    oracle.restarts.push(Some((lsn, data.clone())));
    written?;
    oracle.acknowledged = oracle.appended.len();
    oracle.restarts = vec![Some((lsn, data))];
    oracle.bases = base.map_or_else(|| vec![log.info().base], |base| vec![base]);
    Ok(())
}

/// Where a restart record went whose call has failed; `None`: it was not appended.
fn place_of_restart(log: &Log, before: Lsn, newest: Lsn) -> Option<Lsn> {
    let core = log.core();
    let state = core.state();
    if state.restart != newest {
        return Some(state.restart);
    }
    let open = state.open.as_ref().map(|open| (open.lsn, open.count, open.records.clone()));
    let closed = || state.unstable.back().map(|block| (block.lsn, block.count, block.records.to_vec()));
    let (block, count, records) = open.or_else(closed)?;
    let last = record::decode(&records, count - 1)?;
    let lsn = Lsn::from_u64(block.as_u64() + u64::from(count) - 1);
    (last.kind == RecordKind::Restart && lsn >= before).then_some(lsn)
}

fn pick(oracle: &Oracle, chance: &mut Chance) -> Option<Lsn> {
    let count = oracle.appended.len() as u64;
    (count > 0).then(|| oracle.appended[chance.below(count) as usize].0)
}

/// The log is full: everything is archived and not needed any more.
fn make_room(log: &Log, area: &MarshallingArea, oracle: &mut Oracle) -> Outcome {
    let next = log.info().next;
    oracle.bases.push(next);
    let moved = area.advance_base(next);
    if moved.is_ok() {
        oracle.acknowledged = oracle.appended.len();
        oracle.bases = vec![next];
    }
    oracle.tails.push(next);
    match moved.and_then(|()| log.set_archive_tail(next)) {
        Ok(()) => oracle.tails = vec![next],
        Err(error) if error.status() == LogStatus::LOG_FULL => return Err(error.into()),
        Err(_) => {} // power, or a planned failure: the next step meets it
    }
    Ok(())
}

/// Four lives; how many of them were cut, or what was wrong.
fn scenario(on: On, seed: u64, cut: u64) -> Life<u64> {
    let mut chance = Chance::new(seed);
    let mut oracle = Oracle::new();
    let bed = Bed::new(on, seed);
    bed.ready()?;
    bed.disk.cut_at(cut);
    let mut cuts = 0;
    if let End::PowerLost = live(&bed, &mut oracle, &mut chance, STEPS)? {
        cuts += 1;
    }
    let mut chance = Chance::new(seed ^ cut << 32);
    let bed = bed.crash(chance.next());
    bed.ready()?;
    bed.disk.cut_at(chance.below(24));
    if let End::PowerLost = live(&bed, &mut oracle, &mut chance, STEPS)? {
        cuts += 1;
    }
    let bed = bed.crash(chance.next());
    bed.ready()?;
    if chance.percent(30) {
        oracle.failing = true;
        let kind = if chance.percent(70) { Fails::Sync } else { Fails::Write };
        bed.disk.fail(kind, 3 + chance.below(12), rustix::io::Errno::IO.raw_os_error());
    }
    live(&bed, &mut oracle, &mut chance, STEPS)?;
    cuts += 1; // power goes at its end, with whatever is pending
    let bed = bed.crash(chance.next());
    live(&bed, &mut oracle, &mut chance, 0)?;
    Ok(cuts)
}

const STEPS: u64 = 40;

/// The points at which the first life of that seed could be cut.
fn points(on: On, seed: u64) -> Life<u64> {
    let bed = Bed::new(on, seed);
    bed.ready()?;
    let before = bed.disk.points();
    live(&bed, &mut Oracle::new(), &mut Chance::new(seed), STEPS)?;
    Ok(bed.disk.points() - before)
}

fn cut_at_every_boundary(on: On) -> Outcome {
    let wanted: u64 = std::env::var("QPAIR_CRASH_CUTS").ok().map_or(Ok(1500), |text| text.parse())?;
    let (mut cuts, mut seeds) = (0, 0);
    while cuts < wanted {
        seeds += 1;
        for cut in 0..points(on, seeds)? {
            cuts +=
                scenario(on, seeds, cut).map_err(|error| format!("seed {seeds}, cut at {cut}: {error}"))?;
        }
    }
    println!("{on:?}: {cuts} cuts in lives of {seeds} seeds");
    Ok(())
}

#[test]
fn power_is_cut_at_every_boundary() -> Outcome {
    cut_at_every_boundary(On::Folder)
}

/// LOG-34: the peer's power.
#[test]
fn log_34_the_peers_power_is_cut_at_every_boundary() -> Outcome {
    cut_at_every_boundary(On::Peer)
}
