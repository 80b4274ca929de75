//! Windows, fast registrations and mappings in the key table, from one thread and from several.

use super::*;
use crate::memory::{Deregistering, LocalAccess, Memory, Registration, RemoteAccess};
use crate::ring::{PinHandle, Pins};
use crate::sync::{Arc, AtomicU64, Ordering};

const PD: u32 = 3;
const ADAPTER: u32 = 5;
const QP: u64 = 77;
const PARTY: Party = Party { pd: PD, qp: QP };
const REMOTE: Rights = Rights::from_bits(1 | 2 | 4);

struct Table {
    keys: KeyTable,
    pins: Arc<Pins>,
    handle: PinHandle,
}

impl Table {
    fn new() -> Self {
        let pins = Pins::new();
        let handle = pins.register();
        Self { keys: KeyTable::new(Arc::clone(&pins)), pins, handle }
    }

    fn region(&self, rights: Rights) -> (Key, Arc<Memory>) {
        let memory = Arc::new(Memory::zeroed(100).unwrap());
        let registration = Registration { pd: PD, rights, range: 0..100, base: 1000 };
        (self.keys.register(&memory, registration).unwrap(), memory)
    }

    fn bind(&self, window: Key, binding: Binding) -> Result<Key, Unfit> {
        let pin = self.handle.pin();
        let key = self.keys.choose(&pin, window, None).unwrap();
        let (bound, unbound) = self.keys.bind(&pin, (window, key), &binding, PARTY);
        assert_eq!(unbound, None);
        bound.map(|()| key)
    }

    fn remote(&self, key: Key, party: Party, at: (u64, u32), access: RemoteAccess) -> Result<usize, Denied> {
        let pin = self.handle.pin();
        self.keys.check_remote(&pin, key, party, at.0, at.1, access).map(|grant| grant.view().len())
    }

    fn close(&self, home: Key) -> Unbound {
        let (going, unbound) = self.keys.close(home).unwrap();
        going.try_finish().expect("no pass is under way");
        unbound
    }
}

fn binding(region: Key) -> Binding {
    Binding { region, address: 1010, length: 20, rights: Rights::REMOTE_READ }
}

#[test]
fn each_refusal_of_a_window_has_its_own_cause() {
    let table = Table::new();
    let (region, _memory) = table.region(REMOTE);
    let window = table.keys.create_window(PD).unwrap();
    let key = table.bind(window, binding(region)).unwrap();
    use RemoteAccess::{Atomic, Read, Write};
    assert_eq!(table.remote(key, PARTY, (1010, 20), Read), Ok(20));
    let other = Key::new(key.index(), key.generation().wrapping_add(1));
    for unknown in [window, other] {
        assert_eq!(table.remote(unknown, PARTY, (1010, 1), Read), Err(Denied::UnknownKey));
    }
    let strangers = [
        (Party { pd: 4, ..PARTY }, Denied::OtherProtectionDomain),
        (Party { qp: 78, ..PARTY }, Denied::OtherQueuePair),
    ];
    for (party, denied) in strangers {
        assert_eq!(table.remote(key, party, (1010, 1), Read), Err(denied));
    }
    for access in [Write, Atomic] {
        assert_eq!(table.remote(key, PARTY, (1010, 8), access), Err(Denied::MissingRight));
    }
    for outside in [(1009, 1), (1010, 21), (1029, 2), (1030, 1), (0, 1), (u64::MAX, 1)] {
        assert_eq!(table.remote(key, PARTY, outside, Read), Err(Denied::OutOfRange), "{outside:?}");
    }
    let pin = table.handle.pin();
    let local = table.keys.check_local(&pin, key, PARTY, 1010, 1, LocalAccess::Read);
    assert_eq!(local.unwrap_err(), Denied::MissingRight);
}

#[test]
fn a_window_is_bound_as_its_region_allows() {
    let table = Table::new();
    let (region, _memory) = table.region(Rights::REMOTE_READ);
    let window = table.keys.create_window(PD).unwrap();
    let whole = Binding { address: 1000, length: 100, ..binding(region) };
    for (wrong, denied) in [
        (Binding { rights: Rights::REMOTE_WRITE, ..whole }, Denied::MissingRight),
        (Binding { rights: REMOTE, ..whole }, Denied::MissingRight),
        (Binding { length: 101, ..whole }, Denied::OutOfRange),
        (Binding { length: u64::MAX, ..whole }, Denied::OutOfRange),
        (Binding { address: 999, ..whole }, Denied::OutOfRange),
        (Binding { region: window, ..whole }, Denied::UnknownKey),
    ] {
        assert_eq!(table.bind(window, wrong), Err(Unfit::Denied(denied)), "{wrong:?}");
    }
    let key = table.bind(window, whole).unwrap();
    assert_eq!(table.bind(window, whole), Err(Unfit::StillValid));
    assert_eq!(table.remote(key, PARTY, (1099, 1), RemoteAccess::Read), Ok(1));
}

