//! Gather and scatter between lists of views.

use crate::memory::{Denied, Grant, View};
use crate::work::{ReceiveRequest, SGE_MAX, SendRequest, Sge, sge_from_words};

/// The scatter/gather entries of a request: the first from its slot, the others from beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryList<'s> {
    count: usize,
    first: Sge,
    side: &'s [u64],
}

impl<'s> EntryList<'s> {
    pub(super) fn of_send(request: &SendRequest, side: &'s [u64]) -> Self {
        Self { count: usize::from(request.entries), first: request.first, side }
    }

    pub(super) fn of_receive(request: &ReceiveRequest, side: &'s [u64]) -> Self {
        Self { count: usize::from(request.entries), first: request.first, side }
    }

    fn get(&self, index: usize) -> Sge {
        match index.checked_sub(1) {
            None => self.first,
            Some(other) => sge_from_words([self.side[2 * other], self.side[2 * other + 1]]),
        }
    }
}

/// Has every entry granted, then gives the views to `work`; the first refusal stops it.
#[inline]
pub(super) fn with_views<'v, R>(
    list: EntryList<'_>,
    grant: impl Fn(Sge) -> Result<Grant<'v>, Denied>,
    work: impl FnOnce(&[View<'v>]) -> R,
) -> Result<R, Denied> {
    match list.count {
        0 => Ok(work(&[])),
        1 => Ok(work(&[grant(list.first)?.view()])),
        count => {
            let mut views = [View::empty(); SGE_MAX];
            for (index, view) in views[..count].iter_mut().enumerate() {
                *view = grant(list.get(index))?.view();
            }
            Ok(work(&views[..count]))
        }
    }
}

/// Copies bytes `progress..` of a message of `length` bytes, at most `piece` of them; returns the new
/// progress.
///
/// Both lists hold at least `length` bytes; the caller has checked that.
#[inline]
pub(super) fn copy_piece(
    sources: &[View<'_>],
    sinks: &[View<'_>],
    length: u64,
    progress: u64,
    piece: u64,
) -> u64 {
    let end = length.min(progress.saturating_add(piece));
    if let ([source], [sink]) = (sources, sinks) {
        let range = (progress as usize, (end - progress) as usize);
        if let (Some(source), Some(sink)) = (source.slice(range.0, range.1), sink.slice(range.0, range.1)) {
            sink.copy_from(source);
            return end;
        }
    }
    let (mut source, mut sink) = (Cursor::new(sources, progress), Cursor::new(sinks, progress));
    let mut at = progress;
    while at < end {
        let (Some(from), Some(to)) = (source.rest(), sink.rest()) else { break };
        let chunk = from.len().min(to.len()).min((end - at) as usize);
        if let (Some(from), Some(to)) = (from.slice(0, chunk), to.slice(0, chunk)) {
            to.copy_from(from);
        }
        source.advance(chunk);
        sink.advance(chunk);
        at += chunk as u64;
    }
    debug_assert_eq!(at, end, "the lists hold the message");
    at
}

/// A position in a list of views.
struct Cursor<'a, 'v> {
    views: &'a [View<'v>],
    offset: usize,
}

impl<'a, 'v> Cursor<'a, 'v> {
    fn new(views: &'a [View<'v>], position: u64) -> Self {
        let mut cursor = Self { views, offset: position as usize };
        cursor.normalise();
        cursor
    }

    /// Steps over views that are used up.
    fn normalise(&mut self) {
        while let Some((view, rest)) = self.views.split_first() {
            if self.offset < view.len() {
                return;
            }
            self.offset -= view.len();
            self.views = rest;
        }
    }

    fn rest(&self) -> Option<View<'v>> {
        let view = self.views.first()?;
        view.slice(self.offset, view.len() - self.offset)
    }

    fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
        self.normalise();
    }
}
