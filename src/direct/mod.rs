//! Execution between queue pairs of one process: no packets, a copy from region to region.
//!
//! Generic over two [`Host`]s. A request is checked whole before a byte moves, so a request that fails has
//! touched no memory; a long copy runs in pieces, and between them the caller looks at flush marks, keys and
//! its budget.
//!
//! - [`execute`]: writes, reads and atomics, which need nothing of the peer but memory;
//! - [`flush`]: what a FLUSH comes to before its storage is asked;
//! - [`Message`]: what a send, or a write with immediate, offers to the peer's next receive.
//!
//! May come in: how bytes move between two ends of one process. Not here: queues, completions, states, time.

#![forbid(unsafe_code)]

mod copy;
mod message;
#[cfg(test)]
mod tests;

pub(crate) use message::{Delivered, Message};

use crate::host::Host;
use crate::memory::{Denied, Flight, Flush, Grant, LocalAccess, RemoteAccess, View};
use crate::planted::planted;
use crate::sync::{Ordering, fence};
use crate::work::{
    Detail, INLINE_IN_SLOT, INLINE_MAX, Opcode, RequestFlags, Selectivity, SendRequest, Status,
    read_flush_header,
};
use copy::{EntryList, copy_piece, copy_scattered, remote_at, with_views};

/// How a request ended, on the side of the queue that it was posted to.
///
/// Aligned to a word, so that a result moves it as it was written: a load across two stores waits for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(8))]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) detail: Detail,
    pub(crate) length: u32,
}

impl Outcome {
    pub(crate) fn success(length: u32) -> Self {
        Self { status: Status::Success, detail: Detail::None, length }
    }

    pub(crate) fn failure(status: Status, detail: Detail) -> Self {
        Self { status, detail, length: 0 }
    }
}

/// The word of a slot's payload that holds the outcome of a request which waits for earlier ones in flight.
const STASH: usize = 6;

impl Outcome {
    /// Puts the outcome where [`Outcome::unstash`] finds it; context, opcode and flags stay.
    pub(crate) fn stash(self, payload: &mut [u64; 7]) {
        payload[STASH] =
            u64::from(self.status as u8) | u64::from(self.detail as u8) << 8 | u64::from(self.length) << 32;
    }

    /// The outcome that was put there.
    pub(crate) fn unstash(payload: &[u64; 7]) -> Self {
        let word = payload[STASH];
        Self {
            status: Status::from_verbs(word as u8),
            detail: Detail::from_number((word >> 8) as u8),
            length: (word >> 32) as u32,
        }
    }
}

/// What executing a request, or a piece of it, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Executed {
    /// It ended.
    Done(Outcome),
    /// So many bytes have moved since its beginning; go on from there.
    Partly(u64),
}

/// Executes a write, read or atomic, from `progress` bytes on, at most `piece` bytes of it.
///
/// `request` is none that takes a receive: those are [`Message`]s.
#[inline]
pub(crate) fn execute(
    request: &SendRequest,
    side: &[u64],
    words: &[u64; 7],
    (here, there): (&impl Host, &impl Host),
    progress: u64,
    piece: u64,
) -> Executed {
    let length = u64::from(request.length);
    let copied = match request.opcode {
        Opcode::Read => remote(request, there, RemoteAccess::Read).and_then(|source| {
            let list = EntryList::of_send(request, side);
            let copy = |sinks: &[View<'_>]| copy_piece(&[source.view()], sinks, length, progress, piece);
            with_views(list, here, LocalAccess::Write, copy).map_err(local_protection)
        }),
        Opcode::AtomicWrite => {
            let word = remote(request, there, RemoteAccess::Write);
            return Executed::Done(word.map_or_else(|failed| failed, |word| atomic_write(request, word)));
        }
        Opcode::CompareAndSwap | Opcode::FetchAndAdd => {
            let word = remote(request, there, RemoteAccess::Atomic);
            return Executed::Done(atomic(request, here, word).unwrap_or_else(|failed| failed));
        }
        _ => with_source(request, side, words, here, |sources| {
            let sink = remote(request, there, RemoteAccess::Write)?;
            Ok(copy_piece(sources, &[sink.view()], length, progress, piece))
        })
        .unwrap_or_else(|denied| Err(local_protection(denied))),
    };
    let copied = copied.and_then(|moved| match moved {
        Some(moved) => Ok(moved),
        None => execute_scattered(request, side, words, (here, there), progress, piece),
    });
    match copied {
        Ok(moved)
            if moved < length && !planted!(LongCopyEndsEarly, "a long copy ends after its first piece") =>
        {
            Executed::Partly(moved)
        }
        Ok(_) => Executed::Done(Outcome::success(request.length)),
        Err(failed) => Executed::Done(failed),
    }
}

fn local_protection(denied: Denied) -> Outcome {
    Outcome::failure(Status::LocalProtection, denied.detail())
}

fn remote_access(denied: Denied) -> Outcome {
    Outcome::failure(Status::RemoteAccess, denied.detail())
}

/// The peer's memory that a request is about.
#[inline(always)]
fn remote<'p>(
    request: &SendRequest,
    there: &'p impl Host,
    access: RemoteAccess,
) -> Result<Grant<'p>, Outcome> {
    there.remote(request.rkey, request.remote_address, request.length, access).map_err(remote_access)
}