#[test]
fn a_region_waits_for_its_last_window() {
    let table = Table::new();
    let (region, _memory) = table.region(REMOTE);
    let windows = [(); 2].map(|()| table.keys.create_window(PD).unwrap());
    let keys = windows.map(|window| table.bind(window, binding(region)).unwrap());
    assert!(table.keys.deregister_unbound(region).is_none());
    assert_eq!(table.remote(region, PARTY, (1000, 1), RemoteAccess::Read), Ok(1), "nothing changed");
    assert!(table.keys.close_region(region));
    assert_eq!(table.remote(region, PARTY, (1000, 1), RemoteAccess::Read), Err(Denied::UnknownKey));
    assert_eq!(table.remote(keys[1], PARTY, (1010, 1), RemoteAccess::Read), Ok(1));
    let third = table.keys.create_window(PD).unwrap();
    assert_eq!(table.bind(third, binding(region)), Err(Unfit::Denied(Denied::UnknownKey)));
    let own = table.keys.invalidate_own(&table.handle.pin(), keys[0], PARTY);
    assert_eq!(own, Ok(None));
    assert_eq!(table.close(windows[1]), Some(region));
    assert!(table.keys.deregister(region).map(Deregistering::try_finish).unwrap().is_ok());
}

#[test]
fn a_region_taken_away_by_force_leaves_its_windows_without() {
    let table = Table::new();
    let (region, _memory) = table.region(REMOTE);
    let window = table.keys.create_window(PD).unwrap();
    let key = table.bind(window, binding(region)).unwrap();
    table.keys.deregister(region).unwrap().try_finish().unwrap();
    assert_eq!(table.remote(key, PARTY, (1010, 1), RemoteAccess::Read), Err(Denied::UnknownKey));
    assert_eq!(table.keys.invalidate_own(&table.handle.pin(), key, PARTY), Ok(None));
    assert_eq!(table.close(window), None);
}

#[test]
fn only_keys_in_force_are_invalidated() {
    let table = Table::new();
    let (region, _memory) = table.region(REMOTE);
    let window = table.keys.create_window(PD).unwrap();
    let key = table.bind(window, binding(region)).unwrap();
    let pin = table.handle.pin();
    let own = |key, party| table.keys.invalidate_own(&pin, key, party);
    for none in [Key(0), Key(u32::MAX), region, window] {
        assert_eq!(own(none, PARTY), Err(Unfit::NotValid), "{none:?}");
        assert_eq!(table.keys.may_invalidate(&pin, none, PARTY), Err(Unfit::NotValid), "{none:?}");
    }
    let foreign = Unfit::Denied(Denied::OtherProtectionDomain);
    assert_eq!(own(key, Party { pd: 4, ..PARTY }), Err(foreign));
    assert_eq!(table.keys.invalidate(&pin, key, Party { qp: 1, ..PARTY }), Err(Denied::OtherQueuePair));
    assert_eq!(table.keys.invalidate(&pin, region, PARTY), Err(Denied::MissingRight));
    assert_eq!(own(key, Party { qp: 1, ..PARTY }), Ok(None), "its owner may do so on any queue pair");
    assert_eq!(own(key, PARTY), Err(Unfit::NotValid));
}

#[test]
#[cfg_attr(miri, ignore = "thousands of windows take minutes under Miri")]
fn an_index_comes_back_after_all_its_keys() {
    let table = Table::new();
    let window = table.keys.create_window(PD).unwrap();
    let last =
        (0..10).map(|_| table.keys.choose(&table.handle.pin(), window, None)).last().flatten().unwrap();
    table.close(window);
    // Others rest after it, until it is its turn again.
    let mut next = table.keys.create_window(PD).unwrap();
    while next.index() != window.index() {
        table.close(next);
        next = table.keys.create_window(PD).unwrap();
    }
    assert_eq!(next.generation(), last.generation() + 1);
}

