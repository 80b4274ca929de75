//! ClfsFlushToLsn and ClfsFlushBuffers: records of the marshalling area are made stable.
//!
//! What would be left is looked at by opening a log from a copy of the files as they are at that moment: so
//! the death of the process would leave them. What a power failure leaves is not seen in this way.

use super::Folder;
use super::tale::{Part, Tale};
use crate::command::clock;
use anyhow::Context;
use qpair::ulp::log::{
    Append, AreaOptions, Log, LogError, LogOptions, LogStatus, Lsn, MarshallingArea, ReadMode, RecordFilter,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LANES: &[&str] = &["records not flushed", "records in the files"];
/// Bytes of a container: the smallest.
const CONTAINER: u64 = 512 * 1024;
/// How many flushes are asked for at once.
const TOGETHER: usize = 16;

struct Scene {
    // Before the folder goes: it writes there until it is gone itself.
    area: MarshallingArea,
    log: Log,
    folder: Folder,
    appended: Vec<(Lsn, String)>,
}

/// Runs the story.
pub fn tale() -> anyhow::Result<Tale> {
    let folder = Folder::new("log")?;
    let log = Log::create(&folder.0, LogOptions::default())?;
    log.add_containers(2, Some(CONTAINER))?;
    let area = log.area(AreaOptions::default())?;
    let mut tale = Tale::new("clfs", "ClfsFlushToLsn", LANES);
    let mut scene = Scene { area, log, folder, appended: Vec::new() };
    scene.append(&mut tale)?;
    scene.flush(&mut tale)?;
    scene.flush_again(&mut tale)?;
    scene.append_later(&mut tale)?;
    scene.flush_together(&mut tale)?;
    scene.flush_beyond(&mut tale)?;
    tale.leaves_open(
        "what a power failure leaves; files are looked at as the death of the process would leave them",
    );
    Ok(tale)
}

/// What a flush returned.
fn told(result: &Result<Lsn, LogError>) -> String {
    match result {
        Ok(flushed) => format!("STATUS_SUCCESS, last flushed LSN {flushed}"),
        Err(error) => error.status().to_string(),
    }
}

impl Scene {
    fn add(&mut self, text: &str) -> Result<Lsn, LogError> {
        let lsn = self.area.append(&[text.as_bytes()], Append::default())?;
        self.appended.push((lsn, text.to_owned()));
        Ok(lsn)
    }

    /// Records that a log opened from a copy of the files finds.
    fn found(&self) -> anyhow::Result<Vec<(Lsn, String)>> {
        let copy = Folder::new("copy")?;
        for (name, bytes) in contents(&self.folder.0)? {
            std::fs::write(copy.0.join(name), bytes)?;
        }
        let log = Log::open(&copy.0, LogOptions::default()).context("the copy of the log")?;
        let area = log.area(AreaOptions::default())?;
        let mut found = Vec::new();
        if log.info().base == log.info().next {
            return Ok(found);
        }
        let mut record = area.read(log.info().base, ReadMode::Forward)?;
        loop {
            found.push((record.lsn(), String::from_utf8_lossy(record.data()).into_owned()));
            match record.next(RecordFilter::Data, None) {
                Ok(()) => {}
                Err(end) if end.status() == LogStatus::END_OF_FILE => return Ok(found),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Counts what is where; the records found.
    fn look(&self, tale: &mut Tale) -> anyhow::Result<Vec<(Lsn, String)>> {
        let (found, flushed) = (self.found()?, self.log.info().flushed);
        let held = self.appended.iter().filter(|(lsn, _)| *lsn >= flushed).count();
        tale.amounts(&[held as u64, found.len() as u64]);
        Ok(found)
    }

    /// What is found is the beginning of what was appended, up to that record at least.
    fn covers(&self, found: &[(Lsn, String)], lsn: Lsn) -> bool {
        self.appended.starts_with(found) && found.last().is_some_and(|(last, _)| *last >= lsn)
    }

    fn append(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        for text in ["Ann pays 5", "Bob is paid 5", "Ann pays 7"] {
            let lsn = self.add(text)?;
            tale.step(Part::Before, &format!("ClfsReserveAndAppendLog {text:?}"), format!("LSN {lsn}"));
            let found = self.look(tale)?;
            let held = found.is_empty() && self.log.info().flushed <= self.appended[0].0;
            let seen = format!("the files have {} records", found.len());
            tale.holds(held, "a record stays in the marshalling area before a flush", seen);
        }
        Ok(())
    }

    fn flush_to(&self, tale: &mut Tale, call: &str, lsn: Lsn) -> Result<Lsn, LogError> {
        let before = clock::now();
        let result = self.area.flush_to(lsn).wait();
        tale.step(Part::Flush, call, told(&result)).took(clock::since(before));
        result
    }

    fn flush(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let second = self.appended[1].0;
        let result = self.flush_to(tale, &format!("ClfsFlushToLsn({second})"), second);
        let found = self.look(tale)?;
        let kept = result.is_ok() && self.covers(&found, second);
        let seen = format!("the files have {found:?}");
        tale.means(kept, "all records up to the LSN are in the files, in order, and perhaps more", seen);
        let above = result.is_ok_and(|flushed| flushed > second && flushed == self.log.info().flushed);
        tale.means(
            above,
            "the LSN returned is above the one asked for: it is the oldest not flushed",
            "it is not",
        );
        Ok(())
    }

    fn flush_again(&self, tale: &mut Tale) -> anyhow::Result<()> {
        let first = self.appended[0].0;
        let before = contents(&self.folder.0)?;
        let result = self.flush_to(tale, &format!("ClfsFlushToLsn({first}), which is flushed"), first);
        self.look(tale)?;
        let same = before == contents(&self.folder.0)?;
        tale.saw("the files are as before", same);
        tale.holds(
            result.is_ok() && same,
            "what is flushed already is not written again",
            "the files changed",
        );
        Ok(())
    }

    fn append_later(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        let lsn = self.add("Eve is paid 7")?;
        tale.step(Part::After, "ClfsReserveAndAppendLog \"Eve is paid 7\"", format!("LSN {lsn}"));
        let found = self.look(tale)?;
        let flushed = self.log.info().flushed;
        let shown = flushed <= lsn && !found.iter().any(|(there, _)| *there == lsn);
        tale.denies(shown, "a record that is appended later is flushed", format!("the files have {found:?}"));
        Ok(())
    }

    /// Group commit: many flushes, each for a record of its own.
    fn flush_together(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        let lsns: Vec<Lsn> =
            (1..=TOGETHER).map(|n| self.add(&format!("payment {n}"))).collect::<Result<_, _>>()?;
        tale.step(Part::Before, "ClfsReserveAndAppendLog, by as many clients", format!("{TOGETHER} LSNs"));
        self.look(tale)?;
        let before = clock::now();
        let flushes: Vec<_> = lsns.iter().map(|lsn| self.area.flush_to(*lsn)).collect();
        let results: Vec<_> = flushes.into_iter().map(|flush| flush.wait()).collect();
        let took = clock::since(before);
        let ok = results.iter().filter(|result| result.is_ok()).count();
        let call = "ClfsFlushToLsn, each client for its record";
        tale.step(Part::Flush, call, format!("{ok} times STATUS_SUCCESS")).took(took);
        let found = self.look(tale)?;
        let ends: BTreeSet<Lsn> = results.iter().flatten().copied().collect();
        tale.saw("different LSNs returned", ends.len());
        let kept = ok == TOGETHER && lsns.last().is_some_and(|last| self.covers(&found, *last));
        tale.holds(kept, "each flush that returned has its record in the files", format!("{ok} succeeded"));
        let shared = !ends.is_empty() && ends.len() < TOGETHER;
        let seen = format!("they ended at {} places", ends.len());
        tale.holds(shared, "flushes that wait together are served together (group commit)", seen);
        Ok(())
    }

    fn flush_beyond(&mut self, tale: &mut Tale) -> anyhow::Result<()> {
        self.add("the last one")?;
        let before = clock::now();
        let result = self.area.flush_buffers().wait();
        tale.step(Part::Flush, "ClfsFlushBuffers", told(&result)).took(clock::since(before));
        let found = self.look(tale)?;
        let kept = result.is_ok() && found == self.appended;
        tale.holds(kept, "every record of the marshalling area is in the files", "some are not");
        let result = self.flush_to(tale, "ClfsFlushToLsn(CLFS_LSN_INVALID)", Lsn::INVALID);
        let refused = result.is_err_and(|error| error.status() == LogStatus::INVALID_PARAMETER);
        tale.holds(refused, "an LSN beyond the last record is refused", "it was not");
        Ok(())
    }
}

/// The files of a folder, by name.
fn contents(folder: &Path) -> anyhow::Result<BTreeMap<std::ffi::OsString, Vec<u8>>> {
    let mut contents = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        contents.insert(entry.file_name(), std::fs::read(entry.path())?);
    }
    Ok(contents)
}
