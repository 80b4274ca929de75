//! What a remote region was given and has not made stable: where it lies here, and where it belongs.
//!
//! No input, no output. The bytes stay in memory of this side until a flush has succeeded: a peer that has
//! crashed, or whose disk has failed, gets them once more.

use std::ops::Range;

/// Pieces at most: a file that is written here and there is flushed so often.
const PIECES: usize = 16;

/// Bytes that belong together in the region and lie together here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Position in the region.
    pub(super) at: u64,
    /// Where the bytes lie in memory of this side.
    pub(super) part: Range<usize>,
}

impl Piece {
    /// Which bytes of the region they are.
    pub(super) fn range(&self) -> Range<u64> {
        self.at..self.at + self.part.len() as u64
    }
}

/// The pieces, oldest first; they fill memory of so many bytes from its beginning on.
#[derive(Debug)]
pub(super) struct Held {
    pieces: Vec<Piece>,
    size: usize,
}

impl Held {
    pub(super) fn new(size: usize) -> Self {
        Self { pieces: Vec::new(), size }
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    fn used(&self) -> usize {
        self.pieces.last().map_or(0, |last| last.part.end)
    }

    /// The last piece ends where a new one at that position would begin.
    fn goes_on(&self, at: u64) -> bool {
        self.pieces.last().is_some_and(|last| last.range().end == at)
    }

    /// Bytes that can be added at that position; 0: only after a flush.
    pub(super) fn room(&self, at: u64) -> usize {
        if self.pieces.len() == PIECES && !self.goes_on(at) { 0 } else { self.size - self.used() }
    }

    /// Adds bytes for that position, no more than there is room for; where they are to lie.
    pub(super) fn add(&mut self, at: u64, length: usize) -> Range<usize> {
        let used = self.used();
        let part = used..used + length;
        let goes_on = self.goes_on(at);
        match self.pieces.last_mut().filter(|_| goes_on) {
            Some(last) => last.part.end = part.end,
            None => self.pieces.push(Piece { at, part: part.clone() }),
        }
        part
    }

    /// Takes back the last bytes that were added.
    pub(super) fn take_back(&mut self, length: usize) {
        if let Some(last) = self.pieces.last_mut() {
            last.part.end -= length;
            if last.part.is_empty() {
                self.pieces.pop();
            }
        }
    }

    /// All of it is stable, or given up.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_piece() {
        let mut held = Held::new(10);
        assert_eq!((held.add(100, 4), held.add(104, 2)), (0..4, 4..6));
        assert_eq!(held.pieces(), [Piece { at: 100, part: 0..6 }]);
        assert_eq!((held.add(100, 1), held.room(101)), (6..7, 3));
        assert_eq!(held.pieces()[1].range(), 100..101);
        held.take_back(1);
        assert_eq!((held.pieces().len(), held.room(0)), (1, 4));
        held.take_back(2);
        assert_eq!(held.pieces()[0].range(), 100..104, "only what was added last");
        held.clear();
        assert!(held.is_empty() && held.room(7) == 10);
    }

    #[test]
    fn there_is_room_for_so_many_pieces() {
        let mut held = Held::new(1000);
        for at in 0..PIECES as u64 {
            held.add(2 * at, 1);
        }
        let end = 2 * PIECES as u64 - 1;
        assert_eq!((held.room(0), held.room(end)), (0, 1000 - PIECES));
    }
}
