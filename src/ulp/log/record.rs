//! Records as they lie in a block: a header of 24 bytes, the data, and padding to 8 bytes.

use super::lsn::Lsn;
use std::ops::Range;

/// Bytes of a record's header.
pub(super) const HEADER: usize = 24;

/// Which kind of record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// A record of the client (1).
    Data,
    /// A restart area (2).
    Restart,
}

/// What a record says of itself; its data are a range of the block's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: RecordKind,
    pub(super) undo_next: Lsn,
    pub(super) previous: Lsn,
    pub(super) data: Range<usize>,
}

/// Bytes that a record with so many bytes of data takes in a block.
pub(super) fn size(data: usize) -> usize {
    (HEADER + data).next_multiple_of(8)
}

/// Appends a record whose data are in several pieces.
pub(super) fn encode(into: &mut Vec<u8>, kind: RecordKind, previous: Lsn, undo_next: Lsn, pieces: &[&[u8]]) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    let end = into.len() + size(length);
    into.extend_from_slice(&(length as u32).to_le_bytes());
    into.extend_from_slice(&[if kind == RecordKind::Restart { 2 } else { 1 }, 0, 0, 0]);
    into.extend_from_slice(&previous.as_u64().to_le_bytes());
    into.extend_from_slice(&undo_next.as_u64().to_le_bytes());
    pieces.iter().for_each(|piece| into.extend_from_slice(piece));
    into.resize(end, 0);
}

/// The record of that place in the block; `None` where the block has no such record.
pub(super) fn decode(records: &[u8], sequence: u32) -> Option<Record> {
    let mut at = 0;
    for _ in 0..sequence {
        at += size(length(records, at)?);
    }
    let data = length(records, at)?;
    let header = &records[at..at + HEADER];
    let kind = match header[4] {
        1 => RecordKind::Data,
        2 => RecordKind::Restart,
        _ => return None,
    };
    let lsn = |at: usize| {
        let mut number = [0; 8];
        number.copy_from_slice(&header[at..at + 8]);
        Lsn::from_u64(u64::from_le_bytes(number))
    };
    let begin = at + HEADER;
    Some(Record { kind, previous: lsn(8), undo_next: lsn(16), data: begin..begin + data })
}

/// Bytes of data of the record that begins at `at`, all of which are there.
fn length(records: &[u8], at: usize) -> Option<usize> {
    let header = records.get(at..at + HEADER)?;
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    (at + size(length) <= records.len()).then_some(length)
}
