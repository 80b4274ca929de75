//! Receives: the shadow keeps their entries too, since they may have to be posted once more.

#![forbid(unsafe_code)]

use super::qp::{Figures, Phase, Qp, RECEIVE};
use super::shadow::{Shadow, Slot};
use super::{capabilities, lock};
use crate::device::qp::PostRefused;
use crate::work::{CompletionKind, Sge};
use qpair_rdma_core as rdma;
use std::sync::Arc;

/// The receive queue.
#[derive(Debug)]
pub(super) struct Receives {
    pub(super) shadow: Shadow,
    pub(super) figures: Figures,
    /// Entries of the receives, by ticket, as many places for each as there may be.
    entries: Vec<rdma::Sge>,
    counts: Vec<u8>,
    depth: u32,
    sge: u32,
    /// From this ticket on they are kept back from the device, which is being flushed.
    pub(super) kept_from: Option<u64>,
}

/// An entry as verbs has it.
pub(super) fn entry(sge: &Sge) -> rdma::Sge {
    rdma::Sge { address: sge.address, length: sge.length, lkey: sge.token.0 }
}

/// The entries of a list, on the stack of a post.
pub(super) fn entries(sgl: &[Sge]) -> [rdma::Sge; capabilities::SGE as usize] {
    let mut all = [rdma::Sge { address: 0, length: 0, lkey: 0 }; capabilities::SGE as usize];
    all.iter_mut().zip(sgl).for_each(|(place, sge)| *place = entry(sge));
    all
}

impl Receives {
    pub(super) fn new(depth: u32, sge: u32) -> Self {
        let none = rdma::Sge { address: 0, length: 0, lkey: 0 };
        Self {
            shadow: Shadow::new(depth),
            figures: Figures::default(),
            entries: vec![none; depth as usize * sge as usize],
            counts: vec![0; depth as usize],
            depth,
            sge,
            kept_from: None,
        }
    }

    /// Where a ticket has its entries.
    fn place(&self, ticket: u64) -> (usize, usize) {
        let index = (ticket % u64::from(self.depth)) as usize;
        (index, index * self.sge as usize)
    }

    fn keep(&mut self, ticket: u64, sgl: &[Sge]) {
        let (index, from) = self.place(ticket);
        self.counts[index] = sgl.len() as u8;
        self.entries[from..from + sgl.len()].iter_mut().zip(sgl).for_each(|(place, sge)| *place = entry(sge));
    }

    fn post(&self, qp: &rdma::Qp, ticket: u64) -> Result<(), rdma::Error> {
        qp.post_receive(ticket | RECEIVE, self.entries_of(ticket))
    }

    /// Where the bytes of a receive go.
    pub(super) fn entries_of(&self, ticket: u64) -> &[rdma::Sge] {
        let (index, from) = self.place(ticket);
        &self.entries[from..from + usize::from(self.counts[index])]
    }

    /// Gives the device, which has none, all that are pending.
    pub(super) fn post_all(&mut self, qp: &rdma::Qp) -> Result<(), rdma::Error> {
        self.kept_from = None;
        let first = self.shadow.first();
        (first..first + self.shadow.len()).try_for_each(|ticket| self.post(qp, ticket))
    }

    /// The ticket of the next receive.
    pub(super) fn next_ticket(&self) -> u64 {
        self.shadow.first() + self.shadow.len()
    }
}

impl Qp {
    pub(crate) fn post_receive(self: &Arc<Self>, context: u64, sgl: &[Sge]) -> Result<(), PostRefused> {
        if self.srq.is_some() {
            return Err(PostRefused::HasSharedQueue);
        }
        if sgl.len() > self.max.receive_sge as usize {
            return Err(PostRefused::TooManyEntries { got: sgl.len(), max: self.max.receive_sge });
        }
        let mut receives = lock(&self.receives);
        if receives.shadow.is_full() {
            // Completions that nobody has polled yet have their room again, as with NDK.
            drop(receives);
            self.receive_cq.gather();
            receives = lock(&self.receives);
        }
        let full = PostRefused::Full { depth: receives.depth.into() };
        if receives.shadow.is_full() {
            return Err(full);
        }
        let slot = Slot { context, kind: CompletionKind::Receive, silent: false, length: 0 };
        let ticket = receives.shadow.push(slot, true);
        receives.keep(ticket, sgl);
        if receives.kept_from.is_none() {
            if let Err(error) = receives.post(&self.qp, ticket) {
                tracing::warn!(qp = self.number(), %error, "a receive was refused");
                receives.shadow.pop();
                return Err(full);
            }
        }
        drop(receives);
        if self.phase() as u64 >= Phase::Error as u64 {
            self.move_to_error(); // else soft-RoCE leaves it where it is for ever
        }
        Ok(())
    }
}
