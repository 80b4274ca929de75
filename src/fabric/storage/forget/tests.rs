//! The model itself: what it must lose, keep and tear.

use super::Forgetful;
use crate::fabric::storage::{File, Io, Open, Storage, wait};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const PATH: &str = "/folder/file";

fn file(disk: &Forgetful, how: Open) -> Arc<dyn File> {
    wait(|done| disk.open(Path::new(PATH), how, done)).unwrap()
}

fn write(file: &dyn File, offset: u64, byte: u8, length: usize) {
    let bytes = Arc::new(vec![byte; length]);
    wait(|done| file.start(vec![Io::Write { offset, bytes, done }])).unwrap();
}

fn sync(file: &dyn File, from: u64, to: u64) {
    wait(|done| file.start(vec![Io::Sync { range: from..to, done }])).unwrap();
}

/// A file of two sectors of ones that is stable with its name.
fn prepared() -> (Forgetful, Arc<dyn File>) {
    let disk = Forgetful::new(7);
    let file = file(&disk, Open::Empty);
    write(file.as_ref(), 0, 1, 1024);
    sync(file.as_ref(), 0, 1024);
    wait(|done| disk.sync_folder(Path::new("/folder"), done)).unwrap();
    (disk, file)
}

fn outcomes(disk: &Forgetful) -> BTreeSet<Vec<u8>> {
    (0..400).map(|seed| disk.crash(seed).content(Path::new(PATH)).unwrap_or_default()).collect()
}

#[test]
fn what_was_synced_is_kept() {
    let (disk, file) = prepared();
    write(file.as_ref(), 0, 2, 1024);
    sync(file.as_ref(), 0, 1);
    assert_eq!(outcomes(&disk), BTreeSet::from([vec![2; 1024]]));
}

#[test]
fn what_was_not_synced_is_old_new_or_torn_by_sector() {
    let (disk, file) = prepared();
    write(file.as_ref(), 0, 2, 1024);
    let found = outcomes(&disk);
    let of = |first: u8, second: u8| [vec![first; 512], vec![second; 512]].concat();
    for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        assert!(found.contains(&of(first, second)), "{first} {second}");
    }
    assert!(found.iter().any(|bytes| bytes[..512].windows(2).any(|pair| pair == [2, 1])), "torn");
}

#[test]
fn later_writes_may_survive_earlier_ones_but_not_the_reverse_in_one_place() {
    let (disk, file) = prepared();
    write(file.as_ref(), 0, 2, 512);
    write(file.as_ref(), 512, 3, 512);
    write(file.as_ref(), 0, 4, 512);
    let found = outcomes(&disk);
    assert!(found.iter().any(|bytes| bytes[0] == 1 && bytes[512] == 3), "reordered");
    sync(file.as_ref(), 0, 512);
    assert!(outcomes(&disk).iter().all(|bytes| bytes[..512] == [4; 512]), "the later one wins");
}

#[test]
fn a_sync_does_not_cover_its_own_batch() {
    let (disk, file) = prepared();
    let bytes = Arc::new(vec![2; 1024]);
    wait(|first| {
        let write = Io::Write { offset: 0, bytes, done: first };
        file.start(vec![write, Io::Sync { range: 0..1024, done: crate::fabric::storage::Done::new(|_| ()) }]);
    })
    .unwrap();
    assert!(outcomes(&disk).contains(&vec![1; 1024]));
}

#[test]
fn a_name_is_stable_after_a_sync_of_its_folder() {
    let disk = Forgetful::new(7);
    let file = file(&disk, Open::Empty);
    write(file.as_ref(), 0, 1, 512);
    sync(file.as_ref(), 0, 512);
    assert!(outcomes(&disk).contains(&Vec::new()), "the file without its name");
}

#[test]
fn a_failed_sync_forgets_and_the_next_succeeds_without_writing() {
    let (disk, file) = prepared();
    write(file.as_ref(), 0, 2, 1024);
    disk.fail(super::Fails::Sync, 0, 5);
    wait(|done| file.start(vec![Io::Sync { range: 0..1024, done }])).unwrap_err();
    sync(file.as_ref(), 0, 1024);
    assert_eq!(disk.content(Path::new(PATH)), Some(vec![2; 1024]), "the page cache has it");
    let lost = |seed: &u64| {
        let disk = Forgetful::new(*seed);
        let file = self::file(&disk, Open::Empty);
        write(file.as_ref(), 0, 2, 512);
        disk.fail(super::Fails::Sync, 0, 5);
        wait(|done| file.start(vec![Io::Sync { range: 0..512, done }])).unwrap_err();
        sync(file.as_ref(), 0, 512);
        wait(|done| disk.sync_folder(Path::new("/folder"), done)).unwrap();
        disk.crash(*seed).content(Path::new(PATH)) != Some(vec![2; 512])
    };
    assert!((0..64).any(|seed| lost(&seed)), "success says nothing about what failed before");
    write(file.as_ref(), 0, 2, 1024);
    sync(file.as_ref(), 0, 1024);
    assert_eq!(disk.crash(1).content(Path::new(PATH)), Some(vec![2; 1024]), "rewritten, it is there");
}

#[test]
fn power_goes_before_or_after_an_operation() {
    for (point, expected) in [(0, 1), (1, 2)] {
        let (disk, file) = prepared();
        write(file.as_ref(), 0, 2, 1024);
        disk.cut_at(point);
        wait(|done| file.start(vec![Io::Sync { range: 0..1024, done }])).unwrap_err();
        assert!(disk.is_dead());
        let after = outcomes(&disk);
        assert_eq!(after.contains(&vec![1; 1024]), expected == 1, "at point {point}");
        wait(|done| disk.open(Path::new(PATH), Open::Existing, done)).unwrap_err();
    }
}
