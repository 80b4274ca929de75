//! Receives: their entries are kept beside the ring, since they may have to be posted once more.

#![forbid(unsafe_code)]

use super::qp::{Qp, RECEIVE};
use super::request::entry;
use super::shadow::Figure;
use crate::device::callbacks::Outbox;
use crate::device::qp::{PostRefused, put_entries, receive_request};
use crate::ring::Post;
use crate::work::{Sge, sge_from_words, sge_to_words};
use qpair_rdma_core as rdma;
use std::sync::Arc;

pub(super) use super::request::entries;

/// Where the bytes of the receives go that the device has.
#[derive(Debug)]
pub(super) struct Kept {
    /// For each receive how many entries, then the entries, in two words each; written in the role of the
    /// receive queue before the device gets the receive, read by who has a completion of it or the role.
    words: Box<[Figure]>,
    depth: u64,
    stride: usize,
}

impl Kept {
    pub(super) fn new(depth: u32, sge: u32) -> Self {
        let stride = 1 + 2 * sge as usize;
        let words = (0..depth as usize * stride).map(|_| Figure::default()).collect();
        Self { words, depth: depth.into(), stride }
    }

    fn of(&self, ticket: u64) -> (&Figure, &[Figure]) {
        let from = (ticket % self.depth) as usize * self.stride;
        (&self.words[from], &self.words[from + 1..from + self.stride])
    }

    pub(super) fn keep(&self, ticket: u64, list: &[rdma::Sge]) {
        let (count, words) = self.of(ticket);
        count.set(list.len() as u64);
        for (places, entry) in words.chunks_exact(2).zip(list) {
            let rdma::Sge { address, length, lkey } = *entry;
            let sge = Sge { address, length, token: crate::work::Key(lkey) };
            places.iter().zip(sge_to_words(sge)).for_each(|(place, word)| place.set(word));
        }
    }

    /// Looks at where the bytes of a receive go that the device has.
    pub(super) fn with_entries<R>(&self, ticket: u64, look: impl FnOnce(&[rdma::Sge]) -> R) -> R {
        let (count, words) = self.of(ticket);
        let mut list = entries(&[]);
        let count = count.get() as usize;
        for (place, words) in list[..count].iter_mut().zip(words.chunks_exact(2)) {
            *place = entry(&sge_from_words([words[0].get(), words[1].get()]));
        }
        look(&list[..count])
    }
}

impl Qp {
    pub(crate) fn post_receive(self: &Arc<Self>, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        if self.srq.is_some() {
            return Err(PostRefused::HasSharedQueue);
        }
        let request = receive_request(context, sgl, self.max.receive_sge)?;
        for again in [false, true] {
            let posted = self.receives.ring.post(1, Post::Plain, |_, payload, side| {
                request.encode(payload);
                put_entries(sgl, side);
            });
            if let Some(held) = posted.held {
                let mut outbox = Outbox::new();
                self.run_receives(held, &mut outbox);
                outbox.emit();
            }
            if posted.refused.is_none() {
                return Ok(());
            }
            if !again {
                // Completions that nobody has polled yet have their room again, as with NDK.
                self.receive_cq.look();
            }
        }
        Err(PostRefused::Full { depth: self.receives.ring.depth() })
    }

    /// Gives the device, which has none, those that it had; in the role of the receive queue.
    pub(super) fn post_again(&self) -> Result<(), rdma::Error> {
        (self.receives.figures.completed.get()..self.receives.given.get()).try_for_each(|ticket| {
            self.kept.with_entries(ticket, |list| self.qp.post_receive(ticket | RECEIVE, list))
        })
    }
}

#[test]
fn entries_are_kept_by_ticket() {
    let kept = Kept::new(3, 2);
    let sge = |address| rdma::Sge { address, length: address as u32 + 1, lkey: 7 };
    kept.keep(4, &[sge(1), sge(2)]);
    kept.keep(5, &[]);
    kept.keep(6, &[sge(3)]);
    assert_eq!(kept.with_entries(4, <[_]>::to_vec), [sge(1), sge(2)]);
    assert_eq!(kept.with_entries(5, <[_]>::to_vec), []);
    assert_eq!(kept.with_entries(6, <[_]>::to_vec), [sge(3)]);
    kept.keep(7, &[sge(9)]);
    assert_eq!(kept.with_entries(7, <[_]>::to_vec), [sge(9)], "in the place of 4");
}
