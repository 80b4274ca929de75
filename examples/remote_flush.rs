//! A record in a log that lies with the peer: written, made persistent, and only then counted.
//!
//! Data, FLUSH, the count, FLUSH: all posted in one go. Whenever the peer's machine loses its power, the
//! count it finds afterwards never says more than is there.

mod connect;

use connect::connect;
use qpair::ndk::ext::{
    ALLOW_FLUSH_PERSISTENT, CompletionExt, FileStorage, FlushPlacement, QpExt, StorageChoice,
};
use qpair::ndk::{Completion, CqNotify, Data, MrFlags, OpFlags, QpDescription, Status};
use std::error::Error;

const COUNT: usize = 0;
const FIRST: usize = 4096;
const RECORD: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("qpair-remote-flush-{}", std::process::id()));
    let adapter = connect::open()?;
    let pd = adapter.create_pd().wait()?;
    let cq = adapter.create_cq(16, CqNotify::Waiters).wait()?;
    let writer = pd.create_qp(QpDescription::new(&cq).inline_size(RECORD as u32)).wait()?;
    let keeper = pd.create_qp(QpDescription::new(&cq)).wait()?;
    let _connectors = connect(&adapter, &writer, &keeper)?;

    // The keeper's side: memory of a file. That a temporary folder may be one of memory is fine here.
    let storage = FileStorage::open(StorageChoice::Automatic)?;
    let memory = storage.memory(&path, 1 << 16).force_persistence().open()?;
    let log = pd.register(memory, MrFlags::ALLOW_REMOTE_WRITE | ALLOW_FLUSH_PERSISTENT).wait()?;

    for n in 0..3_u64 {
        let mut record = [0; RECORD];
        let text = format!("record {n}");
        record[..text.len()].copy_from_slice(text.as_bytes());
        let (at, count) = (log.remote(FIRST + n as usize * RECORD)?, log.remote(COUNT)?);
        let (persistent, silent) = (FlushPlacement::PERSISTENT, OpFlags::SILENT_SUCCESS);
        writer.write(0, Data::Inline(&[&record]), at, silent)?;
        writer.flush_remote(1, at, RECORD as u32, persistent, silent)?;
        writer.atomic_write(2, (n + 1).to_ne_bytes(), count, silent)?;
        writer.flush_remote(3, count, 8, persistent, OpFlags::NONE)?;
        let mut completion = [Completion::default()];
        cq.wait(&mut completion, None)?;
        assert_eq!(completion[0].status, Status::SUCCESS);
        assert!(completion[0].is_remote_flush());
        println!("{text}: written, persistent and counted");
    }

    let file = std::fs::read(&path)?;
    std::fs::remove_file(&path)?;
    assert_eq!(file[COUNT..8], 3_u64.to_ne_bytes());
    assert_eq!(&file[FIRST + 2 * RECORD..][..8], b"record 2");
    println!("{} holds what was flushed, through {}", path.display(), storage.make());
    Ok(())
}
