//! Moves of aarch64.
//!
//! Stores may become visible in any order, so the last piece is a store-release (STLR), which comes after all
//! before it, vectors included.

use std::arch::asm;

/// Up to this many bytes as single moves; the vector loop wins from about here on.
const SINGLE_MOVES_MAX: usize = 128;

macro_rules! piece {
    ($name:ident, $class:ident, $load:literal, $store:literal) => {
        /// # Safety
        /// Both are valid for the bytes that the name tells; the target of a release is aligned to them.
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

piece!(move_16, vreg, "ldr {piece:q}, [{source}]", "str {piece:q}, [{target}]");
piece!(move_8, reg, "ldr {piece:x}, [{source}]", "str {piece:x}, [{target}]");
piece!(move_4, reg, "ldr {piece:w}, [{source}]", "str {piece:w}, [{target}]");
piece!(move_2, reg, "ldrh {piece:w}, [{source}]", "strh {piece:w}, [{target}]");
piece!(move_1, reg, "ldrb {piece:w}, [{source}]", "strb {piece:w}, [{target}]");
piece!(release_8, reg, "ldr {piece:x}, [{source}]", "stlr {piece:x}, [{target}]");
piece!(release_4, reg, "ldr {piece:w}, [{source}]", "stlr {piece:w}, [{target}]");
piece!(release_2, reg, "ldrh {piece:w}, [{source}]", "stlrh {piece:w}, [{target}]");
piece!(release_1, reg, "ldrb {piece:w}, [{source}]", "stlrb {piece:w}, [{target}]");

/// # Safety
/// Both are valid for `length` bytes.
#[inline]
pub(super) unsafe fn copy_body(mut target: *mut u8, mut source: *const u8, mut length: usize) {
    // SAFETY: each branch moves a part of the remaining `length` bytes and steps over just that part.
    unsafe {
        if length > SINGLE_MOVES_MAX {
            let bulk = length & !63;
            copy_bulk_neon(target, source, bulk);
            (target, source, length) = (target.add(bulk), source.add(bulk), length - bulk);
        }
        while length >= 16 {
            move_16(target, source);
            (target, source, length) = (target.add(16), source.add(16), length - 16);
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
            3 => release_8(target, source),
            2 => release_4(target, source),
            1 => release_2(target, source),
            _ => release_1(target, source),
        }
    }
}

/// Four vectors of 16 bytes at a time, aligned or not.
///
/// # Safety
/// Both are valid for `length` bytes, a multiple of 64 and not 0. NEON is part of the targets we build for.
#[inline(never)]
unsafe fn copy_bulk_neon(target: *mut u8, source: *const u8, length: usize) {
    // SAFETY: each round moves the next 64 of the `length` bytes and ends the loop with the last of them.
    unsafe {
        asm!(
            "2:",
            "ldp {a:q}, {b:q}, [{source}], #32",
            "ldp {c:q}, {d:q}, [{source}], #32",
            "stp {a:q}, {b:q}, [{target}], #32",
            "stp {c:q}, {d:q}, [{target}], #32",
            "subs {length}, {length}, #64",
            "b.ne 2b",
            a = out(vreg) _, b = out(vreg) _, c = out(vreg) _, d = out(vreg) _,
            source = inout(reg) source => _, target = inout(reg) target => _,
            length = inout(reg) length => _, options(nostack),
        );
    }
}
