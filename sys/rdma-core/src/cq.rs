//! Completion queues and the channels on which they report.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

use rdma_sys as sys;

use crate::completion::Completion;
use crate::error::{Error, NotClosed, answer};
use crate::node::{self, ContextNode, Node, Owned, same_device};
use crate::shim;
use crate::wait::{no_event, set_non_blocking};

type ChannelNode = Node<sys::ibv_comp_channel, Arc<ContextNode>>;
/// A completion queue needs its context and, if it has one, its channel.
pub(crate) type CqNode = Node<sys::ibv_cq, (Arc<ContextNode>, Option<Arc<ChannelNode>>)>;

/// A descriptor on which armed completion queues report.
#[derive(Debug)]
pub struct CompletionChannel {
    node: Arc<ChannelNode>,
}

impl CompletionChannel {
    pub(crate) fn new(context: &Arc<ContextNode>) -> Result<Self, Error> {
        // SAFETY: the context is open; the new channel is nobody else's.
        let owned =
            unsafe { Owned::new("ibv_create_comp_channel", sys::ibv_create_comp_channel(context.raw()))? };
        let channel = Self { node: Node::new(owned, context.clone()) };
        set_non_blocking(channel.as_fd())?;
        Ok(channel)
    }

    /// Takes the next event, acknowledged: the key of a queue that fired; `None` if there is none.
    ///
    /// # Errors
    /// What read(2) says.
    pub fn next_event(&self) -> Result<Option<u64>, Error> {
        let (mut cq, mut key) = (null_mut(), null_mut());
        // SAFETY: the channel exists, and both places are for what the call says.
        let status = unsafe { sys::ibv_get_cq_event(self.node.raw(), &mut cq, &mut key) };
        if status != 0 {
            return no_event("ibv_get_cq_event").map(|()| None);
        }
        // SAFETY: the queue still exists, since its destruction waits for this acknowledgement.
        unsafe { sys::ibv_ack_cq_events(cq, 1) };
        Ok(Some(key as u64))
    }

    /// Destroys the channel, with an answer; [`Error::InUse`] while a queue reports on it.
    ///
    /// # Errors
    /// The channel is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        node::close(self.node).map_err(|(node, error)| NotClosed::new(Self { node }, error))
    }
}

impl AsFd for CompletionChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as the channel, which the result borrows.
        unsafe { BorrowedFd::borrow_raw((*self.node.raw()).fd) }
    }
}

/// A completion queue. Any thread may poll it.
#[derive(Debug)]
pub struct Cq {
    pub(crate) node: Arc<CqNode>,
    /// Room for entries; held while a resize changes it, in the library's object too.
    entries: Mutex<u32>,
    /// What its completions leave to be read otherwise.
    soft_roce: bool,
}

/// Completions taken from the library at a time; more are taken in several goes.
const BATCH: usize = 8;

impl Cq {
    pub(crate) fn new(
        context: &Arc<ContextNode>,
        entries: u32,
        channel: Option<&CompletionChannel>,
        key: u64,
    ) -> Result<Self, Error> {
        if let Some(channel) = channel {
            same_device("create_cq", "channel", context, &channel.node.parents)?;
        }
        let soft_roce = crate::context::attributes(context)?.is_soft_roce();
        let entries = i32::try_from(entries).unwrap_or(i32::MAX);
        let raw_channel = channel.map_or(null_mut(), |channel| channel.node.raw());
        // SAFETY: context and channel are open and of one device; the key is never followed as a pointer; the
        // new queue is nobody else's.
        let owned = unsafe {
            Owned::new(
                "ibv_create_cq",
                sys::ibv_create_cq(context.raw(), entries, key as *mut _, raw_channel, 0),
            )?
        };
        let parents = (context.clone(), channel.map(|channel| channel.node.clone()));
        // SAFETY: the queue exists, and nobody changes it yet.
        let entries = unsafe { (*owned.as_ptr()).cqe };
        let entries = Mutex::new(u32::try_from(entries).unwrap_or(0));
        Ok(Self { node: Node::new(owned, parents), entries, soft_roce })
    }

    /// Entries it has room for: at least as many as were asked for.
    #[must_use]
    pub fn entries(&self) -> u32 {
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes completions, oldest first, as many as there are and as `room` holds; the count.
    ///
    /// # Errors
    /// A failure of the device, if nothing could be taken before it.
    pub fn poll(&self, room: &mut [Completion]) -> Result<usize, Error> {
        let mut taken = 0;
        // Zeroed, since providers leave out members that verbs does not define for a completion.
        let mut raw = [const { MaybeUninit::<sys::ibv_wc>::zeroed() }; BATCH];
        while taken < room.len() {
            let wanted = BATCH.min(room.len() - taken);
            // SAFETY: the queue exists, and there is room for `wanted`, which is at most BATCH.
            let count = unsafe { sys::ibv_poll_cq(self.node.raw(), wanted as i32, raw.as_mut_ptr().cast()) };
            let Ok(count) = usize::try_from(count) else {
                return if taken > 0 { Ok(taken) } else { Err(Error::from_errno("ibv_poll_cq", -count)) };
            };
            for (place, entry) in room[taken..].iter_mut().zip(&raw[..count.min(wanted)]) {
                // SAFETY: numbers only, zeroed and then written.
                *place = Completion::new(unsafe { entry.assume_init_ref() }, self.soft_roce);
            }
            taken += count;
            if count < wanted {
                break;
            }
        }
        Ok(taken)
    }

    /// Asks for one event on the channel at the next completion, or at the next solicited one or error.
    ///
    /// Completions that were there before need not fire: poll once more after arming.
    ///
    /// # Errors
    /// What the device says.
    pub fn arm(&self, solicited_only: bool) -> Result<(), Error> {
        // SAFETY: the queue exists.
        let status = unsafe { sys::ibv_req_notify_cq(self.node.raw(), i32::from(solicited_only)) };
        answer("ibv_req_notify_cq", status)
    }

    /// Changes the room to at least `entries`, keeping what is in it.
    ///
    /// # Errors
    /// What the device says, such as EINVAL for fewer than there are completions, or that it cannot.
    pub fn resize(&self, entries: u32) -> Result<(), Error> {
        let wanted = i32::try_from(entries).unwrap_or(i32::MAX);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the queue exists. Providers lock against polls; the library's count is read under this
        // lock.
        let (status, now) = unsafe {
            let status = sys::ibv_resize_cq(self.node.raw(), wanted);
            (status, (*self.node.raw()).cqe)
        };
        *entries = u32::try_from(now).unwrap_or(0);
        answer("ibv_resize_cq", status)
    }

    /// Lets events wait for `count` completions, or `period_us` after the first; zeroes switch that off.
    ///
    /// # Errors
    /// EOPNOTSUPP where provider or device cannot; see [`Error::is_not_supported`].
    pub fn moderate(&self, count: u16, period_us: u16) -> Result<(), Error> {
        // SAFETY: the queue exists.
        let status = unsafe { shim::qpair_shim_moderate_cq(self.node.raw(), count, period_us) };
        answer("ibv_modify_cq", status)
    }

    /// Destroys the queue, with an answer; [`Error::InUse`] while a queue pair completes to it.
    ///
    /// # Errors
    /// The queue is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        let Self { node, entries, soft_roce } = self;
        node::close(node).map_err(|(node, error)| NotClosed::new(Self { node, entries, soft_roce }, error))
    }
}
