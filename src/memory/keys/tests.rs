//! Keys: grants, refusals and deregistration, and any access against an oracle.

use super::*;
use crate::work::Detail;
use proptest::prelude::*;

const WRITABLE: Rights = Rights::LOCAL_WRITE;

fn table() -> (KeyTable, Arc<Pins>) {
    let pins = Pins::new();
    (KeyTable::new(Arc::clone(&pins)), pins)
}

fn memory(length: usize) -> Arc<Memory> {
    Arc::new(Memory::zeroed(length).unwrap())
}

fn whole(memory: &Memory, pd: u32, rights: Rights, base: u64) -> Registration {
    Registration { pd, rights, range: 0..memory.len(), base }
}

fn finish(deregistering: Deregistering) -> Arc<Memory> {
    deregistering.try_finish().expect("no pass is under way")
}

/// The detail of a refused access of the peer, or the length that was granted.
fn remote(
    table: &KeyTable,
    pins: &Arc<Pins>,
    key: Key,
    pd: u32,
    at: (u64, u32),
    access: RemoteAccess,
) -> Result<usize, Detail> {
    let handle = pins.register();
    let pin = handle.pin();
    table
        .check_remote(&pin, key, pd, at.0, at.1, access)
        .map(|grant| grant.view().len())
        .map_err(Denied::detail)
}

#[test]
fn a_grant_is_just_the_range() {
    let (table, pins) = table();
    let memory = memory(64);
    memory.write(0, &[1; 64]).unwrap();
    let key = table
        .register(&memory, Registration { pd: 1, rights: WRITABLE, range: 8..40, base: 0x1000 })
        .unwrap();
    let handle = pins.register();
    let pin = handle.pin();
    let grant = table.check_local(&pin, key, 1, 0x1004, 4, LocalAccess::Write).unwrap();
    assert_eq!(grant.view().len(), 4);
    grant.view().write(0, &[7; 4]).unwrap();
    assert_eq!(grant.view().write(1, &[8; 4]), None);
    let mut bytes = [0; 64];
    memory.read(0, &mut bytes).unwrap();
    assert!(bytes[12..16] == [7; 4] && bytes[..12] == [1; 12] && bytes[16..] == [1; 48]);
}

#[test]
fn each_refusal_has_its_own_detail() {
    let (table, pins) = table();
    let memory = memory(100);
    let key = table.register(&memory, whole(&memory, 1, Rights::REMOTE_READ, 1000)).unwrap();
    let ask = |key, pd, at, access| remote(&table, &pins, key, pd, at, access);
    use RemoteAccess::{Atomic, Read, Write};
    assert_eq!(ask(key, 1, (1000, 100), Read), Ok(100));

    let foreign = Key::new(key.index() + 1, key.generation());
    let other_generation = Key::new(key.index(), key.generation().wrapping_add(1));
    for unknown in [Key(0), Key(u32::MAX), foreign, other_generation] {
        assert_eq!(ask(unknown, 1, (1000, 1), Read), Err(Detail::UnknownKey), "{unknown:?}");
    }
    assert_eq!(ask(key, 2, (1000, 1), Read), Err(Detail::OtherProtectionDomain));
    assert_eq!(ask(key, 1, (1000, 8), Write), Err(Detail::MissingRight));
    assert_eq!(ask(key, 1, (1000, 8), Atomic), Err(Detail::MissingRight));
    for outside in [(999, 1), (1000, 101), (1099, 2), (1100, 1), (0, 1), (u64::MAX, 1), (u64::MAX, u32::MAX)]
    {
        assert_eq!(ask(key, 1, outside, Read), Err(Detail::OutOfRange), "{outside:?}");
    }
}

#[test]
fn local_write_is_a_right_and_local_read_is_not() {
    let (table, pins) = table();
    let memory = memory(8);
    let key = table.register(&memory, whole(&memory, 1, Rights::REMOTE_READ, 0)).unwrap();
    let handle = pins.register();
    let pin = handle.pin();
    assert!(table.check_local(&pin, key, 1, 0, 8, LocalAccess::Read).is_ok());
    let denied = table.check_local(&pin, key, 1, 0, 8, LocalAccess::Write).unwrap_err();
    assert_eq!(denied, Denied::MissingRight);
}

