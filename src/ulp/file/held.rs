//! What a remote region was given and has not made stable: where it lies here, and where it belongs.
//!
//! No input, no output. The bytes stay here until a flush has succeeded: a peer that has
//! crashed, or whose disk has failed, gets them once more.

use std::collections::TryReserveError;
use std::ops::Range;

/// Pieces at most: a file that is written here and there is flushed so often.
const PIECES: usize = 16;

/// Bytes that belong together in the region and lie together here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Position in the region.
    pub(super) at: u64,
    /// Where the bytes lie among those that are held.
    part: Range<usize>,
}

impl Piece {
    /// Which bytes of the region they are.
    pub(super) fn range(&self) -> Range<u64> {
        self.at..self.at + self.part.len() as u64
    }
}

/// The pieces, oldest first; their bytes follow each other, up to so many.
#[derive(Debug)]
pub(super) struct Held {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    size: usize,
}

impl Held {
    /// # Errors
    /// There is no memory for so many bytes.
    pub(super) fn new(size: usize) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size)?;
        Ok(Self { pieces: Vec::new(), bytes, size })
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The bytes of a piece.
    pub(super) fn bytes(&self, piece: &Piece) -> &[u8] {
        &self.bytes[piece.part.clone()]
    }

    /// Bytes of all pieces.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The last piece ends where a new one at that position would begin.
    fn goes_on(&self, at: u64) -> bool {
        self.pieces.last().is_some_and(|last| last.range().end == at)
    }

    /// Bytes that can be added at that position; 0: only after a flush.
    pub(super) fn room(&self, at: u64) -> usize {
        if self.pieces.len() == PIECES && !self.goes_on(at) { 0 } else { self.size - self.length() }
    }

    /// Adds bytes for that position, no more than there is room for.
    pub(super) fn add(&mut self, at: u64, bytes: &[u8]) {
        let used = self.length();
        self.bytes.extend_from_slice(bytes);
        let part = used..self.length();
        let goes_on = self.goes_on(at);
        match self.pieces.last_mut().filter(|_| goes_on) {
            Some(last) => last.part.end = part.end,
            None => self.pieces.push(Piece { at, part }),
        }
    }

    /// All of it is stable, or given up.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_piece() {
        let mut held = Held::new(10).unwrap();
        held.add(100, b"abcd");
        held.add(104, b"ef");
        assert_eq!(held.pieces(), [Piece { at: 100, part: 0..6 }]);
        held.add(100, b"x");
        assert_eq!(
            (held.bytes(&held.pieces()[0]), held.bytes(&held.pieces()[1])),
            (&b"abcdef"[..], &b"x"[..])
        );
        assert_eq!((held.pieces()[1].range(), held.room(101)), (100..101, 3));
        held.clear();
        assert!(held.is_empty() && held.room(7) == 10);
    }

    #[test]
    fn there_is_room_for_so_many_pieces() {
        let mut held = Held::new(1000).unwrap();
        for at in 0..PIECES as u64 {
            held.add(2 * at, b"x");
        }
        let end = 2 * PIECES as u64 - 1;
        assert_eq!((held.room(0), held.room(end)), (0, 1000 - PIECES));
    }
}
