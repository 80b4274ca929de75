//! Flushes onto the disk that forgets, through the very code that real files are flushed by.

use super::*;
use crate::fabric::storage::forget::chance::Chance;
use crate::fabric::storage::forget::{Fails, Forgetful};
use crate::fabric::storage::region::{self, FileMemoryError, Place};
use crate::fabric::storage::{Cause, Done, File, Io, Lock, Open, Storage, StorageError, StorageMake};
use std::fmt;
use std::path::Path;

const PATH: &str = "/folder/region";
const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const SECTOR: usize = 512;

fn place(length: usize) -> Place {
    Place { path: PATH.into(), offset: 0, length, forced: false }
}

fn on_disk(end: &End, storage: impl Storage + 'static) -> (Arc<Memory>, Key) {
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let memory = Arc::new(region::private(&storage, place(LENGTH)).unwrap());
    let key = register(end, &memory, rights()).unwrap();
    (memory, key)
}

fn found(disk: &Forgetful, seed: u64) -> Vec<u8> {
    disk.crash(seed).content(Path::new(PATH)).expect("its name was stable before it was registered")
}

/// RFLUSH-1: When WRITE then FLUSH persistent over its range complete, then the bytes survive a crash.
#[test]
fn rflush_1_what_was_flushed_survives_a_crash() {
    let (a, b) = pair();
    let disk = Forgetful::new(1);
    let (_memory, key) = on_disk(&b, disk.clone());
    write(&a, 1, key, 500, b"over two sectors");
    assert!((0..50).all(|seed| found(&disk, seed)[500..516] == [0; 16]), "not flushed yet");
    flush(&a, 2, key, 500..516, PERSISTENT);
    write(&a, 3, key, 1000, b"later");
    assert!(a.wait_for(3).iter().all(|of| of.status == Status::Success));
    assert!((0..50).all(|seed| found(&disk, seed)[500..516] == *b"over two sectors"));
}

/// RFLUSH-2: When FLUSH global completes, then all see the bytes; nothing is promised for a crash.
#[test]
fn rflush_2_what_is_visible_may_be_lost() {
    let (a, b) = pair();
    let disk = Forgetful::new(2);
    let (_memory, key) = on_disk(&b, disk.clone());
    let syncs = disk.syncs();
    write(&a, 1, key, 0, b"seen");
    flush(&a, 2, key, 0..4, FlushPlacement::GLOBAL);
    assert_eq!(a.wait_for(2)[1].status, Status::Success);
    assert_eq!(disk.content(Path::new(PATH)).unwrap()[..4], *b"seen");
    assert_eq!(disk.syncs(), syncs, "visibility takes no sync");
    assert!((0..50).any(|seed| found(&disk, seed)[..4] == [0; 4]));
}

/// What a crash leaves of a *mapping*: beside what the disk has, any sector of the memory may have been
/// written at any time before.
fn found_of_mapping(disk: &Forgetful, memory: &Memory, seed: u64) -> Vec<u8> {
    let (mut content, mut chance) = (found(disk, seed), Chance::new(seed));
    for (n, sector) in content.chunks_mut(SECTOR).enumerate() {
        if chance.percent(50) {
            memory.read(n * SECTOR, sector).unwrap();
        }
    }
    content
}

/// Data in several sectors, then a word elsewhere that says that they are there.
const DATA: Range<u64> = 1000..3000;
const WORD: u64 = 3584;

