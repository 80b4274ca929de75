//! The log on real files: a writer killed at random points, and a file system that fills up.
//!
//! Both run programs of their own, which are tests of this file with a folder in their environment: a process
//! to be killed, and a process in a name space with a small file system. `QPAIR_KILLS` is the number of
//! kills; the default is a short batch.
#![cfg(all(feature = "storage", unix))]

use qpair::ndk::Adapter;
use qpair::ndk::ext::FileStorage;
use qpair::ulp::log::{
    Append, AreaOptions, Log, LogOptions, LogStatus, Lsn, MarshallingArea, ReadMode, RecordFilter,
    StorageChoice, StorageMake, regions,
};
use qpair::ulp::region::RegionServer;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const WRITER: &str = "QPAIR_LOG_WRITER";
const FULL_DISK: &str = "QPAIR_FULL_DISK";
const THREADS: usize = 4;
const CONTAINER: u64 = 512 * 1024;

/// A folder of this test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> std::io::Result<Self> {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// What one thread of the writer appends: who, which, and bytes that follow from both.
fn record(thread: usize, number: u64) -> Vec<u8> {
    let mut bytes = vec![thread as u8];
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.resize(9 + (number % 500) as usize, thread as u8 ^ number as u8);
    bytes
}

/// All records from the base on, as thread and number; an error if one is not what was written.
fn found(log: &Log) -> Result<[Vec<u64>; THREADS], Box<dyn Error + Send + Sync>> {
    let mut numbers: [Vec<u64>; THREADS] = Default::default();
    let area = log.area(AreaOptions::default())?;
    let info = log.info();
    if info.base == info.next {
        return Ok(numbers);
    }
    let mut context = area.read(info.base, ReadMode::Forward)?;
    loop {
        let data = context.data();
        let thread = usize::from(data[0]);
        let number = u64::from_le_bytes(data[1..9].try_into()?);
        assert_eq!(data, record(thread, number), "a record that nobody has written");
        numbers[thread].push(number);
        match context.next(RecordFilter::Data, None) {
            Ok(()) => {}
            Err(error) if error.status() == LogStatus::END_OF_FILE => return Ok(numbers),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Threads that append and flush, from those numbers on, and say so by lines of `ack thread number LSN`.
///
/// With a limit each stops after so many.
fn write(
    folder: &Path,
    options: LogOptions,
    from: [u64; THREADS],
    limit: Option<u64>,
    out: &Mutex<impl Write + Send>,
) -> Outcome {
    let log = Log::open(folder, options)?;
    let area = log.area(AreaOptions::default().block_length(4096))?;
    std::thread::scope(|scope| {
        let writer = |thread: usize| {
            let (log, area) = (&log, &area);
            move || {
                (from[thread]..limit.map_or(u64::MAX, |limit| from[thread] + limit))
                    .try_for_each(|number| write_one(log, area, thread, number, out))
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(writer(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })?;
    area.delete()?;
    Ok(())
}

fn write_one(
    log: &Log,
    area: &MarshallingArea,
    thread: usize,
    number: u64,
    out: &Mutex<impl Write>,
) -> Outcome {
    let data = record(thread, number);
    let lsn = loop {
        match area.append(&[&data], Append::default()) {
            Ok(lsn) => break lsn,
            Err(error) if error.status() == LogStatus::LOG_FULL => {
                area.advance_base(log.info().next).or_else(late)?
            }
            Err(error) => return Err(error.into()),
        }
    };
    match (thread, number % 64) {
        // Other calls that change the metadata, while the others append.
        (0, 63) => area.advance_base(lsn).or_else(late)?,
        _ => drop(area.flush_to(lsn).wait()?),
    }
    if thread == 0 && number % 64 == 63 {
        area.flush_to(lsn).wait()?;
    }
    let mut out = out.lock().unwrap();
    out.write_all(format!("ack {thread} {number} {}\n", lsn.as_u64()).as_bytes())?;
    Ok(out.flush()?)
}

/// Another thread has moved the base further meanwhile.
fn late(error: qpair::ulp::log::LogError) -> Result<(), qpair::ulp::log::LogError> {
    if error.status() == LogStatus::INVALID_PARAMETER { Ok(()) } else { Err(error) }
}

fn new_log(folder: &Path) -> Outcome {
    let log = Log::create(folder, LogOptions::default())?;
    Ok(log.add_containers(3, Some(CONTAINER))?)
}

/// The process to be killed; as a test of its own, a writer that ends by itself.
#[test]
fn writer_process() -> Outcome {
    if let Ok(text) = std::env::var(WRITER) {
        let mut words = text.split('|');
        let folder = PathBuf::from(words.next().unwrap_or_default());
        let mut from = [0; THREADS];
        for (from, word) in from.iter_mut().zip(words) {
            *from = word.parse()?;
        }
        return write(&folder, LogOptions::default(), from, None, &Mutex::new(std::io::stdout()));
    }
    for choice in [StorageChoice::Automatic, StorageChoice::Threads] {
        let (folder, options) = (Folder::new("writer")?, LogOptions::default().storage(choice));
        new_log(&folder.0)?;
        let lines = Mutex::new(Vec::new());
        write(&folder.0, options, [0; THREADS], Some(50), &lines)?;
        assert_eq!(lines.into_inner()?.iter().filter(|byte| **byte == b'\n').count(), THREADS * 50);
        let log = Log::open(&folder.0, options)?;
        assert!(choice != StorageChoice::Threads || log.info().storage == StorageMake::Threads);
        let numbers = found(&log)?;
        assert!(numbers.iter().all(|numbers| numbers.iter().copied().eq(0..50)), "{numbers:?}");
        let twice = Log::open(&folder.0, options).expect_err("it is open");
        assert_eq!(twice.status(), LogStatus::SHARING_VIOLATION, "{twice}");
    }
    Ok(())
}

fn spawn(test: &str, program: &mut Command) -> std::io::Result<Child> {
    program.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
    program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// LOG-1, with SIGKILL: whatever was acknowledged by the process that is gone is there, in order.
#[test]
fn log_1_a_killed_writer_loses_nothing_acknowledged() -> Outcome {
    let kills: u64 = std::env::var("QPAIR_KILLS").ok().map_or(Ok(12), |text| text.parse())?;
    let folder = Folder::new("kill")?;
    new_log(&folder.0)?;
    let (mut next, mut chance, mut total) = ([0_u64; THREADS], 0x9E37_79B9_7F4A_7C15_u64, 0);
    for kill in 0..kills {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let from = next.map(|number| number.to_string()).join("|");
        let mut program = Command::new(std::env::current_exe()?);
        program.env(WRITER, format!("{}|{from}", folder.0.display()));
        let mut child = spawn("writer_process", &mut program)?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        // Some die while they recover, before the first line.
        let after = (chance % 40).saturating_sub(3);
        let mut acknowledged: [Option<(u64, Lsn)>; THREADS] = [None; THREADS];
        if chance % 40 < 4 {
            child.kill()?;
        }
        for (count, line) in (1..).zip(lines.map_while(Result::ok).filter(|line| line.starts_with("ack "))) {
            if let [_, thread, number, lsn] = line.split(' ').collect::<Vec<_>>()[..] {
                let lsn = Lsn::from_u64(lsn.parse()?);
                acknowledged[thread.parse::<usize>()?] = Some((number.parse()?, lsn));
                total += 1;
            }
            if count == after {
                child.kill()?;
            }
        }
        child.wait()?;
        let log = Log::open(&folder.0, LogOptions::default())?;
        let (base, numbers) = (log.info().base, found(&log)?);
        for (thread, numbers) in numbers.iter().enumerate() {
            let gapless = numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            assert!(gapless, "kill {kill}: thread {thread} has a gap: {numbers:?}");
            let last = numbers.last().copied();
            let needed = acknowledged[thread].filter(|(_, lsn)| *lsn >= base).map(|(number, _)| number);
            assert!(last >= needed, "kill {kill}: thread {thread} has {last:?} of {needed:?}");
            let known = last.max(acknowledged[thread].map(|(number, _)| number));
            next[thread] = known.map_or(next[thread], |number| number + 1);
        }
    }
    println!("{kills} kills, {total} acknowledged records");
    Ok(())
}

/// LOG-34 on real files: a log that lies with a peer, whose disk then has it as any local log.
#[test]
fn log_34_regions_of_a_peer_are_a_log_of_their_folder() -> Outcome {
    let folder = Folder::new("remote")?;
    let storage = FileStorage::open(StorageChoice::Automatic)?;
    let net = "local/log-remote";
    let serve = || -> Result<RegionServer, Box<dyn Error + Send + Sync>> {
        let adapter = Adapter::open(net)?;
        let address = adapter.addresses()[0];
        let server = RegionServer::listen(adapter, address)?;
        server.offer_to_one("ledger", regions(&storage, &folder.0, 3, CONTAINER as usize)?)?;
        Ok(server)
    };
    let server = match serve() {
        Ok(server) => server,
        Err(error) if error.downcast_ref::<qpair::ndk::Error>().is_some_and(keeps_nothing) => {
            eprintln!("skipped: log_34_regions_of_a_peer_are_a_log_of_their_folder: {error}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let log = Log::create_remote(Adapter::open(net)?, server.address(), "ledger", LogOptions::default())?;
    log.add_containers(3, Some(CONTAINER))?;
    assert_eq!(log.info().storage, StorageMake::Remote);
    let area = log.area(AreaOptions::default())?;
    let mut kept = Lsn::NULL;
    for number in 0..400 {
        kept = area.append(&[&record(0, number)], Append::default())?;
    }
    area.flush_to(kept).wait()?;
    let server = {
        drop(server); // and with it whatever its memory had and its files have not
        serve()?
    };
    let lost = area.append(&[b"held back"], Append::default()).and_then(|lsn| area.flush_to(lsn).wait());
    assert_eq!(lost.expect_err("no connection").status(), LogStatus::LOG_APPENDED_FLUSH_FAILED);
    drop((area, log));
    let log = Log::open_remote(Adapter::open(net)?, server.address(), "ledger", LogOptions::default())?;
    assert!(found(&log)?[0].iter().copied().eq(0..400), "what was acknowledged, by remote reads");
    drop((log, server));
    let log = Log::open(&folder.0, LogOptions::default())?;
    assert!(found(&log)?[0].iter().copied().eq(0..400), "the same, in the folder");
    Ok(())
}

/// The file system of the test is one of memory.
fn keeps_nothing(error: &qpair::ndk::Error) -> bool {
    error.status() == qpair::ndk::Status::NOT_SUPPORTED
}

/// In a small file system: a full disk refuses new containers, loses nothing, and is used again when there is
/// space. Skipped where user name spaces are forbidden.
#[test]
fn a_full_file_system_loses_nothing() -> Outcome {
    if let Ok(folder) = std::env::var(FULL_DISK) {
        return fill_up(Path::new(&folder));
    }
    let folder = Folder::new("full")?;
    let mount = ["-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "none"];
    let possible = Command::new("unshare").args(mount).arg(&folder.0).stderr(Stdio::null()).status();
    if !possible.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a_full_file_system_loses_nothing: no user name space with a mount of its own");
        return Ok(());
    }
    const MOUNTED: &str = "mount -t tmpfs -o size=4m none \"$QPAIR_FULL_DISK\" && exec \"$0\" \"$@\"";
    let mut program = Command::new("unshare");
    program.args(["-Urm", "sh", "-c", MOUNTED]).arg(std::env::current_exe()?).env(FULL_DISK, &folder.0);
    let run = spawn("a_full_file_system_loses_nothing", &mut program)?.wait_with_output()?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    Ok(())
}

/// Writes to a file until the file system is full.
fn take_all_space(path: &Path) -> Outcome {
    let mut file = fs::File::create(path)?;
    loop {
        match file.write_all(&[1; 4096]) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn fill_up(folder: &Path) -> Outcome {
    let log = Log::create(folder, LogOptions::default())?;
    log.add_containers(2, Some(CONTAINER))?;
    let area = log.area(AreaOptions::default())?;
    let mut numbers = 0..;
    let mut put = |area: &MarshallingArea| -> Result<Lsn, qpair::ulp::log::LogError> {
        let lsn = area.append(&[&record(0, numbers.start)], Append::default())?;
        numbers.next();
        area.flush_to(lsn).wait()?;
        Ok(lsn)
    };
    put(&area)?;
    take_all_space(&folder.join("others"))?;
    let refused = log.add_containers(1, None).expect_err("a full disk");
    assert_eq!(refused.status(), LogStatus::DISK_FULL, "{refused}");
    assert!(refused.os_error().is_some(), "the system's error is kept: {refused}");
    // What is allocated can be used to its end.
    let full = loop {
        if let Err(error) = put(&area) {
            break error;
        }
    };
    assert_eq!(full.status(), LogStatus::LOG_FULL, "{full}");
    assert_eq!(log.add_containers(1, None).expect_err("still full").status(), LogStatus::DISK_FULL);
    fs::remove_file(folder.join("others"))?;
    log.add_containers(1, None)?;
    for _ in 0..100 {
        put(&area)?;
    }
    area.delete()?;
    drop(log);
    let last = numbers.start;
    let found = found(&Log::open(folder, LogOptions::default())?)?;
    assert!(found[0].iter().copied().eq(0..last), "{} of {last} records", found[0].len());
    Ok(())
}
