//! Registration of memory that stays the check's own, by raw pointer: the one unsafe corner of the suite.

use super::bench::Ended;
use super::statement::{Outcome, ensure_eq};
use crate::ndk::{Error, Mr, MrFlags, Pd};

/// What comes of registering no bytes at address 0.
pub(super) fn register_null(pd: &Pd) -> Outcome<Result<Mr, Error>> {
    // SAFETY: a registration of zero bytes asks for nothing to be valid, and one that is granted all the same
    // gives no access to any byte.
    unsafe { pd.register_raw(std::ptr::null_mut(), 0, MrFlags::ALLOW_LOCAL_WRITE) }.ended("registering null")
}

/// Registers the same 64 bytes twice, with these rights, while `body` runs; gives the bytes afterwards.
pub(super) fn registered_twice(
    pd: &Pd,
    flags: [MrFlags; 2],
    body: impl FnOnce(&[Mr; 2]) -> Outcome,
) -> Outcome<Vec<u8>> {
    // Leaked, so that a check that fails half-way leaves the bytes valid for ever.
    let bytes: &'static mut [u8] = Box::leak(Box::new([0_u8; 64]));
    let (base, length) = (bytes.as_mut_ptr(), bytes.len());
    // SAFETY: the bytes are initialised and valid for ever, `bytes` is not used again, and nobody else has
    // them; they are read below through a region, not by plain loads.
    let first = unsafe { pd.register_raw(base, length, flags[0]) }.done("the first registration")?;
    // SAFETY: as above. Two regions over the same bytes are both accessed by the device's view alone, which
    // allows accesses that meet.
    let second = unsafe { pd.register_raw(base, length, flags[1]) }.done("the second registration")?;
    let regions = [first, second];
    body(&regions)?;
    let mut seen = vec![0; length];
    regions[0].read(0, &mut seen)?;
    let mut again = vec![0; length];
    regions[1].read(0, &mut again)?;
    ensure_eq!(again, seen, "both registrations show the same bytes");
    let [first, second] = regions;
    first.deregister().done("deregistering the first")?;
    second.deregister().done("deregistering the second")?;
    Ok(seen)
}
