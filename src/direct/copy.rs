//! Gather and scatter between lists of views.

use crate::host::Host;
use crate::memory::{Denied, LocalAccess, RemoteAccess, View};
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

/// Bytes that are asked for at once where a side does not lie together: so many pages are checked again.
const STRIDE: u64 = 64 << 10;

impl EntryList<'_> {
    /// The bytes of the list from `position` on, as far as they lie together.
    pub(super) fn at<'v>(
        &self,
        mut position: u64,
        host: &'v impl Host,
        access: LocalAccess,
    ) -> Result<View<'v>, Denied> {
        for sge in (0..self.count).map(|index| self.get(index)) {
            let length = u64::from(sge.length);
            if position < length {
                let length = (length - position).min(STRIDE) as u32;
                let address = sge.address.wrapping_add(position);
                let grant = host.local(Sge { address, length, ..sge }, access)?;
                return Ok(grant.view());
            }
            position -= length;
        }
        Err(Denied::OutOfRange)
    }
}

/// The bytes of the peer's memory from `position` of the message on, as far as they lie together.
pub(super) fn remote_at<'v>(
    request: &SendRequest,
    there: &'v impl Host,
    access: RemoteAccess,
    position: u64,
) -> Result<View<'v>, Denied> {
    let length = (u64::from(request.length) - position).min(STRIDE) as u32;
    let address = request.remote_address.wrapping_add(position);
    there.remote(request.rkey, address, length, access).map(|grant| grant.view())
}

/// Has every entry granted, then gives the views to `work`; the first refusal stops it.
///
/// A view may be shorter than its entry, whose other bytes lie elsewhere. Of several entries `work` then gets
/// no view at all; [`copy_piece`] finds either out.
#[inline]
pub(super) fn with_views<'v, R>(
    list: EntryList<'_>,
    host: &'v impl Host,
    access: LocalAccess,
    work: impl FnOnce(&[View<'v>]) -> R,
) -> Result<R, Denied> {
    match list.count {
        0 => Ok(work(&[])),
        1 => Ok(work(&[host.local(list.first, access)?.view()])),
        count => {
            let mut views = [View::empty(); SGE_MAX];
            let whole = grant_all(list, host, access, &mut views[..count])?;
            Ok(work(if whole { &views[..count] } else { &[] }))
        }
    }
}

/// Has several entries granted; false: some bytes of one lie elsewhere.
#[inline(never)] // so that the one entry of most requests is judged in place
fn grant_all<'v>(
    list: EntryList<'_>,
    host: &'v impl Host,
    access: LocalAccess,
    views: &mut [View<'v>],
) -> Result<bool, Denied> {
    let mut whole = true;
    for (index, view) in views.iter_mut().enumerate() {
        let sge = list.get(index);
        *view = host.local(sge, access)?.view();
        whole &= view.len() == sge.length as usize;
    }
    Ok(whole)
}

/// Copies bytes `progress..` of a message of `length` bytes, at most `piece` of them; returns the new
/// progress.
///
/// The entries of both sides hold at least `length` bytes; the caller has checked that. `None`, and nothing
/// copied: the views do not, since some bytes lie elsewhere; [`copy_scattered`] copies them.
#[inline(always)]
pub(super) fn copy_piece(
    sources: &[View<'_>],
    sinks: &[View<'_>],
    length: u64,
    progress: u64,
    piece: u64,
) -> Option<u64> {
    let end = length.min(progress.saturating_add(piece));
    if let ([source], [sink]) = (sources, sinks) {
        let range = (progress as usize, (end - progress) as usize);
        if let (Some(source), Some(sink)) = (source.slice(range.0, range.1), sink.slice(range.0, range.1)) {
            sink.copy_from(source);
            return Some(end);
        }
    }
    if progress == end { Some(end) } else { copy_lists(sources, sinks, progress, end) }
}

/// Both lists hold a message of that length: none of its bytes lie elsewhere.
#[inline(never)] // on the way of what is seldom
pub(super) fn hold(sources: &[View<'_>], sinks: &[View<'_>], length: u64) -> bool {
    let reach = |views: &[View<'_>]| views.iter().map(|view| view.len() as u64).sum::<u64>();
    reach(sources).min(reach(sinks)) >= length
}

/// As [`copy_piece`], of bytes `progress..end`, at least one, from any number of views to any number.
#[inline(never)] // so that the one view of most requests is copied in place
fn copy_lists(sources: &[View<'_>], sinks: &[View<'_>], progress: u64, end: u64) -> Option<u64> {
    if !hold(sources, sinks, end) {
        return None;
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
    Some(at)
}

/// As [`copy_piece`], where bytes that follow each other may lie anywhere: each side is asked for every
/// stretch.
///
/// # Errors
/// The first refusal of a side, which may come after some bytes: what was granted has ended meanwhile.
#[cold]
#[inline(never)]
pub(super) fn copy_scattered<'a, 'b, E>(
    source: &dyn Fn(u64) -> Result<View<'a>, E>,
    sink: &dyn Fn(u64) -> Result<View<'b>, E>,
    length: u64,
    progress: u64,
    piece: u64,
) -> Result<u64, E> {
    let end = length.min(progress.saturating_add(piece));
    let mut at = progress;
    while at < end {
        let (from, to) = (source(at)?, sink(at)?);
        let left = (end - at) as usize;
        let moved = match to.slice(0, left.min(to.len())) {
            Some(to) => to.copy_from(from),
            None => 0,
        };
        debug_assert_ne!(moved, 0, "a grant of at least one byte");
        at += moved.max(1) as u64;
    }
    Ok(end)
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
