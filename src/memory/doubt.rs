//! What is in doubt: ranges whose last sync failed, until they were written again and synced.
//!
//! After a failed sync the system counts the pages as clean and their content on the disk is unknown, so a
//! second sync would say success and have written nothing. Only bytes that were stored again since are
//! written by the next one.

use std::ops::Range;

/// Pieces that are told apart. A peer that writes byte by byte here and there is not followed further: what
/// it writes stays in doubt until it writes larger pieces.
const PIECES: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    range: Range<usize>,
    /// Which failure of the table it comes from.
    born: u64,
    /// When it was written again.
    written: Option<u64>,
}

/// The ranges in doubt of one memory.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Disjoint, in no order.
    pieces: Vec<Piece>,
    /// Counts what has happened here.
    now: u64,
}

impl Doubt {
    /// The count at this moment, for [`Doubt::synced`].
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// The number of the latest failure that left something here, for [`Doubt::written`].
    pub(super) fn latest(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.born).max().unwrap_or(0)
    }

    /// Some of the range is in doubt and was not written again.
    pub(super) fn is_lost(&self, range: &Range<usize>) -> bool {
        self.pieces.iter().any(|piece| piece.written.is_none() && meet(&piece.range, range).is_some())
    }

    /// A sync of the range failed; `born` is the number of the failure.
    pub(super) fn failed(&mut self, range: Range<usize>, born: u64) {
        self.now += 1;
        self.carve(&range, |_| false);
        self.pieces.push(Piece { range, born, written: None });
    }

    /// The range was written; the failures up to number `known` had been told before that began.
    pub(super) fn written(&mut self, range: &Range<usize>, known: u64) {
        self.now += 1;
        let now = self.now;
        if self.pieces.len() + 2 > PIECES {
            return;
        }
        self.carve(range, |piece| {
            if piece.born <= known {
                piece.written = Some(now);
            }
            true
        });
        self.join();
    }

    /// A sync of the range succeeded that began at `began`: what was written again by then is stable.
    pub(super) fn synced(&mut self, range: &Range<usize>, began: u64) {
        self.carve(range, |piece| piece.written.is_none_or(|written| written > began));
    }

    /// The ranges in doubt, in order; neighbours as one.
    pub(super) fn ranges(&self) -> Vec<Range<usize>> {
        let mut all: Vec<_> = self.pieces.iter().map(|piece| piece.range.clone()).collect();
        all.sort_by_key(|range| range.start);
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(all.len());
        for range in all {
            match joined.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => joined.push(range),
            }
        }
        joined
    }

    /// Cuts pieces at the ends of the range, then shows `keep` those inside.
    fn carve(&mut self, range: &Range<usize>, mut keep: impl FnMut(&mut Piece) -> bool) {
        let mut left = Vec::with_capacity(self.pieces.len() + 2);
        for piece in self.pieces.drain(..) {
            let Some(inside) = meet(&piece.range, range) else {
                left.push(piece);
                continue;
            };
            let outside = [piece.range.start..inside.start, inside.end..piece.range.end];
            let cut = outside.into_iter().filter(|part| !part.is_empty());
            left.extend(cut.map(|range| Piece { range, ..piece.clone() }));
            let mut piece = Piece { range: inside, ..piece };
            if keep(&mut piece) {
                left.push(piece);
            }
        }
        self.pieces = left;
    }

    /// Joins what was written again piece by piece, so that a range written in order is one.
    fn join(&mut self) {
        self.pieces.sort_by_key(|piece| piece.range.start);
        self.pieces.dedup_by(|next, piece| {
            let same = piece.written.is_some() == next.written.is_some() && piece.born == next.born;
            let joins = same && piece.range.end == next.range.start;
            if joins {
                piece.range.end = next.range.end;
                piece.written = piece.written.max(next.written); // stable when the later one is
            }
            joins
        });
    }
}

/// What two ranges have in common; `None`: no byte.
fn meet(a: &Range<usize>, b: &Range<usize>) -> Option<Range<usize>> {
    let (start, end) = (a.start.max(b.start), a.end.min(b.end));
    (start < end).then_some(start..end)
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]
mod tests {
    use super::*;

    #[test]
    fn rflush_13_a_range_is_in_doubt_until_it_was_written_again_and_synced() {
        let mut doubt = Doubt::default();
        doubt.failed(100..200, 1);
        assert!(doubt.is_lost(&(0..101)) && doubt.is_lost(&(199..300)));
        assert!(!doubt.is_lost(&(0..100)) && !doubt.is_lost(&(200..201)));
        doubt.synced(&(0..300), doubt.now());
        assert_eq!(doubt.ranges(), [100..200], "a sync of what was not written again changes nothing");
        doubt.written(&(100..150), 1);
        assert!(!doubt.is_lost(&(100..150)) && doubt.is_lost(&(149..151)));
        assert_eq!(doubt.ranges(), [100..200], "written, but not stable");
        doubt.synced(&(100..150), doubt.now());
        assert_eq!(doubt.ranges(), [150..200]);
        doubt.written(&(0..1000), 1);
        doubt.synced(&(0..1000), doubt.now());
        assert_eq!(doubt.ranges(), []);
    }

    #[test]
    fn a_write_that_began_before_the_failure_clears_nothing() {
        let mut doubt = Doubt::default();
        doubt.failed(0..10, 5);
        doubt.written(&(0..10), 4);
        assert!(doubt.is_lost(&(0..10)));
        doubt.written(&(0..10), doubt.latest());
        assert!(!doubt.is_lost(&(0..10)));
    }

    #[test]
    fn a_sync_that_began_before_the_write_clears_nothing() {
        let mut doubt = Doubt::default();
        let began = doubt.now();
        doubt.failed(0..10, 1);
        doubt.written(&(0..10), 1);
        doubt.synced(&(0..10), began);
        assert_eq!(doubt.ranges(), [0..10]);
        let began = doubt.now();
        doubt.failed(2..4, 2);
        doubt.synced(&(0..10), began);
        assert_eq!(doubt.ranges(), [2..4]);
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of ranges in safe code take minutes under Miri")]
    fn who_writes_byte_by_byte_is_followed_to_a_limit() {
        let mut doubt = Doubt::default();
        doubt.failed(0..10_000, 1);
        (0..10_000).step_by(2).for_each(|byte| doubt.written(&(byte..byte + 1), 1));
        assert!(doubt.pieces.len() <= PIECES);
        assert!(doubt.is_lost(&(9_998..9_999)), "what was not followed stays in doubt");
        doubt.synced(&(0..10_000), doubt.now());
        doubt.written(&(0..10_000), 1);
        doubt.synced(&(0..10_000), doubt.now());
        assert_eq!(doubt.ranges(), [], "room came back, and one write covered the rest");
    }
}
