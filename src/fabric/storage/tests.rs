//! The promises of the traits, asked of every make.

use super::forget::{Fails, Forgetful};
use super::{Buffer, Cause, Done, File, Io, Open, Storage, StorageChoice, StorageError, StorageMake, wait};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

/// A folder of this test, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("qpair-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn write(file: &dyn File, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
    let bytes: Buffer = Arc::new(bytes.to_vec());
    wait(|done| file.start(vec![Io::Write { offset, bytes, done }]))
}

fn read(file: &dyn File, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
    wait(|done| file.start(vec![Io::Read { offset, length, done }]))
}

fn sync(file: &dyn File, range: Range<u64>) -> Result<(), StorageError> {
    wait(|done| file.start(vec![Io::Sync { range, done }]))
}

/// Runs `check` on every make that can be had here, each in a folder of its own.
fn each(name: &str, check: impl Fn(&dyn Storage, &std::path::Path)) {
    let mut makes: Vec<Arc<dyn Storage>> = vec![Arc::new(Forgetful::new(1))];
    makes.push(super::open(StorageChoice::Threads).unwrap());
    match super::open(StorageChoice::IoUring) {
        Ok(ring) => makes.push(ring),
        Err(error) => eprintln!("skipped: {name} on io_uring: {error}"),
    }
    for storage in makes {
        let folder = Folder::new(&format!("{name}-{:?}", storage.make()));
        check(storage.as_ref(), &folder.0);
    }
}

#[test]
fn the_make_is_chosen_at_run_time_and_told() {
    assert_eq!(super::open(StorageChoice::Threads).unwrap().make(), StorageMake::Threads);
    let chosen = super::open(StorageChoice::Automatic).unwrap().make();
    let forced = super::open(StorageChoice::IoUring).map(|storage| storage.make());
    assert_eq!(chosen, forced.unwrap_or(StorageMake::Threads));
}

#[test]
fn what_was_written_is_read_back() {
    each("write", |storage, folder| {
        let path = folder.join("a");
        let file = wait(|done| storage.open(&path, Open::Empty, done)).unwrap();
        wait(|done| file.start(vec![Io::Allocate { range: 0..4096, done }])).unwrap();
        assert_eq!(file.length().unwrap(), 4096);
        write(file.as_ref(), 1000, b"one").unwrap();
        write(file.as_ref(), 5000, b"beyond the end").unwrap();
        sync(file.as_ref(), 0..8192).unwrap();
        sync(file.as_ref(), 7..7).unwrap();
        wait(|done| storage.sync_folder(folder, done)).unwrap();
        drop(file);
        let file = wait(|done| storage.open(&path, Open::Existing, done)).unwrap();
        assert_eq!(read(file.as_ref(), 1000, 3).unwrap(), b"one");
        assert_eq!(read(file.as_ref(), 5000, 14).unwrap(), b"beyond the end");
        assert_eq!(file.length().unwrap(), 5014);
        let file = wait(|done| storage.open(&path, Open::Empty, done)).unwrap();
        assert_eq!(file.length().unwrap(), 0, "emptied");
        wait(|done| storage.remove(&path, done)).unwrap();
        let gone = wait(|done| storage.open(&path, Open::Existing, done)).unwrap_err();
        assert_eq!(gone.cause(), Cause::System(rustix::io::Errno::NOENT.raw_os_error()), "{gone}");
        assert_eq!(gone.path(), path);
    });
}

#[test]
fn an_error_names_file_and_range() {
    each("error", |storage, folder| {
        let file = wait(|done| storage.open(&folder.join("short"), Open::Empty, done)).unwrap();
        write(file.as_ref(), 0, &[1; 10]).unwrap();
        let short = read(file.as_ref(), 8, 4).unwrap_err();
        assert_eq!((short.cause(), short.range()), (Cause::EndOfFile, Some(8..12)));
        assert!(short.to_string().contains("read bytes 8..12 of") && short.to_string().contains("short"));
        wait(|done| file.close(done)).unwrap();
        assert_eq!(write(file.as_ref(), 0, &[1]).unwrap_err().cause(), Cause::Closed);
        assert_eq!(wait(|done| file.close(done)).unwrap_err().cause(), Cause::Closed);
    });
}

