//! Requests that work on keys of this side: bind, fast register, local invalidate, read with invalidate.
//!
//! An invalidation completes only when no byte can move through its key any more: passes of other threads
//! that were granted access before must have ended. They are looked at once, in the role; where one is under
//! way, the request stays at the head, and a chore kicks the queue when it is over. Nobody waits.

use super::SendEngine;
use crate::device::agenda::{Task, framed};
use crate::device::pinned::pins;
use crate::direct::Outcome;
use crate::memory::{Binding, Rights, Unbound, Unfit};
use crate::ring::{Grace, Payload, Step};
use crate::work::{Detail, Key, Opcode, RequestFlags, SendRequest, Status};
use std::sync::Arc;

impl SendEngine<'_> {
    /// Executes a request that changes keys.
    #[inline(never)]
    pub(super) fn change_keys(
        &mut self,
        request: &SendRequest,
        words: &Payload,
        side: &[u64],
        ticket: u64,
    ) -> Step<Outcome> {
        if self.qp.invalidating.has_begun(ticket) {
            return match self.qp.invalidating.is_over(ticket) {
                true => Step::Done(invalidated(request)),
                false => Step::Blocked,
            };
        }
        let (keys, pin, party) = (&self.device.keys, self.pin, self.qp.party);
        let changed = (request.first.token, Key(request.immediate_or_key));
        match request.opcode {
            Opcode::Bind => {
                let binding = Binding {
                    region: request.rkey,
                    address: request.remote_address,
                    length: request.first.address,
                    rights: Rights::from_bits(request.entries),
                };
                let (bound, unbound) = keys.bind(pin, changed, &binding, party);
                self.unbound(unbound);
                self.changed(bound, Status::WindowBind)
            }
            Opcode::FastRegister => {
                self.changed(keys.fast_register(pin, changed, request.entries), Status::LocalProtection)
            }
            Opcode::LocalInvalidate => self.invalidate(request, changed.1, ticket),
            _ => self.read_and_invalidate(request, words, side, ticket),
        }
    }

    /// The payload of a request that was cancelled: what it holds is free again.
    #[cold]
    pub(super) fn cancelled(&self, payload: &Payload) {
        if let Some(request) = SendRequest::decode(payload).filter(|of| of.opcode == Opcode::FastRegister) {
            self.device.keys.unstage(self.pin, request.first.token, request.entries);
        }
    }

    fn changed(&mut self, result: Result<(), Unfit>, refused: Status) -> Step<Outcome> {
        self.ended(match result {
            Ok(()) => Outcome::success(0),
            Err(unfit) => unfit_outcome(unfit, refused),
        })
    }

    /// A read whose success invalidates the key of its first entry.
    ///
    /// A key that cannot be invalidated fails it before a byte moves, as it fails an invalidate.
    fn read_and_invalidate(
        &mut self,
        request: &SendRequest,
        words: &Payload,
        side: &[u64],
        ticket: u64,
    ) -> Step<Outcome> {
        if request.entries > 0 {
            let (key, party) = (request.first.token, self.qp.party);
            if let Err(unfit) = self.device.keys.may_invalidate(self.pin, key, party) {
                return self.ended(unfit_outcome(unfit, Status::LocalProtection));
            }
        }
        match self.dispatch(request, words, side) {
            Step::Done(outcome) if outcome.status == Status::Success && request.entries > 0 => {
                self.invalidate(request, request.first.token, ticket)
            }
            step => step,
        }
    }

    fn invalidate(&mut self, request: &SendRequest, key: Key, ticket: u64) -> Step<Outcome> {
        match self.device.keys.invalidate_own(self.pin, key, self.qp.party) {
            Ok(unbound) => self.unbound(unbound),
            Err(unfit) => return self.ended(unfit_outcome(unfit, Status::LocalProtection)),
        }
        self.qp.invalidating.begin(ticket);
        let mut grace = pins().grace_of_others(self.pin);
        if grace.as_mut().is_some_and(Grace::is_over) {
            return Step::Done(invalidated(request));
        }
        let qp = Arc::clone(self.qp);
        self.device.chore_later(move || {
            // Not begun where another thread was at the list: then the pass of the engine counts as well,
            // which is over when this runs for the second time at the latest.
            let over = grace.get_or_insert_with(|| pins().grace()).is_over();
            if over {
                qp.invalidating.end(ticket);
                framed(qp.device(), |frame| frame.push(Task::Send(qp.id())));
            }
            over
        });
        Step::Blocked
    }

    fn unbound(&self, unbound: Unbound) {
        if let Some(region) = unbound {
            self.device.windows_gone(region);
        }
    }
}

/// How the request ends for which a key was invalidated; a read has read its bytes.
fn invalidated(request: &SendRequest) -> Outcome {
    let reads = request.flags.contains(RequestFlags::LOCAL_INVALIDATE);
    Outcome::success(if reads { request.length } else { 0 })
}

fn unfit_outcome(unfit: Unfit, refused: Status) -> Outcome {
    match unfit {
        Unfit::NotValid => Outcome::failure(Status::LocalQpOperation, Detail::NotValid),
        Unfit::StillValid => Outcome::failure(Status::LocalQpOperation, Detail::StillValid),
        Unfit::Denied(denied) => Outcome::failure(refused, denied.detail()),
    }
}