#[test]
fn places_are_limited_and_come_back() {
    let table = Table::new();
    let memory = Arc::new(Memory::zeroed(4096).unwrap());
    let mapping = table.keys.build_lam(&memory, ADAPTER).unwrap();
    let home = table.keys.create_fast_register(PD, ADAPTER, 1, false).unwrap();
    let list = PageList {
        pages: &[mapping.first_page],
        first_byte_offset: 0,
        length: 4096,
        base: 0,
        rights: Rights::LOCAL_WRITE,
    };
    let pin = table.handle.pin();
    let stage = |list: &PageList<'_>| table.keys.stage(&pin, home, list);
    assert_eq!(stage(&PageList { rights: REMOTE, ..list }), Err(NotStaged::NoRemoteAccess));
    assert_eq!(stage(&PageList { pages: &[0, 0], ..list }), Err(NotStaged::TooManyPages { max: 1 }));
    let places: Vec<u8> = (0..4).map(|_| stage(&list).unwrap()).collect();
    assert_eq!(stage(&list), Err(NotStaged::NoPlace));
    table.keys.unstage(&pin, home, places[2]);
    assert_eq!(stage(&list), Ok(places[2]));
    let key = table.keys.choose(&pin, home, Some(200)).unwrap();
    assert_eq!(key.generation(), 200);
    table.keys.fast_register(&pin, (home, key), places[0]).unwrap();
    assert_eq!(table.keys.fast_register(&pin, (home, key), places[1]), Err(Unfit::StillValid));
    assert_eq!(stage(&list), Ok(places[1]), "a failure frees the place");
    let local = |key| table.keys.check_local(&pin, key, PARTY, 0, 8, LocalAccess::Write).map(drop);
    assert_eq!((local(key), local(home)), (Ok(()), Ok(())));
    assert_eq!(table.keys.invalidate(&pin, key, PARTY), Err(Denied::MissingRight));
    assert_eq!(table.keys.invalidate_own(&pin, home, PARTY), Ok(None));
    assert_eq!((local(key), local(home)), (Err(Denied::UnknownKey), Err(Denied::UnknownKey)));
    assert_eq!(stage(&list), Ok(places[0]), "so does its end");
}

/// Registrations follow each other, pages of one mapping and of the other in turn, while others look: what
/// they are granted under a key always lies in the mapping of that key.
#[test]
fn nobody_sees_a_mix_of_two_registrations() {
    const ROUNDS: u64 = if cfg!(miri) { 30 } else { 5000 };
    let table = Table::new();
    let memories = [0, 1].map(|_| Arc::new(Memory::zeroed(2 * 4096).unwrap()));
    let mappings = [0, 1].map(|lam| table.keys.build_lam(&memories[lam], ADAPTER).unwrap());
    let home = table.keys.create_fast_register(PD, ADAPTER, 2, true).unwrap();
    let (done, granted) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let handle = table.pins.register();
                // Relaxed: only when to stop.
                while done.load(Ordering::Relaxed) == 0 {
                    let pin = handle.pin();
                    let key = table.keys.latest(&pin, home).unwrap();
                    // Both mappings are registered from different numbers on, and of different length.
                    let lam = usize::from(key.generation()) % 2;
                    let address = 0x10_0000 * (lam as u64 + 1);
                    let access = RemoteAccess::Read;
                    let Ok(grant) = table.keys.check_remote(&pin, key, PARTY, address, 8, access) else {
                        continue;
                    };
                    let first = memories[lam].view().as_ptr().addr();
                    let at = grant.view().as_ptr().addr();
                    assert!((first..first + 2 * 4096).contains(&at), "bytes of another registration");
                    granted.fetch_add(1, Ordering::Relaxed); // a count for the assert below
                }
            });
        }
        let mut generation = home.generation();
        // Relaxed: only whether it is above 0.
        while generation == home.generation() || granted.load(Ordering::Relaxed) < ROUNDS {
            let pin = table.handle.pin();
            let key = table.keys.choose(&pin, home, None).unwrap();
            generation = key.generation();
            let lam = usize::from(generation) % 2;
            let page = mappings[lam].first_page;
            let list = PageList {
                pages: &[page, page + 4096][..=lam],
                first_byte_offset: 0,
                length: 4096,
                base: 0x10_0000 * (lam as u64 + 1),
                rights: REMOTE,
            };
            let place = table.keys.stage(&pin, home, &list).unwrap();
            table.keys.fast_register(&pin, (home, key), place).unwrap();
            std::hint::spin_loop();
            table.keys.invalidate_own(&pin, key, PARTY).unwrap();
        }
        done.store(1, Ordering::Relaxed); // as where it is read
    });
}
