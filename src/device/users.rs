//! The queue pairs that rely on a completion queue or a shared receive queue, and die with it.

use super::qp::Qp;
use super::{Device, Frame};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Who relies on one queue.
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<Vec<Weak<Qp>>>);

impl Users {
    pub(super) fn add(&self, qp: &Arc<Qp>) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|known| known.strong_count() > 0);
        users.push(Arc::downgrade(qp));
    }

    /// Their queue is dead: they go to error, and what is pending on them is flushed.
    pub(super) fn fail(&self, device: &Device) {
        let users: Vec<_> = {
            let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            users.iter().filter_map(Weak::upgrade).collect()
        };
        let mut frame = Frame::new();
        for qp in users {
            device.enter_error(&qp, &mut frame);
        }
        device.settle(frame);
    }
}
