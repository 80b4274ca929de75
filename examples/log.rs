//! A log that keeps its promise: what a flush acknowledged is there when the log is opened again.

use qpair::ulp::log::{Append, AreaOptions, Log, LogOptions, LogStatus, ReadMode, RecordFilter};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("qpair-log-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let log = Log::create(&folder, LogOptions::default())?;
    log.add_containers(2, Some(512 * 1024))?;
    println!("a log in {}, through {}", folder.display(), log.info().storage);

    let area = log.area(AreaOptions::default())?;
    let first = area.append(&[b"Ann pays 5"], Append::default())?;
    let second = area.append(&[b"Bob ", b"is paid 5"], Append { previous: first, ..Append::default() })?;
    println!("appended {first} and {second}; stable is what lies below {}", log.info().flushed);

    // Any number of threads or tasks may wait; they share one sync.
    let flushed = area.flush_to(second).wait()?;
    println!("flushed; stable is what lies below {flushed}");

    // A process that dies here has lost nothing of the two.
    drop((area, log));
    let log = Log::open(&folder, LogOptions::default())?;
    let area = log.area(AreaOptions::default())?;
    let mut record = area.read(log.info().base, ReadMode::Forward)?;
    loop {
        println!("{}: {}", record.lsn(), String::from_utf8_lossy(record.data()));
        match record.next(RecordFilter::Data, None) {
            Ok(()) => {}
            Err(end) if end.status() == LogStatus::END_OF_FILE => break,
            Err(error) => return Err(error.into()),
        }
    }
    assert_eq!(record.lsn(), second);

    // What is not needed any more makes room: the base moves, and containers below it are used again.
    area.advance_base(second)?;
    area.delete()?;
    drop((record, log));
    Ok(std::fs::remove_dir_all(&folder)?)
}