/// A piece of a read or write that was granted, and whose bytes do not lie together on some side.
#[cold]
#[inline(never)]
fn execute_scattered(
    request: &SendRequest,
    side: &[u64],
    words: &[u64; 7],
    (here, there): (&impl Host, &impl Host),
    progress: u64,
    piece: u64,
) -> Result<u64, Outcome> {
    if request.opcode == Opcode::Read {
        let list = EntryList::of_send(request, side);
        let source = |at| remote_at(request, there, RemoteAccess::Read, at).map_err(remote_access);
        let sink = |at| list.at(at, here, LocalAccess::Write).map_err(local_protection);
        return copy_scattered(&source, &sink, request.length.into(), progress, piece);
    }
    let sink = |at| remote_at(request, there, RemoteAccess::Write, at).map_err(remote_access);
    scatter_source(request, side, words, here, (&sink, local_protection), progress, piece)
}

/// Gives the bytes of a side from a position of the message on, as far as they lie together.
type Asked<'f, 'v, E> = &'f dyn Fn(u64) -> Result<View<'v>, E>;

/// Copies a piece of the data of a request to where `sink` says; `refused` tells of a refusal of the data.
#[cold]
#[inline(never)]
fn scatter_source<'v, E>(
    request: &SendRequest,
    side: &[u64],
    words: &[u64; 7],
    here: &impl Host,
    (sink, refused): (Asked<'_, 'v, E>, fn(Denied) -> E),
    progress: u64,
    piece: u64,
) -> Result<u64, E> {
    let copied = with_source(request, side, words, here, |sources| {
        let source = |at| source_at(request, side, here, sources, at).map_err(refused);
        copy_scattered(&source, sink, request.length.into(), progress, piece)
    });
    copied.map_err(refused)?
}

/// The data of a request from position `at` on, as far as it lies together.
fn source_at<'v>(
    request: &SendRequest,
    side: &[u64],
    here: &'v impl Host,
    sources: &[View<'v>],
    at: u64,
) -> Result<View<'v>, Denied> {
    if request.flags.contains(RequestFlags::INLINE) {
        let rest = sources.first().and_then(|all| all.slice(at as usize, all.len() - at as usize));
        return rest.ok_or(Denied::OutOfRange);
    }
    EntryList::of_send(request, side).at(at, here, LocalAccess::Read)
}

/// Gives `work` the data of a request: the views of its entries, or its inline bytes.
#[inline]
fn with_source<R>(
    request: &SendRequest,
    side: &[u64],
    words: &[u64; 7],
    here: &impl Host,
    work: impl FnOnce(&[View<'_>]) -> R,
) -> Result<R, Denied> {
    if request.flags.contains(RequestFlags::INLINE) {
        let length = request.length as usize;
        let (mut near, mut far) = ([0; INLINE_IN_SLOT], None);
        let bytes = match near.get_mut(..length) {
            Some(near) => near,
            None => &mut far.insert([0; INLINE_MAX])[..length], // only then cleared
        };
        request.take_inline(words, side, bytes);
        return Ok(work(&[View::of_mut(bytes)]));
    }
    with_views(EntryList::of_send(request, side), here, LocalAccess::Read, work)
}

/// Stores the eight bytes of the request in one piece.
fn atomic_write(request: &SendRequest, word: Grant<'_>) -> Outcome {
    match word.view().store_u64(0, request.compare_or_add) {
        Some(()) => Outcome::success(8),
        None => Outcome::failure(Status::RemoteInvalidRequest, Detail::Misaligned),
    }
}

/// Judges a FLUSH, as the responder does: the flight that is to be started for it, or how it ended.
///
/// Checked in the order header, key, domain, rights, range, doubt.
pub(crate) fn flush(request: &SendRequest, there: &impl Host) -> Result<Box<Flight>, Outcome> {
    let Some((placement, selectivity)) = read_flush_header(request.immediate_or_key) else {
        return Err(Outcome::failure(Status::RemoteInvalidRequest, Detail::None));
    };
    let range = match selectivity {
        Selectivity::Range => Some((request.remote_address, request.length)),
        Selectivity::Region => None,
    };
    match there.flush(request.rkey, range, placement).map_err(remote_access)? {
        Flush::Start(flight) => Ok(flight),
        Flush::InDoubt => Err(Outcome::failure(Status::RemoteOperation, Detail::InDoubt)),
        Flush::Done => {
            fence(Ordering::Release); // what earlier requests stored comes before what tells of this one
            Err(Outcome::success(0))
        }
    }
}

fn atomic(
    request: &SendRequest,
    here: &impl Host,
    there: Result<Grant<'_>, Outcome>,
) -> Result<Outcome, Outcome> {
    // The place for the old value is checked first: an atomic that fails has changed nothing.
    let place = here.local(request.first, LocalAccess::Write).map_err(local_protection)?.view();
    let word = there?.view();
    let old = match request.opcode {
        Opcode::CompareAndSwap => word.compare_exchange_u64(0, request.compare_or_add, request.swap),
        _ => word.fetch_add_u64(0, request.compare_or_add),
    };
    let old = old.ok_or(Outcome::failure(Status::RemoteInvalidRequest, Detail::Misaligned))?;
    let old = &mut old.to_ne_bytes();
    if place.write(0, old).is_none() {
        // The eight bytes lie on two pages of a fast registration.
        let (list, old) = (EntryList::of_send(request, &[]), View::of_mut(old));
        copy_scattered(
            &|at| old.slice(at as usize, 8 - at as usize).ok_or(local_protection(Denied::OutOfRange)),
            &|at| list.at(at, here, LocalAccess::Write).map_err(local_protection),
            8,
            0,
            8,
        )?;
    }
    Ok(Outcome::success(8))
}
