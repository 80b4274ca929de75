//! Requests in the words of verbs, made from the slots of a send queue.

#![forbid(unsafe_code)]

use super::capabilities::{INLINE, SGE};
use super::qp::{END, Qp};
use super::window::Binding;
use crate::work::{
    Key, Opcode, RequestFlags, Selectivity, SendRequest, Sge, read_flush_header, sge_from_words,
};
use qpair_rdma_core::{self as rdma, Flags, Payload, Remote};

/// An entry as verbs has it.
pub(super) fn entry(sge: &Sge) -> rdma::Sge {
    rdma::Sge { address: sge.address, length: sge.length, lkey: sge.token.0 }
}

const NOTHING: rdma::Sge = rdma::Sge { address: 0, length: 0, lkey: 0 };

/// The entries of a list, on the stack of a post.
pub(super) fn entries(sgl: &[Sge]) -> [rdma::Sge; SGE as usize] {
    let mut all = [NOTHING; SGE as usize];
    all.iter_mut().zip(sgl).for_each(|(place, sge)| *place = entry(sge));
    all
}

/// Puts the entries of a slot into `list`; how many they are.
pub(super) fn entries_of(first: Sge, count: u8, side: &[u64], list: &mut [rdma::Sge; SGE as usize]) -> usize {
    let count = usize::from(count).min(list.len());
    list[0] = entry(&first);
    for (place, words) in list[1..count.max(1)].iter_mut().zip(side.chunks_exact(2)) {
        *place = entry(&sge_from_words([words[0], words[1]]));
    }
    count
}

/// The operation of verbs; `None`: it is not made of its slot alone, as a bind, or there is none.
fn verbs(request: &SendRequest) -> Option<rdma::Operation<'static>> {
    let SendRequest { immediate_or_key, compare_or_add, swap, .. } = *request;
    let Key(rkey) = request.rkey;
    let remote = Remote { address: request.remote_address, rkey };
    Some(match request.opcode {
        Opcode::Send => rdma::Operation::Send,
        Opcode::SendWithImmediate => rdma::Operation::SendImmediate(immediate_or_key),
        Opcode::SendWithInvalidate => rdma::Operation::SendInvalidate(immediate_or_key),
        Opcode::Write => rdma::Operation::Write(remote),
        Opcode::WriteWithImmediate => rdma::Operation::WriteImmediate(remote, immediate_or_key),
        Opcode::Read => rdma::Operation::Read(remote),
        Opcode::CompareAndSwap => rdma::Operation::CompareSwap { remote, compare: compare_or_add, swap },
        Opcode::FetchAndAdd => rdma::Operation::FetchAdd { remote, add: compare_or_add },
        Opcode::LocalInvalidate => rdma::Operation::LocalInvalidate(immediate_or_key),
        Opcode::AtomicWrite => rdma::Operation::AtomicWrite(remote, compare_or_add.to_ne_bytes()),
        Opcode::Flush => {
            let (placement, selectivity) = read_flush_header(immediate_or_key)?;
            rdma::Operation::Flush {
                remote,
                length: request.length as usize,
                placement: rdma::Placement(placement.0), // by the same bits
                whole_region: selectivity == Selectivity::Region,
            }
        }
        Opcode::Bind | Opcode::FastRegister => return None,
    })
}

fn verbs_flags(flags: RequestFlags, signalled: bool) -> Flags {
    let pick = |has: bool, flag| if has { flag } else { Flags::NONE };
    pick(flags.contains(RequestFlags::READ_FENCE), Flags::FENCE)
        | pick(flags.contains(RequestFlags::SOLICITED), Flags::SOLICITED)
        | pick(signalled, Flags::SIGNALED)
}

/// What the device is to do.
enum Next {
    Made(rdma::Operation<'static>),
    Bind(Box<Binding>),
    Nothing,
}

/// A request between its slot and the device.
pub(super) struct Given {
    next: Next,
    flags: Flags,
    list: [rdma::Sge; SGE as usize],
    entries: usize,
    inline: Option<usize>,
    bytes: [u8; INLINE as usize],
}

impl Given {
    pub(super) fn new() -> Self {
        Self {
            next: Next::Nothing,
            flags: Flags::NONE,
            list: [NOTHING; SGE as usize],
            entries: 0,
            inline: None,
            bytes: [0; INLINE as usize],
        }
    }

    /// Reads a slot; called in the role of the send queue.
    pub(super) fn read(&mut self, qp: &Qp, words: &[u64; 7], side: &[u64], ticket: u64) {
        let Some(request) = SendRequest::decode(words) else {
            self.next = Next::Nothing;
            return;
        };
        let silent = request.flags.contains(RequestFlags::SILENT_SUCCESS);
        let signalled = !silent || qp.sends.wants_signal(ticket);
        if signalled {
            qp.signalled.set(ticket + 1);
        }
        self.flags = verbs_flags(request.flags, signalled);
        self.next = match request.opcode {
            Opcode::Bind => qp.take_binding(&request).map_or(Next::Nothing, Next::Bind),
            _ => verbs(&request).map_or(Next::Nothing, Next::Made),
        };
        self.inline = request.flags.contains(RequestFlags::INLINE).then_some(request.length as usize);
        match self.inline {
            Some(length) => request.take_inline(words, side, &mut self.bytes[..length]),
            None => self.entries = entries_of(request.first, request.entries, side, &mut self.list),
        }
    }

    /// Gives it to the device by way of `push`.
    pub(super) fn give(
        &mut self,
        id: u64,
        mut push: impl FnMut(&rdma::SendRequest<'_>) -> Result<(), rdma::Error>,
    ) -> Result<(), rdma::Error> {
        let payload = match self.inline {
            Some(length) => Payload::Inline(&self.bytes[..length]),
            None => Payload::Elements(&self.list[..self.entries]),
        };
        let flags = self.flags;
        match &self.next {
            Next::Made(operation) => push(&rdma::SendRequest { id, operation: *operation, payload, flags }),
            Next::Bind(binding) => binding.with_operation(|operation| {
                let payload = Payload::Elements(&[]);
                push(&rdma::SendRequest { id, operation, payload, flags })
            }),
            Next::Nothing => Err(super::window::gone()),
        }
    }

    /// A request that is told of when those up to that ticket have ended.
    pub(super) fn end_of(ticket: u64) -> rdma::SendRequest<'static> {
        rdma::SendRequest {
            id: ticket | END,
            operation: rdma::Operation::Send,
            payload: Payload::Elements(&[]),
            flags: Flags::SIGNALED,
        }
    }
}

/// A list as long as a post takes it up on its stack.
const _: () = assert!(crate::work::SGE_MAX == 16 && std::mem::size_of::<Sge>() == 16);
