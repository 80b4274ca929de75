//! Descriptions of memory: a chain of address and length.

use crate::abi::Mdl;
use crate::border::{Argument, Out, Refused, Wrong};

/// The first byte of the memory that the chain describes, if it is contiguous over `length` bytes.
pub(crate) fn contiguous(
    chain: &mut Out<Mdl>,
    length: usize,
    mdl: Argument,
    size: Argument,
) -> Result<*mut u8, Refused> {
    let (mut first, mut covered, mut follows) = (None, 0_usize, true);
    chain.walk(mdl, |piece| {
        let first: *mut u8 = *first.get_or_insert(piece.start_va);
        follows = piece.start_va.addr() == first.addr().wrapping_add(covered);
        covered += piece.byte_count as usize;
        follows && covered < length
    })?;
    match first {
        _ if !follows => {
            Err(mdl.is(Wrong::Rule("not contiguous; give a chain whose pieces follow one another")))
        }
        _ if covered < length => {
            Err(size.is(Wrong::Rule("more than the chain describes; give at most the sum of its pieces")))
        }
        Some(first) if !first.is_null() => Ok(first),
        _ => Err(mdl.is(Wrong::Rule("a description of memory at NULL; give the address of its first byte"))),
    }
}
