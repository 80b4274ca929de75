//! Waiting for any of several descriptors, as one thread per device does.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::error::Error;

/// Waits until one of `descriptors` can be read; true at that index, all false after `timeout`.
///
/// The descriptors of [`Context`](crate::Context), [`CompletionChannel`](crate::CompletionChannel) and
/// [`EventChannel`](crate::cm::EventChannel) are non-blocking, so a thread may wait for all of them here and
/// then take events until there is none. `None` waits without end. A time-out is rounded up to milliseconds.
/// A descriptor in error counts as readable: taking its next event says what is wrong.
///
/// # Errors
/// What poll(2) says; an interruption by a signal is not one, the wait goes on with its whole time-out.
pub fn wait_readable(descriptors: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Vec<bool>, Error> {
    let wanted = |fd: &BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = descriptors.iter().map(wanted).collect();
    let milliseconds =
        timeout.map_or(-1, |span| i32::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
    loop {
        // SAFETY: the pointer and the count are those of one vector, and the descriptors are borrowed and so
        // open.
        let count = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, milliseconds) };
        if count >= 0 {
            return Ok(polled.iter().map(|one| one.revents != 0).collect());
        }
        let error = Error::last("poll");
        if error.errno() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}

/// Ends the wait of another thread.
#[derive(Debug)]
pub struct Waker {
    descriptor: OwnedFd,
}

impl Waker {
    /// Makes one; its descriptor goes among those that are waited for.
    ///
    /// # Errors
    /// EMFILE and the like.
    pub fn new() -> Result<Self, Error> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd == -1 {
            return Err(Error::last("eventfd"));
        }
        // SAFETY: just made, and nobody else's.
        Ok(Self { descriptor: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// The descriptor can be read from now on, until [`calm`](Self::calm).
    pub fn wake(&self) {
        let one = 1_u64;
        // SAFETY: the bytes of a number. It fails only when the count is at its end, and then it can be read.
        let _full = unsafe { libc::write(self.descriptor.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// The descriptor cannot be read until the next [`wake`](Self::wake).
    pub fn calm(&self) {
        let mut count = 0_u64;
        // SAFETY: room for a number. It fails only when there is nothing to read.
        let _calm = unsafe { libc::read(self.descriptor.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Makes `descriptor` answer EAGAIN instead of waiting.
pub(crate) fn set_non_blocking(descriptor: BorrowedFd<'_>) -> Result<(), Error> {
    let fd = descriptor.as_raw_fd();
    // SAFETY: plain calls on an open descriptor, which the borrow keeps open.
    let done = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        flags != -1 && libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) != -1
    };
    done.then_some(()).ok_or_else(|| Error::last("fcntl"))
}

/// Reads the failure of a call that takes one event: `Ok` if there simply is none.
pub(crate) fn no_event(call: &'static str) -> Result<(), Error> {
    let error = Error::last(call);
    match error.errno() {
        Some(libc::EAGAIN | libc::EINTR) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A descriptor that can be read if `count` is not zero.
    fn counter(count: u32) -> OwnedFd {
        // SAFETY: no pointers; the new descriptor is nobody else's.
        unsafe {
            let fd = libc::eventfd(count, 0);
            assert_ne!(fd, -1);
            OwnedFd::from_raw_fd(fd)
        }
    }

    #[test]
    fn a_readable_descriptor_is_told_from_a_quiet_one() {
        let (quiet, loud) = (counter(0), counter(1));
        assert_eq!(wait_readable(&[quiet.as_fd()], Some(Duration::ZERO)).unwrap(), [false]);
        assert_eq!(wait_readable(&[quiet.as_fd(), loud.as_fd()], None).unwrap(), [false, true]);
    }

    #[test]
    fn a_waker_is_readable_until_it_is_calmed() {
        let waker = Waker::new().unwrap();
        let readable = || wait_readable(&[waker.as_fd()], Some(Duration::ZERO)).unwrap()[0];
        assert!(!readable());
        waker.wake();
        waker.wake();
        assert!(readable());
        waker.calm();
        assert!(!readable());
    }
}
