//! Copies against plain copies, atomics, and what a poller of the last byte may rely on.

use super::*;
use crate::memory::Memory;
use proptest::prelude::*;
use std::thread;

/// Bytes that tell their place, so that a byte from elsewhere is noticed.
fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add((i >> 8) as u8) ^ seed).collect()
}

/// Copies by each way there is and compares with a plain copy, all around the target too.
fn copies_like_a_plain_copy(to: usize, from: usize, length: usize) {
    const MARGIN: usize = 40;
    let source = pattern(from + length + MARGIN, 0x5a);
    let blank = pattern(to + length + MARGIN, 0xa5);
    let mut expected = blank.clone();
    expected[to..to + length].copy_from_slice(&source[from..from + length]);

    type Way = fn(View<'_>, View<'_>);
    let ways: [(&str, Way); 4] = [
        ("copy_from", |target, source| assert_eq!(target.copy_from(source), source.len())),
        ("words", |target, source| target.copy_from_by_words(source)),
        ("read and write", |target, source| {
            let mut between = vec![0; source.len()];
            source.read(0, &mut between).unwrap();
            target.write(0, &between).unwrap();
        }),
        ("halves", |target, source| {
            let half = source.len() / 2;
            let rest = source.len() - half;
            target.slice(0, half).unwrap().copy_from(source);
            target.slice(half, rest).unwrap().copy_from(source.slice(half, rest).unwrap());
        }),
    ];
    let source = aligned(&source);
    for (name, way) in ways {
        let target = aligned(&blank);
        way(target.view().slice(to, length).unwrap(), source.view().slice(from, length).unwrap());
        assert!(target.into_vec() == expected, "{name}: {length} bytes from offset {from} to offset {to}");
    }
}

/// The same bytes in memory that begins at an aligned address, so that offsets are alignments.
fn aligned(bytes: &[u8]) -> Memory {
    let memory = Memory::zeroed(bytes.len()).unwrap();
    memory.write(0, bytes).unwrap();
    memory
}

#[test]
fn all_small_lengths_and_alignments() {
    let lengths = if cfg!(miri) { 0..20 } else { 0..200 };
    let step = if cfg!(miri) { 3 } else { 1 };
    for length in lengths {
        for to in (0..9).step_by(step) {
            for from in (0..9).step_by(step) {
                copies_like_a_plain_copy(to, from, length);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "the loops in assembly are not there under Miri")]
fn bulk_lengths_around_each_step_of_the_loops() {
    for length in (128..400).chain([511, 512, 513, 4095, 4096, 4097, 65_537, 1 << 20]) {
        for (to, from) in [(0, 0), (1, 0), (0, 1), (31, 33), (32, 7), (15, 16), (63, 64)] {
            copies_like_a_plain_copy(to, from, length);
        }
    }
}

#[test]
#[cfg(all(not(miri), target_arch = "x86_64"))]
fn the_loop_without_avx_copies_the_same() {
    for length in 16..300 {
        for (to, from) in [(0, 0), (1, 0), (0, 1), (15, 3)] {
            let source = pattern(from + length, 1);
            let mut target = pattern(to + length + 40, 2);
            let mut expected = target.clone();
            expected[to..to + length].copy_from_slice(&source[from..]);
            // SAFETY: both have `length` bytes from there on, which is at least 16.
            unsafe { machine::copy_bulk_sse2(target[to..].as_mut_ptr(), source[from..].as_ptr(), length) };
            assert!(target == expected, "{length} bytes from offset {from} to offset {to}");
        }
    }
}

proptest! {
    #[test]
    fn any_copy_is_a_plain_copy(to in 0usize..130, from in 0usize..130, length in 0usize..10_000) {
        let length = if cfg!(miri) { length % 100 } else { length };
        copies_like_a_plain_copy(to, from, length);
    }

    #[test]
    fn a_slice_is_inside_or_none(length in 0usize..100, offset: usize, part: usize, near in 0usize..110) {
        let memory = Memory::zeroed(length).unwrap();
        let view = memory.view();
        for (offset, part) in [(offset, part), (near, part), (offset, near), (near % 50, near / 2)] {
            let inside = offset.checked_add(part).is_some_and(|end| end <= length);
            let slice = view.slice(offset, part);
            prop_assert_eq!(slice.map(|s| s.len()), inside.then_some(part));
            prop_assert!(slice.is_none_or(|s| s.as_ptr().addr() - view.as_ptr().addr() == offset));
        }
    }

    #[test]
    fn the_last_piece_is_aligned_and_inside(target in 0usize..1000, length in 1usize..1000) {
        let size = 1usize << last_piece(target, length);
        prop_assert!(size <= 8 && size <= length && (target + length) % size == 0);
        let twice = 2 * size;
        prop_assert!(twice > 8 || twice > length || (target + length) % twice != 0, "the largest such piece");
    }
}

#[test]
fn out_of_the_view_nothing_is_copied() {
    let memory = Memory::from(vec![1u8; 16]);
    let view = memory.view();
    assert_eq!(view.write(9, &[2; 8]), None);
    assert_eq!(view.write(usize::MAX, &[2; 8]), None);
    assert_eq!(view.load_u8(16), None);
    let mut into = [3; 8];
    assert_eq!(view.read(9, &mut into), None);
    assert_eq!(into, [3; 8]);
    assert_eq!(memory.into_vec(), [1; 16]);
}

#[test]
fn the_shorter_view_decides() {
    let source = Memory::from(vec![7u8; 5]);
    let target = Memory::from(vec![0u8; 3]);
    assert_eq!(target.view().copy_from(source.view()), 3);
    assert_eq!(source.view().copy_from(target.view().slice(1, 0).unwrap()), 0);
    assert_eq!(View::empty().copy_from(source.view()), 0);
    assert_eq!(target.into_vec(), [7; 3]);
}

#[test]
fn overlapping_copies_write_only_the_target() {
    let lengths: &[usize] = if cfg!(miri) { &[9, 40] } else { &[9, 40, 129, 300, 5000] };
    for &length in lengths {
        for (to, from) in [(20, 21), (21, 20), (20, 28), (28, 20), (20, 20)] {
            let memory = Memory::zeroed(length + 60).unwrap();
            let before = pattern(length + 60, 3);
            memory.write(0, &before).unwrap();
            let view = memory.view();
            view.slice(to, length).unwrap().copy_from(view.slice(from, length).unwrap());
            let after = memory.into_vec();
            assert!(after[..to] == before[..to] && after[to + length..] == before[to + length..]);
            // Downwards, an ascending copy by pieces no longer than the distance is exact; here: onto itself.
            assert!(to != from || after == before);
        }
    }
}

#[test]
fn atomics_do_what_they_say() {
    let memory = Memory::zeroed(24).unwrap();
    let view = memory.view();
    assert_eq!(view.store_u64(8, 5), Some(()));
    assert_eq!(view.fetch_add_u64(8, u64::MAX), Some(5));
    assert_eq!(view.compare_exchange_u64(8, 5, 9), Some(4));
    assert_eq!(view.compare_exchange_u64(8, 4, 9), Some(4));
    assert_eq!(view.swap_u64(8, 0x0102_0304_0506_0708), Some(9));
    assert_eq!(view.load_u64(8), Some(0x0102_0304_0506_0708));
    let mut bytes = [0; 24];
    view.read(0, &mut bytes).unwrap();
    assert_eq!(bytes[8..16], 0x0102_0304_0506_0708u64.to_ne_bytes());
    assert!(bytes[..8].iter().chain(&bytes[16..]).all(|b| *b == 0));
}

#[test]
fn atomics_refuse_misaligned_and_outside() {
    let memory = Memory::zeroed(20).unwrap();
    let view = memory.view();
    for offset in [1, 4, 7, 16, 20, 24, usize::MAX, usize::MAX - 7] {
        assert_eq!(view.load_u64(offset), None, "offset {offset}");
        assert_eq!(view.store_u64(offset, 1), None);
        assert_eq!(view.swap_u64(offset, 1), None);
        assert_eq!(view.compare_exchange_u64(offset, 0, 1), None);
        assert_eq!(view.fetch_add_u64(offset, 1), None);
    }
    // Alignment is of the address: offset 0 of a slice that begins at 4 is misaligned, offset 4 is not.
    let slice = view.slice(4, 16).unwrap();
    assert_eq!(slice.load_u64(0), None);
    assert_eq!(slice.load_u64(4), Some(0));
    assert_eq!(memory.into_vec(), [0; 20]);
}

#[test]
fn adds_from_many_threads_all_count() {
    let rounds = if cfg!(miri) { 5 } else { 10_000 };
    let memory = Memory::zeroed(16).unwrap();
    let view = memory.view();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || (0..rounds).for_each(|_| assert!(view.fetch_add_u64(8, 1).is_some())));
        }
    });
    assert_eq!(view.load_u64(8), Some(3 * rounds));
}

