//! Moves of x86-64.
//!
//! Stores become visible in program order (TSO), so the last piece needs no fence; it is apart only because
//! the bytes of one vector store, or of one that is misaligned, may show in any order.

use std::arch::asm;

/// Up to this many bytes as single moves; the vector loop wins from about here on.
const SINGLE_MOVES_MAX: usize = 127;
/// From this many bytes on the source is fetched ahead: source and target no longer fit a second-level cache.
const FETCH_AHEAD_FROM: usize = 512 << 10;
/// How far ahead, in bytes.
const FETCH_AHEAD: usize = 1024;

macro_rules! piece {
    ($name:ident, $class:ident, $load:literal, $store:literal) => {
        /// # Safety
        /// Both are valid for the bytes that the name tells.
        #[inline(always)]
        unsafe fn $name(target: *mut u8, source: *const u8) {
            // SAFETY: reads and writes just those bytes; no stack, no flags.
            unsafe {
                asm!($load, $store, piece = out($class) _, source = in(reg) source, target = in(reg) target,
                    options(nostack, preserves_flags));
            }
        }
    };
}

piece!(move_16, xmm_reg, "movups {piece}, [{source}]", "movups [{target}], {piece}");
piece!(move_8, reg, "mov {piece:r}, [{source}]", "mov [{target}], {piece:r}");
piece!(move_4, reg, "mov {piece:e}, [{source}]", "mov [{target}], {piece:e}");
piece!(move_2, reg, "movzx {piece:e}, word ptr [{source}]", "mov [{target}], {piece:x}");
piece!(move_1, reg, "movzx {piece:e}, byte ptr [{source}]", "mov [{target}], {piece:l}");

/// # Safety
/// Both are valid for `length` bytes.
#[inline]
pub(super) unsafe fn copy_body(mut target: *mut u8, mut source: *const u8, length: usize) {
    // SAFETY: each branch moves a part of the remaining `length` bytes and steps over just that part.
    unsafe {
        if length > SINGLE_MOVES_MAX {
            return copy_bulk(target, source, length);
        }
        if length & 64 != 0 {
            move_16(target, source);
            move_16(target.add(16), source.add(16));
            move_16(target.add(32), source.add(32));
            move_16(target.add(48), source.add(48));
            (target, source) = (target.add(64), source.add(64));
        }
        if length & 32 != 0 {
            move_16(target, source);
            move_16(target.add(16), source.add(16));
            (target, source) = (target.add(32), source.add(32));
        }
        if length & 16 != 0 {
            move_16(target, source);
            (target, source) = (target.add(16), source.add(16));
        }
        if length & 8 != 0 {
            move_8(target, source);
            (target, source) = (target.add(8), source.add(8));
        }
        if length & 4 != 0 {
            move_4(target, source);
            (target, source) = (target.add(4), source.add(4));
        }
        if length & 2 != 0 {
            move_2(target, source);
            (target, source) = (target.add(2), source.add(2));
        }
        if length & 1 != 0 {
            move_1(target, source);
        }
    }
}

/// # Safety
/// Both are valid for `1 << last` bytes, `target` is aligned to as many, and `last` is at most 3.
#[inline(always)]
pub(super) unsafe fn copy_last(target: *mut u8, source: *const u8, last: u32) {
    // SAFETY: each arm moves `1 << last` bytes.
    unsafe {
        match last {
            3 => move_8(target, source),
            2 => move_4(target, source),
            1 => move_2(target, source),
            _ => move_1(target, source),
        }
    }
}

/// # Safety
/// Both are valid for `length` bytes, more than [`SINGLE_MOVES_MAX`].
#[inline(never)]
unsafe fn copy_bulk(target: *mut u8, source: *const u8, length: usize) {
    // SAFETY: the caller's promise; `SINGLE_MOVES_MAX` is more than one vector of either kind, and AVX was
    // found.
    unsafe {
        if !std::arch::is_x86_feature_detected!("avx") {
            copy_bulk_sse2(target, source, length);
        } else if length < FETCH_AHEAD_FROM {
            copy_bulk_avx::<0>(target, source, length);
        } else {
            copy_bulk_avx::<FETCH_AHEAD>(target, source, length);
        }
    }
}

