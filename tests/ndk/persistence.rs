//! RDMA FLUSH and ATOMIC WRITE on files of this machine (statements RFLUSH; crashes are in the unit tests).

use crate::world::{ALL, End, Pair, all, connect, pair};
use qpair::ndk::ext::{
    ALLOW_FLUSH_GLOBAL, ALLOW_FLUSH_PERSISTENT, Cause, CompletionExt, FileMemoryError, FileStorage,
    FlushPlacement, QpExt, StorageChoice, StorageMake,
};
use qpair::ndk::{Data, Memory, Mr, MrFlags, OpFlags, OperationType, Status};
use std::path::{Path, PathBuf};

const NONE: OpFlags = OpFlags::NONE;
const PERSISTENT: FlushPlacement = FlushPlacement::PERSISTENT;
const GLOBAL: FlushPlacement = FlushPlacement::GLOBAL;
const LENGTH: usize = 1 << 16;

fn rights() -> MrFlags {
    ALL | ALLOW_FLUSH_GLOBAL | ALLOW_FLUSH_PERSISTENT
}

/// A file of this test, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path, name: &str) -> Self {
        Self(folder.join(format!("qpair-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone_or_never_made = std::fs::remove_file(&self.0);
    }
}

/// How memory of a file is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Private,
    Mapped,
}

fn memory(storage: &FileStorage, file: &Scratch, access: Access) -> Result<Memory, FileMemoryError> {
    // Whatever the temporary folder lies on.
    let memory = storage.memory(&file.0, LENGTH).force_persistence();
    match access {
        Access::Private => memory.open(),
        // SAFETY: the file is this test's own: nobody else knows its name, and nothing here cuts it.
        #[cfg(target_os = "linux")]
        Access::Mapped => unsafe { memory.map() },
        #[cfg(not(target_os = "linux"))]
        Access::Mapped => memory.open(),
    }
}

/// Runs `check` with every make of storage that can be had here, private and mapped.
fn each(name: &str, check: impl Fn(&Pair, &Mr, &Scratch, Access)) {
    for choice in [StorageChoice::Threads, StorageChoice::IoUring] {
        let storage = match FileStorage::open(choice) {
            Ok(storage) => storage,
            Err(error) => {
                eprintln!("skipped: {name} on {choice:?}: {error}");
                continue;
            }
        };
        let made = if choice == StorageChoice::Threads { StorageMake::Threads } else { StorageMake::IoUring };
        assert_eq!(storage.make(), made, "RFLUSH-17: the device says which is used");
        for access in [Access::Private, Access::Mapped] {
            let name = format!("{name}-{choice:?}-{access:?}");
            let (pair, file) = (pair(&name), Scratch::new(&std::env::temp_dir(), &name));
            let memory = memory(&storage, &file, access).unwrap();
            let region = pair.b.pd.register(memory, rights()).wait().unwrap();
            check(&pair, &region, &file, access);
        }
    }
}

fn file(file: &Scratch) -> Vec<u8> {
    std::fs::read(&file.0).unwrap()
}

