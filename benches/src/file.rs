//! Writes into a buffer that goes to a file: `ulp::file`, and std's `BufWriter`.

use crate::timing;
use qpair::ulp::file::{Buffer, Message, Mmio, OpenFlags, OpenInfo, Origin, State};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

const RECORD: [u8; 100] = [7; 100];
/// Bytes of either buffer; std's default, and `mmio`'s.
const BUFFER: usize = 8192;
/// After so many records the file begins anew.
const RECORDS: u64 = 40_000;

/// Two files in one folder, which is gone with them.
pub struct Bench {
    folder: PathBuf,
    plain: BufWriter<File>,
    mmio: Mmio,
}

impl Bench {
    /// In the folder that is current, so that whoever runs it chooses the file system.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let folder = std::env::current_dir()?.join(format!("qpair-bench-file-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let plain = BufWriter::with_capacity(BUFFER, File::create(folder.join("plain"))?);
        let path = folder.join("mmio");
        let name = path.to_str().ok_or("the name of the current folder is not UTF-8")?;
        let info = OpenInfo { buffer: Buffer::Own(BUFFER), ..OpenInfo::default() };
        let mmio = Mmio::open(name, info, OpenFlags::CREATE | OpenFlags::READWRITE)?;
        Ok(Self { folder, plain, mmio })
    }

    /// Records through std's `BufWriter`.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn plain(&mut self, records: u64) -> Duration {
        plain(&mut self.plain, records)
    }

    /// Records through `ulp::file`.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn mmio(&mut self, records: u64) -> Duration {
        mmio(&mut self.mmio, records)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}

/// Records through std's `BufWriter` to nowhere: what the buffer itself takes.
pub fn plain_to_nowhere(records: u64) -> Duration {
    struct Nowhere;
    impl Write for Nowhere {
        #[inline(never)]
        fn write(&mut self, from: &[u8]) -> io::Result<usize> {
            Ok(std::hint::black_box(from).len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Seek for Nowhere {
        fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }
    plain(&mut BufWriter::with_capacity(BUFFER, Nowhere), records)
}

/// The same through `ulp::file`.
///
/// # Panics
/// When there is no memory.
pub fn mmio_to_nowhere(records: u64) -> Duration {
    let nowhere = |state: &mut State, message: Message<'_>| match message {
        Message::Write(from) => {
            let count = std::hint::black_box(from).len() as i64;
            state.disk_offset += count;
            count
        }
        Message::Seek { offset, .. } => {
            state.disk_offset = offset;
            offset
        }
        _ => 0,
    };
    let (procedure, buffer) = (Some(Box::new(nowhere) as _), Buffer::Own(BUFFER));
    let info = OpenInfo { procedure, buffer, ..OpenInfo::default() };
    mmio(&mut Mmio::open("", info, OpenFlags::WRITE).expect("a buffer"), records)
}

fn plain(writer: &mut BufWriter<impl Write + Seek>, records: u64) -> Duration {
    timing::time(|| {
        for record in 0..records {
            if record % RECORDS == 0 {
                writer.seek(SeekFrom::Start(0)).expect("a plain seek");
            }
            writer.write_all(std::hint::black_box(&RECORD)).expect("a plain write");
        }
    })
}

fn mmio(file: &mut Mmio, records: u64) -> Duration {
    timing::time(|| {
        for record in 0..records {
            if record % RECORDS == 0 {
                file.seek(0, Origin::Start).expect("a seek");
            }
            let count = file.write(std::hint::black_box(&RECORD)).expect("a write");
            assert_eq!(count, RECORD.len(), "nothing is refused");
        }
    })
}
