//! RDMA FLUSH: in flight while the storage works, with everything behind it waiting.
//!
//! The request is judged in the pass that comes to it. If its promise takes more than a fence its slot goes
//! in flight, the storage is asked, and its end finishes the slot and leaves the queue to the driver. Other
//! queue pairs go on meanwhile. A flush, an error or a close of the queue cancels the request as any other;
//! the storage works on, and keeps the memory until it is done.

use super::SendEngine;
use crate::device::qp::Qp;
use crate::direct::{self, Executed, Outcome};
use crate::ring::Step;
use crate::work::{Detail, Opcode, SendRequest, Status};
use std::sync::Arc;

impl<'p> SendEngine<'p> {
    /// Executes a flush of the memory of `peer`.
    #[cold]
    pub(super) fn flush_remote(&mut self, request: &SendRequest, peer: &'p Arc<Qp>) -> Step<Outcome> {
        match direct::flush(request, &self.end_of(peer)) {
            Ok(flight) => {
                self.launching = Some(flight);
                self.qp.progress.flushes();
                Step::InFlight
            }
            Err(outcome) => self.ended(outcome),
        }
    }

    /// Has the storage begin; its end may come at once, on this thread.
    #[cold]
    pub(super) fn launch(&mut self, ticket: u64) {
        let flight = self.launching.take().expect("a request in flight is the flush just executed");
        let (device, id) = (Arc::clone(self.qp.device()), self.qp.id());
        flight.start(move |flushed| {
            let failed = Outcome::failure(Status::RemoteOperation, Detail::StorageFailed);
            device.finish(id, ticket, flushed.map_or(failed, |()| Outcome::success(0)));
        });
    }

    /// Tells the peer's region which bytes a piece has written, where bytes of some region are in doubt;
    /// `known` failures had been told before the piece began.
    #[cold]
    pub(super) fn written(&self, request: &SendRequest, from: u64, executed: Executed, known: u64) {
        let to = match executed {
            Executed::Done(outcome) if outcome.status == Status::Success => request.length.into(),
            Executed::Done(_) => return,
            Executed::Partly(to) => to,
        };
        // A compare and swap may have changed nothing.
        let reads = matches!(request.opcode, Opcode::Read | Opcode::CompareAndSwap);
        if !reads && to > from {
            let address = request.remote_address.wrapping_add(from);
            self.device.keys.written(self.pin, request.rkey, address, to - from, known);
        }
    }
}
