//! Relaxed atomics, in ascending order: words where the target is aligned, else bytes. Sound in the
//! language's own model as long as each byte is accessed in one size; under Miri, which knows only that
//! model, it is the byte.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

const WORDS: bool = !cfg!(miri);

/// # Safety
/// As `super::copy`.
pub(super) unsafe fn copy<const TARGET: bool, const SOURCE: bool>(
    target: *mut u8,
    source: *const u8,
    length: usize,
) {
    let mut done = 0;
    while done < length {
        let word = WORDS && length - done >= 8 && target.wrapping_add(done).cast::<u64>().is_aligned();
        let size = if word { 8 } else { 1 };
        // Release for the last: who sees it sees all bytes before it. Relaxed: no other promises anything.
        let order = if done + size == length { Ordering::Release } else { Ordering::Relaxed };
        // SAFETY: `size` bytes from `done` on are inside, and a word's target is aligned.
        unsafe {
            let (target, source) = (target.add(done), source.add(done));
            if word {
                store_word::<TARGET>(target.cast(), load_word::<SOURCE>(source), order);
            } else {
                store_byte::<TARGET>(target, load_byte::<SOURCE>(source), order);
            }
        }
        done += size;
    }
}

unsafe fn load_byte<const SHARED: bool>(byte: *const u8) -> u8 {
    // SAFETY: valid, says the caller; ours alone, or else accessed by all as an atomic.
    unsafe {
        if SHARED {
            AtomicU8::from_ptr(byte.cast_mut()).load(Ordering::Relaxed) // a copy orders only its target
        } else {
            byte.read()
        }
    }
}

unsafe fn store_byte<const SHARED: bool>(byte: *mut u8, value: u8, order: Ordering) {
    // SAFETY: as in `load_byte`.
    unsafe { if SHARED { AtomicU8::from_ptr(byte).store(value, order) } else { byte.write(value) } }
}

unsafe fn load_word<const SHARED: bool>(word: *const u8) -> u64 {
    // SAFETY: valid for eight bytes, says the caller; as an atomic only when aligned.
    unsafe {
        if SHARED && word.cast::<u64>().is_aligned() {
            AtomicU64::from_ptr(word.cast_mut().cast()).load(Ordering::Relaxed) // as load_byte
        } else {
            u64::from_ne_bytes(std::array::from_fn(|i| load_byte::<SHARED>(word.add(i))))
        }
    }
}

unsafe fn store_word<const SHARED: bool>(word: *mut u64, value: u64, order: Ordering) {
    // SAFETY: aligned and valid, says the caller; ours alone, or else accessed by all as an atomic.
    unsafe { if SHARED { AtomicU64::from_ptr(word).store(value, order) } else { word.write(value) } }
}
