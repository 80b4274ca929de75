//! Verb control blocks, of which C gives the address only.

use qpair::ulp::conversation::appc::{BlockLayout, DataField};
use std::slice;

/// The address of a verb control block.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Vcb(*mut u8);

/// Bytes that every block has: operation code and return codes.
const HEADER: usize = 12;

impl Vcb {
    /// Gives `work` the block and what it points to, data that are only read as a copy; `None`: NULL.
    ///
    /// A pointer in the block that is NULL gives no data, which the library tells where there are to be some.
    pub(crate) fn open<R>(&mut self, work: impl FnOnce(&mut [u8], &mut [u8]) -> R) -> Option<R> {
        if self.0.is_null() {
            return None;
        }
        // SAFETY: not NULL; by the header every block has these bytes, which are the callee's during the
        // call.
        let header = unsafe { slice::from_raw_parts(self.0, HEADER) };
        let layout = BlockLayout::of(u16::from_be_bytes([header[0], header[1]]));
        let length = layout.map_or(HEADER, |layout| layout.length);
        // SAFETY: by the header a block has the length of the verb that its operation code names, and is the
        // callee's alone during the call; `header` is not used any more.
        let block = unsafe { slice::from_raw_parts_mut(self.0, length) };
        let field = layout.and_then(|layout| layout.data);
        let Some((field, (first, length))) = field.and_then(|field| Some((field, data_of(block, field)?)))
        else {
            return Some(work(block, &mut []));
        };
        if field.is_filled {
            // SAFETY: not NULL; by the header a receive's pointer leads to room for as many bytes as its
            // length says, which are the callee's alone during the call and no part of the block.
            return Some(work(block, unsafe { slice::from_raw_parts_mut(first, length) }));
        }
        // SAFETY: not NULL; by the header the pointer leads to as many bytes as the length says, which nobody
        // writes during the call.
        let mut copied = unsafe { slice::from_raw_parts(first, length) }.to_vec();
        Some(work(block, &mut copied))
    }
}

/// Address and length of a block's data; `None`: the address is NULL.
fn data_of(block: &[u8], field: DataField) -> Option<(*mut u8, usize)> {
    let length = u16::from_ne_bytes([block[field.length_at], block[field.length_at + 1]]);
    let (address, _) = block[field.pointer_at..].split_first_chunk()?;
    let first = std::ptr::with_exposed_provenance_mut::<u8>(usize::from_ne_bytes(*address));
    (!first.is_null()).then_some((first, length.into()))
}