/// Who polls the last byte of a message sees all of it, for each size of the last piece.
#[test]
fn the_last_byte_comes_last() {
    let lengths: &[usize] =
        if cfg!(miri) { &[1, 8, 13] } else { &[1, 2, 7, 8, 13, 64, 100, 255, 1000, 4099] };
    let rounds: u8 = if cfg!(miri) { 3 } else { 200 };
    for &length in lengths {
        let source = Memory::zeroed(length).unwrap();
        let target = Memory::zeroed(length + 3).unwrap();
        let (source, target) = (source.view(), target.view().slice(3, length).unwrap());
        thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for round in 1..=rounds {
                    while round > 1 && source.load_u8(0) != Some(0) {
                        thread::yield_now(); // the reader has not yet seen the last round
                    }
                    source.write(0, &vec![round; length]).unwrap();
                    target.copy_from(source);
                }
            });
            let mut seen = vec![0; length];
            for round in 1..=rounds {
                while target.load_u8(length - 1) != Some(round) {
                    thread::yield_now();
                }
                target.read(0, &mut seen).unwrap();
                assert!(seen.iter().all(|byte| *byte == round), "round {round}, {length} bytes");
                source.write(0, &[0]).unwrap();
            }
            writer.join().unwrap();
        });
    }
}

/// A flag of eight bytes that a copy writes last can be polled as a word.
#[test]
fn a_copied_word_can_be_polled() {
    let message = Memory::zeroed(64).unwrap();
    let target = Memory::zeroed(64).unwrap();
    message.write(0, &[5; 56]).unwrap();
    message.view().store_u64(56, 0x1111_2222_3333_4444).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| target.view().copy_from(message.view()));
        let flag = loop {
            match target.view().load_u64(56) {
                Some(0) => thread::yield_now(),
                // Miri's stand-in for a word: the parts show one by one, the last byte last.
                Some(part) if cfg!(miri) && part.to_ne_bytes()[7] == 0 => thread::yield_now(),
                flag => break flag,
            }
        };
        assert_eq!(flag, Some(0x1111_2222_3333_4444));
        let mut seen = [0; 56];
        target.read(0, &mut seen).unwrap();
        assert_eq!(seen, [5; 56]);
    });
}