#[test]
fn nothing_is_granted_to_anyone() {
    let (table, pins) = table();
    let handle = pins.register();
    let pin = handle.pin();
    let local = table.check_local(&pin, Key(77), 9, u64::MAX, 0, LocalAccess::Write).unwrap();
    let remote = table.check_remote(&pin, Key(0), 9, 5, 0, RemoteAccess::Atomic).unwrap();
    assert!(local.view().is_empty() && remote.view().is_empty());
}

#[test]
fn numbers_may_reach_the_end_of_the_address_space() {
    let (table, pins) = table();
    let memory = memory(16);
    let read = Rights::REMOTE_READ;
    let key = table.register(&memory, whole(&memory, 1, read, u64::MAX - 15)).unwrap();
    let ask = |at| remote(&table, &pins, key, 1, at, RemoteAccess::Read);
    assert_eq!(ask((u64::MAX - 15, 16)), Ok(16));
    assert_eq!(ask((u64::MAX, 1)), Ok(1));
    assert_eq!(ask((u64::MAX, 2)), Err(Detail::OutOfRange));
    assert_eq!(ask((0, 1)), Err(Detail::OutOfRange));
    let error = table.register(&memory, whole(&memory, 1, read, u64::MAX - 14)).unwrap_err();
    assert_eq!(error, RegisterError::AddressOverflow { base: u64::MAX - 14, length: 16 });
}

#[test]
fn impossible_registrations_are_refused() {
    let (table, _) = table();
    let memory = memory(16);
    let outside = Registration { pd: 1, rights: WRITABLE, range: 8..17, base: 0 };
    let error = table.register(&memory, outside).unwrap_err();
    assert_eq!(error.to_string(), "register: bytes 8..17 of a memory of 16; name a range inside of it");
    let error = table.register(&memory, whole(&memory, 1, Rights::REMOTE_WRITE, 0)).unwrap_err();
    assert_eq!(error, RegisterError::NeedsLocalWrite { rights: Rights::REMOTE_WRITE });
    assert_eq!(Arc::strong_count(&memory), 1, "nothing was kept");
}

#[test]
fn a_key_is_refused_once_deregistered() {
    let (table, pins) = table();
    let memory = memory(16);
    let key = table.register(&memory, whole(&memory, 1, Rights::REMOTE_READ, 0)).unwrap();
    let neighbour = Key::new(key.index(), key.generation().wrapping_add(1));
    assert!(table.deregister(neighbour).is_none(), "another generation is another region");
    let back = finish(table.deregister(key).unwrap());
    assert!(Arc::ptr_eq(&back, &memory));
    assert_eq!(remote(&table, &pins, key, 1, (0, 1), RemoteAccess::Read), Err(Detail::UnknownKey));
    assert!(table.deregister(key).is_none());
}

#[test]
fn memory_is_kept_while_a_pass_may_use_it() {
    let (table, pins) = table();
    let memory = memory(16);
    let key = table.register(&memory, whole(&memory, 1, WRITABLE, 0)).unwrap();
    drop(memory);
    let handle = pins.register();
    let pin = handle.pin();
    let grant = table.check_local(&pin, key, 1, 0, 16, LocalAccess::Write).unwrap();
    let deregistering = table.deregister(key).unwrap().try_finish().unwrap_err();
    assert!(table.check_local(&pin, key, 1, 0, 16, LocalAccess::Write).is_err(), "refused already");
    grant.view().write(0, &[3; 16]).unwrap();
    let deregistering = deregistering.try_finish().unwrap_err();
    drop(pin);
    let memory = Arc::into_inner(finish(deregistering)).expect("the region had the last share");
    assert_eq!(memory.into_vec(), [3; 16]);
}