/// Posts data, FLUSH, word, FLUSH in one go, has the power cut at a point, and looks at what is found after
/// crashes: how many of them break the promise, and whether the last flush was acknowledged.
fn data_then_word(disk: &Forgetful, storage: impl Storage + 'static, cut: Option<u64>) -> (usize, bool) {
    let (a, b) = pair_with(World { depth: 64, ..World::default() });
    let (memory, key) = on_disk(&b, storage);
    if let Some(point) = cut {
        disk.cut_at(point);
    }
    let mut context = 0;
    for offset in DATA.step_by(50) {
        write(&a, context, key, offset, &[7; 50]);
        context += 1;
    }
    flush(&a, 100, key, DATA, PERSISTENT);
    atomic_write(&a, 101, key, WORD, 1);
    flush(&a, 102, key, WORD..WORD + 8, PERSISTENT);
    let ended = a.wait_for(context as usize + 3);
    let acknowledged = |context| ended.iter().any(|of| of.context == context && of.status == Status::Success);
    let (first, second) = (acknowledged(100), acknowledged(102));
    let broken = |seed: &u64| {
        let content = found_of_mapping(disk, &memory, *seed);
        let data = content[DATA.start as usize..DATA.end as usize] == [7; 2000];
        let word = u64::from_ne_bytes(content[WORD as usize..][..8].try_into().unwrap());
        assert!(word <= 1, "torn");
        let unfounded = word == 1 && !data;
        unfounded || (first && !data) || (second && word != 1)
    };
    ((0..40).filter(broken).count(), second)
}

/// RFLUSH-9: When WRITE, FLUSH, ATOMIC WRITE, FLUSH are posted in one go and the responder crashes anywhere,
/// then the 8 bytes are new only if the data is.
#[test]
fn rflush_9_the_word_is_new_only_if_the_data_is() {
    let mut acknowledged = 0;
    for point in 0..12 {
        let disk = Forgetful::new(point);
        let (broken, all) = data_then_word(&disk, disk.clone(), Some(point));
        assert_eq!(broken, 0, "cut at point {point}");
        acknowledged += usize::from(all);
    }
    assert!((1..12).contains(&acknowledged), "some cuts came before the end, some after");
}

/// What becomes of an operation that a tampered disk was to carry out.
type Tamper = dyn Fn(Io, &Arc<dyn File>) + Send + Sync;

/// The disk that forgets, with somebody between.
#[derive(Clone)]
struct Tampered(Forgetful, Arc<Tamper>);

impl Tampered {
    fn new(disk: &Forgetful, tamper: impl Fn(Io, &Arc<dyn File>) + Send + Sync + 'static) -> Self {
        Self(disk.clone(), Arc::new(tamper))
    }
}

impl fmt::Debug for Tampered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug)]
struct TamperedFile(Arc<dyn File>, Tampered);

impl Storage for Tampered {
    fn make(&self) -> StorageMake {
        StorageMake::Model
    }

    fn open(&self, path: &Path, how: Open, done: Done<Arc<dyn File>>) {
        let disk = self.clone();
        let opened = move |file: Result<Arc<dyn File>, _>| {
            done.call(file.map(|file| Arc::new(TamperedFile(file, disk)) as Arc<dyn File>));
        };
        self.0.open(path, how, Done::new(opened));
    }

    fn remove(&self, path: &Path, done: Done<()>) {
        self.0.remove(path, done);
    }

    fn identity(&self) -> Result<u128, StorageError> {
        self.0.identity()
    }

    fn lock(&self, path: &Path) -> Result<Lock, StorageError> {
        self.0.lock(path)
    }

    fn sync_folder(&self, path: &Path, done: Done<()>) {
        self.0.sync_folder(path, done);
    }
}

impl File for TamperedFile {
    fn start(&self, batch: Vec<Io>) {
        batch.into_iter().for_each(|io| (self.1.1)(io, &self.0));
    }

    fn length(&self) -> Result<u64, StorageError> {
        self.0.length()
    }

    fn close(&self, done: Done<()>) {
        self.0.close(done);
    }
}

#[test]
fn a_flush_that_lies_is_caught() {
    let disk = Forgetful::new(9);
    let lying = Tampered::new(&disk, |io, file| match io {
        // But for that which makes the new file stable, whole from its beginning.
        Io::Sync { range, done } if range.start != 0 => done.call(Ok(())),
        other => file.start(vec![other]),
    });
    let (broken, acknowledged) = data_then_word(&disk, lying, None);
    assert!(acknowledged && broken > 0, "the check of RFLUSH-9 sees a flush that does not sync");
}

