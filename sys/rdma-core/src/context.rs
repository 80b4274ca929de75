//! Devices and contexts: what there is, what it can do, and its asynchronous events.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rdma_sys as sys;

use crate::attributes::{DeviceAttributes, GidEntry, PortAttributes};
use crate::cq::{CompletionChannel, Cq};
use crate::error::{Error, NotClosed, answer};
use crate::event::AsyncEvent;
use crate::memory::Pd;
use crate::node::{self, ContextNode, Node, Owned};
use crate::shim;
use crate::wait::{no_event, set_non_blocking};

/// Whether FLUSH is compiled in, that is, whether the header of this build knew it (rdma-core 45).
pub fn built_with_flush() -> bool {
    // SAFETY: reads a constant.
    unsafe { shim::qpair_shim_built_with() & 1 != 0 }
}

/// Whether ATOMIC WRITE is compiled in, that is, whether the header of this build knew it (rdma-core 44).
pub fn built_with_atomic_write() -> bool {
    // SAFETY: reads a constant.
    unsafe { shim::qpair_shim_built_with() & 2 != 0 }
}

/// A device of this machine, opened or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEntry {
    /// The name by which it is opened.
    pub name: String,
    /// Its GUID, in host order; zero where the kernel does not say.
    pub guid: u64,
}

/// The devices for which this machine has both a driver and a provider library; none is not an error.
///
/// # Errors
/// ENOSYS where the kernel has no InfiniBand at all; EPERM where it must not be asked.
pub fn devices() -> Result<Vec<DeviceEntry>, Error> {
    let list = DeviceList::new()?;
    Ok(list.entries().map(|device| list.entry(device)).collect())
}

/// The library's list of devices. They live until it is freed, and longer where one is opened.
struct DeviceList {
    first: *mut *mut sys::ibv_device,
    count: usize,
}

impl DeviceList {
    fn new() -> Result<Self, Error> {
        let mut count = 0;
        // SAFETY: `count` is a place for the count.
        let first = unsafe { sys::ibv_get_device_list(&mut count) };
        if first.is_null() {
            return Err(Error::last("ibv_get_device_list"));
        }
        Ok(Self { first, count: usize::try_from(count).unwrap_or(0) })
    }

    fn entries(&self) -> impl Iterator<Item = *mut sys::ibv_device> {
        // SAFETY: the list has `count` entries, and is freed by drop only.
        (0..self.count).map(|index| unsafe { *self.first.add(index) })
    }

    fn entry(&self, device: *mut sys::ibv_device) -> DeviceEntry {
        // SAFETY: `device` is of `self`, which keeps it.
        let guid = unsafe { sys::ibv_get_device_guid(device) };
        // SAFETY: as above.
        DeviceEntry { name: unsafe { device_name(device) }, guid: u64::from_be(guid) }
    }
}

impl Drop for DeviceList {
    fn drop(&mut self) {
        // SAFETY: made by `new`, freed once.
        unsafe { sys::ibv_free_device_list(self.first) }
    }
}

/// # Safety
/// `device` is one, and is kept by a list or by a context.
pub(crate) unsafe fn device_name(device: *mut sys::ibv_device) -> String {
    // SAFETY: the name is a string within the device, copied here.
    let name = unsafe { CStr::from_ptr(sys::ibv_get_device_name(device)) };
    name.to_string_lossy().into_owned()
}

/// An opened device.
///
/// Its descriptor is that of its asynchronous events. Objects that were created from it keep it open.
#[derive(Debug)]
pub struct Context {
    pub(crate) node: Arc<ContextNode>,
}

