//! Event channels: where what happens to ids is told.

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdma_sys as sys;

use super::event::Event;
use super::id::Id;
use crate::error::Error;
use crate::wait::{no_event, set_non_blocking};

/// The library's channel and the lock under which it and its ids are used.
#[derive(Debug)]
pub(super) struct Shared {
    raw: NonNull<sys::rdma_event_channel>,
    /// The key that the next id gets.
    next_key: Mutex<u64>,
}

// SAFETY: the channel is not bound to a thread, and is used under the lock alone, but for its descriptor,
// which is set at creation and never changed.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// The channel's lock, held: proof that the library may be called for its ids.
pub(super) struct Locked<'a>(MutexGuard<'a, u64>);

impl Locked<'_> {
    /// A key that no id of this channel has had.
    pub(super) fn new_key(&mut self) -> u64 {
        *self.0 += 1;
        *self.0
    }
}

impl Shared {
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked(self.next_key.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn raw(&self) -> *mut sys::rdma_event_channel {
        self.raw.as_ptr()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: every id holds its channel, so the last of them is gone, and no event is out: they are
        // acknowledged as they are taken.
        unsafe { sys::rdma_destroy_event_channel(self.raw()) }
    }
}

/// A channel on which ids report. It stays open as long as one of its ids is there.
#[derive(Debug)]
pub struct EventChannel {
    shared: Arc<Shared>,
}

impl EventChannel {
    /// Opens a channel.
    ///
    /// # Errors
    /// ENOENT or ENODEV where the kernel has no connection manager (rdma_ucm); EACCES for its device node.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: no arguments.
        let raw = unsafe { sys::rdma_create_event_channel() };
        let raw = NonNull::new(raw).ok_or_else(|| Error::last("rdma_create_event_channel"))?;
        let channel = Self { shared: Arc::new(Shared { raw, next_key: Mutex::new(0) }) };
        set_non_blocking(channel.as_fd())?;
        Ok(channel)
    }

    /// Creates an id that reports here.
    ///
    /// # Errors
    /// What the kernel says, such as ENOMEM.
    pub fn create_id(&self) -> Result<Id, Error> {
        Id::new(&self.shared)
    }

    /// Takes the next event, acknowledged; `None` if there is none.
    ///
    /// # Errors
    /// What read(2) says; ENOMEM, upon which the kernel rejects the connection request in question.
    pub fn next_event(&self) -> Result<Option<Event>, Error> {
        let mut locked = self.shared.lock();
        let mut raw = null_mut();
        // SAFETY: the channel is open and locked, and there is a place for the event.
        if unsafe { sys::rdma_get_cm_event(self.shared.raw(), &mut raw) } != 0 {
            return no_event("rdma_get_cm_event").map(|()| None);
        }
        // SAFETY: just taken, locked, and not acknowledged, so the event and its ids are there.
        let event = unsafe { Event::read(&*raw, &self.shared, &mut locked) };
        // SAFETY: as above; acknowledged once, and what it held has been copied.
        let status = unsafe { sys::rdma_ack_cm_event(raw) };
        debug_assert_eq!(status, 0, "fails for no event at all");
        Ok(Some(event))
    }
}

impl AsFd for EventChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as the channel, which the result borrows.
        unsafe { BorrowedFd::borrow_raw((*self.shared.raw()).fd) }
    }
}
