//! Keys that end while a peer writes through them: afterwards, no byte changes any more.

use super::super::world::{End, World, pair_beside, pair_with};
use super::{Tally, times};
use crate::device::qp::{Bind, Data, How, Operation};
use crate::memory::{Binding, Memory, PAGE_SIZE, PageList, Rights};
use crate::work::{CompletionKind, Key, RequestFlags, Sge, Status};
use std::sync::Arc;
use std::thread;

const LENGTH: usize = 256 << 10;
const BASE: u64 = 0x100_0000;
const ADAPTER: u32 = 1;
const HOW: How = How { context: 1, flags: RequestFlags::NONE, deferred: false, low: None };

fn writable() -> Rights {
    Rights::LOCAL_WRITE | Rights::REMOTE_WRITE
}

/// What the peer writes to: a region below a window, or the pages of a registration.
enum Target {
    Window { window: Key, region: Key },
    Registered { home: Key, pages: Vec<u64> },
}

impl Target {
    fn new(end: &End, memory: &Arc<Memory>, window: bool) -> Self {
        let keys = end.device().keys();
        if window {
            let registration =
                crate::memory::Registration { pd: end.pd, rights: writable(), range: 0..LENGTH, base: BASE };
            let region = keys.register(memory, registration).unwrap();
            return Self::Window { window: keys.create_window(end.pd).unwrap(), region };
        }
        let mapping = keys.build_lam(memory, ADAPTER).unwrap();
        let mut pages: Vec<u64> =
            (0..mapping.count).map(|page| mapping.first_page + u64::from(page) * PAGE_SIZE).collect();
        pages.reverse(); // none follows the one before it
        let home = keys.create_fast_register(end.pd, ADAPTER, pages.len(), true).unwrap();
        Self::Registered { home, pages }
    }

    fn home(&self) -> Key {
        match self {
            Self::Window { window, .. } => *window,
            Self::Registered { home, .. } => *home,
        }
    }

    /// Puts it in force, and waits until it is.
    fn open(&self, end: &End) -> Key {
        let length = LENGTH as u64;
        let key = match self {
            Self::Window { window, region } => {
                let binding =
                    Binding { region: *region, address: BASE, length, rights: Rights::REMOTE_WRITE };
                end.qp.post_bind(&Bind { window: *window, binding }, HOW)
            }
            Self::Registered { home, pages } => {
                let list = PageList { pages, first_byte_offset: 0, length, base: BASE, rights: writable() };
                end.qp.post_fast_register(*home, &list, HOW)
            }
        };
        assert_eq!(end.wait_for(1)[0].status, Status::Success);
        key.unwrap()
    }
}

/// Writes, from two sources in turn, until the connection breaks; counts what succeeded.
fn write_until_refused(from: &End, key: Key, written: &Tally) {
    for round in 0.. {
        let source = BASE_OF_SOURCES + (round % 2) * LENGTH as u64;
        let sge = Sge { address: source, length: LENGTH as u32, token: from.key() };
        let write = Operation::Write { address: BASE, key };
        let posted = from.qp.post_send(&write, Data::Sgl(&[sge]), RequestFlags::NONE, false, 1);
        posted.expect("an error takes requests, to cancel them");
        let ended = from.wait_for(1)[0];
        if ended.status != Status::Success {
            assert_eq!((ended.status, ended.kind), (Status::RemoteAccess, CompletionKind::Write));
            return;
        }
        written.add(1);
    }
}

const BASE_OF_SOURCES: u64 = super::super::world::BASE;

fn bytes(memory: &Memory) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    memory.read(0, &mut bytes).unwrap();
    bytes
}

/// One thread writes through the key, another ends it on a connection of its own, which outlives the first.
fn end_under_writes(window: bool) {
    for _ in 0..10 * times() {
        let (a, b) = pair_with(World { memory: 2 * LENGTH, ..World::default() });
        let (other, _peer) = pair_beside(&b, &World { pd: Some(b.pd), ..World::default() });
        a.memory.write(LENGTH, &vec![0xFF; LENGTH]).unwrap();
        let memory = Arc::new(Memory::zeroed(LENGTH).unwrap());
        let target = Target::new(&b, &memory, window);
        let key = target.open(&b);
        let written = Tally::default();
        let still = thread::scope(|scope| {
            let writer = scope.spawn(|| write_until_refused(&a, key, &written));
            while written.get() < 3 && !writer.is_finished() {
                thread::yield_now();
            }
            other.qp.post_invalidate(target.home(), HOW).unwrap();
            let ended = other.wait_for(1)[0];
            assert_eq!((ended.status, ended.kind), (Status::Success, CompletionKind::Invalidate));
            bytes(&memory)
        });
        assert!(written.get() >= 3);
        assert!(bytes(&memory) == still, "bytes changed after the invalidation had completed");
    }
}

#[test]
fn nothing_changes_below_a_window_that_was_invalidated() {
    end_under_writes(true);
}

#[test]
fn nothing_changes_on_pages_whose_registration_was_invalidated() {
    end_under_writes(false);
}

/// Threads that bind, write through and invalidate windows of one region; its close comes in the midst, and
/// waits for the last.
#[test]
fn a_region_outlives_its_windows_and_no_more() {
    for _ in 0..5 * times() {
        let (a, b) = pair_with(World { memory: LENGTH, ..World::default() });
        let keys = b.device().keys();
        let memory = Arc::new(Memory::zeroed(LENGTH).unwrap());
        let registration =
            crate::memory::Registration { pd: b.pd, rights: writable(), range: 0..LENGTH, base: BASE };
        let region = keys.register(&memory, registration).unwrap();
        let ends: Vec<_> =
            (0..2).map(|_| pair_beside(&b, &World { pd: Some(b.pd), ..World::default() })).collect();
        let (bound, gone) = (Tally::default(), Arc::new(Tally::default()));
        thread::scope(|scope| {
            for (end, _peer) in &ends {
                scope.spawn(|| {
                    let window = keys.create_window(b.pd).unwrap();
                    loop {
                        let binding =
                            Binding { region, address: BASE, length: 64, rights: Rights::REMOTE_WRITE };
                        end.qp.post_bind(&Bind { window, binding }, HOW).unwrap();
                        if end.wait_for(1)[0].status != Status::Success {
                            break; // the region is closing
                        }
                        bound.add(1);
                        end.qp.post_invalidate(window, HOW).unwrap();
                        assert_eq!(end.wait_for(1)[0].status, Status::Success);
                    }
                    b.device().close_key(window, drop);
                });
            }
            while bound.get() < 100 {
                thread::yield_now();
            }
            let (device, done) = (Arc::clone(b.device()), Arc::clone(&gone));
            b.device().chore_after_windows(region, move || {
                let going = device.keys().deregister(region).expect("once");
                drop(going.try_finish());
                done.add(1);
                true
            });
        });
        while gone.get() == 0 {
            thread::yield_now();
        }
        assert_eq!(gone.get(), 1);
        drop(a);
    }
}
