//! Letting go of a device that is removed.
//!
//! librdmacm opens each device that one of its ids was bound to, for itself, and closes it only when a list
//! of devices shows that it is gone and others are there; never, if it was the only one. The kernel meanwhile
//! waits for every opened device before it is gone: the removal would last as long as the process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use rdma_sys as sys;

/// Closes the files of librdmacm's own context of a device, and leaves their numbers open on `/dev/null`.
///
/// Whatever the library still asks of that context fails with an errno, as it would of a device that is gone.
///
/// # Safety
/// `verbs` is null, or a context that librdmacm opened and has not closed.
pub(super) unsafe fn let_go(verbs: *mut sys::ibv_context) {
    if verbs.is_null() {
        return;
    }
    // SAFETY: the caller's promise; both are set when the context is opened and never changed.
    let files = unsafe { [(*verbs).cmd_fd, (*verbs).async_fd] };
    if let Err(error) = replace(&files) {
        tracing::error!(%error, "the removal of a device waits until this process ends");
    }
}

fn replace(files: &[libc::c_int]) -> io::Result<()> {
    let null = File::open("/dev/null")?;
    for file in files {
        // SAFETY: plain numbers; `file` belongs to a context that makes no use of what it reads from there.
        if unsafe { libc::dup3(null.as_raw_fd(), *file, libc::O_CLOEXEC) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