/// RFLUSH-1, RFLUSH-17: write, flush, word, flush in one go; on each make.
#[test]
fn rflush_17_every_make_keeps_the_promise() {
    each("rflush-17", |pair, region, scratch, _| {
        let (data, word) = (region.remote(5000).unwrap(), region.remote(8).unwrap());
        pair.a.qp.write(1, Data::Inline(&[b"record"]), data, NONE).unwrap();
        pair.a.qp.flush_remote(2, data, 6, PERSISTENT, NONE).unwrap();
        pair.a.qp.atomic_write(3, *b"8 bytes.", word, NONE).unwrap();
        pair.a.qp.flush_remote_region(4, region.remote_token(), PERSISTENT | GLOBAL, NONE).unwrap();
        let ended = pair.a.take(4);
        assert!(ended.iter().all(|of| of.status == Status::SUCCESS), "{ended:?}");
        assert_eq!(ended.iter().map(|of| of.request_context).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(ended[1].is_remote_flush() && ended[2].is_atomic_write() && ended[3].is_remote_flush());
        assert_eq!((ended[1].bytes_transferred, ended[2].bytes_transferred), (0, 8));
        assert_eq!(ended[1].kind, OperationType::Write);
        let bytes = file(scratch);
        assert_eq!(
            (bytes.len(), &bytes[5000..5006], &bytes[8..16]),
            (LENGTH, &b"record"[..], &b"8 bytes."[..])
        );
        assert_eq!(region.in_doubt(), []);
    });
}

/// RFLUSH-2: When FLUSH global completes, then every process that maps the file sees the bytes.
#[test]
fn rflush_2_all_who_look_see_what_was_flushed() {
    each("rflush-2", |pair, region, scratch, access| {
        let place = region.remote(100).unwrap();
        pair.a.qp.write(1, Data::Inline(&[b"seen"]), place, NONE).unwrap();
        assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
        let before = file(scratch)[100..104].to_vec();
        assert_eq!(before == b"seen", access == Access::Mapped && cfg!(target_os = "linux"));
        pair.a.qp.flush_remote(2, place, 4, GLOBAL, NONE).unwrap();
        assert_eq!(pair.a.ends(1), all([2], Status::SUCCESS));
        assert_eq!(file(scratch)[100..104], *b"seen");
    });
}

#[test]
fn what_a_file_held_is_in_its_memory_and_offsets_count_from_the_file() {
    let storage = FileStorage::open(StorageChoice::Automatic).unwrap();
    let scratch = Scratch::new(&std::env::temp_dir(), "offset");
    std::fs::write(&scratch.0, vec![7; 70_000]).unwrap();
    let memory = storage.memory(&scratch.0, LENGTH).offset(65_536).open().unwrap();
    let mut bytes = [0; 2];
    memory.read(4463, &mut bytes).unwrap();
    assert_eq!(bytes, [7, 0], "the file ended there, and was made longer");
    let described = memory.storage().unwrap();
    assert!(described.contains("written at a flush"), "{described}");
    let pair = pair("file-offset");
    let region = pair.b.pd.register(memory, ALL | ALLOW_FLUSH_GLOBAL).wait().unwrap();
    pair.a.qp.write(1, Data::Inline(&[b"!"]), region.remote(1).unwrap(), NONE).unwrap();
    pair.a.qp.flush_remote(2, region.remote(0).unwrap(), 2, GLOBAL, NONE).unwrap();
    assert_eq!(pair.a.ends(2), all([1, 2], Status::SUCCESS));
    let found = file(&scratch);
    assert_eq!((found.len(), &found[65_536..65_538]), (65_536 + LENGTH, &b"\x07!"[..]));
}

/// RFLUSH-5 in NDK's terms; memory without storage has no persistence to grant.
#[test]
fn persistence_needs_storage_and_each_placement_its_right() {
    let one = pair("flush-rights");
    let memory = || Memory::zeroed(64).unwrap();
    let refused = one.b.pd.register(memory(), ALL | ALLOW_FLUSH_PERSISTENT).wait().unwrap_err();
    assert_eq!((refused.status(), refused.argument()), (Status::NOT_SUPPORTED, Some("Flags")));
    assert!(refused.to_string().contains("register memory of a file"), "{refused}");
    let region = one.b.pd.register(memory(), ALL | ALLOW_FLUSH_GLOBAL).wait().unwrap();
    let place = region.remote(0).unwrap();
    one.a.qp.flush_remote(1, place, 64, GLOBAL, NONE).unwrap();
    one.a.qp.flush_remote(2, place, 64, PERSISTENT, NONE).unwrap();
    one.a.qp.flush_remote(3, place, 64, GLOBAL, NONE).unwrap();
    let ends = [(1, Status::SUCCESS), (2, Status::ACCESS_VIOLATION), (3, Status::CANCELLED)];
    assert_eq!(one.a.ends(3), ends);
}

#[test]
fn a_flush_takes_the_flags_of_an_atomic() {
    let pair = pair("flush-flags");
    let place = pair.b.mr.remote(0).unwrap();
    let error = pair.a.qp.flush_remote(1, place, 8, GLOBAL, OpFlags::INLINE).unwrap_err();
    assert_eq!((error.status(), error.argument()), (Status::INVALID_PARAMETER, Some("Flags")));
    assert!(error.to_string().starts_with("ext::FlushRemote failed"), "{error}");
    let error = pair.a.qp.atomic_write(1, [0; 8], place, OpFlags::SEND_AND_SOLICIT_EVENT).unwrap_err();
    assert!(error.to_string().starts_with("ext::AtomicWrite failed"), "{error}");
    pair.a.qp.atomic_write(2, [5; 8], place, OpFlags::SILENT_SUCCESS | OpFlags::READ_FENCE).unwrap();
    pair.a.qp.atomic_write(3, [6; 8], place.plus(8), NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([3], Status::SUCCESS));
    assert_eq!(pair.b.bytes(0, 16), [[5; 8], [6; 8]].concat());
}

/// RFLUSH-15: When the file is on tmpfs, then a persistent right is refused unless forced.
#[test]
#[cfg(target_os = "linux")]
fn rflush_15_a_tmpfs_keeps_nothing() {
    let folder = Path::new("/dev/shm");
    let scratch = Scratch::new(folder, "rflush-15");
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    if !mounts.lines().any(|line| line.split(' ').nth(1) == folder.to_str() && line.contains(" tmpfs ")) {
        eprintln!("skipped: rflush_15: no tmpfs at {}", folder.display());
        return;
    }
    let storage = FileStorage::open(StorageChoice::Threads).unwrap();
    let pair = pair("rflush-15");
    let kept = storage.memory(&scratch.0, LENGTH).open().unwrap();
    let refused = pair.b.pd.register(kept, ALL | ALLOW_FLUSH_PERSISTENT).wait().unwrap_err();
    assert_eq!(refused.status(), Status::NOT_SUPPORTED);
    assert!(refused.to_string().contains("tmpfs"), "{refused}");
    let seen = storage.memory(&scratch.0, LENGTH).open().unwrap();
    pair.b.pd.register(seen, ALL | ALLOW_FLUSH_GLOBAL).wait().unwrap();
    let forced = storage.memory(&scratch.0, LENGTH).force_persistence().open().unwrap();
    let region = pair.b.pd.register(forced, rights()).wait().unwrap();
    pair.a.qp.flush_remote_region(1, region.remote_token(), PERSISTENT, NONE).unwrap();
    assert_eq!(pair.a.ends(1), all([1], Status::SUCCESS));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_had_is_told() {
    let storage = FileStorage::open(StorageChoice::Threads).unwrap();
    let scratch = Scratch::new(&std::env::temp_dir(), "not-had");
    // SAFETY: nothing is mapped, since the offset is none of a page.
    let error = unsafe { storage.memory(&scratch.0, LENGTH).offset(100).map() }.unwrap_err();
    assert!(matches!(error, FileMemoryError::Misaligned { offset: 100, .. }), "{error}");
    let nothing = storage.memory(&scratch.0, 0).open().unwrap_err();
    assert!(matches!(nothing, FileMemoryError::NoBytes { .. }), "{nothing}");
    let nowhere = storage.memory(scratch.0.join("file"), 1).open().unwrap_err();
    assert!(matches!(nowhere, FileMemoryError::Storage(_)), "{nowhere}");
    assert!(!scratch.0.exists());
}

/// whatever runs, a region comes back once, and each request completes once.
#[test]
fn a_region_goes_while_it_is_flushed() {
    each("flush-deregister", |pair, region, scratch, access| {
        assert_eq!(region.len(), LENGTH);
        let storage = FileStorage::open(StorageChoice::Threads).unwrap();
        for round in 0..20 {
            let memory = memory(&storage, scratch, access).unwrap();
            let end = End::new(&pair.adapter);
            let from = End::new(&pair.adapter);
            let _connection = connect(&pair.adapter, &from.qp, &end.qp);
            let going = end.pd.register(memory, rights()).wait().unwrap();
            from.qp.write(1, Data::Inline(&[&[round; 8]]), going.remote(0).unwrap(), NONE).unwrap();
            from.qp.flush_remote_region(2, going.remote_token(), PERSISTENT, NONE).unwrap();
            if round % 2 == 0 {
                from.qp.flush();
            }
            let memory = going.deregister().wait().unwrap();
            let ended = from.ends(2);
            assert_eq!(ended[0], (1, Status::SUCCESS));
            assert!(matches!(ended[1], (2, Status::SUCCESS | Status::CANCELLED)), "{ended:?}");
            let mut bytes = [0; 8];
            memory.read(0, &mut bytes).unwrap();
            assert_eq!(bytes, [round; 8]);
        }
    });
}

const FULL_DISK: &str = "QPAIR_FULL_DISK";

/// RFLUSH-14: When the region is registered on a full file system, then registration fails with ENOSPC; later
/// no remote write raises SIGBUS. In a small file system of its own; skipped where that is forbidden.
#[test]
#[cfg(target_os = "linux")]
fn rflush_14_a_full_disk_shows_before_anything_is_registered() {
    use std::process::{Command, Stdio};
    if let Some(folder) = std::env::var_os(FULL_DISK) {
        return on_a_full_disk(Path::new(&folder));
    }
    let folder = std::env::temp_dir().join(format!("qpair-{}-rflush-14", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let mount = ["-Urm", "mount", "-t", "tmpfs", "-o", "size=1m", "none"];
    let possible = Command::new("unshare").args(mount).arg(&folder).stderr(Stdio::null()).status();
    if possible.is_ok_and(|status| status.success()) {
        const MOUNTED: &str = "mount -t tmpfs -o size=1m none \"$QPAIR_FULL_DISK\" && exec \"$0\" \"$@\"";
        let mut program = Command::new("unshare");
        program.args(["-Urm", "sh", "-c", MOUNTED]).arg(std::env::current_exe().unwrap());
        program.args(["--exact", "persistence::rflush_14_a_full_disk_shows_before_anything_is_registered"]);
        let run = program.env(FULL_DISK, &folder).output().unwrap();
        assert!(run.status.success(), "{}: {}", run.status, String::from_utf8_lossy(&run.stdout));
        assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"), "it ran there");
    } else {
        eprintln!("skipped: rflush_14: no user name space with a mount of its own");
    }
    std::fs::remove_dir(&folder).unwrap();
}

/// On a file system of 1 MiB.
#[cfg(target_os = "linux")]
fn on_a_full_disk(folder: &Path) {
    const ENOSPC: i32 = 28;
    let storage = FileStorage::open(StorageChoice::Threads).unwrap();
    let (scratch, others) = (Scratch::new(folder, "region"), folder.join("others"));
    let memory = memory(&storage, &scratch, Access::Mapped).unwrap();
    let full = std::fs::write(&others, vec![1; 1 << 20]).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(ENOSPC));
    let second = Scratch::new(folder, "second");
    let error = storage.memory(&second.0, LENGTH).open().unwrap_err();
    let FileMemoryError::Storage(error) = error else { panic!("{error}") };
    assert_eq!(error.cause(), Cause::System(ENOSPC));
    assert!(!second.0.exists(), "nothing is left behind");
    let pair = pair("rflush-14");
    let region = pair.b.pd.register(memory, rights()).wait().unwrap();
    for page in 0..LENGTH / 4096 {
        let place = region.remote(page * 4096).unwrap();
        pair.a.qp.write(1, Data::Inline(&[b"no SIGBUS"]), place, NONE).unwrap();
        pair.a.qp.flush_remote(2, place, 9, PERSISTENT, NONE).unwrap();
        assert_eq!(pair.a.ends(2), all([1, 2], Status::SUCCESS));
    }
    std::fs::remove_file(others).unwrap();
    storage.memory(&second.0, LENGTH).open().unwrap();
}