/// RFLUSH-12, RFLUSH-13, with the errors of a disk.
#[test]
fn rflush_12_errors_of_the_disk_reach_the_requester() {
    for (fails, errno) in [(Fails::Sync, EIO), (Fails::Sync, ENOSPC), (Fails::Write, ENOSPC)] {
        let (a, b) = pair();
        let disk = Forgetful::new(12);
        let (memory, key) = on_disk(&b, disk.clone());
        let beside = || pair_beside(&a, &World { pd: Some(b.pd), ..World::default() }).0;
        write(&a, 1, key, 600, b"kept?");
        disk.fail(fails, 0, errno);
        flush(&a, 2, key, 600..605, PERSISTENT);
        let failed = a.wait_for(2)[1];
        assert_eq!((failed.status, failed.detail), (Status::RemoteOperation, Detail::StorageFailed));
        assert_eq!(memory.in_doubt(), [600..605]);
        let syncs = disk.syncs();
        let c = beside();
        flush(&c, 3, key, 0..4096, PERSISTENT);
        assert_eq!(ended(&c), [(3, Status::RemoteOperation, Detail::InDoubt)]);
        assert_eq!(disk.syncs(), syncs, "no sync that would say success");
        let d = beside();
        write(&d, 4, key, 600, b"again");
        flush(&d, 5, key, 0..4096, PERSISTENT);
        assert!(d.wait_for(2).iter().all(|of| of.status == Status::Success));
        assert_eq!(memory.in_doubt(), []);
        assert!((0..20).all(|seed| found(&disk, seed)[600..605] == *b"again"));
    }
}

#[test]
fn the_owner_of_a_region_may_write_again_what_is_in_doubt() {
    let (a, b) = pair();
    let disk = Forgetful::new(13);
    let (memory, key) = on_disk(&b, disk.clone());
    disk.fail(Fails::Sync, 0, EIO);
    flush(&a, 1, key, 0..10, PERSISTENT);
    assert_eq!(a.wait_for(1)[0].status, Status::RemoteOperation);
    memory.write(0, &[3; 10]).unwrap();
    let (c, _) = pair_beside(&a, &World { pd: Some(b.pd), ..World::default() });
    flush(&c, 2, key, 0..10, PERSISTENT);
    assert_eq!((c.wait_for(1)[0].status, memory.in_doubt()), (Status::Success, vec![]));
}

/// RFLUSH-14: When the region is registered on a full file system, then registration fails with ENOSPC.
#[test]
fn rflush_14_a_full_disk_shows_before_anything_is_registered() {
    let disk = Forgetful::new(14);
    disk.limit(LENGTH as u64 - 1);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let error = region::private(&storage, place(LENGTH)).unwrap_err();
    let FileMemoryError::Storage(error) = error else { panic!("{error}") };
    assert_eq!(error.cause(), Cause::System(ENOSPC));
    assert_eq!(disk.content(Path::new(PATH)), None, "no file is left behind");
    disk.limit(LENGTH as u64);
    let (a, b) = pair();
    let (_memory, key) = on_disk(&b, disk.clone());
    disk.limit(0);
    for page in 0..8 {
        write(&a, 2 * page, key, page * 512, &[1; 64]);
        flush(&a, 2 * page + 1, key, page * 512..page * 512 + 64, PERSISTENT);
        assert!(a.wait_for(2).iter().all(|of| of.status == Status::Success), "its blocks are there");
    }
    let nothing = region::private(&storage, place(0)).unwrap_err();
    assert!(matches!(nothing, FileMemoryError::NoBytes { .. }));
    let endless = region::private(&storage, Place { offset: u64::MAX, ..place(1) }).unwrap_err();
    assert!(matches!(endless, FileMemoryError::TooLong { .. }));
}