impl Context {
    /// Opens the device of this name.
    ///
    /// # Errors
    /// [`Error::NoDevice`], with the names there are; else what the kernel says, such as EACCES for the
    /// device node.
    pub fn open(name: &str) -> Result<Self, Error> {
        let list = DeviceList::new()?;
        // SAFETY: the devices are of the list, which lives to the end of this function.
        let found = list.entries().find(|device| unsafe { device_name(*device) } == name);
        let Some(device) = found else {
            let known: Vec<String> = list.entries().map(|device| list.entry(device).name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Error::NoDevice { name: name.to_owned(), known });
        };
        // SAFETY: as above; the new context is nobody else's.
        let owned = unsafe { Owned::new("ibv_open_device", sys::ibv_open_device(device))? };
        let context = Self { node: Node::new(owned, ()) };
        set_non_blocking(context.as_fd())?;
        Ok(context)
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> String {
        // SAFETY: the context is open, and `device` is set at opening and never changed.
        unsafe { device_name((*self.node.raw()).device) }
    }

    /// What the device can do.
    ///
    /// # Errors
    /// What the device says.
    pub fn attributes(&self) -> Result<DeviceAttributes, Error> {
        attributes(&self.node)
    }

    /// What a port is and can do now; ports count from 1.
    ///
    /// # Errors
    /// EINVAL if there is no such port.
    pub fn port(&self, port: u8) -> Result<PortAttributes, Error> {
        let mut raw = MaybeUninit::<sys::ibv_port_attr>::zeroed();
        // SAFETY: the context is open, and the place is of the header's size (test of layouts).
        let status = unsafe { shim::qpair_shim_query_port(self.node.raw(), port, raw.as_mut_ptr()) };
        answer("ibv_query_port", status)?;
        // SAFETY: all numbers, for which zeroes are values too.
        Ok(PortAttributes::new(unsafe { raw.assume_init_ref() }))
    }

    /// The used entries of the GID tables of all ports.
    ///
    /// # Errors
    /// What the device says.
    pub fn gids(&self) -> Result<Vec<GidEntry>, Error> {
        let ports = 1..=self.attributes()?.ports;
        let mut room = 0;
        for port in ports {
            room += self.port(port)?.gid_entries as usize;
        }
        let mut raw: Vec<MaybeUninit<sys::ibv_gid_entry>> = Vec::new();
        raw.resize_with(room, MaybeUninit::zeroed);
        // SAFETY: the context is open, and the vector has room for as many entries as is said.
        let count =
            unsafe { shim::qpair_shim_query_gid_table(self.node.raw(), raw.as_mut_ptr().cast(), room) };
        let Ok(count) = usize::try_from(count) else {
            return Err(Error::from_errno("ibv_query_gid_table", i32::try_from(-count).unwrap_or(libc::EIO)));
        };
        // SAFETY: all numbers and bytes, zeroed above and then written as far as `count`.
        Ok(raw.iter().take(count).map(|entry| GidEntry::new(unsafe { entry.assume_init_ref() })).collect())
    }

    /// Creates a protection domain.
    ///
    /// # Errors
    /// What the device says, such as its limit of domains.
    pub fn create_pd(&self) -> Result<Pd, Error> {
        Pd::new(&self.node)
    }

    /// Creates a channel on which completion queues report.
    ///
    /// # Errors
    /// What the kernel says, such as its limit of open files.
    pub fn create_completion_channel(&self) -> Result<CompletionChannel, Error> {
        CompletionChannel::new(&self.node)
    }

    /// Creates a completion queue of at least `entries`; `key` names it in events.
    ///
    /// # Errors
    /// [`Error::Unfit`] if the channel is of another opened device; else what the device says, such as EINVAL
    /// for more entries than it has.
    pub fn create_cq(
        &self,
        entries: u32,
        channel: Option<&CompletionChannel>,
        key: u64,
    ) -> Result<Cq, Error> {
        Cq::new(&self.node, entries, channel, key)
    }

    /// Takes the next asynchronous event, acknowledged; `None` if there is none.
    ///
    /// # Errors
    /// What read(2) says, such as EIO once the device is gone.
    pub fn next_async_event(&self) -> Result<Option<AsyncEvent>, Error> {
        // Zeroed and read as plain memory: the library fills in only parts, and rdma-sys declares the kind as
        // a Rust enum, for which a kind that is newer than it would be undefined behaviour.
        let mut raw = MaybeUninit::<sys::ibv_async_event>::zeroed();
        // SAFETY: the context is open, and the place is of the header's size (test of layouts).
        let status = unsafe { sys::ibv_get_async_event(self.node.raw(), raw.as_mut_ptr()) };
        if status != 0 {
            return no_event("ibv_get_async_event").map(|()| None);
        }
        // SAFETY: filled in by the call above and not acknowledged yet, so the object that it names still
        // exists: its destruction waits for the acknowledgement.
        let event = unsafe { AsyncEvent::read(raw.as_ptr()) };
        // SAFETY: as above; acknowledged once.
        unsafe { sys::ibv_ack_async_event(raw.as_mut_ptr()) };
        Ok(Some(event))
    }

    /// Closes the device, with an answer; [`Error::InUse`] while anything created from it is there.
    ///
    /// # Errors
    /// The context is handed back with the reason.
    pub fn close(self) -> Result<(), NotClosed<Self>> {
        node::close(self.node).map_err(|(node, error)| NotClosed::new(Self { node }, error))
    }
}

/// What a device can do.
pub(crate) fn attributes(context: &ContextNode) -> Result<DeviceAttributes, Error> {
    let mut raw = MaybeUninit::<sys::ibv_device_attr_ex>::zeroed();
    // SAFETY: the context is open, and the place is of the header's size (test of layouts).
    let status = unsafe { shim::qpair_shim_query_device(context.raw(), raw.as_mut_ptr()) };
    answer("ibv_query_device_ex", status)?;
    // SAFETY: all numbers, for which zeroes are values too.
    Ok(DeviceAttributes::new(unsafe { raw.assume_init_ref() }))
}

impl AsFd for Context {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: open as long as the context, which the result borrows.
        unsafe { BorrowedFd::borrow_raw((*self.node.raw()).async_fd) }
    }
}