#[test]
#[cfg_attr(miri, ignore = "thousands of registrations take minutes under Miri")]
fn an_index_rests_and_returns_with_another_generation() {
    let (table, pins) = table();
    let memory = memory(8);
    let register = || table.register(&memory, whole(&memory, 1, Rights::REMOTE_READ, 0)).unwrap();
    let first = register();
    finish(table.deregister(first).unwrap());
    for _ in 0..REST {
        let key = register();
        assert_ne!(key.index(), first.index(), "the index rests");
        finish(table.deregister(key).unwrap());
    }
    let again = register();
    assert_eq!((again.index(), again.generation()), (first.index(), first.generation() + 1));
    assert_eq!(remote(&table, &pins, first, 1, (0, 1), RemoteAccess::Read), Err(Detail::UnknownKey));
    assert_eq!(remote(&table, &pins, again, 1, (0, 1), RemoteAccess::Read), Ok(1));
}

/// Threads deregister the same keys: each region goes to exactly one of them.
#[test]
fn a_region_is_deregistered_once() {
    let (table, _) = table();
    let memory = memory(8);
    let count = if cfg!(miri) { 4 } else { 200 };
    let keys: Vec<Key> =
        (0..count).map(|_| table.register(&memory, whole(&memory, 1, WRITABLE, 0)).unwrap()).collect();
    let finished: usize = std::thread::scope(|scope| {
        let race = || {
            keys.iter()
                .filter_map(|key| table.deregister(*key))
                .map(|mut deregistering| {
                    while let Err(unfinished) = deregistering.try_finish() {
                        deregistering = unfinished;
                        std::thread::yield_now();
                    }
                })
                .count()
        };
        [scope.spawn(race), scope.spawn(race)].into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(finished, keys.len());
    assert_eq!(Arc::strong_count(&memory), 1);
}

/// A region as the oracle knows it.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    pd: u32,
    rights: Rights,
    base: u64,
    length: u64,
    live: bool,
}

fn rights() -> impl Strategy<Value = Rights> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(read, write, atomic)| {
        let grant = |given, right| if given { right } else { Rights::NONE };
        Rights::LOCAL_WRITE
            | grant(read, Rights::REMOTE_READ)
            | grant(write, Rights::REMOTE_WRITE)
            | grant(atomic, Rights::REMOTE_ATOMIC)
    })
}

proptest! {
    /// Any access is judged as plain arithmetic in 128 bits over a list of regions judges it.
    #[test]
    fn checks_agree_with_the_oracle(
        regions in prop::collection::vec((0u32..2, rights(), any::<u64>(), 0usize..64, any::<bool>()), 1..8),
        asks in prop::collection::vec((0usize..8, 0u32..2, -70i128..70, 0u32..70, 0u8..3), 1..40),
    ) {
        let (table, pins) = table();
        let mut known = Vec::new();
        for (pd, rights, base, length, live) in regions {
            let memory = memory(length);
            match table.register(&memory, whole(&memory, pd, rights, base)) {
                Ok(key) => known.push(Known { key, pd, rights, base, length: length as u64, live }),
                Err(_) => prop_assert!(u128::from(base) + length as u128 > 1 << 64),
            }
        }
        for gone in known.iter().filter(|region| !region.live) {
            prop_assert_eq!(finish(table.deregister(gone.key).unwrap()).len() as u64, gone.length);
        }
        for (which, pd, delta, length, access) in asks {
            let Some(region) = known.get(which) else { continue };
            let address = (i128::from(region.base) + delta).rem_euclid(1 << 64) as u64;
            let access = [RemoteAccess::Read, RemoteAccess::Write, RemoteAccess::Atomic][usize::from(access)];
            let offset = i128::from(address) - i128::from(region.base);
            let expected = if length == 0 {
                Ok(0)
            } else if !region.live {
                Err(Detail::UnknownKey)
            } else if pd != region.pd {
                Err(Detail::OtherProtectionDomain)
            } else if !region.rights.contains(access.right()) {
                Err(Detail::MissingRight)
            } else if offset < 0 || offset + i128::from(length) > i128::from(region.length) {
                Err(Detail::OutOfRange)
            } else {
                Ok(length as usize)
            };
            prop_assert_eq!(remote(&table, &pins, region.key, pd, (address, length), access), expected);
        }
    }
}