#[test]
fn a_full_device_gives_the_systems_error() {
    let full = std::path::Path::new("/dev/full");
    for choice in [StorageChoice::Threads, StorageChoice::Automatic] {
        let storage = super::open(choice).unwrap();
        let file = match wait(|done| storage.open(full, Open::Existing, done)) {
            Ok(file) => file,
            Err(error) => return eprintln!("skipped: {error}"),
        };
        let error = write(file.as_ref(), 0, &[1; 700]).unwrap_err();
        assert_eq!(error.cause(), Cause::System(rustix::io::Errno::NOSPC.raw_os_error()));
        assert_eq!((error.path(), error.range()), (full, Some(0..700)));
    }
    let model = Forgetful::new(1);
    model.limit(8192);
    let file = wait(|done| model.open(full, Open::Empty, done)).unwrap();
    wait(|done| file.start(vec![Io::Allocate { range: 0..8192, done }])).unwrap();
    let error = wait(|done| file.start(vec![Io::Allocate { range: 0..8193, done }])).unwrap_err();
    assert_eq!(error.cause(), Cause::System(rustix::io::Errno::NOSPC.raw_os_error()));
    model.fail(Fails::Write, 1, 5);
    write(file.as_ref(), 0, &[1]).unwrap();
    assert_eq!(write(file.as_ref(), 0, &[1]).unwrap_err().cause(), Cause::System(5));
    write(file.as_ref(), 0, &[1]).unwrap();
}

#[test]
fn many_operations_of_one_batch_all_end() {
    each("batch", |storage, folder| {
        let file = wait(|done| storage.open(&folder.join("a"), Open::Empty, done)).unwrap();
        let (tell, ended) = mpsc::channel();
        let batch = (0..1000_u64).map(|n| {
            let tell = tell.clone();
            let done = Done::new(move |result: Result<(), StorageError>| tell.send(result).unwrap());
            Io::Write { offset: n * 8, bytes: Arc::new(n.to_le_bytes().to_vec()), done }
        });
        file.start(batch.collect());
        assert!(ended.iter().take(1000).all(|result| result.is_ok()));
        let bytes = read(file.as_ref(), 0, 8000).unwrap();
        assert!(bytes.chunks(8).zip(0_u64..).all(|(chunk, n)| chunk == n.to_le_bytes()));
    });
}

/// RFLUSH-19: a sync that began before a request arrived does not end it; those that wait share the next.
#[test]
fn rflush_19_late_comers_wait_for_the_next_sync() {
    let disk = Forgetful::new(1);
    let file = wait(|done| disk.open(std::path::Path::new("/a"), Open::Empty, done)).unwrap();
    let (tell, ended) = mpsc::channel();
    let start = |who: u32| {
        let tell = tell.clone();
        let done = Done::new(move |result: Result<(), StorageError>| tell.send((who, result)).unwrap());
        file.start(vec![Io::Sync { range: 0..100, done }]);
    };
    disk.hold_syncs();
    write(file.as_ref(), 0, b"early").unwrap();
    start(0);
    write(file.as_ref(), 50, b"late").unwrap();
    (1..=20).for_each(start);
    assert_eq!(disk.held(), 1);
    disk.release_syncs(true);
    assert_eq!(ended.try_iter().map(|(who, _)| who).collect::<Vec<_>>(), [0]);
    assert_eq!((disk.held(), disk.syncs()), (1, 2), "one sync for all that waited");
    disk.release_syncs(false);
    assert_eq!(ended.try_iter().map(|(who, _)| who).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
}

#[test]
fn storage_may_be_dropped_in_a_completion() {
    each("drop", |storage, folder| {
        let file = wait(|done| storage.open(&folder.join("a"), Open::Empty, done)).unwrap();
        let (tell, ended) = mpsc::channel();
        let kept = Arc::clone(&file);
        let done = Done::new(move |result: Result<(), StorageError>| {
            drop(kept);
            tell.send(result).unwrap();
        });
        file.start(vec![Io::Write { offset: 0, bytes: Arc::new(vec![7; 100]), done }]);
        drop(file);
        ended.recv().unwrap().unwrap();
    });
}

#[test]
fn a_panic_of_who_waited_ends_nobody_elses_operations() {
    each("panic", |storage, folder| {
        if storage.make() == StorageMake::Model {
            return; // it calls back on the caller's thread, whose panic it is
        }
        let file = wait(|done| storage.open(&folder.join("a"), Open::Empty, done)).unwrap();
        for n in 0..8 {
            let (tell, told) = mpsc::channel();
            let done = Done::new(move |result: Result<(), StorageError>| {
                tell.send(result).unwrap();
                panic!("on purpose, in the end of an operation");
            });
            file.start(vec![Io::Write { offset: n, bytes: Arc::new(vec![1; 8]), done }]);
            told.recv().unwrap().unwrap();
        }
        write(file.as_ref(), 0, b"goes on").unwrap();
        assert_eq!(read(file.as_ref(), 0, 7).unwrap(), b"goes on");
    });
}

/// RFLUSH-18: `sync_file_range` is not named by any code of this room, so no promise can rest on it.
#[test]
fn rflush_18_no_promise_rests_on_sync_file_range() {
    let files = [
        include_str!("descriptor.rs"),
        include_str!("../done.rs"),
        include_str!("merge.rs"),
        include_str!("pool.rs"),
        include_str!("uring.rs"),
    ];
    let lower: Vec<String> = files.iter().map(|text| text.to_lowercase().replace('_', "")).collect();
    assert!(lower.iter().all(|text| !text.contains("syncfilerange")));
}