/// RFLUSH-19: When a sync began before a FLUSH arrived, then its end does not complete that FLUSH. Those that
/// wait meanwhile share the next one.
#[test]
fn rflush_19_a_sync_that_runs_does_not_cover_who_comes_late() {
    let (a, b) = pair();
    let disk = Forgetful::new(19);
    let (_memory, key) = on_disk(&b, disk.clone());
    let beside = || pair_beside(&a, &World { pd: Some(b.pd), ..World::default() });
    let late = [beside(), beside(), beside()];
    let syncs = disk.syncs();
    disk.hold_syncs();
    flush(&a, 1, key, 0..8, PERSISTENT);
    for (end, _) in &late {
        write(end, 2, key, 512, b"late");
        flush(end, 3, key, 512..516, PERSISTENT);
    }
    assert_eq!((disk.syncs() - syncs, disk.held()), (1, 1));
    disk.release_syncs(true);
    assert_eq!(a.wait_for(1)[0].status, Status::Success);
    assert_eq!((disk.syncs() - syncs, disk.held()), (2, 1), "one for all who waited");
    assert!(late.iter().all(|(end, _)| statuses(end) == [(2, Status::Success)]));
    disk.release_syncs(false);
    for (end, _) in &late {
        assert_eq!(end.wait_for(1)[0].status, Status::Success);
    }
    assert_eq!(disk.syncs() - syncs, 2);
}

/// The system tells of a failed write-back once for the file: who waited beside must not be told success.
#[test]
fn a_failed_sync_fails_all_that_were_under_way() {
    let (a, b) = pair();
    let disk = Forgetful::new(20);
    let (memory, key) = on_disk(&b, disk.clone());
    let (c, _d) = pair_beside(&a, &World { pd: Some(b.pd), ..World::default() });
    disk.hold_syncs();
    disk.fail(Fails::Sync, 0, EIO);
    flush(&a, 1, key, 0..8, PERSISTENT);
    flush(&c, 1, key, 512..520, PERSISTENT);
    disk.release_syncs(false);
    assert_eq!(a.wait_for(1)[0].status, Status::RemoteOperation);
    assert_eq!(c.wait_for(1)[0].status, Status::RemoteOperation, "its bytes were under way as well");
    assert_eq!(memory.in_doubt(), [0..8, 512..520]);
}

/// RFLUSH-1, with storage that runs operations in any order: the bytes of an earlier flush are not written
/// over those that a later one was told to be stable.
#[test]
fn rflush_1_an_earlier_flush_undoes_no_later_one() {
    let (a, b) = pair();
    let (disk, held) = (Forgetful::new(22), Arc::new(Mutex::new(Vec::new())));
    let shelf = Arc::clone(&held);
    let storage = Tampered::new(&disk, move |io, file| match io {
        Io::Write { .. } => shelf.lock().unwrap().push((io, Arc::clone(file))),
        other => file.start(vec![other]),
    });
    let (_memory, key) = on_disk(&b, storage);
    let (c, _d) = pair_beside(&a, &World { pd: Some(b.pd), ..World::default() });
    for (end, bytes) in [(&a, b"old"), (&c, b"new")] {
        write(end, 1, key, 0, bytes);
        flush(end, 2, key, 0..3, PERSISTENT);
    }
    let last = || held.lock().unwrap().pop();
    while let Some((io, file)) = last() {
        file.start(vec![io]);
    }
    for end in [&a, &c] {
        assert!(end.wait_for(2).iter().all(|of| of.status == Status::Success));
    }
    assert!((0..20).all(|seed| found(&disk, seed)[..3] == *b"new"));
}

/// Q-53, down to the file: it is let go when the storage is done.
#[test]
fn a_region_is_let_go_when_its_sync_has_ended() {
    let (a, b) = pair();
    let disk = Forgetful::new(21);
    let (memory, key) = on_disk(&b, disk.clone());
    disk.hold_syncs();
    flush(&a, 1, key, 0..8, PERSISTENT);
    let going = b.device().keys().deregister(key).unwrap().try_finish().expect_err("the sync runs");
    a.qp.flush();
    assert_eq!(statuses(&a), [(1, Status::Flushed)]);
    let going = going.try_finish().expect_err("nobody waits for it, but the storage has the memory");
    disk.release_syncs(false);
    drop(memory);
    assert!(Arc::into_inner(finished(going)).is_some(), "the last share");
}