/// Vectors of 32 bytes: one as it comes, then aligned stores, and one that ends where the copy ends.
///
/// The source is fetched `AHEAD` bytes ahead, unless that is 0: from 1 MiB on a tenth faster than the
/// system's memcpy where it was 3 % slower without, but a quarter slower than without at 4 KiB, which the
/// caches hold anyway. A prefetch past the end of the source does nothing.
///
/// # Safety
/// Both are valid for `length` bytes, at least 32, and the processor has AVX.
#[inline]
unsafe fn copy_bulk_avx<const AHEAD: usize>(target: *mut u8, source: *const u8, length: usize) {
    // SAFETY: with `length >= 32` the first vector is inside, and the step to alignment, 1 to 32 bytes, too.
    // The loop runs while 128 bytes are left, the second while 32 are; `rdx` is then the rest minus 32, so
    // the final vector ends with the last byte and begins no earlier than the first. The upper halves
    // of the vector registers are left clean.
    unsafe {
        asm!(
            "vmovups ymm0, [rsi]",
            "vmovups [rdi], ymm0",
            "mov rcx, rdi", // rcx = (rdi mod 32) - 32: what is missing to alignment, negated
            "and rcx, 31",
            "sub rcx, 32",
            "sub rsi, rcx",
            "sub rdi, rcx",
            "add rdx, rcx",
            "sub rdx, 128",
            "jb 3f",
            ".p2align 5",
            "2:",
            ".if {ahead}",
            "prefetcht0 [rsi + {ahead}]",
            "prefetcht0 [rsi + {ahead} + 64]",
            ".endif",
            "vmovups ymm0, [rsi]",
            "vmovups ymm1, [rsi + 32]",
            "vmovups ymm2, [rsi + 64]",
            "vmovups ymm3, [rsi + 96]",
            "sub rsi, -128", // -128 is a byte in the instruction, 128 is four
            "vmovaps [rdi], ymm0",
            "vmovaps [rdi + 32], ymm1",
            "vmovaps [rdi + 64], ymm2",
            "vmovaps [rdi + 96], ymm3",
            "sub rdi, -128",
            "sub rdx, 128",
            "jae 2b",
            "3:",
            "add rdx, 128",
            "4:",
            "sub rdx, 32",
            "jb 5f",
            "vmovups ymm0, [rsi]",
            "vmovaps [rdi], ymm0",
            "add rsi, 32",
            "add rdi, 32",
            "jmp 4b",
            "5:",
            "vmovups ymm0, [rsi + rdx]",
            "vmovups [rdi + rdx], ymm0",
            "vzeroupper",
            inout("rsi") source => _, inout("rdi") target => _, inout("rdx") length => _,
            out("rcx") _, ahead = const AHEAD, clobber_abi("sysv64"), options(nostack),
        );
    }
}

/// The same with vectors of 16 bytes, for processors without AVX.
///
/// # Safety
/// Both are valid for `length` bytes, at least 16.
pub(super) unsafe fn copy_bulk_sse2(target: *mut u8, source: *const u8, length: usize) {
    // SAFETY: as above with 16 in place of 32 and 64 in place of 128; SSE2 is part of x86-64.
    unsafe {
        asm!(
            "movups xmm0, [rsi]",
            "movups [rdi], xmm0",
            "mov rcx, rdi",
            "and rcx, 15",
            "sub rcx, 16",
            "sub rsi, rcx",
            "sub rdi, rcx",
            "add rdx, rcx",
            "sub rdx, 64",
            "jb 3f",
            ".p2align 5",
            "2:",
            "movups xmm0, [rsi]",
            "movups xmm1, [rsi + 16]",
            "movups xmm2, [rsi + 32]",
            "movups xmm3, [rsi + 48]",
            "add rsi, 64",
            "movaps [rdi], xmm0",
            "movaps [rdi + 16], xmm1",
            "movaps [rdi + 32], xmm2",
            "movaps [rdi + 48], xmm3",
            "add rdi, 64",
            "sub rdx, 64",
            "jae 2b",
            "3:",
            "add rdx, 64",
            "4:",
            "sub rdx, 16",
            "jb 5f",
            "movups xmm0, [rsi]",
            "movaps [rdi], xmm0",
            "add rsi, 16",
            "add rdi, 16",
            "jmp 4b",
            "5:",
            "movups xmm0, [rsi + rdx]",
            "movups [rdi + rdx], xmm0",
            inout("rsi") source => _, inout("rdi") target => _, inout("rdx") length => _,
            out("rcx") _, clobber_abi("sysv64"), options(nostack),
        );
    }
}
